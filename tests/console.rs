//! The console in a real terminal: it comes up, follows keys and other processes, and leaves the terminal as it was.
#![cfg(feature = "local")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "tests")]

#[path = "support/svg.rs"]
mod svg;
#[path = "support/term.rs"]
mod term;

use std::{
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;
use term::Term;

/// Names the state folder for [`holder_of_a_terminal`].
const HOLD: &str = "PUMPHOUSE_TEST_HOLDS_A_TERMINAL";
const BINARY: &str = env!("CARGO_BIN_EXE_pumphouse");

/// A state with crypto-stream deployed.
fn deployed() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    run(dir.path(), &["deploy", "crypto-stream", "--yes"]);
    dir
}

fn run(state: &Path, args: &[&str]) {
    let output = Command::new(BINARY)
        .args(["--local", "--state-dir"])
        .arg(state)
        .args(args)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn console(state: &Path, args: &[&str], cols: u16, rows: u16) -> Term {
    let state = state.to_str().unwrap();
    let mut all = vec!["--local", "--state-dir", state];
    all.extend(args);
    Term::spawn(Path::new(BINARY), &all, cols, rows, &[])
}

fn quit(mut term: Term) {
    term.send("q");
    assert!(term.wait_exit().success(), "{}", term.text());
    assert!(term.restored());
}

/// What each pane cannot be without.
const PANES: [(&str, &[&str]); 7] = [
    ("1", &["Pipelines", "Timeline", "fetch_prices"]),
    ("2", &["Buckets", "crypto-stream-dev-landing"]),
    ("3", &["Jobs", "clean_prices"]),
    ("4", &["Log groups", "fetch_prices"]),
    ("5", &["Thresholds and alarms", "btc_usd", "100,000"]),
    ("6", &["Catalog", "crypto_stream"]),
    ("7", &["nothing to do", "CREATE_COMPLETE"]),
];

fn walk_through(cols: u16, rows: u16) {
    let state = deployed();
    let mut term = console(state.path(), &["--read-only"], cols, rows);
    term.wait_for("READ-ONLY");
    for (key, wanted) in PANES {
        term.send(key);
        term.wait_until(&format!("pane {key}"), |text| wanted.iter().all(|w| text.contains(w)));
    }
    term.send("?");
    term.wait_for("Keys");
    term.send("\x1b");
    term.wait_until("the popup gone", |text| !text.contains("Keys"));
    quit(term);
}

#[test]
fn every_pane_shows_what_is_there_at_80x24() {
    walk_through(80, 24);
}

#[test]
fn every_pane_shows_what_is_there_at_160x50() {
    walk_through(160, 50);
}

#[test]
fn the_demo_moves_by_itself() {
    let state = tempfile::tempdir().unwrap();
    let mut term = console(&state.path().join("demo"), &["demo", "--speed", "600"], 140, 36);
    term.wait_for("crypto-stream");
    term.send("/crypto\r");
    term.wait_until("a job run", |text| text.contains("SUCCEEDED"));
    term.wait_until("an alert", |text| text.contains('!'));
    for (key, name, wanted) in [
        ("1", "overview", "Timeline"),
        ("2", "buckets", "crypto-stream-dev-landing"),
        ("3", "jobs", "SUCCEEDED"),
        ("4", "logs", "fetch_prices"),
        ("5", "alerts", "Thresholds and alarms"),
        ("6", "queries", "Catalog"),
        ("7", "deploy", "CREATE_COMPLETE"),
    ] {
        term.send(key);
        term.wait_for(wanted);
        if name == "logs" {
            term.send("/fetch_prices\r\r");
            term.wait_for("REPORT RequestId");
        }
        if let Some(folder) = std::env::var_os("PUMPHOUSE_SCREENSHOTS") {
            std::thread::sleep(Duration::from_secs(1));
            std::fs::write(Path::new(&folder).join(format!("{name}.svg")), term.look(svg::svg)).unwrap();
        }
    }
    quit(term);
}

#[test]
fn what_another_process_does_is_seen() {
    let state = deployed();
    let mut term = console(state.path(), &["--read-only"], 160, 50);
    term.wait_for("fetch_prices");
    term.send("5");
    term.wait_for("100,000");
    run(state.path(), &["alerts", "set", "crypto-stream/btc_usd", "61234"]);
    term.wait_for("61,234");
    quit(term);
}

#[test]
fn a_small_terminal_gets_a_message_and_a_larger_one_the_screen() {
    let state = deployed();
    let term = console(state.path(), &["--read-only"], 59, 14);
    term.wait_until("a message", |text| text.contains("60") && text.contains("15"));
    term.resize(100, 30);
    term.wait_for("fetch_prices");
    term.resize(10, 3);
    term.resize(80, 24);
    term.wait_for("fetch_prices");
    quit(term);
}

#[test]
fn signals_end_it_and_the_terminal_is_as_before() {
    let state = deployed();
    for signal in ["TERM", "HUP", "INT"] {
        let mut term = console(state.path(), &["--read-only"], 80, 24);
        term.wait_for("fetch_prices");
        assert!(!term.restored());
        term.signal(signal);
        term.wait_exit();
        assert!(term.restored(), "after SIG{signal}:\n{}", term.text());
    }
}

#[test]
fn ctrl_c_ends_it() {
    let state = deployed();
    let mut term = console(state.path(), &["--read-only"], 80, 24);
    term.wait_for("fetch_prices");
    term.send("\x03");
    term.wait_exit();
    assert!(term.restored());
}

/// A process of its own that holds a terminal with a console in it, for the test that takes the terminal away by
/// killing its holder, as a dropped connection does.
#[test]
fn holder_of_a_terminal() {
    let Some(state) = std::env::var_os(HOLD) else { return };
    let state = Path::new(&state);
    let term = console(state, &["--read-only"], 80, 24);
    term.wait_for("fetch_prices");
    std::fs::write(state.join("held"), term.pid().to_string()).unwrap();
    std::thread::sleep(Duration::from_mins(10));
}

#[test]
fn a_terminal_that_vanishes_leaves_no_process_behind() {
    let state = deployed();
    let mut holder = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "holder_of_a_terminal"])
        .env(HOLD, state.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let pid = eventually("a console", || std::fs::read_to_string(state.path().join("held")).ok());
    assert!(Path::new("/proc").join(&pid).exists());
    holder.kill().unwrap();
    holder.wait().unwrap();
    eventually("the end of the console", || ended(&pid).then_some(()));
}

