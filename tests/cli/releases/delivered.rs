//! A repository with a pipeline in it, and the embedded cloud that it is released to.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use crate::harness::{Pumphouse, Said};

/// A repository with a copy of dataops in the folder `lake`, and the embedded cloud that it is released to.
pub(super) struct Delivered {
    pub(super) p: Pumphouse,
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
    pub(super) fn new() -> Self {
        let new = Self { p: Pumphouse::new() };
        copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines/dataops"), &new.folder());
        new.git(&["init", "-q", "-b", "main"]);
        new.commit("The lake as it is shipped");
        new
    }

    pub(super) fn repository(&self) -> PathBuf {
        self.p.path("repository")
    }

    pub(super) fn folder(&self) -> PathBuf {
        self.repository().join("lake")
    }

    pub(super) fn git(&self, args: &[&str]) {
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

    pub(super) fn commit(&self, message: &str) {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "-m", message]);
    }

    /// Puts one text in the place of another in pipeline.toml.
    #[track_caller]
    pub(super) fn edit(&self, from: &str, to: &str) {
        let path = self.folder().join("pipeline.toml");
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{from}");
        fs::write(path, text.replace(from, to)).unwrap();
    }

    /// Gives `[release]` these checks.
    pub(super) fn checks(&self, checks: &str) {
        self.edit("repository = \"dataops\"", &format!("repository = \"dataops\"\nchecks = {checks}"));
    }

    pub(super) fn command(&self) -> Command {
        let mut command = self.p.command();
        command.arg("--pipelines").arg(self.repository());
        command
    }

    pub(super) fn run(&self, args: &[&str]) -> Said {
        Said::from(self.command().args(args).output().unwrap())
    }

    #[track_caller]
    pub(super) fn ok(&self, args: &[&str]) -> Said {
        let said = self.run(args);
        assert_eq!(said.code, 0, "{args:?}: {}", said.err);
        said
    }

    #[track_caller]
    pub(super) fn json(&self, args: &[&str]) -> Value {
        let said = self.ok(&[args, &["--output", "json"]].concat());
        serde_json::from_str(&said.out).unwrap_or_else(|e| panic!("{args:?}: {e}: {}", said.out))
    }

    #[track_caller]
    pub(super) fn release(&self, id: &str) -> Value {
        self.json(&["releases", "show", "dataops", id])
    }

    /// The statuses of the releases, the newest first.
    pub(super) fn statuses(&self) -> Vec<String> {
        let all = self.json(&["releases", "list", "dataops"]);
        all.as_array().unwrap().iter().map(|r| r["status"].as_str().unwrap().to_owned()).collect()
    }

    pub(super) fn deployed(&self, env: &str) -> bool {
        self.run(&["status", "dataops", "--env", env]).code == 0
    }

    /// How many days the bucket keeps its objects, as it is deployed.
    pub(super) fn days(&self, env: &str) -> Value {
        self.json(&["buckets", "show", "dataops/lake", "--env", env])["expire_days"].clone()
    }

    /// What is left of releases that are over.
    pub(super) fn left_over(&self) -> Vec<PathBuf> {
        let folder = self.p.state().join("releases");
        fs::read_dir(folder).into_iter().flatten().map(|e| e.unwrap().path()).collect()
    }
}

pub(super) fn steps(release: &Value) -> Vec<(String, String)> {
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

pub(super) fn step<'a>(release: &'a Value, stage: &str, step: &str) -> &'a Value {
    let named = |all: &'a Value, name: &str| all.as_array().unwrap().iter().find(|v| v["name"] == name).unwrap();
    named(&named(&release["stages"], stage)["steps"], step)
}
