//! Key-value tables (Amazon DynamoDB).

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{error::Result, pages::Pages, permit::Permit};

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
    /// Items in it; DynamoDB counts them every six hours or so.
    pub items: Option<u64>,
    /// Its secondary indexes.
    pub indexes: Vec<KeyIndex>,
    /// The attribute that says when an item is over; in a list on AWS, nobody asks for it.
    pub ttl: Option<String>,
    /// Whether it can be brought back as it was at a time; in a list on AWS, nobody asks for it.
    pub point_in_time_recovery: Option<bool>,
    /// What its stream of changes holds: `NEW_AND_OLD_IMAGES`.
    pub stream: Option<String>,
}

/// A secondary index of a key-value table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyIndex {
    /// Its name.
    pub name: String,
    /// The attribute that is its hash key.
    pub hash_key: String,
    /// The attribute that is its range key.
    pub range_key: Option<String>,
}

/// Which items to look for: those of one hash key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// In this index; none: by the table's own key.
    pub index: Option<String>,
    /// The hash key's value.
    pub hash: Value,
    /// Where the last page ended.
    pub after: Option<Value>,
    /// At most so many.
    pub limit: usize,
}

/// A page of items.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemPage {
    /// The items, each a JSON object.
    pub items: Vec<Value>,
    /// Where the next page begins; none at the end.
    pub next: Option<Value>,
}

/// Key-value tables.
#[async_trait]
pub trait Tables: Send + Sync {
    /// All tables, by name.
    fn list(&self) -> Pages<'_, KeyTable>;
    /// One table, with all that is known of it.
    async fn describe(&self, table: &str) -> Result<KeyTable>;
    /// Puts items, each a JSON object with the table's keys in it, in place of those with the same keys
    /// (`dynamodb:BatchWriteItem`).
    async fn put(&self, permit: &Permit, table: &str, items: &[Value]) -> Result<()>;
    /// One item by its key attributes.
    async fn get(&self, table: &str, key: &Value) -> Result<Option<Value>>;
    /// At most `limit` items in the table's own order, from the beginning or from where a page ended.
    async fn scan(&self, table: &str, after: Option<&Value>, limit: usize) -> Result<ItemPage>;
    /// A page of the items with one hash key, in the order of the range key.
    async fn query(&self, table: &str, asked: &Query) -> Result<ItemPage>;
    /// How many items there are, by counting them.
    async fn count(&self, table: &str) -> Result<u64>;
    /// Deletes one item by its key attributes (`dynamodb:DeleteItem`).
    async fn delete(&self, permit: &Permit, table: &str, key: &Value) -> Result<()>;
}
