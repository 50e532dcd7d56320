//! Series of metrics (Amazon CloudWatch), for the ports whose services tell no counts themselves.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use aws_sdk_cloudwatch::types::{Dimension, Metric, MetricDataQuery, MetricStat, ScanBy};
use jiff::{SignedDuration, Timestamp};

use super::{Aws, error::failed, time};
use crate::cloud::Result;

/// A metric is measured once a minute at best, and each that is asked for costs money.
const FRESH: Duration = Duration::from_secs(50);
/// Metrics in one request: AWS takes 500, and gives 100,800 measurements.
const IN_ONE: usize = 300;

/// Which series: sums over periods, of one metric with one dimension.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Series {
    pub(crate) namespace: &'static str,
    pub(crate) metric: &'static str,
    /// The dimension's name and value.
    pub(crate) dimension: (&'static str, String),
    pub(crate) period_seconds: i32,
    /// How far back.
    pub(crate) window: SignedDuration,
}

/// Periods' beginnings with their sums, the oldest first. A period in which nothing was measured is left out.
pub(crate) type Points = Arc<[(Timestamp, f64)]>;

/// What was measured a moment ago.
#[derive(Debug, Default)]
pub(crate) struct Cache(Mutex<HashMap<Series, (Instant, Points)>>);

impl Cache {
    fn fresh(&self, series: &Series) -> Option<Points> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(series).filter(|(at, _)| at.elapsed() < FRESH).map(|(_, points)| points.clone())
    }

    fn remember(&self, found: &HashMap<Series, Points>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, (at, _)| at.elapsed() < FRESH);
        known.extend(found.iter().map(|(series, points)| (series.clone(), (Instant::now(), points.clone()))));
    }
}

impl Aws {
    /// What each series measured (`cloudwatch:GetMetricData`). What was asked for less than a minute ago is not asked for
    /// again.
    pub(crate) async fn series(&self, wanted: &[Series]) -> Result<HashMap<Series, Points>> {
        let mut found = HashMap::new();
        let mut open = Vec::new();
        for series in wanted {
            match self.metrics.fresh(series) {
                Some(points) => drop(found.insert(series.clone(), points)),
                None => open.push(series),
            }
        }
        // A request has one window for all.
        open.sort_by_key(|s| s.window);
        for same in open.chunk_by(|a, b| a.window == b.window) {
            for some in same.chunks(IN_ONE) {
                self.measure_some(some, &mut found).await?;
            }
        }
        self.metrics.remember(&found);
        Ok(found)
    }

    /// The same for a list that is worth showing without its figures: where they cannot be read, there are none.
    pub(crate) async fn series_if_any(&self, wanted: &[Series]) -> HashMap<Series, Points> {
        self.series(wanted).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "metrics cannot be read: their figures are left out");
            HashMap::new()
        })
    }

    async fn measure_some(&self, wanted: &[&Series], found: &mut HashMap<Series, Points>) -> Result<()> {
        let Some(first) = wanted.first() else { return Ok(()) };
        let now = Timestamp::now();
        let begin = now.checked_sub(first.window).unwrap_or(Timestamp::MIN);
        let queries: Vec<_> = wanted.iter().enumerate().map(|(n, series)| query(n, series)).collect();
        let mut points: Vec<Vec<(Timestamp, f64)>> = vec![Vec::new(); wanted.len()];
        let mut token = None;
        loop {
            let answer = self
                .client
                .cloudwatch()
                .await?
                .get_metric_data()
                .start_time(time::date_time(begin))
                .end_time(time::date_time(now))
                .scan_by(ScanBy::TimestampAscending)
                .set_metric_data_queries(Some(queries.clone()))
                .set_next_token(token)
                .send()
                .await
                .map_err(failed("cloudwatch:GetMetricData", "metric", first.namespace))?;
            for result in answer.metric_data_results.unwrap_or_default() {
                let place = result.id.as_deref().and_then(|id| id.strip_prefix('m')?.parse::<usize>().ok());
                let Some(points) = place.and_then(|n| points.get_mut(n)) else { continue };
                let times = result.timestamps.unwrap_or_default();
                let values = result.values.unwrap_or_default();
                points.extend(times.iter().zip(values).filter_map(|(t, value)| Some((time::timestamp(t)?, value))));
            }
            token = answer.next_token.filter(|t| !t.is_empty());
            if token.is_none() {
                break;
            }
        }
        for (series, mut points) in wanted.iter().zip(points) {
            points.sort_by_key(|(time, _)| *time);
            found.insert((*series).clone(), points.into());
        }
        Ok(())
    }
}

fn query(n: usize, series: &Series) -> MetricDataQuery {
    let (name, value) = &series.dimension;
    let metric = Metric::builder()
        .namespace(series.namespace)
        .metric_name(series.metric)
        .dimensions(Dimension::builder().name(*name).value(value).build())
        .build();
    let stat = MetricStat::builder().metric(metric).period(series.period_seconds).stat("Sum").build();
    MetricDataQuery::builder().id(format!("m{n}")).metric_stat(stat).build()
}

/// All that was counted in a series.
pub(crate) fn total(points: &Points) -> u64 {
    points.iter().map(|(_, value)| *value).sum::<f64>() as u64
}

/// The newest period in which something was counted.
pub(crate) fn newest(points: &Points) -> Option<(Timestamp, f64)> {
    points.iter().rev().find(|(_, value)| *value > 0.0).copied()
}
