//! The stages of a pipeline and how data flows through them, read from its graph.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::resources::{ChartSource, Crawler, Graph, Job, NotificationTarget, Properties, Resource, Told};

/// A stage of a pipeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stage {
    /// Its name in pipeline.toml, without its kind: `fetch_prices`.
    pub name: String,
    /// `function`, `stream`, `queue`, `delivery`, `bucket`, `dynamodb`, `crawler`, `job`, `topic`, `table`, `query`, `api`,
    /// `postgres` or `dashboard`.
    pub kind: &'static str,
    /// The logical id of its resource.
    pub id: String,
    /// The physical name of its resource.
    pub physical_name: String,
    /// The logical ids of the stages that its data comes from.
    pub after: Vec<String>,
}

/// The stages, each after what its data comes from, otherwise in the order of the graph.
///
/// Data flows from a function to what its role may write, from a stream over its deliveries to a bucket, from a bucket to
/// the functions, topics and queues that it tells, the crawlers and jobs that read it, its copy and its logs, from a queue to
/// its function, from a function to what it may start, from a crawler to the jobs that read its table, from either to whom it
/// tells how it ended, from a job to its bucket and its table or its key-value table, from a database's tables to its queries,
/// from a query or a key-value table to the function that may ask it, and from a function to its API.
/// Where that would be a circle (a job that reads and writes one bucket), the link that closes it is left out.
pub fn flow(graph: &Graph) -> Vec<Stage> {
    let stages: Vec<(&Resource, &'static str)> =
        graph.resources.iter().filter_map(|r| kind(&r.properties).map(|k| (r, k))).collect();
    let ids: BTreeMap<(&str, &str), &str> =
        stages.iter().map(|(r, k)| ((*k, r.physical_name.as_str()), r.logical_id.as_str())).collect();
    let mut links = Links { ids, after: BTreeMap::new() };
    // First, so that a function that starts anew what told it of its end comes after that.
    for (resource, kind) in &stages {
        if let Properties::Crawler(Crawler { on_ended, .. }) | Properties::Job(Job { on_ended, .. }) =
            &resource.properties
        {
            told(&mut links, (kind, &resource.physical_name), on_ended);
        }
    }
    for (resource, _) in &stages {
        own_links(&mut links, graph, resource);
    }
    let mut left: Vec<Stage> = stages
        .iter()
        .map(|(r, kind)| Stage {
            name: r.name.split_once('.').map_or(r.name.as_str(), |(_, name)| name).to_owned(),
            kind,
            id: r.logical_id.clone(),
            physical_name: r.physical_name.clone(),
            after: links.after.get(r.logical_id.as_str()).into_iter().flatten().map(|id| (*id).to_owned()).collect(),
        })
        .collect();
    let mut sorted: Vec<Stage> = Vec::with_capacity(left.len());
    // There is no circle, so each round finds one.
    while let Some(n) =
        left.iter().position(|stage| stage.after.iter().all(|id| sorted.iter().any(|done| done.id == *id)))
    {
        sorted.push(left.remove(n));
    }
    sorted
}

fn kind(properties: &Properties) -> Option<&'static str> {
    Some(match properties {
        Properties::Function(_) => "function",
        Properties::Stream(_) => "stream",
        // A dead-letter queue is beside the way, not on it.
        Properties::Queue(queue) if queue.redrive.is_some() => "queue",
        Properties::Delivery(_) => "delivery",
        Properties::Bucket(_) => "bucket",
        Properties::Crawler(_) => "crawler",
        Properties::KeyTable(_) => "dynamodb",
        Properties::Job(_) => "job",
        Properties::Topic(_) => "topic",
        Properties::Table(_) => "table",
        Properties::Query(_) => "query",
        Properties::Api(_) => "api",
        Properties::Postgres(_) => "postgres",
        Properties::Dashboard(_) => "dashboard",
        _ => return None,
    })
}

