//! The graph of one environment of a pipeline.

mod compute;
mod databases;
mod storage;

#[cfg(test)]
mod tests;

use super::{names, roles::role_name};
use crate::{
    cloud::resources::{self as r, AlarmMetric, Graph, Output, OutputValue, Properties, Resource, ScheduleTarget},
    spec::{Environment, Metric, Pipeline},
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

/// The logical id of what belongs to another resource: `FetchPricesFunctionRole`.
fn part_id((section, name): (&str, &str), part: &str) -> String {
    names::logical_id(name, &format!("{}{part}", names::logical_id(section, "")))
}
