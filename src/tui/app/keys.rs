//! What keys and pasted text do, before a pane is asked.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::{
    super::{
        command::Command,
        keymap::{self, Action},
        panes::Pane,
        popups::{Outcome, Popup},
        widgets::edit::LineEdit,
    },
    App, Phase, Status, Typing,
};
use crate::text;

impl App {
    pub(super) fn paste(&mut self, pasted: &str) -> Vec<Command> {
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

    pub(super) fn key(&mut self, key: KeyEvent) -> Vec<Command> {
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
                Outcome::Again(again) => {
                    self.popups.pop();
                    self.try_again(again)
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

    pub(super) fn quit(&mut self) -> Vec<Command> {
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

    pub(super) fn action(&mut self, action: Action) -> Vec<Command> {
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
}
