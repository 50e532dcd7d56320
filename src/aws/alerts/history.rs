//! What was measured: `GetMetricData`, many metrics in one call.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Range,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use aws_sdk_cloudwatch::types::{Metric, MetricDataQuery, MetricStat, ScanBy};
use jiff::{SignedDuration, Timestamp};

use crate::{
    aws::{
        Aws,
        error::failed,
        time::{date_time, timestamp},
    },
    cloud::{Result, alerts::Sample},
};

/// Queries that one call takes.
const QUERIES: usize = 500;
/// How long measurements count as fresh: AWS asks for money for each metric that is asked about, and hardly any has a
/// value more often than once a minute.
const FRESH: Duration = Duration::from_mins(1);

/// What was measured, by the name of the alert and the period, with when and how much was asked for.
#[derive(Debug, Default)]
pub(crate) struct Cache(Mutex<HashMap<(String, i64), Known>>);

#[derive(Debug)]
struct Known {
    at: Instant,
    count: usize,
    samples: Vec<Sample>,
}

impl Cache {
    fn locked(&self) -> std::sync::MutexGuard<'_, HashMap<(String, i64), Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self, name: &str, window: i64, count: usize) -> Option<Vec<Sample>> {
        let known = self.locked();
        let found = known.get(&(name.to_owned(), window))?;
        (found.count >= count && found.at.elapsed() < FRESH).then(|| {
            let from = found.samples.len().saturating_sub(count);
            found.samples.get(from..).unwrap_or_default().to_vec()
        })
    }

    fn put(&self, name: &str, window: i64, count: usize, samples: Vec<Sample>) {
        self.locked().insert((name.to_owned(), window), Known { at: Instant::now(), count, samples });
    }
}

/// Something that was measured: queries of which one's values are wanted.
#[derive(Debug, Clone)]
pub(super) struct Series(Vec<MetricDataQuery>);

impl Series {
    /// A metric with a statistic.
    pub(super) fn of(stat: MetricStat) -> Self {
        Self(vec![MetricDataQuery::builder().id("m").metric_stat(stat).return_data(true).build()])
    }

    /// A metric without dimensions.
    pub(super) fn plain(namespace: &str, name: &str, stat: &str, period: i32) -> Self {
        let metric = Metric::builder().namespace(namespace).metric_name(name).build();
        Self::of(MetricStat::builder().metric(metric).stat(stat).period(period).build())
    }

    /// An expression over metrics, as an alarm has it.
    pub(super) fn expression(queries: Vec<MetricDataQuery>) -> Self {
        Self(queries)
    }

    /// Whether it can go into one call with others: names within an expression are its own.
    fn mixes(&self) -> bool {
        self.0.len() == 1
    }
}

/// The time that `periods` take, up to the end of the one that has begun.
pub(super) fn window(period: i32, periods: i64) -> Range<Timestamp> {
    let now = Timestamp::now();
    let period = i64::from(period.max(1));
    // CloudWatch answers fastest for times that are whole periods.
    let end = (now.as_second() / period + 1) * period;
    let end = Timestamp::from_second(end).unwrap_or(now);
    end.checked_sub(SignedDuration::from_secs(period.saturating_mul(periods))).unwrap_or(now)..end
}

impl Aws {
    /// The newest `count` measurements of each series, oldest first.
    pub(super) async fn history(
        &self,
        series: Vec<(String, Series)>,
        window: Range<Timestamp>,
        count: usize,
    ) -> Result<BTreeMap<String, Vec<Sample>>> {
        let mut found = BTreeMap::new();
        let length = window.end.as_second() - window.start.as_second();
        let (mut plain, mut expressions) = (Vec::new(), Vec::new());
        for (name, series) in series {
            if let Some(known) = self.measurements.get(&name, length, count) {
                found.insert(name, known);
            } else if series.mixes() {
                plain.push((name, series));
            } else {
                expressions.push((name, series));
            }
        }
        for some in plain.chunks(QUERIES) {
            let mut names = HashMap::new();
            let mut queries = Vec::with_capacity(some.len());
            for (at, (name, series)) in some.iter().enumerate() {
                let id = format!("m{at}");
                queries.extend(series.0.iter().cloned().map(|mut query| {
                    query.id = Some(id.clone());
                    query
                }));
                names.insert(id, name.clone());
            }
            for (id, samples) in self.metric_data(queries, &window, count).await? {
                if let Some(name) = names.remove(&id) {
                    self.measurements.put(&name, length, count, samples.clone());
                    found.insert(name, samples);
                }
            }
        }
        for (name, series) in expressions {
            let wanted = series.0.iter().find(|q| q.return_data != Some(false)).and_then(|q| q.id.clone());
            let mut all = self.metric_data(series.0, &window, count).await?;
            if let Some(samples) = wanted.and_then(|id| all.remove(&id)) {
                self.measurements.put(&name, length, count, samples.clone());
                found.insert(name, samples);
            }
        }
        Ok(found)
    }

    /// The newest `count` values of each query, oldest first, by its id.
    async fn metric_data(
        &self,
        queries: Vec<MetricDataQuery>,
        window: &Range<Timestamp>,
        count: usize,
    ) -> Result<HashMap<String, Vec<Sample>>> {
        let mut found: HashMap<String, Vec<Sample>> = HashMap::new();
        let call = self.client.cloudwatch().await?.get_metric_data();
        let mut pages = call
            .set_metric_data_queries(Some(queries))
            .start_time(date_time(window.start))
            .end_time(date_time(window.end))
            .scan_by(ScanBy::TimestampDescending)
            .into_paginator()
            .send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(failed("cloudwatch:GetMetricData", "metric", "*"))?;
            for result in page.metric_data_results.unwrap_or_default() {
                let samples = found.entry(result.id.unwrap_or_default()).or_default();
                let times = result.timestamps.unwrap_or_default();
                let values = times.iter().zip(result.values.unwrap_or_default());
                samples.extend(values.filter_map(|(t, value)| Some(Sample { time: timestamp(t)?, value })));
            }
        }
        for samples in found.values_mut() {
            samples.sort_by_key(|s| std::cmp::Reverse(s.time));
            samples.truncate(count);
            samples.reverse();
        }
        Ok(found)
    }
}
