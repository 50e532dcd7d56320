//! Releases on the embedded cloud: a revision of a real repository is checked, planned, deployed, and waits where it must.

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::harness::{Pumphouse, Said};

/// A repository with a copy of dataops in the folder `lake`, and the embedded cloud that it is released to.
struct Delivered {
    p: Pumphouse,
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (path, to) = (entry.as_ref().unwrap().path(), to.join(entry.unwrap().file_name()));
        if path.is_dir() {
            copy(&path, &to);
        } else {
            fs::copy(&path, to).unwrap();
        }
    }
}

impl Delivered {
    fn new() -> Self {
        let new = Self { p: Pumphouse::new() };
        copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines/dataops"), &new.folder());
        new.git(&["init", "-q", "-b", "main"]);
        new.commit("The lake as it is shipped");
        new
    }

    fn repository(&self) -> PathBuf {
        self.p.path("repository")
    }

    fn folder(&self) -> PathBuf {
        self.repository().join("lake")
    }

    fn git(&self, args: &[&str]) {
        let said = Command::new("git")
            .args(["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false"])
            .arg("-C")
            .arg(self.repository())
            .args(args)
            .env("HOME", self.p.path("home"))
            .output()
            .unwrap();
        assert!(said.status.success(), "{args:?}: {}", String::from_utf8_lossy(&said.stderr));
    }

    fn commit(&self, message: &str) {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "-m", message]);
    }

    /// Puts one text in the place of another in pipeline.toml.
    #[track_caller]
    fn edit(&self, from: &str, to: &str) {
        let path = self.folder().join("pipeline.toml");
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{from}");
        fs::write(path, text.replace(from, to)).unwrap();
    }

    /// Gives `[release]` these checks.
    fn checks(&self, checks: &str) {
        self.edit("repository = \"dataops\"", &format!("repository = \"dataops\"\nchecks = {checks}"));
    }

    fn command(&self) -> Command {
        let mut command = self.p.command();
        command.arg("--pipelines").arg(self.repository());
        command
    }

    fn run(&self, args: &[&str]) -> Said {
        Said::from(self.command().args(args).output().unwrap())
    }

    #[track_caller]
    fn ok(&self, args: &[&str]) -> Said {
        let said = self.run(args);
        assert_eq!(said.code, 0, "{args:?}: {}", said.err);
        said
    }

    #[track_caller]
    fn json(&self, args: &[&str]) -> Value {
        let said = self.ok(&[args, &["--output", "json"]].concat());
        serde_json::from_str(&said.out).unwrap_or_else(|e| panic!("{args:?}: {e}: {}", said.out))
    }

    #[track_caller]
    fn release(&self, id: &str) -> Value {
        self.json(&["releases", "show", "dataops", id])
    }

    /// The statuses of the releases, the newest first.
    fn statuses(&self) -> Vec<String> {
        let all = self.json(&["releases", "list", "dataops"]);
        all.as_array().unwrap().iter().map(|r| r["status"].as_str().unwrap().to_owned()).collect()
    }

    fn deployed(&self, env: &str) -> bool {
        self.run(&["status", "dataops", "--env", env]).code == 0
    }

    /// How many days the bucket keeps its objects, as it is deployed.
    fn days(&self, env: &str) -> Value {
        self.json(&["buckets", "show", "dataops/lake", "--env", env])["expire_days"].clone()
    }

    /// What is left of releases that are over.
    fn left_over(&self) -> Vec<PathBuf> {
        let folder = self.p.state().join("releases");
        fs::read_dir(folder).into_iter().flatten().map(|e| e.unwrap().path()).collect()
    }
}

fn steps(release: &Value) -> Vec<(String, String)> {
    let stages = release["stages"].as_array().unwrap();
    let word = |v: &Value| v.as_str().unwrap().to_owned();
    let of = |stage: &Value| {
        let name = word(&stage["name"]);
        let all = stage["steps"].as_array().unwrap().clone();
        all.into_iter()
            .map(move |step| (format!("{name}/{}", word(&step["name"])), word(&step["status"])))
            .collect::<Vec<_>>()
    };
    stages.iter().flat_map(of).collect()
}

