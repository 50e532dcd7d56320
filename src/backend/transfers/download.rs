//! From a bucket into a file. What has come stands in `FILE.ID.part`, in order, so that its length says how far it is; the
//! id stands for the object as it is, so that nothing else is ever carried on with. The last step is a rename.

use std::{
    ffi::OsStr,
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use futures::{StreamExt, TryStreamExt, stream};
use sha2::{Digest, Sha256};

use super::{AT_ONCE, Moved, OnMove, PART, on_disk, tried};
use crate::{
    backend::{Backend, Result},
    cloud::{
        Error,
        buckets::{Object, ReadRange},
    },
};

/// Digits of the id in the name of what is not whole yet.
const ID: usize = 12;

/// A download.
#[derive(Debug, Clone)]
pub struct Download<'a> {
    /// The bucket.
    pub bucket: &'a str,
    /// The key.
    pub key: &'a str,
    /// The version; none: the current one.
    pub version: Option<&'a str>,
    /// The file.
    pub file: &'a Path,
    /// Carry on what was cut off.
    pub resume: bool,
    /// Is told how far it is.
    pub progress: OnMove,
}

impl Backend {
    /// Downloads an object into a file, which is there when it is whole.
    pub async fn download(&self, download: &Download<'_>) -> Result<Object> {
        let Download { bucket, key, version, file, .. } = *download;
        let object = self.cloud.buckets.head(bucket, key, version).await?;
        let part = PathBuf::from(part_name(file, &id(bucket, &object)));
        let (path, wanted, resume) = (part.clone(), file.to_owned(), download.resume);
        let size = object.size;
        let (sink, before) = on_disk(&part, move || {
            forget_others(&wanted, &path);
            open(&path, size, resume)
        })
        .await?;
        let sink = Arc::new(sink);
        let mut done = before;
        let tell = |done| download.progress.tell(Moved { done, total: size, before });
        tell(done);
        let starts = (before..size).step_by(usize::try_from(PART).unwrap_or(usize::MAX));
        let mut chunks = stream::iter(starts.collect::<Vec<_>>())
            .map(|at| {
                let bytes = at..(at + PART).min(size);
                let range = ReadRange { version, etag: &object.etag, bytes };
                async move { tried(|| self.chunk(bucket, key, &range)).await }
            })
            .buffered(AT_ONCE);
        loop {
            match chunks.try_next().await {
                Ok(Some(body)) => {
                    done += body.len() as u64;
                    let sink = sink.clone();
                    on_disk(&part, move || (&*sink).write_all(&body)).await?;
                    tell(done);
                }
                Ok(None) => break,
                Err(error @ Error::Conflict(_)) => {
                    // What has come is the beginning of something that is gone.
                    let _ = fs::remove_file(&part);
                    return Err(error.into());
                }
                Err(error) => return Err(error.into()),
            }
        }
        drop(chunks);
        let (from, to) = (part.clone(), file.to_owned());
        on_disk(file, move || {
            sink.sync_data()?;
            fs::rename(&from, &to)
        })
        .await?;
        Ok(object)
    }

    async fn chunk(&self, bucket: &str, key: &str, range: &ReadRange<'_>) -> crate::cloud::Result<bytes::Bytes> {
        let body = self.cloud.buckets.get_unchanged(bucket, key, range).await?;
        if body.len() as u64 == range.bytes.end - range.bytes.start {
            return Ok(body);
        }
        Err(Error::Unavailable(format!("s3://{bucket}/{key}: {} bytes of {:?} came", body.len(), range.bytes)))
    }

    /// Reads an object in order and gives its bytes to `sink`, without ever holding more than a few parts of it.
    ///
    /// # Errors
    /// What the cloud says, or `sink`.
    pub async fn stream<E: From<crate::backend::Error>>(
        &self,
        (bucket, key, version): (&str, &str, Option<&str>),
        mut sink: impl FnMut(&[u8]) -> std::result::Result<(), E>,
    ) -> std::result::Result<Object, E> {
        let cloud = |e: Error| E::from(crate::backend::Error::from(e));
        let object = self.cloud.buckets.head(bucket, key, version).await.map_err(cloud)?;
        let size = object.size;
        let starts = (0..size).step_by(usize::try_from(PART).unwrap_or(usize::MAX));
        let mut chunks = stream::iter(starts.collect::<Vec<_>>())
            .map(|at| {
                let range = ReadRange { version, etag: &object.etag, bytes: at..(at + PART).min(size) };
                async move { tried(|| self.chunk(bucket, key, &range)).await }
            })
            .buffered(AT_ONCE);
        while let Some(body) = chunks.try_next().await.map_err(cloud)? {
            sink(&body)?;
        }
        drop(chunks);
        Ok(object)
    }
}

/// What an object is known by as long as it stays the same.
fn id(bucket: &str, object: &Object) -> String {
    let version = object.version.as_deref().unwrap_or_default();
    let mut hash = Sha256::new();
    for part in [bucket, &object.key, version, &object.etag, &object.size.to_string()] {
        hash.update(part);
        hash.update([0]);
    }
    let mut id = hex::encode(hash.finalize());
    id.truncate(ID);
    id
}

fn part_name(file: &Path, id: &str) -> std::ffi::OsString {
    let mut name = file.as_os_str().to_owned();
    name.push(format!(".{id}.part"));
    name
}

/// Opens what has come so far, for nobody else to go on with at the same time; how much that is.
fn open(path: &Path, size: u64, resume: bool) -> io::Result<(File, u64)> {
    let file = OpenOptions::new().create(true).append(true).open(path)?;
    lock(&file)?;
    let mut length = file.metadata()?.len();
    if !resume || length > size {
        file.set_len(0)?;
        length = 0;
    }
    Ok((file, length))
}

fn lock(file: &File) -> io::Result<()> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(io::Error::other("another pumphouse is at this download")),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Removes what was left of downloads to the same file of what the object was before.
fn forget_others(file: &Path, ours: &Path) {
    let folder = file.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let (Some(name), Ok(found)) = (file.file_name(), fs::read_dir(folder)) else { return };
    for entry in found.flatten() {
        let path = folder.join(entry.file_name());
        if path.file_name() == ours.file_name() || !is_part_of(&entry.file_name(), name) {
            continue;
        }
        if File::open(&path).is_ok_and(|f| lock(&f).is_ok()) {
            let _ = fs::remove_file(&path);
        }
    }
}

/// Whether `name` is what [`part_name`] makes of `file`.
fn is_part_of(name: &OsStr, file: &OsStr) -> bool {
    let Some(rest) = name.as_encoded_bytes().strip_prefix(file.as_encoded_bytes()) else { return false };
    let Some(id) = rest.strip_prefix(b".").and_then(|r| r.strip_suffix(b".part")) else { return false };
    id.len() == ID && id.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_leftovers_are_taken_for_such() {
        let is = |name: &str| is_part_of(OsStr::new(name), OsStr::new("a.csv"));
        assert!(is("a.csv.0123456789ab.part"));
        for other in ["a.csv", "a.csv.part", "a.csv.0123456789aX.part", "b.csv.0123456789ab.part", "a.csv.0123.part"] {
            assert!(!is(other), "{other}");
        }
    }
}
