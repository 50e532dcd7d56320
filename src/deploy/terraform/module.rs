//! The files of the module.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::Value;

use super::{
    Result, TerraformError,
    code::{self, Names},
    hcl::{Block, Expr, Item, Part, text},
    kinds,
    merge::{self, ARTIFACTS, Module, Rendered, Resource, Variable},
    refs,
    resources::Scope,
    uploads,
};
use crate::{
    cloud::stacks::Asset,
    deploy::Upload,
    spec::{Environment, Pipeline},
};

/// The Terraform that the module is for: from 1.11 on a password can be only written, and S3 holds the lock.
pub(super) const TERRAFORM: &str = ">= 1.11";
/// The providers that the module is for; by their schemas it is checked.
pub(super) const PROVIDERS: [(&str, &str, &str); 2] =
    [("aws", "hashicorp/aws", "~> 6.0"), ("awscc", "hashicorp/awscc", "~> 1.106")];

/// A variable of the module that the user gives.
pub(super) struct Asked {
    pub(super) name: String,
    /// Its type.
    pub(super) kind: Expr,
    pub(super) description: String,
    pub(super) default: Option<Expr>,
    /// Its value in each environment.
    pub(super) values: Vec<(String, Value)>,
    /// What must hold, and what is said where it does not.
    pub(super) valid: Option<(&'static str, &'static str)>,
}

/// The module, and what its environments must know of it.
pub(super) struct Exported {
    pub(super) files: BTreeMap<String, Bytes>,
    /// Variables that an environment passes on.
    pub(super) asked: Vec<Asked>,
    /// Whether it is told whether the environment is protected.
    pub(super) protected: bool,
    /// The outputs, each with what it is.
    pub(super) outputs: Vec<(String, String)>,
    /// Whether resources of protected environments are told of in an output.
    pub(super) keeps: bool,
    /// The CloudFormation types of its resources.
    pub(super) types: Vec<String>,
}

/// The output with the ids of what holds data.
pub(super) const KEEPS: &str = "holds_data";

impl Exported {
    /// The module of a pipeline.
    pub(super) fn of(pipeline: &Pipeline, rendered: &[Rendered]) -> Result<Self> {
        let mut module = merge::merged(&pipeline.name, rendered)?;
        let code = Code::of(&module, rendered)?;
        code.put_in(&mut module);
        let locals = refs::recover(&mut module);
        let names = Names {
            pipeline: &pipeline.name,
            database: pipeline.environments.iter().find_map(|e| e.database.as_deref()),
        };
        let resources = std::mem::take(&mut module.resources);
        let scope = Scope::new(names, &resources);
        let mut parts: BTreeMap<&str, Vec<Item>> = BTreeMap::new();
        for resource in &resources {
            let kind = kinds::find(&resource.cfn).map_or("main", |k| k.file);
            let part = if resource.id.starts_with(ARTIFACTS) { "artifacts" } else { kind };
            parts.entry(part).or_default().extend(scope.resource(resource)?);
        }
        parts.entry("artifacts").or_default().extend(code.items());
        parts.entry("artifacts").or_default().extend(uploaded(pipeline, &scope)?);
        parts.retain(|_, items| !items.is_empty());
        let mut files: BTreeMap<String, Bytes> =
            parts.iter().map(|(part, items)| (format!("{part}.tf"), text(items).into())).collect();
        files.extend(code.files.iter().map(|(path, content)| (path.clone(), content.clone())));
        files.extend(upload_files(pipeline));
        let keeps = pipeline.environments.iter().any(|e| e.protected) && resources.iter().any(|r| r.kept);
        let outputs = outputs(&module, &scope, if keeps { &resources } else { &[] })?;
        files.insert("outputs.tf".into(), text(&outputs).into());
        let protected = module.protected || resources.iter().any(|r| r.snapshot);
        let asked = asked(&module, &resources);
        files.insert("variables.tf".into(), text(&variables(pipeline, &asked, protected)).into());
        files.insert("versions.tf".into(), text(&[Item::Block(requirements())]).into());
        let used = |what: &str| {
            let uses = |content: &Bytes| std::str::from_utf8(content).is_ok_and(|text| text.contains(what));
            files.iter().any(|(path, content)| !path.contains('/') && uses(content))
        };
        let main = main(pipeline, &scope, &locals, &used)?;
        files.insert("main.tf".into(), text(&main).into());
        let mut types: Vec<String> = resources.iter().map(|r| r.cfn.clone()).collect();
        types.sort();
        types.dedup();
        let outputs = module.outputs.iter().map(|o| (o.name.clone(), o.description.clone())).collect();
        Ok(Self { files, asked, protected, outputs, keeps, types })
    }
}

