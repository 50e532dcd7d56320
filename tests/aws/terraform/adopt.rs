//! A directory that nobody wrote for us is adopted, and then planned from what was written.

use std::fs;

use serde_json::json;

use super::Standin;
use crate::{
    fake::{Answer, Fake},
    read_only::something,
};

const WRITTEN: &str = r#"name = "orders"
description = "Deployed by Terraform"

[deploy]
engine = "terraform"
dir = "../../infra/environments/{env}"
var_files = ["{env}.tfvars"]

[env.dev]
region = "eu-west-1"

[env.dev.existing]
streams = ["acme-orders-dev-orders"]
buckets = ["acme-orders-dev-curated", "acme-orders-dev-landing"]
functions = ["acme-orders-dev-ingest"]
queues = ["acme-orders-dev-failed-0", "acme-orders-dev-failed-1"]
topics = ["acme-orders-dev-alerts"]
databases = ["acme_orders_dev_lake"]
workgroups = ["acme-orders-dev-analysts"]

[env.prod]
region = "eu-west-1"
protected = true # deploy and destroy ask for the stack's name

[env.prod.existing]
"#;

/// The directory, with no pipeline yet.
fn found() -> Standin {
    let standin = Standin::start();
    fs::remove_dir_all(standin.path("pipelines")).unwrap();
    standin
}

#[test]
fn a_directory_of_two_environments_is_adopted_from_its_state() {
    let standin = found();
    standin.play("dev.json", "state.json");
    let said = standin.run(&["adopt", "infra", "--name", "orders"]).well();
    assert!(said.err.contains("dev: 11 resources in its state; 9 of them are for the panes"), "{}", said.err);
    let written = fs::read_to_string(standin.path("pipelines/orders/pipeline.toml")).unwrap();
    assert!(written.starts_with(WRITTEN), "{written}");
    assert!(standin.calls().iter().all(|c| !c.contains("apply") && !c.contains("|plan")), "{:?}", standin.calls());
    // What is there is not written over.
    fs::write(standin.path("pipelines/orders/pipeline.toml"), "mine").unwrap();
    standin.run(&["adopt", "infra", "--name", "orders"]).badly(1, &["is there already"]);
    assert_eq!(fs::read_to_string(standin.path("pipelines/orders/pipeline.toml")).unwrap(), "mine");
    fs::write(standin.path("pipelines/orders/pipeline.toml"), written).unwrap();
    standin.run(&["check"]).well();
    standin.planning("nothing");
    standin.run(&["plan", "orders"]).well();
    let resolved = standin.run(&["logs", "tail", "orders/ingest"]);
    assert!(!resolved.err.contains("no log group named \"ingest\""), "{}", resolved.err);
}

#[test]
fn without_a_state_its_plan_tells_and_nothing_is_locked() {
    let standin = found();
    standin.planning("create");
    let said = standin.run(&["adopt", "infra/environments/dev", "--name", "orders", "--to", "elsewhere"]).well();
    assert!(said.err.contains("11 resources in its plan, as its state has nothing"), "{}", said.err);
    let written = fs::read_to_string(standin.path("elsewhere/pipeline.toml")).unwrap();
    assert!(
        written.contains("dir = \"../infra/environments/dev\"") && written.contains("acme-orders-dev-landing"),
        "{written}"
    );
    let plan = standin.calls().into_iter().find(|c| c.contains("|plan")).unwrap();
    assert!(plan.contains("-lock=false") && plan.contains("-var-file=dev.tfvars"), "{plan}");
    standin.keeps_no_secret();
}

#[test]
fn what_cannot_be_read_is_adopted_without_names_and_what_is_no_directory_is_not() {
    let standin = found();
    standin.write("init.code", "1").write("init.jsonl", "#stderr Error: no credentials\n");
    let said = standin.run(&["adopt", "infra", "--name", "orders"]).well();
    assert!(said.err.contains("what is there is not known") && said.err.contains("no credentials"), "{}", said.err);
    let written = fs::read_to_string(standin.path("pipelines/orders/pipeline.toml")).unwrap();
    assert!(written.contains("[env.prod]") && !written.contains("existing"), "{written}");
    standin.run(&["adopt", "nowhere"]).badly(1, &["nowhere"]);
    standin.run(&["adopt", "infra/modules/ingest/src"]).badly(1, &["no root module of Terraform's is there"]);
    standin.run(&["adopt", "infra", "--name", "Orders!", "--to", "x"]).badly(1, &["no name for a pipeline"]);
    assert!(!standin.path("x/pipeline.toml").exists());
}

#[test]
fn workspaces_are_environments_and_files_of_values_are_named_after_them() {
    let standin = found();
    for file in ["dev.tfvars", "prod.tfvars", "development.tfvars"] {
        fs::write(standin.path("infra/environments/dev").join(file), "").unwrap();
    }
    standin.play("dev.json", "state.json").write("workspaces", "dev\nprod\nPRE\n");
    let said = standin.run(&["adopt", "infra/environments/dev", "--name", "orders"]).well();
    assert!(said.err.contains("development.tfvars is left out: an environment's name has 2 to 10"), "{}", said.err);
    assert!(said.err.contains("workspaces that are left out: PRE"), "{}", said.err);
    let written = fs::read_to_string(standin.path("pipelines/orders/pipeline.toml")).unwrap();
    assert!(
        written.contains("var_files = [\"{env}.tfvars\"]\nworkspace = \"{env}\"\n") && written.contains("[env.prod]"),
        "{written}"
    );
    assert!(standin.calls().iter().any(|c| c.starts_with("prod|dev|show")), "{:?}", standin.calls());
}

#[test]
fn what_a_pipeline_says_is_its_own_is_so_in_lists_of_addresses_and_arns() {
    let standin = Standin::on(Fake::start(|asked| match asked.operation.as_str() {
        "ListQueues" => Answer::json(&json!({"QueueUrls": [
            "https://sqs.eu-west-1.amazonaws.com/123456789012/acme-orders-dev-failed-0",
            "https://sqs.eu-west-1.amazonaws.com/123456789012/others"]})),
        "GetQueueAttributes" => Answer::json(&json!({"Attributes": {}})),
        "ListTopics" => {
            let topic =
                |name| format!("<member><TopicArn>arn:aws:sns:eu-west-1:123456789012:{name}</TopicArn></member>");
            let topics = [topic("acme-orders-dev-alerts"), topic("others")].concat();
            Answer::xml(format!(
                "<ListTopicsResponse><ListTopicsResult><Topics>{topics}</Topics></ListTopicsResult></ListTopicsResponse>"
            ))
        }
        _ => something(asked),
    }));
    let file = standin.path("pipelines/orders/pipeline.toml");
    let own = "queues = [\"acme-orders-dev-failed-0\"]\ntopics = [\"acme-orders-dev-alerts\"]\n[env.prod]";
    fs::write(&file, fs::read_to_string(&file).unwrap().replace("[env.prod]", own)).unwrap();
    for (list, name) in [("queues", "acme-orders-dev-failed-0"), ("topics", "acme-orders-dev-alerts")] {
        let rows = standin.run(&[list, "list", "--output", "json"]).well().json();
        let of =
            |name: &str| rows.as_array().unwrap().iter().find(|row| row["name"] == name).unwrap()["pipeline"].clone();
        assert_eq!((of(name), of("others")), (json!("orders"), json!(null)), "{rows}");
    }
}
