//! Alarms: sums over a period of what the cloud itself counts, and what happens when one goes on or off.

use rusqlite::{Connection, OptionalExtension, Transaction, params};
use serde_json::json;

use super::{
    Local,
    clock::timestamp,
    lookup::{self, Deployed},
    store::sql,
};
use crate::cloud::{
    Error, Result,
    alerts::{AlarmState, Alert, AlertKind, Comparison, Sample},
    events::iso,
    resources::{self, AlarmMetric, Properties},
};

/// An alarm with its limit as it is now.
pub(crate) struct Alarm {
    name: String,
    pipeline: Option<String>,
    settings: resources::Alarm,
    /// What it was when it was last looked at, and since when.
    stored: Option<(AlarmState, Option<i64>)>,
}

/// What an alarm measures now.
struct Measured {
    state: AlarmState,
    sum: u64,
    /// When the oldest failure of the period ended, which falls out of it first.
    oldest_ms: Option<i64>,
}

/// A query for what has ended after `?2`, and whether it failed; `?1` is the thing's name.
fn source(metric: &AlarmMetric) -> (&'static str, &str) {
    match metric {
        // The index is by start: no invocation takes longer than 15 minutes.
        AlarmMetric::FunctionErrors(name) => (
            "select started + duration_ms as time, error is not null as failed from invocations \
             where function = ?1 and started > ?2 - 900000 and started + duration_ms > ?2",
            name,
        ),
        AlarmMetric::JobFailures(name) => (
            "select ended as time, state in ('FAILED', 'TIMEOUT') as failed from job_runs where job = ?1 and ended > ?2",
            name,
        ),
    }
}

fn in_words(metric: &AlarmMetric) -> String {
    match metric {
        AlarmMetric::FunctionErrors(name) => format!("failed invocations of {name}"),
        AlarmMetric::JobFailures(name) => format!("failed runs of {name}"),
    }
}

impl Alarm {
    fn load(connection: &Connection, deployed: Deployed) -> Result<Self> {
        let name = deployed.resource.physical_name;
        let Properties::Alarm(mut settings) = deployed.resource.properties else {
            return Err(Error::storage(format!("{name} is not stored as an alarm")));
        };
        if let Some(limit) = super::alerts::limit(connection, &name)? {
            settings.above = limit;
        }
        let stored: Option<(String, Option<i64>)> = connection
            .prepare_cached("select state, since from alarms where name = ?1")
            .and_then(|mut s| s.query_row([&name], |r| Ok((r.get(0)?, r.get(1)?))).optional())
            .map_err(sql)?;
        let stored = stored
            .map(|(word, since)| serde_json::from_value(word.into()).map(|state| (state, since)))
            .transpose()
            .map_err(Error::storage)?;
        Ok(Self { name, pipeline: deployed.pipeline, settings, stored })
    }

    fn period_ms(&self) -> i64 {
        i64::from(self.settings.period_seconds.max(1)) * 1_000
    }

    fn measure(&self, connection: &Connection, now_ms: i64) -> Result<Measured> {
        let (query, name) = source(&self.settings.metric);
        let (sum, oldest_ms): (u64, Option<i64>) = connection
            .prepare_cached(&format!("select count(*), min(time) from ({query}) where failed"))
            .and_then(|mut s| s.query_row(params![name, now_ms - self.period_ms()], |r| Ok((r.get(0)?, r.get(1)?))))
            .map_err(sql)?;
        let any: bool = connection
            .prepare_cached(&format!("select exists ({query})"))
            .and_then(|mut s| s.query_row(params![name, 0], |r| r.get(0)))
            .map_err(sql)?;
        let state = match () {
            () if sum as f64 > self.settings.above => AlarmState::Alarm,
            () if any => AlarmState::Ok,
            () => AlarmState::InsufficientData,
        };
        Ok(Measured { state, sum, oldest_ms })
    }

    /// The state before this look.
    fn before(&self) -> AlarmState {
        self.stored.map_or(AlarmState::InsufficientData, |(state, _)| state)
    }

    fn samples(&self, connection: &Connection, now_ms: i64, count: usize) -> Result<Vec<Sample>> {
        let (query, name) = source(&self.settings.metric);
        let period = self.period_ms();
        let back = period.saturating_mul(i64::try_from(count).unwrap_or(i64::MAX));
        let mut statement = connection
            .prepare_cached(&format!("select time / ?3 * ?3, sum(failed) from ({query}) group by 1 order by 1"))
            .map_err(sql)?;
        let rows = statement
            .query_map(params![name, now_ms.saturating_sub(back), period], |r| {
                Ok(Sample { time: timestamp(r.get(0)?), value: r.get::<_, i64>(1)? as f64 })
            })
            .map_err(sql)?;
        rows.collect::<rusqlite::Result<_>>().map_err(sql)
    }
}

