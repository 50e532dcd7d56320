//! The overview: which pipelines there are, how they are, and one of them stage by stage.

use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;

use super::{Backend, Result};
use crate::{
    cloud::{
        self,
        alerts::{AlarmState, Alert, Topic},
        buckets::Bucket,
        crawlers::{CrawlState, Crawler, CrawlerState},
        flow::{self, Stage},
        functions::Function,
        jobs::{Job, JobRun},
        logs::ReadLogs,
        queues::Queue,
        releases::Release,
        resources::{Graph, NotificationTarget, Properties},
        stacks::{Operation, Stack},
        streams::{DeliveryStream, Stream},
    },
    spec::{self, ExistingKind},
};

/// How the log of a function begins the line that tells of a failure.
const FAILED: &str = "[ERROR] ";

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

/// What the ports tell, asked once. A port that fails (denied, unreachable) tells nothing; its pane says why.
#[derive(Debug, Clone, Default)]
pub(super) struct Facts {
    functions: Vec<Function>,
    jobs: Vec<Job>,
    crawlers: Vec<Crawler>,
    streams: Vec<Stream>,
    deliveries: Vec<DeliveryStream>,
    buckets: Vec<Bucket>,
    topics: Vec<Topic>,
    queues: Vec<Queue>,
    alerts: Vec<Alert>,
    /// Whether something failed for a reason that may pass.
    pub(super) partial: bool,
}

