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

/// A text as a filter pattern of one quoted term, which stands for itself.
fn pattern(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
    out
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
        assert_eq!(pattern("ERROR"), r#""ERROR""#);
        assert_eq!(pattern(r#"{ $.level = "x" } \d ?a -b"#), r#""{ $.level = \"x\" } \\d ?a -b""#);
    }
}