/// What Terraform and which providers it takes.
pub(super) fn requirements() -> Block {
    let mut providers = Block::new("required_providers", []);
    for (name, source, version) in PROVIDERS {
        let fields = [("source", source), ("version", version)];
        // One argument a line, as everybody writes it.
        let fields = fields.map(|(k, v)| (k.to_owned(), Expr::text(v))).to_vec();
        providers = providers.with(name, Expr::Lines(fields));
    }
    Block::new("terraform", []).with("required_version", Expr::text(TERRAFORM)).inside(providers)
}

/// Where the module looks, and what names begin with.
fn main(
    pipeline: &Pipeline,
    scope: &Scope<'_>,
    buckets: &[(String, String)],
    used: &dyn Fn(&str) -> bool,
) -> Result<Vec<Item>> {
    let mut items = Vec::new();
    if !pipeline.description.is_empty() {
        items.push(Item::Comment(pipeline.description.clone()));
        // It is said of the module, and not of what comes first.
        items.push(Item::Gap);
    }
    let mut locals = Block::new("locals", []);
    let mut own = Vec::new();
    for (name, value) in buckets {
        own.push((name.clone(), scope.text(value)?));
    }
    let in_buckets = |what: &str| {
        own.iter().any(|(_, value)| matches!(value, Expr::Text(parts) if parts.contains(&Part::Expr(what.into()))))
    };
    let named =
        |suffix: &str| Expr::Text(vec![Part::Text(format!("{}{suffix}", pipeline.name)), Part::Expr("var.env".into())]);
    locals = locals.with("name", named("-"));
    if let Some(database) = scope.names.database.filter(|_| used("local.database")) {
        let elsewhere = Expr::Text(vec![Part::Text(format!("{database}_")), Part::Expr("var.env".into())]);
        let value = format!("var.env == \"dev\" ? \"{database}\" : {}", super::hcl::inline(&elsewhere));
        locals = locals.with("database", Expr::raw(value));
    }
    let data = [
        ("account_id", "aws_caller_identity", "account_id"),
        ("partition", "aws_partition", "partition"),
        ("region", "aws_region", "region"),
    ];
    for (local, source, attribute) in data {
        let (name, value) = (format!("local.{local}"), format!("data.{source}.current.{attribute}"));
        let there = used(&name) || in_buckets(&name);
        if there {
            locals = locals.with(local, Expr::raw(value));
        }
        if there || used(&format!("data.{source}.current")) {
            items.push(Item::Block(Block::new("data", [source, "current"])));
        }
    }
    if used("data.aws_availability_zones.available") {
        let zones = Block::new("data", ["aws_availability_zones", "available"]).with("state", Expr::text("available"));
        // Local Zones have names that may come first, and not every service.
        let regular = Block::new("filter", [])
            .with("name", Expr::text("opt-in-status"))
            .with("values", Expr::List(vec![Expr::text("opt-in-not-required")]));
        let zones = zones.inside(regular);
        items.push(Item::Block(zones));
    }
    let tags = [
        ("pumphouse:pipeline".to_owned(), Expr::text(pipeline.name.as_str())),
        ("pumphouse:env".to_owned(), Expr::raw("var.env")),
    ];
    locals = locals.with("tags", Expr::Call("merge", vec![Expr::raw("var.tags"), Expr::Object(tags.into())]));
    locals = locals.with("tag_list", Expr::raw("[for key, value in local.tags : { key = key, value = value }]"));
    for (name, value) in own {
        locals = locals.with(&name, value);
    }
    items.push(Item::Block(locals));
    Ok(items)
}

/// What the user gives.
fn asked(module: &Module, resources: &[Resource]) -> Vec<Asked> {
    let plain = |name: &str, kind: &str, description: &str, default| Asked {
        name: name.into(),
        kind: Expr::raw(kind),
        description: description.into(),
        default,
        values: Vec::new(),
        valid: None,
    };
    let mut asked = Vec::new();
    if module.bootstrap {
        asked.push(plain(
            "bootstrap_archive",
            "string",
            "The zip archive with the executable `bootstrap`, which runs the functions in Rust",
            None,
        ));
        let architecture = plain(
            "bootstrap_architecture",
            "string",
            "What the executable was built for: x86_64 or arm64",
            Some(Expr::text("x86_64")),
        );
        let known = "contains([\"x86_64\", \"arm64\"], var.bootstrap_architecture)";
        asked.push(Asked { valid: Some((known, "bootstrap_architecture must be x86_64 or arm64.")), ..architecture });
    }
    if resources.iter().any(|r| r.cfn == "AWS::IAM::Role") {
        let boundary = plain(
            "permissions_boundary",
            "string",
            "The ARN of the policy that bounds what the roles may do; null: none",
            Some(Expr::raw("null")),
        );
        let arn = "var.permissions_boundary == null || can(regex(\"^arn:.*:policy/\", var.permissions_boundary))";
        asked.push(Asked { valid: Some((arn, "permissions_boundary must be the ARN of a policy.")), ..boundary });
    }
    asked.push(plain("tags", "map(string)", "Tags that every resource gets", Some(Expr::Object(Vec::new()))));
    asked.extend(module.variables.iter().map(|v: &Variable| Asked {
        name: v.name.clone(),
        kind: v.kind.clone(),
        description: v.description.clone(),
        default: None,
        values: v.values.clone(),
        valid: None,
    }));
    asked
}

