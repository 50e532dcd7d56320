//! `jobs`: jobs, their runs and bookmarks.

use clap::Subcommand;
use serde::Serialize;

use super::{
    failure::{Failure, Result},
    input,
    names::resolve,
    out::{Cell, Column, note},
    session::Session,
    signals::unless_interrupted,
};
use crate::{
    backend::{Backend, Kind, jobs, prices::usd},
    cloud::{
        Error,
        jobs::{Bookmark, Capacity, Job, JobRun, JobRunState},
    },
};

/// What to do with jobs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the jobs with their last runs
    List {
        /// Leave the last runs out: on AWS each takes a call of its own
        #[arg(long)]
        brief: bool,
    },
    /// Show a job, or one of its runs, with all that is known
    Show {
        /// Its name, or PIPELINE/NAME
        job: String,
        /// The run's id
        run: Option<String>,
    },
    /// List the runs of a job, the newest first
    Runs {
        /// Its name, or PIPELINE/NAME
        job: String,
        /// At most this many
        #[arg(short = 'n', long, default_value_t = 50, value_name = "N", value_parser = input::count, allow_negative_numbers = true)]
        limit: usize,
    },
    /// Start a run
    Start {
        /// Its name, or PIPELINE/NAME
        job: String,
        /// Wait for its end; exit with 1 unless it succeeds
        #[arg(long)]
        wait: bool,
    },
    /// Stop a run
    Stop {
        /// Its name, or PIPELINE/NAME
        job: String,
        /// The run's id [default: the run that goes on]
        run: Option<String>,
    },
    /// Forget what a job has read: its next run reads everything
    ResetBookmark {
        /// Its name, or PIPELINE/NAME
        job: String,
    },
}

/// More jobs than this take a while to ask for.
const MANY: usize = 50;

const JOBS: [Column<Job>; 6] = [
    ("job", |j| Cell::text(&j.name)),
    ("last run", |j| Cell::maybe(j.last_run.as_ref(), |r| Cell::text(r.state.word()))),
    ("started", |j| Cell::maybe(j.last_run.as_ref(), |r| Cell::Time(r.started))),
    ("schedule", |j| Cell::maybe(j.schedule.as_ref(), Cell::text)),
    ("next run", |j| Cell::maybe(j.next_run, Cell::Time)),
    ("bookmark", |j| Cell::Flag(j.bookmark)),
];

const RUNS: [Column<JobRun>; 9] = [
    ("run", |r| Cell::text(&r.id)),
    ("state", |r| Cell::text(r.state.word())),
    ("started", |r| Cell::Time(r.started)),
    ("took", |r| Cell::maybe(took(r), Cell::Millis)),
    ("rows in", |r| Cell::maybe(r.rows_in, Cell::Count)),
    ("rows out", |r| Cell::maybe(r.rows_out, Cell::Count)),
    ("files in", |r| Cell::maybe(r.files_in, Cell::Count)),
    ("trigger", |r| Cell::text(&r.trigger)),
    ("error", |r| Cell::maybe(r.error.as_ref(), Cell::text)),
];

/// What AWS tells of a run beside that, and what it does not.
const AWS_RUNS: [Column<Priced>; 8] = [
    ("run", |r| Cell::text(&r.run.id)),
    ("state", |r| Cell::text(r.run.state.word())),
    ("started", |r| Cell::Time(r.run.started)),
    ("took", |r| Cell::maybe(took(&r.run), Cell::Millis)),
    ("DPU s", |r| Cell::maybe(r.run.dpu_seconds, Cell::Number)),
    ("cost", |r| Cell::maybe(r.cost_usd, |c| Cell::text(usd(c)))),
    ("trigger", |r| Cell::text(&r.run.trigger)),
    ("error", |r| Cell::maybe(r.run.error.as_ref(), Cell::text)),
];

/// A run with what it cost, where that can be told.
#[derive(Debug, Serialize)]
struct Priced {
    #[serde(flatten)]
    run: JobRun,
    #[serde(skip_serializing_if = "Option::is_none")]
    cost_usd: Option<f64>,
}

impl Priced {
    fn new(backend: &Backend, run: JobRun) -> Self {
        Self { cost_usd: backend.prices.run(&run), run }
    }
}

