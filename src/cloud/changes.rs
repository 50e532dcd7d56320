//! News that something in the cloud has changed.

use async_trait::async_trait;

use super::error::Result;

/// News that something in the cloud has changed, whoever did it.
#[async_trait]
pub trait Changes: Send + Sync {
    /// Returns when something has changed since the `seen` mark, with the new mark; begin with 0. A cloud that cannot
    /// tell returns after the time at which looking again is worth its price.
    async fn after(&self, seen: u64) -> Result<u64>;
}
