//! crypto-stream's handlers on the embedded cloud, with the grants that its pipeline.toml gives them and no more.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Local, testing};
use crate::cloud::{
    Grant,
    alerts::Alerts,
    buckets::Buckets,
    functions::{Functions, Invocation, Invoke, SourceMode},
    logs::{Logs, ReadLogs},
    resources::{Bucket, Function, Properties, Recording, Role, Runtime, Secret, Source, Stream, Threshold, Topic},
    secrets::{SecretValue, Secrets},
    streams::Streams,
};

fn function(handler: &str, environment: &[(&str, &str)], sources: BTreeMap<String, Source>) -> Properties {
    Properties::Function(Function {
        runtime: Runtime::Rust,
        handler: format!("crypto_stream::{handler}"),
        code: None,
        timeout_seconds: 60,
        memory_mib: 128,
        environment: environment.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect(),
        role: format!("{handler}-role"),
        log_group: format!("/aws/lambda/{handler}"),
        sources,
        network: None,
    })
}

fn role(grants: &[(&str, &str)]) -> Properties {
    let grants = grants.iter().map(|(a, r)| Grant { action: (*a).into(), resource: (*r).into() }).collect();
    Properties::Role(Role { service: "lambda.amazonaws.com".into(), grants })
}

fn deployed() -> (tempfile::TempDir, Local) {
    let dir = tempfile::tempdir().unwrap();
    let local = testing::open_with(dir.path(), crate::functions::find);
    let recording = Recording {
        matches: [("pair".to_owned(), "{base}-{currency}".to_owned())].into(),
        time: Some("timestamp_utc".into()),
        wrap: Some("data".into()),
        document: None,
        sample_sha256: None,
        sample: None,
    };
    let source = Source { url: "http://127.0.0.1:1/{pair}".into(), recording: Some(recording), ..Source::default() };
    let fetch = [("STREAM_PRICES", "prices"), ("SECRET_COINBASE_API_KEY", "key")];
    let alert = [("THRESHOLD_BTC_USD", "/btc"), ("METRIC_BTC_USD", "btc"), ("TOPIC_PRICE_ALERTS", "alerts")];
    testing::deploy(
        &local,
        &[
            testing::resource("prices", Properties::Stream(Stream { shards: 1, retention_hours: 24 })),
            testing::resource("landing", Properties::Bucket(Bucket::default())),
            testing::resource("other", Properties::Bucket(Bucket::default())),
            testing::resource("alerts", Properties::Topic(Topic::default())),
            testing::resource("key", Properties::Secret(Secret::default())),
            testing::resource(
                "/btc",
                Properties::Threshold(Threshold { default: 60_000.0, metric: "btc".into(), unit: None }),
            ),
            testing::resource(
                "fetch_prices-role",
                role(&[("kinesis:PutRecords", "prices"), ("secretsmanager:GetSecretValue", "key")]),
            ),
            testing::resource("fetch", function("fetch_prices", &fetch, [("coinbase".to_owned(), source)].into())),
            testing::resource(
                "alert_on_price-role",
                role(&[
                    ("s3:GetObject", "landing"),
                    ("ssm:GetParameter", "/btc"),
                    ("cloudwatch:PutMetricData", "btc"),
                    ("sns:Publish", "alerts"),
                ]),
            ),
            testing::resource("alert", function("alert_on_price", &alert, BTreeMap::new())),
        ],
    );
    (dir, local)
}

async fn invoke(local: &Local, function: &str, event: Value, sources: BTreeMap<String, SourceMode>) -> Invocation {
    let request = Invoke { function: function.into(), event, request_id: Some("r-1".into()), sources };
    local.invoke(&testing::permit(), request).await.unwrap()
}

async fn log(local: &Local) -> String {
    let page = Logs::read(local, &ReadLogs::default()).await.unwrap();
    page.events.into_iter().map(|e| e.message).collect::<Vec<_>>().join("\n")
}

fn line(base: &str, amount: &str, day: u8) -> String {
    let time = format!("2021-03-{day:02}T23:59:00Z");
    json!({"base": base, "currency": "USD", "amount": amount, "timestamp_utc": time}).to_string()
}

