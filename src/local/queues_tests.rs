//! Tests of queues.rs: how messages come to functions, and what becomes of those that fail.

use bytes::Bytes;
use serde_json::{Value, json};

use super::*;
use crate::{
    cloud::{
        Grant,
        buckets::Buckets,
        functions::{Context, Functions, Handler, HandlerFuture},
        resources::{self, Function, Notification, NotificationTarget, Redrive, Role, Runtime},
        streams::{Record, Streams},
    },
    local::{process::Process, testing},
};

/// Puts the body of each message into the stream and fails on those that begin with `bad`.
fn handlers(name: &str) -> Option<Handler> {
    let each = |ctx: Context, event: Value| -> HandlerFuture {
        Box::pin(async move {
            let mut failures = Vec::new();
            for record in event["Records"].as_array().unwrap() {
                let body = record["body"].as_str().unwrap().to_owned();
                ctx.cloud
                    .streams
                    .put(&ctx.permit, "seen", &[Record { partition_key: "k".into(), data: Bytes::from(body.clone()) }])
                    .await?;
                if body.starts_with("bad") {
                    failures.push(json!({"itemIdentifier": record["messageId"]}));
                }
            }
            Ok(json!({ "batchItemFailures": failures }))
        })
    };
    match name {
        "each" => Some(each),
        "fail" => Some(|_, _| Box::pin(async { Err(Error::failed("no luck")) })),
        "send" => Some(|ctx: Context, _| {
            Box::pin(async move {
                let first = ctx.cloud.queues.send(&ctx.permit, "work", "one").await?;
                ctx.cloud.queues.send(&ctx.permit, "work", "two").await?;
                Ok(json!(first))
            })
        }),
        _ => None,
    }
}

fn queue(name: &str, redrive: Option<(&str, u32)>) -> resources::Resource {
    let redrive = redrive.map(|(name, max_receives)| Redrive { dead_letter: name.into(), max_receives });
    testing::resource(
        name,
        Properties::Queue(resources::Queue { visibility_seconds: 60, retention_seconds: 3_600, redrive }),
    )
}

fn cloud(handler: &str) -> (tempfile::TempDir, Local) {
    let dir = tempfile::tempdir().unwrap();
    let local = open(dir.path());
    let grants = [("kinesis:PutRecords", "seen"), ("sqs:SendMessage", "work")];
    let grants = grants.map(|(a, r)| Grant { action: a.into(), resource: r.into() }).to_vec();
    let mapping = EventSourceMapping { queue: "work".into(), function: "f".into(), batch_size: 2 };
    let function = Function {
        runtime: Runtime::Rust,
        handler: handler.into(),
        code: None,
        timeout_seconds: 5,
        memory_mib: 128,
        environment: BTreeMap::new(),
        role: "role".into(),
        log_group: "/aws/lambda/f".into(),
        sources: BTreeMap::new(),
        network: None,
    };
    let told = |suffix: &str| Notification {
        prefix: String::new(),
        suffix: suffix.into(),
        target: NotificationTarget::Queue("work".into()),
    };
    let bucket = resources::Bucket { on_created: vec![told(".json")], ..resources::Bucket::default() };
    testing::deploy(
        &local,
        &[
            testing::resource("role", Properties::Role(Role { service: "lambda.amazonaws.com".into(), grants })),
            testing::stream("seen"),
            queue("dead", None),
            queue("work", Some(("dead", 2))),
            testing::resource("f", Properties::Function(function)),
            testing::resource("f", Properties::EventSourceMapping(mapping)),
            testing::resource("b", Properties::Bucket(bucket)),
        ]
        .into_iter()
        .enumerate()
        .map(|(n, r)| resources::Resource { logical_id: format!("r{n}"), ..r })
        .collect::<Vec<_>>(),
    );
    (dir, local)
}

fn open(dir: &std::path::Path) -> Local {
    testing::open_with(dir, handlers)
}

async fn send(local: &Local, bodies: &[&str]) {
    for body in bodies {
        Queues::send(local, &testing::permit(), "work", body).await.unwrap();
    }
}

async fn seen(local: &Local) -> Vec<String> {
    let records = local.records("seen", None, 100).await.unwrap();
    let mut seen: Vec<_> = records.iter().map(|r| String::from_utf8_lossy(&r.data).into_owned()).collect();
    seen.sort();
    seen
}

