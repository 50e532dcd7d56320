//! Thresholds: parameters that hold a number.

use std::collections::BTreeMap;

use aws_sdk_ssm::types::{Parameter, ParameterMetadata, ParameterStringFilter, ParameterType};

use super::{
    Denied,
    history::{Series, window},
};
use crate::{
    aws::{Aws, error::failed},
    cloud::{
        Error, Pages, Result,
        alerts::{AlarmState, Alert, AlertKind, Comparison, Sample},
    },
};

/// What `GetParameters` takes at once.
const NAMES: usize = 10;
/// The period of what functions measure, in seconds.
const PERIOD: i32 = 60;
/// The longer one, for metrics of which nothing was heard lately.
const LONG_PERIOD: i32 = 3600;

impl Aws {
    /// A parameter that holds a number, and that number.
    pub(super) async fn parameter(&self, name: &str) -> Result<(Parameter, f64)> {
        let call = self.client.ssm().await?.get_parameter().name(name);
        let answer = call.send().await.map_err(failed("ssm:GetParameter", "threshold", name))?;
        let parameter = answer.parameter.ok_or_else(|| Error::not_found("threshold", name))?;
        let value = number(&parameter).ok_or_else(|| {
            Error::invalid(format!("the parameter {name} is no threshold: a threshold is a String that holds a number"))
        })?;
        Ok((parameter, value))
    }

    /// Gives a parameter another value, and leaves everything else as it is.
    pub(super) async fn set_parameter(&self, name: &str, parameter: &Parameter, value: f64) -> Result<()> {
        let mut call = self.client.ssm().await?.put_parameter();
        call = call.name(name).value(value.to_string()).overwrite(true).set_type(parameter.r#type.clone());
        call = call.set_data_type(parameter.data_type.clone());
        match self.metadata(name).await {
            Ok(Some(known)) => {
                call = call
                    .set_description(known.description)
                    .set_allowed_pattern(known.allowed_pattern)
                    .set_tier(known.tier);
            }
            Ok(None) => {}
            // Who may change a parameter need not be allowed to list them all.
            Err(Error::AccessDenied { .. }) => tracing::info!(name, "ssm:DescribeParameters is denied"),
            Err(other) => return Err(other),
        }
        call.send().await.map_err(failed("ssm:PutParameter", "threshold", name))?;
        Ok(())
    }

    async fn metadata(&self, name: &str) -> Result<Option<ParameterMetadata>> {
        let filter = ParameterStringFilter::builder().key("Name").option("Equals").values(name).build();
        let call = self.client.ssm().await?.describe_parameters().parameter_filters(filter.map_err(Error::invalid)?);
        let answer = call.send().await.map_err(failed("ssm:DescribeParameters", "threshold", name))?;
        Ok(answer.parameters.unwrap_or_default().into_iter().find(|p| p.name() == Some(name)))
    }

    /// The thresholds of all pipelines, which their stacks name.
    pub(super) fn thresholds(&self, samples: usize, denied: Denied) -> Pages<'_, Alert> {
        Pages::follow(move |from: Option<String>| {
            let denied = denied.clone();
            async move {
                let owners = self.owners().await;
                if let Some(error) = owners.unread() {
                    return Err(error.clone());
                }
                let mut owned: Vec<(String, String)> = owners
                    .all()
                    .filter(|(id, pipeline)| is_threshold(id, pipeline))
                    .map(|(id, pipeline)| (id.to_owned(), pipeline.to_owned()))
                    .collect();
                owned.sort();
                let from = from.and_then(|at| at.parse().ok()).unwrap_or(0);
                let page: BTreeMap<_, _> = owned.iter().skip(from).take(NAMES).cloned().collect();
                if page.is_empty() {
                    return Ok((Vec::new(), None));
                }
                let call = self.client.ssm().await?.get_parameters().set_names(Some(page.keys().cloned().collect()));
                let answer = call.send().await.map_err(failed("ssm:GetParameters", "threshold", "*"))?;
                let found = answer.parameters.unwrap_or_default();
                let found: Vec<_> = found.iter().filter_map(|p| Some((p.name()?.to_owned(), number(p)?))).collect();
                let mut measured = denied.leave_out(self.measured(&found, samples).await)?;
                let alerts = found.into_iter().map(|(name, value)| {
                    let samples = measured.remove(&name).unwrap_or_default();
                    alert(page.get(&name).cloned(), name, value, samples)
                });
                let next = (from + NAMES < owned.len()).then(|| (from + NAMES).to_string());
                Ok((alerts.collect(), next))
            }
        })
    }

