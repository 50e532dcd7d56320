use super::{console, fixture::harmless, screens};
use crate::{backend::Consent, tui::data::Act};

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
