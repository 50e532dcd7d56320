//! Workflows for those who deploy from a repository's own CI: GitHub Actions.
//!
//! Pure: from a pipeline to text. Names in it are pipeline.toml's, which are letters, digits and `-`; nothing of a pull
//! request's is ever part of a script. `.ci/workflows` lets actionlint and zizmor judge what comes of it.

mod github;

use crate::spec::Pipeline;

/// Which program applies what is planned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WorkflowEngine {
    /// AWS CloudFormation, by way of pumphouse alone.
    #[default]
    CloudFormation,
    /// Terraform, whose directories are in the repository.
    Terraform,
    /// OpenTofu, likewise.
    OpenTofu,
}

/// Where a workflow gets pumphouse from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ToolSource {
    /// Where variables of the repository say.
    #[default]
    Variables,
    /// An archive, and its SHA-256.
    Archive {
        /// Its address.
        url: String,
        /// Its SHA-256, in hexadecimal digits.
        sha256: String,
    },
    /// A git repository, and a commit of it.
    Git {
        /// Its address.
        url: String,
        /// The commit.
        revision: String,
    },
}

/// What a workflow depends on beside the pipeline.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WorkflowOptions {
    /// The pipeline's folder in the repository: `pipelines/crypto-stream`; none: the pipeline is built in.
    pub folder: Option<String>,
    /// Whether the folder has unit tests in Python, in `tests/test_*.py`.
    pub python_tests: bool,
    /// Whether the folder has unit tests in JavaScript, in `tests/*.test.*js`.
    pub node_tests: bool,
    /// The branch that is deployed.
    pub branch: String,
    /// Which program applies what is planned.
    pub engine: WorkflowEngine,
    /// Where pumphouse is from.
    pub source: ToolSource,
}

/// The workflow of a pipeline for GitHub Actions.
pub fn github_workflow(pipeline: &Pipeline, options: &WorkflowOptions) -> String {
    github::workflow(pipeline, options)
}
