//! What was read of a cloud behind a network, which wants to be spared: it is read again when it is due, when something
//! that is read anyway says that it has changed, or when somebody asks for it.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use jiff::Timestamp;

use super::{
    Backend, Result,
    overview::{Facts, TimelineEntry},
};
use crate::cloud::{
    functions::Function,
    jobs::JobRun,
    releases::Release,
    stacks::{Operation, Stack},
};

/// How long what seldom changes, or is measured by the minute, counts as fresh.
const STEADY: Duration = Duration::from_mins(1);
/// How long all the rest does, for whoever comes upon it while it is shown.
const SHOWN: Duration = Duration::from_secs(15);

/// Values with what they are true for: a value is given as long as that is the same.
#[derive(Debug)]
struct Kept<M, V>(Mutex<HashMap<String, (u64, M, V)>>);

impl<M, V> Default for Kept<M, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<M: PartialEq, V: Clone> Kept<M, V> {
    fn get(&self, epoch: u64, name: &str, mark: &M) -> Option<V> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(name).filter(|(then, at, _)| *then == epoch && at == mark).map(|(_, _, value)| value.clone())
    }

    fn put(&self, epoch: u64, name: &str, mark: M, value: V) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), (epoch, mark, value));
    }
}

/// What a stack that nothing has been done to has kept: when it was last changed, and its status.
type Unchanged = (Timestamp, String);

/// What was read last.
#[derive(Debug, Default)]
pub(super) struct Spared {
    /// Counts how often everything was to be read anew.
    epoch: AtomicU64,
    /// Locked while they are read, so that nobody reads them at the same time.
    facts: tokio::sync::Mutex<Option<Known>>,
    /// The stacks as they were listed last, without their resources.
    listed: Mutex<Option<(u64, Instant, Vec<Stack>)>>,
    stacks: Kept<Unchanged, Stack>,
    histories: Kept<Unchanged, Vec<Operation>>,
    /// By the newest, as far as that is known: a job that never ran has none.
    runs: Kept<Option<JobRun>, Vec<JobRun>>,
    /// By the minute in which they were read.
    items: Kept<i64, Option<u64>>,
    failures: Kept<(Option<u64>, Option<Timestamp>), Vec<TimelineEntry>>,
    /// The releases that wait for an approval.
    waiting: tokio::sync::Mutex<Option<(u64, Instant, Waiting)>>,
}

/// Releases, each with its pipeline.
type Waiting = Vec<(String, Release)>;

#[derive(Debug)]
struct Known {
    epoch: u64,
    /// When all of them were read, and when those were that change from one moment to the next.
    whole: Instant,
    moment: Instant,
    facts: Arc<Facts>,
}

fn mark(stack: &Stack) -> Unchanged {
    (stack.updated, stack.status.word().to_owned())
}

impl Backend {
    /// Whether the cloud wants to be spared: one behind a network does.
    fn spares(&self) -> bool {
        self.cloud.traffic.traffic().is_some()
    }

    fn epoch(&self) -> u64 {
        self.spared.epoch.load(Ordering::Relaxed)
    }

    /// Has everything read anew: somebody asks for it, or has changed something.
    pub fn forget(&self) {
        self.spared.epoch.fetch_add(1, Ordering::Relaxed);
    }

    /// The releases that wait for an approval, each with its pipeline.
    pub(super) async fn waiting_shown(&self) -> Waiting {
        if !self.spares() {
            return self.waiting_releases().await;
        }
        let mut last = self.spared.waiting.lock().await;
        let epoch = self.epoch();
        if let Some((_, _, waiting)) = last.as_ref().filter(|(then, at, _)| *then == epoch && at.elapsed() < STEADY) {
            return waiting.clone();
        }
        let (at, waiting) = (Instant::now(), self.waiting_releases().await);
        *last = Some((epoch, at, waiting.clone()));
        waiting
    }

    /// What the ports tell. `now` wants what changes from one moment to the next as it is now; else what is shown will do.
    pub(super) async fn facts(&self, now: bool) -> Arc<Facts> {
        if !self.spares() {
            return Arc::new(self.read_facts().await);
        }
        let mut last = self.spared.facts.lock().await;
        let epoch = self.epoch();
        let fresh = |known: &Known| known.epoch == epoch && known.whole.elapsed() < STEADY && !known.facts.partial;
        let known = match last.take().filter(fresh) {
            Some(known) if !now && known.moment.elapsed() < SHOWN => known,
            Some(known) => {
                let facts = Arc::new(self.read_moment(&known.facts).await);
                Known { moment: Instant::now(), facts, ..known }
            }
            None => {
                let (at, facts) = (Instant::now(), Arc::new(self.read_facts().await));
                Known { epoch, whole: at, moment: at, facts }
            }
        };
        let facts = known.facts.clone();
        *last = Some(known);
        facts
    }

