//! Rows and columns of values that scroll both ways. Only the rows that are seen are laid out.

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    text::{Line, Span},
};

use super::list::Scroll;
use crate::{
    text,
    tui::{theme::Role, ui::Ui},
};

/// Rows that the widths of the columns are measured from.
const MEASURED: usize = 200;
/// The widest that a column is drawn.
const WIDEST: usize = 48;

/// A table of clean text.
#[derive(Debug, Clone, Default)]
pub struct Grid {
    /// The columns' names.
    pub columns: Vec<String>,
    /// The rows; none is a NULL.
    pub rows: Vec<Vec<Option<String>>>,
    widths: Vec<usize>,
    /// Which columns hold numbers, as far as was measured.
    numeric: Vec<bool>,
}

impl Grid {
    /// Measures the columns.
    pub fn new(columns: Vec<String>, rows: Vec<Vec<Option<String>>>) -> Self {
        let measure = |at: usize, name: &String| {
            let cells = rows.iter().take(MEASURED).filter_map(|row| row.get(at));
            cells
                .map(|cell| cell.as_deref().map_or(4, text::width))
                .max()
                .unwrap_or(0)
                .max(text::width(name))
                .min(WIDEST)
        };
        let widths = columns.iter().enumerate().map(|(at, name)| measure(at, name)).collect();
        let numeric = (0..columns.len())
            .map(|at| {
                let mut cells = rows.iter().take(MEASURED).filter_map(|row| row.get(at)?.as_deref()).peekable();
                cells.peek().is_some() && cells.all(|cell| cell.parse::<f64>().is_ok())
            })
            .collect();
        Self { columns, rows, widths, numeric }
    }

    /// One row as lines, a column each.
    pub fn record(&self, row: usize) -> Vec<String> {
        let longest = self.columns.iter().map(|c| text::width(c)).max().unwrap_or(0);
        let cells = self.rows.get(row).map(Vec::as_slice).unwrap_or_default();
        let line = |(name, cell): (&String, &Option<String>)| {
            format!("{}  {}", text::fit(name, longest), cell.as_deref().unwrap_or("NULL"))
        };
        self.columns.iter().zip(cells).map(line).collect()
    }
}

/// Draws the rows that are seen, from column `skip` on.
pub fn draw(buffer: &mut Buffer, area: Rect, ui: &Ui, grid: &Grid, scroll: &Scroll, skip: usize, focused: bool) {
    let row = |cells: &dyn Fn(usize) -> (Role, String)| {
        let (mut spans, mut used) = (Vec::new(), 0);
        for at in skip..grid.columns.len() {
            if used >= usize::from(area.width) {
                break;
            }
            let width = grid.widths.get(at).copied().unwrap_or(0);
            let (role, value) = cells(at);
            let value = if grid.numeric.get(at) == Some(&true) {
                let cut = text::truncate(&value, width);
                format!("{}{cut}", " ".repeat(width.saturating_sub(text::width(&cut))))
            } else {
                text::fit(&value, width)
            };
            used += width + 2;
            spans.push(ui.span(role, value));
            spans.push(Span::raw("  "));
        }
        Line::from(spans)
    };
    let titles = row(&|at| (Role::Key, grid.columns.get(at).cloned().unwrap_or_default()));
    ui.line(buffer, area, 0, &titles);
    let visible = scroll.visible(usize::from(area.height.saturating_sub(1)), grid.rows.len());
    for (y, number) in visible.enumerate() {
        let cells = grid.rows.get(number).map(Vec::as_slice).unwrap_or_default();
        let line = row(&|at| match cells.get(at) {
            Some(Some(value)) => (Role::Text, value.clone()),
            Some(None) => (Role::Dim, "NULL".into()),
            None => (Role::Dim, String::new()),
        });
        let y = y as u16 + 1;
        ui.line(buffer, area, y, &line);
        if number == scroll.selected() {
            ui.select(buffer, area, y, focused);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_what_they_hold() {
        let some = |s: &str| Some(s.to_owned());
        let grid = Grid::new(
            vec!["base".into(), "amount".into()],
            vec![vec![some("BTC"), some("60000.5")], vec![None, some("1")], vec![some(&"x".repeat(99)), some("2")]],
        );
        assert_eq!(grid.widths, [48, 7]);
        assert_eq!(grid.numeric, [false, true]);
        assert_eq!(grid.record(1), ["base    NULL", "amount  1"]);
        assert!(grid.record(9).is_empty());
    }
}
