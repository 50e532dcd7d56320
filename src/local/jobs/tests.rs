//! Tests of whole runs.

use std::path::Path;

use bytes::Bytes;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::{
    cloud::{
        Error,
        buckets::{Buckets, ListObjects},
        catalog::{Catalog, Column},
        jobs::{JobRun, JobRunState, Jobs},
        logs::{Logs, ReadLogs},
        queries::{Queries, Query},
        resources::{self, Properties},
    },
    local::{
        Local,
        store::sql,
        testing::{deploy, local, permit, resource},
    },
};

const CLEAN: &str = "with typed as (
    select base, currency, cast(amount as double) as amount, cast(timestamp_utc as timestamp) as timestamp_utc
    from input
)
select currency, amount, timestamp_utc, cast(timestamp_utc as date) as \"date\", base,
    cast(extract(year from timestamp_utc) as int) as year,
    cast(extract(month from timestamp_utc) as int) as month,
    cast(extract(day from timestamp_utc) as int) as day,
    cast(extract(hour from timestamp_utc) as int) as hour
from typed";

fn columns(list: &[(&str, &str)]) -> Vec<Column> {
    list.iter().map(|(name, kind)| Column { name: (*name).into(), kind: (*kind).into() }).collect()
}

pub(crate) fn clean_job() -> resources::Job {
    resources::Job {
        sql: CLEAN.into(),
        from: "landing".into(),
        from_prefix: String::new(),
        input_table: None,
        input_format: "json".into(),
        input_columns: columns(&[
            ("base", "varchar"),
            ("currency", "varchar"),
            ("amount", "varchar"),
            ("timestamp_utc", "varchar"),
        ]),
        to: "staging".into(),
        to_prefix: "prices/".into(),
        partition_by: ["base", "year", "month", "day", "hour"].map(String::from).into(),
        table: Some(("crypto".into(), "prices".into())),
        bookmark: true,
        timeout_minutes: 10,
        role: "role".into(),
        log_group: "/aws-glue/jobs/clean".into(),
        ..resources::Job::default()
    }
}

fn prices_table() -> resources::Table {
    resources::Table {
        database: "crypto".into(),
        table: "prices".into(),
        bucket: "staging".into(),
        prefix: "prices/".into(),
        format: "parquet".into(),
        columns: columns(&[
            ("currency", "varchar"),
            ("amount", "double"),
            ("timestamp_utc", "timestamp"),
            ("date", "date"),
        ]),
        partition_keys: columns(&[
            ("base", "varchar"),
            ("year", "integer"),
            ("month", "integer"),
            ("day", "integer"),
            ("hour", "integer"),
        ]),
    }
}

/// A cloud with the job, changed as a test wants.
pub(crate) fn cloud(change: impl FnOnce(&mut resources::Job, &mut resources::Table)) -> (TempDir, Local) {
    let (dir, local) = local();
    let (mut job, mut table) = (clean_job(), prices_table());
    change(&mut job, &mut table);
    deploy(
        &local,
        &[
            resource("landing", Properties::Bucket(resources::Bucket::default())),
            resource("staging", Properties::Bucket(resources::Bucket::default())),
            resource("crypto", Properties::Database(resources::Database::default())),
            resource("crypto.prices", Properties::Table(table)),
            resource("clean", Properties::Job(job)),
        ],
    );
    (dir, local)
}

pub(crate) async fn put(local: &Local, key: &str, content: &str) {
    local.put(&permit(), "landing", key, Bytes::from(content.to_owned()), None).await.unwrap();
}

pub(crate) fn price(base: &str, amount: &str, time: &str) -> String {
    json!({"base": base, "currency": "USD", "amount": amount, "timestamp_utc": time}).to_string() + "\n"
}

/// Runs the job to its end.
pub(crate) async fn run(local: &Local) -> JobRun {
    let started = local.start(&permit(), "clean").await.unwrap();
    end(local, &started.id).await
}

