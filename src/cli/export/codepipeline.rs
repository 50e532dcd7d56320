//! `export codepipeline`: the stack that delivers a pipeline, and what its builds do.

use std::{fs, path::PathBuf};

use clap::{Args, ValueEnum, ValueHint};

use super::{at, pipeline, rendering::Rendering};
use crate::{
    cli::{
        failure::{Failure, Result},
        out::note,
        session::Session,
    },
    deploy::{self, ReleaseOptions, ReleaseStep, executable},
    spec,
};

/// Which pipeline's delivery, and where to.
#[derive(Debug, Args)]
pub struct Codepipeline {
    /// The pipeline's name
    pipeline: String,
    /// Write it to this file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, visible_alias = "output-file")]
    to: Option<PathBuf>,
    /// Print the buildspec of this step instead; of plan and deploy in the environment of --env
    #[arg(long, value_name = "STEP", conflicts_with_all = ["executable", "bootstrap", "omit_type", "assets", "emulated"])]
    buildspec: Option<Step>,
    /// The pumphouse that the builds run [default: the template asks for its key as a parameter]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    executable: Option<PathBuf>,
    #[command(flatten)]
    rendering: Rendering,
}

/// A step that a build does.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Step {
    /// What runs the checks
    Check,
    /// What plans, and keeps the plan
    Plan,
    /// What deploys as planned
    Deploy,
}

impl Codepipeline {
    /// Exports it. Neither a cloud nor credentials are needed.
    pub fn run(&self, s: &Session) -> Result {
        let pipeline = pipeline(s, &self.pipeline)?;
        let text = match self.buildspec {
            Some(step) => buildspec(s, &pipeline, step)?,
            None => self.template(&pipeline)?,
        };
        match &self.to {
            None => s.out.bytes(text.as_bytes()),
            Some(path) => {
                fs::write(path, &text).map_err(|e| at(path, e))?;
                note(&format!("{}: {} bytes", path.display(), text.len()));
                Ok(())
            }
        }
    }

    fn template(&self, pipeline: &spec::Pipeline) -> Result<String> {
        let pumphouse = match &self.executable {
            Some(path) => Some(executable::pumphouse(Some(path), self.rendering.emulated).map_err(Failure::failed)?),
            None => None,
        };
        let options = ReleaseOptions {
            pumphouse,
            bootstrap: self.rendering.bootstrap()?,
            ask: true,
            omit_types: self.rendering.omit_types(),
            emulated: self.rendering.emulated,
        };
        let template = deploy::release_template(pipeline, &options).map_err(Failure::failed)?;
        self.rendering.keep(&template.assets)?;
        Ok(template.body)
    }
}

fn buildspec(s: &Session, pipeline: &spec::Pipeline, step: Step) -> Result<String> {
    let Some(release) = &pipeline.release else {
        return Err(Failure::failed(deploy::TemplateError::NoRelease(pipeline.name.clone())));
    };
    let env = s.settings.env.value.as_str();
    let step = match step {
        Step::Check => ReleaseStep::Check,
        Step::Plan => ReleaseStep::Plan,
        Step::Deploy => ReleaseStep::Deploy,
    };
    let targets = &release.definition.environments;
    if step != ReleaseStep::Check && !targets.iter().any(|t| t.env == env) {
        let known: Vec<_> = targets.iter().map(|t| t.env.as_str()).collect();
        let what = format!("{} is not released to {env}: --env is one of {}", pipeline.name, known.join(", "));
        return Err(Failure::Failed(what));
    }
    let rust = deploy::release_in_rust(pipeline).map_err(Failure::failed)?;
    Ok(deploy::buildspec(pipeline, step, env, rust))
}
