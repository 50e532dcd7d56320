//! Records out of a stream.

use std::{collections::BTreeMap, fmt::Write as _};

use aws_sdk_kinesis::types::{self, ShardIteratorType};
use jiff::Timestamp;

use super::super::{
    Aws,
    error::failed,
    time::{date_time, timestamp},
};
use crate::cloud::{Error, Result, streams::StoredRecord};

/// Records in one answer: AWS gives no more.
const MAX_RECORDS: usize = 10_000;
/// A shard may answer with nothing though there is more, an hour's worth of nothing at most each time.
const EMPTY_ANSWERS: u32 = 200;

/// How far each shard was read: `SHARD=SEQUENCE` with a blank between two.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Position(BTreeMap<String, String>);

impl Position {
    fn parse(text: &str) -> Result<Self> {
        let parts =
            text.split(' ').map(|part| part.split_once('=').filter(|(shard, at)| !shard.is_empty() && !at.is_empty()));
        let parts: Option<BTreeMap<_, _>> =
            parts.map(|p| p.map(|(shard, at)| (shard.to_owned(), at.to_owned()))).collect();
        parts.map(Self).ok_or_else(|| Error::invalid(format!("{text:?} is no position in a stream of Kinesis")))
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for (shard, at) in &self.0 {
            let _ = write!(text, "{}{shard}={at}", if text.is_empty() { "" } else { " " });
        }
        text
    }
}

/// Where reading a shard begins.
enum From<'a> {
    Oldest,
    After(&'a str),
    Time(Timestamp),
}

impl Aws {
    /// Records of all shards, merged by the time of their arrival.
    pub(super) async fn read_records(
        &self,
        stream: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<StoredRecord>> {
        let mut position = after.map(Position::parse).transpose()?.unwrap_or_default();
        let mut all = Vec::new();
        for shard in self.shards(stream).await? {
            let from = position.0.get(&shard).map_or(From::Oldest, |at| From::After(at));
            let records = self.shard_records(stream, &shard, &from, limit).await?;
            all.extend(records.into_iter().map(|record| (shard.clone(), record)));
        }
        // Stable: records of one shard stay in order.
        all.sort_by_key(|(_, record)| arrival(record));
        all.truncate(limit);
        let stored = all.into_iter().map(|(shard, record)| {
            let arrived = arrival(&record);
            position.0.insert(shard, record.sequence_number);
            StoredRecord {
                position: position.text(),
                partition_key: record.partition_key.unwrap_or_default(),
                arrived,
                data: record.data.into_inner().into(),
            }
        });
        Ok(stored.collect())
    }

    /// When the records arrived that came since a time and not after another, in any order.
    pub(super) async fn arrivals(&self, stream: &str, since: Timestamp, until: Timestamp) -> Result<Vec<Timestamp>> {
        let mut all = Vec::new();
        for shard in self.shards(stream).await? {
            let from = From::Time(since);
            self.follow_shard(stream, &shard, &from, usize::MAX, |records| {
                all.extend(records.iter().map(arrival).filter(|time| (since..=until).contains(time)));
                // A shard that is written to all the time has no end.
                records.last().is_none_or(|record| arrival(record) <= until)
            })
            .await?;
        }
        Ok(all)
    }

    async fn shards(&self, stream: &str) -> Result<Vec<String>> {
        let mut shards = Vec::new();
        let mut token: Option<String> = None;
        loop {
            let asked = self.client.kinesis().await?.list_shards();
            // A token names the stream itself.
            let asked = match token {
                Some(token) => asked.next_token(token),
                None => asked.stream_name(stream),
            };
            let answer = asked.send().await.map_err(failed("kinesis:ListShards", "stream", stream))?;
            shards.extend(answer.shards.unwrap_or_default().into_iter().map(|shard| shard.shard_id));
            token = answer.next_token.filter(|t| !t.is_empty());
            if token.is_none() {
                return Ok(shards);
            }
        }
    }

    async fn shard_records(
        &self,
        stream: &str,
        shard: &str,
        from: &From<'_>,
        limit: usize,
    ) -> Result<Vec<types::Record>> {
        let mut records = Vec::new();
        self.follow_shard(stream, shard, from, limit, |some| {
            records.extend(some);
            true
        })
        .await?;
        Ok(records)
    }

    /// Hands on what a shard holds, at most `limit` records, as long as more is wanted.
    async fn follow_shard(
        &self,
        stream: &str,
        shard: &str,
        from: &From<'_>,
        limit: usize,
        mut more: impl FnMut(Vec<types::Record>) -> bool + Send,
    ) -> Result<()> {
        let kinesis = self.client.kinesis().await?;
        let asked = kinesis.get_shard_iterator().stream_name(stream).shard_id(shard);
        let asked = match from {
            From::Oldest => asked.shard_iterator_type(ShardIteratorType::TrimHorizon),
            From::After(at) => {
                asked.shard_iterator_type(ShardIteratorType::AfterSequenceNumber).starting_sequence_number(*at)
            }
            From::Time(time) => asked.shard_iterator_type(ShardIteratorType::AtTimestamp).timestamp(date_time(*time)),
        };
        let answer = asked.send().await.map_err(failed("kinesis:GetShardIterator", "stream", stream))?;
        let mut iterator = answer.shard_iterator;
        let (mut left, mut empty) = (limit, 0);
        while let Some(at) = iterator.filter(|_| left > 0 && empty < EMPTY_ANSWERS) {
            let wanted = i32::try_from(left.min(MAX_RECORDS)).unwrap_or(i32::MAX);
            let asked = kinesis.get_records().shard_iterator(at).limit(wanted);
            let answer = asked.send().await.map_err(failed("kinesis:GetRecords", "stream", stream))?;
            empty = if answer.records.is_empty() { empty + 1 } else { 0 };
            left = left.saturating_sub(answer.records.len());
            if !more(answer.records) {
                break;
            }
            iterator = answer.next_shard_iterator.filter(|_| answer.millis_behind_latest.is_some_and(|ms| ms > 0));
        }
        Ok(())
    }
}

fn arrival(record: &types::Record) -> Timestamp {
    record.approximate_arrival_timestamp.as_ref().and_then(timestamp).unwrap_or(Timestamp::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_says_how_far_each_shard_was_read() {
        let position = Position::parse("shardId-0=12 shardId-1=7").unwrap();
        assert_eq!(position.0.len(), 2);
        assert_eq!(Position::parse(&position.text()), Ok(position));
        for wrong in ["", "17", "a=", "=1", "a=1  b=2"] {
            assert!(Position::parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
