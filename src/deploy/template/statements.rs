//! Statements of execution roles, by what is done with what. No `*` stands where a name is known.

use serde_json::{Value, json};

use super::{
    compute::{JOB_LOGS, job_assets},
    events::dead_letters_id,
    json::{arn, att, bucket_arn, reference, sub},
    streaming,
};
use crate::cloud::resources::Job;

/// One statement that allows something.
pub(super) struct Statement {
    sid: String,
    actions: Vec<String>,
    resources: Vec<Value>,
    condition: Option<Value>,
}

impl Statement {
    pub(super) fn new(sid: &str, actions: &[&str], resource: Value) -> Self {
        Self {
            sid: sid.to_owned(),
            actions: actions.iter().map(|a| (*a).to_owned()).collect(),
            resources: match resource {
                Value::Array(all) => all,
                one => vec![one],
            },
            condition: None,
        }
    }

    pub(super) fn when(mut self, condition: Value) -> Self {
        self.condition = Some(condition);
        self
    }

    pub(super) fn value(self) -> Value {
        // One is written as one, as people do.
        let plain = |mut all: Vec<Value>| if all.len() == 1 { all.remove(0) } else { Value::Array(all) };
        let mut statement = json!({
            "Sid": self.sid,
            "Effect": "Allow",
            "Action": plain(self.actions.into_iter().map(Value::from).collect()),
            "Resource": plain(self.resources),
        });
        if let Some(condition) = self.condition {
            statement["Condition"] = condition;
        }
        statement
    }
}

/// A bucket as roles see it.
pub(super) struct Place<'a> {
    pub(super) id: &'a str,
    /// Its name on AWS, for `Fn::Sub`.
    pub(super) name: String,
    pub(super) versioned: bool,
}

/// Writing a log group's events.
pub(super) fn logs(group: &str, job: bool) -> Statement {
    let parts: &[(&str, &str)] = if job { &JOB_LOGS } else { &[("", "")] };
    let groups = parts.iter().map(|(part, _)| arn("logs", &format!("log-group:${{{group}{part}}}:*")));
    Statement::new("WriteLogs", &["logs:CreateLogStream", "logs:PutLogEvents"], groups.collect())
}

/// Writing a delivery's errors.
pub(super) fn delivery_logs(delivery: &str) -> Statement {
    let (group, stream) = streaming::delivery_logs(delivery);
    let resource = arn("logs", &format!("log-group:${{{group}}}:log-stream:${{{stream}}}"));
    Statement::new("WriteLogs", &["logs:PutLogEvents"], resource)
}

/// Sending to a function's own queue.
pub(super) fn dead_letters(function: &str) -> Statement {
    Statement::new("KeepFailures", &["sqs:SendMessage"], att(&dead_letters_id(function), "Arn"))
}

/// What is granted on a stream.
pub(super) fn stream(stream: &str, actions: &[&str]) -> Statement {
    let verb = if actions.contains(&"kinesis:PutRecords") { "Write" } else { "Read" };
    Statement::new(&format!("{verb}{stream}"), actions, arn("kinesis", &format!("stream/${{{stream}}}")))
}

/// What is granted on a queue: sending to it, or being given its messages.
pub(super) fn queue(queue: &str, actions: &[&str]) -> Statement {
    let send = actions.contains(&"sqs:SendMessage");
    let receive = actions.contains(&"sqs:ReceiveMessage");
    // A queue is sent to by its address, which is asked for by its name.
    let mut all = if send { vec!["sqs:GetQueueUrl", "sqs:SendMessage"] } else { Vec::new() };
    if receive {
        all.extend(["sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"]);
    }
    Statement::new(&format!("{}{queue}", if send { "SendTo" } else { "Receive" }), &all, att(queue, "Arn"))
}

