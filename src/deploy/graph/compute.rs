//! Functions, crawlers, jobs, queries and APIs.

use std::collections::BTreeMap;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::{DATABASE_ID, Maker, part_id};
use crate::{
    cloud::resources::{self as r, NotificationTarget, Properties},
    deploy::{names, roles::role_name},
    spec::{self, GrantKind, Target},
};

impl Maker<'_> {
    pub(super) fn functions(&mut self) {
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

    /// Who is told of an end, and the logical ids of those.
    pub(super) fn told(&self, all: &[spec::Told]) -> (Vec<r::Told>, Vec<String>) {
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
    pub(in crate::deploy) fn crawled(&self, job: &spec::Job) -> Option<&str> {
        let crawler = job.crawler.as_ref()?;
        self.env.crawlers.iter().find(|c| c.name == *crawler).map(|c| c.table.as_str())
    }

    pub(super) fn crawlers(&mut self) {
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

    pub(super) fn jobs(&mut self) {
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

    pub(super) fn queries_and_apis(&mut self) {
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
}

pub(super) fn source(source: &spec::Source) -> r::Source {
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
pub(super) fn code(files: &BTreeMap<String, Bytes>) -> r::Code {
    r::Code {
        files: files.iter().map(|(path, content)| (path.clone(), sha256(content))).collect(),
        contents: files.clone(),
    }
}

pub(super) fn sha256(content: &[u8]) -> String {
    hex::encode(Sha256::digest(content))
}
