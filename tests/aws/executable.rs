//! The executable for functions in Rust: found and checked before anything is planned.

use std::{fs, path::PathBuf, process::Output};

use crate::{cloudformation::CloudFormation, fake::Fake, harness::Pumphouse};

/// An executable for x86_64 that is loaded by nobody, so that no glibc matters: a header and one empty segment.
pub fn fixed() -> Vec<u8> {
    let mut file = vec![0_u8; 64 + 56];
    file[..7].copy_from_slice(&[0x7f, b'E', b'L', b'F', 2, 1, 1]);
    // An executable for x86_64, in version 1; the segments follow the header, of 56 bytes each, one of them.
    for (at, value) in [(16, 2), (18, 62), (20, 1), (32, 64), (52, 64), (54, 56), (56, 1), (64, 1)] {
        file[at] = value;
    }
    file
}

struct World {
    fake: Fake,
    pumphouse: Pumphouse,
}

impl World {
    fn new() -> Self {
        let aws = CloudFormation::new();
        let fake = Fake::start(move |asked| aws.answer(asked));
        let pumphouse = Pumphouse::on(&fake);
        Self { fake, pumphouse }
    }

    fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.pumphouse.path(name);
        fs::write(&path, content).unwrap();
        path
    }

    fn plan(&self, executable: &std::path::Path) -> Output {
        self.pumphouse
            .command()
            .env("PUMPHOUSE_BOOTSTRAP", executable)
            .args(["plan", "crypto-stream"])
            .output()
            .unwrap()
    }
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_plan_names_what_is_wrong_with_the_executable_and_how_to_build_it() {
    let world = World::new();
    let missing = world.pumphouse.path("nowhere");
    let script = world.file("script", b"#!/bin/sh\n");
    let mut other = fixed();
    other[18] = 40;
    let other = world.file("other", &other);
    for (path, why) in [
        (&missing, "there is no executable for functions in Rust at"),
        (&script, "would not start on AWS Lambda"),
        (&other, "it is for the machine 40"),
    ] {
        let output = world.plan(path);
        let told = told(&output);
        assert_ne!(output.status.code(), Some(0), "{told}");
        for part in [why, &path.display().to_string(), ".ci/bootstrap", "docs/lambda.md"] {
            assert!(told.contains(part), "{part}: {told}");
        }
    }
    assert!(world.fake.asked().iter().all(|a| a.operation != "CreateChangeSet"));
}

#[test]
fn an_executable_that_starts_is_planned_with_for_the_endpoint_that_is_asked() {
    let world = World::new();
    let output = world.plan(&world.file("fixed", &fixed()));
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    let asked = world.fake.asked();
    let templates: Vec<String> = asked
        .iter()
        .filter(|a| a.operation == "CreateChangeSet" || a.method == "PUT")
        .map(|a| a.params.get("TemplateBody").cloned().unwrap_or_else(|| String::from_utf8_lossy(&a.body).into_owned()))
        .filter(|text| text.contains("AWSTemplateFormatVersion"))
        .collect();
    assert!(!templates.is_empty());
    // This endpoint is not AWS's own: it has no TLS to ask for.
    assert!(templates.iter().all(|t| !t.contains("aws:SecureTransport") && t.contains("x86_64")), "{templates:?}");
}

#[test]
fn an_export_checks_the_executable_that_it_is_given() {
    let world = World::new();
    let export = |path: &PathBuf| {
        let path = path.display().to_string();
        world.pumphouse.run(&["export", "cloudformation", "crypto-stream", "--bootstrap", &path])
    };
    let output = export(&world.file("script", b"#!/bin/sh\n"));
    assert_eq!(output.status.code(), Some(1));
    assert!(told(&output).contains("would not start on AWS Lambda"), "{}", told(&output));
    let output = export(&world.file("fixed", &fixed()));
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    let template = String::from_utf8_lossy(&output.stdout).into_owned();
    // Without --emulated it is one for AWS itself.
    assert!(template.contains("aws:SecureTransport") && !template.contains("BootstrapKey"), "{template}");
}
