//! An endpoint that remembers every request sees none that changes anything in read-only mode.

use clap::CommandFactory;
use pumphouse::aws::operations::{ALL, Access};

use crate::{
    fake::{Answer, Asked, Fake},
    harness::Pumphouse,
};

/// Every command: whether it changes anything, and arguments that would be right without `--read-only`. A command that is
/// not here fails the test below.
const COMMANDS: &[(&str, bool, &[&str])] = &[
    ("new", false, &["copied", "--from", "crypto-stream", "--to", "elsewhere"]),
    ("adopt", false, &["nowhere"]),
    ("check", false, &[]),
    ("pipelines", false, &[]),
    ("plan", false, &["crypto-stream"]),
    ("deploy", true, &["crypto-stream", "--yes"]),
    ("status", false, &["crypto-stream"]),
    ("outputs", false, &["crypto-stream"]),
    ("destroy", true, &["crypto-stream", "--yes"]),
    ("drift", false, &["crypto-stream"]),
    ("history", false, &["crypto-stream"]),
    ("events", false, &["crypto-stream"]),
    ("rollback", true, &["crypto-stream", "--yes"]),
    ("protect", true, &["crypto-stream"]),
    ("unlock", true, &["crypto-stream", "lock-id", "--confirm", "lock-id"]),
    ("run", true, &["crypto-stream"]),
    ("invoke", true, &["crypto-stream/fetch_prices"]),
    ("jobs list", false, &[]),
    ("jobs runs", false, &["clean"]),
    ("jobs show", false, &["clean"]),
    ("jobs start", true, &["clean"]),
    ("jobs stop", true, &["clean", "jr_1", "--yes"]),
    ("jobs reset-bookmark", true, &["clean", "--yes"]),
    ("logs groups", false, &[]),
    ("logs tail", false, &["/aws/lambda/x"]),
    ("logs search", false, &["BTC"]),
    ("logs query", false, &["fields @message", "--group", "/aws/lambda/x"]),
    ("buckets list", false, &[]),
    ("buckets show", false, &["raw"]),
    ("buckets objects", false, &["raw", "--recursive"]),
    ("buckets get", false, &["raw", "notes.txt"]),
    ("buckets put", true, &["raw", "notes.txt", "/dev/null"]),
    ("buckets uploads", false, &["raw"]),
    ("buckets presign", false, &["raw", "notes.txt"]),
    ("buckets rm", true, &["raw", "notes.txt", "--yes"]),
    ("catalog databases", false, &[]),
    ("catalog tables", false, &["crypto_stream"]),
    ("catalog show", false, &["crypto_stream.prices"]),
    ("query", false, &["select 1"]),
    ("queries history", false, &[]),
    ("queries saved", false, &[]),
    ("queries workgroups", false, &[]),
    ("queries cancel", true, &["some-id"]),
    ("alerts list", false, &[]),
    ("alerts set", true, &["cpu", "60000"]),
    ("alerts test", true, &["cpu"]),
    ("crawlers list", false, &[]),
    ("crawlers crawls", false, &["orders"]),
    ("crawlers start", true, &["orders"]),
    ("dashboards list", false, &[]),
    ("dashboards show", false, &["covid-etl/daily"]),
    ("postgres list", false, &[]),
    ("postgres query", false, &["covid-etl", "select 1"]),
    ("queues list", false, &[]),
    ("queues messages", false, &["reports"]),
    ("queues send", true, &["reports", "hello"]),
    ("queues redrive", true, &["reports", "--yes"]),
    ("tables list", false, &[]),
    ("tables show", false, &["species"]),
    ("tables items", false, &["species"]),
    ("tables get", false, &["species", r#"{"UniqueID": 1}"#]),
    ("stacks list", false, &[]),
    ("stacks show", false, &["billing"]),
    ("stacks events", false, &["billing"]),
    ("topics list", false, &[]),
    ("topics publish", true, &["price_alerts", "hello"]),
    ("topics inbox", false, &["price_alerts"]),
    ("releases list", false, &[]),
    ("releases show", false, &["dataops"]),
    ("releases logs", false, &["dataops"]),
    ("releases follow", false, &["dataops"]),
    ("releases start", true, &["dataops", "--yes"]),
    ("releases approve", true, &["dataops", "--confirm", "dataops-prod"]),
    ("releases reject", true, &["dataops", "--yes"]),
    ("releases stop", true, &["dataops", "--yes"]),
    ("releases plan", false, &["dataops"]),
    ("releases deploy", true, &["dataops", "--yes"]),
    ("releases destroy", true, &["dataops", "--yes"]),
    ("secret set", true, &["crypto-stream/coinbase_api_key"]),
    ("secret list", false, &[]),
    ("apis list", false, &[]),
    ("apis key", true, &["prices"]),
    ("demo", true, &["--headless", "--for", "1s"]),
    ("local serve", true, &[]),
    ("local event for", false, &["crypto-stream/alert_on_price"]),
    ("local event s3", false, &[]),
    ("local event sqs", false, &[]),
    ("local event sns", false, &[]),
    ("local event eventbridge", false, &[]),
    ("local event kinesis", false, &[]),
    ("local event api", false, &[]),
    ("info", false, &[]),
    ("doctor", false, &[]),
    ("export cloudformation", false, &["crypto-stream"]),
    ("export codepipeline", false, &["dataops"]),
    ("export graph", false, &["crypto-stream"]),
    ("export github-actions", false, &["crypto-stream"]),
    ("export iam", false, &["--operate"]),
    ("export terraform", false, &["crypto-stream", "--to", "terraform"]),
    ("bootstrap", true, &["--yes"]),
    ("completions", false, &["bash"]),
];

/// Every command that does something, by its full name.
fn leaves(prefix: &str, command: &clap::Command) -> Vec<String> {
    let subs = command.get_subcommands().filter(|c| !c.is_hide_set());
    subs.flat_map(|sub| {
        let name = format!("{prefix}{}", sub.get_name());
        if sub.has_subcommands() { leaves(&format!("{name} "), sub) } else { vec![name] }
    })
    .collect()
}

/// The least that each protocol takes for a good answer.
pub fn something(asked: &Asked) -> Answer {
    if asked.path.contains("/operation/") {
        return Answer::text(200, "application/cbor", vec![0xa0]).header("smithy-protocol", "rpc-v2-cbor");
    }
    match asked.service.as_str() {
        "sts" if asked.operation == "GetCallerIdentity" => Answer::xml(super::identity::CALLER),
        "s3" if asked.path == "/" => Answer::xml("<ListAllMyBucketsResult><Buckets/></ListAllMyBucketsResult>"),
        "s3" | "sns" | "cloudformation" | "sts" | "monitoring" => {
            let name = if asked.operation.is_empty() { "Some" } else { &asked.operation };
            Answer::xml(format!("<{name}Response><{name}Result></{name}Result></{name}Response>"))
        }
        _ => Answer::json(&serde_json::json!({})),
    }
}

/// Whether a request changes anything, by the table of operations where the request names its operation.
pub fn changes(asked: &Asked) -> bool {
    let named = asked.path.rsplit_once("/operation/").map_or(asked.operation.as_str(), |(_, name)| name);
    // POST asks Lambda and API Gateway for changes alone; S3 deletes many objects with it.
    if named.is_empty() {
        return !matches!(asked.method.as_str(), "GET" | "HEAD");
    }
    let service = match asked.service.as_str() {
        "logs" => "cloudwatchlogs",
        "monitoring" => "cloudwatch",
        other => other,
    };
    let known = ALL.iter().find(|o| o.name == named && o.service.eq_ignore_ascii_case(service));
    known.is_none_or(|operation| operation.access != Access::Read)
}

#[test]
fn the_table_above_has_every_command() {
    let mut there = leaves("", &pumphouse::cli::Cli::command());
    // Without the embedded cloud they only say that there is none.
    there.sort();
    for name in &there {
        assert!(COMMANDS.iter().any(|(told, ..)| told == name), "{name} is missing in the table of this test");
    }
}

#[test]
fn no_command_lets_a_change_out() {
    let fake = Fake::start(something);
    let pumphouse = Pumphouse::on(&fake);
    let there = leaves("", &pumphouse::cli::Cli::command());
    for (name, changes, rest) in COMMANDS.iter().filter(|(name, ..)| there.iter().any(|t| t == name)) {
        let words = name.split(' ').chain(rest.iter().copied()).chain(["--read-only"]);
        let output = pumphouse.command().args(words).env("AWS_MAX_ATTEMPTS", "1").output().unwrap();
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code() == Some(3), *changes, "{name}: {err}");
    }
    let asked = fake.asked();
    assert!(asked.len() > 10, "the commands that read have asked for something: {:?}", fake.lines());
    let wrong: Vec<_> = asked.iter().filter(|a| changes(a)).map(Asked::line).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}
