//! Events as they arrive at a function on AWS, in the one shape that its handler knows from the embedded cloud.
//!
//! News of a new object comes from S3 itself, from S3 over a topic (in an envelope of SNS), or from EventBridge: a handler
//! always sees S3's. A request comes from API Gateway: a handler sees header names in lower case, and no key.

use serde_json::{Map, Value, json};

use crate::cloud::urlcode::encode_key;

/// The event that a handler sees.
pub(super) fn normal(mut event: Value) -> Value {
    if let Some(records) = objects(&event) {
        return json!({ "Records": records });
    }
    for record in event.get_mut("Records").and_then(Value::as_array_mut).into_iter().flatten() {
        message(record);
    }
    let request = event.get("httpMethod").is_some() && event.get("requestContext").is_some();
    if request {
        for name in ["headers", "multiValueHeaders"] {
            if let Some(headers) = event.get_mut(name).and_then(Value::as_object_mut) {
                *headers = std::mem::take(headers).into_iter().filter_map(header).collect();
            }
        }
        if let Some(identity) = event.pointer_mut("/requestContext/identity").and_then(Value::as_object_mut) {
            identity.retain(|name, _| name != "apiKey");
        }
    }
    event
}

/// A queue's message that tells of new objects has S3's event as its body, whoever sent it.
fn message(record: &mut Value) {
    if record.get("eventSource").and_then(Value::as_str) != Some("aws:sqs") {
        return;
    }
    let Some(body) = record.get_mut("body") else { return };
    let told = body.as_str().and_then(|text| serde_json::from_str(text).ok());
    if let Some(records) = told.as_ref().and_then(objects) {
        *body = json!({ "Records": records }).to_string().into();
    }
}

/// A header, unless it holds a key: that would end in logs.
fn header((name, value): (String, Value)) -> Option<(String, Value)> {
    let name = name.to_lowercase();
    (name != "x-api-key").then_some((name, value))
}

/// S3's records in an event, whatever it is wrapped in; none where it is no news of objects.
fn objects(event: &Value) -> Option<Vec<Value>> {
    let text = |name: &str| event.get(name).and_then(Value::as_str);
    if text("source") == Some("aws.s3") && text("detail-type") == Some("Object Created") {
        return Some(vec![created(event)?]);
    }
    // What S3 sends to a topic when a notification is set up.
    if text("Event") == Some("s3:TestEvent") {
        return Some(Vec::new());
    }
    let records = event.get("Records")?.as_array().filter(|all| !all.is_empty())?;
    let mut found = Vec::new();
    for record in records {
        let from = |name: &str| record.get(name).and_then(Value::as_str);
        if from("eventSource") == Some("aws:s3") {
            found.push(record.clone());
        } else if from("EventSource") == Some("aws:sns") {
            let message: Value = serde_json::from_str(record.pointer("/Sns/Message")?.as_str()?).ok()?;
            found.extend(objects(&message)?);
        } else {
            return None;
        }
    }
    Some(found)
}

