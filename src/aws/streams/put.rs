//! Records into a stream.

use std::time::Duration;

use aws_sdk_kinesis::types::PutRecordsRequestEntry;

use super::super::{Aws, error::failed};
use crate::cloud::{Error, Result, streams::Record};

// The limits of PutRecords.
const MAX_RECORDS: usize = 500;
const MAX_BYTES: usize = 5 << 20;
const MAX_RECORD: usize = 1 << 20;
const MAX_PARTITION_KEY: usize = 256;
/// How often what a shard did not take is put again, and how long that waits at first.
const ATTEMPTS: u32 = 6;
const PAUSE: Duration = Duration::from_millis(50);

impl Aws {
    /// Puts records in batches, in order. What a batch did not take is put again, in its order, before the next batch.
    pub(super) async fn put_records(&self, stream: &str, records: &[Record]) -> Result<()> {
        check(records)?;
        let mut rest = records;
        while !rest.is_empty() {
            let (batch, after) = rest.split_at(fitting(rest));
            let missing = self.put_batch(stream, batch).await.map_err(|error| told(error, after.len(), records))?;
            if let Some((count, why)) = missing {
                let error = Error::Throttled(format!("{stream} has not taken records: {why}"));
                return Err(told(error, count + after.len(), records));
            }
            rest = after;
        }
        Ok(())
    }

    /// How many records were not taken in the end, and why.
    async fn put_batch(&self, stream: &str, batch: &[Record]) -> Result<Option<(usize, String)>> {
        let mut left = batch.iter().map(entry).collect::<Result<Vec<_>>>()?;
        let mut attempt = 0;
        loop {
            let asked = self.client.kinesis().await?.put_records().stream_name(stream);
            let answer = asked.set_records(Some(left.clone())).send().await.map_err(failed(
                "kinesis:PutRecords",
                "stream",
                stream,
            ))?;
            let mut outcomes = answer.records.into_iter();
            let mut why = String::new();
            // A record without an outcome was not taken, as far as anybody knows.
            left.retain(|_| match outcomes.next() {
                Some(outcome) => {
                    let refused = outcome.error_code.is_some();
                    if let Some(code) = outcome.error_code {
                        why = format!("{code}: {}", outcome.error_message.unwrap_or_default());
                    }
                    refused
                }
                None => true,
            });
            if left.is_empty() {
                return Ok(None);
            }
            attempt += 1;
            if attempt == ATTEMPTS {
                return Ok(Some((left.len(), why)));
            }
            tokio::time::sleep(PAUSE * 2_u32.pow(attempt.min(6))).await;
        }
    }
}

fn entry(record: &Record) -> Result<PutRecordsRequestEntry> {
    PutRecordsRequestEntry::builder()
        .data(record.data.to_vec().into())
        .partition_key(&record.partition_key)
        .build()
        .map_err(Error::invalid)
}

/// Says how many records are missing where others were taken.
fn told(error: Error, missing: usize, all: &[Record]) -> Error {
    match error {
        Error::Throttled(why) => {
            Error::Throttled(format!("{why} ({missing} of {} records are not in the stream)", all.len()))
        }
        other => other,
    }
}

/// How many of the records, from the first on, go into one request.
fn fitting(records: &[Record]) -> usize {
    let mut bytes = 0;
    let fit = records.iter().take(MAX_RECORDS).take_while(|record| {
        bytes += record.data.len() + record.partition_key.len();
        bytes <= MAX_BYTES
    });
    fit.count().max(1)
}

fn check(records: &[Record]) -> Result<()> {
    for (n, record) in records.iter().enumerate() {
        let characters = record.partition_key.chars().count();
        if !(1..=MAX_PARTITION_KEY).contains(&characters) {
            return Err(Error::invalid(format!(
                "record {n}: a partition key has 1 to {MAX_PARTITION_KEY} characters, and this one has {characters}"
            )));
        }
        if record.data.len() + record.partition_key.len() > MAX_RECORD {
            return Err(Error::invalid(format!(
                "record {n}: a record with its key has at most 1 MiB, and this one has {} bytes",
                record.data.len() + record.partition_key.len()
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(bytes: usize) -> Record {
        Record { partition_key: "k".into(), data: vec![b'x'; bytes].into() }
    }

    #[test]
    fn a_request_takes_500_records_or_5_mib() {
        assert_eq!(fitting(&vec![record(1); 1_200]), 500);
        assert_eq!(fitting(&vec![record(MAX_RECORD - 1); 7]), 5);
        assert_eq!(fitting(&[record(1)]), 1);
    }

    #[test]
    fn what_kinesis_would_refuse_is_not_sent() {
        assert!(check(&[record(1), record(MAX_RECORD)]).unwrap_err().to_string().starts_with("record 1: "));
        let keyless = Record { partition_key: String::new(), ..record(1) };
        assert!(check(&[keyless]).is_err());
    }
}
