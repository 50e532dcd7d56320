//! What resources are called.

use crate::{cloud::resources::Properties, spec::GrantKind};

/// The stack: `crypto-stream-dev`.
pub fn stack(pipeline: &str, env: &str) -> String {
    format!("{pipeline}-{env}")
}

/// Most resources: `crypto-stream-dev-fetch_prices`.
pub fn physical(pipeline: &str, env: &str, name: &str) -> String {
    format!("{pipeline}-{env}-{name}")
}

/// The dead-letter queue of a queue: `bls-quest-dev-reports-dlq`.
pub fn dead_letter(queue: &str) -> String {
    format!("{queue}-dlq")
}

/// A bucket, whose name has no `_`: `crypto-stream-dev-landing`.
pub fn bucket(pipeline: &str, env: &str, name: &str) -> String {
    physical(pipeline, env, name).replace('_', "-")
}

/// A PostgreSQL server and its secret, which have no `_` either: `covid-etl-dev-stats`.
pub fn postgres(pipeline: &str, env: &str, name: &str) -> String {
    physical(pipeline, env, name).replace('_', "-")
}

/// The database on a PostgreSQL server: `covid_etl_dev_stats`.
pub fn postgres_database(pipeline: &str, env: &str, name: &str) -> String {
    physical(pipeline, env, name).replace('-', "_")
}

/// A threshold, which is a parameter: `/crypto-stream/dev/btc_usd`.
pub fn threshold(pipeline: &str, env: &str, name: &str) -> String {
    format!("/{pipeline}/{env}/{name}")
}

/// The metric that a threshold is compared with: `crypto-stream/dev/btc_usd`.
pub fn metric(pipeline: &str, env: &str, name: &str) -> String {
    format!("{pipeline}/{env}/{name}")
}

/// A catalog database: its name in `dev`, elsewhere with the environment's: `crypto_stream_prod`.
pub fn database(database: &str, env: &str) -> String {
    if env == "dev" { database.to_owned() } else { format!("{database}_{env}") }
}

/// The log group of a function.
pub fn function_log_group(function: &str) -> String {
    format!("/aws/lambda/{function}")
}

/// The log group of a job.
pub fn job_log_group(job: &str) -> String {
    format!("/aws-glue/jobs/{job}")
}

/// What AWS Glue puts behind the name of a job's log group for errors and Spark's own lines.
pub(crate) const JOB_ERRORS: &str = "/error";
/// The same for what the script prints.
pub(crate) const JOB_OUTPUT: &str = "/output";

/// The two log groups on AWS of a job, by its log group or one of the two; none where it is no job's.
pub fn aws_job_log_groups(group: &str) -> Option<[String; 2]> {
    let base = [JOB_ERRORS, JOB_OUTPUT].iter().find_map(|end| group.strip_suffix(end)).unwrap_or(group);
    base.starts_with(&job_log_group("")).then(|| [JOB_ERRORS, JOB_OUTPUT].map(|end| format!("{base}{end}")))
}

/// The physical name of what a grant is about; none for a source, which is no resource.
pub fn granted(pipeline: &str, env: &str, kind: GrantKind, name: &str) -> Option<String> {
    match kind {
        GrantKind::SourceRead => None,
        GrantKind::BucketRead | GrantKind::BucketWrite | GrantKind::BucketList | GrantKind::BucketDelete => {
            Some(bucket(pipeline, env, name))
        }
        GrantKind::PostgresWrite => Some(postgres(pipeline, env, name)),
        GrantKind::ThresholdRead => Some(threshold(pipeline, env, name)),
        GrantKind::ThresholdMeasure | GrantKind::MetricMeasure => Some(metric(pipeline, env, name)),
        GrantKind::SecretRead
        | GrantKind::StreamWrite
        | GrantKind::QueueSend
        | GrantKind::TopicPublish
        | GrantKind::QueryExecute
        | GrantKind::DynamodbRead
        | GrantKind::DynamodbWrite
        | GrantKind::CrawlerRead
        | GrantKind::CrawlerStart
        | GrantKind::JobStart => Some(physical(pipeline, env, name)),
    }
}

/// The log group of a crawler. AWS has one group for all crawlers, with a stream each.
pub fn crawler_log_group(crawler: &str) -> String {
    format!("/aws-glue/crawlers/{crawler}")
}

/// A logical id: the words of the name and the kind, each with a capital: `FetchPricesFunction`.
///
/// Names are words that begin with a letter, so no two names give one id.
pub fn logical_id(name: &str, kind: &str) -> String {
    let mut id: String = name
        .split('_')
        .flat_map(|word| {
            let mut letters = word.chars();
            letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters)
        })
        .collect();
    id.push_str(kind);
    id
}

/// The last part of a logical id.
pub fn suffix(properties: &Properties) -> &'static str {
    match properties {
        Properties::Bucket(_) => "Bucket",
        Properties::Key(_) => "Key",
        Properties::KeyTable(_) => "Dynamodb",
        Properties::Stream(_) => "Stream",
        Properties::Queue(_) => "Queue",
        Properties::EventSourceMapping(_) => "EventSourceMapping",
        Properties::Delivery(_) => "Delivery",
        Properties::Role(_) => "Role",
        Properties::LogGroup(_) => "LogGroup",
        Properties::Function(_) => "Function",
        Properties::Crawler(_) => "Crawler",
        Properties::Job(_) => "Job",
        Properties::Schedule(_) => "Schedule",
        Properties::Database(_) => "Database",
        Properties::Table(_) => "Table",
        Properties::Topic(_) => "Topic",
        Properties::Threshold(_) => "Threshold",
        Properties::Alarm(_) => "Alarm",
        Properties::Secret(_) => "Secret",
        Properties::Query(_) => "Query",
        Properties::Api(_) => "Api",
        Properties::Network(_) => "Network",
        Properties::Postgres(_) => "Postgres",
        Properties::Connection(_) => "Connection",
        Properties::Metric(_) => "Metric",
        Properties::Dashboard(_) => "Dashboard",
    }
}
