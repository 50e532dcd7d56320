//! Engines that a pipeline names for itself, each at work in a directory of its own.

use std::{fmt, path::PathBuf, sync::Arc};

use super::{super::error::Result, Stacks};

/// What plans and applies a stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// The embedded cloud.
    Embedded,
    /// AWS CloudFormation.
    CloudFormation,
    /// Terraform or OpenTofu, in a directory of theirs.
    Terraform,
}

/// A directory in which Terraform describes one environment of a pipeline.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Directory {
    /// The name that it goes by here, as a stack's.
    pub stack: String,
    /// The pipeline.
    pub pipeline: String,
    /// The environment.
    pub env: String,
    /// The root module's directory.
    pub dir: PathBuf,
    /// Files of variables' values.
    pub var_files: Vec<PathBuf>,
    /// Files that complete the configuration of the backend.
    pub backend_config: Vec<PathBuf>,
    /// The workspace; none: the one that is selected there.
    pub workspace: Option<String>,
    /// The program: `terraform`, `tofu`, or a path.
    pub binary: String,
    /// How long a state that somebody else has locked is waited for, in seconds.
    pub lock_timeout_seconds: u32,
}

/// Where a pipeline's own engine comes from.
pub trait Engines: fmt::Debug + Send + Sync {
    /// The engine at work in that directory: the same one each time.
    fn engine(&self, directory: &Directory) -> Result<Arc<dyn Stacks>>;
}
