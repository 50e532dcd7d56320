//! Glue's jobs, runs and bookmarks.

use std::sync::atomic::{AtomicU32, Ordering};

use pumphouse::cloud::{Error, jobs::JobRunState};
use serde_json::{Value, json};

use crate::{
    fake::{Answer, Asked, Fake},
    harness::{self, Pumphouse},
};

/// 2026-11-20 14:00:00 UTC.
const AT: f64 = 1_795_183_200.0;

fn job(name: &str) -> Value {
    json!({"Name": name, "GlueVersion": "5.1", "WorkerType": "G.1X", "NumberOfWorkers": 2,
        "Command": {"Name": "glueetl"},
        "DefaultArguments": {"--job-bookmark-option": "job-bookmark-enable", "--db_password": "hunter2"}})
}

fn run(id: &str, state: &str) -> Value {
    json!({"Id": id, "JobName": "clean", "JobRunState": state, "StartedOn": AT, "CompletedOn": AT + 90.0,
        "ExecutionTime": 85, "DPUSeconds": 7200.0, "WorkerType": "G.1X", "NumberOfWorkers": 2, "GlueVersion": "5.1",
        "TriggerName": "hourly", "LogGroupName": "/aws-glue/jobs",
        "ErrorMessage": if state == "FAILED" { "AnalysisException: column \"deaths\" is missing\nin line 7" } else { "" }})
}

/// No stack owns anything.
fn none(asked: &Asked) -> Option<Answer> {
    (asked.service == "cloudformation").then(|| {
        let operation = &asked.operation;
        Answer::xml(format!("<{operation}Response><{operation}Result></{operation}Result></{operation}Response>"))
    })
}

/// A thousand jobs in pages of a hundred.
fn thousand(asked: &Asked) -> Answer {
    if let Some(answer) = none(asked) {
        return answer;
    }
    match asked.operation.as_str() {
        "GetJobs" => {
            let from: u64 = asked.json()["NextToken"].as_str().map_or(0, |t| t.parse().unwrap());
            let jobs: Vec<_> = (from..from + 100).map(|n| job(&format!("job-{n:04}"))).collect();
            let next = if from < 900 { json!((from + 100).to_string()) } else { json!(null) };
            Answer::json(&json!({"Jobs": jobs, "NextToken": next}))
        }
        "GetTriggers" => Answer::json(&json!({"Triggers": [
            {"Name": "hourly", "Type": "SCHEDULED", "State": "ACTIVATED", "Schedule": "cron(5 * * * ? *)",
             "Actions": [{"JobName": "job-0000"}]},
            {"Name": "off", "Type": "SCHEDULED", "State": "DEACTIVATED", "Schedule": "cron(0 4 * * ? *)",
             "Actions": [{"JobName": "job-0001"}, {"JobName": "job-0000"}]},
            {"Name": "after", "Type": "CONDITIONAL", "State": "ACTIVATED", "Actions": [{"JobName": "job-0002"}]}]})),
        "GetJobRuns" => Answer::json(&json!({"JobRuns": [run("jr_9", "SUCCEEDED")]})),
        other => panic!("{other} is not expected"),
    }
}

#[tokio::test]
async fn the_first_of_a_thousand_jobs_wait_for_no_other_call() {
    let fake = Fake::start(thousand);
    let state = tempfile::tempdir().unwrap();
    let cloud = harness::cloud(&fake, &state);
    let mut pages = cloud.jobs.list();
    let first = pages.next().await.unwrap().unwrap();
    assert_eq!((first.len(), first[0].name.as_str()), (100, "job-0000"));
    let glue = |fake: &Fake| fake.lines().into_iter().filter(|l| l.starts_with("glue")).collect::<Vec<_>>();
    let mut asked = glue(&fake);
    asked.sort();
    assert_eq!(asked, ["glue GetJobs", "glue GetTriggers"]);
    let mut all = first;
    while let Some(page) = pages.next().await {
        all.extend(page.unwrap());
    }
    assert_eq!(all.len(), 1_000);
    assert_eq!(glue(&fake).len(), 11, "ten pages, and the triggers once");
    assert!(all.iter().all(|j| j.last_run.is_none() && j.bookmark));
    assert_eq!(
        all[0].schedule.as_deref(),
        Some("cron(5 * * * ? *)"),
        "a trigger that is on goes before one that is off"
    );
    assert!(all[0].next_run.is_some_and(|t| t > jiff::Timestamp::now()));
    assert_eq!((all[1].schedule.as_deref(), all[1].next_run), (Some("cron(0 4 * * ? *)"), None), "it is off");
    assert_eq!(all[2].schedule, None);
    assert_eq!(all[0].arguments["--db_password"], "********");
    assert_eq!(all[0].capacity.glue_version.as_deref(), Some("5.1"));
    assert_eq!(all[0].log_group, "/aws-glue/jobs/output");
    assert_eq!(all[0].error_log_group.as_deref(), Some("/aws-glue/jobs/error"));

    let wanted: Vec<_> = all[..20].iter().map(|j| j.name.clone()).collect();
    let runs = cloud.jobs.last_runs(&wanted).await.unwrap();
    assert_eq!(runs.len(), 20);
    assert_eq!(glue(&fake).len(), 31, "only for those that are wanted");
    assert_eq!(fake.asked().last().unwrap().json()["MaxResults"], 1);
}