/// S3's record of an object that EventBridge tells of.
fn created(event: &Value) -> Option<Value> {
    let detail = event.get("detail")?;
    let told = detail.get("object")?;
    let mut object = Map::new();
    // EventBridge gives the key as it is, S3's own event form-encoded.
    object.insert("key".into(), encode_key(told.get("key")?.as_str()?).into());
    for (theirs, ours) in [("size", "size"), ("etag", "eTag"), ("version-id", "versionId"), ("sequencer", "sequencer")]
    {
        if let Some(value) = told.get(theirs).filter(|v| !v.is_null() && v.as_str() != Some("")) {
            object.insert(ours.into(), value.clone());
        }
    }
    let name = match detail.get("reason").and_then(Value::as_str) {
        Some("CopyObject") => "ObjectCreated:Copy",
        Some("CompleteMultipartUpload") => "ObjectCreated:CompleteMultipartUpload",
        Some("POST Object") => "ObjectCreated:Post",
        _ => "ObjectCreated:Put",
    };
    Some(json!({
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": event.get("region"),
        "eventName": name,
        "eventTime": event.get("time"),
        "s3": {"bucket": {"name": detail.pointer("/bucket/name")?}, "object": object},
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_s3(key: &str) -> Value {
        json!({"eventVersion": "2.1", "eventSource": "aws:s3", "eventName": "ObjectCreated:Put",
            "s3": {"bucket": {"name": "landing"}, "object": {"key": key, "size": 3, "eTag": "abc", "versionId": "v1"}}})
    }

    fn envelope(message: &Value) -> Value {
        json!({"EventSource": "aws:sns", "EventVersion": "1.0", "Sns": {"Type": "Notification", "Message": message.to_string()}})
    }

    #[test]
    fn s3_s_own_event_stays_as_it_is() {
        let event = json!({"Records": [of_s3("a+b.json")]});
        assert_eq!(normal(event.clone()), event);
    }

    #[test]
    fn an_envelope_of_sns_is_opened() {
        let (one, two) = (json!({"Records": [of_s3("a")]}), json!({"Records": [of_s3("b"), of_s3("c")]}));
        let test = json!({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "landing"});
        let event = json!({"Records": [envelope(&one), envelope(&test), envelope(&two)]});
        assert_eq!(normal(event), json!({"Records": [of_s3("a"), of_s3("b"), of_s3("c")]}));
        let other = json!({"Records": [envelope(&json!({"crossings": []}))]});
        assert_eq!(normal(other.clone()), other, "what is no news of objects is the handler's");
        let text = json!({"Records": [{"EventSource": "aws:sns", "Sns": {"Message": "plain"}}]});
        assert_eq!(normal(text.clone()), text);
    }

    #[test]
    fn eventbridge_s_event_becomes_s3_s() {
        let event = json!({"version": "0", "id": "e", "detail-type": "Object Created", "source": "aws.s3",
            "region": "eu-west-1", "time": "2026-11-20T14:03:22Z", "detail": {"version": "0",
                "bucket": {"name": "landing"}, "reason": "CopyObject",
                "object": {"key": "2026/a b=ü.json", "size": 3, "etag": "abc", "version-id": "v1", "sequencer": "00FF"}}});
        let expected = json!({"Records": [{"eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "eu-west-1",
            "eventName": "ObjectCreated:Copy", "eventTime": "2026-11-20T14:03:22Z", "s3": {"bucket": {"name": "landing"},
                "object": {"key": "2026/a+b%3D%C3%BC.json", "size": 3, "eTag": "abc", "versionId": "v1",
                    "sequencer": "00FF"}}}]});
        assert_eq!(normal(event.clone()), expected);
        let inside = json!({"Records": [envelope(&event)]});
        assert_eq!(normal(inside), expected);
    }

    #[test]
    fn a_request_comes_without_its_key() {
        let event = json!({"httpMethod": "GET", "path": "/prices",
            "headers": {"X-Api-Key": "k", "Accept": "*/*"}, "multiValueHeaders": {"x-api-key": ["k"], "Accept": ["*/*"]},
            "queryStringParameters": {"base": "BTC"},
            "requestContext": {"requestId": "r", "identity": {"sourceIp": "192.0.2.1", "apiKey": "k", "apiKeyId": "id"}}});
        let seen = normal(event);
        assert_eq!(seen["headers"], json!({"accept": "*/*"}));
        assert_eq!(seen["multiValueHeaders"], json!({"accept": ["*/*"]}));
        assert_eq!(seen["requestContext"]["identity"], json!({"sourceIp": "192.0.2.1", "apiKeyId": "id"}));
        assert_eq!(seen["queryStringParameters"]["base"], "BTC");
    }

    #[test]
    fn a_message_of_a_queue_has_s3_s_event_as_its_body() {
        let sqs = |body: &str| json!({"messageId": "m", "eventSource": "aws:sqs", "body": body});
        let rule = json!({"source": "aws.s3", "detail-type": "Object Created", "region": "eu-west-1",
            "time": "2026-11-20T14:03:22Z", "detail": {"bucket": {"name": "landing"}, "object": {"key": "a b", "size": 1}}});
        let event = json!({"Records": [sqs(&rule.to_string()), sqs("hello"), sqs(&json!({"Records": [of_s3("c")]}).to_string()),
            sqs(&json!({"Event": "s3:TestEvent"}).to_string())]});
        let seen = normal(event);
        let body = |n: usize| serde_json::from_str::<Value>(seen["Records"][n]["body"].as_str().unwrap()).unwrap();
        assert_eq!(body(0)["Records"][0]["s3"]["object"]["key"], "a+b");
        assert_eq!(seen["Records"][1]["body"], "hello");
        assert_eq!(body(2), json!({"Records": [of_s3("c")]}));
        assert_eq!(body(3), json!({"Records": []}));
    }

    #[test]
    fn other_events_stay_as_they_are() {
        for event in [
            json!({"version": "0", "detail-type": "Scheduled Event", "source": "aws.events", "detail": {}}),
            json!({"Records": []}),
            json!({"source": "aws.s3", "detail-type": "Object Created"}),
            json!(null),
            json!([1]),
        ] {
            assert_eq!(normal(event.clone()), event);
        }
    }
}
