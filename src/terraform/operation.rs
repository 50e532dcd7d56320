//! An apply of a saved plan, which outlives whoever has begun it.
//!
//! It runs in a process group of its own, with its streams in files, under a shell that writes its exit code down. Its
//! standard input is a file that is locked: whoever asks whether it is under way tries to take that lock.

use std::{
    collections::{HashMap, HashSet},
    fs::{self, File},
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use rustix::process::{Pid, Signal, kill_process_group};

use super::{
    command::{Program, last_lines},
    diagnostic,
    folder::{self, Folder, Record},
    mask::Scrubber,
    message::Stream,
    plan::Plan,
};
use crate::cloud::{
    Error, Result,
    stacks::{Operation, Progress, StackEvent},
};

/// Runs its arguments and writes their exit code into a file, whatever it is told meanwhile.
const SHELL: &str =
    r#"exit=$1; shift; trap : INT TERM HUP; "$@"; code=$?; echo "$code" > "$exit.new" && mv "$exit.new" "$exit""#;
/// How often a stream is looked into for more.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// How an operation ended.
pub struct End {
    /// What is written down of it.
    pub record: Record,
    /// Why it failed, where it did.
    pub error: Option<Error>,
}

/// The operations of one directory.
#[derive(Default)]
pub struct Operations {
    /// What is sensitive in them, by their ids.
    scrubbers: Mutex<HashMap<String, Scrubber>>,
    /// Those that somebody in this process follows, and will write the end of down.
    followed: Arc<Mutex<HashSet<String>>>,
}

/// While it is held, an operation is followed.
pub struct Followed {
    id: String,
    all: Arc<Mutex<HashSet<String>>>,
}

impl Drop for Followed {
    fn drop(&mut self) {
        self.all.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}

impl Operations {
    /// What is to be kept out of the texts of an operation; none where that cannot be known any more.
    pub async fn scrubber(&self, program: &Program, dir: &Path, id: &str) -> Option<Scrubber> {
        let known = || self.scrubbers.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned();
        if let Some(known) = known() {
            return Some(known);
        }
        let plan = dir.join("plan");
        if !plan.is_file() {
            return None;
        }
        let said = program.run(&["show".into(), "-json".into(), plan.into()], true).await.ok()?;
        let scrubber = Plan::read(&said.stdout).ok()?.scrubber();
        self.learn(id, scrubber.clone());
        Some(scrubber)
    }

    /// Takes an operation on, to follow it.
    pub fn follow(&self, id: &str) -> Followed {
        self.followed.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned());
        Followed { id: id.to_owned(), all: self.followed.clone() }
    }

    /// Whether somebody in this process follows an operation.
    pub fn followed(&self, id: &str) -> bool {
        self.followed.lock().unwrap_or_else(PoisonError::into_inner).contains(id)
    }

    /// Remembers what is sensitive in an operation.
    pub fn learn(&self, id: &str, scrubber: Scrubber) {
        self.scrubbers.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned(), scrubber);
    }
}

/// Begins to apply a plan: `args` are Terraform's, and the plan is the last of them.
pub fn begin(program: &Program, folder: &Folder, record: &mut Record, plan: &Path, args: &[&str]) -> Result<()> {
    let dir = folder.begin(&record.operation.id, plan)?;
    let lock_path = dir.join("lock");
    let lock = folder::private(&lock_path)?;
    lock.lock().map_err(|e| folder::at(&lock_path, &e))?;
    folder.save(record)?;
    let (out, err) = (folder::private(&dir.join("out.jsonl"))?, folder::private(&dir.join("err.log"))?);
    let mut command = std::process::Command::new("/bin/sh");
    program.prepare(&mut command, true);
    command
        .args(["-c", SHELL, "pumphouse"])
        .arg(dir.join("exit"))
        .arg(&program.binary)
        .args(args)
        .arg(dir.join("plan"));
    command.stdin(lock).stdout(out).stderr(err);
    let mut child = tokio::process::Command::from(command)
        .spawn()
        .map_err(|e| Error::Unavailable(format!("/bin/sh, which starts {}: {e}", program.binary)))?;
    record.pid = child.id();
    record.pid_started = child.id().and_then(folder::started);
    // It goes on when we end; while we are here, somebody has to take note of its end.
    tokio::spawn(async move {
        let _ = child.wait().await;
    });
    folder.save(record)
}

