use clap::Parser;

use super::*;
use crate::{cli::Cli, spec};

fn options(name: &str) -> WorkflowOptions {
    WorkflowOptions { folder: Some(format!("pipelines/{name}")), branch: "main".into(), ..WorkflowOptions::default() }
}

fn pipelines() -> Vec<spec::Pipeline> {
    spec::built_in().iter().map(|location| spec::load(location, &|_| true).unwrap()).collect()
}

/// The workflows of all pipelines, for each engine.
fn all() -> Vec<String> {
    let engines = [WorkflowEngine::CloudFormation, WorkflowEngine::Terraform, WorkflowEngine::OpenTofu];
    let mut all = Vec::new();
    for pipeline in pipelines() {
        for engine in engines {
            let options = WorkflowOptions { engine, python_tests: true, node_tests: true, ..options(&pipeline.name) };
            all.push(deploy::github_workflow(&pipeline, &options));
        }
    }
    assert_eq!(all.len(), 15);
    all
}

/// The lines of all scripts.
fn scripts(workflow: &str) -> Vec<String> {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let mut found = Vec::new();
    let mut block = None;
    for line in workflow.lines() {
        if block.is_some_and(|at| !line.trim().is_empty() && indent(line) <= at) {
            block = None;
        }
        if block.is_some() {
            found.push(line.trim().to_owned());
        } else if let Some(script) = line.trim().strip_prefix("run: ") {
            if script == "|" {
                block = Some(indent(line));
            } else {
                found.push(script.to_owned());
            }
        }
    }
    found
}

#[test]
fn what_the_scripts_run_is_what_there_is_to_run() {
    for workflow in all() {
        let mut commands = 0;
        for line in scripts(&workflow).iter().filter(|line| line.starts_with("pumphouse ")) {
            let line = line.split(" > ").next().unwrap().replace('"', "");
            Cli::try_parse_from(line.split_whitespace()).unwrap_or_else(|e| panic!("{line}: {e}"));
            commands += 1;
        }
        // check; a plan to show, a plan to keep and a deploy for each of two environments.
        assert!(commands >= 7, "{commands}: {workflow}");
    }
}

#[test]
fn no_script_has_an_expression_in_it() {
    for workflow in all() {
        let scripts = scripts(&workflow);
        assert!(scripts.len() > 40);
        let wrong: Vec<_> = scripts.iter().filter(|line| line.contains("${{")).collect();
        assert!(wrong.is_empty(), "{wrong:?}");
        assert!(!workflow.contains("pull_request_target"));
        // The one secret, in each environment's plan and deploy alone: never where a pull request runs.
        assert_eq!(workflow.matches("secrets.").count(), 4);
        for (at, _) in workflow.match_indices("secrets.PUMPHOUSE_PLAN_KEY }}") {
            let job = workflow[..at].rsplit_once("\n\n").unwrap().1;
            assert!(job.contains("\n    environment: ") && job.starts_with("  "), "{job}");
        }
    }
}

#[test]
fn each_action_is_pinned_and_each_job_has_its_permissions_and_an_end() {
    for workflow in all() {
        let (_, jobs) = workflow.split_once("\njobs:\n").unwrap();
        for uses in jobs.lines().filter_map(|line| line.trim().strip_prefix("uses: ")) {
            let (_, pin) = uses.split_once('@').unwrap();
            let (sha, version) = pin.split_once(" # v").unwrap();
            assert!(sha.len() == 40 && sha.bytes().all(|b| b.is_ascii_hexdigit()), "{uses}");
            assert!(version.split('.').count() == 3, "{uses}");
        }
        let of_a_job = |line: &str| line.starts_with("  ") && !line.starts_with("   ") && line.ends_with(':');
        let names = jobs.lines().filter(|l| of_a_job(l)).count();
        assert_eq!(names, 2 + 3 * 2);
        assert_eq!(jobs.matches("\n    timeout-minutes: ").count(), names);
        assert_eq!(jobs.matches("\n    permissions:").count(), names);
        assert_eq!(jobs.matches("persist-credentials: false").count(), jobs.matches("actions/checkout@").count());
        assert_eq!(
            jobs.matches("id-token: write").count(),
            names - 2,
            "the pumphouse and the check get no credentials"
        );
        assert_eq!(jobs.matches("pull-requests: write").count(), 2);
        assert!(workflow.contains("\npermissions: {}\n"));
    }
}

#[test]
fn prod_waits_for_its_environment_and_applies_the_plan_that_was_made_before() {
    let pipeline = &pipelines().into_iter().find(|p| p.name == "crypto-stream").unwrap();
    let text = deploy::github_workflow(pipeline, &options("crypto-stream"));
    let job = |name: &str| {
        let from = text.find(&format!("\n  {name}:\n")).unwrap();
        let rest = &text[from + 3..];
        rest.split("\n\n").next().unwrap()
    };
    for (env, before) in [("dev", "check"), ("prod", "deploy-dev")] {
        let (plan, deploy) = (job(&format!("plan-{env}")), job(&format!("deploy-{env}")));
        assert!(plan.contains(&format!("environment: {env}-plan ")) && plan.contains(before), "{plan}");
        assert!(deploy.contains(&format!("environment: {env} ")), "{deploy}");
        assert!(plan.contains("--out plan.json") && deploy.contains("--plan-file"), "{deploy}");
        for job in [plan, deploy] {
            assert!(job.contains(&format!("group: pumphouse-crypto-stream-{env}\n      cancel-in-progress: false")));
        }
    }
    assert!(job("deploy-prod").trim_end().ends_with("--confirm crypto-stream-prod"));
    assert!(!job("deploy-dev").contains("--confirm"));
    for env in ["dev", "prod"] {
        let show = job(&format!("show-{env}"));
        assert!(show.contains("head.repo.full_name == github.repository") && show.contains("--read-only"), "{show}");
        assert!(!show.contains("environment:"));
    }
    assert!(job("tool").contains(".ci/bootstrap"), "its functions are in Rust");
}

