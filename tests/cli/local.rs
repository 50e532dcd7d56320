//! Developing functions: example events, and `invoke --watch`.

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    time::Duration,
};

use serde_json::{Value, json};

use crate::harness::Pumphouse;

#[test]
fn an_event_is_made_for_what_starts_each_function_of_each_pipeline() {
    let p = Pumphouse::new();
    let started = |name: &str| -> (Value, String) {
        let said = p.ok(&["local", "event", "for", name]);
        (serde_json::from_str(&said.out).unwrap(), said.err)
    };
    let (event, why) = started("crypto-stream/fetch_prices");
    assert_eq!(event["source"], "aws.events");
    assert!(why.contains("its schedule rate(1 minute)"), "{why}");
    let (event, _) = started("crypto-stream/alert_on_price");
    assert_eq!(event["Records"][0]["s3"]["bucket"]["name"], "crypto-stream-dev-landing");
    assert_eq!(event["Records"][0]["s3"]["object"]["key"], "example.json");
    let (event, _) = started("crypto-stream/query_prices");
    assert_eq!((&event["httpMethod"], &event["path"]), (&json!("GET"), &json!("/prices")));
    // What a bucket puts into the queue is in the message.
    let (event, why) = started("bls-quest/report");
    let body: Value = serde_json::from_str(event["Records"][0]["body"].as_str().unwrap()).unwrap();
    assert_eq!(body["Records"][0]["eventSource"], "aws:s3", "{event}");
    assert!(why.contains("messages of the queue"), "{why}");
    let (event, why) = started("dataops/start_etl");
    assert_eq!(event["detail-type"], "Glue Crawler State Change");
    assert_eq!(event["detail"]["crawlerName"], "dataops-dev-input");
    assert!(why.contains("whose event is not printed"), "{why}");
    let said = p.run(&["local", "event", "for", "dataops/start_elt"]);
    assert_eq!(said.code, 1);
    assert!(said.err.contains("dataops has no function \"start_elt\"; it has: start_crawler, "), "{}", said.err);
}

#[test]
fn an_event_that_was_made_can_be_given_to_its_function() {
    let p = Pumphouse::deployed();
    let event = p.ok(&["local", "event", "api", "--path", "/prices", "--query", "base=BTC"]).out;
    let said =
        p.with_stdin(&["invoke", "crypto-stream/query_prices", "--event", "-", "--output", "json"], event.as_bytes());
    assert_eq!(said.code, 0, "{}", said.err);
    assert_eq!(serde_json::from_str::<Value>(&said.out).unwrap()["payload"]["statusCode"], 200);
}

#[test]
fn events_of_each_service_hold_what_they_are_told() {
    let p = Pumphouse::new();
    let event =
        |args: &[&str]| -> Value { serde_json::from_str(&p.ok(&[&["local", "event"], args].concat()).out).unwrap() };
    let created = event(&["s3", "--bucket", "b", "--key", "a b.csv", "--size", "7"]);
    assert_eq!(created["Records"][0]["s3"]["object"]["key"], "a+b.csv");
    assert_eq!(event(&["sqs", "--body", "1", "--body", "2"])["Records"][1]["body"], "2");
    assert_eq!(event(&["sns", "--message", "hello"])["Records"][0]["Sns"]["Message"], "hello");
    let changed = event(&["eventbridge", "--source", "me", "--detail-type", "T", "--detail", "{\"a\":1}"]);
    assert_eq!((&changed["source"], &changed["detail"]["a"]), (&json!("me"), &json!(1)));
    assert_eq!(event(&["kinesis", "--data", "hello"])["Records"][0]["kinesis"]["data"], "aGVsbG8=");
    let asked = event(&["api", "--path", "/p", "--query", "day=1", "--method", "POST", "--body", "x"]);
    assert_eq!((&asked["queryStringParameters"]["day"], &asked["body"]), (&json!("1"), &json!("x")));
    let said = p.run(&["local", "event", "eventbridge", "--detail", "{"]);
    assert_eq!(said.code, 2, "{}", said.err);
    assert!(said.err.contains("--detail \"{\": not JSON"), "{}", said.err);
}

