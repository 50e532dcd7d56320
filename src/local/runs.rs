//! Stand-in until the port is written.
#![allow(unused_variables, unused_imports)]
use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::Local;
use crate::cloud::{Error, Permit, Result, runs::*};

#[async_trait]
impl Runs for Local {
    async fn list(&self, stack: &str, limit: usize) -> Result<Vec<PipelineRun>> {
        Err(Error::Unsupported { cloud: "local", what: "runs.list".into() })
    }
    async fn begin(&self, permit: &Permit, run: &PipelineRun) -> Result<()> {
        Err(Error::Unsupported { cloud: "local", what: "runs.begin".into() })
    }
    async fn save(&self, permit: &Permit, run: &PipelineRun) -> Result<()> {
        Err(Error::Unsupported { cloud: "local", what: "runs.save".into() })
    }
}
