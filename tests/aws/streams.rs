//! Data streams and delivery streams.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use pumphouse::cloud::{
    Error,
    streams::{Drained, Record},
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    fake::{Answer, Asked, Fake},
    harness,
};

fn none(asked: &Asked) -> Answer {
    match asked.service.as_str() {
        "monitoring" => Answer::cbor(&json!({"MetricDataResults": []})),
        _ => Answer::xml("<DescribeStacksResponse><DescribeStacksResult/></DescribeStacksResponse>"),
    }
}

fn summary(name: &str, shards: u32) -> Answer {
    Answer::json(&json!({"StreamDescriptionSummary": {"StreamName": name,
        "StreamARN": format!("arn:aws:kinesis:eu-west-1:123456789012:stream/{name}"), "StreamStatus": "ACTIVE",
        "RetentionPeriodHours": 24, "StreamCreationTimestamp": 1_800_000_000, "EnhancedMonitoring": [],
        "OpenShardCount": shards}}))
}

#[tokio::test]
async fn streams_come_page_by_page_and_those_that_went_away_are_left_out() {
    let fake = Fake::start(|asked| match asked.operation.as_str() {
        "ListStreams" if asked.json()["NextToken"] == "t" => {
            Answer::json(&json!({"StreamNames": ["c"], "HasMoreStreams": false}))
        }
        "ListStreams" => Answer::json(&json!({"StreamNames": ["a", "gone"], "HasMoreStreams": true, "NextToken": "t"})),
        "DescribeStreamSummary" if asked.json()["StreamName"] == "gone" => {
            Answer::json_error(400, "ResourceNotFoundException", "gone")
        }
        "DescribeStreamSummary" => summary(asked.json()["StreamName"].as_str().unwrap(), 2),
        "GetMetricData" => {
            let now = jiff::Timestamp::now().as_second();
            let minute = now - now.rem_euclid(60) - 60;
            Answer::cbor(&json!({"MetricDataResults": [{"Id": "m0", "StatusCode": "Complete",
                "Timestamps": [{"$time": minute - 60}, {"$time": minute}], "Values": [9.0, 3.0]}]}))
        }
        _ => none(asked),
    });
    let state = tempfile::tempdir().unwrap();
    let cloud = harness::cloud(&fake, &state);
    let mut pages = cloud.streams.list();
    let first = pages.next().await.unwrap().unwrap();
    assert_eq!(first.len(), 1);
    assert_eq!((first[0].name.as_str(), first[0].shards, first[0].records), ("a", 2, None));
    assert_eq!(first[0].records_last_minute, Some(3));
    assert!(first[0].last_record.is_some());
    assert_eq!(pages.next().await.unwrap().unwrap()[0].name, "c");
    assert!(pages.next().await.is_none());
}

fn delivery(seconds: u64) -> Value {
    json!({"DeliveryStreamDescription": {"DeliveryStreamName": "landing",
        "DeliveryStreamARN": "arn:aws:firehose:eu-west-1:123456789012:deliverystream/landing",
        "DeliveryStreamStatus": "ACTIVE", "DeliveryStreamType": "KinesisStreamAsSource", "VersionId": "1",
        "HasMoreDestinations": false,
        "Source": {"KinesisStreamSourceDescription":
            {"KinesisStreamARN": "arn:aws:kinesis:eu-west-1:123456789012:stream/prices"}},
        "Destinations": [{"DestinationId": "d", "ExtendedS3DestinationDescription": {
            "RoleARN": "arn:aws:iam::123456789012:role/r", "BucketARN": "arn:aws:s3:::lake", "Prefix": "raw/",
            "BufferingHints": {"SizeInMBs": 1, "IntervalInSeconds": seconds}, "CompressionFormat": "UNCOMPRESSED",
            "EncryptionConfiguration": {}}}]}})
}

