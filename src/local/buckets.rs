//! Buckets: objects as files, their keys and versions as rows.
//!
//! A file counts for nothing until a row names it, and `insert_object` is the one place that makes such a row, so
//! whoever creates an object sets off what the bucket does when one is created.

use std::{
    fs::File,
    io::{ErrorKind, Read, Seek, SeekFrom},
    ops::Range,
};

use async_trait::async_trait;
use bytes::Bytes;
use md5::{Digest, Md5};
use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::{
    Local,
    clock::timestamp,
    listing,
    lookup::{self, Deployed},
    queues,
    store::{Store, at, sql},
};
use crate::cloud::{
    Error, Pages, Permit, Result,
    buckets::{Bucket, BucketDetail, Buckets, Content, ListObjects, Object, ObjectPage, Setting},
    events::{ObjectCreated, object_created},
    resources::{self, Notification, NotificationTarget, Properties},
    uploads::{ByteStream, PutStream, Streamed},
};

/// The version of an object in a bucket that keeps none, in S3's word.
pub(crate) const NO_VERSION: &str = "null";

/// The limit of a key, in bytes.
const MAX_KEY: usize = 1_024;
/// The limit of an object put in one part, in bytes.
const MAX_OBJECT: usize = 5 * 1_024 * 1_024 * 1_024;

/// An object whose content lies in a file already.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NewObject<'a> {
    /// The bucket.
    pub(crate) bucket: &'a str,
    /// The key.
    pub(crate) key: &'a str,
    /// The file, as [`Store::write_blob`] named it.
    pub(crate) blob: &'a str,
    /// Its size in bytes.
    pub(crate) size: u64,
    /// The MD5 of its content, see [`etag`].
    pub(crate) etag: &'a str,
    /// The media type.
    pub(crate) content_type: Option<&'a str>,
}

/// The entity tag of a content.
pub(crate) fn etag(content: &[u8]) -> String {
    hex::encode(Md5::digest(content))
}

/// Creates an object in the transaction `t`, with all that goes with it: what was there becomes an old version, or
/// goes; functions, topics and queues that the bucket tells of it have that waiting when the transaction is committed.
/// Returns its sequence number, greater than any before.
///
/// # Errors
/// [`Error::NotFound`] without the bucket, [`Error::Invalid`] for a key that S3 would not take.
pub(crate) fn insert_object(t: &Transaction<'_>, now_ms: i64, object: NewObject<'_>) -> Result<i64> {
    check_key(object.key)?;
    let bucket = settings(t, object.bucket)?;
    let version = if bucket.versioning { new_version() } else { NO_VERSION.to_owned() };
    make_room(t, object.bucket, object.key, bucket.versioning)?;
    t.prepare_cached(
        "insert into objects (bucket, key, version, blob, size, etag, modified, content_type, latest) \
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 1)",
    )
    .map_err(sql)?
    .execute(params![
        object.bucket,
        object.key,
        version,
        object.blob,
        object.size,
        object.etag,
        now_ms,
        object.content_type
    ])
    .map_err(sql)?;
    let seq = t.last_insert_rowid();
    let told: Vec<_> = bucket
        .on_created
        .iter()
        .filter(|n| object.key.starts_with(&n.prefix) && object.key.ends_with(&n.suffix))
        .collect();
    if told.is_empty() {
        return Ok(seq);
    }
    let event = object_created(ObjectCreated {
        bucket: object.bucket,
        key: object.key,
        size: object.size,
        etag: object.etag,
        version: bucket.versioning.then_some(version.as_str()),
        sequence: seq,
        time_ms: now_ms,
    })
    .to_string();
    for (n, notification) in told.into_iter().enumerate() {
        let subject = Some("Amazon S3 Notification");
        tell(t, now_ms, &notification.target, subject, &event, &format!("s3-{seq}-{n}"))?;
    }
    Ok(seq)
}

/// Tells somebody of an event: an invocation waits, or a topic has a message.
pub(crate) fn tell(
    t: &Transaction<'_>,
    now_ms: i64,
    target: &NotificationTarget,
    subject: Option<&str>,
    event: &str,
    id: &str,
) -> Result<()> {
    match target {
        NotificationTarget::Function(function) => t
            .prepare_cached(
                "insert into pending (function, event, request_id, not_before, created) values (?1, ?2, ?3, ?4, ?4)",
            )
            .map_err(sql)?
            .execute(params![function, event, id, now_ms])
            .map_err(sql)?,
        NotificationTarget::Queue(queue) => {
            queues::insert(t, now_ms, queue, event, Some(id))?;
            0
        }
        NotificationTarget::Topic(topic) => t
            .prepare_cached(
                "insert into messages (topic, time, subject, message, attributes, token) \
                 values (?1, ?2, ?5, ?3, '{}', ?4)",
            )
            .map_err(sql)?
            .execute(params![topic, now_ms, event, id, subject])
            .map_err(sql)?,
    };
    Ok(())
}

