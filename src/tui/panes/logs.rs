//! 4 Logs: the groups, and one of them line by line: following, filtered, searched, wrapped.

mod draw;
mod insights;
mod reading;

use std::cell::Cell;

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
};

use super::{Cx, Intent, Pane, turn};
use crate::{
    cloud::logs::{InsightsResult, LogGroup},
    tui::{
        data::{self, Data, Loaded, Request, Target},
        keymap::{Action, Context},
        ui::Ui,
        widgets::{
            lines::{Lines, Needle},
            list::Picker,
        },
    },
};

/// What marks a line as an error.
const ERRORS: [&str; 3] = ["error", "fatal", "panic"];
/// Lines that are held; the oldest are dropped.
const HELD: usize = 1_000_000;
/// Lines that are searched at once, without a task of its own.
const AT_ONCE: usize = 20_000;
/// Columns that Left and Right scroll.
const STEP: usize = 16;

/// The log groups and one group's lines.
pub struct LogsPane {
    groups: Picker<LogGroup>,
    list: Loaded<()>,
    /// The group that is read, and how that goes.
    group: Option<String>,
    reading: reading::Reading,
    read: Loaded<()>,
    lines: Lines,
    insights: Loaded<InsightsResult>,
    needle: Needle,
    /// Numbers of the lines that the filter found.
    found: Vec<u32>,
    /// Lines before this number have been searched.
    searched: usize,
    searching: bool,
    generation: u64,
    /// Whether only the lines that were found are shown.
    narrow: bool,
    /// The number of the selected line.
    cursor: usize,
    /// Position (among those shown) of the first line that is seen.
    top: Cell<usize>,
    height: Cell<usize>,
    follow: bool,
    wrap: bool,
    times: bool,
    skip: usize,
    focus: usize,
    /// Whether to go to the last error once everything is read.
    seeks_error: bool,
    /// A group to open, and a log stream of it, that was not in the list: the one that is being read will tell.
    wanted: Option<(String, Option<String>)>,
    /// When the groups were last read.
    listed: Option<jiff::Timestamp>,
}

impl Default for LogsPane {
    fn default() -> Self {
        Self {
            groups: Picker::new(|g| &g.name),
            list: Loaded::default(),
            group: None,
            reading: reading::Reading::default(),
            read: Loaded::default(),
            lines: Lines::new(HELD),
            insights: Loaded::default(),
            needle: Needle::default(),
            found: Vec::new(),
            searched: 0,
            searching: false,
            generation: 0,
            narrow: true,
            cursor: 0,
            top: Cell::new(0),
            height: Cell::new(1),
            follow: true,
            wrap: false,
            times: true,
            skip: 0,
            focus: 0,
            seeks_error: false,
            wanted: None,
            listed: None,
        }
    }
}

impl LogsPane {
    /// The group that is meant: by its own name, or by PIPELINE/NAME of what writes it.
    fn find(&self, name: &str, env: &str) -> Option<String> {
        let end = data::physical(name, env).map(|physical| format!("/{physical}"));
        let is = |group: &&LogGroup| group.name == name || end.as_ref().is_some_and(|end| group.name.ends_with(end));
        self.groups.items().iter().find(is).map(|group| group.name.clone())
    }

    fn filtering(&self) -> bool {
        !self.needle.text.is_empty()
    }

    /// Lines that are shown.
    fn len(&self) -> usize {
        if self.filtering() && self.narrow { self.found.len() } else { self.lines.len() }
    }

    /// The number of the line at a position.
    fn number(&self, at: usize) -> usize {
        if self.filtering() && self.narrow {
            self.found.get(at).map_or(usize::MAX, |n| *n as usize)
        } else {
            self.lines.numbers().start + at
        }
    }

    /// The position of the line with a number, or of the one that follows it.
    fn position(&self, number: usize) -> usize {
        if self.filtering() && self.narrow {
            self.found.partition_point(|n| (*n as usize) < number)
        } else {
            number.saturating_sub(self.lines.numbers().start)
        }
    }

    fn forget_found(&mut self) {
        self.lines.give_up_searches();
        self.found.clear();
        self.searched = self.lines.numbers().start;
        self.searching = false;
        self.generation += 1;
    }

    /// Searches the lines that have not been.
    fn search(&mut self, cx: &mut Cx) {
        let end = self.lines.numbers().end;
        if !self.filtering() || self.searching || self.searched >= end {
            return;
        }
        let snapshot = self.lines.snapshot();
        if end - self.searched <= AT_ONCE {
            let found = snapshot.search(&self.needle, self.searched);
            self.take_found(found, end);
        } else {
            self.searching = true;
            cx.intents.push(Intent::Search {
                snapshot,
                needle: self.needle.clone(),
                from: self.searched,
                generation: self.generation,
            });
        }
    }

