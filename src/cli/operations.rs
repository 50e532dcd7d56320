//! `drift`, `history`, `events`, `rollback`, `protect`, `bootstrap`: what becomes of stacks besides deploys.

use std::{collections::BTreeSet, time::Duration};

use serde_json::Value;
use tokio::sync::mpsc;

use super::{
    failure::{Failure, Result},
    input,
    out::{Cell, Column, note},
    session::Session,
    signals::unless_interrupted,
    stacks::{consequence, deployed, known, lines, planned, print, show, telling},
};
use crate::{
    backend::Backend,
    cloud::stacks::{Drift, Engine, Operation, StackEvent},
    config::Format,
    text,
};

/// Events and operations that are shown, where nobody says how many.
const PAST: usize = 100;
/// How long to wait before looking for more events.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

const OPERATIONS: [Column<Operation>; 7] = [
    ("started", |o| Cell::Time(o.started)),
    ("what", |o| Cell::text(&o.kind)),
    ("status", |o| Cell::text(&o.status)),
    ("changes", |o| Cell::text(o.changes.to_string())),
    ("who", |o| Cell::text(&o.who)),
    ("ended", |o| Cell::maybe(o.ended, Cell::Time)),
    ("reason", |o| Cell::maybe(o.reason.as_ref(), Cell::text)),
];

pub(super) const EVENTS: [Column<StackEvent>; 5] = [
    ("time", |e| Cell::Time(e.time)),
    ("status", |e| Cell::text(&e.status)),
    ("kind", |e| Cell::text(&e.kind)),
    ("logical id", |e| Cell::text(&e.logical_id)),
    ("reason", |e| Cell::maybe(e.reason.as_ref(), Cell::text)),
];

/// Shows what was changed behind the stack's back.
pub async fn drift(s: &Session, backend: &Backend, pipeline: &str) -> Result {
    deployed(backend, pipeline).await?;
    let look = telling(backend, pipeline, backend.drift(pipeline));
    let consequence = match backend.engine_of(pipeline) {
        Engine::CloudFormation => "CloudFormation looks on; `drift --read-only` shows what it finds",
        _ => "nothing was changed",
    };
    let drift = unless_interrupted(look, consequence).await??;
    match s.out.format {
        Format::Json => s.out.json(&drift),
        Format::Csv => {
            let rows: Vec<_> = drift
                .resources
                .iter()
                .flat_map(|r| r.properties.iter().map(move |p| (r, p)))
                .map(|(r, p)| Row {
                    resource: r.name.clone(),
                    path: p.path.clone(),
                    expected: said(p.expected.as_ref()),
                    actual: said(p.actual.as_ref()),
                })
                .collect();
            s.out.list(&rows, &ROWS, "")
        }
        Format::Table | Format::Markdown => {
            drift_lines(&drift, backend.engine_of(pipeline)).iter().try_for_each(|line| s.out.line(&text::clean(line)))
        }
    }
}

#[derive(serde::Serialize)]
struct Row {
    resource: String,
    path: String,
    expected: String,
    actual: String,
}

const ROWS: [Column<Row>; 4] = [
    ("resource", |r| Cell::text(&r.resource)),
    ("property", |r| Cell::text(&r.path)),
    ("expected", |r| Cell::text(&r.expected)),
    ("actual", |r| Cell::text(&r.actual)),
];

fn said(value: Option<&Value>) -> String {
    value.map_or_else(|| "(none)".into(), Value::to_string)
}

fn drift_lines(drift: &Drift, engine: Engine) -> Vec<String> {
    let mut lines = Vec::new();
    // Terraform always compares with what is there.
    let repair = if engine == Engine::Terraform { "`deploy`" } else { "`deploy --revert-drift`" };
    for resource in &drift.resources {
        let designed = if resource.by_design() { "  (changed while it runs, by design)" } else { "" };
        let (kind, name) = (&resource.kind, &resource.name);
        lines.push(format!(
            "~ {} {kind} {name} ({}){designed}",
            resource.status.to_lowercase(),
            resource.physical_name
        ));
        for p in &resource.properties {
            let designed = if p.by_design && !resource.by_design() { "  (by design)" } else { "" };
            let (expected, actual) = (said(p.expected.as_ref()), said(p.actual.as_ref()));
            lines.push(format!("      {}: expected {expected}, is {actual}{designed}", p.path));
        }
    }
    let when = match (drift.fresh, drift.checked) {
        (true, _) => String::new(),
        (false, Some(at)) => format!(" (read-only: found by the last look, at {at})"),
        (false, None) => " (read-only: nobody has looked yet)".to_owned(),
    };
    let count = drift.unexpected().count();
    lines.push(match (drift.status.as_str(), count) {
        ("NOT_CHECKED", _) => format!("{}: not checked{when}", drift.stack),
        (_, 0) => format!("{}: no drift{when}", drift.stack),
        (_, 1) => format!("{}: 1 resource is not what the stack says{when}; {repair} brings it back", drift.stack),
        (_, n) => {
            format!("{}: {n} resources are not what the stack says{when}; {repair} brings them back", drift.stack)
        }
    });
    lines
}

/// Shows the deploys and destroys of the past.
pub async fn history(s: &Session, backend: &Backend, pipeline: &str) -> Result {
    let all = backend.history(pipeline, PAST).await?;
    if all.is_empty() {
        known(backend, pipeline).await?;
    }
    s.out.list(&all, &OPERATIONS, "no history: it was never deployed, or is destroyed")
}

