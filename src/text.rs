//! Text that comes from outside: cleaned here, in one place, before it reaches the screen or a file.
//!
//! A log line, a key name or a cell of a query may hold terminal escapes, bidirectional controls, invisible characters,
//! NUL or invalid UTF-8. What [`clean`] returns holds none of them: colours are dropped without a trace, as they mean
//! nothing here; everything else that a terminal would obey or hide becomes one visible symbol.

mod nearest;
mod numbers;

use std::borrow::Cow;

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

pub use nearest::nearest;
pub use numbers::{count, plural};

/// Stands for an escape sequence.
const ESCAPE: char = '␛';
/// Stands for a character that is invisible, or that changes the direction of the text.
const HIDDEN: char = '␦';
/// Columns between tab stops.
const TAB: usize = 4;
/// Combining marks that one character may carry; more are dropped.
const MARKS: u8 = 3;

/// Cleans one line: the result holds no control, bidirectional or invisible character.
///
/// Text that is clean already, as nearly all is, comes back borrowed. A newline becomes a visible `␊`; split text of
/// many lines with [`clean_lines`].
pub fn clean(text: &str) -> Cow<'_, str> {
    if is_plain(text) || is_clean(text) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(scrub(text.as_bytes()))
}

/// Cleans text of many lines, a line at a time. A carriage return at a line's end belongs to the end.
pub fn clean_lines(text: &str) -> impl Iterator<Item = Cow<'_, str>> {
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.split('\n').map(|line| clean(line.strip_suffix('\r').unwrap_or(line)))
}

/// Whether text is nothing but printable ASCII, which is cheap to find out: one clean line.
pub fn is_plain(text: &str) -> bool {
    text.bytes().all(|b| (0x20..0x7f).contains(&b))
}

/// Whether text can be shown as it is.
pub fn is_clean(text: &str) -> bool {
    let mut marks = 0;
    text.chars().all(|c| {
        if c.is_ascii() {
            marks = 0;
            return !c.is_ascii_control();
        }
        if !c.is_control() && c.width() == Some(0) {
            marks += 1;
        } else {
            marks = 0;
        }
        !c.is_control() && !hidden(c) && marks <= MARKS
    })
}

/// Whether a character is invisible or changes the direction of text, though it is no control character.
fn hidden(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
        | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

fn scrub(bytes: &[u8]) -> String {
    let mut scrubber = Scrubber { out: String::with_capacity(bytes.len()), ..Scrubber::default() };
    let mut parser = vte::Parser::new();
    parser.advance(&mut scrubber, bytes);
    // A sequence that never ends would hide what follows: if a plain letter is swallowed, one is open.
    scrubber.probe = Some(false);
    parser.advance(&mut scrubber, b"X");
    if scrubber.probe == Some(false) {
        scrubber.out.push(ESCAPE);
    }
    scrubber.out
}

#[derive(Default)]
struct Scrubber {
    out: String,
    column: usize,
    marks: u8,
    /// Set at the end: whether a plain letter came through.
    probe: Option<bool>,
}

impl Scrubber {
    fn push(&mut self, c: char) {
        if self.probe.is_none() {
            self.out.push(c);
            self.column += 1;
            self.marks = 0;
        }
    }
}

impl vte::Perform for Scrubber {
    fn print(&mut self, c: char) {
        if let Some(seen) = &mut self.probe {
            *seen |= c == 'X';
            return;
        }
        if c.is_control() {
            self.execute(u8::try_from(u32::from(c)).unwrap_or(0x1b));
        } else if hidden(c) {
            // Variation selectors only choose between shapes of what is there.
            if !('\u{fe00}'..='\u{fe0f}').contains(&c) {
                self.push(HIDDEN);
            }
        } else if c.width() == Some(0) {
            if self.marks < MARKS {
                self.marks += 1;
                self.out.push(c);
            }
        } else {
            self.push(c);
        }
    }

    fn execute(&mut self, byte: u8) {
        match byte {
            b'\t' => {
                let spaces = TAB - self.column % TAB;
                (0..spaces).for_each(|_| self.push(' '));
            }
            // U+2400 to U+2421 are pictures of the control characters.
            0..=0x1f => self.push(char::from_u32(0x2400 + u32::from(byte)).unwrap_or(ESCAPE)),
            0x7f => self.push('␡'),
            _ => self.push(ESCAPE),
        }
    }

    fn csi_dispatch(&mut self, _: &vte::Params, intermediates: &[u8], _: bool, action: char) {
        if !(action == 'm' && intermediates.is_empty()) {
            self.push(ESCAPE);
        }
    }

    fn osc_dispatch(&mut self, _: &[&[u8]], _: bool) {
        self.push(ESCAPE);
    }

    fn hook(&mut self, _: &vte::Params, _: &[u8], _: bool, _: char) {
        self.push(ESCAPE);
    }

    fn esc_dispatch(&mut self, _: &[u8], _: bool, byte: u8) {
        // `ESC \` ends a sequence that has its symbol already.
        if byte != b'\\' {
            self.push(ESCAPE);
        }
    }
}

/// Columns that text takes.
pub fn width(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { UnicodeWidthStr::width(text) }
}

/// Cuts text to at most `columns`, with an ellipsis where something was cut, never through a grapheme.
pub fn truncate(text: &str, columns: usize) -> Cow<'_, str> {
    if text.len() <= columns && text.is_ascii() {
        return Cow::Borrowed(text);
    }
    let window = window(text, 0, columns);
    if window.len() == text.len() {
        return Cow::Borrowed(text);
    }
    if columns == 0 {
        return Cow::Borrowed("");
    }
    Cow::Owned(format!("{}…", self::window(text, 0, columns - 1)))
}