    fn take_found(&mut self, found: Vec<u32>, upto: usize) {
        self.found.extend(found);
        self.searched = upto;
        let first = self.lines.numbers().start;
        let gone = self.found.partition_point(|n| (*n as usize) < first);
        self.found.drain(..gone);
        if self.follow {
            self.jump_to_end();
        }
    }

    fn jump_to_end(&mut self) {
        self.cursor = self.number(self.len().saturating_sub(1));
    }

    fn jump_to_match(&mut self, next: bool, cx: &mut Cx) {
        let at = self.found.partition_point(|n| (*n as usize) < self.cursor);
        let on = self.found.get(at).is_some_and(|n| *n as usize == self.cursor);
        let wanted = match (next, on) {
            (true, true) => self.found.get(at + 1),
            (true, false) => self.found.get(at),
            (false, _) => at.checked_sub(1).and_then(|at| self.found.get(at)),
        };
        // The lines around a match are what one wants to read.
        let number = wanted.map(|n| *n as usize);
        match number {
            Some(number) => {
                self.narrow = false;
                self.follow = false;
                self.cursor = number;
            }
            None => cx.tell(if self.filtering() { "no further match" } else { "nothing is searched for: / does" }),
        }
    }

    fn jump_to_error(&mut self, cx: &mut Cx) {
        let below = if self.follow { None } else { self.errors(self.cursor.saturating_add(1)).first().copied() };
        let wanted = below.or_else(|| {
            let all = self.errors(0);
            // Whoever stands on the last one begins again at the first.
            let last = all.last().filter(|last| self.follow || **last as usize != self.cursor);
            last.or(all.first()).copied()
        });
        match wanted {
            Some(number) => {
                self.narrow = false;
                self.follow = false;
                self.cursor = number as usize;
                // What led to it stands above it, what followed below.
                self.top.set(self.position(self.cursor).saturating_sub(self.height.get() / 2));
            }
            None => cx.tell("no line of this group speaks of an error"),
        }
    }

    /// Numbers of the lines that speak of an error, from one on.
    fn errors(&self, from: usize) -> Vec<u32> {
        let snapshot = self.lines.snapshot();
        let mut found: Vec<u32> = ERRORS.iter().flat_map(|word| snapshot.search(&Needle::smart(word), from)).collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    fn line_action(&mut self, action: Action, cx: &mut Cx) -> bool {
        let (at, page) = (self.position(self.cursor), self.height.get().max(2) - 1);
        let last = self.len().saturating_sub(1);
        let to = match action {
            Action::Up => at.saturating_sub(1),
            Action::Down => at + 1,
            Action::PageUp => at.saturating_sub(page),
            Action::PageDown => at + page,
            Action::Top => 0,
            Action::Bottom => {
                self.follow = true;
                last
            }
            Action::Left => {
                self.skip = self.skip.saturating_sub(STEP);
                return true;
            }
            Action::Right => {
                if !self.wrap {
                    self.skip += STEP;
                }
                return true;
            }
            Action::Enter => {
                if let Some((time, line)) = self.lines.get(self.cursor) {
                    let time =
                        jiff::Timestamp::from_millisecond(time).map_or_else(|_| String::new(), |t| t.to_string());
                    cx.show(time, vec![line]);
                }
                return true;
            }
            Action::Back => {
                if self.filtering() {
                    return false;
                }
                self.focus = 0;
                return true;
            }
            _ => return false,
        };
        if to < at {
            self.follow = false;
        }
        self.cursor = self.number(to.min(last));
        true
    }
}

impl Pane for LogsPane {
    fn number(&self) -> u8 {
        4
    }

    fn title(&self) -> &'static str {
        "Logs"
    }

    fn context(&self) -> Context {
        Context::Logs
    }

    fn refresh(&mut self, cx: &mut Cx) {
        if self.groups_are_due(cx) {
            self.list.ask();
            cx.load(Request::LogGroups);
        }
        self.read_on(cx);
    }

    fn arrived(&mut self, request: &Request, part: Data, _: &mut Cx) {
        if let (Request::LogGroups, Data::LogGroups(groups)) = (request, part)
            && self.list.arrive(groups.len())
        {
            self.groups.merge(groups);
        }
    }

