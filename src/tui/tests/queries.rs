use super::{console, fixture::harmless, screens};
use crate::{
    backend::Consent,
    tui::{
        data::{Act, Request},
        testing::Console,
    },
};

#[test]
fn typing_and_running() {
    let mut console = console();
    console.keys("6");
    screens!(console);
    console.keys("<enter>select 1 <lt> 2<enter>from prices q37:/");
    assert_eq!(console.app.current, 6, "letters are letters while SQL is typed");
    console.keys("<f5>");
    let sql = "select 1 < 2\nfrom prices q37:/".to_owned();
    assert!(console.asked.contains(&Request::Query { sql, database: Some("crypto_stream".into()), workgroup: None }));
    screens!(console);
    console.keys("<right>jjj<enter>");
    let screen = console.screen(80, 24);
    assert!(screen.contains("60003.5") && screen.contains("NULL") && harmless(&screen), "{screen}");
}

#[test]
fn a_table_of_the_tree_is_asked() {
    let mut console = console();
    console.keys("6<shift-tab>j<enter>");
    assert!(console.screen(80, 24).contains("FROM crypto_stream.prices"));
    assert!(console.asked.iter().any(|r| matches!(r, Request::Query { .. })));
}

#[test]
fn what_was_asked_before_comes_back() {
    let mut console = console();
    console.keys("6h");
    screens!(console);
    console.keys("<enter>");
    assert!(console.screen(80, 24).contains("GROUP BY base"));
    console.keys("hjx");
    assert_eq!(console.acts, [(Act::CancelQuery("q-3".into()), Consent::None)]);
    console.keys("je");
    assert!(console.screen(80, 24).contains("amuont"));
}

#[test]
fn ctrl_c_cancels_a_query_and_then_quits() {
    let mut console = console();
    console.keys("6<enter>select 1");
    console.hang = true;
    console.keys("<f5>");
    assert!(console.screen(80, 24).contains("running; Ctrl-C cancels"));
    console.keys("<ctrl-c>");
    assert!(!console.quit && console.screen(80, 24).contains("cancelling"));
    console.keys("<ctrl-c>");
    assert!(console.quit);
}

#[test]
fn tables_are_read_when_their_database_is_opened() {
    let mut console = console();
    console.keys("6");
    let tables = |console: &Console| {
        console.asked.iter().filter(|r| matches!(r, Request::Tables(_))).cloned().collect::<Vec<_>>()
    };
    assert_eq!(tables(&console), [Request::Tables("crypto_stream".into())]);
    console.keys("<shift-tab>G<enter>");
    assert!(tables(&console).contains(&Request::Tables("default".into())));
    assert!(console.screen(160, 50).contains("glacier"));
    console.keys("<enter>");
    assert!(!console.screen(160, 50).contains("glacier"), "the same key closes it");
}

#[test]
fn a_workgroup_is_chosen_and_asked() {
    let mut console = console();
    console.keys("6w");
    assert!(console.screen(80, 24).contains("analysts"));
    console.keys("<enter>iselect 1<f5>");
    let asked = Request::Query {
        sql: "select 1".into(),
        database: Some("crypto_stream".into()),
        workgroup: Some("analysts".into()),
    };
    assert!(console.asked.contains(&asked));
    assert!(console.screen(120, 24).contains("workgroup analysts"));
}
