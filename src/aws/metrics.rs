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
/// Metrics that are asked for so often. Of more of them, those of longer periods are asked for less often, so that an
/// account with a thousand functions costs no more to look at than one with a few.
const OFTEN: usize = 500;
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

/// How long a series counts as fresh among so many that are known.
fn lasts(series: &Series, known: usize) -> Duration {
    if series.period_seconds <= 60 {
        return FRESH;
    }
    FRESH.saturating_mul(u32::try_from(1 + known / OFTEN).unwrap_or(u32::MAX))
}

impl Cache {
    fn fresh(&self, series: &Series) -> Option<Points> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let lasts = lasts(series, known.len());
        known.get(series).filter(|(at, _)| at.elapsed() < lasts).map(|(_, points)| points.clone())
    }

    /// Remembers what was measured just now.
    fn remember(&self, measured: &HashMap<Series, Points>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = known.len();
        known.retain(|series, (at, _)| at.elapsed() < lasts(series, count));
        known.extend(measured.iter().map(|(series, points)| (series.clone(), (Instant::now(), points.clone()))));
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
        let mut measured = HashMap::new();
        for same in open.chunk_by(|a, b| a.window == b.window) {
            for some in same.chunks(IN_ONE) {
                self.measure_some(some, &mut measured).await?;
            }
        }
        // What was known before is not measured anew by being looked at.
        self.metrics.remember(&measured);
        found.extend(measured);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn series(n: usize, period_seconds: i32) -> Series {
        let dimension = ("FunctionName", n.to_string());
        Series { namespace: "AWS/Lambda", metric: "Errors", dimension, period_seconds, window: SignedDuration::ZERO }
    }

    #[test]
    fn many_metrics_are_asked_for_less_often_and_the_minutes_as_ever() {
        assert_eq!(lasts(&series(0, 300), 499), FRESH);
        assert_eq!(lasts(&series(0, 300), 2_000), FRESH * 5);
        assert_eq!(lasts(&series(0, 60), 2_000), FRESH);
    }

    #[test]
    fn what_is_known_is_given_until_it_is_old() {
        let cache = Cache::default();
        cache.remember(&HashMap::from([(series(0, 300), Points::from([]))]));
        assert!(cache.fresh(&series(0, 300)).is_some() && cache.fresh(&series(1, 300)).is_none());
        let Some(old) = Instant::now().checked_sub(FRESH + Duration::from_secs(1)) else { return };
        cache.0.lock().unwrap().insert(series(0, 300), (old, Points::from([])));
        assert!(cache.fresh(&series(0, 300)).is_none());
        let many = (1..=OFTEN).map(|n| (series(n, 300), Points::from([])));
        cache.0.lock().unwrap().extend(many.map(|(series, points)| (series, (Instant::now(), points))));
        assert!(cache.fresh(&series(0, 300)).is_some(), "among many it lasts longer");
    }
}
