//! From one pane to what matters in another.

use std::{cell::RefCell, rc::Rc};

use super::{
    console,
    fixture::{HOSTILE, answer},
    testing::{Console, at},
};
use crate::{
    backend::overview::Health,
    cloud::{
        alerts::AlarmState,
        jobs::{JobRun, JobRunState},
    },
    tui::{
        data::{Act, Data, Request},
        msg::Msg,
    },
};

/// A console whose answers are changed on their way.
fn changed(change: impl Fn(&Request, &mut Data) + 'static) -> Console {
    Console::open(Box::new(move |request| {
        let mut data = answer(request);
        change(request, &mut data);
        Ok(data)
    }))
}

#[test]
fn pasted_lines_stay_lines() {
    let mut console = console();
    console.keys("6i");
    console.send(Msg::Paste("select base,\r  count(*) as n -- all\r\nfrom prices\ngroup by base".into()));
    console.keys("<f5>");
    let sql = "select base,\n  count(*) as n -- all\nfrom prices\ngroup by base".to_owned();
    assert!(console.asked.contains(&Request::Query { sql, database: Some("crypto_stream".into()), workgroup: None }));
}

#[test]
fn e_opens_the_run_that_failed_though_it_came_after_the_last_visit() {
    let runs: Rc<RefCell<Vec<JobRun>>> = Rc::default();
    let shown = runs.clone();
    let mut console = changed(move |_, data| {
        if let Data::Runs(runs, _) = data {
            // The fixture's fourth run is stopped, its second succeeded.
            runs.retain(|r| r.state == JobRunState::Succeeded);
            runs.splice(0..0, shown.borrow().iter().cloned());
        }
    });
    console.keys("3<enter>1");
    let mut failed = match answer(&Request::Runs("crypto-stream-dev-clean_prices".into())) {
        Data::Runs(runs, _) => runs.into_iter().find(|r| r.state == JobRunState::Failed).unwrap(),
        _ => unreachable!(),
    };
    failed.id = "jr_new".into();
    failed.started = at(0);
    runs.borrow_mut().push(failed);
    // The fixture's first pipeline has a job that failed.
    console.keys("e");
    assert_eq!(console.app.current, 3);
    console.keys("<enter>");
    let screen = console.screen(80, 24);
    assert!(screen.contains("Run jr_new") && screen.contains("state        FAILED"), "{screen}");
}

#[test]
fn e_finds_the_error_above_where_one_follows() {
    let mut console = console();
    // Following: the cursor is on the last line, and the last error is number 257.
    console.keys("4<enter>e<enter>");
    assert!(console.screen(80, 24).contains("request 257"), "{}", console.screen(80, 24));
    // From the last one on to the first.
    console.keys("<esc>e<enter>");
    assert!(console.screen(80, 24).contains("request 7:"));
    // Below a line: the next one.
    console.keys("<esc>e<enter>");
    assert!(console.screen(80, 24).contains("request 57"));
}

#[test]
fn a_panic_is_an_error_and_is_shown_in_the_middle() {
    let mut console = changed(|_, data| {
        if let Data::Logs { lines, .. } = data {
            for (_, line) in lines.iter_mut() {
                *line = "all is well".into();
            }
            if let Some(line) = lines.get_mut(100) {
                line.1 = "thread 'main' PANICKED at src/main.rs".into();
            }
        }
    });
    console.keys("4<enter>");
    console.screen(80, 24);
    console.keys("e");
    let screen = console.screen(80, 24);
    let row = screen.lines().position(|line| line.contains("PANICKED")).expect("the line");
    assert!((8..16).contains(&row), "{screen}");
}

#[test]
fn e_in_overview_lands_on_the_error_of_a_function() {
    let mut console = changed(|_, data| {
        if let Data::View(view) = data {
            view.stages.iter_mut().for_each(|s| s.health = Health::Idle);
            view.stages[1].health = Health::Warning;
            view.stages[4].health = Health::Bad;
        }
    });
    // Read before, and left in the middle of it.
    console.keys(":logs /aws/lambda/crypto-stream-dev-alert_on_price<enter>gjj1e");
    assert_eq!(console.app.current, 4);
    console.keys("<enter>");
    assert!(console.screen(80, 24).contains("request 257"), "{}", console.screen(80, 24));
}

