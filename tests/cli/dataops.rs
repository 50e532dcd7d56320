//! dataops from one end to the other: what lands is crawled, cleaned and kept, and each end is told.

use std::path::PathBuf;

use serde_json::Value;

use crate::harness::Pumphouse;

/// With dataops deployed, and by that its three files in the bucket.
fn deployed() -> Pumphouse {
    let p = Pumphouse::new();
    p.ok(&["deploy", "dataops", "--yes"]);
    p
}

fn land_text(p: &Pumphouse, key: &str, text: &str) {
    let path = p.path("landing");
    std::fs::write(&path, text).unwrap();
    p.ok(&["buckets", "put", "dataops/lake", &format!("input/{key}"), path.to_str().unwrap()]);
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
    let landed = p.json(&["buckets", "objects", "dataops/lake", "input/"]);
    assert_eq!(landed["objects"].as_array().unwrap().len(), 3);
    assert_eq!(p.json(&["plan", "dataops"])["changes"], serde_json::json!([]));
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
    // One crawl or more: who is told of a file when a crawl is over starts another.
    let ends = told(&p);
    assert!(!ends.is_empty() && ends.iter().all(|e| e == "Glue Crawler State Change Failed"), "{ends:?}");
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
    let ends = told(&p);
    assert!(ends.contains(&"Glue Crawler State Change Succeeded".to_owned()), "{ends:?}");
    assert!(ends.contains(&"Glue Job State Change FAILED".to_owned()), "{ends:?}");
    assert!(!ends.contains(&"Glue Job State Change SUCCEEDED".to_owned()), "{ends:?}");
    assert_eq!(orders(&p).0, 0);
    // Mended: the same key with what is right.
    land_text(
        &p,
        "bad.csv",
        "order_id,customer,country,quantity,unit_price,ordered_at\n1,Ivo,pl,3,1.25,2026-11-04T10:00:00Z\n",
    );
    assert_eq!(p.json(&["run", "dataops", "--restart"])["ok"], true);
    assert_eq!(orders(&p).0, 37);
}

#[test]
fn a_run_is_fed_with_other_files_in_the_place_of_the_sample() {
    let p = deployed();
    let path = p.path("own.csv");
    std::fs::write(
        &path,
        "order_id,customer,country,quantity,unit_price,ordered_at\n7,Ida,dk,3,2.5,2026-11-05T10:00:00Z\n",
    )
    .unwrap();
    let source = format!("orders={}", path.display());
    assert_eq!(p.json(&["run", "dataops", "--source", &source])["ok"], true);
    assert_eq!(orders(&p), (1, 7.5));
}
