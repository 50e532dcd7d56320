//! Reading Parquet files: small ones at once, and the footers of all of them remembered.

use std::{
    collections::{HashMap, VecDeque},
    fs::File,
    ops::Range,
    os::unix::fs::FileExt,
    sync::{Arc, LazyLock, Mutex, PoisonError},
};

use bytes::Bytes;
use datafusion::{
    common::Result as DataFusionResult,
    datasource::{listing::PartitionedFile, physical_plan::ParquetFileReaderFactory},
    error::DataFusionError,
    parquet::{
        arrow::{arrow_reader::ArrowReaderOptions, async_reader::AsyncFileReader},
        errors::{ParquetError, Result},
        file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader},
    },
    physical_plan::metrics::ExecutionPlanMetricsSet,
};
use futures::{FutureExt, future::BoxFuture};

use super::files::{Counters, DataFile};

/// Files up to this size are read at once, whatever part of them is asked for.
const WHOLE: u64 = 256 * 1_024;
/// What is read at once from the end of a larger file, in the hope that it holds the whole footer.
const TAIL: u64 = 64 * 1_024;
/// How much memory the remembered footers may take.
const FOOTERS: usize = 64 * 1_024 * 1_024;

/// Footers by the name of the content, which never changes.
static REMEMBERED: LazyLock<Mutex<Footers>> = LazyLock::new(Mutex::default);

#[derive(Default)]
struct Footers {
    by_blob: HashMap<Arc<str>, Arc<ParquetMetaData>>,
    order: VecDeque<(Arc<str>, usize)>,
    bytes: usize,
}

impl Footers {
    fn put(&mut self, blob: Arc<str>, footer: Arc<ParquetMetaData>) {
        let size = footer.memory_size();
        if self.by_blob.insert(blob.clone(), footer).is_none() {
            self.order.push_back((blob, size));
            self.bytes += size;
        }
        while self.bytes > FOOTERS
            && let Some((oldest, size)) = self.order.pop_front()
        {
            self.by_blob.remove(&oldest);
            self.bytes -= size;
        }
    }
}

/// Makes the readers of the files of one scan.
#[derive(Debug)]
pub(crate) struct Readers {
    pub(crate) counters: Arc<Counters>,
}

impl ParquetFileReaderFactory for Readers {
    fn create_reader(
        &self,
        _partition_index: usize,
        file: PartitionedFile,
        _metadata_size_hint: Option<usize>,
        _metrics: &ExecutionPlanMetricsSet,
    ) -> DataFusionResult<Box<dyn AsyncFileReader + Send>> {
        let Some(data) = file.extension::<DataFile>() else {
            return Err(DataFusionError::Internal("a file without its place in the state".into()));
        };
        Ok(Box::new(Reader { data: data.clone(), counters: self.counters.clone(), content: None, file: None }))
    }
}

struct Reader {
    data: DataFile,
    counters: Arc<Counters>,
    /// The whole content of a small file.
    content: Option<Bytes>,
    file: Option<Arc<File>>,
}

impl Reader {
    fn open(&mut self) -> Result<Arc<File>> {
        if let Some(file) = &self.file {
            return Ok(file.clone());
        }
        let file = Arc::new(File::open(&self.data.path).map_err(|e| self.failed(e))?);
        self.file = Some(file.clone());
        Ok(file)
    }

    fn failed(&self, e: impl std::fmt::Display) -> ParquetError {
        ParquetError::General(format!("{}: {e}", self.data.uri))
    }

    /// Small reads are done in place: they come from the page cache, and a task for each would cost more.
    fn read(&mut self, range: Range<u64>) -> Result<Bytes> {
        let past_end = || ParquetError::EOF(format!("{}: bytes {range:?} of {}", self.data.uri, self.data.size));
        if range.start > range.end || range.end > self.data.size {
            return Err(past_end());
        }
        if self.data.size <= WHOLE {
            let content = if let Some(content) = &self.content {
                content.clone()
            } else {
                let content = Bytes::from(std::fs::read(&self.data.path).map_err(|e| self.failed(e))?);
                self.counters.add_bytes(content.len() as u64);
                self.content = Some(content.clone());
                content
            };
            if range.end > content.len() as u64 {
                return Err(past_end());
            }
            return Ok(content.slice(range.start as usize..range.end as usize));
        }
        let mut buffer = vec![0; (range.end - range.start) as usize];
        self.open()?.read_exact_at(&mut buffer, range.start).map_err(|e| self.failed(e))?;
        self.counters.add_bytes(buffer.len() as u64);
        Ok(buffer.into())
    }

    async fn read_off_thread(&mut self, range: Range<u64>) -> Result<Bytes> {
        if self.data.size <= WHOLE || range.end.saturating_sub(range.start) <= TAIL {
            return self.read(range);
        }
        let file = self.open()?;
        let mut reader =
            Self { data: self.data.clone(), counters: self.counters.clone(), content: None, file: Some(file) };
        tokio::task::spawn_blocking(move || reader.read(range)).await.map_err(|e| self.failed(e))?
    }

    fn footer(&mut self) -> Result<Arc<ParquetMetaData>> {
        let known = REMEMBERED.lock().unwrap_or_else(PoisonError::into_inner).by_blob.get(&self.data.blob).cloned();
        if let Some(known) = known {
            return Ok(known);
        }
        let size = self.data.size;
        let mut reader = ParquetMetaDataReader::new().with_page_index_policy(PageIndexPolicy::Skip);
        let mut length = if size <= WHOLE { size } else { TAIL };
        loop {
            let tail = self.read(size.saturating_sub(length)..size)?;
            match reader.try_parse_sized(&tail, size) {
                Ok(()) => break,
                Err(ParquetError::NeedMoreData(needed)) if needed as u64 > length && length < size => {
                    length = (needed as u64).min(size);
                }
                Err(e) => return Err(self.failed(e)),
            }
        }
        let footer = Arc::new(reader.finish()?);
        let mut footers = REMEMBERED.lock().unwrap_or_else(PoisonError::into_inner);
        footers.put(self.data.blob.clone(), footer.clone());
        Ok(footer)
    }
}

impl AsyncFileReader for Reader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes>> {
        self.read_off_thread(range).boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        _options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, Result<Arc<ParquetMetaData>>> {
        async move { self.footer() }.boxed()
    }
}
