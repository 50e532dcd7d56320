//! `releases`: how a change of a pipeline's folder is delivered.

mod carry;
mod deploy;
mod go;
mod show;

use clap::Subcommand;

use super::{connect::Connection, failure::Result, input, session::Session};

/// What to do with releases.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List releases, the newest first
    List {
        /// The pipeline's name, or the delivery's [default: all]
        pipeline: Option<String>,
        /// At most this many of each delivery
        #[arg(short = 'n', long, default_value_t = 20, value_name = "N", value_parser = input::count, allow_negative_numbers = true)]
        limit: usize,
    },
    /// Show a release, stage by stage
    Show(show::Which),
    /// Print what the steps of a release have logged
    Logs {
        #[command(flatten)]
        which: show::Which,
        /// Only this step's: STAGE/STEP
        #[arg(long, value_name = "STEP")]
        step: Option<String>,
    },
    /// Start a release, and follow it until it is over or waits for an approval
    Start(go::Start),
    /// Follow a release until it is over or waits; on the embedded cloud, carry it on where nobody does
    Follow(show::Which),
    /// Approve what a release waits for, and follow it
    Approve(go::Approve),
    /// Refuse what a release waits for: it ends
    Reject(go::Decide),
    /// End a release; a deploy that is at work is waited for
    Stop(go::Stop),
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
            Self::List { .. } | Self::Show(_) | Self::Logs { .. } | Self::Follow(_) | Self::Plan(_) => None,
            Self::Start(start) => Some(("releases start", &start.pipeline)),
            Self::Approve(approve) => Some(("releases approve", &approve.decide.which.pipeline)),
            Self::Reject(decide) => Some(("releases reject", &decide.which.pipeline)),
            Self::Stop(stop) => Some(("releases stop", &stop.which.pipeline)),
            Self::Deploy(d) => Some(("releases deploy", &d.pipeline)),
            Self::Destroy(d) => Some(("releases destroy", &d.pipeline)),
        }
    }

    /// Does it.
    pub async fn run(self, s: &Session, connection: &Connection) -> Result {
        let backend = &connection.backend;
        match self {
            Self::List { pipeline, limit } => show::list(s, backend, pipeline.as_deref(), limit).await,
            Self::Show(which) => which.show(s, backend).await,
            Self::Logs { which, step } => which.logs(s, backend, step.as_deref()).await,
            Self::Start(start) => start.run(s, connection).await,
            Self::Follow(which) => go::follow_named(s, connection, &which).await,
            Self::Approve(approve) => approve.run(s, connection).await,
            Self::Reject(decide) => decide.reject(s, connection).await,
            Self::Stop(stop) => stop.run(s, connection).await,
            Self::Plan(d) => d.plan(s, backend).await,
            Self::Deploy(d) => d.deploy(s, backend).await,
            Self::Destroy(d) => d.run(s, backend).await,
        }
    }
}
