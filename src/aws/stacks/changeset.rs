//! Change sets: made, read, compared, removed.

use std::{collections::BTreeMap, time::Duration};

use aws_sdk_cloudformation::types::{self as sdk, ChangeSetType};
use jiff::Timestamp;
use serde_json::Value;

use super::{
    kinds, show,
    template::{self, Parsed},
    upload::{Bootstrap, Source},
    watch::Pace,
};
use crate::{
    aws::{
        Aws,
        error::failed,
        owners::{ENV_TAG, PIPELINE_TAG, short_name},
        time::optional,
    },
    cloud::{
        Error, Result, diff,
        resources::Graph,
        stacks::{Action, Change, ChangeSet, Evaluation, PropertyChange, Replacement, StackRequest, StackStatus},
    },
};

/// What change sets of ours are called; the rest of the name is unique.
const OURS: &str = "pumphouse-";
/// A change set of ours that is so old was left behind.
const LEFT_BEHIND: Duration = Duration::from_mins(15);

/// A change set that was made and is not executed yet.
#[derive(Debug)]
pub(super) struct Made {
    /// Its ARN.
    pub(super) id: String,
    /// The ARN of its stack.
    pub(super) stack_id: String,
    /// Whether the stack is there for this change set alone.
    pub(super) creates: bool,
    /// What it would do.
    pub(super) plan: ChangeSet,
}

impl Aws {
    /// Makes a change set and reads it. `before` is the stack as it is; none, or one that nothing is in, is to be created.
    pub(super) async fn make_change_set(
        &self,
        request: &StackRequest,
        before: Option<&sdk::Stack>,
        bootstrap: &Bootstrap,
        source: Source,
        parsed: &Parsed,
    ) -> Result<Made> {
        let stack = request.graph.stack.as_str();
        let creates = before.is_none_or(|s| show::status(s) == StackStatus::ReviewInProgress);
        let client = self.client.cloudformation().await?;
        let capabilities = parsed.capabilities();
        let mut call = client
            .create_change_set()
            .stack_name(stack)
            .change_set_name(format!("{OURS}{}", uuid::Uuid::new_v4().simple()))
            .change_set_type(if creates { ChangeSetType::Create } else { ChangeSetType::Update })
            .set_capabilities(Some(capabilities.iter().map(|c| c.as_str().into()).collect()))
            .set_tags(Some(tags(&request.graph)))
            .set_role_arn(bootstrap.role.clone());
        call = match source {
            Source::Body(body) => call.template_body(body),
            Source::Url(url) => call.template_url(url),
        };
        if request.revert_drift && !creates {
            call = call.deployment_mode(sdk::DeploymentMode::RevertDrift);
        }
        let made = call.send().await.map_err(failed("cloudformation:CreateChangeSet", "stack", stack))?;
        let id = made.id.unwrap_or_default();
        let stack_id = made.stack_id.unwrap_or_else(|| stack.to_owned());
        match self.read_change_set(&id, &stack_id).await {
            Ok(changes) => {
                let changes = self.in_words(request, before, parsed, &changes).await;
                let plan = ChangeSet { capabilities, ..ChangeSet::new(stack, changes) };
                Ok(Made { id, stack_id, creates, plan })
            }
            Err(error) => {
                self.drop_change_set(&id, &stack_id, creates).await;
                Err(error)
            }
        }
    }

    /// Waits until it is made. Nothing to change is no failure.
    async fn read_change_set(&self, id: &str, stack_id: &str) -> Result<Vec<sdk::ResourceChange>> {
        let client = self.client.cloudformation().await?;
        let mut pace = Pace::new(self);
        let (mut changes, mut token) = (Vec::new(), None);
        loop {
            let answer = client
                .describe_change_set()
                .change_set_name(id)
                .stack_name(stack_id)
                .include_property_values(true)
                .set_next_token(token.clone())
                .send()
                .await
                .map_err(failed("cloudformation:DescribeChangeSet", "change set", id))?;
            let word = answer.status().map(sdk::ChangeSetStatus::as_str).unwrap_or_default();
            if word == "FAILED" {
                let why = answer.status_reason().unwrap_or_default();
                if why.contains("didn't contain changes") || why.contains("No updates are to be performed") {
                    return Ok(Vec::new());
                }
                return Err(Error::Failed(self.why_refused(id, stack_id, why).await));
            }
            if word != "CREATE_COMPLETE" {
                pace.wait(false).await;
                continue;
            }
            token = answer.next_token().map(str::to_owned);
            changes.extend(answer.changes.unwrap_or_default().into_iter().filter_map(|c| c.resource_change));
            if token.is_none() {
                return Ok(changes);
            }
        }
    }

