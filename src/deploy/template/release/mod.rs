//! The stack that delivers a pipeline, as its `[release]` section says: CodePipeline takes a revision, CodeBuild checks it,
//! and for each environment plans, waits for an approval, and deploys what was planned.
//!
//! A release has a stage of an environment for itself, from its plan to its deploy: nobody else deploys in between, so what
//! was approved still holds. A newer one waits before that stage, and of those that wait the newest goes on (SUPERSEDED):
//! who waits for an approval for days is not followed by a queue of old revisions.

mod builds;
mod roles;

#[cfg(test)]
mod tests;

use serde_json::{Map, Value, json};

pub use builds::{ReleaseStep, buildspec};
pub(super) use roles::{RELEASE_BOUNDARY_NAME, boundary, making};

use super::{
    Entry, Fault, TemplateError, check, json as j,
    json::{arn, att, reference, sub},
    storage::{Settings, tls_only},
};
use crate::{
    cloud::{
        releases::{self, APPROVE, CHECK, DEPLOY, PLAN, SOURCE, delivery_name, stage_of},
        resources::{Graph, Properties, Runtime},
        stacks::{Asset, Template},
    },
    deploy::{
        self,
        package::{self, Architecture, Executable},
    },
    spec::{Pipeline, Release, ReleaseSource},
};

const BUCKET: &str = "ReleaseBucket";
const TOPIC: &str = "ReleaseTopic";
const PIPELINE: &str = "ReleasePipeline";
/// The artifact of the revision. Others are called like the environment whose plan they are, and these have no capitals.
const REVISION: &str = "Source";
/// Days that revisions and plans are kept: CodePipeline waits for an approval for seven.
const ARTIFACT_DAYS: u32 = 30;
const LOG_DAYS: u32 = 90;

/// What a release's template depends on beside pipeline.toml.
#[derive(Debug, Clone, Default)]
pub struct ReleaseOptions {
    /// The pumphouse that checks, plans and deploys.
    pub pumphouse: Option<Executable>,
    /// The executable that serves the handlers in Rust to AWS Lambda, where there are any.
    pub bootstrap: Option<Executable>,
    /// Whether a template that has no executables asks for their keys in the artifact bucket as parameters; otherwise it is an
    /// error.
    pub ask: bool,
    /// CloudFormation types to leave out, for an endpoint that does not know them.
    pub omit_types: Vec<String>,
    /// Whether the endpoint only answers like AWS: it has no TLS.
    pub emulated: bool,
}

/// An environment on the way of a release.
struct Goal<'a> {
    env: &'a str,
    /// The region that it is in; none: that of the release.
    region: Option<&'a str>,
    /// Its stack.
    stack: String,
    approval: bool,
    /// The buckets that files are uploaded to, by name.
    uploads: Vec<String>,
}

/// The stack as it comes to be.
struct Body<'a> {
    name: String,
    pipeline: &'a Pipeline,
    release: &'a Release,
    goals: Vec<Goal<'a>>,
    /// Where the executables are in the artifact bucket: texts, or references to parameters.
    pumphouse: Value,
    bootstrap: Option<Value>,
    architecture: Architecture,
    emulated: bool,
    resources: Map<String, Value>,
}

