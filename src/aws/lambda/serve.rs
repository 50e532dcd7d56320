//! Serves one handler: asks Lambda's runtime interface for invocations, and gives it their outcomes.

use std::{
    collections::BTreeMap,
    io::Write,
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use futures::FutureExt;
use jiff::Timestamp;
use lambda_runtime::{Diagnostic, LambdaEvent, Runtime, service_fn};
use serde_json::Value;
use tokio_util::task::AbortOnDropHandle;

use super::events;
use crate::{
    aws::{Aws, Options, counts},
    cloud::{
        Error, Permit, Result,
        functions::{Context, Handler, Handlers, LogSink, as_handler},
        resources::Source,
        sources::{SourceHead, SourceResponse, SourceStream, Sources},
    },
};

/// What `AWS_LAMBDA_RUNTIME_API` and its like are missing for.
const NOT_LAMBDA: &str =
    "this executable is started by AWS Lambda, as the `bootstrap` of a function on provided.al2023";
/// What Lambda sets for every function.
const NEEDED: [&str; 5] = [
    "AWS_LAMBDA_RUNTIME_API",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "_HANDLER",
];
/// A function has two processors at most before it has 3,538 MiB of memory.
const THREADS: usize = 2;

/// What is served.
#[derive(Clone, Copy)]
pub struct Setup {
    /// Finds the handler by the name that the function's settings give.
    pub handlers: Handlers,
    /// Reaches the sources of the function: their addresses by name, from `SOURCE_NAME`, and their
    /// headers, from `HEADERS_NAME`.
    pub sources: fn(BTreeMap<String, Source>) -> Arc<dyn Sources>,
}

/// Serves invocations until Lambda ends the process.
///
/// # Errors
/// Where this is not Lambda, or its runtime interface cannot be reached.
pub fn serve(setup: Setup) -> Result<()> {
    if let Some(missing) = NEEDED.iter().find(|name| std::env::var_os(name).is_none()) {
        return Err(Error::Invalid(format!("{NOT_LAMBDA}: {missing} is not set")));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .enable_all()
        .build()
        .map_err(|e| Error::Unavailable(format!("no threads for asynchronous work: {e}")))?;
    runtime.block_on(async {
        let function = Arc::new(Function::new(setup));
        let service = service_fn(move |event| {
            let function = function.clone();
            async move { function.invoke(event).await }
        });
        Runtime::new(service).run().await.map_err(|e| Error::Unavailable(e.to_string()))
    })
}

/// The function that this process serves.
struct Function {
    aws: Aws,
    name: String,
    handler: std::result::Result<Handler, Failure>,
    sources: Arc<dyn Sources>,
    env: Arc<BTreeMap<String, String>>,
}

impl Function {
    fn new(setup: Setup) -> Self {
        // What is no text cannot be one of ours.
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        let env: BTreeMap<String, String> = std::env::vars_os().filter_map(text).collect();
        let value = |name: &str| env.get(name).cloned().filter(|v| !v.is_empty());
        let wanted = value("_HANDLER").unwrap_or_default();
        let unknown = || Failure {
            kind: "Runtime.HandlerNotFound",
            message: format!(
                "this executable has no handler named {wanted:?}: was it built before the handler was written?"
            ),
        };
        let options =
            Options { region: value("AWS_REGION"), workgroup: value("ATHENA_WORKGROUP"), ..Options::default() };
        Self {
            aws: Aws::open_as_role(options),
            name: value("AWS_LAMBDA_FUNCTION_NAME").unwrap_or_default(),
            handler: (setup.handlers)(&wanted).ok_or_else(unknown),
            sources: (setup.sources)(sources(&env)),
            env: Arc::new(env),
        }
    }

    async fn invoke(&self, event: LambdaEvent<Value>) -> std::result::Result<Value, Failure> {
        let (event, lambda) = event.into_parts();
        let event = events::normal(event);
        // arn:aws:lambda:eu-west-1:123456789012:function:NAME
        let account = lambda.invoked_function_arn.split(':').nth(4).filter(|account| !account.is_empty());
        self.aws.known_account(account);
        let permit = Permit::role_checked_by_cloud(&self.name, &lambda.request_id);
        let read =
            Arc::new(AtomicU64::new(event.get("Records").and_then(Value::as_array).map_or(0, |r| r.len() as u64)));
        let log: Arc<dyn LogSink> = Arc::new(Stdout);
        let context = Context {
            cloud: self.aws.ports(),
            sources: Arc::new(Counted { sources: self.sources.clone(), read: read.clone() }),
            permit: permit.clone(),
            request_id: lambda.request_id,
            function: self.name.clone(),
            env: self.env.clone(),
            now: Timestamp::now(),
            log: log.clone(),
        };
        let outcome = match &self.handler {
            Ok(handler) => run(*handler, context, event).await,
            Err(failure) => Err(failure.clone()),
        };
        if let Err(failure) = &outcome {
            log.line(&format!("[ERROR] {}: {}", failure.kind, failure.message));
        }
        log.line(&counts::line(read.load(Ordering::Relaxed), permit.written()));
        outcome
    }
}

/// The sources that `SOURCE_COINBASE` and its like name, with their addresses, and headers from `HEADERS_COINBASE`.
fn sources(env: &BTreeMap<String, String>) -> BTreeMap<String, Source> {
    let named = env.iter().filter_map(|(name, url)| Some((name.strip_prefix("SOURCE_")?, url)));
    // What cannot be read was not written by a deploy; the source is asked without, and says what it misses.
    let headers = |name: &str| env.get(&format!("HEADERS_{name}")).and_then(|text| serde_json::from_str(text).ok());
    named
        .map(|(name, url)| {
            let headers = headers(name).unwrap_or_default();
            (name.to_ascii_lowercase(), Source { url: url.clone(), headers, ..Source::default() })
        })
        .collect()
}

/// Runs a handler as a task of its own, so that its panic is its own.
async fn run(handler: Handler, context: Context, event: Value) -> std::result::Result<Value, Failure> {
    let task = async move { AssertUnwindSafe(async move { handler(context, event).await }).catch_unwind().await };
    match AbortOnDropHandle::new(tokio::spawn(as_handler(task))).await {
        Ok(Ok(outcome)) => outcome.map_err(|e| Failure { kind: e.word(), message: e.to_string() }),
        Ok(Err(panic)) => {
            let text = panic.downcast_ref::<&str>().map(|s| (*s).to_owned());
            let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
            let message = text.unwrap_or_else(|| "the handler panicked".into());
            Err(Failure { kind: "Runtime.Panic", message })
        }
        Err(_) => Err(Failure { kind: "Runtime.ExitError", message: "the handler's task ended early".into() }),
    }
}

/// A function's failure, as AWS Lambda reports it.
#[derive(Debug, Clone)]
struct Failure {
    kind: &'static str,
    message: String,
}

impl From<Failure> for Diagnostic {
    fn from(failure: Failure) -> Self {
        Self { error_type: failure.kind.into(), error_message: failure.message }
    }
}

/// The sources, counting what is read from them.
struct Counted {
    sources: Arc<dyn Sources>,
    read: Arc<AtomicU64>,
}

#[async_trait]
impl Sources for Counted {
    async fn get(&self, source: &str, params: &[(&str, &str)], headers: &[(&str, &str)]) -> Result<SourceResponse> {
        let answer = self.sources.get(source, params, headers).await?;
        self.read.fetch_add(1, Ordering::Relaxed);
        Ok(answer)
    }

    async fn open(&self, source: &str, params: &[(&str, &str)], headers: &[(&str, &str)]) -> Result<SourceStream> {
        let answer = self.sources.open(source, params, headers).await?;
        self.read.fetch_add(1, Ordering::Relaxed);
        Ok(answer)
    }

    async fn head(&self, source: &str, params: &[(&str, &str)], headers: &[(&str, &str)]) -> Result<SourceHead> {
        self.sources.head(source, params, headers).await
    }
}

/// Log lines for Lambda, which makes an event of each line of the standard output.
struct Stdout;

impl LogSink for Stdout {
    fn line(&self, text: &str) {
        let line = format!("{}\n", text.replace('\r', "\\r").replace('\n', "\\n"));
        // Nobody could be told that nobody listens.
        let _ = std::io::stdout().lock().write_all(line.as_bytes());
    }
}
