//! What can go wrong, and what is said of it.

use std::{
    io::{BufRead, BufReader},
    process::Stdio,
};

use super::Standin;

#[test]
fn a_mistake_in_a_file_is_told_with_its_place() {
    let standin = Standin::start();
    standin.play("invalid.json", "validate.json");
    standin
        .run(&["plan", "orders"])
        .badly(1, &["../../modules/lake/main.tf:13: Unsupported argument", "Did you mean \"bucket\"?"]);
    assert!(!standin.commands().contains(&"plan".to_owned()));
}

#[test]
fn a_locked_state_is_told_with_who_since_when_and_how_to_unlock_it() {
    let standin = Standin::deployed();
    standin.play("locked.jsonl", "plan.jsonl").write("plan.code", "1");
    standin.run(&["deploy", "orders", "--yes"]).badly(
        1,
        &[
            "locked by maria@laptop since 2026-11-20 11:50:04 UTC (",
            " ago), for apply, lock id 3f1c0a52-9b1e-4d3a-8a77-2c1d5b0e9f11",
            "pumphouse --env dev unlock orders 3f1c0a52-9b1e-4d3a-8a77-2c1d5b0e9f11",
            "to try again: pumphouse --state-dir ",
            " deploy orders --yes",
        ],
    );
    standin.write("lock", "3f1c0a52-9b1e-4d3a-8a77-2c1d5b0e9f11");
    let unlock = |lock: &str, consent: &[&str]| {
        let mut args = vec!["unlock", "orders", lock];
        args.extend(consent);
        standin.run(&args)
    };
    let lock = "3f1c0a52-9b1e-4d3a-8a77-2c1d5b0e9f11";
    unlock(lock, &["--yes"]).badly(3, &["--confirm 3f1c0a52"]);
    unlock(lock, &["--confirm", "orders-dev"]).badly(3, &["is not --confirm"]);
    unlock("another-id", &["--confirm", "another-id"]).badly(1, &["does not match existing lock"]);
    assert!(standin.path("standin/lock").exists());
    unlock(lock, &["--confirm", lock]).well();
    assert!(!standin.path("standin/lock").exists());
}

#[test]
fn a_stale_plan_is_planned_again() {
    let standin = Standin::deployed();
    standin.planning("create").play("stale.jsonl", "apply.jsonl").write("apply.code", "1");
    standin.run(&["deploy", "orders", "--yes"]).badly(1, &["nothing was applied; plan again"]);
    // Nothing was done to what is there.
    let status = standin.run(&["status", "orders", "--output", "json"]).well().json();
    assert_eq!(status["status"], "CREATE_COMPLETE");
    standin.keeps_no_secret();
}

#[test]
fn a_resource_that_fails_is_told_with_its_place_and_what_was_done() {
    let standin = Standin::start();
    standin.planning("create").play("failed.jsonl", "apply.jsonl").write("apply.code", "1");
    standin.play("dev.json", "state.json");
    standin.run(&["deploy", "orders", "--yes"]).badly(
        1,
        &[
            "../../modules/ingest/main.tf:46: creating Kinesis Stream (acme-orders-dev-orders): LimitExceededException",
            "1 of 11 steps were done; failed: module.ingest.aws_kinesis_stream.orders",
            "CREATE_FAILED",
        ],
    );
    let status = standin.run(&["status", "orders", "--output", "json"]).well().json();
    assert_eq!(status["status"], "CREATE_FAILED");
    assert!(status["reason"].as_str().unwrap().contains("LimitExceededException"));
    // What goes well afterwards makes it whole again.
    standin.planning("nothing");
    standin.run(&["plan", "orders"]).well();
    let status = standin.run(&["status", "orders", "--output", "json"]).well().json();
    assert_eq!(status["reason"], serde_json::Value::Null);
    standin.keeps_no_secret();
}

#[test]
fn a_crash_in_the_middle_is_told_with_the_last_words() {
    let standin = Standin::start();
    standin.planning("create").play("crashed.jsonl", "apply.jsonl");
    let said = standin.run(&["deploy", "orders", "--yes"]).badly(
        1,
        &[
            "Terraform ended in the middle, with exit code 11",
            "TERRAFORM CRASH",
            "panic: runtime error: invalid memory address, token (sensitive)",
            "begun, with an end that is not known: module.ingest.aws_kinesis_stream.orders",
            "Terraform speaks version 7.3 of its stream",
            "not a message of Terraform's: this is no message at all",
            "Engaging the warp drive",
        ],
    );
    assert_eq!(said.err.matches("warp_started").count(), 1, "{}", said.err);
    let history = standin.run(&["history", "orders", "--output", "json"]).well().json();
    assert_eq!(history[0]["status"], "CREATE_FAILED");
    standin.keeps_no_secret();
}

