//! The stack that delivers a pipeline, from the command line.

use std::{fs, process::Output};

use crate::{cloudformation::CloudFormation, executable::fixed, fake::Fake, harness::Pumphouse};

/// CloudFormation, with a bootstrap stack of this version.
fn world(version: &str) -> (CloudFormation, Fake, Pumphouse) {
    let aws = CloudFormation::new();
    let bootstrap = "pumphouse-bootstrap";
    if let Some(stack) = aws.state().stacks.iter_mut().find(|s| s.name == bootstrap) {
        stack.outputs.push(("Version".into(), version.into()));
    }
    let mind = aws.clone();
    let fake = Fake::start(move |asked| mind.answer(asked));
    let p = Pumphouse::on(&fake);
    (aws, fake, p)
}

fn releases(p: &Pumphouse, args: &[&str]) -> Output {
    let executable = p.path("fixed");
    fs::write(&executable, fixed()).unwrap();
    let mut command = p.command();
    command.env("PUMPHOUSE_BOOTSTRAP", &executable).arg("releases").args(args);
    if args[0] != "destroy" {
        command.arg("--executable").arg(&executable);
    }
    command.output().unwrap()
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_delivery_is_planned_deployed_found_again_and_destroyed() {
    let (aws, fake, p) = world("4");
    let plan = releases(&p, &["plan", "dataops"]);
    assert!(plan.status.success(), "{}", told(&plan));
    let text = String::from_utf8_lossy(&plan.stdout).into_owned();
    assert!(text.contains("ReleasePipeline") && text.contains("dataops--release"), "{text}");
    assert_ne!(aws.stack("dataops--release").status, "CREATE_COMPLETE");

    // What deploys to a protected environment takes more than a yes.
    let refused = releases(&p, &["deploy", "dataops", "--yes"]);
    assert_eq!(refused.status.code(), Some(3), "{}", told(&refused));
    assert!(told(&refused).contains("then to prod with an approval"), "{}", told(&refused));
    let deployed = releases(&p, &["deploy", "dataops", "--confirm", "dataops--release"]);
    assert!(deployed.status.success(), "{}", told(&deployed));
    let stack = aws.stack("dataops--release");
    assert_eq!(stack.status, "CREATE_COMPLETE");
    assert_eq!(stack.tags, [("pumphouse:pipeline".to_owned(), "dataops".to_owned())]);
    let uploaded = aws.state().objects.keys().filter(|key| key.contains("tools/")).count();
    assert_eq!(uploaded, 1, "both executables are one here, and so is what is uploaded");

    let again = releases(&p, &["deploy", "dataops"]);
    assert!(again.status.success(), "nothing to do asks nothing: {}", told(&again));

    let refused = releases(&p, &["destroy", "dataops"]);
    assert_eq!(refused.status.code(), Some(3), "{}", told(&refused));
    let destroyed = releases(&p, &["destroy", "dataops", "--yes"]);
    assert!(destroyed.status.success(), "{}", told(&destroyed));
    assert_eq!(aws.stack("dataops--release").status, "DELETE_COMPLETE");
    let gone = releases(&p, &["destroy", "dataops", "--yes"]);
    assert_eq!(gone.status.code(), Some(1), "{}", told(&gone));
    let audit = fs::read_to_string(p.path("state").join("audit.jsonl")).unwrap();
    assert!(audit.contains("\"releases deploy\"") && audit.contains("\"releases destroy\""), "{audit}");
    drop(fake);
}

#[test]
fn an_old_bootstrap_stack_is_told_before_anything_is_made() {
    let (_, fake, p) = world("3");
    let refused = releases(&p, &["deploy", "dataops", "--confirm", "dataops--release"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(told(&refused).contains("run `pumphouse bootstrap` once more"), "{}", told(&refused));
    assert!(fake.lines().iter().all(|l| !l.contains("CreateChangeSet")));
}

#[test]
fn what_cannot_be_delivered_says_why() {
    let (_, fake, p) = world("4");
    let none = releases(&p, &["plan", "crypto-stream"]);
    assert!(told(&none).contains("crypto-stream has no [release] section"), "{}", told(&none));
    let script = p.path("script");
    fs::write(&script, "#!/bin/sh\n").unwrap();
    let unfit = p
        .command()
        .env("PUMPHOUSE_BOOTSTRAP", &script)
        .args(["releases", "plan", "dataops", "--executable"])
        .arg(&script)
        .output()
        .unwrap();
    assert_eq!(unfit.status.code(), Some(2), "{}", told(&unfit));
    assert!(fake.lines().iter().all(|l| !l.contains("CreateChangeSet")));
}
