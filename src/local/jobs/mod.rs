//! Jobs: their runs and bookmarks. How a run does its work is in `run`, how it writes in `write`.

#[cfg(test)]
mod bookmark_tests;
mod commit;
mod input;
mod items;
mod locate;
mod output;
mod place;
#[cfg(test)]
mod rows_tests;
mod run;
#[cfg(test)]
pub(crate) mod tests;
mod write;

use std::{collections::BTreeMap, path::Path, time::Duration};

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::{
    Local,
    clock::timestamp,
    logs,
    lookup::{self, Deployed},
    process, schedules, state_changes,
    store::sql,
};
use crate::cloud::{
    Error, Pages, Permit, Result,
    jobs::{Bookmark, Capacity, Job, JobRun, JobRunState, Jobs},
    resources::{self, Properties, ScheduleTarget},
};

const DIED: &str = "the process that ran it has died: nothing of it was written, start it again";
/// The states of a run that is not over.
const ACTIVE: &str = "('STARTING', 'RUNNING', 'STOPPING')";
const COLUMNS: &str = "id, job, state, trigger, started, ended, rows_in, rows_out, files_in, bytes_in, error, log_stream, \
                       process";

#[async_trait]
impl Jobs for Local {
    fn list(&self) -> Pages<'_, Job> {
        Pages::once(async move {
            let dir = self.inner.store.dir().to_owned();
            self.inner
                .store
                .read(move |c| {
                    let schedules = lookup::all(c, "schedule")?;
                    lookup::all(c, "job")?.into_iter().map(|d| describe(c, &dir, &schedules, d)).collect()
                })
                .await
        })
    }

    async fn runs(&self, job: &str, limit: usize) -> Result<Vec<JobRun>> {
        let (job, dir) = (job.to_owned(), self.inner.store.dir().to_owned());
        self.inner
            .store
            .read(move |c| {
                lookup::one(c, "job", &job)?;
                newest(c, &dir, &job, limit)
            })
            .await
    }

    async fn last_runs(&self, jobs: &[String]) -> Result<BTreeMap<String, JobRun>> {
        let (jobs, dir) = (jobs.to_owned(), self.inner.store.dir().to_owned());
        self.inner
            .store
            .read(move |c| {
                let last = |job: String| Ok(newest(c, &dir, &job, 1)?.pop().map(|run| (job, run)));
                jobs.into_iter().filter_map(|job| last(job).transpose()).collect()
            })
            .await
    }

    async fn run(&self, job: &str, id: &str) -> Result<JobRun> {
        let (job, id, dir) = (job.to_owned(), id.to_owned(), self.inner.store.dir().to_owned());
        self.inner.store.read(move |c| find(c, &dir, &job, &id)).await
    }

    async fn start(&self, permit: &Permit, job: &str) -> Result<JobRun> {
        permit.check("glue:StartJobRun", job)?;
        let token = permit.next_token().map(|token| format!("run {token}"));
        self.start_job(job, permit.principal(), token).await
    }

    async fn stop(&self, permit: &Permit, job: &str, id: &str) -> Result<()> {
        permit.check("glue:BatchStopJobRun", job)?;
        let (job, id, dir) = (job.to_owned(), id.to_owned(), self.inner.store.dir().to_owned());
        let now = self.inner.clock.now_ms();
        self.inner
            .store
            .write(move |t| {
                fail_dead(t, &dir, now, &job)?;
                let run = find(t, &dir, &job, &id)?;
                if run.state.is_final() {
                    return Err(Error::Conflict(format!("job run {id} is over: {}", run.state.word())));
                }
                t.execute("update job_runs set state = 'STOPPING', stop_requested = 1 where id = ?1", [&id])
                    .map_err(sql)?;
                Ok(())
            })
            .await
    }

    async fn bookmark(&self, job: &str) -> Result<Bookmark> {
        let job = job.to_owned();
        self.inner
            .store
            .read(move |c| {
                lookup::one(c, "job", &job)?;
                let found = c
                    .query_row("select position, run, updated from bookmarks where job = ?1", [&job], |r| {
                        Ok((r.get::<_, i64>(0)?, r.get(1)?, r.get::<_, Option<i64>>(2)?))
                    })
                    .optional()
                    .map_err(sql)?;
                let (position, run, updated) = found.unwrap_or_default();
                Ok(Bookmark { job, run, position: position.to_string(), updated: updated.map(timestamp) })
            })
            .await
    }

    async fn reset_bookmark(&self, permit: &Permit, job: &str) -> Result<()> {
        permit.check("glue:ResetJobBookmark", job)?;
        let job = job.to_owned();
        self.inner
            .store
            .write(move |t| {
                lookup::one(t, "job", &job)?;
                t.execute("delete from bookmarks where job = ?1", [&job]).map_err(sql)?;
                Ok(())
            })
            .await
    }
}

