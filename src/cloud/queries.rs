//! SQL queries (Amazon Athena).

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::{catalog::Column, error::Result, pages::Pages, permit::Permit};

/// A query to execute. Queries read: anything but `SELECT`, `WITH`, `VALUES`, `SHOW`, `DESCRIBE` and `EXPLAIN` is
/// refused.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query {
    /// The text; a semicolon at its end is no harm.
    pub sql: String,
    /// The database that bare table names are looked up in.
    pub database: Option<String>,
    /// Values for `?` placeholders, in order: text is quoted, as Athena's execution parameters are.
    pub parameters: Vec<String>,
    /// At most this many rows; 0 means 100,000.
    pub limit: usize,
    /// The workgroup that executes it; none: `primary`. The embedded cloud has none.
    pub workgroup: Option<String>,
    /// Take the result of the same query, if it is not older than so many minutes. The embedded cloud keeps none.
    pub reuse_minutes: Option<u32>,
}

/// A query's result.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct QueryResult {
    /// The execution's id in the history; none where nothing is recorded.
    #[serde(skip)]
    pub id: Option<String>,
    /// The columns.
    pub columns: Vec<Column>,
    /// The rows: numbers, booleans, text and nulls. Timestamps are text as Athena prints them,
    /// `2026-11-20 14:03:22.000`, and dates `2026-11-20`.
    pub rows: Vec<Vec<Value>>,
    /// Whether rows beyond the limit were left out.
    pub truncated: bool,
    /// Bytes read from objects.
    pub scanned_bytes: u64,
    /// How long it took, in milliseconds.
    pub elapsed_ms: u64,
    /// How it was executed, where a service did.
    #[serde(flatten)]
    pub service: Option<Service>,
}

/// How a service executed a query.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// The workgroup.
    pub workgroup: String,
    /// Where the service put the result: `s3://...`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
    /// How long it waited, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue_ms: Option<u64>,
    /// How long the engine worked, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub engine_ms: Option<u64>,
    /// Whether it is the result of an earlier execution.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub reused: bool,
}

/// A group of queries with settings of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Workgroup {
    /// Its name.
    pub name: String,
    /// The pipeline it belongs to.
    pub pipeline: Option<String>,
    /// What it is for, in words.
    pub description: Option<String>,
    /// Whether it takes queries.
    pub enabled: bool,
    /// The version of its engine.
    pub engine: Option<String>,
}

/// An execution's state, in Athena's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum QueryState {
    /// Accepted, waiting for room.
    Queued,
    /// At work.
    Running,
    /// Done.
    Succeeded,
    /// Failed.
    Failed,
    /// Cancelled.
    Cancelled,
}

impl QueryState {
    /// Athena's word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Queued => "QUEUED",
            Self::Running => "RUNNING",
            Self::Succeeded => "SUCCEEDED",
            Self::Failed => "FAILED",
            Self::Cancelled => "CANCELLED",
        }
    }

    /// Whether the execution is over.
    pub fn is_final(self) -> bool {
        !matches!(self, Self::Queued | Self::Running)
    }
}

/// A past or present execution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueryExecution {
    /// Its id.
    pub id: String,
    /// The text.
    pub sql: String,
    /// The database.
    pub database: Option<String>,
    /// Its state.
    pub state: QueryState,
    /// When it started.
    pub started: Timestamp,
    /// How long it took, in milliseconds.
    pub elapsed_ms: Option<u64>,
    /// Bytes read.
    pub scanned_bytes: Option<u64>,
    /// Rows given.
    pub rows: Option<u64>,
    /// Why it failed.
    pub error: Option<String>,
    /// How it was executed, where a service did.
    #[serde(flatten)]
    pub service: Option<Service>,
}

/// A named query.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedQuery {
    /// Its physical name.
    pub name: String,
    /// The pipeline it belongs to.
    pub pipeline: Option<String>,
    /// Its database.
    pub database: Option<String>,
    /// The text.
    pub sql: String,
    /// Its workgroup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workgroup: Option<String>,
}

/// SQL queries.
#[async_trait]
pub trait Queries: Send + Sync {
    /// Executes a query; a cancelled token ends it with [`super::error::Error::Cancelled`].
    async fn execute(&self, query: &Query, cancel: CancellationToken) -> Result<QueryResult>;
    /// The workgroups, by name.
    fn workgroups(&self) -> Pages<'_, Workgroup>;
    /// Past and present executions in a workgroup, or in all of them, the newest first.
    async fn history(&self, workgroup: Option<&str>, limit: usize) -> Result<Vec<QueryExecution>>;
    /// Named queries, by name.
    async fn saved(&self) -> Result<Vec<SavedQuery>>;
    /// Cancels an execution that another process may have started (`athena:StopQueryExecution`).
    async fn cancel(&self, permit: &Permit, id: &str) -> Result<()>;
}
