//! Which pipeline a resource belongs to, by the tags that a deploy puts on its stack.

use std::{collections::HashMap, sync::Arc};

use super::Aws;

/// The tag that names the pipeline.
pub const PIPELINE_TAG: &str = "pumphouse:pipeline";
/// The tag that names the environment.
pub const ENV_TAG: &str = "pumphouse:env";

/// What is known of the owners.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    known: tokio::sync::Mutex<Option<Arc<Owners>>>,
}

/// Pipelines by the physical ids of their stacks' resources.
#[derive(Debug, Default)]
pub(crate) struct Owners(HashMap<String, String>);

impl Owners {
    /// The pipeline that made the resource of this physical id.
    pub(crate) fn pipeline(&self, physical_id: &str) -> Option<String> {
        self.0.get(physical_id).cloned()
    }

    /// All that is known: physical ids, and the pipelines that made them.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(id, pipeline)| (id.as_str(), pipeline.as_str()))
    }
}

impl Aws {
    /// Who owns what. Where the stacks cannot be read, nobody is known to own anything.
    pub(crate) async fn owners(&self) -> Arc<Owners> {
        self.owners.known.lock().await.get_or_insert_default().clone()
    }
}
