//! Tests of streams.rs and deliveries.rs.

use std::collections::BTreeSet;

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::{
    cloud::{Grant, buckets::ListObjects},
    local::{
        deliveries::{Prepared, Take, due},
        testing,
    },
};

fn record(data: &str) -> Record {
    Record { partition_key: "k".into(), data: Bytes::copy_from_slice(data.as_bytes()) }
}

fn role(request_id: &str) -> Permit {
    let grant = Grant { action: "kinesis:PutRecords".into(), resource: "s".into() };
    Permit::role("role", [grant].into(), request_id)
}

fn pipeline() -> (tempfile::TempDir, Local) {
    let (dir, local) = testing::local();
    testing::deploy(&local, &[testing::bucket("b", false), testing::stream("s"), testing::delivery("d", "s", "b")]);
    (dir, local)
}

async fn lines(local: &Local) -> Vec<String> {
    let buckets = local.cloud().buckets;
    let page = buckets.objects("b", &ListObjects { limit: 100_000, ..ListObjects::default() }).await.unwrap();
    let mut objects = page.objects;
    objects.sort_by_key(|o| (o.modified, o.key.clone()));
    let mut lines = Vec::new();
    for object in objects {
        let body = buckets.get("b", &object.key, None, None).await.unwrap().body;
        assert!(body.ends_with(b"\n"));
        lines.extend(std::str::from_utf8(&body).unwrap().lines().map(str::to_owned));
    }
    lines
}

#[tokio::test]
async fn records_are_put_in_order_all_or_none() {
    let (_dir, local) = pipeline();
    local.put(&role("r"), "s", &[record("1"), record("2")]).await.unwrap();
    let big = Record { partition_key: "k".into(), data: vec![0; MAX_RECORD + 1].into() };
    assert!(matches!(local.put(&role("q"), "s", &[record("3"), big]).await, Err(Error::Invalid(_))));
    let no_key = Record { partition_key: String::new(), data: Bytes::new() };
    assert!(matches!(local.put(&role("q"), "s", &[no_key]).await, Err(Error::Invalid(_))));
    assert!(matches!(local.put(&role("q"), "s", &vec![record("x"); 501]).await, Err(Error::Invalid(_))));
    assert!(matches!(
        local.put(&testing::permit(), "other", &[record("x")]).await,
        Err(Error::NotFound { kind: "stream", .. })
    ));
    let stored = local.records("s", None, 10).await.unwrap();
    assert_eq!(stored.iter().map(|r| r.data.clone()).collect::<Vec<_>>(), ["1", "2"]);
    assert_eq!(local.records("s", Some(&stored[0].position), 10).await.unwrap().len(), 1);
    let list = Streams::list(&local).await.unwrap();
    assert_eq!((list[0].records, list[0].records_last_minute), (Some(2), Some(2)));
}

#[tokio::test]
async fn an_invocation_tried_again_puts_nothing_twice() {
    let (_dir, local) = pipeline();
    for _ in 0..2 {
        let permit = role("r");
        local.put(&permit, "s", &[record("1")]).await.unwrap();
        local.put(&permit, "s", &[record("2"), record("3")]).await.unwrap();
    }
    // Half of it, then the whole: as after a death in between.
    local.put(&role("q"), "s", &[record("4")]).await.unwrap();
    local.put(&role("q"), "s", &[record("4"), record("5")]).await.unwrap();
    // An operator has no invocation, and means what he does.
    local.put(&testing::permit(), "s", &[record("6")]).await.unwrap();
    local.put(&testing::permit(), "s", &[record("6")]).await.unwrap();
    let all = local.records("s", None, 100).await.unwrap();
    assert_eq!(all.iter().map(|r| r.data.clone()).collect::<Vec<_>>(), ["1", "2", "3", "4", "5", "6", "6"]);
}

#[tokio::test]
async fn a_drain_leaves_nothing_and_ends_each_record_with_one_newline() {
    let (_dir, local) = pipeline();
    local.put(&testing::permit(), "s", &[record("a"), record("b\n"), record("c\n\n")]).await.unwrap();
    assert_eq!(local.deliver_now("d", Take::WhatIsDue).unwrap(), 0);
    assert_eq!(
        local.drain(&testing::permit(), "d", jiff::Timestamp::MIN).await.unwrap(),
        Drained { records: 3, objects: 1 }
    );
    assert_eq!(local.drain(&testing::permit(), "d", jiff::Timestamp::MIN).await.unwrap(), Drained::default());
    assert_eq!(lines(&local).await, ["a", "b", "c"]);
    let key = local.cloud().buckets.objects("b", &ListObjects::default()).await.unwrap().objects[0].key.clone();
    let form = regex::Regex::new(
        r"^\d{4}/\d\d/\d\d/\d\d/d-1-\d{4}(-\d\d){5}-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.json$",
    );
    assert!(form.unwrap().is_match(&key), "{key}");
    let deliveries = local.deliveries().await.unwrap();
    assert_eq!((deliveries[0].delivered_records, deliveries[0].buffered_records), (Some(3), Some(0)));
    assert_eq!(deliveries[0].seconds_left, None);
}

