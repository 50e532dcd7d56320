//! 4 Logs: the groups, and one of them line by line: following, filtered, searched, wrapped.

use std::{cell::Cell, fmt::Write};

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    text::{Line, Span},
};

use super::{Cx, Intent, Pane, turn};
use crate::{
    cloud::logs::LogGroup,
    text,
    tui::{
        data::{self, Data, Loaded, Request, Target},
        keymap::{Action, Context},
        theme::Role,
        ui::{Ui, below},
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
    read: Loaded<()>,
    lines: Lines,
    /// Where to read on.
    after: Option<u64>,
    more: bool,
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
    /// A group to open that was not in the list: the one that is being read will tell.
    wanted: Option<String>,
}

impl Default for LogsPane {
    fn default() -> Self {
        Self {
            groups: Picker::new(|g| &g.name),
            list: Loaded::default(),
            group: None,
            read: Loaded::default(),
            lines: Lines::new(HELD),
            after: None,
            more: false,
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
        }
    }
}

impl LogsPane {
    fn open(&mut self, group: &str, cx: &mut Cx) {
        if self.group.as_deref() != Some(group) {
            self.group = Some(group.to_owned());
            self.lines = Lines::new(HELD);
            self.read.clear();
            self.after = None;
            self.more = false;
            self.cursor = 0;
            self.top.set(0);
            self.follow = true;
            self.skip = 0;
            self.forget_found();
            cx.intents.push(Intent::Cancel(Request::Logs { group: String::new(), after: None }.slot()));
            self.read_on(cx);
        }
        self.focus = 1;
    }

    /// The group that is meant: by its own name, or by PIPELINE/NAME of what writes it.
    fn find(&self, name: &str, env: &str) -> Option<String> {
        let end = data::physical(name, env).map(|physical| format!("/{physical}"));
        let is = |group: &&LogGroup| group.name == name || end.as_ref().is_some_and(|end| group.name.ends_with(end));
        self.groups.items().iter().find(is).map(|group| group.name.clone())
    }

    fn read_on(&mut self, cx: &mut Cx) {
        if let Some(group) = &self.group {
            self.read.ask();
            cx.load(Request::Logs { group: group.clone(), after: self.after });
        }
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

    fn draw_groups(&self, frame: &mut Frame, area: Rect, ui: &Ui) {
        let inner = ui.frame(frame, area, "Log groups", self.focus == 0);
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
        let mut title = format!(" · {}", data::plural(self.lines.len() as u64, "line"));
        if self.filtering() {
            let _ = write!(title, " · {:?}: {}", self.needle.text, data::count(self.found.len() as u64));
            if self.searching {
                title += " …";
            }
        }
        if self.read.loading && self.more {
            title += " · reading …";
        } else if self.follow {
            title += " · following";
        }
        let title = text::clean(&title);
        let group = text::clean(group);
        // A needle may be as long as it likes; some of the name stays.
        let room = columns.saturating_sub(text::width(&title)).max(12);
        format!("{}{title}", text::truncate_start(&group, room))
    }

    fn draw_lines(&self, frame: &mut Frame, area: Rect, ui: &Ui) {
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
        self.list.ask();
        cx.load(Request::LogGroups);
        self.read_on(cx);
    }

    fn loaded(&mut self, request: &Request, result: Result<Data, String>, cx: &mut Cx) {
        match (request, result) {
            (Request::LogGroups, Ok(Data::LogGroups(groups))) => {
                self.groups.set(groups);
                self.list.answer(Ok(()));
                if let Some(wanted) = self.wanted.take() {
                    match self.find(&wanted, &cx.session.env) {
                        Some(group) => {
                            self.groups.select(&group);
                            self.open(&group, cx);
                        }
                        None => cx.intents.push(Intent::Fail(format!("no log group {wanted}"))),
                    }
                }
            }
            (Request::LogGroups, Err(error)) => {
                self.list.answer(Err(error));
                // Who may not list groups may still read one.
                if let Some(wanted) = self.wanted.take() {
                    self.open(&wanted, cx);
                }
            }
            (Request::Logs { group, .. }, result) if self.group.as_ref() == Some(group) => match result {
                Ok(Data::Logs { lines, next, more }) => {
                    for (time, line) in &lines {
                        self.lines.push(*time, line);
                    }
                    self.after = next.or(self.after);
                    self.more = more;
                    self.read.answer(Ok(()));
                    self.cursor = self.cursor.max(self.lines.numbers().start);
                    if self.follow && !(self.filtering() && self.narrow) {
                        self.jump_to_end();
                    }
                    self.search(cx);
                    if more {
                        self.read_on(cx);
                    } else if std::mem::take(&mut self.seeks_error) {
                        self.jump_to_error(cx);
                    }
                }
                Ok(_) => {}
                Err(error) => self.read.answer(Err(error)),
            },
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
            Action::NextMatch => self.jump_to_match(true, cx),
            Action::PreviousMatch => self.jump_to_match(false, cx),
            Action::GoToError => self.jump_to_error(cx),
            Action::Logs | Action::Enter if self.focus == 0 => {
                if let Some(name) = self.groups.selected().map(|g| g.name.clone()) {
                    self.open(&name, cx);
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

    fn select(&mut self, target: &Target, cx: &mut Cx) {
        if let Target::LogGroup(group) | Target::LogError(group) = target {
            self.groups.set_filter("");
            match self.find(group, &cx.session.env) {
                Some(group) => {
                    self.groups.select(&group);
                    self.open(&group, cx);
                    self.wanted = None;
                }
                None => self.wanted = Some(group.clone()),
            }
            self.seeks_error = matches!(target, Target::LogError(_));
            if self.seeks_error {
                // The newest is what it is about, wherever one has read before.
                self.follow = true;
            }
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
