//! The binary as its user meets it: in a real terminal, from start to end, with a million log lines.
//!
//! `cargo bench --bench process [start|account|lines|worst|run|idle]...` prints a table. Without `--bench`, as `cargo test
//! --benches` runs it, nothing is measured. `PUMPHOUSE_BENCH_BINARY` names another binary to measure. A quiet machine gives quiet numbers: the load is printed with them.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark may stop, and prints what it finds"
)]

mod account;
#[path = "../../tests/support/fake.rs"]
#[allow(dead_code, reason = "not every user needs all of it")]
mod fake;
#[path = "../support/log_lines.rs"]
mod log_lines;
mod probe;
mod state;

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use probe::{Probe, SIZE};
use state::State;

const LINES: u64 = 1_000_000;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if !args.iter().any(|a| a == "--bench") || args.iter().any(|a| a == "--test" || a == "--list") {
        return;
    }
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    println!("{}", state::program().display());
    println!("{cores} cores, load {}, screen {}x{}\n", load.trim(), SIZE.0, SIZE.1);
    println!("| what | measured | notes |\n| --- | --- | --- |");
    let parts: [(&str, fn()); 6] = [
        ("start", start),
        ("account", account::measure),
        ("lines", lines),
        ("worst", worst),
        ("run", run),
        ("idle", idle),
    ];
    let wanted = |name: &str| {
        let mut words = args.iter().filter(|a| !a.starts_with("--")).peekable();
        words.peek().is_none() || words.any(|w| name.contains(w.as_str()))
    };
    for (name, measure) in parts {
        if wanted(name) {
            measure();
        }
    }
}

fn row(what: &str, measured: &str, notes: &str) {
    println!("| {what} | {measured} | {notes} |");
}

/// Median, least and greatest of several durations, in milliseconds.
fn spread(mut all: Vec<Duration>) -> (String, String) {
    all.sort();
    let ms = |d: Option<&Duration>| d.map_or(0.0, |d| d.as_secs_f64() * 1e3);
    let median = format!("{:.2} ms", ms(all.get(all.len() / 2)));
    (median, format!("{:.2} to {:.2} ms, {} times", ms(all.first()), ms(all.last()), all.len()))
}

fn durations(what: &str, all: Vec<Duration>) {
    let (median, range) = spread(all);
    row(what, &median, &range);
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / 1_048_576.0
}

/// From the start of the process to its first byte, its first frame, and the first frame with what was read.
fn start() {
    let state = State::deployed();
    let (mut bytes, mut frames, mut ready) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..30 {
        let mut probe = console(&state, &["--read-only"]);
        let frame = probe.until_text("pumphouse");
        let read = probe.until_text("fetch_prices");
        bytes.push(probe.first.unwrap() - probe.begun);
        frames.push(frame - probe.begun);
        ready.push(read - probe.begun);
        quit(probe);
    }
    durations("start to first byte", bytes);
    durations("start to first frame", frames);
    durations("start to the pipelines' stages on the screen", ready);
    let mut version = Vec::new();
    for _ in 0..30 {
        version.push(state.ok(&["--version"]).1);
    }
    durations("`pumphouse --version`, start to end", version);
}

fn console(state: &State, args: &[&str]) -> Probe {
    let path = state.path();
    let mut all = vec!["--local", "--state-dir", &path];
    all.extend(args);
    Probe::start(&state::program(), &all, state.home())
}

fn quit(mut probe: Probe) {
    probe.send("q");
    // What comes until the end does not matter; the drop waits for it.
    std::thread::sleep(Duration::from_millis(50));
}

fn lines() {
    logs("three lines a request", 3);
}

fn worst() {
    logs("an id for each line", 1);
}

/// The Logs pane with a million lines.
fn logs(what: &str, per_request: u64) {
    let state = State::deployed();
    let text = state.fill_logs(LINES, per_request);
    let mut probe = console(&state, &["--read-only"]);
    probe.until_text("fetch_prices");
    probe.send("4");
    probe.until_text("Log groups");
    probe.settle(Duration::from_millis(500));
    let idle = probe.resident();
    let opened = Instant::now();
    probe.send(&format!(":logs {}\r", state::GROUP));
    let first = probe.until_text("RequestId") - opened;
    let all = probe.until_text("1,000,000 lines") - opened;
    let notes = format!("{LINES} lines, {:.1} MB, {what}", text as f64 / 1e6);
    row("a group opened to its first lines on the screen", &format!("{:.1} ms", first.as_secs_f64() * 1e3), &notes);
    row("… to all lines held", &format!("{:.2} s", all.as_secs_f64()), "usable from the first on");
    probe.settle(Duration::from_secs(1));
    let held = probe.resident();
    row(
        "memory for the lines",
        &format!("{:.1} MiB", mib(held.saturating_sub(idle))),
        &format!("resident {:.1} MiB, before {:.1} MiB", mib(held), mib(idle)),
    );
    let keys = |probe: &mut Probe, key: &str, n: usize| (0..n).map(|_| probe.key(key)).collect::<Vec<_>>();
    probe.send("g");
    probe.settle(Duration::from_millis(200));
    durations("key to frame, `j`", keys(&mut probe, "j", 60));
    durations("key to frame, `PgDn`", keys(&mut probe, "\x1b[6~", 60));
    durations("key to frame, `G` and `g` in turn", (0..30).flat_map(|_| [probe.key("G"), probe.key("g")]).collect());
    probe.send("G");
    for (what, needle) in [("small letters, found in either case", "retrying"), ("capitals", "WARN Req")] {
        let mut filters = Vec::new();
        for _ in 0..9 {
            probe.settle(Duration::from_millis(200));
            let typed = Instant::now();
            probe.send(&format!("/{needle}\r"));
            let shown = probe.until(needle, |text| text.matches("WARN RequestId").count() > 30);
            filters.push(shown - typed);
            probe.settle(Duration::from_millis(200));
            probe.send("\x1b");
            probe.until("all lines", |text| text.matches("INFO RequestId").count() > 30);
        }
        durations(&format!("filter over all lines, `/` to the filtered screen: {what}"), filters);
    }
    row("resident after that", &format!("{:.1} MiB", mib(probe.resident())), "");
    quit(probe);
}