fn step<'a>(release: &'a Value, stage: &str, step: &str) -> &'a Value {
    let named = |all: &'a Value, name: &str| all.as_array().unwrap().iter().find(|v| v["name"] == name).unwrap();
    named(&named(&release["stages"], stage)["steps"], step)
}

#[test]
fn a_revision_goes_to_dev_waits_and_goes_to_prod_when_somebody_approves() {
    let d = Delivered::new();
    // What is not committed is not delivered, a broken file included.
    d.edit("expire_days = 365", "expire_days = 1");
    fs::write(d.folder().join("jobs/etl.sql"), "this is no SQL").unwrap();
    let said = d.run(&["releases", "start", "dataops"]);
    assert_eq!(said.code, 1, "the pipeline that is here is broken: {}", said.err);
    d.git(&["checkout", "-q", "--", "lake/jobs/etl.sql"]);
    let said = d.run(&["releases", "start", "dataops"]);
    assert_eq!(said.code, 3, "{}", said.err);

    let said = d.ok(&["releases", "start", "dataops", "--yes"]);
    assert!(said.err.contains("waits for an approval of prod: dataops-prod: "), "{}", said.err);
    let release = d.release("1");
    assert_eq!(
        (release["status"].as_str(), release["summary"].as_str()),
        (Some("waiting"), Some("The lake as it is shipped"))
    );
    let all: Vec<_> = steps(&release).into_iter().map(|(name, status)| format!("{name} {status}")).collect();
    assert_eq!(
        all,
        [
            "source/source succeeded",
            "check/check-1 succeeded",
            "to-dev/plan succeeded",
            "to-dev/deploy succeeded",
            "to-prod/plan succeeded",
            "to-prod/approve waiting",
            "to-prod/deploy pending",
        ]
    );
    assert!(d.deployed("dev") && !d.deployed("prod"));
    let logs = d.ok(&["releases", "logs", "dataops"]).out;
    assert!(logs.contains("check/check-1 dataops: right"), "{logs}");
    assert!(logs.contains("to-prod/plan + add"), "{logs}");
    let told = d.ok(&["logs", "tail", "/pumphouse/releases/dataops--release", "--since", "1h"]).out;
    assert!(
        told.contains("to oncall@example.com (the embedded cloud sends no e-mail): dataops release 1 waits"),
        "{told}"
    );

    // prod asks for more than a yes.
    let said = d.run(&["releases", "approve", "dataops", "--yes"]);
    assert_eq!(said.code, 3, "{}", said.err);
    assert!(said.err.contains("--confirm dataops-prod"), "{}", said.err);
    assert_eq!(d.statuses(), ["waiting"]);
    d.ok(&["releases", "approve", "dataops", "--confirm", "dataops-prod", "--comment", "looks fine"]);
    let release = d.release("1");
    assert!(steps(&release).iter().all(|(_, status)| status == "succeeded"), "{release}");
    let approved = step(&release, "to-prod", "approve")["summary"].as_str().unwrap();
    assert!(approved.starts_with("approved by ") && approved.ends_with(": looks fine"), "{approved}");
    assert_eq!(d.days("prod"), 365);
    assert_eq!(d.left_over(), Vec::<PathBuf>::new());
    let said = d.run(&["releases", "approve", "dataops", "1", "--confirm", "dataops-prod"]);
    assert!(said.code == 1 && said.err.contains("does not wait for an approval: it is SUCCEEDED"), "{}", said.err);

    // A certain revision, by a tag; the same again changes nothing.
    d.git(&["tag", "v1"]);
    d.git(&["checkout", "-q", "--", "."]);
    d.edit("expire_days = 365", "expire_days = 7");
    d.commit("Keep it for a week");
    d.ok(&["releases", "start", "dataops", "--revision", "v1", "--yes"]);
    let plan = step(&d.release("2"), "to-prod", "plan")["summary"].clone();
    assert_eq!(plan, "dataops-prod: nothing to change");
    d.ok(&["releases", "start", "dataops", "--yes"]);
    assert_eq!(d.statuses(), ["waiting", "superseded", "succeeded"]);
    let plan = step(&d.release("3"), "to-prod", "plan")["summary"].clone();
    assert_eq!(plan, "dataops-prod: 0 to add, 1 to change, 0 to replace, 0 to remove");
    let said = d.run(&["releases", "approve", "dataops", "2", "--confirm", "dataops-prod"]);
    assert!(said.code == 1 && said.err.contains("it is SUPERSEDED"), "{}", said.err);
    d.ok(&["releases", "approve", "dataops", "3", "--confirm", "dataops-prod"]);
    assert_eq!(d.days("prod"), 7);
}

