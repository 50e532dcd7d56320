//! Key-value tables: no stack can have one yet, so there is none.

use async_trait::async_trait;
use serde_json::Value;

use super::Local;
use crate::cloud::{
    Error, Permit, Result,
    tables::{KeyTable, Tables},
};

fn none(table: &str) -> Error {
    Error::not_found("key-value table", table)
}

#[async_trait]
impl Tables for Local {
    async fn list(&self) -> Result<Vec<KeyTable>> {
        Ok(Vec::new())
    }

    async fn put(&self, _permit: &Permit, table: &str, _items: &[Value]) -> Result<()> {
        Err(none(table))
    }

    async fn get(&self, table: &str, _key: &Value) -> Result<Option<Value>> {
        Err(none(table))
    }

    async fn scan(&self, table: &str, _offset: usize, _limit: usize) -> Result<Vec<Value>> {
        Err(none(table))
    }

    async fn delete(&self, _permit: &Permit, table: &str, _key: &Value) -> Result<()> {
        Err(none(table))
    }
}
