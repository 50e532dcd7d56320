//! Mistakes in a pipeline, shown where they are.

use std::{fmt, ops::Range, sync::Arc};

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet, renderer::DecorStyle};
use serde::Serialize;

use crate::text;

/// At most so many mistakes are reported together.
const MOST: usize = 20;
/// At most so many are counted.
const COUNTED: usize = 200;
/// A longer line is shown in part, in bytes.
const LONG_LINE: usize = 300;

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// The file, as a person would name it.
    pub file: String,
    /// The line, from 1; 0, in JSON null, where the file as a whole is meant.
    #[serde(serialize_with = "place")]
    pub line: usize,
    /// The column in characters, from 1; 0, in JSON null, where the file as a whole is meant.
    #[serde(serialize_with = "place")]
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What would be right.
    pub help: Option<String>,
    /// The line of text; a long one in part. Control characters are replaced.
    pub snippet: String,
    /// The bytes of the snippet that are meant.
    #[serde(skip)]
    pub mark: Range<usize>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde gives it so")]
fn place<S: serde::Serializer>(number: &usize, serializer: S) -> Result<S::Ok, S::Error> {
    Some(*number).filter(|n| *n > 0).serialize(serializer)
}

/// All mistakes that were found, in the order of the file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The mistakes: at least one.
    pub diagnostics: Vec<Diagnostic>,
    /// How many more there are.
    pub more: usize,
}

impl Diagnostic {
    /// A mistake that concerns the file as a whole.
    pub fn whole(file: &str, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            file: clean(file),
            line: 0,
            column: 0,
            message: clean(&message.into()),
            help: Some(clean(&help.into())),
            snippet: String::new(),
            mark: 0..0,
        }
    }

    /// The mistake as text: as a compiler shows it. `colour` puts terminal colours into it.
    pub fn render(&self, colour: bool) -> String {
        let renderer = if colour { Renderer::styled().hyperlink(false) } else { Renderer::plain() };
        let renderer = renderer.decor_style(DecorStyle::Ascii).term_width(120);
        let mut group = Group::with_title(Level::ERROR.primary_title(self.message.as_str()));
        let file = Origin::path(self.file.as_str());
        if self.line == 0 {
            group = group.element(file);
        } else {
            let annotation = AnnotationKind::Primary.span(self.mark.clone());
            let snippet = Snippet::source(self.snippet.as_str()).line_start(self.line).annotation(annotation);
            group = if self.mark_column() == self.column {
                group.element(snippet.path(self.file.as_str()))
            } else {
                // Of a long line there is a part, in which columns count differently.
                group.element(file.line(self.line).char_column(self.column)).element(snippet)
            };
        }
        if let Some(help) = &self.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        renderer.render(&[group])
    }

    fn mark_column(&self) -> usize {
        self.snippet.get(..self.mark.start).map_or(0, |s| s.chars().count()) + 1
    }
}

impl Report {
    /// A report of one mistake.
    pub fn one(diagnostic: Diagnostic) -> Self {
        Self { diagnostics: vec![diagnostic], more: 0 }
    }

