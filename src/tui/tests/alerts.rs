use super::{console, fixture::harmless, screens};
use crate::{backend::Consent, tui::data::Act};

#[test]
fn thresholds_topics_and_messages() {
    let mut console = console();
    console.keys("5");
    screens!(console);
    assert!(harmless(&console.screen(80, 24)));
    console.keys("<tab>j<enter><enter>");
    screens!(console);
}

#[test]
fn a_threshold_is_changed() {
    let mut console = console();
    console.keys("5<enter>");
    screens!(console);
    console.keys("<ctrl-u>sixty<enter>");
    assert!(console.screen(80, 24).contains("is no number"));
    console.keys("<ctrl-u>60,000<enter>");
    let act = Act::SetAlert { name: "/crypto-stream/dev/btc_usd".into(), value: 60_000.0 };
    assert_eq!(console.acts, [(act, Consent::None)]);
}

#[test]
fn a_message_is_published() {
    let mut console = console();
    console.keys("5<tab>phello<enter>");
    let act = Act::Publish { topic: "crypto-stream-dev-new_files".into(), message: "hello".into() };
    assert_eq!(console.acts, [(act, Consent::None)]);
}
