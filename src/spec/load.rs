//! Finding pipelines and loading them: from a folder, or those that are built in.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use bytes::Bytes;

use super::{
    diagnostic::{Diagnostic, Mistakes, Report, clean},
    files::{self, Files},
    read,
    types::{Origin, Pipeline},
};
use crate::text;

/// The file that makes a folder a pipeline.
pub const FILE: &str = "pipeline.toml";
const FILE_BYTES: u64 = 256 * 1024;

/// Says whether a handler in Rust is built in.
pub type Handlers<'a> = &'a dyn Fn(&str) -> bool;

/// Where a pipeline is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Location {
    /// A folder with a pipeline.toml.
    Folder(PathBuf),
    /// Built in, by its folder's name.
    BuiltIn(String),
}

impl Location {
    /// The folder's name: by custom, the pipeline's.
    pub fn name(&self) -> String {
        match self {
            Self::Folder(path) => {
                // `.` has a name only when it is looked up.
                let full =
                    if path.file_name().is_some() { path.clone() } else { path.canonicalize().unwrap_or_default() };
                full.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default()
            }
            Self::BuiltIn(name) => name.clone(),
        }
    }
}

/// Why no pipeline was found.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// There is none of that name.
    #[error("no pipeline named {name:?}: {}", known_text(known, nearest.as_deref()))]
    Unknown {
        /// The name that was asked for.
        name: String,
        /// The names that there are.
        known: Vec<String>,
        /// One of them that is near.
        nearest: Option<String>,
    },
    /// There are several of that name.
    #[error("several pipelines are named {name:?}: {}; give each its own name", folders.join(", "))]
    Ambiguous {
        /// The name.
        name: String,
        /// Their folders.
        folders: Vec<String>,
    },
    /// It has mistakes.
    #[error("{0}")]
    Invalid(#[from] Report),
    /// The folder of pipelines cannot be read.
    #[error("the pipelines cannot be read: {0}")]
    Io(#[from] io::Error),
}

fn known_text(known: &[String], nearest: Option<&str>) -> String {
    match (known, nearest) {
        ([], _) => "there are no pipelines".into(),
        (_, Some(near)) => format!("did you mean {near:?}?"),
        ([one], _) => format!("there is: {one}"),
        _ => format!("there are: {}", known.join(", ")),
    }
}

/// The pipelines of a folder: `dir`, or `./pipelines` where there are any, or those that are built in. Sorted by name.
///
/// A folder that is a pipeline itself gives that one.
pub fn pipelines(dir: Option<&Path>) -> io::Result<Vec<Location>> {
    match dir {
        Some(dir) => in_folder(dir),
        None => match in_folder(Path::new("pipelines")) {
            Ok(found) if !found.is_empty() => Ok(found),
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(built_in()),
        },
    }
}

fn in_folder(folder: &Path) -> io::Result<Vec<Location>> {
    if folder.join(FILE).is_file() {
        return Ok(vec![Location::Folder(folder.to_owned())]);
    }
    let mut found = Vec::new();
    for entry in folder.read_dir()? {
        let path = entry?.path();
        if path.join(FILE).is_file() {
            found.push(Location::Folder(path));
        }
    }
    found.sort();
    Ok(found)
}

/// The built-in pipelines, sorted by name.
pub fn built_in() -> Vec<Location> {
    files::built_in().into_iter().map(Location::BuiltIn).collect()
}

/// Loads a pipeline.
///
/// # Errors
/// Every mistake that was found in it.
pub fn load(location: &Location, handlers: Handlers<'_>) -> Result<Pipeline, Report> {
    match location {
        Location::Folder(path) => {
            let shown = path.join(FILE).display().to_string();
            read_from(&Files::Disk(path.clone()), FILE, &shown, Origin::Folder(path.clone()), handlers)
        }
        Location::BuiltIn(name) => {
            let shown = format!("{name}/{FILE}");
            read_from(&Files::BuiltIn(name.clone()), FILE, &shown, Origin::BuiltIn(name.clone()), handlers)
        }
    }
}

/// Loads the pipeline at a path: a folder, or the file itself.
///
/// # Errors
/// Every mistake that was found in it.
pub fn load_path(path: &Path, handlers: Handlers<'_>) -> Result<Pipeline, Report> {
    if path.is_dir() {
        return load(&Location::Folder(path.to_owned()), handlers);
    }
    let shown = path.display().to_string();
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    let Some(name) = path.file_name().and_then(|n| n.to_str()) else {
        return Err(Report::one(Diagnostic::whole(&shown, "is no file", "give a folder or a pipeline.toml")));
    };
    read_from(&Files::Disk(folder.clone()), name, &shown, Origin::Folder(folder), handlers)
}

/// Loads a pipeline from files in memory, by path; `pipeline.toml` is one of them.
///
/// # Errors
/// Every mistake that was found in it.
pub fn load_memory(files: BTreeMap<String, Bytes>, handlers: Handlers<'_>) -> Result<Pipeline, Report> {
    read_from(&Files::Memory(files), FILE, FILE, Origin::Memory, handlers)
}

/// Loads the pipeline of a name, from where [`pipelines`] looks.
///
/// # Errors
/// See [`FindError`].
pub fn find(dir: Option<&Path>, name: &str, handlers: Handlers<'_>) -> Result<Pipeline, FindError> {
    let all = pipelines(dir)?;
    // By custom the folder has the pipeline's name. Where it does not, the file tells: a copied folder must not pass for
    // the pipeline that it was copied from.
    if let Some(location) = all.iter().find(|l| l.name() == name) {
        let pipeline = load(location, handlers)?;
        if pipeline.name == name {
            return Ok(pipeline);
        }
    }
    let (mut known, mut found) = (Vec::new(), Vec::new());
    for location in &all {
        match load(location, handlers) {
            Ok(pipeline) if pipeline.name == name => found.push((location.name(), pipeline)),
            Ok(pipeline) => known.push(pipeline.name),
            Err(_) => known.push(location.name()),
        }
    }
    if found.len() > 1 {
        let folders = found.into_iter().map(|(folder, _)| folder).collect();
        return Err(FindError::Ambiguous { name: clean(name), folders });
    }
    if let Some((_, pipeline)) = found.pop() {
        return Ok(pipeline);
    }
    let nearest = text::nearest(name, known.iter().map(String::as_str)).map(str::to_owned);
    Err(FindError::Unknown { name: clean(name), known, nearest })
}

fn read_from(
    files: &Files,
    path: &str,
    shown: &str,
    origin: Origin,
    handlers: Handlers<'_>,
) -> Result<Pipeline, Report> {
    let whole = |message: String, help: &str| Report::one(Diagnostic::whole(shown, message, help));
    let content = files
        .read(path, FILE_BYTES)
        .map_err(|why| whole(format!("{path} {why}"), "a pipeline is a folder with a pipeline.toml in it"))?;
    let text = match std::str::from_utf8(&content) {
        Ok(text) => text,
        Err(error) => {
            // What cannot be read comes after what could, so the place is the same.
            let mut mistakes = Mistakes::new(shown, String::from_utf8_lossy(&content).into());
            let at = error.valid_up_to();
            mistakes.add(at..at + 1, "this is no UTF-8 text", "save the file as UTF-8");
            return Err(mistakes.into_report());
        }
    };
    let mistakes = Mistakes::new(shown, text.into());
    read::pipeline(text, mistakes, files, handlers, origin)
}
