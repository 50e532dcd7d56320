//! Functions in Python and JavaScript: their code runs as a child process with the machine's own interpreter.
//!
//! The child gets a clean environment with the function's variables and AWS Lambda's, its code's folder, a temporary
//! folder, the memory that the function has and a process group of its own that ends with the invocation. It is not kept
//! for the next one. Where its SDK looks for AWS it finds the secrets and parameters that its role may read (see
//! `endpoint`), and nothing else of the embedded cloud. On AWS the same code has its role's permissions.

mod endpoint;

use std::{
    collections::HashMap,
    ffi::{OsStr, OsString},
    fs,
    path::{Component, Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    process::Command,
};
use tokio_util::task::AbortOnDropHandle;

use endpoint::Endpoint;

use super::{Local, process, store::at};
use crate::cloud::{
    Error, Permit, Result,
    functions::{LogSink, Ports},
    resources::{Code, Function, Runtime},
};

const PYTHON: &str = include_str!("runtime/bootstrap.py");
const NODE: &str = include_str!("runtime/bootstrap.js");
/// What a function may answer, in bytes, as on AWS Lambda.
const MAX_RESULT: u64 = 6 << 20;
/// A longer line is logged in pieces.
const MAX_LINE: usize = 64 << 10;
/// How long an interpreter may take to tell its version.
const PROBE: Duration = Duration::from_secs(10);
/// How often a function's memory is looked at.
const LOOK_AT_MEMORY: Duration = Duration::from_millis(50);
/// How long what is left in the pipes of an ended process is waited for.
const REST: Duration = Duration::from_secs(1);

/// An interpreter on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Interpreter {
    program: PathBuf,
    version: String,
}

/// What is to be executed.
pub(crate) struct Execution<'a> {
    pub(crate) name: &'a str,
    pub(crate) request_id: &'a str,
    pub(crate) function: &'a Function,
    pub(crate) log_stream: &'a str,
    pub(crate) event: &'a Value,
    pub(crate) log: Arc<dyn LogSink>,
    /// What its role may read.
    pub(crate) ports: Ports,
    pub(crate) permit: Permit,
}

/// What came of an execution.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Executed {
    pub(crate) answer: Answer,
    /// The memory that its process took at the most, in MiB, where it could tell.
    pub(crate) memory_mib: Option<u64>,
}

/// How the code itself ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// What the handler returned.
    Payload(Value),
    /// Its error: type and message.
    Error(String, String),
}

