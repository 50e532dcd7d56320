//! bls-quest from deploy to reports, on the real data and on made-up faults.

use std::{fs, path::Path};

use serde_json::{Value, json};

use crate::harness::{Pumphouse, shared};

fn deployed() -> Pumphouse {
    let p = Pumphouse::new();
    p.ok(&["deploy", "bls-quest", "--yes"]);
    p
}

fn run(p: &Pumphouse, sources: &[(&str, &Path)]) -> Value {
    let sources: Vec<String> = sources.iter().map(|(name, path)| format!("{name}={}", path.display())).collect();
    let mut args = vec!["run", "bls-quest", "--output", "json"];
    args.extend(sources.iter().flat_map(|s| ["--source", s.as_str()]));
    let said = p.run(&args);
    serde_json::from_str(&said.out).unwrap_or_else(|e| panic!("{e}: {}{}", said.out, said.err))
}

fn stage<'a>(report: &'a Value, name: &str, kind: &str) -> &'a Value {
    let stages = report["stages"].as_array().unwrap();
    stages.iter().find(|s| s["name"] == name && s["kind"] == kind).unwrap_or_else(|| panic!("{name}: {report}"))
}

fn content(p: &Pumphouse, bucket: &str, key: &str) -> String {
    p.ok(&["buckets", "get", &format!("bls-quest/{bucket}"), key]).out
}

/// All versions of all objects in both buckets.
fn versions(p: &Pumphouse) -> Value {
    let of = |bucket| p.json(&["buckets", "objects", bucket, "--recursive", "--versions"]);
    json!([of("bls-quest/data"), of("bls-quest/population")])
}

fn keys(p: &Pumphouse, bucket: &str) -> Vec<String> {
    let objects = p.json(&["buckets", "objects", &format!("bls-quest/{bucket}"), "--recursive"]);
    let objects = objects["objects"].as_array().unwrap().clone();
    objects.iter().map(|o| o["key"].as_str().unwrap().to_owned()).collect()
}

fn queue(p: &Pumphouse, name: &str) -> Value {
    let all = p.json(&["queues", "list"]);
    all.as_array().unwrap().iter().find(|q| q["name"] == name).unwrap().clone()
}

#[test]
fn the_real_data_gives_the_known_reports_and_a_second_run_changes_nothing() {
    let Some(data) = shared("bls-quest/pr.data.0.Current") else { return };
    let (population, expected) = (data.with_file_name("population.json"), data.with_file_name("expected.json"));
    let expected: Value = serde_json::from_str(&fs::read_to_string(expected).unwrap()).unwrap();
    let p = deployed();
    let report = run(&p, &[("bls", &data), ("population", &population)]);
    assert_eq!(report["ok"], true, "{report}");

    let summary: Value = serde_json::from_str(&content(&p, "population", "report/summary.json")).unwrap();
    assert_eq!(summary, json!({"mean": expected["mean"], "std": expected["std"]}));
    let rows = |key: &str| -> Vec<Vec<String>> {
        let text = content(&p, "population", key);
        text.lines().map(|line| line.split(',').map(str::to_owned).collect()).collect()
    };
    let best = rows("report/best_year.csv");
    assert_eq!(best[0], ["series_id", "year", "value"]);
    let wanted = expected["best"].as_array().unwrap();
    assert_eq!((best.len() - 1, wanted.len()), (237, 237));
    for (row, wanted) in best[1..].iter().zip(wanted) {
        assert_eq!(
            (row[0].as_str(), row[1].parse::<i64>().unwrap()),
            (wanted[0].as_str().unwrap(), wanted[1].as_i64().unwrap())
        );
        assert_eq!(Some(row[2].parse::<f64>().unwrap()), wanted[2].as_f64(), "{row:?}");
    }
    let joined = rows("report/series_population.csv");
    assert_eq!(joined[0], ["series_id", "year", "period", "value", "population"]);
    let wanted = expected["joined"].as_array().unwrap();
    assert_eq!(joined.len() - 1, wanted.len());
    for (row, wanted) in joined[1..].iter().zip(wanted) {
        let row = json!([
            row[0],
            row[1].parse::<i64>().unwrap(),
            row[2],
            row[3].parse::<f64>().unwrap(),
            row[4].parse::<i64>().unwrap()
        ]);
        assert_eq!(&row, wanted);
    }
    assert_eq!(fs::read(&data).unwrap(), content(&p, "data", "pr.data.0.Current").as_bytes(), "byte for byte");
    let page = content(&p, "data", "index.html");
    assert!(page.contains("<a href=\"pr.data.0.Current\">"), "{page}");

    let before = versions(&p);
    let again = run(&p, &[("bls", &data), ("population", &population)]);
    assert_eq!(again["ok"], true, "{again}");
    assert_eq!(versions(&p), before, "no new versions");
    for (name, kind) in
        [("sync", "function"), ("fetch_population", "function"), ("report", "function"), ("reports", "queue")]
    {
        assert_eq!(stage(&again, name, kind)["records_out"], 0, "{again}");
    }
    // The folder publishes the file in the same way.
    let folder = p.path("published");
    fs::create_dir(&folder).unwrap();
    fs::copy(&data, folder.join("pr.data.0.Current")).unwrap();
    assert_eq!(run(&p, &[("bls", &folder), ("population", &population)])["ok"], true);
    let at_last = versions(&p);
    let index_alone = |v: &Value| {
        v["objects"].as_array().unwrap().iter().filter(|o| o["key"] != "index.html").cloned().collect::<Vec<_>>()
    };
    assert_eq!(index_alone(&at_last[0]), index_alone(&before[0]), "the same content is not put again");
}