impl Local {
    /// Starts a run and returns at once; the run goes on by itself. `trigger` says what started it; what was started under
    /// the same `token` before is not started again.
    ///
    /// # Errors
    /// [`Error::Conflict`] while another run of the job is at work, [`Error::NotFound`] without the job.
    pub(crate) async fn start_job(&self, job: &str, trigger: &str, token: Option<String>) -> Result<JobRun> {
        let (started, resource) = self.begin_run(job, trigger, token).await?;
        if let Some(resource) = resource {
            let timeout = Duration::from_mins(u64::from(resource.timeout_minutes.max(1)));
            tokio::spawn(run::supervise(self.clone(), started.id.clone(), started.job.clone(), resource, timeout));
        }
        Ok(started)
    }

    /// Writes down that a run has begun, or takes up one that a role had started and whose process died. Without settings,
    /// there is nothing to be done.
    async fn begin_run(
        &self,
        job: &str,
        trigger: &str,
        token: Option<String>,
    ) -> Result<(JobRun, Option<resources::Job>)> {
        let Some(process) = &self.inner.process else {
            return Err(Error::AccessDenied { action: "glue:StartJobRun".into(), target: job.to_owned() });
        };
        let process = process.id().to_owned();
        let (name, trigger, dir) = (job.to_owned(), trigger.to_owned(), self.inner.store.dir().to_owned());
        let now = self.inner.clock.now_ms();
        self.inner
            .store
            .write(move |t| {
                let resource = resource(lookup::one(t, "job", &name)?)?;
                fail_dead(t, &dir, now, &name)?;
                if let Some(known) = token.as_ref().map(|token| state_changes::started(t, token)).transpose()?.flatten()
                    && !waits(t, &known)?
                {
                    return Ok((find(t, &dir, &name, &known)?, None));
                }
                if let Some(waiting) = waiting(t, &name)? {
                    t.execute(
                        "update job_runs set state = 'RUNNING', process = ?2 where id = ?1",
                        params![waiting, process],
                    )
                    .map_err(sql)?;
                    let line = format!("Run {waiting} of job {name} begins again: the process that ran it has died");
                    logs::append(t, &resource.log_group, &waiting, &[(now, &line)])?;
                    return Ok((find(t, &dir, &name, &waiting)?, Some(resource)));
                }
                let active: Option<String> = t
                    .query_row(&format!("select id from job_runs where job = ?1 and state in {ACTIVE}"), [&name], |r| {
                        r.get(0)
                    })
                    .optional()
                    .map_err(sql)?;
                if let Some(active) = active {
                    return Err(Error::Conflict(format!(
                        "job {name} runs already: {active} (ConcurrentRunsExceededException); wait for it, or stop it"
                    )));
                }
                let id = format!("jr_{}", uuid::Uuid::now_v7().simple());
                t.execute(
                    "insert into job_runs (id, job, state, trigger, started, log_stream, process) \
                     values (?1, ?2, 'RUNNING', ?3, ?4, ?1, ?5)",
                    params![id, name, trigger, now, process],
                )
                .map_err(sql)?;
                if let Some(token) = &token {
                    state_changes::remember(t, token, &id)?;
                }
                logs::append(t, &resource.log_group, &id, &[(now, &format!("Run {id} of job {name}, by {trigger}"))])?;
                Ok((find(t, &dir, &name, &id)?, Some(resource)))
            })
            .await
    }
}

/// A run that a role had started, whose process died, and that nobody has taken up yet.
fn waiting(connection: &Connection, job: &str) -> Result<Option<String>> {
    connection
        .prepare_cached("select id from job_runs where job = ?1 and state = 'STARTING' and process is null")
        .and_then(|mut s| s.query_row([job], |r| r.get(0)).optional())
        .map_err(sql)
}

fn waits(connection: &Connection, run: &str) -> Result<bool> {
    connection
        .prepare_cached("select 1 from job_runs where id = ?1 and state = 'STARTING' and process is null")
        .and_then(|mut s| s.exists([run]))
        .map_err(sql)
}

/// The jobs of which a run waits to be taken up.
pub(crate) fn to_take_up(connection: &Connection) -> Result<Vec<String>> {
    connection
        .prepare_cached("select distinct job from job_runs where state = 'STARTING' and process is null")
        .and_then(|mut s| s.query_map([], |r| r.get(0))?.collect())
        .map_err(sql)
}

/// Ends a run whose process has died; one that a role had started waits to be taken up instead: nobody looks at it who
/// could start it again.
pub(crate) fn bury(t: &Transaction<'_>, now_ms: i64, job: &str, id: &str, why: &str) -> Result<()> {
    if state_changes::by_role(t, id)? {
        t.execute("update job_runs set state = 'STARTING', process = null where id = ?1", [id]).map_err(sql)?;
        return Ok(());
    }
    t.execute(
        "update job_runs set state = 'FAILED', ended = ?2, error = ?3, process = null where id = ?1",
        params![id, now_ms, why],
    )
    .map_err(sql)?;
    if let Some(deployed) = lookup::find(t, "job", job)? {
        logs::append(t, &resource(deployed)?.log_group, id, &[(now_ms, &format!("ERROR {why}"))])?;
    }
    state_changes::job_ended(t, now_ms, job, id, JobRunState::Failed, Some(why))
}

