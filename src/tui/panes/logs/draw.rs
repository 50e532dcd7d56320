//! How the groups and the lines are drawn.

use std::fmt::Write;

use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
};

use super::{ERRORS, LogsPane};
use crate::{
    text,
    tui::{
        data,
        theme::Role,
        ui::{Ui, below, filtered},
        widgets::lines::Needle,
    },
};

impl LogsPane {
    pub(super) fn draw_groups(&self, frame: &mut Frame, area: Rect, ui: &Ui) {
        let inner =
            ui.frame(frame, area, &filtered(self.list.title("Log groups"), self.groups.filter()), self.focus == 0);
        let buffer = frame.buffer_mut();
        let empty = if self.groups.filter().is_empty() {
            "no log groups yet: a pipeline that is deployed and runs makes them"
        } else {
            "none fits the filter"
        };
        let used = ui.loaded(buffer, inner, &self.list, empty, self.groups.is_empty());
        let inner = below(inner, used);
        let width = usize::from(inner.width);
        for (at, row) in self.groups.scroll.visible(usize::from(inner.height), self.groups.len()).enumerate() {
            let Some(group) = self.groups.get(row) else { continue };
            let events = group.events.map(data::count).unwrap_or_default();
            let room = width.saturating_sub(text::width(&events) + 2);
            let open = self.group.as_deref() == Some(&group.name);
            let name = text::clean(&group.name);
            let name = text::truncate_start(&name, room);
            let line = Line::from(vec![
                ui.span(if open { Role::Focus } else { Role::Text }, text::fit(&name, room)),
                Span::raw("  "),
                ui.span(Role::Dim, events),
            ]);
            ui.line(buffer, inner, at as u16, &line);
            if row == self.groups.scroll.selected() {
                ui.select(buffer, inner, at as u16, self.focus == 0);
            }
        }
    }

    /// The title in so many columns: of the group's name its end, for all else tells how things are.
    fn title(&self, columns: usize) -> String {
        let Some(group) = &self.group else { return "Lines".into() };
        let mut title = String::new();
        if let Some(stream) = &self.reading.reach.stream {
            let _ = write!(title, " · {stream}");
        }
        let _ = write!(title, " · {}", data::plural(self.lines.len() as u64, "line"));
        if self.filtering() {
            let _ = write!(title, " · {:?}: {}", self.needle.text, data::count(self.found.len() as u64));
            if self.searching {
                title += " …";
            }
        }
        if self.insights.loading {
            title += " · querying …";
        }
        match &self.reading.sampled {
            _ if self.read.loading && self.reading.more && self.reading.sampled.is_none() => title += " · reading …",
            Some(true) => title += " · live, sampled",
            Some(false) => title += " · live",
            None if self.follow => title += " · following",
            None => {}
        }
        let title = text::clean(&title);
        let group = text::clean(group);
        // A needle may be as long as it likes; some of the name stays.
        let room = columns.saturating_sub(text::width(&title)).max(12);
        format!("{}{title}", text::truncate_start(&group, room))
    }

    pub(super) fn draw_lines(&self, frame: &mut Frame, area: Rect, ui: &Ui) {
        let inner = ui.frame(frame, area, &self.title(usize::from(area.width.saturating_sub(4))), self.focus == 1);
        let buffer = frame.buffer_mut();
        if self.group.is_none() {
            ui.paragraph(buffer, inner, 0, Role::Dim, "Enter reads the selected group");
            return;
        }
        let empty = if self.filtering() { "nothing fits the filter" } else { "no events" };
        let used = ui.loaded(buffer, inner, &self.read, empty, self.len() == 0);
        let inner = below(inner, used);
        let height = usize::from(inner.height);
        self.height.set(height);
        let (len, cursor) = (self.len(), self.position(self.cursor));
        let mut top = self.top.get().min(cursor).min(len.saturating_sub(1));
        // Rows that a line takes: one, or what it wraps to.
        let stamp = if self.times { 13 } else { 0 };
        let width = usize::from(inner.width).saturating_sub(stamp).max(1);
        let rows = |at: usize| {
            if !self.wrap {
                return 1;
            }
            self.lines.with(self.number(at), |_, line| text::wrap(line, width, height.max(1)).len()).unwrap_or(1)
        };
        // So far up that the selected line is seen whole, without laying out more than the screen holds.
        let (mut first, mut taken) = (cursor, rows(cursor));
        while first > top {
            let more = rows(first - 1);
            if taken + more > height {
                break;
            }
            taken += more;
            first -= 1;
        }
        if first > top {
            top = first;
        }
        if !self.wrap {
            top = top.min(len.saturating_sub(height));
        }
        self.top.set(top);
        let mut row = 0;
        for at in top..len {
            if row >= inner.height {
                break;
            }
            let number = self.number(at);
            let drawn = self.lines.with(number, |time, line| self.draw_line(buffer, inner, row, ui, time, line, width));
            let drawn = drawn.unwrap_or(1);
            if at == cursor {
                for selected in row..row + drawn {
                    ui.select(buffer, inner, selected, self.focus == 1);
                }
            }
            row += drawn;
        }
    }

    /// Draws a line from a row on; the rows that it took.
    #[allow(clippy::too_many_arguments, reason = "each is one thing that a line is drawn with")]
    fn draw_line(
        &self,
        buffer: &mut ratatui::buffer::Buffer,
        area: Rect,
        row: u16,
        ui: &Ui,
        time: i64,
        line: &str,
        width: usize,
    ) -> u16 {
        let parts = if self.wrap {
            text::wrap(line, width, usize::from(area.height - row))
        } else {
            // One column more than there is room for tells that the line goes on.
            vec![text::window(line, self.skip, width + 1)]
        };
        for (at, part) in parts.iter().enumerate() {
            let mut spans = Vec::new();
            if self.times {
                let stamp = jiff::Timestamp::from_millisecond(time)
                    .map_or_else(|_| String::new(), |t| t.strftime("%H:%M:%S.%3f").to_string());
                spans.push(ui.span(Role::Dim, if at == 0 { format!("{stamp:<13}") } else { " ".repeat(13) }));
            }
            marked(&mut spans, part, &self.needle, line_role(line), ui);
            ui.line(buffer, area, row + at as u16, &Line::from(spans));
        }
        parts.len() as u16
    }
}

/// What a line's beginning says of it.
fn line_role(line: &str) -> Role {
    let head = text::window(line, 0, 80).to_ascii_lowercase();
    if ERRORS.iter().any(|word| head.contains(word)) {
        Role::Error
    } else if head.contains("warn") {
        Role::Warn
    } else {
        Role::Text
    }
}

/// The part with what the needle finds in it marked.
fn marked<'a>(spans: &mut Vec<Span<'a>>, part: &'a str, needle: &Needle, role: Role, ui: &Ui) {
    let mut at = 0;
    for hit in needle.find_all(part) {
        spans.push(ui.span(role, part.get(at..hit.start).unwrap_or_default()));
        spans.push(ui.span(Role::Match, part.get(hit.clone()).unwrap_or_default()));
        at = hit.end;
    }
    spans.push(ui.span(role, part.get(at..).unwrap_or_default()));
}
