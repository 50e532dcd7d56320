//! Stacks, change sets, stack events (AWS CloudFormation).

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::mpsc::UnboundedSender;

use super::{
    error::{Error, Result},
    pages::Pages,
    permit::Permit,
    resources::Graph,
};

mod confirmed;
mod drift;
mod engine;
mod status;

pub use confirmed::unconfirmed;
pub use drift::{Drift, PropertyDrift, ResourceDrift};
pub use engine::{Directory, Engine, Engines, Waiting};
pub use status::StackStatus;

/// What to apply.
#[derive(Debug, Clone, PartialEq)]
pub struct StackRequest {
    /// The resources.
    pub graph: Graph,
    /// The rendered template, for an engine that takes one.
    pub template: Option<Template>,
    /// What was shown and confirmed: an engine that finds something else to do refuses. None: nothing was.
    pub confirmed: Option<ChangeSet>,
    /// Whether to bring back to what the template says what was changed behind its back.
    pub revert_drift: bool,
    /// Whether the stack may not be deleted until somebody takes that back.
    pub protected: bool,
}

impl StackRequest {
    /// The resources as they are, and nothing else.
    pub fn new(graph: Graph) -> Self {
        Self { graph, template: None, confirmed: None, revert_drift: false, protected: false }
    }
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
    /// Whether it cannot be deleted until its termination protection is turned off; none where there is no such thing.
    #[serde(default)]
    pub protected: Option<bool>,
    /// What the last look for drift found, in CloudFormation's word; none where nobody has looked.
    #[serde(default)]
    pub drift: Option<String>,
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
    /// Whether data would be lost, or might be, where `certain` or `replacement` say so.
    pub loses_data: bool,
    /// Whether it is certain to happen; else it depends on what comes of another change, or is an estimate.
    #[serde(default = "yes")]
    pub certain: bool,
    /// Whether it is made anew.
    #[serde(default)]
    pub replacement: Option<Replacement>,
    /// Whether what is removed or replaced is kept outside of the stack, by its DeletionPolicy or UpdateReplacePolicy.
    #[serde(default)]
    pub kept: bool,
    /// The logical id that it had before, where it only goes by another one now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moved_from: Option<String>,
    /// The physical id of what is there already and is taken in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imported: Option<String>,
    /// Why, where the engine says more than the properties do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Change {
    /// One that is certain, and of which no more is known.
    pub fn new(action: Action, kind: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            action,
            logical_id: String::new(),
            name: name.into(),
            physical_name: String::new(),
            kind: kind.into(),
            properties: Vec::new(),
            loses_data: false,
            certain: true,
            replacement: None,
            kept: false,
            moved_from: None,
            imported: None,
            reason: None,
        }
    }
}

fn yes() -> bool {
    true
}

/// Whether a resource is made anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Replacement {
    /// It depends on a value that is known only later.
    Conditional,
    /// In any case.
    Always,
}

/// When a value is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Evaluation {
    /// Now.
    Static,
    /// When another change is made; it may turn out to be the same.
    Dynamic,
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
    /// Whether this is what makes the resource be made anew, or may.
    pub requires_replacement: bool,
    /// When its value is known.
    #[serde(default = "known")]
    pub evaluation: Evaluation,
    /// The parameter, resource or attribute that makes it change: `LandingBucket.Arn`.
    #[serde(default)]
    pub cause: Option<String>,
}

fn known() -> Evaluation {
    Evaluation::Static
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
    /// Whether it is our own comparison of two templates, as the engine was not asked.
    #[serde(default)]
    pub estimated: bool,
    /// The capabilities that the template needs: `CAPABILITY_IAM`.
    #[serde(default)]
    pub capabilities: Vec<String>,
    /// The status of a stack that has to be deleted first, and made anew.
    #[serde(default)]
    pub recreates: Option<StackStatus>,
    /// What one should know: what could not be done, what will be waited for.
    #[serde(default)]
    pub notes: Vec<String>,
    /// The plan as its engine keeps it, for an engine that applies a plan of its own alone: Terraform's saved plan. It is
    /// no part of what is shown; a plan file holds it.
    #[serde(skip)]
    pub saved: Option<Bytes>,
}

impl ChangeSet {
    /// A plan as an engine makes it that knows all for certain.
    pub fn new(stack: impl Into<String>, changes: Vec<Change>) -> Self {
        Self {
            stack: stack.into(),
            resumes: false,
            changes,
            estimated: false,
            capabilities: Vec::new(),
            recreates: None,
            notes: Vec::new(),
            saved: None,
        }
    }

