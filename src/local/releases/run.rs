//! Carrying releases on: one process at a time for each delivery, step by step, each outcome written as it happens.

use std::{collections::BTreeSet, ffi::OsString, time::Duration};

use rusqlite::{Connection, Transaction, params};
use tokio_util::sync::CancellationToken;

use super::{
    super::{Local, logs, store::sql},
    Held, child,
    execute::judged,
    folders::{self, Folders},
    git,
    rows::{self, ReleaseRow, StepRow},
    steps::{further_steps, in_words, read_plan, short},
};
use crate::cloud::{
    Error, Result,
    releases::{ReleaseStatus as Status, StepKind},
};

/// How long a check may take, as long as a build on AWS unless told otherwise.
const CHECK_TIME: Duration = Duration::from_hours(1);
/// What mends a plan that does not hold any more.
const STALE: &str = "what was approved is not applied where something else would be done by now: start another release";

/// What a step came to.
pub(super) enum Outcome {
    /// Done, with what is to be said of it.
    Done(String),
    /// Failed, and why.
    Failed(String),
    /// Ended because somebody has asked the release to end.
    Stopped(String),
    /// This process is to end: somebody else does it again.
    LeftAlone,
}

/// One release that this process is at work on.
pub(super) struct Work<'a> {
    pub(super) local: &'a Local,
    pub(super) row: ReleaseRow,
    pub(super) folders: Folders,
    pub(super) end: &'a CancellationToken,
}

impl Local {
    /// Carries the releases of a delivery on until each is over or waits, unless another process does; asked to end, it ends
    /// what is at work and leaves it to others.
    pub async fn carry_releases(&self, delivery: &str, end: &CancellationToken) -> Result<()> {
        while !end.is_cancelled() {
            let Some((row, _held)) = self.claim_release(delivery).await? else { break };
            let (id, folders) = (row.id.clone(), Folders::of(self, &row));
            let work = Work { local: self, row, folders, end };
            // Not held back: it may have to be dropped with all that it started.
            if let Err(error) = work.run().await {
                tracing::warn!(%error, "a release could not be carried on");
                let (why, now, process) = (error.to_string(), self.inner.clock.now_ms(), self.process_id()?);
                self.inner.store.write(move |t| give_up(t, &id, &process, &why, now)).await?;
            }
        }
        self.sweep_releases().await;
        Ok(())
    }

    /// The deliveries of which a release is to be carried on that nobody is at work on.
    pub(crate) fn releases_to_carry(&self, connection: &Connection) -> Result<Vec<String>> {
        let open = rows::open(connection, None)?;
        let busy: BTreeSet<_> = open.iter().filter(|r| self.at_work_on(r)).map(|r| r.delivery.clone()).collect();
        let wanted = open.iter().filter(|r| r.status != Status::Waiting && !busy.contains(&r.delivery));
        Ok(wanted.map(|r| r.delivery.clone()).collect::<BTreeSet<_>>().into_iter().collect())
    }

    /// Takes the release that is next for this process: the one that was cut off, else the newest that has not begun. What is
    /// older and waits, or has not begun either, is superseded by that.
    async fn claim_release(&self, delivery: &str) -> Result<Option<(ReleaseRow, Held)>> {
        let (process, now) = (self.process_id()?, self.inner.clock.now_ms());
        let (delivery, local) = (delivery.to_owned(), self.clone());
        self.inner
            .store
            .write(move |t| {
                let mut open = rows::open(t, Some(&delivery))?;
                let at_work = |r: &&ReleaseRow| matches!(r.status, Status::InProgress | Status::Stopping);
                if let Some(row) = open.iter().find(at_work) {
                    if local.at_work_on(row) {
                        return Ok(None);
                    }
                    let row = take(t, row, row.status, &process, now)?;
                    let held = local.hold_release(&row.id);
                    return Ok(Some((row, held)));
                }
                let Some(newest) = open.pop().filter(|r| r.status == Status::Pending) else { return Ok(None) };
                for older in &open {
                    supersede(t, older, newest.number, now)?;
                }
                let row = take(t, &newest, Status::InProgress, &process, now)?;
                let held = local.hold_release(&row.id);
                Ok(Some((row, held)))
            })
            .await
    }
}

