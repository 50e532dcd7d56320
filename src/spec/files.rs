//! The files of a pipeline's folder: on disk, built in, or in memory.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::{ErrorKind, Read},
    path::{Component, Path, PathBuf},
};

use bytes::Bytes;
use rust_embed::Embed;

/// The pipelines that are built into the binary.
#[derive(Embed)]
#[folder = "pipelines/"]
struct BuiltIn;

/// The names of the built-in pipelines' folders.
pub(super) fn built_in() -> BTreeSet<String> {
    BuiltIn::iter().filter_map(|path| path.strip_suffix("/pipeline.toml").map(str::to_owned)).collect()
}

/// Where a pipeline's files are.
#[derive(Debug, Clone)]
pub(super) enum Files {
    /// In a folder.
    Disk(PathBuf),
    /// Built in, below a folder of this name.
    BuiltIn(String),
    /// In memory, by path.
    Memory(BTreeMap<String, Bytes>),
}

impl Files {
    /// A file's content, at most `most` bytes. The error is a half sentence.
    pub(super) fn read(&self, path: &str, most: u64) -> Result<Bytes, String> {
        inside(path)?;
        let content = match self {
            Self::Disk(root) => return read_disk(root, path, most),
            Self::BuiltIn(folder) => {
                BuiltIn::get(&format!("{folder}/{path}")).map(|file| Bytes::from(file.data.into_owned()))
            }
            Self::Memory(files) => files.get(path).cloned(),
        };
        let content = content.ok_or_else(|| "is not there".to_owned())?;
        if content.len() as u64 > most { Err(too_big(most)) } else { Ok(content) }
    }

    /// All files below a folder by their path in it, at most `most` bytes together. Hidden files and what
    /// interpreters leave behind are left out. The error is a half sentence.
    pub(super) fn folder(&self, path: &str, most: u64) -> Result<BTreeMap<String, Bytes>, String> {
        inside(path)?;
        self.below(&format!("{path}/"), most)
    }

    /// All files, as [`Files::folder`] gives those of a folder.
    pub(super) fn all(&self, most: u64) -> Result<BTreeMap<String, Bytes>, String> {
        self.below("", most)
    }

    fn below(&self, prefix: &str, most: u64) -> Result<BTreeMap<String, Bytes>, String> {
        let mut files = BTreeMap::new();
        let mut left = most;
        for name in self.names_below(prefix)? {
            let content =
                self.read(&format!("{prefix}{name}"), left).map_err(|why| format!("holds `{name}`, which {why}"))?;
            left -= content.len() as u64;
            files.insert(name, content);
        }
        Ok(files)
    }

    /// The files that a pattern names, by their path after its folders without a `*`: `*` and `?` stand for characters
    /// within a name. At most `most` bytes together. The error is a half sentence.
    pub(super) fn matching(&self, pattern: &str, most: u64) -> Result<BTreeMap<String, Bytes>, String> {
        inside(pattern)?;
        let parts: Vec<&str> = pattern.split('/').collect();
        let last = parts.len() - 1;
        let plain = parts.iter().take(last).take_while(|part| !part.contains(['*', '?'])).count();
        let (folder, rest) = parts.split_at(plain);
        let folder = folder.join("/");
        if folder.is_empty() {
            return Err("names no folder: put the files into one beside pipeline.toml".into());
        }
        let mut files = BTreeMap::new();
        let mut left = most;
        for name in self.names_below(&format!("{folder}/"))? {
            let there: Vec<&str> = name.split('/').collect();
            if there.len() != rest.len() || !there.iter().zip(rest).all(|(name, part)| wildcard(part, name)) {
                continue;
            }
            let path = format!("{folder}/{name}");
            let content = self.read(&path, left).map_err(|why| format!("names `{path}`, which {why}"))?;
            left -= content.len() as u64;
            files.insert(name, content);
        }
        if files.is_empty() { Err("names no file".into()) } else { Ok(files) }
    }

    fn names_below(&self, prefix: &str) -> Result<Vec<String>, String> {
        let below = |all: &mut dyn Iterator<Item = String>| -> Vec<String> {
            all.filter_map(|p| p.strip_prefix(prefix).map(str::to_owned))
                .filter(|p| !p.split('/').any(left_out))
                .collect()
        };
        let names = match self {
            Self::Disk(root) => {
                let mut names = Vec::new();
                walk(&root.join(prefix), "", &mut names, 0)?;
                names
            }
            Self::BuiltIn(folder) => {
                below(&mut BuiltIn::iter().filter_map(|p| p.strip_prefix(&format!("{folder}/")).map(str::to_owned)))
            }
            Self::Memory(files) => below(&mut files.keys().cloned()),
        };
        if names.is_empty() { Err("is no folder with files in it".into()) } else { Ok(names) }
    }
}

