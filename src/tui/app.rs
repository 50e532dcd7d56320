//! The console's state, and how what happens changes it.
//!
//! [`App::update`] is pure and never waits: what needs time comes out as a [`Command`], and its outcome comes back in as
//! a [`Msg`] with the generation in which it was asked.

mod acts;
mod keys;
mod link;
mod lock;
mod prompt;

use std::collections::HashMap;

use crossterm::event::KeyEventKind;
use futures::future::BoxFuture;
use jiff::Timestamp;

use super::{
    command::Command,
    data::{Act, Request, Session, Slot, Target, bytes},
    keymap::{Action, Context},
    link::Calls,
    msg::Msg,
    panes::{Cx, Intent, Pane, Panes},
    popups::Popup,
    theme::{Depth, Theme},
    widgets::edit::LineEdit,
};
use crate::backend::Prices;
use acts::refused;

/// How the console looks and starts.
#[derive(Debug, Clone)]
pub struct Options {
    /// The theme's name.
    pub theme: String,
    /// Whether to draw with ASCII alone; none: as the terminal and the locale say.
    pub ascii: Option<bool>,
    /// Whether the wheel scrolls. The terminal's own selection of text then needs Shift.
    pub mouse: bool,
    /// Shown until the backend is open: which cloud it will be.
    pub cloud: String,
    /// Shown until the backend is open.
    pub env: String,
    /// Shown until the backend is open.
    pub read_only: bool,
    /// The profiles that can be switched to.
    pub profiles: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            theme: "calm".into(),
            ascii: None,
            mouse: false,
            cloud: "local".into(),
            env: "dev".into(),
            read_only: false,
            profiles: Vec::new(),
        }
    }
}

/// What is to be done while the console is suspended, by whoever opened it: a process that is stopped must not hold what
/// others wait for.
pub struct Absence {
    /// Done before the process stops, for a short time at the most.
    pub leave: Box<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>,
    /// Done when it has been continued.
    pub back: Box<dyn Fn() + Send + Sync>,
}

/// What is typed in the last line.
#[derive(Debug, Clone)]
pub enum Typing {
    /// A command, with where we are in the past and what completes it.
    Command {
        /// What is typed.
        edit: LineEdit,
        /// Which of the remembered lines is shown, counted from the newest.
        past: Option<usize>,
        /// What Tab goes through, and where it is.
        completions: Option<(Vec<String>, usize)>,
    },
    /// A filter, with what it was before.
    Filter(LineEdit, String),
}

/// What the last line tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// News.
    Told(String),
    /// Something is wrong.
    Failed(String),
}

/// Whether there is a backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// It is being opened.
    Opening,
    /// It could not be.
    Failed(String),
    /// It is open.
    Open,
}

/// The console's state.
pub struct App {
    /// Who and where we are.
    pub session: Session,
    /// Whether there is a backend.
    pub phase: Phase,
    /// The panes.
    pub panes: Panes,
    /// The number of the one that is shown.
    pub current: u8,
    /// What is open over it.
    pub popups: Vec<Popup>,
    /// What came while something was typed, and opens when that is done: keys that are under way are not meant for it.
    held: Vec<Popup>,
    /// What is typed in the last line.
    pub typing: Option<Typing>,
    /// What the last line tells.
    pub status: Option<Status>,
    /// The colours.
    pub theme: Theme,
    /// How many colours there are.
    pub depth: Depth,
    /// The time on the cloud's clock, when something was last heard of it.
    pub now: Timestamp,
    /// What the calls to the cloud are like.
    pub calls: Calls,
    /// Changes that are under way.
    pub acting: Vec<Act>,
    /// Per slot: the generation that is awaited, and for which pane.
    asked: HashMap<Slot, (u64, u8)>,
    generation: u64,
    /// Something has changed while the pane was still reading.
    changed: bool,
    /// Whether somebody asked to leave while a change was under way.
    quit_asked: bool,
    /// Whether a query was answered since the last key.
    just_answered: bool,
    remembered: Vec<String>,
    profiles: Vec<String>,
    link: link::Link,
}

impl App {
    /// A console that has not heard from a backend.
    pub fn new(options: &Options, theme: Theme, depth: Depth) -> Self {
        Self {
            session: Session {
                cloud: options.cloud.clone(),
                env: options.env.clone(),
                identity: String::new(),
                read_only: options.read_only,
                protected: false,
                speed: 1.0,
                login: None,
                prices: Prices::default(),
                workgroup: None,
            },
            phase: Phase::Opening,
            panes: Panes::default(),
            current: 1,
            popups: Vec::new(),
            held: Vec::new(),
            typing: None,
            status: None,
            theme,
            depth,
            now: Timestamp::UNIX_EPOCH,
            calls: Calls::default(),
            acting: Vec::new(),
            asked: HashMap::new(),
            generation: 0,
            changed: false,
            quit_asked: false,
            just_answered: false,
            remembered: Vec::new(),
            profiles: options.profiles.clone(),
            link: link::Link::default(),
        }
    }

