//! Jobs, their runs and bookmarks (AWS Glue).

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{error::Result, pages::Pages, permit::Permit};

/// A job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Its name.
    pub name: String,
    /// The pipeline it belongs to.
    pub pipeline: Option<String>,
    /// When it runs by itself: `cron(...)` or `rate(...)`.
    pub schedule: Option<String>,
    /// When it runs next by itself.
    pub next_run: Option<Timestamp>,
    /// Whether it reads only what is new since its bookmark.
    pub bookmark: bool,
    /// The log group that its runs write to.
    pub log_group: String,
    /// The newest run.
    pub last_run: Option<JobRun>,
}

/// A run's state, in AWS Glue's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum JobRunState {
    /// Accepted, not started.
    Starting,
    /// At work.
    Running,
    /// Asked to stop.
    Stopping,
    /// Stopped on request.
    Stopped,
    /// Done.
    Succeeded,
    /// Failed; the run's `error` says why.
    Failed,
    /// Took longer than it may.
    Timeout,
}

impl JobRunState {
    /// Whether the run is over.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Stopped | Self::Succeeded | Self::Failed | Self::Timeout)
    }

    /// AWS's word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Starting => "STARTING",
            Self::Running => "RUNNING",
            Self::Stopping => "STOPPING",
            Self::Stopped => "STOPPED",
            Self::Succeeded => "SUCCEEDED",
            Self::Failed => "FAILED",
            Self::Timeout => "TIMEOUT",
        }
    }
}

/// One run of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobRun {
    /// Its id, `jr_` and hexadecimal digits.
    pub id: String,
    /// The job.
    pub job: String,
    /// Its state.
    pub state: JobRunState,
    /// What started it: a schedule's name, an operator.
    pub trigger: String,
    /// When it started.
    pub started: Timestamp,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// Rows read.
    pub rows_in: Option<u64>,
    /// Rows written.
    pub rows_out: Option<u64>,
    /// Objects read.
    pub files_in: Option<u64>,
    /// Bytes read.
    pub bytes_in: Option<u64>,
    /// Why it failed.
    pub error: Option<String>,
    /// The log stream of this run, in the job's log group.
    pub log_stream: String,
}

/// Where a job has read to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bookmark {
    /// The job.
    pub job: String,
    /// The run that moved it last.
    pub run: Option<String>,
    /// The position, in the adapter's own terms.
    pub position: String,
    /// When it moved.
    pub updated: Option<Timestamp>,
}

/// Jobs, their runs and bookmarks.
#[async_trait]
pub trait Jobs: Send + Sync {
    /// All jobs, by name.
    fn list(&self) -> Pages<'_, Job>;
    /// A job's runs, the newest first.
    async fn runs(&self, job: &str, limit: usize) -> Result<Vec<JobRun>>;
    /// One run.
    async fn run(&self, job: &str, id: &str) -> Result<JobRun>;
    /// Starts a run and returns at once (`glue:StartJobRun`).
    async fn start(&self, permit: &Permit, job: &str) -> Result<JobRun>;
    /// Asks a run to stop (`glue:BatchStopJobRun`).
    async fn stop(&self, permit: &Permit, job: &str, id: &str) -> Result<()>;
    /// The job's bookmark.
    async fn bookmark(&self, job: &str) -> Result<Bookmark>;
    /// Forgets it: the next run reads everything (`glue:ResetJobBookmark`).
    async fn reset_bookmark(&self, permit: &Permit, job: &str) -> Result<()>;
}
