//! Where a release's files are: the tree of its revision, its plans, and this program under its own name.

use std::{
    fs,
    os::unix::fs::{DirBuilderExt, symlink},
    path::{Path, PathBuf},
};

use super::{
    super::{Local, store::at},
    rows::{self, ReleaseRow},
};
use crate::cloud::{Error, Result};

/// The folder of all of them in the state's.
const ALL: &str = "releases";
/// The revision's files in a release's folder.
pub(super) const TREE: &str = "tree";
/// The same once more, for the checks: what they make or change is not deployed.
pub(super) const CHECKED: &str = "checked";
const BIN: &str = "bin";
const PROGRAM: &str = "pumphouse";

/// Where one release's files are.
#[derive(Debug, Clone)]
pub(super) struct Folders {
    dir: PathBuf,
}

impl Folders {
    pub(super) fn of(local: &Local, row: &ReleaseRow) -> Self {
        let dir = local.inner.store.dir().join(ALL).join(&row.id);
        Self { dir: std::path::absolute(&dir).unwrap_or(dir) }
    }

    /// A new folder beside the release's own, which it becomes when it is whole; what an earlier attempt left is removed.
    pub(super) fn fresh(&self) -> Result<PathBuf> {
        let fresh = self.dir.with_extension("new");
        for old in [&fresh, &self.dir] {
            if old.exists() {
                fs::remove_dir_all(old).map_err(|e| at(old, e))?;
            }
        }
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&fresh).map_err(|e| at(&fresh, e))?;
        Ok(fresh)
    }

    /// Makes the new folder the release's own.
    pub(super) fn keep(&self, fresh: &Path) -> Result<()> {
        fs::rename(fresh, &self.dir).map_err(|e| at(&self.dir, e))
    }

    /// The pipeline's folder in the tree.
    pub(super) fn pipeline(&self, folder: &str) -> PathBuf {
        let tree = self.dir.join(TREE);
        if folder.is_empty() { tree } else { tree.join(folder) }
    }

    /// The pipeline's folder in the tree in which the checks are run.
    pub(super) fn checked(&self, folder: &str) -> PathBuf {
        let tree = self.dir.join(CHECKED);
        if folder.is_empty() { tree } else { tree.join(folder) }
    }

    /// A plan's file.
    pub(super) fn plan(&self, env: &str, name: &str) -> PathBuf {
        self.dir.join(format!("{env}-{name}.json"))
    }

    /// The folder that comes first on the PATH.
    pub(super) fn bin(&self) -> PathBuf {
        self.dir.join(BIN)
    }

    /// This program.
    pub(super) fn program(&self) -> PathBuf {
        self.bin().join(PROGRAM)
    }

    /// Makes `pumphouse` mean this very program, also where it is not on the PATH.
    pub(super) fn link_program(&self) -> Result<()> {
        let own = std::env::current_exe().map_err(|e| Error::Unavailable(format!("this program is not found: {e}")))?;
        if !own.exists() {
            return Err(Error::Unavailable(format!(
                "{} is gone: was pumphouse replaced? Start it again",
                own.display()
            )));
        }
        let (bin, link) = (self.bin(), self.program());
        if fs::read_link(&link).is_ok_and(|there| there == own) {
            return Ok(());
        }
        fs::create_dir_all(&bin).map_err(|e| at(&bin, e))?;
        let _ = fs::remove_file(&link);
        symlink(&own, &link).map_err(|e| at(&link, e))
    }
}

/// Removes the folders of releases that are over.
pub(crate) fn sweep(local: &Local) -> Result<()> {
    let all = local.inner.store.dir().join(ALL);
    let Ok(entries) = fs::read_dir(&all) else { return Ok(()) };
    let open = local.inner.store.read_now(|c| rows::open(c, None))?;
    for entry in entries.flatten() {
        let name = entry.file_name();
        let id = name.to_str().map(|n| n.trim_end_matches(".new")).unwrap_or_default();
        if !open.iter().any(|row| row.id == id) {
            let path = entry.path();
            fs::remove_dir_all(&path).map_err(|e| at(&path, e))?;
        }
    }
    Ok(())
}
