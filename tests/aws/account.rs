//! An account with something in every pane: one deployed pipeline (crypto-stream), and things that are nobody's.

use serde_json::{Value, json};

use crate::{
    fake::{Answer, Asked},
    read_only::something,
};

/// 2026-11-20 14:00:00 UTC.
const AT: f64 = 1_795_183_200.0;
const QUERY: &str = "5a1e0000-0000-4000-8000-000000000001";

/// Logical id, type and physical id of the pipeline's resources, as far as panes look at them.
const RESOURCES: &[(&str, &str, &str)] = &[
    ("LandingBucket", "AWS::S3::Bucket", "crypto-stream-dev-landing-123456789012-eu-west-1"),
    ("StagingBucket", "AWS::S3::Bucket", "crypto-stream-dev-staging-123456789012-eu-west-1"),
    ("FetchPricesFunction", "AWS::Lambda::Function", "crypto-stream-dev-fetch_prices"),
    ("PricesStream", "AWS::Kinesis::Stream", "crypto-stream-dev-prices"),
    ("LandingDelivery", "AWS::KinesisFirehose::DeliveryStream", "crypto-stream-dev-landing"),
    ("RawCrawler", "AWS::Glue::Crawler", "crypto-stream-dev-raw"),
    ("CleanPricesJob", "AWS::Glue::Job", "crypto-stream-dev-clean_prices"),
    ("PriceAlertsTopic", "AWS::SNS::Topic", "arn:aws:sns:eu-west-1:123456789012:crypto-stream-dev-price_alerts"),
    ("BtcUsdThreshold", "AWS::SSM::Parameter", "/crypto-stream/dev/btc_usd"),
    ("FetchFailingAlarm", "AWS::CloudWatch::Alarm", "crypto-stream-dev-fetch_failing"),
];

fn xml(operation: &str, inside: &str) -> Answer {
    Answer::xml(format!("<{operation}Response><{operation}Result>{inside}</{operation}Result></{operation}Response>"))
}

fn stack(name: &str, tags: &[(&str, &str)]) -> String {
    let tags: Vec<_> = tags.iter().map(|(k, v)| format!("<member><Key>{k}</Key><Value>{v}</Value></member>")).collect();
    format!(
        "<member><StackName>{name}</StackName>\
         <StackId>arn:aws:cloudformation:eu-west-1:123456789012:stack/{name}/1</StackId>\
         <CreationTime>2026-11-20T13:00:00Z</CreationTime><StackStatus>CREATE_COMPLETE</StackStatus>\
         <Tags>{}</Tags></member>",
        tags.concat()
    )
}

fn event(id: &str, kind: &str, logical: &str, physical: &str, status: &str) -> String {
    format!(
        "<member><EventId>{id}</EventId><StackName>crypto-stream-dev</StackName>\
         <StackId>arn:aws:cloudformation:eu-west-1:123456789012:stack/crypto-stream-dev/1</StackId>\
         <LogicalResourceId>{logical}</LogicalResourceId><PhysicalResourceId>{physical}</PhysicalResourceId>\
         <ResourceType>{kind}</ResourceType><Timestamp>2026-11-20T13:00:00Z</Timestamp>\
         <ResourceStatus>{status}</ResourceStatus></member>"
    )
}

