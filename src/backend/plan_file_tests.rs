use std::os::unix::fs::PermissionsExt;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::cloud::{
    resources::Graph,
    stacks::{Action, Asset, Change, Evaluation, PropertyChange, Template},
};

fn request(body: &str) -> StackRequest {
    let graph = Graph {
        stack: "x-dev".into(),
        pipeline: "x".into(),
        env: "dev".into(),
        protected: false,
        resources: vec![],
        outputs: vec![],
    };
    let asset = Asset { key: format!("jobs/{body}.sql"), content: bytes::Bytes::new() };
    StackRequest { template: Some(Template { body: body.into(), assets: vec![asset] }), ..StackRequest::new(graph) }
}

fn uploads(content: &'static str) -> Vec<Upload> {
    vec![Upload {
        source: "species".into(),
        bucket: "bucket.lake".into(),
        prefix: "in/".into(),
        pattern: "*.csv".into(),
        files: [("a.csv".to_owned(), content.into())].into(),
    }]
}

fn identity() -> Identity {
    Identity {
        cloud: "aws".into(),
        account: Some("123456789012".into()),
        principal: Some("arn:aws:iam::123456789012:user/ada".into()),
        region: Some("eu-west-1".into()),
        profile: None,
        endpoint: None,
        credentials: None,
        login: None,
    }
}

fn plan() -> ChangeSet {
    let change = Change {
        logical_id: "LandingBucket".into(),
        physical_name: "x-dev-landing".into(),
        properties: vec![PropertyChange {
            path: "expire_days".into(),
            before: Some(json!("a \"digest\": \"\" of theirs")),
            after: Some(json!(0.1)),
            requires_replacement: false,
            evaluation: Evaluation::Static,
            cause: None,
        }],
        ..Change::new(Action::Change, "bucket", "bucket.landing")
    };
    ChangeSet { saved: Some(vec![0, 1, 255].into()), ..ChangeSet::new("x-dev", vec![change]) }
}

fn file() -> PlanFile {
    PlanFile::new(&request("one"), &uploads("a"), plan(), &identity()).unwrap()
}

#[test]
fn a_file_comes_back_as_it_was_written_with_the_engines_own_plan_and_for_its_owner_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("plan.json");
    std::fs::write(&path, "an older one").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    file().write(&path).unwrap();
    let read = PlanFile::read(&path).unwrap();
    assert_eq!(read.plan, plan());
    assert_eq!((read.wanted, read.cloud), (file().wanted, file().cloud));
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, ["plan.json"], "nothing is left beside it");
}

#[test]
fn what_cannot_be_written_leaves_nothing_and_a_device_stays_one() {
    let dir = tempfile::tempdir().unwrap();
    let error = file().write(&dir.path().join("nowhere/plan.json")).unwrap_err().to_string();
    assert!(error.contains("nowhere/plan.json"), "{error}");
    let error = file().write(dir.path()).unwrap_err().to_string();
    assert!(error.contains("which this is not"), "{error}");
    assert!(matches!(file().write(Path::new("/dev/null")), Err(Error::Usage(_))));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

proptest! {
    #[test]
    fn a_file_that_was_changed_anywhere_is_refused(at in 0_usize..1_000_000, with in "[a-z0-9\" ]") {
        let text = file().text().unwrap();
        // Everything is ASCII here. The line end is not the plan's.
        let at = at % (text.len() - 1);
        let changed = format!("{}{with}{}", &text[..at], &text[at + 1..]);
        prop_assume!(changed != text);
        prop_assert!(PlanFile::parse(&changed).is_err(), "{changed}");
    }
}

#[test]
fn what_is_no_plan_file_or_a_newer_one_says_so() {
    for text in ["", "{}", "[]", "null", "{\"format\": \"terraform\"}", "\u{0}\u{1}"] {
        assert!(PlanFile::parse(text).unwrap_err().contains("no plan file"), "{text}");
    }
    let newer = r#"{"format": "pumphouse plan", "version": 2, "pumphouse": "9.9.9", "shape": "another"}"#;
    let why = PlanFile::parse(newer).unwrap_err();
    assert!(why.contains("of version 2, made by pumphouse 9.9.9") && why.contains("apply it with"), "{why}");
    // What is older than a version that changes the shape has none of its fields.
    let why = PlanFile::parse(r#"{"format": "pumphouse plan", "version": 1}"#).unwrap_err();
    assert!(why.contains("was changed"), "{why}");
}

#[test]
fn a_plan_holds_for_its_pipeline_environment_account_region_and_endpoint_alone() {
    let here = Place::of(&identity());
    let file = file();
    file.holds_for("x", "dev", &here).unwrap();
    let refused =
        |pipeline: &str, env: &str, here: &Place| file.holds_for(pipeline, env, here).unwrap_err().to_string();
    assert!(refused("y", "dev", &here).contains("a plan of x, not of y"));
    assert!(refused("x", "prod", &here).contains("--env dev"));
    let other = |change: &dyn Fn(&mut Place)| {
        let mut other = here.clone();
        change(&mut other);
        refused("x", "dev", &other)
    };
    let account = other(&|p| p.account = Some("111122223333".into()));
    assert!(account.contains("the account 123456789012, and this is 111122223333"), "{account}");
    let region = other(&|p| p.region = Some("us-east-1".into()));
    assert!(region.contains("the region eu-west-1, and this is us-east-1"), "{region}");
    let endpoint = other(&|p| p.endpoint = Some("http://localhost:4566".into()));
    assert!(endpoint.contains("the endpoint AWS's own, and this is http://localhost:4566"), "{endpoint}");
    assert!(other(&|p| p.cloud = "local".into()).contains("the cloud aws, and this is local"));
}

#[test]
fn other_code_another_pipeline_toml_and_other_files_are_each_named() {
    let differs = |request: &StackRequest, uploads: &[Upload]| {
        file().leads_to(&Wanted::of(request, uploads).unwrap()).unwrap_err().to_string()
    };
    file().leads_to(&Wanted::of(&request("one"), &uploads("a")).unwrap()).unwrap();
    let code = differs(&request("two"), &uploads("a"));
    assert!(code.contains("the code (jobs/two.sql where jobs/one.sql was planned)"), "{code}");
    let mut other = request("one");
    other.graph.protected = true;
    assert!(differs(&other, &uploads("a")).contains("what pipeline.toml says"));
    assert!(differs(&request("one"), &uploads("b")).contains("what is uploaded (species: bucket.lake/in/a.csv)"));
    assert!(differs(&request("one"), &[]).contains("what is uploaded (species: bucket.lake/in/a.csv)"));
    let mut other = request("one");
    other.template.as_mut().unwrap().body.push(' ');
    assert!(differs(&other, &uploads("a")).contains("any more: the template; check out"));
}
