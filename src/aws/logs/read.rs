//! Reading events with `FilterLogEvents`: a chain of calls for each group, merged, and once all is read looked for again.

use std::{sync::Arc, time::Duration};

use aws_sdk_cloudwatchlogs::types::FilteredLogEvent;
use futures::{StreamExt, stream};
use jiff::Timestamp;

use super::{
    Stream, holds,
    live::Session,
    merge::{Group, merge},
    pattern,
    seen::key,
};
use crate::{
    aws::{Aws, error::failed},
    cloud::{
        Error, Result,
        logs::{Cursor, Live, LogEvent, LogPage, Logs, ReadLogs},
    },
};

/// Events in a page unless the request names a number, and what AWS gives at most in one answer.
const PAGE: usize = 10_000;
/// Calls at once.
const CALLS: usize = 8;
/// How long to wait before looking again; longer for many groups: AWS allows some ten calls a second.
const LOOK: Duration = Duration::from_secs(2);
/// AWS reads newest first only from here on: 2024-01-01, in milliseconds.
const NEWEST_FROM: i64 = 1_704_067_200_000;

/// Where a read is. Cheap to clone: a page is read on from as often as somebody wants to.
#[derive(Debug, Clone)]
pub(super) struct Position {
    pub(super) groups: Vec<Group>,
    /// Live tail, where it goes on.
    pub(super) session: Option<Arc<Session>>,
    /// Whether one more look is due, for what arrived while live tail was opened.
    pub(super) catching_up: bool,
    /// Why there is no live tail although it was asked for.
    pub(super) off: Option<String>,
}

/// One answer of a group.
struct Answer {
    events: Vec<FilteredLogEvent>,
    token: Option<String>,
}

impl Aws {
    pub(super) async fn read_logs(&self, request: &ReadLogs) -> Result<LogPage> {
        let mut position = match &request.after {
            Some(cursor) => cursor.place::<Position>()?.clone(),
            None => self.begin(request).await?,
        };
        if !request.live {
            position.session = None;
            position.off = None;
        }
        if let Some(session) = position.session.clone().filter(|_| !position.catching_up) {
            match session.next(request, &mut position.groups).await {
                Ok((events, sampled)) => {
                    let live = Some(Live::On { sampled });
                    let next = Some(Cursor::new(position));
                    return Ok(LogPage { events, next, more: true, live, ..LogPage::default() });
                }
                Err(why) => {
                    position.session = None;
                    position.off = Some(why);
                }
            }
        }
        let mut page = if request.newest && request.after.is_none() {
            self.newest(request, &mut position).await?
        } else {
            self.forward(request, &mut position).await?
        };
        if request.live {
            self.go_live(request, &mut position, &mut page).await;
        }
        let calls = position.groups.len().div_ceil(CALLS);
        page.again = Some(LOOK * u32::try_from(calls).unwrap_or(1).max(1));
        page.next = Some(Cursor::new(position));
        Ok(page)
    }

    async fn begin(&self, request: &ReadLogs) -> Result<Position> {
        let names = if request.groups.is_empty() {
            self.groups().await?.into_iter().map(|g| g.name).collect()
        } else {
            request.groups.clone()
        };
        let floor = request.since.map(ceil_ms);
        let groups = names.into_iter().map(|name| Group::new(name, floor)).collect();
        Ok(Position { groups, session: None, catching_up: false, off: None })
    }

    /// Opens live tail once everything is read.
    async fn go_live(&self, request: &ReadLogs, position: &mut Position, page: &mut LogPage) {
        if page.more {
            return;
        }
        if position.session.is_some() {
            // Nothing was lost between the last look and the opening: now events are sent.
            position.catching_up = false;
            page.more = true;
        } else if position.off.is_none() {
            match self.open_session(request, &position.groups).await {
                Ok(session) => {
                    position.session = Some(Arc::new(session));
                    position.catching_up = true;
                    page.more = true;
                }
                Err(error) => position.off = Some(error.to_string()),
            }
        }
        page.live = Some(match &position.off {
            Some(why) => Live::Off { why: why.clone() },
            None => Live::On { sampled: false },
        });
    }

