//! Topics, who subscribes to them, and publishing.

use std::collections::BTreeMap;

use pumphouse::cloud::{Error, alerts::Publish};

use crate::{
    fake::{Answer, Asked, Fake},
    harness,
};

const ACCOUNT: &str = "123456789012";

fn arn(topic: &str) -> String {
    format!("arn:aws:sns:eu-west-1:{ACCOUNT}:{topic}")
}

fn member(fields: &[(&str, &str)]) -> String {
    let fields: Vec<_> = fields.iter().map(|(name, value)| format!("<{name}>{value}</{name}>")).collect();
    format!("<member>{}</member>", fields.concat())
}

fn result(operation: &str, inner: &str) -> Answer {
    Answer::xml(format!("<{operation}Response><{operation}Result>{inner}</{operation}Result></{operation}Response>"))
}

fn script(asked: &Asked) -> Answer {
    match asked.operation.as_str() {
        "ListTopics" => {
            let topic = |name: &str| member(&[("TopicArn", &arn(name))]);
            match asked.params.get("NextToken") {
                None => result(
                    "ListTopics",
                    &format!("<Topics>{}{}</Topics><NextToken>2</NextToken>", topic("b"), topic("a")),
                ),
                Some(_) => result("ListTopics", &format!("<Topics>{}</Topics>", topic("c"))),
            }
        }
        "ListSubscriptions" => {
            let confirmed = format!("{}:4711", arn("a"));
            let queue = format!("arn:aws:sqs:eu-west-1:{ACCOUNT}:work");
            let all = [
                member(&[
                    ("TopicArn", &arn("a")),
                    ("Protocol", "email"),
                    ("Endpoint", "ada@example.com"),
                    ("SubscriptionArn", "PendingConfirmation"),
                ]),
                member(&[
                    ("TopicArn", &arn("a")),
                    ("Protocol", "sqs"),
                    ("Endpoint", &queue),
                    ("SubscriptionArn", &confirmed),
                ]),
            ];
            result("ListSubscriptions", &format!("<Subscriptions>{}</Subscriptions>", all.concat()))
        }
        "GetCallerIdentity" => result(
            "GetCallerIdentity",
            &format!("<Arn>arn:aws:iam::{ACCOUNT}:user/ada</Arn><UserId>A</UserId><Account>{ACCOUNT}</Account>"),
        ),
        other => result(other, "<MessageId>m-1</MessageId>"),
    }
}

#[tokio::test]
async fn topics_come_page_by_page_and_say_who_has_not_confirmed() {
    let fake = Fake::start(script);
    let state = tempfile::tempdir().unwrap();
    let cloud = harness::cloud(&fake, &state);
    let mut pages = cloud.alerts.topics();
    let first = pages.next().await.unwrap().unwrap();
    assert_eq!(first.iter().map(|t| t.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    let told: Vec<_> =
        first[0].subscriptions.iter().map(|s| (s.protocol.as_str(), s.endpoint.as_str(), s.status.as_str())).collect();
    assert_eq!(told, [("email", "ada@example.com", "pending confirmation"), ("sqs", "work", "confirmed")]);
    assert_eq!(pages.next().await.unwrap().unwrap()[0].name, "c");
    assert_eq!(fake.lines().iter().filter(|l| *l == "sns ListSubscriptions").count(), 1);
}

#[tokio::test]
async fn topics_come_where_subscriptions_are_denied() {
    let fake = Fake::start(|asked| match asked.operation.as_str() {
        "ListSubscriptions" => Answer::xml_error(403, "AuthorizationError", "no"),
        _ => script(asked),
    });
    let state = tempfile::tempdir().unwrap();
    let (topics, errors) = harness::cloud(&fake, &state).alerts.topics().gather().await;
    assert_eq!(topics.len(), 3);
    assert_eq!(errors, [Error::AccessDenied { action: "sns:ListSubscriptions".into(), target: "*".into() }]);
}

#[tokio::test]
async fn a_message_goes_to_the_topic_of_that_name_in_this_account() {
    let fake = Fake::start(script);
    let state = tempfile::tempdir().unwrap();
    let alerts = harness::cloud(&fake, &state).alerts;
    let message = Publish {
        subject: Some("BTC over 100,000".into()),
        message: "{}".into(),
        attributes: BTreeMap::from([("pair".to_owned(), "BTC".to_owned())]),
    };
    for topic in ["price_alerts", "orders.fifo"] {
        let (port, message) = (alerts.clone(), message.clone());
        harness::permitted(&state, |permit| async move { port.publish(&permit, topic, &message).await }).await.unwrap();
    }
    assert_eq!(fake.lines(), ["sts GetCallerIdentity", "sns Publish", "sns Publish"]);
    let params = &fake.asked()[1].params;
    assert_eq!(params["TopicArn"], arn("price_alerts"));
    assert_eq!((params["Message"].as_str(), params["Subject"].as_str()), ("{}", "BTC over 100,000"));
    assert_eq!(params["MessageAttributes.entry.1.Value.StringValue"], "BTC");
    assert!(!params.contains_key("MessageGroupId"));
    let params = &fake.asked()[2].params;
    assert!(params.contains_key("MessageGroupId") && params.contains_key("MessageDeduplicationId"));
}

#[tokio::test]
async fn what_sns_would_not_take_is_not_sent() {
    let fake = Fake::start(script);
    let state = tempfile::tempdir().unwrap();
    let alerts = harness::cloud(&fake, &state).alerts;
    let done = harness::permitted(&state, |permit| async move {
        alerts.publish(&permit, "price_alerts", &Publish::default()).await
    });
    assert!(matches!(done.await, Err(Error::Invalid(_))));
    assert_eq!(fake.lines(), [""; 0]);
}

#[tokio::test]
async fn sns_keeps_no_messages_and_says_so() {
    let fake = Fake::start(script);
    let state = tempfile::tempdir().unwrap();
    let told = harness::cloud(&fake, &state).alerts.inbox("price_alerts", 10).await.unwrap_err();
    assert!(matches!(&told, Error::Unsupported { cloud: "aws", what } if what.contains("keeps none")), "{told:?}");
}

#[test]
fn the_command_line_shows_the_rest_of_what_is_denied_in_part() {
    let fake = Fake::start(|asked| match asked.operation.as_str() {
        "ListSubscriptions" => Answer::xml_error(403, "AuthorizationError", "no"),
        _ => script(asked),
    });
    let ended = harness::Pumphouse::on(&fake).run(&["topics", "list", "--output", "csv"]);
    let (out, told) = (String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
    assert!(ended.status.success() && out.lines().count() == 4, "{out}{told}");
    assert!(told.contains("not all of it can be seen: access denied: sns:ListSubscriptions"), "{told}");
}
