//! The typed graph that a stack is made of.
//!
//! `deploy` makes it from a pipeline; the stacks port applies it. Its JSON form is what an embedded stack remembers of
//! what was deployed, and what a plan compares property by property, so a renamed field is a changed property.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{catalog::Column, delimited::Dialect, permit::Grant};

/// Everything that one stack holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Graph {
    /// The stack's name: `PIPELINE-ENV`.
    pub stack: String,
    /// The pipeline's name.
    pub pipeline: String,
    /// The environment's name.
    pub env: String,
    /// Whether what holds data stays behind when it is removed from the stack.
    #[serde(default)]
    pub protected: bool,
    /// In an order in which they can be made: each after what it depends on.
    pub resources: Vec<Resource>,
    /// What the stack tells its users.
    pub outputs: Vec<Output>,
}

/// One resource.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Resource {
    /// Unique in the graph, letters and digits, as CloudFormation wants it: `LandingBucket`.
    pub logical_id: String,
    /// Where pipeline.toml names it: `bucket.landing`; or what it was derived from: `function.fetch_prices/role`.
    pub name: String,
    /// Its name in the cloud, unique per kind: `crypto-stream-dev-landing`.
    pub physical_name: String,
    /// Logical ids of what must exist before it.
    pub depends_on: Vec<String>,
    /// Its kind and properties.
    #[serde(flatten)]
    pub properties: Properties,
}

/// What a stack tells its users.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    /// Its name: `LandingBucketName`.
    pub name: String,
    /// What it is, in words.
    pub description: String,
    /// The value, or where it comes from.
    pub value: OutputValue,
}

/// Where an output's value comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutputValue {
    /// The physical name of a resource, by its logical id.
    Name(String),
    /// The address of an API, by its logical id.
    Url(String),
    /// The connection string of a database without its password, by its logical id.
    Connection(String),
}

impl OutputValue {
    /// The logical id of the resource that it is about.
    pub fn id(&self) -> &str {
        let (Self::Name(id) | Self::Url(id) | Self::Connection(id)) = self;
        id
    }
}

/// A resource's kind and properties. References are physical names, unless said otherwise.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "properties", rename_all = "snake_case")]
#[allow(clippy::large_enum_variant, reason = "a graph has some dozens of them")]
pub enum Properties {
    /// A bucket.
    Bucket(Bucket),
    /// A key that encrypts.
    Key(Key),
    /// A key-value table.
    KeyTable(KeyTable),
    /// A data stream.
    Stream(Stream),
    /// A queue.
    Queue(Queue),
    /// What gives a queue's messages to a function.
    EventSourceMapping(EventSourceMapping),
    /// A delivery stream.
    Delivery(Delivery),
    /// An execution role.
    Role(Role),
    /// A log group.
    LogGroup(LogGroup),
    /// A function.
    Function(Function),
    /// A crawler.
    Crawler(Crawler),
    /// A job.
    Job(Job),
    /// A schedule that starts a function, a crawler or a job.
    Schedule(Schedule),
    /// A catalog database.
    Database(Database),
    /// A catalog table.
    Table(Table),
    /// A topic.
    Topic(Topic),
    /// A threshold.
    Threshold(Threshold),
    /// An alarm.
    Alarm(Alarm),
    /// A secret, without its value.
    Secret(Secret),
    /// A named query.
    Query(SavedQuery),
    /// An HTTP API.
    Api(Api),
    /// A network.
    Network(Network),
    /// A PostgreSQL database.
    Postgres(Postgres),
    /// A connection of jobs.
    Connection(Connection),
    /// A metric that functions measure.
    Metric(Metric),
    /// A dashboard.
    Dashboard(Dashboard),
}

