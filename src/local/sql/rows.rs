//! Reading rows of text one by one, where a bad one is to be told by its line, or set aside.

use std::{
    collections::BTreeMap,
    fmt::Write,
    fs,
    sync::{Arc, Mutex, PoisonError},
};

use datafusion::arrow::{
    array::{ArrayRef, RecordBatch, StringBuilder},
    compute::{CastOptions, cast_with_options},
    datatypes::SchemaRef,
};

use super::{
    errors::arrow,
    files::{Counters, DataFile},
    text::shown,
};
use crate::cloud::{
    Error, Result,
    catalog::Column,
    delimited::{Dialect, Record, misfit, records},
};

/// Rows in a batch.
const BATCH: usize = 8_192;
/// Rows that one run sets aside at most.
const MOST_REJECTS: usize = 1_000_000;

/// Rows that were set aside, by their file and line: a statement may read its input twice.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rejects {
    rows: Arc<Mutex<BTreeMap<(String, usize), Rejected>>>,
}

/// A row that was set aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rejected {
    /// Why.
    pub(crate) reason: String,
    /// The row as it stands in the file.
    pub(crate) text: String,
}

impl Rejects {
    fn add(&self, file: &DataFile, line: usize, rejected: Rejected) -> Result<()> {
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        rows.insert((file.uri.clone(), line), rejected);
        if rows.len() > MOST_REJECTS {
            return Err(Error::failed(format!(
                "more than {MOST_REJECTS} rows are bad: is this the input that the job is for? The last: {} line {line}",
                file.uri
            )));
        }
        Ok(())
    }

    /// As JSON lines, in the order of files and lines, and how many.
    pub(crate) fn lines(&self) -> (String, usize) {
        let rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = String::new();
        for ((file, line), Rejected { reason, text: row }) in rows.iter() {
            // In this order, so that the line reads well.
            let quoted = |text: &str| serde_json::Value::from(text).to_string();
            let (file, reason, row) = (quoted(file), quoted(reason), quoted(row));
            let _ = writeln!(text, "{{\"file\":{file},\"line\":{line},\"reason\":{reason},\"text\":{row}}}");
        }
        (text, rows.len())
    }
}

/// How rows are read.
#[derive(Debug)]
pub(crate) struct RowFormat {
    /// How they are written.
    pub(crate) dialect: Dialect,
    /// The columns that are read, with their types in Athena's words.
    pub(crate) columns: Vec<Column>,
    /// Where bad rows go; without it, the first one fails the reading.
    pub(crate) rejects: Option<Rejects>,
}

/// Takes a batch; false where no more is wanted.
type Sink<'a> = dyn FnMut(RecordBatch) -> Result<bool> + 'a;

impl RowFormat {
    /// Reads a file; false where no more is wanted. `bad` is told of each row that is set aside.
    pub(crate) fn read(
        &self,
        file: &DataFile,
        schema: &SchemaRef,
        counters: &Counters,
        mut bad: impl FnMut(),
        sink: &mut Sink<'_>,
    ) -> Result<bool> {
        let content = fs::read(&file.path).map_err(|e| Error::failed(format!("{} cannot be read: {e}", file.uri)))?;
        counters.add_bytes(content.len() as u64);
        let text = String::from_utf8_lossy(&content);
        let all = records(&text, &self.dialect);
        let (header, rows) = match all.split_first() {
            Some((first, rest)) if self.dialect.header => (Some(first), rest),
            _ if self.dialect.header => {
                return Err(Error::failed(format!("{}: the file has no header", file.uri)));
            }
            _ => (None, all.as_slice()),
        };
        let (places, width) = self.places(file, header)?;
        for rows in rows.chunks(BATCH) {
            let mut builders: Vec<StringBuilder> = places.iter().map(|_| StringBuilder::new()).collect();
            for row in rows {
                match self.values(row, &places, width) {
                    Ok(values) => {
                        for (builder, value) in builders.iter_mut().zip(values) {
                            builder.append_option((!value.is_empty()).then_some(value));
                        }
                    }
                    Err(reason) => {
                        let Some(rejects) = &self.rejects else {
                            let place = format!("{} line {}", file.uri, row.line);
                            return Err(Error::failed(format!("{place}: {reason}: {}", shown(row.text.as_bytes()))));
                        };
                        rejects.add(file, row.line, Rejected { reason, text: row.text.to_owned() })?;
                        bad();
                    }
                }
            }
            let options = CastOptions { safe: false, ..CastOptions::default() };
            let columns = builders.iter_mut().zip(schema.fields()).map(|(builder, field)| {
                let text: ArrayRef = Arc::new(builder.finish());
                cast_with_options(&text, field.data_type(), &options)
                    .map_err(|e| Error::failed(format!("{}: {}", file.uri, arrow(&e))))
            });
            let columns = columns.collect::<Result<Vec<_>>>()?;
            let batch = RecordBatch::try_new(schema.clone(), columns).map_err(Error::failed)?;
            if !sink(batch)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Where the columns stand in a row, and how many values a row has.
    fn places(&self, file: &DataFile, header: Option<&Record<'_>>) -> Result<(Vec<usize>, usize)> {
        let Some(header) = header else { return Ok(((0..self.columns.len()).collect(), self.columns.len())) };
        let names = header
            .values
            .as_ref()
            .map_err(|why| Error::failed(format!("{} line {}: the header: {why}", file.uri, header.line)))?;
        let names: Vec<&str> = names.iter().map(|name| name.trim()).collect();
        let place = |column: &Column| {
            names.iter().position(|name| *name == column.name).ok_or_else(|| {
                Error::failed(format!(
                    "{}: column {:?} is missing: the header has {}",
                    file.uri,
                    column.name,
                    names.join(", ")
                ))
            })
        };
        Ok((self.columns.iter().map(place).collect::<Result<_>>()?, names.len()))
    }

    /// The values of a row, or why it is a bad one.
    fn values<'r>(
        &self,
        row: &'r Record<'_>,
        places: &[usize],
        width: usize,
    ) -> std::result::Result<Vec<&'r str>, String> {
        let values = row.values.as_ref().map_err(|why| (*why).to_owned())?;
        if values.len() != width {
            let wanted = if self.dialect.header { "the header has" } else { "the job reads" };
            return Err(format!("the row has {} values, and {wanted} {width}", values.len()));
        }
        let mut found = Vec::with_capacity(places.len());
        for (column, place) in self.columns.iter().zip(places) {
            let value = values.get(*place).map_or("", String::as_str);
            if let Some(why) = misfit(value, &column.kind) {
                return Err(format!("column \"{}\": {why}", column.name));
            }
            found.push(value);
        }
        Ok(found)
    }
}
