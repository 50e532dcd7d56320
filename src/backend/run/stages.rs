//! What a run does at each kind of stage.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use serde_json::json;

use super::{RunProgress, Work};
use crate::cloud::{
    Error, Result,
    crawlers::{CrawlState, CrawlerState},
    flow::Stage,
    functions::{Invoke, SourceMode},
    jobs::{JobRun, JobRunState},
    recording::Observations,
    resources::{Crawler, Function, Graph, Job, NotificationTarget, Properties, ScheduleTarget, Told},
    runs::{PipelineRun, StageRun},
};

/// Steps between two writings of how far a stage has come.
pub const CHECKPOINT: u64 = 100;

/// How soon a job's run is looked at again.
const POLL: Duration = Duration::from_millis(50);
/// How soon at most on AWS, where a run takes minutes: less and less often, the longer it takes.
const SLOWEST_POLL: Duration = Duration::from_secs(10);

/// How often in a row a job that is waited for may be out of sight.
const PATIENCE: u32 = 10;

/// Runs of a job that are looked at.
const RUNS: usize = 50;

/// Records in and out; none where nobody counts them.
type Counts = (Option<u64>, Option<u64>);

/// What starts a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The run itself: it reads sources, or a schedule starts it.
    Entry,
    /// New objects or messages do, or the end of a crawl or of a job's run.
    Triggered,
}

/// What starts the function with this physical name in a run; nothing where only an API calls it.
pub fn role(graph: &Graph, function: &str) -> Option<Role> {
    let mut entry = false;
    for resource in &graph.resources {
        match &resource.properties {
            Properties::Bucket(b) => {
                let told = |t: &NotificationTarget| matches!(t, NotificationTarget::Function(f) if f == function);
                if b.on_created.iter().any(|n| told(&n.target)) {
                    return Some(Role::Triggered);
                }
            }
            Properties::EventSourceMapping(m) if m.function == function => return Some(Role::Triggered),
            Properties::Crawler(Crawler { on_ended, .. }) | Properties::Job(Job { on_ended, .. }) => {
                let told = |t: &Told| matches!(&t.target, NotificationTarget::Function(f) if f == function);
                if on_ended.iter().any(told) {
                    return Some(Role::Triggered);
                }
            }
            Properties::Schedule(s) if s.target == ScheduleTarget::Function(function.to_owned()) => entry = true,
            Properties::Function(f) if resource.physical_name == function && !f.sources.is_empty() => entry = true,
            _ => {}
        }
    }
    entry.then_some(Role::Entry)
}

/// Whether a function starts a crawler or a job: then a run does not.
fn started_by_function(graph: &Graph, action: &str, name: &str) -> bool {
    graph.resources.iter().any(|r| match &r.properties {
        Properties::Role(role) => role.grants.iter().any(|g| g.action == action && g.resource == name),
        _ => false,
    })
}

impl Work {
    /// Does one stage of the run.
    pub async fn stage(&self, run: &mut PipelineRun, index: usize) -> Result<()> {
        let Some(stage) = self.stages.get(index).cloned() else { return Ok(()) };
        let begun = Instant::now();
        let before = run.stages.get(index).map_or(0, |s| s.elapsed_ms);
        let interrupted = run.stages.get(index).is_some_and(|s| s.status == "RUNNING");
        self.edit(run, index, |s| {
            "RUNNING".clone_into(&mut s.status);
            s.error = None;
            if !self.embedded {
                // Not known until somebody tells.
                (s.records_in, s.records_out) = (None, None);
            }
        });
        let outcome = match stage.kind {
            "function" => self.function(run, index, &stage).await,
            "delivery" => self.delivery(run, index, &stage).await,
            "crawler" => self.crawler(run, &stage, interrupted).await,
            "job" => self.job(run, index, &stage, interrupted).await,
            // A stream, a queue, a bucket or a topic holds what it was given by then.
            _ => Ok(()),
        };
        // A job and a function that the run itself invokes have told what they did, as what was waited for on AWS has.
        let told = stage.kind == "job" || run.stages.get(index).is_some_and(|s| s.steps > 0);
        if self.embedded && outcome.is_ok() && !told {
            let now = self.counters(&stage).await?;
            self.edit(run, index, |s| {
                s.records_in = grown(s.baseline.0, now.0);
                s.records_out = grown(s.baseline.1, now.1);
            });
        }
        if let Some(s) = run.stages.get_mut(index) {
            s.elapsed_ms = before + u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        }
        outcome
    }

