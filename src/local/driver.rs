//! The driver: one process at a time fires schedules, delivers streams, receives messages, invokes what waits, watches alarms and throws
//! away what has expired.
//!
//! Nothing rests on there being only one: each step is a transaction that looks again. While nothing is due, the driver
//! writes nothing and only asks SQLite, five times a second, whether anybody else has.

use std::time::Duration;

use rusqlite::Connection;
use tokio::{
    task::{JoinHandle, JoinSet},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use super::{
    Local,
    buckets::{delete_object, remove_row},
    crawlers,
    deliveries::{self, Take},
    jobs, logs, lookup,
    process::Lease,
    releases,
    schedules::Fired,
    store::sql,
};
use crate::cloud::{Clock, Result, changes::Changes, resources::Properties};

/// How often a process that waits for the lease tries to get it.
const TRY_LEASE: Duration = Duration::from_secs(1);
/// How often, at the most, the driver looks at what is due.
const SHORTEST: Duration = Duration::from_millis(10);
/// How long it waits after a part has failed.
const AFTER_ERROR: Duration = Duration::from_secs(1);
/// How often it looks for what has expired and for processes that died, on the wall clock.
const MAINTENANCE: Duration = Duration::from_mins(1);
/// How long a file stays that no row names any more: somebody may read it.
const GARBAGE: Duration = Duration::from_mins(10);
/// Batches of invocations at work at once, so that a slow function does not hold up the others.
const DISPATCHES: usize = 4;
/// Rows that expire in one transaction.
const BATCH: usize = 1_000;
/// Days that the logs of releases are kept.
const RELEASE_LOGS: i64 = 90;
const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

impl Local {
    /// Drives this cloud until `stop` is cancelled, as soon as no other process does.
    pub fn drive(&self, stop: CancellationToken) -> JoinHandle<()> {
        let local = self.clone();
        tokio::spawn(async move {
            let Some(_lease) = local.wait_for_lease(&stop).await else { return };
            let mut driver = Driver {
                local,
                dispatches: JoinSet::new(),
                releases: JoinSet::new(),
                next_maintenance: Instant::now(),
                next_expiry_ms: 0,
            };
            driver.run(&stop).await;
            driver.dispatches.shutdown().await;
            // Each ends what it is at work on, and leaves it to the next.
            while driver.releases.join_next().await.is_some() {}
        })
    }

    async fn wait_for_lease(&self, stop: &CancellationToken) -> Option<Lease> {
        if self.inner.store.read_only() {
            return None;
        }
        while !stop.is_cancelled() {
            match Lease::try_take(self.inner.store.dir()) {
                Ok(Some(lease)) => return Some(lease),
                Ok(None) => {}
                Err(error) => tracing::warn!(%error, "the driver's lease cannot be taken"),
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(TRY_LEASE) => {}
            }
        }
        None
    }
}

struct Driver {
    local: Local,
    dispatches: JoinSet<()>,
    releases: JoinSet<()>,
    next_maintenance: Instant,
    /// On the cloud's clock.
    next_expiry_ms: i64,
}

/// What a look found.
#[derive(Debug, Default)]
struct Round {
    /// Jobs to start, each with the schedule that does.
    jobs: Vec<(String, String)>,
    /// Crawlers to start, in the same way.
    crawlers: Vec<(String, String)>,
    /// Deliveries of which a release is to be carried on.
    releases: Vec<String>,
    /// Whether invocations wait to be dispatched.
    pending: bool,
    /// When to look again at the latest, on the cloud's clock.
    next_ms: Option<i64>,
    /// Whether a part failed.
    failed: bool,
}

impl Round {
    /// Takes a part's outcome; its failure does not stop the others.
    fn part<T: Default>(&mut self, name: &str, result: Result<T>) -> T {
        result.unwrap_or_else(|error| {
            tracing::warn!(%error, part = name, "a part of the driver failed");
            self.failed = true;
            T::default()
        })
    }

    fn at(&mut self, time_ms: Option<i64>) {
        self.next_ms = self.next_ms.into_iter().chain(time_ms).min();
    }
}

impl Driver {
    async fn run(&mut self, stop: &CancellationToken) {
        let local = self.local.clone();
        let swept = self.local.blocking(move || local.sweep_files()).await;
        if let Err(error) = swept {
            tracing::warn!(%error, "left-over files were not swept up");
        }
        while !stop.is_cancelled() {
            let mark = self.local.inner.watch.mark(&self.local.inner.store).unwrap_or_default();
            self.maintain().await;
            let round = self.round(stop).await;
            let wait = self.wait(&round);
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(wait) => {}
                // Freed for the next; what it changed is news, too.
                Some(_) = self.dispatches.join_next() => {}
                // After a failure, news would only bring the same one.
                _ = self.local.after(mark), if !round.failed => tokio::time::sleep(SHORTEST).await,
            }
        }
    }

    async fn round(&mut self, stop: &CancellationToken) -> Round {
        let local = self.local.clone();
        let result = self.local.blocking(move || Ok(local.look())).await;
        let mut round = result.unwrap_or_else(|error| {
            tracing::warn!(%error, "the driver failed");
            Round { failed: true, ..Round::default() }
        });
        for (schedule, job) in std::mem::take(&mut round.jobs) {
            if let Err(error) = self.local.start_job(&job, &schedule, None).await {
                tracing::warn!(%error, schedule, job, "a scheduled job was not started");
            }
        }
        for (schedule, crawler) in std::mem::take(&mut round.crawlers) {
            if let Err(error) = self.local.start_crawler(&crawler, &schedule, None).await {
                tracing::warn!(%error, schedule, crawler, "a scheduled crawler was not started");
            }
        }
        while self.releases.try_join_next().is_some() {}
        for delivery in std::mem::take(&mut round.releases) {
            let (local, stop) = (self.local.clone(), stop.clone());
            // One that another process, or task, was quicker to take is left to it.
            self.releases.spawn(async move {
                if let Err(error) = local.carry_releases(&delivery, &stop).await {
                    tracing::warn!(%error, delivery, "a release could not be carried on");
                }
            });
        }
        if round.pending && self.dispatches.len() < DISPATCHES {
            let local = self.local.clone();
            self.dispatches.spawn(async move {
                if let Err(error) = local.dispatch_pending(None).await {
                    tracing::warn!(%error, "invocations were not dispatched");
                    tokio::time::sleep(AFTER_ERROR).await;
                }
            });
        }
        round
    }

    /// How long to sleep if nothing happens.
    fn wait(&self, round: &Round) -> Duration {
        let maintenance = self.next_maintenance.saturating_duration_since(Instant::now());
        if round.failed {
            return AFTER_ERROR;
        }
        let clock = &self.local.inner.clock;
        let due = round.next_ms.map(|next| {
            let left = (next - clock.now_ms()).max(0) as f64 / 1_000.0 / clock.speed();
            Duration::try_from_secs_f64(left).unwrap_or(MAINTENANCE)
        });
        due.unwrap_or(maintenance).min(maintenance).max(SHORTEST)
    }

    async fn maintain(&mut self) {
        if Instant::now() < self.next_maintenance {
            return;
        }
        self.next_maintenance = Instant::now() + MAINTENANCE;
        let now_ms = self.local.inner.clock.now_ms();
        let expire = now_ms >= self.next_expiry_ms;
        if expire {
            self.next_expiry_ms = now_ms + HOUR_MS;
        }
        let local = self.local.clone();
        let done = self
            .local
            .blocking(move || {
                local.maintain(expire);
                Ok(())
            })
            .await;
        if let Err(error) = done {
            tracing::warn!(%error, "what has expired was not thrown away");
        }
    }
}

