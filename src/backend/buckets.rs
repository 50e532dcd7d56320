//! Putting and deleting objects.

use bytes::Bytes;

use super::{Backend, Consent, Effect, Outcome, Result, Strength};
use crate::cloud::buckets::Object;

/// Putting an object.
pub fn put_effect(bucket: &str, key: &str) -> Effect {
    Effect {
        what: "buckets put",
        target: format!("s3://{bucket}/{key}"),
        sentence: format!("s3://{bucket}/{key} is written; what the bucket does for a new object is done"),
        strength: Strength::Free,
    }
}

/// Deleting an object.
pub fn delete_effect(bucket: &str, key: &str, version: Option<&str>) -> Effect {
    let which = version.map_or_else(String::new, |v| format!(" (version {v}, for good)"));
    Effect {
        what: "buckets rm",
        target: format!("s3://{bucket}/{key}"),
        sentence: format!("s3://{bucket}/{key}{which} is deleted"),
        strength: Strength::Confirm,
    }
}

/// Saving an object to a file: nothing in the cloud is changed.
pub fn save_effect(bucket: &str, key: &str) -> Effect {
    Effect {
        what: "buckets get",
        target: format!("s3://{bucket}/{key}"),
        sentence: format!("s3://{bucket}/{key} is written to a file"),
        strength: Strength::Free,
    }
}

/// Aborting a multipart upload.
pub fn abort_effect(bucket: &str, key: &str) -> Effect {
    Effect {
        what: "buckets uploads abort",
        target: format!("s3://{bucket}/{key}"),
        sentence: format!("what was uploaded of s3://{bucket}/{key} and never completed is thrown away"),
        strength: Strength::Confirm,
    }
}

impl Outcome for Object {}

impl Backend {
    /// Puts an object.
    pub async fn put_object(
        &self,
        bucket: &str,
        key: &str,
        body: Bytes,
        content_type: Option<&str>,
        consent: &Consent,
    ) -> Result<Object> {
        let buckets = self.cloud.buckets.clone();
        self.gate
            .perform(&put_effect(bucket, key), consent, |permit| async move {
                buckets.put(&permit, bucket, key, body, content_type).await
            })
            .await
    }

    /// Deletes an object.
    pub async fn delete_object(&self, bucket: &str, key: &str, version: Option<&str>, consent: &Consent) -> Result<()> {
        let buckets = self.cloud.buckets.clone();
        self.gate
            .perform(&delete_effect(bucket, key, version), consent, |permit| async move {
                buckets.delete(&permit, bucket, key, version).await
            })
            .await
    }
}
