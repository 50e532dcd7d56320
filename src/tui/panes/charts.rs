//! A dashboard's charts, over a range of days that keys change.

use std::fmt::Write as _;

use jiff::{Timestamp, ToSpan, civil::Date, tz::TimeZone};
use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    text::Line,
};

use crate::{
    backend::dashboards::{self, Drawn},
    text,
    tui::{
        data::{Data, Loaded, Request, number},
        glyphs,
        keymap::Action,
        theme::Role,
        ui::{Ui, below},
        widgets::sparkline,
    },
};

use super::Cx;

/// Days of the narrowest range.
const FEWEST: i32 = 2;
/// The least height of a chart with its title.
const HEIGHT: u16 = 4;

/// The charts of one dashboard.
pub struct Charts {
    /// The dashboard's name.
    pub dashboard: String,
    drawn: Loaded<Vec<Drawn>>,
    /// The first chart that is seen.
    at: usize,
    /// The range that was chosen, the same for all charts: the first and the last day; none: each shows all of its own days.
    range: Option<(Date, Date)>,
}

impl Charts {
    /// Those of a dashboard, which is asked for.
    pub fn open(dashboard: String, cx: &mut Cx) -> Self {
        let mut charts = Self { dashboard, drawn: Loaded::default(), at: 0, range: None };
        charts.refresh(cx);
        charts
    }

    /// Asks for them again.
    pub fn refresh(&mut self, cx: &mut Cx) {
        self.drawn.ask();
        cx.load(Request::Dashboard(self.dashboard.clone()));
    }

    /// They came.
    pub fn loaded(&mut self, result: Result<Data, String>) {
        match result {
            Ok(Data::Dashboard(drawn)) => self.drawn.answer(Ok(drawn)),
            Ok(_) => {}
            Err(error) => self.drawn.answer(Err(error)),
        }
    }

    /// A key; whether it was used.
    pub fn action(&mut self, action: Action) -> bool {
        let last = self.drawn.value.as_ref().map_or(0, |d| d.len().saturating_sub(1));
        match action {
            Action::Up => self.at = self.at.saturating_sub(1),
            Action::Down => self.at = (self.at + 1).min(last),
            Action::Top => self.at = 0,
            Action::Bottom => self.at = last,
            Action::Left => self.shift(-1),
            Action::Right => self.shift(1),
            Action::Narrower => self.zoom(true),
            Action::Wider => self.zoom(false),
            Action::Whole => self.range = None,
            _ => return false,
        }
        true
    }

    fn charts(&self) -> &[Drawn] {
        self.drawn.value.as_deref().unwrap_or_default()
    }

    /// The first and the last day that anything is known of.
    fn known(&self) -> Option<(Date, Date)> {
        self.charts().iter().filter_map(own).reduce(|(first, last), (from, to)| (first.min(from), last.max(to)))
    }

    /// What a range is first chosen from: the days of the first chart that is seen and has more than one. Those of all
    /// charts together may be years in which most of them have nothing.
    fn base(&self) -> Option<(Date, Date)> {
        let mut seen = self.charts().iter().skip(self.at).chain(self.charts()).filter_map(own);
        seen.find(|(from, to)| from < to).or_else(|| self.known())
    }

    /// The range that the next one is chosen from.
    fn seen(&self) -> Option<(Date, Date)> {
        self.range.or_else(|| self.base())
    }

    /// Half a range earlier or later, as far as anything is known; over days of which nothing is.
    fn shift(&mut self, direction: i32) {
        let (Some((from, to)), Some((first, last))) = (self.seen(), self.known()) else { return };
        let step = direction * (days(from, to) / 2).max(1);
        let step = step.clamp(-days(first, from).max(0), days(to, last).max(0));
        let Some((next, end)) = plus(from, step).zip(plus(to, step)) else { return };
        let all = || self.charts().iter().flat_map(|c| &c.lines).flat_map(|l| &l.points).map(|(time, _)| day(*time));
        let length = days(from, to);
        self.range = if all().any(|day| (next..=end).contains(&day)) {
            Some((next, end))
        } else if direction > 0 {
            all().filter(|day| *day > end).min().and_then(|day| plus(day, -length).map(|from| (from, day)))
        } else {
            all().filter(|day| *day < next).max().and_then(|day| plus(day, length).map(|to| (day, to)))
        };
    }

    /// Half the range, or twice as much, about its middle; until each chart shows all of its own days again.
    fn zoom(&mut self, narrower: bool) {
        let (Some((from, to)), Some((first, last)), Some(base)) = (self.seen(), self.known(), self.base()) else {
            return;
        };
        let length = days(from, to);
        let wanted = if narrower { (length / 2).max(FEWEST) } else { length.saturating_mul(2).max(FEWEST) };
        if wanted >= days(base.0, base.1) {
            self.range = None;
            return;
        }
        let start = plus(from, (length - wanted) / 2).unwrap_or(from).max(first);
        let end = plus(start, wanted).unwrap_or(last).min(last);
        self.range = plus(end, -wanted).map(|start| (start.max(first), end));
    }

