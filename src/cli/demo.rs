//! `demo`: a fresh embedded cloud with all pipelines deployed and running.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use clap::Args;
use serde::Serialize;
use serde_json::json;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
};
use tokio_util::sync::CancellationToken;

use super::{
    console,
    driver::Driver,
    failure::{Failure, Result},
    out::{Cell, Column, note},
    session::Session,
    time::duration,
};
use crate::{
    backend::{self, Backend, Consent, Refusal, Strength},
    cloud::{
        self,
        functions::Invoke,
        jobs::JobRunState,
        queries::{Query, QueryResult},
        resources::{NotificationTarget, Properties, ScheduleTarget},
        schedule::Schedule,
    },
    config::{Format, Origin, Setting},
};

/// How fast the demo's clock runs: a minute in a second.
const SPEED: f64 = 60.0;
/// How often the demo looks whether the first files have landed.
const LOOK: Duration = Duration::from_millis(200);
/// What happens less often than this, a demo would not show.
const LASTS: Duration = Duration::from_mins(2);
/// Rows of a saved query's answer in the summary.
const ROWS: usize = 10;

/// How to show it.
#[derive(Debug, Args)]
pub struct Demo {
    /// Without the console: print what has happened at the end
    #[arg(long)]
    headless: bool,
    /// With --headless: for so long
    #[arg(long = "for", requires = "headless", value_name = "DURATION", value_parser = seconds, default_value = "20s")]
    time: Duration,
}

fn seconds(text: &str) -> std::result::Result<Duration, String> {
    duration(text)?.try_into().map_err(|_| format!("{text:?} is not a duration that can be waited for"))
}

/// What has happened, in words and numbers.
#[derive(Debug, Serialize)]
struct Summary {
    speed: f64,
    seconds: f64,
    pipelines: Vec<String>,
    /// Those that this machine cannot run, and what it lacks.
    left_out: Vec<LeftOut>,
    files_landed: u64,
    buckets: Vec<Landed>,
    job_runs: Vec<Ran>,
    alerts: u64,
    topics: Vec<Heard>,
    queries: Vec<Answer>,
}

#[derive(Debug, Default, Serialize)]
struct LeftOut {
    pipeline: String,
    why: String,
}

/// What a demo deployed.
#[derive(Debug, Default)]
struct Deployed {
    pipelines: Vec<String>,
    left_out: Vec<LeftOut>,
}

impl Deployed {
    fn say_what_is_missing(&self) {
        for LeftOut { pipeline, why } in &self.left_out {
            note(&format!("{pipeline} is left out: {why}"));
        }
    }
}

#[derive(Debug, Serialize)]
struct Landed {
    bucket: String,
    objects: u64,
    bytes: u64,
}

#[derive(Debug, Serialize)]
struct Ran {
    job: String,
    runs: u64,
    succeeded: u64,
    failed: u64,
    rows_out: u64,
}

#[derive(Debug, Serialize)]
struct Heard {
    topic: String,
    messages: u64,
}

