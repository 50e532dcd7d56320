//! Stand-in until the port is written.
#![allow(unused_variables, unused_imports)]
use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::Local;
use crate::cloud::{Error, Permit, Result, jobs::*};

#[async_trait]
impl Jobs for Local {
    async fn list(&self) -> Result<Vec<Job>> {
        Err(Error::Unsupported { cloud: "local", what: "jobs.list".into() })
    }
    async fn runs(&self, job: &str, limit: usize) -> Result<Vec<JobRun>> {
        Err(Error::Unsupported { cloud: "local", what: "jobs.runs".into() })
    }
    async fn run(&self, job: &str, id: &str) -> Result<JobRun> {
        Err(Error::Unsupported { cloud: "local", what: "jobs.run".into() })
    }
    async fn start(&self, permit: &Permit, job: &str) -> Result<JobRun> {
        Err(Error::Unsupported { cloud: "local", what: "jobs.start".into() })
    }
    async fn stop(&self, permit: &Permit, job: &str, id: &str) -> Result<()> {
        Err(Error::Unsupported { cloud: "local", what: "jobs.stop".into() })
    }
    async fn bookmark(&self, job: &str) -> Result<Bookmark> {
        Err(Error::Unsupported { cloud: "local", what: "jobs.bookmark".into() })
    }
    async fn reset_bookmark(&self, permit: &Permit, job: &str) -> Result<()> {
        Err(Error::Unsupported { cloud: "local", what: "jobs.reset_bookmark".into() })
    }
}
