//! Jobs, their runs and bookmarks (AWS Glue).

mod model;
mod places;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use async_trait::async_trait;
use aws_sdk_glue::{
    error::ProvideErrorMetadata,
    types::{Trigger, TriggerState, TriggerType},
};
use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use tokio::sync::OnceCell;

use super::{Aws, error::failed};
use crate::cloud::{
    Error, Pages, Permit, Result,
    jobs::{Bookmark, Capacity, Job, JobRun, JobRunState, Jobs},
    schedule::Schedule,
};

/// Jobs in a page: few, so that the first rows are there soon.
const JOBS_PER_PAGE: i32 = 100;
/// The most that AWS gives at once.
const RUNS_PER_PAGE: usize = 200;
const TRIGGERS_PER_PAGE: i32 = 200;
/// Jobs whose newest run is asked for at the same time.
const AT_ONCE: usize = 8;

/// When jobs run by themselves, by their names.
type Schedules = HashMap<String, (String, bool)>;

#[async_trait]
impl Jobs for Aws {
    fn list(&self) -> Pages<'_, Job> {
        let schedules = Arc::new(OnceCell::new());
        Pages::follow(move |token| {
            let schedules = schedules.clone();
            async move {
                let glue = self.client.glue().await?;
                let page = async {
                    let asked = glue.get_jobs().max_results(JOBS_PER_PAGE).set_next_token(token).send();
                    asked.await.map_err(failed("glue:GetJobs", "job", "*"))
                };
                let (page, schedules) = tokio::join!(page, schedules.get_or_init(|| self.job_schedules()));
                let page = page?;
                let owners = self.owners().await;
                let now = Timestamp::now();
                let jobs = page.jobs.unwrap_or_default().into_iter().filter_map(|job| {
                    let mut job = model::job(job)?;
                    job.pipeline = owners.pipeline(&job.name);
                    if let Some((schedule, on)) = schedules.get(&job.name) {
                        let next = || Schedule::parse(schedule).ok()?.next_after(now);
                        job.next_run = on.then(next).flatten();
                        job.schedule = Some(schedule.clone());
                    }
                    Some(job)
                });
                Ok((jobs.collect(), page.next_token.filter(|t| !t.is_empty())))
            }
        })
    }

    async fn runs(&self, job: &str, limit: usize) -> Result<Vec<JobRun>> {
        let glue = self.client.glue().await?;
        let mut runs = Vec::new();
        let mut token = None;
        while runs.len() < limit {
            let want = (limit - runs.len()).min(RUNS_PER_PAGE);
            let page = glue
                .get_job_runs()
                .job_name(job)
                .max_results(want as i32)
                .set_next_token(token.take())
                .send()
                .await
                .map_err(failed("glue:GetJobRuns", "job", job))?;
            runs.extend(page.job_runs.unwrap_or_default().into_iter().filter_map(|run| model::run(job, run)));
            token = page.next_token.filter(|t| !t.is_empty());
            if token.is_none() {
                break;
            }
        }
        // AWS gives the newest first; not all that answer like it do.
        runs.sort_by_key(|run| std::cmp::Reverse(run.started));
        runs.truncate(limit);
        Ok(runs)
    }

    async fn last_runs(&self, jobs: &[String]) -> Result<BTreeMap<String, JobRun>> {
        let newest = |job: String| async move {
            match self.runs(&job, 1).await {
                Ok(mut runs) => Ok(runs.pop().map(|run| (job, run))),
                Err(Error::NotFound { .. }) => Ok(None),
                Err(error) => Err(error),
            }
        };
        let all = stream::iter(jobs.to_owned()).map(newest).buffer_unordered(AT_ONCE);
        all.try_filter_map(|found| async move { Ok(found) }).try_collect().await
    }

    async fn run(&self, job: &str, id: &str) -> Result<JobRun> {
        let glue = self.client.glue().await?;
        let answer = glue.get_job_run().job_name(job).run_id(id).send().await.map_err(failed(
            "glue:GetJobRun",
            "job run",
            id,
        ))?;
        answer.job_run.and_then(|run| model::run(job, run)).ok_or_else(|| Error::not_found("job run", id))
    }

    async fn start(&self, permit: &Permit, job: &str) -> Result<JobRun> {
        permit.check("glue:StartJobRun", job)?;
        let glue = self.client.glue().await?;
        let started =
            glue.start_job_run().job_name(job).send().await.map_err(failed("glue:StartJobRun", "job", job))?;
        let Some(id) = started.job_run_id else {
            return Err(Error::failed(format!("glue:StartJobRun: the answer names no run of {job}")));
        };
        // It has been started, whether it can be looked at already or not.
        Ok(self.run(job, &id).await.unwrap_or_else(|_| JobRun {
            log_stream: id.clone(),
            id,
            job: job.to_owned(),
            state: JobRunState::Starting,
            trigger: model::ON_DEMAND.to_owned(),
            started: Timestamp::now(),
            ended: None,
            rows_in: None,
            rows_out: None,
            files_in: None,
            bytes_in: None,
            error: None,
            log_group: None,
            error_log_group: None,
            capacity: Capacity::default(),
            execution_seconds: None,
            dpu_seconds: None,
            arguments: BTreeMap::new(),
        }))
    }

    async fn stop(&self, permit: &Permit, job: &str, id: &str) -> Result<()> {
        permit.check("glue:BatchStopJobRun", job)?;
        let glue = self.client.glue().await?;
        let answer = glue.batch_stop_job_run().job_name(job).job_run_ids(id).send().await.map_err(failed(
            "glue:BatchStopJobRun",
            "job",
            job,
        ))?;
        let Some(refused) = answer.errors.unwrap_or_default().into_iter().next() else { return Ok(()) };
        let detail = refused.error_detail;
        let code = detail.as_ref().and_then(|d| d.error_code.as_deref()).unwrap_or_default();
        let message = detail.as_ref().and_then(|d| d.error_message.as_deref()).unwrap_or("no reason was given");
        Err(match code {
            "EntityNotFoundException" => Error::not_found("job run", id),
            _ => Error::Conflict(format!("run {id} of {job} cannot be stopped: {message}")),
        })
    }

    async fn bookmark(&self, job: &str) -> Result<Bookmark> {
        let glue = self.client.glue().await?;
        let answer = match glue.get_job_bookmark().job_name(job).send().await {
            Ok(answer) => answer,
            Err(error) => return Err(unknown(error, "glue:GetJobBookmark", job)),
        };
        let entry = answer.job_bookmark_entry.ok_or_else(|| Error::not_found("bookmark of job", job))?;
        Ok(Bookmark {
            job: entry.job_name.unwrap_or_else(|| job.to_owned()),
            run: entry.run_id.or(entry.previous_run_id),
            position: entry.job_bookmark.unwrap_or_else(|| format!("after run {}", entry.run)),
            updated: None,
        })
    }

    async fn reset_bookmark(&self, permit: &Permit, job: &str) -> Result<()> {
        permit.check("glue:ResetJobBookmark", job)?;
        let glue = self.client.glue().await?;
        match glue.reset_job_bookmark().job_name(job).send().await {
            Ok(_) => Ok(()),
            Err(error) => Err(unknown(error, "glue:ResetJobBookmark", job)),
        }
    }
}

