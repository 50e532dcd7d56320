//! What opens over a pane: help, confirmations, questions, details.

pub mod locked;

use crossterm::event::{KeyCode, KeyEvent};
use ratatui::{
    Frame,
    layout::{Position, Rect},
    text::{Line, Span},
    widgets::{Clear, Widget},
};

use super::{
    data::Act,
    keymap::{self, Action, Context},
    theme::Role,
    ui::Ui,
    widgets::{edit::LineEdit, list::Scroll},
};
use crate::{
    backend::{Consent, Effect, Strength, releases::Word},
    text,
};
use locked::{Again, Locked};

/// Something over a pane.
#[derive(Debug, Clone)]
pub enum Popup {
    /// The keys of a context.
    Help {
        /// The context.
        context: Context,
        /// The first row that is seen.
        scroll: Scroll,
    },
    /// Lines to read.
    Text {
        /// The title.
        title: String,
        /// The lines.
        lines: Vec<String>,
        /// The first row that is seen.
        scroll: Scroll,
    },
    /// Whether a change is really meant.
    Confirm {
        /// The change.
        act: Act,
        /// What it will do.
        effect: Effect,
        /// Whether yes is chosen; No is at first.
        yes: bool,
        /// Whether a letter came that is no answer: somebody types, and a `y` in what they type is no yes. Where a name
        /// must be typed: whether Enter came after another.
        stray: bool,
        /// What is typed, where the name must be.
        typed: LineEdit,
    },
    /// A state that somebody else has locked.
    Locked(Box<Locked>),
    /// A value to type.
    Input {
        /// The title.
        title: String,
        /// What is asked, in a sentence.
        hint: String,
        /// What is typed.
        edit: LineEdit,
        /// What it is for.
        purpose: Purpose,
        /// What is wrong with it.
        problem: Option<String>,
    },
}

/// What a typed value is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Purpose {
    /// The new value of a threshold or an alarm.
    SetAlert(String),
    /// A message to a topic.
    Publish(String),
    /// The file to save an object to.
    Save {
        /// The bucket.
        bucket: String,
        /// The key.
        key: String,
        /// The version.
        version: Option<String>,
    },
    /// The file to put into a bucket.
    PutFile {
        /// The bucket.
        bucket: String,
        /// The prefix that its name goes behind.
        prefix: String,
    },
    /// The comment on a decision.
    Decide(Word),
}

/// What a key did to a popup.
#[derive(Debug)]
pub enum Outcome {
    /// It stays.
    Stay,
    /// It is closed.
    Close,
    /// It is closed, and the change is confirmed.
    Act(Act, Consent),
    /// It is closed, and this change is asked for.
    Ask(Act),
    /// It is closed, and what was kept off is tried again.
    Again(Again),
}

impl Popup {
    /// The keys of a context.
    pub fn help(context: Context) -> Self {
        Self::Help { context, scroll: Scroll::default() }
    }

    /// Lines to read.
    pub fn text(title: impl Into<String>, lines: Vec<String>) -> Self {
        Self::Text { title: title.into(), lines, scroll: Scroll::default() }
    }

    /// A confirmation.
    pub fn confirm(act: Act, effect: Effect) -> Self {
        Self::Confirm { act, effect, yes: false, stray: false, typed: LineEdit::default() }
    }

    /// A value to type.
    pub fn input(title: impl Into<String>, hint: impl Into<String>, value: &str, purpose: Purpose) -> Self {
        Self::Input { title: title.into(), hint: hint.into(), edit: LineEdit::new(value), purpose, problem: None }
    }

