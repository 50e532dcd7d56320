//! Deploys: what is executed, what fails and how, and who finds it under way.

use std::time::Duration;

use super::{World, pipeline, texts};
use crate::{cloudformation::Step, fake::Answer};

#[test]
fn a_deploy_tells_each_resource_and_tags_the_stack() {
    let world = World::new();
    let (out, err) = world.done("deploy small --yes");
    assert!(out.contains("CREATE_COMPLETE") && out.contains("bucket.landing"), "{out}");
    assert!(err.contains("CREATE_COMPLETE    bucket LandingBucket"), "{err}");
    let stack = world.aws.stack("small-dev");
    assert!(stack.tags.contains(&("pumphouse:pipeline".into(), "small".into())), "{:?}", stack.tags);
    assert!(stack.tags.contains(&("pumphouse:env".into(), "dev".into())));
    let asked = world.fake.asked();
    let made = asked.iter().find(|a| a.operation == "CreateChangeSet").unwrap();
    assert_eq!(made.params["RoleARN"], "arn:aws:iam::123456789012:role/pumphouse-cloudformation");
    assert!(world.aws.state().change_sets.is_empty());
}

#[test]
fn what_failed_first_is_the_reason_and_everything_is_as_it_was() {
    let world = World::deployed();
    world.write(&pipeline("versioning = false"));
    world.aws.state().broken.insert("LandingBucket".into(), "Access Denied (Service: S3)".into());
    let err = world.fails("deploy small --yes", 1);
    assert!(err.contains("bucket bucket.landing (LandingBucket): Access Denied"), "{err}");
    assert!(err.contains("UPDATE_ROLLBACK_COMPLETE (everything is as it was before)"), "{err}");
    let last = err.lines().last().unwrap();
    assert!(!last.contains("cancelled"), "{last}");
    let (out, _) = world.done("history small");
    assert!(out.contains("UPDATE_ROLLBACK_COMPLETE") && out.contains("Access Denied"), "{out}");
}

#[test]
fn a_stack_whose_making_failed_is_made_anew_once_confirmed() {
    let world = World::new();
    world.aws.state().broken.insert("LandingBucket".into(), "no room".into());
    let err = world.fails("deploy small --yes", 1);
    assert!(err.contains("ROLLBACK_COMPLETE") && err.contains("offers to delete the stack"), "{err}");
    world.aws.state().broken.clear();
    let err = world.fails("deploy small", 3);
    assert!(err.contains("the stack is ROLLBACK_COMPLETE: it is deleted first, and made anew"), "{err}");
    world.done("deploy small --yes");
    assert_eq!(world.aws.stack("small-dev").status, "CREATE_COMPLETE");
}

#[test]
fn a_change_that_cannot_be_taken_back_is_continued_without_what_is_in_the_way() {
    let world = World::deployed();
    world.write(&pipeline("versioning = false"));
    world.aws.state().broken.insert("LandingBucket".into(), "no".into());
    world.aws.state().stuck.insert("StagingBucket".into(), "it is gone".into());
    let err = world.fails("deploy small --yes", 1);
    assert!(err.contains("UPDATE_ROLLBACK_FAILED") && err.contains("pumphouse rollback"), "{err}");
    assert!(world.fails("deploy small --yes", 1).contains("pumphouse rollback PIPELINE"));
    let err = world.fails("rollback small --yes", 1);
    assert!(err.contains("StagingBucket") && err.contains("it is gone") && err.contains("--skip"), "{err}");
    world.done("rollback small --skip StagingBucket --yes");
    assert_eq!(world.aws.stack("small-dev").status, "UPDATE_ROLLBACK_COMPLETE");
    world.aws.state().broken.clear();
    world.done("deploy small --yes");
    assert_eq!(world.aws.stack("small-dev").status, "UPDATE_COMPLETE");
}

#[test]
fn throttling_and_failures_in_the_middle_are_borne() {
    let world = World::new();
    world.aws.state().speed = 1;
    let throttled = || Answer::xml_error(400, "Throttling", "Rate exceeded");
    let broken = || Answer::xml_error(500, "InternalFailure", "oops");
    let answers = [throttled(), broken(), throttled(), broken()];
    world.aws.state().instead.insert("DescribeStackEvents".into(), answers.into());
    world.done("deploy small --yes");
    assert_eq!(world.aws.stack("small-dev").status, "CREATE_COMPLETE");
}

#[test]
fn who_cannot_see_an_operation_for_a_while_says_so() {
    let world = World::new();
    let throttled = Answer::xml_error(400, "Throttling", "Rate exceeded");
    // The first is asked for before the operation begins.
    let first = Answer::xml("<DescribeStackEventsResponse><DescribeStackEventsResult/></DescribeStackEventsResponse>");
    world.aws.state().instead.insert("DescribeStackEvents".into(), [first, throttled].into());
    let mut command = world.pumphouse.command();
    let output = command.args(["deploy", "small", "--yes"]).env("AWS_MAX_ATTEMPTS", "1").output().unwrap();
    let (_, err) = texts(&output);
    assert_eq!(output.status.code(), Some(0), "{err}");
    assert!(err.contains("WAITING            stack small-dev: ") && err.contains("CloudFormation goes on"), "{err}");
}

