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

/// What stands for a value that is not shown.
pub const MASKED: &str = "********";
/// Words in the name of an argument or of a property that tell of a secret.
const SECRETS: [&str; 13] = [
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "secret",
    "token",
    "credential",
    "private",
    "apikey",
    "accesskey",
    "authorization",
    "dsn",
    "jdbcurl",
];

/// Whether a name tells that its value is a secret.
pub fn named_secret(name: &str) -> bool {
    let name: String = name.to_lowercase().chars().filter(char::is_ascii_alphanumeric).collect();
    SECRETS.iter().any(|word| name.contains(word))
}

/// Whether a value holds a secret itself: an access key's id, a password in an address or among settings.
pub fn tells_secret(value: &str) -> bool {
    let key = |word: &str| (word.starts_with("AKIA") || word.starts_with("ASIA")) && word.len() >= 16;
    let address = value.split_once("://").is_some_and(|(_, rest)| {
        let host = rest.split(['/', '?']).next().unwrap_or_default();
        host.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'))
    });
    let setting = |part: &str| part.split_once('=').is_some_and(|(name, _)| named_secret(name));
    address
        || value.split(|c: char| !c.is_ascii_alphanumeric()).any(key)
        || value.split(['&', ';', ',', ' ', '?']).any(setting)
}