    /// Takes a key.
    pub fn key(&mut self, key: KeyEvent) -> Outcome {
        if key.code == KeyCode::Esc {
            return Outcome::Close;
        }
        match self {
            Self::Help { scroll, .. } | Self::Text { scroll, .. } => read_key(key, scroll),
            Self::Locked(locked) => locked.key(key),
            Self::Confirm { act, effect, yes, stray, typed } => match &effect.strength {
                Strength::TypeName(name) => {
                    if key.code != KeyCode::Enter {
                        typed.key(key);
                        *stray = false;
                        Outcome::Stay
                    } else if typed.text() == name {
                        Outcome::Act(act.clone(), Consent::Name(name.clone()))
                    } else {
                        *stray = !typed.text().is_empty();
                        Outcome::Stay
                    }
                }
                Strength::Free | Strength::Confirm => match key.code {
                    KeyCode::Char('y' | 'Y') if !*stray => Outcome::Act(act.clone(), Consent::Yes),
                    KeyCode::Left | KeyCode::Right | KeyCode::Tab | KeyCode::BackTab => {
                        *yes = !*yes;
                        Outcome::Stay
                    }
                    KeyCode::Enter if *yes => Outcome::Act(act.clone(), Consent::Yes),
                    KeyCode::Enter => Outcome::Close,
                    KeyCode::Char('n' | 'N' | 'q') if !*stray => Outcome::Close,
                    KeyCode::Char(_) => {
                        *stray = true;
                        Outcome::Stay
                    }
                    _ => Outcome::Stay,
                },
            },
            Self::Input { edit, purpose, problem, .. } => {
                if key.code != KeyCode::Enter {
                    edit.key(key);
                    *problem = None;
                    return Outcome::Stay;
                }
                match purpose.act(edit.text()) {
                    Ok(act) => Outcome::Ask(act),
                    Err(why) => {
                        *problem = Some(why);
                        Outcome::Stay
                    }
                }
            }
        }
    }

    /// Text is pasted.
    pub fn paste(&mut self, pasted: &str) {
        match self {
            Self::Input { edit, .. } => edit.insert(pasted),
            Self::Confirm { typed, effect, .. } if matches!(effect.strength, Strength::TypeName(_)) => {
                typed.insert(pasted);
            }
            _ => {}
        }
    }

    /// Turns the wheel.
    pub fn wheel(&mut self, action: Action) {
        match self {
            Self::Help { scroll, .. } | Self::Text { scroll, .. } => {
                scroll.page(action);
            }
            Self::Confirm { .. } | Self::Input { .. } | Self::Locked(_) => {}
        }
    }

    /// Draws it over `area`.
    pub fn draw(&self, frame: &mut Frame, area: Rect, ui: &Ui) {
        let ui = Ui { covered: false, ..*ui };
        match self {
            Self::Help { context, scroll } => {
                let width = area.width.saturating_sub(2).min(96);
                let rows = help_rows(*context, usize::from(width.saturating_sub(27)));
                let inner = window(frame, area, &ui, "Keys", width, rows.len() as u16);
                for (at, row) in scroll.text(usize::from(inner.height), rows.len()).enumerate() {
                    let Some((keys, help)) = rows.get(row) else { continue };
                    let line = Line::from(vec![
                        ui.span(Role::Key, text::fit(keys, 22)),
                        Span::raw(" "),
                        Span::styled(*help, ui.style(Role::Text)),
                    ]);
                    ui.line(frame.buffer_mut(), inner, at as u16, &line);
                }
            }
            Self::Text { title, lines, scroll } => {
                let widest = lines.iter().take(2000).map(|l| text::width(&text::clean(l))).max().unwrap_or(0);
                // Long lines are wrapped, so the rows are counted as they will be drawn.
                let width = (widest.clamp(30, 120) as u16).min(area.width.saturating_sub(6));
                let cleaned: Vec<String> =
                    lines.iter().flat_map(|l| text::clean_lines(l)).map(std::borrow::Cow::into_owned).collect();
                let rows: Vec<&str> =
                    cleaned.iter().flat_map(|line| text::wrap(line, usize::from(width), 2000)).collect();
                let inner = window(frame, area, &ui, title, width + 4, rows.len() as u16);
                let seen = rows.get(scroll.text(usize::from(inner.height), rows.len())).unwrap_or_default();
                for (at, row) in seen.iter().enumerate() {
                    ui.line(frame.buffer_mut(), inner, at as u16, &Line::from(ui.span(Role::Text, *row)));
                }
            }
            Self::Confirm { effect, yes, stray, typed, .. } => {
                draw_confirm(frame, area, &ui, effect, (*yes, *stray), typed);
            }
            Self::Locked(locked) => locked.draw(frame, area, &ui),
            Self::Input { title, hint, edit, problem, .. } => {
                let inner = window(frame, area, &ui, title, 64, 6);
                let used = ui.paragraph(frame.buffer_mut(), inner, 0, Role::Dim, hint);
                draw_edit(frame, inner, used + 1, &ui, edit);
                let note = problem.as_deref().unwrap_or("Enter: do it   Esc: leave it");
                let role = if problem.is_some() { Role::Error } else { Role::Dim };
                ui.paragraph(frame.buffer_mut(), inner, used + 3, role, note);
            }
        }
    }
}

