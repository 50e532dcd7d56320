//! Plans, and their execution.

use aws_sdk_cloudformation::types::Stack as SdkStack;

use super::{
    ARTIFACTS_OF,
    changeset::Made,
    show,
    template::Parsed,
    template_of, token,
    upload::{Bootstrap, Source},
    watch::{Ended, Watch},
};
use crate::{
    aws::{Aws, error::failed},
    cloud::{
        Error, Permit, Result,
        stacks::{ChangeSet, Progress, Stack, StackRequest, StackStatus, unconfirmed},
    },
};

impl Aws {
    /// What applying the request would do, as CloudFormation says it; an estimate where it cannot be asked.
    pub(super) async fn plan_stack(&self, request: &StackRequest) -> Result<ChangeSet> {
        let stack = self.described(&request.graph.stack).await?;
        let status = stack.as_ref().map(show::status);
        if let Some(status) = &status {
            refuse(&request.graph.stack, status)?;
            if status.in_progress() || status.must_be_made_anew() {
                return self.estimated(request, stack.as_ref()).await;
            }
        }
        if let Some(stack) = &stack {
            self.sweep_change_sets(stack).await?;
        }
        let template = template_of(request)?;
        let parsed = Parsed::parse(&template.body)?;
        let bootstrap = self.bootstrap_for(request).await?;
        let mut notes = Vec::new();
        let source = match self.upload(&bootstrap, template).await {
            Ok(source) => source,
            Err(Error::AccessDenied { action, target }) => {
                notes.push(format!("you may not upload what it needs ({action} on {target}): a deploy will fail"));
                if template.body.len() > super::upload::INLINE {
                    let mut plan = self.estimated(request, stack.as_ref()).await?;
                    plan.notes.extend(notes);
                    return Ok(plan);
                }
                Source::Body(template.body.clone())
            }
            Err(other) => return Err(other),
        };
        match self.make_change_set(request, stack.as_ref(), &bootstrap, source, &parsed).await {
            Ok(made) => {
                self.drop_change_set(&made.id, &made.stack_id, made.creates).await;
                Ok(ChangeSet { notes, ..made.plan })
            }
            Err(Error::AccessDenied { action, .. }) if action == "cloudformation:CreateChangeSet" => {
                let mut plan = self.estimated(request, stack.as_ref()).await?;
                plan.notes.extend(notes);
                plan.notes.push(format!("you may not make change sets ({action}): this compares the templates"));
                Ok(plan)
            }
            Err(other) => Err(other),
        }
    }

    async fn bootstrap_for(&self, request: &StackRequest) -> Result<Bootstrap> {
        if request.graph.stack == ARTIFACTS_OF { Ok(Bootstrap::none()) } else { self.bootstrap().await }
    }

    /// Executes what was confirmed.
    pub(super) async fn apply_stack(
        &self,
        permit: &Permit,
        request: &StackRequest,
        progress: Progress,
    ) -> Result<Stack> {
        let name = request.graph.stack.as_str();
        let mut before = self.described(name).await?;
        if let Some(stack) = before.as_ref().filter(|s| show::status(s).in_progress()) {
            before = self.attach(stack, &progress).await?;
        }
        if let Some(stack) = &before {
            let status = show::status(stack);
            refuse(name, &status)?;
            if status.must_be_made_anew() {
                let agreed = request.confirmed.as_ref().is_some_and(|c| c.recreates.is_some());
                if !agreed {
                    return Err(Error::Conflict(format!(
                        "{name} is {}: it has to be deleted and made anew, which was not confirmed; plan again",
                        status.word()
                    )));
                }
                self.delete_first(permit, stack, &progress).await?;
                before = None;
            }
        }
        let template = template_of(request)?;
        let parsed = Parsed::parse(&template.body)?;
        let bootstrap = self.bootstrap_for(request).await?;
        let source = self.upload(&bootstrap, template).await?;
        let made = self.make_change_set(request, before.as_ref(), &bootstrap, source, &parsed).await?;
        if let Some(confirmed) = &request.confirmed {
            let differs = unconfirmed(confirmed, &made.plan);
            if !differs.is_empty() {
                self.drop_change_set(&made.id, &made.stack_id, made.creates).await;
                return Err(Error::Conflict(format!(
                    "{name}: the changes are not those that were confirmed, so nothing is done: {}; plan again",
                    differs.join("; ")
                )));
            }
        }
        if made.plan.changes.is_empty() && !made.creates {
            self.drop_change_set(&made.id, &made.stack_id, made.creates).await;
            self.keep_protected(request, &made.stack_id).await?;
            return self.shown(&made.stack_id, name).await;
        }
        let ended = self.execute(permit, &made, &progress).await?;
        self.refresh_owners().await;
        if let Err(Error::Failed(why)) = outcome(name, &ended) {
            // "Validation failed with 3 error(s). Call DescribeEvents ..."
            let found =
                if why.contains("DescribeEvents") { self.validations(&made.stack_id, None).await } else { Vec::new() };
            return Err(Error::Failed(if found.is_empty() {
                why
            } else {
                format!("{why}: {}", show::explained(&found.join("; ")))
            }));
        }
        self.keep_protected(request, &made.stack_id).await?;
        self.shown(&made.stack_id, name).await
    }

    async fn execute(&self, permit: &Permit, made: &Made, progress: &Progress) -> Result<Ended> {
        let since = self.newest_event(&made.stack_id).await?;
        let client = self.client.cloudformation().await?;
        let executed = client
            .execute_change_set()
            .change_set_name(&made.id)
            .stack_name(&made.stack_id)
            .client_request_token(token(permit))
            .send()
            .await
            .map_err(failed("cloudformation:ExecuteChangeSet", "stack", made.stack_id.as_str()));
        if let Err(error) = executed {
            self.drop_change_set(&made.id, &made.stack_id, made.creates).await;
            return Err(error);
        }
        Watch::new(self, &made.stack_id, Some(&since), made.plan.changes.len(), progress.clone()).until_the_end().await
    }

