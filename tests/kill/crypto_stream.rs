//! crypto-stream under kill -9: the totals are exact, and so are the crossings of the threshold.

use std::{
    fmt::Write,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    kill::Delays,
    support::{finish, json, killed_after},
};

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
