//! The files that S3's events tell of.

use serde_json::Value;

use crate::cloud::{Error, Result, urlcode::decode};

/// A file that S3's event tells of.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NewFile {
    pub(super) bucket: String,
    pub(super) key: String,
    pub(super) version: Option<String>,
}

pub(super) fn files(event: &Value) -> Result<Vec<NewFile>> {
    let wrong = || Error::Invalid("the event is none of S3's: {\"Records\":[{\"s3\":{\"bucket\":…".into());
    let records = event.get("Records").and_then(Value::as_array).ok_or_else(wrong)?;
    records
        .iter()
        .map(|record| {
            let text = |pointer: &str| record.pointer(pointer).and_then(Value::as_str);
            Ok(NewFile {
                bucket: text("/s3/bucket/name").ok_or_else(wrong)?.to_owned(),
                key: decode(text("/s3/object/key").ok_or_else(wrong)?),
                version: text("/s3/object/versionId").map(str::to_owned),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_event_s_keys_are_decoded() {
        let event = json!({"Records": [{"s3": {"bucket": {"name": "b"}, "object": {"key": "a+b/%C3%A9.json"}}}]});
        let expected = NewFile { bucket: "b".into(), key: "a b/é.json".into(), version: None };
        assert_eq!(files(&event).unwrap(), [expected]);
        assert!(files(&json!({})).is_err());
        assert!(files(&json!({"Records": [{"s3": {}}]})).is_err());
    }
}
