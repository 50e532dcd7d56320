//! Runs of a whole pipeline: which stages an interrupted one has behind it.

use async_trait::async_trait;

use super::Aws;
use crate::cloud::{
    Error, Permit, Result,
    runs::{PipelineRun, Runs},
};

#[async_trait]
impl Runs for Aws {
    async fn list(&self, _stack: &str, _limit: usize) -> Result<Vec<PipelineRun>> {
        Err(Error::Unsupported { cloud: "aws", what: "runs list".into() })
    }

    async fn begin(&self, _permit: &Permit, _run: &PipelineRun) -> Result<()> {
        Err(Error::Unsupported { cloud: "aws", what: "runs begin".into() })
    }

    async fn save(&self, _permit: &Permit, _run: &PipelineRun) -> Result<()> {
        Err(Error::Unsupported { cloud: "aws", what: "runs save".into() })
    }
}
