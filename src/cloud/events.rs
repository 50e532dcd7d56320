//! Events in the shapes in which AWS gives them to a function (AWS Lambda Developer Guide, "Using AWS Lambda with other
//! services"), for the embedded cloud to deliver and for a person to try a function with.

use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use md5::{Digest, Md5};
use serde_json::{Map, Value, json};

use super::urlcode::encode_key;

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

/// EventBridge's event; `id` is the event's own.
pub fn eventbridge(source: &str, detail_type: &str, id: &str, time_ms: i64, detail: Value) -> Value {
    json!({
        "version": "0",
        "id": id,
        "detail-type": detail_type,
        "source": source,
        "time": seconds(time_ms),
        "resources": [],
        "detail": detail,
    })
}

/// EventBridge's event for a schedule that is due.
pub fn scheduled(schedule: &str, id: &str, time_ms: i64) -> Value {
    let mut event = eventbridge("aws.events", "Scheduled Event", id, time_ms, json!({}));
    event["resources"] = json!([format!("rule/{schedule}")]);
    event
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
    eventbridge("aws.glue", "Glue Job State Change", change.run, change.time_ms, detail)
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
    eventbridge("aws.glue", "Glue Crawler State Change", change.crawl, change.ended_ms, detail)
}

fn timestamp(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).unwrap_or_default()
}

/// A time as EventBridge writes it: `2026-11-20T14:03:22Z`.
fn seconds(ms: i64) -> String {
    timestamp(ms).strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A time as S3 and CloudWatch write it: `2026-11-20T14:03:22.123Z`.
pub fn iso(ms: i64) -> String {
    timestamp(ms).strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// A message of a queue, as it was received.
#[derive(Debug, Clone, Copy)]
pub struct QueueRecord<'a> {
    /// The queue: its ARN on AWS.
    pub queue: &'a str,
    /// The message's id.
    pub id: &'a str,
    /// Its body.
    pub body: &'a str,
    /// How often it was received.
    pub receives: i64,
    /// When it was sent, in milliseconds.
    pub sent_ms: i64,
    /// When it was received for the first time.
    pub first_received_ms: i64,
}

/// SQS's event for a batch of messages.
pub fn messages<'a>(records: impl IntoIterator<Item = QueueRecord<'a>>) -> Value {
    let record = |r: QueueRecord<'_>| {
        json!({
            "messageId": r.id,
            "receiptHandle": format!("{}-{}", r.id, r.receives),
            "body": r.body,
            "attributes": {
                "ApproximateReceiveCount": r.receives.to_string(),
                "SentTimestamp": r.sent_ms.to_string(),
                "ApproximateFirstReceiveTimestamp": r.first_received_ms.to_string(),
            },
            "messageAttributes": {},
            "md5OfBody": hex::encode(Md5::digest(r.body)),
            "eventSource": "aws:sqs",
            "eventSourceARN": r.queue,
        })
    };
    json!({"Records": records.into_iter().map(record).collect::<Vec<_>>()})
}

/// A message of a topic.
#[derive(Debug, Clone, Copy)]
pub struct Notification<'a> {
    /// The topic's ARN.
    pub topic: &'a str,
    /// The message's id.
    pub id: &'a str,
    /// Its subject.
    pub subject: Option<&'a str>,
    /// Its text.
    pub message: &'a str,
    /// When, in milliseconds.
    pub time_ms: i64,
}

/// SNS's event for a message.
pub fn notification(sent: Notification<'_>) -> Value {
    json!({"Records": [{
        "EventVersion": "1.0",
        "EventSource": "aws:sns",
        "EventSubscriptionArn": format!("{}:example", sent.topic),
        "Sns": {
            "Type": "Notification",
            "MessageId": sent.id,
            "TopicArn": sent.topic,
            "Subject": sent.subject,
            "Message": sent.message,
            "Timestamp": iso(sent.time_ms),
            "MessageAttributes": {},
        },
    }]})
}

/// A record of a data stream.
#[derive(Debug, Clone, Copy)]
pub struct StreamRecord<'a> {
    /// The stream's ARN.
    pub stream: &'a str,
    /// The partition key.
    pub partition_key: &'a str,
    /// Its data.
    pub data: &'a [u8],
    /// Greater for records that came later.
    pub sequence: u64,
    /// When it came, in milliseconds.
    pub time_ms: i64,
}

