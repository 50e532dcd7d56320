//! Writing a result as Parquet files, one folder a partition, in bounded memory.

use std::{
    collections::HashMap,
    fmt::Write,
    sync::{Arc, Mutex, PoisonError},
};

use datafusion::{
    arrow::{
        array::{Array, RecordBatch, UInt32Array},
        compute::{concat_batches, take_record_batch},
        datatypes::SchemaRef,
        row::{OwnedRow, RowConverter, SortField},
        util::display::{ArrayFormatter, FormatOptions},
    },
    parquet::{
        arrow::{ArrowWriter, arrow_writer::ArrowWriterOptions},
        basic::Compression,
        file::properties::WriterProperties,
    },
};

use crate::{
    cloud::{Error, Result},
    local::{buckets, sql::files::NULL_PARTITION, store::Store},
};

/// The memory that waiting rows may take, in bytes.
const BUFFER: usize = 256 * 1_024 * 1_024;
/// Below so many rows, a dictionary costs more than it saves.
const DICTIONARY: usize = 64;

/// A file that was written and is to become an object.
#[derive(Debug)]
pub(super) struct Output {
    /// The key that it shall have.
    pub(super) key: String,
    /// The content's name in the state.
    pub(super) blob: String,
    /// Its size in bytes.
    pub(super) size: u64,
    /// Its entity tag.
    pub(super) etag: String,
    /// The partition: its values and what the key begins with, to the last slash.
    pub(super) partition: Arc<Folder>,
}

/// A partition's values as text, and its place.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Folder {
    /// One value a partition key.
    pub(super) values: Vec<String>,
    /// What the keys in it begin with.
    pub(super) prefix: String,
}

struct Waiting {
    folder: Arc<Folder>,
    batches: Vec<RecordBatch>,
    bytes: usize,
    /// Files of this partition written so far.
    parts: u32,
}

/// Takes batches and gives files.
pub(super) struct Writer {
    store: Store,
    prefix: String,
    suffix: String,
    files: SchemaRef,
    keys: SchemaRef,
    converter: RowConverter,
    /// By the partition's values; none for a result that is not partitioned.
    waiting: HashMap<Option<OwnedRow>, Waiting>,
    bytes: usize,
    /// The memory that waiting rows may take.
    buffer: usize,
    written: Vec<Output>,
    /// The files' names, for whoever must remove them should the run fail.
    blobs: Arc<Mutex<Vec<String>>>,
    rows: u64,
}

impl Writer {
    /// `prefix` is what all keys begin with; the names of the files end with `run`.
    pub(super) fn new(
        store: Store,
        prefix: &str,
        run: &str,
        files: SchemaRef,
        keys: SchemaRef,
        blobs: Arc<Mutex<Vec<String>>>,
    ) -> Result<Self> {
        let fields = keys.fields().iter().map(|f| SortField::new(f.data_type().clone())).collect();
        Ok(Self {
            store,
            prefix: prefix.to_owned(),
            suffix: format!("{run}.snappy.parquet"),
            files,
            keys,
            converter: RowConverter::new(fields).map_err(Error::failed)?,
            waiting: HashMap::new(),
            bytes: 0,
            buffer: BUFFER,
            written: Vec::new(),
            blobs,
            rows: 0,
        })
    }

    /// Rows taken so far.
    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    /// Takes a batch: the columns of the files, then the partition's. Blocks while it makes room.
    pub(super) fn push(&mut self, batch: &RecordBatch) -> Result<()> {
        let rows = batch.num_rows();
        if rows == 0 {
            return Ok(());
        }
        self.rows += rows as u64;
        let files = self.files.fields().len();
        let of_files: Vec<usize> = (0..files).collect();
        let keys = batch.columns().get(files..).unwrap_or_default();
        let size = batch.get_array_memory_size();
        if keys.is_empty() {
            let batch = batch.project(&of_files).map_err(Error::failed)?;
            self.wait(None, keys, 0, batch, size)?;
        } else {
            // In order of the partition, so that each is one slice.
            let converted = self.converter.convert_columns(keys).map_err(Error::failed)?;
            let mut order: Vec<u32> = (0..rows as u32).collect();
            order.sort_by(|a, b| converted.row(*a as usize).cmp(&converted.row(*b as usize)));
            let sorted = batch.project(&of_files).map_err(Error::failed)?;
            let sorted = take_record_batch(&sorted, &UInt32Array::from(order.clone())).map_err(Error::failed)?;
            let same = |a: &u32, b: &u32| converted.row(*a as usize) == converted.row(*b as usize);
            let mut from = 0;
            for run in order.chunk_by(same) {
                let row = run.first().map_or(0, |r| *r as usize);
                let slice = sorted.slice(from, run.len());
                self.wait(Some(converted.row(row).owned()), keys, row, slice, size * run.len() / rows)?;
                from += run.len();
            }
        }
        if self.bytes > self.buffer {
            self.make_room()?;
        }
        Ok(())
    }

