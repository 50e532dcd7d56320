//! Buckets and the objects in them (Amazon S3).

use std::{ops::Range, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    error::{Error, Result},
    pages::Pages,
    permit::Permit,
    uploads::{ByteStream, Multipart, PutStream, Streamed},
};

/// A bucket in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bucket {
    /// Its name.
    pub name: String,
    /// The pipeline it belongs to, where that is known.
    pub pipeline: Option<String>,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// The region it is in, where that was told.
    pub region: Option<String>,
    /// Current objects in it, where counting is cheap.
    pub objects: Option<u64>,
    /// Their size in bytes.
    pub bytes: Option<u64>,
}

/// A bucket's settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BucketDetail {
    /// What a list shows of it.
    pub bucket: Bucket,
    /// Whether overwritten and deleted objects are kept as versions, where that may be read.
    pub versioning: Option<bool>,
    /// Days after which every object expires.
    pub expire_days: Option<u32>,
    /// What happens when an object is created, in words: "*.json -> function alert_on_price".
    pub notifications: Vec<String>,
    /// All settings in words, those too that could not be read.
    pub settings: Vec<Setting>,
}

/// One of a bucket's settings, in words.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// Its name: "lifecycle".
    pub name: String,
    /// What it says, a line each; nothing where it is not set.
    pub values: Vec<String>,
    /// The IAM action that reading it lacks.
    pub denied: Option<String>,
    /// Why else it could not be read.
    pub error: Option<String>,
}

impl Setting {
    /// A setting that could be read.
    pub fn new(name: impl Into<String>, values: Vec<String>) -> Self {
        Self { name: name.into(), values, ..Self::default() }
    }

    /// What to show of it, a line each.
    pub fn lines(&self) -> Vec<String> {
        match (&self.denied, &self.error) {
            (Some(action), _) => vec![format!("access denied: allow {action} to see this")],
            (None, Some(error)) => vec![format!("not known: {error}")],
            (None, None) if self.values.is_empty() => vec!["none".into()],
            (None, None) => self.values.clone(),
        }
    }
}

/// One object, without its content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Object {
    /// Its key: any Unicode text, up to 1,024 bytes.
    pub key: String,
    /// Its size in bytes.
    pub size: u64,
    /// The entity tag, without quotes: the MD5 of the content for an object put in one part.
    pub etag: String,
    /// When this version was made.
    pub modified: Option<Timestamp>,
    /// The version, in a bucket that keeps them.
    pub version: Option<String>,
    /// The media type, where one was given.
    pub content_type: Option<String>,
    /// Whether this version is the current one.
    pub latest: bool,
    /// Whether this version marks a deletion.
    pub delete_marker: bool,
}

/// Which objects to list. Prefixes and keys compare by their UTF-8 bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListObjects {
    /// Only keys that begin with this.
    pub prefix: String,
    /// Fold what lies behind the next delimiter into one prefix; `None` lists every key.
    pub delimiter: Option<char>,
    /// Only keys after this one: the last page's `next`.
    pub after: Option<String>,
    /// At most this many keys and prefixes together; 0 means 1,000.
    pub limit: usize,
    /// Old versions and delete markers, too.
    pub versions: bool,
    /// The last page's `token`, which goes before `after`.
    pub token: Option<String>,
}

/// A page of a listing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectPage {
    /// Folded prefixes, in order, each with its delimiter.
    pub prefixes: Vec<String>,
    /// Objects, in order of their keys.
    pub objects: Vec<Object>,
    /// The key after which the next page starts; none at the end.
    pub next: Option<String>,
    /// The same as the cloud itself writes it, where it does: exact within the versions of one key, and quicker.
    #[serde(skip)]
    pub token: Option<String>,
}

/// An object with (a range of) its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// The object.
    pub object: Object,
    /// The bytes asked for.
    pub body: Bytes,
}

/// A part of an object, as long as the object is still what it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadRange<'a> {
    /// The version; none: the current one.
    pub version: Option<&'a str>,
    /// The entity tag that the object must have.
    pub etag: &'a str,
    /// The bytes.
    pub bytes: Range<u64>,
}

/// A URL by which whoever has it reads an object, for a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Presigned {
    /// The URL.
    pub url: String,
    /// Until when it works; credentials that expire end it earlier.
    pub until: Timestamp,
}

/// Buckets and the objects in them.
#[async_trait]
pub trait Buckets: Send + Sync {
    /// All buckets, by name.
    fn list(&self) -> Pages<'_, Bucket>;
    /// One bucket's settings.
    async fn detail(&self, bucket: &str) -> Result<BucketDetail>;
    /// A page of the objects in `bucket`.
    async fn objects(&self, bucket: &str, request: &ListObjects) -> Result<ObjectPage>;
    /// One object without its content; the current version unless one is named.
    async fn head(&self, bucket: &str, key: &str, version: Option<&str>) -> Result<Object>;
    /// One object; `range` in bytes, cut to the object's size.
    async fn get(&self, bucket: &str, key: &str, version: Option<&str>, range: Option<Range<u64>>) -> Result<Content>;
    /// Puts an object, and with it whatever the bucket does when one is created (`s3:PutObject`).
    async fn put(
        &self,
        permit: &Permit,
        bucket: &str,
        key: &str,
        body: Bytes,
        content_type: Option<&str>,
    ) -> Result<Object>;
    /// Puts an object as its content comes, which is never whole in memory (`s3:PutObject`). Where the content breaks off,
    /// nothing is put, and nothing of it stays.
    async fn put_stream(
        &self,
        permit: &Permit,
        bucket: &str,
        key: &str,
        body: ByteStream,
        how: &PutStream<'_>,
    ) -> Result<Streamed>;
    /// Deletes an object: with versioning, it is marked as deleted unless a version is named (`s3:DeleteObject`).
    async fn delete(&self, permit: &Permit, bucket: &str, key: &str, version: Option<&str>) -> Result<()>;

    /// A range of an object that must not have changed.
    ///
    /// # Errors
    /// [`Error::Conflict`] where it has another entity tag by now.
    async fn get_unchanged(&self, bucket: &str, key: &str, range: &ReadRange<'_>) -> Result<Bytes> {
        let content = self.get(bucket, key, range.version, Some(range.bytes.clone())).await?;
        if content.object.etag != range.etag {
            return Err(Error::Conflict(format!("s3://{bucket}/{key} has changed since it was first read")));
        }
        Ok(content.body)
    }

    /// A URL by which whoever has it reads the object. Nothing is sent for it.
    async fn presign(
        &self,
        _bucket: &str,
        _key: &str,
        _version: Option<&str>,
        _expires: Duration,
    ) -> Result<Presigned> {
        Err(Error::Unsupported { cloud: "local", what: "URLs of objects: nothing serves them here".into() })
    }

    /// Uploads in parts, where the cloud has such.
    fn multipart(&self) -> Option<&dyn Multipart> {
        None
    }
}
