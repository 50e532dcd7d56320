//! `stacks`: every stack of the account and region, whoever made it. Looked at, and left alone.

use clap::Subcommand;

use super::{
    failure::{Failure, Result},
    input, names,
    operations::EVENTS,
    out::{Cell, Column},
    session::Session,
    stacks,
};
use crate::{backend::Backend, cloud::stacks::Stack};

/// What to look at.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the stacks, whoever made them
    List,
    /// Show a stack, its resources and its outputs
    Show {
        /// The stack's name
        stack: String,
    },
    /// Show the events of a stack, the oldest first
    Events {
        /// The stack's name
        stack: String,
        /// So many at most, the newest
        #[arg(short = 'n', long, value_name = "N", default_value_t = 50, value_parser = input::count, allow_negative_numbers = true)]
        limit: usize,
    },
}

const STACKS: [Column<Stack>; 8] = [
    ("stack", |s| Cell::text(&s.name)),
    ("status", |s| Cell::text(s.status.word())),
    ("pipeline", |s| Cell::maybe(s.pipeline.as_ref(), Cell::text)),
    ("env", |s| Cell::maybe(s.env.as_ref(), Cell::text)),
    ("updated", |s| Cell::Time(s.updated)),
    ("protected", |s| Cell::maybe(s.protected, Cell::Flag)),
    ("drift", |s| Cell::maybe(s.drift.as_ref(), Cell::text)),
    ("reason", |s| Cell::maybe(s.reason.as_ref(), Cell::text)),
];

impl Command {
    /// Shows it.
    pub async fn run(self, s: &Session, backend: &Backend) -> Result {
        let port = &backend.cloud.stacks;
        match self {
            Self::List => {
                // Their resources and outputs are what `show` is for: one cloud has them at hand, the other not.
                let bare = |stack| Stack { resources: Vec::new(), outputs: Vec::new(), ..stack };
                let all: Vec<_> = port.list().await?.into_iter().map(bare).collect();
                s.out.list(&all, &STACKS, "no stacks")
            }
            Self::Show { stack } => match port.get(&stack).await? {
                Some(found) => stacks::show(s, &found),
                None => Err(unknown(backend, &stack).await),
            },
            Self::Events { stack, limit } => {
                let mut events = port.events(&stack, limit).await?;
                if events.is_empty() && port.get(&stack).await?.is_none() {
                    return Err(unknown(backend, &stack).await);
                }
                events.reverse();
                s.out.list(&events, &EVENTS, "no events")
            }
        }
    }
}

async fn unknown(backend: &Backend, stack: &str) -> Failure {
    match backend.cloud.stacks.list().await {
        Ok(all) => {
            let known: Vec<_> = all.into_iter().map(|s| s.name).collect();
            Failure::Failed(names::unknown("stack", stack, &known))
        }
        Err(_) => Failure::Failed(format!("no stack named {stack:?}")),
    }
}