#[tokio::test]
async fn a_buffer_is_delivered_for_its_age_or_its_size() {
    let (_dir, local) = pipeline();
    local.put(&testing::permit(), "s", &[record("young")]).await.unwrap();
    let now_ms = local.inner.clock.now_ms();
    let (now, next) = local.inner.store.read_now(|c| due(c, now_ms)).unwrap();
    assert!(now.is_empty());
    assert!(next.is_some_and(|n| n > now_ms && n <= now_ms + 60_000));
    let (now, next) = local.inner.store.read_now(|c| due(c, now_ms + 60_000)).unwrap();
    assert_eq!((now, next), (vec!["d".to_owned()], None));

    let big = Record { partition_key: "k".into(), data: vec![b'x'; MAX_RECORD].into() };
    local.put(&testing::permit(), "s", &[big]).await.unwrap();
    assert_eq!(local.deliver_now("d", Take::WhatIsDue).unwrap(), 2);
}

#[tokio::test]
async fn retention_takes_what_is_delivered_and_remembers_its_tokens() {
    let (_dir, local) = pipeline();
    local.put(&role("r"), "s", &[record("1"), record("2")]).await.unwrap();
    let age = |local: &Local| {
        let old = local.inner.clock.now_ms() - 25 * 3_600_000;
        local.inner.store.write_now(|t| t.execute("update records set arrived = ?1", [old]).map_err(sql)).unwrap();
    };
    age(&local);
    assert_eq!(local.trim_streams().unwrap(), 0, "what waits for its delivery stays");
    local.drain(&testing::permit(), "d", jiff::Timestamp::MIN).await.unwrap();
    local.put(&role("q"), "s", &[record("3")]).await.unwrap();
    assert_eq!(local.trim_streams().unwrap(), 2);
    local.put(&role("r"), "s", &[record("1"), record("2")]).await.unwrap();
    assert_eq!(local.records("s", None, 10).await.unwrap().len(), 1);
}

#[derive(Debug, Clone)]
enum Step {
    /// Invocation `.0` puts that many records, perhaps not for the first time.
    Put(u8, u8),
    /// One of the processes delivers.
    Deliver(bool),
    /// One of the processes writes a file, and dies.
    Die(bool),
    /// Both write a file, then both commit.
    Race(bool),
    /// One writes a file, and commits it after all the following steps up to the next such.
    Late(bool),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0_u8..6, 1_u8..5).prop_map(|(id, n)| Step::Put(id, n)),
        2 => any::<bool>().prop_map(Step::Deliver),
        1 => any::<bool>().prop_map(Step::Die),
        1 => any::<bool>().prop_map(Step::Race),
        1 => any::<bool>().prop_map(Step::Late),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn whatever_happens_each_record_is_in_one_object_or_waits(steps in prop::collection::vec(step(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (dir, first) = pipeline();
        let second = testing::open(dir.path());
        let of = |which: bool| if which { &first } else { &second };
        let prepare = |which| of(which).prepare_delivery("d", Take::UpTo(i64::MAX)).unwrap();
        let commit = |which: bool, p: Option<Prepared>| p.is_some_and(|p| of(which).commit_delivery(&p).unwrap());
        let mut put = BTreeSet::new();
        let mut late = None;
        for (n, step) in steps.into_iter().enumerate() {
            match step {
                Step::Put(id, count) => {
                    let records: Vec<_> = (0..count).map(|i| record(&format!("{id}.{i}"))).collect();
                    put.extend((0..count).map(|i| format!("{id}.{i}")));
                    runtime.block_on(of(n % 2 == 0).put(&role(&id.to_string()), "s", &records)).unwrap();
                }
                Step::Deliver(which) => { commit(which, prepare(which)); }
                Step::Die(which) => drop(prepare(which)),
                Step::Race(which) => {
                    let (one, other) = (prepare(which), prepare(!which));
                    let something = one.is_some();
                    prop_assert_eq!(commit(which, one), something);
                    prop_assert!(!commit(!which, other));
                }
                Step::Late(which) => {
                    if let Some((which, prepared)) = late.take() { commit(which, prepared); }
                    late = Some((which, prepare(which)));
                }
            }
        }
        let delivered = runtime.block_on(lines(&first));
        let position = first.inner.store
            .read_now(|c| super::super::deliveries::positions(c, "s")).unwrap()[0];
        let waiting = runtime.block_on(first.records("s", Some(&position.to_string()), 1_000)).unwrap();
        let mut all = delivered.clone();
        all.extend(waiting.iter().map(|r| String::from_utf8(r.data.to_vec()).unwrap()));
        all.sort();
        prop_assert_eq!(all, put.into_iter().collect::<Vec<_>>());
        let counted = runtime.block_on(first.deliveries().into_future()).unwrap()[0].delivered_records;
        prop_assert_eq!(counted, Some(delivered.len() as u64));
    }
}
