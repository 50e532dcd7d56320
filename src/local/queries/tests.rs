//! Tests of queries on tables that a job has filled.

use std::time::Duration;

use bytes::Bytes;
use serde_json::json;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::{
    cloud::{
        buckets::Buckets,
        catalog::Catalog,
        jobs::JobRunState,
        resources::{self, Properties},
    },
    local::{
        Options,
        jobs::tests::{cloud, price, put, run},
        testing::{deploy, permit, resource},
    },
};

/// Counts to ten thousand millions.
const FOREVER: &str = "select count(*) from generate_series(1, 100000) a, generate_series(1, 100000) b";

async fn filled() -> (TempDir, Local) {
    let (dir, local) = cloud(|_, _| ());
    let mut content = String::new();
    for year in 2019..=2021 {
        for month in 1..=4 {
            content += &price("BTC", &format!("{year}.{month}"), &format!("{year}-0{month}-01T00:00:00Z"));
            content += &price("ETH", "5", &format!("{year}-0{month}-01T12:30:00Z"));
        }
    }
    put(&local, "a.json", &content).await;
    assert_eq!(run(&local).await.state, JobRunState::Succeeded);
    (dir, local)
}

async fn ask(local: &Local, sql: &str) -> Result<QueryResult> {
    let query = Query { sql: sql.into(), database: Some("crypto".into()), ..Query::default() };
    local.execute(&query, CancellationToken::new()).await
}