    /// Waits for the operation that is under way, whoever began it: the stack after it.
    async fn attach(&self, stack: &SdkStack, progress: &Progress) -> Result<Option<SdkStack>> {
        let id = stack.stack_id().or(stack.stack_name()).unwrap_or_default();
        let resources = self.stack_resources(id).await.map_or(0, |r| r.len());
        let ended = Watch::new(self, id, None, resources, progress.clone()).until_the_end().await?;
        Ok(ended.stack.filter(|s| show::status(s) != StackStatus::DeleteComplete))
    }

    /// Deletes a stack that nothing of use is in.
    async fn delete_first(&self, permit: &Permit, stack: &SdkStack, progress: &Progress) -> Result<()> {
        let ended = self.delete(permit, stack, &[], progress).await?;
        if ended.status() == StackStatus::DeleteComplete {
            return Ok(());
        }
        let why = show::first_failure(ended.events.iter()).unwrap_or_default();
        Err(Error::Failed(format!(
            "{} could not be deleted, so it is not made anew: {} {why}",
            stack.stack_name().unwrap_or_default(),
            ended.status().word()
        )))
    }

    /// Turns the termination protection on where it is wanted; it is never turned off by a deploy.
    async fn keep_protected(&self, request: &StackRequest, stack_id: &str) -> Result<()> {
        let on = match self.described(stack_id).await? {
            Some(stack) => stack.enable_termination_protection() == Some(true),
            None => return Ok(()),
        };
        if request.protected && !on { self.set_protection(stack_id, true).await } else { Ok(()) }
    }

    pub(super) async fn set_protection(&self, stack: &str, on: bool) -> Result<()> {
        let client = self.client.cloudformation().await?;
        client
            .update_termination_protection()
            .stack_name(stack)
            .enable_termination_protection(on)
            .send()
            .await
            .map_err(failed("cloudformation:UpdateTerminationProtection", "stack", stack))?;
        Ok(())
    }

    /// Takes a failed change back.
    pub(super) async fn continue_rollback(
        &self,
        permit: &Permit,
        name: &str,
        skip: &[String],
        progress: Progress,
    ) -> Result<Stack> {
        let stack = self.described(name).await?.ok_or_else(|| Error::not_found("stack", name))?;
        let id = stack.stack_id().unwrap_or(name).to_owned();
        let status = show::status(&stack);
        if status.in_progress() {
            self.attach(&stack, &progress).await?;
            return self.shown(&id, name).await;
        }
        if status != StackStatus::UpdateRollbackFailed {
            return Err(Error::Conflict(format!(
                "{name} is {}: there is no rollback to continue, which a stack in UPDATE_ROLLBACK_FAILED has",
                status.word()
            )));
        }
        let since = self.newest_event(&id).await?;
        let bootstrap = self.bootstrap().await?;
        let client = self.client.cloudformation().await?;
        client
            .continue_update_rollback()
            .stack_name(&id)
            .set_role_arn(bootstrap.role)
            .set_resources_to_skip((!skip.is_empty()).then(|| skip.to_vec()))
            .client_request_token(token(permit))
            .send()
            .await
            .map_err(failed("cloudformation:ContinueUpdateRollback", "stack", name))?;
        let ended = Watch::new(self, &id, Some(&since), 0, progress).until_the_end().await?;
        if ended.status() == StackStatus::UpdateRollbackComplete {
            return self.shown(&id, name).await;
        }
        let why = show::first_failure(ended.events.iter()).unwrap_or_default();
        Err(Error::Failed(format!(
            "{name} is {}: {why}; skip what cannot be rolled back with --skip LOGICAL_ID",
            ended.status().word()
        )))
    }
}

/// Refuses to deploy to a stack in a state in which CloudFormation takes no change, and says what to do about it.
fn refuse(stack: &str, status: &StackStatus) -> Result<()> {
    let how = match status {
        StackStatus::UpdateRollbackFailed => {
            "its last change failed and could not be taken back: `pumphouse rollback PIPELINE` tries again, and with --skip \
             LOGICAL_ID leaves out what cannot be"
        }
        StackStatus::DeleteFailed => {
            "its removal failed half-way: `pumphouse destroy PIPELINE` tries again, and with --retain LOGICAL_ID leaves \
             what cannot be deleted"
        }
        _ => return Ok(()),
    };
    Err(Error::Conflict(format!("{stack} is {}: {how}", status.word())))
}

/// What the end of a deploy means.
fn outcome(stack: &str, ended: &Ended) -> Result<()> {
    let status = ended.status();
    if status.complete() {
        return Ok(());
    }
    let why = show::first_failure(ended.events.iter()).unwrap_or_else(|| "CloudFormation gave no reason".into());
    let means = match &status {
        StackStatus::UpdateRollbackComplete => "everything is as it was before",
        StackStatus::RollbackComplete | StackStatus::RollbackFailed | StackStatus::CreateFailed => {
            "nothing of it is in use; the next deploy offers to delete the stack and to make it anew"
        }
        StackStatus::UpdateRollbackFailed => {
            "the change could not be taken back either: `pumphouse rollback` tries again, with --skip LOGICAL_ID for what \
             cannot be"
        }
        StackStatus::DeleteComplete => "somebody has deleted the stack",
        _ => "see `pumphouse events`",
    };
    Err(Error::Failed(format!("{stack}: {why}; {} ({means})", status.word())))
}
