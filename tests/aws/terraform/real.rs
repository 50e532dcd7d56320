//! Terraform itself, where it is on PATH: its built-in provider needs no download.

use std::{fs, process::Command};

use super::Said;
use crate::{fake::Fake, harness::Pumphouse, read_only::something};

const MAIN: &str = r#"
variable "greeting" {
  type = string
}

variable "token" {
  type      = string
  default   = "tok-of-a-test"
  sensitive = true
}

resource "terraform_data" "one" {
  input            = var.greeting
  triggers_replace = [length(var.greeting)]

  provisioner "local-exec" {
    command = "echo hello from the provisioner"
  }
}

resource "terraform_data" "secret" {
  input = var.token
}

output "greeting" {
  value = terraform_data.one.output
}
"#;

fn there() -> bool {
    let there = Command::new("terraform").arg("version").output().is_ok_and(|o| o.status.success());
    if !there {
        println!("skipped: no terraform");
    }
    there
}

#[test]
fn terraform_itself_plans_applies_replaces_and_destroys() {
    if !there() {
        return;
    }
    let fake = Fake::start(something);
    let pumphouse = Pumphouse::on(&fake);
    fs::create_dir_all(pumphouse.path("infra")).unwrap();
    fs::create_dir_all(pumphouse.path("pipelines/real")).unwrap();
    fs::write(pumphouse.path("infra/main.tf"), MAIN).unwrap();
    fs::write(pumphouse.path("infra/dev.tfvars"), "greeting = \"hello\"\n").unwrap();
    let toml =
        "name = \"real\"\n[deploy]\nengine = \"terraform\"\ndir = \"../../infra\"\nvar_files = [\"{env}.tfvars\"]\n";
    fs::write(pumphouse.path("pipelines/real/pipeline.toml"), toml).unwrap();
    let run = |args: &[&str]| {
        let done = pumphouse.run(args);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (out, err) = (text(&done.stdout), text(&done.stderr));
        assert!(!out.contains("tok-of-a-test") && !err.contains("tok-of-a-test"), "{out}\n{err}");
        (done.status.code(), out, err)
    };
    let (code, out, err) = run(&["plan", "real"]);
    assert!(code == Some(0) && out.contains("2 to add"), "{out}\n{err}");
    let (code, out, err) = run(&["deploy", "real", "--yes"]);
    assert!(code == Some(0) && err.contains("local-exec: hello from the provisioner"), "{out}\n{err}");
    assert!(out.contains("greeting") && out.contains("hello"), "{out}");
    fs::write(pumphouse.path("infra/dev.tfvars"), "greeting = \"good day\"\n").unwrap();
    let (_, out, err) = run(&["plan", "real"]);
    assert!(
        out.contains("! replace terraform_data terraform_data.one") && out.contains("(makes it anew)"),
        "{out}\n{err}"
    );
    let (code, out, err) = run(&["drift", "real"]);
    assert!(code == Some(0) && out.contains("no drift"), "{out}\n{err}");
    let (code, out, err) = run(&["destroy", "real", "--yes"]);
    assert!(code == Some(0), "{out}\n{err}");
    assert_eq!(run(&["status", "real"]).0, Some(1));
}

