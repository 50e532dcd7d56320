//! CodePipeline's executions in the port's words.

use aws_sdk_codepipeline::types as sdk;

use crate::{
    aws::time::optional,
    cloud::{
        Error, Result,
        releases::{Release, ReleaseStatus, Stage, Step, StepKind, delivered, step_kind},
    },
};

/// An approval that is waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Waiting {
    pub(super) release: String,
    pub(super) stage: String,
    pub(super) step: String,
    pub(super) token: Option<String>,
}

/// What waits for an approval. A token is given out for nothing else.
pub(super) fn waiting(stages: &[sdk::StageState]) -> Vec<Waiting> {
    let mut found = Vec::new();
    for stage in stages {
        let (Some(name), Some(execution)) = (&stage.stage_name, &stage.latest_execution) else { continue };
        for action in stage.action_states.as_deref().unwrap_or_default() {
            let (Some(step), Some(latest)) = (&action.action_name, &action.latest_execution) else { continue };
            if latest.token.is_some() && latest.status == Some(sdk::ActionExecutionStatus::InProgress) {
                found.push(Waiting {
                    release: execution.pipeline_execution_id.clone(),
                    stage: name.clone(),
                    step: step.clone(),
                    token: latest.token.clone(),
                });
            }
        }
    }
    found
}

/// Whether all that a release is at is to wait for approvals.
pub(super) fn only_waits(stages: &[sdk::StageState], release: &str) -> bool {
    let in_stage = |stage: &&sdk::StageState| {
        stage.latest_execution.as_ref().is_some_and(|execution| execution.pipeline_execution_id == release)
    };
    let at_work: Vec<_> = stages
        .iter()
        .filter(in_stage)
        .flat_map(|stage| stage.action_states.as_deref().unwrap_or_default())
        .filter_map(|action| action.latest_execution.as_ref())
        .filter(|latest| latest.status == Some(sdk::ActionExecutionStatus::InProgress))
        .collect();
    !at_work.is_empty() && at_work.iter().all(|latest| latest.token.is_some())
}

/// The status of a release.
pub(super) fn status(found: Option<&sdk::PipelineExecutionStatus>) -> ReleaseStatus {
    match found {
        Some(sdk::PipelineExecutionStatus::Succeeded) => ReleaseStatus::Succeeded,
        Some(sdk::PipelineExecutionStatus::Failed) => ReleaseStatus::Failed,
        Some(sdk::PipelineExecutionStatus::Stopping) => ReleaseStatus::Stopping,
        Some(sdk::PipelineExecutionStatus::Stopped | sdk::PipelineExecutionStatus::Cancelled) => ReleaseStatus::Stopped,
        Some(sdk::PipelineExecutionStatus::Superseded) => ReleaseStatus::Superseded,
        _ => ReleaseStatus::InProgress,
    }
}

/// A release of a list; none without an id.
pub(super) fn summary(delivery: &str, pipeline: Option<&str>, found: sdk::PipelineExecutionSummary) -> Option<Release> {
    let revision = found.source_revisions.unwrap_or_default().into_iter().next();
    let (revision, said) = revision.map_or((None, None), |r| (r.revision_id, r.revision_summary));
    Some(Release {
        id: found.pipeline_execution_id?,
        delivery: delivery.to_owned(),
        pipeline: pipeline.map(str::to_owned),
        revision,
        summary: said.as_deref().and_then(first_line),
        status: status(found.status.as_ref()),
        trigger: found.trigger.as_ref().and_then(trigger),
        started: optional(found.start_time.as_ref()),
        updated: optional(found.last_update_time.as_ref()),
        stages: Vec::new(),
    })
}

