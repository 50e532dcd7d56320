//! The graph of one environment of a pipeline.

use std::collections::BTreeMap;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::{names, roles::role_name};
use crate::{
    cloud::resources::{
        self as r, AlarmMetric, Graph, NotificationTarget, Output, OutputValue, Properties, Resource, ScheduleTarget,
    },
    spec::{self, Environment, GrantKind, Metric, Pipeline, Target},
};

/// Days that dead letters are kept: the most that there is, as time to look at them.
const DEAD_LETTER_DAYS: u32 = 14;

/// Why there is no graph.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The pipeline has no such environment.
    #[error("{pipeline} has no environment {env:?}; it has: {}", known.join(", "))]
    UnknownEnvironment {
        /// The pipeline.
        pipeline: String,
        /// The environment that was asked for.
        env: String,
        /// Those that there are.
        known: Vec<String>,
    },
}

/// The resources of a pipeline in an environment, each after what it depends on.
///
/// Roles get what their functions' grants name and no more. What a function or a job is told of other resources are their
/// names, so that it does not depend on them: a bucket may tell a function that reads it.
///
/// # Errors
/// [`Error::UnknownEnvironment`].
pub fn graph(pipeline: &Pipeline, env: &str) -> Result<Graph, Error> {
    let environment = pipeline.env(env).ok_or_else(|| Error::UnknownEnvironment {
        pipeline: pipeline.name.clone(),
        env: env.to_owned(),
        known: pipeline.env_names().into_iter().map(str::to_owned).collect(),
    })?;
    let mut maker = Maker { pipeline, env: environment, resources: Vec::new() };
    maker.plain();
    maker.databases();
    maker.connections();
    maker.roles_and_logs();
    maker.functions();
    maker.buckets();
    maker.tables();
    maker.deliveries();
    maker.crawlers();
    maker.jobs();
    maker.queries_and_apis();
    maker.alarms();
    maker.event_sources();
    maker.dashboards();
    maker.schedules();
    let outputs = maker.outputs();
    Ok(Graph {
        stack: names::stack(&pipeline.name, env),
        pipeline: pipeline.name.clone(),
        env: env.to_owned(),
        protected: environment.protected,
        resources: maker.resources,
        outputs,
    })
}

/// Makes the resources one after another.
pub(super) struct Maker<'a> {
    pub(super) pipeline: &'a Pipeline,
    pub(super) env: &'a Environment,
    resources: Vec<Resource>,
}

