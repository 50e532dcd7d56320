//! Queues: messages as rows, and how they come to functions.
//!
//! What a function is to be given of a queue becomes an invocation that waits (see [`super::pending`]), in the transaction
//! that marks the messages as received. As long as that invocation waits or is at work, also over the death of its process,
//! nobody else gets them; its end deletes what was dealt with. A message that failed is seen again when its time is up,
//! and after as many times as its queue says it goes to the dead-letter queue.

use std::collections::BTreeMap;

use async_trait::async_trait;
use rusqlite::{Connection, Transaction, params};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{
    Local,
    clock::timestamp,
    lookup::{self, Deployed},
    store::sql,
};
use crate::cloud::{
    Error, Pages, Permit, Result,
    events::{QueueRecord, messages as event_of},
    queues::{Queue, QueueMessage, Queues, Redriven, check_body},
    resources::{self, EventSourceMapping, Properties},
};

/// Batches of one queue that wait or are at work at once.
const BATCHES: usize = 8;
/// How long the tokens of messages are kept, on the wall clock: for a run that is taken up again much later.
const KEEP_TOKENS_MS: i64 = 30 * 24 * 3_600_000;
/// Messages that expire in one transaction.
const TRIM: usize = 1_000;

/// A message that no waiting invocation has.
const FREE: &str = "(pending is null or not exists (select 1 from pending where pending.id = queue_messages.pending))";

fn settings(deployed: &Deployed) -> Result<&resources::Queue> {
    match &deployed.resource.properties {
        Properties::Queue(queue) => Ok(queue),
        other => Err(Error::storage(format!("{} is stored as a {}", deployed.resource.physical_name, other.kind()))),
    }
}

/// Puts a message into a queue, unless its token was there before; its id.
pub(crate) fn insert(t: &Transaction<'_>, now_ms: i64, queue: &str, body: &str, token: Option<&str>) -> Result<String> {
    lookup::must_exist(t, "queue", queue)?;
    let Some(token) = token else {
        let id = uuid::Uuid::new_v4().to_string();
        insert_row(t, now_ms, queue, body, &id)?;
        return Ok(id);
    };
    // The same each time.
    let digest: [u8; 32] = Sha256::digest(format!("{queue}\n{token}")).into();
    let id = uuid::Uuid::from_slice(digest.get(..16).unwrap_or_default()).map_err(Error::storage)?.to_string();
    let fresh = t
        .prepare_cached("insert or ignore into queue_tokens (queue, token, since) values (?1, ?2, ?3)")
        .and_then(|mut s| s.execute(params![queue, token, jiff::Timestamp::now().as_millisecond()]))
        .map_err(sql)?;
    if fresh > 0 {
        insert_row(t, now_ms, queue, body, &id)?;
    }
    Ok(id)
}

fn insert_row(t: &Transaction<'_>, now_ms: i64, queue: &str, body: &str, id: &str) -> Result<()> {
    t.prepare_cached("insert into queue_messages (queue, message_id, body, sent, visible) values (?1, ?2, ?3, ?4, ?4)")
        .and_then(|mut s| s.execute(params![queue, id, body, now_ms]))
        .map_err(sql)?;
    t.prepare_cached(
        "insert into queue_totals (queue, sent) values (?1, 1) on conflict (queue) do update set sent = sent + 1",
    )
    .and_then(|mut s| s.execute([queue]))
    .map_err(sql)?;
    Ok(())
}

/// How the messages of a batch ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BatchEnd {
    /// Messages that will be seen again.
    pub(crate) again: usize,
    /// Messages that were received for the last time.
    pub(crate) dead: usize,
    /// Why they failed.
    pub(crate) error: Option<String>,
}

/// Ends a batch in the transaction that ends its invocation `pending`: what was dealt with goes, the rest is seen again.
pub(crate) fn end_batch(
    t: &Transaction<'_>,
    (queue, pending): (&str, i64),
    payload: &Value,
    error: Option<&str>,
) -> Result<BatchEnd> {
    let given: Vec<(i64, String, u32)> = t
        .prepare_cached("select id, message_id, receives from queue_messages where pending = ?1 order by id")
        .and_then(|mut s| s.query_map([pending], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)))?.collect())
        .map_err(sql)?;
    let failed = match error {
        Some(_) => None,
        None => failures(payload, &given.iter().map(|(_, id, _)| id.as_str()).collect::<Vec<_>>()),
    };
    let most = lookup::find(t, "queue", queue)?
        .and_then(|d| settings(&d).ok().and_then(|q| q.redrive.as_ref().map(|r| r.max_receives)));
    let mut end = BatchEnd { again: 0, dead: 0, error: error.map(str::to_owned) };
    for (id, message, receives) in given {
        if failed.as_ref().is_some_and(|failed| !failed.contains(&message)) {
            t.prepare_cached("delete from queue_messages where id = ?1")
                .and_then(|mut s| s.execute([id]))
                .map_err(sql)?;
            continue;
        }
        let why = error.unwrap_or("the function answered that it failed on this message: its log says why");
        end.error.get_or_insert_with(|| why.to_owned());
        t.prepare_cached("update queue_messages set pending = null, error = ?2 where id = ?1")
            .and_then(|mut s| s.execute(params![id, why]))
            .map_err(sql)?;
        if most.is_some_and(|most| receives >= most) { end.dead += 1 } else { end.again += 1 }
    }
    Ok(end)
}

