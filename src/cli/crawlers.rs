//! `crawlers`: crawlers and their crawls.

use clap::Subcommand;

use super::{
    failure::{Failure, Result},
    input,
    names::resolve,
    out::{Cell, Column, note},
    session::Session,
    signals::unless_interrupted,
};
use crate::{
    backend::{Backend, Kind, crawlers},
    cloud::crawlers::{Crawl, CrawlState, Crawler},
};

/// What to do with crawlers.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the crawlers with their last crawls
    List,
    /// List the crawls of a crawler, the newest first
    Crawls {
        /// Its name, or PIPELINE/NAME
        crawler: String,
        /// At most this many
        #[arg(short = 'n', long, default_value_t = 50, value_name = "N", value_parser = input::count, allow_negative_numbers = true)]
        limit: usize,
    },
    /// Start a crawl
    Start {
        /// Its name, or PIPELINE/NAME
        crawler: String,
        /// Wait for its end; exit with 1 unless it succeeds
        #[arg(long)]
        wait: bool,
    },
}

const CRAWLERS: [Column<Crawler>; 8] = [
    ("crawler", |c| Cell::text(&c.name)),
    ("state", |c| Cell::text(c.state.word())),
    ("last crawl", |c| Cell::maybe(c.last_crawl.as_ref(), |l| Cell::text(l.state.word()))),
    ("started", |c| Cell::maybe(c.last_crawl.as_ref().and_then(|l| l.started), Cell::Time)),
    ("location", |c| Cell::text(c.locations.join(", "))),
    ("database", |c| Cell::maybe(c.database.as_ref(), Cell::text)),
    ("schedule", |c| Cell::maybe(c.schedule.as_ref(), Cell::text)),
    ("error", |c| Cell::maybe(c.last_crawl.as_ref().and_then(|l| l.error.as_ref()), Cell::text)),
];

const CRAWLS: [Column<Crawl>; 9] = [
    ("crawl", |c| Cell::maybe(c.id.as_ref(), Cell::text)),
    ("state", |c| Cell::text(c.state.word())),
    ("started", |c| Cell::maybe(c.started, Cell::Time)),
    ("took", |c| Cell::maybe(took(c), Cell::Millis)),
    ("tables made", |c| Cell::maybe(c.tables_created, Cell::Count)),
    ("tables changed", |c| Cell::maybe(c.tables_updated, Cell::Count)),
    ("partitions", |c| Cell::maybe(c.partitions_created, Cell::Count)),
    ("trigger", |c| Cell::maybe(c.trigger.as_ref(), Cell::text)),
    ("error", |c| Cell::maybe(c.error.as_ref(), Cell::text)),
];

fn took(crawl: &Crawl) -> Option<u64> {
    u64::try_from(crawl.ended?.duration_since(crawl.started?).as_millis()).ok()
}

impl Command {
    /// What it changes: the gate's words and the target; none for a command that reads.
    pub fn change(&self) -> Option<(&'static str, &str)> {
        match self {
            Self::List | Self::Crawls { .. } => None,
            Self::Start { crawler, .. } => Some(("crawlers start", crawler)),
        }
    }

    /// Does it.
    pub async fn run(self, s: &Session, backend: &Backend) -> Result {
        match self {
            Self::List => s.out.list(&backend.cloud.crawlers.list().await?, &CRAWLERS, "no crawlers"),
            Self::Crawls { crawler, limit } => {
                let crawler = resolve(backend, Kind::Crawler, &crawler).await?;
                s.out.list(&backend.cloud.crawlers.crawls(&crawler, limit).await?, &CRAWLS, "no crawls yet")
            }
            Self::Start { crawler, wait } => start(s, backend, &crawler, wait).await,
        }
    }
}

async fn start(s: &Session, backend: &Backend, crawler: &str, wait: bool) -> Result {
    let name = resolve(backend, Kind::Crawler, crawler).await?;
    let consent = s.consent(backend, &crawlers::start_effect(&name))?;
    backend.start_crawler(&name, &consent).await?;
    let local = backend.cloud.identity.known().cloud == "local";
    let crawler = if wait || local {
        if !wait {
            note("the embedded cloud crawls in the process that starts it: waiting for its end");
        }
        let consequence = if local { "the crawl has failed: start it again" } else { "the crawl goes on" };
        unless_interrupted(backend.wait_crawler(&name), consequence).await??
    } else {
        backend.cloud.crawlers.get(&name).await?
    };
    let failed = crawler.last_crawl.as_ref().filter(|c| (wait || local) && c.state != CrawlState::Succeeded).map(|c| {
        let why = c.error.as_ref().map_or_else(String::new, |e| format!(": {e}"));
        format!("the crawl of {name} is {}{why}", c.state.word())
    });
    s.out.record(&crawler, CRAWLERS.iter().map(|(title, cell)| (*title, cell(&crawler))).collect())?;
    failed.map_or(Ok(()), |why| Err(Failure::failed(why)))
}