    /// All stacks, without their resources.
    pub(super) async fn list_stacks(&self) -> Result<Vec<Stack>> {
        let epoch = self.epoch();
        let (mut directories, others) = self.directories().await;
        let mut stacks = match self.cloud.stacks.list().await {
            // Where Terraform deploys all there is, who works with it needs no leave to look at CloudFormation.
            Err(_) if !others => Vec::new(),
            stacks => stacks?,
        };
        stacks.append(&mut directories);
        if self.spares() {
            let mut listed = self.spared.listed.lock().unwrap_or_else(PoisonError::into_inner);
            *listed = Some((epoch, Instant::now(), stacks.clone()));
        }
        Ok(stacks)
    }

    /// Lists the stacks, unless somebody has a moment ago: then each of them need not be asked about by itself.
    pub(super) async fn look_at_stacks(&self) {
        let epoch = self.epoch();
        let known = {
            let listed = self.spared.listed.lock().unwrap_or_else(PoisonError::into_inner);
            listed.as_ref().is_some_and(|(then, at, _)| *then == epoch && at.elapsed() < SHOWN)
        };
        if self.spares()
            && !known
            && let Err(error) = self.list_stacks().await
        {
            tracing::debug!(%error, "the stacks cannot be listed");
        }
    }

    /// As [`Backend::status`]; of a stack that was listed a moment ago and has not changed, what was read before.
    pub(super) async fn status_shown(&self, pipeline: &str) -> Result<Option<Stack>> {
        let (name, epoch) = (self.stack_name(pipeline), self.epoch());
        let listed = {
            let listed = self.spared.listed.lock().unwrap_or_else(PoisonError::into_inner);
            let fresh = listed.as_ref().filter(|(then, at, _)| *then == epoch && at.elapsed() < SHOWN);
            fresh.map(|(.., all)| all.iter().find(|s| s.name == name).cloned())
        };
        match listed {
            None => self.status(pipeline).await,
            Some(None) => Ok(None),
            Some(Some(stack)) => {
                let known = self.spared.stacks.get(epoch, &name, &mark(&stack)).filter(|_| stack.status.complete());
                if let Some(known) = known {
                    return Ok(Some(self.with_graph(pipeline, known)));
                }
                let stack = self.status(pipeline).await?;
                if let Some(stack) = &stack {
                    self.spared.stacks.put(epoch, &name, mark(stack), Stack { graph: None, ..stack.clone() });
                }
                Ok(stack)
            }
        }
    }

    /// What was done to a stack, the newest first; of one that has not changed, what was read before.
    pub(super) async fn history_shown(&self, stack: &Stack, limit: usize) -> Vec<Operation> {
        let epoch = self.epoch();
        let spares = self.spares() && stack.status.complete();
        if let Some(known) = self.spared.histories.get(epoch, &stack.name, &mark(stack)).filter(|_| spares) {
            return known;
        }
        let engine = stack.pipeline.as_deref().and_then(|pipeline| self.stacks_of(pipeline).ok());
        let engine = engine.unwrap_or_else(|| self.cloud.stacks.clone());
        let Ok(history) = engine.history(&stack.name, limit).await else { return Vec::new() };
        if spares {
            self.spared.histories.put(epoch, &stack.name, mark(stack), history.clone());
        }
        history
    }

    /// A job's runs, the newest first; where the newest is as it was, what was read before.
    pub(super) async fn runs_shown(&self, job: &str, last: Option<&JobRun>, limit: usize) -> Vec<JobRun> {
        let (epoch, last) = (self.epoch(), last.cloned());
        if let Some(known) = self.spared.runs.get(epoch, job, &last).filter(|_| self.spares()) {
            return known;
        }
        let Ok(runs) = self.cloud.jobs.runs(job, limit).await else { return Vec::new() };
        if self.spares() {
            self.spared.runs.put(epoch, job, last, runs.clone());
        }
        runs
    }

    /// How many items a key-value table holds, where the cloud tells; in one that wants to be spared, as of this minute.
    pub(super) async fn items_shown(&self, table: &str) -> Option<u64> {
        let (epoch, minute) = (self.epoch(), self.cloud.clock.now().as_second() / 60);
        if let Some(known) = self.spared.items.get(epoch, table, &minute).filter(|_| self.spares()) {
            return known;
        }
        let items = self.cloud.tables.describe(table).await.ok().and_then(|t| t.items);
        if self.spares() {
            self.spared.items.put(epoch, table, minute, items);
        }
        items
    }

    /// The last hour's invocations of a function that failed; where no more have failed, what was read before.
    pub(super) async fn failures_shown(&self, function: &Function, short: &str) -> Vec<TimelineEntry> {
        let (epoch, mark) = (self.epoch(), (function.errors, function.last_invoked));
        if let Some(known) = self.spared.failures.get(epoch, &function.name, &mark).filter(|_| self.spares()) {
            return known;
        }
        let failures = self.failures(function, short).await;
        if self.spares() {
            self.spared.failures.put(epoch, &function.name, mark, failures.clone());
        }
        failures
    }
}