    /// Draws as many charts as there is room for.
    pub fn draw(&self, frame: &mut Frame, area: Rect, ui: &Ui) {
        let mut title = self.dashboard.clone();
        if let Some((from, to)) = self.range {
            let _ = write!(title, " · {from} to {to}");
        }
        let inner = ui.frame(frame, area, &title, true);
        let inner = Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), ..inner };
        let none = self.drawn.value.as_ref().is_none_or(Vec::is_empty);
        let used = ui.loaded(frame.buffer_mut(), inner, &self.drawn, "it has no charts", none);
        let inner = below(inner, used);
        let drawn = self.charts().get(self.at..).unwrap_or_default();
        let fitting = usize::from((inner.height / HEIGHT).max(1)).min(drawn.len());
        let areas = Layout::vertical(vec![Constraint::Fill(1); fitting]).split(inner);
        for (chart, area) in drawn.iter().zip(areas.iter()) {
            self.chart(frame, *area, ui, chart);
        }
    }

    fn chart(&self, frame: &mut Frame, area: Rect, ui: &Ui, chart: &Drawn) {
        let buffer = frame.buffer_mut();
        if let Some(error) = &chart.error {
            ui.line(buffer, area, 0, &Line::from(ui.span(Role::Title, text::clean(&chart.title).into_owned())));
            ui.wrapped(buffer, below(area, 1), Role::Error, &format!("{} {}", glyphs::FAILED, text::clean(error)));
            return;
        }
        let lines = chart.lines.len().max(1);
        let areas = Layout::vertical(vec![Constraint::Fill(1); lines]).split(area);
        for (line, area) in chart.lines.iter().zip(areas.iter()) {
            let Some((from, to)) = self.range.or_else(|| own(chart)) else {
                ui.line(buffer, *area, 0, &Line::from(ui.span(Role::Dim, format!("{}: nothing yet", chart.title))));
                continue;
            };
            let points: Vec<(Date, f64)> = line.points.iter().map(|(time, value)| (day(*time), *value)).collect();
            let within: Vec<(Date, f64)> = points.into_iter().filter(|(day, _)| (from..=to).contains(day)).collect();
            ui.line(buffer, *area, 0, &Line::from(ui.span(Role::Title, self.headline(chart, line, &within))));
            let rows = below(*area, 1);
            let columns = columns(&within, (from, to), usize::from(rows.width));
            let drawn = sparkline::chart(&columns, None, (columns.len(), usize::from(rows.height)));
            for (at, row) in drawn.iter().enumerate() {
                ui.line(buffer, rows, at as u16, &Line::from(ui.span(Role::Running, row.clone())));
            }
        }
    }

    /// What a chart says above its columns: its days where they are its own, its last value, the least and the greatest.
    fn headline(&self, chart: &Drawn, line: &dashboards::Line, points: &[(Date, f64)]) -> String {
        let mut title =
            if chart.lines.len() > 1 { format!("{} · {}", chart.title, line.name) } else { chart.title.clone() };
        let own = own(chart).filter(|_| self.range.is_none());
        match own {
            Some((from, to)) if from == to => _ = write!(title, " · {from}"),
            Some((from, to)) => _ = write!(title, " · {from} to {to}"),
            None => {}
        }
        let title = text::clean(&title).into_owned();
        let Some((last_day, last)) = points.last() else { return format!("{title}: nothing in these days") };
        let (low, high) = points.iter().fold((f64::MAX, f64::MIN), |(low, high), (_, v)| (low.min(*v), high.max(*v)));
        let on = if own.is_some_and(|(_, to)| to == *last_day) { String::new() } else { format!(" on {last_day}") };
        let among =
            if points.len() > 1 { format!(", from {} to {}", number(low), number(high)) } else { String::new() };
        format!("{title}: {}{on}{among}", number(*last))
    }
}

/// The first and the last day that is known of a chart.
fn own(chart: &Drawn) -> Option<(Date, Date)> {
    let mut days = chart.lines.iter().flat_map(|l| &l.points).map(|(time, _)| day(*time));
    let first = days.next()?;
    Some(days.fold((first, first), |(low, high), day| (low.min(day), high.max(day))))
}

