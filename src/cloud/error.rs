//! What can go wrong at a port, in words that are the same for every adapter.

use std::fmt;

/// The result of a port's call.
pub type Result<T> = std::result::Result<T, Error>;

/// A failed call to a cloud.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The thing does not exist.
    #[error("no {kind} named {name:?}")]
    NotFound {
        /// What kind of thing, in AWS's word: "bucket", "job run".
        kind: Kind,
        /// Its name as it was asked for.
        name: String,
    },
    /// Something of that name exists already.
    #[error("{kind} {name:?} exists already")]
    AlreadyExists {
        /// What kind of thing.
        kind: Kind,
        /// Its name.
        name: String,
    },
    /// The caller lacks a permission.
    #[error("access denied: {action} on {target}")]
    AccessDenied {
        /// The missing IAM action, for example `kinesis:PutRecords`.
        action: String,
        /// The resource that was meant.
        target: String,
    },
    /// The request cannot be right, whatever the state of the cloud.
    #[error("{0}")]
    Invalid(String),
    /// The request collides with something that goes on or has changed.
    #[error("{0}")]
    Conflict(String),
    /// Somebody else works on it, and has locked it meanwhile.
    #[error("{why}")]
    Locked {
        /// The lock's id, where it is told.
        lock: String,
        /// Who has locked it and since when, and what can be done.
        why: String,
    },
    /// There are no credentials, or they have expired: what to run is in the text.
    #[error("{0}")]
    Credentials(String),
    /// The cloud asks to slow down.
    #[error("throttled: {0}")]
    Throttled(String),
    /// The cloud, or something it needs (an interpreter, a network), cannot be reached.
    #[error("{0}")]
    Unavailable(String),
    /// This adapter does not do that, and says so.
    #[error("not supported by the {cloud} cloud: {what}")]
    Unsupported {
        /// The adapter: "local", "aws".
        cloud: &'static str,
        /// What was asked for.
        what: String,
    },
    /// The caller gave up.
    #[error("cancelled")]
    Cancelled,
    /// The work was done and failed: a query's error, a function's exception.
    #[error("{0}")]
    Failed(String),
    /// The adapter's own storage failed.
    #[error("{0}")]
    Storage(String),
}

/// Kinds of things, in AWS's words.
pub type Kind = &'static str;

impl Error {
    /// The thing does not exist.
    pub fn not_found(kind: Kind, name: impl Into<String>) -> Self {
        Self::NotFound { kind, name: name.into() }
    }

    /// What kind of failure it is, in a word: the type that a function's error has.
    pub fn word(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => "NotFound",
            Self::AlreadyExists { .. } => "AlreadyExists",
            Self::AccessDenied { .. } => "AccessDenied",
            Self::Invalid(_) => "Invalid",
            Self::Conflict(_) => "Conflict",
            Self::Locked { .. } => "Locked",
            Self::Credentials(_) => "Credentials",
            Self::Throttled(_) => "Throttled",
            Self::Unavailable(_) => "Unavailable",
            Self::Unsupported { .. } => "Unsupported",
            Self::Cancelled => "Cancelled",
            Self::Failed(_) => "Failed",
            Self::Storage(_) => "Storage",
        }
    }

    /// The request cannot be right.
    pub fn invalid(why: impl fmt::Display) -> Self {
        Self::Invalid(why.to_string())
    }

    /// The adapter's own storage failed.
    pub fn storage(why: impl fmt::Display) -> Self {
        Self::Storage(why.to_string())
    }

    /// The work was done and failed.
    pub fn failed(why: impl fmt::Display) -> Self {
        Self::Failed(why.to_string())
    }
}
