//! What stdout carries: documents of the shapes in docs/json.md, and nothing else.

use std::{
    io::{BufRead, BufReader, Read},
    process::Stdio,
};

use serde_json::{Value, json};

use crate::harness::Pumphouse;

#[track_caller]
fn keys(value: &Value, wanted: &[&str]) {
    let mut there: Vec<_> = value.as_object().unwrap_or_else(|| panic!("{value}")).keys().cloned().collect();
    let mut wanted: Vec<_> = wanted.iter().map(|k| (*k).to_owned()).collect();
    there.sort();
    wanted.sort();
    assert_eq!(there, wanted, "{value}");
}

#[test]
fn documents_have_the_shapes_that_the_guide_tells() {
    let p = Pumphouse::new();
    let plan = p.json(&["plan", "crypto-stream"]);
    keys(&plan, &["stack", "resumes", "changes", "estimated", "capabilities", "recreates", "notes"]);
    let change = &plan["changes"][0];
    let of_a_change = ["action", "logical_id", "name", "physical_name", "kind", "properties", "loses_data"];
    keys(change, &[of_a_change.as_slice(), &["certain", "replacement", "kept"]].concat());
    keys(&change["properties"][0], &["path", "before", "after", "requires_replacement", "evaluation", "cause"]);
    assert_eq!((&plan["estimated"], &change["certain"]), (&json!(false), &json!(true)));

    let stack = p.json(&["deploy", "crypto-stream", "--yes"]);
    assert_eq!(stack["status"], "CREATE_COMPLETE");
    assert_eq!(p.json(&["status", "crypto-stream"])["name"], "crypto-stream-dev");
    assert_eq!(p.json(&["plan", "crypto-stream"])["changes"], json!([]));
    keys(&p.json(&["outputs", "crypto-stream"])[0], &["name", "value", "description"]);
    keys(
        &p.json(&["history", "crypto-stream"])[0],
        &["id", "kind", "who", "started", "ended", "status", "changes", "reason"],
    );
    keys(
        &p.json(&["events", "crypto-stream"])[0],
        &["time", "stack", "logical_id", "kind", "status", "reason", "done", "total"],
    );
    keys(&p.json(&["pipelines"])[0], &["name", "description", "stack", "deployed", "health", "words"]);

    p.with_stdin(&["buckets", "put", "crypto-stream/landing", "a/b.txt", "-"], b"hello\n");
    keys(&p.json(&["buckets", "list"])[0], &["name", "pipeline", "created", "region", "objects", "bytes"]);
    keys(
        &p.json(&["buckets", "show", "crypto-stream/landing"]),
        &["bucket", "versioning", "expire_days", "notifications", "settings"],
    );
    let objects = p.json(&["buckets", "objects", "crypto-stream/landing"]);
    keys(&objects, &["prefixes", "objects", "next"]);
    assert_eq!(objects["prefixes"], json!(["a/"]));
    let objects = p.json(&["buckets", "objects", "crypto-stream/landing", "--recursive"]);
    assert_eq!(objects["objects"][0]["key"], "a/b.txt");
    assert_eq!(p.ok(&["buckets", "get", "crypto-stream/landing", "a/b.txt"]).out, "hello\n");

    keys(
        &p.json(&["jobs", "list"])[0],
        &["name", "pipeline", "schedule", "next_run", "bookmark", "log_group", "last_run"],
    );
    keys(&p.json(&["logs", "groups"])[0], &["name", "pipeline", "events", "bytes", "last_event"]);
    assert_eq!(p.json(&["logs", "tail", "crypto-stream/fetch_prices"]), json!([]));
    keys(&p.json(&["catalog", "databases"])[0], &["name", "pipeline", "tables"]);
    assert_eq!(p.json(&["catalog", "show", "crypto_stream.prices"])["name"], "prices");

    let result = p.json(&["query", "select 1 as one, 'x' as two"]);
    keys(&result, &["columns", "rows", "scanned_bytes", "elapsed_ms"]);
    assert_eq!(result["columns"][0]["name"], "one");
    assert_eq!(result["rows"], json!([[1, "x"]]));
    keys(
        &p.json(&["queries", "history"])[0],
        &["id", "sql", "database", "state", "started", "elapsed_ms", "scanned_bytes", "rows", "error"],
    );
    keys(&p.json(&["queries", "saved"])[0], &["name", "pipeline", "database", "sql"]);

    p.ok(&["alerts", "set", "crypto-stream/btc_usd", "60000"]);
    let alerts = p.json(&["alerts", "list"]);
    let threshold = alerts.as_array().unwrap().iter().find(|a| a["name"] == "/crypto-stream/dev/btc_usd").unwrap();
    assert_eq!(threshold["threshold"], 60000.0);

    p.ok(&["topics", "publish", "crypto-stream/price_alerts", "hello", "--subject", "s", "--attribute", "a=b"]);
    let inbox = p.json(&["topics", "inbox", "crypto-stream/price_alerts"]);
    keys(&inbox[0], &["time", "subject", "message", "attributes"]);
    assert_eq!(inbox[0]["message"], "hello");
    assert_eq!(inbox[0]["attributes"], json!({"a": "b"}));
    let tested = p.json(&["alerts", "test", "crypto-stream/btc_usd"]);
    assert_eq!(tested, json!(["crypto-stream-dev-price_alerts"]));

    let said = p.with_stdin(&["secret", "set", "crypto-stream/coinbase_api_key"], b"hush\n");
    assert_eq!(said.code, 0, "{}", said.err);
    let secrets = p.ok(&["secret", "list", "--output", "json"]).out;
    assert!(secrets.contains("\"set\":true") && !secrets.contains("hush"), "{secrets}");
    keys(&p.json(&["apis", "key", "crypto-stream/prices"]), &["api", "key"]);
    keys(
        &p.json(&["apis", "list"])[0],
        &["name", "pipeline", "path", "function", "url", "api_key", "throttle", "quota", "used"],
    );
    for row in p.json(&["doctor"]).as_array().unwrap() {
        keys(row, &["check", "grade", "found", "advice"]);
    }
}

