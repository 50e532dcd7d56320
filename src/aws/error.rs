//! The SDK's failures in the words of the ports.

use std::{error::Error as StdError, fmt};

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_sts::{
    error::{ProvideErrorMetadata, SdkError},
    operation::assume_role::AssumeRoleError,
};
use aws_smithy_runtime_api::client::{orchestrator::HttpResponse, result::ConnectorError};

use super::guard::Refused;
use crate::cloud::{Error, error::Kind};

/// Says what a failed call means: `action` is the IAM action that it needs, `kind` and `target` what it was about.
///
/// An answer of AWS that names the missing action and the resource itself goes before ours.
pub(crate) fn failed<E>(
    action: &'static str,
    kind: Kind,
    target: impl Into<String>,
) -> impl FnOnce(SdkError<E, HttpResponse>) -> Error
where
    E: ProvideErrorMetadata + StdError + 'static,
{
    let target = target.into();
    move |error| in_words(&error, action, kind, target)
}

fn in_words<E>(error: &SdkError<E, HttpResponse>, action: &'static str, kind: Kind, target: String) -> Error
where
    E: ProvideErrorMetadata + StdError + 'static,
{
    if let Some(refused) = cause::<Refused>(error) {
        return Error::Conflict(refused.to_string());
    }
    if let Some(none) = cause::<NoCredentials>(error) {
        return match none {
            NoCredentials::Missing(told) => Error::Credentials(told.clone()),
            NoCredentials::Unreachable(told) => Error::Unavailable(told.clone()),
        };
    }
    if let Some(credentials) = cause::<CredentialsError>(error) {
        return Error::Credentials(format!("the AWS credentials cannot be used: {}", deepest(credentials)));
    }
    match error {
        SdkError::ServiceError(context) => {
            let (inner, status) = (context.err(), context.raw().status().as_u16());
            let code = inner.code().unwrap_or_default();
            let message = inner.message().unwrap_or_default();
            by_code(code, message, status, action, kind, target)
        }
        SdkError::TimeoutError(_) => Error::Unavailable(format!("{action}: no answer in time")),
        SdkError::DispatchFailure(_) => {
            Error::Unavailable(format!("AWS cannot be reached: {} ({action})", deepest(error)))
        }
        other => Error::Unavailable(format!("{action}: {}", deepest(other))),
    }
}

pub(crate) fn by_code(
    code: &str,
    message: &str,
    status: u16,
    action: &'static str,
    kind: Kind,
    target: String,
) -> Error {
    let said = || match (code, message) {
        ("", "") => format!("{action}: status {status}"),
        ("", text) | (text, "") => format!("{action}: {text}"),
        (code, text) => format!("{code}: {text}"),
    };
    let has = |words: &[&str]| words.iter().any(|w| code.contains(w));
    if has(&["ExpiredToken", "RequestExpired", "TokenRefreshRequired"]) {
        return Error::Credentials(format!("the credentials have expired: {message}"));
    }
    if has(&[
        "UnrecognizedClient",
        "InvalidClientTokenId",
        "InvalidAccessKeyId",
        "SignatureDoesNotMatch",
        "InvalidSignature",
        "IncompleteSignature",
        "AuthFailure",
    ]) {
        return Error::Credentials(format!("AWS does not accept the credentials: {}", said()));
    }
    if has(&["RequestTimeTooSkewed"]) {
        let told = format!("AWS does not accept the credentials, since this machine's clock is wrong: {}", said());
        return Error::Credentials(told);
    }
    // A limit of how many there may be is none of how often.
    let too_often = status == 429 || status == 503 || message.contains("Rate exceeded");
    if has(&["Throttl", "TooManyRequests", "SlowDown", "RequestLimitExceeded", "ThroughputExceeded"])
        || (has(&["LimitExceededException"]) && too_often)
    {
        return Error::Throttled(said());
    }
    if has(&["AccessDenied", "Unauthorized", "NotAuthorized", "AuthorizationError"])
        || (status == 403 && code.is_empty())
    {
        let (action, named) = denied(message).unwrap_or((action, "*"));
        // What we asked about says more than "all".
        let target = if named == "*" { target } else { named.to_owned() };
        return Error::AccessDenied { action: action.to_owned(), target };
    }
    if has(&["NotFound", "NoSuch", "DoesNotExist", "NonExistent"]) || (status == 404 && code.is_empty()) {
        return Error::NotFound { kind, name: target };
    }
    if has(&["AlreadyExist", "BucketAlreadyOwnedByYou"]) {
        return Error::AlreadyExists { kind, name: target };
    }
    if has(&[
        "ConcurrentModification",
        "ConcurrentRunsExceeded",
        "Conflict",
        "CrawlerRunning",
        "CrawlerStopping",
        "ResourceInUse",
        "OperationInProgress",
    ]) {
        return Error::Conflict(said());
    }
    if has(&["Validation", "Invalid", "Malformed", "BadRequest"]) {
        return Error::Invalid(said());
    }
    if status >= 500 {
        return Error::Unavailable(said());
    }
    Error::Failed(said())
}

/// The action and the resource that a refusal names: "... is not authorized to perform: glue:GetJobs on resource: ARN ...".
fn denied(message: &str) -> Option<(&str, &str)> {
    let (_, rest) = message.split_once("not authorized to perform: ")?;
    let mut words = rest.split_whitespace();
    let action = words.next()?.trim_end_matches([',', '.']);
    let target = match (words.next(), words.next(), words.next()) {
        (Some("on"), Some("resource:"), Some(arn)) => arn.trim_matches(['"', ',', '.']),
        _ => "*",
    };
    Some((action, target))
}

/// Why there are no credentials.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoCredentials {
    /// There are none, or they are no longer good: what to do is in the text.
    #[error("{0}")]
    Missing(String),
    /// Who gives them out cannot be reached.
    #[error("{0}")]
    Unreachable(String),
}