    fn wait(
        &mut self,
        key: Option<OwnedRow>,
        keys: &[Arc<dyn Array>],
        row: usize,
        batch: RecordBatch,
        bytes: usize,
    ) -> Result<()> {
        self.bytes += bytes;
        if let Some(waiting) = self.waiting.get_mut(&key) {
            waiting.batches.push(batch);
            waiting.bytes += bytes;
            return Ok(());
        }
        let folder = Arc::new(folder(&self.prefix, &self.keys, keys, row)?);
        self.waiting.insert(key, Waiting { folder, batches: vec![batch], bytes, parts: 0 });
        Ok(())
    }

    /// Writes the biggest partitions until half of the memory is free.
    fn make_room(&mut self) -> Result<()> {
        let mut by_size: Vec<&mut Waiting> = self.waiting.values_mut().filter(|w| !w.batches.is_empty()).collect();
        by_size.sort_by_key(|w| std::cmp::Reverse(w.bytes));
        let mut files = Vec::new();
        for waiting in by_size {
            if self.bytes <= self.buffer / 2 {
                break;
            }
            self.bytes = self.bytes.saturating_sub(waiting.bytes);
            waiting.bytes = 0;
            let batches = std::mem::take(&mut waiting.batches);
            files.push((waiting.folder.clone(), waiting.parts, batches));
            waiting.parts += 1;
        }
        self.write(files)
    }

    /// Writes what is waiting and gives all files, in order of their keys. Blocks.
    pub(super) fn finish(mut self) -> Result<Vec<Output>> {
        let files =
            self.waiting.drain().filter(|(_, w)| !w.batches.is_empty()).map(|(_, w)| (w.folder, w.parts, w.batches));
        let files = files.collect();
        self.write(files)?;
        self.written.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(self.written)
    }

    fn write(&mut self, files: Vec<(Arc<Folder>, u32, Vec<RecordBatch>)>) -> Result<()> {
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let share = files.len().div_ceil(threads).max(1);
        let (store, schema, suffix) = (&self.store, &self.files, self.suffix.as_str());
        let shares: Vec<Vec<Result<Output>>> = std::thread::scope(|scope| {
            let handles: Vec<_> = files
                .chunks(share)
                .map(|files| {
                    scope.spawn(move || {
                        files
                            .iter()
                            .map(|(folder, part, b)| write_one(store, schema, suffix, folder, *part, b))
                            .collect()
                    })
                })
                .collect();
            handles
                .into_iter()
                .map(|h| h.join().unwrap_or_else(|_| vec![Err(Error::failed("a writer died"))]))
                .collect()
        });
        let mut failed = None;
        for output in shares.into_iter().flatten() {
            match output {
                Ok(output) => {
                    self.blobs.lock().unwrap_or_else(PoisonError::into_inner).push(output.blob.clone());
                    self.written.push(output);
                }
                Err(e) => failed = Some(e),
            }
        }
        failed.map_or(Ok(()), Err)
    }
}

fn write_one(
    store: &Store,
    schema: &SchemaRef,
    suffix: &str,
    folder: &Arc<Folder>,
    part: u32,
    batches: &[RecordBatch],
) -> Result<Output> {
    let batch = concat_batches(schema, batches).map_err(Error::failed)?;
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_dictionary_enabled(batch.num_rows() >= DICTIONARY)
        .build();
    // Every engine reads the types from Parquet's own schema; Arrow's beside it would only make small files bigger.
    let options = ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(true);
    let mut content = Vec::new();
    let mut writer = ArrowWriter::try_new_with_options(&mut content, schema.clone(), options).map_err(Error::failed)?;
    writer.write(&batch).map_err(Error::failed)?;
    writer.close().map_err(Error::failed)?;
    Ok(Output {
        key: format!("{}part-{part:05}-{suffix}", folder.prefix),
        blob: store.write_blob(&content)?,
        size: content.len() as u64,
        etag: buckets::etag(&content),
        partition: folder.clone(),
    })
}

