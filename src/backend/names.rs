//! Names: a resource goes by its physical name or as `PIPELINE/NAME`, with the name that pipeline.toml gives it.

use super::{Backend, Result};
use crate::cloud::{
    Error,
    resources::{Properties, Resource},
    stacks::{Stack, StackResource},
};
use crate::deploy::names;
use crate::spec::ExistingKind;

/// What a name is asked to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A bucket.
    Bucket,
    /// A crawler.
    Crawler,
    /// A job.
    Job,
    /// A function.
    Function,
    /// A log group; a function's or job's name means its log group.
    LogGroup,
    /// A threshold or an alarm.
    Alert,
    /// A topic.
    Topic,
    /// A queue.
    Queue,
    /// A saved query.
    Query,
    /// A key-value table.
    KeyTable,
    /// A secret.
    Secret,
    /// An HTTP API.
    Api,
    /// A PostgreSQL database.
    Postgres,
}

impl Kind {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Bucket => "bucket",
            Self::Crawler => "crawler",
            Self::Job => "job",
            Self::Function => "function",
            Self::LogGroup => "log group",
            Self::Alert => "threshold or alarm",
            Self::Topic => "topic",
            Self::Queue => "queue",
            Self::Query => "saved query",
            Self::KeyTable => "key-value table",
            Self::Secret => "secret",
            Self::Api => "API",
            Self::Postgres => "PostgreSQL database",
        }
    }

    /// The sections of pipeline.toml whose resources may be meant.
    fn sections(self) -> &'static [&'static str] {
        match self {
            Self::Bucket => &["bucket"],
            Self::Crawler => &["crawler"],
            Self::Job => &["job"],
            Self::Function => &["function"],
            Self::LogGroup => &["function", "job"],
            Self::Alert => &["threshold", "alarm"],
            Self::Topic => &["topic"],
            Self::Queue => &["queue"],
            Self::Query => &["query"],
            Self::KeyTable => &["dynamodb"],
            Self::Secret => &["secret"],
            Self::Api => &["api"],
            Self::Postgres => &["postgres"],
        }
    }

    /// The physical name that `resource` answers to as this kind.
    fn physical(self, resource: &Resource) -> Option<&str> {
        let own = Some(resource.physical_name.as_str());
        match (self, &resource.properties) {
            (Self::Bucket, Properties::Bucket(_))
            | (Self::Crawler, Properties::Crawler(_))
            | (Self::Job, Properties::Job(_))
            | (Self::Function, Properties::Function(_))
            | (Self::Alert, Properties::Threshold(_) | Properties::Alarm(_))
            | (Self::Topic, Properties::Topic(_))
            | (Self::Queue, Properties::Queue(_))
            | (Self::Query, Properties::Query(_))
            | (Self::KeyTable, Properties::KeyTable(_))
            | (Self::Secret, Properties::Secret(_))
            | (Self::Api, Properties::Api(_))
            | (Self::Postgres, Properties::Postgres(_)) => own,
            (Self::LogGroup, Properties::Function(f)) => Some(&f.log_group),
            (Self::LogGroup, Properties::Job(j)) => Some(&j.log_group),
            _ => None,
        }
    }
}

impl Backend {
    /// The physical name that is meant by `name`.
    ///
    /// # Errors
    /// [`Error::NotFound`] where the pipeline is not deployed in this environment, or has no such resource; it then says
    /// what there is.
    pub async fn resolve(&self, kind: Kind, name: &str) -> Result<String> {
        let Some((pipeline, short)) = name.split_once('/').filter(|(pipeline, _)| !pipeline.is_empty()) else {
            return Ok(name.to_owned());
        };
        if let Some(found) = self.existing(kind, pipeline, short) {
            return found;
        }
        let stack_name = self.stack_name(pipeline);
        let graph = self.status(pipeline).await?;
        let graph = match graph {
            // A stack whose pipeline.toml is not here: its resources tell their names themselves.
            Some(Stack { graph: None, resources, .. }) => return of_resources(kind, pipeline, short, &resources),
            Some(Stack { graph, .. }) => graph,
            None => None,
        };
        let Some(graph) = graph else {
            return Err(Error::Invalid(format!(
                "{name:?}: {pipeline:?} is not deployed in environment {:?} (stack {stack_name}); see `pumphouse pipelines`",
                self.env
            ))
            .into());
        };
        let named = |r: &&Resource| r.name.split_once('.').is_some_and(|(_, n)| n == short);
        if let Some(found) = graph.resources.iter().filter(named).find_map(|r| kind.physical(r)) {
            return Ok(found.to_owned());
        }
        let mut known: Vec<_> = graph
            .resources
            .iter()
            .filter(|r| kind.physical(r).is_some())
            .filter_map(|r| r.name.split_once('.').map(|(_, n)| n))
            .collect();
        known.sort_unstable();
        known.dedup();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        Err(Error::Invalid(format!("no {} named {short:?} in {pipeline}; it has: {known}", kind.word())).into())
    }
}

