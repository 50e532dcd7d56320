use super::{console, fixture::harmless, screens};
use crate::{
    backend::Consent,
    tui::data::{Act, Data},
};

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

#[test]
fn what_could_not_be_read_is_named_and_the_rest_is_shown() {
    let mut console = super::testing::Console::open(Box::new(|request| {
        Ok(match super::fixture::answer(request) {
            Data::Alerts(alerts, topics, _) => {
                let missing = "access denied: allow ssm:GetParameters on * to see this".to_owned();
                Data::Alerts(alerts, topics, vec![missing])
            }
            other => other,
        })
    }));
    console.keys("5");
    let screen = console.screen(80, 24);
    assert!(screen.contains("allow ssm:GetParameters") && screen.contains("clean_prices-failures"), "{screen}");
}

#[test]
fn an_alert_has_details_with_the_line_of_its_limit() {
    let mut console = console();
    console.keys("5i");
    let screen = console.screen(80, 24);
    assert!(screen.contains("crypto-stream/dev/btc_usd > 100,000") && screen.contains("limit"), "{screen}");
}

#[test]
fn what_has_no_limit_of_its_own_is_not_asked_for_one() {
    let mut console = super::testing::Console::open(Box::new(|request| {
        Ok(match super::fixture::answer(request) {
            Data::Alerts(mut alerts, topics, missing) => {
                alerts[0].fixed = Some("it is a composite alarm".into());
                Data::Alerts(alerts, topics, missing)
            }
            other => other,
        })
    }));
    console.keys("5<enter>");
    assert!(console.screen(80, 24).contains("cannot be set: it is a composite alarm"));
}

#[test]
fn a_cloud_that_keeps_no_messages_is_no_failure() {
    let mut console = super::testing::Console::open(Box::new(|request| {
        Ok(match request {
            crate::tui::data::Request::Inbox(_) => crate::tui::data::Data::NoInbox("SNS keeps none".into()),
            other => super::fixture::answer(other),
        })
    }));
    console.keys("5");
    let screen = console.screen(120, 40);
    assert!(screen.contains("SNS keeps none") && !screen.contains("✖ SNS"), "{screen}");
}