/// The template of the stack that delivers a pipeline.
///
/// # Errors
/// Says what is missing, and how to mend it.
pub fn release_template(pipeline: &Pipeline, options: &ReleaseOptions) -> Result<Template, TemplateError> {
    let Some(release) = &pipeline.release else { return Err(TemplateError::NoRelease(pipeline.name.clone())) };
    if pipeline.terraform.is_some() {
        return Err(TemplateError::Release(format!(
            "{0} is deployed with Terraform, and these builds plan and deploy with CloudFormation alone: \
             `pumphouse export github-actions {0}` makes a workflow for it",
            pipeline.name
        )));
    }
    let (mut goals, mut rust) = (Vec::new(), false);
    for target in &release.definition.environments {
        let graph = deploy::graph(pipeline, &target.env).map_err(|e| TemplateError::Release(e.to_string()))?;
        let environment = pipeline.env(&target.env);
        rust |= in_rust(&graph);
        let mut uploads: Vec<String> = environment
            .map(deploy::uploads)
            .unwrap_or_default()
            .iter()
            .filter_map(|u| graph.resources.iter().find(|r| r.name == u.bucket))
            .map(|r| r.physical_name.clone())
            .collect();
        uploads.sort();
        uploads.dedup();
        goals.push(Goal {
            env: &target.env,
            region: environment.and_then(|e| e.region.as_deref()),
            stack: graph.stack,
            approval: target.approval,
            uploads,
        });
    }
    let (mut parameters, mut assets) = (Map::new(), Vec::new());
    let mut architecture = Architecture::X86_64;
    if let Some(executable) = &options.pumphouse {
        architecture = Architecture::of(executable.content())
            .map_err(|error| TemplateError::Package { name: "pumphouse".into(), error })?;
    }
    let mut key = |name: &str, executable: Option<&Executable>, what: &str| match executable {
        Some(executable) => {
            let asset: Asset = package::file(TOOLS, "bin", executable.content().clone());
            let key = json!(asset.key);
            assets.push(asset);
            Ok(key)
        }
        None if options.ask => {
            let asked = json!({
                "Type": "String",
                "Description": format!("The key, in the artifact bucket, of {what}"),
                "AllowedPattern": format!("^{TOOLS}/[0-9a-f]{{64}}\\.bin$"),
            });
            parameters.insert(name.to_owned(), asked);
            Ok(reference(name))
        }
        None => Err(TemplateError::NoExecutable(what.to_owned())),
    };
    let pumphouse = key("PumphouseKey", options.pumphouse.as_ref(), "the executable of pumphouse")?;
    let bootstrap = if rust {
        Some(key("BootstrapKey", options.bootstrap.as_ref(), "the executable for functions in Rust")?)
    } else {
        None
    };
    let mut body = Body {
        name: delivery_name(&pipeline.name),
        pipeline,
        release,
        goals,
        pumphouse,
        bootstrap,
        architecture,
        emulated: options.emulated,
        resources: Map::new(),
    };
    body.bucket();
    body.topic();
    body.builds();
    body.roles();
    body.pipeline();
    body.resources.retain(|_, r| !options.omit_types.iter().any(|t| r["Type"] == **t));
    let document = body.document(parameters);
    let faults: Vec<Fault> = check::check(&document, &options.omit_types);
    if !faults.is_empty() {
        return Err(TemplateError::Faults(faults));
    }
    Ok(Template { body: j::text(&document), assets })
}

/// The folder of executables in the artifact bucket.
const TOOLS: &str = "tools";

