//! What works: functions, crawlers, jobs, queries, APIs, and their roles.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Told;
use crate::cloud::catalog::Column;
use crate::cloud::delimited::Dialect;
use crate::cloud::permit::Grant;

/// An execution role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Role {
    /// Who may take it: `lambda.amazonaws.com`.
    pub service: String,
    /// What it allows.
    pub grants: Vec<Grant>,
}

/// A log group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogGroup {
    /// Days that events are kept.
    pub retention_days: u32,
}

/// A function.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Function {
    /// What runs it.
    pub runtime: Runtime,
    /// The handler: `crypto_stream::fetch_prices` in Rust, `app.handler` elsewhere.
    pub handler: String,
    /// Its code, for a runtime that needs some: the files by path with their content's SHA-256.
    pub code: Option<Code>,
    /// Seconds that an invocation may take: 1 to 900.
    pub timeout_seconds: u32,
    /// Memory in MiB: 128 to 10,240.
    pub memory_mib: u32,
    /// Environment variables.
    pub environment: BTreeMap<String, String>,
    /// The execution role.
    pub role: String,
    /// The log group.
    pub log_group: String,
    /// The sources that it may read, by name.
    pub sources: BTreeMap<String, Source>,
    /// The network that it runs in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
}

/// A function's runtime.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Runtime {
    /// Rust, in `src/functions`.
    #[serde(rename = "rust")]
    Rust,
    /// CPython 3.13.
    #[serde(rename = "python3.13")]
    Python313,
    /// Node.js 22.
    #[serde(rename = "nodejs22.x")]
    Nodejs22,
}

impl Runtime {
    /// Its identifier.
    pub fn word(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::Python313 => "python3.13",
            Self::Nodejs22 => "nodejs22.x",
        }
    }
}

/// Files of code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Code {
    /// Per path below the code's folder, the SHA-256 of the content in hexadecimal digits.
    pub files: BTreeMap<String, String>,
    /// The contents by path. Not part of what is compared or remembered: the hashes are.
    #[serde(skip)]
    pub contents: BTreeMap<String, bytes::Bytes>,
}

/// A source of data.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The address, with `{name}` for parameters.
    pub url: String,
    /// Headers that go with each request.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// A recording of it, for the embedded cloud; none of a published directory.
    pub recording: Option<Recording>,
    /// Where it is a published directory: its files, for the embedded cloud.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<Code>,
}

/// What the address of a published directory ends with: it is asked with an empty name for the listing.
pub const DIRECTORY_END: &str = "/{file}";

/// A recording of a source: JSON lines, one observation each; or one document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recording {
    /// Which request an observation answers: per parameter, a text with `{field}` for the observation's fields.
    pub matches: BTreeMap<String, String>,
    /// The field that holds the time of the observation.
    pub time: Option<String>,
    /// The key under which the observation stands in the answer; none: the observation is the answer.
    pub wrap: Option<String>,
    /// Whether it is one document, the same for each request; none: the name of the file says (`.jsonl` is none).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<bool>,
    /// The SHA-256 of the sample.
    pub sample_sha256: Option<String>,
    /// The sample's content. Not part of what is compared or remembered: the hash is.
    #[serde(skip)]
    pub sample: Option<bytes::Bytes>,
}

/// A crawler: it looks at the files in a folder and makes a table of the catalog from what it finds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Crawler {
    /// The bucket that it looks into.
    pub bucket: String,
    /// The folder there: `input/`.
    pub prefix: String,
    /// The database of its table.
    pub database: String,
    /// Its table: `table_prefix` and the folder's name.
    pub table: String,
    /// What the table's name begins with.
    pub table_prefix: String,
    /// The execution role.
    pub role: String,
    /// The log group.
    pub log_group: String,
    /// Who is told how it ended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub on_ended: Vec<Told>,
}

/// A job.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// The SQL: it reads `input`, its result is written.
    pub sql: String,
    /// The bucket it reads.
    pub from: String,
    /// Only keys that begin with this.
    pub from_prefix: String,
    /// The catalog table that a crawler makes of what it reads: database and table. It tells the format and the columns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_table: Option<(String, String)>,
    /// The format of what it reads: `json`, `csv`, `pipe` or `parquet`; empty where a table tells.
    pub input_format: String,
    /// The columns that it reads.
    pub input_columns: Vec<Column>,
    /// How its CSV is written, where that is not the usual way.
    #[serde(default)]
    pub dialect: Option<Dialect>,
    /// The column of the input that holds the name of a row's file.
    #[serde(default)]
    pub file_column: Option<String>,
    /// The bucket and the prefix where bad rows go; without it, a bad row fails the run.
    #[serde(default)]
    pub rejects: Option<(String, String)>,
    /// The key-value table that it writes instead of a bucket.
    #[serde(default)]
    pub key_table: Option<String>,
    /// Whether what that table holds and a run does not give is deleted.
    #[serde(default)]
    pub replace: bool,
    /// The bucket it writes to; empty where it writes a key-value table.
    pub to: String,
    /// What its keys begin with: `prices/`.
    pub to_prefix: String,
    /// The columns that become `name=value/` in the keys, outermost first.
    pub partition_by: Vec<String>,
    /// The catalog table it fills: database and table.
    pub table: Option<(String, String)>,
    /// Whether it reads only what is new since its bookmark.
    pub bookmark: bool,
    /// Minutes that a run may take.
    pub timeout_minutes: u32,
    /// Its connections, which put it into their network.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub connections: Vec<String>,
    /// The execution role.
    pub role: String,
    /// The log group.
    pub log_group: String,
    /// Who is told how a run ended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub on_ended: Vec<Told>,
}

/// A secret.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secret {
    /// What it is, in words.
    pub description: String,
}

/// A named query.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedQuery {
    /// The SQL.
    pub sql: String,
    /// The database for bare table names.
    pub database: Option<String>,
}

/// An HTTP API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Api {
    /// The path: `/prices`.
    pub path: String,
    /// The HTTP method.
    pub method: String,
    /// The function that answers.
    pub function: String,
    /// Whether a request needs an API key.
    pub api_key: bool,
    /// Requests a second, and at once.
    pub throttle: Option<Throttle>,
    /// Requests a period.
    pub quota: Option<Quota>,
}

/// How fast requests may come.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Throttle {
    /// Requests a second.
    pub rate: f64,
    /// Requests at once.
    pub burst: u32,
}

/// How many requests may come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quota {
    /// Requests a period.
    pub limit: u64,
    /// `day`, `week` or `month`.
    pub period: String,
}
