//! Queues, looking into them, and giving dead letters back.

use pumphouse::cloud::{
    Error,
    uploads::{ByteStream, PutStream, STREAM_PART},
};
use serde_json::{Value, json};

use crate::{
    fake::{Answer, Asked, Fake},
    harness,
};

const ACCOUNT: &str = "123456789012";

fn url(name: &str) -> String {
    format!("https://sqs.eu-west-1.amazonaws.com/{ACCOUNT}/{name}")
}

fn arn(name: &str) -> String {
    format!("arn:aws:sqs:eu-west-1:{ACCOUNT}:{name}")
}

fn attributes(name: &str) -> Value {
    match name {
        "work" => json!({"QueueArn": arn("work"), "ApproximateNumberOfMessages": "3",
            "ApproximateNumberOfMessagesNotVisible": "1", "ApproximateNumberOfMessagesDelayed": "0",
            "VisibilityTimeout": "30", "MessageRetentionPeriod": "345600",
            "RedrivePolicy": json!({"deadLetterTargetArn": arn("dead"), "maxReceiveCount": "5"}).to_string()}),
        _ => json!({"QueueArn": arn(name), "ApproximateNumberOfMessages": "2"}),
    }
}

fn message(id: &str, sent: &str) -> Value {
    json!({"MessageId": id, "ReceiptHandle": format!("r-{id}"), "Body": format!("body {id}"),
        "Attributes": {"SentTimestamp": sent, "ApproximateReceiveCount": "6", "DeadLetterQueueSourceArn": arn("work")}})
}

fn script(asked: &Asked) -> Answer {
    let body = asked.json();
    let queue = body["QueueUrl"].as_str().and_then(|u| u.rsplit('/').next()).unwrap_or_default().to_owned();
    match asked.operation.as_str() {
        "ListQueues" if body["NextToken"] == "2" => Answer::json(&json!({"QueueUrls": [url("secret"), url("gone")]})),
        "ListQueues" => Answer::json(&json!({"QueueUrls": [url("work"), url("dead")], "NextToken": "2"})),
        "GetQueueAttributes" if queue == "secret" => Answer::json_error(403, "AccessDenied", "no"),
        "GetQueueAttributes" if queue == "gone" => {
            Answer::json_error(400, "com.amazonaws.sqs#QueueDoesNotExist", "The specified queue does not exist.")
        }
        "GetQueueAttributes" => Answer::json(&json!({"Attributes": attributes(&queue)})),
        "GetQueueUrl" if body["QueueName"] == "nothing" => {
            Answer::json_error(400, "com.amazonaws.sqs#QueueDoesNotExist", "The specified queue does not exist.")
        }
        "GetQueueUrl" => Answer::json(&json!({"QueueUrl": url(body["QueueName"].as_str().unwrap())})),
        "ReceiveMessage" => {
            assert_eq!(body["VisibilityTimeout"], 0, "nobody else misses them");
            Answer::json(&json!({"Messages": [message("b", "1800000001000"), message("a", "1800000000000")]}))
        }
        "SendMessage" => Answer::json(&json!({"MessageId": "m-1"})),
        "StartMessageMoveTask" if body["SourceArn"] == arn("dead").as_str() => {
            Answer::json(&json!({"TaskHandle": "t"}))
        }
        "StartMessageMoveTask" => {
            Answer::json_error(400, "InvalidParameterValue", "Source queue must be configured as a Dead Letter Queue.")
        }
        "ListMessageMoveTasks" => Answer::json(&json!({"Results": [
            {"Status": "COMPLETED", "ApproximateNumberOfMessagesMoved": 2, "SourceArn": arn("dead")}]})),
        _ => Answer::xml("<DescribeStacksResponse><DescribeStacksResult/></DescribeStacksResponse>"),
    }
}

#[tokio::test]
async fn queues_come_with_what_they_hold_and_a_denied_one_is_named() {
    let fake = Fake::start(script);
    let state = tempfile::tempdir().unwrap();
    let (queues, errors) = harness::cloud(&fake, &state).queues.list().gather().await;
    let names: Vec<_> = queues.iter().map(|q| q.name.as_str()).collect();
    assert_eq!(names, ["dead", "work", "secret"], "one that is gone by now is left out");
    let work = &queues[1];
    assert_eq!((work.visible, work.in_flight, work.delayed, work.max_receives), (Some(3), Some(1), Some(0), Some(5)));
    assert_eq!((work.dead_letter.as_deref(), work.messages()), (Some("dead"), Some(4)));
    assert_eq!(queues[0].dead_letters_of, ["work"]);
    assert_eq!((queues[2].visible, queues[2].messages()), (None, None));
    assert!(
        matches!(&errors[..], [Error::AccessDenied { action, .. }] if action == "sqs:GetQueueAttributes"),
        "{errors:?}"
    );
}