#[test]
fn terraform_is_installed_where_it_is_the_engine_and_nothing_runs_on_the_embedded_cloud_then() {
    let pipeline = &pipelines()[0];
    for (engine, action) in [
        (WorkflowEngine::Terraform, "hashicorp/setup-terraform@"),
        (WorkflowEngine::OpenTofu, "opentofu/setup-opentofu@"),
    ] {
        let text = deploy::github_workflow(pipeline, &WorkflowOptions { engine, ..options("x") });
        assert_eq!(text.matches(action).count(), 6, "two to show, two to plan, two to deploy");
        assert_eq!(text.matches("_wrapper: false").count(), 6);
        assert!(!text.contains("embedded cloud") && !text.contains("paths:") && !text.contains("bootstrap"));
    }
}

#[test]
fn the_engine_is_the_pipelines_own() {
    let engine_of = |deploy: &str| {
        let text =
            format!("name = \"orders\"\ndescription = \"a test\"\n{deploy}\n[env.dev]\nregion = \"eu-west-1\"\n");
        let files = [("pipeline.toml".to_owned(), text.into_bytes().into())].into();
        engine(&spec::load_memory(files, &|_| true).unwrap())
    };
    let terraform = "[deploy]\nengine = \"terraform\"\ndir = \"infra/{env}\"\n";
    assert_eq!(engine_of(terraform), WorkflowEngine::Terraform);
    assert_eq!(engine_of(&format!("{terraform}binary = \"tofu\"\n")), WorkflowEngine::OpenTofu);
    assert_eq!(engine(&pipelines()[0]), WorkflowEngine::CloudFormation);
}

#[test]
fn pumphouse_comes_from_where_it_is_said() {
    let pipeline = &pipelines()[0];
    let text = |source| deploy::github_workflow(pipeline, &WorkflowOptions { source, ..options("x") });
    assert!(text(ToolSource::Variables).contains("PUMPHOUSE_URL: ${{ vars.PUMPHOUSE_URL }}\n"));
    let archive = text(ToolSource::Archive { url: "https://example.com/p.tar.gz".into(), sha256: "a".repeat(64) });
    assert!(
        archive.contains("PUMPHOUSE_URL: \"https://example.com/p.tar.gz\"\n")
            && archive.contains("PUMPHOUSE_GIT: \"\"\n")
    );
    let git = text(ToolSource::Git { url: "https://example.com/p".into(), revision: "b".repeat(40) });
    assert!(git.contains("PUMPHOUSE_GIT: \"https://example.com/p\"\n") && !git.contains("vars.PUMPHOUSE_URL"));
}

#[test]
fn what_cannot_stand_in_a_script_is_refused() {
    assert_eq!(plain("x", "release/1.0").unwrap(), "release/1.0");
    for wrong in ["", "-x", "a b", "$(x)", "a;b", "${{x}}", "a'b", "é"] {
        assert!(plain("x", wrong).is_err(), "{wrong}");
    }
    let command = |args: &[&str]| {
        let all = ["pumphouse", "export", "github-actions", "crypto-stream"].iter().chain(args);
        Cli::try_parse_from(all).is_ok()
    };
    assert!(command(&["--to", "x.yml"]));
    assert!(!command(&["--pumphouse-url", "https://example.com/p.tar.gz"]), "a checksum belongs to it");
    assert!(!command(&["--pumphouse-git", "https://example.com/p"]));
    let actions = |url: &str, sha256: &str| GithubActions {
        pipeline: "x".into(),
        to: None,
        branch: "main".into(),
        pumphouse_url: Some(url.into()),
        pumphouse_sha256: Some(sha256.into()),
        pumphouse_git: None,
        pumphouse_rev: None,
    };
    assert!(actions("https://example.com/p", &"a".repeat(64)).source().is_ok());
    assert!(actions("http://example.com/p", &"a".repeat(64)).source().is_err());
    assert!(actions("https://example.com/${{ x }}", &"a".repeat(64)).source().is_err());
    assert!(actions("https://example.com/p", "abc").source().is_err());
}

#[test]
fn a_folder_is_named_within_the_repository() {
    assert_eq!(in_repository(Path::new("./pipelines/x")).unwrap(), "pipelines/x");
    assert_eq!(in_repository(&std::env::current_dir().unwrap().join("pipelines/x")).unwrap(), "pipelines/x");
    for wrong in ["/elsewhere/x", "../x", "."] {
        assert!(in_repository(Path::new(wrong)).is_err(), "{wrong}");
    }
    assert!(in_repository(Path::new("my pipelines/x")).is_err());
}

#[test]
fn unit_tests_are_found_by_their_names() {
    let dir = tempfile::tempdir().unwrap();
    assert!(!has_tests(dir.path(), in_python));
    fs::create_dir(dir.path().join("tests")).unwrap();
    fs::write(dir.path().join("tests/helper.py"), "").unwrap();
    assert!(!has_tests(dir.path(), in_python));
    fs::write(dir.path().join("tests/test_x.py"), "").unwrap();
    fs::write(dir.path().join("tests/y.test.mjs"), "").unwrap();
    assert!(has_tests(dir.path(), in_python) && has_tests(dir.path(), in_javascript));
}