#[tokio::test]
async fn a_delivery_stream_says_from_where_to_where() {
    let fake = Fake::start(|asked| match asked.operation.as_str() {
        "ListDeliveryStreams" => {
            Answer::json(&json!({"DeliveryStreamNames": ["landing"], "HasMoreDeliveryStreams": false}))
        }
        "DescribeDeliveryStream" => Answer::json(&delivery(60)),
        _ => none(asked),
    });
    let state = tempfile::tempdir().unwrap();
    let found = harness::cloud(&fake, &state).streams.deliveries().await.unwrap().remove(0);
    assert_eq!((found.from.as_deref(), found.to.as_deref()), (Some("prices"), Some("lake")));
    assert_eq!((found.buffer_seconds, found.buffer_mib), (Some(60), Some(1)));
    assert_eq!((found.buffered_records, found.seconds_left), (None, None), "Firehose does not tell");
}

fn records(names: &[String]) -> Vec<Record> {
    names.iter().map(|n| Record { partition_key: n.clone(), data: n.clone().into_bytes().into() }).collect()
}

async fn put(fake: &Fake, state: &TempDir, names: &[String]) -> Result<(), Error> {
    let streams = harness::cloud(fake, state).streams;
    let all = records(names);
    harness::permitted(state, |permit| async move { streams.put(&permit, "s", &all).await }).await
}

#[tokio::test]
async fn what_a_shard_did_not_take_is_put_again_in_its_order() {
    let taken = Arc::new(Mutex::new(Vec::new()));
    let (all, calls) = (taken.clone(), AtomicUsize::new(0));
    let fake = Fake::start(move |asked| {
        let first = calls.fetch_add(1, Ordering::Relaxed) == 0;
        let sent = asked.json()["Records"].as_array().cloned().unwrap();
        let outcomes: Vec<Value> = sent
            .iter()
            .enumerate()
            .map(|(n, record)| {
                if first && n % 3 == 1 {
                    return json!({"ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": "slow down"});
                }
                all.lock().unwrap().push(record["PartitionKey"].as_str().unwrap().to_owned());
                json!({"SequenceNumber": n.to_string(), "ShardId": "shardId-000000000000"})
            })
            .collect();
        Answer::json(&json!({"FailedRecordCount": 0, "Records": outcomes}))
    });
    let state = tempfile::tempdir().unwrap();
    let names: Vec<String> = (0..700).map(|n| format!("{n:03}")).collect();
    put(&fake, &state, &names).await.unwrap();
    let sent: Vec<usize> = fake.asked().iter().map(|a| a.json()["Records"].as_array().unwrap().len()).collect();
    assert_eq!(sent, [500, 167, 200], "the first batch, what it did not take, and the second");
    let taken = taken.lock().unwrap();
    assert!(taken[333..500].is_sorted() && taken[500..].is_sorted());
    assert_eq!(taken.iter().collect::<std::collections::BTreeSet<_>>().len(), 700);
}

#[tokio::test]
async fn records_that_nobody_takes_are_counted_in_the_error() {
    let fake = Fake::start(|asked| {
        let count = asked.json()["Records"].as_array().unwrap().len();
        let refused = json!({"ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": "slow down"});
        Answer::json(&json!({"FailedRecordCount": count, "Records": vec![refused; count]}))
    });
    let state = tempfile::tempdir().unwrap();
    let names: Vec<String> = (0..600).map(|n| n.to_string()).collect();
    let told = put(&fake, &state, &names).await.unwrap_err();
    assert!(told.to_string().contains("600 of 600 records are not in the stream"), "{told}");
}

/// A stream of two shards, with a record a second in each.
fn two_shards(asked: &Asked) -> Answer {
    let body = asked.json();
    match asked.operation.as_str() {
        "ListShards" => {
            let shard = |n: u32| {
                json!({"ShardId": format!("shardId-{n}"), "HashKeyRange": {"StartingHashKey": "0", "EndingHashKey": "1"},
                    "SequenceNumberRange": {"StartingSequenceNumber": "0"}})
            };
            Answer::json(&json!({"Shards": [shard(0), shard(1)]}))
        }
        "GetShardIterator" => {
            let after = body["StartingSequenceNumber"].as_str().map_or(0, |n| n.parse::<u64>().unwrap());
            let shard = body["ShardId"].as_str().unwrap();
            Answer::json(&json!({"ShardIterator": format!("{shard}/{after}")}))
        }
        "GetRecords" => {
            let (shard, after) = body["ShardIterator"].as_str().unwrap().split_once('/').unwrap();
            let after: u64 = after.parse().unwrap();
            // One record an answer, and after the third nothing.
            let records: Vec<Value> = (after + 1..=3)
                .take(1)
                .map(|n| {
                    let half = if shard == "shardId-1" { 0.5 } else { 0.0 };
                    json!({"SequenceNumber": n.to_string(), "PartitionKey": "k",
                        "ApproximateArrivalTimestamp": 1_800_000_000.0 + n as f64 + half,
                        "Data": STANDARD.encode(format!("{shard}-{n}"))})
                })
                .collect();
            let behind = if after + 1 < 3 { 1_000 } else { 0 };
            Answer::json(&json!({"Records": records, "MillisBehindLatest": behind,
                "NextShardIterator": format!("{shard}/{}", after + 1)}))
        }
        _ => none(asked),
    }
}

