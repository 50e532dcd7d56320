//! From the templates of a pipeline's environments to one module: what differs becomes a variable.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::{
    TerraformError,
    code::{self, EACH, ENV, coded, expr, is_constant},
    hcl::Expr,
    kinds::{self, Shape},
    types,
};
use crate::{
    cloud::stacks::Asset,
    deploy::{ARTIFACT_BUCKET, TemplateOptions, graph, package, template},
    spec::{Environment, Pipeline},
};

type Result<T> = std::result::Result<T, TerraformError>;

/// The logical id of the bucket that code is uploaded to.
pub(super) const ARTIFACTS: &str = "ArtifactsBucket";

/// An environment's template.
pub(super) struct Rendered {
    pub(super) env: String,
    pub(super) protected: bool,
    document: Value,
    pub(super) assets: Vec<Asset>,
}

/// The templates of all environments, in which each is called alike.
pub(super) fn rendered(pipeline: &Pipeline, bootstrap: Option<&package::Executable>) -> Result<Vec<Rendered>> {
    let one = |environment: &Environment| {
        let alike = Environment { name: ENV.to_owned(), ..environment.clone() };
        let alone = Pipeline { environments: vec![alike], ..pipeline.clone() };
        let graph = graph(&alone, ENV)?;
        let options =
            TemplateOptions { bootstrap: bootstrap.cloned(), ask_for_bootstrap: true, ..TemplateOptions::default() };
        let template = template(&graph, &options)?;
        let document = serde_json::from_str(&steady(&template.body))
            .map_err(|_| TerraformError::Unknown { what: "a template that is no JSON".into() })?;
        let mut rendered = Rendered {
            env: environment.name.clone(),
            protected: environment.protected,
            document,
            assets: template.assets,
        };
        artifacts(&mut rendered, &pipeline.name)?;
        Ok(rendered)
    };
    pipeline.environments.iter().map(one).collect()
}

/// A template with logical ids that do not depend on what resources hold: Terraform has other ways to replace one.
fn steady(body: &str) -> String {
    let Ok(document) = serde_json::from_str::<Value>(body) else { return body.to_owned() };
    let mut text = body.replace(ARTIFACT_BUCKET, &format!("${{{ARTIFACTS}}}"));
    let mut emails: BTreeMap<String, usize> = BTreeMap::new();
    for (id, resource) in document["Resources"].as_object().into_iter().flatten() {
        match resource["Type"].as_str() {
            Some("AWS::ApiGateway::Deployment") => {
                let plain = id.trim_end_matches(|c: char| matches!(c, '0'..='9' | 'a'..='f'));
                // `Deployment` ends with none of these letters.
                text = text.replace(id, plain);
            }
            Some("AWS::SNS::Subscription") => {
                if let Some((topic, _)) = id.rsplit_once("Email") {
                    let n = emails.entry(topic.to_owned()).or_default();
                    *n += 1;
                    let number = if *n == 1 { String::new() } else { n.to_string() };
                    text = text.replace(id, &format!("{topic}Email{number}"));
                }
            }
            _ => {}
        }
    }
    text
}

/// Adds the bucket for code, where there is any.
fn artifacts(rendered: &mut Rendered, pipeline: &str) -> Result<()> {
    let document = &mut rendered.document;
    let asked = document.get("Parameters").is_some_and(|p| p.get("BootstrapKey").is_some());
    if rendered.assets.is_empty() && !asked {
        return Ok(());
    }
    let Some(resources) = document["Resources"].as_object_mut() else { return Ok(()) };
    if resources.contains_key(ARTIFACTS) {
        return Err(TerraformError::Taken { name: "bucket.artifacts".into() });
    }
    resources.insert(
        ARTIFACTS.into(),
        json!({
            "Type": "AWS::S3::Bucket",
            "Metadata": {"pumphouse": "The code of functions and jobs"},
            "Properties": {
                "BucketName": {"Fn::Sub": format!("{pipeline}-{ENV}-artifacts-${{AWS::AccountId}}-${{AWS::Region}}")},
                "OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
                "PublicAccessBlockConfiguration": {
                    "BlockPublicAcls": true,
                    "BlockPublicPolicy": true,
                    "IgnorePublicAcls": true,
                    "RestrictPublicBuckets": true,
                },
                "BucketEncryption": {
                    "ServerSideEncryptionConfiguration": [{
                        "ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"},
                    }],
                },
            },
        }),
    );
    let arn = |rest: &str| json!({"Fn::Sub": format!("arn:${{AWS::Partition}}:s3:::${{{ARTIFACTS}}}{rest}")});
    resources.insert(
        format!("{ARTIFACTS}Policy"),
        json!({
            "Type": "AWS::S3::BucketPolicy",
            "Properties": {
                "Bucket": {"Ref": ARTIFACTS},
                "PolicyDocument": {
                    "Version": "2012-10-17",
                    "Statement": [{
                        "Sid": "TlsOnly",
                        "Effect": "Deny",
                        "Principal": "*",
                        "Action": "s3:*",
                        "Resource": [arn(""), arn("/*")],
                        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
                    }],
                },
            },
        }),
    );
    Ok(())
}

