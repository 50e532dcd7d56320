//! The past in the Deploy pane: what was done to a stack before.

use ratatui::{Frame, layout::Rect};

use super::{super::Cx, DeployPane};
use crate::tui::{
    data::{duration, moment, plural},
    glyphs,
    theme::Role,
    ui::{Ui, below, left, right},
};

pub(in super::super) fn status(status: &str) -> (&'static str, Role) {
    let failed = matches!(status, "INTERRUPTED" | "ERROR");
    if failed || status.ends_with("FAILED") || status.ends_with("ROLLBACK_COMPLETE") {
        (glyphs::FAILED, Role::Error)
    } else if matches!(status, "WARNING" | "NOTE") {
        (glyphs::WARN, Role::Warn)
    } else if status == "WAITING" {
        (glyphs::WAITING, Role::Dim)
    } else if status.ends_with("IN_PROGRESS") {
        (glyphs::RUNNING, Role::Running)
    } else {
        (glyphs::OK, Role::Ok)
    }
}

impl DeployPane {
    pub(super) fn operation_details(&self, cx: &mut Cx) {
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

    pub(super) fn draw_past(&self, frame: &mut Frame, area: Rect, ui: &Ui) {
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
        let there = self.past.value.as_ref().is_some_and(|(stack, _)| stack.is_some());
        let empty = match (self.other().is_some(), there) {
            (true, _) => "its events tell of no operation",
            (false, true) => "no deploy of it is known here",
            (false, false) => "it was never deployed",
        };
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
