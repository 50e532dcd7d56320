//! Execution roles: from a role's grants, one action on one name each, to what AWS needs to be told.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    Body, Entry, Result,
    databases::secret_id,
    json::{bucket_name, reference, sub},
    statements::{self, Statement},
};
use crate::cloud::resources::{Bucket, Crawler, Job, Properties, Resource, Role};

/// Where our roles live, so that the deploy's own role can be held to them.
pub(super) const ROLE_PATH: &str = "/pumphouse/";
/// The permissions boundary of every role, made by the bootstrap stack.
pub(super) const BOUNDARY: &str =
    "arn:${AWS::Partition}:iam::${AWS::AccountId}:policy/pumphouse/pumphouse-boundary-${AWS::Region}";

/// Who takes a role.
#[derive(Clone, Copy)]
pub(super) enum Owner<'a> {
    Function(&'a Resource),
    Crawler(&'a Crawler),
    Job(&'a Resource, &'a Job),
    Delivery(&'a Resource),
    Replication,
}

impl<'a> Body<'a> {
    pub(super) fn role(&mut self, resource: &'a Resource, role: &'a Role) -> Result<()> {
        let owner = self.owner(&resource.physical_name);
        // Per resource, what is granted on it.
        let mut grants: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
        for grant in &role.grants {
            let service = grant.action.split(':').next().unwrap_or_default();
            grants.entry((service, &grant.resource)).or_default().push(&grant.action);
        }
        let mut all = Vec::new();
        for ((service, name), actions) in &grants {
            all.extend(self.expand(resource, owner, service, name, actions)?);
        }
        if let Some(owner) = owner {
            all.extend(self.own(owner));
        }
        let statements = told_apart(all.into_iter().map(Statement::value));
        let properties = json!({
            "Path": ROLE_PATH,
            "PermissionsBoundary": sub(BOUNDARY),
            "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [trust(&role.service, owner)]},
            "Policies": [{
                "PolicyName": "grants",
                "PolicyDocument": {"Version": "2012-10-17", "Statement": statements},
            }],
        });
        self.add(&resource.logical_id, Entry::new("AWS::IAM::Role", properties).of(resource));
        Ok(())
    }

    /// Who takes the role of this name.
    fn owner(&self, role: &str) -> Option<Owner<'a>> {
        self.graph.resources.iter().find_map(|r| match &r.properties {
            Properties::Function(f) if f.role == role => Some(Owner::Function(r)),
            Properties::Crawler(c) if c.role == role => Some(Owner::Crawler(c)),
            Properties::Job(j) if j.role == role => Some(Owner::Job(r, j)),
            Properties::Delivery(d) if d.role == role => Some(Owner::Delivery(r)),
            Properties::Bucket(b) if b.replication.as_ref().is_some_and(|c| c.role == role) => Some(Owner::Replication),
            _ => None,
        })
    }

    /// What the owner needs beside what is granted.
    fn own(&self, owner: Owner<'a>) -> Vec<Statement> {
        match owner {
            Owner::Function(resource) => {
                let mut all = Vec::new();
                if self.asynchronous(&resource.physical_name) {
                    all.push(statements::dead_letters(&resource.logical_id));
                }
                if matches!(&resource.properties, Properties::Function(f) if f.network.is_some()) {
                    all.push(statements::network_interfaces());
                }
                all
            }
            Owner::Crawler(..) | Owner::Replication => Vec::new(),
            Owner::Job(resource, job) => {
                let mut all = statements::job(&resource.physical_name, job);
                if !job.connections.is_empty() {
                    all.extend(statements::job_network());
                }
                all
            }
            Owner::Delivery(resource) => vec![statements::delivery_logs(&resource.logical_id)],
        }
    }

    /// What one resource's grants come to.
    fn expand(
        &self,
        role: &Resource,
        owner: Option<Owner<'a>>,
        service: &str,
        name: &str,
        actions: &[&str],
    ) -> Result<Vec<Statement>> {
        let id = |kind| self.id(role, kind, name);
        Ok(match service {
            "logs" if matches!(owner, Some(Owner::Crawler(..))) => vec![statements::crawler_logs()],
            "logs" => {
                let job = matches!(owner, Some(Owner::Job(..)));
                vec![statements::logs(id("log group")?, job)]
            }
            "kinesis" => vec![statements::stream(id("stream")?, actions)],
            "sqs" => vec![statements::queue(id("queue")?, actions)],
            "s3" => {
                // It may be granted below a prefix alone.
                let (name, prefix) = name.split_once('/').unwrap_or((name, ""));
                let bucket = self.find(role, "bucket", name)?;
                let versioned = matches!(&bucket.properties, Properties::Bucket(b) if b.versioning);
                let place = statements::Place {
                    id: &bucket.logical_id,
                    // By name: a bucket waits for the functions that it tells, and so for their roles.
                    name: bucket_name(name),
                    versioned,
                };
                match owner {
                    Some(Owner::Job(_, job)) => statements::job_bucket(&place, name, job),
                    Some(Owner::Crawler(crawler)) => statements::read_files(place.id, &place.name, &crawler.prefix),
                    Some(Owner::Delivery(..)) => statements::delivery_bucket(&place),
                    Some(Owner::Replication) => statements::replication_bucket(&place, actions),
                    _ => statements::bucket(&place, prefix, actions),
                }
            }
            "dynamodb" => vec![statements::key_table(id("key-value table")?, actions)],
            "kms" => vec![statements::key(id("key")?, actions)],
            "ssm" => vec![statements::threshold(id("threshold")?)],
            "cloudwatch" => vec![statements::measure(name, self.options.emulated)],
            "sns" => vec![statements::topic(id("topic")?)],
            "secretsmanager" => vec![statements::secret(id("secret")?, name)],
            "rds-db" => vec![statements::database(&secret_id(id("PostgreSQL database")?), name)],
            "athena" => self.query_statements(role, name)?,
            "glue" if actions.iter().any(|a| a.ends_with("Crawler")) => {
                vec![statements::crawler(id("crawler")?, name, actions)]
            }
            "glue" if actions.contains(&"glue:GetConnection") => vec![statements::connection(id("connection")?, name)],
            "glue" if actions.contains(&"glue:StartJobRun") => vec![statements::start_job(id("job")?, name)],
            "glue" => self.catalog_statements(role, owner, name)?,
            _ => vec![Statement::new(&format!("Granted{service}"), actions, json!(name))],
        })
    }

    /// The crawler that makes a table, by `database.table`.
    fn crawler_of(&self, table: &str) -> Option<&'a Crawler> {
        self.graph.resources.iter().find_map(|r| match &r.properties {
            Properties::Crawler(c) if format!("{}.{}", c.database, c.table) == table => Some(c),
            _ => None,
        })
    }

    /// What executing a saved query needs: the workgroup, the tables that the SQL names, their files, and the results.
    fn query_statements(&self, role: &Resource, name: &str) -> Result<Vec<Statement>> {
        let query = self.find(role, "query", name)?;
        let Properties::Query(query) = &query.properties else { return Ok(Vec::new()) };
        let words: Vec<String> =
            query.sql.split(|c: char| !(c.is_alphanumeric() || c == '_')).map(str::to_ascii_lowercase).collect();
        let mut all = statements::workgroup(&self.graph.stack, self.options.emulated);
        let results = self.athena_bucket();
        all.extend(statements::results(&bucket_name(&results)));
        for resource in &self.graph.resources {
            if let Properties::Crawler(crawler) = &resource.properties
                && words.contains(&crawler.table)
            {
                let (id, bucket) = (&resource.logical_id, bucket_name(&crawler.bucket));
                all.push(statements::read_table(id, &crawler.database, &crawler.table));
                all.extend(statements::read_files(id, &bucket, &crawler.prefix));
                all.extend(self.decrypt(role, id, &crawler.bucket)?);
            }
            let Properties::Table(table) = &resource.properties else { continue };
            if !words.contains(&table.table.to_ascii_lowercase()) {
                continue;
            }
            all.push(statements::read_table(&resource.logical_id, &table.database, &table.table));
            all.extend(statements::read_files(&resource.logical_id, &bucket_name(&table.bucket), &table.prefix));
            all.extend(self.decrypt(role, &resource.logical_id, &table.bucket)?);
        }
        Ok(all)
    }

    /// What reading a table's files takes beside them, where a key encrypts their bucket.
    fn decrypt(&self, role: &Resource, table: &str, bucket: &str) -> Result<Option<Statement>> {
        match &self.find(role, "bucket", bucket)?.properties {
            Properties::Bucket(Bucket { encryption: Some(key), .. }) => {
                Ok(Some(statements::decrypt(table, self.id(role, "key", key)?)))
            }
            _ => Ok(None),
        }
    }

    /// What filling a table needs, and reading one that a crawler makes; `name` is `database.table`.
    fn catalog_statements(&self, role: &Resource, owner: Option<Owner<'a>>, name: &str) -> Result<Vec<Statement>> {
        if let Some(crawler) = self.crawler_of(name) {
            return Ok(match owner {
                Some(Owner::Crawler(own)) => vec![statements::crawl_table(&own.database, &own.table)],
                _ => vec![statements::read_table("Input", &crawler.database, &crawler.table)],
            });
        }
        let resource = self.find(role, "table", name)?;
        let Properties::Table(table) = &resource.properties else { return Ok(Vec::new()) };
        Ok(vec![statements::fill_table(&resource.logical_id, &table.database, &table.table)])
    }
}

/// Statements of one policy: each once, and no two of one id, which IAM refuses. Two queries want the same workgroup, and
/// two prefixes may differ in signs alone, which no id has.
fn told_apart(all: impl Iterator<Item = Value>) -> Vec<Value> {
    let mut apart: Vec<Value> = Vec::new();
    for mut statement in all {
        if apart.contains(&statement) {
            continue;
        }
        let id = statement["Sid"].as_str().unwrap_or_default().to_owned();
        let taken = |id: &str| apart.iter().any(|other| other["Sid"] == *id);
        if taken(&id)
            && let Some(free) = (2..=apart.len() + 2).map(|n| format!("{id}{n}")).find(|id| !taken(id))
        {
            statement["Sid"] = json!(free);
        }
        apart.push(statement);
    }
    apart
}

/// Who may take the role: the service, and Firehose for this account alone. Lambda and Glue take a role only for what it
/// was passed to.
fn trust(service: &str, owner: Option<Owner<'_>>) -> Value {
    let mut statement = json!({
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Action": "sts:AssumeRole",
    });
    if let Some(Owner::Delivery(..)) = owner {
        statement["Condition"] = json!({"StringEquals": {"sts:ExternalId": reference("AWS::AccountId")}});
    }
    statement
}
