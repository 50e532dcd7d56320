//! 1 Overview: the pipelines, the chosen one stage by stage, and what happened.

mod draw;
mod trouble;

use std::cell::Cell;

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
};

use super::{Cx, Intent, Pane, charts::Charts, turn};
use crate::{
    backend::{
        overview::{PipelineSummary, PipelineView, StageView},
        run::RunProgress,
    },
    tui::{
        data::{Act, Data, Loaded, Request, Target},
        glyphs,
        keymap::{Action, Context},
        ui::Ui,
        widgets::{
            graph::{self, Node, Shape},
            list::Picker,
        },
    },
};
pub use draw::health;
use draw::node;

/// Rows of the timeline: the axis, three lanes, the frame.
const TIMELINE: u16 = 6;

/// The pipelines, and one of them.
pub struct OverviewPane {
    pipelines: Picker<PipelineSummary>,
    list: Loaded<()>,
    view: Loaded<PipelineView>,
    /// The pipeline that `view` is of, or will be.
    viewed: String,
    /// The graph of `view`, and how it was last drawn: the selection goes through what is seen.
    nodes: Vec<Node>,
    shape: Cell<Shape>,
    /// The selected stage among `nodes`; none: the first that is seen.
    stage: Option<usize>,
    focus: usize,
    /// What the run that is under way is doing.
    running: Option<(String, String)>,
    /// Whether the pipeline was jumped to before the list was there, which has to tell whether there is one.
    jumped: bool,
    /// Whether the selected pipeline is to be read again when the list has come.
    due: bool,
    /// The charts of a dashboard, where they are seen in place of the stages.
    charts: Option<Charts>,
}

impl Default for OverviewPane {
    fn default() -> Self {
        Self {
            pipelines: Picker::new(|p| &p.name),
            list: Loaded::default(),
            view: Loaded::default(),
            viewed: String::new(),
            nodes: Vec::new(),
            shape: Cell::default(),
            stage: None,
            focus: 0,
            running: None,
            jumped: false,
            due: false,
            charts: None,
        }
    }
}

/// The pipeline that a person wants to see first: the one that is worst, else the busiest, else the first that is deployed.
pub(super) fn where_to_look(pipelines: &[PipelineSummary]) -> Option<String> {
    let own = pipelines.iter().filter(|p| p.other.is_none());
    // Of equals, the first.
    own.rev().max_by_key(|p| p.health).map(|p| p.name.clone())
}

impl OverviewPane {
    /// Reads the selected pipeline, where another is shown.
    fn look(&mut self, again: bool, cx: &mut Cx) {
        if let Some(name) = self.pipelines.selected().map(|p| p.name.clone()) {
            self.look_at(name, again, cx);
        }
    }

    fn look_at(&mut self, name: String, again: bool, cx: &mut Cx) {
        if self.viewed != name {
            self.viewed.clone_from(&name);
            self.view.clear();
            self.nodes.clear();
            self.stage = None;
        } else if !again {
            return;
        }
        self.view.ask();
        cx.load(Request::View(name));
    }

    /// The selected stage's number among `nodes`.
    fn selected_node(&self) -> Option<usize> {
        self.stage.or_else(|| graph::order(&self.nodes, self.shape.get()).first().copied())
    }

    fn selected_stage(&self) -> Option<&StageView> {
        self.view.value.as_ref()?.stages.get(self.selected_node()?)
    }

    /// Moves the selection through the stages as they are seen.
    fn step(&mut self, to: impl Fn(usize, usize) -> usize) {
        let order = graph::order(&self.nodes, self.shape.get());
        let last = order.len().saturating_sub(1);
        let at = self.selected_node().and_then(|node| order.iter().position(|n| *n == node)).unwrap_or(0);
        self.stage = order.get(to(at, last).min(last)).copied();
    }

    /// Opens the charts of the dashboard that is selected, or else of the pipeline's first.
    fn open_charts(&mut self, cx: &mut Cx) {
        let is = |s: &&StageView| s.stage.kind == "dashboard";
        let selected = self.selected_stage().filter(is).filter(|_| self.focus == 1);
        let stages = self.view.value.as_ref().map(|v| v.stages.as_slice()).unwrap_or_default();
        match selected.or_else(|| stages.iter().find(is)).map(|s| s.stage.physical_name.clone()) {
            Some(name) => self.charts = Some(Charts::open(name, cx)),
            None if self.view.value.is_none() => cx.tell("the pipeline's stages are still being read"),
            None => cx.tell("this pipeline has no dashboard"),
        }
    }

