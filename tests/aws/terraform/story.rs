//! Planned, deployed, changed, drifted, looked at and destroyed: what is shown, and what the program is asked for.

use std::fs;

use super::{SECRETS, Standin};
use crate::{
    fake::{Answer, Asked, Fake},
    read_only::something,
};

#[test]
fn a_directory_is_planned_deployed_and_shown() {
    let standin = Standin::start();
    standin.planning("create").play("created.jsonl", "apply.jsonl");
    let plan = standin.run(&["plan", "orders"]).well();
    for words in [
        "+ add     bucket module.lake.aws_s3_bucket.zone[\"landing\"] (acme-orders-dev-landing)",
        "+ add     function module.ingest.aws_lambda_function.ingest",
        "orders-dev: 11 to add, 0 to change, 0 to replace, 0 to remove",
        "outputs that change, too: api_token, landing_bucket",
        "warning: ../../modules/lake/main.tf:13: Argument is deprecated",
    ] {
        assert!(plan.out.contains(words), "{words:?} is not in: {}", plan.out);
    }
    assert_eq!(standin.commands(), ["version", "init", "validate", "plan", "show"]);
    let plan_call = standin.calls()[3].clone();
    assert!(plan_call.starts_with("|dev|plan -json -input=false -out=/"), "{plan_call}");
    assert!(plan_call.ends_with("-lock-timeout=0s -var-file=dev.tfvars"), "{plan_call}");
    standin.keeps_no_secret();

    standin.run(&["deploy", "orders"]).badly(3, &["--yes"]);
    let deployed = standin.run(&["deploy", "orders", "--yes"]).well();
    assert!(deployed.err.contains("11/11 CREATE_COMPLETE"), "{}", deployed.err);
    assert!(deployed.err.contains("local-exec: warming up with (sensitive)"), "{}", deployed.err);
    assert!(deployed.out.contains("acme-orders-dev-failed-1"), "{}", deployed.out);
    assert!(deployed.out.contains("CREATE_COMPLETE"));
    standin.keeps_no_secret();

    let outputs = standin.run(&["outputs", "orders", "--output", "json"]).well().json();
    assert_eq!(outputs[0]["value"], "(sensitive)");
    assert_eq!(outputs[1]["value"], "acme-orders-dev-landing");
    let status = standin.run(&["status", "orders", "--output", "json"]).well().json();
    assert_eq!((&status["status"], &status["pipeline"]), (&"CREATE_COMPLETE".into(), &"orders".into()));
    assert_eq!(status["resources"].as_array().unwrap().len(), 11);
    let history = standin.run(&["history", "orders", "--output", "json"]).well().json();
    assert_eq!(
        (&history[0]["kind"], &history[0]["status"], &history[0]["changes"]),
        (&"create".into(), &"CREATE_COMPLETE".into(), &11.into())
    );
    let events = standin.run(&["events", "orders"]).well();
    assert!(events.out.contains("10 s so far") && events.out.contains("PROVISION_COMPLETE"), "{}", events.out);
    let pipelines = standin.run(&["pipelines", "--output", "json"]).well().json();
    assert_eq!((&pipelines[0]["name"], &pipelines[0]["stack"]), (&"orders".into(), &"CREATE_COMPLETE".into()));
    let audit = std::fs::read_to_string(standin.path("state/audit.jsonl")).unwrap();
    assert!(audit.contains("\"what\":\"deploy\"") && audit.contains("refused: not confirmed"), "{audit}");
}

