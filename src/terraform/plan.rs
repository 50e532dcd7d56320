//! What `show -json` tells of a saved plan, as a change set and as drift.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    kinds,
    mask::{self, Scrubber},
};
use crate::cloud::{
    Error, Result,
    stacks::{Action, Change, ChangeSet, Evaluation, PropertyChange, PropertyDrift, Replacement, ResourceDrift},
};

/// A plan, as far as it is read here. What a newer version adds is left aside.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Plan {
    format_version: String,
    resource_changes: Vec<ResourceChange>,
    resource_drift: Vec<ResourceChange>,
    output_changes: Map<String, Value>,
    deferred_changes: Vec<Value>,
    action_invocations: Vec<Value>,
    prior_state: Value,
    planned_values: Value,
    variables: Map<String, Value>,
    configuration: Value,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct ResourceChange {
    address: String,
    previous_address: Option<String>,
    mode: String,
    #[serde(rename = "type")]
    resource_type: String,
    deposed: Option<String>,
    change: Diff,
    action_reason: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Diff {
    actions: Vec<String>,
    before: Value,
    after: Value,
    after_unknown: Value,
    before_sensitive: Value,
    after_sensitive: Value,
    replace_paths: Vec<Vec<Value>>,
    importing: Option<Importing>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Importing {
    id: Option<String>,
    identity: Value,
}

impl Plan {
    /// Reads what `show -json` has written.
    pub fn read(text: &[u8]) -> Result<Self> {
        let plan: Self = serde_json::from_slice(text)
            .map_err(|e| Error::failed(format!("what Terraform shows of its plan cannot be read: {e}")))?;
        super::state::known_format(&plan.format_version, "plans")?;
        Ok(plan)
    }

    /// What is sensitive in it, to be kept out of every text.
    pub fn scrubber(&self) -> Scrubber {
        let mut scrubber = Scrubber::of_environment();
        for change in self.resource_changes.iter().chain(&self.resource_drift) {
            scrubber.learn(&change.change.before, &change.change.before_sensitive);
            scrubber.learn(&change.change.after, &change.change.after_sensitive);
        }
        for change in self.output_changes.values() {
            for (value, marks) in [("before", "before_sensitive"), ("after", "after_sensitive")] {
                scrubber.learn(field(change, value), field(change, marks));
            }
        }
        let declared = field(field(&self.configuration, "root_module"), "variables");
        for (name, variable) in &self.variables {
            scrubber.learn(field(variable, "value"), field(field(declared, name), "sensitive"));
        }
        scrubber
    }

    /// Whether there was nothing before it.
    pub fn creates(&self) -> bool {
        super::state::resources(field(&self.prior_state, "values")).is_empty()
    }

    /// What there will be, as `values`; where a plan is all that there is.
    pub fn planned_values(&self) -> &Value {
        &self.planned_values
    }

    /// As a change set of the stack.
    pub fn change_set(&self, stack: &str) -> ChangeSet {
        let mut changes: Vec<Change> = self.resource_changes.iter().filter_map(ResourceChange::change).collect();
        let mut outputs: Vec<Change> =
            self.output_changes.iter().filter_map(|(name, value)| output(name, value)).collect();
        outputs.sort_by(|a, b| a.name.cmp(&b.name));
        let mut notes = Vec::new();
        if changes.is_empty() {
            changes = outputs;
        } else if !outputs.is_empty() {
            let names: Vec<_> = outputs.iter().map(|o| o.name.trim_start_matches("output.")).collect();
            notes.push(format!("outputs that change, too: {}", names.join(", ")));
        }
        for drift in self.resource_drift.iter().filter_map(ResourceChange::drift) {
            let what = if drift.status == "DELETED" {
                "is gone".to_owned()
            } else {
                let paths: Vec<_> = drift.properties.iter().map(|p| p.path.as_str()).collect();
                format!("is not as it was left ({})", paths.join(", "))
            };
            notes.push(format!("changed outside of Terraform: {} {what}", drift.logical_id));
        }
        if !self.deferred_changes.is_empty() {
            notes.push(format!("{} changes are put off until after this apply", self.deferred_changes.len()));
        }
        if !self.action_invocations.is_empty() {
            notes.push(format!("{} actions of providers are invoked, too", self.action_invocations.len()));
        }
        ChangeSet { notes, ..ChangeSet::new(stack, changes) }
    }

    /// The resources that are not as the state has them.
    pub fn drift(&self) -> Vec<ResourceDrift> {
        self.resource_drift.iter().filter_map(ResourceChange::drift).collect()
    }
}

/// How many steps a plan has, as Terraform counts them: what is replaced is removed and added.
pub fn steps(changes: &[Change]) -> u32 {
    let steps = changes.iter().filter(|c| c.kind != OUTPUT).map(|c| match c.action {
        Action::Replace => 2,
        // Only the state changes: nothing is told of it.
        Action::Remove if c.kept => 0,
        Action::Change if c.properties.is_empty() => 0,
        _ => 1,
    });
    steps.sum()
}

/// The kind that an output's change has.
const OUTPUT: &str = "output";

fn output(name: &str, change: &Value) -> Option<Change> {
    let change: Diff = serde_json::from_value(change.clone()).ok()?;
    let action = match change.action()? {
        (Action::Replace, _) => Action::Change,
        (action, _) => action,
    };
    let name = format!("output.{name}");
    Some(Change {
        logical_id: name.clone(),
        properties: differences(
            &object("value", &change.before),
            &object("value", &change.after),
            &object("value", &change.after_unknown),
            &object("value", &change.before_sensitive),
            &object("value", &change.after_sensitive),
        ),
        ..Change::new(action, OUTPUT, name)
    })
}

fn object(key: &str, value: &Value) -> Value {
    let mut fields = Map::new();
    fields.insert(key.to_owned(), value.clone());
    Value::Object(fields)
}

impl Diff {
    /// The action, and whether what is removed stays where it is; none for what only is read, or stays as it is.
    fn action(&self) -> Option<(Action, bool)> {
        let has = |action: &str| self.actions.iter().any(|a| a == action);
        Some(match (has("create"), has("delete"), has("forget")) {
            (true, true, _) => (Action::Replace, false),
            (true, false, true) => (Action::Replace, true),
            (true, false, false) => (Action::Add, false),
            (false, true, _) => (Action::Remove, false),
            (false, false, true) => (Action::Remove, true),
            (false, false, false) if has("update") => (Action::Change, false),
            _ => return None,
        })
    }
}

impl ResourceChange {
    fn change(&self) -> Option<Change> {
        let moved_from = self.previous_address.clone().filter(|before| *before != self.address);
        let imported = self.change.importing.as_ref().map(|import| {
            let identity = || if import.identity.is_null() { String::new() } else { import.identity.to_string() };
            import.id.clone().unwrap_or_else(identity)
        });
        if self.mode == "data" {
            return None;
        }
        let (action, kept) = match self.change.action() {
            Some(action) => action,
            None if moved_from.is_some() || imported.is_some() => (Action::Change, false),
            None => return None,
        };
        let mut properties = self.differences();
        for property in &mut properties {
            let forces = |path: &Vec<Value>| touches(&spoken(path), &property.path);
            property.requires_replacement = self.change.replace_paths.iter().any(forces);
        }
        let removed = matches!(action, Action::Remove | Action::Replace);
        Some(Change {
            action,
            logical_id: self.id(),
            name: self.id(),
            physical_name: self.physical_name(),
            kind: kinds::kind(&self.resource_type),
            properties,
            loses_data: removed && !kept && kinds::holds_data(&self.resource_type),
            certain: true,
            replacement: (action == Action::Replace).then_some(Replacement::Always),
            kept,
            moved_from,
            imported,
            reason: self.action_reason.as_deref().map(reason),
        })
    }

    /// Its address, and which of its former objects is meant, where one is.
    fn id(&self) -> String {
        match &self.deposed {
            Some(deposed) => format!("{} (deposed {deposed})", self.address),
            None => self.address.clone(),
        }
    }

    fn physical_name(&self) -> String {
        let of = |values, marks| kinds::physical_name(&self.resource_type, values, marks);
        let before = of(&self.change.before, &self.change.before_sensitive);
        if before.is_empty() { of(&self.change.after, &self.change.after_sensitive) } else { before }
    }

    fn differences(&self) -> Vec<PropertyChange> {
        let c = &self.change;
        differences(&c.before, &c.after, &c.after_unknown, &c.before_sensitive, &c.after_sensitive)
    }

    /// As drift: `before` is what the state says, `after` what is there. None where it only has another address.
    fn drift(&self) -> Option<ResourceDrift> {
        let (action, _) = self.change.action()?;
        let gone = action == Action::Remove;
        let properties = if gone { Vec::new() } else { self.differences() };
        let properties = properties.into_iter().map(|p| PropertyDrift {
            path: p.path,
            expected: p.before,
            actual: p.after,
            by_design: false,
        });
        Some(ResourceDrift {
            logical_id: self.id(),
            name: self.id(),
            physical_name: self.physical_name(),
            kind: kinds::kind(&self.resource_type),
            status: if gone { "DELETED" } else { "MODIFIED" }.to_owned(),
            properties: properties.collect(),
        })
    }
}

/// Why, in words; a reason of the future as it is.
fn reason(code: &str) -> String {
    let words = match code {
        "replace_because_tainted" => "it is tainted: it was left half-made",
        "replace_because_cannot_update" => "it cannot be changed in place",
        "replace_by_request" => "its replacement was asked for",
        "replace_by_triggers" => "replace_triggered_by",
        "delete_because_no_resource_config" => "it is no longer in the configuration",
        "delete_because_no_module" => "its module is no longer in the configuration",
        "delete_because_wrong_repetition" => "count or for_each is used in another way",
        "delete_because_count_index" => "its index is beyond count",
        "delete_because_each_key" => "its key is no longer in for_each",
        "delete_because_no_move_target" => "it was moved to what is not in the configuration",
        other => return other.replace('_', " "),
    };
    words.to_owned()
}

const NOTHING: &Value = &Value::Null;

fn field<'a>(value: &'a Value, key: &str) -> &'a Value {
    value.get(key).unwrap_or(NOTHING)
}

