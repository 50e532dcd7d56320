//! The embedded cloud's state: one SQLite file that several processes share, and a folder of files beside it.
//!
//! SQLite runs in WAL mode with `synchronous = NORMAL`: a committed change survives the death of any process. Writers
//! take turns (`BEGIN IMMEDIATE`, waiting up to 30 s), readers never wait.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior, config::DbConfig};

use crate::cloud::{Error, Result};

const SCHEMA: &str = include_str!("schema.sql");
const VERSION: i64 = 1;
const FILE: &str = "state.db";

/// The state of one embedded cloud. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    dir: PathBuf,
    read_only: bool,
    writer: Mutex<Option<Connection>>,
    readers: Mutex<Vec<Connection>>,
}

impl Store {
    /// Opens the state in `dir`, making it unless `read_only`.
    ///
    /// # Errors
    /// [`Error::Unavailable`] where there is no state to read; [`Error::Storage`] where it cannot be read, or was made
    /// by a newer pumphouse.
    pub fn open(dir: &Path, read_only: bool) -> Result<Self> {
        let path = dir.join(FILE);
        if read_only {
            if !path.is_file() {
                return Err(Error::Unavailable(format!(
                    "there is no embedded cloud in {}: deploy something first (without --read-only)",
                    dir.display()
                )));
            }
        } else {
            make_private_dir(dir)?;
            for sub in ["objects", "assets", "processes"] {
                make_private_dir(&dir.join(sub))?;
            }
            make_private_file(&path)?;
        }
        let store = Self {
            inner: Arc::new(Inner {
                dir: dir.to_owned(),
                read_only,
                writer: Mutex::new(None),
                readers: Mutex::new(Vec::new()),
            }),
        };
        if read_only {
            store.read_now(|c| check_version(c, &path))?;
        } else {
            let mut connection = store.connect()?;
            migrate(&mut connection, &path)?;
            *store.inner.writer.lock().unwrap_or_else(PoisonError::into_inner) = Some(connection);
        }
        Ok(store)
    }

    /// The folder that holds the state.
    pub fn dir(&self) -> &Path {
        &self.inner.dir
    }

    /// Whether this process may not write.
    pub fn read_only(&self) -> bool {
        self.inner.read_only
    }

