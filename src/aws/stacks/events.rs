//! Events, and the operations that they belong to.

use std::collections::BTreeSet;

use aws_sdk_cloudformation::types::StackEvent as SdkEvent;
use jiff::Timestamp;

use super::{WHO, show, watch::begins};
use crate::{
    aws::{Aws, error::failed, time::optional},
    cloud::{
        Error, Result,
        stacks::{Operation, StackEvent, StackStatus},
    },
};

/// Events that are read to tell operations apart.
const READ: usize = 2_000;

impl Aws {
    /// A stack's events, the newest first; none of a stack that is not there.
    async fn sdk_events(&self, stack: &str, limit: usize) -> Result<Vec<SdkEvent>> {
        let client = self.client.cloudformation().await?;
        let mut found = Vec::new();
        let mut pages = client.describe_stack_events().stack_name(stack).into_paginator().send();
        while let Some(page) = pages.next().await {
            match page.map_err(failed("cloudformation:DescribeStackEvents", "stack", stack)) {
                Ok(page) => found.extend(page.stack_events.unwrap_or_default()),
                Err(Error::Invalid(why)) if why.contains("does not exist") => break,
                Err(other) => return Err(other),
            }
            if found.len() >= limit {
                break;
            }
        }
        Ok(found)
    }

    pub(super) async fn stack_events(&self, stack: &str, limit: usize) -> Result<Vec<StackEvent>> {
        let events = self.sdk_events(stack, limit).await?;
        let mut told = Vec::with_capacity(events.len().min(limit));
        for operation in operations(events) {
            // The oldest first, to count.
            let ids = operation.iter().filter(|e| !show::of_stack(e)).filter_map(|e| e.logical_resource_id());
            let total = ids.collect::<BTreeSet<_>>().len();
            let mut done = BTreeSet::new();
            let start = told.len();
            for event in operation.iter().rev() {
                if !show::of_stack(event) && !show::event_status(event).ends_with("IN_PROGRESS") {
                    done.insert(event.logical_resource_id().unwrap_or_default());
                }
                let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
                told.push(show::event(event, count(done.len()), count(total)));
            }
            told[start..].reverse();
        }
        told.truncate(limit);
        Ok(told)
    }

    pub(super) async fn stack_history(&self, stack: &str, limit: usize) -> Result<Vec<Operation>> {
        let events = self.sdk_events(stack, READ).await?;
        Ok(operations(events).iter().filter_map(|events| operation(events)).take(limit).collect())
    }
}

/// The events of each operation, the newest first in and among them.
fn operations(events: Vec<SdkEvent>) -> Vec<Vec<SdkEvent>> {
    let mut found: Vec<Vec<SdkEvent>> = vec![Vec::new()];
    for event in events {
        let first = show::of_stack(&event) && begins(show::event_status(&event));
        if let Some(last) = found.last_mut() {
            last.push(event);
        }
        if first {
            found.push(Vec::new());
        }
    }
    found.retain(|events| !events.is_empty());
    found
}

/// An operation; none of events whose beginning is not there, or of a change set that was never executed.
fn operation(events: &[SdkEvent]) -> Option<Operation> {
    let (newest, first) = (events.iter().find(|e| show::of_stack(e))?, events.last()?);
    let kind = match show::event_status(first) {
        "CREATE_IN_PROGRESS" => "create",
        "UPDATE_IN_PROGRESS" => "update",
        "DELETE_IN_PROGRESS" => "delete",
        "IMPORT_IN_PROGRESS" => "import",
        _ => return None,
    };
    let status: StackStatus = show::event_status(newest).into();
    let changed = |e: &&SdkEvent| !show::of_stack(e) && show::event_status(e).ends_with("_COMPLETE");
    let changes = events.iter().filter(changed).filter_map(|e| e.logical_resource_id()).collect::<BTreeSet<_>>().len();
    let failed = !status.in_progress() && (status.word().contains("ROLLBACK") || status.word().ends_with("FAILED"));
    Some(Operation {
        id: first.client_request_token().or(first.event_id()).unwrap_or_default().to_owned(),
        kind: kind.to_owned(),
        who: who(first.client_request_token()),
        started: optional(first.timestamp()).unwrap_or(Timestamp::UNIX_EPOCH),
        ended: optional(newest.timestamp()).filter(|_| !status.in_progress()),
        status: status.word().to_owned(),
        changes: u32::try_from(changes).unwrap_or(u32::MAX),
        reason: failed.then(|| show::first_failure(events.iter().rev())).flatten(),
    })
}

/// Who began an operation, as far as its token tells.
fn who(token: Option<&str>) -> String {
    let Some(token) = token else { return "unknown".into() };
    if let Some((who, _)) = token.strip_prefix(WHO).and_then(|rest| rest.rsplit_once('-')) {
        return who.to_owned();
    }
    if token.starts_with("Console-") { "the AWS console".into() } else { token.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::who;

    #[test]
    fn a_token_tells_who_began() {
        assert_eq!(who(Some("pumphouse-ada-lovelace-0f3c")), "ada-lovelace");
        assert_eq!(who(Some("Console-UpdateStack-1-2")), "the AWS console");
        assert_eq!(who(Some("ci-17")), "ci-17");
        assert_eq!(who(None), "unknown");
    }
}
