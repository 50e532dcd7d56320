//! water-quality under kill -9: the same items, rows, rejects and alerts, and each object in as many versions.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::{Victim, ask, inbox, rows, shared, versions};

fn picture(state: &Path) -> Value {
    json!({
        "items": ask(state, &["tables", "items", "water-quality/species"]),
        "samples": rows(state, "select * from water_quality.samples order by site, sample"),
        "species": rows(state, "select * from water_quality.species order by uniqueid"),
        "lake": versions(state, "water-quality/lake"),
        "alerts": inbox(state, "water-quality/water_alerts"),
        "counts": ask(state, &["invoke", "water-quality/count"])["payload"],
    })
}

#[test]
fn items_rows_and_alerts_are_the_same_after_kills() {
    let wanted = Victim { name: "water-quality", sources: &[], rounds: 4, kills: 4, picture }.torment();
    assert_eq!(wanted["counts"], json!({"numberOfS3Objects": 5, "numberOfDynamoDBItems": 6}));
    assert_eq!(wanted["alerts"].as_array().unwrap().len(), 1);
}

#[test]
fn a_run_that_is_fed_with_other_files_takes_them_once_after_kills() {
    let Some(folder) = shared("water-quality") else { return };
    let sources = [format!("species={folder}"), format!("samples={folder}")];
    let wanted = Victim { name: "water-quality", sources: &sources, rounds: 4, kills: 4, picture }.torment();
    assert_eq!(wanted["counts"], json!({"numberOfS3Objects": 4, "numberOfDynamoDBItems": 30}));
    assert_eq!(wanted["samples"].as_array().unwrap().len(), 60);
}
