//! Releases.

use async_trait::async_trait;

use super::Aws;
use crate::cloud::{
    Error, Pages, Permit, Result,
    releases::{Approval, Decision, Delivery, Release, ReleaseRequest, Releases},
};

fn unsupported<T>() -> Result<T> {
    Err(Error::Unsupported { cloud: "aws", what: "releases".into() })
}

#[async_trait]
impl Releases for Aws {
    fn list(&self) -> Pages<'_, Delivery> {
        Pages::once(async { unsupported() })
    }

    async fn releases(&self, _: &str, _: usize) -> Result<Vec<Release>> {
        unsupported()
    }

    async fn get(&self, _: &str, _: &str) -> Result<Release> {
        unsupported()
    }

    async fn start(&self, _: &Permit, _: &ReleaseRequest) -> Result<Release> {
        unsupported()
    }

    async fn decide(&self, _: &Permit, _: &Approval, _: Decision, _: &str) -> Result<()> {
        unsupported()
    }

    async fn stop(&self, _: &Permit, _: &str, _: &str, _: &str) -> Result<()> {
        unsupported()
    }
}
