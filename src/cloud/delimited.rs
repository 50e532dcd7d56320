//! Rows of text: separated values, and tables in pipes. One way to read them, for jobs and for handlers; the script for
//! AWS Glue (`deploy/glue/runner.py`) does the same, line by line.

use serde::{Deserialize, Serialize};

/// How rows are written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dialect {
    /// What stands between two values; for a table in pipes always `|`.
    pub delimiter: char,
    /// Whether spaces around values, and around the names in the header, are no part of them.
    pub trim: bool,
    /// Whether the first row has the columns' names.
    pub header: bool,
    /// Whether rows stand between pipes, with a line of dashes below the names: `| 7 | 6.5 |`.
    #[serde(default)]
    pub pipes: bool,
}

impl Default for Dialect {
    fn default() -> Self {
        Self { delimiter: ',', trim: false, header: true, pipes: false }
    }
}

impl Dialect {
    /// A table in pipes, as Markdown has it.
    pub fn pipes() -> Self {
        Self { delimiter: '|', trim: true, header: true, pipes: true }
    }
}

/// A row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record<'a> {
    /// The line on which it begins, from 1.
    pub line: usize,
    /// Its text, without the end of the line.
    pub text: &'a str,
    /// Its values, or why it has none.
    pub values: Result<Vec<String>, &'static str>,
}

/// The rows of a text, one after another; blank lines are none.
pub fn records<'a>(text: &'a str, dialect: &Dialect) -> Vec<Record<'a>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if dialect.pipes { in_pipes(text) } else { separated(text, dialect) }
}

fn in_pipes(text: &str) -> Vec<Record<'_>> {
    let mut found: Vec<Record<'_>> = Vec::new();
    for (n, line) in text.split('\n').enumerate() {
        let line = line.strip_suffix('\r').unwrap_or(line);
        let row = trimmed(line);
        if row.is_empty() {
            continue;
        }
        let inner = row.strip_prefix('|').and_then(|rest| rest.strip_suffix('|'));
        let values = inner.map(|inner| inner.split('|').map(|cell| trimmed(cell).to_owned()).collect::<Vec<_>>());
        // Below the names, and nowhere else.
        let rule = values.as_ref().is_some_and(|cells| cells.iter().all(|cell| dashes(cell)));
        if rule && found.len() == 1 {
            continue;
        }
        found.push(Record {
            line: n + 1,
            text: line,
            values: values.ok_or("no row of a table: it stands in no pipes"),
        });
    }
    found
}

fn dashes(cell: &str) -> bool {
    let inner = cell.strip_prefix(':').unwrap_or(cell);
    let inner = inner.strip_suffix(':').unwrap_or(inner);
    !inner.is_empty() && inner.bytes().all(|b| b == b'-')
}

/// Without spaces and tabs at both ends.
fn trimmed(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

fn separated<'a>(text: &'a str, dialect: &Dialect) -> Vec<Record<'a>> {
    let mut found = Vec::new();
    let (mut rest, mut line) = (text, 1);
    while !rest.is_empty() {
        let (end, next, values) = one(rest, dialect);
        let row = rest.get(..end).unwrap_or(rest);
        if !(row.is_empty() || dialect.trim && trimmed(row).is_empty()) {
            found.push(Record { line, text: row, values });
        }
        line += rest.get(..next).unwrap_or(rest).bytes().filter(|b| *b == b'\n').count();
        rest = rest.get(next..).unwrap_or_default();
    }
    found
}

