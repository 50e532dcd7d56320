//! Changing thresholds and publishing messages.

use super::{Backend, Consent, Effect, Result, Strength};
use crate::cloud::alerts::Publish;

/// Setting a threshold or an alarm's limit.
pub fn set_effect(name: &str, value: f64) -> Effect {
    Effect {
        what: "alerts set",
        target: name.to_owned(),
        sentence: format!("{name} becomes {value}"),
        strength: Strength::Free,
    }
}

/// Publishing a message.
pub fn publish_effect(topic: &str) -> Effect {
    Effect {
        what: "topics publish",
        target: topic.to_owned(),
        sentence: format!("a message is published to {topic}; whoever subscribes to it is told"),
        strength: Strength::Free,
    }
}

impl Backend {
    /// Sets the threshold or alarm with the physical name `name`.
    pub async fn set_alert(&self, name: &str, value: f64, consent: &Consent) -> Result<()> {
        let alerts = self.cloud.alerts.clone();
        self.gate
            .perform(&set_effect(name, value), consent, |permit| async move { alerts.set(&permit, name, value).await })
            .await
    }

    /// Publishes a message to the topic with the physical name `topic`.
    pub async fn publish(&self, topic: &str, message: &Publish, consent: &Consent) -> Result<()> {
        let alerts = self.cloud.alerts.clone();
        self.gate
            .perform(
                &publish_effect(topic),
                consent,
                |permit| async move { alerts.publish(&permit, topic, message).await },
            )
            .await
    }
}
