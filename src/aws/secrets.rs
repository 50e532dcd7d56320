//! Secrets (AWS Secrets Manager).

use async_trait::async_trait;
use aws_sdk_secretsmanager::types::SecretListEntry;

use super::{Aws, error::failed, owners::Owners, time};
use crate::cloud::{
    Error, Pages, Permit, Result,
    secrets::{Secret, SecretValue, Secrets},
};

/// The stage of the version that counts.
const CURRENT: &str = "AWSCURRENT";

#[async_trait]
impl Secrets for Aws {
    fn list(&self) -> Pages<'_, Secret> {
        Pages::follow(move |token| async move {
            let (page, next) = self.secret_entries(token).await?;
            let owners = self.owners().await;
            Ok((page.into_iter().filter_map(|entry| secret(entry, &owners)).collect(), next))
        })
    }

    async fn get(&self, permit: &Permit, name: &str) -> Result<SecretValue> {
        permit.check("secretsmanager:GetSecretValue", name)?;
        let asked = self.client.secretsmanager().await?.get_secret_value().secret_id(name).send().await;
        let answer = asked.map_err(failed("secretsmanager:GetSecretValue", "secret", name))?;
        match answer.secret_string {
            // Secrets Manager takes no empty value: who answers with one means that there is none.
            Some(text) if text.is_empty() => Err(Error::not_found("value of the secret", name)),
            Some(text) => Ok(SecretValue::new(text)),
            None => Err(Error::Invalid(format!("the secret {name} holds bytes, and text is needed"))),
        }
    }

    async fn set(&self, permit: &Permit, name: &str, value: &SecretValue) -> Result<()> {
        permit.check("secretsmanager:PutSecretValue", name)?;
        let asked = self.client.secretsmanager().await?.put_secret_value().secret_id(name);
        asked.secret_string(value.expose()).send().await.map_err(failed(
            "secretsmanager:PutSecretValue",
            "secret",
            name,
        ))?;
        Ok(())
    }
}

impl Aws {
    /// A page of the secrets that do not wait to be deleted, and where the next one begins.
    pub(super) async fn secret_entries(&self, token: Option<String>) -> Result<(Vec<SecretListEntry>, Option<String>)> {
        let asked = self.client.secretsmanager().await?.list_secrets().max_results(100);
        let answer =
            asked.set_next_token(token).send().await.map_err(failed("secretsmanager:ListSecrets", "secret", "*"))?;
        let mut page = answer.secret_list.unwrap_or_default();
        page.retain(|entry| entry.deleted_date.is_none());
        Ok((page, answer.next_token.filter(|t| !t.is_empty())))
    }
}

/// The pipeline that a secret belongs to.
pub(super) fn pipeline_of(entry: &SecretListEntry, owners: &Owners) -> Option<String> {
    let by_arn = entry.arn.as_deref().and_then(|arn| owners.pipeline(arn));
    by_arn.or_else(|| owners.pipeline(entry.name.as_deref()?))
}

/// A secret; none without a name.
fn secret(entry: SecretListEntry, owners: &Owners) -> Option<Secret> {
    let pipeline = pipeline_of(&entry, owners);
    let name = entry.name?;
    let stages = entry.secret_versions_to_stages.unwrap_or_default();
    // A stack makes a secret without a version: the first one comes with its first value.
    let set = stages.values().flatten().any(|stage| stage == CURRENT);
    let changed = time::optional(entry.last_changed_date.as_ref()).filter(|_| set);
    Some(Secret { name, pipeline, set, changed })
}
