//! `check`: whether pipelines are right.

use std::{
    io::{self, IsTerminal, Write},
    path::{Path, PathBuf},
};

use clap::Args;

use super::{
    connect::known_handler,
    failure::{Failure, Result},
    out::{Cell, Column, note},
    session::Session,
};
use crate::{
    config::Format,
    spec::{self, Diagnostic, Report},
};

/// What to check.
#[derive(Debug, Args)]
pub struct Check {
    /// A pipeline's name, a pipeline.toml, the folder of one, or a folder of pipelines [default: all pipelines]
    path: Option<PathBuf>,
}

const DIAGNOSTICS: [Column<Diagnostic>; 5] = [
    ("file", |d| Cell::text(&d.file)),
    ("line", |d| place(d.line)),
    ("column", |d| place(d.column)),
    ("message", |d| Cell::text(&d.message)),
    ("help", |d| Cell::maybe(d.help.as_ref(), Cell::text)),
];

/// None where the file as a whole is meant.
fn place(number: usize) -> Cell {
    if number == 0 { Cell::None } else { Cell::Count(number as u64) }
}

impl Check {
    /// Checks them.
    pub fn run(&self, s: &Session) -> Result {
        let mut right = Vec::new();
        let mut reports: Vec<Report> = Vec::new();
        let mut keep = |result: std::result::Result<spec::Pipeline, Report>| match result {
            Ok(pipeline) => right.push(pipeline.name),
            Err(report) => reports.push(report),
        };
        match &self.path {
            Some(path) if path.is_file() || path.join("pipeline.toml").is_file() => {
                keep(spec::load_path(path, &known_handler));
            }
            // Any other command takes names, too.
            Some(path) if !path.exists() && path.components().count() == 1 => {
                let (dir, name) = (s.settings.pipelines.value.as_deref(), path.to_string_lossy());
                match spec::find(dir, &name, &known_handler) {
                    Ok(pipeline) => keep(Ok(pipeline)),
                    Err(spec::FindError::Invalid(report)) => keep(Err(report)),
                    Err(other) => return Err(Failure::failed(other)),
                }
            }
            other => {
                let dir = other.as_deref().or(s.settings.pipelines.value.as_deref());
                let found = spec::pipelines(dir).map_err(|e| unreadable(dir, &e))?;
                if found.is_empty() {
                    return Err(Failure::failed(format!(
                        "no pipeline in {}: a pipeline is a folder with a pipeline.toml",
                        dir.map_or_else(|| "./pipelines or this build".into(), |d| d.display().to_string())
                    )));
                }
                for location in &found {
                    keep(spec::load(location, &known_handler));
                }
            }
        }
        let diagnostics: Vec<_> = reports.iter().flat_map(|r| r.diagnostics.iter().cloned()).collect();
        if s.out.format == Format::Table {
            let colour = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
            for report in &reports {
                // Rendered by us, its text cleaned there: the colours must stay.
                let _ = writeln!(io::stderr().lock(), "{}", report.render(colour));
            }
            for name in &right {
                note(&format!("{name}: right"));
            }
        } else {
            s.out.list(&diagnostics, &DIAGNOSTICS, "")?;
        }
        if reports.is_empty() { Ok(()) } else { Err(Failure::Reported) }
    }
}

fn unreadable(dir: Option<&Path>, error: &io::Error) -> Failure {
    match dir {
        Some(dir) => Failure::failed(format!("{}: {error}", dir.display())),
        None => Failure::failed(error),
    }
}
