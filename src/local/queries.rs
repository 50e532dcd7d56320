//! Stand-in until the port is written.
#![allow(unused_variables, unused_imports)]
use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::Local;
use crate::cloud::{Error, Permit, Result, queries::*};

#[async_trait]
impl Queries for Local {
    async fn execute(&self, query: &Query, cancel: CancellationToken) -> Result<QueryResult> {
        Err(Error::Unsupported { cloud: "local", what: "queries.execute".into() })
    }
    async fn history(&self, limit: usize) -> Result<Vec<QueryExecution>> {
        Err(Error::Unsupported { cloud: "local", what: "queries.history".into() })
    }
    async fn saved(&self) -> Result<Vec<SavedQuery>> {
        Err(Error::Unsupported { cloud: "local", what: "queries.saved".into() })
    }
    async fn cancel(&self, permit: &Permit, id: &str) -> Result<()> {
        Err(Error::Unsupported { cloud: "local", what: "queries.cancel".into() })
    }
}
