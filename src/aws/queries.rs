//! SQL queries (Amazon Athena).

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use super::Aws;
use crate::cloud::{
    Error, Permit, Result,
    queries::{Queries, Query, QueryExecution, QueryResult, SavedQuery},
};

#[async_trait]
impl Queries for Aws {
    async fn execute(&self, _query: &Query, _cancel: CancellationToken) -> Result<QueryResult> {
        Err(Error::Unsupported { cloud: "aws", what: "queries execute".into() })
    }

    async fn history(&self, _limit: usize) -> Result<Vec<QueryExecution>> {
        Err(Error::Unsupported { cloud: "aws", what: "queries history".into() })
    }

    async fn saved(&self) -> Result<Vec<SavedQuery>> {
        Err(Error::Unsupported { cloud: "aws", what: "queries saved".into() })
    }

    async fn cancel(&self, _permit: &Permit, _id: &str) -> Result<()> {
        Err(Error::Unsupported { cloud: "aws", what: "queries cancel".into() })
    }
}
