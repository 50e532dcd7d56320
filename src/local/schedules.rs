//! Schedules: when each is due next, and what happens then.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::{
    Local,
    clock::timestamp,
    lookup::{self, Deployed},
    store::sql,
};
use crate::cloud::{
    Error, Result,
    events::scheduled,
    resources::{self, Properties, ScheduleTarget},
    schedule::Schedule,
};

/// The expression of the schedule that starts `target`, among the deployed ones, and when it is due next.
pub(crate) fn of(
    connection: &Connection,
    schedules: &[Deployed],
    target: &ScheduleTarget,
) -> Result<(Option<String>, Option<Timestamp>)> {
    let found = schedules.iter().find_map(|d| match &d.resource.properties {
        Properties::Schedule(s) if s.target == *target => Some((&d.resource.physical_name, s.expression.clone())),
        _ => None,
    });
    let Some((name, expression)) = found else { return Ok((None, None)) };
    let next: Option<i64> = connection
        .prepare_cached("select next_fire from schedules where name = ?1")
        .and_then(|mut s| s.query_row([name], |r| r.get(0)).optional())
        .map_err(sql)?;
    Ok((Some(expression), next.map(timestamp)))
}

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

/// What came of a look at the schedules.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Fired {
    /// Jobs to start, each with the schedule that does.
    pub(crate) jobs: Vec<(String, String)>,
    /// Crawlers to start, in the same way.
    pub(crate) crawlers: Vec<(String, String)>,
    /// When the next schedule is due.
    pub(crate) next_ms: Option<i64>,
}

fn next(connection: &Connection) -> Result<Option<i64>> {
    connection
        .prepare_cached("select min(next_fire) from schedules")
        .and_then(|mut s| s.query_row([], |r| r.get(0)))
        .map_err(sql)
}

/// The first time after `now_ms`; a rate keeps its step.
fn following(schedule: &Schedule, due_ms: i64, now_ms: i64) -> Option<i64> {
    match schedule.period().map(|p| p.as_millis() as i64) {
        Some(period) if period > 0 => {
            let missed = now_ms.saturating_sub(due_ms).max(0) / period;
            Some(due_ms.saturating_add(period.saturating_mul(missed + 1)))
        }
        _ => schedule.next_after(timestamp(now_ms)).map(jiff::Timestamp::as_millisecond),
    }
}

/// Does one schedule that is due: an invocation waits, or a job is to be started.
fn fire(t: &Transaction<'_>, name: &str, due_ms: i64, now_ms: i64, fired: &mut Fired) -> Result<()> {
    let Some(deployed) = lookup::find(t, "schedule", name)? else { return disarm(t, name).map(drop) };
    let Properties::Schedule(settings) = deployed.resource.properties else {
        return Err(Error::storage(format!("{name} is not stored as a schedule")));
    };
    let schedule = Schedule::parse(&settings.expression)
        .map_err(|e| Error::storage(format!("schedule {name}: {:?}: {e}", settings.expression)))?;
    match following(&schedule, due_ms, now_ms) {
        Some(next) => t
            .prepare_cached("update schedules set next_fire = ?2 where name = ?1")
            .and_then(|mut s| s.execute(params![name, next]))
            .map_err(sql)?,
        None => disarm(t, name)?,
    };
    match settings.target {
        ScheduleTarget::Job(job) => fired.jobs.push((name.to_owned(), job)),
        ScheduleTarget::Crawler(crawler) => fired.crawlers.push((name.to_owned(), crawler)),
        ScheduleTarget::Function(function) => {
            let id = format!("{name}-{due_ms}");
            let event = scheduled(name, &id, due_ms).to_string();
            t.prepare_cached(
                "insert into pending (function, event, request_id, not_before, created) values (?1, ?2, ?3, ?4, ?4)",
            )
            .and_then(|mut s| s.execute(params![function, event, id, now_ms]))
            .map_err(sql)?;
        }
    }
    Ok(())
}

