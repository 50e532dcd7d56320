//! The typed graph that a stack is made of.
//!
//! `deploy` makes it from a pipeline; the stacks port applies it. Its JSON form is what an embedded stack remembers of
//! what was deployed, and what a plan compares property by property, so a renamed field is a changed property.

mod compute;
mod databases;
mod events;
mod storage;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use compute::{
    Api, Code, Crawler, DIRECTORY_END, Function, Job, LogGroup, Quota, Recording, Role, Runtime, SavedQuery, Secret,
    Source, Throttle,
};
pub use databases::{Chart, ChartSource, Connection, ConnectionTo, Dashboard, Network, Postgres};
pub use events::{
    Alarm, AlarmMetric, Delivery, End, EventSourceMapping, Metric, Notification, NotificationTarget, Queue, Redrive,
    Schedule, ScheduleTarget, Stream, Threshold, Told, Topic,
};
pub use storage::{
    Bucket, CorsRule, Database, Key, KeyAttribute, KeyIndex, KeyKind, KeyTable, Replication, Table, Transition,
};

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
