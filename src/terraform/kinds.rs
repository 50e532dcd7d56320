//! Terraform's resource types in our words.

use serde_json::Value;

/// What is known of a type, after `aws_` or `awscc_`: its name in either provider, the kind in words, the attributes that
/// hold its physical name, whether its removal loses data that nothing brings back.
struct Known {
    aws: &'static str,
    awscc: &'static str,
    kind: &'static str,
    names: &'static [&'static str],
    data: bool,
}

const fn known(
    aws: &'static str,
    awscc: &'static str,
    kind: &'static str,
    names: &'static [&'static str],
    data: bool,
) -> Known {
    Known { aws, awscc, kind, names, data }
}

const KNOWN: [Known; 24] = [
    known("s3_bucket", "s3_bucket", "bucket", &["bucket", "bucket_name"], true),
    known("s3_directory_bucket", "s3express_directory_bucket", "bucket", &["bucket", "bucket_name"], true),
    known("lambda_function", "lambda_function", "function", &["function_name"], false),
    known("glue_job", "glue_job", "job", &["name"], false),
    known("glue_crawler", "glue_crawler", "crawler", &["name"], false),
    known("glue_catalog_database", "glue_database", "database", &["name", "database_name"], false),
    known("glue_catalog_table", "glue_table", "table", &["name"], false),
    known("dynamodb_table", "dynamodb_table", "key-value table", &["name", "table_name"], true),
    known("dynamodb_global_table", "dynamodb_global_table", "key-value table", &["name", "table_name"], true),
    known("kinesis_stream", "kinesis_stream", "stream", &["name"], true),
    known(
        "kinesis_firehose_delivery_stream",
        "kinesisfirehose_delivery_stream",
        "delivery stream",
        &["name", "delivery_stream_name"],
        false,
    ),
    known("sns_topic", "sns_topic", "topic", &["name", "topic_name"], true),
    known("sqs_queue", "sqs_queue", "queue", &["name", "queue_name"], true),
    known("athena_workgroup", "athena_work_group", "workgroup", &["name"], false),
    known("athena_named_query", "athena_named_query", "query", &["name"], false),
    known("cloudwatch_log_group", "logs_log_group", "log group", &["name", "log_group_name"], true),
    known("cloudwatch_metric_alarm", "cloudwatch_alarm", "alarm", &["alarm_name"], false),
    known("secretsmanager_secret", "secretsmanager_secret", "secret", &["name"], true),
    known("kms_key", "kms_key", "key", &["key_id"], true),
    known("iam_role", "iam_role", "role", &["name", "role_name"], false),
    known("db_instance", "rds_db_instance", "database instance", &["identifier", "db_instance_identifier"], true),
    known("rds_cluster", "rds_db_cluster", "database cluster", &["cluster_identifier", "db_cluster_identifier"], true),
    known("efs_file_system", "efs_file_system", "file system", &["id", "file_system_id"], true),
    known("ebs_volume", "ec2_volume", "volume", &["id", "volume_id"], true),
];

fn find(resource_type: &str) -> Option<&'static Known> {
    let aws = resource_type.strip_prefix("aws_");
    let awscc = resource_type.strip_prefix("awscc_");
    KNOWN.iter().find(|k| aws == Some(k.aws) || awscc == Some(k.awscc))
}

/// The kind in words: "bucket"; of any other type, the type itself.
pub fn kind(resource_type: &str) -> String {
    find(resource_type).map_or_else(|| resource_type.to_owned(), |k| k.kind.to_owned())
}

/// Whether its removal or replacement loses data that nothing brings back.
pub fn holds_data(resource_type: &str) -> bool {
    find(resource_type).is_some_and(|k| k.data)
}

/// The physical name among a resource's values: the name that the console of its service shows, else its id. What is
/// sensitive is no name.
pub fn physical_name(resource_type: &str, values: &Value, sensitive: &Value) -> String {
    let text = |key: &str| {
        let hidden = matches!(sensitive.get(key), Some(Value::Bool(true)));
        values.get(key).and_then(Value::as_str).filter(|text| !text.is_empty() && !hidden)
    };
    let own = find(resource_type).map(|k| k.names).unwrap_or_default();
    let name = own.iter().find_map(|key| text(key));
    // A table is one of its database.
    if kind(resource_type) == "table"
        && let (Some(database), Some(table)) = (text("database_name"), name.or_else(|| text("id")))
    {
        return format!("{database}.{table}");
    }
    name.or_else(|| text("id")).or_else(|| text("name")).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn both_providers_have_the_same_words() {
        for (aws, awscc) in [
            ("aws_s3_bucket", "awscc_s3_bucket"),
            ("aws_athena_workgroup", "awscc_athena_work_group"),
            ("aws_kinesis_firehose_delivery_stream", "awscc_kinesisfirehose_delivery_stream"),
            ("aws_cloudwatch_log_group", "awscc_logs_log_group"),
        ] {
            assert_eq!(kind(aws), kind(awscc));
            assert_ne!(kind(aws), aws);
        }
        assert_eq!(kind("aws_iam_role_policy"), "aws_iam_role_policy");
        assert_eq!(kind("google_storage_bucket"), "google_storage_bucket");
    }

    #[test]
    fn a_physical_name_is_what_the_service_calls_it() {
        let none = json!({});
        let name = |kind: &str, values: Value| physical_name(kind, &values, &json!({}));
        assert_eq!(name("aws_s3_bucket", json!({"id": "lake-1", "bucket": "lake"})), "lake");
        assert_eq!(name("awscc_dynamodb_table", json!({"id": "t-id", "table_name": "t"})), "t");
        assert_eq!(name("aws_sns_topic", json!({"id": "arn:aws:sns:eu-west-1:123456789012:x", "name": "x"})), "x");
        assert_eq!(name("aws_glue_catalog_table", json!({"database_name": "lake", "name": "orders"})), "lake.orders");
        assert_eq!(name("terraform_data", json!({"id": "a-b"})), "a-b");
        assert_eq!(name("aws_s3_bucket", json!({})), "");
        let hidden = physical_name("aws_s3_bucket", &json!({"bucket": "s", "id": "i"}), &json!({"bucket": true}));
        assert_eq!((hidden.as_str(), physical_name("x", &Value::Null, &none).as_str()), ("i", ""));
    }
}
