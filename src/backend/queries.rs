//! Which workgroup executes a query, and cancelling one that somebody else may have started.

use super::{Backend, Consent, Effect, Result, Strength};

/// What is said in read-only mode before a service executes a query for the first time.
pub const WRITES_RESULTS: &str = "read-only: the query changes no data, but Athena itself writes its result, a file and \
                                  its metadata, to the workgroup's results bucket, where it stays";

/// Cancelling an execution.
pub fn cancel_effect(id: &str) -> Effect {
    Effect {
        what: "queries cancel",
        target: id.to_owned(),
        sentence: format!("query {id} is cancelled"),
        strength: Strength::Free,
    }
}

impl Backend {
    /// Cancels an execution.
    pub async fn cancel_query(&self, id: &str, consent: &Consent) -> Result<()> {
        let queries = self.cloud.queries.clone();
        self.gate.perform(&cancel_effect(id), consent, |permit| async move { queries.cancel(&permit, id).await }).await
    }

    /// Whether a service executes queries, and keeps their results.
    pub fn queries_write_results(&self) -> bool {
        self.cloud.identity.known().cloud == "aws"
    }

    /// The workgroup of a query that reads a pipeline's database: the one that is set, else the pipeline's own.
    pub fn workgroup_of(&self, pipeline: Option<&str>) -> Option<String> {
        if self.workgroup.is_some() || !self.queries_write_results() {
            return self.workgroup.clone();
        }
        pipeline.map(|pipeline| self.stack_name(pipeline))
    }
}
