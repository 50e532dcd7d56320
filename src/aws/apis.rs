//! HTTP APIs before functions (Amazon API Gateway).

use async_trait::async_trait;

use super::Aws;
use crate::cloud::{
    Error, Permit, Result,
    apis::{Api, Apis},
    secrets::SecretValue,
};

#[async_trait]
impl Apis for Aws {
    async fn list(&self) -> Result<Vec<Api>> {
        Err(Error::Unsupported { cloud: "aws", what: "apis list".into() })
    }

    async fn key(&self, _permit: &Permit, _name: &str) -> Result<SecretValue> {
        Err(Error::Unsupported { cloud: "aws", what: "apis key".into() })
    }
}
