//! Execution roles, each with what is granted and no more, and log groups.

use super::{graph::Maker, names};
use crate::{
    cloud::{
        permit::Grant,
        resources::{self as r, Properties},
    },
    spec::GrantKind,
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
                if let (Some(action), Some(name)) = (action(grant.kind), name) {
                    let resource = if grant.prefix.is_empty() { name } else { format!("{name}/{}", grant.prefix) };
                    grants.push(Grant { action: action.into(), resource });
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
            let (from, to) = (self.bucket_name(&job.from), self.bucket_name(&job.to));
            let mut grants = log_grants(&group);
            grants.extend([
                Grant { action: "s3:ListBucket".into(), resource: from.clone() },
                Grant { action: "s3:GetObject".into(), resource: from },
                Grant { action: "s3:PutObject".into(), resource: to },
            ]);
            if let (Some(database), Some(table)) = (self.database(), &job.table) {
                let resource = format!("{database}.{table}");
                grants.push(Grant { action: "glue:GetTable".into(), resource: resource.clone() });
                grants.push(Grant { action: "glue:BatchCreatePartition".into(), resource });
            }
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
            let physical = self.physical(&delivery.name);
            self.role(("delivery", &delivery.name), &physical, "firehose.amazonaws.com", grants);
        }
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
        "delivery" => format!("{physical}.dlv"),
        _ => physical.to_owned(),
    }
}

fn action(kind: GrantKind) -> Option<&'static str> {
    Some(match kind {
        GrantKind::SourceRead => return None,
        GrantKind::SecretRead => "secretsmanager:GetSecretValue",
        GrantKind::StreamWrite => "kinesis:PutRecords",
        GrantKind::BucketRead => "s3:GetObject",
        GrantKind::BucketWrite => "s3:PutObject",
        GrantKind::BucketList => "s3:ListBucket",
        GrantKind::BucketDelete => "s3:DeleteObject",
        GrantKind::QueueSend => "sqs:SendMessage",
        GrantKind::ThresholdRead => "ssm:GetParameter",
        GrantKind::ThresholdMeasure => "cloudwatch:PutMetricData",
        GrantKind::TopicPublish => "sns:Publish",
        GrantKind::QueryExecute => "athena:StartQueryExecution",
        GrantKind::CrawlerRead => "glue:GetCrawler",
        GrantKind::CrawlerStart => "glue:StartCrawler",
        GrantKind::JobStart => "glue:StartJobRun",
    })
}

fn log_grants(group: &str) -> Vec<Grant> {
    ["logs:CreateLogStream", "logs:PutLogEvents"]
        .map(|action| Grant { action: action.into(), resource: group.into() })
        .to_vec()
}
