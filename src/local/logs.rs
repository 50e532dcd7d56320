//! Logs: events in SQLite with an index by time, and counts that are kept as events come.
//!
//! Two ways to read. The newest events come from the index by time, a cursor per group, merged. Everything else goes
//! through the events in the order in which they arrived, so that the last page's `next` continues exactly where it
//! ended, whatever the events' times.

use std::collections::{BTreeMap, VecDeque};

use async_trait::async_trait;
use memchr::memmem::Finder;
use rusqlite::{Connection, OptionalExtension, Row, Rows, Statement, ToSql, Transaction, params};
use tokio_util::sync::CancellationToken;

use super::{Local, clock::timestamp, lookup, releases, store::sql};
use crate::cloud::{
    Error, Pages, Result,
    logs::{Cursor, InsightsQuery, InsightsResult, Live, LogEvent, LogGroup, LogPage, Logs, ReadLogs},
};

/// What CloudWatch allows for one event's text, in bytes.
const MAX_EVENT: usize = 256 * 1024 - 26;
/// Events in a page unless the request names a number.
const PAGE: usize = 10_000;

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

/// One page. All statements see the same state, so no event can slip in between what was read and `next`.
fn read(connection: &Connection, request: &ReadLogs) -> Result<LogPage> {
    let snapshot = connection.unchecked_transaction().map_err(sql)?;
    let groups = wanted_groups(&snapshot, &request.groups)?;
    let top: i64 = snapshot.query_row("select coalesce(max(id), 0) from log_events", [], |r| r.get(0)).map_err(sql)?;
    let wanted = Wanted::new(request, &groups);
    let page = if groups.is_empty() {
        page(Vec::new(), top, false)
    } else if request.newest && request.after.is_none() && request.stream.is_none() {
        newest(&snapshot, &wanted, top)?
    } else {
        arrived(&snapshot, &wanted, request, top)?
    };
    snapshot.finish().map_err(sql)?;
    Ok(page)
}

/// Per id, the name of each group that is asked for.
fn wanted_groups(connection: &Connection, names: &[String]) -> Result<BTreeMap<i64, String>> {
    if names.is_empty() {
        let mut statement = connection.prepare_cached("select id, name from log_groups").map_err(sql)?;
        let rows = statement.query_map([], |r| Ok((r.get(0)?, r.get(1)?))).map_err(sql)?;
        return rows.collect::<rusqlite::Result<_>>().map_err(sql);
    }
    let mut groups = BTreeMap::new();
    for name in names {
        match group_id(connection, name)? {
            Some(id) => {
                groups.insert(id, name.clone());
            }
            // Nothing was written to it yet.
            None => {
                lookup::one(connection, "log_group", name)?;
            }
        }
    }
    Ok(groups)
}

/// What is asked for, ready for comparing.
struct Wanted<'a> {
    groups: &'a BTreeMap<i64, String>,
    since: i64,
    until: i64,
    filter: Option<Finder<'a>>,
    limit: usize,
}

impl<'a> Wanted<'a> {
    fn new(request: &'a ReadLogs, groups: &'a BTreeMap<i64, String>) -> Self {
        Self {
            groups,
            since: request.since.map_or(i64::MIN, ceil_ms),
            until: request.until.map_or(i64::MAX, ceil_ms),
            filter: request.filter.as_deref().filter(|f| !f.is_empty()).map(|f| Finder::new(f.as_bytes())),
            limit: if request.limit == 0 { PAGE } else { request.limit },
        }
    }

