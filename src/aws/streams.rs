//! Data streams and delivery streams (Amazon Kinesis, Amazon Data Firehose).

mod drain;
mod put;
mod read;

use std::collections::HashMap;

use async_trait::async_trait;
use aws_sdk_firehose::types::DeliveryStreamDescription;
use futures::{StreamExt, stream};
use jiff::{SignedDuration, Timestamp};

use super::{
    Aws, bare,
    error::failed,
    metrics::{self, Points, Series},
    owners::Owners,
};
use crate::cloud::{
    Error, Pages, Permit, Result,
    streams::{DeliveryStream, Drained, Record, StoredRecord, Stream, Streams},
};

/// Descriptions that are asked for at once: Firehose gives five a second.
const AT_ONCE: usize = 4;
/// How far back a stream's records are measured; a minute that goes on is not measured yet.
const LATELY: SignedDuration = SignedDuration::from_hours(1);
const DAY: SignedDuration = SignedDuration::from_hours(24);

#[async_trait]
impl Streams for Aws {
    fn list(&self) -> Pages<'_, Stream> {
        Pages::follow(move |token| async move {
            let answer =
                self.client.kinesis().await?.list_streams().set_next_token(token).send().await.map_err(failed(
                    "kinesis:ListStreams",
                    "stream",
                    "*",
                ))?;
            let next = if answer.has_more_streams { answer.next_token } else { None };
            let points = self.series_if_any(&answer.stream_names.iter().map(|n| incoming(n)).collect::<Vec<_>>()).await;
            let points = &points;
            let asked = stream::iter(answer.stream_names)
                .map(|name| async move { (name.clone(), self.stream(name, points).await) })
                .buffered(AT_ONCE)
                .collect()
                .await;
            let owners = self.owners().await;
            Ok((bare::page(asked, |name| measured(name, 0, &owners, points))?, next))
        })
    }

    fn deliveries(&self) -> Pages<'_, DeliveryStream> {
        Pages::follow(move |after| async move {
            let answer = self
                .client
                .firehose()
                .await?
                .list_delivery_streams()
                .set_exclusive_start_delivery_stream_name(after)
                .send()
                .await
                .map_err(failed("firehose:ListDeliveryStreams", "delivery stream", "*"))?;
            let names = answer.delivery_stream_names;
            let next = names.last().filter(|_| answer.has_more_delivery_streams).cloned();
            let points = self.series_if_any(&names.iter().map(|n| delivered(n)).collect::<Vec<_>>()).await;
            let points = &points;
            let asked = stream::iter(names)
                .map(|name| async move { (name.clone(), self.delivery_stream(name, points).await) })
                .buffered(AT_ONCE)
                .collect()
                .await;
            let owners = self.owners().await;
            Ok((bare::page(asked, |name| delivering(name, Settings::default(), &owners, points))?, next))
        })
    }

    async fn records(&self, stream: &str, after: Option<&str>, limit: usize) -> Result<Vec<StoredRecord>> {
        self.read_records(stream, after, limit).await
    }

    async fn put(&self, permit: &Permit, stream: &str, records: &[Record]) -> Result<()> {
        permit.check("kinesis:PutRecords", stream)?;
        self.put_records(stream, records).await?;
        permit.wrote(records.len() as u64);
        Ok(())
    }

    async fn drain(&self, permit: &Permit, delivery: &str, since: Timestamp) -> Result<Drained> {
        permit.check("firehose:PutRecordBatch", delivery)?;
        self.wait_for_delivery(delivery, since).await
    }
}

fn incoming(stream: &str) -> Series {
    Series {
        namespace: "AWS/Kinesis",
        metric: "IncomingRecords",
        dimension: ("StreamName", stream.to_owned()),
        period_seconds: 60,
        window: LATELY,
    }
}

fn delivered(delivery: &str) -> Series {
    Series {
        namespace: "AWS/Firehose",
        metric: "DeliveryToS3.Records",
        dimension: ("DeliveryStreamName", delivery.to_owned()),
        period_seconds: 300,
        window: DAY,
    }
}

