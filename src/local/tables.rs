//! Stand-in until the port is written.
#![allow(unused_variables, unused_imports)]
use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::Local;
use crate::cloud::{Error, Permit, Result, tables::*};

#[async_trait]
impl Tables for Local {
    async fn list(&self) -> Result<Vec<KeyTable>> {
        Err(Error::Unsupported { cloud: "local", what: "tables.list".into() })
    }
    async fn put(&self, permit: &Permit, table: &str, items: &[Value]) -> Result<()> {
        Err(Error::Unsupported { cloud: "local", what: "tables.put".into() })
    }
    async fn get(&self, table: &str, key: &Value) -> Result<Option<Value>> {
        Err(Error::Unsupported { cloud: "local", what: "tables.get".into() })
    }
    async fn scan(&self, table: &str, offset: usize, limit: usize) -> Result<Vec<Value>> {
        Err(Error::Unsupported { cloud: "local", what: "tables.scan".into() })
    }
    async fn delete(&self, permit: &Permit, table: &str, key: &Value) -> Result<()> {
        Err(Error::Unsupported { cloud: "local", what: "tables.delete".into() })
    }
}
