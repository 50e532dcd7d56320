//! Functions: the list with its figures, and invocations.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use pumphouse::cloud::{
    Error,
    functions::{Invocation, Invoke, SourceMode},
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    fake::{Answer, Asked, Fake},
    harness,
};

fn configuration(name: &str) -> Value {
    json!({"FunctionName": name, "FunctionArn": format!("arn:aws:lambda:eu-west-1:123456789012:function:{name}"),
        "Runtime": "provided.al2023", "Handler": "crypto_stream::fetch_prices", "Timeout": 30, "MemorySize": 128,
        "CodeSize": 1, "LoggingConfig": {"LogFormat": "Text", "LogGroup": format!("/aws/lambda/{name}")}})
}

/// Sums for each metric that is asked for, by metric and function.
fn measured(asked: &Asked, sums: impl Fn(&str, &str) -> Vec<(i64, f64)>) -> Answer {
    let queries = asked.json()["MetricDataQueries"].as_array().cloned().unwrap_or_default();
    let results: Vec<Value> = queries
        .iter()
        .map(|query| {
            let metric = &query["MetricStat"]["Metric"];
            let name = metric["Dimensions"][0]["Value"].as_str().unwrap();
            let points = sums(metric["MetricName"].as_str().unwrap(), name);
            let times: Vec<Value> = points.iter().map(|(t, _)| json!({"$time": t})).collect();
            let values: Vec<f64> = points.iter().map(|(_, v)| *v).collect();
            json!({"Id": query["Id"], "Label": "x", "StatusCode": "Complete", "Timestamps": times, "Values": values})
        })
        .collect();
    Answer::cbor(&json!({"MetricDataResults": results}))
}

#[tokio::test]
async fn functions_come_page_by_page_with_their_figures() {
    let fake = Fake::start(|asked| match asked.service.as_str() {
        "lambda" if asked.params.contains_key("Marker") => Answer::json(&json!({"Functions": [configuration("two")]})),
        "lambda" => Answer::json(&json!({"Functions": [configuration("one")], "NextMarker": "m"})),
        "monitoring" => measured(asked, |metric, name| match (metric, name) {
            ("Invocations", "one") => vec![(1_800_000_000, 5.0), (1_800_000_300, 2.0), (1_800_000_600, 0.0)],
            ("Errors", "one") => vec![(1_800_000_000, 0.0), (1_800_000_300, 2.0)],
            ("Invocations", "two") => vec![(1_800_000_000, 5.0)],
            ("Errors", "two") => vec![(1_800_000_000, 1.0)],
            _ => vec![],
        }),
        _ => Answer::xml("<DescribeStacksResponse><DescribeStacksResult/></DescribeStacksResponse>"),
    });
    let state = tempfile::tempdir().unwrap();
    let cloud = harness::cloud(&fake, &state);
    let mut pages = cloud.functions.list();
    let one = pages.next().await.unwrap().unwrap().remove(0);
    assert_eq!((one.name.as_str(), one.runtime.as_str(), one.timeout_seconds), ("one", "provided.al2023", 30));
    assert_eq!((one.invocations, one.errors), (Some(7), Some(2)));
    assert_eq!(one.last_invoked.unwrap().as_second(), 1_800_000_300);
    assert!(one.last_error.unwrap().starts_with("all 2 invocations since "));
    assert_eq!((one.records_in, one.log_group.as_str()), (None, "/aws/lambda/one"));
    let two = pages.next().await.unwrap().unwrap().remove(0);
    assert_eq!((two.name.as_str(), two.errors, two.last_error), ("two", Some(1), None), "others went well");
    assert!(pages.next().await.is_none());
    // Metrics cost money: what was read a moment ago is not read again.
    drop(pages);
    let before = fake.asked().iter().filter(|a| a.service == "monitoring").count();
    cloud.functions.list().await.unwrap();
    assert_eq!(fake.asked().iter().filter(|a| a.service == "monitoring").count(), before);
}

#[tokio::test]
async fn functions_are_listed_where_metrics_are_denied() {
    let fake = Fake::start(|asked| match asked.service.as_str() {
        "lambda" => Answer::json(&json!({"Functions": [configuration("one")]})),
        _ => Answer::json_error(403, "AccessDenied", "no"),
    });
    let state = tempfile::tempdir().unwrap();
    let listed = harness::cloud(&fake, &state).functions.list().await.unwrap();
    assert_eq!((listed[0].name.as_str(), listed[0].invocations), ("one", None));
}

fn request(event: Value) -> Invoke {
    Invoke { function: "f".into(), event, request_id: None, sources: BTreeMap::new() }
}

