//! Stand-in until the port is written.
#![allow(unused_variables, unused_imports)]
use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::Local;
use crate::cloud::{Error, Permit, Result, streams::*};

#[async_trait]
impl Streams for Local {
    async fn list(&self) -> Result<Vec<Stream>> {
        Err(Error::Unsupported { cloud: "local", what: "streams.list".into() })
    }
    async fn deliveries(&self) -> Result<Vec<DeliveryStream>> {
        Err(Error::Unsupported { cloud: "local", what: "streams.deliveries".into() })
    }
    async fn records(&self, stream: &str, after: u64, limit: usize) -> Result<Vec<StoredRecord>> {
        Err(Error::Unsupported { cloud: "local", what: "streams.records".into() })
    }
    async fn put(&self, permit: &Permit, stream: &str, records: &[Record]) -> Result<()> {
        Err(Error::Unsupported { cloud: "local", what: "streams.put".into() })
    }
    async fn drain(&self, permit: &Permit, delivery: &str) -> Result<Drained> {
        Err(Error::Unsupported { cloud: "local", what: "streams.drain".into() })
    }
}
