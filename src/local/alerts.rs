//! Thresholds that functions read, what they measure, topics and their messages. Alarms: see `alarms`.
//!
//! No message leaves this machine: a topic's inbox holds what a subscriber would have got.

use std::collections::BTreeMap;

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{
    Local, alarms,
    clock::timestamp,
    lookup::{self, Deployed},
    store::sql,
};
use crate::cloud::{
    Error, Pages, Permit, Result,
    alerts::{AlarmState, Alert, AlertKind, Alerts, Comparison, Message, Publish, Sample, Subscription, Topic},
    resources::{self, Properties},
};

/// How far back to look for the time at which a threshold was crossed.
const LOOK_BACK: usize = 10_000;

/// A limit that was set by hand.
pub(crate) fn limit(connection: &Connection, name: &str) -> Result<Option<f64>> {
    connection
        .prepare_cached("select value from thresholds where name = ?1")
        .and_then(|mut s| s.query_row([name], |r| r.get(0)).optional())
        .map_err(sql)
}

fn settings(deployed: &Deployed) -> Result<&resources::Threshold> {
    match &deployed.resource.properties {
        Properties::Threshold(threshold) => Ok(threshold),
        other => Err(Error::storage(format!("{} is stored as a {}", deployed.resource.physical_name, other.kind()))),
    }
}

fn value(connection: &Connection, deployed: &Deployed) -> Result<f64> {
    let set = limit(connection, &deployed.resource.physical_name)?;
    Ok(set.unwrap_or(settings(deployed)?.default))
}

fn sample(row: &Row<'_>) -> rusqlite::Result<Sample> {
    Ok(Sample { time: timestamp(row.get(0)?), value: row.get(1)? })
}

fn newest(connection: &Connection, metric: &str, count: usize) -> Result<Vec<Sample>> {
    let mut samples: Vec<Sample> = connection
        .prepare_cached("select time, value from metrics where metric = ?1 order by time desc, id desc limit ?2")
        .and_then(|mut s| s.query_map(params![metric, count], sample)?.collect())
        .map_err(sql)?;
    samples.reverse();
    Ok(samples)
}

/// Since when the metric has been on this side of the limit, as far as [`LOOK_BACK`] measurements tell.
fn since(connection: &Connection, metric: &str, limit: f64, on: bool) -> Result<Option<i64>> {
    connection
        .prepare_cached(
            "with latest as (select time, value from metrics where metric = ?1 order by time desc, id desc limit ?4) \
             select min(time) from latest \
             where time > coalesce((select max(time) from latest where (value > ?2) <> ?3), ?5)",
        )
        .and_then(|mut s| s.query_row(params![metric, limit, on, LOOK_BACK, i64::MIN], |r| r.get(0)))
        .map_err(sql)
}

fn threshold_alert(connection: &Connection, deployed: &Deployed, samples: usize) -> Result<Alert> {
    let threshold = value(connection, deployed)?;
    let settings = settings(deployed)?;
    let last = newest(connection, &settings.metric, 1)?.last().copied();
    let state = match last {
        Some(sample) if sample.value > threshold => AlarmState::Alarm,
        Some(_) => AlarmState::Ok,
        None => AlarmState::InsufficientData,
    };
    let since = since(connection, &settings.metric, threshold, state == AlarmState::Alarm)?;
    Ok(Alert {
        name: deployed.resource.physical_name.clone(),
        pipeline: deployed.pipeline.clone(),
        kind: AlertKind::Threshold,
        metric: settings.metric.clone(),
        threshold: Some(threshold),
        comparison: Some(Comparison::GreaterThanThreshold),
        unit: settings.unit.clone(),
        state,
        since: since.map(timestamp),
        reason: None,
        topics: Vec::new(),
        fixed: None,
        samples: newest(connection, &settings.metric, samples)?,
    })
}

/// Whether the name is a threshold's or an alarm's, and the action that changes it.
fn action(connection: &Connection, name: &str) -> Result<&'static str> {
    if lookup::find(connection, "threshold", name)?.is_some() {
        return Ok("ssm:PutParameter");
    }
    if lookup::find(connection, "alarm", name)?.is_some() {
        return Ok("cloudwatch:PutMetricAlarm");
    }
    Err(Error::not_found("threshold or alarm", name))
}

fn topic(connection: &Connection, deployed: Deployed) -> Result<Topic> {
    let name = deployed.resource.physical_name;
    let Properties::Topic(settings) = deployed.resource.properties else {
        return Err(Error::storage(format!("{name} is not stored as a topic")));
    };
    let messages = connection
        .prepare_cached("select count(*) from messages where topic = ?1")
        .and_then(|mut s| s.query_row([&name], |r| r.get(0)))
        .map_err(sql)?;
    let told = |endpoint| Subscription { protocol: "email".into(), endpoint, status: "not sent: local".into() };
    Ok(Topic {
        name,
        pipeline: deployed.pipeline,
        messages: Some(messages),
        subscriptions: settings.email.into_iter().map(told).collect(),
    })
}

