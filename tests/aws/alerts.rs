//! Thresholds (parameters) and alarms.

use std::sync::{Arc, Mutex};

use pumphouse::cloud::{
    Error,
    alerts::{AlarmState, AlertKind, Comparison, Sample},
};
use serde_json::{Value, json};

use crate::{
    fake::{Answer, Asked, Fake},
    harness,
};

fn parameter(value: &str, kind: &str) -> Answer {
    Answer::json(&json!({"Parameter": {"Name": "/crypto-stream/dev/btc_usd", "Type": kind, "Value": value,
        "DataType": "text", "Version": 3}}))
}

/// What a service says that knows nothing and denies nothing.
fn silent(asked: &Asked) -> Answer {
    match (asked.service.as_str(), asked.operation.as_str()) {
        ("monitoring", "DescribeAlarms") => Answer::cbor(&json!({"MetricAlarms": [], "CompositeAlarms": []})),
        ("monitoring", _) => Answer::cbor(&json!({})),
        ("cloudformation", _) => Answer::xml(format!("<{0}Response><{0}Result/></{0}Response>", asked.operation)),
        _ => Answer::json(&json!({})),
    }
}

/// The parts of a request's body.
fn asked_for(fake: &Fake, operation: &str) -> Vec<Value> {
    fake.asked().iter().filter(|a| a.operation == operation).map(Asked::json).collect()
}

#[tokio::test]
async fn a_threshold_is_the_number_in_its_parameter() {
    let fake = Fake::start(|_| parameter(" 60000.5\n", "String"));
    let state = tempfile::tempdir().unwrap();
    let cloud = harness::cloud(&fake, &state);
    let read = Arc::new(Mutex::new(0.0));
    let (alerts, seen) = (cloud.alerts.clone(), read.clone());
    harness::permitted(&state, |permit| async move {
        *seen.lock().unwrap() = alerts.threshold(&permit, "/crypto-stream/dev/btc_usd").await?;
        Ok(())
    })
    .await
    .unwrap();
    assert!((*read.lock().unwrap() - 60_000.5_f64).abs() < f64::EPSILON);
    assert_eq!(fake.lines(), ["ssm GetParameter"]);
}

#[tokio::test]
async fn what_is_no_number_is_no_threshold_and_is_not_overwritten() {
    for (value, kind) in [("postgres://x", "String"), ("1", "SecureString"), ("1,2", "StringList")] {
        let fake = Fake::start(move |_| parameter(value, kind));
        let state = tempfile::tempdir().unwrap();
        let alerts = harness::cloud(&fake, &state).alerts;
        let told = harness::permitted(&state, |permit| async move { alerts.set(&permit, "/app/db/url", 5.0).await });
        let told = told.await.unwrap_err();
        assert!(matches!(&told, Error::Invalid(why) if why.contains("no threshold")), "{told:?}");
        assert_eq!(fake.lines(), ["ssm GetParameter"]);
    }
}

#[tokio::test]
async fn a_threshold_is_set_and_the_rest_of_its_parameter_stays() {
    for denied in [false, true] {
        let fake = Fake::start(move |asked| match asked.operation.as_str() {
            "GetParameter" => parameter("100000", "String"),
            "DescribeParameters" if denied => Answer::json_error(400, "AccessDeniedException", "no"),
            "DescribeParameters" => Answer::json(&json!({"Parameters": [{"Name": "/crypto-stream/dev/btc_usd",
                "Type": "String", "Description": "USD", "AllowedPattern": "\\d+", "Tier": "Standard", "DataType": "text"}]})),
            _ => Answer::json(&json!({"Version": 4})),
        });
        let state = tempfile::tempdir().unwrap();
        let alerts = harness::cloud(&fake, &state).alerts;
        let name = "/crypto-stream/dev/btc_usd";
        harness::permitted(&state, |permit| async move { alerts.set(&permit, name, 60_000.0).await }).await.unwrap();
        let mut wanted =
            json!({"Name": name, "Value": "60000", "Type": "String", "Overwrite": true, "DataType": "text"});
        if !denied {
            wanted["Description"] = "USD".into();
            wanted["AllowedPattern"] = "\\d+".into();
            wanted["Tier"] = "Standard".into();
        }
        assert_eq!(asked_for(&fake, "PutParameter"), [wanted]);
    }
}