    /// The event of a row `id, grp, ts, message, stream` with its id, if it is one of those asked for.
    fn event(&self, row: &Row<'_>) -> Result<Option<(i64, LogEvent)>> {
        let ts: i64 = row.get(2).map_err(sql)?;
        if ts < self.since || ts >= self.until {
            return Ok(None);
        }
        let Some(group) = self.groups.get(&row.get(1).map_err(sql)?) else { return Ok(None) };
        let message = row.get_ref(3).map_err(sql)?.as_str().map_err(Error::storage)?;
        if self.filter.as_ref().is_some_and(|f| f.find(message.as_bytes()).is_none()) {
            return Ok(None);
        }
        let id: i64 = row.get(0).map_err(sql)?;
        let event = LogEvent {
            id: id.to_string(),
            timestamp: timestamp(ts),
            group: group.clone(),
            stream: row.get(4).map_err(sql)?,
            message: message.to_owned(),
        };
        Ok(Some((id, event)))
    }
}

/// The first millisecond that is not before `time`: rows hold whole ones.
fn ceil_ms(time: jiff::Timestamp) -> i64 {
    let floor = time.as_nanosecond().div_euclid(1_000_000) as i64;
    floor + i64::from(time.as_nanosecond().rem_euclid(1_000_000) > 0)
}

const COLUMNS: &str = "e.id, e.grp, e.ts, e.message, s.name";

fn newest_sql() -> String {
    format!(
        "select {COLUMNS} from log_events e cross join log_streams s on s.id = e.stream \
         where e.grp = ?1 and e.ts >= ?2 and e.ts < ?3 order by e.ts desc, e.id desc"
    )
}

/// The newest events: a cursor per group on the index by time, the newest head first.
fn newest(connection: &Connection, wanted: &Wanted<'_>, top: i64) -> Result<LogPage> {
    let text = newest_sql();
    let mut statements: Vec<Statement<'_>> =
        wanted.groups.keys().map(|_| connection.prepare(&text).map_err(sql)).collect::<Result<_>>()?;
    let mut cursors: Vec<Walk<'_>> = Vec::new();
    for (statement, group) in statements.iter_mut().zip(wanted.groups.keys()) {
        let rows = statement.query(params![group, wanted.since, wanted.until]).map_err(sql)?;
        let mut cursor = Walk { rows, head: None };
        cursor.advance(wanted)?;
        cursors.push(cursor);
    }
    let mut events = VecDeque::new();
    while events.len() < wanted.limit {
        let best = cursors.iter_mut().max_by_key(|c| c.head.as_ref().map(|(id, e)| (e.timestamp, *id)));
        let Some(cursor) = best else { break };
        let Some((_, event)) = cursor.head.take() else { break };
        events.push_front(event);
        cursor.advance(wanted)?;
    }
    Ok(page(events.into(), top, false))
}

/// A page; the next read begins after the event with the id `next`.
fn page(events: Vec<LogEvent>, next: i64, more: bool) -> LogPage {
    LogPage { events, next: Some(Cursor::new(next)), more, ..LogPage::default() }
}

/// Where the walk through one group is.
struct Walk<'a> {
    rows: Rows<'a>,
    head: Option<(i64, LogEvent)>,
}

impl Walk<'_> {
    fn advance(&mut self, wanted: &Wanted<'_>) -> Result<()> {
        self.head = None;
        while let Some(row) = self.rows.next().map_err(sql)? {
            if let Some(event) = wanted.event(row)? {
                self.head = Some(event);
                break;
            }
        }
        Ok(())
    }
}

fn arrived_sql(by_stream: bool, newest: bool) -> String {
    let order = if newest { "desc" } else { "asc" };
    let which = if by_stream { "e.stream = ?3 and" } else { "" };
    // A cross join keeps SQLite from starting with the streams, which would cost the order.
    format!(
        "select {COLUMNS} from log_events e cross join log_streams s on s.id = e.stream \
         where {which} e.id > ?1 and e.id <= ?2 order by e.id {order}"
    )
}

