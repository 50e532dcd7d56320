//! The one transaction that makes a run's work so.

use std::{collections::BTreeSet, fmt::Write};

use rusqlite::{OptionalExtension, Transaction, params};

use super::{
    input::{Snapshot, bookmark},
    items,
    place::Placed,
    run::{Done, Made, Run},
    write::Output,
};
use crate::{
    cloud::{Error, Result, jobs::JobRunState},
    local::{logs, state_changes, store::sql},
};

impl Run {
    /// Makes it all so: the objects, their partitions, the bookmark, the run's success.
    pub(super) fn commit(
        &self,
        t: &Transaction<'_>,
        now: i64,
        snapshot: &Snapshot,
        made: &Made,
        done: Done,
    ) -> Result<()> {
        let state: Option<(String, bool)> = t
            .query_row("select state, stop_requested from job_runs where id = ?1", [&self.id], |r| {
                Ok((r.get(0)?, r.get(1)?))
            })
            .optional()
            .map_err(sql)?;
        match state {
            Some((state, false)) if state == JobRunState::Running.word() => {}
            Some((_, true)) => return Err(Error::Conflict("stopped on request".into())),
            _ => return Err(Error::Conflict("another process has ended this run".into())),
        }
        if bookmark(t, self)? != snapshot.from {
            return Err(Error::Conflict(
                "the bookmark was moved or reset while the run was at work: nothing was written, start it again".into(),
            ));
        }
        let job = &self.resource;
        if !snapshot.files.is_empty() {
            // Who reads everything writes everything.
            let everything = snapshot.from.is_none();
            let line = match &job.key_table {
                Some(table) => {
                    let put = items::put(t, table, &made.items, job.replace)?;
                    let mut line = format!(
                        "Read {} rows, put {} items into {table}: {} of them new or changed",
                        done.rows_in,
                        made.items.len(),
                        put.changed
                    );
                    if put.removed > 0 {
                        let _ = write!(line, ", {} others removed", put.removed);
                    }
                    line
                }
                None => self.place_outputs(t, now, made, everything, done)?,
            };
            if let Some((bucket, prefix)) = &job.rejects {
                let place = (bucket.as_str(), prefix.as_str(), "application/jsonl");
                self.place(t, now, place, &made.rejects, everything)?;
            }
            if job.bookmark {
                t.execute(
                    "insert into bookmarks (job, position, run, updated) values (?1, ?2, ?3, ?4) on conflict (job) \
                     do update set position = excluded.position, run = excluded.run, updated = excluded.updated",
                    params![self.job, snapshot.to, self.id, now],
                )
                .map_err(sql)?;
            }
            logs::append(t, &job.log_group, &self.id, &[(now, &line)])?;
            if let Some(rejects) = made.rejects.first() {
                let bucket = job.rejects.as_ref().map_or("", |(bucket, _)| bucket);
                let line = format!("Set {} bad rows aside in s3://{bucket}/{}", made.rejected, rejects.key);
                logs::append(t, &job.log_group, &self.id, &[(now, &line)])?;
            }
        }
        t.execute(
            "update job_runs set state = 'SUCCEEDED', ended = ?2, rows_in = ?3, rows_out = ?4, files_in = ?5, \
             bytes_in = ?6, process = null where id = ?1",
            params![self.id, now, done.rows_in, done.rows_out, done.files_in, done.bytes_in],
        )
        .map_err(sql)?;
        logs::append(t, &job.log_group, &self.id, &[(now, "SUCCEEDED")])?;
        state_changes::job_ended(t, now, &self.job, &self.id, JobRunState::Succeeded, None)
    }

    /// Makes objects of a run's files, and tells in a line what was done.
    fn place_outputs(
        &self,
        t: &Transaction<'_>,
        now: i64,
        made: &Made,
        everything: bool,
        done: Done,
    ) -> Result<String> {
        let job = &self.resource;
        let place = (job.to.as_str(), job.to_prefix.as_str(), "application/vnd.apache.parquet");
        let Placed { replaced, same } = self.place(t, now, place, &made.outputs, everything)?;
        if same {
            let count = made.outputs.len();
            return Ok(format!("Read {} rows: the {count} objects that are there say the same already", done.rows_in));
        }
        if let Some((database, table)) = &job.table
            && replaced > 0
        {
            t.execute("delete from partitions where database = ?1 and tbl = ?2", [database, table]).map_err(sql)?;
        }
        self.register(t, now, &made.outputs)?;
        let folders: BTreeSet<&str> = made.outputs.iter().map(|o| o.partition.prefix.as_str()).collect();
        let mut line = format!(
            "Read {} rows, wrote {} rows to {} objects in {} folders under s3://{}/{}",
            done.rows_in,
            done.rows_out,
            made.outputs.len(),
            folders.len(),
            job.to,
            job.to_prefix
        );
        if replaced > 0 {
            let _ = write!(line, ", in place of {replaced} objects of earlier runs");
        }
        Ok(line)
    }

    fn register(&self, t: &Transaction<'_>, now: i64, outputs: &[Output]) -> Result<()> {
        let Some((database, table)) = &self.resource.table else { return Ok(()) };
        let mut insert =
            t.prepare_cached("insert or ignore into partitions values (?1, ?2, ?3, ?4, ?5)").map_err(sql)?;
        let mut last = None;
        for output in outputs.iter().filter(|o| !o.partition.values.is_empty()) {
            let folder = &*output.partition;
            if last == Some(folder) {
                continue;
            }
            let values = serde_json::to_string(&folder.values).map_err(Error::storage)?;
            let location = format!("s3://{}/{}", self.resource.to, folder.prefix);
            insert.execute(params![database, table, values, location, now]).map_err(sql)?;
            last = Some(folder);
        }
        Ok(())
    }
}