    /// The context whose keys hold.
    pub fn context(&self) -> Context {
        self.shown().filter(|_| self.phase == Phase::Open).map_or(Context::Global, Pane::context)
    }

    /// The pane that is shown.
    pub fn shown(&self) -> Option<&dyn Pane> {
        self.panes.get(self.current)
    }

    /// Takes in what happened; returns what is to be done.
    pub fn update(&mut self, msg: Msg) -> Vec<Command> {
        match msg {
            Msg::Key(key) if key.kind == KeyEventKind::Release => Vec::new(),
            Msg::Key(key) => {
                let commands = self.key(key);
                if !self.held.is_empty() && !self.types() {
                    self.popups.append(&mut self.held);
                }
                commands
            }
            Msg::Paste(pasted) => self.paste(&pasted),
            Msg::Wheel(rows) => {
                let action = if rows > 0 { Action::Down } else { Action::Up };
                let mut commands = Vec::new();
                for _ in 0..rows.unsigned_abs() {
                    if let Some(popup) = self.popups.last_mut() {
                        popup.wheel(action);
                    } else {
                        commands.extend(self.pane(|pane, cx| _ = pane.action(action, cx)));
                    }
                }
                commands
            }
            // The next frame is drawn for the size that the terminal has then.
            Msg::Resize => Vec::new(),
            Msg::Opened(Ok(session)) => {
                self.session = session;
                self.phase = Phase::Open;
                self.status = None;
                self.link.trouble = None;
                self.asked.clear();
                self.refresh()
            }
            Msg::Opened(Err(error)) | Msg::Switched(Err(error)) if self.phase == Phase::Open => {
                self.status = Some(Status::Failed(error));
                Vec::new()
            }
            Msg::Switched(Ok((session, switch))) => self.switched(session, switch),
            Msg::Identified(identity) => {
                self.session.identity = identity;
                Vec::new()
            }
            Msg::Calls(calls) => {
                self.calls = calls;
                Vec::new()
            }
            Msg::Troubled { request, generation, .. } if !self.awaits(&request, generation) => Vec::new(),
            Msg::Troubled { request, trouble, .. } => self.troubled(&request, trouble),
            Msg::Again(generation) => self.again(generation),
            Msg::Seen(seen) => self.seen(seen),
            Msg::Opened(Err(error)) | Msg::Switched(Err(error)) => {
                self.phase = Phase::Failed(error);
                Vec::new()
            }
            Msg::Changed if self.session.cloud != "local" => self.tick(),
            Msg::Changed => self.change(),
            Msg::Arrived { request, generation, .. } if !self.awaits(&request, generation) => Vec::new(),
            Msg::Arrived { request, part, now, .. } => {
                self.now = now;
                self.pane_at(request.pane(), |pane, cx| pane.arrived(&request, part, cx))
            }
            Msg::Loaded { request, generation, .. } if !self.awaits(&request, generation) => Vec::new(),
            Msg::Loaded { request, result, now, .. } => {
                self.asked.remove(&request.slot());
                self.now = now;
                if result.is_ok() {
                    self.answered(&request);
                }
                self.just_answered |= request.is_query();
                let mut commands = self.pane_at(request.pane(), |pane, cx| pane.loaded(&request, result, cx));
                if self.changed {
                    commands.extend(self.change());
                }
                commands
            }
            Msg::Searched { generation, upto, found } => {
                self.pane_at(4, |pane, cx| pane.searched(generation, upto, found, cx))
            }
            Msg::Filtered { generation, found } => {
                if let Some(pane) = self.panes.get_mut(2) {
                    pane.filtered(generation, found);
                }
                Vec::new()
            }
            Msg::Moved { act, moved } => {
                let (done, total) = (bytes(moved.done), bytes(moved.total));
                let percent = moved.done.saturating_mul(100).checked_div(moved.total).unwrap_or(100);
                self.status = Some(Status::Told(format!("{} … {percent} % · {done} of {total}", act.words())));
                Vec::new()
            }
            Msg::Acted { act, result } => {
                self.quit_asked = false;
                if let Some(at) = self.acting.iter().position(|a| *a == act) {
                    self.acting.remove(at);
                }
                if let Err(why) = &result {
                    self.explain(&act, why);
                }
                self.status = Some(match &result {
                    Ok(done) => Status::Told(done.clone()),
                    Err(why) => Status::Failed(why.clone()),
                });
                let mut commands = vec![Command::Forget];
                for at in self.panes.numbers() {
                    commands.extend(self.pane_at(at, |pane, cx| pane.acted(&act, &result, cx)));
                }
                commands.extend(self.change());
                commands
            }
            Msg::Locked(locked) => {
                self.kept_off(*locked);
                Vec::new()
            }
            Msg::Waits(why) => {
                self.status = Some(Status::Told(why)).filter(|s| *s != Status::Told(String::new()));
                Vec::new()
            }
            Msg::Progress(event) => {
                self.panes.each(|pane| pane.progress(&event));
                Vec::new()
            }
            Msg::RunProgress { pipeline, progress } => {
                self.panes.each(|pane| pane.run_progress(&pipeline, &progress));
                Vec::new()
            }
            Msg::Judged { act, result: Ok(effect) } => self.judged(act, effect),
            Msg::Judged { act, result: Err(why) } => {
                self.explain(&act, &why);
                self.status = Some(Status::Failed(why));
                Vec::new()
            }
        }
    }

