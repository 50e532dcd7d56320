//! The audit file: one JSON object a line, `{"time","who","what","target","outcome"}` and the id that joins a change's
//! two lines: `started`, then `ok` or `failed: ...`.

use std::{
    fs::{DirBuilder, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use serde::Serialize;

use crate::cloud::calls::Call;

/// The audit file.
#[derive(Debug, Clone)]
pub struct Audit {
    path: PathBuf,
}

#[derive(Serialize)]
struct Line<'a> {
    time: Timestamp,
    #[serde(flatten)]
    record: Record<'a>,
}

/// One line of the audit file, but for its time.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Record<'a> {
    /// Who acts: the user's name on this machine.
    pub who: &'a str,
    /// The change, in the gate's words.
    pub what: &'a str,
    /// What is changed.
    pub target: &'a str,
    /// How it stands, or what came of it.
    pub outcome: &'a str,
    /// Joins the lines of one change.
    pub id: &'a str,
    /// On AWS: the ARN that acts, its account and its region.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub caller: Option<&'a str>,
    /// The account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<&'a str>,
    /// The region.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<&'a str>,
    /// The calls that the change was made of, with the ids of their requests.
    #[serde(skip_serializing_if = "<[Call]>::is_empty")]
    pub calls: &'a [Call],
}

impl Audit {
    /// The audit file at `path`; it is made when the first line is written.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Adds one line, in one write, so that lines of several processes do not mix.
    pub fn record(&self, record: Record) -> io::Result<()> {
        let mut line = serde_json::to_vec(&Line { time: Timestamp::now(), record })?;
        line.push(b'\n');
        self.open()?.write_all(&line)
    }

    /// On AWS nothing else has made the folder.
    fn open(&self) -> io::Result<File> {
        let open = || OpenOptions::new().create(true).append(true).mode(0o600).open(&self.path);
        match (open(), self.path.parent()) {
            (Err(e), Some(folder)) if e.kind() == io::ErrorKind::NotFound => {
                DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
                open()
            }
            (opened, _) => opened,
        }
    }
}
