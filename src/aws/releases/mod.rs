//! Releases (AWS CodePipeline): a delivery is a pipeline there, a release one of its executions.

mod model;

use async_trait::async_trait;
use aws_sdk_codepipeline::types as sdk;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use super::{Aws, error::failed, time::optional};
use crate::cloud::{
    Error, Pages, Permit, Result,
    releases::{Approval, Decision, Delivery, Release, ReleaseRequest, ReleaseStatus, Releases, delivered},
};

/// The most that CodePipeline gives at once.
const PER_PAGE: usize = 100;
/// Characters of a comment, and of a reason.
const LONGEST_COMMENT: usize = 512;
const LONGEST_REASON: usize = 200;

#[async_trait]
impl Releases for Aws {
    fn list(&self) -> Pages<'_, Delivery> {
        Pages::follow(move |token| async move {
            let client = self.client.codepipeline().await?;
            let asked = client.list_pipelines().max_results(PER_PAGE as i32).set_next_token(token).send();
            let page = asked.await.map_err(failed("codepipeline:ListPipelines", "delivery", "*"))?;
            let found = page.pipelines.unwrap_or_default().into_iter().filter_map(|p| {
                let updated = optional(p.updated.as_ref()).or_else(|| optional(p.created.as_ref()));
                let name = p.name?;
                Some(Delivery { pipeline: delivered(&name).map(str::to_owned), name, updated })
            });
            let mut found: Vec<_> = found.collect();
            // Ours are known by their names: only others are looked for among what stacks hold.
            if found.iter().any(|d| d.pipeline.is_none()) {
                let owners = self.owners().await;
                for delivery in found.iter_mut().filter(|d| d.pipeline.is_none()) {
                    delivery.pipeline = owners.pipeline(&delivery.name);
                }
            }
            Ok((found, page.next_token.filter(|t| !t.is_empty())))
        })
    }

    async fn releases(&self, delivery: &str, limit: usize) -> Result<Vec<Release>> {
        let client = self.client.codepipeline().await?;
        let mut found = Vec::new();
        let mut token: Option<String> = None;
        while found.len() < limit {
            let want = (limit - found.len()).min(PER_PAGE);
            let page = client
                .list_pipeline_executions()
                .pipeline_name(delivery)
                .max_results(want as i32)
                .set_next_token(token.take())
                .send()
                .await
                .map_err(failed("codepipeline:ListPipelineExecutions", "delivery", delivery))?;
            found.extend(page.pipeline_execution_summaries.unwrap_or_default());
            token = page.next_token.filter(|t| !t.is_empty());
            if token.is_none() {
                break;
            }
        }
        let pipeline = self.delivers(delivery).await;
        let mut releases: Vec<Release> =
            found.into_iter().filter_map(|summary| model::summary(delivery, pipeline.as_deref(), summary)).collect();
        // That one waits for an approval stands with the stage it is in.
        if releases.iter().any(|r| r.status == ReleaseStatus::InProgress) {
            let waiting = model::waiting(&self.state(delivery).await?);
            for release in releases.iter_mut().filter(|r| r.status == ReleaseStatus::InProgress) {
                if waiting.iter().any(|w| w.release == release.id) {
                    release.status = ReleaseStatus::Waiting;
                }
            }
        }
        releases.sort_by_key(|release| std::cmp::Reverse(release.started));
        releases.truncate(limit);
        Ok(releases)
    }

    async fn get(&self, delivery: &str, release: &str) -> Result<Release> {
        let client = self.client.codepipeline().await?;
        let asked = client.get_pipeline_execution().pipeline_name(delivery).pipeline_execution_id(release).send();
        let execution = match asked.await {
            Ok(answer) => answer.pipeline_execution.ok_or_else(|| Error::not_found("release", release))?,
            // It takes nothing but ids of its own.
            Err(e) if e.code() == Some("ValidationException") => return Err(Error::not_found("release", release)),
            Err(e) if e.code() == Some("PipelineNotFoundException") => {
                return Err(Error::not_found("delivery", delivery));
            }
            Err(e) => return Err(failed("codepipeline:GetPipelineExecution", "release", release)(e)),
        };
        let actions = self.actions(delivery, release).await?;
        let layout = self.layout(delivery, execution.pipeline_version).await?;
        let over = model::status(execution.status.as_ref()).is_final();
        let waiting = if over { Vec::new() } else { model::waiting(&self.state(delivery).await?) };
        let pipeline = self.delivers(delivery).await;
        Ok(model::release(delivery, pipeline, release, execution, &layout, &actions, &waiting))
    }

    async fn start(&self, permit: &Permit, request: &ReleaseRequest) -> Result<Release> {
        let delivery = request.delivery.as_str();
        permit.check("codepipeline:StartPipelineExecution", delivery)?;
        let client = self.client.codepipeline().await?;
        let mut call = client
            .start_pipeline_execution()
            .name(delivery)
            .client_request_token(uuid::Uuid::new_v4().simple().to_string());
        if let Some(revision) = &request.revision {
            let layout = self.layout(delivery, None).await?;
            call = call.source_revisions(model::revision(delivery, &layout, revision)?);
        }
        let started = call.send().await.map_err(failed("codepipeline:StartPipelineExecution", "delivery", delivery))?;
        let Some(id) = started.pipeline_execution_id else {
            return Err(Error::Failed(format!(
                "{delivery}: CodePipeline has started a release and does not say which"
            )));
        };
        let now = jiff::Timestamp::now();
        Ok(Release {
            id,
            delivery: delivery.to_owned(),
            pipeline: self.delivers(delivery).await,
            revision: request.revision.clone(),
            summary: None,
            status: ReleaseStatus::InProgress,
            trigger: None,
            started: Some(now),
            updated: Some(now),
            stages: Vec::new(),
        })
    }

    async fn decide(&self, permit: &Permit, approval: &Approval, decision: Decision, comment: &str) -> Result<()> {
        let delivery = approval.delivery.as_str();
        permit.check("codepipeline:PutApprovalResult", delivery)?;
        limited("a comment", comment, LONGEST_COMMENT)?;
        let gone = |why: &str| {
            Error::Conflict(format!(
                "{delivery}: release {} does not wait for this approval any more: look at it again ({why})",
                approval.release
            ))
        };
        let token = if let Some(token) = &approval.token {
            token.clone()
        } else {
            let waiting = model::waiting(&self.state(delivery).await?);
            let same = |w: &&model::Waiting| {
                w.release == approval.release && w.stage == approval.stage && w.step == approval.step
            };
            let found = waiting.iter().find(same).and_then(|w| w.token.clone());
            found.ok_or_else(|| gone("nothing waits there"))?
        };
        let status = match decision {
            Decision::Approve => sdk::ApprovalStatus::Approved,
            Decision::Reject => sdk::ApprovalStatus::Rejected,
        };
        let result = sdk::ApprovalResult::builder()
            .summary(comment)
            .status(status)
            .build()
            .map_err(|e| Error::Invalid(e.to_string()))?;
        let client = self.client.codepipeline().await?;
        let sent = client
            .put_approval_result()
            .pipeline_name(delivery)
            .stage_name(&approval.stage)
            .action_name(&approval.step)
            .result(result)
            .token(token)
            .send()
            .await;
        match sent {
            Ok(_) => Ok(()),
            Err(e)
                if matches!(
                    e.code(),
                    Some(
                        "InvalidApprovalTokenException"
                            | "ApprovalAlreadyCompletedException"
                            | "ActionNotFoundException"
                            | "StageNotFoundException"
                    )
                ) =>
            {
                Err(gone(e.message().or(e.code()).unwrap_or_default()))
            }
            Err(e) => Err(failed("codepipeline:PutApprovalResult", "delivery", delivery)(e)),
        }
    }

    async fn stop(&self, permit: &Permit, delivery: &str, release: &str, reason: &str) -> Result<()> {
        permit.check("codepipeline:StopPipelineExecution", delivery)?;
        limited("a reason", reason, LONGEST_REASON)?;
        // An approval would be waited for, too, for days. Who may not ask where it stands may still stop it.
        let only_waits = self.state(delivery).await.is_ok_and(|stages| model::only_waits(&stages, release));
        let client = self.client.codepipeline().await?;
        let sent = client
            .stop_pipeline_execution()
            .pipeline_name(delivery)
            .pipeline_execution_id(release)
            .abandon(only_waits)
            .set_reason(Some(reason.to_owned()).filter(|r| !r.is_empty()))
            .send()
            .await;
        match sent {
            Ok(_) => Ok(()),
            // It was asked before: that is what was wanted.
            Err(e) if e.code() == Some("DuplicatedStopRequestException") => Ok(()),
            Err(e) if e.code() == Some("PipelineExecutionNotStoppableException") => Err(Error::Conflict(format!(
                "{delivery}: release {release} cannot be stopped: {}",
                e.message().unwrap_or("it is over")
            ))),
            Err(e) => Err(failed("codepipeline:StopPipelineExecution", "release", release)(e)),
        }
    }
}

