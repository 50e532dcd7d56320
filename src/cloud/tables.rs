//! Key-value tables (Amazon DynamoDB).

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{error::Result, permit::Permit};

/// A key-value table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyTable {
    /// Its name.
    pub name: String,
    /// The pipeline it belongs to.
    pub pipeline: Option<String>,
    /// The attribute that is the hash key.
    pub hash_key: String,
    /// The attribute that is the range key.
    pub range_key: Option<String>,
    /// Items in it.
    pub items: u64,
}

/// Key-value tables.
#[async_trait]
pub trait Tables: Send + Sync {
    /// All tables, by name.
    async fn list(&self) -> Result<Vec<KeyTable>>;
    /// Puts items, each a JSON object with the table's keys in it, in place of those with the same keys
    /// (`dynamodb:BatchWriteItem`).
    async fn put(&self, permit: &Permit, table: &str, items: &[Value]) -> Result<()>;
    /// One item by its key attributes.
    async fn get(&self, table: &str, key: &Value) -> Result<Option<Value>>;
    /// Items in order of their keys, from `offset`.
    async fn scan(&self, table: &str, offset: usize, limit: usize) -> Result<Vec<Value>>;
    /// Deletes one item by its key attributes (`dynamodb:DeleteItem`).
    async fn delete(&self, permit: &Permit, table: &str, key: &Value) -> Result<()>;
}
