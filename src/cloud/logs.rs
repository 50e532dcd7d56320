//! Log groups and log events (Amazon CloudWatch Logs).

use std::{any::Any, fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::{
    error::{Error, Result},
    pages::Pages,
};

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
    /// Unique, where the cloud gives it a name; in live tail it does not.
    pub id: String,
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
    /// Only this log stream; with a `*` at its end, which no stream has in its name, all that begin so.
    pub stream: Option<String>,
    /// Not before this time.
    pub since: Option<Timestamp>,
    /// Before this time.
    pub until: Option<Timestamp>,
    /// Only messages that hold this text (letter case counts), as a CloudWatch filter pattern of one quoted term.
    pub filter: Option<String>,
    /// Go on where that read ended: the last page's `next`. For following, too. All else is to be asked as before.
    pub after: Option<Cursor>,
    /// At most this many; 0 means 10,000.
    pub limit: usize,
    /// The newest `limit` events rather than the oldest; they still come oldest first.
    pub newest: bool,
    /// Be sent events as they are taken in, once there is nothing more to read (`StartLiveTail`).
    pub live: bool,
}

/// Where a read ended. Only the cloud that gave it knows what it says.
#[derive(Clone)]
pub struct Cursor(Arc<dyn Any + Send + Sync>);

impl Cursor {
    /// A place in a cloud's own terms.
    pub fn new(place: impl Any + Send + Sync) -> Self {
        Self(Arc::new(place))
    }

    /// The place.
    ///
    /// # Errors
    /// [`Error::Invalid`] where another cloud gave it.
    pub fn place<T: Any>(&self) -> Result<&T> {
        self.0.downcast_ref().ok_or_else(|| Error::invalid("these events are to be read on by another cloud"))
    }
}

impl fmt::Debug for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cursor").finish_non_exhaustive()
    }
}

impl PartialEq for Cursor {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Cursor {}

/// A page of events, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogPage {
    /// The events in order of time.
    pub events: Vec<LogEvent>,
    /// For `after` of the next read.
    pub next: Option<Cursor>,
    /// Whether there is more to read right now.
    pub more: bool,
    /// How long to wait, where there is no more, before looking again is worth its price; none where the cloud tells of
    /// changes.
    pub again: Option<Duration>,
    /// Groups that cannot be read, and why; the others were.
    pub failed: Vec<(String, Error)>,
    /// How live tail goes, where it was asked for.
    pub live: Option<Live>,
}

/// How live tail goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Live {
    /// Events are sent as they are taken in.
    On {
        /// There are too many: some are left out.
        sampled: bool,
    },
    /// It is looked for events from time to time instead.
    Off {
        /// Why.
        why: String,
    },
}

/// A query over log events in CloudWatch's own language (Logs Insights).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InsightsQuery {
    /// The text: `fields @timestamp, @message | filter @message like /ERROR/`.
    pub query: String,
    /// The groups that it reads.
    pub groups: Vec<String>,
    /// Not before this time.
    pub since: Timestamp,
    /// Not after this time.
    pub until: Timestamp,
    /// At most this many rows.
    pub limit: usize,
}

/// What a query over log events found.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct InsightsResult {
    /// The fields that the rows have, in the query's order.
    pub columns: Vec<String>,
    /// The rows; a field that a row has not is null.
    pub rows: Vec<Vec<Option<String>>>,
    /// Events that were read.
    pub records_scanned: u64,
    /// Events that the query's filters let pass.
    pub records_matched: u64,
    /// Bytes that were read, which is what it costs.
    pub bytes_scanned: u64,
}

/// What AWS asks for a GB that a query reads, in US dollars: the price in most regions, for estimates.
pub const INSIGHTS_USD_PER_GB: f64 = 0.005;

impl InsightsResult {
    /// About what it costs, in US dollars.
    pub fn cost_usd(&self) -> f64 {
        self.bytes_scanned as f64 / 1_073_741_824.0 * INSIGHTS_USD_PER_GB
    }
}

/// Log groups and log events.
#[async_trait]
pub trait Logs: Send + Sync {
    /// All log groups, by name.
    fn groups(&self) -> Pages<'_, LogGroup>;
    /// A page of events. Read on with its `next`, it misses none and repeats none, also where events arrive late, up to
    /// some minutes.
    async fn read(&self, request: &ReadLogs) -> Result<LogPage>;
    /// Executes a query over log events, waits for its end, and stops it when `cancel` says so.
    async fn insights(&self, query: &InsightsQuery, cancel: CancellationToken) -> Result<InsightsResult>;
}
