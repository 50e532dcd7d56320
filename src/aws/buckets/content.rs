//! One object: its head, its content, and putting it.

use std::ops::Range;

use bytes::Bytes;

use super::{
    listing::{etag, unsigned},
    region::{check_key, object_error, status},
};
use crate::{
    aws::{Aws, time},
    cloud::{
        Error, Permit, Result,
        buckets::{Content, Object},
    },
};

/// What is put in one request; more goes in parts.
const ONE_REQUEST: usize = 8 * 1024 * 1024;

impl Aws {
    pub(super) async fn head_object(&self, bucket: &str, key: &str, version: Option<&str>) -> Result<Object> {
        let id = version.map(str::to_owned);
        let answer = self
            .ask_object((bucket, key, version), get_action(version), |s3| {
                s3.head_object().bucket(bucket).key(key).set_version_id(id.clone()).send()
            })
            .await?;
        Ok(Object {
            key: key.to_owned(),
            size: unsigned(answer.content_length),
            etag: etag(answer.e_tag),
            modified: time::optional(answer.last_modified.as_ref()),
            version: answer.version_id.or_else(|| version.map(str::to_owned)),
            content_type: answer.content_type,
            // Whether a version that was named is the current one, S3 does not say here.
            latest: version.is_none(),
            delete_marker: false,
        })
    }

    /// Reads (a range of) an object; with `wanted`, only while it still has that entity tag.
    pub(super) async fn read_object(
        &self,
        (bucket, key, version): (&str, &str, Option<&str>),
        range: Option<Range<u64>>,
        wanted: Option<&str>,
    ) -> Result<Content> {
        check_key(key)?;
        let nothing = async || {
            let object = self.head_object(bucket, key, version).await?;
            Ok(Content { object, body: Bytes::new() })
        };
        let bytes = match &range {
            Some(range) if range.start >= range.end => return nothing().await,
            Some(range) => Some(format!("bytes={}-{}", range.start, range.end - 1)),
            None => None,
        };
        let id = version.map(str::to_owned);
        let tag = wanted.map(|tag| format!("\"{tag}\""));
        let sent = self
            .sent(bucket, |s3| {
                s3.get_object()
                    .bucket(bucket)
                    .key(key)
                    .set_version_id(id.clone())
                    .set_range(bytes.clone())
                    .set_if_match(tag.clone())
                    .send()
            })
            .await?;
        let answer = match sent {
            Ok(answer) => answer,
            // The range lies behind the end, of an empty object for example.
            Err(error) if range.is_some() && status(&error) == Some(416) => return nothing().await,
            Err(error) if status(&error) == Some(412) => {
                return Err(Error::Conflict(format!("s3://{bucket}/{key} has changed since it was first read")));
            }
            Err(error) => return Err(object_error(error, (bucket, key, version), get_action(version))),
        };
        let object = Object {
            key: key.to_owned(),
            size: answer
                .content_range
                .as_deref()
                .and_then(|r| r.rsplit_once('/')?.1.parse().ok())
                .unwrap_or_else(|| unsigned(answer.content_length)),
            etag: etag(answer.e_tag),
            modified: time::optional(answer.last_modified.as_ref()),
            version: answer.version_id.or_else(|| version.map(str::to_owned)),
            content_type: answer.content_type,
            latest: version.is_none(),
            delete_marker: false,
        };
        let body = answer.body.collect().await.map_err(|e| {
            let why = std::error::Error::source(&e).map_or_else(|| e.to_string(), ToString::to_string);
            Error::Unavailable(format!("s3:GetObject: s3://{bucket}/{key} broke off: {why}"))
        })?;
        let mut body = body.into_bytes();
        // Not everything that answers like S3 knows ranges.
        if let Some(range) = range
            && answer.content_range.is_none()
        {
            let at = |n: u64| usize::try_from(n).unwrap_or(usize::MAX).min(body.len());
            body = body.slice(at(range.start)..at(range.end));
        }
        Ok(Content { object, body })
    }

    pub(super) async fn put_object(
        &self,
        permit: &Permit,
        bucket: &str,
        key: &str,
        body: Bytes,
        content_type: Option<&str>,
    ) -> Result<Object> {
        let size = body.len();
        if size > ONE_REQUEST {
            return self.put_in_parts(permit, bucket, key, body, content_type).await;
        }
        let kind = content_type.map(str::to_owned);
        let answer = self
            .ask_object((bucket, key, None), "s3:PutObject", |s3| {
                s3.put_object().bucket(bucket).key(key).set_content_type(kind.clone()).body(body.clone().into()).send()
            })
            .await?;
        Ok(Object {
            key: key.to_owned(),
            size: size as u64,
            etag: etag(answer.e_tag),
            modified: None,
            version: answer.version_id,
            content_type: kind,
            latest: true,
            delete_marker: false,
        })
    }
}

/// The IAM action that reading takes.
pub(super) fn get_action(version: Option<&str>) -> &'static str {
    if version.is_some() { "s3:GetObjectVersion" } else { "s3:GetObject" }
}
