//! What functions may do.

/// One thing that a function may do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Grant {
    /// On what kind of thing.
    pub kind: GrantKind,
    /// On which, by its name.
    pub name: String,
    /// Of a bucket, only on keys that begin with this.
    pub prefix: String,
}

/// The kinds of grants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GrantKind {
    /// `source.X:read`
    SourceRead,
    /// `secret.X:read`
    SecretRead,
    /// `stream.X:write`
    StreamWrite,
    /// `bucket.X:read`
    BucketRead,
    /// `bucket.X:write`
    BucketWrite,
    /// `bucket.X:list`
    BucketList,
    /// `bucket.X:delete`
    BucketDelete,
    /// `queue.X:send`
    QueueSend,
    /// `threshold.X:read`
    ThresholdRead,
    /// `threshold.X:measure`
    ThresholdMeasure,
    /// `topic.X:publish`
    TopicPublish,
    /// `query.X:execute`
    QueryExecute,
    /// `crawler.X:read`
    CrawlerRead,
    /// `crawler.X:start`
    CrawlerStart,
    /// `job.X:start`
    JobStart,
    /// `dynamodb.X:read`
    DynamodbRead,
    /// `dynamodb.X:write`
    DynamodbWrite,
    /// `postgres.X:write`
    PostgresWrite,
    /// `metric.X:measure`
    MetricMeasure,
}

impl GrantKind {
    /// All of them.
    pub const ALL: [Self; 19] = [
        Self::SourceRead,
        Self::SecretRead,
        Self::StreamWrite,
        Self::QueueSend,
        Self::BucketRead,
        Self::BucketWrite,
        Self::BucketList,
        Self::BucketDelete,
        Self::ThresholdRead,
        Self::ThresholdMeasure,
        Self::TopicPublish,
        Self::QueryExecute,
        Self::CrawlerRead,
        Self::CrawlerStart,
        Self::JobStart,
        Self::DynamodbRead,
        Self::DynamodbWrite,
        Self::PostgresWrite,
        Self::MetricMeasure,
    ];

    /// The section that it is about: `stream`.
    pub fn section(self) -> &'static str {
        match self {
            Self::SourceRead => "source",
            Self::SecretRead => "secret",
            Self::StreamWrite => "stream",
            Self::QueueSend => "queue",
            Self::BucketRead | Self::BucketWrite | Self::BucketList | Self::BucketDelete => "bucket",
            Self::ThresholdRead | Self::ThresholdMeasure => "threshold",
            Self::TopicPublish => "topic",
            Self::QueryExecute => "query",
            Self::CrawlerRead | Self::CrawlerStart => "crawler",
            Self::JobStart => "job",
            Self::DynamodbRead | Self::DynamodbWrite => "dynamodb",
            Self::PostgresWrite => "postgres",
            Self::MetricMeasure => "metric",
        }
    }

    /// The environment variable that tells a function the physical name, where there is one: `STREAM_PRICES`.
    pub fn variable(self, name: &str) -> Option<String> {
        let prefix = match self {
            Self::SourceRead => return None,
            Self::SecretRead => "SECRET",
            Self::StreamWrite => "STREAM",
            Self::QueueSend => "QUEUE",
            Self::BucketRead | Self::BucketWrite | Self::BucketList | Self::BucketDelete => "BUCKET",
            Self::ThresholdRead => "THRESHOLD",
            Self::ThresholdMeasure | Self::MetricMeasure => "METRIC",
            Self::TopicPublish => "TOPIC",
            Self::QueryExecute => "QUERY",
            Self::CrawlerRead | Self::CrawlerStart => "CRAWLER",
            Self::JobStart => "JOB",
            Self::DynamodbRead | Self::DynamodbWrite => "DYNAMODB",
            Self::PostgresWrite => "POSTGRES",
        };
        Some(format!("{prefix}_{}", name.to_ascii_uppercase()))
    }

    /// The service of AWS that a function calls for it, where it calls one.
    pub fn service(self) -> Option<&'static str> {
        Some(match self {
            Self::SourceRead => return None,
            Self::SecretRead | Self::PostgresWrite => "secretsmanager",
            Self::StreamWrite => "kinesis-streams",
            Self::BucketRead | Self::BucketWrite | Self::BucketList | Self::BucketDelete => "s3",
            Self::QueueSend => "sqs",
            Self::ThresholdRead => "ssm",
            Self::ThresholdMeasure | Self::MetricMeasure => "monitoring",
            Self::TopicPublish => "sns",
            Self::QueryExecute => "athena",
            Self::CrawlerRead | Self::CrawlerStart | Self::JobStart => "glue",
            Self::DynamodbRead | Self::DynamodbWrite => "dynamodb",
        })
    }

    /// What it allows: `write`.
    pub fn verb(self) -> &'static str {
        match self {
            Self::SourceRead
            | Self::SecretRead
            | Self::BucketRead
            | Self::ThresholdRead
            | Self::CrawlerRead
            | Self::DynamodbRead => "read",
            Self::StreamWrite | Self::BucketWrite | Self::DynamodbWrite | Self::PostgresWrite => "write",
            Self::BucketList => "list",
            Self::BucketDelete => "delete",
            Self::QueueSend => "send",
            Self::ThresholdMeasure | Self::MetricMeasure => "measure",
            Self::TopicPublish => "publish",
            Self::QueryExecute => "execute",
            Self::CrawlerStart | Self::JobStart => "start",
        }
    }
}
