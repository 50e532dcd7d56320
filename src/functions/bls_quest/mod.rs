//! bls-quest: a bucket in step with a published directory, a population document, and reports of both.
//!
//! What is kept is written only where it differs from what is there, so that an invocation which is tried again, or told
//! twice, makes no new versions and starts nothing a second time.

mod decimal;
mod index;
mod listing;
mod population;
mod report;
mod rows;
mod sync;

use bytes::Bytes;
use futures::StreamExt;

pub use population::fetch_population;
pub use report::report;
pub use sync::sync;

use crate::cloud::{Error, Result, functions::Context, uploads::PutStream};

/// The object in which the population document is kept.
const POPULATION: &str = "population.json";
/// What is read at once of a large object.
const PIECE: u64 = 4 << 20;

/// An object's whole content, for one that is small; none where it is not there.
async fn small(ctx: &Context, bucket: &str, key: &str) -> Result<Option<Bytes>> {
    match ctx.cloud.buckets.get(bucket, key, None, None).await {
        Ok(content) => Ok(Some(content.body)),
        Err(Error::NotFound { kind, .. }) if kind != "bucket" => Ok(None),
        Err(error) => Err(error),
    }
}

/// Puts an object where it is not there, or holds something else; whether it did.
async fn put_if_changed(ctx: &Context, bucket: &str, key: &str, content: Vec<u8>, kind: &str) -> Result<bool> {
    if small(ctx, bucket, key).await?.is_some_and(|there| there == content) {
        return Ok(false);
    }
    ctx.cloud.buckets.put(&ctx.permit, bucket, key, content.into(), Some(kind)).await?;
    Ok(true)
}

/// How a file of the source is put: nothing where its content is there already.
fn unless<'a>(etag: Option<&'a str>, sha256: Option<&'a str>, content_type: Option<&'a str>) -> PutStream<'a> {
    PutStream { content_type, unless_etag: etag, unless_sha256: sha256 }
}

/// The lines of an object, read piece by piece; each is given without its line end, with its number.
async fn lines(
    ctx: &Context,
    bucket: &str,
    key: &str,
    mut with: impl FnMut(u64, &[u8]) -> Result<()> + Send,
) -> Result<()> {
    let object = ctx.cloud.buckets.head(bucket, key, None).await?;
    let starts: Vec<u64> = (0..object.size.div_ceil(PIECE)).map(|n| n * PIECE).collect();
    let mut pieces = futures::stream::iter(starts.into_iter().map(|start| {
        let object = &object;
        async move {
            let bytes = start..(start + PIECE).min(object.size);
            let range = crate::cloud::buckets::ReadRange { version: None, etag: &object.etag, bytes };
            ctx.cloud.buckets.get_unchanged(bucket, key, &range).await
        }
    }))
    .buffered(1);
    let (mut number, mut begun) = (0, Vec::new());
    while let Some(piece) = pieces.next().await {
        let piece = piece?;
        let mut rest = &piece[..];
        while let Some(end) = memchr::memchr(b'\n', rest) {
            let (line, after) = rest.split_at(end);
            number += 1;
            if begun.is_empty() {
                with(number, line.strip_suffix(b"\r").unwrap_or(line))?;
            } else {
                begun.extend_from_slice(line);
                with(number, begun.strip_suffix(b"\r").unwrap_or(&begun))?;
                begun.clear();
            }
            rest = after.get(1..).unwrap_or_default();
        }
        begun.extend_from_slice(rest);
    }
    if !begun.is_empty() {
        with(number + 1, begun.strip_suffix(b"\r").unwrap_or(&begun))?;
    }
    Ok(())
}
