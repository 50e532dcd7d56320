//! Cancelling a query that somebody else may have started.

use super::{Backend, Consent, Effect, Result, Strength};

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
}
