//! `alerts`: thresholds and alarms.

use clap::Subcommand;
use serde_json::json;

use super::{
    failure::{Failure, Result},
    input,
    names::resolve,
    out::{Cell, Column, note},
    session::Session,
};
use crate::{
    backend::{Backend, Kind, alerts},
    cloud::{
        Error,
        alerts::{Alert, Publish},
        resources::{Graph, Properties},
    },
};

/// What to do with thresholds and alarms.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List thresholds and alarms with their states
    List,
    /// Change a threshold, or an alarm's limit
    Set {
        /// Its name, or PIPELINE/NAME
        name: String,
        /// The new value
        #[arg(value_parser = input::number, allow_negative_numbers = true)]
        value: f64,
    },
    /// Publish a test message to the topics that an alert leads to
    Test {
        /// The alert's name, or PIPELINE/NAME
        name: String,
        /// To this topic instead: its name, or PIPELINE/NAME
        #[arg(long, value_name = "NAME")]
        topic: Option<String>,
    },
}

const ALERTS: [Column<Alert>; 10] = [
    ("alert", |a| Cell::text(&a.name)),
    ("kind", |a| Cell::text(if a.kind == crate::cloud::alerts::AlertKind::Alarm { "alarm" } else { "threshold" })),
    ("state", |a| Cell::text(a.state.word())),
    ("is", |a| Cell::maybe(a.comparison, |c| Cell::text(c.sign()))),
    ("threshold", |a| Cell::maybe(a.threshold, Cell::Number)),
    ("value", |a| Cell::maybe(a.samples.last(), |s| Cell::Number(s.value))),
    ("unit", |a| Cell::maybe(a.unit.as_ref(), Cell::text)),
    ("since", |a| Cell::maybe(a.since, Cell::Time)),
    ("metric", |a| Cell::text(&a.metric)),
    ("reason", |a| Cell::maybe(a.reason.as_ref(), Cell::text)),
];

/// Measurements that a list holds of each alert.
const SAMPLES: usize = 60;

impl Command {
    /// What it changes: the gate's words and the target; none for a command that reads.
    pub fn change(&self) -> Option<(&'static str, &str)> {
        match self {
            Self::List => None,
            Self::Set { name, .. } => Some(("alerts set", name)),
            Self::Test { name, .. } => Some(("topics publish", name)),
        }
    }

    /// Does it.
    pub async fn run(self, s: &Session, backend: &Backend) -> Result {
        match self {
            Self::List => {
                let (mut alerts, errors) = backend.cloud.alerts.list(SAMPLES).gather().await;
                alerts.sort_by(|a, b| a.name.cmp(&b.name));
                partly(errors, alerts.is_empty(), || s.out.list(&alerts, &ALERTS, "no thresholds or alarms"))
            }
            Self::Set { name, value } => {
                if !value.is_finite() {
                    return Err(Failure::usage(format!("{value} is no number to compare with")));
                }
                let name = resolve(backend, Kind::Alert, &name).await?;
                let consent = s.consent(backend, &alerts::set_effect(&name, value))?;
                backend.set_alert(&name, value, &consent).await?;
                let (alerts, _) = backend.cloud.alerts.list(SAMPLES).gather().await;
                let alert = alerts.into_iter().find(|a| a.name == name);
                let alert = alert.ok_or_else(|| Failure::failed(format!("{name} has gone away meanwhile")))?;
                s.out.record(&alert, ALERTS.iter().map(|(title, cell)| (*title, cell(&alert))).collect())
            }
            Self::Test { name, topic } => {
                let name = resolve(backend, Kind::Alert, &name).await?;
                let topics = match topic {
                    Some(topic) => vec![resolve(backend, Kind::Topic, &topic).await?],
                    None => topics(backend, &name).await?,
                };
                let message = Publish {
                    subject: Some(format!("Test of {name}").chars().take(100).collect()),
                    message: json!({ "test": true, "alert": name }).to_string(),
                    ..Publish::default()
                };
                for topic in &topics {
                    let consent = s.consent(backend, &alerts::publish_effect(topic))?;
                    backend.publish(topic, &message, &consent).await?;
                    note(&format!("a test message is published to {topic}"));
                }
                s.out.list(&topics, &[("topic", |t| Cell::text(t))], "")
            }
        }
    }
}

/// Prints a list, and says what of it could not be read.
///
/// # Errors
/// Where nothing could be read, and where something other than a permission was missing.
pub fn partly(errors: Vec<Error>, nothing: bool, print: impl FnOnce() -> Result) -> Result {
    if let Some(error) = errors.first().filter(|_| nothing) {
        return Err(error.clone().into());
    }
    print()?;
    let mut result = Ok(());
    for error in errors {
        note(&format!("not all of it can be seen: {error}"));
        if !matches!(error, Error::AccessDenied { .. }) {
            result = Err(Failure::Reported);
        }
    }
    result
}

/// The topics that an alert leads to: an alarm's own, and those of the functions that read a threshold.
async fn topics(backend: &Backend, alert: &str) -> Result<Vec<String>> {
    // An alarm of AWS's knows them itself; a graph knows those of the functions that read a threshold.
    let (alerts, _) = backend.cloud.alerts.list(0).gather().await;
    let known = alerts.into_iter().find(|a| a.name == alert).map(|a| a.topics).unwrap_or_default();
    if !known.is_empty() {
        return Ok(known);
    }
    let mut found: Vec<_> = backend
        .cloud
        .stacks
        .list()
        .await?
        .iter()
        .filter_map(|s| s.graph.as_ref())
        .flat_map(|g| leads_to(g, alert))
        .collect();
    found.sort();
    found.dedup();
    if found.is_empty() {
        return Err(Failure::failed(format!("{alert} leads to no topic: name one with --topic")));
    }
    Ok(found)
}

fn leads_to(graph: &Graph, alert: &str) -> Vec<String> {
    let mut found = Vec::new();
    for resource in &graph.resources {
        match &resource.properties {
            Properties::Alarm(alarm) if resource.physical_name == alert => found.extend(alarm.topic.clone()),
            Properties::Role(role) => {
                let may = |action: &'static str| role.grants.iter().filter(move |g| g.action == action);
                if may("ssm:GetParameter").any(|g| g.resource == alert) {
                    found.extend(may("sns:Publish").map(|g| g.resource.clone()));
                }
            }
            _ => {}
        }
    }
    found
}
