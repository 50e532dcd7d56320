//! Events in the shapes in which AWS gives them to a function (AWS Lambda Developer Guide, "Using AWS Lambda with other
//! services"), for the embedded cloud to deliver and for a person to try a function with.

use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use md5::{Digest, Md5};
use serde_json::{Map, Value, json};

use super::urlcode::encode_key;

/// The region that the embedded cloud and examples of events are in: SDKs want one.
pub const REGION: &str = "us-east-1";
/// The account of theirs.
const ACCOUNT: &str = "123456789012";
/// Whoever acts there.
const PRINCIPAL: &str = "EXAMPLE";
const LOOPBACK: &str = "127.0.0.1";

/// The ARN of what is called `name` on the embedded cloud; one that is an ARN stays.
fn arn(service: &str, name: &str) -> String {
    if name.starts_with("arn:") { name.to_owned() } else { format!("arn:aws:{service}:{REGION}:{ACCOUNT}:{name}") }
}

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
    let request = format!("{:016X}", created.sequence);
    json!({"Records": [{
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": REGION,
        "eventTime": iso(created.time_ms),
        "eventName": "ObjectCreated:Put",
        "userIdentity": {"principalId": PRINCIPAL},
        "requestParameters": {"sourceIPAddress": LOOPBACK},
        "responseElements": {"x-amz-request-id": request, "x-amz-id-2": request},
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": "pumphouse",
            "bucket": {
                "name": created.bucket,
                "ownerIdentity": {"principalId": PRINCIPAL},
                "arn": format!("arn:aws:s3:::{}", created.bucket),
            },
            "object": object,
        },
    }]})
}

/// EventBridge's event; `id` is the event's own.
pub fn eventbridge(source: &str, detail_type: &str, id: &str, time_ms: i64, detail: Value) -> Value {
    json!({
        "version": "0",
        "id": id,
        "detail-type": detail_type,
        "source": source,
        "account": ACCOUNT,
        "time": seconds(time_ms),
        "region": REGION,
        "resources": [],
        "detail": detail,
    })
}

/// EventBridge's event for a schedule that is due.
pub fn scheduled(schedule: &str, id: &str, time_ms: i64) -> Value {
    let mut event = eventbridge("aws.events", "Scheduled Event", id, time_ms, json!({}));
    event["resources"] = json!([arn("events", &format!("rule/{schedule}"))]);
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
    /// The queue: its name, or its ARN.
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
                "SenderId": PRINCIPAL,
                "ApproximateFirstReceiveTimestamp": r.first_received_ms.to_string(),
            },
            "messageAttributes": {},
            "md5OfBody": hex::encode(Md5::digest(r.body)),
            "eventSource": "aws:sqs",
            "eventSourceARN": arn("sqs", r.queue),
            "awsRegion": REGION,
        })
    };
    json!({"Records": records.into_iter().map(record).collect::<Vec<_>>()})
}

/// A message of a topic.
#[derive(Debug, Clone, Copy)]
pub struct Notification<'a> {
    /// The topic: its name, or its ARN.
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
    let topic = arn("sns", sent.topic);
    let subscription = format!("{topic}:{}", sent.id);
    // Nobody has signed it: whoever checks signatures finds out.
    json!({"Records": [{
        "EventSource": "aws:sns",
        "EventVersion": "1.0",
        "EventSubscriptionArn": subscription,
        "Sns": {
            "Type": "Notification",
            "MessageId": sent.id,
            "TopicArn": topic,
            "Subject": sent.subject,
            "Message": sent.message,
            "Timestamp": iso(sent.time_ms),
            "SignatureVersion": "1",
            "Signature": "EXAMPLE",
            "SigningCertUrl": "https://sns.example.com/certificate.pem",
            "UnsubscribeUrl": format!("https://sns.example.com/?Action=Unsubscribe&SubscriptionArn={subscription}"),
            "MessageAttributes": {},
        },
    }]})
}

