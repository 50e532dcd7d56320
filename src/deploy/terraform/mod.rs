//! From a pipeline to Terraform: a module and a folder for each environment, for those who deploy with Terraform and not with
//! pumphouse. Pure, and the same files for the same pipeline.
//!
//! The module is made of the CloudFormation templates of all environments, each rendered as if the environment had one and
//! the same name (`merge`): so what is left to differ is what pipeline.toml says, and becomes variables. AWS's provider
//! `awscc` is made from CloudFormation's own schemas; resources follow by rule (`kinds`), and names become references
//! where that makes no circle (`refs`).

mod code;
mod environments;
mod hcl;
mod kinds;
mod merge;
mod module;
mod readme;
mod refs;
mod resources;
mod types;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{TemplateError, graph, package, uploads};
use crate::spec::Pipeline;

/// The user that owns a database.
use super::template::USER as USERNAME;

/// What an export depends on beside the pipeline.
#[derive(Debug, Clone, Default)]
pub struct TerraformOptions {
    /// The executable that serves the handlers in Rust to AWS Lambda; without it, the module asks for its archive.
    pub bootstrap: Option<package::Executable>,
    /// The bucket that Terraform keeps its state in; without it, the user fills it in.
    pub state_bucket: Option<String>,
}

/// Why there is nothing to export.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TerraformError {
    /// There is no graph.
    #[error(transparent)]
    Graph(#[from] graph::Error),
    /// There is no template.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// What we do not know how to write.
    #[error("{what} cannot be exported to Terraform yet")]
    Unknown {
        /// What it is.
        what: String,
    },
    /// The export makes something of this name itself.
    #[error("{name}: the export makes one of this name itself, for the code of functions and jobs: give yours another")]
    Taken {
        /// Whose name.
        name: String,
    },
    /// Code that is not the same in all environments.
    #[error("{what} is not the same in all environments, and one module has one: make it the same, or two pipelines")]
    Differs {
        /// What differs.
        what: String,
    },
}

type Result<T> = std::result::Result<T, TerraformError>;

/// The files of a directory for Terraform, by their path in it.
///
/// # Errors
/// Says what cannot be written in Terraform's words, and how to mend it.
pub fn terraform(pipeline: &Pipeline, options: &TerraformOptions) -> Result<BTreeMap<String, Bytes>> {
    let rendered = merge::rendered(pipeline, options.bootstrap.as_ref())?;
    let module = module::Exported::of(pipeline, &rendered)?;
    let mut files = BTreeMap::new();
    let folder = format!("modules/{}", pipeline.name);
    for (path, content) in &module.files {
        files.insert(format!("{folder}/{path}"), content.clone());
    }
    for environment in &pipeline.environments {
        let folder = format!("environments/{}", environment.name);
        for (path, text) in environments::files(pipeline, environment, &module, options) {
            files.insert(format!("{folder}/{path}"), text.into());
        }
    }
    files.insert("README.md".into(), readme::text(pipeline, &module, options).into());
    files.insert(".gitignore".into(), readme::IGNORED.into());
    Ok(files)
}

/// Whether a path is one that an export of the pipeline may write into its module. What is there and is not written any more
/// is left from an earlier one; what Terraform's user has added has other names.
#[must_use]
pub fn is_of_module(pipeline: &str, path: &str) -> bool {
    let own = path.strip_prefix("modules/").and_then(|p| p.strip_prefix(pipeline)).and_then(|p| p.strip_prefix('/'));
    let known = |name: &str| name == "artifacts" || kinds::KINDS.iter().any(|k| k.file == name);
    own.is_some_and(|own| own.starts_with("assets/") || own.strip_suffix(".tf").is_some_and(known))
}
