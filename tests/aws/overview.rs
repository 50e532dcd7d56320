//! What the overview asks of an account with one deployed pipeline, each time that it is read.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use pumphouse::backend::{Backend, Gate, Pipelines, audit::Audit, overview::Health};
use serde_json::json;
use tempfile::TempDir;

use crate::{
    account::filled,
    fake::{Answer, Fake},
    harness,
};

fn backend(fake: &Fake, state: &TempDir) -> Backend {
    let audit = Audit::new(state.path().join("audit.jsonl"));
    let pipelines = Pipelines {
        dir: Some(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("pipelines")),
        handlers: |_| true,
        bootstrap: None,
        omit_types: Vec::new(),
    };
    Backend::new(harness::cloud(fake, state), "dev", Gate::new(true, "ada", audit), pipelines)
}

/// What one look at the overview asks for: the list, then the stages of a pipeline.
async fn look(backend: &Backend, fake: &Fake) -> Vec<String> {
    let before = fake.lines().len();
    let list = backend.list_pipelines().await.unwrap();
    assert!(list.iter().any(|p| p.name == "crypto-stream" && p.health != Health::Absent));
    let view = backend.view("crypto-stream").await.unwrap();
    assert!(view.stages.iter().any(|s| s.figure == "RUNNING"), "{:?}", view.stages);
    assert!(view.timeline.len() >= 3, "{:?}", view.timeline);
    let mut asked = fake.lines().split_off(before);
    asked.sort();
    asked
}

#[tokio::test]
async fn the_overview_asks_for_little_when_little_can_have_changed() {
    let fake = Fake::start(filled);
    let state = tempfile::tempdir().unwrap();
    let backend = backend(&fake, &state);
    let first = look(&backend, &fake).await;
    assert!(first.len() <= 28, "{first:#?}");
    let moment = [
        "cloudformation DescribeStacks",
        "glue GetCrawlers",
        "glue GetJobRuns",
        "monitoring DescribeAlarms",
        "ssm GetParameters",
    ];
    for _ in 0..3 {
        assert_eq!(look(&backend, &fake).await, moment);
    }
    // Whoever asks for everything anew gets it, for no more than at first.
    backend.forget();
    let again = look(&backend, &fake).await;
    assert!(again.len() > moment.len() && again.len() <= first.len(), "{again:?}");
    assert!(again.iter().any(|line| line == "cloudformation ListStackResources"), "{again:?}");
}

#[tokio::test]
async fn an_account_without_a_pipeline_is_asked_for_its_stacks_and_what_waits_alone() {
    let fake = Fake::start(crate::read_only::something);
    let state = tempfile::tempdir().unwrap();
    let backend = backend(&fake, &state);
    let list = backend.list_pipelines().await.unwrap();
    assert!(list.iter().all(|p| p.health == Health::Absent));
    backend.view("crypto-stream").await.unwrap();
    assert_eq!(fake.lines(), ["cloudformation DescribeStacks", "codepipeline ListPipelines"]);
}

#[tokio::test]
async fn what_aws_does_not_count_is_no_zero() {
    let fake = Fake::start(filled);
    let state = tempfile::tempdir().unwrap();
    let view = backend(&fake, &state).view("crypto-stream").await.unwrap();
    for stage in view.stages.iter().filter(|s| ["bucket", "topic"].contains(&s.stage.kind)) {
        assert_eq!(stage.figure, "", "{stage:?}");
    }
}

#[tokio::test]
async fn an_alarm_that_cannot_be_read_for_now_is_as_it_was() {
    let broken = Arc::new(AtomicBool::new(false));
    let now = broken.clone();
    let fake = Fake::start(move |asked| match asked.operation.as_str() {
        "DescribeAlarms" if now.load(Ordering::Relaxed) => Answer::cbor_error(400, "Odd", "not now"),
        "DescribeAlarms" => Answer::cbor(&json!({"MetricAlarms": [{"AlarmName": "crypto-stream-dev-fetch_failing",
            "StateValue": "ALARM", "MetricName": "Errors", "Namespace": "AWS/Lambda", "Threshold": 0.0}]})),
        // A run that is at work would be told before it, and a crawl that failed.
        "GetJobs" => Answer::json(&json!({"Jobs": []})),
        "GetCrawlers" => Answer::json(&json!({"Crawlers": []})),
        _ => filled(asked),
    });
    let state = tempfile::tempdir().unwrap();
    let backend = backend(&fake, &state);
    let words = async || {
        let all = backend.list_pipelines().await.unwrap();
        all.into_iter().find(|p| p.name == "crypto-stream").unwrap().words
    };
    assert_eq!(words().await, "fetch_failing in ALARM");
    broken.store(true, Ordering::Relaxed);
    assert_eq!(words().await, "fetch_failing in ALARM");
}

#[tokio::test]
async fn the_stacks_behind_topics_are_listed_and_not_asked_about_again() {
    let fake = Fake::start(filled);
    let state = tempfile::tempdir().unwrap();
    let backend = backend(&fake, &state);
    let (topics, _) = backend.topics().await;
    assert!(topics.iter().any(|t| t.pipeline.is_some()), "{topics:?}");
    let before = fake.lines().len();
    backend.topics().await;
    let again = fake.lines().split_off(before);
    assert!(again.iter().all(|line| !line.starts_with("cloudformation ")), "{again:?}");
}
