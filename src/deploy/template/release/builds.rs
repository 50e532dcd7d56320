//! What CodeBuild does in a release: the same commands that a person would type.

use serde_json::{Value, json};

use super::{Body, Goal, LOG_DAYS};
use crate::{
    cloud::releases::{CHECK, DEPLOY, PLAN},
    deploy::{
        package::Architecture,
        template::{
            ARTIFACT_BUCKET, Entry,
            json::{att, reference, sub},
        },
    },
    spec::Pipeline,
};

/// What a build does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReleaseStep {
    /// Runs the checks.
    Check,
    /// Plans, and keeps the plan.
    Plan,
    /// Deploys what was planned.
    Deploy,
}

impl ReleaseStep {
    fn word(self) -> &'static str {
        match self {
            Self::Check => CHECK,
            Self::Plan => PLAN,
            Self::Deploy => DEPLOY,
        }
    }

    /// Minutes after which CodeBuild gives up: a database takes its time.
    fn minutes(self) -> u32 {
        match self {
            Self::Check | Self::Plan => 60,
            Self::Deploy => 240,
        }
    }
}

/// The project that plans or deploys an environment: `dataops--release-prod-plan`.
pub(super) fn project(release: &str, env: &str, step: ReleaseStep) -> String {
    format!("{release}-{env}-{}", step.word())
}

/// Its logical id.
pub(super) fn project_id(env: &str, step: ReleaseStep) -> String {
    format!("{}Project", id(env, step))
}

/// What the logical ids of a step begin with: `ProdPlan`.
pub(super) fn id(env: &str, step: ReleaseStep) -> String {
    let capital = |word: &str| {
        let mut letters = word.chars();
        letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect::<String>()
    };
    format!("{}{}", capital(env), capital(step.word()))
}

/// Where a build puts the executables. Each is there under its content's SHA-256, and is nothing else.
const FETCH: [&str; 3] = [
    r#"aws s3 cp --only-show-errors "s3://$TOOLS_BUCKET/$TOOL_KEY" /usr/local/bin/pumphouse"#,
    r#"sum="${TOOL_KEY##*/}"; echo "${sum%.bin}  /usr/local/bin/pumphouse" | sha256sum --check --strict"#,
    "chmod 755 /usr/local/bin/pumphouse",
];
const FETCH_BOOTSTRAP: [&str; 2] = [
    r#"aws s3 cp --only-show-errors "s3://$TOOLS_BUCKET/$BOOTSTRAP_KEY" "$PUMPHOUSE_BOOTSTRAP""#,
    r#"sum="${BOOTSTRAP_KEY##*/}"; echo "${sum%.bin}  $PUMPHOUSE_BOOTSTRAP" | sha256sum --check --strict"#,
];
/// Where the executable for functions in Rust is put.
const BOOTSTRAP_PATH: &str = "/tmp/bootstrap";
const PLAN_FILE: &str = "plan.json";

/// A command in a shell of its own, as on the embedded cloud: CodeBuild has one for all, in which a `cd` would last.
fn in_a_shell(command: &str) -> String {
    format!("sh -c '{}'", command.replace('\'', r"'\''"))
}

