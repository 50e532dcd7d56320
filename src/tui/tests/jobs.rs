use super::{
    console,
    fixture::{answer, harmless},
    screens,
};
use crate::{
    backend::Consent,
    cloud::jobs::Job,
    tui::{
        data::{Act, Data, Request},
        testing::Console,
    },
};

const JOB: &str = "crypto-stream-dev-clean_prices";

#[test]
fn jobs_and_their_runs() {
    let mut console = console();
    console.keys("3");
    screens!(console);
    console.keys("<enter>jj<enter>");
    screens!(console);
    assert!(harmless(&console.screen(80, 24)));
}

#[test]
fn a_run_is_started_at_once_and_stopped_after_a_yes() {
    let mut console = console();
    console.keys("3r");
    assert_eq!(console.acts, [(Act::StartJob(JOB.into()), Consent::None)]);
    console.keys("sn");
    assert_eq!(console.acts.len(), 1);
    console.keys("sy");
    assert_eq!(console.acts[1], (Act::StopRun { job: JOB.into(), run: "jr_00af".into() }, Consent::Yes));
    console.keys("by");
    assert_eq!(console.acts[2], (Act::ResetBookmark(JOB.into()), Consent::Yes));
}

#[test]
fn e_goes_to_the_run_that_failed_and_l_to_the_logs() {
    let mut console = console();
    console.keys("3e<enter>");
    assert!(console.screen(80, 24).contains("FAILED"));
    console.keys("<esc>l");
    assert_eq!(console.app.current, 4);
    assert!(console.screen(80, 24).contains("/aws-glue/jobs/crypto-stream-dev-clean_prices"));
}

#[test]
fn a_job_can_be_jumped_to_before_the_list_is_there() {
    let mut console = console();
    console.keys(":jobs covid-etl-dev-merge<enter>");
    assert!(console.screen(80, 24).contains("Runs of covid-etl-dev-merge"));
}

#[test]
fn runs_are_filtered_by_their_words() {
    let mut console = console();
    console.keys("3<enter>/deaths<enter>");
    let screen = console.screen(80, 24);
    assert!(screen.contains("FAILED") && !screen.contains("STOPPED"), "{screen}");
}

#[test]
fn beside_a_long_name_a_state_is_whole() {
    let mut console = Console::open(Box::new(|request| {
        Ok(match answer(request) {
            Data::Jobs(jobs) => {
                let mut job = jobs.into_iter().next_back().expect("a job");
                job.name = "water-quality-dev-parse_samples_of_all_the_rivers_and_lakes_of_the_country".into();
                Data::Jobs(vec![job])
            }
            other => other,
        })
    }));
    console.keys("3");
    for width in [60, 80, 110, 160] {
        let screen = console.screen(width, 24);
        let row = screen.lines().find(|line| line.contains("● water-")).unwrap_or(&screen);
        assert!(row.contains("…") && row.contains("of_the_country succeeded"), "{width}: {screen}");
    }
}

#[test]
fn the_newest_runs_are_asked_for_those_jobs_that_are_seen() {
    let mut console = Console::open(Box::new(|request| {
        Ok(match answer(request) {
            Data::Jobs(jobs) => {
                let job = jobs.into_iter().next().expect("a job");
                let bare = |n: u32| Job { name: format!("job-{n:04}"), last_run: None, ..job.clone() };
                Data::Jobs((0..1_000).map(bare).collect())
            }
            other => other,
        })
    }));
    console.keys("3");
    let asked = |console: &Console| {
        let jobs = |r: &Request| match r {
            Request::LastRuns(jobs) => jobs.clone(),
            _ => Vec::new(),
        };
        console.asked.iter().flat_map(jobs).collect::<Vec<_>>()
    };
    let first = asked(&console);
    assert!((10..100).contains(&first.len()) && first[0] == "job-0000", "{}", first.len());
    assert!(console.screen(80, 24).contains("job-0000"));
    assert!(console.screen(80, 24).contains("failed"), "{}", console.screen(80, 24));
    console.keys("G");
    assert!(asked(&console).contains(&"job-0999".to_owned()));
    assert!(!asked(&console).contains(&"job-0500".to_owned()), "nobody looked at it");
    console.screen(80, 24);
    console.keys("kj");
    let before = asked(&console).len();
    console.keys("kj");
    assert_eq!(asked(&console).len(), before, "what was asked for a moment ago is not asked for again");
}

#[test]
fn a_failed_run_leads_to_its_errors_with_one_key() {
    let mut console = Console::open(Box::new(|request| {
        Ok(match answer(request) {
            Data::Jobs(jobs) => Data::Jobs(
                jobs.into_iter()
                    .map(|job| Job {
                        log_group: "/aws-glue/jobs/output".into(),
                        error_log_group: Some("/aws-glue/jobs/error".into()),
                        ..job
                    })
                    .collect(),
            ),
            other => other,
        })
    }));
    console.keys("3el");
    assert_eq!(console.app.current, 4);
    let wanted = |request: &Request| {
        matches!(request, Request::Logs { group, reach, after: None, .. }
            if group == "/aws-glue/jobs/error" && reach.stream.as_deref() == Some("jr_20af"))
    };
    assert!(console.asked.iter().any(wanted), "{:?}", console.asked);
    assert!(console.screen(80, 24).contains("[ERROR]"));
}
