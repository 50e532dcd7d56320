//! Stand-in until the port is written.
#![allow(unused_variables, unused_imports)]
use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::Local;
use crate::cloud::secrets::SecretValue;
use crate::cloud::{Error, Permit, Result, apis::*};

#[async_trait]
impl Apis for Local {
    async fn list(&self) -> Result<Vec<Api>> {
        Err(Error::Unsupported { cloud: "local", what: "apis.list".into() })
    }
    async fn key(&self, permit: &Permit, name: &str) -> Result<SecretValue> {
        Err(Error::Unsupported { cloud: "local", what: "apis.key".into() })
    }
}