#[tokio::test]
async fn a_measurement_has_a_namespace_and_a_name() {
    let fake = Fake::start(silent);
    let state = tempfile::tempdir().unwrap();
    let alerts = harness::cloud(&fake, &state).alerts;
    let sample = Sample { time: "2026-11-20T14:00:00Z".parse().unwrap(), value: 99_501.32 };
    let port = alerts.clone();
    harness::permitted(
        &state,
        |permit| async move { port.measure(&permit, "crypto-stream/dev/btc_usd", sample).await },
    )
    .await
    .unwrap();
    let data = json!([{"MetricName": "btc_usd", "Timestamp": {"$time": 1_795_183_200.0}, "Value": 99_501.32}]);
    assert_eq!(asked_for(&fake, "PutMetricData"), [json!({"Namespace": "crypto-stream/dev", "MetricData": data})]);
    for (metric, value) in [("btc_usd", 1.0), ("/x", 1.0), ("x/", 1.0), ("a/b", f64::NAN)] {
        let (port, sample) = (alerts.clone(), Sample { value, ..sample });
        let told =
            harness::permitted(&state, |permit| async move { port.measure(&permit, metric, sample).await }).await;
        assert!(matches!(told, Err(Error::Invalid(_))), "{metric}: {told:?}");
    }
    assert_eq!(fake.lines().len(), 1);
}

/// An alarm with every field that `PutMetricAlarm` takes.
fn alarm_of_all_fields() -> Value {
    json!({
        "AlarmName": "errors", "AlarmDescription": "too many", "ActionsEnabled": false,
        "OKActions": ["arn:aws:sns:eu-west-1:123456789012:fine"],
        "AlarmActions": ["arn:aws:sns:eu-west-1:123456789012:oncall", "arn:aws:automate:eu-west-1:ec2:stop"],
        "InsufficientDataActions": ["arn:aws:sns:eu-west-1:123456789012:silence"],
        "MetricName": "Latency", "Namespace": "AWS/ApiGateway", "ExtendedStatistic": "p99.9",
        "Dimensions": [{"Name": "ApiName", "Value": "prices"}, {"Name": "Stage", "Value": "v1"}],
        "Period": 60, "Unit": "Milliseconds", "EvaluationPeriods": 5, "DatapointsToAlarm": 3, "Threshold": 250.0,
        "ComparisonOperator": "LessThanOrEqualToThreshold", "TreatMissingData": "notBreaching",
        "EvaluateLowSampleCountPercentile": "ignore",
    })
}

/// What is only described.
fn described(mut alarm: Value) -> Value {
    alarm["AlarmArn"] = "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:errors".into();
    alarm["StateValue"] = "ALARM".into();
    alarm["StateReason"] = "3 datapoints were beyond".into();
    alarm["StateUpdatedTimestamp"] = json!({"$time": 1_795_183_260.0});
    alarm["StateTransitionedTimestamp"] = json!({"$time": 1_795_183_200.0});
    alarm["AlarmConfigurationUpdatedTimestamp"] = json!({"$time": 1_795_000_000.0});
    alarm
}

async fn set_to_500(alarms: Value) -> (Result<(), Error>, Fake) {
    let fake = Fake::start(move |asked| match asked.operation.as_str() {
        "DescribeAlarms" => Answer::cbor(&alarms),
        _ => Answer::cbor(&json!({})),
    });
    let state = tempfile::tempdir().unwrap();
    let alerts = harness::cloud(&fake, &state).alerts;
    let done = harness::permitted(&state, |permit| async move { alerts.set(&permit, "errors", 500.0).await }).await;
    (done, fake)
}

