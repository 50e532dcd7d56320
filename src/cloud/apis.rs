//! HTTP APIs before functions (Amazon API Gateway).

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::{error::Result, pages::Pages, permit::Permit, secrets::SecretValue};

/// An HTTP API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Api {
    /// Its name.
    pub name: String,
    /// The pipeline it belongs to.
    pub pipeline: Option<String>,
    /// The path that it answers at.
    pub path: String,
    /// The function that answers; empty where something else does.
    pub function: String,
    /// The whole address; on the embedded cloud, none while no process serves it.
    pub url: Option<String>,
    /// Whether a request needs the `x-api-key` header (else 403).
    pub api_key: bool,
    /// Requests a second and at once (else 429).
    pub throttle: Option<(f64, u32)>,
    /// Requests a period (else 429), and the period: `day`, `week` or `month`.
    pub quota: Option<(u64, String)>,
    /// Requests in the present period; none where nobody counts them.
    pub used: Option<u64>,
}

/// HTTP APIs before functions.
#[async_trait]
pub trait Apis: Send + Sync {
    /// All APIs, by name.
    fn list(&self) -> Pages<'_, Api>;
    /// The API key of one (`apigateway:GET`).
    async fn key(&self, permit: &Permit, name: &str) -> Result<SecretValue>;
}