async fn invoke(fake: &Fake, state: &TempDir, request: Invoke) -> Result<Invocation, Error> {
    let functions = harness::cloud(fake, state).functions;
    let (to, from) = std::sync::mpsc::channel();
    let done = harness::permitted(state, |permit| async move {
        let _ = to.send(functions.invoke(&permit, request).await?);
        Ok(())
    });
    done.await?;
    Ok(from.recv().unwrap())
}

#[tokio::test]
async fn an_invocation_gives_its_answer_its_id_and_the_end_of_its_log() {
    let log = "START RequestId: r-1 Version: $LATEST\n{\"records_in\":3,\"records_out\":3}\nEND RequestId: r-1\n\
               REPORT RequestId: r-1\tDuration: 12.34 ms\tBilled Duration: 13 ms\n";
    let fake =
        Fake::start(move |_| Answer::json(&json!({"records": 3})).header("x-amz-log-result", &STANDARD.encode(log)));
    let state = tempfile::tempdir().unwrap();
    let done = invoke(&fake, &state, request(json!({"n": 1}))).await.unwrap();
    assert_eq!((done.request_id.as_str(), &done.payload, done.error), ("r-1", &json!({"records": 3}), None));
    assert_eq!((done.duration_ms, done.records_in, done.records_out), (13, Some(3), Some(3)));
    assert_eq!(done.log_tail.as_deref(), Some(log));
    let asked = &fake.asked()[0];
    assert_eq!(asked.path, "/2015-03-31/functions/f/invocations");
    assert_eq!(asked.headers["x-amz-log-type"], "Tail");
    assert_eq!(asked.json(), json!({"n": 1}));
}

#[tokio::test]
async fn a_function_s_failure_is_in_the_outcome() {
    let fake = Fake::start(|_| {
        Answer::json(&json!({"errorType": "Failed", "errorMessage": "no luck"}))
            .header("x-amz-function-error", "Unhandled")
    });
    let state = tempfile::tempdir().unwrap();
    let done = invoke(&fake, &state, request(json!({}))).await.unwrap();
    assert_eq!((done.error.as_deref(), done.records_in, done.log_tail), (Some("Failed: no luck"), None, None));
}

#[tokio::test]
async fn an_invocation_that_may_have_begun_is_not_sent_twice() {
    let fake = Fake::start(|_| Answer::json_error(500, "ServiceException", "oh"));
    let state = tempfile::tempdir().unwrap();
    let told = invoke(&fake, &state, request(json!({}))).await.unwrap_err();
    assert!(matches!(told, Error::Unavailable(_)), "{told:?}");
    assert_eq!(fake.asked().len(), 1);
}

#[tokio::test]
async fn what_cannot_be_invoked_is_not_sent() {
    let fake = Fake::start(|_| Answer::json(&json!({})));
    let state = tempfile::tempdir().unwrap();
    let large = invoke(&fake, &state, request(json!("x".repeat(6 << 20)))).await.unwrap_err();
    assert!(matches!(&large, Error::Invalid(why) if why.contains("6 MiB")), "{large:?}");
    let mut replay = request(json!({}));
    replay.sources.insert("coinbase".into(), SourceMode::Replay { path: "x".into(), step: 0 });
    let replay = invoke(&fake, &state, replay).await.unwrap_err();
    assert!(matches!(&replay, Error::Unsupported { cloud: "aws", .. }), "{replay:?}");
    assert_eq!(fake.lines(), Vec::<String>::new());
}

#[tokio::test]
async fn a_denied_invocation_names_the_action_and_the_function() {
    let message = "User: arn:aws:iam::123456789012:user/ada is not authorized to perform: lambda:InvokeFunction on \
                   resource: arn:aws:lambda:eu-west-1:123456789012:function:f because no identity-based policy allows it";
    let fake = Fake::start(move |_| Answer::json_error(403, "AccessDeniedException", message));
    let state = tempfile::tempdir().unwrap();
    let told = invoke(&fake, &state, request(json!({}))).await.unwrap_err();
    let target = "arn:aws:lambda:eu-west-1:123456789012:function:f".to_owned();
    assert_eq!(told, Error::AccessDenied { action: "lambda:InvokeFunction".into(), target });
}

#[tokio::test]
async fn a_log_in_json_does_not_tell_when_functions_rest() {
    let fake = Fake::start(|_| {
        let mut found = configuration("f");
        found["LoggingConfig"]["LogFormat"] = "JSON".into();
        Answer::json(&found)
    });
    let state = tempfile::tempdir().unwrap();
    let functions = harness::cloud(&fake, &state).functions;
    let done = harness::permitted(&state, |permit| async move {
        functions.settle(&permit, &["f".into()], jiff::Timestamp::now()).await.map(drop)
    });
    let told = done.await.unwrap_err();
    assert!(told.to_string().contains("whose log is JSON"), "{told}");
}
