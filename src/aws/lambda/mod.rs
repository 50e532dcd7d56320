//! The runtime side of AWS Lambda: serves handlers with the ports of this adapter.
//!
//! `serve` is what `src/bin/bootstrap.rs` calls; events of all the ways that lead to a function become one in
//! `events`.

#[cfg(any(feature = "bootstrap", test))]
mod events;
#[cfg(feature = "bootstrap")]
mod serve;

#[cfg(feature = "bootstrap")]
pub use serve::{Setup, serve};
