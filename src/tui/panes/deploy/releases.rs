//! The releases of a pipeline in the Deploy pane: each with its steps, what waits, and what the selected step has logged.

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    text::Line,
};

use super::super::{Cx, Intent, turn};
use crate::{
    backend::releases::Word,
    cloud::releases::{Approval, Decision, Release, ReleaseStatus as Status, Step, StepKind},
    text,
    tui::{
        data::{Act, Data, Loaded, Request, Target, duration, moment},
        glyphs,
        keymap::Action,
        popups::{Popup, Purpose},
        theme::Role,
        ui::{Ui, below, filtered, left, right},
        widgets::list::{Picker, Scroll},
    },
};

/// A release in the list, with what the filter looks at.
struct Listed {
    words: String,
    release: Release,
}

/// The releases of one pipeline.
pub(super) struct Releases {
    pipeline: String,
    delivery: String,
    list: Loaded<()>,
    all: Picker<Listed>,
    whole: Loaded<Release>,
    /// The release that `whole` is, or will be.
    of: String,
    steps: Scroll,
    log: Loaded<Vec<String>>,
    /// The log stream that `log` is of, or will be.
    stream: String,
    lines: Scroll,
    focus: usize,
}

/// The glyph and the colour of a status.
fn shown(status: Status) -> (&'static str, Role) {
    match status {
        Status::Pending => (glyphs::NONE, Role::Dim),
        Status::InProgress | Status::Stopping => (glyphs::RUNNING, Role::Running),
        Status::Waiting => (glyphs::WARN, Role::Warn),
        Status::Succeeded => (glyphs::OK, Role::Ok),
        Status::Failed => (glyphs::FAILED, Role::Error),
        Status::Stopped | Status::Superseded => (glyphs::STOPPED, Role::Dim),
    }
}

fn word(status: Status) -> (Role, String) {
    let (glyph, role) = shown(status);
    (role, format!("{glyph} {}", status.word().to_lowercase().replace('_', " ")))
}

fn first(summary: Option<&String>) -> String {
    summary.and_then(|s| s.lines().next()).unwrap_or_default().to_owned()
}

impl Releases {
    /// Those of a pipeline, which are asked for.
    pub(super) fn open(pipeline: String, cx: &mut Cx) -> Self {
        let mut releases = Self {
            pipeline,
            delivery: String::new(),
            list: Loaded::default(),
            all: Picker::new(|listed| &listed.words),
            whole: Loaded::default(),
            of: String::new(),
            steps: Scroll::default(),
            log: Loaded::default(),
            stream: String::new(),
            lines: Scroll::default(),
            focus: 0,
        };
        releases.refresh(cx);
        releases
    }

    /// Asks for them again.
    pub(super) fn refresh(&mut self, cx: &mut Cx) {
        self.list.ask();
        cx.load(Request::Releases(self.pipeline.clone()));
        self.look(true, cx);
    }

    /// Reads the selected release, where another is shown.
    fn look(&mut self, again: bool, cx: &mut Cx) {
        let Some(listed) = self.all.selected() else { return };
        let (delivery, id) = (listed.release.delivery.clone(), listed.release.id.clone());
        if self.of != id {
            self.of.clone_from(&id);
            self.whole.clear();
            self.steps.select(0);
            self.log.clear();
            self.stream.clear();
        } else if !again {
            return;
        }
        self.whole.ask();
        cx.load(Request::Release { delivery, id });
    }

    /// Reads what the selected step has logged; for an approval, the plan that it is about.
    fn look_into(&mut self, again: bool, cx: &mut Cx) {
        let all = self.all_steps();
        let Some((_, step)) = all.get(self.steps.selected()) else { return };
        let planned = || all.iter().map(|(_, s)| *s).rfind(|s| s.kind == StepKind::Plan && s.env == step.env);
        let step = if step.kind == StepKind::Approval { planned() } else { Some(*step) };
        let place = step.and_then(|s| Some((s.log_group.clone()?, s.log_stream.clone()?)));
        let Some((group, stream)) = place.filter(|_| step.is_some_and(|s| s.status != Status::Pending)) else {
            self.log.clear();
            self.stream.clear();
            return;
        };
        if self.stream != stream {
            self.stream.clone_from(&stream);
            self.log.clear();
            self.lines.select(0);
        } else if !again {
            return;
        }
        self.log.ask();
        cx.load(Request::StepLog { group, stream });
    }

