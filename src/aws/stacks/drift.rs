//! Drift, property by property.

use aws_sdk_cloudformation::types as sdk;
use serde_json::Value;

use super::{kinds, show, watch::Pace};
use crate::{
    aws::{Aws, error::failed, owners::short_name, time::optional},
    cloud::{
        Error, Result,
        stacks::{Drift, PropertyDrift, ResourceDrift},
    },
};

/// Properties that are changed while the pipeline runs, by design: the value of a threshold, and that of an alarm.
/// What sets a value may leave the pattern out.
const BY_DESIGN: [(&str, &str); 3] = [
    ("AWS::SSM::Parameter", "Value"),
    ("AWS::SSM::Parameter", "AllowedPattern"),
    ("AWS::CloudWatch::Alarm", "Threshold"),
];

impl Aws {
    /// Looks for drift, or tells what the last look found.
    pub(super) async fn stack_drift(&self, name: &str, fresh: bool) -> Result<Drift> {
        let stack = self.described(name).await?.ok_or_else(|| Error::not_found("stack", name))?;
        let known = stack.drift_information();
        let mut status = known.and_then(|d| d.stack_drift_status()).map(|s| s.as_str().to_owned());
        let mut checked = known.and_then(|d| optional(d.last_check_timestamp()));
        if fresh {
            if show::status(&stack).in_progress() {
                let word = show::status(&stack);
                return Err(Error::Conflict(format!("{name} is {}: wait until that has ended", word.word())));
            }
            (status, checked) = self.detect(name).await?;
        }
        let status = status.unwrap_or_else(|| "NOT_CHECKED".into());
        let resources = if status == "NOT_CHECKED" { Vec::new() } else { self.drifts(name).await? };
        Ok(Drift { stack: name.to_owned(), status, checked, fresh, resources })
    }

    async fn detect(&self, name: &str) -> Result<(Option<String>, Option<jiff::Timestamp>)> {
        let client = self.client.cloudformation().await?;
        let begun = client.detect_stack_drift().stack_name(name).send().await.map_err(failed(
            "cloudformation:DetectStackDrift",
            "stack",
            name,
        ))?;
        let id = begun.stack_drift_detection_id.unwrap_or_default();
        let mut pace = Pace::new(self);
        loop {
            let answer = client
                .describe_stack_drift_detection_status()
                .stack_drift_detection_id(&id)
                .send()
                .await
                .map_err(failed("cloudformation:DescribeStackDriftDetectionStatus", "stack", name))?;
            match answer.detection_status().map(sdk::StackDriftDetectionStatus::as_str).unwrap_or_default() {
                "DETECTION_IN_PROGRESS" => pace.wait(false).await,
                "DETECTION_FAILED" => {
                    // What could be looked at was looked at.
                    tracing::warn!(stack = name, why = answer.detection_status_reason(), "not all was looked at");
                    break Ok((
                        answer.stack_drift_status().map(|s| s.as_str().to_owned()),
                        optional(answer.timestamp()),
                    ));
                }
                _ => {
                    break Ok((
                        answer.stack_drift_status().map(|s| s.as_str().to_owned()),
                        optional(answer.timestamp()),
                    ));
                }
            }
        }
    }

    async fn drifts(&self, name: &str) -> Result<Vec<ResourceDrift>> {
        let client = self.client.cloudformation().await?;
        let mut found = Vec::new();
        let mut token = None;
        loop {
            let answer = client
                .describe_stack_resource_drifts()
                .stack_name(name)
                .stack_resource_drift_status_filters(sdk::StackResourceDriftStatus::Modified)
                .stack_resource_drift_status_filters(sdk::StackResourceDriftStatus::Deleted)
                .set_next_token(token)
                .send()
                .await
                .map_err(failed("cloudformation:DescribeStackResourceDrifts", "stack", name))?;
            found.extend(answer.stack_resource_drifts().iter().filter_map(drift));
            token = answer.next_token.filter(|t| !t.is_empty());
            if token.is_none() {
                return Ok(found);
            }
        }
    }
}

fn drift(drift: &sdk::StackResourceDrift) -> Option<ResourceDrift> {
    let status = drift.stack_resource_drift_status().map(sdk::StackResourceDriftStatus::as_str).unwrap_or_default();
    if !matches!(status, "MODIFIED" | "DELETED") {
        return None;
    }
    let (kind, id) = (drift.resource_type().unwrap_or_default(), drift.logical_resource_id().unwrap_or_default());
    let properties = drift.property_differences().iter().map(|p| {
        let path = p.property_path().unwrap_or_default().trim_start_matches('/').replace('/', ".");
        PropertyDrift {
            expected: value(p.expected_value()),
            actual: value(p.actual_value()),
            by_design: BY_DESIGN.iter().any(|(of, property)| *of == kind && *property == path),
            path,
        }
    });
    Some(ResourceDrift {
        logical_id: id.to_owned(),
        name: kinds::name(kind, id),
        physical_name: short_name(kind, drift.physical_resource_id().unwrap_or_default()).to_owned(),
        kind: kinds::kind(kind),
        status: status.to_owned(),
        properties: properties.collect(),
    })
}

/// A value, which is JSON or text; `null` says that there is none.
fn value(text: Option<&str>) -> Option<Value> {
    let text = text.filter(|t| *t != "null")?;
    Some(if text.starts_with(['{', '[']) {
        serde_json::from_str(text).unwrap_or_else(|_| text.into())
    } else {
        text.into()
    })
}
