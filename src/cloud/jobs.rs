//! Jobs, their runs and bookmarks (AWS Glue).

use std::collections::BTreeMap;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{error::Result, pages::Pages, permit::Permit};

/// A job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
    /// The log group that they write their errors to, where those have one of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_log_group: Option<String>,
    /// The newest run, where the list tells it: AWS does not, [`Jobs::last_runs`] is asked for those that are wanted.
    pub last_run: Option<JobRun>,
    /// What its runs are given.
    #[serde(flatten)]
    pub capacity: Capacity,
    /// The arguments of its runs; the values of those that look like secrets are not here.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub arguments: BTreeMap<String, String>,
}

/// What a run is given to work with, where the cloud tells.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Capacity {
    /// AWS Glue's version: `5.1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub glue_version: Option<String>,
    /// What kind of machine a worker is: `G.1X`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worker_type: Option<String>,
    /// Workers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workers: Option<u32>,
    /// The most data processing units at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_dpu: Option<f64>,
}

/// A run's state, in AWS Glue's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum JobRunState {
    /// Accepted, waiting for room.
    Waiting,
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
    /// Could not be worked at; the run's `error` says why.
    Error,
    /// Took longer than it may.
    Timeout,
    /// Waited longer than it may.
    Expired,
}

impl JobRunState {
    /// Whether the run is over.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Stopped | Self::Succeeded) || self.is_failure()
    }

    /// Whether the run is over and has not done what it should.
    pub fn is_failure(self) -> bool {
        matches!(self, Self::Failed | Self::Error | Self::Timeout | Self::Expired)
    }

    /// AWS's word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Waiting => "WAITING",
            Self::Starting => "STARTING",
            Self::Running => "RUNNING",
            Self::Stopping => "STOPPING",
            Self::Stopped => "STOPPED",
            Self::Succeeded => "SUCCEEDED",
            Self::Failed => "FAILED",
            Self::Error => "ERROR",
            Self::Timeout => "TIMEOUT",
            Self::Expired => "EXPIRED",
        }
    }
}

/// One run of a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
    /// The log stream of this run, or what the names of its streams begin with.
    pub log_stream: String,
    /// The log group that it writes to, where that is not the job's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_group: Option<String>,
    /// The log group that it writes its errors to, where they have one of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_log_group: Option<String>,
    /// What it was given to work with.
    #[serde(flatten)]
    pub capacity: Capacity,
    /// Seconds that it worked: those that are paid for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution_seconds: Option<u64>,
    /// Data processing units times seconds, where they were counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dpu_seconds: Option<f64>,
    /// Its own arguments, in place of the job's; the values of those that look like secrets are not here.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub arguments: BTreeMap<String, String>,
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
    /// The newest run of each of these jobs; a job that never ran, or is not there any more, is left out.
    async fn last_runs(&self, jobs: &[String]) -> Result<BTreeMap<String, JobRun>>;
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
