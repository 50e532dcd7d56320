//! What a file is: its format, its columns and their types, from its content alone.
//!
//! Text is taken as AWS Glue's classifiers take it: whole numbers are `bigint`, others `double`, JSON's `true` and `false`
//! `boolean`, and all else, dates and times included, `varchar`: the SQL that reads it casts it.

use std::{
    fs::File,
    io::{BufReader, Read},
    path::Path,
};

use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::{Map, Value};

use crate::{
    cloud::{Error, Result, catalog::Column},
    local::sql::types,
};

/// How much of a text is looked at.
const LOOKED_AT: u64 = 64 * 1_024 * 1_024;
/// How much of what is wrong is shown.
const SHOWN: usize = 80;

/// What a file holds, or several.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// `csv`, `json` or `parquet`; empty where there is no file.
    pub(super) format: &'static str,
    /// The columns in their order; without a type where no value told one.
    pub(super) columns: Vec<(String, Option<String>)>,
    /// Columns that hold what none can.
    pub(super) left_out: Vec<String>,
}

impl Found {
    /// Takes the columns of another file in.
    pub(super) fn merge(&mut self, other: &Self) {
        self.format = other.format;
        for (name, kind) in &other.columns {
            self.see(name, kind.as_deref());
        }
    }

    fn see(&mut self, name: &str, kind: Option<&str>) {
        // A column is one whatever its case; JSON's keys are kept as the first file has them. Nearly all are as before.
        let same = self.columns.iter().position(|(known, _)| known == name).or_else(|| {
            let lower = name.to_lowercase();
            self.columns.iter().position(|(known, _)| known.to_lowercase() == lower)
        });
        match same {
            Some(place) => self.see_at(place, kind),
            None => self.columns.push((name.to_owned(), kind.map(str::to_owned))),
        }
    }

    /// Sees a value of this type in the column at a place.
    fn see_at(&mut self, place: usize, kind: Option<&str>) {
        let (Some((_, known)), Some(kind)) = (self.columns.get_mut(place), kind) else { return };
        match known {
            Some(known) if known == kind => {}
            Some(known) => *known = wider(known, kind),
            None => *known = Some(kind.to_owned()),
        }
    }

    /// The columns with their types: text where no value told.
    pub(super) fn columns(&self) -> Vec<Column> {
        let kind = |kind: &Option<String>| kind.clone().unwrap_or_else(|| "varchar".into());
        self.columns.iter().map(|(name, k)| Column { name: name.clone(), kind: kind(k) }).collect()
    }
}

/// The narrowest type that holds the values of both.
pub(super) fn wider(a: &str, b: &str) -> String {
    const WHOLE: [&str; 4] = ["tinyint", "smallint", "integer", "bigint"];
    let rank = |kind: &str| WHOLE.iter().position(|w| *w == kind);
    match (rank(a), rank(b)) {
        _ if a == b => a.to_owned(),
        (Some(x), Some(y)) => if x > y { a } else { b }.to_owned(),
        (Some(_), None) if matches!(b, "double" | "real") => "double".into(),
        (None, Some(_)) if matches!(a, "double" | "real") => "double".into(),
        _ if matches!((a, b), ("double", "real") | ("real", "double")) => "double".into(),
        _ if matches!((a, b), ("date", "timestamp") | ("timestamp", "date")) => "timestamp".into(),
        _ => "varchar".into(),
    }
}

/// Looks into a file.
///
/// # Errors
/// [`Error::Failed`] with file and line where it is none of the formats.
pub(super) fn file(path: &Path, uri: &str) -> Result<Found> {
    let unreadable = |e: std::io::Error| Error::storage(format!("{uri}: {e}"));
    let mut begin = Vec::new();
    File::open(path).map_err(unreadable)?.take(4_096).read_to_end(&mut begin).map_err(unreadable)?;
    let content = File::open(path).map_err(unreadable)?;
    let text = begin.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&begin);
    match text.trim_ascii_start().first() {
        _ if begin.starts_with(b"PAR1") => parquet(content, uri),
        Some(b'{') => json(content, begin.len() - text.len(), uri),
        Some(b'[') => Err(Error::failed(format!("{uri} is one JSON list: write one object a line"))),
        Some(_) if !text.contains(&0) => csv(content, uri),
        _ => Err(unknown(uri, "")),
    }
}

