//! Key-value tables: no stack can have one yet, so there is none.

use async_trait::async_trait;
use serde_json::Value;

use super::Local;
use crate::cloud::{
    Error, Pages, Permit, Result,
    tables::{ItemPage, KeyTable, Tables},
};

fn none(table: &str) -> Error {
    Error::not_found("key-value table", table)
}

#[async_trait]
impl Tables for Local {
    fn list(&self) -> Pages<'_, KeyTable> {
        Pages::once(async { Ok(Vec::new()) })
    }

    async fn put(&self, _permit: &Permit, table: &str, _items: &[Value]) -> Result<()> {
        Err(none(table))
    }

    async fn get(&self, table: &str, _key: &Value) -> Result<Option<Value>> {
        Err(none(table))
    }

    async fn scan(&self, table: &str, _after: Option<&Value>, _limit: usize) -> Result<ItemPage> {
        Err(none(table))
    }

    async fn delete(&self, _permit: &Permit, table: &str, _key: &Value) -> Result<()> {
        Err(none(table))
    }
}