/// What started a release, in words.
fn trigger(found: &sdk::ExecutionTrigger) -> Option<String> {
    let kind = match found.trigger_type.as_ref()? {
        sdk::TriggerType::CloudWatchEvent => "a push (EventBridge)".to_owned(),
        sdk::TriggerType::Webhook | sdk::TriggerType::WebhookV2 => "a push".to_owned(),
        sdk::TriggerType::PollForSourceChanges => "a push (seen by polling)".to_owned(),
        sdk::TriggerType::StartPipelineExecution => "started by".to_owned(),
        sdk::TriggerType::CreatePipeline => "the delivery was made".to_owned(),
        other => other.as_str().to_owned(),
    };
    // Of a rule or a webhook it is an ARN, which tells nobody anything.
    let by_hand = found.trigger_type == Some(sdk::TriggerType::StartPipelineExecution);
    match found.trigger_detail.as_deref().filter(|d| !d.is_empty()) {
        Some(who) if by_hand => Some(format!("{kind} {}", principal(who))),
        None if by_hand => Some("started by hand".into()),
        _ => Some(kind),
    }
}

/// Of an ARN the part that names somebody.
fn principal(arn: &str) -> &str {
    arn.splitn(6, ':').nth(5).unwrap_or(arn)
}

/// The first line of what a revision says of itself. By a connection that is JSON: `{"CommitMessage": ...}`.
fn first_line(said: &str) -> Option<String> {
    let message = serde_json::from_str::<serde_json::Value>(said)
        .ok()
        .and_then(|json| Some(json.get("CommitMessage")?.as_str()?.to_owned()));
    let text = message.as_deref().unwrap_or(said);
    text.lines().map(str::trim).find(|line| !line.is_empty()).map(str::to_owned)
}

/// A revision in the place of the newest one, for the action that takes revisions.
///
/// # Errors
/// [`Error::Invalid`] where the source does not know revisions of this kind: CodePipeline says so only in the release.
pub(super) fn revision(
    delivery: &str,
    layout: &sdk::PipelineDeclaration,
    revision: &str,
) -> Result<sdk::SourceRevisionOverride> {
    let is = |action: &&sdk::ActionDeclaration| category(action) == Some(&sdk::ActionCategory::Source);
    let Some(action) = layout.stages.iter().flat_map(|stage| &stage.actions).find(is) else {
        return Err(Error::Invalid(format!("{delivery} has no source that takes a revision")));
    };
    let kind = match action.action_type_id.as_ref().map(|id| id.provider.as_str()) {
        Some("S3") => sdk::SourceRevisionType::S3ObjectVersionId,
        Some("ECR") => sdk::SourceRevisionType::ImageDigest,
        _ => sdk::SourceRevisionType::CommitId,
    };
    let commit = revision.len() == 40 && revision.chars().all(|c| c.is_ascii_hexdigit());
    if kind == sdk::SourceRevisionType::CommitId && !commit {
        return Err(Error::Invalid(format!(
            "{revision:?} is no commit's whole id, and on AWS a release takes nothing else: `git rev-parse {revision}` tells it"
        )));
    }
    let built = sdk::SourceRevisionOverride::builder()
        .action_name(&action.name)
        .revision_type(kind)
        .revision_value(revision)
        .build();
    built.map_err(|e| Error::Invalid(e.to_string()))
}

fn category(action: &sdk::ActionDeclaration) -> Option<&sdk::ActionCategory> {
    action.action_type_id.as_ref().map(|id| &id.category)
}