/// The properties that differ, each by its path.
fn differences(
    before: &Value,
    after: &Value,
    unknown: &Value,
    before_sensitive: &Value,
    after_sensitive: &Value,
) -> Vec<PropertyChange> {
    let mut found = Vec::new();
    Sides { before, after, unknown, before_sensitive, after_sensitive }.collect("", &mut found);
    found
}

/// A value, before and after, with the marks that belong to it.
#[derive(Clone, Copy)]
struct Sides<'a> {
    before: &'a Value,
    after: &'a Value,
    unknown: &'a Value,
    before_sensitive: &'a Value,
    after_sensitive: &'a Value,
}

impl<'a> Sides<'a> {
    fn inside(self, at: impl Fn(&'a Value) -> &'a Value) -> Self {
        // A mark on the whole is one on each part.
        let mark = |marks: &'a Value| if marks == &Value::Bool(true) { marks } else { at(marks) };
        Self {
            before: at(self.before),
            after: at(self.after),
            unknown: mark(self.unknown),
            before_sensitive: mark(self.before_sensitive),
            after_sensitive: mark(self.after_sensitive),
        }
    }

    fn collect(self, path: &str, found: &mut Vec<PropertyChange>) {
        let marked = |marks: &Value| marks == &Value::Bool(true);
        let whole = marked(self.unknown) || marked(self.before_sensitive) || marked(self.after_sensitive);
        match (self.before, self.after) {
            _ if path.is_empty() => self.fields(path, found),
            (Value::Object(_), Value::Object(_)) if !whole => self.fields(path, found),
            (Value::Array(before), Value::Array(after)) if !whole && before.len() == after.len() => {
                for at in 0..before.len() {
                    let item = |value: &'a Value| value.get(at).unwrap_or(NOTHING);
                    self.inside(item).collect(&format!("{path}[{at}]"), found);
                }
            }
            _ => self.leaf(path, found),
        }
    }

    fn fields(self, path: &str, found: &mut Vec<PropertyChange>) {
        let mut keys: Vec<&String> = Vec::new();
        for side in [self.before, self.after, self.unknown] {
            let more = side.as_object().into_iter().flat_map(Map::keys);
            keys.extend(more.filter(|key| !keys.contains(key)).collect::<Vec<_>>());
        }
        keys.sort();
        for key in keys {
            let path = if path.is_empty() { step(key) } else { format!("{path}{}", dotted(key)) };
            self.inside(|value| field(value, key)).collect(&path, found);
        }
    }

    fn leaf(self, path: &str, found: &mut Vec<PropertyChange>) {
        let later =
            any(if self.after.is_null() { self.unknown } else { NOTHING }) || self.unknown == &Value::Bool(true);
        if !later && self.before == self.after {
            return;
        }
        let shown = |value: &Value, marks| Some(mask::masked(value, marks)).filter(|v| !v.is_null());
        found.push(PropertyChange {
            path: path.to_owned(),
            before: shown(self.before, self.before_sensitive),
            after: if later { None } else { shown(self.after, self.after_sensitive) },
            requires_replacement: false,
            evaluation: if later { Evaluation::Dynamic } else { Evaluation::Static },
            cause: None,
        });
    }
}

/// Whether anything in it is marked.
fn any(marks: &Value) -> bool {
    match marks {
        Value::Bool(mark) => *mark,
        Value::Array(items) => items.iter().any(any),
        Value::Object(fields) => fields.values().any(any),
        _ => false,
    }
}

fn step(key: &str) -> String {
    let plain = !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || "_-".contains(c));
    if plain { key.to_owned() } else { format!("[{key:?}]") }
}

fn dotted(key: &str) -> String {
    let step = step(key);
    if step.starts_with('[') { step } else { format!(".{step}") }
}

/// A path of names and numbers as the properties have it.
fn spoken(path: &[Value]) -> String {
    let mut out = String::new();
    for part in path {
        match part {
            Value::String(key) if out.is_empty() => out += &step(key),
            Value::String(key) => out += &dotted(key),
            other => out.extend(["[", &other.to_string(), "]"]),
        }
    }
    out
}

/// Whether one of two paths is the other, or a part of it.
fn touches(one: &str, other: &str) -> bool {
    let within = |outer: &str, inner: &str| {
        inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    };
    within(one, other) || within(other, one)
}

#[cfg(test)]
mod tests;
