//! Tests of runs that read rows one by one, set bad ones aside, or write a key-value table.

use serde_json::{Value, json};

use super::tests::{cloud, keys, put, rows, run};
use crate::{
    cloud::{
        buckets::Buckets,
        catalog::Column,
        delimited::Dialect,
        jobs::JobRunState,
        resources::{KeyAttribute, KeyKind, KeyTable, Properties},
        tables::Tables,
    },
    local::{
        Local,
        testing::{deploy, resource},
    },
};

fn columns(list: &[(&str, &str)]) -> Vec<Column> {
    list.iter().map(|(name, kind)| Column { name: (*name).into(), kind: (*kind).into() }).collect()
}

const SAMPLES: &str = "| Sample | pH  | Temp (°C) |\n|---|---|---|\n| 1 | 7.2 | 25.6 |\n| 2 | acid | 24 |\n\
                       | 3 | 7.0 |\nno row\n| 4 | 6.5 |  |\n";

/// A job over tables in pipes that sets bad rows aside.
fn pipes() -> (tempfile::TempDir, Local) {
    cloud(|job, table| {
        job.input_format = "pipe".into();
        job.input_columns = columns(&[("Sample", "integer"), ("Temp (°C)", "double"), ("pH", "double")]);
        job.file_column = Some("file".into());
        job.rejects = Some(("staging".into(), "rejects/".into()));
        job.sql = "select replace(file, '.txt', '') as site, `Sample` as sample, `pH` as ph, `Temp (°C)` as temp \
                   from input order by site, sample"
            .into();
        job.partition_by = Vec::new();
        job.bookmark = false;
        table.columns = columns(&[("site", "varchar"), ("sample", "integer"), ("ph", "double"), ("temp", "double")]);
        table.partition_keys = Vec::new();
    })
}

