//! Buckets in other regions: S3 says where a bucket is, and it is asked there from then on.

use std::{
    collections::HashMap,
    error::Error as StdError,
    future::Future,
    sync::{Mutex, PoisonError},
};

use aws_config::Region;
use aws_sdk_s3::{
    Client,
    error::{ProvideErrorMetadata, SdkError},
};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;

use crate::{
    aws::{Aws, error::failed},
    cloud::{Error, Result, error::Kind},
};

/// The header in which S3 names a bucket's region.
const REGION_HEADER: &str = "x-amz-bucket-region";

/// The regions of buckets, as far as S3 has told them.
#[derive(Debug, Default)]
pub(crate) struct Regions(Mutex<HashMap<String, String>>);

impl Regions {
    /// The region of a bucket, where it is known.
    pub(crate) fn of(&self, bucket: &str) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(bucket).cloned()
    }

    /// Remembers where a bucket is.
    pub(crate) fn learn(&self, bucket: &str, region: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(bucket.to_owned(), region.to_owned());
    }
}

/// What the SDK says of a request.
pub(crate) type Sent<T, E> = std::result::Result<T, SdkError<E, HttpResponse>>;

impl Aws {
    /// The client for a bucket: the region's own where the bucket is known to be in another. It shares connections and
    /// credentials with the common one, so that making it costs next to nothing.
    pub(crate) async fn s3_for(&self, bucket: &str) -> Result<Client> {
        let common = self.client.s3().await?;
        match self.regions.of(bucket) {
            Some(region) if common.config().region().is_none_or(|r| r.as_ref() != region) => {
                let there = common.config().to_builder().region(Region::new(region)).build();
                Ok(Client::from_conf(there))
            }
            _ => Ok(common.clone()),
        }
    }

    /// Sends a request about a bucket, once more where S3 says that the bucket is in another region.
    pub(crate) async fn sent<T, E, F>(&self, bucket: &str, request: impl Fn(Client) -> F) -> Result<Sent<T, E>>
    where
        F: Future<Output = Sent<T, E>>,
    {
        let client = self.s3_for(bucket).await?;
        let asked_in = client.config().region().map(ToString::to_string);
        // The SDK's futures are large.
        let answer = Box::pin(request(client)).await;
        let Err(SdkError::ServiceError(context)) = &answer else { return Ok(answer) };
        match elsewhere(context.raw()) {
            Some(region) if asked_in.as_deref() != Some(region.as_str()) => {
                self.regions.learn(bucket, &region);
                Ok(Box::pin(request(self.s3_for(bucket).await?)).await)
            }
            _ => Ok(answer),
        }
    }

    /// Asks about a bucket; `action` is the IAM action that it takes.
    pub(crate) async fn ask_bucket<T, E, F>(
        &self,
        bucket: &str,
        action: &'static str,
        request: impl Fn(Client) -> F,
    ) -> Result<T>
    where
        F: Future<Output = Sent<T, E>>,
        E: ProvideErrorMetadata + StdError + 'static,
    {
        self.sent(bucket, request).await?.map_err(|e| bucket_error(e, bucket, action))
    }

    /// Asks about an object, or the version of one.
    pub(crate) async fn ask_object<T, E, F>(
        &self,
        (bucket, key, version): (&str, &str, Option<&str>),
        action: &'static str,
        request: impl Fn(Client) -> F,
    ) -> Result<T>
    where
        F: Future<Output = Sent<T, E>>,
        E: ProvideErrorMetadata + StdError + 'static,
    {
        check_key(key)?;
        self.sent(bucket, request).await?.map_err(|e| object_error(e, (bucket, key, version), action))
    }
}

/// The SDK takes a key of nothing but blanks for none at all, though S3 would have it.
pub(crate) fn check_key(key: &str) -> Result<()> {
    if key.trim().is_empty() {
        let what = format!("an object whose key is {key:?}: the SDK cannot ask for one without a letter");
        return Err(Error::Unsupported { cloud: "aws", what });
    }
    Ok(())
}

/// What a failed request about a bucket means.
pub(crate) fn bucket_error<E>(error: SdkError<E, HttpResponse>, bucket: &str, action: &'static str) -> Error
where
    E: ProvideErrorMetadata + StdError + 'static,
{
    refused(error, action, bucket, "bucket", bucket.to_owned())
}

/// What a failed request about an object means.
pub(crate) fn object_error<E>(
    error: SdkError<E, HttpResponse>,
    (bucket, key, version): (&str, &str, Option<&str>),
    action: &'static str,
) -> Error
where
    E: ProvideErrorMetadata + StdError + 'static,
{
    // S3 has no such method for a delete marker.
    let marker = error.code() == Some("MethodNotAllowed");
    let (kind, name) = match version {
        Some(version) => ("object version", format!("s3://{bucket}/{key} {version}")),
        None => ("object", format!("s3://{bucket}/{key}")),
    };
    if marker || status(&error) == Some(405) {
        Error::not_found(kind, name)
    } else {
        refused(error, action, bucket, kind, name)
    }
}

fn refused<E>(error: SdkError<E, HttpResponse>, action: &'static str, bucket: &str, kind: Kind, name: String) -> Error
where
    E: ProvideErrorMetadata + StdError + 'static,
{
    match error.code() {
        Some("NoSuchBucket") => Error::not_found("bucket", bucket),
        Some("NoSuchUpload") => Error::not_found("multipart upload", name),
        Some("InvalidObjectState") => Error::Invalid(format!(
            "{name} is in an archive (Glacier): restore it first, with `aws s3api restore-object`"
        )),
        _ => failed(action, kind, name)(error),
    }
}

/// The HTTP status of a failed request, where there was an answer.
pub(crate) fn status<E>(error: &SdkError<E, HttpResponse>) -> Option<u16> {
    error.raw_response().map(|r| r.status().as_u16())
}

/// The region where S3 has this bucket, if it says so: in a redirect, or in its refusal of a signature for the wrong one.
fn elsewhere(answer: &HttpResponse) -> Option<String> {
    if !matches!(answer.status().as_u16(), 301 | 307 | 400) {
        return None;
    }
    if let Some(region) = answer.headers().get(REGION_HEADER) {
        return Some(region.to_owned());
    }
    let body = std::str::from_utf8(answer.body().bytes()?).ok()?;
    let (_, rest) = body.split_once("<Region>")?;
    rest.split_once("</Region>").map(|(region, _)| region.to_owned())
}