impl Maker<'_> {
    pub(super) fn physical(&self, name: &str) -> String {
        names::physical(&self.pipeline.name, &self.env.name, name)
    }

    pub(super) fn bucket_name(&self, name: &str) -> String {
        names::bucket(&self.pipeline.name, &self.env.name, name)
    }

    pub(super) fn database(&self) -> Option<String> {
        self.env.database.as_ref().map(|d| names::database(d, &self.env.name))
    }

    /// Adds `section.name`.
    fn add(&mut self, name: &str, physical_name: String, depends_on: Vec<String>, properties: Properties) {
        let kind = names::suffix(&properties);
        let section = match &properties {
            Properties::LogGroup(_) => "log_group".to_owned(),
            _ => kind.to_ascii_lowercase(),
        };
        self.resources.push(Resource {
            logical_id: names::logical_id(name, kind),
            name: format!("{section}.{name}"),
            physical_name,
            depends_on,
            properties,
        });
    }

    /// Adds what belongs to another resource: `function.fetch_prices/role`.
    pub(super) fn add_part(
        &mut self,
        owner: (&str, &str),
        part: &str,
        physical_name: String,
        depends_on: Vec<String>,
        p: Properties,
    ) {
        let (section, name) = owner;
        self.resources.push(Resource {
            logical_id: part_id(owner, names::suffix(&p)),
            name: format!("{section}.{name}/{part}"),
            physical_name,
            depends_on,
            properties: p,
        });
    }

    /// What depends on nothing.
    fn plain(&mut self) {
        let (pipeline, env, environment) = (&self.pipeline.name, &self.env.name, self.env);
        for secret in &environment.secrets {
            let properties = Properties::Secret(r::Secret { description: secret.description.clone() });
            self.add(&secret.name, self.physical(&secret.name), vec![], properties);
        }
        for threshold in &environment.thresholds {
            let properties = Properties::Threshold(r::Threshold {
                default: threshold.default,
                metric: names::metric(pipeline, env, &threshold.name),
                unit: threshold.unit.clone(),
            });
            self.add(&threshold.name, names::threshold(pipeline, env, &threshold.name), vec![], properties);
        }
        for topic in &environment.topics {
            let properties = Properties::Topic(r::Topic { email: topic.email.clone() });
            self.add(&topic.name, self.physical(&topic.name), vec![], properties);
        }
        for (name, key) in &environment.keys {
            self.add(name, self.physical(name), vec![], Properties::Key(key.clone()));
        }
        for (name, table) in &environment.key_tables {
            self.add(name, self.physical(name), vec![], Properties::KeyTable(table.clone()));
        }
        for stream in &environment.streams {
            let properties =
                Properties::Stream(r::Stream { shards: stream.shards, retention_hours: stream.retention_hours });
            self.add(&stream.name, self.physical(&stream.name), vec![], properties);
        }
        for queue in &environment.queues {
            self.queue(queue);
        }
    }

    /// A queue, and before it the one for its dead letters, which keeps them as long as it can.
    fn queue(&mut self, queue: &spec::Queue) {
        let physical = self.physical(&queue.name);
        let (dead, id) = (names::dead_letter(&physical), names::logical_id(&queue.name, "QueueDeadLetters"));
        let properties = |retention_days: u32, redrive| {
            Properties::Queue(r::Queue {
                visibility_seconds: queue.visibility_seconds,
                retention_seconds: retention_days * 86_400,
                redrive,
            })
        };
        self.resources.push(Resource {
            logical_id: id.clone(),
            name: format!("queue.{}/dead_letters", queue.name),
            physical_name: dead.clone(),
            depends_on: vec![],
            properties: properties(DEAD_LETTER_DAYS, None),
        });
        let redrive = Some(r::Redrive { dead_letter: dead, max_receives: queue.max_receives });
        self.add(&queue.name, physical, vec![id], properties(queue.retention_days, redrive));
    }

    /// What gives the messages of queues to functions.
    fn event_sources(&mut self) {
        let environment = self.env;
        for function in &environment.functions {
            let Some(queue) = &function.from else { continue };
            let physical = self.physical(&function.name);
            let properties = Properties::EventSourceMapping(r::EventSourceMapping {
                queue: self.physical(queue),
                function: physical.clone(),
                batch_size: function.batch_size,
            });
            let depends_on = vec![names::logical_id(&function.name, "Function"), names::logical_id(queue, "Queue")];
            self.add_part(("function", &function.name), "event_source", physical, depends_on, properties);
        }
    }

    /// Networks, what is in them, and metrics.
    fn databases(&mut self) {
        let (pipeline, env, environment) = (&self.pipeline.name, &self.env.name, self.env);
        for network in &environment.networks {
            let inside = environment.functions.iter().filter(|f| f.network.as_ref() == Some(&network.name));
            let mut services: Vec<String> =
                inside.flat_map(|f| &f.grants).filter_map(|g| g.kind.service()).map(str::to_owned).collect();
            // Where its log lines go needs no way of its own: AWS Lambda takes them from its standard output. A job has its
            // script look into the catalog, and writes its log itself.
            let within = |other: Option<&String>| other == Some(&network.name);
            let jobs: Vec<_> = environment.jobs.iter().filter(|j| within(j.network.as_ref())).collect();
            let leading: Vec<_> = environment.connections.iter().filter(|k| within(Some(&k.network))).collect();
            if !jobs.is_empty() {
                services.extend(["glue", "logs"].map(str::to_owned));
            }
            if jobs.iter().any(|j| j.key_table.is_some()) {
                services.push("dynamodb".to_owned());
            }
            if leading.iter().any(|k| k.to.is_some()) {
                services.push("secretsmanager".to_owned());
            }
            services.sort();
            services.dedup();
            let properties = Properties::Network(r::Network {
                cidr: network.cidr.clone(),
                internet: network.internet,
                services,
                jobs: !jobs.is_empty() || !leading.is_empty(),
            });
            self.add(&network.name, self.physical(&network.name), vec![], properties);
        }
        for postgres in &environment.postgres {
            let properties = Properties::Postgres(r::Postgres {
                database: names::postgres_database(pipeline, env, &postgres.name),
                network: self.physical(&postgres.network),
                version: postgres.version.clone(),
                instance: postgres.instance.clone(),
                storage_gib: postgres.storage_gib,
                backup_days: postgres.backup_days,
                multi_az: postgres.multi_az,
            });
            let depends_on = vec![names::logical_id(&postgres.network, "Network")];
            self.add(&postgres.name, names::postgres(pipeline, env, &postgres.name), depends_on, properties);
        }
        for metric in &environment.metrics {
            let properties = Properties::Metric(r::Metric { unit: metric.unit.clone() });
            self.add(&metric.name, names::metric(pipeline, env, &metric.name), vec![], properties);
        }
    }

    /// The connections that are declared, and one into each network in which jobs run without.
    fn connections(&mut self) {
        let (pipeline, env, environment) = (&self.pipeline.name, &self.env.name, self.env);
        for connection in &environment.connections {
            let mut depends_on = vec![names::logical_id(&connection.network, "Network")];
            let to = connection.to.as_ref().map(|to| match to {
                spec::ConnectionTo::Postgres(postgres) => {
                    depends_on.push(names::logical_id(postgres, "Postgres"));
                    r::ConnectionTo::Postgres(names::postgres(pipeline, env, postgres))
                }
                spec::ConnectionTo::Url { url, port, secret } => {
                    depends_on.push(names::logical_id(secret, "Secret"));
                    r::ConnectionTo::Url { url: url.clone(), port: *port, secret: self.physical(secret) }
                }
            });
            let network = self.physical(&connection.network);
            let properties = Properties::Connection(r::Connection { network, to });
            self.add(&connection.name, self.physical(&connection.name), depends_on, properties);
        }
        for network in &environment.networks {
            let alone = |job: &spec::Job| job.connections.is_empty() && job.network.as_ref() == Some(&network.name);
            if !environment.jobs.iter().any(alone) {
                continue;
            }
            let physical = self.physical(&network.name);
            self.resources.push(Resource {
                logical_id: network_connection_id(&network.name),
                name: format!("network.{}/connection", network.name),
                physical_name: network_connection(&physical),
                depends_on: vec![names::logical_id(&network.name, "Network")],
                properties: Properties::Connection(r::Connection { network: physical, to: None }),
            });
        }
    }

    /// The connections of a job: their physical names, and their logical ids.
    pub(super) fn connections_of(&self, job: &spec::Job) -> (Vec<String>, Vec<String>) {
        match &job.network {
            Some(network) if job.connections.is_empty() => {
                (vec![network_connection(&self.physical(network))], vec![network_connection_id(network)])
            }
            _ => job.connections.iter().map(|k| (self.physical(k), names::logical_id(k, "Connection"))).unzip(),
        }
    }

    fn dashboards(&mut self) {
        let (pipeline, env, environment) = (&self.pipeline.name, &self.env.name, self.env);
        for dashboard in &environment.dashboards {
            let mut depends_on = Vec::new();
            let mut charts = Vec::new();
            for chart in &dashboard.charts {
                let source = match &chart.source {
                    spec::ChartSource::Query { postgres, sql } => {
                        depends_on.push(names::logical_id(postgres, "Postgres"));
                        r::ChartSource::Query { postgres: names::postgres(pipeline, env, postgres), sql: sql.clone() }
                    }
                    spec::ChartSource::Metrics(all) => {
                        r::ChartSource::Metrics(all.iter().map(|m| names::metric(pipeline, env, m)).collect())
                    }
                };
                charts.push(r::Chart { title: chart.title.clone(), source });
            }
            depends_on.sort();
            depends_on.dedup();
            let properties = Properties::Dashboard(r::Dashboard { charts });
            self.add(&dashboard.name, self.physical(&dashboard.name), depends_on, properties);
        }
    }

    fn functions(&mut self) {
        let (pipeline, environment) = (self.pipeline, self.env);
        for function in &environment.functions {
            let physical = self.physical(&function.name);
            let owner = ("function", function.name.as_str());
            let mut variables = function.env.clone();
            for grant in &function.grants {
                let name = names::granted(&pipeline.name, &environment.name, grant.kind, &grant.name);
                if let (Some(variable), Some(name)) = (grant.kind.variable(&grant.name), name) {
                    variables.insert(variable, name);
                }
            }
            let may_read =
                |s: &&spec::Source| function.grants.iter().any(|g| g.kind == GrantKind::SourceRead && g.name == s.name);
            let sources = environment.sources.iter().filter(may_read).map(|s| (s.name.clone(), source(s))).collect();
            let code = function.code.as_ref().map(code);
            let properties = Properties::Function(r::Function {
                runtime: function.runtime,
                handler: function.handler.clone(),
                code,
                timeout_seconds: function.timeout_seconds,
                memory_mib: function.memory_mib,
                environment: variables,
                role: role_name(owner, &physical),
                log_group: names::function_log_group(&physical),
                sources,
                network: function.network.as_ref().map(|n| self.physical(n)),
            });
            let mut depends_on = vec![part_id(owner, "Role"), part_id(owner, "LogGroup")];
            depends_on.extend(function.network.as_ref().map(|n| names::logical_id(n, "Network")));
            self.add(&function.name, physical, depends_on, properties);
        }
    }

    fn buckets(&mut self) {
        let environment = self.env;
        // Each after those that it names.
        let mut waiting: Vec<&spec::Bucket> = environment.buckets.iter().collect();
        let mut sorted: Vec<&spec::Bucket> = Vec::new();
        while !waiting.is_empty() {
            let there = |name: &Option<String>| name.as_ref().is_none_or(|n| sorted.iter().any(|b| b.name == *n));
            let next = waiting.iter().position(|b| there(&b.access_log) && there(&b.replicate_to)).unwrap_or(0);
            let next = waiting.remove(next);
            sorted.push(next);
        }
        for bucket in sorted {
            let mut depends_on = Vec::new();
            depends_on.extend(bucket.encryption.as_ref().map(|key| names::logical_id(key, "Key")));
            for other in [&bucket.access_log, &bucket.replicate_to].into_iter().flatten() {
                depends_on.push(names::logical_id(other, "Bucket"));
            }
            let owner = ("bucket", bucket.name.as_str());
            depends_on.extend(bucket.replicate_to.as_ref().map(|_| part_id(owner, "Role")));
            let mut rules = Vec::new();
            for rule in &bucket.on_created {
                let (id, target) = match &rule.target {
                    Target::Function(name) => {
                        (names::logical_id(name, "Function"), NotificationTarget::Function(self.physical(name)))
                    }
                    Target::Topic(name) => {
                        (names::logical_id(name, "Topic"), NotificationTarget::Topic(self.physical(name)))
                    }
                    Target::Queue(name) => {
                        (names::logical_id(name, "Queue"), NotificationTarget::Queue(self.physical(name)))
                    }
                };
                if !depends_on.contains(&id) {
                    depends_on.push(id);
                }
                rules.push(r::Notification { prefix: rule.prefix.clone(), suffix: rule.suffix.clone(), target });
            }
            let properties = Properties::Bucket(r::Bucket {
                versioning: bucket.versioning,
                expire_days: bucket.expire_days,
                on_created: rules,
                expire_versions_days: bucket.expire_versions_days,
                transition: bucket.transition.clone(),
                encryption: bucket.encryption.as_ref().map(|key| self.physical(key)),
                cors: bucket.cors.clone(),
                access_log: bucket.access_log.as_ref().map(|logs| self.bucket_name(logs)),
                replication: bucket.replicate_to.as_ref().map(|copy| r::Replication {
                    to: self.bucket_name(copy),
                    role: role_name(owner, &self.bucket_name(&bucket.name)),
                }),
            });
            self.add(&bucket.name, self.bucket_name(&bucket.name), depends_on, properties);
        }
    }

    fn tables(&mut self) {
        let Some(database) = self.database() else { return };
        let description = self.pipeline.description.clone();
        self.resources.push(Resource {
            logical_id: DATABASE_ID.into(),
            name: "catalog".into(),
            physical_name: database.clone(),
            depends_on: vec![],
            properties: Properties::Database(r::Database { description }),
        });
        let environment = self.env;
        for job in &environment.jobs {
            let Some(table) = &job.table else { continue };
            let properties = Properties::Table(r::Table {
                database: database.clone(),
                table: table.clone(),
                bucket: self.bucket_name(&job.to),
                prefix: job.prefix.clone(),
                format: "parquet".into(),
                columns: job.columns.clone(),
                partition_keys: job.partition_by.clone(),
            });
            let depends_on = vec![DATABASE_ID.into(), names::logical_id(&job.to, "Bucket")];
            self.add(table, format!("{database}.{table}"), depends_on, properties);
        }
        for table in &environment.tables {
            let properties = Properties::Table(r::Table {
                database: database.clone(),
                table: table.name.clone(),
                bucket: self.bucket_name(&table.from),
                prefix: table.prefix.clone(),
                format: table.format.clone(),
                columns: table.columns.clone(),
                partition_keys: vec![],
            });
            let depends_on = vec![DATABASE_ID.into(), names::logical_id(&table.from, "Bucket")];
            self.add(&table.name, format!("{database}.{}", table.name), depends_on, properties);
        }
    }

    fn deliveries(&mut self) {
        let environment = self.env;
        for delivery in &environment.deliveries {
            let owner = ("delivery", delivery.name.as_str());
            let physical = self.physical(&delivery.name);
            let properties = Properties::Delivery(r::Delivery {
                from: self.physical(&delivery.from),
                to: self.bucket_name(&delivery.to),
                prefix: delivery.prefix.clone(),
                buffer_seconds: delivery.buffer_seconds,
                buffer_mib: delivery.buffer_mib,
                file_extension: delivery.file_extension.clone(),
                role: role_name(owner, &physical),
            });
            let depends_on = vec![
                part_id(owner, "Role"),
                names::logical_id(&delivery.from, "Stream"),
                names::logical_id(&delivery.to, "Bucket"),
            ];
            self.add(&delivery.name, physical, depends_on, properties);
        }
    }

    /// Who is told of an end, and the logical ids of those.
    fn told(&self, all: &[spec::Told]) -> (Vec<r::Told>, Vec<String>) {
        let target = |target: &Target| match target {
            Target::Function(name) => {
                (names::logical_id(name, "Function"), NotificationTarget::Function(self.physical(name)))
            }
            Target::Topic(name) => (names::logical_id(name, "Topic"), NotificationTarget::Topic(self.physical(name))),
            Target::Queue(name) => (names::logical_id(name, "Queue"), NotificationTarget::Queue(self.physical(name))),
        };
        let (mut told, mut ids) = (Vec::new(), Vec::new());
        for one in all {
            let (id, target) = target(&one.target);
            told.push(r::Told { end: one.end, target });
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
        (told, ids)
    }

    /// The table that a job reads, where a crawler makes it.
    pub(super) fn crawled(&self, job: &spec::Job) -> Option<&str> {
        let crawler = job.crawler.as_ref()?;
        self.env.crawlers.iter().find(|c| c.name == *crawler).map(|c| c.table.as_str())
    }

    fn crawlers(&mut self) {
        let Some(database) = self.database() else { return };
        let environment = self.env;
        for crawler in &environment.crawlers {
            let owner = ("crawler", crawler.name.as_str());
            let physical = self.physical(&crawler.name);
            let (on_ended, told) = self.told(&crawler.on_ended);
            let mut depends_on = vec![
                part_id(owner, "Role"),
                part_id(owner, "LogGroup"),
                names::logical_id(&crawler.from, "Bucket"),
                DATABASE_ID.into(),
            ];
            depends_on.extend(told);
            let properties = Properties::Crawler(r::Crawler {
                bucket: self.bucket_name(&crawler.from),
                prefix: crawler.prefix.clone(),
                database: database.clone(),
                table: crawler.table.clone(),
                table_prefix: crawler.table_prefix.clone(),
                role: role_name(owner, &physical),
                log_group: names::crawler_log_group(&physical),
                on_ended,
            });
            self.add(&crawler.name, physical, depends_on, properties);
        }
    }

    fn jobs(&mut self) {
        let (environment, database) = (self.env, self.database());
        for job in &environment.jobs {
            let owner = ("job", job.name.as_str());
            let physical = self.physical(&job.name);
            let mut depends_on = vec![
                part_id(owner, "Role"),
                part_id(owner, "LogGroup"),
                names::logical_id(&job.from, "Bucket"),
                match &job.key_table {
                    Some(table) => names::logical_id(table, "Dynamodb"),
                    None => names::logical_id(&job.to, "Bucket"),
                },
            ];
            let rejects = job.rejects.as_ref().map(|(bucket, _)| names::logical_id(bucket, "Bucket"));
            depends_on.extend(rejects);
            let mut seen = std::collections::BTreeSet::new();
            depends_on.retain(|id| seen.insert(id.clone()));
            depends_on.extend(job.table.as_ref().map(|t| names::logical_id(t, "Table")));
            depends_on.extend(job.crawler.as_ref().map(|c| names::logical_id(c, "Crawler")));
            let (connections, connection_ids) = self.connections_of(job);
            depends_on.extend(connection_ids);
            let (on_ended, told) = self.told(&job.on_ended);
            depends_on.extend(told);
            let properties = Properties::Job(r::Job {
                sql: job.sql.clone(),
                from: self.bucket_name(&job.from),
                from_prefix: job.from_prefix.clone(),
                input_table: database.clone().zip(self.crawled(job).map(str::to_owned)),
                input_format: job.format.clone(),
                input_columns: job.input.clone(),
                dialect: job.csv.clone(),
                file_column: job.file_column.clone(),
                rejects: job.rejects.as_ref().map(|(bucket, prefix)| (self.bucket_name(bucket), prefix.clone())),
                key_table: job.key_table.as_ref().map(|table| self.physical(table)),
                replace: job.replace,
                to: if job.key_table.is_some() { String::new() } else { self.bucket_name(&job.to) },
                to_prefix: job.prefix.clone(),
                partition_by: job.partition_by.iter().map(|c| c.name.clone()).collect(),
                table: database.clone().zip(job.table.clone()),
                bookmark: job.bookmark,
                timeout_minutes: job.timeout_minutes,
                connections,
                role: role_name(owner, &physical),
                log_group: names::job_log_group(&physical),
                on_ended,
            });
            self.add(&job.name, physical, depends_on, properties);
        }
    }

    fn queries_and_apis(&mut self) {
        let (environment, database) = (self.env, self.database());
        for query in &environment.queries {
            let properties = Properties::Query(r::SavedQuery { sql: query.sql.clone(), database: database.clone() });
            let depends_on = database.iter().map(|_| DATABASE_ID.to_owned()).collect();
            self.add(&query.name, self.physical(&query.name), depends_on, properties);
        }
        for api in &environment.apis {
            let properties = Properties::Api(r::Api {
                path: api.path.clone(),
                method: api.method.clone(),
                function: self.physical(&api.function),
                api_key: api.api_key,
                throttle: api.throttle,
                quota: api.quota.clone(),
            });
            let depends_on = vec![names::logical_id(&api.function, "Function")];
            self.add(&api.name, self.physical(&api.name), depends_on, properties);
        }
    }

    fn alarms(&mut self) {
        let environment = self.env;
        for alarm in &environment.alarms {
            let (id, metric) = match &alarm.metric {
                Metric::FunctionErrors(name) => {
                    (names::logical_id(name, "Function"), AlarmMetric::FunctionErrors(self.physical(name)))
                }
                Metric::JobFailures(name) => {
                    (names::logical_id(name, "Job"), AlarmMetric::JobFailures(self.physical(name)))
                }
            };
            let mut depends_on = vec![id];
            depends_on.extend(alarm.topic.as_ref().map(|t| names::logical_id(t, "Topic")));
            let properties = Properties::Alarm(r::Alarm {
                metric,
                above: alarm.above,
                period_seconds: alarm.period_minutes * 60,
                topic: alarm.topic.as_ref().map(|t| self.physical(t)),
            });
            self.add(&alarm.name, self.physical(&alarm.name), depends_on, properties);
        }
    }

    /// Last, so that nothing starts by itself before all is there.
    fn schedules(&mut self) {
        let environment = self.env;
        for function in &environment.functions {
            let Some(expression) = function.schedule.clone() else { continue };
            let physical = self.physical(&function.name);
            let target = ScheduleTarget::Function(physical.clone());
            let owner = ("function", function.name.as_str());
            self.schedule(owner, &physical, expression, target);
        }
        for crawler in &environment.crawlers {
            let Some(expression) = crawler.schedule.clone() else { continue };
            let physical = self.physical(&crawler.name);
            let target = ScheduleTarget::Crawler(physical.clone());
            self.schedule(("crawler", &crawler.name), &physical, expression, target);
        }
        for job in &environment.jobs {
            let Some(expression) = job.schedule.clone() else { continue };
            let physical = self.physical(&job.name);
            let target = ScheduleTarget::Job(physical.clone());
            self.schedule(("job", &job.name), &physical, expression, target);
        }
    }

    fn schedule(&mut self, owner: (&str, &str), physical: &str, expression: String, target: ScheduleTarget) {
        let kind = match owner.0 {
            "job" => "Job",
            "crawler" => "Crawler",
            _ => "Function",
        };
        let depends_on = vec![names::logical_id(owner.1, kind)];
        let properties = Properties::Schedule(r::Schedule { expression, target });
        self.add_part(owner, "schedule", role_name(owner, physical), depends_on, properties);
    }

    fn outputs(&self) -> Vec<Output> {
        let describe = |resource: &Resource| {
            let name = resource.name.split_once('.').map_or(resource.name.as_str(), |(_, name)| name);
            let id = resource.logical_id.clone();
            let (suffix, what, value) = match &resource.properties {
                Properties::Bucket(_) => ("Name", "The bucket", OutputValue::Name(id)),
                Properties::KeyTable(_) => ("Name", "The key-value table", OutputValue::Name(id)),
                Properties::Stream(_) => ("Name", "The data stream", OutputValue::Name(id)),
                Properties::Topic(_) => ("Name", "The topic", OutputValue::Name(id)),
                Properties::Queue(_) => ("Name", "The queue", OutputValue::Name(id)),
                Properties::Table(_) => ("Name", "The table", OutputValue::Name(id)),
                Properties::Crawler(_) => ("Name", "The crawler", OutputValue::Name(id)),
                Properties::Job(_) => ("Name", "The job", OutputValue::Name(id)),
                Properties::Function(_) => ("Name", "The function", OutputValue::Name(id)),
                Properties::Api(_) => ("Url", "The address of the API", OutputValue::Url(id)),
                Properties::Postgres(_) => (
                    "Connection",
                    "Without the password, which the secret of the same name holds: the way to the database",
                    OutputValue::Connection(id),
                ),
                _ => return None,
            };
            Some(Output {
                name: format!("{}{suffix}", resource.logical_id),
                description: format!("{what} {name}"),
                value,
            })
        };
        self.resources.iter().filter_map(describe).collect()
    }
}

