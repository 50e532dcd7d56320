//! Who and where we are (AWS Security Token Service).

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::error::Result;

/// Who and where we are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The adapter: `local`, `aws`.
    pub cloud: String,
    /// The account, or where the embedded cloud keeps its state; none while nobody has asked.
    pub account: Option<String>,
    /// Who acts: on AWS the caller's ARN; none while nobody has asked.
    pub principal: Option<String>,
    /// The region.
    pub region: Option<String>,
    /// The profile of the configuration files that the credentials are from.
    pub profile: Option<String>,
    /// The endpoint, where it is not AWS's own.
    pub endpoint: Option<String>,
    /// Where the credentials in use are from, in words; none while none were needed.
    pub credentials: Option<String>,
    /// What a person runs to log in again; none where there is no logging in.
    pub login: Option<String>,
}

/// Who and where we are.
#[async_trait]
pub trait Identities: Send + Sync {
    /// What is known without asking the cloud.
    fn known(&self) -> Identity;
    /// Asks the cloud, where it has not answered yet (`sts:GetCallerIdentity`).
    async fn ask(&self) -> Result<Identity>;
}
