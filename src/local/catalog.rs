//! Stand-in until the port is written.
#![allow(unused_variables, unused_imports)]
use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::Local;
use crate::cloud::{Error, Permit, Result, catalog::*};

#[async_trait]
impl Catalog for Local {
    async fn databases(&self) -> Result<Vec<Database>> {
        Err(Error::Unsupported { cloud: "local", what: "catalog.databases".into() })
    }
    async fn tables(&self, database: &str) -> Result<Vec<Table>> {
        Err(Error::Unsupported { cloud: "local", what: "catalog.tables".into() })
    }
    async fn table(&self, database: &str, table: &str) -> Result<Table> {
        Err(Error::Unsupported { cloud: "local", what: "catalog.table".into() })
    }
    async fn partitions(&self, database: &str, table: &str, offset: usize, limit: usize) -> Result<Vec<Partition>> {
        Err(Error::Unsupported { cloud: "local", what: "catalog.partitions".into() })
    }
}
