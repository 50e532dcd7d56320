//! bls-quest under kill -9: each file and each report is there in one version, and no message is left, or dead.

use std::{fmt::Write, path::Path};

use serde_json::{Value, json};

use crate::support::{Victim, ask, shared, versions};

fn picture(state: &Path) -> Value {
    let queues = ask(state, &["queues", "list"]);
    let waiting: u64 = queues
        .as_array()
        .unwrap()
        .iter()
        .map(|q| q["visible"].as_u64().unwrap() + q["in_flight"].as_u64().unwrap())
        .sum();
    json!({
        "data": versions(state, "bls-quest/data"),
        "population": versions(state, "bls-quest/population"),
        "dead": ask(state, &["queues", "messages", "bls-quest/reports", "--dead-letters"]),
        "waiting": waiting,
    })
}

/// A published directory: what is really published, where that is here, and files beside it that take a while.
fn published(dir: &Path) {
    std::fs::create_dir(dir).unwrap();
    let current = dir.join("pr.data.0.Current");
    if let Some(real) = shared("bls-quest/pr.data.0.Current") {
        std::fs::copy(real, current).unwrap();
    } else {
        let mut text = "series_id\tyear\tperiod\tvalue\tfootnote_codes\r\n".to_owned();
        let each = (0..40).flat_map(|s| (2000..2020).flat_map(move |y| (1..=4).map(move |q| (s, y, q))));
        for (series, year, quarter) in each {
            let value = year - 2000 + series;
            write!(text, "PRS{series:08}      \t{year}\tQ0{quarter}\t   {value}.{quarter}\t\r\n").unwrap();
        }
        std::fs::write(current, text).unwrap();
    }
    for n in 0..8 {
        std::fs::write(dir.join(format!("file-{n}.txt")), vec![b'x'; 300_000 + n]).unwrap();
    }
}

#[test]
fn each_file_and_each_report_has_one_version_after_kills() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("published");
    published(&folder);
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines/bls-quest/sample/population.json");
    let population = shared("bls-quest/population.json").unwrap_or_else(|| sample.display().to_string());
    let sources = [format!("bls={}", folder.display()), format!("population={population}")];
    let wanted = Victim { name: "bls-quest", sources: &sources, rounds: 5, kills: 4, picture }.torment();
    assert_eq!(wanted["data"].as_array().unwrap().len(), 8 + 2, "the files and their list: {wanted:#}");
    assert_eq!(wanted["population"].as_array().unwrap().len(), 1 + 3, "the document and its reports: {wanted:#}");
    assert_eq!((&wanted["dead"], &wanted["waiting"]), (&json!([]), &json!(0)));
}