#[tokio::test]
async fn records_of_all_shards_come_in_order_and_go_on_after_a_position() {
    let fake = Fake::start(two_shards);
    let state = tempfile::tempdir().unwrap();
    let streams = harness::cloud(&fake, &state).streams;
    let text = |all: &[pumphouse::cloud::streams::StoredRecord]| -> Vec<String> {
        all.iter().map(|r| String::from_utf8(r.data.to_vec()).unwrap()).collect()
    };
    let some = streams.records("s", None, 3).await.unwrap();
    assert_eq!(text(&some), ["shardId-0-1", "shardId-1-1", "shardId-0-2"]);
    assert_eq!(some[2].position, "shardId-0=2 shardId-1=1");
    let rest = streams.records("s", Some(&some[2].position), 10).await.unwrap();
    assert_eq!(text(&rest), ["shardId-1-2", "shardId-0-3", "shardId-1-3"]);
    let told = streams.records("s", Some("17"), 10).await.unwrap_err();
    assert!(matches!(told, Error::Invalid(_)), "{told:?}");
}

#[tokio::test]
async fn a_drain_waits_for_an_object_that_came_after_the_records() {
    let begun = jiff::Timestamp::now();
    let looked = AtomicUsize::new(0);
    let fake = Fake::start(move |asked| {
        let now = begun.as_second();
        match (asked.service.as_str(), asked.operation.as_str()) {
            (_, "DescribeDeliveryStream") => Answer::json(&delivery(0)),
            (_, "GetRecords") => {
                let record = |at: i64| json!({"SequenceNumber": at.to_string(), "PartitionKey": "k", "Data": "", "ApproximateArrivalTimestamp": at});
                // The second one came before the run, as far as the clock of this test goes.
                Answer::json(&json!({"Records": [record(now - 20), record(now - 90)], "MillisBehindLatest": 0}))
            }
            ("s3", _) => {
                let late = looked.fetch_add(1, Ordering::Relaxed) > 1;
                let time =
                    |at: i64| jiff::Timestamp::from_second(at).unwrap().strftime("%Y-%m-%dT%H:%M:%S.000Z").to_string();
                let object = |at: i64| {
                    format!(
                        "<Contents><Key>raw/x</Key><LastModified>{}</LastModified><Size>1</Size></Contents>",
                        time(at)
                    )
                };
                let new = if late { object(now - 5) } else { String::new() };
                Answer::xml(format!("<ListBucketResult>{}{new}</ListBucketResult>", object(now - 80)))
            }
            _ => two_shards(asked),
        }
    });
    let state = tempfile::tempdir().unwrap();
    let streams = harness::cloud(&fake, &state).streams;
    let since = begun.checked_sub(jiff::SignedDuration::from_secs(60)).unwrap();
    let (to, from) = std::sync::mpsc::channel();
    harness::permitted(&state, |permit| async move {
        let _ = to.send(streams.drain(&permit, "landing", since).await?);
        Ok(())
    })
    .await
    .unwrap();
    // A record in each of two shards.
    let drained = from.recv().unwrap();
    assert_eq!(drained.records, 2);
    assert!(drained.objects >= 1);
    assert!(fake.asked().iter().any(|a| a.params.get("prefix").is_some_and(|p| p.starts_with("raw/2"))));
}

