//! Drift: what is deployed is no longer what the stack's template says.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What was found when a stack's resources were compared with its template.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Drift {
    /// The stack.
    pub stack: String,
    /// CloudFormation's word: `IN_SYNC`, `DRIFTED`, `NOT_CHECKED`, `UNKNOWN`.
    pub status: String,
    /// When it was looked at.
    pub checked: Option<Timestamp>,
    /// Whether it was looked at just now; in read-only mode, what the last look found is shown.
    pub fresh: bool,
    /// The resources that differ.
    pub resources: Vec<ResourceDrift>,
}

/// One resource that differs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ResourceDrift {
    /// Its logical id.
    pub logical_id: String,
    /// The name in pipeline.toml, where known.
    pub name: String,
    /// Its physical name.
    pub physical_name: String,
    /// Its kind, in words.
    pub kind: String,
    /// CloudFormation's word: `MODIFIED`, `DELETED`.
    pub status: String,
    /// The properties that differ.
    pub properties: Vec<PropertyDrift>,
}

/// One property that differs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PropertyDrift {
    /// Its path: `VersioningConfiguration.Status`.
    pub path: String,
    /// What the template says.
    pub expected: Option<Value>,
    /// What is there.
    pub actual: Option<Value>,
    /// Whether it is meant to be changed while the pipeline runs, as a threshold is.
    pub by_design: bool,
}

impl ResourceDrift {
    /// Whether it differs in nothing but what is meant to be changed while the pipeline runs.
    pub fn by_design(&self) -> bool {
        self.status != "DELETED" && !self.properties.is_empty() && self.properties.iter().all(|p| p.by_design)
    }
}

impl Drift {
    /// The resources that differ, and are not meant to.
    pub fn unexpected(&self) -> impl Iterator<Item = &ResourceDrift> {
        self.resources.iter().filter(|r| !r.by_design())
    }
}
