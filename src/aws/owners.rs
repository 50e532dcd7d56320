//! Which pipeline a resource belongs to, by the tags that a deploy puts on its stack.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::{StreamExt, TryStreamExt, stream};
use tokio::sync::Mutex;

use super::{Aws, error::failed};
use crate::cloud::{Error, Result};

/// The tag that names the pipeline.
pub const PIPELINE_TAG: &str = "pumphouse:pipeline";
/// The tag that names the environment.
pub const ENV_TAG: &str = "pumphouse:env";

/// How long what is known counts as fresh.
const FRESH: Duration = Duration::from_mins(1);
/// Stacks whose resources are asked for at once.
const AT_ONCE: usize = 4;

/// What is known of the owners.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    known: Option<(Arc<Owners>, Instant)>,
    refreshing: bool,
}

/// Pipelines by the names of their stacks' resources.
#[derive(Debug, Default)]
pub(crate) struct Owners {
    known: HashMap<String, String>,
    /// What pipelines say that it is theirs, by names.
    claimed: HashMap<String, String>,
    /// Why nobody is known to own anything.
    unread: Option<Error>,
}

impl Owners {
    /// The pipeline that made the resource of this physical id, or of this name where its physical id is an ARN.
    pub(crate) fn pipeline(&self, physical_id: &str) -> Option<String> {
        self.known.get(physical_id).cloned()
    }

    /// The same for what goes by an address or an ARN: who says that it is theirs has said its name.
    pub(crate) fn pipeline_of(&self, physical_id: &str, name: &str) -> Option<String> {
        self.pipeline(physical_id).or_else(|| self.claimed.get(name).cloned())
    }

    /// All that is known: physical ids, and the pipelines that made them.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        self.known.iter().map(|(id, pipeline)| (id.as_str(), pipeline.as_str()))
    }

    /// Why the stacks could not be read, where they could not.
    pub(crate) fn unread(&self) -> Option<&Error> {
        self.unread.as_ref()
    }
}

#[cfg(feature = "bootstrap")]
impl Cache {
    /// Nobody owns anything, and nobody is asked.
    pub(crate) fn nobody() -> Self {
        Self { state: Mutex::new(State { known: Some((Arc::default(), Instant::now())), refreshing: true }) }
    }
}

impl Aws {
    /// Who owns what. Where the stacks cannot be read, nobody is known to own anything.
    ///
    /// The first to ask waits for the answer; later, what is known is given at once, and looked at again behind the scenes.
    pub(crate) async fn owners(&self) -> Arc<Owners> {
        let mut state = self.owners.state.lock().await;
        if let Some((known, at)) = &state.known {
            let known = known.clone();
            if at.elapsed() > FRESH && !state.refreshing {
                state.refreshing = true;
                let aws = self.clone();
                tokio::spawn(async move { aws.refresh_owners().await });
            }
            return known;
        }
        // Those who ask meanwhile wait for the same answer.
        let owners = Arc::new(self.fetch_owners().await.unwrap_or_else(|error| {
            tracing::warn!(%error, "the owners of resources could not be read");
            let claimed = self.claims();
            Owners { known: claimed.clone(), claimed, unread: Some(error) }
        }));
        state.known = Some((owners.clone(), Instant::now()));
        owners
    }

    /// Looks again at who owns what, after a deploy or a destroy. What was known counts until the answer is there.
    pub(crate) async fn refresh_owners(&self) {
        let fetched = self.fetch_owners().await;
        let mut state = self.owners.state.lock().await;
        state.refreshing = false;
        match fetched {
            Ok(owners) => state.known = Some((Arc::new(owners), Instant::now())),
            Err(error) => {
                tracing::warn!(%error, "the owners of resources could not be read again");
                if let Some((_, at)) = &mut state.known {
                    *at = Instant::now();
                }
            }
        }
    }

    /// What pipelines say that it is theirs.
    fn claims(&self) -> HashMap<String, String> {
        self.client.options().claims.as_ref().map(|claims| (claims.0)().into_iter().collect()).unwrap_or_default()
    }