#[tokio::test]
async fn runs_come_in_pages_up_to_what_is_wanted() {
    let fake = Fake::start(|asked| {
        let from: usize = asked.json()["NextToken"].as_str().map_or(0, |t| t.parse().unwrap());
        let n = asked.json()["MaxResults"].as_u64().unwrap() as usize;
        let runs: Vec<_> = (from..from + n).map(|n| run(&format!("jr_{n}"), "FAILED")).collect();
        Answer::json(&json!({"JobRuns": runs, "NextToken": (from + n).to_string()}))
    });
    let state = tempfile::tempdir().unwrap();
    let runs = harness::cloud(&fake, &state).jobs.runs("clean", 250).await.unwrap();
    assert_eq!((runs.len(), runs[249].id.as_str()), (250, "jr_249"));
    let asked: Vec<_> = fake.asked().iter().map(|a| a.json()["MaxResults"].as_u64().unwrap()).collect();
    assert_eq!(asked, [200, 50]);
    let newest = &runs[0];
    assert_eq!(newest.error.as_deref(), Some("AnalysisException: column \"deaths\" is missing\nin line 7"));
    assert_eq!(
        (newest.state, newest.dpu_seconds, newest.execution_seconds),
        (JobRunState::Failed, Some(7_200.0), Some(85))
    );
    assert_eq!((newest.trigger.as_str(), newest.log_stream.as_str()), ("hourly", "jr_0"));
}

#[test]
fn a_run_is_started_looked_at_and_stopped() {
    let fake = Fake::start(|asked| match asked.operation.as_str() {
        "StartJobRun" => Answer::json(&json!({"JobRunId": "jr_1"})),
        // The run that was just started cannot be looked at yet.
        "GetJobRun" => Answer::json_error(400, "EntityNotFoundException", "no such run"),
        "BatchStopJobRun" => Answer::json(&json!({"SuccessfulSubmissions": [], "Errors": [{"JobName": "clean",
            "JobRunId": "jr_1", "ErrorDetail": {"ErrorCode": "InvalidInputException", "ErrorMessage": "It is over."}}]})),
        other => panic!("{other}"),
    });
    let pumphouse = Pumphouse::on(&fake);
    let out = pumphouse.run(&["jobs", "start", "clean", "--output", "json"]);
    let started: Value = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!((&started["id"], &started["state"]), (&json!("jr_1"), &json!("STARTING")));
    let out = pumphouse.run(&["jobs", "stop", "clean", "jr_1", "--yes"]);
    let said = String::from_utf8(out.stderr).unwrap();
    assert!(said.contains("run jr_1 of clean cannot be stopped: It is over."), "{said}");
    let audit = std::fs::read_to_string(pumphouse.path("state/audit.jsonl")).unwrap();
    assert!(audit.contains("jobs start") && audit.contains("failed: run jr_1"), "{audit}");
}

#[test]
fn nothing_is_started_in_read_only_mode() {
    let fake = Fake::start(|asked| panic!("{} was asked", asked.line()));
    let pumphouse = Pumphouse::on(&fake);
    for command in
        [&["jobs", "start", "clean"][..], &["jobs", "stop", "clean", "jr_1"], &["jobs", "reset-bookmark", "clean"]]
    {
        let out = pumphouse.command().arg("--read-only").args(command).output().unwrap();
        assert_eq!(out.status.code(), Some(3), "{out:?}");
    }
    assert!(fake.lines().is_empty());
}