/// A directory as its users have it, with files by their paths below `infra`.
fn directory(files: &[(&str, &str)]) -> Pumphouse {
    // Nothing is asked of AWS: there is none.
    let pumphouse = Pumphouse::on(&Fake::start(something));
    for (path, text) in files {
        let path = pumphouse.path("infra").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    pumphouse
}

fn bare(pumphouse: &Pumphouse, args: &[&str]) -> Said {
    Said::of(&pumphouse.bare().env("AWS_EC2_METADATA_DISABLED", "true").args(args).output().unwrap())
}

fn terraform(pumphouse: &Pumphouse, args: &[&str]) {
    let done = Command::new("terraform").args(args).current_dir(pumphouse.path("infra")).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

const SIZE: &str = "variable \"size\" {\n  type = number\n}\n\nresource \"terraform_data\" \"one\" {\n  input = var.size\n}\n\noutput \"size\" {\n  value = terraform_data.one.output\n}\n";

fn size(pumphouse: &Pumphouse, env: &str) -> String {
    let said = bare(pumphouse, &["--env", env, "outputs", "sizes", "--output", "json"]).well().json();
    said[0]["value"].as_str().unwrap().to_owned()
}

#[test]
fn environments_by_files_of_values_and_of_a_backend_are_adopted_and_kept_apart() {
    if !there() {
        return;
    }
    let backend = "terraform {\n  backend \"local\" {}\n}\n";
    let p = directory(&[
        ("main.tf", SIZE),
        ("backend.tf", backend),
        ("dev.tfvars", "size = 1\n"),
        ("prod.tfvars", "size = 2\n"),
        ("dev.tfbackend", "path = \"dev.tfstate\"\n"),
        ("prod.tfbackend", "path = \"prod.tfstate\"\n"),
    ]);
    let said = bare(&p, &["adopt", "infra", "--name", "sizes"]).well();
    assert!(
        said.err.contains("dev: 1 resources in its plan") && said.err.contains("prod: 1 resources"),
        "{}",
        said.err
    );
    assert!(!said.err.contains("one state"), "{}", said.err);
    bare(&p, &["--env", "dev", "deploy", "sizes", "--yes"]).well();
    bare(&p, &["--env", "prod", "deploy", "sizes", "--confirm", "sizes-prod"]).well();
    assert_eq!((size(&p, "dev").as_str(), size(&p, "prod").as_str()), ("1", "2"));
    bare(&p, &["--env", "prod", "destroy", "sizes", "--confirm", "sizes-prod"]).well();
    bare(&p, &["--env", "prod", "status", "sizes"]).badly(1, &["sizes is not deployed in prod"]);
    assert_eq!(size(&p, "dev"), "1");
    assert_eq!(bare(&p, &["plan", "sizes", "--detailed-exitcode"]).code, Some(0));
}

#[test]
fn environments_by_workspaces_are_adopted_and_one_that_is_not_there_is_not_made_by_reading() {
    if !there() {
        return;
    }
    let p = directory(&[("main.tf", SIZE), ("dev.tfvars", "size = 1\n"), ("prod.tfvars", "size = 2\n")]);
    // Without workspaces, they would share a state.
    let said = bare(&p, &["adopt", "infra", "--name", "sizes", "--to", "shared"]).well();
    assert!(said.err.contains("dev and prod have one directory and, as it seems, one state"), "{}", said.err);
    for args in [&["workspace", "new", "prod"][..], &["workspace", "new", "dev"], &["workspace", "select", "default"]] {
        terraform(&p, args);
    }
    bare(&p, &["adopt", "infra", "--name", "sizes"]).well();
    let written = fs::read_to_string(p.path("pipelines/sizes/pipeline.toml")).unwrap();
    assert!(
        written.contains("workspace = \"{env}\"") && written.contains("var_files = [\"{env}.tfvars\"]"),
        "{written}"
    );
    bare(&p, &["deploy", "sizes", "--yes"]).well();
    bare(&p, &["--env", "prod", "deploy", "sizes", "--confirm", "sizes-prod"]).well();
    assert_eq!((size(&p, "dev").as_str(), size(&p, "prod").as_str()), ("1", "2"));
    assert!(!p.path("infra/terraform.tfstate").exists());
}

#[test]
fn a_tree_is_adopted_by_the_place_of_its_environment_and_what_is_adopted_is_told() {
    if !there() {
        return;
    }
    let p = directory(&[
        ("live/dev/orders/main.tf.json", r#"{"resource": {"terraform_data": {"one": {"input": 1}}}}"#),
        ("live/prod/orders/main.tf.json", r#"{"resource": {"terraform_data": {"one": {"input": 2}}}}"#),
        ("modules/lake/main.tf", ""),
    ]);
    bare(&p, &["adopt", "infra"]).well();
    let written = fs::read_to_string(p.path("pipelines/orders/pipeline.toml")).unwrap();
    assert!(written.contains("dir = \"../../infra/live/{env}/orders\""), "{written}");
    assert!(bare(&p, &["plan", "orders"]).well().out.contains("1 to add"));
    // Of two parts, each is a pipeline.
    fs::create_dir_all(p.path("infra/live/dev/billing")).unwrap();
    fs::write(p.path("infra/live/dev/billing/main.tf"), SIZE).unwrap();
    bare(&p, &["adopt", "infra"]).badly(1, &["several root modules", "live/{env}/billing'", "live/{env}/orders'"]);
    let said = bare(&p, &["adopt", "infra/live/{env}/billing"]).well();
    assert!(said.err.contains("\"size\" has no value") && said.err.contains("TF_VAR_size"), "{}", said.err);
    // Terragrunt's is not for us.
    fs::write(p.path("infra/live/dev/orders/terragrunt.hcl"), "").unwrap();
    bare(&p, &["adopt", "infra/live/{env}/orders", "--to", "x"]).badly(1, &["this is Terragrunt's (terragrunt.hcl)"]);
    assert!(!p.path("x").exists());
}

#[test]
fn a_lock_that_terraform_holds_is_told_with_its_owner_and_waited_for() {
    if !there() {
        return;
    }
    let slow = "resource \"terraform_data\" \"slow\" {\n  provisioner \"local-exec\" {\n    command = \"touch begun; while [ ! -e go ]; do sleep 0.05; done\"\n  }\n}\n";
    let p = directory(&[("main.tf", slow)]);
    bare(&p, &["adopt", "infra", "--name", "slow"]).well();
    let toml = fs::read_to_string(p.path("pipelines/slow/pipeline.toml")).unwrap();
    fs::write(
        p.path("pipelines/slow/pipeline.toml"),
        toml.replace("[env.dev]", "lock_timeout_seconds = 1\n\n[env.dev]"),
    )
    .unwrap();
    let mut other = Command::new("terraform");
    let mut other = other.args(["apply", "-auto-approve", "-no-color"]).current_dir(p.path("infra")).spawn().unwrap();
    let until = std::time::Instant::now() + std::time::Duration::from_mins(1);
    while !p.path("infra/begun").exists() && std::time::Instant::now() < until {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let said = bare(&p, &["plan", "slow"]);
    fs::write(p.path("infra/go"), "").unwrap();
    assert!(other.wait().unwrap().success());
    let said =
        said.badly(1, &["waiting for the state of slow-dev, locked by ", "for 1 s at the most", "for apply, lock id "]);
    let error = said.err.split("error: ").nth(1).unwrap();
    assert!(
        error.contains(" UTC (") && error.contains(" s ago)") && error.contains("to try again: pumphouse"),
        "{error}"
    );
    bare(&p, &["plan", "slow"]).well();
}