fn take(t: &Transaction<'_>, row: &ReleaseRow, status: Status, process: &str, now: i64) -> Result<ReleaseRow> {
    t.execute(
        "update releases set status = ?2, process = ?3, updated = ?4 where id = ?1",
        params![row.id, status.word(), process, now],
    )
    .map_err(sql)?;
    Ok(ReleaseRow { status, process: Some(process.to_owned()), ..row.clone() })
}

fn supersede(t: &Transaction<'_>, row: &ReleaseRow, by: i64, now: i64) -> Result<()> {
    let why = format!("release {by} took its place");
    for step in rows::steps(t, &row.id)?.iter().filter(|s| s.status == Status::Waiting) {
        rows::set_step(t, &row.id, step.seq, Status::Superseded, Some(&why), now)?;
    }
    rows::set_status(t, &row.id, Status::Superseded, now)?;
    rows::note(t, row, now, &format!("SUPERSEDED: {why}"))?;
    tell(t, row, now, &format!("release {} is SUPERSEDED: {why}", row.number))
}

/// Ends a release that this machine cannot go on with (a full disk), where it is still this process's own.
fn give_up(t: &Transaction<'_>, id: &str, process: &str, why: &str, now: i64) -> Result<()> {
    let ours = t.prepare_cached("select 1 from releases where id = ?1 and process = ?2");
    if !ours.and_then(|mut s| s.exists([id, process])).map_err(sql)? {
        return Ok(());
    }
    for step in rows::steps(t, id)?.iter().filter(|s| s.status == Status::InProgress) {
        rows::set_step(t, id, step.seq, Status::Failed, Some(why), now)?;
    }
    rows::set_status(t, id, Status::Failed, now)
}

/// Tells those who are to be told by e-mail. The embedded cloud sends none: what it would say, and to whom, is in the log.
pub(super) fn tell(t: &Transaction<'_>, row: &ReleaseRow, now: i64, what: &str) -> Result<()> {
    if row.definition.email.is_empty() {
        return Ok(());
    }
    let to = row.definition.email.join(", ");
    rows::note(t, row, now, &format!("to {to} (the embedded cloud sends no e-mail): {} {what}", row.pipeline))
}