/// Kinesis's event for a batch of records.
pub fn stream_records<'a>(records: impl IntoIterator<Item = StreamRecord<'a>>) -> Value {
    let record = |r: StreamRecord<'_>| {
        // 56 digits, as a sequence number has.
        let sequence = format!("49590338271490256608559692538361{:024}", r.sequence);
        json!({
            "kinesis": {
                "kinesisSchemaVersion": "1.0",
                "partitionKey": r.partition_key,
                "sequenceNumber": sequence,
                "data": STANDARD.encode(r.data),
                "approximateArrivalTimestamp": r.time_ms as f64 / 1000.0,
            },
            "eventSource": "aws:kinesis",
            "eventVersion": "1.0",
            "eventID": format!("shardId-000000000000:{sequence}"),
            "eventName": "aws:kinesis:record",
            "eventSourceARN": r.stream,
        })
    };
    json!({"Records": records.into_iter().map(record).collect::<Vec<_>>()})
}

/// A request to an HTTP API.
#[derive(Debug, Clone, Copy)]
pub struct ApiRequest<'a> {
    /// Its method.
    pub method: &'a str,
    /// Its path.
    pub path: &'a str,
    /// The stage that it came by.
    pub stage: &'a str,
    /// Its id.
    pub id: &'a str,
    /// Parameters of the query, decoded, in their order.
    pub query: &'a [(String, String)],
    /// Headers, in their order.
    pub headers: &'a [(String, String)],
    /// Its body.
    pub body: &'a [u8],
}

/// API Gateway's event for a request (REST API, proxy integration).
pub fn api_request(request: ApiRequest<'_>) -> Value {
    let (headers, all_headers) = by_name(request.headers);
    let (query, all_query) = by_name(request.query);
    let (text, encoded) = match std::str::from_utf8(request.body) {
        _ if request.body.is_empty() => (Value::Null, false),
        Ok(text) => (Value::from(text), false),
        Err(_) => (Value::from(STANDARD.encode(request.body)), true),
    };
    json!({
        "resource": request.path,
        "path": request.path,
        "httpMethod": request.method,
        "headers": headers,
        "multiValueHeaders": all_headers,
        "queryStringParameters": query,
        "multiValueQueryStringParameters": all_query,
        "pathParameters": null,
        "stageVariables": null,
        "requestContext": {
            "requestId": request.id,
            "stage": request.stage,
            "httpMethod": request.method,
            "resourcePath": request.path,
            "identity": {"sourceIp": "127.0.0.1"},
        },
        "body": text,
        "isBase64Encoded": encoded,
    })
}

/// A map that keeps the last value of each name, and one that keeps all; null where there is none.
fn by_name(pairs: &[(String, String)]) -> (Value, Value) {
    let (mut last, mut all) = (Map::new(), Map::new());
    for (name, value) in pairs {
        last.insert(name.clone(), value.as_str().into());
        match all.get_mut(name).and_then(Value::as_array_mut) {
            Some(values) => values.push(value.as_str().into()),
            None => drop(all.insert(name.clone(), json!([value]))),
        }
    }
    if last.is_empty() { (Value::Null, Value::Null) } else { (last.into(), all.into()) }
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

    #[test]
    fn messages_records_and_requests_have_the_shapes_of_their_services() {
        let record = QueueRecord { queue: "q", id: "m", body: "{}", receives: 2, sent_ms: 1, first_received_ms: 2 };
        let event = messages([record]);
        assert_eq!(event["Records"][0]["md5OfBody"], "99914b932bd37a50b983c5e7c90ae93b");
        assert_eq!(event["Records"][0]["attributes"]["ApproximateReceiveCount"], "2");
        let sent = Notification { topic: "t", id: "m", subject: None, message: "hello", time_ms: 0 };
        assert_eq!(notification(sent)["Records"][0]["Sns"]["Timestamp"], "1970-01-01T00:00:00.000Z");
        let record = StreamRecord { stream: "s", partition_key: "p", data: b"hello", sequence: 7, time_ms: 1_500 };
        let kinesis = &stream_records([record])["Records"][0]["kinesis"];
        assert_eq!((&kinesis["data"], &kinesis["approximateArrivalTimestamp"]), (&json!("aGVsbG8="), &json!(1.5)));
        assert_eq!(kinesis["sequenceNumber"].as_str().map(str::len), Some(56));
        let query = [("a".to_owned(), "1".to_owned()), ("a".to_owned(), "2".to_owned())];
        let (id, stage, headers) = ("r", "dev", &[][..]);
        let event =
            api_request(ApiRequest { method: "GET", path: "/p", stage, id, query: &query, headers, body: &[255] });
        assert_eq!(event["queryStringParameters"], json!({"a": "2"}));
        assert_eq!(event["multiValueQueryStringParameters"], json!({"a": ["1", "2"]}));
        assert_eq!((&event["headers"], &event["body"]), (&Value::Null, &json!("/w==")));
        assert_eq!(event["isBase64Encoded"], true);
    }
}
