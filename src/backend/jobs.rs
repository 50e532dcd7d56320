//! Starting and stopping jobs, and forgetting their bookmarks.

use std::time::Duration;

use super::{Backend, Consent, Effect, Outcome, Result, Strength};
use crate::cloud::jobs::JobRun;

/// How soon a run that is waited for is looked at again: less and less often, the longer it takes.
const POLL: Duration = Duration::from_millis(100);
const SLOWEST_POLL: Duration = Duration::from_secs(10);

/// Starting a run.
pub fn start_effect(job: &str) -> Effect {
    Effect {
        what: "jobs start",
        target: job.to_owned(),
        sentence: format!("a run of {job} starts"),
        strength: Strength::Free,
    }
}

/// Stopping a run.
pub fn stop_effect(job: &str, run: &str) -> Effect {
    Effect {
        what: "jobs stop",
        target: format!("{job} {run}"),
        sentence: format!("run {run} of {job} is stopped; nothing of it is kept"),
        strength: Strength::Confirm,
    }
}

/// Forgetting a bookmark.
pub fn reset_effect(job: &str) -> Effect {
    Effect {
        what: "jobs reset-bookmark",
        target: job.to_owned(),
        sentence: format!("{job} forgets what it has read: its next run reads everything and writes it again"),
        strength: Strength::Confirm,
    }
}

// A run that starts has not failed yet; how it ends stands in its own history.
impl Outcome for JobRun {}

impl Backend {
    /// Starts a run and returns at once.
    pub async fn start_job(&self, job: &str, consent: &Consent) -> Result<JobRun> {
        let jobs = self.cloud.jobs.clone();
        self.gate.perform(&start_effect(job), consent, |permit| async move { jobs.start(&permit, job).await }).await
    }

    /// Returns when a run is over.
    pub async fn wait_job(&self, job: &str, run: &str) -> Result<JobRun> {
        // A run here may take a moment, a run on AWS takes minutes.
        let slowest = if self.cloud.identity.known().cloud == "local" { POLL } else { SLOWEST_POLL };
        let mut wait = POLL;
        loop {
            let now = self.cloud.jobs.run(job, run).await?;
            if now.state.is_final() {
                return Ok(now);
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(slowest);
        }
    }

    /// Asks a run to stop.
    pub async fn stop_job(&self, job: &str, run: &str, consent: &Consent) -> Result<()> {
        let jobs = self.cloud.jobs.clone();
        self.gate
            .perform(&stop_effect(job, run), consent, |permit| async move { jobs.stop(&permit, job, run).await })
            .await
    }

    /// Forgets a job's bookmark.
    pub async fn reset_bookmark(&self, job: &str, consent: &Consent) -> Result<()> {
        let jobs = self.cloud.jobs.clone();
        self.gate
            .perform(&reset_effect(job), consent, |permit| async move { jobs.reset_bookmark(&permit, job).await })
            .await
    }
}
