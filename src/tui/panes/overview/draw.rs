//! How the overview looks: the list, the stages with a note of the selected one, the timeline.

use std::fmt::Write;

use ratatui::{Frame, layout::Rect, text::Line};

use super::OverviewPane;
use crate::{
    backend::overview::{Health, Lane, StageView, TimelineEntry},
    text,
    tui::{
        data::moment,
        glyphs,
        theme::Role,
        ui::{Ui, below, filtered},
        widgets::{
            graph::{self, Node},
            timeline::{self, Event},
        },
    },
};

fn event(entry: &TimelineEntry) -> Event {
    let (glyph, role) = match (entry.lane, entry.bad) {
        (_, true) => (glyphs::FAILED, Role::Error),
        (Lane::Runs, _) => ("▇", Role::Ok),
        (Lane::Alerts, _) => ("!", Role::Warn),
        (Lane::Deploys, _) => ("◆", Role::Running),
    };
    // A run that went well needs no words.
    let label = match (entry.lane, entry.bad) {
        (Lane::Runs, false) => String::new(),
        // Why it failed is news; that it is the job, its lane says.
        (Lane::Runs, true) => match entry.text.split_once(": ") {
            Some((job, why)) => format!("{why} ({job})"),
            None => entry.text.clone(),
        },
        _ => entry.text.clone(),
    };
    Event { start: entry.time, end: None, glyph, role, label }
}

pub(super) fn node(stage: &StageView) -> Node {
    let (state, role) = health(stage.health);
    let glyph = match stage.stage.kind {
        "function" => "λ",
        "stream" => "≋",
        "delivery" => "⇣",
        "bucket" => "▤",
        "dynamodb" => "▥",
        "job" => "⚙",
        "crawler" => "⌕",
        "topic" => "✉",
        "queue" => "≣",
        "table" | "postgres" => "▦",
        "api" => "⌁",
        "dashboard" => "▁",
        _ => "?",
    };
    // What is wrong is seen by its shape, too.
    let glyph = if matches!(stage.health, Health::Bad | Health::Warning) { state } else { glyph };
    Node {
        id: stage.stage.id.clone(),
        after: stage.stage.after.clone(),
        glyph,
        name: stage.stage.name.clone(),
        figure: stage.figure.clone(),
        role,
    }
}

/// How health looks.
pub fn health(health: Health) -> (&'static str, Role) {
    match health {
        Health::Absent => (glyphs::NONE, Role::Idle),
        Health::Idle => (glyphs::OK, Role::Ok),
        Health::Busy => (glyphs::RUNNING, Role::Running),
        Health::Warning => (glyphs::WARN, Role::Warn),
        Health::Bad => (glyphs::FAILED, Role::Error),
    }
}

impl OverviewPane {
    pub(super) fn draw_list(&self, frame: &mut Frame, area: Rect, ui: &Ui) {
        let inner = ui.frame(frame, area, &filtered("Pipelines", self.pipelines.filter()), self.focus == 0);
        let buffer = frame.buffer_mut();
        let empty = if self.pipelines.filter().is_empty() { "no pipelines" } else { "none fits the filter" };
        let used = ui.loaded(buffer, inner, &self.list, empty, self.pipelines.is_empty());
        let inner = below(inner, used);
        ui.list(buffer, inner, &self.pipelines, self.focus == 0, |pipeline| {
            let (glyph, role) = health(pipeline.health);
            let said = if role == Role::Error { role } else { Role::Dim };
            (role, glyph, &pipeline.name, said, pipeline.words.clone())
        });
    }

    pub(super) fn draw_view(&self, frame: &mut Frame, area: Rect, ui: &Ui) {
        let mut title = self.viewed.clone();
        if let Some(view) = &self.view.value {
            let _ = write!(title, " · {}", view.summary.words);
            if let Some(time) = view.summary.deployed {
                let _ = write!(title, " · deployed {}", moment(time, ui.now));
            }
        }
        let inner = ui.frame(frame, area, &title, self.focus == 1);
        let inner = Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), ..inner };
        let buffer = frame.buffer_mut();
        let used = ui.loaded(buffer, inner, &self.view, "it has no stages", self.nodes.is_empty());
        let mut inner = below(inner, used);
        // What the selected stage has to say of itself is longer than its place in the graph.
        let note = match &self.running {
            Some((pipeline, doing)) if *pipeline == self.viewed => Some((Role::Running, doing.clone())),
            _ => self.note(),
        };
        if let Some((role, note)) = note
            && inner.height > 4
        {
            let note = text::clean(&note);
            let width = usize::from(inner.width);
            // What went wrong may take more rows: its reason often stands at the end.
            let most = if inner.height < 12 { 2 } else { 3 };
            let rows = if role == Role::Error { text::wrap(&note, width, most).len() as u16 } else { 1 };
            let bottom = Rect { y: inner.y + inner.height - rows, height: rows, ..inner };
            if rows == 1 {
                ui.line(buffer, bottom, 0, &Line::from(ui.span(role, text::truncate(&note, width).into_owned())));
            } else {
                ui.wrapped(buffer, bottom, role, &note);
            }
            inner.height -= rows;
        }
        let selected = self.selected_node().filter(|_| self.focus == 1).map(|node| (node, true));
        self.shape.set(graph::draw(frame, inner, ui, &self.nodes, selected));
    }

    /// What the selected stage has to say, or else the worst that any has.
    fn note(&self) -> Option<(Role, String)> {
        let summary = &self.view.value.as_ref()?.summary;
        if self.focus == 0 && summary.stack.is_none() {
            return Some((Role::Key, format!("{} not deployed yet: D shows what a deploy would make", glyphs::NONE)));
        }
        let stage = if self.focus == 1 { self.selected_stage() } else { self.worst_stage() };
        let Some(stage) = stage else {
            // All stages are well, but the list knows of something else: a deploy that failed, a broken file.
            let listed = self.pipelines.selected().filter(|p| p.name == self.viewed)?;
            let (glyph, role) = health(listed.health);
            return (role == Role::Error).then(|| (role, format!("{glyph} {}", listed.words)));
        };
        let (glyph, role) = health(stage.health);
        let words = stage.detail.as_deref().unwrap_or(&stage.figure);
        let words = text::clean_lines(words).next().unwrap_or_default().into_owned();
        let role = if matches!(role, Role::Error | Role::Warn) { role } else { Role::Dim };
        Some((role, format!("{glyph} {} {}: {words}", stage.stage.kind, stage.stage.name)))
    }

    pub(super) fn draw_timeline(&self, frame: &mut Frame, area: Rect, ui: &Ui) {
        let inner = ui.frame(frame, area, "Timeline", false);
        let inner = Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), ..inner };
        let entries = self.view.value.as_ref().map(|v| v.timeline.as_slice()).unwrap_or_default();
        let span = timeline::span(entries.iter().map(|e| e.time), ui.now);
        let lane = |lane: Lane| entries.iter().filter(|e| e.lane == lane).map(event).collect();
        let rows = [("runs", lane(Lane::Runs)), ("alerts", lane(Lane::Alerts)), ("deploys", lane(Lane::Deploys))];
        timeline::draw(frame, inner, ui, &span, &rows);
    }
}