    /// The next events in order of time; when all has been read, a look for what has arrived since.
    async fn forward(&self, request: &ReadLogs, position: &mut Position) -> Result<LogPage> {
        let limit = if request.limit == 0 { PAGE } else { request.limit };
        let groups = &mut position.groups;
        if request.after.is_some() && !groups.iter().any(Group::more) {
            let now = Timestamp::now().as_millisecond();
            for group in groups.iter_mut() {
                group.again(now);
            }
        }
        let mut page = LogPage::default();
        while page.events.len() < limit && groups.iter().any(Group::more) {
            if groups.iter().any(Group::hungry) {
                // What is there is shown before more is waited for.
                if !page.events.is_empty() {
                    break;
                }
                self.fill(request, groups, &mut page).await?;
            }
            merge(groups, limit, &mut page.events);
        }
        page.more = groups.iter().any(Group::more);
        Ok(page)
    }

    /// The next page of each group that needs one.
    async fn fill(&self, request: &ReadLogs, groups: &mut [Group], page: &mut LogPage) -> Result<()> {
        // Pages of many groups are held at once.
        let each = (2 * PAGE / groups.len().max(1)).clamp(100, PAGE);
        let calls: Vec<_> = groups
            .iter()
            .enumerate()
            .filter(|(_, group)| group.hungry())
            .map(|(n, group)| (n, group.name.clone(), group.start, group.token.clone()))
            .collect();
        let mut answers =
            stream::iter(calls)
                .map(|(n, name, start, token)| async move {
                    (n, self.filter(request, &name, start, token, each, true).await)
                })
                .buffer_unordered(CALLS);
        while let Some((n, answer)) = answers.next().await {
            match answer {
                Ok(answer) => {
                    let Some(group) = groups.get_mut(n) else { continue };
                    let events = fresh(group, answer.events, request);
                    group.take(events, answer.token);
                }
                Err(error) => give_up(groups, n, error, page)?,
            }
        }
        Ok(())
    }

    /// The newest events of all groups.
    async fn newest(&self, request: &ReadLogs, position: &mut Position) -> Result<LogPage> {
        let limit = if request.limit == 0 { PAGE } else { request.limit };
        let names: Vec<_> = position.groups.iter().map(|group| group.name.clone()).enumerate().collect();
        let mut answers = stream::iter(names)
            .map(|(n, name)| async move { (n, self.newest_of(request, &name, limit).await) })
            .buffer_unordered(CALLS);
        let mut page = LogPage::default();
        while let Some((n, answer)) = answers.next().await {
            let (events, whole) = match answer {
                Ok(found) => found,
                Err(error) => {
                    give_up(&mut position.groups, n, error, &mut page)?;
                    continue;
                }
            };
            let Some(group) = position.groups.get_mut(n) else { continue };
            group.done = true;
            if let Some(oldest) = events.first().and_then(|e| e.timestamp).filter(|_| !whole) {
                // What is older was not asked for, and must not look like something that arrived late.
                group.floor = Some(oldest + 1);
            }
            page.events.extend(fresh(group, events, request));
        }
        page.events.sort_by_key(|e| e.timestamp);
        page.events.drain(..page.events.len().saturating_sub(limit));
        Ok(page)
    }

