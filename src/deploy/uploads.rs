//! The files that a pipeline's sources upload to its buckets.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::spec::Environment;

/// A source of files, in an environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// The source, as pipeline.toml names it: `species`.
    pub source: String,
    /// The bucket, as pipeline.toml names it: `bucket.lake`.
    pub bucket: String,
    /// What the keys begin with.
    pub prefix: String,
    /// What the files' names are like, with `*` and `?`.
    pub pattern: String,
    /// The files by their path after the prefix.
    pub files: BTreeMap<String, Bytes>,
}

/// What an environment of a pipeline uploads, in the order of the file.
pub fn uploads(environment: &Environment) -> Vec<Upload> {
    let upload = |u: &crate::spec::Upload| Upload {
        source: u.name.clone(),
        bucket: format!("bucket.{}", u.to),
        prefix: u.prefix.clone(),
        pattern: u.pattern.clone(),
        files: u.files.clone(),
    };
    environment.uploads.iter().map(upload).collect()
}
