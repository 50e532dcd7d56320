//! One crawl: the files, what they are, and one transaction that makes it all so.
//!
//! A crawl changes the table that its crawler made, and no other: it adds columns and partitions, and widens types. Until
//! its transaction nothing of it counts.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::{
    fail,
    infer::{self, Found},
    parts,
};
use crate::{
    cloud::{
        Error, Result,
        catalog::Column,
        events::CrawlerChange,
        resources::{self, Properties, Resource, Table},
    },
    local::{
        Local, logs, lookup,
        sql::{
            as_table,
            files::{under, visible},
        },
        state_changes,
        store::sql,
    },
};

/// A file to look at.
struct File {
    key: String,
    blob: String,
}

/// What a crawl found.
#[derive(Default)]
struct Findings {
    files: usize,
    format: String,
    columns: Vec<Column>,
    keys: Vec<String>,
    /// Per partition, its folder.
    partitions: BTreeMap<Vec<String>, String>,
    /// What is worth a line in the log.
    notes: Vec<String>,
}

/// Does the work of a crawl and writes down its end.
pub(super) async fn supervise(local: Local, id: String, crawler: String, resource: resources::Crawler) {
    let work = {
        let (local, id, crawler, resource) = (local.clone(), id.clone(), crawler.clone(), resource.clone());
        tokio::task::spawn_blocking(move || work(&local, &id, &crawler, &resource))
    };
    let why = match work.await {
        Ok(Ok(())) => return,
        Ok(Err(error)) => error.to_string(),
        Err(error) => format!("the crawl ended early: {error}"),
    };
    let now = local.inner.clock.now_ms();
    let end = move |t: &Transaction<'_>| fail(t, now, &crawler, &id, &why);
    local.inner.store.write_at_last("the end of a crawl", end).await;
}

fn work(local: &Local, id: &str, crawler: &str, resource: &resources::Crawler) -> Result<()> {
    let store = &local.inner.store;
    let (files, position) = store.read_now(|c| files(c, resource))?;
    let line = format!("[{id}] INFO : {} files under s3://{}/{}", files.len(), resource.bucket, resource.prefix);
    let now = local.inner.clock.now_ms();
    store.write_now(|t| logs::append(t, &resource.log_group, id, &[(now, &line)]))?;
    let found = look(local, resource, &files)?;
    let now = local.inner.clock.now_ms();
    store.write_now(|t| commit(t, now, id, crawler, resource, position, &found))
}

/// The files there are, and the newest object's seq: what comes later is seen by the next crawl.
fn files(connection: &Connection, crawler: &resources::Crawler) -> Result<(Vec<File>, i64)> {
    lookup::one(connection, "bucket", &crawler.bucket)?;
    let position: Option<i64> = connection
        .query_row("select max(seq) from objects where bucket = ?1", [&crawler.bucket], |r| r.get(0))
        .map_err(sql)?;
    let mut files = Vec::new();
    under(connection, &crawler.bucket, &crawler.prefix, |key, blob, _| {
        if visible(key.get(crawler.prefix.len()..).unwrap_or(key)) {
            files.push(File { key: key.to_owned(), blob: blob.to_owned() });
        }
    })?;
    Ok((files, position.unwrap_or(0)))
}

/// Looks into all files, and puts together what they say.
fn look(local: &Local, crawler: &resources::Crawler, files: &[File]) -> Result<Findings> {
    let mut all = Found::default();
    let mut findings = Findings { files: files.len(), ..Findings::default() };
    let mut keys: Option<(Vec<String>, &str)> = None;
    let mut left_out = BTreeSet::new();
    for file in files {
        let uri = format!("s3://{}/{}", crawler.bucket, file.key);
        let found = infer::file(&local.inner.store.blob_path(&file.blob), &uri)?;
        if !all.format.is_empty() && all.format != found.format {
            return Err(Error::failed(format!(
                "{uri} is {}, and what comes before it is {}: the files of a table are all the same",
                found.format, all.format
            )));
        }
        all.merge(&found);
        left_out.extend(found.left_out.iter().cloned());
        let inner = file.key.get(crawler.prefix.len()..).unwrap_or_default();
        let (names, values): (Vec<String>, Vec<String>) = parts(inner).into_iter().unzip();
        match &keys {
            None => keys = Some((names, &file.key)),
            Some((known, first)) if *known != names => {
                return Err(Error::failed(format!(
                    "{uri} is in other folders than s3://{}/{first}: the folders of a table have the same names, like \
                     day=1/",
                    crawler.bucket
                )));
            }
            Some(_) => {}
        }
        if !values.is_empty() {
            let folder = file.key.rfind('/').and_then(|slash| file.key.get(..=slash)).unwrap_or_default();
            findings.partitions.insert(values, format!("s3://{}/{folder}", crawler.bucket));
        }
    }
    findings.keys = keys.map(|(names, _)| names).unwrap_or_default();
    if let Some(key) = findings.keys.iter().find(|k| all.columns.iter().any(|(name, _)| name.eq_ignore_ascii_case(k))) {
        return Err(Error::failed(format!(
            "{key:?} is a folder's name and a column of the files, too: a column is in one of the two"
        )));
    }
    findings.notes = left_out
        .into_iter()
        .map(|column| format!("column {column:?} holds objects or lists, which no column here can: it is left out"))
        .collect();
    (findings.format, findings.columns) = (all.format.to_owned(), all.columns());
    Ok(findings)
}

/// The counts of tables made, tables changed and partitions found.
type Changes = (u64, u64, u64);

