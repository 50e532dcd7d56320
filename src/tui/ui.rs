//! What drawing needs beside the thing to draw: colours, and the small pieces that all panes are made of.

use std::borrow::Cow;

use jiff::Timestamp;
use ratatui::{
    Frame,
    buffer::Buffer,
    layout::Rect,
    style::{Modifier, Style},
    text::{Line, Span},
    widgets::{Block, BorderType, Borders, Widget},
};

use super::{
    data::Loaded,
    theme::{Role, Theme},
    widgets::list::Picker,
};
use crate::text;

/// What drawing needs.
#[derive(Debug, Clone, Copy)]
pub struct Ui<'a> {
    /// The colours.
    pub theme: &'a Theme,
    /// The time on the cloud's clock, when something was last heard of it.
    pub now: Timestamp,
    /// Whether a popup or the command line has the keys, so that no part of a pane has them.
    pub covered: bool,
}

impl Ui<'_> {
    /// A role's style.
    pub fn style(&self, role: Role) -> Style {
        self.theme.style(role)
    }

    /// Text in a role, cleaned.
    pub fn span<'t>(&self, role: Role, text: impl Into<Cow<'t, str>>) -> Span<'t> {
        let text = match text.into() {
            Cow::Borrowed(text) => text::clean(text),
            Cow::Owned(text) => match text::clean(&text) {
                Cow::Borrowed(_) => Cow::Owned(text),
                Cow::Owned(cleaned) => Cow::Owned(cleaned),
            },
        };
        Span::styled(text, self.style(role))
    }

    /// A frame with a title, of which the inner part is returned.
    pub fn frame(&self, frame: &mut Frame, area: Rect, title: &str, focused: bool) -> Rect {
        let focused = focused && !self.covered;
        let (line, style) = if focused { (Role::Focus, Role::Title) } else { (Role::Border, Role::Dim) };
        let title = text::clean(title);
        let room = usize::from(area.width.saturating_sub(4));
        let title = format!(" {} ", text::truncate(&title, room));
        let block = Block::new()
            .borders(Borders::ALL)
            .border_type(BorderType::Rounded)
            .border_style(self.style(line))
            .title(Span::styled(title, self.style(style)));
        let inner = block.inner(area);
        block.render(area, frame.buffer_mut());
        inner
    }

    /// Writes one line, cut to the area's width, with an ellipsis where more than blanks is cut.
    pub fn line(&self, buffer: &mut Buffer, area: Rect, row: u16, line: &Line) {
        if row >= area.height {
            return;
        }
        let y = area.y + row;
        buffer.set_line(area.x, y, line, area.width);
        if !overflows(line, usize::from(area.width)) {
            return;
        }
        let Some(last) = (area.x + area.width).checked_sub(1).filter(|last| *last >= area.x) else { return };
        // Half of a wide character cannot stay.
        if let Some(before) = last.checked_sub(1).filter(|before| *before >= area.x)
            && let Some(cell) = buffer.cell_mut((before, y))
            && text::width(cell.symbol()) > 1
        {
            cell.set_symbol(" ");
        }
        if let Some(cell) = buffer.cell_mut((last, y)) {
            cell.set_symbol("…");
        }
    }

    /// Writes text over several rows, wrapped; the rows that it took.
    pub fn paragraph(&self, buffer: &mut Buffer, area: Rect, row: u16, role: Role, text: &str) -> u16 {
        let mut at = row;
        for line in text::clean_lines(text) {
            let left = usize::from(area.height.saturating_sub(at));
            for part in text::wrap(&line, usize::from(area.width), left) {
                self.line(buffer, area, at, &Line::styled(part.to_owned(), self.style(role)));
                at += 1;
            }
        }
        at - row
    }

    /// Writes clean text over the area's rows, wrapped; the last ends in an ellipsis where there is more.
    pub fn wrapped(&self, buffer: &mut Buffer, area: Rect, role: Role, text: &str) {
        let (width, height) = (usize::from(area.width), usize::from(area.height));
        let rows = text::wrap(text, width, height);
        let mut rest = text;
        for (at, row) in rows.iter().enumerate() {
            rest = rest.trim_start_matches(' ');
            let shown = if at + 1 == height { text::truncate(rest, width) } else { Cow::Borrowed(*row) };
            self.line(buffer, area, at as u16, &Line::styled(shown.into_owned(), self.style(role)));
            rest = rest.get(row.len()..).unwrap_or_default();
        }
    }

    /// Marks a row as selected: strongly where the keys go, weakly elsewhere.
    pub fn select(&self, buffer: &mut Buffer, area: Rect, row: u16, focused: bool) {
        if row < area.height {
            let rect = Rect { y: area.y + row, height: 1, ..area };
            let style = if focused && !self.covered {
                self.style(Role::Selection)
            } else {
                Style::new().add_modifier(Modifier::UNDERLINED)
            };
            buffer.set_style(rect, style);
        }
    }

    /// Says how a load went where there is nothing to show, or that what is shown is old. The rows that it took.
    pub fn loaded<T>(&self, buffer: &mut Buffer, area: Rect, loaded: &Loaded<T>, empty: &str, is_empty: bool) -> u16 {
        if let Some(error) = &loaded.error {
            // It leaves room for what is there: an old list, or part of one.
            let height = if loaded.value.is_some() || !is_empty { area.height.min(3) } else { area.height };
            let area = Rect { height, ..area };
            let told = match &loaded.value {
                Some(_) => format!("✖ old: {error}"),
                None if !is_empty => format!("✖ not all of it came: {error} (R: try again)"),
                None => format!("✖ {error}"),
            };
            return self.paragraph(buffer, area, 0, Role::Error, &told);
        }
        if loaded.value.is_none() && loaded.arrived > 0 {
            return 0;
        }
        if loaded.value.is_none() {
            let word = if loaded.loading { "loading …" } else { "" };
            self.line(buffer, area, 0, &Line::from(self.span(Role::Dim, word)));
            return 1;
        }
        if is_empty {
            return self.paragraph(buffer, area, 0, Role::Dim, empty);
        }
        0
    }
}

