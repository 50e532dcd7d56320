//! A private PostgreSQL, started from what is installed on this machine.
//!
//! It lives in the state's folder `postgres`, listens on the loopback interface alone, on a port of its own, and asks for
//! a password that stands in a private file there and in no log. All processes that share the state share it.
//!
//! **It never outlives them.** A small shell script supervises it, and reads a pipe (`alive`) that every process using it
//! holds open for writing. The kernel closes that at a process's end, whatever the end was; when the last writer is gone,
//! the script ends the server. Who is last in good order waits until it has ended. A server whose script was killed is
//! found by the next start, ended, and started anew; what it had committed is there.
//!
//! **As root.** PostgreSQL refuses to run as root, so it runs as `postgres` or `nobody`, which may not look into a private
//! folder of root's: it gets its data folder as an open file, and its way there is `/proc/self/fd/9`.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{Read, Seek, SeekFrom, Write},
    net::TcpListener,
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use tokio_postgres::Config;

use super::{
    super::store::at,
    account::{Account, account, as_account, way},
    programs::programs_for,
};
use crate::cloud::{Error, Result};

/// The user that the server is made with.
pub(super) const ADMIN: &str = "pumphouse";
/// How long a server may take to let somebody in, or to end.
const START: Duration = Duration::from_mins(1);
const STOP: Duration = Duration::from_secs(20);
const LOOK: Duration = Duration::from_millis(20);
/// Ports that are tried: between the choice of a free one and its use, somebody may take it.
const PORTS: usize = 5;

/// `$@` is the server. stdin is its data folder, stdout the pipe whose end ends it.
const SUPERVISOR: &str = r#"
exec 9<&0 8<&1 </dev/null >&2
"$@" 8<&- &
server=$!
{ cat <&8 >/dev/null 2>&1; kill -INT "$server" 2>/dev/null; } 9<&- &
watch=$!
exec 8<&-
wait "$server"
kill "$watch" 2>/dev/null
"#;

/// `$@` is initdb. stdin is the folder to be, stdout the file with the password.
const MAKER: &str = r#"
exec 9<&0 8<&1 </dev/null >&2
exec "$@"
"#;

/// What stands in the private file.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Settings {
    port: u16,
    password: String,
}

/// A process's hold on the private server: while one is held anywhere, it runs.
#[derive(Debug)]
pub(super) struct Hold {
    dir: PathBuf,
    settings: Settings,
    /// The pipe's end; closed by the kernel, however this process ends.
    alive: Option<File>,
    users: Option<File>,
    /// The supervisor, where this process started it.
    child: Option<Child>,
}

impl Hold {
    /// How to reach a database on the server as its first user.
    pub(super) fn admin(&self, database: &str) -> Config {
        self.config(database, ADMIN, &self.settings.password)
    }

    /// How to reach a database as a user of its own.
    pub(super) fn config(&self, database: &str, user: &str, password: &str) -> Config {
        let mut config = Config::new();
        config.host("127.0.0.1").port(self.settings.port).user(user).password(password).dbname(database);
        config
    }

    /// Something that nobody else knows, to make a database's own password of.
    pub(super) fn seed(&self) -> &str {
        &self.settings.password
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.alive = None;
        let Some(users) = self.users.take() else { return };
        // The last one waits for the end, so that nobody finds half of it: a new one waits for this lock.
        if users.unlock().is_ok() && users.try_lock().is_ok() {
            let end = Instant::now() + STOP;
            while self.dir.join("data/postmaster.pid").exists() && Instant::now() < end {
                if self.child.as_mut().is_some_and(|c| c.try_wait().is_ok_and(|ended| ended.is_some())) {
                    break;
                }
                thread::sleep(LOOK);
            }
        }
        if let Some(child) = &mut self.child {
            // Its end is read, where it has ended.
            let _ = child.try_wait();
        }
    }
}

/// The folder of the private server of a state.
pub(super) fn folder(state: &Path) -> PathBuf {
    state.join("postgres")
}

