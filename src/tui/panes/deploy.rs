//! 7 Deploy: what would change, the changing resource by resource, and what was changed before.

use std::collections::BTreeMap;

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    text::Line,
};
use serde_json::Value;

use super::{Cx, Intent, Pane, other_stacks, overview::where_to_look, turn};
use crate::{
    backend::overview::PipelineSummary,
    cloud::stacks::{
        Action as Planned, Change, ChangeSet, Drift, Evaluation, Operation, PropertyChange, Replacement, Stack,
        StackEvent,
    },
    text,
    tui::{
        data::{Act, Data, Loaded, Request, Target, duration, moment, plural},
        glyphs,
        keymap::{Action, Context},
        theme::Role,
        ui::{Ui, below, left, right},
        widgets::list::{Picker, Scroll},
    },
};

/// The pipelines, and one's plan and past.
pub struct DeployPane {
    pipelines: Picker<PipelineSummary>,
    list: Loaded<()>,
    plan: Loaded<ChangeSet>,
    past: Loaded<(Option<Stack>, Vec<Operation>)>,
    /// The pipeline that `plan` and `past` are of, or will be.
    pipeline: String,
    /// The operation that is under way: its progress, by logical id in the order of its news.
    progress: Vec<StackEvent>,
    at: BTreeMap<String, usize>,
    going: bool,
    /// Resources done, and all.
    done: (u32, u32),
    changes: Scroll,
    operations: Scroll,
    focus: usize,
    /// Whether the next plan is to be the engine's own.
    whole: bool,
    /// Whether the pipeline was jumped to before the list was there, which has to tell whether there is one.
    jumped: bool,
}

impl Default for DeployPane {
    fn default() -> Self {
        Self {
            pipelines: Picker::new(|p| &p.name),
            list: Loaded::default(),
            plan: Loaded::default(),
            past: Loaded::default(),
            pipeline: String::new(),
            progress: Vec::new(),
            at: BTreeMap::new(),
            going: false,
            done: (0, 0),
            changes: Scroll::default(),
            operations: Scroll::default(),
            focus: 0,
            whole: false,
            jumped: false,
        }
    }
}

fn sign(planned: Planned) -> (&'static str, &'static str, Role) {
    match planned {
        Planned::Add => ("+", "add", Role::Added),
        Planned::Change => ("~", "change", Role::Changed),
        Planned::Replace => ("!", "replace", Role::Removed),
        Planned::Remove => ("-", "remove", Role::Removed),
    }
}

