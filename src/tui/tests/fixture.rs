//! One pipeline with everything in it, and a second that failed.

use super::more;
use crate::{
    backend::overview::{Health, Lane, PipelineSummary, PipelineView, StageView, TimelineEntry},
    cloud::{
        flow::Stage,
        logs::{Cursor, LogGroup},
    },
    tui::{
        data::{Data, Request},
        testing::{Console, at},
    },
};

/// Text that would do harm if a terminal got to see it.
pub const HOSTILE: &str = "\x1b[2J\x1b]0;owned\x07evil\u{202e}txt\0\u{200b}東京\u{9b}31m\x1bP1$r\x1b\\\ttab";

/// A console on the fixed data.
pub fn console() -> Console {
    Console::open(Box::new(|request| Ok(answer(request))))
}

/// Whether a screen holds nothing that a terminal would obey.
pub fn harmless(screen: &str) -> bool {
    screen.lines().all(crate::text::is_clean)
}

/// The answer to a request.
pub fn answer(request: &Request) -> Data {
    match request {
        Request::Pipelines | Request::Deployable => Data::Pipelines(pipelines()),
        Request::View(name) => Data::View(Box::new(pipeline(name))),
        Request::LogGroups => Data::LogGroups(vec![
            group("/aws-glue/jobs/crypto-stream-dev-clean_prices", 240),
            group("/aws/lambda/crypto-stream-dev-alert_on_price", 120),
            group("/aws/lambda/crypto-stream-dev-fetch_prices", 1_204),
        ]),
        Request::Logs { after: Some(_), .. } => logs(vec![], false),
        Request::Logs { after: None, .. } => logs(lines(), false),
        other => more::answer(other),
    }
}

/// A page of log lines.
pub fn logs(lines: Vec<(i64, String)>, more: bool) -> Data {
    Data::Logs { lines, next: Some(Cursor::new(300)), more, again: None, live: None }
}

fn group(name: &str, events: u64) -> LogGroup {
    LogGroup {
        name: name.into(),
        pipeline: Some("crypto-stream".into()),
        events: Some(events),
        bytes: Some(events * 100),
        last_event: Some(at(-3)),
    }
}

fn lines() -> Vec<(i64, String)> {
    (0..300)
        .map(|n| {
            let text = match n % 50 {
                7 => format!("[ERROR] request {n}: column \"deaths\" is missing in the third file of the batch"),
                8 => format!("[WARN] request {n}: retrying after {} ms", n * 10),
                9 => crate::text::clean(HOSTILE).into_owned(),
                _ => format!("[INFO] request {n}: fetched BTC, ETH and XRP in {} ms", n % 17 + 3),
            };
            (at(n - 300).as_millisecond(), text)
        })
        .collect()
}

fn summary(name: &str, health: Health, words: &str, stack: Option<&str>) -> PipelineSummary {
    PipelineSummary {
        name: name.into(),
        description: "Spot prices of BTC, ETH and XRP".into(),
        stack: stack.map(str::to_owned),
        deployed: stack.map(|_| at(-7_140)),
        health,
        words: words.into(),
        in_alarm: false,
        waits: false,
        other: None,
    }
}

fn pipelines() -> Vec<PipelineSummary> {
    vec![
        summary("covid-etl", Health::Bad, "job merge failed", Some("UPDATE_COMPLETE")),
        summary("crypto-stream", Health::Busy, "3 rec/min", Some("CREATE_COMPLETE")),
        summary("dataops", Health::Idle, "idle", Some("CREATE_COMPLETE")),
        summary("water-quality", Health::Absent, "not deployed", None),
    ]
}

fn stage(kind: &'static str, name: &str, after: &[&str], health: Health, figure: &str) -> StageView {
    let log_group = match kind {
        "function" => Some(format!("/aws/lambda/crypto-stream-dev-{name}")),
        "job" => Some(format!("/aws-glue/jobs/crypto-stream-dev-{name}")),
        _ => None,
    };
    StageView {
        stage: Stage {
            name: name.into(),
            kind,
            id: format!("{kind}.{name}"),
            physical_name: format!("crypto-stream-dev-{name}"),
            after: after.iter().map(|a| (*a).to_owned()).collect(),
        },
        health,
        figure: figure.into(),
        detail: None,
        log_group,
        activity: 0,
    }
}

fn pipeline(name: &str) -> PipelineView {
    let all = pipelines();
    let summary = all.into_iter().find(|p| p.name == name).expect("a pipeline of the fixture");
    let mut stages = vec![
        stage("function", "fetch_prices", &[], Health::Busy, "1,204 calls"),
        stage("stream", "prices", &["function.fetch_prices"], Health::Busy, "3 rec/min"),
        stage("delivery", "landing", &["stream.prices"], Health::Busy, "12 s left"),
        stage("bucket", "landing", &["delivery.landing"], Health::Idle, "1,204 objects"),
        stage("function", "alert_on_price", &["bucket.landing"], Health::Idle, "2 calls"),
        stage("topic", "new_files", &["bucket.landing"], Health::Idle, "9 messages"),
        stage("job", "clean_prices", &["bucket.landing"], Health::Idle, "SUCCEEDED · 180 rows"),
        stage("topic", "price_alerts", &["function.alert_on_price"], Health::Idle, "2 messages"),
        stage("bucket", "staging", &["job.clean_prices"], Health::Idle, "412 objects"),
        stage("table", "prices", &["bucket.staging"], Health::Idle, ""),
        stage("query", "latest", &["table.prices"], Health::Idle, ""),
        stage("function", "query_prices", &["query.latest"], Health::Idle, "0 calls"),
        stage("api", "prices", &["function.query_prices"], Health::Idle, ""),
    ];
    if name == "covid-etl"
        && let Some(job) = stages.iter_mut().find(|s| s.stage.kind == "job")
    {
        job.health = Health::Bad;
        job.figure = "FAILED".into();
        job.detail = Some(format!("column \"deaths\" is missing {HOSTILE}"));
    }
    let entry = |seconds, lane, bad, text: &str| TimelineEntry { time: at(seconds), lane, bad, text: text.into() };
    let timeline = vec![
        entry(-3_500, Lane::Deploys, false, "create CREATE_COMPLETE"),
        entry(-3_000, Lane::Runs, false, "clean_prices SUCCEEDED"),
        entry(-1_800, Lane::Runs, true, "merge: column \"deaths\" is missing"),
        entry(-900, Lane::Alerts, false, "BTC over 100,000"),
        entry(-600, Lane::Runs, false, "clean_prices SUCCEEDED"),
        entry(-300, Lane::Alerts, false, HOSTILE),
    ];
    PipelineView { summary, stages, timeline }
}