    /// What was measured of each threshold's metric: by the minute, or by the hour where that is all there is.
    async fn measured(&self, thresholds: &[(String, f64)], samples: usize) -> Result<BTreeMap<String, Vec<Sample>>> {
        // The state is the newest measurement's.
        let count = samples.max(1);
        let series = |(name, _): &(String, f64), period| {
            let metric = name.trim_start_matches('/');
            let (namespace, metric) = metric.rsplit_once('/')?;
            Some((name.clone(), Series::plain(namespace, metric, "Maximum", period)))
        };
        let lately = thresholds.iter().filter_map(|t| series(t, PERIOD)).collect();
        let mut measured = self.history(lately, window(PERIOD, 180), count).await?;
        let silent = |(name, _): &&(String, f64)| measured.get(name).is_none_or(Vec::is_empty);
        let long: Vec<_> = thresholds.iter().filter(silent).filter_map(|t| series(t, LONG_PERIOD)).collect();
        if !long.is_empty() {
            measured.extend(self.history(long, window(LONG_PERIOD, 14 * 24), count).await?);
        }
        Ok(measured)
    }
}

/// Whether the id of a pipeline's resource is that of a threshold: `/PIPELINE/ENV/NAME`.
fn is_threshold(id: &str, pipeline: &str) -> bool {
    let mut words = id.split('/');
    words.next() == Some("") && words.next() == Some(pipeline) && words.count() == 2
}

fn number(parameter: &Parameter) -> Option<f64> {
    if parameter.r#type.as_ref().is_some_and(|kind| *kind != ParameterType::String) {
        return None;
    }
    parameter.value()?.trim().parse().ok().filter(|value: &f64| value.is_finite())
}

fn alert(pipeline: Option<String>, name: String, threshold: f64, samples: Vec<Sample>) -> Alert {
    let comparison = Comparison::GreaterThanThreshold;
    let beyond = |sample: &Sample| comparison.beyond(sample.value, threshold);
    let state = match samples.last() {
        Some(last) if beyond(last) => AlarmState::Alarm,
        Some(_) => AlarmState::Ok,
        None => AlarmState::InsufficientData,
    };
    // As far as the measurements tell: where all are on one side, it may be so for longer.
    let turned = samples.iter().rposition(|s| beyond(s) != (state == AlarmState::Alarm));
    let since = turned.and_then(|at| samples.get(at + 1)).map(|s| s.time);
    Alert {
        metric: name.trim_start_matches('/').to_owned(),
        name,
        pipeline,
        kind: AlertKind::Threshold,
        threshold: Some(threshold),
        comparison: Some(comparison),
        unit: None,
        state,
        since,
        reason: None,
        topics: Vec::new(),
        fixed: None,
        samples,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_threshold_is_known_by_its_name() {
        assert!(is_threshold("/crypto-stream/dev/btc_usd", "crypto-stream"));
        for other in
            ["/aws/lambda/crypto-stream-dev-x", "/crypto-stream/dev", "/crypto-stream/dev/a/b", "crypto-stream"]
        {
            assert!(!is_threshold(other, "crypto-stream"), "{other}");
        }
    }

    #[test]
    fn a_number_is_one_that_can_be_compared() {
        let of = |kind, value: &str| number(&Parameter::builder().r#type(kind).value(value).build());
        assert_eq!(of(ParameterType::String, " 60000.5\n"), Some(60_000.5));
        assert_eq!(of(ParameterType::String, "NaN"), None);
        assert_eq!(of(ParameterType::String, "x"), None);
        assert_eq!(of(ParameterType::SecureString, "1"), None);
    }
}
