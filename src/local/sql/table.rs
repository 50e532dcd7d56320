//! Tables: files with columns, partitions in their keys.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;
use datafusion::{
    arrow::{
        array::{Array, AsArray, RecordBatch, RecordBatchOptions},
        datatypes::{DataType, Field, Schema, SchemaRef},
    },
    catalog::{Session, TableProvider},
    common::{DFSchema, Result, ScalarValue, config::TableParquetOptions},
    datasource::{
        TableType,
        listing::PartitionedFile,
        object_store::ObjectStoreUrl,
        physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource},
        source::DataSourceExec,
        table_schema::TableSchema,
    },
    error::DataFusionError,
    logical_expr::{Expr, TableProviderFilterPushDown, utils::conjunction},
    physical_plan::{ExecutionPlan, empty::EmptyExec, streaming::StreamingTableExec},
};

use super::{
    files::{self, Counters, DataFile},
    parquet::Readers,
    rows::{Rejects, RowFormat},
    runtime::STORE_URL,
    text::{TextFormat, TextPartition},
    types,
};
use crate::{
    cloud::{Error, catalog::Column, delimited::Dialect, resources},
    local::store::Store,
};

/// A mean size of files.
const SMALL: u64 = 64 * 1_024;

/// The formats of files.
#[derive(Debug, Clone)]
pub(crate) enum Format {
    /// Parquet.
    Parquet,
    /// JSON lines or CSV.
    Text(TextFormat),
}

impl Format {
    /// The format of that name.
    pub(crate) fn named(name: &str) -> std::result::Result<Self, Error> {
        match name {
            "parquet" => Ok(Self::Parquet),
            "json" => Ok(Self::Text(TextFormat::Json)),
            "csv" => Ok(Self::Text(TextFormat::Csv)),
            _ => Err(Error::invalid(format!("format {name:?} is unknown: use parquet, json or csv"))),
        }
    }
}

/// How the input of a job is read, beside its format and columns.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reading {
    /// How CSV is written, where that is not the usual way.
    pub(crate) dialect: Option<Dialect>,
    /// Where bad rows are set aside.
    pub(crate) rejects: Option<Rejects>,
    /// The column that holds the name of a row's file: the one value in each file's `partition`.
    pub(crate) file_column: Option<String>,
}

impl Reading {
    fn format(&self, format: &str, columns: &[Column]) -> std::result::Result<Format, Error> {
        let by_row = self.dialect.is_some() || self.rejects.is_some() || self.file_column.is_some();
        let dialect = match format {
            "pipe" => Dialect::pipes(),
            "csv" if by_row => self.dialect.clone().unwrap_or_default(),
            _ => return Format::named(format),
        };
        let rows = RowFormat { dialect, columns: columns.to_vec(), rejects: self.rejects.clone() };
        Ok(Format::Text(TextFormat::Rows(Arc::new(rows))))
    }
}

enum Source {
    /// A table of the catalog.
    Catalog(Store, Box<resources::Table>),
    /// Files chosen beforehand.
    Files(Vec<DataFile>),
}

/// A table over files.
pub(crate) struct FileTable {
    source: Source,
    format: Format,
    file_schema: SchemaRef,
    keys: SchemaRef,
    schema: SchemaRef,
    counters: Arc<Counters>,
    crawled: bool,
    scanned: AtomicBool,
}

impl fmt::Debug for FileTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileTable").field("format", &self.format).field("schema", &self.schema).finish_non_exhaustive()
    }
}

impl FileTable {
    /// A table of the catalog: its partitions and files are looked up when it is scanned.
    pub(crate) fn catalog(
        store: Store,
        table: resources::Table,
        crawled: bool,
        counters: Arc<Counters>,
    ) -> std::result::Result<Self, Error> {
        let (columns, keys) = (types::schema(&table.columns)?, types::schema(&table.partition_keys)?);
        let format = Format::named(&table.format)?;
        if crawled {
            let written = types::schema_as_written(&table.columns)?;
            return Ok(
                Self::new(Source::Catalog(store, Box::new(table)), format, columns, keys, counters).crawled(written)
            );
        }
        Ok(Self::new(Source::Catalog(store, Box::new(table)), format, columns, keys, counters))
    }

    /// A table of these files that a crawler made.
    pub(crate) fn of_crawled(
        files: Vec<DataFile>,
        format: &str,
        columns: &[Column],
        keys: &[Column],
        counters: Arc<Counters>,
    ) -> std::result::Result<Self, Error> {
        let written = types::schema_as_written(columns)?;
        let (format, columns, keys) = (Format::named(format)?, types::schema(columns)?, types::schema(keys)?);
        Ok(Self::new(Source::Files(files), format, columns, keys, counters).crawled(written))
    }

