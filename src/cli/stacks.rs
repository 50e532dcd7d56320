//! `pipelines`, `deploy`, `status`, `outputs`, `destroy`: pipelines and their stacks.

use std::{
    cell::OnceCell,
    io::{self, IsTerminal},
    path::PathBuf,
    pin::pin,
};

use clap::ValueHint;
use serde::Serialize;
use serde_json::Value;
use tokio::sync::mpsc;

use super::{
    failure::{Failure, Result},
    out::{Cell, Column, note},
    session::Session,
    signals::{Watch, to_its_end, unless_interrupted},
};
use crate::{
    backend::{Backend, Consent, PlanFile, Strength, overview::PipelineSummary},
    cloud::stacks::{
        Action, Change, ChangeSet, Engine, Evaluation, PropertyChange, Replacement, Stack, StackEvent, StackOutput,
        StackResource, Waiting,
    },
    config::Format,
};

const PIPELINES: [Column<PipelineSummary>; 5] = [
    ("pipeline", |p| Cell::text(&p.name)),
    ("state", |p| Cell::text(&p.words)),
    ("stack", |p| Cell::maybe(p.stack.as_ref(), Cell::text)),
    ("deployed", |p| Cell::maybe(p.deployed, Cell::Time)),
    ("description", |p| Cell::text(&p.description)),
];

const RESOURCES: [Column<StackResource>; 5] = [
    ("resource", |r| Cell::text(&r.name)),
    ("kind", |r| Cell::text(&r.kind)),
    ("status", |r| Cell::text(&r.status)),
    ("physical name", |r| Cell::text(&r.physical_name)),
    ("updated", |r| Cell::Time(r.updated)),
];

const OUTPUTS: [Column<StackOutput>; 3] = [
    ("output", |o| Cell::text(&o.name)),
    ("value", |o| Cell::text(&o.value)),
    ("description", |o| Cell::text(&o.description)),
];

const CHANGES: [Column<Change>; 6] = [
    ("action", |c| Cell::text(word(c.action))),
    ("resource", |c| Cell::text(&c.name)),
    ("kind", |c| Cell::text(&c.kind)),
    ("physical name", |c| Cell::text(&c.physical_name)),
    ("properties", |c| Cell::text(c.properties.iter().map(|p| p.path.as_str()).collect::<Vec<_>>().join(", "))),
    ("loses data", |c| Cell::Flag(c.loses_data)),
];

/// Lists the pipelines.
pub async fn pipelines(s: &Session, backend: &Backend) -> Result {
    let all = backend.list_pipelines().await?;
    if all.iter().all(|p| p.stack.is_none()) {
        super::connect::known_environment(&s.settings)?;
    }
    s.out.list(&all, &PIPELINES, "no pipelines: --pipelines DIR names a folder of them")
}

/// The changes of a plan as a list.
pub(super) fn changes(s: &Session, plan: &ChangeSet) -> Result {
    s.out.list(&plan.changes, &CHANGES, "")
}

/// A plan, to its end: one of CloudFormation's would leave a change set behind.
pub(super) async fn planned<T>(engine: Engine, plan: impl Future<Output = T>) -> Result<T> {
    match engine {
        Engine::Embedded => return Ok(plan.await),
        // Terraform itself is told, and lets go of the state's lock.
        Engine::Terraform => return unless_interrupted(plan, "nothing was changed").await,
        Engine::CloudFormation => {}
    }
    let waiting = "ending as soon as the plan's change set is removed; once more, and this ends at once";
    to_its_end(plan, waiting, "the plan's change set may be left behind: a later plan removes it").await
}

/// The same, of a pipeline; a lock that it waits for is told.
pub(super) async fn awaited<T>(backend: &Backend, pipeline: &str, plan: impl Future<Output = T>) -> Result<T> {
    planned(backend.engine_of(pipeline), telling(backend, pipeline, plan)).await
}

