//! Networks, what stands in them, and dashboards.

/// A network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// Its name.
    pub name: String,
    /// Its range of addresses.
    pub cidr: String,
    /// Whether what is in it reaches the internet.
    pub internet: bool,
}

/// A PostgreSQL database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Postgres {
    /// Its name.
    pub name: String,
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

/// A connection: what puts a job into a network, and may tell it how to reach a database there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// Its name.
    pub name: String,
    /// The network that it leads into.
    pub network: String,
    /// The database that it leads to; none: it leads into the network alone.
    pub to: Option<ConnectionTo>,
}

/// The database that a connection leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConnectionTo {
    /// One of the pipeline's own.
    Postgres(String),
    /// Another one.
    Url {
        /// Its JDBC address, without credentials.
        url: String,
        /// The port in that.
        port: u16,
        /// The secret with `username` and `password`.
        secret: String,
    },
}

/// A metric that a function measures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricName {
    /// Its name.
    pub name: String,
    /// Its unit, in words.
    pub unit: Option<String>,
}

/// A dashboard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dashboard {
    /// Its name.
    pub name: String,
    /// Its charts.
    pub charts: Vec<Chart>,
}

/// A chart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chart {
    /// Its title.
    pub title: String,
    /// What it shows.
    pub source: ChartSource,
}

/// What a chart shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChartSource {
    /// A query's result: its first column is a date or a time, each other one a line.
    Query {
        /// The database, by its name.
        postgres: String,
        /// The SQL, read from its file.
        sql: String,
    },
    /// Metrics and thresholds, by their names.
    Metrics(Vec<String>),
}