    async fn function(&self, run: &mut PipelineRun, index: usize, stage: &Stage) -> Result<()> {
        let name = self.physical(stage)?;
        if role(&self.graph, &name) == Some(Role::Triggered) {
            let settled = self.cloud.functions.settle(&self.permit, &[name], run.started).await?;
            if let Some((read, written)) = settled.records {
                self.counts(run, index, (Some(read), Some(written)));
            }
            return match settled.error {
                Some(error) if settled.failed > 0 => {
                    Err(Error::failed(format!("{} invocations failed; the last: {error}", settled.failed)))
                }
                _ => Ok(()),
            };
        }
        let Some(Properties::Function(function)) = self.graph.by_id(&stage.id).map(|r| &r.properties) else {
            return Err(Error::storage(format!("{} is no function", stage.id)));
        };
        let steps = self.steps(function)?;
        self.edit(run, index, |s| s.steps = steps);
        let mut done = run.stages.get(index).map_or(0, |s| s.step);
        while done < steps {
            let request = Invoke {
                function: name.clone(),
                event: json!({ "source": "pumphouse.run", "run": run.id, "step": done }),
                request_id: Some(format!("{}-{}-{done}", run.scope, stage.name)),
                sources: self.sources_at(function, done),
            };
            let invocation = self.cloud.functions.invoke(&self.permit, request).await?;
            if !self.embedded {
                // There, it is the only one; and one that failed may have written.
                self.counts(run, index, (invocation.records_in, invocation.records_out));
            }
            if let Some(error) = invocation.error {
                return Err(Error::failed(format!("step {} of {steps}: {error}", done + 1)));
            }
            done += 1;
            self.edit(run, index, |s| {
                s.step = done;
                if self.embedded {
                    s.records_in = s.records_in.zip(invocation.records_in).map(|(sum, n)| sum + n);
                    s.records_out = s.records_out.zip(invocation.records_out).map(|(sum, n)| sum + n);
                }
            });
            if done.is_multiple_of(CHECKPOINT) {
                self.cloud.runs.save(&self.permit, run).await?;
            }
        }
        Ok(())
    }

    async fn delivery(&self, run: &mut PipelineRun, index: usize, stage: &Stage) -> Result<()> {
        let name = self.physical(stage)?;
        if self.embedded {
            // What was delivered before the drain counts as well: the counters have it.
            return self.cloud.streams.drain(&self.permit, &name, run.started).await.map(|_| ());
        }
        let drained = self.cloud.streams.drain(&self.permit, &name, run.started).await?;
        self.counts(run, index, (Some(drained.records), Some(drained.records)));
        Ok(())
    }

    /// How many times an entry function is invoked: once, or once for each step of what it replays.
    fn steps(&self, function: &Function) -> Result<u64> {
        let mut steps = 1;
        for (name, source) in &function.sources {
            let Some(SourceMode::Replay { path, .. }) = self.sources.get(name) else { continue };
            // A directory has one state, whatever it is asked.
            if source.directory.is_some() {
                continue;
            }
            let recording = source.recording.as_ref().ok_or_else(|| {
                Error::Invalid(format!("source {name:?} has no `replay` in pipeline.toml: it cannot replay a file"))
            })?;
            let content = std::fs::read(path).map_err(|e| Error::Invalid(format!("{}: {e}", path.display())))?;
            let observations = Observations::read(&path.display().to_string(), &content.into(), recording)?;
            steps = steps.max(observations.steps());
        }
        Ok(steps)
    }

