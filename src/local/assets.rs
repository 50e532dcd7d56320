//! The files that resources need: code, samples, what a source has published.

use sha2::{Digest, Sha256};

use super::store::Store;
use crate::cloud::{
    Error, Result,
    resources::{Graph, Properties, Resource},
};

/// The files that a resource needs: what each is, the SHA-256 of its content, and the content where it is at hand.
pub(crate) fn assets(resource: &Resource) -> Vec<(String, &str, Option<&bytes::Bytes>)> {
    let Properties::Function(function) = &resource.properties else { return Vec::new() };
    let code = function.code.iter().flat_map(|code| {
        code.files.iter().map(|(path, sha256)| (path.clone(), sha256.as_str(), code.contents.get(path)))
    });
    let samples = function.sources.iter().filter_map(|(name, source)| {
        let recording = source.recording.as_ref()?;
        let sha256 = recording.sample_sha256.as_deref()?;
        Some((format!("the sample of source {name}"), sha256, recording.sample.as_ref()))
    });
    let directories = function.sources.iter().filter_map(|(name, source)| Some((name, source.directory.as_ref()?)));
    let published = directories.flat_map(|(name, directory)| {
        directory.files.iter().map(move |(file, sha256)| {
            (format!("{file} of the source {name}"), sha256.as_str(), directory.contents.get(file))
        })
    });
    code.chain(samples).chain(published).collect()
}

/// Keeps code and samples, each under its content's hash.
pub(super) fn write_assets(store: &Store, graph: &Graph) -> Result<()> {
    for resource in &graph.resources {
        for (what, sha256, content) in assets(resource) {
            write_asset(store, &resource.name, &what, sha256, content)?;
        }
    }
    Ok(())
}

fn write_asset(store: &Store, owner: &str, what: &str, sha256: &str, content: Option<&bytes::Bytes>) -> Result<()> {
    match content {
        Some(content) if hex::encode(Sha256::digest(content)) == *sha256 => store.write_asset(sha256, content),
        Some(_) => Err(Error::invalid(format!("{owner}: {what} has changed since it was read: try again"))),
        None if store.asset_path(sha256).is_file() => Ok(()),
        None => Err(Error::invalid(format!("{owner}: {what} is missing: nothing was given, and nothing is kept"))),
    }
}
