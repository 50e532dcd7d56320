//! What becomes of the work of processes that died.

use std::{
    collections::{BTreeSet, HashSet},
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, Transaction, params};
use serde_json::Value;

use super::{Local, assets::assets, crawlers, jobs, lookup, process, store::sql};
use crate::cloud::Result;

/// The status of an operation or a run whose process died.
pub(crate) const INTERRUPTED: &str = "INTERRUPTED";

/// Why a run or a query failed whose process died.
const DIED: &str = "the process that ran it ended (killed or crashed) before the run did";

/// A file that no row names counts as left behind by a dead process when it is so old.
const ORPHANED: Duration = Duration::from_hours(1);

/// Per table, which rows are at work.
const AT_WORK: [&str; 6] = [
    // One that is starting and names none waits to be taken up.
    "select process from job_runs where state in ('RUNNING', 'STOPPING') or (state = 'STARTING' and process is not null)",
    "select process from crawls where state = 'RUNNING'",
    "select process from pending where process is not null",
    "select process from queries where state = 'RUNNING'",
    "select process from operations where ended is null",
    "select process from runs where status = 'RUNNING'",
];

/// What becomes of those of dead processes: `?1` is a JSON list of the living, `?2` the time, `?3` the reason.
const END: [&str; 2] = [
    "update queries set state = 'FAILED', error = ?3, elapsed_ms = coalesce(elapsed_ms, max(?2 - started, 0)), \
     process = null where state = 'RUNNING' and ",
    "update operations set status = 'INTERRUPTED', ended = ?2, reason = ?3, process = null where ended is null and ",
];
const RELEASE: [&str; 2] = [
    "update pending set process = null where process is not null and ",
    "update runs set status = 'INTERRUPTED', process = null where status = 'RUNNING' and ",
];

const DEAD: &str = "(process is null or process not in (select value from json_each(?1)))";

/// The processes that rows name as being at work; `None` for a row at work that names none.
fn at_work(connection: &Connection) -> Result<BTreeSet<Option<String>>> {
    let query = AT_WORK.join(" union ");
    connection.prepare_cached(&query).and_then(|mut s| s.query_map([], |r| r.get(0))?.collect()).map_err(sql)
}

impl Local {
    /// Ends what dead processes were at work on: runs and queries have failed, invocations wait again, operations are
    /// interrupted. Writes nothing where there is nothing.
    pub(crate) fn recover(&self) -> Result<()> {
        let store = &self.inner.store;
        let dead = |id: &Option<String>| id.as_ref().is_none_or(|id| !process::alive(store.dir(), id));
        if store.read_now(at_work)?.iter().any(dead) {
            let now_ms = self.inner.clock.now_ms();
            store.write_now(|t| {
                // Those that began since the first look are alive, too.
                let living: Vec<_> = at_work(t)?.into_iter().filter(|id| !dead(id)).flatten().collect();
                recover(t, &Value::from(living).to_string(), now_ms)
            })?;
        }
        process::sweep(store.dir());
        Ok(())
    }

    /// Removes files that no row names: what a process wrote that died before its rows, code that no stack has any more.
    pub(crate) fn sweep_files(&self) -> Result<usize> {
        let store = &self.inner.store;
        let mut removed = 0;
        let folders = fs::read_dir(store.dir().join("objects")).into_iter().flatten().flatten();
        let blobs: Vec<_> = folders.flat_map(|folder| old_files(&folder.path())).collect();
        if !blobs.is_empty()
            && let Some(known) = store.read_now(blobs_of_rows)?
        {
            removed += remove_unknown(blobs, &known);
        }
        let assets = old_files(&store.dir().join("assets"));
        if !assets.is_empty() {
            removed += remove_unknown(assets, &store.read_now(assets_of_rows)?);
        }
        Ok(removed)
    }
}

/// The files of a folder that are old enough to be orphans, by name.
fn old_files(folder: &Path) -> Vec<(String, PathBuf)> {
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    files
        .filter(|file| {
            let modified = file.metadata().and_then(|m| m.modified());
            modified.is_ok_and(|m| m.elapsed().is_ok_and(|age| age > ORPHANED))
        })
        .filter_map(|file| Some((file.file_name().into_string().ok()?, file.path())))
        .collect()
}

fn remove_unknown(files: Vec<(String, PathBuf)>, known: &HashSet<String>) -> usize {
    files.into_iter().filter(|(name, path)| !known.contains(name) && fs::remove_file(path).is_ok()).count()
}

/// All blobs that rows name; none while a job is at work: it may have written its files a while ago, and name them at
/// its end.
fn blobs_of_rows(connection: &Connection) -> Result<Option<HashSet<String>>> {
    let job: bool = connection
        .query_row(
            "select exists (select 1 from job_runs where state in ('STARTING', 'RUNNING', 'STOPPING'))",
            [],
            |r| r.get(0),
        )
        .map_err(sql)?;
    if job {
        return Ok(None);
    }
    connection
        .prepare("select blob from objects where blob is not null union all select blob from garbage")
        .and_then(|mut s| s.query_map([], |r| r.get(0))?.collect())
        .map(Some)
        .map_err(sql)
}

fn assets_of_rows(connection: &Connection) -> Result<HashSet<String>> {
    let functions = lookup::all(connection, "function")?;
    let known = functions.iter().flat_map(|f| assets(&f.resource)).map(|(_, sha256, _)| sha256.to_owned());
    Ok(known.collect())
}