/// The buildspec of a step: of the checks, or of what is done for an environment. `rust` says whether functions in Rust are
/// deployed.
pub fn buildspec(pipeline: &Pipeline, step: ReleaseStep, env: &str, rust: bool) -> String {
    let definition = pipeline.release.as_ref().map(|r| &r.definition);
    let folder = definition.map(|d| d.folder.as_str()).unwrap_or_default();
    let source = if folder.is_empty() {
        r#""$CODEBUILD_SRC_DIR""#.to_owned()
    } else {
        format!(r#""$CODEBUILD_SRC_DIR/{folder}""#)
    };
    let name = &pipeline.name;
    let mut install: Vec<&str> = FETCH.to_vec();
    let region = pipeline.env(env).and_then(|e| e.region.as_ref()).map(|r| format!(" --region {r}"));
    // The folder goes by the pipeline's name, whatever the repository calls it.
    let all = format!("pumphouse --pipelines /tmp/pipelines --env {env}{}", region.unwrap_or_default());
    let taken = format!("mkdir -p /tmp/pipelines && cp -R {source} /tmp/pipelines/{name}");
    let mut spec = json!({"version": "0.2", "env": {"shell": "bash"}});
    let commands = match step {
        ReleaseStep::Check => {
            let mut commands = vec![format!("cd {source}")];
            commands.extend(definition.into_iter().flat_map(|d| &d.checks).map(|check| in_a_shell(check)));
            commands
        }
        ReleaseStep::Plan => {
            spec["env"]["exported-variables"] = json!(["PLAN", "LOG"]);
            spec["artifacts"] = json!({"base-directory": "/tmp/plan", "files": [PLAN_FILE]});
            vec![
                taken,
                "mkdir -p /tmp/plan".into(),
                format!("{all} plan {name} --out /tmp/plan/{PLAN_FILE} > /tmp/plan.txt"),
                "cat /tmp/plan.txt".into(),
                format!(
                    r#"export LOG="$CODEBUILD_BUILD_URL" PLAN="$(grep '^{name}-{env}: ' /tmp/plan.txt | head -n 1 | cut -c 1-200)""#
                ),
            ]
        }
        ReleaseStep::Deploy => {
            // Whoever let the release go on has seen the plan; the name is what a protected environment asks for.
            let plan = format!(r#""$CODEBUILD_SRC_DIR_{env}/{PLAN_FILE}""#);
            vec![taken, format!("{all} deploy {name} --plan-file {plan} --confirm {name}-{env}")]
        }
    };
    if rust && step != ReleaseStep::Check {
        install.extend(FETCH_BOOTSTRAP);
    }
    spec["phases"] = json!({"install": {"commands": install}, "build": {"commands": commands}});
    format!("{spec:#}\n")
}

impl Body<'_> {
    /// The projects with their log groups.
    pub(super) fn builds(&mut self) {
        self.project("Check", None, ReleaseStep::Check);
        let goals = std::mem::take(&mut self.goals);
        for goal in &goals {
            for step in [ReleaseStep::Plan, ReleaseStep::Deploy] {
                self.project(&id(goal.env, step), Some(goal), step);
            }
        }
        self.goals = goals;
    }

    fn project(&mut self, id: &str, goal: Option<&Goal<'_>>, step: ReleaseStep) {
        let name = match goal {
            Some(goal) => project(&self.name, goal.env, step),
            None => format!("{}-{}", self.name, step.word()),
        };
        let what = match (step, goal) {
            (ReleaseStep::Plan, Some(goal)) => format!("Plans {}", goal.stack),
            (ReleaseStep::Deploy, Some(goal)) => format!("Deploys {} as planned", goal.stack),
            _ => format!("Checks a revision of {}", self.pipeline.name),
        };
        let group = format!("{id}LogGroup");
        let logs = json!({"LogGroupName": format!("/aws/codebuild/{name}"), "RetentionInDays": LOG_DAYS});
        self.add(group.clone(), Entry::new("AWS::Logs::LogGroup", logs).stateful(false));
        let (kind, image) = match self.architecture {
            Architecture::X86_64 => ("LINUX_CONTAINER", "aws/codebuild/amazonlinux-x86_64-standard:5.0"),
            Architecture::Arm64 => ("ARM_CONTAINER", "aws/codebuild/amazonlinux-aarch64-standard:3.0"),
        };
        let plain = |name: &str, value: Value| json!({"Name": name, "Type": "PLAINTEXT", "Value": value});
        let mut variables =
            vec![plain("TOOLS_BUCKET", sub(ARTIFACT_BUCKET)), plain("TOOL_KEY", self.pumphouse.clone())];
        let rust = self.bootstrap.is_some() && step != ReleaseStep::Check;
        if let Some(key) = self.bootstrap.as_ref().filter(|_| rust) {
            variables.push(plain("BOOTSTRAP_KEY", key.clone()));
            variables.push(plain("PUMPHOUSE_BOOTSTRAP", json!(BOOTSTRAP_PATH)));
        }
        let env = goal.map(|g| g.env).unwrap_or_default();
        let properties = json!({
            "Name": name,
            "Description": what,
            "ServiceRole": att(&format!("{id}Role"), "Arn"),
            "TimeoutInMinutes": step.minutes(),
            "Source": {"Type": "CODEPIPELINE", "BuildSpec": buildspec(self.pipeline, step, env, rust)},
            "Artifacts": {"Type": "CODEPIPELINE"},
            "Environment": {
                "Type": kind,
                "ComputeType": "BUILD_GENERAL1_SMALL",
                "Image": image,
                "EnvironmentVariables": variables,
            },
            "LogsConfig": {"CloudWatchLogs": {"Status": "ENABLED", "GroupName": reference(&group)}},
            "Visibility": "PRIVATE",
        });
        self.add(format!("{id}Project"), Entry::new("AWS::CodeBuild::Project", properties));
    }
}
