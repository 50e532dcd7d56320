//! Pipelines that Terraform deploys: a directory as its users write it, and a stand-in for the program that plays recorded
//! streams.

mod adopt;
mod console;
mod failures;
mod lives;
mod real;
mod story;

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::{
    fake::Fake,
    harness::{self, Pumphouse},
    read_only::something,
    term::Term,
};

/// What is sensitive in the recordings.
pub const SECRETS: [&str; 2] = ["tok-9f8e7d6c", "tok-new-5b4a"];

const PIPELINE: &str = r#"
name = "orders"
description = "Orders, as another team deploys them"

[deploy]
engine = "terraform"
dir = "../../infra/environments/{env}"
var_files = ["{env}.tfvars"]
lock_timeout_seconds = 0

[env.dev]
region = "eu-west-1"

[env.dev.existing]
buckets = ["acme-orders-dev-landing", "acme-orders-dev-curated"]
functions = ["acme-orders-dev-ingest"]

[env.prod]
region = "eu-west-1"
protected = true
"#;

/// The directory, a pipeline for it, and the stand-in on PATH. What it has started ends with it.
pub struct Standin {
    pub pumphouse: Pumphouse,
    fake: Fake,
}

impl Drop for Standin {
    fn drop(&mut self) {
        let groups = fs::read_to_string(self.path("standin/groups")).unwrap_or_default();
        let ours = format!("STANDIN={}", self.path("standin").display());
        for group in groups.lines().filter_map(|line| line.parse::<i32>().ok()) {
            // A number may have come again: it is ours where somebody in it was told of our folder.
            let member = |pid: &PathBuf| {
                let stat = fs::read_to_string(pid.join("stat")).unwrap_or_default();
                let fields = stat.rsplit_once(')').map(|(_, rest)| rest.split_whitespace()).into_iter().flatten();
                let environment = fs::read(pid.join("environ")).unwrap_or_default();
                fields.skip(2).take(1).any(|of| of == group.to_string())
                    && environment.split(|b| *b == 0).any(|variable| variable == ours.as_bytes())
            };
            let mut processes = fs::read_dir("/proc").into_iter().flatten().flatten().map(|entry| entry.path());
            if processes.any(|pid| member(&pid)) {
                let _ = kill_process_group(Pid::from_raw(group).unwrap(), Signal::KILL);
            }
        }
    }
}

