//! CloudWatch's alarms.

use std::fmt::Write as _;

use aws_sdk_cloudwatch::{
    operation::describe_alarms::DescribeAlarmsOutput,
    types::{AlarmType, CompositeAlarm, Metric, MetricAlarm, MetricStat, StateValue, Statistic},
};
use jiff::Timestamp;

use super::{
    Denied,
    history::{Series, window},
    topics::name_of,
};
use crate::{
    aws::{Aws, error::failed, time::optional},
    cloud::{
        Error, Pages, Result,
        alerts::{AlarmState, Alert, AlertKind, Comparison},
    },
};

const COMPOSITE: &str = "it is a composite alarm: a rule over others, without a limit";
const BAND: &str = "its limit is a band that CloudWatch computes (anomaly detection)";
const NO_LIMIT: &str = "its condition is a query, without a limit that could be set";

impl Aws {
    /// All alarms, each with its newest measurements.
    pub(super) fn alarms(&self, samples: usize, denied: Denied) -> Pages<'_, Alert> {
        Pages::follow(move |token| {
            let denied = denied.clone();
            async move {
                let call = self.client.cloudwatch().await?.describe_alarms();
                let call = call.alarm_types(AlarmType::MetricAlarm).alarm_types(AlarmType::CompositeAlarm);
                let answer = call.max_records(100).set_next_token(token).send().await;
                let answer = answer.map_err(failed("cloudwatch:DescribeAlarms", "alarm", "*"))?;
                let mut alerts = self.alerts_of(&answer).await;
                if samples > 0 {
                    denied.leave_out(self.add_history(&mut alerts, answer.metric_alarms(), samples).await)?;
                }
                Ok((alerts, answer.next_token))
            }
        })
    }

    async fn alerts_of(&self, answer: &DescribeAlarmsOutput) -> Vec<Alert> {
        let owners = self.owners().await;
        let metric = answer.metric_alarms().iter().map(of_metric);
        let mut alerts: Vec<_> = metric.chain(answer.composite_alarms().iter().map(composite)).collect();
        for alert in &mut alerts {
            alert.pipeline = owners.pipeline(&alert.name);
        }
        alerts.sort_by(|a, b| a.name.cmp(&b.name));
        alerts
    }

    async fn add_history(&self, alerts: &mut [Alert], alarms: &[MetricAlarm], count: usize) -> Result<()> {
        // What one call asks about has one window, so those of one period go together.
        let mut by_period: std::collections::BTreeMap<i32, Vec<(String, Series)>> = std::collections::BTreeMap::new();
        for alarm in alarms {
            if let (Some(name), Some((period, series))) = (alarm.alarm_name(), series(alarm)) {
                by_period.entry(period).or_default().push((name.to_owned(), series));
            }
        }
        for (period, all) in by_period {
            let count = i64::try_from(count).unwrap_or(i64::MAX).min(1_440);
            let mut found = self.history(all, window(period, count), usize::try_from(count).unwrap_or(1)).await?;
            for alert in alerts.iter_mut() {
                if let Some(samples) = found.remove(&alert.name) {
                    alert.samples = samples;
                }
            }
        }
        Ok(())
    }

    /// Changes an alarm's limit and keeps everything else: `PutMetricAlarm` replaces the whole alarm, so all that was
    /// described is sent back. Tags are not part of it and stay.
    pub(super) async fn set_alarm(&self, name: &str, value: f64) -> Result<()> {
        let client = self.client.cloudwatch().await?;
        let call = client.describe_alarms().alarm_names(name);
        let call = call.alarm_types(AlarmType::MetricAlarm).alarm_types(AlarmType::CompositeAlarm);
        let answer = call.send().await.map_err(failed("cloudwatch:DescribeAlarms", "alarm", name))?;
        let refused = |why: &str| Err(Error::invalid(format!("the limit of {name} cannot be set: {why}")));
        if answer.composite_alarms().iter().any(|a| a.alarm_name() == Some(name)) {
            return refused(COMPOSITE);
        }
        let found = answer.metric_alarms.unwrap_or_default().into_iter().find(|a| a.alarm_name() == Some(name));
        let alarm = found.ok_or_else(|| Error::not_found("threshold or alarm", name))?;
        if let Some(why) = fixed(&alarm) {
            return refused(why);
        }
        client
            .put_metric_alarm()
            .threshold(value)
            .set_alarm_name(alarm.alarm_name)
            .set_alarm_description(alarm.alarm_description)
            .set_actions_enabled(alarm.actions_enabled)
            .set_ok_actions(alarm.ok_actions)
            .set_alarm_actions(alarm.alarm_actions)
            .set_insufficient_data_actions(alarm.insufficient_data_actions)
            .set_metric_name(alarm.metric_name)
            .set_namespace(alarm.namespace)
            .set_statistic(alarm.statistic)
            .set_extended_statistic(alarm.extended_statistic)
            .set_dimensions(alarm.dimensions.filter(|d| !d.is_empty()))
            .set_period(alarm.period)
            .set_unit(alarm.unit)
            .set_evaluation_periods(alarm.evaluation_periods)
            .set_datapoints_to_alarm(alarm.datapoints_to_alarm)
            .set_comparison_operator(alarm.comparison_operator)
            .set_treat_missing_data(alarm.treat_missing_data)
            .set_evaluate_low_sample_count_percentile(alarm.evaluate_low_sample_count_percentile)
            .set_metrics(alarm.metrics.filter(|m| !m.is_empty()))
            .set_evaluation_window(alarm.evaluation_window)
            .set_warm_up_configuration(alarm.warm_up_configuration)
            .set_evaluation_interval(alarm.evaluation_interval)
            .set_action_configuration(alarm.action_configuration)
            .send()
            .await
            .map_err(failed("cloudwatch:PutMetricAlarm", "alarm", name))?;
        Ok(())
    }
}

