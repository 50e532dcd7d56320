//! Delivery streams: from a stream's records to objects, each record in exactly one.
//!
//! A delivery first writes its file and then, in one transaction, checks that nobody moved the position meanwhile,
//! makes the object and moves the position. So any number of processes may deliver at once, and die at any moment.

use std::fs;

use rusqlite::{Connection, OptionalExtension, params};

use super::{
    Local,
    buckets::{NewObject, etag, insert_object},
    clock::timestamp,
    lookup::{self, Deployed},
    store::sql,
};
use crate::cloud::{
    Error, Result,
    resources::{self, Properties},
    streams::{DeliveryStream, Drained},
};

const MIB: u64 = 1_024 * 1_024;

/// Which records to deliver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Take {
    /// What is buffered, if that is old or big enough.
    WhatIsDue,
    /// What is buffered up to this record, however young and small.
    UpTo(i64),
}

/// A file that is written, and what it would be the delivery of.
#[derive(Debug)]
pub(crate) struct Prepared {
    delivery: String,
    stream: String,
    bucket: String,
    key: String,
    blob: String,
    size: u64,
    etag: String,
    /// The last record that was delivered before.
    after: i64,
    /// The last record in the file.
    last: i64,
    records: u64,
}

/// A delivery as it stands.
struct Standing {
    name: String,
    pipeline: Option<String>,
    settings: resources::Delivery,
    position: i64,
    delivered: u64,
}

fn standing(connection: &Connection, deployed: Deployed) -> Result<Standing> {
    let name = deployed.resource.physical_name;
    let Properties::Delivery(settings) = deployed.resource.properties else {
        return Err(Error::storage(format!("{name} is not stored as a delivery stream")));
    };
    let row = connection
        .prepare_cached("select position, delivered from deliveries where name = ?1")
        .map_err(sql)?
        .query_row([&name], |r| Ok((r.get(0)?, r.get(1)?)))
        .optional()
        .map_err(sql)?;
    // One that never delivered begins with the oldest record that the stream holds.
    let (position, delivered) = row.unwrap_or((0, 0));
    Ok(Standing { name, pipeline: deployed.pipeline, settings, position, delivered })
}

fn all(connection: &Connection) -> Result<Vec<Standing>> {
    lookup::all(connection, "delivery")?.into_iter().map(|d| standing(connection, d)).collect()
}

/// The last delivered record of each delivery that reads `stream`.
pub(crate) fn positions(connection: &Connection, stream: &str) -> Result<Vec<i64>> {
    Ok(all(connection)?.into_iter().filter(|d| d.settings.from == stream).map(|d| d.position).collect())
}

/// What waits in a delivery's buffer.
#[derive(Debug, Clone, Copy, Default)]
struct Buffered {
    records: u64,
    bytes: u64,
    oldest_ms: Option<i64>,
}

fn buffered(connection: &Connection, delivery: &Standing) -> Result<Buffered> {
    connection
        .prepare_cached(
            "select count(*), coalesce(sum(length(data)), 0), min(arrived) from records where stream = ?1 and seq > ?2",
        )
        .map_err(sql)?
        .query_row(params![delivery.settings.from, delivery.position], |r| {
            Ok(Buffered { records: r.get(0)?, bytes: r.get(1)?, oldest_ms: r.get(2)? })
        })
        .map_err(sql)
}

/// When the buffer is to be delivered for its age; none while it is empty.
fn due_ms(delivery: &Standing, buffered: Buffered) -> Option<i64> {
    buffered.oldest_ms.map(|ms| ms + i64::from(delivery.settings.buffer_seconds) * 1_000)
}

/// All delivery streams, by name.
pub(crate) fn list(connection: &Connection, now_ms: i64) -> Result<Vec<DeliveryStream>> {
    let mut list = Vec::new();
    for delivery in all(connection)? {
        let buffered = buffered(connection, &delivery)?;
        let seconds_left = due_ms(&delivery, buffered).map(|due| (due - now_ms).max(0).unsigned_abs().div_ceil(1_000));
        list.push(DeliveryStream {
            name: delivery.name,
            pipeline: delivery.pipeline,
            from: Some(delivery.settings.from),
            to: Some(delivery.settings.to),
            buffer_seconds: Some(delivery.settings.buffer_seconds.into()),
            buffer_mib: Some(delivery.settings.buffer_mib.into()),
            buffered_records: Some(buffered.records),
            buffered_bytes: Some(buffered.bytes),
            delivered_records: Some(delivery.delivered),
            seconds_left,
        });
    }
    Ok(list)
}

/// The deliveries that are due, and when the next of the others will be.
pub(crate) fn due(connection: &Connection, now_ms: i64) -> Result<(Vec<String>, Option<i64>)> {
    let (mut now, mut next) = (Vec::new(), None::<i64>);
    for delivery in all(connection)? {
        let buffered = buffered(connection, &delivery)?;
        match due_ms(&delivery, buffered) {
            Some(due) if due <= now_ms || buffered.bytes >= full(&delivery.settings) => now.push(delivery.name),
            Some(due) => next = Some(next.map_or(due, |n| n.min(due))),
            None => {}
        }
    }
    Ok((now, next))
}

fn full(settings: &resources::Delivery) -> u64 {
    u64::from(settings.buffer_mib.max(1)) * MIB
}