    fn sources_at(&self, function: &Function, step: u64) -> BTreeMap<String, SourceMode> {
        self.sources
            .iter()
            .filter(|(name, _)| function.sources.contains_key(*name))
            .map(|(name, mode)| {
                let mode = match mode {
                    SourceMode::Online => SourceMode::Online,
                    SourceMode::Replay { path, .. } => SourceMode::Replay { path: path.clone(), step },
                };
                (name.clone(), mode)
            })
            .collect()
    }

    async fn job(&self, run: &mut PipelineRun, index: usize, stage: &Stage, interrupted: bool) -> Result<()> {
        let name = self.physical(stage)?;
        if started_by_function(&self.graph, "glue:StartJobRun", &name) {
            return self.started_job(run, index, &name).await;
        }
        let begun = run.stages.get(index).and_then(|s| s.job_run.clone());
        let earlier = match begun {
            Some(id) => self.taken_up(&name, &id).await?,
            None if interrupted => self.finished_since(&name, run.started).await?,
            None => None,
        };
        let done = match earlier {
            Some(done) => done,
            None => self.run_job(run, index, &name).await?,
        };
        let none = self.embedded.then_some(0);
        self.counts(run, index, (done.rows_in.or(none), done.rows_out.or(none)));
        match done.state {
            JobRunState::Succeeded => Ok(()),
            state => {
                Err(Error::failed(done.error.unwrap_or_else(|| format!("the run {} ended {}", done.id, state.word()))))
            }
        }
    }

    /// Waits until nothing goes on any more: a function that is told of an end may have started something once again,
    /// whose stage was over by then. On AWS that goes on by itself.
    pub async fn at_rest(&self, run: &mut PipelineRun) -> Result<()> {
        let name = |id: &str| self.graph.by_id(id).map(|r| r.physical_name.clone()).unwrap_or_default();
        let of = |kind: &str| self.stages.iter().filter(|s| s.kind == kind).map(|s| name(&s.id)).collect::<Vec<_>>();
        let started = |action: &str, all: Vec<String>| -> Vec<String> {
            all.into_iter().filter(|n| started_by_function(&self.graph, action, n)).collect()
        };
        let (crawlers, jobs) = (started("glue:StartCrawler", of("crawler")), started("glue:StartJobRun", of("job")));
        if !self.embedded || (crawlers.is_empty() && jobs.is_empty()) {
            return Ok(());
        }
        let mut told = of("function");
        told.retain(|f| role(&self.graph, f) == Some(Role::Triggered));
        let mut more = false;
        loop {
            for crawler in &crawlers {
                self.rest(crawler).await?;
            }
            for job in &jobs {
                self.runs_since(job, run.started).await?;
            }
            let settled = self.cloud.functions.settle(&self.permit, &told, run.started).await?;
            match settled.error {
                Some(error) if settled.failed > 0 => return Err(Error::failed(error)),
                _ if settled.succeeded == 0 => break,
                _ => more = true,
            }
        }
        for (index, stage) in self.stages.iter().enumerate().filter(|(_, s)| more && s.kind == "job") {
            if started_by_function(&self.graph, "glue:StartJobRun", &name(&stage.id)) {
                self.started_job(run, index, &name(&stage.id)).await?;
            }
        }
        Ok(())
    }

