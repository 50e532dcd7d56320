//! Which files hold a table: from the objects and partitions of the state, never from a listing of folders.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use datafusion::{arrow::datatypes::SchemaRef, common::ScalarValue};
use rusqlite::{Connection, params};

use crate::{
    cloud::{Error, Result, resources},
    local::store::{Store, sql},
};

/// What stands for null in a partition's key, as Hive has it.
pub(crate) const NULL_PARTITION: &str = "__HIVE_DEFAULT_PARTITION__";

/// Above so many partitions, one listing of the whole table is quicker than one per partition.
const LISTINGS: usize = 64;

/// One file to read.
#[derive(Debug, Clone)]
pub(crate) struct DataFile {
    /// `s3://bucket/key`, for messages.
    pub(crate) uri: String,
    /// Where its content lies.
    pub(crate) path: PathBuf,
    /// The name of its content: another content has another name.
    pub(crate) blob: Arc<str>,
    /// Its size in bytes.
    pub(crate) size: u64,
    /// The values of the partition columns for all its rows.
    pub(crate) partition: Arc<[ScalarValue]>,
}

/// What a query or a job has read so far.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    bytes: AtomicU64,
    rows: AtomicU64,
}

impl Counters {
    /// Counts bytes that were read.
    pub(crate) fn add_bytes(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Counts rows that were read.
    pub(crate) fn add_rows(&self, rows: u64) {
        self.rows.fetch_add(rows, Ordering::Relaxed);
    }

    /// Bytes read so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Rows read so far; for text formats alone, whose reader counts them.
    pub(crate) fn rows(&self) -> u64 {
        self.rows.load(Ordering::Relaxed)
    }
}

/// A registered partition.
#[derive(Debug, Clone)]
pub(crate) struct PartitionRow {
    /// One value a partition key, as text.
    pub(crate) values: Vec<String>,
    /// `s3://bucket/prefix/name=value/.../`.
    pub(crate) location: String,
    /// When it was registered, in milliseconds.
    pub(crate) created: i64,
}

/// A table's registered partitions.
pub(crate) fn partitions(connection: &Connection, database: &str, table: &str) -> Result<Vec<PartitionRow>> {
    let mut statement = connection
        .prepare_cached("select vals, location, created from partitions where database = ?1 and tbl = ?2")
        .map_err(sql)?;
    let rows =
        statement.query_map([database, table], |r| Ok((r.get::<_, String>(0)?, r.get(1)?, r.get(2)?))).map_err(sql)?;
    rows.map(|row| {
        let (values, location, created) = row.map_err(sql)?;
        let values = serde_json::from_str(&values).map_err(Error::storage)?;
        Ok(PartitionRow { values, location, created })
    })
    .collect()
}

/// The typed values of a partition.
///
/// # Errors
/// [`Error::Storage`] where a value does not fit its column.
pub(crate) fn partition_values(keys: &SchemaRef, values: &[String]) -> Result<Vec<ScalarValue>> {
    if keys.fields().len() != values.len() {
        return Err(Error::storage(format!(
            "a partition has {} values for {} partition keys",
            values.len(),
            keys.fields().len()
        )));
    }
    keys.fields()
        .iter()
        .zip(values)
        .map(|(key, value)| {
            if value == NULL_PARTITION {
                return ScalarValue::try_from(key.data_type()).map_err(Error::storage);
            }
            ScalarValue::try_from_string(value.clone(), key.data_type())
                .map_err(|_| Error::storage(format!("partition {}={value} is no {}", key.name(), key.data_type())))
        })
        .collect()
}

/// The files of a table without partition keys.
pub(crate) fn of_table(connection: &Connection, store: &Store, table: &resources::Table) -> Result<Vec<DataFile>> {
    let none: Arc<[ScalarValue]> = Arc::new([]);
    let mut files = Vec::new();
    under(connection, &table.bucket, &table.prefix, |key, blob, size| {
        if visible(key.get(table.prefix.len()..).unwrap_or(key)) {
            files.push(data_file(store, &table.bucket, key, blob, size, none.clone()));
        }
    })?;
    Ok(files)
}

/// The files in partitions, each given by its location and its typed values.
pub(crate) fn of_partitions(
    connection: &Connection,
    store: &Store,
    table: &resources::Table,
    partitions: &[(String, Arc<[ScalarValue]>)],
) -> Result<Vec<DataFile>> {
    let root = format!("s3://{}/", table.bucket);
    let mut files = Vec::with_capacity(partitions.len());
    if partitions.len() <= LISTINGS {
        for (location, values) in partitions {
            let Some(prefix) = location.strip_prefix(&root) else { continue };
            under(connection, &table.bucket, prefix, |key, blob, size| {
                if visible(key.get(prefix.len()..).unwrap_or(key)) {
                    files.push(data_file(store, &table.bucket, key, blob, size, values.clone()));
                }
            })?;
        }
        return Ok(files);
    }
    let by_prefix: HashMap<&str, &Arc<[ScalarValue]>> =
        partitions.iter().filter_map(|(l, values)| Some((l.strip_prefix(&root)?, values))).collect();
    under(connection, &table.bucket, &table.prefix, |key, blob, size| {
        let Some(slash) = key.rfind('/') else { return };
        let (folder, name) = key.split_at(slash + 1);
        if let Some(values) = by_prefix.get(folder)
            && visible(name)
        {
            files.push(data_file(store, &table.bucket, key, blob, size, (*values).clone()));
        }
    })?;
    Ok(files)
}

fn data_file(store: &Store, bucket: &str, key: &str, blob: &str, size: u64, partition: Arc<[ScalarValue]>) -> DataFile {
    DataFile { uri: format!("s3://{bucket}/{key}"), path: store.blob_path(blob), blob: blob.into(), size, partition }
}

/// Engines do not read files whose names, or folders below the table, begin with `_` or `.`.
pub(crate) fn visible(relative: &str) -> bool {
    !relative.is_empty() && relative.split('/').all(|part| !part.starts_with('_') && !part.starts_with('.'))
}

/// Calls `each` with the key, blob and size of each current object that is not empty, in order of the keys.
pub(crate) fn under(
    connection: &Connection,
    bucket: &str,
    prefix: &str,
    mut each: impl FnMut(&str, &str, u64),
) -> Result<()> {
    let mut statement = connection
        .prepare_cached(
            "select key, blob, size from objects where bucket = ?1 and key >= ?2 and (?3 is null or key < ?3) \
             and latest = 1 and delete_marker = 0 and blob is not null and size > 0 order by key",
        )
        .map_err(sql)?;
    let mut rows = statement.query(params![bucket, prefix, after_prefix(prefix)]).map_err(sql)?;
    while let Some(row) = rows.next().map_err(sql)? {
        let key = row.get_ref(0).map_err(sql)?.as_str().map_err(Error::storage)?;
        let blob = row.get_ref(1).map_err(sql)?.as_str().map_err(Error::storage)?;
        let size: u64 = row.get(2).map_err(sql)?;
        each(key, blob, size);
    }
    Ok(())
}

/// The least text greater than all texts that begin with `prefix`, by their UTF-8 bytes; none where there is none.
pub(crate) fn after_prefix(prefix: &str) -> Option<String> {
    let mut chars: Vec<char> = prefix.chars().collect();
    while let Some(last) = chars.pop() {
        let next = match last {
            '\u{D7FF}' => Some('\u{E000}'),
            c => char::from_u32(u32::from(c) + 1),
        };
        if let Some(next) = next {
            chars.push(next);
            return Some(chars.into_iter().collect());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_prefix_is_after_all_its_keys() {
        assert_eq!(after_prefix("a/").as_deref(), Some("a0"));
        assert_eq!(after_prefix("a\u{10FFFF}").as_deref(), Some("b"));
        assert_eq!(after_prefix("\u{D7FF}").as_deref(), Some("\u{E000}"));
        assert_eq!(after_prefix(""), None);
    }

    #[test]
    fn hidden_files_are_not_read() {
        assert!(visible("part-0.parquet"));
        assert!(visible("x=1/part-0.parquet"));
        assert!(!visible("_SUCCESS"));
        assert!(!visible("_temporary/0/part-0.parquet"));
        assert!(!visible(".hidden"));
    }
}