fn unknown(uri: &str, why: &str) -> Error {
    Error::failed(format!("{uri} is neither CSV with a header, nor JSON lines, nor Parquet{why}"))
}

fn parquet(content: File, uri: &str) -> Result<Found> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(content)
        .map_err(|e| Error::failed(format!("{uri} begins as Parquet does and is none: {e}")))?;
    let mut found = Found { format: "parquet", ..Found::default() };
    for field in reader.schema().fields() {
        let (name, kind) = (field.name().clone(), types::to_athena(field.data_type()));
        if name != name.to_lowercase() {
            let why = "Parquet's columns are read in lower case here: rename it";
            return Err(Error::failed(format!("{uri}: the column {name:?} has capital letters, and {why}")));
        }
        let kind = if kind == "timestamp with time zone" { "timestamp".to_owned() } else { kind };
        match types::to_arrow(&kind) {
            Ok(_) => found.see(&name, Some(&kind)),
            Err(_) => found.left_out.push(name),
        }
    }
    Ok(found)
}

fn json(mut content: File, skip: usize, uri: &str) -> Result<Found> {
    let mut found = Found { format: "json", ..Found::default() };
    let mut bom = vec![0; skip];
    content.read_exact(&mut bom).map_err(|e| Error::storage(format!("{uri}: {e}")))?;
    let whole = content.metadata().is_ok_and(|m| m.len() <= LOOKED_AT);
    let read = BufReader::new(content.take(LOOKED_AT));
    for record in serde_json::Deserializer::from_reader(read).into_iter::<Map<String, Value>>() {
        let record = match record {
            Ok(record) => record,
            // Cut in the middle by ourselves.
            Err(e) if e.is_eof() && !whole => break,
            Err(e) => {
                return Err(Error::failed(format!("{uri} line {}: not one JSON object a line: {e}", e.line())));
            }
        };
        for (name, value) in &record {
            let kind = match value {
                Value::Null => None,
                Value::Bool(_) => Some("boolean"),
                Value::Number(n) if n.is_i64() => Some("bigint"),
                Value::Number(_) => Some("double"),
                Value::String(_) => Some("varchar"),
                Value::Array(_) | Value::Object(_) => {
                    if !found.left_out.contains(name) {
                        found.left_out.push(name.clone());
                    }
                    continue;
                }
            };
            found.see(name, kind);
        }
    }
    let left_out = found.left_out.clone();
    found.columns.retain(|(name, _)| !left_out.contains(name));
    Ok(found)
}

fn csv(content: File, uri: &str) -> Result<Found> {
    let whole = content.metadata().is_ok_and(|m| m.len() <= LOOKED_AT);
    let mut reader = ::csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(content.take(LOOKED_AT));
    let mut rows = reader.byte_records();
    let header = match rows.next() {
        Some(Ok(header)) => header,
        Some(Err(e)) => return Err(unknown(uri, &format!(": {e}"))),
        None => return Err(unknown(uri, "")),
    };
    let mut names = Vec::new();
    for name in &header {
        let name = name.strip_prefix(b"\xef\xbb\xbf").unwrap_or(name);
        let name = std::str::from_utf8(name).map_err(|_| unknown(uri, ": its first line is no text"))?;
        let name = name.trim().to_lowercase();
        let fine = !name.is_empty() && name.len() <= 128 && !name.chars().any(char::is_control);
        if !fine || name.parse::<f64>().is_ok() {
            return Err(unknown(uri, &format!(": its first line is no header: {:?} is no column", shown(&name))));
        }
        if names.contains(&name) {
            return Err(Error::failed(format!("{uri} line 1: two columns are called {name:?}")));
        }
        names.push(name);
    }
    let mut found = Found { format: "csv", ..Found::default() };
    for name in &names {
        found.see(name, None);
    }
    let mut count = 0_u64;
    let mut rows = rows.peekable();
    while let Some(row) = rows.next() {
        let row = row.map_err(|e| unknown(uri, &format!(": {e}")))?;
        if rows.peek().is_none() && !whole {
            break;
        }
        let line = row.position().map_or(0, ::csv::Position::line);
        if row.len() != names.len() {
            let what = format!("line {line} has {} fields, and the header {}", row.len(), names.len());
            return Err(Error::failed(format!("{uri} {what}")));
        }
        count += 1;
        for (place, (name, value)) in names.iter().zip(row.iter()).enumerate() {
            let text = std::str::from_utf8(value)
                .map_err(|_| Error::failed(format!("{uri} line {line}: column {name:?} is no UTF-8 text")))?;
            found.see_at(place, text_kind(text));
        }
    }
    // A line of prose is a header of one column, and so is nothing at all.
    if count == 0 && names.len() == 1 {
        return Err(unknown(uri, ": it has one line of one word"));
    }
    Ok(found)
}

