//! The example events that are shipped with a pipeline: each function is invoked with its own.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::harness::Pumphouse;

fn events() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines/crypto-stream/events")
}

#[test]
fn each_function_of_crypto_stream_answers_its_example_event() {
    let p = Pumphouse::deployed();
    std::fs::write(
        p.path("prices.json"),
        "{\"base\":\"BTC\",\"currency\":\"USD\",\"amount\":\"100001.5\",\"timestamp_utc\":\"2026-01-05T09:00:00Z\"}\n",
    )
    .unwrap();
    let file = p.path("prices.json").display().to_string();
    p.ok(&["buckets", "put", "crypto-stream/landing", "try/prices.json", &file]);
    let answer = |function: &str| {
        let event = events().join(format!("{function}.json")).display().to_string();
        let name = format!("crypto-stream/{function}");
        p.json(&["invoke", &name, "--event", &event])["payload"].clone()
    };
    assert_eq!(answer("fetch_prices")["records"], 3);
    assert_eq!(answer("alert_on_price")["crossings"], 1);
    let prices = answer("query_prices");
    assert_eq!(prices["statusCode"], 200);
    // The prices are only in files so far, not in the table.
    assert_eq!(prices["body"], Value::from("[]"));
}

/// The events of a pipeline, by the name of their function.
fn shipped(pipeline: &Path) -> BTreeSet<String> {
    let there = pipeline.join("events").read_dir().unwrap_or_else(|e| panic!("{}: {e}", pipeline.display()));
    there.map(|e| e.unwrap().file_name().into_string().unwrap()).collect()
}

fn pipelines() -> Vec<PathBuf> {
    let there = Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines").read_dir().unwrap();
    there.map(|e| e.unwrap().path()).collect()
}

#[test]
fn there_is_an_event_for_each_function_and_no_other() {
    for folder in pipelines() {
        let pipeline = pumphouse::spec::load_path(&folder, &|_| true).unwrap();
        let functions: BTreeSet<String> =
            pipeline.environments[0].functions.iter().map(|f| format!("{}.json", f.name)).collect();
        assert_eq!(shipped(&folder), functions, "{}", folder.display());
    }
}

#[test]
fn each_function_takes_its_example_event_after_a_run() {
    for folder in pipelines() {
        let name = folder.file_name().unwrap().to_str().unwrap();
        let p = Pumphouse::new();
        let said = p.run(&["deploy", name, "--yes"]);
        if said.code != 0 && said.err.contains("needs PostgreSQL") {
            assert!(std::env::var("CI").as_deref() != Ok("true"), "{}", said.err);
            eprintln!("skipped: no PostgreSQL for {name}");
            continue;
        }
        assert_eq!(said.code, 0, "{}", said.err);
        // What the events tell of is there then.
        p.ok(&["run", name]);
        for event in shipped(&folder) {
            let function = format!("{name}/{}", event.trim_end_matches(".json"));
            let event = folder.join("events").join(event).display().to_string();
            let answer = p.json(&["invoke", &function, "--event", &event]);
            assert_eq!(answer["error"], Value::Null, "{function}: {answer}");
        }
    }
}

#[test]
fn a_second_load_of_covid_etl_by_its_event_finds_nothing_new() {
    let p = Pumphouse::new();
    if p.run(&["deploy", "covid-etl", "--yes"]).code != 0 {
        // The test above tells why, and fails where it must.
        return;
    }
    let event = Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines/covid-etl/events/load_daily.json");
    let load = || p.json(&["invoke", "covid-etl/load_daily", "--event", event.to_str().unwrap()])["payload"].clone();
    assert_eq!((&load()["new_rows"], &load()["new_rows"]), (&Value::from(59), &Value::from(0)));
}
