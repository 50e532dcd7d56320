//! Athena: from the start of a query to its rows, and all that can go wrong on the way.

use std::{
    io::Read,
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use pumphouse::cloud::{
    Error,
    queries::{Query, QueryState},
};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::{
    fake::{Answer, Asked, Fake},
    harness::{self, Pumphouse},
};

const ID: &str = "5a1e0000-0000-4000-8000-000000000001";

fn execution(state: &str, reason: &str) -> Value {
    json!({"QueryExecutionId": ID, "Query": "select 1", "WorkGroup": "analysts",
        "QueryExecutionContext": {"Database": "crypto"},
        "ResultConfiguration": {"OutputLocation": format!("s3://results/{ID}.csv")},
        "Status": {"State": state, "StateChangeReason": reason, "SubmissionDateTime": 1_795_183_200.0},
        "Statistics": {"DataScannedInBytes": 20_971_520, "TotalExecutionTimeInMillis": 1_250,
            "QueryQueueTimeInMillis": 250, "EngineExecutionTimeInMillis": 900,
            "ResultReuseInformation": {"ReusedPreviousResult": false}}})
}

fn told(state: &str, reason: &str) -> Answer {
    Answer::json(&json!({"QueryExecution": execution(state, reason)}))
}

fn row(values: &[&str]) -> Value {
    json!({"Data": values.iter().map(|v| json!({"VarCharValue": v})).collect::<Vec<_>>()})
}

fn columns() -> Value {
    json!({"ColumnInfo": [{"Name": "base", "Type": "varchar"}, {"Name": "amount", "Type": "double"},
        {"Name": "n", "Type": "bigint"}]})
}

/// Answers as Athena does where all goes well; `state` tells how far the query is, by how often that was asked.
fn athena(state: impl Fn(u32) -> Answer + Send + Sync + 'static) -> Fake {
    let looks = AtomicU32::new(0);
    Fake::start(move |asked| match asked.operation.as_str() {
        "StartQueryExecution" => Answer::json(&json!({"QueryExecutionId": ID})),
        "GetQueryExecution" => state(looks.fetch_add(1, Ordering::Relaxed)),
        "GetQueryResults" => results(asked),
        "StopQueryExecution" => Answer::json(&json!({})),
        "GetDatabases" => Answer::json(&json!({"DatabaseList": []})),
        _ => Answer::xml(
            "<DescribeStacksResponse><DescribeStacksResult></DescribeStacksResult></DescribeStacksResponse>",
        ),
    })
}

/// 2,500 rows behind a row of names, a thousand at a time.
fn results(asked: &Asked) -> Answer {
    let body = asked.json();
    let from: usize = body["NextToken"].as_str().map_or(0, |t| t.parse().unwrap());
    let to = (from + body["MaxResults"].as_u64().unwrap() as usize).min(2_501);
    let rows: Vec<_> = (from..to)
        .map(|n| match n {
            0 => row(&["base", "amount", "n"]),
            1 => json!({"Data": [{"VarCharValue": "BTC"}, {}, {"VarCharValue": "1"}]}),
            n => row(&["ETH", "1.5", &n.to_string()]),
        })
        .collect();
    let next = (to < 2_501).then(|| to.to_string());
    Answer::json(&json!({"ResultSet": {"Rows": rows, "ResultSetMetadata": columns()}, "NextToken": next}))
}

fn query(sql: &str) -> Query {
    Query { sql: sql.into(), workgroup: Some("analysts".into()), ..Query::default() }
}

fn count(fake: &Fake, operation: &str) -> usize {
    fake.asked().iter().filter(|a| a.operation == operation).count()
}

#[tokio::test]
async fn a_query_is_followed_to_its_end_and_its_rows_are_typed() {
    let fake = athena(|n| match n {
        0 => told("QUEUED", ""),
        1 => told("RUNNING", ""),
        _ => told("SUCCEEDED", ""),
    });
    let state = tempfile::tempdir().unwrap();
    let cloud = harness::cloud(&fake, &state);
    let asked = Query {
        sql: "select base, amount, n from prices where base = ? and amount > ?;\n".into(),
        database: Some("crypto".into()),
        parameters: vec!["B'TC".into(), "5".into()],
        reuse_minutes: Some(60),
        ..query("")
    };
    let result = cloud.queries.execute(&asked, CancellationToken::new()).await.unwrap();
    assert_eq!((result.rows.len(), result.truncated), (2_500, false));
    assert_eq!(result.rows[0], [json!("BTC"), json!(null), json!(1)]);
    assert_eq!(result.rows[1], [json!("ETH"), json!(1.5), json!(2)]);
    assert_eq!((result.scanned_bytes, result.elapsed_ms), (20_971_520, 1_250));
    let service = result.service.unwrap();
    assert_eq!((service.queue_ms, service.engine_ms, service.reused), (Some(250), Some(900), false));
    assert_eq!(service.output.unwrap(), format!("s3://results/{ID}.csv"));
    let start = fake.asked().into_iter().find(|a| a.operation == "StartQueryExecution").unwrap().json();
    assert_eq!(start["QueryString"], "select base, amount, n from prices where base = ? and amount > ?");
    assert_eq!(start["ExecutionParameters"], json!(["'B''TC'", "5"]));
    assert_eq!(start["WorkGroup"], "analysts");
    assert_eq!(start["QueryExecutionContext"]["Database"], "crypto");
    let reuse = &start["ResultReuseConfiguration"]["ResultReuseByAgeConfiguration"];
    assert_eq!((&reuse["Enabled"], &reuse["MaxAgeInMinutes"]), (&json!(true), &json!(60)));
    assert_eq!(count(&fake, "GetQueryResults"), 3);
}

#[tokio::test]
async fn no_more_rows_are_read_than_are_wanted() {
    let fake = athena(|_| told("SUCCEEDED", ""));
    let state = tempfile::tempdir().unwrap();
    let cloud = harness::cloud(&fake, &state);
    for (limit, rows, truncated) in [(10, 10, true), (1_500, 1_500, true), (2_499, 2_499, true), (2_500, 2_500, false)]
    {
        let asked = Query { limit, ..query("select * from prices") };
        let result = cloud.queries.execute(&asked, CancellationToken::new()).await.unwrap();
        assert_eq!((result.rows.len(), result.truncated), (rows, truncated), "{limit}");
    }
    let first = fake.asked().into_iter().find(|a| a.operation == "GetQueryResults").unwrap();
    assert_eq!(first.json()["MaxResults"], 12, "the names, ten rows, and one that tells of more");
}

#[tokio::test]
async fn only_a_query_has_a_row_of_names() {
    let fake = Fake::start(|asked| match asked.operation.as_str() {
        "StartQueryExecution" => Answer::json(&json!({"QueryExecutionId": ID})),
        "GetQueryExecution" => told("SUCCEEDED", ""),
        _ => Answer::json(&json!({"ResultSet": {"Rows": [row(&["tab_name"]), row(&["prices"])],
            "ResultSetMetadata": {"ColumnInfo": [{"Name": "tab_name", "Type": "string"}]}}})),
    });
    let state = tempfile::tempdir().unwrap();
    let cloud = harness::cloud(&fake, &state);
    let rows = |sql: &'static str| {
        let queries = cloud.queries.clone();
        async move { queries.execute(&query(sql), CancellationToken::new()).await.unwrap().rows }
    };
    assert_eq!(rows("show tables").await, [[json!("tab_name")], [json!("prices")]], "a table may have that name");
    assert_eq!(rows("select tab_name from t").await, [[json!("prices")]]);
}

