//! Reading JSON lines and CSV, with errors that say where.

use std::{fs, sync::Arc};

use datafusion::{
    arrow::{
        array::{ArrayRef, RecordBatch, new_null_array},
        csv,
        datatypes::{DataType, Field, Schema, SchemaRef},
        error::ArrowError,
        json,
    },
    error::DataFusionError,
    execution::{SendableRecordBatchStream, TaskContext},
    physical_plan::{stream::RecordBatchReceiverStreamBuilder, streaming::PartitionStream},
};

use super::{
    files::{Counters, DataFile},
    rows::RowFormat,
};
use crate::cloud::Error;

/// Rows in a batch.
const BATCH: usize = 8_192;
/// How much of a file is read at once.
const CHUNK: usize = 1_024 * 1_024;
/// How much of a bad line is shown.
const SHOWN: usize = 80;

/// The text formats.
#[derive(Debug, Clone)]
pub(crate) enum TextFormat {
    /// One JSON object a line.
    Json,
    /// Comma separated values with a header.
    Csv,
    /// Rows that are read one by one.
    Rows(Arc<RowFormat>),
}

/// A share of a table's text files.
#[derive(Debug)]
pub(crate) struct TextPartition {
    pub(crate) format: TextFormat,
    /// Whether the columns of CSV are those of a catalog table, which takes them in their order, whatever the header says.
    pub(crate) by_place: bool,
    /// Whether they are those of a table that a crawler made: in lower case, and a file need not have all of them.
    pub(crate) crawled: bool,
    pub(crate) files: Vec<DataFile>,
    /// The columns in the files.
    pub(crate) file_schema: SchemaRef,
    /// The columns in the files, then the partition's.
    pub(crate) schema: SchemaRef,
    pub(crate) counters: Arc<Counters>,
    /// Whether its rows are counted: a statement may read a table twice.
    pub(crate) count_rows: bool,
}

impl PartitionStream for TextPartition {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let mut builder = RecordBatchReceiverStreamBuilder::new(self.schema.clone(), 2);
        let sender = builder.tx();
        let reader = Reader {
            format: self.format.clone(),
            by_place: self.by_place,
            crawled: self.crawled,
            file_schema: self.file_schema.clone(),
            schema: self.schema.clone(),
            counters: self.counters.clone(),
            count_rows: self.count_rows,
        };
        let files = self.files.clone();
        builder.spawn_blocking(move || {
            let result = reader.read(&files, &mut |batch| sender.blocking_send(Ok(batch)).is_ok());
            result.map_err(|e| DataFusionError::External(Box::new(e)))
        });
        builder.build()
    }
}

struct Reader {
    format: TextFormat,
    by_place: bool,
    crawled: bool,
    file_schema: SchemaRef,
    schema: SchemaRef,
    counters: Arc<Counters>,
    count_rows: bool,
}

/// Takes a batch; false where no more is wanted.
type Sink<'a> = dyn FnMut(RecordBatch) -> bool + 'a;

impl Reader {
    fn read(&self, files: &[DataFile], sink: &mut Sink<'_>) -> Result<(), Error> {
        match &self.format {
            TextFormat::Json => self.read_json(files, sink),
            TextFormat::Rows(format) => {
                let bad = || {
                    if self.count_rows {
                        self.counters.add_rows(1);
                    }
                };
                for file in files {
                    let mut emit = |batch| self.emit(batch, file, sink);
                    if !format.read(file, &self.file_schema, &self.counters, bad, &mut emit)? {
                        break;
                    }
                }
                Ok(())
            }
            TextFormat::Csv => {
                for file in files {
                    if !self.read_csv(file, sink)? {
                        break;
                    }
                }
                Ok(())
            }
        }
    }

    fn emit(&self, batch: RecordBatch, file: &DataFile, sink: &mut Sink<'_>) -> Result<bool, Error> {
        let rows = batch.num_rows();
        if rows == 0 {
            return Ok(true);
        }
        if self.count_rows {
            self.counters.add_rows(rows as u64);
        }
        let mut columns: Vec<ArrayRef> = batch.columns().to_vec();
        for value in file.partition.iter() {
            columns.push(value.to_array_of_size(rows).map_err(Error::failed)?);
        }
        Ok(sink(RecordBatch::try_new(self.schema.clone(), columns).map_err(Error::failed)?))
    }

