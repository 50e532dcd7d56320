//! Who may do what in a release. No role but an environment's own may touch that environment, and what it changes,
//! CloudFormation changes with the bootstrap stack's role.

use serde_json::{Value, json};

use super::{BUCKET, Body, Goal, REVISION, TOOLS, TOPIC, builds, builds::ReleaseStep};
use crate::{
    deploy::template::{
        ARTIFACT_BUCKET, BOOTSTRAP_STACK, Entry,
        json::{arn, att, bucket_arn, bucket_name, reference, sub},
        statements::Statement,
    },
    spec::ReleaseSource,
};

/// Where the roles of releases live, apart from those of pipelines: these may be passed to other services.
const ROLE_PATH: &str = "/pumphouse-release/";
/// The name of the boundary that no role of a release gets beyond, for `Fn::Sub`.
pub(in super::super) const RELEASE_BOUNDARY_NAME: &str = "pumphouse-release-boundary-${AWS::Region}";
/// The roles that CloudFormation deploys with, in whatever region.
const SERVICE_ROLES: &str = "arn:${AWS::Partition}:iam::${AWS::AccountId}:role/pumphouse-bootstrap-ServiceRole-*";
/// The boundary's own ARN.
const BOUNDARY: &str =
    "arn:${AWS::Partition}:iam::${AWS::AccountId}:policy/pumphouse/pumphouse-release-boundary-${AWS::Region}";

/// Planning a stack takes these.
const PLAN_ACTIONS: [&str; 9] = [
    "cloudformation:CreateChangeSet",
    "cloudformation:DeleteChangeSet",
    "cloudformation:DescribeChangeSet",
    "cloudformation:DescribeEvents",
    "cloudformation:DescribeStackEvents",
    "cloudformation:DescribeStacks",
    "cloudformation:GetTemplate",
    "cloudformation:ListChangeSets",
    "cloudformation:ListStackResources",
];
/// Deploying takes these, too. A stack whose creation has failed is deleted first.
const DEPLOY_ACTIONS: [&str; 3] =
    ["cloudformation:DeleteStack", "cloudformation:ExecuteChangeSet", "cloudformation:UpdateTerminationProtection"];
const COMMIT_ACTIONS: [&str; 5] = [
    "codecommit:CancelUploadArchive",
    "codecommit:GetBranch",
    "codecommit:GetCommit",
    "codecommit:GetUploadArchiveStatus",
    "codecommit:UploadArchive",
];
const CONNECTION_ACTIONS: [&str; 2] = ["codeconnections:UseConnection", "codestar-connections:UseConnection"];
const BUILD_ACTIONS: [&str; 2] = ["codebuild:BatchGetBuilds", "codebuild:StartBuild"];
const READ: [&str; 2] = ["s3:GetObject", "s3:GetObjectVersion"];
/// CodeBuild asks whose bucket it reads from.
const ABOUT_BUCKET: [&str; 2] = ["s3:GetBucketAcl", "s3:GetBucketLocation"];
const KEY_ACTIONS: [&str; 3] = ["kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKey"];

fn objects(path: &str) -> Value {
    bucket_arn(&format!("${{{BUCKET}}}"), path)
}

/// The artifacts of a release are encrypted with S3's own key, unless told otherwise: that is used through S3 alone.
fn encryption() -> Statement {
    Statement::new("Encryption", &KEY_ACTIONS, arn("kms", "key/*"))
        .when(json!({"StringEquals": {"kms:ViaService": sub("s3.${AWS::Region}.amazonaws.com")}}))
}

fn to_cloudformation(sid: &str) -> Statement {
    Statement::new(sid, &["iam:PassRole"], sub(SERVICE_ROLES))
        .when(json!({"StringEquals": {"iam:PassedToService": "cloudformation.amazonaws.com"}}))
}