#[tokio::test]
async fn throttled_looks_end_no_query() {
    let fake = athena(|n| match n {
        0 => told("RUNNING", ""),
        // More often than the SDK tries again.
        1..10 => Answer::json_error(400, "ThrottlingException", "Rate exceeded"),
        _ => told("SUCCEEDED", ""),
    });
    let state = tempfile::tempdir().unwrap();
    let cloud = harness::cloud(&fake, &state);
    let result =
        cloud.queries.execute(&Query { limit: 1, ..query("select 1") }, CancellationToken::new()).await.unwrap();
    assert_eq!(result.rows.len(), 1);
    assert_eq!(count(&fake, "StartQueryExecution"), 1);
}

#[tokio::test]
async fn a_query_that_is_queued_for_long_is_waited_for_less_and_less_often() {
    let fake = athena(|n| if n < 8 { told("QUEUED", "") } else { told("SUCCEEDED", "") });
    let state = tempfile::tempdir().unwrap();
    let cloud = harness::cloud(&fake, &state);
    let result = cloud.queries.execute(&Query { limit: 1, ..query("select 1") }, CancellationToken::new()).await;
    assert!(result.is_ok());
    assert_eq!(count(&fake, "GetQueryExecution"), 9);
}

#[tokio::test]
async fn a_failed_query_says_what_athena_says() {
    let why = "COLUMN_NOT_FOUND: line 1:8: Column 'amuont' cannot be resolved or requester is not authorized";
    let fake = athena(move |_| told("FAILED", why));
    let state = tempfile::tempdir().unwrap();
    let cloud = harness::cloud(&fake, &state);
    let error = cloud.queries.execute(&query("select amuont from prices"), CancellationToken::new()).await.unwrap_err();
    assert_eq!(error, Error::Failed(why.into()));

    let fake = athena(|_| told("CANCELLED", "Bytes scanned limit was exceeded"));
    let cloud = harness::cloud(&fake, &state);
    let error = cloud.queries.execute(&query("select 1"), CancellationToken::new()).await.unwrap_err();
    assert_eq!(error, Error::Failed("the query was cancelled: Bytes scanned limit was exceeded".into()));
}

