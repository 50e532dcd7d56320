//! Buckets, objects, and files on their way to and from them.

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use proptest::prelude::*;
use pumphouse::{
    backend::{Backend, Gate, Pipelines, audit::Audit, preview::Preview},
    cloud::{
        Cloud, Error,
        buckets::{ListObjects, ReadRange},
    },
};
use tempfile::TempDir;

use crate::{
    fake::{Answer, Asked, Fake},
    harness::{self, Pumphouse},
    s3::S3,
};

const MIB: usize = 1024 * 1024;

fn open(fake: &Fake) -> (TempDir, Cloud) {
    let state = tempfile::tempdir().unwrap();
    let cloud = harness::cloud(fake, &state);
    (state, cloud)
}

fn text(output: &std::process::Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Content of which no two parts are the same.
fn content(size: usize) -> Vec<u8> {
    (0..size).map(|n| ((n * 31) ^ (n >> 9) ^ (n >> 17)) as u8).collect()
}

#[tokio::test]
async fn buckets_come_page_by_page_with_their_regions() {
    let fake = Fake::start(|asked| {
        let second = asked.params.contains_key("continuation-token");
        let (name, rest) = if second { ("two", "") } else { ("one", "<ContinuationToken>t</ContinuationToken>") };
        Answer::xml(format!(
            "<ListAllMyBucketsResult><Buckets><Bucket><Name>{name}</Name><BucketRegion>eu-west-3</BucketRegion>\
             <CreationDate>2026-01-01T00:00:00.000Z</CreationDate></Bucket></Buckets>{rest}</ListAllMyBucketsResult>"
        ))
    });
    let (_state, cloud) = open(&fake);
    let mut pages = cloud.buckets.list();
    let first = pages.next().await.unwrap().unwrap();
    assert_eq!((first[0].name.as_str(), first[0].region.as_deref()), ("one", Some("eu-west-3")));
    assert_eq!(pages.next().await.unwrap().unwrap()[0].name, "two");
    assert!(pages.next().await.is_none());
}

#[tokio::test]
async fn a_bucket_elsewhere_is_asked_in_its_own_region_from_then_on() {
    let s3 = S3::default();
    s3.state().objects.insert("k".into(), "x".into());
    let fake = s3.start(|asked| {
        let signed = asked.headers["authorization"].to_str().unwrap();
        (!signed.contains("/us-east-2/s3/")).then(|| {
            let moved = "<Error><Code>PermanentRedirect</Code><Message>elsewhere</Message></Error>";
            Answer::text(301, "application/xml", moved).header("x-amz-bucket-region", "us-east-2")
        })
    });
    let (_state, cloud) = open(&fake);
    let page = cloud.buckets.objects("b", &ListObjects::default()).await.unwrap();
    assert_eq!(page.objects[0].key, "k");
    cloud.buckets.head("b", "k", None).await.unwrap();
    assert_eq!(fake.asked().len(), 3, "{:?}", fake.lines());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn a_key_comes_back_as_it_went(
        keys in prop::collection::btree_set(
            prop_oneof!["[ -~]{1,12}", r"[/.+% a\\?#&=;:,ü漢\u{1}\u{7f}\u{10ffff}-]{1,9}", "\\PC{1,9}"]
                .prop_filter("not only blanks: the SDK has no such keys", |key| !key.trim().is_empty()), 1..4),
    ) {
        let s3 = S3::default();
        let fake = s3.start(|_| None);
        let dir = tempfile::tempdir().unwrap();
        let cloud = harness::cloud(&fake, &dir);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            for key in &keys {
                let (port, body) = (&cloud.buckets, bytes::Bytes::from(key.clone()));
                let put = |permit| async move { port.put(&permit, "b", key, body, None).await.map(drop) };
                harness::permitted(&dir, put).await.unwrap();
            }
            let seen: BTreeSet<String> = s3.state().objects.keys().cloned().collect();
            assert_eq!(seen, keys);
            let page = cloud.buckets.objects("b", &ListObjects::default()).await.unwrap();
            assert_eq!(page.objects.into_iter().map(|o| o.key).collect::<BTreeSet<_>>(), keys);
            for key in &keys {
                let got = cloud.buckets.get("b", key, None, None).await.unwrap();
                assert_eq!(got.body, key.as_bytes());
                let port = &cloud.buckets;
                let delete = |permit| async move { port.delete(&permit, "b", key, None).await };
                harness::permitted(&dir, delete).await.unwrap();
            }
            assert!(s3.state().objects.is_empty());
        });
    }
}

