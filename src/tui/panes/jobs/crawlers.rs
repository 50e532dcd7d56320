//! Crawlers and their crawls, beside the jobs.

use ratatui::{Frame, layout::Rect, text::Line};

use super::{
    super::{Cx, Intent},
    runs::draw_error,
};
use crate::{
    cloud::crawlers::{Crawl, CrawlState, Crawler, CrawlerState},
    tui::{
        data::{self, Act, Data, Loaded, Request, Target, count, duration, moment, plural},
        glyphs,
        keymap::Action,
        theme::Role,
        ui::{Ui, below, filtered, left, right},
        widgets::list::{Picker, Scroll},
    },
};

/// A crawl that was jumped to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Newest,
    NewestFailed,
}

/// The crawlers of the pane, and the crawls of the selected one.
pub(super) struct Crawlers {
    pub(super) all: Picker<Crawler>,
    list: Loaded<()>,
    crawls: Loaded<Vec<Crawl>>,
    /// The crawler that `crawls` are of, or will be.
    of: String,
    scroll: Scroll,
    /// Text that a crawl's error, state or trigger must hold.
    pub(super) filter: String,
    /// The crawler to be selected once the list is there.
    seeks: Option<String>,
    /// What to select once the crawls are there.
    wanted: Option<Wanted>,
}

impl Default for Crawlers {
    fn default() -> Self {
        Self {
            all: Picker::new(|c| &c.name),
            list: Loaded::default(),
            crawls: Loaded::default(),
            of: String::new(),
            scroll: Scroll::default(),
            filter: String::new(),
            seeks: None,
            wanted: None,
        }
    }
}

/// How a crawl's state looks.
fn state(state: CrawlState) -> (&'static str, Role) {
    match state {
        CrawlState::Starting => (glyphs::WAITING, Role::Running),
        CrawlState::Running => (glyphs::RUNNING, Role::Running),
        CrawlState::Succeeded => (glyphs::OK, Role::Ok),
        CrawlState::Failed => (glyphs::FAILED, Role::Error),
        CrawlState::Cancelled => (glyphs::STOPPED, Role::Warn),
    }
}

fn failed(crawl: &Crawl) -> bool {
    crawl.state == CrawlState::Failed
}

/// How long a crawl took, or has taken so far; none where nobody told how long.
fn took(crawl: &Crawl, now: jiff::Timestamp) -> Option<String> {
    let end = crawl.ended.or_else(|| (!crawl.state.is_final()).then_some(now))?;
    Some(duration(end.as_millisecond() - crawl.started?.as_millisecond()))
}

impl Crawlers {
    /// Whether there is anything to show: crawlers, or why one that was jumped to is not among them.
    pub(super) fn any(&self) -> bool {
        !self.all.items().is_empty() || (self.seeks.is_some() && self.list.error.is_some())
    }

    /// Asks for the crawlers; and for the crawls, where those are seen.
    pub(super) fn refresh(&mut self, seen: bool, cx: &mut Cx) {
        self.list.ask();
        cx.load(Request::Crawlers);
        if seen {
            self.look(true, cx);
        }
    }

    /// Reads the crawls of the selected crawler.
    pub(super) fn look(&mut self, again: bool, cx: &mut Cx) {
        let Some(name) = self.all.selected().map(|c| c.name.clone()) else { return };
        if self.of != name {
            self.of.clone_from(&name);
            self.crawls.clear();
            self.scroll.select(0);
        } else if !again {
            return;
        }
        self.crawls.ask();
        cx.load(Request::Crawls(name));
    }

    pub(super) fn select(&mut self, name: &str, failed: bool, cx: &mut Cx) {
        self.all.set_filter("");
        self.filter.clear();
        self.wanted = Some(if failed { Wanted::NewestFailed } else { Wanted::Newest });
        if self.all.select(name) {
            self.look(true, cx);
        } else if self.list.value.is_some() && !self.list.loading {
            cx.intents.push(Intent::Fail(format!("no crawler {name}")));
        } else {
            self.seeks = Some(name.to_owned());
        }
    }

