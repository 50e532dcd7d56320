//! A revision of a git repository on this machine, as files.
//!
//! Only git's plumbing is asked, and only for objects: nothing that the repository or its configuration names is executed,
//! no hook, no filter, no signature check, and nothing is fetched. The files are as they were committed: no line ends are
//! converted, nothing is left out.

use std::{
    ffi::OsStr,
    fs,
    io::{BufRead, BufReader, Read, Write},
    os::unix::{
        ffi::OsStrExt,
        fs::{OpenOptionsExt, symlink},
    },
    path::{Component, Path, PathBuf},
    process::{Command, Output, Stdio},
    thread,
};

use super::super::store::at;
use crate::cloud::{Error, Result};

const MISSING: &str = "releases take revisions from a git repository, and there is no git on this machine: install it, and \
                       see that it is on the PATH";

/// A revision that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Revision {
    /// The repository's top folder.
    pub(super) top: PathBuf,
    /// The folder that was asked about, below the top: empty where it is that.
    pub(super) folder: String,
    /// The commit's id.
    pub(super) commit: String,
    /// The first line of its message.
    pub(super) summary: String,
}

/// What came of laying a revision out.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Tree {
    /// How many files there are.
    pub(super) files: usize,
    /// The submodules, which are left out.
    pub(super) submodules: Vec<String>,
}

/// git in a folder, out of reach of what the environment may tell it.
fn git(folder: &Path) -> Command {
    let mut command = Command::new("git");
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("GIT_") {
            command.env_remove(name);
        }
    }
    command
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_OPTIONAL_LOCKS", "0")
        .env("GIT_NO_LAZY_FETCH", "1")
        .env("GIT_NO_REPLACE_OBJECTS", "1")
        .env("LC_ALL", "C")
        .args(["-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "protocol.allow=never"])
        .arg("-C")
        .arg(folder)
        .stdin(Stdio::null());
    command
}

fn started(error: &std::io::Error) -> Error {
    if error.kind() == std::io::ErrorKind::NotFound {
        return Error::Unavailable(MISSING.into());
    }
    Error::Unavailable(format!("git cannot be started: {error}"))
}

fn ask(folder: &Path, args: &[&str]) -> Result<Output> {
    git(folder).args(args).output().map_err(|e| started(&e))
}

/// What git says on stderr, in a line.
fn why(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<_> = said.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
    lines.join(" ").trim_start_matches("fatal: ").to_owned()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).trim_end_matches('\n').to_owned()
}

/// The version of git: `git version 2.47.3`.
pub(super) fn version() -> Result<String> {
    let output = Command::new("git").arg("--version").stdin(Stdio::null()).output().map_err(|e| started(&e))?;
    Ok(text(&output))
}

/// The repository that a folder lies in: its top, and the folder below it.
fn repository(folder: &Path) -> Result<(PathBuf, String)> {
    let output = ask(folder, &["rev-parse", "--show-toplevel", "--show-prefix"])?;
    if !output.status.success() {
        let said = why(&output);
        let mend = if said.contains("not a git repository") {
            "; releases take revisions from one: `git init`, `git add` and `git commit` make it one"
        } else {
            ""
        };
        return Err(Error::Invalid(format!("{}: {said}{mend}", folder.display())));
    }
    let said = text(&output);
    let (top, prefix) = said.split_once('\n').unwrap_or((&said, ""));
    Ok((PathBuf::from(top), prefix.trim_end_matches('/').to_owned()))
}

/// The commit that is meant: a branch's newest, or one that is named.
pub(super) fn resolve(folder: &Path, branch: &str, named: Option<&str>) -> Result<Revision> {
    let (top, folder) = repository(folder)?;
    let wanted = match named {
        Some(named) if named.is_empty() || named.starts_with('-') || named.chars().any(char::is_control) => {
            return Err(Error::Invalid(format!("{named:?} is no revision: a commit's id, a tag or a branch is one")));
        }
        Some(named) => named.to_owned(),
        None => format!("refs/heads/{branch}"),
    };
    let output = ask(&top, &["rev-parse", "--verify", "--quiet", &format!("{wanted}^{{commit}}")])?;
    if !output.status.success() {
        let place = top.display();
        return Err(Error::Invalid(match named {
            Some(named) => format!("{place} has no revision {named:?}: a commit's id, a tag or a branch is one"),
            None => format!(
                "{place} has no branch {branch:?}, which [release] delivers: commit to it, name another as `branch`, or \
                 release a certain revision with --revision"
            ),
        }));
    }
    let commit = text(&output);
    let summary = summary(&top, &commit)?;
    Ok(Revision { top, folder, commit, summary })
}

/// The first line of a commit's message, as the object has it.
fn summary(top: &Path, commit: &str) -> Result<String> {
    let output = ask(top, &["cat-file", "commit", commit])?;
    if !output.status.success() {
        return Err(Error::Invalid(format!("{}: {}", top.display(), why(&output))));
    }
    let object = text(&output);
    let message = object.split_once("\n\n").map_or("", |(_, message)| message);
    Ok(message.lines().next().unwrap_or_default().trim().to_owned())
}