    /// A connection of its own, for one that watches or reads for long.
    pub fn connect(&self) -> Result<Connection> {
        let path = self.inner.dir.join(FILE);
        let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        if !self.inner.read_only {
            flags |= OpenFlags::SQLITE_OPEN_CREATE;
        }
        let connection = match Connection::open_with_flags(&path, flags) {
            // A state that lies on a file system which cannot be written.
            Err(_) if self.inner.read_only => {
                Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)
                    .map_err(|e| at(&path, e))?
            }
            other => other.map_err(|e| at(&path, e))?,
        };
        connection.busy_timeout(Duration::from_secs(30)).map_err(|e| at(&path, e))?;
        connection.set_prepared_statement_cache_capacity(128);
        if self.inner.read_only {
            connection.pragma_update(None, "query_only", true).map_err(|e| at(&path, e))?;
            // What a killed process left in the log stays there: moving it at the end would be a write, too.
            let log = self.inner.dir.join(format!("{FILE}-wal"));
            if fs::metadata(&log).is_ok_and(|m| m.len() > 0) {
                connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).map_err(|e| at(&path, e))?;
            }
        } else {
            connection
                .execute_batch("pragma journal_mode = wal; pragma synchronous = normal; pragma temp_store = memory;")
                .map_err(|e| at(&path, e))?;
        }
        Ok(connection)
    }

    /// Reads on the calling thread: for callers that may block.
    pub fn read_now<T>(&self, f: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        let pooled = self.inner.readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = match pooled {
            Some(connection) => connection,
            None => self.connect()?,
        };
        let result = f(&connection);
        self.inner.readers.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        result
    }

    /// Writes in one transaction on the calling thread: all of it, or, where `f` fails, nothing.
    pub fn write_now<T>(&self, f: impl FnOnce(&Transaction<'_>) -> Result<T>) -> Result<T> {
        let mut writer = self.inner.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(connection) = writer.as_mut() else {
            return Err(Error::AccessDenied { action: "write".into(), target: self.inner.dir.display().to_string() });
        };
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(sql)?;
        let value = f(&transaction)?;
        transaction.commit().map_err(sql)?;
        Ok(value)
    }

    /// Reads, off the caller's thread.
    pub async fn read<T, F>(&self, f: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T> + Send + 'static,
    {
        let store = self.clone();
        join(tokio::task::spawn_blocking(move || store.read_now(f)).await)
    }

    /// Writes in one transaction, off the caller's thread.
    pub async fn write<T, F>(&self, f: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Transaction<'_>) -> Result<T> + Send + 'static,
    {
        let store = self.clone();
        join(tokio::task::spawn_blocking(move || store.write_now(f)).await)
    }

    /// Writes `content` to a new file and returns the name to put into a row. The file counts for nothing until a row
    /// names it, so a process may die at any moment.
    pub fn write_blob(&self, content: &[u8]) -> Result<String> {
        let id = uuid::Uuid::new_v4().simple().to_string();
        let folder = self.inner.dir.join("objects").join(&id[..2]);
        fs::create_dir_all(&folder).map_err(|e| at(&folder, e))?;
        let path = folder.join(&id);
        fs::write(&path, content).map_err(|e| at(&path, e))?;
        Ok(id)
    }

    /// Where a blob lies.
    pub fn blob_path(&self, blob: &str) -> PathBuf {
        self.inner.dir.join("objects").join(blob.get(..2).unwrap_or("00")).join(blob)
    }

    /// Removes files that no row has named for `age` on the wall clock, at most 10,000 at once. Returns how many.
    pub fn collect_garbage(&self, age: Duration) -> Result<usize> {
        let before = jiff::Timestamp::now().as_millisecond() - age.as_millis() as i64;
        let blobs: Vec<String> = self.read_now(|c| {
            let mut statement =
                c.prepare_cached("select blob from garbage where since <= ?1 limit 10000").map_err(sql)?;
            let rows = statement.query_map([before], |r| r.get(0)).map_err(sql)?;
            rows.collect::<rusqlite::Result<_>>().map_err(sql)
        })?;
        if blobs.is_empty() {
            return Ok(0);
        }
        for blob in &blobs {
            match fs::remove_file(self.blob_path(blob)) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(at(&self.blob_path(blob), e)),
                _ => {}
            }
        }
        self.write_now(|t| {
            let mut statement = t.prepare_cached("delete from garbage where blob = ?1").map_err(sql)?;
            blobs.iter().try_for_each(|blob| statement.execute([blob]).map(drop).map_err(sql))
        })?;
        Ok(blobs.len())
    }

    /// Keeps a file of a stack (code, a sample) under its content's hash.
    pub fn write_asset(&self, sha256: &str, content: &[u8]) -> Result<()> {
        let path = self.asset_path(sha256);
        if path.is_file() {
            // Young again, so that it is not swept up before a row names it.
            let _ = fs::File::options().append(true).open(&path).and_then(|f| f.set_modified(SystemTime::now()));
            return Ok(());
        }
        let temporary = path.with_extension(uuid::Uuid::new_v4().simple().to_string());
        fs::write(&temporary, content).map_err(|e| at(&temporary, e))?;
        fs::rename(&temporary, &path).map_err(|e| at(&path, e))
    }

    /// Where a file of a stack lies.
    pub fn asset_path(&self, sha256: &str) -> PathBuf {
        self.inner.dir.join("assets").join(sha256)
    }
}

/// Turns SQLite's error into the port's.
pub fn sql(error: rusqlite::Error) -> Error {
    Error::Storage(format!("the embedded cloud's state: {error}"))
}

/// Turns an error about a file into the port's.
pub fn at(path: &Path, error: impl std::fmt::Display) -> Error {
    Error::Storage(format!("{}: {error}", path.display()))
}

/// Turns a task's end into its result.
pub(crate) fn join<T>(result: std::result::Result<Result<T>, tokio::task::JoinError>) -> Result<T> {
    result.unwrap_or_else(|e| Err(Error::Storage(format!("a task of the embedded cloud ended early: {e}"))))
}

fn make_private_dir(dir: &Path) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|e| at(dir, e))
}

