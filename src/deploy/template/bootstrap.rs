//! The bootstrap stack: one an account and region, for all pipelines there.
//!
//! It holds the artifact bucket, the role that CloudFormation deploys with, the boundary that no role of a pipeline
//! gets beyond, and the role with which API Gateway writes access logs, which an account has one of.

use serde_json::{Value, json};

use super::{
    ARTIFACT_BUCKET, Entry, iam, json as j,
    json::{arn, att, reference, sub},
    release, statements,
    storage::{Settings, tls_only},
};
use crate::cloud::stacks::Template;

/// The stack's name.
pub const BOOTSTRAP_STACK: &str = "pumphouse-bootstrap";
/// Raised with each change that a pipeline's template relies on.
const VERSION: &str = "4";
/// The version that has what a release's stack relies on.
pub const BOOTSTRAP_FOR_RELEASES: u32 = 4;
const BUCKET: &str = "ArtifactBucket";
/// Characters of a managed policy's statements at most.
const POLICY_LENGTH: usize = 6_000;
/// The names of all buckets of pipelines.
const BUCKETS: &str = "arn:${AWS::Partition}:s3:::*-${AWS::AccountId}-${AWS::Region}";

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

fn allow(sid: &str, actions: &[&str], resources: Vec<Value>) -> Value {
    json!({"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resources})
}

/// What deploying takes, in as many policies as IAM wants: a role's own may have 10,240 characters together, a managed one
/// 6,144. References are longer than what they become.
fn policies() -> Vec<(String, Value)> {
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

const NETWORK_ACTIONS: [&str; 47] = [
    "ec2:AllocateAddress",
    "ec2:AssociateRouteTable",
    "ec2:AttachInternetGateway",
    "ec2:AuthorizeSecurityGroupEgress",
    "ec2:AuthorizeSecurityGroupIngress",
    "ec2:CreateInternetGateway",
    "ec2:CreateNatGateway",
    "ec2:CreateRoute",
    "ec2:CreateRouteTable",
    "ec2:CreateSecurityGroup",
    "ec2:CreateSubnet",
    "ec2:CreateTags",
    "ec2:CreateVpc",
    "ec2:CreateVpcEndpoint",
    "ec2:DeleteInternetGateway",
    "ec2:DeleteNatGateway",
    "ec2:DeleteRoute",
    "ec2:DeleteRouteTable",
    "ec2:DeleteSecurityGroup",
    "ec2:DeleteSubnet",
    "ec2:DeleteTags",
    "ec2:DeleteVpc",
    "ec2:DeleteVpcEndpoints",
    "ec2:DescribeAccountAttributes",
    "ec2:DescribeAddresses",
    "ec2:DescribeAvailabilityZones",
    "ec2:DescribeInternetGateways",
    "ec2:DescribeNatGateways",
    "ec2:DescribeNetworkAcls",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeRouteTables",
    "ec2:DescribeSecurityGroupRules",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSubnets",
    "ec2:DescribeVpcAttribute",
    "ec2:DescribeVpcEndpoints",
    "ec2:DescribeVpcs",
    "ec2:DetachInternetGateway",
    "ec2:DisassociateAddress",
    "ec2:DisassociateRouteTable",
    "ec2:ModifySubnetAttribute",
    "ec2:ModifyVpcAttribute",
    "ec2:ModifyVpcEndpoint",
    "ec2:ReleaseAddress",
    "ec2:ReplaceRoute",
    "ec2:RevokeSecurityGroupEgress",
    "ec2:RevokeSecurityGroupIngress",
];
const DATABASE_ACTIONS: [&str; 17] = [
    "rds:AddTagsToResource",
    "rds:CreateDBInstance",
    "rds:CreateDBParameterGroup",
    "rds:CreateDBSnapshot",
    "rds:CreateDBSubnetGroup",
    "rds:DeleteDBInstance",
    "rds:DeleteDBParameterGroup",
    "rds:DeleteDBSubnetGroup",
    "rds:DescribeDBInstances",
    "rds:DescribeDBParameterGroups",
    "rds:DescribeDBParameters",
    "rds:DescribeDBSnapshots",
    "rds:DescribeDBSubnetGroups",
    "rds:ListTagsForResource",
    "rds:ModifyDBInstance",
    "rds:ModifyDBParameterGroup",
    "rds:RemoveTagsFromResource",
];
const BUCKET_ACTIONS: [&str; 26] = [
    "s3:CreateBucket",
    "s3:DeleteBucket",
    "s3:DeleteBucketPolicy",
    "s3:GetBucketCORS",
    "s3:GetBucketLocation",
    "s3:GetBucketLogging",
    "s3:GetBucketNotification",
    "s3:GetBucketOwnershipControls",
    "s3:GetBucketPolicy",
    "s3:GetBucketPublicAccessBlock",
    "s3:GetBucketTagging",
    "s3:GetBucketVersioning",
    "s3:GetEncryptionConfiguration",
    "s3:GetLifecycleConfiguration",
    "s3:GetReplicationConfiguration",
    "s3:PutBucketCORS",
    "s3:PutBucketLogging",
    "s3:PutBucketNotification",
    "s3:PutBucketOwnershipControls",
    "s3:PutBucketPolicy",
    "s3:PutBucketPublicAccessBlock",
    "s3:PutBucketTagging",
    "s3:PutBucketVersioning",
    "s3:PutEncryptionConfiguration",
    "s3:PutLifecycleConfiguration",
    "s3:PutReplicationConfiguration",
];
const KEY_ACTIONS: [&str; 14] = [
    "kms:CreateAlias",
    "kms:DeleteAlias",
    "kms:DescribeKey",
    "kms:DisableKeyRotation",
    "kms:EnableKeyRotation",
    "kms:GetKeyPolicy",
    "kms:GetKeyRotationStatus",
    "kms:ListResourceTags",
    "kms:PutKeyPolicy",
    "kms:ScheduleKeyDeletion",
    "kms:TagResource",
    "kms:UntagResource",
    "kms:UpdateAlias",
    "kms:UpdateKeyDescription",
];
const KEY_TABLE_ACTIONS: [&str; 14] = [
    "dynamodb:CreateTable",
    "dynamodb:DeleteTable",
    "dynamodb:DescribeContinuousBackups",
    "dynamodb:DescribeContributorInsights",
    "dynamodb:DescribeKinesisStreamingDestination",
    "dynamodb:DescribeTable",
    "dynamodb:DescribeTimeToLive",
    "dynamodb:GetResourcePolicy",
    "dynamodb:ListTagsOfResource",
    "dynamodb:TagResource",
    "dynamodb:UntagResource",
    "dynamodb:UpdateContinuousBackups",
    "dynamodb:UpdateTable",
    "dynamodb:UpdateTimeToLive",
];
pub(super) const ROLE_ACTIONS: [&str; 11] = [
    "iam:DeleteRole",
    "iam:DeleteRolePolicy",
    "iam:GetRole",
    "iam:GetRolePolicy",
    "iam:ListAttachedRolePolicies",
    "iam:ListRolePolicies",
    "iam:TagRole",
    "iam:UntagRole",
    "iam:UpdateAssumeRolePolicy",
    "iam:UpdateRole",
    "iam:UpdateRoleDescription",
];
const FUNCTION_ACTIONS: [&str; 16] = [
    "lambda:AddPermission",
    "lambda:CreateFunction",
    "lambda:DeleteFunction",
    "lambda:GetFunction",
    "lambda:GetFunctionCodeSigningConfig",
    "lambda:GetFunctionConfiguration",
    "lambda:GetFunctionRecursionConfig",
    "lambda:GetPolicy",
    "lambda:GetRuntimeManagementConfig",
    "lambda:ListTags",
    "lambda:ListVersionsByFunction",
    "lambda:RemovePermission",
    "lambda:TagResource",
    "lambda:UntagResource",
    "lambda:UpdateFunctionCode",
    "lambda:UpdateFunctionConfiguration",
];
const EVENT_SOURCE_ACTIONS: [&str; 6] = [
    "lambda:DeleteEventSourceMapping",
    "lambda:GetEventSourceMapping",
    "lambda:ListTags",
    "lambda:TagResource",
    "lambda:UntagResource",
    "lambda:UpdateEventSourceMapping",
];
const STREAM_ACTIONS: [&str; 13] = [
    "kinesis:AddTagsToStream",
    "kinesis:CreateStream",
    "kinesis:DecreaseStreamRetentionPeriod",
    "kinesis:DeleteStream",
    "kinesis:DescribeStream",
    "kinesis:DescribeStreamSummary",
    "kinesis:IncreaseStreamRetentionPeriod",
    "kinesis:ListTagsForStream",
    "kinesis:RemoveTagsFromStream",
    "kinesis:StartStreamEncryption",
    "kinesis:StopStreamEncryption",
    "kinesis:UpdateShardCount",
    "kinesis:UpdateStreamMode",
];
const DELIVERY_ACTIONS: [&str; 7] = [
    "firehose:CreateDeliveryStream",
    "firehose:DeleteDeliveryStream",
    "firehose:DescribeDeliveryStream",
    "firehose:ListTagsForDeliveryStream",
    "firehose:TagDeliveryStream",
    "firehose:UntagDeliveryStream",
    "firehose:UpdateDestination",
];
const TOPIC_ACTIONS: [&str; 12] = [
    "sns:CreateTopic",
    "sns:DeleteTopic",
    "sns:GetDataProtectionPolicy",
    "sns:GetSubscriptionAttributes",
    "sns:GetTopicAttributes",
    "sns:ListSubscriptionsByTopic",
    "sns:ListTagsForResource",
    "sns:SetTopicAttributes",
    "sns:Subscribe",
    "sns:TagResource",
    "sns:Unsubscribe",
    "sns:UntagResource",
];
const QUEUE_ACTIONS: [&str; 8] = [
    "sqs:CreateQueue",
    "sqs:DeleteQueue",
    "sqs:GetQueueAttributes",
    "sqs:GetQueueUrl",
    "sqs:ListQueueTags",
    "sqs:SetQueueAttributes",
    "sqs:TagQueue",
    "sqs:UntagQueue",
];
const RULE_ACTIONS: [&str; 9] = [
    "events:DeleteRule",
    "events:DescribeRule",
    "events:ListTagsForResource",
    "events:ListTargetsByRule",
    "events:PutRule",
    "events:PutTargets",
    "events:RemoveTargets",
    "events:TagResource",
    "events:UntagResource",
];
const ALARM_ACTIONS: [&str; 6] = [
    "cloudwatch:DeleteAlarms",
    "cloudwatch:DescribeAlarms",
    "cloudwatch:ListTagsForResource",
    "cloudwatch:PutMetricAlarm",
    "cloudwatch:TagResource",
    "cloudwatch:UntagResource",
];
pub(super) const LOG_ACTIONS: [&str; 10] = [
    "logs:CreateLogGroup",
    "logs:CreateLogStream",
    "logs:DeleteLogGroup",
    "logs:DeleteLogStream",
    "logs:DeleteRetentionPolicy",
    "logs:DescribeLogStreams",
    "logs:ListTagsForResource",
    "logs:PutRetentionPolicy",
    "logs:TagResource",
    "logs:UntagResource",
];
// The password that is made for a database is read for it, and its address is written beside it.
const SECRET_ACTIONS: [&str; 8] = [
    "secretsmanager:CreateSecret",
    "secretsmanager:DeleteSecret",
    "secretsmanager:DescribeSecret",
    "secretsmanager:GetSecretValue",
    "secretsmanager:PutSecretValue",
    "secretsmanager:TagResource",
    "secretsmanager:UntagResource",
    "secretsmanager:UpdateSecret",
];
const PARAMETER_ACTIONS: [&str; 6] = [
    "ssm:AddTagsToResource",
    "ssm:DeleteParameter",
    "ssm:GetParameters",
    "ssm:ListTagsForResource",
    "ssm:PutParameter",
    "ssm:RemoveTagsFromResource",
];
const CATALOG_ACTIONS: [&str; 8] = [
    "glue:CreateDatabase",
    "glue:CreateTable",
    "glue:DeleteDatabase",
    "glue:DeleteTable",
    "glue:GetDatabase",
    "glue:GetTable",
    "glue:UpdateDatabase",
    "glue:UpdateTable",
];
const JOB_ACTIONS: [&str; 17] = [
    "glue:CreateCrawler",
    "glue:CreateJob",
    "glue:CreateTrigger",
    "glue:DeleteCrawler",
    "glue:DeleteJob",
    "glue:DeleteTrigger",
    "glue:GetCrawler",
    "glue:GetJob",
    "glue:GetTags",
    "glue:GetTrigger",
    "glue:StartTrigger",
    "glue:StopTrigger",
    "glue:TagResource",
    "glue:UntagResource",
    "glue:UpdateCrawler",
    "glue:UpdateJob",
    "glue:UpdateTrigger",
];
const WORKGROUP_ACTIONS: [&str; 9] = [
    "athena:CreateNamedQuery",
    "athena:CreateWorkGroup",
    "athena:DeleteNamedQuery",
    "athena:DeleteWorkGroup",
    "athena:GetNamedQuery",
    "athena:GetWorkGroup",
    "athena:ListTagsForResource",
    "athena:TagResource",
    "athena:UpdateWorkGroup",
];
const API_ACTIONS: [&str; 5] =
    ["apigateway:DELETE", "apigateway:GET", "apigateway:PATCH", "apigateway:POST", "apigateway:PUT"];