#[test]
fn what_is_rejected_is_not_deployed() {
    let d = Delivered::new();
    d.ok(&["releases", "start", "dataops", "--yes"]);
    let said = d.ok(&["releases", "reject", "dataops", "--yes", "--comment", "not on a Friday"]);
    assert!(said.err.contains("is rejected"), "{}", said.err);
    let release = d.release("1");
    assert_eq!(release["status"], "failed");
    let rejected = step(&release, "to-prod", "approve");
    assert_eq!(rejected["status"], "failed");
    assert!(rejected["summary"].as_str().unwrap().ends_with(": not on a Friday"), "{rejected}");
    assert!(!d.deployed("prod"));
    assert_eq!(d.left_over(), Vec::<PathBuf>::new());
    for decision in ["approve", "reject"] {
        let said = d.run(&["releases", decision, "dataops", "--confirm", "dataops-prod", "--yes"]);
        assert!(said.code == 1 && said.err.contains("no release of dataops waits for an approval"), "{}", said.err);
    }
    let said = d.run(&["releases", "stop", "dataops", "1", "--yes"]);
    assert!(said.code == 1 && said.err.contains("is over: FAILED"), "{}", said.err);
}

#[test]
fn a_failing_check_ends_the_release_with_its_line_and_nothing_is_deployed() {
    let d = Delivered::new();
    d.checks(r#"["echo it is fine; touch ../made", "echo line 7 is wrong >&2; exit 3", "touch ../never"]"#);
    d.commit("With checks");
    let said = d.run(&["releases", "start", "dataops", "--yes"]);
    assert_eq!(said.code, 1);
    assert!(
        said.err.contains("is FAILED in check/check-2: `echo line 7 is wrong >&2; exit 3` failed with exit code 3"),
        "{}",
        said.err
    );
    assert!(said.err.contains("\nline 7 is wrong"), "{}", said.err);
    assert!(!d.deployed("dev") && !d.repository().join("made").exists());
    assert_eq!(d.left_over(), Vec::<PathBuf>::new());
    let logs = d.ok(&["releases", "logs", "dataops", "--step", "check/check-1"]).out;
    assert!(logs.ends_with("check/check-1 it is fine\n"), "{logs}");
    let said = d.run(&["releases", "logs", "dataops", "--step", "check/9"]);
    assert!(said.code == 1 && said.err.contains("check/check-1, check/check-2, check/check-3"), "{}", said.err);
}

#[test]
fn what_a_check_makes_or_changes_is_not_deployed() {
    let d = Delivered::new();
    d.checks(r#"["sed -i s/365/1/ pipeline.toml", "pumphouse check ."]"#);
    d.commit("A check that changes what it checks");
    d.ok(&["releases", "start", "dataops", "--yes"]);
    d.ok(&["releases", "approve", "dataops", "--confirm", "dataops-prod"]);
    assert_eq!(d.days("prod"), 365);
}

#[test]
fn a_revision_that_is_broken_says_where() {
    let d = Delivered::new();
    d.edit("versioning = true", "versionning = true");
    d.commit("A slip");
    d.git(&["checkout", "-q", "HEAD~1", "--", "."]);
    let said = d.run(&["releases", "start", "dataops", "--yes"]);
    assert_eq!(said.code, 1);
    assert!(said.err.contains("is FAILED in source/source") && said.err.contains("versionning"), "{}", said.err);
    assert!(!d.deployed("dev"));
    // A revision from before there was a section.
    d.commit("Back");
    let text = fs::read_to_string(d.folder().join("pipeline.toml")).unwrap();
    fs::write(d.folder().join("pipeline.toml"), &text[..text.find("[release]").unwrap()]).unwrap();
    d.commit("Without a section");
    d.git(&["tag", "old"]);
    fs::write(d.folder().join("pipeline.toml"), &text).unwrap();
    let said = d.run(&["releases", "start", "dataops", "--revision", "old", "--yes"]);
    assert!(said.code == 1 && said.err.contains("has no [release]"), "{}", said.err);
    let said = d.run(&["releases", "start", "dataops", "--revision", "nope", "--yes"]);
    assert!(said.code == 1 && said.err.contains("no revision \"nope\""), "{}", said.err);
    assert_eq!(d.statuses().len(), 2, "what cannot be found is no release");
}

#[test]
fn a_plan_that_does_not_hold_any_more_is_not_applied() {
    let d = Delivered::new();
    d.ok(&["releases", "start", "dataops", "--yes"]);
    // Somebody else deploys another thing to prod meanwhile.
    d.edit("expire_days = 365", "expire_days = 30");
    d.ok(&["deploy", "dataops", "--env", "prod", "--confirm", "dataops-prod"]);
    let said = d.run(&["releases", "approve", "dataops", "--confirm", "dataops-prod"]);
    assert_eq!(said.code, 1, "{}", said.err);
    assert!(
        said.err.contains("is FAILED in to-prod/deploy") && said.err.contains("start another release"),
        "{}",
        said.err
    );
    assert_eq!(d.days("prod"), 30);
    assert_eq!(d.left_over(), Vec::<PathBuf>::new());
}

#[test]
fn what_a_release_needs_is_said() {
    let p = Pumphouse::new();
    let said = p.run(&["releases", "start", "dataops", "--yes"]);
    assert!(said.code == 1 && said.err.contains("pumphouse new NAME --from dataops"), "{}", said.err);
    let said = p.run(&["releases", "start", "crypto-stream", "--yes"]);
    assert!(said.code == 1 && said.err.contains("has no section [release]"), "{}", said.err);
    let said = p.run(&["releases", "start", "nope", "--yes"]);
    assert!(said.code == 1 && said.err.contains("no pipeline named \"nope\""), "{}", said.err);

    let d = Delivered::new();
    let said = Said::from(
        d.command().args(["releases", "start", "dataops", "--yes"]).env("PATH", "/nonexistent").output().unwrap(),
    );
    assert!(said.code == 1 && said.err.contains("there is no git on this machine"), "{}", said.err);
    fs::rename(d.repository().join(".git"), d.p.path("elsewhere")).unwrap();
    let said = d.run(&["releases", "start", "dataops", "--yes"]);
    assert!(said.code == 1 && said.err.contains("git init"), "{}", said.err);
    assert_eq!(d.statuses(), Vec::<String>::new());
}

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

/// A small generator of delays: different in each test run, printed so that a failure can be looked into.
struct Delays(u64);

impl Delays {
    fn new() -> Self {
        let seed = std::env::var("KILL_SEED").ok().and_then(|s| s.parse().ok());
        let seed = seed.unwrap_or_else(|| jiff::Timestamp::now().as_nanosecond() as u64);
        eprintln!("KILL_SEED={seed}");
        Self(seed | 1)
    }

    fn up_to(&mut self, most: Duration) -> Duration {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        most.mul_f64((self.0 >> 11) as f64 / (1u64 << 53) as f64)
    }
}

/// Runs a command and kills it after `delay`; whether it ended by itself before.
fn killed_after(d: &Delivered, args: &[&str], delay: Duration) -> bool {
    let mut child = d.command().args(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let end = Instant::now() + delay;
    while Instant::now() < end {
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success(), "{args:?} failed by itself");
            return true;
        }
        thread::sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    false
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
