//! What becomes of the work of processes that died.

use std::{
    collections::{BTreeSet, HashSet},
    fs,
    time::{Duration, SystemTime},
};

use rusqlite::{Connection, Transaction, params};
use serde_json::Value;

use super::{Local, process, store::sql};
use crate::cloud::Result;

/// The status of an operation or a run whose process died.
pub(crate) const INTERRUPTED: &str = "INTERRUPTED";

/// Why a run or a query failed whose process died.
const DIED: &str = "the process that ran it ended (killed or crashed) before the run did";

/// A file that no row names counts as left behind by a dead process when it is so old.
const ORPHANED: Duration = Duration::from_hours(1);

/// Per table, which rows are at work.
const AT_WORK: [&str; 5] = [
    "select process from job_runs where state in ('STARTING', 'RUNNING', 'STOPPING')",
    "select process from pending where process is not null",
    "select process from queries where state = 'RUNNING'",
    "select process from operations where ended is null",
    "select process from runs where status = 'RUNNING'",
];

/// What becomes of those of dead processes: `?1` is a JSON list of the living, `?2` the time, `?3` the reason.
const END: [&str; 3] = [
    "update job_runs set state = 'FAILED', error = ?3, ended = ?2, process = null \
     where state in ('STARTING', 'RUNNING', 'STOPPING') and ",
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

    /// Removes files that a process wrote and died before a row named them.
    pub(crate) fn sweep_files(&self) -> Result<usize> {
        let store = &self.inner.store;
        let folder = store.dir().join("objects");
        let mut old = Vec::new();
        for folder in fs::read_dir(&folder).into_iter().flatten().flatten() {
            for file in fs::read_dir(folder.path()).into_iter().flatten().flatten() {
                let modified = file.metadata().and_then(|m| m.modified()).unwrap_or_else(|_| SystemTime::now());
                if modified.elapsed().is_ok_and(|age| age > ORPHANED) {
                    old.extend(file.file_name().into_string().map(|name| (name, file.path())));
                }
            }
        }
        if old.is_empty() {
            return Ok(0);
        }
        let known: Option<HashSet<String>> = store.read_now(|c| {
            // A long job may have written its files a while ago, and name them at its end.
            let job: bool = c
                .query_row(
                    "select exists (select 1 from job_runs where state in ('STARTING', 'RUNNING', 'STOPPING'))",
                    [],
                    |r| r.get(0),
                )
                .map_err(sql)?;
            if job {
                return Ok(None);
            }
            let names = c
                .prepare("select blob from objects where blob is not null union all select blob from garbage")
                .and_then(|mut s| s.query_map([], |r| r.get(0))?.collect())
                .map_err(sql)?;
            Ok(Some(names))
        })?;
        let Some(known) = known else { return Ok(0) };
        let removed = old.iter().filter(|(name, path)| !known.contains(name) && fs::remove_file(path).is_ok()).count();
        Ok(removed)
    }
}

fn recover(t: &Transaction<'_>, living: &str, now_ms: i64) -> Result<()> {
    let mut changed = 0;
    for statement in END {
        changed += t.execute(&format!("{statement}{DEAD}"), params![living, now_ms, DIED]).map_err(sql)?;
    }
    for statement in RELEASE {
        changed += t.execute(&format!("{statement}{DEAD}"), [living]).map_err(sql)?;
    }
    tracing::info!(rows = changed, "ended what processes were at work on that died");
    Ok(())
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
            file.set_modified(SystemTime::now() - 2 * ORPHANED).unwrap();
        };
        let (young, old, named) =
            (store.write_blob(b"1").unwrap(), store.write_blob(b"2").unwrap(), store.write_blob(b"3").unwrap());
        age(&old);
        age(&named);
        store.write_now(|t| t.execute("insert into garbage values (?1, 0)", [&named]).map_err(sql)).unwrap();
        assert_eq!(local.sweep_files().unwrap(), 1);
        assert!(store.blob_path(&young).is_file() && store.blob_path(&named).is_file());
        assert!(!store.blob_path(&old).is_file());
        assert_eq!(store.collect_garbage(ORPHANED).unwrap(), 1);
        assert!(!store.blob_path(&named).is_file());
        assert_eq!(store.collect_garbage(ORPHANED).unwrap(), 0);
    }
}
