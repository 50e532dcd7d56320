//! water-quality from deploy to answers, on the real files.

use std::path::Path;

use serde_json::{Value, json};

use crate::harness::{Pumphouse, shared};

const PIPELINE: &str = "water-quality";

fn deployed() -> Pumphouse {
    let p = Pumphouse::new();
    p.ok(&["deploy", PIPELINE, "--yes"]);
    p
}

fn query(p: &Pumphouse, sql: &str) -> Value {
    p.json(&["query", sql, "--database", "water_quality"])["rows"].take()
}

fn keys(p: &Pumphouse, bucket: &str) -> Vec<(String, String)> {
    let there = p.json(&["buckets", "objects", &format!("{PIPELINE}/{bucket}"), "--recursive"]);
    let object = |o: &Value| (o["key"].as_str().unwrap().to_owned(), o["etag"].as_str().unwrap().to_owned());
    there["objects"].as_array().unwrap().iter().map(object).collect()
}

fn run(p: &Pumphouse, args: &[&str]) -> Value {
    let report = p.json(&[&["run", PIPELINE], args].concat());
    assert_eq!(report["ok"], true, "{report}");
    report
}

fn counts(p: &Pumphouse) -> Value {
    p.json(&["invoke", "water-quality/count"])["payload"].take()
}

/// What the state holds, as far as its users see it.
fn figures(p: &Pumphouse) -> Value {
    json!({
        "items": p.json(&["tables", "items", "water-quality/species"]),
        "samples": query(p, "select * from samples order by site, sample"),
        "species": query(p, "select * from species order by uniqueid"),
        "objects": keys(p, "lake"),
        "counts": counts(p),
        "alerts": p.json(&["topics", "inbox", "water-quality/water_alerts"]),
    })
}

