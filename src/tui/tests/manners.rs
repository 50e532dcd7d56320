//! What keys do where somebody may mean something else, and what is then said.

use super::{console, fixture::answer, testing::Console};
use crate::{
    backend::{Effect, Strength},
    tui::{
        data::{Act, Request},
        msg::Msg,
    },
};

#[test]
fn a_list_says_what_filter_hides_a_part_of_it() {
    for pane in ["1", "2", "3", "4", "5", "6", "7"] {
        let mut console = console();
        console.keys(pane).keys("/zq<enter>");
        let screen = console.screen(80, 24);
        let title = screen.lines().nth(2).unwrap_or_default();
        assert!(title.contains(" /zq · "), "{pane}: {screen}");
        console.keys("<esc>");
        assert!(!console.screen(80, 24).contains("/zq"), "{pane}");
    }
}

#[test]
fn ctrl_c_first_closes_what_is_open() {
    let mut console = console();
    for keys in ["?", ":jobs", "/wat", "6i", "5s"] {
        console.keys(keys);
        console.keys("<ctrl-c>");
        assert!(!console.quit, "after {keys}");
        assert!(console.app.popups.is_empty() && console.app.typing.is_none(), "after {keys}");
        console.keys("1");
        assert_eq!(console.app.current, 1, "after {keys} letters are keys again");
    }
    assert!(console.screen(80, 24).contains("dataops"), "the filter that was typed is gone");
    console.keys("<ctrl-c>");
    assert!(console.quit);
}

#[test]
fn ctrl_c_keeps_the_sql_that_is_typed() {
    let mut console = console();
    console.keys("6iselect 42<ctrl-c>");
    assert!(!console.quit && console.screen(80, 24).contains("select 42"));
}

#[test]
fn ctrl_c_cancels_a_query_that_runs_in_another_pane() {
    let mut console = console();
    console.keys("6iselect 1");
    console.hang = true;
    console.keys("<f5>1<ctrl-c>");
    assert!(!console.quit && console.screen(80, 24).contains("cancelling"));
    console.keys("<ctrl-c>");
    assert!(console.quit);
}

#[test]
fn ctrl_c_for_a_query_that_has_just_ended_does_not_quit() {
    let mut console = console();
    console.keys("6iselect 1<f5><ctrl-c>");
    assert!(!console.quit && console.screen(80, 24).contains("once more to quit"));
    console.keys("<ctrl-c>");
    assert!(console.quit);
    let mut console = self::console();
    console.keys("6iselect 1<f5>j<ctrl-c>");
    assert!(console.quit, "whoever has done something since means the console");
}

#[test]
fn what_was_cancelled_is_no_longer_being_cancelled() {
    let mut console = Console::open(Box::new(|request| Ok(answer(request))));
    console.keys("6iselect 1");
    console.hang = true;
    console.keys("<f5>");
    console.asked.clear();
    console.keys("<ctrl-c>");
    let request = Request::Query { sql: "select 1".into(), database: Some("crypto_stream".into()), workgroup: None };
    let now = super::testing::at(0);
    // The generation is that of the newest load.
    for generation in 0..100 {
        console.send(Msg::Loaded { request: request.clone(), generation, result: Err("gone".into()), now });
    }
    let screen = console.screen(80, 24);
    assert!(screen.contains("the query was cancelled") && !screen.contains("cancelling"), "{screen}");
}

#[test]
fn another_name_is_said_to_be_another() {
    let mut console = console();
    let effect = Effect {
        what: "destroy",
        target: "crypto-stream-prod".into(),
        sentence: "crypto-stream-prod is destroyed".into(),
        strength: Strength::TypeName("crypto-stream-prod".into()),
    };
    console.send(Msg::Judged { act: Act::Destroy("crypto-stream".into()), result: Ok(effect) });
    console.keys("crypto-stream<enter>");
    assert!(console.screen(80, 24).contains("that is not crypto-stream-prod"));
    console.keys("-");
    assert!(!console.screen(80, 24).contains("that is not"));
    assert!(console.acts.is_empty());
}

#[test]
fn read_only_refuses_before_anything_is_typed() {
    let mut console = console();
    console.app.session.read_only = true;
    for keys in ["5s", "<tab>p"] {
        console.keys(keys);
        let screen = console.screen(80, 24);
        assert!(
            console.app.popups.is_empty() && screen.contains("read-only: ") && screen.contains(" is refused"),
            "{screen}"
        );
    }
}

