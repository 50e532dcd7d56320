//! `doctor`: what keeps pumphouse from working well here, and what to do about it.

use std::{
    io::{self, IsTerminal},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde::Serialize;

use super::{
    failure::{Failure, Result},
    out::{Cell, Column, size},
    session::Session,
};

/// How a check went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Grade {
    Ok,
    Warn,
    Fail,
}

/// One check.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Finding {
    check: &'static str,
    grade: Grade,
    found: String,
    advice: Option<String>,
}

const FINDINGS: [Column<Finding>; 4] = [
    ("check", |f| Cell::text(f.check)),
    ("grade", |f| {
        Cell::text(match f.grade {
            Grade::Ok => "ok",
            Grade::Warn => "warn",
            Grade::Fail => "fail",
        })
    }),
    ("found", |f| Cell::text(&f.found)),
    ("advice", |f| Cell::maybe(f.advice.as_ref(), Cell::text)),
];

/// Less free space than this is worth a warning: 1 GiB.
const LITTLE: u64 = 1 << 30;

/// Looks, and says what it found.
pub fn run(s: &Session) -> Result {
    let findings: Vec<_> = if s.settings.local.value { here(s) } else { on_aws(s)? };
    s.out.list(&findings, &FINDINGS, "")?;
    match findings.iter().filter(|f| f.grade == Grade::Fail).count() {
        0 => Ok(()),
        1 => Err(Failure::failed("one check failed: see its advice")),
        n => Err(Failure::failed(format!("{n} checks failed: see their advice"))),
    }
}

/// What matters on AWS.
fn on_aws(s: &Session) -> Result<Vec<Finding>> {
    let state = &s.settings.state_dir.value;
    let mut findings = vec![ok("cloud", "AWS"), state_dir(state, s.settings.read_only.value)];
    let runtime = super::runtime()?;
    findings.extend(runtime.block_on(super::doctor_aws::look(s))?);
    runtime.shutdown_timeout(super::GRACE);
    findings.extend([pipelines(s), terminal(), size_of_terminal(), colours(), encoding()]);
    Ok(findings)
}