fn folder(prefix: &str, keys: &SchemaRef, columns: &[Arc<dyn Array>], row: usize) -> Result<Folder> {
    let options = FormatOptions::default();
    let mut folder = Folder { values: Vec::with_capacity(columns.len()), prefix: prefix.to_owned() };
    for (field, column) in keys.fields().iter().zip(columns) {
        let value = if column.is_null(row) {
            String::new()
        } else {
            let formatter = ArrayFormatter::try_new(column.as_ref(), &options).map_err(Error::failed)?;
            formatter.value(row).try_to_string().map_err(Error::failed)?
        };
        // As Hive and Spark have it: no text and empty text are one.
        let value = if value.is_empty() { NULL_PARTITION.to_owned() } else { value };
        folder.prefix.push_str(&escape(field.name()));
        folder.prefix.push('=');
        folder.prefix.push_str(&escape(&value));
        folder.prefix.push('/');
        folder.values.push(value);
    }
    Ok(folder)
}

/// Escapes as Hive does for the parts of a partition's path.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii_control() || "\"#%'*/:=?\\{[]^".contains(c) {
            let _ = write!(escaped, "%{:02X}", u32::from(c));
        } else {
            escaped.push(c);
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use datafusion::{
        arrow::{
            array::{ArrayRef, AsArray, Int64Array, StringArray},
            datatypes::{DataType, Field, Int64Type, Schema},
        },
        parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder,
    };

    use super::*;

    #[test]
    fn what_does_not_fit_into_memory_is_written_in_parts() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), false).unwrap();
        let schema = |name, kind| Arc::new(Schema::new(vec![Field::new(name, kind, true)]));
        let (files, keys) = (schema("n", DataType::Int64), schema("k", DataType::Utf8));
        let blobs = Arc::default();
        let mut writer = Writer::new(store.clone(), "p/", "jr_1", files, keys, Arc::clone(&blobs)).unwrap();
        writer.buffer = 4_096;
        for from in (0..3_000_i64).step_by(100) {
            let numbers = Int64Array::from_iter_values(from..from + 100);
            let words = StringArray::from_iter_values((from..from + 100).map(|n| format!("k{}", n % 3)));
            let columns: [(&str, ArrayRef); 2] = [("n", Arc::new(numbers)), ("k", Arc::new(words))];
            writer.push(&RecordBatch::try_from_iter(columns).unwrap()).unwrap();
            assert!(writer.bytes <= writer.buffer);
        }
        assert_eq!(writer.rows(), 3_000);
        let outputs = writer.finish().unwrap();
        assert!(outputs.len() > 6, "{}", outputs.len());
        assert_eq!(blobs.lock().unwrap().len(), outputs.len());
        assert!(outputs.is_sorted_by(|a, b| a.key < b.key));
        assert!(outputs.iter().any(|o| o.key == "p/k=k2/part-00001-jr_1.snappy.parquet"));
        let mut found = Vec::new();
        for output in &outputs {
            let content = std::fs::read(store.blob_path(&output.blob)).unwrap();
            assert_eq!((content.len() as u64, buckets::etag(&content)), (output.size, output.etag.clone()));
            for batch in ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(content)).unwrap().build().unwrap()
            {
                let numbers: Vec<i64> =
                    batch.unwrap().column(0).as_primitive::<Int64Type>().values().iter().copied().collect();
                assert!(numbers.iter().all(|n| output.partition.values == [format!("k{}", n % 3)]));
                found.extend(numbers);
            }
        }
        found.sort_unstable();
        assert_eq!(found, (0..3_000).collect::<Vec<_>>());
    }

    #[test]
    fn names_are_escaped_as_hive_does() {
        assert_eq!(escape("BTC"), "BTC");
        assert_eq!(escape("a/b=c%\n é"), "a%2Fb%3Dc%25%0A é");
    }
}
