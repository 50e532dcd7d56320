//! Pipelines that are right and pipelines that are wrong, each a test: tests/spec/valid and tests/spec/invalid.
//!
//! Beside each stands what must come of it: the resources of a right one, the report of a wrong one. With
//! `UPDATE_EXPECTED=1` these are written anew; read the difference before it is committed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "spec/properties.rs"]
mod properties;

use std::{collections::BTreeSet, fmt::Write, fs, path::PathBuf};

use pumphouse::{
    cloud::resources::{Graph, Properties},
    deploy, spec,
};

/// The handlers in Rust that these pipelines know of.
pub fn known(handler: &str) -> bool {
    handler.starts_with("known::")
}

/// What holds for every graph.
pub fn check_graph(graph: &Graph) {
    let (mut made, mut named, mut stages) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for resource in &graph.resources {
        for id in &resource.depends_on {
            assert!(made.contains(id.as_str()), "{} comes before {id}, which it depends on", resource.logical_id);
        }
        assert!(resource.logical_id.chars().all(|c| c.is_ascii_alphanumeric()), "{}", resource.logical_id);
        assert!(made.insert(resource.logical_id.as_str()), "two resources {}", resource.logical_id);
        let kind = resource.properties.kind();
        assert!(named.insert((kind, &resource.physical_name)), "two of the name {}", resource.physical_name);
        let longest = match &resource.properties {
            Properties::Bucket(_) => 63,
            Properties::Function(_) | Properties::Role(_) | Properties::Schedule(_) | Properties::Delivery(_) => 64,
            _ => 255,
        };
        assert!(resource.physical_name.len() <= longest, "{} is too long", resource.physical_name);
    }
    for stage in pumphouse::cloud::flow::flow(graph) {
        assert!(stage.after.iter().all(|id| stages.contains(id)), "{} comes too early", stage.name);
        stages.insert(stage.id);
    }
    let back: Graph = serde_json::from_value(serde_json::to_value(graph).unwrap()).unwrap();
    assert_eq!(pumphouse::cloud::diff::changes(Some(&back), Some(graph)), [], "its JSON is the same graph");
}

fn expect(path: &str, actual: &str) {
    let path = PathBuf::from(path);
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        fs::write(&path, actual).unwrap();
        return;
    }
    let expected = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    assert!(expected == actual, "{} does not hold. It came:\n{actual}", path.display());
}

fn valid(name: &str) {
    let path = PathBuf::from(format!("tests/spec/valid/{name}.toml"));
    let pipeline = spec::load_path(&path, &known).unwrap_or_else(|report| panic!("{report}"));
    let mut text = String::new();
    for env in pipeline.env_names() {
        let graph = deploy::graph(&pipeline, env).unwrap();
        check_graph(&graph);
        writeln!(text, "{}", serde_json::to_string_pretty(&graph).unwrap()).unwrap();
    }
    if let Some(release) = pipeline.release {
        writeln!(text, "{:?}", release.source).unwrap();
        writeln!(text, "{}", serde_json::to_string_pretty(&release.definition).unwrap()).unwrap();
    }
    expect(&format!("tests/spec/valid/{name}.expected"), &text);
}

fn invalid(name: &str) {
    // A build without the embedded cloud has no parser of SQL.
    if name == "sql_syntax" && !cfg!(feature = "local") {
        return;
    }
    let path = PathBuf::from(format!("tests/spec/invalid/{name}.toml"));
    let report = spec::load_path(&path, &known).expect_err("it is wrong");
    assert!(report.diagnostics.iter().all(|d| !d.message.is_empty()));
    expect(&format!("tests/spec/invalid/{name}.expected"), &format!("{report}\n"));
}

fn names(folder: &str) -> BTreeSet<String> {
    fs::read_dir(folder)
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().into_string().unwrap().strip_suffix(".toml").map(str::to_owned))
        .collect()
}

macro_rules! each {
    ($folder:ident: $($name:ident),* $(,)?) => {
        mod $folder {
            $(#[test]
            fn $name() {
                super::$folder(stringify!($name));
            })*

            #[test]
            fn each_file_has_a_test() {
                let tested = [$(stringify!($name).to_owned()),*];
                assert_eq!(super::names(concat!("tests/spec/", stringify!($folder))), tested.into());
            }
        }
    };
}

each!(valid: crawlers, everything, minimal, nothing_but_a_name, one_bucket, overrides, release, terraform, windows);

each!(invalid:
    alarms, apis, bad_cron, bad_name, bad_rate, bad_resource_name, bad_types, binary, catalog, code, column_types,
    columns_and_table, control_characters, crawlers, cycle_of_ends, cycle_of_jobs, cycle_over_a_bucket, cycle_over_a_crawler, cycle_over_a_queue, cycle_over_a_stream, connections, databases, deep_key, deep_nesting,
    delivery, directories, duplicate_key, duplicate_section, email, empty, environment_is_no_table, environment_variables,
    environments, grants, handler_missing, job_reads_what_it_writes, job_settings, long_line, long_list, many_mistakes,
    bucket_settings, files_to_upload, key_tables, rows, missing_name, no_toml, not_utf8, out_of_range, override_of_one_environment, partition_columns, queues, references_in_another_form,
    references_to_nothing, release, release_arn, release_codecommit, release_connection, release_source, rules, samples, section_is_no_table, section_without_name, sources, sql_files, sql_syntax,
    syntax, cloudformation_dir, terraform, terraform_keys, terraform_no_dir,
    table_of_two_jobs, too_many_resources, unknown_handler, unknown_inner_key, unknown_key, unknown_section, unknown_top_level_key,
);

