//! Execution roles, each with what is granted and no more, and log groups.

use super::{graph::Maker, names};
use crate::{
    cloud::{
        permit::Grant,
        resources::{self as r, Properties},
    },
    spec::{self, GrantKind},
};

/// Days that log events are kept.
const LOG_DAYS: u32 = 30;

impl Maker<'_> {
    /// The roles and log groups of functions, jobs and deliveries.
    pub(super) fn roles_and_logs(&mut self) {
        let environment = self.env;
        for function in &environment.functions {
            let physical = self.physical(&function.name);
            let group = names::function_log_group(&physical);
            let mut grants = log_grants(&group);
            for grant in &function.grants {
                let name = names::granted(&self.pipeline.name, &self.env.name, grant.kind, &grant.name);
                let Some(physical) = name else { continue };
                let resource = if grant.prefix.is_empty() { physical } else { format!("{physical}/{}", grant.prefix) };
                let allow = |action: &&str| Grant { action: (*action).into(), resource: resource.clone() };
                grants.extend(actions(grant.kind).iter().map(allow));
                match grant.kind {
                    GrantKind::BucketRead => grants.extend(self.decrypt(&grant.name)),
                    GrantKind::BucketWrite => grants.extend(self.encrypt(&grant.name)),
                    _ => {}
                }
            }
            if let Some(queue) = &function.from {
                let reads = ["ReceiveMessage", "DeleteMessage", "GetQueueAttributes"];
                let grant = |a: &str| Grant { action: format!("sqs:{a}"), resource: self.physical(queue) };
                grants.extend(reads.into_iter().map(grant));
            }
            let owner = ("function", function.name.as_str());
            self.role(owner, &physical, "lambda.amazonaws.com", grants);
            self.log_group(owner, group);
        }
        for crawler in &environment.crawlers {
            let physical = self.physical(&crawler.name);
            let group = names::crawler_log_group(&physical);
            let from = self.bucket_name(&crawler.from);
            let mut grants = log_grants(&group);
            grants.extend([
                Grant { action: "s3:ListBucket".into(), resource: from.clone() },
                Grant { action: "s3:GetObject".into(), resource: from },
            ]);
            grants.extend(self.decrypt(&crawler.from));
            if let Some(database) = self.database() {
                let resource = format!("{database}.{}", crawler.table);
                let fills = ["BatchCreatePartition", "CreateTable", "UpdateTable"];
                grants.extend(fills.map(|a| Grant { action: format!("glue:{a}"), resource: resource.clone() }));
            }
            let owner = ("crawler", crawler.name.as_str());
            self.role(owner, &physical, "glue.amazonaws.com", grants);
            self.log_group(owner, group);
        }
        for job in &environment.jobs {
            let physical = self.physical(&job.name);
            let group = names::job_log_group(&physical);
            let from = self.bucket_name(&job.from);
            let mut grants = log_grants(&group);
            grants.extend([
                Grant { action: "s3:ListBucket".into(), resource: from.clone() },
                Grant { action: "s3:GetObject".into(), resource: from },
            ]);
            grants.extend(self.decrypt(&job.from));
            let rejects = job.rejects.as_ref().map(|(bucket, _)| bucket);
            for to in [Some(&job.to).filter(|_| job.key_table.is_none()), rejects].into_iter().flatten() {
                grants.push(Grant { action: "s3:PutObject".into(), resource: self.bucket_name(to) });
                grants.extend(self.encrypt(to));
            }
            if let Some(table) = &job.key_table {
                let mut actions = vec!["dynamodb:BatchWriteItem", "dynamodb:DescribeTable"];
                actions.extend(job.replace.then_some("dynamodb:Scan"));
                let resource = self.physical(table);
                grants.extend(actions.iter().map(|a| Grant { action: (*a).into(), resource: resource.clone() }));
            }
            if let (Some(database), Some(table)) = (self.database(), &job.table) {
                let resource = format!("{database}.{table}");
                grants.push(Grant { action: "glue:GetTable".into(), resource: resource.clone() });
                grants.push(Grant { action: "glue:BatchCreatePartition".into(), resource });
            }
            grants.extend(self.reach(job));
            if let (Some(database), Some(table)) = (self.database(), self.crawled(job)) {
                grants.push(Grant { action: "glue:GetTable".into(), resource: format!("{database}.{table}") });
            }
            let owner = ("job", job.name.as_str());
            self.role(owner, &physical, "glue.amazonaws.com", grants);
            self.log_group(owner, group);
        }
        for delivery in &environment.deliveries {
            let (from, to) = (self.physical(&delivery.from), self.bucket_name(&delivery.to));
            let reads = ["DescribeStream", "GetShardIterator", "GetRecords", "ListShards"];
            let mut grants: Vec<Grant> =
                reads.iter().map(|a| Grant { action: format!("kinesis:{a}"), resource: from.clone() }).collect();
            grants.push(Grant { action: "s3:PutObject".into(), resource: to });
            grants.extend(self.encrypt(&delivery.to));
            let physical = self.physical(&delivery.name);
            self.role(("delivery", &delivery.name), &physical, "firehose.amazonaws.com", grants);
        }
        for bucket in &environment.buckets {
            let Some(copy) = &bucket.replicate_to else { continue };
            let physical = self.bucket_name(&bucket.name);
            let mut grants = vec![
                Grant { action: "s3:GetReplicationConfiguration".into(), resource: physical.clone() },
                Grant { action: "s3:ReplicateObject".into(), resource: self.bucket_name(copy) },
            ];
            grants.extend(self.key_of(&bucket.name).map(|resource| Grant { action: "kms:Decrypt".into(), resource }));
            grants.extend(self.key_of(copy).map(|resource| Grant { action: "kms:Encrypt".into(), resource }));
            self.role(("bucket", &bucket.name), &physical, "s3.amazonaws.com", grants);
        }
    }

    /// What a job's connections take: they themselves, and the secrets that these name.
    fn reach(&self, job: &spec::Job) -> Vec<Grant> {
        let look = |resource| Grant { action: "glue:GetConnection".into(), resource };
        let mut grants: Vec<Grant> = self.connections_of(job).0.into_iter().map(look).collect();
        let used = self.env.connections.iter().filter(|k| job.connections.contains(&k.name));
        grants.extend(used.filter_map(|k| match k.to.as_ref()? {
            spec::ConnectionTo::Postgres(name) => Some(Grant {
                action: "rds-db:connect".into(),
                resource: names::postgres(&self.pipeline.name, &self.env.name, name),
            }),
            spec::ConnectionTo::Url { secret, .. } => {
                Some(Grant { action: "secretsmanager:GetSecretValue".into(), resource: self.physical(secret) })
            }
        }));
        grants
    }

    /// The key that encrypts a bucket.
    fn key_of(&self, bucket: &str) -> Option<String> {
        let bucket = self.env.buckets.iter().find(|b| b.name == bucket)?;
        bucket.encryption.as_ref().map(|key| self.physical(key))
    }

    /// What reading an encrypted bucket takes.
    fn decrypt(&self, bucket: &str) -> Option<Grant> {
        self.key_of(bucket).map(|resource| Grant { action: "kms:Decrypt".into(), resource })
    }

    /// What writing an encrypted bucket takes; the parts of a large object are read again.
    fn encrypt(&self, bucket: &str) -> Vec<Grant> {
        let actions = self.key_of(bucket).map(|key| {
            ["kms:Decrypt", "kms:GenerateDataKey"].map(|a| Grant { action: a.into(), resource: key.clone() })
        });
        actions.into_iter().flatten().collect()
    }

    fn role(&mut self, owner: (&str, &str), physical: &str, service: &str, mut grants: Vec<Grant>) {
        grants.sort();
        grants.dedup();
        let properties = Properties::Role(r::Role { service: service.into(), grants });
        self.add_part(owner, "role", role_name(owner, physical), vec![], properties);
    }

    fn log_group(&mut self, owner: (&str, &str), name: String) {
        let properties = Properties::LogGroup(r::LogGroup { retention_days: LOG_DAYS });
        self.add_part(owner, "log_group", name, vec![], properties);
    }
}

