//! Sources of files: what a deploy uploads, and what a run is fed with instead.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use md5::Md5;
use sha2::{Digest, Sha256};

use super::{Backend, Result};
use crate::{
    cloud::{
        self, Cloud, Error, Permit,
        buckets::ListObjects,
        resources::Graph,
        stacks::{Action, Change, Progress, StackEvent},
    },
    deploy::{self, Upload},
    spec::wildcard,
};

/// What a run is fed with at most, in bytes.
const MOST: u64 = 256 * 1024 * 1024;

/// A file that is to be in a bucket.
#[derive(Debug, Clone)]
pub(super) struct File {
    /// The source that it is of.
    source: String,
    bucket: String,
    key: String,
    content: Bytes,
}

/// What takes the place of a source's files.
#[derive(Debug, Clone)]
pub(super) struct Feed {
    pub(super) source: String,
    bucket: String,
    prefix: String,
    files: Vec<File>,
}

/// What feeding did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Fed {
    pub(super) uploaded: usize,
    pub(super) removed: usize,
}

impl Backend {
    /// What the pipeline uploads; nothing where the pipeline is not here.
    pub(super) fn uploads(&self, pipeline: &str) -> Vec<Upload> {
        let found = self.pipeline(pipeline).ok();
        found.as_ref().and_then(|p| p.env(&self.env)).map(deploy::uploads).unwrap_or_default()
    }

    /// The files of the pipeline's sources that its buckets do not hold as they are.
    pub(super) async fn changed_files(&self, pipeline: &str) -> Result<Vec<(Action, File)>> {
        let uploads = self.uploads(pipeline);
        if uploads.is_empty() {
            return Ok(Vec::new());
        }
        let deployed = self.status(pipeline).await?.and_then(|stack| stack.graph);
        let there = deployed.is_some();
        let graph = match deployed {
            Some(graph) => graph,
            None => self.graph(pipeline)?,
        };
        let mut changed = Vec::new();
        for file in uploads.iter().flat_map(|upload| files(upload, &graph)) {
            let action = if there { difference(&self.cloud, &file).await? } else { Some(Action::Add) };
            changed.extend(action.map(|action| (action, file)));
        }
        Ok(changed)
    }

    /// Uploads what is changed, once the stack is as it should be.
    pub(super) async fn upload_changed(&self, permit: &Permit, pipeline: &str, progress: &Progress) -> Result<()> {
        let changed = self.changed_files(pipeline).await?;
        let total = u32::try_from(changed.len()).unwrap_or(u32::MAX);
        for (done, (action, file)) in (1_u32..).zip(changed) {
            let put = put(&self.cloud, permit, &file).await;
            let verb = if action == Action::Add { "CREATE" } else { "UPDATE" };
            // Nobody may be listening any more.
            let _ = progress.send(StackEvent {
                time: self.cloud.clock.now(),
                stack: self.stack_name(pipeline),
                logical_id: format!("s3://{}/{}", file.bucket, file.key),
                kind: "file".into(),
                status: format!("{verb}_{}", if put.is_ok() { "COMPLETE" } else { "FAILED" }),
                reason: put.as_ref().err().map(ToString::to_string),
                done,
                total,
            });
            put?;
        }
        Ok(())
    }
}

/// The changes that uploading files would be.
pub(super) fn changes(files: &[(Action, File)]) -> impl Iterator<Item = Change> + '_ {
    files.iter().map(|(action, file)| Change {
        physical_name: format!("s3://{}/{}", file.bucket, file.key),
        ..Change::new(*action, "file", format!("source.{}", file.source))
    })
}

/// Whether a change is the upload of a file.
pub(super) fn is_file(change: &Change) -> bool {
    change.kind == "file" && change.logical_id.is_empty()
}

fn files(upload: &Upload, graph: &Graph) -> Vec<File> {
    let Some(bucket) = graph.by_name(&upload.bucket).map(|r| r.physical_name.clone()) else { return Vec::new() };
    let file = |(path, content): (&String, &Bytes)| File {
        source: upload.source.clone(),
        bucket: bucket.clone(),
        key: format!("{}{path}", upload.prefix),
        content: content.clone(),
    };
    upload.files.iter().map(file).collect()
}

/// What it takes for the bucket to hold the file as it is: nothing, where it does.
async fn difference(cloud: &Cloud, file: &File) -> cloud::Result<Option<Action>> {
    let object = match cloud.buckets.head(&file.bucket, &file.key, None).await {
        Ok(object) => object,
        // The bucket itself may not be there yet.
        Err(Error::NotFound { .. }) => return Ok(Some(Action::Add)),
        Err(e) => return Err(e),
    };
    if object.size != file.content.len() as u64 {
        return Ok(Some(Action::Change));
    }
    if object.etag == hex::encode(Md5::digest(&file.content)) {
        return Ok(None);
    }
    // An encrypted object's tag says nothing of its content.
    let there = cloud.buckets.get(&file.bucket, &file.key, object.version.as_deref(), None).await?;
    Ok((there.body != file.content).then_some(Action::Change))
}

