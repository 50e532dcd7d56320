//! Invocations, asynchronous ones, and the sources that they read.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::*;
use crate::{
    cloud::{
        Grant,
        functions::{Context, Handler, HandlerFuture, SourceMode, in_handler},
        logs::{Logs, ReadLogs},
        resources::{self, Recording, Runtime, Source},
        streams::{Record, Streams},
    },
    local::{process::Process, testing},
};

const GROUP: &str = "/aws/lambda/f";

fn handlers(name: &str) -> Option<Handler> {
    Some(match name {
        "echo" => |ctx: Context, event| -> HandlerFuture {
            Box::pin(async move {
                ctx.log.line(&format!("{} {}", ctx.env("GREETING")?, ctx.request_id));
                Ok(event)
            })
        },
        "fail" => |_, _| Box::pin(async { Err(Error::failed("no luck")) }),
        "panic" => |_, _| Box::pin(async { panic!("out of {}, in a handler: {}", "steam", in_handler()) }),
        "sleep" => |_, _| {
            Box::pin(async {
                tokio::time::sleep(std::time::Duration::from_hours(1)).await;
                Ok(Value::Null)
            })
        },
        "put" => |ctx: Context, _| {
            Box::pin(async move {
                let record = Record { partition_key: "k".into(), data: "{}".into() };
                ctx.cloud.streams.put(&ctx.permit, "stream", &[record.clone(), record]).await?;
                Ok(Value::Null)
            })
        },
        "put_then_fail_once" => |ctx: Context, _| {
            Box::pin(async move {
                let record = Record { partition_key: "k".into(), data: "{}".into() };
                let before = ctx.cloud.streams.list().await?.iter().filter_map(|s| s.records).sum::<u64>();
                ctx.cloud.streams.put(&ctx.permit, "stream", &[record]).await?;
                if before == 0 { Err(Error::failed("the first time")) } else { Ok(Value::Null) }
            })
        },
        "fetch" => |ctx: Context, event| {
            Box::pin(async move {
                let name = event["name"].as_str().unwrap_or_default().to_owned();
                let first = ctx.sources.get("numbers", &[("name", &name)], &[]).await?;
                let again = ctx.sources.get("numbers", &[("name", &name)], &[]).await?;
                let text = String::from_utf8_lossy(&first.body).into_owned();
                Ok(json!({"same": first.body == again.body, "body": text, "date": first.date.map(|d| d.to_string())}))
            })
        },
        _ => return None,
    })
}

fn function(handler: &str) -> resources::Function {
    resources::Function {
        runtime: Runtime::Rust,
        handler: handler.into(),
        code: None,
        timeout_seconds: 1,
        memory_mib: 128,
        environment: [("GREETING".to_owned(), "hello".to_owned())].into(),
        role: "role".into(),
        log_group: GROUP.into(),
        sources: BTreeMap::new(),
        network: None,
    }
}

fn cloud_with(function: resources::Function, grants: &[(&str, &str)]) -> (tempfile::TempDir, Local) {
    let dir = tempfile::tempdir().unwrap();
    let local = testing::open_with(dir.path(), handlers);
    let grants = grants.iter().map(|(a, r)| Grant { action: (*a).into(), resource: (*r).into() }).collect();
    testing::deploy(
        &local,
        &[
            testing::resource(
                "role",
                Properties::Role(resources::Role { service: "lambda.amazonaws.com".into(), grants }),
            ),
            testing::resource(GROUP, Properties::LogGroup(resources::LogGroup { retention_days: 1 })),
            testing::resource("stream", Properties::Stream(resources::Stream { shards: 1, retention_hours: 24 })),
            testing::resource("f", Properties::Function(function)),
        ],
    );
    (dir, local)
}

fn request(event: Value) -> Invoke {
    Invoke { function: "f".into(), event, request_id: Some("r-1".into()), sources: BTreeMap::new() }
}

async fn invoke(local: &Local) -> Invocation {
    local.invoke(&testing::permit(), request(json!({"n": 1}))).await.unwrap()
}

