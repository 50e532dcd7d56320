//! Buckets and the objects in them (Amazon S3).

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{error::Result, pages::Pages, permit::Permit};

/// A bucket in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bucket {
    /// Its name.
    pub name: String,
    /// The pipeline it belongs to, where that is known.
    pub pipeline: Option<String>,
    /// When it was made.
    pub created: Option<Timestamp>,
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
    /// Whether overwritten and deleted objects are kept as versions.
    pub versioning: bool,
    /// Days after which an object expires.
    pub expire_days: Option<u32>,
    /// What happens when an object is created, in words: "*.json -> function alert_on_price".
    pub notifications: Vec<String>,
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
}

/// A page of a listing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectPage {
    /// Folded prefixes, in order, each with its delimiter.
    pub prefixes: Vec<String>,
    /// Objects, in order of their keys.
    pub objects: Vec<Object>,
    /// Where the next page starts; none at the end.
    pub next: Option<String>,
}

/// An object with (a range of) its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// The object.
    pub object: Object,
    /// The bytes asked for.
    pub body: Bytes,
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
    async fn get(
        &self,
        bucket: &str,
        key: &str,
        version: Option<&str>,
        range: Option<std::ops::Range<u64>>,
    ) -> Result<Content>;
    /// Puts an object, and with it whatever the bucket does when one is created (`s3:PutObject`).
    async fn put(
        &self,
        permit: &Permit,
        bucket: &str,
        key: &str,
        body: Bytes,
        content_type: Option<&str>,
    ) -> Result<Object>;
    /// Deletes an object: with versioning, it is marked as deleted unless a version is named (`s3:DeleteObject`).
    async fn delete(&self, permit: &Permit, bucket: &str, key: &str, version: Option<&str>) -> Result<()>;
}