pub(super) fn status(status: &str) -> (&'static str, Role) {
    if status.ends_with("FAILED") || status.ends_with("ROLLBACK_COMPLETE") || status == "INTERRUPTED" {
        (glyphs::FAILED, Role::Error)
    } else if status.ends_with("IN_PROGRESS") {
        (glyphs::RUNNING, Role::Running)
    } else {
        (glyphs::OK, Role::Ok)
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

/// A difference in so many columns: both values keep a part of them, for the new one is what one looks for.
fn difference_in(property: &PropertyChange, columns: usize) -> String {
    // What is longer than any screen is not cleaned to its end.
    let whole = difference(property);
    let shown = text::clean(text::window(&whole, 0, columns + 1)).into_owned();
    let (Some(before), true) = (&property.before, text::width(&shown) > columns) else { return shown };
    let (before, after) = (value(Some(before)), value(property.after.as_ref()));
    let head = format!("{}: ", text::clean(&property.path));
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
enum Row<'a> {
    Change(&'a Change),
    Property(&'a PropertyChange),
}

fn rows(plan: &ChangeSet) -> Vec<Row<'_>> {
    let mut rows = Vec::new();
    for change in &plan.changes {
        rows.push(Row::Change(change));
        // What is added is new from head to foot; what differs is what one wants to see.
        if matches!(change.action, Planned::Change | Planned::Replace) {
            rows.extend(change.properties.iter().map(Row::Property));
        }
    }
    rows
}

/// Drift in lines.
fn drift_lines(drift: &Drift) -> Vec<String> {
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

impl DeployPane {
    fn look(&mut self, again: bool, cx: &mut Cx) {
        if let Some(name) = self.pipelines.selected().map(|p| p.name.clone()) {
            self.look_at(name, again, cx);
        }
    }

    fn look_at(&mut self, name: String, again: bool, cx: &mut Cx) {
        if self.pipeline != name {
            self.pipeline.clone_from(&name);
            self.plan.clear();
            self.past.clear();
            self.changes.select(0);
            self.operations.select(0);
            self.progress.clear();
            self.at.clear();
        } else if !again {
            return;
        }
        self.past.ask();
        if let Some(stack) = self.other() {
            cx.load(Request::OtherStack(stack.to_owned()));
            return;
        }
        self.plan.ask();
        let whole = std::mem::take(&mut self.whole);
        cx.load(if whole { Request::WholePlan(name.clone()) } else { Request::Plan(name.clone()) });
        cx.load(Request::Stack(name));
    }

    /// The stack that is looked at, where it is none of a pipeline's.
    fn other(&self) -> Option<&str> {
        self.pipelines.items().iter().find(|p| p.name == self.pipeline).and_then(|p| p.other.as_deref())
    }

    fn plan_rows(&self) -> usize {
        if self.other().is_some() {
            return other_stacks::resources(&self.past).len();
        }
        self.plan.value.as_ref().map_or(0, |plan| rows(plan).len())
    }

    /// Shows why there is no plan; whether that is so.
    fn show_mistakes(&self, cx: &mut Cx) -> bool {
        let Some(error) = &self.plan.error else { return false };
        cx.show(format!("Plan of {}", self.pipeline), error.lines().map(str::to_owned).collect());
        true
    }

    fn change_details(&self, cx: &mut Cx) {
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
        let Some(change) = upto.iter().rev().find_map(|row| match row {
            Row::Change(change) => Some(*change),
            Row::Property(_) => None,
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
        lines.push(String::new());
        lines.extend(change.properties.iter().map(difference));
        cx.show(change.physical_name.clone(), lines);
    }

    fn operation_details(&self, cx: &mut Cx) {
        let Some((_, operations)) = &self.past.value else { return };
        let Some(operation) = operations.get(self.operations.selected()) else { return };
        let mut lines = vec![
            format!("status    {}", operation.status),
            format!("who       {}", operation.who),
            format!("started   {}", operation.started),
            format!("ended     {}", operation.ended.map_or_else(|| "not yet".into(), |t| t.to_string())),
            format!("changes   {}", operation.changes),
        ];
        if let Some(reason) = &operation.reason {
            lines.push(String::new());
            lines.push(reason.clone());
        }
        cx.show(format!("{} {}", operation.kind, operation.id), lines);
    }

    fn looked(&mut self, result: Result<Data, String>) {
        match result {
            Ok(Data::Stack(stack, operations)) => self.past.answer(Ok((stack, operations))),
            Ok(_) => {}
            Err(error) => self.past.answer(Err(error)),
        }
    }

    fn draw_plan(&self, frame: &mut Frame, area: Rect, ui: &Ui) {
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
                    (true, None) if plan.estimated => " · waits for what is under way",
                    (true, None) => " · carries an interrupted one on",
                    (false, None) => "",
                };
                let estimated = if plan.estimated { " · estimated: p asks CloudFormation" } else { "" };
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
        for (at, number) in self.changes.visible(usize::from(inner.height), all.len()).enumerate() {
            let line = match all.get(number) {
                Some(Row::Change(change)) => {
                    let (glyph, word, role) = sign(change.action);
                    let (lost, unsure) = asides(change);
                    Line::from(vec![
                        ui.span(role, format!("{glyph} {word:<8}")),
                        ui.span(Role::Dim, format!("{:<16}", change.kind)),
                        ui.span(Role::Text, text::truncate(&text::clean(&change.name), width / 2).into_owned()),
                        ui.span(Role::Error, lost),
                        ui.span(Role::Warn, unsure),
                    ])
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
        // The newest are what one looks at.
        let skip = self.progress.len().saturating_sub(usize::from(inner.height));
        for (at, event) in self.progress.iter().skip(skip).enumerate() {
            let (glyph, role) = status(&event.status);
            let reason = event.reason.as_deref().unwrap_or_default();
            let line = Line::from(vec![
                ui.span(role, format!("{glyph} {:<19}", event.status)),
                ui.span(Role::Text, event.logical_id.as_str()),
                ui.span(Role::Dim, format!("  {}", event.kind)),
                ui.span(if role == Role::Error { role } else { Role::Dim }, format!("  {reason}")),
            ]);
            ui.line(buffer, inner, at as u16, &line);
        }
    }

    fn draw_past(&self, frame: &mut Frame, area: Rect, ui: &Ui) {
        let title = match self.past.value.as_ref().map(|(stack, _)| stack) {
            Some(Some(stack)) => {
                let cut = if stack.interrupted { " · interrupted: a carries it on" } else { "" };
                let resources = plural(stack.resources.len() as u64, "resource");
                let guarded = if stack.protected == Some(true) { " · protected" } else { "" };
                let drift = stack.drift.as_deref().map_or_else(String::new, |d| {
                    format!(" · {}", if d == "IN_SYNC" { "no drift".into() } else { d.to_lowercase() })
                });
                let going =
                    if stack.status.in_progress() && !stack.interrupted { " · a waits for its end" } else { "" };
                format!("{} · {} · {resources}{guarded}{drift}{going}{cut}", stack.name, stack.status.word())
            }
            Some(None) => "Not deployed".into(),
            None => "History".into(),
        };
        let inner = ui.frame(frame, area, &title, self.focus == 2);
        let buffer = frame.buffer_mut();
        let none = self.past.value.as_ref().is_none_or(|(_, operations)| operations.is_empty());
        let empty = if self.other().is_some() { "its events tell of no operation" } else { "it was never deployed" };
        let used = ui.loaded(buffer, inner, &self.past, empty, none);
        let inner = below(inner, used);
        let Some((_, operations)) = &self.past.value else { return };
        if none {
            return;
        }
        let wide = inner.width >= 90;
        let columns = if wide {
            vec![
                left("  status", 22),
                left("what", 8),
                left("started", 16),
                right("took", 10),
                right("changes", 7),
                left("who or why", 0),
            ]
        } else {
            vec![left("  status", 20), left("started", if inner.width >= 60 { 16 } else { 8 }), left("who or why", 0)]
        };
        let visible = self.operations.visible(usize::from(inner.height.saturating_sub(1)), operations.len());
        let selected = Some((self.operations.selected(), self.focus == 2));
        ui.table(buffer, inner, &columns, visible, selected, |n| {
            let Some(operation) = operations.get(n) else { return Vec::new() };
            let (glyph, role) = status(&operation.status);
            let took = operation.ended.map(|end| end.as_millisecond() - operation.started.as_millisecond());
            let said = match &operation.reason {
                Some(reason) => (Role::Error, reason.clone()),
                None => (Role::Dim, operation.who.clone()),
            };
            let status = (role, format!("{glyph} {}", operation.status));
            let started = (Role::Text, moment(operation.started, ui.now));
            if !wide {
                return vec![status, started, said];
            }
            vec![
                status,
                (Role::Text, operation.kind.clone()),
                started,
                (Role::Text, took.map(duration).unwrap_or_default()),
                (Role::Text, operation.changes.to_string()),
                said,
            ]
        });
    }
}

impl Pane for DeployPane {
    fn number(&self) -> u8 {
        7
    }

    fn title(&self) -> &'static str {
        "Deploy"
    }

    fn context(&self) -> Context {
        Context::Deploy
    }

    fn refresh(&mut self, cx: &mut Cx) {
        self.list.ask();
        cx.load(Request::Deployable);
        self.look(true, cx);
    }

    fn loaded(&mut self, request: &Request, result: Result<Data, String>, cx: &mut Cx) {
        match (request, result) {
            (Request::Deployable, Ok(Data::Pipelines(pipelines))) => {
                let first = self.pipeline.is_empty().then(|| where_to_look(&pipelines)).flatten();
                self.pipelines.set(pipelines);
                self.list.answer(Ok(()));
                if let Some(name) = first {
                    self.pipelines.select(&name);
                }
                // A pipeline that was jumped to before the list was there.
                if !self.pipelines.select(&self.pipeline) && self.jumped {
                    cx.intents.push(Intent::Fail(format!("no pipeline {}", self.pipeline)));
                    // What `a` would deploy is not what was named.
                    self.focus = 0;
                }
                self.jumped = false;
                self.look(false, cx);
            }
            (Request::Deployable, Err(error)) => self.list.answer(Err(error)),
            (Request::Plan(_), Ok(Data::Plan(plan)))
                if plan.estimated
                    && self.plan.value.as_ref().is_some_and(|p| !p.estimated && p.stack == plan.stack) =>
            {
                // What the engine itself has said counts for more.
                let known = self.plan.value.take();
                self.plan.answer(known.map_or_else(|| Ok(plan), Ok));
            }
            (Request::Drift(pipeline), Ok(Data::Drift(drift))) => {
                cx.show(format!("Drift of {pipeline}"), drift_lines(&drift));
            }
            (Request::Drift(_), Err(error)) => cx.intents.push(Intent::Fail(error)),
            (Request::Plan(pipeline) | Request::WholePlan(pipeline), result) if *pipeline == self.pipeline => {
                match result {
                    Ok(Data::Plan(plan)) => {
                        let rows = rows(&plan).len();
                        self.changes.select(self.changes.selected().min(rows.saturating_sub(1)));
                        self.plan.answer(Ok(plan));
                    }
                    Ok(_) => {}
                    Err(error) => self.plan.answer(Err(error)),
                }
            }
            (Request::Stack(pipeline), result) if *pipeline == self.pipeline => self.looked(result),
            (Request::OtherStack(stack), result) if self.other() == Some(stack) => self.looked(result),
            _ => {}
        }
    }

    fn action(&mut self, action: Action, cx: &mut Cx) -> bool {
        if let Some(focus) = turn(self.focus, 3, action) {
            self.focus = focus;
            return true;
        }
        let pipeline = self.pipelines.selected().map(|p| p.name.clone());
        match (action, pipeline) {
            (
                Action::Plan | Action::Deploy | Action::Drift | Action::Apply | Action::Destroy | Action::Run,
                Some(_),
            ) if self.other().is_some() => cx.tell(other_stacks::refusal(self.other().unwrap_or_default())),
            (Action::Plan | Action::Deploy, Some(_)) => {
                if self.going {
                    cx.tell("wait until what is under way has ended");
                    return true;
                }
                self.progress.clear();
                self.at.clear();
                self.whole = action == Action::Plan;
                self.look(true, cx);
            }
            (Action::Drift, Some(pipeline)) => {
                cx.tell(format!("looking for drift of {pipeline}"));
                cx.load(Request::Drift(pipeline));
            }
            (Action::Apply, Some(pipeline)) => cx.act(Act::Deploy(pipeline)),
            (Action::Destroy, Some(pipeline)) => cx.act(Act::Destroy(pipeline)),
            (Action::Run, Some(pipeline)) => cx.act(Act::Run(pipeline)),
            (Action::GoToError, Some(_)) => {
                if self.show_mistakes(cx) {
                    return true;
                }
                let operations = self.past.value.as_ref().map(|(_, o)| o.as_slice()).unwrap_or_default();
                match operations.iter().position(|o| status(&o.status).1 == Role::Error) {
                    Some(at) => {
                        self.focus = 2;
                        self.operations.select(at);
                    }
                    None => cx.tell("no deploy failed"),
                }
            }
            (Action::Enter | Action::Right, Some(_)) if self.focus == 0 => self.focus = 1,
            (Action::Enter, _) if self.focus == 1 => {
                if !self.show_mistakes(cx) {
                    self.change_details(cx);
                }
            }
            (Action::Enter, _) if self.focus == 2 => self.operation_details(cx),
            (Action::Back, _) if self.focus > 0 => self.focus -= 1,
            _ if self.focus == 1 => {
                let rows = self.plan_rows();
                return self.changes.action(action, rows);
            }
            _ if self.focus == 2 => {
                let rows = self.past.value.as_ref().map_or(0, |(_, o)| o.len());
                return self.operations.action(action, rows);
            }
            _ if self.pipelines.action(action) => self.look(false, cx),
            _ => return false,
        }
        true
    }

    fn acted(&mut self, act: &Act, _: &Result<String, String>, _: &mut Cx) {
        if matches!(act, Act::Deploy(_) | Act::Destroy(_)) {
            self.going = false;
            // What was planned is done, or no longer so.
            self.plan.clear();
        }
    }

    fn progress(&mut self, event: &StackEvent) {
        if !self.going {
            self.going = true;
            self.progress.clear();
            self.at.clear();
        }
        self.done = (event.done, event.total);
        // One row a resource: its newest word.
        let at = *self.at.entry(event.logical_id.clone()).or_insert(self.progress.len());
        match self.progress.get_mut(at) {
            Some(row) => *row = event.clone(),
            None => self.progress.push(event.clone()),
        }
    }

    fn filter(&mut self, text: &str, cx: &mut Cx) {
        self.pipelines.set_filter(text);
        self.look(false, cx);
    }

    fn filter_text(&self) -> &str {
        self.pipelines.filter()
    }

    fn select(&mut self, target: &Target, cx: &mut Cx) {
        if let Target::Pipeline(name) = target {
            self.pipelines.set_filter("");
            self.focus = 1;
            if !self.going {
                // The plan is what is asked for, not how an earlier deploy went.
                self.progress.clear();
                self.at.clear();
            }
            if self.pipelines.select(name) {
                self.look(false, cx);
            } else if self.list.value.is_none() {
                self.jumped = true;
                self.look_at(name.clone(), false, cx);
            } else {
                cx.intents.push(Intent::Fail(format!("no pipeline {name}")));
            }
        }
    }

    fn names(&self) -> Vec<String> {
        self.pipelines.items().iter().filter(|p| p.other.is_none()).map(|p| p.name.clone()).collect()
    }

    fn draw(&self, frame: &mut Frame, area: Rect, ui: &Ui) {
        let list = (area.width / 4).clamp(28, 40);
        let [left, right] = Layout::horizontal([Constraint::Length(list), Constraint::Min(20)]).areas(area);
        let past = (area.height / 3).clamp(5, 16);
        let [plan, history] = Layout::vertical([Constraint::Min(5), Constraint::Length(past)]).areas(right);
        let inner = ui.frame(frame, left, "Pipelines and stacks", self.focus == 0);
        let used = ui.loaded(frame.buffer_mut(), inner, &self.list, "no pipelines", self.pipelines.is_empty());
        ui.list(frame.buffer_mut(), below(inner, used), &self.pipelines, self.focus == 0, |pipeline| {
            let (glyph, role) = super::overview::health(pipeline.health);
            let words = match pipeline.stack.as_deref() {
                None => "not deployed".to_owned(),
                Some("CREATE_COMPLETE" | "UPDATE_COMPLETE") => "deployed".to_owned(),
                Some(other) => other.to_lowercase().replace('_', " "),
            };
            (role, glyph, &pipeline.name, Role::Dim, words)
        });
        self.draw_plan(frame, plan, ui);
        self.draw_past(frame, history, ui);
    }
}