#[test]
fn nothing_to_do_is_said_and_not_done() {
    let mut console = console();
    let effect = Effect {
        what: "deploy",
        target: "crypto-stream-dev".into(),
        sentence: "crypto-stream-dev: 0 to add".into(),
        strength: Strength::Free,
    };
    console.send(Msg::Judged { act: Act::Deploy("crypto-stream".into()), result: Ok(effect) });
    assert!(console.acts.is_empty() && console.screen(80, 24).contains("nothing to do"));
}

#[test]
fn a_filter_that_hides_all_runs_says_so() {
    let mut console = console();
    console.keys("3<enter>/zzzz<enter>");
    assert!(console.screen(80, 24).contains("no run fits the filter"));
    console.keys("e");
    assert!(console.screen(80, 24).contains("none of the runs that fit the filter failed"));
}

#[test]
fn a_protected_environment_is_seen() {
    use ratatui::style::Modifier;

    let mut console = console();
    let reversed = |console: &Console| {
        let buffer = console.buffer(80, 24);
        (0..80).filter(|x| buffer[(*x, 0)].modifier.contains(Modifier::REVERSED)).count()
    };
    assert_eq!(reversed(&console), 0);
    console.app.session.protected = true;
    assert_eq!(reversed(&console), " dev ".len());
}

#[test]
fn a_run_in_a_protected_environment_is_asked_for() {
    let mut console = console();
    let effect = Effect {
        what: "run",
        target: "crypto-stream-prod".into(),
        sentence: "crypto-stream runs once through all its stages in prod".into(),
        strength: Strength::Confirm,
    };
    console.send(Msg::Judged { act: Act::Run("crypto-stream".into()), result: Ok(effect) });
    assert!(console.acts.is_empty() && console.screen(80, 24).contains("all its stages in prod"));
    console.keys("y");
    assert_eq!(console.acts.len(), 1);
}

#[test]
fn why_a_run_failed_stands_below_the_runs() {
    let mut console = console();
    console.keys("3<enter>jj");
    let screen = console.screen(80, 24);
    assert!(screen.contains("✖ column \"deaths\" is missing"), "{screen}");
    console.keys("j");
    assert!(!console.screen(80, 24).contains("✖ column"));
}

#[test]
fn nothing_is_changed_by_one_key_in_a_protected_environment() {
    let mut console = console();
    console.app.session.protected = true;
    console.keys("3r");
    assert!(console.acts.is_empty() && console.screen(80, 24).contains("y: yes"));
    console.keys("n5<enter><ctrl-u>1<enter>");
    assert!(console.acts.is_empty() && console.screen(80, 24).contains("y: yes"));
    console.keys("y");
    assert_eq!(console.acts.len(), 1);
}

#[test]
fn a_query_that_is_taken_from_the_past_has_no_result_yet() {
    let mut console = console();
    console.keys("6iselect 1<f5>h<enter>");
    let screen = console.screen(80, 24);
    assert!(screen.contains("GROUP BY base") && !screen.contains("60000.5"), "{screen}");
}

#[test]
fn n_without_a_further_match_stays_among_the_matches() {
    let mut console = console();
    console.keys("4<enter>/error<enter>n");
    let screen = console.screen(80, 24);
    assert!(screen.contains("no further match") && !screen.contains("request 256"), "{screen}");
    assert!(screen.contains("fetch_prices") || screen.contains("clean_prices"), "{screen}");
    assert!(screen.contains("\"error\": 6 · following"), "{screen}");
}

#[test]
fn what_comes_while_one_types_waits_until_that_is_done() {
    let mut console = console();
    console.keys(":buckets m");
    let effect = Effect {
        what: "destroy",
        target: "crypto-stream-dev".into(),
        sentence: "it is destroyed".into(),
        strength: Strength::Confirm,
    };
    console.send(Msg::Judged { act: Act::Destroy("crypto-stream".into()), result: Ok(effect) });
    assert!(!console.screen(80, 24).contains("it is destroyed"));
    console.keys("y");
    assert!(console.acts.is_empty());
    console.keys("<esc>");
    assert!(console.screen(80, 24).contains("it is destroyed"));
    console.keys("y");
    assert_eq!(console.acts.len(), 1);
}
