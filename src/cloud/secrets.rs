//! Secrets (AWS Secrets Manager).

use std::fmt;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{error::Result, pages::Pages, permit::Permit};

/// A secret, without its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secret {
    /// Its name.
    pub name: String,
    /// The pipeline it belongs to.
    pub pipeline: Option<String>,
    /// Whether it has a value.
    pub set: bool,
    /// When the value was last changed.
    pub changed: Option<Timestamp>,
}

/// A secret's value: never printed, not even by `{:?}`.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretValue(String);

impl SecretValue {
    /// Wraps a value.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value itself, for the call that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretValue(hidden)")
    }
}

/// Secrets.
#[async_trait]
pub trait Secrets: Send + Sync {
    /// All secrets, by name, without their values.
    fn list(&self) -> Pages<'_, Secret>;
    /// A value, for the function that may read it (`secretsmanager:GetSecretValue`).
    async fn get(&self, permit: &Permit, name: &str) -> Result<SecretValue>;
    /// Sets a value (`secretsmanager:PutSecretValue`).
    async fn set(&self, permit: &Permit, name: &str, value: &SecretValue) -> Result<()>;
}
