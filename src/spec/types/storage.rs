//! What keeps data: buckets, the files that go there, tables.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{Column, CorsRule, Target, Transition};

/// A source of files, which are uploaded to a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// Its name.
    pub name: String,
    /// What their names are like: the last part of the path, with `*` and `?`.
    pub pattern: String,
    /// The files by their path after the prefix.
    pub files: BTreeMap<String, Bytes>,
    /// The bucket that they are uploaded to.
    pub to: String,
    /// What their keys begin with.
    pub prefix: String,
}

/// A catalog table over files that no job writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// The bucket that holds the files.
    pub from: String,
    /// What their keys begin with.
    pub prefix: String,
    /// `csv`, `json` or `parquet`.
    pub format: String,
    /// The columns in the files.
    pub columns: Vec<Column>,
}

/// A bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    /// Its name.
    pub name: String,
    /// Whether versions are kept.
    pub versioning: bool,
    /// Days after which objects expire.
    pub expire_days: Option<u32>,
    /// What happens when an object is created.
    pub on_created: Vec<Rule>,
    /// Days after which a version that is no longer current goes.
    pub expire_versions_days: Option<u32>,
    /// When objects move to another storage class.
    pub transition: Option<Transition>,
    /// The key that encrypts its objects.
    pub encryption: Option<String>,
    /// Which pages of other origins may read it.
    pub cors: Vec<CorsRule>,
    /// The bucket for its access log.
    pub access_log: Option<String>,
    /// The bucket that its objects are copied to.
    pub replicate_to: Option<String>,
}

/// What happens when an object is created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Only keys that begin with this.
    pub prefix: String,
    /// Only keys that end with this.
    pub suffix: String,
    /// Who is told.
    pub target: Target,
}
