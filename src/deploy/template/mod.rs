//! From the resource graph to a CloudFormation template: pure, and the same text for the same graph.
//!
//! Each kind of resource is rendered in the file of its idea, with what AWS wants beside it: permissions, policies,
//! dead-letter queues. Names are the graph's, so that a plan shows what changes and nothing that merely refers to it;
//! a bucket's name ends with the account and the region, and roles are named by CloudFormation.

mod actions;
mod apis;
mod bootstrap;
mod catalog;
mod check;
mod compute;
mod connections;
mod crawlers;
mod databases;
mod events;
mod iam;
mod json;
mod keys;
mod network;
mod queues;
mod release;
mod statements;
mod storage;
mod streaming;

#[cfg(test)]
mod odd_tests;
#[cfg(test)]
pub(super) mod tests;

use serde_json::{Map, Value, json};

pub use bootstrap::{BOOTSTRAP_FOR_RELEASES, BOOTSTRAP_STACK, bootstrap_template};
pub use check::Fault;
pub(super) use databases::USER;
use json::{att, reference, sub};
pub use release::{ReleaseOptions, ReleaseStep, buildspec, release_in_rust, release_stack, release_template};

use super::package::{self, Architecture};
use crate::cloud::{
    resources::{Function, Graph, OutputValue, Properties, Resource, Runtime},
    stacks::{Asset, Template},
};

/// The artifact bucket's name, for `Fn::Sub`.
pub const ARTIFACT_BUCKET: &str = "pumphouse-artifacts-${AWS::AccountId}-${AWS::Region}";

/// What a template depends on beside the graph.
#[derive(Debug, Clone, Default)]
pub struct TemplateOptions {
    /// The executable that serves the handlers in Rust to AWS Lambda.
    pub bootstrap: Option<package::Executable>,
    /// Whether a template that has no executable asks for its key in the artifact bucket as a parameter,
    /// `BootstrapKey`; otherwise it is an error.
    pub ask_for_bootstrap: bool,
    /// CloudFormation types to leave out, for an endpoint that does not know them: `AWS::Athena::NamedQuery`.
    pub omit_types: Vec<String>,
    /// Whether the endpoint only answers like AWS (see [`is_emulated`]): it has no TLS, so policies do not ask for it; it
    /// does not know `cloudwatch:namespace`, nor which workgroup a query execution is of.
    pub emulated: bool,
}

/// Whether an endpoint is another than AWS's own.
pub fn is_emulated(endpoint_url: Option<&str>) -> bool {
    endpoint_url.is_some_and(|url| {
        let host = url.split_once("://").map_or(url, |(_, rest)| rest);
        let host = host.split(['/', ':']).next().unwrap_or_default();
        !["amazonaws.com", "amazonaws.com.cn", "api.aws"].iter().any(|own| host.ends_with(own))
    })
}

/// Why there is no template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// A function in Rust, and no executable.
    #[error("{0} is in Rust, and there is no bootstrap executable to deploy: build one, and name it")]
    NoBootstrap(String),
    /// The code cannot be packed.
    #[error("{name}: {error}")]
    Package {
        /// Whose code.
        name: String,
        /// Why.
        error: package::Error,
    },
    /// The graph names what it does not hold.
    #[error("{name} refers to the {kind} {physical_name}, which is not in the pipeline")]
    Dangling {
        /// Who refers.
        name: String,
        /// To what kind.
        kind: &'static str,
        /// To which.
        physical_name: String,
    },
    /// A schedule that AWS Glue does not have.
    #[error("{name}: {why}")]
    Schedule {
        /// Whose schedule.
        name: String,
        /// What is wrong, and what would be right.
        why: String,
    },
    /// A pipeline that says nothing of releases.
    #[error("{0} has no [release] section, which says what is delivered, and from where (docs/pipeline.md)")]
    NoRelease(String),
    /// What the builds of a release run is missing.
    #[error("the builds of a release need {0}: name it")]
    NoExecutable(String),
    /// What a release would deploy is wrong.
    #[error("{0}")]
    Release(String),
    /// The template has faults that AWS would find later.
    #[error("{}", .0.iter().map(Fault::to_string).collect::<Vec<_>>().join("\n"))]
    Faults(Vec<Fault>),
}

type Result<T> = std::result::Result<T, TemplateError>;

/// The template of a graph, and what must be in the artifact bucket for it.
///
/// # Errors
/// Says which resource is wrong and how to mend it.
pub fn template(graph: &Graph, options: &TemplateOptions) -> Result<Template> {
    let mut body = Body {
        graph,
        options,
        resources: Map::new(),
        parameters: Map::new(),
        faults: Vec::new(),
        assets: Vec::new(),
        bootstrap: None,
    };
    body.shared();
    for resource in &graph.resources {
        body.render(resource)?;
    }
    body.omit();
    let document = body.document();
    body.faults.extend(check::check(&document, &options.omit_types));
    if !body.faults.is_empty() {
        return Err(TemplateError::Faults(body.faults));
    }
    let mut assets = body.assets;
    assets.sort_by(|a, b| a.key.cmp(&b.key));
    assets.dedup();
    Ok(Template { body: json::text(&document), assets })
}

