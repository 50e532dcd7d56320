//! Stand-in until the port is written.
#![allow(unused_variables, unused_imports)]
use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::Local;
use crate::cloud::{Error, Permit, Result, functions::*};

#[async_trait]
impl Functions for Local {
    async fn list(&self) -> Result<Vec<Function>> {
        Err(Error::Unsupported { cloud: "local", what: "functions.list".into() })
    }
    async fn invoke(&self, permit: &Permit, request: Invoke) -> Result<Invocation> {
        Err(Error::Unsupported { cloud: "local", what: "functions.invoke".into() })
    }
    async fn settle(&self, permit: &Permit, functions: &[String]) -> Result<Settled> {
        Err(Error::Unsupported { cloud: "local", what: "functions.settle".into() })
    }
}
