//! Log groups and log events (Amazon CloudWatch Logs).

mod insights;
mod live;
mod merge;
mod read;
mod seen;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use super::{Aws, error::failed};
use crate::cloud::{
    Pages, Result,
    logs::{InsightsQuery, InsightsResult, LogGroup, LogPage, Logs, ReadLogs},
};

/// Groups on one page of `DescribeLogGroups`: AWS gives no more.
const GROUPS: i32 = 50;

#[async_trait]
impl Logs for Aws {
    fn groups(&self) -> Pages<'_, LogGroup> {
        Pages::follow(move |token| async move {
            let call = self.client.logs().await?.describe_log_groups().limit(GROUPS).set_next_token(token);
            let answer = call.send().await.map_err(failed("logs:DescribeLogGroups", "log group", "*"))?;
            let owners = self.owners().await;
            let groups = answer.log_groups.unwrap_or_default().into_iter().filter_map(|group| {
                let name = group.log_group_name?;
                Some(LogGroup {
                    pipeline: owners.pipeline(&name),
                    name,
                    events: None,
                    bytes: group.stored_bytes.and_then(|b| b.try_into().ok()),
                    last_event: None,
                })
            });
            Ok((groups.collect(), answer.next_token))
        })
    }

    async fn read(&self, request: &ReadLogs) -> Result<LogPage> {
        self.read_logs(request).await
    }

    async fn insights(&self, query: &InsightsQuery, cancel: CancellationToken) -> Result<InsightsResult> {
        self.query_logs(query, cancel).await
    }
}

/// The filter pattern that lets every message pass which holds this text: quoted terms that stand for themselves. Quotes
/// and backslashes are left out, as their escaping is nowhere promised; [`holds`] looks for the text as a whole.
fn pattern(request: &ReadLogs) -> Option<String> {
    let parts = request.filter.as_deref().unwrap_or_default().split(['"', '\\']);
    let terms: Vec<_> = parts.filter(|part| !part.trim().is_empty()).map(|part| format!("\"{part}\"")).collect();
    (!terms.is_empty()).then(|| terms.join(" "))
}

/// Whether a message holds the text that is asked for.
fn holds(request: &ReadLogs, message: &str) -> bool {
    request.filter.as_deref().is_none_or(|text| message.contains(text))
}

/// A stream's name, or the beginning of one.
enum Stream<'a> {
    Named(&'a str),
    Prefix(&'a str),
}

impl<'a> Stream<'a> {
    fn of(request: &'a ReadLogs) -> Option<Self> {
        let stream = request.stream.as_deref()?;
        Some(stream.strip_suffix('*').map_or(Self::Named(stream), Self::Prefix))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_stands_for_itself() {
        let of = |text: &str| ReadLogs { filter: Some(text.into()), ..ReadLogs::default() };
        assert_eq!(pattern(&of("[ERROR] ?a -b")).as_deref(), Some(r#""[ERROR] ?a -b""#));
        assert_eq!(pattern(&of(r#"{"level": "x"}"#)).as_deref(), Some(r#""{" "level" ": " "x" "}""#));
        assert_eq!(pattern(&of(r#""\"#)), None);
        assert_eq!(pattern(&of("")), None);
        assert!(holds(&of("a \"b"), "say a \"b\"") && !holds(&of("a \"b"), "b a") && holds(&ReadLogs::default(), "x"));
    }
}
