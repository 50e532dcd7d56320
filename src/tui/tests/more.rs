//! The fixed data of the panes behind the first.

use std::collections::BTreeMap;

use serde_json::json;

use super::fixture::HOSTILE;
use crate::{
    backend::preview::Preview,
    cloud::{
        alerts::{AlarmState, Alert, AlertKind, Comparison, Message, Sample, Subscription, Topic},
        buckets::{Bucket, BucketDetail, Object, ObjectPage, Presigned, Setting},
        catalog::{Column, Database, Table},
        jobs::{Bookmark, Capacity, Job, JobRun, JobRunState},
        queries::{QueryExecution, QueryResult, QueryState, SavedQuery, Workgroup},
        stacks::{
            Action, Change, ChangeSet, Drift, Evaluation, Operation, PropertyChange, PropertyDrift, Replacement,
            ResourceDrift,
        },
    },
    tui::{
        data::{Data, Request},
        testing::at,
    },
};

pub fn answer(request: &Request) -> Data {
    match request {
        Request::Buckets => {
            Data::Buckets(vec![bucket("crypto-stream-dev-landing"), bucket("crypto-stream-dev-staging")])
        }
        Request::BucketDetail(name) => Data::BucketDetail(BucketDetail {
            bucket: bucket(name),
            versioning: Some(true),
            expire_days: Some(90),
            notifications: vec!["*.json -> function alert_on_price".into()],
            settings: vec![
                Setting::new("versioning", vec!["on".into()]),
                Setting::new("lifecycle", vec!["all objects expire after 90 days".into()]),
                Setting::new("notifications", vec!["*.json -> function alert_on_price".into()]),
                Setting { denied: Some("s3:GetBucketCORS".into()), ..Setting::new("CORS", vec![]) },
            ],
        }),
        Request::Objects { prefix, after, .. } => Data::Objects(objects(prefix, after.as_deref())),
        Request::Presign { .. } => {
            Data::Presigned(Presigned { url: "https://signed.example/b/k?X-Amz-Expires=3600".into(), until: at(3_600) })
        }
        Request::ObjectDetail { key, .. } => Data::ObjectDetail(object(key, 2_048)),
        Request::Preview { key, .. } => Data::Preview(object(key, 2_048), preview(key)),
        Request::Jobs => Data::Jobs(vec![job("crypto-stream-dev-clean_prices", 3), job("covid-etl-dev-merge", 1)]),
        Request::Runs(job) => Data::Runs(
            (0..4).map(|n| run(job, n)).collect(),
            Some(Bookmark { job: job.clone(), run: None, position: "12".into(), updated: Some(at(-60)) }),
        ),
        Request::Alerts => Data::Alerts(alerts(), topics(), vec![]),
        Request::Inbox(topic) => Data::Inbox(inbox(topic)),
        Request::Queues => Data::Queues(vec![]),
        Request::KeyTables => Data::KeyTables(vec![]),
        Request::Crawlers => Data::Crawlers(vec![]),
        Request::Catalog => Data::Catalog(
            ["crypto_stream", "default"]
                .map(|name| Database { name: name.into(), pipeline: None, tables: Some(1) })
                .into(),
        ),
        Request::Tables(database) if database == "default" => {
            Data::Tables(vec![Table { name: "glacier".into(), ..table() }])
        }
        Request::Tables(_) => Data::Tables(vec![table()]),
        Request::Saved => Data::Saved(vec![saved()]),
        Request::Workgroups => Data::Workgroups(["analysts", "primary"].map(workgroup).into()),
        Request::LastRuns(jobs) => Data::LastRuns(jobs.iter().map(|job| (job.clone(), run(job, 2))).collect()),
        Request::History => Data::History(history()),
        Request::Query { .. } => Data::Query(result()),
        Request::Plan(pipeline) | Request::WholePlan(pipeline) => Data::Plan(plan(pipeline)),
        Request::Drift(pipeline) => Data::Drift(drift(pipeline)),
        Request::Stack(_) => Data::Stack(None, operations()),
        other => panic!("nobody answers {other:?}"),
    }
}

fn bucket(name: &str) -> Bucket {
    Bucket {
        name: name.into(),
        pipeline: Some("crypto-stream".into()),
        created: Some(at(-7_200)),
        region: None,
        objects: Some(1_204),
        bytes: Some(3_500_000),
    }
}

fn object(key: &str, size: u64) -> Object {
    Object {
        key: key.into(),
        size,
        etag: "d41d8cd98f00b204e9800998ecf8427e".into(),
        modified: Some(at(-120)),
        version: Some("v1".into()),
        content_type: Some("application/json".into()),
        latest: true,
        delete_marker: false,
    }
}

