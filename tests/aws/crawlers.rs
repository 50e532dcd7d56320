//! Glue's crawlers and their crawls.

use pumphouse::cloud::{
    Error,
    crawlers::{CrawlState, CrawlerState},
};
use serde_json::{Value, json};

use crate::{
    fake::{Answer, Asked, Fake},
    harness::{self, Pumphouse},
};

/// 2026-11-20 14:00:00 UTC.
const AT: f64 = 1_795_183_200.0;

fn crawler(name: &str, state: &str) -> Value {
    json!({"Name": name, "State": state, "DatabaseName": "lake", "TablePrefix": "raw_",
        "Targets": {"S3Targets": [{"Path": "s3://b/input/"}], "JdbcTargets": []},
        "Schedule": {"ScheduleExpression": "cron(0 4 * * ? *)", "State": "SCHEDULED"},
        "LastCrawl": {"Status": "FAILED", "ErrorMessage": "Internal Service Exception", "StartTime": AT,
            "LogGroup": "/aws-glue/crawlers", "LogStream": name, "MessagePrefix": "m"}})
}

fn answers(asked: &Asked) -> Answer {
    if asked.service == "cloudformation" {
        let operation = &asked.operation;
        return Answer::xml(format!(
            "<{operation}Response><{operation}Result></{operation}Result></{operation}Response>"
        ));
    }
    match asked.operation.as_str() {
        "GetCrawlers" => match asked.json()["NextToken"].as_str() {
            None => Answer::json(&json!({"Crawlers": [crawler("a", "READY")], "NextToken": "2"})),
            Some(_) => Answer::json(&json!({"Crawlers": [{"Name": "bare"}, {}]})),
        },
        "GetCrawler" => Answer::json(&json!({"Crawler": crawler("a", "STOPPING")})),
        "ListCrawls" => Answer::json(&json!({"Crawls": [
            {"CrawlId": "c-1", "State": "COMPLETED", "StartTime": AT, "EndTime": AT + 62.0,
             "Summary": "{\"TABLE\":\"{\\\"ADD\\\":{\\\"Count\\\":\\\"1\\\"}}\"}", "LogStream": "a"},
            {"CrawlId": "c-2", "State": "RUNNING", "StartTime": AT + 100.0}]})),
        "StartCrawler" if asked.json()["Name"] == "busy" => {
            Answer::json_error(400, "CrawlerRunningException", "Crawler busy has already started")
        }
        "StartCrawler" => Answer::json(&json!({})),
        other => panic!("{other} is not expected"),
    }
}

#[tokio::test]
async fn crawlers_come_page_by_page_and_what_is_absent_is_normal() {
    let fake = Fake::start(answers);
    let state = tempfile::tempdir().unwrap();
    let cloud = harness::cloud(&fake, &state);
    let all = cloud.crawlers.list().await.unwrap();
    assert_eq!(all.iter().map(|c| c.name.as_str()).collect::<Vec<_>>(), ["a", "bare"]);
    let first = &all[0];
    assert_eq!(
        (first.state, first.locations.as_slice()),
        (CrawlerState::Ready, ["s3://b/input/".to_owned()].as_slice())
    );
    assert_eq!((first.schedule.as_deref(), first.next_run.is_some()), (Some("cron(0 4 * * ? *)"), true));
    let last = first.last_crawl.as_ref().unwrap();
    assert_eq!((last.state, last.error.as_deref()), (CrawlState::Failed, Some("Internal Service Exception")));
    assert_eq!((all[1].last_crawl.is_none(), all[1].locations.len()), (true, 0));
    assert_eq!(cloud.crawlers.get("a").await.unwrap().state, CrawlerState::Stopping);
}

#[tokio::test]
async fn crawls_are_told_with_what_they_changed() {
    let fake = Fake::start(answers);
    let state = tempfile::tempdir().unwrap();
    let crawls = harness::cloud(&fake, &state).crawlers.crawls("a", 10).await.unwrap();
    assert_eq!(crawls.iter().map(|c| c.id.as_deref().unwrap()).collect::<Vec<_>>(), ["c-2", "c-1"], "the newest first");
    assert_eq!(
        (crawls[1].state, crawls[1].tables_created, crawls[1].partitions_created),
        (CrawlState::Succeeded, Some(1), Some(0))
    );
    assert_eq!((crawls[0].state, crawls[0].ended, crawls[0].tables_created), (CrawlState::Running, None, None));
}

#[tokio::test]
async fn a_crawler_at_work_cannot_be_started() {
    let fake = Fake::start(answers);
    let state = tempfile::tempdir().unwrap();
    let start = |name: &'static str| {
        let crawlers = harness::cloud(&fake, &state).crawlers;
        harness::permitted(&state, move |permit| async move { crawlers.start(&permit, name).await })
    };
    let busy = start("busy").await.unwrap_err();
    assert!(matches!(&busy, Error::Conflict(why) if why.contains("CrawlerRunningException")), "{busy}");
    start("a").await.unwrap();
}

#[test]
fn the_command_line_lists_crawlers_and_starts_none_in_read_only_mode() {
    let fake = Fake::start(answers);
    let p = Pumphouse::on(&fake);
    let said = p.run(&["crawlers", "list", "--output", "json"]);
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    let all: Value = serde_json::from_slice(&said.stdout).unwrap();
    assert_eq!((&all[0]["name"], &all[0]["last_crawl"]["state"]), (&json!("a"), &json!("FAILED")));
    let refused = p.run(&["crawlers", "start", "a", "--read-only"]);
    assert_eq!(refused.status.code(), Some(3));
    assert!(fake.lines().iter().all(|l| !l.contains("StartCrawler")));
}
