//! Terraform itself, where it is on PATH: its built-in provider needs no download.

use std::{fs, process::Command};

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
