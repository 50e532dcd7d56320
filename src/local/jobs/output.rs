//! What a job gives, made to fit what its table declares.

use std::sync::Arc;

use datafusion::arrow::{
    array::{Array, ArrayRef, RecordBatch},
    compute::{CastOptions, cast_with_options},
    datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit},
};

use crate::{
    cloud::{Error, Result, resources},
    local::sql::{errors::listed, table::may_partition, types},
};

/// How the columns of a result become those of the files and the keys.
#[derive(Debug)]
pub(super) struct Shape {
    /// Per column of the output: its place in the result.
    places: Vec<usize>,
    /// The columns of the files, then the partition's.
    schema: SchemaRef,
    /// How many of them are the partition's.
    keys: usize,
    /// What declares them, for messages.
    declared_by: String,
}

impl Shape {
    /// # Errors
    /// [`Error::Failed`] that names the column and both types where the result does not fit.
    pub(super) fn new(result: &Schema, job: &resources::Job, table: Option<&resources::Table>) -> Result<Self> {
        let declared_by = table.map_or_else(|| "the job".to_owned(), |t| format!("table {}.{}", t.database, t.table));
        let fields = match table {
            Some(table) => declared(job, table)?,
            None => undeclared(result, job)?,
        };
        let names: Vec<&str> = result.fields().iter().map(|f| f.name().as_str()).collect();
        let mut places = Vec::with_capacity(fields.len());
        for field in &fields {
            let Some(place) = names.iter().position(|n| n.eq_ignore_ascii_case(field.name())) else {
                return Err(Error::failed(format!(
                    "column {:?} of {declared_by} is missing: the SQL gives {}",
                    field.name(),
                    listed(&names)
                )));
            };
            let given = result.field(place).data_type();
            if !types::casts_without_loss(given, field.data_type()) {
                return Err(Error::failed(format!(
                    "column {:?} of {declared_by} is {}, and the SQL gives {}: cast it in the SQL",
                    field.name(),
                    types::to_athena(field.data_type()),
                    types::to_athena(given)
                )));
            }
            places.push(place);
        }
        if let Some(extra) = names.iter().enumerate().find(|(i, _)| !places.contains(i)).map(|(_, name)| name) {
            return Err(Error::failed(format!(
                "the SQL gives column {extra:?}, which {declared_by} does not declare: declare it or leave it out"
            )));
        }
        Ok(Self { places, schema: Arc::new(Schema::new(fields)), keys: job.partition_by.len(), declared_by })
    }

    /// The columns of the files.
    pub(super) fn file_schema(&self) -> SchemaRef {
        let files = self.schema.fields().len() - self.keys;
        Arc::new(Schema::new(self.schema.fields().iter().take(files).cloned().collect::<Vec<_>>()))
    }

    /// The columns in the keys.
    pub(super) fn key_schema(&self) -> SchemaRef {
        let files = self.schema.fields().len() - self.keys;
        Arc::new(Schema::new(self.schema.fields().iter().skip(files).cloned().collect::<Vec<_>>()))
    }

    /// A batch of the result in this shape: the columns of the files, then the partition's.
    pub(super) fn fit(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let columns = self
            .schema
            .fields()
            .iter()
            .zip(&self.places)
            .map(|(field, place)| {
                cast(batch.column(*place), field.data_type()).map_err(|e| {
                    Error::failed(format!(
                        "column {:?} of {} is {}, and a value does not fit: {e}",
                        field.name(),
                        self.declared_by,
                        types::to_athena(field.data_type())
                    ))
                })
            })
            .collect::<Result<Vec<_>>>()?;
        RecordBatch::try_new(self.schema.clone(), columns).map_err(Error::failed)
    }
}

fn declared(job: &resources::Job, table: &resources::Table) -> Result<Vec<Field>> {
    let keys: Vec<&str> = table.partition_keys.iter().map(|k| k.name.as_str()).collect();
    if keys != job.partition_by.iter().map(String::as_str).collect::<Vec<_>>() {
        return Err(Error::failed(format!(
            "the job partitions by {}, and table {}.{} by {}: make them the same",
            job.partition_by.join(", "),
            table.database,
            table.table,
            keys.join(", ")
        )));
    }
    let columns = table.columns.iter().chain(&table.partition_keys);
    columns.map(|c| Ok(Field::new(c.name.to_lowercase(), types::to_arrow(&c.kind)?, true))).collect()
}

fn undeclared(result: &Schema, job: &resources::Job) -> Result<Vec<Field>> {
    let plain = |f: &Field| Field::new(f.name().to_lowercase(), storable(f.data_type()), true);
    let is_key = |f: &Field| job.partition_by.iter().any(|k| k.eq_ignore_ascii_case(f.name()));
    let mut fields: Vec<Field> = result.fields().iter().filter(|f| !is_key(f)).map(|f| plain(f)).collect();
    for key in &job.partition_by {
        let Some(field) = result.fields().iter().find(|f| f.name().eq_ignore_ascii_case(key)) else {
            let names: Vec<&str> = result.fields().iter().map(|f| f.name().as_str()).collect();
            return Err(Error::failed(format!(
                "partition column {key:?} is missing: the SQL gives {}",
                listed(&names)
            )));
        };
        let field = plain(field);
        if !may_partition(field.data_type()) {
            return Err(Error::failed(format!(
                "partition column {key:?} is {}: only text, whole numbers, dates and booleans can be part of a key",
                types::to_athena(field.data_type())
            )));
        }
        fields.push(field);
    }
    Ok(fields)
}

/// The type in which a column without a declaration is stored.
fn storable(kind: &DataType) -> DataType {
    match kind {
        DataType::Utf8View | DataType::LargeUtf8 | DataType::Null => DataType::Utf8,
        DataType::BinaryView | DataType::LargeBinary => DataType::Binary,
        DataType::Timestamp(..) => DataType::Timestamp(TimeUnit::Microsecond, None),
        DataType::Date64 => DataType::Date32,
        DataType::UInt8 => DataType::Int16,
        DataType::UInt16 => DataType::Int32,
        DataType::UInt32 | DataType::UInt64 => DataType::Int64,
        DataType::Dictionary(_, value) => storable(value),
        other => other.clone(),
    }
}

fn cast(array: &ArrayRef, to: &DataType) -> std::result::Result<ArrayRef, String> {
    let options = CastOptions { safe: false, ..CastOptions::default() };
    let strict = |array: &ArrayRef, to: &DataType| {
        cast_with_options(array, to, &options).map_err(|e| crate::local::sql::errors::arrow(&e))
    };
    match (array.data_type(), to) {
        (from, to) if from == to => Ok(array.clone()),
        // Dropping a zone keeps what the clock on the wall there shows: go to UTC's wall first.
        (DataType::Timestamp(unit, Some(_)), DataType::Timestamp(_, None)) => {
            strict(&strict(array, &DataType::Timestamp(*unit, Some("+00:00".into())))?, to)
        }
        _ => strict(array, to),
    }
}