#[test]
fn the_bucket_keeps_in_step_with_the_directory() {
    let p = deployed();
    let folder = p.path("published");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("a.txt"), "a").unwrap();
    fs::write(folder.join("b c.txt"), "b").unwrap();
    assert_eq!(run(&p, &[("bls", &folder)])["ok"], true);
    assert_eq!(keys(&p, "data"), ["a.txt", "b c.txt", "index.html"]);

    fs::write(folder.join("a.txt"), "other").unwrap();
    fs::remove_file(folder.join("b c.txt")).unwrap();
    fs::write(folder.join("new.txt"), "n").unwrap();
    let report = run(&p, &[("bls", &folder)]);
    assert_eq!(keys(&p, "data"), ["a.txt", "index.html", "new.txt"]);
    assert_eq!(content(&p, "data", "a.txt"), "other");
    assert_eq!(stage(&report, "sync", "function")["records_out"], 3, "two files and the page: {report}");

    // An empty directory is a listing that names nothing: that deletes nothing.
    let before = versions(&p);
    for file in ["a.txt", "new.txt"] {
        fs::remove_file(folder.join(file)).unwrap();
    }
    let report = run(&p, &[("bls", &folder)]);
    assert_eq!(report["ok"], false);
    let why = stage(&report, "sync", "function")["error"].as_str().unwrap();
    assert!(why.contains("names no file at all: nothing was changed"), "{why}");
    assert_eq!(versions(&p), before);
}

#[test]
fn the_pipeline_s_own_sample_makes_reports() {
    let p = deployed();
    let report = run(&p, &[]);
    assert_eq!(report["ok"], true, "{report}");
    assert_eq!(
        keys(&p, "population"),
        ["population.json", "report/best_year.csv", "report/series_population.csv", "report/summary.json"]
    );
    assert_eq!(content(&p, "population", "report/series_population.csv").lines().count(), 7);
    for event in ["sync", "fetch_population", "report"] {
        let path = format!("{}/pipelines/bls-quest/events/{event}.json", env!("CARGO_MANIFEST_DIR"));
        let done = p.json(&["invoke", &format!("bls-quest/{event}"), "--event", &path]);
        assert_eq!(done["error"], Value::Null, "{event}: {done}");
    }
}

#[test]
fn a_report_that_keeps_failing_is_among_the_dead_letters_and_is_made_when_it_is_re_driven() {
    let p = deployed();
    let (good, bad) = (p.path("good"), p.path("bad"));
    for (folder, value) in [(&good, "1.5"), (&bad, "1,5")] {
        fs::create_dir(folder).unwrap();
        let rows =
            format!("series_id\tyear\tperiod\tvalue\tfootnote_codes\r\nPRS30006032      \t2014\tQ01\t {value}\t\r\n");
        fs::write(folder.join("pr.data.0.Current"), rows).unwrap();
    }
    let report = run(&p, &[("bls", &bad)]);
    assert_eq!(report["ok"], false, "{report}");
    let why = stage(&report, "report", "function")["error"].as_str().unwrap();
    assert!(why.contains("pr.data.0.Current, line 2: column value: \"1,5\" is no decimal number"), "{why}");
    let dead = p.json(&["queues", "messages", "bls-quest/reports", "--dead-letters"]);
    assert_eq!(dead.as_array().unwrap().len(), 2, "of the data and of the population: {dead}");
    assert!(dead.as_array().unwrap().iter().all(|m| m["receives"] == 3), "{dead}");
    assert!(dead[0]["error"].as_str().unwrap().contains("line 2"), "{dead}");
    assert_eq!(queue(&p, "bls-quest-dev-reports-dlq")["visible"], 2);
    let listed = p.json(&["pipelines"]);
    let shown = listed.as_array().unwrap().iter().find(|x| x["name"] == "bls-quest").unwrap();
    assert_eq!(shown["health"], "bad", "{shown}");

    // Re-driven while the fault is still there, they fail again.
    let refused = p.run(&["queues", "redrive", "bls-quest/reports"]);
    assert_eq!(refused.code, 3, "it wants a yes: {}", refused.err);
    assert_eq!(
        p.json(&["queues", "redrive", "bls-quest/reports", "--yes"]),
        json!({"moved": 2, "status": "COMPLETED"})
    );
    assert_eq!(queue(&p, "bls-quest-dev-reports")["visible"], 2);
    let report = run(&p, &[("bls", &good)]);
    assert_eq!(report["ok"], true, "{report}");
    assert_eq!(queue(&p, "bls-quest-dev-reports")["visible"], 0);
    assert_eq!(p.json(&["queues", "messages", "bls-quest/reports", "--dead-letters"]), json!([]));
    assert_eq!(content(&p, "population", "report/best_year.csv"), "series_id,year,value\nPRS30006032,2014,1.5\n");
}

#[test]
fn what_is_no_news_of_objects_fails_alone_and_read_only_sends_nothing() {
    let p = deployed();
    assert_eq!(run(&p, &[])["ok"], true);
    p.ok(&["queues", "send", "bls-quest/reports", "hello"]);
    assert_eq!(p.json(&["queues", "messages", "bls-quest/reports"])[0]["body"], "hello");
    let refused = p.run(&["--read-only", "queues", "send", "bls-quest/reports", "hello"]);
    assert_eq!(refused.code, 3, "{}", refused.err);
    let refused = p.run(&["--read-only", "queues", "redrive", "bls-quest/reports", "--yes"]);
    assert_eq!(refused.code, 3, "{}", refused.err);
    let report = run(&p, &[]);
    assert_eq!(report["ok"], false);
    let why = stage(&report, "report", "function")["error"].as_str().unwrap();
    assert!(why.contains("its body is no JSON"), "{why}");
    assert_eq!(p.json(&["queues", "messages", "bls-quest/reports", "--dead-letters"])[0]["body"], "hello");
}
