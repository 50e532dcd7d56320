//! dataops from one end to the other: what lands is crawled, cleaned and kept, and each end is told.

use std::path::PathBuf;

use serde_json::Value;

use crate::harness::Pumphouse;

fn sample(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("pipelines/dataops/sample/input").join(name)
}

/// With dataops deployed.
fn deployed() -> Pumphouse {
    let p = Pumphouse::new();
    p.ok(&["deploy", "dataops", "--yes"]);
    p
}

fn land(p: &Pumphouse, key: &str, path: &std::path::Path) {
    p.ok(&["buckets", "put", "dataops/lake", &format!("input/{key}"), path.to_str().unwrap()]);
}

fn land_text(p: &Pumphouse, key: &str, text: &str) {
    let path = p.path("landing");
    std::fs::write(&path, text).unwrap();
    land(p, key, &path);
}

fn orders(p: &Pumphouse) -> (u64, f64) {
    let rows = p.json(&["query", "select count(*), coalesce(sum(amount), 0) from dataops.orders"]);
    let row = &rows["rows"][0];
    (row[0].as_u64().unwrap(), row[1].as_f64().unwrap())
}

/// The states that the topic was told of, the oldest first.
fn told(p: &Pumphouse) -> Vec<String> {
    let inbox = p.json(&["topics", "inbox", "dataops/events"]);
    let state = |m: &Value| {
        let event: Value = serde_json::from_str(m["message"].as_str().unwrap()).unwrap();
        format!("{} {}", event["detail-type"].as_str().unwrap(), event["detail"]["state"].as_str().unwrap())
    };
    inbox.as_array().unwrap().iter().map(state).collect()
}

#[test]
fn what_lands_becomes_a_table_and_a_second_run_changes_nothing() {
    let p = deployed();
    for day in 1..=3 {
        let name = format!("orders-2026-11-0{day}.csv");
        land(&p, &name, &sample(&name));
    }
    let run = p.json(&["run", "dataops"]);
    assert_eq!(run["ok"], true, "{run}");
    let all = orders(&p);
    assert_eq!(all.0, 36);
    let messages = told(&p);
    for state in ["Glue Crawler State Change Succeeded", "Glue Job State Change SUCCEEDED"] {
        assert!(messages.iter().any(|m| m == state), "{messages:?}");
    }
    let before = p.json(&["buckets", "objects", "dataops/lake", "output/"]);
    let again = p.json(&["run", "dataops"]);
    assert_eq!(again["ok"], true, "{again}");
    assert_eq!(p.json(&["buckets", "objects", "dataops/lake", "output/"]), before);
    assert_eq!((orders(&p), told(&p).len()), (all, messages.len()));

    // What lands next has one column more, which nothing minds.
    land_text(
        &p,
        "more.csv",
        "order_id,customer,country,quantity,unit_price,ordered_at,note\n2001,Ivo,pl,2,1.25,2026-11-04T10:00:00Z,hi\n",
    );
    assert_eq!(p.json(&["run", "dataops"])["ok"], true);
    assert_eq!(orders(&p).0, 37);
    let table = p.json(&["catalog", "show", "dataops.raw_input"]);
    assert!(table["columns"].as_array().unwrap().iter().any(|c| c["name"] == "note"), "{table}");
    let log = p.ok(&["logs", "tail", "dataops/start_crawler"]).out;
    assert!(log.contains("input/more.csv has landed"), "{log}");
}

#[test]
fn each_function_answers_its_example_event() {
    let p = deployed();
    let answer = |function: &str| {
        let event = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("pipelines/dataops/events/{function}.json"));
        let name = format!("dataops/{function}");
        let said = p.json(&["invoke", &name, "--event", event.to_str().unwrap()]);
        assert_eq!(said["error"], Value::Null, "{said}");
        said["payload"].clone()
    };
    assert_eq!(answer("start_crawler")["started"], true);
    assert!(answer("start_etl")["started"].as_str().unwrap().starts_with("jr_"));
    assert_eq!(answer("start_etl_again"), serde_json::json!({}));
}

#[test]
fn a_crawl_of_garbage_fails_and_the_topic_is_told() {
    let p = deployed();
    land_text(&p, "garbage.csv", "hello\n");
    let failed = p.run(&["run", "dataops"]);
    assert_eq!(failed.code, 1);
    assert!(failed.err.contains("garbage.csv is neither CSV"), "{}", failed.err);
    assert_eq!(told(&p), ["Glue Crawler State Change Failed"]);
    assert_eq!(orders(&p).0, 0);
    let crawls = p.json(&["crawlers", "crawls", "dataops/input"]);
    assert_eq!(crawls[0]["state"], "FAILED");
    let started = p.run(&["crawlers", "start", "dataops/input"]);
    assert_eq!(started.code, 1);
    assert!(started.err.contains("is FAILED: s3://dataops-dev-lake/input/garbage.csv"), "{}", started.err);
}

#[test]
fn a_job_that_fails_is_told_and_reads_the_same_again() {
    let p = deployed();
    land_text(
        &p,
        "bad.csv",
        "order_id,customer,country,quantity,unit_price,ordered_at\n1,Ivo,pl,many,1.25,2026-11-04T10:00:00Z\n",
    );
    let failed = p.run(&["run", "dataops"]);
    assert_eq!(failed.code, 1);
    assert!(failed.err.contains("many"), "{}", failed.err);
    assert_eq!(told(&p), ["Glue Crawler State Change Succeeded", "Glue Job State Change FAILED"]);
    assert_eq!(orders(&p).0, 0);
    // Mended: the same key with what is right.
    land_text(
        &p,
        "bad.csv",
        "order_id,customer,country,quantity,unit_price,ordered_at\n1,Ivo,pl,3,1.25,2026-11-04T10:00:00Z\n",
    );
    assert_eq!(p.json(&["run", "dataops", "--restart"])["ok"], true);
    assert_eq!(orders(&p).0, 1);
}