fn text_kind(text: &str) -> Option<&'static str> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if text.is_empty() {
        None
    } else if !text.starts_with('+') && text.parse::<i64>().is_ok() {
        Some("bigint")
    } else if digits.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && text.parse::<f64>().is_ok_and(f64::is_finite)
    {
        Some("double")
    } else {
        Some("varchar")
    }
}

fn shown(text: &str) -> &str {
    text.get(..text.floor_char_boundary(SHOWN)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(content: &[u8]) -> Result<Found> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        std::fs::write(&path, content).unwrap();
        file(&path, "s3://b/f")
    }

    fn columns(content: &[u8]) -> Vec<String> {
        of(content).unwrap().columns().iter().map(|c| format!("{} {}", c.name, c.kind)).collect()
    }

    #[test]
    fn text_becomes_the_narrowest_type_that_holds_it() {
        let csv = b"\xef\xbb\xbfId,Price,When,Empty,Mixed\n1,1.5,2026-01-01,,7\n2,3,2026-01-02,,x\n";
        assert_eq!(columns(csv), ["id bigint", "price double", "when varchar", "empty varchar", "mixed varchar"]);
        let json =
            b"{\"a\": 1, \"b\": true, \"c\": null, \"d\": {\"x\": 1}}\n{\"a\": 1.5, \"b\": false, \"e\": \"t\"}\n";
        assert_eq!(columns(json), ["a double", "b boolean", "c varchar", "e varchar"]);
        assert_eq!(of(json).unwrap().left_out, ["d"]);
    }

    #[test]
    fn what_is_no_table_is_told_with_its_place() {
        for (content, told) in [
            (&b"\x00\x01\x02"[..], "neither CSV"),
            (b"hello\n", "one line of one word"),
            (b"a,b\n1,2\n3\n", "line 3 has 1 fields, and the header 2"),
            (b"{\"a\": 1}\n{\"a\": \n", "not one JSON object a line"),
            (b"{\"a\": 1}\n17\n", "not one JSON object a line"),
            (b"[{\"a\": 1}]", "one JSON list"),
            (b"1,2\n3,4\n", "is no header"),
            (b"a,a\n1,2\n", "two columns are called"),
            (b"PAR1 and no more", "begins as Parquet does"),
        ] {
            let error = of(content).unwrap_err().to_string();
            assert!(error.starts_with("s3://b/f") && error.contains(told), "{error}");
        }
    }

    #[test]
    fn types_are_widened_and_never_narrowed() {
        for (a, b, both) in [
            ("bigint", "integer", "bigint"),
            ("bigint", "double", "double"),
            ("real", "double", "double"),
            ("date", "timestamp", "timestamp"),
            ("boolean", "bigint", "varchar"),
            ("varchar", "double", "varchar"),
            ("date", "date", "date"),
        ] {
            assert_eq!((wider(a, b), wider(b, a)), (both.to_owned(), both.to_owned()), "{a} and {b}");
        }
    }
}