fn limited(what: &str, text: &str, most: usize) -> Result<()> {
    let long = text.chars().count();
    if long <= most {
        return Ok(());
    }
    Err(Error::Invalid(format!("{what} has at most {most} characters, and this has {long}")))
}

impl Aws {
    /// The pipeline that a delivery delivers, by its stack's tags, else by its name.
    async fn delivers(&self, delivery: &str) -> Option<String> {
        self.owners().await.pipeline(delivery).or_else(|| delivered(delivery).map(str::to_owned))
    }

    /// What a delivery goes through; none: as it is now.
    async fn layout(&self, delivery: &str, version: Option<i32>) -> Result<sdk::PipelineDeclaration> {
        let client = self.client.codepipeline().await?;
        let asked = client.get_pipeline().name(delivery).set_version(version).send();
        let answer = asked.await.map_err(failed("codepipeline:GetPipeline", "delivery", delivery))?;
        answer.pipeline.ok_or_else(|| Error::not_found("delivery", delivery))
    }

    /// Where a delivery stands.
    async fn state(&self, delivery: &str) -> Result<Vec<sdk::StageState>> {
        let client = self.client.codepipeline().await?;
        let asked = client.get_pipeline_state().name(delivery).send();
        let answer = asked.await.map_err(failed("codepipeline:GetPipelineState", "delivery", delivery))?;
        Ok(answer.stage_states.unwrap_or_default())
    }

    /// What was done for a release.
    async fn actions(&self, delivery: &str, release: &str) -> Result<Vec<sdk::ActionExecutionDetail>> {
        let client = self.client.codepipeline().await?;
        let filter = sdk::ActionExecutionFilter::builder().pipeline_execution_id(release).build();
        let (mut found, mut token) = (Vec::new(), None);
        loop {
            let page = client
                .list_action_executions()
                .pipeline_name(delivery)
                .filter(filter.clone())
                .max_results(PER_PAGE as i32)
                .set_next_token(token)
                .send()
                .await
                .map_err(failed("codepipeline:ListActionExecutions", "delivery", delivery))?;
            found.extend(page.action_execution_details.unwrap_or_default());
            token = page.next_token.filter(|t| !t.is_empty());
            if token.is_none() {
                return Ok(found);
            }
        }
    }
}