/// A bucket.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bucket {
    /// Whether versions are kept.
    pub versioning: bool,
    /// Days after which objects expire.
    pub expire_days: Option<u32>,
    /// What happens when an object is created.
    pub on_created: Vec<Notification>,
    /// Days after which a version that is no longer current goes.
    #[serde(default)]
    pub expire_versions_days: Option<u32>,
    /// When objects move to another storage class.
    #[serde(default)]
    pub transition: Option<Transition>,
    /// The key that its objects are encrypted with; none: S3's own.
    #[serde(default)]
    pub encryption: Option<String>,
    /// Which pages of other origins may read it.
    #[serde(default)]
    pub cors: Vec<CorsRule>,
    /// The bucket that its access log is written to, below `NAME/`.
    #[serde(default)]
    pub access_log: Option<String>,
    /// Where its objects are copied to.
    #[serde(default)]
    pub replication: Option<Replication>,
}

/// When objects move to another storage class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transition {
    /// Days after their creation.
    pub days: u32,
    /// The class, in S3's word: `GLACIER_IR`.
    pub class: String,
}

/// Which pages of other origins may read a bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CorsRule {
    /// The origins: `https://example.com`.
    pub origins: Vec<String>,
    /// The HTTP methods.
    pub methods: Vec<String>,
    /// The request headers.
    pub headers: Vec<String>,
    /// Seconds that a browser may remember it.
    pub max_age_seconds: Option<u32>,
}

/// Where a bucket's objects are copied to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replication {
    /// The other bucket.
    pub to: String,
    /// The execution role that S3 copies with.
    pub role: String,
}

/// A key that encrypts (AWS KMS).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    /// What it is for, in words.
    pub description: String,
    /// Whether its material changes each year.
    pub rotation: bool,
    /// Days between its removal and its end: 7 to 30.
    pub deletion_days: u32,
}

/// A key-value table (Amazon DynamoDB).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyTable {
    /// The attribute that is the hash key.
    pub hash_key: KeyAttribute,
    /// The attribute that is the range key.
    pub range_key: Option<KeyAttribute>,
    /// Other keys that items are found by.
    pub indexes: Vec<KeyIndex>,
    /// The attribute that says when an item is over, in seconds since 1970.
    pub ttl: Option<String>,
    /// Whether it can be brought back as it was at any second of the last 35 days.
    pub point_in_time_recovery: bool,
    /// What its stream of changes holds, in DynamoDB's word: `NEW_AND_OLD_IMAGES`.
    pub stream: Option<String>,
}

/// An attribute that is part of a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyAttribute {
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: KeyKind,
}

/// What a key's attribute may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeyKind {
    /// A text.
    #[serde(rename = "string")]
    Text,
    /// A number.
    #[serde(rename = "number")]
    Number,
}

impl KeyKind {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Text => "string",
            Self::Number => "number",
        }
    }
}

/// A global secondary index of a key-value table, with all attributes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyIndex {
    /// Its name.
    pub name: String,
    /// The attribute that is its hash key.
    pub hash_key: KeyAttribute,
    /// The attribute that is its range key.
    pub range_key: Option<KeyAttribute>,
}

impl KeyTable {
    /// The attributes of an item that are its key.
    pub fn key_attributes(&self, item: &Value) -> Value {
        let parts = [Some(&self.hash_key), self.range_key.as_ref()].into_iter().flatten();
        parts.filter_map(|part| Some((part.name.clone(), item.get(&part.name)?.clone()))).collect()
    }
}

/// One rule of a bucket's notifications.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notification {
    /// Only keys that begin with this.
    pub prefix: String,
    /// Only keys that end with this.
    pub suffix: String,
    /// Who is told.
    pub target: NotificationTarget,
}

/// Who is told of a new object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotificationTarget {
    /// A function is invoked with S3's event.
    Function(String),
    /// A topic gets S3's event as its message.
    Topic(String),
    /// A queue gets S3's event as a message.
    Queue(String),
}

/// A queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Queue {
    /// Seconds that a message that was received has, before it is seen again.
    pub visibility_seconds: u32,
    /// Seconds that a message is kept.
    pub retention_seconds: u32,
    /// Where messages go that nobody could deal with; none of a dead-letter queue itself.
    pub redrive: Option<Redrive>,
}

/// Where messages go that nobody could deal with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redrive {
    /// The dead-letter queue.
    pub dead_letter: String,
    /// How many times a message is received before it goes there.
    pub max_receives: u32,
}

