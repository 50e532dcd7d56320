//! What happened lately in a pipeline: runs, messages, deploys.

use super::{super::Backend, Lane, TimelineEntry, facts::Facts};
use crate::cloud::{
    functions::Function,
    jobs::JobRun,
    logs::ReadLogs,
    resources::{Graph, NotificationTarget, Properties},
    stacks::{Operation, Stack},
};

/// How the log of a function begins the line that tells of a failure.
const FAILED: &str = "[ERROR] ";

/// `fetch_prices` of `function.fetch_prices`.
fn short(name: &str) -> &str {
    name.split_once('.').map_or(name, |(_, short)| short)
}

/// Whether a bucket tells the topic of each new object.
pub(super) fn hears_of_files(graph: &Graph, topic: &str) -> bool {
    graph.resources.iter().any(|r| match &r.properties {
        Properties::Bucket(b) => {
            b.on_created.iter().any(|n| matches!(&n.target, NotificationTarget::Topic(t) if t == topic))
        }
        _ => false,
    })
}

impl Backend {
    /// What was done to a stack, as entries.
    pub(super) async fn deploys(&self, stack: &Stack) -> Vec<TimelineEntry> {
        let entry = |operation: Operation| {
            let bad = operation.status.ends_with("FAILED") || operation.status == "INTERRUPTED";
            let text = format!("{} {}", operation.kind, operation.status);
            TimelineEntry { time: operation.started, lane: Lane::Deploys, bad, text }
        };
        self.history_shown(stack, 20).await.into_iter().map(entry).collect()
    }

    /// A job's runs, as entries.
    pub(super) async fn job_runs(&self, name: &str, short: &str, facts: &Facts) -> Vec<TimelineEntry> {
        let last = facts.jobs.iter().find(|j| j.name == name).and_then(|j| j.last_run.as_ref());
        let entry = |run: JobRun| {
            let bad = run.state.is_failure();
            let text = match &run.error {
                Some(error) if bad => format!("{short}: {error}"),
                _ => format!("{short} {}", run.state.word()),
            };
            TimelineEntry { time: run.started, lane: Lane::Runs, bad, text }
        };
        self.runs_shown(name, last, 60).await.into_iter().map(entry).collect()
    }

    /// The last hour's invocations of a function that failed, as its log tells them.
    pub(in crate::backend) async fn failures(&self, function: &Function, short: &str) -> Vec<TimelineEntry> {
        let since = self.cloud.clock.now().checked_sub(jiff::SignedDuration::from_hours(1)).ok();
        let read = ReadLogs {
            groups: vec![function.log_group.clone()],
            since,
            filter: Some(FAILED.to_owned()),
            limit: 60,
            newest: true,
            ..ReadLogs::default()
        };
        let page = self.cloud.logs.read(&read).await.unwrap_or_default();
        let failed = page.events.into_iter().filter_map(|event| {
            // That it was given up after so many attempts is told by each of them.
            let why = event.message.strip_prefix(FAILED).filter(|why| !why.starts_with("RequestId: "))?;
            let text = format!("{short}: {why}");
            Some(TimelineEntry { time: event.timestamp, lane: Lane::Runs, bad: true, text })
        });
        failed.collect()
    }

    pub(super) async fn timeline(&self, stack: &Stack, graph: &Graph, facts: &Facts) -> Vec<TimelineEntry> {
        let mut entries = Vec::new();
        for resource in &graph.resources {
            let name = &resource.physical_name;
            let short = short(&resource.name);
            match &resource.properties {
                Properties::Job(_) => entries.extend(self.job_runs(name, short, facts).await),
                Properties::Crawler(_) => entries.extend(facts.last_crawl(name, short)),
                Properties::Function(_) => {
                    let failed = |f: &&Function| f.name == *name && f.errors.is_some_and(|n| n > 0);
                    if let Some(function) = facts.functions.iter().find(failed) {
                        entries.extend(self.failures_shown(function, short).await);
                    }
                }
                Properties::Topic(_) if !hears_of_files(graph, name) => {
                    for message in self.cloud.alerts.inbox(name, 60).await.unwrap_or_default() {
                        let text = message.subject.unwrap_or(message.message);
                        entries.push(TimelineEntry { time: message.time, lane: Lane::Alerts, bad: false, text });
                    }
                }
                _ => {}
            }
        }
        entries.extend(self.deploys(stack).await);
        entries.sort_by_key(|e| e.time);
        entries
    }
}
