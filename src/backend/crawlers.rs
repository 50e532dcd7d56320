//! Starting crawlers.

use std::time::Duration;

use super::{Backend, Consent, Effect, Result, Strength};
use crate::cloud::crawlers::{Crawler, CrawlerState};

/// How soon a crawl that is waited for is looked at again: less and less often, the longer it takes.
const POLL: Duration = Duration::from_millis(100);
const SLOWEST_POLL: Duration = Duration::from_secs(10);

/// Starting a crawl.
pub fn start_effect(crawler: &str) -> Effect {
    Effect {
        what: "crawlers start",
        target: crawler.to_owned(),
        sentence: format!("the crawler {crawler} looks at its files, and changes the table that it made"),
        strength: Strength::Free,
    }
}

impl Backend {
    /// Starts a crawl and returns at once.
    pub async fn start_crawler(&self, crawler: &str, consent: &Consent) -> Result<()> {
        let crawlers = self.cloud.crawlers.clone();
        self.gate
            .perform(&start_effect(crawler), consent, |permit| async move { crawlers.start(&permit, crawler).await })
            .await
    }

    /// Returns when a crawler is at rest.
    pub async fn wait_crawler(&self, crawler: &str) -> Result<Crawler> {
        let slowest = if self.cloud.identity.known().cloud == "local" { POLL } else { SLOWEST_POLL };
        let mut wait = POLL;
        loop {
            let now = self.cloud.crawlers.get(crawler).await?;
            if now.state == CrawlerState::Ready {
                return Ok(now);
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(slowest);
        }
    }
}
