//! The ports: what pumphouse needs of a cloud, one trait a capability, with its types and its errors.
//!
//! Nothing here knows an adapter. Names are AWS's; sizes are in bytes and times in UTC unless a field says otherwise.

pub mod alerts;
pub mod apis;
pub mod buckets;
pub mod calls;
pub mod catalog;
pub mod changes;
pub mod crawlers;
pub mod delimited;
pub mod diff;
pub mod error;
pub mod events;
pub mod flow;
pub mod functions;
pub mod identity;
pub mod jobs;
pub mod logs;
pub mod pages;
pub mod permit;
pub mod postgres;
pub mod queries;
pub mod queues;
pub mod reading;
pub mod recording;
pub mod releases;
pub mod resources;
pub mod runs;
pub mod schedule;
pub mod secrets;
pub mod sources;
pub mod stacks;
pub mod streams;
pub mod tables;
pub mod traffic;
pub mod uploads;
pub mod urlcode;

use std::{fmt, sync::Arc};

use jiff::Timestamp;

pub use error::{Error, Result};
pub use identity::Identity;
pub use pages::Pages;
pub use permit::{Grant, Permit};

/// The time, as the cloud has it: an embedded cloud's may run faster.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;
    /// How many times faster than the wall clock it runs.
    fn speed(&self) -> f64;
}

/// A cloud: all its ports. Cheap to clone.
#[derive(Clone)]
pub struct Cloud {
    /// Who and where we are.
    pub identity: Arc<dyn identity::Identities>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Thresholds, alarms, topics, subscriptions.
    pub alerts: Arc<dyn alerts::Alerts>,
    /// HTTP APIs.
    pub apis: Arc<dyn apis::Apis>,
    /// Buckets and objects.
    pub buckets: Arc<dyn buckets::Buckets>,
    /// The data catalog.
    pub catalog: Arc<dyn catalog::Catalog>,
    /// News of changes.
    pub changes: Arc<dyn changes::Changes>,
    /// Crawlers.
    pub crawlers: Arc<dyn crawlers::Crawlers>,
    /// Functions.
    pub functions: Arc<dyn functions::Functions>,
    /// Jobs.
    pub jobs: Arc<dyn jobs::Jobs>,
    /// Logs.
    pub logs: Arc<dyn logs::Logs>,
    /// PostgreSQL databases.
    pub postgres: Arc<dyn postgres::Postgres>,
    /// SQL queries.
    pub queries: Arc<dyn queries::Queries>,
    /// Queues and messages.
    pub queues: Arc<dyn queues::Queues>,
    /// Releases of pipelines.
    pub releases: Arc<dyn releases::Releases>,
    /// Runs of whole pipelines.
    pub runs: Arc<dyn runs::Runs>,
    /// Secrets.
    pub secrets: Arc<dyn secrets::Secrets>,
    /// Stacks.
    pub stacks: Arc<dyn stacks::Stacks>,
    /// Data streams and delivery streams.
    pub streams: Arc<dyn streams::Streams>,
    /// Key-value tables.
    pub tables: Arc<dyn tables::Tables>,
    /// What the calls to the cloud are like.
    pub traffic: Arc<dyn traffic::Meter>,
}

impl Cloud {
    /// The cloud whose ports are all implemented by one adapter.
    pub fn of<P>(port: Arc<P>, clock: Arc<dyn Clock>) -> Self
    where
        P: identity::Identities
            + alerts::Alerts
            + apis::Apis
            + buckets::Buckets
            + catalog::Catalog
            + changes::Changes
            + crawlers::Crawlers
            + functions::Functions
            + jobs::Jobs
            + logs::Logs
            + postgres::Postgres
            + queries::Queries
            + queues::Queues
            + releases::Releases
            + runs::Runs
            + secrets::Secrets
            + stacks::Stacks
            + streams::Streams
            + tables::Tables
            + traffic::Meter
            + 'static,
    {
        Self {
            identity: port.clone(),
            clock,
            alerts: port.clone(),
            apis: port.clone(),
            buckets: port.clone(),
            catalog: port.clone(),
            changes: port.clone(),
            crawlers: port.clone(),
            functions: port.clone(),
            jobs: port.clone(),
            logs: port.clone(),
            postgres: port.clone(),
            queries: port.clone(),
            queues: port.clone(),
            releases: port.clone(),
            runs: port.clone(),
            secrets: port.clone(),
            stacks: port.clone(),
            streams: port.clone(),
            tables: port.clone(),
            traffic: port,
        }
    }
}

impl fmt::Debug for Cloud {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cloud").field("identity", &self.identity.known()).finish_non_exhaustive()
    }
}
