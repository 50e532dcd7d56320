//! The charts of a dashboard.

use super::{
    fixture::{HOSTILE, answer, harmless},
    screens,
    testing::{Console, at},
};
use crate::{
    backend::dashboards::{Drawn, Line},
    tui::data::{Data, Request},
};

const DAY: i64 = 86_400;

/// A curve over 253 days from 2020-01-21 on, like those of the pandemic's first year.
fn chart(title: &str, most: f64, slope: f64) -> Drawn {
    let first = "2020-01-21T00:00:00Z".parse::<jiff::Timestamp>().expect("a time").as_second();
    let value = |n: i64| most / (1.0 + (-(n as f64 - 170.0) / slope).exp());
    let point = |n: i64| (jiff::Timestamp::from_second(first + n * DAY).expect("a time"), value(n).floor());
    Drawn {
        title: title.into(),
        lines: vec![Line { name: title.to_lowercase(), points: (0..253).map(point).collect() }],
        error: None,
    }
}

/// What covid-etl shows: three series of 2020, and what was measured today.
fn covid() -> Vec<Drawn> {
    let line = |name: &str, value| Line { name: name.into(), points: vec![(at(0), value)] };
    let newest = vec![line("cases", 7_150_000.0), line("deaths", 205_000.0), line("recovered", 2_800_000.0)];
    vec![
        chart("Cases", 7_500_000.0, 30.0),
        chart("Deaths", 210_000.0, 40.0),
        chart("Recovered", 2_900_000.0, 25.0),
        Drawn { title: "The newest day".into(), lines: newest, error: None },
    ]
}

fn open(drawn: Result<Vec<Drawn>, String>) -> Console {
    let mut console = Console::open(Box::new(move |request| {
        Ok(match request {
            Request::View(_) => {
                let mut data = answer(request);
                if let Data::View(view) = &mut data {
                    view.stages[0].stage.kind = "dashboard";
                    view.stages[0].stage.physical_name = "covid-etl-dev-daily".into();
                }
                data
            }
            Request::Dashboard(name) => {
                assert_eq!(name, "covid-etl-dev-daily");
                Data::Dashboard(drawn.clone()?)
            }
            other => answer(other),
        })
    }));
    console.keys("d");
    console
}

#[test]
fn each_chart_spans_its_own_days() {
    let console = open(Ok(covid()));
    screens!(console);
    assert!(harmless(&console.screen(80, 24)));
}

#[test]
fn a_chosen_range_is_that_of_all_charts() {
    let mut console = open(Ok(covid()));
    console.keys("+<right>");
    screens!(console);
    console.keys("0");
    let screen = console.screen(160, 50);
    assert!(screen.contains("Cases · 2020-01-21 to 2020-09-29"), "{screen}");
    // The one that is first says where a range begins.
    console.keys("jjj");
    assert!(console.screen(160, 50).contains("The newest day · cases · 2026-11-20: 7,150,000"));
    console.keys("<esc>");
    assert!(console.screen(160, 50).contains("Pipelines"));
}

#[test]
fn charts_in_ascii_alone() {
    let mut console = open(Ok(covid()));
    console.ascii = true;
    let screen = console.screen(80, 24);
    assert!(screen.is_ascii(), "{screen}");
    insta::assert_snapshot!(screen);
}

#[test]
fn a_chart_without_data_and_one_that_failed_leave_the_others() {
    let empty =
        Drawn { title: "Deaths".into(), lines: vec![Line { name: "deaths".into(), points: vec![] }], error: None };
    let failed = Drawn {
        title: format!("Recovered {HOSTILE}"),
        lines: vec![],
        error: Some(format!("column \"recovered\" does not exist {HOSTILE}")),
    };
    let mut console = open(Ok(vec![chart("Cases", 7_500_000.0, 30.0), empty.clone(), failed.clone()]));
    screens!(console);
    assert!(harmless(&console.screen(80, 24)));
    console.keys("+<left>");
    assert!(console.screen(80, 24).contains("Deaths: nothing in these days"), "{}", console.screen(80, 24));
    // Where nothing is known at all, no key has anything to choose from.
    let mut console = open(Ok(vec![empty, failed]));
    console.keys("+-<left><right>jkG");
    assert!(console.screen(80, 24).contains("does not exist"), "{}", console.screen(80, 24));
}

#[test]
fn a_dashboard_that_cannot_be_read_says_why() {
    let console = open(Err("the stacks could not be read".into()));
    let screen = console.screen(80, 24);
    assert!(screen.contains("✖ the stacks could not be read"), "{screen}");
    let console = open(Ok(vec![]));
    assert!(console.screen(80, 24).contains("it has no charts"));
}
