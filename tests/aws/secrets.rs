//! Secrets.

use pumphouse::cloud::{Error, secrets::SecretValue};
use serde_json::json;

use crate::{
    fake::{Answer, Asked, Fake},
    harness,
};

fn service(asked: &Asked) -> Answer {
    let arn = |name: &str| format!("arn:aws:secretsmanager:eu-west-1:123456789012:secret:{name}-AbCdEf");
    match asked.operation.as_str() {
        "ListSecrets" if asked.json()["NextToken"] == "t" => Answer::json(&json!({"SecretList": [
            {"Name": "deleted", "ARN": arn("deleted"), "DeletedDate": 1_800_000_000},
            {"Name": "old", "ARN": arn("old"), "SecretVersionsToStages": {"v": ["AWSPREVIOUS"]}}]})),
        "ListSecrets" => Answer::json(&json!({"NextToken": "t", "SecretList": [
            {"Name": "empty", "ARN": arn("empty"), "LastChangedDate": 1_800_000_000},
            {"Name": "full", "ARN": arn("full"), "LastChangedDate": 1_800_000_000.5,
                "SecretVersionsToStages": {"v": ["AWSCURRENT"]}}]})),
        "GetSecretValue" if asked.json()["SecretId"] == "full" => {
            Answer::json(&json!({"Name": "full", "SecretString": "hush"}))
        }
        "GetSecretValue" if asked.json()["SecretId"] == "blank" => {
            Answer::json(&json!({"Name": "blank", "SecretString": ""}))
        }
        "GetSecretValue" => Answer::json_error(
            400,
            "ResourceNotFoundException",
            "Secrets Manager can't find the specified secret value for staging label: AWSCURRENT",
        ),
        "PutSecretValue" => Answer::json(&json!({"Name": "empty", "VersionId": "v"})),
        _ => Answer::xml("<DescribeStacksResponse><DescribeStacksResult/></DescribeStacksResponse>"),
    }
}

#[tokio::test]
async fn a_secret_is_set_when_it_has_a_current_version() {
    let fake = Fake::start(service);
    let state = tempfile::tempdir().unwrap();
    let secrets = harness::cloud(&fake, &state).secrets.list().await.unwrap();
    let told: Vec<_> = secrets.iter().map(|s| (s.name.as_str(), s.set, s.changed.is_some())).collect();
    assert_eq!(told, [("empty", false, false), ("full", true, true), ("old", false, false)]);
}

#[tokio::test]
async fn a_value_is_read_and_set_with_a_permit() {
    let fake = Fake::start(service);
    let state = tempfile::tempdir().unwrap();
    let secrets = harness::cloud(&fake, &state).secrets;
    harness::permitted(&state, |permit| async move {
        assert_eq!(secrets.get(&permit, "full").await?.expose(), "hush");
        let told = secrets.get(&permit, "empty").await.unwrap_err();
        assert_eq!(told, Error::NotFound { kind: "secret", name: "empty".into() });
        let told = secrets.get(&permit, "blank").await.unwrap_err();
        assert_eq!(told, Error::NotFound { kind: "value of the secret", name: "blank".into() });
        secrets.set(&permit, "empty", &SecretValue::new("new")).await
    })
    .await
    .unwrap();
    let put = fake.asked().into_iter().find(|a| a.operation == "PutSecretValue").unwrap().json();
    assert_eq!((&put["SecretId"], &put["SecretString"]), (&json!("empty"), &json!("new")));
}

#[tokio::test]
async fn no_value_leaves_aws_in_read_only_mode() {
    let fake = Fake::start(service);
    let state = tempfile::tempdir().unwrap();
    let secrets = harness::read_only(&fake, &state).secrets;
    harness::permitted(&state, |permit| async move {
        let told = secrets.get(&permit, "full").await.unwrap_err();
        assert!(told.to_string().contains("read-only"), "{told}");
        Ok(())
    })
    .await
    .unwrap();
    assert_eq!(fake.lines(), Vec::<String>::new());
}
