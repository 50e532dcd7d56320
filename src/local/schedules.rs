//! Schedules: when each is due next, and what happens then.

use rusqlite::{Transaction, params};

use super::{clock::timestamp, store::sql};
use crate::cloud::{Error, Result, resources, schedule::Schedule};

/// Sets when a schedule is due next, from `now_ms` on.
pub(crate) fn arm(t: &Transaction<'_>, name: &str, schedule: &resources::Schedule, now_ms: i64) -> Result<()> {
    let parsed = Schedule::parse(&schedule.expression)
        .map_err(|e| Error::invalid(format!("schedule {name}: {:?}: {e}", schedule.expression)))?;
    match parsed.next_after(timestamp(now_ms)) {
        Some(next) => t
            .prepare_cached(
                "insert into schedules values (?1, ?2) on conflict (name) do update set next_fire = excluded.next_fire",
            )
            .map_err(sql)?
            .execute(params![name, next.as_millisecond()])
            .map_err(sql)?,
        None => disarm(t, name)?,
    };
    Ok(())
}

/// Forgets a schedule.
pub(crate) fn disarm(t: &Transaction<'_>, name: &str) -> Result<usize> {
    t.prepare_cached("delete from schedules where name = ?1").map_err(sql)?.execute([name]).map_err(sql)
}