fn recover(t: &Transaction<'_>, living: &str, now_ms: i64) -> Result<()> {
    let mut changed = 0;
    for statement in END {
        changed += t.execute(&format!("{statement}{DEAD}"), params![living, now_ms, DIED]).map_err(sql)?;
    }
    for statement in RELEASE {
        changed += t.execute(&format!("{statement}{DEAD}"), [living]).map_err(sql)?;
    }
    changed += bury(t, living, now_ms)?;
    tracing::info!(rows = changed, "ended what processes were at work on that died");
    Ok(())
}

/// Ends the runs of jobs and the crawls, and tells who wants to know of it.
fn bury(t: &Transaction<'_>, living: &str, now_ms: i64) -> Result<usize> {
    let dead = |query: &str| -> Result<Vec<(String, String)>> {
        t.prepare_cached(&format!("{query} and {DEAD}"))
            .and_then(|mut s| s.query_map([living], |r| Ok((r.get(0)?, r.get(1)?)))?.collect())
            .map_err(sql)
    };
    let runs = dead(
        "select id, job from job_runs where (state in ('RUNNING', 'STOPPING') or \
                     (state = 'STARTING' and process is not null))",
    )?;
    for (id, job) in &runs {
        jobs::bury(t, now_ms, job, id, DIED)?;
    }
    let crawls = dead("select id, crawler from crawls where state = 'RUNNING'")?;
    for (id, crawler) in &crawls {
        crawlers::bury(t, now_ms, crawler, id, DIED)?;
    }
    Ok(runs.len() + crawls.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::local::{process::Process, testing};

    fn text(local: &Local, query: &str) -> Option<String> {
        local.inner.store.read_now(|c| c.query_row(query, [], |r| r.get(0)).map_err(sql)).unwrap()
    }

    #[test]
    fn the_work_of_the_dead_ends_and_that_of_the_living_goes_on() {
        let (dir, local) = testing::local();
        let living = Process::register(dir.path()).unwrap();
        let insert = |process: &str| {
            local
                .inner
                .store
                .write_now(|t| {
                    t.execute_batch(&format!(
                        "insert into job_runs (id, job, state, trigger, started, log_stream, process)
                             values ('j{process}', 'j', 'RUNNING', 't', 1, 'l', '{process}');
                         insert into pending (function, event, request_id, not_before, created, process)
                             values ('f', '{{}}', 'p{process}', 1, 1, '{process}');
                         insert into queries (id, sql, state, started, process)
                             values ('q{process}', 'select 1', 'RUNNING', 1, '{process}');
                         insert into operations (id, stack, kind, who, started, status, changes, process)
                             values ('o{process}', 's', 'create', 'w', 1, 'CREATE_IN_PROGRESS', 0, '{process}');
                         insert into runs (id, stack, scope, inputs, status, started, stages, process)
                             values ('r{process}', 's', '', '', 'RUNNING', 1, '[]', '{process}');"
                    ))
                    .map_err(sql)
                })
                .unwrap();
        };
        insert("dead");
        insert(living.id());
        let again = testing::open(dir.path());
        let id = living.id();
        for (table, state, dead, alive) in [
            ("job_runs", "state", "FAILED", "RUNNING"),
            ("queries", "state", "FAILED", "RUNNING"),
            ("operations", "status", "INTERRUPTED", "CREATE_IN_PROGRESS"),
            ("runs", "status", "INTERRUPTED", "RUNNING"),
        ] {
            let state_of = |which: &str| text(&again, &format!("select {state} from {table} where id like '_{which}'"));
            assert_eq!(state_of("dead").as_deref(), Some(dead), "{table}");
            assert_eq!(state_of(id).as_deref(), Some(alive), "{table}");
        }
        assert_eq!(text(&again, "select error from job_runs where id = 'jdead'").as_deref(), Some(DIED));
        assert_eq!(text(&again, "select process from pending where request_id = 'pdead'"), None);
        assert_eq!(
            text(&again, &format!("select process from pending where request_id = 'p{id}'")).as_deref(),
            Some(id)
        );
    }

    #[test]
    fn files_that_nobody_named_go_after_a_while() {
        let (_dir, local) = testing::local();
        let store = &local.inner.store;
        let age = |blob: &str| {
            let file = fs::File::options().write(true).open(store.blob_path(blob)).unwrap();
            file.set_modified(std::time::SystemTime::now() - 2 * ORPHANED).unwrap();
        };
        store.write_asset("code", b"x").unwrap();
        fs::File::options()
            .append(true)
            .open(store.asset_path("code"))
            .and_then(|f| f.set_modified(std::time::UNIX_EPOCH))
            .unwrap();
        let (young, old, named) =
            (store.write_blob(b"1").unwrap(), store.write_blob(b"2").unwrap(), store.write_blob(b"3").unwrap());
        age(&old);
        age(&named);
        store.write_now(|t| t.execute("insert into garbage values (?1, 0)", [&named]).map_err(sql)).unwrap();
        assert_eq!(local.sweep_files().unwrap(), 2);
        assert!(!store.asset_path("code").is_file());
        assert!(store.blob_path(&young).is_file() && store.blob_path(&named).is_file());
        assert!(!store.blob_path(&old).is_file());
        assert_eq!(store.collect_garbage(ORPHANED).unwrap(), 1);
        assert!(!store.blob_path(&named).is_file());
        assert_eq!(store.collect_garbage(ORPHANED).unwrap(), 0);
    }
}
