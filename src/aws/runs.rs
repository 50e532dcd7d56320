//! Runs of a whole pipeline: files on this machine, since AWS has no such thing.
//!
//! Below the state folder, `runs/ACCOUNT-REGION/STACK/` holds a file for each run and a lock. Who is at work on a run holds
//! the lock, which goes with its process: a run that is written down as RUNNING while nobody holds it was cut off.

use std::{
    collections::HashMap,
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;

use super::Aws;
use crate::cloud::{
    Error, Permit, Result,
    identity::Identities,
    runs::{PipelineRun, Runs},
};

const RUNNING: &str = "RUNNING";
const LOCK: &str = "lock";
/// How long at most somebody looks whether a lock is held.
const LOOKED_AT: Duration = Duration::from_millis(50);

/// The locks that this process holds, by their stack's folder.
#[derive(Debug, Default)]
pub(crate) struct Locks(Mutex<HashMap<PathBuf, File>>);

impl Locks {
    fn held(&self) -> std::sync::MutexGuard<'_, HashMap<PathBuf, File>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Runs for Aws {
    async fn list(&self, stack: &str, limit: usize) -> Result<Vec<PipelineRun>> {
        let dir = self.runs_of(stack).await?;
        let mut runs = read(&dir)?;
        let at_work = self.runs.held().contains_key(&dir) || locked(&dir);
        for run in runs.iter_mut().filter(|run| run.status == RUNNING && !at_work) {
            "INTERRUPTED".clone_into(&mut run.status);
        }
        runs.sort_by(|a, b| b.started.cmp(&a.started).then_with(|| b.id.cmp(&a.id)));
        runs.truncate(limit);
        Ok(runs)
    }

    async fn begin(&self, _permit: &Permit, run: &PipelineRun) -> Result<()> {
        let dir = self.runs_of(&run.stack).await?;
        fs::create_dir_all(&dir).map_err(|e| at(&dir, &e))?;
        if !self.runs.held().contains_key(&dir) {
            let path = dir.join(LOCK);
            let lock = File::options().create(true).append(true).open(&path).map_err(|e| at(&path, &e))?;
            let mut tried = lock.try_lock();
            if matches!(tried, Err(TryLockError::WouldBlock)) {
                // Who lists the runs looks at the lock, and holds it for that moment.
                tokio::time::sleep(LOOKED_AT).await;
                tried = lock.try_lock();
            }
            match tried {
                Ok(()) => drop(self.runs.held().insert(dir.clone(), lock)),
                Err(TryLockError::WouldBlock) => {
                    return Err(Error::Conflict(format!(
                        "{} is being run already by another pumphouse on this machine: wait until that run has ended, or \
                         end it",
                        run.stack
                    )));
                }
                Err(TryLockError::Error(e)) => return Err(at(&path, &e)),
            }
        }
        // Another one that was cut off is not carried on.
        for mut other in read(&dir)?.into_iter().filter(|other| other.id != run.id && other.status == RUNNING) {
            "INTERRUPTED".clone_into(&mut other.status);
            write(&dir, &other)?;
        }
        write(&dir, run)
    }

    async fn save(&self, _permit: &Permit, run: &PipelineRun) -> Result<()> {
        let dir = self.runs_of(&run.stack).await?;
        if !self.runs.held().contains_key(&dir) {
            return Err(Error::Conflict(format!("run {} was not begun by this process", run.id)));
        }
        write(&dir, run)?;
        if run.status != RUNNING {
            self.runs.held().remove(&dir);
        }
        Ok(())
    }
}

impl Aws {
    /// Where the runs of a stack are: stacks of one name may be in several accounts and regions.
    async fn runs_of(&self, stack: &str) -> Result<PathBuf> {
        let plain = |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        if !plain(stack) {
            return Err(Error::Invalid(format!("{stack:?} is no stack's name")));
        }
        let identity = self.ask().await?;
        let place = format!("{}-{}", identity.account.unwrap_or_default(), identity.region.unwrap_or_default());
        if !plain(&place) {
            return Err(Error::Unavailable(format!(
                "AWS says that we are in {place:?}, which is no account and region"
            )));
        }
        Ok(self.client.options().state_dir.join("runs").join(place).join(stack))
    }
}

/// Whether a process holds the lock.
fn locked(dir: &Path) -> bool {
    let Ok(lock) = File::open(dir.join(LOCK)) else { return false };
    // Given back at once, with the file.
    matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock))
}

fn read(dir: &Path) -> Result<Vec<PipelineRun>> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(at(dir, &e)),
    };
    let mut runs = Vec::new();
    for entry in entries {
        let path = entry.map_err(|e| at(dir, &e))?.path();
        if path.extension().is_none_or(|e| e != "json") {
            continue;
        }
        let text = fs::read(&path).map_err(|e| at(&path, &e))?;
        let run = serde_json::from_slice(&text).map_err(|e| {
            Error::storage(format!("{}: {e}: remove the file, and the run is forgotten", path.display()))
        })?;
        runs.push(run);
    }
    Ok(runs)
}

/// Writes a run down: whole, or not at all.
fn write(dir: &Path, run: &PipelineRun) -> Result<()> {
    let path = dir.join(format!("{}.json", run.id));
    let draft = path.with_extension("draft");
    let text = serde_json::to_vec_pretty(run).map_err(Error::storage)?;
    fs::write(&draft, text).and_then(|()| fs::rename(&draft, &path)).map_err(|e| at(&path, &e))
}

fn at(path: &Path, error: &io::Error) -> Error {
    Error::storage(format!("{}: {error}", path.display()))
}
