//! The operations that pumphouse calls, each with the IAM action that it needs and whether it changes anything.
//!
//! [`super::guard`] lets nothing out that is not here. Names are the SDK's; where an action is not `service:Operation`,
//! it is from the service's page in AWS's "Service Authorization Reference".

/// What a call does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// It reads.
    Read,
    /// It changes something, or gives a secret away.
    Write,
}

/// An operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Operation {
    /// The service, as the SDK calls it, without blanks.
    pub service: &'static str,
    /// Its name.
    pub name: &'static str,
    /// The IAM action that it needs.
    pub action: &'static str,
    /// What it does.
    pub access: Access,
}

/// An operation by its name, of a service as the SDK calls it: "Secrets Manager".
pub fn find(service: &str, name: &str) -> Option<&'static Operation> {
    let is = |known: &str| known.chars().eq(service.chars().filter(|c| *c != ' '));
    ALL.iter().find(|o| o.name == name && is(o.service))
}

const fn read(service: &'static str, name: &'static str, action: &'static str) -> Operation {
    Operation { service, name, action, access: Access::Read }
}

const fn write(service: &'static str, name: &'static str, action: &'static str) -> Operation {
    Operation { service, name, action, access: Access::Write }
}

/// All operations, by service and name.
///
/// A message of a queue is looked at where a look changes nothing but how often it was received. A query of Athena's reads: its port refuses any statement that does not, and what it writes is its own result. The
/// value of a secret or an API key is kept from those who may only look. Whoever asks a query may stop it; to stop
/// another's takes a permit.
pub const ALL: &[Operation] = &[
    write("APIGateway", "GetApiKey", "apigateway:GET"),
    read("APIGateway", "GetResources", "apigateway:GET"),
    read("APIGateway", "GetRestApis", "apigateway:GET"),
    read("APIGateway", "GetStages", "apigateway:GET"),
    read("APIGateway", "GetUsage", "apigateway:GET"),
    write("APIGateway", "GetUsagePlanKeys", "apigateway:GET"),
    read("APIGateway", "GetUsagePlans", "apigateway:GET"),
    //
    read("Athena", "BatchGetNamedQuery", "athena:BatchGetNamedQuery"),
    read("Athena", "BatchGetQueryExecution", "athena:BatchGetQueryExecution"),
    read("Athena", "GetQueryExecution", "athena:GetQueryExecution"),
    read("Athena", "GetQueryResults", "athena:GetQueryResults"),
    read("Athena", "ListNamedQueries", "athena:ListNamedQueries"),
    read("Athena", "ListQueryExecutions", "athena:ListQueryExecutions"),
    read("Athena", "ListWorkGroups", "athena:ListWorkGroups"),
    read("Athena", "StartQueryExecution", "athena:StartQueryExecution"),
    read("Athena", "StopQueryExecution", "athena:StopQueryExecution"),
    //
    write("CloudFormation", "ContinueUpdateRollback", "cloudformation:ContinueUpdateRollback"),
    write("CloudFormation", "CreateChangeSet", "cloudformation:CreateChangeSet"),
    write("CloudFormation", "DeleteChangeSet", "cloudformation:DeleteChangeSet"),
    write("CloudFormation", "DeleteStack", "cloudformation:DeleteStack"),
    read("CloudFormation", "DescribeChangeSet", "cloudformation:DescribeChangeSet"),
    read("CloudFormation", "DescribeEvents", "cloudformation:DescribeEvents"),
    read("CloudFormation", "DescribeStackDriftDetectionStatus", "cloudformation:DescribeStackDriftDetectionStatus"),
    read("CloudFormation", "DescribeStackEvents", "cloudformation:DescribeStackEvents"),
    read("CloudFormation", "DescribeStackResourceDrifts", "cloudformation:DescribeStackResourceDrifts"),
    read("CloudFormation", "DescribeStacks", "cloudformation:DescribeStacks"),
    write("CloudFormation", "DetectStackDrift", "cloudformation:DetectStackDrift"),
    write("CloudFormation", "ExecuteChangeSet", "cloudformation:ExecuteChangeSet"),
    read("CloudFormation", "GetTemplate", "cloudformation:GetTemplate"),
    read("CloudFormation", "ListChangeSets", "cloudformation:ListChangeSets"),
    read("CloudFormation", "ListStackResources", "cloudformation:ListStackResources"),
    write("CloudFormation", "UpdateTerminationProtection", "cloudformation:UpdateTerminationProtection"),
    //
    read("CloudWatch", "DescribeAlarms", "cloudwatch:DescribeAlarms"),
    read("CloudWatch", "GetMetricData", "cloudwatch:GetMetricData"),
    write("CloudWatch", "PutMetricAlarm", "cloudwatch:PutMetricAlarm"),
    write("CloudWatch", "PutMetricData", "cloudwatch:PutMetricData"),
    //
    read("CloudWatchLogs", "DescribeLogGroups", "logs:DescribeLogGroups"),
    read("CloudWatchLogs", "FilterLogEvents", "logs:FilterLogEvents"),
    read("CloudWatchLogs", "GetQueryResults", "logs:GetQueryResults"),
    read("CloudWatchLogs", "StartLiveTail", "logs:StartLiveTail"),
    read("CloudWatchLogs", "StartQuery", "logs:StartQuery"),
    read("CloudWatchLogs", "StopQuery", "logs:StopQuery"),
    //
    read("CodePipeline", "GetPipeline", "codepipeline:GetPipeline"),
    read("CodePipeline", "GetPipelineExecution", "codepipeline:GetPipelineExecution"),
    read("CodePipeline", "GetPipelineState", "codepipeline:GetPipelineState"),
    read("CodePipeline", "ListActionExecutions", "codepipeline:ListActionExecutions"),
    read("CodePipeline", "ListPipelineExecutions", "codepipeline:ListPipelineExecutions"),
    read("CodePipeline", "ListPipelines", "codepipeline:ListPipelines"),
    write("CodePipeline", "PutApprovalResult", "codepipeline:PutApprovalResult"),
    write("CodePipeline", "StartPipelineExecution", "codepipeline:StartPipelineExecution"),
    write("CodePipeline", "StopPipelineExecution", "codepipeline:StopPipelineExecution"),
    //
    write("DynamoDB", "BatchWriteItem", "dynamodb:BatchWriteItem"),
    write("DynamoDB", "DeleteItem", "dynamodb:DeleteItem"),
    read("DynamoDB", "DescribeContinuousBackups", "dynamodb:DescribeContinuousBackups"),
    read("DynamoDB", "DescribeTable", "dynamodb:DescribeTable"),
    read("DynamoDB", "DescribeTimeToLive", "dynamodb:DescribeTimeToLive"),
    read("DynamoDB", "GetItem", "dynamodb:GetItem"),
    read("DynamoDB", "ListTables", "dynamodb:ListTables"),
    read("DynamoDB", "Query", "dynamodb:Query"),
    read("DynamoDB", "Scan", "dynamodb:Scan"),
    //
    read("Firehose", "DescribeDeliveryStream", "firehose:DescribeDeliveryStream"),
    read("Firehose", "ListDeliveryStreams", "firehose:ListDeliveryStreams"),
    //
    write("Glue", "BatchStopJobRun", "glue:BatchStopJobRun"),
    read("Glue", "GetCrawler", "glue:GetCrawler"),
    read("Glue", "GetCrawlers", "glue:GetCrawlers"),
    read("Glue", "GetDatabases", "glue:GetDatabases"),
    read("Glue", "GetJobBookmark", "glue:GetJobBookmark"),
    read("Glue", "GetJobRun", "glue:GetJobRun"),
    read("Glue", "GetJobRuns", "glue:GetJobRuns"),
    read("Glue", "GetJobs", "glue:GetJobs"),
    read("Glue", "GetPartitions", "glue:GetPartitions"),
    read("Glue", "GetTable", "glue:GetTable"),
    read("Glue", "GetTables", "glue:GetTables"),
    read("Glue", "GetTriggers", "glue:GetTriggers"),
    read("Glue", "ListCrawls", "glue:ListCrawls"),
    write("Glue", "ResetJobBookmark", "glue:ResetJobBookmark"),
    write("Glue", "StartCrawler", "glue:StartCrawler"),
    write("Glue", "StartJobRun", "glue:StartJobRun"),
    //
    read("Kinesis", "DescribeStreamSummary", "kinesis:DescribeStreamSummary"),
    read("Kinesis", "GetRecords", "kinesis:GetRecords"),
    read("Kinesis", "GetShardIterator", "kinesis:GetShardIterator"),
    read("Kinesis", "ListShards", "kinesis:ListShards"),
    read("Kinesis", "ListStreams", "kinesis:ListStreams"),
    write("Kinesis", "PutRecords", "kinesis:PutRecords"),
    //
    read("Lambda", "GetFunctionConfiguration", "lambda:GetFunctionConfiguration"),
    write("Lambda", "Invoke", "lambda:InvokeFunction"),
    read("Lambda", "ListFunctions", "lambda:ListFunctions"),
    //
    write("S3", "AbortMultipartUpload", "s3:AbortMultipartUpload"),
    write("S3", "CompleteMultipartUpload", "s3:PutObject"),
    write("S3", "CreateMultipartUpload", "s3:PutObject"),
    write("S3", "DeleteObject", "s3:DeleteObject"),
    write("S3", "DeleteObjects", "s3:DeleteObject"),
    read("S3", "GetBucketCors", "s3:GetBucketCORS"),
    read("S3", "GetBucketEncryption", "s3:GetEncryptionConfiguration"),
    read("S3", "GetBucketLifecycleConfiguration", "s3:GetLifecycleConfiguration"),
    read("S3", "GetBucketLogging", "s3:GetBucketLogging"),
    read("S3", "GetBucketNotificationConfiguration", "s3:GetBucketNotification"),
    read("S3", "GetBucketReplication", "s3:GetReplicationConfiguration"),
    read("S3", "GetBucketVersioning", "s3:GetBucketVersioning"),
    read("S3", "GetObject", "s3:GetObject"),
    read("S3", "GetPublicAccessBlock", "s3:GetBucketPublicAccessBlock"),
    read("S3", "HeadBucket", "s3:ListBucket"),
    read("S3", "HeadObject", "s3:GetObject"),
    read("S3", "ListBuckets", "s3:ListAllMyBuckets"),
    read("S3", "ListMultipartUploads", "s3:ListBucketMultipartUploads"),
    read("S3", "ListObjectVersions", "s3:ListBucketVersions"),
    read("S3", "ListObjectsV2", "s3:ListBucket"),
    read("S3", "ListParts", "s3:ListMultipartUploadParts"),
    write("S3", "PutObject", "s3:PutObject"),
    write("S3", "UploadPart", "s3:PutObject"),
    //
    read("SNS", "ListSubscriptions", "sns:ListSubscriptions"),
    read("SNS", "ListTopics", "sns:ListTopics"),
    write("SNS", "Publish", "sns:Publish"),
    //
    write("SQS", "DeleteMessage", "sqs:DeleteMessage"),
    read("SQS", "GetQueueAttributes", "sqs:GetQueueAttributes"),
    read("SQS", "GetQueueUrl", "sqs:GetQueueUrl"),
    read("SQS", "ListMessageMoveTasks", "sqs:ListMessageMoveTasks"),
    read("SQS", "ListQueues", "sqs:ListQueues"),
    read("SQS", "ReceiveMessage", "sqs:ReceiveMessage"),
    write("SQS", "SendMessage", "sqs:SendMessage"),
    write("SQS", "StartMessageMoveTask", "sqs:StartMessageMoveTask"),
    //
    read("SSM", "DescribeParameters", "ssm:DescribeParameters"),
    read("SSM", "GetParameter", "ssm:GetParameter"),
    read("SSM", "GetParameters", "ssm:GetParameters"),
    write("SSM", "PutParameter", "ssm:PutParameter"),
    //
    read("STS", "AssumeRole", "sts:AssumeRole"),
    read("STS", "GetCallerIdentity", "sts:GetCallerIdentity"),
    //
    write("SecretsManager", "GetSecretValue", "secretsmanager:GetSecretValue"),
    read("SecretsManager", "ListSecrets", "secretsmanager:ListSecrets"),
    write("SecretsManager", "PutSecretValue", "secretsmanager:PutSecretValue"),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_operation_is_there_once() {
        let names: BTreeSet<_> = ALL.iter().map(|o| (o.service, o.name)).collect();
        assert_eq!(names.len(), ALL.len());
        assert!(ALL.iter().all(|o| o.action.contains(':')));
    }

    #[test]
    fn a_service_goes_by_the_sdk_s_name() {
        assert_eq!(find("Secrets Manager", "ListSecrets").unwrap().access, Access::Read);
        assert_eq!(find("CloudWatch Logs", "FilterLogEvents").unwrap().access, Access::Read);
        assert!(find("CloudWatch", "FilterLogEvents").is_none());
    }
}
