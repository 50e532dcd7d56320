//! Plans that are kept in a file, on the embedded cloud.

use std::{fs, os::unix::fs::PermissionsExt};

use crate::harness::{Pumphouse, snapshot};

/// A copy of a shipped pipeline that can be changed.
fn copied(from: &str) -> Pumphouse {
    let p = Pumphouse::new();
    p.ok(&["new", "mine", "--from", from]);
    p
}

fn edit(p: &Pumphouse, file: &str, from: &str, to: &str) {
    let path = p.path("pipelines/mine").join(file);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{file}");
    fs::write(path, text.replacen(from, to, 1)).unwrap();
}

#[test]
fn what_was_approved_is_applied_from_another_folder_too() {
    let p = copied("water-quality");
    let said = p.run(&["plan", "mine", "--out", "plan.json", "--detailed-exitcode"]);
    assert_eq!(said.code, 2, "{}", said.err);
    let plan = p.path("plan.json");
    assert_eq!(fs::metadata(&plan).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!p.state().exists(), "a plan makes no state");
    // The same state folder by another name, the same pipelines by another name.
    let output = p
        .command()
        .current_dir(p.path("pipelines"))
        .args(["--pipelines", ".", "deploy", "mine", "--plan-file"])
        .arg(&plan)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(p.run(&["plan", "mine", "--detailed-exitcode"]).code, 0);
    let before = snapshot(&p.state().join("objects"));
    let said = p.run(&["deploy", "mine", "--plan-file", "plan.json"]);
    assert_eq!(said.code, 1);
    assert!(said.err.contains("plan again"), "{}", said.err);
    assert!(snapshot(&p.state().join("objects")) == before);
}

#[test]
fn other_code_other_files_and_another_state_are_refused() {
    let p = copied("water-quality");
    p.ok(&["plan", "mine", "--out", "plan.json"]);
    let refused = |why: &str| {
        let said = p.run(&["deploy", "mine", "--plan-file", "plan.json"]);
        assert_eq!(said.code, 1, "{}", said.err);
        assert!(said.err.contains(why) && said.err.contains("plan again"), "{}", said.err);
    };
    let sql = fs::read_dir(p.path("pipelines/mine/jobs")).unwrap().next().unwrap().unwrap().path();
    let text = fs::read_to_string(&sql).unwrap();
    fs::write(&sql, format!("{text}\n-- another")).unwrap();
    refused("not what was planned any more: what pipeline.toml says");
    fs::write(&sql, text).unwrap();

    let sample = walk(&p.path("pipelines/mine/sample"));
    let content = fs::read(&sample).unwrap();
    let mut longer = content.clone();
    longer.extend_from_slice(b"\n");
    fs::write(&sample, longer).unwrap();
    refused("what is uploaded (");
    fs::write(&sample, content).unwrap();

    // Of two such options, the last counts.
    let said = p.run(&["deploy", "mine", "--plan-file", "plan.json", "--state-dir", "elsewhere"]);
    assert_eq!(said.code, 1);
    assert!(said.err.contains("a plan for the state folder") && said.err.contains("elsewhere"), "{}", said.err);
    p.ok(&["deploy", "mine", "--plan-file", "plan.json"]);
}

/// The first file of a folder, however deep.
fn walk(dir: &std::path::Path) -> std::path::PathBuf {
    let mut entries: Vec<_> = fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).collect();
    entries.sort();
    let first = entries.remove(0);
    if first.is_dir() { walk(&first) } else { first }
}

#[test]
fn what_changed_in_the_meantime_is_refused_by_the_embedded_cloud_and_nothing_is_done() {
    let p = copied("crypto-stream");
    p.ok(&["deploy", "mine", "--yes"]);
    edit(&p, "pipeline.toml", "expire_days = 90", "expire_days = 30");
    p.ok(&["plan", "mine", "--out", "plan.json"]);
    // Somebody deploys something else in between.
    edit(&p, "pipeline.toml", "expire_days = 30", "expire_days = 45");
    edit(&p, "pipeline.toml", "shards = 1", "shards = 2");
    p.ok(&["deploy", "mine", "--yes"]);
    edit(&p, "pipeline.toml", "expire_days = 45", "expire_days = 30");
    edit(&p, "pipeline.toml", "shards = 2", "shards = 1");
    let said = p.run(&["deploy", "mine", "--plan-file", "plan.json"]);
    assert_eq!(said.code, 1);
    assert!(said.err.contains("stream.prices was not confirmed") && said.err.contains("plan again"), "{}", said.err);
    let shown = p.json(&["plan", "mine"]);
    assert_eq!(shown["changes"].as_array().unwrap().len(), 2, "{shown}");
    p.ok(&["plan", "mine", "--out", "plan.json"]);
    p.ok(&["deploy", "mine", "--plan-file", "plan.json"]);
}

#[test]
fn a_protected_environment_asks_for_its_name_and_read_only_mode_for_nothing() {
    let p = Pumphouse::new();
    p.ok(&["plan", "crypto-stream", "--env", "prod", "--out", "plan.json", "--read-only"]);
    let deploy = ["deploy", "crypto-stream", "--env", "prod", "--plan-file", "plan.json"];
    let said = p.run(&deploy);
    assert_eq!(said.code, 3);
    assert!(said.err.contains("--confirm crypto-stream-prod"), "{}", said.err);
    assert_eq!(p.run(&[&deploy[..], &["--read-only"]].concat()).code, 3);
    p.ok(&[&deploy[..], &["--confirm", "crypto-stream-prod"]].concat());
}

#[test]
fn what_another_has_deployed_in_between_makes_a_plan_stale() {
    let p = copied("crypto-stream");
    p.ok(&["deploy", "mine", "--yes"]);
    edit(&p, "pipeline.toml", "expire_days = 90", "expire_days = 7");
    p.ok(&["plan", "mine", "--out", "plan.json"]);
    edit(&p, "pipeline.toml", "expire_days = 7", "expire_days = 30");
    p.ok(&["deploy", "mine", "--yes"]);
    edit(&p, "pipeline.toml", "expire_days = 30", "expire_days = 7");
    let said = p.run(&["deploy", "mine", "--plan-file", "plan.json"]);
    assert_eq!(said.code, 1, "approved was 90 to 7, and now it would be 30 to 7: {}", said.err);
    assert!(said.err.contains("no longer to be done as confirmed") && said.err.contains("plan again"), "{}", said.err);
}
