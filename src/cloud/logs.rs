//! Log groups and log events (Amazon CloudWatch Logs).

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{error::Result, pages::Pages};

/// A log group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogGroup {
    /// Its name: `/aws/lambda/...`, `/aws-glue/jobs/...`.
    pub name: String,
    /// The pipeline it belongs to.
    pub pipeline: Option<String>,
    /// Events in it, where counting is cheap.
    pub events: Option<u64>,
    /// Stored bytes.
    pub bytes: Option<u64>,
    /// The newest event's time.
    pub last_event: Option<Timestamp>,
}

/// A log event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogEvent {
    /// Unique; greater for events that arrived later.
    pub id: u64,
    /// When it happened.
    pub timestamp: Timestamp,
    /// Its log group.
    pub group: String,
    /// Its log stream.
    pub stream: String,
    /// The text, as it came: it may hold anything.
    pub message: String,
}

/// Which events to read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReadLogs {
    /// From these groups; empty means all.
    pub groups: Vec<String>,
    /// Only this log stream.
    pub stream: Option<String>,
    /// Not before this time.
    pub since: Option<Timestamp>,
    /// Before this time.
    pub until: Option<Timestamp>,
    /// Only messages that hold this text (letter case counts), as a CloudWatch filter pattern of one quoted term.
    pub filter: Option<String>,
    /// Only events with a greater id: the last page's `next`. For following.
    pub after_id: Option<u64>,
    /// At most this many; 0 means 10,000.
    pub limit: usize,
    /// The newest `limit` events rather than the oldest; they still come oldest first.
    pub newest: bool,
}

/// A page of events, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogPage {
    /// The events in order of time, then id.
    pub events: Vec<LogEvent>,
    /// For `after_id` of the next read: the greatest id that was looked at.
    pub next: Option<u64>,
    /// Whether there is more to read right now.
    pub more: bool,
}

/// Log groups and log events.
#[async_trait]
pub trait Logs: Send + Sync {
    /// All log groups, by name.
    fn groups(&self) -> Pages<'_, LogGroup>;
    /// A page of events.
    async fn read(&self, request: &ReadLogs) -> Result<LogPage>;
}
