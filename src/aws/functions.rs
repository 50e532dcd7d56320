//! Functions and their invocations (AWS Lambda).

mod settle;

use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_lambda::{
    operation::RequestId,
    types::{FunctionConfiguration, InvocationType, LogType},
};
use aws_smithy_types::{retry::RetryConfig, timeout::TimeoutConfig};
use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::{
    Aws, counts,
    error::failed,
    metrics::{self, Points, Series},
    owners::Owners,
};
use crate::cloud::{
    Error, Pages, Permit, Result,
    functions::{Function, Functions, Invocation, Invoke, Settled, SourceMode, event_bytes},
};

/// How far back invocations are counted, and how finely.
const WINDOW: SignedDuration = SignedDuration::from_hours(24);
const PERIOD_SECONDS: i32 = 300;
/// A function may take 15 minutes, and the answer a moment.
const TIMEOUT: Duration = Duration::from_secs(15 * 60 + 15);

#[async_trait]
impl Functions for Aws {
    fn list(&self) -> Pages<'_, Function> {
        Pages::follow(move |marker| async move {
            let answer =
                self.client.lambda().await?.list_functions().set_marker(marker).send().await.map_err(failed(
                    "lambda:ListFunctions",
                    "function",
                    "*",
                ))?;
            let page = answer.functions.unwrap_or_default();
            let names: Vec<&str> = page.iter().filter_map(|f| f.function_name.as_deref()).collect();
            let wanted: Vec<Series> =
                names.iter().flat_map(|name| ["Invocations", "Errors"].map(|metric| series(name, metric))).collect();
            let (points, owners) = (self.series_if_any(&wanted).await, self.owners().await);
            let count = |name: &str, metric| points.get(&series(name, metric)).cloned();
            let page = page
                .into_iter()
                .filter_map(|f| {
                    let name = f.function_name.clone()?;
                    Some(function(f, &owners, count(&name, "Invocations"), count(&name, "Errors")))
                })
                .collect();
            Ok((page, answer.next_marker.filter(|m| !m.is_empty())))
        })
    }

    /// Sent once: an invocation that may have begun is not made a second time.
    async fn invoke(&self, permit: &Permit, request: Invoke) -> Result<Invocation> {
        permit.check("lambda:InvokeFunction", &request.function)?;
        if let Some((source, _)) = request.sources.iter().find(|(_, mode)| matches!(mode, SourceMode::Replay { .. })) {
            let what = format!("a file instead of the source {source:?}: a function on AWS asks the real one");
            return Err(Error::Unsupported { cloud: "aws", what });
        }
        let event = event_bytes(&request.event)?;
        let patient = aws_sdk_lambda::config::Builder::new()
            .retry_config(RetryConfig::disabled())
            .timeout_config(TimeoutConfig::builder().read_timeout(TIMEOUT).build());
        let clock = std::time::Instant::now();
        let answer = self
            .client
            .lambda()
            .await?
            .invoke()
            .function_name(&request.function)
            .invocation_type(InvocationType::RequestResponse)
            .log_type(LogType::Tail)
            .payload(event.into())
            .customize()
            .config_override(patient)
            .send()
            .await
            .map_err(failed("lambda:InvokeFunction", "function", &request.function))?;
        let elapsed = u64::try_from(clock.elapsed().as_millis()).unwrap_or(u64::MAX);
        let request_id = answer.request_id().unwrap_or_default().to_owned();
        let bytes = answer.payload.map(aws_smithy_types::Blob::into_inner).unwrap_or_default();
        let payload = match serde_json::from_slice(&bytes) {
            Ok(value) => value,
            Err(_) if bytes.is_empty() => Value::Null,
            Err(_) => Value::from(String::from_utf8_lossy(&bytes).into_owned()),
        };
        let tail = answer.log_result.and_then(|text| STANDARD.decode(text).ok());
        let tail = tail.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).filter(|text| !text.is_empty());
        let log = tail.as_deref().unwrap_or_default();
        let (records_in, records_out) =
            counts::read(log).map_or((None, None), |(read, written)| (Some(read), Some(written)));
        Ok(Invocation {
            request_id,
            error: answer.function_error.map(|kind| in_words(&kind, &payload)),
            duration_ms: duration_ms(log).unwrap_or(elapsed),
            records_in,
            records_out,
            log_tail: tail,
            function: request.function,
            payload,
        })
    }

    async fn settle(&self, permit: &Permit, functions: &[String], since: Timestamp) -> Result<Settled> {
        for function in functions {
            permit.check("lambda:InvokeFunction", function)?;
        }
        self.settle_all(functions, since).await
    }
}