/// Executes a function in a child process; dropped, it ends the process and all that it started.
///
/// # Errors
/// [`Error::Unavailable`] where the interpreter is missing; [`Error::Storage`] where the code cannot be laid out.
pub(crate) async fn run(local: &Local, execution: Execution<'_>) -> Result<Executed> {
    let function = execution.function;
    let interpreter = interpreter(function.runtime).await?;
    execution.log.line(&in_words(function.runtime, &interpreter));
    let (code, deployed) = (function.code.clone(), local.clone());
    let (root, scratch) = local
        .blocking(move || {
            let code = code.ok_or_else(|| Error::Invalid("the function was deployed without code".into()))?;
            Ok((lay_out(&deployed, &code)?, Scratch::new(&deployed)?))
        })
        .await?;
    let endpoint = Endpoint::open(execution.ports, execution.permit).await?;
    let result = scratch.0.join("result.json");
    let temporary = scratch.0.join("tmp");
    let timeout = Duration::from_secs(function.timeout_seconds.into());
    let deadline = SystemTime::now() + timeout;
    let deadline = deadline.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis().to_string();

    let mut command = Command::new(&interpreter.program);
    match function.runtime {
        Runtime::Nodejs22 => command.args(["-e", NODE, "--"]),
        Runtime::Python313 | Runtime::Rust => command.args(["-u", "-c", PYTHON]),
    };
    command.arg(&function.handler).arg(&result).arg(deadline).current_dir(&root);
    command.env_clear().envs(machine()).envs(endpoint.environment()).envs(&function.environment).envs([
        ("AWS_LAMBDA_FUNCTION_NAME", execution.name),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", &function.memory_mib.to_string()),
        ("AWS_LAMBDA_FUNCTION_TIMEOUT", &function.timeout_seconds.to_string()),
        ("AWS_LAMBDA_LOG_GROUP_NAME", &function.log_group),
        ("AWS_LAMBDA_LOG_STREAM_NAME", execution.log_stream),
        ("AWS_EXECUTION_ENV", &format!("pumphouse_{}", function.runtime.word())),
        ("PUMPHOUSE_REQUEST_ID", execution.request_id),
        ("_HANDLER", &function.handler),
        ("TZ", "UTC"),
    ]);
    command.env("LAMBDA_TASK_ROOT", &root).env("TMPDIR", &temporary);
    // The code's folder is shared by the invocations: nothing is to be written there.
    command.env("PYTHONDONTWRITEBYTECODE", "1").env("PYTHONIOENCODING", "utf-8");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.process_group(0).kill_on_drop(true);

    let program = interpreter.program.display().to_string();
    let mut child = command.spawn().map_err(|e| Error::Unavailable(format!("{program} cannot be started: {e}")))?;
    let group = Group(child.id());
    let event = execution.event.to_string();
    let stdin = child.stdin.take();
    let feed = AbortOnDropHandle::new(tokio::spawn(async move {
        if let Some(mut stdin) = stdin {
            // A function that ends without reading its event is told by its end.
            let _ = stdin.write_all(event.as_bytes()).await;
        }
    }));
    let out = child.stdout.take().map(|s| AbortOnDropHandle::new(tokio::spawn(pump(s, execution.log.clone()))));
    let err = child.stderr.take().map(|s| AbortOnDropHandle::new(tokio::spawn(pump(s, execution.log.clone()))));
    let (process, limit) = (child.id(), u64::from(function.memory_mib));
    let status = tokio::select! {
        status = child.wait() => Some(status.map_err(|e| Error::Unavailable(format!("{program}: {e}")))?),
        () = too_much_memory(process, limit) => None,
    };
    // What it left running would hold the pipes open.
    drop(group);
    drop(feed);
    let rest = async {
        for reader in [out, err].into_iter().flatten() {
            let _ = reader.await;
        }
    };
    let _ = tokio::time::timeout(REST, rest).await;
    let Some(status) = status else {
        return Ok(out_of_memory(limit, None));
    };
    let executed = local.blocking(move || Ok(read_answer(&result, status, scratch))).await?;
    Ok(match executed.memory_mib {
        // Between two looks.
        Some(used) if used > limit => out_of_memory(limit, Some(used)),
        _ => executed,
    })
}

/// Returns when a process takes more than it may, where the system tells; AWS Lambda ends one that does.
async fn too_much_memory(process: Option<u32>, limit_mib: u64) {
    let path = process.map(|id| PathBuf::from(format!("/proc/{id}/status")));
    loop {
        tokio::time::sleep(LOOK_AT_MEMORY).await;
        let status = path.as_ref().and_then(|path| fs::read_to_string(path).ok()).unwrap_or_default();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
        if resident.and_then(|kib| kib.trim().parse::<u64>().ok()).is_some_and(|kib| kib.div_ceil(1024) > limit_mib) {
            return;
        }
    }
}

fn out_of_memory(limit_mib: u64, used: Option<u64>) -> Executed {
    let taken = used.map_or_else(|| "more memory".to_owned(), |used| format!("{used} MiB of memory, more"));
    let message = format!("the function took {taken} than the {limit_mib} MiB that it has: raise its `memory_mib`");
    Executed {
        answer: Answer::Error("Runtime.OutOfMemory".into(), message),
        memory_mib: Some(used.unwrap_or(limit_mib)),
    }
}

fn in_words(runtime: Runtime, interpreter: &Interpreter) -> String {
    let Interpreter { program, version } = interpreter;
    let wanted = match runtime {
        Runtime::Nodejs22 => "22.",
        Runtime::Python313 | Runtime::Rust => "3.13.",
    };
    let place = if version.starts_with(wanted) { "for" } else { "in place of" };
    format!("INIT_START Runtime Version: {version} ({}) {place} {}", program.display(), runtime.word())
}

