//! Releases: how a change of a pipeline's folder is checked, deployed to one environment after another, and waits for an
//! approval in between (AWS CodePipeline: a delivery is a pipeline there, a release is one of its executions).

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{error::Result, pages::Pages, permit::Permit};

/// What delivers a pipeline: its `[release]` section, as it stands in the cloud.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// Its name: `dataops--release`.
    pub name: String,
    /// The pipeline that it delivers, where known.
    pub pipeline: Option<String>,
    /// When it was made or last changed.
    pub updated: Option<Timestamp>,
}

/// What a release goes through: the `[release]` section, with every default filled in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Definition {
    /// The pipeline that is delivered.
    pub pipeline: String,
    /// The folder that holds pipeline.toml, below the repository's own: empty where it is that.
    pub folder: String,
    /// The branch that is delivered.
    pub branch: String,
    /// Commands for the shell, run in that folder before anything is deployed.
    pub checks: Vec<String>,
    /// The environments, in the order in which they are deployed to.
    pub environments: Vec<Target>,
    /// Who is told by e-mail that an approval is waited for, and how a release ended.
    pub email: Vec<String>,
}

/// An environment that a release deploys to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// Its name: `prod`.
    pub env: String,
    /// Whether somebody has to approve what was planned for it.
    pub approval: bool,
}

/// How a release, a stage or a step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReleaseStatus {
    /// Not begun.
    Pending,
    /// At work.
    InProgress,
    /// It waits for an approval.
    Waiting,
    /// Done.
    Succeeded,
    /// Failed; an approval that was refused is a failure, too.
    Failed,
    /// Asked to stop, and not yet at an end.
    Stopping,
    /// Ended on request.
    Stopped,
    /// A newer release took its place before it went on.
    Superseded,
}

impl ReleaseStatus {
    /// Whether it is over.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Stopped | Self::Superseded)
    }

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::InProgress => "IN_PROGRESS",
            Self::Waiting => "WAITING",
            Self::Succeeded => "SUCCEEDED",
            Self::Failed => "FAILED",
            Self::Stopping => "STOPPING",
            Self::Stopped => "STOPPED",
            Self::Superseded => "SUPERSEDED",
        }
    }
}

/// One release: a revision on its way through the environments. What AWS leaves out is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// Its id.
    pub id: String,
    /// The delivery.
    pub delivery: String,
    /// The pipeline that is delivered, where known.
    pub pipeline: Option<String>,
    /// The revision: a commit's id.
    pub revision: Option<String>,
    /// What that revision says of itself: the first line of the commit's message.
    pub summary: Option<String>,
    /// How it is.
    pub status: ReleaseStatus,
    /// What started it, in words.
    pub trigger: Option<String>,
    /// When it started.
    pub started: Option<Timestamp>,
    /// When it last moved; when it ended, where it is over.
    pub updated: Option<Timestamp>,
    /// What it goes through; empty in a list.
    pub stages: Vec<Stage>,
}

impl Release {
    /// The approval that it waits for.
    pub fn waits_for(&self) -> Option<Approval> {
        self.stages.iter().find_map(|stage| {
            let step = stage.steps.iter().find(|s| s.status == ReleaseStatus::Waiting)?;
            Some(Approval {
                delivery: self.delivery.clone(),
                release: self.id.clone(),
                stage: stage.name.clone(),
                step: step.name.clone(),
                env: step.env.clone(),
                token: step.token.clone(),
            })
        })
    }
}

/// A stage: `source`, `check`, then one for each environment (see [`stage_of`]).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stage {
    /// Its name.
    pub name: String,
    /// How it is.
    pub status: ReleaseStatus,
    /// What is done in it, in order.
    pub steps: Vec<Step>,
}

/// What a step does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepKind {
    /// Takes the revision.
    Source,
    /// Runs the checks.
    Check,
    /// Plans what deploying would do.
    Plan,
    /// Waits for somebody's word.
    Approval,
    /// Deploys what was planned.
    Deploy,
    /// Something that is not pumphouse's own.
    Other,
}

/// One step (CodePipeline's action).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Its name.
    pub name: String,
    /// What it does.
    pub kind: StepKind,
    /// The environment that it is about.
    pub env: Option<String>,
    /// How it is.
    pub status: ReleaseStatus,
    /// When it began.
    pub started: Option<Timestamp>,
    /// When it last moved; when it ended, where it is over.
    pub updated: Option<Timestamp>,
    /// What came of it, in words; who approved or refused it, and with what comment; what failed.
    pub summary: Option<String>,
    /// The log group that it writes to.
    pub log_group: Option<String>,
    /// The log stream that it writes to.
    pub log_stream: Option<String>,
    /// What a decision has to name, so that it is about this wait and no other (CodePipeline's approval token).
    #[serde(skip)]
    pub token: Option<String>,
}

