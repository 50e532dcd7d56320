//! CodePipeline's pipelines and executions as deliveries and releases; and the stack that delivers a pipeline.

use std::{
    fs,
    process::Output,
    sync::{Arc, Mutex},
};

use pumphouse::cloud::{
    Error,
    releases::{Approval, Decision, Definition, ReleaseRequest, ReleaseStatus, StepKind},
};
use serde_json::{Value, json};

use crate::{
    cloudformation::CloudFormation,
    executable::fixed,
    fake::{Answer, Asked, Fake},
    harness::{self, Pumphouse},
};

/// 2026-11-20 14:00:00 UTC.
const AT: f64 = 1_795_183_200.0;
const WAITS: &str = "11111111-aaaa-4bbb-8ccc-000000000001";
const DONE: &str = "11111111-aaaa-4bbb-8ccc-000000000002";
const FAILED: &str = "11111111-aaaa-4bbb-8ccc-000000000003";

fn action(name: &str, category: &str, provider: &str, order: u32) -> Value {
    json!({"name": name, "runOrder": order, "configuration": {"RepositoryName": "dataops", "BranchName": "main"},
        "actionTypeId": {"category": category, "owner": "AWS", "provider": provider, "version": "1"}})
}

fn layout(name: &str) -> Value {
    if name == "theirs" {
        return json!({"pipeline": {"name": name, "roleArn": "arn:aws:iam::123456789012:role/r", "version": 4, "stages": [
            {"name": "Source", "actions": [action("Fetch", "Source", "S3", 1)]},
            {"name": "to-prod", "actions": [action("deploy", "Deploy", "ECS", 2), action("Gate", "Approval", "Manual", 1)]}]}});
    }
    let to = |env: &str, actions: Vec<Value>| json!({"name": format!("to-{env}"), "actions": actions});
    let build = |name: &str, order| action(name, "Build", "CodeBuild", order);
    json!({"pipeline": {"name": name, "roleArn": "arn:aws:iam::123456789012:role/r", "version": 7, "stages": [
        {"name": "source", "actions": [action("source", "Source", "CodeCommit", 1)]},
        {"name": "check", "actions": [build("check", 1)]},
        to("dev", vec![build("plan", 1), build("deploy", 2)]),
        to("prod", vec![build("deploy", 3), action("approve", "Approval", "Manual", 2), build("plan", 1)])]}})
}

fn done(stage: &str, action: &str, status: &str, at: f64, result: Value) -> Value {
    json!({"stageName": stage, "actionName": action, "status": status, "startTime": AT + at,
        "lastUpdateTime": AT + at + 30.0, "output": {"executionResult": result}})
}

fn build(stage: &str, action: &str, project: &str, at: f64) -> Value {
    done(stage, action, "Succeeded", at, json!({"externalExecutionId": format!("dataops--release-{project}:b-{at}")}))
}

fn actions(release: &str) -> Vec<Value> {
    let source = done("source", "source", "Succeeded", 0.0, json!({"externalExecutionSummary": "Mend it\n\nBecause"}));
    let dev = [build("to-dev", "plan", "dev-plan", 20.0), build("to-dev", "deploy", "dev-deploy", 30.0)];
    match release {
        FAILED => vec![
            done(
                "check",
                "check",
                "Failed",
                10.0,
                json!({"externalExecutionId": "dataops--release-check:b-2",
                "errorDetails": {"code": "JobFailed", "message": "Build terminated with state: FAILED"}}),
            ),
            // The stage was tried again: the first time counts no more.
            done("check", "check", "Succeeded", 5.0, json!({})),
            source,
        ],
        WAITS => {
            let approve = done("to-prod", "approve", "InProgress", 50.0, json!({}));
            let plan = done(
                "to-prod",
                "plan",
                "Succeeded",
                40.0,
                json!({"logStreamARN":
                "arn:aws:logs:eu-west-1:123456789012:log-group:/builds/prod:log-stream:plan/b-9"}),
            );
            [vec![approve, plan, source, build("check", "check", "check", 10.0)], dev.to_vec()].concat()
        }
        _ => {
            let mut approve = done("to-prod", "approve", "Succeeded", 50.0, json!({"externalExecutionSummary": "go"}));
            approve["updatedBy"] = "arn:aws:iam::123456789012:user/ada".into();
            let prod =
                [build("to-prod", "plan", "prod-plan", 40.0), approve, build("to-prod", "deploy", "prod-deploy", 60.0)];
            [vec![source, build("check", "check", "check", 10.0)], dev.to_vec(), prod.to_vec()].concat()
        }
    }
}

