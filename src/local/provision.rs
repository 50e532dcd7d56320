//! What it takes to make, change and remove a resource, beside the row that says how it is configured.

use rusqlite::{Transaction, params};

use super::{
    copies, logs, schedules,
    store::{Store, sql},
};
use crate::cloud::{
    Error, Result,
    resources::{Properties, Resource},
};

/// Rows that are removed in one transaction, so that other writers get their turn.
const BATCH: usize = 10_000;

/// Makes a resource.
pub(crate) fn create(t: &Transaction<'_>, now_ms: i64, resource: &Resource) -> Result<()> {
    let name = &resource.physical_name;
    match &resource.properties {
        Properties::Bucket(bucket) => copies::begin(t, name, None, bucket),
        Properties::Schedule(schedule) => schedules::arm(t, name, schedule, now_ms),
        Properties::Api(api) if api.api_key => make_api_key(t, name),
        _ => Ok(()),
    }
}

/// Makes of a resource what it is to be, and keeps what it holds.
pub(crate) fn change(t: &Transaction<'_>, now_ms: i64, old: &Resource, new: &Resource) -> Result<()> {
    let name = &new.physical_name;
    match (&old.properties, &new.properties) {
        (Properties::Bucket(before), Properties::Bucket(after)) => copies::begin(t, name, Some(before), after),
        (Properties::Schedule(before), Properties::Schedule(after)) if before.expression != after.expression => {
            schedules::arm(t, name, after, now_ms)
        }
        // A limit that was set by hand holds until the pipeline itself says another.
        (Properties::Threshold(before), Properties::Threshold(after))
            if before.default.to_bits() != after.default.to_bits() =>
        {
            delete(t, "delete from thresholds where name = ?1", name)
        }
        (Properties::Alarm(before), Properties::Alarm(after)) if before.above.to_bits() != after.above.to_bits() => {
            delete(t, "delete from thresholds where name = ?1", name)
        }
        (_, Properties::Api(after)) if after.api_key => make_api_key(t, name),
        _ => Ok(()),
    }
}

/// Removes what a bucket or a stream holds, in several transactions: first of all when it is to be removed.
pub(crate) fn empty(store: &Store, resource: &Resource) -> Result<()> {
    let name = &resource.physical_name;
    let batch: fn(&Transaction<'_>, &str) -> Result<usize> = match &resource.properties {
        Properties::Bucket(_) => |t, name| {
            // Since for ever: nobody is to read them any more.
            t.prepare_cached(
                "insert or ignore into garbage select blob, 0 from objects where blob is not null and seq in \
                 (select seq from objects where bucket = ?1 order by key, seq limit ?2)",
            )
            .map_err(sql)?
            .execute(params![name, BATCH])
            .map_err(sql)?;
            t.prepare_cached(
                "delete from objects where seq in \
                 (select seq from objects where bucket = ?1 order by key, seq limit ?2)",
            )
            .map_err(sql)?
            .execute(params![name, BATCH])
            .map_err(sql)
        },
        Properties::Stream(_) => |t, name| {
            t.prepare_cached(
                "delete from records where seq in (select seq from records where stream = ?1 order by seq limit ?2)",
            )
            .map_err(sql)?
            .execute(params![name, BATCH])
            .map_err(sql)
        },
        _ => return Ok(()),
    };
    while store.write_now(|t| batch(t, name))? >= BATCH {}
    Ok(())
}

/// Removes a resource with all that it has come to hold; a bucket's and a stream's content is to be removed with
/// [`empty`] first, this takes the rest.
pub(crate) fn remove(t: &Transaction<'_>, resource: &Resource) -> Result<()> {
    let name = &resource.physical_name;
    let statements: &[&str] = match &resource.properties {
        Properties::Bucket(_) => &[
            "insert or ignore into garbage select blob, 0 from objects where bucket = ?1 and blob is not null",
            "delete from objects where bucket = ?1",
            "delete from bucket_usage where bucket = ?1",
            "delete from deliveries where name in ('access_log:' || ?1, 'replication:' || ?1)",
        ],
        Properties::Stream(_) => {
            &["delete from records where stream = ?1", "delete from spent_tokens where stream = ?1"]
        }
        Properties::Queue(_) => &[
            "delete from queue_messages where queue = ?1",
            "delete from queue_tokens where queue = ?1",
            "delete from queue_totals where queue = ?1",
        ],
        Properties::Delivery(_) => &["delete from deliveries where name = ?1"],
        Properties::LogGroup(_) => return logs::remove_group(t, name),
        Properties::Function(_) => &[
            "delete from pending where function = ?1",
            "delete from invocations where function = ?1",
            "delete from source_steps where function = ?1",
        ],
        Properties::Crawler(_) => &[
            "delete from start_tokens where run in (select id from crawls where crawler = ?1)",
            "delete from crawls where crawler = ?1",
            "delete from partitions where (database, tbl) in \
             (select database, tbl from crawled_tables where crawler = ?1)",
            "delete from crawled_tables where crawler = ?1",
        ],
        Properties::Job(_) => &[
            "delete from start_tokens where run in (select id from job_runs where job = ?1)",
            "delete from job_runs where job = ?1",
            "delete from bookmarks where job = ?1",
        ],
        Properties::Schedule(_) => &["delete from schedules where name = ?1"],
        Properties::Table(table) => {
            t.execute("delete from partitions where database = ?1 and tbl = ?2", [&table.database, &table.table])
                .map_err(sql)?;
            &[]
        }
        Properties::Topic(_) => &["delete from messages where topic = ?1"],
        Properties::Threshold(threshold) => {
            delete(t, "delete from metrics where metric = ?1", &threshold.metric)?;
            &["delete from thresholds where name = ?1"]
        }
        Properties::Alarm(_) => &["delete from thresholds where name = ?1", "delete from alarms where name = ?1"],
        Properties::Secret(_) => &["delete from secrets where name = ?1"],
        Properties::Api(_) => &["delete from api_keys where name = ?1", "delete from api_usage where name = ?1"],
        Properties::KeyTable(_) => &["delete from items where tbl = ?1"],
        Properties::Metric(_) => &["delete from metrics where metric = ?1"],
        Properties::Key(_)
        | Properties::Role(_)
        | Properties::Database(_)
        | Properties::Query(_)
        | Properties::EventSourceMapping(_)
        | Properties::Network(_)
        | Properties::Postgres(_)
        | Properties::Connection(_)
        | Properties::Dashboard(_) => &[],
    };
    statements.iter().try_for_each(|statement| delete(t, statement, name))
}

fn delete(t: &Transaction<'_>, statement: &str, name: &str) -> Result<()> {
    t.prepare_cached(statement).map_err(sql)?.execute([name]).map_err(sql)?;
    Ok(())
}

/// Gives an API a key, unless it has one.
fn make_api_key(t: &Transaction<'_>, name: &str) -> Result<()> {
    let mut random = [0_u8; 20];
    getrandom::fill(&mut random).map_err(Error::storage)?;
    t.execute("insert or ignore into api_keys (name, key) values (?1, ?2)", [name, &hex::encode(random)])
        .map_err(sql)?;
    Ok(())
}
