//! What moves data and tells of it: streams, queues, topics, alarms.

use super::End;

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

/// Who is told how a crawl or a job's run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Of which end.
    pub end: End,
    /// Who.
    pub target: Target,
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