/// The port that the private server of a state had last; none where there never was one.
pub(super) fn port(state: &Path) -> Option<u16> {
    settings(&folder(state)).map(|s| s.port)
}

/// Gets a hold on the server, making and starting it where that is needed. Blocks.
///
/// # Errors
/// [`Error::Unavailable`] where PostgreSQL is not installed or does not start, with what it says.
pub(super) fn hold(state: &Path) -> Result<Hold> {
    let dir = folder(state);
    private_dir(&dir)?;
    let lock = |name: &str| {
        let path = dir.join(name);
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(&path);
        file.map_err(|e| at(&path, e)).map(|f| (f, path))
    };
    let (users, path) = lock("users.lock")?;
    users.lock_shared().map_err(|e| at(&path, e))?;
    let (starting, path) = lock("start.lock")?;
    starting.lock().map_err(|e| at(&path, e))?;
    // Where we fail, the lock goes with the file.
    let (settings, alive, child) = start(&dir)?;
    Ok(Hold { dir, settings, alive: Some(alive), users: Some(users), child })
}

/// Gets a hold only where the server runs already: for who may change nothing in the folder.
pub(super) fn hold_running(state: &Path) -> Option<Hold> {
    let dir = folder(state);
    let users = File::open(dir.join("users.lock")).ok()?;
    let alive = running(&dir)?;
    match users.try_lock_shared() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock | TryLockError::Error(_)) => return None,
    }
    Some(Hold { settings: settings(&dir)?, dir, alive: Some(alive), users: Some(users), child: None })
}

/// Removes the server with all that it holds. Nobody may hold it.
pub(super) fn remove(state: &Path) -> Result<()> {
    let dir = folder(state);
    match fs::remove_dir_all(&dir) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(at(&dir, e)),
        _ => Ok(()),
    }
}

fn settings(dir: &Path) -> Option<Settings> {
    serde_json::from_slice(&fs::read(dir.join("server.json")).ok()?).ok()
}

fn write_settings(dir: &Path, settings: &Settings) -> Result<()> {
    let (path, fresh) = (dir.join("server.json"), dir.join("server.json.new"));
    let text = serde_json::to_vec(settings).map_err(Error::storage)?;
    private_file(&fresh)?.write_all(&text).map_err(|e| at(&fresh, e))?;
    fs::rename(&fresh, &path).map_err(|e| at(&path, e))
}

fn private_dir(dir: &Path) -> Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|e| at(dir, e))
}

fn private_file(path: &Path) -> Result<File> {
    let open = OpenOptions::new().create(true).truncate(true).read(true).write(true).mode(0o600).open(path);
    open.map_err(|e| at(path, e))
}

/// The pipe's end for writing, where a supervisor reads it and a server answers.
fn running(dir: &Path) -> Option<File> {
    let alive = OpenOptions::new().write(true).custom_flags(libc::O_NONBLOCK).open(dir.join("alive")).ok()?;
    let port = settings(dir)?.port;
    let up = dir.join("data/postmaster.pid").exists() && std::net::TcpStream::connect(("127.0.0.1", port)).is_ok();
    up.then_some(alive)
}

fn start(dir: &Path) -> Result<(Settings, File, Option<Child>)> {
    if let (Some(alive), Some(settings)) = (running(dir), settings(dir)) {
        // It lets nobody in any more once it has been told to end.
        if answers(&settings) {
            return Ok((settings, alive, None));
        }
    }
    end_orphan(dir)?;
    let (data, account) = (dir.join("data"), account(dir)?);
    let programs = programs_for(&data)?;
    if !data.join("PG_VERSION").exists() {
        make(dir, &programs, account)?;
    }
    let mut settings = settings(dir).ok_or_else(|| {
        Error::Storage(format!("{} is gone or broken: without it nobody gets in", dir.join("server.json").display()))
    })?;
    let mut last = String::new();
    for attempt in 0..PORTS {
        // The same port as the last time, where it is free: connection strings stay true.
        if attempt > 0 || !free(settings.port) {
            settings.port = free_port()?;
            write_settings(dir, &settings)?;
        }
        match launch(dir, &programs, account, &settings)? {
            Ok((alive, child)) => return Ok((settings, alive, Some(child))),
            Err(said) => last = said,
        }
        if !last.contains("Address already in use") {
            break;
        }
    }
    Err(Error::Unavailable(format!("PostgreSQL does not start: {last}")))
}