fn state(waiting: bool) -> Value {
    let latest = if waiting {
        json!({"status": "InProgress", "token": "t-1"})
    } else {
        json!({"status": "Succeeded", "summary": "go"})
    };
    json!({"pipelineName": "dataops--release", "stageStates": [
        {"stageName": "source", "actionStates": [{"actionName": "source"}]},
        {"stageName": "to-prod", "latestExecution": {"pipelineExecutionId": WAITS, "status": "InProgress"},
         "actionStates": [{"actionName": "plan", "latestExecution": {"status": "Succeeded"}},
            {"actionName": "approve", "latestExecution": latest}, {}]}, {}]})
}

fn summaries(asked: &Asked) -> Value {
    match asked.json()["nextToken"].as_str() {
        None => json!({"nextToken": "2", "pipelineExecutionSummaries": [
            {"pipelineExecutionId": WAITS, "status": "InProgress", "startTime": AT, "lastUpdateTime": AT + 50.0,
             "sourceRevisions": [{"actionName": "source", "revisionId": "abc123", "revisionSummary": "Mend it\nBecause"}],
             "trigger": {"triggerType": "CloudWatchEvent", "triggerDetail": "arn:aws:events:x"}}]}),
        Some(_) => json!({"pipelineExecutionSummaries": [
            {"pipelineExecutionId": DONE, "status": "Succeeded", "startTime": AT - 500.0},
            {"pipelineExecutionId": FAILED, "status": "Failed", "startTime": AT - 900.0,
             "trigger": {"triggerType": "StartPipelineExecution", "triggerDetail": "arn:aws:iam::123456789012:user/ada"}},
            {"pipelineExecutionId": "old", "status": "Superseded", "startTime": AT - 1000.0},
            {"pipelineExecutionId": "older", "status": "Cancelled"}, {"status": "Succeeded"}]}),
    }
}

fn answers(asked: &Asked) -> Answer {
    if asked.service == "cloudformation" {
        let operation = &asked.operation;
        return Answer::xml(format!(
            "<{operation}Response><{operation}Result></{operation}Result></{operation}Response>"
        ));
    }
    let body = asked.json();
    let release = body["pipelineExecutionId"].as_str().unwrap_or_default();
    match asked.operation.as_str() {
        "ListPipelines" => match body["nextToken"].as_str() {
            None => Answer::json(&json!({"nextToken": "2",
                "pipelines": [{"name": "dataops--release", "created": AT - 9000.0, "updated": AT}, {}]})),
            Some(_) => Answer::json(&json!({"pipelines": [{"name": "theirs", "created": AT}]})),
        },
        "GetPipeline" => Answer::json(&layout(body["name"].as_str().unwrap())),
        "ListPipelineExecutions" if body["pipelineName"] == "nowhere" => {
            Answer::json_error(400, "PipelineNotFoundException", "Account has no pipeline nowhere")
        }
        "ListPipelineExecutions" => Answer::json(&summaries(asked)),
        "GetPipelineState" => Answer::json(&state(body["name"] != "calm--release")),
        "GetPipelineExecution" if release == "nonsense" => {
            Answer::json_error(400, "ValidationException", "Value 'nonsense' failed to satisfy constraint")
        }
        "GetPipelineExecution" => {
            let status = match release {
                WAITS => "InProgress",
                FAILED => "Failed",
                _ => "Succeeded",
            };
            Answer::json(&json!({"pipelineExecution": {"pipelineName": body["pipelineName"], "pipelineVersion": 7,
                "pipelineExecutionId": release, "status": status, "artifactRevisions": [{"name": "Source",
                "revisionId": "abc123", "revisionSummary": "{\"CommitMessage\": \"Mend it\\n\\nBecause\"}"}]}}))
        }
        "ListActionExecutions" => {
            let release = body["filter"]["pipelineExecutionId"].as_str().unwrap().to_owned();
            let mut all = actions(&release);
            let rest = all.split_off(1);
            match body["nextToken"].as_str() {
                None => Answer::json(&json!({"actionExecutionDetails": all, "nextToken": "2"})),
                Some(_) => Answer::json(&json!({"actionExecutionDetails": rest})),
            }
        }
        "StartPipelineExecution" if body["name"] == "busy--release" => {
            Answer::json_error(400, "ConflictException", "The pipeline is being changed")
        }
        "StartPipelineExecution" => Answer::json(&json!({"pipelineExecutionId": "new"})),
        "PutApprovalResult" if body["token"] == "gone" => Answer::json_error(
            400,
            "ApprovalAlreadyCompletedException",
            "The approval action has already been approved",
        ),
        "PutApprovalResult" => Answer::json(&json!({"approvedAt": AT})),
        "StopPipelineExecution" => match release {
            DONE => Answer::json_error(400, "PipelineExecutionNotStoppableException", "It has already finished"),
            FAILED => Answer::json_error(400, "DuplicatedStopRequestException", "It is stopping"),
            _ => Answer::json(&json!({"pipelineExecutionId": release})),
        },
        other => panic!("{other} is not expected"),
    }
}