/// A resource of the module.
#[derive(Debug, Clone)]
pub(super) struct Resource {
    pub(super) id: String,
    pub(super) cfn: String,
    /// Where pipeline.toml names it.
    pub(super) origin: Option<String>,
    pub(super) properties: Value,
    pub(super) depends_on: Vec<String>,
    /// The environments that have it, where not all do.
    pub(super) only: Option<Vec<String>>,
    /// Whether what it holds stays, in a protected environment, when the stack is gone.
    pub(super) kept: bool,
    /// Whether a snapshot stays.
    pub(super) snapshot: bool,
}

/// What differs between the environments.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Variable {
    pub(super) name: String,
    /// Its type.
    pub(super) kind: Expr,
    pub(super) description: String,
    /// Its value in each environment, in their order.
    pub(super) values: Vec<(String, Value)>,
}

/// An output of the module.
pub(super) struct Output {
    pub(super) name: String,
    pub(super) description: String,
    pub(super) value: Value,
}

/// The module.
pub(super) struct Module {
    pub(super) resources: Vec<Resource>,
    pub(super) variables: Vec<Variable>,
    pub(super) outputs: Vec<Output>,
    /// Whether something is told whether the environment is protected.
    pub(super) protected: bool,
    /// Whether the template asks for the executable of functions in Rust.
    pub(super) bootstrap: bool,
}

/// What CloudFormation names after the stack by itself, and what holds its name.
const UNNAMED: [(&str, &str); 2] = [("AWS::IAM::Role", "RoleName"), ("AWS::Events::Rule", "Name")];
/// The longest name that they may have.
const LONGEST: usize = 64;

/// Gives a name to what has none: policies know rules by the beginning of their names, and people know roles by them.
fn name(resource: &mut Resource, pipeline: &str, all: &[Rendered]) {
    let Some((_, key)) = UNNAMED.iter().find(|(cfn, _)| *cfn == resource.cfn) else { return };
    let Value::Object(properties) = &mut resource.properties else { return };
    if properties.contains_key(*key) {
        return;
    }
    let env = all.iter().map(|r| r.env.len()).max().unwrap_or_default();
    let room = LONGEST.saturating_sub(pipeline.len() + env + 2);
    let mut own = kinds::local_name(&resource.id, &resource.cfn);
    if own.len() > room {
        let sum = hex::encode(Sha256::digest(&own));
        // Both are ASCII.
        own = format!("{}_{}", &own[..room.saturating_sub(9)], &sum[..8]);
    }
    let first = ((*key).to_owned(), Value::String(format!("{pipeline}-{ENV}-{own}")));
    *properties = std::iter::once(first).chain(std::mem::take(properties)).collect();
}

/// Merges the templates of a pipeline's environments.
pub(super) fn merged(pipeline: &str, all: &[Rendered]) -> Result<Module> {
    let mut merger = Merger { all, variables: Vec::new(), protected: false };
    let mut resources = Vec::new();
    for id in ids(all, "Resources") {
        let mut resource = merger.resource(&id)?;
        name(&mut resource, pipeline, all);
        resources.push(resource);
    }
    let mut outputs = Vec::new();
    for name in ids(all, "Outputs") {
        let (_, found) = merger.found("Outputs", &name);
        let Some((_, first)) = found.first() else { continue };
        let description = first["Description"].as_str().unwrap_or_default().to_owned();
        let values = found.iter().map(|(env, o)| (*env, Some(&o["Value"]))).collect::<Vec<_>>();
        let place = Place { resource: &name, cfn: "", path: String::new() };
        let values =
            values.iter().map(|(env, v)| Ok((*env, v.map(of_code).transpose()?))).collect::<Result<Vec<_>>>()?;
        let value = merger.merge(&place, &values);
        outputs.push(Output { name: kinds::attribute(&name), description, value });
    }
    let bootstrap = all.iter().any(|r| r.document.get("Parameters").is_some_and(|p| p.get("BootstrapKey").is_some()));
    Ok(Module { resources, variables: merger.variables, outputs, protected: merger.protected, bootstrap })
}