/// Makes the database's file, which holds secrets, for its owner alone, in whatever folder; SQLite gives the files
/// beside it the same mode.
fn make_private_file(path: &Path) -> Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let made = fs::File::options().create(true).append(true).mode(0o600).open(path);
    made.map(drop).map_err(|e| at(path, e))
}

fn check_version(connection: &Connection, path: &Path) -> Result<()> {
    let found: i64 = connection.query_row("pragma user_version", [], |r| r.get(0)).map_err(|e| at(path, e))?;
    if found == VERSION {
        return Ok(());
    }
    Err(Error::Storage(format!(
        "{}: the state has version {found}, this pumphouse reads version {VERSION}: use the pumphouse that made it, or \
         another --state-dir",
        path.display()
    )))
}

fn migrate(connection: &mut Connection, path: &Path) -> Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(|e| at(path, e))?;
    let found: i64 = transaction.query_row("pragma user_version", [], |r| r.get(0)).map_err(|e| at(path, e))?;
    if found == 0 {
        transaction.execute_batch(SCHEMA).map_err(|e| at(path, e))?;
        transaction.pragma_update(None, "user_version", VERSION).map_err(|e| at(path, e))?;
    } else {
        check_version(&transaction, path)?;
    }
    transaction.commit().map_err(|e| at(path, e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), false).unwrap();
        let failed: Result<()> = store.write_now(|t| {
            t.execute("insert into meta values ('a', '1')", []).map_err(sql)?;
            Err(Error::Cancelled)
        });
        assert_eq!(failed, Err(Error::Cancelled));
        let rows: i64 =
            store.read_now(|c| c.query_row("select count(*) from meta", [], |r| r.get(0)).map_err(sql)).unwrap();
        assert_eq!(rows, 0);
    }

    #[test]
    fn read_only_needs_a_state_and_changes_none_of_its_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let empty = dir.path().join("empty");
        assert!(matches!(Store::open(&empty, true), Err(Error::Unavailable(_))));
        assert!(!empty.exists());

        drop(Store::open(dir.path(), false).unwrap());
        let before = snapshot(dir.path());
        let store = Store::open(dir.path(), true).unwrap();
        store.read_now(|c| c.query_row("select count(*) from meta", [], |r| r.get::<_, i64>(0)).map_err(sql)).unwrap();
        assert!(store.write_now(|t| t.execute("insert into meta values ('a', '1')", []).map_err(sql)).is_err());
        drop(store);
        assert_eq!(before, snapshot(dir.path()));
    }

    #[test]
    fn read_only_changes_no_byte_of_what_a_killed_process_left() {
        let dir = tempfile::tempdir().unwrap();
        let left = tempfile::tempdir().unwrap();
        let writer = Store::open(dir.path(), false).unwrap();
        writer.write_now(|t| t.execute("insert into meta values ('a', '1')", []).map_err(sql)).unwrap();
        for file in ["state.db", "state.db-wal", "state.db-shm"] {
            fs::copy(dir.path().join(file), left.path().join(file)).unwrap();
        }
        let before = snapshot(left.path());
        let store = Store::open(left.path(), true).unwrap();
        let rows: i64 =
            store.read_now(|c| c.query_row("select count(*) from meta", [], |r| r.get(0)).map_err(sql)).unwrap();
        assert_eq!(rows, 1);
        drop(store);
        assert_eq!(before, snapshot(left.path()));
    }

    #[test]
    fn nobody_else_may_read_the_state_even_in_an_open_folder() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let store = Store::open(dir.path(), false).unwrap();
        store.write_now(|t| t.execute("insert into meta values ('a', '1')", []).map_err(sql)).unwrap();
        let entries: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap()).collect();
        assert!(entries.len() >= 6, "the database, its two files beside it, three folders");
        for entry in entries {
            let mode = entry.metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o077, 0, "{}", entry.path().display());
        }
    }

    fn snapshot(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
        let mut files: Vec<_> = fs::read_dir(dir)
            .unwrap()
            .map(|e| e.unwrap().path())
            // The index of the log that processes share is made anew by each first one; it is no state.
            .filter(|p| p.is_file() && p.extension().is_none_or(|e| e != "db-shm"))
            .map(|p| (p.clone(), fs::read(&p).unwrap()))
            .collect();
        files.sort();
        files
    }
}
