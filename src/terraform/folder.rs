//! What only this machine remembers of a directory: saved plans while somebody holds them, operations and what they told,
//! the stack as it was seen last.
//!
//! Below the state folder, `terraform/STACK-HASH/` has the mode 0700, its files 0600. An operation's raw stream and its
//! plan may hold sensitive values: both go when its end has been written down.

use std::{
    borrow::Cow,
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};

use crate::cloud::{
    Error, Result,
    stacks::{Directory, Operation, Stack, StackEvent},
};

/// Operations whose events are kept.
const KEPT: usize = 20;
/// Events that are kept of an operation: a provisioner may say anything, and a lot of it.
const TOLD: usize = 5_000;

/// An operation, as it is written down while it is under way and after its end.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Record {
    /// What the port shows of it; while it is under way it has no end.
    #[serde(flatten)]
    pub operation: Operation,
    /// The stack.
    pub stack: String,
    /// Steps to do.
    pub total: u32,
    /// The process group that does it.
    pub pid: Option<u32>,
    /// When that process was started, as the system says it: a number may come again.
    pub pid_started: Option<String>,
    /// Whether somebody here has asked it to end early.
    #[serde(default)]
    pub interrupted: bool,
}

/// The stack as it was seen last.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Known {
    /// When it was seen first.
    pub first_seen: Timestamp,
    /// Why its last operation failed, until something has gone well since.
    pub failed: Option<String>,
    /// It; none where there was nothing.
    pub stack: Option<Stack>,
}

/// The folder of one directory.
#[derive(Debug, Clone)]
pub struct Folder {
    root: PathBuf,
}

impl Folder {
    /// Where a directory's folder is. Nothing is made yet.
    pub fn of(state_dir: &Path, directory: &Directory) -> Self {
        // Two clones of one repository are two directories, with the operations of each.
        let place = directory.dir.canonicalize().unwrap_or_else(|_| directory.dir.clone());
        let mut hash = Sha256::new();
        hash.update(place.to_string_lossy().as_bytes());
        hash.update([0]);
        hash.update(directory.workspace.as_deref().unwrap_or_default());
        let short: String = hex::encode(hash.finalize()).chars().take(12).collect();
        Self { root: state_dir.join("terraform").join(format!("{}-{short}", directory.stack)) }
    }

    fn make(&self, below: &str) -> Result<PathBuf> {
        let path = self.root.join(below);
        DirBuilder::new().recursive(true).mode(0o700).create(&path).map_err(|e| at(&path, &e))?;
        Ok(path)
    }

    /// A place for a plan to be saved, which goes with what is given.
    pub fn plan(&self) -> Result<PlanPlace> {
        let id = uuid::Uuid::now_v7().simple().to_string();
        let plans = self.make("plans")?;
        // Locked before it has the name under which others look for what is left behind.
        let fresh = plans.join(format!("{id}.new"));
        DirBuilder::new().mode(0o700).create(&fresh).map_err(|e| at(&fresh, &e))?;
        let lock = private(&fresh.join("lock"))?;
        lock.lock().map_err(|e| at(&fresh, &e))?;
        let dir = plans.join(&id);
        fs::rename(&fresh, &dir).map_err(|e| at(&dir, &e))?;
        Ok(PlanPlace { dir, _lock: lock })
    }

    /// Removes the plans of those that are gone.
    pub fn sweep(&self) {
        let Ok(plans) = self.root.join("plans").read_dir() else { return };
        for path in plans.flatten().map(|entry| entry.path()) {
            let fresh = path.extension().is_some_and(|e| e == "new");
            let left = if fresh {
                let age = fs::metadata(&path).and_then(|m| m.modified()).ok().and_then(|m| m.elapsed().ok());
                age.is_some_and(|age| age > Duration::from_hours(1))
            } else {
                !locked(&path.join("lock"))
            };
            if left {
                let _ = fs::remove_dir_all(&path);
            }
        }
    }

    /// Held by whoever begins an operation, so that there is one at a time from this machine.
    pub fn beginning(&self) -> Result<File> {
        let path = self.make("operations")?.join("begin.lock");
        let file = private(&path)?;
        file.lock().map_err(|e| at(&path, &e))?;
        Ok(file)
    }

