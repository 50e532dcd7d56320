//! HTTP APIs.

use pumphouse::cloud::Error;
use serde_json::json;

use crate::{
    fake::{Answer, Asked, Fake},
    harness,
};

fn gateway(asked: &Asked) -> Answer {
    let uri = "arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/\
               arn:aws:lambda:eu-west-1:123456789012:function:crypto-stream-dev-query_prices/invocations";
    match asked.path.as_str() {
        "/restapis" if asked.params.contains_key("position") => {
            Answer::json(&json!({"item": [{"id": "bare", "name": "bare"}]}))
        }
        "/restapis" => {
            Answer::json(&json!({"position": "p", "item": [{"id": "a1", "name": "crypto-stream-dev-prices"}]}))
        }
        "/restapis/a1/stages" => Answer::json(&json!({"item": [{"stageName": "dev"}]})),
        "/restapis/bare/stages" => Answer::json(&json!({"item": []})),
        "/restapis/a1/resources" => Answer::json(&json!({"item": [
            {"id": "r0", "path": "/"},
            {"id": "r1", "path": "/prices", "resourceMethods": {"GET": {"httpMethod": "GET", "apiKeyRequired": true,
                "methodIntegration": {"httpMethod": "POST", "uri": uri, "type": "AWS_PROXY"}}}}]})),
        "/restapis/bare/resources" => Answer::json(&json!({"item": [
            {"id": "r0", "path": "/", "resourceMethods": {"GET": {"httpMethod": "GET"}}}]})),
        "/usageplans" => Answer::json(&json!({"item": [
            {"id": "other", "apiStages": [{"apiId": "zz", "stage": "dev"}]},
            {"id": "u1", "apiStages": [{"apiId": "a1", "stage": "dev"}], "throttle": {"rateLimit": 10.0, "burstLimit": 20},
                "quota": {"limit": 1000, "offset": 0, "period": "DAY"}}]})),
        "/usageplans/u1/usage" => Answer::json(&json!({"usagePlanId": "u1", "values": {"k1": [[7, 993]]}})),
        "/usageplans/u1/keys" => Answer::json(&json!({"item": [{"id": "k1", "type": "API_KEY", "name": "k"}]})),
        "/apikeys/k1" => Answer::json(&json!({"id": "k1", "value": "the-key"})),
        _ => Answer::xml("<DescribeStacksResponse><DescribeStacksResult/></DescribeStacksResponse>"),
    }
}

#[tokio::test]
async fn an_api_has_its_function_its_address_and_its_limits() {
    let fake = Fake::start(gateway);
    let state = tempfile::tempdir().unwrap();
    let all = harness::cloud(&fake, &state).apis.list().await.unwrap();
    assert_eq!(all.len(), 2);
    let api = &all[0];
    assert_eq!((api.name.as_str(), api.path.as_str()), ("crypto-stream-dev-prices", "/prices"));
    assert_eq!(api.function, "crypto-stream-dev-query_prices");
    let url = format!("{}/restapis/a1/dev/_user_request_/prices", fake.url());
    assert_eq!(api.url.as_deref(), Some(url.as_str()));
    assert!(api.api_key);
    assert_eq!((api.throttle, &api.quota, api.used), (Some((10.0, 20)), &Some((1_000, "day".into())), Some(7)));
    let bare = &all[1];
    assert_eq!((bare.url.as_deref(), bare.function.as_str(), bare.used), (None, "", None), "it is not deployed");
}

#[tokio::test]
async fn the_key_is_the_one_of_the_api_s_usage_plan() {
    let fake = Fake::start(gateway);
    let state = tempfile::tempdir().unwrap();
    let apis = harness::cloud(&fake, &state).apis;
    harness::permitted(&state, |permit| async move {
        assert_eq!(apis.key(&permit, "crypto-stream-dev-prices").await?.expose(), "the-key");
        assert!(matches!(apis.key(&permit, "bare").await, Err(Error::Invalid(_))));
        assert!(matches!(apis.key(&permit, "nothing").await, Err(Error::NotFound { .. })));
        Ok(())
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn apis_are_listed_without_the_plans_that_may_not_be_read() {
    let fake = Fake::start(|asked| match asked.path.as_str() {
        "/usageplans" => Answer::json_error(403, "AccessDeniedException", "no"),
        _ => gateway(asked),
    });
    let state = tempfile::tempdir().unwrap();
    let all = harness::cloud(&fake, &state).apis.list().await.unwrap();
    assert_eq!((all[0].path.as_str(), &all[0].quota, all[0].throttle), ("/prices", &None, None));
}
