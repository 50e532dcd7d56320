//! A plan in the Deploy pane: what would change, property by property, and the changing as it goes on.

use ratatui::{Frame, layout::Rect, text::Line};
use serde_json::Value;

use super::{
    super::{Cx, other_stacks},
    DeployPane,
    past::status,
};
use crate::{
    cloud::stacks::{Action as Planned, Change, ChangeSet, Drift, Evaluation, PropertyChange, Replacement, StackEvent},
    text,
    tui::{
        data::plural,
        theme::Role,
        ui::{Ui, below},
    },
};

fn sign(planned: Planned) -> (&'static str, &'static str, Role) {
    match planned {
        Planned::Add => ("+", "add", Role::Added),
        Planned::Change => ("~", "change", Role::Changed),
        Planned::Replace => ("!", "replace", Role::Removed),
        Planned::Remove => ("-", "remove", Role::Removed),
    }
}

fn value(value: Option<&Value>) -> String {
    match value {
        None => "nothing".into(),
        Some(Value::String(text)) => format!("{text:?}"),
        Some(other) => other.to_string(),
    }
}

fn difference(property: &PropertyChange) -> String {
    let later = property.evaluation == Evaluation::Dynamic;
    let anew = match (property.requires_replacement, later) {
        (true, false) => "  (made anew)",
        (true, true) => "  (perhaps made anew)",
        (false, _) => "",
    };
    if later && property.after.is_none() {
        let cause = property.cause.as_ref().map_or_else(String::new, |c| format!(", because of {c}"));
        return format!("{}: known only later{cause}{anew}", property.path);
    }
    match (&property.before, &property.after) {
        (None, after) => format!("{}: {}{anew}", property.path, value(after.as_ref())),
        (before, after) => {
            format!("{}: {} → {}{anew}", property.path, value(before.as_ref()), value(after.as_ref()))
        }
    }
}

/// A difference in so many columns: both values keep a part of them, for the new one is what one looks for; of the path
/// the end is kept.
fn difference_in(property: &PropertyChange, columns: usize) -> String {
    // What is longer than any screen is not cleaned to its end.
    let whole = difference(property);
    let shown = text::clean(text::window(&whole, 0, columns + 1)).into_owned();
    if text::width(&shown) <= columns {
        return shown;
    }
    let values = whole.strip_prefix(&property.path).unwrap_or_default();
    let values = text::clean(text::window(values, 0, columns + 1)).into_owned();
    // A third of the path will do where the values then fit, else it keeps a half.
    let left = columns.saturating_sub(text::width(&values));
    let room = if left >= columns / 3 { left } else { columns / 2 };
    let head = text::truncate_start(&text::clean(&property.path), room).into_owned();
    let later = property.evaluation == Evaluation::Dynamic && property.after.is_none();
    let Some(before) = property.before.as_ref().filter(|_| !later) else { return head + &values };
    let (before, after) = (value(Some(before)), value(property.after.as_ref()));
    let head = head + ": ";
    let room = columns.saturating_sub(text::width(&head) + 3);
    let anew = "  (made anew)";
    // The row above says it, too.
    let tail = if property.requires_replacement && room > 40 { anew } else { "" };
    let room = room - text::width(tail);
    let cut = |value: &str, room: usize| {
        let value = text::clean(text::window(value, 0, room + 1)).into_owned();
        text::truncate(&value, room).into_owned()
    };
    // The old one has what the new one leaves, and two fifths at the least.
    let kept = text::width(&before).min(room * 2 / 5);
    let right = cut(&after, room - kept);
    let left = cut(&before, room.saturating_sub(text::width(&right)));
    format!("{head}{left} → {right}{tail}")
}

/// What is to be said of a change besides what it is: what is at stake, and what is not certain.
fn asides(change: &Change) -> (&'static str, &'static str) {
    let sure = change.certain && change.replacement != Some(Replacement::Conditional);
    let lost = match (change.loses_data, sure) {
        (true, true) => "  data would be lost",
        (true, false) => "  data may be lost",
        (false, _) => "",
    };
    let unsure = match (change.replacement, change.certain, change.kept) {
        (Some(Replacement::Conditional), ..) => "  perhaps made anew",
        (_, false, _) => "  not certain",
        (_, _, true) => "  kept outside of the stack",
        _ => "",
    };
    (lost, unsure)
}

