//! `export github-actions`: a workflow for those who deploy from their repository's own CI.

use std::{
    fs,
    path::{Component, Path, PathBuf},
};

use clap::{Args, ValueHint};

use super::{at, pipeline};
use crate::{
    cli::{
        failure::{Failure, Result},
        out::note,
        session::Session,
    },
    deploy::{self, ToolSource, WorkflowEngine, WorkflowOptions},
    spec::{Origin, Pipeline},
};

/// Which workflow, and where to.
#[derive(Debug, Args)]
pub struct GithubActions {
    /// The pipeline's name
    pipeline: String,
    /// Write the workflow to this file: `.github/workflows/PIPELINE.yml`
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, visible_alias = "output-file")]
    to: Option<PathBuf>,
    /// The branch that is deployed
    #[arg(long, value_name = "NAME", default_value = "main")]
    branch: String,
    /// Get pumphouse from this archive (.tar.gz) [default: as the repository's variables say]
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url, requires = "pumphouse_sha256")]
    pumphouse_url: Option<String>,
    /// The SHA-256 of that archive
    #[arg(long, value_name = "HEX", requires = "pumphouse_url")]
    pumphouse_sha256: Option<String>,
    /// Build pumphouse from this git repository
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url, requires = "pumphouse_rev", conflicts_with = "pumphouse_url")]
    pumphouse_git: Option<String>,
    /// The full commit of that repository
    #[arg(long, value_name = "COMMIT", requires = "pumphouse_git")]
    pumphouse_rev: Option<String>,
}

impl GithubActions {
    /// Prints or writes it.
    pub(super) fn run(&self, s: &Session) -> Result {
        let pipeline = pipeline(s, &self.pipeline)?;
        let folder = match &pipeline.origin {
            Origin::Folder(path) => Some(in_repository(path)?),
            _ => None,
        };
        let tests = |like| folder.as_deref().is_some_and(|folder| has_tests(Path::new(folder), like));
        let options = WorkflowOptions {
            python_tests: tests(in_python),
            node_tests: tests(in_javascript),
            branch: plain("--branch", &self.branch)?,
            engine: engine(&pipeline),
            source: self.source()?,
            folder,
        };
        let text = deploy::github_workflow(&pipeline, &options);
        let Some(path) = &self.to else { return s.out.bytes(text.as_bytes()) };
        path.parent().map_or(Ok(()), fs::create_dir_all).map_err(|e| at(path, e))?;
        fs::write(path, &text).map_err(|e| at(path, e))?;
        let roles: Vec<_> = pipeline.env_names().iter().map(|env| format!("{env}-plan, {env}")).collect();
        note(&format!("{}: its environments in the repository: {}", path.display(), roles.join(", ")));
        note("what they and the roles in AWS have to be is in docs/ci.md");
        Ok(())
    }

    fn source(&self) -> Result<ToolSource> {
        let address = |url: &str| {
            // It becomes a part of YAML, in which GitHub looks for expressions.
            let strange = |c: char| c.is_whitespace() || c.is_control() || "${}\"'\\".contains(c);
            if url.starts_with("https://") && !url.contains(strange) {
                return Ok(url.to_owned());
            }
            Err(Failure::Usage(format!("{url:?}: an address begins with https:// and has neither quotes nor spaces")))
        };
        let digits = |what: &str, text: &str, wanted: usize| {
            if text.len() == wanted && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
                return Ok(text.to_owned());
            }
            Err(Failure::Usage(format!("{what} {text:?}: {wanted} hexadecimal digits are wanted, in lower case")))
        };
        Ok(match (&self.pumphouse_url, &self.pumphouse_sha256, &self.pumphouse_git, &self.pumphouse_rev) {
            (Some(url), Some(sha256), ..) => {
                ToolSource::Archive { url: address(url)?, sha256: digits("--pumphouse-sha256", sha256, 64)? }
            }
            (_, _, Some(url), Some(rev)) => {
                ToolSource::Git { url: address(url)?, revision: digits("--pumphouse-rev", rev, 40)? }
            }
            _ => ToolSource::Variables,
        })
    }
}

/// What applies the pipeline's plans.
fn engine(pipeline: &Pipeline) -> WorkflowEngine {
    match &pipeline.terraform {
        None => WorkflowEngine::CloudFormation,
        Some(terraform) if terraform.binary == "tofu" => WorkflowEngine::OpenTofu,
        Some(_) => WorkflowEngine::Terraform,
    }
}

/// The pipeline's folder as the workflow names it, which runs at the repository's root.
fn in_repository(path: &Path) -> Result<String> {
    let here = std::env::current_dir().unwrap_or_default();
    let path = path.strip_prefix(&here).unwrap_or(path);
    let inside = path.components().all(|c| matches!(c, Component::Normal(_) | Component::CurDir));
    let parts = path.components().filter(|c| matches!(c, Component::Normal(_)));
    let folder = parts.map(|c| c.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/");
    if !inside || folder.is_empty() {
        return Err(Failure::failed(format!(
            "{}: the workflow has to name the pipeline's folder within the repository: run this at its root",
            path.display()
        )));
    }
    plain("the pipeline's folder", &folder)
}

/// What can stand in a script and in YAML as it is.
fn plain(what: &str, text: &str) -> Result<String> {
    let fine = |c: char| c.is_ascii_alphanumeric() || "._/-".contains(c);
    if !text.is_empty() && !text.starts_with('-') && text.chars().all(fine) {
        return Ok(text.to_owned());
    }
    Err(Failure::Usage(format!("{what} {text:?}: a workflow takes letters, digits, `.`, `_`, `-` and `/`")))
}

/// Whether a folder has unit tests, in files that are called like that.
fn has_tests(folder: &Path, like: fn(&str) -> bool) -> bool {
    let entries = fs::read_dir(folder.join("tests")).into_iter().flatten().flatten();
    entries.into_iter().filter_map(|entry| entry.file_name().into_string().ok()).any(|name| like(&name))
}

/// `tests/test_*.py`.
fn in_python(name: &str) -> bool {
    name.strip_prefix("test_").and_then(|rest| rest.strip_suffix(".py")).is_some()
}

/// `tests/*.test.*js`.
fn in_javascript(name: &str) -> bool {
    [".test.js", ".test.mjs", ".test.cjs"].iter().any(|end| name.ends_with(end))
}

#[cfg(test)]
#[path = "github_actions_tests.rs"]
mod tests;
