//! Key-value tables below the buckets, and their items.

use serde_json::{Value, json};

use super::{
    fixture::{HOSTILE, answer, harmless},
    screens,
    testing::Console,
};
use crate::{
    cloud::tables::{ItemPage, KeyIndex, KeyTable},
    tui::data::{Data, Request},
};

const SPECIES: &str = "water-quality-dev-species";

fn table(name: &str, items: Option<u64>) -> KeyTable {
    KeyTable {
        name: name.into(),
        pipeline: Some("water-quality".into()),
        hash_key: "UniqueID".into(),
        range_key: Some("SpeciesName".into()),
        items,
        indexes: vec![KeyIndex {
            name: "by_population".into(),
            hash_key: "SpeciesName".into(),
            range_key: Some("PopulationCount".into()),
        }],
        ttl: Some("ExpiresAt".into()),
        point_in_time_recovery: Some(true),
        stream: Some("NEW_AND_OLD_IMAGES".into()),
    }
}

fn item(n: u64) -> Value {
    let mut item = json!({"PopulationCount": 1_000 + n, "SpeciesName": format!("Salmo {n}"), "UniqueID": n});
    match n % 10 {
        3 => item["note"] = format!("{HOSTILE}{}", "x".repeat(9_000)).into(),
        4 => item["seen"] = json!({"at": ["Rhine", HOSTILE], "by": null}),
        _ => {}
    }
    item
}

fn with(change: impl Fn(&Request) -> Option<Result<Data, String>> + 'static) -> Console {
    Console::open(Box::new(move |request| {
        if let Some(changed) = change(request) {
            return changed;
        }
        Ok(match request {
            Request::KeyTables => {
                Data::KeyTables(vec![table("elsewhere", None), table(SPECIES, Some(250)), table("zoo", Some(1))])
            }
            Request::KeyTable(name) => Data::KeyTable(table(name, Some(250))),
            Request::Items { table, .. } if table == "elsewhere" => Data::Items(ItemPage::default()),
            Request::Items { after, .. } => {
                let from = after.as_ref().map_or(0, |key| key["UniqueID"].as_u64().unwrap());
                let upto = (from + 100).min(250);
                let next = (upto < 250).then(|| json!({"UniqueID": upto, "SpeciesName": "x"}));
                Data::Items(ItemPage { items: (from..upto).map(item).collect(), next })
            }
            other => answer(other),
        })
    }))
}

fn console() -> Console {
    with(|_| None)
}

fn pages(console: &Console) -> usize {
    console.asked.iter().filter(|r| matches!(r, Request::Items { .. })).count()
}

#[test]
fn tables_and_the_items_of_one() {
    let mut console = console();
    console.keys("2<tab><tab>j");
    assert_eq!(pages(&console), 0, "nothing is read before somebody asks for it");
    screens!(console);
    console.keys("<enter>jj");
    screens!(console);
    assert!(harmless(&console.screen(160, 50)));
}

#[test]
fn items_are_read_page_by_page_and_one_shows_all_its_attributes() {
    let mut console = console();
    console.keys("2<tab><tab>j<enter>");
    assert!(console.screen(80, 24).contains("100 so far; G reads on"));
    console.keys("G");
    assert!(console.screen(80, 24).contains("200 so far"));
    console.keys("GG");
    let screen = console.screen(80, 24);
    assert!(screen.contains("Salmo 249") && !screen.contains("so far"), "{screen}");
    assert_eq!(pages(&console), 3);
    console.keys("gjjj<enter>");
    let screen = console.screen(80, 24);
    assert!(screen.contains("Item of water-quality-dev-species") && screen.contains("Salmo 3"), "{screen}");
    assert!(harmless(&screen));
    console.keys("<esc>j<enter>");
    let screen = console.screen(80, 24);
    assert!(screen.contains("Rhine") && screen.contains("PopulationCount") && harmless(&screen), "{screen}");
    console.keys("<esc>i");
    let screen = console.screen(120, 40);
    assert!(screen.contains("by_population (SpeciesName / PopulationCount)"), "{screen}");
}

