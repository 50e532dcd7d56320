//! What an invocation leaves behind, committed together.

use std::collections::BTreeMap;

use rusqlite::{Transaction, params};

use super::super::{
    logs,
    queues::{self, BatchEnd},
    store::sql,
};
use crate::cloud::{Result, functions::Invocation};

pub(super) fn append(t: &Transaction<'_>, group: &str, stream: &str, lines: &[(i64, String)]) -> Result<()> {
    let events: Vec<(i64, &str)> = lines.iter().map(|(ms, text)| (*ms, text.as_str())).collect();
    logs::append(t, group, stream, &events)
}

/// What an invocation leaves behind.
pub(super) struct End {
    pub(super) invocation: Invocation,
    pub(super) started_ms: i64,
    pub(super) now_ms: i64,
    pub(super) created: i64,
    pub(super) log_group: String,
    pub(super) log_stream: String,
    pub(super) lines: Vec<(i64, String)>,
    pub(super) steps: BTreeMap<String, u64>,
    pub(super) waiting: Option<(i64, u32)>,
    pub(super) queue: Option<String>,
    pub(super) retry: bool,
}

impl End {
    pub(super) fn store(&self, t: &Transaction<'_>) -> Result<Option<BatchEnd>> {
        let done = &self.invocation;
        append(t, &self.log_group, &self.log_stream, &self.lines)?;
        t.prepare_cached(
            "insert into invocations (request_id, function, started, duration_ms, error, records_in, records_out) \
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )
        .and_then(|mut s| {
            s.execute(params![
                done.request_id,
                done.function,
                self.started_ms,
                done.duration_ms as i64,
                done.error,
                done.records_in.unwrap_or(0) as i64,
                done.records_out.unwrap_or(0) as i64
            ])
        })
        .map_err(sql)?;
        self.count(t)?;
        for (source, step) in &self.steps {
            t.prepare_cached(
                "insert into source_steps (function, source, step) values (?1, ?2, ?3) \
                 on conflict (function, source) do update set step = excluded.step",
            )
            .and_then(|mut s| s.execute(params![done.function, source, *step as i64]))
            .map_err(sql)?;
        }
        match self.waiting {
            Some((id, failed)) if self.retry => {
                // One minute before the second attempt, two before the third.
                let not_before = self.now_ms + 60_000 * i64::from(failed + 1);
                t.execute(
                    "update pending set attempts = ?2, not_before = ?3, process = null where id = ?1",
                    params![id, failed + 1, not_before],
                )
                .map_err(sql)?;
            }
            Some((id, _)) => {
                let batch = match &self.queue {
                    Some(queue) => Some(queues::end_batch(t, (queue, id), &done.payload, done.error.as_deref())?),
                    None => None,
                };
                t.execute("delete from pending where id = ?1", [id]).map_err(sql)?;
                return Ok(batch);
            }
            None => {}
        }
        Ok(None)
    }

    /// Adds to the function's totals. What an attempt wrote that is made again is counted with the last one: the cloud
    /// does not store it twice either.
    fn count(&self, t: &Transaction<'_>) -> Result<()> {
        let done = &self.invocation;
        let counted = |records: Option<u64>| if self.retry { 0 } else { records.unwrap_or(0) };
        let (records_in, records_out) = (counted(done.records_in), counted(done.records_out));
        t.prepare_cached("delete from function_totals where function = ?1 and since <> ?2")
            .and_then(|mut s| s.execute(params![done.function, self.created]))
            .map_err(sql)?;
        t.prepare_cached(
            "insert into function_totals (function, since, invocations, errors, records_in, records_out, last_invoked, \
             last_error) values (?1, ?2, 1, ?3, ?4, ?5, ?6, ?7) on conflict (function) do update set \
             invocations = invocations + 1, errors = errors + excluded.errors, \
             records_in = records_in + excluded.records_in, records_out = records_out + excluded.records_out, \
             last_invoked = excluded.last_invoked, last_error = excluded.last_error",
        )
        .and_then(|mut s| {
            s.execute(params![
                done.function,
                self.created,
                i64::from(done.error.is_some()),
                records_in as i64,
                records_out as i64,
                self.started_ms,
                done.error
            ])
        })
        .map_err(sql)?;
        Ok(())
    }
}
