//! Tests of driver.rs.

use std::{collections::BTreeMap, future::Future, path::Path};

use bytes::Bytes;
use rusqlite::params;

use super::*;
use crate::{
    cloud::{
        Grant,
        alerts::Publish,
        buckets::{Buckets, ListObjects},
        functions::{Context, Handler, HandlerFuture},
        resources::{
            self, Function, Graph, LogGroup, Notification, NotificationTarget, Resource, Role, Runtime, Schedule,
            ScheduleTarget, Topic,
        },
        stacks::StackRequest,
        streams::{Record, Streams},
    },
    local::testing,
};

/// Waits until something is so; a test that waits in vain fails.
async fn until<F: Future<Output = bool>>(what: &str, mut so: impl FnMut() -> F) {
    for _ in 0..1_500 {
        if so().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("waited in vain until {what}");
}

fn pipeline() -> (tempfile::TempDir, Local) {
    let (dir, local) = testing::local();
    testing::deploy(&local, &[testing::bucket("b", false), testing::stream("s"), testing::delivery("d", "s", "b")]);
    (dir, local)
}

async fn put(local: &Local, data: &'static str) {
    let record = Record { partition_key: "k".into(), data: Bytes::from_static(data.as_bytes()) };
    Streams::put(local, &testing::permit(), "s", &[record]).await.unwrap();
}

async fn objects(local: &Local) -> usize {
    local.objects("b", &ListObjects::default()).await.unwrap().objects.len()
}

#[tokio::test]
async fn what_is_due_is_delivered_also_after_the_first_driver_has_gone() {
    let (dir, first) = pipeline();
    let second = testing::open(dir.path());
    first.inner.clock.set_speed(&first.inner.store, 600.0).unwrap();
    let (stop_first, stop_second) = (CancellationToken::new(), CancellationToken::new());
    let driving = first.drive(stop_first.clone());
    put(&second, "1").await;
    until("the first object is there", || async { objects(&second).await == 1 }).await;
    let taking_over = second.drive(stop_second.clone());
    stop_first.cancel();
    driving.await.unwrap();
    put(&first, "2").await;
    until("the second object is there", || async { objects(&first).await == 2 }).await;
    stop_second.cancel();
    taking_over.await.unwrap();
    assert!(Lease::try_take(dir.path()).unwrap().is_some());
}

fn bytes_of(dir: &Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let mut files: Vec<_> = std::fs::read_dir(dir)
        .unwrap()
        .map(|e| e.unwrap().path())
        .filter(|p| p.is_file() && p.extension().is_none_or(|e| e != "db-shm"))
        .map(|p| (p.clone(), std::fs::read(&p).unwrap()))
        .collect();
    files.sort();
    files
}

#[tokio::test]
async fn while_nothing_is_due_nothing_is_written() {
    let (dir, local) = pipeline();
    put(&local, "young").await;
    let stop = CancellationToken::new();
    let driving = local.drive(stop.clone());
    until("the driver holds its lease", || async { Lease::try_take(dir.path()).unwrap().is_none() }).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let before = bytes_of(dir.path());
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(bytes_of(dir.path()), before);
    stop.cancel();
    driving.await.unwrap();
}

#[tokio::test]
async fn a_failing_part_does_not_stop_the_others() {
    let (_dir, local) = pipeline();
    local.inner.clock.set_speed(&local.inner.store, 600.0).unwrap();
    local
        .inner
        .store
        .write_now(|t| {
            // A schedule that cannot be read, due for ever.
            t.execute("insert into schedules values ('broken', 0)", []).map_err(sql)?;
            t.execute(
                "insert into stack_resources values ('test', 'x', 'x', 'broken', 'schedule', 'X', 0, 0, 'no json')",
                [],
            )
            .map_err(sql)
        })
        .unwrap();
    put(&local, "1").await;
    let stop = CancellationToken::new();
    let driving = local.drive(stop.clone());
    until("the object is there", || async { objects(&local).await == 1 }).await;
    stop.cancel();
    driving.await.unwrap();
}

fn with(name: &str, properties: Properties) -> Resource {
    testing::resource(name, properties)
}

#[tokio::test]
async fn what_is_past_its_time_goes() {
    let (_dir, local) = testing::local();
    let bucket =
        |days| Properties::Bucket(resources::Bucket { expire_days: Some(days), ..resources::Bucket::default() });
    testing::deploy(
        &local,
        &[
            with("b", bucket(2)),
            with("kept", bucket(400)),
            with("/log", Properties::LogGroup(LogGroup { retention_days: 1 })),
        ],
    );
    let now_ms = local.inner.clock.now_ms();
    for bucket in ["b", "kept"] {
        for key in ["old", "young"] {
            Buckets::put(&local, &testing::permit(), bucket, key, Bytes::new(), None).await.unwrap();
        }
    }
    local
        .inner
        .store
        .write_now(|t| {
            t.execute("update objects set modified = ?1 where key = 'old'", params![now_ms - 3 * DAY_MS])
                .map_err(sql)?;
            logs::append(t, "/log", "s", &[(now_ms - 2 * DAY_MS, "old"), (now_ms, "young")])
        })
        .unwrap();
    local.maintain(true);
    let keys = |bucket: &'static str| {
        let local = local.clone();
        async move {
            let page = local.objects(bucket, &ListObjects::default()).await.unwrap();
            page.objects.into_iter().map(|o| o.key).collect::<Vec<_>>()
        }
    };
    assert_eq!(keys("b").await, ["young"]);
    assert_eq!(keys("kept").await, ["old", "young"]);
    let messages: Vec<String> = local
        .inner
        .store
        .read_now(|c| {
            c.prepare("select message from log_events")
                .and_then(|mut s| s.query_map([], |r| r.get(0))?.collect())
                .map_err(sql)
        })
        .unwrap();
    assert_eq!(messages, ["young"]);
}

