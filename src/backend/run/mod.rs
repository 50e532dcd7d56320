//! A run: once through every stage of a pipeline, in the order in which data flows.
//!
//! How far it has come is written down after each stage (and every `stages::CHECKPOINT` steps within one), so that a
//! run whose process was killed is carried on by the next. Steps that were done but not yet written down are done
//! again under the same invocation ids, and the cloud tells that it has their records already.

mod inputs;
mod stages;

use std::{collections::BTreeMap, path::PathBuf};

use serde::Serialize;
use tokio::sync::mpsc::UnboundedSender;

use super::{Backend, Consent, Effect, Outcome, Result, Strength, uploads::Fed};
use crate::cloud::{
    self, Cloud, Error, Permit,
    flow::{self, Stage},
    functions::SourceMode,
    resources::Graph,
    runs::{PipelineRun, StageRun},
    stacks::{Engine, Stack},
};
use inputs::Inputs;

/// How to run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunOptions {
    /// Per source name, a file to replay instead of the source.
    pub sources: BTreeMap<String, PathBuf>,
    /// Sources answer from their real addresses.
    pub online: bool,
    /// Start anew where an interrupted run could be carried on.
    pub restart: bool,
}

/// News of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunProgress {
    /// An interrupted run is carried on, from this stage.
    Resumed {
        /// The run.
        run: String,
        /// The first stage that it has not behind it.
        stage: String,
    },
    /// An interrupted run is given up for a new one.
    Restarted {
        /// The run that is given up.
        run: String,
    },
    /// A source of files was fed with others.
    Fed {
        /// The source.
        source: String,
        /// Files that are new or other than before.
        uploaded: usize,
        /// Objects that are no part of them, and that were removed.
        removed: usize,
    },
    /// A stage has begun, gone on or ended.
    Stage(StageRun),
}

/// What a run did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RunReport {
    /// The pipeline.
    pub pipeline: String,
    /// The environment.
    pub env: String,
    /// Whether every stage succeeded.
    pub ok: bool,
    /// The stages, in the order in which data flows.
    pub stages: Vec<StageReport>,
}

/// What a stage did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StageReport {
    /// Its name in pipeline.toml.
    pub name: String,
    /// `function`, `stream`, `queue`, `delivery`, `bucket`, `topic`, `crawler`, `job`.
    pub kind: String,
    /// `SUCCEEDED`, `FAILED`, `PENDING` (after one that failed).
    pub status: String,
    /// Records that it read: observations, records, rows, objects or messages, after its kind; none where nobody has
    /// counted them.
    pub records_in: Option<u64>,
    /// Records that it wrote; none where nobody has counted them.
    pub records_out: Option<u64>,
    /// Milliseconds.
    pub elapsed_ms: u64,
    /// Why it failed.
    pub error: Option<String>,
}

impl From<&StageRun> for StageReport {
    fn from(stage: &StageRun) -> Self {
        Self {
            name: stage.name.clone(),
            kind: stage.kind.clone(),
            status: stage.status.clone(),
            records_in: stage.records_in,
            records_out: stage.records_out,
            elapsed_ms: stage.elapsed_ms,
            error: stage.error.clone(),
        }
    }
}

impl Outcome for PipelineRun {
    fn failure(&self) -> Option<String> {
        let failed = self.stages.iter().find(|s| s.status == "FAILED")?;
        Some(format!("{} {}: {}", failed.kind, failed.name, failed.error.as_deref().unwrap_or("no reason given")))
    }
}

/// Where news of a run goes.
pub type Progress = UnboundedSender<RunProgress>;

impl Backend {
    /// What a run does, and how much confirmation it deserves: a yes in a protected environment.
    pub fn run_effect(&self, pipeline: &str) -> Effect {
        let strength = if self.protects(pipeline) { Strength::Confirm } else { Strength::Free };
        Effect {
            what: "run",
            target: self.stack_name(pipeline),
            sentence: format!("{pipeline} runs once through all its stages in {}", self.env),
            strength,
        }
    }