/// Starts the server and waits until it lets us in. The inner error is what it says.
fn launch(
    dir: &Path,
    programs: &Path,
    account: Option<Account>,
    settings: &Settings,
) -> Result<std::result::Result<(File, Child), String>> {
    let pipe = dir.join("alive");
    if !pipe.exists() {
        let made = Command::new("mkfifo").args(["-m", "600"]).arg(&pipe).status();
        if !made.is_ok_and(|s| s.success()) {
            return Err(Error::Storage(format!("{} cannot be made: there is no mkfifo", pipe.display())));
        }
    }
    // Both ends at once, so that neither waits for the other.
    let both = OpenOptions::new().read(true).write(true).open(&pipe).map_err(|e| at(&pipe, e))?;
    let reading = File::open(&pipe).map_err(|e| at(&pipe, e))?;
    let alive = OpenOptions::new().write(true).open(&pipe).map_err(|e| at(&pipe, e))?;
    let data = dir.join("data");
    let folder = File::open(&data).map_err(|e| at(&data, e))?;
    let log_path = dir.join("log");
    let mut log = OpenOptions::new()
        .create(true)
        .append(true)
        .read(true)
        .mode(0o600)
        .open(&log_path)
        .map_err(|e| at(&log_path, e))?;
    let before = log.seek(SeekFrom::End(0)).map_err(|e| at(&log_path, e))?;
    let mut command = Command::new("sh");
    command.args(["-c", SUPERVISOR, "postgres"]).arg(programs.join("postgres")).arg("-D").arg(way(&data, account));
    for setting in [
        "listen_addresses=127.0.0.1",
        &format!("port={}", settings.port),
        "unix_socket_directories=",
        "shared_buffers=16MB",
        "max_connections=50",
        "timezone=UTC",
        "log_timezone=UTC",
        // No statement in the log: one may hold a password.
        "log_statement=none",
        "log_min_error_statement=panic",
    ] {
        command.arg("-c").arg(setting);
    }
    let errors = log.try_clone().map_err(|e| at(&log_path, e))?;
    as_account(&mut command, account, &data).stdin(folder).stdout(reading).stderr(errors);
    let mut child = command.spawn().map_err(|e| Error::Unavailable(format!("PostgreSQL cannot be started: {e}")))?;
    drop(both);
    let end = Instant::now() + START;
    while Instant::now() < end {
        if answers(settings) {
            return Ok(Ok((alive, child)));
        }
        // The supervisor ends with its server.
        if child.try_wait().is_ok_and(|ended| ended.is_some()) {
            break;
        }
        thread::sleep(LOOK);
    }
    drop(alive);
    let _ = child.wait();
    let mut said = String::new();
    let _ = log.seek(SeekFrom::Start(before)).and_then(|_| log.read_to_string(&mut said));
    let told = said.lines().filter(|l| l.contains("FATAL") || l.contains("could not") || l.contains("HINT"));
    let told: Vec<&str> = told.map(|l| l.split_once("UTC ").map_or(l, |(_, rest)| rest)).collect();
    Ok(Err(if told.is_empty() { said.trim().to_owned() } else { told.join("; ") }))
}

/// Whether the server lets us in. Only a whole connection says so.
fn answers(settings: &Settings) -> bool {
    let mut config = Config::new();
    config.host("127.0.0.1").port(settings.port).user(ADMIN).password(&settings.password).dbname("postgres");
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return false };
    let tried = thread::scope(|scope| {
        // This thread may be one of another runtime.
        scope
            .spawn(|| {
                runtime.block_on(async {
                    crate::postgres::connect(&config, &crate::postgres::Roots::System).await.is_ok()
                })
            })
            .join()
    });
    tried.unwrap_or(false)
}