async fn log(local: &Local) -> Vec<String> {
    let page = Logs::read(local, &ReadLogs { groups: vec![GROUP.into()], ..ReadLogs::default() }).await.unwrap();
    page.events.into_iter().map(|e| e.message).collect()
}

async fn only(local: &Local) -> Function {
    Functions::list(local).await.unwrap().remove(0)
}

#[tokio::test]
async fn an_invocation_answers_and_logs_as_lambda_does() {
    let (_dir, local) = cloud_with(function("echo"), &[]);
    let done = invoke(&local).await;
    assert_eq!((done.payload, done.error), (json!({"n": 1}), None));
    let lines = log(&local).await;
    assert_eq!(lines[..3], ["START RequestId: r-1 Version: $LATEST", "hello r-1", "END RequestId: r-1"]);
    assert!(lines[3].starts_with("REPORT RequestId: r-1\tDuration: ") && lines[3].contains(" ms\tBilled"), "{lines:?}");
    let stream = &Logs::read(&local, &ReadLogs::default()).await.unwrap().events[0].stream;
    assert!(stream.contains("/[$LATEST]") && stream.ends_with(local.inner.process.as_ref().unwrap().id()), "{stream}");
    let listed = only(&local).await;
    assert_eq!((listed.invocations, listed.errors, listed.last_error), (Some(1), Some(0), None));
    assert!(listed.last_invoked.is_some());
}

#[tokio::test]
async fn a_failure_is_told_with_its_type() {
    let (_dir, local) = cloud_with(function("fail"), &[]);
    let done = invoke(&local).await;
    assert_eq!(done.error.as_deref(), Some("Failed: no luck"));
    assert_eq!(done.payload, json!({"errorType": "Failed", "errorMessage": "no luck"}));
    assert!(log(&local).await.contains(&"[ERROR] Failed: no luck".to_owned()));
    let listed = only(&local).await;
    assert_eq!(
        (listed.invocations, listed.errors, listed.last_error.as_deref()),
        (Some(1), Some(1), Some("Failed: no luck"))
    );
}

#[tokio::test]
async fn a_panic_is_the_function_s_own_failure() {
    let (_dir, local) = cloud_with(function("panic"), &[]);
    assert_eq!(invoke(&local).await.error.as_deref(), Some("Runtime.Panic: out of steam, in a handler: true"));
    assert!(!in_handler());
}

#[tokio::test]
async fn a_handler_that_takes_too_long_is_ended() {
    let (_dir, local) = cloud_with(function("sleep"), &[]);
    let error = invoke(&local).await.error.unwrap();
    assert_eq!(error, "Sandbox.Timedout: RequestId: r-1 Error: Task timed out after 1.00 seconds");
}

#[tokio::test]
async fn names_that_nobody_knows_are_errors() {
    let (_dir, local) = cloud_with(function("wrong"), &[]);
    let error = invoke(&local).await.error.unwrap();
    assert!(error.starts_with("Runtime.HandlerNotFound") && error.contains("\"wrong\""), "{error}");
    let missing = Invoke { function: "g".into(), ..request(Value::Null) };
    assert_eq!(local.invoke(&testing::permit(), missing).await, Err(Error::not_found("function", "g")));
    let sources = [("nothing".to_owned(), SourceMode::Online)].into();
    let unknown = local.invoke(&testing::permit(), Invoke { sources, ..request(Value::Null) }).await;
    assert!(matches!(unknown, Err(Error::Invalid(_))), "{unknown:?}");
}

#[tokio::test]
async fn a_role_without_the_grant_is_denied_and_with_it_counted() {
    let (_dir, local) = cloud_with(function("put"), &[("kinesis:PutRecords", "another")]);
    let denied = invoke(&local).await;
    assert_eq!(denied.error.as_deref(), Some("AccessDenied: access denied: kinesis:PutRecords on stream"));
    assert_eq!(denied.records_out, Some(0));

    let (_dir, local) = cloud_with(function("put"), &[("kinesis:PutRecords", "stream")]);
    assert_eq!(invoke(&local).await.records_out, Some(2));
    // The same invocation, tried again, writes nothing twice.
    invoke(&local).await;
    assert_eq!(Streams::list(&local).await.unwrap()[0].records, Some(2));
}

