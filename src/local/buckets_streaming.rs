//! Putting what comes as a stream: it goes to the object's file piece by piece.

use std::{
    fs::{self, File},
    io::Write,
};

use futures::TryStreamExt;
use md5::{Digest, Md5};
use sha2::Sha256;
use tokio::sync::mpsc;

use super::{
    Local,
    buckets::{NewObject, insert_object},
    listing, lookup,
    store::{Store, at, sql},
};
use crate::cloud::{
    Error, Result,
    uploads::{ByteStream, PutStream, Streamed},
};

/// Pieces that wait for the disk.
const WAITING: usize = 4;

/// A file that goes again unless a row has come to name it.
struct Unnamed<'a> {
    store: &'a Store,
    blob: String,
    named: bool,
}

impl Drop for Unnamed<'_> {
    fn drop(&mut self) {
        if !self.named {
            // What cannot be removed now is swept up later.
            let _ = fs::remove_file(self.store.blob_path(&self.blob));
        }
    }
}

impl Local {
    pub(super) async fn put_as_it_comes(
        &self,
        bucket: &str,
        key: &str,
        mut body: ByteStream,
        how: &PutStream<'_>,
    ) -> Result<Streamed> {
        let (pieces, mut waiting) = mpsc::channel::<Result<bytes::Bytes>>(WAITING);
        let local = self.clone();
        let (bucket, key) = (bucket.to_owned(), key.to_owned());
        let content_type = how.content_type.map(str::to_owned);
        let unless = (how.unless_etag.map(str::to_owned), how.unless_sha256.map(str::to_owned));
        let writing = tokio::task::spawn_blocking(move || {
            let store = &local.inner.store;
            store.read_now(|c| lookup::must_exist(c, "bucket", &bucket))?;
            let (mut file, blob) = store.new_blob()?;
            let mut unnamed = Unnamed { store, blob, named: false };
            // In one part, whatever its size: the entity tag is the content's MD5.
            let (mut md5, mut sha256, mut size) = (Md5::new(), Sha256::new(), 0_u64);
            let mut whole = false;
            while let Some(piece) = waiting.blocking_recv() {
                let piece = piece?;
                // An empty piece is the end; a channel that closes without it belongs to a caller that is gone.
                if piece.is_empty() {
                    whole = true;
                    break;
                }
                md5.update(&piece);
                sha256.update(&piece);
                size += piece.len() as u64;
                file.write_all(&piece).map_err(|e| at(&store.blob_path(&unnamed.blob), e))?;
            }
            drop::<File>(file);
            if !whole {
                return Err(Error::Failed(format!("s3://{bucket}/{key}: the upload was given up")));
            }
            let (etag, sha256) = (hex::encode(md5.finalize()), hex::encode(sha256.finalize()));
            let how = PutStream {
                content_type: content_type.as_deref(),
                unless_etag: unless.0.as_deref(),
                unless_sha256: unless.1.as_deref(),
            };
            if how.is_there(&sha256, &etag) {
                return Ok(Streamed { object: None, size, sha256 });
            }
            let object = store.write_now(|t| {
                let now_ms = local.inner.clock.now_ms();
                let object = NewObject {
                    bucket: &bucket,
                    key: &key,
                    blob: &unnamed.blob,
                    size,
                    etag: &etag,
                    content_type: how.content_type,
                };
                let seq = insert_object(t, now_ms, object)?;
                t.query_row(&format!("select {} from objects where seq = ?1", listing::COLUMNS), [seq], listing::object)
                    .map_err(sql)
            })?;
            unnamed.named = true;
            Ok(Streamed { object: Some(object), size, sha256 })
        });
        loop {
            let next = body.try_next().await;
            let (piece, last) = match next {
                Ok(Some(piece)) if piece.is_empty() => continue,
                Ok(Some(piece)) => (Ok(piece), false),
                Ok(None) => (Ok(bytes::Bytes::new()), true),
                Err(error) => (Err(error), true),
            };
            // Where nobody listens any more, the writer has failed and says why.
            if pieces.send(piece).await.is_err() || last {
                break;
            }
        }
        drop(pieces);
        super::store::join(writing.await)
    }
}
