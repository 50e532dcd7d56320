//! Networks, what stands in them, and dashboards.

use serde::{Deserialize, Serialize};

/// A network: private subnets in two availability zones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// Its range of addresses.
    pub cidr: String,
    /// Whether what is in it reaches the internet, over a NAT gateway.
    pub internet: bool,
    /// The services of AWS that what is in it calls: without the internet, over endpoints of their own.
    pub services: Vec<String>,
    /// Whether jobs run in it, whose parts talk to one another.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub jobs: bool,
}

/// A connection (AWS Glue): it puts a job into a network, and may tell it how to reach a database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connection {
    /// The network.
    pub network: String,
    /// The database that it leads to; none: it leads into the network alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<ConnectionTo>,
}

/// The database that a connection leads to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConnectionTo {
    /// One of the stack's own; its secret holds the user and the password.
    Postgres(String),
    /// Another one.
    Url {
        /// Its JDBC address.
        url: String,
        /// The port in that.
        port: u16,
        /// The secret with `username` and `password`.
        secret: String,
    },
}

/// A PostgreSQL database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Postgres {
    /// The database's own name on its server: letters, digits and `_`.
    pub database: String,
    /// The network that it is in.
    pub network: String,
    /// PostgreSQL's major version.
    pub version: String,
    /// The instance class.
    pub instance: String,
    /// GiB of storage.
    pub storage_gib: u32,
    /// Days that backups are kept.
    pub backup_days: u32,
    /// Whether a second instance stands by in another availability zone.
    pub multi_az: bool,
}

/// A dashboard.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dashboard {
    /// Its charts.
    pub charts: Vec<Chart>,
}

/// A chart of a dashboard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chart {
    /// Its title.
    pub title: String,
    /// What it shows.
    #[serde(flatten)]
    pub source: ChartSource,
}

/// What a chart shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChartSource {
    /// A query's result: its first column is a date or a time, each other one a line.
    Query {
        /// The database.
        postgres: String,
        /// The SQL.
        sql: String,
    },
    /// Metrics, each `namespace/name`.
    Metrics(Vec<String>),
}