#[tokio::test]
async fn an_alarms_limit_is_set_and_everything_else_is_sent_back_as_it_was() {
    let of_expression = {
        let mut alarm = alarm_of_all_fields();
        for field in ["MetricName", "Namespace", "ExtendedStatistic", "Dimensions", "Period", "Unit"] {
            alarm.as_object_mut().unwrap().remove(field);
        }
        alarm["Metrics"] = json!([
            {"Id": "rate", "Expression": "100 * bad / all", "Label": "percent", "ReturnData": true},
            {"Id": "bad", "ReturnData": false, "AccountId": "123456789012", "MetricStat": {"Period": 300, "Stat": "Sum", "Unit": "Count",
                "Metric": {"Namespace": "AWS/Lambda", "MetricName": "Errors", "Dimensions": [{"Name": "FunctionName", "Value": "f"}]}}},
            {"Id": "all", "ReturnData": false, "MetricStat": {"Period": 300, "Stat": "Sum",
                "Metric": {"Namespace": "AWS/Lambda", "MetricName": "Invocations"}}},
        ]);
        alarm
    };
    let of_statistic = {
        let mut alarm = alarm_of_all_fields();
        alarm.as_object_mut().unwrap().remove("ExtendedStatistic");
        alarm["Statistic"] = "SampleCount".into();
        alarm
    };
    for mut alarm in [alarm_of_all_fields(), of_expression, of_statistic] {
        let (done, fake) = set_to_500(json!({"MetricAlarms": [described(alarm.clone())], "CompositeAlarms": []})).await;
        done.unwrap();
        alarm["Threshold"] = json!(500.0);
        assert_eq!(asked_for(&fake, "PutMetricAlarm"), [alarm]);
    }
}

#[tokio::test]
async fn alarms_without_a_limit_of_their_own_are_refused_with_the_reason() {
    let band = json!({"AlarmName": "errors", "ComparisonOperator": "GreaterThanUpperThreshold", "ThresholdMetricId": "ad1",
        "EvaluationPeriods": 1, "Metrics": [{"Id": "ad1", "Expression": "ANOMALY_DETECTION_BAND(m1, 2)"}]});
    let promql = json!({"AlarmName": "errors", "EvaluationCriteria": {"PromQLCriteria": {"Query": "up == 0"}}});
    for (alarms, why) in [
        (json!({"CompositeAlarms": [{"AlarmName": "errors", "AlarmRule": "ALARM(a) OR ALARM(b)"}]}), "composite"),
        (json!({"MetricAlarms": [band]}), "anomaly detection"),
        (json!({"MetricAlarms": [promql]}), "query"),
    ] {
        let (done, fake) = set_to_500(alarms).await;
        let told = done.unwrap_err().to_string();
        assert!(told.contains(why), "{told}");
        assert!(asked_for(&fake, "PutMetricAlarm").is_empty());
    }
    let (done, _) = set_to_500(json!({"MetricAlarms": []})).await;
    assert!(matches!(done, Err(Error::NotFound { .. })));
}