/// Events in the order of their arrival, after the last page.
fn arrived(connection: &Connection, wanted: &Wanted<'_>, request: &ReadLogs, top: i64) -> Result<LogPage> {
    let after: i64 = request.after.as_ref().map_or(Ok(0), |cursor| cursor.place().copied())?;
    let (mut low, mut high) = (after, top);
    let mut events = Vec::new();
    if let Some(stream) = &request.stream {
        // Several groups may have a stream of this name, and several streams begin so.
        for id in stream_ids(connection, wanted, stream)? {
            events.extend(scan(connection, wanted, request, params![low, high, id])?);
        }
    } else {
        if request.since.is_some() || request.until.is_some() {
            let (first, last) = id_range(connection, wanted)?;
            low = low.max(first - 1);
            high = high.min(last);
        }
        events = scan(connection, wanted, request, params![low, high])?;
    }
    events.sort_unstable_by_key(|(id, _)| *id);
    if request.newest {
        events.drain(..events.len().saturating_sub(wanted.limit));
    }
    let more = events.len() > wanted.limit;
    events.truncate(wanted.limit);
    // What lies beyond a page that was cut is still to be read.
    let next = events.last().filter(|_| more).map_or(top, |(id, _)| *id);
    events.sort_by_key(|(id, e)| (e.timestamp, *id));
    Ok(page(events.into_iter().map(|(_, event)| event).collect(), next, more))
}

/// Up to one event more than a page holds, which tells that there is more.
fn scan(
    connection: &Connection,
    wanted: &Wanted<'_>,
    request: &ReadLogs,
    values: &[&dyn ToSql],
) -> Result<Vec<(i64, LogEvent)>> {
    let text = arrived_sql(request.stream.is_some(), request.newest);
    let mut statement = connection.prepare_cached(&text).map_err(sql)?;
    let mut rows = statement.query(values).map_err(sql)?;
    let mut events = Vec::new();
    while events.len() <= wanted.limit {
        let Some(row) = rows.next().map_err(sql)? else { break };
        events.extend(wanted.event(row)?);
    }
    Ok(events)
}

fn stream_ids(connection: &Connection, wanted: &Wanted<'_>, name: &str) -> Result<Vec<i64>> {
    // GLOB's own signs in a name stand for themselves, and the star at the end for whatever follows.
    let prefix = name.strip_suffix('*');
    let glob = prefix.map(|prefix| prefix.replace('[', "[[]").replace('?', "[?]") + "*");
    let condition = if glob.is_some() { "name glob ?2" } else { "name = ?2" };
    let mut statement = connection
        .prepare_cached(&format!("select id from log_streams where grp = ?1 and {condition}"))
        .map_err(sql)?;
    let name = glob.as_deref().unwrap_or(name);
    let mut found = Vec::new();
    for group in wanted.groups.keys() {
        let rows = statement.query_map(params![group, name], |r| r.get(0)).map_err(sql)?;
        found.extend(rows.collect::<rusqlite::Result<Vec<i64>>>().map_err(sql)?);
    }
    Ok(found)
}

