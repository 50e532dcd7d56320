//! Tests of crawls, and of jobs that read what they found.

use bytes::Bytes;
use serde_json::Value;
use tempfile::TempDir;

use super::*;
use crate::{
    cloud::{
        Grant,
        alerts::Alerts,
        buckets::Buckets,
        catalog::{Catalog, Column},
        jobs::{JobRunState, Jobs},
        queries::{Queries, Query},
        resources::{End, NotificationTarget, Told, Topic},
    },
    local::testing::{bucket, deploy, local, open, permit, resource},
};

fn crawler() -> resources::Crawler {
    let told = |end, topic: &str| Told { end, target: NotificationTarget::Topic(topic.into()) };
    resources::Crawler {
        bucket: "lake".into(),
        prefix: "input/".into(),
        database: "db".into(),
        table: "raw_input".into(),
        table_prefix: "raw_".into(),
        role: "role".into(),
        log_group: "/aws-glue/crawlers/input".into(),
        on_ended: vec![told(End::Succeeded, "good"), told(End::Failed, "bad")],
    }
}

fn job() -> resources::Job {
    resources::Job {
        sql: "select * from input order by 1".into(),
        from: "lake".into(),
        from_prefix: "input/".into(),
        input_table: Some(("db".into(), "raw_input".into())),
        input_format: String::new(),
        input_columns: Vec::new(),
        dialect: None,
        file_column: None,
        rejects: None,
        key_table: None,
        replace: false,
        to: "lake".into(),
        to_prefix: "output/".into(),
        partition_by: Vec::new(),
        table: None,
        bookmark: true,
        timeout_minutes: 5,
        connections: Vec::new(),
        role: "role".into(),
        log_group: "/aws-glue/jobs/etl".into(),
        on_ended: vec![Told { end: End::Succeeded, target: NotificationTarget::Topic("good".into()) }],
    }
}

fn cloud() -> (TempDir, Local) {
    let (dir, local) = local();
    deploy(
        &local,
        &[
            bucket("lake", false),
            resource("db", Properties::Database(resources::Database::default())),
            resource("/aws-glue/crawlers/input", Properties::LogGroup(resources::LogGroup { retention_days: 1 })),
            resource("good", Properties::Topic(Topic::default())),
            resource("bad", Properties::Topic(Topic::default())),
            resource("etl", Properties::Job(job())),
        ],
    );
    let own = resources::Resource { name: "crawler.input".into(), ..resource("input", Properties::Crawler(crawler())) };
    deploy(&local, &[own]);
    (dir, local)
}

async fn put(local: &Local, key: &str, content: &str) {
    Buckets::put(local, &permit(), "lake", key, Bytes::from(content.to_owned()), None).await.unwrap();
}

