//! New pipelines: they check and deploy, and nothing half-made stays behind.

use std::fs;

use crate::harness::Pumphouse;

#[test]
fn a_new_pipeline_is_deployed_and_run() {
    let p = Pumphouse::new();
    let said = p.ok(&["new", "weather-lake"]);
    assert!(said.err.contains("pipelines/weather-lake: 5 files"), "{}", said.err);
    assert!(said.err.contains("built in"), "{}", said.err);
    let folder = p.path("pipelines/weather-lake");
    let readme = fs::read_to_string(folder.join("README.md")).unwrap();
    assert!(readme.starts_with("# weather-lake\n") && readme.contains("LandingBucket --> CleanJob"), "{readme}");
    p.ok(&["check"]);
    p.ok(&["deploy", "weather-lake", "--yes"]);
    let sample = folder.join("sample/readings.csv").display().to_string();
    p.ok(&["buckets", "put", "weather-lake/landing", "readings.csv", &sample]);
    p.ok(&["run", "weather-lake", "--yes"]);
    let said = p.ok(&["query", "--saved", "weather-lake/warmest", "--output", "csv"]);
    assert_eq!(said.out, "station,celsius\nharbour,12.25\nhill,4.0\n");
}

#[test]
fn a_copy_has_its_own_name_and_what_it_was_copied_from_stays() {
    let p = Pumphouse::new();
    p.ok(&["new", "prices", "--from", "crypto-stream", "--to", "lakes"]);
    let folder = p.path("lakes/prices");
    let toml = fs::read_to_string(folder.join("pipeline.toml")).unwrap();
    assert!(toml.starts_with("name = \"prices\"\n") && toml.contains("crypto_stream::fetch_prices"), "{toml}");
    let plan = p.ok(&["plan", "prices", "--pipelines", "lakes"]);
    assert!(plan.out.contains("prices-dev-landing") && !plan.out.contains("crypto-stream"), "{}", plan.out);
    // Of a copy, by its folder and by its name; beside own ones, those that are built in can be copied as well.
    p.ok(&["new", "more", "--from", "lakes/prices", "--to", "lakes"]);
    p.ok(&["new", "again", "--from", "prices", "--pipelines", "lakes"]);
    p.ok(&["new", "fresh", "--from", "crypto-stream", "--pipelines", "lakes"]);
    assert_eq!(p.ok(&["check", "lakes"]).err.lines().count(), 4);
}

#[test]
fn nothing_is_written_over_and_nothing_half_made_stays() {
    let p = Pumphouse::new();
    p.ok(&["new", "weather-lake"]);
    let names = || {
        let mut names: Vec<_> = fs::read_dir(p.path("pipelines")).unwrap().map(|e| e.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let said = p.run(&["new", "weather-lake"]);
    assert!(said.code == 1 && said.err.contains("pipelines/weather-lake is there already"), "{}", said.err);
    for name in ["Weather", "../x", "a", "", "two words", "name-that-is-longer-than-it-may-be"] {
        let said = p.run(&["new", name]);
        assert!(said.code == 1 && said.err.contains("is no name for a pipeline"), "{name}: {}", said.err);
    }
    let said = p.run(&["new", "other", "--from", "crypto-streem"]);
    assert!(said.code == 1 && said.err.contains("no pipeline named"), "{}", said.err);
    let said = p.run(&["new", "other", "--to", "pipelines/weather-lake"]);
    assert!(said.code == 2 && said.err.contains("is a pipeline itself"), "{}", said.err);
    assert_eq!(names(), ["weather-lake"]);
}