impl Local {
    /// Does what is due, except for what is to be done in the background.
    fn look(&self) -> Round {
        let store = &self.inner.store;
        let mut round = Round::default();
        let refreshed = store.read_now(|c| self.inner.clock.refresh(c));
        round.part("clock", refreshed);
        let now_ms = self.inner.clock.now_ms();

        let Fired { jobs, crawlers, next_ms } = round.part("schedules", self.fire_schedules(now_ms));
        (round.jobs, round.crawlers) = (jobs, crawlers);
        // What a role had started, and whose process has died.
        let taken_up = |name: String| ("taken up".to_owned(), name);
        let jobs = round.part("job runs", store.read_now(jobs::to_take_up));
        round.jobs.extend(jobs.into_iter().map(taken_up));
        let crawlers = round.part("crawls", store.read_now(crawlers::to_take_up));
        round.crawlers.extend(crawlers.into_iter().map(taken_up));
        round.at(next_ms);

        let (due, next_ms) = round.part("deliveries", store.read_now(|c| deliveries::due(c, now_ms)));
        round.at(next_ms);
        for delivery in due {
            while round.part("deliveries", self.deliver_now(&delivery, Take::WhatIsDue)) > 0 {}
        }

        let next_ms = round.part("queues", self.receive_messages(None, false));
        round.at(next_ms);
        round.part("replication", self.replicate());

        let waiting = round.part("invocations", store.read_now(next_pending));
        round.pending = waiting.is_some_and(|time_ms| time_ms <= now_ms);
        if !round.pending {
            round.at(waiting);
        }

        let next_ms = round.part("alarms", self.evaluate_alarms());
        round.at(next_ms);
        round.releases = round.part("releases", store.read_now(|c| self.releases_to_carry(c)));
        round
    }

