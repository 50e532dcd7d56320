//! What a release goes through, and what its plans say.

use std::{fs, path::Path};

use super::{super::store::at, rows::StepRow};
use crate::cloud::{
    Result,
    releases::{APPROVE, CHECK, DEPLOY, Definition, PLAN, StepKind, stage_of},
    stacks::{Action, ChangeSet},
};

/// A commit's id as people write it.
pub(super) fn short(revision: &str) -> &str {
    revision.get(..10).unwrap_or(revision)
}

/// The steps behind the source.
pub(super) fn further_steps(definition: &Definition) -> Vec<StepRow> {
    let mut steps = Vec::new();
    for (n, check) in definition.checks.iter().enumerate() {
        let name = format!("{CHECK}-{}", n + 1);
        steps.push(StepRow { command: Some(check.clone()), ..StepRow::new(CHECK, &name, StepKind::Check) });
    }
    for target in &definition.environments {
        let approval = target.approval.then_some((APPROVE, StepKind::Approval));
        let all = [Some((PLAN, StepKind::Plan)), approval, Some((DEPLOY, StepKind::Deploy))];
        for (name, kind) in all.into_iter().flatten() {
            steps.push(StepRow { env: Some(target.env.clone()), ..StepRow::new(&stage_of(&target.env), name, kind) });
        }
    }
    for (step, seq) in steps.iter_mut().zip(1..) {
        step.seq = seq;
    }
    steps
}

/// The changes in a plan file.
pub(super) fn read_plan(file: &Path) -> Result<ChangeSet> {
    let text = fs::read(file).map_err(|e| at(file, e))?;
    let mut document: serde_json::Value = serde_json::from_slice(&text).map_err(|e| at(file, e))?;
    let plan = document.get_mut("plan").map(serde_json::Value::take).unwrap_or_default();
    serde_json::from_value(plan).map_err(|e| at(file, e))
}

/// A plan in a line.
pub(super) fn in_words(plan: &ChangeSet) -> String {
    let count = |action| plan.changes.iter().filter(|c| c.action == action).count();
    if plan.changes.is_empty() {
        return format!("{}: nothing to change", plan.stack);
    }
    let mut words = format!(
        "{}: {} to add, {} to change, {} to replace, {} to remove",
        plan.stack,
        count(Action::Add),
        count(Action::Change),
        count(Action::Replace),
        count(Action::Remove)
    );
    let lost: Vec<_> = plan.changes.iter().filter(|c| c.loses_data).map(|c| c.name.as_str()).collect();
    if !lost.is_empty() {
        words = format!("{words}; the data of {} is lost", lost.join(", "));
    }
    words
}
