//! Tests of stacks.rs and stack_engine.rs.

use std::collections::BTreeMap;

use bytes::Bytes;
use sha2::{Digest, Sha256};
use tokio::sync::mpsc::{self, UnboundedReceiver};

use super::*;
use crate::{
    cloud::{
        resources::{Api, Code, Function, Output, Runtime, Schedule, ScheduleTarget, Secret, Threshold, Topic},
        stacks::Action,
        streams::Record,
    },
    local::{process::Process, testing},
};

fn graph(stack: &str, resources: Vec<Resource>) -> StackRequest {
    let outputs = resources
        .iter()
        .map(|r| Output {
            name: format!("{}Name", r.logical_id),
            description: String::new(),
            value: match r.properties {
                Properties::Api(_) => OutputValue::Url(r.logical_id.clone()),
                _ => OutputValue::Name(r.logical_id.clone()),
            },
        })
        .collect();
    let graph =
        Graph { stack: stack.into(), pipeline: "p".into(), env: "dev".into(), protected: false, resources, outputs };
    StackRequest::new(graph)
}

fn some_of_all() -> Vec<Resource> {
    let schedule = Schedule { expression: "rate(1 minute)".into(), target: ScheduleTarget::Function("none".into()) };
    let api = Api {
        path: "/prices".into(),
        method: "GET".into(),
        function: "f".into(),
        api_key: true,
        throttle: None,
        quota: None,
    };
    vec![
        testing::bucket("b", true),
        testing::stream("s"),
        testing::delivery("d", "s", "b"),
        testing::resource("t", Properties::Topic(Topic::default())),
        testing::resource("x", Properties::Secret(Secret::default())),
        testing::resource("limit", Properties::Threshold(Threshold { default: 1.0, metric: "m".into(), unit: None })),
        testing::resource("tick", Properties::Schedule(schedule)),
        testing::resource("api", Properties::Api(api)),
    ]
}

async fn apply(local: &Local, request: &StackRequest) -> (Result<Stack>, Vec<StackEvent>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let result = local.apply(&testing::permit(), request, sender).await;
    (result, all(receiver))
}

fn all(mut receiver: UnboundedReceiver<StackEvent>) -> Vec<StackEvent> {
    std::iter::from_fn(|| receiver.try_recv().ok()).collect()
}

fn statuses_of(events: &[StackEvent], logical_id: &str) -> Vec<String> {
    events.iter().filter(|e| e.logical_id == logical_id).map(|e| e.status.clone()).collect()
}

fn count(local: &Local, query: &str) -> i64 {
    local.inner.store.read_now(|c| c.query_row(query, [], |r| r.get(0)).map_err(sql)).unwrap()
}

/// Makes it look as if the process that is at work on all stacks had died in the middle.
fn die_in_the_middle(local: &Local, status: &str) {
    local
        .inner
        .store
        .write_now(|t| t.execute("update stacks set status = ?1, process = 'dead'", [status]).map_err(sql))
        .unwrap();
}