/// Does something, and tells once what it waits for.
pub(super) async fn telling<T>(backend: &Backend, pipeline: &str, work: impl Future<Output = T>) -> T {
    let told = OnceCell::new();
    let tell = |waiting: &Waiting| {
        if told.set(()).is_ok() {
            let left = waiting.left();
            note(&format!("{}; for {left} s at the most", waiting.why));
        }
    };
    backend.telling(pipeline, work, tell).await
}

/// Deploys, with progress on stderr.
pub async fn deploy(s: &Session, backend: &Backend, deploy: &Deploy) -> Result {
    let pipeline = deploy.pipeline.as_str();
    let (plan, effect) = match &deploy.plan_file {
        Some(path) => backend.judge_plan_file(pipeline, &PlanFile::read(path)?).await?,
        None => Box::pin(awaited(backend, pipeline, backend.judge_deploy(pipeline, deploy.revert_drift))).await??,
    };
    for line in lines(&plan) {
        note(&line);
    }
    // Who names a plan has seen it: that is a yes. It is not the name that a protected environment asks for.
    let consent = match (&deploy.plan_file, &effect.strength) {
        (Some(_), Strength::Confirm) => Consent::Yes,
        _ => s.consent(backend, &effect)?,
    };
    let stack = applied(backend, pipeline, &consent).await?;
    show(s, &stack)?;
    ended(&stack, &plan)
}

/// Whether a deploy ended well.
pub fn ended(stack: &Stack, plan: &ChangeSet) -> Result {
    // A change that was taken back earlier is no failure of this deploy, which had nothing to do.
    if stack.status.complete() || (stack.status.usable() && plan.changes.is_empty()) {
        return Ok(());
    }
    let why = stack.reason.as_deref().unwrap_or("no reason is known");
    Err(Failure::failed(format!("{} is {}: {why}", stack.name, stack.status.word())))
}

/// Deploys what was judged last, with progress on stderr.
pub(super) async fn applied(backend: &Backend, pipeline: &str, consent: &Consent) -> Result<Stack> {
    let (progress, events) = mpsc::unbounded_channel();
    let printer = tokio::spawn(print(events));
    let work = backend.deploy(pipeline, consent, progress);
    let result = followed(backend, pipeline, "deploy", work).await;
    let _ = printer.await;
    Ok(result??)
}

/// Destroys, with progress on stderr.
pub async fn destroy(s: &Session, backend: &Backend, destroy: &Destroy) -> Result {
    let pipeline = destroy.pipeline.as_str();
    let stack = deployed(backend, pipeline).await?;
    let (plan, effect) = awaited(backend, pipeline, backend.judge_destroy(pipeline)).await??;
    for line in plan.iter().flat_map(lines) {
        note(&line);
    }
    let consent = s.consent(backend, &effect)?;
    let (progress, events) = mpsc::unbounded_channel();
    let printer = tokio::spawn(print(events));
    let work = backend.destroy(pipeline, &destroy.retain, &consent, progress);
    let result = followed(backend, pipeline, "destroy", work).await;
    let _ = printer.await;
    let destroyed = result??;
    note(&format!("{} is destroyed", stack.name));
    for kept in &destroyed.retained {
        note(&format!(
            "kept: {} {} ({}); to remove it: {}",
            kept.kind, kept.physical_name, kept.logical_id, kept.remove
        ));
    }
    Ok(())
}

/// Shows the stack.
pub async fn status(s: &Session, backend: &Backend, pipeline: &str) -> Result {
    show(s, &deployed(backend, pipeline).await?)
}

/// Shows what the stack tells its users.
pub async fn outputs(s: &Session, backend: &Backend, pipeline: &str) -> Result {
    s.out.list(&deployed(backend, pipeline).await?.outputs, &OUTPUTS, "no outputs")
}

