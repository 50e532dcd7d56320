//! kill -9 at random moments of deploy and run: the totals are exact, nothing lost, nothing twice.
#![cfg(feature = "local")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "tests")]

use std::{
    fmt::Write,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

const STEPS: u64 = 400;
const KILLS: u32 = 20;

/// A recording of three pairs with whole amounts, of which every 50th BTC price is over 60,000.
fn recording(dir: &Path) -> (PathBuf, u64) {
    let mut text = String::new();
    let mut crossings = 0;
    for step in 0..STEPS {
        let day = jiff::civil::date(2020, 1, 1).checked_add(jiff::Span::new().days(step as i64)).unwrap();
        let high = step % 50 == 49;
        crossings += u64::from(high);
        let btc = if high { 60_001 + step } else { 10_000 + step };
        for (base, amount) in [("BTC", btc), ("ETH", 100 + step), ("XRP", 1 + step)] {
            let observation = serde_json::json!({
                "base": base, "currency": "USD", "amount": amount.to_string(), "timestamp_utc": format!("{day}T23:59:00Z"),
            });
            writeln!(text, "{observation}").unwrap();
        }
    }
    let path = dir.join("prices.jsonl");
    std::fs::write(&path, text).unwrap();
    (path, crossings)
}

fn pumphouse(state: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pumphouse"));
    command.args(["--local", "--output", "json", "--state-dir"]).arg(state).args(args).stdin(Stdio::null());
    command
}

fn finish(state: &Path, args: &[&str]) -> Output {
    let output = pumphouse(state, args).output().unwrap();
    assert!(
        output.status.success(),
        "{args:?} failed:\n{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).expect("one JSON document")
}

/// Runs a command and kills it after `delay`; whether it ended by itself before.
fn killed_after(state: &Path, args: &[&str], delay: Duration) -> bool {
    let mut child = pumphouse(state, args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let end = Instant::now() + delay;
    while Instant::now() < end {
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success(), "{args:?} failed by itself");
            return true;
        }
        thread::sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    // It may have done all that it had to, and only not yet have ended.
    args.first() == Some(&"run") && last_run_succeeded(state)
}

fn last_run_succeeded(state: &Path) -> bool {
    let connection = rusqlite::Connection::open(state.join("state.db")).unwrap();
    let status = connection.query_row("select status from runs order by started desc limit 1", [], |r| r.get(0));
    status.is_ok_and(|status: String| status == "SUCCEEDED")
}

/// A small generator of delays: different in each test run, printed so that a failure can be looked into.
struct Delays(u64);

impl Delays {
    fn new() -> Self {
        let seed = std::env::var("KILL_SEED").ok().and_then(|s| s.parse().ok());
        let seed = seed.unwrap_or_else(|| jiff::Timestamp::now().as_nanosecond() as u64);
        println!("KILL_SEED={seed}");
        Self(seed | 1)
    }

    fn up_to(&mut self, most: Duration) -> Duration {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        most.mul_f64((self.0 >> 11) as f64 / (1u64 << 53) as f64)
    }
}

#[test]
fn totals_are_exact_after_kills_at_random_moments() {
    let dir = tempfile::tempdir().unwrap();
    let (file, crossings) = recording(dir.path());
    let source = format!("coinbase={}", file.display());
    let run = ["run", "crypto-stream", "--source", &source];
    let mut delays = Delays::new();

    // How long it takes when nobody kills it, which is also the first thing to be right.
    let state = dir.path().join("whole");
    let begun = Instant::now();
    finish(&state, &["deploy", "crypto-stream", "--yes"]);
    let deploy_time = begun.elapsed();
    finish(&state, &["alerts", "set", "crypto-stream/btc_usd", "60000"]);
    let begun = Instant::now();
    finish(&state, &run);
    let run_time = begun.elapsed();
    check(&state, crossings);

    let mut kills = 0;
    let mut round = 0;
    while kills < KILLS {
        let state = dir.path().join(format!("round-{round}"));
        round += 1;
        for _ in 0..3 {
            if killed_after(&state, &["deploy", "crypto-stream", "--yes"], delays.up_to(deploy_time)) {
                break;
            }
            kills += 1;
        }
        finish(&state, &["deploy", "crypto-stream", "--yes"]);
        finish(&state, &["alerts", "set", "crypto-stream/btc_usd", "60000"]);
        let mut done = false;
        // Short of its whole length, so that most rounds take several kills.
        for _ in 0..9 {
            done = killed_after(&state, &run, delays.up_to(run_time / 2));
            if done {
                break;
            }
            kills += 1;
        }
        if !done {
            let output = finish(&state, &run);
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            let report = json(&output);
            assert_eq!(report["ok"], true, "{report}");
            println!("round {round}: {}", said.lines().next().unwrap_or("(nothing said)"));
        }
        check(&state, crossings);
    }
    println!("{kills} kills in {round} rounds");
}

#[test]
fn a_restart_after_a_kill_is_exact_too() {
    let dir = tempfile::tempdir().unwrap();
    let (file, crossings) = recording(dir.path());
    let source = format!("coinbase={}", file.display());
    let run = ["run", "crypto-stream", "--source", &source];
    let state = dir.path().join("state");
    finish(&state, &["deploy", "crypto-stream", "--yes"]);
    finish(&state, &["alerts", "set", "crypto-stream/btc_usd", "60000"]);
    let interrupted = !killed_after(&state, &run, Duration::from_millis(700));
    if interrupted {
        let mut again = run.to_vec();
        again.push("--restart");
        finish(&state, &again);
    }
    check(&state, crossings);
}

fn check(state: &Path, crossings: u64) {
    let sql = "select base, count(*), count(distinct timestamp_utc), cast(sum(amount) as bigint) \
               from crypto_stream.prices group by base order by base";
    let result = json(&finish(state, &["query", sql]));
    let sum = STEPS * (STEPS - 1) / 2;
    let high: u64 = (0..STEPS).filter(|s| s % 50 == 49).map(|_| 50_001).sum();
    let expected = serde_json::json!([
        ["BTC", STEPS, STEPS, 10_000 * STEPS + sum + high],
        ["ETH", STEPS, STEPS, 100 * STEPS + sum],
        ["XRP", STEPS, STEPS, STEPS + sum],
    ]);
    assert_eq!(result["rows"], expected);

    let inbox = json(&finish(state, &["topics", "inbox", "crypto-stream/price_alerts"]));
    let listed: usize = inbox
        .as_array()
        .unwrap()
        .iter()
        .map(|m| {
            let message: Value = serde_json::from_str(m["message"].as_str().unwrap()).unwrap();
            message["crossings"].as_array().unwrap().len()
        })
        .sum();
    assert_eq!(listed as u64, crossings);

    let again = json(&finish(state, &["jobs", "start", "crypto-stream/clean_prices", "--wait"]));
    assert_eq!((&again["state"], &again["rows_in"]), (&Value::from("SUCCEEDED"), &Value::from(0)), "{again}");
}