/// One entry of a tree.
struct Entry {
    mode: String,
    object: String,
    path: PathBuf,
}

/// Lays a commit's files out in a folder that is not there yet.
pub(super) fn lay_out(top: &Path, commit: &str, to: &Path) -> Result<Tree> {
    let output = ask(top, &["ls-tree", "-r", "-z", "--full-tree", commit])?;
    if !output.status.success() {
        return Err(Error::Unavailable(format!("{}: {}", top.display(), why(&output))));
    }
    let (mut tree, mut entries) = (Tree::default(), Vec::new());
    for line in output.stdout.split(|b| *b == 0).filter(|l| !l.is_empty()) {
        let entry = entry(line)?;
        if entry.mode == "160000" {
            tree.submodules.push(entry.path.display().to_string());
        } else {
            entries.push(entry);
        }
    }
    tree.files = entries.len();
    fs::create_dir_all(to).map_err(|e| at(to, e))?;
    write(top, &entries, to)?;
    Ok(tree)
}

/// `100644 blob 5f3e... path/to/file`, with a tab before the path.
fn entry(line: &[u8]) -> Result<Entry> {
    let broken = || Error::Invalid(format!("git tells of a file like this: {:?}", String::from_utf8_lossy(line)));
    let tab = line.iter().position(|b| *b == b'\t').ok_or_else(broken)?;
    let (head, name) = (line.get(..tab).unwrap_or_default(), line.get(tab + 1..).unwrap_or_default());
    let head = String::from_utf8_lossy(head).into_owned();
    let mut words = head.split(' ');
    let (Some(mode), Some(_), Some(object)) = (words.next(), words.next(), words.next()) else { return Err(broken()) };
    let path = PathBuf::from(OsStr::from_bytes(name));
    let git = |part: &OsStr| part.eq_ignore_ascii_case(".git");
    let inside = path.components().all(|c| matches!(c, Component::Normal(part) if !git(part)));
    if !inside || name.is_empty() {
        return Err(Error::Invalid(format!("the revision has a file {:?}, which lies outside of it", path.display())));
    }
    Ok(Entry { mode: mode.to_owned(), object: object.to_owned(), path })
}

/// Writes the files, then the links: nothing is written by way of a link.
fn write(top: &Path, entries: &[Entry], to: &Path) -> Result<()> {
    let mut child = git(top)
        .args(["cat-file", "--batch"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|e| started(&e))?;
    let (Some(mut asked), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(Error::Unavailable("git cannot be asked".into()));
    };
    let objects: Vec<String> = entries.iter().map(|e| e.object.clone()).collect();
    let asking = thread::spawn(move || objects.iter().try_for_each(|object| writeln!(asked, "{object}")));
    // Git ends when nobody reads its answers any more.
    let links = take_in(BufReader::new(answers), entries, to);
    let _ = asking.join();
    let _ = child.wait();
    for (path, target) in links? {
        symlink(OsStr::from_bytes(&target), &path).map_err(|e| at(&path, e))?;
    }
    Ok(())
}

/// Writes the files as their contents come; returns the links, with what they lead to.
fn take_in(mut answers: impl BufRead, entries: &[Entry], to: &Path) -> Result<Vec<(PathBuf, Vec<u8>)>> {
    let mut links = Vec::new();
    for entry in entries {
        let size = size(&mut answers, entry)?;
        let path = to.join(&entry.path);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(|e| at(folder, e))?;
        }
        let mut content = (&mut answers).take(size);
        let read = if entry.mode == "120000" {
            let mut target = Vec::new();
            let read = content.read_to_end(&mut target).map_err(|e| at(&path, e))? as u64;
            links.push((path.clone(), target));
            read
        } else {
            let mode = if entry.mode == "100755" { 0o700 } else { 0o600 };
            let mut file =
                fs::OpenOptions::new().create_new(true).write(true).mode(mode).open(&path).map_err(|e| at(&path, e))?;
            std::io::copy(&mut content, &mut file).map_err(|e| at(&path, e))?
        };
        // A line end follows the content.
        let mut end = [0];
        if read != size || answers.read_exact(&mut end).is_err() {
            return Err(Error::Unavailable(format!("git ended before it gave {}", entry.path.display())));
        }
    }
    Ok(links)
}

/// `5f3e... blob 1204`
fn size(answers: &mut impl BufRead, entry: &Entry) -> Result<u64> {
    let mut head = String::new();
    answers.read_line(&mut head).map_err(|e| at(&entry.path, e))?;
    let mut words = head.trim_end().split(' ');
    let sized = (words.next() == Some(entry.object.as_str()) && words.next() == Some("blob")).then(|| words.next());
    sized.flatten().and_then(|size| size.parse().ok()).ok_or_else(|| {
        Error::Invalid(format!("the repository does not have the content of {}: fetch it", entry.path.display()))
    })
}

#[cfg(test)]
#[path = "git_tests.rs"]
mod tests;
