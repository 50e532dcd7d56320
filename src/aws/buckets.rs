//! Buckets and the objects in them (Amazon S3).

mod content;
mod empty;
mod listing;
mod presign;
mod region;
mod settings;
mod streaming;
mod uploads;
mod words;

use std::{ops::Range, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;

pub(crate) use region::Regions;

use super::{Aws, error::failed, time};
use crate::cloud::{
    Pages, Permit, Result,
    buckets::{Bucket, BucketDetail, Buckets, Content, ListObjects, Object, ObjectPage, Presigned, ReadRange},
    uploads::{ByteStream, Multipart, PutStream, Streamed},
};

/// Buckets on one page of a list.
const BUCKETS: i32 = 1_000;

#[async_trait]
impl Buckets for Aws {
    fn list(&self) -> Pages<'_, Bucket> {
        Pages::follow(move |token| self.page_of_buckets(token))
    }

    async fn detail(&self, bucket: &str) -> Result<BucketDetail> {
        Box::pin(self.settings(bucket)).await
    }

    async fn objects(&self, bucket: &str, request: &ListObjects) -> Result<ObjectPage> {
        if request.versions {
            self.list_versions(bucket, request).await
        } else {
            self.list_current(bucket, request).await
        }
    }

    async fn head(&self, bucket: &str, key: &str, version: Option<&str>) -> Result<Object> {
        self.head_object(bucket, key, version).await
    }

    async fn get(&self, bucket: &str, key: &str, version: Option<&str>, range: Option<Range<u64>>) -> Result<Content> {
        Box::pin(self.read_object((bucket, key, version), range, None)).await
    }

    async fn put(
        &self,
        permit: &Permit,
        bucket: &str,
        key: &str,
        body: Bytes,
        content_type: Option<&str>,
    ) -> Result<Object> {
        permit.check("s3:PutObject", bucket)?;
        let object = self.put_object(permit, bucket, key, body, content_type).await?;
        permit.wrote(1);
        Ok(object)
    }

    async fn put_stream(
        &self,
        permit: &Permit,
        bucket: &str,
        key: &str,
        body: ByteStream,
        how: &PutStream<'_>,
    ) -> Result<Streamed> {
        permit.check("s3:PutObject", bucket)?;
        let streamed = Box::pin(self.put_as_it_comes(permit, (bucket, key), body, how)).await?;
        permit.wrote(u64::from(streamed.object.is_some()));
        Ok(streamed)
    }

    async fn delete(&self, permit: &Permit, bucket: &str, key: &str, version: Option<&str>) -> Result<()> {
        permit.check("s3:DeleteObject", bucket)?;
        self.delete_version(bucket, key, version).await
    }

    async fn get_unchanged(&self, bucket: &str, key: &str, range: &ReadRange<'_>) -> Result<Bytes> {
        let ReadRange { version, etag, bytes } = range;
        let read = self.read_object((bucket, key, *version), Some(bytes.clone()), Some(etag));
        let content = Box::pin(read).await?;
        Ok(content.body)
    }

    async fn presign(&self, bucket: &str, key: &str, version: Option<&str>, expires: Duration) -> Result<Presigned> {
        self.presigned(bucket, key, version, expires).await
    }

    fn multipart(&self) -> Option<&dyn Multipart> {
        Some(self)
    }
}

impl Aws {
    /// Deletes a version, or the current one.
    async fn delete_version(&self, bucket: &str, key: &str, version: Option<&str>) -> Result<()> {
        let action = if version.is_some() { "s3:DeleteObjectVersion" } else { "s3:DeleteObject" };
        let id = version.map(str::to_owned);
        self.ask_object((bucket, key, version), action, |s3| {
            s3.delete_object().bucket(bucket).key(key).set_version_id(id.clone()).send()
        })
        .await?;
        Ok(())
    }

    async fn page_of_buckets(&self, token: Option<String>) -> Result<(Vec<Bucket>, Option<String>)> {
        let answer = self
            .client
            .s3()
            .await?
            .list_buckets()
            .max_buckets(BUCKETS)
            .set_continuation_token(token)
            .send()
            .await
            .map_err(failed("s3:ListAllMyBuckets", "bucket", "*"))?;
        let owners = self.owners().await;
        let mut buckets = Vec::new();
        for bucket in answer.buckets.unwrap_or_default() {
            let Some(name) = bucket.name else { continue };
            if let Some(region) = &bucket.bucket_region {
                self.regions.learn(&name, region);
            }
            buckets.push(Bucket {
                pipeline: owners.pipeline(&name),
                created: time::optional(bucket.creation_date.as_ref()),
                region: bucket.bucket_region,
                objects: None,
                bytes: None,
                name,
            });
        }
        Ok((buckets, answer.continuation_token.filter(|t| !t.is_empty())))
    }
}
