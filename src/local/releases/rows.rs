//! Releases and their steps as rows.

use std::path::PathBuf;

use rusqlite::{Connection, Row, Transaction, params};

use super::super::{clock::timestamp, logs, store::sql};
use crate::cloud::{
    Error, Result,
    releases::{Definition, Release, ReleaseStatus, Stage, Step, StepKind},
};

/// What is said of a step that nobody is at work on any more.
const CUT_OFF: &str = "cut off: the process that was at work on it has ended; the console, `pumphouse local serve` or \
                       `pumphouse releases follow` carries it on";

/// The log group of a delivery's releases.
pub(super) fn log_group(delivery: &str) -> String {
    format!("{GROUPS}{delivery}")
}

/// How the log groups of releases begin.
pub(crate) const GROUPS: &str = "/pumphouse/releases/";

/// A release's row.
#[derive(Debug, Clone)]
pub(super) struct ReleaseRow {
    pub(super) id: String,
    pub(super) delivery: String,
    pub(super) number: i64,
    pub(super) pipeline: String,
    /// The repository's top folder.
    pub(super) top: PathBuf,
    /// The pipeline's folder below it.
    pub(super) folder: String,
    pub(super) revision: String,
    pub(super) summary: String,
    pub(super) status: ReleaseStatus,
    pub(super) trigger: String,
    pub(super) started: i64,
    pub(super) updated: i64,
    pub(super) stop_requested: bool,
    pub(super) definition: Definition,
    pub(super) process: Option<String>,
}

/// A step's row.
#[derive(Debug, Clone)]
pub(super) struct StepRow {
    pub(super) seq: i64,
    pub(super) stage: String,
    pub(super) name: String,
    pub(super) kind: StepKind,
    pub(super) env: Option<String>,
    /// What the shell is to execute.
    pub(super) command: Option<String>,
    pub(super) status: ReleaseStatus,
    pub(super) attempts: i64,
    pub(super) started: Option<i64>,
    pub(super) updated: Option<i64>,
    pub(super) summary: Option<String>,
    pub(super) token: Option<String>,
    pub(super) child: Option<String>,
}

impl StepRow {
    /// The environment that it is about.
    pub(super) fn env(&self) -> &str {
        self.env.as_deref().unwrap_or_default()
    }

    /// The first step, which has not begun.
    pub(super) fn new(stage: &str, name: &str, kind: StepKind) -> Self {
        Self {
            seq: 0,
            stage: stage.into(),
            name: name.into(),
            kind,
            env: None,
            command: None,
            status: ReleaseStatus::Pending,
            attempts: 0,
            started: None,
            updated: None,
            summary: None,
            token: None,
            child: None,
        }
    }
}

fn status(word: &str) -> ReleaseStatus {
    use ReleaseStatus as S;
    let all = [S::Pending, S::InProgress, S::Waiting, S::Succeeded, S::Failed, S::Stopping, S::Stopped, S::Superseded];
    all.into_iter().find(|s| s.word() == word).unwrap_or(S::Failed)
}

const KINDS: [(StepKind, &str); 5] = [
    (StepKind::Source, "source"),
    (StepKind::Check, "check"),
    (StepKind::Plan, "plan"),
    (StepKind::Approval, "approval"),
    (StepKind::Deploy, "deploy"),
];

fn kind(word: &str) -> StepKind {
    KINDS.iter().find(|(_, w)| *w == word).map_or(StepKind::Other, |(kind, _)| *kind)
}

const COLUMNS: &str = "id, delivery, number, pipeline, top, folder, revision, summary, status, trigger, started, updated, \
                       stop_requested, definition, process";

fn raw(r: &Row<'_>) -> rusqlite::Result<(ReleaseRow, String)> {
    let definition = r.get(13)?;
    let row = ReleaseRow {
        id: r.get(0)?,
        delivery: r.get(1)?,
        number: r.get(2)?,
        pipeline: r.get(3)?,
        top: PathBuf::from(r.get::<_, String>(4)?),
        folder: r.get(5)?,
        revision: r.get(6)?,
        summary: r.get(7)?,
        status: status(&r.get::<_, String>(8)?),
        trigger: r.get(9)?,
        started: r.get(10)?,
        updated: r.get(11)?,
        stop_requested: r.get(12)?,
        definition: Definition {
            pipeline: String::new(),
            folder: String::new(),
            branch: String::new(),
            checks: Vec::new(),
            environments: Vec::new(),
            email: Vec::new(),
        },
        process: r.get(14)?,
    };
    Ok((row, definition))
}

