//! The gate: the one way to a permit.
//!
//! It checks read-only mode, asks for the confirmation that the effect deserves, writes the audit record before the
//! change begins, and its outcome when the change has ended.

use std::{fmt, future::Future, path::Path, sync::Arc, time::Duration};

use super::{
    audit::{Audit, Record},
    error::{Refusal, Result},
};
use crate::cloud::{self, Identity, Permit, calls::Recorder, identity::Identities};

/// How much confirmation an effect deserves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Strength {
    /// None: it is easily undone, or asked for in so many words.
    Free,
    /// A yes.
    Confirm,
    /// This name, typed.
    TypeName(String),
}

/// A change that somebody asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effect {
    /// What: "jobs stop".
    pub what: &'static str,
    /// To what: a physical name.
    pub target: String,
    /// What will happen, in a sentence that a person confirms.
    pub sentence: String,
    /// How much confirmation it deserves.
    pub strength: Strength,
}

/// The confirmation that was given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Consent {
    /// None.
    #[default]
    None,
    /// A yes.
    Yes,
    /// A typed name.
    Name(String),
}

impl Consent {
    /// Whether this is enough for that.
    pub fn satisfies(&self, strength: &Strength) -> bool {
        match (strength, self) {
            (Strength::Free, _) | (Strength::Confirm, Self::Yes | Self::Name(_)) => true,
            (Strength::TypeName(wanted), Self::Name(typed)) => wanted == typed,
            (Strength::Confirm | Strength::TypeName(_), _) => false,
        }
    }
}

/// What a change came to: it may have been made and still have failed, as an invocation does whose handler fails.
pub trait Outcome {
    /// Why it failed; nothing where it did not.
    fn failure(&self) -> Option<String> {
        None
    }
}

impl Outcome for () {}

impl<T: Outcome> Outcome for Option<T> {
    fn failure(&self) -> Option<String> {
        self.as_ref().and_then(Outcome::failure)
    }
}

/// How long the cloud is waited for that is to say who we are there: a change is not kept back for it.
const ASK: Duration = Duration::from_secs(5);

/// The one way to a permit.
#[derive(Clone)]
pub struct Gate {
    read_only: bool,
    who: String,
    audit: Audit,
    identities: Option<Arc<dyn Identities>>,
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").field("read_only", &self.read_only).field("who", &self.who).finish_non_exhaustive()
    }
}

impl Gate {
    /// A gate for the operator `who`.
    pub fn new(read_only: bool, who: impl Into<String>, audit: Audit) -> Self {
        Self { read_only, who: who.into(), audit, identities: None }
    }

    /// The gate to a cloud that knows who we are there.
    #[must_use]
    pub fn of(self, identities: Arc<dyn Identities>) -> Self {
        Self { identities: Some(identities), ..self }
    }

    /// Who we are in a cloud that has accounts.
    fn known(&self) -> Option<Identity> {
        self.identities.as_ref().map(|i| i.known()).filter(|identity| identity.cloud != "local")
    }

    /// The same, having asked.
    async fn caller(&self) -> Option<Identity> {
        let known = self.known()?;
        match tokio::time::timeout(ASK, self.identities.as_ref()?.ask()).await {
            Ok(Ok(identity)) => Some(identity),
            _ => Some(known),
        }
    }

    /// Whether everything is refused.
    pub fn read_only(&self) -> bool {
        self.read_only
    }

    /// The folder of the audit file, for what else only this machine remembers.
    pub fn folder(&self) -> &Path {
        self.audit.path().parent().unwrap_or(Path::new("."))
    }

    /// Whether the gate would open: for a face that wants to say so before it asks for a confirmation.
    pub fn check(&self, what: &'static str, target: &str) -> std::result::Result<(), Refusal> {
        if self.read_only {
            return Err(Refusal::ReadOnly { what, target: target.to_owned() });
        }
        Ok(())
    }

    /// Writes down that nobody confirmed: for a face that has asked, and was given nothing.
    ///
    /// # Errors
    /// [`Refusal`] in read-only mode, which writes nothing, and where it cannot be written.
    pub fn decline(&self, effect: &Effect) -> std::result::Result<(), Refusal> {
        self.check(effect.what, &effect.target)?;
        self.note("-", effect, "refused: not confirmed", self.known().as_ref(), None)
    }

    /// Does `work` with a permit for `effect`, if the gate opens.
    ///
    /// # Errors
    /// [`Refusal`] where it does not; else what `work` says.
    pub async fn perform<T, F, W>(&self, effect: &Effect, consent: &Consent, work: W) -> Result<T>
    where
        T: Outcome,
        W: FnOnce(Permit) -> F,
        F: Future<Output = cloud::Result<T>>,
    {
        self.check(effect.what, &effect.target)?;
        if !consent.satisfies(&effect.strength) {
            self.decline(effect)?;
            return Err(Refusal::Unconfirmed(effect.sentence.clone()).into());
        }
        let id = uuid::Uuid::new_v4().simple().to_string();
        let caller = self.caller().await;
        let recorder = Recorder::default();
        self.note(&id, effect, "started", caller.as_ref(), None)?;
        let unfinished = Unfinished { gate: self, effect, id: &id, caller: caller.as_ref(), recorder: &recorder };
        let result = recorder.during(Box::pin(work(Permit::operator(&self.who)))).await;
        std::mem::forget(unfinished);
        let failure = match &result {
            Ok(value) => value.failure(),
            Err(e) => Some(e.to_string()),
        };
        let outcome = failure.map_or_else(|| "ok".to_owned(), |why| format!("failed: {why}"));
        if let Err(e) = self.note(&id, effect, &outcome, caller.as_ref(), Some(&recorder)) {
            // The change is done and its beginning is on record: its result counts for more than the second line.
            tracing::error!(%e, what = effect.what, "the outcome could not be written to the audit file");
        }
        Ok(result?)
    }

