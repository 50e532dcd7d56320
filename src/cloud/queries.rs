//! SQL queries (Amazon Athena).

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::{catalog::Column, error::Result, permit::Permit};

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
}

/// An execution's state, in Athena's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum QueryState {
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
            Self::Running => "RUNNING",
            Self::Succeeded => "SUCCEEDED",
            Self::Failed => "FAILED",
            Self::Cancelled => "CANCELLED",
        }
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
}

/// SQL queries.
#[async_trait]
pub trait Queries: Send + Sync {
    /// Executes a query; a cancelled token ends it with [`super::error::Error::Cancelled`].
    async fn execute(&self, query: &Query, cancel: CancellationToken) -> Result<QueryResult>;
    /// Past and present executions, the newest first.
    async fn history(&self, limit: usize) -> Result<Vec<QueryExecution>>;
    /// Named queries, by name.
    async fn saved(&self) -> Result<Vec<SavedQuery>>;
    /// Cancels an execution that another process may have started (`athena:StopQueryExecution`).
    async fn cancel(&self, permit: &Permit, id: &str) -> Result<()>;
}