fn wait_for(local: &Local, request_id: &str) {
    let now = local.inner.clock.now_ms();
    local
        .inner
        .store
        .write_now(|t| {
            t.execute(
                "insert into pending (function, event, request_id, not_before, created) values ('f', '{}', ?1, ?2, ?2)",
                params![request_id, now],
            )
            .map_err(sql)?;
            Ok(())
        })
        .unwrap();
}

fn waiting(local: &Local) -> Vec<(u32, i64, Option<String>)> {
    local
        .inner
        .store
        .read_now(|c| {
            c.prepare("select attempts, not_before - created, process from pending order by id")
                .and_then(|mut s| s.query_map([], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)))?.collect())
                .map_err(sql)
        })
        .unwrap()
}

fn make_due(local: &Local) {
    local.inner.store.write_now(|t| t.execute("update pending set not_before = 0", []).map_err(sql)).unwrap();
}

#[tokio::test]
async fn an_event_is_tried_three_times_and_then_given_up() {
    let (_dir, local) = cloud_with(function("fail"), &[]);
    wait_for(&local, "a-1");
    assert_eq!(local.dispatch_pending(None).await.unwrap(), 1);
    let (attempts, delay, process) = waiting(&local).remove(0);
    assert!(attempts == 1 && (60_000..120_000).contains(&delay) && process.is_none(), "{delay}");
    assert_eq!(local.dispatch_pending(None).await.unwrap(), 0, "not due yet");
    make_due(&local);
    assert_eq!(local.dispatch_pending(Some(&["other".into()])).await.unwrap(), 0, "another's");
    assert_eq!(local.dispatch_pending(Some(&["f".into()])).await.unwrap(), 1);
    assert!(waiting(&local)[0].1 >= 120_000);
    make_due(&local);
    local.dispatch_pending(None).await.unwrap();
    assert_eq!(waiting(&local), []);
    let lines = log(&local).await;
    assert_eq!(lines.iter().filter(|l| l.as_str() == "START RequestId: a-1 Version: $LATEST").count(), 3);
    assert_eq!(lines.last().unwrap(), "[ERROR] RequestId: a-1 gave up after 3 attempts");
    assert_eq!(only(&local).await.errors, Some(3));
}

#[tokio::test]
async fn settling_does_all_that_waits_and_retries_at_once() {
    let (_dir, local) = cloud_with(function("put_then_fail_once"), &[("kinesis:PutRecords", "stream")]);
    wait_for(&local, "a-1");
    let settled = local.settle(&testing::permit(), &["f".into()], jiff::Timestamp::MIN).await.unwrap();
    assert_eq!(settled, Settled { succeeded: 1, ..Settled::default() });
    assert_eq!(waiting(&local), []);
    // The first attempt's record is the second's, too.
    assert_eq!(Streams::list(&local).await.unwrap()[0].records, Some(1));
    assert_eq!(only(&local).await.records_out, Some(1));

    let (_dir, local) = cloud_with(function("fail"), &[]);
    wait_for(&local, "a-1");
    let settled = local.settle(&testing::permit(), &["f".into()], jiff::Timestamp::MIN).await.unwrap();
    assert_eq!(settled, Settled { failed: 1, error: Some("Failed: no luck".into()), ..Settled::default() });
}

#[tokio::test]
async fn a_dead_process_s_work_is_taken_over_and_a_living_one_s_waited_for() {
    let (dir, local) = cloud_with(function("echo"), &[]);
    let other = Process::register(dir.path()).unwrap();
    wait_for(&local, "a-1");
    local.inner.store.write_now(|t| t.execute("update pending set process = ?1", [other.id()]).map_err(sql)).unwrap();
    assert_eq!(local.dispatch_pending(None).await.unwrap(), 0);
    let settling = tokio::spawn({
        let local = local.clone();
        async move { local.settle(&testing::permit(), &["f".into()], jiff::Timestamp::MIN).await }
    });
    // Long enough to be seen at work by another.
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    drop(other);
    assert_eq!(settling.await.unwrap().unwrap().succeeded, 1);
    assert_eq!(waiting(&local), []);
}