fn read_answer(path: &Path, status: ExitStatus, scratch: Scratch) -> Executed {
    let size = fs::metadata(path).map_or(0, |m| m.len());
    if size > MAX_RESULT {
        let message = format!("Response payload size exceeded maximum allowed payload size ({MAX_RESULT} bytes).");
        let answer = Answer::Error("Function.ResponseSizeTooLarge".into(), message);
        return Executed { answer, memory_mib: None };
    }
    let mut found: Value = fs::read(path).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
    drop(scratch);
    let memory_mib = found.get("memoryKib").and_then(Value::as_u64).map(|kib| kib.div_ceil(1024));
    if let Some(payload) = found.get_mut("payload") {
        return Executed { answer: Answer::Payload(payload.take()), memory_mib };
    }
    let text = |name: &str| found.get(name).and_then(Value::as_str).map(str::to_owned);
    let answer = match (text("errorType"), text("errorMessage")) {
        (Some(kind), Some(message)) => Answer::Error(kind, message),
        _ => Answer::Error("Runtime.ExitError".into(), format!("the process ended without an answer: {status}")),
    };
    Executed { answer, memory_mib }
}

/// What a child process gets of this process's environment.
fn machine() -> impl Iterator<Item = (&'static str, OsString)> {
    ["PATH", "HOME", "LANG"].into_iter().filter_map(|name| Some((name, std::env::var_os(name)?)))
}

/// Logs what comes out of a pipe, line by line.
async fn pump(pipe: impl AsyncRead + Unpin, log: Arc<dyn LogSink>) {
    let logged = |line: String| {
        log.line(&line);
        std::future::ready(())
    };
    each_line(pipe, logged).await;
}

/// Gives what comes out of a pipe, line by line: nothing more is read before a line was taken.
pub(super) async fn each_line<F: Future<Output = ()>>(
    mut pipe: impl AsyncRead + Unpin,
    mut take: impl FnMut(String) -> F,
) {
    let mut line = Vec::new();
    let mut chunk = vec![0; 8 << 10];
    while let Ok(count) = pipe.read(&mut chunk).await {
        if count == 0 {
            break;
        }
        for part in chunk.get(..count).unwrap_or_default().split_inclusive(|b| *b == b'\n') {
            line.extend_from_slice(part);
            if line.ends_with(b"\n") || line.len() >= MAX_LINE {
                take(as_text(&line)).await;
                line.clear();
            }
        }
    }
    if !line.is_empty() {
        take(as_text(&line)).await;
    }
}

/// A line without its end.
fn as_text(line: &[u8]) -> String {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    String::from_utf8_lossy(line).into_owned()
}

/// A child's process group; killed when dropped. A group's number is not given to another while one of it lives.
pub(super) struct Group(pub(super) Option<u32>);

impl Drop for Group {
    fn drop(&mut self) {
        signal_group(self, "KILL");
    }
}

/// Sends a signal to all processes of a group.
pub(super) fn signal_group(group: &Group, signal: &str) {
    let Some(id) = group.0 else { return };
    // The shell's own kill: the only way to a group that needs neither unsafe code nor another program.
    let killed = std::process::Command::new("/bin/sh")
        .args(["-c", &format!("kill -s {signal} -- -{id}")])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if let Err(error) = killed {
        tracing::warn!(%error, group = id, "a child's processes could not be told to end");
    }
}

/// An invocation's own folder; removed when dropped, or by the next one when this process has died.
struct Scratch(PathBuf);