/// A query that never ends, with the token that cancels it as soon as it is seen running.
fn endless() -> (Fake, CancellationToken) {
    let cancel = CancellationToken::new();
    let seen = cancel.clone();
    let fake = athena(move |n| {
        if n == 1 {
            seen.cancel();
        }
        told("RUNNING", "")
    });
    (fake, cancel)
}

#[tokio::test]
async fn a_cancelled_query_is_stopped_where_it_runs() {
    let (fake, cancel) = endless();
    let state = tempfile::tempdir().unwrap();
    for cloud in [harness::cloud(&fake, &state), harness::read_only(&fake, &state)] {
        let error = cloud.queries.execute(&query("select 1"), cancel.clone()).await.unwrap_err();
        assert_eq!(error, Error::Cancelled);
    }
    let stopped: Vec<_> = fake.asked().into_iter().filter(|a| a.operation == "StopQueryExecution").collect();
    assert_eq!(stopped.len(), 2, "one's own query may be stopped in read-only mode, too: {:?}", fake.lines());
    assert!(stopped.iter().all(|a| a.json()["QueryExecutionId"] == ID));
}

#[tokio::test]
async fn whoever_drops_a_query_stops_it() {
    let (fake, _) = endless();
    let state = tempfile::tempdir().unwrap();
    let cloud = harness::cloud(&fake, &state);
    let asked = query("select 1");
    let hanging = cloud.queries.execute(&asked, CancellationToken::new());
    assert!(tokio::time::timeout(Duration::from_millis(700), hanging).await.is_err());
    for _ in 0..200 {
        if count(&fake, "StopQueryExecution") > 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("it was not stopped: {:?}", fake.lines());
}

#[test]
fn ctrl_c_stops_the_query() {
    let running = Arc::new(AtomicU32::new(0));
    let looks = running.clone();
    let fake = athena(move |n| {
        looks.store(n + 1, Ordering::Relaxed);
        told("RUNNING", "")
    });
    let mut child = Pumphouse::on(&fake)
        .command()
        .args(["query", "select 1", "--workgroup", "analysts"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    while running.load(Ordering::Relaxed) == 0 {
        assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
        std::thread::sleep(Duration::from_millis(20));
    }
    let killed = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    let code = child.wait().unwrap().code();
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("cancelled"), "{said}");
    assert_eq!(count(&fake, "StopQueryExecution"), 1);
}

#[tokio::test]
async fn what_does_more_than_read_is_refused_before_anything_is_asked() {
    let fake = Fake::start(|asked| panic!("{} was asked", asked.line()));
    let state = tempfile::tempdir().unwrap();
    for cloud in [harness::cloud(&fake, &state), harness::read_only(&fake, &state)] {
        for sql in [
            "drop table t",
            "select 1; drop table t",
            "unload (select 1) to 's3://x/'",
            "/* select */ msck repair table t",
        ] {
            let error = cloud.queries.execute(&query(sql), CancellationToken::new()).await.unwrap_err();
            assert!(matches!(error, Error::Invalid(_)), "{sql}: {error:?}");
        }
        let error = cloud.queries.execute(&query("select ?"), CancellationToken::new()).await.unwrap_err();
        assert_eq!(error, Error::Invalid("the statement has 1 ? and 0 parameters are given".into()));
    }
    assert!(fake.lines().is_empty());
}

#[tokio::test]
async fn a_refused_start_says_how_to_mend_it() {
    let refuse = |code: &'static str, message: &'static str| {
        let fake = Fake::start(move |_| Answer::json_error(400, code, message));
        async move {
            let state = tempfile::tempdir().unwrap();
            let cloud = harness::cloud(&fake, &state);
            cloud.queries.execute(&query("select 1"), CancellationToken::new()).await.unwrap_err()
        }
    };
    let no_place = refuse(
        "InvalidRequestException",
        "No output location provided. An output location is required either through the Workgroup result configuration \
         setting or as an API input.",
    );
    let said = no_place.await.to_string();
    assert!(said.contains("workgroup \"analysts\" has no place for results"), "{said}");
    assert!(said.contains("--workgroup") && said.contains("OutputLocation=s3://"), "{said}");
    let missing = refuse("InvalidRequestException", "WorkGroup analysts is not found.").await;
    assert_eq!(missing, Error::NotFound { kind: "workgroup", name: "analysts".into() });
    let syntax = refuse("InvalidRequestException", "line 1:8: mismatched input 'fro'").await;
    assert_eq!(syntax, Error::Invalid("line 1:8: mismatched input 'fro'".into()));
    let denied = refuse(
        "AccessDeniedException",
        "You are not authorized to perform: athena:StartQueryExecution on the resource.",
    )
    .await;
    assert!(
        matches!(&denied, Error::AccessDenied { action, .. } if action == "athena:StartQueryExecution"),
        "{denied:?}"
    );
}

fn kept(asked: &Asked) -> Answer {
    let body = asked.json();
    match (asked.operation.as_str(), body["WorkGroup"].as_str()) {
        ("ListWorkGroups", _) => Answer::json(&json!({"WorkGroups": [
            {"Name": "analysts", "State": "ENABLED", "EngineVersion": {"EffectiveEngineVersion": "Athena engine version 3"}},
            {"Name": "closed", "State": "DISABLED"}, {"Name": "primary", "State": "ENABLED"},
            {"Name": "secret", "State": "ENABLED"}]})),
        (_, Some("secret")) => Answer::json_error(400, "AccessDeniedException", "no"),
        ("ListQueryExecutions", Some("analysts")) => match body["NextToken"].as_str() {
            None => Answer::json(&json!({"QueryExecutionIds": ["a", "b"], "NextToken": "2"})),
            Some(_) => Answer::json(&json!({"QueryExecutionIds": ["c"]})),
        },
        ("ListQueryExecutions", _) => Answer::json(&json!({"QueryExecutionIds": []})),
        ("BatchGetQueryExecution", _) => {
            let ids = body["QueryExecutionIds"].as_array().unwrap().clone();
            let all: Vec<_> = ids
                .into_iter()
                .enumerate()
                .map(|(n, id)| {
                    let mut told = execution(if id == "b" { "FAILED" } else { "QUEUED" }, "because");
                    told["Status"]["SubmissionDateTime"] = json!(1_795_183_200.0 - n as f64);
                    told["QueryExecutionId"] = id;
                    told
                })
                .collect();
            Answer::json(&json!({"QueryExecutions": all}))
        }
        ("ListNamedQueries", Some("analysts")) => Answer::json(&json!({"NamedQueryIds": ["q-1"]})),
        ("ListNamedQueries", _) => Answer::json(&json!({"NamedQueryIds": []})),
        ("BatchGetNamedQuery", _) => Answer::json(&json!({"NamedQueries": [{"Name": "latest", "Database": "crypto",
            "QueryString": "select 1", "NamedQueryId": "q-1", "WorkGroup": "analysts"}]})),
        ("StartQueryExecution", _) => Answer::json(&json!({"QueryExecutionId": ID})),
        ("GetQueryExecution", _) => told("SUCCEEDED", ""),
        ("GetQueryResults", _) => results(asked),
        ("StopQueryExecution", _) => Answer::json(&json!({})),
        _ => Answer::xml(
            "<DescribeStacksResponse><DescribeStacksResult></DescribeStacksResult></DescribeStacksResponse>",
        ),
    }
}

#[tokio::test]
async fn past_and_saved_queries_come_from_all_workgroups_that_may_be_read() {
    let fake = Fake::start(kept);
    let state = tempfile::tempdir().unwrap();
    let cloud = harness::cloud(&fake, &state);
    let groups = cloud.queries.workgroups().await.unwrap();
    let told: Vec<_> = groups.iter().map(|w| (w.name.as_str(), w.enabled)).collect();
    assert_eq!(told, [("analysts", true), ("closed", false), ("primary", true), ("secret", true)]);
    let history = cloud.queries.history(None, 50).await.unwrap();
    assert_eq!(history.len(), 3);
    assert!(history.windows(2).all(|w| w[0].started >= w[1].started), "the newest first");
    let failed = history.iter().find(|q| q.id == "b").unwrap();
    assert_eq!((failed.state, failed.error.as_deref()), (QueryState::Failed, Some("because")));
    assert!(history.iter().filter(|q| q.id != "b").all(|q| q.state == QueryState::Queued && q.error.is_none()));
    let saved = cloud.queries.saved().await.unwrap();
    assert_eq!((saved.len(), saved[0].name.as_str(), saved[0].workgroup.as_deref()), (1, "latest", Some("analysts")));
    let denied = cloud.queries.history(Some("secret"), 5).await.unwrap_err();
    assert_eq!(denied, Error::AccessDenied { action: "athena:ListQueryExecutions".into(), target: "secret".into() });
    assert!(!fake.asked().iter().any(|a| a.json()["WorkGroup"] == "closed"));
}

#[test]
fn anothers_query_is_stopped_with_a_permit_alone() {
    let fake = Fake::start(kept);
    let pumphouse = Pumphouse::on(&fake);
    let refused = pumphouse.run(&["queries", "cancel", ID, "--read-only"]);
    assert_eq!((refused.status.code(), fake.lines().len()), (Some(3), 0));
    let out = pumphouse.run(&["queries", "cancel", ID]);
    assert!(out.status.success(), "{out:?}");
    // Who does it is for the audit file.
    assert_eq!(fake.lines(), ["sts GetCallerIdentity", "athena StopQueryExecution"]);
}

#[test]
fn a_saved_query_runs_in_its_workgroup_and_tells_its_price() {
    let fake = Fake::start(kept);
    let pumphouse = Pumphouse::on(&fake);
    let out = pumphouse.run(&["query", "--saved", "latest", "--limit", "2"]);
    let said = String::from_utf8(out.stderr).unwrap();
    assert!(out.status.success(), "{said}");
    let start = fake.asked().into_iter().find(|a| a.operation == "StartQueryExecution").unwrap().json();
    assert_eq!(
        (&start["WorkGroup"], &start["QueryExecutionContext"]["Database"]),
        (&json!("analysts"), &json!("crypto"))
    );
    assert!(said.contains("20.0 MiB scanned (<$0.0001)") && said.contains("queue 250 ms"), "{said}");
    let out = pumphouse.run(&[
        "query",
        "select 1",
        "--workgroup",
        "analysts",
        "--limit",
        "1",
        "--output",
        "json",
        "--read-only",
    ]);
    let document: Value = serde_json::from_slice(&out.stdout).unwrap();
    assert!(document["cost_usd"].as_f64().unwrap() > 0.00009);
    assert_eq!((&document["workgroup"], &document["queue_ms"]), (&json!("analysts"), &json!(250)));
    let said = String::from_utf8(out.stderr).unwrap();
    assert_eq!(said.matches("results bucket").count(), 1, "it is said what Athena writes: {said}");
}

#[test]
fn workgroups_are_listed() {
    let out = Pumphouse::on(&Fake::start(kept)).run(&["queries", "workgroups", "--output", "csv"]);
    let text = String::from_utf8(out.stdout).unwrap();
    assert!(text.contains("analysts") && text.contains("Athena engine version 3"), "{text}");
}