    /// All mistakes as text, with an empty line between them. `colour` puts terminal colours into it.
    pub fn render(&self, colour: bool) -> String {
        let mut parts: Vec<String> = self.diagnostics.iter().map(|d| d.render(colour)).collect();
        if self.more > 0 {
            parts.push(format!("and {} more", self.more));
        }
        parts.join("\n\n")
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Report {}

/// Collects mistakes in one file.
pub(super) struct Mistakes {
    file: String,
    source: Arc<str>,
    found: Vec<(Range<usize>, String, String)>,
    /// Those in files that this one names.
    beside: Vec<Diagnostic>,
}

impl Mistakes {
    pub(super) fn new(file: &str, source: Arc<str>) -> Self {
        Self { file: file.to_owned(), source, found: Vec::new(), beside: Vec::new() }
    }

    /// Notes a mistake, once.
    pub(super) fn add(&mut self, at: Range<usize>, message: impl Into<String>, help: impl Into<String>) {
        if self.found.len() == COUNTED {
            return;
        }
        let mistake = (at, clean(&message.into()), clean(&help.into()));
        if !self.found.contains(&mistake) {
            self.found.push(mistake);
        }
    }

    /// Notes a mistake in a file that this one names by its path, once. The place is a line and a column in characters,
    /// from 1; none: the file as a whole is meant.
    #[cfg_attr(not(feature = "local"), allow(dead_code, reason = "only the parser of SQL finds such"))]
    pub(super) fn add_beside(
        &mut self,
        path: &str,
        text: &str,
        place: Option<(u64, u64)>,
        message: impl Into<String>,
        help: &str,
    ) {
        let folder = self.file.rfind('/').map_or("", |end| self.file.get(..=end).unwrap_or_default());
        let (file, message) = (format!("{folder}{path}"), clean(&message.into()));
        let diagnostic = match place {
            Some(place) => {
                let at = offset(text, place);
                let word = text.get(at..).unwrap_or_default();
                let word = word.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(word.len()).max(1);
                locate(&file, text, at..at + word, message, &clean(help))
            }
            None => Diagnostic::whole(&file, message, help),
        };
        if self.beside.len() < COUNTED && !self.beside.contains(&diagnostic) {
            self.beside.push(diagnostic);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.found.is_empty() && self.beside.is_empty()
    }

    pub(super) fn into_report(mut self) -> Report {
        self.found.sort_by_key(|(at, _, _)| (at.start, at.end));
        let more = (self.found.len() + self.beside.len()).saturating_sub(MOST);
        let diagnostics = self
            .found
            .iter()
            .map(|(at, message, help)| locate(&self.file, &self.source, at.clone(), message.clone(), help))
            .chain(self.beside)
            .take(MOST)
            .collect();
        Report { diagnostics, more }
    }
}

/// Where a line and a column, both from 1, are in a text, in bytes.
fn offset(text: &str, (line, column): (u64, u64)) -> usize {
    let lines = usize::try_from(line).unwrap_or(usize::MAX).saturating_sub(1);
    let start: usize = text.split_inclusive('\n').take(lines).map(str::len).sum();
    let columns = usize::try_from(column).unwrap_or(usize::MAX).saturating_sub(1);
    let line = text.get(start..).unwrap_or_default();
    start + line.char_indices().nth(columns).map_or(line.len(), |(at, _)| at)
}

fn locate(file: &str, source: &str, at: Range<usize>, message: String, help: &str) -> Diagnostic {
    // The mark of the byte order before the first line is no part of it.
    let first = if source.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let start = boundary(source, at.start).max(first);
    let before = source.get(..start).unwrap_or_default();
    let line_start = before.rfind('\n').map_or(first, |n| n + 1);
    let text = source.get(line_start..).unwrap_or_default();
    let text = text.split('\n').next().unwrap_or_default().trim_end_matches('\r');
    // What goes on in further lines is marked to the end of the first one.
    let end = boundary(source, at.end).clamp(start, line_start + text.len().max(start - line_start));
    let mut mark = (start - line_start).min(text.len())..(end - line_start).min(text.len());
    let mut snippet = text;
    if text.len() > LONG_LINE {
        let from = boundary(text, mark.start.saturating_sub(LONG_LINE / 3));
        let to = boundary(text, from + LONG_LINE);
        snippet = text.get(from..to).unwrap_or_default();
        mark = (mark.start - from).min(snippet.len())..(mark.end - from).min(snippet.len());
    }
    Diagnostic {
        file: clean(file),
        line: before.matches('\n').count() + 1,
        column: source.get(line_start..start).map_or(0, |s| s.chars().count()) + 1,
        message,
        help: Some(help).filter(|h| !h.is_empty()).map(str::to_owned),
        snippet: clean(snippet),
        mark,
    }
}

/// The last character boundary that is not after `at`.
fn boundary(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// Text with each character that could steer a terminal replaced by one of the same length in bytes.
pub(super) fn clean(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\t' => ' ',
            '\n' => '\n',
            c if c.is_ascii_control() => '?',
            c if c.is_control() => '\u{bf}',
            '\u{61c}' => '\u{bf}',
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' => '\u{fffd}',
            c => c,
        })
        .collect()
}

/// A text as a person would quote it: on one line, a long one in part.
pub(super) fn quote(text: &str) -> String {
    let short: String = text.chars().take(60).map(|c| if c == '\n' { ' ' } else { c }).collect();
    let more = if short.len() < text.len() { "..." } else { "" };
    format!("`{short}{more}`")
}

/// "did you mean `x`?" where one of the known names is near, and what is allowed.
pub(super) fn suggest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>, none: &str) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    if known.is_empty() {
        return none.to_owned();
    }
    let list = known.iter().map(|k| format!("`{k}`")).collect::<Vec<_>>().join(", ");
    match text::nearest(word, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`? There is: {list}"),
        None => format!("there is: {list}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(source: &str, at: Range<usize>) -> Report {
        let mut mistakes = Mistakes::new("pipeline.toml", source.into());
        mistakes.add(at, "wrong", "right");
        mistakes.into_report()
    }

    #[test]
    fn a_mistake_is_shown_where_it_is() {
        let report = report("a = 1\nbuckett = 2\n", 6..13);
        assert_eq!((report.diagnostics[0].line, report.diagnostics[0].column), (2, 1));
        insta::assert_snapshot!(report, @r"
        error: wrong
         --> pipeline.toml:2:1
          |
        2 | buckett = 2
          | ^^^^^^^
          |
          = help: right
        ");
        assert!(report.render(true).contains('\u{1b}'));
    }

    #[test]
    fn columns_count_characters_and_the_end_of_the_text_is_a_place() {
        let all = report("ä = \"ö\"\n", 5..6).diagnostics;
        assert_eq!((all[0].line, all[0].column), (1, 5));
        let all = report("a = 1\n", 6..6).diagnostics;
        assert_eq!((all[0].line, all[0].column, all[0].snippet.as_str()), (2, 1, ""));
        assert!(!report("a = \r\nb", 4..7).to_string().is_empty());
        assert!(!report("ä", 1..900).to_string().is_empty());
    }

    #[test]
    fn nothing_that_steers_a_terminal_comes_through() {
        let source = format!("x = \"\u{1b}[31m\u{202e}\u{9b}\" {}", "y".repeat(10_000));
        let text = report(&source, 4..20).to_string();
        assert!(!text.contains(['\u{1b}', '\u{202e}', '\u{9b}']));
        assert!(text.len() < 2_000, "a long line is cut");
    }

    #[test]
    fn the_mark_of_the_byte_order_is_no_part_of_the_first_line() {
        let all = report("\u{feff}nam = 1\n", 3..6).diagnostics;
        assert_eq!((all[0].line, all[0].column, all[0].snippet.as_str()), (1, 1, "nam = 1"));
    }

    #[test]
    fn a_mistake_in_another_file_is_shown_there() {
        let mut mistakes = Mistakes::new("p/pipeline.toml", "".into());
        assert!(mistakes.is_empty());
        for _ in 0..2 {
            mistakes.add_beside("jobs/a.sql", "select \u{e4},\n  1 fro t", Some((2, 5)), "no", "yes");
        }
        mistakes.add_beside("b.sql", "", None, "no", "yes");
        assert!(!mistakes.is_empty());
        let all = mistakes.into_report();
        let places: Vec<_> = all.diagnostics.iter().map(|d| (d.file.as_str(), d.line, d.column)).collect();
        assert_eq!(places, [("p/jobs/a.sql", 2, 5), ("p/b.sql", 0, 0)]);
        assert_eq!(all.diagnostics[0].mark, 4..7);
        assert!(serde_json::to_value(&all.diagnostics[1]).unwrap()["line"].is_null());
    }
}
