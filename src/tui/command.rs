//! What the console wants done: each command is a task of its own, whose outcome comes back as a message.

use std::{collections::HashMap, path::PathBuf, sync::OnceLock};

use tokio::{sync::mpsc::UnboundedSender, task::AbortHandle};
use tokio_util::sync::CancellationToken;

use super::{
    data::{Act, Request, Slot},
    fetch,
    link::{self, Switch, Trouble},
    msg::Msg,
    panes::buckets::Sieve,
    popups::locked::{Again, Locked},
    widgets::lines::{Needle, Snapshot},
};
use crate::{
    backend::{
        Backend, Consent,
        run::RunOptions,
        transfers::{Download, OnMove, Upload},
    },
    cloud::{functions::Invoke, releases::Decision, stacks::Waiting},
};

/// Something that the console wants done.
#[derive(Debug)]
pub enum Command {
    /// Read something; a read in the same slot that is not done is given up.
    Load {
        /// What.
        request: Request,
        /// Comes back with the answer.
        generation: u64,
    },
    /// Read everything anew, also what was read a moment ago.
    Forget,
    /// Give up a read.
    Cancel(Slot),
    /// Search log lines.
    Search {
        /// The lines.
        snapshot: Snapshot,
        /// What to look for.
        needle: Needle,
        /// Where to begin.
        from: usize,
        /// Comes back with the answer.
        generation: u64,
    },
    /// Filter a long list.
    Filter(Sieve),
    /// Find out what a change would do.
    Judge(Act),
    /// Change something.
    Act {
        /// What.
        act: Act,
        /// The confirmation that was given.
        consent: Consent,
    },
    /// Open the backend again, where one was with what was named inside.
    Open(Switch),
    /// Open another backend in place of this one, if it can be used.
    Switch(Switch),
    /// Come back after a pause.
    Pause {
        /// How long it is.
        after: std::time::Duration,
        /// Comes back.
        generation: u64,
    },
    /// Stop until the shell continues us.
    Suspend,
    /// Draw everything anew.
    Redraw,
    /// Leave.
    Quit,
}

/// How long a query that is stopped is waited for by whoever leaves.
const STOP: std::time::Duration = std::time::Duration::from_secs(2);

/// Runs commands on a backend.
pub struct Executor {
    backend: Backend,
    tx: UnboundedSender<Msg>,
    /// What is being read; and whether the cloud is told when it is given up, as a query is.
    loads: HashMap<Slot, (AbortHandle, CancellationToken, bool)>,
    /// What runs as long as the backend is used.
    watching: Vec<AbortHandle>,
}

/// The shortest time between two refreshes for changes.
const REFRESH: std::time::Duration = std::time::Duration::from_millis(300);
/// How long to wait after the cloud's news could not be read.
const NEWS_RETRY: std::time::Duration = std::time::Duration::from_secs(5);

impl Executor {
    /// Runs commands on `backend` and watches it for changes; what happens goes to `tx`.
    pub fn new(backend: Backend, tx: UnboundedSender<Msg>) -> Self {
        let (news, changed) = (backend.cloud.changes.clone(), tx.clone());
        let changes = tokio::spawn(async move {
            let mut seen = 0;
            loop {
                match news.after(seen).await {
                    Ok(mark) => {
                        seen = mark;
                        if changed.send(Msg::Changed).is_err() {
                            return;
                        }
                        tokio::time::sleep(REFRESH).await;
                    }
                    Err(error) => {
                        tracing::warn!(%error, "news of changes could not be read");
                        tokio::time::sleep(NEWS_RETRY).await;
                    }
                }
            }
        })
        .abort_handle();
        let mut watching = vec![changes];
        // A cloud behind a network is asked who we are once the first frame is there.
        if backend.cloud.traffic.traffic().is_some() {
            watching.push(tokio::spawn(link::identify(backend.cloud.clone(), tx.clone())).abort_handle());
            watching.push(tokio::spawn(link::watch(backend.cloud.traffic.clone(), tx.clone())).abort_handle());
        }
        Self { backend, tx, loads: HashMap::new(), watching }
    }

