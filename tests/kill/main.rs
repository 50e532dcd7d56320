//! kill -9 at random moments of deploy and run: the results are exact, nothing lost, nothing twice.
#![cfg(feature = "local")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "tests"
)]
#![allow(missing_docs, unreachable_pub, reason = "tests")]

mod bls_quest;
mod crypto_stream;
mod dataops;
#[path = "../support/kill.rs"]
mod kill;
mod support;
mod water_quality;
