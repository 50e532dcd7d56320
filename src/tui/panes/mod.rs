//! The panes: each keeps its own state, asks for what it needs, and draws itself.

pub mod alerts;
pub mod buckets;
pub mod charts;
pub mod deploy;
pub mod jobs;
pub mod logs;
pub mod other_stacks;
pub mod overview;
pub mod queries;

use buckets::Sieve;
use crossterm::event::KeyEvent;
use jiff::Timestamp;
use ratatui::{Frame, layout::Rect};

use super::{
    data::{Act, Data, Request, Session, Slot, Target},
    keymap::{Action, Context},
    popups::Popup,
    ui::Ui,
    widgets::lines::{Needle, Snapshot},
};
use crate::{backend::run::RunProgress, cloud::stacks::StackEvent};

/// What a pane wants of the console.
#[derive(Debug)]
pub enum Intent {
    /// Read this.
    Load(Request),
    /// Give up what is being read.
    Cancel(Slot),
    /// Search log lines.
    Search {
        /// The lines.
        snapshot: Snapshot,
        /// What to look for.
        needle: Needle,
        /// Where to begin.
        from: usize,
        /// Comes back with the answer.
        generation: u64,
    },
    /// Filter a long list.
    Filter(Sieve),
    /// Change this, when it is confirmed.
    Act(Act),
    /// Show this.
    Popup(Popup),
    /// Go there.
    Go(Target),
    /// Show a pipeline's plan.
    Deploy(String),
    /// Begin a command line with this.
    Type(String),
    /// Tell this.
    Tell(String),
    /// Tell that this is wrong.
    Fail(String),
}

/// What a pane is given.
#[derive(Debug)]
pub struct Cx<'a> {
    /// Who and where we are.
    pub session: &'a Session,
    /// The time on the cloud's clock, when something was last heard of it.
    pub now: Timestamp,
    /// Whether the pane is the one that is shown.
    pub shown: bool,
    /// What the pane wants.
    pub intents: Vec<Intent>,
}

impl Cx<'_> {
    /// Asks to read something.
    pub fn load(&mut self, request: Request) {
        self.intents.push(Intent::Load(request));
    }

    /// Asks for a change.
    pub fn act(&mut self, act: Act) {
        self.intents.push(Intent::Act(act));
    }

    /// Tells something in the last line.
    pub fn tell(&mut self, text: impl Into<String>) {
        self.intents.push(Intent::Tell(text.into()));
    }

    /// Goes to something.
    pub fn go(&mut self, target: Target) {
        self.intents.push(Intent::Go(target));
    }

    /// Shows text in a popup.
    pub fn show(&mut self, title: impl Into<String>, lines: Vec<String>) {
        self.intents.push(Intent::Popup(Popup::text(title, lines)));
    }
}