#[tokio::test]
async fn a_stack_is_made_changed_and_removed() {
    let (dir, local) = testing::local();
    let request = graph("p-dev", some_of_all());
    let plan = local.estimate(&request).await.unwrap();
    assert!(!plan.resumes);
    assert!(plan.changes.iter().all(|c| c.action == Action::Add));
    assert_eq!(plan.changes.len(), 8);

    let (stack, events) = apply(&local, &request).await;
    let stack = stack.unwrap();
    assert_eq!(
        (stack.status.clone(), stack.interrupted, stack.resources.len()),
        (StackStatus::CreateComplete, false, 8)
    );
    assert_eq!(stack.graph.as_ref(), Some(&request.graph));
    assert_eq!(statuses_of(&events, "p-dev"), ["CREATE_IN_PROGRESS", "CREATE_COMPLETE"]);
    assert_eq!(statuses_of(&events, "b"), ["CREATE_IN_PROGRESS", "CREATE_COMPLETE"]);
    assert_eq!((events[2].done, events[2].total, events.len()), (1, 8, 18));
    assert_eq!(local.get("p-dev").await.unwrap(), Some(stack));
    assert_eq!(local.estimate(&request).await.unwrap().changes, []);
    let mut stored = local.events("p-dev", 100).await.unwrap();
    stored.reverse();
    assert_eq!(
        stored.iter().map(|e| (&e.logical_id, &e.status)).collect::<Vec<_>>(),
        events.iter().map(|e| (&e.logical_id, &e.status)).collect::<Vec<_>>()
    );

    let (stack, events) = apply(&local, &request).await;
    assert_eq!(stack.unwrap().status, StackStatus::UpdateComplete);
    assert_eq!(events.len(), 2, "nothing to change: the stack's own events alone");

    let mut smaller = some_of_all();
    smaller.remove(7);
    if let Properties::Delivery(delivery) = &mut smaller[2].properties {
        delivery.buffer_seconds = 900;
    }
    let (stack, events) = apply(&local, &graph("p-dev", smaller)).await;
    assert_eq!(stack.unwrap().resources.len(), 7);
    assert_eq!(statuses_of(&events, "d"), ["UPDATE_IN_PROGRESS", "UPDATE_COMPLETE"]);
    assert_eq!(statuses_of(&events, "api"), ["DELETE_IN_PROGRESS", "DELETE_COMPLETE"]);

    // Something in everything.
    let cloud = local.cloud();
    let record = Record { partition_key: "k".into(), data: Bytes::from_static(b"{}") };
    cloud.streams.put(&testing::permit(), "s", &[record]).await.unwrap();
    cloud.streams.drain(&testing::permit(), "d", jiff::Timestamp::MIN).await.unwrap();
    cloud.buckets.put(&testing::permit(), "b", "k", Bytes::from_static(b"1"), None).await.unwrap();
    cloud.buckets.put(&testing::permit(), "b", "k", Bytes::from_static(b"2"), None).await.unwrap();
    let (sender, receiver) = mpsc::unbounded_channel();
    local.destroy(&testing::permit(), "p-dev", &[], sender).await.unwrap();
    let events = all(receiver);
    assert_eq!(events[1].logical_id, "tick", "the last that was made goes first");
    assert_eq!(statuses_of(&events, "p-dev"), ["DELETE_IN_PROGRESS", "DELETE_COMPLETE"]);
    assert_eq!(local.get("p-dev").await.unwrap(), None);
    for table in ["stack_resources", "objects", "records", "deliveries", "schedules", "bucket_usage", "garbage"] {
        assert_eq!(count(&local, &format!("select count(*) from {table}")), 0, "{table}");
    }
    let files: usize = std::fs::read_dir(dir.path().join("objects"))
        .unwrap()
        .map(|folder| std::fs::read_dir(folder.unwrap().path()).unwrap().count())
        .sum();
    assert_eq!(files, 0);
    let history = local.history("p-dev", 10).await.unwrap();
    let told: Vec<_> = history.iter().map(|o| (o.kind.as_str(), o.status.as_str(), o.changes)).collect();
    assert_eq!(
        told,
        [
            ("delete", "DELETE_COMPLETE", 7),
            ("update", "UPDATE_COMPLETE", 2),
            ("update", "UPDATE_COMPLETE", 0),
            ("create", "CREATE_COMPLETE", 8)
        ]
    );
    assert_eq!(history[0].who, "tester");
    assert!(matches!(
        local.destroy(&testing::permit(), "p-dev", &[], mpsc::unbounded_channel().0).await,
        Err(Error::NotFound { kind: "stack", .. })
    ));
}

