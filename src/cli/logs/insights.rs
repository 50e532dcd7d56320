//! `logs query`: CloudWatch Logs Insights.

use clap::Args;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::groups;
use crate::{
    backend::Backend,
    cli::{
        failure::Result,
        input,
        out::{Cell, note, size},
        session::Session,
        signals::asked_to_end,
        time::{When, when},
    },
    cloud::logs::{INSIGHTS_USD_PER_GB, InsightsQuery, InsightsResult},
    config::Format,
    text,
};

/// What to ask.
#[derive(Debug, Args)]
pub struct Query {
    /// The query: 'fields @timestamp, @message | filter @message like /ERROR/ | limit 20'
    #[arg(value_name = "QUERY")]
    text: String,
    /// In this log group; a function or a job as PIPELINE/NAME
    #[arg(long = "group", required = true, value_name = "GROUP")]
    groups: Vec<String>,
    /// From so long ago (90s, 10m, 2h, 1d), or from a time (RFC 3339)
    #[arg(long, default_value = "1h", value_parser = when)]
    since: When,
    /// Until so long ago, or until a time [default: now]
    #[arg(long, value_parser = when)]
    until: Option<When>,
    /// At most this many rows
    #[arg(short = 'n', long, default_value_t = 1000, value_name = "N", value_parser = input::count, allow_negative_numbers = true)]
    limit: usize,
}

#[derive(Serialize)]
struct Document<'a> {
    #[serde(flatten)]
    result: &'a InsightsResult,
    cost_usd: f64,
}

impl Query {
    /// Executes it; Ctrl-C and SIGTERM stop it.
    pub(super) async fn run(self, s: &Session, backend: &Backend) -> Result {
        let now = backend.cloud.clock.now();
        let query = InsightsQuery {
            query: self.text,
            groups: groups(backend, &self.groups).await?,
            since: self.since.resolve(now),
            until: self.until.map_or(now, |until| until.resolve(now)),
            limit: self.limit,
        };
        let cancel = CancellationToken::new();
        let watched = cancel.clone();
        let watcher = tokio::spawn(async move {
            asked_to_end().await;
            watched.cancel();
        });
        let result = backend.cloud.logs.insights(&query, cancel).await;
        watcher.abort();
        print(s, &result?, self.limit)
    }
}

fn print(s: &Session, result: &InsightsResult, limit: usize) -> Result {
    if s.out.format == Format::Json {
        return s.out.json(&Document { result, cost_usd: result.cost_usd() });
    }
    let rows = result.rows.iter().map(|row| row.iter().map(|v| Cell::maybe(v.as_ref(), Cell::text)).collect());
    s.out.rows(&result.columns, rows)?;
    if s.out.format == Format::Table {
        note(&summary(result));
    }
    if result.rows.len() >= limit {
        note(&format!("{} rows, which is the limit: --limit N asks for more", text::count(limit as u64)));
    }
    Ok(())
}

fn summary(result: &InsightsResult) -> String {
    format!(
        "{} of {} events matched, {} scanned, about ${:.6} at ${INSIGHTS_USD_PER_GB} a GB",
        text::count(result.records_matched),
        text::count(result.records_scanned),
        size(result.bytes_scanned),
        result.cost_usd()
    )
}
