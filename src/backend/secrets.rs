//! Setting secrets, and reading the one kind that a person needs: an API's key.

use super::{Backend, Consent, Effect, Outcome, Result, Strength};
use crate::cloud::secrets::SecretValue;

/// Setting a secret.
pub fn set_effect(name: &str) -> Effect {
    Effect {
        what: "secret set",
        target: name.to_owned(),
        sentence: format!("{name} gets a new value"),
        strength: Strength::Free,
    }
}

/// Reading an API's key.
pub fn key_effect(api: &str) -> Effect {
    Effect {
        what: "apis key",
        target: api.to_owned(),
        sentence: format!("the key of {api} is shown"),
        strength: Strength::Free,
    }
}

impl Outcome for SecretValue {}

impl Backend {
    /// Sets a secret.
    pub async fn set_secret(&self, name: &str, value: &SecretValue, consent: &Consent) -> Result<()> {
        let secrets = self.cloud.secrets.clone();
        self.gate
            .perform(&set_effect(name), consent, |permit| async move { secrets.set(&permit, name, value).await })
            .await
    }

    /// An API's key. It changes nothing, but who sees a key is written down.
    pub async fn api_key(&self, api: &str, consent: &Consent) -> Result<SecretValue> {
        let apis = self.cloud.apis.clone();
        self.gate.perform(&key_effect(api), consent, |permit| async move { apis.key(&permit, api).await }).await
    }
}
