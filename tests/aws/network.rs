//! A network that throttles, fails, is slow, cuts and refuses: what a person then sees on the command line.

use std::{
    net::TcpListener,
    sync::atomic::{AtomicUsize, Ordering},
};

use crate::{
    fake::{Answer, Asked, Fake},
    harness::Pumphouse,
};

const TOPICS: &str = "<ListTopicsResponse><ListTopicsResult><Topics><member><TopicArn>arn:aws:sns:eu-west-1:\
                      123456789012:prices</TopicArn></member></Topics></ListTopicsResult></ListTopicsResponse>";

fn topics(asked: &Asked) -> Answer {
    match asked.operation.as_str() {
        "ListTopics" => Answer::xml(TOPICS),
        other => Answer::xml(format!("<{other}Response><{other}Result/></{other}Response>")),
    }
}

/// The topics, after so many other answers.
fn after(bad: usize, answer: Answer) -> Fake {
    let seen = AtomicUsize::new(0);
    Fake::start(move |asked| {
        if asked.operation == "ListTopics" && seen.fetch_add(1, Ordering::Relaxed) < bad {
            return answer.clone();
        }
        topics(asked)
    })
}

/// The exit code and what is said on standard output and standard error.
fn list(pumphouse: &Pumphouse) -> (Option<i32>, String, String) {
    let output = pumphouse.command().args(["topics", "list"]).env("AWS_MAX_ATTEMPTS", "3").output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

fn asked_for_topics(fake: &Fake) -> usize {
    fake.lines().iter().filter(|line| *line == "sns ListTopics").count()
}

#[test]
fn what_is_throttled_or_fails_on_the_server_is_tried_again() {
    for bad in [Answer::xml_error(400, "Throttling", "Rate exceeded"), Answer::xml_error(500, "InternalFailure", "oh")]
    {
        let fake = after(1, bad);
        let (code, out, err) = list(&Pumphouse::on(&fake));
        assert_eq!(code, Some(0), "{err}");
        assert!(out.contains("prices"), "{out}");
        assert_eq!(asked_for_topics(&fake), 2);
    }
}

#[test]
fn what_stays_throttled_is_told_in_the_end() {
    let fake = after(usize::MAX, Answer::xml_error(400, "Throttling", "Rate exceeded"));
    let (code, _, err) = list(&Pumphouse::on(&fake));
    assert_eq!(code, Some(1));
    assert!(err.contains("throttled: Throttling: Rate exceeded"), "{err}");
    assert_eq!(asked_for_topics(&fake), 3);
}

#[test]
fn a_slow_answer_is_awaited() {
    let fake = after(1, Answer::xml(TOPICS).after_ms(800));
    let (code, out, err) = list(&Pumphouse::on(&fake));
    assert_eq!(code, Some(0), "{err}");
    assert!(out.contains("prices"), "{out}");
}

#[test]
fn nobody_there_is_told_at_once() {
    let fake = Fake::start(topics);
    let pumphouse = Pumphouse::on(&fake);
    drop(fake);
    // Whoever has the port next is not asked either.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut command = pumphouse.bare();
    command.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test").env("AWS_REGION", "eu-west-1");
    command.args(["--endpoint-url", &format!("http://127.0.0.1:{port}"), "topics", "list"]);
    let output = command.output().unwrap();
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1));
    assert!(err.contains("AWS cannot be reached: Connection refused") && err.contains("sns:ListTopics"), "{err}");
}

#[test]
fn a_connection_that_is_cut_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            drop(connection);
        }
    });
    let fake = Fake::start(topics);
    let pumphouse = Pumphouse::on(&fake);
    let mut command = pumphouse.bare();
    command.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test").env("AWS_REGION", "eu-west-1");
    let output =
        command.args(["--endpoint-url", &url, "topics", "list"]).env("AWS_MAX_ATTEMPTS", "2").output().unwrap();
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1));
    assert!(err.contains("AWS cannot be reached") && err.contains("sns:ListTopics"), "{err}");
}

#[test]
fn an_expired_token_is_told_as_such() {
    let fake = after(usize::MAX, Answer::xml_error(403, "ExpiredToken", "The security token included is expired"));
    let (code, _, err) = list(&Pumphouse::on(&fake));
    assert_eq!(code, Some(1));
    assert!(err.contains("the credentials have expired") && err.contains("log in again (`aws sso login`"), "{err}");
    assert_eq!(asked_for_topics(&fake), 1);
}

#[test]
fn a_refusal_names_the_action() {
    let said = "User: arn:aws:iam::123456789012:user/ada is not authorized to perform: SNS:ListTopics on resource: \
                arn:aws:sns:eu-west-1:123456789012:* because no identity-based policy allows the SNS:ListTopics action";
    let fake = after(usize::MAX, Answer::xml_error(403, "AuthorizationError", said));
    let (code, _, err) = list(&Pumphouse::on(&fake));
    assert_eq!(code, Some(1));
    assert!(err.contains("access denied: SNS:ListTopics on arn:aws:sns:eu-west-1:123456789012:*"), "{err}");
}

#[test]
fn the_doctor_says_who_and_where_we_are() {
    let fake = Fake::start(super::read_only::something);
    let output = Pumphouse::on(&fake).run(&["doctor", "--output", "json"]);
    let found: Vec<serde_json::Value> = serde_json::from_slice(&output.stdout).unwrap();
    let of = |check: &str| found.iter().find(|f| f["check"] == check).unwrap_or_else(|| panic!("{check}: {found:?}"));
    assert_eq!(of("credentials")["found"], "environment");
    assert!(of("caller")["found"].as_str().unwrap().contains("arn:aws:iam::123456789012:user/ada"));
    assert_eq!(of("region")["found"], "eu-west-1");
    assert_eq!(of("endpoint")["grade"], "ok");
    assert_eq!(of("clock skew")["grade"], "ok");
}

#[test]
fn the_doctor_says_what_keeps_us_out() {
    let fake = Fake::start(|_| Answer::xml_error(403, "InvalidClientTokenId", "The security token is invalid"));
    let output = Pumphouse::on(&fake).run(&["doctor", "--output", "json"]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("does not accept the credentials") && text.contains("aws configure"), "{text}");
}