#[test]
fn what_was_read_is_filtered_and_an_empty_table_says_so() {
    let mut console = console();
    console.keys("2<tab><tab>j<enter>/rhine<enter>");
    let screen = console.screen(80, 24);
    assert!(screen.contains("Salmo 4") && !screen.contains("Salmo 13"), "{screen}");
    console.keys("<esc><esc>g<enter>");
    assert!(console.screen(80, 24).contains("the table is empty"), "{}", console.screen(80, 24));
}

#[test]
fn nothing_is_changed_from_here() {
    let mut console = console();
    console.keys("2");
    assert!(console.screen(160, 50).contains("delete"));
    console.keys("<tab><tab>j<enter>");
    let screen = console.screen(160, 50);
    let footer = screen.lines().last().unwrap();
    assert!(footer.contains("open") && !footer.contains("delete") && !footer.contains("versions"), "{footer}");
    for key in ["x", "s", "p", "u", "v", "r", "b", "a"] {
        console.keys(key);
        assert!(console.acts.is_empty() && console.app.popups.is_empty(), "{key}");
    }
    assert!(!console.asked.iter().any(|r| matches!(r, Request::Objects { .. } | Request::Presign { .. })));
}

#[test]
fn tables_are_seen_beside_the_list_of_buckets_alone_and_only_where_there_are_some() {
    let mut console = console();
    console.keys("2");
    assert!(console.screen(80, 24).contains("Tables"));
    console.keys("<enter>");
    assert!(!console.screen(160, 50).contains("Tables"));
    console.keys("<tab><tab><tab>");
    assert!(!console.screen(160, 50).contains("Items"));
    let mut console = super::console();
    console.keys("2<tab><tab>");
    assert!(!console.screen(160, 50).contains("Tables"));
}

#[test]
fn a_refusal_stays_in_its_frame() {
    let denied = || Some(Err("access denied: allow dynamodb:Scan on key-value table to see this".into()));
    let mut console = with(move |request| matches!(request, Request::Items { .. }).then(denied).flatten());
    console.keys("2<tab><tab>j<enter>");
    let screen = console.screen(160, 50);
    assert!(screen.contains("✖ access denied: allow dynamodb:Scan"), "{screen}");
    assert!(screen.contains("crypto-stream-dev-landing") && screen.contains(SPECIES), "{screen}");
}

fn stage(tables: Option<Result<Data, String>>) -> Console {
    with(move |request| match request {
        Request::View(_) => {
            let Data::View(mut view) = answer(request) else { return None };
            view.stages[0].stage.kind = "dynamodb";
            view.stages[0].stage.physical_name = SPECIES.into();
            Some(Ok(Data::View(view)))
        }
        Request::KeyTables => tables.clone(),
        _ => None,
    })
}

#[test]
fn a_stage_leads_to_its_items() {
    let mut console = stage(None);
    console.keys("<tab><enter>");
    assert_eq!(console.app.current, 2);
    let screen = console.screen(80, 24);
    assert!(screen.contains(&format!("Items of {SPECIES}")) && screen.contains("Salmo 7"), "{screen}");
    // Also out of a bucket.
    let mut console = stage(None);
    console.keys(":buckets crypto-stream-dev-landing<enter>1<tab><enter>");
    assert!(console.screen(80, 24).contains("Salmo 7"), "{}", console.screen(80, 24));
    for before in ["", "21"] {
        let mut console = stage(Some(Ok(Data::KeyTables(vec![]))));
        console.keys(before).keys("<tab><enter>");
        let screen = console.screen(160, 50);
        assert!(screen.contains(&format!("no key-value table {SPECIES}")), "{screen}");
    }
    let mut console = stage(Some(Err("access denied: allow dynamodb:ListTables on * to see this".into())));
    console.keys("<tab><enter>");
    let screen = console.screen(160, 50);
    assert!(screen.contains("✖ access denied: allow dynamodb:ListTables"), "{screen}");
}
