use super::{console, fixture::harmless, screens};

#[test]
fn groups_then_lines() {
    let mut console = console();
    console.keys("4");
    screens!(console);
    console.keys("G<enter>");
    screens!(console);
    assert!(harmless(&console.screen(80, 24)));
}

#[test]
fn a_filter_narrows_and_n_goes_on_among_all_lines() {
    let mut console = console();
    console.keys("4<enter>/error<enter>");
    let screen = console.screen(80, 24);
    assert!(screen.contains("\"error\": 6"), "{screen}");
    assert!(screen.contains("request 257") && !screen.contains("request 256"), "{screen}");
    console.keys("gn");
    let screen = console.screen(80, 24);
    assert!(screen.contains("request 57") && screen.contains("request 56"), "{screen}");
    console.keys("N");
    assert!(console.screen(80, 24).contains("request 7:"));
    console.keys("<esc>");
    assert!(console.screen(80, 24).contains("300 lines ─"));
}

#[test]
fn wrapped_and_without_times() {
    let mut console = console();
    console.keys("4<enter>wtgjjjjjjj");
    screens!(console);
    console.keys("G");
    assert!(console.screen(80, 24).contains("request 299"));
}

#[test]
fn e_goes_to_the_next_error() {
    let mut console = console();
    console.keys("4<enter>ge<enter>");
    let screen = console.screen(80, 24);
    assert!(screen.contains("2026-11-20T13:55:07Z"), "{screen}");
}

#[test]
fn a_line_of_a_megabyte_is_a_line() {
    let mut console = super::testing::Console::open(Box::new(|request| {
        Ok(match request {
            crate::tui::data::Request::Logs { .. } => crate::tui::data::Data::Logs {
                lines: vec![(0, "東x".repeat(250_000)), (1, "after".into())],
                next: Some(2),
                more: false,
            },
            other => super::fixture::answer(other),
        })
    }));
    console.keys("4<enter>g<right>w");
    assert!(console.screen(80, 24).contains("東x"));
    console.keys("j");
    assert!(console.screen(80, 24).contains("after"));
}