impl Body<'_> {
    /// The roles of CodePipeline, of what starts it, and of each build.
    pub(super) fn roles(&mut self) {
        let pipeline = self.pipeline_statements();
        self.role("PipelineRole", "codepipeline.amazonaws.com", "grants", pipeline);
        if matches!(self.release.source, ReleaseSource::CodeCommit { .. }) {
            let start = Statement::new(
                "StartReleases",
                &["codepipeline:StartPipelineExecution"],
                arn("codepipeline", &self.name),
            );
            self.role("StartRole", "events.amazonaws.com", "grants", vec![start]);
        }
        let check = self.build_statements("Check");
        self.role("CheckRole", "codebuild.amazonaws.com", "grants", check);
        let goals = std::mem::take(&mut self.goals);
        for goal in &goals {
            for step in [ReleaseStep::Plan, ReleaseStep::Deploy] {
                let id = builds::id(goal.env, step);
                let mut all = self.build_statements(&id);
                all.extend(goal_statements(goal, step));
                self.role(&format!("{id}Role"), "codebuild.amazonaws.com", "grants", all);
            }
        }
        self.goals = goals;
    }

    fn role(&mut self, id: &str, service: &str, policy: &str, statements: Vec<Statement>) {
        let statements: Vec<Value> = statements.into_iter().map(Statement::value).collect();
        let properties = json!({
            "Path": ROLE_PATH,
            "PermissionsBoundary": sub(BOUNDARY),
            "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [{
                "Effect": "Allow",
                "Principal": {"Service": service},
                "Action": "sts:AssumeRole",
                "Condition": {"StringEquals": {"aws:SourceAccount": reference("AWS::AccountId")}},
            }]},
            "Policies": [{
                "PolicyName": policy,
                "PolicyDocument": {"Version": "2012-10-17", "Statement": statements},
            }],
        });
        self.add(id, Entry::new("AWS::IAM::Role", properties));
    }

    fn pipeline_statements(&self) -> Vec<Statement> {
        let mut projects = vec!["CheckProject".to_owned()];
        for goal in &self.goals {
            projects.extend([ReleaseStep::Plan, ReleaseStep::Deploy].map(|step| builds::project_id(goal.env, step)));
        }
        let projects: Vec<Value> = projects.iter().map(|id| att(id, "Arn")).collect();
        let mut all = vec![
            Statement::new("Artifacts", &["s3:GetObject", "s3:GetObjectVersion", "s3:PutObject"], objects("/*")),
            Statement::new("ArtifactBucket", &ABOUT_BUCKET, objects("")),
            encryption(),
            Statement::new("Builds", &BUILD_ACTIONS, Value::Array(projects)),
            match &self.release.source {
                ReleaseSource::CodeCommit { repository } => {
                    Statement::new("TakeRevisions", &COMMIT_ACTIONS, arn("codecommit", repository))
                }
                ReleaseSource::Connection { connection, .. } => {
                    Statement::new("TakeRevisions", &CONNECTION_ACTIONS, json!(connection))
                }
            },
        ];
        if self.tells() {
            all.push(Statement::new("TellOfApprovals", &["sns:Publish"], reference(TOPIC)));
        }
        all
    }

    /// What every build does: it writes its log, and reads the revision and the executables.
    fn build_statements(&self, id: &str) -> Vec<Statement> {
        let mut keys = vec![&self.pumphouse];
        keys.extend(self.bootstrap.as_ref().filter(|_| id != "Check"));
        let tools = keys.into_iter().map(|key| match (key.as_str(), key["Ref"].as_str()) {
            (Some(key), _) => bucket_arn(ARTIFACT_BUCKET, &format!("/{key}")),
            (None, parameter) => bucket_arn(ARTIFACT_BUCKET, &format!("/${{{}}}", parameter.unwrap_or(TOOLS))),
        });
        vec![
            Statement::new(
                "WriteLogs",
                &["logs:CreateLogStream", "logs:PutLogEvents"],
                arn("logs", &format!("log-group:${{{id}LogGroup}}:*")),
            ),
            // Its folder has the pipeline's name, of which CodePipeline takes what it likes.
            Statement::new("ReadRevision", &READ, objects(&format!("/*/{REVISION}/*"))),
            Statement::new("ArtifactBucket", &ABOUT_BUCKET, objects("")),
            encryption(),
            Statement::new("FetchTools", &["s3:GetObject"], tools.collect()),
        ]
    }
}

/// What planning or deploying an environment takes, on that environment alone.
fn goal_statements(goal: &Goal<'_>, step: ReleaseStep) -> Vec<Statement> {
    let region = goal.region.unwrap_or("${AWS::Region}");
    let here = |text: String| sub(&text.replace("${AWS::Region}", region));
    let stack = |name: &str| {
        here(format!("arn:${{AWS::Partition}}:cloudformation:${{AWS::Region}}:${{AWS::AccountId}}:stack/{name}/*"))
    };
    let s3 = |bucket: &str, rest: &str| here(format!("arn:${{AWS::Partition}}:s3:::{bucket}{rest}"));
    let plan = objects(&format!("/*/{}/*", goal.env));
    let mut actions = PLAN_ACTIONS.to_vec();
    let mut all = if step == ReleaseStep::Plan {
        vec![Statement::new("KeepPlan", &["s3:PutObject"], plan)]
    } else {
        actions.extend(DEPLOY_ACTIONS);
        actions.sort_unstable();
        vec![Statement::new("ReadPlan", &READ, plan)]
    };
    let code = ["/functions/*", "/jobs/*", "/templates/*"].map(|rest| s3(ARTIFACT_BUCKET, rest));
    all.extend([
        Statement::new("Stack", &actions, stack(&goal.stack)),
        Statement::new("BootstrapStack", &["cloudformation:DescribeStacks"], stack(BOOTSTRAP_STACK)),
        to_cloudformation("LetCloudFormationUseItsRole"),
        // What has the same hash is the same: it is looked for before.
        Statement::new("UploadCode", &["s3:GetObject", "s3:PutObject"], json!(code)),
    ]);
    if !goal.uploads.is_empty() {
        let buckets = |rest: &str| goal.uploads.iter().map(|b| s3(&bucket_name(b), rest)).collect::<Vec<_>>();
        let deploys = step == ReleaseStep::Deploy;
        let files: &[&str] = if deploys { &["s3:GetObject", "s3:PutObject"] } else { &["s3:GetObject"] };
        all.push(Statement::new("UploadFiles", files, json!(buckets("/*"))));
        all.push(Statement::new("ListFiles", &["s3:ListBucket"], json!(buckets(""))));
    }
    all
}

