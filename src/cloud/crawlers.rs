//! Crawlers: they look at files and make tables of the catalog from what they find (AWS Glue crawlers).

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{error::Result, pages::Pages, permit::Permit};

/// A crawler.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Crawler {
    /// Its name.
    pub name: String,
    /// The pipeline it belongs to.
    pub pipeline: Option<String>,
    /// The database of its tables.
    pub database: Option<String>,
    /// What the names of its tables begin with.
    pub table_prefix: Option<String>,
    /// Where it looks: `s3://bucket/input/`.
    pub locations: Vec<String>,
    /// What it does now.
    pub state: CrawlerState,
    /// When it runs by itself.
    pub schedule: Option<String>,
    /// When it runs next by itself.
    pub next_run: Option<Timestamp>,
    /// The log group that it writes to.
    pub log_group: String,
    /// Its newest crawl that is over.
    pub last_crawl: Option<Crawl>,
}

/// What a crawler does now, in AWS Glue's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum CrawlerState {
    /// Nothing: it can be started.
    Ready,
    /// It crawls.
    Running,
    /// It has done so, and tidies up: it cannot be started yet.
    Stopping,
}

impl CrawlerState {
    /// AWS's word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ready => "READY",
            Self::Running => "RUNNING",
            Self::Stopping => "STOPPING",
        }
    }
}

/// How a crawl is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum CrawlState {
    /// Accepted, not at work.
    Starting,
    /// At work.
    Running,
    /// Done.
    Succeeded,
    /// Failed; its `error` says why.
    Failed,
    /// Ended on request.
    Cancelled,
}

impl CrawlState {
    /// Whether the crawl is over.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Starting => "STARTING",
            Self::Running => "RUNNING",
            Self::Succeeded => "SUCCEEDED",
            Self::Failed => "FAILED",
            Self::Cancelled => "CANCELLED",
        }
    }
}

/// One crawl. What AWS leaves out is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Crawl {
    /// Its id.
    pub id: Option<String>,
    /// The crawler.
    pub crawler: String,
    /// How it is.
    pub state: CrawlState,
    /// What started it.
    pub trigger: Option<String>,
    /// When it started.
    pub started: Option<Timestamp>,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// Tables that it made.
    pub tables_created: Option<u64>,
    /// Tables that it changed.
    pub tables_updated: Option<u64>,
    /// Partitions that it found.
    pub partitions_created: Option<u64>,
    /// Why it failed.
    pub error: Option<String>,
    /// The log stream that it writes to.
    pub log_stream: Option<String>,
}

/// Crawlers.
#[async_trait]
pub trait Crawlers: Send + Sync {
    /// All crawlers, by name.
    fn list(&self) -> Pages<'_, Crawler>;
    /// One crawler.
    async fn get(&self, crawler: &str) -> Result<Crawler>;
    /// A crawler's crawls, the newest first.
    async fn crawls(&self, crawler: &str, limit: usize) -> Result<Vec<Crawl>>;
    /// Starts a crawl and returns at once (`glue:StartCrawler`).
    ///
    /// # Errors
    /// [`super::Error::Conflict`] while the crawler is at work (`CrawlerRunningException`).
    async fn start(&self, permit: &Permit, crawler: &str) -> Result<()>;
}
