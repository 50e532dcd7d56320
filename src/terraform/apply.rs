//! Applying the plan that was shown, and no other.

use std::path::Path;

use jiff::Timestamp;

use super::{
    Root,
    folder::{PlanPlace, Record},
    operation::{self, End},
    plan::{self, Plan},
};
use crate::cloud::{
    Error, Permit, Result,
    stacks::{Action, Change, ChangeSet, Destroyed, Operation, Progress, Retained, Stack},
};

impl Root {
    /// Applies what was confirmed: its saved plan.
    pub(super) async fn apply_saved(
        &self,
        permit: &Permit,
        confirmed: Option<&ChangeSet>,
        progress: Progress,
    ) -> Result<Stack> {
        let saved = confirmed.and_then(|plan| Some((plan, plan.saved.as_ref()?)));
        let Some((confirmed, saved)) = saved else {
            return Err(Error::Conflict(format!("{} has no saved plan to apply: plan again", self.name())));
        };
        self.nothing_under_way().await?;
        self.ready(false).await?;
        let (plan, place) = self.the_same(&confirmed.changes, saved).await?;
        let changes = plan.change_set(self.name()).changes;
        if changes.is_empty() {
            self.went_well();
            let stack = self.look().await?;
            return stack.ok_or_else(|| Error::not_found("stack", self.name()));
        }
        let kind = if plan.creates() { "create" } else { "update" };
        let end = self.carry_out(permit, kind, &changes, &plan, &place.path(), progress).await?;
        let shown = self.look().await;
        match (end.error, shown) {
            (Some(error), _) => Err(error),
            (None, Ok(Some(stack))) => Ok(stack),
            (None, Ok(None)) => Err(Error::failed(format!(
                "{} was applied, and there is nothing in its state: look at it with `pumphouse status {}`",
                self.name(),
                self.directory.pipeline
            ))),
            (None, Err(error)) => {
                Err(Error::failed(format!("{} was applied, but its state cannot be looked at: {error}", self.name())))
            }
        }
    }

    /// Destroys what was planned to be, or plans that now.
    pub(super) async fn destroy_planned(&self, permit: &Permit, progress: Progress) -> Result<Destroyed> {
        let shown = self.to_destroy.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        let set = if let Some(set) = shown {
            set
        } else {
            let set = self.plan_to_destroy(permit).await?;
            self.to_destroy.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
            set
        };
        let Some(saved) = &set.saved else {
            return Err(Error::Conflict(format!("{} has no saved plan to apply: plan again", self.name())));
        };
        self.nothing_under_way().await?;
        self.ready(false).await?;
        let (plan, place) = self.the_same(&set.changes, saved).await?;
        let end = self.carry_out(permit, "delete", &set.changes, &plan, &place.path(), progress).await?;
        if let Err(error) = self.look().await {
            tracing::warn!(%error, "the state could not be looked at after a destroy");
        }
        if let Some(error) = end.error {
            return Err(error);
        }
        let kept = set.changes.iter().filter(|c| c.action == Action::Remove && c.kept);
        let retained = kept.map(|c| Retained {
            logical_id: c.logical_id.clone(),
            kind: c.kind.clone(),
            physical_name: c.physical_name.clone(),
            remove: "delete it in the console of its service: Terraform has forgotten it".to_owned(),
        });
        Ok(Destroyed { retained: retained.collect() })
    }

    async fn plan_to_destroy(&self, permit: &Permit) -> Result<ChangeSet> {
        use crate::cloud::stacks::Stacks;
        let set = self.plan_destroy(permit, self.name()).await?;
        set.ok_or_else(|| Error::Conflict(format!("{}: there is no plan of the destroy", self.name())))
    }

    /// The saved plan in a file of its own, which must be the one that was shown.
    async fn the_same(&self, shown: &[Change], saved: &[u8]) -> Result<(Plan, PlanPlace)> {
        let place = self.folder.plan()?;
        place.put(saved)?;
        let plan = self.shown(&place.path()).await?;
        if plan.change_set(self.name()).changes == shown {
            return Ok((plan, place));
        }
        Err(Error::Conflict(format!(
            "the saved plan of {} is not the one that was shown: nothing was applied; plan again",
            self.name()
        )))
    }

    /// Applies a plan and follows it to its end.
    async fn carry_out(
        &self,
        permit: &Permit,
        kind: &str,
        changes: &[Change],
        plan: &Plan,
        path: &Path,
        progress: Progress,
    ) -> Result<End> {
        let id = uuid::Uuid::now_v7().simple().to_string();
        let total = plan::steps(changes);
        let operation = Operation {
            id: id.clone(),
            kind: kind.to_owned(),
            who: permit.principal().to_owned(),
            started: Timestamp::now(),
            ended: None,
            status: format!("{}_IN_PROGRESS", kind.to_uppercase()),
            changes: total,
            reason: None,
        };
        let mut record = Record {
            operation,
            stack: self.name().to_owned(),
            total,
            pid: None,
            pid_started: None,
            interrupted: false,
        };
        let scrubber = plan.scrubber();
        self.operations.learn(&id, scrubber.clone());
        let wait = format!("-lock-timeout={}s", self.directory.lock_timeout_seconds);
        let _followed = self.operations.follow(&id);
        operation::begin(&self.program, &self.folder, &mut record, path, &["apply", "-json", "-input=false", &wait])?;
        let (mut events, stream) =
            operation::follow(&self.folder, &record, Some(scrubber.clone()), Some(&progress)).await;
        let end = operation::judge(&self.folder, &record, &stream, Some(&scrubber));
        let last = operation::last_event(&end, &stream);
        let _ = progress.send(last.clone());
        events.push(last);
        self.folder.end(&end.record, &events)?;
        self.remember_end(&end);
        Ok(end)
    }
}
