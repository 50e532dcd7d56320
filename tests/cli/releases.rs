//! Releases on the embedded cloud: a revision of a real repository is checked, planned, deployed, and waits where it must.

mod delivered;
mod processes;

use std::{fs, path::PathBuf};

use crate::harness::{Pumphouse, Said};
use delivered::{Delivered, step, steps};

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
    // What is none of ours there is in nobody's way: what was decided is decided.
    fs::write(d.p.state().join("releases/stray"), "").unwrap();
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