/// Cuts a name to at most `columns` in its middle: it keeps whose it is, and more of its end, which tells it from others.
pub fn truncate_middle(text: &str, columns: usize) -> Cow<'_, str> {
    if width(text) <= columns {
        return Cow::Borrowed(text);
    }
    let head = window(text, 0, columns / 5);
    let tail = truncate_start(text, columns.saturating_sub(width(head)));
    Cow::Owned(format!("{head}{tail}"))
}

/// Cuts text to at most `columns` at its beginning: the end of a name often tells more.
pub fn truncate_start(text: &str, columns: usize) -> Cow<'_, str> {
    match width(text).checked_sub(columns) {
        None | Some(0) => Cow::Borrowed(text),
        Some(_) if columns == 0 => Cow::Borrowed(""),
        Some(over) => {
            let mut tail = window(text, over + 1, columns);
            // A wide character at the cut may leave one column too many.
            if width(tail) > columns - 1 {
                tail = window(tail, 1, columns - 1);
            }
            Cow::Owned(format!("…{tail}"))
        }
    }
}

/// The part of text that is seen through a window of `columns` after the first `skip` columns are scrolled away.
///
/// Costs what lies before the window's end, not the length of the text.
pub fn window(text: &str, skip: usize, columns: usize) -> &str {
    // ASCII up to the window's end is the common case, and needs no segmentation.
    let end = skip.saturating_add(columns);
    let probe = text.as_bytes().get(..end.saturating_add(1).min(text.len())).unwrap_or_default();
    if probe.is_ascii() {
        return text.get(skip.min(text.len())..end.min(text.len())).unwrap_or_default();
    }
    let (mut column, mut start, mut stop) = (0, None, text.len());
    for (at, grapheme) in text.grapheme_indices(true) {
        let next = column + width(grapheme);
        if start.is_none() && column >= skip {
            start = Some((at, column));
        }
        if let Some((_, first)) = start
            && next - first > columns
        {
            stop = at;
            break;
        }
        column = next;
    }
    start.and_then(|(at, _)| text.get(at..stop.max(at))).unwrap_or_default()
}

/// Text in exactly `columns`: cut or filled with spaces on the right.
pub fn fit(text: &str, columns: usize) -> String {
    let cut = truncate(text, columns);
    let missing = columns.saturating_sub(width(&cut));
    let mut out = cut.into_owned();
    out.extend(std::iter::repeat_n(' ', missing));
    out
}