/// What a function may do with a bucket, or with those of its keys that begin with `prefix`.
pub(super) fn bucket(place: &Place<'_>, prefix: &str, actions: &[&str]) -> Vec<Statement> {
    let objects = bucket_arn(&place.name, &format!("/{prefix}*"));
    let below: String = prefix.chars().filter(char::is_ascii_alphanumeric).collect();
    let below = if below.is_empty() { String::new() } else { format!("Below{below}") };
    let mut all = Vec::new();
    if actions.contains(&"s3:GetObject") {
        let mut reads = vec!["s3:GetObject"];
        if place.versioned {
            reads.push("s3:GetObjectVersion");
        }
        all.push(Statement::new(&format!("Read{}{below}", place.id), &reads, objects.clone()));
    }
    // Without it, S3 answers 403 rather than 404 for what is gone.
    if actions.contains(&"s3:GetObject") || actions.contains(&"s3:ListBucket") {
        let sid = format!("List{}{below}", place.id);
        all.push(Statement::new(&sid, &["s3:ListBucket"], bucket_arn(&place.name, "")));
    }
    if actions.contains(&"s3:PutObject") {
        let writes = ["s3:PutObject", "s3:AbortMultipartUpload"];
        all.push(Statement::new(&format!("Write{}{below}", place.id), &writes, objects.clone()));
    }
    if actions.contains(&"s3:DeleteObject") {
        all.push(Statement::new(&format!("Delete{}{below}", place.id), &["s3:DeleteObject"], objects));
    }
    all
}

/// What Firehose does with the bucket that it delivers to.
pub(super) fn delivery_bucket(place: &Place<'_>) -> Vec<Statement> {
    let bucket = ["s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketMultipartUploads"];
    let objects = ["s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject"];
    vec![
        Statement::new(&format!("List{}", place.id), &bucket, bucket_arn(&place.name, "")),
        Statement::new(&format!("Write{}", place.id), &objects, bucket_arn(&place.name, "/*")),
    ]
}

/// What S3 does with a bucket that it copies, or copies to.
pub(super) fn replication_bucket(place: &Place<'_>, actions: &[&str]) -> Vec<Statement> {
    let (bucket, objects) = (bucket_arn(&place.name, ""), bucket_arn(&place.name, "/*"));
    if actions.contains(&"s3:ReplicateObject") {
        let writes = ["s3:ReplicateDelete", "s3:ReplicateObject", "s3:ReplicateTags"];
        return vec![Statement::new(&format!("CopyTo{}", place.id), &writes, objects)];
    }
    let reads = ["s3:GetObjectVersionAcl", "s3:GetObjectVersionForReplication", "s3:GetObjectVersionTagging"];
    let own = ["s3:GetReplicationConfiguration", "s3:ListBucket"];
    vec![
        Statement::new(&format!("List{}", place.id), &own, bucket),
        Statement::new(&format!("Copy{}", place.id), &reads, objects),
    ]
}

/// What is granted on a key-value table, and on its indexes where items are looked for.
pub(super) fn key_table(table: &str, actions: &[&str]) -> Statement {
    let own = arn("dynamodb", &format!("table/${{{table}}}"));
    let indexes = arn("dynamodb", &format!("table/${{{table}}}/index/*"));
    let resources = if actions.contains(&"dynamodb:Query") { json!([own, indexes]) } else { own };
    Statement::new(&format!("Use{table}"), actions, resources)
}

/// What is granted on a key.
pub(super) fn key(key: &str, actions: &[&str]) -> Statement {
    Statement::new(&format!("Use{key}"), actions, att(key, "Arn"))
}

/// Reading the encrypted files of a table.
pub(super) fn decrypt(table: &str, key: &str) -> Statement {
    Statement::new(&format!("Decrypt{table}"), &["kms:Decrypt"], att(key, "Arn"))
}

/// What a job does with a bucket: reads below its input's prefix, writes below those of its output and its bad rows.
pub(super) fn job_bucket(place: &Place<'_>, name: &str, job: &Job) -> Vec<Statement> {
    let output = (job.to == name).then_some(job.to_prefix.as_str());
    let rejects = job.rejects.as_ref().filter(|(bucket, _)| bucket == name).map(|(_, prefix)| prefix.as_str());
    let prefixes: Vec<&str> = output.into_iter().chain(rejects).collect();
    let (reads, writes) = (job.from == name, !prefixes.is_empty());
    let mut own = vec!["s3:GetBucketLocation", "s3:ListBucket"];
    if writes {
        own.push("s3:ListBucketMultipartUploads");
    }
    let mut all = vec![Statement::new(&format!("List{}", place.id), &own, bucket_arn(&place.name, ""))];
    if reads {
        let objects = bucket_arn(&place.name, &format!("/{}*", job.from_prefix));
        all.push(Statement::new(&format!("Read{}", place.id), &["s3:GetObject"], objects));
    }
    if writes {
        // Spark moves what it has written to its place: it reads and deletes, too.
        let actions = [
            "s3:AbortMultipartUpload",
            "s3:DeleteObject",
            "s3:GetObject",
            "s3:ListMultipartUploadParts",
            "s3:PutObject",
        ];
        let mut places = Vec::new();
        for prefix in prefixes {
            places.push(bucket_arn(&place.name, &format!("/{prefix}*")));
            if !prefix.is_empty() {
                // Hadoop marks a folder with an object that is named like it.
                places.push(bucket_arn(&place.name, &format!("/{}_$folder$", prefix.trim_end_matches('/'))));
            }
        }
        all.push(Statement::new(&format!("Write{}", place.id), &actions, Value::Array(places)));
    }
    all
}

