//! The processes that do a release's work: a check in the shell, a plan or a deploy by this very program.
//!
//! Each has a process group of its own. It is written down before it begins: the shell that becomes it waits for a line,
//! which it is given when its number stands in the state, and ends where nobody is left to give it. So whoever carries on
//! after a kill -9 knows what may still be running, and ends that first.

use std::{
    collections::VecDeque,
    ffi::OsString,
    fs,
    path::Path,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWriteExt},
    process::Command,
    sync::mpsc::{self, Receiver, Sender},
};
use tokio_util::task::AbortOnDropHandle;

use super::super::{
    Local, logs,
    runtime::{Group, each_line, signal_group},
};
use crate::cloud::{Error, Result};

/// Becomes what it is to execute when it is told to.
const GATE: &str = "read -r go || exit 125; exec \"$@\" </dev/null";
/// By this variable a process is known as one of a certain step.
const MARK: &str = "PUMPHOUSE_RELEASE_STEP";
/// How long a process may take to end that is asked to.
const GRACE: Duration = Duration::from_secs(5);
/// How long what is left in the pipes of an ended process is waited for: what has left its group may hold them open.
const REST: Duration = Duration::from_secs(10);
/// The last lines that are kept for telling why it failed.
const LAST: usize = 12;
/// Lines that are written to the log in one transaction; a process that says more at once waits.
const BATCH: usize = 500;
/// Bytes of what a process says that are written to the log: one that says the same for ever fills no disk.
const MOST_LOGGED: usize = 64 << 20;

/// A process that waits to be let go.
pub(super) struct Child {
    process: tokio::process::Child,
    group: Group,
    /// What it is known by: number, start, mark.
    pub(super) name: String,
}

/// How it ended.
pub(super) struct Ended {
    /// None where it was ended by us.
    pub(super) status: Option<ExitStatus>,
    /// Its last lines.
    pub(super) last: Vec<String>,
}

impl Child {
    /// Starts a process in a folder that waits to be let go. What the environment tells pumphouse and git is not passed on:
    /// a release goes the same way whoever carries it on.
    pub(super) fn spawn(args: &[OsString], folder: &Path, vars: &[(&str, OsString)]) -> Result<Self> {
        let mark = uuid::Uuid::new_v4().simple().to_string();
        let mut command = Command::new("/bin/sh");
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy();
            if name.starts_with("PUMPHOUSE_") && name != "PUMPHOUSE_POSTGRES_BIN" || name.starts_with("GIT_") {
                command.env_remove(&*name);
            }
        }
        command.args(["-c", GATE, "pumphouse-release"]).args(args).current_dir(folder);
        command.envs(vars.iter().map(|(name, value)| (*name, value))).env(MARK, &mark);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.process_group(0).kill_on_drop(true);
        let process = command.spawn().map_err(|e| Error::Unavailable(format!("no shell can be started: {e}")))?;
        let id = process.id();
        let pid = id.unwrap_or_default();
        let name = format!("{pid} {} {mark}", started(pid).unwrap_or_else(|| "-".into()));
        Ok(Self { process, group: Group(id), name })
    }

    /// Lets it go, writes what it says to a log stream, and waits for its end; where `end` comes first, it is asked to end,
    /// and made to.
    pub(super) async fn run(
        mut self,
        local: &Local,
        (group, stream): (&str, &str),
        end: impl Future<Output = ()>,
    ) -> Result<Ended> {
        let (lines, said) = mpsc::channel(BATCH);
        let writing = tokio::spawn(write_down(local.clone(), group.to_owned(), stream.to_owned(), said));
        let out = self.process.stdout.take().map(|pipe| listen(pipe, &lines));
        let err = self.process.stderr.take().map(|pipe| listen(pipe, &lines));
        drop(lines);
        if let Some(mut gate) = self.process.stdin.take() {
            // One that has ended already is told by its end.
            let _ = gate.write_all(b"go\n").await;
        }
        let broken = |e: std::io::Error| Error::Unavailable(format!("a release's process: {e}"));
        let status = tokio::select! {
            status = self.process.wait() => Some(status.map_err(broken)?),
            () = end => {
                signal_group(&self.group, "TERM");
                let _ = tokio::time::timeout(GRACE, self.process.wait()).await;
                None
            }
        };
        // What it left running would hold the pipes open.
        drop(self.group);
        let rest = async {
            for reader in [out, err].into_iter().flatten() {
                let _ = reader.await;
            }
        };
        let _ = tokio::time::timeout(REST, rest).await;
        Ok(Ended { status, last: writing.await.unwrap_or_default() })
    }
}