/// The name of a role or a schedule: its owner's, and for a job, a crawler or a delivery its kind, since a function may have the same
/// name.
pub(super) fn role_name((section, _): (&str, &str), physical: &str) -> String {
    match section {
        "job" => format!("{physical}.job"),
        "crawler" => format!("{physical}.crw"),
        "bucket" => format!("{physical}.s3"),
        "delivery" => format!("{physical}.dlv"),
        _ => physical.to_owned(),
    }
}

fn actions(kind: GrantKind) -> &'static [&'static str] {
    match kind {
        GrantKind::SourceRead => &[],
        GrantKind::SecretRead => &["secretsmanager:GetSecretValue"],
        GrantKind::StreamWrite => &["kinesis:PutRecords"],
        GrantKind::BucketRead => &["s3:GetObject"],
        GrantKind::BucketWrite => &["s3:PutObject"],
        GrantKind::BucketList => &["s3:ListBucket"],
        GrantKind::BucketDelete => &["s3:DeleteObject"],
        GrantKind::QueueSend => &["sqs:SendMessage"],
        GrantKind::ThresholdRead => &["ssm:GetParameter"],
        GrantKind::ThresholdMeasure | GrantKind::MetricMeasure => &["cloudwatch:PutMetricData"],
        GrantKind::TopicPublish => &["sns:Publish"],
        GrantKind::QueryExecute => &["athena:StartQueryExecution"],
        GrantKind::PostgresWrite => &["rds-db:connect"],
        GrantKind::CrawlerRead => &["glue:GetCrawler"],
        GrantKind::CrawlerStart => &["glue:StartCrawler"],
        GrantKind::JobStart => &["glue:StartJobRun"],
        GrantKind::DynamodbRead => &["dynamodb:GetItem", "dynamodb:Query", "dynamodb:Scan"],
        GrantKind::DynamodbWrite => &["dynamodb:BatchWriteItem", "dynamodb:DeleteItem", "dynamodb:PutItem"],
    }
}

fn log_grants(group: &str) -> Vec<Grant> {
    ["logs:CreateLogStream", "logs:PutLogEvents"]
        .map(|action| Grant { action: action.into(), resource: group.into() })
        .to_vec()
}