/// What a job needs beside its data: its script and SQL, and its own bookmark.
pub(super) fn job(name: &str, job: &Job) -> Vec<Statement> {
    let (script, sql) = job_assets(job);
    let artifacts = [script, sql].map(|asset| bucket_arn(super::ARTIFACT_BUCKET, &format!("/{}", asset.key)));
    let mut all = vec![Statement::new("ReadScript", &["s3:GetObject"], artifacts.to_vec().into())];
    if job.bookmark {
        let actions = ["glue:GetJob", "glue:GetJobBookmark", "glue:GetJobRun", "glue:ResetJobBookmark"];
        all.push(Statement::new("KeepBookmark", &actions, arn("glue", &format!("job/{name}"))));
    }
    all
}

/// Reading a threshold.
pub(super) fn threshold(threshold: &str) -> Statement {
    // The parameter's name begins with a slash.
    Statement::new(
        &format!("Read{threshold}"),
        &["ssm:GetParameter"],
        arn("ssm", &format!("parameter${{{threshold}}}")),
    )
}

/// Measuring: CloudWatch knows no resource here, so the namespace is what is held to.
pub(super) fn measure(metric: &str, emulated: bool) -> Statement {
    let (namespace, name) = metric.rsplit_once('/').unwrap_or((metric, ""));
    let sid = format!("Measure{}", crate::deploy::names::logical_id(name, ""));
    let equals = if emulated { "StringEqualsIfExists" } else { "StringEquals" };
    Statement::new(&sid, &["cloudwatch:PutMetricData"], json!("*"))
        .when(json!({equals: {"cloudwatch:namespace": namespace}}))
}

/// Publishing to a topic.
pub(super) fn topic(topic: &str) -> Statement {
    Statement::new(&format!("Publish{topic}"), &["sns:Publish"], reference(topic))
}

/// Reading a secret. Its ARN ends with six characters that nobody knows beforehand.
pub(super) fn secret(secret: &str, name: &str) -> Statement {
    let resource = arn("secretsmanager", &format!("secret:{name}-??????"));
    Statement::new(&format!("Read{secret}"), &["secretsmanager:GetSecretValue"], resource)
}

/// Entering a PostgreSQL database: its secret says where it is, and holds the password.
pub(super) fn database(secret: &str, name: &str) -> Statement {
    self::secret(secret, name)
}

/// What AWS Lambda does in a function's name to put it into a network.
const INTERFACES: [&str; 6] = [
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:UnassignPrivateIpAddresses",
];

/// The network interfaces of a function in a network. Most of these actions know no resource.
pub(super) fn network_interfaces() -> Statement {
    Statement::new("JoinNetwork", &INTERFACES, json!("*"))
}

/// What AWS Glue does in a job's name to put it into a network, and to see whether it may.
const JOB_INTERFACES: [&str; 8] = [
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeRouteTables",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSubnets",
    "ec2:DescribeVpcAttribute",
    "ec2:DescribeVpcEndpoints",
];

/// The network interfaces of a job in a network: AWS Glue marks those that it makes.
pub(super) fn job_network() -> [Statement; 2] {
    [Statement::new("JoinNetwork", &JOB_INTERFACES, json!("*")), marks()]
}

/// Putting AWS Glue's own tag onto network interfaces, and no other.
fn marks() -> Statement {
    let condition = json!({"ForAllValues:StringEquals": {"aws:TagKeys": ["aws-glue-service-resource"]}});
    let resource = arn("ec2", "network-interface/*");
    Statement::new("MarkInterfaces", &["ec2:CreateTags", "ec2:DeleteTags"], resource).when(condition)
}

