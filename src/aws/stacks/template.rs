//! What can be read from a template without asking AWS.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::kinds;
use crate::cloud::{
    Error, Result, diff,
    resources::Graph,
    stacks::{Action, Change, Evaluation, PropertyChange, Replacement},
};

/// Properties that are a resource's name: another name is another resource.
const NAMES: [&str; 15] = [
    "AlarmName",
    "BucketName",
    "DatabaseInput.Name",
    "DeliveryStreamName",
    "FunctionName",
    "LogGroupName",
    "Name",
    "ManagedPolicyName",
    "QueueName",
    "RoleName",
    "StreamName",
    "TableInput.Name",
    "TableName",
    "TopicName",
    "WorkGroup",
];

/// A template, as JSON.
#[derive(Debug, Clone, Default)]
pub(super) struct Parsed(Value);

impl Parsed {
    /// Reads it.
    pub(super) fn parse(body: &str) -> Result<Self> {
        serde_json::from_str(body).map(Self).map_err(|e| {
            Error::Invalid(format!(
                "the template is no JSON, so it was not made by pumphouse; it cannot be compared: {e}"
            ))
        })
    }

    fn resources(&self) -> Option<&Map<String, Value>> {
        self.0.get("Resources").and_then(Value::as_object)
    }

    /// Its logical ids.
    pub(super) fn ids(&self) -> impl Iterator<Item = &str> {
        self.resources().into_iter().flat_map(|r| r.keys().map(String::as_str))
    }

    fn resource(&self, logical_id: &str) -> Option<&Value> {
        self.resources()?.get(logical_id)
    }

    /// A resource's type.
    pub(super) fn kind_of(&self, logical_id: &str) -> &str {
        self.resource(logical_id).and_then(|r| r.get("Type")).and_then(Value::as_str).unwrap_or_default()
    }

    /// Whether a resource is kept when it goes from the stack.
    pub(super) fn retained(&self, logical_id: &str) -> bool {
        let policy = self.resource(logical_id).and_then(|r| r.get("DeletionPolicy"));
        policy.and_then(Value::as_str) == Some("Retain")
    }

    fn properties(&self, logical_id: &str) -> Option<&Value> {
        self.resource(logical_id)?.get("Properties")
    }

    /// The capabilities that it needs: a role with a name of ours needs more than one that CloudFormation names.
    pub(super) fn capabilities(&self) -> Vec<String> {
        let (mut iam, mut named) = (false, false);
        for resource in self.resources().into_iter().flat_map(Map::values) {
            let kind = resource.get("Type").and_then(Value::as_str).unwrap_or_default();
            if !kind.starts_with("AWS::IAM::") {
                continue;
            }
            iam = true;
            let own = ["RoleName", "UserName", "GroupName", "ManagedPolicyName", "InstanceProfileName"];
            named |= own.iter().any(|name| resource.get("Properties").is_some_and(|p| p.get(name).is_some()));
        }
        let mut needed = Vec::new();
        if named {
            needed.push("CAPABILITY_NAMED_IAM".to_owned());
        } else if iam {
            needed.push("CAPABILITY_IAM".to_owned());
        }
        if self.0.get("Transform").is_some() {
            needed.push("CAPABILITY_AUTO_EXPAND".to_owned());
        }
        needed
    }
}