    /// Why CloudFormation refuses a change set: what its early validation found, else its own words.
    async fn why_refused(&self, id: &str, stack_id: &str, why: &str) -> String {
        let found = self.validations(stack_id, Some(id)).await;
        if found.is_empty() {
            return format!("CloudFormation refuses the change: {}", show::explained(why));
        }
        format!("CloudFormation refuses the change: {}", show::explained(&found.join("; ")))
    }

    /// What CloudFormation's validation has found to be wrong, of a change set or of a stack's last operation.
    pub(super) async fn validations(&self, stack_id: &str, change_set: Option<&str>) -> Vec<String> {
        let mut found = Vec::new();
        if let Ok(client) = self.client.cloudformation().await {
            let call = client.describe_events().stack_name(stack_id);
            let asked = call.set_change_set_name(change_set.map(str::to_owned)).send().await;
            for event in asked.ok().and_then(|a| a.operation_events).unwrap_or_default() {
                let reason = event.validation_status_reason().or(event.resource_status_reason());
                let failed = event.validation_status() == Some(&sdk::ValidationStatus::Failed)
                    || event.resource_status().is_some_and(|s| s.as_str().ends_with("_FAILED"));
                let whole = event.resource_type() == Some("AWS::CloudFormation::Stack");
                if let (Some(reason), true) = (reason, failed && !whole) {
                    let path = event.validation_path().map(|p| format!(" ({p})")).unwrap_or_default();
                    let id = event.logical_resource_id().map(|id| format!("{id}{path}: ")).unwrap_or_default();
                    found.push(format!("{id}{reason}"));
                }
            }
        }
        found.dedup();
        found
    }

    /// Removes a change set, and the empty stack that was made for it.
    pub(super) async fn drop_change_set(&self, id: &str, stack_id: &str, creates: bool) {
        if let Err(error) = self.try_to_drop(id, stack_id, creates).await {
            tracing::warn!(%error, stack = stack_id, "a change set could not be removed: the next plan tries again");
        }
    }

    async fn try_to_drop(&self, id: &str, stack_id: &str, creates: bool) -> Result<()> {
        let client = self.client.cloudformation().await?;
        let removed = client.delete_change_set().change_set_name(id).stack_name(stack_id).send().await;
        // One that has failed, or was made on a stack that is gone, may be gone as well.
        let removed = removed.map_err(failed("cloudformation:DeleteChangeSet", "change set", id));
        if !creates {
            return removed.map(|_| ());
        }
        self.drop_empty_stack(stack_id).await
    }

    /// Deletes a stack that there is nothing in but change sets that nobody works with any more.
    async fn drop_empty_stack(&self, stack_id: &str) -> Result<()> {
        let Some(stack) = self.described(stack_id).await? else { return Ok(()) };
        if show::status(&stack) != StackStatus::ReviewInProgress || !self.change_sets(stack_id).await?.is_empty() {
            return Ok(());
        }
        let client = self.client.cloudformation().await?;
        client.delete_stack().stack_name(stack_id).send().await.map_err(failed(
            "cloudformation:DeleteStack",
            "stack",
            stack_id,
        ))?;
        let mut pace = Pace::new(self);
        // A deploy right behind the plan finds nothing in its way; whatever becomes of the waiting, it is deleted.
        for _ in 0..30 {
            match self.described(stack_id).await? {
                Some(stack) if show::status(&stack) != StackStatus::DeleteComplete => pace.wait(false).await,
                _ => return Ok(()),
            }
        }
        Ok(())
    }

