//! Crawlers and their crawls, beside the jobs.

use super::{
    fixture::{HOSTILE, answer, harmless},
    screens,
    testing::{Console, at},
};
use crate::{
    backend::{Consent, overview::Health},
    cloud::crawlers::{Crawl, CrawlState, Crawler, CrawlerState},
    tui::{
        data::{Act, Data, Request},
        msg::Msg,
    },
};

const RAW: &str = "dataops-dev-raw";
const REFERENCE: &str = "dataops-dev-reference";

fn crawl(crawler: &str, n: i64) -> Crawl {
    let state = match n % 3 {
        0 => CrawlState::Succeeded,
        1 => CrawlState::Failed,
        _ => CrawlState::Cancelled,
    };
    Crawl {
        id: Some(format!("c-{n}")),
        crawler: crawler.into(),
        state,
        trigger: Some("function dataops-dev-start_crawler".into()),
        started: Some(at(-3_600 * n - 42)),
        ended: Some(at(-3_600 * n)),
        tables_created: Some(u64::from(n == 0)),
        tables_updated: Some(2),
        partitions_created: Some(1_204),
        error: (state == CrawlState::Failed).then(|| format!("input/day={n}/: no two files are alike {HOSTILE}")),
        log_stream: Some(format!("c-{n}")),
    }
}

fn crawler(name: &str, state: CrawlerState, last: Option<i64>) -> Crawler {
    Crawler {
        name: name.into(),
        pipeline: Some("dataops".into()),
        database: Some("dataops".into()),
        table_prefix: None,
        locations: vec!["s3://dataops-dev-lake/input/".into()],
        state,
        schedule: None,
        next_run: None,
        log_group: "/aws-glue/crawlers".into(),
        last_crawl: last.map(|n| crawl(name, n)),
    }
}

fn with(change: impl Fn(&Request) -> Option<Result<Data, String>> + 'static) -> Console {
    Console::open(Box::new(move |request| {
        if let Some(changed) = change(request) {
            return changed;
        }
        Ok(match request {
            Request::Crawlers => Data::Crawlers(vec![
                crawler(RAW, CrawlerState::Ready, Some(0)),
                crawler(REFERENCE, CrawlerState::Running, Some(1)),
                crawler("dataops-dev-unused", CrawlerState::Ready, None),
            ]),
            Request::Crawls(name) if name == "dataops-dev-unused" => Data::Crawls(vec![]),
            Request::Crawls(name) => Data::Crawls((0..6).map(|n| crawl(name, n)).collect()),
            other => answer(other),
        })
    }))
}

fn console() -> Console {
    with(|_| None)
}

#[test]
fn crawlers_and_their_crawls() {
    let mut console = console();
    console.keys("3");
    assert!(!console.asked.contains(&Request::Crawls(RAW.into())), "nobody looks at them yet");
    console.keys("<tab><tab>");
    screens!(console);
    console.keys("<enter>j");
    screens!(console);
    assert!(harmless(&console.screen(80, 24)));
    console.keys("<enter>");
    let screen = console.screen(120, 40);
    assert!(screen.contains("Crawl c-1") && screen.contains("1,204 new partitions"), "{screen}");
    assert!(harmless(&screen));
}

#[test]
fn a_small_terminal_shows_names_and_states_of_jobs_and_crawlers_whole() {
    let mut console = console();
    console.keys("3");
    let screen = console.screen(80, 24);
    for whole in ["crypto-stream-dev-clean_prices", "covid-etl-dev-merge", RAW, "succeeded", "stopped", "running"] {
        assert!(screen.contains(whole), "{whole}: {screen}");
    }
}

#[test]
fn without_crawlers_the_jobs_have_the_whole_side() {
    let mut console = super::console();
    console.keys("3<tab><tab>");
    assert!(!console.screen(120, 40).contains("Crawlers"));
    console.keys("r");
    assert!(matches!(console.acts.as_slice(), [(Act::StartJob(_), _)]), "{:?}", console.acts);
}

#[test]
fn a_crawl_is_started_through_the_gate_and_one_at_work_is_told() {
    let mut console = console();
    console.keys("3<tab><tab>jr");
    let act = Act::StartCrawler(REFERENCE.into());
    assert_eq!(console.acts, [(act.clone(), Consent::None)]);
    let busy = "crawler dataops-dev-reference is at work already (CrawlerRunningException)";
    console.send(Msg::Acted { act, result: Err(busy.into()) });
    assert!(console.screen(160, 50).contains(busy), "{}", console.screen(160, 50));
    console.keys("sb");
    assert_eq!(console.acts.len(), 1, "no crawl is stopped, and no bookmark is reset");
}

