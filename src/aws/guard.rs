//! What sees every request before it is sent, and every answer: the second fence of read-only mode, and the counters.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
};

use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        interceptors::{
            Intercept,
            context::{
                BeforeSerializationInterceptorContextRef, BeforeTransmitInterceptorContextRef,
                FinalizerInterceptorContextRef,
            },
        },
        orchestrator::Metadata,
        runtime_components::RuntimeComponents,
    },
};
use aws_smithy_types::config_bag::ConfigBag;
use jiff::Timestamp;

use super::operations::{self, Access};
use crate::cloud::{calls, traffic::Traffic};

/// The headers under which services tell the id of a request.
const REQUEST_IDS: [&str; 3] = ["x-amzn-requestid", "x-amzn-request-id", "x-amz-request-id"];

/// What services say in the body of an answer that comes too often.
const SLOW_DOWN: [&str; 4] = ["hrottl", "SlowDown", "ThroughputExceeded", "Rate exceeded"];

/// Sees every request. Cheap to clone.
#[derive(Clone)]
pub struct Guard(Arc<Inner>);

struct Inner {
    read_only: bool,
    calls: AtomicU64,
    throttled: AtomicU64,
    retried: AtomicU64,
    last_answer: AtomicI64,
    last_throttled: AtomicI64,
    /// Milliseconds by which our clock is ahead; none while no answer has told.
    skew: AtomicI64,
}

/// No skew is known.
const UNKNOWN: i64 = i64::MIN;

/// A request that was not let out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It would change something.
    #[error("read-only: {service} {operation} was not let out")]
    ReadOnly {
        /// The service, as the SDK calls it.
        service: String,
        /// The operation.
        operation: String,
    },
    /// It is not on the list.
    #[error("{service} {operation} is not on pumphouse's list of operations: this is a defect, please report it")]
    Unknown {
        /// The service, as the SDK calls it.
        service: String,
        /// The operation.
        operation: String,
    },
}

impl Guard {
    /// A guard that lets everything on the list out, or only what reads.
    pub fn new(read_only: bool) -> Self {
        Self(Arc::new(Inner {
            read_only,
            calls: AtomicU64::new(0),
            throttled: AtomicU64::new(0),
            retried: AtomicU64::new(0),
            last_answer: AtomicI64::new(0),
            last_throttled: AtomicI64::new(0),
            skew: AtomicI64::new(UNKNOWN),
        }))
    }

    /// What the calls were like so far.
    pub fn traffic(&self) -> Traffic {
        let time = |at: &AtomicI64| match at.load(Ordering::Relaxed) {
            0 => None,
            ms => Timestamp::from_millisecond(ms).ok(),
        };
        Traffic {
            calls: self.0.calls.load(Ordering::Relaxed),
            throttled: self.0.throttled.load(Ordering::Relaxed),
            retried: self.0.retried.load(Ordering::Relaxed),
            last_answer: time(&self.0.last_answer),
            last_throttled: time(&self.0.last_throttled),
            skew_ms: Some(self.0.skew.load(Ordering::Relaxed)).filter(|ms| *ms != UNKNOWN),
        }
    }

    /// Whether a request may go out: unknown operations never may.
    fn check(&self, service: &str, operation: &str) -> Result<(), Refused> {
        let (service, name) = (service.to_owned(), operation.to_owned());
        match operations::find(&service, operation) {
            None => Err(Refused::Unknown { service, operation: name }),
            Some(found) if self.0.read_only && found.access != Access::Read => {
                Err(Refused::ReadOnly { service, operation: name })
            }
            Some(_) => Ok(()),
        }
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").field("read_only", &self.0.read_only).finish_non_exhaustive()
    }
}

impl Intercept for Guard {
    fn name(&self) -> &'static str {
        "Guard"
    }

    // The first hook that knows the operation.
    fn read_before_serialization(
        &self,
        _: &BeforeSerializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        // Without a name it is not known, and what is not known does not go out.
        let (service, operation) = cfg.load::<Metadata>().map_or(("", ""), |m| (m.service(), m.name()));
        Ok(self.check(service, operation)?)
    }

    fn read_before_transmit(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.0.calls.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// What a change was made of is for the audit file.
    fn read_after_execution(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let known = cfg.load::<Metadata>().and_then(|m| operations::find(m.service(), m.name()));
        // In read-only mode none was let out.
        if let Some(operation) = known.filter(|o| o.access == Access::Write && !self.0.read_only) {
            let headers = context.response().map(aws_smithy_runtime_api::client::orchestrator::HttpResponse::headers);
            calls::note(|| calls::Call {
                operation: operation.action.to_owned(),
                request_id: REQUEST_IDS.iter().find_map(|name| Some(headers?.get(*name)?.to_owned())),
            });
        }
        Ok(())
    }

    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let Some(response) = context.response() else { return Ok(()) };
        let now = Timestamp::now().as_millisecond();
        self.0.last_answer.store(now, Ordering::Relaxed);
        let date = response.headers().get("date").and_then(|date| jiff::fmt::rfc2822::parse(date).ok());
        if let Some(theirs) = date {
            self.0.skew.store(now - theirs.timestamp().as_millisecond(), Ordering::Relaxed);
        }
        let status = response.status().as_u16();
        // Older services say 400 and name it in the body.
        let body = response.body().bytes().unwrap_or_default();
        let slow_down = SLOW_DOWN.iter().any(|word| memchr::memmem::find(body, word.as_bytes()).is_some());
        if status == 429 || (status >= 400 && slow_down) {
            self.0.throttled.fetch_add(1, Ordering::Relaxed);
            self.0.last_throttled.store(now, Ordering::Relaxed);
        } else if status >= 500 {
            self.0.retried.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_or_is_not_known_does_not_go_out() {
        let guard = Guard::new(true);
        assert!(guard.check("S3", "ListBuckets").is_ok());
        assert!(matches!(guard.check("S3", "PutObject"), Err(Refused::ReadOnly { .. })));
        assert!(matches!(guard.check("S3", "DeleteEverything"), Err(Refused::Unknown { .. })));
        let guard = Guard::new(false);
        assert!(guard.check("S3", "PutObject").is_ok());
        assert!(matches!(guard.check("S3", "DeleteEverything"), Err(Refused::Unknown { .. })));
        assert!(matches!(guard.check("", ""), Err(Refused::Unknown { .. })));
    }
}