/// The first row of a text: where it ends, where the next begins, and its values.
fn one(text: &str, dialect: &Dialect) -> (usize, usize, Result<Vec<String>, &'static str>) {
    let (mut values, mut value) = (Vec::new(), String::new());
    // Whether the value began with a quote, and whether that is still open.
    let (mut quoted, mut open) = (false, false);
    let done = |value: &mut String, quoted: &mut bool| {
        let (whole, was_quoted) = (std::mem::take(value), std::mem::take(quoted));
        if dialect.trim && !was_quoted { trimmed(&whole).to_owned() } else { whole }
    };
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        if open {
            if c != '"' {
                value.push(c);
            } else if chars.peek().is_some_and(|(_, next)| *next == '"') {
                chars.next();
                value.push('"');
            } else {
                open = false;
            }
        } else if c == dialect.delimiter {
            values.push(done(&mut value, &mut quoted));
        } else if c == '\n' {
            let returned = text.get(..at).is_some_and(|t| t.ends_with('\r'));
            if returned && value.ends_with('\r') {
                value.pop();
            }
            let end = if returned { at - 1 } else { at };
            values.push(done(&mut value, &mut quoted));
            return (end, at + 1, Ok(values));
        } else if c == '"' && !quoted && (value.is_empty() || dialect.trim && trimmed(&value).is_empty()) {
            value.clear();
            (quoted, open) = (true, true);
        } else if !(quoted && dialect.trim && (c == ' ' || c == '\t')) {
            value.push(c);
        }
    }
    if open {
        return (text.len(), text.len(), Err("a quote that is never closed"));
    }
    values.push(done(&mut value, &mut quoted));
    (text.len(), text.len(), Ok(values))
}

/// Why a value is none of a type, in Athena's words; nothing where it is one. What is empty is null, and of every type.
pub fn misfit(value: &str, kind: &str) -> Option<String> {
    let fits = value.is_empty()
        || match kind {
            "bigint" => whole(value).is_some(),
            "integer" => whole(value).is_some_and(|n| i32::try_from(n).is_ok()),
            "double" => decimal(value) && value.parse::<f64>().is_ok_and(f64::is_finite),
            "boolean" => matches!(value.to_ascii_lowercase().as_str(), "true" | "false"),
            "date" => date(value),
            "timestamp" => timestamp(value),
            _ => true,
        };
    (!fits).then(|| {
        let mut short: String = value.chars().take(40).collect();
        if short.len() < value.len() {
            short.push('…');
        }
        let article = if kind.starts_with('i') { "an" } else { "a" };
        format!("\"{short}\" is not {article} {kind}")
    })
}

fn whole(value: &str) -> Option<i64> {
    let digits = value.strip_prefix(['-', '+']).unwrap_or(value);
    (!digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())).then(|| value.parse().ok()).flatten()
}

/// Digits, perhaps a point and more digits, perhaps an exponent.
fn decimal(value: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let signed = |text: &'_ str| text.strip_prefix(['-', '+']).map_or(text.to_owned(), str::to_owned);
    let (mantissa, power) = value.split_once(['e', 'E']).unwrap_or((value, "0"));
    let mantissa = signed(mantissa);
    let (before, after) = mantissa.split_once('.').unwrap_or((&mantissa, "0"));
    digits(before) && digits(after) && digits(&signed(power))
}

fn date(value: &str) -> bool {
    let spelt = value.len() == 10
        && value.bytes().enumerate().all(|(i, b)| if i == 4 || i == 7 { b == b'-' } else { b.is_ascii_digit() });
    spelt && value.parse::<jiff::civil::Date>().is_ok()
}

