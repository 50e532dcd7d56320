//! The audit file: one JSON object a line, `{"time","who","what","target","outcome"}` and the id that joins a change's
//! two lines: `started`, then `ok` or `failed: ...`.

use std::{
    fs::OpenOptions,
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use serde::Serialize;

/// The audit file.
#[derive(Debug, Clone)]
pub struct Audit {
    path: PathBuf,
}

#[derive(Serialize)]
struct Record<'a> {
    time: Timestamp,
    who: &'a str,
    what: &'a str,
    target: &'a str,
    outcome: &'a str,
    id: &'a str,
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
    pub fn record(&self, id: &str, who: &str, what: &str, target: &str, outcome: &str) -> io::Result<()> {
        let record = Record { time: Timestamp::now(), who, what, target, outcome, id };
        let mut line = serde_json::to_vec(&record)?;
        line.push(b'\n');
        // Where no embedded cloud has its state, this is the first that is kept.
        if let Some(folder) = self.path.parent() {
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        OpenOptions::new().create(true).append(true).mode(0o600).open(&self.path)?.write_all(&line)
    }
}
