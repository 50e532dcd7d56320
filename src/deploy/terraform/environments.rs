//! The folder of an environment: where its state is, its providers, and its values.

use serde_json::Value;

use super::{
    TerraformOptions,
    hcl::{Block, Expr, Item, text},
    module::{Asked, Exported, KEEPS, requirements, variable},
};
use crate::spec::{Environment, Pipeline};

/// The archive with the executable, from an environment's folder.
const ARCHIVE: &str = "../../bootstrap.zip";

/// The files of an environment, by their names.
pub(super) fn files(
    pipeline: &Pipeline,
    environment: &Environment,
    module: &Exported,
    options: &TerraformOptions,
) -> Vec<(&'static str, String)> {
    let own = module_name(pipeline);
    let mut call =
        Block::new("module", [own.as_str()]).with("source", Expr::text(format!("../../modules/{}", pipeline.name)));
    // Terraform's own argument stands apart.
    call.items.push(Item::Gap);
    let mut given = vec![("env".to_owned(), Expr::text(environment.name.as_str()))];
    if module.protected {
        given.push(("protected".into(), Expr::raw(environment.protected.to_string())));
    }
    given.extend(module.asked.iter().map(|a| (a.name.clone(), Expr::raw(format!("var.{}", a.name)))));
    for (name, value) in given {
        call = call.with(&name, value);
    }
    let mut main = vec![Item::Block(call)];
    if module.keeps && environment.protected {
        main.push(Item::Comment(
            "What holds data: a plan that would remove or replace any of it is refused, as is to destroy it all. README.md says\n\
             what to do when that is wanted."
                .into(),
        ));
        let guard = Block::new("resource", ["terraform_data", "protected"])
            .with("for_each", Expr::raw(format!("module.{own}.{KEEPS}")))
            .with("triggers_replace", Expr::raw("each.value"))
            .inside(Block::new("lifecycle", []).with("prevent_destroy", Expr::raw("true")));
        main.push(Item::Block(guard));
    }
    let outputs: Vec<Item> = module
        .outputs
        .iter()
        .map(|(name, description)| {
            let block = Block::new("output", [name.as_str()])
                .with("description", Expr::text(description.as_str()))
                .with("value", Expr::raw(format!("module.{own}.{name}")));
            Item::Block(block)
        })
        .collect();
    vec![
        ("main.tf", text(&main)),
        ("outputs.tf", text(&outputs)),
        ("providers.tf", text(&providers(pipeline, environment))),
        ("versions.tf", text(&[Item::Block(requirements().inside(backend(pipeline, environment)))])),
        ("variables.tf", text(&variables(module))),
        ("terraform.tfvars", text(&values(environment, module))),
        ("backend.hcl", text(&place(environment, options))),
    ]
}

/// What the module is called: names have no `-`.
pub(super) fn module_name(pipeline: &Pipeline) -> String {
    pipeline.name.replace('-', "_")
}

fn backend(pipeline: &Pipeline, environment: &Environment) -> Block {
    let mut block = Block::new("backend", []);
    block.labels.push("s3".into());
    block
        .with("key", Expr::text(format!("{}/{}/terraform.tfstate", pipeline.name, environment.name)))
        .with("encrypt", Expr::raw("true"))
        .with("use_lockfile", Expr::raw("true"))
}

/// Where the state is: `terraform init -backend-config=backend.hcl`.
fn place(environment: &Environment, options: &TerraformOptions) -> Vec<Item> {
    let bucket = options.state_bucket.as_deref().unwrap_or("CHANGE-ME");
    let mut items = Vec::new();
    if options.state_bucket.is_none() {
        items.push(Item::Comment("The bucket that Terraform keeps its state in; it must be there.".into()));
    }
    items.push(Item::Attr("bucket".into(), Expr::text(bucket)));
    match &environment.region {
        Some(region) => items.push(Item::Attr("region".into(), Expr::text(region.as_str()))),
        None => items.push(Item::Comment("Its region is that of the AWS configuration; else: region = \"...\"".into())),
    }
    items
}

fn providers(pipeline: &Pipeline, environment: &Environment) -> Vec<Item> {
    let tags = vec![
        ("pumphouse:pipeline".to_owned(), Expr::text(pipeline.name.as_str())),
        ("pumphouse:env".to_owned(), Expr::text(environment.name.as_str())),
    ];
    let tags = Expr::Call("merge", vec![Expr::raw("var.tags"), Expr::Object(tags)]);
    let aws = Block::new("provider", ["aws"])
        .with("region", Expr::raw("var.region"))
        .inside(Block::new("default_tags", []).with("tags", tags));
    vec![Item::Block(aws), Item::Block(Block::new("provider", ["awscc"]).with("region", Expr::raw("var.region")))]
}

fn variables(module: &Exported) -> Vec<Item> {
    let region = Asked {
        name: "region".into(),
        kind: Expr::raw("string"),
        description: "The AWS region; null: what the AWS configuration says".into(),
        default: Some(Expr::raw("null")),
        values: Vec::new(),
        valid: None,
    };
    std::iter::once(&region).chain(&module.asked).map(|a| Item::Block(variable(a))).collect()
}

/// The values of the environment's variables.
fn values(environment: &Environment, module: &Exported) -> Vec<Item> {
    let mut items = Vec::new();
    if let Some(region) = &environment.region {
        items.push(Item::Attr("region".into(), Expr::text(region.as_str())));
    }
    for asked in &module.asked {
        if asked.name == "bootstrap_archive" {
            items.push(Item::Attr(asked.name.clone(), Expr::text(ARCHIVE)));
        }
        if let Some((_, value)) = asked.values.iter().find(|(env, _)| *env == environment.name) {
            items.push(Item::Attr(asked.name.clone(), literal(value)));
        }
    }
    items
}

/// A value of a variable, which refers to nothing.
fn literal(value: &Value) -> Expr {
    match value {
        Value::String(text) => Expr::text(text.as_str()),
        Value::Array(items) => Expr::List(items.iter().map(literal).collect()),
        Value::Object(fields) => Expr::Object(fields.iter().map(|(k, v)| (k.clone(), literal(v))).collect()),
        other => super::resources::plain(other),
    }
}
