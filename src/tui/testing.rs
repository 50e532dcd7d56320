//! A console without a terminal: keys go in, what it asks for is answered from fixed data, the screen comes out.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use jiff::Timestamp;
use ratatui::{Terminal, backend::TestBackend, buffer::Buffer};

use super::{
    app::{App, Options},
    command::Command,
    data::{Act, Data, Request, Session},
    msg::Msg,
    theme::{Depth, Theme},
    view::view,
};
use crate::backend::Consent;

/// A moment of the fixed data: 2026-11-20 14:00:00 UTC, `seconds` later.
pub fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_795_183_200 + seconds).expect("a time")
}

/// Answers what the console asks for.
pub type Answer = Box<dyn Fn(&Request) -> Result<Data, String>>;

/// A console without a terminal.
pub struct Console {
    pub app: App,
    pub ascii: bool,
    answer: Answer,
    /// Reads that were answered, and the others that were not.
    pub asked: Vec<Request>,
    /// Changes that were asked for.
    pub acts: Vec<(Act, Consent)>,
    /// Whether it wants to end.
    pub quit: bool,
    /// Whether reads are left unanswered.
    pub hang: bool,
    /// Reads that were left unanswered, with their generations.
    pub unanswered: Vec<(Request, u64)>,
    /// Backends that were asked for.
    pub opens: Vec<Command>,
}

impl Console {
    /// An open console on fixed data.
    pub fn open(answer: Answer) -> Self {
        let mut console = Self::closed(answer, Depth::None);
        let session = Session {
            cloud: "local".into(),
            env: "dev".into(),
            identity: "ada /home/ada/.local/state/pumphouse".into(),
            read_only: false,
            protected: false,
            speed: 1.0,
            login: None,
            prices: crate::backend::Prices::default(),
            workgroup: None,
        };
        console.send(Msg::Opened(Ok(session)));
        console
    }

    /// A console that waits for its backend.
    pub fn closed(answer: Answer, depth: Depth) -> Self {
        let theme = Theme::load("calm", depth).expect("a theme");
        let app = App::new(&Options::default(), theme, depth);
        Self {
            app,
            ascii: false,
            answer,
            asked: vec![],
            acts: vec![],
            quit: false,
            hang: false,
            unanswered: vec![],
            opens: vec![],
        }
    }

    /// Something happens; what follows from it is answered.
    pub fn send(&mut self, msg: Msg) {
        let mut todo = self.app.update(msg);
        while !todo.is_empty() {
            let mut next = Vec::new();
            for command in todo {
                match command {
                    Command::Load { request, generation } => {
                        self.asked.push(request.clone());
                        if self.hang {
                            self.unanswered.push((request, generation));
                        } else {
                            let result = (self.answer)(&request);
                            next.extend(self.app.update(Msg::Loaded { request, generation, result, now: at(0) }));
                        }
                    }
                    Command::Search { snapshot, needle, from, generation } => {
                        let found = snapshot.search(&needle, from);
                        next.extend(self.app.update(Msg::Searched { generation, upto: snapshot.end(), found }));
                    }
                    Command::Filter(sieve) => {
                        if let Some((generation, found)) = sieve.run() {
                            next.extend(self.app.update(Msg::Filtered { generation, found }));
                        }
                    }
                    Command::Act { act, consent } => self.acts.push((act, consent)),
                    Command::Quit => self.quit = true,
                    Command::Open(_) | Command::Switch(_) => self.opens.push(command),
                    Command::Cancel(_)
                    | Command::Forget
                    | Command::Judge(_)
                    | Command::Pause { .. }
                    | Command::Suspend
                    | Command::Redraw => {}
                }
            }
            todo = next;
        }
    }

    /// Presses keys: letters stand for themselves, others as `<enter>`, `<ctrl-c>`, `<lt>` for `<`.
    pub fn keys(&mut self, keys: &str) -> &mut Self {
        let mut rest = keys;
        while let Some(c) = rest.chars().next() {
            let (name, after) = if c == '<' {
                let (name, after) = rest[1..].split_once('>').expect("a closing >");
                (name.to_owned(), after)
            } else {
                (c.to_string(), &rest[c.len_utf8()..])
            };
            rest = after;
            self.send(Msg::Key(key(&name)));
        }
        self
    }

    /// The screen with its colours.
    pub fn buffer(&self, width: u16, height: u16) -> Buffer {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a terminal");
        terminal.draw(|frame| view(&self.app, frame, self.ascii)).expect("a frame");
        terminal.backend().buffer().clone()
    }

    /// The screen.
    pub fn screen(&self, width: u16, height: u16) -> String {
        let buffer = self.buffer(width, height);
        let mut out = String::new();
        for row in buffer.content.chunks(usize::from(width)) {
            let mut line = String::new();
            let mut hidden = 0;
            for cell in row {
                // Cells behind a wide character are not seen.
                if hidden == 0 {
                    line.push_str(cell.symbol());
                    hidden = crate::text::width(cell.symbol()).max(1);
                }
                hidden -= 1;
            }
            out += line.trim_end();
            out.push('\n');
        }
        out
    }
}

fn key(name: &str) -> KeyEvent {
    let (mut modifiers, mut base) = (KeyModifiers::NONE, name);
    for (prefix, modifier) in
        [("ctrl-", KeyModifiers::CONTROL), ("alt-", KeyModifiers::ALT), ("shift-", KeyModifiers::SHIFT)]
    {
        if let Some(rest) = base.strip_prefix(prefix) {
            modifiers |= modifier;
            base = rest;
        }
    }
    let code = match base {
        "enter" => KeyCode::Enter,
        "esc" => KeyCode::Esc,
        "tab" if modifiers.contains(KeyModifiers::SHIFT) => KeyCode::BackTab,
        "tab" => KeyCode::Tab,
        "up" => KeyCode::Up,
        "down" => KeyCode::Down,
        "left" => KeyCode::Left,
        "right" => KeyCode::Right,
        "home" => KeyCode::Home,
        "end" => KeyCode::End,
        "pageup" => KeyCode::PageUp,
        "pagedown" => KeyCode::PageDown,
        "backspace" => KeyCode::Backspace,
        "f5" => KeyCode::F(5),
        "lt" => KeyCode::Char('<'),
        "space" => KeyCode::Char(' '),
        one if one.chars().count() == 1 => KeyCode::Char(one.chars().next().expect("one")),
        other => panic!("no key {other:?}"),
    };
    KeyEvent::new(code, modifiers)
}