/// The keys of a section, each once, in the order of the templates.
fn ids(all: &[Rendered], section: &str) -> Vec<String> {
    let mut found = Vec::new();
    for id in all.iter().filter_map(|r| r.document[section].as_object()).flat_map(Map::keys) {
        if !found.contains(id) {
            found.push(id.clone());
        }
    }
    found
}

fn of_code(value: &Value) -> Result<Value> {
    coded(value).ok_or_else(|| TerraformError::Unknown { what: format!("a function of CloudFormation: {value}") })
}

/// Where a value is.
struct Place<'a> {
    resource: &'a str,
    cfn: &'a str,
    path: String,
}

impl<'a> Place<'a> {
    fn at(&self, key: &str) -> Place<'a> {
        let path = if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) };
        Place { resource: self.resource, cfn: self.cfn, path }
    }
}

struct Merger<'a> {
    all: &'a [Rendered],
    variables: Vec<Variable>,
    protected: bool,
}

impl<'a> Merger<'a> {
    /// Whether all have it, and what those have.
    fn found(&self, section: &str, id: &str) -> (bool, Vec<(&'a str, &'a Value)>) {
        let found: Vec<_> =
            self.all.iter().filter_map(|r| Some((r.env.as_str(), r.document[section].get(id)?))).collect();
        (found.len() == self.all.len(), found)
    }

    fn resource(&mut self, id: &str) -> Result<Resource> {
        let (everywhere, found) = self.found("Resources", id);
        let kinds: Vec<&str> = found.iter().filter_map(|(_, r)| r["Type"].as_str()).collect();
        let cfn = kinds.first().copied().unwrap_or_default().to_owned();
        if kinds.iter().any(|k| *k != cfn) {
            return Err(TerraformError::Unknown { what: format!("{id}, which is not of one type everywhere") });
        }
        let mut depends_on: Vec<String> = Vec::new();
        for waits in found.iter().filter_map(|(_, r)| r["DependsOn"].as_array()).flatten().filter_map(Value::as_str) {
            if !depends_on.iter().any(|d| d == waits) {
                depends_on.push(waits.to_owned());
            }
        }
        let policy = |word: &str| found.iter().any(|(_, r)| r["DeletionPolicy"] == word);
        let properties =
            found.iter().map(|(env, r)| Ok((*env, Some(of_code(&r["Properties"])?)))).collect::<Result<Vec<_>>>()?;
        let place = Place { resource: id, cfn: &cfn, path: String::new() };
        let properties = self.merge(&place, &properties);
        Ok(Resource {
            id: id.to_owned(),
            origin: found.first().and_then(|(_, r)| r["Metadata"]["pumphouse"].as_str()).map(str::to_owned),
            properties,
            depends_on,
            only: (!everywhere).then(|| found.iter().map(|(env, _)| (*env).to_owned()).collect()),
            kept: policy("Retain") || policy("Snapshot"),
            snapshot: policy("Snapshot"),
            cfn,
        })
    }

    /// One value of those that the environments have.
    fn merge(&mut self, place: &Place<'_>, values: &[(&str, Option<Value>)]) -> Value {
        let Some(first) = values.first().and_then(|(_, v)| v.as_ref()) else {
            return self.differs(place, values);
        };
        if values.iter().all(|(_, v)| v.as_ref() == Some(first)) {
            return first.clone();
        }
        let objects: Vec<_> = values.iter().filter_map(|(env, v)| Some((*env, v.as_ref()?.as_object()?))).collect();
        if objects.len() == values.len() {
            let named = !kinds::within(place.cfn, &place.path);
            let same = objects
                .windows(2)
                .all(|w| w[0].1.len() == w[1].1.len() && w[0].1.keys().all(|k| w[1].1.contains_key(k)));
            // In a document, what is null would be there.
            if named || same {
                let mut keys: Vec<&String> = Vec::new();
                for key in objects.iter().flat_map(|(_, o)| o.keys()) {
                    if !keys.contains(&key) {
                        keys.push(key);
                    }
                }
                let field = |key: &&String| {
                    let values: Vec<_> = objects.iter().map(|(env, o)| (*env, o.get(*key).cloned())).collect();
                    ((*key).clone(), self.merge(&place.at(key), &values))
                };
                return Value::Object(keys.iter().map(field).collect());
            }
        }
        let arrays: Vec<_> = values.iter().filter_map(|(env, v)| Some((*env, v.as_ref()?.as_array()?))).collect();
        if arrays.len() == values.len() && arrays.windows(2).all(|w| w[0].1.len() == w[1].1.len()) {
            let length = arrays.first().map_or(0, |(_, a)| a.len());
            let item = |n: usize| {
                let values: Vec<_> = arrays.iter().map(|(env, a)| (*env, a.get(n).cloned())).collect();
                self.merge(place, &values)
            };
            return Value::Array((0..length).map(item).collect());
        }
        self.differs(place, values)
    }

