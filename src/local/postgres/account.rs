//! Whom the server runs as: PostgreSQL refuses to be root.

use std::{
    fs,
    os::unix::{fs::MetadataExt, process::CommandExt},
    path::{Path, PathBuf},
    process::Command,
};

use super::super::store::at;
use crate::cloud::{Error, Result};

/// Whom the server runs as, where we are root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) user: u32,
    pub(super) group: u32,
}

/// The account for the server: none where ours will do.
pub(super) fn account(dir: &Path) -> Result<Option<Account>> {
    // What we make is ours.
    if fs::metadata(dir).map_err(|e| at(dir, e))?.uid() != 0 {
        return Ok(None);
    }
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let found = ["postgres", "nobody"].iter().find_map(|name| named(&users, name));
    match found {
        Some(account) if Path::new("/proc/self/fd").exists() => Ok(Some(account)),
        _ => Err(Error::Unavailable(
            "PostgreSQL does not run as root, and there is no other user for it here: start pumphouse as another user, or \
             name a server with DATABASE_URL"
                .into(),
        )),
    }
}

/// A user's numbers in the text of /etc/passwd.
fn named(users: &str, name: &str) -> Option<Account> {
    users.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        match fields.as_slice() {
            [user, _, uid, gid, ..] if *user == name => {
                Some(Account { user: uid.parse().ok().filter(|uid| *uid != 0)?, group: gid.parse().ok()? })
            }
            _ => None,
        }
    })
}

/// The data folder as the server sees it.
pub(super) fn way(data: &Path, account: Option<Account>) -> PathBuf {
    if account.is_some() { "/proc/self/fd/9".into() } else { data.to_owned() }
}

/// Out of the terminal's reach, as the account, where it may be.
pub(super) fn as_account<'a>(command: &'a mut Command, account: Option<Account>, data: &Path) -> &'a mut Command {
    // Nothing of ours is the server's business: DATABASE_URL, PGDATA, credentials.
    let path = std::env::var_os("PATH").unwrap_or_default();
    command.env_clear().env("PATH", path).env("LC_ALL", "C").env("TZ", "UTC").process_group(0);
    match account {
        Some(Account { user, group }) => command.current_dir("/").gid(group).uid(user),
        None => command.current_dir(data),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_found_by_its_name_and_is_not_root() {
        let users = "root:x:0:0::/root:/bin/sh\nnobody:x:65534:65533:nobody:/:/x\npostgres:x:0:0::/:/x\n";
        assert_eq!(named(users, "nobody"), Some(Account { user: 65534, group: 65533 }));
        assert_eq!(named(users, "postgres"), None);
        assert_eq!(named(users, "body"), None);
    }
}
