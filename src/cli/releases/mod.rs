//! `releases`: how a change of a pipeline's folder is delivered.

mod deploy;

use clap::Subcommand;

use super::{failure::Result, session::Session};
use crate::backend::Backend;

/// What to do with releases.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show what deploying a pipeline's delivery would change
    Plan(deploy::Delivery),
    /// Deploy what delivers a pipeline, as its [release] says
    Deploy(deploy::Delivery),
    /// Destroy what delivers a pipeline; the pipeline itself stays
    Destroy(deploy::Destroy),
}

impl Command {
    /// What it changes: the gate's words and the target; none for a command that reads.
    pub fn change(&self) -> Option<(&'static str, &str)> {
        match self {
            Self::Plan(_) => None,
            Self::Deploy(d) => Some(("releases deploy", &d.pipeline)),
            Self::Destroy(d) => Some(("releases destroy", &d.pipeline)),
        }
    }

    /// Does it.
    pub async fn run(self, s: &Session, backend: &Backend) -> Result {
        match self {
            Self::Plan(d) => d.plan(s, backend).await,
            Self::Deploy(d) => d.deploy(s, backend).await,
            Self::Destroy(d) => d.run(s, backend).await,
        }
    }
}