/// Takes the place of what is current at a key: with versions it stays as an old one; without, S3's "null" version
/// goes, and versions from before they were suspended stay.
fn make_room(t: &Transaction<'_>, bucket: &str, key: &str, versioning: bool) -> Result<()> {
    if !versioning {
        let old: Option<(i64, Option<String>)> = t
            .prepare_cached("select seq, blob from objects where bucket = ?1 and key = ?2 and version = 'null'")
            .map_err(sql)?
            .query_row([bucket, key], |r| Ok((r.get(0)?, r.get(1)?)))
            .optional()
            .map_err(sql)?;
        if let Some((seq, blob)) = old {
            remove_row(t, seq, blob.as_deref())?;
        }
    }
    t.prepare_cached("update objects set latest = 0 where bucket = ?1 and key = ?2 and latest = 1")
        .map_err(sql)?
        .execute([bucket, key])
        .map_err(sql)?;
    Ok(())
}

/// Removes one version; its file goes some time after the commit, see [`Store::collect_garbage`].
pub(crate) fn remove_row(t: &Transaction<'_>, seq: i64, blob: Option<&str>) -> Result<()> {
    t.prepare_cached("delete from objects where seq = ?1").map_err(sql)?.execute([seq]).map_err(sql)?;
    if let Some(blob) = blob {
        t.prepare_cached("insert or ignore into garbage values (?1, ?2)")
            .map_err(sql)?
            .execute(params![blob, jiff::Timestamp::now().as_millisecond()])
            .map_err(sql)?;
    }
    Ok(())
}

/// Deletes as S3 does: with versions the key gets a delete marker, unless a version is named; then, that one goes, and
/// the one before it is current again. Deleting what is not there is no error.
pub(crate) fn delete_object(
    t: &Transaction<'_>,
    now_ms: i64,
    bucket: &str,
    key: &str,
    version: Option<&str>,
) -> Result<()> {
    check_key(key)?;
    let versioning = settings(t, bucket)?.versioning;
    if let Some(version) = version {
        let found: Option<(i64, Option<String>, bool)> = t
            .prepare_cached("select seq, blob, latest from objects where bucket = ?1 and key = ?2 and version = ?3")
            .map_err(sql)?
            .query_row([bucket, key, version], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)))
            .optional()
            .map_err(sql)?;
        let Some((seq, blob, latest)) = found else { return Ok(()) };
        remove_row(t, seq, blob.as_deref())?;
        if latest {
            t.prepare_cached(
                "update objects set latest = 1 \
                 where seq = (select max(seq) from objects where bucket = ?1 and key = ?2)",
            )
            .map_err(sql)?
            .execute([bucket, key])
            .map_err(sql)?;
        }
        return Ok(());
    }
    make_room(t, bucket, key, versioning)?;
    let old: bool = t
        .prepare_cached("select exists (select 1 from objects where bucket = ?1 and key = ?2)")
        .map_err(sql)?
        .query_row([bucket, key], |r| r.get(0))
        .map_err(sql)?;
    if versioning || old {
        let version = if versioning { new_version() } else { NO_VERSION.to_owned() };
        t.prepare_cached(
            "insert into objects (bucket, key, version, size, etag, modified, latest, delete_marker) \
             values (?1, ?2, ?3, 0, '', ?4, 1, 1)",
        )
        .map_err(sql)?
        .execute(params![bucket, key, version, now_ms])
        .map_err(sql)?;
    }
    Ok(())
}

fn check_key(key: &str) -> Result<()> {
    match key.len() {
        1..=MAX_KEY => Ok(()),
        0 => Err(Error::invalid("a key has 1 to 1,024 bytes, and this one is empty")),
        n => Err(Error::invalid(format!("a key has 1 to 1,024 bytes, and this one has {n}"))),
    }
}

fn new_version() -> String {
    uuid::Uuid::now_v7().simple().to_string()
}

/// The bucket as it is deployed.
fn settings(connection: &Connection, bucket: &str) -> Result<resources::Bucket> {
    bucket_of(lookup::one(connection, "bucket", bucket)?)
}

fn bucket_of(deployed: Deployed) -> Result<resources::Bucket> {
    match deployed.resource.properties {
        Properties::Bucket(bucket) => Ok(bucket),
        other => Err(Error::storage(format!("{} is stored as a {}", deployed.resource.physical_name, other.kind()))),
    }
}

