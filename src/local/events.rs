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
        "time": timestamp(time_ms).strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        "resources": [format!("rule/{schedule}")],
        "detail": {},
    })
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
    fn a_scheduled_event_has_eventbridges_shape() {
        let event = scheduled("hourly", "e-1", 60_123);
        assert_eq!(event["detail-type"], "Scheduled Event");
        assert_eq!(event["time"], "1970-01-01T00:01:00Z");
        assert_eq!(event["detail"], json!({}));
    }
}
