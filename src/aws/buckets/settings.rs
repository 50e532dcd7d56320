//! A bucket's settings, each read on its own: what may not be read is a line that names the missing permission, and the
//! others are there all the same.

use aws_sdk_s3::error::ProvideErrorMetadata;

use super::words;
use crate::{
    aws::{Aws, time},
    cloud::{
        Error, Result,
        buckets::{Bucket, BucketDetail, Setting},
    },
};

/// What S3 says of settings that a bucket does not have.
const ABSENT: &[&str] = &[
    "NoSuchLifecycleConfiguration",
    "NoSuchCORSConfiguration",
    "ReplicationConfigurationNotFoundError",
    "ServerSideEncryptionConfigurationNotFoundError",
    "NoSuchPublicAccessBlockConfiguration",
];

/// Reads one setting: `$read` with the client, `$say` of its answer in words. `None` where the bucket does not have it.
macro_rules! setting {
    ($self:ident, $bucket:ident, $action:literal, $read:ident) => {
        async {
            let sent = $self.sent($bucket, |s3| s3.$read().bucket($bucket).send()).await?;
            match sent {
                Err(error) if error.code().is_some_and(|code| ABSENT.contains(&code)) => Ok(None),
                Err(error) => Err(super::region::bucket_error(error, $bucket, $action)),
                Ok(answer) => Ok(Some(answer)),
            }
        }
    };
}

impl Aws {
    /// All settings of a bucket, read at the same time.
    pub(super) async fn settings(&self, bucket: &str) -> Result<BucketDetail> {
        // Where the bucket is is asked first: the others then go to its region at once.
        let region = self.region_of(bucket).await;
        if let Err(error @ (Error::NotFound { .. } | Error::Credentials(_) | Error::Unavailable(_))) = region {
            return Err(error);
        }
        let (versioning, encryption, lifecycle, notifications, public, cors, replication, logging, created) = futures::join!(
            setting!(self, bucket, "s3:GetBucketVersioning", get_bucket_versioning),
            setting!(self, bucket, "s3:GetEncryptionConfiguration", get_bucket_encryption),
            setting!(self, bucket, "s3:GetLifecycleConfiguration", get_bucket_lifecycle_configuration),
            setting!(self, bucket, "s3:GetBucketNotification", get_bucket_notification_configuration),
            setting!(self, bucket, "s3:GetBucketPublicAccessBlock", get_public_access_block),
            setting!(self, bucket, "s3:GetBucketCORS", get_bucket_cors),
            setting!(self, bucket, "s3:GetReplicationConfiguration", get_bucket_replication),
            setting!(self, bucket, "s3:GetBucketLogging", get_bucket_logging),
            self.created(bucket),
        );
        let owners = self.owners().await;
        let said = notifications.map(|n| n.as_ref().map(words::notifications).unwrap_or_default());
        let rules = lifecycle.map(|l| l.and_then(|l| l.rules).unwrap_or_default());
        Ok(BucketDetail {
            versioning: versioning.as_ref().ok().map(|v| v.as_ref().is_some_and(words::keeps_versions)),
            expire_days: rules.as_ref().ok().and_then(|rules| words::expire_days(rules)),
            notifications: said.clone().unwrap_or_default(),
            settings: vec![
                setting("region", region.clone().map(Vec::from_iter)),
                setting("versioning", versioning.map(|v| words::versioning(v.as_ref()))),
                setting("encryption", encryption.map(|e| e.as_ref().map(words::encryption).unwrap_or_default())),
                setting("lifecycle", rules.map(|rules| rules.iter().map(words::lifecycle).collect())),
                setting("notifications", said),
                setting("public access", public.map(|p| words::public_access(p.as_ref()))),
                setting("CORS", cors.map(|c| c.as_ref().map(words::cors).unwrap_or_default())),
                setting("replication", replication.map(|r| r.as_ref().map(words::replication).unwrap_or_default())),
                setting("logging", logging.map(|l| l.as_ref().map(words::logging).unwrap_or_default())),
            ],
            bucket: Bucket {
                name: bucket.to_owned(),
                pipeline: owners.pipeline(bucket),
                created,
                region: region.ok().flatten(),
                objects: None,
                bytes: None,
            },
        })
    }

    async fn region_of(&self, bucket: &str) -> Result<Option<String>> {
        let answer = self.ask_bucket(bucket, "s3:ListBucket", |s3| s3.head_bucket().bucket(bucket).send()).await?;
        if let Some(region) = &answer.bucket_region {
            self.regions.learn(bucket, region);
        }
        Ok(answer.bucket_region.or_else(|| self.regions.of(bucket)))
    }

    /// When a bucket was made: a list alone tells, and who may not list does not learn it.
    async fn created(&self, bucket: &str) -> Option<jiff::Timestamp> {
        let asked = self.client.s3().await.ok()?.list_buckets().prefix(bucket).send();
        let found = Box::pin(asked).await.ok()?.buckets?.into_iter().find(|b| b.name.as_deref() == Some(bucket))?;
        time::optional(found.creation_date.as_ref())
    }
}

/// What was read, or why it was not.
fn setting(name: &str, read: Result<Vec<String>>) -> Setting {
    match read {
        Ok(values) => Setting::new(name, values),
        Err(Error::AccessDenied { action, .. }) => Setting { denied: Some(action), ..Setting::new(name, Vec::new()) },
        Err(error) => Setting { error: Some(error.to_string()), ..Setting::new(name, Vec::new()) },
    }
}