async fn end(local: &Local, id: &str) -> JobRun {
    loop {
        let run = Jobs::run(local, "clean", id).await.unwrap();
        if run.state.is_final() {
            return run;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

pub(crate) async fn rows(local: &Local, text: &str) -> Vec<Vec<Value>> {
    let query = Query { sql: text.into(), database: Some("crypto".into()), ..Query::default() };
    local.execute(&query, CancellationToken::new()).await.unwrap().rows
}

pub(crate) async fn keys(local: &Local, bucket: &str) -> Vec<String> {
    let page = local.objects(bucket, &ListObjects { limit: 10_000, ..ListObjects::default() }).await.unwrap();
    page.objects.into_iter().map(|o| o.key).collect()
}

async fn failure(change: impl FnOnce(&mut resources::Job, &mut resources::Table), content: &str) -> String {
    let (_dir, local) = cloud(change);
    put(&local, "a.json", &price("BTC", "1", "2020-01-01T00:00:00Z")).await;
    put(&local, "b.json", content).await;
    let run = run(&local).await;
    assert_eq!(run.state, JobRunState::Failed);
    assert!(keys(&local, "staging").await.is_empty());
    assert_eq!(local.bookmark("clean").await.unwrap().run, None);
    run.error.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_whose_end_cannot_be_written_down_ends_when_it_can() {
    let (_dir, local) = cloud(|job, _| job.sql = "select nothing from input".into());
    put(&local, "a.json", &price("BTC", "1", "2020-01-01T00:00:00Z")).await;
    let write = |text: &'static str| local.inner.store.write_now(|t| t.execute_batch(text).map_err(sql)).unwrap();
    write("create trigger full before update of state on job_runs begin select raise(fail, 'the disk is full'); end");
    let started = local.start(&permit(), "clean").await.unwrap();
    // A few times in vain.
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    assert_eq!(Jobs::run(&local, "clean", &started.id).await.unwrap().state, JobRunState::Running);
    write("drop trigger full");
    assert_eq!(end(&local, &started.id).await.state, JobRunState::Failed);
    assert_eq!(run(&local).await.state, JobRunState::Failed, "and another one may begin");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_reads_what_is_new_and_writes_partitions() {
    let (_dir, local) = cloud(|_, _| ());
    let first = price("BTC", "60123.5", "2021-03-13T23:59:59Z") + &price("ETH", "1.5", "2021-03-13T10:00:00+02:00");
    put(&local, "2021/a.json", &first).await;
    let done = run(&local).await;
    assert_eq!((done.state, done.error.clone()), (JobRunState::Succeeded, None));
    assert_eq!((done.rows_in, done.rows_out, done.files_in), (Some(2), Some(2), Some(1)));
    assert_eq!(done.bytes_in, Some(first.len() as u64));
    assert_eq!(
        keys(&local, "staging").await,
        vec![
            format!("prices/base=BTC/year=2021/month=3/day=13/hour=23/part-00000-{}.snappy.parquet", done.id),
            format!("prices/base=ETH/year=2021/month=3/day=13/hour=8/part-00000-{}.snappy.parquet", done.id),
        ]
    );
    assert_eq!(
        rows(&local, "select * from prices order by base").await,
        vec![
            vec![
                json!("USD"),
                json!(60123.5),
                json!("2021-03-13 23:59:59.000"),
                json!("2021-03-13"),
                json!("BTC"),
                json!(2021),
                json!(3),
                json!(13),
                json!(23),
            ],
            vec![
                json!("USD"),
                json!(1.5),
                json!("2021-03-13 08:00:00.000"),
                json!("2021-03-13"),
                json!("ETH"),
                json!(2021),
                json!(3),
                json!(13),
                json!(8),
            ],
        ]
    );
    let partitions = local.partitions("crypto", "prices", 0, 10).await.unwrap();
    assert_eq!(partitions.len(), 2);
    assert_eq!(partitions[0].values, ["BTC", "2021", "3", "13", "23"]);
    assert_eq!(partitions[0].location, "s3://staging/prices/base=BTC/year=2021/month=3/day=13/hour=23/");

    // Nothing new: nothing changes.
    let bookmark = local.bookmark("clean").await.unwrap();
    assert_eq!(bookmark.run.as_deref(), Some(done.id.as_str()));
    let again = run(&local).await;
    assert_eq!((again.state, again.rows_in, again.rows_out), (JobRunState::Succeeded, Some(0), Some(0)));
    assert_eq!(local.bookmark("clean").await.unwrap(), bookmark);
    assert_eq!(keys(&local, "staging").await.len(), 2);

    put(&local, "2021/b.json", &price("BTC", "2", "2021-03-13T23:00:00Z")).await;
    let third = run(&local).await;
    assert_eq!((third.rows_in, third.rows_out, third.files_in), (Some(1), Some(1), Some(1)));
    assert_eq!(
        rows(&local, "select count(*), sum(amount) from prices where base = 'BTC'").await,
        [[json!(2), json!(60125.5)]]
    );

    // Forgotten: everything is read again, and written in place of what was there.
    local.reset_bookmark(&permit(), "clean").await.unwrap();
    let fourth = run(&local).await;
    assert_eq!((fourth.rows_in, fourth.files_in), (Some(3), Some(2)));
    assert_eq!(rows(&local, "select count(*) from prices").await, [[json!(3)]]);
    let runs = local.runs("clean", 10).await.unwrap();
    assert_eq!(runs.iter().map(|r| r.id.as_str()).collect::<Vec<_>>(), [&fourth.id, &third.id, &again.id, &done.id]);
    let logged = local
        .read(&ReadLogs {
            stream: Some(done.id.clone()),
            groups: vec!["/aws-glue/jobs/clean".into()],
            ..ReadLogs::default()
        })
        .await
        .unwrap();
    let lines: Vec<_> = logged.events.iter().map(|e| e.message.as_str()).collect();
    assert_eq!(lines.len(), 4, "{lines:?}");
    assert!(lines[2].starts_with("Read 2 rows, wrote 2 rows to 2 objects"), "{lines:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failure_says_where_and_what_and_writes_nothing() {
    let none = |_: &mut resources::Job, _: &mut resources::Table| ();
    let good = price("ETH", "1", "2020-01-01T00:00:00Z");
    let error = failure(none, &format!("{good}{{\"base\": \"X\", \n")).await;
    assert!(error.starts_with("s3://landing/b.json line 2: not JSON ("), "{error}");
    let error = failure(none, &format!("{good}\n\n[1]\n")).await;
    assert!(error.starts_with("s3://landing/b.json line 4: not a JSON object"), "{error}");
    let error = failure(none, &(good.clone() + &price("ETH", "abc", "2020-01-01T00:00:00Z"))).await;
    assert!(error.starts_with("s3://landing/b.json line 2: ") && error.contains("'abc'"), "{error}");
    let error = failure(none, &(good.clone() + &price("ETH", "1", "yesterday"))).await;
    assert!(error.starts_with("s3://landing/b.json line 2: ") && error.contains("'yesterday'"), "{error}");

    let error = failure(|_, t| t.columns[1].kind = "varchar".into(), &good).await;
    assert_eq!(
        error,
        "column \"amount\" of table crypto.prices is varchar, and the SQL gives double: cast it in the SQL"
    );
    let error = failure(|_, t| t.columns.push(Column { name: "volume".into(), kind: "double".into() }), &good).await;
    assert!(
        error.starts_with("column \"volume\" of table crypto.prices is missing: the SQL gives currency,"),
        "{error}"
    );
    let error = failure(|_, t| drop(t.columns.remove(0)), &good).await;
    assert!(error.contains("column \"currency\", which table crypto.prices does not declare"), "{error}");
    let error = failure(|j, _| j.sql = "select amuont from input".into(), &good).await;
    assert!(error.contains("did you mean \"amount\""), "{error}");
    let error = failure(|j, _| j.sql = "drop table input".into(), &good).await;
    assert!(error.contains("DROP is refused"), "{error}");
    let error = failure(
        |j, t| {
            j.sql = "select 300 as year, base from input".into();
            j.partition_by = vec!["base".into()];
            t.columns = columns(&[("year", "tinyint")]);
            t.partition_keys = columns(&[("base", "varchar")]);
        },
        &good,
    )
    .await;
    assert!(
        error.starts_with("column \"year\" of table crypto.prices is tinyint, and a value does not fit"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn values_in_keys_are_escaped_and_null_has_a_name() {
    let (_dir, local) = cloud(|_, _| ());
    let content = price("a/b=c %é", "1", "2020-01-01T00:00:00Z")
        + "{\"currency\": \"USD\", \"amount\": \"2\", \"timestamp_utc\": \"2020-01-01T00:00:00Z\"}\n";
    put(&local, "a.json", &content).await;
    let done = run(&local).await;
    assert_eq!(done.error, None);
    let keys = keys(&local, "staging").await;
    assert!(keys[0].starts_with("prices/base=__HIVE_DEFAULT_PARTITION__/year=2020/"), "{keys:?}");
    assert!(keys[1].starts_with("prices/base=a%2Fb%3Dc %25é/year=2020/"), "{keys:?}");
    assert_eq!(
        rows(&local, "select base, amount from prices order by amount").await,
        [[json!("a/b=c %é"), json!(1.0)], [json!(null), json!(2.0)]]
    );
    assert_eq!(rows(&local, "select amount from prices where base = 'a/b=c %é'").await, [[json!(1.0)]]);
    assert_eq!(rows(&local, "select amount from prices where base is null").await, [[json!(2.0)]]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_in_json_are_those_of_the_files() {
    let (_dir, local) = cloud(|job, table| {
        job.input_columns = columns(&[("Sample No", "integer"), ("pH", "double")]);
        job.sql = "select `Sample No` as sample, `pH` as ph from input".into();
        job.partition_by = Vec::new();
        table.columns = columns(&[("sample", "integer"), ("ph", "double")]);
        table.partition_keys = Vec::new();
    });
    put(&local, "a.json", "{\"Sample No\": 7, \"pH\": 6.5, \"ph\": 1}\n").await;
    assert_eq!(run(&local).await.error, None);
    assert_eq!(rows(&local, "select * from prices").await, [[json!(7), json!(6.5)]]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn csv_is_read_by_its_header() {
    let (_dir, local) = cloud(|job, table| {
        job.input_format = "csv".into();
        job.input_columns = columns(&[("Date", "date"), ("Deaths (all)", "bigint"), ("Country/Region", "varchar")]);
        job.sql = "select `Date` as `date`, `Deaths (all)` as deaths from input \
                   where `Deaths (all)` > 0 and `Country/Region` = 'US'"
            .into();
        job.partition_by = Vec::new();
        job.from_prefix = "us/".into();
        table.columns = columns(&[("date", "date"), ("deaths", "integer")]);
        table.partition_keys = Vec::new();
    });
    put(
        &local,
        "us/a.csv",
        "\u{feff}Deaths (all),State, Country/Region,Date\r\n3,\"Ohio, US\",US,2020-03-01\r\n0,x,US,2020-03-02\r\n",
    )
    .await;
    put(&local, "other/b.csv", "nothing").await;
    let done = run(&local).await;
    assert_eq!((done.error, done.rows_in, done.rows_out), (None, Some(2), Some(1)));
    assert_eq!(rows(&local, "select * from prices").await, [[json!("2020-03-01"), json!(3)]]);

    put(&local, "us/c.csv", "date,Country/Region\n2020-03-01,x\n").await;
    let error = run(&local).await.error.unwrap();
    assert_eq!(error, "s3://landing/us/c.csv: column \"Date\" is missing: the header has date, Country/Region");
    put(&local, "us/c.csv", "\n").await;
    assert_eq!(run(&local).await.error.unwrap(), "s3://landing/us/c.csv: the file has no header");
    put(&local, "us/c.csv", "Date,Deaths (all),Country/Region\n2020-03-01,1,US\n2020-03-02,many,US\n").await;
    let error = run(&local).await.error.unwrap();
    assert!(
        error.starts_with("s3://landing/us/c.csv: ") && error.contains("many") && error.contains("line 3"),
        "{error}"
    );
}

/// A cloud whose job, a cross join, goes on for long.
async fn endless() -> (TempDir, Local) {
    let (dir, local) = cloud(|job, _| {
        job.sql = "select base as currency, cast(count(*) as double) as amount, now() as timestamp_utc, \
                   current_date as \"date\", base, 1 as year, 1 as month, 1 as day, 1 as hour \
                   from input, generate_series(1, 100000) a, generate_series(1, 100000) b group by base"
            .into();
    });
    put(&local, "a.json", &price("BTC", "1", "2020-01-01T00:00:00Z")).await;
    (dir, local)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_beyond_its_timeout_is_ended() {
    let (_dir, local) = endless().await;
    let (started, resource) = local.begin_run("clean", "test", None).await.unwrap();
    let timeout = std::time::Duration::from_millis(30);
    super::run::supervise(local.clone(), started.id.clone(), "clean".into(), resource.unwrap(), timeout).await;
    let ended = Jobs::run(&local, "clean", &started.id).await.unwrap();
    assert_eq!(ended.state, JobRunState::Timeout);
    assert_eq!(ended.error.as_deref(), Some("it took longer than its timeout, 0.03 s"));
    assert!(keys(&local, "staging").await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_run_at_a_time_and_it_can_be_stopped() {
    let (_dir, local) = endless().await;
    let started = local.start(&permit(), "clean").await.unwrap();
    assert_eq!(started.state, JobRunState::Running);
    match local.start(&permit(), "clean").await {
        Err(Error::Conflict(why)) => {
            assert!(why.contains(&started.id) && why.contains("ConcurrentRunsExceededException"), "{why}");
        }
        other => panic!("a second run: {other:?}"),
    }
    local.stop(&permit(), "clean", &started.id).await.unwrap();
    let stopped = end(&local, &started.id).await;
    assert_eq!(stopped.state, JobRunState::Stopped);
    assert!(matches!(local.stop(&permit(), "clean", &started.id).await, Err(Error::Conflict(_))));
    assert!(keys(&local, "staging").await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_whose_process_died_has_failed() {
    let (dir, local) = cloud(|_, _| ());
    local
        .inner
        .store
        .write_now(|t| {
            t.execute(
                "insert into job_runs (id, job, state, trigger, started, log_stream, process) \
                 values ('jr_dead', 'clean', 'RUNNING', 'test', 0, 'jr_dead', 'nobody')",
                [],
            )
            .map_err(sql)
        })
        .unwrap();
    let seen = Jobs::run(&local, "clean", "jr_dead").await.unwrap();
    assert_eq!(seen.state, JobRunState::Failed);
    assert!(seen.error.unwrap().contains("died"));
    assert_eq!(run(&local).await.state, JobRunState::Succeeded);
    assert_eq!(state_of(dir.path(), &local, "jr_dead"), "FAILED");
}

fn state_of(_dir: &Path, local: &Local, id: &str) -> String {
    local
        .inner
        .store
        .read_now(|c| c.query_row("select state from job_runs where id = ?1", [id], |r| r.get(0)).map_err(sql))
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bookmark_that_moved_meanwhile_fails_the_run() {
    let (_dir, local) = cloud(|job, _| {
        // Long enough for the bookmark to be moved under it.
        job.sql = format!(
            "{CLEAN} where (select count(*) from generate_series(1, 3000) a, generate_series(1, 3000) b \
             where a.value + b.value > 0) > 0"
        );
    });
    put(&local, "a.json", &price("BTC", "1", "2020-01-01T00:00:00Z")).await;
    let started = local.start(&permit(), "clean").await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    local
        .inner
        .store
        .write(|t| t.execute("insert into bookmarks values ('clean', 99, 'jr_other', 0)", []).map_err(sql))
        .await
        .unwrap();
    let run = end(&local, &started.id).await;
    // Where the machine was so slow that the run began after the move, it has read nothing.
    if run.state == JobRunState::Failed {
        assert!(run.error.unwrap().contains("bookmark was moved"));
    } else {
        assert_eq!(run.rows_in, Some(0));
    }
    assert!(keys(&local, "staging").await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_real_prices_come_out_as_expected() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/crypto-stream");
    if !folder.is_dir() {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{} is missing: CI needs it", folder.display());
        eprintln!("skipped: {} is missing", folder.display());
        return;
    }
    let prices = std::fs::read_to_string(folder.join("spot_prices.jsonl")).unwrap();
    let expected: Value = serde_json::from_slice(&std::fs::read(folder.join("expected.json")).unwrap()).unwrap();
    // The shipped pipeline's own SQL.
    let sql = include_str!("../../../pipelines/crypto-stream/jobs/clean_prices.sql");
    let (_dir, local) = cloud(|job, _| job.sql = sql.into());
    put(&local, "2021/07/06/00/prices.json", &prices).await;
    let done = run(&local).await;
    assert_eq!(done.error, None);
    assert_eq!(json!(done.rows_in), expected["rows"]);
    assert_eq!(json!(done.rows_out), expected["rows"]);
    assert_eq!(rows(&local, "select count(*) from prices").await, [[expected["rows"].clone()]]);
    let by_base_year = rows(
        &local,
        "select base, year, count(*), min(amount), max(amount), avg(amount) from prices group by base, year \
         order by base, year",
    )
    .await;
    let expected_rows = expected["by_base_year"].as_array().unwrap();
    assert_eq!(by_base_year.len(), expected_rows.len());
    for (row, expected) in by_base_year.iter().zip(expected_rows) {
        let expected = expected.as_array().unwrap();
        assert_eq!(row[..3], expected[..3]);
        for (value, expected) in row[3..].iter().zip(&expected[3..]) {
            // Rounded to 6 places there.
            let difference = value.as_f64().unwrap() - expected.as_f64().unwrap();
            assert!(difference.abs() < 5.1e-7, "{row:?} {expected:?}");
        }
    }
    assert_eq!(
        rows(&local, "select count(*), max(amount) from prices where base = 'BTC' and amount > 60000").await,
        [[expected["btc_above_60000"].clone(), expected["btc_max"].clone()]]
    );
    let second = run(&local).await;
    assert_eq!((second.state, second.rows_in), (JobRunState::Succeeded, Some(0)));
}
