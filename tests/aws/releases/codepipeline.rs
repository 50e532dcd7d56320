//! CodePipeline as these tests know it: a delivery of ours and one of somebody else, with releases that wait, succeeded, failed.

use serde_json::{Value, json};

use crate::fake::{Answer, Asked};

/// 2026-11-20 14:00:00 UTC.
const AT: f64 = 1_795_183_200.0;
pub(super) const WAITS: &str = "11111111-aaaa-4bbb-8ccc-000000000001";
pub(super) const DONE: &str = "11111111-aaaa-4bbb-8ccc-000000000002";
pub(super) const FAILED: &str = "11111111-aaaa-4bbb-8ccc-000000000003";

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

pub(super) fn answers(asked: &Asked) -> Answer {
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