/// `prefix/YYYY/MM/DD/HH/NAME-1-YYYY-MM-DD-HH-MM-SS-UUID.json`, as Firehose names its files.
fn key(delivery: &Standing, now_ms: i64) -> String {
    let time = timestamp(now_ms);
    format!(
        "{}{}{}-1-{}-{}{}",
        delivery.settings.prefix,
        time.strftime("%Y/%m/%d/%H/"),
        delivery.name,
        time.strftime("%Y-%m-%d-%H-%M-%S"),
        uuid::Uuid::new_v4(),
        delivery.settings.file_extension
    )
}

impl Local {
    /// The first half of a delivery: writes the file, if there is something to deliver.
    pub(crate) fn prepare_delivery(&self, delivery: &str, take: Take) -> Result<Option<Prepared>> {
        let store = &self.inner.store;
        let now_ms = self.inner.clock.now_ms();
        let found = store.read_now(|c| {
            let delivery = standing(c, lookup::one(c, "delivery", delivery)?)?;
            let limit = full(&delivery.settings);
            let up_to = match take {
                Take::UpTo(last) => last,
                Take::WhatIsDue => {
                    let buffered = buffered(c, &delivery)?;
                    let old = due_ms(&delivery, buffered).is_some_and(|due| due <= now_ms);
                    if !old && buffered.bytes < limit {
                        return Ok(None);
                    }
                    i64::MAX
                }
            };
            let mut statement = c
                .prepare_cached(
                    "select seq, data from records where stream = ?1 and seq > ?2 and seq <= ?3 order by seq",
                )
                .map_err(sql)?;
            let mut rows = statement.query(params![delivery.settings.from, delivery.position, up_to]).map_err(sql)?;
            let (mut body, mut last, mut records) = (Vec::new(), delivery.position, 0_u64);
            while let Some(row) = rows.next().map_err(sql)? {
                let data = row.get_ref(1).map_err(sql)?.as_blob().map_err(Error::storage)?;
                let text = data.iter().rposition(|b| *b != b'\n').map_or(&[][..], |end| &data[..=end]);
                body.extend_from_slice(text);
                body.push(b'\n');
                last = row.get(0).map_err(sql)?;
                records += 1;
                if body.len() as u64 >= limit {
                    break;
                }
            }
            Ok((records > 0).then_some((delivery, body, last, records)))
        })?;
        let Some((delivery, body, last, records)) = found else { return Ok(None) };
        Ok(Some(Prepared {
            key: key(&delivery, now_ms),
            blob: store.write_blob(&body)?,
            size: body.len() as u64,
            etag: etag(&body),
            after: delivery.position,
            last,
            records,
            delivery: delivery.name,
            stream: delivery.settings.from,
            bucket: delivery.settings.to,
        }))
    }

    /// The second half: makes the object and moves the position. False where somebody else was quicker; then nothing
    /// has changed.
    pub(crate) fn commit_delivery(&self, prepared: &Prepared) -> Result<bool> {
        let store = &self.inner.store;
        let committed = store.write_now(|t| {
            let delivery = standing(t, lookup::one(t, "delivery", &prepared.delivery)?)?;
            let records: u64 = t
                .prepare_cached("select count(*) from records where stream = ?1 and seq > ?2 and seq <= ?3")
                .map_err(sql)?
                .query_row(params![prepared.stream, prepared.after, prepared.last], |r| r.get(0))
                .map_err(sql)?;
            // The count differs where the stack was destroyed and deployed again in between; the file is gone where this
            // process slept for so long that it was swept up.
            if !store.blob_path(&prepared.blob).is_file()
                || delivery.position != prepared.after
                || records != prepared.records
                || (&delivery.settings.from, &delivery.settings.to) != (&prepared.stream, &prepared.bucket)
            {
                return Ok(false);
            }
            let now_ms = self.inner.clock.now_ms();
            let object = NewObject {
                bucket: &prepared.bucket,
                key: &prepared.key,
                blob: &prepared.blob,
                size: prepared.size,
                etag: &prepared.etag,
                content_type: None,
            };
            insert_object(t, now_ms, object)?;
            t.prepare_cached(
                "insert into deliveries (name, position, delivered) values (?1, ?2, ?3) \
                 on conflict (name) do update set position = excluded.position, delivered = delivered + excluded.delivered",
            )
            .map_err(sql)?
            .execute(params![prepared.delivery, prepared.last, prepared.records])
            .map_err(sql)?;
            Ok(true)
        });
        // A failed commit may have come through after all: then the file stays, and is swept up if nothing names it.
        if matches!(committed, Ok(false)) {
            let _ = fs::remove_file(store.blob_path(&prepared.blob));
        }
        committed
    }

    /// Delivers once what is due; how many records that were.
    pub(crate) fn deliver_now(&self, delivery: &str, take: Take) -> Result<u64> {
        match self.prepare_delivery(delivery, take)? {
            Some(prepared) if self.commit_delivery(&prepared)? => Ok(prepared.records),
            _ => Ok(0),
        }
    }

    /// Delivers each record that is in the stream now.
    pub(crate) fn drain_now(&self, delivery: &str) -> Result<Drained> {
        let store = &self.inner.store;
        let last: i64 = store.read_now(|c| {
            let delivery = standing(c, lookup::one(c, "delivery", delivery)?)?;
            c.prepare_cached("select coalesce(max(seq), 0) from records where stream = ?1")
                .map_err(sql)?
                .query_row([delivery.settings.from], |r| r.get(0))
                .map_err(sql)
        })?;
        let mut drained = Drained::default();
        // Ends: each round moves the position, or finds that another process has.
        while let Some(prepared) = self.prepare_delivery(delivery, Take::UpTo(last))? {
            if self.commit_delivery(&prepared)? {
                drained.records += prepared.records;
                drained.objects += 1;
            }
        }
        Ok(drained)
    }
}