/// Why an alarm's limit cannot be set.
fn fixed(alarm: &MetricAlarm) -> Option<&'static str> {
    if alarm.threshold_metric_id.is_some() {
        return Some(BAND);
    }
    let compares = alarm.comparison_operator.as_ref().is_some_and(|c| Comparison::from_word(c.as_str()).is_some());
    (alarm.evaluation_criteria.is_some() || alarm.threshold.is_none() || !compares).then_some(NO_LIMIT)
}

fn state(value: Option<&StateValue>) -> AlarmState {
    match value {
        Some(StateValue::Ok) => AlarmState::Ok,
        Some(StateValue::Alarm) => AlarmState::Alarm,
        _ => AlarmState::InsufficientData,
    }
}

/// The topics among the actions: others scale something, or stop a machine.
fn topics(actions: &[String]) -> Vec<String> {
    let topic = |arn: &&String| arn.split(':').nth(2) == Some("sns");
    actions.iter().filter(topic).map(|arn| name_of(arn).to_owned()).collect()
}

fn of_metric(alarm: &MetricAlarm) -> Alert {
    let fixed = fixed(alarm);
    Alert {
        name: alarm.alarm_name.clone().unwrap_or_default(),
        pipeline: None,
        kind: AlertKind::Alarm,
        metric: metric(alarm),
        threshold: alarm.threshold.filter(|_| fixed.is_none()),
        comparison: alarm.comparison_operator.as_ref().and_then(|c| Comparison::from_word(c.as_str())),
        unit: alarm.unit.as_ref().map(|u| u.as_str().to_owned()),
        state: state(alarm.state_value.as_ref()),
        since: since(alarm.state_transitioned_timestamp.as_ref(), alarm.state_updated_timestamp.as_ref()),
        reason: alarm.state_reason.clone(),
        topics: topics(alarm.alarm_actions()),
        fixed: fixed.map(str::to_owned),
        samples: Vec::new(),
    }
}

fn composite(alarm: &CompositeAlarm) -> Alert {
    Alert {
        name: alarm.alarm_name.clone().unwrap_or_default(),
        pipeline: None,
        kind: AlertKind::Alarm,
        metric: alarm.alarm_rule.clone().unwrap_or_default(),
        threshold: None,
        comparison: None,
        unit: None,
        state: state(alarm.state_value.as_ref()),
        since: since(alarm.state_transitioned_timestamp.as_ref(), alarm.state_updated_timestamp.as_ref()),
        reason: alarm.state_reason.clone(),
        topics: topics(alarm.alarm_actions()),
        fixed: Some(COMPOSITE.into()),
        samples: Vec::new(),
    }
}

type Time = aws_smithy_types::DateTime;

/// When the state became what it is; an older alarm knows only when anything about the state changed.
fn since(transitioned: Option<&Time>, updated: Option<&Time>) -> Option<Timestamp> {
    optional(transitioned.or(updated))
}

/// The metric in words: `AWS/Lambda/Errors FunctionName=fetch`, or the expression.
fn metric(alarm: &MetricAlarm) -> String {
    if let Some(name) = alarm.metric_name() {
        let mut text = format!("{}/{name}", alarm.namespace().unwrap_or_default());
        for dimension in alarm.dimensions() {
            let (name, value) = (dimension.name().unwrap_or_default(), dimension.value().unwrap_or_default());
            let _ = write!(text, " {name}={value}");
        }
        return text;
    }
    let wanted = alarm.metrics().iter().find(|q| q.return_data != Some(false));
    let said = wanted.and_then(|q| q.expression().or(q.label()).map(str::to_owned));
    said.or_else(|| {
        let metric = wanted?.metric_stat()?.metric()?;
        Some(format!("{}/{}", metric.namespace()?, metric.metric_name()?))
    })
    .unwrap_or_default()
}

/// What is to be asked for an alarm's history, and its period.
fn series(alarm: &MetricAlarm) -> Option<(i32, Series)> {
    if let (Some(name), Some(namespace)) = (alarm.metric_name(), alarm.namespace()) {
        let period = alarm.period?;
        let stat = alarm.statistic().map(Statistic::as_str).or(alarm.extended_statistic())?;
        let metric = Metric::builder().namespace(namespace).metric_name(name).set_dimensions(alarm.dimensions.clone());
        let stat = MetricStat::builder().metric(metric.build()).stat(stat).period(period);
        return Some((period, Series::of(stat.set_unit(alarm.unit.clone()).build())));
    }
    let queries = alarm.metrics.clone().filter(|m| !m.is_empty())?;
    let period = queries.iter().filter_map(|q| q.period.or_else(|| q.metric_stat()?.period())).max();
    Some((period.unwrap_or(300), Series::expression(queries)))
}
