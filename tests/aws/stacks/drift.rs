//! Drift, property by property.

use serde_json::Value;

use super::World;

const DRIFTS: &str = "<member><LogicalResourceId>LandingBucket</LogicalResourceId><PhysicalResourceId>x</PhysicalResourceId>\
    <ResourceType>AWS::S3::Bucket</ResourceType><StackResourceDriftStatus>MODIFIED</StackResourceDriftStatus>\
    <PropertyDifferences><member><PropertyPath>/VersioningConfiguration/Status</PropertyPath><ExpectedValue>Enabled\
    </ExpectedValue><ActualValue>Suspended</ActualValue><DifferenceType>NOT_EQUAL</DifferenceType></member>\
    </PropertyDifferences></member>\
    <member><LogicalResourceId>PriceThreshold</LogicalResourceId><PhysicalResourceId>/small/dev/price</PhysicalResourceId>\
    <ResourceType>AWS::SSM::Parameter</ResourceType><StackResourceDriftStatus>MODIFIED</StackResourceDriftStatus>\
    <PropertyDifferences><member><PropertyPath>/Value</PropertyPath><ExpectedValue>1</ExpectedValue><ActualValue>2\
    </ActualValue><DifferenceType>NOT_EQUAL</DifferenceType></member></PropertyDifferences></member>";

#[test]
fn drift_is_shown_property_by_property_and_a_threshold_is_none() {
    let world = World::deployed();
    world.aws.state().drifts = DRIFTS.into();
    let (out, _) = world.done("drift small");
    assert!(out.contains("~ modified bucket bucket.landing (x)\n"), "{out}");
    assert!(out.contains("VersioningConfiguration.Status: expected \"Enabled\", is \"Suspended\""), "{out}");
    assert!(out.contains("threshold.price (/small/dev/price)  (changed while it runs, by design)"), "{out}");
    assert!(out.contains("1 resource is not what the stack says"), "{out}");
    let drift: Value = serde_json::from_str(&world.done("drift small --output json").0).unwrap();
    assert_eq!((&drift["status"], &drift["fresh"]), (&"DRIFTED".into(), &true.into()));
    assert_eq!(drift["resources"][1]["properties"][0]["by_design"], true);
    let audit = std::fs::read_to_string(world.pumphouse.path("state/audit.jsonl")).unwrap();
    assert_eq!(audit.lines().filter(|line| line.contains("\"drift\"")).count(), 4, "two looks, on record: {audit}");
}

#[test]
fn in_read_only_mode_the_last_look_is_shown() {
    let world = World::deployed();
    let (out, _) = world.done("drift small --read-only");
    assert!(out.contains("not checked (read-only: nobody has looked yet)"), "{out}");
    assert_eq!(world.asked("DetectStackDrift"), 0);
}

#[test]
fn drift_is_reverted_by_a_change_set_that_knows_of_it() {
    let world = World::deployed();
    world.done("deploy small --revert-drift --yes");
    let asked = world.fake.asked();
    let last = asked.iter().rev().find(|a| a.operation == "CreateChangeSet").unwrap();
    assert_eq!(last.params["DeploymentMode"], "REVERT_DRIFT");
}