impl Backend {
    /// The log groups that are meant by `name`: of a job, on AWS, what it says and its errors are in one each.
    pub async fn log_groups(&self, name: &str) -> Result<Vec<String>> {
        let group = self.resolve(Kind::LogGroup, name).await?;
        if group == name || self.cloud.identity.known().cloud == "local" {
            return Ok(vec![group]);
        }
        Ok(names::aws_job_log_groups(&group).map_or_else(|| vec![group], |both| both.to_vec()))
    }
}

impl Kind {
    /// What pipeline.toml calls those that exist already, where it can.
    fn existing(self) -> &'static [ExistingKind] {
        match self {
            Self::Bucket => &[ExistingKind::Bucket],
            Self::Crawler => &[ExistingKind::Crawler],
            Self::Job => &[ExistingKind::Job],
            Self::Function => &[ExistingKind::Function],
            Self::LogGroup => &[ExistingKind::LogGroup, ExistingKind::Function],
            Self::Topic => &[ExistingKind::Topic],
            Self::Queue => &[ExistingKind::Queue],
            Self::KeyTable => &[ExistingKind::KeyTable],
            Self::Alert | Self::Query | Self::Secret | Self::Api | Self::Postgres => &[],
        }
    }
}

impl Backend {
    /// The physical name that is meant in a pipeline that Terraform deploys: the whole of it, or its end; none where the
    /// pipeline is none of those.
    fn existing(&self, kind: Kind, pipeline: &str, short: &str) -> Option<Result<String>> {
        let spec = self.pipeline(pipeline).ok().filter(|spec| spec.terraform.is_some())?;
        let all = spec.env(&self.env).map(|env| env.existing.as_slice()).unwrap_or_default();
        let mut known: Vec<String> = Vec::new();
        for wanted in kind.existing() {
            let names = all.iter().filter(|(kind, _)| kind == wanted).flat_map(|(_, names)| names);
            // A function's logs are in the group of its name.
            let logs = kind == Kind::LogGroup && *wanted == ExistingKind::Function;
            for name in names.map(|name| if logs { format!("/aws/lambda/{name}") } else { name.clone() }) {
                // Its group may be there by its own name, too.
                if !known.contains(&name) {
                    known.push(name);
                }
            }
        }
        Some(match meant(&known, short).as_slice() {
            [one] => Ok((*one).clone()),
            [] => {
                let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                let word = kind.word();
                let place = format!("`[env.{}.existing]` of {pipeline}", self.env);
                Err(Error::Invalid(format!("no {word} named {short:?} in {place}; it has: {known}")).into())
            }
            several => {
                let several = several.iter().map(|s| s.as_str()).collect::<Vec<_>>().join(" or ");
                Err(Error::Invalid(format!("which {} is {short:?} in {pipeline}: {several}?", kind.word())).into())
            }
        })
    }
}

/// Of names, the one that a text is, or those that end with it; else those that have it inside, as those of buckets do, which end
/// with the account and the region.
fn meant<'a>(known: &'a [String], short: &str) -> Vec<&'a String> {
    let apart = |rest: &str, at_end: bool| {
        let c = if at_end { rest.chars().next_back() } else { rest.chars().next() };
        c.is_none_or(|c| !c.is_ascii_alphanumeric())
    };
    let ends = |name: &str| name.strip_suffix(short).is_some_and(|rest| apart(rest, true));
    let inside = |name: &str| {
        name.match_indices(short).any(|(at, _)| apart(&name[..at], true) && apart(&name[at + short.len()..], false))
    };
    let those = |test: &dyn Fn(&str) -> bool| known.iter().filter(|name| test(name)).collect::<Vec<_>>();
    [those(&|name| name == short), those(&ends), those(&inside)]
        .into_iter()
        .find(|found| !found.is_empty())
        .unwrap_or_default()
}

/// The physical name of a stack's resource by its name in a pipeline.toml that is not here.
fn of_resources(kind: Kind, pipeline: &str, short: &str, resources: &[StackResource]) -> Result<String> {
    let part = if kind == Kind::LogGroup { "/log_group" } else { "" };
    let named = |section: &&str| resources.iter().find(|r| r.name == format!("{section}.{short}{part}"));
    match kind.sections().iter().find_map(named) {
        Some(found) => Ok(found.physical_name.clone()),
        None => Err(Error::Invalid(format!("no {} named {short:?} in the stack of {pipeline}", kind.word())).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::meant;

    #[test]
    fn a_name_is_meant_by_itself_then_by_its_end_then_by_a_part_of_it() {
        let known = ["acme-dev-landing-1-eu", "acme-dev-curated", "acme-dev-raw", "raw", "acme-dev-outlanding"];
        let known = known.map(str::to_owned);
        for (short, expected) in [
            ("raw", &["raw"] as &[&str]),
            ("dev-raw", &["acme-dev-raw"]),
            ("curated", &["acme-dev-curated"]),
            ("landing", &["acme-dev-landing-1-eu"]),
            ("rated", &[]),
            ("and", &[]),
        ] {
            assert_eq!(meant(&known, short), expected.iter().collect::<Vec<_>>(), "{short}");
        }
        assert_eq!(meant(&known, "dev").len(), 4, "several are told");
    }
}