async fn content(local: &Local, key: &str) -> String {
    String::from_utf8(Buckets::get(local, "staging", key, None, None).await.unwrap().body.to_vec()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_rows_are_set_aside_with_their_file_line_and_reason() {
    let (_dir, local) = pipes();
    put(&local, "b/mill pond.txt", SAMPLES).await;
    put(&local, "a.txt", "| pH | Sample | Temp (°C) |\r\n|--|--|--|\r\n| 8 | 9 | 1 |\r\n").await;
    let done = run(&local).await;
    assert_eq!((done.error.clone(), done.rows_in, done.rows_out), (None, Some(6), Some(3)));
    let expected: [Value; 3] =
        [json!(["a", 9, 8.0, 1.0]), json!(["mill pond", 1, 7.2, 25.6]), json!(["mill pond", 4, 6.5, null])];
    assert_eq!(json!(rows(&local, "select * from prices order by site, sample").await), json!(expected));
    let rejects = format!("rejects/part-00000-{}.jsonl", done.id);
    let lines: Vec<Value> =
        content(&local, &rejects).await.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let file = "s3://landing/b/mill pond.txt";
    assert_eq!(
        lines,
        [
            json!({"file": file, "line": 4, "reason": "column \"pH\": \"acid\" is not a double", "text": "| 2 | acid | 24 |"}),
            json!({"file": file, "line": 5, "reason": "the row has 2 values, and the header has 3", "text": "| 3 | 7.0 |"}),
            json!({"file": file, "line": 6, "reason": "no row of a table: it stands in no pipes", "text": "no row"}),
        ]
    );

    // Again, with the same input: the objects say the same already, and stay.
    let before = keys(&local, "staging").await;
    let again = run(&local).await;
    assert_eq!((again.state, again.rows_out), (JobRunState::Succeeded, Some(3)));
    assert_eq!(keys(&local, "staging").await, before);
    // Mended: nothing is left of the bad rows.
    put(&local, "b/mill pond.txt", "| Sample | pH  | Temp (°C) |\n|---|---|---|\n| 1 | 7.2 | 25.6 |\n").await;
    let mended = run(&local).await;
    assert_eq!((mended.error, mended.rows_in, mended.rows_out), (None, Some(2), Some(2)));
    assert_eq!(keys(&local, "staging").await, [format!("prices/part-00000-{}.snappy.parquet", mended.id)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_place_for_it_a_bad_row_fails_the_run() {
    let (_dir, local) = cloud(|job, table| {
        job.input_format = "csv".into();
        job.dialect = Some(Dialect { delimiter: '\t', trim: true, header: false, pipes: false });
        job.input_columns = columns(&[("id", "varchar"), ("n", "bigint")]);
        job.sql = "select id, n from input".into();
        job.partition_by = Vec::new();
        table.columns = columns(&[("id", "varchar"), ("n", "bigint")]);
        table.partition_keys = Vec::new();
    });
    put(&local, "a.tsv", "PRS1  \t  7\r\nPRS2\t 8\r\n").await;
    assert_eq!(run(&local).await.error, None);
    assert_eq!(
        rows(&local, "select * from prices order by n").await,
        [[json!("PRS1"), json!(7)], [json!("PRS2"), json!(8)]]
    );
    put(&local, "b.tsv", "PRS3\t9\nPRS4\tmany\n").await;
    let error = run(&local).await.error.unwrap();
    assert_eq!(error, "s3://landing/b.tsv line 2: column \"n\": \"many\" is not a bigint: PRS4\tmany");
}

/// A job that puts species into a key-value table.
fn species(replace: bool) -> (tempfile::TempDir, Local) {
    let (dir, local) = cloud(|job, _| {
        job.input_format = "csv".into();
        job.input_columns =
            columns(&[("UniqueID", "integer"), ("SpeciesName", "varchar"), ("PopulationCount", "integer")]);
        job.sql = "select `UniqueID`, `SpeciesName`, `PopulationCount` from input".into();
        job.partition_by = Vec::new();
        job.table = None;
        job.bookmark = false;
        job.key_table = Some("species".into());
        job.replace = replace;
        job.to = String::new();
    });
    let attribute = |name: &str, kind| KeyAttribute { name: name.into(), kind };
    let table = KeyTable {
        hash_key: attribute("UniqueID", KeyKind::Number),
        range_key: Some(attribute("SpeciesName", KeyKind::Text)),
        indexes: Vec::new(),
        ttl: None,
        point_in_time_recovery: false,
        stream: None,
    };
    deploy(&local, &[resource("species", Properties::KeyTable(table))]);
    (dir, local)
}

async fn items(local: &Local) -> Vec<Value> {
    local.scan("species", None, 100).await.unwrap().items
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_run_twice_leaves_the_same_items() {
    for replace in [false, true] {
        let (_dir, local) = species(replace);
        put(&local, "a.csv", "UniqueID,SpeciesName,Habitat,PopulationCount\n2,Elm,wood,\n1,Oak,wood,1200\n").await;
        for _ in 0..2 {
            let done = run(&local).await;
            assert_eq!((done.error, done.rows_in, done.rows_out), (None, Some(2), Some(2)));
            assert_eq!(
                items(&local).await,
                [
                    json!({"UniqueID": 1, "SpeciesName": "Oak", "PopulationCount": 1200}),
                    json!({"UniqueID": 2, "SpeciesName": "Elm"}),
                ]
            );
        }
        put(&local, "a.csv", "UniqueID,SpeciesName,PopulationCount\n1,Oak,7\n").await;
        assert_eq!(run(&local).await.error, None);
        let left = items(&local).await;
        assert_eq!(left[0], json!({"UniqueID": 1, "SpeciesName": "Oak", "PopulationCount": 7}));
        assert_eq!(left.len(), if replace { 1 } else { 2 }, "replace = {replace}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn items_that_the_table_would_not_take_fail_the_run_and_none_is_written() {
    let (_dir, local) = species(true);
    for (content, why) in [
        ("1,Oak,1\n1,Oak,2\n", "two rows have the key {\"UniqueID\":1,\"SpeciesName\":\"Oak\"}"),
        ("1,Oak,1\n2,,2\n", "the key attribute \"SpeciesName\" is missing"),
    ] {
        put(&local, "a.csv", &format!("UniqueID,SpeciesName,PopulationCount\n{content}")).await;
        let error = run(&local).await.error.unwrap();
        assert!(error.contains(why), "{error}");
        assert!(items(&local).await.is_empty());
    }
}
