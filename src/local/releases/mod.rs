//! Releases: a revision of a git repository on this machine is checked, planned and deployed by processes of ours, one step
//! after another, and waits where somebody has to approve.
//!
//! Everything about it stands in the state, so a release outlives the process that has started it: whoever drives this
//! cloud, or follows the release, carries it on.

mod child;
mod execute;
pub(crate) mod folders;
mod git;
pub(crate) mod rows;
mod run;
mod steps;

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};

use async_trait::async_trait;
use rusqlite::Connection;

use super::{Local, clock::timestamp, logs, process};
use crate::cloud::{
    Error, Pages, Permit, Result,
    releases::{
        Approval, Decision, Delivery, Release, ReleaseRequest, ReleaseStatus as Status, Releases, SOURCE, StepKind,
    },
};
use rows::{ReleaseRow, StepRow};

#[async_trait]
impl Releases for Local {
    fn list(&self) -> Pages<'_, Delivery> {
        Pages::once(async move {
            let rows = self.inner.store.read(rows::deliveries).await?;
            let delivery = |row: ReleaseRow| Delivery {
                name: row.delivery,
                pipeline: Some(row.pipeline),
                updated: Some(timestamp(row.updated)),
            };
            Ok(rows.into_iter().map(delivery).collect())
        })
    }

    async fn releases(&self, delivery: &str, limit: usize) -> Result<Vec<Release>> {
        let delivery = delivery.to_owned();
        let rows = self.inner.store.read(move |c| rows::newest(c, &delivery, limit)).await?;
        Ok(rows.iter().map(|row| rows::as_seen(row, &[], false)).collect())
    }

    async fn get(&self, delivery: &str, release: &str) -> Result<Release> {
        let (delivery, release, local) = (delivery.to_owned(), release.to_owned(), self.clone());
        self.inner
            .store
            .read(move |c| {
                let row = rows::find(c, &delivery, &release)?;
                Ok(rows::as_seen(&row, &rows::steps(c, &row.id)?, local.at_work_on(&row)))
            })
            .await
    }

    async fn start(&self, permit: &Permit, request: &ReleaseRequest) -> Result<Release> {
        permit.check("codepipeline:StartPipelineExecution", &request.delivery)?;
        self.process_id()?;
        let Some(folder) = request.repository.clone() else {
            return Err(Error::Invalid(
                "the embedded cloud takes revisions from a git repository on this machine".into(),
            ));
        };
        let (branch, named) = (request.definition.branch.clone(), request.revision.clone());
        let revision = self.blocking(move || git::resolve(&folder, &branch, named.as_deref())).await?;
        let (request, who, now) = (request.clone(), permit.principal().to_owned(), self.inner.clock.now_ms());
        self.inner
            .store
            .write(move |t| {
                let row = ReleaseRow {
                    id: uuid::Uuid::now_v7().simple().to_string(),
                    number: rows::next_number(t, &request.delivery)?,
                    delivery: request.delivery,
                    pipeline: request.definition.pipeline.clone(),
                    top: revision.top,
                    folder: revision.folder,
                    revision: revision.commit,
                    summary: revision.summary,
                    status: Status::Pending,
                    trigger: format!("started by {who}"),
                    started: now,
                    updated: now,
                    stop_requested: false,
                    definition: request.definition,
                    process: None,
                };
                rows::insert(t, &row, &StepRow::new(SOURCE, SOURCE, StepKind::Source))?;
                let line = format!("release {} of {}, {} {}", row.number, row.pipeline, row.revision, row.trigger);
                rows::note(t, &row, now, &line)?;
                Ok(rows::as_seen(&row, &rows::steps(t, &row.id)?, false))
            })
            .await
    }

    async fn decide(&self, permit: &Permit, approval: &Approval, decision: Decision, comment: &str) -> Result<()> {
        permit.check("codepipeline:PutApprovalResult", &approval.delivery)?;
        self.process_id()?;
        let (approval, who, comment) = (approval.clone(), permit.principal().to_owned(), comment.trim().to_owned());
        let now = self.inner.clock.now_ms();
        self.inner
            .store
            .write(move |t| {
                let row = rows::find(t, &approval.delivery, &approval.release)?;
                let steps = rows::steps(t, &row.id)?;
                let waits = |s: &&StepRow| {
                    s.status == Status::Waiting
                        && (s.stage.as_str(), s.name.as_str(), &s.token)
                            == (approval.stage.as_str(), approval.step.as_str(), &approval.token)
                };
                let Some(step) = steps.iter().find(waits).filter(|_| row.status == Status::Waiting) else {
                    return Err(Error::Conflict(format!(
                        "release {} of {} does not wait for this any more: it is {}",
                        row.number,
                        row.pipeline,
                        row.status.word()
                    )));
                };
                let (verb, of_step, of_release) = match decision {
                    Decision::Approve => ("approved", Status::Succeeded, Status::InProgress),
                    Decision::Reject => ("rejected", Status::Failed, Status::Failed),
                };
                let colon = if comment.is_empty() { "" } else { ": " };
                let words = format!("{verb} by {who}{colon}{comment}");
                rows::set_step(t, &row.id, step.seq, of_step, Some(&words), now)?;
                // Nobody is at work on it yet: whoever sees it first carries it on.
                rows::set_status(t, &row.id, of_release, now)?;
                rows::note(t, &row, now, &format!("{}/{} {words}", step.stage, step.name))?;
                if of_release.is_final() {
                    run::tell(t, &row, now, &format!("release {} is FAILED: {words}", row.number))?;
                }
                Ok(())
            })
            .await?;
        self.sweep_releases().await;
        Ok(())
    }

    async fn stop(&self, permit: &Permit, delivery: &str, release: &str, reason: &str) -> Result<()> {
        permit.check("codepipeline:StopPipelineExecution", delivery)?;
        self.process_id()?;
        let (delivery, release) = (delivery.to_owned(), release.to_owned());
        let (who, reason) = (permit.principal().to_owned(), reason.trim().to_owned());
        let now = self.inner.clock.now_ms();
        self.inner
            .store
            .write(move |t| {
                let row = rows::find(t, &delivery, &release)?;
                if row.status.is_final() {
                    return Err(Error::Conflict(format!(
                        "release {} of {} is over: {}",
                        row.number,
                        row.pipeline,
                        row.status.word()
                    )));
                }
                let colon = if reason.is_empty() { "" } else { ": " };
                let words = format!("stopped by {who}{colon}{reason}");
                rows::note(t, &row, now, &words)?;
                if matches!(row.status, Status::InProgress | Status::Stopping) {
                    t.execute("update releases set stop_requested = 1, status = 'STOPPING' where id = ?1", [&row.id])
                        .map_err(super::store::sql)?;
                    return Ok(());
                }
                for step in rows::steps(t, &row.id)?.iter().filter(|s| s.status == Status::Waiting) {
                    rows::set_step(t, &row.id, step.seq, Status::Stopped, Some(&words), now)?;
                }
                rows::set_status(t, &row.id, Status::Stopped, now)?;
                run::tell(t, &row, now, &format!("release {} is STOPPED: {words}", row.number))
            })
            .await?;
        self.sweep_releases().await;
        Ok(())
    }
}