    pub(super) fn arrived(&mut self, crawlers: Vec<Crawler>) {
        if self.list.arrive(crawlers.len()) {
            self.all.merge(crawlers);
        }
    }

    /// Something that was asked for came, or failed; whether the crawls are seen.
    pub(super) fn loaded(&mut self, request: &Request, result: Result<Data, String>, seen: bool, cx: &mut Cx) {
        match (request, result) {
            (Request::Crawlers, Ok(Data::Crawlers(crawlers))) => {
                self.all.set(crawlers);
                self.list.answer(Ok(()));
                if let Some(name) = self.seeks.take()
                    && !self.all.select(&name)
                {
                    cx.intents.push(Intent::Fail(format!("no crawler {name}")));
                }
                if seen {
                    self.look(false, cx);
                }
            }
            (Request::Crawlers, Err(error)) => self.list.answer(Err(error)),
            (Request::Crawls(crawler), Ok(Data::Crawls(crawls))) if *crawler == self.of => {
                // The selection stays on its crawl when newer ones come.
                let selected = self.selected().and_then(|c| c.id.clone());
                self.crawls.answer(Ok(crawls));
                let wanted = self.wanted.take();
                let shown = self.shown();
                let at = match wanted {
                    Some(Wanted::Newest) => Some(0),
                    Some(Wanted::NewestFailed) => shown.iter().position(|crawl| failed(crawl)),
                    None => selected.and_then(|id| shown.iter().position(|c| c.id.as_ref() == Some(&id))),
                };
                self.scroll.select(at.unwrap_or(0));
            }
            (Request::Crawls(crawler), Err(error)) if *crawler == self.of => self.crawls.answer(Err(error)),
            _ => {}
        }
    }

    /// The crawls that fit the filter.
    fn shown(&self) -> Vec<&Crawl> {
        let wanted = self.filter.to_lowercase();
        let has = |text: Option<&String>| text.is_some_and(|t| t.to_lowercase().contains(&wanted));
        let fits = |crawl: &&Crawl| {
            wanted.is_empty()
                || crawl.state.word().to_lowercase().contains(&wanted)
                || has(crawl.id.as_ref())
                || has(crawl.trigger.as_ref())
                || has(crawl.error.as_ref())
        };
        self.crawls.value.iter().flatten().filter(fits).collect()
    }

    fn selected(&self) -> Option<&Crawl> {
        self.shown().get(self.scroll.selected()).copied()
    }

    pub(super) fn set_filter(&mut self, text: &str) {
        text.clone_into(&mut self.filter);
        self.scroll.select(0);
    }

    /// A key in the list of crawlers, or among the crawls of one; whether it was used.
    pub(super) fn action(&mut self, action: Action, crawls: bool, cx: &mut Cx) -> bool {
        let Some(crawler) = self.all.selected() else { return false };
        match action {
            Action::Run => cx.act(Act::StartCrawler(crawler.name.clone())),
            Action::Stop => cx.tell("a crawl is not stopped from here: it comes to its end by itself"),
            Action::ResetBookmark => cx.tell("jobs have bookmarks: a crawler looks at all that is there"),
            Action::Logs => cx.go(self.log(crawler, crawls)),
            Action::GoToError => return self.go_to_error(crawls, cx),
            Action::Deploy => match &crawler.pipeline {
                Some(pipeline) => cx.intents.push(Intent::Deploy(pipeline.clone())),
                None => return false,
            },
            Action::Enter if crawls => {
                if let Some(crawl) = self.selected() {
                    details(crawler, crawl, cx);
                }
            }
            _ if crawls => {
                let len = self.shown().len();
                return self.scroll.action(action, len);
            }
            _ if self.all.action(action) => self.look(false, cx),
            _ => return false,
        }
        true
    }