fn select(connection: &Connection, rest: &str, values: &[&dyn rusqlite::ToSql]) -> Result<Vec<ReleaseRow>> {
    let mut statement = connection.prepare_cached(&format!("select {COLUMNS} from releases {rest}")).map_err(sql)?;
    let rows = statement.query_map(values, raw).map_err(sql)?;
    rows.map(|row| {
        let (row, definition) = row.map_err(sql)?;
        Ok(ReleaseRow { definition: serde_json::from_str(&definition).map_err(Error::storage)?, ..row })
    })
    .collect()
}

/// The releases of a delivery, the newest first.
pub(super) fn newest(connection: &Connection, delivery: &str, limit: usize) -> Result<Vec<ReleaseRow>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    select(connection, "where delivery = ?1 order by number desc limit ?2", params![delivery, limit])
}

/// The releases that are not over, of one delivery or of all, the oldest first.
pub(super) fn open(connection: &Connection, delivery: Option<&str>) -> Result<Vec<ReleaseRow>> {
    select(
        connection,
        "where status in ('PENDING', 'IN_PROGRESS', 'WAITING', 'STOPPING') and (?1 is null or delivery = ?1) \
         order by delivery, number",
        params![delivery],
    )
}

/// The newest release of each delivery.
pub(super) fn deliveries(connection: &Connection) -> Result<Vec<ReleaseRow>> {
    select(
        connection,
        "r where number = (select max(number) from releases where delivery = r.delivery) order by delivery",
        &[],
    )
}

/// A release by its number, as people write it.
pub(super) fn find(connection: &Connection, delivery: &str, release: &str) -> Result<ReleaseRow> {
    let missing = || Error::not_found("release", format!("{delivery} {release}"));
    let number: i64 = release.parse().map_err(|_| missing())?;
    select(connection, "where delivery = ?1 and number = ?2", params![delivery, number])?.pop().ok_or_else(missing)
}

/// Writes down a release that is to begin, with its first step.
pub(super) fn insert(t: &Transaction<'_>, row: &ReleaseRow, first: &StepRow) -> Result<()> {
    t.execute(
        &format!(
            "insert into releases ({COLUMNS}) values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)"
        ),
        params![
            row.id,
            row.delivery,
            row.number,
            row.pipeline,
            row.top.display().to_string(),
            row.folder,
            row.revision,
            row.summary,
            row.status.word(),
            row.trigger,
            row.started,
            row.updated,
            row.stop_requested,
            serde_json::to_string(&row.definition).map_err(Error::storage)?,
            row.process
        ],
    )
    .map_err(sql)?;
    insert_step(t, &row.id, first)
}

/// Writes a step down; one that is there already stays as it is.
pub(super) fn insert_step(t: &Transaction<'_>, release: &str, step: &StepRow) -> Result<()> {
    let kind = KINDS.iter().find(|(kind, _)| *kind == step.kind).map_or("other", |(_, word)| word);
    t.execute(
        "insert or ignore into release_steps (release, seq, stage, name, kind, env, command, status) \
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        params![release, step.seq, step.stage, step.name, kind, step.env, step.command, step.status.word()],
    )
    .map_err(sql)?;
    Ok(())
}

/// The number of a delivery's next release.
pub(super) fn next_number(t: &Transaction<'_>, delivery: &str) -> Result<i64> {
    t.query_row("select coalesce(max(number), 0) + 1 from releases where delivery = ?1", [delivery], |r| r.get(0))
        .map_err(sql)
}

/// The steps of a release, in order.
pub(super) fn steps(connection: &Connection, release: &str) -> Result<Vec<StepRow>> {
    let mut statement = connection
        .prepare_cached(
            "select seq, stage, name, kind, env, command, status, attempts, started, updated, summary, token, child \
             from release_steps where release = ?1 order by seq",
        )
        .map_err(sql)?;
    let rows = statement.query_map([release], |r| {
        Ok(StepRow {
            seq: r.get(0)?,
            stage: r.get(1)?,
            name: r.get(2)?,
            kind: kind(&r.get::<_, String>(3)?),
            env: r.get(4)?,
            command: r.get(5)?,
            status: status(&r.get::<_, String>(6)?),
            attempts: r.get(7)?,
            started: r.get(8)?,
            updated: r.get(9)?,
            summary: r.get(10)?,
            token: r.get(11)?,
            child: r.get(12)?,
        })
    });
    rows.map_err(sql)?.collect::<rusqlite::Result<_>>().map_err(sql)
}

