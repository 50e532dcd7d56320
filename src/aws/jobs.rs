//! Jobs, their runs and bookmarks (AWS Glue).

use async_trait::async_trait;

use super::Aws;
use crate::cloud::{
    Error, Pages, Permit, Result,
    jobs::{Bookmark, Job, JobRun, Jobs},
};

#[async_trait]
impl Jobs for Aws {
    fn list(&self) -> Pages<'_, Job> {
        Pages::once(async { Err(Error::Unsupported { cloud: "aws", what: "jobs list".into() }) })
    }

    async fn runs(&self, _job: &str, _limit: usize) -> Result<Vec<JobRun>> {
        Err(Error::Unsupported { cloud: "aws", what: "jobs runs".into() })
    }

    async fn run(&self, _job: &str, _id: &str) -> Result<JobRun> {
        Err(Error::Unsupported { cloud: "aws", what: "jobs run".into() })
    }

    async fn start(&self, _permit: &Permit, _job: &str) -> Result<JobRun> {
        Err(Error::Unsupported { cloud: "aws", what: "jobs start".into() })
    }

    async fn stop(&self, _permit: &Permit, _job: &str, _id: &str) -> Result<()> {
        Err(Error::Unsupported { cloud: "aws", what: "jobs stop".into() })
    }

    async fn bookmark(&self, _job: &str) -> Result<Bookmark> {
        Err(Error::Unsupported { cloud: "aws", what: "jobs bookmark".into() })
    }

    async fn reset_bookmark(&self, _permit: &Permit, _job: &str) -> Result<()> {
        Err(Error::Unsupported { cloud: "aws", what: "jobs reset_bookmark".into() })
    }
}