impl Work<'_> {
    fn now(&self) -> i64 {
        self.local.inner.clock.now_ms()
    }

    /// Writes, as long as the release is this process's own: one that was stopped for long may have been taken for dead.
    pub(super) async fn write<T, F>(&self, f: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Transaction<'_>, &ReleaseRow, i64) -> Result<T> + Send + 'static,
    {
        let (row, now) = (self.row.clone(), self.now());
        self.local
            .inner
            .store
            .write(move |t| {
                let current = rows::find(t, &row.delivery, &row.number.to_string())?;
                if current.process != row.process {
                    return Err(Error::Conflict(format!("release {} was taken over by another pumphouse", row.number)));
                }
                f(t, &current, now)
            })
            .await
    }

    async fn steps(&self) -> Result<Vec<StepRow>> {
        let id = self.row.id.clone();
        self.local.inner.store.read(move |c| rows::steps(c, &id)).await
    }

    async fn stop_requested(&self) -> Result<bool> {
        let (delivery, number) = (self.row.delivery.clone(), self.row.number.to_string());
        let find = move |c: &Connection| Ok(rows::find(c, &delivery, &number)?.stop_requested);
        self.local.inner.store.read(find).await
    }

    /// Goes from step to step until the release is over, waits, or is left to others.
    async fn run(mut self) -> Result<()> {
        loop {
            let steps = self.steps().await?;
            let next = steps.into_iter().find(|s| s.status != Status::Succeeded);
            if let Some(child) = next.as_ref().and_then(|s| s.child.clone()) {
                // Of somebody who has died at it.
                let ended = self.local.blocking(move || Ok(child::end_left_over(&child))).await?;
                tracing::info!(ended, "looked for what a dead process's step has left running");
            }
            let Some(step) = next else {
                return self.over(None, Status::Succeeded, "every step has succeeded").await;
            };
            if self.stop_requested().await? {
                return self.over(Some(&step), Status::Stopped, "stopped on request").await;
            }
            if step.kind == StepKind::Approval {
                return self.wait(step).await;
            }
            let step = self.begin(step).await?;
            match self.perform(&step).await? {
                Outcome::Done(summary) => {
                    let set = move |t: &Transaction<'_>, row: &ReleaseRow, now| {
                        rows::set_step(t, &row.id, step.seq, Status::Succeeded, Some(&summary), now)?;
                        let first = summary.lines().next().unwrap_or_default();
                        rows::note(t, row, now, &format!("{}/{} SUCCEEDED: {first}", step.stage, step.name))
                    };
                    self.write(set).await?;
                }
                Outcome::Failed(why) => return self.over(Some(&step), Status::Failed, &why).await,
                Outcome::Stopped(why) => return self.over(Some(&step), Status::Stopped, &why).await,
                Outcome::LeftAlone => {
                    let leave = move |t: &Transaction<'_>, row: &ReleaseRow, now| {
                        let line = format!("{}/{} was cut off: pumphouse was ended", step.stage, step.name);
                        rows::note(t, row, now, &line)?;
                        t.execute("update releases set process = null where id = ?1", [&row.id]).map_err(sql)?;
                        Ok(())
                    };
                    return self.write(leave).await;
                }
            }
        }
    }

    /// Writes down that a step begins.
    async fn begin(&self, step: StepRow) -> Result<StepRow> {
        let begun = StepRow { attempts: step.attempts + 1, status: Status::InProgress, ..step };
        let step = begun.clone();
        self.write(move |t, row, now| {
            t.execute(
                "update release_steps set status = 'IN_PROGRESS', attempts = ?3, started = ?4, updated = ?4, \
                 summary = null, child = null where release = ?1 and seq = ?2",
                params![row.id, step.seq, step.attempts, now],
            )
            .map_err(sql)?;
            t.execute("update releases set updated = ?2 where id = ?1", params![row.id, now]).map_err(sql)?;
            let again = if step.attempts > 1 { " begins again: it was cut off" } else { " begins" };
            rows::note(t, row, now, &format!("{}/{}{again}", step.stage, step.name))
        })
        .await?;
        Ok(begun)
    }

    /// Ends the release, with the step that it ends in.
    async fn over(&self, step: Option<&StepRow>, status: Status, why: &str) -> Result<()> {
        let (step, why) = (step.cloned(), why.to_owned());
        self.write(move |t, row, now| {
            let mut place = String::new();
            // One that is done stays so where the release is stopped behind it.
            if let Some(step) = step.filter(|s| s.status != Status::Pending) {
                rows::set_step(t, &row.id, step.seq, status, Some(&why), now)?;
                place = format!(" in {}/{}", step.stage, step.name);
            }
            rows::set_status(t, &row.id, status, now)?;
            let first = why.lines().next().unwrap_or_default();
            rows::note(t, row, now, &format!("{}{place}: {first}", status.word()))?;
            tell(t, row, now, &format!("release {} is {}{place}: {first}", row.number, status.word()))
        })
        .await
    }

    /// Lets the release wait for an approval: no process is needed for that.
    async fn wait(&self, step: StepRow) -> Result<()> {
        let planned = self.steps().await?.into_iter().rev().find(|s| s.kind == StepKind::Plan && s.env == step.env);
        let planned = planned.and_then(|s| s.summary).unwrap_or_default();
        self.write(move |t, row, now| {
            t.execute(
                "update release_steps set status = 'WAITING', started = ?3, updated = ?3, summary = ?4, token = ?5 \
                 where release = ?1 and seq = ?2",
                params![row.id, step.seq, now, planned, uuid::Uuid::new_v4().simple().to_string()],
            )
            .map_err(sql)?;
            rows::set_status(t, &row.id, Status::Waiting, now)?;
            let what = format!("{}/{} waits for an approval: {planned}", step.stage, step.name);
            rows::note(t, row, now, &what)?;
            let how = format!(
                "release {} waits for an approval of {}: {planned}; `pumphouse --local releases approve {} {0}`",
                row.number,
                step.env(),
                row.pipeline
            );
            tell(t, row, now, &how)
        })
        .await
    }

    async fn perform(&mut self, step: &StepRow) -> Result<Outcome> {
        match step.kind {
            StepKind::Source => self.source(step).await,
            StepKind::Check => {
                let script = step.command.clone().unwrap_or_default();
                let said = format!("`{script}`");
                let args = vec![OsString::from("/bin/sh"), "-c".into(), script.into()];
                let done = self.execute(step, args, Some(CHECK_TIME)).await?;
                judged(done, &said, || Ok("succeeded".into()))
            }
            StepKind::Plan => {
                let (args, file) = self.plan(step, "plan");
                let done = self.execute(step, args, None).await?;
                judged(done, "the plan", move || Ok(in_words(&read_plan(&file)?)))
            }
            StepKind::Deploy => self.deploy(step).await,
            StepKind::Approval | StepKind::Other => Ok(Outcome::Failed("nothing is known of such a step".into())),
        }
    }

    /// Takes the revision: its files, and what its pipeline.toml says of the steps to come.
    async fn source(&mut self, step: &StepRow) -> Result<Outcome> {
        let (folders, row) = (self.folders.clone(), self.row.clone());
        let read_release = self.local.inner.options.read_release;
        let taken = self
            .local
            .blocking(move || {
                let version = git::version()?;
                let fresh = folders.fresh()?;
                let tree = git::lay_out(&row.top, &row.revision, &fresh.join(folders::TREE))?;
                // What a check makes or changes is not deployed.
                git::lay_out(&row.top, &row.revision, &fresh.join(folders::CHECKED))?;
                folders.keep(&fresh)?;
                Ok((version, tree, read_release(&folders.pipeline(&row.folder))))
            })
            .await;
        let (version, tree, definition) = match taken {
            Ok(taken) => taken,
            Err(error @ (Error::Invalid(_) | Error::Unavailable(_))) => return Ok(Outcome::Failed(error.to_string())),
            Err(error) => return Err(error),
        };
        let (pipeline, short) = (self.row.pipeline.clone(), short(&self.row.revision).to_owned());
        let definition = definition.and_then(|definition| {
            if definition.pipeline == pipeline {
                return Ok(definition);
            }
            Err(format!("at {short}, pipeline.toml is of {}, not of {pipeline}", definition.pipeline))
        });
        let mut lines = vec![format!("{version}: {} files of {}", tree.files, self.row.revision)];
        lines.extend(tree.submodules.iter().map(|s| format!("the submodule {s} is left out: releases take none")));
        if let Err(why) = &definition {
            lines.extend(why.lines().map(str::to_owned));
        }
        let (step, found) = (step.clone(), definition.clone());
        self.write(move |t, row, now| {
            let events: Vec<_> = lines.iter().map(|line| (now, line.as_str())).collect();
            logs::append(t, &rows::log_group(&row.delivery), &rows::stream(row, &step), &events)?;
            let Ok(definition) = found else { return Ok(()) };
            let json = serde_json::to_string(&definition).map_err(Error::storage)?;
            t.execute("update releases set definition = ?2 where id = ?1", params![row.id, json]).map_err(sql)?;
            further_steps(&definition).iter().try_for_each(|step| rows::insert_step(t, &row.id, step))
        })
        .await?;
        Ok(match definition {
            Ok(definition) => {
                self.row.definition = definition;
                let left_out = match tree.submodules.len() {
                    0 => String::new(),
                    n => format!("; {n} submodules are left out"),
                };
                Outcome::Done(format!("{} files{left_out}", tree.files))
            }
            Err(why) => Outcome::Failed(format!("the revision cannot be released: {why}")),
        })
    }

    /// Deploys what was planned. Where a deploy was cut off, what is left of it has to be part of what was planned.
    async fn deploy(&self, step: &StepRow) -> Result<Outcome> {
        let mut file = self.folders.plan(step.env(), "plan");
        if step.attempts > 1 {
            let (args, rest) = self.plan(step, "rest");
            let done = self.execute(step, args, None).await?;
            match judged(done, "the plan of what is left", || Ok(String::new()))? {
                Outcome::Done(_) => {}
                other => return Ok(other),
            }
            let (planned, left) = (read_plan(&file)?, read_plan(&rest)?);
            if let Some(new) = left.changes.iter().find(|change| !planned.changes.contains(change)) {
                return Ok(Outcome::Failed(format!("{} {} was not planned; {STALE}", new.kind, new.name)));
            }
            file = rest;
        }
        let stack = format!("{}-{}", self.row.pipeline, step.env());
        let mut args = self.pumphouse(step);
        args.extend(["deploy".into(), OsString::from(&self.row.pipeline), "--plan-file".into(), file.into_os_string()]);
        args.extend(["--yes".into(), "--confirm".into(), OsString::from(&stack)]);
        let done = self.execute(step, args, None).await?;
        // What is at work in the cloud is waited for: the end that was asked for comes behind it.
        Ok(match judged(done, "the deploy", || Ok(format!("{stack} is deployed")))? {
            Outcome::Failed(why) if why.contains("plan again") => Outcome::Failed(format!("{why}\n{STALE}")),
            other => other,
        })
    }
}

#[cfg(test)]
#[path = "run_tests.rs"]
mod tests;
