//! What is written, read, counted and removed.

use super::{
    read::{arrived_sql, newest_sql},
    *,
};
use crate::{
    cloud::{
        logs::Cursor,
        resources::{self, Properties},
    },
    local::testing,
};

fn put(local: &Local, group: &str, stream: &str, events: &[(i64, &str)]) {
    local.inner.store.write_now(|t| append(t, group, stream, events)).unwrap();
}

fn messages(page: &LogPage) -> Vec<&str> {
    page.events.iter().map(|e| e.message.as_str()).collect()
}

fn two_groups() -> (tempfile::TempDir, Local) {
    let (dir, local) = testing::local();
    let group = || Properties::LogGroup(resources::LogGroup { retention_days: 7 });
    testing::deploy(
        &local,
        &[testing::resource("a", group()), testing::resource("b", group()), testing::resource("empty", group())],
    );
    put(&local, "a", "one", &[(1_000, "first"), (4_000, "fourth")]);
    put(&local, "b", "two", &[(2_000, "second"), (3_000, "third [x]")]);
    put(&local, "a", "late", &[(1_500, "late")]);
    (dir, local)
}

#[tokio::test]
async fn groups_are_counted() {
    let (_dir, local) = two_groups();
    let groups = local.groups().await.unwrap();
    let found: Vec<_> = groups.iter().map(|g| (g.name.as_str(), g.events, g.bytes, g.last_event)).collect();
    assert_eq!(
        found,
        [
            ("a", Some(3), Some(15), Some(timestamp(4_000))),
            ("b", Some(2), Some(15), Some(timestamp(3_000))),
            ("empty", Some(0), Some(0), None)
        ]
    );
}

#[tokio::test]
async fn pages_merge_groups_in_order_of_time() {
    let (_dir, local) = two_groups();
    let all = local.read(&ReadLogs::default()).await.unwrap();
    assert_eq!(messages(&all), ["first", "late", "second", "third [x]", "fourth"]);
    assert!(!all.more);
    let newest = local.read(&ReadLogs { newest: true, limit: 3, ..ReadLogs::default() }).await.unwrap();
    assert_eq!(messages(&newest), ["second", "third [x]", "fourth"]);
    assert_eq!(newest.next.unwrap().place::<i64>(), Ok(&5));
    let range = ReadLogs {
        since: Some(timestamp(1_500)),
        until: Some(timestamp(3_000)),
        groups: vec!["a".into(), "b".into()],
        ..ReadLogs::default()
    };
    assert_eq!(messages(&local.read(&range).await.unwrap()), ["late", "second"]);
    let range = ReadLogs { newest: true, ..range };
    assert_eq!(messages(&local.read(&range).await.unwrap()), ["late", "second"]);
}

#[tokio::test]
async fn reading_on_misses_nothing_and_repeats_nothing() {
    let (_dir, local) = two_groups();
    let mut request = ReadLogs { limit: 2, ..ReadLogs::default() };
    let mut seen = Vec::new();
    loop {
        let page = local.read(&request).await.unwrap();
        seen.extend(page.events.iter().map(|e| e.id.clone()));
        request.after = page.next;
        if !page.more {
            break;
        }
    }
    assert_eq!(seen, ["1", "2", "3", "4", "5"]);
    put(&local, "b", "two", &[(500, "old but new")]);
    let page = local.read(&request).await.unwrap();
    assert_eq!(messages(&page), ["old but new"]);
    request.after = page.next;
    assert_eq!(local.read(&request).await.unwrap().events, []);
    request.after = Some(Cursor::new("of another cloud"));
    assert!(matches!(local.read(&request).await, Err(Error::Invalid(_))));
}