    fn all_steps(&self) -> Vec<(&str, &Step)> {
        let stages = self.whole.value.iter().flat_map(|release| &release.stages);
        stages.flat_map(|stage| stage.steps.iter().map(|step| (stage.name.as_str(), step))).collect()
    }

    pub(super) fn loaded(&mut self, request: &Request, result: Result<Data, String>, cx: &mut Cx) {
        match (request, result) {
            (Request::Releases(pipeline), Ok(Data::Releases(delivery, releases))) if *pipeline == self.pipeline => {
                self.delivery = delivery;
                let listed = |release: Release| {
                    let revision = release.revision.as_deref().unwrap_or_default();
                    let summary = release.summary.as_deref().unwrap_or_default();
                    Listed { words: format!("{} {revision} {summary}", release.id), release }
                };
                self.all.set(releases.into_iter().map(listed).collect());
                self.list.answer(Ok(()));
                self.look(false, cx);
            }
            (Request::Releases(_), Err(error)) => self.list.answer(Err(error)),
            (Request::Release { id, .. }, Ok(Data::Release(release))) if *id == self.of => {
                let fresh = self.whole.value.is_none();
                self.whole.answer(Ok(*release));
                let all = self.all_steps();
                // What one wants to see first: what waits, is at work, or went wrong.
                let reached = all.iter().rposition(|(_, s)| s.status != Status::Pending).unwrap_or(0);
                let last = all.len().saturating_sub(1);
                self.steps.select(if fresh { reached } else { self.steps.selected().min(last) });
                self.look_into(true, cx);
            }
            (Request::Release { id, .. }, Err(error)) if *id == self.of => self.whole.answer(Err(error)),
            (Request::StepLog { stream, .. }, Ok(Data::StepLog(lines))) if *stream == self.stream => {
                self.log.answer(Ok(lines));
            }
            (Request::StepLog { stream, .. }, Err(error)) if *stream == self.stream => self.log.answer(Err(error)),
            _ => {}
        }
    }

    /// A key; whether it was used.
    pub(super) fn action(&mut self, action: Action, cx: &mut Cx) -> bool {
        if let Some(focus) = turn(self.focus, 3, action) {
            self.focus = focus;
            return true;
        }
        match action {
            Action::Approve => self.decide(Decision::Approve, cx),
            Action::Reject => self.decide(Decision::Reject, cx),
            Action::Stop => match self.all.selected().map(|l| &l.release) {
                Some(release) if release.status.is_final() => cx.tell(format!("release {} is over", release.id)),
                Some(release) => {
                    cx.act(Act::StopRelease { delivery: release.delivery.clone(), release: release.id.clone() });
                }
                None => cx.tell("there is no release to stop"),
            },
            Action::StartRelease if self.delivery.is_empty() => cx.tell("wait until the releases are there"),
            Action::StartRelease => cx.act(Act::StartRelease(self.delivery.clone())),
            Action::GoToError => self.find_error(cx),
            Action::Enter | Action::Right if self.focus == 0 => self.focus = 1,
            Action::Enter if self.focus == 1 => self.details(cx),
            Action::Logs | Action::Enter => self.to_log(cx),
            Action::Back if self.focus > 0 => self.focus -= 1,
            Action::Back if !self.all.filter().is_empty() => self.filter("", cx),
            _ if self.focus == 1 => {
                let used = self.steps.action(action, self.all_steps().len());
                self.look_into(false, cx);
                return used;
            }
            _ if self.focus == 2 => return self.lines.page(action),
            _ if self.all.action(action) => self.look(false, cx),
            _ => return false,
        }
        true
    }