    async fn change_sets(&self, stack: &str) -> Result<Vec<sdk::ChangeSetSummary>> {
        let client = self.client.cloudformation().await?;
        let mut found = Vec::new();
        let mut pages = client.list_change_sets().stack_name(stack).into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(failed("cloudformation:ListChangeSets", "stack", stack))?;
            found.extend(page.summaries.unwrap_or_default());
        }
        Ok(found)
    }

    /// Removes the change sets of ours that somebody left behind who was cut off.
    pub(super) async fn sweep_change_sets(&self, stack: &sdk::Stack) -> Result<()> {
        let stack_id = stack.stack_id().unwrap_or_default();
        let now = Timestamp::now();
        let old = |set: &&sdk::ChangeSetSummary| {
            let age = optional(set.creation_time()).map(|t| now.duration_since(t).unsigned_abs());
            set.change_set_name().is_some_and(|n| n.starts_with(OURS)) && age.is_some_and(|a| a > LEFT_BEHIND)
        };
        for set in self.change_sets(stack_id).await?.iter().filter(old) {
            let client = self.client.cloudformation().await?;
            let id = set.change_set_id().or(set.change_set_name()).unwrap_or_default();
            client.delete_change_set().change_set_name(id).stack_name(stack_id).send().await.map_err(failed(
                "cloudformation:DeleteChangeSet",
                "change set",
                id,
            ))?;
        }
        Ok(())
    }

    /// CloudFormation's changes as ours. Where it names a property without its values, the two templates have them.
    async fn in_words(
        &self,
        request: &StackRequest,
        before: Option<&sdk::Stack>,
        after: &Parsed,
        changes: &[sdk::ResourceChange],
    ) -> Vec<Change> {
        let lacks_values = |c: &sdk::ResourceChange| {
            let targets = c.details().iter().filter_map(sdk::ResourceChangeDetail::target);
            targets.into_iter().any(|t| t.before_value().is_none() && t.after_value().is_none() && t.name().is_some())
        };
        let mut old = Parsed::default();
        if before.is_some() && changes.iter().any(lacks_values) {
            // They are for showing: without them, the plan stands.
            old = self.deployed_template(&request.graph.stack).await.ok().flatten().unwrap_or_default();
        }
        changes.iter().map(|c| change(c, &request.graph, &old, after)).collect()
    }

    /// What applying the request would do, as far as reading alone can tell.
    pub(super) async fn estimated(&self, request: &StackRequest, before: Option<&sdk::Stack>) -> Result<ChangeSet> {
        let graph = &request.graph;
        let parsed = Parsed::parse(super::template_of(request)?.body.as_str())?;
        let there = before.filter(|s| show::status(s) != StackStatus::ReviewInProgress);
        let (mut old, mut physical) = (None, BTreeMap::new());
        let mut plan = ChangeSet::new(&graph.stack, Vec::new());
        if let Some(stack) = there {
            let status = show::status(stack);
            if status.must_be_made_anew() {
                plan.recreates = Some(status);
            } else {
                old = self.deployed_template(&graph.stack).await?;
                for r in self.stack_resources(&graph.stack).await? {
                    let (kind, id) =
                        (r.resource_type().unwrap_or_default(), r.physical_resource_id().unwrap_or_default());
                    let name = short_name(kind, id).to_owned();
                    physical.insert(r.logical_resource_id.clone().unwrap_or_default(), name);
                }
                if status.in_progress() {
                    plan.resumes = true;
                    plan.notes.push(format!("{} is under way: a deploy waits for its end first", status.word()));
                }
            }
        }
        plan.estimated = true;
        plan.capabilities = parsed.capabilities();
        plan.changes = template::estimate(old.as_ref(), &parsed, graph, &physical);
        Ok(plan)
    }

    /// The template that is deployed.
    pub(super) async fn deployed_template(&self, stack: &str) -> Result<Option<Parsed>> {
        let client = self.client.cloudformation().await?;
        let answer = client
            .get_template()
            .stack_name(stack)
            .template_stage(sdk::TemplateStage::Original)
            .send()
            .await
            .map_err(failed("cloudformation:GetTemplate", "stack", stack))?;
        answer.template_body().map(Parsed::parse).transpose()
    }
}

fn tags(graph: &Graph) -> Vec<sdk::Tag> {
    [(PIPELINE_TAG, &graph.pipeline), (ENV_TAG, &graph.env)]
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(key, value)| sdk::Tag::builder().key(key).value(value).build())
        .collect()
}