impl Local {
    /// Fires what is due at `now_ms`; what was missed fires once, however often it was.
    pub(crate) fn fire_schedules(&self, now_ms: i64) -> Result<Fired> {
        let store = &self.inner.store;
        let next_ms = store.read_now(next)?;
        if next_ms.is_none_or(|next| next > now_ms) {
            return Ok(Fired { next_ms, ..Fired::default() });
        }
        store.write_now(|t| {
            let due: Vec<(String, i64)> = t
                .prepare_cached("select name, next_fire from schedules where next_fire <= ?1 order by next_fire, name")
                .and_then(|mut s| s.query_map([now_ms], |r| Ok((r.get(0)?, r.get(1)?)))?.collect())
                .map_err(sql)?;
            let mut fired = Fired::default();
            for (name, due_ms) in due {
                fire(t, &name, due_ms, now_ms, &mut fired)?;
            }
            fired.next_ms = next(t)?;
            Ok(fired)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::local::testing;

    const MINUTE: i64 = 60_000;

    fn schedule(expression: &str, target: ScheduleTarget) -> resources::Schedule {
        resources::Schedule { expression: expression.into(), target }
    }

    fn armed(name: &str, schedule: &resources::Schedule) -> (tempfile::TempDir, Local) {
        let (dir, local) = testing::local();
        testing::deploy(&local, &[testing::resource(name, Properties::Schedule(schedule.clone()))]);
        local.inner.store.write_now(|t| arm(t, name, schedule, 0)).unwrap();
        (dir, local)
    }

    fn waiting(local: &Local) -> Vec<(String, String)> {
        local
            .inner
            .store
            .read_now(|c| {
                c.prepare("select request_id, event from pending order by id")
                    .and_then(|mut s| s.query_map([], |r| Ok((r.get(0)?, r.get(1)?)))?.collect())
                    .map_err(sql)
            })
            .unwrap()
    }

    #[test]
    fn a_rate_keeps_its_step_and_fires_once_for_what_was_missed() {
        let function = ScheduleTarget::Function("f".into());
        let (_dir, local) = armed("tick", &schedule("rate(1 minute)", function));
        let at = |now_ms| local.fire_schedules(now_ms).unwrap();
        assert_eq!(at(MINUTE - 1), Fired { next_ms: Some(MINUTE), ..Fired::default() });
        assert!(waiting(&local).is_empty());
        assert_eq!(at(MINUTE).next_ms, Some(2 * MINUTE));
        assert_eq!(at(MINUTE).next_ms, Some(2 * MINUTE));
        assert_eq!(at(10 * MINUTE + 5).next_ms, Some(11 * MINUTE));
        let waiting = waiting(&local);
        assert_eq!(waiting.iter().map(|w| w.0.as_str()).collect::<Vec<_>>(), ["tick-60000", "tick-120000"]);
        let event: serde_json::Value = serde_json::from_str(&waiting[0].1).unwrap();
        assert_eq!((&event["source"], &event["time"]), (&"aws.events".into(), &"1970-01-01T00:01:00Z".into()));
    }

    #[test]
    fn a_cron_starts_its_job_at_the_times_it_names() {
        let (_dir, local) = armed("hourly", &schedule("cron(5 * * * ? *)", ScheduleTarget::Job("j".into())));
        let at = |now_ms| local.fire_schedules(now_ms).unwrap();
        assert_eq!(at(0).next_ms, Some(5 * MINUTE));
        let fired = at(5 * MINUTE);
        assert_eq!(
            fired,
            Fired { jobs: vec![("hourly".into(), "j".into())], next_ms: Some(65 * MINUTE), ..Fired::default() }
        );
        let fired = at(300 * MINUTE);
        assert_eq!((fired.jobs.len(), fired.next_ms), (1, Some(305 * MINUTE)));
        assert!(waiting(&local).is_empty());
    }

    #[test]
    fn a_schedule_without_a_resource_is_forgotten() {
        let (_dir, local) = testing::local();
        let orphan = schedule("rate(1 minute)", ScheduleTarget::Job("j".into()));
        local.inner.store.write_now(|t| arm(t, "orphan", &orphan, 0)).unwrap();
        assert_eq!(local.fire_schedules(MINUTE).unwrap(), Fired::default());
    }
}