/// Returns when the crawler is at rest: its last crawl.
async fn rest(local: &Local) -> Crawl {
    for _ in 0..1_000 {
        let now = Crawlers::get(local, "input").await.unwrap();
        if now.state == CrawlerState::Ready {
            return now.last_crawl.unwrap();
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("the crawler does not come to rest");
}

async fn crawl(local: &Local) -> Crawl {
    Crawlers::start(local, &permit(), "input").await.unwrap();
    rest(local).await
}

async fn run(local: &Local) -> crate::cloud::jobs::JobRun {
    let id = Jobs::start(local, &permit(), "etl").await.unwrap().id;
    loop {
        let run = Jobs::run(local, "etl", &id).await.unwrap();
        if run.state.is_final() {
            return run;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

async fn columns(local: &Local) -> Vec<String> {
    let table = Catalog::table(local, "db", "raw_input").await.unwrap();
    table.columns.iter().chain(&table.partition_keys).map(|c| format!("{} {}", c.name, c.kind)).collect()
}

async fn states(local: &Local, topic: &str) -> Vec<String> {
    let inbox = local.inbox(topic, 99).await.unwrap();
    let state = |message: &str| {
        let event: Value = serde_json::from_str(message).unwrap();
        assert_eq!(event["source"], "aws.glue");
        event["detail"]["state"].as_str().unwrap().to_owned()
    };
    inbox.iter().map(|m| state(&m.message)).collect()
}

fn changes(crawl: &Crawl) -> (Option<u64>, Option<u64>, Option<u64>) {
    (crawl.tables_created, crawl.tables_updated, crawl.partitions_created)
}

#[tokio::test]
async fn a_table_grows_with_what_lands_and_a_crawl_of_the_same_changes_nothing() {
    let (_dir, local) = cloud();
    put(&local, "input/day=1/a.csv", "Id,Name\n1,x\n").await;
    put(&local, "other/b.csv", "no,part,of,it\n1,2,3,4\n").await;
    let first = crawl(&local).await;
    assert_eq!((first.state, changes(&first)), (CrawlState::Succeeded, (Some(1), Some(0), Some(1))));
    assert_eq!(columns(&local).await, ["id bigint", "name varchar", "day varchar"]);

    assert_eq!(changes(&crawl(&local).await), (Some(0), Some(0), Some(0)));
    put(&local, "input/day=2/b.csv", "name,extra,ID\ny,7,1.5\n").await;
    assert_eq!(changes(&crawl(&local).await), (Some(0), Some(1), Some(1)));
    assert_eq!(columns(&local).await, ["id double", "name varchar", "extra bigint", "day varchar"]);
    assert_eq!(Catalog::partitions(&local, "db", "raw_input", 0, 9).await.unwrap().len(), 2);
    assert_eq!(states(&local, "good").await, ["Succeeded"; 3]);

    let sql = "select id, name, extra, day from raw_input order by id".to_owned();
    let query = Query { sql, database: Some("db".into()), ..Query::default() };
    let result = Queries::execute(&local, &query, tokio_util::sync::CancellationToken::new()).await.unwrap();
    let rows: Vec<String> = result.rows.iter().map(|r| Value::from(r.clone()).to_string()).collect();
    assert_eq!(rows, [r#"[1.0,"x",null,"1"]"#, r#"[1.5,"y",7,"2"]"#]);
}

#[tokio::test]
async fn a_job_reads_what_was_crawled_and_each_file_once() {
    let (_dir, local) = cloud();
    put(&local, "input/a.jsonl", "{\"Id\": 1}\n{\"Id\": 2, \"Note\": \"n\"}\n").await;
    assert_eq!(run(&local).await.rows_in, Some(0), "nothing was crawled yet");
    crawl(&local).await;
    put(&local, "input/late.jsonl", "{\"Id\": 3, \"other\": true}\n").await;
    let done = run(&local).await;
    assert_eq!((done.state, done.rows_in, done.rows_out), (JobRunState::Succeeded, Some(2), Some(2)), "{done:?}");
    assert_eq!(run(&local).await.rows_in, Some(0), "what came after the crawl has no columns yet");
    crawl(&local).await;
    assert_eq!(run(&local).await.rows_in, Some(1));
    assert_eq!(columns(&local).await, ["id bigint", "note varchar", "other boolean"]);
}

#[tokio::test]
async fn garbage_fails_the_crawl_and_who_wants_to_know_is_told_once() {
    let (_dir, local) = cloud();
    put(&local, "input/a.csv", "id,name\n1,x\n").await;
    crawl(&local).await;
    put(&local, "input/b.csv", "id,name\n1\n").await;
    let failed = crawl(&local).await;
    assert_eq!(failed.state, CrawlState::Failed);
    assert_eq!(failed.error.as_deref(), Some("s3://lake/input/b.csv line 2 has 1 fields, and the header 2"));
    assert_eq!(columns(&local).await, ["id bigint", "name varchar"], "the table is as it was");
    assert_eq!((states(&local, "bad").await, states(&local, "good").await.len()), (vec!["Failed".to_owned()], 1));
    let message: Value = serde_json::from_str(&local.inbox("bad", 1).await.unwrap()[0].message).unwrap();
    assert!(message["detail"]["errorMessage"].as_str().unwrap().contains("b.csv line 2"));
    Buckets::delete(&local, &permit(), "lake", "input/b.csv", None).await.unwrap();
    put(&local, "input/c.jsonl", "{\"id\": 1}\n").await;
    assert!(crawl(&local).await.error.unwrap().contains("is json, and what comes before it is csv"));
}

#[tokio::test]
async fn what_others_declared_is_not_touched() {
    let (_dir, local) = cloud();
    let declared = resources::Table {
        database: "db".into(),
        table: "raw_input".into(),
        bucket: "lake".into(),
        prefix: "input/".into(),
        format: "csv".into(),
        columns: vec![Column { name: "mine".into(), kind: "varchar".into() }],
        partition_keys: Vec::new(),
    };
    deploy(&local, &[resource("db.raw_input", Properties::Table(declared))]);
    put(&local, "input/a.csv", "id,name\n1,x\n").await;
    let error = crawl(&local).await.error.unwrap();
    assert!(error.contains("declared by the stack test"), "{error}");
    assert_eq!(columns(&local).await, ["mine varchar"]);
}

#[tokio::test]
async fn an_empty_folder_is_no_table_and_no_mistake() {
    let (_dir, local) = cloud();
    put(&local, "input/_SUCCESS", "hidden").await;
    assert_eq!(changes(&crawl(&local).await), (Some(0), Some(0), Some(0)));
    assert!(Catalog::table(&local, "db", "raw_input").await.is_err());
}

fn at_work(local: &Local, process: &str, token: Option<&str>) {
    local
        .inner
        .store
        .write_now(|t| {
            t.execute(
                "insert into crawls (id, crawler, state, trigger, started, process) \
                 values ('c', 'input', 'RUNNING', 't', 1, ?1)",
                [process],
            )
            .map_err(sql)?;
            token.map_or(Ok(()), |token| state_changes::remember(t, token, "c"))
        })
        .unwrap();
}

#[tokio::test]
async fn a_crawler_does_one_thing_at_a_time() {
    let (_dir, local) = cloud();
    at_work(&local, &local.process_id().unwrap(), None);
    let error = Crawlers::start(&local, &permit(), "input").await.unwrap_err();
    assert!(matches!(&error, Error::Conflict(why) if why.contains("CrawlerRunningException")), "{error}");
}

#[tokio::test]
async fn a_crawl_of_the_dead_has_failed_and_one_that_a_role_began_goes_on() {
    let (dir, local) = cloud();
    put(&local, "input/a.csv", "id,name\n1,x\n").await;
    at_work(&local, "dead", None);
    assert_eq!(Crawlers::get(&local, "input").await.unwrap().last_crawl.unwrap().state, CrawlState::Failed);
    let other = open(dir.path());
    assert_eq!(states(&other, "bad").await, ["Failed"]);

    local.inner.store.write_now(|t| t.execute("delete from crawls", []).map_err(sql)).unwrap();
    at_work(&local, "dead", Some("crawl r/0"));
    let other = open(dir.path());
    assert_eq!(states(&other, "bad").await, ["Failed"], "nobody is told of a failure that there was not");
    assert_eq!(other.inner.store.read_now(to_take_up).unwrap(), ["input"]);
    assert_eq!(Crawlers::get(&other, "input").await.unwrap().state, CrawlerState::Running);
    let stop = tokio_util::sync::CancellationToken::new();
    let driving = other.drive(stop.clone());
    let done = rest(&other).await;
    stop.cancel();
    driving.await.unwrap();
    assert_eq!((done.id.as_deref(), done.state), (Some("c"), CrawlState::Succeeded));
    assert_eq!(states(&other, "good").await, ["Succeeded"]);
}

#[tokio::test]
async fn what_a_role_starts_twice_under_one_token_is_started_once() {
    let (_dir, local) = cloud();
    let role = || {
        let grant = |action: &str, on: &str| Grant { action: action.into(), resource: on.into() };
        Permit::role("f", [grant("glue:StartCrawler", "input"), grant("glue:StartJobRun", "etl")].into(), "r-1")
    };
    for _ in 0..2 {
        Crawlers::start(&local, &role(), "input").await.unwrap();
        rest(&local).await;
    }
    assert_eq!(local.crawls("input", 9).await.unwrap().len(), 1);
    let mut ids = Vec::new();
    for _ in 0..2 {
        ids.push(Jobs::start(&local, &role(), "etl").await.unwrap().id);
        while !Jobs::run(&local, "etl", &ids[0]).await.unwrap().state.is_final() {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }
    assert_eq!(ids[0], ids[1]);
    assert_eq!(states(&local, "good").await.iter().filter(|s| *s == "SUCCEEDED").count(), 1);
    let nothing = Permit::role("f", [].into(), "r-2");
    assert!(matches!(
        Crawlers::start(&local, &nothing, "input").await,
        Err(Error::AccessDenied { action, .. }) if action == "glue:StartCrawler"
    ));
}