fn timestamp(value: &str) -> bool {
    let value = value.strip_suffix('Z').unwrap_or(value);
    let (Some(day), Some(time)) = (value.get(..10), value.get(11..)) else { return false };
    let between = matches!(value.as_bytes().get(10), Some(b' ' | b'T'));
    let (clock, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let part = |from: usize, below: u32| {
        clock
            .get(from..from + 2)
            .filter(|t| t.bytes().all(|b| b.is_ascii_digit()))
            .and_then(|t| t.parse().ok())
            .is_some_and(|n: u32| n < below)
    };
    let colons = clock.len() == 8 && clock.as_bytes().get(2) == Some(&b':') && clock.as_bytes().get(5) == Some(&b':');
    let fraction = (1..=6).contains(&fraction.len()) && fraction.bytes().all(|b| b.is_ascii_digit());
    between && date(day) && colons && part(0, 24) && part(3, 60) && part(6, 60) && fraction
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rows(text: &str, dialect: &Dialect) -> Vec<(usize, Vec<String>)> {
        records(text, dialect).into_iter().map(|r| (r.line, r.values.unwrap())).collect()
    }

    fn row(line: usize, values: &[&str]) -> (usize, Vec<String>) {
        (line, values.iter().map(|v| (*v).to_owned()).collect())
    }

    #[test]
    fn separated_values_may_be_quoted_over_lines() {
        let text = "\u{feff}a,b\r\n1,\"x, \"\"y\"\"\nz\"\r\n\r\n2,\n";
        let expected = [row(1, &["a", "b"]), row(2, &["1", "x, \"y\"\nz"]), row(5, &["2", ""])];
        assert_eq!(rows(text, &Dialect::default()), expected);
        assert_eq!(rows(" a,b ", &Dialect::default()), [row(1, &[" a", "b "])]);
    }

    #[test]
    fn spaces_and_tabs_are_trimmed_where_that_is_said() {
        let dialect = Dialect { delimiter: '\t', trim: true, ..Dialect::default() };
        let text = "id \t value\r\nPRS  \t  1.5 \r\n \r\n\" x \" \t y";
        assert_eq!(rows(text, &dialect), [row(1, &["id", "value"]), row(2, &["PRS", "1.5"]), row(4, &[" x ", "y"])]);
    }

    #[test]
    fn a_table_in_pipes_has_a_rule_below_its_names() {
        let text = "| Sample | pH  |\n|:-------|----:|\n| 1      | 7.2 |\r\n\noops\n|--|--|\n";
        let found = records(text, &Dialect::pipes());
        let values: Vec<_> = found.iter().map(|r| (r.line, r.values.clone().ok())).collect();
        let some = |cells: [&str; 2]| Some(cells.map(str::to_owned).to_vec());
        assert_eq!(values, [(1, some(["Sample", "pH"])), (3, some(["1", "7.2"])), (5, None), (6, some(["--", "--"]))]);
        assert_eq!(found[1].text, "| 1      | 7.2 |");
    }

    #[test]
    fn a_quote_that_is_never_closed_is_told() {
        let found = records("a,b\n1,\"x\n2,y\n", &Dialect::default());
        assert_eq!(found.len(), 2);
        assert_eq!((found[1].line, found[1].values.clone()), (2, Err("a quote that is never closed")));
    }

    #[test]
    fn values_are_of_a_type_or_say_why_not() {
        for (kind, good, bad) in [
            (
                "bigint",
                &["1", "-9223372036854775808", "+7", ""][..],
                &["1.0", " 1", "9223372036854775808", "x", "+"][..],
            ),
            ("integer", &["2147483647"], &["2147483648", "0x1"]),
            ("double", &["1", "-1.5", "2.5e-3", "+1E5"], &["1.", ".5", "NaN", "inf", "1e999", "1,5", "e5"]),
            ("boolean", &["true", "FALSE"], &["yes", "1"]),
            ("date", &["2020-02-29"], &["2021-02-29", "2020-2-1", "20200201", "2020-02-29 "]),
            (
                "timestamp",
                &["2020-02-29 10:00:00", "2020-02-29T10:00:00.123456Z"],
                &["2020-02-29", "2020-02-29 24:00:00", "2020-02-29 10:00"],
            ),
            ("varchar", &["anything"], &[]),
        ] {
            for value in good {
                assert_eq!(misfit(value, kind), None, "{kind} {value:?}");
            }
            for value in bad {
                assert!(misfit(value, kind).is_some(), "{kind} {value:?}");
            }
        }
        assert_eq!(misfit("abc", "integer").unwrap(), "\"abc\" is not an integer");
        assert_eq!(misfit(&"é".repeat(50), "double").unwrap().chars().count(), 59);
    }

    proptest! {
        #[test]
        fn every_text_is_read_to_its_end(text in "[a,|\"\\r\\n \\t-]{0,60}", trim: bool, pipes: bool) {
            let dialect = if pipes { Dialect::pipes() } else { Dialect { trim, ..Dialect::default() } };
            let mut last = 0;
            for record in records(&text, &dialect) {
                prop_assert!(record.line > last);
                last = record.line;
            }
        }
    }
}
