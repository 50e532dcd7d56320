//! Stand-in until the port is written.
#![allow(unused_variables, unused_imports)]
use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::Local;
use crate::cloud::{Error, Permit, Result, changes::*};

#[async_trait]
impl Changes for Local {
    async fn after(&self, seen: u64) -> Result<u64> {
        Err(Error::Unsupported { cloud: "local", what: "changes.after".into() })
    }
}