fn summary(connection: &Connection, deployed: &Deployed) -> Result<Bucket> {
    let name = deployed.resource.physical_name.clone();
    let usage: Option<(u64, u64)> = connection
        .prepare_cached("select objects, bytes from bucket_usage where bucket = ?1")
        .map_err(sql)?
        .query_row([&name], |r| Ok((r.get(0)?, r.get(1)?)))
        .optional()
        .map_err(sql)?;
    let (objects, bytes) = usage.unwrap_or_default();
    Ok(Bucket {
        name,
        pipeline: deployed.pipeline.clone(),
        created: Some(timestamp(deployed.created)),
        region: None,
        objects: Some(objects),
        bytes: Some(bytes),
    })
}

fn lifecycle(bucket: &resources::Bucket) -> Vec<String> {
    let moves = bucket.transition.as_ref().map(|t| format!("objects move to {} after {} days", t.class, t.days));
    let versions = bucket.expire_versions_days.map(|d| format!("versions that are not current go after {d} days"));
    let expire = bucket.expire_days.map(|d| format!("all objects expire after {d} days"));
    [expire, versions, moves].into_iter().flatten().collect()
}

fn cors_in_words(rule: &resources::CorsRule) -> String {
    format!("{} from {}", rule.methods.join(", "), rule.origins.join(", "))
}

fn in_words(rule: &Notification) -> String {
    let (kind, name) = match &rule.target {
        NotificationTarget::Function(name) => ("function", name),
        NotificationTarget::Topic(name) => ("topic", name),
        NotificationTarget::Queue(name) => ("queue", name),
    };
    format!("{}*{} -> {kind} {name}", rule.prefix, rule.suffix)
}

/// The object and its file.
fn find(connection: &Connection, bucket: &str, key: &str, version: Option<&str>) -> Result<(Object, Option<String>)> {
    lookup::must_exist(connection, "bucket", bucket)?;
    let which = if version.is_some() { "version = ?3" } else { "latest = 1 and ?3 is null" };
    let found = connection
        .prepare_cached(&format!(
            "select {}, blob from objects where bucket = ?1 and key = ?2 and {which}",
            listing::COLUMNS
        ))
        .map_err(sql)?
        .query_row(params![bucket, key, version], |r| Ok((listing::object(r)?, r.get(8)?)))
        .optional()
        .map_err(sql)?;
    match found {
        Some((object, blob)) if !object.delete_marker => Ok((object, blob)),
        _ => Err(match version {
            Some(version) => Error::not_found("object version", format!("s3://{bucket}/{key} {version}")),
            None => Error::not_found("object", format!("s3://{bucket}/{key}")),
        }),
    }
}

/// Reads a range of an object's file; none where the file is gone, as the object may be by now.
fn read_file(store: &Store, blob: &str, range: Option<Range<u64>>, size: u64) -> Result<Option<Bytes>> {
    let path = store.blob_path(blob);
    let mut file = match File::open(&path) {
        Ok(file) => file,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(at(&path, e)),
    };
    let range = range.unwrap_or(0..size);
    let start = range.start.min(size);
    let wanted = range.end.min(size).saturating_sub(start);
    if start > 0 {
        file.seek(SeekFrom::Start(start)).map_err(|e| at(&path, e))?;
    }
    let mut body = Vec::with_capacity(wanted as usize);
    file.take(wanted).read_to_end(&mut body).map_err(|e| at(&path, e))?;
    Ok(Some(body.into()))
}

impl Local {
    fn content(&self, bucket: &str, key: &str, version: Option<&str>, range: Option<Range<u64>>) -> Result<Content> {
        let store = &self.inner.store;
        // Overwritten between the two looks, the file may be gone: then there is a newer row.
        for _ in 0..3 {
            let (object, blob) = store.read_now(|c| find(c, bucket, key, version))?;
            let Some(blob) = blob else { break };
            if let Some(body) = read_file(store, &blob, range.clone(), object.size)? {
                return Ok(Content { object, body });
            }
        }
        Err(Error::storage(format!("s3://{bucket}/{key}: its file is missing below {}", store.dir().display())))
    }

