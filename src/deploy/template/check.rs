//! Checks of a rendered template: faults that validators let pass, and that AWS would find in the middle of a deploy.
//!
//! Each rule looks at the JSON alone, so it holds whatever made the template.

mod apis;
mod connections;
mod data;
mod events;
mod functions;
mod references;

use std::fmt;

use serde_json::{Map, Value};

/// How many resources a stack may have.
const MOST_RESOURCES: usize = 500;
/// How many bytes a template may have.
const MOST_BYTES: usize = 1_000_000;

/// What is wrong with one resource of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The resource's logical id; `Resources` or `Outputs` where all are meant.
    pub resource: String,
    /// What is wrong.
    pub what: String,
    /// How to mend it.
    pub mend: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.resource, self.what, self.mend)
    }
}

/// Finds the faults of a template. What was left out of it for an endpoint that does not know the type is not missed.
pub(super) fn check(document: &Value, omitted: &[String]) -> Vec<Fault> {
    let template = Template::of(document);
    let mut faults = Vec::new();
    references::check(&template, &mut faults);
    functions::check(&template, &mut faults);
    data::check(&template, &mut faults);
    events::check(&template, &mut faults);
    events::sources(&template, &mut faults);
    apis::check(&template, &mut faults);
    connections::check(&template, omitted, &mut faults);
    sizes(&template, document, &mut faults);
    faults
}

fn sizes(template: &Template<'_>, document: &Value, faults: &mut Vec<Fault>) {
    let mut all = |what: String, mend: &str| {
        faults.push(Fault { resource: "Resources".into(), what, mend: mend.into() });
    };
    let count = template.resources.len();
    if count > MOST_RESOURCES {
        all(format!("{count} resources, and a stack has {MOST_RESOURCES} at most"), "make two pipelines of it");
    }
    let bytes = super::json::text(document).len();
    if bytes > MOST_BYTES {
        all(
            format!("the template has {bytes} bytes, and CloudFormation takes {MOST_BYTES}"),
            "shorten the SQL of queries, or make two pipelines of it",
        );
    }
}

/// A template, taken apart.
struct Template<'a> {
    document: &'a Value,
    resources: Vec<Part<'a>>,
}

/// A resource of a template.
#[derive(Clone, Copy)]
struct Part<'a> {
    id: &'a str,
    kind: &'a str,
    whole: &'a Value,
    properties: &'a Value,
}

impl<'a> Template<'a> {
    fn of(document: &'a Value) -> Self {
        let resources = document.get("Resources").and_then(Value::as_object).into_iter().flat_map(Map::iter);
        let resources = resources
            .map(|(id, whole)| Part {
                id,
                kind: whole.get("Type").and_then(Value::as_str).unwrap_or_default(),
                whole,
                properties: whole.get("Properties").unwrap_or(&Value::Null),
            })
            .collect();
        Self { document, resources }
    }

    fn all(&self, kind: &'a str) -> impl Iterator<Item = &Part<'a>> {
        self.resources.iter().filter(move |r| r.kind == kind)
    }

    fn get(&self, id: &str) -> Option<&Part<'a>> {
        self.resources.iter().find(|r| r.id == id)
    }
}

impl<'a> Part<'a> {
    /// A property by its path: `/Command/Name`.
    fn at(&self, pointer: &str) -> Option<&'a Value> {
        self.properties.pointer(pointer)
    }

    /// A property that is plain text.
    fn text(&self, pointer: &str) -> Option<&'a str> {
        self.at(pointer).and_then(Value::as_str)
    }

    /// The items of a property that is a list.
    fn items(&self, pointer: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
        self.at(pointer).and_then(Value::as_array).into_iter().flatten()
    }

    /// The logical ids that it waits for.
    fn waits_for(&self) -> Vec<&'a str> {
        match self.whole.get("DependsOn") {
            Some(Value::String(id)) => vec![id],
            Some(Value::Array(ids)) => ids.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        }
    }

    fn fault(&self, what: impl Into<String>, mend: impl Into<String>) -> Fault {
        Fault { resource: self.id.to_owned(), what: what.into(), mend: mend.into() }
    }
}

/// Text with its references: a plain text, or that of an `Fn::Sub`.
fn written(value: &Value) -> Option<&str> {
    value.as_str().or_else(|| value.get("Fn::Sub").and_then(Value::as_str))
}

/// The logical ids that a value refers to, and how.
fn targets(value: &Value) -> Vec<Target<'_>> {
    let mut found = Vec::new();
    collect(value, &mut found);
    found
}

/// One reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Target<'a> {
    id: &'a str,
    /// The attribute; none for a `Ref`.
    attribute: Option<&'a str>,
}

fn collect<'a>(value: &'a Value, found: &mut Vec<Target<'a>>) {
    match value {
        Value::Object(fields) => {
            if let Some(id) = fields.get("Ref").and_then(Value::as_str).filter(|_| fields.len() == 1) {
                found.push(Target { id, attribute: None });
            } else if let Some(Value::Array(parts)) = fields.get("Fn::GetAtt").filter(|_| fields.len() == 1) {
                if let Some(id) = parts.first().and_then(Value::as_str) {
                    found.push(Target { id, attribute: parts.get(1).and_then(Value::as_str) });
                }
            } else if let Some(text) = fields.get("Fn::Sub").and_then(Value::as_str).filter(|_| fields.len() == 1) {
                // `${!name}` is text.
                for part in text.split("${").skip(1).filter(|part| !part.starts_with('!')) {
                    let Some((name, _)) = part.split_once('}') else { continue };
                    let (id, attribute) = name.split_once('.').map_or((name, None), |(id, a)| (id, Some(a)));
                    found.push(Target { id, attribute });
                }
            } else {
                fields.values().for_each(|v| collect(v, found));
            }
        }
        Value::Array(items) => items.iter().for_each(|v| collect(v, found)),
        _ => {}
    }
}

#[cfg(test)]
mod tests;
