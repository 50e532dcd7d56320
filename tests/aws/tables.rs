//! Key-value tables.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use pumphouse::cloud::{Error, tables::Query};

use crate::{
    fake::{Answer, Fake},
    harness,
};

#[tokio::test]
async fn a_table_has_its_keys() {
    let fake = Fake::start(|asked| match asked.operation.as_str() {
        "ListTables" => Answer::json(&json!({"TableNames": ["t"]})),
        "DescribeTable" => Answer::json(&json!({"Table": {"TableName": "t", "ItemCount": 5, "KeySchema": [
            {"AttributeName": "id", "KeyType": "HASH"}, {"AttributeName": "at", "KeyType": "RANGE"}]}})),
        _ => Answer::xml("<DescribeStacksResponse><DescribeStacksResult/></DescribeStacksResponse>"),
    });
    let state = tempfile::tempdir().unwrap();
    let table = harness::cloud(&fake, &state).tables.list().await.unwrap().remove(0);
    assert_eq!((table.name.as_str(), table.hash_key.as_str(), table.range_key.as_deref()), ("t", "id", Some("at")));
    assert_eq!(table.items, Some(5));
}

#[tokio::test]
async fn items_are_written_again_until_the_table_has_them() {
    let calls = AtomicUsize::new(0);
    let fake = Fake::start(move |asked| match asked.operation.as_str() {
        "BatchWriteItem" if calls.fetch_add(1, Ordering::Relaxed) == 0 => {
            let last = asked.json()["RequestItems"]["t"].as_array().unwrap().last().unwrap().clone();
            Answer::json(&json!({"UnprocessedItems": {"t": [last]}}))
        }
        _ => Answer::json(&json!({"UnprocessedItems": {}})),
    });
    let state = tempfile::tempdir().unwrap();
    let tables = harness::cloud(&fake, &state).tables;
    harness::permitted(&state, |permit| async move {
        let items: Vec<_> = (0..30).map(|n| json!({"id": n.to_string(), "n": n})).collect();
        tables.put(&permit, "t", &items).await?;
        tables.delete(&permit, "t", &json!({"id": "1"})).await
    })
    .await
    .unwrap();
    let sent: Vec<usize> =
        fake.asked().iter().filter_map(|a| a.json()["RequestItems"]["t"].as_array().map(Vec::len)).collect();
    assert_eq!(sent, [25, 1, 5]);
    assert_eq!(fake.asked().last().unwrap().json()["Key"], json!({"id": {"S": "1"}}));
}

#[tokio::test]
async fn a_scan_goes_on_where_a_page_ended() {
    let fake = Fake::start(|asked| {
        let after = asked.json()["ExclusiveStartKey"]["id"]["N"].as_str().map_or(0, |n| n.parse::<u32>().unwrap());
        let item = json!({"id": {"N": (after + 1).to_string()}, "tags": {"SS": ["x"]}});
        Answer::json(&json!({"Items": [item], "LastEvaluatedKey": {"id": {"N": (after + 1).to_string()}}}))
    });
    let state = tempfile::tempdir().unwrap();
    let tables = harness::cloud(&fake, &state).tables;
    let page = tables.scan("t", None, 2).await.unwrap();
    assert_eq!(page.items, [json!({"id": 1, "tags": ["x"]}), json!({"id": 2, "tags": ["x"]})]);
    let next = tables.scan("t", page.next.as_ref(), 1).await.unwrap();
    assert_eq!(next.items, [json!({"id": 3, "tags": ["x"]})]);
}

#[tokio::test]
async fn a_table_is_described_with_its_indexes_and_settings() {
    let fake = Fake::start(|asked| match asked.operation.as_str() {
        "DescribeTable" => Answer::json(&json!({"Table": {
            "TableName": "t", "ItemCount": 5,
            "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
            "StreamSpecification": {"StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES"},
            "GlobalSecondaryIndexes": [{"IndexName": "by_name", "KeySchema": [
                {"AttributeName": "name", "KeyType": "HASH"}, {"AttributeName": "n", "KeyType": "RANGE"}]}]}})),
        "DescribeTimeToLive" => {
            Answer::json(&json!({"TimeToLiveDescription": {"TimeToLiveStatus": "ENABLED", "AttributeName": "over"}}))
        }
        "DescribeContinuousBackups" => Answer::json(&json!({"ContinuousBackupsDescription": {
            "ContinuousBackupsStatus": "ENABLED",
            "PointInTimeRecoveryDescription": {"PointInTimeRecoveryStatus": "DISABLED"}}})),
        _ => Answer::xml("<DescribeStacksResponse><DescribeStacksResult/></DescribeStacksResponse>"),
    });
    let state = tempfile::tempdir().unwrap();
    let table = harness::cloud(&fake, &state).tables.describe("t").await.unwrap();
    assert_eq!((table.ttl.as_deref(), table.point_in_time_recovery), (Some("over"), Some(false)));
    assert_eq!(table.stream.as_deref(), Some("NEW_AND_OLD_IMAGES"));
    let index = &table.indexes[0];
    assert_eq!(
        (index.name.as_str(), index.hash_key.as_str(), index.range_key.as_deref()),
        ("by_name", "name", Some("n"))
    );
}

