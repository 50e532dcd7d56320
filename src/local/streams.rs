//! Data streams: records as rows, in the order in which they were put.
//!
//! Writers take turns, so a record's `seq` is its place in the stream, and whoever sees one sees all before it.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::{
    Local,
    clock::timestamp,
    lookup::{self, Deployed},
    store::sql,
};
use crate::cloud::{
    Error, Pages, Permit, Result,
    resources::Properties,
    streams::{DeliveryStream, Drained, Record, StoredRecord, Stream, Streams},
};

// The limits of Kinesis' PutRecords.
const MAX_RECORDS: usize = 500;
const MAX_BYTES: usize = 5 * 1_024 * 1_024;
const MAX_RECORD: usize = 1_024 * 1_024;
const MAX_PARTITION_KEY: usize = 256;

/// How many records are trimmed in one transaction.
const TRIM: usize = 10_000;
/// How long the tokens of trimmed records are kept, on the wall clock: for a run that is taken up again much later.
const KEEP_TOKENS: Duration = Duration::from_hours(30 * 24);

fn check(records: &[Record]) -> Result<()> {
    if records.len() > MAX_RECORDS {
        return Err(Error::invalid(format!(
            "one put takes at most {MAX_RECORDS} records, and this one has {}: put them in several",
            records.len()
        )));
    }
    let mut bytes = 0;
    for (n, record) in records.iter().enumerate() {
        let characters = record.partition_key.chars().count();
        if !(1..=MAX_PARTITION_KEY).contains(&characters) {
            return Err(Error::invalid(format!(
                "record {n}: a partition key has 1 to {MAX_PARTITION_KEY} characters, and this one has {characters}"
            )));
        }
        if record.data.len() > MAX_RECORD {
            return Err(Error::invalid(format!(
                "record {n}: a record has at most 1 MiB of data, and this one has {} bytes",
                record.data.len()
            )));
        }
        bytes += record.data.len() + record.partition_key.len();
    }
    if bytes > MAX_BYTES {
        return Err(Error::invalid(format!("one put takes at most 5 MiB, and this one has {bytes} bytes")));
    }
    Ok(())
}

/// Puts records in order. Those whose `token` was put before are there already.
fn put(t: &Transaction<'_>, now_ms: i64, stream: &str, token: Option<&str>, records: &[Record]) -> Result<()> {
    lookup::must_exist(t, "stream", stream)?;
    let mut insert = t
        .prepare_cached(
            "insert into records (stream, partition_key, arrived, data, token) \
             select ?1, ?2, ?3, ?4, ?5 \
             where ?5 is null or not exists (select 1 from spent_tokens where stream = ?1 and token = ?5) \
             on conflict (stream, token) where token is not null do nothing",
        )
        .map_err(sql)?;
    for (n, record) in records.iter().enumerate() {
        let token = token.map(|t| format!("{t}.{n}"));
        insert.execute(params![stream, record.partition_key, now_ms, &record.data[..], token]).map_err(sql)?;
    }
    Ok(())
}

fn stored(row: &Row<'_>) -> rusqlite::Result<StoredRecord> {
    let data: Vec<u8> = row.get(3)?;
    Ok(StoredRecord {
        position: row.get::<_, i64>(0)?.to_string(),
        partition_key: row.get(1)?,
        arrived: timestamp(row.get(2)?),
        data: data.into(),
    })
}

fn summary(connection: &Connection, deployed: Deployed, now_ms: i64) -> Result<Stream> {
    let name = deployed.resource.physical_name;
    let shards = if let Properties::Stream(stream) = &deployed.resource.properties { stream.shards } else { 0 };
    let records = connection
        .prepare_cached("select count(*) from records where stream = ?1")
        .map_err(sql)?
        .query_row([&name], |r| r.get(0))
        .map_err(sql)?;
    // The newest first, and no further than a minute back.
    let mut newest =
        connection.prepare_cached("select arrived from records where stream = ?1 order by seq desc").map_err(sql)?;
    let mut rows = newest.query([&name]).map_err(sql)?;
    let (mut records_last_minute, mut last_record) = (0, None);
    while let Some(row) = rows.next().map_err(sql)? {
        let arrived: i64 = row.get(0).map_err(sql)?;
        last_record.get_or_insert(timestamp(arrived));
        if arrived <= now_ms - 60_000 {
            break;
        }
        records_last_minute += 1;
    }
    let records_last_minute = Some(records_last_minute);
    Ok(Stream { name, pipeline: deployed.pipeline, shards, records: Some(records), records_last_minute, last_record })
}

