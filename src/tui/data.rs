//! What panes ask for and what comes back. [`super::command`] turns a request into calls.

use std::{collections::BTreeMap, mem::Discriminant, time::Duration};

use jiff::Timestamp;

use crate::{
    backend::{
        Effect, Prices, alerts, buckets, crawlers,
        dashboards::Drawn,
        functions, jobs,
        overview::{PipelineSummary, PipelineView},
        preview::Preview,
        queries, queues, releases,
    },
    cloud::{
        alerts::{Alert, Message, Publish, Topic},
        buckets::{Bucket, BucketDetail, Object, ObjectPage, Presigned},
        catalog::{Database, Table},
        crawlers::{Crawl, Crawler},
        jobs::{Bookmark, Job, JobRun},
        logs::{Cursor, InsightsQuery, InsightsResult, Live, LogGroup},
        queries::{QueryExecution, QueryResult, SavedQuery, Workgroup},
        queues::{Queue, QueueMessage},
        releases::{Decision, Release},
        stacks::{ChangeSet, Drift, Operation, Stack},
        tables::{ItemPage, KeyTable},
    },
};

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

/// Something to change.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "the fields are physical names, where they are not explained")]
pub enum Act {
    StartJob(String),
    StopRun {
        job: String,
        run: String,
    },
    ResetBookmark(String),
    StartCrawler(String),
    SetAlert {
        name: String,
        value: f64,
    },
    Invoke(String),
    Publish {
        topic: String,
        message: String,
    },
    /// The dead letters of this queue, to where they come from.
    Redrive(String),
    DeleteObject {
        bucket: String,
        key: String,
        version: Option<String>,
    },
    /// An object, to a file. It changes nothing in the cloud.
    SaveObject {
        bucket: String,
        key: String,
        version: Option<String>,
        file: String,
    },
    PutFile {
        bucket: String,
        key: String,
        file: String,
    },
    CancelQuery(String),
    /// A whole pipeline, by its own name.
    Run(String),
    /// A pipeline, by its own name.
    Deploy(String),
    /// A pipeline, by its own name.
    Destroy(String),
    /// A delivery's next.
    StartRelease(String),
    /// Somebody's word on what waits.
    Decide(releases::Word),
    StopRelease {
        delivery: String,
        release: String,
    },
    /// What is under way in a pipeline's stack, by the pipeline's own name.
    Interrupt(String),
}

impl Act {
    /// What it will do, and the confirmation that it deserves; none where the backend has to look first.
    pub fn effect(&self) -> Option<Effect> {
        Some(match self {
            Self::StartJob(job) => jobs::start_effect(job),
            Self::StopRun { job, run } => jobs::stop_effect(job, run),
            Self::ResetBookmark(job) => jobs::reset_effect(job),
            Self::StartCrawler(crawler) => crawlers::start_effect(crawler),
            Self::SetAlert { name, value } => alerts::set_effect(name, *value),
            Self::Invoke(function) => functions::invoke_effect(function),
            Self::Publish { topic, .. } => alerts::publish_effect(topic),
            Self::Redrive(queue) => queues::redrive_effect(queue),
            Self::DeleteObject { bucket, key, version } => buckets::delete_effect(bucket, key, version.as_deref()),
            Self::SaveObject { bucket, key, .. } => buckets::save_effect(bucket, key),
            Self::PutFile { bucket, key, .. } => buckets::put_effect(bucket, key),
            Self::CancelQuery(id) => queries::cancel_effect(id),
            Self::StartRelease(delivery) => releases::start_effect(delivery, None),
            Self::StopRelease { delivery, release } => releases::stop_effect(delivery, release),
            Self::Run(_) | Self::Deploy(_) | Self::Destroy(_) | Self::Interrupt(_) | Self::Decide(_) => return None,
        })
    }

    /// Whether something in the cloud is changed.
    pub fn changes(&self) -> bool {
        !matches!(self, Self::SaveObject { .. })
    }

    /// What it is, in a few words: "deploy crypto-stream".
    pub fn words(&self) -> String {
        match self {
            Self::Run(pipeline) => format!("run {pipeline}"),
            Self::Deploy(pipeline) => format!("deploy {pipeline}"),
            Self::Destroy(pipeline) => format!("destroy {pipeline}"),
            Self::Decide(word) => {
                let verb = if word.decision == Decision::Approve { "approve" } else { "reject" };
                format!("{verb} release {}", word.approval.release)
            }
            Self::Interrupt(pipeline) => format!("interrupt {pipeline}"),
            other => other.effect().map(|e| format!("{} {}", e.what, e.target)).unwrap_or_default(),
        }
    }

    /// A message to publish.
    pub fn publish(message: &str) -> Publish {
        Publish { message: message.to_owned(), ..Publish::default() }
    }
}

