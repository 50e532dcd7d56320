//! 3 Jobs: the jobs, their runs, and their bookmarks.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use ratatui::{
    Frame,
    buffer::Buffer,
    layout::{Constraint, Layout, Rect},
    text::Line,
};

use super::{Cx, Intent, Pane, turn};
use crate::{
    backend::{Prices, prices::usd},
    cloud::jobs::{Bookmark, Job, JobRun, JobRunState},
    text,
    tui::{
        data::{self, Act, Data, Loaded, Request, Target, bytes, count, duration, moment, number, plural},
        glyphs,
        keymap::{Action, Context},
        theme::Role,
        ui::{Ui, below, left, right},
        widgets::list::{Picker, Scroll},
    },
};

/// The jobs, and the runs of one.
pub struct JobsPane {
    jobs: Picker<Job>,
    list: Loaded<()>,
    runs: Loaded<(Vec<JobRun>, Option<Bookmark>)>,
    /// The newest runs of jobs whose list does not tell them, and when they were asked for.
    last: HashMap<String, (Option<JobRun>, Timestamp)>,
    asking: Vec<String>,
    prices: Prices,
    /// The job that `runs` are of, or will be.
    job: String,
    scroll: Scroll,
    focus: usize,
    /// Text that a run's error or state must hold.
    filter: String,
    /// What to select once the runs are there.
    wanted: Option<Wanted>,
    /// Whether the job was jumped to before the list was there, which has to tell whether there is one.
    jumped: bool,
}

/// A run that was jumped to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Newest,
    NewestFailed,
}

impl Default for JobsPane {
    fn default() -> Self {
        Self {
            jobs: Picker::new(|j| &j.name),
            list: Loaded::default(),
            runs: Loaded::default(),
            last: HashMap::new(),
            asking: Vec::new(),
            prices: Prices::default(),
            job: String::new(),
            scroll: Scroll::default(),
            focus: 0,
            filter: String::new(),
            wanted: None,
            jumped: false,
        }
    }
}