impl Body<'_> {
    fn add(&mut self, id: impl Into<String>, entry: Entry) {
        self.resources.insert(id.into(), entry.value());
    }

    fn tells(&self) -> bool {
        !self.release.definition.email.is_empty()
    }

    /// The bucket for revisions and plans.
    fn bucket(&mut self) {
        let settings = Settings {
            name: self.name.clone(),
            versioning: false,
            expire_days: Some(ARTIFACT_DAYS),
            logged: false,
            notifications: Value::Null,
        };
        self.add(BUCKET, Entry::new("AWS::S3::Bucket", settings.properties()).stateful(false));
        if !self.emulated {
            let policy = json!({
                "Bucket": reference(BUCKET),
                "PolicyDocument": {"Version": "2012-10-17", "Statement": [tls_only(BUCKET)]},
            });
            self.add("ReleaseBucketPolicy", Entry::new("AWS::S3::BucketPolicy", policy));
        }
    }

    /// Who is told, and of what: CodePipeline itself tells that an approval is waited for.
    fn topic(&mut self) {
        if !self.tells() {
            return;
        }
        self.add(TOPIC, Entry::new("AWS::SNS::Topic", json!({"TopicName": self.name})));
        for (n, email) in self.release.definition.email.iter().enumerate() {
            let subscription = json!({"TopicArn": reference(TOPIC), "Protocol": "email", "Endpoint": email});
            self.add(format!("ReleaseTopicEmail{}", n + 1), Entry::new("AWS::SNS::Subscription", subscription));
        }
        let policy = json!({
            "Topics": [reference(TOPIC)],
            "PolicyDocument": {
                "Version": "2012-10-17",
                "Statement": [{
                    "Sid": "HowReleasesEnd",
                    "Effect": "Allow",
                    "Principal": {"Service": "events.amazonaws.com"},
                    "Action": "sns:Publish",
                    "Resource": reference(TOPIC),
                    "Condition": {"ArnEquals": {"aws:SourceArn": att("ReleaseEnds", "Arn")}},
                }],
            },
        });
        self.add("ReleaseTopicPolicy", Entry::new("AWS::SNS::TopicPolicy", policy));
        let pipeline = &self.pipeline.name;
        let rule = json!({
            "Description": format!("Tells how the releases of {pipeline} end"),
            "EventPattern": {
                "source": ["aws.codepipeline"],
                "detail-type": ["CodePipeline Pipeline Execution State Change"],
                "detail": {"pipeline": [self.name], "state": ["FAILED", "STOPPED", "SUCCEEDED"]},
            },
            "Targets": [{
                "Id": "topic",
                "Arn": reference(TOPIC),
                "InputTransformer": {
                    "InputPathsMap": {"release": "$.detail.execution-id", "state": "$.detail.state"},
                    "InputTemplate": format!(
                        "\"{pipeline}: the release <release> has ended: <state>. `pumphouse releases show {pipeline} <release>` tells more.\""
                    ),
                },
            }],
        });
        self.add("ReleaseEnds", Entry::new("AWS::Events::Rule", rule));
    }

    fn pipeline(&mut self) {
        let definition = &self.release.definition;
        let (source, triggers) = self.source();
        let mut stages = vec![
            json!({"Name": SOURCE, "Actions": [source]}),
            json!({"Name": CHECK, "Actions": [build(CHECK, 1, "CheckProject", None)]}),
        ];
        for goal in &self.goals {
            let mut plan = build(PLAN, 1, &builds::project_id(goal.env, ReleaseStep::Plan), None);
            plan["Namespace"] = json!(goal.env);
            plan["OutputArtifacts"] = json!([{"Name": goal.env}]);
            let mut actions = vec![plan];
            if goal.approval {
                actions.push(self.approval(goal));
            }
            let order = actions.len() + 1;
            actions.push(build(DEPLOY, order, &builds::project_id(goal.env, ReleaseStep::Deploy), Some(goal.env)));
            stages.push(json!({"Name": stage_of(goal.env), "Actions": actions}));
        }
        let mut properties = json!({
            "Name": self.name,
            "PipelineType": "V2",
            "ExecutionMode": "SUPERSEDED",
            "RoleArn": att("PipelineRole", "Arn"),
            "RestartExecutionOnUpdate": false,
            "ArtifactStore": {"Type": "S3", "Location": reference(BUCKET)},
            "Stages": stages,
        });
        if let Some(triggers) = triggers {
            properties["Triggers"] = triggers;
        }
        self.add(PIPELINE, Entry::new("AWS::CodePipeline::Pipeline", properties));
        if let ReleaseSource::CodeCommit { repository } = &self.release.source {
            let rule = json!({
                "Description": format!("Releases what is pushed to {} of {repository}", definition.branch),
                "EventPattern": {
                    "source": ["aws.codecommit"],
                    "detail-type": ["CodeCommit Repository State Change"],
                    "resources": [arn("codecommit", repository)],
                    "detail": {
                        "event": ["referenceCreated", "referenceUpdated"],
                        "referenceType": ["branch"],
                        "referenceName": [definition.branch],
                    },
                },
                "Targets": [{
                    "Id": "release",
                    "Arn": arn("codepipeline", &self.name),
                    "RoleArn": att("StartRole", "Arn"),
                }],
            });
            self.add("ReleasePushes", Entry::new("AWS::Events::Rule", rule));
        }
    }

    /// The action that takes the revision, and what starts a release where that is CodePipeline's own business.
    fn source(&self) -> (Value, Option<Value>) {
        let definition = &self.release.definition;
        let (provider, configuration, triggers) = match &self.release.source {
            ReleaseSource::CodeCommit { repository } => {
                let configuration = json!({
                    "RepositoryName": repository,
                    "BranchName": definition.branch,
                    "PollForSourceChanges": "false",
                });
                ("CodeCommit", configuration, None)
            }
            ReleaseSource::Connection { repository, connection, .. } => {
                // A change elsewhere in the repository is no release of this folder.
                let triggers = (!definition.folder.is_empty()).then(|| {
                    json!([{
                        "ProviderType": "CodeStarSourceConnection",
                        "GitConfiguration": {
                            "SourceActionName": SOURCE,
                            "Push": [{
                                "Branches": {"Includes": [definition.branch]},
                                "FilePaths": {"Includes": [format!("{}/**", definition.folder)]},
                            }],
                        },
                    }])
                });
                let configuration = json!({
                    "ConnectionArn": connection,
                    "FullRepositoryId": repository,
                    "BranchName": definition.branch,
                    "DetectChanges": if triggers.is_some() { "false" } else { "true" },
                });
                ("CodeStarSourceConnection", configuration, triggers)
            }
        };
        let action = json!({
            "Name": SOURCE,
            "Namespace": REVISION,
            "ActionTypeId": {"Category": "Source", "Owner": "AWS", "Provider": provider, "Version": "1"},
            "Configuration": configuration,
            "OutputArtifacts": [{"Name": REVISION}],
            "RunOrder": 1,
        });
        (action, triggers)
    }

    /// What waits for somebody's word: who decides is shown what was planned.
    fn approval(&self, goal: &Goal<'_>) -> Value {
        let env = goal.env;
        let project = builds::project(&self.name, env, ReleaseStep::Plan);
        let mut configuration = json!({
            // What is between #{ and } is what the plan's build has exported.
            "CustomData": format!(
                "#{{{env}.PLAN}} (revision #{{{REVISION}.CommitId}}). All of it: #{{{env}.LOG}}. \
                 Approve: pumphouse releases approve {}",
                self.pipeline.name
            ),
            "ExternalEntityLink": sub(&format!(
                "https://${{AWS::Region}}.console.aws.amazon.com/codesuite/codebuild/projects/{project}/history"
            )),
        });
        if self.tells() {
            configuration["NotificationArn"] = reference(TOPIC);
        }
        json!({
            "Name": APPROVE,
            "ActionTypeId": {"Category": "Approval", "Owner": "AWS", "Provider": "Manual", "Version": "1"},
            "Configuration": configuration,
            "RunOrder": 2,
        })
    }

    fn document(&self, parameters: Map<String, Value>) -> Value {
        let mut document = json!({
            "AWSTemplateFormatVersion": "2010-09-09",
            "Description": format!("pumphouse: what delivers the pipeline {}", self.pipeline.name),
        });
        if !parameters.is_empty() {
            document["Parameters"] = Value::Object(parameters);
        }
        document["Resources"] = Value::Object(self.resources.clone());
        if self.resources.contains_key(PIPELINE) {
            document["Outputs"] =
                json!({"Delivery": {"Description": "The pipeline of CodePipeline", "Value": reference(PIPELINE)}});
        }
        document
    }
}

