//! Putting what comes as a stream: at most one part of it is in memory.

use bytes::{Bytes, BytesMut};
use futures::TryStreamExt;

use crate::{
    aws::Aws,
    cloud::{
        Error, Permit, Result,
        buckets::Object,
        uploads::{ByteStream, Fingerprint, Multipart, Part, PutStream, STREAM_PART, Streamed},
    },
};

/// Parts that S3 takes of one object.
const MAX_PARTS: usize = 10_000;

impl Aws {
    /// Puts a stream: what fits into one part in one request, more in parts. Nothing of it stays where it fails, or where
    /// its content is there already.
    pub(super) async fn put_as_it_comes(
        &self,
        permit: &Permit,
        (bucket, key): (&str, &str),
        mut body: ByteStream,
        how: &PutStream<'_>,
    ) -> Result<Streamed> {
        let mut seen = Fingerprint::default();
        let (first, more) = part(&mut body, BytesMut::new(), &mut seen).await?;
        let Some(mut rest) = more else {
            let size = seen.size();
            let (sha256, etag) = seen.finish();
            let object = if how.is_there(&sha256, &etag) {
                None
            } else {
                Some(self.put_object(permit, bucket, key, first, how.content_type).await?)
            };
            return Ok(Streamed { object, size, sha256 });
        };
        let id = self.begin(permit, bucket, key, how.content_type).await?;
        let upload = async {
            let mut parts = vec![self.send(permit, bucket, key, &id, 1, first).await?];
            loop {
                let (next, more) = part(&mut body, rest, &mut seen).await?;
                let number = parts.len() + 1;
                if number > MAX_PARTS {
                    let most = (STREAM_PART * MAX_PARTS) >> 30;
                    return Err(Error::invalid(format!("s3://{bucket}/{key}: a stream has at most {most} GiB")));
                }
                let number = u32::try_from(number).unwrap_or(u32::MAX);
                parts.push(self.send(permit, bucket, key, &id, number, next).await?);
                match more {
                    Some(more) => rest = more,
                    None => break,
                }
            }
            let size = seen.size();
            let (sha256, etag) = seen.finish();
            if how.is_there(&sha256, &etag) {
                return Ok(Streamed { object: None, size, sha256 });
            }
            let object = self.complete_stream(permit, (bucket, key), &id, &parts, how).await?;
            Ok(Streamed { object: Some(object), size, sha256 })
        };
        let done = upload.await;
        if !matches!(&done, Ok(Streamed { object: Some(_), .. }))
            && let Err(why) = self.abort_multipart(bucket, key, &id).await
        {
            tracing::warn!(%why, bucket, key, id, "an incomplete upload stays");
        }
        done
    }

    async fn complete_stream(
        &self,
        permit: &Permit,
        (bucket, key): (&str, &str),
        id: &str,
        parts: &[Part],
        how: &PutStream<'_>,
    ) -> Result<Object> {
        let object = self.complete(permit, bucket, key, id, parts).await?;
        Ok(Object { content_type: how.content_type.map(str::to_owned), ..object })
    }
}

/// The next part of a stream, and what came after it; nothing where the stream has ended with it.
async fn part(
    body: &mut ByteStream,
    mut filled: BytesMut,
    seen: &mut Fingerprint,
) -> Result<(Bytes, Option<BytesMut>)> {
    while filled.len() <= STREAM_PART {
        let Some(chunk) = body.try_next().await? else { return Ok((filled.freeze(), None)) };
        seen.update(&chunk);
        filled.extend_from_slice(&chunk);
    }
    let rest = filled.split_off(STREAM_PART);
    Ok((filled.freeze(), Some(rest)))
}
