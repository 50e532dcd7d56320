//! `--read-only`: every command that changes anything is refused and changes not a byte; every other one works.

use crate::{
    docs::leaves,
    harness::{Pumphouse, snapshot},
};

/// What a command does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Does {
    Read,
    Change,
    /// It reads what the embedded cloud does not have, and says so.
    ReadAws,
    /// It reads a release, of which there is none, and says so.
    ReadRelease,
    /// It reads what only covid-etl has, which wants a PostgreSQL and is not deployed here, and says so.
    ReadNothing,
    /// It reads a folder of Terraform's, and says that there is none.
    ReadNoFolder,
}

use Does::{Change, Read, ReadAws, ReadNoFolder, ReadNothing, ReadRelease};

/// Every command: what it does, and arguments that would be right without `--read-only`.
const COMMANDS: &[(&str, Does, &[&str])] = &[
    ("new", Read, &["copied", "--from", "crypto-stream", "--to", "elsewhere"]),
    ("adopt", ReadNoFolder, &["nowhere"]),
    ("check", Read, &[]),
    ("pipelines", Read, &[]),
    ("plan", Read, &["crypto-stream"]),
    ("deploy", Change, &["crypto-stream", "--yes"]),
    ("status", Read, &["crypto-stream"]),
    ("outputs", Read, &["crypto-stream"]),
    ("destroy", Change, &["crypto-stream", "--yes"]),
    ("drift", ReadAws, &["crypto-stream"]),
    ("history", Read, &["crypto-stream"]),
    ("events", Read, &["crypto-stream"]),
    ("rollback", Change, &["crypto-stream", "--yes"]),
    ("protect", Change, &["crypto-stream"]),
    ("unlock", Change, &["crypto-stream", "lock-id", "--confirm", "lock-id"]),
    ("bootstrap", Change, &["--yes"]),
    ("stacks list", Read, &[]),
    ("stacks show", Read, &["crypto-stream-dev"]),
    ("stacks events", Read, &["crypto-stream-dev"]),
    ("run", Change, &["crypto-stream"]),
    ("invoke", Change, &["crypto-stream/fetch_prices"]),
    ("jobs list", Read, &[]),
    ("jobs show", Read, &["crypto-stream/clean_prices"]),
    ("jobs runs", Read, &["crypto-stream/clean_prices"]),
    ("jobs start", Change, &["crypto-stream/clean_prices", "--wait"]),
    ("jobs stop", Change, &["crypto-stream/clean_prices", "jr_1", "--yes"]),
    ("jobs reset-bookmark", Change, &["crypto-stream/clean_prices", "--yes"]),
    ("crawlers list", Read, &[]),
    ("crawlers crawls", Read, &["dataops/input"]),
    ("crawlers start", Change, &["dataops/input", "--wait"]),
    ("logs groups", Read, &[]),
    ("logs tail", Read, &["crypto-stream/fetch_prices"]),
    ("logs search", Read, &["BTC"]),
    ("logs query", ReadAws, &["fields @message", "--group", "crypto-stream/fetch_prices"]),
    ("buckets list", Read, &[]),
    ("buckets show", Read, &["crypto-stream/landing"]),
    ("buckets objects", Read, &["crypto-stream/landing", "--recursive"]),
    ("buckets get", Read, &["crypto-stream/landing", "notes.txt"]),
    ("buckets put", Change, &["crypto-stream/landing", "notes.txt", "/dev/null"]),
    ("buckets uploads", ReadAws, &["crypto-stream/landing"]),
    ("buckets presign", ReadAws, &["crypto-stream/landing", "notes.txt"]),
    ("buckets rm", Change, &["crypto-stream/landing", "notes.txt", "--yes"]),
    ("catalog databases", Read, &[]),
    ("catalog tables", Read, &["crypto_stream"]),
    ("catalog show", Read, &["crypto_stream.prices"]),
    ("tables list", Read, &[]),
    ("tables show", Read, &["water-quality/species"]),
    ("tables items", Read, &["water-quality/species"]),
    ("tables get", Read, &["water-quality/species", r#"{"UniqueID": 9001, "SpeciesName": "Silver Minnow"}"#]),
    ("query", Read, &["select count(*) from crypto_stream.prices"]),
    ("queries history", Read, &[]),
    ("queries saved", Read, &[]),
    ("queries workgroups", Read, &[]),
    ("queries cancel", Change, &["some-id"]),
    ("alerts list", Read, &[]),
    ("alerts set", Change, &["crypto-stream/btc_usd", "60000"]),
    ("alerts test", Change, &["crypto-stream/btc_usd"]),
    ("topics list", Read, &[]),
    ("topics publish", Change, &["crypto-stream/price_alerts", "hello"]),
    ("topics inbox", Read, &["crypto-stream/price_alerts"]),
    ("postgres list", Read, &[]),
    ("postgres query", ReadNothing, &["covid-etl", "select 1"]),
    ("dashboards list", Read, &[]),
    ("dashboards show", ReadNothing, &["covid-etl/daily"]),
    ("queues list", Read, &[]),
    ("queues messages", Read, &["bls-quest/reports"]),
    ("queues send", Change, &["bls-quest/reports", "hello"]),
    ("queues redrive", Change, &["bls-quest/reports", "--yes"]),
    ("releases list", Read, &[]),
    ("releases show", ReadRelease, &["dataops"]),
    ("releases logs", ReadRelease, &["dataops"]),
    ("releases follow", ReadRelease, &["dataops"]),
    ("releases start", Change, &["dataops", "--yes"]),
    ("releases approve", Change, &["dataops", "--confirm", "dataops-prod"]),
    ("releases reject", Change, &["dataops", "--yes"]),
    ("releases stop", Change, &["dataops", "--yes"]),
    ("releases plan", ReadAws, &["dataops"]),
    ("releases deploy", Change, &["dataops"]),
    ("releases destroy", Change, &["dataops"]),
    ("secret set", Change, &["crypto-stream/coinbase_api_key"]),
    ("secret list", Read, &[]),
    ("apis list", Read, &[]),
    ("apis key", Change, &["crypto-stream/prices"]),
    ("demo", Change, &["--headless", "--for", "1s"]),
    ("local serve", Change, &[]),
    ("local event for", Read, &["crypto-stream/alert_on_price"]),
    ("local event s3", Read, &[]),
    ("local event sqs", Read, &[]),
    ("local event sns", Read, &[]),
    ("local event eventbridge", Read, &[]),
    ("local event kinesis", Read, &[]),
    ("local event api", Read, &[]),
    ("export cloudformation", Read, &["crypto-stream"]),
    ("export codepipeline", Read, &["dataops"]),
    ("export graph", Read, &["crypto-stream"]),
    ("export github-actions", Read, &["crypto-stream"]),
    ("export iam", Read, &[]),
    ("export terraform", Read, &["crypto-stream", "--to", "terraform"]),
    ("info", Read, &[]),
    ("doctor", Read, &[]),
    ("completions", Read, &["bash"]),
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
    p.ok(&["deploy", "dataops", "--yes"]);
    p.ok(&["deploy", "bls-quest", "--yes"]);
    p.with_stdin(&["buckets", "put", "crypto-stream/landing", "notes.txt", "-"], b"a note\n");
    p.ok(&["deploy", "water-quality", "--yes"]);
    p.ok(&["jobs", "start", "water-quality/load_species", "--wait"]);
    let before = snapshot(&p.state());
    for (name, does, rest) in COMMANDS {
        let said = p.run(&args(name, rest));
        let (code, why) = match does {
            Read => (0, ""),
            Change => (3, "read-only"),
            ReadAws => (1, "not supported by the local cloud"),
            ReadNothing => (1, "has a pipeline been deployed"),
            ReadNoFolder => (1, "nowhere: No such file"),
            ReadRelease => (1, "no release of dataops is there yet"),
        };
        assert_eq!(said.code, code, "{name}: {}", said.err);
        assert!(said.err.contains(why), "{name}: {}", said.err);
        assert!(*does == Read || said.out.is_empty(), "{name}: {}", said.out);
        assert!(snapshot(&p.state()) == before, "{name} has changed the state");
    }
}

#[test]
fn a_change_is_refused_even_where_there_is_no_state() {
    let p = Pumphouse::new();
    for (name, _, rest) in COMMANDS.iter().filter(|(_, does, _)| *does == Change) {
        let said = p.run(&args(name, rest));
        assert_eq!(said.code, 3, "{name}: {}", said.err);
    }
    // The same commands with an option that takes what changes away, or adds it.
    assert_eq!(p.run(&["buckets", "uploads", "crypto-stream/landing", "--abort-all", "--read-only"]).code, 3);
    assert!(!p.state().exists());
    assert_eq!(p.run(&["bootstrap", "--show", "--read-only"]).code, 0);
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
    &["crawlers", "list"],
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
    &["releases", "list"],
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
