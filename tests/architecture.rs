//! The arrows of the design, as tests: tui, cli -> backend -> cloud <- aws, local; functions -> cloud; and the two places at
//! which a permit is made.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "tests")]

use std::{
    fs,
    path::{Path, PathBuf},
};

fn sources(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
    found
}

/// Each line of `layer`'s sources that is no comment and holds one of `words`.
fn lines_with(layer: &str, words: &[&str]) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = sources(&root.join(layer));
    let single = root.join(format!("{layer}.rs"));
    if single.is_file() {
        files.push(single);
    }
    assert!(!files.is_empty(), "the layer {layer} is gone: is this test still true?");
    let mut hits = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        for (number, line) in text.lines().enumerate() {
            if !line.trim_start().starts_with("//") && words.iter().any(|w| line.contains(w)) {
                let file = file.strip_prefix(&root).unwrap().display();
                hits.push(format!("{file}:{}: {}", number + 1, line.trim()));
            }
        }
    }
    hits
}

fn knows_nothing_of(layer: &str, others: &[&str]) {
    let words: Vec<String> = others.iter().map(|o| format!("crate::{o}")).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let hits = lines_with(layer, &words);
    assert!(hits.is_empty(), "{layer} reaches where the design has no arrow:\n{}", hits.join("\n"));
}

#[test]
fn arrows_run_one_way() {
    knows_nothing_of("aws", &["backend", "cli", "config", "deploy", "local", "spec", "terraform", "tui"]);
    knows_nothing_of(
        "terraform",
        &["aws", "backend", "cli", "config", "deploy", "functions", "http", "local", "spec", "tui"],
    );
    knows_nothing_of(
        "cloud",
        &["aws", "backend", "cli", "config", "deploy", "functions", "http", "local", "spec", "terraform", "tui"],
    );
    knows_nothing_of("functions", &["aws", "backend", "cli", "config", "deploy", "http", "local", "spec", "tui"]);
    knows_nothing_of("local", &["aws", "backend", "cli", "config", "deploy", "spec", "tui"]);
    knows_nothing_of("spec", &["aws", "backend", "cli", "config", "deploy", "local", "tui"]);
    knows_nothing_of("deploy", &["aws", "backend", "cli", "config", "local", "tui"]);
    knows_nothing_of("backend", &["aws", "cli", "local", "terraform", "tui"]);
    knows_nothing_of("tui", &["aws", "cli", "local", "terraform"]);
}

#[test]
fn a_permit_is_made_in_two_places() {
    let allowed = |hit: &str, files: &[&str]| files.iter().any(|f| hit.starts_with(f));
    for layer in ["aws", "backend", "cli", "cloud", "deploy", "functions", "local", "spec", "terraform", "tui"] {
        let hits: Vec<_> = lines_with(layer, &["Permit::operator("])
            .into_iter()
            .filter(|hit| !allowed(hit, &["backend/gate.rs", "cloud/permit.rs", "local/testing.rs"]))
            .collect();
        assert!(hits.is_empty(), "an operator's permit is made outside the gate:\n{}", hits.join("\n"));
        let hits: Vec<_> = lines_with(layer, &["Permit::role("])
            .into_iter()
            .filter(|hit| !allowed(hit, &["cloud/permit.rs", "local/"]))
            .collect();
        assert!(hits.is_empty(), "a role's permit is made outside an adapter:\n{}", hits.join("\n"));
        let hits: Vec<_> = lines_with(layer, &["Permit::role_checked_by_cloud("])
            .into_iter()
            .filter(|hit| !allowed(hit, &["aws/lambda/", "cloud/permit.rs"]))
            .collect();
        assert!(hits.is_empty(), "a permit without grants is made outside AWS Lambda:\n{}", hits.join("\n"));
    }
}
