//! What panes ask to be changed.

use crate::{
    backend::{Effect, alerts, buckets, crawlers, functions, jobs, queries, queues, releases},
    cloud::{alerts::Publish, releases::Decision},
};

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
    /// The lock on the state of a pipeline's stack, by its id.
    Unlock {
        pipeline: String,
        lock: String,
    },
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
            Self::Run(_)
            | Self::Deploy(_)
            | Self::Destroy(_)
            | Self::Interrupt(_)
            | Self::Unlock { .. }
            | Self::Decide(_) => return None,
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
            Self::Unlock { pipeline, .. } => format!("unlock {pipeline}"),
            other => other.effect().map(|e| format!("{} {}", e.what, e.target)).unwrap_or_default(),
        }
    }

    /// A message to publish.
    pub fn publish(message: &str) -> Publish {
        Publish { message: message.to_owned(), ..Publish::default() }
    }
}
