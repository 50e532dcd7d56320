//! Runs the binary on a state, and kills it.

use std::{
    path::Path,
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::kill::{self, Delays};

fn pumphouse(state: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pumphouse"));
    command.args(["--local", "--output", "json", "--state-dir"]).arg(state).args(args).stdin(Stdio::null());
    command
}

pub fn finish(state: &Path, args: &[&str]) -> Output {
    let output = pumphouse(state, args).output().unwrap();
    assert!(
        output.status.success(),
        "{args:?} failed:\n{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

pub fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).expect("one JSON document")
}

/// Runs a command and kills it after `delay`; whether it had done what it had to before.
pub fn killed_after(state: &Path, args: &[&str], delay: Duration) -> bool {
    // It may have done all that it had to, and only not yet have ended.
    kill::killed_after(&mut pumphouse(state, args), delay)
        || (args.first() == Some(&"run") && last_run_succeeded(state))
}

fn last_run_succeeded(state: &Path) -> bool {
    let connection = rusqlite::Connection::open(state.join("state.db")).unwrap();
    let status = connection.query_row("select status from runs order by started desc limit 1", [], |r| r.get(0));
    status.is_ok_and(|status: String| status == "SUCCEEDED")
}

/// A pipeline whose deploys and runs are killed.
pub struct Victim<'a> {
    /// The pipeline.
    pub name: &'a str,
    /// `--source` and its value, as often as there is one.
    pub sources: &'a [String],
    /// How many states are made and tormented.
    pub rounds: u32,
    /// How many kills of a run there are in a round at most.
    pub kills: u32,
    /// What its users see of a state.
    pub picture: fn(&Path) -> Value,
}

impl Victim<'_> {
    /// Deploys and runs it once in peace, then in fresh states with kills at random moments of both. What is there in the end
    /// must be the same; returns that.
    pub fn torment(&self) -> Value {
        let dir = tempfile::tempdir().unwrap();
        let mut run = vec!["run", self.name];
        run.extend(self.sources.iter().flat_map(|s| ["--source", s.as_str()]));
        let deploy = ["deploy", self.name, "--yes"];
        let mut delays = Delays::new();

        let state = dir.path().join("whole");
        let begun = Instant::now();
        finish(&state, &deploy);
        let deploy_time = begun.elapsed();
        let begun = Instant::now();
        assert_eq!(json(&finish(&state, &run))["ok"], true);
        let run_time = begun.elapsed();
        let wanted = (self.picture)(&state);

        let (mut kills, mut resumed) = (0, 0);
        for round in 0..self.rounds {
            let state = dir.path().join(format!("round-{round}"));
            if !killed_after(&state, &deploy, delays.up_to(deploy_time)) {
                kills += 1;
            }
            finish(&state, &deploy);
            let mut done = false;
            for _ in 0..self.kills {
                done = killed_after(&state, &run, delays.up_to(run_time));
                if done {
                    break;
                }
                kills += 1;
            }
            if !done {
                let output = finish(&state, &run);
                resumed += u32::from(String::from_utf8_lossy(&output.stderr).contains("resuming"));
                assert_eq!(json(&output)["ok"], true);
            }
            let found = (self.picture)(&state);
            assert_eq!(found, wanted, "round {round} of {}\n{found:#}\nis not\n{wanted:#}", self.name);
        }
        println!("{}: {kills} kills in {} rounds, {resumed} runs resumed", self.name, self.rounds);
        wanted
    }
}

/// A command's answer.
pub fn ask(state: &Path, args: &[&str]) -> Value {
    json(&finish(state, args))
}

/// Each version of each object of a bucket: key, entity tag, whether it is the newest. What stands in a key behind `part-`
/// differs from run to run.
pub fn versions(state: &Path, bucket: &str) -> Value {
    let listed = ask(state, &["buckets", "objects", bucket, "--recursive", "--versions"]);
    let mut all: Vec<Value> = listed["objects"].as_array().unwrap().iter().map(version).collect();
    all.sort_by_key(ToString::to_string);
    Value::Array(all)
}

fn version(object: &Value) -> Value {
    let key = object["key"].as_str().unwrap();
    let key = key.split_once("part-").map_or(key.to_owned(), |(folder, _)| format!("{folder}part-"));
    serde_json::json!([key, object["etag"], object["latest"], object["delete_marker"]])
}

/// The rows of a query.
pub fn rows(state: &Path, sql: &str) -> Value {
    ask(state, &["query", sql])["rows"].take()
}

/// The messages of a topic, in an order of their own.
pub fn inbox(state: &Path, topic: &str) -> Vec<Value> {
    let listed = ask(state, &["topics", "inbox", topic]);
    let message = |m: &Value| serde_json::from_str(m["message"].as_str().unwrap()).unwrap();
    let mut all: Vec<Value> = listed.as_array().unwrap().iter().map(message).collect();
    all.sort_by_key(ToString::to_string);
    all
}

/// A file of the shared data beside the checkout, where it is there.
pub fn shared(path: &str) -> Option<String> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data").join(path);
    data.exists().then(|| data.display().to_string())
}