/// A row of the plan: a change, or one of its properties.
pub(super) enum Row<'a> {
    Change(&'a Change),
    Property(&'a PropertyChange),
    /// What else is to be known.
    Note(&'a str),
}

pub(super) fn rows(plan: &ChangeSet) -> Vec<Row<'_>> {
    let mut rows = Vec::new();
    for change in &plan.changes {
        rows.push(Row::Change(change));
        // What is added is new from head to foot; what differs is what one wants to see.
        if matches!(change.action, Planned::Change | Planned::Replace) {
            rows.extend(change.properties.iter().map(Row::Property));
        }
    }
    rows.extend(plan.notes.iter().map(|note| Row::Note(note)));
    rows
}

/// Drift in lines.
pub(super) fn drift_lines(drift: &Drift) -> Vec<String> {
    let mut lines = vec![match drift.unexpected().count() {
        0 => format!("{}: {}", drift.stack, if drift.status == "NOT_CHECKED" { "not checked" } else { "no drift" }),
        n => format!("{}: {} not what the stack says", drift.stack, plural(n as u64, "resource")),
    }];
    if !drift.fresh {
        lines.push("read-only: this is what the last look has found".into());
    }
    for resource in &drift.resources {
        let designed = if resource.by_design() { "  (by design)" } else { "" };
        lines.push(String::new());
        lines.push(format!("{} {} {}{designed}", resource.kind, resource.name, resource.status.to_lowercase()));
        lines.extend(resource.properties.iter().map(|p| {
            let (expected, actual) = (value(p.expected.as_ref()), value(p.actual.as_ref()));
            format!("  {}: expected {expected}, is {actual}", p.path)
        }));
    }
    lines
}

/// An event in a line or more.
pub(super) fn told(event: &StackEvent) -> String {
    let why = event.reason.as_ref().map_or_else(String::new, |reason| format!(": {reason}"));
    let time = event.time.strftime("%H:%M:%S");
    format!("{time} {:<18} {} {}{why}", event.status, event.kind, event.logical_id)
}

impl DeployPane {
    pub(super) fn plan_rows(&self) -> usize {
        if self.other().is_some() {
            return other_stacks::resources(&self.past).len();
        }
        self.plan.value.as_ref().map_or(0, |plan| rows(plan).len())
    }

    pub(super) fn change_details(&self, cx: &mut Cx) {
        if self.other().is_some() {
            if let Some((title, lines)) = other_stacks::details(&self.past, self.changes.selected()) {
                cx.show(title, lines);
            }
            return;
        }
        let Some(plan) = &self.plan.value else { return };
        let all = rows(plan);
        // A property's row belongs to the change above it.
        let upto = all.get(..=self.changes.selected()).unwrap_or_default();
        if let Some(Row::Note(note)) = upto.last() {
            cx.show(format!("Plan of {}", plan.stack), note.lines().map(str::to_owned).collect());
            return;
        }
        let Some(change) = upto.iter().rev().find_map(|row| match row {
            Row::Change(change) => Some(*change),
            Row::Property(_) | Row::Note(_) => None,
        }) else {
            return;
        };
        let (_, word, _) = sign(change.action);
        let mut lines = vec![
            format!("{word} {} {}", change.kind, change.name),
            format!("physical name  {}", change.physical_name),
            format!("logical id     {}", change.logical_id),
        ];
        let (lost, unsure) = asides(change);
        lines.extend([lost, unsure].into_iter().filter(|said| !said.is_empty()).map(|said| said.trim().to_owned()));
        for (word, text) in [
            ("moved from     ", &change.moved_from),
            ("taken in       ", &change.imported),
            ("because        ", &change.reason),
        ] {
            lines.extend(text.as_ref().map(|text| format!("{word}{text}")));
        }
        lines.push(String::new());
        lines.extend(change.properties.iter().map(difference));
        cx.show(change.physical_name.clone(), lines);
    }

    pub(super) fn draw_plan(&self, frame: &mut Frame, area: Rect, ui: &Ui) {
        if self.going || !self.progress.is_empty() {
            self.draw_progress(frame, area, ui);
            return;
        }
        if self.other().is_some() {
            other_stacks::draw(frame, area, ui, &self.past, &self.changes, self.focus == 1);
            return;
        }
        let title = match &self.plan.value {
            Some(plan) => {
                let n = |planned| plan.changes.iter().filter(|c| c.action == planned).count();
                let (add, change) = (n(Planned::Add), n(Planned::Change));
                let (replace, remove) = (n(Planned::Replace), n(Planned::Remove));
                let resumes = match (plan.resumes, &plan.recreates) {
                    (_, Some(_)) => " · deletes the failed stack first",
                    (true, None) if plan.estimated || (plan.changes.is_empty() && !plan.notes.is_empty()) => {
                        " · waits for what is under way"
                    }
                    (true, None) => " · carries an interrupted one on",
                    (false, None) => "",
                };
                let estimated = if plan.estimated { " · estimated: p plans in full" } else { "" };
                format!("Plan of {} · +{add} ~{change} !{replace} -{remove}{resumes}{estimated}", plan.stack)
            }
            None => "Plan".into(),
        };
        let inner = ui.frame(frame, area, &title, self.focus == 1);
        let buffer = frame.buffer_mut();
        let empty = "nothing to do: what is deployed is what the pipeline says";
        let used = ui.loaded(buffer, inner, &self.plan, empty, self.plan_rows() == 0);
        let inner = below(inner, used);
        let Some(plan) = &self.plan.value else { return };
        let all = rows(plan);
        let width = usize::from(inner.width);
        // Terraform's types are longer than our words.
        let kinds = plan.changes.iter().map(|c| text::width(&c.kind)).max().unwrap_or_default();
        let kinds = kinds.clamp(15, (width / 4).max(15));
        for (at, number) in self.changes.visible(usize::from(inner.height), all.len()).enumerate() {
            let line = match all.get(number) {
                Some(Row::Change(change)) => {
                    let (glyph, word, role) = sign(change.action);
                    let (lost, unsure) = asides(change);
                    let from = match (&change.moved_from, &change.imported) {
                        (Some(_), _) => "  moved",
                        (None, Some(_)) => "  taken in",
                        (None, None) => "",
                    };
                    // Of a module's resource the end tells more, and what is at stake is to be seen.
                    let asides = [lost, unsure, from].map(text::width).iter().sum::<usize>();
                    let room = width.saturating_sub(11 + kinds + asides).max(width / 3);
                    Line::from(vec![
                        ui.span(role, format!("{glyph} {word:<8}")),
                        ui.span(Role::Dim, format!("{:<kinds$} ", text::truncate(&change.kind, kinds))),
                        ui.span(Role::Text, text::truncate_start(&text::clean(&change.name), room).into_owned()),
                        ui.span(Role::Error, lost),
                        ui.span(Role::Warn, unsure),
                        ui.span(Role::Dim, from),
                    ])
                }
                Some(Row::Note(note)) => {
                    let first = text::clean(note.lines().next().unwrap_or_default()).into_owned();
                    Line::from(ui.span(Role::Warn, format!("# {}", text::truncate(&first, width.saturating_sub(4)))))
                }
                Some(Row::Property(property)) => {
                    let said = difference_in(property, width.saturating_sub(10));
                    Line::from(vec![ui.span(Role::Dim, "          "), ui.span(Role::Changed, said)])
                }
                None => continue,
            };
            ui.line(buffer, inner, at as u16, &line);
            if number == self.changes.selected() {
                ui.select(buffer, inner, at as u16, self.focus == 1);
            }
        }
    }

    fn draw_progress(&self, frame: &mut Frame, area: Rect, ui: &Ui) {
        let (done, total) = self.done;
        let word = if self.going { "under way" } else { "ended; p plans again" };
        let title = format!("{} · {done} of {total} · {word}", self.pipeline);
        let inner = ui.frame(frame, area, &title, self.focus == 1);
        let buffer = frame.buffer_mut();
        let width = u32::from(inner.width.saturating_sub(2)).max(1);
        if let Some(full) = (width * done.min(total)).checked_div(total) {
            let full = full as usize;
            let bar = format!("{}{}", "█".repeat(full), "─".repeat(width as usize - full));
            ui.line(buffer, inner, 0, &Line::from(ui.span(Role::Running, bar)));
        }
        let inner = below(inner, 1);
        let room = usize::from(inner.width).saturating_sub(21);
        // The newest are what one looks at.
        let skip = self.progress.len().saturating_sub(usize::from(inner.height));
        for (at, event) in self.progress.iter().skip(skip).enumerate() {
            let (glyph, role) = status(&event.status);
            // Provisioners say what they like.
            let reason = text::clean(event.reason.as_deref().unwrap_or_default());
            let line = Line::from(vec![
                ui.span(role, format!("{glyph} {:<19}", event.status)),
                // An address says its kind, and most at its end.
                ui.span(Role::Text, text::truncate_start(&text::clean(&event.logical_id), room).into_owned()),
                ui.span(Role::Dim, format!("  {}", event.kind)),
                ui.span(if role == Role::Error { role } else { Role::Dim }, format!("  {reason}")),
            ]);
            ui.line(buffer, inner, at as u16, &line);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_difference_keeps_both_values_and_the_end_of_its_path() {
        let property = |before: Value, after: Value| PropertyChange {
            path: "versioning_configuration[0].status".into(),
            before: Some(before).filter(|value| !value.is_null()),
            after: Some(after).filter(|value| !value.is_null()),
            requires_replacement: false,
            evaluation: Evaluation::Static,
            cause: None,
        };
        let status = property(json!("Suspended"), json!("Enabled"));
        assert_eq!(difference_in(&status, 60), r#"versioning_configuration[0].status: "Suspended" → "Enabled""#);
        assert_eq!(difference_in(&status, 38), r#"…on[0].status: "Suspended" → "Enabled""#);
        assert!(difference_in(&status, 34).starts_with("…ration[0].status: "), "{}", difference_in(&status, 34));
        let fresh = property(Value::Null, json!("Enabled"));
        assert_eq!(difference_in(&fresh, 30), r#"…guration[0].status: "Enabled""#);
        let later = PropertyChange { evaluation: Evaluation::Dynamic, ..property(json!("Suspended"), Value::Null) };
        assert_eq!(difference_in(&later, 30), "…n[0].status: known only later");
    }
}
