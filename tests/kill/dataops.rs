//! dataops under kill -9: each row of what landed is in the table once, and each end of a crawl or a run was told once.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::{Victim, ask, inbox, rows, versions};

fn picture(state: &Path) -> Value {
    let crawls = ask(state, &["crawlers", "crawls", "dataops/input"]);
    let runs = ask(state, &["jobs", "runs", "dataops/etl"]);
    let (crawls, runs) = (crawls.as_array().unwrap(), runs.as_array().unwrap());
    // How many there are depends on how the files come; not so what they are told to have done.
    let mut ends: Vec<String> = crawls.iter().map(|c| format!("Crawler {}", c["state"].as_str().unwrap())).collect();
    ends.extend(runs.iter().map(|r| format!("Job {}", r["state"].as_str().unwrap())));
    let told = inbox(state, "dataops/events").into_iter().map(|event| {
        let kind = event["detail-type"].as_str().unwrap().replace("Glue ", "").replace(" State Change", "");
        format!("{kind} {}", event["detail"]["state"].as_str().unwrap().to_uppercase())
    });
    let mut told: Vec<String> = told.collect();
    ends.sort();
    told.sort();
    let bad: Vec<&String> = ends.iter().filter(|end| !end.ends_with(" SUCCEEDED")).collect();
    json!({
        "orders": rows(state, "select * from dataops.orders order by order_id"),
        "raw": rows(state, "select * from dataops.raw_input order by order_id"),
        "columns": ask(state, &["catalog", "show", "dataops.raw_input"])["columns"],
        "lake": versions(state, "dataops/lake"),
        "rows_out": runs.iter().filter_map(|r| r["rows_out"].as_u64()).sum::<u64>(),
        "not_succeeded": bad,
        "told_as_often": if told == ends { json!(true) } else { json!([told, ends]) },
    })
}

#[test]
fn each_row_is_kept_once_and_each_end_told_once_after_kills() {
    let wanted = Victim { name: "dataops", sources: &[], rounds: 6, kills: 4, picture }.torment();
    assert_eq!((&wanted["rows_out"], &wanted["told_as_often"]), (&json!(36), &json!(true)), "{wanted:#}");
    assert_eq!(wanted["orders"].as_array().unwrap().len(), 36);
    assert_eq!(wanted["not_succeeded"], json!([]));
}
