//! What is below the editor: a result, or the lists that take its place.

use ratatui::{Frame, layout::Rect, text::Line};
use serde_json::Value;

use super::{super::Cx, QueriesPane, Shows};
use crate::{
    backend::prices::usd,
    cloud::queries::{QueryResult, Service},
    text,
    tui::{
        data::{bytes, duration, plural},
        glyphs,
        keymap::Action,
        theme::Role,
        ui::{Ui, below, filtered},
        widgets::grid::{self, Grid},
    },
};

/// How a service executed a query, in words.
fn executed(service: &Service) -> String {
    let time =
        |what: &str, ms: Option<u64>| ms.map(|ms| format!(" · {what} {}", duration(ms as i64))).unwrap_or_default();
    let reused = if service.reused { " · an earlier result reused" } else { "" };
    let times = [time("queue", service.queue_ms), time("engine", service.engine_ms)].concat();
    format!("{reused}{times} · {}", service.workgroup)
}

/// A result with clean text.
pub(super) fn grid(result: &QueryResult) -> Grid {
    let cell = |value: &Value| match value {
        Value::Null => None,
        Value::String(value) => Some(text::clean(value).into_owned()),
        other => Some(text::clean(&other.to_string()).into_owned()),
    };
    let columns = result.columns.iter().map(|c| text::clean(&c.name).into_owned()).collect();
    Grid::new(columns, result.rows.iter().map(|row| row.iter().map(cell).collect()).collect())
}

impl QueriesPane {
    pub(super) fn result_action(&mut self, action: Action, cx: &mut Cx) -> bool {
        if self.shows == Shows::Groups {
            match action {
                Action::Enter => {
                    if let Some(group) = self.groups.selected() {
                        cx.tell(format!("queries now run in workgroup {}", group.name));
                        self.workgroup = Some(group.name.clone());
                        self.shows = Shows::Result;
                        self.focus = 1;
                    }
                }
                Action::Back if self.groups.filter().is_empty() => self.shows = Shows::Result,
                _ => return self.groups.action(action),
            }
            return true;
        }
        if self.shows == Shows::Past {
            match action {
                Action::Enter => self.use_past(),
                Action::Back if self.past.filter().is_empty() => self.shows = Shows::Result,
                Action::GoToError => {
                    if let Some(error) = self.past.selected().and_then(|p| p.error.clone()) {
                        cx.show("Why it failed", vec![error]);
                    }
                }
                _ => return self.past.action(action),
            }
            return true;
        }
        match action {
            Action::Left => self.skip = self.skip.saturating_sub(1),
            Action::Right => self.skip = (self.skip + 1).min(self.grid.columns.len().saturating_sub(1)),
            Action::Enter => match &self.result.error {
                Some(error) => cx.show("Why it failed", vec![error.clone()]),
                None => cx.show("Row", self.grid.record(self.scroll.selected())),
            },
            Action::GoToError => match &self.result.error {
                Some(error) => cx.show("Why it failed", vec![error.clone()]),
                None => cx.tell("the query did not fail"),
            },
            Action::Back => self.focus = 1,
            _ => return self.scroll.action(action, self.grid.rows.len()),
        }
        true
    }

    fn draw_groups(&self, frame: &mut Frame, area: Rect, ui: &Ui) {
        let inner = ui.frame(frame, area, &filtered("Workgroups", self.groups.filter()), self.focus == 2);
        let buffer = frame.buffer_mut();
        let empty = if self.groups.filter().is_empty() { "no workgroups" } else { "none fits" };
        let used = ui.loaded(buffer, inner, &self.groups_read, empty, self.groups.is_empty());
        ui.list(buffer, below(inner, used), &self.groups, self.focus == 2, |group| {
            let (role, glyph) = if group.enabled { (Role::Ok, glyphs::OK) } else { (Role::Idle, glyphs::STOPPED) };
            let said = group.description.clone().or_else(|| group.engine.clone()).unwrap_or_default();
            (role, glyph, &group.name, Role::Dim, said)
        });
    }

    pub(super) fn draw_result(&self, frame: &mut Frame, area: Rect, ui: &Ui) {
        if self.shows == Shows::Groups {
            self.draw_groups(frame, area, ui);
            return;
        }
        if self.shows == Shows::Past {
            let title = filtered("Saved and past queries", self.past.filter());
            let inner = ui.frame(frame, area, &title, self.focus == 2);
            let buffer = frame.buffer_mut();
            let empty = if self.past.filter().is_empty() { "no query was asked yet" } else { "none fits the filter" };
            let used = ui.loaded(buffer, inner, &self.history, empty, self.past.is_empty());
            let inner = below(inner, used);
            let width = usize::from(inner.width);
            for (at, row) in self.past.scroll.visible(usize::from(inner.height), self.past.len()).enumerate() {
                let Some(past) = self.past.get(row) else { continue };
                let sql = past.sql.split_whitespace().collect::<Vec<_>>().join(" ");
                let sql = text::clean(&sql);
                let said = text::clean(&past.said);
                let room = width.saturating_sub(text::width(&said) + 4);
                let line = Line::from(vec![
                    ui.span(past.role, format!("{} ", past.glyph)),
                    ui.span(Role::Text, text::fit(&sql, room)),
                    ui.span(Role::Dim, format!("  {said}")),
                ]);
                ui.line(buffer, inner, at as u16, &line);
                if row == self.past.scroll.selected() {
                    ui.select(buffer, inner, at as u16, self.focus == 2);
                }
            }
            return;
        }
        let title = match &self.result.value {
            Some(result) => {
                let more = if result.truncated { " (cut there)" } else { "" };
                let cost = self.prices.query(result).map(|c| format!(" {}", usd(c))).unwrap_or_default();
                format!(
                    "Result · {}{more} · {} scanned{cost} · {}{}",
                    plural(result.rows.len() as u64, "row"),
                    bytes(result.scanned_bytes),
                    duration(result.elapsed_ms as i64),
                    result.service.as_ref().map(executed).unwrap_or_default()
                )
            }
            None if self.result.loading => "Result · running; Ctrl-C cancels".into(),
            None => "Result".into(),
        };
        let inner = ui.frame(frame, area, &title, self.focus == 2);
        let buffer = frame.buffer_mut();
        if self.asked.is_none() {
            return;
        }
        if let Some(error) = &self.result.error {
            ui.paragraph(buffer, inner, 0, Role::Error, &format!("✖ {error}"));
            return;
        }
        let used = ui.loaded(buffer, inner, &self.result, "no rows", false);
        let inner = below(inner, used);
        grid::draw(buffer, inner, ui, &self.grid, &self.scroll, self.skip, self.focus == 2);
        if self.grid.rows.is_empty() && self.result.value.is_some() {
            ui.line(buffer, inner, 1, &Line::from(ui.span(Role::Dim, "no rows")));
        }
    }
}
