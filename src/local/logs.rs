//! Stand-in until the port is written.
#![allow(unused_variables, unused_imports)]
use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::Local;
use crate::cloud::{Error, Permit, Result, logs::*};

#[async_trait]
impl Logs for Local {
    async fn groups(&self) -> Result<Vec<LogGroup>> {
        Err(Error::Unsupported { cloud: "local", what: "logs.groups".into() })
    }
    async fn read(&self, request: &ReadLogs) -> Result<LogPage> {
        Err(Error::Unsupported { cloud: "local", what: "logs.read".into() })
    }
}