#[tokio::test]
async fn what_was_cut_off_is_carried_on() {
    let (_dir, local) = testing::local();
    let whole = graph("p-dev", some_of_all());
    let half = graph("p-dev", some_of_all().into_iter().take(3).collect());
    apply(&local, &half).await.0.unwrap();
    die_in_the_middle(&local, "CREATE_IN_PROGRESS");
    local
        .inner
        .store
        .write_now(|t| t.execute("update operations set ended = null, process = 'dead'", []).map_err(sql))
        .unwrap();

    let stack = local.get("p-dev").await.unwrap().unwrap();
    assert!(stack.interrupted);
    assert_eq!(local.history("p-dev", 1).await.unwrap()[0].status, "INTERRUPTED");
    let plan = local.estimate(&whole).await.unwrap();
    assert!(plan.resumes);
    assert_eq!(plan.changes.len(), 5);
    let (stack, events) = apply(&local, &whole).await;
    let stack = stack.unwrap();
    assert_eq!(
        (stack.status.clone(), stack.interrupted, stack.resources.len()),
        (StackStatus::CreateComplete, false, 8)
    );
    assert!(statuses_of(&events, "b").is_empty());
    let history = local.history("p-dev", 2).await.unwrap();
    assert_eq!([history[0].status.as_str(), history[1].status.as_str()], ["CREATE_COMPLETE", "INTERRUPTED"]);

    die_in_the_middle(&local, "DELETE_IN_PROGRESS");
    assert!(local.get("p-dev").await.unwrap().unwrap().interrupted);
    local.destroy(&testing::permit(), "p-dev", &[], mpsc::unbounded_channel().0).await.unwrap();
    assert_eq!(local.get("p-dev").await.unwrap(), None);
}

#[tokio::test]
async fn two_at_once_on_one_stack_collide() {
    let (dir, local) = testing::local();
    let request = graph("p-dev", some_of_all());
    apply(&local, &request).await.0.unwrap();
    let other = Process::register(dir.path()).unwrap();
    local
        .inner
        .store
        .write_now(|t| {
            t.execute("update stacks set status = 'UPDATE_IN_PROGRESS', process = ?1", [other.id()]).map_err(sql)
        })
        .unwrap();
    let Err(Error::Conflict(why)) = apply(&local, &request).await.0 else { panic!("no conflict") };
    assert!(why.contains(&format!("pid {}", std::process::id())), "{why}");
    let destroyed = local.destroy(&testing::permit(), "p-dev", &[], mpsc::unbounded_channel().0).await;
    assert!(matches!(destroyed, Err(Error::Conflict(_))));
    assert!(!local.get("p-dev").await.unwrap().unwrap().interrupted);
    drop(other);
    assert!(local.get("p-dev").await.unwrap().unwrap().interrupted);
    apply(&local, &request).await.0.unwrap();
}

#[tokio::test]
async fn a_name_that_another_stack_has_is_refused_before_anything_is_done() {
    let (_dir, local) = testing::local();
    apply(&local, &graph("first", vec![testing::bucket("b", false)])).await.0.unwrap();
    let second = graph("second", vec![testing::stream("s"), testing::bucket("b", false)]);
    let Err(Error::Conflict(why)) = apply(&local, &second).await.0 else { panic!("no conflict") };
    assert!(why.contains("stack first has a bucket named \"b\""), "{why}");
    assert!(matches!(local.estimate(&second).await, Err(Error::Conflict(_))));
    assert_eq!(local.get("second").await.unwrap(), None);
    let twice = graph("third", vec![testing::bucket("c", false), testing::bucket("c", false)]);
    assert!(matches!(apply(&local, &twice).await.0, Err(Error::Invalid(_))));
}

#[tokio::test]
async fn a_resource_that_fails_fails_the_stack_and_the_next_deploy_carries_on() {
    let (_dir, local) = testing::local();
    let mut resources = some_of_all();
    if let Properties::Schedule(schedule) = &mut resources[6].properties {
        schedule.expression = "rate(1 fortnight)".into();
    }
    let (failed, events) = apply(&local, &graph("p-dev", resources)).await;
    assert!(matches!(failed, Err(Error::Invalid(_))));
    assert_eq!(statuses_of(&events, "tick"), ["CREATE_IN_PROGRESS", "CREATE_FAILED"]);
    assert_eq!(statuses_of(&events, "p-dev"), ["CREATE_IN_PROGRESS", "CREATE_FAILED"]);
    let stack = local.get("p-dev").await.unwrap().unwrap();
    assert_eq!((stack.status.clone(), stack.resources.len()), (StackStatus::CreateFailed, 6));
    assert!(stack.reason.is_some_and(|r| r.starts_with("schedule tick: ")));
    let (stack, _) = apply(&local, &graph("p-dev", some_of_all())).await;
    let stack = stack.unwrap();
    assert_eq!((stack.status, stack.reason, stack.resources.len()), (StackStatus::CreateComplete, None, 8));
}

