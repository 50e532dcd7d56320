//! The embedded cloud's state: one SQLite file that several processes share, and a folder of files beside it.
//!
//! SQLite runs in WAL mode with `synchronous = NORMAL`: a committed change survives the death of any process. Writers
//! take turns (`BEGIN IMMEDIATE`, waiting up to 30 s), readers never wait.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use rusqlite::{Connection, OpenFlags, OptionalExtension, Transaction, TransactionBehavior, config::DbConfig};

use crate::cloud::{Error, Result};

const SCHEMA: &str = include_str!("schema.sql");
/// What states that were made earlier do not have yet.
const ADDED: &str = include_str!("added.sql");
const VERSION: i64 = 2;
const FILE: &str = "state.db";
/// How often a request to end is looked for.
const POLL: Duration = Duration::from_millis(200);
/// How soon what could not be written is written again: less and less often.
const AGAIN: Duration = Duration::from_millis(200);
const SLOWEST: Duration = Duration::from_mins(1);

/// The state of one embedded cloud. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    dir: PathBuf,
    read_only: bool,
    /// Where there is no state to read: an empty one in memory, by its name, with the connection that keeps it.
    empty: Option<(String, Mutex<Connection>)>,
    writer: Mutex<Option<Connection>>,
    readers: Mutex<Vec<Connection>>,
}

