//! Embedded clouds to measure on.

use std::{
    fmt::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use rusqlite::{Connection, params};
use serde_json::Value;
use tempfile::TempDir;

use crate::log_lines;

/// The group that a million lines go to.
pub const GROUP: &str = "/aws/lambda/crypto-stream-dev-fetch_prices";

/// A state of its own, with crypto-stream deployed.
pub struct State {
    dir: TempDir,
}

impl State {
    pub fn deployed() -> Self {
        let state = Self { dir: tempfile::tempdir().unwrap() };
        state.ok(&["deploy", "crypto-stream", "--yes"]);
        state
    }

    pub fn home(&self) -> &Path {
        self.dir.path()
    }

    pub fn path(&self) -> String {
        self.dir.path().join("state").to_str().unwrap().to_owned()
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(program());
        command.env_clear().env("HOME", self.home()).env("PATH", "/usr/bin:/bin").current_dir(self.home());
        command.args(["--local", "--output", "json", "--state-dir", &self.path()]).args(args).stdin(Stdio::null());
        command
    }

    /// Runs a command that must succeed: its JSON, and how long it took from start to end.
    pub fn ok(&self, args: &[&str]) -> (Value, Duration) {
        let begun = Instant::now();
        let output = self.command(args).output().unwrap();
        let took = begun.elapsed();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        (serde_json::from_slice(&output.stdout).unwrap_or(Value::Null), took)
    }

    /// Writes log events as the embedded cloud does, but all in one transaction; the bytes of their text.
    pub fn fill_logs(&self, lines: u64, per_request: u64) -> u64 {
        let mut connection = Connection::open(Path::new(&self.path()).join("state.db")).unwrap();
        let t = connection.transaction().unwrap();
        let group: i64 = t
            .query_row(
                "insert into log_groups (name) values (?1) on conflict (name) do update set name = name returning id",
                [GROUP],
                |r| r.get(0),
            )
            .unwrap();
        t.execute("insert into log_streams (grp, name) values (?1, 'bench')", [group]).unwrap();
        let stream = t.last_insert_rowid();
        let mut bytes = 0;
        let mut insert =
            t.prepare("insert into log_events (grp, stream, ts, message) values (?1, ?2, ?3, ?4)").unwrap();
        for n in 0..lines {
            let line = log_lines::line(n, per_request);
            bytes += line.len() as u64;
            insert.execute(params![group, stream, log_lines::time(n), line]).unwrap();
        }
        drop(insert);
        t.execute(
            "update log_groups set events = events + ?2, bytes = bytes + ?3 where id = ?1",
            params![group, lines, bytes],
        )
        .unwrap();
        t.commit().unwrap();
        bytes
    }
}

/// The binary, built as the benchmark is, unless `PUMPHOUSE_BENCH_BINARY` names another one.
pub fn program() -> PathBuf {
    std::env::var_os("PUMPHOUSE_BENCH_BINARY").map_or_else(|| env!("CARGO_BIN_EXE_pumphouse").into(), PathBuf::from)
}

/// 6,480 recorded prices: real ones where they lie beside the checkout, else made up in the same shape.
pub fn recording(dir: &Path) -> (PathBuf, &'static str) {
    let real = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/crypto-stream/spot_prices.jsonl");
    if let Ok(real) = real.canonicalize() {
        return (real, "real prices");
    }
    let mut text = String::new();
    for day in 0..2160 {
        let date = jiff::civil::date(2015, 8, 8).checked_add(jiff::Span::new().days(day)).unwrap();
        for (base, amount) in [("BTC", 300.5 + f64::from(day) * 29.0), ("XRP", 0.008), ("ETH", 1.2 + f64::from(day))] {
            let time = format_args!("{date}T23:59:00Z");
            writeln!(
                text,
                r#"{{"base": "{base}", "currency": "USD", "amount": "{amount}", "timestamp_utc": "{time}"}}"#
            )
            .unwrap();
        }
    }
    let path = dir.join("spot_prices.jsonl");
    std::fs::write(&path, text).unwrap();
    (path, "made-up prices")
}
