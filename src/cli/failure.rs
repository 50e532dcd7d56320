//! How a command can end other than well, and the exit code for it.

use std::io;

use crate::{backend, cloud, config};

/// The result of a command.
pub type Result<T = ()> = std::result::Result<T, Failure>;

/// How a command can end other than well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// It failed, for this reason.
    Failed(String),
    /// It failed, and has said why on its own.
    Reported,
    /// It was asked for in a way that cannot be.
    Usage(String),
    /// It was refused: read-only mode, or nobody confirmed.
    Refused(String),
    /// There are changes, which is no error; whoever asked wants to know by the exit code.
    Changes,
    /// Whoever read the output has gone: no error.
    BrokenPipe,
}

impl Failure {
    /// Failed, for this reason.
    pub fn failed(why: impl std::fmt::Display) -> Self {
        Self::Failed(why.to_string())
    }

    /// Asked for in a way that cannot be.
    pub fn usage(why: impl std::fmt::Display) -> Self {
        Self::Usage(why.to_string())
    }

    /// The exit code.
    pub fn code(&self) -> u8 {
        match self {
            Self::BrokenPipe => 0,
            Self::Failed(_) | Self::Reported => 1,
            Self::Usage(_) => super::plan::wrong_use(),
            Self::Changes => 2,
            Self::Refused(_) => 3,
        }
    }

    /// What to say on stderr.
    pub fn message(&self) -> Option<&str> {
        match self {
            Self::Failed(why) | Self::Usage(why) | Self::Refused(why) => Some(why),
            Self::Reported | Self::Changes | Self::BrokenPipe => None,
        }
    }

    /// From an error of writing the output.
    pub fn output(error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            Self::BrokenPipe
        } else {
            Self::Failed(format!("the output cannot be written: {error}"))
        }
    }
}

impl From<backend::Error> for Failure {
    fn from(error: backend::Error) -> Self {
        match error {
            backend::Error::Refused(refusal) => refusal.into(),
            backend::Error::Usage(why) => Self::Usage(why),
            backend::Error::Cloud(cloud::Error::Locked { why, .. }) => {
                Self::Failed(format!("{why}\nto try again: {}", spoken(std::env::args())))
            }
            other => Self::Failed(with_advice(other.to_string())),
        }
    }
}

impl From<backend::Refusal> for Failure {
    fn from(refusal: backend::Refusal) -> Self {
        Self::Refused(refusal.to_string())
    }
}

impl From<cloud::Error> for Failure {
    fn from(error: cloud::Error) -> Self {
        Self::Failed(with_advice(error.to_string()))
    }
}

/// A command line as somebody would type it.
fn spoken(args: impl Iterator<Item = String>) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
    let words = args.enumerate().map(|(n, word)| match word {
        program if n == 0 => program.rsplit('/').next().unwrap_or(&program).to_owned(),
        word if !word.is_empty() && word.chars().all(plain) => word,
        word => format!("'{}'", word.replace('\'', "'\\''")),
    });
    words.collect::<Vec<_>>().join(" ")
}

/// Expired credentials in the environment have no command that brings new ones: what to do is said where nothing else says
/// it.
fn with_advice(told: String) -> String {
    if !told.contains("the credentials have expired") || told.contains("run `") {
        return told;
    }
    format!("{told}; log in again (`aws sso login`, `aws login`), or put new ones where these are from")
}

impl From<config::Error> for Failure {
    fn from(error: config::Error) -> Self {
        Self::Usage(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_told_as_a_shell_would_take_it() {
        let args = ["/usr/local/bin/pumphouse", "--env", "prod", "plan", "it's mine", ""].map(str::to_owned);
        assert_eq!(spoken(args.into_iter()), "pumphouse --env prod plan 'it'\\''s mine' ''");
    }
}