    /// What the release that is shown waits for.
    fn waits(&self) -> Option<Approval> {
        self.whole.value.as_ref().and_then(Release::waits_for)
    }

    /// Asks for a comment, and then for the confirmation that the decision deserves.
    fn decide(&self, decision: Decision, cx: &mut Cx) {
        let Some(approval) = self.waits() else {
            cx.tell(format!("release {} does not wait for an approval", self.of));
            return;
        };
        let verb = if decision == Decision::Approve { "Approve" } else { "Reject" };
        let place = approval.env.as_deref().unwrap_or(&approval.stage);
        let title = format!("{verb} release {} of {} for {place}", approval.release, self.pipeline);
        let hint = "A comment, which stands in the release's history. It may be empty.";
        let purpose = Purpose::Decide(Word { approval, decision, comment: String::new() });
        cx.intents.push(Intent::Popup(Popup::input(title, hint, "", purpose)));
    }

    /// To the log of the selected step, in the logs' pane.
    fn to_log(&self, cx: &mut Cx) {
        let all = self.all_steps();
        let step = all.get(self.steps.selected()).map(|(_, step)| *step);
        match step.and_then(|s| Some((s.log_group.clone()?, s.log_stream.clone()?))) {
            Some((group, stream)) => cx.go(Target::RunLog { group, stream, error: false }),
            None => cx.tell("this step has no log"),
        }
    }

    /// To the step that failed, or else to the release that did.
    fn find_error(&mut self, cx: &mut Cx) {
        if let Some(at) = self.all_steps().iter().position(|(_, s)| s.status == Status::Failed) {
            self.focus = 1;
            self.steps.select(at);
            self.look_into(false, cx);
            return;
        }
        let failed = self.all.items().iter().find(|l| l.release.status == Status::Failed).map(|l| l.words.clone());
        match failed {
            Some(words) => {
                self.all.set_filter("");
                self.all.select(&words);
                self.focus = 0;
                self.look(false, cx);
            }
            None => cx.tell("no release failed"),
        }
    }

    fn details(&self, cx: &mut Cx) {
        let all = self.all_steps();
        let Some((stage, step)) = all.get(self.steps.selected()) else { return };
        let time = |t: Option<jiff::Timestamp>| t.map_or_else(|| "not yet".to_owned(), |t| t.to_string());
        let mut lines = vec![
            format!("status    {}", step.status.word()),
            format!("started   {}", time(step.started)),
            format!("updated   {}", time(step.updated)),
        ];
        lines.extend(step.log_group.iter().map(|group| format!("log group {group}")));
        lines.extend(step.log_stream.iter().map(|stream| format!("stream    {stream}")));
        if let Some(summary) = &step.summary {
            lines.push(String::new());
            lines.extend(summary.lines().map(str::to_owned));
        }
        cx.show(format!("{stage}/{} of release {}", step.name, self.of), lines);
    }

    pub(super) fn filter(&mut self, text: &str, cx: &mut Cx) {
        self.all.set_filter(text);
        self.look(false, cx);
    }

    pub(super) fn filter_text(&self) -> &str {
        self.all.filter()
    }

    pub(super) fn draw(&self, frame: &mut Frame, area: Rect, ui: &Ui) {
        let list = (area.height / 4).clamp(5, 14);
        let steps = (area.height / 3).clamp(7, 16);
        let heights = [Constraint::Length(list), Constraint::Length(steps), Constraint::Min(4)];
        let [list, steps, log] = Layout::vertical(heights).areas(area);
        self.draw_list(frame, list, ui);
        self.draw_steps(frame, steps, ui);
        self.draw_log(frame, log, ui);
    }

