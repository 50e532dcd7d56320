//! The overview: which pipelines there are, how they are, and one of them stage by stage.

mod facts;
mod timeline;

use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;

use super::{Backend, Result};
use crate::{
    cloud::{
        self,
        alerts::Topic,
        flow::{self, Stage},
        releases::Release,
        resources::Graph,
        stacks::Stack,
    },
    spec::{self, ExistingKind},
    text::plural,
};
pub(super) use facts::Facts;
use facts::absent;
use timeline::hears_of_files;

/// How something is, from good to bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// Not deployed, or nothing known.
    Absent,
    /// Well, and nothing goes on.
    Idle,
    /// Well and at work.
    Busy,
    /// Somebody should look: an alarm, an interrupted deploy.
    Warning,
    /// Something failed.
    Bad,
}

/// A pipeline in a list.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PipelineSummary {
    /// Its name.
    pub name: String,
    /// What it does.
    pub description: String,
    /// Its stack's status; none where it is not deployed in this environment.
    pub stack: Option<String>,
    /// When the stack was last changed.
    pub deployed: Option<Timestamp>,
    /// How it is.
    pub health: Health,
    /// The same in words: "job clean_prices failed".
    pub words: String,
    /// Whether an alarm is what is wrong.
    #[serde(skip)]
    pub in_alarm: bool,
    /// Whether a release that waits for an approval is what wants to be looked at.
    #[serde(skip)]
    pub waits: bool,
    /// The name of a stack that is no pipeline of this environment; none for a pipeline.
    #[serde(skip)]
    pub other: Option<String>,
}

/// One pipeline in full.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PipelineView {
    /// What a list shows of it.
    pub summary: PipelineSummary,
    /// Its stages in the order in which data flows; from pipeline.toml where it is not deployed.
    pub stages: Vec<StageView>,
    /// What happened lately, the oldest first.
    pub timeline: Vec<TimelineEntry>,
}

/// One stage.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StageView {
    /// The stage.
    pub stage: Stage,
    /// How it is.
    pub health: Health,
    /// Its live figure: "3 rec/min", "1,204 objects".
    pub figure: String,
    /// Its newest error, or what is next.
    pub detail: Option<String>,
    /// The log group to look into.
    pub log_group: Option<String>,
    /// A growing number by which a face can tell that the stage has done something since it last looked.
    pub activity: u64,
}

/// The timeline's lanes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Lane {
    /// Job runs, and calls of functions that failed.
    Runs,
    /// Messages to topics, other than news of files.
    Alerts,
    /// Deploys and destroys.
    Deploys,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TimelineEntry {
    /// When.
    pub time: Timestamp,
    /// Its lane.
    pub lane: Lane,
    /// Whether it failed.
    pub bad: bool,
    /// What it was, in a line: it may hold anything.
    pub text: String,
}

impl Backend {
    /// All pipelines: those with a pipeline.toml, and those of which only a stack is left.
    pub async fn list_pipelines(&self) -> Result<Vec<PipelineSummary>> {
        self.summaries(true).await
    }

    /// The same for a face that shows how they are beside something else: what is known of that will do. After them, all
    /// other stacks of the account and region.
    pub async fn list_deployable(&self) -> Result<Vec<PipelineSummary>> {
        let stacks = self.list_stacks().await?;
        let mut all = self.summaries_of(&stacks, false).await?;
        let ours: Vec<_> = all.iter().map(|p| self.stack_name(&p.name)).collect();
        all.extend(stacks.iter().filter(|s| !ours.contains(&s.name)).map(other));
        Ok(all)
    }

    async fn summaries(&self, now: bool) -> Result<Vec<PipelineSummary>> {
        self.summaries_of(&self.list_stacks().await?, now).await
    }