#[tokio::test]
async fn dead_letters_are_looked_at_and_a_queue_that_would_make_some_is_not() {
    let fake = Fake::start(script);
    let state = tempfile::tempdir().unwrap();
    let queues = harness::read_only(&fake, &state).queues;
    let letters = queues.messages("dead", 10).await.unwrap();
    let told: Vec<_> = letters.iter().map(|m| (m.id.as_str(), m.receives, m.body.as_str())).collect();
    assert_eq!(told, [("a", Some(6), "body a"), ("b", Some(6), "body b")], "each once, the oldest first");
    assert_eq!(letters[0].attributes["DeadLetterQueueSource"], "work");
    assert_eq!(queues.messages("dead", 1).await.unwrap().len(), 1);
    let refused = queues.messages("work", 10).await.unwrap_err();
    assert!(
        matches!(&refused, Error::Unsupported { cloud: "aws", what } if what.contains("goes to dead")),
        "{refused}"
    );
    let missing = queues.messages("nothing", 10).await.unwrap_err();
    assert_eq!(missing, Error::NotFound { kind: "queue", name: "nothing".into() });
}

#[tokio::test]
async fn a_redrive_is_waited_for_and_only_a_dead_letter_queue_has_one() {
    let fake = Fake::start(script);
    let state = tempfile::tempdir().unwrap();
    let queues = harness::cloud(&fake, &state).queues;
    let done = harness::permitted(&state, |permit| async move {
        assert_eq!(queues.send(&permit, "work", "hello").await?, "m-1");
        assert!(matches!(queues.send(&permit, "work", "").await, Err(Error::Invalid(_))));
        let refused = queues.redrive(&permit, "work").await.unwrap_err().to_string();
        assert!(refused.contains("no queue's dead-letter queue"), "{refused}");
        queues.redrive(&permit, "dead").await
    });
    let done = done.await.unwrap();
    assert_eq!((done.moved, done.status.as_str()), (Some(2), "COMPLETED"));
    let sent: Vec<_> = fake.asked().into_iter().filter(|a| a.operation == "SendMessage").collect();
    assert_eq!((sent.len(), sent[0].json()["MessageBody"].clone()), (1, json!("hello")));
}

#[tokio::test]
async fn nothing_is_sent_or_moved_in_read_only_mode() {
    let fake = Fake::start(script);
    let state = tempfile::tempdir().unwrap();
    let queues = harness::read_only(&fake, &state).queues;
    harness::permitted(&state, |permit| async move {
        assert!(queues.send(&permit, "work", "x").await.unwrap_err().to_string().contains("read-only"));
        assert!(queues.redrive(&permit, "dead").await.unwrap_err().to_string().contains("read-only"));
        Ok(())
    })
    .await
    .unwrap();
    let changed: Vec<_> = fake.asked().into_iter().filter(|a| a.operation.contains("Message")).collect();
    assert!(changed.is_empty(), "{changed:?}");
}

/// An endpoint that does not know how to move messages: they are moved one by one.
#[tokio::test]
async fn where_messages_cannot_be_moved_they_are_sent_and_then_deleted() {
    let left = std::sync::Mutex::new(vec!["a", "b"]);
    let fake = Fake::start(move |asked| match asked.operation.as_str() {
        "StartMessageMoveTask" => Answer::json_error(400, "InvalidAction", "The action is not valid."),
        "ReceiveMessage" => {
            let next = left.lock().unwrap().pop();
            Answer::json(
                &json!({"Messages": next.map(|id| message(id, "1800000000000")).into_iter().collect::<Vec<_>>()}),
            )
        }
        "DeleteMessage" => Answer::json(&json!({})),
        _ => script(asked),
    });
    let state = tempfile::tempdir().unwrap();
    let queues = harness::cloud(&fake, &state).queues;
    let done = harness::permitted(&state, |permit| async move { queues.redrive(&permit, "dead").await }).await.unwrap();
    assert_eq!((done.moved, done.status.as_str()), (Some(2), "COMPLETED"));
    let moves: Vec<_> =
        fake.asked().into_iter().filter(|a| ["SendMessage", "DeleteMessage"].contains(&a.operation.as_str())).collect();
    let told: Vec<_> = moves.iter().map(|a| (a.operation.as_str(), a.json()["QueueUrl"].clone())).collect();
    let (work, dead) = (json!(url("work")), json!(url("dead")));
    assert_eq!(
        told,
        [
            ("SendMessage", work.clone()),
            ("DeleteMessage", dead.clone()),
            ("SendMessage", work),
            ("DeleteMessage", dead)
        ]
    );
}

