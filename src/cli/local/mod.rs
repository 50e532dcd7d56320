//! `local`: developing on the embedded cloud.

mod event;
pub mod serve;

use clap::Subcommand;

use super::{failure::Result, session::Session};

/// What is done there.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Drive the embedded cloud and serve its HTTP APIs until Ctrl-C
    Serve,
    /// Print an event as AWS gives it to a function, to invoke one with
    #[command(subcommand)]
    Event(event::Command),
}

impl Command {
    /// What it changes, for the gate; none for what only prints.
    pub fn change(&self) -> Option<(&'static str, &str)> {
        match self {
            Self::Serve => Some(("local serve", "the embedded cloud")),
            Self::Event(_) => None,
        }
    }

    /// Does it.
    pub fn run(self, s: &Session) -> Result {
        match self {
            Self::Serve => serve::run(s),
            Self::Event(c) => c.run(s),
        }
    }
}