#[test]
fn csv_has_a_header_and_exact_values() {
    let p = Pumphouse::deployed();
    let out = p.ok(&["query", "select 1234567 as n, 'a,b' as \"T t\"", "--output", "csv"]).out;
    assert_eq!(out, "n,T t\n1234567,\"a,b\"\n");
    assert!(p.ok(&["jobs", "list", "--output", "csv"]).out.starts_with("job,last_run,"));
}

#[test]
fn what_comes_from_outside_cannot_command_the_terminal() {
    let p = Pumphouse::deployed();
    p.ok(&["topics", "publish", "crypto-stream/price_alerts", "red \u{1b}[31m and \u{202e}back"]);
    let out = p.ok(&["topics", "inbox", "crypto-stream/price_alerts"]).out;
    assert!(!out.contains('\u{1b}') && !out.contains('\u{202e}'), "{out:?}");
    let inbox = p.json(&["topics", "inbox", "crypto-stream/price_alerts"]);
    assert_eq!(inbox[0]["message"], "red \u{1b}[31m and \u{202e}back");
}

#[test]
fn a_broken_pipe_is_no_error() {
    let p = Pumphouse::deployed();
    // Far more than a pipe holds.
    let ten = "(values (0), (1), (2), (3), (4), (5), (6), (7), (8), (9))";
    let sql = format!("select repeat('x', 100) from {ten} a cross join {ten} b cross join {ten} c cross join {ten} d");
    for format in ["json", "csv", "table"] {
        let mut child = p
            .command()
            .args(["query", &sql, "--output", format])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut first = [0; 1];
        child.stdout.take().unwrap().read_exact(&mut first).unwrap();
        // The reader is gone with what `take` gave.
        let mut err = String::new();
        BufReader::new(child.stderr.take().unwrap()).read_to_string(&mut err).unwrap();
        assert_eq!((child.wait().unwrap().code(), err.as_str()), (Some(0), ""), "{format}");
    }
}

#[test]
fn following_prints_what_comes_as_lines_of_json() {
    let p = Pumphouse::deployed();
    let mut child = p
        .command()
        .args(["logs", "tail", "-f", "crypto-stream/fetch_prices", "--output", "json"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    p.ok(&["invoke", "crypto-stream/fetch_prices"]);
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    let event: Value = serde_json::from_str(&line).unwrap();
    keys(&event, &["id", "timestamp", "group", "stream", "message"]);
    assert_eq!(event["group"], "/aws/lambda/crypto-stream-dev-fetch_prices");
}