/// A variable.
pub(super) fn variable(asked: &Asked) -> Block {
    let mut block = Block::new("variable", [asked.name.as_str()])
        .with("description", Expr::text(asked.description.as_str()))
        .with("type", asked.kind.clone());
    if let Some(default) = &asked.default {
        block = block.with("default", default.clone());
    }
    match asked.valid {
        Some(valid) => block.inside(validation(valid.0.to_owned(), valid.1.to_owned())),
        None => block,
    }
}

/// What must hold of a variable.
fn validation(condition: String, message: String) -> Block {
    Block::new("validation", []).with("condition", Expr::raw(condition)).with("error_message", Expr::text(message))
}

fn variables(pipeline: &Pipeline, asked: &[Asked], protected: bool) -> Vec<Item> {
    let known = pipeline.env_names().into_iter().map(Expr::text).collect();
    let known = super::hcl::inline(&Expr::Call("contains", vec![Expr::List(known), Expr::raw("var.env")]));
    let env = Block::new("variable", ["env"])
        .with("description", Expr::text("The environment, which names end with"))
        .with("type", Expr::raw("string"))
        .inside(validation(known, format!("env must be one of these: {}.", pipeline.env_names().join(", "))));
    let mut items = vec![Item::Block(env)];
    if protected {
        let block = Block::new("variable", ["protected"])
            .with("description", Expr::text("Whether databases and tables refuse to be deleted"))
            .with("type", Expr::raw("bool"));
        items.push(Item::Block(block));
    }
    items.extend(asked.iter().map(|a| Item::Block(variable(a))));
    items
}

fn outputs(module: &Module, scope: &Scope<'_>, kept: &[Resource]) -> Result<Vec<Item>> {
    let mut items = Vec::new();
    for output in &module.outputs {
        let block = Block::new("output", [output.name.as_str()])
            .with("description", Expr::text(output.description.as_str()))
            .with("value", scope.document(&output.value)?);
        items.push(Item::Block(block));
    }
    let mut ids = Vec::new();
    for resource in kept.iter().filter(|r| r.kept) {
        ids.push((scope.address(&resource.id)?.to_owned(), Expr::raw(scope.attribute(&resource.id, "id")?)));
    }
    if !ids.is_empty() {
        let block = Block::new("output", [KEEPS])
            .with("description", Expr::text("By its address, the id of each resource that holds data"))
            .with("value", Expr::Object(ids));
        items.push(Item::Block(block));
    }
    Ok(items)
}

/// A file that functions or jobs are made of.
struct Object {
    name: String,
    /// Its key in the artifact bucket, as the template has it.
    key: String,
    folder: String,
    extension: String,
    path: String,
}

/// The code of functions and jobs.
struct Code {
    objects: Vec<Object>,
    files: Vec<(String, Bytes)>,
    asked: bool,
}

impl Code {
    fn of(module: &Module, rendered: &[Rendered]) -> Result<Self> {
        let mut code = Self { objects: Vec::new(), files: Vec::new(), asked: module.bootstrap };
        let assets: &[Asset] = rendered.first().map_or(&[], |r| &r.assets);
        for asset in assets {
            let everywhere = rendered.iter().all(|r| r.assets.iter().any(|a| a.key == asset.key));
            let holders: Vec<&Resource> = module
                .resources
                .iter()
                .filter(|r| matches!(r.cfn.as_str(), "AWS::Lambda::Function" | "AWS::Glue::Job"))
                .filter(|r| r.properties.to_string().contains(&asset.key))
                .collect();
            let local = holders.first().map(|r| kinds::local_name(&r.id, &r.cfn)).unwrap_or_default();
            if !everywhere || merge::names_env(&asset.content) {
                // Where it differs, its key is a variable's value.
                let of = |v: &&Variable| v.values.iter().any(|(_, key)| *key == asset.key);
                let other = module.variables.iter().find(of).map_or("", |v| v.description.as_str());
                let whose = other.rsplit(" of ").next().filter(|_| local.is_empty()).unwrap_or(&local);
                return Err(TerraformError::Differs { what: format!("the code of {whose}") });
            }
            let (folder, file) = asset.key.split_once('/').unwrap_or_default();
            let extension = file.rsplit_once('.').map_or("", |(_, e)| e);
            let rust = holders.iter().any(|r| r.properties["Runtime"] == "provided.al2023");
            let (file, name) = match (rust, extension, folder) {
                (true, ..) => ("bootstrap".to_owned(), "bootstrap".to_owned()),
                (_, "py", _) => ("runner".into(), "runner".into()),
                (.., "jobs") => (local.clone(), format!("{local}_job")),
                _ => (local.clone(), format!("{local}_function")),
            };
            let path = format!("assets/{folder}/{file}.{extension}");
            code.files.push((path.clone(), asset.content.clone()));
            code.objects.push(Object {
                name,
                key: asset.key.clone(),
                folder: folder.to_owned(),
                extension: extension.to_owned(),
                path,
            });
        }
        let more = rendered.iter().skip(1).any(|r| r.assets.len() != assets.len());
        if more {
            return Err(TerraformError::Differs { what: "the code".into() });
        }
        Ok(code)
    }

