use super::{console, fixture::harmless, screens};
use crate::{
    backend::Consent,
    tui::data::{Act, Request},
};

#[test]
fn walking_in_and_out() {
    let mut console = console();
    console.keys("2");
    screens!(console);
    console.keys("<enter><enter>");
    screens!(console);
    console.keys("<esc>");
    let screen = console.screen(80, 24);
    assert!(screen.contains("README.csv") && harmless(&screen), "{screen}");
    console.keys("<esc>");
    assert!(console.screen(80, 24).contains("crypto-stream-dev-staging"));
}

#[test]
fn the_end_of_a_page_reads_on() {
    let mut console = console();
    console.keys("2<enter><enter>G");
    assert!(console.asked.iter().any(|r| matches!(r, Request::Objects { after: Some(_), .. })));
    console.keys("G");
    assert!(console.screen(80, 24).contains("landing-0059.json"));
}

#[test]
fn a_table_is_looked_into() {
    let mut console = console();
    console.keys("2<enter>jj<enter>");
    screens!(console);
    console.keys("<right>jj<enter>");
    let screen = console.screen(80, 24);
    assert!(screen.contains("60002.5") && harmless(&screen), "{screen}");
}

#[test]
fn text_is_looked_into() {
    let mut console = console();
    console.keys("2<enter><enter><enter>");
    screens!(console);
    console.keys("<right><right>");
    assert!(harmless(&console.screen(80, 24)));
}

#[test]
fn details_and_deleting() {
    let mut console = console();
    console.keys("2i");
    assert!(console.screen(80, 24).contains("*.json -> function alert_on_price"));
    console.keys("<esc><enter>jjxy");
    let act = Act::DeleteObject { bucket: "crypto-stream-dev-landing".into(), key: "README.csv".into(), version: None };
    assert_eq!(console.acts, [(act, Consent::Yes)]);
    console.keys("i");
    assert!(console.screen(80, 24).contains("d41d8cd98f00b204e9800998ecf8427e"));
}
