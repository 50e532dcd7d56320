//! Applying the plan that was shown, and no other.

use jiff::Timestamp;

use super::{
    Root,
    folder::{PlanPlace, Record},
    mask::Scrubber,
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
        if confirmed.is_some_and(|plan| plan.resumes) {
            return self.carried_on(progress).await;
        }
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
        let end = self.carry_out(permit, kind, &changes, &plan, place, progress).await?;
        self.after(end).await
    }

    /// Follows what is under way to its end.
    async fn carried_on(&self, progress: Progress) -> Result<Stack> {
        let Some(record) = self.under_way() else {
            // It has ended since.
            self.settle().await;
            return self.look().await?.ok_or_else(|| Error::not_found("stack", self.name()));
        };
        let id = record.operation.id.clone();
        let scrubber = self.operations.scrubber(&self.program, &self.folder.operation(&id), &id).await;
        let end = self.follow_to_end(&record, scrubber, &progress).await?;
        self.after(end).await
    }

    /// The stack as an operation has left it.
    async fn after(&self, end: End) -> Result<Stack> {
        let shown = self.look().await;
        match (end.error, shown) {
            (Some(error), _) => Err(error),
            (None, Ok(Some(stack))) => Ok(stack),
            (None, Ok(None)) => {
                Err(Error::failed(format!("there is nothing in the state of {} any more", self.name())))
            }
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
        let end = self.carry_out(permit, "delete", &set.changes, &plan, place, progress).await?;
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
        place: PlanPlace,
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
        let _begun = self.operations.follow(&id);
        let args = ["apply", "-json", "-input=false", &wait];
        {
            let _one_at_a_time = self.folder.beginning()?;
            if let Some(other) = self.under_way() {
                return Err(self.is_under_way(&other));
            }
            operation::begin(&self.program, &self.folder, &mut record, &place.path(), &args)?;
        }
        // The operation has its own.
        drop(place);
        self.follow_to_end(&record, Some(scrubber), &progress).await
    }

    /// Follows an operation to its end, and writes that down.
    async fn follow_to_end(&self, record: &Record, scrubber: Option<Scrubber>, progress: &Progress) -> Result<End> {
        let _followed = self.operations.follow(&record.operation.id);
        let (events, stream) = operation::follow(&self.folder, record, scrubber.clone(), Some(progress)).await;
        let (end, rest) = operation::conclude(&self.folder, record, &stream, scrubber.as_ref(), events)?;
        for event in rest {
            let _ = progress.send(event);
        }
        self.remember_end(&end);
        Ok(end)
    }
}