    /// What stands in the module for a value that is not the same everywhere.
    fn differs(&mut self, place: &Place<'_>, values: &[(&str, Option<Value>)]) -> Value {
        let values: Vec<(&str, Value)> = values.iter().map(|(e, v)| (*e, v.clone().unwrap_or_default())).collect();
        let protected = |env: &str| self.all.iter().any(|r| r.env == env && r.protected);
        if place.path.contains("DeletionProtection") && values.iter().all(|(env, v)| *v == Value::Bool(protected(env)))
        {
            self.protected = true;
            return Value::String(expr("var.protected"));
        }
        let plain = |v: &Value| {
            let text = v.to_string();
            is_constant(v) && !text.contains(ENV)
        };
        if !values.iter().all(|(_, v)| plain(v)) || place.cfn.is_empty() {
            let each: Map<String, Value> = values.iter().map(|(env, v)| ((*env).to_owned(), v.clone())).collect();
            return json!({EACH: each});
        }
        let renamed: Option<Vec<_>> =
            values.iter().map(|(env, v)| Some((*env, renamed(place.cfn, &place.path, v)?))).collect();
        let Some(values) = renamed else {
            let each: Map<String, Value> = values.iter().map(|(env, v)| ((*env).to_owned(), v.clone())).collect();
            return json!({EACH: each});
        };
        let map = kinds::within(place.cfn, &place.path);
        let all: Vec<&Value> = values.iter().map(|(_, v)| v).collect();
        let kind = if map { types::of_map(&all) } else { types::of(&all) };
        let name = self.variable(place, kind, values);
        Value::String(expr(&format!("var.{name}")))
    }

    fn variable(&mut self, place: &Place<'_>, kind: Expr, values: Vec<(&str, Value)>) -> String {
        let resource = kinds::local_name(place.resource, place.cfn);
        let words: Vec<String> =
            place.path.split('.').map(|w| kinds::argument(place.cfn, w).trim_matches('_').to_owned()).collect();
        let values: Vec<_> = values.into_iter().map(|(env, v)| (env.to_owned(), v)).collect();
        let last = words.last().cloned().unwrap_or_default();
        // Terraform would not have it twice: `landing_landing_size`.
        let short = format!("{resource}_{last}");
        let long = format!("{resource}_{}", words.join("_"));
        let taken = |name: &str, all: &[Variable]| all.iter().any(|v| v.name == name);
        let mut names = [short, long.clone()].into_iter().chain((2..).map(|n| format!("{long}_{n}")));
        let name = names.find(|name| !taken(name, &self.variables)).unwrap_or(long);
        let origin =
            self.all.iter().find_map(|r| r.document["Resources"][place.resource]["Metadata"]["pumphouse"].as_str());
        let address = format!("{}.{resource}", kinds::resource_type(place.cfn));
        let words = last.replace('_', " ");
        let words = words
            .chars()
            .next()
            .map_or_else(String::new, |c| format!("{}{}", c.to_uppercase(), &words[c.len_utf8()..]));
        let description = format!("{words} of {}", origin.unwrap_or(&address));
        self.variables.push(Variable { name: name.clone(), kind, description, values });
        name
    }
}

/// A value with the provider's names; none where it holds what must be written as JSON.
fn renamed(cfn: &str, path: &str, value: &Value) -> Option<Value> {
    if kinds::within(cfn, path) {
        return (kinds::shape(cfn, path) != Shape::Document).then(|| value.clone());
    }
    Some(match value {
        Value::Array(items) => Value::Array(items.iter().map(|v| renamed(cfn, path, v)).collect::<Option<_>>()?),
        Value::Object(fields) => {
            let field = |(k, v): (&String, &Value)| {
                let path = if path.is_empty() { k.clone() } else { format!("{path}.{k}") };
                Some((kinds::attribute(k), renamed(cfn, &path, v)?))
            };
            Value::Object(fields.iter().map(field).collect::<Option<_>>()?)
        }
        other => other.clone(),
    })
}

/// Whether a text names the environment.
pub(super) fn names_env(content: &[u8]) -> bool {
    content.windows(ENV.len()).any(|w| w == ENV.as_bytes())
}

/// The resources that a resource needs, those that it waits for among them.
pub(super) fn needs(resource: &Resource) -> Vec<&str> {
    let mut found: Vec<&str> = resource.depends_on.iter().map(String::as_str).collect();
    code::referred(&resource.properties, &mut found);
    found
}