/// The template as it comes to be.
struct Body<'a> {
    graph: &'a Graph,
    options: &'a TemplateOptions,
    resources: Map<String, Value>,
    parameters: Map<String, Value>,
    faults: Vec<Fault>,
    assets: Vec<Asset>,
    /// The Rust functions' archive once it is packed: its key and what it was built for.
    bootstrap: Option<(Value, Value)>,
}

impl<'a> Body<'a> {
    fn render(&mut self, resource: &'a Resource) -> Result<()> {
        match &resource.properties {
            Properties::Bucket(bucket) => self.bucket(resource, bucket)?,
            Properties::Key(key) => self.key(resource, key),
            Properties::KeyTable(table) => self.key_table(resource, table),
            Properties::Stream(stream) => self.stream(resource, stream),
            Properties::Queue(queue) => self.queue(resource, queue)?,
            Properties::EventSourceMapping(mapping) => self.event_source(resource, mapping)?,
            Properties::Delivery(delivery) => self.delivery(resource, delivery)?,
            Properties::Role(role) => self.role(resource, role)?,
            Properties::LogGroup(group) => self.log_group(resource, group),
            Properties::Function(function) => self.function(resource, function)?,
            Properties::Crawler(crawler) => self.crawler(resource, crawler)?,
            Properties::Job(job) => self.job(resource, job)?,
            Properties::Schedule(schedule) => self.schedule(resource, schedule)?,
            Properties::Database(database) => self.database(resource, database),
            Properties::Table(table) => self.table(resource, table)?,
            Properties::Topic(topic) => self.topic(resource, topic)?,
            Properties::Threshold(threshold) => self.threshold(resource, threshold),
            Properties::Alarm(alarm) => self.alarm(resource, alarm)?,
            Properties::Secret(secret) => self.secret(resource, secret),
            Properties::Query(query) => self.query(resource, query)?,
            Properties::Api(api) => self.api(resource, api)?,
            Properties::Network(network) => self.network(resource, network),
            Properties::Postgres(postgres) => self.postgres(resource, postgres)?,
            Properties::Connection(connection) => self.connection(resource, connection)?,
            // Whoever measures it makes it.
            Properties::Metric(_) => {}
            Properties::Dashboard(dashboard) => self.dashboard(resource, dashboard),
        }
        Ok(())
    }

    /// What the resources share: a bucket for access logs, and Athena's workgroup with a bucket for its results.
    fn shared(&mut self) {
        let has = |wanted: fn(&Properties) -> bool| self.graph.resources.iter().any(|r| wanted(&r.properties));
        let athena = has(|p| matches!(p, Properties::Query(_) | Properties::Database(_)));
        if athena || has(|p| matches!(p, Properties::Bucket(_))) {
            self.logs_bucket();
        }
        if athena {
            self.athena();
        }
    }

    /// Adds a resource; two of one logical id are a fault.
    fn add(&mut self, id: &str, resource: Entry) {
        if self.resources.contains_key(id) {
            self.faults.push(Fault {
                resource: id.to_owned(),
                what: "two resources have this logical id".into(),
                mend: "give the one that pipeline.toml names another name".into(),
            });
            return;
        }
        self.resources.insert(id.to_owned(), resource.value());
    }

