use std::{collections::BTreeSet, path::Path};

use bytes::Bytes;

use super::*;
use crate::{
    deploy::{bootstrap_template, package::Executable},
    spec,
};

/// The head of an ELF file for a machine; `last` tells two of them apart.
fn executable(machine: u8, last: u8) -> Executable {
    let mut file = b"\x7fELF\x02\x01\x01".to_vec();
    file.resize(64, 0);
    file[18] = machine;
    file.push(last);
    Bytes::from(file).into()
}

fn options() -> ReleaseOptions {
    ReleaseOptions {
        pumphouse: Some(executable(62, 1)),
        bootstrap: Some(executable(62, 2)),
        ..ReleaseOptions::default()
    }
}

fn dataops() -> Pipeline {
    spec::load(&spec::Location::BuiltIn("dataops".into()), &|_| true).unwrap_or_else(|report| panic!("{report}"))
}

/// One with a connection, a folder in its repository, files to upload, and regions of its own.
fn connected() -> Pipeline {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/spec/valid/everything.toml");
    spec::load_path(&path, &|_| true).unwrap_or_else(|report| panic!("{report}"))
}

fn document(pipeline: &Pipeline) -> Value {
    let template = release_template(pipeline, &options()).unwrap_or_else(|e| panic!("{e}"));
    serde_json::from_str(&template.body).unwrap()
}

fn of<'a>(document: &'a Value, kind: &'a str) -> impl Iterator<Item = (&'a str, &'a Value)> {
    let all = document["Resources"].as_object().unwrap().iter();
    all.filter(move |(_, r)| r["Type"] == kind).map(|(id, r)| (id.as_str(), &r["Properties"]))
}

fn many(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_else(|| vec![value.clone()])
}

/// A role's statements.
fn statements(document: &Value, role: &str) -> Vec<Value> {
    document["Resources"][role]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"].as_array().unwrap().clone()
}

