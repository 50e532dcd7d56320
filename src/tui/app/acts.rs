//! The way of a change: asked for, judged, confirmed, done.

use super::{
    super::{command::Command, data::Act, popups::Popup},
    App, Status,
};
use crate::backend::{Consent, Effect, Strength};

pub(super) fn refused(what: &str) -> Status {
    Status::Failed(format!("read-only: {what} is refused; start without --read-only to allow it"))
}

impl App {
    /// Asks for the confirmation that a change deserves, or does it.
    pub(super) fn ask(&mut self, act: Act) -> Vec<Command> {
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
            None => {
                self.status = Some(Status::Told(format!("{} … looking what it would do", act.words())));
                vec![Command::Judge(act)]
            }
        }
    }

    pub(super) fn judged(&mut self, act: Act, effect: Effect) -> Vec<Command> {
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

    pub(super) fn act(&mut self, act: Act, consent: Consent) -> Vec<Command> {
        self.status = Some(Status::Told(format!("{} …", act.words())));
        self.acting.push(act.clone());
        vec![Command::Act { act, consent }]
    }
}
