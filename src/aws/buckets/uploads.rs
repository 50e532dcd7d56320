//! Multipart uploads.

use async_trait::async_trait;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart, EncodingType};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};

use super::listing::{Keys, etag, unsigned};
use crate::{
    aws::{Aws, time},
    cloud::{
        Error, Pages, Permit, Result,
        buckets::Object,
        uploads::{Multipart, Part, Upload},
    },
};

/// The size of a part of what is held in memory anyway.
const PART: usize = 8 * 1024 * 1024;
/// Parts that are under way at once.
const AT_ONCE: usize = 4;

#[async_trait]
impl Multipart for Aws {
    fn uploads<'a>(&'a self, bucket: &'a str) -> Pages<'a, Upload> {
        Pages::follow(move |token: Option<String>| async move {
            let (key, id): (Option<String>, Option<String>) =
                token.and_then(|t| serde_json::from_str(&t).ok()).unwrap_or_default();
            let page = self
                .ask_bucket(bucket, "s3:ListBucketMultipartUploads", |s3| {
                    s3.list_multipart_uploads()
                        .bucket(bucket)
                        .encoding_type(EncodingType::Url)
                        .set_key_marker(key.clone())
                        .set_upload_id_marker(id.clone())
                        .send()
                })
                .await?;
            let keys = Keys::of(page.encoding_type.as_ref());
            let uploads = page
                .uploads
                .unwrap_or_default()
                .into_iter()
                .filter_map(|u| {
                    let initiated = time::optional(u.initiated.as_ref());
                    Some(Upload { key: keys.read(u.key?), id: u.upload_id?, initiated })
                })
                .collect();
            let next = page.next_key_marker.map(|k| keys.read(k)).filter(|k| !k.is_empty());
            let next = next.filter(|_| page.is_truncated == Some(true));
            Ok((uploads, next.map(|key| serde_json::json!([key, page.next_upload_id_marker]).to_string())))
        })
    }

    async fn begin(&self, permit: &Permit, bucket: &str, key: &str, content_type: Option<&str>) -> Result<String> {
        permit.check("s3:PutObject", bucket)?;
        let kind = content_type.map(str::to_owned);
        let answer = self
            .ask_object((bucket, key, None), "s3:PutObject", |s3| {
                s3.create_multipart_upload().bucket(bucket).key(key).set_content_type(kind.clone()).send()
            })
            .await?;
        answer.upload_id.ok_or_else(|| Error::Failed("S3 began an upload without an id".into()))
    }

    async fn parts(&self, bucket: &str, key: &str, id: &str) -> Result<Vec<Part>> {
        let mut parts = Vec::new();
        let mut marker = None;
        loop {
            let page = self
                .ask_object((bucket, key, None), "s3:ListMultipartUploadParts", |s3| {
                    s3.list_parts().bucket(bucket).key(key).upload_id(id).set_part_number_marker(marker.clone()).send()
                })
                .await?;
            parts.extend(page.parts.unwrap_or_default().into_iter().filter_map(|p| {
                Some(Part {
                    number: p.part_number.and_then(|n| u32::try_from(n).ok())?,
                    size: unsigned(p.size),
                    etag: etag(p.e_tag),
                    crc32: p.checksum_crc32,
                })
            }));
            match page.next_part_number_marker {
                Some(next) if page.is_truncated == Some(true) => marker = Some(next),
                _ => return Ok(parts),
            }
        }
    }

    async fn send(&self, permit: &Permit, bucket: &str, key: &str, id: &str, number: u32, body: Bytes) -> Result<Part> {
        permit.check("s3:PutObject", bucket)?;
        let size = body.len() as u64;
        let answer = self
            .ask_object((bucket, key, None), "s3:PutObject", |s3| {
                s3.upload_part()
                    .bucket(bucket)
                    .key(key)
                    .upload_id(id)
                    .part_number(i32::try_from(number).unwrap_or(i32::MAX))
                    .body(body.clone().into())
                    .send()
            })
            .await?;
        Ok(Part { number, size, etag: etag(answer.e_tag), crc32: answer.checksum_crc32 })
    }

    async fn complete(&self, permit: &Permit, bucket: &str, key: &str, id: &str, parts: &[Part]) -> Result<Object> {
        permit.check("s3:PutObject", bucket)?;
        let completed = parts.iter().map(|p| {
            CompletedPart::builder()
                .part_number(i32::try_from(p.number).unwrap_or(i32::MAX))
                .e_tag(format!("\"{}\"", p.etag))
                .set_checksum_crc32(p.crc32.clone())
                .build()
        });
        let completed = CompletedMultipartUpload::builder().set_parts(Some(completed.collect())).build();
        let answer = self
            .ask_object((bucket, key, None), "s3:PutObject", |s3| {
                s3.complete_multipart_upload()
                    .bucket(bucket)
                    .key(key)
                    .upload_id(id)
                    .multipart_upload(completed.clone())
                    .send()
            })
            .await?;
        Ok(Object {
            key: key.to_owned(),
            size: parts.iter().map(|p| p.size).sum(),
            etag: etag(answer.e_tag),
            modified: None,
            version: answer.version_id,
            content_type: None,
            latest: true,
            delete_marker: false,
        })
    }

    async fn abort(&self, permit: &Permit, bucket: &str, key: &str, id: &str) -> Result<()> {
        permit.check("s3:AbortMultipartUpload", bucket)?;
        self.abort_multipart(bucket, key, id).await
    }
}

impl Aws {
    /// Puts what is too much for one request. Where it fails, nothing of it stays.
    pub(super) async fn put_in_parts(
        &self,
        permit: &Permit,
        bucket: &str,
        key: &str,
        body: Bytes,
        content_type: Option<&str>,
    ) -> Result<Object> {
        let id = self.begin(permit, bucket, key, content_type).await?;
        let id = id.as_str();
        let size = PART.max(body.len().div_ceil(10_000));
        let starts: Vec<_> = (1..).zip((0..body.len()).step_by(size)).collect();
        let all = starts.into_iter().map(|(number, at)| (number, body.slice(at..body.len().min(at + size))));
        let parts = stream::iter(all.collect::<Vec<_>>())
            .map(|(number, chunk)| self.send(permit, bucket, key, id, number, chunk))
            .buffered(AT_ONCE)
            .try_collect::<Vec<_>>()
            .await;
        let done = match parts {
            Ok(parts) => self.complete(permit, bucket, key, id, &parts).await,
            Err(error) => Err(error),
        };
        match done {
            Ok(object) => Ok(Object { content_type: content_type.map(str::to_owned), ..object }),
            Err(error) => {
                if let Err(why) = self.abort_multipart(bucket, key, id).await {
                    tracing::warn!(%why, bucket, key, id, "an incomplete upload stays");
                }
                Err(error)
            }
        }
    }
}