/// Whether a path stays inside of the pipeline's folder.
fn inside(path: &str) -> Result<(), String> {
    let fine = !path.is_empty()
        && !path.contains(['\\', '\0'])
        && Path::new(path).components().all(|c| matches!(c, Component::Normal(_)));
    if fine { Ok(()) } else { Err("is no path inside of the pipeline's folder".into()) }
}

/// Whether a name is what a pattern with `*` and `?` stands for.
pub fn wildcard(pattern: &str, name: &str) -> bool {
    let Some(first) = pattern.chars().next() else { return name.is_empty() };
    let rest = &pattern[first.len_utf8()..];
    match first {
        '*' => name.char_indices().map(|(i, _)| i).chain([name.len()]).any(|i| wildcard(rest, &name[i..])),
        '?' => name.chars().next().is_some_and(|c| wildcard(rest, &name[c.len_utf8()..])),
        _ => name.strip_prefix(first).is_some_and(|name| wildcard(rest, name)),
    }
}

fn too_big(most: u64) -> String {
    format!("is too big: {} KiB are allowed", most / 1024)
}

fn read_disk(root: &Path, path: &str, most: u64) -> Result<Bytes, String> {
    let words = |e: std::io::Error| match e.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => "is not there".to_owned(),
        _ => format!("cannot be read: {e}"),
    };
    let root = root.canonicalize().map_err(words)?;
    let full = root.join(path).canonicalize().map_err(words)?;
    if !full.starts_with(&root) {
        return Err("leads out of the pipeline's folder".into());
    }
    // Not a device or a pipe, which could give bytes for ever or none.
    if !full.metadata().map_err(words)?.is_file() {
        return Err("is no file".into());
    }
    let mut content = Vec::new();
    File::open(&full).map_err(words)?.take(most + 1).read_to_end(&mut content).map_err(words)?;
    if content.len() as u64 > most { Err(too_big(most)) } else { Ok(content.into()) }
}

fn left_out(name: &str) -> bool {
    name.starts_with('.') || name == "__pycache__" || Path::new(name).extension().is_some_and(|e| e == "pyc")
}

fn walk(folder: &Path, prefix: &str, names: &mut Vec<String>, depth: u32) -> Result<(), String> {
    if depth > 16 || names.len() > 10_000 {
        return Err("holds too many files".into());
    }
    let Ok(entries) = folder.read_dir() else { return Ok(()) };
    let mut entries: Vec<_> = entries.flatten().collect();
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name().into_string().map_err(|_| "holds a name that is no UTF-8".to_owned())?;
        if left_out(&name) {
            continue;
        }
        // A link is read as a file, so that a link to a folder above ends nowhere.
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            walk(&entry.path(), &format!("{prefix}{name}/"), names, depth + 1)?;
        } else {
            names.push(format!("{prefix}{name}"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_outside_of_the_folder_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("p");
        std::fs::create_dir_all(root.join("code/.git")).unwrap();
        std::fs::write(dir.path().join("secret"), "s").unwrap();
        std::fs::write(root.join("code/app.py"), "x = 1").unwrap();
        std::fs::write(root.join("code/.git/config"), "").unwrap();
        let files = Files::Disk(root.clone());
        assert_eq!(files.read("code/app.py", 10).unwrap(), "x = 1");
        assert!(files.read("code/app.py", 4).unwrap_err().contains("too big"));
        for path in ["../secret", "/etc/passwd", "", ".", "code/../../secret", "a\\b"] {
            assert!(files.read(path, 10).unwrap_err().contains("inside"), "{path}");
        }
        assert_eq!(files.read("nothing", 10).unwrap_err(), "is not there");
        assert_eq!(files.read("code", 10).unwrap_err(), "is no file");
        assert_eq!(files.folder("code", 10).unwrap().into_keys().collect::<Vec<_>>(), ["app.py"]);
        assert!(files.folder("empty", 10).is_err());
        assert_eq!(files.matching("code/*.p?", 10).unwrap().into_keys().collect::<Vec<_>>(), ["app.py"]);
        assert_eq!(
            files.matching("c*/app.py", 10).unwrap_err(),
            "names no folder: put the files into one beside pipeline.toml"
        );
        assert_eq!(files.matching("code/*.txt", 10).unwrap_err(), "names no file");
        assert!(files.matching("code/../../*", 10).unwrap_err().contains("inside"));
        assert!(files.matching("code/*", 4).unwrap_err().contains("too big"));
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink("../secret", root.join("link")).unwrap();
            assert!(files.read("link", 10).unwrap_err().contains("leads out"));
            std::os::unix::fs::symlink("..", root.join("code/up")).unwrap();
            assert_eq!(files.folder("code", 10).unwrap_err(), "holds `up`, which is no file");
        }
    }
}