#[tokio::test]
async fn items_are_counted_page_by_page_and_looked_for_in_an_index() {
    let fake = Fake::start(|asked| match asked.operation.as_str() {
        "Scan" => {
            assert_eq!(asked.json()["Select"], "COUNT");
            let first = asked.json()["ExclusiveStartKey"].is_null();
            let page = json!({"Count": if first { 20 } else { 10 }});
            let last = json!({"LastEvaluatedKey": {"id": {"N": "20"}}});
            Answer::json(&if first { json!({"Count": 20, "LastEvaluatedKey": last["LastEvaluatedKey"]}) } else { page })
        }
        "Query" => Answer::json(&json!({"Items": [{"id": {"N": "1"}, "name": {"S": "oak"}}]})),
        "DescribeTable" => Answer::json(&json!({"Table": {"TableName": "t",
            "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
            "GlobalSecondaryIndexes": [
                {"IndexName": "by_name", "KeySchema": [{"AttributeName": "name", "KeyType": "HASH"}]}]}})),
        _ => Answer::xml("<DescribeStacksResponse><DescribeStacksResult/></DescribeStacksResponse>"),
    });
    let state = tempfile::tempdir().unwrap();
    let tables = harness::cloud(&fake, &state).tables;
    assert_eq!(tables.count("t").await, Ok(30));
    let asked = Query { index: Some("by_name".into()), hash: json!("oak"), after: None, limit: 10 };
    let page = tables.query("t", &asked).await.unwrap();
    assert_eq!((page.items, page.next), (vec![json!({"id": 1, "name": "oak"})], None));
    let sent = fake.asked().into_iter().find(|a| a.operation == "Query").unwrap().json();
    assert_eq!((&sent["IndexName"], &sent["ExpressionAttributeNames"]["#hash"]), (&json!("by_name"), &json!("name")));
    assert_eq!(sent["ExpressionAttributeValues"][":hash"], json!({"S": "oak"}));
    let nothing = Query { index: Some("nope".into()), ..asked };
    assert!(tables.query("t", &nothing).await.unwrap_err().to_string().contains("nope"));
}

#[tokio::test]
async fn a_table_that_may_not_be_looked_into_is_listed_by_its_name() {
    let all = |denied: &'static [&'static str]| {
        Fake::start(move |asked| {
            let name = asked.json()["TableName"].as_str().unwrap_or_default().to_owned();
            match asked.operation.as_str() {
                "ListTables" => Answer::json(&json!({"TableNames": ["ours", "theirs"]})),
                "DescribeTable" if denied.contains(&name.as_str()) => {
                    Answer::json_error(400, "AccessDeniedException", "no")
                }
                "DescribeTable" => Answer::json(&json!({"Table": {"TableName": name, "KeySchema": [
                    {"AttributeName": "id", "KeyType": "HASH"}]}})),
                _ => Answer::xml("<DescribeStacksResponse><DescribeStacksResult/></DescribeStacksResponse>"),
            }
        })
    };
    let state = tempfile::tempdir().unwrap();
    let listed = harness::cloud(&all(&["theirs"]), &state).tables.list().await.unwrap();
    let rows: Vec<_> = listed.iter().map(|t| (t.name.as_str(), t.hash_key.as_str())).collect();
    assert_eq!(rows, [("ours", "id"), ("theirs", "")]);
    let nothing = harness::cloud(&all(&["ours", "theirs"]), &state).tables.list().await.unwrap_err();
    assert!(matches!(nothing, Error::AccessDenied { action, .. } if action == "dynamodb:DescribeTable"));
}