/// Sets how a release is; one that is over, or waits, names no process any more.
pub(super) fn set_status(t: &Transaction<'_>, id: &str, status: ReleaseStatus, now_ms: i64) -> Result<()> {
    let rests = status.is_final() || status == ReleaseStatus::Waiting;
    t.execute(
        "update releases set status = ?2, updated = ?3, process = case when ?4 then null else process end where id = ?1",
        params![id, status.word(), now_ms, rests],
    )
    .map_err(sql)?;
    Ok(())
}

/// Sets how a step is, and what came of it.
pub(super) fn set_step(
    t: &Transaction<'_>,
    id: &str,
    seq: i64,
    status: ReleaseStatus,
    summary: Option<&str>,
    now_ms: i64,
) -> Result<()> {
    t.execute(
        "update release_steps set status = ?3, summary = coalesce(?4, summary), updated = ?5, \
         child = case when ?3 = 'IN_PROGRESS' then child else null end where release = ?1 and seq = ?2",
        params![id, seq, status.word(), summary, now_ms],
    )
    .map_err(sql)?;
    Ok(())
}

/// A line in a release's own log stream.
pub(super) fn note(t: &Transaction<'_>, release: &ReleaseRow, now_ms: i64, line: &str) -> Result<()> {
    logs::append(t, &log_group(&release.delivery), &release.number.to_string(), &[(now_ms, line)])
}

/// The log stream of a step.
pub(super) fn stream(release: &ReleaseRow, step: &StepRow) -> String {
    format!("{}/{}/{}", release.number, step.stage, step.name)
}

/// A release as the port tells of it, with its stages where they are given; `at_work` says whether somebody is.
pub(super) fn as_seen(row: &ReleaseRow, steps: &[StepRow], at_work: bool) -> Release {
    let mut stages: Vec<Stage> = Vec::new();
    let goes_on = matches!(row.status, ReleaseStatus::InProgress | ReleaseStatus::Stopping);
    let left_alone = goes_on && !at_work;
    for step in steps {
        let mut seen = Step {
            name: step.name.clone(),
            kind: step.kind,
            env: step.env.clone(),
            status: step.status,
            started: step.started.map(timestamp),
            updated: step.updated.map(timestamp),
            summary: step.summary.clone().or_else(|| step.command.clone()),
            log_group: Some(log_group(&row.delivery)),
            // An approval has no log of its own.
            log_stream: Some(if step.kind == StepKind::Approval { row.number.to_string() } else { stream(row, step) }),
            token: step.token.clone(),
        };
        if left_alone && step.status == ReleaseStatus::InProgress {
            seen.summary = Some(CUT_OFF.into());
        }
        match stages.last_mut().filter(|stage| stage.name == step.stage) {
            Some(stage) => stage.steps.push(seen),
            None => stages.push(Stage { name: step.stage.clone(), status: ReleaseStatus::Pending, steps: vec![seen] }),
        }
    }
    for stage in &mut stages {
        stage.status = of_stage(&stage.steps);
    }
    Release {
        id: row.number.to_string(),
        delivery: row.delivery.clone(),
        pipeline: Some(row.pipeline.clone()),
        revision: Some(row.revision.clone()),
        summary: Some(row.summary.clone()),
        status: row.status,
        trigger: Some(row.trigger.clone()),
        started: Some(timestamp(row.started)),
        updated: Some(timestamp(row.updated)),
        stages,
    }
}

/// How a stage is: as the step that it has come to.
fn of_stage(steps: &[Step]) -> ReleaseStatus {
    use ReleaseStatus as S;
    let all = |status| steps.iter().all(|s| s.status == status);
    if all(S::Pending) || all(S::Succeeded) {
        return steps.first().map_or(S::Pending, |s| s.status);
    }
    let reached = steps.iter().rev().find(|s| s.status != S::Pending);
    match reached.map(|s| s.status) {
        // The next one has not begun.
        Some(S::Succeeded) | None => S::InProgress,
        Some(status) => status,
    }
}