/// The last of the stream's first [`TRIM`] records that is past its retention and delivered; none where there is none.
fn trimmable(connection: &Connection, deployed: &Deployed, now_ms: i64) -> Result<Option<i64>> {
    let Properties::Stream(settings) = &deployed.resource.properties else { return Ok(None) };
    let name = &deployed.resource.physical_name;
    let cutoff = now_ms - i64::from(settings.retention_hours) * 3_600_000;
    let oldest: Option<i64> = connection
        .prepare_cached("select arrived from records where stream = ?1 order by seq limit 1")
        .map_err(sql)?
        .query_row([name], |r| r.get(0))
        .optional()
        .map_err(sql)?;
    if oldest.is_none_or(|arrived| arrived >= cutoff) {
        return Ok(None);
    }
    // Without a driver nothing is delivered: what waits stays, whatever its age.
    let delivered = super::deliveries::positions(connection, name)?.into_iter().min().unwrap_or(i64::MAX);
    connection
        .prepare_cached(
            "select max(seq) from (select seq, arrived from records where stream = ?1 and seq <= ?2 order by seq limit ?3) \
             where arrived < ?4",
        )
        .map_err(sql)?
        .query_row(params![name, delivered, TRIM, cutoff], |r| r.get(0))
        .map_err(sql)
}

impl Local {
    /// Removes records that are past their retention and delivered. Returns how many; writes nothing where there is
    /// nothing to remove.
    pub(crate) fn trim_streams(&self) -> Result<usize> {
        let store = &self.inner.store;
        let now_ms = self.inner.clock.now_ms();
        let mut trimmed = 0;
        for stream in store.read_now(|c| lookup::all(c, "stream"))? {
            let name = &stream.resource.physical_name;
            while store.read_now(|c| trimmable(c, &stream, now_ms))?.is_some() {
                trimmed += store.write_now(|t| {
                    let Some(last) = trimmable(t, &stream, now_ms)? else { return Ok(0) };
                    let wall = jiff::Timestamp::now().as_millisecond();
                    t.execute(
                        "insert or ignore into spent_tokens select stream, token, ?3 from records \
                         where stream = ?1 and seq <= ?2 and token is not null",
                        params![name, last, wall],
                    )
                    .map_err(sql)?;
                    t.execute(
                        "delete from spent_tokens where stream = ?1 and since < ?2",
                        params![name, wall - KEEP_TOKENS.as_millis() as i64],
                    )
                    .map_err(sql)?;
                    t.execute("delete from records where stream = ?1 and seq <= ?2", params![name, last]).map_err(sql)
                })?;
            }
        }
        Ok(trimmed)
    }
}

#[async_trait]
impl Streams for Local {
    fn list(&self) -> Pages<'_, Stream> {
        Pages::once(async move {
            let now_ms = self.inner.clock.now_ms();
            self.inner
                .store
                .read(move |c| lookup::all(c, "stream")?.into_iter().map(|d| summary(c, d, now_ms)).collect())
                .await
        })
    }

    fn deliveries(&self) -> Pages<'_, DeliveryStream> {
        Pages::once(async move {
            let now_ms = self.inner.clock.now_ms();
            self.inner.store.read(move |c| super::deliveries::list(c, now_ms)).await
        })
    }

    async fn records(&self, stream: &str, after: Option<&str>, limit: usize) -> Result<Vec<StoredRecord>> {
        let after: i64 = match after {
            None => 0,
            Some(position) => position.parse().map_err(|_| Error::invalid(format!("{position:?} is no position")))?,
        };
        let stream = stream.to_owned();
        self.inner
            .store
            .read(move |c| {
                lookup::must_exist(c, "stream", &stream)?;
                let mut statement = c
                    .prepare_cached(
                        "select seq, partition_key, arrived, data from records where stream = ?1 and seq > ?2 \
                         order by seq limit ?3",
                    )
                    .map_err(sql)?;
                let limit = i64::try_from(limit).unwrap_or(i64::MAX);
                let rows = statement.query_map(params![stream, after, limit], stored).map_err(sql)?;
                rows.collect::<rusqlite::Result<_>>().map_err(sql)
            })
            .await
    }

    async fn put(&self, permit: &Permit, stream: &str, records: &[Record]) -> Result<()> {
        permit.check("kinesis:PutRecords", stream)?;
        check(records)?;
        let token = permit.next_token();
        let clock = self.inner.clock.clone();
        let (stream, records) = (stream.to_owned(), records.to_vec());
        self.inner.store.write(move |t| put(t, clock.now_ms(), &stream, token.as_deref(), &records)).await
    }

    async fn drain(&self, permit: &Permit, delivery: &str, _since: Timestamp) -> Result<Drained> {
        permit.check("firehose:PutRecordBatch", delivery)?;
        let local = self.clone();
        let delivery = delivery.to_owned();
        self.blocking(move || local.drain_now(&delivery)).await
    }
}

#[cfg(test)]
#[path = "streams_tests.rs"]
mod tests;
