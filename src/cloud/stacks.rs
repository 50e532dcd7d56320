//! Stacks, change sets, stack events (AWS CloudFormation).

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::mpsc::UnboundedSender;

use super::{error::Result, pages::Pages, permit::Permit, resources::Graph};

/// What to apply.
#[derive(Debug, Clone, PartialEq)]
pub struct StackRequest {
    /// The resources.
    pub graph: Graph,
    /// The rendered template, for an engine that takes one.
    pub template: Option<Template>,
}

/// A rendered template, and what it refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// The CloudFormation template, as JSON.
    pub body: String,
    /// What must be in the artifact bucket before the template is applied.
    pub assets: Vec<Asset>,
}

/// An object that a template refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asset {
    /// Its key in the artifact bucket, with its content's SHA-256 in it: `functions/SHA256.zip`, `jobs/SHA256.sql`.
    pub key: String,
    /// Its content.
    pub content: Bytes,
}

/// A stack's status: CloudFormation's words, of which the embedded cloud uses these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum StackStatus {
    /// Being made.
    CreateInProgress,
    /// Made.
    CreateComplete,
    /// The making failed; what was made is still there, and the next deploy carries on.
    CreateFailed,
    /// Being changed.
    UpdateInProgress,
    /// Changed.
    UpdateComplete,
    /// The change failed half-way; the next deploy carries on.
    UpdateFailed,
    /// Being removed.
    DeleteInProgress,
    /// The removal failed half-way; the next destroy carries on.
    DeleteFailed,
    /// Removed.
    DeleteComplete,
}

impl StackStatus {
    /// CloudFormation's word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::CreateInProgress => "CREATE_IN_PROGRESS",
            Self::CreateComplete => "CREATE_COMPLETE",
            Self::CreateFailed => "CREATE_FAILED",
            Self::UpdateInProgress => "UPDATE_IN_PROGRESS",
            Self::UpdateComplete => "UPDATE_COMPLETE",
            Self::UpdateFailed => "UPDATE_FAILED",
            Self::DeleteInProgress => "DELETE_IN_PROGRESS",
            Self::DeleteFailed => "DELETE_FAILED",
            Self::DeleteComplete => "DELETE_COMPLETE",
        }
    }

    /// Whether an operation is under way, or was when its process died.
    pub fn in_progress(self) -> bool {
        matches!(self, Self::CreateInProgress | Self::UpdateInProgress | Self::DeleteInProgress)
    }

    /// Whether the stack is whole.
    pub fn complete(self) -> bool {
        matches!(self, Self::CreateComplete | Self::UpdateComplete)
    }
}

/// A stack.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stack {
    /// Its name.
    pub name: String,
    /// The pipeline it was made from, where known.
    pub pipeline: Option<String>,
    /// The environment.
    pub env: Option<String>,
    /// Its status.
    pub status: StackStatus,
    /// Whether its last operation was cut off: in progress, and the process that did it is gone.
    pub interrupted: bool,
    /// Why it failed, where it did.
    pub reason: Option<String>,
    /// When it was made.
    pub created: Timestamp,
    /// When it was last changed.
    pub updated: Timestamp,
    /// Its resources as they are deployed.
    pub resources: Vec<StackResource>,
    /// Its outputs.
    pub outputs: Vec<StackOutput>,
    /// The graph that was applied last, where the engine remembers it.
    #[serde(skip)]
    pub graph: Option<Graph>,
}

/// A resource of a stack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StackResource {
    /// Its logical id.
    pub logical_id: String,
    /// The name in pipeline.toml, where known.
    pub name: String,
    /// Its physical name.
    pub physical_name: String,
    /// Its kind, in words.
    pub kind: String,
    /// CloudFormation's word: `CREATE_COMPLETE`, `UPDATE_FAILED`.
    pub status: String,
    /// When it was last changed.
    pub updated: Timestamp,
}

/// An output of a stack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StackOutput {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
    /// What it is.
    pub description: String,
}

/// What would happen to one resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Made.
    Add,
    /// Changed in place.
    Change,
    /// Made anew, and the old one removed.
    Replace,
    /// Removed.
    Remove,
}

/// One planned change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// What would happen.
    pub action: Action,
    /// The resource's logical id.
    pub logical_id: String,
    /// The name in pipeline.toml.
    pub name: String,
    /// Its physical name.
    pub physical_name: String,
    /// Its kind, in words.
    pub kind: String,
    /// The properties that differ.
    pub properties: Vec<PropertyChange>,
    /// Whether data would be lost.
    pub loses_data: bool,
}

/// One property that differs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PropertyChange {
    /// Its path: `buffer_seconds`, `environment.STREAM_PRICES`.
    pub path: String,
    /// The value that is deployed.
    pub before: Option<Value>,
    /// The value to be.
    pub after: Option<Value>,
    /// Whether this is what makes the resource be made anew.
    pub requires_replacement: bool,
}

/// A plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChangeSet {
    /// The stack.
    pub stack: String,
    /// Whether an earlier operation was cut off and would be carried on.
    pub resumes: bool,
    /// The changes, in the order in which they would be made; empty: nothing to do.
    pub changes: Vec<Change>,
}

/// Progress of one resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StackEvent {
    /// When.
    pub time: Timestamp,
    /// The stack.
    pub stack: String,
    /// The resource's logical id; the stack's own name for the stack itself.
    pub logical_id: String,
    /// Its kind, in words.
    pub kind: String,
    /// `CREATE_IN_PROGRESS`, `CREATE_COMPLETE`, `DELETE_FAILED` and so on.
    pub status: String,
    /// Why, where it failed.
    pub reason: Option<String>,
    /// How many resources are done, and how many there are to do, in this operation.
    pub done: u32,
    /// See `done`.
    pub total: u32,
}

/// Where progress goes: unbounded, so that a slow screen never holds up a deploy.
pub type Progress = UnboundedSender<StackEvent>;

/// One deploy or destroy of the past.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// Its id.
    pub id: String,
    /// `create`, `update`, `delete`.
    pub kind: String,
    /// Who.
    pub who: String,
    /// When it started.
    pub started: Timestamp,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// The stack's status at its end, or `INTERRUPTED`.
    pub status: String,
    /// Resources that it changed.
    pub changes: u32,
    /// Why it failed.
    pub reason: Option<String>,
}

/// Stacks.
#[async_trait]
pub trait Stacks: Send + Sync {
    /// All stacks, by name.
    fn list(&self) -> Pages<'_, Stack>;
    /// One stack; none where it is not deployed.
    async fn get(&self, stack: &str) -> Result<Option<Stack>>;
    /// What applying the request would do.
    async fn plan(&self, request: &StackRequest) -> Result<ChangeSet>;
    /// Applies the request, or carries an interrupted operation on.
    async fn apply(&self, permit: &Permit, request: &StackRequest, progress: Progress) -> Result<Stack>;
    /// Removes the stack with everything in it.
    async fn destroy(&self, permit: &Permit, stack: &str, progress: Progress) -> Result<()>;
    /// Events of a stack's operations, the newest first.
    async fn events(&self, stack: &str, limit: usize) -> Result<Vec<StackEvent>>;
    /// Deploys and destroys of a stack, the newest first.
    async fn history(&self, stack: &str, limit: usize) -> Result<Vec<Operation>>;
}
