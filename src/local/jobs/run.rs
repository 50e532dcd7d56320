//! One run of a job: what is new, the SQL, the files, and one transaction that makes it all so.
//!
//! Until that transaction nothing of a run counts: a run that is killed, stopped or fails leaves no object, no
//! partition and its bookmark where it was.

use std::{
    fs,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use datafusion::{
    execution::context::SQLOptions,
    physical_plan::{ExecutionPlan, execute_stream},
    prelude::DataFrame,
    sql::parser::Statement as AnyStatement,
};
use futures::StreamExt;
use rusqlite::{Transaction, params};
use serde_json::Value;

use super::{
    input::{Input, Snapshot, snapshot, table},
    items,
    locate::{locate, quoted},
    output::Shape,
    write::{Folder, Output, Writer},
};
use crate::{
    cloud::{Error, Result, jobs::JobRunState, resources},
    local::{
        Local, buckets, logs,
        sql::{
            errors::trimmed,
            files::{Counters, DataFile},
            input_session,
            rows::Rejects,
            runtime, statement,
            table::{FileTable, Reading},
        },
        state_changes,
        store::sql,
    },
};

/// The name of the input in the SQL.
const INPUT: &str = "input";

/// One run at work.
#[derive(Clone)]
pub(super) struct Run {
    pub(super) local: Local,
    pub(super) id: String,
    /// The job's physical name.
    pub(super) job: String,
    pub(super) resource: resources::Job,
    /// Files written so far: removed unless the run succeeds.
    pub(super) blobs: Arc<Mutex<Vec<String>>>,
}

/// What a run has made of its input.
#[derive(Default)]
pub(super) struct Made {
    /// Files of rows.
    pub(super) outputs: Vec<Output>,
    /// Items for a key-value table.
    pub(super) items: Vec<Value>,
    /// The file of bad rows, where there were some.
    pub(super) rejects: Vec<Output>,
    pub(super) rows_in: u64,
    pub(super) rows_out: u64,
    pub(super) rejected: usize,
}

/// What a run did.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Done {
    pub(super) rows_in: u64,
    pub(super) rows_out: u64,
    pub(super) files_in: u64,
    pub(super) bytes_in: u64,
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
    // It may have succeeded at the very moment of its end: then the files are objects.
    if run.fail(state, why).await {
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
    async fn fail(&self, state: JobRunState, why: String) -> bool {
        let (run, now) = (self.clone(), self.local.inner.clock.now_ms());
        self.local
            .inner
            .store
            .write_at_last("the end of a job run", move |t| {
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