    /// Runs a pipeline once through every stage. A stage that fails is in the report and ends the run.
    ///
    /// # Errors
    /// Where the run cannot begin: not deployed, its deploy was cut off, another run is at work, a file to replay that
    /// cannot be read (on AWS, any file to replay), or other inputs than those of the interrupted run.
    pub async fn run(
        &self,
        pipeline: &str,
        options: &RunOptions,
        consent: &Consent,
        progress: Progress,
    ) -> Result<RunReport> {
        self.gate.check("run", &self.stack_name(pipeline))?;
        let embedded = self.cloud.identity.known().cloud == "local";
        let uploads = self.uploads(pipeline);
        let asked = options.sources.keys().find(|name| uploads.iter().all(|u| u.source != **name));
        if let Some(source) = asked.filter(|_| !embedded) {
            let what = format!(
                "replaying a file instead of the source {source:?}: functions on AWS ask the source itself (leave \
                 --source out, or replay on the embedded cloud with --local)"
            );
            return Err(Error::Unsupported { cloud: "aws", what }.into());
        }
        let stack_name = self.stack_name(pipeline);
        if self.engine_of(pipeline) == Engine::Terraform {
            let why = "Terraform deploys it, and nobody has said how data flows through it";
            let what = format!("{pipeline} cannot be run as a whole: {why}; start its jobs and functions one by one");
            return Err(Error::Invalid(what).into());
        }
        let stack = self.status(pipeline).await?;
        if stack.is_none() {
            // A name that nothing has is told apart from a pipeline that is not deployed.
            self.pipeline(pipeline)?;
        }
        let (stack, graph) = runnable(stack, &stack_name, pipeline)?;
        let inputs = Inputs::read(&graph, &uploads, options, embedded)?;
        let earlier = self.cloud.runs.list(&stack.name, 1).await?.into_iter().next();
        let stages = movers(&graph);
        let now = self.cloud.clock.now();
        let mut run = next_run(&stack.name, &stages, &inputs, earlier, options.restart, now, &progress)?;

        let cloud = self.cloud.clone();
        let done = self
            .gate
            .perform(&self.run_effect(pipeline), consent, |permit| async move {
                let work = Work { cloud, permit, graph, stages, sources: inputs.modes, embedded, progress };
                work.begin(&mut run).await?;
                for feed in &inputs.feeds {
                    let fed = feed.sync(&work.cloud, &work.permit).await?;
                    let (source, Fed { uploaded, removed }) = (feed.source.clone(), fed);
                    let _ = work.progress.send(RunProgress::Fed { source, uploaded, removed });
                }
                work.go(&mut run).await?;
                Ok(run)
            })
            .await?;
        Ok(RunReport {
            pipeline: pipeline.to_owned(),
            env: self.env.clone(),
            ok: done.status == "SUCCEEDED",
            stages: done.stages.iter().map(StageReport::from).collect(),
        })
    }
}

/// What one run works with.
struct Work {
    cloud: Cloud,
    permit: Permit,
    graph: Graph,
    stages: Vec<Stage>,
    sources: BTreeMap<String, SourceMode>,
    /// Whether this is the embedded cloud, which counts everything.
    embedded: bool,
    progress: Progress,
}

impl Work {
    /// Puts the run on record, with what the counters stand at.
    async fn begin(&self, run: &mut PipelineRun) -> cloud::Result<()> {
        if run.stages.is_empty() {
            for stage in &self.stages {
                let baseline = self.counters(stage).await?;
                run.stages.push(StageRun {
                    name: stage.name.clone(),
                    kind: stage.kind.to_owned(),
                    status: "PENDING".into(),
                    records_in: Some(0),
                    records_out: Some(0),
                    baseline,
                    ..StageRun::default()
                });
            }
        }
        "RUNNING".clone_into(&mut run.status);
        run.ended = None;
        self.cloud.runs.begin(&self.permit, run).await
    }

    /// Goes through the stages that are not done.
    async fn go(&self, run: &mut PipelineRun) -> cloud::Result<()> {
        let mut failed = false;
        for index in 0..self.stages.len() {
            if run.stages.get(index).is_none_or(|s| s.status == "SUCCEEDED") {
                continue;
            }
            let outcome = self.stage(run, index).await;
            if let Some(stage) = run.stages.get_mut(index) {
                match outcome {
                    Ok(()) => "SUCCEEDED".clone_into(&mut stage.status),
                    Err(e) => {
                        "FAILED".clone_into(&mut stage.status);
                        stage.error = Some(e.to_string());
                        failed = true;
                    }
                }
                let _ = self.progress.send(RunProgress::Stage(stage.clone()));
            }
            if failed {
                break;
            }
            self.cloud.runs.save(&self.permit, run).await?;
        }
        if !failed && let Err(error) = self.at_rest(run).await {
            failed = true;
            if let Some(stage) = run.stages.last_mut() {
                "FAILED".clone_into(&mut stage.status);
                stage.error = Some(error.to_string());
            }
        }
        if failed { "FAILED" } else { "SUCCEEDED" }.clone_into(&mut run.status);
        run.ended = Some(self.cloud.clock.now());
        self.cloud.runs.save(&self.permit, run).await
    }
}

/// The stages that data moves through: what is asked later (tables, queries, APIs) is no part of a run, nor is a
/// function that only an API calls.
fn movers(graph: &Graph) -> Vec<Stage> {
    let mut stages = flow::flow(graph);
    stages.retain(|s| match s.kind {
        "stream" | "queue" | "delivery" | "bucket" | "dynamodb" | "topic" | "crawler" | "job" => true,
        "function" => graph.by_id(&s.id).is_some_and(|r| stages::role(graph, &r.physical_name).is_some()),
        _ => false,
    });
    stages
}