fn approval(token: Option<&str>) -> Approval {
    Approval {
        delivery: "dataops--release".into(),
        release: WAITS.into(),
        stage: "to-prod".into(),
        step: "approve".into(),
        env: Some("prod".into()),
        token: token.map(str::to_owned),
    }
}

fn request(delivery: &str, revision: Option<&str>) -> ReleaseRequest {
    let definition = Definition {
        pipeline: "dataops".into(),
        folder: String::new(),
        branch: "main".into(),
        checks: Vec::new(),
        environments: Vec::new(),
        email: Vec::new(),
    };
    ReleaseRequest { delivery: delivery.into(), definition, repository: None, revision: revision.map(str::to_owned) }
}

/// The bodies of one operation's requests.
fn sent(fake: &Fake, operation: &str) -> Vec<Value> {
    fake.asked().iter().filter(|a| a.operation == operation).map(Asked::json).collect()
}

#[tokio::test]
async fn deliveries_come_page_by_page_those_of_others_too() {
    let fake = Fake::start(answers);
    let state = tempfile::tempdir().unwrap();
    let all = harness::cloud(&fake, &state).releases.list().await.unwrap();
    let told: Vec<_> = all.iter().map(|d| (d.name.as_str(), d.pipeline.as_deref(), d.source.as_deref())).collect();
    assert_eq!(
        told,
        [("dataops--release", Some("dataops"), Some("codecommit dataops, branch main")), ("theirs", None, None)]
    );
    assert!(all.iter().all(|d| d.updated.is_some()));
}

#[tokio::test]
async fn releases_come_newest_first_and_one_that_waits_says_so() {
    use ReleaseStatus::{Failed, Stopped, Succeeded, Superseded, Waiting};
    let fake = Fake::start(answers);
    let dir = tempfile::tempdir().unwrap();
    let releases = harness::cloud(&fake, &dir).releases;
    let all = releases.releases("dataops--release", 10).await.unwrap();
    let told: Vec<_> = all.iter().map(|r| (r.id.as_str(), r.status)).collect();
    let wanted = [(WAITS, Waiting), (DONE, Succeeded), (FAILED, Failed), ("old", Superseded), ("older", Stopped)];
    assert_eq!(told, wanted);
    let first = &all[0];
    assert_eq!(
        (first.revision.as_deref(), first.summary.as_deref(), first.trigger.as_deref(), first.pipeline.as_deref()),
        (Some("abc123"), Some("Mend it"), Some("a push (EventBridge)"), Some("dataops"))
    );
    assert_eq!(all[2].trigger.as_deref(), Some("started by user/ada"));
    assert!(all[4].started.is_none() && all[4].revision.is_none(), "absent is normal");
    assert_eq!(releases.releases("dataops--release", 1).await.unwrap().len(), 1);
    assert_eq!(sent(&fake, "ListPipelineExecutions").last().unwrap()["maxResults"], 1);
    let missing = releases.releases("nowhere", 5).await.unwrap_err();
    assert!(matches!(&missing, Error::NotFound { kind: "delivery", .. }), "{missing}");
}