    /// Where a crawl's lines are; without one, those of the crawler's last.
    fn log(&self, crawler: &Crawler, crawls: bool) -> Target {
        let crawl = self.selected().filter(|_| crawls).or(crawler.last_crawl.as_ref());
        match crawl.and_then(|c| Some((c, c.log_stream.clone()?))) {
            Some((crawl, stream)) => Target::RunLog { group: crawler.log_group.clone(), stream, error: failed(crawl) },
            None => Target::LogGroup(crawler.log_group.clone()),
        }
    }

    /// To the next crawl that failed, or else to a crawler whose last one did. Whether there is one.
    fn go_to_error(&mut self, crawls: bool, cx: &mut Cx) -> bool {
        let shown = self.shown();
        let from = if crawls { self.scroll.selected() + 1 } else { 0 };
        let next = shown.iter().skip(from).position(|crawl| failed(crawl)).map(|at| at + from);
        if let Some(at) = next.or_else(|| shown.iter().position(|crawl| failed(crawl))) {
            self.scroll.select(at);
        } else if !self.filter.is_empty() {
            cx.tell("none of the crawls that fit the filter failed");
        } else if let Some(name) = self.failed() {
            self.select(&name, true, cx);
        } else {
            cx.tell("no crawl failed");
        }
        true
    }

    /// A crawler whose last crawl failed.
    pub(super) fn failed(&self) -> Option<String> {
        let is = |c: &&Crawler| c.last_crawl.as_ref().is_some_and(failed);
        self.all.items().iter().find(is).map(|c| c.name.clone())
    }

    pub(super) fn draw_list(&self, frame: &mut Frame, area: Rect, ui: &Ui, focused: bool) {
        let inner = ui.frame(frame, area, &filtered(self.list.title("Crawlers"), self.all.filter()), focused);
        let empty = if self.all.filter().is_empty() { "no crawlers" } else { "none fits" };
        let used = ui.loaded(frame.buffer_mut(), inner, &self.list, empty, self.all.is_empty());
        ui.list(frame.buffer_mut(), below(inner, used), &self.all, focused, |crawler| {
            let (glyph, role, said) = match (crawler.state, &crawler.last_crawl) {
                (CrawlerState::Running, _) => (glyphs::RUNNING, Role::Running, "running"),
                (CrawlerState::Stopping, _) => (glyphs::WAITING, Role::Running, "stopping"),
                (CrawlerState::Ready, None) => (glyphs::NONE, Role::Idle, "never ran"),
                (CrawlerState::Ready, Some(crawl)) => {
                    let (glyph, role) = state(crawl.state);
                    (glyph, role, crawl.state.word())
                }
            };
            let said_role = if role == Role::Error { role } else { Role::Dim };
            (role, glyph, &crawler.name, said_role, said.to_lowercase())
        });
    }

