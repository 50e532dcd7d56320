//! Plans: what would change, and that nothing is left behind.

use std::{fmt::Write as _, path::Path};

use serde_json::Value;

use super::{World, pipeline};
use crate::{cloudformation::ChangeSet, fake::Answer};

#[test]
fn a_plan_of_a_new_stack_leaves_nothing_behind() {
    let world = World::new();
    let (out, _) = world.done("plan small");
    assert!(out.contains("+ add     bucket bucket.landing"), "{out}");
    assert!(out.contains("to add, 0 to change, 0 to replace, 0 to remove"), "{out}");
    assert_eq!(world.aws.stack("small-dev").status, "DELETE_COMPLETE");
    assert!(world.aws.state().change_sets.is_empty());
    assert_eq!(world.asked("ExecuteChangeSet"), 0);
}

#[test]
fn a_plan_shows_exactly_the_property_that_differs_with_both_values() {
    let world = World::deployed();
    world.write(&pipeline("versioning = true\nexpire_days = 30"));
    let (out, _) = world.done("plan small");
    assert!(out.contains("~ change  bucket bucket.landing"), "{out}");
    assert!(out.contains("LifecycleConfiguration"), "{out}");
    assert!(out.contains("0 to add, 1 to change, 0 to replace, 0 to remove"), "{out}");
    assert_eq!(world.aws.stack("small-dev").status, "CREATE_COMPLETE");
    assert!(world.aws.state().change_sets.is_empty());
}

#[test]
fn nothing_to_change_is_success() {
    let world = World::deployed();
    assert_eq!(world.done("plan small").0, "small-dev: nothing to change\n");
    let (_, err) = world.done("deploy small");
    assert!(err.contains("nothing to change"), "{err}");
    assert_eq!(world.asked("ExecuteChangeSet"), 1);
}

/// A change whose values CloudFormation knows only later, and which may make the bucket anew.
const DYNAMIC: &str = "<member><Type>Resource</Type><ResourceChange><Action>Modify</Action><LogicalResourceId>LandingBucket\
    </LogicalResourceId><PhysicalResourceId>there</PhysicalResourceId><ResourceType>AWS::S3::Bucket</ResourceType>\
    <Replacement>Conditional</Replacement><Details><member><Target><Attribute>Properties</Attribute><Name>BucketName</Name>\
    <RequiresRecreation>Always</RequiresRecreation></Target><Evaluation>Dynamic</Evaluation><ChangeSource>ResourceAttribute\
    </ChangeSource><CausingEntity>AlarmsTopic.TopicName</CausingEntity></member></Details></ResourceChange></member>\
    <member><Type>Resource</Type><ResourceChange><Action>Modify</Action><LogicalResourceId>AlarmsTopic</LogicalResourceId>\
    <ResourceType>AWS::SNS::Topic</ResourceType><Replacement>False</Replacement><Details><member><Target>\
    <Attribute>Properties</Attribute><Name>DisplayName</Name><Path>/Properties/DisplayName</Path><BeforeValue>a\
    </BeforeValue><AfterValue>b</AfterValue><RequiresRecreation>Never</RequiresRecreation></Target><Evaluation>Static\
    </Evaluation></member></Details></ResourceChange></member>";