/// A build of CodeBuild's, with the plan of an environment where it applies one.
fn build(name: &str, order: usize, project: &str, plan: Option<&str>) -> Value {
    let inputs: Vec<Value> = [Some(REVISION), plan].into_iter().flatten().map(|name| json!({"Name": name})).collect();
    let mut configuration = json!({"ProjectName": reference(project)});
    if inputs.len() > 1 {
        configuration["PrimarySource"] = json!(REVISION);
    }
    json!({
        "Name": name,
        "ActionTypeId": {"Category": "Build", "Owner": "AWS", "Provider": "CodeBuild", "Version": "1"},
        "Configuration": configuration,
        "InputArtifacts": inputs,
        "RunOrder": order,
    })
}

/// Whether a release deploys functions in Rust.
///
/// # Errors
/// What is wrong with the pipeline.
pub fn release_in_rust(pipeline: &Pipeline) -> Result<bool, TemplateError> {
    let mut rust = false;
    for target in pipeline.release.iter().flat_map(|r| &r.definition.environments) {
        let graph = deploy::graph(pipeline, &target.env).map_err(|e| TemplateError::Release(e.to_string()))?;
        rust |= in_rust(&graph);
    }
    Ok(rust)
}

fn in_rust(graph: &Graph) -> bool {
    graph.resources.iter().any(|r| matches!(&r.properties, Properties::Function(f) if f.runtime == Runtime::Rust))
}

/// The stack of a pipeline's delivery.
pub fn release_stack(pipeline: &str) -> String {
    releases::delivery_name(pipeline)
}