/// A title, behind the filter that hides a part of what stands below it: a long title may be cut, the filter is not.
pub fn filtered(title: impl Into<String>, filter: &str) -> String {
    let title = title.into();
    if filter.is_empty() { title } else { format!("/{filter} · {title}") }
}

/// Whether more of a line than blanks lies beyond so many columns.
fn overflows(line: &Line, columns: usize) -> bool {
    if line.spans.iter().map(|span| span.content.len()).sum::<usize>() <= columns {
        return false;
    }
    let mut blanks = 0;
    for span in line.spans.iter().rev() {
        let kept = span.content.trim_end_matches(' ');
        blanks += span.content.len() - kept.len();
        if !kept.is_empty() {
            break;
        }
    }
    line.spans.iter().map(|span| text::width(&span.content)).sum::<usize>() > columns + blanks
}

/// What two parts of a row are made of: the name, and what is said of it, each in its role.
pub type Row<'a> = (Role, &'static str, &'a str, Role, String);

impl Ui<'_> {
    /// A list of things: a glyph, the name, and what is said of it at the right.
    pub fn list<'t, T: 't>(
        &self,
        buffer: &mut Buffer,
        area: Rect,
        picker: &'t Picker<T>,
        focused: bool,
        row: impl Fn(&'t T) -> Row<'t>,
    ) {
        let width = usize::from(area.width);
        for (at, number) in picker.scroll.visible(usize::from(area.height), picker.len()).enumerate() {
            let Some(item) = picker.get(number) else { continue };
            let (role, glyph, name, said_role, said) = row(item);
            let (name, said) = (text::clean(name), text::clean(&said));
            let room = width.saturating_sub(3);
            // The name comes first: it may take three quarters of the room, but of a state's one word nothing is cut.
            let word = !said.contains(' ') && text::width(&said) <= room / 2;
            let least = if word { 0 } else { text::width(&name).min(room * 3 / 4) };
            let said = text::truncate(&said, room.saturating_sub(least + 1)).into_owned();
            let name = text::truncate_middle(&name, room.saturating_sub(text::width(&said) + 1));
            let gap = room.saturating_sub(text::width(&name) + text::width(&said));
            let line = Line::from(vec![
                Span::raw(" "),
                self.span(role, glyph),
                Span::raw(" "),
                self.span(Role::Text, name.as_ref()),
                Span::raw(" ".repeat(gap)),
                self.span(said_role, said),
            ]);
            self.line(buffer, area, at as u16, &line);
            if number == picker.scroll.selected() {
                self.select(buffer, area, at as u16, focused);
            }
        }
    }
}

/// A column of a table.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    /// Its title.
    pub title: &'static str,
    /// Its width in columns; 0: what is left, shared with the others of 0.
    pub width: u16,
    /// Whether it is aligned to the right.
    pub right: bool,
}

/// A left-aligned column.
pub const fn left(title: &'static str, width: u16) -> Column {
    Column { title, width, right: false }
}

/// A right-aligned column.
pub const fn right(title: &'static str, width: u16) -> Column {
    Column { title, width, right: true }
}

/// The area without its first rows.
pub fn below(area: Rect, rows: u16) -> Rect {
    let rows = rows.min(area.height);
    Rect { y: area.y + rows, height: area.height - rows, ..area }
}

/// A cell of a table.
pub type Cell = (Role, String);

impl Ui<'_> {
    /// A table of which the rows in `visible` are made and drawn, below a row of titles.
    pub fn table(
        &self,
        buffer: &mut Buffer,
        area: Rect,
        columns: &[Column],
        visible: std::ops::Range<usize>,
        selected: Option<(usize, bool)>,
        row: impl Fn(usize) -> Vec<Cell>,
    ) {
        let fixed: u16 = columns.iter().map(|c| c.width + 2).sum::<u16>().saturating_sub(2);
        let open = columns.iter().filter(|c| c.width == 0).count().max(1) as u16;
        let rest = area.width.saturating_sub(fixed) / open;
        let widths: Vec<usize> =
            columns.iter().map(|c| usize::from(if c.width == 0 { rest } else { c.width })).collect();
        let render = |cells: &[Cell]| {
            let mut spans = Vec::with_capacity(cells.len() * 2);
            for ((column, width), (role, value)) in columns.iter().zip(&widths).zip(cells) {
                let value = text::clean(value);
                let fitted = text::fit(&value, *width);
                let fitted = if column.right {
                    let trimmed = fitted.trim_end();
                    format!("{}{trimmed}", " ".repeat(width.saturating_sub(text::width(trimmed))))
                } else {
                    fitted
                };
                spans.push(Span::styled(fitted, self.style(*role)));
                spans.push(Span::raw("  "));
            }
            Line::from(spans)
        };
        let titles: Vec<Cell> = columns.iter().map(|c| (Role::Dim, c.title.to_owned())).collect();
        self.line(buffer, area, 0, &render(&titles));
        for (at, number) in visible.enumerate() {
            let at = at as u16 + 1;
            self.line(buffer, area, at, &render(&row(number)));
            if let Some((wanted, focused)) = selected
                && wanted == number
            {
                self.select(buffer, area, at, focused);
            }
        }
    }
}