    /// Makes the folder of an operation, with the plan that it applies. Without a record it counts for nothing yet.
    pub fn begin(&self, id: &str, plan: &Path) -> Result<PathBuf> {
        let dir = self.make(&format!("operations/{id}"))?;
        let own = dir.join("plan");
        let content = fs::read(plan).map_err(|e| at(plan, &e))?;
        private(&own)?.write_all(&content).map_err(|e| at(&own, &e))?;
        Ok(dir)
    }

    /// The folder of an operation.
    pub fn operation(&self, id: &str) -> PathBuf {
        self.root.join("operations").join(id)
    }

    /// Writes an operation down.
    pub fn save(&self, record: &Record) -> Result<()> {
        write(&self.operation(&record.operation.id).join("operation.json"), record)
    }

    /// Operations, the newest first.
    pub fn records(&self) -> Vec<Record> {
        let Ok(entries) = self.root.join("operations").read_dir() else { return Vec::new() };
        let mut ids: Vec<_> = entries.flatten().map(|e| e.path()).collect();
        // Their names are made so that a later one is greater.
        ids.sort_by(|a, b| b.cmp(a));
        ids.iter().filter_map(|dir| read(&dir.join("operation.json"))).collect()
    }

    /// Writes the end of an operation down, and its events; removes what may hold sensitive values.
    pub fn end(&self, record: &Record, events: &[StackEvent]) -> Result<()> {
        let dir = self.operation(&record.operation.id);
        let path = dir.join("events.jsonl");
        let mut text = Vec::new();
        for event in kept(events).iter() {
            serde_json::to_writer(&mut text, event).map_err(Error::storage)?;
            text.push(b'\n');
        }
        write_bytes(&path, &text)?;
        self.save(record)?;
        for raw in ["plan", "out.jsonl", "err.log", "exit", "lock"] {
            let _ = fs::remove_file(dir.join(raw));
        }
        for old in self.records().iter().skip(KEPT) {
            let _ = fs::remove_dir_all(self.operation(&old.operation.id));
        }
        Ok(())
    }

    /// An operation by its id, as it is written down by now.
    pub fn record(&self, id: &str) -> Option<Record> {
        read(&self.operation(id).join("operation.json"))
    }

    /// The events of an operation that has ended, the oldest first.
    pub fn events(&self, id: &str) -> Vec<StackEvent> {
        let text = fs::read(self.operation(id).join("events.jsonl")).unwrap_or_default();
        text.split(|b| *b == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect()
    }

    /// The stack as it was seen last.
    pub fn known(&self) -> Option<Known> {
        read(&self.root.join("known.json"))
    }

    /// Remembers it.
    pub fn know(&self, known: &Known) -> Result<()> {
        self.make("")?;
        write(&self.root.join("known.json"), known)
    }
}

/// The events that are kept: where there are too many, what provisioners say goes first, and that is noted.
fn kept(events: &[StackEvent]) -> Cow<'_, [StackEvent]> {
    let mut too_many = events.len().saturating_sub(TOLD);
    let left_out = too_many;
    let mut keep = Vec::new();
    for event in events {
        if too_many > 0 && event.status == "PROVISION_IN_PROGRESS" {
            too_many -= 1;
        } else {
            keep.push(event.clone());
        }
    }
    let left_out = left_out - too_many;
    let Some(last) = events.last().filter(|_| left_out > 0) else { return events.into() };
    let reason = Some(format!("{left_out} lines that provisioners have written first are not kept"));
    let note = StackEvent { status: "NOTE".to_owned(), kind: "stack".to_owned(), reason, ..last.clone() };
    // What ends an operation is its last event.
    keep.insert(keep.len().saturating_sub(1), note);
    keep.into()
}

/// A place for a plan: a folder of its own, which goes with this.
#[derive(Debug)]
pub struct PlanPlace {
    dir: PathBuf,
    _lock: File,
}

impl PlanPlace {
    /// The file.
    pub fn path(&self) -> PathBuf {
        self.dir.join("plan")
    }

    /// The plan that was saved there.
    pub fn saved(&self) -> Result<Bytes> {
        let path = self.path();
        fs::read(&path).map(Into::into).map_err(|e| at(&path, &e))
    }

    /// Puts a saved plan there.
    pub fn put(&self, saved: &[u8]) -> Result<()> {
        let path = self.path();
        private(&path)?.write_all(saved).map_err(|e| at(&path, &e))
    }
}

impl Drop for PlanPlace {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// A new file that nobody else may read.
pub fn private(path: &Path) -> Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).truncate(true).read(true).write(true).mode(0o600).open(path).map_err(|e| at(path, &e))
}

