//! `pipeline.toml`: read, checked, and told where it is wrong.
//!
//! [`find`] and [`load()`] give a [`Pipeline`] with every default filled in, every file read and each environment's own
//! values applied, or a [`Report`] of every mistake. See docs/pipeline.md for the sections and their keys.

mod alarms;
mod apis;
mod connections;
mod crawlers;
mod databases;
pub mod diagnostic;
mod directory;
pub mod engine;
mod files;
mod flow;
mod functions;
mod jobs;
pub mod load;
mod read;
mod release;
mod rename;
mod sections;
mod sources;
mod storage;
mod tree;
pub mod types;

pub use diagnostic::{Diagnostic, Report};
pub use engine::{ExistingKind, Terraform};
pub use files::wildcard;
pub use load::{FindError, Handlers, Location, built_in, find, load, load_memory, load_path, pipelines};
pub use rename::{contents, renamed};
pub use types::*;
