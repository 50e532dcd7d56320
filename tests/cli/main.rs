//! The binary, run as a user runs it.
#![allow(clippy::expect_used, clippy::panic, clippy::print_stderr, clippy::unwrap_used)]

#[cfg(feature = "local")]
mod bls_quest;
#[cfg(feature = "local")]
mod covid_etl;
#[cfg(feature = "local")]
mod dataops;
#[cfg(feature = "local")]
mod docs;
#[cfg(feature = "local")]
mod end_to_end;
#[cfg(feature = "local")]
mod events;
#[cfg_attr(not(feature = "local"), allow(dead_code))]
mod harness;
#[cfg(feature = "local")]
#[path = "../support/kill.rs"]
mod kill;
#[cfg(feature = "local")]
mod local;
#[cfg(feature = "local")]
mod networks;
#[cfg(feature = "local")]
mod new;
#[cfg(feature = "local")]
mod output;
#[cfg(feature = "local")]
mod plan_files;
#[cfg(feature = "local")]
mod prompts;
#[cfg(feature = "local")]
mod read_only;
#[cfg(feature = "local")]
mod releases;
#[cfg(feature = "local")]
mod signals;
#[cfg(not(feature = "local"))]
mod slim;
#[cfg(feature = "local")]
mod usage;
#[cfg(feature = "local")]
mod water_quality;