/// The messages that a function's answer names as failed, as AWS Lambda reads it; none means all, since the answer makes no
/// sense.
fn failures(payload: &Value, given: &[&str]) -> Option<Vec<String>> {
    let Some(list) = payload.get("batchItemFailures").filter(|l| !l.is_null()) else { return Some(Vec::new()) };
    let id = |item: &Value| {
        item.get("itemIdentifier").and_then(Value::as_str).filter(|id| given.contains(id)).map(str::to_owned)
    };
    list.as_array()?.iter().map(id).collect()
}

/// A deployed mapping, with what its queue is.
struct Source {
    mapping: EventSourceMapping,
    queue: resources::Queue,
}

fn sources(connection: &Connection, only: Option<&[String]>) -> Result<Vec<Source>> {
    let mut found = Vec::new();
    for deployed in lookup::all(connection, "event_source_mapping")? {
        let Properties::EventSourceMapping(mapping) = deployed.resource.properties else { continue };
        if only.is_some_and(|only| !only.contains(&mapping.function)) {
            continue;
        }
        if let Some(queue) = lookup::find(connection, "queue", &mapping.queue)? {
            found.push(Source { queue: settings(&queue)?.clone(), mapping });
        }
    }
    Ok(found)
}

/// When the next message of a queue may be received, as far as nobody has it; `i64::MAX` as `due` asks for all.
fn next_visible(connection: &Connection, queue: &str) -> Result<Option<i64>> {
    connection
        .prepare_cached(&format!("select min(visible) from queue_messages where queue = ?1 and {FREE}"))
        .and_then(|mut s| s.query_row([queue], |r| r.get(0)))
        .map_err(sql)
}

impl Source {
    /// Moves what was received for the last time, and makes invocations of what is due.
    fn take(&self, t: &Transaction<'_>, now_ms: i64, due: i64) -> Result<()> {
        let queue = &self.mapping.queue;
        if let Some(redrive) = &self.queue.redrive {
            t.prepare_cached(&format!(
                "update queue_messages set queue = ?2, origin = ?1, visible = ?3, moves = moves + 1, pending = null \
                 where queue = ?1 and visible <= ?4 and receives >= ?5 and {FREE}"
            ))
            .and_then(|mut s| s.execute(params![queue, redrive.dead_letter, now_ms, due, redrive.max_receives]))
            .map_err(sql)?;
        }
        let waiting: usize = t
            .prepare_cached("select count(*) from pending where queue = ?1")
            .and_then(|mut s| s.query_row([queue], |r| r.get(0)))
            .map_err(sql)?;
        for _ in waiting..BATCHES {
            if !self.take_batch(t, now_ms, due)? {
                break;
            }
        }
        Ok(())
    }

    fn take_batch(&self, t: &Transaction<'_>, now_ms: i64, due: i64) -> Result<bool> {
        let EventSourceMapping { queue, function, batch_size } = &self.mapping;
        let visible = now_ms + i64::from(self.queue.visibility_seconds) * 1_000;
        let mut given: Vec<Given> = t
            .prepare_cached(&format!(
                "update queue_messages set receives = receives + 1, first_received = coalesce(first_received, ?3), \
                 visible = ?4 where id in (select id from queue_messages where queue = ?1 and visible <= ?2 and {FREE} \
                 order by id limit ?5) returning id, message_id, body, sent, receives, first_received, moves"
            ))
            .and_then(|mut s| s.query_map(params![queue, due, now_ms, visible, batch_size], given)?.collect())
            .map_err(sql)?;
        if given.is_empty() {
            return Ok(false);
        }
        given.sort_unstable_by_key(|g| g.id);
        let event = event_of(given.iter().map(|g| g.record(queue)));
        t.prepare_cached(
            "insert into pending (function, event, request_id, not_before, created, queue) values (?1, ?2, ?3, ?4, ?4, ?5)",
        )
        .and_then(|mut s| {
            s.execute(params![function, event.to_string(), request_id(&given), now_ms, queue])
        })
        .map_err(sql)?;
        let pending = t.last_insert_rowid();
        for one in &given {
            t.prepare_cached("update queue_messages set pending = ?2 where id = ?1")
                .and_then(|mut s| s.execute(params![one.id, pending]))
                .map_err(sql)?;
        }
        Ok(true)
    }
}