#[test]
fn each_kind_of_change_is_shown_with_what_differs() {
    let standin = Standin::deployed();
    standin.planning("change");
    let plan = standin.run(&["plan", "orders"]).well().out;
    for words in [
        "~ change  aws_s3_bucket_lifecycle_configuration module.lake.aws_s3_bucket_lifecycle_configuration.landing",
        "rule[0].expiration[0].days: 30 -> 60",
        "environment[0].variables.API_TOKEN: \"(sensitive)\" -> \"(sensitive)\"",
        "! replace stream module.ingest.aws_kinesis_stream.orders (acme-orders-dev-orders)  (its data is lost)  (it cannot be changed in place)",
        "name: \"acme-orders-dev-orders\" -> \"acme-orders-dev-orders-2\"  (makes it anew)",
        "arn: known only later",
        "~ change  topic module.ingest.aws_sns_topic.alerts (acme-orders-dev-alerts)  (moved from aws_sns_topic.alerts)",
        "(there already, and taken in: /aws/lambda/acme-orders-dev-ingest)",
        "- remove  workgroup module.lake.aws_athena_workgroup.analysts (acme-orders-dev-analysts)  (what is there is kept, outside of the stack)",
        "- remove  queue module.ingest.aws_sqs_queue.failed[1] (acme-orders-dev-failed-1)  (its data is lost)  (its index is beyond count)",
        "changed outside of Terraform: module.lake.aws_s3_bucket_lifecycle_configuration.landing is not as it was left (rule[0].status)",
    ] {
        assert!(plan.contains(words), "{words:?} is not in: {plan}");
    }
    // Data would be lost: a yes is not enough.
    standin.run(&["deploy", "orders", "--yes"]).badly(3, &["--confirm orders-dev", "the data of"]);
    assert!(!standin.commands().contains(&"apply".to_owned()));
}

#[test]
fn where_there_is_nothing_to_do_nothing_is_applied() {
    let standin = Standin::deployed();
    standin.planning("nothing");
    assert!(standin.run(&["plan", "orders"]).well().out.contains("orders-dev: nothing to change"));
    standin.run(&["deploy", "orders"]).well();
    assert!(!standin.commands().contains(&"apply".to_owned()));
    assert_eq!(standin.run(&["history", "orders", "--output", "json"]).well().json(), serde_json::json!([]));
}

#[test]
fn drift_is_looked_for_without_a_change() {
    let standin = Standin::deployed();
    standin.play("drift.json", "drift.json");
    let drift = standin.run(&["drift", "orders"]).well().out;
    assert!(drift.contains("rule[0].status: expected \"Enabled\", is \"Disabled\""), "{drift}");
    assert!(drift.contains("~ deleted queue module.ingest.aws_sqs_queue.failed[1]"), "{drift}");
    assert!(drift.contains("2 resources are not what the stack says; `deploy` brings them back"), "{drift}");
    let call = standin.calls().into_iter().find(|c| c.contains("-refresh-only")).unwrap();
    assert!(call.contains("|plan ") && call.contains("-lock-timeout"), "{call}");
    let json = standin.run(&["drift", "orders", "--output", "json"]).well().json();
    assert_eq!((&json["status"], &json["fresh"]), (&"DRIFTED".into(), &true.into()));
}

#[test]
fn a_destroy_is_planned_shown_confirmed_by_name_and_applied() {
    let standin = Standin::deployed();
    standin.play("destroy.json", "destroy.json").play("destroyed.jsonl", "apply.jsonl");
    standin.run(&["destroy", "orders", "--yes"]).badly(3, &["the data of", "--confirm orders-dev"]);
    let done = standin.run(&["destroy", "orders", "--confirm", "orders-dev"]).well();
    assert!(done.err.contains("- remove  bucket") && done.err.contains("11/11 DELETE_COMPLETE"), "{}", done.err);
    let plans = standin.calls().iter().filter(|c| c.contains("-destroy")).count();
    assert_eq!(plans, 2, "planned once for each command");
    assert!(standin.calls().iter().any(|c| c.contains("|apply -json -input=false -lock-timeout=0s /")));
    standin.run(&["status", "orders"]).badly(1, &["orders is not deployed in dev"]);
    let history = standin.run(&["history", "orders", "--output", "json"]).well().json();
    assert_eq!((&history[0]["kind"], &history[0]["status"]), (&"delete".into(), &"DELETE_COMPLETE".into()));
    standin.keeps_no_secret();
}

