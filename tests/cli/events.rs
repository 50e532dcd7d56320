//! The example events that are shipped with a pipeline: each function is invoked with its own.

use std::{collections::BTreeSet, path::Path};

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

#[test]
fn there_is_an_event_for_each_function_and_no_other() {
    let pipeline = pumphouse::spec::load_path(events().parent().unwrap(), &|_| true).unwrap();
    let functions: BTreeSet<String> =
        pipeline.environments[0].functions.iter().map(|f| format!("{}.json", f.name)).collect();
    let shipped: BTreeSet<String> =
        events().read_dir().unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(shipped, functions);
}