#[tokio::test]
async fn a_release_has_all_its_stages_also_those_before_it() {
    use ReleaseStatus::{Pending, Succeeded, Waiting};
    let fake = Fake::start(answers);
    let dir = tempfile::tempdir().unwrap();
    let release = harness::cloud(&fake, &dir).releases.get("dataops--release", WAITS).await.unwrap();
    let stages: Vec<_> = release.stages.iter().map(|s| (s.name.as_str(), s.status)).collect();
    assert_eq!(stages, [("source", Succeeded), ("check", Succeeded), ("to-dev", Succeeded), ("to-prod", Waiting)]);
    assert_eq!((release.status, release.summary.as_deref()), (Waiting, Some("Mend it")));
    let prod: Vec<_> =
        release.stages[3].steps.iter().map(|s| (s.name.as_str(), s.kind, s.env.as_deref(), s.status)).collect();
    assert_eq!(
        prod,
        [
            ("plan", StepKind::Plan, Some("prod"), Succeeded),
            ("approve", StepKind::Approval, Some("prod"), Waiting),
            ("deploy", StepKind::Deploy, Some("prod"), Pending),
        ],
        "in the order in which they are done"
    );
    assert_eq!(release.waits_for(), Some(approval(Some("t-1"))));
    let log = |stage: usize, step: usize| {
        let step = &release.stages[stage].steps[step];
        (step.log_group.clone().unwrap_or_default(), step.log_stream.clone().unwrap_or_default())
    };
    assert_eq!(log(1, 0), ("/aws/codebuild/dataops--release-check".into(), "b-10".into()));
    assert_eq!(log(3, 0), ("/builds/prod".into(), "plan/b-9".into()), "where CodePipeline says it is");
    assert_eq!(log(3, 2), (String::new(), String::new()));
    assert_eq!(sent(&fake, "GetPipeline")[0]["version"], 7, "as it was when the release began");
}

#[tokio::test]
async fn what_became_of_a_release_is_told() {
    let fake = Fake::start(answers);
    let dir = tempfile::tempdir().unwrap();
    let releases = harness::cloud(&fake, &dir).releases;
    let done = releases.get("dataops--release", DONE).await.unwrap();
    assert_eq!((done.status, done.waits_for()), (ReleaseStatus::Succeeded, None));
    assert_eq!(done.stages[3].steps[1].summary.as_deref(), Some("approved by user/ada: go"));
    let failed = releases.get("dataops--release", FAILED).await.unwrap();
    let check = &failed.stages[1].steps[0];
    assert_eq!(check.status, ReleaseStatus::Failed);
    assert_eq!(check.summary.as_deref(), Some("JobFailed: Build terminated with state: FAILED"));
    assert_eq!(failed.stages[2].status, ReleaseStatus::Pending);
    assert!(sent(&fake, "GetPipelineState").is_empty(), "what is over waits for nothing");
    let missing = releases.get("dataops--release", "nonsense").await.unwrap_err();
    assert!(matches!(&missing, Error::NotFound { kind: "release", .. }), "{missing}");
}

#[tokio::test]
async fn a_pipeline_of_others_has_steps_of_no_known_kind() {
    let fake = Fake::start(answers);
    let dir = tempfile::tempdir().unwrap();
    let release = harness::cloud(&fake, &dir).releases.get("theirs", DONE).await.unwrap();
    let kinds: Vec<_> = release.stages.iter().flat_map(|s| &s.steps).map(|s| (s.name.as_str(), s.kind)).collect();
    // A stage that is called like one of ours does not make it ours.
    assert_eq!(kinds, [("Fetch", StepKind::Source), ("Gate", StepKind::Approval), ("deploy", StepKind::Other)]);
    assert_eq!(release.pipeline, None);
}

#[tokio::test]
async fn a_release_is_started_on_the_newest_revision_or_on_the_one_that_is_named() {
    let fake = Fake::start(answers);
    let dir = tempfile::tempdir().unwrap();
    let start = |delivery: &'static str, revision: Option<&'static str>| {
        let releases = harness::cloud(&fake, &dir).releases;
        harness::permitted(&dir, move |permit| async move {
            releases.start(&permit, &request(delivery, revision)).await.map(|r| assert_eq!(r.id, "new"))
        })
    };
    start("dataops--release", None).await.unwrap();
    start("dataops--release", Some("abc123")).await.unwrap();
    start("theirs", Some("abc123")).await.unwrap();
    let sent = sent(&fake, "StartPipelineExecution");
    assert!(sent[0]["sourceRevisions"].is_null() && sent[0]["clientRequestToken"].is_string());
    let wanted = |action| json!([{"actionName": action, "revisionType": "COMMIT_ID", "revisionValue": "abc123"}]);
    assert_eq!((&sent[1]["sourceRevisions"], &sent[2]["sourceRevisions"]), (&wanted("source"), &wanted("Fetch")));
    let busy = start("busy--release", None).await.unwrap_err();
    assert!(matches!(&busy, Error::Conflict(why) if why.contains("is being changed")), "{busy}");
}

