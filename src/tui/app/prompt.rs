//! What is typed in the last line: filters, and commands with their past and completion.

use crossterm::event::{KeyCode, KeyEvent};

use super::{
    super::{
        command::Command, commands, data::Target, keymap::Action, panes::Intent, theme::Theme, widgets::edit::LineEdit,
    },
    App, Phase, Status, Typing,
};

/// Lines of the command line's past that are kept.
const REMEMBERED: usize = 100;

impl App {
    pub(super) fn typing_key(&mut self, key: KeyEvent) -> Vec<Command> {
        match self.typing.take() {
            Some(Typing::Filter(mut edit, before)) => match key.code {
                KeyCode::Enter => Vec::new(),
                KeyCode::Esc => self.pane(|pane, cx| pane.filter(&before, cx)),
                KeyCode::Backspace if edit.text().is_empty() => Vec::new(),
                // The list can be walked while the filter is typed.
                KeyCode::Up | KeyCode::Down => {
                    self.typing = Some(Typing::Filter(edit, before));
                    let action = if key.code == KeyCode::Up { Action::Up } else { Action::Down };
                    self.pane(|pane, cx| _ = pane.action(action, cx))
                }
                _ => {
                    let changed = edit.key(key);
                    let text = edit.text().to_owned();
                    self.typing = Some(Typing::Filter(edit, before));
                    if changed { self.pane(|pane, cx| pane.filter(&text, cx)) } else { Vec::new() }
                }
            },
            Some(Typing::Command { edit, past, completions }) => self.command_key(key, edit, past, completions),
            None => Vec::new(),
        }
    }

    fn command_key(
        &mut self,
        key: KeyEvent,
        mut edit: LineEdit,
        past: Option<usize>,
        completions: Option<(Vec<String>, usize)>,
    ) -> Vec<Command> {
        match key.code {
            KeyCode::Esc => {}
            KeyCode::Backspace if edit.text().is_empty() => {}
            KeyCode::Enter => return self.run_line(edit.text()),
            KeyCode::Tab | KeyCode::BackTab => {
                let (all, at) = match completions {
                    Some((all, at)) if !all.is_empty() => {
                        let step = if key.code == KeyCode::Tab { 1 } else { all.len() - 1 };
                        let at = (at + step) % all.len();
                        (all, at)
                    }
                    _ => {
                        let panes = &self.panes;
                        let profiles = &self.profiles;
                        let names = |command: &str| match command {
                            "profile" => profiles.clone(),
                            _ => panes.names(command),
                        };
                        (commands::complete(edit.text(), &names), 0)
                    }
                };
                match all.get(at).cloned() {
                    Some(line) => {
                        let line = if all.len() == 1 && !line.contains(' ') { line + " " } else { line };
                        self.typing =
                            Some(Typing::Command { edit: LineEdit::new(line), past, completions: Some((all, at)) });
                    }
                    None => self.typing = Some(Typing::Command { edit, past, completions: None }),
                }
            }
            KeyCode::Up | KeyCode::Down => {
                let past = match (key.code, past) {
                    (KeyCode::Up, None) => Some(0),
                    (KeyCode::Up, Some(n)) => Some((n + 1).min(self.remembered.len().saturating_sub(1))),
                    (_, None | Some(0)) => None,
                    (_, Some(n)) => Some(n - 1),
                };
                let line = past.and_then(|n| self.remembered.iter().rev().nth(n)).cloned().unwrap_or_default();
                self.typing = Some(Typing::Command { edit: LineEdit::new(line), past, completions: None });
            }
            _ => {
                edit.key(key);
                // The names that Tab is to complete are read while they are typed.
                let word = edit.text().split_once(' ').map(|(word, _)| word);
                let unread = word
                    .filter(|_| key.code == KeyCode::Char(' '))
                    .and_then(|word| commands::parse(word).ok())
                    .and_then(|(command, _)| self.panes.nameless(command));
                self.typing = Some(Typing::Command { edit, past, completions: None });
                if let Some(pane) = unread {
                    return self.pane_at(pane, |pane, cx| pane.refresh(cx));
                }
            }
        }
        Vec::new()
    }

    /// Does what was typed behind the colon.
    fn run_line(&mut self, line: &str) -> Vec<Command> {
        if line.trim().is_empty() {
            return Vec::new();
        }
        self.remembered.push(line.to_owned());
        if self.remembered.len() > REMEMBERED {
            self.remembered.remove(0);
        }
        let (command, argument) = match commands::parse(line) {
            Ok(parsed) => parsed,
            Err(why) => {
                self.status = Some(Status::Failed(why));
                return Vec::new();
            }
        };
        let some = |target: fn(String) -> Target| (!argument.is_empty()).then(|| target(argument.to_owned()));
        let (pane, target) = match command {
            "quit" => return self.quit(),
            "help" => return self.action(Action::Help),
            "refresh" => return self.action(Action::Refresh),
            "theme" => {
                match Theme::load(argument, self.depth) {
                    Ok(theme) => self.theme = theme,
                    Err(why) => self.status = Some(Status::Failed(why)),
                }
                return Vec::new();
            }
            "profile" | "region" | "role" => return self.switch(command, argument),
            _ if self.phase != Phase::Open => return Vec::new(),
            "deploy" if !argument.is_empty() => return self.intend(Intent::Deploy(argument.to_owned())),
            "overview" => (1, some(Target::Pipeline)),
            "buckets" => (2, some(Target::Bucket)),
            "jobs" => (3, some(Target::Job)),
            "logs" => (4, some(Target::LogGroup)),
            "insights" => (4, some(Target::Insights)),
            "alerts" => (5, some(Target::Alert)),
            "query" => (6, some(Target::Sql)),
            _ => (7, None),
        };
        match target {
            Some(target) => self.go(&target),
            None => self.show(pane),
        }
    }
}
