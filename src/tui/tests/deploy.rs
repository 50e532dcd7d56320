use super::{
    console,
    fixture::{answer, harmless},
    screens,
    testing::{Console, at},
};
use crate::{
    cloud::stacks::{Evaluation, Replacement, StackEvent},
    tui::{
        data::{Data, Request},
        msg::Msg,
    },
};

#[test]
fn a_plan_with_what_differs() {
    let mut console = console();
    console.keys("7j");
    screens!(console);
    assert!(harmless(&console.screen(80, 24)));
    console.keys("<enter>jj<enter>");
    assert!(console.screen(80, 24).contains("buffer_seconds: 60 → 30"));
    console.keys("<esc><tab><enter>");
    assert!(console.screen(80, 24).contains("is not empty"));
}

fn event(console: &mut Console, id: &str, status: &str, done: u32) {
    console.send(Msg::Progress(StackEvent {
        time: at(0),
        stack: "crypto-stream-dev".into(),
        logical_id: id.into(),
        kind: "bucket".into(),
        status: status.into(),
        reason: status.ends_with("FAILED").then(|| "no room".into()),
        done,
        total: 4,
    }));
}

#[test]
fn progress_has_a_row_a_resource() {
    let mut console = console();
    console.keys("7j");
    event(&mut console, "LandingBucket", "CREATE_IN_PROGRESS", 0);
    event(&mut console, "LandingBucket", "CREATE_COMPLETE", 1);
    event(&mut console, "StagingBucket", "CREATE_FAILED", 1);
    let screen = console.screen(80, 24);
    assert_eq!(screen.matches("LandingBucket").count(), 1, "{screen}");
    assert!(screen.contains("1 of 4 · under way"));
    screens!(console);
}

#[test]
fn capital_d_leads_here() {
    let mut console = console();
    console.keys("jD");
    let screen = console.screen(80, 24);
    assert!(screen.contains("Plan of crypto-stream-dev"), "{screen}");
    console.keys(":deploy dataops<enter>");
    assert!(console.screen(80, 24).contains("Plan of dataops-dev"));
}

#[test]
fn drift_is_told_property_by_property() {
    let mut console = console();
    console.keys("7jf");
    let screen = console.screen(80, 24);
    assert!(screen.contains("Drift of crypto-stream") && screen.contains("bucket bucket.landing modified"), "{screen}");
    assert!(screen.contains("VersioningConfiguration.Status: expected \"Enabled\""), "{screen}");
    assert!(harmless(&screen));
}

#[test]
fn what_is_not_certain_is_marked() {
    let mut console = Console::open(Box::new(|request| {
        let mut data = answer(request);
        if let Data::Plan(plan) = &mut data {
            plan.estimated = matches!(request, Request::Plan(_));
            let change = &mut plan.changes[1];
            (change.certain, change.loses_data, change.replacement) = (false, true, Some(Replacement::Conditional));
            let property = &mut change.properties[0];
            (property.evaluation, property.after, property.cause) =
                (Evaluation::Dynamic, None, Some("AlarmsTopic.TopicName".into()));
        }
        Ok(data)
    }));
    console.keys("7j");
    let screen = console.screen(160, 50);
    assert!(screen.contains("data may be lost  perhaps made anew"), "{screen}");
    assert!(screen.contains("buffer_seconds: known only later, because of AlarmsTopic.TopicName"), "{screen}");
    assert!(screen.contains("estimated: p asks CloudFormation"), "{screen}");
    console.keys("p");
    assert!(!console.screen(160, 50).contains("estimated"), "the engine itself has told");
    console.keys("R");
    assert!(!console.screen(160, 50).contains("estimated"), "and that stays");
}
