//! Which processes share the state, and how the death of one is noticed.
//!
//! Each process holds a lock on a file of its own for as long as it lives; the kernel lets go of it at the process's
//! end, whatever the end was. A row that names a process whose lock can be taken is work that nobody does any more.
//! One process at a time holds the driver's lock: it fires schedules, delivers streams and invokes what waits.

use std::{
    fs::{self, File, TryLockError},
    io::{self, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use super::store::at;
use crate::cloud::Result;

const DRIVER: &str = "driver.lock";

/// This process's place among those that share a state; given up when dropped.
#[derive(Debug)]
pub struct Process {
    id: String,
    path: PathBuf,
    _lock: File,
}

impl Process {
    /// Registers this process in the state's folder.
    pub fn register(dir: &Path) -> Result<Self> {
        let id = uuid::Uuid::now_v7().simple().to_string();
        let folder = dir.join("processes");
        // Locked before it gets the name under which others look for it.
        let fresh = folder.join(format!("{id}.new"));
        let file = File::create(&fresh).map_err(|e| at(&fresh, e))?;
        file.lock().map_err(|e| at(&fresh, e))?;
        // For a person who wants to know who it is; nothing rests on it.
        write!(&file, "{}", std::process::id()).map_err(|e| at(&fresh, e))?;
        let path = lock_path(dir, &id);
        fs::rename(&fresh, &path).map_err(|e| at(&path, e))?;
        Ok(Self { id, path, _lock: file })
    }

    /// Its id, for the `process` column of the rows that it is at work on.
    pub fn id(&self) -> &str {
        &self.id
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// Whether the process with this id lives. Where that cannot be found out (too many open files), it does: to take the work of
/// a living one from it is worse than to wait.
pub fn alive(dir: &Path, id: &str) -> bool {
    match File::open(lock_path(dir, id)) {
        // Dropping the file lets go of the lock.
        Ok(file) => file.try_lock_shared().is_err(),
        Err(error) => error.kind() != io::ErrorKind::NotFound,
    }
}

/// The system's number of the process with this id, in words: `pid 4711`.
pub fn spoken(dir: &Path, id: &str) -> String {
    match fs::read_to_string(lock_path(dir, id)) {
        Ok(pid) if !pid.is_empty() => format!("pid {pid}"),
        _ => "pid unknown".into(),
    }
}

/// Removes what dead processes left in the folder.
pub fn sweep(dir: &Path) {
    let Ok(entries) = fs::read_dir(dir.join("processes")) else { return };
    for path in entries.flatten().map(|e| e.path()) {
        let Some(id) = path.file_stem().and_then(|s| s.to_str()) else { continue };
        let dead = match path.extension().and_then(|e| e.to_str()) {
            Some("lock") => !alive(dir, id),
            // It died before it had its name, or is about to get it.
            Some("new") => fs::metadata(&path)
                .and_then(|m| m.modified())
                .is_ok_and(|m| m.elapsed().is_ok_and(|age| age > Duration::from_hours(1))),
            _ => false,
        };
        if dead {
            let _ = fs::remove_file(&path);
        }
    }
}

/// The driver's lease; let go when dropped, or by the kernel.
#[derive(Debug)]
pub struct Lease {
    _lock: File,
}

impl Lease {
    /// Takes the lease if no living process holds it.
    pub fn try_take(dir: &Path) -> Result<Option<Self>> {
        let path = dir.join(DRIVER);
        let mut file = File::options().create(true).append(true).open(&path).map_err(|e| at(&path, e))?;
        match file.try_lock() {
            Ok(()) => {
                // For people who ask who it is.
                file.set_len(0).and_then(|()| write!(file, "{}", std::process::id())).map_err(|e| at(&path, e))?;
                Ok(Some(Self { _lock: file }))
            }
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(e)) => Err(at(&path, e)),
        }
    }
}

/// Who holds the driver's lease, in words: `pid 4711`; none where nobody does. Nothing is changed.
pub fn driver(dir: &Path) -> Option<String> {
    let path = dir.join(DRIVER);
    let file = File::open(&path).ok()?;
    if !matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)) {
        return None;
    }
    let pid = fs::read_to_string(&path).unwrap_or_default();
    Some(if pid.is_empty() { "pid unknown".into() } else { format!("pid {pid}") })
}

fn lock_path(dir: &Path, id: &str) -> PathBuf {
    dir.join("processes").join(format!("{id}.lock"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_lives_until_it_is_dropped() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("processes")).unwrap();
        let process = Process::register(dir.path()).unwrap();
        let id = process.id().to_owned();
        sweep(dir.path());
        assert!(alive(dir.path(), &id));
        assert_eq!(spoken(dir.path(), &id), format!("pid {}", std::process::id()));
        drop(process);
        assert!(!alive(dir.path(), &id));
        assert!(!alive(dir.path(), "never"));
        // A link to itself can be opened by nobody, as any file where there are too many open.
        std::os::unix::fs::symlink("unknown.lock", lock_path(dir.path(), "unknown")).unwrap();
        assert!(alive(dir.path(), "unknown"), "nothing is known of it");
    }

    #[test]
    fn one_at_a_time_holds_the_lease() {
        let dir = tempfile::tempdir().unwrap();
        let first = Lease::try_take(dir.path()).unwrap();
        assert!(first.is_some());
        assert!(Lease::try_take(dir.path()).unwrap().is_none());
        assert_eq!(driver(dir.path()), Some(format!("pid {}", std::process::id())));
        drop(first);
        assert_eq!(driver(dir.path()), None);
        assert!(Lease::try_take(dir.path()).unwrap().is_some());
    }
}
