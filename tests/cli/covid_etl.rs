//! covid-etl on a real PostgreSQL: what is loaded, what is refused, and that nothing is lost or doubled.

use std::{
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::harness::{Pumphouse, shared};

/// With covid-etl deployed; none where there is no PostgreSQL, which fails under CI=true.
fn deployed() -> Option<Pumphouse> {
    let p = Pumphouse::new();
    let said = p.run(&["deploy", "covid-etl", "--yes"]);
    if said.code != 0 && said.err.contains("needs PostgreSQL") {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{}", said.err);
        eprintln!("skipped: no PostgreSQL");
        return None;
    }
    assert_eq!(said.code, 0, "{}", said.err);
    Some(p)
}

fn rows(p: &Pumphouse, sql: &str) -> Value {
    p.json(&["postgres", "query", "covid-etl", sql])["rows"].take()
}

fn news(p: &Pumphouse) -> Vec<Value> {
    let inbox = p.json(&["topics", "inbox", "covid-etl/loads"]);
    inbox.as_array().unwrap().iter().map(|m| serde_json::from_str(m["message"].as_str().unwrap()).unwrap()).collect()
}

/// Two files of `days` days from 2020-01-01, with a day more in front and behind in one of them each.
struct Files {
    us: Vec<String>,
    world: Vec<String>,
}

impl Files {
    fn of(days: i64) -> Self {
        let day = |n: i64| jiff::civil::date(2020, 1, 1).checked_add(jiff::Span::new().days(n)).unwrap();
        let mut us = vec!["date,cases,deaths".to_owned()];
        us.extend((0..=days).map(|n| format!("{},{},{}", day(n), 100 + n, n)));
        let mut world = vec!["Date,Country/Region,Province/State,Lat,Long,Confirmed,Recovered,Deaths".to_owned()];
        world.push("2020-01-01,\"Korea, South\",,1,2,,,".to_owned());
        world.extend((-1..days).map(|n| format!("{},US,,40.0,-100.0,1,{},1", day(n), 2 * n.max(0))));
        Self { us, world }
    }

    /// Writes them, the second without a line end at its end.
    fn write(&self, p: &Pumphouse) -> [String; 4] {
        let (us, world) = (p.path("us.csv"), p.path("combined.csv"));
        std::fs::write(&us, format!("{}\n", self.us.join("\n"))).unwrap();
        std::fs::write(&world, self.world.join("\n")).unwrap();
        let source = |name: &str, path: PathBuf| format!("{name}={}", path.display());
        ["--source".into(), source("nyt", us), "--source".into(), source("jhu", world)]
    }
}

fn run(p: &Pumphouse, files: &Files) -> crate::harness::Said {
    let sources = files.write(p);
    let mut args = vec!["run", "covid-etl", "--output", "json"];
    args.extend(sources.iter().map(String::as_str));
    p.run(&args)
}

/// The servers that were started for this state and live.
fn servers(p: &Pumphouse) -> Vec<u32> {
    let data = p.state().join("postgres/data");
    let Ok(text) = std::fs::read_to_string(data.join("postmaster.pid")) else { return Vec::new() };
    let pid: u32 = text.lines().next().unwrap().trim().parse().unwrap();
    let lives = Command::new("kill").args(["-0", &pid.to_string()]).stderr(Stdio::null()).status().unwrap().success();
    if lives { vec![pid] } else { Vec::new() }
}

fn until(what: &str, mut check: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_mins(1);
    while !check() {
        assert!(Instant::now() < end, "not within a minute: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn real_data_gives_the_known_totals_and_a_second_run_no_new_row() {
    let (Some(us), Some(world), Some(expected)) = (
        shared("covid-etl/nyt_us.csv"),
        shared("covid-etl/jhu_time_series_combined.csv"),
        shared("covid-etl/expected.json"),
    ) else {
        return;
    };
    let Some(p) = deployed() else { return };
    let expected: Value = serde_json::from_str(&std::fs::read_to_string(expected).unwrap()).unwrap();
    let (us, world) = (format!("nyt={}", us.display()), format!("jhu={}", world.display()));
    for new_rows in [&expected["rows"], &json!(0)] {
        let report = p.json(&["run", "covid-etl", "--source", &us, "--source", &world]);
        assert_eq!(report["ok"], true, "{report}");
        let sums = "select count(*), sum(cases)::bigint, sum(deaths)::bigint, sum(recovered)::bigint \
                    from covid.daily_stats";
        let wanted = ["rows", "sum_cases", "sum_deaths", "sum_recovered"].map(|name| expected[name].clone());
        assert_eq!(rows(&p, sums), json!([wanted]));
        let last = "select rep_date::text, cases::text, deaths::text, recovered::text from covid.daily_stats \
                    order by rep_date desc limit 1";
        assert_eq!(rows(&p, last), json!([expected["last"]]));
        let last = news(&p).pop().unwrap();
        assert_eq!((&last["status"], &last["new_rows"]), (&json!("SUCCEEDED"), new_rows));
    }
    assert_eq!(news(&p).len(), 2);
}

#[test]
fn only_days_after_the_last_one_are_loaded_and_everybody_can_look_but_nobody_change() {
    let Some(p) = deployed() else { return };
    assert_eq!(run(&p, &Files::of(10)).code, 0);
    let mut more = Files::of(12);
    // What was published before is corrected: the table keeps what it has.
    more.us[1] = "2020-01-01,999999,0".into();
    assert_eq!(run(&p, &more).code, 0);
    assert_eq!(
        rows(&p, "select count(*), max(cases), max(rep_date) from covid.daily_stats"),
        json!([[12, 111, "2020-01-12"]])
    );
    let told: Vec<_> = news(&p).iter().map(|n| n["new_rows"].clone()).collect();
    assert_eq!(told, [json!(10), json!(2)]);

    let outputs = p.json(&["outputs", "covid-etl"]);
    let connection = outputs.as_array().unwrap().iter().find(|o| o["name"] == "StatsPostgresConnection").unwrap();
    let connection = connection["value"].as_str().unwrap();
    assert!(connection.starts_with("postgresql://covid_etl_dev_stats@127.0.0.1:"), "{connection}");
    let settings = std::fs::read_to_string(p.state().join("postgres/server.json")).unwrap();
    let settings: Value = serde_json::from_str(&settings).unwrap();
    let log = std::fs::read_to_string(p.state().join("postgres/log")).unwrap();
    assert!(!log.contains(settings["password"].as_str().unwrap()));
    for (sql, why) in [
        ("delete from covid.daily_stats", "gives no rows"),
        ("with x as (delete from covid.daily_stats returning 1) select * from x", "WITH"),
        ("select 1; commit; drop table covid.daily_stats", "multiple commands"),
        ("select nextval('covid.x')", "covid.x"),
        ("select pg_read_file('/etc/passwd')", "permission denied"),
        ("select nothing", "\"nothing\" does not exist"),
        ("select $1::int", "no parameters"),
    ] {
        let said = p.run(&["postgres", "query", "covid-etl/stats", sql]);
        assert!(said.code == 1 && said.err.contains(why), "{sql}: {}", said.err);
    }
    let shown = p.json(&[
        "postgres",
        "query",
        "covid-etl-dev-stats",
        "select * from covid.daily_stats order by 1",
        "--limit",
        "3",
    ]);
    assert_eq!((&shown["truncated"], &shown["rows"][0]), (&json!(true), &json!(["2020-01-01", 100, 0, 0])));
    let charts = p.json(&["dashboards", "show", "covid-etl/daily", "--from", "2020-01-03", "--to", "2020-01-04"]);
    assert_eq!(
        charts["charts"][0]["lines"][0]["points"],
        json!([["2020-01-03T00:00:00Z", 102.0], ["2020-01-04T00:00:00Z", 103.0]])
    );
    assert!(servers(&p).is_empty(), "it ends with the last one who uses it");

    p.ok(&["destroy", "covid-etl", "--yes"]);
    assert!(!p.state().join("postgres").exists(), "what it held is gone with it");
}

#[test]
fn what_is_wrong_with_a_file_fails_the_run_names_the_place_and_loads_nothing() {
    type Spoil = fn(&mut Files);
    let Some(p) = deployed() else { return };
    let cases: [(Spoil, &str); 7] = [
        (|f| f.us[0] = "date,cases,dead".into(), "nyt us.csv, line 1, column 3 (deaths): the schema has changed"),
        (|f| f.world[0].push_str(",Active"), "jhu time-series-19-covid-combined.csv, line 1: the schema has changed"),
        (|f| drop(f.us.remove(5)), "nyt us.csv, line 6, column 1 (date): a gap: 2020-01-06 follows 2020-01-04"),
        (|f| f.world.insert(4, f.world[3].clone()), "line 5, column 1 (Date): 2020-01-01 is repeated"),
        (|f| f.us[3] = "2020-01-03,many,0".into(), "nyt us.csv, line 4, column 2 (cases): \"many\" is no whole number"),
        (|f| f.world[6] = "2020-01-04,US,,1,2,3,,5".into(), "line 7, column 7 (Recovered): \"\" is no whole number"),
        (|f| f.us[2] = "2020-01-02,1".into(), "nyt us.csv, line 3, column 3 (deaths): 2 values"),
    ];
    for (n, (spoil, wanted)) in cases.into_iter().enumerate() {
        let mut files = Files::of(8);
        spoil(&mut files);
        let said = run(&p, &files);
        assert!(
            said.code == 1 && said.out.contains(&wanted.replace('"', "\\\"")),
            "{wanted}: {} {}",
            said.out,
            said.err
        );
        let told = news(&p);
        assert_eq!((told.len(), &told[n]["status"]), (n + 1, &json!("FAILED")));
        assert!(told[n]["error"].as_str().unwrap().contains(wanted), "{}", told[n]);
    }
    assert_eq!(rows(&p, "select to_regclass('covid.daily_stats')::text"), json!([[null]]));
    assert_eq!(run(&p, &Files::of(8)).code, 0);
    // The files begin after a day that nobody has loaded.
    let mut late = Files::of(20);
    late.us.drain(1..12);
    let said = run(&p, &late);
    assert!(
        said.out
            .contains("a gap: the files begin with 2020-01-12, and the last day in covid.daily_stats is 2020-01-08"),
        "{}",
        said.out
    );
    assert_eq!(rows(&p, "select count(*) from covid.daily_stats"), json!([[8]]));
}

#[test]
fn loads_at_once_take_turns() {
    let Some(p) = deployed() else { return };
    // Each is a process of its own; they share one server.
    let all: Vec<Child> = (0..4)
        .map(|_| {
            let mut command = p.command();
            command.args(["invoke", "covid-etl/load_daily", "--output", "json"]);
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    let mut loaded = Vec::new();
    for child in all {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let said: Value = serde_json::from_slice(&output.stdout).unwrap();
        loaded.push(said["payload"]["new_rows"].as_u64().unwrap());
    }
    loaded.sort_unstable();
    let count = rows(&p, "select count(*) from covid.daily_stats")[0][0].as_u64().unwrap();
    assert!(count > 0);
    assert_eq!(loaded, [0, 0, 0, count]);
    assert_eq!(rows(&p, "select count(*), sum(new_rows)::bigint from covid.loads"), json!([[4, count]]));
}

#[test]
fn kill_9_at_any_moment_loses_and_doubles_nothing_and_leaves_no_server() {
    let Some(p) = deployed() else { return };
    let files = Files::of(3_000);
    let sources = files.write(&p);
    let mut args = vec!["run", "covid-etl"];
    args.extend(sources.iter().map(String::as_str));
    let mut killed = 0;
    for delay in [30, 150, 300, 450, 600, 800, 1_000, 1_300] {
        let mut child = p.command().args(&args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        thread::sleep(Duration::from_millis(delay));
        if child.try_wait().unwrap().is_none() {
            child.kill().unwrap();
            killed += 1;
        }
        child.wait().unwrap();
    }
    assert!(killed > 0);
    until("the server has ended after its last user was killed", || servers(&p).is_empty());
    // And with the server itself killed, at work.
    let mut child = p.command().args(&args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let end = Instant::now() + Duration::from_secs(20);
    while servers(&p).is_empty() && child.try_wait().unwrap().is_none() && Instant::now() < end {
        thread::sleep(Duration::from_millis(5));
    }
    for pid in servers(&p) {
        let _ = Command::new("kill").args(["-KILL", &pid.to_string()]).status();
    }
    let _ = child.wait();
    let report = p.json(&args);
    assert_eq!(report["ok"], true, "{report}");
    assert_eq!(
        rows(
            &p,
            "select count(*), count(distinct rep_date), min(rep_date)::text, sum(cases)::bigint from covid.daily_stats"
        ),
        json!([[3_000, 3_000, "2020-01-01", 3_000 * 100 + 3_000 * 2_999 / 2]])
    );
    let told: u64 = news(&p).iter().map(|n| n["new_rows"].as_u64().unwrap()).sum();
    assert_eq!(told, 3_000, "each new row is told of, once: {:?}", news(&p));
    until("the server has ended", || servers(&p).is_empty());
}

#[test]
fn a_server_that_database_url_names_is_used_as_it_is() {
    let Some(host) = deployed() else { return };
    // The private server of one state is, for another one, a server like any.
    let mut keeper = host.command();
    let mut keeper = keeper.args(["local", "serve"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let settings: Value =
        serde_json::from_str(&std::fs::read_to_string(host.state().join("postgres/server.json")).unwrap()).unwrap();
    let hold =
        host.command().args(["postgres", "query", "covid-etl", "select pg_sleep(20)"]).stdout(Stdio::null()).spawn();
    let mut hold = hold.unwrap();
    until("the server is up", || !servers(&host).is_empty());
    let (port, password) = (&settings["port"], settings["password"].as_str().unwrap());
    let url = format!("postgresql://pumphouse:{password}@127.0.0.1:{port}/postgres");
    let p = Pumphouse::new();
    let with_url = |args: &[&str]| {
        let output = p.command().env("DATABASE_URL", &url).args(args).output().unwrap();
        let said = crate::harness::Said::from(output);
        assert!(!said.out.contains(password) && !said.err.contains(password), "{args:?}");
        said
    };
    until("it lets us in", || with_url(&["deploy", "covid-etl", "--yes"]).code == 0);
    let said = with_url(&["run", "covid-etl"]);
    assert_eq!(said.code, 0, "{}", said.err);
    let said = with_url(&["outputs", "covid-etl"]);
    assert!(said.out.contains(&format!("postgresql://pumphouse@127.0.0.1:{port}/postgres")), "{}", said.out);
    assert!(!p.state().join("postgres").exists(), "no server of its own");
    assert_eq!(with_url(&["destroy", "covid-etl", "--yes"]).code, 0);
    let said = Pumphouse::run(&host, &["postgres", "query", "covid-etl", "select 1"]);
    assert_eq!(said.code, 0, "{}", said.err);
    let wrong = p
        .command()
        .env("DATABASE_URL", "postgresql://me:s3cret@127.0.0.1:1/x")
        .args(["deploy", "covid-etl", "--yes"])
        .output();
    let said = crate::harness::Said::from(wrong.unwrap());
    assert!(
        said.code == 1 && said.err.contains("postgresql://me@127.0.0.1:1/x") && !said.err.contains("s3cret"),
        "{}",
        said.err
    );
    let _ = (hold.kill(), hold.wait());
    let _ = (keeper.kill(), keeper.wait());
}

#[test]
fn without_postgresql_this_pipeline_alone_says_what_to_install() {
    let p = Pumphouse::new();
    let nowhere = p.path("nowhere");
    let without = |args: &[&str]| {
        let mut command = p.command();
        crate::harness::Said::from(command.env("PUMPHOUSE_POSTGRES_BIN", &nowhere).args(args).output().unwrap())
    };
    let said = without(&["deploy", "covid-etl", "--yes"]);
    assert!(
        said.code == 1 && said.err.contains("apt install postgresql") && said.err.contains("DATABASE_URL"),
        "{}",
        said.err
    );
    let said = without(&["status", "covid-etl"]);
    assert!(!said.out.contains("CREATE_FAILED"), "nothing of it was made: {}", said.out);
    assert_eq!(without(&["deploy", "crypto-stream", "--yes"]).code, 0);
    let said = without(&["demo", "--headless", "--for", "1s", "--output", "json"]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(said.err.contains("covid-etl is left out: this pipeline needs PostgreSQL"), "{}", said.err);
    let summary: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(summary["left_out"][0]["pipeline"], "covid-etl");
}