/// What gives a queue's messages to a function, which may answer that it failed on some of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventSourceMapping {
    /// The queue.
    pub queue: String,
    /// The function.
    pub function: String,
    /// How many messages it is given at once, at most.
    pub batch_size: u32,
}

/// A data stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stream {
    /// Shards.
    pub shards: u32,
    /// Hours that a record is kept: 24 to 8,760.
    pub retention_hours: u32,
}

/// A delivery stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// The stream that it reads.
    pub from: String,
    /// The bucket that it writes to.
    pub to: String,
    /// What its keys begin with, before `YYYY/MM/DD/HH/`.
    pub prefix: String,
    /// Delivers when the oldest record has waited for so many seconds: 0 to 900.
    pub buffer_seconds: u32,
    /// Delivers when so many MiB are waiting: 1 to 128.
    pub buffer_mib: u32,
    /// What its keys end with: `.json`.
    pub file_extension: String,
    /// The execution role.
    pub role: String,
}

/// An execution role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Role {
    /// Who may take it: `lambda.amazonaws.com`.
    pub service: String,
    /// What it allows.
    pub grants: Vec<Grant>,
}

/// A log group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogGroup {
    /// Days that events are kept.
    pub retention_days: u32,
}

/// A function.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Function {
    /// What runs it.
    pub runtime: Runtime,
    /// The handler: `crypto_stream::fetch_prices` in Rust, `app.handler` elsewhere.
    pub handler: String,
    /// Its code, for a runtime that needs some: the files by path with their content's SHA-256.
    pub code: Option<Code>,
    /// Seconds that an invocation may take: 1 to 900.
    pub timeout_seconds: u32,
    /// Memory in MiB: 128 to 10,240.
    pub memory_mib: u32,
    /// Environment variables.
    pub environment: BTreeMap<String, String>,
    /// The execution role.
    pub role: String,
    /// The log group.
    pub log_group: String,
    /// The sources that it may read, by name.
    pub sources: BTreeMap<String, Source>,
    /// The network that it runs in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
}

/// A function's runtime.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Runtime {
    /// Rust, in `src/functions`.
    #[serde(rename = "rust")]
    Rust,
    /// CPython 3.13.
    #[serde(rename = "python3.13")]
    Python313,
    /// Node.js 22.
    #[serde(rename = "nodejs22.x")]
    Nodejs22,
}

impl Runtime {
    /// Its identifier.
    pub fn word(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::Python313 => "python3.13",
            Self::Nodejs22 => "nodejs22.x",
        }
    }
}

/// Files of code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Code {
    /// Per path below the code's folder, the SHA-256 of the content in hexadecimal digits.
    pub files: BTreeMap<String, String>,
    /// The contents by path. Not part of what is compared or remembered: the hashes are.
    #[serde(skip)]
    pub contents: BTreeMap<String, bytes::Bytes>,
}

/// A source of data.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The address, with `{name}` for parameters.
    pub url: String,
    /// Headers that go with each request.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// A recording of it, for the embedded cloud; none of a published directory.
    pub recording: Option<Recording>,
    /// Where it is a published directory: its files, for the embedded cloud.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<Code>,
}

/// What the address of a published directory ends with: it is asked with an empty name for the listing.
pub const DIRECTORY_END: &str = "/{file}";

/// A recording of a source: JSON lines, one observation each; or one document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recording {
    /// Which request an observation answers: per parameter, a text with `{field}` for the observation's fields.
    pub matches: BTreeMap<String, String>,
    /// The field that holds the time of the observation.
    pub time: Option<String>,
    /// The key under which the observation stands in the answer; none: the observation is the answer.
    pub wrap: Option<String>,
    /// Whether it is one document, the same for each request; none: the name of the file says (`.jsonl` is none).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<bool>,
    /// The SHA-256 of the sample.
    pub sample_sha256: Option<String>,
    /// The sample's content. Not part of what is compared or remembered: the hash is.
    #[serde(skip)]
    pub sample: Option<bytes::Bytes>,
}

