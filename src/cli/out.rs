//! Data on stdout as a table, JSON or CSV; everything else on stderr.
//!
//! A table is for a person: numbers are grouped, times are short, text is cleaned of what a terminal would obey. JSON and
//! CSV are for programs: exact values, text as it is.

use std::io::{self, IsTerminal, Write};

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use jiff::Timestamp;
use serde::Serialize;

use super::failure::{Failure, Result};
use crate::{config::Format, text};

/// One value of a table.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// Nothing.
    None,
    /// Text from anywhere.
    Text(String),
    /// A count.
    Count(u64),
    /// A number.
    Number(f64),
    /// A size in bytes.
    Bytes(u64),
    /// A duration in milliseconds.
    Millis(u64),
    /// A time.
    Time(Timestamp),
    /// Yes or no.
    Flag(bool),
}

impl Cell {
    /// Text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// What `make` makes of a value, or nothing.
    pub fn maybe<T>(value: Option<T>, make: impl FnOnce(T) -> Self) -> Self {
        value.map_or(Self::None, make)
    }

    /// For a person.
    fn shown(&self) -> String {
        match self {
            Self::None => "-".into(),
            Self::Text(t) if t.contains('\n') => text::clean_lines(t).collect::<Vec<_>>().join("\n"),
            Self::Text(t) => text::clean(t).into_owned(),
            Self::Count(n) => text::count(*n),
            Self::Number(n) => n.to_string(),
            Self::Bytes(n) => size(*n),
            Self::Millis(n) => duration(*n),
            Self::Time(t) => t.strftime("%Y-%m-%d %H:%M:%S").to_string(),
            Self::Flag(true) => "yes".into(),
            Self::Flag(false) => "no".into(),
        }
    }

    /// For a program.
    fn exact(&self) -> String {
        match self {
            Self::None => String::new(),
            Self::Text(t) => t.clone(),
            Self::Count(n) | Self::Bytes(n) | Self::Millis(n) => n.to_string(),
            Self::Number(n) => n.to_string(),
            Self::Time(t) => t.to_string(),
            Self::Flag(b) => b.to_string(),
        }
    }

    fn right(&self) -> bool {
        matches!(self, Self::Count(_) | Self::Number(_) | Self::Bytes(_) | Self::Millis(_))
    }
}

/// A size for a person.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = "KiB";
    for next in UNITS.iter().skip(1) {
        if value < 1023.95 {
            break;
        }
        value /= 1024.0;
        unit = next;
    }
    format!("{value:.1} {unit}")
}

/// A duration for a person.
pub fn duration(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{:.1} s", ms as f64 / 1000.0),
        60_000..3_600_000 => format!("{} min {} s", ms / 60_000, ms / 1000 % 60),
        _ => format!("{} h {} min", ms / 3_600_000, ms / 60_000 % 60),
    }
}