pub(super) const DATABASE_ID: &str = "CatalogDatabase";

/// The connection into a network that nobody has declared. No declared one has such a name.
fn network_connection(network: &str) -> String {
    format!("{network}.net")
}

fn network_connection_id(network: &str) -> String {
    names::logical_id(network, "NetworkForJobs")
}

/// The logical id of what belongs to another resource: `FetchPricesFunctionRole`.
fn part_id((section, name): (&str, &str), part: &str) -> String {
    names::logical_id(name, &format!("{}{part}", names::logical_id(section, "")))
}

fn source(source: &spec::Source) -> r::Source {
    let directory = source.directory.as_ref().map(code);
    r::Source {
        url: source.url.clone(),
        headers: source.headers.clone(),
        recording: directory.is_none().then(|| r::Recording {
            matches: source.matches.clone(),
            time: source.time.clone(),
            wrap: source.wrap.clone(),
            document: source.document,
            sample_sha256: source.sample.as_ref().map(|s| sha256(s)),
            sample: source.sample.clone(),
        }),
        directory,
    }
}

/// Files with their hashes.
fn code(files: &BTreeMap<String, Bytes>) -> r::Code {
    r::Code {
        files: files.iter().map(|(path, content)| (path.clone(), sha256(content))).collect(),
        contents: files.clone(),
    }
}