    pub(super) fn draw_crawls(&self, frame: &mut Frame, area: Rect, ui: &Ui, focused: bool) {
        let title = if self.of.is_empty() { "Crawls".into() } else { format!("Crawls of {}", self.of) };
        let inner = ui.frame(frame, area, &filtered(title, &self.filter), focused);
        let buffer = frame.buffer_mut();
        let mut row = 0;
        if let Some(crawler) = self.all.selected() {
            ui.line(buffer, inner, 0, &Line::from(ui.span(Role::Dim, about(crawler, ui.now))));
            row = 1;
        }
        let inner = below(inner, row);
        let crawls = self.shown();
        let empty = if self.filter.is_empty() { "no crawls yet: r starts one" } else { "no crawl fits the filter" };
        let inner = below(inner, ui.loaded(buffer, inner, &self.crawls, empty, crawls.is_empty()));
        if crawls.is_empty() {
            return;
        }
        let inner = draw_error(buffer, inner, ui, self.selected().and_then(|c| c.error.as_deref()));
        let partitions = if inner.width < 90 { right("parts", 5) } else { right("partitions", 10) };
        let columns = [
            left("  state", 11),
            left("started", 16),
            right("took", 8),
            right("made", 4),
            right("changed", 7),
            partitions,
            left("by or error", 0),
        ];
        let visible = self.scroll.visible(usize::from(inner.height.saturating_sub(1)), crawls.len());
        ui.table(buffer, inner, &columns, visible, Some((self.scroll.selected(), focused)), |n| {
            let Some(crawl) = crawls.get(n) else { return Vec::new() };
            let (glyph, role) = state(crawl.state);
            let counted = |n: Option<u64>| (Role::Text, n.map(count).unwrap_or_default());
            let said = match &crawl.error {
                Some(error) => (Role::Error, error.lines().next().unwrap_or_default().to_owned()),
                None => (Role::Dim, crawl.trigger.clone().unwrap_or_default()),
            };
            vec![
                (role, format!("{glyph} {}", crawl.state.word())),
                (Role::Text, crawl.started.map(|t| moment(t, ui.now)).unwrap_or_default()),
                (Role::Text, took(crawl, ui.now).unwrap_or_default()),
                counted(crawl.tables_created),
                counted(crawl.tables_updated),
                counted(crawl.partitions_created),
                said,
            ]
        });
    }
}

/// When it crawls, where it looks, and where its tables go.
fn about(crawler: &Crawler, now: jiff::Timestamp) -> String {
    let next = crawler.next_run.map(|t| format!(" · next {}", moment(t, now))).unwrap_or_default();
    let schedule = crawler.schedule.as_deref().unwrap_or("no schedule");
    let to = crawler.database.as_ref().map(|name| format!(" to {name}")).unwrap_or_default();
    format!("{schedule}{next} · {}{to}", crawler.locations.join(", "))
}

/// All about a crawl.
fn details(crawler: &Crawler, crawl: &Crawl, cx: &mut Cx) {
    let told = |n: Option<u64>, what: &str| n.map_or_else(|| "not known".into(), |n| plural(n, what));
    let time = |t: Option<jiff::Timestamp>| t.map_or_else(|| "not known".into(), |t| t.to_string());
    let mut lines = vec![
        format!("state       {}", crawl.state.word()),
        format!("crawler     {}", crawl.crawler),
        format!("started     {}", time(crawl.started)),
    ];
    lines.extend(crawl.trigger.as_ref().map(|trigger| format!("by          {trigger}")));
    let going = !crawl.state.is_final();
    lines.push(format!("ended       {}", if going { "not yet".into() } else { time(crawl.ended) }));
    lines.extend(took(crawl, cx.now).map(|took| format!("took        {took}")));
    lines.push(format!("made        {}", told(crawl.tables_created, "table")));
    lines.push(format!("changed     {}", told(crawl.tables_updated, "table")));
    lines.push(format!("found       {}", told(crawl.partitions_created, "new partition")));
    lines.extend(crawler.locations.iter().map(|location| format!("looked at   {location}")));
    lines.extend(crawler.database.as_ref().map(|database| format!("database    {database}")));
    lines.extend(crawler.table_prefix.as_ref().map(|prefix| format!("tables      {prefix}…")));
    lines.push(format!("log group   {}", crawler.log_group));
    lines.extend(crawl.log_stream.as_ref().map(|stream| format!("log stream  {stream}")));
    if let Some(error) = &crawl.error {
        lines.push(String::new());
        lines.push(error.clone());
    }
    cx.show(format!("Crawl {}", crawl.id.as_deref().unwrap_or("")), lines);
}

/// The physical name of a crawler as somebody may write it.
pub(super) fn physical(name: &str, cx: &Cx) -> String {
    data::physical(name, &cx.session.env).unwrap_or_else(|| name.to_owned())
}