/// Whether a failure may pass by itself: a refusal does not.
fn passes<T>(answer: &cloud::Result<T>) -> bool {
    !matches!(answer, Ok(_) | Err(cloud::Error::AccessDenied { .. } | cloud::Error::Unsupported { .. }))
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
            view.figure = match items {
                n if exact => plural(n, "item"),
                // DynamoDB counts every six hours: a table that was filled since then is not empty.
                0 => String::new(),
                n => format!("about {}", plural(n, "item")),
            };
        }
    }

    /// What was done to a stack, as entries.
    async fn deploys(&self, stack: &Stack) -> Vec<TimelineEntry> {
        let entry = |operation: Operation| {
            let bad = operation.status.ends_with("FAILED") || operation.status == "INTERRUPTED";
            let text = format!("{} {}", operation.kind, operation.status);
            TimelineEntry { time: operation.started, lane: Lane::Deploys, bad, text }
        };
        self.history_shown(stack, 20).await.into_iter().map(entry).collect()
    }

    /// A job's runs, as entries.
    async fn job_runs(&self, name: &str, short: &str, facts: &Facts) -> Vec<TimelineEntry> {
        let last = facts.jobs.iter().find(|j| j.name == name).and_then(|j| j.last_run.as_ref());
        let entry = |run: JobRun| {
            let bad = run.state.is_failure();
            let text = match &run.error {
                Some(error) if bad => format!("{short}: {error}"),
                _ => format!("{short} {}", run.state.word()),
            };
            TimelineEntry { time: run.started, lane: Lane::Runs, bad, text }
        };
        self.runs_shown(name, last, 60).await.into_iter().map(entry).collect()
    }

    /// Reads all that the ports tell.
    pub(super) async fn read_facts(&self) -> Facts {
        let c = &self.cloud;
        let (functions, jobs, crawlers, streams, deliveries, buckets, topics, queues, alerts) = tokio::join!(
            c.functions.list(),
            c.jobs.list(),
            c.crawlers.list(),
            c.streams.list(),
            c.streams.deliveries(),
            c.buckets.list(),
            c.alerts.topics().gather(),
            c.queues.list().gather(),
            // Their states alone: what was measured costs more than it tells here.
            c.alerts.list(0).gather()
        );
        let partial = [
            passes(&functions),
            passes(&jobs),
            passes(&crawlers),
            passes(&streams),
            passes(&deliveries),
            passes(&buckets),
            topics.1.iter().chain(&alerts.1).any(|error| passes::<()>(&Err(error.clone()))),
        ];
        let mut jobs = jobs.unwrap_or_default();
        self.read_last_runs(&mut jobs, false).await;
        Facts {
            partial: partial.contains(&true),
            functions: functions.unwrap_or_default(),
            jobs,
            crawlers: crawlers.unwrap_or_default(),
            streams: streams.unwrap_or_default(),
            deliveries: deliveries.unwrap_or_default(),
            buckets: buckets.unwrap_or_default(),
            topics: topics.0,
            queues: queues.0,
            alerts: alerts.0,
        }
    }

    /// Reads what changes from one moment to the next: runs of jobs, crawls, states of alarms. All else is as it was.
    pub(super) async fn read_moment(&self, known: &Facts) -> Facts {
        let (mut jobs, mut crawlers) = (known.jobs.clone(), known.crawlers.clone());
        let (alerts, (), ()) = tokio::join!(
            self.cloud.alerts.list(0).gather(),
            self.read_last_runs(&mut jobs, true),
            self.read_crawlers(&mut crawlers)
        );
        Facts { jobs, crawlers, alerts: alerts.0, ..known.clone() }
    }

    /// Pipelines' crawlers as they are now; those of others are nothing that is shown.
    async fn read_crawlers(&self, crawlers: &mut Vec<Crawler>) {
        if crawlers.iter().any(|c| c.pipeline.is_some())
            && let Ok(now) = self.cloud.crawlers.list().await
        {
            *crawlers = now;
        }
    }

    /// Of pipelines' jobs, the newest runs tell how they are: those that are not known, or all of them.
    async fn read_last_runs(&self, jobs: &mut [Job], all: bool) {
        let asked = |job: &Job| job.pipeline.is_some() && (all || job.last_run.is_none());
        let names: Vec<_> = jobs.iter().filter(|job| asked(job)).map(|job| job.name.clone()).collect();
        if names.is_empty() {
            return;
        }
        let Ok(mut runs) = self.cloud.jobs.last_runs(&names).await else { return };
        for job in jobs.iter_mut().filter(|job| asked(job)) {
            job.last_run = runs.remove(&job.name);
        }
    }

    /// The last hour's invocations of a function that failed, as its log tells them.
    pub(super) async fn failures(&self, function: &Function, short: &str) -> Vec<TimelineEntry> {
        let since = self.cloud.clock.now().checked_sub(jiff::SignedDuration::from_hours(1)).ok();
        let read = ReadLogs {
            groups: vec![function.log_group.clone()],
            since,
            filter: Some(FAILED.to_owned()),
            limit: 60,
            newest: true,
            ..ReadLogs::default()
        };
        let page = self.cloud.logs.read(&read).await.unwrap_or_default();
        let failed = page.events.into_iter().filter_map(|event| {
            // That it was given up after so many attempts is told by each of them.
            let why = event.message.strip_prefix(FAILED).filter(|why| !why.starts_with("RequestId: "))?;
            let text = format!("{short}: {why}");
            Some(TimelineEntry { time: event.timestamp, lane: Lane::Runs, bad: true, text })
        });
        failed.collect()
    }

    async fn timeline(&self, stack: &Stack, graph: &Graph, facts: &Facts) -> Vec<TimelineEntry> {
        let mut entries = Vec::new();
        for resource in &graph.resources {
            let name = &resource.physical_name;
            let short = short(&resource.name);
            match &resource.properties {
                Properties::Job(_) => entries.extend(self.job_runs(name, short, facts).await),
                Properties::Crawler(_) => entries.extend(facts.last_crawl(name, short)),
                Properties::Function(_) => {
                    let failed = |f: &&Function| f.name == *name && f.errors.is_some_and(|n| n > 0);
                    if let Some(function) = facts.functions.iter().find(failed) {
                        entries.extend(self.failures_shown(function, short).await);
                    }
                }
                Properties::Topic(_) if !hears_of_files(graph, name) => {
                    for message in self.cloud.alerts.inbox(name, 60).await.unwrap_or_default() {
                        let text = message.subject.unwrap_or(message.message);
                        entries.push(TimelineEntry { time: message.time, lane: Lane::Alerts, bad: false, text });
                    }
                }
                _ => {}
            }
        }
        entries.extend(self.deploys(stack).await);
        entries.sort_by_key(|e| e.time);
        entries
    }
}

