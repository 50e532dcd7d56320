//! crypto-stream from deploy to answers, on recorded real data.

use serde_json::{Value, json};

use crate::harness::{Pumphouse, shared};

fn expected() -> Option<(String, Value)> {
    let data = shared("crypto-stream/spot_prices.jsonl")?;
    let answers = shared("crypto-stream/expected.json")?;
    let answers = serde_json::from_str(&std::fs::read_to_string(answers).unwrap()).unwrap();
    Some((format!("coinbase={}", data.display()), answers))
}

fn query(p: &Pumphouse, sql: &str) -> Value {
    p.json(&["query", sql, "--database", "crypto_stream"])["rows"].take()
}

/// The numbers that are known of the data.
fn check_totals(p: &Pumphouse, answers: &Value) {
    assert_eq!(query(p, "select count(*) from prices"), json!([[answers["rows"]]]));
    for row in query(p, "select base, count(*) from prices group by base").as_array().unwrap() {
        assert_eq!(row[1], answers["by_base"][row[0].as_str().unwrap()]);
    }
    let sql = "select base, year, count(*), round(min(amount), 6), round(max(amount), 6), \
               round(avg(amount), 6) from prices group by base, year order by base, year";
    let rows = query(p, sql);
    let wanted = answers["by_base_year"].as_array().unwrap();
    assert_eq!(rows.as_array().unwrap().len(), wanted.len());
    for (row, wanted) in rows.as_array().unwrap().iter().zip(wanted) {
        for (cell, wanted) in row.as_array().unwrap().iter().zip(wanted.as_array().unwrap()) {
            match (cell.as_f64(), wanted.as_f64()) {
                (Some(a), Some(b)) => assert!((a - b).abs() < 1e-6, "{row} is not {wanted}"),
                _ => assert_eq!(cell, wanted),
            }
        }
    }
}

fn crossings(p: &Pumphouse) -> Vec<Value> {
    let inbox = p.json(&["topics", "inbox", "crypto-stream/price_alerts"]);
    let messages = inbox.as_array().unwrap().iter().map(|m| m["message"].as_str().unwrap().to_owned());
    messages.flat_map(|m| serde_json::from_str::<Value>(&m).unwrap()["crossings"].as_array().unwrap().clone()).collect()
}

#[test]
fn a_run_on_real_data_gives_the_known_numbers_and_a_second_run_of_the_job_nothing() {
    let Some((source, answers)) = expected() else { return };
    let p = Pumphouse::deployed();
    p.ok(&["alerts", "set", "crypto-stream/btc_usd", "60000"]);
    let report = p.json(&["run", "crypto-stream", "--source", &source]);
    assert_eq!(report["ok"], true, "{report}");
    assert_eq!((&report["pipeline"], &report["env"]), (&json!("crypto-stream"), &json!("dev")));
    for stage in report["stages"].as_array().unwrap() {
        assert_eq!(stage["status"], "SUCCEEDED", "{stage}");
        let keys: Vec<_> = stage.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys, ["name", "kind", "status", "records_in", "records_out", "elapsed_ms", "error"]);
    }
    check_totals(&p, &answers);

    let crossings = crossings(&p);
    assert_eq!(crossings.len() as u64, answers["btc_above_60000"].as_u64().unwrap());
    for crossing in crossings {
        let keys: Vec<_> = crossing.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys, ["base", "amount", "timestamp_utc"]);
        assert_eq!(crossing["base"], "BTC");
    }

    let objects = p.json(&["buckets", "objects", "crypto-stream/staging", "--recursive"]);
    let run = p.json(&["jobs", "start", "crypto-stream/clean_prices", "--wait"]);
    assert_eq!((&run["state"], &run["rows_in"], &run["rows_out"]), (&json!("SUCCEEDED"), &json!(0), &json!(0)));
    assert_eq!(p.json(&["buckets", "objects", "crypto-stream/staging", "--recursive"]), objects);
    check_totals(&p, &answers);
}

#[test]
fn a_run_that_is_killed_is_resumed_and_nothing_is_lost_or_twice() {
    let Some((source, answers)) = expected() else { return };
    let p = Pumphouse::deployed();
    p.ok(&["alerts", "set", "crypto-stream/btc_usd", "60000"]);
    let mut resumed = false;
    for kill_after_ms in [300, 700, 1_500] {
        let mut child = p.command().args(["run", "crypto-stream", "--source", &source]).spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(kill_after_ms));
        child.kill().unwrap();
        if child.wait().unwrap().success() {
            // A quick machine: it was done before it was killed.
            resumed = true;
            break;
        }
    }
    let said = p.run(&["run", "crypto-stream", "--source", &source, "--output", "json"]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(resumed || said.err.contains("resuming the interrupted run"), "{}", said.err);
    check_totals(&p, &answers);
    assert_eq!(crossings(&p).len() as u64, answers["btc_above_60000"].as_u64().unwrap());
}

#[test]
fn a_headless_demo_says_what_has_happened() {
    let p = Pumphouse::new();
    let said = p.ok(&["demo", "--headless", "--for", "12s", "--output", "json"]);
    let summary: Value = serde_json::from_str(&said.out).unwrap();
    assert!(summary["pipelines"].as_array().unwrap().contains(&json!("crypto-stream")), "{summary}");
    assert!(summary["files_landed"].as_u64().unwrap() > 0, "{summary}");
    let landing = summary["buckets"].as_array().unwrap().iter().find(|b| b["bucket"] == "crypto-stream-dev-landing");
    assert_eq!(summary["files_landed"], landing.unwrap()["objects"], "{summary}");
    assert!(summary["job_runs"][0]["succeeded"].as_u64().unwrap() > 0, "{summary}");
    assert!(summary["alerts"].as_u64().unwrap() > 0, "{summary}");
    let answered = summary["queries"]
        .as_array()
        .unwrap()
        .iter()
        .any(|q| q["result"]["rows"].as_array().is_some_and(|rows| !rows.is_empty()));
    assert!(answered, "{summary}");
    // What runs once a day has run, and what follows from it.
    let objects = |bucket: &str| {
        let buckets = summary["buckets"].as_array().unwrap();
        buckets.iter().find(|b| b["bucket"] == bucket).unwrap()["objects"].as_u64().unwrap()
    };
    assert!(objects("bls-quest-dev-data") > 1 && objects("bls-quest-dev-population") == 4, "{summary}");
    if summary["pipelines"].as_array().unwrap().contains(&json!("covid-etl")) {
        let loads = summary["topics"].as_array().unwrap().iter().find(|t| t["topic"] == "covid-etl-dev-loads");
        assert!(loads.unwrap()["messages"].as_u64().unwrap() >= 1, "{summary}");
    }
    let failed: Vec<&Value> =
        summary["job_runs"].as_array().unwrap().iter().filter(|j| j["failed"].as_u64() != Some(0)).collect();
    assert!(failed.is_empty(), "{failed:?}");
}