/// What comes of an operation whose client goes away.
pub(super) fn consequence(engine: Engine, what: &str) -> &'static str {
    match (engine, what) {
        (Engine::CloudFormation, "destroy") => {
            "CloudFormation goes on; `status` shows how far it is, the next `destroy` waits for its end"
        }
        (Engine::CloudFormation, _) => {
            "what CloudFormation has begun goes on; `status` shows how far it is, the next `deploy` waits for its end"
        }
        (Engine::Terraform, _) => "what Terraform has begun goes on; `events --follow` shows how far it is",
        (Engine::Embedded, "destroy") => "the next `destroy` carries it on",
        (Engine::Embedded, _) => "the next `deploy` carries it on",
    }
}

/// Does what changes a stack to its end. Ctrl-C asks Terraform to stop, and waits for that; all others go on without us.
async fn followed<T>(backend: &Backend, pipeline: &str, what: &str, work: impl Future<Output = T>) -> Result<T> {
    let engine = backend.engine_of(pipeline);
    if engine != Engine::Terraform {
        return unless_interrupted(work, consequence(engine, what)).await;
    }
    let gone = || Failure::failed(format!("interrupted: {}", consequence(engine, what)));
    let (mut work, mut watch) = (pin!(work), Watch::begin());
    let interrupted = tokio::select! {
        done = &mut work => return Ok(done),
        interrupted = watch.asked() => interrupted,
    };
    if !interrupted {
        return Err(gone());
    }
    if backend.interrupt(pipeline).await.is_err() {
        return Err(Failure::failed("interrupted: nothing was begun"));
    }
    note("Terraform is asked to stop, and waited for; once more, and this ends at once, but not Terraform");
    tokio::select! {
        done = work => Ok(done),
        () = watch.asked_to_end() => Err(gone()),
    }
}

pub(super) async fn deployed(backend: &Backend, pipeline: &str) -> Result<Stack> {
    if let Some(stack) = backend.status(pipeline).await? {
        return Ok(stack);
    }
    known(backend, pipeline).await?;
    // Where it has no such environment, that is what is wrong.
    backend.graph(pipeline)?;
    Err(Failure::Failed(format!(
        "{pipeline} is not deployed in {}: `pumphouse deploy {pipeline}` does it",
        backend.env
    )))
}

/// Whether there is such a pipeline, deployed or not.
pub(super) async fn known(backend: &Backend, pipeline: &str) -> Result {
    if backend.pipeline(pipeline).is_ok() {
        return Ok(());
    }
    let known: Vec<_> = backend.list_pipelines().await?.into_iter().map(|p| p.name).collect();
    if known.iter().any(|k| k == pipeline) {
        return Ok(());
    }
    Err(Failure::Failed(super::names::unknown("pipeline", pipeline, &known)))
}

pub(super) fn show(s: &Session, stack: &Stack) -> Result {
    match s.out.format {
        Format::Json => s.out.json(stack),
        Format::Csv => s.out.list(&stack.resources, &RESOURCES, ""),
        Format::Table | Format::Markdown => {
            s.out.record(
                stack,
                vec![
                    ("stack", Cell::text(&stack.name)),
                    ("status", Cell::text(stack.status.word())),
                    ("interrupted", if stack.interrupted { Cell::Flag(true) } else { Cell::None }),
                    ("reason", Cell::maybe(stack.reason.as_ref(), Cell::text)),
                    ("protected", if stack.protected == Some(true) { Cell::Flag(true) } else { Cell::None }),
                    ("drift", Cell::maybe(stack.drift.as_ref(), Cell::text)),
                    ("created", Cell::Time(stack.created)),
                    ("updated", Cell::Time(stack.updated)),
                ],
            )?;
            s.out.line("")?;
            s.out.list(&stack.resources, &RESOURCES, "no resources")?;
            if stack.outputs.is_empty() {
                return Ok(());
            }
            s.out.line("")?;
            s.out.list(&stack.outputs, &OUTPUTS, "")
        }
    }
}