/// Visible and in flight, of one queue.
async fn holds(local: &Local, queue: &str) -> (u64, u64) {
    let all = Queues::list(local).await.unwrap();
    let found = all.into_iter().find(|q| q.name == queue).unwrap();
    (found.visible.unwrap(), found.in_flight.unwrap())
}

/// One look of the driver, and what it has begun.
async fn round(local: &Local) -> usize {
    let other = local.clone();
    local.blocking(move || other.receive_messages(None, false)).await.unwrap();
    local.dispatch_pending(None).await.unwrap()
}

fn later(local: &Local, seconds: i64) {
    local
        .inner
        .store
        .write_now(|t| {
            t.execute("update queue_messages set visible = visible - ?1, sent = sent - ?1", [seconds * 1_000])
                .map_err(sql)
        })
        .unwrap();
}

#[tokio::test]
async fn messages_come_in_batches_and_are_gone_when_they_are_dealt_with() {
    let (_dir, local) = cloud("each");
    send(&local, &["a", "b", "c"]).await;
    assert_eq!(holds(&local, "work").await, (3, 0));
    assert_eq!(round(&local).await, 2, "batches of two and of one");
    assert_eq!(seen(&local).await, ["a", "b", "c"]);
    assert_eq!(holds(&local, "work").await, (0, 0));
    assert_eq!(round(&local).await, 0);
    let listed = Queues::list(&local).await.unwrap();
    assert_eq!((listed[0].name.as_str(), listed[0].dead_letters_of.as_slice()), ("dead", &["work".to_owned()][..]));
    assert_eq!((listed[1].sent, listed[1].max_receives), (Some(3), Some(2)));
}

#[tokio::test]
async fn a_message_that_keeps_failing_ends_among_the_dead_letters_and_comes_back_when_it_is_re_driven() {
    let (_dir, local) = cloud("each");
    send(&local, &["bad 1", "good"]).await;
    assert_eq!(round(&local).await, 1);
    assert_eq!(holds(&local, "work").await, (0, 1), "what failed is seen again when its time is up");
    assert_eq!(round(&local).await, 0);
    later(&local, 61);
    assert_eq!(round(&local).await, 1);
    later(&local, 61);
    assert_eq!(round(&local).await, 0, "received twice, it goes to the dead letters");
    assert_eq!((holds(&local, "work").await, holds(&local, "dead").await), ((0, 0), (1, 0)));
    let dead = local.messages("dead", 10).await.unwrap();
    assert_eq!((dead[0].body.as_str(), dead[0].receives), ("bad 1", Some(2)));
    assert!(dead[0].error.as_ref().unwrap().contains("failed on this message"), "{dead:?}");
    assert_eq!(dead[0].attributes["DeadLetterQueueSource"], "work");

    let refused = local.redrive(&testing::permit(), "work").await.unwrap_err().to_string();
    assert!(refused.contains("nobody's dead letters"), "{refused}");
    let done = local.redrive(&testing::permit(), "dead").await.unwrap();
    assert_eq!((done.moved, done.status.as_str()), (Some(1), "COMPLETED"));
    assert_eq!((holds(&local, "work").await, holds(&local, "dead").await), ((1, 0), (0, 0)));
    assert_eq!(round(&local).await, 1, "it is dealt with anew");
    assert_eq!(seen(&local).await, ["bad 1", "bad 1", "bad 1", "good"]);
}

#[tokio::test]
async fn where_the_function_fails_the_whole_batch_is_seen_again_and_settling_tries_until_it_is_dead() {
    let (_dir, local) = cloud("fail");
    send(&local, &["a", "b"]).await;
    let settled = local.settle(&testing::permit(), &["f".into()], jiff::Timestamp::now()).await.unwrap();
    assert_eq!((settled.succeeded, settled.failed, settled.error.as_deref()), (0, 1, Some("Failed: no luck")));
    let other = local.clone();
    local.blocking(move || other.receive_messages(None, true)).await.unwrap();
    assert_eq!((holds(&local, "work").await, holds(&local, "dead").await), ((0, 0), (2, 0)));
    let dead = local.messages("dead", 10).await.unwrap();
    assert!(dead.iter().all(|m| m.error.as_deref() == Some("Failed: no luck")), "{dead:?}");
}