    fn decoder(&self) -> Result<json::reader::Decoder, Error> {
        json::ReaderBuilder::new(self.file_schema.clone())
            .with_batch_size(BATCH)
            .with_coerce_primitive(true)
            .build_decoder()
            .map_err(Error::failed)
    }

    /// Small files share a batch, where no partition value keeps them apart.
    fn read_json(&self, files: &[DataFile], sink: &mut Sink<'_>) -> Result<(), Error> {
        use std::io::Read;
        let mut decoder = self.decoder()?;
        let mut chunk = vec![0; CHUNK];
        let mut first = 0;
        for (i, file) in files.iter().enumerate() {
            let explain = |first: usize, e: &ArrowError| self.explain_json(files.get(first..=i).unwrap_or_default(), e);
            let mut content = fs::File::open(&file.path).map_err(|e| unreadable(file, e))?;
            let mut begins = true;
            loop {
                let length = content.read(&mut chunk).map_err(|e| unreadable(file, e))?;
                if length == 0 {
                    break;
                }
                self.counters.add_bytes(length as u64);
                let mut rest = chunk.get(..length).unwrap_or_default();
                if begins {
                    rest = rest.strip_prefix(b"\xef\xbb\xbf").unwrap_or(rest);
                    begins = false;
                }
                while !rest.is_empty() {
                    let used = decoder.decode(rest).map_err(|e| explain(first, &e))?;
                    rest = rest.get(used..).unwrap_or_default();
                    if !rest.is_empty() {
                        let batch = decoder.flush().map_err(|e| explain(first, &e))?;
                        if let Some(batch) = batch
                            && !self.emit(batch, file, sink)?
                        {
                            return Ok(());
                        }
                        first = i;
                    }
                }
            }
            if decoder.has_partial_record() {
                return Err(explain(first, &ArrowError::JsonError("the file ends within an object".into())));
            }
            let alone = !file.partition.is_empty() || i + 1 == files.len() || decoder.len() >= BATCH;
            if alone {
                let batch = decoder.flush().map_err(|e| explain(first, &e))?;
                if let Some(batch) = batch
                    && !self.emit(batch, file, sink)?
                {
                    return Ok(());
                }
                first = i + 1;
            }
        }
        Ok(())
    }