#[tokio::test]
async fn streams_filters_and_names_choose() {
    let (_dir, local) = two_groups();
    let read = async |r: ReadLogs| local.read(&r).await;
    let stream = ReadLogs { stream: Some("late".into()), ..ReadLogs::default() };
    assert_eq!(messages(&read(stream.clone()).await.unwrap()), ["late"]);
    let newest = ReadLogs { newest: true, groups: vec!["b".into()], ..stream.clone() };
    assert_eq!(read(newest).await.unwrap().events, []);
    put(&local, "b", "late", &[(100, "b's"), (6_000, "b's, later")]);
    assert_eq!(messages(&read(stream.clone()).await.unwrap()), ["b's", "late", "b's, later"]);
    let newest = ReadLogs { newest: true, limit: 2, ..stream.clone() };
    assert_eq!(messages(&read(newest).await.unwrap()), ["b's", "b's, later"]);
    let first = read(ReadLogs { limit: 1, ..stream.clone() }).await.unwrap();
    assert_eq!((messages(&first), first.more), (vec!["late"], true));
    let second = read(ReadLogs { limit: 2, after: first.next, ..stream }).await.unwrap();
    assert_eq!((messages(&second), second.more), (vec!["b's", "b's, later"], false));
    let several = ReadLogs { stream: Some("l*".into()), groups: vec!["a".into()], ..ReadLogs::default() };
    assert_eq!(messages(&read(several).await.unwrap()), ["late"]);
    let none = ReadLogs { stream: Some("[l]*".into()), ..ReadLogs::default() };
    assert_eq!(read(none).await.unwrap().events, []);
    let filter = ReadLogs { filter: Some("[x]".into()), ..ReadLogs::default() };
    assert_eq!(messages(&read(filter).await.unwrap()), ["third [x]"]);
    let empty = ReadLogs { groups: vec!["empty".into()], ..ReadLogs::default() };
    assert_eq!(read(empty).await.unwrap().events, []);
    let wrong = ReadLogs { groups: vec!["wrong".into()], ..ReadLogs::default() };
    assert_eq!(read(wrong).await, Err(Error::not_found("log group", "wrong")));
}

#[tokio::test]
async fn removal_and_retention_keep_the_counts_right() {
    let (_dir, local) = two_groups();
    let expired = local.inner.store.write_now(|t| expire(t, "a", 1_500, 10)).unwrap();
    assert_eq!(expired, 1);
    local.inner.store.write_now(|t| remove_group(t, "b")).unwrap();
    assert_eq!(messages(&local.read(&ReadLogs::default()).await.unwrap()), ["late", "fourth"]);
    let groups = local.groups().await.unwrap();
    assert_eq!((groups[0].events, groups[0].bytes), (Some(2), Some(10)));
    assert_eq!(groups[1].events, Some(0));
}

#[test]
fn reading_uses_the_indexes_and_sorts_nothing() {
    let (_dir, local) = two_groups();
    let plan = |text: &str, values: usize| {
        local
            .inner
            .store
            .read_now(|c| {
                let mut statement = c.prepare(&format!("explain query plan {text}")).map_err(sql)?;
                let values = vec![1_i64; values];
                let rows =
                    statement.query_map(rusqlite::params_from_iter(values), |r| r.get::<_, String>(3)).map_err(sql)?;
                Ok(rows.map(|r| r.unwrap()).collect::<Vec<_>>().join("; "))
            })
            .unwrap()
    };
    let newest = plan(&newest_sql(), 3);
    assert!(newest.contains("log_events_by_time (grp=? AND ts>? AND ts<?)"), "{newest}");
    let arrived = plan(&arrived_sql(false, false), 2);
    assert!(arrived.contains("SEARCH e USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"), "{arrived}");
    let stream = plan(&arrived_sql(true, true), 3);
    assert!(stream.contains("log_events_by_stream (stream=? AND id>? AND id<?)"), "{stream}");
    let range = plan("select min(id), max(id) from log_events where grp = ?1 and ts >= ?2 and ts < ?3", 3);
    assert!(range.contains("COVERING INDEX log_events_by_time"), "{range}");
    for plan in [newest, arrived, stream] {
        assert!(!plan.contains("TEMP B-TREE"), "{plan}");
    }
}

#[test]
fn a_text_beyond_the_limit_is_cut_between_characters() {
    let (_dir, local) = two_groups();
    put(&local, "a", "one", &[(5_000, &"é".repeat(MAX_EVENT))]);
    let length: i64 = local
        .inner
        .store
        .read_now(|c| {
            c.query_row("select max(length(cast(message as blob))) from log_events", [], |r| r.get(0)).map_err(sql)
        })
        .unwrap();
    assert!((MAX_EVENT as i64 - 1..=MAX_EVENT as i64).contains(&length));
}
