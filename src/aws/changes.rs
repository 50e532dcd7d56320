//! AWS does not tell what has changed: it is looked at again from time to time.

use std::time::Duration;

use async_trait::async_trait;

use super::Aws;
use crate::cloud::{Result, changes::Changes};

/// How long what was read counts as fresh.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

#[async_trait]
impl Changes for Aws {
    async fn after(&self, seen: u64) -> Result<u64> {
        tokio::time::sleep(self.client.options().refresh.unwrap_or(LOOK_AGAIN)).await;
        Ok(seen + 1)
    }
}