fn change(change: &sdk::ResourceChange, graph: &Graph, old: &Parsed, new: &Parsed) -> Change {
    let kind = change.resource_type().unwrap_or_default();
    let id = change.logical_resource_id().unwrap_or_default();
    let word = change.action().map(sdk::ChangeAction::as_str).unwrap_or_default();
    let replacement = match change.replacement() {
        Some(sdk::Replacement::True) => Some(Replacement::Always),
        Some(sdk::Replacement::Conditional) => Some(Replacement::Conditional),
        _ => None,
    };
    let action = match word {
        "Add" | "Import" => Action::Add,
        "Remove" => Action::Remove,
        _ if replacement == Some(Replacement::Always) => Action::Replace,
        _ => Action::Change,
    };
    let kept = change.policy_action().is_some_and(|p| p.as_str().contains("Retain"));
    let details = change.details();
    let physical = change.physical_resource_id().map(|p| short_name(kind, p).to_owned());
    Change {
        logical_id: id.to_owned(),
        physical_name: physical.or_else(|| graph.by_id(id).map(|r| r.physical_name.clone())).unwrap_or_default(),
        properties: properties(details, id, old, new),
        // What may be replaced may lose what is in it.
        loses_data: (action == Action::Remove || replacement.is_some()) && !kept && kinds::stateful(kind),
        certain: details.is_empty() || details.iter().any(|d| d.evaluation() != Some(&sdk::EvaluationType::Dynamic)),
        replacement,
        kept,
        ..Change::new(action, kinds::kind(kind), template::name(graph, kind, id))
    }
}

fn properties(details: &[sdk::ResourceChangeDetail], id: &str, old: &Parsed, new: &Parsed) -> Vec<PropertyChange> {
    let known = template::differences(old, new, id);
    let mut found: Vec<PropertyChange> = Vec::new();
    for detail in details {
        let Some(target) = detail.target() else { continue };
        let attribute = target.attribute().map(sdk::ResourceAttribute::as_str).unwrap_or_default();
        let path = match (target.path(), target.name()) {
            (Some(path), _) => path.trim_start_matches('/').trim_start_matches("Properties/").replace('/', "."),
            (None, Some(name)) => name.to_owned(),
            (None, None) => attribute.to_owned(),
        };
        let change = |path: &str, before: Option<Value>, after: Option<Value>| PropertyChange {
            path: path.to_owned(),
            before,
            after,
            requires_replacement: target.requires_recreation().is_some_and(|r| r.as_str() != "Never"),
            evaluation: match detail.evaluation() {
                Some(sdk::EvaluationType::Dynamic) => Evaluation::Dynamic,
                _ => Evaluation::Static,
            },
            cause: detail.causing_entity().map(str::to_owned),
        };
        let (before, after) = (value(target.before_value()), value(target.after_value()));
        let inside =
            |p: &&PropertyChange| p.path == path || p.path.strip_prefix(&path).is_some_and(|r| r.starts_with('.'));
        let of_templates: Vec<_> = known.iter().filter(inside).collect();
        let mut now = Vec::new();
        if before.is_none() && after.is_none() && !of_templates.is_empty() {
            now.extend(of_templates.iter().map(|p| change(&p.path, p.before.clone(), p.after.clone())));
        } else {
            now.extend(
                parts(&path, before, after).into_iter().map(|(path, before, after)| change(&path, before, after)),
            );
        }
        for one in now {
            // One property may have several causes; that which is certain counts.
            match found.iter_mut().find(|f| f.path == one.path) {
                Some(there) => {
                    if one.evaluation == Evaluation::Static {
                        there.evaluation = Evaluation::Static;
                    }
                    there.requires_replacement |= one.requires_replacement;
                    there.cause = there.cause.take().or(one.cause);
                }
                None => found.push(one),
            }
        }
    }
    found
}

/// Where two values of a property differ, part by part where both are made of parts: nobody finds it in two long texts.
fn parts(path: &str, before: Option<Value>, after: Option<Value>) -> Vec<diff::Difference> {
    let compound = |v: &Option<Value>| v.as_ref().is_some_and(|v| v.is_array() || v.is_object());
    if compound(&before) && compound(&after) {
        let found = diff::differences(before.as_ref(), after.as_ref());
        let below = |part: String| if part.is_empty() { path.to_owned() } else { format!("{path}.{part}") };
        if !found.is_empty() {
            return found.into_iter().map(|(part, before, after)| (below(part), before, after)).collect();
        }
    }
    vec![(path.to_owned(), before, after)]
}

/// A value, which is JSON or text.
fn value(text: Option<&str>) -> Option<Value> {
    let text = text?;
    if text.starts_with(['{', '[']) {
        return Some(serde_json::from_str(text).unwrap_or_else(|_| text.into()));
    }
    Some(text.into())
}