/// Takes what a process says into a pipe.
fn listen(pipe: impl AsyncRead + Unpin + Send + 'static, lines: &Sender<String>) -> AbortOnDropHandle<()> {
    let lines = lines.clone();
    let take = move |line| {
        let lines = lines.clone();
        async move {
            let _ = lines.send(line).await;
        }
    };
    AbortOnDropHandle::new(tokio::spawn(each_line(pipe, take)))
}

/// Writes what a process says to a log stream until nobody says anything any more; its last lines.
async fn write_down(local: Local, group: String, stream: String, mut said: Receiver<String>) -> Vec<String> {
    let (mut batch, mut last, mut left) = (Vec::new(), VecDeque::new(), MOST_LOGGED);
    while said.recv_many(&mut batch, BATCH).await > 0 {
        for line in batch.iter().skip(batch.len().saturating_sub(LAST)) {
            if last.len() == LAST {
                last.pop_front();
            }
            // What is longer is in the log.
            last.push_back(line.chars().take(2_000).collect());
        }
        let mut lines = std::mem::take(&mut batch);
        if left == 0 {
            continue;
        }
        let mut fits = 0;
        for line in &lines {
            left = left.saturating_sub(line.len() + 1);
            if left == 0 {
                break;
            }
            fits += 1;
        }
        lines.truncate(fits);
        if left == 0 {
            lines.push(format!("the rest is not logged: the log of a step holds {} MiB", MOST_LOGGED >> 20));
        }
        let (group, stream, now) = (group.clone(), stream.clone(), local.inner.clock.now_ms());
        let written = local.inner.store.write(move |t| {
            let events: Vec<_> = lines.iter().map(|line| (now, line.as_str())).collect();
            logs::append(t, &group, &stream, &events)
        });
        if let Err(error) = written.await {
            tracing::warn!(%error, "what a release's step says was not written down");
        }
    }
    last.into()
}

/// When a process began, as the system tells it: with its number, it is that process and no other.
fn started(pid: u32) -> Option<String> {
    if let Some(stat) = stat(pid) {
        return Some(stat.started);
    }
    if Path::new("/proc/self/stat").exists() {
        return None;
    }
    let said = std::process::Command::new("ps").args(["-o", "lstart=", "-p", &pid.to_string()]).output().ok()?;
    let said = String::from_utf8_lossy(&said.stdout).split_whitespace().collect::<Vec<_>>().join("_");
    (!said.is_empty()).then_some(said)
}

struct Stat {
    group: u32,
    started: String,
}

fn stat(pid: u32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The program's name stands in brackets and may hold anything.
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    Some(Stat { group: fields.get(2)?.parse().ok()?, started: (*fields.get(19)?).to_owned() })
}

/// Ends what is left of a step's processes whose pumphouse has died; whether there was anything.
pub(super) fn end_left_over(name: &str) -> bool {
    let mut words = name.split(' ');
    let (Some(pid), Some(began), Some(mark)) = (words.next().and_then(|w| w.parse().ok()), words.next(), words.next())
    else {
        return false;
    };
    if !is_that(pid, began, mark) {
        return false;
    }
    // A group's number is given to no other while one of it lives.
    drop(Group(Some(pid)));
    true
}

