//! Releases and the processes that do them: interrupted, carried on, killed.

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use super::delivered::{Delivered, step, steps};
use crate::kill::{self, Delays};

fn start(d: &Delivered, args: &[&str]) -> Child {
    d.command().args(args).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Waits until the command says this.
fn says(child: &mut Child, words: &str) {
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains(words)), "{words}");
    // The rest is read, so that it never waits for us.
    thread::spawn(move || lines.for_each(drop));
}

/// Processes that have this in their environment: what a step of the state in this folder has started.
fn running(marker: &str) -> Vec<String> {
    let all = fs::read_dir("/proc").unwrap().flatten();
    all.filter(|e| {
        let environment = fs::read(e.path().join("environ")).unwrap_or_default();
        String::from_utf8_lossy(&environment).contains(marker)
    })
    .map(|e| fs::read_to_string(e.path().join("cmdline")).unwrap_or_default().replace('\0', " "))
    .collect()
}

#[test]
fn ctrl_c_asks_the_release_to_stop_and_leaves_nothing_running() {
    let d = Delivered::new();
    let marker = format!("RELEASE_TEST={}", d.p.state().display());
    d.checks(r#"["sleep 600 & sleep 600"]"#);
    d.commit("A slow check");
    let mut child = d
        .command()
        .args(["releases", "start", "dataops", "--yes"])
        .env("RELEASE_TEST", d.p.state())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    says(&mut child, "check/check-1");
    assert!(running(&marker).len() > 1);
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(1));
    let release = d.release("1");
    assert_eq!(
        (&release["status"], &step(&release, "check", "check-1")["status"]),
        (&"stopped".into(), &"stopped".into())
    );
    assert_eq!(running(&marker), Vec::<String>::new());
    assert_eq!(d.left_over(), Vec::<PathBuf>::new());
}

#[test]
fn whoever_drives_the_cloud_carries_a_release_on() {
    let d = Delivered::new();
    let said = d.ok(&["releases", "start", "dataops", "--yes", "--no-follow"]);
    assert!(said.err.contains("nobody drives this embedded cloud now"), "{}", said.err);
    assert_eq!(d.statuses(), ["pending"]);
    let mut server = start(&d, &["local", "serve"]);
    let end = Instant::now() + Duration::from_mins(5);
    while d.statuses() != ["waiting"] {
        assert!(Instant::now() < end, "{:?}", d.statuses());
        thread::sleep(Duration::from_millis(200));
    }
    let said = d.ok(&["releases", "approve", "dataops", "--confirm", "dataops-prod", "--no-follow"]);
    assert!(!said.err.contains("nobody drives"), "{}", said.err);
    while d.statuses() != ["succeeded"] {
        assert!(Instant::now() < end, "{:?}", d.statuses());
        thread::sleep(Duration::from_millis(200));
    }
    Command::new("kill").args(["-TERM", &server.id().to_string()]).status().unwrap();
    let mut rest = String::new();
    server.stderr.take().unwrap().read_to_string(&mut rest).unwrap();
    server.wait().unwrap();
    assert!(d.deployed("dev") && d.deployed("prod"), "{rest}");
}

#[test]
fn a_newer_release_lets_the_one_at_work_end_first() {
    let d = Delivered::new();
    let mut child = start(&d, &["releases", "start", "dataops", "--yes"]);
    says(&mut child, "is started");
    d.ok(&["releases", "start", "dataops", "--yes"]);
    assert_eq!(d.statuses(), ["waiting", "superseded"]);
    // It was superseded when it waited, not while it was at work.
    let first = d.release("1");
    assert_eq!(step(&first, "to-dev", "deploy")["status"], "succeeded", "{first}");
    child.wait().unwrap();
}

/// Runs a command and kills it after `delay`; whether it ended by itself before.
fn killed_after(d: &Delivered, args: &[&str], delay: Duration) -> bool {
    kill::killed_after(d.command().args(args), delay)
}

#[test]
fn kills_at_random_moments_lose_nothing_and_double_nothing() {
    let mut delays = Delays::new();
    let whole = Delivered::new();
    let begun = Instant::now();
    whole.ok(&["releases", "start", "dataops", "--yes"]);
    whole.ok(&["releases", "approve", "dataops", "--confirm", "dataops-prod"]);
    let time = begun.elapsed() / 2;
    let resources = |d: &Delivered, env: &str| {
        let stack = d.json(&["status", "dataops", "--env", env]);
        assert!(stack["status"].as_str().unwrap().ends_with("_COMPLETE"), "{}", stack["status"]);
        stack["resources"].as_array().unwrap().len()
    };
    let wanted = (resources(&whole, "dev"), resources(&whole, "prod"));

    let mut kills = 0;
    while kills < 12 {
        let d = Delivered::new();
        let mut left = true;
        if !killed_after(&d, &["releases", "start", "dataops", "--yes"], delays.up_to(time)) {
            kills += 1;
            if d.statuses().is_empty() {
                d.ok(&["releases", "start", "dataops", "--yes"]);
            }
        }
        for what in [&["releases", "follow", "dataops"][..], &["releases", "follow", "dataops"]] {
            left = left && !killed_after(&d, what, delays.up_to(time));
            kills += u32::from(left);
        }
        d.ok(&["releases", "follow", "dataops"]);
        assert_eq!(d.statuses(), ["waiting"]);
        let approve = ["releases", "approve", "dataops", "--confirm", "dataops-prod"];
        if !killed_after(&d, &approve, delays.up_to(time)) {
            kills += 1;
            if d.statuses() == ["waiting"] {
                d.ok(&approve);
            }
        }
        if d.statuses() != ["succeeded"] && !killed_after(&d, &["releases", "follow", "dataops"], delays.up_to(time)) {
            kills += 1;
        }
        d.ok(&["releases", "follow", "dataops"]);
        let release = d.release("1");
        assert_eq!(d.statuses(), ["succeeded"], "{release}");
        assert!(steps(&release).iter().all(|(_, status)| status == "succeeded"), "{release}");
        assert_eq!((resources(&d, "dev"), resources(&d, "prod")), wanted);
        for env in ["dev", "prod"] {
            assert_eq!(d.json(&["plan", "dataops", "--env", env])["changes"], serde_json::json!([]), "{env}");
        }
        let marker = format!("PATH={}", d.p.state().join("releases").display());
        assert_eq!(running(&marker), Vec::<String>::new());
        assert_eq!(d.left_over(), Vec::<PathBuf>::new());
    }
    eprintln!("{kills} kills");
}
