//! CloudFormation's resource types in our words.

/// What is known of a type: its name, the kind in words, the end of our logical ids, the section of pipeline.toml, whether
/// it holds data that a deploy cannot bring back.
struct Known(&'static str, &'static str, &'static str, &'static str, bool);

const KNOWN: [Known; 23] = [
    Known("AWS::S3::Bucket", "bucket", "Bucket", "bucket", true),
    Known("AWS::KMS::Key", "key", "Key", "key", true),
    Known("AWS::DynamoDB::Table", "key-value table", "Dynamodb", "dynamodb", true),
    Known("AWS::Kinesis::Stream", "stream", "Stream", "stream", true),
    Known("AWS::SQS::Queue", "queue", "Queue", "queue", true),
    Known("AWS::Lambda::EventSourceMapping", "event source mapping", "EventSourceMapping", "event_source", false),
    Known("AWS::KinesisFirehose::DeliveryStream", "delivery stream", "Delivery", "delivery", false),
    Known("AWS::IAM::Role", "role", "Role", "role", false),
    Known("AWS::Logs::LogGroup", "log group", "LogGroup", "log_group", true),
    Known("AWS::Lambda::Function", "function", "Function", "function", false),
    Known("AWS::Glue::Job", "job", "Job", "job", false),
    Known("AWS::Scheduler::Schedule", "schedule", "Schedule", "schedule", false),
    Known("AWS::Events::Rule", "schedule", "Schedule", "schedule", false),
    Known("AWS::Glue::Trigger", "schedule", "Schedule", "schedule", false),
    Known("AWS::Glue::Database", "database", "Database", "database", false),
    Known("AWS::Glue::Table", "table", "Table", "table", false),
    Known("AWS::SNS::Topic", "topic", "Topic", "topic", true),
    Known("AWS::SSM::Parameter", "threshold", "Threshold", "threshold", false),
    Known("AWS::CloudWatch::Alarm", "alarm", "Alarm", "alarm", false),
    Known("AWS::SecretsManager::Secret", "secret", "Secret", "secret", true),
    Known("AWS::Athena::NamedQuery", "query", "Query", "query", false),
    Known("AWS::ApiGateway::RestApi", "API", "Api", "api", false),
    Known("AWS::CloudFormation::Stack", "stack", "Stack", "stack", false),
];

/// Types that no pipeline of ours makes, whose removal loses data nevertheless.
const STATEFUL: [&str; 7] = [
    "AWS::DynamoDB::GlobalTable",
    "AWS::EFS::FileSystem",
    "AWS::Cognito::UserPool",
    "AWS::EC2::Volume",
    "AWS::OpenSearchService::Domain",
    "AWS::RDS::DBCluster",
    "AWS::RDS::DBInstance",
];

fn known(resource_type: &str) -> Option<&'static Known> {
    KNOWN.iter().find(|k| k.0 == resource_type)
}

/// The kind in words: "bucket"; of a type that is not ours its own last words: "Lambda Permission".
pub(super) fn kind(resource_type: &str) -> String {
    known(resource_type)
        .map_or_else(|| resource_type.trim_start_matches("AWS::").replace("::", " "), |k| k.1.to_owned())
}

/// Whether its removal or replacement loses data that a deploy cannot bring back.
pub(super) fn stateful(resource_type: &str) -> bool {
    known(resource_type).map_or_else(|| STATEFUL.contains(&resource_type), |k| k.4)
}

/// The name in pipeline.toml that a logical id of ours was made from: `bucket.landing`, `function.fetch_prices/role`; for
/// any other the logical id itself.
pub(super) fn name(resource_type: &str, logical_id: &str) -> String {
    let of = |known: &Known, id: &str| {
        let stem = id.strip_suffix(known.2)?;
        Some(format!("{}.{}", known.3, words(stem)?))
    };
    let Some(own) = known(resource_type) else { return logical_id.to_owned() };
    // What belongs to a function or a job has its owner's section in its logical id.
    let part = logical_id.strip_suffix(own.2).and_then(|owner| {
        let owners = KNOWN.iter().filter(|k| matches!(k.3, "function" | "job" | "delivery" | "api" | "schedule"));
        owners.into_iter().find_map(|k| Some(format!("{}/{}", of(k, owner)?, own.3)))
    });
    part.or_else(|| of(own, logical_id)).unwrap_or_else(|| logical_id.to_owned())
}

/// `FetchPrices` as `fetch_prices`; none where it is no such name.
fn words(stem: &str) -> Option<String> {
    let mut out = String::new();
    for (at, letter) in stem.char_indices() {
        if letter.is_ascii_uppercase() && at > 0 {
            out.push('_');
        }
        if at == 0 && !letter.is_ascii_uppercase() {
            return None;
        }
        out.push(letter.to_ascii_lowercase());
    }
    (!out.is_empty()).then_some(out)
}

/// How to remove a resource that is in no stack any more.
pub(super) fn removal(resource_type: &str, physical_id: &str) -> String {
    match resource_type {
        "AWS::S3::Bucket" => {
            format!("aws s3 rb s3://{physical_id} --force (with versions: empty it in the S3 console)")
        }
        "AWS::Kinesis::Stream" => format!("aws kinesis delete-stream --stream-name {physical_id}"),
        "AWS::Logs::LogGroup" => format!("aws logs delete-log-group --log-group-name {physical_id}"),
        "AWS::SecretsManager::Secret" => format!("aws secretsmanager delete-secret --secret-id {physical_id}"),
        "AWS::SNS::Topic" => format!("aws sns delete-topic --topic-arn {physical_id}"),
        "AWS::DynamoDB::Table" => format!("aws dynamodb delete-table --table-name {physical_id}"),
        "AWS::SQS::Queue" => format!("aws sqs delete-queue --queue-url {physical_id}"),
        "AWS::KMS::Key" => format!("aws kms schedule-key-deletion --key-id {physical_id}"),
        other => format!("delete it in the console of {}", other.split("::").nth(1).unwrap_or("its service")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_logical_id_tells_the_name_that_it_was_made_from() {
        assert_eq!(name("AWS::S3::Bucket", "LandingBucket"), "bucket.landing");
        assert_eq!(name("AWS::Lambda::Function", "FetchPricesFunction"), "function.fetch_prices");
        assert_eq!(name("AWS::IAM::Role", "FetchPricesFunctionRole"), "function.fetch_prices/role");
        assert_eq!(name("AWS::Logs::LogGroup", "CleanPricesJobLogGroup"), "job.clean_prices/log_group");
        assert_eq!(name("AWS::Lambda::Permission", "LandingPermission"), "LandingPermission");
        assert_eq!(name("AWS::S3::Bucket", "Bucket"), "Bucket");
        assert_eq!(name("AWS::S3::Bucket", "Artifacts"), "Artifacts");
    }

    #[test]
    fn a_type_that_is_not_ours_has_its_own_words() {
        assert_eq!(kind("AWS::S3::Bucket"), "bucket");
        assert_eq!(kind("AWS::Lambda::Permission"), "Lambda Permission");
        assert!(stateful("AWS::DynamoDB::Table") && !stateful("AWS::Lambda::Permission"));
    }
}