    /// The table's columns are in lower case; in the files they are as they are written there.
    fn crawled(self, written: SchemaRef) -> Self {
        Self { file_schema: written, crawled: true, ..self }
    }

    /// A table of these files; its columns have the names that the files have.
    pub(crate) fn of_files(
        files: Vec<DataFile>,
        format: &str,
        columns: &[Column],
        reading: Reading,
        counters: Arc<Counters>,
    ) -> std::result::Result<Self, Error> {
        let format = reading.format(format, columns)?;
        let columns = types::schema_as_written(columns)?;
        let keys: Vec<_> = reading.file_column.map(|name| Field::new(name, DataType::Utf8, true)).into_iter().collect();
        Ok(Self::new(Source::Files(files), format, columns, Arc::new(Schema::new(keys)), counters))
    }

    fn new(source: Source, format: Format, columns: SchemaRef, keys: SchemaRef, counters: Arc<Counters>) -> Self {
        let fields: Vec<_> = columns.fields().iter().chain(keys.fields()).cloned().collect();
        Self {
            source,
            format,
            schema: Arc::new(Schema::new(fields)),
            file_schema: columns,
            keys,
            counters,
            crawled: false,
            scanned: AtomicBool::new(false),
        }
    }

    fn of_keys_alone(&self, filter: &Expr) -> bool {
        // Files that were chosen beforehand are all read.
        matches!(self.source, Source::Catalog(..))
            && !filter.is_volatile()
            && filter.column_refs().iter().all(|c| self.keys.field_with_name(&c.name).is_ok())
            && !self.keys.fields().is_empty()
    }

    async fn files(&self, state: &dyn Session, filters: &[Expr]) -> Result<Vec<DataFile>> {
        let (store, table) = match &self.source {
            Source::Files(files) => return Ok(files.clone()),
            Source::Catalog(store, table) => (store.clone(), table.clone()),
        };
        if self.keys.fields().is_empty() {
            let inner = store.clone();
            return store.read(move |c| files::of_table(c, &inner, &table)).await.map_err(external);
        }
        let keys = self.keys.clone();
        let (database, name) = (table.database.clone(), table.table.clone());
        let partitions = store
            .read(move |c| {
                files::partitions(c, &database, &name)?
                    .into_iter()
                    .map(|p| Ok((p.location, Arc::<[ScalarValue]>::from(files::partition_values(&keys, &p.values)?))))
                    .collect::<crate::cloud::Result<Vec<_>>>()
            })
            .await
            .map_err(external)?;
        let kept = self.prune(state, partitions, filters)?;
        let inner = store.clone();
        store.read(move |c| files::of_partitions(c, &inner, &table, &kept)).await.map_err(external)
    }

