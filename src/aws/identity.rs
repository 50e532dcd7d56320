//! Who and where we are, as STS says.

use async_trait::async_trait;

use super::{Aws, error::failed};
use crate::cloud::{Identity, Result, identity::Identities};

#[async_trait]
impl Identities for Aws {
    fn known(&self) -> Identity {
        self.client.identity()
    }

    async fn ask(&self) -> Result<Identity> {
        let known = self.known();
        if known.account.is_some() {
            return Ok(known);
        }
        let answer = self.client.sts().await?.get_caller_identity().send().await.map_err(failed(
            "sts:GetCallerIdentity",
            "caller",
            "*",
        ))?;
        self.client.identified(answer.account, answer.arn);
        Ok(self.known())
    }
}