/// Something that the console can show: where to jump.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are physical names")]
pub enum Target {
    Pipeline(String),
    Bucket(String),
    /// The items of a key-value table.
    KeyTable(String),
    Job(String),
    /// The newest run of the job that failed.
    FailedRun(String),
    /// The newest crawl of the crawler.
    Crawler(String),
    /// Its newest crawl that failed.
    FailedCrawl(String),
    LogGroup(String),
    /// The last error in the group.
    LogError(String),
    /// The lines of a job's run.
    RunLog {
        group: String,
        /// Its stream, or what its streams' names begin with.
        stream: String,
        /// Whether to go to the last error among them.
        error: bool,
    },
    /// What a query over the events of the group that is open finds.
    Insights(String),
    Alert(String),
    /// What is in ALARM, of the pipeline with this name.
    Alarm(String),
    Topic(String),
    Queue(String),
    Sql(String),
    /// The releases of the pipeline with this name.
    Releases(String),
}

impl Target {
    /// The number of the pane that shows it.
    pub fn pane(&self) -> u8 {
        match self {
            Self::Pipeline(_) => 1,
            Self::Bucket(_) | Self::KeyTable(_) => 2,
            Self::Job(_) | Self::FailedRun(_) | Self::Crawler(_) | Self::FailedCrawl(_) => 3,
            Self::LogGroup(_) | Self::LogError(_) | Self::RunLog { .. } | Self::Insights(_) => 4,
            Self::Alert(_) | Self::Alarm(_) | Self::Topic(_) | Self::Queue(_) => 5,
            Self::Sql(_) => 6,
            Self::Releases(_) => 7,
        }
    }
}

/// The physical name of what goes by PIPELINE/NAME in an environment; none where it is not written like this.
pub fn physical(name: &str, env: &str) -> Option<String> {
    let (pipeline, name) = name.split_once('/')?;
    let plain = |word: &str| !word.is_empty() && !word.contains('/');
    (plain(pipeline) && plain(name)).then(|| format!("{pipeline}-{env}-{name}"))
}

/// Something that is read: the newest that came, and how the last attempt went.
#[derive(Debug, Clone)]
pub struct Loaded<T> {
    /// The newest that came.
    pub value: Option<T>,
    /// Why the last attempt failed; the value is then old.
    pub error: Option<String>,
    /// Whether an answer is awaited.
    pub loading: bool,
    /// How much of a list has come so far, by the last attempt.
    pub arrived: u64,
}

impl<T> Default for Loaded<T> {
    fn default() -> Self {
        Self { value: None, error: None, loading: false, arrived: 0 }
    }
}

impl<T> Loaded<T> {
    /// Notes that it has been asked for.
    pub fn ask(&mut self) {
        self.loading = true;
        self.arrived = 0;
    }

    /// Notes that `n` more of a list came. Whether they are to be shown at once: where a whole list is there already, it
    /// stays until the next is whole.
    pub fn arrive(&mut self, n: usize) -> bool {
        self.arrived += n as u64;
        self.value.is_none()
    }

    /// A title, with how far a list has come that is still arriving.
    pub fn title(&self, title: &str) -> String {
        if self.loading && self.arrived > 0 {
            return format!("{title} · loading … {}", count(self.arrived));
        }
        title.to_owned()
    }

    /// Notes the answer. What was there before stays where it failed.
    pub fn answer(&mut self, result: Result<T, String>) {
        self.loading = false;
        match result {
            Ok(value) => {
                self.value = Some(value);
                self.error = None;
            }
            Err(error) => self.error = Some(error),
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

/// A moment as panes show it: the time of day for today's, with the date for others.
pub fn moment(time: Timestamp, now: Timestamp) -> String {
    let day = |t: Timestamp| t.strftime("%Y-%m-%d").to_string();
    if day(time) == day(now) {
        time.strftime("%H:%M:%S").to_string()
    } else {
        time.strftime("%Y-%m-%d %H:%M").to_string()
    }
}

/// Bytes as a person reads them: `1.2 MiB`.
pub fn bytes(n: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if n < 1024 {
        return format!("{n} B");
    }
    let (mut value, mut unit) = (n as f64 / 1024.0, "KiB");
    for next in UNITS.iter().skip(1) {
        if value < 1024.0 {
            break;
        }
        value /= 1024.0;
        unit = next;
    }
    if value < 10.0 { format!("{value:.1} {unit}") } else { format!("{value:.0} {unit}") }
}

/// A number with its thousands apart: `1,204`.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// So many of something, as a person writes it: `1 row`, `1,204 rows`.
pub fn plural(n: u64, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{} {what}s", count(n)) }
}

/// A measured number: whole ones without decimals.
pub fn number(value: f64) -> String {
    if !value.is_finite() || value.abs() >= 1e15 {
        return format!("{value:e}");
    }
    let sign = if value < 0.0 { "-" } else { "" };
    // Rounded first, so that 0.999 is 1 and not 0.100.
    let text = format!("{:.2}", value.abs());
    let (whole, part) = text.split_once('.').unwrap_or((&text, "00"));
    let whole = count(whole.parse().unwrap_or(0));
    if value.fract() == 0.0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{part}") }
}

/// A duration as a person reads it: `4.1 s`, `12 min 3 s`.
pub fn duration(ms: i64) -> String {
    let ms = ms.max(0);
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
        60_000..3_600_000 => format!("{} min {} s", ms / 60_000, ms % 60_000 / 1000),
        _ => format!("{} h {} min", ms / 3_600_000, ms % 3_600_000 / 60_000),
    }
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