/// A line for each resource as it gets on.
pub(super) async fn print(mut events: mpsc::UnboundedReceiver<StackEvent>) {
    let terminal = io::stderr().is_terminal();
    while let Some(event) = events.recv().await {
        // What begins is of interest to a person who waits, and noise in a file, unless there is something to say of it.
        if event.status.ends_with("IN_PROGRESS") && event.reason.is_none() && !terminal {
            continue;
        }
        let why = event.reason.map_or_else(String::new, |r| format!(": {r}"));
        let width = event.total.to_string().len();
        // Where there is nothing to do there is nothing to count.
        let done = if event.total == 0 { String::new() } else { format!("{:>width$}/{} ", event.done, event.total) };
        note(&format!("{done}{:<18} {} {}{why}", event.status, event.kind, event.logical_id));
    }
}

pub(super) fn word(action: Action) -> &'static str {
    match action {
        Action::Add => "add",
        Action::Change => "change",
        Action::Replace => "replace",
        Action::Remove => "remove",
    }
}

/// The plan in lines: what is done to each resource, with its properties before and after.
pub(super) fn lines(plan: &ChangeSet) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(status) = &plan.recreates {
        lines.push(format!(
            "{}: the stack is {}, which takes no change: it is deleted first, and made anew",
            plan.stack,
            status.word()
        ));
    }
    lines.extend(plan.notes.iter().map(|note| format!("{}: {note}", plan.stack)));
    if plan.resumes && plan.notes.is_empty() {
        lines.push(format!("{}: the last operation was interrupted; this carries it on", plan.stack));
    }
    if plan.changes.is_empty() {
        lines.push(format!("{}: nothing to change", plan.stack));
        return lines;
    }
    for change in &plan.changes {
        let mark = match change.action {
            Action::Add => '+',
            Action::Change => '~',
            Action::Replace => '!',
            Action::Remove => '-',
        };
        let mut asides = asides(change);
        for (word, text) in origins(change) {
            asides = format!("{asides}  ({word}{text})");
        }
        // What CloudFormation names itself has no name yet.
        let physical = &change.physical_name;
        let physical = if physical.is_empty() { String::new() } else { format!(" ({physical})") };
        lines.push(format!("{mark} {:<7} {} {}{physical}{asides}", word(change.action), change.kind, change.name));
        if change.action == Action::Add || change.action == Action::Remove {
            continue;
        }
        for p in &change.properties {
            lines.push(property(change, p));
        }
    }
    lines.push(format!("{}: {}", plan.stack, counted(plan)));
    let unsure = plan.changes.iter().filter(|c| !c.certain).count();
    if plan.estimated {
        lines.push(format!(
            "{}: an estimate, from comparing the templates: CloudFormation was not asked what would be made anew",
            plan.stack
        ));
    } else if unsure > 0 {
        lines.push(format!("{}: {unsure} of them only where another change turns out to need them", plan.stack));
    }
    if !plan.capabilities.is_empty() {
        lines.push(format!("{}: needs {}", plan.stack, plan.capabilities.join(", ")));
    }
    lines
}

/// How many changes of each kind there are, in words.
pub(super) fn counted(plan: &ChangeSet) -> String {
    let count = |action| plan.changes.iter().filter(|c| c.action == action).count();
    format!(
        "{} to add, {} to change, {} to replace, {} to remove",
        count(Action::Add),
        count(Action::Change),
        count(Action::Replace),
        count(Action::Remove)
    )
}

/// Where what is changed comes from, and why: words, and text that is the engine's.
pub(super) fn origins(change: &Change) -> impl Iterator<Item = (&'static str, &str)> {
    let all = [
        ("moved from ", &change.moved_from),
        ("there already, and taken in: ", &change.imported),
        ("", &change.reason),
    ];
    all.into_iter().filter_map(|(word, text)| Some((word, text.as_deref()?)))
}

