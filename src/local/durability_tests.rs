//! What is left when a process is killed: everything that it said it had done, and nothing twice.
//!
//! A test starts this test binary once more as its victim, which works on the same state until it is killed.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use bytes::Bytes;
use tokio::sync::mpsc;

use super::{Local, deliveries::Take, store::sql, testing};
use crate::cloud::{
    Grant, Permit,
    buckets::ListObjects,
    resources::{Graph, LogGroup, Properties, Resource, Schedule, ScheduleTarget, Topic},
    stacks::{StackRequest, StackStatus},
    streams::Record,
};

const DIR: &str = "PUMPHOUSE_TEST_VICTIM_DIR";
const FROM: &str = "PUMPHOUSE_TEST_VICTIM_FROM";

/// Starts the test `name` in a process of its own.
fn victim(name: &str, dir: &Path, from: u64) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("local::durability_tests::{name}"), "--ignored", "--nocapture", "--quiet"])
        .env(DIR, dir)
        .env(FROM, from.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Kills the victim after `lines` more of its lines and some time; the last line that it wrote.
fn kill(mut victim: Child, lines: usize, wait: Duration) -> Option<u64> {
    let mut output = BufReader::new(victim.stdout.take().unwrap()).lines();
    let mut last = None;
    let mut seen = 0;
    while seen < lines {
        let line = output.next().expect("the victim works until it is killed").unwrap();
        if let Some(number) = line.strip_prefix("done ") {
            last = Some(number.parse().unwrap());
            seen += 1;
        }
    }
    std::thread::sleep(wait);
    victim.kill().unwrap();
    victim.wait().unwrap();
    // A line that it began and did not end says nothing.
    let rest = output.map_while(Result::ok).filter_map(|l| l.strip_prefix("done ").and_then(|n| n.parse().ok()));
    rest.last().or(last)
}

fn random(below: u64) -> u64 {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).unwrap();
    u64::from_le_bytes(bytes) % below
}

fn done(number: u64) {
    // Longer than a number alone, so that the half of a line is not taken for a whole one.
    let mut out = std::io::stdout().lock();
    out.write_all(format!("done {number}\n").as_bytes()).and_then(|()| out.flush()).unwrap();
}

fn role(request_id: &str) -> Permit {
    let grant = Grant { action: "kinesis:PutRecords".into(), resource: "s".into() };
    Permit::role("role", [grant].into(), request_id)
}

#[tokio::test]
#[ignore = "the victim of each_record_survives_a_kill_once"]
async fn puts_and_delivers() {
    let Ok(dir) = std::env::var(DIR) else { return };
    let local = testing::open(Path::new(&dir));
    let streams = local.cloud().streams;
    for number in std::env::var(FROM).unwrap().parse::<u64>().unwrap().. {
        let records: Vec<_> = (0..3)
            .map(|n| Record { partition_key: "k".into(), data: format!("{number}.{n}").into_bytes().into() })
            .collect();
        streams.put(&role(&format!("invocation-{number}")), "s", &records).await.unwrap();
        done(number);
        if number % 3 == 0 {
            let local = local.clone();
            tokio::task::spawn_blocking(move || local.deliver_now("d", Take::UpTo(i64::MAX))).await.unwrap().unwrap();
        }
    }
}

async fn delivered(local: &Local) -> Vec<String> {
    let buckets = local.cloud().buckets;
    let mut lines = Vec::new();
    let mut request = ListObjects::default();
    loop {
        let page = buckets.objects("b", &request).await.unwrap();
        for object in page.objects {
            let content = buckets.get("b", &object.key, None, None).await.unwrap();
            assert_eq!(content.body.len() as u64, object.size, "{}: the file is whole", object.key);
            lines.extend(std::str::from_utf8(&content.body).unwrap().lines().map(str::to_owned));
        }
        request.after = page.next;
        if request.after.is_none() {
            return lines;
        }
    }
}