fn cloudformation(asked: &Asked) -> Answer {
    let ours = || stack("crypto-stream-dev", &[("pumphouse:pipeline", "crypto-stream"), ("pumphouse:env", "dev")]);
    let operation = asked.operation.as_str();
    let named = asked.params.get("StackName").map_or("", String::as_str);
    match operation {
        "DescribeStacks" if named.is_empty() => {
            xml(operation, &format!("<Stacks>{}{}</Stacks>", ours(), stack("somebody-elses", &[])))
        }
        _ if !named.is_empty() && !named.contains("crypto-stream-dev") => {
            Answer::xml_error(400, "ValidationError", &format!("Stack with id {named} does not exist"))
        }
        "DescribeStacks" => xml(operation, &format!("<Stacks>{}</Stacks>", ours())),
        "ListStackResources" => {
            let all: Vec<_> = RESOURCES
                .iter()
                .map(|(id, kind, physical)| {
                    format!(
                        "<member><LogicalResourceId>{id}</LogicalResourceId><ResourceType>{kind}</ResourceType>\
                         <PhysicalResourceId>{physical}</PhysicalResourceId>\
                         <ResourceStatus>CREATE_COMPLETE</ResourceStatus>\
                         <LastUpdatedTimestamp>2026-11-20T13:00:00Z</LastUpdatedTimestamp></member>"
                    )
                })
                .collect();
            xml(operation, &format!("<StackResourceSummaries>{}</StackResourceSummaries>", all.concat()))
        }
        "DescribeStackEvents" => {
            let of_stack = |id, status| {
                let arn = "arn:aws:cloudformation:eu-west-1:123456789012:stack/crypto-stream-dev/1";
                event(id, "AWS::CloudFormation::Stack", "crypto-stream-dev", arn, status)
            };
            let (id, kind, physical) = RESOURCES[0];
            let all = [
                of_stack("3", "CREATE_COMPLETE"),
                event("2", kind, id, physical, "CREATE_COMPLETE"),
                of_stack("1", "CREATE_IN_PROGRESS"),
            ];
            xml(operation, &format!("<StackEvents>{}</StackEvents>", all.concat()))
        }
        "GetTemplate" => xml(operation, "<TemplateBody>{\"Resources\":{}}</TemplateBody>"),
        _ => something(asked),
    }
}

fn s3(asked: &Asked) -> Answer {
    let object = |key: &str, more: &str| {
        format!(
            "<Key>{key}</Key><LastModified>2026-11-20T13:00:00.000Z</LastModified><ETag>\"e\"</ETag><Size>12</Size>{more}"
        )
    };
    let has = |name: &str| asked.params.contains_key(name);
    match asked.path.trim_matches('/').split_once('/') {
        None if asked.path == "/" => Answer::xml(
            "<ListAllMyBucketsResult><Buckets>\
             <Bucket><Name>crypto-stream-dev-landing-123456789012-eu-west-1</Name></Bucket>\
             <Bucket><Name>notes</Name></Bucket></Buckets></ListAllMyBucketsResult>",
        ),
        None if has("list-type") => Answer::xml(format!(
            "<ListBucketResult><Contents>{}</Contents><Contents>{}</Contents></ListBucketResult>",
            object("a.json", ""),
            object("b.csv", "")
        )),
        None if has("versions") => Answer::xml(format!(
            "<ListVersionsResult><Version>{}</Version><Version>{}</Version>\
             <DeleteMarker><Key>gone</Key><VersionId>v3</VersionId><IsLatest>true</IsLatest></DeleteMarker>\
             </ListVersionsResult>",
            object("a.json", "<VersionId>v2</VersionId><IsLatest>true</IsLatest>"),
            object("a.json", "<VersionId>v1</VersionId><IsLatest>false</IsLatest>")
        )),
        Some(_) if asked.method == "GET" || asked.method == "HEAD" => {
            let body = if asked.method == "GET" { &b"{\"base\": 1}\n"[..] } else { b"" };
            Answer::text(200, "application/json", body).header("etag", "\"e\"")
        }
        _ => something(asked),
    }
}

fn run(id: &str, state: &str) -> Value {
    json!({"Id": id, "JobName": "nightly", "JobRunState": state, "StartedOn": AT, "ExecutionTime": 85,
        "DPUSeconds": 7200.0, "WorkerType": "G.1X", "NumberOfWorkers": 2, "LogGroupName": "/aws-glue/jobs",
        "ErrorMessage": if state == "FAILED" { "column \"deaths\" is missing" } else { "" }})
}