fn objects(prefix: &str, after: Option<&str>) -> ObjectPage {
    if prefix.is_empty() {
        return ObjectPage {
            prefixes: vec!["2026/".into(), format!("{HOSTILE}/")],
            objects: vec![object("README.csv", 300), object("all.parquet", 70_000)],
            next: None,
            token: None,
        };
    }
    let number = |n: usize| object(&format!("{prefix}crypto-stream-dev-landing-{n:04}.json"), 100 + n as u64);
    match after {
        None => ObjectPage {
            prefixes: vec![],
            objects: (0..50).map(number).collect(),
            next: Some("49".into()),
            token: None,
        },
        Some(_) => ObjectPage { prefixes: vec![], objects: (50..60).map(number).collect(), next: None, token: None },
    }
}

fn preview(key: &str) -> Preview {
    if key.contains(".csv") || key.contains(".parquet") {
        let row = |n: i32| vec!["BTC".to_owned(), format!("{}.5", 60_000 + n), HOSTILE.to_owned(), "x".repeat(90)];
        return Preview::Table {
            columns: ["base", "amount", "note", "long"].map(str::to_owned).to_vec(),
            rows: (0..100).map(row).collect(),
            total: Some(5_000),
            truncated: true,
        };
    }
    Preview::Text {
        lines: vec![r#"{"base":"BTC","amount":"60000.5"}"#.into(), HOSTILE.into(), "z".repeat(1_000_000)],
        truncated: true,
    }
}

fn run(job: &str, n: i64) -> JobRun {
    let state = [JobRunState::Running, JobRunState::Succeeded, JobRunState::Failed, JobRunState::Stopped];
    let state = state[n as usize % 4];
    JobRun {
        id: format!("jr_{n}0af"),
        job: job.into(),
        state,
        trigger: "schedule clean_prices".into(),
        started: at(-3_600 * n - 5),
        ended: state.is_final().then(|| at(-3_600 * n)),
        rows_in: Some(180),
        rows_out: state.is_final().then_some(180),
        files_in: Some(60),
        bytes_in: Some(12_000),
        error: (state == JobRunState::Failed).then(|| format!("column \"deaths\" is missing {HOSTILE}")),
        log_stream: format!("jr_{n}0af"),
        log_group: None,
        error_log_group: None,
        capacity: Capacity::default(),
        execution_seconds: None,
        dpu_seconds: None,
        arguments: BTreeMap::new(),
    }
}

fn job(name: &str, newest: i64) -> Job {
    Job {
        name: name.into(),
        pipeline: Some("crypto-stream".into()),
        schedule: Some("cron(5 * * * ? *)".into()),
        next_run: Some(at(300)),
        bookmark: true,
        log_group: format!("/aws-glue/jobs/{name}"),
        error_log_group: None,
        last_run: Some(run(name, newest)),
        capacity: Capacity::default(),
        arguments: BTreeMap::new(),
    }
}

fn alerts() -> Vec<Alert> {
    let samples = (0..60).map(|n| Sample { time: at(n - 60), value: f64::from(90_000 + (n % 20) as i32 * 700) });
    let alert = |name: &str, kind, threshold, state| Alert {
        name: name.into(),
        pipeline: Some("crypto-stream".into()),
        kind,
        metric: "crypto-stream/dev/btc_usd".into(),
        threshold: Some(threshold),
        comparison: Some(Comparison::GreaterThanThreshold),
        unit: Some("USD".into()),
        state,
        since: Some(at(-600)),
        reason: None,
        topics: vec![],
        fixed: None,
        samples: samples.clone().collect(),
    };
    vec![
        alert("/crypto-stream/dev/btc_usd", AlertKind::Threshold, 100_000.0, AlarmState::Alarm),
        Alert {
            samples: vec![],
            ..alert("crypto-stream-dev-clean_prices-failures", AlertKind::Alarm, 0.0, AlarmState::InsufficientData)
        },
        alert(HOSTILE, AlertKind::Alarm, 0.5, AlarmState::Ok),
    ]
}

fn topics() -> Vec<Topic> {
    let topic = |name: &str, messages| Topic {
        name: name.into(),
        pipeline: Some("crypto-stream".into()),
        messages: Some(messages),
        subscriptions: vec![Subscription {
            protocol: "email".into(),
            endpoint: "oncall@example.com".into(),
            status: "not sent: local".into(),
        }],
    };
    vec![topic("crypto-stream-dev-new_files", 1_204), topic("crypto-stream-dev-price_alerts", 2)]
}

fn inbox(topic: &str) -> Vec<Message> {
    (0..12)
        .map(|n| Message {
            time: at(n * 10 - 600),
            subject: Some(format!("{n} {topic}")),
            message: if n == 11 {
                r#"{"crossings":[{"base":"BTC","amount":"100500.0"}]}"#.into()
            } else {
                HOSTILE.into()
            },
            attributes: BTreeMap::from([("pipeline".to_owned(), "crypto-stream".to_owned())]),
        })
        .collect()
}

fn column(name: &str, kind: &str) -> Column {
    Column { name: name.into(), kind: kind.into() }
}

fn table() -> Table {
    Table {
        database: "crypto_stream".into(),
        name: "prices".into(),
        format: "parquet".into(),
        location: "s3://crypto-stream-dev-staging/prices/".into(),
        columns: vec![column("currency", "varchar"), column("amount", "double"), column("date", "date")],
        partition_keys: vec![column("base", "varchar"), column("year", "integer")],
        partitions: Some(412),
        updated: Some(at(-60)),
    }
}

fn workgroup(name: &str) -> Workgroup {
    Workgroup {
        name: name.into(),
        pipeline: None,
        description: Some("for people".into()),
        enabled: true,
        engine: Some("Athena engine version 3".into()),
    }
}

fn saved() -> SavedQuery {
    SavedQuery {
        name: "crypto-stream-dev-latest".into(),
        pipeline: Some("crypto-stream".into()),
        database: Some("crypto_stream".into()),
        sql: "SELECT base, max(timestamp_utc)\nFROM prices\nGROUP BY base".into(),
        workgroup: None,
    }
}

fn history() -> Vec<QueryExecution> {
    let query = |id: &str, sql: &str, state| QueryExecution {
        id: id.into(),
        sql: sql.into(),
        database: Some("crypto_stream".into()),
        state,
        started: at(-90),
        elapsed_ms: Some(1_234),
        scanned_bytes: Some(9_999),
        rows: Some(3),
        error: (state == QueryState::Failed).then(|| "no column named \"amuont\"".into()),
        service: None,
    };
    vec![
        query("q-3", "SELECT count(*) FROM prices", QueryState::Running),
        query("q-2", "SELECT amuont FROM prices", QueryState::Failed),
        query("q-1", HOSTILE, QueryState::Succeeded),
    ]
}

fn result() -> QueryResult {
    let row = |n: i64| vec![json!("BTC"), json!(60_000.5 + n as f64), json!(null), json!(HOSTILE)];
    QueryResult {
        id: Some("q-4".into()),
        columns: vec![
            column("base", "varchar"),
            column("amount", "double"),
            column("gap", "varchar"),
            column("note", "varchar"),
        ],
        rows: (0..200).map(row).collect(),
        truncated: false,
        scanned_bytes: 123_456,
        elapsed_ms: 87,
        service: None,
    }
}

fn drift(pipeline: &str) -> Drift {
    let property = PropertyDrift {
        path: "VersioningConfiguration.Status".into(),
        expected: Some(json!("Enabled")),
        actual: Some(json!(HOSTILE)),
        by_design: false,
    };
    Drift {
        stack: format!("{pipeline}-dev"),
        status: "DRIFTED".into(),
        checked: None,
        fresh: true,
        resources: vec![ResourceDrift {
            logical_id: "LandingBucket".into(),
            name: "bucket.landing".into(),
            physical_name: "x".into(),
            kind: "bucket".into(),
            status: "MODIFIED".into(),
            properties: vec![property],
        }],
    }
}

fn plan(pipeline: &str) -> ChangeSet {
    let property = |path: &str, before, after, requires_replacement| PropertyChange {
        path: path.into(),
        before,
        after,
        requires_replacement,
        evaluation: Evaluation::Static,
        cause: None,
    };
    let change = |action, kind: &str, name: &str, properties, loses_data| Change {
        logical_id: name.replace('.', ""),
        physical_name: format!("{pipeline}-dev-{name}"),
        properties,
        loses_data,
        replacement: (action == Action::Replace).then_some(Replacement::Always),
        ..Change::new(action, kind, name)
    };
    ChangeSet::new(
        format!("{pipeline}-dev"),
        vec![
            change(
                Action::Add,
                "topic",
                "topic.price_alerts",
                vec![property("email", None, Some(json!([])), false)],
                false,
            ),
            change(
                Action::Change,
                "delivery stream",
                "delivery.landing",
                vec![
                    property("buffer_seconds", Some(json!(60)), Some(json!(30)), false),
                    property("prefix", Some(json!("")), Some(json!(HOSTILE)), false),
                ],
                false,
            ),
            change(
                Action::Replace,
                "table",
                "table.prices",
                vec![property("partition_keys", Some(json!(["base"])), Some(json!(["base", "year"])), true)],
                false,
            ),
            change(Action::Remove, "bucket", "bucket.old", vec![], true),
        ],
    )
}

fn operations() -> Vec<Operation> {
    let operation = |id: &str, kind: &str, status: &str, reason: Option<&str>| Operation {
        id: id.into(),
        kind: kind.into(),
        who: "ada".into(),
        started: at(-7_200),
        ended: Some(at(-7_140)),
        status: status.into(),
        changes: 21,
        reason: reason.map(str::to_owned),
    };
    vec![
        operation("o-2", "update", "UPDATE_FAILED", Some("the bucket crypto-stream-dev-old is not empty")),
        operation("o-1", "create", "CREATE_COMPLETE", None),
    ]
}
