//! What S3 does with a bucket's new versions by itself: copies of them in another bucket, and an access log.
//!
//! Each goes through the versions in the order in which they came, from a position that is moved in the transaction that
//! makes the objects: a copy is there once, and a line is in one log, whatever process dies when.

use std::{fmt::Write, fs};

use jiff::tz::TimeZone;
use rusqlite::{OptionalExtension, Transaction, params};

use super::{
    Local,
    buckets::{NewObject, etag, insert_object},
    clock::timestamp,
    lookup,
    store::{at, sql},
};
use crate::cloud::{
    Error, Result,
    resources::{self, Properties},
};

/// Versions that are copied, or lines that are written, in one transaction.
const BATCH: usize = 200;
const LINES: usize = 10_000;

/// What begins with the versions that come from now on, as on AWS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Task {
    Replication,
    AccessLog,
}

impl Task {
    fn word(self) -> &'static str {
        match self {
            Self::Replication => "replication",
            Self::AccessLog => "access_log",
        }
    }

    fn to(self, bucket: &resources::Bucket) -> Option<&str> {
        match self {
            Self::Replication => bucket.replication.as_ref().map(|r| r.to.as_str()),
            Self::AccessLog => bucket.access_log.as_deref(),
        }
    }

    /// The row of `deliveries` that holds how far it is.
    fn row(self, bucket: &str) -> String {
        format!("{}:{bucket}", self.word())
    }
}

/// Notes where the copies and the log of a bucket begin, where these are new.
pub(crate) fn begin(
    t: &Transaction<'_>,
    name: &str,
    before: Option<&resources::Bucket>,
    after: &resources::Bucket,
) -> Result<()> {
    for task in [Task::Replication, Task::AccessLog] {
        let (old, new) = (before.and_then(|b| task.to(b)), task.to(after));
        if old == new {
            continue;
        }
        let statement = if new.is_some() {
            "insert or replace into deliveries (name, position) select ?1, coalesce(max(seq), 0) from objects"
        } else {
            "delete from deliveries where name = ?1"
        };
        t.execute(statement, [task.row(name)]).map_err(sql)?;
    }
    Ok(())
}

/// A version that was made, or a mark that something was deleted.
struct Version {
    seq: i64,
    key: String,
    id: String,
    blob: Option<String>,
    size: u64,
    etag: String,
    modified: i64,
    content_type: Option<String>,
}

impl Local {
    /// Copies what is new in buckets that are copied.
    pub(crate) fn replicate(&self) -> Result<()> {
        self.each(Task::Replication, |from, to| {
            while self.copy_some(from, to)? {}
            Ok(())
        })
    }

    /// Writes down what was changed in buckets with an access log since the last time.
    pub(crate) fn log_access(&self) -> Result<()> {
        self.each(Task::AccessLog, |from, to| {
            while self.log_some(from, to)? {}
            Ok(())
        })
    }

    fn each(&self, task: Task, work: impl Fn(&str, &str) -> Result<()>) -> Result<()> {
        for bucket in self.inner.store.read_now(|c| lookup::all(c, "bucket"))? {
            let Properties::Bucket(settings) = &bucket.resource.properties else { continue };
            if let Some(to) = task.to(settings) {
                work(&bucket.resource.physical_name, to)?;
            }
        }
        Ok(())
    }

    /// Where a task stands, and the versions that come then; nothing where there is none.
    fn next(&self, task: Task, bucket: &str, limit: usize) -> Result<Option<(i64, Vec<Version>)>> {
        self.inner.store.read_now(|c| {
            let position: Option<i64> = c
                .prepare_cached("select position from deliveries where name = ?1")
                .and_then(|mut s| s.query_row([task.row(bucket)], |r| r.get(0)).optional())
                .map_err(sql)?;
            let position = position.unwrap_or(0);
            let versions: Vec<Version> = c
                .prepare_cached(
                    "select seq, key, version, blob, size, etag, modified, content_type from objects \
                     where bucket = ?1 and seq > ?2 order by seq limit ?3",
                )
                .and_then(|mut s| {
                    s.query_map(params![bucket, position, limit], |r| {
                        Ok(Version {
                            seq: r.get(0)?,
                            key: r.get(1)?,
                            id: r.get(2)?,
                            blob: r.get(3)?,
                            size: r.get(4)?,
                            etag: r.get(5)?,
                            modified: r.get(6)?,
                            content_type: r.get(7)?,
                        })
                    })?
                    .collect()
                })
                .map_err(sql)?;
            Ok((!versions.is_empty()).then_some((position, versions)))
        })
    }