#[tokio::test]
async fn a_range_is_cut_to_the_object() {
    let s3 = S3::default();
    s3.state().objects.extend([("k".into(), "0123456789".into()), ("empty".into(), "".into())]);
    let fake = s3.start(|_| None);
    let (_state, cloud) = open(&fake);
    for (range, wanted) in [(2..5, "234"), (8..99, "89"), (10..12, ""), (3..3, "")] {
        let got = cloud.buckets.get("b", "k", None, Some(range.clone())).await.unwrap();
        assert_eq!((&*got.body, got.object.size), (wanted.as_bytes(), 10), "{range:?}");
    }
    assert_eq!(cloud.buckets.get("b", "empty", None, Some(0..100)).await.unwrap().object.size, 0);
    let tag = "781e5e245d69b566979b86e28d23f2c7";
    let read = |etag| ReadRange { version: None, etag, bytes: 0..4 };
    assert_eq!(cloud.buckets.get_unchanged("b", "k", &read(tag)).await.unwrap(), "0123");
    let changed = cloud.buckets.get_unchanged("b", "k", &read("other")).await.unwrap_err();
    assert!(matches!(&changed, Error::Conflict(why) if why.contains("has changed")), "{changed:?}");
}

#[tokio::test]
async fn refusals_and_absences_are_told_apart() {
    let answer = |status, code: &'static str| {
        let fake = Fake::start(move |asked| match asked.method.as_str() {
            "HEAD" => Answer::text(status, "application/xml", ""),
            _ => Answer::s3_error(status, code, "no"),
        });
        let (state, cloud) = open(&fake);
        (fake, state, cloud.buckets)
    };
    let (_fake, _state, port) = answer(403, "AccessDenied");
    let denied = |error: Error| match error {
        Error::AccessDenied { action, target } => (action, target),
        other => panic!("{other:?}"),
    };
    assert_eq!(denied(port.list().await.unwrap_err()).0, "s3:ListAllMyBuckets");
    let listed = ListObjects::default();
    assert_eq!(denied(port.objects("b", &listed).await.unwrap_err()), ("s3:ListBucket".into(), "b".into()));
    let versions = ListObjects { versions: true, ..listed.clone() };
    assert_eq!(denied(port.objects("b", &versions).await.unwrap_err()).0, "s3:ListBucketVersions");
    let head = denied(port.head("b", "k", None).await.unwrap_err());
    assert_eq!(head, ("s3:GetObject".into(), "s3://b/k".into()));
    assert_eq!(denied(port.get("b", "k", Some("v"), None).await.unwrap_err()).0, "s3:GetObjectVersion");
    let uploads = port.multipart().unwrap().uploads("b").await.unwrap_err();
    assert_eq!(denied(uploads).0, "s3:ListBucketMultipartUploads");
    let (_fake, _state, port) = answer(404, "NoSuchBucket");
    assert_eq!(port.objects("b", &listed).await.unwrap_err(), Error::not_found("bucket", "b"));
    assert_eq!(port.get("b", "k", None, None).await.unwrap_err(), Error::not_found("bucket", "b"));
    let (_fake, _state, port) = answer(404, "NoSuchKey");
    assert_eq!(port.head("b", "k", None).await.unwrap_err(), Error::not_found("object", "s3://b/k"));
    let (_fake, _state, port) = answer(404, "NoSuchVersion");
    let missing = port.get("b", "k", Some("v"), None).await.unwrap_err();
    assert_eq!(missing, Error::not_found("object version", "s3://b/k v"));
    let (_fake, _state, port) = answer(405, "MethodNotAllowed");
    let marker = port.get("b", "k", Some("v"), None).await.unwrap_err();
    assert_eq!(marker, Error::not_found("object version", "s3://b/k v"));
}

#[tokio::test]
async fn slow_down_is_heeded_and_the_request_goes_through() {
    let s3 = S3::default();
    s3.state().objects.insert("k".into(), "x".into());
    let asked = AtomicUsize::new(0);
    let fake = s3.start(move |_| {
        (asked.fetch_add(1, Ordering::Relaxed) == 0)
            .then(|| Answer::s3_error(503, "SlowDown", "Please reduce your request rate."))
    });
    let (_state, cloud) = open(&fake);
    assert_eq!(cloud.buckets.objects("b", &ListObjects::default()).await.unwrap().objects.len(), 1);
    assert_eq!(cloud.traffic.traffic().unwrap().throttled, 1);
}