/// What else is to be said of a change.
pub(super) fn asides(change: &Change) -> String {
    let mut asides = String::new();
    let may_be = change.replacement == Some(Replacement::Conditional);
    if may_be {
        asides += "  (may be made anew)";
    }
    if change.loses_data {
        asides += if change.certain && !may_be { "  (its data is lost)" } else { "  (its data may be lost)" };
    }
    if change.kept {
        asides += "  (what is there is kept, outside of the stack)";
    }
    if !change.certain && change.properties.iter().all(|p| p.evaluation == Evaluation::Dynamic) {
        asides += "  (only where another change needs it)";
    }
    asides
}

/// A property, before and after.
fn property(change: &Change, p: &PropertyChange) -> String {
    let later = p.evaluation == Evaluation::Dynamic;
    let mut why = String::new();
    if p.requires_replacement {
        let always = !later && change.replacement != Some(Replacement::Conditional);
        why += if always { "  (makes it anew)" } else { "  (may make it anew)" };
    }
    if let Some(cause) = &p.cause {
        why = format!("{why}  (because of {cause})");
    }
    if later && p.after.is_none() {
        return format!("      {}: known only later{why}", p.path);
    }
    if later {
        why += "  (may turn out to be the same)";
    }
    format!("      {}: {} -> {}{why}", p.path, value(p.before.as_ref()), value(p.after.as_ref()))
}

fn value(value: Option<&Value>) -> String {
    const LONG: usize = 200;
    let text = value.map_or_else(|| "(none)".into(), Value::to_string);
    if text.chars().count() <= LONG {
        return text;
    }
    text.chars().take(LONG).chain(['…']).collect()
}

/// One pipeline's name.
#[derive(Debug, clap::Args, Serialize)]
pub struct Pipeline {
    /// The pipeline's name
    pub pipeline: String,
}

/// What to deploy.
#[derive(Debug, clap::Args)]
pub struct Deploy {
    /// The pipeline's name
    pub pipeline: String,
    /// Bring back, too, what was changed behind the stack's back: thresholds included
    #[arg(long)]
    pub revert_drift: bool,
    /// Apply the plan in this file, which `plan --out` has written, and nothing else
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "revert_drift")]
    pub plan_file: Option<PathBuf>,
}

/// What to destroy.
#[derive(Debug, clap::Args)]
pub struct Destroy {
    /// The pipeline's name
    pub pipeline: String,
    /// Leave this resource behind, where the removal has failed before because of it
    #[arg(long, value_name = "LOGICAL_ID")]
    pub retain: Vec<String>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cloud::stacks::{Evaluation, PropertyChange};

    #[test]
    fn a_plan_shows_what_differs_and_what_is_lost() {
        let change = |action, name: &str, loses_data| Change {
            logical_id: name.into(),
            physical_name: format!("x-dev-{name}"),
            properties: vec![PropertyChange {
                path: "expire_days".into(),
                before: Some(json!(90)),
                after: None,
                requires_replacement: action == Action::Replace,
                evaluation: Evaluation::Static,
                cause: None,
            }],
            loses_data,
            ..Change::new(action, "bucket", format!("bucket.{name}"))
        };
        let changes = vec![change(Action::Replace, "a", true), change(Action::Remove, "b", false)];
        let plan = ChangeSet { resumes: true, ..ChangeSet::new("x-dev", changes) };
        assert_eq!(
            lines(&plan),
            [
                "x-dev: the last operation was interrupted; this carries it on",
                "! replace bucket bucket.a (x-dev-a)  (its data is lost)",
                "      expire_days: 90 -> (none)  (makes it anew)",
                "- remove  bucket bucket.b (x-dev-b)",
                "x-dev: 0 to add, 0 to change, 1 to replace, 1 to remove",
            ]
        );
        let nothing = ChangeSet::new("x-dev", Vec::new());
        assert_eq!(lines(&nothing), ["x-dev: nothing to change"]);
    }
}