/// Whether the process group of this number is the one that was written down: by its first process, or, where that has
/// ended, by one that has the step's mark.
fn is_that(pid: u32, began: &str, mark: &str) -> bool {
    if started(pid).as_deref() == Some(began) {
        return true;
    }
    let marked = format!("{MARK}={mark}");
    let all = fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut members = all
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .filter(|other| stat(*other).is_some_and(|stat| stat.group == pid));
    members.any(|member| {
        let environment = fs::read(format!("/proc/{member}/environ")).unwrap_or_default();
        environment.split(|b| *b == 0).any(|variable| variable == marked.as_bytes())
    })
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::local::testing;

    fn shell(script: &str) -> Child {
        Child::spawn(&["/bin/sh".into(), "-c".into(), script.into()], Path::new("/"), &[]).unwrap()
    }

    fn number(name: &str) -> u32 {
        name.split(' ').next().unwrap().parse().unwrap()
    }

    #[tokio::test]
    async fn what_it_says_is_logged_and_its_end_told() {
        let (_dir, local) = testing::local();
        let ended = shell("echo out; echo err >&2; printf last; exit 3")
            .run(&local, ("g", "s"), std::future::pending())
            .await
            .unwrap();
        assert_eq!(ended.status.and_then(|s| s.code()), Some(3));
        let mut last = ended.last.clone();
        last.sort();
        assert_eq!(last, ["err", "last", "out"]);
        let read = crate::cloud::logs::ReadLogs { groups: vec!["g".into()], ..Default::default() };
        let page = crate::cloud::logs::Logs::read(&local, &read).await.unwrap();
        assert_eq!(page.events.len(), 3);
    }

    #[tokio::test]
    async fn one_that_says_too_much_is_logged_in_part_and_its_last_words_are_kept() {
        let (_dir, local) = testing::local();
        let script = format!("head -c {} /dev/zero | tr '\\0' x; echo; echo the end; exit 1", MOST_LOGGED + (1 << 20));
        let ended = shell(&script).run(&local, ("g", "s"), std::future::pending()).await.unwrap();
        assert_eq!(ended.last.last().map(String::as_str), Some("the end"));
        let logged = |c: &rusqlite::Connection| {
            let one = |query: &str| c.query_row(query, [], |r| r.get::<_, String>(0));
            let bytes = one("select cast(sum(length(message)) as text) from log_events")?;
            Ok::<_, rusqlite::Error>((bytes, one("select message from log_events order by rowid desc limit 1")?))
        };
        let (bytes, last) = local.inner.store.read_now(|c| logged(c).map_err(Error::storage)).unwrap();
        assert!(bytes.parse::<usize>().unwrap() <= MOST_LOGGED, "{bytes}");
        assert_eq!(last, "the rest is not logged: the log of a step holds 64 MiB");
    }

    #[tokio::test]
    async fn it_is_ended_with_all_that_it_started() {
        let (_dir, local) = testing::local();
        let begun = Instant::now();
        let child = shell("sleep 600 & sleep 600");
        let pid = number(&child.name);
        let end = tokio::time::sleep(Duration::from_millis(200));
        let ended = child.run(&local, ("g", "s"), end).await.unwrap();
        assert!(ended.status.is_none() && begun.elapsed() < Duration::from_mins(1));
        assert!(stat(pid).is_none_or(|s| s.group != pid));
    }

    #[tokio::test]
    async fn one_that_nobody_lets_go_does_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let mark = dir.path().join("done");
        let mut child = shell(&format!("touch {}", mark.display()));
        drop(child.process.stdin.take());
        assert_eq!(child.process.wait().await.unwrap().code(), Some(125));
        assert!(!mark.exists());
    }

    #[tokio::test]
    async fn what_is_left_over_is_ended_and_nothing_else() {
        let mut child = shell("sleep 600 & exec sleep 600");
        child.process.stdin.take().unwrap().write_all(b"go\n").await.unwrap();
        tokio::time::sleep(Duration::from_millis(200)).await;
        let name = child.name.clone();
        let pid = number(&name);
        let other = format!("{pid} 1 {}", uuid::Uuid::new_v4().simple());
        assert!(!end_left_over(&other), "another process has the number by now");
        assert!(!end_left_over("no name"));
        // Its first process is gone, what that has started is not.
        std::process::Command::new("kill").args(["-KILL", &pid.to_string()]).status().unwrap();
        child.process.wait().await.unwrap();
        assert!(end_left_over(&name));
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert!(!end_left_over(&name));
        std::mem::forget(child.group);
    }
}