/// crypto-stream over 6,480 recorded prices, and the questions that are asked of it.
fn run() {
    let state = State::deployed();
    let (recording, what) = state::recording(state.home());
    state.ok(&["alerts", "set", "crypto-stream/btc_usd", "60000"]);
    let source = format!("coinbase={}", recording.display());
    let (report, took) = state.ok(&["run", "crypto-stream", "--source", &source]);
    row("`run crypto-stream`, 6,480 records", &format!("{:.1} s", took.as_secs_f64()), what);
    for stage in report["stages"].as_array().into_iter().flatten() {
        let name = format!("… {} {}", stage["kind"].as_str().unwrap_or(""), stage["name"].as_str().unwrap_or(""));
        let notes = format!("{} in, {} out", stage["records_in"], stage["records_out"]);
        row(&name, &format!("{} ms", stage["elapsed_ms"]), &notes);
    }
    let (again, took) = state.ok(&["jobs", "start", "crypto-stream/clean_prices", "--wait"]);
    let notes = format!("{} rows in", again["rows_in"]);
    row("a second run of the job, start to end of the command", &format!("{:.0} ms", took.as_secs_f64() * 1e3), &notes);
    let all = "select base, year, count(*), min(amount), max(amount), avg(amount) from prices group by 1, 2";
    for (what, args) in [
        ("query over all partitions, grouped", vec!["query", all]),
        (
            "query with pruning (one base, one year)",
            vec!["query", "select avg(amount) from prices where base = 'BTC' and year = 2021"],
        ),
        ("saved query `latest`", vec!["query", "--saved", "crypto-stream/latest"]),
    ] {
        let mut args = args.clone();
        args.extend(["--database", "crypto_stream"]);
        let (mut engine, mut whole, mut notes) = (Vec::new(), Vec::new(), String::new());
        for _ in 0..5 {
            let (answer, took) = state.ok(&args);
            engine.push(answer["elapsed_ms"].as_u64().unwrap_or(0));
            whole.push(took);
            let rows = answer["rows"].as_array().map_or(0, Vec::len);
            notes = format!("{rows} rows, {} bytes scanned", answer["scanned_bytes"]);
        }
        engine.sort_unstable();
        let (whole, _) = spread(whole);
        row(what, &format!("{} ms", engine[engine.len() / 2]), &format!("{notes}; the whole command {whole}"));
    }
    api(&state);
}

/// `GET /prices` with a key, within the throttle.
fn api(state: &State) {
    let mut serve = state.command(&["serve"]).stderr(std::process::Stdio::null()).spawn().unwrap();
    let (key, _) = state.ok(&["apis", "key", "crypto-stream/prices"]);
    let end = Instant::now() + Duration::from_secs(20);
    let url = loop {
        let (apis, _) = state.ok(&["apis", "list"]);
        match apis.as_array().and_then(|all| all.iter().find_map(|a| a["url"].as_str())) {
            Some(url) => break url.to_owned(),
            None => assert!(Instant::now() < end, "the API never came up: {apis}"),
        }
    };
    let mut all = Vec::new();
    for _ in 0..15 {
        let begun = Instant::now();
        let answer = get(&url, key["key"].as_str().unwrap());
        all.push(begun.elapsed());
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        std::thread::sleep(Duration::from_millis(120));
    }
    durations("`GET /prices?base=BTC&limit=10`", all);
    let _ = std::process::Command::new("kill").arg(serve.id().to_string()).status();
    let _ = serve.wait();
}

fn get(url: &str, key: &str) -> String {
    let rest = url.strip_prefix("http://").unwrap();
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let mut stream = TcpStream::connect(host).unwrap();
    let request = format!(
        "GET /{path}?base=BTC&limit=10 HTTP/1.1\r\nHost: {host}\r\nx-api-key: {key}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// Ten seconds in which nothing happens.
fn idle() {
    const TIME: Duration = Duration::from_secs(10);
    let state = State::deployed();
    let cases: [(&str, &[&str]); 2] = [
        ("idle, `--read-only`", &["--read-only"]),
        // So slow a clock that no schedule is due meanwhile.
        ("idle, as the driver (`--speed 0.1`)", &["--speed", "0.1"]),
    ];
    for (what, args) in cases {
        let mut probe = console(&state, args);
        probe.until_text("fetch_prices");
        // Threads that have no more work end after ten seconds.
        let quiet = Instant::now() + TIME + TIME / 2;
        probe.settle(Duration::from_secs(2));
        std::thread::sleep(quiet.saturating_duration_since(Instant::now()));
        let (bytes, cpu) = (probe.bytes, probe.cpu());
        probe.settle(TIME);
        let spent = probe.cpu_since(&cpu);
        row(
            what,
            &format!("{} bytes, {:.2} ms of CPU", probe.bytes - bytes, spent.as_secs_f64() * 1e3),
            &format!(
                "in 10 s: {:.3} % of a core; resident {:.1} MiB",
                spent.as_secs_f64() / TIME.as_secs_f64() * 100.0,
                mib(probe.resident())
            ),
        );
        quit(probe);
    }
}
