//! The console's state, and how what happens changes it.
//!
//! [`App::update`] is pure and never waits: what needs time comes out as a [`Command`], and its outcome comes back in as
//! a [`Msg`] with the generation in which it was asked.

mod link;
mod prompt;

use std::collections::HashMap;

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use futures::future::BoxFuture;
use jiff::Timestamp;

use super::{
    command::Command,
    data::{Act, Request, Session, Slot, Target, bytes},
    keymap::{self, Action, Context},
    link::Calls,
    msg::Msg,
    panes::{Cx, Intent, Pane, Panes},
    popups::{Outcome, Popup},
    theme::{Depth, Theme},
    widgets::edit::LineEdit,
};
use crate::{
    backend::{Consent, Effect, Prices, Strength},
    text,
};

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

fn refused(what: &str) -> Status {
    Status::Failed(format!("read-only: {what} is refused; start without --read-only to allow it"))
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
            Msg::Progress(event) => {
                self.panes.each(|pane| pane.progress(&event));
                Vec::new()
            }
            Msg::RunProgress { pipeline, progress } => {
                self.panes.each(|pane| pane.run_progress(&pipeline, &progress));
                Vec::new()
            }
            Msg::Judged { act, result: Ok(effect) } => self.judged(act, effect),
            Msg::Judged { result: Err(why), .. } => {
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

    /// Asks for the confirmation that a change deserves, or does it.
    fn ask(&mut self, act: Act) -> Vec<Command> {
        if self.session.read_only && act.changes() {
            self.status = Some(refused(&act.words()));
            return Vec::new();
        }
        if self.acting.contains(&act) {
            self.status = Some(Status::Failed(format!("{} is under way already", act.words())));
            return Vec::new();
        }
        match act.effect() {
            // In a protected environment nothing is changed by one key alone.
            Some(effect) if self.session.protected && effect.strength == Strength::Free && act.changes() => {
                self.judged(act, Effect { strength: Strength::Confirm, ..effect })
            }
            Some(effect) => self.judged(act, effect),
            None => vec![Command::Judge(act)],
        }
    }

    fn judged(&mut self, act: Act, effect: Effect) -> Vec<Command> {
        if effect.strength == Strength::Free {
            if matches!(act, Act::Deploy(_)) {
                let told = format!("nothing to do: {} is what the pipeline says", effect.target);
                self.status = Some(Status::Told(told));
                return Vec::new();
            }
            return self.act(act, Consent::None);
        }
        self.open(Popup::confirm(act, effect));
        Vec::new()
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

    fn act(&mut self, act: Act, consent: Consent) -> Vec<Command> {
        self.status = Some(Status::Told(format!("{} …", act.words())));
        self.acting.push(act.clone());
        vec![Command::Act { act, consent }]
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

    fn paste(&mut self, pasted: &str) -> Vec<Command> {
        // Terminals paste a line's end as the key that makes one: a carriage return.
        let pasted = &pasted.replace("\r\n", "\n").replace('\r', "\n");
        if let Some(popup) = self.popups.last_mut() {
            popup.paste(pasted);
            return Vec::new();
        }
        let wanted = self.shown().is_some_and(Pane::typing);
        match &mut self.typing {
            Some(Typing::Command { edit, .. }) => {
                edit.insert(pasted);
                Vec::new()
            }
            Some(Typing::Filter(edit, _)) => {
                edit.insert(pasted);
                let text = edit.text().to_owned();
                self.pane(|pane, cx| pane.filter(&text, cx))
            }
            None if wanted => self.pane(|pane, cx| pane.paste(pasted, cx)),
            None => Vec::new(),
        }
    }

    fn key(&mut self, key: KeyEvent) -> Vec<Command> {
        let ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
        if ctrl && key.code == KeyCode::Char('c') {
            return self.interrupt();
        }
        self.just_answered = false;
        if ctrl && key.code == KeyCode::Char('z') {
            return vec![Command::Suspend];
        }
        if ctrl && key.code == KeyCode::Char('l') {
            return vec![Command::Redraw];
        }
        if let Some(popup) = self.popups.last_mut() {
            let outcome = popup.key(key);
            return match outcome {
                Outcome::Stay => Vec::new(),
                Outcome::Close => {
                    self.popups.pop();
                    Vec::new()
                }
                Outcome::Act(act, consent) => {
                    self.popups.pop();
                    self.act(act, consent)
                }
                Outcome::Ask(act) => {
                    self.popups.pop();
                    self.ask(act)
                }
            };
        }
        if self.typing.is_some() {
            return self.typing_key(key);
        }
        self.status = self.status.take().filter(|_| !self.acting.is_empty());
        let context = self.context();
        let action = keymap::lookup(context, key);
        if self.shown().is_some_and(Pane::typing) {
            return match action {
                Some(action) => self.pane(|pane, cx| _ = pane.action(action, cx)),
                None => self.pane(|pane, cx| pane.key(key, cx)),
            };
        }
        if let Some(action) = action {
            return self.action(action);
        }
        let name = keymap::pretty(&keymap::name(key));
        if !name.is_empty() {
            self.status = Some(Status::Told(format!("{} does nothing here; ? shows the keys", text::clean(&name))));
        }
        Vec::new()
    }

    /// Ctrl-C: out of what is open or typed, then ends a query that runs in any pane, else leaves; asks once more where
    /// that would break a change off, or where it may have been meant for a query that has just ended.
    fn interrupt(&mut self) -> Vec<Command> {
        if self.popups.pop().is_some() {
            return Vec::new();
        }
        match self.typing.take() {
            Some(Typing::Filter(_, before)) => return self.pane(|pane, cx| pane.filter(&before, cx)),
            Some(Typing::Command { .. }) => return Vec::new(),
            None => {}
        }
        let running = self.panes.numbers().into_iter().find(|n| self.panes.get(*n).is_some_and(Pane::running));
        if let Some(pane) = running {
            return self.pane_at(pane, |pane, cx| _ = pane.action(Action::Cancel, cx));
        }
        if self.shown().is_some_and(Pane::typing) {
            return self.pane(|pane, cx| _ = pane.action(Action::LeaveEditor, cx));
        }
        if std::mem::take(&mut self.just_answered) {
            self.status = Some(Status::Told("the query has ended; Ctrl-C once more to quit".into()));
            return Vec::new();
        }
        self.quit()
    }

    fn quit(&mut self) -> Vec<Command> {
        if let Some(act) = self.acting.first()
            && !self.quit_asked
        {
            self.quit_asked = true;
            let told = format!("{} is under way; once more to leave all the same", act.words());
            self.status = Some(Status::Failed(told));
            return Vec::new();
        }
        vec![Command::Quit]
    }

    fn action(&mut self, action: Action) -> Vec<Command> {
        match action {
            Action::Quit => return self.quit(),
            Action::Suspend => return vec![Command::Suspend],
            Action::Redraw => return vec![Command::Redraw],
            Action::Help => {
                let context = self.context();
                self.popups.push(Popup::help(context));
                return Vec::new();
            }
            Action::Command => {
                self.typing = Some(Typing::Command { edit: LineEdit::default(), past: None, completions: None });
                return Vec::new();
            }
            Action::Refresh if self.phase != Phase::Open => {
                let Phase::Failed(_) = self.phase else { return Vec::new() };
                self.phase = Phase::Opening;
                return vec![Command::Open(self.link.switch.clone())];
            }
            _ => {}
        }
        if self.phase != Phase::Open {
            return Vec::new();
        }
        match action {
            Action::Pane(n) => self.show(n),
            Action::Refresh => {
                if let Some(commands) = self.log_in_again() {
                    return commands;
                }
                // What hangs is not waited for any longer.
                self.asked.retain(|_, (_, pane)| *pane != self.current);
                let mut commands = vec![Command::Forget];
                commands.extend(self.refresh());
                commands
            }
            Action::Filter => {
                let text = self.shown().map_or("", Pane::filter_text).to_owned();
                self.typing = Some(Typing::Filter(LineEdit::new(text.clone()), text));
                Vec::new()
            }
            _ => {
                let mut used = false;
                let mut commands = self.pane(|pane, cx| used = pane.action(action, cx));
                if !used && matches!(action, Action::Logs | Action::Run | Action::GoToError | Action::Deploy) {
                    self.status = Some(Status::Told("nothing is selected here that this could be done with".into()));
                }
                if !used && action == Action::Back && !self.shown().map_or("", Pane::filter_text).is_empty() {
                    commands.extend(self.pane(|pane, cx| pane.filter("", cx)));
                }
                commands
            }
        }
    }

    /// Requests that are awaited, for tests.
    #[cfg(test)]
    pub fn awaited(&self) -> usize {
        self.asked.len()
    }
}
