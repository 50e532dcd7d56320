//! What does not fit says so, and what is most wanted is cut last.

use super::{
    console,
    fixture::answer,
    testing::{Console, at},
};
use crate::{
    cloud::stacks::{Evaluation, PropertyChange},
    tui::data::{Data, Request},
};

/// A console on what is changed on its way.
fn changed(change: impl Fn(&mut Data) + 'static) -> Console {
    Console::open(Box::new(move |request| {
        let mut data = answer(request);
        change(&mut data);
        Ok(data)
    }))
}

#[test]
fn hints_go_as_a_whole_and_help_and_the_way_out_stay() {
    let mut console = console();
    for pane in ["1", "2", "3", "4", "5", "6", "7"] {
        console.keys(pane);
        for width in [60, 70, 80, 160] {
            let screen = console.screen(width, 24);
            let footer = screen.lines().last().unwrap();
            assert!(footer.ends_with("? keys  q quit"), "{footer:?}");
            assert!(!footer.contains('…'), "{footer:?}");
        }
    }
}

#[test]
fn a_stage_with_much_to_say_says_it_where_there_is_room() {
    let mut console = changed(|data| {
        if let Data::View(view) = data {
            view.stages[2].figure = "3 waiting, 56 s left".into();
            view.stages[1].figure = "1,204,311 rec/min and more".into();
        }
    });
    console.keys("j");
    let screen = console.screen(240, 50);
    assert!(screen.contains("3 waiting, 56 s left") && screen.contains("1,204,311 rec/min and more"), "{screen}");
    let screen = console.screen(60, 15);
    assert!(screen.contains("3 waiting, 56 s le…"), "{screen}");
}

#[test]
fn the_new_value_of_a_change_is_seen() {
    let mut console = changed(|data| {
        if let Data::Plan(plan) = data {
            plan.changes[1].properties = vec![PropertyChange {
                path: "schedule".into(),
                before: Some("cron(5 * * * ? *)".into()),
                after: Some("cron(35 * * * ? *)".into()),
                requires_replacement: false,
                evaluation: Evaluation::Static,
                cause: None,
            }];
        }
    });
    console.keys("7j");
    let screen = console.screen(80, 24);
    assert!(screen.contains("→ \"cron(35 * *"), "{screen}");
    let screen = console.screen(160, 50);
    assert!(screen.contains("schedule: \"cron(5 * * * ? *)\" → \"cron(35 * * * ? *)\""), "{screen}");
}

#[test]
fn who_deployed_and_why_it_failed_is_seen_at_80_columns() {
    let mut console = console();
    console.keys("7");
    let screen = console.screen(80, 24);
    assert!(screen.contains("12:00:00  the bucket") && screen.contains("12:00:00  ada"), "{screen}");
}

#[test]
fn nothing_stands_below_what_says_that_there_is_nothing() {
    let mut console = console();
    console.keys("2/zzzz<enter>");
    let screen = console.screen(80, 24);
    assert!(screen.contains("nothing fits the filter") && !screen.contains("objects"), "{screen}");
}

#[test]
fn what_is_not_deployed_says_how_to_deploy_it() {
    let mut console = console();
    console.keys("G");
    let screen = console.screen(80, 24);
    assert!(screen.contains("not deployed yet: D shows"), "{screen}");
    assert!(screen.lines().last().unwrap().contains("D deploy"), "{screen}");
}

#[test]
fn one_is_not_many() {
    let mut console = Console::open(Box::new(|request| {
        Ok(match (request, answer(request)) {
            (Request::Query { .. }, Data::Query(mut result)) => {
                result.rows.truncate(1);
                Data::Query(result)
            }
            (Request::Logs { after: None, .. }, _) => {
                super::fixture::logs(vec![(at(0).as_millisecond(), "one".into())], false)
            }
            (_, data) => data,
        })
    }));
    console.keys("6iselect 1<f5>");
    assert!(console.screen(80, 24).contains("Result · 1 row ·"));
    console.keys("4<enter>");
    assert!(console.screen(80, 24).contains("· 1 line ·"));
}

#[test]
fn the_timeline_shows_the_last_hour() {
    let mut console = changed(|data| {
        if let Data::View(view) = data {
            view.timeline[0].time = at(-40_000);
        }
    });
    console.keys("j");
    let screen = console.screen(80, 24);
    assert!(screen.contains("13:00") && screen.contains("14:00"), "{screen}");
}