/// Breaks text into rows of at most `columns`, at spaces where there are some, and at most `rows` of them.
pub fn wrap(text: &str, columns: usize, rows: usize) -> Vec<&str> {
    let columns = columns.max(1);
    let mut out = Vec::new();
    let mut rest = text;
    while out.len() < rows {
        let mut row = window(rest, 0, columns);
        if row.is_empty() && !rest.is_empty() {
            // One grapheme that is wider than the row.
            row = rest.graphemes(true).next().unwrap_or(rest);
        }
        if row.len() < rest.len()
            && !rest.get(row.len()..).is_some_and(|r| r.starts_with(' '))
            && let Some(space) = row.rfind(' ')
            && space > row.len() / 2
        {
            row = row.get(..space).unwrap_or(row);
        }
        out.push(row);
        rest = rest.get(row.len()..).unwrap_or_default();
        rest = rest.strip_prefix(' ').unwrap_or(rest);
        if rest.is_empty() {
            break;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn plain_text_is_borrowed() {
        assert!(matches!(clean("GET /prices 200"), Cow::Borrowed(_)));
        assert!(matches!(clean("Zürich 東京"), Cow::Borrowed(_)));
    }

    #[test]
    fn colours_vanish_and_everything_else_becomes_a_symbol() {
        assert_eq!(clean("\x1b[31mred\x1b[0m"), "red");
        assert_eq!(clean("\x1b[2Jgone"), "␛gone");
        assert_eq!(clean("a\x1b]0;title\x07b"), "a␛b");
        assert_eq!(clean("a\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\"), "a␛link␛");
        assert_eq!(clean("a\x1bPq#0\x1b\\b"), "a␛b");
        assert_eq!(clean("nul\0 bell\x07 del\x7f"), "nul␀ bell␇ del␡");
        assert_eq!(clean("\u{9b}31m"), "␛31m");
        assert_eq!(clean("a\tb"), "a   b");
        assert_eq!(clean("a\nb\r"), "a␊b␍");
    }

    #[test]
    fn an_open_sequence_is_seen() {
        assert_eq!(clean("x\x1b]0;never closed"), "x␛");
        assert_eq!(clean("x\x1b["), "x␛");
        assert_eq!(clean("x\x1b"), "x␛");
    }

    #[test]
    fn direction_and_invisible_characters_are_seen() {
        assert_eq!(clean("user\u{202e}txt.exe"), "user␦txt.exe");
        assert_eq!(clean("a\u{200b}b\u{feff}"), "a␦b␦");
        assert_eq!(clean("❤\u{fe0f}"), "❤");
        let zalgo = format!("e{}", "\u{301}".repeat(50));
        assert_eq!(clean(&zalgo).chars().count(), 4);
    }

    #[test]
    fn lines_lose_their_carriage_returns() {
        assert_eq!(clean_lines("a\r\nb\n").collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn truncation_keeps_graphemes_whole() {
        assert_eq!(truncate("hello", 5), "hello");
        assert_eq!(truncate("hello!", 5), "hell…");
        assert_eq!(truncate("東京都", 5), "東京…");
        assert_eq!(truncate("東京都", 4), "東…");
        assert_eq!(truncate("x", 0), "");
        assert_eq!(truncate_start("hello!", 5), "…llo!");
        assert_eq!(truncate_middle("crypto-stream-dev-clean_prices", 20), "cryp…ev-clean_prices");
        assert_eq!(truncate_middle("crypto", 6), "crypto");
        assert_eq!(truncate_middle("東京都東京都東京都", 10), "東…東京都");
        assert_eq!(truncate_start("東京都", 5), "…京都");
        assert_eq!(window("abcdef", 2, 3), "cde");
        assert_eq!(window("東京都", 1, 4), "京都");
        assert_eq!(fit("ab", 4), "ab  ");
    }

    #[test]
    fn wrapping_prefers_spaces() {
        assert_eq!(wrap("one two three", 8, 9), ["one two", "three"]);
        assert_eq!(wrap("abcdefgh", 3, 2), ["abc", "def"]);
        assert_eq!(wrap("", 3, 2), [""]);
    }

    proptest! {
        #[test]
        fn nothing_dangerous_comes_through(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let out = clean(&String::from_utf8_lossy(&bytes)).into_owned();
            prop_assert!(is_clean(&out), "{out:?}");
            prop_assert!(!out.chars().any(|c| c.is_control() || hidden(c)));
        }

        #[test]
        fn nothing_dangerous_comes_through_text(text in "[\\PC\\x00-\\x1f\\u{80}-\\u{9f}\\u{200b}-\\u{202e}\\x1b\\[\\]]{0,80}") {
            let out = clean(&text);
            prop_assert!(is_clean(&out), "{out:?}");
            prop_assert_eq!(clean(&out), out.clone());
        }

        #[test]
        fn cuts_fit(text in "\\PC{0,40}", columns in 0usize..30, skip in 0usize..30) {
            let text = clean(&text);
            prop_assert!(width(&truncate(&text, columns)) <= columns);
            prop_assert!(width(&truncate_start(&text, columns)) <= columns);
            prop_assert!(width(&truncate_middle(&text, columns)) <= columns);
            prop_assert!(width(window(&text, skip, columns)) <= columns);
            for row in wrap(&text, columns.max(2), 50) {
                // A grapheme that is wider than the row stands alone.
                prop_assert!(width(row) <= columns.max(2) || row.graphemes(true).count() == 1);
            }
        }
    }
}
