//! Functions and their invocations (AWS Lambda), and what a handler is given.

use std::{collections::BTreeMap, future::Future, pin::Pin, sync::Arc};

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use super::sources::{SourceResponse, Sources};
use super::{
    alerts::Alerts,
    buckets::Buckets,
    crawlers::Crawlers,
    error::{Error, Result},
    jobs::Jobs,
    pages::Pages,
    permit::Permit,
    postgres::Postgres,
    queries::Queries,
    queues::Queues,
    secrets::Secrets,
    streams::Streams,
    tables::Tables,
};

/// A function.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// The pipeline it belongs to.
    pub pipeline: Option<String>,
    /// `rust`, `python3.13`, `nodejs22.x`.
    pub runtime: String,
    /// The handler's name.
    pub handler: String,
    /// Seconds that an invocation may take.
    pub timeout_seconds: u32,
    /// When it runs by itself.
    pub schedule: Option<String>,
    /// When it runs next by itself.
    pub next_run: Option<Timestamp>,
    /// The log group that it writes to.
    pub log_group: String,
    /// Invocations since the function was made; on AWS in the last 24 hours, and none where its metrics cannot be read.
    pub invocations: Option<u64>,
    /// Those that failed.
    pub errors: Option<u64>,
    /// Records that its invocations read, all together; AWS does not count them.
    pub records_in: Option<u64>,
    /// Records, messages and objects that they wrote, all together; AWS does not count them.
    pub records_out: Option<u64>,
    /// The newest invocation's time; on AWS, where only metrics tell, to five minutes.
    pub last_invoked: Option<Timestamp>,
    /// The newest error, if the newest invocation failed.
    pub last_error: Option<String>,
}

/// Where a function's source of data answers from, instead of what the environment would choose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceMode {
    /// The real address.
    Online,
    /// The `step`-th observation (from 0) of a recording, with the times that were recorded.
    Replay {
        /// The recording's file.
        path: std::path::PathBuf,
        /// Which observation: a recording holds one for each distinct request at each step.
        step: u64,
    },
}

/// A request to invoke a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invoke {
    /// The function's name.
    pub function: String,
    /// The event.
    pub event: Value,
    /// The invocation's id, for a caller that may have to try again; otherwise one is made.
    pub request_id: Option<String>,
    /// Per source name, where it answers from in this invocation.
    pub sources: BTreeMap<String, SourceMode>,
}

/// What an event may hold, in bytes, where the function's end is waited for: AWS Lambda's limit.
const MAX_EVENT: usize = 6 << 20;

/// An event as it is sent.
///
/// # Errors
/// [`Error::Invalid`] where it is too large.
pub fn event_bytes(event: &Value) -> Result<Vec<u8>> {
    let bytes = serde_json::to_vec(event).map_err(Error::invalid)?;
    if bytes.len() > MAX_EVENT {
        return Err(Error::Invalid(format!(
            "the event has {} bytes, and a function that is waited for takes 6 MiB at most",
            bytes.len()
        )));
    }
    Ok(bytes)
}

/// The outcome of an invocation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invocation {
    /// Its id.
    pub request_id: String,
    /// The function.
    pub function: String,
    /// What the handler returned.
    pub payload: Value,
    /// The function's error, as AWS Lambda reports it: `{"errorType","errorMessage"}` in words.
    pub error: Option<String>,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// Records that it read from its event or its sources; none where nobody counted, as for a function on AWS that is
    /// not one of the shipped ones.
    pub records_in: Option<u64>,
    /// Records, messages and objects that it wrote.
    pub records_out: Option<u64>,
    /// The end of its log, where the cloud gives it with the answer: AWS Lambda's last 4 KiB.
    pub log_tail: Option<String>,
}

