//! pumphouse: a terminal operations console for AWS data pipelines, and the backend that deploys and runs them.
//!
//! Arrows run one way: `tui` and `cli` call `backend`, which calls the ports in `cloud`; `aws` and `local` implement them, `terraform` that of stacks.
//! `functions` know `cloud` alone; `http`, `postgres`, `statement` and `text` know at most that. `main.rs` puts them together.
#![forbid(unsafe_code)]

pub mod aws;
pub mod backend;
pub mod cli;
pub mod cloud;
pub mod config;
pub mod deploy;
pub mod functions;
pub mod http;
#[cfg(feature = "local")]
pub mod local;
pub mod postgres;
pub mod spec;
#[cfg(feature = "local")]
pub mod statement;
pub mod terraform;
pub mod text;
pub mod tui;