#[tokio::test]
async fn alarms_come_page_by_page_with_their_history() {
    let fake = Fake::start(|asked| match asked.operation.as_str() {
        "DescribeAlarms" if asked.json()["NextToken"].is_null() => {
            let composite = json!({"AlarmName": "any", "AlarmRule": "ALARM(errors)", "StateValue": "OK"});
            Answer::cbor(
                &json!({"MetricAlarms": [described(alarm_of_all_fields())], "CompositeAlarms": [composite], "NextToken": "2"}),
            )
        }
        "DescribeAlarms" => {
            let metrics = json!([{"Id": "e", "Expression": "m * 2"}, {"Id": "m", "ReturnData": false, "MetricStat": {"Period": 60, "Stat": "Sum",
                "Metric": {"Namespace": "N", "MetricName": "M"}}}]);
            Answer::cbor(&json!({"MetricAlarms": [{"AlarmName": "rate", "Metrics": metrics, "Threshold": 1.0,
                "ComparisonOperator": "GreaterThanThreshold"}]}))
        }
        "GetMetricData" => {
            let id = asked.json()["MetricDataQueries"][0]["Id"].clone();
            let times = json!([{"$time": 1_795_183_320.0}, {"$time": 1_795_183_260.0}, {"$time": 1_795_183_200.0}]);
            Answer::cbor(&json!({"MetricDataResults": [{"Id": id, "Timestamps": times, "Values": [3.0, 2.0, 1.0]}]}))
        }
        _ => silent(asked),
    });
    let state = tempfile::tempdir().unwrap();
    let cloud = harness::cloud(&fake, &state);
    let (alerts, errors) = cloud.alerts.list(2).gather().await;
    assert_eq!(errors, []);
    let by_name = |name: &str| alerts.iter().find(|a| a.name == name).unwrap();
    let errors = by_name("errors");
    assert_eq!(errors.metric, "AWS/ApiGateway/Latency ApiName=prices Stage=v1");
    assert_eq!((errors.kind, errors.state, errors.threshold), (AlertKind::Alarm, AlarmState::Alarm, Some(250.0)));
    assert_eq!(errors.comparison, Some(Comparison::LessThanOrEqualToThreshold));
    assert_eq!(errors.since, Some("2026-11-20T14:00:00Z".parse().unwrap()));
    assert_eq!(errors.reason.as_deref(), Some("3 datapoints were beyond"));
    assert_eq!(errors.topics, ["oncall"]);
    assert_eq!(errors.samples.iter().map(|s| s.value).collect::<Vec<_>>(), [2.0, 3.0]);
    let any = by_name("any");
    assert_eq!((any.threshold, any.metric.as_str(), any.samples.len()), (None, "ALARM(errors)", 0));
    assert!(any.fixed.as_deref().unwrap().contains("composite"));
    assert_eq!((by_name("rate").metric.as_str(), by_name("rate").samples.len()), ("m * 2", 2));
    let asked = asked_for(&fake, "GetMetricData");
    let stat = &asked[0]["MetricDataQueries"][0]["MetricStat"];
    assert_eq!((&stat["Stat"], &stat["Unit"], &stat["Period"]), (&json!("p99.9"), &json!("Milliseconds"), &json!(60)));
    assert_eq!(asked[1]["MetricDataQueries"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn five_hundred_metrics_are_asked_about_at_once() {
    let fake = Fake::start(|asked| match asked.operation.as_str() {
        "DescribeAlarms" => {
            let alarm = |n| {
                json!({"AlarmName": format!("a{n:04}"), "Namespace": "N", "MetricName": format!("m{n}"), "Statistic": "Sum",
                    "Period": 60, "Threshold": 1.0, "ComparisonOperator": "GreaterThanThreshold"})
            };
            Answer::cbor(&json!({"MetricAlarms": (0..501).map(alarm).collect::<Vec<_>>()}))
        }
        _ => silent(asked),
    });
    let state = tempfile::tempdir().unwrap();
    assert_eq!(harness::cloud(&fake, &state).alerts.list(5).await.unwrap().len(), 501);
    let sizes = asked_for(&fake, "GetMetricData");
    let sizes: Vec<_> = sizes.iter().map(|a| a["MetricDataQueries"].as_array().unwrap().len()).collect();
    assert_eq!(sizes, [500, 1]);
}

#[tokio::test]
async fn what_is_denied_is_named() {
    let fake = Fake::start(|asked| match asked.operation.as_str() {
        "DescribeAlarms" => Answer::cbor_error(
            400,
            "AccessDenied",
            "User: x is not authorized to perform: cloudwatch:DescribeAlarms on resource: arn:x",
        ),
        _ => silent(asked),
    });
    let state = tempfile::tempdir().unwrap();
    let (alerts, errors) = harness::cloud(&fake, &state).alerts.list(5).gather().await;
    assert_eq!(alerts, []);
    let wanted = Error::AccessDenied { action: "cloudwatch:DescribeAlarms".into(), target: "arn:x".into() };
    assert_eq!(errors, [wanted]);
}

#[tokio::test]
async fn alerts_come_without_what_was_measured_where_that_is_denied() {
    let fake = Fake::start(|asked| match asked.operation.as_str() {
        "GetMetricData" => Answer::cbor_error(
            403,
            "AccessDeniedException",
            "User: x is not authorized to perform: cloudwatch:GetMetricData on resource: *",
        ),
        _ => crate::account::filled(asked),
    });
    let state = tempfile::tempdir().unwrap();
    let (alerts, errors) = harness::cloud(&fake, &state).alerts.list(10).gather().await;
    let names: Vec<_> = alerts.iter().map(|a| a.name.as_str()).collect();
    assert_eq!(names, ["/crypto-stream/dev/btc_usd", "cpu-high", "crypto-stream-dev-fetch_failing"]);
    assert_eq!(alerts[1].state, AlarmState::Alarm);
    assert!(matches!(errors.as_slice(), [Error::AccessDenied { action, .. }] if action == "cloudwatch:GetMetricData"));
}