/// What all roles of releases may do at most. It leads no further than the role that CloudFormation deploys with.
pub(in super::super) fn boundary() -> Value {
    let any = |service: &str, resource: &str| {
        sub(&format!("arn:${{AWS::Partition}}:{service}:*:${{AWS::AccountId}}:{resource}"))
    };
    let mut stacks = PLAN_ACTIONS.to_vec();
    stacks.extend(DEPLOY_ACTIONS);
    stacks.sort_unstable();
    let buckets = "arn:${AWS::Partition}:s3:::*-${AWS::AccountId}-*";
    let s3 = [
        "s3:GetBucketAcl",
        "s3:GetBucketLocation",
        "s3:GetObject",
        "s3:GetObjectVersion",
        "s3:ListBucket",
        "s3:PutObject",
    ];
    let connections = json!([any("codeconnections", "connection/*"), any("codestar-connections", "connection/*")]);
    let all = [
        Statement::new("Stacks", &stacks, any("cloudformation", "stack/*")),
        to_cloudformation("ServiceRole"),
        Statement::new("Buckets", &s3, json!([sub(buckets), sub(&format!("{buckets}/*"))])),
        encryption(),
        Statement::new(
            "Logs",
            &["logs:CreateLogStream", "logs:PutLogEvents"],
            arn("logs", "log-group:/aws/codebuild/*"),
        ),
        Statement::new("Builds", &BUILD_ACTIONS, arn("codebuild", "project/*--release-*")),
        Statement::new("Repositories", &COMMIT_ACTIONS, arn("codecommit", "*")),
        Statement::new("Connections", &CONNECTION_ACTIONS, connections),
        Statement::new("Start", &["codepipeline:StartPipelineExecution"], arn("codepipeline", "*--release")),
        Statement::new("Tell", &["sns:Publish"], arn("sns", "*--release")),
    ];
    Value::Array(all.into_iter().map(Statement::value).collect())
}

/// What CloudFormation's own role needs beside what pipelines need, to make a release's stack.
pub(in super::super) fn making() -> Vec<Value> {
    let roles = sub(&format!("arn:${{AWS::Partition}}:iam::${{AWS::AccountId}}:role{ROLE_PATH}*"));
    let bounded = Statement::new(
        "BoundedReleaseRoles",
        &["iam:CreateRole", "iam:PutRolePermissionsBoundary", "iam:PutRolePolicy"],
        roles.clone(),
    )
    .when(json!({"StringEquals": {"iam:PermissionsBoundary": sub(BOUNDARY)}}));
    let passed = Statement::new("PassReleaseRoles", &["iam:PassRole"], roles.clone()).when(json!({
        "StringEquals": {
            "iam:PassedToService": ["codebuild.amazonaws.com", "codepipeline.amazonaws.com", "events.amazonaws.com"],
        },
    }));
    let connections: Vec<Value> =
        ["codeconnections", "codestar-connections"].iter().map(|service| arn(service, "connection/*")).collect();
    let all = [
        Statement::new("ReleasePipelines", &PIPELINE_ACTIONS, arn("codepipeline", "*--release")),
        Statement::new("ReleaseProjects", &PROJECT_ACTIONS, arn("codebuild", "project/*--release-*")),
        bounded,
        Statement::new("ReleaseRoles", &super::super::actions::ROLE_ACTIONS, roles),
        passed,
        Statement::new("PassConnections", &PASS_CONNECTION, json!(connections)),
        Statement::new(
            "ReleaseLogGroups",
            &super::super::actions::LOG_ACTIONS,
            arn("logs", "log-group:/aws/codebuild/*--release-*"),
        ),
    ];
    all.into_iter().map(Statement::value).collect()
}

const PIPELINE_ACTIONS: [&str; 8] = [
    "codepipeline:CreatePipeline",
    "codepipeline:DeletePipeline",
    "codepipeline:GetPipeline",
    "codepipeline:GetPipelineState",
    "codepipeline:ListTagsForResource",
    "codepipeline:TagResource",
    "codepipeline:UntagResource",
    "codepipeline:UpdatePipeline",
];
const PROJECT_ACTIONS: [&str; 4] =
    ["codebuild:BatchGetProjects", "codebuild:CreateProject", "codebuild:DeleteProject", "codebuild:UpdateProject"];
const PASS_CONNECTION: [&str; 2] = ["codeconnections:PassConnection", "codestar-connections:PassConnection"];
