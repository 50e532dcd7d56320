//! What is kept off by a lock, and what is said at length of what failed.

use super::{
    super::{
        command::Command,
        data::Act,
        panes::Intent,
        popups::{
            Popup,
            locked::{Again, Locked},
        },
    },
    App, Status,
};

/// What the last line of a narrow terminal can hold.
const NARROW: usize = 76;

impl App {
    /// Shows who has locked a state, unless nobody waits for it any more.
    pub(super) fn kept_off(&mut self, locked: Locked) {
        match &locked.again {
            Again::Load(request, generation) if !self.awaits(request, *generation) => return,
            Again::Load(..) => {}
            Again::Act(_) => self.status = None,
        }
        self.popups.retain(|popup| !matches!(popup, Popup::Locked(_)));
        self.open(Popup::Locked(Box::new(locked)));
    }

    /// Tries again what was kept off.
    pub(super) fn try_again(&mut self, again: Again) -> Vec<Command> {
        match again {
            Again::Load(request, _) => {
                self.status = Some(Status::Told("trying again …".into()));
                self.intend(Intent::Load(request))
            }
            Again::Act(act) => self.ask(act),
        }
    }

    /// Shows at length why a deploy or a destroy failed, where the last line cannot hold it.
    pub(super) fn explain(&mut self, act: &Act, why: &str) {
        let long = why.contains('\n') || why.chars().count() > NARROW;
        // A lock is told of by itself.
        let told = matches!(self.popups.last(), Some(Popup::Locked(_)));
        if long && !told && matches!(act, Act::Deploy(_) | Act::Destroy(_)) {
            self.open(Popup::text(act.words(), why.lines().map(str::to_owned).collect()));
        }
    }
}
