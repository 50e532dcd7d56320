//! Glyphs and their ASCII twins.
//!
//! Panes draw with the glyphs; where a terminal or its font lacks them, the finished frame is translated, one column for
//! one column, so that no layout depends on it. This is also the last fence before the screen: a cell that holds
//! something a terminal would obey does not get past it.

use ratatui::buffer::Buffer;

use crate::text;

/// It is well.
pub const OK: &str = "●";
/// Nothing is there.
pub const NONE: &str = "○";
/// It failed.
pub const FAILED: &str = "✖";
/// It is at work.
pub const RUNNING: &str = "▶";
/// It wants attention.
pub const WARN: &str = "▲";
/// It was stopped.
pub const STOPPED: &str = "■";
/// It waits.
pub const WAITING: &str = "◌";

/// Each glyph that we draw, and what stands for it in ASCII.
const TWINS: &[(char, char)] = &[
    ('●', '*'),
    ('○', 'o'),
    ('✖', 'x'),
    ('▶', '>'),
    ('▸', '>'),
    ('▾', 'v'),
    ('▲', '^'),
    ('◆', 'D'),
    ('■', '#'),
    ('◌', '.'),
    ('…', '~'),
    ('·', '.'),
    ('×', 'x'),
    ('→', '>'),
    ('↓', 'v'),
    ('↑', '^'),
    ('─', '-'),
    ('│', '|'),
    ('╭', '+'),
    ('╮', '+'),
    ('╰', '+'),
    ('╯', '+'),
    ('┌', '+'),
    ('┐', '+'),
    ('└', '+'),
    ('┘', '+'),
    ('├', '+'),
    ('┤', '+'),
    ('┬', '+'),
    ('┴', '+'),
    ('┼', '+'),
    ('▕', '|'),
    ('█', '#'),
    ('▇', '#'),
    ('▆', '*'),
    ('▅', '*'),
    ('▄', '+'),
    ('▃', '-'),
    ('▂', '.'),
    ('▁', '_'),
    ('λ', 'f'),
    ('≋', '~'),
    ('⇣', 'v'),
    ('▤', 'B'),
    ('▥', 'K'),
    ('⚙', 'J'),
    ('⌕', 'C'),
    ('✉', '@'),
    ('◷', 't'),
    ('⌁', '/'),
    ('▦', 'T'),
    ('≣', '='),
    ('?', '?'),
    ('␛', '^'),
    ('␦', '?'),
];

/// Whether the environment speaks of a terminal that can show no more than ASCII.
pub fn ascii_only(var: impl Fn(&str) -> Option<String>) -> bool {
    let has = |name: &str| var(name).filter(|v| !v.is_empty());
    if has("TERM").is_some_and(|t| t == "linux" || t == "dumb" || t.starts_with("vt")) {
        return true;
    }
    match has("LC_ALL").or_else(|| has("LC_CTYPE")).or_else(|| has("LANG")) {
        Some(locale) => {
            let locale = locale.to_ascii_lowercase();
            !(locale.contains("utf-8") || locale.contains("utf8"))
        }
        // Nothing is said: minimal containers and macOS over SSH, whose terminals show Unicode all the same.
        None => false,
    }
}

/// Makes a finished frame fit for the terminal.
pub fn finish(buffer: &mut Buffer, ascii: bool) {
    for cell in &mut buffer.content {
        let symbol = cell.symbol();
        if symbol.len() == 1 && symbol.as_bytes().first().is_some_and(|b| (0x20..0x7f).contains(b)) {
            continue;
        }
        if !text::is_clean(symbol) {
            cell.set_symbol("?");
        } else if ascii && !symbol.is_ascii() {
            let wide = text::width(symbol) > 1;
            let twin = symbol.chars().next().and_then(|c| TWINS.iter().find(|(glyph, _)| *glyph == c));
            let twin = twin.map_or('?', |(_, twin)| *twin);
            cell.set_symbol(if wide { "??" } else { "?" });
            if !wide {
                cell.set_char(twin);
            }
        }
    }
}

/// Glyphs that have a twin, for tests.
#[cfg(test)]
pub fn has_twin(c: char) -> bool {
    c.is_ascii() || TWINS.iter().any(|(glyph, _)| *glyph == c)
}

#[cfg(test)]
mod tests {
    use ratatui::layout::Rect;

    use super::*;

    #[test]
    fn a_twin_takes_the_same_column() {
        for (glyph, twin) in TWINS {
            assert_eq!(text::width(&glyph.to_string()), 1, "{glyph}");
            assert!(twin.is_ascii_graphic());
        }
    }

    #[test]
    fn nothing_but_ascii_is_left() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 12, 1));
        buffer.set_string(0, 0, "● ok ─ 東 é", ratatui::style::Style::new());
        finish(&mut buffer, true);
        let line: String = buffer.content.iter().map(ratatui::buffer::Cell::symbol).collect();
        assert_eq!(line.trim_end(), "* ok - ??  ?");
    }

    #[test]
    fn a_cell_that_a_terminal_would_obey_is_replaced() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 2, 1));
        buffer[(0, 0)].set_symbol("\x1b[2J");
        buffer[(1, 0)].set_symbol("\u{202e}");
        finish(&mut buffer, false);
        assert_eq!(buffer[(0, 0)].symbol(), "?");
        assert_eq!(buffer[(1, 0)].symbol(), "?");
    }

    #[test]
    fn the_locale_decides() {
        let env = |pairs: &'static [(&str, &str)]| {
            move |name: &str| pairs.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned())
        };
        assert!(ascii_only(env(&[("TERM", "linux"), ("LANG", "en_GB.UTF-8")])));
        assert!(ascii_only(env(&[("LC_ALL", "C"), ("LANG", "en_GB.UTF-8")])));
        assert!(!ascii_only(env(&[("LANG", "en_GB.UTF-8")])));
        assert!(!ascii_only(env(&[])));
    }
}