/// What would change from one template to another, as far as the two tell: that is certain of neither what depends on
/// another change nor of what would be made anew.
pub(super) fn estimate(
    before: Option<&Parsed>,
    after: &Parsed,
    graph: &Graph,
    physical: &BTreeMap<String, String>,
) -> Vec<Change> {
    let mut changes = Vec::new();
    let nothing = Parsed::default();
    let before = before.unwrap_or(&nothing);
    let physical = |id: &str| {
        let planned = || graph.by_id(id).map(|r| r.physical_name.clone());
        physical.get(id).cloned().or_else(planned).unwrap_or_default()
    };
    for id in after.ids() {
        let kind = after.kind_of(id);
        let new = before.resource(id).is_none();
        let mut properties = differences(before, after, id);
        let other_type = !new && before.kind_of(id) != kind;
        if !new && properties.is_empty() && !other_type {
            continue;
        }
        let anew = !new && (other_type || properties.iter().any(|p| NAMES.contains(&p.path.as_str())));
        for p in &mut properties {
            p.requires_replacement = anew && NAMES.contains(&p.path.as_str());
        }
        let kept = anew && before.retained(id);
        let action = if new {
            Action::Add
        } else if anew {
            Action::Replace
        } else {
            Action::Change
        };
        changes.push(Change {
            logical_id: id.to_owned(),
            physical_name: physical(id),
            properties,
            loses_data: anew && !kept && kinds::stateful(before.kind_of(id)),
            certain: new,
            replacement: anew.then_some(Replacement::Always),
            kept,
            ..Change::new(action, kinds::kind(kind), name(graph, kind, id))
        });
    }
    for id in before.ids().filter(|id| after.resource(id).is_none()) {
        let kind = before.kind_of(id);
        let kept = before.retained(id);
        changes.push(Change {
            logical_id: id.to_owned(),
            physical_name: physical(id),
            loses_data: !kept && kinds::stateful(kind),
            kept,
            ..Change::new(Action::Remove, kinds::kind(kind), name(graph, kind, id))
        });
    }
    changes
}

/// The name in pipeline.toml.
pub(super) fn name(graph: &Graph, resource_type: &str, logical_id: &str) -> String {
    graph.by_id(logical_id).map_or_else(|| kinds::name(resource_type, logical_id), |r| r.name.clone())
}

/// The properties of one resource in which two templates differ.
pub(super) fn differences(before: &Parsed, after: &Parsed, logical_id: &str) -> Vec<PropertyChange> {
    diff::differences(before.properties(logical_id), after.properties(logical_id))
        .into_iter()
        .map(|(path, before, after)| PropertyChange {
            path,
            before,
            after,
            requires_replacement: false,
            evaluation: Evaluation::Static,
            cause: None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn template(resources: Value) -> Parsed {
        Parsed::parse(&json!({ "Resources": resources }).to_string()).unwrap()
    }

    #[test]
    fn a_role_with_a_name_needs_more() {
        let role = |properties: Value| template(json!({"R": {"Type": "AWS::IAM::Role", "Properties": properties}}));
        assert_eq!(role(json!({})).capabilities(), ["CAPABILITY_IAM"]);
        assert_eq!(role(json!({"RoleName": "x"})).capabilities(), ["CAPABILITY_NAMED_IAM"]);
        assert_eq!(template(json!({"B": {"Type": "AWS::S3::Bucket"}})).capabilities(), [""; 0]);
    }

    #[test]
    fn an_estimate_goes_property_by_property() {
        let bucket = |properties: Value| json!({"Type": "AWS::S3::Bucket", "Properties": properties});
        let graph = Graph {
            stack: "x-dev".into(),
            pipeline: "x".into(),
            env: "dev".into(),
            protected: false,
            resources: Vec::new(),
            outputs: Vec::new(),
        };
        let before = template(json!({
            "ABucket": bucket(json!({"VersioningConfiguration": {"Status": "Suspended"}})),
            "BBucket": bucket(json!({"BucketName": "old"})),
            "CBucket": {"Type": "AWS::S3::Bucket", "DeletionPolicy": "Retain"},
        }));
        let after = template(json!({
            "ABucket": bucket(json!({"VersioningConfiguration": {"Status": "Enabled"}})),
            "BBucket": bucket(json!({"BucketName": "new"})),
        }));
        let changes = estimate(Some(&before), &after, &graph, &BTreeMap::new());
        let told: Vec<_> = changes.iter().map(|c| (c.action, c.name.as_str(), c.loses_data, c.certain)).collect();
        assert_eq!(
            told,
            [
                (Action::Change, "bucket.a", false, false),
                (Action::Replace, "bucket.b", true, false),
                (Action::Remove, "bucket.c", false, true)
            ]
        );
        let Some(property) = changes[0].properties.first() else { panic!("a property differs") };
        assert_eq!(
            (property.path.as_str(), &property.after),
            ("VersioningConfiguration.Status", &Some("Enabled".into()))
        );
        assert!(changes[2].kept);
    }
}