    async fn summaries_of(&self, stacks: &[Stack], now: bool) -> Result<Vec<PipelineSummary>> {
        let here = |stack: &Stack| stack.pipeline.is_some() && stack.env.as_deref() == Some(self.env.as_str());
        // What is not deployed has nothing to tell.
        let facts = if stacks.iter().any(here) { self.facts(now).await } else { Arc::default() };
        let mut all = Vec::new();
        let locations = spec::pipelines(self.pipelines.dir.as_deref())
            .map_err(|e| super::Error::Spec(format!("the pipelines cannot be listed: {e}")))?;
        for location in locations {
            let summary = match spec::load(&location, &self.pipelines.handlers) {
                Ok(p) => {
                    let stack = stacks.iter().find(|s| s.name == self.stack_name(&p.name));
                    summarize(&p.name, &p.description, stack, &facts)
                }
                Err(report) => {
                    // What it made before somebody broke the file is still there.
                    let stack = stacks.iter().find(|s| s.name == self.stack_name(&location.name()));
                    PipelineSummary {
                        name: location.name(),
                        description: String::new(),
                        stack: stack.map(|s| s.status.word().to_owned()),
                        deployed: stack.map(|s| s.updated),
                        health: Health::Bad,
                        in_alarm: false,
                        waits: false,
                        other: None,
                        words: match report.diagnostics.first() {
                            Some(d) => format!("pipeline.toml:{}:{}: {}", d.line, d.column, d.message),
                            None => "pipeline.toml is wrong".into(),
                        },
                    }
                }
            };
            all.push(summary);
        }
        for stack in stacks.iter().filter(|s| here(s)) {
            if let Some(name) = stack.pipeline.as_deref()
                && !all.iter().any(|p| p.name == name)
            {
                all.push(summarize(name, "deployed; its pipeline.toml is not here", Some(stack), &facts));
            }
        }
        all.sort_by(|a, b| a.name.cmp(&b.name));
        mark_waiting(&mut all, &self.waiting_shown().await);
        Ok(all)
    }

    /// One pipeline in full.
    pub async fn view(&self, pipeline: &str) -> Result<PipelineView> {
        let stack = self.status_shown(pipeline).await?;
        let spec = self.pipeline(pipeline);
        let facts = if stack.is_some() { self.facts(false).await } else { Arc::default() };
        let description = spec.as_ref().map(|p| p.description.clone()).unwrap_or_default();
        let summary = summarize(pipeline, &description, stack.as_ref(), &facts);
        if let Ok(spec) = spec.as_ref().map_err(|_| ()).and_then(|s| s.terraform.as_ref().map(|_| s).ok_or(())) {
            return Ok(self.view_existing(spec, summary, stack.as_ref()).await);
        }
        let Some((stack, graph)) = stack.as_ref().and_then(|s| Some((s, s.graph.as_ref()?))) else {
            spec?;
            let graph = self.graph(pipeline)?;
            let stages = flow::flow(&graph).into_iter().map(absent).collect();
            return Ok(PipelineView { summary, stages, timeline: Vec::new() });
        };
        let mut stages: Vec<_> = flow::flow(graph).into_iter().map(|s| facts.stage(s)).collect();
        self.count_items(&mut stages).await;
        let timeline = self.timeline(stack, graph, &facts).await;
        Ok(PipelineView { summary, stages, timeline })
    }

    /// A pipeline that Terraform deploys, by what pipeline.toml names of it: how data flows there, nobody has said.
    async fn view_existing(
        &self,
        spec: &spec::Pipeline,
        summary: PipelineSummary,
        stack: Option<&Stack>,
    ) -> PipelineView {
        let existing = spec.env(&self.env).map(|env| env.existing.as_slice()).unwrap_or_default();
        let facts = if existing.is_empty() { Arc::default() } else { self.facts(false).await };
        let mut stages = Vec::new();
        for (kind, names) in existing {
            let Some(kind) = stage_of(*kind) else { continue };
            stages.extend(names.iter().map(|name| {
                let (name, id) = (name.clone(), format!("{kind}/{name}"));
                facts.stage(Stage { physical_name: name.clone(), name, kind, id, after: Vec::new() })
            }));
        }
        self.count_items(&mut stages).await;
        let mut timeline = match stack {
            Some(stack) => self.deploys(stack).await,
            None => Vec::new(),
        };
        for job in stages.iter().filter(|s| s.stage.kind == "job").map(|s| &s.stage.physical_name) {
            timeline.extend(self.job_runs(job, job, &facts).await);
        }
        timeline.sort_by_key(|entry| entry.time);
        PipelineView { summary, stages, timeline }
    }

    /// Tells how many items the key-value tables among the stages hold: the whole account's would be a call for each.
    async fn count_items(&self, stages: &mut [StageView]) {
        let exact = self.cloud.identity.known().cloud == "local";
        for view in stages.iter_mut().filter(|v| v.stage.kind == "dynamodb") {
            let Some(items) = self.items_shown(&view.stage.physical_name).await else { continue };
            view.activity = items;
            view.figure = items_in_words(items, exact);
        }
    }
}

/// DynamoDB counts every six hours: a table that was filled since then is not empty.
fn items_in_words(items: u64, exact: bool) -> String {
    match items {
        n if exact => plural(n, "item"),
        0 => String::new(),
        n => format!("about {}", plural(n, "item")),
    }
}

