//! Who owns what, and names by pipeline.

use pumphouse::cloud::stacks::StackStatus;

use super::World;
use crate::harness;

#[tokio::test]
async fn stacks_are_listed_and_shown_with_what_is_in_them() {
    let world = World::deployed();
    let state = tempfile::tempdir().unwrap();
    let cloud = harness::cloud(&world.fake, &state);
    let all = cloud.stacks.list().await.unwrap();
    let names: Vec<_> = all.iter().map(|s| (s.name.as_str(), s.pipeline.as_deref())).collect();
    assert_eq!(names, [("pumphouse-bootstrap", None), ("small-dev", Some("small"))]);
    let stack = cloud.stacks.get("small-dev").await.unwrap().unwrap();
    assert_eq!(stack.status, StackStatus::CreateComplete);
    let topic = stack.resources.iter().find(|r| r.name == "topic.alarms").unwrap();
    assert_eq!((topic.kind.as_str(), topic.physical_name.as_str()), ("topic", "small-dev-alarms"));
    assert_eq!(cloud.stacks.get("nothing").await.unwrap(), None);
}

#[test]
fn a_bucket_goes_by_its_pipeline_and_name() {
    let world = World::deployed();
    let resources = world.aws.stack("small-dev").resources;
    let landing = resources.iter().find(|r| r.id == "LandingBucket").unwrap().physical.clone();
    let err = world.fails("buckets objects small/nothing", 1);
    assert!(err.contains("it has: landing, staging"), "{err}");
    world.run("buckets objects small/landing");
    let asked = world.fake.asked();
    assert!(asked.iter().any(|a| a.service == "s3" && a.path.contains(&landing)), "{:?}", world.fake.lines());
}

#[test]
fn stacks_of_others_are_looked_at() {
    let world = World::deployed();
    let template = r#"{"Resources": {"Invoices": {"Type": "AWS::S3::Bucket"}}}"#;
    drop(world.aws.add("billing", "UPDATE_COMPLETE", template));
    let (out, _) = world.done("stacks list --output csv");
    assert!(out.contains("billing,UPDATE_COMPLETE,,,"), "{out}");
    assert!(out.contains("small-dev,CREATE_COMPLETE,small,dev,"), "{out}");
    let (out, _) = world.done("stacks show billing");
    assert!(out.contains("Invoices") && out.contains("UPDATE_COMPLETE"), "{out}");
    let (out, _) = world.done("stacks events billing --output json");
    let events: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(events[0]["status"], "UPDATE_COMPLETE", "{out}");
    for command in ["show", "events"] {
        let err = world.fails(&format!("stacks {command} biling"), 1);
        assert!(err.contains("no stack named \"biling\"; did you mean billing?"), "{err}");
    }
}
