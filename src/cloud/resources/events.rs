//! What moves data and tells of it: notifications, queues, streams, schedules, topics, alarms.

use serde::{Deserialize, Serialize};

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

/// A metric that functions measure. Its physical name is `namespace/name`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metric {
    /// Its unit, in words.
    pub unit: Option<String>,
}
