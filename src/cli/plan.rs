//! `plan`: what a deploy would do, for a person, a program, a comment, or kept in a file until it is approved.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::{
    failure::{Failure, Result},
    markdown,
    out::note,
    session::Session,
    stacks::{self, awaited},
};
use crate::{
    backend::Backend,
    cloud::stacks::ChangeSet,
    config::{Format, Origin},
};

/// What to plan, and how to tell it.
#[derive(Debug, Args)]
pub struct Plan {
    /// The pipeline's name
    pub pipeline: String,
    /// Write the plan to this file, which `deploy --plan-file` applies
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub out: Option<PathBuf>,
    /// With --out: bring back, too, what was changed behind the stack's back
    #[arg(long, requires = "out")]
    pub revert_drift: bool,
    /// Exit with 0 where there is nothing to do, with 2 where there are changes, with 1 on errors
    #[arg(long)]
    pub detailed_exitcode: bool,
}

/// The flag, for when the arguments could not be read.
const DETAILED: &str = "--detailed-exitcode";

impl Plan {
    /// Shows what a deploy would do.
    pub async fn run(&self, s: &Session, backend: &Backend) -> Result {
        let pipeline = self.pipeline.as_str();
        let plan = if let Some(path) = &self.out {
            let (plan, file) =
                Box::pin(awaited(backend, pipeline, backend.plan_to_keep(pipeline, self.revert_drift))).await??;
            file.write(path)?;
            plan
        } else {
            Box::pin(awaited(backend, pipeline, backend.plan(pipeline))).await??
        };
        match print(s, &plan) {
            // Whoever only wants to know whether there are changes need not read them.
            Err(Failure::BrokenPipe) if self.detailed_exitcode => {}
            printed => printed?,
        }
        if let Some(path) = &self.out {
            let env = if s.settings.env.origin == Origin::Default {
                String::new()
            } else {
                format!(" --env {}", backend.env)
            };
            note(&format!(
                "the plan is in {}: `pumphouse deploy {pipeline}{env} --plan-file {0}` applies it",
                path.display()
            ));
        }
        if self.detailed_exitcode && !plan.is_empty() { Err(Failure::Changes) } else { Ok(()) }
    }
}

fn print(s: &Session, plan: &ChangeSet) -> Result {
    match s.out.format {
        Format::Json => s.out.json(plan),
        Format::Csv => stacks::changes(s, plan),
        Format::Markdown => s.out.bytes(markdown::plan(plan).as_bytes()),
        Format::Table => stacks::lines(plan).iter().try_for_each(|line| s.out.line(&crate::text::clean(line))),
    }
}

/// The exit code of a wrong use: 2, but where 2 is to mean that there are changes.
pub fn wrong_use() -> u8 {
    if std::env::args_os().any(|arg| arg == DETAILED) { 1 } else { 2 }
}