#[test]
fn settings_are_read_one_by_one_and_a_refused_one_is_a_line() {
    let fake = Fake::start(|asked| {
        let has = |name: &str| asked.params.contains_key(name);
        match () {
            () if asked.method == "HEAD" => {
                Answer::text(200, "text/xml", "").header("x-amz-bucket-region", "eu-west-1")
            }
            () if has("versioning") => {
                Answer::xml("<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>")
            }
            () if has("lifecycle") => Answer::xml(
                "<LifecycleConfiguration><Rule><Status>Enabled</Status><Filter><Prefix></Prefix></Filter>\
                 <Expiration><Days>90</Days></Expiration></Rule></LifecycleConfiguration>",
            ),
            () if has("cors") => Answer::s3_error(404, "NoSuchCORSConfiguration", "none"),
            () if has("notification") => {
                Answer::xml("<NotificationConfiguration><EventBridgeConfiguration/></NotificationConfiguration>")
            }
            () if has("logging") => Answer::s3_error(400, "Odd", "thing"),
            () => Answer::s3_error(403, "AccessDenied", "Access Denied"),
        }
    });
    let told = text(&Pumphouse::on(&fake).run(&["buckets", "show", "b"]));
    let lines: Vec<String> = told.lines().map(|l| l.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    for line in [
        "region eu-west-1",
        "versioning on",
        "lifecycle all objects: expire after 90 days",
        "CORS none",
        "notifications * -> EventBridge (every event)",
        "encryption access denied: allow s3:GetEncryptionConfiguration to see this",
        "public access access denied: allow s3:GetBucketPublicAccessBlock to see this",
        "replication access denied: allow s3:GetReplicationConfiguration to see this",
        "logging not known: Odd: thing",
    ] {
        assert!(lines.iter().any(|l| l == line), "{line}\n{told}");
    }
}

/// Starts a command and kills it, as `kill -9` does, when the endpoint holds what `enough` wants.
fn killed(p: &Pumphouse, args: &[&str], enough: impl Fn() -> bool) {
    let mut child = p.command().args(args).spawn().unwrap();
    while !enough() {
        assert_eq!(child.try_wait().unwrap(), None, "it ended before it was killed");
        std::thread::sleep(Duration::from_millis(10));
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

fn is_part(asked: &Asked, number: &str) -> bool {
    asked.method == "PUT" && asked.params.get("partNumber").is_some_and(|n| n == number)
}

#[test]
fn an_upload_that_was_killed_goes_on_with_the_parts_that_have_arrived() {
    let s3 = S3::default();
    let sent = std::sync::Arc::new(AtomicUsize::new(0));
    let held = sent.clone();
    // The last part hangs the first time.
    let fake = s3.start(move |asked| {
        (is_part(asked, "3") && held.fetch_add(1, Ordering::SeqCst) == 0)
            .then(|| Answer::text(500, "text/xml", "").after_ms(60_000))
    });
    let p = Pumphouse::on(&fake);
    let body = content(17 * MIB);
    std::fs::write(p.path("big"), &body).unwrap();
    let parts = || s3.state().uploads.values().next().map_or(0, |(_, parts)| parts.len());
    killed(&p, &["buckets", "put", "b", "big key", "big"], || parts() == 2 && sent.load(Ordering::SeqCst) == 1);
    let listed = text(&p.run(&["buckets", "uploads", "b"]));
    assert!(listed.contains("big key"), "{listed}");
    let before = fake.asked().len();
    let done = p.run(&["buckets", "put", "b", "big key", "big"]);
    assert!(done.status.success(), "{}", text(&done));
    assert!(s3.state().objects["big key"] == body);
    let asked: Vec<_> = fake.asked().split_off(before);
    let puts: Vec<_> = asked.iter().filter(|a| a.method == "PUT").collect();
    assert!(puts.len() == 1 && is_part(puts[0], "3"), "{:?}", fake.lines());
    assert!(s3.state().uploads.is_empty());
}

#[test]
fn an_upload_of_what_was_changed_meanwhile_starts_again() {
    let s3 = S3::default();
    let held = AtomicUsize::new(0);
    let fake = s3.start(move |asked| {
        (is_part(asked, "2") && held.fetch_add(1, Ordering::SeqCst) == 0)
            .then(|| Answer::text(500, "text/xml", "").after_ms(60_000))
    });
    let p = Pumphouse::on(&fake);
    std::fs::write(p.path("big"), content(9 * MIB)).unwrap();
    let put = ["buckets", "put", "b", "k", "big"];
    killed(&p, &put, || s3.state().uploads.values().any(|(_, parts)| parts.len() == 1));
    let body: Vec<u8> = content(10 * MIB).into_iter().rev().collect();
    std::fs::write(p.path("big"), &body).unwrap();
    assert!(p.run(&put).status.success());
    assert!(s3.state().objects["k"] == body);
    assert!(s3.state().uploads.is_empty(), "the old upload is aborted");
}

#[test]
fn a_download_survives_cut_connections() {
    let s3 = S3::default();
    let body = content(20 * MIB);
    s3.state().objects.insert("k".into(), body.clone().into());
    let (cuts, served) = (AtomicUsize::new(0), s3.clone());
    let fake = s3.start(move |asked| {
        (asked.method == "GET" && cuts.fetch_add(1, Ordering::SeqCst) < 2)
            .then(|| served.answer(asked).cut_after(100_000))
    });
    let p = Pumphouse::on(&fake);
    let done = p.run(&["buckets", "get", "b", "k", "copy"]);
    assert!(done.status.success(), "{}", text(&done));
    assert!(std::fs::read(p.path("copy")).unwrap() == body);
}

#[test]
fn a_download_that_was_killed_goes_on_where_it_was() {
    let s3 = S3::default();
    let body = content(20 * MIB);
    s3.state().objects.insert("k".into(), body.clone().into());
    let held = std::sync::Arc::new(AtomicUsize::new(0));
    let holds = held.clone();
    // The last chunk hangs the first time.
    let fake = s3.start(move |asked| {
        let last = asked.headers.get("range").is_some_and(|r| r.to_str().unwrap().starts_with("bytes=16777216-"));
        (last && holds.fetch_add(1, Ordering::SeqCst) == 0).then(|| Answer::text(500, "text/xml", "").after_ms(60_000))
    });
    let p = Pumphouse::on(&fake);
    let part = || {
        let found = std::fs::read_dir(p.dir.path()).unwrap().flatten();
        let part = found.into_iter().find(|f| f.file_name().to_string_lossy().ends_with(".part"));
        part.map_or(0, |f| f.metadata().unwrap().len())
    };
    let get = ["buckets", "get", "b", "k", "copy"];
    killed(&p, &get, || part() == 16 * MIB as u64 && held.load(Ordering::SeqCst) == 1);
    assert!(!p.path("copy").exists());
    let before = fake.asked().len();
    // Reading is no change.
    let done = p.command().arg("--read-only").args(get).output().unwrap();
    assert!(done.status.success(), "{}", text(&done));
    assert!(std::fs::read(p.path("copy")).unwrap() == body);
    assert_eq!(part(), 0, "nothing is left");
    let gets = fake.asked().split_off(before).into_iter().filter(|a| a.method == "GET").count();
    assert_eq!(gets, 1, "{:?}", fake.lines());
}

#[test]
fn incomplete_uploads_are_listed_and_thrown_away() {
    let s3 = S3::default();
    s3.state().uploads.insert("u7".into(), ("half".into(), std::collections::BTreeMap::new()));
    let fake = s3.start(|_| None);
    let p = Pumphouse::on(&fake);
    assert!(text(&p.run(&["buckets", "uploads", "b"])).contains("u7"));
    let refused = p.command().args(["--read-only", "buckets", "uploads", "b", "--abort-all"]).output().unwrap();
    assert_eq!(refused.status.code(), Some(3));
    assert_eq!(s3.state().uploads.len(), 1);
    assert!(p.run(&["buckets", "uploads", "b", "--abort", "half", "--yes"]).status.success());
    assert!(s3.state().uploads.is_empty());
}

#[test]
fn a_url_is_made_without_a_change_and_works_as_it_is() {
    let s3 = S3::default();
    s3.state().objects.insert("a b/ü+%".into(), "content".into());
    let fake = s3.start(|_| None);
    let p = Pumphouse::on(&fake);
    let made =
        p.command().args(["--read-only", "buckets", "presign", "b", "a b/ü+%", "--expires", "2h"]).output().unwrap();
    let url = String::from_utf8(made.stdout).unwrap();
    assert!(url.contains("X-Amz-Expires=7200") && url.contains("a%20b/%C3%BC%2B%25"), "{url}");
    assert!(String::from_utf8_lossy(&made.stderr).contains("whoever has this URL can read"));
    let never = p.run(&["buckets", "presign", "b", "k", "--expires", "0s"]);
    assert!(String::from_utf8_lossy(&never.stderr).contains("1s is the least"), "{never:?}");
    let too_long = p.run(&["buckets", "presign", "b", "k", "--expires", "8d"]);
    assert!(text(&too_long).contains("7 days"), "{}", text(&too_long));
}

#[tokio::test]
async fn a_look_into_a_huge_object_reads_its_beginning() {
    let s3 = S3::default();
    s3.state().objects.insert("big.log".into(), "a line of text\n".repeat(1_000_000).into());
    let fake = s3.start(|_| None);
    let (state, cloud) = open(&fake);
    let gate = Gate::new(true, "ada", Audit::new(state.path().join("audit.jsonl")));
    let backend = Backend::new(
        cloud,
        "dev",
        gate,
        Pipelines { dir: None, handlers: |_| false, bootstrap: None, omit_types: vec![] },
    );
    let (object, preview) = backend.preview("b", "big.log", None).await.unwrap();
    assert_eq!(object.size, 15_000_000);
    assert!(matches!(preview, Preview::Text { truncated: true, .. }));
    let gets: Vec<_> = fake.asked().into_iter().filter(|a| a.method == "GET").collect();
    assert_eq!(gets.len(), 1);
    assert_eq!(gets[0].headers["range"], "bytes=0-262143");
}