#[test]
fn read_only_locks_nothing_and_changes_nothing() {
    let standin = Standin::start();
    standin.planning("change").play("dev.json", "state.json").play("drift.json", "drift.json");
    let plan = standin.run(&["--read-only", "plan", "orders"]).well();
    assert!(plan.out.contains("read-only: planned without a lock"), "{}", plan.out);
    standin.run(&["--read-only", "drift", "orders"]).well();
    standin.run(&["--read-only", "status", "orders"]).well();
    for refused in [
        &["deploy", "orders", "--yes"][..],
        &["destroy", "orders", "--confirm", "orders-dev"],
        &["unlock", "orders", "x", "--confirm", "x"],
    ] {
        let mut args = vec!["--read-only"];
        args.extend(refused);
        standin.run(&args).badly(3, &["read-only"]);
    }
    for call in standin.calls() {
        let command = call.rsplit('|').next().unwrap();
        assert!(!command.starts_with("apply") && !command.starts_with("force-unlock"), "{call}");
        assert!(!command.starts_with("plan") || command.contains("-lock=false"), "{call}");
    }
    // A lock file of providers is written where there is none, and never changed.
    let inits = || standin.calls().into_iter().filter(|call| call.contains("|init")).collect::<Vec<_>>();
    assert!(inits().len() == 1 && !inits()[0].contains("-lockfile"), "{:?}", inits());
    fs::remove_dir(standin.path("infra/environments/dev/.terraform")).unwrap();
    standin.run(&["--read-only", "plan", "orders"]).well();
    assert!(inits().len() == 2 && inits()[1].contains("-lockfile=readonly"), "{:?}", inits());
    standin.keeps_no_secret();
    assert!(!standin.path("state/audit.jsonl").exists());
}

#[test]
fn no_value_of_a_variable_is_an_argument_and_the_workspace_is_named_by_the_environment() {
    let standin = Standin::start();
    let text = std::fs::read_to_string(standin.path("pipelines/orders/pipeline.toml")).unwrap();
    let text = text.replace(
        "var_files",
        "workspace = \"orders-{env}\"\nbinary = \"tofu\"\nbackend_config = [\"{env}.s3.tfbackend\"]\nvar_files",
    );
    std::fs::write(standin.path("pipelines/orders/pipeline.toml"), text).unwrap();
    standin.planning("create").play("created.jsonl", "apply.jsonl");
    let mut command = standin.command();
    let done = command.env("TF_VAR_api_token", SECRETS[0]).args([
        "--env",
        "prod",
        "deploy",
        "orders",
        "--confirm",
        "orders-prod",
    ]);
    super::Said::of(&done.output().unwrap()).well();
    let calls = standin.calls();
    for call in &calls {
        assert!(call.contains("|prod|") && SECRETS.iter().all(|s| !call.contains(s)), "{call}");
    }
    assert!(
        calls.iter().any(|c| c.starts_with("orders-prod|prod|plan") && c.contains("-var-file=prod.tfvars")),
        "{calls:?}"
    );
    assert!(
        calls
            .iter()
            .any(|c| c.contains("|init") && c.contains("-backend-config=prod.s3.tfbackend") && c.contains("-json")),
        "{calls:?}"
    );
}

/// An account with a function and three buckets, one of which is nobody's.
fn account(asked: &Asked) -> Answer {
    match asked.service.as_str() {
        "s3" if asked.path == "/" => {
            let names = ["acme-orders-dev-curated", "acme-orders-dev-landing", "another"];
            let buckets = names.map(|n| format!("<Bucket><Name>{n}</Name></Bucket>")).concat();
            Answer::xml(format!("<ListAllMyBucketsResult><Buckets>{buckets}</Buckets></ListAllMyBucketsResult>"))
        }
        "s3" => Answer::xml(
            "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>a.csv</Key><Size>1</Size></Contents></ListBucketResult>",
        ),
        // Who works with Terraform alone may not look at CloudFormation.
        "cloudformation" => {
            Answer::xml_error(403, "AccessDenied", "not authorized to perform cloudformation:DescribeStacks")
        }
        _ => something(asked),
    }
}