/// A message that a function is given.
struct Given {
    id: i64,
    message: String,
    body: String,
    sent: i64,
    receives: i64,
    first_received: i64,
    moves: i64,
}

fn given(row: &rusqlite::Row<'_>) -> rusqlite::Result<Given> {
    Ok(Given {
        id: row.get(0)?,
        message: row.get(1)?,
        body: row.get(2)?,
        sent: row.get(3)?,
        receives: row.get(4)?,
        first_received: row.get(5)?,
        moves: row.get(6)?,
    })
}

impl Given {
    /// As AWS Lambda hands it on.
    fn record<'a>(&'a self, queue: &'a str) -> QueueRecord<'a> {
        QueueRecord {
            queue,
            id: &self.message,
            body: &self.body,
            receives: self.receives,
            sent_ms: self.sent,
            first_received_ms: self.first_received,
        }
    }
}

/// The same for the same messages: what an attempt has written is not written again by the next. What came back from a
/// dead-letter queue is begun anew.
fn request_id(given: &[Given]) -> String {
    let mut digest = Sha256::new();
    for one in given {
        digest.update(format!("{} {}\n", one.message, one.moves));
    }
    let digest = hex::encode(digest.finalize());
    format!("sqs-{}", digest.get(..32).unwrap_or(&digest))
}

impl Local {
    /// Makes invocations of the messages that are due, for the functions named or for all; `early`, also of those that
    /// would be seen later. Returns when the next is due.
    pub(crate) fn receive_messages(&self, only: Option<&[String]>, early: bool) -> Result<Option<i64>> {
        let store = &self.inner.store;
        let now_ms = self.inner.clock.now_ms();
        let due = if early { i64::MAX } else { now_ms };
        let sources = store.read_now(|c| sources(c, only))?;
        let mut next: Option<i64> = None;
        for source in sources {
            let queue = &source.mapping.queue;
            // Most of the time there is nothing, which is told without a writer's turn.
            if store.read_now(|c| next_visible(c, queue))?.is_some_and(|at| at <= due) {
                store.write_now(|t| source.take(t, now_ms, due))?;
            }
            // What is due and waits for a batch to end is looked at when one has: that is news.
            let later = store.read_now(|c| next_visible(c, queue))?.filter(|at| *at > due);
            next = next.into_iter().chain(later).min();
        }
        Ok(next)
    }

    /// Removes messages that are past their retention, and old tokens. Writes nothing where there is nothing.
    pub(crate) fn trim_queues(&self) -> Result<usize> {
        let store = &self.inner.store;
        let now_ms = self.inner.clock.now_ms();
        let mut trimmed = 0;
        for queue in store.read_now(|c| lookup::all(c, "queue"))? {
            let name = &queue.resource.physical_name;
            let before = now_ms - i64::from(settings(&queue)?.retention_seconds) * 1_000;
            let any = format!("select exists (select 1 from queue_messages where queue = ?1 and sent < ?2 and {FREE})");
            let any = |c: &Connection| {
                c.prepare_cached(&any).and_then(|mut s| s.query_row(params![name, before], |r| r.get(0))).map_err(sql)
            };
            while store.read_now(any)? {
                trimmed += store.write_now(|t| {
                    t.execute(
                        &format!(
                            "delete from queue_messages where id in (select id from queue_messages \
                             where queue = ?1 and sent < ?2 and {FREE} limit ?3)"
                        ),
                        params![name, before, TRIM],
                    )
                    .map_err(sql)
                })?;
            }
        }
        let old = jiff::Timestamp::now().as_millisecond() - KEEP_TOKENS_MS;
        let any = |c: &Connection| {
            c.query_row("select exists (select 1 from queue_tokens where since < ?1)", [old], |r| r.get(0)).map_err(sql)
        };
        if store.read_now(any)? {
            store.write_now(|t| t.execute("delete from queue_tokens where since < ?1", [old]).map_err(sql))?;
        }
        Ok(trimmed)
    }
}

