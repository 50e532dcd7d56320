//! What keeps data: buckets, keys, key-value tables, the catalog.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Notification;
use crate::cloud::catalog::Column;

/// A bucket.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bucket {
    /// Whether versions are kept.
    pub versioning: bool,
    /// Days after which objects expire.
    pub expire_days: Option<u32>,
    /// What happens when an object is created.
    pub on_created: Vec<Notification>,
    /// Days after which a version that is no longer current goes.
    #[serde(default)]
    pub expire_versions_days: Option<u32>,
    /// When objects move to another storage class.
    #[serde(default)]
    pub transition: Option<Transition>,
    /// The key that its objects are encrypted with; none: S3's own.
    #[serde(default)]
    pub encryption: Option<String>,
    /// Which pages of other origins may read it.
    #[serde(default)]
    pub cors: Vec<CorsRule>,
    /// The bucket that its access log is written to, below `NAME/`.
    #[serde(default)]
    pub access_log: Option<String>,
    /// Where its objects are copied to.
    #[serde(default)]
    pub replication: Option<Replication>,
}

/// When objects move to another storage class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transition {
    /// Days after their creation.
    pub days: u32,
    /// The class, in S3's word: `GLACIER_IR`.
    pub class: String,
}

/// Which pages of other origins may read a bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CorsRule {
    /// The origins: `https://example.com`.
    pub origins: Vec<String>,
    /// The HTTP methods.
    pub methods: Vec<String>,
    /// The request headers.
    pub headers: Vec<String>,
    /// Seconds that a browser may remember it.
    pub max_age_seconds: Option<u32>,
}

/// Where a bucket's objects are copied to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replication {
    /// The other bucket.
    pub to: String,
    /// The execution role that S3 copies with.
    pub role: String,
}

/// A key that encrypts (AWS KMS).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    /// What it is for, in words.
    pub description: String,
    /// Whether its material changes each year.
    pub rotation: bool,
    /// Days between its removal and its end: 7 to 30.
    pub deletion_days: u32,
}

/// A key-value table (Amazon DynamoDB).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyTable {
    /// The attribute that is the hash key.
    pub hash_key: KeyAttribute,
    /// The attribute that is the range key.
    pub range_key: Option<KeyAttribute>,
    /// Other keys that items are found by.
    pub indexes: Vec<KeyIndex>,
    /// The attribute that says when an item is over, in seconds since 1970.
    pub ttl: Option<String>,
    /// Whether it can be brought back as it was at any second of the last 35 days.
    pub point_in_time_recovery: bool,
    /// What its stream of changes holds, in DynamoDB's word: `NEW_AND_OLD_IMAGES`.
    pub stream: Option<String>,
}

/// An attribute that is part of a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyAttribute {
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: KeyKind,
}

/// What a key's attribute may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeyKind {
    /// A text.
    #[serde(rename = "string")]
    Text,
    /// A number.
    #[serde(rename = "number")]
    Number,
}

impl KeyKind {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Text => "string",
            Self::Number => "number",
        }
    }
}

/// A global secondary index of a key-value table, with all attributes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyIndex {
    /// Its name.
    pub name: String,
    /// The attribute that is its hash key.
    pub hash_key: KeyAttribute,
    /// The attribute that is its range key.
    pub range_key: Option<KeyAttribute>,
}

impl KeyTable {
    /// The attributes of an item that are its key.
    pub fn key_attributes(&self, item: &Value) -> Value {
        let parts = [Some(&self.hash_key), self.range_key.as_ref()].into_iter().flatten();
        parts.filter_map(|part| Some((part.name.clone(), item.get(&part.name)?.clone()))).collect()
    }
}

/// A catalog database. Its physical name is the database's name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Database {
    /// What it holds, in words.
    pub description: String,
}

/// A catalog table. Its physical name is `database.table`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// The database.
    pub database: String,
    /// The table.
    pub table: String,
    /// The bucket that holds its files.
    pub bucket: String,
    /// What their keys begin with.
    pub prefix: String,
    /// `parquet`, `json` or `csv`.
    pub format: String,
    /// The columns in the files.
    pub columns: Vec<Column>,
    /// The columns in the keys.
    pub partition_keys: Vec<Column>,
}