#[tokio::test]
async fn a_dropped_claim_is_open_again() {
    let mut slow = function("sleep");
    slow.timeout_seconds = 900;
    let (_dir, local) = cloud_with(slow, &[]);
    wait_for(&local, "a-1");
    let work = tokio::spawn({
        let local = local.clone();
        async move { local.dispatch_pending(None).await }
    });
    while waiting(&local)[0].2.is_none() {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    work.abort();
    while waiting(&local)[0].2.is_some() {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    assert_eq!(waiting(&local)[0].0, 0);
}

#[tokio::test]
async fn an_event_for_a_function_that_is_gone_is_dropped() {
    let (_dir, local) = testing::local();
    wait_for(&local, "a-1");
    assert_eq!(local.dispatch_pending(None).await.unwrap(), 1);
    assert_eq!(waiting(&local), []);
}

const SAMPLE: &str = "{\"name\":\"a\",\"n\":1,\"at\":\"2020-01-01T00:00:00Z\"}\n\
                      {\"name\":\"b\",\"n\":2,\"at\":\"2020-01-01T00:00:00Z\"}\n\
                      {\"name\":\"a\",\"n\":3,\"at\":\"2020-01-02T00:00:00Z\"}\n";

fn fetching() -> (tempfile::TempDir, Local) {
    let mut fetch = function("fetch");
    let recording = Recording {
        matches: [("name".to_owned(), "{name}".to_owned())].into(),
        time: Some("at".into()),
        wrap: None,
        document: None,
        sample_sha256: Some("5a".into()),
        sample: None,
    };
    fetch.sources = [(
        "numbers".to_owned(),
        Source { url: "http://127.0.0.1:1/{name}".into(), recording: Some(recording), ..Source::default() },
    )]
    .into();
    let (dir, local) = cloud_with(fetch, &[]);
    local.inner.store.write_asset("5a", SAMPLE.as_bytes()).unwrap();
    (dir, local)
}

#[tokio::test]
async fn a_sample_goes_round_with_the_present_s_date() {
    let (_dir, local) = fetching();
    let mut seen = Vec::new();
    for _ in 0..3 {
        let done = local.invoke(&testing::permit(), request(json!({"name": "a"}))).await.unwrap();
        assert_eq!((&done.payload["same"], done.records_in), (&json!(true), Some(2)));
        let date: jiff::Timestamp = done.payload["date"].as_str().unwrap().parse().unwrap();
        assert!(date > "2025-01-01T00:00:00Z".parse().unwrap());
        let body: Value = serde_json::from_str(done.payload["body"].as_str().unwrap()).unwrap();
        seen.push(body["n"].clone());
    }
    assert_eq!(seen, [1, 3, 1]);
}

#[tokio::test]
async fn a_replay_has_the_recorded_dates_and_an_end() {
    let (dir, local) = fetching();
    let path = dir.path().join("replay.jsonl");
    std::fs::write(&path, SAMPLE).unwrap();
    let replay = async |name: &str, step| {
        let sources = [("numbers".to_owned(), SourceMode::Replay { path: path.clone(), step })].into();
        local.invoke(&testing::permit(), Invoke { sources, ..request(json!({"name": name})) }).await.unwrap()
    };
    let done = replay("a", 1).await;
    assert_eq!(done.payload["date"], "2020-01-02T00:00:00Z");
    let beyond = replay("b", 1).await.error.unwrap();
    assert!(beyond.starts_with("NotFound: no observation named \"b at step 1\""), "{beyond}");
    // The file is read again when it has changed.
    std::fs::write(&path, format!("{SAMPLE}{{\"name\":\"b\",\"n\":4,\"at\":\"2020-01-03T00:00:00Z\"}}\n")).unwrap();
    assert_eq!(replay("b", 1).await.payload["date"], "2020-01-03T00:00:00Z");
    std::fs::write(&path, format!("{SAMPLE}oops\n")).unwrap();
    let wrong = replay("b", 0).await.error.unwrap();
    assert!(wrong.contains("replay.jsonl:4: not a JSON object"), "{wrong}");
}