async fn put(cloud: &Cloud, permit: &Permit, file: &File) -> cloud::Result<()> {
    let kind = content_type(&file.key);
    cloud.buckets.put(permit, &file.bucket, &file.key, file.content.clone(), Some(kind)).await.map(drop)
}

fn content_type(key: &str) -> &'static str {
    match key.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "csv" => "text/csv",
        "txt" | "tsv" | "md" => "text/plain",
        "json" => "application/json",
        "parquet" => "application/vnd.apache.parquet",
        _ => "application/octet-stream",
    }
}

/// What a run is fed with: the files at a path, in place of the source's own; and a text that tells them from others.
pub(super) fn feed(upload: &Upload, graph: &Graph, path: &Path) -> cloud::Result<(Feed, String)> {
    let bucket = graph
        .by_name(&upload.bucket)
        .map(|r| r.physical_name.clone())
        .ok_or_else(|| Error::not_found("bucket", &upload.bucket))?;
    let mut contents = BTreeMap::new();
    read(path, &upload.pattern, &mut contents)?;
    let mut hash = Sha256::new();
    for (name, content) in &contents {
        hash.update((name.len() as u64).to_le_bytes());
        hash.update(name);
        hash.update((content.len() as u64).to_le_bytes());
        hash.update(content);
    }
    let words = format!("{}=sha256:{}", upload.source, hex::encode(hash.finalize()));
    let file = |(name, content): (String, Bytes)| File {
        source: upload.source.clone(),
        bucket: bucket.clone(),
        key: format!("{}{name}", upload.prefix),
        content,
    };
    let files = contents.into_iter().map(file).collect();
    Ok((Feed { source: upload.source.clone(), bucket: bucket.clone(), prefix: upload.prefix.clone(), files }, words))
}

/// A file, or those in a folder whose names are like the source's own; hidden ones are left out.
fn read(path: &Path, pattern: &str, into: &mut BTreeMap<String, Bytes>) -> cloud::Result<()> {
    let unreadable = |path: &Path, e: std::io::Error| Error::Invalid(format!("{}: {e}", path.display()));
    let paths: Vec<PathBuf> = if path.is_dir() {
        let entries = fs::read_dir(path).map_err(|e| unreadable(path, e))?;
        let alike = |p: &Path| p.file_name().and_then(|n| n.to_str()).is_some_and(|n| wildcard(pattern, n));
        entries.flatten().map(|entry| entry.path()).filter(|p| p.is_file() && alike(p)).collect()
    } else {
        vec![path.to_owned()]
    };
    let mut left = MOST;
    for file in paths {
        let Some(name) = file.file_name().and_then(|n| n.to_str()).filter(|n| !n.starts_with('.')) else { continue };
        let size = fs::metadata(&file).map_err(|e| unreadable(&file, e))?.len();
        left = left.checked_sub(size).ok_or_else(|| {
            let most = MOST / 1024 / 1024;
            Error::Invalid(format!(
                "{}: a run takes {most} MiB of files: upload them with `buckets put`",
                path.display()
            ))
        })?;
        let content = fs::read(&file).map_err(|e| unreadable(&file, e))?;
        into.insert(name.to_owned(), content.into());
    }
    if into.is_empty() {
        return Err(Error::Invalid(format!("{}: no file in it is called {pattern}", path.display())));
    }
    Ok(())
}

impl Feed {
    /// Makes what stands below the source's prefix these files: puts what is changed, and deletes what is no part of them.
    pub(super) async fn sync(&self, cloud: &Cloud, permit: &Permit) -> cloud::Result<Fed> {
        let mut fed = Fed::default();
        for file in &self.files {
            if difference(cloud, file).await?.is_some() {
                put(cloud, permit, file).await?;
                fed.uploaded += 1;
            }
        }
        let mut list = ListObjects { prefix: self.prefix.clone(), limit: 1_000, ..ListObjects::default() };
        loop {
            let page = cloud.buckets.objects(&self.bucket, &list).await?;
            for object in page.objects.iter().filter(|o| self.files.iter().all(|f| f.key != o.key)) {
                cloud.buckets.delete(permit, &self.bucket, &object.key, None).await?;
                fed.removed += 1;
            }
            if page.next.is_none() && page.token.is_none() {
                return Ok(fed);
            }
            (list.after, list.token) = (page.next, page.token);
        }
    }
}