#[tokio::test]
async fn an_answer_that_makes_no_sense_fails_all_messages() {
    let given = ["a", "b"];
    for (answer, failed) in [
        (json!(null), Some(vec![])),
        (json!({"batchItemFailures": null}), Some(vec![])),
        (json!({"batchItemFailures": []}), Some(vec![])),
        (json!({"batchItemFailures": [{"itemIdentifier": "b"}]}), Some(vec!["b".to_owned()])),
        (json!({"batchItemFailures": [{"itemIdentifier": ""}]}), None),
        (json!({"batchItemFailures": [{"itemIdentifier": "x"}]}), None),
        (json!({"batchItemFailures": "b"}), None),
    ] {
        assert_eq!(failures(&answer, &given), failed, "{answer}");
    }
}

#[tokio::test]
async fn what_a_dead_process_was_given_is_done_by_the_next_once() {
    let (dir, local) = cloud("each");
    send(&local, &["a", "b"]).await;
    let dead = Process::register(dir.path()).unwrap().id().to_owned();
    let other = local.clone();
    local.blocking(move || other.receive_messages(None, false)).await.unwrap();
    let request = |local: &Local| -> (String, Option<String>) {
        let row = "select request_id, process from pending";
        local.inner.store.read_now(|c| c.query_row(row, [], |r| Ok((r.get(0)?, r.get(1)?))).map_err(sql)).unwrap()
    };
    local.inner.store.write_now(|t| t.execute("update pending set process = ?1", [&dead]).map_err(sql)).unwrap();
    // Its first message was dealt with before it died, and nobody had noted it.
    let (request_id, _) = request(&local);
    let grant = Grant { action: "kinesis:PutRecords".into(), resource: "seen".into() };
    let permit = Permit::role("role", [grant].into(), &request_id);
    let record = Record { partition_key: "k".into(), data: "a".into() };
    Streams::put(&local, &permit, "seen", &[record]).await.unwrap();

    // However long that was ago, nobody else is given the messages.
    later(&local, 600);
    let other = local.clone();
    local.blocking(move || other.receive_messages(None, true)).await.unwrap();
    assert_eq!(request(&local).0, request_id);
    let next = open(dir.path());
    assert_eq!(round(&next).await, 1);
    assert_eq!(seen(&next).await, ["a", "b"]);
    assert_eq!(holds(&next, "work").await, (0, 0));
}

#[tokio::test]
async fn an_invocation_that_is_tried_again_sends_nothing_twice() {
    let (_dir, local) = cloud("send");
    let send = || crate::cloud::functions::Invoke {
        function: "f".into(),
        event: json!({}),
        request_id: Some("r-1".into()),
        sources: BTreeMap::new(),
    };
    let first = local.invoke(&testing::permit(), send()).await.unwrap();
    assert_eq!((first.error, first.records_out), (None, Some(2)));
    local
        .inner
        .store
        .write_now(|t| t.execute("delete from queue_messages where body = 'two'", []).map_err(sql))
        .unwrap();
    let again = local.invoke(&testing::permit(), send()).await.unwrap();
    assert_eq!(again.payload, first.payload, "the same message has the same id");
    let left = local.messages("work", 10).await.unwrap();
    assert_eq!(left.iter().map(|m| m.body.as_str()).collect::<Vec<_>>(), ["one"], "also when it is gone");
}

#[tokio::test]
async fn a_bucket_tells_its_queue_of_a_new_object_with_the_object() {
    let (_dir, local) = cloud("each");
    for key in ["a.json", "b.txt"] {
        Buckets::put(&local, &testing::permit(), "b", key, Bytes::from_static(b"{}"), None).await.unwrap();
    }
    let messages = local.messages("work", 10).await.unwrap();
    assert_eq!(messages.len(), 1);
    let event: Value = serde_json::from_str(&messages[0].body).unwrap();
    assert_eq!(event["Records"][0]["s3"]["object"]["key"], "a.json");
}

#[tokio::test]
async fn what_is_past_its_retention_goes_and_what_no_queue_takes_is_refused() {
    let (_dir, local) = cloud("each");
    send(&local, &["old"]).await;
    later(&local, 3_601);
    send(&local, &["new"]).await;
    assert_eq!(local.trim_queues().unwrap(), 1);
    assert_eq!(local.messages("work", 10).await.unwrap()[0].body, "new");
    for (queue, body, why) in [("work", "", "empty"), ("work", "\u{0}", "is text"), ("other", "x", "no queue named")] {
        let error = Queues::send(&local, &testing::permit(), queue, body).await.unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
    let big = "x".repeat(crate::cloud::queues::MAX_MESSAGE + 1);
    assert!(Queues::send(&local, &testing::permit(), "work", &big).await.is_err());
}
