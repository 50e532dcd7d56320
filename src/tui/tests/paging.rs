use super::{
    fixture::answer,
    testing::{Console, at},
};
use crate::{
    cloud::{buckets::Bucket, logs::LogGroup},
    tui::{
        data::{Data, Request},
        msg::Msg,
    },
};

fn groups(names: &[&str]) -> Data {
    let group = |name: &&str| LogGroup {
        name: (*name).to_owned(),
        pipeline: None,
        events: None,
        bytes: None,
        last_event: None,
    };
    Data::LogGroups(names.iter().map(group).collect())
}

/// A console that waits for its log groups, and the generation in which it asked.
fn waiting() -> (Console, u64) {
    let mut console = Console::open(Box::new(|r| Ok(answer(r))));
    console.hang = true;
    console.keys("4");
    let generation = generation(&console, &Request::LogGroups);
    (console, generation)
}

fn generation(console: &Console, wanted: &Request) -> u64 {
    console.unanswered.iter().rev().find(|(r, _)| r == wanted).expect("it was asked for").1
}

fn part(generation: u64, names: &[&str]) -> Msg {
    Msg::Arrived { request: Request::LogGroups, generation, part: groups(names), now: at(0) }
}

fn end(generation: u64, result: Result<Data, String>) -> Msg {
    Msg::Loaded { request: Request::LogGroups, generation, result, now: at(0) }
}

#[test]
fn a_list_is_seen_and_used_while_it_arrives() {
    let (mut console, generation) = waiting();
    console.send(part(generation, &["/aws/lambda/a", "/aws/lambda/b"]));
    console.keys("j/b<enter>");
    console.send(part(generation, &["/aws/lambda/bb", "/other"]));
    let screen = console.screen(160, 50);
    assert!(screen.contains("Log groups · loading … 4"), "{screen}");
    assert!(screen.contains("/aws/lambda/bb") && !screen.contains("/other"), "{screen}");
    assert_eq!(console.app.shown().map(crate::tui::panes::Pane::filter_text), Some("b"));
    console.send(end(generation, Ok(groups(&["/aws/lambda/a", "/aws/lambda/b", "/aws/lambda/bb", "/other"]))));
    let screen = console.screen(160, 50);
    assert!(!screen.contains("loading"), "{screen}");
    console.keys("<enter>");
    let opened = console.asked.iter().any(|r| matches!(r, Request::Logs { group, .. } if group == "/aws/lambda/b"));
    assert!(opened, "the selection stays: {:?}", console.asked);
}

#[test]
fn an_error_in_the_middle_keeps_what_came_and_says_how_to_go_on() {
    let (mut console, generation) = waiting();
    console.send(part(generation, &["/aws/lambda/a", "/aws/lambda/b"]));
    console.send(end(generation, Err("throttled: Rate exceeded".into())));
    let screen = console.screen(160, 50);
    assert!(screen.contains("not all of it came: throttled: Rate") && screen.contains("/aws/lambda/b"), "{screen}");
    console.keys("R");
    let again = self::generation(&console, &Request::LogGroups);
    assert!(again > generation);
    // The same parts again take the place of those that are there.
    console.send(part(again, &["/aws/lambda/a", "/aws/lambda/b", "/aws/lambda/c"]));
    let screen = console.screen(160, 50);
    assert_eq!(screen.matches("/aws/lambda/a").count(), 1, "{screen}");
    console.send(end(again, Ok(groups(&["/aws/lambda/c"]))));
    let screen = console.screen(160, 50);
    assert!(!screen.contains("not all") && !screen.contains("/aws/lambda/a"), "{screen}");
}

#[test]
fn a_part_of_an_older_read_is_dropped() {
    let (mut console, generation) = waiting();
    console.keys("R");
    console.send(part(generation, &["/stale"]));
    assert!(!console.screen(160, 50).contains("/stale"));
}

#[test]
fn a_whole_list_stays_until_the_next_is_whole() {
    let mut console = Console::open(Box::new(|r| Ok(answer(r))));
    console.keys("4");
    console.hang = true;
    console.keys("R");
    let generation = generation(&console, &Request::LogGroups);
    console.send(part(generation, &["/new"]));
    let screen = console.screen(160, 50);
    assert!(screen.contains("loading … 1") && screen.contains("fetch_prices") && !screen.contains("/new"), "{screen}");
}

#[test]
fn the_catalog_is_a_tree_while_it_arrives() {
    let mut console = Console::open(Box::new(|r| Ok(answer(r))));
    console.hang = true;
    console.keys("6");
    let Data::Catalog(databases) = answer(&Request::Catalog) else { panic!("databases") };
    let name = databases[0].name.clone();
    let asked = generation(&console, &Request::Catalog);
    let part = Data::Catalog(databases.clone());
    console.send(Msg::Arrived { request: Request::Catalog, generation: asked, part, now: at(0) });
    let screen = console.screen(160, 50);
    assert!(screen.contains("Catalog · loading …") && screen.contains(&name), "{screen}");
    let result = Ok(Data::Catalog(databases));
    console.send(Msg::Loaded { request: Request::Catalog, generation: asked, result, now: at(0) });
    assert_eq!(console.screen(160, 50).matches(&format!("▸ {name}")).count(), 1);
    let request = Request::Tables(name);
    let Data::Tables(tables) = answer(&request) else { panic!("tables") };
    let asked = generation(&console, &request);
    let table = tables[0].name.clone();
    console.send(Msg::Arrived { request, generation: asked, part: Data::Tables(tables), now: at(0) });
    let screen = console.screen(160, 50);
    assert!(screen.contains(&format!("▦ {table}")), "{screen}");
}

#[test]
fn buckets_and_jobs_and_alerts_arrive_in_parts_too() {
    let mut console = Console::open(Box::new(|r| Ok(answer(r))));
    console.hang = true;
    let bucket = Bucket { name: "raw".into(), pipeline: None, created: None, region: None, objects: None, bytes: None };
    let Data::Jobs(jobs) = answer(&Request::Jobs) else { panic!("jobs") };
    let Data::Alerts(alerts, topics, _) = answer(&Request::Alerts) else { panic!("alerts") };
    let (job, topic) = (jobs[0].name.clone(), topics[0].name.clone());
    for (pane, request, data, seen) in [
        ("2", Request::Buckets, Data::Buckets(vec![bucket]), "raw".to_owned()),
        ("3", Request::Jobs, Data::Jobs(jobs), job),
        ("5", Request::Alerts, Data::Alerts(alerts, topics, vec![]), topic),
    ] {
        console.keys(pane);
        let generation = generation(&console, &request);
        console.send(Msg::Arrived { request, generation, part: data, now: at(0) });
        let screen = console.screen(160, 50);
        assert!(screen.contains("loading …") && screen.contains(&seen), "{screen}");
    }
}