#[tokio::test]
async fn each_record_survives_a_kill_once() {
    let (dir, local) = testing::local();
    testing::deploy(&local, &[testing::bucket("b", false), testing::stream("s"), testing::delivery("d", "s", "b")]);
    let mut next = 0;
    for _ in 0..20 {
        let victim = victim("puts_and_delivers", dir.path(), next);
        let lines = 1 + random(8) as usize;
        let wait = Duration::from_micros(random(8_000));
        let last = tokio::task::spawn_blocking(move || kill(victim, lines, wait)).await.unwrap();
        // The one after the last may have been put without a word of it: the next victim puts it again.
        next = last.unwrap() + 1;
        let waiting = local.cloud().streams.deliveries().await.unwrap()[0].buffered_records.unwrap();
        let there = delivered(&local).await.len() as u64 + waiting;
        assert!(there == next * 3 || there == next * 3 + 3, "{there} records after {next} acknowledged puts");
    }
    local.cloud().streams.drain(&testing::permit(), "d", jiff::Timestamp::MIN).await.unwrap();
    let got = delivered(&local).await;
    let count = got.len() as u64 / 3;
    assert!(count == next || count == next + 1);
    let numbers: Vec<_> = (0..count).flat_map(|number| (0..3).map(move |n| format!("{number}.{n}"))).collect();
    let mut sorted = got;
    sorted.sort_by_key(|line| line.split_once('.').map(|(a, b)| (a.parse::<u64>().unwrap(), b.to_owned())));
    assert_eq!(sorted, numbers);
}

fn request() -> StackRequest {
    let schedule = Schedule { expression: "rate(1 minute)".into(), target: ScheduleTarget::Function("f".into()) };
    let mut resources: Vec<Resource> = Vec::new();
    for n in 0..8 {
        let (bucket, stream) = (format!("b{n}"), format!("s{n}"));
        resources.extend([
            testing::bucket(&bucket, true),
            testing::stream(&stream),
            testing::delivery(&format!("d{n}"), &stream, &bucket),
            testing::resource(&format!("t{n}"), Properties::Topic(Topic::default())),
            testing::resource(&format!("l{n}"), Properties::LogGroup(LogGroup { retention_days: 1 })),
            testing::resource(&format!("tick{n}"), Properties::Schedule(schedule.clone())),
        ]);
    }
    let graph = Graph {
        stack: "p-dev".into(),
        pipeline: "p".into(),
        env: "dev".into(),
        protected: false,
        resources,
        outputs: Vec::new(),
    };
    StackRequest::new(graph)
}

#[tokio::test]
#[ignore = "the victim of a_stack_survives_a_kill_and_is_carried_on"]
async fn deploys_and_destroys() {
    let Ok(dir) = std::env::var(DIR) else { return };
    let local = testing::open(Path::new(&dir));
    let cloud = local.cloud();
    for number in 0.. {
        cloud.stacks.apply(&testing::permit(), &request(), mpsc::unbounded_channel().0).await.unwrap();
        for bucket in ["b0", "b4", "b7"] {
            cloud.buckets.put(&testing::permit(), bucket, "k", Bytes::from_static(b"x"), None).await.unwrap();
        }
        done(number);
        cloud.stacks.destroy(&testing::permit(), "p-dev", &[], mpsc::unbounded_channel().0).await.unwrap();
        done(number);
    }
}

#[tokio::test]
async fn a_stack_survives_a_kill_and_is_carried_on() {
    let (dir, local) = testing::local();
    let cloud = local.cloud();
    let mut cut_off = 0;
    for round in 0..12 {
        let victim = victim("deploys_and_destroys", dir.path(), 0);
        let lines = 1 + random(4) as usize;
        let wait = Duration::from_micros(random(20_000));
        tokio::task::spawn_blocking(move || kill(victim, lines, wait)).await.unwrap();
        let stack = cloud.stacks.get("p-dev").await.unwrap();
        cut_off += u32::from(stack.is_some_and(|s| s.interrupted));
        if round % 2 == 0 {
            let stack = cloud.stacks.apply(&testing::permit(), &request(), mpsc::unbounded_channel().0).await.unwrap();
            assert!(matches!(stack.status, StackStatus::CreateComplete | StackStatus::UpdateComplete));
            assert_eq!(stack.resources.len(), request().graph.resources.len());
            assert_eq!(cloud.stacks.estimate(&request()).await.unwrap().changes, []);
        }
        if cloud.stacks.get("p-dev").await.unwrap().is_some() {
            cloud.stacks.destroy(&testing::permit(), "p-dev", &[], mpsc::unbounded_channel().0).await.unwrap();
        }
        for table in ["stacks", "stack_resources", "objects", "bucket_usage", "schedules", "garbage"] {
            let query = format!("select count(*) from {table}");
            let rows: i64 = local.inner.store.read_now(|c| c.query_row(&query, [], |r| r.get(0)).map_err(sql)).unwrap();
            assert_eq!(rows, 0, "{table}");
        }
    }
    assert!(cut_off > 0, "twelve kills, and none of them hit an operation");
}
