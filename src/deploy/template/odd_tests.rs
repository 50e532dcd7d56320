//! Pipelines that few people write, and AWS would refuse in the middle of a deploy, or never tell of.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{tests::document, *};
use crate::{deploy, spec};

fn graph(toml: &str) -> Graph {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("pipeline.toml"), toml).unwrap();
    std::fs::write(dir.path().join("q.sql"), "select id from input").unwrap();
    let pipeline = spec::load_path(dir.path(), &|_| true).unwrap_or_else(|report| panic!("{report}"));
    deploy::graph(&pipeline, "dev").unwrap()
}

fn statements(document: &Value, role: &str) -> Vec<Value> {
    let policy = &document["Resources"][role]["Properties"]["Policies"][0]["PolicyDocument"];
    policy["Statement"].as_array().unwrap_or_else(|| panic!("no role {role}")).clone()
}

#[test]
fn no_two_statements_of_a_role_have_one_id() {
    let graph = graph(
        r#"
        name = "lake"
        [catalog]
        [bucket.lake]
        [query.one]
        sql = "q.sql"
        [query.two]
        sql = "q.sql"
        [function.f]
        handler = "x::f"
        grants = ["query.one:execute", "query.two:execute", "bucket.lake/a/b/:read", "bucket.lake/ab/:read"]
        "#,
    );
    let all = statements(&document(&graph), "FFunctionRole");
    let ids: BTreeSet<&str> = all.iter().map(|s| s["Sid"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), all.len(), "{all:#?}");
    let objects = |prefix: &str| {
        json!({"Fn::Sub": format!(
            "arn:${{AWS::Partition}}:s3:::lake-dev-lake-${{AWS::AccountId}}-${{AWS::Region}}/{prefix}*"
        )})
    };
    for prefix in ["a/b/", "ab/"] {
        assert!(all.iter().any(|s| s["Action"] == "s3:GetObject" && s["Resource"] == objects(prefix)), "{prefix}");
    }
}

#[test]
fn who_crawls_and_who_queries_what_was_crawled_may_use_the_buckets_key() {
    let graph = graph(
        r#"
        name = "lake"
        [key.k]
        [bucket.lake]
        encryption = "key.k"
        [crawler.c]
        from = "bucket.lake"
        prefix = "input/"
        [query.q]
        sql = "q.sql"
        [function.f]
        handler = "x::f"
        grants = ["query.q:execute"]
        "#,
    );
    let document = document(&graph);
    for role in ["CCrawlerRole", "FFunctionRole"] {
        let decrypts =
            |s: &Value| s["Action"] == "kms:Decrypt" && s["Resource"] == json!({"Fn::GetAtt": ["KKey", "Arn"]});
        assert!(statements(&document, role).iter().any(decrypts), "{role}");
    }
}

#[test]
fn rules_that_cloudformation_names_may_send_where_the_stacks_name_is_long() {
    let of = |name: &str| {
        let toml = format!(
            r#"
            name = "{name}"
            [bucket.b]
            [topic.t]
            [queue.q]
            [crawler.c]
            from = "bucket.b"
            prefix = "input/"
            on_failed = [{{ topic = "t" }}, {{ queue = "q" }}]
            "#
        );
        let document = document(&graph(&toml));
        ["TTopicPolicy", "QQueuePolicy"].map(|id| {
            let statements = document["Resources"][id]["Properties"]["PolicyDocument"]["Statement"].clone();
            let of_rules = |s: &&Value| s["Principal"] == json!({"Service": "events.amazonaws.com"});
            let found = statements.as_array().unwrap().iter().find(of_rules).unwrap().clone();
            let arn = &found["Condition"]["ArnLike"]["aws:SourceArn"];
            let arn = arn.get(0).unwrap_or(arn)["Fn::Sub"].as_str().unwrap().to_owned();
            arn.rsplit_once(":rule/").unwrap().1.to_owned()
        })
    };
    assert_eq!(of("lake"), ["lake-dev-*", "lake-dev-*"]);
    // The stack is environment-readings-eu-dev, and a rule of it environment-readings-eu-d-CCrawlerFailedToTTopic-1ABCDEFGHIJK.
    assert_eq!(of("environment-readings-eu"), ["environment-readings-eu-*", "environment-readings-eu-*"]);
}

#[test]
fn a_key_is_filtered_as_s3_writes_it() {
    let graph = graph(
        r#"
        name = "lake"
        [topic.t]
        [bucket.b]
        on_created = [{ prefix = "raw!/year=2026/a b+", suffix = ".json", topic = "t" }]
        "#,
    );
    let rules = |document: &Value| {
        let told = &document["Resources"]["BBucket"]["Properties"]["NotificationConfiguration"];
        told["TopicConfigurations"][0]["Filter"]["S3Key"]["Rules"].clone()
    };
    let prefix = |value: &str| json!([{"Name": "prefix", "Value": value}, {"Name": "suffix", "Value": ".json"}]);
    assert_eq!(rules(&document(&graph)), prefix("raw!/year%3D2026/a+b%2B"));
    let emulated = TemplateOptions { emulated: true, ..TemplateOptions::default() };
    let body = template(&graph, &emulated).unwrap().body;
    assert_eq!(rules(&serde_json::from_str(&body).unwrap()), prefix("raw!/year=2026/a b+"));
}

#[test]
fn an_environment_that_lambda_refuses_is_told_before() {
    let graph = graph(&format!(
        r#"
        name = "lake"
        [function.f]
        handler = "x::f"
        env = {{ LONG = "{}" }}
        "#,
        "x".repeat(4_097)
    ));
    let options = TemplateOptions { ask_for_bootstrap: true, ..TemplateOptions::default() };
    let told = template(&graph, &options).unwrap_err().to_string();
    assert!(told.contains("FFunction: its environment has 4101 bytes, and Lambda takes 4096"), "{told}");
}
