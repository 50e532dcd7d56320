//! What works: functions, crawlers, jobs, queries, APIs, and where their data comes from.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{Column, Dialect, Grant, Quota, Runtime, Throttle, Told};

/// A source of data.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Source {
    /// Its name.
    pub name: String,
    /// The address, with `{parameter}` for what a function fills in.
    pub url: String,
    /// The secret that it wants.
    pub secret: Option<String>,
    /// Headers that go with each request.
    pub headers: BTreeMap<String, String>,
    /// Where it is a published directory, whose address ends with `/{file}`: the files of its sample.
    pub directory: Option<BTreeMap<String, Bytes>>,
    /// The recording's content: JSON lines, or one document.
    pub sample: Option<Bytes>,
    /// Whether the sample is one document, answered as it is; none without a sample.
    pub document: Option<bool>,
    /// Per parameter of the address, a text with `{field}` for a field of an observation.
    pub matches: BTreeMap<String, String>,
    /// The field that holds an observation's time.
    pub time: Option<String>,
    /// The key under which an observation stands in an answer.
    pub wrap: Option<String>,
}

/// A secret, without its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secret {
    /// Its name.
    pub name: String,
    /// What it is, in words.
    pub description: String,
}

/// A function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// What runs it.
    pub runtime: Runtime,
    /// The handler: `crypto_stream::fetch_prices`, `app.handler`.
    pub handler: String,
    /// Its code by path below the code's folder, for a runtime that needs some.
    pub code: Option<BTreeMap<String, Bytes>>,
    /// The code's folder, within the pipeline's.
    pub code_folder: Option<String>,
    /// When it runs by itself.
    pub schedule: Option<String>,
    /// The queue whose messages it is given, by its name.
    pub from: Option<String>,
    /// How many messages it is given at once, at most.
    pub batch_size: u32,
    /// Seconds that an invocation may take.
    pub timeout_seconds: u32,
    /// Memory in MiB.
    pub memory_mib: u32,
    /// Environment variables, beside those that come from grants.
    pub env: BTreeMap<String, String>,
    /// What it may do.
    pub grants: Vec<Grant>,
    /// The network that it runs in.
    pub network: Option<String>,
}

/// A crawler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crawler {
    /// Its name.
    pub name: String,
    /// The bucket that it looks into.
    pub from: String,
    /// The folder there: its files are one table.
    pub prefix: String,
    /// The table that it makes.
    pub table: String,
    /// What the table's name begins with, before the folder's.
    pub table_prefix: String,
    /// When it runs by itself.
    pub schedule: Option<String>,
    /// Who is told how it ended.
    pub on_ended: Vec<Told>,
}

/// A job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Its name.
    pub name: String,
    /// The SQL, read from its file: it reads `input`.
    pub sql: String,
    /// The bucket that it reads.
    pub from: String,
    /// Only keys that begin with this.
    pub from_prefix: String,
    /// The crawler whose table it reads; `from`, `from_prefix` are that crawler's then, `format` and `input` empty.
    pub crawler: Option<String>,
    /// What it reads: `json`, `csv`, `pipe` or `parquet`.
    pub format: String,
    /// How its CSV is written, where that is not the usual way.
    pub csv: Option<Dialect>,
    /// The columns that it reads.
    pub input: Vec<Column>,
    /// The column of the input that holds the name of a row's file.
    pub file_column: Option<String>,
    /// Where bad rows go: a bucket and a prefix.
    pub rejects: Option<(String, String)>,
    /// The key-value table that it writes instead of a bucket.
    pub key_table: Option<String>,
    /// Whether what that table holds and a run does not give is deleted.
    pub replace: bool,
    /// The bucket that it writes to; empty where it writes a key-value table.
    pub to: String,
    /// What its keys begin with.
    pub prefix: String,
    /// The catalog table that it fills.
    pub table: Option<String>,
    /// The columns in its files.
    pub columns: Vec<Column>,
    /// The columns in its keys, outermost first.
    pub partition_by: Vec<Column>,
    /// Whether it reads only what is new since its bookmark.
    pub bookmark: bool,
    /// When it runs by itself.
    pub schedule: Option<String>,
    /// Minutes that a run may take.
    pub timeout_minutes: u32,
    /// Its connections, all in one network.
    pub connections: Vec<String>,
    /// The network that it runs in: what it says itself, or that of its connections.
    pub network: Option<String>,
    /// Who is told how a run ended.
    pub on_ended: Vec<Told>,
}

/// A named query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// Its name.
    pub name: String,
    /// The SQL, read from its file.
    pub sql: String,
}

/// An HTTP API.
#[derive(Debug, Clone, PartialEq)]
pub struct Api {
    /// Its name.
    pub name: String,
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
