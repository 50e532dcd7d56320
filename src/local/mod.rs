//! The embedded cloud: the ports on this machine, with nothing else installed.
//!
//! What it shows, it did: objects are files, SQL is executed by DataFusion, functions run. See `schema.sql` for what it
//! remembers. One process at a time is its driver (see [`driver`]).

pub(crate) mod alarms;
pub mod alerts;
pub mod apis;
mod assets;
pub mod buckets;
mod buckets_streaming;
pub mod catalog;
pub mod changes;
pub mod clock;
pub(crate) mod copies;
pub mod crawlers;
#[cfg(test)]
mod crypto_stream_tests;
pub mod deliveries;
pub(crate) mod directory;
pub mod driver;
#[cfg(test)]
mod durability_tests;
pub mod functions;
pub mod gateway;
pub mod invoke;
pub mod jobs;
pub mod listing;
pub mod logs;
pub mod lookup;
pub mod pending;
pub mod postgres;
pub mod process;
pub(crate) mod provision;
pub mod queries;
pub mod queues;
pub(crate) mod recovery;
pub mod releases;
pub mod role;
pub mod runs;
pub mod runtime;
pub mod schedules;
pub mod secrets;
pub mod sources;
pub mod sql;
pub(crate) mod stack_engine;
pub mod stacks;
pub(crate) mod state_changes;
pub mod store;
pub mod streams;
pub mod tables;
#[cfg(test)]
pub mod testing;

use std::{path::PathBuf, sync::Arc};

use async_trait::async_trait;

use crate::cloud::{
    Cloud, Error, Identity, Result,
    functions::Handlers,
    identity::Identities,
    releases::ReadRelease,
    traffic::{Meter, Traffic},
};
use clock::Clock;
use process::Process;
use store::Store;

/// How to open an embedded cloud.
#[derive(Clone)]
pub struct Options {
    /// The folder that holds its state.
    pub state_dir: PathBuf,
    /// Open it for reading alone: nothing in the folder is changed.
    pub read_only: bool,
    /// Who acts.
    pub principal: String,
    /// The handlers of functions written in Rust.
    pub handlers: Handlers,
    /// Whether sources answer from their real addresses.
    pub online: bool,
    /// Reads the `[release]` section of a pipeline's folder.
    pub read_release: ReadRelease,
    /// The connection string of the PostgreSQL server to use, rather than a private one.
    pub database_url: Option<String>,
}

/// An embedded cloud. Cheap to clone; implements every port.
#[derive(Clone)]
pub struct Local {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) store: Store,
    pub(crate) clock: Clock,
    /// None when opened for reading alone.
    pub(crate) process: Option<Process>,
    pub(crate) watch: changes::Watch,
    pub(crate) options: Options,
    pub(crate) recordings: sources::Cache,
    pub(crate) postgres: postgres::Server,
    pub(crate) releases: releases::AtWork,
}

impl Local {
    /// Opens (or makes) the embedded cloud, and marks what dead processes left half-done as such.
    pub fn open(options: Options) -> Result<Self> {
        let store = Store::open(&options.state_dir, options.read_only)?;
        let clock = Clock::open(&store)?;
        let process = if options.read_only { None } else { Some(Process::register(&options.state_dir)?) };
        let (watch, recordings) = (changes::Watch::default(), sources::Cache::default());
        let (postgres, releases) = (postgres::Server::default(), releases::AtWork::default());
        let inner = Inner { store, clock, process, watch, options, recordings, postgres, releases };
        let local = Self { inner: Arc::new(inner) };
        if !local.inner.options.read_only {
            local.recover()?;
        }
        Ok(local)
    }

    /// Lets the clock run `speed` times faster than the wall clock from now on, for all processes: 0.1 to 100,000.
    pub fn set_speed(&self, speed: f64) -> Result<()> {
        self.inner.clock.set_speed(&self.inner.store, speed)
    }

    /// This process's id among those that share the state.
    ///
    /// # Errors
    /// [`Error::AccessDenied`] where the state is open for reading alone.
    pub(crate) fn process_id(&self) -> Result<String> {
        match &self.inner.process {
            Some(process) => Ok(process.id().to_owned()),
            None => Err(Error::AccessDenied {
                action: "write".into(),
                target: self.inner.store.dir().display().to_string(),
            }),
        }
    }

    /// Runs `f`, which may block, off the caller's thread.
    pub(crate) async fn blocking<T, F>(&self, f: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce() -> Result<T> + Send + 'static,
    {
        store::join(tokio::task::spawn_blocking(f).await)
    }

    /// Its ports.
    pub fn cloud(&self) -> Cloud {
        Cloud::of(Arc::new(self.clone()), Arc::new(self.inner.clock.clone()))
    }
}

#[async_trait]
impl Identities for Local {
    fn known(&self) -> Identity {
        let options = &self.inner.options;
        Identity {
            cloud: "local".into(),
            account: Some(options.state_dir.display().to_string()),
            principal: Some(options.principal.clone()),
            region: None,
            profile: None,
            endpoint: None,
            credentials: None,
            login: None,
        }
    }

    async fn ask(&self) -> Result<Identity> {
        Ok(self.known())
    }
}

impl Meter for Local {
    fn traffic(&self) -> Option<Traffic> {
        None
    }
}