#[test]
fn e_in_overview_goes_to_what_is_in_alarm() {
    let mut console = changed(|_, data| match data {
        Data::Pipelines(pipelines) => {
            for pipeline in pipelines {
                pipeline.in_alarm = pipeline.name == "crypto-stream";
                pipeline.health = if pipeline.in_alarm { Health::Warning } else { Health::Idle };
            }
        }
        Data::View(view) => view.stages.iter_mut().for_each(|s| s.health = Health::Idle),
        Data::Alerts(alerts, ..) => {
            for (at, alert) in alerts.iter_mut().enumerate() {
                alert.state = if at == 1 { AlarmState::Alarm } else { AlarmState::Ok };
                alert.name = format!("alert-{at}");
            }
        }
        _ => {}
    });
    // It is what one sees first. From another one: first to the pipeline that is not well, then to what is wrong with it.
    assert!(console.screen(80, 24).contains("crypto-stream · 3 rec/min"), "{}", console.screen(80, 24));
    console.keys("ge");
    assert_eq!(console.app.current, 1);
    console.keys("e");
    assert_eq!(console.app.current, 5);
    console.keys("<enter>");
    assert!(console.screen(80, 24).contains("Set alert-1"), "{}", console.screen(80, 24));
}

#[test]
fn in_the_tree_j_goes_to_the_row_below() {
    let mut console = console();
    console.keys("j<enter>");
    let mut seen = Vec::new();
    for _ in 0..13 {
        let buffer = console.buffer(80, 40);
        let row = (0..40).find(|y| {
            buffer[(40, *y)].modifier.contains(ratatui::style::Modifier::REVERSED)
                || buffer[(60, *y)].modifier.contains(ratatui::style::Modifier::REVERSED)
        });
        seen.push(row.expect("a selected row"));
        console.keys("j");
    }
    let first = seen[0];
    assert_eq!(seen, (first..first + 13).collect::<Vec<_>>());
}

const MISTAKES: &str = "error: `shards` of stream.prices is a text, not a whole number
  --> pipelines/crypto-stream/pipeline.toml:32:10
   |
32 | shards = \"1\"
   |          ^^^
   = help: write shards = 1

error: no section is named `topik`
  --> pipelines/crypto-stream/pipeline.toml:60:1
   |
60 | [topik.another]
   |  ^^^^^
   = help: write topic";

#[test]
fn a_mistake_in_pipeline_toml_is_told_in_full() {
    let broken = Rc::new(RefCell::new(true));
    let switch = broken.clone();
    let mut console = Console::open(Box::new(move |request| match request {
        Request::View(_) | Request::Plan(_) | Request::WholePlan(_) if *switch.borrow() => Err(MISTAKES.into()),
        _ => Ok(answer(request)),
    }));
    for keys in ["j", "7"] {
        console.keys(keys);
        let screen = console.screen(160, 50);
        assert!(screen.contains("help: write shards = 1") && screen.contains("[topik.another]"), "{screen}");
        console.keys("e");
        let screen = console.screen(80, 24);
        assert!(screen.contains("help: write shards = 1") && screen.contains("toml:32:10"), "{screen}");
        console.keys("<esc>");
    }
    console.keys("<enter><enter>");
    assert!(console.screen(80, 24).contains("toml:32:10"));
    // What is old is still seen below.
    *broken.borrow_mut() = false;
    console.keys("<esc>1R");
    *broken.borrow_mut() = true;
    console.keys("R");
    let screen = console.screen(80, 24);
    assert!(screen.contains("old: error") && screen.contains("fetch_prices"), "{screen}");
}

#[test]
fn what_is_not_there_is_said_though_the_list_comes_later() {
    for (line, wanted) in [
        (":deploy nope", "no pipeline nope"),
        (":overview nope", "no pipeline nope"),
        (":jobs nope", "no job nope"),
        (":jobs crypto-stream/nope", "no job crypto-stream-dev-nope"),
        (":logs /aws/nope", "no log group /aws/nope"),
        (":logs crypto-stream/nope", "no log group crypto-stream/nope"),
        (":buckets nope", "no bucket nope"),
        (":buckets crypto-stream/nope", "no bucket crypto-stream/nope"),
    ] {
        let mut console = Console::open(Box::new(|request| match request {
            Request::View(name) if name == "nope" => Err("no pipeline nope".into()),
            _ => Ok(answer(request)),
        }));
        // Once while nothing has been read, once when everything has.
        for _ in 0..2 {
            console.keys(&format!("{line}<enter>"));
            let screen = console.screen(80, 24);
            assert!(screen.lines().last().unwrap().contains(wanted), "{line}: {screen}");
        }
    }
}