#[tokio::test]
async fn a_bookmark_that_the_endpoint_does_not_know_is_told_as_such() {
    let fake = Fake::start(|asked| match asked.json()["JobName"].as_str().unwrap() {
        "new" => Answer::json_error(400, "EntityNotFoundException", "Bookmark not found"),
        "known" => Answer::json(&json!({"JobBookmarkEntry": {"JobName": "known", "Run": 3, "RunId": "jr_3",
            "JobBookmark": "{\"source\": 1}"}})),
        _ => Answer::json_error(400, "UnknownOperationException", ""),
    });
    let state = tempfile::tempdir().unwrap();
    let cloud = harness::cloud(&fake, &state);
    let known = cloud.jobs.bookmark("known").await.unwrap();
    assert_eq!((known.run.as_deref(), known.position.as_str()), (Some("jr_3"), "{\"source\": 1}"));
    assert!(matches!(cloud.jobs.bookmark("new").await, Err(Error::NotFound { kind: "bookmark of job", .. })));
    let odd = cloud.jobs.bookmark("odd").await.unwrap_err();
    assert!(odd.to_string().contains("glue:GetJobBookmark: this endpoint does not know it"), "{odd}");
}

#[test]
fn what_is_denied_is_named_and_throttling_is_waited_out() {
    let fake = Fake::start(|asked| {
        none(asked).unwrap_or_else(|| match asked.operation.as_str() {
            "GetTriggers" => Answer::json_error(
                400,
                "AccessDeniedException",
                "User: x is not authorized to perform: glue:GetTriggers",
            ),
            "GetJobs" => Answer::json(&json!({"Jobs": [job("clean")]})),
            _ => Answer::json_error(
                400,
                "AccessDeniedException",
                "User: arn:aws:iam::123456789012:user/ada is not authorized to perform: glue:GetJobRuns on resource: \
             arn:aws:glue:eu-west-1:123456789012:job/clean because no identity-based policy allows it",
            ),
        })
    });
    let pumphouse = Pumphouse::on(&fake);
    let out = pumphouse.run(&["jobs", "list", "--brief"]);
    assert!(out.status.success(), "without the triggers there are no schedules, but jobs: {out:?}");
    assert!(String::from_utf8(out.stdout).unwrap().contains("clean"));
    let out = pumphouse.run(&["jobs", "runs", "clean"]);
    let said = String::from_utf8(out.stderr).unwrap();
    assert!(said.contains("glue:GetJobRuns") && said.contains("job/clean"), "{said}");

    let asked_before = AtomicU32::new(0);
    let fake = Fake::start(move |_| {
        if asked_before.fetch_add(1, Ordering::Relaxed) < 2 {
            return Answer::json_error(400, "ThrottlingException", "Rate exceeded");
        }
        Answer::json(&json!({"JobRuns": [run("jr_1", "WAITING")]}))
    });
    let out = Pumphouse::on(&fake).run(&["jobs", "runs", "clean"]);
    assert!(String::from_utf8(out.stdout).unwrap().contains("WAITING"));
    assert_eq!(fake.lines().len(), 3);
}

#[test]
fn a_failed_run_is_shown_with_all_that_is_known() {
    let fake = Fake::start(|asked| match asked.operation.as_str() {
        "GetJobRun" => Answer::json(&json!({"JobRun": run("jr_1", "FAILED")})),
        other => panic!("{other}"),
    });
    let pumphouse = Pumphouse::on(&fake);
    let out = pumphouse.run(&["jobs", "show", "clean", "jr_1"]);
    let text = String::from_utf8(out.stdout).unwrap();
    for part in ["FAILED", "is missing", "in line 7", "G.1X", "7200", "~$0.88", "5.1"] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    let cheap = pumphouse
        .command()
        .env("PUMPHOUSE_GLUE_DPU_HOUR_USD", "1.5")
        .args(["jobs", "show", "clean", "jr_1", "--output", "json"])
        .output()
        .unwrap();
    let shown: Value = serde_json::from_slice(&cheap.stdout).unwrap();
    assert_eq!(shown["cost_usd"], json!(3.0));
    assert_eq!((&shown["dpu_seconds"], &shown["worker_type"]), (&json!(7200.0), &json!("G.1X")));
}
