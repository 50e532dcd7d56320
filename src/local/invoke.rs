//! One invocation of a function, from its event to its last log line.
//!
//! The handler's own effects are committed as they happen, each under a token of the invocation. What the invocation
//! leaves behind (log lines, counts, the end of the row that waited for it) is committed together, at its end; the lines
//! of a long one also once a second.

mod end;
mod lines;

use std::{
    collections::BTreeMap,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use futures::FutureExt;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::task::AbortOnDropHandle;

use super::{
    Local,
    clock::timestamp,
    lookup,
    queues::BatchEnd,
    role::{self, Meter},
    runtime::{self, Answer, Executed, Execution},
    sources::InvocationSources,
    store::{self, sql},
};
use crate::cloud::{
    Error, Grant, Permit, Result,
    functions::{Context, Handler, Invocation, SourceMode, as_handler},
    resources::{self, Properties, Runtime},
};
use end::{End, append};
use lines::{Lines, report};

/// Attempts at an asynchronous invocation, as AWS Lambda makes them.
pub(crate) const ATTEMPTS: u32 = 3;
/// Characters of an error that are kept beside the log.
const MAX_ERROR: usize = 2_000;
/// How often the lines of a long invocation are stored.
const FLUSH: Duration = Duration::from_secs(1);

/// An invocation to be done.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    /// The function's physical name.
    pub(crate) function: String,
    /// The event.
    pub(crate) event: Value,
    /// The invocation's id.
    pub(crate) request_id: String,
    /// Where its sources answer from.
    pub(crate) modes: BTreeMap<String, SourceMode>,
    /// For an asynchronous one: the row that waits for it, and the attempts that have failed.
    pub(crate) waiting: Option<(i64, u32)>,
    /// For one that is given messages: their queue. They are seen again where it fails; it is not tried again itself.
    pub(crate) queue: Option<String>,
}

/// How an invocation ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) invocation: Invocation,
    /// What the machine lacks for it, in words.
    pub(crate) unavailable: Option<String>,
    /// Whether it is tried again.
    pub(crate) retry: bool,
    /// What became of the messages that it was given.
    pub(crate) batch: Option<BatchEnd>,
}

/// What the state knows of a function.
struct Setup {
    created: i64,
    function: resources::Function,
    grants: Arc<[Grant]>,
    steps: BTreeMap<String, u64>,
}

/// A function's failure, as AWS Lambda reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) kind: String,
    pub(crate) message: String,
    pub(crate) unavailable: bool,
}

impl Failure {
    pub(crate) fn new(kind: &str, message: impl Into<String>) -> Self {
        Self { kind: kind.into(), message: message.into(), unavailable: false }
    }

    fn in_words(&self) -> String {
        if self.kind.is_empty() { self.message.clone() } else { format!("{}: {}", self.kind, self.message) }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let unavailable = matches!(error, Error::Unavailable(_));
        Self { unavailable, ..Self::new(error.word(), error.to_string()) }
    }
}

