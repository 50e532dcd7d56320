//! What happened when, in rows over one axis of time.

use std::ops::Range;

use jiff::Timestamp;
use ratatui::{Frame, layout::Rect, text::Line};

use crate::{
    text,
    tui::{theme::Role, ui::Ui},
};

/// Columns for the rows' names.
const LABEL: u16 = 9;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// When it began.
    pub start: Timestamp,
    /// When it ended, for what took time.
    pub end: Option<Timestamp>,
    /// Its glyph: one column.
    pub glyph: &'static str,
    /// What it means.
    pub role: Role,
    /// What to say of it, where there is room.
    pub label: String,
}

/// A span of time that ends now: the last hour, or less where all that happened is younger; where nothing happened in the
/// last hour, so much that the newest is seen, up to a day. A round number of minutes.
pub fn span(events: impl Iterator<Item = Timestamp>, now: Timestamp) -> Range<i64> {
    const HOUR: i64 = 3_600;
    const MINUTES: [i64; 8] = [5, 15, 30, 60, 180, 360, 720, 1440];
    let now = now.as_second();
    let ages: Vec<i64> = events.map(|t| now - t.as_second()).filter(|age| (0..24 * HOUR).contains(age)).collect();
    let (newest, oldest) = (ages.iter().min().copied().unwrap_or(0), ages.iter().max().copied().unwrap_or(0));
    let wanted = oldest.min(HOUR.max(newest));
    let minutes = MINUTES.iter().find(|m| *m * 60 >= wanted).copied().unwrap_or(1440);
    now - minutes * 60..now
}

/// Draws rows of events over one axis.
pub fn draw(frame: &mut Frame, area: Rect, ui: &Ui, span: &Range<i64>, rows: &[(&str, Vec<Event>)]) {
    let width = area.width.saturating_sub(LABEL);
    let seconds = (span.end - span.start).max(1);
    if width < 10 || area.height == 0 {
        return;
    }
    let column = |time: i64| {
        let share = (time - span.start).clamp(0, seconds) as f64 / seconds as f64;
        (share * f64::from(width - 1)).round() as u16
    };
    let buffer = frame.buffer_mut();
    // Four marks of time, at round distances.
    let step = seconds / 4;
    for mark in 0..=4 {
        let time = span.start + mark * step;
        let Ok(stamp) = Timestamp::from_second(time) else { continue };
        let label = stamp.strftime("%H:%M").to_string();
        let at = column(time).min(width.saturating_sub(5));
        buffer.set_stringn(area.x + LABEL + at, area.y, label, 5, ui.style(Role::Dim));
    }
    for (row, (name, events)) in rows.iter().enumerate() {
        let y = row as u16 + 1;
        if y >= area.height {
            break;
        }
        ui.line(buffer, area, y, &Line::from(ui.span(Role::Dim, *name)));
        let mut seen: Vec<_> = events.iter().filter(|e| e.start.as_second() >= span.start).collect();
        seen.sort_by_key(|e| e.start);
        for (at, event) in seen.iter().enumerate() {
            let from = column(event.start.as_second());
            let to = event.end.map_or(from, |end| column(end.as_second()).max(from));
            for x in from..=to {
                buffer.set_string(area.x + LABEL + x, area.y + y, event.glyph, ui.style(event.role));
            }
            let next = seen.get(at + 1).map_or(width, |next| column(next.start.as_second()));
            let room = usize::from(next.saturating_sub(to + 3));
            let label = text::clean(&event.label);
            if room >= 8 || (room > 0 && text::width(&label) <= room) {
                let label = text::truncate(&label, room);
                buffer.set_string(area.x + LABEL + to + 2, area.y + y, label, ui.style(event.role));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_span_holds_what_happened() {
        let now = Timestamp::from_second(1_000_000).unwrap();
        let ago = |s: i64| Timestamp::from_second(1_000_000 - s).unwrap();
        assert_eq!(span([ago(10)].into_iter(), now), 999_700..1_000_000);
        assert_eq!(span([ago(1000), ago(10)].into_iter(), now), 998_200..1_000_000);
        // Of more than an hour, the last one is shown, unless nothing happened in it.
        assert_eq!(span([ago(50_000), ago(10)].into_iter(), now), 996_400..1_000_000);
        assert_eq!(span([ago(50_000), ago(7_300)].into_iter(), now), 989_200..1_000_000);
        // What is older than a day does not count.
        assert_eq!(span([ago(900_000)].into_iter(), now), 999_700..1_000_000);
    }
}
