//! Events in the shapes that AWS gives them.

use serde_json::{Value, json};

use super::clock::timestamp;
use crate::cloud::urlcode::encode_key;

/// What S3's notification of a new object tells.
#[derive(Debug, Clone, Copy)]
pub struct ObjectCreated<'a> {
    /// The bucket.
    pub bucket: &'a str,
    /// The key, as it is.
    pub key: &'a str,
    /// Its size in bytes.
    pub size: u64,
    /// The entity tag.
    pub etag: &'a str,
    /// The version, in a bucket that keeps them.
    pub version: Option<&'a str>,
    /// Greater for objects that were created later.
    pub sequence: i64,
    /// When, in milliseconds.
    pub time_ms: i64,
}

/// S3's event for a function or a topic.
pub fn object_created(created: ObjectCreated<'_>) -> Value {
    let mut object = json!({
        "key": encode_key(created.key),
        "size": created.size,
        "eTag": created.etag,
        "sequencer": format!("{:016X}", created.sequence),
    });
    if let (Some(version), Some(fields)) = (created.version, object.as_object_mut()) {
        fields.insert("versionId".into(), version.into());
    }
    json!({"Records": [{
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "eventName": "ObjectCreated:Put",
        "eventTime": iso(created.time_ms),
        "s3": {"bucket": {"name": created.bucket}, "object": object},
    }]})
}

/// EventBridge's event for a schedule that is due; `id` is the event's own.
pub fn scheduled(schedule: &str, id: &str, time_ms: i64) -> Value {
    json!({
        "version": "0",
        "id": id,
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "time": seconds(time_ms),
        "resources": [format!("rule/{schedule}")],
        "detail": {},
    })
}

/// How a job's run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobChange<'a> {
    /// The job.
    pub job: &'a str,
    /// The run.
    pub run: &'a str,
    /// Its state: `SUCCEEDED`.
    pub state: &'a str,
    /// Why it failed.
    pub error: Option<&'a str>,
    /// When, in milliseconds.
    pub time_ms: i64,
}

/// EventBridge's event for a job's run that has ended.
pub fn job_state_change(change: JobChange<'_>) -> Value {
    let detail = json!({
        "jobName": change.job,
        "severity": if change.error.is_some() { "ERROR" } else { "INFO" },
        "state": change.state,
        "jobRunId": change.run,
        "message": change.error.unwrap_or("Job run succeeded"),
    });
    of_glue("Glue Job State Change", change.run, change.time_ms, detail)
}

/// How a crawl ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CrawlerChange<'a> {
    /// The crawler.
    pub crawler: &'a str,
    /// The crawl.
    pub crawl: &'a str,
    /// When it began, in milliseconds.
    pub started_ms: i64,
    /// When it ended.
    pub ended_ms: i64,
    /// Tables made, tables changed, partitions found.
    pub changes: (u64, u64, u64),
    /// Why it failed.
    pub error: Option<&'a str>,
}

/// EventBridge's event for a crawl that has ended: its counts are texts.
pub fn crawler_state_change(change: CrawlerChange<'_>) -> Value {
    let (created, updated, partitions) = change.changes;
    let detail = match change.error {
        None => json!({
            "tablesCreated": created.to_string(),
            "tablesUpdated": updated.to_string(),
            "tablesDeleted": "0",
            "partitionsCreated": partitions.to_string(),
            "partitionsUpdated": "0",
            "partitionsDeleted": "0",
            "warningMessage": "N/A",
            "message": "Crawl completed",
            "runningTime (sec)": ((change.ended_ms - change.started_ms) / 1_000).to_string(),
            "crawlerName": change.crawler,
            "completionDate": seconds(change.ended_ms),
            "state": "Succeeded",
        }),
        Some(error) => json!({
            "crawlerName": change.crawler,
            "errorMessage": error,
            "message": "Crawler Failed",
            "state": "Failed",
        }),
    };
    of_glue("Glue Crawler State Change", change.crawl, change.ended_ms, detail)
}

fn of_glue(kind: &str, id: &str, time_ms: i64, detail: Value) -> Value {
    json!({
        "version": "0",
        "id": id,
        "detail-type": kind,
        "source": "aws.glue",
        "time": seconds(time_ms),
        "resources": [],
        "detail": detail,
    })
}

/// A time as EventBridge writes it: `2026-11-20T14:03:22Z`.
fn seconds(ms: i64) -> String {
    timestamp(ms).strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A time as S3 and CloudWatch write it: `2026-11-20T14:03:22.123Z`.
pub fn iso(ms: i64) -> String {
    timestamp(ms).strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_created_event_has_s3s_shape() {
        let event = object_created(ObjectCreated {
            bucket: "landing",
            key: "2026/a b=ü.json",
            size: 3,
            etag: "abc",
            version: Some("v1"),
            sequence: 255,
            time_ms: 1_000,
        });
        assert_eq!(
            event,
            json!({"Records": [{
                "eventVersion": "2.1", "eventSource": "aws:s3", "eventName": "ObjectCreated:Put",
                "eventTime": "1970-01-01T00:00:01.000Z",
                "s3": {"bucket": {"name": "landing"}, "object": {
                    "key": "2026/a+b%3D%C3%BC.json", "size": 3, "eTag": "abc",
                    "sequencer": "00000000000000FF", "versionId": "v1"}},
            }]})
        );
    }

    #[test]
    fn what_became_of_a_crawl_and_of_a_run_has_eventbridges_shape() {
        let change = CrawlerChange {
            crawler: "input",
            crawl: "c-1",
            started_ms: 1_000,
            ended_ms: 4_500,
            changes: (1, 0, 2),
            error: None,
        };
        let event = crawler_state_change(change);
        assert_eq!(
            (&event["source"], &event["detail-type"]),
            (&json!("aws.glue"), &json!("Glue Crawler State Change"))
        );
        let detail = &event["detail"];
        assert_eq!((&detail["state"], &detail["crawlerName"]), (&json!("Succeeded"), &json!("input")));
        assert_eq!((&detail["runningTime (sec)"], &detail["partitionsCreated"]), (&json!("3"), &json!("2")));
        let failed = crawler_state_change(CrawlerChange { error: Some("garbage"), ..change });
        let detail = &failed["detail"];
        assert_eq!((&detail["state"], &detail["errorMessage"]), (&json!("Failed"), &json!("garbage")));

        let job = JobChange { job: "etl", run: "jr_1", state: "FAILED", error: Some("no"), time_ms: 0 };
        let event = job_state_change(job);
        assert_eq!(event["detail-type"], "Glue Job State Change");
        assert_eq!(
            event["detail"],
            json!({"jobName": "etl", "severity": "ERROR", "state": "FAILED", "jobRunId": "jr_1", "message": "no"})
        );
    }

    #[test]
    fn a_scheduled_event_has_eventbridges_shape() {
        let event = scheduled("hourly", "e-1", 60_123);
        assert_eq!(event["detail-type"], "Scheduled Event");
        assert_eq!(event["time"], "1970-01-01T00:01:00Z");
        assert_eq!(event["detail"], json!({}));
    }
}