const PIPELINE: &str = "name = \"tiny\"
[function.greet]
runtime = \"python3.13\"
code = \"functions/greet\"
handler = \"app.handler\"
env = { WORD = \"hello\" }
";

/// Waits for the end of a round in which a line held `words`: data and notes come by two pipes, in any order.
fn wait_for(lines: &Receiver<String>, words: &str) {
    let (mut told, mut waits) = (false, false);
    while !(told && waits) {
        let line = lines.recv_timeout(Duration::from_mins(1)).unwrap_or_else(|e| panic!("no {words:?}: {e}"));
        told |= line.contains(words);
        waits |= line.contains("waiting for a change");
    }
}

/// A process that ends with its test, also with one that fails.
struct Ends(Child);

impl Drop for Ends {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn what_is_watched_is_deployed_and_invoked_again_whenever_it_changes() {
    let p = Pumphouse::new();
    let folder = p.path("pipelines/tiny");
    let code = folder.join("functions/greet");
    fs::create_dir_all(&code).unwrap();
    fs::write(folder.join("pipeline.toml"), PIPELINE).unwrap();
    let app = |word: &str| {
        format!(
            "import os\ndef handler(event, context):\n    print('{word}')\n    return [os.environ['WORD'], event.get('who')]\n"
        )
    };
    fs::write(code.join("app.py"), app("one")).unwrap();
    fs::write(p.path("event.json"), "{\"who\":\"you\"}").unwrap();
    if Command::new("python3").arg("--version").output().is_err() {
        eprintln!("skipped: no python3");
        return;
    }
    let event = p.path("event.json").display().to_string();
    let refused = p.run(&["invoke", "tiny/greet", "--event", &event, "--watch"]);
    assert_eq!(refused.code, 3, "nobody has confirmed: {}", refused.err);
    let child = p
        .command()
        .args(["invoke", "tiny/greet", "--event", &event, "--watch", "--yes"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut child = Ends(child);
    let (sender, lines) = channel();
    for pipe in
        [Box::new(child.0.stdout.take().unwrap()) as Box<dyn Read + Send>, Box::new(child.0.stderr.take().unwrap())]
    {
        let sender = sender.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
    }
    wait_for(&lines, "one");
    fs::write(code.join("app.py"), app("two")).unwrap();
    wait_for(&lines, "two");
    fs::write(p.path("event.json"), "{\"who\":\"me\"}").unwrap();
    wait_for(&lines, "[\"hello\",\"me\"]");
    fs::write(folder.join("pipeline.toml"), PIPELINE.replace("hello", "servus")).unwrap();
    wait_for(&lines, "[\"servus\",\"me\"]");
    // A mistake is told, and mended.
    fs::write(folder.join("pipeline.toml"), PIPELINE.replace("code =", "coed =")).unwrap();
    wait_for(&lines, "coed");
    fs::write(folder.join("pipeline.toml"), PIPELINE).unwrap();
    wait_for(&lines, "[\"hello\",\"me\"]");
    // What would take something away is not done unasked.
    fs::write(folder.join("pipeline.toml"), "name = \"tiny\"").unwrap();
    wait_for(&lines, "which is not done unasked");
    let ended = Command::new("sh").args(["-c", &format!("kill -s INT {}", child.0.id())]).status().unwrap();
    assert!(ended.success());
    assert_eq!(child.0.wait().unwrap().code(), Some(0));
}

#[test]
fn a_failure_is_told_with_the_file_of_whoever_wrote_it_and_what_to_raise() {
    let p = Pumphouse::new();
    let folder = p.path("pipelines/tiny");
    let code = folder.join("functions/greet");
    fs::create_dir_all(&code).unwrap();
    fs::write(folder.join("pipeline.toml"), PIPELINE).unwrap();
    let app = "import time\nimport helper\ndef handler(event, context):\n    time.sleep(event.get('seconds', 0))\n    helper.fail()\n";
    fs::write(code.join("app.py"), app).unwrap();
    fs::write(code.join("helper.py"), "def fail():\n    raise ValueError('no luck')\n").unwrap();
    if Command::new("python3").arg("--version").output().is_err() {
        eprintln!("skipped: no python3");
        return;
    }
    assert_eq!(p.run(&["check", "tiny"]).code, 0, "a pipeline goes by its name");
    p.ok(&["deploy", "tiny", "--yes"]);
    let said = p.run(&["invoke", "tiny/greet"]);
    assert_eq!(said.code, 1);
    for (file, line) in [("app.py", 5), ("helper.py", 2)] {
        let frame = format!("  File \"pipelines/tiny/functions/greet/{file}\", line {line}, in ");
        assert!(said.err.contains(&frame), "{frame}: {}", said.err);
    }
    assert!(!said.err.contains("<string>"), "nothing of ours: {}", said.err);
    let said = p.run(&["invoke", "tiny-dev-greet"]);
    assert!(said.err.contains("pipelines/tiny/functions/greet/helper.py"), "by its physical name, too: {}", said.err);

    fs::write(folder.join("pipeline.toml"), PIPELINE.replace("code =", "timeout_seconds = 1\ncode =")).unwrap();
    p.ok(&["deploy", "tiny", "--yes"]);
    let late = p.with_stdin(&["invoke", "tiny/greet", "--event", "-"], b"{\"seconds\": 30}");
    assert!(late.err.contains("Task timed out after 1.00 seconds; it has `timeout_seconds`"), "{}", late.err);
    let empty = p.with_stdin(&["invoke", "tiny/greet", "--event", "-"], b" \n");
    assert_eq!((empty.code, empty.err.contains("--event -: nothing is there")), (2, true), "{}", empty.err);
    let large = format!("\"{}\"", "x".repeat(7_000_000));
    let large = p.with_stdin(&["invoke", "tiny/greet", "--event", "-"], large.as_bytes());
    assert!(large.err.contains("the event has 7000002 bytes"), "{}", large.err);
}

#[test]
fn what_cannot_change_or_is_protected_is_not_watched() {
    let p = Pumphouse::deployed();
    let said = p.run(&["invoke", "crypto-stream/fetch_prices", "--watch", "--yes"]);
    assert_eq!(said.code, 2, "{}", said.err);
    assert!(said.err.contains("`pumphouse new NAME --from crypto-stream`"), "{}", said.err);
    p.ok(&["new", "mine", "--from", "crypto-stream", "--to", &p.path("pipelines").display().to_string()]);
    let said = p.run(&["invoke", "mine/fetch_prices", "--watch", "--yes", "--env", "prod"]);
    assert_eq!(said.code, 3, "{}", said.err);
    assert!(said.err.contains("mine-prod is protected"), "{}", said.err);
}