    /// Opens the pane that shows a stage.
    fn open(stage: &StageView, cx: &mut Cx) {
        let name = stage.stage.physical_name.clone();
        match stage.stage.kind {
            "bucket" => cx.go(Target::Bucket(name)),
            "dynamodb" => cx.go(Target::KeyTable(name)),
            "job" => cx.go(Target::Job(name)),
            "crawler" => cx.go(Target::Crawler(name)),
            "topic" => cx.go(Target::Topic(name)),
            "queue" => cx.go(Target::Queue(name)),
            "table" => cx.go(Target::Sql(format!("SELECT * FROM {name} LIMIT 100"))),
            "query" => cx.go(Target::Sql(String::new())),
            _ => {
                if let Some(group) = &stage.log_group {
                    cx.go(Target::LogGroup(group.clone()));
                } else {
                    cx.show(format!("{} {}", stage.stage.kind, stage.stage.name), details(stage));
                }
            }
        }
    }

    fn stage_action(&mut self, action: Action, cx: &mut Cx) -> bool {
        match action {
            Action::Up | Action::Left => self.step(|at, _| at.saturating_sub(1)),
            Action::Down | Action::Right => self.step(|at, _| at + 1),
            Action::Top => self.step(|_, _| 0),
            Action::Bottom => self.step(|_, last| last),
            Action::Back => self.focus = 0,
            Action::Enter if self.selected_stage().is_some_and(|s| s.stage.kind == "dashboard") => self.open_charts(cx),
            Action::Enter => {
                if let Some(stage) = self.selected_stage() {
                    Self::open(stage, cx);
                }
            }
            Action::Run => match self.selected_stage().map(|s| (s.stage.kind, s.stage.physical_name.clone())) {
                Some(("function", name)) => cx.act(Act::Invoke(name)),
                Some(("job", name)) => cx.act(Act::StartJob(name)),
                Some(("crawler", name)) => cx.act(Act::StartCrawler(name)),
                _ => cx.tell("functions, jobs and crawlers can be run; this is none"),
            },
            Action::Logs => match self.selected_stage().and_then(|s| s.log_group.clone()) {
                Some(group) => cx.go(Target::LogGroup(group)),
                None => cx.tell("this stage writes no logs: functions, jobs and crawlers do"),
            },
            _ => return false,
        }
        true
    }
}

fn details(stage: &StageView) -> Vec<String> {
    let mut lines = vec![format!("name      {}", stage.stage.physical_name), format!("state     {}", stage.figure)];
    if let Some(group) = &stage.log_group {
        lines.push(format!("logs      {group}"));
    }
    if let Some(detail) = &stage.detail {
        lines.push(String::new());
        lines.push(detail.clone());
    }
    lines
}

impl Pane for OverviewPane {
    fn number(&self) -> u8 {
        1
    }

