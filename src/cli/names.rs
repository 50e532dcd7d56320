//! Names of resources on the command line: resolved, and, where there is none such, answered with what was meant.

use super::failure::{Failure, Result};
use crate::{
    backend::{Backend, Kind},
    cloud, text,
};

/// The physical name that is meant by `name`.
///
/// # Errors
/// [`Failure::Failed`] where there is none, with the names that are near.
pub async fn resolve(backend: &Backend, kind: Kind, name: &str) -> Result<String> {
    let physical = backend.resolve(kind, name).await?;
    // There may be very many, a few in each call: the call itself will tell.
    if kind == Kind::Job && backend.cloud.identity.known().cloud == "aws" {
        return Ok(physical);
    }
    // Where listing is not allowed, too.
    let Ok(known) = list(backend, kind).await else { return Ok(physical) };
    if known.contains(&physical) {
        return Ok(physical);
    }
    Err(Failure::Failed(unknown(kind.word(), name, &known)))
}

/// Says that there is no `name`, and which ones are near.
pub fn unknown(kind: &str, name: &str, known: &[String]) -> String {
    let mut near: Vec<&str> = known.iter().map(String::as_str).filter(|k| k.contains(name)).collect();
    if let Some(nearest) = text::nearest(name, known.iter().map(String::as_str))
        && !near.contains(&nearest)
    {
        near.insert(0, nearest);
    }
    let hint = match (near.as_slice(), known) {
        (_, []) => format!("there is no {kind} at all: has a pipeline been deployed (see `pumphouse pipelines`)?"),
        ([], few) if few.len() <= 12 => format!("there are: {}", few.join(", ")),
        ([], _) => "list them to see their names".to_owned(),
        (near, _) => format!("did you mean {}?", near.iter().take(5).copied().collect::<Vec<_>>().join(" or ")),
    };
    format!("no {kind} named {name:?}; {hint}")
}

async fn list(backend: &Backend, kind: Kind) -> cloud::Result<Vec<String>> {
    let cloud = &backend.cloud;
    Ok(match kind {
        Kind::Bucket => cloud.buckets.list().await?.into_iter().map(|x| x.name).collect(),
        Kind::Crawler => cloud.crawlers.list().await?.into_iter().map(|x| x.name).collect(),
        Kind::Job => cloud.jobs.list().await?.into_iter().map(|x| x.name).collect(),
        Kind::Function => cloud.functions.list().await?.into_iter().map(|x| x.name).collect(),
        Kind::LogGroup => cloud.logs.groups().await?.into_iter().map(|x| x.name).collect(),
        Kind::Alert => cloud.alerts.list(0).await?.into_iter().map(|x| x.name).collect(),
        Kind::Topic => cloud.alerts.topics().await?.into_iter().map(|x| x.name).collect(),
        Kind::Queue => cloud.queues.list().await?.into_iter().map(|x| x.name).collect(),
        Kind::Query => cloud.queries.saved().await?.into_iter().map(|x| x.name).collect(),
        Kind::KeyTable => cloud.tables.list().await?.into_iter().map(|x| x.name).collect(),
        Kind::Secret => cloud.secrets.list().await?.into_iter().map(|x| x.name).collect(),
        Kind::Postgres => cloud.postgres.list().await?.into_iter().map(|x| x.name).collect(),
        Kind::Api => cloud.apis.list().await?.into_iter().map(|x| x.name).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_offered() {
        let known = ["crypto-stream-dev-landing".to_owned(), "crypto-stream-dev-staging".to_owned()];
        assert!(unknown("bucket", "landing", &known).ends_with("did you mean crypto-stream-dev-landing?"));
        assert!(unknown("bucket", "crypto-stream-dev-landign", &known).contains("crypto-stream-dev-landing?"));
        assert!(unknown("bucket", "x-y-z", &known).ends_with("crypto-stream-dev-landing, crypto-stream-dev-staging"));
        assert!(unknown("bucket", "landing", &[]).contains("deployed"));
    }
}
