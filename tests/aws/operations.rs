//! Every operation of the SDK that the adapter calls is in the table, with what it does.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use pumphouse::aws::operations::{ALL, Access};
use regex::Regex;

/// What this test takes for calls and what they are instead: methods of ours or of others by the name of an operation.
const OTHERS: &[&str] = &[];

/// Letters and digits alone: `list_objects_v2` and `ListObjectsV2` are the same.
fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase()
}

/// The operations of the SDK's crates that we build on, by the service's plain name: each has a file of its own.
fn sdk() -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--offline", "--locked", "--filter-platform", "host-tuple"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut found = BTreeMap::<String, BTreeSet<String>>::new();
    for package in metadata["packages"].as_array().unwrap() {
        let Some(service) = package["name"].as_str().unwrap().strip_prefix("aws-sdk-") else { continue };
        let folder = Path::new(package["manifest_path"].as_str().unwrap()).parent().unwrap().join("src/operation");
        let names = fs::read_dir(folder).unwrap().filter_map(|entry| {
            let path = entry.unwrap().path();
            Some(path.file_name()?.to_str()?.strip_suffix(".rs")?.to_owned())
        });
        found.insert(service.to_owned(), names.collect());
    }
    assert!(found.len() >= 15 && found["s3"].contains("list_objects_v2"));
    found
}

fn sources(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] }).collect()
}

/// What the adapter calls: the operation's snake-case name, and where.
fn called(sdk: &BTreeMap<String, BTreeSet<String>>) -> BTreeMap<String, String> {
    // By name, or by the macro that reads any setting of a bucket.
    let call = Regex::new(r"(?:\.\s*([a-z][a-z0-9_]*)\(\))|(?:setting!\(.*, ([a-z][a-z0-9_]*)\))").unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/aws");
    let mut found = BTreeMap::new();
    for path in sources(&root).into_iter().filter(|path| !path.to_str().unwrap().ends_with("tests.rs")) {
        let text = fs::read_to_string(&path).unwrap();
        for name in call.captures_iter(&text).filter_map(|c| Some(c.get(1).or(c.get(2))?.as_str().to_owned())) {
            if sdk.values().any(|names| names.contains(&name)) && !OTHERS.contains(&name.as_str()) {
                found.insert(name, path.strip_prefix(&root).unwrap().display().to_string());
            }
        }
    }
    assert!(found.contains_key("get_caller_identity"), "{found:?}");
    found
}

#[test]
fn every_operation_that_is_called_is_in_the_table() {
    let sdk = sdk();
    let missing: Vec<_> = called(&sdk)
        .into_iter()
        .filter(|(name, _)| {
            let of = |service: &str| sdk.get(&service.to_lowercase()).is_some_and(|names| names.contains(name));
            !ALL.iter().any(|o| plain(o.name) == plain(name) && of(o.service))
        })
        .collect();
    assert!(missing.is_empty(), "not in src/aws/operations.rs, so the guard does not let them out: {missing:?}");
}

#[test]
fn every_line_of_the_table_is_an_operation_of_the_sdk() {
    let sdk = sdk();
    for operation in ALL {
        let names = sdk.get(&operation.service.to_lowercase());
        let there = names.is_some_and(|names| names.iter().any(|name| plain(name) == plain(operation.name)));
        assert!(there, "{} {}", operation.service, operation.name);
    }
}

#[test]
fn the_page_of_permissions_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/permissions.md");
    let page = fs::read_to_string(&path).unwrap();
    let (before, _) = page.split_once("| service |").unwrap_or((&page, ""));
    let mut wanted =
        format!("{}\n\n| service | operation | IAM action | |\n| --- | --- | --- | --- |\n", before.trim_end());
    for o in ALL {
        let access = if o.access == Access::Read { "reads" } else { "changes" };
        writeln!(wanted, "| {} | {} | `{}` | {access} |", o.service, o.name, o.action).unwrap();
    }
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &wanted).unwrap();
        return;
    }
    assert!(page == wanted, "docs/permissions.md is stale: run this test once with UPDATE_DOCS=1");
}

/// `AssumeRole` is called by the SDK itself.
#[test]
fn every_line_of_the_table_is_called() {
    let called: BTreeSet<_> = called(&sdk()).into_keys().map(|name| plain(&name)).collect();
    let unused: Vec<_> = ALL.iter().filter(|o| o.name != "AssumeRole" && !called.contains(&plain(o.name))).collect();
    assert!(unused.is_empty(), "{unused:#?}");
}