    /// The runs of a job since then, when all are over; the newest first.
    async fn runs_since(&self, job: &str, since: jiff::Timestamp) -> Result<Vec<JobRun>> {
        let (mut wait, slowest) = (POLL, if self.embedded { POLL } else { SLOWEST_POLL });
        loop {
            let runs = self.cloud.jobs.runs(job, RUNS).await?;
            if self.embedded && runs.iter().any(|r| r.state == JobRunState::Starting) {
                // Its process has died: who starts the job takes that run up.
                settled(self.cloud.jobs.start(&self.permit, job).await.map(drop))?;
            } else if runs.iter().all(|r| r.state.is_final()) {
                return Ok(runs.into_iter().filter(|r| r.started >= since).collect());
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(slowest);
        }
    }

    /// Waits for the runs that a function has started, and counts what they did together.
    async fn started_job(&self, run: &mut PipelineRun, index: usize, job: &str) -> Result<()> {
        let mine = self.runs_since(job, run.started).await?;
        let sum = |count: fn(&JobRun) -> Option<u64>| {
            let sum = mine.iter().try_fold(0, |sum, r| count(r).map(|n| sum + n));
            if self.embedded { Some(mine.iter().filter_map(count).sum()) } else { sum }
        };
        self.counts(run, index, (sum(|r| r.rows_in), sum(|r| r.rows_out)));
        match mine.iter().find(|r| r.state != JobRunState::Succeeded) {
            // A later run has made up for it.
            Some(failed) if mine.first().is_some_and(|newest| newest.state != JobRunState::Succeeded) => {
                let why = failed.error.clone().unwrap_or_else(|| failed.state.word().to_owned());
                Err(Error::failed(format!("run {}: {why}", failed.id)))
            }
            _ => Ok(()),
        }
    }

    /// Waits for the crawls that a function has started, or has the crawler look once.
    async fn crawler(&self, run: &PipelineRun, stage: &Stage, interrupted: bool) -> Result<()> {
        let name = self.physical(stage)?;
        let crawlers = &self.cloud.crawlers;
        let driven = started_by_function(&self.graph, "glue:StartCrawler", &name);
        if !driven && !interrupted {
            self.rest(&name).await?;
            settled(crawlers.start(&self.permit, &name).await)?;
        }
        self.rest(&name).await?;
        let last = crawlers.get(&name).await?.last_crawl;
        let failed = last.filter(|c| c.state == CrawlState::Failed && c.started.is_some_and(|t| t >= run.started));
        match failed {
            Some(crawl) => Err(Error::failed(crawl.error.unwrap_or_else(|| "the crawl failed".into()))),
            None => Ok(()),
        }
    }

    /// Returns when a crawler is at rest.
    async fn rest(&self, crawler: &str) -> Result<()> {
        let (mut wait, slowest) = (POLL, if self.embedded { POLL } else { SLOWEST_POLL });
        while self.cloud.crawlers.get(crawler).await?.state != CrawlerState::Ready {
            let waits = self.embedded
                && self.cloud.crawlers.crawls(crawler, 1).await?.iter().any(|c| c.state == CrawlState::Starting);
            if waits {
                settled(self.cloud.crawlers.start(&self.permit, crawler).await)?;
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(slowest);
        }
        Ok(())
    }

    /// A run of the job that this run may have started and not lived to write down.
    async fn finished_since(&self, job: &str, since: jiff::Timestamp) -> Result<Option<JobRun>> {
        let runs = self.cloud.jobs.runs(job, 20).await?;
        Ok(runs.into_iter().find(|r| {
            r.state == JobRunState::Succeeded && r.started >= since && r.rows_in.is_some_and(|rows| rows > 0)
        }))
    }

    /// The run that this stage had started before it was cut off, which went on by itself; none where it has not succeeded,
    /// or is gone.
    async fn taken_up(&self, job: &str, id: &str) -> Result<Option<JobRun>> {
        match self.wait(job, id).await {
            Ok(done) => Ok(Some(done).filter(|done| done.state == JobRunState::Succeeded)),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(other) => Err(other),
        }
    }

    async fn run_job(&self, run: &mut PipelineRun, index: usize, job: &str) -> Result<JobRun> {
        loop {
            match self.cloud.jobs.start(&self.permit, job).await {
                Ok(started) => {
                    if !self.embedded {
                        self.edit(run, index, |s| s.job_run = Some(started.id.clone()));
                        self.cloud.runs.save(&self.permit, run).await?;
                    }
                    return self.wait(job, &started.id).await;
                }
                // A schedule was quicker: its run is waited for, and then comes ours.
                Err(Error::Conflict(_)) => {
                    let runs = self.cloud.jobs.runs(job, 1).await?;
                    match runs.first() {
                        Some(other) if !other.state.is_final() => {
                            self.wait(job, &other.id).await?;
                        }
                        _ => tokio::time::sleep(if self.embedded { POLL } else { SLOWEST_POLL }).await,
                    }
                }
                Err(e) => return Err(e),
            }
        }
    }

    async fn wait(&self, job: &str, id: &str) -> Result<JobRun> {
        let (mut wait, slowest) = (POLL, if self.embedded { POLL } else { SLOWEST_POLL });
        let mut troubles = 0;
        loop {
            match self.cloud.jobs.run(job, id).await {
                Ok(now) if now.state.is_final() => return Ok(now),
                Ok(_) => troubles = 0,
                // The job does not depend on whether we see it.
                Err(Error::Throttled(_) | Error::Unavailable(_)) if troubles < PATIENCE => troubles += 1,
                Err(error) => return Err(error),
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(slowest);
        }
    }

    /// The stage's counters of records in and out. AWS has none that only grow: its figures are those of a span of time.
    pub async fn counters(&self, stage: &Stage) -> Result<Counts> {
        if !self.embedded {
            return Ok((None, None));
        }
        let name = self.physical(stage)?;
        let cloud = &self.cloud;
        let both = |count: Option<u64>| (count, count);
        Ok(match stage.kind {
            "function" => {
                let all = cloud.functions.list().await?;
                all.into_iter().find(|f| f.name == name).map_or((None, None), |f| (f.records_in, f.records_out))
            }
            "stream" => both(cloud.streams.list().await?.into_iter().find(|s| s.name == name).and_then(|s| s.records)),
            "queue" => both(cloud.queues.list().await?.into_iter().find(|q| q.name == name).and_then(|q| q.sent)),
            "delivery" => {
                let all = cloud.streams.deliveries().await?;
                both(all.into_iter().find(|d| d.name == name).and_then(|d| d.delivered_records))
            }
            "dynamodb" => both(Some(cloud.tables.count(&name).await?)),
            "bucket" => both(cloud.buckets.detail(&name).await?.bucket.objects),
            "topic" => both(cloud.alerts.topics().await?.into_iter().find(|t| t.name == name).and_then(|t| t.messages)),
            _ => (None, None),
        })
    }

    fn physical(&self, stage: &Stage) -> Result<String> {
        self.graph
            .by_id(&stage.id)
            .map(|r| r.physical_name.clone())
            .ok_or_else(|| Error::storage(format!("{} is not in the stack's graph", stage.id)))
    }

    fn counts(&self, run: &mut PipelineRun, index: usize, (records_in, records_out): Counts) {
        self.edit(run, index, |s| (s.records_in, s.records_out) = (records_in, records_out));
    }

    fn edit(&self, run: &mut PipelineRun, index: usize, edit: impl FnOnce(&mut StageRun)) {
        if let Some(stage) = run.stages.get_mut(index) {
            edit(stage);
            let _ = self.progress.send(RunProgress::Stage(stage.clone()));
        }
    }
}

/// Somebody else may have been quicker.
fn settled(started: Result<()>) -> Result<()> {
    match started {
        Ok(()) | Err(Error::Conflict(_)) => Ok(()),
        Err(error) => Err(error),
    }
}

/// What a counter has grown by.
fn grown(before: Option<u64>, now: Option<u64>) -> Option<u64> {
    before.zip(now).map(|(before, now)| now.saturating_sub(before))
}
