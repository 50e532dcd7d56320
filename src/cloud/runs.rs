//! Runs of a whole pipeline: which stages an interrupted one has behind it.

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{error::Result, permit::Permit};

/// A run of a pipeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PipelineRun {
    /// Its id.
    pub id: String,
    /// The stack that it runs in.
    pub stack: String,
    /// What its invocations' ids are made from. A run that starts anew after an interrupted one takes over its scope, so
    /// that what the interrupted one wrote is not written twice.
    pub scope: String,
    /// What it reads, in words that are equal when the inputs are: source names, files and their contents' hashes.
    pub inputs: String,
    /// `RUNNING`, `SUCCEEDED`, `FAILED`, `INTERRUPTED` (its process is gone), `ABANDONED` (`--restart`).
    pub status: String,
    /// When it started.
    pub started: Timestamp,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// The stages that it has behind it, or is in.
    pub stages: Vec<StageRun>,
}

/// A stage of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageRun {
    /// The stage's name in pipeline.toml, without its kind: `fetch_prices`.
    pub name: String,
    /// Its kind: `function`, `stream`, `delivery`, `bucket`, `crawler`, `job`, `topic`.
    pub kind: String,
    /// `PENDING`, `RUNNING`, `SUCCEEDED`, `FAILED`, `SKIPPED`.
    pub status: String,
    /// Records that it read; none where nobody has counted them.
    pub records_in: Option<u64>,
    /// Records that it wrote; none where nobody has counted them.
    pub records_out: Option<u64>,
    /// How long it took, in milliseconds.
    pub elapsed_ms: u64,
    /// Why it failed.
    pub error: Option<String>,
    /// Steps done, for a stage of many steps.
    #[serde(default)]
    pub step: u64,
    /// Steps to do; 0 while that is not known.
    #[serde(default)]
    pub steps: u64,
    /// What the stage's counters of records in and out stood at when the run began: its own records are what they have
    /// grown by. None where the cloud has no such counters.
    #[serde(default)]
    pub baseline: (Option<u64>, Option<u64>),
    /// The run of the job that this stage has started, where that goes on by itself when this process ends.
    #[serde(default)]
    pub job_run: Option<String>,
}

/// Runs of whole pipelines.
#[async_trait]
pub trait Runs: Send + Sync {
    /// Runs in a stack, the newest first.
    async fn list(&self, stack: &str, limit: usize) -> Result<Vec<PipelineRun>>;
    /// Begins a run, or takes up the interrupted one of this id. One run at a time in a stack.
    async fn begin(&self, permit: &Permit, run: &PipelineRun) -> Result<()>;
    /// Writes down how far it has come, or its end.
    async fn save(&self, permit: &Permit, run: &PipelineRun) -> Result<()>;
}
