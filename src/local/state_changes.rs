//! Who is told how a crawl or a job's run ended: EventBridge's rules, in the transaction that writes the end down.

use rusqlite::{Connection, Transaction, params};
use serde_json::Value;

use super::{buckets, lookup, store::sql};
use crate::cloud::{
    Result,
    events::{CrawlerChange, JobChange, crawler_state_change, job_state_change},
    jobs::JobRunState,
    resources::{End, Properties, Told},
};

/// Tells of a job's run that has ended in this transaction. One that was stopped on request is told to nobody, as it did
/// neither.
pub(crate) fn job_ended(
    t: &Transaction<'_>,
    now_ms: i64,
    job: &str,
    run: &str,
    state: JobRunState,
    error: Option<&str>,
) -> Result<()> {
    let end = match state {
        JobRunState::Succeeded => End::Succeeded,
        state if state.is_failure() => End::Failed,
        _ => return Ok(()),
    };
    let Some(deployed) = lookup::find(t, "job", job)? else { return Ok(()) };
    let Properties::Job(settings) = deployed.resource.properties else { return Ok(()) };
    let event = job_state_change(JobChange { job, run, state: state.word(), error, time_ms: now_ms });
    tell(t, now_ms, &settings.on_ended, end, &event, run)
}

/// Tells of a crawl that has ended in this transaction.
pub(crate) fn crawl_ended(t: &Transaction<'_>, now_ms: i64, change: CrawlerChange<'_>) -> Result<()> {
    let Some(deployed) = lookup::find(t, "crawler", change.crawler)? else { return Ok(()) };
    let Properties::Crawler(settings) = deployed.resource.properties else { return Ok(()) };
    let end = if change.error.is_none() { End::Succeeded } else { End::Failed };
    tell(t, now_ms, &settings.on_ended, end, &crawler_state_change(change), change.crawl)
}

fn tell(t: &Transaction<'_>, now_ms: i64, all: &[Told], end: End, event: &Value, id: &str) -> Result<()> {
    let event = event.to_string();
    for (n, told) in all.iter().enumerate().filter(|(_, told)| told.end == end) {
        buckets::tell(t, now_ms, &told.target, None, &event, &format!("glue-{id}-{n}"))?;
    }
    Ok(())
}

/// What a role started under a token of its own, if it did.
pub(crate) fn started(connection: &Connection, token: &str) -> Result<Option<String>> {
    use rusqlite::OptionalExtension;
    connection
        .prepare_cached("select run from start_tokens where token = ?1")
        .and_then(|mut s| s.query_row([token], |r| r.get(0)).optional())
        .map_err(sql)
}

/// Remembers what a role started.
pub(crate) fn remember(t: &Transaction<'_>, token: &str, run: &str) -> Result<()> {
    t.prepare_cached("insert into start_tokens (token, run) values (?1, ?2)")
        .and_then(|mut s| s.execute(params![token, run]))
        .map_err(sql)?;
    Ok(())
}

/// Whether a role started a run: then nobody waits for it who could start it again, and it is taken up when its process
/// has died.
pub(crate) fn by_role(connection: &Connection, run: &str) -> Result<bool> {
    connection
        .prepare_cached("select 1 from start_tokens where run = ?1")
        .and_then(|mut s| s.exists([run]))
        .map_err(sql)
}
