//! `releases plan`, `releases deploy`, `releases destroy`: the stack that delivers a pipeline.

use std::path::PathBuf;

use clap::ValueHint;
use tokio::sync::mpsc;

use super::super::{
    failure::Result,
    out::note,
    session::Session,
    signals::unless_interrupted,
    stacks::{consequence, ended, lines, planned, print, show},
};
use crate::{backend::Backend, cloud::stacks::Engine, config::Format, text::clean};

/// Whose delivery.
#[derive(Debug, clap::Args)]
pub struct Delivery {
    /// The pipeline's name
    pub pipeline: String,
    /// The pumphouse that the builds run, for Linux [default: this one]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub executable: Option<PathBuf>,
}

/// Whose delivery goes.
#[derive(Debug, clap::Args)]
pub struct Destroy {
    /// The pipeline's name
    pub pipeline: String,
}

/// Who makes deliveries: the cloud's own, whoever deploys the pipeline.
fn engine(backend: &Backend) -> Engine {
    backend.cloud.stacks.engine()
}

impl Delivery {
    /// Shows what a deploy would do.
    pub async fn plan(&self, s: &Session, backend: &Backend) -> Result {
        let plan =
            planned(engine(backend), backend.plan_delivery(&self.pipeline, self.executable.as_deref())).await??;
        if matches!(s.out.format, Format::Json) {
            return s.out.json(&plan);
        }
        lines(&plan).iter().try_for_each(|line| s.out.line(&clean(line)))
    }

    /// Deploys the stack, with progress on stderr.
    pub async fn deploy(&self, s: &Session, backend: &Backend) -> Result {
        let judge = backend.judge_delivery(&self.pipeline, self.executable.as_deref());
        let (plan, effect, request) = planned(engine(backend), judge).await??;
        for line in lines(&plan) {
            note(&line);
        }
        let consent = s.consent(backend, &effect)?;
        let (progress, events) = mpsc::unbounded_channel();
        let printer = tokio::spawn(print(events));
        let work = backend.deploy_delivery(request, &effect, &consent, progress);
        let result =
            unless_interrupted(work, "what CloudFormation has begun goes on; run it again to wait for its end").await;
        let _ = printer.await;
        let stack = result??;
        show(s, &stack)?;
        ended(&stack, &plan)
    }
}

impl Destroy {
    /// Destroys the stack, with progress on stderr.
    pub async fn run(&self, s: &Session, backend: &Backend) -> Result {
        let effect = backend.destroy_delivery_effect(&self.pipeline).await?;
        let consent = s.consent(backend, &effect)?;
        let (progress, events) = mpsc::unbounded_channel();
        let printer = tokio::spawn(print(events));
        let work = backend.destroy_delivery(&effect, &consent, progress);
        let result = unless_interrupted(work, consequence(engine(backend), "destroy")).await;
        let _ = printer.await;
        result??;
        note(&format!("{} is destroyed", effect.target));
        Ok(())
    }
}