/// An approval that is waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval {
    /// The delivery.
    pub delivery: String,
    /// The release.
    pub release: String,
    /// The stage.
    pub stage: String,
    /// The step.
    pub step: String,
    /// The environment that would be deployed to.
    pub env: Option<String>,
    /// See [`Step::token`].
    pub token: Option<String>,
}

/// Somebody's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Go on.
    Approve,
    /// Do not.
    Reject,
}

/// What to release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseRequest {
    /// The delivery.
    pub delivery: String,
    /// What it goes through, for a cloud that keeps no delivery of its own.
    pub definition: Definition,
    /// The repository on this machine, for a cloud that takes revisions from there.
    pub repository: Option<PathBuf>,
    /// The revision; none: the branch's newest.
    pub revision: Option<String>,
}

/// Reads the `[release]` section of a pipeline's folder, for a cloud that has only the folder; else why not, as it is to be
/// told.
pub type ReadRelease = fn(&Path) -> std::result::Result<Definition, String>;

/// Releases.
#[async_trait]
pub trait Releases: Send + Sync {
    /// All deliveries, by name.
    fn list(&self) -> Pages<'_, Delivery>;
    /// A delivery's releases, the newest first, without their stages.
    async fn releases(&self, delivery: &str, limit: usize) -> Result<Vec<Release>>;
    /// One release with its stages.
    async fn get(&self, delivery: &str, release: &str) -> Result<Release>;
    /// Starts a release and returns at once (`codepipeline:StartPipelineExecution`).
    async fn start(&self, permit: &Permit, request: &ReleaseRequest) -> Result<Release>;
    /// Approves or refuses what waits (`codepipeline:PutApprovalResult`).
    ///
    /// # Errors
    /// [`super::Error::Conflict`] where it does not wait for this any more.
    async fn decide(&self, permit: &Permit, approval: &Approval, decision: Decision, comment: &str) -> Result<()>;
    /// Asks a release to end (`codepipeline:StopPipelineExecution`): what is at work is waited for, an approval is not.
    async fn stop(&self, permit: &Permit, delivery: &str, release: &str, reason: &str) -> Result<()>;
}

/// The delivery of a pipeline, and the stack that it is made of on AWS: `dataops--release`. No pipeline and no environment
/// has two hyphens in its name, so this meets no pipeline's stack.
pub fn delivery_name(pipeline: &str) -> String {
    format!("{pipeline}{RELEASE}")
}

/// The pipeline that a delivery of this name delivers; none where pumphouse did not name it.
pub fn delivered(delivery: &str) -> Option<&str> {
    delivery.strip_suffix(RELEASE).filter(|pipeline| !pipeline.is_empty())
}

const RELEASE: &str = "--release";

/// The stage that takes the revision, and its step.
pub const SOURCE: &str = "source";
/// The stage that runs the checks, and its step.
pub const CHECK: &str = "check";
/// The step that plans.
pub const PLAN: &str = "plan";
/// The step that waits for somebody's word.
pub const APPROVE: &str = "approve";
/// The step that deploys.
pub const DEPLOY: &str = "deploy";
const TO: &str = "to-";

/// The stage of an environment: `to-prod`. An environment may be called `source`, so it needs more than its name.
pub fn stage_of(env: &str) -> String {
    format!("{TO}{env}")
}

/// What a step of a delivery of pumphouse's does, and for which environment.
pub fn step_kind(stage: &str, step: &str) -> (StepKind, Option<String>) {
    let env = stage.strip_prefix(TO).filter(|env| !env.is_empty());
    let kind = match (stage, step, env) {
        (SOURCE, SOURCE, _) => StepKind::Source,
        (CHECK, CHECK, _) => StepKind::Check,
        (_, PLAN, Some(_)) => StepKind::Plan,
        (_, APPROVE, Some(_)) => StepKind::Approval,
        (_, DEPLOY, Some(_)) => StepKind::Deploy,
        _ => return (StepKind::Other, None),
    };
    (kind, env.map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delivery_s_name_tells_its_pipeline() {
        assert_eq!(delivered(&delivery_name("crypto-stream")), Some("crypto-stream"));
        for other in ["crypto-stream-dev", "crypto-stream-release", "--release", "MyPipeline"] {
            assert_eq!(delivered(other), None, "{other}");
        }
    }

    #[test]
    fn a_step_is_known_by_its_name_and_its_stage_s() {
        assert_eq!(step_kind(SOURCE, SOURCE), (StepKind::Source, None));
        assert_eq!(step_kind(CHECK, CHECK), (StepKind::Check, None));
        let stage = stage_of("source");
        for (step, kind) in [(PLAN, StepKind::Plan), (APPROVE, StepKind::Approval), (DEPLOY, StepKind::Deploy)] {
            assert_eq!(step_kind(&stage, step), (kind, Some("source".to_owned())));
        }
        for (stage, step) in [("to-", PLAN), ("to-prod", "Lint"), ("Deploy", "deploy"), (SOURCE, "tests")] {
            assert_eq!(step_kind(stage, step), (StepKind::Other, None), "{stage}/{step}");
        }
    }
}