/// A value for each column: the last of its days; where it has none, that of the column before.
fn columns(points: &[(Date, f64)], (from, to): (Date, Date), width: usize) -> Vec<f64> {
    let length = days(from, to) as usize + 1;
    let width = width.min(length.max(width / 2)).max(1);
    let mut columns = vec![f64::NAN; width];
    for (day, value) in points {
        let column = days(from, *day) as usize * width / length;
        if let Some(cell) = columns.get_mut(column) {
            *cell = *value;
        }
    }
    let last = points.last().map_or(0, |(day, _)| days(from, *day) as usize * width / length);
    let mut before = f64::NAN;
    for cell in columns.iter_mut().take(last) {
        if cell.is_nan() {
            *cell = before;
        }
        before = *cell;
    }
    columns
}

fn day(time: Timestamp) -> Date {
    time.to_zoned(TimeZone::UTC).date()
}

/// Days from one to another.
fn days(from: Date, to: Date) -> i32 {
    from.until(to).map_or(0, |span| span.get_days())
}

fn plus(date: Date, days: i32) -> Option<Date> {
    date.checked_add(days.days()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(day: i8) -> Date {
        jiff::civil::date(2020, 1, day)
    }

    fn charts() -> Charts {
        let points = (1..=31).map(|n| (format!("2020-01-{n:02}T00:00:00Z").parse().unwrap(), f64::from(n))).collect();
        let lines = vec![dashboards::Line { name: "cases".into(), points }];
        let drawn = vec![Drawn { title: "Cases".into(), lines, error: None }];
        let mut drawn_at = Loaded::default();
        drawn_at.answer(Ok(drawn));
        Charts { dashboard: "d".into(), drawn: drawn_at, at: 0, range: None }
    }

    #[test]
    fn the_range_goes_where_the_keys_say_and_not_beyond_what_is_known() {
        let mut charts = charts();
        assert_eq!(charts.seen(), Some((date(1), date(31))));
        charts.action(Action::Narrower);
        assert_eq!(charts.seen(), Some((date(8), date(23))));
        charts.action(Action::Left);
        assert_eq!(charts.seen(), Some((date(1), date(16))));
        charts.action(Action::Left);
        assert_eq!(charts.seen(), Some((date(1), date(16))));
        for _ in 0..9 {
            charts.action(Action::Right);
        }
        assert_eq!(charts.seen(), Some((date(16), date(31))));
        for _ in 0..9 {
            charts.action(Action::Narrower);
        }
        let (from, to) = charts.seen().unwrap();
        assert_eq!(days(from, to), FEWEST);
        charts.action(Action::Wider);
        let (from, to) = charts.seen().unwrap();
        assert_eq!(days(from, to), 2 * FEWEST);
        charts.action(Action::Whole);
        assert_eq!(charts.seen(), Some((date(1), date(31))));
    }

    #[test]
    fn each_chart_has_its_own_days_until_a_range_is_chosen_from_those_of_the_first_that_has_some() {
        let mut charts = charts();
        let points = vec![("2026-11-20T00:00:00Z".parse().unwrap(), 1.0)];
        let newest = Drawn {
            title: "The newest day".into(),
            lines: vec![dashboards::Line { name: "n".into(), points }],
            error: None,
        };
        let today = jiff::civil::date(2026, 11, 20);
        assert_eq!(own(&newest), Some((today, today)));
        charts.drawn.value.as_mut().unwrap().insert(0, newest);
        charts.action(Action::Wider);
        assert_eq!(charts.range, None);
        charts.action(Action::Narrower);
        assert_eq!(charts.range, Some((date(8), date(23))));
        charts.action(Action::Right);
        charts.action(Action::Right);
        // Beyond the last of January, six years of nothing are stepped over; and back.
        let (from, to) = charts.range.unwrap();
        assert!(to > date(31) && from <= date(31), "{from} {to}");
        for _ in 0..5 {
            charts.action(Action::Right);
        }
        assert_eq!(charts.range.unwrap().1, today);
        charts.action(Action::Left);
        assert!(charts.range.unwrap().0 <= date(31), "{:?}", charts.range);
        charts.action(Action::Wider);
        assert_eq!(charts.range, None);
    }

    #[test]
    fn each_column_has_the_last_of_its_days() {
        let points: Vec<(Date, f64)> = (1..=4).map(|n| (date(n), f64::from(n))).collect();
        assert_eq!(columns(&points, (date(1), date(4)), 2), [2.0, 4.0]);
        assert_eq!(columns(&points, (date(1), date(4)), 4), [1.0, 2.0, 3.0, 4.0]);
        let gap = [(date(1), 1.0), (date(4), 4.0)];
        assert_eq!(columns(&gap, (date(1), date(4)), 4), [1.0, 1.0, 1.0, 4.0]);
        assert!(columns(&[], (date(1), date(4)), 4).iter().all(|v| v.is_nan()));
    }
}