#[test]
fn what_exists_belongs_to_the_pipeline_and_answers_to_its_end() {
    let standin = Standin::on(Fake::start(account));
    let objects = standin.run(&["buckets", "objects", "orders/landing"]).well();
    assert!(objects.out.contains("a.csv"), "{}", objects.out);
    let buckets = standin.run(&["buckets", "list", "--output", "json"]).well().json();
    let owners: Vec<_> = buckets.as_array().unwrap().iter().map(|b| b["pipeline"].as_str()).collect();
    assert_eq!(owners, [Some("orders"), Some("orders"), None]);
    standin
        .run(&["buckets", "objects", "orders/nothing"])
        .badly(1, &["acme-orders-dev-landing, acme-orders-dev-curated"]);
    standin.run(&["--env", "prod", "invoke", "orders/ingest"]).badly(1, &["it has: none"]);
    let pipelines = standin.run(&["pipelines", "--output", "json"]).well().json();
    assert_eq!(pipelines[0]["words"], "not deployed");
}

#[test]
fn a_plan_file_holds_terraforms_own_plan_and_exactly_that_is_applied() {
    let standin = Standin::start();
    standin.planning("create").play("created.jsonl", "apply.jsonl");
    let planned = standin.run(&["--read-only", "plan", "orders", "--out", "plan.json", "--detailed-exitcode"]);
    assert_eq!(planned.code, Some(2), "{}", planned.err);
    // What is planned by now is something else: the file counts.
    standin.planning("change");
    let done = standin.run(&["deploy", "orders", "--plan-file", "plan.json", "--yes"]).well();
    assert!(done.err.contains("11/11 CREATE_COMPLETE"), "{}", done.err);
    assert_eq!(standin.calls().iter().filter(|c| c.contains("|plan ")).count(), 1, "{:?}", standin.calls());
    standin.keeps_no_secret();
    let text = std::fs::read_to_string(standin.path("plan.json")).unwrap();
    std::fs::write(standin.path("plan.json"), text.replace("acme-orders-dev-landing", "acme-orders-dev-another"))
        .unwrap();
    standin.run(&["deploy", "orders", "--plan-file", "plan.json", "--yes"]).badly(1, &["changed"]);
    let markdown = standin.run(&["plan", "orders", "--output", "markdown"]).well().out;
    assert!(markdown.contains("there already, and taken in: <code>"), "{markdown}");
}

#[test]
fn what_has_drifted_is_repaired_by_a_deploy_and_then_there_is_no_drift() {
    let standin = Standin::deployed();
    standin.play("drift.json", "drift.json");
    assert_eq!(standin.run(&["drift", "orders", "--output", "json"]).well().json()["status"], "DRIFTED");
    assert_eq!(
        standin.run(&["status", "orders", "--output", "json"]).well().json()["resources"].as_array().unwrap().len(),
        11
    );
    standin.planning("repair").play("repaired.jsonl", "apply.jsonl");
    let plan = standin.run(&["plan", "orders"]).well().out;
    for words in [
        "rule[0].status: \"Disabled\" -> \"Enabled\"",
        "+ add     queue module.ingest.aws_sqs_queue.failed[1] (acme-orders-dev-failed-1)",
        "changed outside of Terraform: module.ingest.aws_sqs_queue.failed[1] is gone",
        "1 to add, 1 to change, 0 to replace, 0 to remove",
    ] {
        assert!(plan.contains(words), "{words:?} is not in: {plan}");
    }
    let deployed = standin.run(&["deploy", "orders", "--yes"]).well();
    assert!(
        deployed.err.contains("0/2 WAITING") && deployed.err.contains("for the lock of its state"),
        "{}",
        deployed.err
    );
    assert!(
        deployed.err.contains("2/2 UPDATE_COMPLETE") && !deployed.err.contains("not known here"),
        "{}",
        deployed.err
    );
    standin.play("nothing.json", "drift.json").planning("nothing");
    assert!(standin.run(&["drift", "orders"]).well().out.contains("orders-dev: no drift"));
    assert_eq!(standin.run(&["plan", "orders", "--detailed-exitcode"]).code, Some(0));
    let history = standin.run(&["history", "orders", "--output", "json"]).well().json();
    assert_eq!(
        (&history[0]["kind"], &history[0]["status"], &history[0]["changes"]),
        (&"update".into(), &"UPDATE_COMPLETE".into(), &2.into())
    );
    standin.keeps_no_secret();
}

