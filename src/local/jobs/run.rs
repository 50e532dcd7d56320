//! One run of a job: what is new, the SQL, the files, and one transaction that makes it all so.
//!
//! Until that transaction nothing of a run counts: a run that is killed, stopped or fails leaves no object, no
//! partition and its bookmark where it was.

use std::{
    collections::BTreeSet,
    fmt::Write,
    fs,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use datafusion::{
    common::ScalarValue,
    execution::context::SQLOptions,
    physical_plan::{ExecutionPlan, execute_stream},
    prelude::DataFrame,
    sql::parser::Statement as AnyStatement,
};
use futures::StreamExt;
use rusqlite::{Connection, OptionalExtension, Transaction, params};
use serde_json::Value;

use super::{
    items,
    locate::{locate, quoted},
    output::Shape,
    place::Placed,
    write::{Folder, Output, Writer},
};
use crate::{
    cloud::{Error, Result, catalog::Column, jobs::JobRunState, resources},
    local::{
        Local, buckets,
        crawlers::parts,
        logs, lookup,
        sql::{
            as_table,
            errors::trimmed,
            files::{Counters, DataFile, after_prefix, partition_values, visible},
            input_session,
            rows::Rejects,
            runtime, statement,
            table::{FileTable, Reading},
            types,
        },
        state_changes,
        store::{Store, sql},
    },
};

/// The name of the input in the SQL.
const INPUT: &str = "input";

/// One run at work.
#[derive(Clone)]
pub(super) struct Run {
    local: Local,
    id: String,
    /// The job's physical name.
    pub(super) job: String,
    resource: resources::Job,
    /// Files written so far: removed unless the run succeeds.
    blobs: Arc<Mutex<Vec<String>>>,
}

/// What a run has made of its input.
#[derive(Default)]
struct Made {
    /// Files of rows.
    outputs: Vec<Output>,
    /// Items for a key-value table.
    items: Vec<Value>,
    /// The file of bad rows, where there were some.
    rejects: Vec<Output>,
    rows_in: u64,
    rows_out: u64,
    rejected: usize,
}

/// What a run reads.
struct Snapshot {
    files: Vec<DataFile>,
    /// What they are.
    input: Input,
    /// Where the bookmark stood.
    from: Option<i64>,
    /// Where it moves to.
    to: i64,
}

/// What the files are that a run reads.
#[derive(Debug, Clone, Default)]
struct Input {
    format: String,
    columns: Vec<Column>,
    /// The columns in the keys.
    keys: Vec<Column>,
}

/// What a run did.
#[derive(Debug, Clone, Copy, Default)]
struct Done {
    rows_in: u64,
    rows_out: u64,
    files_in: u64,
    bytes_in: u64,
}

/// Does the work of a run and writes down its end.
pub(super) async fn supervise(local: Local, id: String, job: String, resource: resources::Job, timeout: Duration) {
    let run = Run { local, id, job, resource, blobs: Arc::default() };
    let mut work = runtime::spawn(run.clone().work());
    let stopped = run.local.inner.store.asked_to_end("select stop_requested from job_runs where id = ?1", &run.id);
    let (state, why) = tokio::select! {
        result = &mut work => match result {
            Ok(Ok(())) => return,
            Ok(Err(e)) => (JobRunState::Failed, e.to_string()),
            Err(e) => (JobRunState::Failed, format!("the run ended early: {e}")),
        },
        () = stopped => (JobRunState::Stopped, "stopped on request".to_owned()),
        () = tokio::time::sleep(timeout) => {
            (JobRunState::Timeout, format!("it took longer than its timeout, {} s", timeout.as_secs_f64()))
        }
    };
    work.abort();
    let failed = run.fail(state, why).await;
    if let Err(e) = &failed {
        tracing::error!(run = run.id, "the end of a job run could not be written down: {e}");
    }
    // It may have succeeded at the very moment of its end: then the files are objects.
    if failed == Ok(true) {
        let (store, blobs) = (run.local.inner.store.clone(), run.blobs.clone());
        let removed = tokio::task::spawn_blocking(move || {
            for blob in blobs.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
                let _ = fs::remove_file(store.blob_path(&blob));
            }
        });
        let _ = removed.await;
    }
}

