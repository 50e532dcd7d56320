//! `releases plan`, `releases deploy`, `releases destroy`: the stack that delivers a pipeline.

use super::super::{
    failure::{Failure, Result},
    session::Session,
};
use crate::{
    backend::Backend,
    cloud::{Error, releases::delivery_name},
};

/// Whose delivery.
#[derive(Debug, clap::Args)]
pub struct Delivery {
    /// The pipeline's name
    pub pipeline: String,
}

/// Whose delivery goes.
#[derive(Debug, clap::Args)]
pub struct Destroy {
    /// The pipeline's name
    pub pipeline: String,
}

impl Delivery {
    /// Shows what a deploy would do.
    pub async fn plan(&self, _: &Session, backend: &Backend) -> Result {
        not_here(backend, &self.pipeline).await
    }

    /// Deploys the stack.
    pub async fn deploy(&self, _: &Session, backend: &Backend) -> Result {
        not_here(backend, &self.pipeline).await
    }
}

impl Destroy {
    /// Destroys the stack.
    pub async fn run(&self, _: &Session, backend: &Backend) -> Result {
        not_here(backend, &self.pipeline).await
    }
}

async fn not_here(backend: &Backend, pipeline: &str) -> Result {
    let cloud = if backend.cloud.identity.ask().await?.cloud == "local" { "local" } else { "aws" };
    let what = format!("a stack {}: releases need none there", delivery_name(pipeline));
    Err(Failure::failed(Error::Unsupported { cloud, what }))
}
