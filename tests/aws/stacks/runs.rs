//! Runs of a deployed pipeline: what is counted, and what is refused.

use std::{fs, process::Command};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::{World, pipeline, texts};
use crate::{executable::fixed, fake::Answer};

const TICK: &str = "[function.tick]\nhandler = \"crypto_stream::fetch_prices\"\nschedule = \"rate(1 minute)\"\n\
                    grants = [\"stream.prices:write\"]\n[stream.prices]\nshards = 1\n";

fn command(world: &World, line: &str) -> Command {
    let mut command = world.pumphouse.command();
    command.env("PUMPHOUSE_BOOTSTRAP", world.pumphouse.path("bootstrap")).args(line.split(' '));
    command
}

fn run(world: &World) -> (Value, String) {
    let output = command(world, "run small --output json").output().unwrap();
    let (out, err) = texts(&output);
    (serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}: {out}\n{err}")), err)
}

#[test]
fn a_run_counts_what_a_log_tells_and_says_that_it_does_not_know_the_rest() {
    let world = World::new();
    world.write(&format!("{}{TICK}", pipeline("versioning = true")));
    fs::write(world.pumphouse.path("bootstrap"), fixed()).unwrap();
    let (out, err) = texts(&command(&world, "deploy small --yes").output().unwrap());
    assert_eq!(world.aws.stack("small-dev").status, "CREATE_COMPLETE", "{out}\n{err}");
    let log = STANDARD.encode("{\"records_in\":3,\"records_out\":2}\nREPORT RequestId: r\tDuration: 1 ms\n");
    let counted = Answer::json(&json!({"records": 3})).header("x-amz-log-result", &log);
    let failed = Answer::json(&json!({"errorType": "Failed", "errorMessage": "no luck"}))
        .header("x-amz-function-error", "Unhandled");
    let uncounted = Answer::json(&json!({}));
    world.aws.state().instead.insert("POST".into(), [counted, failed, uncounted].into());

    let (report, err) = run(&world);
    assert_eq!(report["ok"], true, "{report}\n{err}");
    let told: Vec<_> = report["stages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| (s["kind"].as_str().unwrap(), s["name"].as_str().unwrap(), &s["records_in"], &s["records_out"]))
        .collect();
    assert!(told.contains(&("function", "tick", &json!(3), &json!(2))), "{told:?}");
    for (kind, name) in [("stream", "prices"), ("bucket", "landing"), ("topic", "alarms")] {
        assert!(told.contains(&(kind, name, &Value::Null, &Value::Null)), "{told:?}");
    }
    assert!(err.contains("SUCCEEDED function tick: 3 in, 2 out"), "{err}");
    assert!(err.contains("SUCCEEDED stream prices: records not counted"), "{err}");

    // What failed may have written, and nobody knows how much; stages that have not begun have done nothing.
    let (report, err) = run(&world);
    assert_eq!(report["ok"], false, "{report}");
    assert!(err.contains("FAILED function tick: records not counted") && err.contains("no luck"), "{err}");
    let stream = report["stages"].as_array().unwrap().iter().find(|s| s["kind"] == "stream").unwrap();
    assert_eq!((&stream["status"], &stream["records_in"]), (&json!("PENDING"), &json!(0)));
    let (report, err) = run(&world);
    assert_eq!((&report["ok"], &report["stages"][0]["records_in"]), (&json!(true), &Value::Null), "{err}");

    // What is on record about the inputs is true of a function that reads none.
    let runs = world.pumphouse.path("state/runs/123456789012-eu-west-1/small-dev");
    let recorded: Vec<Value> = fs::read_dir(runs)
        .unwrap()
        .filter_map(|entry| fs::read(entry.unwrap().path()).ok())
        .filter_map(|text| serde_json::from_slice(&text).ok())
        .collect();
    assert_eq!(recorded.len(), 2, "the third carried the second on");
    assert!(recorded.iter().all(|r| r["inputs"] == "no source"), "{recorded:?}");
}

#[test]
fn a_file_in_a_source_s_place_is_refused_before_anything_is_asked() {
    let world = World::deployed();
    let before = world.fake.asked().len();
    let (out, err) = texts(&command(&world, "run small --source coinbase=prices.jsonl").output().unwrap());
    assert!(
        err.contains("not supported by the aws cloud: replaying a file") && err.contains("--local"),
        "{out}\n{err}"
    );
    let asked: Vec<_> = world.fake.asked().split_off(before).into_iter().map(|a| a.operation).collect();
    assert!(asked.iter().all(|operation| operation == "GetCallerIdentity"), "{asked:?}");
}