    /// Starts what a command asks for. Those that concern the terminal are left to the caller.
    pub fn execute(&mut self, command: Command) {
        let tx = self.tx.clone();
        match command {
            Command::Load { request, generation } => {
                let slot = request.slot();
                self.cancel(slot);
                let backend = self.backend.clone();
                let token = CancellationToken::new();
                let (cancel, told_of) = (token.clone(), request.is_query());
                let task = tokio::spawn(async move {
                    let part = |part| {
                        let now = backend.cloud.clock.now();
                        let _ = tx.send(Msg::Arrived { request: request.clone(), generation, part, now });
                    };
                    let work = fetch::fetch(&backend, &request, cancel, &part);
                    let result = match &request {
                        Request::WholePlan(pipeline) | Request::Drift(pipeline) => {
                            waiting(&backend, pipeline, work, &tx).await
                        }
                        _ => work.await,
                    };
                    let again = Again::Load(request.clone(), generation);
                    if let Some(locked) = result.as_ref().err().and_then(|error| Locked::of(error, again)) {
                        let _ = tx.send(Msg::Locked(Box::new(locked)));
                    }
                    let now = backend.cloud.clock.now();
                    let remote = backend.cloud.traffic.traffic().is_some();
                    if let Some(trouble) = result.as_ref().err().filter(|_| remote).and_then(Trouble::of) {
                        let _ = tx.send(Msg::Troubled { request: request.clone(), generation, trouble });
                    }
                    let _ = tx.send(Msg::Loaded { request, generation, result: result.map_err(|e| told(&e)), now });
                });
                self.loads.insert(slot, (task.abort_handle(), token, told_of));
            }
            Command::Forget => self.backend.forget(),
            Command::Cancel(slot) => self.cancel(slot),
            Command::Pause { after, generation } => {
                tokio::spawn(async move {
                    tokio::time::sleep(after).await;
                    let _ = tx.send(Msg::Again(generation));
                });
            }
            Command::Search { snapshot, needle, from, generation } => {
                tokio::task::spawn_blocking(move || {
                    let found = snapshot.search(&needle, from);
                    let _ = tx.send(Msg::Searched { generation, upto: snapshot.end(), found });
                });
            }
            Command::Filter(sieve) => {
                tokio::task::spawn_blocking(move || {
                    if let Some((generation, found)) = sieve.run() {
                        let _ = tx.send(Msg::Filtered { generation, found });
                    }
                });
            }
            Command::Judge(act) => {
                let backend = self.backend.clone();
                tokio::spawn(async move {
                    let result = match &act {
                        Act::Deploy(pipeline) => {
                            waiting(&backend, pipeline, backend.deploy_effect(pipeline), &tx).await
                        }
                        Act::Destroy(pipeline) => {
                            waiting(&backend, pipeline, backend.destroy_effect(pipeline), &tx).await
                        }
                        Act::Unlock { pipeline, lock } => backend.unlock_effect(pipeline, lock),
                        Act::Run(pipeline) => Ok(backend.run_effect(pipeline)),
                        Act::Decide(word) => Ok(backend.decide_effect(word)),
                        Act::Interrupt(pipeline) => Ok(backend.interrupt_effect(pipeline)),
                        other => other.effect().ok_or_else(|| crate::backend::Error::Usage(other.words())),
                    };
                    let again = Again::Act(act.clone());
                    let _ = match result.as_ref().err().and_then(|error| Locked::of(error, again)) {
                        Some(locked) => tx.send(Msg::Locked(Box::new(locked))),
                        None => tx.send(Msg::Judged { act, result: result.map_err(|e| told(&e)) }),
                    };
                });
            }
            Command::Act { act, consent } => {
                let backend = self.backend.clone();
                tokio::spawn(async move {
                    let result = perform(&backend, &act, &consent, &tx).await;
                    let again = Again::Act(act.clone());
                    if let Some(locked) = result.as_ref().err().and_then(|error| Locked::of(error, again)) {
                        let _ = tx.send(Msg::Locked(Box::new(locked)));
                    }
                    let _ = tx.send(Msg::Acted { act, result: result.map_err(|e| told(&e)) });
                });
            }
            Command::Open(_) | Command::Switch(_) | Command::Suspend | Command::Redraw | Command::Quit => {}
        }
    }

