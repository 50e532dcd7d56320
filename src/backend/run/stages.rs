//! What a run does at each kind of stage.

use std::{collections::BTreeMap, time::Instant};

use serde_json::json;

use super::{RunProgress, Work};
use crate::cloud::{
    Error, Result,
    flow::Stage,
    functions::{Invoke, SourceMode},
    jobs::{JobRun, JobRunState},
    recording::Observations,
    resources::{Function, Graph, NotificationTarget, Properties, ScheduleTarget},
    runs::{PipelineRun, StageRun},
};

/// Steps between two writings of how far a stage has come.
pub const CHECKPOINT: u64 = 100;

/// How often a job's run is looked at.
const POLL: std::time::Duration = std::time::Duration::from_millis(50);

/// What starts a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The run itself: it reads sources, or a schedule starts it.
    Entry,
    /// New objects do.
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
            Properties::Schedule(s) if s.target == ScheduleTarget::Function(function.to_owned()) => entry = true,
            Properties::Function(f) if resource.physical_name == function && !f.sources.is_empty() => entry = true,
            _ => {}
        }
    }
    entry.then_some(Role::Entry)
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
        });
        let outcome = match stage.kind {
            "function" => self.function(run, index, &stage).await,
            "delivery" => {
                let name = self.physical(&stage)?;
                self.cloud.streams.drain(&self.permit, &name, run.started).await.map(|_| ())
            }
            "job" => self.job(run, index, &stage, interrupted).await,
            // A stream, a bucket or a topic holds what it was given by then.
            _ => Ok(()),
        };
        // A job and a function that the run itself invokes have told what they did.
        let told = stage.kind == "job" || run.stages.get(index).is_some_and(|s| s.steps > 0);
        if outcome.is_ok() && !told {
            let now = self.counters(&stage).await?;
            self.edit(run, index, |s| {
                s.records_in = now.0.saturating_sub(s.baseline.0);
                s.records_out = now.1.saturating_sub(s.baseline.1);
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
            if let Some(error) = invocation.error {
                return Err(Error::failed(format!("step {} of {steps}: {error}", done + 1)));
            }
            done += 1;
            self.edit(run, index, |s| {
                s.step = done;
                s.records_in += invocation.records_in.unwrap_or(0);
                s.records_out += invocation.records_out.unwrap_or(0);
            });
            if done.is_multiple_of(CHECKPOINT) {
                self.cloud.runs.save(&self.permit, run).await?;
            }
        }
        Ok(())
    }

    /// How many times an entry function is invoked: once, or once for each step of what it replays.
    fn steps(&self, function: &Function) -> Result<u64> {
        let mut steps = 1;
        for (name, source) in &function.sources {
            let Some(SourceMode::Replay { path, .. }) = self.sources.get(name) else { continue };
            let recording = source.recording.as_ref().ok_or_else(|| {
                Error::Invalid(format!("source {name:?} has no `replay` in pipeline.toml: it cannot replay a file"))
            })?;
            let content = std::fs::read(path).map_err(|e| Error::Invalid(format!("{}: {e}", path.display())))?;
            let observations = Observations::parse(&path.display().to_string(), &content.into(), recording)?;
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
        let earlier = if interrupted { self.finished_since(&name, run.started).await? } else { None };
        let done = match earlier {
            Some(done) => done,
            None => self.run_job(&name).await?,
        };
        self.edit(run, index, |s| {
            s.records_in = done.rows_in.unwrap_or(0);
            s.records_out = done.rows_out.unwrap_or(0);
        });
        match done.state {
            JobRunState::Succeeded => Ok(()),
            state => {
                Err(Error::failed(done.error.unwrap_or_else(|| format!("the run {} ended {}", done.id, state.word()))))
            }
        }
    }

    /// A run of the job that this run may have started and not lived to write down.
    async fn finished_since(&self, job: &str, since: jiff::Timestamp) -> Result<Option<JobRun>> {
        let runs = self.cloud.jobs.runs(job, 20).await?;
        Ok(runs.into_iter().find(|r| {
            r.state == JobRunState::Succeeded && r.started >= since && r.rows_in.is_some_and(|rows| rows > 0)
        }))
    }

    async fn run_job(&self, job: &str) -> Result<JobRun> {
        loop {
            match self.cloud.jobs.start(&self.permit, job).await {
                Ok(started) => return self.wait(job, &started.id).await,
                // A schedule was quicker: its run is waited for, and then comes ours.
                Err(Error::Conflict(_)) => {
                    let runs = self.cloud.jobs.runs(job, 1).await?;
                    match runs.first() {
                        Some(other) if !other.state.is_final() => {
                            self.wait(job, &other.id).await?;
                        }
                        _ => tokio::time::sleep(POLL).await,
                    }
                }
                Err(e) => return Err(e),
            }
        }
    }

    async fn wait(&self, job: &str, id: &str) -> Result<JobRun> {
        loop {
            let now = self.cloud.jobs.run(job, id).await?;
            if now.state.is_final() {
                return Ok(now);
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// The stage's counters of records in and out.
    pub async fn counters(&self, stage: &Stage) -> Result<(u64, u64)> {
        let name = self.physical(stage)?;
        let cloud = &self.cloud;
        Ok(match stage.kind {
            "function" => {
                let all = cloud.functions.list().await?;
                all.into_iter()
                    .find(|f| f.name == name)
                    .map_or((0, 0), |f| (f.records_in.unwrap_or(0), f.records_out.unwrap_or(0)))
            }
            "stream" => {
                let all = cloud.streams.list().await?;
                all.into_iter()
                    .find(|s| s.name == name)
                    .map_or((0, 0), |s| (s.records.unwrap_or(0), s.records.unwrap_or(0)))
            }
            "delivery" => {
                let all = cloud.streams.deliveries().await?;
                let delivered = all.into_iter().find(|d| d.name == name).and_then(|d| d.delivered_records).unwrap_or(0);
                (delivered, delivered)
            }
            "bucket" => {
                let objects = cloud.buckets.detail(&name).await?.bucket.objects.unwrap_or(0);
                (objects, objects)
            }
            "topic" => {
                let all = cloud.alerts.topics().await?;
                let messages = all.into_iter().find(|t| t.name == name).and_then(|t| t.messages).unwrap_or(0);
                (messages, messages)
            }
            _ => (0, 0),
        })
    }

    fn physical(&self, stage: &Stage) -> Result<String> {
        self.graph
            .by_id(&stage.id)
            .map(|r| r.physical_name.clone())
            .ok_or_else(|| Error::storage(format!("{} is not in the stack's graph", stage.id)))
    }

    fn edit(&self, run: &mut PipelineRun, index: usize, edit: impl FnOnce(&mut StageRun)) {
        if let Some(stage) = run.stages.get_mut(index) {
            edit(stage);
            let _ = self.progress.send(RunProgress::Stage(stage.clone()));
        }
    }
}
