//! Stacks as the port shows them.

use aws_sdk_cloudformation::types::{self as sdk, StackEvent as SdkEvent};
use jiff::Timestamp;

use super::kinds;
use crate::{
    aws::{
        owners::{ENV_TAG, PIPELINE_TAG, short_name},
        time::optional,
    },
    cloud::stacks::{Stack, StackEvent, StackOutput, StackResource, StackStatus},
};

/// A stack's status.
pub(super) fn status(stack: &sdk::Stack) -> StackStatus {
    stack.stack_status().map_or_else(|| "".into(), |s| s.as_str().into())
}

/// The value of a tag.
pub(super) fn tag(tags: &[sdk::Tag], key: &str) -> Option<String> {
    tags.iter().find(|t| t.key() == Some(key)).and_then(sdk::Tag::value).map(str::to_owned)
}

/// A stack with its resources.
pub(super) fn stack(stack: &sdk::Stack, resources: &[sdk::StackResourceSummary]) -> Stack {
    let created = optional(stack.creation_time()).unwrap_or(Timestamp::UNIX_EPOCH);
    let status = status(stack);
    // AWS's own words, where nothing has failed, are of no use to anybody.
    let reason = stack.stack_status_reason().filter(|r| !r.is_empty() && *r != "User Initiated");
    Stack {
        name: stack.stack_name().unwrap_or_default().to_owned(),
        pipeline: tag(stack.tags(), PIPELINE_TAG),
        env: tag(stack.tags(), ENV_TAG),
        reason: reason.filter(|_| !status.complete()).map(str::to_owned),
        status,
        // CloudFormation goes on when nobody listens any more.
        interrupted: false,
        created,
        updated: optional(stack.last_updated_time()).unwrap_or(created),
        resources: resources.iter().map(resource).collect(),
        outputs: stack.outputs().iter().map(output).collect(),
        protected: stack.enable_termination_protection(),
        drift: stack
            .drift_information()
            .and_then(sdk::StackDriftInformation::stack_drift_status)
            .filter(|d| **d != sdk::StackDriftStatus::NotChecked)
            .map(|d| d.as_str().to_owned()),
        graph: None,
    }
}

fn output(output: &sdk::Output) -> StackOutput {
    StackOutput {
        name: output.output_key().unwrap_or_default().to_owned(),
        value: output.output_value().unwrap_or_default().to_owned(),
        description: output.description().unwrap_or_default().to_owned(),
    }
}

fn resource(resource: &sdk::StackResourceSummary) -> StackResource {
    let kind = resource.resource_type().unwrap_or_default();
    let id = resource.logical_resource_id().unwrap_or_default();
    StackResource {
        logical_id: id.to_owned(),
        name: kinds::name(kind, id),
        physical_name: short_name(kind, resource.physical_resource_id().unwrap_or_default()).to_owned(),
        kind: kinds::kind(kind),
        status: resource.resource_status().map(|s| s.as_str().to_owned()).unwrap_or_default(),
        updated: optional(resource.last_updated_timestamp()).unwrap_or(Timestamp::UNIX_EPOCH),
    }
}

/// Whether an event is about the stack itself.
pub(super) fn of_stack(event: &SdkEvent) -> bool {
    event.resource_type() == Some("AWS::CloudFormation::Stack") && event.physical_resource_id() == event.stack_id()
}

/// The word of an event.
pub(super) fn event_status(event: &SdkEvent) -> &str {
    event.resource_status().map(sdk::ResourceStatus::as_str).unwrap_or_default()
}

/// An event, with how far the operation is.
pub(super) fn event(event: &SdkEvent, done: u32, total: u32) -> StackEvent {
    let stack = event.stack_name().unwrap_or_default().to_owned();
    let status = event_status(event).to_owned();
    StackEvent {
        time: optional(event.timestamp()).unwrap_or(Timestamp::UNIX_EPOCH),
        logical_id: if of_stack(event) {
            stack.clone()
        } else {
            event.logical_resource_id().unwrap_or_default().to_owned()
        },
        stack,
        kind: kinds::kind(event.resource_type().unwrap_or_default()),
        reason: event
            .resource_status_reason()
            .filter(|r| !r.is_empty() && (status.ends_with("FAILED") || status.contains("ROLLBACK")))
            .map(str::to_owned),
        status,
        done,
        total,
    }
}

/// Why an operation failed: what went wrong first, not what was given up because of it.
pub(super) fn first_failure<'a>(events: impl Iterator<Item = &'a SdkEvent>) -> Option<String> {
    let mut whole = None;
    for event in events {
        let reason = event.resource_status_reason().unwrap_or_default();
        if !event_status(event).ends_with("_FAILED") {
            if of_stack(event) && event_status(event).contains("ROLLBACK") && !reason.is_empty() {
                whole.get_or_insert_with(|| reason.to_owned());
            }
            continue;
        }
        if of_stack(event) {
            whole.get_or_insert_with(|| reason.to_owned());
            continue;
        }
        // "Resource creation cancelled", "Resource update cancelled".
        if reason.ends_with("cancelled") {
            continue;
        }
        let (kind, id) = (event.resource_type().unwrap_or_default(), event.logical_resource_id().unwrap_or_default());
        let why = if reason.is_empty() { event_status(event) } else { reason };
        return Some(format!("{} {} ({id}): {}", kinds::kind(kind), kinds::name(kind, id), explained(why)));
    }
    whole
}

/// A reason, and what it means where AWS's words do not say it.
pub(super) fn explained(reason: &str) -> String {
    if reason.contains("already exists") || reason.contains("AlreadyExists") {
        return format!(
            "{reason}; a resource of that name is there and in no stack, perhaps kept (Retain) by an earlier destroy or \
             removal: delete it, or take it back into the stack with an import"
        );
    }
    reason.to_owned()
}
