use super::{console, fixture::harmless, screens};
use crate::tui::data::{Act, Request};

#[test]
fn the_first_screen() {
    let mut console = console();
    console.keys("j");
    screens!(console);
}

#[test]
fn what_failed_is_said_in_words() {
    let console = console();
    let screen = console.screen(160, 50);
    assert!(screen.contains("✖ covid-etl"), "{screen}");
    assert!(screen.contains("column \"deaths\" is missing"));
    assert!(harmless(&screen));
    screens!(console);
}

#[test]
fn stages_are_walked_and_opened() {
    let mut console = console();
    console.keys("j<enter>jjjj");
    screens!(console);
    // The stage is fetch_prices' neighbour of that many steps: its logs are the job's.
    console.keys("g<enter>");
    assert_eq!(console.app.current, 4);
    let wanted = "/aws/lambda/crypto-stream-dev-fetch_prices";
    let reads = |request: &Request| matches!(request, Request::Logs { group, after: None, .. } if group == wanted);
    assert!(console.asked.iter().any(reads));
}

#[test]
fn r_runs_the_pipeline_or_the_stage() {
    let mut console = console();
    console.keys("j<enter>r");
    assert_eq!(console.acts.first().map(|a| &a.0), Some(&Act::Invoke("crypto-stream-dev-fetch_prices".into())));
}

#[test]
fn the_filter_is_fuzzy() {
    let mut console = console();
    console.keys("/wtr<enter>");
    let screen = console.screen(80, 24);
    assert!(screen.contains("water-quality") && !screen.contains("dataops"), "{screen}");
    console.keys("<esc>");
    assert!(console.screen(80, 24).contains("dataops"));
}