async fn problem(local: &Local, sql: &str) -> String {
    ask(local, sql).await.unwrap_err().to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_reads_only_the_partitions_that_it_needs() {
    let (_dir, local) = filled().await;
    let all = ask(&local, "select * from prices").await.unwrap();
    assert_eq!((all.rows.len(), all.truncated), (24, false));
    assert!(all.scanned_bytes > 0);
    for (filter, files) in [
        ("base = 'BTC'", 12),
        ("base = 'BTC' and year = 2021", 4),
        ("year in (2019, 2020) and month <= 2", 8),
        ("base = 'BTC' and year = 2021 and month = 3", 1),
        ("base = 'DOGE'", 0),
        ("base like 'E%' and year = 2019", 4),
        ("base = 'BTC' and amount > 2020.5", 12),
        ("year + month = 2022", 6),
        ("upper(base) = 'ETH' and not (year < 2021)", 4),
    ] {
        let some = ask(&local, &format!("select amount, day from prices where {filter}")).await.unwrap();
        // Each partition is one file of about the same size.
        let read = some.scanned_bytes as f64 / (all.scanned_bytes as f64 / 24.0);
        assert_eq!(read.round() as i64, files, "{filter}");
    }
    let scanned = ask(&local, "select count(*) from crypto.prices where base = 'BTC'").await.unwrap();
    assert_eq!(scanned.rows, [[json!(12)]]);
    assert_eq!(scanned.columns[0].kind, "bigint");
    let named = ask(&local, "select min(p.amount), max(amount), count(*) as n from crypto.prices p").await.unwrap();
    let names: Vec<_> = named.columns.iter().map(|c| c.name.as_str()).collect();
    assert_eq!(names, ["_col0", "_col1", "n"]);
    let named = ask(&local, "select min(amount), count(*) from crypto.prices").await.unwrap();
    let names: Vec<_> = named.columns.iter().map(|c| c.name.as_str()).collect();
    assert_eq!(names, ["_col0", "_col1"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn columns_are_named_as_athena_names_them() {
    let (_dir, local) = filled().await;
    for (sql, names) in [
        ("select base, base, year from prices order by base limit 1", vec!["base", "base", "year"]),
        ("select distinct base, base from prices order by base limit 1", vec!["base", "base"]),
        (
            "select *, amount, 2 * amount from (select base, amount from prices)",
            vec!["base", "amount", "amount", "_col3"],
        ),
        ("select count(*), count(*) from prices group by base order by count(*)", vec!["_col0", "_col1"]),
        ("select 1 union all select 2", vec!["_col0"]),
        ("values (1, 'a')", vec!["_col0", "_col1"]),
        ("select p.base, q.base from prices p join prices q on p.base = q.base limit 1", vec!["base", "base"]),
        ("select lower(base) from prices group by lower(base) order by 1", vec!["_col0"]),
    ] {
        let result = ask(&local, sql).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
        assert_eq!(result.columns.iter().map(|c| c.name.as_str()).collect::<Vec<_>>(), names, "{sql}");
        assert!(!result.rows.is_empty(), "{sql}");
    }
    assert_eq!(
        problem(&local, "select a from (select base as a, base as a from prices)").await,
        "two columns of one subquery are named \"a\": give one an alias (AS)"
    );
    let array = problem(&local, "select array[1, 2]").await;
    assert!(!array.contains("DataFusion") && array.contains("array literal"), "{array}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_are_limited_and_parameters_bound() {
    let (_dir, local) = filled().await;
    let query = Query {
        sql: "select base, year, amount, timestamp_utc, \"date\" from prices where base = ? and amount > ? \
              order by timestamp_utc desc limit ?;"
            .into(),
        database: Some("crypto".into()),
        parameters: vec!["BTC".into(), "2020.2".into(), "5".into()],
        limit: 2,
        ..Query::default()
    };
    let result = local.execute(&query, CancellationToken::new()).await.unwrap();
    assert!(result.truncated);
    assert_eq!(
        result.rows,
        [
            [json!("BTC"), json!(2021), json!(2021.4), json!("2021-04-01 00:00:00.000"), json!("2021-04-01")],
            [json!("BTC"), json!(2021), json!(2021.3), json!("2021-03-01 00:00:00.000"), json!("2021-03-01")],
        ]
    );
    let kinds: Vec<_> = result.columns.iter().map(|c| c.kind.as_str()).collect();
    assert_eq!(kinds, ["varchar", "integer", "double", "timestamp", "date"]);
    let exact = Query { limit: 24, ..Query { sql: "select * from crypto.prices".into(), ..Query::default() } };
    assert!(!local.execute(&exact, CancellationToken::new()).await.unwrap().truncated);
    // A text that looks like a number, or like nothing, is a text where the column is one.
    for base in ["5", "null", "true", "'BTC'", "date '2020-01-01'"] {
        let odd = Query { parameters: vec![base.into(), "0".into(), "9".into()], ..query.clone() };
        let rows = local.execute(&odd, CancellationToken::new()).await.unwrap().rows.len();
        assert_eq!(rows, if base == "'BTC'" { 2 } else { 0 }, "{base}");
    }
    let injected = Query { parameters: vec!["' or '1'='1".into(), "0".into(), "9".into()], ..query };
    assert!(local.execute(&injected, CancellationToken::new()).await.unwrap().rows.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mistakes_are_named_with_what_there_is() {
    let (_dir, local) = filled().await;
    assert_eq!(
        problem(&local, "select * from prizes").await,
        "no table named \"prizes\" in database crypto: did you mean \"prices\"? (there are prices)"
    );
    assert_eq!(
        problem(&local, "select * from cripto.prices").await,
        "no database named \"cripto\": did you mean \"crypto\"? (there are crypto)"
    );
    let bare = Query { sql: "select * from prices".into(), ..Query::default() };
    let e = local.execute(&bare, CancellationToken::new()).await.unwrap_err();
    assert_eq!(e, Error::invalid("no database is chosen for table \"prices\": write crypto.prices"));
    let e = problem(&local, "select amuont from prices").await;
    assert!(e.starts_with("no column named \"amuont\": did you mean \"amount\"?"), "{e}");
    let e = problem(&local, "select *\nfrom prices wher base = 1").await;
    assert!(e.starts_with("syntax error at line 2, column "), "{e}");
    let e = problem(&local, "select nosuch(base) from prices").await;
    assert!(e.contains("nosuch") && !e.contains("planning"), "{e}");
    let e = problem(&local, "select cast(base as double) from prices").await;
    assert!(e.contains("'BTC'") || e.contains("'ETH'"), "{e}");
    for refused in ["drop table prices", "insert into prices values (1)", "copy prices to '/tmp/x'", "select 1 into t"]
    {
        assert!(matches!(ask(&local, refused).await, Err(Error::Invalid(_))), "{refused}");
    }
    let e = problem(&local, "with a as (select 1) insert into prices select * from a").await;
    assert!(!e.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_catalog_is_shown() {
    let (_dir, local) = filled().await;
    assert_eq!(ask(&local, "show databases").await.unwrap().rows, [[json!("crypto")]]);
    assert_eq!(ask(&local, "show tables").await.unwrap().rows, [[json!("prices")]]);
    assert!(ask(&local, "show tables in crypto like 'x*'").await.unwrap().rows.is_empty());
    let described = ask(&local, "describe prices").await.unwrap().rows;
    assert_eq!(described[1], [json!("amount"), json!("double"), json!("")]);
    assert_eq!(described[4], [json!("base"), json!("varchar"), json!("partition key")]);
    let partitions = ask(&local, "show partitions prices").await.unwrap();
    assert_eq!(partitions.rows.len(), 24);
    assert_eq!(partitions.rows[0], [json!("base=BTC/year=2019/month=1/day=1/hour=0")]);
    let explained = ask(&local, "explain select * from prices where year = 2020").await.unwrap();
    assert!(!explained.rows.is_empty());
    let tables =
        ask(&local, "select table_schema, table_name from information_schema.tables where table_name = 'prices'");
    assert_eq!(tables.await.unwrap().rows, [[json!("crypto"), json!("prices")]]);
    let table = Catalog::table(&local, "crypto", "prices").await.unwrap();
    assert_eq!((table.partitions, table.location.as_str()), (Some(24), "s3://staging/prices/"));
    let page = local.partitions("crypto", "prices", 22, 10).await.unwrap();
    assert_eq!(page.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_history_tells_how_each_query_ended() {
    let (dir, local) = filled().await;
    let good = ask(&local, "select 1 as one").await.unwrap();
    assert!(ask(&local, "select x").await.is_err());
    let token = CancellationToken::new();
    let query = Query { sql: FOREVER.into(), ..Query::default() };
    let (cancelled, ()) = tokio::join!(local.execute(&query, token.clone()), async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        token.cancel();
    });
    assert_eq!(cancelled, Err(Error::Cancelled));

    // A query that nobody waits for any more is cancelled, too.
    let dropped =
        tokio::time::timeout(Duration::from_millis(50), local.execute(&query, CancellationToken::new())).await;
    assert!(dropped.is_err());
    while local.history(None, 1).await.unwrap()[0].state == QueryState::Running {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let history = local.history(None, 10).await.unwrap();
    let states: Vec<_> = history.iter().map(|e| e.state).collect();
    assert_eq!(states, [QueryState::Cancelled, QueryState::Cancelled, QueryState::Failed, QueryState::Succeeded]);
    assert!(history[2].error.as_deref().unwrap().contains("no column named \"x\""));
    assert_eq!(Some(&history[3].id), good.id.as_ref());
    assert_eq!((history[3].rows, history[3].scanned_bytes), (Some(1), Some(0)));

    let reader = Local::open(Options { read_only: true, ..local.inner.options.clone() }).unwrap();
    let result = ask(&reader, "select count(*) from prices").await.unwrap();
    assert_eq!((result.id, result.rows), (None, vec![vec![json!(24)]]));
    assert_eq!(reader.history(None, 10).await.unwrap().len(), 4);
    drop(dir);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_process_can_cancel() {
    let (_dir, local) = cloud(|_, _| ());
    let other = Local::open(local.inner.options.clone()).unwrap();
    let query = Query { sql: FOREVER.into(), ..Query::default() };
    let (result, ()) = tokio::join!(local.execute(&query, CancellationToken::new()), async {
        let id = loop {
            if let Some(first) = other.history(None, 1).await.unwrap().pop() {
                break first.id;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        other.cancel(&permit(), &id).await.unwrap();
    });
    assert_eq!(result, Err(Error::Cancelled));
    let id = other.history(None, 1).await.unwrap()[0].id.clone();
    assert!(matches!(other.cancel(&permit(), &id).await, Err(Error::Conflict(_))));
    assert!(matches!(other.cancel(&permit(), "none").await, Err(Error::NotFound { .. })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deep_statements_give_an_answer_or_an_error() {
    let (_dir, local) = filled().await;
    for sql in [
        format!("select 1{}", "+1".repeat(990)),
        format!("select * from prices where {}", vec!["year = 1"; 400].join(" or ")),
        format!("select * from prices where amount = 1{}", " and amount = 1 or amount > 2".repeat(250)),
        format!("select 1{}", " union all select 1".repeat(400)),
        format!("select {}1{}", "(".repeat(40), ")".repeat(40)),
        format!("select a{} from (select 1 as a)", "::int::bigint".repeat(200)),
        format!("select {}1{}", "abs(".repeat(45), ")".repeat(45)),
        format!("select * from {} limit 1", (0..12).map(|i| format!("prices p{i}")).collect::<Vec<_>>().join(", ")),
        format!("select base || {}", vec!["base"; 500].join("||")),
    ] {
        // What counts is that something comes back.
        let result = tokio::time::timeout(Duration::from_mins(2), ask(&local, &sql)).await;
        assert!(result.is_ok(), "{}", &sql[..40]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_of_text_are_read_too() {
    let (_dir, local) = cloud(|_, _| ());
    let columns = |list: &[(&str, &str)]| {
        list.iter().map(|(n, k)| Column { name: (*n).into(), kind: (*k).into() }).collect::<Vec<_>>()
    };
    let table = |name: &str, format: &str| {
        let table = resources::Table {
            database: "crypto".into(),
            table: name.into(),
            bucket: "landing".into(),
            prefix: format!("{name}/"),
            format: format.into(),
            columns: columns(&[("a", "bigint"), ("b", "varchar")]),
            partition_keys: Vec::new(),
        };
        resource(&format!("crypto.{name}"), Properties::Table(table))
    };
    deploy(&local, &[table("lines", "json"), table("sheet", "csv")]);
    put(&local, "lines/x", "{\"a\": 1, \"b\": \"one\"}\n{\"a\": 2}\n").await;
    put(&local, "lines/_hidden", "not json").await;
    // As Athena has it, a catalog table takes its columns in their order, whatever the header calls them.
    put(&local, "sheet/x.csv", "UniqueID,Name\n1,one\n2,\n").await;
    let expected = [[json!(1), json!("one")], [json!(2), json!(null)]];
    for name in ["lines", "sheet"] {
        let result = ask(&local, &format!("select * from {name} order by a")).await.unwrap();
        assert_eq!(result.rows, expected, "{name}");
        assert!(result.scanned_bytes > 0);
    }
    local.put(&permit(), "landing", "lines/y", Bytes::from_static(b"{\"a\": \"x\"}\n"), None).await.unwrap();
    let e = problem(&local, "select * from lines").await;
    assert!(e.starts_with("s3://landing/lines/y line 1: "), "{e}");
}