    /// Puts references in place of keys.
    fn put_in(&self, module: &mut Module) {
        for resource in &mut module.resources {
            for object in &self.objects {
                let with = code::expr(&format!("aws_s3_object.{}.key", object.name));
                refs::texts(&mut resource.properties, &mut |text| *text = text.replace(&object.key, &with));
            }
        }
    }

    fn items(&self) -> Vec<Item> {
        let mut items = Vec::new();
        let one = |name: &str, folder: &str, extension: &str, source: Expr| {
            let hash = format!("filesha256({})", super::hcl::inline(&source));
            let key = vec![Part::Text(format!("{folder}/")), Part::Expr(hash), Part::Text(format!(".{extension}"))];
            let bucket = kinds::local_name(ARTIFACTS, "AWS::S3::Bucket");
            Block::new("resource", ["aws_s3_object", name])
                .with("bucket", Expr::raw(format!("awscc_s3_bucket.{bucket}.bucket_name")))
                .with("key", Expr::Text(key))
                .with("source", source)
                .inside(Block::new("lifecycle", []).with("create_before_destroy", Expr::raw("true")))
        };
        if self.asked {
            items.push(Item::Block(one("bootstrap", "functions", "zip", Expr::raw("var.bootstrap_archive"))));
        }
        for object in &self.objects {
            let source = Expr::Text(vec![Part::Expr("path.module".into()), Part::Text(format!("/{}", object.path))]);
            items.push(Item::Block(one(&object.name, &object.folder, &object.extension, source)));
        }
        items
    }
}

/// Whether an upload's files are the same in all environments.
fn same_everywhere(pipeline: &Pipeline, upload: &Upload) -> bool {
    let of = |e: &Environment| uploads(e).into_iter().find(|u| u.source == upload.source);
    pipeline.environments.iter().all(|e| of(e).is_some_and(|u| u.files == upload.files))
}

/// The files that sources upload.
fn upload_files(pipeline: &Pipeline) -> Vec<(String, Bytes)> {
    let mut files = Vec::new();
    for environment in &pipeline.environments {
        for upload in uploads(environment) {
            let same = same_everywhere(pipeline, &upload);
            let folder = if same { upload.source.clone() } else { format!("{}/{}", upload.source, environment.name) };
            for (path, content) in &upload.files {
                files.push((format!("assets/uploads/{folder}/{path}"), content.clone()));
            }
        }
    }
    files
}

/// What uploads them.
fn uploaded(pipeline: &Pipeline, scope: &Scope<'_>) -> Result<Vec<Item>> {
    let mut items = Vec::new();
    let Some(environment) = pipeline.environments.first() else { return Ok(items) };
    for upload in uploads(environment) {
        let same = same_everywhere(pipeline, &upload);
        let mut folder =
            vec![Part::Expr("path.module".into()), Part::Text(format!("/assets/uploads/{}", upload.source))];
        if !same {
            folder.extend([Part::Text("/".into()), Part::Expr("var.env".into())]);
        }
        let mut path = folder.clone();
        path.extend([Part::Text("/".into()), Part::Expr("each.value".into())]);
        let path = Expr::Text(path);
        let hash = Expr::Call("filemd5", vec![path.clone()]);
        let name = upload.bucket.trim_start_matches("bucket.");
        let bucket = crate::deploy::names::logical_id(name, "Bucket");
        let block = Block::new("resource", ["aws_s3_object", &format!("{}_source", upload.source)])
            .with("for_each", Expr::Call("fileset", vec![Expr::Text(folder), Expr::text("**")]))
            .with("bucket", Expr::raw(scope.attribute(&bucket, "bucket_name")?))
            .with("key", Expr::Text(vec![Part::Text(upload.prefix.clone()), Part::Expr("each.value".into())]))
            .with("source", path)
            .with("source_hash", hash);
        items.push(Item::Comment(format!("source.{}", upload.source)));
        items.push(Item::Block(block));
    }
    Ok(items)
}
