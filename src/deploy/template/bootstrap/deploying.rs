//! What deploying takes, as statements of the role that CloudFormation deploys with.

use serde_json::{Value, json};

use super::super::{
    ARTIFACT_BUCKET,
    actions::{
        ALARM_ACTIONS, API_ACTIONS, BUCKET_ACTIONS, CATALOG_ACTIONS, DATABASE_ACTIONS, DELIVERY_ACTIONS,
        EVENT_SOURCE_ACTIONS, FUNCTION_ACTIONS, JOB_ACTIONS, KEY_ACTIONS, KEY_TABLE_ACTIONS, LOG_ACTIONS,
        NETWORK_ACTIONS, PARAMETER_ACTIONS, QUEUE_ACTIONS, ROLE_ACTIONS, RULE_ACTIONS, SECRET_ACTIONS, STREAM_ACTIONS,
        TOPIC_ACTIONS, WORKGROUP_ACTIONS,
    },
    iam, json as j,
    json::{arn, sub},
    release,
};

/// Characters of a managed policy's statements at most.
const POLICY_LENGTH: usize = 6_000;
/// The names of all buckets of pipelines.
const BUCKETS: &str = "arn:${AWS::Partition}:s3:::*-${AWS::AccountId}-${AWS::Region}";

fn allow(sid: &str, actions: &[&str], resources: Vec<Value>) -> Value {
    json!({"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resources})
}

/// What deploying takes, in as many policies as IAM wants: a role's own may have 10,240 characters together, a managed one
/// 6,144. References are longer than what they become.
pub(super) fn policies() -> Vec<(String, Value)> {
    let mut parts: Vec<Vec<Value>> = Vec::new();
    let mut length = POLICY_LENGTH;
    for statement in deploy().into_iter().chain(release::making()) {
        let own = statement.to_string().len() + 1;
        if length + own > POLICY_LENGTH {
            parts.push(Vec::new());
            length = 0;
        }
        length += own;
        parts.last_mut().into_iter().for_each(|part| part.push(statement.clone()));
    }
    let policy = |(n, statements): (usize, Vec<Value>)| {
        let policy = json!({
            "Description": "What deploying pumphouse's pipelines takes",
            "Path": iam::ROLE_PATH,
            "PolicyDocument": {"Version": "2012-10-17", "Statement": statements},
        });
        (format!("Deploy{}", n + 1), policy)
    };
    parts.into_iter().enumerate().map(policy).collect()
}

/// What deploying takes: the services of our templates, held to names wherever AWS knows names.
fn deploy() -> Vec<Value> {
    let roles = sub("arn:${AWS::Partition}:iam::${AWS::AccountId}:role/pumphouse/*");
    let bounded = json!({
        "Sid": "BoundedRoles",
        "Effect": "Allow",
        "Action": ["iam:CreateRole", "iam:PutRolePermissionsBoundary", "iam:PutRolePolicy"],
        "Resource": roles,
        "Condition": {"StringEquals": {"iam:PermissionsBoundary": sub(iam::BOUNDARY)}},
    });
    let passed = json!({
        "Sid": "PassRoles",
        "Effect": "Allow",
        "Action": "iam:PassRole",
        "Resource": roles,
        "Condition": {
            "StringEquals": {
                "iam:PassedToService": ["firehose.amazonaws.com", "glue.amazonaws.com", "lambda.amazonaws.com", "s3.amazonaws.com"],
            },
        },
    });
    vec![
        allow(
            "Artifacts",
            &["s3:GetObject", "s3:GetObjectVersion"],
            vec![j::bucket_arn(ARTIFACT_BUCKET, "/functions/*"), j::bucket_arn(ARTIFACT_BUCKET, "/jobs/*")],
        ),
        allow("Buckets", &BUCKET_ACTIONS, vec![sub(BUCKETS)]),
        // The names above are the artifact bucket's, too.
        json!({
            "Sid": "KeepArtifacts",
            "Effect": "Deny",
            "Action": ["s3:Delete*", "s3:Put*"],
            "Resource": [j::bucket_arn(ARTIFACT_BUCKET, ""), j::bucket_arn(ARTIFACT_BUCKET, "/*")],
        }),
        // A key has no name before it is there.
        allow("NewKeys", &["kms:CreateKey", "kms:ListAliases"], vec![json!("*")]),
        allow("Keys", &KEY_ACTIONS, vec![arn("kms", "key/*"), arn("kms", "alias/*")]),
        allow("KeyTables", &KEY_TABLE_ACTIONS, vec![arn("dynamodb", "table/*")]),
        bounded,
        allow("Roles", &ROLE_ACTIONS, vec![roles.clone()]),
        passed,
        allow("Functions", &FUNCTION_ACTIONS, vec![arn("lambda", "function:*")]),
        allow("Streams", &STREAM_ACTIONS, vec![arn("kinesis", "stream/*")]),
        allow("Deliveries", &DELIVERY_ACTIONS, vec![arn("firehose", "deliverystream/*")]),
        allow("Topics", &TOPIC_ACTIONS, vec![arn("sns", "*")]),
        allow("Queues", &QUEUE_ACTIONS, vec![arn("sqs", "*")]),
        allow("EventSources", &EVENT_SOURCE_ACTIONS, vec![arn("lambda", "event-source-mapping:*")]),
        // These name no mapping: there is none yet, or any may be meant.
        allow(
            "ListEventSources",
            &["lambda:CreateEventSourceMapping", "lambda:ListEventSourceMappings"],
            vec![json!("*")],
        ),
        allow("Rules", &RULE_ACTIONS, vec![arn("events", "rule/*")]),
        allow("Alarms", &ALARM_ACTIONS, vec![arn("cloudwatch", "alarm:*")]),
        allow(
            "LogGroups",
            &LOG_ACTIONS,
            ["/aws/apigateway/", "/aws/kinesisfirehose/", "/aws/lambda/", "/aws-glue/jobs/"]
                .iter()
                .map(|prefix| arn("logs", &format!("log-group:{prefix}*")))
                .collect(),
        ),
        allow("ListLogs", &["logs:DescribeLogGroups"], vec![json!("*")]),
        // The delivery of access logs has no resource of its own.
        allow(
            "LogDelivery",
            &[
                "logs:CreateLogDelivery",
                "logs:DeleteLogDelivery",
                "logs:DescribeResourcePolicies",
                "logs:GetLogDelivery",
                "logs:ListLogDeliveries",
                "logs:PutResourcePolicy",
                "logs:UpdateLogDelivery",
            ],
            vec![json!("*")],
        ),
        allow("Secrets", &SECRET_ACTIONS, vec![arn("secretsmanager", "secret:*")]),
        // DescribeParameters knows no names.
        allow("Thresholds", &PARAMETER_ACTIONS, vec![arn("ssm", "parameter/*")]),
        allow("ListThresholds", &["ssm:DescribeParameters"], vec![json!("*")]),
        allow(
            "Catalog",
            &CATALOG_ACTIONS,
            vec![
                arn("glue", "catalog"),
                arn("glue", "database/*"),
                arn("glue", "table/*"),
                arn("glue", "userDefinedFunction/*"),
            ],
        ),
        // EC2 knows names of what it makes only once it is made; in a pipeline's own network, all is the pipeline's.
        allow("Networks", &NETWORK_ACTIONS, vec![json!("*")]),
        allow(
            "Databases",
            &DATABASE_ACTIONS,
            ["db:*", "pg:*", "snapshot:*", "subgrp:*"].iter().map(|kind| arn("rds", kind)).collect(),
        ),
        allow(
            "DatabasesOfAll",
            &["rds:DescribeDBEngineVersions", "rds:DescribeEngineDefaultParameters"],
            vec![json!("*")],
        ),
        json!({
            "Sid": "RoleOfRds",
            "Effect": "Allow",
            "Action": "iam:CreateServiceLinkedRole",
            "Resource": sub("arn:${AWS::Partition}:iam::${AWS::AccountId}:role/aws-service-role/rds.amazonaws.com/*"),
            "Condition": {"StringEquals": {"iam:AWSServiceName": "rds.amazonaws.com"}},
        }),
        allow("Passwords", &["secretsmanager:GetRandomPassword"], vec![json!("*")]),
        allow(
            "Dashboards",
            &["cloudwatch:DeleteDashboards", "cloudwatch:GetDashboard", "cloudwatch:PutDashboard"],
            vec![sub("arn:${AWS::Partition}:cloudwatch::${AWS::AccountId}:dashboard/*")],
        ),
        allow("Jobs", &JOB_ACTIONS, vec![arn("glue", "crawler/*"), arn("glue", "job/*"), arn("glue", "trigger/*")]),
        allow(
            "Connections",
            &["glue:CreateConnection", "glue:DeleteConnection", "glue:GetConnection", "glue:UpdateConnection"],
            vec![arn("glue", "catalog"), arn("glue", "connection/*")],
        ),
        allow("WorkGroups", &WORKGROUP_ACTIONS, vec![arn("athena", "workgroup/*")]),
        allow(
            "Apis",
            &API_ACTIONS,
            ["/apikeys", "/apikeys/*", "/restapis", "/restapis/*", "/tags/*", "/usageplans", "/usageplans/*"]
                .iter()
                .map(|path| sub(&format!("arn:${{AWS::Partition}}:apigateway:${{AWS::Region}}::{path}")))
                .collect(),
        ),
    ]
}
