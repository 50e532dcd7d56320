//! Log groups and log events.

use std::{
    io::{BufRead, BufReader},
    process::Stdio,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use jiff::Timestamp;
use pumphouse::cloud::{
    Cloud, Error,
    logs::{Cursor, InsightsQuery, Live, LogPage, ReadLogs},
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::{
    eventstream,
    fake::{Answer, Asked, Fake},
    harness,
};

/// An event: when it happened, when it was taken in, its text.
type Event = (i64, i64, &'static str);

/// A log group that answers as CloudWatch does, `per_page` events a page.
#[derive(Clone, Default)]
struct Group(Arc<Mutex<Vec<Event>>>);

impl Group {
    fn put(&self, events: &[Event]) {
        self.0.lock().unwrap().extend(events);
    }

    fn answer(&self, asked: &Asked, per_page: usize) -> Answer {
        let asked = asked.json();
        let start = asked["startTime"].as_i64().unwrap_or(0);
        let end = asked["endTime"].as_i64().unwrap_or(i64::MAX);
        let mut events = self.0.lock().unwrap().clone();
        events.retain(|(time, ..)| (start..=end).contains(time));
        events.sort_by_key(|(time, ..)| *time);
        let from: usize = asked["nextToken"].as_str().map_or(0, |token| token.parse().unwrap());
        if asked["startFromHead"] == json!(false) {
            events.reverse();
        }
        let some: Vec<Value> = events.iter().skip(from).take(per_page).map(|e| told(*e)).collect();
        let mut answer = json!({"events": some, "searchedLogStreams": []});
        if from + per_page < events.len() {
            answer["nextToken"] = (from + per_page).to_string().into();
        }
        Answer::json(&answer)
    }
}

fn told((time, taken, text): Event) -> Value {
    json!({"logStreamName": "s", "timestamp": time, "ingestionTime": taken, "message": format!("{text}\n"), "eventId": format!("{time}-{text}")})
}

fn one(group: &Group, per_page: usize) -> Fake {
    let group = group.clone();
    Fake::start(move |asked| group.answer(asked, per_page))
}

fn opened(fake: &Fake) -> (Cloud, TempDir) {
    let state = tempfile::tempdir().unwrap();
    (harness::cloud(fake, &state), state)
}

fn of(group: &str) -> ReadLogs {
    ReadLogs { groups: vec![group.into()], ..ReadLogs::default() }
}

fn texts(page: &LogPage) -> Vec<&str> {
    page.events.iter().map(|e| e.message.as_str()).collect()
}

/// Everything until there is no more, and where it ended.
async fn all(cloud: &Cloud, request: &ReadLogs) -> (Vec<String>, Option<Cursor>) {
    let mut request = request.clone();
    let mut found = Vec::new();
    loop {
        let page = cloud.logs.read(&request).await.unwrap();
        found.extend(page.events.into_iter().map(|e| e.message));
        request.after = page.next;
        if !page.more {
            return (found, request.after);
        }
    }
}

#[tokio::test]
async fn ten_thousand_groups_show_as_they_arrive() {
    let fake = Fake::start(|asked| {
        let from: usize = asked.json()["nextToken"].as_str().map_or(0, |token| token.parse().unwrap());
        let groups =
            (from..from + 50).map(|n| json!({"logGroupName": format!("/aws/lambda/f{n:05}"), "storedBytes": n}));
        let mut answer = json!({"logGroups": groups.collect::<Vec<_>>()});
        if from + 50 < 10_000 {
            answer["nextToken"] = (from + 50).to_string().into();
        }
        Answer::json(&answer)
    });
    let (cloud, _state) = opened(&fake);
    let mut pages = cloud.logs.groups();
    assert_eq!(pages.next().await.unwrap().unwrap().len(), 50);
    let calls = || fake.lines().iter().filter(|line| *line == "logs DescribeLogGroups").count();
    assert_eq!(calls(), 1, "the first page is there after one call");
    let (rest, errors) = pages.gather().await;
    assert_eq!((rest.len(), errors, calls()), (9_950, vec![], 200));
    assert_eq!((rest[9_949].name.as_str(), rest[9_949].bytes), ("/aws/lambda/f09999", Some(9_999)));
}

#[tokio::test]
async fn following_repeats_nothing_and_misses_nothing_that_arrives_late() {
    let group = Group::default();
    group.put(&[(100_000, 0, "a"), (200_000, 0, "b"), (200_000, 0, "c")]);
    let fake = one(&group, 2);
    let (cloud, _state) = opened(&fake);
    let (found, after) = all(&cloud, &of("g")).await;
    assert_eq!(found, ["a", "b", "c"]);
    let mut request = ReadLogs { after, ..of("g") };
    for (new, wanted) in [
        (vec![], vec![]),
        // Three minutes late, together with one that is new.
        (vec![(20_000, 1, "late"), (210_000, 1, "d")], vec!["late", "d"]),
        // At the same time as one that was seen.
        (vec![(210_000, 2, "e")], vec!["e"]),
        (vec![], vec![]),
    ] {
        group.put(&new);
        let (found, after) = all(&cloud, &request).await;
        assert_eq!(found, wanted);
        request.after = after;
    }
}

#[tokio::test]
async fn a_page_can_be_read_on_from_again() {
    let group = Group::default();
    group.put(&[(1_000, 0, "a"), (2_000, 0, "b"), (3_000, 0, "c")]);
    let fake = one(&group, 2);
    let (cloud, _state) = opened(&fake);
    let first = cloud.logs.read(&ReadLogs { limit: 1, ..of("g") }).await.unwrap();
    assert_eq!((texts(&first), first.more), (vec!["a"], true));
    let on = ReadLogs { after: first.next, ..of("g") };
    for _ in 0..2 {
        assert_eq!(all(&cloud, &on).await.0, ["b", "c"]);
    }
    let foreign = ReadLogs { after: Some(Cursor::new(1_i64)), ..of("g") };
    assert!(matches!(cloud.logs.read(&foreign).await, Err(Error::Invalid(_))));
}

#[tokio::test]
async fn many_groups_come_in_the_order_of_time() {
    let groups: Vec<Group> = (0..20).map(|_| Group::default()).collect();
    for (n, group) in groups.iter().enumerate() {
        let n = n as i64;
        group.put(&[(1_000 + n, 0, "x"), (3_000 - n, 0, "y"), (5_000 + 7 * n % 11, 0, "z")]);
    }
    let names: Vec<String> = (0..20).map(|n| format!("g{n}")).collect();
    let fake = Fake::start(move |asked| {
        let name = asked.json()["logGroupName"].as_str().unwrap().to_owned();
        groups[name[1..].parse::<usize>().unwrap()].answer(asked, 2)
    });
    let (cloud, _state) = opened(&fake);
    let mut request = ReadLogs { groups: names, limit: 7, ..ReadLogs::default() };
    let mut times = Vec::new();
    loop {
        let page = cloud.logs.read(&request).await.unwrap();
        assert!(page.events.len() <= 7);
        times.extend(page.events.iter().map(|e| e.timestamp));
        request.after = page.next;
        if !page.more {
            break;
        }
    }
    assert_eq!(times.len(), 60);
    assert!(times.is_sorted());
}

#[tokio::test]
async fn a_group_that_may_not_be_read_is_named_and_the_others_are_read() {
    let group = Group::default();
    group.put(&[(1_800_000_000_000, 0, "a")]);
    let fake = Fake::start(move |asked| match asked.json()["logGroupName"].as_str() {
        Some("secret") => Answer::json_error(400, "AccessDeniedException", "no"),
        _ => group.answer(asked, 10),
    });
    let (cloud, _state) = opened(&fake);
    let denied = Error::AccessDenied { action: "logs:FilterLogEvents".into(), target: "secret".into() };
    for newest in [false, true] {
        let request = ReadLogs { groups: vec!["secret".into(), "open".into()], newest, ..ReadLogs::default() };
        let page = cloud.logs.read(&request).await.unwrap();
        assert_eq!((texts(&page), &page.failed), (vec!["a"], &vec![("secret".to_owned(), denied.clone())]));
        // It is told once.
        let page = cloud.logs.read(&ReadLogs { after: page.next, ..request }).await.unwrap();
        assert!(page.events.is_empty() && page.failed.is_empty());
    }
    assert_eq!(cloud.logs.read(&of("secret")).await, Err(denied));
}

#[tokio::test]
async fn the_newest_come_first_and_what_is_older_does_not_look_late() {
    let group = Group::default();
    let start = 1_800_000_000_000;
    group.put(&[(start, 0, "a"), (start + 1, 0, "b"), (start + 2, 0, "c"), (start + 3, 0, "d")]);
    // One answers as AWS does, one reads forward whatever it is asked.
    let (backward, forward) = (one(&group, 1), group.clone());
    let forward = Fake::start(move |asked| {
        let mut asked = asked.clone();
        let mut body = asked.json();
        body.as_object_mut().unwrap().remove("startFromHead");
        asked.body = body.to_string().into();
        forward.answer(&asked, 2)
    });
    for fake in [backward, forward] {
        let (cloud, _state) = opened(&fake);
        let page = cloud.logs.read(&ReadLogs { newest: true, limit: 2, ..of("g") }).await.unwrap();
        assert_eq!((texts(&page), page.more), (vec!["c", "d"], false));
        let after = page.next;
        assert_eq!(all(&cloud, &ReadLogs { after, newest: true, ..of("g") }).await.0, [""; 0]);
    }
}

#[tokio::test]
async fn what_is_asked_for_is_said_in_cloudwatchs_words() {
    let fake = one(&Group::default(), 1);
    let (cloud, _state) = opened(&fake);
    let request = ReadLogs {
        stream: Some("jr_1*".into()),
        since: Some("2026-11-20T14:00:00.0001Z".parse().unwrap()),
        until: Some("2026-11-20T15:00:00Z".parse().unwrap()),
        filter: Some("say \"no\"".into()),
        ..of("g")
    };
    cloud.logs.read(&request).await.unwrap();
    cloud.logs.read(&ReadLogs { stream: Some("jr_1".into()), ..of("g") }).await.unwrap();
    let asked = fake.asked();
    let wanted = json!({"logGroupName": "g", "logStreamNamePrefix": "jr_1", "startTime": 1_795_183_200_001_i64,
        "endTime": 1_795_186_799_999_i64, "filterPattern": "\"say \" \"no\"", "limit": 10_000});
    assert_eq!(asked[0].json(), wanted);
    assert_eq!(asked[1].json(), json!({"logGroupName": "g", "logStreamNames": ["jr_1"], "limit": 10_000}));
}

#[tokio::test]
async fn following_goes_on_after_expired_credentials() {
    let group = Group::default();
    group.put(&[(1_000, 0, "a")]);
    let expired = Arc::new(AtomicUsize::new(0));
    let (put, state_of) = (group.clone(), expired.clone());
    let fake = Fake::start(move |asked| match state_of.load(Ordering::SeqCst) {
        1 => Answer::json_error(400, "ExpiredTokenException", "The security token included in the request is expired"),
        _ => put.answer(asked, 10),
    });
    let (cloud, _state) = opened(&fake);
    let (_, after) = all(&cloud, &of("g")).await;
    group.put(&[(1_500, 0, "b")]);
    expired.store(1, Ordering::SeqCst);
    let request = ReadLogs { after, ..of("g") };
    assert!(matches!(cloud.logs.read(&request).await, Err(Error::Credentials(_))));
    expired.store(2, Ordering::SeqCst);
    assert_eq!(all(&cloud, &request).await.0, ["b"]);
}

#[tokio::test]
async fn throttling_is_waited_out_and_counted() {
    let group = Group::default();
    group.put(&[(1_000, 0, "a")]);
    let calls = AtomicUsize::new(0);
    let fake = Fake::start(move |asked| match calls.fetch_add(1, Ordering::SeqCst) {
        0 | 1 => Answer::json_error(400, "ThrottlingException", "Rate exceeded"),
        _ => group.answer(asked, 10),
    });
    let (cloud, _state) = opened(&fake);
    assert_eq!(all(&cloud, &of("g")).await.0, ["a"]);
    let traffic = cloud.traffic.traffic().unwrap();
    assert_eq!((traffic.calls, traffic.throttled), (3, 2));
}

const CALLER: &str = "<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:iam::123456789012:user/ada</Arn>\
                      <Account>123456789012</Account></GetCallerIdentityResult></GetCallerIdentityResponse>";

/// A live tail of these messages, then its end; the rest as `script` says.
fn live(messages: Vec<Vec<u8>>, script: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Fake {
    Fake::start(move |asked| match asked.operation.as_str() {
        "StartLiveTail" => {
            let start = eventstream::event("sessionStart", &json!({"sessionId": "1"}));
            Answer::text(200, "application/vnd.amazon.eventstream", [vec![start], messages.clone()].concat().concat())
        }
        "GetCallerIdentity" => Answer::xml(CALLER),
        _ => script(asked),
    })
}

fn update(sampled: bool, events: &[Event]) -> Vec<u8> {
    let results = events.iter().map(|(time, taken, text)| {
        json!({"logStreamName": "s", "logGroupIdentifier": "123456789012:g", "timestamp": time, "ingestionTime": taken, "message": format!("{text}\n")})
    });
    let metadata = json!({"sampled": sampled});
    eventstream::event(
        "sessionUpdate",
        &json!({"sessionMetadata": metadata, "sessionResults": results.collect::<Vec<_>>()}),
    )
}

#[tokio::test]
async fn live_tail_sends_says_when_it_is_sampled_and_is_followed_by_looking() {
    let group = Group::default();
    group.put(&[(100_000, 1, "before")]);
    let messages = vec![
        // The first was read before; the second is new.
        update(false, &[(100_000, 1, "before"), (101_000, 2, "sent")]),
        update(true, &[(102_000, 3, "one of many")]),
    ];
    let fake = live(messages, {
        let group = group.clone();
        move |asked| group.answer(asked, 10)
    });
    let state = tempfile::tempdir().unwrap();
    // It only reads.
    let cloud = harness::read_only(&fake, &state);
    let mut request = ReadLogs { live: true, ..of("g") };
    let (mut found, mut states) = (Vec::new(), Vec::new());
    for _ in 0..6 {
        let page = cloud.logs.read(&request).await.unwrap();
        found.extend(page.events.iter().map(|e| e.message.clone()));
        request.after = page.next;
        states.extend(page.live);
        // Those that were sent are found again by looking.
        if found.len() == 3 && group.0.lock().unwrap().len() == 1 {
            group.put(&[(101_000, 2, "sent"), (102_000, 3, "one of many"), (102_000, 4, "left out")]);
        }
    }
    assert_eq!(found, ["before", "sent", "one of many", "left out"]);
    let on = |sampled| Live::On { sampled };
    assert_eq!(states[..4], [on(false), on(false), on(false), on(true)]);
    assert!(matches!(&states[4], Live::Off { why } if why.contains("three hours")), "{states:?}");
    assert_eq!(states[5], states[4]);
    let asked = fake.asked();
    let opened = asked.iter().find(|a| a.operation == "StartLiveTail").unwrap();
    let arn = "arn:aws:logs:eu-west-1:123456789012:log-group:g";
    assert_eq!(opened.json(), json!({"logGroupIdentifiers": [arn]}));
    // The address is the one that was given, not a host of its own.
    assert_eq!(opened.headers["host"].to_str().unwrap(), fake.url().trim_start_matches("http://"));
}

#[tokio::test]
async fn where_live_tail_cannot_begin_or_fails_it_is_looked_for_events() {
    let group = Group::default();
    group.put(&[(100_000, 1, "a")]);
    let read = {
        let group = group.clone();
        move |asked: &Asked| group.answer(asked, 10)
    };
    let denied = Fake::start({
        let read = read.clone();
        move |asked| match asked.operation.as_str() {
            "StartLiveTail" => Answer::json_error(400, "AccessDeniedException", "no"),
            "GetCallerIdentity" => Answer::xml(CALLER),
            _ => read(asked),
        }
    });
    let failing =
        live(vec![eventstream::exception("SessionStreamingException", &json!({"message": "too much"}))], read);
    for (fake, why) in [(denied, "logs:StartLiveTail"), (failing, "too much")] {
        let (cloud, _state) = opened(&fake);
        let mut request = ReadLogs { live: true, ..of("g") };
        let mut last = None;
        for _ in 0..4 {
            let page = cloud.logs.read(&request).await.unwrap();
            request.after = page.next;
            last = page.live;
        }
        assert!(matches!(&last, Some(Live::Off { why: told }) if told.contains(why)), "{last:?}");
    }
}

fn query() -> InsightsQuery {
    InsightsQuery {
        query: "fields @timestamp, @message".into(),
        groups: vec!["g".into()],
        since: "2026-11-20T14:00:00Z".parse().unwrap(),
        until: "2026-11-20T15:00:00Z".parse().unwrap(),
        limit: 20,
    }
}

#[tokio::test]
async fn a_query_is_waited_for() {
    let polls = AtomicUsize::new(0);
    let fake = Fake::start(move |asked| match asked.operation.as_str() {
        "StartQuery" => Answer::json(&json!({"queryId": "q-1"})),
        _ if polls.fetch_add(1, Ordering::SeqCst) == 0 => Answer::json(&json!({"status": "Running", "results": []})),
        _ => {
            let row = |fields: &[(&str, &str)]| {
                Value::Array(fields.iter().map(|(field, value)| json!({"field": field, "value": value})).collect())
            };
            let rows = [
                row(&[("@timestamp", "2026-11-20 14:00:01.000"), ("@message", "a"), ("@ptr", "xyz")]),
                row(&[("@timestamp", "2026-11-20 14:00:02.000"), ("level", "ERROR")]),
            ];
            let statistics = json!({"recordsMatched": 2.0, "recordsScanned": 1000.0, "bytesScanned": 1_073_741_824.0});
            Answer::json(&json!({"status": "Complete", "results": rows, "statistics": statistics}))
        }
    });
    let (cloud, _state) = opened(&fake);
    let found = cloud.logs.insights(&query(), CancellationToken::new()).await.unwrap();
    assert_eq!(found.columns, ["@timestamp", "@message", "level"]);
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(found.rows[0], [some("2026-11-20 14:00:01.000"), some("a"), None]);
    assert_eq!(found.rows[1], [some("2026-11-20 14:00:02.000"), None, some("ERROR")]);
    assert_eq!((found.records_matched, found.records_scanned), (2, 1000));
    assert!((found.cost_usd() - 0.005).abs() < 1e-9);
    let asked = json!({"logGroupNames": ["g"], "startTime": 1_795_183_200, "endTime": 1_795_186_800,
        "queryString": "fields @timestamp, @message", "limit": 20});
    assert_eq!(fake.asked()[0].json(), asked);
}

#[tokio::test]
async fn a_query_that_is_given_up_is_stopped() {
    let cancel = CancellationToken::new();
    let seen = cancel.clone();
    let fake = Fake::start(move |asked| match asked.operation.as_str() {
        "StartQuery" => Answer::json(&json!({"queryId": "q-1"})),
        "StopQuery" => Answer::json(&json!({"success": true})),
        _ => {
            seen.cancel();
            Answer::json(&json!({"status": "Running"}))
        }
    });
    let (cloud, _state) = opened(&fake);
    assert_eq!(cloud.logs.insights(&query(), cancel).await, Err(Error::Cancelled));
    let asked = fake.asked();
    let last = asked.last().unwrap();
    assert_eq!((last.operation.as_str(), last.json()), ("StopQuery", json!({"queryId": "q-1"})));
}

#[tokio::test]
async fn a_query_that_is_wrong_says_where() {
    let fake = Fake::start(|_| {
        Answer::json_error(400, "MalformedQueryException", "unexpected symbol found nonsense at line 1")
    });
    let (cloud, _state) = opened(&fake);
    let told = cloud.logs.insights(&query(), CancellationToken::new()).await.unwrap_err();
    assert!(matches!(&told, Error::Invalid(why) if why.contains("nonsense")), "{told:?}");
}

#[test]
fn the_command_line_follows_through_expired_credentials_and_ends_with_a_signal() {
    let now = Timestamp::now().as_millisecond();
    let group = Group::default();
    group.put(&[(now - 1_000, 0, "first")]);
    let calls = AtomicUsize::new(0);
    let put = group.clone();
    let fake = Fake::start(move |asked| match calls.fetch_add(1, Ordering::SeqCst) {
        1 => {
            put.put(&[(now, 0, "second")]);
            Answer::json_error(400, "ExpiredTokenException", "it is expired")
        }
        _ => put.answer(asked, 10),
    });
    let p = harness::Pumphouse::on(&fake);
    let mut child =
        p.command().args(["logs", "tail", "-f", "g"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.next().unwrap().unwrap().ends_with(" first"));
    assert!(lines.next().unwrap().unwrap().ends_with(" second"));
    let sent = std::process::Command::new("sh").args(["-c", &format!("kill -s INT {}", child.id())]).status().unwrap();
    assert!(sent.success());
    let ended = child.wait_with_output().unwrap();
    let told = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success() && told.contains("expired") && told.contains("following goes on"), "{told}");
}

#[test]
fn a_group_that_is_not_there_is_answered_with_those_that_are() {
    let fake = Fake::start(|asked| match asked.operation.as_str() {
        "DescribeLogGroups" => Answer::json(&json!({"logGroups": [{"logGroupName": "/aws/lambda/fetch"}]})),
        _ => Answer::json_error(400, "ResourceNotFoundException", "The specified log group does not exist."),
    });
    let ended = harness::Pumphouse::on(&fake).run(&["logs", "tail", "/aws/lambda/fetsh"]);
    let told = String::from_utf8_lossy(&ended.stderr);
    assert!(told.contains("did you mean /aws/lambda/fetch?"), "{told}");
}

#[test]
fn a_job_named_by_its_pipeline_means_both_of_its_log_groups() {
    let fake = Fake::start(crate::account::filled);
    let said = harness::Pumphouse::on(&fake).run(&["logs", "tail", "crypto-stream/clean_prices"]);
    let mut groups: Vec<_> = fake
        .asked()
        .iter()
        .filter(|asked| asked.operation == "FilterLogEvents")
        .map(|asked| asked.json()["logGroupName"].as_str().unwrap_or_default().to_owned())
        .collect();
    groups.sort();
    groups.dedup();
    let base = "/aws-glue/jobs/crypto-stream-dev-clean_prices";
    assert_eq!(
        groups,
        [format!("{base}/error"), format!("{base}/output")],
        "{}",
        String::from_utf8_lossy(&said.stderr)
    );
}