/// A release with its stages: those that it went through, and those that are still before it.
pub(super) fn release(
    delivery: &str,
    pipeline: Option<String>,
    id: &str,
    execution: sdk::PipelineExecution,
    layout: &sdk::PipelineDeclaration,
    actions: &[sdk::ActionExecutionDetail],
    waiting: &[Waiting],
) -> Release {
    let mut overall = status(execution.status.as_ref());
    let of = |stage: &str, action: &str| {
        let same = |a: &&sdk::ActionExecutionDetail| {
            a.stage_name.as_deref() == Some(stage) && a.action_name.as_deref() == Some(action)
        };
        // A stage that was tried again has done it more than once: the last time counts.
        actions.iter().filter(same).max_by_key(|a| optional(a.start_time.as_ref()))
    };
    let ours = delivered(delivery).is_some();
    let stages: Vec<Stage> = layout
        .stages
        .iter()
        .map(|stage| {
            let mut declared: Vec<&sdk::ActionDeclaration> = stage.actions.iter().collect();
            declared.sort_by_key(|action| action.run_order.unwrap_or(1));
            let steps: Vec<Step> = declared
                .into_iter()
                .map(|action| {
                    let waits =
                        waiting.iter().find(|w| w.release == id && w.stage == stage.name && w.step == action.name);
                    step(ours, &stage.name, action, of(&stage.name, &action.name), waits)
                })
                .collect();
            Stage { name: stage.name.clone(), status: together(&steps, overall), steps }
        })
        .collect();
    if overall == ReleaseStatus::InProgress && stages.iter().any(|s| s.status == ReleaseStatus::Waiting) {
        overall = ReleaseStatus::Waiting;
    }
    let revision = execution.artifact_revisions.unwrap_or_default().into_iter().next();
    let (revision, said) = revision.map_or((None, None), |r| (r.revision_id, r.revision_summary));
    let times = |time: fn(&sdk::ActionExecutionDetail) -> Option<&aws_smithy_types::DateTime>| {
        actions.iter().filter_map(move |a| optional(time(a)))
    };
    Release {
        id: id.to_owned(),
        delivery: delivery.to_owned(),
        pipeline,
        revision,
        summary: said.as_deref().and_then(first_line),
        status: overall,
        trigger: execution.trigger.as_ref().and_then(trigger),
        started: times(|a| a.start_time.as_ref()).min(),
        updated: times(|a| a.last_update_time.as_ref()).max(),
        stages,
    }
}

/// How a stage is, by its steps.
fn together(steps: &[Step], release: ReleaseStatus) -> ReleaseStatus {
    let any = |status| steps.iter().any(|s| s.status == status);
    let begun = steps.iter().any(|s| s.status != ReleaseStatus::Pending);
    for status in [ReleaseStatus::Failed, ReleaseStatus::Waiting, ReleaseStatus::InProgress, ReleaseStatus::Stopped] {
        if any(status) {
            return status;
        }
    }
    match (begun, any(ReleaseStatus::Pending)) {
        (true, false) => ReleaseStatus::Succeeded,
        // Between two steps; or that is as far as it came.
        (true, true) => release,
        (false, _) => ReleaseStatus::Pending,
    }
}

fn step(
    ours: bool,
    stage: &str,
    action: &sdk::ActionDeclaration,
    done: Option<&sdk::ActionExecutionDetail>,
    waits: Option<&Waiting>,
) -> Step {
    let (kind, env) = match (ours, category(action)) {
        (true, _) => step_kind(stage, &action.name),
        (false, Some(sdk::ActionCategory::Source)) => (StepKind::Source, None),
        (false, Some(sdk::ActionCategory::Approval)) => (StepKind::Approval, None),
        (false, _) => (StepKind::Other, None),
    };
    let result = done.and_then(|d| d.output.as_ref()).and_then(|o| o.execution_result.as_ref());
    let status = match done.and_then(|d| d.status.as_ref()) {
        None => ReleaseStatus::Pending,
        Some(_) if waits.is_some() => ReleaseStatus::Waiting,
        Some(sdk::ActionExecutionStatus::Succeeded) => ReleaseStatus::Succeeded,
        Some(sdk::ActionExecutionStatus::Failed) => ReleaseStatus::Failed,
        Some(sdk::ActionExecutionStatus::Abandoned) => ReleaseStatus::Stopped,
        Some(_) => ReleaseStatus::InProgress,
    };
    let (log_group, log_stream) = log(action, result);
    Step {
        name: action.name.clone(),
        kind,
        env,
        status,
        started: done.and_then(|d| optional(d.start_time.as_ref())),
        updated: done.and_then(|d| optional(d.last_update_time.as_ref())),
        summary: said(kind, status, done, result),
        log_group,
        log_stream,
        token: waits.and_then(|w| w.token.clone()),
    }
}