    async fn fetch_owners(&self) -> Result<Owners> {
        let client = self.client.cloudformation().await?;
        let mut stacks = Vec::new();
        let mut pages = client.describe_stacks().into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(failed("cloudformation:DescribeStacks", "stack", "*"))?;
            for stack in page.stacks() {
                let pipeline = stack.tags().iter().find(|t| t.key() == Some(PIPELINE_TAG)).and_then(|t| t.value());
                if let (Some(name), Some(pipeline)) = (stack.stack_name(), pipeline) {
                    stacks.push((name.to_owned(), pipeline.to_owned()));
                }
            }
        }
        let owned: Vec<_> = stream::iter(stacks)
            .map(|(stack, pipeline)| async move { self.owned_by(&stack, &pipeline).await })
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await?;
        // What a stack has made is its pipeline's, whoever claims it.
        let claimed = self.claims();
        let mut known = claimed.clone();
        known.extend(owned.into_iter().flatten());
        Ok(Owners { known, claimed, unread: None })
    }

    async fn owned_by(&self, stack: &str, pipeline: &str) -> Result<Vec<(String, String)>> {
        let resources = self.stack_resources(stack).await?;
        let named = resources.iter().flat_map(|r| {
            let (kind, id) = (r.resource_type().unwrap_or_default(), r.physical_resource_id().unwrap_or_default());
            let short = Some(short_name(kind, id)).filter(|short| *short != id);
            [Some(id), short].into_iter().flatten().filter(|id| !id.is_empty())
        });
        Ok(named.map(|name| (name.to_owned(), pipeline.to_owned())).collect())
    }

    /// The resources of a stack.
    pub(crate) async fn stack_resources(
        &self,
        stack: &str,
    ) -> Result<Vec<aws_sdk_cloudformation::types::StackResourceSummary>> {
        let client = self.client.cloudformation().await?;
        let mut found = Vec::new();
        let mut pages = client.list_stack_resources().stack_name(stack).into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(failed("cloudformation:ListStackResources", "stack", stack))?;
            found.extend(page.stack_resource_summaries.unwrap_or_default());
        }
        Ok(found)
    }
}

/// The name that lists show, of a physical id: of an ARN its last part, of a secret without what Secrets Manager adds.
pub(crate) fn short_name<'a>(resource_type: &str, physical_id: &'a str) -> &'a str {
    let Some(rest) = physical_id.strip_prefix("arn:") else {
        // A queue goes by its address.
        return if physical_id.starts_with("http") {
            physical_id.rsplit('/').next().unwrap_or(physical_id)
        } else {
            physical_id
        };
    };
    match resource_type {
        "AWS::SecretsManager::Secret" => {
            let name = rest.split_once(":secret:").map_or(physical_id, |(_, name)| name);
            // `-` and six letters or digits.
            match name.rsplit_once('-') {
                Some((stem, tail)) if tail.len() == 6 && tail.bytes().all(|b| b.is_ascii_alphanumeric()) => stem,
                _ => name,
            }
        }
        "AWS::SNS::Topic" => physical_id.rsplit(':').next().unwrap_or(physical_id),
        _ => physical_id,
    }
}

#[cfg(test)]
mod tests {
    use super::short_name;

    #[test]
    fn lists_show_names_rather_than_arns() {
        let of = |kind: &str, id: &'static str| short_name(kind, id);
        assert_eq!(of("AWS::SNS::Topic", "arn:aws:sns:eu-west-1:123456789012:x-dev-alerts"), "x-dev-alerts");
        let secret = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:x-dev-api_key-AbC123";
        assert_eq!(of("AWS::SecretsManager::Secret", secret), "x-dev-api_key");
        assert_eq!(of("AWS::SQS::Queue", "https://sqs.eu-west-1.amazonaws.com/123456789012/x-dev-dead"), "x-dev-dead");
        assert_eq!(
            of("AWS::S3::Bucket", "x-dev-landing-123456789012-eu-west-1"),
            "x-dev-landing-123456789012-eu-west-1"
        );
    }
}