#[test]
fn the_shipped_pipelines_are_valid_in_the_folder_and_built_in() {
    let (folder, built_in) = (spec::pipelines(None).unwrap(), spec::built_in());
    let names = |all: &[spec::Location]| all.iter().map(spec::Location::name).collect::<Vec<_>>();
    assert_eq!(names(&folder), names(&built_in));
    assert!(names(&folder).contains(&"crypto-stream".to_owned()));
    for (on_disk, inside) in folder.iter().zip(&built_in) {
        let load = |location| spec::load(location, &|_| true).unwrap_or_else(|report| panic!("{report}"));
        let (on_disk, inside) = (load(on_disk), load(inside));
        assert_eq!(on_disk.environments, inside.environments);
        for env in on_disk.env_names() {
            check_graph(&deploy::graph(&on_disk, env).unwrap());
        }
    }
}

#[test]
fn a_pipeline_is_found_by_its_name() {
    let valid = Some(std::path::Path::new("pipelines"));
    assert_eq!(spec::find(valid, "crypto-stream", &|_| true).unwrap().name, "crypto-stream");
    let error = spec::find(valid, "crypto-steam", &|_| true).unwrap_err();
    assert_eq!(error.to_string(), "no pipeline named \"crypto-steam\": did you mean \"crypto-stream\"?");
    let itself = spec::pipelines(Some(std::path::Path::new("pipelines/crypto-stream/."))).unwrap();
    assert_eq!(itself.iter().map(spec::Location::name).collect::<Vec<_>>(), ["crypto-stream"]);
    let dir = tempfile::tempdir().unwrap();
    let error = spec::find(Some(dir.path()), "x", &known).unwrap_err();
    assert_eq!(error.to_string(), "no pipeline named \"x\": there are no pipelines");
    fs::create_dir(dir.path().join("folder")).unwrap();
    fs::write(dir.path().join("folder/pipeline.toml"), "name = \"another\"").unwrap();
    assert_eq!(spec::find(Some(dir.path()), "another", &known).unwrap().name, "another");
    let error = spec::find(Some(dir.path()), "folder", &known).unwrap_err();
    assert_eq!(error.to_string(), "no pipeline named \"folder\": there is: another");
    fs::create_dir(dir.path().join("copy")).unwrap();
    fs::write(dir.path().join("copy/pipeline.toml"), "name = \"another\"").unwrap();
    let error = spec::find(Some(dir.path()), "another", &known).unwrap_err();
    assert_eq!(error.to_string(), "several pipelines are named \"another\": copy, folder; give each its own name");
    assert!(spec::find(Some(&dir.path().join("nothing")), "x", &known).is_err());
    let report = spec::load_path(dir.path(), &known).unwrap_err().to_string();
    assert!(report.contains("pipeline.toml is not there"), "{report}");
}

#[test]
fn the_reference_tells_of_every_key_and_its_examples_are_one_valid_pipeline() {
    let page = fs::read_to_string("docs/pipeline.md").unwrap();
    let examples: Vec<&str> =
        page.split("```toml\n").skip(1).map(|block| block.split("```").next().unwrap_or_default()).collect();
    let text = examples.concat();
    let sample = r#"{"country": "PT", "station": "1", "read_at": "2026-01-01T00:00:00Z"}"#;
    let files = [
        ("pipeline.toml", text.as_str()),
        ("jobs/clean.sql", "select 1"),
        ("jobs/clean_uploads.sql", "select 1"),
        ("queries/warmest.sql", "select 1"),
        ("sample/readings.jsonl", sample),
        ("data/stations.csv", "Station;Since\nA1;1990\n"),
        ("queries/warmest_by_day.sql", "select day, celsius from warmest order by day"),
        ("sample/normals.csv", "station,celsius\n1,9.5\n"),
        ("sample/archive/2025.csv", "station,celsius\r\n1,9.5\r\n"),
        ("functions/fetch/app.py", ""),
    ];
    let files = files.into_iter().map(|(path, content)| (path.to_owned(), content.to_owned().into())).collect();
    let pipeline = spec::load_memory(files, &|h| h.starts_with("weather_lake::")).unwrap_or_else(|r| panic!("{r}"));
    for env in pipeline.env_names() {
        check_graph(&deploy::graph(&pipeline, env).unwrap());
    }

    let everything: toml::Table = fs::read_to_string("tests/spec/valid/everything.toml").unwrap().parse().unwrap();
    for (section, names) in everything.iter().filter(|(s, _)| !["catalog", "env"].contains(&s.as_str())) {
        for (_, keys) in names.as_table().into_iter().flatten() {
            for key in keys.as_table().into_iter().flat_map(toml::Table::keys) {
                let told = page.contains(&format!("| `{key}` |")) || page.contains(&format!("| `{key}."));
                assert!(told, "docs/pipeline.md says nothing of `{key}` in [{section}.NAME]");
            }
        }
    }
}

#[test]
fn a_huge_file_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("pipeline.toml"), "#".repeat(300 * 1024)).unwrap();
    let report = spec::load_path(dir.path(), &known).unwrap_err().to_string();
    assert!(report.contains("too big: 256 KiB are allowed"), "{report}");
}