/// The log groups of releases, each with its pipeline.
pub(crate) fn log_groups(connection: &Connection) -> Result<Vec<(String, Option<String>)>> {
    let deliveries = rows::deliveries(connection)?;
    Ok(deliveries.into_iter().map(|row| (rows::log_group(&row.delivery), Some(row.pipeline))).collect())
}

/// The releases that this process is at work on, by their ids.
#[derive(Default)]
pub(crate) struct AtWork(Mutex<BTreeSet<String>>);

/// This process's work on a release; given up when dropped.
struct Held {
    local: Local,
    id: String,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.local.inner.releases.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}

impl Local {
    /// Whether somebody is at work on a release: another process that lives, or this one.
    fn at_work_on(&self, row: &ReleaseRow) -> bool {
        match (&row.process, &self.inner.process) {
            (None, _) => false,
            // Where it could not even write down that it gave up, it may begin again.
            (Some(process), Some(own)) if process == own.id() => {
                self.inner.releases.0.lock().unwrap_or_else(PoisonError::into_inner).contains(&row.id)
            }
            (Some(process), _) => process::alive(self.inner.store.dir(), process),
        }
    }

    /// Makes a release this process's work.
    fn hold_release(&self, id: &str) -> Held {
        self.inner.releases.0.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned());
        Held { local: self.clone(), id: id.to_owned() }
    }

    /// Removes what is left of releases that are over. What was done before stays done, also where this fails.
    async fn sweep_releases(&self) {
        let local = self.clone();
        if let Err(error) = self.blocking(move || folders::sweep(&local)).await {
            tracing::warn!(%error, "what is left of releases was not looked for");
        }
    }

    /// Throws away what releases have logged, when it is old.
    pub(crate) fn trim_release_logs(&self, before_ms: i64, limit: usize) -> Result<()> {
        let store = &self.inner.store;
        for group in store.read_now(|c| logs::groups_below(c, rows::GROUPS))? {
            while store.write_now(|t| logs::expire(t, &group, before_ms, limit))? > 0 {}
        }
        Ok(())
    }
}