/// A job with its bookmark, where it can be told.
#[derive(Debug, Serialize)]
struct Shown {
    #[serde(flatten)]
    job: Job,
    bookmark_state: Option<Bookmark>,
}

fn took(run: &JobRun) -> Option<u64> {
    u64::try_from(run.ended?.duration_since(run.started).as_millis()).ok()
}

fn one(s: &Session, backend: &Backend, run: JobRun) -> Result {
    let mut fields: Vec<_> = RUNS.iter().map(|(name, cell)| (*name, cell(&run))).collect();
    let priced = Priced::new(backend, run);
    let run = &priced.run;
    if backend.cloud.identity.known().cloud != "local" {
        // AWS counts neither rows nor files.
        fields.retain(|(name, cell)| *cell != Cell::None || !["rows in", "rows out", "files in"].contains(name));
        fields.extend(given(&run.capacity));
        fields.push(("worked", Cell::maybe(run.execution_seconds, |s| Cell::Millis(s * 1_000))));
        fields.push(("DPU seconds", Cell::maybe(run.dpu_seconds, Cell::Number)));
        fields.push(("cost", Cell::maybe(priced.cost_usd, |c| Cell::text(usd(c)))));
        fields.push(("log group", Cell::maybe(run.log_group.as_ref(), Cell::text)));
        fields.push(("log group of errors", Cell::maybe(run.error_log_group.as_ref(), Cell::text)));
        fields.push(("log stream", Cell::text(&run.log_stream)));
        fields.push(("arguments", arguments(&run.arguments)));
    }
    s.out.record(&priced, fields)
}

