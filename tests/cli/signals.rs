//! Ctrl-C and SIGTERM: what is cut off says so, closes its audit line, and goes on the next time.

use std::{
    fmt::Write as _,
    io::{BufRead, BufReader, Read},
    process::{Child, Command, Stdio},
};

use serde_json::json;

use crate::harness::Pumphouse;

fn signal(child: &Child, name: &str) {
    let sent = Command::new("sh").args(["-c", &format!("kill -s {name} {}", child.id())]).status().unwrap();
    assert!(sent.success());
}

fn start(p: &Pumphouse, args: &[&str]) -> Child {
    p.command().args(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn rest(mut child: Child) -> (i32, String) {
    let mut err = String::new();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    (child.wait().unwrap().code().unwrap_or(-1), err)
}

fn audit(p: &Pumphouse, what: &str) -> Vec<String> {
    let lines = std::fs::read_to_string(p.state().join("audit.jsonl")).unwrap();
    lines
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .filter(|record| record["what"] == json!(what))
        .map(|record| record["outcome"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn an_interrupted_run_says_so_and_the_next_one_carries_it_on() {
    let p = Pumphouse::deployed();
    let mut recording = String::new();
    for step in 0..3000 {
        for base in ["BTC", "ETH", "XRP"] {
            let observation = json!({
                "base": base, "currency": "USD", "amount": "1", "timestamp_utc": format!("2020-01-01T00:{:02}:{:02}Z", step / 60, step % 60),
            });
            writeln!(recording, "{observation}").unwrap();
        }
    }
    std::fs::write(p.path("prices.jsonl"), recording).unwrap();
    let source = format!("coinbase={}", p.path("prices.jsonl").display());
    for name in ["INT", "TERM"] {
        let child = start(&p, &["run", "crypto-stream", "--source", &source]);
        // It is at work once the run is on record.
        let begun = || audit(&p, "run").last().is_some_and(|outcome| outcome == "started");
        while !begun() {
            std::thread::yield_now();
        }
        signal(&child, name);
        let (code, err) = rest(child);
        assert_eq!(code, 1, "{err}");
        assert!(err.contains("interrupted: the next `run` carries it on"), "{err}");
        assert!(audit(&p, "run").last().unwrap().starts_with("interrupted"));
    }
}

#[test]
fn following_logs_ends_with_a_signal_or_with_its_reader() {
    let p = Pumphouse::deployed();
    p.run(&["invoke", "crypto-stream/fetch_prices"]);
    for name in ["INT", "TERM"] {
        let mut child = start(&p, &["logs", "tail", "-f", "crypto-stream/fetch_prices"]);
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(!line.is_empty());
        signal(&child, name);
        assert_eq!(rest(child).0, 0);
    }
    let mut child = start(&p, &["logs", "tail", "-f", "crypto-stream/fetch_prices"]);
    let mut line = String::new();
    // The reader is dropped: no event comes that would be written.
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(rest(child).0, 0);
}

#[test]
fn what_nobody_confirmed_is_on_record() {
    let p = Pumphouse::deployed();
    assert_eq!(p.run(&["destroy", "crypto-stream"]).code, 3);
    assert_eq!(p.run(&["destroy", "crypto-stream", "--confirm", "other"]).code, 3);
    assert_eq!(p.run(&["destroy", "crypto-stream", "--read-only"]).code, 3);
    assert_eq!(audit(&p, "destroy"), ["refused: not confirmed", "refused: not confirmed"]);
}