    fn copy_some(&self, from: &str, to: &str) -> Result<bool> {
        let Some((position, versions)) = self.next(Task::Replication, from, BATCH)? else { return Ok(false) };
        let store = &self.inner.store;
        let mut copies = Vec::new();
        // What is deleted stays in the other bucket.
        for version in &versions {
            let Some(blob) = &version.blob else { continue };
            let copy = uuid::Uuid::new_v4().simple().to_string();
            let (source, target) = (store.blob_path(blob), store.blob_path(&copy));
            if let Some(folder) = target.parent() {
                fs::create_dir_all(folder).map_err(|e| at(folder, e))?;
            }
            // One content with two names: each goes with its own row.
            match fs::hard_link(&source, &target).or_else(|_| fs::copy(&source, &target).map(drop)) {
                Ok(()) => copies.push((version, copy)),
                // Overwritten and swept up meanwhile.
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
                Err(e) => return Err(at(&source, e)),
            }
        }
        let last = versions.last().map_or(position, |v| v.seq);
        store.write_now(|t| {
            if !moved(t, Task::Replication, from, position, last)? {
                return Ok(());
            }
            let now_ms = self.inner.clock.now_ms();
            copies.iter().try_for_each(|(version, blob)| {
                let object = NewObject {
                    bucket: to,
                    key: &version.key,
                    blob,
                    size: version.size,
                    etag: &version.etag,
                    content_type: version.content_type.as_deref(),
                };
                insert_object(t, now_ms, object).map(drop)
            })
        })?;
        Ok(true)
    }

    fn log_some(&self, from: &str, to: &str) -> Result<bool> {
        let Some((position, versions)) = self.next(Task::AccessLog, from, LINES)? else { return Ok(false) };
        let mut text = String::new();
        for version in &versions {
            let time = timestamp(version.modified).to_zoned(TimeZone::UTC).strftime("%d/%b/%Y:%H:%M:%S +0000");
            let (operation, verb, status) =
                if version.blob.is_some() { ("PUT", "PUT", 200) } else { ("DELETE", "DELETE", 204) };
            let key = version.key.replace(['\n', '\r', '"', ' '], "+");
            // S3's own order; what nobody knows here is `-`.
            writeln!(
                text,
                "- {from} [{time}] - - - REST.{operation}.OBJECT {key} \"{verb} /{key} HTTP/1.1\" {status} - - {} - - \
                 \"-\" \"-\" {}",
                version.size, version.id
            )
            .map_err(Error::storage)?;
        }
        let now_ms = self.inner.clock.now_ms();
        let name = timestamp(now_ms).to_zoned(TimeZone::UTC).strftime("%Y-%m-%d-%H-%M-%S").to_string();
        let last = versions.last().map_or(position, |v| v.seq);
        let key = format!("{from}/{name}-{last:016X}");
        let store = &self.inner.store;
        let blob = store.write_blob(text.as_bytes())?;
        let etag = etag(text.as_bytes());
        store.write_now(|t| {
            if !moved(t, Task::AccessLog, from, position, last)? {
                return Ok(());
            }
            let size = text.len() as u64;
            let content_type = Some("text/plain");
            insert_object(t, now_ms, NewObject { bucket: to, key: &key, blob: &blob, size, etag: &etag, content_type })
                .map(drop)
        })?;
        Ok(true)
    }
}