/// Marks the runs of dead processes as failed: one may have died since this process was started.
fn fail_dead(t: &Transaction<'_>, dir: &Path, now_ms: i64, job: &str) -> Result<()> {
    let mut statement = t
        .prepare_cached(&format!("select id, job, process from job_runs where state in {ACTIVE} and job = ?1"))
        .map_err(sql)?;
    let rows = statement
        .query_map([job], |r| Ok((r.get::<_, String>(0)?, r.get::<_, String>(1)?, r.get::<_, Option<String>>(2)?)))
        .map_err(sql)?
        .collect::<rusqlite::Result<Vec<_>>>()
        .map_err(sql)?;
    for (id, job, process) in rows {
        if process.is_some_and(|p| process::alive(dir, &p)) {
            continue;
        }
        bury(t, now_ms, &job, &id, DIED)?;
    }
    Ok(())
}

fn resource(deployed: Deployed) -> Result<resources::Job> {
    match deployed.resource.properties {
        Properties::Job(job) => Ok(job),
        _ => Err(Error::storage(format!("{:?} is no job", deployed.resource.physical_name))),
    }
}

fn describe(connection: &Connection, dir: &Path, schedules: &[Deployed], deployed: Deployed) -> Result<Job> {
    let (name, pipeline) = (deployed.resource.physical_name.clone(), deployed.pipeline.clone());
    let job = resource(deployed)?;
    let (schedule, next_run) = schedules::of(connection, schedules, &ScheduleTarget::Job(name.clone()))?;
    Ok(Job {
        last_run: newest(connection, dir, &name, 1)?.pop(),
        name,
        pipeline,
        schedule,
        next_run,
        bookmark: job.bookmark,
        log_group: job.log_group,
        error_log_group: None,
        capacity: Capacity::default(),
        arguments: BTreeMap::new(),
    })
}

fn newest(connection: &Connection, dir: &Path, job: &str, limit: usize) -> Result<Vec<JobRun>> {
    let mut statement = connection
        .prepare_cached(&format!(
            "select {COLUMNS} from job_runs where job = ?1 order by started desc, rowid desc limit ?2"
        ))
        .map_err(sql)?;
    let rows = statement.query_map(params![job, limit.min(i32::MAX as usize)], raw).map_err(sql)?;
    rows.map(|row| Ok(as_seen(row.map_err(sql)?, dir))).collect()
}

fn find(connection: &Connection, dir: &Path, job: &str, id: &str) -> Result<JobRun> {
    connection
        .prepare_cached(&format!("select {COLUMNS} from job_runs where job = ?1 and id = ?2"))
        .map_err(sql)?
        .query_row([job, id], raw)
        .optional()
        .map_err(sql)?
        .map(|row| as_seen(row, dir))
        .ok_or_else(|| Error::not_found("job run", id))
}

fn raw(r: &Row<'_>) -> rusqlite::Result<(JobRun, Option<String>)> {
    let state = match r.get::<_, String>(2)?.as_str() {
        "STARTING" => JobRunState::Starting,
        "STOPPING" => JobRunState::Stopping,
        "STOPPED" => JobRunState::Stopped,
        "SUCCEEDED" => JobRunState::Succeeded,
        "FAILED" => JobRunState::Failed,
        "TIMEOUT" => JobRunState::Timeout,
        _ => JobRunState::Running,
    };
    let run = JobRun {
        id: r.get(0)?,
        job: r.get(1)?,
        state,
        trigger: r.get(3)?,
        started: timestamp(r.get(4)?),
        ended: r.get::<_, Option<i64>>(5)?.map(timestamp),
        rows_in: r.get(6)?,
        rows_out: r.get(7)?,
        files_in: r.get(8)?,
        bytes_in: r.get(9)?,
        error: r.get(10)?,
        log_stream: r.get(11)?,
        log_group: None,
        error_log_group: None,
        capacity: Capacity::default(),
        execution_seconds: None,
        dpu_seconds: None,
        arguments: BTreeMap::new(),
    };
    Ok((run, r.get(12)?))
}

/// A run whose process is dead has failed, also where nobody could write that down yet.
fn as_seen((mut run, process): (JobRun, Option<String>), dir: &Path) -> JobRun {
    if run.state == JobRunState::Starting && process.is_none() {
        return run;
    }
    if !run.state.is_final() && process.is_none_or(|p| !process::alive(dir, &p)) {
        run.state = JobRunState::Failed;
        run.error = Some(DIED.into());
    }
    run
}
