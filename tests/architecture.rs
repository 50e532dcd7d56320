//! The design, as tests: tui, cli -> backend -> cloud <- aws, local, terraform; functions -> cloud; the places at which a
//! permit is made; files of one idea each.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "tests")]

use std::{
    collections::BTreeSet,
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

/// What each part of the crate may know of the others. The command line and the executables put them together.
const ARROWS: [(&str, &[&str]); 14] = [
    ("aws", &["cloud", "http", "postgres"]),
    ("backend", &["cloud", "deploy", "spec", "text"]),
    ("cloud", &[]),
    ("config", &["text"]),
    ("deploy", &["cloud", "spec"]),
    ("functions", &["cloud"]),
    ("http", &["cloud"]),
    ("local", &["cloud", "http", "postgres", "statement", "text"]),
    ("postgres", &["cloud"]),
    ("spec", &["cloud", "statement", "text"]),
    ("statement", &[]),
    ("terraform", &["cloud"]),
    ("text", &[]),
    ("tui", &["backend", "cloud", "text"]),
];

/// The parts that a file reaches, by `crate::name` and by `crate::{name, other::{..}}`.
fn reached(text: &str) -> BTreeSet<&str> {
    let code = |at: usize| !text[..at].rsplit('\n').next().unwrap().trim_start().starts_with("//");
    let mut found = BTreeSet::new();
    for (at, start) in text.match_indices("crate::").filter(|(at, _)| code(*at)) {
        let rest = &text[at + start.len()..];
        let name = |text: &'_ str| text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
        let Some(group) = rest.strip_prefix('{') else {
            found.insert(&rest[..name(rest)]);
            continue;
        };
        let (mut depth, mut begin) = (0, 0);
        for (at, c) in group.char_indices() {
            match c {
                '{' => depth += 1,
                '}' if depth > 0 => depth -= 1,
                ',' | '}' if depth == 0 => {
                    let path = group[begin..at].trim_start();
                    found.insert(&path[..name(path)]);
                    begin = at + 1;
                    if c == '}' {
                        break;
                    }
                }
                _ => {}
            }
        }
    }
    found.remove("");
    found
}

#[test]
fn what_is_reached_is_seen() {
    let text = "use crate::{\n    cloud::{self, jobs::{Job, Jobs}},\n    text,\n};\n// crate::aws\nlet x = crate::spec::load();";
    assert_eq!(Vec::from_iter(reached(text)), ["cloud", "spec", "text"]);
}

#[test]
fn arrows_run_one_way() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut wrong = Vec::new();
    for file in sources(&root) {
        let path = file.strip_prefix(&root).unwrap().to_str().unwrap();
        let part = path.split('/').next().unwrap().trim_end_matches(".rs");
        // Tests may put more together.
        if ["bin", "cli", "lib", "main"].contains(&part) || path.ends_with("tests.rs") || path.contains("/tests/") {
            continue;
        }
        let known = ARROWS.iter().find(|(name, _)| *name == part);
        let (_, known) = known.unwrap_or_else(|| panic!("{part} is new: what may it know?"));
        let text = fs::read_to_string(&file).unwrap();
        let others = reached(&text).into_iter().filter(|other| *other != part && !known.contains(other));
        wrong.extend(others.map(|other| format!("{path} knows {other}")));
    }
    assert!(wrong.is_empty(), "there is no such arrow in the design:\n{}", wrong.join("\n"));
}

#[test]
fn no_file_holds_two_ideas() {
    const MOST: usize = 600;
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let all = ["benches", "src", "tests"].iter().flat_map(|folder| sources(&root.join(folder)));
    let lines = |file: &Path| fs::read_to_string(file).unwrap().lines().count();
    let long: Vec<_> = all.filter(|file| lines(file) > MOST).collect();
    assert!(long.is_empty(), "most files have 100 to 500 lines: split these by what they are about: {long:?}");
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
