//! The data catalog: databases, tables, partitions (AWS Glue Data Catalog).

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{error::Result, pages::Pages};

/// A column, typed in Athena's words: `varchar`, `double`, `bigint`, `integer`, `boolean`, `timestamp`, `date`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// Its name, in lower case.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
}

/// A database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Database {
    /// Its name.
    pub name: String,
    /// The pipeline it belongs to.
    pub pipeline: Option<String>,
    /// Tables in it, where counting is cheap.
    pub tables: Option<u64>,
}

/// A table over files in a bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// Its database.
    pub database: String,
    /// Its name.
    pub name: String,
    /// `parquet`, `json` (one object a line) or `csv`; on AWS also `orc`, `avro`, `text`, `iceberg`, `delta`, `hudi`, or
    /// `view` for a saved query that looks like a table. Empty where it is not known.
    pub format: String,
    /// `s3://bucket/prefix/`; empty where it has no files of its own.
    pub location: String,
    /// The columns in the files.
    pub columns: Vec<Column>,
    /// The columns in the keys, `name=value/`, outermost first.
    pub partition_keys: Vec<Column>,
    /// Registered partitions, where counting is cheap.
    pub partitions: Option<u64>,
    /// When it was last changed.
    pub updated: Option<Timestamp>,
}

/// A registered partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Partition {
    /// One value a partition key.
    pub values: Vec<String>,
    /// `s3://bucket/prefix/name=value/.../`.
    pub location: String,
    /// When it was registered.
    pub created: Option<Timestamp>,
}

/// The data catalog.
#[async_trait]
pub trait Catalog: Send + Sync {
    /// All databases, by name.
    fn databases(&self) -> Pages<'_, Database>;
    /// A database's tables, by name.
    fn tables<'a>(&'a self, database: &'a str) -> Pages<'a, Table>;
    /// One table.
    async fn table(&self, database: &str, table: &str) -> Result<Table>;
    /// A table's partitions in order of their values (on AWS in the order of its answers), from `offset`.
    async fn partitions(&self, database: &str, table: &str, offset: usize, limit: usize) -> Result<Vec<Partition>>;
}