fn list(connection: &Connection, now_ms: i64) -> Result<Vec<Queue>> {
    let all = lookup::all(connection, "queue")?;
    let mut sources: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for queue in &all {
        if let Some(redrive) = &settings(queue)?.redrive {
            sources.entry(redrive.dead_letter.clone()).or_default().push(queue.resource.physical_name.clone());
        }
    }
    let mut count = connection
        .prepare_cached(&format!(
            "select coalesce(sum(visible <= ?2 and {FREE}), 0), count(*), \
             coalesce((select sent from queue_totals where queue = ?1), 0) from queue_messages where queue = ?1"
        ))
        .map_err(sql)?;
    all.into_iter()
        .map(|deployed| {
            let name = deployed.resource.physical_name.clone();
            let queue = settings(&deployed)?;
            let (visible, all, sent): (u64, u64, u64) =
                count.query_row(params![name, now_ms], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?))).map_err(sql)?;
            Ok(Queue {
                pipeline: deployed.pipeline.clone(),
                visible: Some(visible),
                in_flight: Some(all - visible),
                delayed: Some(0),
                sent: Some(sent),
                visibility_seconds: Some(queue.visibility_seconds),
                retention_seconds: Some(queue.retention_seconds),
                dead_letter: queue.redrive.as_ref().map(|r| r.dead_letter.clone()),
                max_receives: queue.redrive.as_ref().map(|r| r.max_receives),
                dead_letters_of: sources.remove(&name).unwrap_or_default(),
                name,
            })
        })
        .collect()
}

fn messages(connection: &Connection, queue: &str, limit: usize) -> Result<Vec<QueueMessage>> {
    lookup::must_exist(connection, "queue", queue)?;
    connection
        .prepare_cached(
            "select message_id, sent, receives, error, body, origin from queue_messages where queue = ?1 \
             order by id limit ?2",
        )
        .and_then(|mut s| {
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            s.query_map(params![queue, limit], |r| {
                let origin: Option<String> = r.get(5)?;
                Ok(QueueMessage {
                    id: r.get(0)?,
                    sent: Some(timestamp(r.get(1)?)),
                    receives: Some(r.get(2)?),
                    error: r.get(3)?,
                    body: r.get(4)?,
                    attributes: origin.map(|o| ("DeadLetterQueueSource".to_owned(), o)).into_iter().collect(),
                })
            })?
            .collect()
        })
        .map_err(sql)
}

/// Gives dead letters back to the queues that they come from; how many.
fn redrive(t: &Transaction<'_>, now_ms: i64, queue: &str) -> Result<usize> {
    lookup::must_exist(t, "queue", queue)?;
    let mut sources = Vec::new();
    for deployed in lookup::all(t, "queue")? {
        if settings(&deployed)?.redrive.as_ref().is_some_and(|r| r.dead_letter == queue) {
            sources.push(deployed.resource.physical_name);
        }
    }
    let Some(first) = sources.first() else {
        return Err(Error::Invalid(format!("{queue} holds nobody's dead letters: name a dead-letter queue")));
    };
    // What was sent to it by hand goes to the first of those whose dead letters it holds.
    t.execute(
        &format!(
            "update queue_messages set queue = case when origin in (select value from json_each(?2)) then origin \
             else ?3 end, origin = null, visible = ?4, receives = 0, first_received = null, moves = moves + 1, \
             pending = null, error = null where queue = ?1 and {FREE}"
        ),
        params![queue, json!(sources).to_string(), first, now_ms],
    )
    .map_err(sql)
}

#[async_trait]
impl Queues for Local {
    fn list(&self) -> Pages<'_, Queue> {
        Pages::once(async move {
            let now_ms = self.inner.clock.now_ms();
            self.inner.store.read(move |c| list(c, now_ms)).await
        })
    }

    async fn messages(&self, queue: &str, limit: usize) -> Result<Vec<QueueMessage>> {
        let queue = queue.to_owned();
        self.inner.store.read(move |c| messages(c, &queue, limit)).await
    }

    async fn send(&self, permit: &Permit, queue: &str, body: &str) -> Result<String> {
        permit.check("sqs:SendMessage", queue)?;
        check_body(body)?;
        let (queue, body, token) = (queue.to_owned(), body.to_owned(), permit.next_token());
        let clock = self.inner.clock.clone();
        self.inner.store.write(move |t| insert(t, clock.now_ms(), &queue, &body, token.as_deref())).await
    }

    async fn redrive(&self, permit: &Permit, queue: &str) -> Result<Redriven> {
        permit.check("sqs:StartMessageMoveTask", queue)?;
        let (queue, clock) = (queue.to_owned(), self.inner.clock.clone());
        let moved = self.inner.store.write(move |t| redrive(t, clock.now_ms(), &queue)).await?;
        Ok(Redriven { moved: Some(moved as u64), status: "COMPLETED".into() })
    }
}

#[cfg(test)]
#[path = "queues_tests.rs"]
mod tests;