    /// The partitions that the filters do not exclude.
    fn prune(&self, state: &dyn Session, partitions: Vec<Located>, filters: &[Expr]) -> Result<Vec<Located>> {
        let filters = filters.iter().filter(|f| self.of_keys_alone(f)).cloned().map(unqualified);
        let Some(filter) = conjunction(filters.collect::<Result<Vec<_>>>()?) else { return Ok(partitions) };
        if partitions.is_empty() {
            return Ok(partitions);
        }
        let columns = (0..self.keys.fields().len())
            .map(|i| ScalarValue::iter_to_array(partitions.iter().filter_map(|(_, values)| values.get(i).cloned())))
            .collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(partitions.len()));
        let batch = RecordBatch::try_new_with_options(self.keys.clone(), columns, &options)?;
        let schema = DFSchema::try_from(self.keys.clone())?;
        let keep = state.create_physical_expr(filter, &schema)?.evaluate(&batch)?.into_array(batch.num_rows())?;
        let Some(keep) = keep.as_boolean_opt() else { return Ok(partitions) };
        Ok(partitions
            .into_iter()
            .enumerate()
            .filter(|(i, _)| keep.is_valid(*i) && keep.value(*i))
            .map(|(_, partition)| partition)
            .collect())
    }

    fn scan_parquet(
        &self,
        groups: Vec<Vec<DataFile>>,
        projection: Option<&Vec<usize>>,
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let files = groups.iter().map(Vec::len).sum::<usize>() as u64;
        let bytes = groups.iter().flatten().map(|f| f.size).sum::<u64>();
        let keys: Vec<_> = self.keys.fields().iter().cloned().collect();
        let schema = TableSchema::builder(self.file_schema.clone()).with_table_partition_cols(keys).build();
        let mut options = TableParquetOptions::default();
        // Below that, looking at the statistics of a file costs more than its rows.
        options.global.pruning = bytes / files.max(1) > SMALL;
        options.global.enable_page_index = false;
        options.global.bloom_filter_on_read = false;
        let source = ParquetSource::new(schema)
            .with_table_parquet_options(options)
            .with_parquet_file_reader_factory(Arc::new(Readers { counters: self.counters.clone() }));
        let groups = groups
            .into_iter()
            .map(|files| {
                FileGroup::new(
                    files
                        .into_iter()
                        .map(|f| {
                            PartitionedFile::new(&*f.blob, f.size)
                                .with_partition_values(f.partition.to_vec())
                                .with_extension(f)
                        })
                        .collect(),
                )
            })
            .collect();
        let config = FileScanConfigBuilder::new(ObjectStoreUrl::parse(STORE_URL)?, Arc::new(source))
            .with_file_groups(groups)
            .with_limit(limit)
            .with_projection_indices(projection.cloned())?
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }

    fn scan_text(
        &self,
        format: &TextFormat,
        groups: Vec<Vec<DataFile>>,
        projection: Option<&Vec<usize>>,
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let count_rows = !self.scanned.swap(true, Ordering::Relaxed);
        let partitions = groups
            .into_iter()
            .map(|files| {
                Arc::new(TextPartition {
                    format: format.clone(),
                    by_place: matches!(self.source, Source::Catalog(..)),
                    crawled: self.crawled,
                    files,
                    file_schema: self.file_schema.clone(),
                    schema: self.schema.clone(),
                    counters: self.counters.clone(),
                    count_rows,
                }) as _
            })
            .collect();
        Ok(Arc::new(StreamingTableExec::try_new(self.schema.clone(), partitions, projection, None, false, limit)?))
    }
}

/// A partition's location and values.
type Located = (String, Arc<[ScalarValue]>);

#[async_trait]
impl TableProvider for FileTable {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(filters
            .iter()
            .map(|f| match &self.format {
                _ if self.of_keys_alone(f) => TableProviderFilterPushDown::Exact,
                Format::Parquet => TableProviderFilterPushDown::Inexact,
                Format::Text(_) => TableProviderFilterPushDown::Unsupported,
            })
            .collect())
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let files = self.files(state, filters).await?;
        if files.is_empty() {
            let schema = match projection {
                Some(p) => Arc::new(self.schema.project(p)?),
                None => self.schema.clone(),
            };
            return Ok(Arc::new(EmptyExec::new(schema)));
        }
        let groups = split(files, state.config().target_partitions());
        match &self.format {
            Format::Parquet => self.scan_parquet(groups, projection, limit),
            Format::Text(format) => self.scan_text(format, groups, projection, limit),
        }
    }
}

/// Splits files into at most `shares` runs of about the same weight, in order.
fn split(files: Vec<DataFile>, shares: usize) -> Vec<Vec<DataFile>> {
    // Opening a file costs about as much as reading so many bytes.
    const OPENING: u64 = 16 * 1_024;
    let shares = shares.clamp(1, files.len().max(1));
    let total: u64 = files.iter().map(|f| f.size + OPENING).sum();
    let share = total / shares as u64 + 1;
    let mut groups: Vec<Vec<DataFile>> = vec![Vec::new()];
    let mut weight = 0;
    for file in files {
        if weight >= share && groups.len() < shares {
            groups.push(Vec::new());
            weight = 0;
        }
        weight += file.size + OPENING;
        if let Some(group) = groups.last_mut() {
            group.push(file);
        }
    }
    groups
}

/// The expression with bare column names.
fn unqualified(expr: Expr) -> Result<Expr> {
    use datafusion::common::{
        Column,
        tree_node::{Transformed, TreeNode},
    };
    expr.transform(|e| {
        Ok(match e {
            Expr::Column(c) if c.relation.is_some() => Transformed::yes(Expr::Column(Column::new_unqualified(c.name))),
            other => Transformed::no(other),
        })
    })
    .map(|t| t.data)
}

fn external(e: Error) -> DataFusionError {
    DataFusionError::External(Box::new(e))
}

/// Whether a column may be a partition's key: its values must stand in a key as text.
pub(crate) fn may_partition(kind: &DataType) -> bool {
    kind.is_integer() || matches!(kind, DataType::Utf8 | DataType::Date32 | DataType::Boolean)
}
