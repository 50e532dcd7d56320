//! What panes ask for and what comes back. [`super::command`] turns a request into calls.

mod act;
mod loaded;
mod target;
mod words;

use std::{collections::BTreeMap, mem::Discriminant, time::Duration};

use jiff::Timestamp;

use crate::{
    backend::{
        Prices,
        dashboards::Drawn,
        overview::{PipelineSummary, PipelineView},
        preview::Preview,
    },
    cloud::{
        alerts::{Alert, Message, Topic},
        buckets::{Bucket, BucketDetail, Object, ObjectPage, Presigned},
        catalog::{Database, Table},
        crawlers::{Crawl, Crawler},
        jobs::{Bookmark, Job, JobRun},
        logs::{Cursor, InsightsQuery, InsightsResult, Live, LogGroup},
        queries::{QueryExecution, QueryResult, SavedQuery, Workgroup},
        queues::{Queue, QueueMessage},
        releases::Release,
        stacks::{ChangeSet, Drift, Operation, Stack},
        tables::{ItemPage, KeyTable},
    },
};

pub use act::Act;
pub use loaded::Loaded;
pub use target::{Target, physical};
pub use words::{bytes, duration, moment, number};

pub use crate::text::{count, plural};

/// Who and where we are, as the header shows it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Session {
    /// The adapter: `local`, `aws`.
    pub cloud: String,
    /// The environment.
    pub env: String,
    /// Who acts, and where.
    pub identity: String,
    /// Whether every change is refused.
    pub read_only: bool,
    /// Whether the environment is protected: people should see where they are.
    pub protected: bool,
    /// How many times faster than the wall clock the cloud's runs.
    pub speed: f64,
    /// What a person runs to log in again, where there is logging in.
    pub login: Option<String>,
    /// What things cost.
    pub prices: Prices,
    /// The workgroup that is set for queries; none: each pipeline's own.
    pub workgroup: Option<String>,
}

/// Something to read.
#[derive(Debug, Clone, PartialEq)]
pub enum Request {
    /// The pipelines, deployed or not.
    Pipelines,
    /// One pipeline, stage by stage.
    View(String),
    /// What the charts of a dashboard show.
    Dashboard(String),
    /// All buckets.
    Buckets,
    /// One bucket's settings.
    BucketDetail(String),
    /// A page of a bucket's objects.
    Objects {
        /// The bucket.
        bucket: String,
        /// Below this prefix.
        prefix: String,
        /// After this key.
        after: Option<String>,
        /// The same, as the cloud wrote it.
        token: Option<String>,
        /// Old versions, too.
        versions: bool,
    },
    /// One object without its content.
    ObjectDetail {
        /// The bucket.
        bucket: String,
        /// The key.
        key: String,
        /// The version.
        version: Option<String>,
    },
    /// A URL by which whoever has it can read an object for an hour.
    Presign {
        /// The bucket.
        bucket: String,
        /// The key.
        key: String,
        /// The version.
        version: Option<String>,
    },
    /// A look into an object.
    Preview {
        /// The bucket.
        bucket: String,
        /// The key.
        key: String,
        /// The version.
        version: Option<String>,
    },
    /// The key-value tables.
    KeyTables,
    /// One key-value table with its settings.
    KeyTable(String),
    /// A page of a key-value table's items.
    Items {
        /// The table.
        table: String,
        /// Where the page before ended.
        after: Option<serde_json::Value>,
    },
    /// All jobs.
    Jobs,
    /// A job's runs and its bookmark.
    Runs(String),
    /// The newest run of each of these jobs.
    LastRuns(Vec<String>),
    /// All crawlers.
    Crawlers,
    /// A crawler's crawls.
    Crawls(String),
    /// All log groups.
    LogGroups,
    /// Events of a group.
    Logs {
        /// The group.
        group: String,
        /// Which of them.
        reach: Reach,
        /// Go on where that read ended.
        after: Option<Cursor>,
        /// Be sent events as the cloud takes them in.
        live: bool,
        /// Wait so long first.
        wait: Option<Duration>,
    },
    /// A query over events.
    Insights(InsightsQuery),
    /// Thresholds, alarms and topics.
    Alerts,
    /// A topic's messages.
    Inbox(String),
    /// The queues.
    Queues,
    /// The messages of a dead-letter queue.
    DeadLetters(String),
    /// The databases.
    Catalog,
    /// A database's tables.
    Tables(String),
    /// The saved queries.
    Saved,
    /// The workgroups.
    Workgroups,
    /// Past queries.
    History,
    /// A query.
    Query {
        /// The text.
        sql: String,
        /// The database for bare names.
        database: Option<String>,
        /// The workgroup.
        workgroup: Option<String>,
    },
    /// The pipelines, for the pane that deploys them.
    Deployable,
    /// A pipeline's plan, as far as reading alone can tell.
    Plan(String),
    /// A pipeline's plan, as the engine itself says it: on AWS a change set is made for it.
    WholePlan(String),
    /// What was changed behind the back of a pipeline's stack.
    Drift(String),
    /// A pipeline's stack and its past.
    Stack(String),
    /// A stack that no pipeline here made, by its own name, and what was done to it.
    OtherStack(String),
    /// The releases of a pipeline.
    Releases(String),
    /// One release, step by step.
    Release {
        /// The delivery.
        delivery: String,
        /// The release.
        id: String,
    },
    /// What a step of a release has logged last.
    StepLog {
        /// The log group.
        group: String,
        /// The log stream.
        stream: String,
    },
}