#[test]
fn a_program_that_is_not_there_or_too_old_is_named() {
    let standin = Standin::start();
    standin.write("version.json", r#"{"terraform_version":"1.4.9"}"#);
    standin.run(&["plan", "orders"]).badly(1, &["terraform 1.4.9 is too old: 1.5.0"]);
    standin.write("version.json", "no json");
    standin.run(&["plan", "orders"]).badly(1, &["does not say which version"]);
    std::fs::remove_file(standin.path("bin/terraform")).unwrap();
    let mut command = standin.command();
    let said = super::Said::of(&command.env("PATH", standin.path("bin")).args(["plan", "orders"]).output().unwrap());
    said.badly(1, &["there is no `terraform` on PATH"]);
}

#[test]
fn an_init_that_fails_says_why_and_a_directory_that_is_not_there_is_named() {
    let standin = Standin::start();
    standin.write("init.jsonl", "{\"type\":\"diagnostic\",\"@level\":\"error\",\"diagnostic\":{\"severity\":\"error\",\"summary\":\"Failed to get existing workspaces\",\"detail\":\"S3 bucket \\\"acme-terraform-state\\\" does not exist.\"}}\n");
    standin.write("init.code", "1");
    standin.run(&["plan", "orders"]).badly(1, &["`init` of orders-dev failed", "acme-terraform-state"]);
    std::fs::remove_dir_all(standin.path("infra/environments/dev")).unwrap();
    standin.run(&["plan", "orders"]).badly(1, &["infra/environments/dev is no directory"]);
    standin.run(&["--env", "test", "plan", "orders"]).badly(1, &["no environment \"test\""]);
}

#[test]
fn a_workspace_that_is_not_there_is_not_made_to_be_read() {
    let standin = Standin::start();
    let text = std::fs::read_to_string(standin.path("pipelines/orders/pipeline.toml")).unwrap();
    let text = text.replace("var_files", "workspace = \"{env}\"\nvar_files");
    std::fs::write(standin.path("pipelines/orders/pipeline.toml"), text).unwrap();
    standin.planning("nothing").play("dev.json", "state.json").write("workspaces", "prod\n");
    standin.run(&["--read-only", "plan", "orders"]).badly(1, &["no workspace named \"dev\""]);
    assert!(!standin.calls().iter().any(|c| c.starts_with("dev|")), "{:?}", standin.calls());
    standin.write("workspaces", "prod\ndev\n");
    standin.run(&["--read-only", "plan", "orders"]).well();
    assert!(standin.calls().iter().any(|c| c.starts_with("dev|dev|plan")), "{:?}", standin.calls());
}

#[test]
fn a_lock_that_is_waited_for_is_told_and_then_taken() {
    let standin = Standin::deployed();
    standin.waits_for_locks(300).planning("nothing").play("locked.jsonl", "held");
    let mut command = standin.command();
    let mut child = command.args(["plan", "orders"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(std::result::Result::unwrap);
    let told = lines.find(|line| line.contains("waiting for")).unwrap();
    assert!(told.contains("the state of orders-dev, locked by maria@laptop since 2026-11-20 11:50:04 UTC ("), "{told}");
    assert!(told.ends_with(" s at the most"), "{told}");
    std::fs::remove_file(standin.path("standin/held")).unwrap();
    let said = super::Said::of(&child.wait_with_output().unwrap()).well();
    assert!(said.out.contains("nothing to change"), "{}", said.out);
    // One that is held for longer is told as it is.
    standin.change("lock_timeout_seconds = 300", "lock_timeout_seconds = 1").play("locked.jsonl", "held");
    standin.run(&["plan", "orders"]).badly(1, &["for 1 s at the most", "unlock orders 3f1c0a52", "to try again: "]);
    standin.run(&["drift", "orders"]).badly(1, &["waiting for the state", "unlock orders 3f1c0a52"]);
}

#[test]
fn a_variable_without_a_value_is_named_with_how_to_give_it() {
    let standin = Standin::deployed();
    standin.write("plan.jsonl", "{\"type\":\"diagnostic\",\"@level\":\"error\",\"diagnostic\":{\"severity\":\"error\",\"summary\":\"No value for required variable\",\"detail\":\"The root module input variable \\\"retention_days\\\" is not set, and has no default value. Use a -var or -var-file command line argument to provide a value for this variable.\",\"range\":{\"filename\":\"variables.tf\",\"start\":{\"line\":7,\"column\":1}}}}\n").write("plan.code", "1");
    let words = ["variables.tf:7: No value", "\"retention_days\" has no value", "var_files", "TF_VAR_retention_days"];
    standin.run(&["plan", "orders"]).badly(1, &words);
}

#[test]
fn a_secret_of_the_environment_is_told_by_no_error_before_there_is_a_plan() {
    let standin = Standin::deployed();
    standin
        .write("plan.jsonl", &format!("#stderr provider said {} is wrong\n", super::SECRETS[0]))
        .write("plan.code", "1");
    let run = |args: &[&str]| {
        let mut command = standin.command();
        super::Said::of(&command.env("TF_VAR_api_token", super::SECRETS[0]).args(args).output().unwrap())
    };
    run(&["plan", "orders"]).badly(1, &["provider said (sensitive) is wrong"]);
    // Nor is it in what is kept of an apply, which was given it, too.
    let text = std::fs::read_to_string(super::source("recorded/killed.jsonl")).unwrap();
    standin.planning("create").write("apply.jsonl", &text.replace("#wait go", "#kill"));
    std::fs::remove_file(standin.path("standin/plan.code")).unwrap();
    run(&["deploy", "orders", "--yes"]).badly(1, &["exit code 137"]);
    standin.keeps_no_secret();
}

#[test]
fn a_stack_that_is_not_deployed_is_told_so_without_a_look_at_aws() {
    let standin = Standin::deployed();
    std::fs::remove_file(standin.path("standin/state.json")).unwrap();
    let path = format!("{}:{}", standin.path("bin").display(), std::env::var("PATH").unwrap_or_default());
    let mut command = standin.pumphouse.bare();
    let command = command.env("PATH", path).env("STANDIN", standin.path("standin")).args(["status", "orders"]);
    super::Said::of(&command.output().unwrap()).badly(1, &["orders is not deployed in dev: `pumphouse deploy orders`"]);
}
