//! Uploads of what is not held in memory: in parts (Amazon S3's multipart uploads), of which a bucket keeps what was sent
//! until they are completed or aborted, and of what comes as a stream.

use std::pin::Pin;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures::Stream;
use jiff::Timestamp;
use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

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

/// A content that comes piece by piece, so that it is never whole in memory.
pub type ByteStream = Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>>;

/// The size of the parts in which a stream is put.
pub const STREAM_PART: usize = 8 * 1024 * 1024;

/// How a stream is put.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PutStream<'a> {
    /// The media type.
    pub content_type: Option<&'a str>,
    /// The entity tag of what is there: where the content turns out to be the same, nothing is put.
    pub unless_etag: Option<&'a str>,
    /// The SHA-256 of what is there, in hexadecimal digits: the same, where the entity tag does not tell.
    pub unless_sha256: Option<&'a str>,
}

/// What became of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Streamed {
    /// The object; none where its content is what was there.
    pub object: Option<Object>,
    /// The content's size in bytes.
    pub size: u64,
    /// The content's SHA-256 in hexadecimal digits.
    pub sha256: String,
}

/// What a content comes to, in parts of [`STREAM_PART`]: the entity tag that S3 gives to it, and its SHA-256.
#[derive(Debug, Clone, Default)]
pub struct Fingerprint {
    sha256: Sha256,
    /// The MD5 of the part that is not full.
    part: Md5,
    filled: usize,
    /// The MD5 of all full parts, one after another.
    parts: BytesMut,
    size: u64,
}

impl Fingerprint {
    /// Goes on with the next bytes.
    pub fn update(&mut self, mut bytes: &[u8]) {
        self.sha256.update(bytes);
        self.size += bytes.len() as u64;
        while !bytes.is_empty() {
            // A part is closed when there is more: what ends with a full part has no empty one after it.
            if self.filled == STREAM_PART {
                self.close();
            }
            let (now, later) = bytes.split_at(bytes.len().min(STREAM_PART - self.filled));
            self.part.update(now);
            self.filled += now.len();
            bytes = later;
        }
    }

    fn close(&mut self) {
        self.parts.extend_from_slice(&std::mem::take(&mut self.part).finalize());
        self.filled = 0;
    }

    /// The bytes that it has seen.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The SHA-256 and the MD5 of all in one part, or of the parts' MD5s with their count, as S3 has it.
    pub fn finish(mut self) -> (String, String) {
        let sha256 = hex::encode(std::mem::take(&mut self.sha256).finalize());
        if self.parts.is_empty() {
            return (sha256, hex::encode(self.part.finalize()));
        }
        self.close();
        let count = self.parts.len() / 16;
        (sha256, format!("{}-{count}", hex::encode(Md5::digest(&self.parts))))
    }
}

impl PutStream<'_> {
    /// Whether a content with these is what is there.
    pub fn is_there(&self, sha256: &str, etag: &str) -> bool {
        self.unless_etag == Some(etag) || self.unless_sha256 == Some(sha256)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(content: &[u8], step: usize) -> (String, String) {
        let mut seen = Fingerprint::default();
        content.chunks(step).for_each(|chunk| seen.update(chunk));
        assert_eq!(seen.size(), content.len() as u64);
        seen.finish()
    }

    #[test]
    fn an_entity_tag_is_what_s3_gives_to_the_parts() {
        assert_eq!(of(b"", 1).1, "d41d8cd98f00b204e9800998ecf8427e");
        assert_eq!(of(b"hello", 2), of(b"hello", 5));
        assert_eq!(of(b"hello", 2).1, hex::encode(Md5::digest(b"hello")));
        let full = vec![7; STREAM_PART];
        assert_eq!(of(&full, 100_000).1, hex::encode(Md5::digest(&full)), "one full part is one part");
        let more = vec![7; 2 * STREAM_PART + 1];
        let digests = [&more[..STREAM_PART], &more[STREAM_PART..2 * STREAM_PART], &more[2 * STREAM_PART..]]
            .map(|part| Md5::digest(part).to_vec())
            .concat();
        assert_eq!(of(&more, 1_000_003).1, format!("{}-3", hex::encode(Md5::digest(digests))));
        assert_eq!(of(&more, 1_000_003).0, hex::encode(Sha256::digest(&more)));
    }
}
