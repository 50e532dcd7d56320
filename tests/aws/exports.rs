//! `export cloudformation` and `export terraform`: the files that they write. Neither a cloud nor credentials are needed.

use std::{fs, path::Path, process::Output};

use serde_json::{Value, json};

use crate::{
    executable::fixed,
    fake::{Answer, Fake},
    harness::Pumphouse,
};

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn pumphouse() -> Pumphouse {
    Pumphouse::on(&Fake::start(|_| Answer::text(500, "text/plain", "nobody is to ask")))
}

fn json_of(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

#[test]
fn parameters_answer_what_the_templates_of_all_environments_ask() {
    let p = pumphouse();
    let (dir, executable) = (p.path("out"), p.path("fixed"));
    fs::write(&executable, fixed()).unwrap();
    let (dir_arg, executable) = (dir.display().to_string(), executable.display().to_string());
    let output = p.run(&["export", "cloudformation", "crypto-stream", "--to", &dir_arg, "--bootstrap", &executable]);
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    for env in ["dev", "prod"] {
        let template = json_of(&dir.join(format!("templates/{env}.json")));
        let parameters = json_of(&dir.join(format!("parameters/{env}.json")));
        let asked: Vec<&String> = template["Parameters"].as_object().unwrap().keys().collect();
        let answered: Vec<&str> =
            parameters.as_array().unwrap().iter().map(|p| p["ParameterKey"].as_str().unwrap()).collect();
        assert_eq!(asked, answered);
        // The archive lies beside it, under the very key.
        let key = parameters[0]["ParameterValue"].as_str().unwrap();
        assert!(dir.join("assets").join(key).is_file(), "{key}");
        assert_eq!(parameters[1]["ParameterValue"], "x86_64");
        assert!(template.to_string().contains(&format!("crypto-stream-{env}-landing")));
    }
}

#[test]
fn a_parameters_file_without_an_executable_says_what_is_missing() {
    let p = pumphouse();
    let path = p.path("parameters.json");
    let file = path.display().to_string();
    let output = p.run(&["export", "cloudformation", "crypto-stream", "--parameters-file", &file]);
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    assert!(told(&output).contains("BootstrapKey"), "{}", told(&output));
    assert_eq!(json_of(&path)[0], json!({"ParameterKey": "BootstrapKey", "ParameterValue": "functions/SHA256.zip"}));
}

#[test]
fn a_directory_for_terraform_is_written_over_only_when_that_is_said() {
    let p = pumphouse();
    let dir = p.path("infra");
    let to = dir.display().to_string();
    let export = |more: &[&str]| {
        p.run(
            &[&["export", "terraform", "covid-etl", "--to", to.as_str(), "--state-bucket", "our-state"], more].concat(),
        )
    };
    let output = export(&[]);
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    let (tfvars, main) = (dir.join("environments/prod/terraform.tfvars"), dir.join("modules/covid-etl/main.tf"));
    assert!(fs::read_to_string(dir.join("environments/dev/backend.hcl")).unwrap().contains("\"our-state\""));
    // The same again changes nothing, and is no mistake.
    assert_eq!(export(&[]).status.code(), Some(0));
    fs::write(&tfvars, "mine = true\n").unwrap();
    fs::remove_file(&main).unwrap();
    let output = export(&[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(told(&output).contains("environments/prod/terraform.tfvars; nothing was written"), "{}", told(&output));
    assert_eq!(fs::read_to_string(&tfvars).unwrap(), "mine = true\n");
    assert!(!main.exists());
    assert_eq!(export(&["--overwrite"]).status.code(), Some(0));
    assert!(main.exists() && !fs::read_to_string(&tfvars).unwrap().contains("mine"));
    // What was exported once and is not any more would still be Terraform's; what somebody has added stays.
    let module = dir.join("modules/covid-etl");
    for path in ["streaming.tf", "assets/functions/gone.zip", "ours.tf", ".terraform/x"] {
        fs::create_dir_all(module.join(path).parent().unwrap()).unwrap();
        fs::write(module.join(path), "# before\n").unwrap();
    }
    let output = export(&[]);
    assert_eq!(output.status.code(), Some(1));
    let left = "modules/covid-etl/assets/functions/gone.zip, modules/covid-etl/streaming.tf; nothing was written";
    assert!(told(&output).contains(left), "{}", told(&output));
    assert_eq!(export(&["--overwrite"]).status.code(), Some(0));
    assert!(!module.join("streaming.tf").exists() && !module.join("assets/functions/gone.zip").exists());
    assert!(module.join("ours.tf").exists() && module.join(".terraform/x").exists());
}
