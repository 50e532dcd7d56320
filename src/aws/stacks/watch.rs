//! Waits for the end of an operation, and tells its events meanwhile.

use std::{
    collections::{BTreeSet, HashSet},
    time::Duration,
};

use aws_sdk_cloudformation::types::{Stack as SdkStack, StackEvent as SdkEvent};
use jiff::Timestamp;

use super::show;
use crate::{
    aws::{Aws, error::failed},
    cloud::{
        Error, Result,
        stacks::{Progress, StackEvent, StackStatus},
    },
};

/// How often a throttled or broken answer is borne in a row, each after a longer wait.
const PATIENCE: u32 = 20;

/// How long to wait before looking again: longer and longer while nothing happens.
pub(super) struct Pace {
    next: Duration,
    least: Duration,
    most: Duration,
}

impl Pace {
    pub(super) fn new(aws: &Aws) -> Self {
        // An endpoint that is not AWS's own has done it at once, and throttles nobody.
        let own = aws.client.options().endpoint_url.is_some();
        let (least, most) = if own { (100, 1_000) } else { (1_000, 10_000) };
        let least = Duration::from_millis(least);
        Self { next: least, least, most: Duration::from_millis(most) }
    }

    /// Waits; `busy` says whether something has happened since the last time.
    pub(super) async fn wait(&mut self, busy: bool) {
        if busy {
            self.next = self.least;
        }
        tokio::time::sleep(self.next).await;
        self.next = (self.next * 3 / 2).min(self.most);
    }
}

/// An operation that is under way.
pub(super) struct Watch<'a> {
    aws: &'a Aws,
    /// The stack's ARN: it finds a stack that is deleted, too.
    stack_id: String,
    /// The newest event before the operation; none: the operation that is under way, whoever began it.
    since: Option<String>,
    /// How many resources there are to do, as far as is known.
    total: u32,
    done: BTreeSet<String>,
    seen: HashSet<String>,
    events: Vec<SdkEvent>,
    progress: Progress,
}

/// How an operation ended.
pub(super) struct Ended {
    /// The stack as it is now; none where it is gone without a trace.
    pub(super) stack: Option<SdkStack>,
    /// All events, the oldest first.
    pub(super) events: Vec<SdkEvent>,
}

impl Ended {
    /// The status it ended in.
    pub(super) fn status(&self) -> StackStatus {
        self.stack.as_ref().map_or(StackStatus::DeleteComplete, show::status)
    }
}

impl<'a> Watch<'a> {
    pub(super) fn new(aws: &'a Aws, stack_id: &str, since: Option<&str>, total: usize, progress: Progress) -> Self {
        Self {
            aws,
            stack_id: stack_id.to_owned(),
            since: since.map(str::to_owned),
            total: u32::try_from(total).unwrap_or(u32::MAX),
            done: BTreeSet::new(),
            seen: HashSet::new(),
            events: Vec::new(),
            progress,
        }
    }

    /// Waits until the operation has ended; what throttles or breaks off meanwhile is tried again.
    pub(super) async fn until_the_end(mut self) -> Result<Ended> {
        let mut pace = Pace::new(self.aws);
        let mut troubles = 0;
        loop {
            match self.look().await {
                Ok((true, stack, _)) => return Ok(Ended { stack, events: self.events }),
                Ok((false, _, news)) => {
                    troubles = 0;
                    pace.wait(news).await;
                }
                Err(error @ (Error::Throttled(_) | Error::Unavailable(_))) if troubles < PATIENCE => {
                    tracing::warn!(%error, stack = self.stack_id, "the operation goes on; looking again");
                    if troubles == 0 {
                        self.tell_trouble(&error);
                    }
                    troubles += 1;
                    pace.wait(false).await;
                }
                Err(error) => {
                    return Err(Error::Unavailable(format!(
                        "{error}; the operation goes on without us: the next `status` or `deploy` finds it"
                    )));
                }
            }
        }
    }

