//! Queries over log events in CloudWatch's own language (Logs Insights).

use std::time::Duration;

use aws_sdk_cloudwatchlogs::types::{QueryStatus, ResultField};
use tokio_util::sync::CancellationToken;

use crate::{
    aws::{Aws, error::failed},
    cloud::{
        Error, Result,
        logs::{InsightsQuery, InsightsResult},
    },
};

/// Groups that one query reads.
const GROUPS: usize = 50;
/// Rows that one query gives.
const ROWS: usize = 100_000;
/// How long to wait at first before asking whether it is done, and at most.
const PATIENCE: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(2));
/// What every row carries besides what was asked for: where to find the event again.
const POINTER: &str = "@ptr";

impl Aws {
    pub(super) async fn query_logs(&self, query: &InsightsQuery, cancel: CancellationToken) -> Result<InsightsResult> {
        if query.groups.is_empty() || query.groups.len() > GROUPS {
            return Err(Error::invalid(format!("a query reads 1 to {GROUPS} log groups, not {}", query.groups.len())));
        }
        if query.limit == 0 || query.limit > ROWS {
            return Err(Error::invalid(format!("a query gives 1 to {ROWS} rows, not {}", query.limit)));
        }
        let client = self.client.logs().await?;
        let started = client
            .start_query()
            .set_log_group_names(Some(query.groups.clone()))
            .start_time(query.since.as_second())
            .end_time(query.until.as_second())
            .query_string(&query.query)
            .set_limit(i32::try_from(query.limit).ok())
            .send()
            .await
            .map_err(failed("logs:StartQuery", "log group", query.groups.join(", ")))?;
        let id = started.query_id.ok_or_else(|| Error::failed("logs:StartQuery gave no query id"))?;
        let found = tokio::select! {
            found = self.wait_for(&id, query.limit) => found,
            () = cancel.cancelled() => {
                // It goes on, and costs, until it is told to stop.
                let stopped = client.stop_query().query_id(&id).send().await;
                if let Err(error) = stopped.map_err(failed("logs:StopQuery", "query", &id)) {
                    tracing::warn!(%error, id, "a query could not be stopped");
                }
                Err(Error::Cancelled)
            }
        };
        found
    }

    async fn wait_for(&self, id: &str, limit: usize) -> Result<InsightsResult> {
        let mut patience = PATIENCE.0;
        loop {
            tokio::time::sleep(patience).await;
            patience = (patience * 2).min(PATIENCE.1);
            let (status, result) = self.results(id, limit).await?;
            match status {
                Some(QueryStatus::Scheduled | QueryStatus::Running) => {}
                Some(QueryStatus::Complete) => return Ok(result),
                Some(QueryStatus::Cancelled) => return Err(Error::failed("somebody cancelled the query")),
                Some(QueryStatus::Timeout) => return Err(Error::failed("the query took more than an hour")),
                other => {
                    let status = other.as_ref().map_or("no status", QueryStatus::as_str);
                    return Err(Error::failed(format!("the query ended with {status}")));
                }
            }
        }
    }

    /// How a query is, and what it has found; further pages only of one that is complete.
    async fn results(&self, id: &str, limit: usize) -> Result<(Option<QueryStatus>, InsightsResult)> {
        let mut found = InsightsResult::default();
        let mut token = None;
        loop {
            let call = self.client.logs().await?.get_query_results().query_id(id).set_next_token(token);
            let answer = call.send().await.map_err(failed("logs:GetQueryResults", "query", id))?;
            for row in answer.results.unwrap_or_default() {
                take(&mut found, row);
            }
            if let Some(statistics) = answer.statistics {
                found.records_scanned = count(statistics.records_scanned);
                found.records_matched = count(statistics.records_matched);
                found.bytes_scanned = count(statistics.bytes_scanned);
            }
            token = answer.next_token;
            if token.is_none() || answer.status != Some(QueryStatus::Complete) || found.rows.len() >= limit {
                // A row that came before a column was known has nothing there.
                for row in &mut found.rows {
                    row.resize(found.columns.len(), None);
                }
                return Ok((answer.status, found));
            }
        }
    }
}

fn take(found: &mut InsightsResult, fields: Vec<ResultField>) {
    let mut row = vec![None; found.columns.len()];
    for ResultField { field, value, .. } in fields {
        let Some(field) = field.filter(|field| field != POINTER) else { continue };
        let known = found.columns.iter().position(|column| *column == field);
        if let Some(cell) = known.and_then(|at| row.get_mut(at)) {
            *cell = value;
        } else {
            found.columns.push(field);
            row.push(value);
        }
    }
    found.rows.push(row);
}

/// The statistics are whole numbers that come as others.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a float is cast to what is nearest")]
fn count(value: f64) -> u64 {
    value as u64
}
