//! What a run reads: the objects that the job has not read yet, and what they are.

use datafusion::common::ScalarValue;
use rusqlite::{Connection, OptionalExtension, params};

use super::run::Run;
use crate::{
    cloud::{Result, catalog::Column, resources},
    local::{
        crawlers::parts,
        lookup,
        sql::{
            as_table,
            files::{DataFile, after_prefix, partition_values, visible},
            types,
        },
        store::{Store, sql},
    },
};

/// What a run reads.
pub(super) struct Snapshot {
    pub(super) files: Vec<DataFile>,
    /// What they are.
    pub(super) input: Input,
    /// Where the bookmark stood.
    pub(super) from: Option<i64>,
    /// Where it moves to.
    pub(super) to: i64,
}

/// What the files are that a run reads.
#[derive(Debug, Clone, Default)]
pub(super) struct Input {
    pub(super) format: String,
    pub(super) columns: Vec<Column>,
    /// The columns in the keys.
    pub(super) keys: Vec<Column>,
}

pub(super) fn bookmark(connection: &Connection, run: &Run) -> Result<Option<i64>> {
    if !run.resource.bookmark {
        return Ok(None);
    }
    connection
        .query_row("select position from bookmarks where job = ?1", [&run.job], |r| r.get(0))
        .optional()
        .map_err(sql)
}

/// The objects that are there and that the job has not read yet.
pub(super) fn snapshot(connection: &Connection, store: &Store, run: &Run) -> Result<Snapshot> {
    let job = &run.resource;
    lookup::one(connection, "bucket", &job.from)?;
    let from = bookmark(connection, run)?;
    let (input, most) = input(connection, job)?;
    let schema = types::schema(&input.keys)?;
    let mut statement = connection
        .prepare_cached(
            "select seq, key, blob, size from objects where bucket = ?1 and key >= ?2 and (?3 is null or key < ?3) \
             and seq > ?4 and seq <= ?5 and latest = 1 and delete_marker = 0 and blob is not null order by seq",
        )
        .map_err(sql)?;
    let mut rows = statement
        .query(params![job.from, job.from_prefix, after_prefix(&job.from_prefix), from.unwrap_or(0), most])
        .map_err(sql)?;
    let (mut files, mut to) = (Vec::new(), from.unwrap_or(0));
    while let Some(row) = rows.next().map_err(sql)? {
        to = row.get(0).map_err(sql)?;
        let key: String = row.get(1).map_err(sql)?;
        let blob: String = row.get(2).map_err(sql)?;
        let size: u64 = row.get(3).map_err(sql)?;
        let mut partition = Vec::new();
        if job.input_table.is_some() {
            // As the crawler took it: what is empty or hidden is no data.
            let inner = key.get(job.from_prefix.len()..).unwrap_or_default();
            if size == 0 || !visible(inner) {
                continue;
            }
            let values: Vec<String> = parts(inner).into_iter().map(|(_, value)| value).collect();
            partition = partition_values(&schema, &values)?;
        }
        if job.file_column.is_some() {
            partition.push(ScalarValue::from(key.rsplit('/').next().unwrap_or(&key)));
        }
        files.push(DataFile {
            uri: format!("s3://{}/{key}", job.from),
            path: store.blob_path(&blob),
            blob: blob.into(),
            size,
            partition: partition.into(),
        });
    }
    Ok(Snapshot { files, input, from, to })
}

/// What the files of a job are: as it says itself, or as the table tells that a crawler made; then with the newest object
/// that the crawler has seen, since only what was crawled has its columns there.
fn input(connection: &Connection, job: &resources::Job) -> Result<(Input, i64)> {
    let Some((database, name)) = &job.input_table else {
        let (format, columns) = (job.input_format.clone(), job.input_columns.clone());
        return Ok((Input { format, columns, keys: Vec::new() }, i64::MAX));
    };
    let Some(deployed) = lookup::crawled(connection, database, name)? else {
        // Nothing was crawled, so there is nothing to read.
        return Ok((Input::default(), 0));
    };
    let Some(table) = as_table(&deployed).cloned() else { return Ok((Input::default(), 0)) };
    let most: Option<i64> = connection
        .prepare_cached(
            "select max(position) from crawls where state = 'SUCCEEDED' and crawler = \
             (select crawler from crawled_tables where database = ?1 and tbl = ?2)",
        )
        .and_then(|mut s| s.query_row([database, name], |r| r.get(0)))
        .map_err(sql)?;
    Ok((Input { format: table.format, columns: table.columns, keys: table.partition_keys }, most.unwrap_or(0)))
}

pub(super) fn table(connection: &Connection, job: &resources::Job) -> Result<Option<resources::Table>> {
    let Some((database, table)) = &job.table else { return Ok(None) };
    let deployed = lookup::one(connection, "table", &format!("{database}.{table}"))?;
    Ok(as_table(&deployed).cloned())
}
