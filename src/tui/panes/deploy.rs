//! 7 Deploy: what would change, the changing resource by resource, what was changed before, and releases.

mod past;
mod plan;
mod releases;

use std::collections::{BTreeMap, VecDeque};

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
};

use super::{Cx, Intent, Pane, other_stacks, overview::where_to_look, turn};
use crate::{
    backend::overview::PipelineSummary,
    cloud::stacks::{ChangeSet, Operation, Stack, StackEvent},
    tui::{
        data::{Act, Data, Loaded, Request, Target},
        keymap::{Action, Context},
        theme::Role,
        ui::{Ui, below, filtered},
        widgets::list::{Picker, Scroll},
    },
};
pub(super) use past::status;
use plan::{drift_lines, rows};
use releases::Releases;

/// Lines of what an operation has told that are kept to be read.
const TOLD: usize = 2_000;

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
    /// All that it has told, as far back as anybody reads.
    told: VecDeque<String>,
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
    /// The releases of a pipeline, where they are seen in place of its plan.
    releases: Option<Releases>,
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
            told: VecDeque::new(),
            going: false,
            done: (0, 0),
            changes: Scroll::default(),
            operations: Scroll::default(),
            focus: 0,
            whole: false,
            jumped: false,
            releases: None,
        }
    }
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

    /// Shows why there is no plan; whether that is so.
    fn show_mistakes(&self, cx: &mut Cx) -> bool {
        let Some(error) = &self.plan.error else { return false };
        cx.show(format!("Plan of {}", self.pipeline), error.lines().map(str::to_owned).collect());
        true
    }

    fn looked(&mut self, result: Result<Data, String>) {
        match result {
            Ok(Data::Stack(stack, operations)) => self.past.answer(Ok((stack, operations))),
            Ok(_) => {}
            Err(error) => self.past.answer(Err(error)),
        }
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
        if self.releases.is_some() { Context::Releases } else { Context::Deploy }
    }

    fn refresh(&mut self, cx: &mut Cx) {
        if let Some(releases) = &mut self.releases {
            releases.refresh(cx);
            return;
        }
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
            (Request::Releases(_) | Request::Release { .. } | Request::StepLog { .. }, result) => {
                if let Some(releases) = &mut self.releases {
                    releases.loaded(request, result, cx);
                }
            }
            _ => {}
        }
    }

    fn action(&mut self, action: Action, cx: &mut Cx) -> bool {
        if let Some(releases) = &mut self.releases {
            let used = releases.action(action, cx);
            if !used && action == Action::Back {
                self.releases = None;
                self.refresh(cx);
                return true;
            }
            return used;
        }
        if let Some(focus) = turn(self.focus, 3, action) {
            self.focus = focus;
            return true;
        }
        let pipeline = self.pipelines.selected().map(|p| p.name.clone());
        match (action, pipeline) {
            (
                Action::Plan
                | Action::Deploy
                | Action::Drift
                | Action::Apply
                | Action::Destroy
                | Action::Run
                | Action::Releases
                | Action::Stop,
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
            (Action::Releases, Some(pipeline)) => self.releases = Some(Releases::open(pipeline, cx)),
            (Action::Apply, Some(pipeline)) => cx.act(Act::Deploy(pipeline)),
            (Action::Destroy, Some(pipeline)) => cx.act(Act::Destroy(pipeline)),
            (Action::Run, Some(pipeline)) => cx.act(Act::Run(pipeline)),
            (Action::Stop, Some(pipeline)) => cx.act(Act::Interrupt(pipeline)),
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
            (Action::Enter, _) if self.focus == 1 && !self.progress.is_empty() => {
                cx.show(format!("What {} has told", self.pipeline), self.told.iter().cloned().collect());
            }
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
            self.told.clear();
        }
        self.done = (event.done, event.total);
        if self.told.len() == TOLD {
            self.told.pop_front();
        }
        self.told.push_back(plan::told(event));
        // One row a resource: its newest word. What is said of the whole is not taken back by what comes next.
        let aside = matches!(event.status.as_str(), "NOTE" | "WARNING" | "ERROR");
        let row = match &event.reason {
            Some(reason) if aside => format!("{} {}: {reason}", event.status, event.logical_id),
            _ => event.logical_id.clone(),
        };
        let at = *self.at.entry(row).or_insert(self.progress.len());
        match self.progress.get_mut(at) {
            Some(row) => *row = event.clone(),
            None => self.progress.push(event.clone()),
        }
    }

    fn filter(&mut self, text: &str, cx: &mut Cx) {
        if let Some(releases) = &mut self.releases {
            releases.filter(text, cx);
            return;
        }
        self.pipelines.set_filter(text);
        self.look(false, cx);
    }

    fn filter_text(&self) -> &str {
        self.releases.as_ref().map_or_else(|| self.pipelines.filter(), Releases::filter_text)
    }

    fn select(&mut self, target: &Target, cx: &mut Cx) {
        self.releases = None;
        if let Target::Releases(pipeline) = target {
            self.releases = Some(Releases::open(pipeline.clone(), cx));
        }
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
        if let Some(releases) = &self.releases {
            releases.draw(frame, area, ui);
            return;
        }
        let list = (area.width / 4).clamp(28, 40);
        let [left, right] = Layout::horizontal([Constraint::Length(list), Constraint::Min(20)]).areas(area);
        let past = (area.height / 3).clamp(5, 16);
        let [plan, history] = Layout::vertical([Constraint::Min(5), Constraint::Length(past)]).areas(right);
        let title = filtered("Pipelines and stacks", self.pipelines.filter());
        let inner = ui.frame(frame, left, &title, self.focus == 0);
        let empty = if self.pipelines.filter().is_empty() { "no pipelines" } else { "none fits the filter" };
        let used = ui.loaded(frame.buffer_mut(), inner, &self.list, empty, self.pipelines.is_empty());
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
