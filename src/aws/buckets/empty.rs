//! Emptying a bucket, as CloudFormation wants it before the bucket can go: every version, every delete marker, every
//! multipart upload that was not completed.

use aws_sdk_s3::types::{Delete, EncodingType, ObjectIdentifier};
use futures::{TryStreamExt, stream};

use super::listing::Keys;
use crate::{
    aws::{Aws, error::by_code},
    cloud::{
        Error, Result,
        buckets::{ListObjects, Object},
    },
};

/// Aborts that are under way at once.
const ABORTS: usize = 8;
/// Keys of which it is said why they could not be deleted.
const TOLD: usize = 3;

impl Aws {
    /// Deletes everything in a bucket, and tells how many versions have gone after each thousand of them. Returns that
    /// number. What is put meanwhile may stay.
    pub(crate) async fn empty_bucket(&self, bucket: &str, mut told: impl FnMut(u64) + Send) -> Result<u64> {
        let mut gone = 0;
        let mut failures = Failures::default();
        // A marker may name what is gone: the listing goes on behind it all the same.
        let mut request = ListObjects { versions: true, ..ListObjects::default() };
        loop {
            let page = self.list_versions(bucket, &request).await?;
            let more = page.token;
            let asked = page.objects.len() as u64;
            if asked > 0 {
                let failed = self.delete_page(bucket, page.objects).await?;
                gone += asked.saturating_sub(failed.count);
                failures.add(failed);
                told(gone);
            }
            match more {
                Some(token) => request.token = Some(token),
                None => break,
            }
        }
        self.abort_all(bucket).await?;
        failures.verdict(bucket).map(|()| gone)
    }

    /// Deletes up to a thousand versions: in one request those whose keys XML can hold, one by one the others.
    async fn delete_page(&self, bucket: &str, objects: Vec<Object>) -> Result<Failures> {
        let (plain, odd): (Vec<_>, Vec<_>) = objects.into_iter().partition(|o| o.key.chars().all(in_xml));
        let mut failures = Failures::default();
        if !plain.is_empty() {
            let batch = plain.into_iter().map(|o| {
                ObjectIdentifier::builder().key(o.key).set_version_id(o.version).build().map_err(Error::failed)
            });
            failures = self.delete_batch(bucket, batch.collect::<Result<_>>()?).await?;
        }
        for object in odd {
            if let Err(why) = self.delete_version(bucket, &object.key, object.version.as_deref()).await {
                failures.note(object.key, why);
            }
        }
        Ok(failures)
    }

    /// Deletes up to a thousand versions; what S3 says of those that it could not.
    async fn delete_batch(&self, bucket: &str, batch: Vec<ObjectIdentifier>) -> Result<Failures> {
        let delete = Delete::builder().set_objects(Some(batch)).quiet(true).build().map_err(Error::failed)?;
        let answer = self
            .ask_bucket(bucket, "s3:DeleteObjectVersion", |s3| {
                s3.delete_objects().bucket(bucket).delete(delete.clone()).send()
            })
            .await?;
        let mut failures = Failures::default();
        for error in answer.errors.unwrap_or_default() {
            let (code, message) = (error.code.unwrap_or_default(), error.message.unwrap_or_default());
            let key = error.key.unwrap_or_default();
            let status = if code == "AccessDenied" { 403 } else { 400 };
            let why =
                by_code(&code, &message, status, "s3:DeleteObjectVersion", "object", format!("s3://{bucket}/{key}"));
            failures.note(key, why);
        }
        Ok(failures)
    }

    /// Aborts every multipart upload: their parts are not seen in a listing, and keep a bucket from going.
    async fn abort_all(&self, bucket: &str) -> Result<()> {
        let (mut key_marker, mut id_marker) = (None, None);
        loop {
            let page = self
                .ask_bucket(bucket, "s3:ListBucketMultipartUploads", |s3| {
                    s3.list_multipart_uploads()
                        .bucket(bucket)
                        .encoding_type(EncodingType::Url)
                        .set_key_marker(key_marker.clone())
                        .set_upload_id_marker(id_marker.clone())
                        .send()
                })
                .await?;
            let keys = Keys::of(page.encoding_type.as_ref());
            let uploads: Vec<_> = page
                .uploads
                .unwrap_or_default()
                .into_iter()
                .filter_map(|u| Some((keys.read(u.key?), u.upload_id?)))
                .collect();
            stream::iter(uploads.into_iter().map(Ok))
                .try_for_each_concurrent(ABORTS, |(key, id)| async move {
                    match self.abort_multipart(bucket, &key, &id).await {
                        // It was completed or aborted meanwhile.
                        Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
                        Err(error) => Err(error),
                    }
                })
                .await?;
            let next = page.next_key_marker.map(|k| keys.read(k));
            if page.is_truncated != Some(true) || next.is_none() {
                return Ok(());
            }
            (key_marker, id_marker) = (next, page.next_upload_id_marker);
        }
    }

    /// Aborts one multipart upload.
    pub(super) async fn abort_multipart(&self, bucket: &str, key: &str, id: &str) -> Result<()> {
        self.ask_object((bucket, key, None), "s3:AbortMultipartUpload", |s3| {
            s3.abort_multipart_upload().bucket(bucket).key(key).upload_id(id).send()
        })
        .await?;
        Ok(())
    }
}

/// Whether a character may stand in XML.
fn in_xml(c: char) -> bool {
    matches!(c, '\t' | '\n' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

/// What could not be deleted.
#[derive(Debug, Default)]
struct Failures {
    count: u64,
    /// The first of them, with their keys.
    first: Vec<(String, Error)>,
}

impl Failures {
    fn note(&mut self, key: String, why: Error) {
        self.count += 1;
        if self.first.len() < TOLD {
            self.first.push((key, why));
        }
    }

    fn add(&mut self, more: Self) {
        self.count += more.count;
        let room = TOLD.saturating_sub(self.first.len());
        self.first.extend(more.first.into_iter().take(room));
    }

    /// An error that says how many stayed, and why the first of them did.
    fn verdict(mut self, bucket: &str) -> Result<()> {
        match (self.count, self.first.len()) {
            (0, _) => Ok(()),
            (1, 1) => Err(self.first.remove(0).1),
            // One and the same missing permission is told as such.
            _ if let Some((_, Error::AccessDenied { action, .. })) = self.first.first() => Err(Error::AccessDenied {
                action: action.clone(),
                target: format!("{} objects of {bucket}", self.count),
            }),
            _ => {
                let first: Vec<_> = self.first.iter().map(|(key, why)| format!("{key}: {why}")).collect();
                Err(Error::Failed(format!("{} objects of {bucket} stayed: {}", self.count, first.join("; "))))
            }
        }
    }
}

#[cfg(test)]
#[path = "empty_tests.rs"]
mod tests;