fn given(capacity: &Capacity) -> [(&'static str, Cell); 4] {
    [
        ("Glue version", Cell::maybe(capacity.glue_version.as_ref(), Cell::text)),
        ("worker type", Cell::maybe(capacity.worker_type.as_ref(), Cell::text)),
        ("workers", Cell::maybe(capacity.workers, |n| Cell::Count(n.into()))),
        ("DPUs at most", Cell::maybe(capacity.max_dpu, Cell::Number)),
    ]
}

fn arguments(all: &std::collections::BTreeMap<String, String>) -> Cell {
    let told: Vec<_> = all.iter().map(|(name, value)| format!("{name} {value}")).collect();
    if told.is_empty() { Cell::None } else { Cell::text(told.join("  ")) }
}

async fn show(s: &Session, backend: &Backend, name: &str, run: Option<String>) -> Result {
    let jobs = &backend.cloud.jobs;
    let name = resolve(backend, Kind::Job, name).await?;
    if let Some(run) = run {
        return one(s, backend, jobs.run(&name, &run).await?);
    }
    let mut pages = jobs.list();
    let mut found = None;
    while found.is_none()
        && let Some(page) = pages.next().await
    {
        found = page?.into_iter().find(|job| job.name == name);
    }
    let mut job = found.ok_or_else(|| Failure::from(Error::not_found("job", &name)))?;
    if job.last_run.is_none() {
        job.last_run = jobs.last_runs(std::slice::from_ref(&name)).await?.remove(&name);
    }
    let bookmark_state = if job.bookmark { jobs.bookmark(&name).await.ok() } else { None };
    let shown = Shown { job, bookmark_state };
    let job = &shown.job;
    let mut fields: Vec<_> = JOBS.iter().map(|(name, cell)| (*name, cell(job))).collect();
    fields.push(("pipeline", Cell::maybe(job.pipeline.as_ref(), Cell::text)));
    fields.push(("position", Cell::maybe(shown.bookmark_state.as_ref(), |b| Cell::text(&b.position))));
    fields.push(("log group", Cell::text(&job.log_group)));
    if backend.cloud.identity.known().cloud != "local" {
        fields.push(("log group of errors", Cell::maybe(job.error_log_group.as_ref(), Cell::text)));
        fields.extend(given(&job.capacity));
        fields.push(("arguments", arguments(&job.arguments)));
    }
    s.out.record(&shown, fields)
}

async fn list(s: &Session, backend: &Backend, brief: bool) -> Result {
    let mut jobs = backend.cloud.jobs.list().await?;
    let silent: Vec<_> = jobs.iter().filter(|j| j.last_run.is_none()).map(|j| j.name.clone()).collect();
    if !brief && !silent.is_empty() {
        if silent.len() > MANY {
            note(&format!("asking for the last runs of {} jobs; --brief leaves them out", silent.len()));
        }
        let mut runs = backend.cloud.jobs.last_runs(&silent).await?;
        for job in jobs.iter_mut().filter(|job| job.last_run.is_none()) {
            job.last_run = runs.remove(&job.name);
        }
    }
    s.out.list(&jobs, &JOBS, "no jobs")
}

impl Command {
    /// What it changes: the gate's words and the target; none for a command that reads.
    pub fn change(&self) -> Option<(&'static str, &str)> {
        match self {
            Self::List { .. } | Self::Show { .. } | Self::Runs { .. } => None,
            Self::Start { job, .. } => Some(("jobs start", job)),
            Self::Stop { job, .. } => Some(("jobs stop", job)),
            Self::ResetBookmark { job } => Some(("jobs reset-bookmark", job)),
        }
    }

    /// Does it.
    pub async fn run(self, s: &Session, backend: &Backend) -> Result {
        let cloud = &backend.cloud;
        match self {
            Self::List { brief } => list(s, backend, brief).await,
            Self::Show { job, run } => show(s, backend, &job, run).await,
            Self::Runs { job, limit } => {
                let job = resolve(backend, Kind::Job, &job).await?;
                let runs = cloud.jobs.runs(&job, limit).await?;
                if cloud.identity.known().cloud == "local" {
                    return s.out.list(&runs, &RUNS, "no runs yet");
                }
                let priced: Vec<_> = runs.into_iter().map(|run| Priced::new(backend, run)).collect();
                s.out.list(&priced, &AWS_RUNS, "no runs yet")
            }
            Self::Start { job, wait } => start(s, backend, &job, wait).await,
            Self::Stop { job, run } => {
                let job = resolve(backend, Kind::Job, &job).await?;
                let run = match run {
                    Some(run) => run,
                    None => going_on(backend, &job).await?,
                };
                let consent = s.consent(backend, &jobs::stop_effect(&job, &run))?;
                backend.stop_job(&job, &run, &consent).await?;
                let run = backend.wait_job(&job, &run).await?;
                one(s, backend, run)
            }
            Self::ResetBookmark { job } => {
                let job = resolve(backend, Kind::Job, &job).await?;
                let consent = s.consent(backend, &jobs::reset_effect(&job))?;
                backend.reset_bookmark(&job, &consent).await?;
                let bookmark = match cloud.jobs.bookmark(&job).await {
                    Ok(bookmark) => bookmark,
                    Err(Error::NotFound { .. } | Error::Unsupported { .. }) => Bookmark {
                        job,
                        run: None,
                        position: "none: the next run reads everything".into(),
                        updated: None,
                    },
                    Err(error) => return Err(error.into()),
                };
                s.out.record(
                    &bookmark,
                    vec![("job", Cell::text(&bookmark.job)), ("position", Cell::text(&bookmark.position))],
                )
            }
        }
    }
}

async fn going_on(backend: &Backend, job: &str) -> Result<String> {
    let runs = backend.cloud.jobs.runs(job, 50).await?;
    runs.into_iter()
        .find(|r| !r.state.is_final())
        .map(|r| r.id)
        .ok_or_else(|| Failure::failed(format!("no run of {job} goes on: there is nothing to stop")))
}

async fn start(s: &Session, backend: &Backend, job: &str, wait: bool) -> Result {
    let job = resolve(backend, Kind::Job, job).await?;
    let consent = s.consent(backend, &jobs::start_effect(&job))?;
    let mut run = backend.start_job(&job, &consent).await?;
    if wait || backend.cloud.identity.known().cloud == "local" {
        if !wait {
            note("the embedded cloud runs a job in the process that starts it: waiting for its end");
        }
        let consequence = match backend.cloud.identity.known().cloud.as_str() {
            "local" => "the run has failed, and the next one reads the same",
            _ => "the run goes on",
        };
        run = unless_interrupted(backend.wait_job(&job, &run.id), consequence).await??;
    }
    let failed = (run.state.is_final() && run.state != JobRunState::Succeeded).then(|| {
        let why = run.error.as_ref().map_or_else(String::new, |e| format!(": {e}"));
        format!("run {} of {job} is {}{why}", run.id, run.state.word())
    });
    one(s, backend, run)?;
    failed.map_or(Ok(()), |why| Err(Failure::failed(why)))
}
