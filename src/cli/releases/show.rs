//! `releases list`, `releases show`, `releases logs`.

use super::super::{
    failure::{Failure, Result},
    out::{Cell, Column},
    session::Session,
};
use crate::{
    backend::Backend,
    cloud::{
        Error,
        logs::{LogEvent, LogPage, ReadLogs},
        releases::{Release, Step, delivered},
    },
    config::Format,
    text,
};

/// Releases that are looked through for the one that is meant.
pub const LOOKED_AT: usize = 50;

/// Which release.
#[derive(Debug, clap::Args)]
pub struct Which {
    /// The pipeline's name, or the delivery's
    pub pipeline: String,
    /// The release [default: the newest that is meant]
    pub release: Option<String>,
}

const RELEASES: [Column<Release>; 8] = [
    ("pipeline", |r| Cell::text(known_as(r))),
    ("release", |r| Cell::text(&r.id)),
    ("status", |r| Cell::text(r.status.word())),
    ("revision", |r| Cell::maybe(r.revision.as_deref(), |revision| Cell::text(short(revision)))),
    ("started", |r| Cell::maybe(r.started, Cell::Time)),
    ("updated", |r| Cell::maybe(r.updated, Cell::Time)),
    ("trigger", |r| Cell::maybe(r.trigger.as_ref(), Cell::text)),
    ("summary", |r| Cell::maybe(r.summary.as_ref(), Cell::text)),
];

const STEPS: [Column<(String, Step)>; 6] = [
    ("stage", |(stage, _)| Cell::text(stage)),
    ("step", |(_, s)| Cell::text(&s.name)),
    ("status", |(_, s)| Cell::text(s.status.word())),
    ("started", |(_, s)| Cell::maybe(s.started, Cell::Time)),
    ("took", |(_, s)| Cell::maybe(took(s), Cell::Millis)),
    ("summary", |(_, s)| Cell::maybe(s.summary.as_deref().map(first), Cell::text)),
];

/// By which name people know what is released.
pub fn known_as(release: &Release) -> &str {
    release.pipeline.as_deref().or_else(|| delivered(&release.delivery)).unwrap_or(&release.delivery)
}

/// A commit's id as people write it.
fn short(revision: &str) -> &str {
    revision.get(..10).unwrap_or(revision)
}

/// What was said in the first line: the rest is for who looks at the step itself.
pub fn first(summary: &str) -> &str {
    summary.lines().next().unwrap_or_default()
}

fn took(step: &Step) -> Option<u64> {
    if !step.status.is_final() {
        return None;
    }
    u64::try_from(step.updated?.duration_since(step.started?).as_millis()).ok()
}

/// Lists releases.
pub async fn list(s: &Session, backend: &Backend, pipeline: Option<&str>, limit: usize) -> Result {
    let deliveries = match pipeline {
        Some(name) => vec![backend.delivery(name).await?],
        None => backend.deliveries().await?,
    };
    let mut all = Vec::new();
    for delivery in &deliveries {
        for mut release in backend.cloud.releases.releases(&delivery.name, limit).await? {
            release.pipeline = release.pipeline.or_else(|| delivery.pipeline.clone());
            all.push(release);
        }
    }
    // Stable: those of a delivery stay in their order.
    all.sort_by_key(|r| std::cmp::Reverse(r.started));
    let none = match deliveries.first() {
        None => "nothing is delivered: a pipeline's section [release] says how (see docs/pipeline.md)".to_owned(),
        Some(first) => {
            let name = pipeline.or(first.pipeline.as_deref()).unwrap_or(&first.name);
            format!("no releases yet: `pumphouse releases start {name}` makes one")
        }
    };
    s.out.list(&all, &RELEASES, &none)
}

impl Which {
    /// The release that is named, else the newest that `fits`.
    pub async fn find(&self, backend: &Backend, fits: impl Fn(&Release) -> bool, what: &str) -> Result<Release> {
        let delivery = backend.delivery(&self.pipeline).await?;
        let id = if let Some(id) = &self.release {
            id.clone()
        } else {
            let all = backend.cloud.releases.releases(&delivery.name, LOOKED_AT).await?;
            let Some(found) = all.iter().find(|r| fits(r)) else {
                let newest = all.first().map(|r| format!("; the newest, {}, is {}", r.id, r.status.word()));
                return Err(Failure::failed(format!(
                    "no release of {} {what}{}",
                    self.pipeline,
                    newest.unwrap_or_default()
                )));
            };
            found.id.clone()
        };
        let mut release = backend.cloud.releases.get(&delivery.name, &id).await?;
        release.pipeline = release.pipeline.or(delivery.pipeline);
        Ok(release)
    }