/// Says why a source of credentials failed, and what a person runs to log in again.
pub(crate) fn no_credentials(source: &str, login: &str, error: &CredentialsError) -> NoCredentials {
    if let Some(known) = cause::<NoCredentials>(error) {
        return known.clone();
    }
    if let Some(connector) = cause::<ConnectorError>(error)
        && !connector.is_user()
    {
        return NoCredentials::Unreachable(format!(
            "the credentials of {source} cannot be had: {}",
            deepest(connector)
        ));
    }
    let said = match cause::<AssumeRoleError>(error) {
        Some(refused) => {
            let (code, message) = (refused.code().unwrap_or_default(), refused.message().unwrap_or_default());
            if code.contains("AccessDenied") {
                return NoCredentials::Missing(format!("the role cannot be assumed: {message}"));
            }
            format!("{code}: {message}")
        }
        None => deepest(error).to_string(),
    };
    NoCredentials::Missing(format!("the credentials of {source} are not there or have expired: run `{login}` ({said})"))
}

/// The first cause of this type.
fn cause<'a, T: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(at) = next {
        if let Some(found) = at.downcast_ref::<T>() {
            return Some(found);
        }
        next = at.source();
    }
    None
}

/// What is at the bottom of a failure: the layers above it only say that something failed.
pub(crate) fn deepest(error: &dyn StdError) -> impl fmt::Display + use<> {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(at) = next {
        text = at.to_string();
        next = at.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(code: &str, message: &str, status: u16) -> Error {
        by_code(code, message, status, "glue:GetJobs", "job", "x".into())
    }

    #[test]
    fn a_refusal_names_the_action_that_is_missing() {
        let message = "User: arn:aws:iam::123456789012:user/x is not authorized to perform: glue:GetJob on resource: \
                       arn:aws:glue:eu-west-1:123456789012:job/x because no identity-based policy allows it";
        let wanted = Error::AccessDenied {
            action: "glue:GetJob".into(),
            target: "arn:aws:glue:eu-west-1:123456789012:job/x".into(),
        };
        assert_eq!(of("AccessDeniedException", message, 400), wanted);
        let ours = Error::AccessDenied { action: "glue:GetJobs".into(), target: "x".into() };
        assert_eq!(of("AccessDenied", "Access Denied", 403), ours);
        let all = "User: x is not authorized to perform: glue:GetJobs on resource: *";
        assert_eq!(of("AccessDenied", all, 403), ours, "what was asked about says more");
        assert_eq!(of("", "", 403), ours);
    }

    #[test]
    fn codes_are_told_apart() {
        assert!(matches!(of("ExpiredTokenException", "expired", 400), Error::Credentials(_)));
        assert!(matches!(of("UnrecognizedClientException", "", 400), Error::Credentials(_)));
        assert!(matches!(of("ThrottlingException", "Rate exceeded", 400), Error::Throttled(_)));
        assert!(matches!(of("SlowDown", "", 503), Error::Throttled(_)));
        assert!(matches!(of("ProvisionedThroughputExceededException", "", 400), Error::Throttled(_)));
        let often = of("LimitExceededException", "Rate exceeded for stream x under account 123456789012.", 400);
        assert!(matches!(often, Error::Throttled(_)), "{often}");
        assert!(matches!(of("LimitExceededException", "This request would exceed 20 streams", 400), Error::Failed(_)));
        assert!(matches!(of("InvalidSignatureException", "Signature expired", 400), Error::Credentials(_)));
        assert!(matches!(of("RequestTimeTooSkewed", "", 403), Error::Credentials(t) if t.contains("clock")));
        assert!(matches!(of("EntityNotFoundException", "", 400), Error::NotFound { kind: "job", .. }));
        assert!(matches!(of("NoSuchBucket", "", 404), Error::NotFound { .. }));
        assert!(matches!(of("ConcurrentRunsExceededException", "", 400), Error::Conflict(_)));
        assert!(matches!(of("InvalidInputException", "", 400), Error::Invalid(_)));
        assert!(matches!(of("InternalFailure", "", 500), Error::Unavailable(_)));
        assert_eq!(of("Odd", "thing", 400), Error::Failed("Odd: thing".into()));
    }
}