#[test]
fn l_goes_to_the_log_of_the_crawl_and_e_to_the_one_that_failed() {
    let read = |console: &Console, wanted: &str| {
        console.asked.iter().any(|request| {
            matches!(request, Request::Logs { group, reach, after: None, .. }
                if group == "/aws-glue/crawlers" && reach.stream.as_deref() == Some(wanted))
        })
    };
    let mut console = console();
    console.keys("3<tab><tab>l");
    assert_eq!(console.app.current, 4);
    assert!(read(&console, "c-0"), "{:?}", console.asked);
    // The next that failed, and the one after that.
    console.keys("3<enter>eel");
    assert!(read(&console, "c-4"), "{:?}", console.asked);
    // A crawler that never ran has the group alone.
    console.keys("3<esc>Gl");
    assert_eq!(console.app.current, 4);
    assert!(console.screen(160, 50).contains("/aws-glue/crawlers"));
}

#[test]
fn crawls_are_filtered_by_their_words() {
    let mut console = console();
    console.keys("3<tab><tab><enter>/alike<enter>");
    let screen = console.screen(80, 24);
    assert!(screen.contains("FAILED") && !screen.contains("CANCELLED"), "{screen}");
    console.keys("<esc><esc>/unused<enter>");
    let screen = console.screen(80, 24);
    assert!(screen.contains("Crawls of dataops-dev-unused") && screen.contains("r starts one"), "{screen}");
}

#[test]
fn a_refusal_stays_in_its_frame() {
    let denied = || Some(Err("access denied: allow glue:ListCrawls on crawler to see this".into()));
    let mut console = with(move |request| matches!(request, Request::Crawls(_)).then(denied).flatten());
    console.keys("3<tab><tab>");
    let screen = console.screen(160, 50);
    assert!(screen.contains("✖ access denied: allow glue:ListCrawls") && screen.contains(RAW), "{screen}");
    // Who may not list them sees what others without crawlers see.
    let denied = || Some(Err("access denied: allow glue:GetCrawlers on crawler to see this".into()));
    let mut console = with(move |request| (*request == Request::Crawlers).then(denied).flatten());
    console.keys("3<tab><tab>");
    assert!(!console.screen(160, 50).contains("Crawlers"));
}

fn overview(health: Health) -> Console {
    with(move |request| {
        let Request::View(_) = request else { return None };
        let Data::View(mut view) = answer(request) else { return None };
        let stage = &mut view.stages[0];
        stage.stage.kind = "crawler";
        stage.stage.physical_name = REFERENCE.into();
        stage.health = health;
        view.stages.iter_mut().filter(|s| s.stage.kind == "job").for_each(|s| s.health = Health::Idle);
        Some(Ok(Data::View(view)))
    })
}

#[test]
fn a_stage_leads_to_its_crawls_and_e_to_the_one_that_failed() {
    let mut console = overview(Health::Idle);
    console.keys("<tab><enter>");
    assert_eq!(console.app.current, 3);
    let screen = console.screen(80, 24);
    assert!(screen.contains(&format!("Crawls of {REFERENCE}")), "{screen}");
    console.keys("1r");
    assert_eq!(console.acts, [(Act::StartCrawler(REFERENCE.into()), Consent::None)]);
    let mut console = overview(Health::Bad);
    console.keys("e<enter>");
    let screen = console.screen(80, 24);
    assert!(screen.contains("Crawl c-1") && screen.contains("FAILED"), "{screen}");
}

#[test]
fn a_crawler_that_is_gone_is_told_whether_or_not_the_list_was_there() {
    let gone = || {
        with(|request| match request {
            Request::Crawlers => Some(Ok(Data::Crawlers(vec![]))),
            Request::View(_) => {
                let Data::View(mut view) = answer(request) else { return None };
                view.stages[0].stage.kind = "crawler";
                view.stages[0].stage.physical_name = REFERENCE.into();
                Some(Ok(Data::View(view)))
            }
            _ => None,
        })
    };
    for before in ["", "31"] {
        let mut console = gone();
        console.keys(before).keys("<tab><enter>");
        let screen = console.screen(120, 40);
        assert!(screen.contains("no crawler dataops-dev-reference") && screen.contains("Runs of"), "{screen}");
    }
}