/// How a crawl or a job's run ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// It did what it should.
    Succeeded,
    /// It failed, or took longer than it may.
    Failed,
}

/// Who is told how a crawl or a job's run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// Of which end.
    pub end: End,
    /// Who: a function is invoked with EventBridge's event, a topic gets it as its message.
    pub target: NotificationTarget,
}

/// A crawler: it looks at the files in a folder and makes a table of the catalog from what it finds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Crawler {
    /// The bucket that it looks into.
    pub bucket: String,
    /// The folder there: `input/`.
    pub prefix: String,
    /// The database of its table.
    pub database: String,
    /// Its table: `table_prefix` and the folder's name.
    pub table: String,
    /// What the table's name begins with.
    pub table_prefix: String,
    /// The execution role.
    pub role: String,
    /// The log group.
    pub log_group: String,
    /// Who is told how it ended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub on_ended: Vec<Told>,
}

/// A job.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// The SQL: it reads `input`, its result is written.
    pub sql: String,
    /// The bucket it reads.
    pub from: String,
    /// Only keys that begin with this.
    pub from_prefix: String,
    /// The catalog table that a crawler makes of what it reads: database and table. It tells the format and the columns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_table: Option<(String, String)>,
    /// The format of what it reads: `json`, `csv`, `pipe` or `parquet`; empty where a table tells.
    pub input_format: String,
    /// The columns that it reads.
    pub input_columns: Vec<Column>,
    /// How its CSV is written, where that is not the usual way.
    #[serde(default)]
    pub dialect: Option<Dialect>,
    /// The column of the input that holds the name of a row's file.
    #[serde(default)]
    pub file_column: Option<String>,
    /// The bucket and the prefix where bad rows go; without it, a bad row fails the run.
    #[serde(default)]
    pub rejects: Option<(String, String)>,
    /// The key-value table that it writes instead of a bucket.
    #[serde(default)]
    pub key_table: Option<String>,
    /// Whether what that table holds and a run does not give is deleted.
    #[serde(default)]
    pub replace: bool,
    /// The bucket it writes to; empty where it writes a key-value table.
    pub to: String,
    /// What its keys begin with: `prices/`.
    pub to_prefix: String,
    /// The columns that become `name=value/` in the keys, outermost first.
    pub partition_by: Vec<String>,
    /// The catalog table it fills: database and table.
    pub table: Option<(String, String)>,
    /// Whether it reads only what is new since its bookmark.
    pub bookmark: bool,
    /// Minutes that a run may take.
    pub timeout_minutes: u32,
    /// Its connections, which put it into their network.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub connections: Vec<String>,
    /// The execution role.
    pub role: String,
    /// The log group.
    pub log_group: String,
    /// Who is told how a run ended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub on_ended: Vec<Told>,
}

/// A schedule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// `rate(...)` or `cron(...)`, in UTC.
    pub expression: String,
    /// What it starts.
    pub target: ScheduleTarget,
}

/// What a schedule starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScheduleTarget {
    /// A function.
    Function(String),
    /// A job.
    Job(String),
    /// A crawler.
    Crawler(String),
}

/// A catalog database. Its physical name is the database's name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Database {
    /// What it holds, in words.
    pub description: String,
}

/// A catalog table. Its physical name is `database.table`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// The database.
    pub database: String,
    /// The table.
    pub table: String,
    /// The bucket that holds its files.
    pub bucket: String,
    /// What their keys begin with.
    pub prefix: String,
    /// `parquet`, `json` or `csv`.
    pub format: String,
    /// The columns in the files.
    pub columns: Vec<Column>,
    /// The columns in the keys.
    pub partition_keys: Vec<Column>,
}

/// A topic.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Topic {
    /// Addresses to tell.
    pub email: Vec<String>,
}

/// A threshold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Threshold {
    /// Its value until somebody sets another.
    pub default: f64,
    /// The metric that it is compared with.
    pub metric: String,
    /// The unit, in words.
    pub unit: Option<String>,
}

