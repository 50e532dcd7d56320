use super::{console, fixture::harmless, screens};
use crate::{
    backend::{Consent, transfers::Moved},
    tui::{
        data::{Act, Request},
        msg::Msg,
    },
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
fn the_next_page_is_read_without_being_asked_for() {
    let mut console = console();
    console.keys("2<enter><enter>");
    assert!(console.asked.iter().any(|r| matches!(r, Request::Objects { after: Some(_), .. })));
    console.keys("G");
    assert!(console.screen(80, 24).contains("landing-0059.json"));
}

#[test]
fn an_object_is_saved_and_a_file_put() {
    let mut console = console();
    console.keys("2<enter>jjs");
    assert!(console.screen(80, 24).contains("README.csv"));
    console.keys("2<enter>p/tmp/a.csv<enter>");
    let bucket = "crypto-stream-dev-landing".to_owned();
    let save =
        Act::SaveObject { bucket: bucket.clone(), key: "README.csv".into(), version: None, file: "README.csv2".into() };
    let put = Act::PutFile { bucket, key: "a.csv".into(), file: "/tmp/a.csv".into() };
    assert_eq!(console.acts, [(save.clone(), Consent::None), (put, Consent::None)]);
    let moved = Moved { done: 512, total: 2048, before: 0 };
    console.send(Msg::Moved { act: save, moved });
    assert!(console.screen(80, 24).contains("25 % · 512 B of 2.0 KiB"), "{}", console.screen(80, 24));
}

#[test]
fn saving_and_urls_change_nothing_so_read_only_mode_has_them() {
    let mut console = console();
    console.app.session.read_only = true;
    console.keys("2<enter>jjp");
    assert!(console.screen(80, 24).contains("read-only: put a file into"));
    console.keys("s<enter>");
    assert!(matches!(console.acts.as_slice(), [(Act::SaveObject { .. }, _)]));
    console.keys("u");
    let screen = console.screen(80, 24);
    assert!(screen.contains("https://signed.example") && screen.contains("Whoever has this URL"), "{screen}");
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
