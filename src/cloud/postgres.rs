//! PostgreSQL databases (Amazon RDS for PostgreSQL).

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{catalog::Column, error::Result, pages::Pages, permit::Permit};

/// The tag of a secret that says how to reach a database; its value is the database's name.
pub const SECRET_TAG: &str = "pumphouse:postgres";

/// Rows of a query without a wish, and at most.
pub const MOST_ROWS: usize = 100_000;

/// A PostgreSQL database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Database {
    /// Its name.
    pub name: String,
    /// The pipeline it belongs to.
    pub pipeline: Option<String>,
    /// The connection string, without the password; none where it is not known yet.
    pub address: Option<String>,
    /// What runs it, in words: `a private instance`, `DATABASE_URL`, `Amazon RDS`.
    pub server: String,
}

/// One statement of a transaction.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Statement {
    /// The SQL. A parameter is text: `$1::text::date`.
    pub sql: String,
    /// The parameters, in order.
    pub parameters: Vec<String>,
    /// Whether a row that it gives forbids the whole transaction: the row's first column says why.
    pub forbids: bool,
}

impl Statement {
    /// A statement with its parameters.
    pub fn new(sql: impl Into<String>, parameters: &[&str]) -> Self {
        let parameters = parameters.iter().map(|p| (*p).to_owned()).collect();
        Self { sql: sql.into(), parameters, forbids: false }
    }

    /// Whether what it did counts as rows written: it made nothing, and gave nothing.
    pub fn counts(&self, done: &Done) -> bool {
        let sql = self.sql.trim_start().to_ascii_lowercase();
        done.rows.is_empty() && ["insert", "update", "delete", "merge"].iter().any(|w| sql.starts_with(w))
    }

    /// A query each row of which is a reason against the whole transaction.
    pub fn forbidding(sql: impl Into<String>, parameters: &[&str]) -> Self {
        Self { forbids: true, ..Self::new(sql, parameters) }
    }
}

/// What a statement of a transaction did.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Done {
    /// Rows that it wrote, or gave.
    pub affected: u64,
    /// The rows that it gave.
    pub rows: Vec<Vec<Value>>,
}

/// A query's result.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Rows {
    /// The columns.
    pub columns: Vec<Column>,
    /// The rows: numbers, booleans, text and nulls. A number that JSON would round is text.
    pub rows: Vec<Vec<Value>>,
    /// How long it took, in milliseconds.
    pub elapsed_ms: u64,
    /// Whether rows beyond the limit were left out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
}

/// PostgreSQL databases.
#[async_trait]
pub trait Postgres: Send + Sync {
    /// All databases, by name.
    fn list(&self) -> Pages<'_, Database>;

    /// One query, in a transaction that only reads; at most `limit` rows, 0 for [`MOST_ROWS`].
    ///
    /// # Errors
    /// [`super::error::Error::Failed`] with what the database says of the query.
    async fn query(&self, database: &str, sql: &str, limit: usize) -> Result<Rows>;

    /// Statements in one transaction (`rds-db:connect`): all of them, or nothing.
    ///
    /// # Errors
    /// [`super::error::Error::Failed`] with what the database says of a statement, or with the reason of one that forbids.
    async fn transact(&self, permit: &Permit, database: &str, statements: &[Statement]) -> Result<Vec<Done>>;
}