    /// Shows it.
    pub async fn show(&self, s: &Session, backend: &Backend) -> Result {
        show(s, &self.find(backend, |_| true, "is there yet").await?)
    }

    /// Prints what its steps have logged, step after step.
    pub async fn logs(&self, s: &Session, backend: &Backend, step: Option<&str>) -> Result {
        let release = self.find(backend, |_| true, "is there yet").await?;
        let all = steps(&release);
        let name = |(stage, step): &(String, Step)| format!("{stage}/{}", step.name);
        let wanted: Vec<_> = all.iter().filter(|s| step.is_none_or(|wanted| name(s) == wanted)).collect();
        if let (true, Some(wanted)) = (wanted.is_empty(), step) {
            let known: Vec<_> = all.iter().map(name).collect();
            return Err(Failure::failed(format!("no step {wanted:?}; there are: {}", known.join(", "))));
        }
        let mut events: Vec<LogEvent> = Vec::new();
        for (stage, step) in wanted {
            let (Some(group), Some(stream)) = (&step.log_group, &step.log_stream) else { continue };
            // An approval's is the release's own, which is no step's.
            if step.kind == crate::cloud::releases::StepKind::Approval {
                continue;
            }
            let mut read =
                ReadLogs { groups: vec![group.clone()], stream: Some(stream.clone()), ..ReadLogs::default() };
            loop {
                let page = match backend.cloud.logs.read(&read).await {
                    // It has not written anything yet, or that was thrown away since.
                    Err(Error::NotFound { .. }) => LogPage::default(),
                    page => page?,
                };
                if s.out.format == Format::Table {
                    // A page at a time: there may be millions.
                    s.out.lines(page.events.iter().map(|event| line(stage, step, event)))?;
                } else {
                    events.extend(page.events);
                }
                read.after = page.next.or(read.after.take());
                if !page.more {
                    break;
                }
            }
        }
        if s.out.format == Format::Table { Ok(()) } else { s.out.list(&events, &EVENTS, "") }
    }
}

const EVENTS: [Column<LogEvent>; 4] = [
    ("timestamp", |e| Cell::Time(e.timestamp)),
    ("group", |e| Cell::text(&e.group)),
    ("stream", |e| Cell::text(&e.stream)),
    ("message", |e| Cell::text(&e.message)),
];

fn line(stage: &str, step: &Step, event: &LogEvent) -> String {
    let time = event.timestamp.strftime("%Y-%m-%dT%H:%M:%S%.3fZ");
    let message = text::clean_lines(&event.message).collect::<Vec<_>>().join("\n");
    format!("{time} {stage}/{} {message}", step.name)
}

fn steps(release: &Release) -> Vec<(String, Step)> {
    let of_stage = |stage: &crate::cloud::releases::Stage| {
        stage.steps.iter().map(|step| (stage.name.clone(), step.clone())).collect::<Vec<_>>()
    };
    release.stages.iter().flat_map(of_stage).collect()
}

/// Shows a release with its steps.
pub fn show(s: &Session, release: &Release) -> Result {
    match s.out.format {
        Format::Json => s.out.json(release),
        Format::Csv => s.out.list(&steps(release), &STEPS, ""),
        Format::Table | Format::Markdown => {
            s.out.record(
                release,
                vec![
                    ("release", Cell::text(&release.id)),
                    ("of", Cell::text(known_as(release))),
                    ("delivery", Cell::text(&release.delivery)),
                    ("status", Cell::text(release.status.word())),
                    ("revision", Cell::maybe(release.revision.as_ref(), Cell::text)),
                    ("summary", Cell::maybe(release.summary.as_ref(), Cell::text)),
                    ("trigger", Cell::maybe(release.trigger.as_ref(), Cell::text)),
                    ("started", Cell::maybe(release.started, Cell::Time)),
                    ("updated", Cell::maybe(release.updated, Cell::Time)),
                ],
            )?;
            s.out.line("")?;
            s.out.list(&steps(release), &STEPS, "no steps")
        }
    }
}