impl Run {
    /// Writes down an end other than success; false where another end was written down before.
    async fn fail(&self, state: JobRunState, why: String) -> Result<bool> {
        let (run, now) = (self.clone(), self.local.inner.clock.now_ms());
        self.local
            .inner
            .store
            .write(move |t| {
                let changed = t
                    .execute(
                        "update job_runs set state = ?2, ended = ?3, error = ?4, process = null \
                         where id = ?1 and state in ('STARTING', 'RUNNING', 'STOPPING')",
                        params![run.id, state.word(), now, why],
                    )
                    .map_err(sql)?;
                if changed == 1 {
                    let line = if state == JobRunState::Stopped { why.clone() } else { format!("ERROR {why}") };
                    logs::append(t, &run.resource.log_group, &run.id, &[(now, &line)])?;
                    state_changes::job_ended(t, now, &run.job, &run.id, state, Some(&why))?;
                }
                Ok(changed == 1)
            })
            .await
    }

    async fn log(&self, line: String) -> Result<()> {
        let (run, now) = (self.clone(), self.local.inner.clock.now_ms());
        let write = move |t: &Transaction<'_>| logs::append(t, &run.resource.log_group, &run.id, &[(now, &line)]);
        self.local.inner.store.write(write).await
    }

    async fn work(self) -> Result<()> {
        let run = self.clone();
        let store = self.local.inner.store.clone();
        let (snapshot, table) =
            store.read(move |c| Ok((snapshot(c, &run.local.inner.store, &run)?, table(c, &run.resource)?))).await?;
        let counters = Arc::new(Counters::default());
        let mut done = Done {
            files_in: snapshot.files.len() as u64,
            bytes_in: snapshot.files.iter().map(|f| f.size).sum(),
            ..Done::default()
        };
        let mut made = Made::default();
        if snapshot.files.is_empty() {
            self.log(format!("Nothing new under s3://{}/{}", self.resource.from, self.resource.from_prefix)).await?;
        } else {
            self.log(format!(
                "Reading {} {} ({} bytes) under s3://{}/{}",
                done.files_in,
                if done.files_in == 1 { "object" } else { "objects" },
                done.bytes_in,
                self.resource.from,
                self.resource.from_prefix
            ))
            .await?;
            made = match self.transform(&snapshot, table.as_ref(), &counters).await {
                Ok(made) => made,
                Err(e) => return Err(self.located(e, snapshot.files, &snapshot.input.format).await),
            };
            (done.rows_in, done.rows_out) = (made.rows_in, made.rows_out);
        }
        let (run, now) = (self.clone(), self.local.inner.clock.now_ms());
        store.write(move |t| run.commit(t, now, &snapshot, &made, done)).await
    }

    /// Executes the SQL, and writes its result to files where it is not for a key-value table.
    async fn transform(
        &self,
        snapshot: &Snapshot,
        table: Option<&resources::Table>,
        counters: &Arc<Counters>,
    ) -> Result<Made> {
        let job = &self.resource;
        let Input { format, columns, keys } = &snapshot.input;
        let rejects = job.rejects.as_ref().map(|_| Rejects::default());
        let reading =
            Reading { dialect: job.dialect.clone(), rejects: rejects.clone(), file_column: job.file_column.clone() };
        let (files, counted) = (snapshot.files.clone(), counters.clone());
        let input = match job.input_table {
            Some(_) => FileTable::of_crawled(files, format, columns, keys, counted)?,
            None => FileTable::of_files(files, format, columns, reading, counted)?,
        };
        let context = input_session(INPUT, Arc::new(input))?;
        let state = context.state();
        let query = statement::parse_job(&job.sql)?;
        let plan = state.statement_to_plan(AnyStatement::Statement(query)).await.map_err(trimmed)?;
        let reading = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
        reading.verify_plan(&plan).map_err(trimmed)?;
        let frame = DataFrame::new(state, plan);
        let given = frame.schema().as_arrow().clone();
        let plan = frame.create_physical_plan().await.map_err(trimmed)?;
        let mut stream = execute_stream(plan.clone(), context.task_ctx()).map_err(trimmed)?;
        let mut made = Made::default();
        if job.key_table.is_some() {
            while let Some(batch) = stream.next().await {
                items::of_batch(&batch.map_err(trimmed)?, &mut made.items)?;
            }
            made.rows_out = made.items.len() as u64;
            return self.finish(made, rejects, &plan, counters, format).await;
        }
        let shape = Arc::new(Shape::new(&given, job, table)?);
        let mut writer = Writer::new(
            self.local.inner.store.clone(),
            &job.to_prefix,
            &self.id,
            shape.file_schema(),
            shape.key_schema(),
            self.blobs.clone(),
        )?;
        while let Some(batch) = stream.next().await {
            let batch = batch.map_err(trimmed)?;
            let shape = shape.clone();
            writer = blocking(move || {
                writer.push(&shape.fit(&batch)?)?;
                Ok(writer)
            })
            .await?;
        }
        made.rows_out = writer.rows();
        made.outputs = blocking(move || writer.finish()).await?;
        self.finish(made, rejects, &plan, counters, format).await
    }