/// What matters on this machine, which has the embedded cloud.
fn here(s: &Session) -> Vec<Finding> {
    let state = &s.settings.state_dir.value;
    [
        Some(cloud()),
        Some(state_dir(state, s.settings.read_only.value)),
        state_file(state),
        free_space(state),
        Some(driver(state)),
        Some(pipelines(s)),
        Some(terminal()),
        Some(size_of_terminal()),
        Some(colours()),
        Some(encoding()),
        Some(interpreter("python", "python3.13", "python3.13")),
        Some(interpreter("node", "node", "nodejs22.x")),
        Some(clock(state)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

pub(super) fn ok(check: &'static str, found: impl Into<String>) -> Finding {
    Finding { check, grade: Grade::Ok, found: found.into(), advice: None }
}

pub(super) fn warn(check: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Finding {
    Finding { check, grade: Grade::Warn, found: found.into(), advice: Some(advice.into()) }
}

pub(super) fn fail(check: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Finding {
    Finding { check, grade: Grade::Fail, found: found.into(), advice: Some(advice.into()) }
}

fn cloud() -> Finding {
    if cfg!(feature = "local") {
        ok("cloud", "the embedded cloud")
    } else {
        fail("cloud", "this build has none", "build it with the feature \"local\", which is cargo's default")
    }
}

/// The nearest folder on the way to `path` that exists.
fn existing(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    path.ancestors().find(|p| p.exists()).unwrap_or(Path::new("/")).to_owned()
}

fn state_dir(dir: &Path, read_only: bool) -> Finding {
    const CHECK: &str = "state folder";
    let shown = dir.display().to_string();
    if read_only {
        return match std::fs::File::open(dir.join("state.db")) {
            Ok(_) => ok(CHECK, format!("{shown}, for reading alone")),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                warn(CHECK, format!("{shown} holds no state: all is empty"), "name another folder with --state-dir")
            }
            Err(e) => fail(CHECK, format!("{shown}: {e}"), "name a folder that can be read with --state-dir"),
        };
    }
    let there = existing(dir);
    let probe = there.join(format!(".pumphouse-doctor-{}", uuid::Uuid::new_v4().simple()));
    let tried = std::fs::OpenOptions::new().write(true).create_new(true).open(&probe);
    let _ = std::fs::remove_file(&probe);
    match tried {
        Ok(_) if there == *dir => ok(CHECK, shown),
        Ok(_) => ok(CHECK, format!("{shown} (not there yet; it can be made)")),
        Err(e) => fail(
            CHECK,
            format!("{}: {e}", there.display()),
            "name a folder that can be written with --state-dir, or look without changing with --read-only",
        ),
    }
}

/// Whether the state itself is whole; nothing is said where there is none.
#[cfg(feature = "local")]
fn state_file(dir: &Path) -> Option<Finding> {
    use crate::local::store;
    const CHECK: &str = "state";
    if !dir.join("state.db").exists() {
        return None;
    }
    if !store::exists(dir) {
        return Some(warn(CHECK, "state.db has no content", "the next change makes a new state in it"));
    }
    Some(match store::verify(dir) {
        Ok(()) => ok(CHECK, "it can be read and is whole"),
        Err(e) => fail(
            CHECK,
            e.to_string(),
            "restore state.db from a copy, or start anew: name another folder with --state-dir",
        ),
    })
}

#[cfg(not(feature = "local"))]
fn state_file(_: &Path) -> Option<Finding> {
    None
}

/// From `df`, which every Unix has; nothing is said where it cannot be asked.
fn free_space(dir: &Path) -> Option<Finding> {
    let output = Command::new("df").arg("-Pk").arg(existing(dir)).stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let free = text.lines().nth(1)?.split_whitespace().nth(3)?.parse::<u64>().ok()?.checked_mul(1024)?;
    let found = format!("{} free", size(free));
    Some(if free < LITTLE {
        warn("disk space", found, "the embedded cloud keeps objects and logs in the state folder: make room")
    } else {
        ok("disk space", found)
    })
}

#[cfg(feature = "local")]
fn driver(dir: &Path) -> Finding {
    match crate::local::process::driver(dir) {
        Some(holder) => ok("driver", format!("{holder} fires schedules and delivers streams")),
        None => ok("driver", "no process drives schedules and streams: the console and `pumphouse local serve` do"),
    }
}

#[cfg(not(feature = "local"))]
fn driver(_: &Path) -> Finding {
    ok("driver", "no embedded cloud to drive")
}

fn pipelines(s: &Session) -> Finding {
    match super::connect::described(&s.settings) {
        (place, Ok(0)) => warn("pipelines", format!("none ({place})"), "name a folder of pipelines with --pipelines"),
        (place, Ok(n)) => ok("pipelines", format!("{n} ({place})")),
        (place, Err(e)) => fail("pipelines", format!("{place}: {e}"), "name a folder of pipelines with --pipelines"),
    }
}

fn terminal() -> Finding {
    let name = std::env::var("TERM").unwrap_or_default();
    if !io::stdout().is_terminal() {
        return ok("terminal", "the output is no terminal: the console needs one, the commands do not");
    }
    match name.as_str() {
        "" | "dumb" => warn(
            "terminal",
            format!("TERM is {name:?}"),
            "the console needs a terminal that can place its cursor: set TERM, for example to xterm-256color",
        ),
        _ => ok("terminal", format!("TERM is {name}")),
    }
}

fn size_of_terminal() -> Finding {
    match crossterm::terminal::size() {
        Ok((w, h)) if w >= 80 && h >= 24 => ok("terminal size", format!("{w}x{h}")),
        Ok((w, h)) => warn("terminal size", format!("{w}x{h}"), "the console is made for 80x24 and more"),
        Err(_) => ok("terminal size", "unknown: no terminal"),
    }
}

fn colours() -> Finding {
    let set = |name: &str| crate::config::environment(name);
    let found = if set("NO_COLOR").is_some() {
        "none: NO_COLOR is set"
    } else if set("COLORTERM").is_some_and(|v| v == "truecolor" || v == "24bit") {
        "16 million (COLORTERM)"
    } else if set("TERM").is_some_and(|v| v.contains("256color")) {
        "256 (TERM)"
    } else {
        "16"
    };
    ok("colours", found)
}

fn encoding() -> Finding {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(|name| crate::config::environment(name));
    match locale {
        Some(l) if l.to_ascii_lowercase().replace('-', "").contains("utf8") => ok("text", format!("UTF-8 ({l})")),
        other => warn(
            "text",
            format!("the locale is {}", other.as_deref().unwrap_or("not set")),
            "the console shows ASCII where the locale is not UTF-8: set LANG, for example to C.UTF-8",
        ),
    }
}

fn interpreter(check: &'static str, program: &str, runtime: &str) -> Finding {
    let version = Command::new(program).arg("--version").stdin(Stdio::null()).output();
    match version {
        Ok(out) if out.status.success() => ok(check, String::from_utf8_lossy(&out.stdout).trim().to_owned()),
        _ => warn(
            check,
            format!("no {program} on the PATH"),
            format!("only functions with runtime = {runtime:?} need it"),
        ),
    }
}

/// A state that was written later than now means a clock that was set back.
fn clock(dir: &Path) -> Finding {
    let now = std::time::SystemTime::now();
    let newest = ["state.db", "state.db-wal", "audit.jsonl"]
        .iter()
        .filter_map(|name| std::fs::metadata(dir.join(name)).ok()?.modified().ok())
        .max();
    let shown = jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M:%S UTC").to_string();
    match newest {
        Some(time) if time > now + std::time::Duration::from_secs(5) => warn(
            "clock",
            format!("{shown}, but the state was changed later than that"),
            "the machine's clock was set back: schedules wait until it has caught up",
        ),
        _ => ok("clock", shown),
    }
}