fn actions(statements: &[Value]) -> BTreeSet<String> {
    let all = statements.iter().filter(|s| s["Effect"] == "Allow").flat_map(|s| many(&s["Action"]));
    all.map(|a| a.as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_delivery_of_dataops() {
    insta::assert_snapshot!(release_template(&dataops(), &options()).unwrap().body);
}

#[test]
fn what_differs_with_a_connection() {
    let document = document(&connected());
    let pipeline = &document["Resources"]["ReleasePipeline"]["Properties"];
    let shown = serde_json::json!({
        "source": pipeline["Stages"][0],
        "triggers": pipeline["Triggers"],
        "rules": of(&document, "AWS::Events::Rule").map(|(id, _)| id).collect::<Vec<_>>(),
        "pipeline may": statements(&document, "PipelineRole"),
        "prod's deploy may": statements(&document, "ProdDeployRole"),
        "plans": serde_json::from_str::<Value>(
            document["Resources"]["ProdPlanProject"]["Properties"]["Source"]["BuildSpec"].as_str().unwrap()
        ).unwrap(),
    });
    insta::assert_snapshot!(format!("{shown:#}"));
}

#[test]
fn an_environment_that_asks_for_it_waits_between_its_plan_and_its_deploy() {
    let document = document(&dataops());
    let stages = &document["Resources"]["ReleasePipeline"]["Properties"]["Stages"];
    let names = |stage: &Value| {
        let mut actions = stage["Actions"].as_array().unwrap().clone();
        actions.sort_by_key(|a| a["RunOrder"].as_u64());
        actions.iter().map(|a| a["Name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let all: Vec<_> =
        stages.as_array().unwrap().iter().map(|s| (s["Name"].as_str().unwrap().to_owned(), names(s))).collect();
    let wanted = [
        ("source", vec!["source"]),
        ("check", vec!["check"]),
        ("to-dev", vec!["plan", "deploy"]),
        ("to-prod", vec!["plan", "approve", "deploy"]),
    ];
    let wanted: Vec<_> =
        wanted.into_iter().map(|(s, a)| (s.to_owned(), a.into_iter().map(str::to_owned).collect::<Vec<_>>())).collect();
    assert_eq!(all, wanted);
    // The adapter knows each of them.
    for (stage, steps) in &all {
        for step in steps {
            assert_ne!(releases::step_kind(stage, step).0, releases::StepKind::Other, "{stage}/{step}");
        }
    }
    // What is deployed is what was planned.
    let deploy = &stages[3]["Actions"][2];
    assert_eq!(deploy["InputArtifacts"], json!([{"Name": "Source"}, {"Name": "prod"}]));
    assert_eq!(stages[3]["Actions"][0]["OutputArtifacts"], json!([{"Name": "prod"}]));
}

#[test]
fn a_check_may_read_the_revision_and_write_its_log_and_nothing_else() {
    let document = document(&dataops());
    let may = actions(&statements(&document, "CheckRole"));
    let wanted = [
        "kms:Decrypt",
        "kms:DescribeKey",
        "kms:GenerateDataKey",
        "logs:CreateLogStream",
        "logs:PutLogEvents",
        "s3:GetBucketAcl",
        "s3:GetBucketLocation",
        "s3:GetObject",
        "s3:GetObjectVersion",
    ];
    assert_eq!(may.iter().map(String::as_str).collect::<Vec<_>>(), wanted);
}

#[test]
fn an_environment_s_roles_name_no_other_environment() {
    for pipeline in [dataops(), connected()] {
        let document = document(&pipeline);
        let envs: Vec<_> = pipeline.env_names();
        for (env, step) in envs.iter().flat_map(|e| [(e, ReleaseStep::Plan), (e, ReleaseStep::Deploy)]) {
            let role = format!("{}Role", builds::id(env, step));
            let text = serde_json::to_string(&statements(&document, &role)).unwrap();
            for other in envs.iter().filter(|other| *other != env) {
                for named in [format!("{}-{other}", pipeline.name), format!("/{other}/")] {
                    assert!(!text.contains(&named), "{role} names {named}");
                }
            }
            // Only who deploys executes, and only CloudFormation gets the role that may do more.
            let may = actions(&statements(&document, &role));
            assert_eq!(may.contains("cloudformation:ExecuteChangeSet"), step == ReleaseStep::Deploy, "{role}");
            assert_eq!(may.contains("cloudformation:DeleteStack"), step == ReleaseStep::Deploy, "{role}");
            let passes: Vec<_> =
                statements(&document, &role).into_iter().filter(|s| s["Action"] == "iam:PassRole").collect();
            assert_eq!(passes.len(), 1);
            let to = &passes[0]["Condition"]["StringEquals"]["iam:PassedToService"];
            assert_eq!(to, "cloudformation.amazonaws.com");
        }
    }
}

#[test]
fn no_statement_names_everything() {
    for pipeline in [dataops(), connected()] {
        let document = document(&pipeline);
        for (id, role) in of(&document, "AWS::IAM::Role") {
            assert_eq!(role["Path"], "/pumphouse-release/");
            for statement in statements(&document, id) {
                assert!(many(&statement["Action"]).iter().all(|a| !a.as_str().unwrap().contains('*')), "{id}");
                assert!(many(&statement["Resource"]).iter().all(|r| r != "*"), "{id}: {statement}");
            }
        }
    }
}

#[test]
fn no_role_gets_beyond_the_boundary_and_the_boundary_not_beyond_the_roles() {
    let bootstrap: Value = serde_json::from_str(&bootstrap_template().body).unwrap();
    let boundary = &bootstrap["Resources"]["ReleaseBoundary"]["Properties"];
    let name = boundary["ManagedPolicyName"]["Fn::Sub"].as_str().unwrap();
    let most = actions(boundary["PolicyDocument"]["Statement"].as_array().unwrap());
    let mut used = BTreeSet::new();
    for pipeline in [dataops(), connected()] {
        let document = document(&pipeline);
        for (id, role) in of(&document, "AWS::IAM::Role") {
            let bound = role["PermissionsBoundary"]["Fn::Sub"].as_str().unwrap();
            assert!(bound.ends_with(&format!("policy/pumphouse/{name}")), "{bound}");
            used.extend(actions(&statements(&document, id)));
        }
    }
    assert_eq!(used, most);
    // What a role of a pipeline may do at most leads nobody into a release.
    let pipelines = &bootstrap["Resources"]["Boundary"]["Properties"]["PolicyDocument"]["Statement"];
    let pipelines = actions(pipelines.as_array().unwrap());
    assert!(pipelines.iter().all(|a| !a.starts_with("cloudformation:") && !a.starts_with("iam:")));
}

#[test]
fn the_deploying_role_may_make_what_delivers() {
    let bootstrap: Value = serde_json::from_str(&bootstrap_template().body).unwrap();
    let attached = bootstrap["Resources"]["ServiceRole"]["Properties"]["ManagedPolicyArns"].as_array().unwrap();
    let policy = |arn: &Value| &bootstrap["Resources"][arn["Ref"].as_str().unwrap()]["Properties"]["PolicyDocument"];
    let all: Vec<Value> =
        attached.iter().flat_map(|arn| policy(arn)["Statement"].as_array().unwrap().clone()).collect();
    let may = actions(&all);
    assert!(may.iter().all(|a| !a.contains('*')));
    for pipeline in [dataops(), connected()] {
        for (id, resource) in document(&pipeline)["Resources"].as_object().unwrap() {
            let makes = match resource["Type"].as_str().unwrap() {
                "AWS::CodeBuild::Project" => "codebuild:CreateProject",
                "AWS::CodePipeline::Pipeline" => "codepipeline:CreatePipeline",
                "AWS::Events::Rule" => "events:PutRule",
                "AWS::IAM::Role" => "iam:CreateRole",
                "AWS::Logs::LogGroup" => "logs:CreateLogGroup",
                "AWS::S3::Bucket" => "s3:CreateBucket",
                "AWS::S3::BucketPolicy" => "s3:PutBucketPolicy",
                "AWS::SNS::Subscription" => "sns:Subscribe",
                "AWS::SNS::Topic" => "sns:CreateTopic",
                "AWS::SNS::TopicPolicy" => "sns:SetTopicAttributes",
                other => panic!("{id}: is the deploying role allowed to make {other}?"),
            };
            assert!(may.contains(makes), "{makes} for {id}");
        }
    }
    // The roles of releases are passed to what runs releases, those of pipelines never.
    let passed = all.iter().find(|s| s["Sid"] == "PassReleaseRoles").unwrap();
    let role = passed["Resource"]["Fn::Sub"].as_str().unwrap();
    assert!(role.ends_with("role/pumphouse-release/*"), "{role}");
}

#[test]
fn policies_are_no_longer_than_aws_takes() {
    let bootstrap: Value = serde_json::from_str(&bootstrap_template().body).unwrap();
    let long = |policy: &Value| {
        let mut policy = policy.clone();
        plain(&mut policy);
        policy.to_string().len()
    };
    // It cannot be uploaded: the bucket is in it.
    let long_template = bootstrap_template().body.len();
    assert!(long_template <= 51_200, "{long_template}");
    let resources = bootstrap["Resources"].as_object().unwrap();
    for (id, resource) in resources {
        match resource["Type"].as_str().unwrap() {
            "AWS::IAM::ManagedPolicy" => {
                let long = long(&resource["Properties"]["PolicyDocument"]);
                assert!(long <= 6_144, "{id}: {long}");
            }
            "AWS::IAM::Role" => {
                let policies = resource["Properties"]["Policies"].as_array().cloned().unwrap_or_default();
                let long: usize = policies.iter().map(|p| long(&p["PolicyDocument"])).sum();
                assert!(long <= 10_240, "{id}: {long}");
            }
            _ => {}
        }
    }
}

/// What is between two texts becomes as long as it may be.
fn plain(value: &mut Value) {
    if let Some(text) = value.get("Fn::Sub").and_then(Value::as_str) {
        let long = [("${AWS::Partition}", "aws-us-gov"), ("${AWS::AccountId}", "123456789012")];
        let text = long.iter().fold(text.to_owned(), |text, (name, value)| text.replace(name, value));
        *value = text.replace("${AWS::Region}", "ap-southeast-2").into();
        return;
    }
    match value {
        Value::Object(fields) => fields.values_mut().for_each(plain),
        Value::Array(items) => items.iter_mut().for_each(plain),
        _ => {}
    }
}

#[test]
fn executables_are_assets_by_their_hash_or_parameters() {
    let template = release_template(&dataops(), &options()).unwrap();
    assert_eq!(template.assets.len(), 2);
    for asset in &template.assets {
        assert!(asset.key.starts_with("tools/") && template.body.contains(&asset.key), "{}", asset.key);
    }
    let asked = ReleaseOptions { ask: true, ..ReleaseOptions::default() };
    let template = release_template(&dataops(), &asked).unwrap();
    let document: Value = serde_json::from_str(&template.body).unwrap();
    assert!(template.assets.is_empty());
    let parameters: Vec<_> = document["Parameters"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(parameters, ["PumphouseKey", "BootstrapKey"]);
    let missing = release_template(&dataops(), &ReleaseOptions::default()).unwrap_err().to_string();
    assert!(missing.contains("the executable of pumphouse"), "{missing}");
}

#[test]
fn an_executable_for_arm_is_built_on_arm() {
    let options = ReleaseOptions { pumphouse: Some(executable(183, 1)), ..options() };
    let template = release_template(&dataops(), &options).unwrap();
    let document: Value = serde_json::from_str(&template.body).unwrap();
    for (id, project) in of(&document, "AWS::CodeBuild::Project") {
        assert_eq!(project["Environment"]["Type"], "ARM_CONTAINER", "{id}");
        assert!(project["Environment"]["Image"].as_str().unwrap().contains("aarch64"), "{id}");
    }
}

#[test]
fn a_pipeline_without_a_release_says_so() {
    let pipeline = spec::load(&spec::Location::BuiltIn("crypto-stream".into()), &|_| true).unwrap();
    let told = release_template(&pipeline, &options()).unwrap_err().to_string();
    assert!(told.contains("crypto-stream has no [release] section"), "{told}");
}

#[test]
fn without_an_address_nobody_is_told() {
    let mut pipeline = dataops();
    pipeline.release.as_mut().unwrap().definition.email.clear();
    let document = document(&pipeline);
    assert_eq!(of(&document, "AWS::SNS::Topic").count(), 0);
    assert!(!document.to_string().contains("sns:Publish") && !document.to_string().contains("NotificationArn"));
}

#[test]
fn each_check_begins_in_the_pipeline_s_folder_whatever_the_one_before_has_done() {
    let mut pipeline = dataops();
    let definition = &mut pipeline.release.as_mut().unwrap().definition;
    definition.folder = "a lake".into();
    let last = "printf '%s\\n' \"it's\" 'a $HOME' `echo x` > said # done";
    definition.checks =
        ["cd / && x=1", "test -f pipeline.toml && test -z \"$x\"", "exit 0", last].map(str::to_owned).to_vec();
    let commands = |pipeline: &Pipeline| {
        let spec: Value = serde_json::from_str(&buildspec(pipeline, ReleaseStep::Check, "", false)).unwrap();
        let all = spec["phases"]["build"]["commands"].as_array().unwrap().clone();
        all.iter().map(|c| format!("{{\n{}\n}} || exit 1\n", c.as_str().unwrap())).collect::<Vec<_>>().concat()
    };
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("a lake");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("pipeline.toml"), "").unwrap();
    let run = |script: String| {
        let mut shell = std::process::Command::new("bash");
        shell.args(["-c", &script]).env("CODEBUILD_SRC_DIR", dir.path()).status().unwrap().code()
    };
    assert_eq!(run(commands(&pipeline)), Some(0));
    assert_eq!(std::fs::read_to_string(folder.join("said")).unwrap(), "it's\na $HOME\nx\n");
    pipeline.release.as_mut().unwrap().definition.checks.insert(0, "false".into());
    assert_eq!(run(commands(&pipeline)), Some(1), "and one that fails ends the build");
}