#[test]
fn a_run_on_the_real_files_gives_the_known_figures_and_a_second_run_changes_nothing() {
    // One folder with both: each source takes what is called like its own files.
    let Some(folder) = shared("water-quality") else { return };
    let (species, samples) = (format!("species={}", folder.display()), format!("samples={}", folder.display()));
    let p = deployed();
    let fed = ["--source", species.as_str(), "--source", samples.as_str()];
    run(&p, &fed);
    let first = figures(&p);

    let items = first["items"].as_array().unwrap();
    assert_eq!(items.len(), 30);
    assert_eq!(items[0], json!({"UniqueID": 2001, "SpeciesName": "Oak Tree", "PopulationCount": 1200}));
    assert_eq!(items[29], json!({"UniqueID": 2030, "SpeciesName": "Beech Tree", "PopulationCount": 400}));
    assert_eq!(first["samples"].as_array().unwrap().len(), 60);
    assert_eq!(first["samples"][0], json!(["iowa_homes", 1, 7.2, 25.6, 12.3]));
    assert_eq!(first["samples"][59], json!(["mississippi_homes", 60, 7.5, 25.8, 13.0]));
    let sums =
        query(&p, "select round(sum(ph), 6), round(sum(temperature_c), 6), round(sum(turbidity_ntu), 6) from samples");
    assert_eq!(sums, json!([[425.4, 1_531.6, 746.2]]));
    assert_eq!(first["species"].as_array().unwrap().len(), 30);
    assert_eq!(query(&p, "select sum(populationcount) from species"), json!([[10_050]]));

    // The species, two files of samples, and the table; no row was bad.
    let objects: Vec<&str> = first["objects"].as_array().unwrap().iter().map(|o| o[0].as_str().unwrap()).collect();
    assert_eq!(objects[..3], ["samples/iowa_homes.txt", "samples/mississippi_homes.txt", "species/plants.csv"]);
    assert_eq!(objects.len(), 4, "{objects:?}");
    assert!(objects[3].starts_with("tables/samples/part-00000-"), "{objects:?}");
    assert_eq!(first["counts"], json!({"numberOfS3Objects": 4, "numberOfDynamoDBItems": 30}));

    // 15.1 at both sites, over the threshold of 15.
    let alerts: Vec<Value> = first["alerts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|m| serde_json::from_str(m["message"].as_str().unwrap()).unwrap())
        .filter(|m: &Value| m["site"] != "mill_pond")
        .collect();
    let mut told: Vec<_> = alerts.iter().map(|m| (&m["site"], &m["samples"])).collect();
    // Two invocations, side by side.
    told.sort_by_key(|(site, _)| site.as_str());
    let turbid = |sample: &str| json!([{"sample": sample, "turbidity_ntu": 15.1}]);
    assert_eq!(told, [(&json!("iowa_homes"), &turbid("7")), (&json!("mississippi_homes"), &turbid("37")),]);

    run(&p, &fed);
    assert_eq!(figures(&p), first);
    run(&p, &[]);
    assert_eq!(figures(&p), first, "a run without --source takes what is there");

    let index = p.json(&["tables", "items", "water-quality/species", "--index", "by_population", "--hash", "Rose"]);
    assert_eq!(index, json!([{"UniqueID": 2006, "SpeciesName": "Rose", "PopulationCount": 150}]));
    let by_number = p.json(&["tables", "items", "water-quality/species", "--hash", "2018"]);
    assert_eq!(by_number[0]["SpeciesName"], "Aloe Vera");
    let one = p.json(&["tables", "get", "water-quality/species", r#"{"UniqueID": 2022, "SpeciesName": "Orchid"}"#]);
    assert_eq!(one["PopulationCount"], 200);
}

#[test]
fn files_are_uploaded_at_deploy_and_changed_ones_alone() {
    let p = Pumphouse::new();
    let folder = tempfile::tempdir().unwrap();
    let there = Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines/water-quality");
    copy(&there, &folder.path().join(PIPELINE));
    let all = |args: &[&str]| p.json(&[args, &["--pipelines", folder.path().to_str().unwrap()]].concat());
    let files = |plan: &Value| -> Vec<(String, String)> {
        let changes = plan["changes"].as_array().unwrap().iter().filter(|c| c["kind"] == "file");
        changes
            .map(|c| (c["action"].as_str().unwrap().to_owned(), c["physical_name"].as_str().unwrap().to_owned()))
            .collect()
    };
    let file = |action: &str, key: &str| (action.to_owned(), format!("s3://water-quality-dev-lake/{key}"));
    assert_eq!(
        files(&all(&["plan", PIPELINE])),
        [file("add", "species/species.csv"), file("add", "samples/mill_pond.txt"), file("add", "samples/old_weir.txt")]
    );
    all(&["deploy", PIPELINE, "--yes"]);
    assert_eq!(all(&["plan", PIPELINE])["changes"], json!([]));

    let path = folder.path().join(PIPELINE).join("sample/samples/old_weir.txt");
    std::fs::write(&path, "| Sample | pH | Temperature (°C) | Turbidity (NTU) |\n|--|--|--|--|\n| 1 | 7 | 15 | 99 |\n")
        .unwrap();
    assert_eq!(files(&all(&["plan", PIPELINE])), [file("change", "samples/old_weir.txt")]);
    let refused = p.run(&["deploy", PIPELINE, "--pipelines", folder.path().to_str().unwrap()]);
    assert_eq!(refused.code, 3, "{}", refused.err);
    all(&["deploy", PIPELINE, "--yes"]);
    let versions = p.json(&["buckets", "objects", "water-quality/lake", "--recursive", "--versions"]);
    let count = |key: &str| versions["objects"].as_array().unwrap().iter().filter(|o| o["key"] == key).count();
    assert_eq!((count("samples/old_weir.txt"), count("samples/mill_pond.txt")), (2, 1));
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            std::fs::copy(&path, &target).unwrap();
        }
    }
}

#[test]
fn the_sample_s_bad_row_is_set_aside_and_its_turbid_one_told() {
    let p = deployed();
    run(&p, &[]);
    let samples = query(&p, "select site, count(*), max(turbidity_ntu) from samples group by site order by site");
    assert_eq!(samples, json!([["mill_pond", 3, 16.4], ["old_weir", 3, 4.4]]));
    let objects = keys(&p, "lake");
    let rejects = objects.iter().find(|(key, _)| key.starts_with("rejects/samples/")).unwrap();
    let line = p.ok(&["buckets", "get", "water-quality/lake", &rejects.0]).out;
    let line: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["file"], "s3://water-quality-dev-lake/samples/mill_pond.txt");
    assert_eq!(
        (&line["line"], &line["reason"]),
        (&json!(6), &json!("column \"Temperature (°C)\": \"n/a\" is not a double"))
    );
    let inbox = p.json(&["topics", "inbox", "water-quality/water_alerts"]);
    assert_eq!(inbox.as_array().unwrap().len(), 1, "{inbox}");
    assert_eq!(inbox[0]["subject"], "Turbidity over 15 NTU at mill_pond");
    assert_eq!(counts(&p), json!({"numberOfS3Objects": 5, "numberOfDynamoDBItems": 6}));
    let event = Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines/water-quality/events/alert_on_turbidity.json");
    let invoke = ["invoke", "water-quality/alert_on_turbidity", "--event", event.to_str().unwrap()];
    assert_eq!(p.json(&invoke)["payload"], json!({"samples": 1}));
    p.ok(&["alerts", "set", "water-quality/turbidity_ntu", "7"]);
    assert_eq!(p.json(&invoke)["payload"], json!({"samples": 2}), "the next file obeys the new threshold");
}