/// What came of a step, in words.
fn said(
    kind: StepKind,
    status: ReleaseStatus,
    done: Option<&sdk::ActionExecutionDetail>,
    result: Option<&sdk::ActionExecutionResult>,
) -> Option<String> {
    let text = |text: Option<&str>| text.map(str::trim).filter(|t| !t.is_empty()).map(str::to_owned);
    let summary = result.and_then(|r| text(r.external_execution_summary.as_deref()));
    let failure = result.and_then(|r| r.error_details.as_ref()).and_then(|e| {
        let (code, message) = (text(e.code.as_deref()), text(e.message.as_deref()));
        match (code, message) {
            (Some(code), Some(message)) => Some(format!("{code}: {message}")),
            (one, other) => one.or(other),
        }
    });
    // One that was given up, since its release was stopped, nobody has decided.
    if kind == StepKind::Approval && matches!(status, ReleaseStatus::Succeeded | ReleaseStatus::Failed) {
        let word = if status == ReleaseStatus::Succeeded { "approved" } else { "refused" };
        let who = done.and_then(|d| text(d.updated_by.as_deref())).map(|w| format!(" by {}", principal(&w)));
        let comment = summary.or(failure).map(|c| format!(": {c}"));
        return Some(format!("{word}{}{}", who.unwrap_or_default(), comment.unwrap_or_default()));
    }
    if kind == StepKind::Source {
        return failure.or_else(|| summary.as_deref().and_then(first_line));
    }
    failure.or(summary)
}

/// Where a step's log is: CodePipeline says it of some, and of a build of CodeBuild's it is a stream of the project's group,
/// unless the project writes elsewhere.
fn log(
    action: &sdk::ActionDeclaration,
    result: Option<&sdk::ActionExecutionResult>,
) -> (Option<String>, Option<String>) {
    let Some(result) = result else { return (None, None) };
    if let Some(arn) = &result.log_stream_arn
        && let Some((_, rest)) = arn.split_once(":log-group:")
        && let Some((group, stream)) = rest.split_once(":log-stream:")
    {
        return (Some(group.to_owned()), Some(stream.to_owned()));
    }
    let builds = action.action_type_id.as_ref().is_some_and(|id| id.provider == "CodeBuild");
    let build = result.external_execution_id.as_deref().filter(|_| builds).and_then(|id| id.split_once(':'));
    match build {
        Some((project, id)) => (Some(format!("/aws/codebuild/{project}")), Some(id.to_owned())),
        None => (None, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revision_tells_its_first_line_however_it_is_told() {
        assert_eq!(first_line("Mend it\n\nBecause").as_deref(), Some("Mend it"));
        let json = r#"{"ProviderType":"GitHub","CommitMessage":"Mend it\n\nBecause"}"#;
        assert_eq!(first_line(json).as_deref(), Some("Mend it"));
        assert_eq!(first_line(r#"{"ProviderType":"GitHub"}"#).as_deref(), Some(r#"{"ProviderType":"GitHub"}"#));
        assert_eq!(first_line(" \n"), None);
    }

    #[test]
    fn whoever_started_a_release_is_named() {
        let of = |kind: sdk::TriggerType, detail: &str| {
            trigger(&sdk::ExecutionTrigger::builder().trigger_type(kind).trigger_detail(detail).build()).unwrap()
        };
        let ada = "arn:aws:sts::123456789012:assumed-role/operators/ada";
        assert_eq!(of(sdk::TriggerType::StartPipelineExecution, ada), "started by assumed-role/operators/ada");
        assert_eq!(of(sdk::TriggerType::StartPipelineExecution, ""), "started by hand");
        assert_eq!(of(sdk::TriggerType::CloudWatchEvent, "arn:aws:events:x"), "a push (EventBridge)");
        assert_eq!(of("AutomatedRollback".into(), ""), "AutomatedRollback");
    }
}