/// Whether a living process holds the lock on a file.
pub fn locked(path: &Path) -> bool {
    let Ok(file) = File::open(path) else { return false };
    // Given back at once, with the file.
    matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
}

fn read<T: DeserializeOwned>(path: &Path) -> Option<T> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

fn write(path: &Path, value: &impl Serialize) -> Result<()> {
    write_bytes(path, &serde_json::to_vec_pretty(value).map_err(Error::storage)?)
}

/// Writes a file whole, or not at all.
fn write_bytes(path: &Path, text: &[u8]) -> Result<()> {
    let draft = path.with_extension(format!("{}.draft", uuid::Uuid::new_v4().simple()));
    let written = private(&draft).and_then(|mut file| file.write_all(text).map_err(|e| at(&draft, &e)));
    written.and_then(|()| fs::rename(&draft, path).map_err(|e| at(path, &e))).inspect_err(|_| {
        let _ = fs::remove_file(&draft);
    })
}

/// An error about a file.
pub fn at(path: &Path, error: &io::Error) -> Error {
    Error::storage(format!("{}: {error}", path.display()))
}

/// When the process of this number was started, in the system's words; none where there is none.
pub fn started(pid: u32) -> Option<String> {
    if let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) {
        // The name before may hold spaces and parentheses; the start is the 22nd field.
        return stat.rsplit_once(')')?.1.split_whitespace().nth(19).map(str::to_owned);
    }
    let said = std::process::Command::new("ps").args(["-o", "lstart=", "-p", &pid.to_string()]).output().ok()?;
    let text = String::from_utf8_lossy(&said.stdout).trim().to_owned();
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn folder(dir: &Path) -> Folder {
        let directory = Directory {
            stack: "x-dev".into(),
            pipeline: "x".into(),
            env: "dev".into(),
            dir: dir.to_owned(),
            var_files: vec![],
            backend_config: vec![],
            workspace: None,
            shared: false,
            binary: "terraform".into(),
            lock_timeout_seconds: 0,
        };
        Folder::of(dir, &directory)
    }

    #[test]
    fn a_place_for_a_plan_is_private_and_goes_with_its_holder() {
        let dir = tempfile::tempdir().unwrap();
        let folder = folder(dir.path());
        let place = folder.plan().unwrap();
        place.put(b"plan").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(place.path().parent().unwrap()), mode(&place.path())), (0o700, 0o600));
        folder.sweep();
        assert_eq!(place.saved().unwrap(), "plan");
        let path = place.path();
        drop(place);
        assert!(!path.parent().unwrap().exists());
    }

    #[test]
    fn the_plans_of_the_dead_are_swept() {
        let dir = tempfile::tempdir().unwrap();
        let folder = folder(dir.path());
        let left = dir.path().join(folder.root.join("plans/dead"));
        fs::create_dir_all(&left).unwrap();
        fs::write(left.join("plan"), "secret").unwrap();
        fs::write(left.join("lock"), "").unwrap();
        folder.sweep();
        assert!(!left.exists());
    }

    #[test]
    fn of_what_provisioners_say_too_much_is_not_kept() {
        let event = |status: &str, reason: &str| StackEvent {
            time: Timestamp::now(),
            stack: "x-dev".into(),
            logical_id: "a.b".into(),
            kind: "bucket".into(),
            status: status.into(),
            reason: Some(reason.into()),
            done: 0,
            total: 1,
        };
        let mut events = vec![event("CREATE_IN_PROGRESS", "first")];
        events.extend((0..TOLD + 100).map(|n| event("PROVISION_IN_PROGRESS", &n.to_string())));
        events.push(event("CREATE_COMPLETE", "last"));
        let found = kept(&events);
        assert_eq!(found.len(), TOLD + 1);
        let reason = |event: &StackEvent| event.reason.clone().unwrap();
        assert_eq!((reason(&found[0]).as_str(), reason(&found[1]).as_str()), ("first", "102"));
        assert!(reason(&found[TOLD - 1]).starts_with("102 lines"), "{}", reason(&found[TOLD - 1]));
        assert_eq!(reason(&found[TOLD]), "last");
        assert_eq!(kept(&events[..5]).len(), 5);
    }

    #[test]
    fn a_process_is_known_by_when_it_was_started() {
        let own = started(std::process::id());
        assert!(own.is_some());
        assert_eq!(own, started(std::process::id()));
        assert_eq!(started(u32::MAX - 7), None);
    }
}