    fn note(
        &self,
        id: &str,
        effect: &Effect,
        outcome: &str,
        caller: Option<&Identity>,
        recorder: Option<&Recorder>,
    ) -> std::result::Result<(), Refusal> {
        let record = Record {
            who: &self.who,
            what: effect.what,
            target: &effect.target,
            outcome,
            id,
            caller: caller.and_then(|c| c.principal.as_deref()),
            account: caller.and_then(|c| c.account.as_deref()),
            region: caller.and_then(|c| c.region.as_deref()),
            calls: &recorder.map(Recorder::calls).unwrap_or_default(),
        };
        self.audit.record(record).map_err(|e| Refusal::NoAudit(format!("{}: {e}", self.audit.path().display())))
    }
}

/// Writes the outcome of a change whose caller went away before its end.
struct Unfinished<'a> {
    gate: &'a Gate,
    effect: &'a Effect,
    id: &'a str,
    caller: Option<&'a Identity>,
    recorder: &'a Recorder,
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        let outcome = "interrupted: the caller went away before the end";
        let _ = self.gate.note(self.id, self.effect, outcome, self.caller, Some(self.recorder));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{backend::Error, cloud::Error as CloudError};

    fn effect(strength: Strength) -> Effect {
        Effect { what: "destroy", target: "x-dev".into(), sentence: "x-dev is removed".into(), strength }
    }

    fn outcomes(path: &std::path::Path) -> Vec<String> {
        std::fs::read_to_string(path)
            .unwrap_or_default()
            .lines()
            .map(|l| serde_json::from_str::<serde_json::Value>(l).unwrap()["outcome"].as_str().unwrap().to_owned())
            .collect()
    }

    #[tokio::test]
    async fn read_only_refuses_before_anything_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit.jsonl");
        let gate = Gate::new(true, "me", Audit::new(&path));
        let refused = gate.perform(&effect(Strength::Free), &Consent::Yes, |_| async { Ok(()) }).await;
        assert!(matches!(refused, Err(Error::Refused(Refusal::ReadOnly { .. }))));
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn the_strongest_confirmation_is_the_name_itself() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit.jsonl");
        let gate = Gate::new(false, "me", Audit::new(&path));
        let strongest = effect(Strength::TypeName("x-dev".into()));
        for wrong in [Consent::None, Consent::Yes, Consent::Name("x-prod".into())] {
            let refused = gate.perform(&strongest, &wrong, |_| async { Ok(()) }).await;
            assert!(matches!(refused, Err(Error::Refused(Refusal::Unconfirmed(_)))));
        }
        gate.perform(&strongest, &Consent::Name("x-dev".into()), |_| async { Ok(()) }).await.unwrap();
        assert_eq!(outcomes(&path)[3..], ["started", "ok"]);
    }

    #[tokio::test]
    async fn each_outcome_is_on_record() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit.jsonl");
        let gate = Gate::new(false, "me", Audit::new(&path));
        let free = effect(Strength::Free);
        let failed: Result<()> = gate.perform(&free, &Consent::None, |_| async { Err(CloudError::failed("no")) }).await;
        assert!(failed.is_err());
        let hanging = gate.perform(&free, &Consent::None, |_| std::future::pending::<cloud::Result<()>>());
        assert!(tokio::time::timeout(std::time::Duration::from_millis(1), hanging).await.is_err());
        assert_eq!(
            outcomes(&path),
            ["started", "failed: no", "started", "interrupted: the caller went away before the end"]
        );
    }

    #[tokio::test]
    async fn what_was_done_and_failed_is_on_record_as_failed() {
        struct Half;
        impl Outcome for Half {
            fn failure(&self) -> Option<String> {
                Some("half".into())
            }
        }
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit.jsonl");
        let gate = Gate::new(false, "me", Audit::new(&path));
        gate.perform(&effect(Strength::Free), &Consent::None, |_| async { Ok(Half) }).await.unwrap();
        assert_eq!(outcomes(&path), ["started", "failed: half"]);
    }

    #[tokio::test]
    async fn what_cannot_be_written_down_is_not_done() {
        let gate = Gate::new(false, "me", Audit::new("/dev/null/audit.jsonl"));
        let refused = gate
            .perform(&effect(Strength::Free), &Consent::None, |_| async {
                unreachable!("the gate is shut") as cloud::Result<()>
            })
            .await;
        assert!(matches!(refused, Err(Error::Refused(Refusal::NoAudit(_)))));
    }
}