    /// Whether an answer is the one that is waited for: others are stale.
    fn awaits(&self, request: &Request, generation: u64) -> bool {
        self.asked.get(&request.slot()).is_some_and(|(wanted, _)| *wanted == generation)
    }

    /// Reads again what the pane shows; at once, or when what it reads now has come.
    fn change(&mut self) -> Vec<Command> {
        if self.phase != Phase::Open {
            return Vec::new();
        }
        self.changed = self.asked.values().any(|(_, pane)| *pane == self.current);
        if self.changed { Vec::new() } else { self.refresh() }
    }

    fn refresh(&mut self) -> Vec<Command> {
        self.pane(|pane, cx| pane.refresh(cx))
    }

    fn pane(&mut self, f: impl FnOnce(&mut dyn Pane, &mut Cx)) -> Vec<Command> {
        self.pane_at(self.current, f)
    }

    fn pane_at(&mut self, at: u8, f: impl FnOnce(&mut dyn Pane, &mut Cx)) -> Vec<Command> {
        let mut cx = Cx { session: &self.session, now: self.now, shown: at == self.current, intents: Vec::new() };
        if let Some(pane) = self.panes.get_mut(at) {
            f(pane, &mut cx);
        }
        let intents = cx.intents;
        intents.into_iter().flat_map(|intent| self.intend(intent)).collect()
    }

    fn intend(&mut self, intent: Intent) -> Vec<Command> {
        match intent {
            Intent::Load(request) => {
                if self.phase != Phase::Open {
                    return Vec::new();
                }
                self.generation += 1;
                // A query may take its time; nothing else waits for it.
                let pane = if request.is_query() { 0 } else { request.pane() };
                self.asked.insert(request.slot(), (self.generation, pane));
                vec![Command::Load { request, generation: self.generation }]
            }
            Intent::Cancel(slot) => vec![Command::Cancel(slot)],
            Intent::Search { snapshot, needle, from, generation } => {
                vec![Command::Search { snapshot, needle, from, generation }]
            }
            Intent::Filter(sieve) => vec![Command::Filter(sieve)],
            Intent::Act(act) => self.ask(act),
            Intent::Popup(Popup::Input { purpose, .. }) if self.session.read_only && purpose.changes() => {
                self.status = Some(refused(&purpose.words()));
                Vec::new()
            }
            Intent::Popup(popup) => {
                self.open(popup);
                Vec::new()
            }
            Intent::Go(target) => self.go(&target),
            Intent::Deploy(pipeline) => {
                let mut commands = self.show(7);
                commands.extend(self.pane(|pane, cx| pane.select(&Target::Pipeline(pipeline), cx)));
                commands
            }
            Intent::Type(line) => {
                self.typing = Some(Typing::Command { edit: LineEdit::new(line), past: None, completions: None });
                Vec::new()
            }
            Intent::Tell(told) => {
                self.status = Some(Status::Told(told));
                Vec::new()
            }
            Intent::Fail(why) => {
                self.status = Some(Status::Failed(why));
                Vec::new()
            }
        }
    }

    /// Whether letters are text now.
    fn types(&self) -> bool {
        let asked = matches!(self.popups.last(), Some(Popup::Input { .. } | Popup::Confirm { .. }));
        asked || self.typing.is_some() || (self.popups.is_empty() && self.shown().is_some_and(Pane::typing))
    }

    /// Opens something over the pane; when what is typed is done, where something is.
    fn open(&mut self, popup: Popup) {
        if self.types() {
            self.held.push(popup);
            return;
        }
        // That it was being read is no news any more.
        if self.acting.is_empty() && matches!(self.status, Some(Status::Told(_))) {
            self.status = None;
        }
        self.popups.push(popup);
    }

    fn show(&mut self, pane: u8) -> Vec<Command> {
        if !self.panes.numbers().contains(&pane) {
            return Vec::new();
        }
        self.current = pane;
        self.changed = false;
        self.look_elsewhere();
        self.refresh()
    }

    fn go(&mut self, target: &Target) -> Vec<Command> {
        let mut commands = self.show(target.pane());
        commands.extend(self.pane(|pane, cx| pane.select(target, cx)));
        commands
    }

    /// Requests that are awaited, for tests.
    #[cfg(test)]
    pub fn awaited(&self) -> usize {
        self.asked.len()
    }
}
