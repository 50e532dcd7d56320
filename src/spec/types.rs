//! A pipeline as its `pipeline.toml` describes it, with every default filled in and every file read.

use std::{collections::BTreeMap, path::PathBuf};

use bytes::Bytes;

use super::engine::{ExistingKind, Terraform};

pub use crate::cloud::{
    catalog::Column,
    delimited::Dialect,
    releases::{Definition, Target as ReleaseTarget},
    resources::{CorsRule, End, Key, KeyAttribute, KeyIndex, KeyKind, KeyTable, Quota, Runtime, Throttle, Transition},
};

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

/// A source of data.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Source {
    /// Its name.
    pub name: String,
    /// The address, with `{parameter}` for what a function fills in.
    pub url: String,
    /// The secret that it wants.
    pub secret: Option<String>,
    /// Headers that go with each request.
    pub headers: BTreeMap<String, String>,
    /// Where it is a published directory, whose address ends with `/{file}`: the files of its sample.
    pub directory: Option<BTreeMap<String, Bytes>>,
    /// The recording's content: JSON lines, or one document.
    pub sample: Option<Bytes>,
    /// Whether the sample is one document, answered as it is; none without a sample.
    pub document: Option<bool>,
    /// Per parameter of the address, a text with `{field}` for a field of an observation.
    pub matches: BTreeMap<String, String>,
    /// The field that holds an observation's time.
    pub time: Option<String>,
    /// The key under which an observation stands in an answer.
    pub wrap: Option<String>,
}

/// A source of files, which are uploaded to a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// Its name.
    pub name: String,
    /// What their names are like: the last part of the path, with `*` and `?`.
    pub pattern: String,
    /// The files by their path after the prefix.
    pub files: BTreeMap<String, Bytes>,
    /// The bucket that they are uploaded to.
    pub to: String,
    /// What their keys begin with.
    pub prefix: String,
}

/// A catalog table over files that no job writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// The bucket that holds the files.
    pub from: String,
    /// What their keys begin with.
    pub prefix: String,
    /// `csv`, `json` or `parquet`.
    pub format: String,
    /// The columns in the files.
    pub columns: Vec<Column>,
}

/// A secret, without its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secret {
    /// Its name.
    pub name: String,
    /// What it is, in words.
    pub description: String,
}

/// A threshold.
#[derive(Debug, Clone, PartialEq)]
pub struct Threshold {
    /// Its name.
    pub name: String,
    /// Its value until somebody sets another.
    pub default: f64,
    /// Its unit, in words.
    pub unit: Option<String>,
}

/// A data stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stream {
    /// Its name.
    pub name: String,
    /// Shards.
    pub shards: u32,
    /// Hours that a record is kept.
    pub retention_hours: u32,
}

/// A queue, with another for the messages that nobody could deal with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queue {
    /// Its name.
    pub name: String,
    /// Seconds that a message that was received has, before it is seen again.
    pub visibility_seconds: u32,
    /// Days that a message is kept.
    pub retention_days: u32,
    /// How many times a message is received before it goes to the dead-letter queue.
    pub max_receives: u32,
}

/// A delivery stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Its name.
    pub name: String,
    /// The stream that it reads.
    pub from: String,
    /// The bucket that it writes to.
    pub to: String,
    /// What its keys begin with, before `YYYY/MM/DD/HH/`.
    pub prefix: String,
    /// Seconds after which the buffer is delivered.
    pub buffer_seconds: u32,
    /// MiB at which the buffer is delivered.
    pub buffer_mib: u32,
    /// What its keys end with.
    pub file_extension: String,
}

/// A bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    /// Its name.
    pub name: String,
    /// Whether versions are kept.
    pub versioning: bool,
    /// Days after which objects expire.
    pub expire_days: Option<u32>,
    /// What happens when an object is created.
    pub on_created: Vec<Rule>,
    /// Days after which a version that is no longer current goes.
    pub expire_versions_days: Option<u32>,
    /// When objects move to another storage class.
    pub transition: Option<Transition>,
    /// The key that encrypts its objects.
    pub encryption: Option<String>,
    /// Which pages of other origins may read it.
    pub cors: Vec<CorsRule>,
    /// The bucket for its access log.
    pub access_log: Option<String>,
    /// The bucket that its objects are copied to.
    pub replicate_to: Option<String>,
}

/// What happens when an object is created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Only keys that begin with this.
    pub prefix: String,
    /// Only keys that end with this.
    pub suffix: String,
    /// Who is told.
    pub target: Target,
}

/// A function, a topic or a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A function, by its name.
    Function(String),
    /// A topic, by its name.
    Topic(String),
    /// A queue, by its name.
    Queue(String),
}