pub fn source(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/terraform").join(path)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

impl Standin {
    /// Nothing is deployed yet.
    pub fn start() -> Self {
        Self::on(Fake::start(something))
    }

    /// The same, on an endpoint that answers in its own way.
    pub fn on(fake: Fake) -> Self {
        let pumphouse = Pumphouse::on(&fake);
        copy(&source("orders"), &pumphouse.path("infra"));
        fs::create_dir_all(pumphouse.path("pipelines/orders")).unwrap();
        fs::write(pumphouse.path("pipelines/orders/pipeline.toml"), PIPELINE).unwrap();
        for folder in ["bin", "standin"] {
            fs::create_dir_all(pumphouse.path(folder)).unwrap();
        }
        let standin = Self { pumphouse, fake };
        for name in ["terraform", "tofu"] {
            fs::copy(source("standin"), standin.path("bin").join(name)).unwrap();
        }
        for name in ["dev.json", "empty.json", "interrupted.jsonl"] {
            standin.play(name, name);
        }
        standin
    }

    /// Deployed in dev, and initialised.
    pub fn deployed() -> Self {
        let standin = Self::initialised();
        standin.play("dev.json", "state.json");
        standin
    }

    /// Initialised in dev, where nothing is deployed.
    pub fn initialised() -> Self {
        let standin = Self::start();
        fs::create_dir_all(standin.path("infra/environments/dev/.terraform")).unwrap();
        standin
    }

    pub fn url(&self) -> String {
        self.fake.url()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.pumphouse.path(name)
    }

    /// Has the stand-in play a recording for what is called `name` there: `plan.json`, `apply.jsonl`.
    pub fn play(&self, recording: &str, name: &str) -> &Self {
        fs::copy(source("recorded").join(recording), self.path("standin").join(name)).unwrap();
        self
    }

    /// Plans of what a recording says: its plan, and its stream where it has one.
    pub fn planning(&self, recording: &str) -> &Self {
        self.play(&format!("{recording}.json"), "plan.json");
        let stream = format!("{recording}.jsonl");
        if source("recorded").join(&stream).is_file() {
            self.play(&stream, "plan.jsonl");
        }
        self
    }

    pub fn write(&self, name: &str, text: &str) -> &Self {
        fs::write(self.path("standin").join(name), text).unwrap();
        self
    }

    /// Changes the pipeline: `from` stands in its pipeline.toml.
    pub fn change(&self, from: &str, to: &str) -> &Self {
        let path = self.path("pipelines/orders/pipeline.toml");
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{text}");
        fs::write(path, text.replacen(from, to, 1)).unwrap();
        self
    }

    /// Waits for locks, so many seconds.
    pub fn waits_for_locks(&self, seconds: u32) -> &Self {
        self.change("lock_timeout_seconds = 0", &format!("lock_timeout_seconds = {seconds}"))
    }

    /// The console, in its Deploy pane.
    pub fn console(&self, size: (u16, u16)) -> Term {
        let path = format!("{}:{}", self.path("bin").display(), std::env::var("PATH").unwrap_or_default());
        self.console_on_path(size, &path)
    }

    /// The same, with another PATH.
    pub fn console_on_path(&self, size: (u16, u16), path: &str) -> Term {
        let text = |name: &str| self.path(name).display().to_string();
        let (pipelines, recordings) = (text("pipelines"), text("standin"));
        let env = [("PATH", path), ("STANDIN", &recordings)];
        let mut term =
            harness::console(&self.url(), self.pumphouse.dir.path(), &["--pipelines", &pipelines], &env, size);
        term.wait_for("orders");
        term.send("7");
        term
    }

    pub fn command(&self) -> Command {
        let mut command = self.pumphouse.command();
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{}:{path}", self.path("bin").display())).env("STANDIN", self.path("standin"));
        command
    }

    pub fn run(&self, args: &[&str]) -> Said {
        Said::of(&self.command().args(args).output().unwrap())
    }

    /// How the stand-in was called, a line each: workspace, directory, arguments.
    pub fn calls(&self) -> Vec<String> {
        let text = fs::read_to_string(self.path("standin/calls")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// The commands of the program that were called.
    pub fn commands(&self) -> Vec<String> {
        let first = |line: &String| line.rsplit('|').next().unwrap().split(' ').next().unwrap().to_owned();
        self.calls().iter().map(first).collect()
    }

    /// Every file in the state folder, with its text.
    pub fn remembered(&self) -> Vec<(PathBuf, String)> {
        fn walk(dir: &Path, found: &mut Vec<(PathBuf, String)>) {
            for entry in fs::read_dir(dir).into_iter().flatten() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
                    assert_eq!(mode, 0o700, "{}", path.display());
                    walk(&path, found);
                } else {
                    found.push((path.clone(), String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned()));
                }
            }
        }
        let mut found = Vec::new();
        walk(&self.path("state"), &mut found);
        found
    }

    /// No sensitive value is in anything that is kept, and no plan is left.
    pub fn keeps_no_secret(&self) {
        for (path, text) in self.remembered() {
            for secret in SECRETS {
                assert!(!text.contains(secret), "{}: {text}", path.display());
            }
            assert!(path.file_name().unwrap() != "plan", "{} is left", path.display());
        }
    }
}

/// What a command has said.
pub struct Said {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Said {
    pub fn of(output: &Output) -> Self {
        let said = Self {
            code: output.status.code(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        };
        for secret in SECRETS {
            assert!(!said.out.contains(secret) && !said.err.contains(secret), "{}\n{}", said.out, said.err);
        }
        said
    }

    pub fn well(self) -> Self {
        assert_eq!(self.code, Some(0), "{}\n{}", self.out, self.err);
        self
    }

    pub fn badly(self, code: i32, words: &[&str]) -> Self {
        assert_eq!(self.code, Some(code), "{}\n{}", self.out, self.err);
        for word in words {
            assert!(self.err.contains(word), "{word:?} is not in: {}", self.err);
        }
        self
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e}: {}", self.out))
    }
}
