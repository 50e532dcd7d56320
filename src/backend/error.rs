//! Why the backend could not do what it was asked.

use crate::cloud;

/// The result of a backend's call.
pub type Result<T> = std::result::Result<T, Error>;

/// Why the backend could not do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The gate did not open.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The cloud could not.
    #[error(transparent)]
    Cloud(#[from] cloud::Error),
    /// A pipeline's files are wrong: the report, ready to print.
    #[error("{0}")]
    Spec(String),
    /// The request itself is wrong.
    #[error("{0}")]
    Usage(String),
}

/// Why the gate did not open.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Read-only mode.
    #[error("read-only: {what} of {target} is refused; start without --read-only to allow it")]
    ReadOnly {
        /// What was to be done.
        what: &'static str,
        /// To what.
        target: String,
    },
    /// Nobody confirmed.
    #[error("not confirmed: {0}")]
    Unconfirmed(String),
    /// What cannot be written down is not done.
    #[error("refused, because the audit file cannot be written: {0}")]
    NoAudit(String),
}