    /// Finds the first line that cannot be read by itself. Slow, and called only when reading has failed.
    fn explain_json(&self, files: &[DataFile], error: &ArrowError) -> Error {
        for file in files {
            let Ok(content) = fs::read(&file.path) else { continue };
            let content = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&content);
            for (i, line) in content.split(|b| *b == b'\n').enumerate() {
                if line.iter().all(u8::is_ascii_whitespace) {
                    continue;
                }
                if let Err(why) = self.try_line(line) {
                    return Error::failed(format!("{} line {}: {why}: {}", file.uri, i + 1, shown(line)));
                }
            }
        }
        let place = match files {
            [only] => only.uri.clone(),
            [first, .., last] => format!("{} to {}", first.uri, last.uri),
            [] => "the input".into(),
        };
        Error::failed(format!("{place}: {}", without_kind(error)))
    }

    fn try_line(&self, line: &[u8]) -> Result<(), String> {
        match serde_json::from_slice::<serde_json::Value>(line) {
            Err(e) => return Err(format!("not JSON ({e})")),
            Ok(value) if !value.is_object() => return Err("not a JSON object".into()),
            Ok(_) => {}
        }
        let mut decoder = self.decoder().map_err(|e| e.to_string())?;
        decoder.decode(line).map_err(|e| without_kind(&e))?;
        decoder.flush().map_err(|e| without_kind(&e))?;
        Ok(())
    }

    fn read_csv(&self, file: &DataFile, sink: &mut Sink<'_>) -> Result<bool, Error> {
        let bad = |e: ArrowError| Error::failed(format!("{}: {}", file.uri, from_one(&without_kind(&e))));
        let open = || fs::File::open(&file.path).map_err(|e| unreadable(file, e));
        let mut header = read_header(open()?, file)?;
        if self.crawled {
            for name in &mut header {
                *name = name.to_lowercase();
            }
        } else if self.by_place {
            for (name, field) in header.iter_mut().zip(self.file_schema.fields()) {
                name.clone_from(field.name());
            }
            let rest = header.iter_mut().enumerate().skip(self.file_schema.fields().len());
            rest.for_each(|(i, name)| *name = format!("#{i}"));
        }
        let fields: Vec<Field> = header
            .iter()
            .enumerate()
            .map(|(i, name)| match self.file_schema.field_with_name(name) {
                Ok(field) => field.clone(),
                // Not asked for; a name of its own, as a header may repeat itself.
                Err(_) => Field::new(format!("#{i}"), DataType::Utf8, true),
            })
            .collect();
        let file_schema = Arc::new(Schema::new(fields));
        let mut places = Vec::with_capacity(self.file_schema.fields().len());
        for field in self.file_schema.fields() {
            match header.iter().position(|name| name == field.name()) {
                Some(place) => places.push(Some(place)),
                None if self.crawled => places.push(None),
                None if header.is_empty() => {
                    return Err(Error::failed(format!("{}: the file has no header", file.uri)));
                }
                None => {
                    return Err(Error::failed(format!(
                        "{}: column {:?} is missing: the header has {}",
                        file.uri,
                        field.name(),
                        header.join(", ")
                    )));
                }
            }
        }
        let content = CountedRead { inner: open()?, counters: self.counters.clone() };
        let reader = csv::ReaderBuilder::new(file_schema)
            .with_header(true)
            .with_batch_size(BATCH)
            .build(content)
            .map_err(bad)?;
        for batch in reader {
            let batch = batch.map_err(bad)?;
            let column =
                |(place, field): (&Option<usize>, &Arc<Field>)| match place.and_then(|p| batch.columns().get(p)) {
                    Some(column) => column.clone(),
                    None => new_null_array(field.data_type(), batch.num_rows()),
                };
            let columns = places.iter().zip(self.file_schema.fields()).map(column).collect();
            let batch = RecordBatch::try_new(self.file_schema.clone(), columns).map_err(bad)?;
            if !self.emit(batch, file, sink)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// The names in the first record.
fn read_header(content: fs::File, file: &DataFile) -> Result<Vec<String>, Error> {
    let mut records = ::csv::ReaderBuilder::new().has_headers(false).from_reader(content);
    let header = match records.records().next() {
        Some(Ok(header)) => header,
        Some(Err(e)) => return Err(Error::failed(format!("{}: the header cannot be read: {e}", file.uri))),
        None => return Ok(Vec::new()),
    };
    Ok(header.iter().map(|name| name.trim_start_matches('\u{feff}').trim().to_owned()).collect())
}

struct CountedRead {
    inner: fs::File,
    counters: Arc<Counters>,
}

impl std::io::Read for CountedRead {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let length = self.inner.read(buffer)?;
        self.counters.add_bytes(length as u64);
        Ok(length)
    }
}

fn unreadable(file: &DataFile, e: std::io::Error) -> Error {
    Error::failed(format!("{} cannot be read: {e}", file.uri))
}

/// Arrow counts the lines of values that it cannot parse from nought.
fn from_one(text: &str) -> String {
    let Some((before, after)) = text.split_once(" at line ") else { return text.to_owned() };
    let digits = after.chars().take_while(char::is_ascii_digit).count();
    let (number, rest) = after.split_at(digits);
    match number.parse::<u64>() {
        Ok(number) => format!("{before} at line {}{rest}", number + 1),
        Err(_) => text.to_owned(),
    }
}

/// Arrow's message without the kind of error before it.
pub(crate) fn without_kind(error: &ArrowError) -> String {
    let text = error.to_string();
    for kind in ["Json error: ", "Csv error: ", "Parser error: ", "Cast error: ", "Invalid argument error: "] {
        if let Some(rest) = text.strip_prefix(kind) {
            return rest.to_owned();
        }
    }
    text
}

pub(super) fn shown(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    let text = text.trim();
    let mut short: String = text.chars().take(SHOWN).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}