/// A function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// What runs it.
    pub runtime: Runtime,
    /// The handler: `crypto_stream::fetch_prices`, `app.handler`.
    pub handler: String,
    /// Its code by path below the code's folder, for a runtime that needs some.
    pub code: Option<BTreeMap<String, Bytes>>,
    /// When it runs by itself.
    pub schedule: Option<String>,
    /// The queue whose messages it is given, by its name.
    pub from: Option<String>,
    /// How many messages it is given at once, at most.
    pub batch_size: u32,
    /// Seconds that an invocation may take.
    pub timeout_seconds: u32,
    /// Memory in MiB.
    pub memory_mib: u32,
    /// Environment variables, beside those that come from grants.
    pub env: BTreeMap<String, String>,
    /// What it may do.
    pub grants: Vec<Grant>,
    /// The network that it runs in.
    pub network: Option<String>,
}

/// One thing that a function may do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Grant {
    /// On what kind of thing.
    pub kind: GrantKind,
    /// On which, by its name.
    pub name: String,
    /// Of a bucket, only on keys that begin with this.
    pub prefix: String,
}

/// The kinds of grants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GrantKind {
    /// `source.X:read`
    SourceRead,
    /// `secret.X:read`
    SecretRead,
    /// `stream.X:write`
    StreamWrite,
    /// `bucket.X:read`
    BucketRead,
    /// `bucket.X:write`
    BucketWrite,
    /// `bucket.X:list`
    BucketList,
    /// `bucket.X:delete`
    BucketDelete,
    /// `queue.X:send`
    QueueSend,
    /// `threshold.X:read`
    ThresholdRead,
    /// `threshold.X:measure`
    ThresholdMeasure,
    /// `topic.X:publish`
    TopicPublish,
    /// `query.X:execute`
    QueryExecute,
    /// `crawler.X:read`
    CrawlerRead,
    /// `crawler.X:start`
    CrawlerStart,
    /// `job.X:start`
    JobStart,
    /// `dynamodb.X:read`
    DynamodbRead,
    /// `dynamodb.X:write`
    DynamodbWrite,
    /// `postgres.X:write`
    PostgresWrite,
    /// `metric.X:measure`
    MetricMeasure,
}

impl GrantKind {
    /// All of them.
    pub const ALL: [Self; 19] = [
        Self::SourceRead,
        Self::SecretRead,
        Self::StreamWrite,
        Self::QueueSend,
        Self::BucketRead,
        Self::BucketWrite,
        Self::BucketList,
        Self::BucketDelete,
        Self::ThresholdRead,
        Self::ThresholdMeasure,
        Self::TopicPublish,
        Self::QueryExecute,
        Self::CrawlerRead,
        Self::CrawlerStart,
        Self::JobStart,
        Self::DynamodbRead,
        Self::DynamodbWrite,
        Self::PostgresWrite,
        Self::MetricMeasure,
    ];

    /// The section that it is about: `stream`.
    pub fn section(self) -> &'static str {
        match self {
            Self::SourceRead => "source",
            Self::SecretRead => "secret",
            Self::StreamWrite => "stream",
            Self::QueueSend => "queue",
            Self::BucketRead | Self::BucketWrite | Self::BucketList | Self::BucketDelete => "bucket",
            Self::ThresholdRead | Self::ThresholdMeasure => "threshold",
            Self::TopicPublish => "topic",
            Self::QueryExecute => "query",
            Self::CrawlerRead | Self::CrawlerStart => "crawler",
            Self::JobStart => "job",
            Self::DynamodbRead | Self::DynamodbWrite => "dynamodb",
            Self::PostgresWrite => "postgres",
            Self::MetricMeasure => "metric",
        }
    }

    /// The environment variable that tells a function the physical name, where there is one: `STREAM_PRICES`.
    pub fn variable(self, name: &str) -> Option<String> {
        let prefix = match self {
            Self::SourceRead => return None,
            Self::SecretRead => "SECRET",
            Self::StreamWrite => "STREAM",
            Self::QueueSend => "QUEUE",
            Self::BucketRead | Self::BucketWrite | Self::BucketList | Self::BucketDelete => "BUCKET",
            Self::ThresholdRead => "THRESHOLD",
            Self::ThresholdMeasure | Self::MetricMeasure => "METRIC",
            Self::TopicPublish => "TOPIC",
            Self::QueryExecute => "QUERY",
            Self::CrawlerRead | Self::CrawlerStart => "CRAWLER",
            Self::JobStart => "JOB",
            Self::DynamodbRead | Self::DynamodbWrite => "DYNAMODB",
            Self::PostgresWrite => "POSTGRES",
        };
        Some(format!("{prefix}_{}", name.to_ascii_uppercase()))
    }

    /// The service of AWS that a function calls for it, where it calls one.
    pub fn service(self) -> Option<&'static str> {
        Some(match self {
            Self::SourceRead => return None,
            Self::SecretRead | Self::PostgresWrite => "secretsmanager",
            Self::StreamWrite => "kinesis-streams",
            Self::BucketRead | Self::BucketWrite | Self::BucketList | Self::BucketDelete => "s3",
            Self::QueueSend => "sqs",
            Self::ThresholdRead => "ssm",
            Self::ThresholdMeasure | Self::MetricMeasure => "monitoring",
            Self::TopicPublish => "sns",
            Self::QueryExecute => "athena",
            Self::CrawlerRead | Self::CrawlerStart | Self::JobStart => "glue",
            Self::DynamodbRead | Self::DynamodbWrite => "dynamodb",
        })
    }

    /// What it allows: `write`.
    pub fn verb(self) -> &'static str {
        match self {
            Self::SourceRead
            | Self::SecretRead
            | Self::BucketRead
            | Self::ThresholdRead
            | Self::CrawlerRead
            | Self::DynamodbRead => "read",
            Self::StreamWrite | Self::BucketWrite | Self::DynamodbWrite | Self::PostgresWrite => "write",
            Self::BucketList => "list",
            Self::BucketDelete => "delete",
            Self::QueueSend => "send",
            Self::ThresholdMeasure | Self::MetricMeasure => "measure",
            Self::TopicPublish => "publish",
            Self::QueryExecute => "execute",
            Self::CrawlerStart | Self::JobStart => "start",
        }
    }
}

