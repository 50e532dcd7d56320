//! Logs: events in SQLite with an index by time, and counts that are kept as events come.
//!
//! Two ways to read. The newest events come from the index by time, a cursor per group, merged. Everything else goes
//! through the events in the order in which they arrived, so that the last page's `next` continues exactly where it
//! ended, whatever the events' times.

mod read;
#[cfg(test)]
mod tests;

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Transaction, params};
use tokio_util::sync::CancellationToken;

use super::{Local, clock::timestamp, lookup, releases, store::sql};
use crate::cloud::{
    Error, Pages, Result,
    logs::{InsightsQuery, InsightsResult, Live, LogGroup, LogPage, Logs, ReadLogs},
};
use read::read;

/// What CloudWatch allows for one event's text, in bytes.
const MAX_EVENT: usize = 256 * 1024 - 26;

/// Appends `events` (milliseconds on the cloud's clock, text) to a log stream, making group and stream where they are
/// missing. A text beyond 256 KiB is cut.
pub(crate) fn append(t: &Transaction<'_>, group: &str, stream: &str, events: &[(i64, &str)]) -> Result<()> {
    if events.is_empty() {
        return Ok(());
    }
    let group_id: i64 = t
        .prepare_cached(
            "insert into log_groups (name) values (?1) on conflict (name) do update set name = name returning id",
        )
        .and_then(|mut s| s.query_row([group], |r| r.get(0)))
        .map_err(sql)?;
    let stream_id: i64 = t
        .prepare_cached(
            "insert into log_streams (grp, name) values (?1, ?2) \
             on conflict (grp, name) do update set name = name returning id",
        )
        .and_then(|mut s| s.query_row(params![group_id, stream], |r| r.get(0)))
        .map_err(sql)?;
    let mut insert =
        t.prepare_cached("insert into log_events (grp, stream, ts, message) values (?1, ?2, ?3, ?4)").map_err(sql)?;
    let mut bytes = 0;
    for (ts, message) in events {
        let message = &message[..message.floor_char_boundary(MAX_EVENT)];
        insert.execute(params![group_id, stream_id, ts, message]).map_err(sql)?;
        bytes += message.len();
    }
    t.prepare_cached("update log_groups set events = events + ?2, bytes = bytes + ?3 where id = ?1")
        .and_then(|mut s| s.execute(params![group_id, events.len() as i64, bytes as i64]))
        .map_err(sql)?;
    Ok(())
}

/// Removes a group with its streams and events: its resource is gone.
pub(crate) fn remove_group(t: &Transaction<'_>, group: &str) -> Result<()> {
    let Some(id) = group_id(t, group)? else { return Ok(()) };
    for statement in [
        "delete from log_events where grp = ?1",
        "delete from log_streams where grp = ?1",
        "delete from log_groups where id = ?1",
    ] {
        t.execute(statement, [id]).map_err(sql)?;
    }
    Ok(())
}

/// Removes the events of a group from before `before_ms`, at most `limit`, and returns how many: its retention is over.
pub(crate) fn expire(t: &Transaction<'_>, group: &str, before_ms: i64, limit: usize) -> Result<usize> {
    let Some(id) = group_id(t, group)? else { return Ok(0) };
    let (count, bytes): (i64, i64) = t
        .prepare_cached(
            "select count(*), coalesce(sum(length(cast(message as blob))), 0) from log_events where id in \
             (select id from log_events where grp = ?1 and ts < ?2 order by ts, id limit ?3)",
        )
        .and_then(|mut s| s.query_row(params![id, before_ms, limit as i64], |r| Ok((r.get(0)?, r.get(1)?))))
        .map_err(sql)?;
    if count == 0 {
        return Ok(0);
    }
    t.execute(
        "delete from log_events where id in \
         (select id from log_events where grp = ?1 and ts < ?2 order by ts, id limit ?3)",
        params![id, before_ms, limit as i64],
    )
    .map_err(sql)?;
    t.execute(
        "update log_groups set events = events - ?2, bytes = bytes - ?3 where id = ?1",
        params![id, count, bytes],
    )
    .map_err(sql)?;
    Ok(count as usize)
}

#[async_trait]
impl Logs for Local {
    fn groups(&self) -> Pages<'_, LogGroup> {
        Pages::once(async move { self.inner.store.read(groups).await })
    }

    async fn read(&self, request: &ReadLogs) -> Result<LogPage> {
        let asked = request.clone();
        let mut page = self.inner.store.read(move |c| read(c, &asked)).await?;
        if request.live {
            let why = "the embedded cloud has no live tail, since following shows each event at once".to_owned();
            page.live = Some(Live::Off { why });
        }
        Ok(page)
    }

    async fn insights(&self, _: &InsightsQuery, _: CancellationToken) -> Result<InsightsResult> {
        Err(Error::Unsupported {
            cloud: "local",
            what: "CloudWatch's query language (Logs Insights): `logs search` finds text".into(),
        })
    }
}

fn groups(connection: &Connection) -> Result<Vec<LogGroup>> {
    let mut counts = connection
        .prepare_cached(
            "select events, bytes, (select max(ts) from log_events e where e.grp = g.id) from log_groups g \
             where name = ?1",
        )
        .map_err(sql)?;
    let mut names: Vec<_> = lookup::all(connection, "log_group")?
        .into_iter()
        .map(|deployed| (deployed.resource.physical_name, deployed.pipeline))
        .collect();
    names.extend(releases::log_groups(connection)?);
    names
        .into_iter()
        .map(|(name, pipeline)| {
            let row: Option<(i64, i64, Option<i64>)> =
                counts.query_row([&name], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?))).optional().map_err(sql)?;
            let (events, bytes, last) = row.unwrap_or_default();
            Ok(LogGroup {
                name,
                pipeline,
                events: Some(events as u64),
                bytes: Some(bytes as u64),
                last_event: last.map(timestamp),
            })
        })
        .collect()
}

/// The groups whose names begin so.
pub(crate) fn groups_below(connection: &Connection, prefix: &str) -> Result<Vec<String>> {
    connection
        .prepare_cached("select name from log_groups where substr(name, 1, length(?1)) = ?1 order by name")
        .and_then(|mut s| s.query_map([prefix], |r| r.get(0))?.collect())
        .map_err(sql)
}

fn group_id(connection: &Connection, name: &str) -> Result<Option<i64>> {
    connection
        .prepare_cached("select id from log_groups where name = ?1")
        .and_then(|mut s| s.query_row([name], |r| r.get(0)).optional())
        .map_err(sql)
}
