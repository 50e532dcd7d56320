//! `jobs`: jobs, their runs and bookmarks.

use clap::Subcommand;

use super::{
    failure::{Failure, Result},
    input,
    names::resolve,
    out::{Cell, Column, note},
    session::Session,
    signals::unless_interrupted,
};
use crate::{
    backend::{Backend, Kind, jobs},
    cloud::jobs::{Job, JobRun, JobRunState},
};

/// What to do with jobs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the jobs with their last runs
    List,
    /// List the runs of a job, the newest first
    Runs {
        /// Its name, or PIPELINE/NAME
        job: String,
        /// At most this many
        #[arg(long, default_value_t = 50, value_name = "N", value_parser = input::count, allow_negative_numbers = true)]
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

fn took(run: &JobRun) -> Option<u64> {
    u64::try_from(run.ended?.duration_since(run.started).as_millis()).ok()
}

fn one(s: &Session, run: &JobRun) -> Result {
    s.out.record(run, RUNS.iter().map(|(name, cell)| (*name, cell(run))).collect())
}

impl Command {
    /// What it changes: the gate's words and the target; none for a command that reads.
    pub fn change(&self) -> Option<(&'static str, &str)> {
        match self {
            Self::List | Self::Runs { .. } => None,
            Self::Start { job, .. } => Some(("jobs start", job)),
            Self::Stop { job, .. } => Some(("jobs stop", job)),
            Self::ResetBookmark { job } => Some(("jobs reset-bookmark", job)),
        }
    }

    /// Does it.
    pub async fn run(self, s: &Session, backend: &Backend) -> Result {
        let cloud = &backend.cloud;
        match self {
            Self::List => s.out.list(&cloud.jobs.list().await?, &JOBS, "no jobs"),
            Self::Runs { job, limit } => {
                let job = resolve(backend, Kind::Job, &job).await?;
                s.out.list(&cloud.jobs.runs(&job, limit).await?, &RUNS, "no runs yet")
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
                one(s, &run)
            }
            Self::ResetBookmark { job } => {
                let job = resolve(backend, Kind::Job, &job).await?;
                let consent = s.consent(backend, &jobs::reset_effect(&job))?;
                backend.reset_bookmark(&job, &consent).await?;
                let bookmark = cloud.jobs.bookmark(&job).await?;
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
    one(s, &run)?;
    if run.state.is_final() && run.state != JobRunState::Succeeded {
        let why = run.error.map_or_else(String::new, |e| format!(": {e}"));
        return Err(Failure::failed(format!("run {} of {job} is {}{why}", run.id, run.state.word())));
    }
    Ok(())
}
