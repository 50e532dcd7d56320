//! Where a release's files are: the tree of its revision, its plans, and this program under its own name.

use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt, PermissionsExt, symlink},
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
            remove(old).map_err(|e| at(old, e))?;
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

/// Removes the folders of releases that are over. One that cannot be removed stays there until the next time: no release is
/// the worse for it.
pub(crate) fn sweep(local: &Local) -> Result<()> {
    let all = local.inner.store.dir().join(ALL);
    let Ok(entries) = fs::read_dir(&all) else { return Ok(()) };
    // Looked at before the rows are: a folder that comes later may be of a release that comes later, too.
    let there: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    if there.is_empty() {
        return Ok(());
    }
    let open = local.inner.store.read_now(|c| rows::open(c, None))?;
    for path in there {
        let id = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        if open.iter().any(|row| row.id == id) {
            continue;
        }
        if let Err(error) = remove(&path) {
            tracing::warn!(%error, path = %path.display(), "what is left of a release could not be removed");
        }
    }
    Ok(())
}

/// Removes a folder with all that is in it; one that is gone already was removed by somebody else.
fn remove(path: &Path) -> io::Result<()> {
    let there = match fs::symlink_metadata(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        there => there?,
    };
    let all = || if there.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    let removed = all().or_else(|e| match e.kind() {
        // A check may make folders that it lets nobody write to, as Go's cache of modules is.
        io::ErrorKind::PermissionDenied => open_up(path).and_then(|()| all()),
        _ => Err(e),
    });
    match removed {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Lets us write to a folder and to all folders below it. Links are not followed.
fn open_up(dir: &Path) -> io::Result<()> {
    if !fs::symlink_metadata(dir)?.is_dir() {
        return Ok(());
    }
    fs::set_permissions(dir, fs::Permissions::from_mode(0o700))?;
    fs::read_dir(dir)?.flatten().try_for_each(|entry| open_up(&entry.path()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::local::testing;

    #[test]
    fn what_lets_nobody_write_is_opened_up_and_what_a_link_leads_to_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let (inner, outer) = (dir.path().join("release/cache"), dir.path().join("elsewhere"));
        for folder in [&inner, &outer] {
            fs::create_dir_all(folder).unwrap();
            fs::set_permissions(folder, fs::Permissions::from_mode(0o500)).unwrap();
        }
        let release = dir.path().join("release");
        symlink(&outer, release.join("link")).unwrap();
        fs::set_permissions(&release, fs::Permissions::from_mode(0o500)).unwrap();
        open_up(&release).unwrap();
        assert_eq!([mode(&release), mode(&inner), mode(&outer)], [0o700, 0o700, 0o500]);
        remove(&release).unwrap();
        remove(&release).unwrap();
        assert!(outer.exists() && !release.exists());
        fs::set_permissions(&outer, fs::Permissions::from_mode(0o700)).unwrap();
    }

    #[test]
    fn whatever_no_open_release_has_is_swept_away() {
        let (dir, local) = testing::local();
        let all = dir.path().join(ALL);
        fs::create_dir_all(all.join("0000.new/tree")).unwrap();
        fs::create_dir_all(all.join("0001")).unwrap();
        fs::write(all.join("stray"), "").unwrap();
        sweep(&local).unwrap();
        assert_eq!(fs::read_dir(&all).unwrap().count(), 0);
    }
}