impl Local {
    /// Invokes a function and waits for its end. Dropped, it ends the handler with it.
    ///
    /// # Errors
    /// [`Error::NotFound`] without the function; [`Error::Storage`] where the end could not be stored. The function's
    /// own failure is in the outcome.
    pub(crate) async fn call(&self, call: Call) -> Result<Ended> {
        let process = self.inner.process.as_ref().ok_or_else(|| Error::AccessDenied {
            action: "lambda:InvokeFunction".into(),
            target: call.function.clone(),
        })?;
        let setup = self.setup(&call).await?;
        let started_ms = self.inner.clock.now_ms();
        let day = timestamp(started_ms).to_zoned(TimeZone::UTC).strftime("%Y/%m/%d").to_string();
        let log_stream = format!("{day}/[$LATEST]{}", process.id());
        let lines = Arc::new(Lines::new(self.inner.clock.clone()));
        let meter = Arc::new(Meter::default());
        meter.add_read(call.event.get("Records").and_then(Value::as_array).map_or(0, |r| r.len() as u64));

        lines.own(format!("START RequestId: {} Version: $LATEST", call.request_id));
        let clock = Instant::now();
        let timeout = Duration::from_secs(setup.function.timeout_seconds.max(1).into());
        let sources = Arc::new(InvocationSources {
            local: self.clone(),
            sources: setup.function.sources.clone(),
            modes: call.modes.clone(),
            steps: setup.steps.clone(),
            now: timestamp(started_ms),
            meter: meter.clone(),
            next_steps: Mutex::default(),
            opened: tokio::sync::Mutex::default(),
        });
        let (outcome, elapsed) = {
            let work = async {
                match tokio::time::timeout(timeout, self.execute(&call, &setup, &sources, &lines, &log_stream)).await {
                    Ok(outcome) => outcome,
                    Err(_) => Err(timed_out(&call.request_id, timeout)),
                }
            };
            tokio::pin!(work);
            let mut flush = tokio::time::interval_at(tokio::time::Instant::now() + FLUSH, FLUSH);
            // Lines are stored beside the work: a full disk or many lines must not keep its time limit waiting.
            let mut storing: Option<JoinHandle<Result<()>>> = None;
            let outcome = loop {
                tokio::select! {
                    outcome = &mut work => break outcome,
                    _ = flush.tick() => {
                        if storing.as_ref().is_some_and(|task| !task.is_finished()) {
                            continue;
                        }
                        if let Some(stored) = storing.take() {
                            store::join(stored.await)?;
                        }
                        let (local, taken) = (self.clone(), lines.take());
                        let (group, stream) = (setup.function.log_group.clone(), log_stream.clone());
                        storing = Some(tokio::spawn(async move { local.store_lines(&group, &stream, taken).await }));
                    }
                }
            };
            let elapsed = clock.elapsed();
            // What comes last is stored last.
            if let Some(stored) = storing {
                store::join(stored.await)?;
            }
            (outcome, elapsed)
        };

        let (payload, failure) = match outcome {
            Ok(payload) => (payload, None),
            Err(f) => (json!({"errorType": f.kind, "errorMessage": f.message}), Some(f)),
        };
        let again = call.queue.is_none() && failure.is_some();
        let retry = again && call.waiting.is_some_and(|(_, failed)| failed + 1 < ATTEMPTS);
        report(&lines, &call, failure.as_ref(), elapsed, setup.function.memory_mib);
        let (records_in, records_out) = meter.counts();
        let last = lines.take();
        let invocation = Invocation {
            request_id: call.request_id.clone(),
            function: call.function.clone(),
            payload,
            error: failure.as_ref().map(|f| shorten(&f.in_words())),
            duration_ms: elapsed.as_millis() as u64,
            records_in: Some(records_in),
            records_out: Some(records_out),
            log_tail: Some(lines.tail()),
        };
        let end = End {
            invocation: invocation.clone(),
            started_ms,
            now_ms: self.inner.clock.now_ms(),
            created: setup.created,
            log_group: setup.function.log_group,
            log_stream,
            lines: last,
            // An attempt that is made again reads the same again.
            steps: if retry {
                BTreeMap::new()
            } else {
                std::mem::take(&mut *sources.next_steps.lock().unwrap_or_else(PoisonError::into_inner))
            },
            waiting: call.waiting,
            queue: call.queue,
            retry,
        };
        let batch = self.inner.store.write(move |t| end.store(t)).await?;
        Ok(Ended { invocation, unavailable: failure.filter(|f| f.unavailable).map(|f| f.message), retry, batch })
    }