/// Which events.
#[derive(Debug, clap::Args)]
pub struct Events {
    /// The pipeline's name
    pub pipeline: String,
    /// So many at most, the newest
    #[arg(short = 'n', long, value_name = "N", default_value_t = PAST, value_parser = input::count, allow_negative_numbers = true)]
    pub limit: usize,
    /// Go on until the operation under way has ended
    #[arg(short, long)]
    pub follow: bool,
}

impl Events {
    /// Shows them, the oldest first.
    pub async fn run(&self, s: &Session, backend: &Backend) -> Result {
        let mut events = backend.events(&self.pipeline, self.limit).await?;
        events.reverse();
        if events.is_empty() {
            known(backend, &self.pipeline).await?;
        }
        s.out.list(&events, &EVENTS, "no events")?;
        if !self.follow {
            return Ok(());
        }
        let key = |e: &StackEvent| (e.time, e.logical_id.clone(), e.status.clone());
        let mut seen: BTreeSet<_> = events.iter().map(key).collect();
        loop {
            // The status first, so that an end is not told before what led to it.
            let under_way = backend.status(&self.pipeline).await?.is_some_and(|s| s.status.in_progress());
            let mut news = backend.events(&self.pipeline, PAST).await?;
            news.reverse();
            news.retain(|e| seen.insert(key(e)));
            for e in &news {
                let why = e.reason.as_ref().map_or_else(String::new, |r| format!(": {r}"));
                let line =
                    format!("{} {}/{} {:<18} {} {}{why}", e.time, e.done, e.total, e.status, e.kind, e.logical_id);
                match s.out.format {
                    Format::Json => s.out.json_line(e)?,
                    _ => s.out.line(&text::clean(&line))?,
                }
            }
            if !under_way {
                return Ok(());
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }
}

/// What to take back.
#[derive(Debug, clap::Args)]
pub struct Rollback {
    /// The pipeline's name
    pub pipeline: String,
    /// Leave this resource as it is, as it cannot be taken back
    #[arg(long, value_name = "LOGICAL_ID")]
    pub skip: Vec<String>,
}

impl Rollback {
    /// Takes the failed change back, with progress on stderr.
    pub async fn run(&self, s: &Session, backend: &Backend) -> Result {
        let effect = backend.rollback_effect(&self.pipeline, &self.skip)?;
        deployed(backend, &self.pipeline).await?;
        let consent = s.consent(backend, &effect)?;
        let (progress, events) = mpsc::unbounded_channel();
        let printer = tokio::spawn(print(events));
        let work = backend.rollback(&self.pipeline, &self.skip, &consent, progress);
        let result = unless_interrupted(work, consequence(backend.engine_of(&self.pipeline), "rollback")).await;
        let _ = printer.await;
        show(s, &result??)
    }
}

/// Which stack to protect.
#[derive(Debug, clap::Args)]
pub struct Protect {
    /// The pipeline's name
    pub pipeline: String,
    /// Take the protection back
    #[arg(long)]
    pub off: bool,
}

impl Protect {
    /// Turns the protection on or off.
    pub async fn run(&self, s: &Session, backend: &Backend) -> Result {
        let stack = deployed(backend, &self.pipeline).await?;
        let effect = backend.protect_effect(&self.pipeline, !self.off)?;
        let consent = s.consent(backend, &effect)?;
        backend.protect(&self.pipeline, !self.off, &consent).await?;
        let how = if self.off { "no longer protected" } else { "protected" };
        note(&format!("{} is {how} against deletion", stack.name));
        Ok(())
    }
}

/// Which lock to take away.
#[derive(Debug, clap::Args)]
pub struct Unlock {
    /// The pipeline's name
    pub pipeline: String,
    /// The lock's id, which the error that tells of it has
    #[arg(value_name = "LOCK_ID")]
    pub lock: String,
}

impl Unlock {
    /// Takes it away.
    pub async fn run(&self, s: &Session, backend: &Backend) -> Result {
        known(backend, &self.pipeline).await?;
        if backend.stacks_of(&self.pipeline)?.engine() != Engine::Terraform {
            let stack = backend.stack_name(&self.pipeline);
            return Err(Failure::failed(format!(
                "{stack} has no lock: only the state of a pipeline that Terraform deploys has one"
            )));
        }
        let effect = backend.unlock_effect(&self.pipeline, &self.lock)?;
        let consent = s.consent(backend, &effect)?;
        backend.unlock(&self.pipeline, &self.lock, &consent).await?;
        note(&format!("the lock {} on the state of {} is taken away", self.lock, effect.target));
        Ok(())
    }
}

/// What to do about the bootstrap stack.
#[derive(Debug, clap::Args)]
pub struct Bootstrap {
    /// Print its template, and change nothing
    #[arg(long)]
    pub show: bool,
}

impl Bootstrap {
    /// Makes or updates it, with progress on stderr.
    pub async fn run(&self, s: &Session, backend: &Backend) -> Result {
        if self.show {
            return s.out.line(&backend.bootstrap_template());
        }
        let (plan, effect) = planned(backend.cloud.stacks.engine(), backend.bootstrap_effect()).await??;
        for line in lines(&plan) {
            note(&line);
        }
        let consent = s.consent(backend, &effect)?;
        let (progress, events) = mpsc::unbounded_channel();
        let printer = tokio::spawn(print(events));
        let work = backend.bootstrap(plan, &effect, &consent, progress);
        let result =
            unless_interrupted(work, "what CloudFormation has begun goes on; run it again to wait for its end").await;
        let _ = printer.await;
        let stack = result??;
        show(s, &stack)?;
        if stack.status.usable() {
            return Ok(());
        }
        Err(Failure::failed(format!("{} is {}", stack.name, stack.status.word())))
    }
}
