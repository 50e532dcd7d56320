//! PostgreSQL's programs, where they are installed on this machine.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::cloud::{Error, Result};

/// What a machine without PostgreSQL is told.
pub(super) const MISSING: &str = "this pipeline needs PostgreSQL, and there is none on this machine: install it (Debian and \
    Ubuntu: apt install postgresql; Fedora: dnf install postgresql-server; macOS: brew install postgresql), or name a \
    server with DATABASE_URL=postgresql://USER:PASSWORD@HOST/DATABASE";

/// Whether PostgreSQL is installed.
pub(super) fn installed() -> bool {
    !programs().is_empty()
}

/// The folders with `initdb` and `postgres`: the one that `PUMPHOUSE_POSTGRES_BIN` names, else that of the PATH, then the
/// newest version that is installed where systems put them.
fn programs() -> Vec<PathBuf> {
    let complete = |f: &PathBuf| f.join("initdb").is_file() && f.join("postgres").is_file();
    if let Some(named) = std::env::var_os("PUMPHOUSE_POSTGRES_BIN").filter(|p| !p.is_empty()) {
        return Some(PathBuf::from(named)).filter(complete).into_iter().collect();
    }
    let mut folders: Vec<PathBuf> = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).collect();
    let mut versions = Vec::new();
    for (root, rest) in [
        ("/usr/lib/postgresql", "bin"),
        ("/usr", "bin"),
        ("/opt/homebrew/opt", "bin"),
        ("/usr/local/opt", "bin"),
        ("/Library/PostgreSQL", "bin"),
    ] {
        for entry in fs::read_dir(root).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let number = name.trim_start_matches("postgresql@").trim_start_matches("pgsql-");
            if let Ok(version) = number.parse::<u32>() {
                versions.push((version, entry.path().join(rest)));
            } else if name == "postgresql" && root.ends_with("opt") {
                versions.push((0, entry.path().join(rest)));
            }
        }
    }
    versions.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    folders.extend(versions.into_iter().map(|(_, folder)| folder));
    folders.retain(complete);
    folders.dedup();
    folders
}

/// The programs of the version that the data was made with, where there is data.
pub(super) fn programs_for(data: &Path) -> Result<PathBuf> {
    let all = programs();
    let Some(first) = all.first().cloned() else { return Err(Error::Unavailable(MISSING.into())) };
    let Ok(wanted) = fs::read_to_string(data.join("PG_VERSION")) else { return Ok(first) };
    let wanted = wanted.trim();
    let fits = |folder: &&PathBuf| {
        let said = Command::new(folder.join("postgres")).arg("--version").output();
        said.is_ok_and(|o| String::from_utf8_lossy(&o.stdout).contains(&format!(") {wanted}.")))
    };
    all.iter().find(fits).cloned().ok_or_else(|| {
        Error::Unavailable(format!(
            "the data of this state was made by PostgreSQL {wanted}, which is not installed any more: install it again, or \
             destroy what uses it"
        ))
    })
}
