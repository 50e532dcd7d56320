//! Stand-in until the port is written.
#![allow(unused_variables, unused_imports)]
use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::Local;
use crate::cloud::{Error, Permit, Result, secrets::*};

#[async_trait]
impl Secrets for Local {
    async fn list(&self) -> Result<Vec<Secret>> {
        Err(Error::Unsupported { cloud: "local", what: "secrets.list".into() })
    }
    async fn get(&self, permit: &Permit, name: &str) -> Result<SecretValue> {
        Err(Error::Unsupported { cloud: "local", what: "secrets.get".into() })
    }
    async fn set(&self, permit: &Permit, name: &str, value: &SecretValue) -> Result<()> {
        Err(Error::Unsupported { cloud: "local", what: "secrets.set".into() })
    }
}
