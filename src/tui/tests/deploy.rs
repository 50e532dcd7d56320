use super::{
    console,
    fixture::{answer, harmless},
    screens,
    testing::{Console, at},
};
use crate::{
    backend::overview::PipelineSummary,
    cloud::stacks::{Evaluation, Replacement, Stack, StackEvent, StackResource, StackStatus},
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
    assert!(screen.contains("estimated: p plans in full"), "{screen}");
    console.keys("p");
    assert!(!console.screen(160, 50).contains("estimated"), "the engine itself has told");
    console.keys("R");
    assert!(!console.screen(160, 50).contains("estimated"), "and that stays");
}

#[test]
fn what_terraform_adds_to_a_plan_is_shown() {
    let mut console = Console::open(Box::new(|request| {
        let mut data = answer(request);
        if let Data::Plan(plan) = &mut data {
            plan.notes = vec!["warning: main.tf:13: Argument is deprecated\u{1b}[31m\nUse another one.".into()];
            let [first, second, ..] = plan.changes.as_mut_slice() else { return Ok(data) };
            first.imported = Some("lake".into());
            (second.moved_from, second.reason) = (Some("aws_s3_bucket.old".into()), Some("it is tainted".into()));
        }
        Ok(data)
    }));
    console.keys("7j");
    let screen = console.screen(120, 40);
    assert!(
        screen.contains("moved") && screen.contains("taken in") && screen.contains("# warning: main.tf:13"),
        "{screen}"
    );
    assert!(harmless(&screen));
    console.keys("<enter>G<enter>");
    let screen = console.screen(120, 40);
    assert!(screen.contains("Use another one.") && harmless(&screen), "{screen}");
    console.keys("<esc>s");
    assert!(console.acts.is_empty(), "the backend looks first");
}

#[test]
fn stacks_of_others_are_looked_at_and_left_alone() {
    let mut console = Console::open(Box::new(|request| match request {
        Request::Deployable => {
            let mut data = answer(request);
            if let Data::Pipelines(all) = &mut data {
                let (stack, other) = (Some("UPDATE_ROLLBACK_COMPLETE".to_owned()), Some("billing".to_owned()));
                all.push(PipelineSummary { name: "stack billing".into(), stack, other, ..all[0].clone() });
            }
            Ok(data)
        }
        Request::OtherStack(name) => {
            assert_eq!(name, "billing");
            let stack = Stack {
                name: name.clone(),
                pipeline: None,
                env: None,
                status: StackStatus::UpdateRollbackComplete,
                interrupted: false,
                reason: None,
                created: at(-9_000),
                updated: at(-60),
                resources: vec![StackResource {
                    logical_id: "Invoices".into(),
                    name: "Invoices".into(),
                    physical_name: "billing-invoices".into(),
                    kind: "AWS::S3::Bucket".into(),
                    status: "UPDATE_COMPLETE".into(),
                    updated: at(-60),
                }],
                outputs: vec![],
                protected: None,
                drift: None,
                graph: None,
            };
            Ok(Data::Stack(Some(stack), vec![]))
        }
        other => Ok(answer(other)),
    }));
    console.keys("7G");
    let screen = console.screen(120, 40);
    assert!(screen.contains("stack billing") && screen.contains("Invoices"), "{screen}");
    screens!(console);
    for key in ["p", "a", "X", "d", "r"] {
        console.keys(key);
    }
    assert!(console.screen(120, 40).contains("billing was not made by a pipeline here"), "{}", console.screen(120, 40));
    console.keys("<enter><enter>");
    assert!(console.screen(120, 40).contains("billing-invoices"));
}
