//! Uploads in parts (Amazon S3's multipart uploads), of which a bucket keeps what was sent until they are completed or
//! aborted.

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{buckets::Object, error::Result, pages::Pages, permit::Permit};

/// A multipart upload that was neither completed nor aborted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upload {
    /// The key that its object will have.
    pub key: String,
    /// Its id.
    pub id: String,
    /// When it began.
    pub initiated: Option<Timestamp>,
}

/// A part that was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Its number, from 1.
    pub number: u32,
    /// Its size in bytes.
    pub size: u64,
    /// Its entity tag, without quotes: the MD5 of its content, unless the bucket encrypts with a key of KMS.
    pub etag: String,
    /// The checksum that the SDK has sent with it, where it has.
    pub crc32: Option<String>,
}

/// Uploads in parts.
#[async_trait]
pub trait Multipart: Send + Sync {
    /// Uploads in a bucket that were neither completed nor aborted.
    fn uploads<'a>(&'a self, bucket: &'a str) -> Pages<'a, Upload>;
    /// Begins an upload; its id (`s3:PutObject`).
    async fn begin(&self, permit: &Permit, bucket: &str, key: &str, content_type: Option<&str>) -> Result<String>;
    /// The parts that have arrived, by number.
    async fn parts(&self, bucket: &str, key: &str, id: &str) -> Result<Vec<Part>>;
    /// Sends a part; all but the last have 5 MiB at least (`s3:PutObject`).
    async fn send(&self, permit: &Permit, bucket: &str, key: &str, id: &str, number: u32, body: Bytes) -> Result<Part>;
    /// Makes the object out of these parts (`s3:PutObject`).
    async fn complete(&self, permit: &Permit, bucket: &str, key: &str, id: &str, parts: &[Part]) -> Result<Object>;
    /// Forgets an upload and its parts (`s3:AbortMultipartUpload`).
    async fn abort(&self, permit: &Permit, bucket: &str, key: &str, id: &str) -> Result<()>;
}
