//! The bootstrap stack, and what is uploaded before a change set is made.

use aws_sdk_s3::{error::ProvideErrorMetadata, primitives::ByteStream};

use sha2::{Digest, Sha256};

use super::ARTIFACTS_OF;
use crate::{
    aws::{Aws, error::failed},
    cloud::{
        Error, Result,
        identity::Identities,
        stacks::{Asset, Template},
    },
};

/// CloudFormation takes a template of so many bytes in a request; a longer one from a bucket.
pub(super) const INLINE: usize = 51_200;

/// What the bootstrap stack of this account and region offers.
#[derive(Debug, Clone)]
pub(super) struct Bootstrap {
    /// The bucket for code, scripts and long templates.
    pub(super) bucket: String,
    /// The role that CloudFormation acts in.
    pub(super) role: Option<String>,
    /// Whether it is there at all.
    pub(super) there: bool,
}

/// A template as CloudFormation is given it.
#[derive(Debug, Clone)]
pub(super) enum Source {
    Body(String),
    Url(String),
}

impl Bootstrap {
    /// For the bootstrap stack itself.
    pub(super) fn none() -> Self {
        Self { bucket: String::new(), role: None, there: false }
    }

    fn missing() -> Error {
        Error::Invalid(
            "this account and region have no bootstrap stack (the artifact bucket and CloudFormation's role): \
             `pumphouse bootstrap` makes it"
                .into(),
        )
    }
}

impl Aws {
    /// The bootstrap stack's bucket and role.
    pub(super) async fn bootstrap(&self) -> Result<Bootstrap> {
        if let Some(stack) = self.described(ARTIFACTS_OF).await?
            && super::show::status(&stack).word().ends_with("COMPLETE")
        {
            let output = |name: &str| {
                let found = stack.outputs().iter().find(|o| o.output_key() == Some(name));
                found.and_then(|o| o.output_value()).map(str::to_owned)
            };
            let (bucket, role) = (output("ArtifactBucket"), output("ServiceRoleArn"));
            let bucket = match bucket {
                Some(bucket) => bucket,
                None => self.artifact_bucket().await?,
            };
            return Ok(Bootstrap { bucket, role, there: true });
        }
        Ok(Bootstrap { bucket: self.artifact_bucket().await?, role: None, there: false })
    }

    async fn artifact_bucket(&self) -> Result<String> {
        let identity = self.ask().await?;
        let (account, region) = (identity.account.unwrap_or_default(), identity.region.unwrap_or_default());
        Ok(format!("pumphouse-artifacts-{account}-{region}"))
    }

    /// Uploads what the template refers to, and the template itself where it is long.
    pub(super) async fn upload(&self, bootstrap: &Bootstrap, template: &Template) -> Result<Source> {
        let long = template.body.len() > INLINE;
        if (long || !template.assets.is_empty()) && !bootstrap.there {
            return Err(Bootstrap::missing());
        }
        for asset in &template.assets {
            self.upload_one(&bootstrap.bucket, asset).await?;
        }
        if !long {
            return Ok(Source::Body(template.body.clone()));
        }
        let hash = hex::encode(Sha256::digest(&template.body));
        let asset = Asset { key: format!("templates/{hash}.json"), content: template.body.clone().into() };
        self.upload_one(&bootstrap.bucket, &asset).await?;
        let endpoint = self.client.config().await?.endpoint_url().map(str::to_owned);
        let region = self.ask().await?.region.unwrap_or_default();
        let (bucket, key) = (&bootstrap.bucket, &asset.key);
        Ok(Source::Url(match endpoint {
            Some(endpoint) => format!("{}/{bucket}/{key}", endpoint.trim_end_matches('/')),
            None if region.starts_with("cn-") => format!("https://{bucket}.s3.{region}.amazonaws.com.cn/{key}"),
            None => format!("https://{bucket}.s3.{region}.amazonaws.com/{key}"),
        }))
    }

    /// Uploads an object unless it is there: its key has its content's hash in it.
    async fn upload_one(&self, bucket: &str, asset: &Asset) -> Result<()> {
        let s3 = self.client.s3().await?;
        match s3.head_object().bucket(bucket).key(&asset.key).send().await {
            Ok(_) => return Ok(()),
            // Without s3:ListBucket, what is not there is forbidden.
            Err(error)
                if error.as_service_error().is_some_and(|e| e.is_not_found() || e.code() == Some("NotFound"))
                    || error.raw_response().is_some_and(|r| matches!(r.status().as_u16(), 403 | 404)) => {}
            Err(error) => return Err(failed("s3:GetObject", "object", format!("s3://{bucket}/{}", asset.key))(error)),
        }
        let body = ByteStream::from(asset.content.clone());
        let target = format!("s3://{bucket}/{}", asset.key);
        s3.put_object().bucket(bucket).key(&asset.key).body(body).send().await.map_err(failed(
            "s3:PutObject",
            "bucket",
            target,
        ))?;
        Ok(())
    }
}
