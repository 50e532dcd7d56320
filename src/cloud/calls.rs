//! What a change was made of: the calls that an adapter made for it, for the audit file.
//!
//! The backend's gate listens while a change is made; an adapter that calls a service over a network notes each call that
//! changes anything. What a task that was spawned calls is not heard: changes are made in one task.

use std::{
    future::Future,
    sync::{Arc, Mutex, PoisonError},
};

use serde::Serialize;

/// One call that changed something, or was to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Call {
    /// The IAM action that it needs: `glue:StartJobRun`.
    pub operation: String,
    /// The id under which the service knows it; none where it gave no answer.
    pub request_id: Option<String>,
}

/// Calls of one change that are kept; emptying a bucket makes any number of them.
const KEPT: usize = 50;

/// Hears of calls.
#[derive(Debug, Clone, Default)]
pub struct Recorder(Arc<Mutex<Vec<Call>>>);

tokio::task_local! {
    static RECORDER: Recorder;
}

impl Recorder {
    /// Does `work`, and hears of its calls.
    pub async fn during<F: Future>(&self, work: F) -> F::Output {
        RECORDER.scope(self.clone(), work).await
    }

    /// The calls so far, the first 50.
    pub fn calls(&self) -> Vec<Call> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Notes a call, if anybody listens.
pub fn note(call: impl FnOnce() -> Call) {
    let _ = RECORDER.try_with(|recorder| {
        let mut calls = recorder.0.lock().unwrap_or_else(PoisonError::into_inner);
        if calls.len() < KEPT {
            calls.push(call());
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn calls_are_those_of_their_own_change() {
        let call = |operation: &str| Call { operation: operation.into(), request_id: None };
        let recorder = Recorder::default();
        note(|| call("nobody listens"));
        recorder
            .during(async {
                note(|| call("here"));
                tokio::task::yield_now().await;
                note(|| call("there"));
            })
            .await;
        assert_eq!(recorder.calls(), [call("here"), call("there")]);
    }
}