fn sha256(content: &[u8]) -> String {
    hex::encode(Sha256::digest(content))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::cloud::flow::flow;

    fn crypto_stream() -> Pipeline {
        let location = spec::Location::BuiltIn("crypto-stream".into());
        spec::load(&location, &|_| true).unwrap_or_else(|report| panic!("{report}"))
    }

    fn role<'a>(graph: &'a Graph, name: &str) -> Vec<(&'a str, &'a str)> {
        match &graph.by_name(name).unwrap().properties {
            Properties::Role(role) => role.grants.iter().map(|g| (g.action.as_str(), g.resource.as_str())).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn each_resource_comes_after_what_it_depends_on_and_names_are_unique() {
        for env in ["dev", "prod"] {
            let graph = graph(&crypto_stream(), env).unwrap();
            let mut made = BTreeSet::new();
            let mut named = BTreeSet::new();
            for resource in &graph.resources {
                for id in &resource.depends_on {
                    assert!(made.contains(id.as_str()), "{} before {id}", resource.logical_id);
                }
                assert!(made.insert(resource.logical_id.as_str()), "{} twice", resource.logical_id);
                let kind = resource.properties.kind();
                assert!(named.insert((kind, &resource.physical_name)), "{} twice", resource.physical_name);
            }
        }
    }

    #[test]
    fn a_function_gets_what_its_grants_name_and_no_more() {
        let graph = graph(&crypto_stream(), "dev").unwrap();
        assert_eq!(
            role(&graph, "function.alert_on_price/role"),
            [
                ("cloudwatch:PutMetricData", "crypto-stream/dev/btc_usd"),
                ("logs:CreateLogStream", "/aws/lambda/crypto-stream-dev-alert_on_price"),
                ("logs:PutLogEvents", "/aws/lambda/crypto-stream-dev-alert_on_price"),
                ("s3:GetObject", "crypto-stream-dev-landing"),
                ("sns:Publish", "crypto-stream-dev-price_alerts"),
                ("ssm:GetParameter", "/crypto-stream/dev/btc_usd"),
            ]
        );
        let Properties::Function(fetch) = &graph.by_id("FetchPricesFunction").unwrap().properties else { panic!() };
        let variables: Vec<_> = fetch.environment.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(
            variables,
            [
                ("SECRET_COINBASE_API_KEY", "crypto-stream-dev-coinbase_api_key"),
                ("STREAM_PRICES", "crypto-stream-dev-prices")
            ]
        );
        let recording = fetch.sources["coinbase"].recording.as_ref().unwrap();
        assert_eq!(recording.matches["pair"], "{base}-{currency}");
        assert_eq!(recording.sample_sha256.as_deref(), Some(sha256(recording.sample.as_ref().unwrap()).as_str()));
    }

    #[test]
    fn the_table_is_as_promised() {
        let graph = graph(&crypto_stream(), "dev").unwrap();
        let Properties::Table(table) = &graph.by_id("PricesTable").unwrap().properties else { panic!() };
        let columns = |all: &[spec::Column]| all.iter().map(|c| format!("{} {}", c.name, c.kind)).collect::<Vec<_>>();
        assert_eq!((table.database.as_str(), table.table.as_str()), ("crypto_stream", "prices"));
        assert_eq!(
            columns(&table.columns),
            ["currency varchar", "amount double", "timestamp_utc timestamp", "date date"]
        );
        assert_eq!(
            columns(&table.partition_keys),
            ["base varchar", "year integer", "month integer", "day integer", "hour integer"]
        );
    }

    #[test]
    fn an_environment_changes_what_it_says_and_names() {
        let pipeline = crypto_stream();
        let (dev, prod) = (graph(&pipeline, "dev").unwrap(), graph(&pipeline, "prod").unwrap());
        let days = |graph: &Graph| match &graph.by_name("bucket.landing").unwrap().properties {
            Properties::Bucket(bucket) => (bucket.expire_days, bucket.versioning),
            other => panic!("{other:?}"),
        };
        assert_eq!((days(&dev), days(&prod)), ((Some(90), true), (Some(365), true)));
        assert_eq!(prod.by_id("PricesTable").unwrap().physical_name, "crypto_stream_prod.prices");
        assert_eq!(prod.stack, "crypto-stream-prod");
        let error = graph(&pipeline, "test").unwrap_err();
        assert_eq!(error.to_string(), "crypto-stream has no environment \"test\"; it has: dev, prod");
    }

    #[test]
    fn data_flows_from_the_function_to_the_api() {
        let stages = flow(&graph(&crypto_stream(), "dev").unwrap());
        let text: Vec<String> =
            stages.iter().map(|s| format!("{} {} <- {}", s.kind, s.name, s.after.join(", "))).collect();
        insta::assert_snapshot!(text.join("\n"), @r"
        function fetch_prices <- 
        stream prices <- FetchPricesFunction
        delivery landing <- PricesStream
        bucket landing <- LandingDelivery
        topic new_files <- LandingBucket
        function alert_on_price <- LandingBucket
        topic price_alerts <- AlertOnPriceFunction
        job clean_prices <- LandingBucket
        bucket staging <- CleanPricesJob
        table prices <- StagingBucket, CleanPricesJob
        query latest <- PricesTable
        query by_base <- PricesTable
        function query_prices <- ByBaseQuery
        api prices <- QueryPricesFunction
        ");
    }

    #[test]
    fn outputs_name_what_users_need() {
        let graph = graph(&crypto_stream(), "dev").unwrap();
        let names: Vec<&str> = graph.outputs.iter().map(|o| o.name.as_str()).collect();
        for name in ["LandingBucketName", "PricesStreamName", "PriceAlertsTopicName", "PricesTableName", "PricesApiUrl"]
        {
            assert!(names.contains(&name), "{names:?}");
        }
    }
}