fn handlers(name: &str) -> Option<Handler> {
    Some(match name {
        "fetch" => |ctx: Context, event| -> HandlerFuture {
            Box::pin(async move {
                let data = format!("{{\"time\":{}}}", event["time"]);
                let record = Record { partition_key: "k".into(), data: data.into() };
                ctx.cloud.streams.put(&ctx.permit, "s", &[record]).await?;
                Ok(event)
            })
        },
        "seen" => |ctx: Context, event| {
            Box::pin(async move {
                let key = event["Records"][0]["s3"]["object"]["key"].as_str().unwrap_or_default();
                let body = ctx.cloud.buckets.get("b", key, None, None).await?.body;
                let message = String::from_utf8_lossy(&body).into_owned();
                ctx.cloud.alerts.publish(&ctx.permit, "t", &Publish { message, ..Publish::default() }).await?;
                Ok(event)
            })
        },
        _ => return None,
    })
}

fn function(name: &str, grants: &[(&str, &str)]) -> [Resource; 2] {
    let grants =
        grants.iter().map(|(action, resource)| Grant { action: (*action).into(), resource: (*resource).into() });
    let role = Role { service: "lambda.amazonaws.com".into(), grants: grants.collect() };
    let function = Function {
        runtime: Runtime::Rust,
        handler: name.into(),
        code: None,
        timeout_seconds: 10,
        memory_mib: 128,
        environment: BTreeMap::new(),
        role: format!("{name}-role"),
        log_group: format!("/aws/lambda/{name}"),
        sources: BTreeMap::new(),
        network: None,
    };
    [with(&format!("{name}-role"), Properties::Role(role)), with(name, Properties::Function(function))]
}

#[tokio::test]
async fn from_the_schedule_to_the_message_everything_happens_by_itself_and_once() {
    let dir = tempfile::tempdir().unwrap();
    let local = testing::open_with(dir.path(), handlers);
    let told = NotificationTarget::Function("seen".into());
    let bucket = resources::Bucket {
        on_created: vec![Notification { prefix: String::new(), suffix: ".json".into(), target: told }],
        ..resources::Bucket::default()
    };
    let tick = Schedule { expression: "rate(1 minute)".into(), target: ScheduleTarget::Function("fetch".into()) };
    let mut resources = vec![
        with("b", Properties::Bucket(bucket)),
        testing::stream("s"),
        testing::delivery("d", "s", "b"),
        with("t", Properties::Topic(Topic::default())),
    ];
    resources.extend(function("fetch", &[("kinesis:PutRecords", "s")]));
    resources.extend(function("seen", &[("s3:GetObject", "b"), ("sns:Publish", "t")]));
    resources.push(with("tick", Properties::Schedule(tick)));
    let graph = Graph {
        stack: "p-dev".into(),
        pipeline: "p".into(),
        env: "dev".into(),
        protected: false,
        resources,
        outputs: Vec::new(),
    };
    let cloud = local.cloud();
    let request = StackRequest::new(graph);
    cloud.stacks.apply(&testing::permit(), &request, tokio::sync::mpsc::unbounded_channel().0).await.unwrap();

    local.inner.clock.set_speed(&local.inner.store, 600.0).unwrap();
    let stop = CancellationToken::new();
    let driving = local.drive(stop.clone());
    until("three files were seen", || async { cloud.alerts.inbox("t", 99).await.unwrap().len() >= 3 }).await;
    stop.cancel();
    driving.await.unwrap();

    // What the driver left in the middle is done when somebody asks for it; then all has happened once.
    cloud.functions.settle(&testing::permit(), &["fetch".into()], jiff::Timestamp::MIN).await.unwrap();
    cloud.streams.drain(&testing::permit(), "d", jiff::Timestamp::MIN).await.unwrap();
    cloud.functions.settle(&testing::permit(), &["seen".into()], jiff::Timestamp::MIN).await.unwrap();
    let messages = cloud.alerts.inbox("t", 999).await.unwrap();
    let mut times: Vec<String> = messages.iter().flat_map(|m| m.message.lines().map(str::to_owned)).collect();
    let count = times.len();
    times.sort();
    times.dedup();
    assert_eq!(times.len(), count, "no time twice");
    assert_eq!(cloud.streams.list().await.unwrap()[0].records, Some(count as u64), "and none left out");
    assert_eq!(objects(&local).await, messages.len());
}