#[test]
fn opentofu_speaks_a_little_otherwise_and_is_understood() {
    let standin = Standin::start();
    standin.change("var_files", "binary = \"tofu\"\nvar_files");
    standin.planning("create").play("created.jsonl", "apply.jsonl").play("drift.json", "drift.json");
    standin.write("version.json", r#"{"terraform_version":"1.10.6","platform":"linux_amd64","provider_selections":{"registry.opentofu.org/hashicorp/aws":"6.2.0"}}"#);
    for name in ["plan.jsonl", "apply.jsonl"] {
        let text = std::fs::read_to_string(standin.path("standin").join(name)).unwrap();
        let text = text.replace("\"terraform.ui\"", "\"tofu.ui\"").replace("Terraform 1.11.4", "OpenTofu 1.10.6");
        standin.write(name, &text.replace("\"terraform\": \"1.11.4\"", "\"tofu\": \"1.10.6\""));
    }
    let plan = standin.run(&["plan", "orders"]).well();
    assert!(plan.out.contains("11 to add") && !plan.out.contains("not a message"), "{}", plan.out);
    let done = standin.run(&["deploy", "orders", "--yes"]).well();
    assert!(done.err.contains("11/11 CREATE_COMPLETE") && !done.err.contains("not known here"), "{}", done.err);
    assert!(standin.run(&["drift", "orders"]).well().out.contains("2 resources"));
    standin.keeps_no_secret();
    // Its `init` speaks JSON from 1.7 on.
    let init = || standin.calls().into_iter().rfind(|c| c.contains("|init")).unwrap();
    assert!(init().ends_with("-json"), "{}", init());
    standin.write("version.json", r#"{"terraform_version":"1.6.3"}"#);
    standin.run(&["plan", "orders"]).well();
    assert!(!init().ends_with("-json"), "{}", init());
    standin.write("version.json", r#"{"terraform_version":"1.5.7"}"#);
    standin.run(&["plan", "orders"]).badly(1, &["tofu 1.5.7 is too old: 1.6.0"]);
}

#[test]
fn environments_of_one_directory_with_a_backend_each_have_their_own_data() {
    let standin = Standin::start();
    standin.change("environments/{env}\"", "environments/dev\"");
    standin.change("var_files", "backend_config = [\"{env}.tfbackend\"]\nvar_files").planning("nothing");
    for env in ["dev", "prod"] {
        standin.run(&["--env", env, "plan", "orders"]).well();
        assert!(standin.path(&format!("infra/environments/dev/.terraform/pumphouse/{env}")).is_dir());
    }
    let inits = standin.calls().into_iter().filter(|c| c.contains("|init")).collect::<Vec<_>>();
    assert!(inits[1].ends_with("-backend-config=prod.tfbackend") && inits.len() == 2, "{inits:?}");
}

#[test]
fn a_plan_file_needs_no_account_where_terraform_has_none() {
    let standin = Standin::deployed();
    standin.planning("repair").play("repaired.jsonl", "apply.jsonl");
    let path = format!("{}:{}", standin.path("bin").display(), std::env::var("PATH").unwrap_or_default());
    let bare = |args: &[&str]| {
        let mut command = standin.pumphouse.bare();
        command.env("PATH", &path).env("STANDIN", standin.path("standin")).env("AWS_EC2_METADATA_DISABLED", "true");
        super::Said::of(&command.args(args).output().unwrap())
    };
    let planned = bare(&["plan", "orders", "--out", "plan.json"]).well();
    assert!(planned.out.contains("the file names no account"), "{}", planned.out);
    let file: serde_json::Value = serde_json::from_slice(&std::fs::read(standin.path("plan.json")).unwrap()).unwrap();
    assert_eq!(file["cloud"]["account"], serde_json::Value::Null);
    bare(&["deploy", "orders", "--plan-file", "plan.json", "--yes"]).well();
    // What names an account is for that account.
    standin.run(&["plan", "orders", "--out", "plan.json"]).well();
    bare(&["deploy", "orders", "--plan-file", "plan.json", "--yes"])
        .badly(1, &["this is a plan for the account 123456789012, and nobody can say whether this is that one"]);
    standin.run(&["deploy", "orders", "--plan-file", "plan.json", "--yes"]).well();
}