#[test]
fn a_thing_goes_by_its_pipeline_and_its_name() {
    for _ in 0..2 {
        let mut console = console();
        console.keys(":logs crypto-stream/fetch_prices<enter>");
        assert!(console.screen(80, 24).contains("fetch_prices · 300 lines"), "{}", console.screen(80, 24));
        console.keys(":buckets crypto-stream/landing<enter>");
        assert!(console.screen(80, 24).contains("s3://crypto-stream-dev-landing/"), "{}", console.screen(80, 24));
        console.keys(":jobs covid-etl/merge<enter>");
        assert!(console.screen(80, 24).contains("Runs of covid-etl-dev-merge"));
    }
}

#[test]
fn names_complete_in_panes_that_nobody_has_seen() {
    let mut console = console();
    console.keys(":buckets landing<tab>");
    assert!(console.screen(80, 24).contains(":buckets crypto-stream-dev-landing"), "{}", console.screen(80, 24));
}

#[test]
fn out_of_a_prefix_with_an_empty_name() {
    let mut console = changed(|request, data| {
        if let (Request::Objects { prefix, .. }, Data::Objects(page)) = (request, data) {
            page.objects.clear();
            page.prefixes = match prefix.as_str() {
                "" => vec!["test/".into()],
                "test/" => vec!["test//".into()],
                _ => Vec::new(),
            };
        }
    });
    console.keys("2<enter><enter><enter>");
    assert!(console.screen(80, 24).contains("landing/test//"));
    console.keys("<esc>");
    let screen = console.screen(80, 24);
    assert!(screen.contains("landing/test/ ") && !screen.contains("landing/test//"), "{screen}");
    assert!(!screen.contains(HOSTILE));
}

#[test]
fn the_plan_is_shown_though_an_earlier_deploy_has_just_ended() {
    let mut console = console();
    console.keys("7j");
    console.send(Msg::Progress(crate::cloud::stacks::StackEvent {
        time: at(0),
        stack: "crypto-stream-dev".into(),
        logical_id: "LandingBucket".into(),
        kind: "bucket".into(),
        status: "CREATE_COMPLETE".into(),
        reason: None,
        done: 4,
        total: 4,
    }));
    console.send(Msg::Acted { act: Act::Deploy("crypto-stream".into()), result: Ok("done".into()) });
    assert!(console.screen(80, 24).contains("ended; p plans again"));
    console.keys("1jD");
    assert!(console.screen(80, 24).contains("Plan of crypto-stream-dev"), "{}", console.screen(80, 24));
}

#[test]
fn a_broken_file_is_told_though_all_stages_are_well() {
    let mut console = changed(|_, data| match data {
        Data::Pipelines(pipelines) => {
            pipelines[1].health = Health::Bad;
            pipelines[1].words = "pipeline.toml:32:10: `shards` of stream.prices is a text".into();
        }
        Data::View(view) => view.stages.iter_mut().for_each(|s| s.health = Health::Idle),
        _ => {}
    });
    console.keys("j");
    let screen = console.screen(80, 24);
    assert!(screen.contains("✖ pipeline.toml:32:10: `shards`"), "{screen}");
    console.keys("e");
    assert_eq!(console.app.current, 7);
}

#[test]
fn the_reason_at_the_end_of_an_error_is_seen_in_overview() {
    let why = "s3://crypto-stream-dev-landing/2026/11/20/07/garbage.json line 1: not JSON (key must be a string)";
    let mut console = changed(move |_, data| {
        if let Data::View(view) = data {
            view.stages[6].health = Health::Bad;
            view.stages[6].detail = Some(why.into());
        }
    });
    console.keys("j");
    let screen = console.screen(80, 24);
    assert!(screen.contains("JSON (key must be a string)"), "{screen}");
}