/// Which events of a group are read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reach {
    /// Of this log stream, or, with a `*` at its end, of those that begin so.
    pub stream: Option<String>,
    /// Not before this time.
    pub since: Option<Timestamp>,
    /// Only so many of the newest as one read gives, then those that come.
    pub newest: bool,
}

/// Which load a newer one takes the place of.
pub type Slot = Discriminant<Request>;

impl Request {
    /// Which load a newer one takes the place of.
    pub fn slot(&self) -> Slot {
        std::mem::discriminant(self)
    }

    /// The slot of reading events.
    pub fn logs_slot() -> Slot {
        Self::Logs { group: String::new(), reach: Reach::default(), after: None, live: false, wait: None }.slot()
    }

    /// Whether it is a query: it may take its time, nothing else waits for it, and the cloud is told when it is given up.
    pub fn is_query(&self) -> bool {
        matches!(self, Self::Query { .. } | Self::Insights(_))
    }

    /// The number of the pane that asks for it.
    pub fn pane(&self) -> u8 {
        match self {
            Self::Pipelines | Self::View(_) | Self::Dashboard(_) => 1,
            Self::Buckets
            | Self::BucketDetail(_)
            | Self::Objects { .. }
            | Self::ObjectDetail { .. }
            | Self::Presign { .. }
            | Self::Preview { .. }
            | Self::KeyTables
            | Self::KeyTable(_)
            | Self::Items { .. } => 2,
            Self::Jobs | Self::Runs(_) | Self::LastRuns(_) | Self::Crawlers | Self::Crawls(_) => 3,
            Self::LogGroups | Self::Logs { .. } | Self::Insights(_) => 4,
            Self::Alerts | Self::Inbox(_) | Self::Queues | Self::DeadLetters(_) => 5,
            Self::Catalog | Self::Tables(_) | Self::Saved | Self::Workgroups | Self::History | Self::Query { .. } => 6,
            Self::Deployable
            | Self::Plan(_)
            | Self::WholePlan(_)
            | Self::Drift(_)
            | Self::Stack(_)
            | Self::OtherStack(_)
            | Self::Releases(_)
            | Self::Release { .. }
            | Self::StepLog { .. } => 7,
        }
    }
}

/// What came back.
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "each answers the request of its name")]
pub enum Data {
    /// What the charts of a dashboard show.
    Dashboard(Vec<Drawn>),
    Pipelines(Vec<PipelineSummary>),
    View(Box<PipelineView>),
    Buckets(Vec<Bucket>),
    BucketDetail(BucketDetail),
    Objects(ObjectPage),
    ObjectDetail(Object),
    Presigned(Presigned),
    Preview(Object, Preview),
    KeyTables(Vec<KeyTable>),
    KeyTable(KeyTable),
    Items(ItemPage),
    Jobs(Vec<Job>),
    Runs(Vec<JobRun>, Option<Bookmark>),
    LastRuns(BTreeMap<String, JobRun>),
    Crawlers(Vec<Crawler>),
    Crawls(Vec<Crawl>),
    LogGroups(Vec<LogGroup>),
    /// Clean lines with their times in milliseconds.
    Logs {
        lines: Vec<(i64, String)>,
        next: Option<Cursor>,
        more: bool,
        again: Option<Duration>,
        live: Option<Live>,
    },
    Insights(InsightsResult),
    /// And what could not be read, in words.
    Alerts(Vec<Alert>, Vec<Topic>, Vec<String>),
    Inbox(Vec<Message>),
    /// Why a topic has no messages to read.
    NoInbox(String),
    Queues(Vec<Queue>),
    DeadLetters(Vec<QueueMessage>),
    Catalog(Vec<Database>),
    Tables(Vec<Table>),
    Saved(Vec<SavedQuery>),
    Workgroups(Vec<Workgroup>),
    History(Vec<QueryExecution>),
    Query(QueryResult),
    Plan(ChangeSet),
    Drift(Drift),
    Stack(Option<Stack>, Vec<Operation>),
    /// The delivery's name, and its releases.
    Releases(String, Vec<Release>),
    Release(Box<Release>),
    /// Clean lines.
    StepLog(Vec<String>),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_for_people() {
        assert_eq!(bytes(0), "0 B");
        assert_eq!(bytes(1023), "1023 B");
        assert_eq!(bytes(1536), "1.5 KiB");
        assert_eq!(bytes(52_428_800), "50 MiB");
        assert_eq!(count(1_204), "1,204");
        assert_eq!(count(12), "12");
        assert_eq!(count(1_000_000), "1,000,000");
        assert_eq!(plural(1, "row"), "1 row");
        assert_eq!(plural(0, "row"), "0 rows");
        assert_eq!(number(100_000.0), "100,000");
        assert_eq!(number(-1.5), "-1.50");
        assert_eq!(number(99_501.32), "99,501.32");
        assert_eq!(number(0.999), "1.00");
        assert_eq!(number(f64::NAN), "NaN");
        assert_eq!(duration(4_100), "4.1 s");
        assert_eq!(duration(723_000), "12 min 3 s");
    }

    #[test]
    fn what_failed_leaves_what_was() {
        let mut loaded = Loaded::default();
        loaded.ask();
        loaded.answer(Ok(1));
        loaded.answer(Err("no".into()));
        assert_eq!((loaded.value, loaded.error.as_deref(), loaded.loading), (Some(1), Some("no"), false));
    }
}