/// Between which ids the events of a time range lie, from the index alone.
fn id_range(connection: &Connection, wanted: &Wanted<'_>) -> Result<(i64, i64)> {
    let mut statement = connection
        .prepare_cached("select min(id), max(id) from log_events where grp = ?1 and ts >= ?2 and ts < ?3")
        .map_err(sql)?;
    let (mut first, mut last) = (i64::MAX, 0);
    for group in wanted.groups.keys() {
        let (low, high): (Option<i64>, Option<i64>) = statement
            .query_row(params![group, wanted.since, wanted.until], |r| Ok((r.get(0)?, r.get(1)?)))
            .map_err(sql)?;
        first = first.min(low.unwrap_or(i64::MAX));
        last = last.max(high.unwrap_or(0));
    }
    Ok((first, last))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cloud::resources::{self, Properties},
        local::testing,
    };

    fn put(local: &Local, group: &str, stream: &str, events: &[(i64, &str)]) {
        local.inner.store.write_now(|t| append(t, group, stream, events)).unwrap();
    }

    fn messages(page: &LogPage) -> Vec<&str> {
        page.events.iter().map(|e| e.message.as_str()).collect()
    }

    fn two_groups() -> (tempfile::TempDir, Local) {
        let (dir, local) = testing::local();
        let group = || Properties::LogGroup(resources::LogGroup { retention_days: 7 });
        testing::deploy(
            &local,
            &[testing::resource("a", group()), testing::resource("b", group()), testing::resource("empty", group())],
        );
        put(&local, "a", "one", &[(1_000, "first"), (4_000, "fourth")]);
        put(&local, "b", "two", &[(2_000, "second"), (3_000, "third [x]")]);
        put(&local, "a", "late", &[(1_500, "late")]);
        (dir, local)
    }

    #[tokio::test]
    async fn groups_are_counted() {
        let (_dir, local) = two_groups();
        let groups = local.groups().await.unwrap();
        let found: Vec<_> = groups.iter().map(|g| (g.name.as_str(), g.events, g.bytes, g.last_event)).collect();
        assert_eq!(
            found,
            [
                ("a", Some(3), Some(15), Some(timestamp(4_000))),
                ("b", Some(2), Some(15), Some(timestamp(3_000))),
                ("empty", Some(0), Some(0), None)
            ]
        );
    }

    #[tokio::test]
    async fn pages_merge_groups_in_order_of_time() {
        let (_dir, local) = two_groups();
        let all = local.read(&ReadLogs::default()).await.unwrap();
        assert_eq!(messages(&all), ["first", "late", "second", "third [x]", "fourth"]);
        assert!(!all.more);
        let newest = local.read(&ReadLogs { newest: true, limit: 3, ..ReadLogs::default() }).await.unwrap();
        assert_eq!(messages(&newest), ["second", "third [x]", "fourth"]);
        assert_eq!(newest.next.unwrap().place::<i64>(), Ok(&5));
        let range = ReadLogs {
            since: Some(timestamp(1_500)),
            until: Some(timestamp(3_000)),
            groups: vec!["a".into(), "b".into()],
            ..ReadLogs::default()
        };
        assert_eq!(messages(&local.read(&range).await.unwrap()), ["late", "second"]);
        let range = ReadLogs { newest: true, ..range };
        assert_eq!(messages(&local.read(&range).await.unwrap()), ["late", "second"]);
    }

    #[tokio::test]
    async fn reading_on_misses_nothing_and_repeats_nothing() {
        let (_dir, local) = two_groups();
        let mut request = ReadLogs { limit: 2, ..ReadLogs::default() };
        let mut seen = Vec::new();
        loop {
            let page = local.read(&request).await.unwrap();
            seen.extend(page.events.iter().map(|e| e.id.clone()));
            request.after = page.next;
            if !page.more {
                break;
            }
        }
        assert_eq!(seen, ["1", "2", "3", "4", "5"]);
        put(&local, "b", "two", &[(500, "old but new")]);
        let page = local.read(&request).await.unwrap();
        assert_eq!(messages(&page), ["old but new"]);
        request.after = page.next;
        assert_eq!(local.read(&request).await.unwrap().events, []);
        request.after = Some(Cursor::new("of another cloud"));
        assert!(matches!(local.read(&request).await, Err(Error::Invalid(_))));
    }

    #[tokio::test]
    async fn streams_filters_and_names_choose() {
        let (_dir, local) = two_groups();
        let read = async |r: ReadLogs| local.read(&r).await;
        let stream = ReadLogs { stream: Some("late".into()), ..ReadLogs::default() };
        assert_eq!(messages(&read(stream.clone()).await.unwrap()), ["late"]);
        let newest = ReadLogs { newest: true, groups: vec!["b".into()], ..stream.clone() };
        assert_eq!(read(newest).await.unwrap().events, []);
        put(&local, "b", "late", &[(100, "b's"), (6_000, "b's, later")]);
        assert_eq!(messages(&read(stream.clone()).await.unwrap()), ["b's", "late", "b's, later"]);
        let newest = ReadLogs { newest: true, limit: 2, ..stream.clone() };
        assert_eq!(messages(&read(newest).await.unwrap()), ["b's", "b's, later"]);
        let first = read(ReadLogs { limit: 1, ..stream.clone() }).await.unwrap();
        assert_eq!((messages(&first), first.more), (vec!["late"], true));
        let second = read(ReadLogs { limit: 2, after: first.next, ..stream }).await.unwrap();
        assert_eq!((messages(&second), second.more), (vec!["b's", "b's, later"], false));
        let several = ReadLogs { stream: Some("l*".into()), groups: vec!["a".into()], ..ReadLogs::default() };
        assert_eq!(messages(&read(several).await.unwrap()), ["late"]);
        let none = ReadLogs { stream: Some("[l]*".into()), ..ReadLogs::default() };
        assert_eq!(read(none).await.unwrap().events, []);
        let filter = ReadLogs { filter: Some("[x]".into()), ..ReadLogs::default() };
        assert_eq!(messages(&read(filter).await.unwrap()), ["third [x]"]);
        let empty = ReadLogs { groups: vec!["empty".into()], ..ReadLogs::default() };
        assert_eq!(read(empty).await.unwrap().events, []);
        let wrong = ReadLogs { groups: vec!["wrong".into()], ..ReadLogs::default() };
        assert_eq!(read(wrong).await, Err(Error::not_found("log group", "wrong")));
    }

    #[tokio::test]
    async fn removal_and_retention_keep_the_counts_right() {
        let (_dir, local) = two_groups();
        let expired = local.inner.store.write_now(|t| expire(t, "a", 1_500, 10)).unwrap();
        assert_eq!(expired, 1);
        local.inner.store.write_now(|t| remove_group(t, "b")).unwrap();
        assert_eq!(messages(&local.read(&ReadLogs::default()).await.unwrap()), ["late", "fourth"]);
        let groups = local.groups().await.unwrap();
        assert_eq!((groups[0].events, groups[0].bytes), (Some(2), Some(10)));
        assert_eq!(groups[1].events, Some(0));
    }

    #[test]
    fn reading_uses_the_indexes_and_sorts_nothing() {
        let (_dir, local) = two_groups();
        let plan = |text: &str, values: usize| {
            local
                .inner
                .store
                .read_now(|c| {
                    let mut statement = c.prepare(&format!("explain query plan {text}")).map_err(sql)?;
                    let values = vec![1_i64; values];
                    let rows = statement
                        .query_map(rusqlite::params_from_iter(values), |r| r.get::<_, String>(3))
                        .map_err(sql)?;
                    Ok(rows.map(|r| r.unwrap()).collect::<Vec<_>>().join("; "))
                })
                .unwrap()
        };
        let newest = plan(&newest_sql(), 3);
        assert!(newest.contains("log_events_by_time (grp=? AND ts>? AND ts<?)"), "{newest}");
        let arrived = plan(&arrived_sql(false, false), 2);
        assert!(arrived.contains("SEARCH e USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"), "{arrived}");
        let stream = plan(&arrived_sql(true, true), 3);
        assert!(stream.contains("log_events_by_stream (stream=? AND id>? AND id<?)"), "{stream}");
        let range = plan("select min(id), max(id) from log_events where grp = ?1 and ts >= ?2 and ts < ?3", 3);
        assert!(range.contains("COVERING INDEX log_events_by_time"), "{range}");
        for plan in [newest, arrived, stream] {
            assert!(!plan.contains("TEMP B-TREE"), "{plan}");
        }
    }

    #[test]
    fn a_text_beyond_the_limit_is_cut_between_characters() {
        let (_dir, local) = two_groups();
        put(&local, "a", "one", &[(5_000, &"é".repeat(MAX_EVENT))]);
        let length: i64 = local
            .inner
            .store
            .read_now(|c| {
                c.query_row("select max(length(cast(message as blob))) from log_events", [], |r| r.get(0)).map_err(sql)
            })
            .unwrap();
        assert!((MAX_EVENT as i64 - 1..=MAX_EVENT as i64).contains(&length));
    }
}