    /// Stops a query that is at work, where the cloud would go on with it, and waits a moment for that.
    pub async fn stop_query(&mut self) {
        let slot = (Request::Query { sql: String::new(), database: None, workgroup: None }).slot();
        let Some((task, token, _)) = self.loads.remove(&slot) else { return };
        token.cancel();
        let until = tokio::time::Instant::now() + STOP;
        while !task.is_finished() && tokio::time::Instant::now() < until {
            tokio::time::sleep(STOP / 100).await;
        }
    }

    /// A query is told to stop, so that the cloud stops it, too; everything else is simply not waited for.
    fn cancel(&mut self, slot: Slot) {
        if let Some((task, token, told)) = self.loads.remove(&slot) {
            token.cancel();
            if !told {
                task.abort();
            }
        }
    }
}

impl Drop for Executor {
    fn drop(&mut self) {
        self.watching.iter().for_each(AbortHandle::abort);
        for (task, token, _) in self.loads.values() {
            token.cancel();
            task.abort();
        }
    }
}

/// An error in a line that helps: a missing permission is named with what to do.
pub(super) fn told(error: &crate::backend::Error) -> String {
    use crate::{backend::Error, cloud::Error as CloudError};
    match error {
        Error::Cloud(CloudError::AccessDenied { action, target }) => {
            format!("access denied: allow {action} on {target} to see this")
        }
        other => other.to_string(),
    }
}

async fn perform(
    backend: &Backend,
    act: &Act,
    consent: &Consent,
    news: &UnboundedSender<Msg>,
) -> crate::backend::Result<String> {
    Ok(match act {
        Act::StartJob(job) => format!("{job}: run {} started", backend.start_job(job, consent).await?.id),
        Act::StopRun { job, run } => {
            backend.stop_job(job, run, consent).await?;
            format!("{job}: run {run} is asked to stop")
        }
        Act::ResetBookmark(job) => {
            backend.reset_bookmark(job, consent).await?;
            format!("{job}: the bookmark is reset; the next run reads everything")
        }
        Act::StartCrawler(crawler) => {
            backend.start_crawler(crawler, consent).await?;
            format!("{crawler}: a crawl started")
        }
        Act::SetAlert { name, value } => {
            backend.set_alert(name, *value, consent).await?;
            format!("{name} is now {}", super::data::number(*value))
        }
        Act::Invoke(function) => {
            let request = Invoke {
                function: function.clone(),
                event: serde_json::json!({}),
                request_id: None,
                sources: std::collections::BTreeMap::new(),
            };
            let outcome = backend.invoke(request, consent).await?;
            match outcome.error {
                Some(error) => return Err(crate::cloud::Error::Failed(format!("{function}: {error}")).into()),
                None => format!("{function} ended after {} ms", outcome.duration_ms),
            }
        }
        Act::Publish { topic, message } => {
            backend.publish(topic, &Act::publish(message), consent).await?;
            format!("published to {topic}")
        }
        Act::Redrive(queue) => {
            let done = backend.redrive(queue, consent).await?;
            let moved = done.moved.map_or_else(|| "messages".to_owned(), |n| format!("{n} messages"));
            format!("{queue}: {moved} went back to where they came from ({})", done.status.to_lowercase())
        }
        Act::DeleteObject { bucket, key, version } => {
            backend.delete_object(bucket, key, version.as_deref(), consent).await?;
            format!("s3://{bucket}/{key} is deleted")
        }
        Act::SaveObject { bucket, key, version, file } => {
            let progress = moved(act, news);
            let file = &home(file);
            let (bucket, key, version) = (bucket.as_str(), key.as_str(), version.as_deref());
            let download = Download { bucket, key, version, file, resume: true, progress };
            let object = backend.download(&download).await?;
            format!("{}: {} of s3://{bucket}/{key}", file.display(), super::data::bytes(object.size))
        }
        Act::PutFile { bucket, key, file } => {
            let progress = moved(act, news);
            let (bucket, key, file) = (bucket.as_str(), key.as_str(), &home(file));
            let upload = Upload { bucket, key, file, content_type: None, resume: true, progress };
            let object = backend.upload(&upload, consent).await?;
            format!("s3://{bucket}/{key} is put: {}", super::data::bytes(object.size))
        }
        Act::CancelQuery(id) => {
            backend.cancel_query(id, consent).await?;
            format!("query {id} is cancelled")
        }
        Act::Run(pipeline) => {
            let (progress, mut events) = tokio::sync::mpsc::unbounded_channel();
            let (name, news) = (pipeline.clone(), news.clone());
            tokio::spawn(async move {
                while let Some(progress) = events.recv().await {
                    let _ = news.send(Msg::RunProgress { pipeline: name.clone(), progress });
                }
            });
            let report = backend.run(pipeline, &RunOptions::default(), consent, progress).await?;
            if let Some(stage) = report.stages.iter().find(|s| s.status == "FAILED") {
                let why = stage.error.as_deref().unwrap_or("no reason was given");
                return Err(crate::cloud::Error::Failed(format!("{pipeline}: {} failed: {why}", stage.name)).into());
            }
            format!("{pipeline} ran through its {} stages", report.stages.len())
        }
        Act::Deploy(pipeline) => {
            let stack = backend.deploy(pipeline, consent, forward(news)).await?;
            format!("{} is {}", stack.name, stack.status.word())
        }
        Act::StartRelease(delivery) => {
            let release = backend.start_release(delivery, None, consent).await?;
            format!("release {} is started", release.id)
        }
        Act::Decide(word) => {
            backend.decide_release(word, consent).await?;
            let verb = if word.decision == Decision::Approve { "approved" } else { "rejected" };
            format!("release {} is {verb}", word.approval.release)
        }
        Act::StopRelease { delivery, release } => {
            backend.stop_release(delivery, release, "", consent).await?;
            format!("release {release} is asked to stop")
        }
        Act::Interrupt(pipeline) => {
            backend.interrupt(pipeline).await?;
            format!("{pipeline}: Terraform is asked to stop")
        }
        Act::Unlock { pipeline, lock } => {
            backend.unlock(pipeline, lock, consent).await?;
            format!("{pipeline}: the lock {lock} is taken away; p plans again")
        }
        Act::Destroy(pipeline) => {
            let kept = backend.destroy(pipeline, &[], consent, forward(news)).await?.retained;
            let names: Vec<_> = kept.iter().map(|r| r.physical_name.as_str()).collect();
            let kept = if names.is_empty() { String::new() } else { format!("; kept: {}", names.join(", ")) };
            format!("{} is destroyed{kept}", backend.stack_name(pipeline))
        }
    })
}