fn inbox(connection: &Connection, topic: &str, limit: usize) -> Result<Vec<Message>> {
    lookup::must_exist(connection, "topic", topic)?;
    let mut statement = connection
        .prepare_cached(
            "select time, subject, message, attributes from messages where topic = ?1 order by id desc limit ?2",
        )
        .map_err(sql)?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut rows = statement.query(params![topic, limit]).map_err(sql)?;
    let mut messages = Vec::new();
    while let Some(row) = rows.next().map_err(sql)? {
        let attributes = row.get_ref(3).map_err(sql)?.as_str().map_err(Error::storage)?;
        messages.push(Message {
            time: timestamp(row.get(0).map_err(sql)?),
            subject: row.get(1).map_err(sql)?,
            message: row.get(2).map_err(sql)?,
            attributes: serde_json::from_str(attributes).map_err(Error::storage)?,
        });
    }
    messages.reverse();
    Ok(messages)
}

#[async_trait]
impl Alerts for Local {
    fn list(&self, samples: usize) -> Pages<'_, Alert> {
        Pages::once(async move {
            let now_ms = self.inner.clock.now_ms();
            self.inner
                .store
                .read(move |c| {
                    let mut alerts = alarms::alerts(c, now_ms, samples)?;
                    for deployed in lookup::all(c, "threshold")? {
                        alerts.push(threshold_alert(c, &deployed, samples)?);
                    }
                    alerts.sort_by(|a, b| a.name.cmp(&b.name));
                    Ok(alerts)
                })
                .await
        })
    }

    async fn threshold(&self, permit: &Permit, name: &str) -> Result<f64> {
        permit.check("ssm:GetParameter", name)?;
        let name = name.to_owned();
        self.inner.store.read(move |c| value(c, &lookup::one(c, "threshold", &name)?)).await
    }

    async fn set(&self, permit: &Permit, name: &str, value: f64) -> Result<()> {
        if !value.is_finite() {
            return Err(Error::invalid(format!("a threshold is a number, not {value}")));
        }
        let (permit, name) = (permit.clone(), name.to_owned());
        self.inner
            .store
            .write(move |t| {
                permit.check(action(t, &name)?, &name)?;
                t.execute(
                    "insert into thresholds values (?1, ?2) on conflict (name) do update set value = excluded.value",
                    params![name, value],
                )
                .map_err(sql)?;
                Ok(())
            })
            .await
    }

    async fn measure(&self, permit: &Permit, metric: &str, sample: Sample) -> Result<()> {
        permit.check("cloudwatch:PutMetricData", metric)?;
        if !sample.value.is_finite() {
            return Err(Error::invalid(format!("a measurement is a number, not {}", sample.value)));
        }
        let (metric, token) = (metric.to_owned(), permit.next_token());
        self.inner
            .store
            .write(move |t| {
                t.prepare_cached(
                    "insert into metrics (metric, time, value, token) values (?1, ?2, ?3, ?4) \
                     on conflict (metric, token) where token is not null do nothing",
                )
                .and_then(|mut s| s.execute(params![metric, sample.time.as_millisecond(), sample.value, token]))
                .map_err(sql)?;
                Ok(())
            })
            .await
    }

    async fn samples(&self, metrics: &[String], limit: usize) -> Result<BTreeMap<String, Vec<Sample>>> {
        let metrics = metrics.to_vec();
        self.inner
            .store
            .read(move |c| {
                let mut statement = c
                    .prepare_cached("select time, value from metrics where metric = ?1 order by time desc limit ?2")
                    .map_err(sql)?;
                let mut found = BTreeMap::new();
                for metric in metrics {
                    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
                    let rows = statement.query_map(params![metric, limit], |r| {
                        Ok(Sample { time: timestamp(r.get(0)?), value: r.get(1)? })
                    });
                    let mut samples: Vec<Sample> = rows.and_then(Iterator::collect).map_err(sql)?;
                    samples.reverse();
                    found.insert(metric, samples);
                }
                Ok(found)
            })
            .await
    }

    fn topics(&self) -> Pages<'_, Topic> {
        Pages::once(async move {
            self.inner.store.read(|c| lookup::all(c, "topic")?.into_iter().map(|d| topic(c, d)).collect()).await
        })
    }

    async fn publish(&self, permit: &Permit, topic: &str, message: &Publish) -> Result<()> {
        permit.check("sns:Publish", topic)?;
        message.check()?;
        let (topic, message, token) = (topic.to_owned(), message.clone(), permit.next_token());
        let clock = self.inner.clock.clone();
        self.inner
            .store
            .write(move |t| {
                lookup::must_exist(t, "topic", &topic)?;
                let attributes = serde_json::to_string(&message.attributes).map_err(Error::storage)?;
                t.prepare_cached(
                    "insert into messages (topic, time, subject, message, attributes, token) \
                     values (?1, ?2, ?3, ?4, ?5, ?6) on conflict (topic, token) where token is not null do nothing",
                )
                .and_then(|mut s| {
                    s.execute(params![topic, clock.now_ms(), message.subject, message.message, attributes, token])
                })
                .map_err(sql)?;
                Ok(())
            })
            .await
    }

    async fn inbox(&self, topic: &str, limit: usize) -> Result<Vec<Message>> {
        let topic = topic.to_owned();
        self.inner.store.read(move |c| inbox(c, &topic, limit)).await
    }
}

#[cfg(test)]
#[path = "alerts_tests.rs"]
mod tests;