impl Purpose {
    /// Whether something in the cloud is changed.
    pub fn changes(&self) -> bool {
        !matches!(self, Self::Save { .. })
    }

    /// What it is, in a few words.
    pub fn words(&self) -> String {
        match self {
            Self::SetAlert(name) => format!("set {name}"),
            Self::Publish(topic) => format!("publish to {topic}"),
            Self::Save { bucket, key, .. } => format!("save s3://{bucket}/{key}"),
            Self::PutFile { bucket, .. } => format!("put a file into {bucket}"),
            Self::Decide(word) => Act::Decide(word.clone()).words(),
        }
    }

    fn act(&self, typed: &str) -> Result<Act, String> {
        match self {
            Self::Decide(word) => Ok(Act::Decide(Word { comment: typed.trim().to_owned(), ..word.clone() })),
            Self::SetAlert(name) => match typed.trim().replace([',', '_'], "").parse::<f64>() {
                Ok(value) if value.is_finite() => Ok(Act::SetAlert { name: name.clone(), value }),
                _ => Err(format!("{typed:?} is no number: write 60000 or 0.5")),
            },
            Self::Publish(topic) if !typed.trim().is_empty() => {
                Ok(Act::Publish { topic: topic.clone(), message: typed.to_owned() })
            }
            Self::Publish(_) => Err("a message has some text".to_owned()),
            Self::Save { .. } | Self::PutFile { .. } if typed.trim().is_empty() => Err("a file has a name".to_owned()),
            Self::Save { bucket, key, version } => Ok(Act::SaveObject {
                bucket: bucket.clone(),
                key: key.clone(),
                version: version.clone(),
                file: typed.to_owned(),
            }),
            Self::PutFile { bucket, prefix } => {
                let name = typed.rsplit('/').next().unwrap_or(typed);
                let key = format!("{prefix}{name}");
                Ok(Act::PutFile { bucket: bucket.clone(), key, file: typed.to_owned() })
            }
        }
    }
}

/// The columns of a confirmation.
const CONFIRM: u16 = 64;

