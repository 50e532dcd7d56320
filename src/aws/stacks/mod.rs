//! Stacks, change sets, stack events (AWS CloudFormation).
//!
//! CloudFormation plans, applies, rolls back and finds drift: [`changeset`] asks it what would change, [`apply`] lets it
//! happen, [`watch`] waits for the end and tells the events meanwhile, [`destroy`] and [`drift`] do as their names say.

mod apply;
mod changeset;
mod destroy;
mod drift;
mod events;
mod kinds;
mod show;
mod template;
mod upload;
mod watch;

use async_trait::async_trait;
use aws_sdk_cloudformation::types as sdk;

use super::{Aws, error::failed};
use crate::cloud::{
    Error, Pages, Permit, Result,
    stacks::{
        ChangeSet, Destroyed, Drift, Engine, Operation, Progress, Stack, StackEvent, StackRequest, StackStatus, Stacks,
        Template,
    },
};

/// The stack with the artifact bucket and CloudFormation's role, one per account and region.
const ARTIFACTS_OF: &str = "pumphouse-bootstrap";
/// What the tokens of our operations begin with; who began it and something unique follow.
const WHO: &str = "pumphouse-";

/// A token for an operation, which all its events carry: it tells who began it.
fn token(permit: &Permit) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    let who: String = permit.principal().chars().map(plain).take(60).collect();
    format!("{WHO}{who}-{}", uuid::Uuid::new_v4().simple())
}

/// The template of a request.
fn template_of(request: &StackRequest) -> Result<&Template> {
    request.template.as_ref().ok_or_else(|| Error::invalid("CloudFormation needs a template, and was given none"))
}

impl Aws {
    /// A stack by its name, or by its ARN, which finds one that is deleted, too; none where there is none.
    async fn described(&self, stack: &str) -> Result<Option<sdk::Stack>> {
        let client = self.client.cloudformation().await?;
        let answer = client.describe_stacks().stack_name(stack).send().await;
        match answer.map_err(failed("cloudformation:DescribeStacks", "stack", stack)) {
            Ok(answer) => Ok(answer.stacks.unwrap_or_default().into_iter().next()),
            Err(Error::Invalid(why)) if why.contains("does not exist") => Ok(None),
            Err(other) => Err(other),
        }
    }

    /// A stack as the port shows it.
    async fn shown(&self, stack_id: &str, name: &str) -> Result<Stack> {
        let stack = self.described(stack_id).await?.ok_or_else(|| Error::not_found("stack", name))?;
        Ok(show::stack(&stack, &self.stack_resources(stack_id).await?))
    }
}

#[async_trait]
impl Stacks for Aws {
    fn engine(&self) -> Engine {
        Engine::CloudFormation
    }

    fn list(&self) -> Pages<'_, Stack> {
        Pages::follow(move |next| async move {
            let client = self.client.cloudformation().await?;
            let answer = client.describe_stacks().set_next_token(next).send().await;
            let answer = answer.map_err(failed("cloudformation:DescribeStacks", "stack", "*"))?;
            // Their resources are many, and a call for each stack.
            let stacks = answer.stacks().iter().map(|s| show::stack(s, &[]));
            let there = stacks.filter(|s| s.status != StackStatus::ReviewInProgress).collect();
            Ok((there, answer.next_token))
        })
    }

    async fn get(&self, stack: &str) -> Result<Option<Stack>> {
        let Some(found) = self.described(stack).await? else { return Ok(None) };
        if matches!(show::status(&found), StackStatus::ReviewInProgress | StackStatus::DeleteComplete) {
            return Ok(None);
        }
        let resources = self.stack_resources(found.stack_id().unwrap_or(stack)).await?;
        Ok(Some(show::stack(&found, &resources)))
    }

    async fn plan(&self, permit: &Permit, request: &StackRequest) -> Result<ChangeSet> {
        permit.check("cloudformation:CreateChangeSet", &request.graph.stack)?;
        Box::pin(self.plan_stack(request)).await
    }

    async fn estimate(&self, request: &StackRequest) -> Result<ChangeSet> {
        let stack = self.described(&request.graph.stack).await?;
        let mut plan = self.estimated(request, stack.as_ref()).await?;
        if self.client.options().read_only {
            plan.notes.push("read-only: no change set is made; this compares the templates".into());
        }
        Ok(plan)
    }

    async fn apply(&self, permit: &Permit, request: &StackRequest, progress: Progress) -> Result<Stack> {
        permit.check("cloudformation:ExecuteChangeSet", &request.graph.stack)?;
        Box::pin(self.apply_stack(permit, request, progress)).await
    }

    async fn destroy(&self, permit: &Permit, stack: &str, retain: &[String], progress: Progress) -> Result<Destroyed> {
        permit.check("cloudformation:DeleteStack", stack)?;
        Box::pin(self.destroy_stack(permit, stack, retain, progress)).await
    }

    async fn rollback(&self, permit: &Permit, stack: &str, skip: &[String], progress: Progress) -> Result<Stack> {
        permit.check("cloudformation:ContinueUpdateRollback", stack)?;
        Box::pin(self.continue_rollback(permit, stack, skip, progress)).await
    }

    async fn protect(&self, permit: &Permit, stack: &str, on: bool) -> Result<()> {
        permit.check("cloudformation:UpdateTerminationProtection", stack)?;
        self.set_protection(stack, on).await
    }

    async fn detect_drift(&self, permit: &Permit, stack: &str) -> Result<Drift> {
        permit.check("cloudformation:DetectStackDrift", stack)?;
        self.stack_drift(stack, true).await
    }

    async fn drift(&self, stack: &str) -> Result<Drift> {
        self.stack_drift(stack, false).await
    }

    async fn events(&self, stack: &str, limit: usize) -> Result<Vec<StackEvent>> {
        self.stack_events(stack, limit).await
    }

    async fn history(&self, stack: &str, limit: usize) -> Result<Vec<Operation>> {
        self.stack_history(stack, limit).await
    }
}
