//! Tests of driver.rs.

use std::{future::Future, path::Path};

use bytes::Bytes;
use rusqlite::params;

use super::*;
use crate::{
    cloud::{
        buckets::{Buckets, ListObjects},
        resources::{self, LogGroup, Resource},
        streams::{Record, Streams},
    },
    local::testing,
};

/// Waits until something is so; a test that waits in vain fails.
async fn until<F: Future<Output = bool>>(what: &str, mut so: impl FnMut() -> F) {
    for _ in 0..1_500 {
        if so().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("waited in vain until {what}");
}

fn pipeline() -> (tempfile::TempDir, Local) {
    let (dir, local) = testing::local();
    testing::deploy(&local, &[testing::bucket("b", false), testing::stream("s"), testing::delivery("d", "s", "b")]);
    (dir, local)
}

async fn put(local: &Local, data: &'static str) {
    let record = Record { partition_key: "k".into(), data: Bytes::from_static(data.as_bytes()) };
    Streams::put(local, &testing::permit(), "s", &[record]).await.unwrap();
}

async fn objects(local: &Local) -> usize {
    local.objects("b", &ListObjects::default()).await.unwrap().objects.len()
}

#[tokio::test]
async fn what_is_due_is_delivered_also_after_the_first_driver_has_gone() {
    let (dir, first) = pipeline();
    let second = testing::open(dir.path());
    first.inner.clock.set_speed(&first.inner.store, 600.0).unwrap();
    let (stop_first, stop_second) = (CancellationToken::new(), CancellationToken::new());
    let driving = first.drive(stop_first.clone());
    put(&second, "1").await;
    until("the first object is there", || async { objects(&second).await == 1 }).await;
    let taking_over = second.drive(stop_second.clone());
    stop_first.cancel();
    driving.await.unwrap();
    put(&first, "2").await;
    until("the second object is there", || async { objects(&first).await == 2 }).await;
    stop_second.cancel();
    taking_over.await.unwrap();
    assert!(Lease::try_take(dir.path()).unwrap().is_some());
}

fn bytes_of(dir: &Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let mut files: Vec<_> = std::fs::read_dir(dir)
        .unwrap()
        .map(|e| e.unwrap().path())
        .filter(|p| p.is_file() && p.extension().is_none_or(|e| e != "db-shm"))
        .map(|p| (p.clone(), std::fs::read(&p).unwrap()))
        .collect();
    files.sort();
    files
}

#[tokio::test]
async fn while_nothing_is_due_nothing_is_written() {
    let (dir, local) = pipeline();
    put(&local, "young").await;
    let stop = CancellationToken::new();
    let driving = local.drive(stop.clone());
    until("the driver holds its lease", || async { Lease::try_take(dir.path()).unwrap().is_none() }).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let before = bytes_of(dir.path());
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(bytes_of(dir.path()), before);
    stop.cancel();
    driving.await.unwrap();
}

#[tokio::test]
async fn a_failing_part_does_not_stop_the_others() {
    let (_dir, local) = pipeline();
    local.inner.clock.set_speed(&local.inner.store, 600.0).unwrap();
    local
        .inner
        .store
        .write_now(|t| {
            // A schedule that cannot be read, due for ever.
            t.execute("insert into schedules values ('broken', 0)", []).map_err(sql)?;
            t.execute(
                "insert into stack_resources values ('test', 'x', 'x', 'broken', 'schedule', 'X', 0, 0, 'no json')",
                [],
            )
            .map_err(sql)
        })
        .unwrap();
    put(&local, "1").await;
    let stop = CancellationToken::new();
    let driving = local.drive(stop.clone());
    until("the object is there", || async { objects(&local).await == 1 }).await;
    stop.cancel();
    driving.await.unwrap();
}

fn with(name: &str, properties: Properties) -> Resource {
    testing::resource(name, properties)
}

#[tokio::test]
async fn what_is_past_its_time_goes() {
    let (_dir, local) = testing::local();
    let bucket =
        |days| Properties::Bucket(resources::Bucket { expire_days: Some(days), ..resources::Bucket::default() });
    testing::deploy(
        &local,
        &[
            with("b", bucket(2)),
            with("kept", bucket(400)),
            with("/log", Properties::LogGroup(LogGroup { retention_days: 1 })),
        ],
    );
    let now_ms = local.inner.clock.now_ms();
    for bucket in ["b", "kept"] {
        for key in ["old", "young"] {
            Buckets::put(&local, &testing::permit(), bucket, key, Bytes::new(), None).await.unwrap();
        }
    }
    local
        .inner
        .store
        .write_now(|t| {
            t.execute("update objects set modified = ?1 where key = 'old'", params![now_ms - 3 * DAY_MS])
                .map_err(sql)?;
            logs::append(t, "/log", "s", &[(now_ms - 2 * DAY_MS, "old"), (now_ms, "young")])
        })
        .unwrap();
    local.maintain(true);
    let keys = |bucket: &'static str| {
        let local = local.clone();
        async move {
            let page = local.objects(bucket, &ListObjects::default()).await.unwrap();
            page.objects.into_iter().map(|o| o.key).collect::<Vec<_>>()
        }
    };
    assert_eq!(keys("b").await, ["young"]);
    assert_eq!(keys("kept").await, ["old", "young"]);
    let messages: Vec<String> = local
        .inner
        .store
        .read_now(|c| {
            c.prepare("select message from log_events")
                .and_then(|mut s| s.query_map([], |r| r.get(0))?.collect())
                .map_err(sql)
        })
        .unwrap();
    assert_eq!(messages, ["young"]);
}