/// Makes a server's data, whole or not at all.
fn make(dir: &Path, programs: &Path, account: Option<Account>) -> Result<()> {
    let (fresh, password_path) = (dir.join("data.new"), dir.join("password.new"));
    let _ = fs::remove_dir_all(&fresh);
    private_dir(&fresh)?;
    let mut random = [0_u8; 24];
    getrandom::fill(&mut random).map_err(Error::storage)?;
    let password = hex::encode(random);
    let mut file = private_file(&password_path)?;
    writeln!(file, "{password}").and_then(|()| file.seek(SeekFrom::Start(0))).map_err(|e| at(&password_path, e))?;
    if let Some(account) = account {
        for path in [&fresh, &password_path] {
            std::os::unix::fs::chown(path, Some(account.user), Some(account.group)).map_err(|e| at(path, e))?;
        }
    }
    let mut command = Command::new("sh");
    let password_file = if account.is_some() { PathBuf::from("/proc/self/fd/8") } else { password_path.clone() };
    command.args(["-c", MAKER, "initdb"]).arg(programs.join("initdb")).arg("-D").arg(way(&fresh, account));
    command.args(["-U", ADMIN, "-E", "UTF8", "--locale=C", "-A", "scram-sha-256"]);
    command.arg(format!("--pwfile={}", password_file.display()));
    let folder = File::open(&fresh).map_err(|e| at(&fresh, e))?;
    as_account(&mut command, account, &fresh).stdin(folder).stdout(file).stderr(Stdio::piped());
    let done = command.output().map_err(|e| Error::Unavailable(format!("initdb cannot be started: {e}")))?;
    let _ = fs::remove_file(&password_path);
    if !done.status.success() {
        let said = String::from_utf8_lossy(&done.stderr);
        let told = said.lines().filter(|l| l.contains("error") || l.contains("hint") || l.contains("FATAL"));
        let told = told.collect::<Vec<_>>().join("; ");
        return Err(Error::Unavailable(format!("PostgreSQL's data cannot be made: {told}")));
    }
    write_settings(dir, &Settings { port: free_port()?, password })?;
    let data = dir.join("data");
    fs::rename(&fresh, &data).map_err(|e| at(&data, e))
}

/// Ends a server whose supervisor was killed, and waits for one that is ending.
fn end_orphan(dir: &Path) -> Result<()> {
    let file = dir.join("data/postmaster.pid");
    let end = Instant::now() + STOP;
    let mut told = false;
    while let Ok(text) = fs::read_to_string(&file) {
        let Some(pid) = text.lines().next().and_then(|l| l.trim().parse::<u32>().ok()) else { return Ok(()) };
        if !is_ours(pid, &dir.join("data")) {
            // It died by kill -9, or with the machine: the next one recovers what it left.
            return Ok(());
        }
        if Instant::now() > end {
            return Err(Error::Unavailable(format!("the PostgreSQL of this state (pid {pid}) does not end: end it")));
        }
        if !told {
            let _ = Command::new("kill").args(["-INT", &pid.to_string()]).stderr(Stdio::null()).status();
            told = true;
        }
        thread::sleep(LOOK);
    }
    Ok(())
}

/// Whether the process with this number is a server on this folder.
fn is_ours(pid: u32, data: &Path) -> bool {
    match (fs::metadata(format!("/proc/{pid}/cwd")), fs::metadata(data)) {
        (Ok(theirs), Ok(ours)) => (theirs.dev(), theirs.ino()) == (ours.dev(), ours.ino()),
        // Without /proc: whether there is such a process at all.
        _ if !Path::new("/proc/self").exists() => Command::new("kill")
            .args(["-0", &pid.to_string()])
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|s| s.success()),
        _ => false,
    }
}

fn free(port: u16) -> bool {
    TcpListener::bind(("127.0.0.1", port)).is_ok()
}

fn free_port() -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0");
    let port = listener.and_then(|l| l.local_addr()).map(|a| a.port());
    port.map_err(|e| Error::Unavailable(format!("no port is free for PostgreSQL: {e}")))
}