/// Who is told how a crawl or a job's run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Of which end.
    pub end: End,
    /// Who.
    pub target: Target,
}

/// A crawler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crawler {
    /// Its name.
    pub name: String,
    /// The bucket that it looks into.
    pub from: String,
    /// The folder there: its files are one table.
    pub prefix: String,
    /// The table that it makes.
    pub table: String,
    /// What the table's name begins with, before the folder's.
    pub table_prefix: String,
    /// When it runs by itself.
    pub schedule: Option<String>,
    /// Who is told how it ended.
    pub on_ended: Vec<Told>,
}

/// A job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Its name.
    pub name: String,
    /// The SQL, read from its file: it reads `input`.
    pub sql: String,
    /// The bucket that it reads.
    pub from: String,
    /// Only keys that begin with this.
    pub from_prefix: String,
    /// The crawler whose table it reads; `from`, `from_prefix` are that crawler's then, `format` and `input` empty.
    pub crawler: Option<String>,
    /// What it reads: `json`, `csv`, `pipe` or `parquet`.
    pub format: String,
    /// How its CSV is written, where that is not the usual way.
    pub csv: Option<Dialect>,
    /// The columns that it reads.
    pub input: Vec<Column>,
    /// The column of the input that holds the name of a row's file.
    pub file_column: Option<String>,
    /// Where bad rows go: a bucket and a prefix.
    pub rejects: Option<(String, String)>,
    /// The key-value table that it writes instead of a bucket.
    pub key_table: Option<String>,
    /// Whether what that table holds and a run does not give is deleted.
    pub replace: bool,
    /// The bucket that it writes to; empty where it writes a key-value table.
    pub to: String,
    /// What its keys begin with.
    pub prefix: String,
    /// The catalog table that it fills.
    pub table: Option<String>,
    /// The columns in its files.
    pub columns: Vec<Column>,
    /// The columns in its keys, outermost first.
    pub partition_by: Vec<Column>,
    /// Whether it reads only what is new since its bookmark.
    pub bookmark: bool,
    /// When it runs by itself.
    pub schedule: Option<String>,
    /// Minutes that a run may take.
    pub timeout_minutes: u32,
    /// Its connections, all in one network.
    pub connections: Vec<String>,
    /// The network that it runs in: what it says itself, or that of its connections.
    pub network: Option<String>,
    /// Who is told how a run ended.
    pub on_ended: Vec<Told>,
}

/// A topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// Addresses to tell.
    pub email: Vec<String>,
}

/// An alarm.
#[derive(Debug, Clone, PartialEq)]
pub struct Alarm {
    /// Its name.
    pub name: String,
    /// What it measures.
    pub metric: Metric,
    /// On when the sum over the period is greater.
    pub above: f64,
    /// The period, in minutes.
    pub period_minutes: u32,
    /// The topic that is told.
    pub topic: Option<String>,
}

/// What an alarm measures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Metric {
    /// `function.X:errors`
    FunctionErrors(String),
    /// `job.X:failures`
    JobFailures(String),
}

/// A named query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// Its name.
    pub name: String,
    /// The SQL, read from its file.
    pub sql: String,
}

/// An HTTP API.
#[derive(Debug, Clone, PartialEq)]
pub struct Api {
    /// Its name.
    pub name: String,
    /// The path: `/prices`.
    pub path: String,
    /// The HTTP method.
    pub method: String,
    /// The function that answers.
    pub function: String,
    /// Whether a request needs an API key.
    pub api_key: bool,
    /// Requests a second, and at once.
    pub throttle: Option<Throttle>,
    /// Requests a period.
    pub quota: Option<Quota>,
}

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
