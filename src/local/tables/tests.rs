use serde_json::{Value, json};
use tempfile::TempDir;

use super::{keep_only, put, settings};
use crate::{
    cloud::{
        Error,
        resources::{KeyAttribute, KeyIndex, KeyKind, KeyTable, Properties},
        tables::{Query, Tables},
    },
    local::{
        Local,
        store::sql,
        testing::{deploy, local, permit, resource},
    },
};

fn attribute(name: &str, kind: KeyKind) -> KeyAttribute {
    KeyAttribute { name: name.into(), kind }
}

fn cloud() -> (TempDir, Local) {
    let (dir, local) = local();
    let table = KeyTable {
        hash_key: attribute("id", KeyKind::Number),
        range_key: Some(attribute("name", KeyKind::Text)),
        indexes: vec![KeyIndex {
            name: "by_count".into(),
            hash_key: attribute("name", KeyKind::Text),
            range_key: Some(attribute("count", KeyKind::Number)),
        }],
        ttl: Some("over".into()),
        point_in_time_recovery: true,
        stream: Some("NEW_AND_OLD_IMAGES".into()),
    };
    deploy(&local, &[resource("species", Properties::KeyTable(table))]);
    (dir, local)
}

async fn fill(local: &Local, items: &[Value]) {
    Tables::put(local, &permit(), "species", items).await.unwrap();
}

#[tokio::test]
async fn an_item_is_put_got_and_deleted_by_its_key() {
    let (_dir, local) = cloud();
    fill(&local, &[json!({"id": 1, "name": "oak", "count": 7.0, "tags": ["a", {"b": 1.50}], "none": null})]).await;
    let key = json!({"id": 1.0, "name": "oak"});
    let found = Tables::get(&local, "species", &key).await.unwrap();
    assert_eq!(found, Some(json!({"id": 1, "name": "oak", "count": 7, "tags": ["a", {"b": 1.5}], "none": null})));
    fill(&local, &[json!({"id": 1, "name": "oak", "count": 8})]).await;
    let found = Tables::get(&local, "species", &key).await.unwrap();
    assert_eq!(found, Some(json!({"id": 1, "name": "oak", "count": 8})), "in place of the one before");
    assert_eq!(local.count("species").await, Ok(1));
    Tables::delete(&local, &permit(), "species", &key).await.unwrap();
    Tables::delete(&local, &permit(), "species", &key).await.unwrap();
    assert_eq!(Tables::get(&local, "species", &key).await, Ok(None));
    assert_eq!(local.count("species").await, Ok(0));
    assert!(matches!(local.count("other").await, Err(Error::NotFound { .. })));
}

#[tokio::test]
async fn a_scan_and_an_index_have_their_order_and_pages() {
    let (_dir, local) = cloud();
    let items: Vec<Value> = [(10, "oak", 5), (9, "oak", -3), (-2, "elm", 1), (9, "ash", 100), (100, "oak", 50)]
        .map(|(id, name, count)| json!({"id": id, "name": name, "count": count}))
        .to_vec();
    fill(&local, &items).await;
    fill(&local, &[json!({"id": 1, "name": "oak"})]).await;
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = local.scan("species", after.as_ref(), 2).await.unwrap();
        assert!(page.items.len() <= 2);
        found.extend(page.items.iter().map(|i| (i["id"].as_i64().unwrap(), i["name"].as_str().unwrap().to_owned())));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let expected = [(-2, "elm"), (1, "oak"), (9, "ash"), (9, "oak"), (10, "oak"), (100, "oak")];
    assert_eq!(found, expected.map(|(id, name)| (id, name.to_owned())));

    let mut asked = Query { index: Some("by_count".into()), hash: json!("oak"), after: None, limit: 2 };
    let mut counts = Vec::new();
    loop {
        let page = local.query("species", &asked).await.unwrap();
        counts.extend(page.items.iter().map(|i| i["count"].as_i64().unwrap()));
        asked.after = page.next;
        if asked.after.is_none() {
            break;
        }
    }
    assert_eq!(counts, [-3, 5, 50], "an item without the index's range key is not in it");
    let own = Query { index: None, hash: json!(9), after: None, limit: 10 };
    let page = local.query("species", &own).await.unwrap();
    assert_eq!(page.items.iter().map(|i| i["name"].clone()).collect::<Vec<_>>(), [json!("ash"), json!("oak")]);
    let nothing = Query { index: Some("nope".into()), ..own };
    assert!(matches!(local.query("species", &nothing).await, Err(Error::NotFound { kind: "index", .. })));
}

