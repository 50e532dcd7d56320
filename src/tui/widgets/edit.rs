//! A line that is typed.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use unicode_segmentation::UnicodeSegmentation;

use crate::text;

/// A line that is typed, with its cursor.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LineEdit {
    text: String,
    /// Byte offset, at a grapheme's boundary.
    cursor: usize,
}

impl LineEdit {
    /// A line with this text, the cursor behind it.
    pub fn new(text: impl Into<String>) -> Self {
        let text = text.into();
        Self { cursor: text.len(), text }
    }

    /// What is typed.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Takes a key; whether the text has changed.
    pub fn key(&mut self, key: KeyEvent) -> bool {
        let ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('u') if ctrl => self.delete(0, self.cursor),
            KeyCode::Char('k') if ctrl => self.delete(self.cursor, self.text.len()),
            KeyCode::Char('w') if ctrl => {
                let (before, _) = self.split();
                let kept = before.trim_end();
                let start = kept.rfind(char::is_whitespace).map_or(0, |at| at + 1);
                self.delete(start, self.cursor)
            }
            KeyCode::Char('a') if ctrl => self.to(0),
            KeyCode::Char('e') if ctrl => self.to(self.text.len()),
            KeyCode::Char(c) if !ctrl && !key.modifiers.contains(KeyModifiers::ALT) => {
                self.insert(c.encode_utf8(&mut [0; 4]));
                true
            }
            KeyCode::Backspace => {
                let start = self.split().0.grapheme_indices(true).next_back().map_or(0, |(at, _)| at);
                self.delete(start, self.cursor)
            }
            KeyCode::Delete => {
                let next = self.split().1.graphemes(true).next().map_or(0, str::len);
                self.delete(self.cursor, self.cursor + next)
            }
            KeyCode::Left => {
                let before = self.split().0.grapheme_indices(true).next_back().map_or(0, |(at, _)| at);
                self.to(before)
            }
            KeyCode::Right => {
                let next = self.split().1.graphemes(true).next().map_or(0, str::len);
                self.to(self.cursor + next)
            }
            KeyCode::Home => self.to(0),
            KeyCode::End => self.to(self.text.len()),
            _ => false,
        }
    }

    /// Puts text in at the cursor, cleaned, as one line.
    pub fn insert(&mut self, text: &str) {
        let text = text::clean_lines(text).collect::<Vec<_>>().join(" ");
        let (before, after) = self.split();
        let joined = format!("{before}{text}{after}");
        self.cursor = before.len() + text.len();
        self.text = joined;
    }

    /// The visible part for so many columns, and the cursor's column in it.
    pub fn view(&self, columns: usize) -> (&str, usize) {
        let (before, _) = self.split();
        let at = text::width(before);
        let skip = (at + 1).saturating_sub(columns);
        (text::window(&self.text, skip, columns), at - skip)
    }

    fn split(&self) -> (&str, &str) {
        self.text.split_at_checked(self.cursor).unwrap_or((&self.text, ""))
    }

    fn to(&mut self, at: usize) -> bool {
        self.cursor = at;
        false
    }

    fn delete(&mut self, from: usize, to: usize) -> bool {
        let changed = from < to;
        if changed && self.text.is_char_boundary(from) && self.text.is_char_boundary(to) {
            self.text.replace_range(from..to, "");
            self.cursor = from;
        }
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(edit: &mut LineEdit, code: KeyCode, modifiers: KeyModifiers) {
        edit.key(KeyEvent::new(code, modifiers));
    }

    #[test]
    fn it_edits() {
        let mut edit = LineEdit::new("one twé");
        press(&mut edit, KeyCode::Backspace, KeyModifiers::NONE);
        press(&mut edit, KeyCode::Char('o'), KeyModifiers::NONE);
        assert_eq!(edit.text(), "one two");
        press(&mut edit, KeyCode::Char('w'), KeyModifiers::CONTROL);
        assert_eq!(edit.text(), "one ");
        press(&mut edit, KeyCode::Home, KeyModifiers::NONE);
        press(&mut edit, KeyCode::Delete, KeyModifiers::NONE);
        assert_eq!(edit.text(), "ne ");
        edit.insert("a\x1b[2J\nb");
        assert_eq!(edit.text(), "a␛ bne ");
        press(&mut edit, KeyCode::Char('u'), KeyModifiers::CONTROL);
        assert_eq!(edit.text(), "ne ");
    }

    #[test]
    fn a_long_line_scrolls() {
        let edit = LineEdit::new("0123456789");
        assert_eq!(edit.view(5), ("6789", 4));
        assert_eq!(edit.view(20), ("0123456789", 10));
    }
}
