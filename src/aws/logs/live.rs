//! Live tail: events are sent as CloudWatch takes them in.

use std::time::Duration;

use aws_sdk_cloudwatchlogs::{
    primitives::event_stream::EventReceiver,
    types::{LiveTailSessionLogEvent, StartLiveTailResponseStream, error::StartLiveTailResponseStreamError},
};
use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        endpoint::EndpointPrefix,
        interceptors::{Intercept, context::BeforeSerializationInterceptorContextMut},
        runtime_components::RuntimeComponents,
    },
};
use aws_smithy_types::config_bag::ConfigBag;
use jiff::Timestamp;
use tokio::sync::Mutex;

use super::{Stream, holds, merge::Group, pattern, seen::key};
use crate::{
    aws::{Aws, error::failed},
    cloud::{
        Error, Result,
        identity::Identities,
        logs::{LogEvent, ReadLogs},
    },
};

/// Groups that one session takes.
const GROUPS: usize = 10;
/// AWS says something every second, if only that there is nothing.
const SILENCE: Duration = Duration::from_secs(30);

/// A session. It ends when nobody holds it any more.
#[derive(Debug)]
pub(super) struct Session(Mutex<EventReceiver<StartLiveTailResponseStream, StartLiveTailResponseStreamError>>);

impl Session {
    /// What is sent next, and whether some was left out; or why there is nothing more.
    pub(super) async fn next(
        &self,
        request: &ReadLogs,
        groups: &mut [Group],
    ) -> std::result::Result<(Vec<LogEvent>, bool), String> {
        let mut receiver = self.0.lock().await;
        loop {
            let received = tokio::time::timeout(SILENCE, receiver.recv()).await;
            let update = match received {
                Err(_) => return Err("live tail has gone silent".into()),
                Ok(Ok(None)) => return Err("live tail has ended (AWS ends it after three hours)".into()),
                Ok(Err(error)) => return Err(format!("live tail has ended: {}", said(&error))),
                Ok(Ok(Some(StartLiveTailResponseStream::SessionUpdate(update)))) => update,
                Ok(Ok(Some(_))) => continue,
            };
            let sampled = update.session_metadata.is_some_and(|metadata| metadata.sampled);
            let mut events: Vec<_> =
                update.session_results.unwrap_or_default().into_iter().filter_map(|e| fresh(groups, e)).collect();
            events.retain(|event| holds(request, &event.message));
            events.sort_by_key(|e| e.timestamp);
            return Ok((events, sampled));
        }
    }
}

fn said<E, R>(error: &aws_sdk_cloudwatchlogs::error::SdkError<E, R>) -> String
where
    E: aws_sdk_cloudwatchlogs::error::ProvideErrorMetadata + std::error::Error + 'static,
{
    let service = error.as_service_error();
    let code = service.and_then(|e| e.code()).unwrap_or_default();
    match service.and_then(|e| e.message()) {
        Some(message) => message.to_owned(),
        None if code.is_empty() => "the connection was cut".into(),
        None => code.to_owned(),
    }
}

/// An event, unless it was read before the session began.
fn fresh(groups: &mut [Group], event: LiveTailSessionLogEvent) -> Option<LogEvent> {
    let time = event.timestamp?;
    let timestamp = Timestamp::from_millisecond(time).ok()?;
    let stream = event.log_stream_name.unwrap_or_default();
    let message = event.message.unwrap_or_default();
    // ACCOUNT:NAME, or an ARN; a name has no colon.
    let identifier = event.log_group_identifier.unwrap_or_default();
    let name = identifier.trim_end_matches(":*").rsplit(':').next().unwrap_or_default();
    let contents = key(&(&stream, &message, event.ingestion_time));
    if let Some(group) = groups.iter_mut().find(|group| group.name == name) {
        if group.polled.has(time, contents) {
            return None;
        }
        group.sent.add(time, contents);
    }
    let message = message.strip_suffix('\n').map(str::to_owned).unwrap_or(message);
    Some(LogEvent { id: String::new(), timestamp, group: name.to_owned(), stream, message })
}

impl Aws {
    /// Begins a session.
    pub(super) async fn open_session(&self, request: &ReadLogs, groups: &[Group]) -> Result<Session> {
        if groups.len() > GROUPS {
            return Err(Error::invalid(format!("live tail takes {GROUPS} log groups at most, not {}", groups.len())));
        }
        let who = self.ask().await?;
        let (Some(account), Some(region)) = (who.account, who.region) else {
            return Err(Error::invalid("live tail needs to know the account and the region"));
        };
        let partition = who.principal.as_deref().and_then(|arn| arn.split(':').nth(1)).unwrap_or("aws");
        let mut call = self.client.logs().await?.start_live_tail();
        for group in groups {
            let arn = format!("arn:{partition}:logs:{region}:{account}:log-group:{}", group.name);
            call = call.log_group_identifiers(arn);
        }
        call = match Stream::of(request) {
            Some(_) if groups.len() > 1 => {
                return Err(Error::invalid("live tail takes a log stream only where there is one log group"));
            }
            Some(Stream::Named(name)) => call.log_stream_names(name),
            Some(Stream::Prefix(prefix)) => call.log_stream_name_prefixes(prefix),
            None => call,
        };
        let mut call = call.set_log_event_filter_pattern(pattern(request)).customize();
        if self.client.config().await?.endpoint_url().is_some() {
            call = call.interceptor(AsGiven);
        }
        let opened = call.send().await.map_err(failed("logs:StartLiveTail", "log group", "*"))?;
        Ok(Session(Mutex::new(opened.response_stream)))
    }
}

/// Keeps an endpoint's address as it was given: AWS has a host of its own for what is sent, `stream-logs.REGION...`, and
/// what answers like AWS on one address has not.
#[derive(Debug)]
struct AsGiven;

impl Intercept for AsGiven {
    fn name(&self) -> &'static str {
        "AsGiven"
    }

    fn modify_before_serialization(
        &self,
        _: &mut BeforeSerializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> std::result::Result<(), BoxError> {
        cfg.interceptor_state().unset::<EndpointPrefix>();
        Ok(())
    }
}
