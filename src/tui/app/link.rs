//! A cloud behind a network: it may be throttled, refuse, or be gone; and there may be another one to look at.

use super::{
    super::{
        command::Command,
        data::{Request, Session},
        link::{Switch, Trouble, pause},
        panes::Panes,
    },
    App, Phase, Status,
};

/// While nobody looks, only each so-manieth refresh is done.
const UNSEEN: u32 = 6;
/// After a read that took longer than the time between two refreshes, so many times as long is waited.
const REST: u32 = 3;

/// How it goes with a cloud behind a network.
#[derive(Debug, Default)]
pub struct Link {
    /// What keeps the panes from being read, and the read that told.
    pub trouble: Option<(super::Slot, Trouble)>,
    /// What was named inside.
    pub switch: Switch,
    /// Attempts that failed since the last that did not.
    attempts: u32,
    /// The pause that is awaited.
    pausing: Option<u64>,
    /// Whether the terminal is looked at, as far as it tells.
    unseen: bool,
    ticks: u32,
    /// Refreshes that were left out because one was under way, and those that are left out for it.
    busy: u32,
    rest: u32,
}

impl App {
    /// What is wrong for all panes.
    pub fn trouble(&self) -> Option<&Trouble> {
        self.link.trouble.as_ref().map(|(_, trouble)| trouble)
    }

    pub(super) fn troubled(&mut self, request: &Request, trouble: Trouble) -> Vec<Command> {
        let network = matches!(trouble, Trouble::Network(_));
        // Without credentials nothing is tried again until somebody has logged in.
        if network && matches!(self.trouble(), Some(Trouble::Credentials(_))) {
            return Vec::new();
        }
        self.link.trouble = Some((request.slot(), trouble));
        if !network || self.link.pausing.is_some() {
            return Vec::new();
        }
        self.generation += 1;
        self.link.pausing = Some(self.generation);
        let after = pause(self.link.attempts);
        self.link.attempts += 1;
        vec![Command::Pause { after, generation: self.generation }]
    }

    /// A read came back well.
    pub(super) fn answered(&mut self, request: &Request) {
        if self.link.trouble.as_ref().is_some_and(|(slot, _)| *slot == request.slot()) {
            self.link.trouble = None;
            self.link.attempts = 0;
        }
    }

    /// A pause is over.
    pub(super) fn again(&mut self, generation: u64) -> Vec<Command> {
        if self.link.pausing != Some(generation) {
            return Vec::new();
        }
        self.link.pausing = None;
        if matches!(self.trouble(), Some(Trouble::Network(_))) { self.refresh() } else { Vec::new() }
    }

    /// Another pane will tell by itself.
    pub(super) fn look_elsewhere(&mut self) {
        if matches!(self.trouble(), Some(Trouble::Network(_))) {
            self.link.trouble = None;
        }
        self.link.rest = 0;
        self.link.busy = 0;
    }

    pub(super) fn seen(&mut self, seen: bool) -> Vec<Command> {
        let back = self.link.unseen && seen;
        self.link.unseen = !seen;
        if back && self.session.cloud != "local" && self.trouble().is_none() { self.change() } else { Vec::new() }
    }

    /// It is time to read again what is shown of a cloud that does not tell of changes.
    pub(super) fn tick(&mut self) -> Vec<Command> {
        self.link.ticks = self.link.ticks.wrapping_add(1);
        if self.trouble().is_some() || (self.link.unseen && !self.link.ticks.is_multiple_of(UNSEEN)) {
            return Vec::new();
        }
        if self.asked.values().any(|(_, pane)| *pane == self.current) {
            self.link.busy += 1;
            self.link.rest = self.link.busy * REST;
            return Vec::new();
        }
        self.link.busy = 0;
        if self.link.rest > 0 {
            self.link.rest -= 1;
            return Vec::new();
        }
        self.change()
    }

    /// Whether `R` is to look for new credentials first.
    pub(super) fn log_in_again(&mut self) -> Option<Vec<Command>> {
        if !matches!(self.trouble(), Some(Trouble::Credentials(_))) {
            return None;
        }
        self.status = Some(Status::Told("reading the credentials again …".into()));
        Some(vec![Command::Open(self.link.switch.clone())])
    }

    /// `:profile`, `:region`, `:role`: what was named, and what follows from it.
    pub(super) fn switch(&mut self, what: &str, name: &str) -> Vec<Command> {
        if self.session.cloud == "local" {
            self.status =
                Some(Status::Failed(format!("the embedded cloud has no {what}; leave --local out to use AWS")));
            return Vec::new();
        }
        if name.is_empty() {
            self.status = Some(Status::Failed(format!("which {what}? Write :{what} NAME")));
            return Vec::new();
        }
        if let Some(act) = self.acting.first() {
            let told = format!("{} is under way: switch when it has ended", act.words());
            self.status = Some(Status::Failed(told));
            return Vec::new();
        }
        let (now, name) = (self.link.switch.clone(), Some(name.to_owned()));
        let switch = match what {
            // Region and role are those of a profile, where no other is named after it.
            "profile" => Switch { profile: name, ..Switch::default() },
            "region" => Switch { region: name, ..now },
            _ => Switch { role: name, ..now },
        };
        self.status = Some(Status::Told(format!("switching the {what} …")));
        vec![Command::Switch(switch)]
    }

    pub(super) fn switched(&mut self, session: Session, switch: Switch) -> Vec<Command> {
        self.session = session;
        self.link = Link { switch, unseen: self.link.unseen, ..Link::default() };
        self.phase = Phase::Open;
        // What is shown belongs to where we were.
        self.panes = Panes::default();
        self.popups.clear();
        self.held.clear();
        self.asked.clear();
        self.changed = false;
        self.status = Some(Status::Told(format!("now {}", self.session.identity)));
        self.refresh()
    }
}