/// How a run's state looks.
pub fn state(state: JobRunState) -> (&'static str, Role) {
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

fn failed(run: &JobRun) -> bool {
    run.state.is_failure()
}

fn took(run: &JobRun, now: jiff::Timestamp) -> String {
    let end = run.ended.unwrap_or(now);
    duration(end.as_millisecond() - run.started.as_millisecond())
}

/// How long the newest run of a job counts as known: of one that is over, and of one that goes on.
const FRESH: SignedDuration = SignedDuration::from_secs(60);
const FRESH_RUNNING: SignedDuration = SignedDuration::from_secs(10);

impl JobsPane {
    /// The newest run of a job; none where it never ran, or that is not known yet.
    fn last_run<'a>(&'a self, job: &'a Job) -> Option<&'a JobRun> {
        job.last_run.as_ref().or_else(|| self.last.get(&job.name)?.0.as_ref())
    }

    /// Asks for the newest runs of the jobs that are seen, where the list does not tell them: each is a call of its own.
    fn look_at_last(&mut self, cx: &mut Cx) {
        if !self.asking.is_empty() {
            return;
        }
        let fresh = |job: &Job| {
            let Some((run, asked)) = self.last.get(&job.name) else { return false };
            let goes_on = run.as_ref().is_some_and(|run| !run.state.is_final());
            cx.now.duration_since(*asked) < if goes_on { FRESH_RUNNING } else { FRESH }
        };
        let seen = self.jobs.scroll.seen(self.jobs.len()).filter_map(|row| self.jobs.get(row));
        let asking: Vec<_> =
            seen.filter(|job| job.last_run.is_none() && !fresh(job)).map(|job| job.name.clone()).collect();
        if !asking.is_empty() {
            self.asking.clone_from(&asking);
            cx.load(Request::LastRuns(asking));
        }
    }

    fn look(&mut self, again: bool, cx: &mut Cx) {
        if let Some(name) = self.jobs.selected().map(|j| j.name.clone()) {
            self.look_at(name, again, cx);
        }
    }

    fn look_at(&mut self, name: String, again: bool, cx: &mut Cx) {
        if self.job != name {
            self.job.clone_from(&name);
            self.runs.clear();
            self.scroll.select(0);
        } else if !again {
            return;
        }
        self.runs.ask();
        cx.load(Request::Runs(name));
    }

    /// The runs that fit the filter.
    fn shown(&self) -> Vec<&JobRun> {
        let all = self.runs.value.as_ref().map(|(runs, _)| runs.as_slice()).unwrap_or_default();
        let wanted = self.filter.to_lowercase();
        let fits = |run: &&JobRun| {
            wanted.is_empty()
                || run.state.word().to_lowercase().contains(&wanted)
                || run.id.contains(&wanted)
                || run.error.as_deref().is_some_and(|e| e.to_lowercase().contains(&wanted))
        };
        all.iter().filter(fits).collect()
    }

    fn selected_run(&self) -> Option<&JobRun> {
        self.shown().get(self.scroll.selected()).copied()
    }

    /// Where a run's lines are: the group of its errors where it failed, and its stream.
    fn run_log(&self, job: &Job, cloud: &str) -> Option<Target> {
        let run = self.selected_run().filter(|_| self.focus == 1)?;
        let error = failed(run);
        let of_run = run.error_log_group.as_ref().filter(|_| error).or(run.log_group.as_ref());
        let of_job = job.error_log_group.as_ref().filter(|_| error).unwrap_or(&job.log_group);
        // AWS Glue has a stream for the driver and one for each worker: their names begin with the run's.
        let stream = if cloud == "local" { run.log_stream.clone() } else { format!("{}*", run.log_stream) };
        Some(Target::RunLog { group: of_run.unwrap_or(of_job).clone(), stream, error })
    }

    fn details(run: &JobRun, cx: &mut Cx) {
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

    fn run_action(&mut self, action: Action, cx: &mut Cx) -> bool {
        match action {
            Action::Enter => {
                if let Some(run) = self.selected_run() {
                    Self::details(run, cx);
                }
            }
            Action::Back if self.filter.is_empty() => self.focus = 0,
            _ => {
                let len = self.shown().len();
                return self.scroll.action(action, len);
            }
        }
        true
    }

    fn stop(&self, cx: &mut Cx) {
        let going = |run: &&JobRun| !run.state.is_final();
        let chosen = if self.focus == 1 { self.selected_run().filter(going) } else { None };
        let newest = || self.shown().into_iter().find(going);
        match chosen.or_else(newest) {
            Some(run) => cx.act(Act::StopRun { job: run.job.clone(), run: run.id.clone() }),
            None => cx.tell("no run is at work"),
        }
    }

    fn go_to_error(&mut self, cx: &mut Cx) {
        let shown = self.shown();
        let from = if self.focus == 1 { self.scroll.selected() + 1 } else { 0 };
        let next = shown.iter().skip(from).position(|run| failed(run)).map(|at| at + from);
        if let Some(at) = next.or_else(|| shown.iter().position(|run| failed(run))) {
            self.scroll.select(at);
            self.focus = 1;
            return;
        }
        if !self.filter.is_empty() {
            cx.tell("none of the runs that fit the filter failed");
            return;
        }
        let other = self.jobs.items().iter().find(|job| self.last_run(job).is_some_and(failed));
        match other.map(|j| j.name.clone()) {
            Some(name) => {
                self.jobs.select(&name);
                self.look(false, cx);
            }
            None => cx.tell("no run failed"),
        }
    }

    /// Why the selected run failed, below the runs: their column has no room for it. The area that is left.
    fn draw_error(&self, buffer: &mut Buffer, area: Rect, ui: &Ui) -> Rect {
        let Some(error) = self.selected_run().and_then(|run| run.error.as_deref()) else { return area };
        if area.height < 6 {
            return area;
        }
        let error = text::clean_lines(error).collect::<Vec<_>>().join(" ");
        let error = format!("{} {error}", glyphs::FAILED);
        let rows = text::wrap(&error, usize::from(area.width), usize::from(area.height / 4).max(2)).len() as u16;
        let height = area.height - rows;
        ui.wrapped(buffer, Rect { y: area.y + height, height: rows, ..area }, Role::Error, &error);
        Rect { height, ..area }
    }

    fn draw_runs(&self, frame: &mut Frame, area: Rect, ui: &Ui) {
        let mut title = if self.job.is_empty() { "Runs".into() } else { format!("Runs of {}", self.job) };
        if !self.filter.is_empty() {
            title = format!("{title} · /{}", self.filter);
        }
        let inner = ui.frame(frame, area, &title, self.focus == 1);
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
        let inner = self.draw_error(buffer, inner, ui);
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

impl Pane for JobsPane {
    fn number(&self) -> u8 {
        3
    }

    fn title(&self) -> &'static str {
        "Jobs"
    }

    fn context(&self) -> Context {
        Context::Jobs
    }

    fn refresh(&mut self, cx: &mut Cx) {
        self.prices = cx.session.prices;
        self.list.ask();
        cx.load(Request::Jobs);
        self.look(true, cx);
        // What was asked for and never came is asked for again.
        self.asking.clear();
        self.look_at_last(cx);
    }

    fn arrived(&mut self, request: &Request, part: Data, cx: &mut Cx) {
        if let (Request::Jobs, Data::Jobs(jobs)) = (request, part)
            && self.list.arrive(jobs.len())
        {
            self.jobs.merge(jobs);
            // One that was jumped to may come with a later part.
            if !self.jumped {
                self.look(false, cx);
            }
            self.look_at_last(cx);
        }
    }

    fn loaded(&mut self, request: &Request, result: Result<Data, String>, cx: &mut Cx) {
        match (request, result) {
            (Request::Jobs, Ok(Data::Jobs(jobs))) => {
                self.jobs.set(jobs);
                self.list.answer(Ok(()));
                // A job that was jumped to before the list was there.
                if !self.jobs.select(&self.job) && std::mem::take(&mut self.jumped) {
                    cx.intents.push(Intent::Fail(format!("no job {}", self.job)));
                }
                self.jumped = false;
                self.look(false, cx);
                self.look_at_last(cx);
            }
            (Request::Jobs, Err(error)) => self.list.answer(Err(error)),
            (Request::LastRuns(asked), Ok(Data::LastRuns(mut runs))) => {
                for job in asked {
                    self.last.insert(job.clone(), (runs.remove(job), cx.now));
                }
                self.asking.clear();
                // Meanwhile others may be seen.
                self.look_at_last(cx);
            }
            (Request::LastRuns(asked), Err(error)) => {
                // They are asked for again with the next refresh.
                self.asking.clear();
                cx.tell(format!("the last runs of {} could not be read: {error}", plural(asked.len() as u64, "job")));
            }
            (Request::Runs(job), result) if *job == self.job => match result {
                Ok(Data::Runs(runs, bookmark)) => {
                    // The selection stays on its run when newer ones come.
                    let selected = self.selected_run().map(|r| r.id.clone());
                    self.runs.answer(Ok((runs, bookmark)));
                    let at = self.shown().iter().position(|r| Some(&r.id) == selected.as_ref());
                    match self.wanted.take() {
                        Some(Wanted::Newest) => self.scroll.select(0),
                        Some(Wanted::NewestFailed) => {
                            let at = self.shown().iter().position(|run| failed(run));
                            self.scroll.select(at.unwrap_or(0));
                        }
                        None if self.focus == 1 => self.scroll.select(at.unwrap_or(0)),
                        None => {}
                    }
                }
                Ok(_) => {}
                Err(error) => self.runs.answer(Err(error)),
            },
            _ => {}
        }
    }

    fn action(&mut self, action: Action, cx: &mut Cx) -> bool {
        if let Some(focus) = turn(self.focus, 2, action) {
            self.focus = focus;
            return true;
        }
        let job = self.jobs.selected().map(|j| (j.name.clone(), j.log_group.clone(), j.pipeline.clone()));
        match (action, job) {
            (Action::Run, Some((job, ..))) => cx.act(Act::StartJob(job)),
            (Action::ResetBookmark, Some((job, ..))) => cx.act(Act::ResetBookmark(job)),
            (Action::Stop, Some(_)) => self.stop(cx),
            (Action::Logs, Some((_, group, _))) => {
                let of_run = self.jobs.selected().and_then(|job| self.run_log(job, &cx.session.cloud));
                cx.go(of_run.unwrap_or(Target::LogGroup(group)));
            }
            (Action::GoToError, Some(_)) => self.go_to_error(cx),
            (Action::Deploy, Some((.., Some(pipeline)))) => cx.intents.push(Intent::Deploy(pipeline)),
            (Action::Enter | Action::Right, Some(_)) if self.focus == 0 => self.focus = 1,
            _ if self.focus == 1 => return self.run_action(action, cx),
            _ if self.jobs.action(action) => {
                self.look(false, cx);
                self.look_at_last(cx);
            }
            _ => return false,
        }
        true
    }

    fn filter(&mut self, text: &str, cx: &mut Cx) {
        if self.focus == 0 {
            self.jobs.set_filter(text);
            self.look(false, cx);
            self.look_at_last(cx);
        } else {
            text.clone_into(&mut self.filter);
            self.scroll.select(0);
        }
    }

    fn filter_text(&self) -> &str {
        if self.focus == 0 { self.jobs.filter() } else { &self.filter }
    }

    fn select(&mut self, target: &Target, cx: &mut Cx) {
        if let Target::Job(name) | Target::FailedRun(name) = target {
            self.jobs.set_filter("");
            self.filter.clear();
            let name = &data::physical(name, &cx.session.env).unwrap_or_else(|| name.clone());
            let here = self.jobs.select(name);
            self.jumped = !here && self.list.value.is_none();
            if here || self.jumped {
                self.focus = 1;
                self.look_at(name.clone(), true, cx);
                let failed = matches!(target, Target::FailedRun(_));
                self.wanted = Some(if failed { Wanted::NewestFailed } else { Wanted::Newest });
            } else {
                cx.intents.push(Intent::Fail(format!("no job {name}")));
            }
        }
    }

    fn names(&self) -> Vec<String> {
        self.jobs.items().iter().map(|j| j.name.clone()).collect()
    }

    fn draw(&self, frame: &mut Frame, area: Rect, ui: &Ui) {
        let split = if area.width >= 110 {
            Layout::horizontal([Constraint::Length(46), Constraint::Min(20)])
        } else {
            let rows = (self.jobs.len() as u16 + 2).clamp(4, area.height / 3);
            Layout::vertical([Constraint::Length(rows), Constraint::Min(6)])
        };
        let [list, runs] = split.areas(area);
        let inner = ui.frame(frame, list, &self.list.title("Jobs"), self.focus == 0);
        let buffer = frame.buffer_mut();
        let empty =
            if self.jobs.filter().is_empty() { "no jobs: a pipeline that is deployed has some" } else { "none fits" };
        let used = ui.loaded(buffer, inner, &self.list, empty, self.jobs.is_empty());
        ui.list(buffer, below(inner, used), &self.jobs, self.focus == 0, |job| match self.last_run(job) {
            Some(run) => {
                let (glyph, role) = state(run.state);
                let said = if role == Role::Error { role } else { Role::Dim };
                (role, glyph, &job.name, said, run.state.word().to_lowercase())
            }
            None if self.asking.contains(&job.name) => (Role::Idle, glyphs::NONE, &job.name, Role::Dim, "…".into()),
            None => (Role::Idle, glyphs::NONE, &job.name, Role::Dim, "never ran".into()),
        });
        self.draw_runs(frame, runs, ui);
    }
}
