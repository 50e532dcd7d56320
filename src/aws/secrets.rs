//! Secrets (AWS Secrets Manager).

use async_trait::async_trait;

use super::Aws;
use crate::cloud::{
    Error, Permit, Result,
    secrets::{Secret, SecretValue, Secrets},
};

#[async_trait]
impl Secrets for Aws {
    async fn list(&self) -> Result<Vec<Secret>> {
        Err(Error::Unsupported { cloud: "aws", what: "secrets list".into() })
    }

    async fn get(&self, _permit: &Permit, _name: &str) -> Result<SecretValue> {
        Err(Error::Unsupported { cloud: "aws", what: "secrets get".into() })
    }

    async fn set(&self, _permit: &Permit, _name: &str, _value: &SecretValue) -> Result<()> {
        Err(Error::Unsupported { cloud: "aws", what: "secrets set".into() })
    }
}
