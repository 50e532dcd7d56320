//! Pages of events, by time or by arrival.

use std::collections::{BTreeMap, VecDeque};

use memchr::memmem::Finder;
use rusqlite::{Connection, Row, Rows, Statement, ToSql, params};

use super::{
    super::{clock::timestamp, lookup, store::sql},
    group_id,
};
use crate::cloud::{
    Error, Result,
    logs::{Cursor, LogEvent, LogPage, ReadLogs},
};

/// Events in a page unless the request names a number.
const PAGE: usize = 10_000;

/// One page. All statements see the same state, so no event can slip in between what was read and `next`.
pub(super) fn read(connection: &Connection, request: &ReadLogs) -> Result<LogPage> {
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

pub(super) fn newest_sql() -> String {
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

pub(super) fn arrived_sql(by_stream: bool, newest: bool) -> String {
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