    async fn setup(&self, call: &Call) -> Result<Setup> {
        let name = call.function.clone();
        let setup = self
            .inner
            .store
            .read(move |c| {
                let deployed = lookup::one(c, "function", &name)?;
                let Properties::Function(function) = deployed.resource.properties else {
                    return Err(Error::not_found("function", name));
                };
                let Properties::Role(role) = lookup::one(c, "role", &function.role)?.resource.properties else {
                    return Err(Error::not_found("role", function.role));
                };
                let mut statement =
                    c.prepare_cached("select source, step from source_steps where function = ?1").map_err(sql)?;
                let steps = statement
                    .query_map([&name], |r| Ok((r.get(0)?, r.get::<_, i64>(1)? as u64)))
                    .and_then(Iterator::collect)
                    .map_err(sql)?;
                Ok(Setup { created: deployed.created, function, grants: role.grants.into(), steps })
            })
            .await?;
        if let Some(unknown) = call.modes.keys().find(|name| !setup.function.sources.contains_key(*name)) {
            let known: Vec<_> = setup.function.sources.keys().map(String::as_str).collect();
            return Err(Error::Invalid(format!(
                "the function {} has no source named {unknown:?}; it has: {}",
                call.function,
                if known.is_empty() { "none".into() } else { known.join(", ") }
            )));
        }
        Ok(setup)
    }

    async fn execute(
        &self,
        call: &Call,
        setup: &Setup,
        sources: &Arc<InvocationSources>,
        lines: &Arc<Lines>,
        log_stream: &str,
    ) -> std::result::Result<Value, Failure> {
        let permit = Permit::role(&setup.function.role, setup.grants.clone(), &call.request_id);
        let ports = role::cloud(self, &permit, &sources.meter);
        if setup.function.runtime != Runtime::Rust {
            let execution = Execution {
                name: &call.function,
                request_id: &call.request_id,
                function: &setup.function,
                log_stream,
                event: &call.event,
                log: lines.clone(),
                ports,
                permit,
            };
            let Executed { answer, memory_mib } = runtime::run(self, execution).await?;
            lines.measured(memory_mib);
            return match answer {
                Answer::Payload(payload) => Ok(payload),
                Answer::Error(kind, message) => Err(Failure::new(&kind, message)),
            };
        }
        let Some(handler) = (self.inner.options.handlers)(&setup.function.handler) else {
            let message = format!("this pumphouse has no handler named {:?}", setup.function.handler);
            return Err(Failure::new("Runtime.HandlerNotFound", message));
        };
        let context = Context {
            cloud: ports,
            sources: sources.clone(),
            permit,
            request_id: call.request_id.clone(),
            function: call.function.clone(),
            env: Arc::new(setup.function.environment.clone()),
            now: sources.now,
            log: lines.clone(),
        };
        run_handler(handler, context, call.event.clone()).await
    }

    async fn store_lines(&self, group: &str, stream: &str, lines: Vec<(i64, String)>) -> Result<()> {
        if lines.is_empty() {
            return Ok(());
        }
        let (group, stream) = (group.to_owned(), stream.to_owned());
        self.inner.store.write(move |t| append(t, &group, &stream, &lines)).await
    }
}

/// Runs a handler as a task of its own, so that its panic is its own, and ends it when dropped.
async fn run_handler(handler: Handler, context: Context, event: Value) -> std::result::Result<Value, Failure> {
    let task = async move { AssertUnwindSafe(async move { handler(context, event).await }).catch_unwind().await };
    let task = AbortOnDropHandle::new(tokio::spawn(as_handler(task)));
    match task.await {
        // What the handler cannot reach is its own failure, not the machine's.
        Ok(Ok(result)) => result.map_err(|e| Failure { unavailable: false, ..Failure::from(e) }),
        Ok(Err(panic)) => {
            let text = panic.downcast_ref::<&str>().map(|s| (*s).to_owned());
            let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
            Err(Failure::new("Runtime.Panic", text.unwrap_or_else(|| "the handler panicked".into())))
        }
        Err(_) => Err(Failure::new("Runtime.ExitError", "the handler's task ended early")),
    }
}

fn timed_out(request_id: &str, timeout: Duration) -> Failure {
    let message = format!("RequestId: {request_id} Error: Task timed out after {:.2} seconds", timeout.as_secs_f64());
    Failure::new("Sandbox.Timedout", message)
}

fn shorten(text: &str) -> String {
    match text.char_indices().nth(MAX_ERROR) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}