    /// Looks once: whether it has ended, the stack, and whether there was news. The status is asked for before the events,
    /// so that an end is not told before what led to it.
    async fn look(&mut self) -> Result<(bool, Option<SdkStack>, bool)> {
        let stack = self.aws.described(&self.stack_id).await?;
        let Some(found) = &stack else { return Ok((true, None, false)) };
        let status = show::status(found);
        let news = self.news().await?;
        let busy = !news.is_empty();
        for event in news {
            self.tell(event);
        }
        // Right after it was asked for, the stack may still have its old status.
        let begun = self.since.is_none() || !self.events.is_empty();
        let ended = begun && !status.in_progress() && status != StackStatus::ReviewInProgress;
        Ok((ended, stack, busy))
    }

    /// The events of this operation that are new, the oldest first.
    async fn news(&mut self) -> Result<Vec<SdkEvent>> {
        let client = self.aws.client.cloudformation().await?;
        let mut found = Vec::new();
        let mut pages = client.describe_stack_events().stack_name(&self.stack_id).into_paginator().send();
        'pages: while let Some(page) = pages.next().await {
            let page = page.map_err(failed("cloudformation:DescribeStackEvents", "stack", self.stack_id.as_str()))?;
            for event in page.stack_events.unwrap_or_default() {
                let id = event.event_id().unwrap_or_default();
                if self.seen.contains(id) || self.since.as_deref() == Some(id) {
                    break 'pages;
                }
                let first = show::of_stack(&event) && begins(show::event_status(&event));
                found.push(event);
                if first && self.since.is_none() {
                    break 'pages;
                }
            }
        }
        found.reverse();
        Ok(found)
    }

    /// Says that nothing is seen for now, so that nobody takes the silence for a standstill.
    fn tell_trouble(&self, error: &Error) {
        // The name is in the ARN: `...:stack/NAME/ID`.
        let name = self.stack_id.split('/').nth(1).unwrap_or(&self.stack_id).to_owned();
        let _ = self.progress.send(StackEvent {
            time: Timestamp::now(),
            stack: name.clone(),
            logical_id: name,
            kind: "stack".into(),
            status: "WAITING".into(),
            reason: Some(format!("{error}; CloudFormation goes on, and is looked at again")),
            done: u32::try_from(self.done.len()).unwrap_or(u32::MAX),
            total: self.total,
        });
    }

    fn tell(&mut self, event: SdkEvent) {
        self.seen.insert(event.event_id().unwrap_or_default().to_owned());
        let status = show::event_status(&event);
        if !show::of_stack(&event) && !status.ends_with("IN_PROGRESS") {
            self.done.insert(event.logical_resource_id().unwrap_or_default().to_owned());
        }
        let done = u32::try_from(self.done.len()).unwrap_or(u32::MAX);
        self.total = self.total.max(done);
        // Nobody may be listening any more.
        let _ = self.progress.send(show::event(&event, done, self.total));
        self.events.push(event);
    }
}

/// Whether this is the first word of an operation.
pub(super) fn begins(status: &str) -> bool {
    matches!(
        status,
        "CREATE_IN_PROGRESS"
            | "UPDATE_IN_PROGRESS"
            | "DELETE_IN_PROGRESS"
            | "IMPORT_IN_PROGRESS"
            | "REVIEW_IN_PROGRESS"
    )
}

impl Aws {
    /// The newest event of a stack: what comes behind it belongs to what is begun now.
    pub(super) async fn newest_event(&self, stack_id: &str) -> Result<String> {
        let client = self.client.cloudformation().await?;
        let answer = client.describe_stack_events().stack_name(stack_id).send().await.map_err(failed(
            "cloudformation:DescribeStackEvents",
            "stack",
            stack_id,
        ))?;
        Ok(answer.stack_events().first().and_then(SdkEvent::event_id).unwrap_or_default().to_owned())
    }
}