const HALF: &[u8] = &[7; STREAM_PART / 2];

/// What is put as a stream: in one request what is small, else in parts, and nothing of what breaks off or is there.
#[tokio::test]
async fn a_stream_goes_in_parts_and_leaves_nothing_where_it_is_not_put() {
    use futures::StreamExt;
    let fake = Fake::start(|asked| {
        let id = "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>";
        match asked.method.as_str() {
            "POST" if asked.params.contains_key("uploads") => Answer::xml(id),
            "POST" => {
                Answer::xml("<CompleteMultipartUploadResult><ETag>\"e-2\"</ETag></CompleteMultipartUploadResult>")
            }
            _ => Answer::xml("").header("etag", "\"e\""),
        }
    });
    let state = tempfile::tempdir().unwrap();
    let buckets = harness::cloud(&fake, &state).buckets;
    let body = |chunks: Vec<Result<&'static [u8], Error>>| -> ByteStream {
        futures::stream::iter(chunks.into_iter().map(|c| c.map(bytes::Bytes::from_static))).boxed()
    };
    let large = || vec![Ok(HALF), Ok(HALF), Ok(&b"x"[..])];
    let put = async |chunks, how: PutStream<'static>| {
        let (buckets, body) = (buckets.clone(), body(chunks));
        let work = |permit| async move {
            let done = buckets.put_stream(&permit, "b", "k", body, &how).await?;
            Ok(Done(done.object.is_some(), done.size, done.sha256))
        };
        harness::permitted(&state, work).await
    };
    let lines = || {
        let all = fake.lines();
        let short = |l: String| l.split("x-id").next().unwrap_or_default().trim_end_matches(['?', '&']).to_owned();
        all.into_iter().map(short).collect::<Vec<_>>()
    };
    let small = put(vec![Ok(b"hel"), Ok(b"lo")], PutStream::default()).await.unwrap();
    assert_eq!((small.0, small.1, lines().len()), (true, 5, 1), "{:?}", lines());
    let same = PutStream { unless_etag: Some("5d41402abc4b2a76b9719d911017c592"), ..PutStream::default() };
    assert!(!put(vec![Ok(b"hello")], same).await.unwrap().0);
    assert_eq!(lines().len(), 1, "what is there already is not put");

    let whole = put(large(), PutStream::default()).await.unwrap();
    assert_eq!((whole.0, whole.1), (true, STREAM_PART as u64 + 1));
    let methods = |from: usize| fake.asked()[from..].iter().map(|a| a.method.clone()).collect::<Vec<_>>();
    assert_eq!(methods(1), ["POST", "PUT", "PUT", "POST"], "begun, two parts, completed: {:?}", lines());
    let sha256: &'static str = Box::leak(whole.2.into_boxed_str());
    let known = PutStream { unless_sha256: Some(sha256), ..PutStream::default() };
    assert!(!put(large(), known).await.unwrap().0);
    assert_eq!(methods(5), ["POST", "PUT", "PUT", "DELETE"], "aborted");
    let mut broken = large();
    broken.push(Err(Error::Unavailable("it broke off".into())));
    assert_eq!(put(broken, PutStream::default()).await.unwrap_err(), Error::Unavailable("it broke off".into()));
    assert_eq!(methods(9).last().unwrap(), "DELETE");
}

#[derive(Debug)]
struct Done(bool, u64, String);

impl pumphouse::backend::Outcome for Done {}

#[tokio::test]
async fn a_redrive_that_goes_on_is_told_as_one() {
    let fake = Fake::start(|asked| match asked.operation.as_str() {
        "StartMessageMoveTask" => Answer::json_error(
            400,
            "InvalidParameterValue",
            "There is already a task running. Only one active task is allowed for a source queue arn at a given time.",
        ),
        _ => script(asked),
    });
    let state = tempfile::tempdir().unwrap();
    let queues = harness::cloud(&fake, &state).queues;
    let told = harness::permitted(&state, |permit| async move { queues.redrive(&permit, "dead").await }).await;
    let told = told.unwrap_err();
    assert!(matches!(&told, Error::Conflict(text) if text.contains("being moved already")), "{told}");
}