/// A pane.
pub trait Pane: Send {
    /// Its number, from 1.
    fn number(&self) -> u8;
    /// Its title.
    fn title(&self) -> &'static str;
    /// Whose keys hold.
    fn context(&self) -> Context;
    /// It is shown, or something has changed: ask for what it shows.
    fn refresh(&mut self, cx: &mut Cx);
    /// Part of a list that it asked for came, and more is to come.
    fn arrived(&mut self, _request: &Request, _part: Data, _cx: &mut Cx) {}
    /// Something that it asked for came whole, or failed.
    fn loaded(&mut self, request: &Request, result: Result<Data, String>, cx: &mut Cx);
    /// A key that means something in its context; whether it was used.
    fn action(&mut self, action: Action, cx: &mut Cx) -> bool;
    /// Whether it wants letters as they are typed.
    fn typing(&self) -> bool {
        false
    }
    /// A key while it wants letters.
    fn key(&mut self, _key: KeyEvent, _cx: &mut Cx) {}
    /// Text is pasted while it wants letters.
    fn paste(&mut self, _text: &str, _cx: &mut Cx) {}
    /// The filter is typed.
    fn filter(&mut self, _text: &str, _cx: &mut Cx) {}
    /// The filter as it is.
    fn filter_text(&self) -> &str {
        Default::default()
    }
    /// A search came back.
    fn searched(&mut self, _generation: u64, _upto: usize, _found: Vec<u32>, _cx: &mut Cx) {}
    /// A filter of a long list came back.
    fn filtered(&mut self, _generation: u64, _found: Vec<u32>) {}
    /// A change came back.
    fn acted(&mut self, _act: &Act, _result: &Result<String, String>, _cx: &mut Cx) {}
    /// A deploy came on.
    fn progress(&mut self, _event: &StackEvent) {}
    /// A run of a pipeline came on.
    fn run_progress(&mut self, _pipeline: &str, _progress: &RunProgress) {}
    /// Whether a query runs that Ctrl-C cancels.
    fn running(&self) -> bool {
        false
    }
    /// Shows something.
    fn select(&mut self, _target: &Target, _cx: &mut Cx) {}
    /// Names for the completion of its command.
    fn names(&self) -> Vec<String> {
        Vec::new()
    }
    /// Draws it.
    fn draw(&self, frame: &mut Frame, area: Rect, ui: &Ui);
}

/// All panes.
pub struct Panes(Vec<Box<dyn Pane>>);

impl Default for Panes {
    fn default() -> Self {
        Self(vec![
            Box::new(overview::OverviewPane::default()),
            Box::new(buckets::BucketsPane::default()),
            Box::new(jobs::JobsPane::default()),
            Box::new(logs::LogsPane::default()),
            Box::new(alerts::AlertsPane::default()),
            Box::new(queries::QueriesPane::default()),
            Box::new(deploy::DeployPane::default()),
        ])
    }
}

impl Panes {
    /// The panes' numbers.
    pub fn numbers(&self) -> Vec<u8> {
        self.0.iter().map(|pane| pane.number()).collect()
    }

    /// The panes' numbers and titles.
    pub fn titles(&self) -> impl Iterator<Item = (u8, &'static str)> {
        self.0.iter().map(|pane| (pane.number(), pane.title()))
    }

    /// A pane by its number.
    pub fn get(&self, number: u8) -> Option<&dyn Pane> {
        self.0.iter().find(|pane| pane.number() == number).map(AsRef::as_ref)
    }

    /// A pane by its number.
    pub fn get_mut(&mut self, number: u8) -> Option<&mut dyn Pane> {
        for pane in &mut self.0 {
            if pane.number() == number {
                return Some(pane.as_mut());
            }
        }
        None
    }

    /// Does something with each.
    pub fn each(&mut self, mut f: impl FnMut(&mut dyn Pane)) {
        self.0.iter_mut().for_each(|pane| f(pane.as_mut()));
    }

    /// Names for the completion of a command.
    pub fn names(&self, command: &str) -> Vec<String> {
        if command == "theme" {
            return super::theme::built_in().into_iter().map(|(name, _)| name).collect();
        }
        if command == "region" {
            return super::commands::REGIONS.iter().map(|name| (*name).to_owned()).collect();
        }
        self.of(command).map(Pane::names).unwrap_or_default()
    }

    /// The number of the pane whose names complete a command, where none of them is known yet.
    pub fn nameless(&self, command: &str) -> Option<u8> {
        self.of(command).filter(|pane| pane.names().is_empty()).map(Pane::number)
    }

    fn of(&self, command: &str) -> Option<&dyn Pane> {
        let word = if command == "query" { "queries" } else { command };
        self.0.iter().find(|pane| pane.title().eq_ignore_ascii_case(word)).map(AsRef::as_ref)
    }
}

/// The next of `n` parts of a pane, or the one before.
pub fn turn(focus: usize, n: usize, action: Action) -> Option<usize> {
    match action {
        Action::FocusNext => Some((focus + 1) % n),
        Action::FocusPrevious => Some((focus + n - 1) % n),
        _ => None,
    }
}