    /// Whether a deploy would do nothing.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && !self.resumes && self.recreates.is_none()
    }
}

/// What is left of a destroyed stack.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Destroyed {
    /// What was kept on purpose, by its DeletionPolicy, or because it was asked for.
    pub retained: Vec<Retained>,
}

/// A resource that was kept when its stack was destroyed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retained {
    /// Its logical id.
    pub logical_id: String,
    /// Its kind, in words.
    pub kind: String,
    /// Its physical name.
    pub physical_name: String,
    /// How to remove it.
    pub remove: String,
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
    /// `CREATE_IN_PROGRESS`, `CREATE_COMPLETE`, `DELETE_FAILED` and so on; `WAITING` while what happens cannot be seen.
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
    /// Whether the engine takes a rendered template, rather than the graph.
    fn takes_templates(&self) -> bool {
        self.engine() == Engine::CloudFormation
    }
    /// What it is.
    fn engine(&self) -> Engine {
        Engine::Embedded
    }
    /// Whether a plan, or a look for drift, makes or locks something, and so takes a permit.
    fn plans_with_permit(&self) -> bool {
        self.engine() != Engine::Embedded
    }
    /// All stacks, by name.
    fn list(&self) -> Pages<'_, Stack>;
    /// One stack; none where it is not deployed.
    async fn get(&self, stack: &str) -> Result<Option<Stack>>;
    /// What applying the request would do. An engine may have to make something for that, which goes away again.
    async fn plan(&self, _: &Permit, request: &StackRequest) -> Result<ChangeSet> {
        self.estimate(request).await
    }
    /// What applying the request would do, as far as reading alone can tell.
    async fn estimate(&self, request: &StackRequest) -> Result<ChangeSet>;
    /// Applies the request, or carries an interrupted operation on.
    async fn apply(&self, permit: &Permit, request: &StackRequest, progress: Progress) -> Result<Stack>;
    /// Removes the stack with everything in it, save what is to be kept: logical ids, of a stack whose removal failed.
    async fn destroy(&self, permit: &Permit, stack: &str, retain: &[String], progress: Progress) -> Result<Destroyed>;
    /// What destroying the stack would do, where the engine plans that, too: the destroy that follows does this.
    async fn plan_destroy(&self, _: &Permit, _stack: &str) -> Result<Option<ChangeSet>> {
        Ok(None)
    }
    /// Asks the operation under way to end early, in order.
    async fn interrupt(&self, _: &Permit, stack: &str) -> Result<()> {
        Err(Error::Conflict(format!("what is under way in {stack} cannot be asked to stop: Terraform alone can")))
    }
    /// What is waited for without a word of progress, by what is under way here.
    fn waits_for(&self) -> Option<Waiting> {
        None
    }
    /// Takes a lock away that nobody is there any more to take away, by its id.
    async fn unlock(&self, _: &Permit, stack: &str, _lock: &str) -> Result<()> {
        Err(Error::Conflict(format!(
            "{stack} has no lock: only the state of a pipeline that Terraform deploys has one"
        )))
    }
    /// Takes a failed change back that could not be taken back, leaving out the resources that are to be skipped.
    async fn rollback(&self, _: &Permit, stack: &str, _skip: &[String], _: Progress) -> Result<Stack> {
        Err(Error::Unsupported {
            cloud: "local",
            what: format!("a rollback of {stack}: the next deploy carries on what failed"),
        })
    }
    /// Turns the protection against deletion on or off.
    async fn protect(&self, _: &Permit, stack: &str, _on: bool) -> Result<()> {
        Err(Error::Unsupported { cloud: "local", what: format!("termination protection of {stack}") })
    }
    /// Compares what is deployed with the template, which the engine then remembers.
    async fn detect_drift(&self, _: &Permit, stack: &str) -> Result<Drift> {
        self.drift(stack).await
    }
    /// What the last comparison has found.
    async fn drift(&self, stack: &str) -> Result<Drift> {
        let what = format!("drift of {stack}: nothing changes its resources behind its back");
        Err(Error::Unsupported { cloud: "local", what })
    }
    /// Events of a stack's operations, the newest first.
    async fn events(&self, stack: &str, limit: usize) -> Result<Vec<StackEvent>>;
    /// Deploys and destroys of a stack, the newest first.
    async fn history(&self, stack: &str, limit: usize) -> Result<Vec<Operation>>;
}
