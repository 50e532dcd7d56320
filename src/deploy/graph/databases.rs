//! Networks, databases, connections to them, and dashboards.

use super::Maker;
use crate::{
    cloud::resources::{self as r, Properties, Resource},
    deploy::names,
    spec::{self},
};

impl Maker<'_> {
    /// Networks, what is in them, and metrics.
    pub(super) fn databases(&mut self) {
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
    pub(super) fn connections(&mut self) {
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
    pub(in crate::deploy) fn connections_of(&self, job: &spec::Job) -> (Vec<String>, Vec<String>) {
        match &job.network {
            Some(network) if job.connections.is_empty() => {
                (vec![network_connection(&self.physical(network))], vec![network_connection_id(network)])
            }
            _ => job.connections.iter().map(|k| (self.physical(k), names::logical_id(k, "Connection"))).unzip(),
        }
    }

    pub(super) fn dashboards(&mut self) {
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
}

pub(super) fn network_connection_id(network: &str) -> String {
    names::logical_id(network, "NetworkForJobs")
}

/// The connection into a network that nobody has declared. No declared one has such a name.
fn network_connection(network: &str) -> String {
    format!("{network}.net")
}
