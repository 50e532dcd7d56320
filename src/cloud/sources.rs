//! The sources that a function reads: real addresses, or recordings of them.

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;

use super::{
    error::{Error, Result},
    uploads::ByteStream,
};

/// What one answer may hold that is read as a whole, in bytes.
pub const MAX_WHOLE: usize = 32 << 20;

/// A source's answer to one GET.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceResponse {
    /// The HTTP status.
    pub status: u16,
    /// The `Date` header: when the source says that it answered.
    pub date: Option<Timestamp>,
    /// The body.
    pub body: Bytes,
}

/// What a source tells of a document beside its content.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SourceHead {
    /// The address that answered.
    pub url: String,
    /// The HTTP status.
    pub status: u16,
    /// The `Date` header.
    pub date: Option<Timestamp>,
    /// The entity tag, as the source writes it.
    pub etag: Option<String>,
    /// When the document was changed last.
    pub modified: Option<Timestamp>,
    /// Its size in bytes.
    pub size: Option<u64>,
    /// Its media type.
    pub content_type: Option<String>,
}

/// A source's answer whose content comes piece by piece.
pub struct SourceStream {
    /// What it tells beside the content.
    pub head: SourceHead,
    /// The content. Where it breaks off, its last item is an error.
    pub body: ByteStream,
}

impl SourceStream {
    /// An answer that is at hand.
    pub fn of(head: SourceHead, body: Bytes) -> Self {
        Self { head, body: stream::iter([Ok(body)]).boxed() }
    }

    /// The whole answer.
    ///
    /// # Errors
    /// [`Error::Failed`] where it is larger than [`MAX_WHOLE`], or it breaks off.
    pub async fn whole(mut self) -> Result<SourceResponse> {
        let mut body = BytesMut::new();
        while let Some(chunk) = self.body.try_next().await? {
            if body.len() + chunk.len() > MAX_WHOLE {
                let (url, most) = (&self.head.url, MAX_WHOLE >> 20);
                return Err(Error::Failed(format!("GET {url}: the answer is larger than {most} MiB")));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(SourceResponse { status: self.head.status, date: self.head.date, body: body.freeze() })
    }
}

/// The sources that a function reads: real addresses, or recordings of them.
#[async_trait]
pub trait Sources: Send + Sync {
    /// One GET of the source's address with `{name}` replaced by each of `params`.
    ///
    /// # Errors
    /// [`super::error::Error::NotFound`] where a recording has no (further) observation for these parameters.
    async fn get(&self, source: &str, params: &[(&str, &str)], headers: &[(&str, &str)]) -> Result<SourceResponse>;
    /// The same, with a content that is read as it comes.
    ///
    /// # Errors
    /// As [`Sources::get`].
    async fn open(&self, source: &str, params: &[(&str, &str)], headers: &[(&str, &str)]) -> Result<SourceStream>;
    /// What the source tells of a document without its content.
    ///
    /// # Errors
    /// As [`Sources::get`].
    async fn head(&self, source: &str, params: &[(&str, &str)], headers: &[(&str, &str)]) -> Result<SourceHead>;
}