/// Does something with a pipeline's stack, and tells how long it still waits for a lock.
async fn waiting<T>(
    backend: &Backend,
    pipeline: &str,
    work: impl Future<Output = T>,
    news: &UnboundedSender<Msg>,
) -> T {
    let told = OnceLock::new();
    let tell = |waiting: &Waiting| {
        let left = waiting.left();
        let _ = told.set(());
        let _ = news.send(Msg::Waits(format!("{left} s left, {}", waiting.why)));
    };
    let done = backend.telling(pipeline, work, tell).await;
    if told.get().is_some() {
        let _ = news.send(Msg::Waits(String::new()));
    }
    done
}

/// A file as a person names it, with the home folder for `~`.
fn home(file: &str) -> PathBuf {
    match (file.strip_prefix("~/"), std::env::home_dir()) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => file.into(),
    }
}

/// How far a transfer is, as messages.
fn moved(act: &Act, news: &UnboundedSender<Msg>) -> OnMove {
    let (act, news) = (act.clone(), news.clone());
    OnMove::new(move |moved| _ = news.send(Msg::Moved { act: act.clone(), moved }))
}

/// Progress of a deploy as messages.
fn forward(news: &UnboundedSender<Msg>) -> crate::cloud::stacks::Progress {
    let (progress, mut events) = tokio::sync::mpsc::unbounded_channel();
    let news = news.clone();
    tokio::spawn(async move {
        while let Some(event) = events.recv().await {
            let _ = news.send(Msg::Progress(event));
        }
    });
    progress
}