#[test]
fn a_client_that_was_killed_finds_the_operation_under_way() {
    let world = World::new();
    world.aws.state().speed = 0;
    let mut child = world.pumphouse.command().args(["deploy", "small", "--yes"]).spawn().unwrap();
    for _ in 0..600 {
        if world.asked("ExecuteChangeSet") > 0 {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(world.aws.stack("small-dev").status, "CREATE_IN_PROGRESS");
    assert!(world.done("status small").0.contains("CREATE_IN_PROGRESS"));
    world.aws.state().speed = 2;
    let (out, err) = world.done("deploy small --yes");
    assert!(err.contains("CREATE_IN_PROGRESS is under way: a deploy waits for its end first"), "{err}");
    assert!(err.contains("CREATE_COMPLETE    bucket LandingBucket"), "{err}");
    assert!(out.contains("CREATE_COMPLETE"), "{out}");
    assert_eq!(world.asked("ExecuteChangeSet"), 1, "it was made once");
}

#[test]
fn what_was_not_confirmed_is_not_done() {
    let world = World::deployed();
    world.write(&pipeline("versioning = false"));
    // Somebody else's deploy comes between: the second change set finds more to do.
    let more = "<member><Type>Resource</Type><ResourceChange><Action>Remove</Action><LogicalResourceId>StagingBucket\
                </LogicalResourceId><ResourceType>AWS::S3::Bucket</ResourceType></ResourceChange></member>";
    let change = world.aws.clone();
    let (seen, id) = (std::sync::atomic::AtomicUsize::new(0), world.aws.stack("small-dev").id);
    assert!(!id.is_empty());
    let fake = crate::fake::Fake::start(move |asked| {
        if asked.operation == "CreateChangeSet" && seen.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 1 {
            change.state().changes = Some(more.into());
        }
        change.answer(asked)
    });
    let other = crate::harness::Pumphouse::on(&fake);
    let output = other
        .command()
        .arg("--pipelines")
        .arg(world.pumphouse.path("pipelines"))
        .args(["deploy", "small", "--yes"])
        .output();
    let output = output.unwrap();
    let (_, err) = texts(&output);
    assert_eq!(output.status.code(), Some(1), "{err}");
    assert!(err.contains("not those that were confirmed, so nothing is done: remove bucket bucket.staging"), "{err}");
    assert_eq!(fake.asked().iter().filter(|a| a.operation == "ExecuteChangeSet").count(), 0);
    assert!(world.aws.state().change_sets.is_empty());
}

#[test]
fn a_protected_environment_gets_termination_protection_and_asks_for_the_name() {
    let world = World::new();
    assert!(world.fails("deploy small --env prod --yes", 3).contains("--confirm small-prod"));
    world.done("deploy small --env prod --confirm small-prod");
    assert!(world.aws.stack("small-prod").protected);
    let err = world.fails("destroy small --env prod --confirm small-prod", 1);
    assert!(err.contains("`pumphouse protect small --off`"), "{err}");
    assert!(world.fails("protect small --env prod --off --yes", 3).contains("--confirm small-prod"));
    world.done("protect small --env prod --off --confirm small-prod");
    assert!(!world.aws.stack("small-prod").protected);
}

#[test]
fn history_and_events_tell_who_and_what() {
    let world = World::deployed();
    let id = world.aws.stack("small-dev").id;
    let at = world.aws.state().stacks.iter().position(|s| s.id == id).unwrap();
    let mut state = world.aws.state();
    state.happen(at, Step::Stack("UPDATE_IN_PROGRESS".into(), "User Initiated".into()), "Console-ExecuteChangeSet-1");
    state.happen(at, Step::Stack("UPDATE_COMPLETE".into(), String::new()), "Console-ExecuteChangeSet-1");
    drop(state);
    let (out, _) = world.done("history small");
    let lines: Vec<_> = out.lines().collect();
    assert!(lines[1].contains("update") && lines[1].contains("the AWS console"), "{out}");
    assert!(lines[2].contains("create") && lines[2].contains("CREATE_COMPLETE"), "{out}");
    assert!(world.done("events small").0.contains("LandingBucket"));
}

#[test]
fn a_word_that_nobody_knows_yet_is_shown_as_it_is() {
    let world = World::new();
    world.aws.add("small-dev", "TELEPORT_COMPLETE", "{}").tags.push(("pumphouse:pipeline".into(), "small".into()));
    assert!(world.done("status small").0.contains("TELEPORT_COMPLETE"));
}

#[test]
fn the_bootstrap_stack_is_made_once() {
    let world = World::new();
    world.aws.state().stacks.clear();
    assert!(world.fails("bootstrap", 3).contains("--yes confirms it"));
    let (out, _) = world.done("bootstrap --yes");
    assert!(out.contains("pumphouse-bootstrap") && out.contains("CREATE_COMPLETE"), "{out}");
    let (_, err) = world.done("bootstrap");
    assert!(err.contains("nothing to change"), "{err}");
    let (out, _) = world.done("bootstrap --show");
    assert!(serde_json::from_str::<serde_json::Value>(&out).unwrap()["Resources"].is_object());
}
