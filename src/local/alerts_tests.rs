//! Tests of alerts.rs and alarms.rs.

use super::*;
use crate::{
    cloud::{
        Grant,
        resources::{Alarm, AlarmMetric, Resource, Threshold},
    },
    local::testing,
};

fn at(second: i64, value: f64) -> Sample {
    Sample { time: timestamp(second * 1_000), value }
}

fn threshold() -> Resource {
    let threshold = Threshold { default: 100.0, metric: "m".into(), unit: Some("USD".into()) };
    testing::resource("/p/dev/limit", Properties::Threshold(threshold))
}

fn topic_named(name: &str) -> Resource {
    testing::resource(name, Properties::Topic(resources::Topic { email: vec!["oncall@example.com".into()] }))
}

fn text(message: &str) -> Publish {
    Publish { message: message.into(), ..Publish::default() }
}

#[tokio::test]
async fn a_threshold_holds_its_default_until_another_is_set() {
    let (_dir, local) = testing::local();
    testing::deploy(&local, &[threshold()]);
    let permit = testing::permit();
    assert!((local.threshold(&permit, "/p/dev/limit").await.unwrap() - 100.0).abs() < f64::EPSILON);
    local.set(&permit, "/p/dev/limit", 50.5).await.unwrap();
    assert!((local.threshold(&permit, "/p/dev/limit").await.unwrap() - 50.5).abs() < f64::EPSILON);
    assert!(matches!(local.set(&permit, "/p/dev/limit", f64::NAN).await, Err(Error::Invalid(_))));
    assert!(matches!(local.set(&permit, "/p/dev/limit", f64::INFINITY).await, Err(Error::Invalid(_))));
    assert!(matches!(local.set(&permit, "other", 1.0).await, Err(Error::NotFound { .. })));
    let role = Permit::role("r", [].into(), "id");
    assert!(matches!(local.set(&role, "/p/dev/limit", 1.0).await, Err(Error::AccessDenied { .. })));
    assert!(matches!(local.threshold(&role, "/p/dev/limit").await, Err(Error::AccessDenied { .. })));
}

#[tokio::test]
async fn a_thresholds_state_is_its_last_measurements() {
    let (_dir, local) = testing::local();
    testing::deploy(&local, &[threshold()]);
    let permit = testing::permit();
    let first = &Alerts::list(&local, 10).await.unwrap()[0];
    assert_eq!((first.state, first.since), (AlarmState::InsufficientData, None));
    // Not in the order of their times, as a replay may bring them.
    for sample in [at(1, 101.0), at(4, 130.0), at(2, 99.0), at(3, 101.0)] {
        local.measure(&permit, "m", sample).await.unwrap();
    }
    let alert = &Alerts::list(&local, 3).await.unwrap()[0];
    assert_eq!((alert.state, alert.since), (AlarmState::Alarm, Some(timestamp(3_000))));
    assert_eq!(alert.samples, [at(2, 99.0), at(3, 101.0), at(4, 130.0)]);
    assert_eq!(alert.unit.as_deref(), Some("USD"));
    local.set(&permit, "/p/dev/limit", 130.0).await.unwrap();
    let alert = &Alerts::list(&local, 0).await.unwrap()[0];
    assert_eq!((alert.state, alert.since), (AlarmState::Ok, Some(timestamp(1_000))));
    assert!(alert.samples.is_empty());
    assert!(matches!(local.measure(&permit, "m", at(1, f64::NAN)).await, Err(Error::Invalid(_))));
}

