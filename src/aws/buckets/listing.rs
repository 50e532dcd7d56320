//! Pages of objects, and of versions.
//!
//! XML cannot hold every character that a key may have, so that S3 is asked for encoded keys.

use aws_sdk_s3::types::{CommonPrefix, EncodingType};

use crate::{
    aws::{Aws, time},
    cloud::{
        Result,
        buckets::{ListObjects, Object, ObjectPage},
        urlcode,
    },
};

/// The most that S3 gives on one page.
const LIMIT: usize = 1_000;

/// The entity tag without its quotes.
pub(super) fn etag(tag: Option<String>) -> String {
    tag.map(|t| t.trim_matches('"').to_owned()).unwrap_or_default()
}

pub(super) fn unsigned(n: Option<i64>) -> u64 {
    n.and_then(|n| u64::try_from(n).ok()).unwrap_or_default()
}

/// Undoes the encoding of keys, where the answer says that there is one.
pub(super) struct Keys(bool);

impl Keys {
    pub(super) fn of(encoding: Option<&EncodingType>) -> Self {
        Self(encoding == Some(&EncodingType::Url))
    }

    pub(super) fn read(&self, key: String) -> String {
        if self.0 && key.contains(['%', '+']) { urlcode::decode(&key) } else { key }
    }

    fn prefixes(&self, folded: Option<Vec<CommonPrefix>>) -> Vec<String> {
        folded.unwrap_or_default().into_iter().filter_map(|p| p.prefix).map(|p| self.read(p)).collect()
    }
}

fn limit(request: &ListObjects) -> i32 {
    let limit = if request.limit == 0 { LIMIT } else { request.limit.min(LIMIT) };
    i32::try_from(limit).unwrap_or(i32::MAX)
}

fn prefix(request: &ListObjects) -> Option<String> {
    Some(request.prefix.clone()).filter(|p| !p.is_empty())
}

/// The key after which a listing begins. What lies behind a folded prefix is folded into it once more, so such a listing
/// begins behind all of it.
fn after(request: &ListObjects) -> Option<String> {
    let after = request.after.clone()?;
    match request.delimiter {
        Some(delimiter) if after.ends_with(delimiter) => Some(format!("{after}{}", char::MAX)),
        _ => Some(after),
    }
}

/// The greater of the last object and the last prefix.
fn last(page: &ObjectPage) -> Option<String> {
    let object = page.objects.last().map(|o| o.key.as_str());
    let prefix = page.prefixes.last().map(String::as_str);
    object.max(prefix).map(str::to_owned)
}

impl Aws {
    /// A page of current objects.
    pub(super) async fn list_current(&self, bucket: &str, request: &ListObjects) -> Result<ObjectPage> {
        let after = after(request).filter(|_| request.token.is_none());
        let answer = self
            .ask_bucket(bucket, "s3:ListBucket", |s3| {
                s3.list_objects_v2()
                    .bucket(bucket)
                    .encoding_type(EncodingType::Url)
                    .max_keys(limit(request))
                    .set_prefix(prefix(request))
                    .set_delimiter(request.delimiter.map(String::from))
                    .set_continuation_token(request.token.clone())
                    .set_start_after(after.clone())
                    .send()
            })
            .await?;
        let keys = Keys::of(answer.encoding_type.as_ref());
        let mut page = ObjectPage {
            prefixes: keys.prefixes(answer.common_prefixes),
            objects: Vec::new(),
            next: None,
            token: answer.next_continuation_token.filter(|_| answer.is_truncated == Some(true)),
        };
        page.objects.extend(answer.contents.unwrap_or_default().into_iter().filter_map(|o| {
            Some(Object {
                key: keys.read(o.key?),
                size: unsigned(o.size),
                etag: etag(o.e_tag),
                modified: time::optional(o.last_modified.as_ref()),
                version: None,
                content_type: None,
                latest: true,
                delete_marker: false,
            })
        }));
        if page.token.is_some() {
            page.next = last(&page);
        }
        Ok(page)
    }

    /// A page of all versions and delete markers, the newest of a key first.
    pub(super) async fn list_versions(&self, bucket: &str, request: &ListObjects) -> Result<ObjectPage> {
        let (key, version) = match &request.token {
            // One that is not ours is a key.
            Some(token) => serde_json::from_str(token).unwrap_or_else(|_| (Some(token.clone()), None)),
            None => (after(request), None),
        };
        let answer = self
            .ask_bucket(bucket, "s3:ListBucketVersions", |s3| {
                s3.list_object_versions()
                    .bucket(bucket)
                    .encoding_type(EncodingType::Url)
                    .max_keys(limit(request))
                    .set_prefix(prefix(request))
                    .set_delimiter(request.delimiter.map(String::from))
                    .set_key_marker(key.clone())
                    .set_version_id_marker(version.clone())
                    .send()
            })
            .await?;
        let keys = Keys::of(answer.encoding_type.as_ref());
        let mut page = ObjectPage { prefixes: keys.prefixes(answer.common_prefixes), ..ObjectPage::default() };
        let versions = answer.versions.unwrap_or_default().into_iter().filter_map(|v| {
            Some(Object {
                key: keys.read(v.key?),
                size: unsigned(v.size),
                etag: etag(v.e_tag),
                modified: time::optional(v.last_modified.as_ref()),
                version: v.version_id,
                content_type: None,
                latest: v.is_latest.unwrap_or_default(),
                delete_marker: false,
            })
        });
        let markers = answer.delete_markers.unwrap_or_default().into_iter().filter_map(|m| {
            Some(Object {
                key: keys.read(m.key?),
                size: 0,
                etag: String::new(),
                modified: time::optional(m.last_modified.as_ref()),
                version: m.version_id,
                content_type: None,
                latest: m.is_latest.unwrap_or_default(),
                delete_marker: true,
            })
        });
        page.objects.extend(versions.chain(markers));
        // The SDK keeps versions and markers apart: together again, the current one first, then by age. Among versions of
        // one second S3's own order is kept.
        page.objects.sort_by(|a, b| {
            a.key.cmp(&b.key).then_with(|| b.latest.cmp(&a.latest)).then_with(|| b.modified.cmp(&a.modified))
        });
        if answer.is_truncated == Some(true) {
            let next: (Option<String>, Option<String>) =
                (answer.next_key_marker.map(|k| keys.read(k)), answer.next_version_id_marker);
            page.token = next.0.is_some().then(|| serde_json::json!(next).to_string());
            page.next = last(&page);
        }
        Ok(page)
    }
}
