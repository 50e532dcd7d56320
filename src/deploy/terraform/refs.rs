//! References in place of names: a template names resources where a reference would make a circle, or where a plan would
//! tell of more changes. In Terraform each ARN and name of a resource of the module is a reference wherever that makes no
//! circle.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{
    code::{self, expr, is_plain, pseudo, reference},
    kinds::{self, Kind},
    merge::{self, Module},
};

/// Where a name is a value alone, and whose name it is then: the first word of its key says the type.
const NAMED: [(&str, &str); 10] = [
    ("BUCKET", "AWS::S3::Bucket"),
    ("DYNAMODB", "AWS::DynamoDB::Table"),
    ("CRAWLER", "AWS::Glue::Crawler"),
    ("JOB", "AWS::Glue::Job"),
    ("QUERY", "AWS::Athena::NamedQuery"),
    ("QUEUE", "AWS::SQS::Queue"),
    ("SECRET", "AWS::SecretsManager::Secret"),
    ("STREAM", "AWS::Kinesis::Stream"),
    ("THRESHOLD", "AWS::SSM::Parameter"),
    ("TOPIC", "AWS::SNS::Topic"),
];
/// Where names are values alone.
const PLACES: [(&str, &str); 2] = [("AWS::Lambda::Function", "Environment"), ("AWS::Glue::Job", "DefaultArguments")];

/// A text that stands for a resource.
struct Form {
    /// The resource's logical id.
    id: String,
    text: String,
    with: String,
    /// Whether the text ends with the name, so that another name could begin with it.
    open: bool,
}

/// Puts references in; gives the names of buckets that could not be ones, with the name of the local value for each.
pub(super) fn recover(module: &mut Module) -> Vec<(String, String)> {
    let forms = forms(module);
    let names = names(module);
    let mut needs: BTreeMap<String, BTreeSet<String>> = module
        .resources
        .iter()
        .map(|r| (r.id.clone(), merge::needs(r).into_iter().map(str::to_owned).collect()))
        .collect();
    for resource in &mut module.resources {
        let id = resource.id.clone();
        for (place, section) in PLACES {
            if resource.cfn == place
                && let Some(section) = resource.properties.get_mut(section)
            {
                named(section, "", &mut |key, value| {
                    let (target, with) = only(&names, key, value)?;
                    allowed(&mut needs, &id, target).then(|| with.to_owned())
                });
            }
        }
        texts(&mut resource.properties, &mut |text| {
            for form in &forms {
                replace(text, form, &mut || allowed(&mut needs, &id, &form.id));
            }
        });
    }
    for output in &mut module.outputs {
        texts(&mut output.value, &mut |text| {
            for form in &forms {
                replace(text, form, &mut || true);
            }
        });
    }
    buckets(module)
}

/// Whether a resource may refer to another without a circle; it does from now on.
fn allowed(needs: &mut BTreeMap<String, BTreeSet<String>>, from: &str, to: &str) -> bool {
    let mut seen = BTreeSet::new();
    let mut left = vec![to.to_owned()];
    while let Some(id) = left.pop() {
        if id == from {
            return false;
        }
        if seen.insert(id.clone()) {
            left.extend(needs.get(&id).into_iter().flatten().cloned());
        }
    }
    needs.entry(from.to_owned()).or_default().insert(to.to_owned());
    true
}

/// Calls for each text in a value.
pub(super) fn texts(value: &mut Value, change: &mut dyn FnMut(&mut String)) {
    match value {
        Value::String(text) => change(text),
        Value::Array(items) => items.iter_mut().for_each(|v| texts(v, change)),
        Value::Object(fields) => fields.values_mut().for_each(|v| texts(v, change)),
        _ => {}
    }
}

/// Calls for each text with its key; what is given takes its place.
fn named(value: &mut Value, key: &str, change: &mut dyn FnMut(&str, &str) -> Option<String>) {
    match value {
        Value::String(text) => {
            if let Some(with) = change(key, text) {
                *text = with;
            }
        }
        Value::Object(fields) => fields.iter_mut().for_each(|(k, v)| named(v, k, change)),
        _ => {}
    }
}

/// The name of a resource, as its properties have it.
fn name_of<'a>(kind: &Kind, properties: &'a Value) -> Option<&'a str> {
    let mut value = properties;
    for key in kind.name?.split('.') {
        value = value.get(key)?;
    }
    value.as_str()
}