fn series(function: &str, metric: &'static str) -> Series {
    Series {
        namespace: "AWS/Lambda",
        metric,
        dimension: ("FunctionName", function.to_owned()),
        period_seconds: PERIOD_SECONDS,
        window: WINDOW,
    }
}

fn function(
    f: FunctionConfiguration,
    owners: &Owners,
    invocations: Option<Points>,
    errors: Option<Points>,
) -> Function {
    let name = f.function_name.unwrap_or_default();
    let last = invocations.as_ref().and_then(metrics::newest);
    // Only where all of the newest ones failed is it known that the newest did.
    let last_error = last.and_then(|(time, count)| {
        let failed = errors.as_ref()?.iter().find(|(t, _)| *t == time)?.1;
        (failed >= count).then(|| format!("all {count} invocations since {time} failed: its log says why"))
    });
    Function {
        pipeline: owners.pipeline(&name),
        // An image has neither runtime nor handler.
        runtime: f.runtime.map_or_else(|| "image".into(), |r| r.as_str().to_owned()),
        handler: f.handler.unwrap_or_default(),
        timeout_seconds: f.timeout.and_then(|t| u32::try_from(t).ok()).unwrap_or(3),
        schedule: None,
        next_run: None,
        log_group: f.logging_config.and_then(|l| l.log_group).unwrap_or_else(|| format!("/aws/lambda/{name}")),
        invocations: invocations.as_ref().map(metrics::total),
        errors: errors.as_ref().map(metrics::total),
        records_in: None,
        records_out: None,
        last_invoked: last.map(|(time, _)| time),
        last_error,
        name,
    }
}

/// A function's failure: `{"errorType","errorMessage"}` as `Type: message`.
fn in_words(kind: &str, payload: &Value) -> String {
    let text = |name: &str| payload.get(name).and_then(Value::as_str).filter(|t| !t.is_empty());
    match (text("errorType"), text("errorMessage")) {
        (Some(kind), Some(message)) => format!("{kind}: {message}"),
        (Some(one), None) | (None, Some(one)) => one.to_owned(),
        (None, None) => format!("{kind}: {payload}"),
    }
}

/// The duration in a log's REPORT line: `Duration: 12.34 ms`.
fn duration_ms(log: &str) -> Option<u64> {
    let report = log.lines().rev().find(|line| line.starts_with("REPORT "))?;
    let (_, rest) = report.split_once("\tDuration: ").or_else(|| report.split_once(" Duration: "))?;
    rest.split_once(" ms")?.0.trim().parse::<f64>().ok().map(|ms| ms.ceil() as u64)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_failure_is_put_in_words() {
        let both = json!({"errorType": "Failed", "errorMessage": "no luck", "trace": []});
        assert_eq!(in_words("Unhandled", &both), "Failed: no luck");
        let timeout = json!({"errorMessage": "2026 Task timed out after 3.00 seconds"});
        assert_eq!(in_words("Unhandled", &timeout), "2026 Task timed out after 3.00 seconds");
        assert_eq!(in_words("Unhandled", &json!("odd")), "Unhandled: \"odd\"");
    }

    #[test]
    fn the_report_tells_how_long_it_took() {
        let log =
            "START RequestId: r Version: $LATEST\nREPORT RequestId: r\tDuration: 12.34 ms\tBilled Duration: 13 ms\n";
        assert_eq!(duration_ms(log), Some(13));
        assert_eq!(duration_ms("REPORT RequestId: r Duration: x ms"), None);
        assert_eq!(duration_ms(""), None);
    }
}
