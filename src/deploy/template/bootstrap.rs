//! The bootstrap stack: one an account and region, for all pipelines there.
//!
//! It holds the artifact bucket, the role that CloudFormation deploys with, the boundary that no role of a pipeline
//! gets beyond, and the role with which API Gateway writes access logs, which an account has one of.

mod deploying;

use serde_json::{Value, json};

use super::{
    ARTIFACT_BUCKET, Entry, iam, json as j,
    json::{att, reference, sub},
    release, statements,
    storage::{Settings, tls_only},
};
use crate::cloud::stacks::Template;
use deploying::policies;

/// The stack's name.
pub const BOOTSTRAP_STACK: &str = "pumphouse-bootstrap";
/// Raised with each change that a pipeline's template relies on.
const VERSION: &str = "4";
/// The version that has what a release's stack relies on.
pub const BOOTSTRAP_FOR_RELEASES: u32 = 4;
const BUCKET: &str = "ArtifactBucket";
/// The template of the bootstrap stack.
pub fn bootstrap_template() -> Template {
    let settings = Settings {
        name: String::new(),
        versioning: true,
        expire_days: None,
        logged: false,
        notifications: Value::Null,
    };
    let mut bucket = settings.properties();
    bucket["BucketName"] = sub(ARTIFACT_BUCKET);
    let policy = json!({
        "Bucket": reference(BUCKET),
        "PolicyDocument": {"Version": "2012-10-17", "Statement": [tls_only(BUCKET)]},
    });
    let boundary = json!({
        "ManagedPolicyName": sub("pumphouse-boundary-${AWS::Region}"),
        "Path": iam::ROLE_PATH,
        "Description": "What the roles of pumphouse's pipelines may do at most",
        "PolicyDocument": {"Version": "2012-10-17", "Statement": statements::boundary()},
    });
    let release_boundary = json!({
        "ManagedPolicyName": sub(release::RELEASE_BOUNDARY_NAME),
        "Path": iam::ROLE_PATH,
        "Description": "What the roles that deliver pumphouse's pipelines may do at most",
        "PolicyDocument": {"Version": "2012-10-17", "Statement": release::boundary()},
    });
    let policies = policies();
    let role = json!({
        "Description": "With this role CloudFormation deploys pumphouse's pipelines",
        "AssumeRolePolicyDocument": {
            "Version": "2012-10-17",
            "Statement": [{
                "Effect": "Allow",
                "Principal": {"Service": "cloudformation.amazonaws.com"},
                "Action": "sts:AssumeRole",
                "Condition": {"StringEquals": {"aws:SourceAccount": reference("AWS::AccountId")}},
            }],
        },
        "ManagedPolicyArns": policies.iter().map(|(id, _)| reference(id)).collect::<Vec<_>>(),
    });
    let logs = "arn:${AWS::Partition}:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs";
    let api_logs = json!({
        "Description": "With this role API Gateway writes access logs",
        "AssumeRolePolicyDocument": {
            "Version": "2012-10-17",
            "Statement": [{
                "Effect": "Allow",
                "Principal": {"Service": "apigateway.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }],
        },
        "ManagedPolicyArns": [sub(logs)],
    });
    let account = json!({"CloudWatchRoleArn": att("ApiLogsRole", "Arn")});
    let mut entries = vec![
        (BUCKET, Entry::new("AWS::S3::Bucket", bucket).stateful(true)),
        ("ArtifactBucketPolicy", Entry::new("AWS::S3::BucketPolicy", policy)),
        ("Boundary", Entry::new("AWS::IAM::ManagedPolicy", boundary)),
        ("ReleaseBoundary", Entry::new("AWS::IAM::ManagedPolicy", release_boundary)),
        ("ServiceRole", Entry::new("AWS::IAM::Role", role)),
        ("ApiLogsRole", Entry::new("AWS::IAM::Role", api_logs)),
        ("ApiAccount", Entry::new("AWS::ApiGateway::Account", account)),
    ];
    entries.extend(
        policies.iter().map(|(id, policy)| (id.as_str(), Entry::new("AWS::IAM::ManagedPolicy", policy.clone()))),
    );
    let resources: serde_json::Map<String, Value> =
        entries.into_iter().map(|(id, entry)| (id.to_owned(), entry.value())).collect();
    let document = json!({
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": "pumphouse: what its pipelines share in this account and region",
        "Resources": resources,
        "Outputs": {
            "ArtifactBucket": {"Description": "The bucket for code and scripts", "Value": reference(BUCKET)},
            "ServiceRoleArn": {
                "Description": "The role that CloudFormation deploys with",
                "Value": att("ServiceRole", "Arn"),
            },
            "BoundaryArn": {"Description": "What pipelines' roles may do at most", "Value": reference("Boundary")},
            "Version": {"Description": "The version of this template", "Value": VERSION},
        },
    });
    Template { body: j::narrow(&document), assets: Vec::new() }
}