#[tokio::test]
async fn a_changed_logical_id_keeps_what_the_resource_holds() {
    let (_dir, local) = testing::local();
    apply(&local, &graph("p-dev", vec![testing::bucket("b", false)])).await.0.unwrap();
    let buckets = local.cloud().buckets;
    buckets.put(&testing::permit(), "b", "k", Bytes::from_static(b"1"), None).await.unwrap();
    let mut renamed = testing::bucket("b", false);
    renamed.logical_id = "Other".into();
    let (stack, _) = apply(&local, &graph("p-dev", vec![renamed])).await;
    assert_eq!(stack.unwrap().resources[0].logical_id, "Other");
    assert_eq!(buckets.get("b", "k", None, None).await.unwrap().body, "1");
}

#[tokio::test]
async fn code_is_kept_and_must_be_what_its_hash_says() {
    let (_dir, local) = testing::local();
    let content = Bytes::from_static(b"def handler(): pass");
    let sha256 = hex::encode(Sha256::digest(&content));
    let function = |contents: BTreeMap<String, Bytes>| {
        let code = Code { files: BTreeMap::from([("app.py".into(), sha256.clone())]), contents };
        let function = Function {
            runtime: Runtime::Python313,
            handler: "app.handler".into(),
            code: Some(code),
            timeout_seconds: 1,
            memory_mib: 128,
            environment: BTreeMap::new(),
            role: String::new(),
            log_group: String::new(),
            sources: BTreeMap::new(),
            network: None,
        };
        graph("p-dev", vec![testing::resource("f", Properties::Function(function))])
    };
    let wrong = BTreeMap::from([("app.py".to_owned(), Bytes::from_static(b"other"))]);
    assert!(matches!(apply(&local, &function(wrong)).await.0, Err(Error::Invalid(_))));
    assert!(matches!(apply(&local, &function(BTreeMap::new())).await.0, Err(Error::Invalid(_))));
    assert_eq!(local.get("p-dev").await.unwrap(), None);
    apply(&local, &function(BTreeMap::from([("app.py".into(), content.clone())]))).await.0.unwrap();
    let asset = local.inner.store.asset_path(&sha256);
    assert_eq!(std::fs::read(&asset).unwrap(), content);
    let file = std::fs::File::options().append(true).open(&asset).unwrap();
    file.set_modified(std::time::UNIX_EPOCH).unwrap();
    assert_eq!(local.sweep_files().unwrap(), 0, "old, and in use");
    apply(&local, &function(BTreeMap::new())).await.0.unwrap();
}

#[tokio::test]
async fn outputs_name_resources_and_addresses() {
    let (dir, local) = testing::local();
    let (stack, _) = apply(&local, &graph("p-dev", some_of_all())).await;
    let outputs = stack.unwrap().outputs;
    assert_eq!((outputs[0].name.as_str(), outputs[0].value.as_str()), ("bName", "b"));
    assert!(outputs[7].value.starts_with("not served"));
    let server = Process::register(dir.path()).unwrap();
    local.inner.store.write_now(|t| apis::set_serving(t, 8080, server.id())).unwrap();
    let address = || async { local.get("p-dev").await.unwrap().unwrap().outputs[7].value.clone() };
    assert_eq!(address().await, "http://127.0.0.1:8080/p-dev/prices");
    assert_eq!(local.cloud().apis.list().await.unwrap()[0].url, Some(address().await));
    drop(server);
    assert!(address().await.starts_with("not served"));
}