fn all(connection: &Connection) -> Result<Vec<Alarm>> {
    lookup::all(connection, "alarm")?.into_iter().map(|d| Alarm::load(connection, d)).collect()
}

/// The alarms as alerts.
pub(crate) fn alerts(connection: &Connection, now_ms: i64, samples: usize) -> Result<Vec<Alert>> {
    let mut alerts = Vec::new();
    for alarm in all(connection)? {
        let state = alarm.measure(connection, now_ms)?.state;
        alerts.push(Alert {
            samples: alarm.samples(connection, now_ms, samples)?,
            since: alarm.stored.filter(|s| s.0 == state).and_then(|s| s.1).map(timestamp),
            metric: in_words(&alarm.settings.metric),
            threshold: Some(alarm.settings.above),
            comparison: Some(Comparison::GreaterThanThreshold),
            reason: None,
            topics: alarm.settings.topic.into_iter().collect(),
            fixed: None,
            name: alarm.name,
            pipeline: alarm.pipeline,
            kind: AlertKind::Alarm,
            unit: None,
            state,
        });
    }
    Ok(alerts)
}

/// Whether an alarm's state has changed, and when the next one might without anything else happening.
fn look(connection: &Connection, now_ms: i64) -> Result<(bool, Option<i64>)> {
    let (mut changed, mut next) = (false, None::<i64>);
    for alarm in all(connection)? {
        let measured = alarm.measure(connection, now_ms)?;
        changed |= measured.state != alarm.before();
        if let (AlarmState::Alarm, Some(oldest)) = (measured.state, measured.oldest_ms) {
            let over = oldest + alarm.period_ms();
            next = Some(next.map_or(over, |n| n.min(over)));
        }
    }
    Ok((changed, next))
}

fn evaluate(t: &Transaction<'_>, now_ms: i64) -> Result<()> {
    for alarm in all(t)? {
        let measured = alarm.measure(t, now_ms)?;
        let before = alarm.before();
        if measured.state == before {
            continue;
        }
        t.execute(
            "insert into alarms values (?1, ?2, ?3) \
             on conflict (name) do update set state = excluded.state, since = excluded.since",
            params![alarm.name, measured.state.word(), now_ms],
        )
        .map_err(sql)?;
        // On and off; not that it has begun to measure.
        let told = measured.state == AlarmState::Alarm || before == AlarmState::Alarm;
        if let Some(topic) = alarm.settings.topic.as_deref().filter(|_| told) {
            tell(t, now_ms, &alarm, before, &measured, topic)?;
        }
    }
    Ok(())
}

/// CloudWatch's message.
fn tell(
    t: &Transaction<'_>,
    now_ms: i64,
    alarm: &Alarm,
    before: AlarmState,
    measured: &Measured,
    topic: &str,
) -> Result<()> {
    let word = measured.state.word();
    let metric = in_words(&alarm.settings.metric);
    let message = json!({
        "AlarmName": alarm.name,
        "OldStateValue": before.word(),
        "NewStateValue": word,
        "NewStateReason": format!(
            "{} {metric} in {} seconds, limit {}", measured.sum, alarm.settings.period_seconds, alarm.settings.above
        ),
        "StateChangeTime": iso(now_ms),
        "Trigger": {
            "MetricName": metric,
            "Statistic": "SUM",
            "Period": alarm.settings.period_seconds,
            "Threshold": alarm.settings.above,
        },
    });
    let subject: String = format!("{word}: {}", alarm.name).chars().take(100).collect();
    t.execute(
        "insert into messages (topic, time, subject, message, attributes, token) values (?1, ?2, ?3, ?4, '{}', ?5) \
         on conflict (topic, token) where token is not null do nothing",
        params![topic, now_ms, subject, message.to_string(), format!("alarm-{}-{now_ms}-{word}", alarm.name)],
    )
    .map_err(sql)?;
    Ok(())
}

impl Local {
    /// Looks at all alarms, tells of those that went on or off, and says when to look again at the latest.
    pub(crate) fn evaluate_alarms(&self) -> Result<Option<i64>> {
        let store = &self.inner.store;
        let now_ms = self.inner.clock.now_ms();
        let (changed, next) = store.read_now(|c| look(c, now_ms))?;
        if changed {
            store.write_now(|t| evaluate(t, now_ms))?;
        }
        Ok(next)
    }
}