fn draw_confirm(frame: &mut Frame, area: Rect, ui: &Ui, effect: &Effect, (yes, stray): (bool, bool), typed: &LineEdit) {
    let hint = match &effect.strength {
        Strength::TypeName(name) => format!("Type {name} to go on:"),
        Strength::Free | Strength::Confirm => String::new(),
    };
    let columns = usize::from(CONFIRM.min(area.width.saturating_sub(2)).saturating_sub(4));
    let wrapped =
        |text: &str| -> usize { text::clean_lines(text).map(|line| text::wrap(&line, columns, 500).len()).sum() };
    let told = wrapped(&effect.sentence);
    // What is asked is seen, however much there is to be told.
    let below = wrapped(&hint) as u16 + 4;
    let rows = (told as u16).saturating_add(below).max(7);
    let inner = window(frame, area, ui, &format!("Confirm: {}", effect.what), CONFIRM, rows);
    let room = Rect { height: inner.height.saturating_sub(below).max(1), ..inner };
    let used = ui.paragraph(frame.buffer_mut(), room, 0, Role::Text, &effect.sentence);
    if told > usize::from(used) && used > 0 {
        let end = Rect { x: inner.right(), y: inner.y + used - 1, width: 1, height: 1 };
        ui.line(frame.buffer_mut(), end, 0, &Line::from(ui.span(Role::Text, "…")));
    }
    if let Strength::TypeName(name) = &effect.strength {
        let right = typed.text() == name;
        let more = ui.paragraph(frame.buffer_mut(), inner, used + 1, Role::Warn, &hint);
        draw_edit(frame, inner, used + more + 1, ui, typed);
        let (role, note) = match (right, stray) {
            (true, _) => (Role::Dim, "Enter: do it   Esc: leave it".to_owned()),
            (false, true) => (Role::Error, format!("that is not {name}   Esc: leave it")),
            (false, false) => (Role::Dim, "Esc: leave it".to_owned()),
        };
        ui.line(frame.buffer_mut(), inner, used + more + 3, &Line::from(ui.span(role, note)));
        return;
    }
    let choice = |chosen: bool, word: &'static str| {
        let role = if chosen { Role::Tab } else { Role::Dim };
        ui.span(role, if chosen { format!("[ {word} ]") } else { format!("  {word}  ") })
    };
    let line = Line::from(vec![choice(!yes, "No"), Span::raw("   "), choice(yes, "Yes")]);
    ui.line(frame.buffer_mut(), inner, used + 1, &line);
    let hint = if stray {
        "Left, Right: choose   Enter: do what is chosen   Esc: no"
    } else {
        "y: yes   n, Esc: no   Left, Right: choose"
    };
    ui.line(frame.buffer_mut(), inner, used + 3, &Line::from(ui.span(Role::Dim, hint)));
}

fn draw_edit(frame: &mut Frame, inner: Rect, row: u16, ui: &Ui, edit: &LineEdit) {
    if row >= inner.height {
        return;
    }
    let (shown, cursor) = edit.view(usize::from(inner.width.saturating_sub(2)));
    let line = Line::from(vec![ui.span(Role::Key, "> "), ui.span(Role::Text, shown)]);
    ui.line(frame.buffer_mut(), inner, row, &line);
    frame.set_cursor_position(Position::new(inner.x + 2 + cursor as u16, inner.y + row));
}

/// A cleared and framed area in the middle, big enough for the content or as big as there is room.
fn window(frame: &mut Frame, area: Rect, ui: &Ui, title: &str, width: u16, rows: u16) -> Rect {
    let width = width.min(area.width.saturating_sub(2));
    let height = rows.saturating_add(2).min(area.height.saturating_sub(2)).max(3).min(area.height);
    let rect = Rect { x: area.x + (area.width - width) / 2, y: area.y + (area.height - height) / 2, width, height };
    Clear.render(rect, frame.buffer_mut());
    let inner = ui.frame(frame, rect, title, true);
    Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), ..inner }
}

/// Keys and what they do, over several rows where it takes them.
fn help_rows(context: Context, width: usize) -> Vec<(String, &'static str)> {
    let mut rows = Vec::new();
    for binding in keymap::of(context) {
        let mut keys = binding.keys.iter().map(|k| keymap::pretty(k)).collect::<Vec<_>>().join(" ");
        for part in text::wrap(binding.help, width, 4) {
            rows.push((std::mem::take(&mut keys), part));
        }
    }
    rows
}

fn read_key(key: KeyEvent, scroll: &mut Scroll) -> Outcome {
    match keymap::lookup(Context::Global, key) {
        Some(Action::Quit | Action::Back | Action::Help | Action::Enter) => return Outcome::Close,
        Some(action) => {
            scroll.page(action);
        }
        None => {}
    }
    Outcome::Stay
}