    /// The newest events of one group, oldest first, and whether these are all that are wanted.
    async fn newest_of(&self, request: &ReadLogs, group: &str, limit: usize) -> Result<(Vec<FilteredLogEvent>, bool)> {
        let start = Some(request.since.map_or(NEWEST_FROM, |s| ceil_ms(s).max(NEWEST_FROM)));
        let mut events: Vec<FilteredLogEvent> = Vec::new();
        let mut token = None;
        // Not every cloud that answers like AWS can read backwards: then all is read, and the end kept. One that was given
        // by its address is asked for whole pages, since some give no token where a smaller limit cuts.
        let whole_pages = self.client.config().await?.endpoint_url().is_some();
        let (mut forward, mut cut) = (false, false);
        loop {
            let left = if forward || whole_pages { PAGE } else { limit.saturating_sub(events.len()) };
            let answer = self.filter(request, group, start, token, left.clamp(1, PAGE), false).await?;
            forward |= answer.events.first().map(|e| e.timestamp) < answer.events.last().map(|e| e.timestamp);
            events.extend(answer.events);
            if forward && events.len() > limit {
                events.drain(..events.len() - limit);
                cut = true;
            }
            token = answer.token;
            if token.is_none() || (!forward && events.len() >= limit) {
                break;
            }
        }
        if !forward {
            cut |= events.len() > limit;
            events.truncate(limit);
            events.reverse();
        }
        Ok((events, token.is_none() && !cut))
    }

    async fn filter(
        &self,
        request: &ReadLogs,
        group: &str,
        start: Option<i64>,
        token: Option<String>,
        limit: usize,
        from_head: bool,
    ) -> Result<Answer> {
        let mut call = self.client.logs().await?.filter_log_events().log_group_name(group);
        call = match Stream::of(request) {
            Some(Stream::Named(name)) => call.log_stream_names(name),
            Some(Stream::Prefix(prefix)) => call.log_stream_name_prefix(prefix),
            None => call,
        };
        if !from_head {
            call = call.start_from_head(false);
        }
        let answer = call
            .set_start_time(start)
            // AWS includes the end.
            .set_end_time(request.until.map(|until| ceil_ms(until) - 1))
            .set_filter_pattern(pattern(request))
            .set_next_token(token)
            .set_limit(i32::try_from(limit).ok())
            .send()
            .await
            .map_err(failed("logs:FilterLogEvents", "log group", group))?;
        Ok(Answer { events: answer.events.unwrap_or_default(), token: answer.next_token })
    }
}

/// Leaves a group out that cannot be read; what may be better in a moment, or is the only group, fails as a whole.
fn give_up(groups: &mut [Group], n: usize, error: Error, page: &mut LogPage) -> Result<()> {
    let passes = matches!(
        error,
        Error::Throttled(_) | Error::Unavailable(_) | Error::Credentials(_) | Error::Conflict(_) | Error::Cancelled
    );
    if passes || groups.iter().filter(|group| !group.failed).count() <= 1 {
        return Err(error);
    }
    if let Some(group) = groups.get_mut(n) {
        group.fail();
        page.failed.push((group.name.clone(), error));
    }
    Ok(())
}

/// Those events of a group that were not seen before.
fn fresh(group: &mut Group, events: Vec<FilteredLogEvent>, request: &ReadLogs) -> Vec<LogEvent> {
    let mut found = Vec::with_capacity(events.len());
    for event in events {
        let Some(time) = event.timestamp else { continue };
        let Ok(timestamp) = Timestamp::from_millisecond(time) else { continue };
        let stream = event.log_stream_name.unwrap_or_default();
        let message = event.message.unwrap_or_default();
        let contents = key(&(&stream, &message, event.ingestion_time));
        let id = event.event_id.unwrap_or_default();
        let unique = if id.is_empty() { contents } else { key(&id) };
        if !group.seen.add(time, unique) || group.sent.has(time, contents) || !holds(request, &message) {
            continue;
        }
        if request.live {
            group.polled.add(time, contents);
        }
        // A line's end is part of what programs print, not of what they say.
        let message = message.strip_suffix('\n').map(str::to_owned).unwrap_or(message);
        found.push(LogEvent { id, timestamp, group: group.name.clone(), stream, message });
    }
    found
}

/// The first millisecond that is not before `time`: AWS knows whole ones.
fn ceil_ms(time: Timestamp) -> i64 {
    let floor = time.as_millisecond();
    floor + i64::from(Timestamp::from_millisecond(floor).is_ok_and(|t| t < time))
}
