//! 3 Jobs: the jobs, their runs, and their bookmarks; crawlers and their crawls.

mod crawlers;
mod runs;

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
};

use super::{Cx, Intent, Pane, turn};
use crate::{
    backend::Prices,
    cloud::jobs::{Bookmark, Job, JobRun},
    tui::{
        data::{self, Act, Data, Loaded, Request, Target, plural},
        glyphs,
        keymap::{Action, Context},
        theme::Role,
        ui::{Ui, below, filtered},
        widgets::list::{Picker, Scroll},
    },
};
use crawlers::Crawlers;
use runs::{failed, state};

/// The jobs, and the runs of one; the crawlers, and the crawls of one.
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
    crawlers: Crawlers,
    /// 0 jobs, 1 runs, 2 crawlers, 3 crawls.
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
            crawlers: Crawlers::default(),
            focus: 0,
            filter: String::new(),
            wanted: None,
            jumped: false,
        }
    }
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

    /// A key among the jobs and the runs of one; whether it was used.
    fn job_action(&mut self, action: Action, cx: &mut Cx) -> bool {
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
            None => match self.crawlers.failed() {
                Some(name) => {
                    self.focus = 3;
                    self.crawlers.select(&name, true, cx);
                }
                None => cx.tell("no run failed"),
            },
        }
    }

    fn draw_list(&self, frame: &mut Frame, area: Rect, ui: &Ui) {
        let inner = ui.frame(frame, area, &filtered(self.list.title("Jobs"), self.jobs.filter()), self.focus == 0);
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
        self.crawlers.refresh(self.focus > 1, cx);
    }

    fn arrived(&mut self, request: &Request, part: Data, cx: &mut Cx) {
        match (request, part) {
            (Request::Jobs, Data::Jobs(jobs)) if self.list.arrive(jobs.len()) => {
                self.jobs.merge(jobs);
                // One that was jumped to may come with a later part.
                if !self.jumped {
                    self.look(false, cx);
                }
                self.look_at_last(cx);
            }
            (Request::Crawlers, Data::Crawlers(crawlers)) => self.crawlers.arrived(crawlers),
            _ => {}
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
            (Request::Crawlers | Request::Crawls(_), result) => {
                self.crawlers.loaded(request, result, self.focus > 1, cx);
                if !self.crawlers.any() && self.focus > 1 && *request == Request::Crawlers {
                    self.focus = 0;
                }
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
        if let Some(focus) = turn(self.focus, if self.crawlers.any() { 4 } else { 2 }, action) {
            self.focus = focus;
            if focus > 1 {
                self.crawlers.look(false, cx);
            }
            return true;
        }
        match (action, self.focus) {
            (Action::Enter | Action::Right, 2) => self.focus = 3,
            (Action::Back, 3) if self.crawlers.filter.is_empty() => self.focus = 2,
            (Action::Back, 2) if self.crawlers.all.filter().is_empty() => self.focus = 0,
            (_, 2 | 3) => return self.crawlers.action(action, self.focus == 3, cx),
            _ => return self.job_action(action, cx),
        }
        true
    }

    fn filter(&mut self, text: &str, cx: &mut Cx) {
        match self.focus {
            0 => {
                self.jobs.set_filter(text);
                self.look(false, cx);
                self.look_at_last(cx);
            }
            1 => {
                text.clone_into(&mut self.filter);
                self.scroll.select(0);
            }
            2 => {
                self.crawlers.all.set_filter(text);
                self.crawlers.look(false, cx);
            }
            _ => self.crawlers.set_filter(text),
        }
    }

    fn filter_text(&self) -> &str {
        match self.focus {
            0 => self.jobs.filter(),
            1 => &self.filter,
            2 => self.crawlers.all.filter(),
            _ => &self.crawlers.filter,
        }
    }

    fn select(&mut self, target: &Target, cx: &mut Cx) {
        if let Target::Crawler(name) | Target::FailedCrawl(name) = target {
            self.focus = 3;
            let name = crawlers::physical(name, cx);
            self.crawlers.select(&name, matches!(target, Target::FailedCrawl(_)), cx);
        }
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
        let (crawlers, wide) = (self.crawlers.any(), area.width >= 110);
        let rows = |len: usize| len.min(1_000) as u16 + 2;
        let split = if wide {
            Layout::horizontal([Constraint::Length(46), Constraint::Min(20)])
        } else {
            let beside = if crawlers { rows(self.crawlers.all.len()).clamp(3, (area.height / 4).max(3)) } else { 0 };
            let rows = rows(self.jobs.len()).clamp(4, (area.height / 3).max(4)) + beside;
            Layout::vertical([Constraint::Length(rows), Constraint::Min(6)])
        };
        let [mut list, runs] = split.areas(area);
        if crawlers {
            let most = if wide { list.height / 2 } else { area.height / 4 };
            let rows = rows(self.crawlers.all.len()).clamp(3, most.max(3));
            let [jobs, crawlers] = Layout::vertical([Constraint::Min(3), Constraint::Length(rows)]).areas(list);
            list = jobs;
            self.crawlers.draw_list(frame, crawlers, ui, self.focus == 2);
        }
        self.draw_list(frame, list, ui);
        if self.focus > 1 {
            self.crawlers.draw_crawls(frame, runs, ui, self.focus == 3);
        } else {
            self.draw_runs(frame, runs, ui);
        }
    }
}