    /// Writes down the bad rows, and counts what was read.
    async fn finish(
        &self,
        mut made: Made,
        rejects: Option<Rejects>,
        plan: &Arc<dyn ExecutionPlan>,
        counters: &Counters,
        format: &str,
    ) -> Result<Made> {
        made.rows_in = if format == "parquet" { scanned_rows(plan) } else { counters.rows() };
        let (Some(rejects), Some((_, prefix))) = (rejects, self.resource.rejects.clone()) else { return Ok(made) };
        let (store, id, blobs) = (self.local.inner.store.clone(), self.id.clone(), self.blobs.clone());
        let (rejected, count) = blocking(move || {
            let (lines, count) = rejects.lines();
            if count == 0 {
                return Ok((None, 0));
            }
            let blob = store.write_blob(lines.as_bytes())?;
            blobs.lock().unwrap_or_else(PoisonError::into_inner).push(blob.clone());
            let output = Output {
                key: format!("{prefix}part-00000-{id}.jsonl"),
                blob,
                size: lines.len() as u64,
                etag: buckets::etag(lines.as_bytes()),
                partition: Arc::new(Folder { values: Vec::new(), prefix }),
            };
            Ok((Some(output), count))
        })
        .await?;
        made.rejects.extend(rejected);
        made.rejected = count;
        Ok(made)
    }