    fn put_object(&self, bucket: &str, key: &str, body: &[u8], content_type: Option<&str>) -> Result<Object> {
        check_key(key)?;
        if body.len() > MAX_OBJECT {
            return Err(Error::invalid(format!("s3://{bucket}/{key}: an object put at once has at most 5 GiB")));
        }
        let store = &self.inner.store;
        // Before the file is written: nothing is to be left where the bucket does not exist.
        store.read_now(|c| lookup::must_exist(c, "bucket", bucket))?;
        let blob = store.write_blob(body)?;
        let etag = etag(body);
        store.write_now(|t| {
            let now_ms = self.inner.clock.now_ms();
            let object = NewObject { bucket, key, blob: &blob, size: body.len() as u64, etag: &etag, content_type };
            let seq = insert_object(t, now_ms, object)?;
            t.query_row(&format!("select {} from objects where seq = ?1", listing::COLUMNS), [seq], listing::object)
                .map_err(sql)
        })
    }
}

#[async_trait]
impl Buckets for Local {
    fn list(&self) -> Pages<'_, Bucket> {
        Pages::once(async move {
            self.inner.store.read(|c| lookup::all(c, "bucket")?.iter().map(|d| summary(c, d)).collect()).await
        })
    }

    async fn detail(&self, bucket: &str) -> Result<BucketDetail> {
        let name = bucket.to_owned();
        self.inner
            .store
            .read(move |c| {
                let deployed = lookup::one(c, "bucket", &name)?;
                let bucket = summary(c, &deployed)?;
                let settings = bucket_of(deployed)?;
                let notifications: Vec<String> = settings.on_created.iter().map(in_words).collect();
                let versioning = if settings.versioning { "on" } else { "off" };
                Ok(BucketDetail {
                    bucket,
                    versioning: Some(settings.versioning),
                    expire_days: settings.expire_days,
                    settings: vec![
                        Setting::new("versioning", vec![versioning.into()]),
                        Setting::new("lifecycle", lifecycle(&settings)),
                        Setting::new(
                            "encryption",
                            settings.encryption.iter().map(|key| format!("key {key}")).collect(),
                        ),
                        Setting::new("CORS", settings.cors.iter().map(cors_in_words).collect()),
                        Setting::new(
                            "access log",
                            settings.access_log.iter().map(|to| format!("bucket {to}")).collect(),
                        ),
                        Setting::new(
                            "replication",
                            settings
                                .replication
                                .iter()
                                .map(|r| format!("each new version to bucket {}", r.to))
                                .collect(),
                        ),
                        Setting::new("notifications", notifications.clone()),
                    ],
                    notifications,
                })
            })
            .await
    }

    async fn objects(&self, bucket: &str, request: &ListObjects) -> Result<ObjectPage> {
        let (bucket, request) = (bucket.to_owned(), request.clone());
        self.inner
            .store
            .read(move |c| {
                lookup::must_exist(c, "bucket", &bucket)?;
                listing::page(c, &bucket, &request)
            })
            .await
    }

    async fn head(&self, bucket: &str, key: &str, version: Option<&str>) -> Result<Object> {
        let (bucket, key, version) = (bucket.to_owned(), key.to_owned(), version.map(str::to_owned));
        self.inner.store.read(move |c| Ok(find(c, &bucket, &key, version.as_deref())?.0)).await
    }

    async fn get(&self, bucket: &str, key: &str, version: Option<&str>, range: Option<Range<u64>>) -> Result<Content> {
        let local = self.clone();
        let (bucket, key, version) = (bucket.to_owned(), key.to_owned(), version.map(str::to_owned));
        self.blocking(move || local.content(&bucket, &key, version.as_deref(), range)).await
    }

    async fn put(
        &self,
        permit: &Permit,
        bucket: &str,
        key: &str,
        body: Bytes,
        content_type: Option<&str>,
    ) -> Result<Object> {
        permit.check_object("s3:PutObject", bucket, key)?;
        let local = self.clone();
        let (bucket, key, content_type) = (bucket.to_owned(), key.to_owned(), content_type.map(str::to_owned));
        self.blocking(move || local.put_object(&bucket, &key, &body, content_type.as_deref())).await
    }

    async fn put_stream(
        &self,
        permit: &Permit,
        bucket: &str,
        key: &str,
        body: ByteStream,
        how: &PutStream<'_>,
    ) -> Result<Streamed> {
        permit.check_object("s3:PutObject", bucket, key)?;
        check_key(key)?;
        self.put_as_it_comes(bucket, key, body, how).await
    }

    async fn delete(&self, permit: &Permit, bucket: &str, key: &str, version: Option<&str>) -> Result<()> {
        permit.check_object("s3:DeleteObject", bucket, key)?;
        let clock = self.inner.clock.clone();
        let (bucket, key, version) = (bucket.to_owned(), key.to_owned(), version.map(str::to_owned));
        self.inner.store.write(move |t| delete_object(t, clock.now_ms(), &bucket, &key, version.as_deref())).await
    }
}

#[cfg(test)]
#[path = "buckets_tests.rs"]
mod tests;