#[test]
fn of_two_long_values_only_what_differs_is_shown() {
    let world = World::deployed();
    let policies = |action: &str| {
        let statements = format!(r#"[{{"Sid":"Read","Action":"{action}"}},{{"Sid":"Write","Action":"s3:PutObject"}}]"#);
        format!(r#"[{{"PolicyName":"grants","PolicyDocument":{{"Version":"2012-10-17","Statement":{statements}}}}}]"#)
    };
    world.aws.state().changes = Some(format!(
        "<member><Type>Resource</Type><ResourceChange><Action>Modify</Action><LogicalResourceId>JobRole</LogicalResourceId>\
         <ResourceType>AWS::IAM::Role</ResourceType><Replacement>False</Replacement><Details><member><Target><Attribute>\
         Properties</Attribute><Name>Policies</Name><Path>/Properties/Policies</Path><BeforeValue>{}</BeforeValue><AfterValue>\
         {}</AfterValue><RequiresRecreation>Never</RequiresRecreation></Target><Evaluation>Static</Evaluation></member>\
         </Details></ResourceChange></member>",
        policies("s3:GetObject"),
        policies("s3:ListBucket")
    ));
    let (out, _) = world.done("plan small");
    let wanted =
        "\n      Policies.grants.PolicyDocument.Statement.Read.Action: \"s3:GetObject\" -> \"s3:ListBucket\"\n";
    assert!(out.contains(wanted) && out.matches(" -> ").count() == 1, "{out}");
}

#[test]
fn what_is_known_only_later_is_told_apart_and_counts_as_a_possible_loss() {
    let world = World::deployed();
    world.aws.state().changes = Some(DYNAMIC.into());
    let (out, _) = world.done("plan small");
    assert!(out.contains("(may be made anew)  (its data may be lost)  (only where another change needs it)"), "{out}");
    assert!(
        out.contains("BucketName: known only later  (may make it anew)  (because of AlarmsTopic.TopicName)"),
        "{out}"
    );
    assert!(out.contains("DisplayName: \"a\" -> \"b\"\n"), "{out}");
    let plan: Value = serde_json::from_str(&world.done("plan small --output json").0).unwrap();
    let (bucket, topic) = (&plan["changes"][0], &plan["changes"][1]);
    assert_eq!((&bucket["certain"], &bucket["replacement"]), (&false.into(), &"conditional".into()));
    assert_eq!(bucket["properties"][0]["evaluation"], "dynamic");
    assert_eq!((&topic["certain"], &topic["properties"][0]["evaluation"]), (&true.into(), &"static".into()));
    let err = world.fails("deploy small --yes", 3);
    assert!(err.contains("the data of bucket.landing may be lost") && err.contains("--confirm small-dev"), "{err}");
}

#[test]
fn a_change_set_left_behind_goes_with_the_next_plan() {
    let world = World::deployed();
    let stack = world.aws.stack("small-dev").id;
    for (name, created) in [("pumphouse-old", "2020-01-01T00:00:00Z"), ("somebody-elses", "2020-01-01T00:00:00Z")] {
        let (id, created) = (name.to_owned(), created.to_owned());
        let left = ChangeSet { name: id.clone(), id, stack: stack.clone(), created, ..ChangeSet::default() };
        world.aws.state().change_sets.push(left);
    }
    world.done("plan small");
    let left: Vec<_> = world.aws.state().change_sets.iter().map(|c| c.name.clone()).collect();
    assert_eq!(left, ["somebody-elses"]);
}

#[test]
fn a_stack_left_in_review_is_planned_and_removed() {
    let world = World::new();
    world.aws.add("small-dev", "REVIEW_IN_PROGRESS", "{}");
    let (out, _) = world.done("plan small");
    assert!(out.contains("to add"), "{out}");
    assert_eq!(world.aws.stack("small-dev").status, "DELETE_COMPLETE");
    world.done("deploy small --yes");
    assert_eq!(world.aws.stack("small-dev").status, "CREATE_COMPLETE");
}

#[test]
fn in_read_only_mode_a_plan_compares_the_templates() {
    let world = World::deployed();
    world.write(&pipeline("versioning = false"));
    let before = world.fake.asked().len();
    let (out, _) = world.done("plan small --read-only");
    assert!(out.contains("read-only: no change set is made") && out.contains("an estimate"), "{out}");
    assert!(out.contains("VersioningConfiguration") && out.contains("0 to add, 1 to change"), "{out}");
    let asked: Vec<_> = world.fake.asked().split_off(before).into_iter().map(|a| a.operation).collect();
    let reads = ["GetCallerIdentity", "DescribeStacks", "GetTemplate", "ListStackResources"];
    assert!(asked.iter().all(|a| reads.contains(&a.as_str())), "{asked:?}");
}

#[test]
fn a_long_template_goes_through_the_bucket() {
    let world = World::new();
    let mut text = pipeline("");
    for n in 0..100 {
        writeln!(text, "[bucket.b{n}]").unwrap();
    }
    world.write(&text);
    let (out, _) = world.done("plan small");
    assert!(out.contains("bucket.b99"), "{out}");
    let keys: Vec<_> = world.aws.state().objects.keys().cloned().collect();
    assert!(keys.iter().any(|k| k.starts_with("pumphouse-artifacts-123456789012-eu-west-1/templates/")), "{keys:?}");
    let puts = world.fake.asked().iter().filter(|a| a.method == "PUT").count();
    world.done("plan small");
    assert_eq!(world.fake.asked().iter().filter(|a| a.method == "PUT").count(), puts, "uploaded once");
}

#[test]
fn without_the_bootstrap_stack_it_says_what_makes_it() {
    let world = World::new();
    world.aws.state().stacks.clear();
    let mut text = pipeline("");
    for n in 0..100 {
        writeln!(text, "[bucket.b{n}]").unwrap();
    }
    world.write(&text);
    assert!(world.fails("plan small", 1).contains("`pumphouse bootstrap` makes it"));
}

#[test]
fn capabilities_are_computed_and_shown() {
    let world = World::new();
    world.write(&(pipeline("") + "[function.f]\nruntime = \"python3.13\"\ncode = \"f\"\nhandler = \"a.h\"\n"));
    let code = world.pumphouse.path("pipelines/small/f");
    std::fs::create_dir_all(&code).unwrap();
    std::fs::write(code.join("a.py"), "def h(event, context):\n    return 1\n").unwrap();
    world.aws.state().needs = Some("CAPABILITY_IAM");
    let (out, _) = world.done("plan small");
    assert!(out.contains("small-dev: needs CAPABILITY_IAM"), "{out}");
    world.aws.state().needs = Some("CAPABILITY_AUTO_EXPAND");
    assert!(world.fails("plan small", 1).contains("Requires capabilities : [CAPABILITY_AUTO_EXPAND]"));
    // What it needs is uploaded once, under its content's hash.
    let keys: Vec<_> = world.aws.state().objects.keys().cloned().collect();
    let [key] = keys.as_slice() else { panic!("{keys:?}") };
    assert!(key.contains("/functions/") && Path::new(key).extension().is_some_and(|e| e == "zip"), "{key}");
}

#[test]
fn who_may_not_make_change_sets_gets_an_estimate_that_says_so() {
    let world = World::deployed();
    let message = "User: arn:aws:iam::123456789012:user/ada is not authorized to perform: cloudformation:CreateChangeSet on \
                   resource: small-dev";
    let denied = Answer::xml_error(403, "AccessDenied", message);
    world.aws.state().instead.insert("CreateChangeSet".into(), [denied].into());
    let (out, _) = world.done("plan small");
    assert!(out.contains("you may not make change sets (cloudformation:CreateChangeSet)"), "{out}");
}

#[test]
fn a_name_that_is_taken_is_explained() {
    let world = World::new();
    world.aws.state().validation = "<member><EventId>v</EventId><LogicalResourceId>LandingBucket</LogicalResourceId>\
        <ValidationStatus>FAILED</ValidationStatus><ValidationStatusReason>Resource of type 'AWS::S3::Bucket' with \
        identifier 'x' already exists.</ValidationStatusReason></member>"
        .into();
    let err = world.fails("plan small", 1);
    assert!(err.contains("LandingBucket: Resource of type") && err.contains("perhaps kept (Retain)"), "{err}");
    assert_eq!(world.aws.stack("small-dev").status, "DELETE_COMPLETE", "no empty stack is left");
}

/// What is on record, and the calls of each line.
fn record(world: &World) -> Vec<(String, String, Vec<String>)> {
    let text = std::fs::read_to_string(world.pumphouse.path("state/audit.jsonl")).unwrap_or_default();
    let lines = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let word = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let calls = |line: &serde_json::Value| {
        line["calls"].as_array().into_iter().flatten().map(|call| word(&call["operation"])).collect()
    };
    lines.map(|line| (word(&line["what"]), word(&line["outcome"]), calls(&line))).collect()
}

#[test]
fn what_a_plan_makes_is_on_record_and_one_that_only_reads_is_not() {
    let world = World::new();
    world.done("plan small --read-only");
    assert_eq!(record(&world), []);
    world.done("plan small");
    let record = record(&world);
    let told: Vec<_> = record.iter().map(|(what, outcome, _)| (what.as_str(), outcome.as_str())).collect();
    assert_eq!(told, [("plan", "started"), ("plan", "ok")]);
    for made in ["cloudformation:CreateChangeSet", "cloudformation:DeleteChangeSet"] {
        assert!(record[1].2.iter().any(|call| call == made), "{record:?}");
    }
}

#[test]
fn where_nothing_can_be_on_record_nothing_is_made() {
    let world = World::new();
    std::fs::create_dir_all(world.pumphouse.path("state/audit.jsonl")).unwrap();
    let err = world.fails("plan small", 3);
    assert!(err.contains("audit.jsonl"), "{err}");
    assert_eq!(world.asked("CreateChangeSet"), 0);
    world.done("plan small --read-only");
}

#[test]
fn asking_for_the_status_of_what_is_not_deployed_makes_nothing() {
    let world = World::new();
    let err = world.fails("status small", 1);
    assert!(err.contains("small is not deployed in dev"), "{err}");
    assert!(world.done("history small").1.contains("no history"));
    for unknown in ["history smal", "events smal", "status smal"] {
        let err = world.fails(unknown, 1);
        assert!(err.contains("no pipeline named \"smal\"") && err.contains("did you mean small?"), "{err}");
    }
    let err = world.fails("status small --env tset", 1);
    assert!(err.contains("tset"), "{err}");
    assert_eq!(world.asked("CreateChangeSet"), 0);
    assert_eq!(record(&world), []);
}