#[tokio::test]
async fn a_decision_is_about_the_wait_that_was_seen() {
    let fake = Fake::start(answers);
    let dir = tempfile::tempdir().unwrap();
    let decide = |approval: Approval, decision: Decision, comment: String| {
        let releases = harness::cloud(&fake, &dir).releases;
        harness::permitted(
            &dir,
            move |permit| async move { releases.decide(&permit, &approval, decision, &comment).await },
        )
    };
    decide(approval(Some("t-0")), Decision::Approve, "fine".into()).await.unwrap();
    // Nobody has looked: what waits now is asked for.
    decide(approval(None), Decision::Reject, "not today".into()).await.unwrap();
    let sent = sent(&fake, "PutApprovalResult");
    assert_eq!(
        sent[0],
        json!({"pipelineName": "dataops--release", "stageName": "to-prod", "actionName": "approve", "token": "t-0",
            "result": {"summary": "fine", "status": "Approved"}})
    );
    assert_eq!((&sent[1]["token"], &sent[1]["result"]["status"]), (&json!("t-1"), &json!("Rejected")));
    for gone in [approval(Some("gone")), Approval { delivery: "calm--release".into(), ..approval(None) }] {
        let error = decide(gone, Decision::Approve, String::new()).await.unwrap_err();
        assert!(matches!(&error, Error::Conflict(why) if why.contains("does not wait")), "{error}");
    }
    let long = decide(approval(Some("t-0")), Decision::Approve, "x".repeat(513)).await.unwrap_err();
    assert!(matches!(&long, Error::Invalid(why) if why.contains("512")), "{long}");
}

#[tokio::test]
async fn a_release_is_asked_to_stop_and_what_is_at_work_is_waited_for() {
    let fake = Fake::start(answers);
    let dir = tempfile::tempdir().unwrap();
    let stop = |release: &'static str, reason: &'static str| {
        let releases = harness::cloud(&fake, &dir).releases;
        harness::permitted(&dir, move |permit| async move {
            releases.stop(&permit, "dataops--release", release, reason).await
        })
    };
    stop(WAITS, "a mistake").await.unwrap();
    stop(FAILED, "").await.unwrap();
    let sent = sent(&fake, "StopPipelineExecution");
    assert_eq!((&sent[0]["abandon"], &sent[0]["reason"]), (&json!(false), &json!("a mistake")));
    assert!(sent[1]["reason"].is_null(), "asked before, and without a reason");
    let over = stop(DONE, "").await.unwrap_err();
    assert!(matches!(&over, Error::Conflict(why) if why.contains("already finished")), "{over}");
}

#[tokio::test]
async fn every_call_that_is_denied_names_its_action() {
    let operation = Arc::new(Mutex::new(String::new()));
    let denied = operation.clone();
    let fake = Fake::start(move |asked| {
        if asked.operation == *denied.lock().unwrap() {
            return Answer::json_error(400, "AccessDeniedException", "Access denied");
        }
        answers(asked)
    });
    let dir = tempfile::tempdir().unwrap();
    let releases = harness::cloud(&fake, &dir).releases;
    for name in [
        "ListPipelines",
        "ListPipelineExecutions",
        "GetPipelineState",
        "GetPipelineExecution",
        "ListActionExecutions",
        "GetPipeline",
        "StartPipelineExecution",
        "PutApprovalResult",
        "StopPipelineExecution",
    ] {
        name.clone_into(&mut operation.lock().unwrap());
        let error = match name {
            "ListPipelines" => releases.list().await.unwrap_err(),
            "ListPipelineExecutions" | "GetPipelineState" => {
                releases.releases("dataops--release", 5).await.unwrap_err()
            }
            "GetPipelineExecution" | "ListActionExecutions" | "GetPipeline" => {
                releases.get("dataops--release", WAITS).await.unwrap_err()
            }
            _ => {
                let releases = releases.clone();
                let work = move |permit| async move {
                    match name {
                        "StartPipelineExecution" => {
                            releases.start(&permit, &request("dataops--release", None)).await.map(|_| ())
                        }
                        "PutApprovalResult" => {
                            releases.decide(&permit, &approval(Some("t")), Decision::Approve, "").await
                        }
                        _ => releases.stop(&permit, "dataops--release", WAITS, "").await,
                    }
                };
                harness::permitted(&dir, work).await.unwrap_err()
            }
        };
        let action = format!("codepipeline:{name}");
        assert!(matches!(&error, Error::AccessDenied { action: told, .. } if *told == action), "{name}: {error}");
    }
}

