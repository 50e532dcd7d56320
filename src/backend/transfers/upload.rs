//! A file into a bucket. What this machine remembers of an upload that was cut off is one file of JSON lines: the upload,
//! then each part that has arrived.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, BufRead, BufReader, Write},
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::Arc,
    time::UNIX_EPOCH,
};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use md5::Md5;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{AT_ONCE, Moved, OnMove, PART, on_disk, tried};
use crate::{
    backend::{Backend, Consent, Result, buckets::put_effect},
    cloud::{
        self, Error, Permit,
        buckets::Object,
        uploads::{Multipart, Part},
    },
};

/// The most parts that an upload may have.
const PARTS: u64 = 10_000;
/// Parts are so many whole mebibytes.
const STEP: u64 = 1024 * 1024;

/// An upload.
#[derive(Debug, Clone)]
pub struct Upload<'a> {
    /// The bucket.
    pub bucket: &'a str,
    /// The key.
    pub key: &'a str,
    /// The file.
    pub file: &'a Path,
    /// The media type.
    pub content_type: Option<&'a str>,
    /// Carry on what was cut off; else it is aborted.
    pub resume: bool,
    /// Is told how far it is.
    pub progress: OnMove,
}

/// What is remembered of an upload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Begun {
    bucket: String,
    key: String,
    upload: String,
    file: PathBuf,
    size: u64,
    /// When the file was last changed, in nanoseconds since 1970.
    modified: u128,
    part: u64,
    content_type: Option<String>,
}

impl Backend {
    /// Uploads a file: in one request where it is small or the cloud has no others, else in parts.
    pub async fn upload(&self, upload: &Upload<'_>, consent: &Consent) -> Result<Object> {
        let Upload { bucket, key, content_type, .. } = *upload;
        let file = upload.file.to_owned();
        let (source, size, modified) = on_disk(upload.file, move || {
            let source = File::open(&file)?;
            let about = source.metadata()?;
            if !about.is_file() {
                return Err(io::Error::other("this is no file"));
            }
            Ok((source, about.len(), modified(&about)))
        })
        .await?;
        let buckets = self.cloud.buckets.clone();
        let source = Arc::new(source);
        self.gate
            .perform(&put_effect(bucket, key), consent, |permit| async move {
                let Some(multipart) = buckets.multipart().filter(|_| size > PART) else {
                    let body = read(upload.file, &source, 0, size).await?;
                    let object = buckets.put(&permit, bucket, key, body, content_type).await?;
                    upload.progress.tell(Moved { done: size, total: size, before: 0 });
                    return Ok(object);
                };
                let sending = Sending { multipart, permit: &permit, upload, source, size, modified };
                sending.through(&self.gate.folder().join("uploads")).await
            })
            .await
    }

    /// Forgets a multipart upload that was not completed.
    pub async fn abort_upload(&self, bucket: &str, key: &str, id: &str, consent: &Consent) -> Result<()> {
        let buckets = self.cloud.buckets.clone();
        self.gate
            .perform(&crate::backend::buckets::abort_effect(bucket, key), consent, |permit| async move {
                match buckets.multipart() {
                    Some(multipart) => multipart.abort(&permit, bucket, key, id).await,
                    None => Err(Error::not_found("multipart upload", id)),
                }
            })
            .await
    }
}

/// An upload in parts that is under way.
struct Sending<'a> {
    multipart: &'a dyn Multipart,
    permit: &'a Permit,
    upload: &'a Upload<'a>,
    source: Arc<File>,
    size: u64,
    modified: u128,
}

