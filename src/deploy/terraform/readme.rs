//! What the user of an exported directory must know.

use std::fmt::Write as _;

use super::{
    TerraformOptions,
    environments::module_name,
    module::{Exported, KEEPS, PROVIDERS, TERRAFORM},
};
use crate::spec::Pipeline;

/// What is not to be committed.
pub(super) const IGNORED: &str = ".terraform/\n*.tfplan\n*.tfstate\n*.tfstate.*\nbootstrap.zip\n";

/// The README.
pub(super) fn text(pipeline: &Pipeline, module: &Exported, options: &TerraformOptions) -> String {
    let name = &pipeline.name;
    let has = |cfn: &str| module.types.iter().any(|t| t == cfn);
    let envs: Vec<String> = pipeline.env_names().into_iter().map(|e| format!("`environments/{e}`")).collect();
    let first = pipeline.env_names().first().copied().unwrap_or("dev").to_owned();
    let providers: Vec<String> =
        PROVIDERS.iter().map(|(name, source, version)| format!("`{name}` ({source} {version})")).collect();
    let mut out = format!("# {name}\n\n");
    if !pipeline.description.is_empty() {
        let _ = writeln!(out, "{}.\n", pipeline.description.trim_end_matches('.'));
    }
    let _ = write!(
        out,
        "Written by `pumphouse export terraform {name}` from the pipeline's pipeline.toml. `modules/{name}` holds the \
         resources, {} what is different: values in `terraform.tfvars`, the state, the providers.\n\n\
         It takes Terraform {TERRAFORM} and the providers {}.\n\n",
        envs.join(" and "),
        providers.join(" and ")
    );
    out.push_str("## What must be there\n\n");
    let bucket = match &options.state_bucket {
        Some(bucket) => format!("The S3 bucket `{bucket}` for the state"),
        None => "An S3 bucket for the state: write its name into each `backend.hcl`".into(),
    };
    let _ = writeln!(out, "- {bucket}. The lock is a file beside the state, so no table is needed.");
    if module.asked.iter().any(|a| a.name == "bootstrap_archive") {
        out.push_str(
            "- `bootstrap.zip` in this folder: an archive with the executable `bootstrap`, which runs the functions in Rust. \
             `docs/lambda.md` of pumphouse says how to build it for Amazon Linux 2023; then `zip bootstrap.zip bootstrap`. \
             With `--bootstrap FILE`, the export puts it in itself.\n",
        );
    }
    if has("AWS::ApiGateway::Stage") {
        out.push_str(
            "- A role with which API Gateway writes logs, of which an account has one in each region: where it has none, \
             `aws_api_gateway_account` sets it.\n",
        );
    }
    out.push_str("- Credentials for AWS, as Terraform finds them.\n\n");
    let _ = write!(
        out,
        "## Apply it\n\n\
         ```sh\n\
         cd environments/{first}\n\
         terraform init -backend-config=backend.hcl\n\
         terraform plan -out=plan.tfplan\n\
         terraform apply plan.tfplan\n\
         ```\n\n\
         `terraform init` writes `.terraform.lock.hcl`, which pins the providers: commit it, with \
         `terraform providers lock -platform=linux_amd64 -platform=darwin_arm64` for all systems that it is applied on.\n\n\
         What code functions and jobs have lies in `modules/{name}/assets`; it is uploaded when it changes.\n\n"
    );
    if has("AWS::SecretsManager::Secret") {
        out.push_str(
            "## Secrets\n\n\
             No secret's value is in these files or in the state. A secret of the pipeline is made empty; give it its value \
             once:\n\n\
             ```sh\n\
             aws secretsmanager put-secret-value --secret-id NAME --secret-string file://value.txt\n\
             ```\n\n",
        );
        if has("AWS::RDS::DBInstance") {
            out.push_str(
                "The password of the database is made in AWS Secrets Manager, read when the database is made \
                 (`ephemeral`, `password_wo`), and kept nowhere else. To hand the database another: change the secret, and \
                 then `password_wo_version`.\n\n",
            );
        }
    }
    let protected: Vec<&str> = pipeline.environments.iter().filter(|e| e.protected).map(|e| e.name.as_str()).collect();
    if module.keeps && !protected.is_empty() {
        let _ = write!(
            out,
            "## Data in {0}\n\n\
             Terraform cannot decide by a variable whether a resource may be destroyed, so `terraform_data.protected` in \
             `environments/{1}` stands for each resource that holds data (the output `{KEEPS}` of the module). A plan that \
             would remove or replace one of them, or destroy everything, is refused. Where that is wanted:\n\n\
             - to let a resource stay and forget it: `terraform state rm 'module.{2}.ADDRESS'`, for each of them, and \
             `terraform state rm 'terraform_data.protected'`;\n\
             - to let the data go: remove `terraform_data.protected` from `main.tf`.\n\n\
             Elsewhere nothing is protected.\n\n",
            protected.join(" and "),
            protected[0],
            module_name(pipeline)
        );
    }
    if has("AWS::S3::Bucket") {
        out.push_str("S3 deletes no bucket that holds objects: empty buckets before `terraform destroy`.\n\n");
    }
    let _ = write!(
        out,
        "## When the pipeline changes\n\n\
         Export again with `--overwrite` and look at the difference, in these files and in the plan. What you changed by hand \
         in `modules/{name}` is then yours to keep.\n\n\
         Or leave pipeline.toml behind, and go on here. `pumphouse adopt .` writes one with which the console and the command \
         line plan, apply and watch what this folder makes, by Terraform.\n"
    );
    if has("AWS::SSM::Parameter") {
        out.push_str(
            "\nA threshold's value is set while the pipeline runs: Terraform makes it, and leaves its value alone.\n",
        );
    }
    out
}