/// What came in the newest minute that is measured: a metric is late by a minute or two, and what is older is no news.
fn last_minute(points: &Points, now: Timestamp) -> u64 {
    let newest = points.last().filter(|(time, _)| now.duration_since(*time) < SignedDuration::from_mins(4));
    newest.map_or(0, |(_, count)| *count as u64)
}

impl Aws {
    /// A stream; none where it went away since the list was made.
    async fn stream(&self, name: String, points: &HashMap<Series, Points>) -> Result<Option<Stream>> {
        let asked = self.client.kinesis().await?.describe_stream_summary().stream_name(&name).send().await;
        let answer = match asked.map_err(failed("kinesis:DescribeStreamSummary", "stream", &name)) {
            Err(Error::NotFound { .. }) => return Ok(None),
            other => other?,
        };
        let shards = answer.stream_description_summary.and_then(|s| u32::try_from(s.open_shard_count).ok());
        Ok(Some(measured(name, shards.unwrap_or_default(), &*self.owners().await, points)))
    }

    async fn delivery_stream(&self, name: String, points: &HashMap<Series, Points>) -> Result<Option<DeliveryStream>> {
        let description = match self.describe_delivery(&name).await {
            Err(Error::NotFound { .. }) => return Ok(None),
            other => other?,
        };
        Ok(Some(delivering(name, Settings::of(&description), &*self.owners().await, points)))
    }

    async fn describe_delivery(&self, name: &str) -> Result<DeliveryStreamDescription> {
        let asked = self.client.firehose().await?.describe_delivery_stream().delivery_stream_name(name).send().await;
        let answer = asked.map_err(failed("firehose:DescribeDeliveryStream", "delivery stream", name))?;
        answer.delivery_stream_description.ok_or_else(|| Error::not_found("delivery stream", name))
    }
}

/// A stream with what was measured of it.
fn measured(name: String, shards: u32, owners: &Owners, points: &HashMap<Series, Points>) -> Stream {
    let points = points.get(&incoming(&name));
    Stream {
        pipeline: owners.pipeline(&name),
        shards,
        records: None,
        records_last_minute: points.map(|p| last_minute(p, Timestamp::now())),
        last_record: points.and_then(metrics::newest).map(|(time, _)| time),
        name,
    }
}

/// A delivery stream with what was measured of it.
fn delivering(name: String, settings: Settings, owners: &Owners, points: &HashMap<Series, Points>) -> DeliveryStream {
    DeliveryStream {
        pipeline: owners.pipeline(&name),
        from: settings.from,
        to: settings.to,
        buffer_seconds: settings.buffer_seconds,
        buffer_mib: settings.buffer_mib,
        buffered_records: None,
        buffered_bytes: None,
        delivered_records: points.get(&delivered(&name)).map(metrics::total),
        seconds_left: None,
        name,
    }
}

/// What is said of a delivery stream that reads a stream and writes to a bucket.
#[derive(Debug, Default, PartialEq, Eq)]
struct Settings {
    from: Option<String>,
    to: Option<String>,
    prefix: String,
    buffer_seconds: Option<u64>,
    buffer_mib: Option<u64>,
}

impl Settings {
    fn of(description: &DeliveryStreamDescription) -> Self {
        let source = description.source.as_ref().and_then(|s| s.kinesis_stream_source_description.as_ref());
        let bucket = description.destinations.iter().find_map(|d| d.extended_s3_destination_description.as_ref());
        let hints = bucket.and_then(|b| b.buffering_hints.as_ref());
        let count = |n: Option<i32>| n.and_then(|n| u64::try_from(n).ok());
        Self {
            from: source.and_then(|s| s.kinesis_stream_arn.as_deref()?.rsplit('/').next().map(str::to_owned)),
            to: bucket.and_then(|b| b.bucket_arn.rsplit(':').next().map(str::to_owned)),
            prefix: bucket.and_then(|b| b.prefix.clone()).unwrap_or_default(),
            buffer_seconds: count(hints.and_then(|h| h.interval_in_seconds)),
            buffer_mib: count(hints.and_then(|h| h.size_in_mbs)),
        }
    }
}