#[tokio::test]
async fn what_dynamodb_would_not_take_is_refused_and_nothing_of_it_is_written() {
    let (_dir, local) = cloud();
    for (bad, why) in [
        (json!({"id": 1}), "\"name\" is missing"),
        (json!({"id": "1", "name": "oak"}), "\"id\" is a number"),
        (json!({"id": 1, "name": ""}), "\"name\" is empty"),
        (json!({"id": 1, "name": 2}), "\"name\" is a string"),
        (json!({"id": 1e126, "name": "x"}), "out of range"),
        (json!({"id": 1, "name": "x", "count": "many"}), "index by_count"),
        (json!({"id": 1, "name": "x".repeat(1_025)}), "longer than 1024"),
        (json!({"id": 1, "name": "x", "text": "y".repeat(410 * 1_024)}), "400 KiB"),
        (json!([1]), "a JSON object"),
    ] {
        let good = json!({"id": 5, "name": "good"});
        let error = Tables::put(&local, &permit(), "species", &[good, bad]).await.unwrap_err().to_string();
        assert!(error.contains("item 2 for species") && error.contains(why), "{why}: {error}");
    }
    assert_eq!(local.count("species").await, Ok(0));
    let more = Tables::get(&local, "species", &json!({"id": 1, "name": "x", "y": 1})).await.unwrap_err();
    assert!(more.to_string().contains("\"y\" is no part of the table's key"), "{more}");
}

#[tokio::test]
async fn what_is_put_again_changes_nothing_and_others_can_be_removed() {
    let (_dir, local) = cloud();
    let items = [json!({"id": 1, "name": "a"}), json!({"id": 2, "name": "b"})];
    let again = items.clone();
    let changed = local.inner.store.write_now(|t| put(t, "species", &settings(t, "species")?, &again)).unwrap();
    assert_eq!(changed, 2);
    let (changed, removed) = local
        .inner
        .store
        .write_now(|t| {
            let table = settings(t, "species")?;
            let changed = put(t, "species", &table, &items)?;
            let keys = [super::key(&table, &items[0])?].into();
            Ok((changed, keep_only(t, "species", &keys)?))
        })
        .unwrap();
    assert_eq!((changed, removed), (0, 1));
    assert_eq!(local.scan("species", None, 10).await.unwrap().items, [items[0].clone()]);
}

#[tokio::test]
async fn an_item_goes_when_its_time_is_over() {
    let (_dir, local) = cloud();
    let now = local.inner.clock.now_ms() / 1_000;
    let items: Vec<Value> =
        [("past", json!(now - 10)), ("future", json!(now + 3_600)), ("text", json!("1")), ("old", json!(5))]
            .into_iter()
            .map(|(name, over)| json!({"id": 1, "name": name, "over": over}))
            .collect();
    fill(&local, &items).await;
    local.expire_items().unwrap();
    let left = local.scan("species", None, 10).await.unwrap().items;
    let names: Vec<_> = left.iter().map(|i| i["name"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        ["future", "old", "text"],
        "DynamoDB leaves what is past by more than five years, and no numbers"
    );
}

#[tokio::test]
async fn a_removed_table_takes_its_items_with_it() {
    let (_dir, local) = cloud();
    fill(&local, &[json!({"id": 1, "name": "a"})]).await;
    let count = |local: &Local| -> i64 {
        let all = |c: &rusqlite::Connection| c.query_row("select count(*) from items", [], |r| r.get(0)).map_err(sql);
        local.inner.store.read_now(all).unwrap()
    };
    assert_eq!(count(&local), 1);
    let table = local.inner.store.read_now(|c| crate::local::lookup::one(c, "key_table", "species")).unwrap().resource;
    local.inner.store.write_now(|t| crate::local::provision::remove(t, &table)).unwrap();
    assert_eq!(count(&local), 0);
}
