//! Which failures are not worth another try: there is nobody at the other end.

use std::{error::Error as StdError, io};

use aws_smithy_runtime_api::client::{
    interceptors::context::InterceptorContext,
    retries::classifiers::{ClassifyRetry, RetryAction, RetryClassifierPriority},
};

/// Gives up at once where a name has no address, or nobody listens at it. A person is told sooner, and the console tries
/// again by itself. What is throttled, cut off or late is tried again by the SDK.
#[derive(Debug, Clone, Copy)]
pub(super) struct NobodyThere;

impl ClassifyRetry for NobodyThere {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let connector = match context.output_or_error() {
            Some(Err(error)) => error.as_connector_error(),
            _ => None,
        };
        match connector {
            Some(error) if nobody(error) => RetryAction::RetryForbidden,
            _ => RetryAction::NoActionIndicated,
        }
    }

    fn name(&self) -> &'static str {
        "NobodyThere"
    }

    fn priority(&self) -> RetryClassifierPriority {
        RetryClassifierPriority::run_after(RetryClassifierPriority::transient_error_classifier())
    }
}

fn nobody(error: &(dyn StdError + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(at) = next {
        let refused = at.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::ConnectionRefused);
        if refused || at.to_string().starts_with("dns error") {
            return true;
        }
        next = at.source();
    }
    false
}
