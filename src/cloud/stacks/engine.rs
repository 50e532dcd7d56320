//! Engines that a pipeline names for itself, each at work in a directory of its own.

use std::{fmt, path::PathBuf, sync::Arc};

use jiff::Timestamp;

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
    /// Whether other environments share the directory, and not its backend: what the program keeps in the directory is
    /// then kept for each of them.
    pub shared: bool,
    /// The program: `terraform`, `tofu`, or a path.
    pub binary: String,
    /// How long a state that somebody else has locked is waited for, in seconds.
    pub lock_timeout_seconds: u32,
}

impl Directory {
    /// Whether environments share a directory and not its backend, by what pipeline.toml says, with `{env}` in it.
    pub fn is_shared(dir: &str, backend_config: &[String]) -> bool {
        !dir.contains("{env}") && backend_config.iter().any(|file| file.contains("{env}"))
    }
}

/// What somebody waits for who waits for a stack, and until when at the most.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// What it is: a lock, and who holds it.
    pub why: String,
    /// When nobody waits any longer.
    pub until: Timestamp,
}

impl Waiting {
    /// Seconds that are left of it.
    pub fn left(&self) -> i64 {
        let left = self.until.duration_since(Timestamp::now()).as_millis();
        // Of the last one, a part is one, too.
        i64::try_from(left.max(0)).map_or(0, |left| (left + 999) / 1_000)
    }
}

/// Where a pipeline's own engine comes from.
pub trait Engines: fmt::Debug + Send + Sync {
    /// The engine at work in that directory: the same one each time.
    fn engine(&self, directory: &Directory) -> Result<Arc<dyn Stacks>>;
}