impl Sending<'_> {
    async fn through(&self, folder: &Path) -> cloud::Result<Object> {
        let Upload { bucket, key, .. } = *self.upload;
        let path = folder.join(memory_name(bucket, key, self.upload.file));
        let wanted = path.clone();
        let memory = Arc::new(on_disk(&path, move || Memory::open(&wanted)).await?);
        let (begun, mut parts) = self.begin(&memory).await?;
        let id = begun.upload.as_str();
        let before: u64 = parts.values().map(|p| p.size).sum();
        let mut done = before;
        let tell = |done| self.upload.progress.tell(Moved { done, total: self.size, before });
        tell(done);
        let missing: Vec<_> = all_parts(self.size, begun.part).filter(|(n, _)| !parts.contains_key(n)).collect();
        let mut sent = stream::iter(missing)
            .map(|(number, range)| async move {
                let body = read(self.upload.file, &self.source, range.start, range.end - range.start).await?;
                tried(|| self.multipart.send(self.permit, bucket, key, id, number, body.clone())).await
            })
            .buffer_unordered(AT_ONCE);
        loop {
            let part = match sent.try_next().await {
                Ok(Some(part)) => part,
                Ok(None) => break,
                Err(error) => {
                    if matches!(error, Error::NotFound { kind: "multipart upload", .. }) {
                        memory.forget();
                    }
                    return Err(error);
                }
            };
            done += part.size;
            memory.note(&part)?;
            parts.insert(part.number, part);
            tell(done);
        }
        drop(sent);
        let source = self.source.clone();
        let now = on_disk(self.upload.file, move || source.metadata()).await?;
        if (now.len(), modified(&now)) != (self.size, self.modified) {
            self.multipart.abort(self.permit, bucket, key, id).await?;
            memory.forget();
            let file = self.upload.file.display();
            return Err(Error::Conflict(format!("{file} was changed while it was read; nothing is put")));
        }
        let parts: Vec<Part> = parts.into_values().collect();
        let object = self.multipart.complete(self.permit, bucket, key, id, &parts).await?;
        memory.forget();
        Ok(object)
    }

    /// The upload that was cut off, with what of it has arrived and is what the file holds; or a new one.
    async fn begin(&self, memory: &Arc<Memory>) -> cloud::Result<(Begun, BTreeMap<u32, Part>)> {
        let Upload { bucket, key, content_type, .. } = *self.upload;
        let mut begun = Begun {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            upload: String::new(),
            file: canonical(self.upload.file),
            size: self.size,
            modified: self.modified,
            part: part_size(self.size),
            content_type: content_type.map(str::to_owned),
        };
        if let Some((known, noted)) = memory.read() {
            begun.upload.clone_from(&known.upload);
            if self.upload.resume && begun == known {
                match self.multipart.parts(bucket, key, &known.upload).await {
                    Ok(arrived) => return Ok((begun, self.verified(arrived, &noted).await?)),
                    Err(Error::NotFound { .. }) => {}
                    Err(error) => return Err(error),
                }
            } else {
                match self.multipart.abort(self.permit, bucket, key, &known.upload).await {
                    Ok(()) | Err(Error::NotFound { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        begun.upload = self.multipart.begin(self.permit, bucket, key, content_type).await?;
        memory.begin(&begun)?;
        Ok((begun, BTreeMap::new()))
    }

    /// Of the parts that have arrived, those that hold what the file does: we noted their tag, or it is the MD5 of what
    /// the file has there.
    async fn verified(&self, arrived: Vec<Part>, noted: &[Part]) -> cloud::Result<BTreeMap<u32, Part>> {
        let wanted: BTreeMap<_, _> = all_parts(self.size, part_size(self.size)).collect();
        let mut good = BTreeMap::new();
        for part in arrived {
            let Some(range) = wanted.get(&part.number).filter(|r| r.end - r.start == part.size) else { continue };
            let known = noted.iter().rev().find(|n| n.number == part.number);
            let same = if let Some(known) = known {
                known.etag == part.etag
            } else {
                let body = read(self.upload.file, &self.source, range.start, part.size).await?;
                hex::encode(Md5::digest(&body)) == part.etag
            };
            if same {
                let crc32 = part.crc32.or_else(|| known.and_then(|k| k.crc32.clone()));
                good.insert(part.number, Part { crc32, ..part });
            }
        }
        Ok(good)
    }
}

/// The size of the parts of a file: so that there are not too many.
fn part_size(size: u64) -> u64 {
    PART.max(size.div_ceil(PARTS).div_ceil(STEP) * STEP)
}

/// The parts of a file, by their numbers.
fn all_parts(size: u64, part: u64) -> impl Iterator<Item = (u32, std::ops::Range<u64>)> {
    let starts = (0..size).step_by(usize::try_from(part).unwrap_or(usize::MAX));
    (1..).zip(starts.map(move |at| at..(at + part).min(size)))
}

async fn read(path: &Path, source: &Arc<File>, at: u64, size: u64) -> cloud::Result<Bytes> {
    let source = source.clone();
    on_disk(path, move || {
        let mut body = vec![0; usize::try_from(size).map_err(io::Error::other)?];
        source.read_exact_at(&mut body, at)?;
        Ok(body.into())
    })
    .await
}

fn modified(about: &fs::Metadata) -> u128 {
    about.modified().ok().and_then(|t| t.duration_since(UNIX_EPOCH).ok()).map_or(0, |d| d.as_nanos())
}

/// The one name of a file that has several.
fn canonical(file: &Path) -> PathBuf {
    fs::canonicalize(file).unwrap_or_else(|_| file.to_owned())
}

/// The name of what is remembered of a file's upload to a key.
fn memory_name(bucket: &str, key: &str, file: &Path) -> String {
    let file = canonical(file);
    let mut hash = Sha256::new();
    for part in [bucket.as_bytes(), key.as_bytes(), file.as_os_str().as_encoded_bytes()] {
        hash.update(part);
        hash.update([0]);
    }
    let mut name = hex::encode(hash.finalize());
    name.truncate(32);
    name + ".jsonl"
}

/// What this machine remembers of an upload.
struct Memory {
    path: PathBuf,
    file: File,
}

impl Memory {
    /// Opens it, for nobody else to go on with at the same time.
    fn open(path: &Path) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let file = OpenOptions::new().create(true).read(true).append(true).mode(0o600).open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), file }),
            Err(TryLockError::WouldBlock) => Err(io::Error::other("another pumphouse is at this upload")),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// The upload and the parts that were noted; none where there is nothing, or nothing that can be read.
    fn read(&self) -> Option<(Begun, Vec<Part>)> {
        let mut lines = BufReader::new(File::open(&self.path).ok()?).lines();
        let begun = serde_json::from_str(&lines.next()?.ok()?).ok()?;
        // The last line may have been cut off.
        let parts = lines.map_while(|line| serde_json::from_str(&line.ok()?).ok());
        Some((begun, parts.collect()))
    }

    fn begin(&self, begun: &Begun) -> cloud::Result<()> {
        self.file.set_len(0).map_err(|e| self.at(&e))?;
        self.line(begun)
    }

    fn note(&self, part: &Part) -> cloud::Result<()> {
        self.line(part)
    }

    fn line(&self, value: &impl Serialize) -> cloud::Result<()> {
        let mut line = serde_json::to_vec(value).map_err(Error::storage)?;
        line.push(b'\n');
        (&self.file).write_all(&line).map_err(|e| self.at(&e))
    }

    fn at(&self, error: &io::Error) -> Error {
        Error::Storage(format!("{}: {error}", self.path.display()))
    }

    fn forget(&self) {
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_never_too_many_parts() {
        assert_eq!(part_size(PART + 1), PART);
        for size in [PART + 1, 80 * 1024 * STEP, 5 * 1024 * 1024 * STEP, 50 * 1024 * 1024 * STEP] {
            let part = part_size(size);
            assert!(size.div_ceil(part) <= PARTS && part.is_multiple_of(STEP), "{size}");
        }
        let parts: Vec<_> = all_parts(2 * PART + 1, PART).collect();
        assert_eq!(parts, [(1, 0..PART), (2, PART..2 * PART), (3, 2 * PART..2 * PART + 1)]);
        assert_eq!(all_parts(0, PART).count(), 0);
    }

    #[test]
    fn what_was_noted_is_read_up_to_a_line_that_was_cut() {
        let dir = tempfile::tempdir().unwrap();
        let memory = Memory::open(&dir.path().join("x/y.jsonl")).unwrap();
        assert_eq!(memory.read(), None);
        let begun = Begun {
            bucket: "b".into(),
            key: "k".into(),
            upload: "u".into(),
            file: "f".into(),
            size: 9,
            modified: 1,
            part: PART,
            content_type: None,
        };
        let part = Part { number: 1, size: 9, etag: "e".into(), crc32: None };
        memory.begin(&begun).unwrap();
        memory.note(&part).unwrap();
        (&memory.file).write_all(b"{\"number\":2,").unwrap();
        assert_eq!(memory.read(), Some((begun, vec![part])));
        assert!(Memory::open(&memory.path).is_err(), "one at a time");
        memory.forget();
        assert_eq!(memory.read(), None);
    }
}