    /// Takes over from the dead, and throws away what is past its time.
    fn maintain(&self, expire_objects: bool) {
        let mut round = Round::default();
        round.part("recovery", self.recover());
        round.part("retention of streams", self.trim_streams());
        round.part("retention of queues", self.trim_queues());
        round.part("retention of logs", self.trim_logs());
        round.part("access logs", self.log_access());
        round.part("releases", releases::folders::sweep(self));
        if expire_objects {
            round.part("expiry of objects", self.expire_objects());
            round.part("expiry of versions", self.expire_versions());
            round.part("expiry of items", self.expire_items());
        }
        round.part("files", self.inner.store.collect_garbage(GARBAGE));
    }

    fn trim_logs(&self) -> Result<()> {
        let store = &self.inner.store;
        let now_ms = self.inner.clock.now_ms();
        self.trim_release_logs(now_ms - RELEASE_LOGS * DAY_MS, BATCH)?;
        for group in store.read_now(|c| lookup::all(c, "log_group"))? {
            let Properties::LogGroup(settings) = &group.resource.properties else { continue };
            let name = &group.resource.physical_name;
            let before_ms = now_ms - i64::from(settings.retention_days) * DAY_MS;
            let any = |c: &Connection| {
                c.prepare_cached(
                    "select exists (select 1 from log_events \
                     where grp = (select id from log_groups where name = ?1) and ts < ?2)",
                )
                .and_then(|mut s| s.query_row(rusqlite::params![name, before_ms], |r| r.get::<_, bool>(0)))
                .map_err(sql)
            };
            while settings.retention_days > 0 && store.read_now(any)? {
                store.write_now(|t| logs::expire(t, name, before_ms, BATCH))?;
            }
        }
        Ok(())
    }

    /// Removes versions that have not been current for longer than their bucket keeps them.
    pub(crate) fn expire_versions(&self) -> Result<()> {
        let store = &self.inner.store;
        let now_ms = self.inner.clock.now_ms();
        for bucket in store.read_now(|c| lookup::all(c, "bucket"))? {
            let Properties::Bucket(settings) = &bucket.resource.properties else { continue };
            let Some(days) = settings.expire_versions_days else { continue };
            let name = &bucket.resource.physical_name;
            let before_ms = now_ms - i64::from(days) * DAY_MS;
            // A version is old since the next one of its key was made.
            let old = |c: &Connection| -> Result<Vec<(i64, Option<String>)>> {
                c.prepare_cached(
                    "select seq, blob from objects o where bucket = ?1 and latest = 0 and (select modified from objects n \
                     where n.bucket = o.bucket and n.key = o.key and n.seq > o.seq order by n.seq limit 1) < ?2 limit ?3",
                )
                .and_then(|mut s| {
                    s.query_map(rusqlite::params![name, before_ms, BATCH], |r| Ok((r.get(0)?, r.get(1)?)))?.collect()
                })
                .map_err(sql)
            };
            while !store.read_now(old)?.is_empty() {
                store.write_now(|t| old(t)?.iter().try_for_each(|(seq, blob)| remove_row(t, *seq, blob.as_deref())))?;
            }
        }
        Ok(())
    }

    /// Deletes objects that are older than their bucket keeps them; versions that are no longer current stay.
    fn expire_objects(&self) -> Result<()> {
        let store = &self.inner.store;
        let now_ms = self.inner.clock.now_ms();
        for bucket in store.read_now(|c| lookup::all(c, "bucket"))? {
            let Properties::Bucket(settings) = &bucket.resource.properties else { continue };
            let Some(days) = settings.expire_days else { continue };
            let name = &bucket.resource.physical_name;
            let before_ms = now_ms - i64::from(days) * DAY_MS;
            let old = |c: &Connection| -> Result<Vec<String>> {
                c.prepare_cached(
                    "select key from objects where bucket = ?1 and latest = 1 and delete_marker = 0 \
                     and modified < ?2 limit ?3",
                )
                .and_then(|mut s| s.query_map(rusqlite::params![name, before_ms, BATCH], |r| r.get(0))?.collect())
                .map_err(sql)
            };
            while !store.read_now(old)?.is_empty() {
                store.write_now(|t| old(t)?.iter().try_for_each(|key| delete_object(t, now_ms, name, key, None)))?;
            }
        }
        Ok(())
    }
}

/// When the first waiting invocation is due that nobody is at work on.
fn next_pending(connection: &Connection) -> Result<Option<i64>> {
    connection
        .prepare_cached("select min(not_before) from pending where process is null")
        .and_then(|mut s| s.query_row([], |r| r.get(0)))
        .map_err(sql)
}

#[cfg(test)]
#[path = "driver_tests.rs"]
mod tests;