impl Store {
    /// Opens the state in `dir`, making it unless `read_only`: then a state that is not there reads as an empty one,
    /// for as long as this store is open.
    ///
    /// # Errors
    /// [`Error::Storage`] where it cannot be read, or was made by a newer pumphouse.
    pub fn open(dir: &Path, read_only: bool) -> Result<Self> {
        let path = dir.join(FILE);
        let empty = if read_only && !exists(dir) { Some(in_memory()?) } else { None };
        if !read_only {
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
                empty,
                writer: Mutex::new(None),
                readers: Mutex::new(Vec::new()),
            }),
        };
        if read_only {
            store.read_now(|c| check_version(c, &path))?;
        } else {
            let mut connection = store.connect()?;
            migrate(&mut connection, dir)?;
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
        if let Some((name, _)) = &self.inner.empty {
            let connection = Connection::open(name).map_err(sql)?;
            connection.pragma_update(None, "query_only", true).map_err(sql)?;
            return Ok(connection);
        }
        let path = self.inner.dir.join(FILE);
        let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        if !self.inner.read_only {
            flags |= OpenFlags::SQLITE_OPEN_CREATE;
        }
        let connection = match Connection::open_with_flags(&path, flags) {
            // A state that lies on a file system which cannot be written.
            Err(_) if self.inner.read_only => {
                Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)
                    .map_err(|e| broken(&path, &e))?
            }
            other => other.map_err(|e| broken(&path, &e))?,
        };
        connection.busy_timeout(Duration::from_secs(30)).map_err(|e| broken(&path, &e))?;
        connection.set_prepared_statement_cache_capacity(128);
        if self.inner.read_only {
            connection.pragma_update(None, "query_only", true).map_err(|e| broken(&path, &e))?;
            // What a killed process left in the log stays there: moving it at the end would be a write, too.
            let log = self.inner.dir.join(format!("{FILE}-wal"));
            if fs::metadata(&log).is_ok_and(|m| m.len() > 0) {
                connection
                    .set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)
                    .map_err(|e| broken(&path, &e))?;
            }
        } else {
            connection
                .execute_batch("pragma journal_mode = wal; pragma synchronous = normal; pragma temp_store = memory;")
                .map_err(|e| broken(&path, &e))?;
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

    /// Writes what must not get lost, and where that fails (the disk is full), again, until it is written: `what` it is, for
    /// our own log.
    pub(crate) async fn write_at_last<T, F>(&self, what: &str, f: F) -> T
    where
        T: Send + 'static,
        F: FnOnce(&Transaction<'_>) -> Result<T> + Clone + Send + 'static,
    {
        let mut wait = AGAIN;
        loop {
            match self.write(f.clone()).await {
                Ok(value) => return value,
                Err(error) => tracing::error!(%error, "{what} could not be written down; it is tried again"),
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(SLOWEST);
        }
    }

    /// Returns when somebody, in whatever process, has set the flag that `query` reads from the row with this id.
    pub(crate) async fn asked_to_end(&self, query: &'static str, id: &str) {
        loop {
            tokio::time::sleep(POLL).await;
            let id = id.to_owned();
            let asked = self.read(move |c| {
                let mut statement = c.prepare_cached(query).map_err(sql)?;
                statement.query_row([id], |r| r.get::<_, bool>(0)).optional().map_err(sql)
            });
            if matches!(asked.await, Ok(Some(true))) {
                return;
            }
        }
    }

    /// Writes `content` to a new file and returns the name to put into a row. The file counts for nothing until a row
    /// names it, so a process may die at any moment.
    pub fn write_blob(&self, content: &[u8]) -> Result<String> {
        let (mut file, id) = self.new_blob()?;
        if let Err(error) = file.write_all(content) {
            let path = self.blob_path(&id);
            // Half of it would only take of the room that is missing.
            let _ = fs::remove_file(&path);
            return Err(at(&path, error));
        }
        Ok(id)
    }

    /// An empty file to write to, and its name, as [`Store::write_blob`] gives it.
    pub fn new_blob(&self) -> Result<(fs::File, String)> {
        let id = uuid::Uuid::new_v4().simple().to_string();
        let folder = self.inner.dir.join("objects").join(&id[..2]);
        fs::create_dir_all(&folder).map_err(|e| at(&folder, e))?;
        let path = folder.join(&id);
        Ok((fs::File::create(&path).map_err(|e| at(&path, e))?, id))
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

/// Whether there is a state in `dir`. A file without a byte is none yet.
pub fn exists(dir: &Path) -> bool {
    let written = |name: &str| fs::metadata(dir.join(name)).is_ok_and(|m| m.is_file() && m.len() > 0);
    written(FILE) || written(&format!("{FILE}-wal"))
}

/// Looks whether the state in `dir` can be read, is whole, and is of this version; nothing is changed.
///
/// # Errors
/// [`Error::Storage`], with what to do.
pub fn verify(dir: &Path) -> Result<()> {
    let store = Store::open(dir, true)?;
    let path = dir.join(FILE);
    let found: String =
        store.read_now(|c| c.query_row("pragma quick_check(1)", [], |r| r.get(0)).map_err(|e| broken(&path, &e)))?;
    if found == "ok" { Ok(()) } else { Err(Error::Storage(format!("{}: {found}: {DAMAGED}", path.display()))) }
}

/// Turns SQLite's error into the port's.
pub fn sql(error: rusqlite::Error) -> Error {
    Error::Storage(format!("the embedded cloud's state: {}", in_words(&error)))
}

/// Turns SQLite's error about the state's file into the port's.
fn broken(path: &Path, error: &rusqlite::Error) -> Error {
    at(path, in_words(error))
}

const DAMAGED: &str = "the file is damaged: restore it from a copy, or start anew with another --state-dir";

/// SQLite's error, and what to do where that is known.
fn in_words(error: &rusqlite::Error) -> String {
    use rusqlite::{ErrorCode, ffi};
    const FULL: &str = "no space left on device: make room, nothing is lost";
    match error {
        rusqlite::Error::SqliteFailure(e, _) => match (e.code, e.extended_code) {
            (ErrorCode::DiskFull, _) | (_, ffi::SQLITE_IOERR_SHMSIZE) => FULL.to_owned(),
            (ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt, _) => format!("{error}: {DAMAGED}"),
            _ => error.to_string(),
        },
        _ => error.to_string(),
    }
}

/// An empty state in memory, by the name that further connections open it with.
fn in_memory() -> Result<(String, Mutex<Connection>)> {
    let name = format!("file:/pumphouse-{}?vfs=memdb", uuid::Uuid::new_v4().simple());
    let connection = Connection::open(&name).map_err(sql)?;
    connection.execute_batch(SCHEMA).map_err(sql)?;
    connection.execute_batch(ADDED).map_err(sql)?;
    connection.pragma_update(None, "user_version", VERSION).map_err(sql)?;
    Ok((name, Mutex::new(connection)))
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
    let found: i64 = connection.query_row("pragma user_version", [], |r| r.get(0)).map_err(|e| broken(path, &e))?;
    if found == VERSION {
        return Ok(());
    }
    Err(Error::Storage(format!(
        "{}: the state has version {found}, this pumphouse reads version {VERSION}: use the pumphouse that made it, or \
         another --state-dir",
        path.display()
    )))
}

fn migrate(connection: &mut Connection, dir: &Path) -> Result<()> {
    let path = &dir.join(FILE);
    let transaction =
        connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(|e| broken(path, &e))?;
    let found: i64 = transaction.query_row("pragma user_version", [], |r| r.get(0)).map_err(|e| broken(path, &e))?;
    if found == 0 {
        // Objects come after the rows that name them could be there: this was a state once.
        let objects = dir.join("objects");
        if fs::read_dir(&objects).is_ok_and(|mut entries| entries.next().is_some()) {
            return Err(Error::Storage(format!(
                "{} is empty, but {} is not: restore the file, or name another folder with --state-dir",
                path.display(),
                objects.display()
            )));
        }
        transaction.execute_batch(SCHEMA).map_err(|e| broken(path, &e))?;
        transaction.pragma_update(None, "user_version", VERSION).map_err(|e| broken(path, &e))?;
    } else {
        check_version(&transaction, path)?;
    }
    transaction.execute_batch(ADDED).map_err(|e| broken(path, &e))?;
    transaction.commit().map_err(|e| broken(path, &e))
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
    fn read_only_makes_no_state_and_changes_none_of_its_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let empty = dir.path().join("empty");
        let store = Store::open(&empty, true).unwrap();
        let count = |c: &Connection| c.query_row("select count(*) from meta", [], |r| r.get::<_, i64>(0)).map_err(sql);
        assert_eq!(store.read_now(count), Ok(0));
        // Of two connections at once, each sees the tables.
        assert_eq!(store.read_now(|c| Ok((count(c)?, count(&store.connect()?)?))), Ok((0, 0)));
        assert!(store.write_now(|t| t.execute("insert into meta values ('a', '1')", []).map_err(sql)).is_err());
        drop(store);
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
    fn a_damaged_state_is_told_with_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        drop(Store::open(dir.path(), false).unwrap());
        assert_eq!(verify(dir.path()), Ok(()));
        let path = dir.path().join(FILE);
        let whole = fs::read(&path).unwrap();
        fs::write(&path, b"no database ".repeat(1000)).unwrap();
        for wrong in [verify(dir.path()).unwrap_err(), Store::open(dir.path(), false).err().unwrap()] {
            assert!(wrong.to_string().contains("restore it"), "{wrong}");
        }
        fs::write(&path, &whole[..whole.len() / 2]).unwrap();
        assert!(verify(dir.path()).unwrap_err().to_string().contains("restore it"));
        fs::write(&path, &whole).unwrap();
        Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
        assert!(verify(dir.path()).unwrap_err().to_string().contains("version 99"));
    }

    #[test]
    fn a_state_that_was_emptied_is_no_new_one() {
        let dir = tempfile::tempdir().unwrap();
        Store::open(dir.path(), false).unwrap().write_blob(b"x").unwrap();
        fs::write(dir.path().join(FILE), b"").unwrap();
        let refused = Store::open(dir.path(), false).err().unwrap().to_string();
        assert!(refused.contains("restore the file"), "{refused}");
    }

    #[test]
    fn a_full_disk_is_called_so() {
        let full = rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_FULL), None);
        assert!(sql(full).to_string().contains("no space left on device"));
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
