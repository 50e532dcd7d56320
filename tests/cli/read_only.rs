//! `--read-only`: every command that changes anything is refused and changes not a byte; every other one works.

use crate::{
    docs::leaves,
    harness::{Pumphouse, snapshot},
};

/// Every command: whether it changes anything, and arguments that would be right without `--read-only`.
const COMMANDS: &[(&str, bool, &[&str])] = &[
    ("check", false, &[]),
    ("pipelines", false, &[]),
    ("plan", false, &["crypto-stream"]),
    ("deploy", true, &["crypto-stream", "--yes"]),
    ("status", false, &["crypto-stream"]),
    ("outputs", false, &["crypto-stream"]),
    ("destroy", true, &["crypto-stream", "--yes"]),
    ("run", true, &["crypto-stream"]),
    ("invoke", true, &["crypto-stream/fetch_prices"]),
    ("jobs list", false, &[]),
    ("jobs show", false, &["crypto-stream/clean_prices"]),
    ("jobs runs", false, &["crypto-stream/clean_prices"]),
    ("jobs start", true, &["crypto-stream/clean_prices", "--wait"]),
    ("jobs stop", true, &["crypto-stream/clean_prices", "jr_1", "--yes"]),
    ("jobs reset-bookmark", true, &["crypto-stream/clean_prices", "--yes"]),
    ("logs groups", false, &[]),
    ("logs tail", false, &["crypto-stream/fetch_prices"]),
    ("logs search", false, &["BTC"]),
    ("buckets list", false, &[]),
    ("buckets show", false, &["crypto-stream/landing"]),
    ("buckets objects", false, &["crypto-stream/landing", "--recursive"]),
    ("buckets get", false, &["crypto-stream/landing", "notes.txt"]),
    ("buckets put", true, &["crypto-stream/landing", "notes.txt", "/dev/null"]),
    ("buckets rm", true, &["crypto-stream/landing", "notes.txt", "--yes"]),
    ("catalog databases", false, &[]),
    ("catalog tables", false, &["crypto_stream"]),
    ("catalog show", false, &["crypto_stream.prices"]),
    ("query", false, &["select count(*) from crypto_stream.prices"]),
    ("queries history", false, &[]),
    ("queries saved", false, &[]),
    ("queries workgroups", false, &[]),
    ("queries cancel", true, &["some-id"]),
    ("alerts list", false, &[]),
    ("alerts set", true, &["crypto-stream/btc_usd", "60000"]),
    ("alerts test", true, &["crypto-stream/btc_usd"]),
    ("topics list", false, &[]),
    ("topics publish", true, &["crypto-stream/price_alerts", "hello"]),
    ("topics inbox", false, &["crypto-stream/price_alerts"]),
    ("secret set", true, &["crypto-stream/coinbase_api_key"]),
    ("secret list", false, &[]),
    ("apis list", false, &[]),
    ("apis key", true, &["crypto-stream/prices"]),
    ("demo", true, &["--headless", "--for", "1s"]),
    ("serve", true, &[]),
    ("export iam", false, &[]),
    ("info", false, &[]),
    ("doctor", false, &[]),
    ("completions", false, &["bash"]),
];

#[test]
fn the_table_above_has_every_command() {
    let mut there: Vec<_> = leaves().into_iter().map(|(name, _)| name).collect();
    let mut told: Vec<_> = COMMANDS.iter().map(|(name, ..)| (*name).to_owned()).collect();
    there.sort();
    told.sort();
    assert_eq!(told, there);
}

fn args<'a>(name: &'a str, rest: &[&'a str]) -> Vec<&'a str> {
    name.split(' ').chain(rest.iter().copied()).chain(["--read-only"]).collect()
}

#[test]
fn what_changes_anything_is_refused_and_what_reads_works() {
    let p = Pumphouse::deployed();
    p.with_stdin(&["buckets", "put", "crypto-stream/landing", "notes.txt", "-"], b"a note\n");
    let before = snapshot(&p.state());
    for (name, changes, rest) in COMMANDS {
        let said = p.run(&args(name, rest));
        if *changes {
            assert_eq!(said.code, 3, "{name}: {}", said.err);
            assert!(said.err.contains("read-only"), "{name}: {}", said.err);
            assert_eq!(said.out, "", "{name}");
        } else {
            assert_eq!(said.code, 0, "{name}: {}", said.err);
        }
        assert!(snapshot(&p.state()) == before, "{name} has changed the state");
    }
}

#[test]
fn a_change_is_refused_even_where_there_is_no_state() {
    let p = Pumphouse::new();
    for (name, _, rest) in COMMANDS.iter().filter(|(_, changes, _)| *changes) {
        let said = p.run(&args(name, rest));
        assert_eq!(said.code, 3, "{name}: {}", said.err);
    }
    assert!(!p.state().exists());
}

#[test]
fn the_clock_is_not_changed_either() {
    let p = Pumphouse::new();
    assert_eq!(p.run(&["buckets", "list", "--read-only", "--speed", "60"]).code, 3);
}

/// What reads on a machine that has no state yet; the others name something that is not there.
const FRESH: &[&[&str]] = &[
    &["check"],
    &["pipelines"],
    &["plan", "crypto-stream"],
    &["jobs", "list"],
    &["logs", "groups"],
    &["logs", "search", "BTC"],
    &["buckets", "list"],
    &["catalog", "databases"],
    &["query", "select 1"],
    &["queries", "history"],
    &["queries", "saved"],
    &["alerts", "list"],
    &["topics", "list"],
    &["secret", "list"],
    &["apis", "list"],
    &["info"],
    &["doctor"],
];

#[test]
fn what_reads_works_without_a_state_and_makes_none() {
    let p = Pumphouse::new();
    for args in FRESH {
        for all in [args.to_vec(), [*args, &["--read-only"]].concat()] {
            let said = p.run(&all);
            assert_eq!(said.code, 0, "{all:?}: {}", said.err);
            assert!(!p.state().exists(), "{all:?}");
        }
    }
    let said = p.run(&["status", "crypto-stream"]);
    assert_eq!(said.code, 1);
    assert!(said.err.contains("not deployed in dev"), "{}", said.err);
}

#[test]
fn the_doctor_looks_into_the_state() {
    let p = Pumphouse::new();
    std::fs::create_dir_all(p.state()).unwrap();
    std::fs::write(p.state().join("state.db"), b"not a database ".repeat(1000)).unwrap();
    let said = p.run(&["doctor"]);
    assert_eq!(said.code, 1, "{}", said.out);
    assert!(said.out.contains("restore state.db"), "{}", said.out);
    let said = p.run(&["buckets", "list"]);
    assert!(said.err.contains("another --state-dir"), "{}", said.err);
}
