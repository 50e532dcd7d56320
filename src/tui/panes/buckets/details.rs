//! All that is known of a bucket or an object, in lines.

use super::{super::Cx, BucketsPane, entries::Entry};
use crate::{
    cloud::buckets::{BucketDetail, Object},
    tui::data::{Request, bytes, count, moment},
};

pub(super) fn object_details(object: &Object) -> Vec<String> {
    let known = |text: Option<String>| text.unwrap_or_else(|| "none".into());
    let mut lines = vec![
        format!("key       {}", object.key),
        format!("size      {} ({} bytes)", bytes(object.size), count(object.size)),
        format!("modified  {}", known(object.modified.map(|t| t.to_string()))),
        format!("etag      {}", object.etag),
        format!("type      {}", known(object.content_type.clone())),
        format!("version   {}", known(object.version.clone())),
    ];
    if object.delete_marker {
        lines.push("this version marks a deletion".into());
    } else if !object.latest {
        lines.push("this is an old version".into());
    }
    lines
}

pub(super) fn bucket_details(detail: &BucketDetail, now: jiff::Timestamp) -> Vec<String> {
    let bucket = &detail.bucket;
    let known = |text: Option<String>| text.unwrap_or_else(|| "not known".into());
    let mut lines = vec![
        format!("name        {}", bucket.name),
        format!("pipeline    {}", known(bucket.pipeline.clone())),
        format!("created     {}", known(bucket.created.map(|t| moment(t, now)))),
        format!("objects     {}", known(bucket.objects.map(count))),
        format!("size        {}", known(bucket.bytes.map(bytes))),
    ];
    let width = detail.settings.iter().map(|s| s.name.len()).max().unwrap_or_default();
    if width > 0 {
        lines.push(String::new());
    }
    for setting in &detail.settings {
        let mut name = setting.name.as_str();
        for line in setting.lines() {
            lines.push(format!("{name:<width$}  {line}"));
            name = "";
        }
    }
    lines
}

impl BucketsPane {
    pub(super) fn details(&self, cx: &mut Cx) {
        match self.entries.selected() {
            Some(Entry::Bucket { name, .. }) => cx.load(Request::BucketDetail(name.to_owned())),
            Some(Entry::Object { key, version, modified, latest, marker: true, .. }) => {
                let marker = Object {
                    key: key.to_owned(),
                    size: 0,
                    etag: String::new(),
                    modified,
                    version: version.map(str::to_owned),
                    content_type: None,
                    latest,
                    delete_marker: true,
                };
                cx.show("Object", object_details(&marker));
            }
            // What no listing says, its head does.
            Some(Entry::Object { key, version, .. }) => {
                let Some(bucket) = self.bucket.clone() else { return };
                let (key, version) = (key.to_owned(), version.map(str::to_owned));
                cx.load(Request::ObjectDetail { bucket, key, version });
            }
            _ => {
                if let Some(bucket) = &self.bucket {
                    cx.load(Request::BucketDetail(bucket.clone()));
                }
            }
        }
    }
}