/// Moves the position, unless somebody else has done so.
fn moved(t: &Transaction<'_>, task: Task, bucket: &str, from: i64, to: i64) -> Result<bool> {
    let changed = t
        .execute(
            "insert into deliveries (name, position) values (?1, ?3) on conflict (name) \
             do update set position = excluded.position where position = ?2",
            params![task.row(bucket), from, to],
        )
        .map_err(sql)?;
    Ok(changed == 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cloud::{
            buckets::{Buckets, ListObjects},
            resources::{Bucket, Replication},
        },
        local::testing::{self, permit},
    };

    fn cloud() -> (tempfile::TempDir, Local) {
        let (dir, local) = testing::local();
        let lake = Bucket {
            versioning: true,
            access_log: Some("logs".into()),
            replication: Some(Replication { to: "copy".into(), role: "role".into() }),
            expire_versions_days: Some(1),
            ..Bucket::default()
        };
        let lake = testing::resource("lake", Properties::Bucket(lake));
        testing::deploy(&local, &[lake, testing::bucket("logs", false), testing::bucket("copy", true)]);
        (dir, local)
    }

    async fn listed(local: &Local, bucket: &str, versions: bool) -> Vec<(String, String)> {
        let request = ListObjects { versions, ..ListObjects::default() };
        let page = local.objects(bucket, &request).await.unwrap();
        page.objects.into_iter().map(|o| (o.key, o.etag)).collect()
    }

    #[tokio::test]
    async fn each_version_is_copied_once_and_what_is_deleted_stays_there() {
        let (_dir, local) = cloud();
        for content in ["one", "two"] {
            local.put(&permit(), "lake", "a", content.into(), Some("text/plain")).await.unwrap();
        }
        local.put(&permit(), "lake", "b/c", "three".into(), None).await.unwrap();
        Buckets::delete(&local, &permit(), "lake", "b/c", None).await.unwrap();
        local.replicate().unwrap();
        local.replicate().unwrap();
        let copied = listed(&local, "copy", true).await;
        assert_eq!(copied.iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>(), ["a", "a", "b/c"]);
        let found = Buckets::get(&local, "copy", "a", None, None).await.unwrap();
        assert_eq!((found.body.as_ref(), found.object.content_type.as_deref()), (&b"two"[..], Some("text/plain")));
        assert_eq!(Buckets::get(&local, "copy", "b/c", None, None).await.unwrap().body, "three");
        // The copy's content is its own.
        Buckets::delete(&local, &permit(), "copy", "a", found.object.version.as_deref()).await.unwrap();
        local.inner.store.collect_garbage(std::time::Duration::ZERO).unwrap();
        assert_eq!(Buckets::get(&local, "lake", "a", None, None).await.unwrap().body, "two");
    }

    #[tokio::test]
    async fn changes_are_in_the_log_once() {
        let (_dir, local) = cloud();
        local.put(&permit(), "lake", "a b", "one".into(), None).await.unwrap();
        Buckets::delete(&local, &permit(), "lake", "a b", None).await.unwrap();
        local.log_access().unwrap();
        local.log_access().unwrap();
        let logs = listed(&local, "logs", false).await;
        assert_eq!(logs.len(), 1);
        assert!(logs[0].0.starts_with("lake/20"), "{logs:?}");
        let text = Buckets::get(&local, "logs", &logs[0].0, None, None).await.unwrap().body;
        let text = String::from_utf8(text.to_vec()).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 2);
        assert!(lines[0].starts_with("- lake [") && lines[0].contains("REST.PUT.OBJECT a+b "), "{text}");
        assert!(lines[1].contains("REST.DELETE.OBJECT a+b ") && lines[1].contains(" 204 "), "{text}");
    }

    #[tokio::test]
    async fn an_old_version_goes_when_it_has_been_old_for_long_enough() {
        let (_dir, local) = cloud();
        for content in ["one", "two", "three"] {
            local.put(&permit(), "lake", "a", content.into(), None).await.unwrap();
        }
        let day = 86_400_000_i64;
        // The second took the first's place two days ago, the third the second's just now.
        let age = |t: &Transaction<'_>| {
            t.execute(
                "update objects set modified = modified - ?1 where seq < (select max(seq) from objects)",
                [2 * day],
            )
            .map_err(sql)
        };
        local.inner.store.write_now(age).unwrap();
        local.expire_versions().unwrap();
        assert_eq!(listed(&local, "lake", true).await.len(), 2);
        assert_eq!(Buckets::get(&local, "lake", "a", None, None).await.unwrap().body, "three");
    }
}