impl Backend {
    /// Topics with those last that only hear of each new object: people look for what is published to them. And why
    /// others, or part of them, could not be read.
    pub async fn topics(&self) -> (Vec<Topic>, Vec<cloud::Error>) {
        let (mut topics, errors) = self.cloud.alerts.topics().gather().await;
        let mut graphs: Vec<(String, Option<Graph>)> = Vec::new();
        let mut noisy = Vec::new();
        for topic in &topics {
            let Some(pipeline) = &topic.pipeline else { continue };
            if !graphs.iter().any(|(name, _)| name == pipeline) {
                let stack = self.status(pipeline).await.ok().flatten();
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

/// Whether a bucket tells the topic of each new object.
fn hears_of_files(graph: &Graph, topic: &str) -> bool {
    graph.resources.iter().any(|r| match &r.properties {
        Properties::Bucket(b) => {
            b.on_created.iter().any(|n| matches!(&n.target, NotificationTarget::Topic(t) if t == topic))
        }
        _ => false,
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

impl Facts {
    /// How a deployed pipeline is: the worst that can be said, else what it is doing.
    fn judge(&self, pipeline: &str) -> (Health, String) {
        let ours = |p: &Option<String>| p.as_deref() == Some(pipeline);
        for job in self.jobs.iter().filter(|j| ours(&j.pipeline)) {
            if let Some(run) = &job.last_run
                && run.state.is_failure()
            {
                return (Health::Bad, format!("job {} failed", plain(pipeline, &job.name)));
            }
        }
        let failed = |c: &&Crawler| c.last_crawl.as_ref().is_some_and(|crawl| crawl.state == CrawlState::Failed);
        if let Some(crawler) = self.crawlers.iter().filter(|c| ours(&c.pipeline)).find(failed) {
            return (Health::Bad, format!("crawler {} failed", plain(pipeline, &crawler.name)));
        }
        if let Some(f) = self.functions.iter().find(|f| ours(&f.pipeline) && f.last_error.is_some()) {
            return (Health::Bad, format!("function {} failed", plain(pipeline, &f.name)));
        }
        if let Some(q) = self.queues.iter().find(|q| ours(&q.pipeline) && self.dead_letters(q) > 0) {
            return (Health::Bad, format!("dead letters of {}", plain(pipeline, &q.name)));
        }
        if let Some(a) = self.alerts.iter().find(|a| ours(&a.pipeline) && a.state == AlarmState::Alarm) {
            let name = a.name.rsplit('/').next().unwrap_or(&a.name);
            return (Health::Warning, format!("{} in ALARM", plain(pipeline, name)));
        }
        if self.jobs.iter().any(|j| ours(&j.pipeline) && j.last_run.as_ref().is_some_and(|r| !r.state.is_final())) {
            return (Health::Busy, "job running".into());
        }
        if self.crawlers.iter().any(|c| ours(&c.pipeline) && c.state != CrawlerState::Ready) {
            return (Health::Busy, "crawler running".into());
        }
        let rate: u64 = self.streams.iter().filter(|s| ours(&s.pipeline)).filter_map(|s| s.records_last_minute).sum();
        if rate > 0 { (Health::Busy, format!("{} rec/min", thousands(rate))) } else { (Health::Idle, "idle".into()) }
    }

    /// Messages that wait, and those that nobody could deal with.
    fn queue(&self, name: &str, view: &mut StageView) {
        let Some(queue) = self.queues.iter().find(|q| q.name == name) else { return };
        let waiting = queue.messages().unwrap_or(0);
        view.figure = format!("{} waiting", thousands(waiting));
        view.activity = queue.sent.unwrap_or(waiting);
        if waiting > 0 {
            view.health = Health::Busy;
        }
        let dead = self.dead_letters(queue);
        if dead > 0 {
            view.figure = format!("{}, {} dead", view.figure, thousands(dead));
            view.health = Health::Bad;
            view.detail = queue.dead_letter.as_ref().map(|q| format!("{} in {q}", plural(dead, "dead letter")));
        }
    }

    fn dead_letters(&self, queue: &Queue) -> u64 {
        let dead = self.queues.iter().find(|q| Some(&q.name) == queue.dead_letter.as_ref());
        dead.and_then(Queue::messages).unwrap_or(0)
    }

    fn stage(&self, stage: Stage) -> StageView {
        let name = stage.physical_name.as_str();
        let mut view = absent(stage.clone());
        view.health = Health::Idle;
        match stage.kind {
            "function" => {
                let Some(f) = self.functions.iter().find(|f| f.name == name) else { return view };
                view.figure = f.invocations.map_or_else(String::new, |n| plural(n, "call"));
                if let Some(errors) = f.errors.filter(|n| *n > 0) {
                    view.figure = format!("{} · {}", view.figure, plural(errors, "error"));
                }
                view.activity = f.invocations.unwrap_or(0);
                view.log_group = Some(f.log_group.clone());
                view.detail.clone_from(&f.last_error);
                if f.last_error.is_some() {
                    view.health = Health::Bad;
                }
            }
            "stream" => {
                let Some(s) = self.streams.iter().find(|s| s.name == name) else { return view };
                let rate = s.records_last_minute;
                view.figure = rate.map_or_else(String::new, |n| format!("{} rec/min", thousands(n)));
                // Where the cloud does not count what a stream holds, news is when a record came last.
                let last = || s.last_record.map(|t| t.as_millisecond().unsigned_abs());
                view.activity = s.records.or_else(last).unwrap_or(0);
                if rate.is_some_and(|n| n > 0) {
                    view.health = Health::Busy;
                }
            }
            "delivery" => {
                let Some(d) = self.deliveries.iter().find(|d| d.name == name) else { return view };
                let waiting = d.buffered_records.unwrap_or(0);
                view.figure = match (d.seconds_left, d.delivered_records) {
                    (Some(seconds), _) => format!("{} waiting, {seconds} s left", thousands(waiting)),
                    (None, Some(delivered)) => format!("{} delivered", thousands(delivered)),
                    (None, None) => String::new(),
                };
                view.activity = d.delivered_records.unwrap_or(0);
                if waiting > 0 {
                    view.health = Health::Busy;
                }
            }
            "bucket" => {
                let Some(b) = self.buckets.iter().find(|b| b.name == name) else { return view };
                // AWS does not count them: no figure is better than a wrong one.
                view.figure = b.objects.map_or_else(String::new, |n| plural(n, "object"));
                view.activity = b.objects.unwrap_or(0);
            }
            "job" => self.job(name, &mut view),
            "crawler" => self.crawler(name, &mut view),
            "queue" => self.queue(name, &mut view),
            "topic" => {
                let Some(t) = self.topics.iter().find(|t| t.name == name) else { return view };
                view.figure = t.messages.map_or_else(String::new, |n| plural(n, "message"));
                view.activity = t.messages.unwrap_or(0);
            }
            _ => {}
        }
        view
    }

    /// How a crawler's last crawl ended; of one at work, that it is.
    fn crawler(&self, name: &str, view: &mut StageView) {
        let Some(crawler) = self.crawlers.iter().find(|c| c.name == name) else { return };
        view.log_group = Some(crawler.log_group.clone());
        let last = crawler.last_crawl.as_ref();
        view.activity =
            last.and_then(|c| c.started).and_then(|t| u64::try_from(t.as_millisecond()).ok()).unwrap_or_default();
        if crawler.state != CrawlerState::Ready {
            crawler.state.word().clone_into(&mut view.figure);
            view.health = Health::Busy;
            return;
        }
        let Some(crawl) = last else {
            "no crawl yet".clone_into(&mut view.figure);
            return;
        };
        crawl.state.word().clone_into(&mut view.figure);
        view.detail.clone_from(&crawl.error);
        if crawl.state == CrawlState::Failed {
            view.health = Health::Bad;
        }
    }

    /// A crawler's last crawl, as an entry: those before it would be a call of their own.
    fn last_crawl(&self, name: &str, short: &str) -> Option<TimelineEntry> {
        let crawl = self.crawlers.iter().find(|c| c.name == name)?.last_crawl.as_ref()?;
        let bad = crawl.state == CrawlState::Failed;
        let text = match &crawl.error {
            Some(error) if bad => format!("{short}: {error}"),
            _ => format!("{short} {}", crawl.state.word()),
        };
        Some(TimelineEntry { time: crawl.started?, lane: Lane::Runs, bad, text })
    }

    fn job(&self, name: &str, view: &mut StageView) {
        let Some(job) = self.jobs.iter().find(|j| j.name == name) else { return };
        view.log_group = Some(job.log_group.clone());
        let Some(run) = &job.last_run else {
            "no run yet".clone_into(&mut view.figure);
            return;
        };
        view.activity = u64::try_from(run.started.as_millisecond()).unwrap_or(0);
        view.figure = match run.rows_out {
            Some(rows) => format!("{} · {}", run.state.word(), plural(rows, "row")),
            None => run.state.word().to_owned(),
        };
        view.detail.clone_from(&run.error);
        view.health = match run.state {
            s if s.is_failure() => Health::Bad,
            s if s.is_final() => Health::Idle,
            _ => Health::Busy,
        };
    }
}

fn absent(stage: Stage) -> StageView {
    StageView { stage, health: Health::Absent, figure: String::new(), detail: None, log_group: None, activity: 0 }
}

/// `fetch_prices` of `function.fetch_prices`.
fn short(name: &str) -> &str {
    name.split_once('.').map_or(name, |(_, short)| short)
}

/// The name without the pipeline and environment that it begins with.
fn plain<'a>(pipeline: &str, physical: &'a str) -> &'a str {
    physical
        .strip_prefix(pipeline)
        .and_then(|rest| rest.strip_prefix('-'))
        .and_then(|rest| rest.split_once('-'))
        .map_or(physical, |(_, name)| name)
}

/// `1 row`, `1,204 rows`.
fn plural(n: u64, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{} {what}s", thousands(n)) }
}

/// `1,204`.
pub fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        for (n, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(thousands(n), text);
        }
        assert_eq!(plural(1, "call"), "1 call");
        assert_eq!(plural(1_204, "call"), "1,204 calls");
    }

    #[test]
    fn names_lose_what_the_heading_says_already() {
        assert_eq!(plain("crypto-stream", "crypto-stream-dev-clean_prices"), "clean_prices");
        assert_eq!(plain("crypto-stream", "other"), "other");
    }
}
