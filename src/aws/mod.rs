//! The adapter on AWS: every port on the official SDK.
//!
//! One file a capability, named as its port. [`client`] knows where we are and who we are, [`guard`] sees every request,
//! [`operations`] lists the operations that may be called, [`error`] puts failures in words.

mod alerts;
mod apis;
mod bare;
mod buckets;
mod catalog;
mod changes;
pub mod client;
mod counts;
mod crawlers;
mod credentials;
pub mod error;
mod functions;
pub mod guard;
mod http;
mod identity;
mod jobs;
pub mod lambda;
mod logs;
mod metrics;
pub mod operations;
mod owners;
pub mod policy;
mod postgres;
pub mod profiles;
mod queries;
mod queues;
mod releases;
mod retry;
mod runs;
mod secrets;
mod stacks;
mod streams;
mod tables;
mod time;
mod traffic;

use std::{path::PathBuf, sync::Arc};

use crate::cloud::{Clock, Cloud};
use client::Client;

/// Gives what belongs to pipelines though no stack of theirs made it; asked again whenever owners are looked at again.
#[derive(Clone)]
pub struct Claims(pub Arc<dyn Fn() -> Vec<(String, String)> + Send + Sync>);

impl std::fmt::Debug for Claims {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Claims")
    }
}

/// How to open AWS.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The profile of the configuration files, which then goes before the environment; none: as the AWS CLI would choose.
    pub profile: Option<String>,
    /// The region; none: as the AWS CLI would choose.
    pub region: Option<String>,
    /// The endpoint of all services; none: AWS's own, or what the environment or the profile says.
    pub endpoint_url: Option<String>,
    /// Credentials to use, rather than to look for some where the AWS CLI does.
    pub credentials: Option<aws_credential_types::Credentials>,
    /// The role to assume with the credentials that were found.
    pub role_arn: Option<String>,
    /// The name of that role's session, where `pumphouse` will not do.
    pub role_session_name: Option<String>,
    /// What the role's owner wants to hear of those who assume it.
    pub external_id: Option<String>,
    /// The workgroup of queries that name none; none: `primary`. The only one that is looked into, where there is one.
    pub workgroup: Option<String>,
    /// Let no request out that changes anything.
    pub read_only: bool,
    /// How long what was read counts as fresh; none: 10 seconds.
    pub refresh: Option<std::time::Duration>,
    /// What belongs to pipelines though no stack of theirs made it: physical names, and the pipelines.
    pub claims: Option<Claims>,
    /// The folder for what only this machine remembers: runs of pipelines.
    pub state_dir: PathBuf,
}

/// AWS, or what answers like it. Cheap to clone; implements every port.
#[derive(Debug, Clone)]
pub struct Aws {
    client: Client,
    owners: Arc<owners::Cache>,
    measurements: Arc<alerts::history::Cache>,
    regions: Arc<buckets::Regions>,
    metrics: Arc<metrics::Cache>,
    runs: Arc<runs::Locks>,
}

impl Aws {
    /// Opens it: asks for nothing yet, so it does not wait and cannot fail.
    pub fn open(options: Options) -> Self {
        Self {
            client: Client::new(options),
            owners: Arc::default(),
            measurements: Arc::default(),
            regions: Arc::default(),
            metrics: Arc::default(),
            runs: Arc::default(),
        }
    }

    /// Opens it for a function on AWS Lambda: its role may not look for who owns what, and need not.
    #[cfg(feature = "bootstrap")]
    pub(crate) fn open_as_role(options: Options) -> Self {
        Self { owners: Arc::new(owners::Cache::nobody()), ..Self::open(options) }
    }

    /// Remembers the account that a function is in: its role is not asked about.
    #[cfg(feature = "bootstrap")]
    pub(crate) fn known_account(&self, account: Option<&str>) {
        if let Some(account) = account {
            self.client.identified(Some(account.to_owned()), None);
        }
    }

    /// The ports of which a function may be granted something.
    #[cfg(feature = "bootstrap")]
    pub(crate) fn ports(&self) -> crate::cloud::functions::Ports {
        let port = Arc::new(self.clone());
        crate::cloud::functions::Ports {
            alerts: port.clone(),
            buckets: port.clone(),
            crawlers: port.clone(),
            jobs: port.clone(),
            postgres: port.clone(),
            queries: port.clone(),
            queues: port.clone(),
            secrets: port.clone(),
            streams: port.clone(),
            tables: port,
        }
    }

    /// Its ports.
    pub fn cloud(&self) -> Cloud {
        Cloud::of(Arc::new(self.clone()), Arc::new(WallClock))
    }
}

/// The time on AWS is the time on the wall.
struct WallClock;

impl Clock for WallClock {
    fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::now()
    }

    fn speed(&self) -> f64 {
        1.0
    }
}
