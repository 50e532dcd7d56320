//! Removes stacks.

use std::time::{Duration, Instant};

use aws_sdk_cloudformation::types::{self as sdk, Stack as SdkStack};
use jiff::Timestamp;

use super::{
    kinds, show, token,
    watch::{Ended, Watch},
};
use crate::{
    aws::{Aws, error::failed, owners::short_name},
    cloud::{
        Error, Permit, Result,
        stacks::{Destroyed, Progress, Retained, StackEvent, StackStatus},
    },
};

/// How often a bucket is emptied again into which something was still written.
const EMPTIED: u32 = 3;
/// How often it is told how far the emptying is.
const TELL: Duration = Duration::from_secs(2);

impl Aws {
    /// Empties the stack's buckets, and deletes it with everything in it.
    pub(super) async fn destroy_stack(
        &self,
        permit: &Permit,
        name: &str,
        retain: &[String],
        progress: Progress,
    ) -> Result<Destroyed> {
        let stack = self.described(name).await?.ok_or_else(|| Error::not_found("stack", name))?;
        let mut status = show::status(&stack);
        if stack.enable_termination_protection() == Some(true) {
            return Err(Error::Conflict(format!(
                "{name} is protected against deletion: `pumphouse protect PIPELINE --off` takes that back"
            )));
        }
        if !retain.is_empty() && status != StackStatus::DeleteFailed {
            return Err(Error::Conflict(format!(
                "{name} is {}: only a stack whose removal has failed (DELETE_FAILED) can be deleted without some of its \
                 resources",
                status.word()
            )));
        }
        let id = stack.stack_id().unwrap_or(name).to_owned();
        if status.in_progress() && status != StackStatus::DeleteInProgress {
            return Err(Error::Conflict(format!("{name} is {}: wait until that has ended", status.word())));
        }
        let resources = self.stack_resources(&id).await?;
        let mut ended = if status == StackStatus::DeleteInProgress {
            Watch::new(self, &id, None, resources.len(), progress.clone()).until_the_end().await?
        } else {
            Box::pin(self.empty_buckets(&stack, &resources, retain, &progress)).await?;
            self.delete(permit, &stack, retain, &progress).await?
        };
        for _ in 0..EMPTIED {
            status = ended.status();
            let filled = ended.events.iter().any(|e| {
                show::event_status(e) == "DELETE_FAILED"
                    && e.resource_type() == Some("AWS::S3::Bucket")
                    && e.resource_status_reason().is_some_and(|r| r.contains("not empty"))
            });
            if status != StackStatus::DeleteFailed || !filled {
                break;
            }
            // A delivery or a function has written into it meanwhile; by now both are gone.
            let left = self.stack_resources(&id).await?;
            Box::pin(self.empty_buckets(&stack, &left, retain, &progress)).await?;
            ended = self.delete(permit, &stack, retain, &progress).await?;
        }
        self.refresh_owners().await;
        if ended.status() != StackStatus::DeleteComplete {
            return Err(Error::Failed(blocked(name, &ended)));
        }
        Ok(Destroyed { retained: retained(&ended, &resources, retain) })
    }

    /// Deletes a stack and waits for the end of that.
    pub(super) async fn delete(
        &self,
        permit: &Permit,
        stack: &SdkStack,
        retain: &[String],
        progress: &Progress,
    ) -> Result<Ended> {
        let id = stack.stack_id().or(stack.stack_name()).unwrap_or_default();
        let since = self.newest_event(id).await?;
        let resources = self.stack_resources(id).await.map_or(0, |r| r.len());
        let client = self.client.cloudformation().await?;
        client
            .delete_stack()
            .stack_name(id)
            // The role that it was made in may be gone, with the bootstrap stack; the stack itself remembers its own.
            .set_retain_resources((!retain.is_empty()).then(|| retain.to_vec()))
            .client_request_token(token(permit))
            .send()
            .await
            .map_err(failed("cloudformation:DeleteStack", "stack", id))?;
        Watch::new(self, id, Some(&since), resources, progress.clone()).until_the_end().await
    }