#[tokio::test]
async fn a_message_is_in_the_inbox_once() {
    let (_dir, local) = testing::local();
    testing::deploy(&local, &[topic_named("t")]);
    let grant = Grant { action: "sns:Publish".into(), resource: "t".into() };
    for _ in 0..2 {
        let role = Permit::role("r", [grant.clone()].into(), "id");
        local.publish(&role, "t", &text("first")).await.unwrap();
    }
    let second = Publish {
        subject: Some("S".into()),
        message: "second".into(),
        attributes: [("k".to_owned(), "v".to_owned())].into(),
    };
    local.publish(&testing::permit(), "t", &second).await.unwrap();
    let inbox = local.inbox("t", 10).await.unwrap();
    assert_eq!(inbox.iter().map(|m| m.message.as_str()).collect::<Vec<_>>(), ["first", "second"]);
    assert_eq!((&inbox[1].subject, &inbox[1].attributes), (&second.subject, &second.attributes));
    assert_eq!(local.inbox("t", 1).await.unwrap()[0].message, "second");
    let topics = local.topics().await.unwrap();
    assert_eq!((topics[0].messages, topics[0].subscriptions[0].status.as_str()), (Some(2), "not sent: local"));
}

#[tokio::test]
async fn what_sns_would_not_take_is_refused() {
    let (_dir, local) = testing::local();
    testing::deploy(&local, &[topic_named("t")]);
    let permit = testing::permit();
    let subject = |subject: &str| Publish { subject: Some(subject.into()), ..text("x") };
    for bad in [text(""), text(&"x".repeat(256 * 1_024 + 1)), subject("a\nb"), subject(&"x".repeat(101))] {
        assert!(matches!(local.publish(&permit, "t", &bad).await, Err(Error::Invalid(_))));
    }
    assert!(matches!(local.publish(&permit, "no", &text("x")).await, Err(Error::NotFound { kind: "topic", .. })));
    assert!(matches!(local.inbox("no", 1).await, Err(Error::NotFound { kind: "topic", .. })));
}

fn invoked(local: &Local, started: i64, error: Option<&str>) {
    local
        .inner
        .store
        .write_now(|t| {
            t.execute(
                "insert into invocations (request_id, function, started, duration_ms, error, records_in, records_out) \
                 values ('r', 'f', ?1, 60000, ?2, 0, 0)",
                params![started, error],
            )
            .map_err(sql)
        })
        .unwrap();
}

#[tokio::test]
async fn an_alarm_goes_on_and_off_and_tells_its_topic() {
    let (_dir, local) = testing::local();
    let alarm = Alarm {
        metric: AlarmMetric::FunctionErrors("f".into()),
        above: 1.0,
        period_seconds: 60,
        topic: Some("t".into()),
    };
    testing::deploy(&local, &[topic_named("t"), testing::resource("errors", Properties::Alarm(alarm))]);
    let state = || async {
        let alert = Alerts::list(&local, 5).await.unwrap().remove(0);
        (alert.state, alert.samples.iter().map(|s| s.value).sum::<f64>())
    };
    assert_eq!(local.evaluate_alarms().unwrap(), None);
    assert_eq!(state().await.0, AlarmState::InsufficientData);
    // Started before the period, ended in it.
    let now_ms = local.inner.clock.now_ms();
    invoked(&local, now_ms - 61_000, None);
    invoked(&local, now_ms - 61_000, Some("boom"));
    assert_eq!(local.evaluate_alarms().unwrap(), None);
    assert_eq!(state().await, (AlarmState::Ok, 1.0));
    invoked(&local, now_ms - 60_500, Some("boom"));
    let next = local.evaluate_alarms().unwrap();
    assert_eq!(next, Some(now_ms + 59_000));
    assert_eq!(state().await, (AlarmState::Alarm, 2.0));
    local.evaluate_alarms().unwrap();
    local.inner.store.write_now(|t| t.execute("update invocations set started = 0", []).map_err(sql)).unwrap();
    local.evaluate_alarms().unwrap();
    let inbox = local.inbox("t", 10).await.unwrap();
    let subjects: Vec<_> = inbox.iter().filter_map(|m| m.subject.as_deref()).collect();
    assert_eq!(subjects, ["ALARM: errors", "OK: errors"]);
    let message: serde_json::Value = serde_json::from_str(&inbox[0].message).unwrap();
    assert_eq!((&message["OldStateValue"], &message["NewStateValue"]), (&"OK".into(), &"ALARM".into()));
    local.set(&testing::permit(), "errors", 5.0).await.unwrap();
    assert_eq!(Alerts::list(&local, 0).await.unwrap()[0].threshold, Some(5.0));
}
