//! Tests of buckets.rs.

use serde_json::Value;

use super::*;
use crate::local::testing;

fn count(local: &Local, query: &str) -> i64 {
    local.inner.store.read_now(|c| c.query_row(query, [], |r| r.get(0)).map_err(sql)).unwrap()
}

fn bucket_with_rules() -> resources::Resource {
    let rule = |suffix: &str, target| Notification { prefix: "in/".into(), suffix: suffix.into(), target };
    testing::resource(
        "b",
        Properties::Bucket(resources::Bucket {
            versioning: true,
            expire_days: None,
            on_created: vec![
                rule(".json", NotificationTarget::Function("f".into())),
                rule("", NotificationTarget::Topic("t".into())),
            ],
            ..resources::Bucket::default()
        }),
    )
}

#[tokio::test]
async fn an_object_is_put_read_and_deleted() {
    let (_dir, local) = testing::local();
    testing::deploy(&local, &[testing::bucket("b", false)]);
    let permit = testing::permit();
    let put = local.put(&permit, "b", "a/ü", Bytes::from_static(b"hello"), Some("text/plain")).await.unwrap();
    assert_eq!((put.size, put.etag.as_str()), (5, "5d41402abc4b2a76b9719d911017c592"));
    assert_eq!(put.version, None);
    assert_eq!(local.head("b", "a/ü", None).await.unwrap(), put);
    assert_eq!(local.get("b", "a/ü", None, None).await.unwrap().body, "hello");
    assert_eq!(local.get("b", "a/ü", None, Some(1..3)).await.unwrap().body, "el");
    assert_eq!(local.get("b", "a/ü", None, Some(4..99)).await.unwrap().body, "o");
    assert_eq!(local.get("b", "a/ü", None, Some(99..100)).await.unwrap().body, "");
    local.delete(&permit, "b", "a/ü", None).await.unwrap();
    local.delete(&permit, "b", "a/ü", None).await.unwrap();
    assert!(matches!(local.get("b", "a/ü", None, None).await, Err(Error::NotFound { kind: "object", .. })));
    assert_eq!(count(&local, "select count(*) from objects"), 0);
}

#[tokio::test]
async fn what_s3_would_not_take_is_refused_and_leaves_no_file() {
    let (dir, local) = testing::local();
    testing::deploy(&local, &[testing::bucket("b", false)]);
    let permit = testing::permit();
    assert!(matches!(local.put(&permit, "b", "", Bytes::new(), None).await, Err(Error::Invalid(_))));
    let long = "ü".repeat(513);
    assert!(matches!(local.put(&permit, "b", &long, Bytes::new(), None).await, Err(Error::Invalid(_))));
    assert!(matches!(
        local.put(&permit, "other", "k", Bytes::new(), None).await,
        Err(Error::NotFound { kind: "bucket", .. })
    ));
    assert_eq!(std::fs::read_dir(dir.path().join("objects")).unwrap().count(), 0);
}

#[tokio::test]
async fn versions_are_kept_marked_and_brought_back() {
    let (_dir, local) = testing::local();
    testing::deploy(&local, &[testing::bucket("b", true)]);
    let permit = testing::permit();
    let first = local.put(&permit, "b", "k", Bytes::from_static(b"1"), None).await.unwrap();
    let second = local.put(&permit, "b", "k", Bytes::from_static(b"22"), None).await.unwrap();
    assert_eq!(local.get("b", "k", None, None).await.unwrap().body, "22");
    assert_eq!(local.get("b", "k", first.version.as_deref(), None).await.unwrap().body, "1");
    local.delete(&permit, "b", "k", None).await.unwrap();
    assert!(local.head("b", "k", None).await.is_err());
    assert_eq!(local.get("b", "k", second.version.as_deref(), None).await.unwrap().body, "22");
    let all = ListObjects { versions: true, ..ListObjects::default() };
    let page = local.objects("b", &all).await.unwrap();
    assert_eq!(page.objects.len(), 3);
    assert!(page.objects[0].delete_marker);
    local.delete(&permit, "b", "k", page.objects[0].version.as_deref()).await.unwrap();
    assert_eq!(local.get("b", "k", None, None).await.unwrap().body, "22");
    assert_eq!(local.objects("b", &ListObjects::default()).await.unwrap().objects.len(), 1);
}

#[tokio::test]
async fn usage_is_what_counting_would_give() {
    let (_dir, local) = testing::local();
    testing::deploy(&local, &[testing::bucket("plain", false), testing::bucket("kept", true)]);
    let permit = testing::permit();
    for bucket in ["plain", "kept"] {
        for (key, body) in [("a", "12345"), ("b", "1"), ("a", "123"), ("c", "")] {
            local.put(&permit, bucket, key, Bytes::from_static(body.as_bytes()), None).await.unwrap();
        }
        local.delete(&permit, bucket, "b", None).await.unwrap();
        local.delete(&permit, bucket, "never", None).await.unwrap();
    }
    for bucket in Buckets::list(&local).await.unwrap() {
        assert_eq!((bucket.objects, bucket.bytes), (Some(2), Some(3)), "{}", bucket.name);
    }
}

#[tokio::test]
async fn a_new_object_sets_off_what_the_bucket_is_told_to() {
    let (_dir, local) = testing::local();
    testing::deploy(&local, &[bucket_with_rules()]);
    let permit = testing::permit();
    for key in ["in/a.json", "in/b.csv", "out/c.json"] {
        local.put(&permit, "b", key, Bytes::from_static(b"{}"), None).await.unwrap();
    }
    assert_eq!(count(&local, "select count(*) from messages where topic = 't'"), 2);
    let (function, event, id): (String, String, String) = local
        .inner
        .store
        .read_now(|c| {
            c.query_row("select function, event, request_id from pending", [], |r| {
                Ok((r.get(0)?, r.get(1)?, r.get(2)?))
            })
            .map_err(sql)
        })
        .unwrap();
    assert_eq!((function.as_str(), id.as_str()), ("f", "s3-1-0"));
    let event: Value = serde_json::from_str(&event).unwrap();
    assert_eq!(event["Records"][0]["s3"]["object"]["key"], "in/a.json");
    let detail = local.detail("b").await.unwrap();
    assert_eq!(detail.notifications, ["in/*.json -> function f", "in/* -> topic t"]);
}

#[tokio::test]
async fn a_role_needs_the_grant() {
    let (_dir, local) = testing::local();
    testing::deploy(&local, &[testing::bucket("b", false)]);
    let role = Permit::role("r", [].into(), "id");
    assert!(matches!(local.put(&role, "b", "k", Bytes::new(), None).await, Err(Error::AccessDenied { .. })));
    assert!(matches!(local.delete(&role, "b", "k", None).await, Err(Error::AccessDenied { .. })));
}
