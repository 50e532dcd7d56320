//! The runs of a job: all about one, and how they are drawn.

use ratatui::{Frame, buffer::Buffer, layout::Rect, text::Line};

use super::{super::Cx, JobsPane};
use crate::{
    backend::{Prices, prices::usd},
    cloud::jobs::{Bookmark, JobRun, JobRunState},
    text,
    tui::{
        data::{bytes, count, duration, moment, number},
        glyphs,
        theme::Role,
        ui::{Ui, below, filtered, left, right},
    },
};

/// How a run's state looks.
pub(super) fn state(state: JobRunState) -> (&'static str, Role) {
    match state {
        JobRunState::Waiting | JobRunState::Starting | JobRunState::Stopping => (glyphs::WAITING, Role::Running),
        JobRunState::Running => (glyphs::RUNNING, Role::Running),
        JobRunState::Stopped => (glyphs::STOPPED, Role::Warn),
        JobRunState::Succeeded => (glyphs::OK, Role::Ok),
        JobRunState::Failed | JobRunState::Error | JobRunState::Timeout | JobRunState::Expired => {
            (glyphs::FAILED, Role::Error)
        }
    }
}

/// What a run was given and used, and what it cost, about.
fn used(run: &JobRun, prices: Prices) -> Vec<String> {
    let capacity = &run.capacity;
    let mut lines = Vec::new();
    let mut say = |what: &str, value: Option<String>| lines.extend(value.map(|value| format!("{what:<12} {value}")));
    say("Glue", capacity.glue_version.clone());
    let workers = capacity.workers.map(|n| format!("{n} x {}", capacity.worker_type.as_deref().unwrap_or("?")));
    say("workers", workers);
    say("DPUs", capacity.max_dpu.map(number));
    say("worked", run.execution_seconds.map(|s| duration(s as i64 * 1_000)));
    say("DPU seconds", run.dpu_seconds.map(number));
    say("cost", prices.run(run).map(usd));
    say("log group", run.log_group.clone());
    say("errors in", run.error_log_group.clone());
    for (name, value) in &run.arguments {
        lines.push(format!("argument     {name} {value}"));
    }
    lines
}

pub(super) fn failed(run: &JobRun) -> bool {
    run.state.is_failure()
}

fn took(run: &JobRun, now: jiff::Timestamp) -> String {
    let end = run.ended.unwrap_or(now);
    duration(end.as_millisecond() - run.started.as_millisecond())
}

/// Why the selected run or crawl failed, below the rows: their column has no room for it. The area that is left.
pub(super) fn draw_error(buffer: &mut Buffer, area: Rect, ui: &Ui, error: Option<&str>) -> Rect {
    let Some(error) = error.filter(|_| area.height >= 6) else { return area };
    let error = text::clean_lines(error).collect::<Vec<_>>().join(" ");
    let error = format!("{} {error}", glyphs::FAILED);
    let rows = text::wrap(&error, usize::from(area.width), usize::from(area.height / 4).max(2)).len() as u16;
    let height = area.height - rows;
    ui.wrapped(buffer, Rect { y: area.y + height, height: rows, ..area }, Role::Error, &error);
    Rect { height, ..area }
}

impl JobsPane {
    pub(super) fn details(run: &JobRun, cx: &mut Cx) {
        let rows = |n: Option<u64>| n.map_or_else(|| "not known".into(), count);
        let mut lines = vec![
            format!("state        {}", run.state.word()),
            format!("job          {}", run.job),
            format!("started      {}  by {}", run.started, run.trigger),
            format!("ended        {}", run.ended.map_or_else(|| "not yet".into(), |t| t.to_string())),
            format!("took         {}", took(run, cx.now)),
        ];
        if cx.session.cloud == "local" {
            lines.push(format!("files read   {}", rows(run.files_in)));
            lines.push(format!("bytes read   {}", run.bytes_in.map_or_else(|| "not known".into(), bytes)));
            lines.push(format!("rows read    {}", rows(run.rows_in)));
            lines.push(format!("rows written {}", rows(run.rows_out)));
        } else {
            lines.extend(used(run, cx.session.prices));
        }
        lines.push(format!("log stream   {}", run.log_stream));
        if let Some(error) = &run.error {
            lines.push(String::new());
            lines.push(error.clone());
        }
        cx.show(format!("Run {}", run.id), lines);
    }

    pub(super) fn draw_runs(&self, frame: &mut Frame, area: Rect, ui: &Ui) {
        let title = if self.job.is_empty() { "Runs".into() } else { format!("Runs of {}", self.job) };
        let inner = ui.frame(frame, area, &filtered(title, &self.filter), self.focus == 1);
        let buffer = frame.buffer_mut();
        let mut row = 0;
        if let Some(job) = self.jobs.selected() {
            let schedule = job.schedule.as_deref().unwrap_or("no schedule");
            let next = job.next_run.map(|t| format!(" · next {}", moment(t, ui.now))).unwrap_or_default();
            let bookmark = match self.runs.value.as_ref().and_then(|(_, b)| b.as_ref()) {
                _ if !job.bookmark => "reads everything".to_owned(),
                Some(Bookmark { updated: Some(time), .. }) => format!("bookmark of {}", moment(*time, ui.now)),
                Some(_) => "bookmark not set".to_owned(),
                None => "keeps a bookmark".to_owned(),
            };
            ui.line(buffer, inner, 0, &Line::from(ui.span(Role::Dim, format!("{schedule}{next} · {bookmark}"))));
            row = 1;
        }
        let inner = below(inner, row);
        let runs = self.shown();
        let empty = if self.filter.is_empty() { "no runs yet: r starts one" } else { "no run fits the filter" };
        let used = ui.loaded(buffer, inner, &self.runs, empty, runs.is_empty());
        let inner = below(inner, used);
        if runs.is_empty() {
            return;
        }
        let inner = draw_error(buffer, inner, ui, self.selected_run().and_then(|run| run.error.as_deref()));
        // AWS counts no rows, but what it bills.
        let billed = runs.iter().any(|run| self.prices.run(run).is_some());
        let counted = if billed { ["DPU s", "cost"] } else { ["rows in", "rows out"] };
        let columns = [
            left("  state", 11),
            left("started", 16),
            right("took", 10),
            right(counted[0], 9),
            right(counted[1], 9),
            left("by or error", 0),
        ];
        let visible = self.scroll.visible(usize::from(inner.height.saturating_sub(1)), runs.len());
        let selected = Some((self.scroll.selected(), self.focus == 1));
        ui.table(buffer, inner, &columns, visible, selected, |n| {
            let Some(run) = runs.get(n) else { return Vec::new() };
            let (glyph, role) = state(run.state);
            let rows = |n: Option<u64>| (Role::Text, n.map(count).unwrap_or_default());
            let said = match &run.error {
                Some(error) => (Role::Error, error.lines().next().unwrap_or_default().to_owned()),
                None => (Role::Dim, run.trigger.clone()),
            };
            vec![
                (role, format!("{glyph} {}", run.state.word())),
                (Role::Text, moment(run.started, ui.now)),
                (Role::Text, took(run, ui.now)),
                if billed { (Role::Text, run.dpu_seconds.map(number).unwrap_or_default()) } else { rows(run.rows_in) },
                if billed {
                    (Role::Text, self.prices.run(run).map(usd).unwrap_or_default())
                } else {
                    rows(run.rows_out)
                },
                said,
            ]
        });
    }
}