fn runnable(stack: Option<Stack>, name: &str, pipeline: &str) -> cloud::Result<(Stack, Graph)> {
    let Some(mut stack) = stack else {
        return Err(Error::Invalid(format!(
            "{pipeline} is not deployed (no stack {name}): `pumphouse deploy {pipeline}` first"
        )));
    };
    if !stack.status.usable() {
        let state = if stack.interrupted { "was interrupted" } else { stack.status.word() };
        return Err(Error::Conflict(format!(
            "the last deploy of {name} {state}: `pumphouse deploy {pipeline}` carries it on"
        )));
    }
    let graph = stack.graph.take().ok_or_else(|| {
        Error::Invalid(format!("the stack {name} was not made by pumphouse: it cannot be run as a whole"))
    })?;
    Ok((stack, graph))
}

/// The run to do: the interrupted one, or a new one.
fn next_run(
    stack: &str,
    stages: &[Stage],
    inputs: &Inputs,
    earlier: Option<PipelineRun>,
    restart: bool,
    now: jiff::Timestamp,
    progress: &Progress,
) -> cloud::Result<PipelineRun> {
    let id = uuid::Uuid::now_v7().simple().to_string();
    let mut fresh = PipelineRun {
        id: id.clone(),
        stack: stack.to_owned(),
        scope: id,
        inputs: inputs.words.clone(),
        status: "RUNNING".into(),
        started: now,
        ended: None,
        stages: Vec::new(),
    };
    let Some(earlier) = earlier.filter(|r| matches!(r.status.as_str(), "INTERRUPTED" | "FAILED" | "RUNNING")) else {
        return Ok(fresh);
    };
    if earlier.status == "RUNNING" {
        return Err(Error::Conflict(format!(
            "run {} of {stack} is at work in another process: wait for it, or end that process",
            earlier.id
        )));
    }
    let same_stages = earlier.stages.is_empty()
        || earlier
            .stages
            .iter()
            .map(|s| (s.kind.as_str(), s.name.as_str()))
            .eq(stages.iter().map(|s| (s.kind, s.name.as_str())));
    if restart {
        if earlier.inputs == inputs.words {
            fresh.scope.clone_from(&earlier.scope);
        }
        if earlier.inputs == inputs.words && same_stages {
            // What the earlier run has written counts as this one's: it will not be written again.
            let anew = |s: StageRun| StageRun {
                status: "PENDING".into(),
                name: s.name,
                kind: s.kind,
                records_in: Some(0),
                records_out: Some(0),
                baseline: s.baseline,
                ..StageRun::default()
            };
            fresh.stages = earlier.stages.into_iter().map(anew).collect();
        }
        let _ = progress.send(RunProgress::Restarted { run: earlier.id });
        return Ok(fresh);
    }
    if earlier.status == "FAILED" && (earlier.inputs != inputs.words || !same_stages) {
        // It ended and said so; only what reads the same again carries on where it failed.
        return Ok(fresh);
    }
    if earlier.inputs != inputs.words || !same_stages {
        let what = if same_stages { "read other inputs" } else { "had other stages" };
        return Err(Error::Conflict(format!(
            "run {} of {stack} was cut off and {what} ({}): run it again with those to carry it on, or start anew with \
             --restart",
            earlier.id, earlier.inputs
        )));
    }
    let stage = earlier.stages.iter().find(|s| s.status != "SUCCEEDED").map_or("the end", |s| s.name.as_str());
    let _ = progress.send(RunProgress::Resumed { run: earlier.id.clone(), stage: stage.to_owned() });
    Ok(earlier)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inputs(words: &str) -> Inputs {
        Inputs { modes: BTreeMap::new(), feeds: Vec::new(), words: words.into() }
    }

    fn earlier(status: &str) -> PipelineRun {
        PipelineRun {
            id: "old".into(),
            stack: "x-dev".into(),
            scope: "scope".into(),
            inputs: "a".into(),
            status: status.into(),
            started: jiff::Timestamp::UNIX_EPOCH,
            ended: None,
            stages: Vec::new(),
        }
    }

    fn next(status: &str, words: &str, restart: bool) -> cloud::Result<PipelineRun> {
        let (progress, _news) = tokio::sync::mpsc::unbounded_channel();
        next_run("x-dev", &[], &inputs(words), Some(earlier(status)), restart, jiff::Timestamp::UNIX_EPOCH, &progress)
    }

    #[test]
    fn an_interrupted_run_is_carried_on_with_the_same_inputs() {
        assert_eq!(next("INTERRUPTED", "a", false).unwrap().id, "old");
        assert_eq!(next("FAILED", "a", false).unwrap().id, "old");
        assert!(matches!(next("INTERRUPTED", "b", false), Err(Error::Conflict(_))));
        assert_ne!(next("FAILED", "b", false).unwrap().scope, "scope");
        assert!(matches!(next("RUNNING", "a", false), Err(Error::Conflict(_))));
        assert_ne!(next("SUCCEEDED", "a", false).unwrap().scope, "scope");
    }

    #[test]
    fn a_restart_keeps_the_scope_so_that_nothing_is_written_twice() {
        let run = next("INTERRUPTED", "a", true).unwrap();
        assert_ne!(run.id, "old");
        assert_eq!(run.scope, "scope");
        assert_ne!(next("INTERRUPTED", "b", true).unwrap().scope, "scope");
    }
}
