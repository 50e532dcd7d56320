//! A look into an object: its lines, or its rows.

use ratatui::{Frame, buffer::Buffer, layout::Rect, text::Line};

use super::{super::Cx, BucketsPane, details::object_details};
use crate::{
    backend::preview::Preview,
    text,
    tui::{
        data::{bytes, plural},
        keymap::Action,
        theme::Role,
        ui::{Ui, below},
        widgets::grid::{self, Grid},
    },
};

/// What is looked into.
pub(super) enum Look {
    Lines(Vec<String>, bool),
    Grid(Grid, Option<u64>, bool),
}

/// Columns that Left and Right scroll.
const STEP: usize = 16;

/// A preview with clean text.
pub(super) fn look(preview: Preview) -> Look {
    let clean = |text: String| match text::clean(&text) {
        std::borrow::Cow::Borrowed(_) => text,
        std::borrow::Cow::Owned(cleaned) => cleaned,
    };
    match preview {
        Preview::Text { lines, truncated } => Look::Lines(lines.into_iter().map(clean).collect(), truncated),
        Preview::Binary { lines } => Look::Lines(lines, false),
        Preview::Table { columns, rows, total, truncated } => {
            let rows = rows.into_iter().map(|row| row.into_iter().map(|v| Some(clean(v))).collect()).collect();
            Look::Grid(Grid::new(columns.into_iter().map(clean).collect(), rows), total, truncated)
        }
    }
}

impl BucketsPane {
    pub(super) fn rows(&self) -> usize {
        match &self.look.value {
            Some((_, Look::Lines(lines, _))) => lines.len(),
            Some((_, Look::Grid(grid, ..))) => grid.rows.len(),
            None => 0,
        }
    }

    pub(super) fn look_action(&mut self, action: Action, cx: &mut Cx) -> bool {
        let columns = match &self.look.value {
            Some((_, Look::Grid(grid, ..))) => Some(grid.columns.len()),
            _ => None,
        };
        match action {
            Action::Back => self.focus = 0,
            Action::Left => self.skip = self.skip.saturating_sub(if columns.is_some() { 1 } else { STEP }),
            Action::Right => {
                self.skip = columns.map_or(self.skip + STEP, |n| (self.skip + 1).min(n.saturating_sub(1)));
            }
            Action::Enter => {
                if let Some((_, Look::Grid(grid, ..))) = &self.look.value {
                    cx.show("Row", grid.record(self.scroll.selected()));
                }
            }
            Action::Details => {
                if let Some((object, _)) = &self.look.value {
                    cx.show("Object", object_details(object));
                }
            }
            _ if columns.is_some() => {
                let rows = self.rows();
                return self.scroll.action(action, rows);
            }
            _ => return self.scroll.page(action),
        }
        true
    }

    pub(super) fn draw_look(&self, frame: &mut Frame, area: Rect, ui: &Ui) {
        let mut title = match &self.looked {
            Some((_, key, _)) => text::truncate_start(&text::clean(key), usize::from(area.width) / 2).into_owned(),
            None => "Preview".into(),
        };
        match &self.look.value {
            Some((object, Look::Grid(grid, total, truncated))) => {
                let rows = plural(total.unwrap_or(grid.rows.len() as u64), "row");
                let first = if *truncated { format!(" · the first {}", grid.rows.len()) } else { String::new() };
                title = format!("{title} · {} · {rows}{first}", bytes(object.size));
            }
            Some((object, Look::Lines(_, truncated))) => {
                let beginning = if *truncated { " · its beginning" } else { "" };
                title = format!("{title} · {}{beginning}", bytes(object.size));
            }
            None => {}
        }
        let inner = ui.frame(frame, area, &title, self.focus == 1);
        let buffer = frame.buffer_mut();
        if self.looked.is_none() {
            ui.paragraph(buffer, inner, 0, Role::Dim, "Enter looks into the selected object");
            return;
        }
        let used = ui.loaded(buffer, inner, &self.look, "the object is empty", self.rows() == 0);
        let inner = below(inner, used);
        match &self.look.value {
            Some((_, Look::Grid(grid, ..))) => {
                grid::draw(buffer, inner, ui, grid, &self.scroll, self.skip, self.focus == 1);
            }
            Some((_, Look::Lines(lines, _))) => self.draw_text(buffer, inner, ui, lines),
            None => {}
        }
    }

    fn draw_text(&self, buffer: &mut Buffer, area: Rect, ui: &Ui, lines: &[String]) {
        for (at, row) in self.scroll.text(usize::from(area.height), lines.len()).enumerate() {
            let Some(line) = lines.get(row) else { continue };
            let seen = text::window(line, self.skip, usize::from(area.width) + 1);
            ui.line(buffer, area, at as u16, &Line::from(ui.span(Role::Text, seen)));
        }
    }
}