fn alarm(name: &str, state: &str) -> Value {
    json!({"AlarmName": name, "Namespace": "AWS/Lambda", "MetricName": "Errors", "Statistic": "Sum", "Period": 300,
        "EvaluationPeriods": 1, "Threshold": 0.0, "ComparisonOperator": "GreaterThanThreshold", "StateValue": state})
}

/// What the account answers.
pub fn filled(asked: &Asked) -> Answer {
    let query = || {
        json!({"QueryExecutionId": QUERY, "Query": "select 1", "WorkGroup": "analysts",
            "Status": {"State": "SUCCEEDED", "SubmissionDateTime": AT}, "Statistics": {"DataScannedInBytes": 1}})
    };
    match (asked.service.as_str(), asked.operation.as_str()) {
        ("cloudformation", _) => cloudformation(asked),
        ("s3", _) => s3(asked),
        ("sns", "ListTopics") => xml(
            "ListTopics",
            "<Topics><member><TopicArn>arn:aws:sns:eu-west-1:123456789012:crypto-stream-dev-price_alerts</TopicArn>\
             </member><member><TopicArn>arn:aws:sns:eu-west-1:123456789012:news</TopicArn></member></Topics>",
        ),
        ("glue", "GetJobs") => Answer::json(&json!({"Jobs": [
            {"Name": "crypto-stream-dev-clean_prices", "Command": {"Name": "glueetl"}},
            {"Name": "nightly", "Command": {"Name": "glueetl"}}]})),
        ("glue", "GetJobRuns") => Answer::json(&json!({"JobRuns": [
            run("jr_3", "RUNNING"), run("jr_2", "FAILED"), run("jr_1", "SUCCEEDED")]})),
        ("dynamodb", "ListTables") => Answer::json(&json!({"TableNames": ["visits"]})),
        ("dynamodb", "DescribeTable") => Answer::json(&json!({"Table": {"TableName": "visits", "ItemCount": 1,
            "TableStatus": "ACTIVE", "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
            "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "N"}]}})),
        ("dynamodb", "Scan") => Answer::json(&json!({"Items": [{"id": {"N": "1"}, "name": {"S": "lovelace"}}],
            "Count": 1, "ScannedCount": 1})),
        ("glue", "GetCrawlers") => Answer::json(&json!({"Crawlers": [
            {"Name": "crypto-stream-dev-raw", "State": "READY", "DatabaseName": "lake",
             "Targets": {"S3Targets": [{"Path": "s3://notes/events/"}]},
             "LastCrawl": {"Status": "FAILED", "ErrorMessage": "no files", "StartTime": AT,
                "LogGroup": "/aws-glue/crawlers", "LogStream": "crypto-stream-dev-raw"}}]})),
        ("glue", "ListCrawls") => Answer::json(&json!({"Crawls": [
            {"CrawlId": "c-2", "State": "FAILED", "StartTime": AT, "EndTime": AT, "ErrorMessage": "no files",
             "LogGroup": "/aws-glue/crawlers", "LogStream": "crypto-stream-dev-raw"},
            {"CrawlId": "c-1", "State": "COMPLETED", "StartTime": AT, "EndTime": AT}]})),
        ("glue", "GetDatabases") => Answer::json(&json!({"DatabaseList": [{"Name": "lake"}, {"Name": "other"}]})),
        ("glue", "GetTables") => Answer::json(&json!({"TableList": [{"Name": "events", "StorageDescriptor": {
            "Columns": [{"Name": "a", "Type": "int"}], "Location": "s3://notes/events/"}}]})),
        ("logs", "DescribeLogGroups") => Answer::json(&json!({"logGroups": [
            {"logGroupName": "/aws/lambda/crypto-stream-dev-fetch_prices"}, {"logGroupName": "/aws-glue/jobs/output"},
            {"logGroupName": "/aws-glue/jobs/error"}]})),
        ("logs", "FilterLogEvents") if asked.json()["nextToken"].is_null() => {
            let now = jiff::Timestamp::now().as_millisecond();
            let line = |n: i64, message: &str| json!({"eventId": n.to_string(), "timestamp": now - n, "logStreamName": "jr_2", "message": message});
            Answer::json(&json!({"events": [line(3, "[ERROR] boom"), line(2, "[INFO] fine")]}))
        }
        ("logs", "StartQuery") => Answer::json(&json!({"queryId": "q-1"})),
        ("logs", "GetQueryResults") => Answer::json(&json!({"status": "Complete", "results": []})),
        ("monitoring", "DescribeAlarms") => Answer::cbor(&json!({"CompositeAlarms": [], "MetricAlarms": [
            alarm("cpu-high", "ALARM"), alarm("crypto-stream-dev-fetch_failing", "OK")]})),
        ("monitoring", "GetMetricData") => {
            let queries = asked.json()["MetricDataQueries"].as_array().cloned().unwrap_or_default();
            let nothing = |query: &Value| json!({"Id": query["Id"], "Label": "x", "Timestamps": [], "Values": []});
            Answer::cbor(&json!({"MetricDataResults": queries.iter().map(nothing).collect::<Vec<_>>()}))
        }
        ("ssm", "GetParameters") => Answer::json(&json!({"Parameters": [
            {"Name": "/crypto-stream/dev/btc_usd", "Type": "String", "Value": "100000"}]})),
        ("lambda", _) => Answer::json(&json!({"Functions": [
            {"FunctionName": "crypto-stream-dev-fetch_prices", "Runtime": "provided.al2023", "Timeout": 30}]})),
        ("kinesis", "ListStreams") => {
            Answer::json(&json!({"StreamNames": ["crypto-stream-dev-prices"], "HasMoreStreams": false}))
        }
        ("kinesis", "DescribeStreamSummary") => Answer::json(&json!({"StreamDescriptionSummary": {
            "StreamName": "crypto-stream-dev-prices", "StreamARN": "arn:x", "StreamStatus": "ACTIVE",
            "RetentionPeriodHours": 24, "StreamCreationTimestamp": AT, "EnhancedMonitoring": [],
            "OpenShardCount": 1}})),
        ("firehose", "ListDeliveryStreams") => Answer::json(&json!({
            "DeliveryStreamNames": ["crypto-stream-dev-landing"], "HasMoreDeliveryStreams": false})),
        ("firehose", "DescribeDeliveryStream") => Answer::json(&json!({"DeliveryStreamDescription": {
            "DeliveryStreamName": "crypto-stream-dev-landing", "DeliveryStreamARN": "arn:x",
            "DeliveryStreamStatus": "ACTIVE", "DeliveryStreamType": "KinesisStreamAsSource", "VersionId": "1",
            "Destinations": [], "HasMoreDestinations": false}})),
        ("athena", "ListWorkGroups") => Answer::json(&json!({"WorkGroups": [
            {"Name": "analysts", "State": "ENABLED"}, {"Name": "primary", "State": "ENABLED"}]})),
        ("athena", "ListQueryExecutions") => Answer::json(&json!({"QueryExecutionIds": [QUERY]})),
        ("athena", "BatchGetQueryExecution") => Answer::json(&json!({"QueryExecutions": [query()]})),
        ("athena", "ListNamedQueries") => Answer::json(&json!({"NamedQueryIds": ["q-1"]})),
        ("athena", "BatchGetNamedQuery") => Answer::json(&json!({"NamedQueries": [
            {"Name": "latest", "Database": "lake", "QueryString": "select 2", "NamedQueryId": "q-1"}]})),
        ("athena", "StartQueryExecution") => Answer::json(&json!({"QueryExecutionId": QUERY})),
        ("athena", "GetQueryExecution") => Answer::json(&json!({"QueryExecution": query()})),
        ("athena", "GetQueryResults") => Answer::json(&json!({"ResultSet": {
            "Rows": [{"Data": [{"VarCharValue": "a"}]}, {"Data": [{"VarCharValue": "1"}]}],
            "ResultSetMetadata": {"ColumnInfo": [{"Name": "a", "Type": "integer"}]}}})),
        _ => something(asked),
    }
}
