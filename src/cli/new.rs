//! `new`: the folder of a new pipeline.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use clap::{Args, ValueHint};
use rust_embed::Embed;

use super::{
    connect::known_handler,
    failure::{Failure, Result},
    out::note,
    session::Session,
};
use crate::{
    deploy,
    spec::{self, FindError, Location, Origin},
};

/// What a pipeline begins with, where no other is copied.
#[derive(Embed)]
#[folder = "src/cli/starter/"]
struct Starter;

/// What to make.
#[derive(Debug, Args)]
pub struct New {
    /// The new pipeline's name
    name: String,
    /// Begin with a copy of this pipeline [default: a small one of files, a job, a table and a query]
    #[arg(long, value_name = "PIPELINE")]
    from: Option<String>,
    /// Make the pipeline's folder in this one [default: --pipelines, else ./pipelines]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    to: Option<PathBuf>,
}

impl New {
    /// Makes the folder, whole or not at all.
    pub fn run(&self, s: &Session) -> Result {
        let given = self.to.as_deref().or(s.settings.pipelines.value.as_deref());
        let parent = given.unwrap_or(Path::new("pipelines"));
        if parent.join("pipeline.toml").is_file() {
            let why =
                format!("{} is a pipeline itself: name the folder that holds pipelines with --to", parent.display());
            return Err(Failure::usage(why));
        }
        let folder = parent.join(&self.name);
        let mut files = spec::renamed(self.start(s)?, &self.name).map_err(Failure::failed)?;
        // The name, above all: it becomes a path.
        let pipeline =
            spec::load_memory(files.clone(), &known_handler).map_err(|report| Failure::failed(report.to_string()))?;
        let env = pipeline.env_names().first().map_or("dev", |e| *e).to_owned();
        let graph = deploy::graph(&pipeline, &env).map_err(Failure::failed)?;
        if let Some(readme) = files.get("README.md").and_then(|r| std::str::from_utf8(r).ok())
            && let Some(readme) = deploy::with_diagram(readme, &graph)
        {
            files.insert("README.md".into(), readme.into());
        }
        let there = |path: &Path| Failure::failed(format!("{} is there already", path.display()));
        if folder.exists() {
            return Err(there(&folder));
        }
        // With pipelines of its own here, those that are built in are not looked for.
        let hides = given.is_none() && spec::pipelines(Some(parent)).map_or(true, |own| own.is_empty());
        write(&folder, &files).map_err(|e| match e.kind() {
            io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists => there(&folder),
            _ => Failure::failed(format!("{}: {e}", folder.display())),
        })?;
        note(&format!("{}: {} files, and nothing wrong in them", folder.display(), files.len()));
        if hides {
            note("From now on, the pipelines in ./pipelines are used here, and no more those that are built in.");
        }
        let elsewhere = self.to.as_ref().map(|to| format!(" --pipelines {}", to.display())).unwrap_or_default();
        note(&format!("Try it: pumphouse --local deploy {0}{elsewhere}, and then: run {0}", self.name));
        Ok(())
    }

    /// What it begins with.
    fn start(&self, s: &Session) -> Result<BTreeMap<String, Bytes>> {
        let Some(from) = &self.from else {
            let file =
                |path: &str| Starter::get(path).map(|file| (path.to_owned(), Bytes::from(file.data.into_owned())));
            return Ok(Starter::iter().filter_map(|path| file(&path)).collect());
        };
        let found = if Path::new(from).join(spec::load::FILE).is_file() {
            spec::load_path(Path::new(from), &known_handler).map_err(FindError::Invalid)
        } else {
            spec::find(s.settings.pipelines.value.as_deref(), from, &known_handler)
        };
        let location = match found {
            Ok(spec::Pipeline { origin: Origin::Folder(path), .. }) => Location::Folder(path),
            // Those that are built in can be copied beside own ones, too.
            Err(FindError::Unknown { name, .. }) if spec::built_in().iter().any(|l| l.name() == name) => {
                Location::BuiltIn(name)
            }
            Ok(spec::Pipeline { name, .. }) => Location::BuiltIn(name),
            Err(other) => return Err(Failure::failed(other)),
        };
        spec::contents(&location).map_err(Failure::failed)
    }
}

/// Writes the folder beside its place, and moves it there: it is there whole, or not at all.
fn write(folder: &Path, files: &BTreeMap<String, Bytes>) -> io::Result<()> {
    let parent = folder.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(parent)?;
    let fresh = parent.join(format!(".new-{}", uuid::Uuid::new_v4().simple()));
    let written = files
        .iter()
        .try_for_each(|(path, content)| {
            let path = fresh.join(path);
            path.parent().map_or(Ok(()), fs::create_dir_all)?;
            fs::write(path, content)
        })
        .and_then(|()| fs::rename(&fresh, folder));
    if written.is_err() {
        let _ = fs::remove_dir_all(&fresh);
    }
    written
}