    fn loaded(&mut self, request: &Request, result: Result<Data, String>, cx: &mut Cx) {
        match (request, result) {
            (Request::LogGroups, Ok(Data::LogGroups(groups))) => {
                self.groups.set(groups);
                self.list.answer(Ok(()));
                self.listed = Some(cx.now);
                if let Some((wanted, stream)) = self.wanted.take() {
                    match self.find(&wanted, &cx.session.env) {
                        Some(group) => {
                            self.groups.select(&group);
                            self.open(&group, stream, cx);
                        }
                        None => cx.intents.push(Intent::Fail(format!("no log group {wanted}"))),
                    }
                }
            }
            (Request::LogGroups, Err(error)) => {
                self.list.answer(Err(error));
                // Who may not list groups may still read one.
                if let Some((wanted, stream)) = self.wanted.take() {
                    self.open(&wanted, stream, cx);
                }
            }
            (Request::Logs { group, .. }, result) if self.group.as_ref() == Some(group) => match result {
                Ok(Data::Logs { lines, next, more, again, live }) => {
                    for (time, line) in &lines {
                        self.lines.push(*time, line);
                    }
                    self.read.answer(Ok(()));
                    self.cursor = self.cursor.max(self.lines.numbers().start);
                    if self.follow && !(self.filtering() && self.narrow) {
                        self.jump_to_end();
                    }
                    self.search(cx);
                    if !more && std::mem::take(&mut self.seeks_error) {
                        self.jump_to_error(cx);
                    }
                    self.go_on(reading::Came { next, more, again, live }, cx);
                }
                Ok(_) => {}
                Err(error) => self.read.answer(Err(error)),
            },
            (Request::Insights(query), result) => self.answered(query, result, cx),
            _ => {}
        }
    }

    fn action(&mut self, action: Action, cx: &mut Cx) -> bool {
        if let Some(focus) = turn(self.focus, 2, action) {
            self.focus = focus;
            return true;
        }
        match action {
            Action::Follow => {
                self.follow = !self.follow;
                if self.follow {
                    self.jump_to_end();
                }
            }
            Action::Wrap => {
                self.wrap = !self.wrap;
                self.skip = 0;
            }
            Action::Timestamps => self.times = !self.times,
            Action::Older => self.older(cx),
            Action::Live => self.toggle_live(cx),
            Action::Insights => self.prompt(cx),
            Action::Cancel => self.cancel_insights(cx),
            Action::NextMatch => self.jump_to_match(true, cx),
            Action::PreviousMatch => self.jump_to_match(false, cx),
            Action::GoToError => self.jump_to_error(cx),
            Action::Logs | Action::Enter if self.focus == 0 => {
                if let Some(name) = self.groups.selected().map(|g| g.name.clone()) {
                    self.open(&name, None, cx);
                }
            }
            _ if self.focus == 0 => return self.groups.action(action),
            _ => return self.line_action(action, cx),
        }
        true
    }

    fn filter(&mut self, text: &str, cx: &mut Cx) {
        if self.focus == 0 {
            self.groups.set_filter(text);
            return;
        }
        self.needle = Needle::smart(text);
        self.narrow = true;
        self.forget_found();
        self.search(cx);
        let last = self.len().saturating_sub(1);
        self.cursor = if self.follow { self.number(last) } else { self.number(self.position(self.cursor).min(last)) };
        if self.cursor == usize::MAX {
            self.cursor = self.lines.numbers().start;
        }
    }

    fn filter_text(&self) -> &str {
        if self.focus == 0 { self.groups.filter() } else { &self.needle.text }
    }

    fn searched(&mut self, generation: u64, upto: usize, found: Vec<u32>, cx: &mut Cx) {
        if generation == self.generation {
            self.searching = false;
            self.take_found(found, upto);
            self.search(cx);
        }
    }

    fn running(&self) -> bool {
        self.insights.loading
    }

    fn select(&mut self, target: &Target, cx: &mut Cx) {
        let (group, stream) = match target {
            Target::LogGroup(group) | Target::LogError(group) => (group, None),
            Target::RunLog { group, stream, error } => {
                // It may be one of very many groups: the list is not waited for.
                self.groups.set_filter("");
                self.groups.select(group);
                self.wanted = None;
                self.open(group, Some(stream.clone()), cx);
                self.follow = true;
                self.seeks_error = *error;
                return;
            }
            Target::Insights(query) => return self.ask_insights(query, cx),
            _ => return,
        };
        self.groups.set_filter("");
        match self.find(group, &cx.session.env) {
            Some(group) => {
                self.groups.select(&group);
                self.open(&group, stream, cx);
                self.wanted = None;
            }
            None => self.wanted = Some((group.clone(), stream)),
        }
        self.seeks_error = matches!(target, Target::LogError(_));
        if self.seeks_error {
            // The newest is what it is about, wherever one has read before.
            self.follow = true;
        }
    }

    fn names(&self) -> Vec<String> {
        self.groups.items().iter().map(|g| g.name.clone()).collect()
    }

    fn draw(&self, frame: &mut Frame, area: Rect, ui: &Ui) {
        // Lines want the room: where there is little, the groups have it only while they are chosen from.
        if area.width < 110 {
            if self.focus == 0 {
                self.draw_groups(frame, area, ui);
            } else {
                self.draw_lines(frame, area, ui);
            }
            return;
        }
        let [left, right] = Layout::horizontal([Constraint::Length(44), Constraint::Min(20)]).areas(area);
        self.draw_groups(frame, left, ui);
        self.draw_lines(frame, right, ui);
    }
}