/// An alarm on a metric that the cloud itself measures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Alarm {
    /// What is measured.
    pub metric: AlarmMetric,
    /// On when the sum over the period is greater.
    pub above: f64,
    /// The period, in seconds.
    pub period_seconds: u32,
    /// The topic that is told when the alarm goes on or off.
    pub topic: Option<String>,
}

/// What an alarm measures: a sum over its period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlarmMetric {
    /// Failed invocations of a function.
    FunctionErrors(String),
    /// Failed runs of a job.
    JobFailures(String),
}

/// A secret.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secret {
    /// What it is, in words.
    pub description: String,
}

/// A named query.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedQuery {
    /// The SQL.
    pub sql: String,
    /// The database for bare table names.
    pub database: Option<String>,
}

/// An HTTP API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Api {
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

/// How fast requests may come.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Throttle {
    /// Requests a second.
    pub rate: f64,
    /// Requests at once.
    pub burst: u32,
}

/// How many requests may come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quota {
    /// Requests a period.
    pub limit: u64,
    /// `day`, `week` or `month`.
    pub period: String,
}

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

/// A metric that functions measure. Its physical name is `namespace/name`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metric {
    /// Its unit, in words.
    pub unit: Option<String>,
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

impl Properties {
    /// The kind, as a person reads it: "delivery stream".
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Bucket(_) => "bucket",
            Self::Key(_) => "key",
            Self::KeyTable(_) => "key-value table",
            Self::Stream(_) => "stream",
            Self::Queue(_) => "queue",
            Self::EventSourceMapping(_) => "event source mapping",
            Self::Delivery(_) => "delivery stream",
            Self::Role(_) => "role",
            Self::LogGroup(_) => "log group",
            Self::Function(_) => "function",
            Self::Crawler(_) => "crawler",
            Self::Job(_) => "job",
            Self::Schedule(_) => "schedule",
            Self::Database(_) => "database",
            Self::Table(_) => "table",
            Self::Topic(_) => "topic",
            Self::Threshold(_) => "threshold",
            Self::Alarm(_) => "alarm",
            Self::Secret(_) => "secret",
            Self::Query(_) => "query",
            Self::Api(_) => "API",
            Self::Network(_) => "network",
            Self::Postgres(_) => "PostgreSQL database",
            Self::Connection(_) => "connection",
            Self::Metric(_) => "metric",
            Self::Dashboard(_) => "dashboard",
        }
    }

    /// Whether its removal or replacement loses data that a deploy cannot bring back.
    pub fn stateful(&self) -> bool {
        matches!(
            self,
            Self::Bucket(_)
                | Self::Key(_)
                | Self::KeyTable(_)
                | Self::Stream(_)
                | Self::Queue(_)
                | Self::LogGroup(_)
                | Self::Secret(_)
                | Self::Topic(_)
                | Self::Postgres(_)
        )
    }

    /// Whether a change of the property at `path` (`a.b`) needs the resource to be made anew.
    pub fn replaces(&self, path: &str) -> bool {
        match self {
            Self::Table(_) => path.starts_with("partition_keys") || path == "database" || path == "table",
            Self::Delivery(_) => path == "from",
            Self::EventSourceMapping(_) => path == "queue",
            Self::KeyTable(_) => path.starts_with("hash_key") || path.starts_with("range_key"),
            Self::Network(_) => path == "cidr",
            Self::Postgres(_) => path == "database" || path == "network",
            _ => false,
        }
    }
}

impl Resource {
    /// The properties as JSON, for comparing and showing.
    pub fn properties_json(&self) -> Value {
        serde_json::to_value(&self.properties)
            .ok()
            .and_then(|mut v| v.get_mut("properties").map(Value::take))
            .unwrap_or(Value::Null)
    }
}

impl Graph {
    /// A resource by its logical id.
    pub fn by_id(&self, logical_id: &str) -> Option<&Resource> {
        self.resources.iter().find(|r| r.logical_id == logical_id)
    }

    /// A resource by the name that pipeline.toml gives it: `bucket.landing`.
    pub fn by_name(&self, name: &str) -> Option<&Resource> {
        self.resources.iter().find(|r| r.name == name)
    }
}