fn forms(module: &Module) -> Vec<Form> {
    let place = format!("{}:{}", pseudo("Region"), pseudo("AccountId"));
    let arn = |form: &str, name: &str| {
        format!("arn:{}:{}", pseudo("Partition"), form.replace('@', &place).replace("{}", name))
    };
    let mut forms = Vec::new();
    for resource in &module.resources {
        let Some(kind) = kinds::find(&resource.cfn) else { continue };
        let own = reference(&resource.id);
        let name = name_of(kind, &resource.properties);
        let mut add = |text: String, with: String, open: bool| {
            forms.push(Form { id: resource.id.clone(), text, with, open });
        };
        let known: Vec<&str> = [Some(own.as_str()), name].into_iter().flatten().collect();
        let Some((form, attribute)) = kind.arn else {
            continue;
        };
        for known in known {
            match attribute {
                Some(attribute) => {
                    let with = code::attribute(&resource.id, &format!("={attribute}"));
                    let closed = !form.ends_with("{}");
                    add(arn(form, known), with.clone(), !closed);
                    if resource.cfn == "AWS::Logs::LogGroup" {
                        let short = form.trim_end_matches(":*");
                        let with = code::attribute(&resource.id, &format!("=trim:{attribute}"));
                        add(arn(short, known), with, true);
                    }
                }
                None if known != own => {
                    add(arn(form, known), arn(form, &own), true);
                    if resource.cfn == "AWS::Glue::Database" {
                        add(arn("glue:@:table/{}/", known), arn("glue:@:table/{}/", &own), false);
                    }
                }
                None => {}
            }
        }
    }
    // A table is named after its database.
    for table in module.resources.iter().filter(|r| r.cfn == "AWS::Glue::Table") {
        let (database, name) =
            (table.properties["DatabaseName"].as_str(), table.properties["TableInput"]["Name"].as_str());
        if let (Some(database), Some(name)) = (database, name) {
            let form = |name: &str| arn("glue:@:table/{}", &format!("{database}/{name}"));
            forms.push(Form { id: table.id.clone(), text: form(name), with: form(&reference(&table.id)), open: true });
        }
    }
    // The longer first; but databases before tables.
    let table = |f: &Form| f.text.contains(":table/") && f.text.contains(":glue:");
    forms.sort_by_key(|f| (table(f) && f.open, usize::MAX - f.text.len()));
    forms
}

/// Puts what a form stands for in a text.
fn replace(text: &mut String, form: &Form, allowed: &mut dyn FnMut() -> bool) {
    let mut from = 0;
    while let Some(at) = text[from..].find(&form.text).map(|at| at + from) {
        let end = at + form.text.len();
        let goes_on = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        if form.open && text[end..].starts_with(goes_on) {
            from = end;
            continue;
        }
        if !allowed() {
            return;
        }
        text.replace_range(at..end, &form.with);
        from = at + form.with.len();
    }
}

/// By the name of resources: their logical id, type, and the expression that is their name.
type Names = BTreeMap<String, Vec<(String, String, String)>>;

fn names(module: &Module) -> Names {
    let mut names = Names::new();
    for resource in &module.resources {
        let Some(kind) = kinds::find(&resource.cfn) else { continue };
        if let Some(name) = name_of(kind, &resource.properties) {
            let path = kind.name.unwrap_or_default().split('.').map(kinds::attribute).collect::<Vec<_>>().join(".");
            let with = code::attribute(&resource.id, &format!("={path}"));
            names.entry(name.to_owned()).or_default().push((resource.id.clone(), resource.cfn.clone(), with));
        }
    }
    names
}

/// The one resource that a value names.
fn only<'a>(names: &'a Names, key: &str, value: &str) -> Option<(&'a str, &'a str)> {
    let all = names.get(value)?;
    let key = key.trim_start_matches('-').split('_').next().unwrap_or_default();
    let wanted = NAMED.iter().find(|(word, _)| *word == key).map(|(_, cfn)| *cfn);
    let mut fit = all.iter().filter(|(_, cfn, _)| wanted.is_none_or(|w| w == cfn));
    match (fit.next(), fit.next()) {
        (Some((id, _, with)), None) => Some((id, with)),
        _ => None,
    }
}

/// Names of buckets that are used where no reference can be become local values, so that each is written once.
fn buckets(module: &mut Module) -> Vec<(String, String)> {
    let mut locals = Vec::new();
    let all: Vec<(String, String)> = module
        .resources
        .iter()
        .filter(|r| r.cfn == "AWS::S3::Bucket")
        .filter_map(|r| Some((r.id.clone(), r.properties["BucketName"].as_str()?.to_owned())))
        .filter(|(_, name)| !is_plain(name))
        .collect();
    for (id, name) in all {
        let mut times = 0;
        for resource in &mut module.resources {
            texts(&mut resource.properties, &mut |text| times += text.matches(&name).count());
        }
        if times < 2 {
            continue;
        }
        let local = format!("{}_bucket", kinds::local_name(&id, "AWS::S3::Bucket"));
        for resource in &mut module.resources {
            texts(&mut resource.properties, &mut |text| *text = text.replace(&name, &expr(&format!("local.{local}"))));
        }
        locals.push((local, name));
    }
    locals
}
