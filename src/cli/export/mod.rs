//! `export`: what others may apply without pumphouse.

mod cloudformation;
mod codepipeline;
mod github_actions;
mod rendering;
mod terraform;

use std::path::Path;

use clap::{Args, Subcommand};

use super::{
    connect::known_handler,
    failure::{Failure, Result},
    session::Session,
};
use crate::{
    aws::policy,
    cloud::resources::Graph,
    deploy,
    spec::{self, Pipeline},
};

/// What to export.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Print a pipeline's CloudFormation template
    Cloudformation(cloudformation::Cloudformation),
    /// Print the template of what delivers a pipeline: CodePipeline, CodeBuild, and who may do what
    Codepipeline(codepipeline::Codepipeline),
    /// Print a pipeline's stages and how data flows through them, as a Mermaid flowchart
    Graph {
        /// The pipeline's name
        pipeline: String,
    },
    /// Print the IAM policy of those who look, of those who plan, or of those who operate
    Iam(Iam),
    /// Write a module and a folder for each environment for those who deploy with Terraform
    Terraform(terraform::Terraform),
    /// Print a workflow for GitHub Actions: check, plan on pull requests, deploy one environment after the other
    GithubActions(github_actions::GithubActions),
}

/// Whose policy.
#[derive(Debug, Args)]
pub struct Iam {
    /// Of those who deploy, run and change, rather than of those who only look
    #[arg(long)]
    operate: bool,
    /// Of those who plan: they make change sets and execute none
    #[arg(long, conflicts_with = "operate")]
    plan: bool,
}

impl Iam {
    fn run(&self, s: &Session) -> Result {
        let policy = match (self.operate, self.plan) {
            (true, _) => policy::operating(),
            (_, true) => policy::planning(),
            _ => policy::monitoring(),
        };
        s.out.line(&serde_json::to_string_pretty(&policy).map_err(Failure::failed)?)
    }
}

impl Command {
    /// Exports it. Neither a cloud nor credentials are needed.
    pub fn run(&self, s: &Session) -> Result {
        match self {
            Self::Cloudformation(c) => c.run(s),
            Self::Codepipeline(c) => c.run(s),
            Self::Graph { pipeline } => s.out.bytes(deploy::mermaid(&graph(s, pipeline)?).as_bytes()),
            Self::Iam(iam) => iam.run(s),
            Self::Terraform(t) => t.run(s),
            Self::GithubActions(workflow) => workflow.run(s),
        }
    }
}

/// The graph of a pipeline in the environment of the settings.
fn graph(s: &Session, name: &str) -> Result<Graph> {
    deploy::graph(&described(s, name)?, &s.settings.env.value).map_err(Failure::failed)
}

/// A pipeline that says itself what it is made of.
fn described(s: &Session, name: &str) -> Result<Pipeline> {
    let pipeline = pipeline(s, name)?;
    match &pipeline.terraform {
        None => Ok(pipeline),
        Some(terraform) => Err(Failure::failed(format!(
            "{name} is deployed by Terraform from {}, which says what it is made of: there is nothing else to export",
            terraform.dir
        ))),
    }
}

fn pipeline(s: &Session, name: &str) -> Result<Pipeline> {
    spec::find(s.settings.pipelines.value.as_deref(), name, &known_handler).map_err(Failure::failed)
}

fn at(path: &Path, error: std::io::Error) -> Failure {
    Failure::failed(format!("{}: {error}", path.display()))
}