struct Links<'a> {
    /// Logical ids by kind and physical name.
    ids: BTreeMap<(&'a str, &'a str), &'a str>,
    /// Per stage the stages before it, by logical id.
    after: BTreeMap<&'a str, Vec<&'a str>>,
}

impl<'a> Links<'a> {
    fn add(&mut self, from: (&'a str, &'a str), to: (&'a str, &'a str)) {
        let (Some(&from), Some(&to)) = (self.ids.get(&from), self.ids.get(&to)) else { return };
        if from == to || self.reaches(to, from) {
            return;
        }
        let before = self.after.entry(to).or_default();
        if !before.contains(&from) {
            before.push(from);
        }
    }

    /// Whether data flows from one stage to another, over however many.
    fn reaches(&self, from: &str, to: &str) -> bool {
        let (mut todo, mut seen) = (vec![to], BTreeSet::new());
        while let Some(stage) = todo.pop() {
            if stage == from {
                return true;
            }
            if seen.insert(stage) {
                todo.extend(self.after.get(stage).into_iter().flatten());
            }
        }
        false
    }
}

fn own_links<'a>(links: &mut Links<'a>, graph: &'a Graph, resource: &'a Resource) {
    let name = resource.physical_name.as_str();
    match &resource.properties {
        Properties::Function(function) => {
            let grants = graph.resources.iter().find_map(|r| match &r.properties {
                Properties::Role(role) if r.physical_name == function.role => Some(&role.grants),
                _ => None,
            });
            for grant in grants.into_iter().flatten() {
                let other = grant.resource.as_str();
                match grant.action.as_str() {
                    "kinesis:PutRecords" => links.add(("function", name), ("stream", other)),
                    // It may be granted below a prefix alone.
                    "s3:PutObject" => {
                        links.add(("function", name), ("bucket", other.split('/').next().unwrap_or(other)));
                    }
                    "sqs:SendMessage" => links.add(("function", name), ("queue", other)),
                    "sqs:ReceiveMessage" => links.add(("queue", other), ("function", name)),
                    "dynamodb:BatchWriteItem" => links.add(("function", name), ("dynamodb", other)),
                    "dynamodb:Scan" => links.add(("dynamodb", other), ("function", name)),
                    "rds-db:connect" => links.add(("function", name), ("postgres", other)),
                    "sns:Publish" => links.add(("function", name), ("topic", other)),
                    "athena:StartQueryExecution" => links.add(("query", other), ("function", name)),
                    "glue:StartCrawler" => links.add(("function", name), ("crawler", other)),
                    "glue:StartJobRun" => links.add(("function", name), ("job", other)),
                    _ => {}
                }
            }
        }
        Properties::Delivery(delivery) => {
            links.add(("stream", &delivery.from), ("delivery", name));
            links.add(("delivery", name), ("bucket", &delivery.to));
        }
        Properties::Bucket(bucket) => {
            if let Some(logs) = &bucket.access_log {
                links.add(("bucket", name), ("bucket", logs));
            }
            if let Some(replication) = &bucket.replication {
                links.add(("bucket", name), ("bucket", &replication.to));
            }
            for rule in &bucket.on_created {
                match &rule.target {
                    NotificationTarget::Function(function) => links.add(("bucket", name), ("function", function)),
                    NotificationTarget::Topic(topic) => links.add(("bucket", name), ("topic", topic)),
                    NotificationTarget::Queue(queue) => links.add(("bucket", name), ("queue", queue)),
                }
            }
        }
        Properties::Crawler(crawler) => {
            links.add(("bucket", &crawler.bucket), ("crawler", name));
        }
        Properties::Job(job) => {
            links.add(("bucket", &job.from), ("job", name));
            for crawler in &graph.resources {
                let Properties::Crawler(c) = &crawler.properties else { continue };
                if job.input_table.as_ref().is_some_and(|(d, t)| *d == c.database && *t == c.table) {
                    links.add(("crawler", &crawler.physical_name), ("job", name));
                }
            }
            links.add(("job", name), ("bucket", &job.to));
            if let Some(table) = &job.key_table {
                links.add(("job", name), ("dynamodb", table));
            }
            if let Some((bucket, _)) = &job.rejects {
                links.add(("job", name), ("bucket", bucket));
            }
        }
        Properties::Table(table) => {
            links.add(("bucket", &table.bucket), ("table", name));
            let own = Some((&table.database, &table.table));
            for job in &graph.resources {
                if matches!(&job.properties, Properties::Job(j) if j.table.as_ref().map(|(d, t)| (d, t)) == own) {
                    links.add(("job", &job.physical_name), ("table", name));
                }
            }
        }
        Properties::Query(query) => {
            for table in &graph.resources {
                if matches!(&table.properties, Properties::Table(t) if query.database.as_ref() == Some(&t.database)) {
                    links.add(("table", &table.physical_name), ("query", name));
                }
            }
        }
        Properties::Dashboard(dashboard) => {
            for chart in &dashboard.charts {
                if let ChartSource::Query { postgres, .. } = &chart.source {
                    links.add(("postgres", postgres), ("dashboard", name));
                }
            }
        }
        Properties::Api(api) => links.add(("function", &api.function), ("api", name)),
        _ => {}
    }
}