    /// Empties the buckets that go with the stack, version by version, and tells how far that is.
    async fn empty_buckets(
        &self,
        stack: &SdkStack,
        resources: &[sdk::StackResourceSummary],
        retain: &[String],
        progress: &Progress,
    ) -> Result<()> {
        let buckets: Vec<_> = resources
            .iter()
            .filter(|r| r.resource_type() == Some("AWS::S3::Bucket"))
            .filter(|r| r.resource_status().is_none_or(|s| *s != sdk::ResourceStatus::DeleteComplete))
            .filter_map(|r| Some((r.logical_resource_id()?, r.physical_resource_id()?)))
            .filter(|(id, _)| !retain.iter().any(|kept| kept == id))
            .collect();
        if buckets.is_empty() {
            return Ok(());
        }
        // What is kept is not emptied. Without the template nobody knows what is, so nothing is emptied.
        let stack_id = stack.stack_id().or(stack.stack_name()).unwrap_or_default();
        let template = self.deployed_template(stack_id).await?.unwrap_or_default();
        for (id, bucket) in buckets {
            if template.retained(id) {
                continue;
            }
            let tell = |reason: String| {
                // Nobody may be listening any more.
                let _ = progress.send(StackEvent {
                    time: Timestamp::now(),
                    stack: stack.stack_name().unwrap_or_default().to_owned(),
                    logical_id: id.to_owned(),
                    kind: kinds::kind("AWS::S3::Bucket"),
                    status: "DELETE_IN_PROGRESS".into(),
                    reason: Some(reason),
                    done: 0,
                    total: u32::try_from(resources.len()).unwrap_or(u32::MAX),
                });
            };
            let mut told: Option<Instant> = None;
            let emptied = self.empty_bucket(bucket, |gone| {
                if told.is_none_or(|at| at.elapsed() >= TELL) {
                    told = Some(Instant::now());
                    tell(format!("emptying {bucket}: {gone} versions deleted so far"));
                }
            });
            match emptied.await {
                Ok(gone @ 1..) => tell(format!("{bucket} is empty: {gone} versions deleted")),
                // Somebody has removed it behind the stack's back.
                Ok(0) | Err(Error::NotFound { .. }) => {}
                Err(other) => return Err(other),
            }
        }
        Ok(())
    }
}

/// Names what is in the way of a removal.
fn blocked(name: &str, ended: &Ended) -> String {
    let mut blocks: Vec<(String, String)> = Vec::new();
    for event in ended.events.iter().filter(|e| !show::of_stack(e) && show::event_status(e) == "DELETE_FAILED") {
        let kind = event.resource_type().unwrap_or_default();
        let id = event.logical_resource_id().unwrap_or_default().to_owned();
        let name = short_name(kind, event.physical_resource_id().unwrap_or_default());
        let why = event.resource_status_reason().unwrap_or("no reason was given");
        blocks.retain(|(there, _)| *there != id);
        blocks.push((id, format!("{} {name}: {why}", kinds::kind(kind))));
    }
    if blocks.is_empty() {
        let why = show::first_failure(ended.events.iter()).unwrap_or_default();
        return format!("{name} is {}: {why}", ended.status().word());
    }
    let told: Vec<_> = blocks.iter().map(|(id, why)| format!("{id} ({why})")).collect();
    let retain: Vec<_> = blocks.iter().map(|(id, _)| format!("--retain {id}")).collect();
    format!(
        "{name} is {}: in the way {} {}; mend that and destroy again, or leave it behind with {}",
        ended.status().word(),
        if blocks.len() == 1 { "is" } else { "are" },
        told.join(", "),
        retain.join(" ")
    )
}

/// What was kept on purpose.
fn retained(ended: &Ended, resources: &[sdk::StackResourceSummary], retain: &[String]) -> Vec<Retained> {
    let skipped = |id: &str| {
        retain.iter().any(|kept| kept == id)
            || ended
                .events
                .iter()
                .any(|e| e.logical_resource_id() == Some(id) && show::event_status(e) == "DELETE_SKIPPED")
    };
    resources
        .iter()
        .filter(|r| r.logical_resource_id().is_some_and(skipped))
        .map(|r| {
            let (kind, id) = (r.resource_type().unwrap_or_default(), r.physical_resource_id().unwrap_or_default());
            Retained {
                logical_id: r.logical_resource_id().unwrap_or_default().to_owned(),
                kind: kinds::kind(kind),
                physical_name: short_name(kind, id).to_owned(),
                remove: kinds::removal(kind, id),
            }
        })
        .collect()
}
