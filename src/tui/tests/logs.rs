use super::{console, fixture::harmless, screens};
use crate::{
    cloud::logs::{InsightsResult, Live},
    tui::data::{Data, Request},
};

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
            crate::tui::data::Request::Logs { .. } => {
                super::fixture::logs(vec![(0, "東x".repeat(250_000)), (1, "after".into())], false)
            }
            other => super::fixture::answer(other),
        })
    }));
    console.keys("4<enter>g<right>w");
    assert!(console.screen(80, 24).contains("東x"));
    console.keys("j");
    assert!(console.screen(80, 24).contains("after"));
}

/// A cloud that cannot count events, which answers to `Request::Logs` as `reads` says; what is asked is written down.
fn uncounted(reads: impl Fn(&Request) -> Data + 'static) -> super::testing::Console {
    super::testing::Console::open(Box::new(move |request| {
        Ok(match (request, super::fixture::answer(request)) {
            (Request::LogGroups, Data::LogGroups(mut groups)) => {
                for group in &mut groups {
                    group.events = None;
                }
                Data::LogGroups(groups)
            }
            (Request::Logs { .. }, _) => reads(request),
            (_, other) => other,
        })
    }))
}

fn lines(n: i64) -> Vec<(i64, String)> {
    (0..n).map(|n| (super::testing::at(n - 60).as_millisecond(), format!("line {n}"))).collect()
}

#[test]
fn where_events_are_not_counted_the_newest_are_read_and_older_ones_when_asked_for() {
    let mut console = uncounted(|request| {
        let Request::Logs { after, .. } = request else { unreachable!() };
        super::fixture::logs(if after.is_some() { vec![] } else { lines(3) }, false)
    });
    let reaches = |console: &super::testing::Console| -> Vec<_> {
        let reach = |request: &Request| match request {
            Request::Logs { reach, after: None, .. } => Some((reach.newest, reach.since)),
            _ => None,
        };
        console.asked.iter().filter_map(reach).collect()
    };
    console.keys("4<enter>");
    assert_eq!(reaches(&console), [(true, None)]);
    console.keys("o");
    let asked = reaches(&console);
    assert_eq!((asked.len(), asked[1].0), (2, false));
    let back = super::testing::at(0).duration_since(asked[1].1.unwrap());
    assert_eq!(back.as_hours(), 10);
    console.keys("o");
    assert_eq!(super::testing::at(0).duration_since(reaches(&console)[2].1.unwrap()).as_hours(), 100);
}

#[test]
fn live_tail_is_said_and_so_is_its_end() {
    let state = std::rc::Rc::new(std::cell::Cell::new(0));
    let mut console = uncounted({
        let state = state.clone();
        move |request| {
            let Request::Logs { live, .. } = request else { unreachable!() };
            let told = match state.get() {
                _ if !live => None,
                0 => Some(Live::On { sampled: true }),
                _ => Some(Live::Off { why: "live tail has ended".into() }),
            };
            let Data::Logs { lines, next, .. } = super::fixture::logs(lines(1), false) else { unreachable!() };
            Data::Logs { lines, next, more: false, again: None, live: told }
        }
    });
    console.keys("4<enter>L");
    let screen = console.screen(80, 24);
    assert!(screen.contains("live, sampled") && screen.contains("live tail is sampled"), "{screen}");
    state.set(1);
    console.keys("R");
    let screen = console.screen(80, 24);
    assert!(screen.contains("live tail has ended; looking from time to time instead"), "{screen}");
    assert!(screen.contains("following"), "{screen}");
}

#[test]
fn a_query_over_the_open_group_shows_its_rows() {
    let mut console = super::testing::Console::open(Box::new(|request| {
        Ok(match request {
            Request::Insights(query) => {
                assert_eq!(query.groups, ["/aws-glue/jobs/crypto-stream-dev-clean_prices"]);
                Data::Insights(InsightsResult {
                    columns: vec!["level".into(), "n".into()],
                    rows: vec![vec![Some(super::fixture::HOSTILE.into()), Some("17".into())]],
                    records_scanned: 1_204,
                    records_matched: 17,
                    bytes_scanned: 1_073_741_824,
                })
            }
            other => super::fixture::answer(other),
        })
    }));
    console.keys("4<enter>i");
    assert!(console.screen(80, 24).contains("insights fields @timestamp"));
    console.keys("<ctrl-u>insights stats count(*) by level<enter>");
    let screen = console.screen(80, 24);
    assert!(screen.contains("17 of 1,204 events matched, 1.0 GiB scanned, about $0.0050"), "{screen}");
    assert!(harmless(&screen));
}