    fn title(&self) -> &'static str {
        "Overview"
    }

    fn context(&self) -> Context {
        if self.charts.is_some() { Context::Charts } else { Context::Overview }
    }

    fn refresh(&mut self, cx: &mut Cx) {
        self.list.ask();
        cx.load(Request::Pipelines);
        if cx.session.cloud == "local" {
            self.look(true, cx);
        } else {
            // Both are made of the same, which a cloud behind a network is to be asked for once.
            self.due = true;
        }
        if let Some(charts) = &mut self.charts {
            charts.refresh(cx);
        }
    }

    fn loaded(&mut self, request: &Request, result: Result<Data, String>, cx: &mut Cx) {
        match (request, result) {
            (Request::Pipelines, Ok(Data::Pipelines(pipelines))) => {
                let first = self.viewed.is_empty().then(|| where_to_look(&pipelines)).flatten();
                self.pipelines.set(pipelines);
                self.list.answer(Ok(()));
                if let Some(name) = first {
                    self.pipelines.select(&name);
                }
                // A pipeline that was jumped to before the list was there.
                if !self.pipelines.select(&self.viewed) && self.jumped {
                    cx.intents.push(Intent::Fail(format!("no pipeline {}", self.viewed)));
                }
                self.jumped = false;
                let due = std::mem::take(&mut self.due);
                self.look(due, cx);
            }
            (Request::Pipelines, Err(error)) => {
                self.list.answer(Err(error));
                if std::mem::take(&mut self.due) {
                    self.look(true, cx);
                }
            }
            (Request::Dashboard(name), result) => {
                if let Some(charts) = self.charts.as_mut().filter(|c| c.dashboard == *name) {
                    charts.loaded(result);
                }
            }
            (Request::View(name), result) if *name == self.viewed => match result {
                Ok(Data::View(view)) => {
                    self.nodes = view.stages.iter().map(node).collect();
                    self.stage = self.stage.filter(|stage| *stage < self.nodes.len());
                    self.view.answer(Ok(*view));
                }
                Ok(_) => {}
                Err(error) => self.view.answer(Err(error)),
            },
            _ => {}
        }
    }

    fn action(&mut self, action: Action, cx: &mut Cx) -> bool {
        if let Some(charts) = &mut self.charts {
            if action == Action::Back {
                self.charts = None;
                return true;
            }
            return charts.action(action);
        }
        if let Some(focus) = turn(self.focus, 2, action) {
            self.focus = focus;
            return true;
        }
        match action {
            Action::Dashboard => {
                self.open_charts(cx);
                return true;
            }
            Action::GoToError => {
                self.go_to_error(cx);
                return true;
            }
            Action::Deploy => {
                if let Some(pipeline) = self.pipelines.selected() {
                    cx.intents.push(Intent::Deploy(pipeline.name.clone()));
                }
                return true;
            }
            _ => {}
        }
        if self.focus == 1 {
            return self.stage_action(action, cx);
        }
        match action {
            Action::Enter | Action::Right if self.pipelines.selected().is_some() => self.focus = 1,
            Action::Run => {
                if let Some(pipeline) = self.pipelines.selected() {
                    cx.act(Act::Run(pipeline.name.clone()));
                }
            }
            Action::Logs => {
                let stages = self.view.value.as_ref().map(|v| v.stages.as_slice()).unwrap_or_default();
                let worst = stages.iter().filter(|s| s.log_group.is_some()).max_by_key(|s| s.health);
                match worst.and_then(|s| s.log_group.clone()) {
                    Some(group) => cx.go(Target::LogGroup(group)),
                    None => cx.tell("this pipeline has no logs yet"),
                }
            }
            _ if self.pipelines.action(action) => self.look(false, cx),
            _ => return false,
        }
        true
    }

    fn filter(&mut self, text: &str, cx: &mut Cx) {
        self.pipelines.set_filter(text);
        self.look(false, cx);
    }

    fn filter_text(&self) -> &str {
        self.pipelines.filter()
    }

    fn acted(&mut self, act: &Act, _: &Result<String, String>, _: &mut Cx) {
        if matches!(act, Act::Run(_)) {
            self.running = None;
        }
    }

    fn run_progress(&mut self, pipeline: &str, progress: &RunProgress) {
        let doing = match progress {
            RunProgress::Resumed { stage, .. } => format!("an interrupted run is carried on at {stage}"),
            RunProgress::Restarted { .. } => "an interrupted run is given up for a new one".to_owned(),
            RunProgress::Fed { source, uploaded, removed } => {
                format!("{source}: {uploaded} files uploaded, {removed} others removed")
            }
            RunProgress::Stage(stage) => {
                let steps =
                    if stage.steps > 0 { format!(", {} of {}", stage.step, stage.steps) } else { String::new() };
                format!("{} {} {}{steps}", stage.kind, stage.name, stage.status)
            }
        };
        self.running = Some((pipeline.to_owned(), format!("{} run: {doing}", glyphs::RUNNING)));
    }

    fn select(&mut self, target: &Target, cx: &mut Cx) {
        self.charts = None;
        if let Target::Pipeline(name) = target {
            self.pipelines.set_filter("");
            if self.list.value.is_none() {
                self.jumped = true;
                self.look_at(name.clone(), false, cx);
                self.focus = 1;
            } else if self.pipelines.select(name) {
                self.look(false, cx);
                self.focus = 1;
            } else {
                cx.intents.push(Intent::Fail(format!("no pipeline {name}")));
            }
        }
    }

    fn names(&self) -> Vec<String> {
        self.pipelines.items().iter().map(|p| p.name.clone()).collect()
    }

    fn draw(&self, frame: &mut Frame, area: Rect, ui: &Ui) {
        if let Some(charts) = &self.charts {
            charts.draw(frame, area, ui);
            return;
        }
        let timeline = if area.height >= 18 { TIMELINE } else { 0 };
        let [main, bottom] = Layout::vertical([Constraint::Min(8), Constraint::Length(timeline)]).areas(area);
        let list = (main.width / 4).clamp(if main.width < 76 { 22 } else { 31 }, 40);
        let [left, right] = Layout::horizontal([Constraint::Length(list), Constraint::Min(20)]).areas(main);
        self.draw_list(frame, left, ui);
        self.draw_view(frame, right, ui);
        if timeline > 0 {
            self.draw_timeline(frame, bottom, ui);
        }
    }
}
