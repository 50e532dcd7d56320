//! From a pipeline to the graph of resources that its stack is made of, and from the graph to AWS's template.

mod diagram;
pub mod executable;
mod graph;
pub mod names;
pub mod package;
mod roles;
mod template;
mod terraform;
mod uploads;
mod workflows;

pub use diagram::{mermaid, with_diagram};
pub use graph::{Error, graph};
pub use names::stack as stack_name;
pub use template::{
    ARTIFACT_BUCKET, BOOTSTRAP_FOR_RELEASES, BOOTSTRAP_STACK, Fault, ReleaseOptions, ReleaseStep, TemplateError,
    TemplateOptions, bootstrap_template, buildspec, is_emulated, release_in_rust, release_stack, release_template,
    template,
};
pub use terraform::{TerraformError, TerraformOptions, is_of_module, terraform};
pub use uploads::{Upload, uploads};
pub use workflows::{ToolSource, WorkflowEngine, WorkflowOptions, github_workflow};