#[tokio::test]
async fn a_step_of_a_replay_becomes_three_records() {
    let (dir, local) = deployed();
    let path = dir.path().join("replay.jsonl");
    let lines = [line("BTC", "1.50", 1), line("ETH", "2", 1), line("XRP", "3", 1), line("XRP", "4", 2)];
    std::fs::write(&path, lines.join("\n")).unwrap();
    let replay = |step| [("coinbase".to_owned(), SourceMode::Replay { path: path.clone(), step })].into();

    let done = invoke(&local, "fetch", json!({}), replay(0)).await;
    assert_eq!(
        (done.error, done.payload, done.records_in, done.records_out),
        (None, json!({"records": 3}), Some(3), Some(3))
    );
    let records = local.records("prices", None, 10).await.unwrap();
    let texts: Vec<_> = records.iter().map(|r| String::from_utf8_lossy(&r.data).into_owned()).collect();
    assert_eq!(texts, lines[..3].iter().map(|l| l.replace(' ', "")).collect::<Vec<_>>());
    assert_eq!(records[0].partition_key, "BTC");
    assert!(log(&local).await.contains("no value: asking without an API key"));

    local.set_secret("a-value").await;
    let done = local
        .invoke(
            &testing::permit(),
            Invoke { function: "fetch".into(), event: json!({}), request_id: None, sources: replay(1) },
        )
        .await
        .unwrap();
    assert_eq!(done.payload, json!({"records": 1}), "BTC and ETH have no second observation");
    assert!(!log(&local).await.contains("a-value"));
}

impl Local {
    async fn set_secret(&self, value: &str) {
        Secrets::set(self, &testing::permit(), "key", &SecretValue::new(value)).await.unwrap();
    }
}

#[tokio::test]
async fn without_a_sample_the_function_says_what_to_do() {
    let (_dir, local) = deployed();
    let error = invoke(&local, "fetch", json!({}), BTreeMap::new()).await.error.unwrap();
    assert!(error.contains("BTC-USD: ") && error.contains("--source coinbase=FILE"), "{error}");
}

async fn put(local: &Local, bucket: &str, key: &str, lines: &[String]) -> Value {
    let body = lines.join("\n").into();
    Buckets::put(local, &testing::permit(), bucket, key, body, None).await.unwrap();
    json!({"s3": {"bucket": {"name": bucket}, "object": {"key": crate::cloud::urlcode::encode(key)}}})
}

#[tokio::test]
async fn each_file_with_a_crossing_makes_one_message() {
    let (_dir, local) = deployed();
    let high = [line("BTC", "60000", 1), line("BTC", "60000.01", 2), line("ETH", "99999", 2), line("BTC", "61000", 3)];
    let records = [
        put(&local, "landing", "2021/03 01/a+b.json", &high).await,
        put(&local, "landing", "low.json", &["oops".into(), line("BTC", "59000", 4)]).await,
        json!({"s3": {"bucket": {"name": "landing"}, "object": {"key": "gone.json"}}}),
    ];
    let done = invoke(&local, "alert", json!({"Records": records}), BTreeMap::new()).await;
    assert_eq!((done.error, done.payload), (None, json!({"crossings": 2})));
    assert_eq!((done.records_in, done.records_out), (Some(3), Some(1)));

    let inbox = local.inbox("alerts", 10).await.unwrap();
    assert_eq!(inbox.len(), 1);
    let message: Value = serde_json::from_str(&inbox[0].message).unwrap();
    let crossing = |amount: &str, day: u8| json!({"base": "BTC", "amount": amount, "timestamp_utc": format!("2021-03-{day:02}T23:59:00Z")});
    assert_eq!(message, json!({"crossings": [crossing("60000.01", 2), crossing("61000", 3)]}));
    assert_eq!(inbox[0].subject.as_deref(), Some("BTC over 60000 USD"));
    assert_eq!(inbox[0].attributes["key"], "2021/03 01/a+b.json");
    assert!(log(&local).await.contains("low.json: line 1 is passed over"));
    let alert = Alerts::list(&local, 5).await.unwrap().remove(0);
    assert_eq!(alert.samples.iter().map(|s| s.value).collect::<Vec<_>>(), [61_000.0, 59_000.0]);

    // The threshold can be changed, and the next file obeys it.
    Alerts::set(&local, &testing::permit(), "/btc", 50_000.0).await.unwrap();
    let next = put(&local, "landing", "next.json", &[line("BTC", "59000", 5)]).await;
    assert_eq!(invoke(&local, "alert", json!({"Records": [next]}), BTreeMap::new()).await.payload["crossings"], 1);
}

#[tokio::test]
async fn a_role_reads_no_other_bucket() {
    let (_dir, local) = deployed();
    let record = put(&local, "other", "a.json", &[line("BTC", "1", 1)]).await;
    let error = invoke(&local, "alert", json!({"Records": [record]}), BTreeMap::new()).await.error.unwrap();
    assert_eq!(error, "AccessDenied: access denied: s3:GetObject on other");
}