/// Who is told how a crawl or a run ended.
fn told<'a>(links: &mut Links<'a>, who: (&'a str, &'a str), all: &'a [Told]) {
    for one in all {
        match &one.target {
            NotificationTarget::Function(function) => links.add(who, ("function", function)),
            NotificationTarget::Topic(topic) => links.add(who, ("topic", topic)),
            NotificationTarget::Queue(queue) => links.add(who, ("queue", queue)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::resources::{Bucket, Notification, Stream};

    fn resource(name: &str, properties: Properties) -> Resource {
        let (_, physical_name) = name.split_once('.').unwrap();
        Resource {
            logical_id: name.replace('.', ""),
            name: name.into(),
            physical_name: physical_name.into(),
            depends_on: vec![],
            properties,
        }
    }

    fn job(name: &str, from: &str, to: &str) -> Resource {
        resource(
            name,
            Properties::Job(Job {
                sql: String::new(),
                from: from.into(),
                from_prefix: String::new(),
                input_table: None,
                input_format: "json".into(),
                input_columns: vec![],
                to: to.into(),
                to_prefix: String::new(),
                partition_by: vec![],
                table: None,
                bookmark: false,
                timeout_minutes: 1,
                role: String::new(),
                log_group: String::new(),
                ..Job::default()
            }),
        )
    }

    fn stages(resources: Vec<Resource>) -> Vec<(String, Vec<String>)> {
        let graph = Graph {
            stack: "p-dev".into(),
            pipeline: "p".into(),
            env: "dev".into(),
            protected: false,
            resources,
            outputs: vec![],
        };
        flow(&graph).into_iter().map(|s| (s.id, s.after)).collect()
    }

    #[test]
    fn a_circle_is_cut_where_it_closes() {
        let bucket = || resource("bucket.lake", Properties::Bucket(Bucket::default()));
        let all = stages(vec![job("job.clean", "lake", "lake"), bucket()]);
        assert_eq!(all, [("bucketlake".into(), vec![]), ("jobclean".into(), vec!["bucketlake".to_owned()])]);
    }

    #[test]
    fn what_is_not_in_the_graph_is_no_stage() {
        let rule = Notification {
            prefix: String::new(),
            suffix: String::new(),
            target: NotificationTarget::Function("elsewhere".into()),
        };
        let bucket = Bucket { on_created: vec![rule], ..Bucket::default() };
        let all = stages(vec![
            resource("bucket.lake", Properties::Bucket(bucket)),
            resource("stream.s", Properties::Stream(Stream { shards: 1, retention_hours: 24 })),
        ]);
        assert_eq!(all, [("bucketlake".into(), vec![]), ("streams".into(), vec![])]);
    }
}