    /// The resource of a kind with a physical name.
    fn find(&self, asker: &Resource, kind: &'static str, physical_name: &str) -> Result<&'a Resource> {
        let there = |r: &&Resource| r.properties.kind() == kind && r.physical_name == physical_name;
        self.graph.resources.iter().find(there).ok_or_else(|| TemplateError::Dangling {
            name: asker.name.clone(),
            kind,
            physical_name: physical_name.to_owned(),
        })
    }

    /// The logical id of a resource.
    fn id(&self, asker: &Resource, kind: &'static str, physical_name: &str) -> Result<&'a str> {
        self.find(asker, kind, physical_name).map(|r| r.logical_id.as_str())
    }

    /// Where a function's code is in the artifact bucket, and what it was built for.
    fn code(&mut self, resource: &Resource, function: &Function) -> Result<(Value, Value)> {
        let packed = |error| TemplateError::Package { name: resource.name.clone(), error };
        if function.runtime != Runtime::Rust {
            let files = function.code.as_ref().map(|c| c.contents.clone()).unwrap_or_default();
            let asset = package::code(&files).map_err(packed)?;
            let key = json!(asset.key);
            self.assets.push(asset);
            return Ok((key, json!(Architecture::X86_64.word())));
        }
        if let Some(known) = &self.bootstrap {
            return Ok(known.clone());
        }
        let known = match &self.options.bootstrap {
            Some(executable) => {
                let architecture = Architecture::of(executable.content()).map_err(packed)?;
                let asset = executable.packed().map_err(packed)?;
                let key = json!(asset.key);
                self.assets.push(asset);
                (key, json!(architecture.word()))
            }
            None if self.options.ask_for_bootstrap => {
                self.parameters.insert(
                    "BootstrapKey".into(),
                    json!({
                        "Type": "String",
                        "Description": "The key, in the artifact bucket, of the archive with the bootstrap executable",
                        "AllowedPattern": "^functions/[0-9a-f]{64}\\.zip$",
                    }),
                );
                self.parameters.insert(
                    "BootstrapArchitecture".into(),
                    json!({
                        "Type": "String",
                        "Description": "What the bootstrap executable was built for",
                        "AllowedValues": ["x86_64", "arm64"],
                        "Default": "x86_64",
                    }),
                );
                (reference("BootstrapKey"), reference("BootstrapArchitecture"))
            }
            None => return Err(TemplateError::NoBootstrap(resource.name.clone())),
        };
        self.bootstrap = Some(known.clone());
        Ok(known)
    }

    /// Takes out what the endpoint does not know. Who waits for such a resource no longer does; who refers to one is
    /// found by the checks.
    fn omit(&mut self) {
        let omitted = |resource: &Value| {
            let kind = resource.get("Type").and_then(Value::as_str).unwrap_or_default();
            self.options.omit_types.iter().any(|t| t == kind)
        };
        let gone: Vec<String> = self.resources.iter().filter(|(_, r)| omitted(r)).map(|(id, _)| id.clone()).collect();
        self.resources.retain(|id, _| !gone.contains(id));
        for resource in self.resources.values_mut().filter_map(Value::as_object_mut) {
            let Some(Value::Array(waits)) = resource.get_mut("DependsOn") else { continue };
            waits.retain(|id| !gone.iter().any(|g| id == g));
            if waits.is_empty() {
                resource.shift_remove("DependsOn");
            }
        }
    }

    fn document(&self) -> Value {
        let graph = self.graph;
        let mut document = json!({
            "AWSTemplateFormatVersion": "2010-09-09",
            "Description": format!("pumphouse: the pipeline {} in {}", graph.pipeline, graph.env),
        });
        if !self.parameters.is_empty() {
            document["Parameters"] = Value::Object(self.parameters.clone());
        }
        document["Resources"] = Value::Object(self.resources.clone());
        let outputs = self.outputs();
        if !outputs.is_empty() {
            document["Outputs"] = Value::Object(outputs);
        }
        document
    }

    fn outputs(&self) -> Map<String, Value> {
        let mut outputs = Map::new();
        for output in &self.graph.outputs {
            let id = output.value.id();
            let Some(resource) = self.graph.by_id(id).filter(|_| self.resources.contains_key(id)) else { continue };
            let value = match (&output.value, &resource.properties) {
                (OutputValue::Url(_), Properties::Api(api)) => sub(&format!(
                    "https://${{{id}}}.execute-api.${{AWS::Region}}.${{AWS::URLSuffix}}/{}{}",
                    self.graph.env, api.path
                )),
                (OutputValue::Connection(_), Properties::Postgres(postgres)) => databases::connection(id, postgres),
                (_, Properties::Topic(_)) => att(id, "TopicName"),
                (_, Properties::Queue(_)) => att(id, "QueueName"),
                (_, Properties::Table(table)) => sub(&format!("{}.${{{id}}}", table.database)),
                _ => reference(id),
            };
            outputs.insert(output.name.clone(), json!({"Description": output.description, "Value": value}));
        }
        outputs
    }
}

/// A resource of a template.
struct Entry {
    kind: &'static str,
    metadata: Option<String>,
    depends_on: Vec<String>,
    /// The policy for what it holds.
    keeps: Option<&'static str>,
    properties: Value,
}

impl Entry {
    fn new(kind: &'static str, properties: Value) -> Self {
        Self { kind, metadata: None, depends_on: Vec::new(), keeps: None, properties }
    }

    /// Says where it comes from: the name in pipeline.toml.
    fn of(mut self, resource: &Resource) -> Self {
        self.metadata = Some(resource.name.clone());
        self
    }

    /// What must be there before it, and is not referred to.
    fn after(mut self, ids: impl IntoIterator<Item = String>) -> Self {
        for id in ids {
            if !self.depends_on.contains(&id) {
                self.depends_on.push(id);
            }
        }
        self
    }

    /// It holds data: whether that stays when the resource is removed.
    fn stateful(mut self, protected: bool) -> Self {
        self.keeps = Some(if protected { "Retain" } else { "Delete" });
        self
    }

    /// It holds data, of which a snapshot stays when it is removed.
    fn snapshot(mut self) -> Self {
        self.keeps = Some("Snapshot");
        self
    }

    fn value(self) -> Value {
        let mut entry = json!({"Type": self.kind});
        if let Some(name) = self.metadata {
            entry["Metadata"] = json!({"pumphouse": name});
        }
        if !self.depends_on.is_empty() {
            entry["DependsOn"] = json!(self.depends_on);
        }
        if let Some(policy) = self.keeps {
            entry["DeletionPolicy"] = json!(policy);
            entry["UpdateReplacePolicy"] = json!(policy);
        }
        entry["Properties"] = self.properties;
        entry
    }
}