/// A column of a list: its title, and what it shows of an item.
pub type Column<T> = (&'static str, fn(&T) -> Cell);

/// Where data goes.
#[derive(Debug, Clone, Copy)]
pub struct Out {
    /// How it is printed.
    pub format: Format,
    /// Whether a person sees it.
    pub terminal: bool,
}

impl Out {
    /// The process's own stdout.
    pub fn new(format: Format) -> Self {
        Self { format, terminal: io::stdout().is_terminal() }
    }

    /// A list: a table, an array, or lines with a header. `none` is said (on stderr) where a table would be empty.
    pub fn list<T: Serialize>(self, items: &[T], columns: &[Column<T>], none: &str) -> Result {
        match self.format {
            Format::Json => self.json(&items),
            Format::Table if items.is_empty() => {
                note(none);
                Ok(())
            }
            _ => {
                let titles: Vec<_> = columns.iter().map(|(title, _)| self.title(title)).collect();
                self.rows(&titles, items.iter().map(|i| columns.iter().map(|(_, cell)| cell(i)).collect()))
            }
        }
    }

    /// One thing: its fields one under the other, an object, or lines of field and value.
    pub fn record<T: Serialize>(self, item: &T, fields: Vec<(&str, Cell)>) -> Result {
        match self.format {
            Format::Json => self.json(item),
            Format::Csv => self.rows(
                &["field".into(), "value".into()],
                fields.into_iter().map(|(name, cell)| vec![Cell::Text(self.title(name)), cell]),
            ),
            Format::Table | Format::Markdown => {
                let mut table = plain();
                for (name, cell) in fields {
                    if cell != Cell::None {
                        table.add_row(vec![name.to_owned(), cell.shown()]);
                    }
                }
                self.print(&table)
            }
        }
    }

    /// How a column is called: in capitals for a person, as one word for a program.
    pub fn title(self, title: &str) -> String {
        if self.format == Format::Csv { title.replace(' ', "_") } else { title.to_uppercase() }
    }

    /// Rows under titles as they are, as a table or CSV.
    pub fn rows(self, titles: &[String], rows: impl Iterator<Item = Vec<Cell>>) -> Result {
        if self.format == Format::Csv {
            let mut writer = csv::Writer::from_writer(io::stdout().lock());
            let broken = |e: csv::Error| match e.into_kind() {
                csv::ErrorKind::Io(e) => Failure::output(&e),
                other => Failure::failed(format!("{other:?}")),
            };
            writer.write_record(titles).map_err(broken)?;
            for row in rows {
                writer.write_record(row.iter().map(Cell::exact)).map_err(broken)?;
            }
            return writer.flush().map_err(|e| Failure::output(&e));
        }
        let mut table = plain();
        table.set_header(titles.iter().map(|t| text::clean(t).into_owned()));
        let mut right: Vec<Option<bool>> = vec![None; titles.len()];
        for row in rows {
            for (seen, cell) in right.iter_mut().zip(&row) {
                if *cell != Cell::None {
                    *seen = Some(seen.unwrap_or(true) && cell.right());
                }
            }
            table.add_row(row.iter().map(Cell::shown).collect::<Vec<_>>());
        }
        for (i, right) in right.into_iter().enumerate() {
            if let (Some(true), Some(column)) = (right, table.column_mut(i)) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        self.print(&table)
    }

    /// One JSON document.
    pub fn json<T: Serialize + ?Sized>(self, value: &T) -> Result {
        let text = if self.terminal { serde_json::to_string_pretty(value) } else { serde_json::to_string(value) };
        let text = text.map_err(Failure::failed)?;
        // A terminal obeys what JSON leaves as it is, such as U+009B.
        if self.terminal {
            let lines: Vec<_> = text::clean_lines(&text).collect();
            return self.line(&lines.join("\n"));
        }
        self.line(&text)
    }

    /// One line of CSV, after its header where that is still to come.
    pub fn csv_line<T>(self, columns: &[Column<T>], item: &T, header: bool) -> Result {
        let mut writer = csv::Writer::from_writer(Vec::new());
        if header {
            writer.write_record(columns.iter().map(|(title, _)| self.title(title))).map_err(Failure::failed)?;
        }
        writer.write_record(columns.iter().map(|(_, cell)| cell(item).exact())).map_err(Failure::failed)?;
        self.bytes(&writer.into_inner().map_err(Failure::failed)?)
    }

    /// One line of a stream of JSON documents.
    pub fn json_line<T: Serialize + ?Sized>(self, value: &T) -> Result {
        self.line(&serde_json::to_string(value).map_err(Failure::failed)?)
    }

    /// Lines as they are, written at once.
    pub fn lines(self, lines: impl Iterator<Item = String>) -> Result {
        let mut text = String::new();
        for line in lines {
            text.push_str(&line);
            text.push('\n');
        }
        if text.is_empty() { Ok(()) } else { self.bytes(text.as_bytes()) }
    }

    /// One line (or more) as it is.
    #[expect(clippy::unused_self, reason = "whoever prints data holds an Out")]
    pub fn line(self, text: &str) -> Result {
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())
            .and_then(|()| out.write_all(b"\n"))
            .and_then(|()| out.flush())
            .map_err(|e| Failure::output(&e))
    }

    /// Bytes as they are.
    #[expect(clippy::unused_self, reason = "whoever prints data holds an Out")]
    pub fn bytes(self, bytes: &[u8]) -> Result {
        let mut out = io::stdout().lock();
        out.write_all(bytes).and_then(|()| out.flush()).map_err(|e| Failure::output(&e))
    }

    fn print(self, table: &Table) -> Result {
        let mut table = table.clone();
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        if self.terminal
            && let Ok((width, _)) = crossterm::terminal::size()
            // A terminal that does not know its width has none.
            && width >= 20
        {
            table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
        }
        if table.is_empty() && table.header().is_none() {
            return Ok(());
        }
        self.line(&table.trim_fmt())
    }
}

fn plain() -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table
}

/// Says something on stderr. Nobody may be there to read it, which is no error.
pub fn note(what: &str) {
    let mut err = io::stderr().lock();
    for line in text::clean_lines(what) {
        let _ = writeln!(err, "{line}");
    }
}

/// Says on stderr what went wrong.
pub fn complain(what: &str) {
    let colour = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
    let head = if colour { "\x1b[1;31merror:\x1b[0m " } else { "error: " };
    let mut err = io::stderr().lock();
    for (i, line) in text::clean_lines(what).enumerate() {
        let _ = writeln!(err, "{}{line}", if i == 0 { head } else { "" });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_for_a_person_in_a_table_and_exact_elsewhere() {
        assert_eq!(Cell::Count(1_234_567).shown(), "1,234,567");
        assert_eq!(Cell::Count(1_234_567).exact(), "1234567");
        assert_eq!(Cell::Count(123).shown(), "123");
        assert_eq!(Cell::Bytes(1023).shown(), "1023 B");
        assert_eq!(Cell::Bytes(1536).shown(), "1.5 KiB");
        assert_eq!(Cell::Bytes(1024 * 1024 - 1).shown(), "1.0 MiB");
        assert_eq!(Cell::Bytes(1536).exact(), "1536");
        assert_eq!(Cell::Millis(61_500).shown(), "1 min 1 s");
    }

    #[test]
    fn a_table_obeys_no_text() {
        assert!(!Cell::text("a\x1b[31mb").shown().contains('\x1b'));
        assert_eq!(Cell::text("a\x1b[31mb").exact(), "a\x1b[31mb");
    }
}