impl Scratch {
    fn new(local: &Local) -> Result<Self> {
        let dir = local.inner.store.dir();
        let parent = dir.join("tmp");
        let me = local.inner.process.as_ref().map_or("none", |p| p.id());
        for left in fs::read_dir(&parent).into_iter().flatten().flatten() {
            let name = left.file_name();
            let owner = name.to_str().and_then(|n| n.split_once('-')).map(|(owner, _)| owner);
            if owner.is_some_and(|owner| !process::alive(dir, owner)) {
                let _ = fs::remove_dir_all(left.path());
            }
        }
        let path = parent.join(format!("{me}-{}", uuid::Uuid::new_v4().simple()));
        fs::create_dir_all(path.join("tmp")).map_err(|e| at(&path, e))?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Lays a function's files out in a folder of their own, named after what they hold, once for all its invocations.
fn lay_out(local: &Local, code: &Code) -> Result<PathBuf> {
    let store = &local.inner.store;
    let mut hash = Sha256::new();
    for (path, sha256) in &code.files {
        let safe = Path::new(path).components().all(|c| matches!(c, Component::Normal(_))) && !path.is_empty();
        if !safe {
            return Err(Error::Invalid(format!("the code's file {path:?} does not lie in the code's folder")));
        }
        hash.update(format!("{path}\0{sha256}\0"));
    }
    let parent = store.dir().join("code");
    let root = parent.join(hex::encode(hash.finalize()));
    if root.is_dir() {
        return Ok(root);
    }
    let fresh = parent.join(format!("new-{}", uuid::Uuid::new_v4().simple()));
    for (path, sha256) in &code.files {
        let (from, to) = (store.asset_path(sha256), fresh.join(path));
        if let Some(folder) = to.parent() {
            fs::create_dir_all(folder).map_err(|e| at(folder, e))?;
        }
        fs::copy(&from, &to).map_err(|e| at(&from, e))?;
    }
    fs::create_dir_all(&fresh).map_err(|e| at(&fresh, e))?;
    match fs::rename(&fresh, &root) {
        Ok(()) => Ok(root),
        // Another invocation was quicker.
        Err(_) if root.is_dir() => {
            let _ = fs::remove_dir_all(&fresh);
            Ok(root)
        }
        Err(error) => Err(at(&root, error)),
    }
}

/// The interpreter of a runtime; looked for until it is found.
async fn interpreter(runtime: Runtime) -> Result<Interpreter> {
    static FOUND: Mutex<Option<HashMap<&'static str, Interpreter>>> = Mutex::new(None);
    let known = |found: &Mutex<Option<HashMap<_, Interpreter>>>| {
        found.lock().unwrap_or_else(PoisonError::into_inner).as_ref()?.get(runtime.word()).cloned()
    };
    if let Some(interpreter) = known(&FOUND).filter(|i| i.program.is_file()) {
        return Ok(interpreter);
    }
    let interpreter = find(runtime, &std::env::var_os("PATH").unwrap_or_default()).await?;
    let mut found = FOUND.lock().unwrap_or_else(PoisonError::into_inner);
    found.get_or_insert_default().insert(runtime.word(), interpreter.clone());
    Ok(interpreter)
}

/// Looks for an interpreter in the folders of `path`, and asks it for its version: a name on the path may be a shim
/// without anything behind it.
async fn find(runtime: Runtime, path: &OsStr) -> Result<Interpreter> {
    let (names, question, install) = match runtime {
        Runtime::Nodejs22 => (
            &["node"][..],
            ["-e", "console.log(process.versions.node); console.log(process.execPath)"],
            "Node.js 22 (https://nodejs.org)",
        ),
        Runtime::Python313 | Runtime::Rust => (
            &["python3.13", "python3"][..],
            ["-c", "import sys; print('%d.%d.%d' % sys.version_info[:3]); print(sys.executable)"],
            "Python 3.13 (https://www.python.org)",
        ),
    };
    for name in names {
        for folder in std::env::split_paths(path).filter(|f| f.is_absolute()) {
            let program = folder.join(name);
            if !program.is_file() {
                continue;
            }
            let mut command = Command::new(&program);
            command.args(question).env_clear().envs(machine()).stdin(Stdio::null()).kill_on_drop(true);
            let Ok(Ok(output)) = tokio::time::timeout(PROBE, command.output()).await else { continue };
            let text = String::from_utf8_lossy(&output.stdout);
            let mut lines = text.lines();
            if let (true, Some(version), Some(real)) = (output.status.success(), lines.next(), lines.next()) {
                let real = PathBuf::from(real);
                let program = if real.is_file() { real } else { program };
                return Ok(Interpreter { program, version: version.to_owned() });
            }
        }
    }
    Err(Error::Unavailable(format!(
        "the runtime {} needs {} on this machine: install {install} and see that it is on the PATH",
        runtime.word(),
        names.join(" or ")
    )))
}

#[cfg(test)]
#[path = "runtime_tests.rs"]
mod tests;