/// CloudFormation, with a bootstrap stack of this version.
fn world(version: &str) -> (CloudFormation, Fake, Pumphouse) {
    let aws = CloudFormation::new();
    let bootstrap = "pumphouse-bootstrap";
    if let Some(stack) = aws.state().stacks.iter_mut().find(|s| s.name == bootstrap) {
        stack.outputs.push(("Version".into(), version.into()));
    }
    let mind = aws.clone();
    let fake = Fake::start(move |asked| mind.answer(asked));
    let p = Pumphouse::on(&fake);
    (aws, fake, p)
}

fn releases(p: &Pumphouse, args: &[&str]) -> Output {
    let executable = p.path("fixed");
    fs::write(&executable, fixed()).unwrap();
    let mut command = p.command();
    command.env("PUMPHOUSE_BOOTSTRAP", &executable).arg("releases").args(args);
    if args[0] != "destroy" {
        command.arg("--executable").arg(&executable);
    }
    command.output().unwrap()
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_delivery_is_planned_deployed_found_again_and_destroyed() {
    let (aws, fake, p) = world("4");
    let plan = releases(&p, &["plan", "dataops"]);
    assert!(plan.status.success(), "{}", told(&plan));
    let text = String::from_utf8_lossy(&plan.stdout).into_owned();
    assert!(text.contains("ReleasePipeline") && text.contains("dataops--release"), "{text}");
    assert_ne!(aws.stack("dataops--release").status, "CREATE_COMPLETE");

    // What deploys to a protected environment takes more than a yes.
    let refused = releases(&p, &["deploy", "dataops", "--yes"]);
    assert_eq!(refused.status.code(), Some(3), "{}", told(&refused));
    assert!(told(&refused).contains("then to prod with an approval"), "{}", told(&refused));
    let deployed = releases(&p, &["deploy", "dataops", "--confirm", "dataops--release"]);
    assert!(deployed.status.success(), "{}", told(&deployed));
    let stack = aws.stack("dataops--release");
    assert_eq!(stack.status, "CREATE_COMPLETE");
    assert_eq!(stack.tags, [("pumphouse:pipeline".to_owned(), "dataops".to_owned())]);
    let uploaded = aws.state().objects.keys().filter(|key| key.contains("tools/")).count();
    assert_eq!(uploaded, 1, "both executables are one here, and so is what is uploaded");

    let again = releases(&p, &["deploy", "dataops"]);
    assert!(again.status.success(), "nothing to do asks nothing: {}", told(&again));

    let refused = releases(&p, &["destroy", "dataops"]);
    assert_eq!(refused.status.code(), Some(3), "{}", told(&refused));
    let destroyed = releases(&p, &["destroy", "dataops", "--yes"]);
    assert!(destroyed.status.success(), "{}", told(&destroyed));
    assert_eq!(aws.stack("dataops--release").status, "DELETE_COMPLETE");
    let gone = releases(&p, &["destroy", "dataops", "--yes"]);
    assert_eq!(gone.status.code(), Some(1), "{}", told(&gone));
    let audit = fs::read_to_string(p.path("state").join("audit.jsonl")).unwrap();
    assert!(audit.contains("\"releases deploy\"") && audit.contains("\"releases destroy\""), "{audit}");
    drop(fake);
}

#[test]
fn an_old_bootstrap_stack_is_told_before_anything_is_made() {
    let (_, fake, p) = world("3");
    let refused = releases(&p, &["deploy", "dataops", "--confirm", "dataops--release"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(told(&refused).contains("run `pumphouse bootstrap` once more"), "{}", told(&refused));
    assert!(fake.lines().iter().all(|l| !l.contains("CreateChangeSet")));
}

#[test]
fn what_cannot_be_delivered_says_why() {
    let (_, fake, p) = world("4");
    let none = releases(&p, &["plan", "crypto-stream"]);
    assert!(told(&none).contains("crypto-stream has no [release] section"), "{}", told(&none));
    let script = p.path("script");
    fs::write(&script, "#!/bin/sh\n").unwrap();
    let unfit = p
        .command()
        .env("PUMPHOUSE_BOOTSTRAP", &script)
        .args(["releases", "plan", "dataops", "--executable"])
        .arg(&script)
        .output()
        .unwrap();
    assert_eq!(unfit.status.code(), Some(2), "{}", told(&unfit));
    assert!(fake.lines().iter().all(|l| !l.contains("CreateChangeSet")));
}