/// A record of a data stream.
#[derive(Debug, Clone, Copy)]
pub struct StreamRecord<'a> {
    /// The stream's name.
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
            "invokeIdentityArn": format!("arn:aws:iam::{ACCOUNT}:role/example"),
            "awsRegion": REGION,
            "eventSourceARN": arn("kinesis", &format!("stream/{}", r.stream)),
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
    /// When it came, in milliseconds.
    pub time_ms: i64,
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
    let header =
        |name: &str| request.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str());
    let host = header("host");
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
            "accountId": ACCOUNT,
            "apiId": request.stage,
            "domainName": host,
            "domainPrefix": host.and_then(|host| host.split(['.', ':']).next()),
            "extendedRequestId": request.id,
            "httpMethod": request.method,
            "identity": {
                "accessKey": null,
                "accountId": null,
                "caller": null,
                "cognitoAuthenticationProvider": null,
                "cognitoAuthenticationType": null,
                "cognitoIdentityId": null,
                "cognitoIdentityPoolId": null,
                "principalOrgId": null,
                "sourceIp": LOOPBACK,
                "user": null,
                "userAgent": header("user-agent"),
                "userArn": null,
            },
            "path": format!("/{}{}", request.stage, request.path),
            "protocol": "HTTP/1.1",
            "requestId": request.id,
            "requestTime": timestamp(request.time_ms).strftime("%d/%b/%Y:%H:%M:%S +0000").to_string(),
            "requestTimeEpoch": request.time_ms,
            "resourceId": "example",
            "resourcePath": request.path,
            "stage": request.stage,
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

    /// The names of what is in a value, with what they are in: `a.b`.
    fn names(value: &Value, within: &str) -> Vec<String> {
        let below = |name: &str, value: &Value| {
            let name = if within.is_empty() { name.to_owned() } else { format!("{within}.{name}") };
            let inner = names(value, &name);
            if inner.is_empty() { vec![name] } else { inner }
        };
        match value {
            Value::Object(map) => map.iter().flat_map(|(name, value)| below(name, value)).collect(),
            Value::Array(list) => list.iter().take(1).flat_map(|value| names(value, within)).collect(),
            _ => Vec::new(),
        }
    }

    fn sorted(text: &str) -> Vec<String> {
        let mut all: Vec<_> = text.split_whitespace().map(str::to_owned).collect();
        all.sort();
        all
    }

    /// The names are those of the examples in AWS's documentation: in the guides of Amazon S3 ("Event message
    /// structure"), AWS Lambda (for SQS, SNS and Kinesis), EventBridge, and API Gateway ("Lambda proxy integrations").
    #[test]
    fn events_have_the_names_of_the_documented_examples_and_no_others() {
        let created = object_created(ObjectCreated {
            bucket: "landing",
            key: "a",
            size: 3,
            etag: "abc",
            version: Some("v1"),
            sequence: 255,
            time_ms: 1_000,
        });
        let record = QueueRecord { queue: "q", id: "m", body: "{}", receives: 1, sent_ms: 1, first_received_ms: 2 };
        let sent = Notification { topic: "t", id: "m", subject: Some("s"), message: "hello", time_ms: 0 };
        let streamed = StreamRecord { stream: "s", partition_key: "p", data: b"hello", sequence: 7, time_ms: 1_500 };
        let pairs = [("a".to_owned(), "1".to_owned())];
        let asked = api_request(ApiRequest {
            method: "GET",
            path: "/p",
            stage: "dev",
            id: "r",
            query: &pairs,
            headers: &pairs,
            body: b"",
            time_ms: 0,
        });
        for (event, documented) in [
            (
                created,
                "eventVersion eventSource awsRegion eventTime eventName userIdentity.principalId \
                 requestParameters.sourceIPAddress responseElements.x-amz-request-id responseElements.x-amz-id-2 \
                 s3.s3SchemaVersion s3.configurationId s3.bucket.name s3.bucket.ownerIdentity.principalId s3.bucket.arn \
                 s3.object.key s3.object.size s3.object.eTag s3.object.versionId s3.object.sequencer",
            ),
            (
                messages([record]),
                "messageId receiptHandle body attributes.ApproximateReceiveCount attributes.SentTimestamp \
                 attributes.SenderId attributes.ApproximateFirstReceiveTimestamp messageAttributes md5OfBody eventSource \
                 eventSourceARN awsRegion",
            ),
            (
                notification(sent),
                "EventVersion EventSubscriptionArn EventSource Sns.SignatureVersion Sns.Timestamp Sns.Signature \
                 Sns.SigningCertUrl Sns.MessageId Sns.Message Sns.MessageAttributes Sns.Type Sns.UnsubscribeUrl \
                 Sns.TopicArn Sns.Subject",
            ),
            (
                stream_records([streamed]),
                "kinesis.kinesisSchemaVersion kinesis.partitionKey kinesis.sequenceNumber kinesis.data \
                 kinesis.approximateArrivalTimestamp eventSource eventVersion eventID eventName invokeIdentityArn \
                 awsRegion eventSourceARN",
            ),
        ] {
            let mut found = names(&event["Records"], "");
            found.sort();
            assert_eq!(found, sorted(documented), "{event}");
        }
        let mut found = names(&asked, "");
        found.sort();
        let documented = sorted(
            "resource path httpMethod headers.a multiValueHeaders.a queryStringParameters.a \
             multiValueQueryStringParameters.a pathParameters stageVariables body isBase64Encoded \
             requestContext.accountId requestContext.apiId requestContext.domainName requestContext.domainPrefix \
             requestContext.extendedRequestId requestContext.httpMethod requestContext.path requestContext.protocol \
             requestContext.requestId requestContext.requestTime requestContext.requestTimeEpoch \
             requestContext.resourceId requestContext.resourcePath requestContext.stage \
             requestContext.identity.accessKey requestContext.identity.accountId requestContext.identity.caller \
             requestContext.identity.cognitoAuthenticationProvider requestContext.identity.cognitoAuthenticationType \
             requestContext.identity.cognitoIdentityId requestContext.identity.cognitoIdentityPoolId \
             requestContext.identity.principalOrgId requestContext.identity.sourceIp requestContext.identity.user \
             requestContext.identity.userAgent requestContext.identity.userArn",
        );
        assert_eq!(found, documented, "{asked}");
        let mut found = names(&eventbridge("s", "t", "i", 0, json!(null)), "");
        found.sort();
        assert_eq!(found, sorted("version id detail-type source account time region resources detail"));
    }

    #[test]
    fn a_key_is_form_encoded_and_a_sequencer_grows() {
        let created = |sequence| {
            object_created(ObjectCreated {
                bucket: "landing",
                key: "2026/a b=ü.json",
                size: 3,
                etag: "abc",
                version: None,
                sequence,
                time_ms: 1_000,
            })
        };
        let event = created(255);
        let (record, object) = (&event["Records"][0], &event["Records"][0]["s3"]["object"]);
        assert_eq!(record["eventTime"], "1970-01-01T00:00:01.000Z");
        assert_eq!(record["s3"]["bucket"]["arn"], "arn:aws:s3:::landing");
        assert_eq!(
            (&object["key"], &object["sequencer"]),
            (&json!("2026/a+b%3D%C3%BC.json"), &json!("00000000000000FF"))
        );
        assert_eq!(object.get("versionId"), None, "of a bucket that keeps no versions");
        let later = created(256);
        let later = later["Records"][0]["s3"]["object"]["sequencer"].as_str().unwrap();
        assert!(object["sequencer"].as_str().unwrap() < later);
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
        assert_eq!(event["resources"], json!(["arn:aws:events:us-east-1:123456789012:rule/hourly"]));
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
        let (method, path, time_ms) = ("GET", "/p", 1_583_349_317_135);
        let event = api_request(ApiRequest { method, path, stage, id, query: &query, headers, body: &[255], time_ms });
        assert_eq!(event["requestContext"]["requestTime"], "04/Mar/2020:19:15:17 +0000");
        assert_eq!(event["requestContext"]["path"], "/dev/p");
        assert_eq!(event["queryStringParameters"], json!({"a": "2"}));
        assert_eq!(event["multiValueQueryStringParameters"], json!({"a": ["1", "2"]}));
        assert_eq!((&event["headers"], &event["body"]), (&Value::Null, &json!("/w==")));
        assert_eq!(event["isBase64Encoded"], true);
    }
}