    fn draw_list(&self, frame: &mut Frame, area: Rect, ui: &Ui) {
        let title = filtered(format!("Releases of {}", self.pipeline), self.all.filter());
        let inner = ui.frame(frame, area, &title, self.focus == 0);
        let buffer = frame.buffer_mut();
        let empty = if self.all.filter().is_empty() { "no releases yet: n starts one" } else { "none fits the filter" };
        let used = ui.loaded(buffer, inner, &self.list, empty, self.all.is_empty());
        let inner = below(inner, used);
        if self.all.is_empty() {
            return;
        }
        let wide = inner.width >= 110;
        let mut columns = vec![left("  status", 13), left("release", 8), left("revision", 10), left("started", 16)];
        if wide {
            columns.extend([left("updated", 16), left("trigger", 24)]);
        }
        columns.push(left("what", 0));
        let visible = self.all.scroll.visible(usize::from(inner.height.saturating_sub(1)), self.all.len());
        ui.table(buffer, inner, &columns, visible, Some((self.all.scroll.selected(), self.focus == 0)), |n| {
            let Some(Listed { release, .. }) = self.all.get(n) else { return Vec::new() };
            let when = |t: Option<jiff::Timestamp>| t.map(|t| moment(t, ui.now)).unwrap_or_default();
            let revision = release.revision.as_deref().unwrap_or_default();
            let mut row = vec![
                word(release.status),
                (Role::Text, release.id.clone()),
                (Role::Text, revision.get(..10).unwrap_or(revision).to_owned()),
                (Role::Text, when(release.started)),
            ];
            if wide {
                row.push((Role::Text, when(release.updated)));
                row.push((Role::Dim, release.trigger.clone().unwrap_or_default()));
            }
            row.push((Role::Dim, first(release.summary.as_ref())));
            row
        });
    }

    fn draw_steps(&self, frame: &mut Frame, area: Rect, ui: &Ui) {
        let title = match self.waits() {
            Some(approval) => {
                let place = approval.env.as_deref().unwrap_or(&approval.stage);
                format!("Release {} · {place} waits for an approval: a approves, x rejects", self.of)
            }
            None if self.of.is_empty() => "Steps".to_owned(),
            None => format!("Release {}", self.of),
        };
        let inner = ui.frame(frame, area, &title, self.focus == 1);
        let buffer = frame.buffer_mut();
        let all = self.all_steps();
        if self.of.is_empty() {
            return;
        }
        let used = ui.loaded(buffer, inner, &self.whole, "it has no steps yet", all.is_empty());
        let inner = below(inner, used);
        if all.is_empty() {
            return;
        }
        let columns = [left("  status", 13), left("step", 18), right("took", 10), left("what came of it", 0)];
        let visible = self.steps.visible(usize::from(inner.height.saturating_sub(1)), all.len());
        ui.table(buffer, inner, &columns, visible, Some((self.steps.selected(), self.focus == 1)), |n| {
            let Some((stage, step)) = all.get(n) else { return Vec::new() };
            let took = step.started.zip(step.updated).filter(|_| step.status.is_final());
            let took = took.map(|(from, to)| duration(to.as_millisecond() - from.as_millisecond()));
            let role = if step.status == Status::Failed { Role::Error } else { Role::Dim };
            vec![
                word(step.status),
                (Role::Text, format!("{stage}/{}", step.name)),
                (Role::Text, took.unwrap_or_default()),
                (role, first(step.summary.as_ref())),
            ]
        });
    }

    fn draw_log(&self, frame: &mut Frame, area: Rect, ui: &Ui) {
        let title = if self.stream.is_empty() { "Log".to_owned() } else { format!("Log of {}", self.stream) };
        let inner = ui.frame(frame, area, &title, self.focus == 2);
        let buffer = frame.buffer_mut();
        if self.stream.is_empty() {
            return;
        }
        let lines = self.log.value.as_deref().unwrap_or_default();
        let used = ui.loaded(buffer, inner, &self.log, "it has logged nothing", lines.is_empty());
        let inner = below(inner, used);
        let seen = self.lines.text(usize::from(inner.height), lines.len());
        for (at, line) in lines.get(seen).unwrap_or_default().iter().enumerate() {
            let line = text::window(line, 0, usize::from(inner.width) + 1).to_owned();
            ui.line(buffer, inner, at as u16, &Line::from(ui.span(Role::Text, line)));
        }
    }
}