#[tokio::test]
async fn a_drain_of_nothing_waits_for_nothing() {
    let fake = Fake::start(|asked| match asked.operation.as_str() {
        "DescribeDeliveryStream" => Answer::json(&delivery(900)),
        "GetRecords" => Answer::json(&json!({"Records": [], "MillisBehindLatest": 0})),
        _ => two_shards(asked),
    });
    let state = tempfile::tempdir().unwrap();
    let streams = harness::cloud(&fake, &state).streams;
    harness::permitted(&state, |permit| async move {
        assert_eq!(streams.drain(&permit, "landing", jiff::Timestamp::now()).await?, Drained::default());
        Ok(())
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_stream_that_is_written_to_all_the_time_is_read_to_the_moment_of_the_drain() {
    let begun = jiff::Timestamp::now();
    let answers = Arc::new(AtomicUsize::new(0));
    let counted = answers.clone();
    let fake = Fake::start(move |asked| match (asked.service.as_str(), asked.operation.as_str()) {
        (_, "DescribeDeliveryStream") => Answer::json(&delivery(0)),
        (_, "GetRecords") => {
            // Each answer brings what came meanwhile, and there is always more.
            let n = i64::try_from(counted.fetch_add(1, Ordering::Relaxed)).unwrap();
            let at = begun.as_second() - 20 + 15 * (n % 20);
            Answer::json(&json!({"MillisBehindLatest": 60_000, "NextShardIterator": "shardId-0/1", "Records": [
                {"SequenceNumber": n.to_string(), "PartitionKey": "k", "Data": "", "ApproximateArrivalTimestamp": at}]}))
        }
        ("s3", _) => {
            let time = begun.strftime("%Y-%m-%dT%H:%M:%S.000Z");
            Answer::xml(format!(
                "<ListBucketResult><Contents><Key>raw/x</Key><LastModified>{time}</LastModified><Size>1</Size></Contents>\
                 </ListBucketResult>"
            ))
        }
        (_, "ListShards") => Answer::json(&json!({"Shards": [{"ShardId": "shardId-0",
            "HashKeyRange": {"StartingHashKey": "0", "EndingHashKey": "1"},
            "SequenceNumberRange": {"StartingSequenceNumber": "0"}}]})),
        _ => two_shards(asked),
    });
    let state = tempfile::tempdir().unwrap();
    let streams = harness::cloud(&fake, &state).streams;
    let since = begun.checked_sub(jiff::SignedDuration::from_secs(60)).unwrap();
    let (to, from) = std::sync::mpsc::channel();
    harness::permitted(&state, |permit| async move {
        let _ = to.send(streams.drain(&permit, "landing", since).await?);
        Ok(())
    })
    .await
    .unwrap();
    assert_eq!(from.recv().unwrap().records, 2);
    assert!(answers.load(Ordering::Relaxed) <= 20, "it has an end");
}

#[tokio::test]
async fn streams_that_may_not_be_looked_into_are_listed_by_their_names() {
    let fake = Fake::start(|asked| match asked.operation.as_str() {
        "ListStreams" => Answer::json(&json!({"StreamNames": ["a", "secret"], "HasMoreStreams": false})),
        "DescribeStreamSummary" if asked.json()["StreamName"] == "secret" => {
            Answer::json_error(400, "AccessDeniedException", "no")
        }
        "DescribeStreamSummary" => summary("a", 2),
        "ListDeliveryStreams" => {
            Answer::json(&json!({"DeliveryStreamNames": ["secret", "landing"], "HasMoreDeliveryStreams": false}))
        }
        "DescribeDeliveryStream" if asked.json()["DeliveryStreamName"] == "secret" => {
            Answer::json_error(400, "AccessDeniedException", "no")
        }
        "DescribeDeliveryStream" => Answer::json(&delivery(60)),
        _ => none(asked),
    });
    let state = tempfile::tempdir().unwrap();
    let streams = harness::cloud(&fake, &state).streams;
    let listed: Vec<_> = streams.list().await.unwrap().into_iter().map(|s| (s.name, s.shards)).collect();
    assert_eq!(listed, [("a".to_owned(), 2), ("secret".to_owned(), 0)]);
    let listed: Vec<_> = streams.deliveries().await.unwrap().into_iter().map(|d| (d.name, d.buffer_seconds)).collect();
    assert_eq!(listed, [("secret".to_owned(), None), ("landing".to_owned(), Some(60))]);
}
