//! Invoking functions.

use super::{Backend, Consent, Effect, Outcome, Result, Strength};
use crate::cloud::functions::{Invocation, Invoke};

/// Invoking a function.
pub fn invoke_effect(function: &str) -> Effect {
    Effect {
        what: "invoke",
        target: function.to_owned(),
        sentence: format!("{function} is invoked, with all that it does"),
        strength: Strength::Free,
    }
}

impl Outcome for Invocation {
    fn failure(&self) -> Option<String> {
        self.error.clone()
    }
}

impl Backend {
    /// Invokes a function and waits for its end.
    pub async fn invoke(&self, request: Invoke, consent: &Consent) -> Result<Invocation> {
        let functions = self.cloud.functions.clone();
        let effect = invoke_effect(&request.function);
        self.gate.perform(&effect, consent, |permit| async move { functions.invoke(&permit, request).await }).await
    }
}
