//! Stacks, change sets, stack events (AWS CloudFormation).

mod kinds;
mod show;
mod template;

use async_trait::async_trait;

use super::Aws;
use crate::cloud::{
    Error, Pages, Permit, Result,
    stacks::{ChangeSet, Destroyed, Operation, Progress, Stack, StackEvent, StackRequest, Stacks},
};

#[async_trait]
impl Stacks for Aws {
    fn list(&self) -> Pages<'_, Stack> {
        Pages::once(async { Err(Error::Unsupported { cloud: "aws", what: "stacks list".into() }) })
    }

    async fn get(&self, _stack: &str) -> Result<Option<Stack>> {
        Err(Error::Unsupported { cloud: "aws", what: "stacks get".into() })
    }

    async fn plan(&self, _request: &StackRequest) -> Result<ChangeSet> {
        Err(Error::Unsupported { cloud: "aws", what: "stacks plan".into() })
    }

    async fn apply(&self, _permit: &Permit, _request: &StackRequest, _progress: Progress) -> Result<Stack> {
        Err(Error::Unsupported { cloud: "aws", what: "stacks apply".into() })
    }

    async fn destroy(
        &self,
        _permit: &Permit,
        _stack: &str,
        _retain: &[String],
        _progress: Progress,
    ) -> Result<Destroyed> {
        Err(Error::Unsupported { cloud: "aws", what: "stacks destroy".into() })
    }

    async fn events(&self, _stack: &str, _limit: usize) -> Result<Vec<StackEvent>> {
        Err(Error::Unsupported { cloud: "aws", what: "stacks events".into() })
    }

    async fn history(&self, _stack: &str, _limit: usize) -> Result<Vec<Operation>> {
        Err(Error::Unsupported { cloud: "aws", what: "stacks history".into() })
    }
}