impl Backend {
    /// Topics with those last that only hear of each new object: people look for what is published to them. And why
    /// others, or part of them, could not be read.
    pub async fn topics(&self) -> (Vec<Topic>, Vec<cloud::Error>) {
        let (mut topics, errors) = self.cloud.alerts.topics().gather().await;
        let mut graphs: Vec<(String, Option<Graph>)> = Vec::new();
        let mut noisy = Vec::new();
        if topics.iter().any(|topic| topic.pipeline.is_some()) {
            self.look_at_stacks().await;
        }
        for topic in &topics {
            let Some(pipeline) = &topic.pipeline else { continue };
            if !graphs.iter().any(|(name, _)| name == pipeline) {
                let stack = self.status_shown(pipeline).await.ok().flatten();
                graphs.push((pipeline.clone(), stack.and_then(|s| s.graph)));
            }
            let graph = graphs.iter().find(|(name, _)| name == pipeline).and_then(|(_, graph)| graph.as_ref());
            if graph.is_some_and(|graph| hears_of_files(graph, &topic.name)) {
                noisy.push(topic.name.clone());
            }
        }
        topics.sort_by_key(|topic| noisy.contains(&topic.name));
        (topics, errors)
    }
}

/// The kind of stage that something existing is; none for what data does not flow through.
fn stage_of(kind: ExistingKind) -> Option<&'static str> {
    Some(match kind {
        ExistingKind::Stream => "stream",
        ExistingKind::Delivery => "delivery",
        ExistingKind::Bucket => "bucket",
        ExistingKind::Function => "function",
        ExistingKind::Queue => "queue",
        ExistingKind::Crawler => "crawler",
        ExistingKind::Job => "job",
        ExistingKind::Topic => "topic",
        ExistingKind::Table => "table",
        ExistingKind::KeyTable => "dynamodb",
        ExistingKind::Database | ExistingKind::Workgroup | ExistingKind::LogGroup => return None,
    })
}

/// A stack that no pipeline here made, with a name that no pipeline can have.
fn other(stack: &Stack) -> PipelineSummary {
    let word = stack.status.word();
    PipelineSummary {
        name: format!("stack {}", stack.name),
        description: String::new(),
        stack: Some(word.to_owned()),
        deployed: Some(stack.updated),
        health: match (stack.status.in_progress(), stack.status.complete()) {
            (true, _) => Health::Busy,
            (false, true) => Health::Idle,
            (false, false) => Health::Bad,
        },
        words: word.to_lowercase().replace('_', " "),
        in_alarm: false,
        waits: false,
        other: Some(stack.name.clone()),
    }
}

fn summarize(name: &str, description: &str, stack: Option<&Stack>, facts: &Facts) -> PipelineSummary {
    let (health, words) = match stack {
        None => (Health::Absent, "not deployed".to_owned()),
        Some(s) if s.interrupted => (Health::Warning, "deploy interrupted".into()),
        Some(s) if s.status.in_progress() => (Health::Busy, s.status.word().to_lowercase().replace('_', " ")),
        Some(s) if !s.status.complete() => (Health::Bad, s.status.word().to_lowercase().replace('_', " ")),
        Some(_) => facts.judge(name),
    };
    PipelineSummary {
        name: name.to_owned(),
        description: description.to_owned(),
        stack: stack.map(|s| s.status.word().to_owned()),
        deployed: stack.map(|s| s.updated),
        in_alarm: health == Health::Warning && stack.is_some_and(|s| !s.interrupted),
        waits: false,
        other: None,
        health,
        words,
    }
}

/// Says of a pipeline that one of its releases waits, unless something worse is to be said.
fn mark_waiting(all: &mut [PipelineSummary], waiting: &[(String, Release)]) {
    for (name, release) in waiting {
        let Some(approval) = release.waits_for() else { continue };
        if let Some(pipeline) = all.iter_mut().find(|p| p.name == *name && p.health < Health::Warning) {
            let place = approval.env.as_deref().unwrap_or(&approval.stage);
            pipeline.health = Health::Warning;
            pipeline.waits = true;
            pipeline.words = format!("{place} waits for approval");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_tells_its_items_and_none_where_aws_has_not_counted_yet() {
        assert_eq!(items_in_words(1, true), "1 item");
        assert_eq!(items_in_words(0, true), "0 items");
        assert_eq!(items_in_words(250, false), "about 250 items");
        assert_eq!(items_in_words(0, false), "");
    }
}