/// Whether a process is gone, or dead and only not yet waited for by whoever inherited it.
fn ended(pid: &str) -> bool {
    let stat = std::fs::read_to_string(Path::new("/proc").join(pid).join("stat"));
    stat.is_err() || stat.is_ok_and(|s| s.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z')))
}

fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + Duration::from_mins(2);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "there never was {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_state_that_cannot_be_opened_is_a_screen_that_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "no folder").unwrap();
    let term = console(&file, &[], 80, 24);
    term.wait_for("try again");
    assert!(term.text().contains("file"), "{}", term.text());
    quit(term);
}

#[test]
fn garbage_that_is_pasted_or_typed_does_no_harm() {
    let state = deployed();
    let mut term = console(state.path(), &["--read-only"], 80, 24);
    term.wait_for("fetch_prices");
    let garbage = "\u{1b}[2J\u{202e}\u{0}%s%n'; drop table x; --".repeat(50);
    for place in ["", "/", ":", "6\r"] {
        term.send(place);
        term.send(&format!("\x1b[200~{garbage}\x1b[201~"));
        for _ in 0..3 {
            // An escape key is one only when nothing comes right behind it.
            std::thread::sleep(Duration::from_millis(200));
            term.send("\x1b");
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    term.send("1");
    term.wait_for("Timeline");
    quit(term);
}