/// Whether an operation is under way.
pub fn alive(dir: &Path) -> bool {
    folder::locked(&dir.join("lock")) && !dir.join("exit").exists()
}

/// Asks an operation to end early, as Ctrl-C at its terminal would.
pub fn interrupt(folder: &Folder, record: &Record) -> Result<()> {
    let pid = record.pid.and_then(|pid| Pid::from_raw(pid as i32));
    let same = record.pid.and_then(folder::started) == record.pid_started && record.pid_started.is_some();
    let Some(pid) = pid.filter(|_| same && alive(&folder.operation(&record.operation.id))) else {
        return Err(Error::Conflict(format!(
            "the process that was started for operation {} is not there any more: nothing is interrupted",
            record.operation.id
        )));
    };
    folder.save(&Record { interrupted: true, ..record.clone() })?;
    kill_process_group(pid, Signal::INT).map_err(|e| Error::Unavailable(format!("it cannot be interrupted: {e}")))
}

/// Follows an operation to its end, telling what it tells, from its beginning on. None of `progress`: to look what there
/// is, without waiting for more.
pub async fn follow(
    folder: &Folder,
    record: &Record,
    scrubber: Option<Scrubber>,
    progress: Option<&Progress>,
) -> (Vec<StackEvent>, Stream) {
    let dir = folder.operation(&record.operation.id);
    let told = scrubber.is_some();
    let mut stream = Stream::new(record.stack.clone(), record.total, scrubber.unwrap_or_default());
    let mut tail = Tail { path: dir.join("out.jsonl"), ..Tail::default() };
    let mut events = Vec::new();
    let mut tell = |mut event: StackEvent| {
        // Where nobody can say what is sensitive, nothing is told but what Terraform says of resources.
        if !told {
            event.reason = None;
        }
        if let Some(progress) = progress {
            let _ = progress.send(event.clone());
        }
        events.push(event);
    };
    tell(whole(record, &stream, record.operation.started, "IN_PROGRESS", None));
    loop {
        // First, so that what was written before the end is read.
        let under_way = alive(&dir);
        for line in tail.lines(!under_way) {
            let notes = stream.notes.len();
            if let Some(event) = stream.line(&line) {
                tell(event);
            }
            for note in stream.notes.get(notes..).unwrap_or_default().to_vec() {
                tell(StackEvent {
                    status: "NOTE".to_owned(),
                    ..whole(record, &stream, Timestamp::now(), "NOTE", Some(note))
                });
            }
        }
        if !under_way || progress.is_none() {
            return (events, stream);
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// An event of the whole stack.
fn whole(record: &Record, stream: &Stream, time: Timestamp, status: &str, reason: Option<String>) -> StackEvent {
    StackEvent {
        time,
        stack: record.stack.clone(),
        logical_id: record.stack.clone(),
        kind: "stack".to_owned(),
        status: format!("{}_{status}", record.operation.kind.to_uppercase()),
        reason,
        done: stream.done,
        total: stream.total,
    }
}

/// What has become of an operation that is not under way any more, told by its exit code and its stream.
fn judge(folder: &Folder, record: &Record, stream: &Stream, scrubber: Option<&Scrubber>) -> End {
    // Where nobody can say what is sensitive, the last words are not told.
    let told = scrubber.is_some();
    let scrubber = &scrubber.cloned().unwrap_or_default();
    let dir = folder.operation(&record.operation.id);
    let code: Option<i32> = fs::read_to_string(dir.join("exit")).ok().and_then(|text| text.trim().parse().ok());
    let said = if told { last_lines(&fs::read(dir.join("err.log")).unwrap_or_default()) } else { String::new() };
    let kind = record.operation.kind.to_uppercase();
    let name = record.stack.clone();
    // Somebody may have asked for its end since it was begun.
    let asked = folder.record(&record.operation.id).is_some_and(|r| r.interrupted);
    let (status, error) = match code {
        Some(0) => (format!("{kind}_COMPLETE"), None),
        Some(code) => {
            let died = stream.diagnostics.iter().all(|d| !d.is_error());
            let what = match (record.operation.kind.as_str(), died) {
                ("delete", false) => "the destroy".to_owned(),
                (_, false) => "the apply".to_owned(),
                (_, true) => format!("Terraform ended in the middle, with exit code {code}: the apply"),
            };
            let error = match diagnostic::failure(&name, &what, &stream.diagnostics, &said, scrubber) {
                Error::Failed(why) if asked => Error::Failed(format!("interrupted; {}; {why}", stream.achieved())),
                Error::Failed(why) => Error::Failed(format!("{why}\n{}", stream.achieved())),
                other => other,
            };
            (format!("{kind}_FAILED"), Some(error))
        }
        None => {
            let said = if said.is_empty() { String::new() } else { format!("\n{}", scrubber.scrub(&said)) };
            let why = format!(
                "the process that worked on {name} was killed, and may have left the state locked and resources that it does \
                 not know of; {}: plan again{said}",
                stream.achieved()
            );
            ("INTERRUPTED".to_owned(), Some(Error::Failed(why)))
        }
    };
    let operation = Operation {
        ended: Some(ended(&dir)),
        status,
        changes: stream.done,
        reason: error.as_ref().map(ToString::to_string),
        ..record.operation.clone()
    };
    End { record: Record { operation, interrupted: asked, ..record.clone() }, error }
}

/// Writes the end of an operation down, unless somebody else has by now, whose word then counts. Gives it with the events
/// that come after those that were told.
pub fn conclude(
    folder: &Folder,
    record: &Record,
    stream: &Stream,
    scrubber: Option<&Scrubber>,
    mut events: Vec<StackEvent>,
) -> Result<(End, Vec<StackEvent>)> {
    let end = judge(folder, record, stream, scrubber);
    if let Some(known) = folder.record(&record.operation.id).filter(|known| known.operation.ended.is_some()) {
        let why = known.operation.reason.clone();
        let error = why.filter(|_| !known.operation.status.ends_with("_COMPLETE")).map(Error::Failed);
        // Whoever wrote it down has taken the raw stream away, which may not have been read to its end.
        let mut rest = folder.events(&record.operation.id);
        // Not all of a great many are kept: then its end is what has not been told.
        rest.drain(..events.len().min(rest.len().saturating_sub(1)));
        return Ok((End { record: known, error }, rest));
    }
    let last = last_event(&end, stream);
    events.push(last.clone());
    folder.end(&end.record, &events)?;
    Ok((end, vec![last]))
}

/// When an operation ended: when its last word was written.
fn ended(dir: &Path) -> Timestamp {
    let files = ["exit", "out.jsonl", "operation.json"].map(|name| dir.join(name));
    let times = files.iter().filter_map(|path| fs::metadata(path).and_then(|m| m.modified()).ok());
    times.map(Timestamp::try_from).find_map(std::result::Result::ok).unwrap_or_else(Timestamp::now)
}

/// The event that ends an operation.
fn last_event(end: &End, stream: &Stream) -> StackEvent {
    let record = &end.record;
    StackEvent {
        status: record.operation.status.clone(),
        ..whole(
            record,
            stream,
            record.operation.ended.unwrap_or_else(Timestamp::now),
            "",
            record.operation.reason.clone(),
        )
    }
}

/// The lines of a file that grows.
#[derive(Default)]
struct Tail {
    path: PathBuf,
    at: u64,
    rest: Vec<u8>,
}

impl Tail {
    /// The lines that have come since; at the end also one that nobody has ended.
    fn lines(&mut self, last: bool) -> Vec<Vec<u8>> {
        let mut fresh = Vec::new();
        let read = File::open(&self.path).and_then(|mut file| {
            file.seek(SeekFrom::Start(self.at))?;
            file.read_to_end(&mut fresh)
        });
        self.at += read.unwrap_or_default() as u64;
        self.rest.extend(fresh);
        let mut lines: Vec<Vec<u8>> = self.rest.split(|b| *b == b'\n').map(<[u8]>::to_vec).collect();
        self.rest = lines.pop().unwrap_or_default();
        if last && !self.rest.is_empty() {
            lines.push(std::mem::take(&mut self.rest));
        }
        lines
    }
}
