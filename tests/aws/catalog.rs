//! The data catalog.

use pumphouse::cloud::Error;
use serde_json::{Value, json};

use crate::{
    fake::{Answer, Asked, Fake},
    harness::{self, Pumphouse},
};

fn table(name: &str) -> Value {
    json!({"Name": name, "DatabaseName": "crypto", "TableType": "EXTERNAL_TABLE", "UpdateTime": 1_795_183_200.0,
        "StorageDescriptor": {"Location": "s3://staging/prices/",
            "Columns": [{"Name": "Amount", "Type": "double"}, {"Name": "tags", "Type": "array<struct<k:string,n:int>>"}],
            "InputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
            "SerdeInfo": {"SerializationLibrary": "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"}},
        "PartitionKeys": [{"Name": "base", "Type": "string"}]})
}

fn catalog(asked: &Asked) -> Answer {
    if asked.service == "cloudformation" {
        let operation = &asked.operation;
        return Answer::xml(format!(
            "<{operation}Response><{operation}Result></{operation}Result></{operation}Response>"
        ));
    }
    let body = asked.json();
    let token = body["NextToken"].as_str();
    match (asked.operation.as_str(), token) {
        ("GetDatabases", None) => Answer::json(&json!({"DatabaseList": [{"Name": "crypto"}], "NextToken": "2"})),
        ("GetDatabases", Some(_)) => Answer::json(&json!({"DatabaseList": [{"Name": "default"}]})),
        ("GetTables", None) => Answer::json(&json!({"TableList": [
            table("prices"),
            {"Name": "latest", "TableType": "VIRTUAL_VIEW", "ViewOriginalText": "/* Presto View: e30= */",
             "StorageDescriptor": {"Columns": [{"Name": "base", "Type": "string"}]}}], "NextToken": "2"})),
        ("GetTables", Some(_)) => Answer::json(&json!({"TableList": [
            {"Name": "ice", "TableType": "EXTERNAL_TABLE", "Parameters": {"table_type": "ICEBERG"},
             "StorageDescriptor": {"Location": "s3://staging/ice", "Columns": [{"Name": "ts", "Type": "timestamp"}]}},
            {"Name": "bare"}]})),
        ("GetTable", _) if body["Name"] == "prices" => Answer::json(&json!({"Table": table("prices")})),
        ("GetTable", _) => Answer::json_error(400, "EntityNotFoundException", "Entity Not Found"),
        ("GetPartitions", token) => {
            assert_eq!(body["ExcludeColumnSchema"], true);
            let from: u64 = token.map_or(0, |t| t.parse().unwrap());
            let n = body["MaxResults"].as_u64().unwrap();
            let to = (from + n).min(2_500);
            let partitions: Vec<_> = (from..to)
                .map(|n| json!({"Values": [n.to_string()], "StorageDescriptor": {"Location": format!("s3://staging/prices/base={n}/")}}))
                .collect();
            Answer::json(&json!({"Partitions": partitions, "NextToken": (to < 2_500).then(|| to.to_string())}))
        }
        other => panic!("{other:?} is not expected"),
    }
}

#[tokio::test]
async fn tables_views_and_icebergs_are_listed_in_our_words() {
    let fake = Fake::start(catalog);
    let state = tempfile::tempdir().unwrap();
    let cloud = harness::cloud(&fake, &state);
    let databases: Vec<_> = cloud.catalog.databases().await.unwrap().into_iter().map(|d| (d.name, d.tables)).collect();
    assert_eq!(databases, [("crypto".to_owned(), None), ("default".to_owned(), None)]);
    let tables = cloud.catalog.tables("crypto").await.unwrap();
    let told: Vec<_> = tables.iter().map(|t| (t.name.as_str(), t.format.as_str(), t.partitions)).collect();
    assert_eq!(
        told,
        [("prices", "parquet", None), ("latest", "view", Some(0)), ("ice", "iceberg", Some(0)), ("bare", "", Some(0))]
    );
    let kinds: Vec<_> = tables[0].columns.iter().map(|c| (c.name.as_str(), c.kind.as_str())).collect();
    assert_eq!(kinds, [("amount", "double"), ("tags", "array(row(k varchar, n integer))")]);
    assert_eq!(tables[0].partition_keys[0].kind, "varchar");
    assert!(
        !fake.lines().contains(&"glue GetPartitions".to_owned()),
        "partitions are counted by nobody who did not ask"
    );
}

#[tokio::test]
async fn partitions_are_read_page_by_page_up_to_what_is_wanted() {
    let fake = Fake::start(catalog);
    let state = tempfile::tempdir().unwrap();
    let cloud = harness::cloud(&fake, &state);
    let some = cloud.catalog.partitions("crypto", "prices", 1_400, 20).await.unwrap();
    assert_eq!((some.len(), some[0].values[0].as_str(), some[19].values[0].as_str()), (20, "1400", "1419"));
    assert_eq!(fake.lines().len(), 2);
    let all = cloud.catalog.partitions("crypto", "prices", 0, 10_000).await.unwrap();
    assert_eq!(all.len(), 2_500);
    let none = cloud.catalog.table("crypto", "nothing").await.unwrap_err();
    assert_eq!(none, Error::NotFound { kind: "table", name: "crypto.nothing".into() });
}

#[test]
fn a_table_is_shown_with_its_partitions() {
    let fake = Fake::start(catalog);
    let out = Pumphouse::on(&fake).run(&["catalog", "show", "crypto.prices", "--partitions", "3", "--output", "json"]);
    let shown: Value = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!(shown["partition_list"].as_array().unwrap().len(), 3);
    assert_eq!(shown["partitions"], Value::Null, "there are more than were asked for: nobody has counted them");
    let out =
        Pumphouse::on(&fake).run(&["catalog", "show", "crypto.prices", "--partitions", "5000", "--output", "json"]);
    let shown: Value = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!(shown["partitions"], 2_500);
}
