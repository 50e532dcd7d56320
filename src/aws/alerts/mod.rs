//! Thresholds, alarms, topics and subscriptions (AWS Systems Manager parameters, Amazon CloudWatch, Amazon SNS).
//!
//! A pipeline's thresholds are parameters, `/PIPELINE/ENV/NAME`; what its functions measure are metrics of the namespace
//! `PIPELINE/ENV`. What a role may do, IAM decides: the permit is not asked.

mod alarms;
pub(crate) mod history;
mod thresholds;
mod topics;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use aws_sdk_cloudwatch::types::MetricDatum;

use super::{Aws, error::failed, time::date_time};
use crate::cloud::{
    Error, Pages, Permit, Result,
    alerts::{Alert, Alerts, Message, Publish, Sample, Topic},
};

/// A day in seconds, and for how many days CloudWatch keeps a value of each.
const DAY: i32 = 86_400;
const KEPT_DAYS: i64 = 455;

/// That measurements are denied: the alerts come nevertheless, and why theirs are missing at the end.
#[derive(Debug, Clone, Default)]
struct Denied(Arc<Mutex<Option<Error>>>);

impl Denied {
    /// What was measured: nothing, where that is denied.
    fn leave_out<T: Default>(&self, measured: Result<T>) -> Result<T> {
        match measured {
            Err(error @ Error::AccessDenied { .. }) => {
                *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                Ok(T::default())
            }
            other => other,
        }
    }

    fn told<T>(&self) -> Result<Vec<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take().map_or_else(|| Ok(Vec::new()), Err)
    }
}

#[async_trait]
impl Alerts for Aws {
    fn list(&self, samples: usize) -> Pages<'_, Alert> {
        let denied = Denied::default();
        let all = self.thresholds(samples, denied.clone()).chain(self.alarms(samples, denied.clone()));
        all.chain(Pages::once(async move { denied.told() }))
    }

    async fn threshold(&self, _permit: &Permit, name: &str) -> Result<f64> {
        Ok(self.parameter(name).await?.1)
    }

    async fn set(&self, _permit: &Permit, name: &str, value: f64) -> Result<()> {
        if !value.is_finite() {
            return Err(Error::invalid(format!("a threshold is a number, not {value}")));
        }
        // An alarm may be called like a parameter, but hardly ever is.
        if name.starts_with('/') {
            match self.parameter(name).await {
                Ok((parameter, _)) => return self.set_parameter(name, &parameter, value).await,
                Err(Error::NotFound { .. }) => {}
                Err(other) => return Err(other),
            }
        }
        self.set_alarm(name, value).await
    }

    async fn measure(&self, _permit: &Permit, metric: &str, sample: Sample) -> Result<()> {
        let (namespace, name) = metric
            .rsplit_once('/')
            .filter(|(namespace, name)| !namespace.is_empty() && !name.is_empty())
            .ok_or_else(|| Error::invalid(format!("a metric is called NAMESPACE/NAME, not {metric:?}")))?;
        if !sample.value.is_finite() {
            return Err(Error::invalid(format!("a measurement is a number, not {}", sample.value)));
        }
        let datum =
            MetricDatum::builder().metric_name(name).value(sample.value).timestamp(date_time(sample.time)).build();
        let call = self.client.cloudwatch().await?.put_metric_data().namespace(namespace).metric_data(datum);
        call.send().await.map_err(failed("cloudwatch:PutMetricData", "metric", metric))?;
        Ok(())
    }

    async fn samples(&self, metrics: &[String], limit: usize) -> Result<BTreeMap<String, Vec<Sample>>> {
        let named = |metric: &String| {
            let (namespace, name) = metric.rsplit_once('/')?;
            Some((metric.clone(), history::Series::plain(namespace, name, "Maximum", DAY)))
        };
        self.history(metrics.iter().filter_map(named).collect(), history::window(DAY, KEPT_DAYS), limit).await
    }

    fn topics(&self) -> Pages<'_, Topic> {
        self.list_topics()
    }

    async fn publish(&self, permit: &Permit, topic: &str, message: &Publish) -> Result<()> {
        self.publish_to(permit, topic, message).await?;
        permit.wrote(1);
        Ok(())
    }

    async fn inbox(&self, topic: &str, _limit: usize) -> Result<Vec<Message>> {
        Err(Error::Unsupported {
            cloud: "aws",
            what: format!(
                "reading what was published to {topic}: SNS hands messages on and keeps none; its subscribers have them \
                 (to read a queue would take messages away from those who work on it)"
            ),
        })
    }
}