#[derive(Debug, Serialize)]
struct Answer {
    query: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<QueryResult>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// A folder that goes away with the demo.
struct Temporary(PathBuf);

impl Temporary {
    fn make() -> Result<Self> {
        let path = std::env::temp_dir().join(format!("pumphouse-demo-{}", uuid::Uuid::new_v4().simple()));
        std::fs::create_dir(&path).map_err(|e| Failure::failed(format!("{}: {e}", path.display())))?;
        Ok(Self(path))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Demo {
    /// Shows it.
    pub fn run(&self, s: &Session) -> Result {
        if !self.headless {
            console::terminal()?;
        }
        let mut settings = s.settings.clone();
        let mut temporary = None;
        if !matches!(settings.state_dir.origin, Origin::Flag(_)) {
            let fresh = Temporary::make()?;
            settings.state_dir = Setting { value: fresh.0.clone(), origin: Origin::Default };
            temporary = Some(fresh);
        }
        if settings.speed.value.is_none() {
            settings.speed.value = Some(SPEED);
        }
        let s = Session { settings, ..s.clone() };
        let runtime = super::runtime()?;
        let result = runtime.block_on(async { if self.headless { self.headless(&s).await } else { shown(&s).await } });
        runtime.shutdown_timeout(super::GRACE);
        drop(temporary);
        result
    }

    async fn headless(&self, s: &Session) -> Result {
        let connection = s.connect()?;
        let backend = &connection.backend;
        note(&format!("a demo in {}", s.settings.state_dir.value.display()));
        let begun = Instant::now();
        let driver = Driver::start(&connection);
        let deployed = Mutex::new(Deployed::default());
        let work = async {
            let done = deploy(s, backend).await?;
            done.say_what_is_missing();
            *deployed.lock().unwrap_or_else(PoisonError::into_inner) = done;
            first_runs(backend).await;
            Ok::<_, Failure>(())
        };
        let mut failure = None;
        let mut terminate = signal(SignalKind::terminate()).map_err(|e| Failure::failed(format!("no signals: {e}")))?;
        let end = tokio::time::sleep(self.time);
        tokio::pin!(work, end);
        let mut working = true;
        loop {
            tokio::select! {
                done = &mut work, if working => {
                    working = false;
                    if let Err(e) = done {
                        failure = Some(e);
                        break;
                    }
                }
                () = &mut end => break,
                _ = tokio::signal::ctrl_c() => break,
                _ = terminate.recv() => break,
            }
        }
        if let Some(failure) = failure {
            driver.stop().await;
            return Err(failure);
        }
        let deployed = std::mem::take(&mut *deployed.lock().unwrap_or_else(PoisonError::into_inner));
        let summary = summary(backend, deployed, begun).await?;
        for wrong in driver.stop().await {
            note(&wrong);
        }
        summary.print(s)
    }
}

/// The console on a demo. What goes wrong behind it is said when it has closed.
async fn shown(s: &Session) -> Result {
    let wrong: Arc<Mutex<Option<Failure>>> = Arc::default();
    let missing: Arc<Mutex<Deployed>> = Arc::default();
    let (inner, kept, told) = (s.clone(), wrong.clone(), missing.clone());
    let result = console::show(&s.settings, move |backend| {
        let (s, kept, told) = (inner.clone(), kept.clone(), told.clone());
        async move {
            match deploy(&s, &backend).await {
                Ok(deployed) => {
                    *told.lock().unwrap_or_else(PoisonError::into_inner) = deployed;
                    first_runs(&backend).await;
                }
                Err(e) => *kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(e),
            }
        }
    })
    .await;
    missing.lock().unwrap_or_else(PoisonError::into_inner).say_what_is_missing();
    let wrong = wrong.lock().unwrap_or_else(PoisonError::into_inner).take();
    wrong.map_or(result, Err)
}

/// Deploys every pipeline. Asking for the demo is the consent, except where a state that was there would lose data.
async fn deploy(s: &Session, backend: &Backend) -> Result<Deployed> {
    let own = !matches!(s.settings.state_dir.origin, Origin::Flag(_));
    let mut deployed = Deployed::default();
    for pipeline in backend.list_pipelines().await? {
        let effect = backend.deploy_effect(&pipeline.name).await?;
        let consent = match &effect.strength {
            Strength::TypeName(name) if own || s.confirm.as_ref() == Some(name) => Consent::Name(name.clone()),
            Strength::TypeName(_) => {
                let why = format!("{}: `pumphouse deploy {}` first", effect.sentence, pipeline.name);
                return Err(Refusal::Unconfirmed(why).into());
            }
            Strength::Free | Strength::Confirm => Consent::Yes,
        };
        let (progress, mut events) = mpsc::unbounded_channel();
        let stack = match backend.deploy(&pipeline.name, &consent, progress).await {
            // What a pipeline needs of the machine is said before anything of it is made.
            Err(backend::Error::Cloud(cloud::Error::Unavailable(why))) => {
                deployed.left_out.push(LeftOut { pipeline: pipeline.name, why });
                continue;
            }
            other => other?,
        };
        events.close();
        if !stack.status.complete() {
            let why = stack.reason.unwrap_or_default();
            return Err(Failure::failed(format!("{} is {}: {why}", stack.name, stack.status.word())));
        }
        deployed.pipelines.push(pipeline.name);
    }
    Ok(deployed)
}

/// Does once what nobody wants to wait for: invokes the functions whose schedule is too seldom for a demo, as an operator
/// would, and starts each job as soon as a file has landed that it reads. What a function starts is left to that.
async fn first_runs(backend: &Backend) {
    for function in seldom(backend).await.unwrap_or_default() {
        let request = Invoke { function, event: json!({}), request_id: None, sources: BTreeMap::new() };
        let name = request.function.clone();
        if let Err(e) = backend.invoke(request, &Consent::Yes).await {
            tracing::warn!(%e, function = name, "the demo's first invocation has failed");
        }
    }
    let mut waiting = unstarted_jobs(backend).await.unwrap_or_default();
    loop {
        let buckets = backend.cloud.buckets.list().await.unwrap_or_default();
        let landed = |bucket: &str| buckets.iter().any(|b| b.name == bucket && b.objects.is_some_and(|n| n > 0));
        let (ready, others): (Vec<_>, Vec<_>) = waiting.into_iter().partition(|(_, from)| landed(from));
        for (job, _) in ready {
            if let Err(e) = backend.start_job(&job, &Consent::Yes).await {
                tracing::warn!(%e, job, "the demo's first run cannot be started");
            }
        }
        if others.is_empty() {
            return;
        }
        waiting = others;
        tokio::time::sleep(LOOK).await;
    }
}

/// The functions that run by themselves, and not within what a demo lasts.
async fn seldom(backend: &Backend) -> Result<Vec<String>> {
    let (now, speed) = (backend.cloud.clock.now(), backend.cloud.clock.speed());
    let period = |expression: &str| {
        let schedule = Schedule::parse(expression).ok()?;
        let next = schedule.next_after(now)?;
        Some(schedule.next_after(next)?.duration_since(next))
    };
    let seldom = |p: Properties| match p {
        Properties::Schedule(schedule) => match schedule.target {
            ScheduleTarget::Function(function) => {
                period(&schedule.expression).filter(|p| p.as_secs_f64() / speed > LASTS.as_secs_f64()).map(|_| function)
            }
            ScheduleTarget::Job(_) | ScheduleTarget::Crawler(_) => None,
        },
        _ => None,
    };
    Ok(properties(backend).await?.into_iter().filter_map(seldom).collect())
}

/// The jobs that have not run and that no function starts, with the bucket that each reads.
async fn unstarted_jobs(backend: &Backend) -> Result<Vec<(String, String)>> {
    let stacks = backend.cloud.stacks.list().await?;
    let resources: Vec<_> = stacks.into_iter().filter_map(|s| s.graph).flat_map(|g| g.resources).collect();
    let started = |job: &str| {
        resources.iter().any(|r| match &r.properties {
            Properties::Role(role) => role.grants.iter().any(|g| g.action == "glue:StartJobRun" && g.resource == job),
            _ => false,
        })
    };
    let jobs = backend.cloud.jobs.list().await?;
    let unstarted = jobs.into_iter().filter(|j| j.last_run.is_none() && !started(&j.name));
    let from = |job: &str| {
        resources.iter().find_map(|r| match &r.properties {
            Properties::Job(j) if r.physical_name == job => Some(j.from.clone()),
            _ => None,
        })
    };
    Ok(unstarted.filter_map(|j| from(&j.name).map(|from| (j.name, from))).collect())
}

async fn summary(backend: &Backend, deployed: Deployed, begun: Instant) -> Result<Summary> {
    let cloud = &backend.cloud;
    let mut queries = Vec::new();
    for saved in cloud.queries.saved().await?.into_iter().filter(|q| !q.sql.contains('?')) {
        let query = Query { sql: saved.sql, database: saved.database, limit: ROWS, ..Query::default() };
        let (result, error) = match cloud.queries.execute(&query, CancellationToken::new()).await {
            Ok(result) => (Some(result), None),
            Err(e) => (None, Some(e.to_string())),
        };
        queries.push(Answer { query: saved.name, result, error });
    }
    let buckets: Vec<_> = cloud
        .buckets
        .list()
        .await?
        .into_iter()
        .map(|b| Landed { bucket: b.name, objects: b.objects.unwrap_or(0), bytes: b.bytes.unwrap_or(0) })
        .collect();
    let mut job_runs = Vec::new();
    for job in cloud.jobs.list().await? {
        let runs = cloud.jobs.runs(&job.name, 10_000).await?;
        let count = |f: fn(JobRunState) -> bool| runs.iter().filter(|r| f(r.state)).count() as u64;
        job_runs.push(Ran {
            job: job.name,
            runs: runs.len() as u64,
            succeeded: count(|x| x == JobRunState::Succeeded),
            failed: count(|x| matches!(x, JobRunState::Failed | JobRunState::Timeout)),
            rows_out: runs.iter().filter_map(|r| r.rows_out).sum(),
        });
    }
    let news = news_of_files(backend).await?;
    let landings: Vec<_> = properties(backend)
        .await?
        .into_iter()
        .filter_map(|p| match p {
            Properties::Delivery(delivery) => Some(delivery.to),
            _ => None,
        })
        .collect();
    let topics: Vec<_> = cloud
        .alerts
        .topics()
        .await?
        .into_iter()
        .map(|t| Heard { topic: t.name, messages: t.messages.unwrap_or(0) })
        .collect();
    Ok(Summary {
        speed: cloud.clock.speed(),
        seconds: (begun.elapsed().as_secs_f64() * 10.0).round() / 10.0,
        pipelines: deployed.pipelines,
        left_out: deployed.left_out,
        files_landed: buckets.iter().filter(|b| landings.contains(&b.bucket)).map(|b| b.objects).sum(),
        buckets,
        job_runs,
        alerts: topics.iter().filter(|t| !news.contains(&t.topic)).map(|t| t.messages).sum(),
        topics,
        queries,
    })
}

/// What is deployed.
async fn properties(backend: &Backend) -> Result<Vec<Properties>> {
    let stacks = backend.cloud.stacks.list().await?;
    Ok(stacks.into_iter().filter_map(|s| s.graph).flat_map(|g| g.resources).map(|r| r.properties).collect())
}

/// The topics that hear of every new file: what they tell is no alert.
async fn news_of_files(backend: &Backend) -> Result<Vec<String>> {
    let told = properties(backend).await?.into_iter().flat_map(|p| match p {
        Properties::Bucket(bucket) => bucket.on_created,
        _ => Vec::new(),
    });
    Ok(told
        .filter_map(|n| match n.target {
            NotificationTarget::Topic(topic) => Some(topic),
            NotificationTarget::Function(_) | NotificationTarget::Queue(_) => None,
        })
        .collect())
}

const BUCKETS: [Column<Landed>; 3] = [
    ("bucket", |b| Cell::text(&b.bucket)),
    ("objects", |b| Cell::Count(b.objects)),
    ("size", |b| Cell::Bytes(b.bytes)),
];
const JOBS: [Column<Ran>; 5] = [
    ("job", |j| Cell::text(&j.job)),
    ("runs", |j| Cell::Count(j.runs)),
    ("succeeded", |j| Cell::Count(j.succeeded)),
    ("failed", |j| Cell::Count(j.failed)),
    ("rows out", |j| Cell::Count(j.rows_out)),
];
const TOPICS: [Column<Heard>; 2] = [("topic", |t| Cell::text(&t.topic)), ("messages", |t| Cell::Count(t.messages))];

impl Summary {
    fn print(&self, s: &Session) -> Result {
        if s.out.format != Format::Table {
            return s.out.record(
                self,
                vec![
                    ("speed", Cell::Number(self.speed)),
                    ("seconds", Cell::Number(self.seconds)),
                    ("pipelines", Cell::text(self.pipelines.join(" "))),
                    ("files_landed", Cell::Count(self.files_landed)),
                    ("job_runs", Cell::Count(self.job_runs.iter().map(|j| j.runs).sum())),
                    ("alerts", Cell::Count(self.alerts)),
                ],
            );
        }
        s.out.list(&self.buckets, &BUCKETS, "no buckets")?;
        s.out.line("")?;
        s.out.list(&self.job_runs, &JOBS, "no jobs")?;
        s.out.line("")?;
        s.out.list(&self.topics, &TOPICS, "no topics")?;
        for answer in &self.queries {
            s.out.line(&format!("\nquery {}", answer.query))?;
            match (&answer.result, &answer.error) {
                (Some(result), _) => super::queries::table(s, result)?,
                (None, Some(error)) => note(&format!("{}: {error}", answer.query)),
                (None, None) => {}
            }
        }
        Ok(())
    }
}