/// Makes it all so: the table, its partitions, the crawl's success.
fn commit(
    t: &Transaction<'_>,
    now: i64,
    id: &str,
    crawler: &str,
    resource: &resources::Crawler,
    position: i64,
    found: &Findings,
) -> Result<()> {
    let mine: Option<i64> = t
        .query_row("select started from crawls where id = ?1 and state = 'RUNNING'", [id], |r| r.get(0))
        .optional()
        .map_err(sql)?;
    let Some(started_ms) = mine else {
        return Err(Error::Conflict("another process has ended this crawl".into()));
    };
    let changes = if found.files == 0 { (0, 0, 0) } else { update(t, now, crawler, resource, found)? };
    t.execute(
        "update crawls set state = 'SUCCEEDED', ended = ?2, tables_created = ?3, tables_updated = ?4, \
         partitions_created = ?5, position = ?6, process = null where id = ?1",
        params![id, now, changes.0, changes.1, changes.2, position],
    )
    .map_err(sql)?;
    let (made, changed, partitions) = changes;
    let what = format!(
        "[{id}] BENCHMARK : Classification complete: {} files, {}; {made} tables made, {changed} changed, {partitions} \
         partitions added in database {}",
        found.files,
        if found.format.is_empty() { "nothing to classify" } else { &found.format },
        resource.database
    );
    let notes: Vec<String> = found.notes.iter().map(|note| format!("[{id}] WARN : {note}")).collect();
    let done = format!("[{id}] BENCHMARK : Crawler has finished running and is in state READY");
    let lines: Vec<(i64, &str)> =
        notes.iter().map(String::as_str).chain([what.as_str(), done.as_str()]).map(|line| (now, line)).collect();
    logs::append(t, &resource.log_group, id, &lines)?;
    let change = CrawlerChange { crawler, crawl: id, started_ms, ended_ms: now, changes, error: None };
    state_changes::crawl_ended(t, now, change)
}

/// Makes or changes the crawler's own table.
fn update(
    t: &Transaction<'_>,
    now: i64,
    crawler: &str,
    resource: &resources::Crawler,
    found: &Findings,
) -> Result<Changes> {
    let (database, name) = (&resource.database, &resource.table);
    let physical = format!("{database}.{name}");
    if let Some(other) = lookup::declared(t, "table", &physical)? {
        return Err(Error::Conflict(format!(
            "table {physical} is declared by the stack {}: a crawler changes nothing that others made; give the crawler \
             another table_prefix",
            other.stack
        )));
    }
    let owner: Option<String> = t
        .query_row("select crawler from crawled_tables where database = ?1 and tbl = ?2", [database, name], |r| {
            r.get(0)
        })
        .optional()
        .map_err(sql)?;
    if let Some(owner) = owner.filter(|o| o != crawler) {
        return Err(Error::Conflict(format!(
            "table {physical} was made by the crawler {owner}: give this one another table_prefix"
        )));
    }
    let known = lookup::crawled(t, database, name)?.and_then(|d| as_table(&d).cloned());
    let varchar = |name: &String| Column { name: name.clone(), kind: "varchar".into() };
    let mut table = known.clone().unwrap_or_else(|| Table {
        database: database.clone(),
        table: name.clone(),
        bucket: resource.bucket.clone(),
        prefix: resource.prefix.clone(),
        format: found.format.clone(),
        columns: Vec::new(),
        partition_keys: found.keys.iter().map(varchar).collect(),
    });
    let keys: Vec<&String> = table.partition_keys.iter().map(|k| &k.name).collect();
    if table.format != found.format || keys != found.keys.iter().collect::<Vec<_>>() {
        let words = |format: &str, keys: &[&String]| {
            let keys: Vec<&str> = keys.iter().map(|k| k.as_str()).collect();
            if keys.is_empty() { format.to_owned() } else { format!("{format} by {}", keys.join(", ")) }
        };
        return Err(Error::failed(format!(
            "table {physical} is {}, and the files are {} now: move one of the two to another folder",
            words(&table.format, &keys),
            words(&found.format, &found.keys.iter().collect::<Vec<_>>())
        )));
    }
    for column in &found.columns {
        match table.columns.iter_mut().find(|c| c.name.eq_ignore_ascii_case(&column.name)) {
            Some(own) => own.kind = infer::wider(&own.kind, &column.kind),
            None => table.columns.push(column.clone()),
        }
    }
    let changed = known.as_ref() != Some(&table);
    if changed {
        let deployed = lookup::one(t, "crawler", crawler)?;
        let made = Resource {
            logical_id: format!("{}Table", deployed.resource.logical_id),
            name: format!("{}/table", deployed.resource.name),
            physical_name: physical,
            depends_on: Vec::new(),
            properties: Properties::Table(table),
        };
        let json = serde_json::to_string(&made).map_err(Error::storage)?;
        t.execute(
            "insert into crawled_tables (database, tbl, crawler, stack, resource, updated) values (?1, ?2, ?3, ?4, ?5, ?6) \
             on conflict (database, tbl) do update set resource = excluded.resource, updated = excluded.updated",
            params![database, name, crawler, deployed.stack, json, now],
        )
        .map_err(sql)?;
    }
    let mut insert = t.prepare_cached("insert or ignore into partitions values (?1, ?2, ?3, ?4, ?5)").map_err(sql)?;
    let mut partitions = 0;
    for (values, location) in &found.partitions {
        let values = serde_json::to_string(values).map_err(Error::storage)?;
        partitions += insert.execute(params![database, name, values, location, now]).map_err(sql)? as u64;
    }
    Ok((u64::from(known.is_none()), u64::from(changed && known.is_some()), partitions))
}
