//! Stand-in until the port is written.
#![allow(unused_variables, unused_imports)]
use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::Local;
use crate::cloud::resources::Graph;
use crate::cloud::{Error, Permit, Result, stacks::*};

#[async_trait]
impl Stacks for Local {
    async fn list(&self) -> Result<Vec<Stack>> {
        Err(Error::Unsupported { cloud: "local", what: "stacks.list".into() })
    }
    async fn get(&self, stack: &str) -> Result<Option<Stack>> {
        Err(Error::Unsupported { cloud: "local", what: "stacks.get".into() })
    }
    async fn plan(&self, request: &StackRequest) -> Result<ChangeSet> {
        Err(Error::Unsupported { cloud: "local", what: "stacks.plan".into() })
    }
    async fn apply(&self, permit: &Permit, request: &StackRequest, progress: Progress) -> Result<Stack> {
        Err(Error::Unsupported { cloud: "local", what: "stacks.apply".into() })
    }
    async fn destroy(&self, permit: &Permit, stack: &str, progress: Progress) -> Result<()> {
        Err(Error::Unsupported { cloud: "local", what: "stacks.destroy".into() })
    }
    async fn events(&self, stack: &str, limit: usize) -> Result<Vec<StackEvent>> {
        Err(Error::Unsupported { cloud: "local", what: "stacks.events".into() })
    }
    async fn history(&self, stack: &str, limit: usize) -> Result<Vec<Operation>> {
        Err(Error::Unsupported { cloud: "local", what: "stacks.history".into() })
    }
}