/// Functions and their invocations.
#[async_trait]
pub trait Functions: Send + Sync {
    /// All functions, by name.
    fn list(&self) -> Pages<'_, Function>;
    /// Invokes a function and waits for its end (`lambda:InvokeFunction`). A handler's own failure is in the outcome.
    async fn invoke(&self, permit: &Permit, request: Invoke) -> Result<Invocation>;
    /// Returns when none of the `functions` has an asynchronous invocation waiting or at work, and how many were seen. The
    /// embedded cloud knows them all and counts those that ended while it waited. AWS does not tell what waits: there, those
    /// that began at or after `since` are counted, and they are at rest when none has begun for 45 seconds.
    async fn settle(&self, permit: &Permit, functions: &[String], since: Timestamp) -> Result<Settled>;
}

/// What ended while [`Functions::settle`] waited.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settled {
    /// Invocations that ended well.
    pub succeeded: u64,
    /// Those that failed for good.
    pub failed: u64,
    /// The last failure.
    pub error: Option<String>,
    /// Records read and written, where the cloud knows them from what it waited for.
    pub records: Option<(u64, u64)>,
}

/// Where a handler's own log lines go.
pub trait LogSink: Send + Sync {
    /// Takes one line.
    fn line(&self, text: &str);
}

/// The ports of which a function may be granted something: a handler has no others.
#[derive(Clone)]
pub struct Ports {
    /// Thresholds, topics.
    pub alerts: Arc<dyn Alerts>,
    /// Buckets and objects.
    pub buckets: Arc<dyn Buckets>,
    /// Crawlers.
    pub crawlers: Arc<dyn Crawlers>,
    /// Jobs.
    pub jobs: Arc<dyn Jobs>,
    /// PostgreSQL databases.
    pub postgres: Arc<dyn Postgres>,
    /// SQL queries.
    pub queries: Arc<dyn Queries>,
    /// Queues.
    pub queues: Arc<dyn Queues>,
    /// Secrets.
    pub secrets: Arc<dyn Secrets>,
    /// Data streams.
    pub streams: Arc<dyn Streams>,
    /// Key-value tables.
    pub tables: Arc<dyn Tables>,
}

/// What a handler is given beside its event: the same on every cloud.
#[derive(Clone)]
pub struct Context {
    /// The ports.
    pub cloud: Ports,
    /// The sources.
    pub sources: Arc<dyn Sources>,
    /// The execution role's permit.
    pub permit: Permit,
    /// The invocation's id.
    pub request_id: String,
    /// The function's name.
    pub function: String,
    /// The function's environment: `STREAM_PRICES` holds the physical name of `stream.prices`, and so on.
    pub env: Arc<BTreeMap<String, String>>,
    /// The time at which the invocation started, on the cloud's clock.
    pub now: Timestamp,
    /// Where log lines go.
    pub log: Arc<dyn LogSink>,
}

impl Context {
    /// One value of the environment.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming the variable that is missing.
    pub fn env(&self, name: &str) -> Result<&str> {
        self.env.get(name).map(String::as_str).ok_or_else(|| {
            Error::Invalid(format!(
                "the environment variable {name} is missing: does the function have the grant that sets it?"
            ))
        })
    }
}

/// A handler's future.
pub type HandlerFuture = Pin<Box<dyn Future<Output = Result<Value>> + Send>>;

/// A handler written in Rust. The result is the function's answer.
pub type Handler = fn(Context, Value) -> HandlerFuture;

/// Finds a handler by the name that a pipeline.toml gives: `crypto_stream::fetch_prices`.
pub type Handlers = fn(&str) -> Option<Handler>;

tokio::task_local! {
    static IN_HANDLER: ();
}

/// Runs a handler so that [`in_handler`] can tell.
pub async fn as_handler<F: Future>(handler: F) -> F::Output {
    IN_HANDLER.scope((), handler).await
}

/// Whether the running task is a function's handler. A panic there is the function's failure, which its log tells: the
/// process's panic hook has nothing to do then.
pub fn in_handler() -> bool {
    IN_HANDLER.try_with(|()| ()).is_ok()
}
