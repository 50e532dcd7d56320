//! The editor for SQL.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::{
    Frame,
    layout::Rect,
    style::{Modifier, Style},
    widgets::Widget,
};
use ratatui_textarea::{Input, Key, TextArea};

use super::QueriesPane;
use crate::{
    text,
    tui::{theme::Role, ui::Ui},
};

pub(super) fn input(key: KeyEvent) -> Input {
    let code = match key.code {
        KeyCode::Char(c) => Key::Char(c),
        KeyCode::Backspace => Key::Backspace,
        KeyCode::Enter => Key::Enter,
        KeyCode::Left => Key::Left,
        KeyCode::Right => Key::Right,
        KeyCode::Up => Key::Up,
        KeyCode::Down => Key::Down,
        KeyCode::Tab => Key::Tab,
        KeyCode::Delete => Key::Delete,
        KeyCode::Home => Key::Home,
        KeyCode::End => Key::End,
        KeyCode::PageUp => Key::PageUp,
        KeyCode::PageDown => Key::PageDown,
        _ => Key::Null,
    };
    Input {
        key: code,
        ctrl: key.modifiers.contains(KeyModifiers::CONTROL),
        alt: key.modifiers.contains(KeyModifiers::ALT),
        shift: key.modifiers.contains(KeyModifiers::SHIFT),
    }
}

impl QueriesPane {
    pub(super) fn sql(&self) -> String {
        self.editor.lines().join("\n")
    }

    pub(super) fn put(&mut self, sql: &str) {
        let lines: Vec<String> = text::clean_lines(sql).map(std::borrow::Cow::into_owned).collect();
        self.editor = TextArea::new(lines);
        self.editor.move_cursor(ratatui_textarea::CursorMove::Bottom);
        self.editor.move_cursor(ratatui_textarea::CursorMove::End);
    }

    pub(super) fn draw_editor(&self, frame: &mut Frame, area: Rect, ui: &Ui) {
        let database = self.database.as_deref().unwrap_or("none");
        let mode = if self.typing { " · typing" } else { "" };
        let workgroup = self.workgroup.as_ref().map(|w| format!(" · workgroup {w}")).unwrap_or_default();
        let title = format!("SQL · database {database}{workgroup}{mode}");
        let inner = ui.frame(frame, area, &title, self.focus == 1);
        if self.editor.is_empty() && !self.typing {
            let hint = "Enter begins to type, Esc ends it, F5 or Alt-Enter runs it; h shows saved and past queries";
            ui.paragraph(frame.buffer_mut(), inner, 0, Role::Dim, hint);
            return;
        }
        let mut editor = self.editor.clone();
        editor.set_style(ui.style(Role::Text));
        editor.set_cursor_line_style(Style::new());
        let cursor =
            if self.typing && !ui.covered { Style::new().add_modifier(Modifier::REVERSED) } else { Style::new() };
        editor.set_cursor_style(cursor);
        (&editor).render(inner, frame.buffer_mut());
    }
}
