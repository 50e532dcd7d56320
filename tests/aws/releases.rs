//! CodePipeline's pipelines and executions as deliveries and releases; and the stack that delivers a pipeline.

mod codepipeline;
mod stack;

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use pumphouse::cloud::{
    Error,
    releases::{Approval, Decision, Definition, ReleaseRequest, ReleaseStatus, StepKind},
};
use serde_json::{Value, json};

use crate::{
    fake::{Answer, Asked, Fake},
    harness::{self, Pumphouse},
    identity::CALLER,
};
use codepipeline::{DONE, FAILED, WAITS, answers};

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
    let told: Vec<_> = all.iter().map(|d| (d.name.as_str(), d.pipeline.as_deref())).collect();
    assert_eq!(told, [("dataops--release", Some("dataops")), ("theirs", None)]);
    assert!(all.iter().all(|d| d.updated.is_some()));
    assert!(sent(&fake, "GetPipeline").is_empty(), "a list takes no call for each");
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
    let commit = "8f1c3aa90b5e1d2c3f4a5b6c7d8e9f0a1b2c3d4e";
    start("dataops--release", None).await.unwrap();
    start("dataops--release", Some(commit)).await.unwrap();
    start("theirs", Some("3sL4kqtJlcpXroDTDmJ")).await.unwrap();
    for tag in ["v1", "abc123", "8f1c3aa90b5e1d2c3f4a5b6c7d8e9f0a1b2c3dxx"] {
        let refused = start("dataops--release", Some(tag)).await.unwrap_err();
        assert!(matches!(&refused, Error::Invalid(why) if why.contains("git rev-parse")), "{refused}");
    }
    let sent = sent(&fake, "StartPipelineExecution");
    assert!(sent[0]["sourceRevisions"].is_null() && sent[0]["clientRequestToken"].is_string());
    let wanted = |action, kind, value| json!([{"actionName": action, "revisionType": kind, "revisionValue": value}]);
    assert_eq!(sent[1]["sourceRevisions"], wanted("source", "COMMIT_ID", commit));
    assert_eq!(sent[2]["sourceRevisions"], wanted("Fetch", "S3_OBJECT_VERSION_ID", "3sL4kqtJlcpXroDTDmJ"));
    assert_eq!(sent.len(), 3);
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
async fn a_release_is_asked_to_stop_and_what_is_at_work_is_waited_for_but_no_approval() {
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
    assert_eq!(
        (&sent[0]["abandon"], &sent[0]["reason"]),
        (&json!(true), &json!("a mistake")),
        "nobody may ever decide"
    );
    assert_eq!(sent[1]["abandon"], false);
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

#[test]
fn a_release_is_followed_though_codepipeline_does_not_know_it_at_once() {
    let looks = AtomicUsize::new(0);
    let fake = Fake::start(move |asked| match asked.operation.as_str() {
        "GetCallerIdentity" => Answer::xml(CALLER),
        "GetPipelineExecution" if looks.fetch_add(1, Ordering::SeqCst) < 2 => {
            Answer::json_error(400, "PipelineExecutionNotFoundException", "There is no such execution")
        }
        _ => answers(asked),
    });
    let started = Pumphouse::on(&fake).run(&["releases", "start", "theirs", "--yes"]);
    assert!(started.status.success(), "{}", String::from_utf8_lossy(&started.stderr));
    assert!(String::from_utf8_lossy(&started.stdout).contains("SUCCEEDED"), "{started:?}");
    assert_eq!(sent(&fake, "GetPipelineExecution").len(), 3);
}

#[test]
fn a_release_is_followed_past_the_approval_that_was_given() {
    // How often it was looked at since; none: nobody has decided.
    let since = Mutex::new(None);
    let fake = Fake::start(move |asked| {
        let mut since = since.lock().unwrap();
        match (asked.operation.as_str(), *since) {
            ("GetCallerIdentity", _) => return Answer::xml(CALLER),
            ("PutApprovalResult", _) => *since = Some(0),
            ("GetPipelineExecution", Some(looks)) => {
                *since = Some(looks + 1);
                if looks == 2 {
                    return Answer::json(&json!({"pipelineExecution": {"status": "Succeeded"}}));
                }
            }
            _ => {}
        }
        answers(asked)
    });
    let approved = Pumphouse::on(&fake).run(&["releases", "approve", "dataops", "--confirm", "dataops-prod"]);
    let said = String::from_utf8_lossy(&approved.stderr);
    assert!(approved.status.success() && !said.contains("lets it go on"), "{said}");
    assert!(String::from_utf8_lossy(&approved.stdout).contains("SUCCEEDED"), "{approved:?}");
}