/// Reading a connection, which is a part of the catalog.
pub(super) fn connection(id: &str, name: &str) -> Statement {
    let resources = json!([arn("glue", "catalog"), arn("glue", &format!("connection/{name}"))]);
    Statement::new(&format!("Reach{id}"), &["glue:GetConnection"], resources)
}

/// Executing queries in the stack's workgroup.
pub(super) fn workgroup(workgroup: &str, emulated: bool) -> Vec<Statement> {
    let begin = ["athena:GetWorkGroup", "athena:ListNamedQueries", "athena:StartQueryExecution"];
    // These name a query, and AWS looks up the workgroup that it is of.
    let by_id = [
        "athena:BatchGetNamedQuery",
        "athena:GetNamedQuery",
        "athena:GetQueryExecution",
        "athena:GetQueryResults",
        "athena:StopQueryExecution",
    ];
    let own = arn("athena", &format!("workgroup/{workgroup}"));
    if emulated {
        let by_id = Statement::new("FollowQueries", &by_id, json!("*"));
        return vec![Statement::new("ExecuteQueries", &begin, own), by_id];
    }
    let mut all = [&begin[..], &by_id[..]].concat();
    all.sort_unstable();
    vec![Statement::new("ExecuteQueries", &all, own)]
}

/// Keeping queries' results.
pub(super) fn results(bucket: &str) -> Vec<Statement> {
    let objects = ["s3:AbortMultipartUpload", "s3:GetObject", "s3:ListMultipartUploadParts", "s3:PutObject"];
    let own = ["s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketMultipartUploads"];
    vec![
        Statement::new("ListResults", &own, bucket_arn(bucket, "")),
        Statement::new("KeepResults", &objects, bucket_arn(bucket, "/results/*")),
    ]
}

/// The catalog, a database, and a table of it: AWS wants all three to be named.
fn table_arns(database: &str, table: &str) -> Value {
    json!([
        arn("glue", "catalog"),
        arn("glue", &format!("database/{database}")),
        arn("glue", &format!("table/{database}/{table}")),
    ])
}

/// Reading a table's description.
pub(super) fn read_table(id: &str, database: &str, table: &str) -> Statement {
    let actions =
        ["glue:BatchGetPartition", "glue:GetDatabase", "glue:GetPartition", "glue:GetPartitions", "glue:GetTable"];
    Statement::new(&format!("Know{id}"), &actions, table_arns(database, table))
}

/// Reading a table's files.
pub(super) fn read_files(id: &str, bucket: &str, prefix: &str) -> Vec<Statement> {
    vec![
        Statement::new(&format!("List{id}"), &["s3:GetBucketLocation", "s3:ListBucket"], bucket_arn(bucket, "")),
        Statement::new(&format!("Read{id}"), &["s3:GetObject"], bucket_arn(bucket, &format!("/{prefix}*"))),
    ]
}

/// Writing where all crawlers write. Who crawls first makes the group.
pub(super) fn crawler_logs() -> Statement {
    let actions = ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"];
    let group = "log-group:/aws-glue/crawlers";
    Statement::new("WriteLogs", &actions, json!([arn("logs", group), arn("logs", &format!("{group}:*"))]))
}

/// Making and changing the table that is the crawler's own.
pub(super) fn crawl_table(database: &str, table: &str) -> Statement {
    let actions = [
        "glue:BatchCreatePartition",
        "glue:BatchGetPartition",
        "glue:CreatePartition",
        "glue:CreateTable",
        "glue:GetDatabase",
        "glue:GetPartition",
        "glue:GetPartitions",
        "glue:GetTable",
        "glue:UpdatePartition",
        "glue:UpdateTable",
    ];
    Statement::new("MakeTable", &actions, table_arns(database, table))
}

/// Looking how a crawler is, and starting it: who may do that may look, too.
pub(super) fn crawler(id: &str, name: &str, actions: &[&str]) -> Statement {
    let starts = actions.contains(&"glue:StartCrawler");
    let (verb, actions) = if starts {
        ("Start", vec!["glue:GetCrawler", "glue:StartCrawler"])
    } else {
        ("Look", vec!["glue:GetCrawler"])
    };
    Statement::new(&format!("{verb}{id}"), &actions, arn("glue", &format!("crawler/{name}")))
}