    /// Makes it all so: the objects, their partitions, the bookmark, the run's success.
    fn commit(&self, t: &Transaction<'_>, now: i64, snapshot: &Snapshot, made: &Made, done: Done) -> Result<()> {
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

    /// Adds to the error of a cast where the value stands in the input.
    async fn located(&self, error: Error, files: Vec<DataFile>, format: &str) -> Error {
        let Error::Failed(text) = &error else { return error };
        if text.contains("s3://") || format == "parquet" {
            return error;
        }
        let Some(value) = quoted(text).map(str::to_owned) else { return error };
        let csv = format == "csv";
        match blocking(move || Ok(locate(&files, &value, csv))).await {
            Ok(Some((uri, line))) => Error::Failed(format!("{uri} line {line}: {text}")),
            _ => error,
        }
    }
}

fn bookmark(connection: &Connection, run: &Run) -> Result<Option<i64>> {
    if !run.resource.bookmark {
        return Ok(None);
    }
    connection
        .query_row("select position from bookmarks where job = ?1", [&run.job], |r| r.get(0))
        .optional()
        .map_err(sql)
}

/// The objects that are there and that the job has not read yet.
fn snapshot(connection: &Connection, store: &Store, run: &Run) -> Result<Snapshot> {
    let job = &run.resource;
    lookup::one(connection, "bucket", &job.from)?;
    let from = bookmark(connection, run)?;
    let (input, most) = input(connection, job)?;
    let schema = types::schema(&input.keys)?;
    let mut statement = connection
        .prepare_cached(
            "select seq, key, blob, size from objects where bucket = ?1 and key >= ?2 and (?3 is null or key < ?3) \
             and seq > ?4 and seq <= ?5 and latest = 1 and delete_marker = 0 and blob is not null order by seq",
        )
        .map_err(sql)?;
    let mut rows = statement
        .query(params![job.from, job.from_prefix, after_prefix(&job.from_prefix), from.unwrap_or(0), most])
        .map_err(sql)?;
    let (mut files, mut to) = (Vec::new(), from.unwrap_or(0));
    while let Some(row) = rows.next().map_err(sql)? {
        to = row.get(0).map_err(sql)?;
        let key: String = row.get(1).map_err(sql)?;
        let blob: String = row.get(2).map_err(sql)?;
        let size: u64 = row.get(3).map_err(sql)?;
        let mut partition = Vec::new();
        if job.input_table.is_some() {
            // As the crawler took it: what is empty or hidden is no data.
            let inner = key.get(job.from_prefix.len()..).unwrap_or_default();
            if size == 0 || !visible(inner) {
                continue;
            }
            let values: Vec<String> = parts(inner).into_iter().map(|(_, value)| value).collect();
            partition = partition_values(&schema, &values)?;
        }
        if job.file_column.is_some() {
            partition.push(ScalarValue::from(key.rsplit('/').next().unwrap_or(&key)));
        }
        files.push(DataFile {
            uri: format!("s3://{}/{key}", job.from),
            path: store.blob_path(&blob),
            blob: blob.into(),
            size,
            partition: partition.into(),
        });
    }
    Ok(Snapshot { files, input, from, to })
}

/// What the files of a job are: as it says itself, or as the table tells that a crawler made; then with the newest object
/// that the crawler has seen, since only what was crawled has its columns there.
fn input(connection: &Connection, job: &resources::Job) -> Result<(Input, i64)> {
    let Some((database, name)) = &job.input_table else {
        let (format, columns) = (job.input_format.clone(), job.input_columns.clone());
        return Ok((Input { format, columns, keys: Vec::new() }, i64::MAX));
    };
    let Some(deployed) = lookup::crawled(connection, database, name)? else {
        // Nothing was crawled, so there is nothing to read.
        return Ok((Input::default(), 0));
    };
    let Some(table) = as_table(&deployed).cloned() else { return Ok((Input::default(), 0)) };
    let most: Option<i64> = connection
        .prepare_cached(
            "select max(position) from crawls where state = 'SUCCEEDED' and crawler = \
             (select crawler from crawled_tables where database = ?1 and tbl = ?2)",
        )
        .and_then(|mut s| s.query_row([database, name], |r| r.get(0)))
        .map_err(sql)?;
    Ok((Input { format: table.format, columns: table.columns, keys: table.partition_keys }, most.unwrap_or(0)))
}

fn table(connection: &Connection, job: &resources::Job) -> Result<Option<resources::Table>> {
    let Some((database, table)) = &job.table else { return Ok(None) };
    let deployed = lookup::one(connection, "table", &format!("{database}.{table}"))?;
    Ok(as_table(&deployed).cloned())
}

/// The rows that the leaves of a plan gave.
fn scanned_rows(plan: &Arc<dyn ExecutionPlan>) -> u64 {
    let children = plan.children();
    if children.is_empty() {
        return plan.metrics().and_then(|m| m.output_rows()).unwrap_or(0) as u64;
    }
    children.into_iter().map(scanned_rows).sum()
}

async fn blocking<T: Send + 'static>(f: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(f)
        .await
        .unwrap_or_else(|e| Err(Error::failed(format!("a part of the run ended early: {e}"))))
}

/// Does the work of a run up to the transaction, then ends as a killed process does: nothing is written down.
#[cfg(test)]
pub(super) async fn die_before_commit(local: &Local, job: &str, resource: resources::Job) {
    let id = format!("jr_{}", uuid::Uuid::now_v7().simple());
    let run = Run { local: local.clone(), id, job: job.to_owned(), resource, blobs: Arc::default() };
    let (row, of_job) = (run.id.clone(), run.job.clone());
    let insert = move |t: &Transaction<'_>| {
        t.execute(
            "insert into job_runs (id, job, state, trigger, started, log_stream, process) \
             values (?1, ?2, 'RUNNING', 'test', 0, ?1, 'dead')",
            [row, of_job],
        )
        .map_err(sql)
    };
    local.inner.store.write(insert).await.unwrap();
    let inner = run.clone();
    let store = local.inner.store.clone();
    let (snapshot, table) = store
        .read(move |c| Ok((snapshot(c, &inner.local.inner.store, &inner)?, table(c, &inner.resource)?)))
        .await
        .unwrap();
    run.transform(&snapshot, table.as_ref(), &Arc::default()).await.map(drop).unwrap();
}
