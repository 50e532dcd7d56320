//! Key-value tables (Amazon DynamoDB).

use async_trait::async_trait;
use serde_json::Value;

use super::Aws;
use crate::cloud::{
    Error, Permit, Result,
    tables::{KeyTable, Tables},
};

#[async_trait]
impl Tables for Aws {
    async fn list(&self) -> Result<Vec<KeyTable>> {
        Err(Error::Unsupported { cloud: "aws", what: "tables list".into() })
    }

    async fn put(&self, _permit: &Permit, _table: &str, _items: &[Value]) -> Result<()> {
        Err(Error::Unsupported { cloud: "aws", what: "tables put".into() })
    }

    async fn get(&self, _table: &str, _key: &Value) -> Result<Option<Value>> {
        Err(Error::Unsupported { cloud: "aws", what: "tables get".into() })
    }

    async fn scan(&self, _table: &str, _offset: usize, _limit: usize) -> Result<Vec<Value>> {
        Err(Error::Unsupported { cloud: "aws", what: "tables scan".into() })
    }

    async fn delete(&self, _permit: &Permit, _table: &str, _key: &Value) -> Result<()> {
        Err(Error::Unsupported { cloud: "aws", what: "tables delete".into() })
    }
}