/// Starting a job, and looking at its runs.
pub(super) fn start_job(id: &str, name: &str) -> Statement {
    let actions = ["glue:GetJobRun", "glue:GetJobRuns", "glue:StartJobRun"];
    Statement::new(&format!("Start{id}"), &actions, arn("glue", &format!("job/{name}")))
}

/// Filling a table with partitions.
pub(super) fn fill_table(id: &str, database: &str, table: &str) -> Statement {
    let actions = [
        "glue:BatchCreatePartition",
        "glue:BatchDeletePartition",
        "glue:GetDatabase",
        "glue:GetPartitions",
        "glue:GetTable",
    ];
    Statement::new(&format!("Fill{id}"), &actions, table_arns(database, table))
}

/// What all these statements allow: the boundary that no role of ours gets beyond.
pub(super) fn boundary() -> Value {
    let actions = [
        "athena:BatchGetNamedQuery",
        "athena:GetNamedQuery",
        "athena:GetQueryExecution",
        "athena:GetQueryResults",
        "athena:GetWorkGroup",
        "athena:ListNamedQueries",
        "athena:StartQueryExecution",
        "athena:StopQueryExecution",
        "dynamodb:BatchWriteItem",
        "dynamodb:DeleteItem",
        "dynamodb:DescribeTable",
        "dynamodb:GetItem",
        "dynamodb:PutItem",
        "dynamodb:Query",
        "dynamodb:Scan",
        "glue:BatchCreatePartition",
        "glue:BatchDeletePartition",
        "glue:BatchGetPartition",
        "glue:CreatePartition",
        "glue:CreateTable",
        "glue:GetConnection",
        "glue:GetCrawler",
        "glue:GetDatabase",
        "glue:GetJob",
        "glue:GetJobBookmark",
        "glue:GetJobRun",
        "glue:GetJobRuns",
        "glue:GetPartition",
        "glue:GetPartitions",
        "glue:GetTable",
        "glue:ResetJobBookmark",
        "glue:StartCrawler",
        "glue:StartJobRun",
        "glue:UpdatePartition",
        "glue:UpdateTable",
        "kinesis:DescribeStream",
        "kinesis:GetRecords",
        "kinesis:GetShardIterator",
        "kinesis:ListShards",
        "kinesis:PutRecords",
        "kms:Decrypt",
        "kms:Encrypt",
        "kms:GenerateDataKey",
        "logs:CreateLogGroup",
        "logs:CreateLogStream",
        "logs:PutLogEvents",
        "secretsmanager:GetSecretValue",
        "sns:Publish",
        "sqs:DeleteMessage",
        "sqs:GetQueueAttributes",
        "sqs:GetQueueUrl",
        "sqs:ReceiveMessage",
        "sqs:SendMessage",
        "ssm:GetParameter",
    ];
    let services = ["athena", "dynamodb", "glue", "kinesis", "kms", "logs", "secretsmanager", "sns", "sqs", "ssm"];
    let own: Vec<Value> = services.iter().map(|service| arn(service, "*")).collect();
    let s3 = [
        "s3:AbortMultipartUpload",
        "s3:DeleteObject",
        "s3:GetBucketLocation",
        "s3:GetObject",
        "s3:GetObjectVersion",
        "s3:GetObjectVersionAcl",
        "s3:GetObjectVersionForReplication",
        "s3:GetObjectVersionTagging",
        "s3:GetReplicationConfiguration",
        "s3:ListBucket",
        "s3:ListBucketMultipartUploads",
        "s3:ListMultipartUploadParts",
        "s3:PutObject",
        "s3:ReplicateDelete",
        "s3:ReplicateObject",
        "s3:ReplicateTags",
    ];
    let buckets = "arn:${AWS::Partition}:s3:::*-${AWS::AccountId}-${AWS::Region}";
    let mut networks: Vec<&str> = INTERFACES.into_iter().chain(JOB_INTERFACES).collect();
    networks.sort_unstable();
    networks.dedup();
    let all = [
        Statement::new("ThisAccountAndRegion", &actions, Value::Array(own)),
        Statement::new("OurBuckets", &s3, json!([sub(buckets), sub(&format!("{buckets}/*"))])),
        Statement::new("Metrics", &["cloudwatch:PutMetricData"], json!("*")),
        Statement::new("Networks", &networks, json!("*")),
        marks(),
    ];
    Value::Array(all.into_iter().map(Statement::value).collect())
}
