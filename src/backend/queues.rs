//! Sending messages to queues, and giving dead letters back.

use super::{Backend, Consent, Effect, Outcome, Result, Strength};
use crate::cloud::{Error, queues::Redriven};

/// Sending a message.
pub fn send_effect(queue: &str) -> Effect {
    Effect {
        what: "queues send",
        target: queue.to_owned(),
        sentence: format!("a message is sent to {queue}; the function that reads it is given it"),
        strength: Strength::Free,
    }
}

/// Giving dead letters back.
pub fn redrive_effect(queue: &str) -> Effect {
    Effect {
        what: "queues redrive",
        target: queue.to_owned(),
        sentence: format!("the messages of {queue} go back to where they came from, and are dealt with once more"),
        strength: Strength::Confirm,
    }
}

impl Outcome for Redriven {}

/// A message that was sent, by its id.
struct Sent(String);

impl Outcome for Sent {}

impl Backend {
    /// Sends a message to the queue with the physical name `queue`; its id.
    pub async fn send_message(&self, queue: &str, body: &str, consent: &Consent) -> Result<String> {
        let queues = self.cloud.queues.clone();
        let effect = send_effect(queue);
        let work = |permit| async move { queues.send(&permit, queue, body).await.map(Sent) };
        Ok(self.gate.perform(&effect, consent, work).await?.0)
    }

    /// The dead-letter queue of a queue, or the queue itself where it is one.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a queue that has none.
    pub async fn dead_letters(&self, queue: &str) -> Result<String> {
        let (all, errors) = self.cloud.queues.list().gather().await;
        let Some(found) = all.into_iter().find(|q| q.name == queue) else {
            return Err(errors.into_iter().next().unwrap_or_else(|| Error::not_found("queue", queue)).into());
        };
        if found.is_dead_letter() {
            return Ok(found.name);
        }
        let none = || Error::Invalid(format!("{queue} has no dead-letter queue, and holds nobody's dead letters"));
        Ok(found.dead_letter.ok_or_else(none)?)
    }

    /// Sends the messages of the dead-letter queue `queue` back to where they came from.
    pub async fn redrive(&self, queue: &str, consent: &Consent) -> Result<Redriven> {
        let queues = self.cloud.queues.clone();
        self.gate
            .perform(&redrive_effect(queue), consent, |permit| async move { queues.redrive(&permit, queue).await })
            .await
    }
}
