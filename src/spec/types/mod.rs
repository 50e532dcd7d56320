//! A pipeline as its `pipeline.toml` describes it, with every default filled in and every file read.

mod compute;
mod databases;
mod events;
mod grants;
mod storage;

use std::path::PathBuf;

use super::engine::{ExistingKind, Terraform};

pub use crate::cloud::{
    catalog::Column,
    delimited::Dialect,
    releases::{Definition, Target as ReleaseTarget},
    resources::{CorsRule, End, Key, KeyAttribute, KeyIndex, KeyKind, KeyTable, Quota, Runtime, Throttle, Transition},
};

pub use compute::{Api, Crawler, Function, Job, Query, Secret, Source};
pub use databases::{Chart, ChartSource, Connection, ConnectionTo, Dashboard, MetricName, Network, Postgres};
pub use events::{Alarm, Delivery, Metric, Queue, Stream, Target, Threshold, Told, Topic};
pub use grants::{Grant, GrantKind};
pub use storage::{Bucket, Rule, Table, Upload};

/// A pipeline.
#[derive(Debug, Clone, PartialEq)]
pub struct Pipeline {
    /// Its name: `crypto-stream`.
    pub name: String,
    /// What it does, in words.
    pub description: String,
    /// Where it was read from.
    pub origin: Origin,
    /// The directories from which Terraform deploys it; none: it is deployed from what it says itself.
    pub terraform: Option<Terraform>,
    /// Its environments, in the order of the file; at least one.
    pub environments: Vec<Environment>,
    /// How a change of its folder is delivered.
    pub release: Option<Release>,
}

/// How a change of a pipeline's folder is delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// Where changes come from, on AWS.
    pub source: ReleaseSource,
    /// What a release goes through.
    pub definition: Definition,
}

/// Where AWS takes changes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReleaseSource {
    /// A repository of AWS CodeCommit, in the same account and region.
    CodeCommit {
        /// Its name.
        repository: String,
    },
    /// A repository elsewhere, by a connection of AWS CodeConnections.
    Connection {
        /// Who hosts it, in CodeConnections' word: `GitHub`.
        provider: String,
        /// Its owner and name: `example/lake`.
        repository: String,
        /// The connection's ARN.
        connection: String,
    },
}

/// Where a pipeline was read from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// The folder that holds pipeline.toml.
    Folder(PathBuf),
    /// One that is built in, by its folder's name.
    BuiltIn(String),
    /// Files in memory.
    Memory,
}

/// An environment: where the pipeline is deployed, and its resources there.
#[derive(Debug, Clone, PartialEq)]
pub struct Environment {
    /// Its name: `dev`.
    pub name: String,
    /// The AWS region; none: what the AWS configuration says.
    pub region: Option<String>,
    /// Whether deploy and destroy ask for the stack's name.
    pub protected: bool,
    /// The catalog database's name before the environment's suffix; none where no table is made.
    pub database: Option<String>,
    /// Sources of data.
    pub sources: Vec<Source>,
    /// Sources of files.
    pub uploads: Vec<Upload>,
    /// Keys that encrypt.
    pub keys: Vec<(String, Key)>,
    /// Key-value tables.
    pub key_tables: Vec<(String, KeyTable)>,
    /// Catalog tables that no job fills.
    pub tables: Vec<Table>,
    /// Secrets, those that a source names among them.
    pub secrets: Vec<Secret>,
    /// Thresholds.
    pub thresholds: Vec<Threshold>,
    /// Data streams.
    pub streams: Vec<Stream>,
    /// Queues.
    pub queues: Vec<Queue>,
    /// Delivery streams.
    pub deliveries: Vec<Delivery>,
    /// Buckets.
    pub buckets: Vec<Bucket>,
    /// Functions.
    pub functions: Vec<Function>,
    /// Crawlers.
    pub crawlers: Vec<Crawler>,
    /// Jobs.
    pub jobs: Vec<Job>,
    /// Topics.
    pub topics: Vec<Topic>,
    /// Alarms.
    pub alarms: Vec<Alarm>,
    /// Named queries.
    pub queries: Vec<Query>,
    /// HTTP APIs.
    pub apis: Vec<Api>,
    /// Networks.
    pub networks: Vec<Network>,
    /// PostgreSQL databases.
    pub postgres: Vec<Postgres>,
    /// Connections of jobs.
    pub connections: Vec<Connection>,
    /// Metrics that functions measure, beside those of thresholds.
    pub metrics: Vec<MetricName>,
    /// Dashboards.
    pub dashboards: Vec<Dashboard>,
    /// What exists, by physical names, where another engine has made it.
    pub existing: Vec<(ExistingKind, Vec<String>)>,
}

impl Pipeline {
    /// An environment by its name.
    pub fn env(&self, name: &str) -> Option<&Environment> {
        self.environments.iter().find(|e| e.name == name)
    }

    /// The names of its environments, in the order of the file.
    pub fn env_names(&self) -> Vec<&str> {
        self.environments.iter().map(|e| e.name.as_str()).collect()
    }
}