/// A failure of what some endpoints that answer like AWS do not know.
fn unknown<E>(
    error: aws_sdk_glue::error::SdkError<E, aws_smithy_runtime_api::client::orchestrator::HttpResponse>,
    action: &'static str,
    job: &str,
) -> Error
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let code = error.code().unwrap_or_default();
    if ["UnknownOperation", "InvalidAction", "NotImplemented", "UnsupportedOperation"].iter().any(|c| code.contains(c))
    {
        return Error::Unsupported { cloud: "aws", what: format!("{action}: this endpoint does not know it") };
    }
    failed(action, "bookmark of job", job)(error)
}

impl Aws {
    /// When jobs run by themselves. Where the triggers cannot be read, nobody knows.
    async fn job_schedules(&self) -> Schedules {
        match self.triggers().await {
            Ok(found) => found,
            Err(error) => {
                tracing::warn!(%error, "the jobs' schedules are not known");
                Schedules::new()
            }
        }
    }

    async fn triggers(&self) -> Result<Schedules> {
        let glue = self.client.glue().await?;
        let mut found = Schedules::new();
        let mut token = None;
        loop {
            let page = glue
                .get_triggers()
                .max_results(TRIGGERS_PER_PAGE)
                .set_next_token(token.take())
                .send()
                .await
                .map_err(failed("glue:GetTriggers", "trigger", "*"))?;
            for trigger in page.triggers.unwrap_or_default() {
                take_trigger(&mut found, trigger);
            }
            token = page.next_token.filter(|t| !t.is_empty());
            if token.is_none() {
                return Ok(found);
            }
        }
    }
}

/// A job may have several schedules: one that is on goes before one that is off.
fn take_trigger(found: &mut Schedules, trigger: Trigger) {
    if trigger.r#type != Some(TriggerType::Scheduled) {
        return;
    }
    let on = matches!(trigger.state, Some(TriggerState::Activated | TriggerState::Activating));
    let Some(schedule) = trigger.schedule.filter(|s| !s.is_empty()) else { return };
    for job in trigger.actions.unwrap_or_default().into_iter().filter_map(|a| a.job_name) {
        let known = found.entry(job).or_insert_with(|| (schedule.clone(), on));
        if on && !known.1 {
            *known = (schedule.clone(), on);
        }
    }
}
