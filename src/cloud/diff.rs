//! What would have to change so that one graph becomes another.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::{
    resources::{Graph, Resource},
    stacks::{Action, Change, Evaluation, PropertyChange, Replacement},
};

/// The changes that make `after` of `before`, in the order in which they would be made: what is added, changed or
/// replaced in the order of `after`, then what is removed, users before what they use. `None` is an empty graph.
///
/// Resources are matched by logical id. One is made anew when its kind, its physical name or a property for which
/// [`super::resources::Properties::replaces`] holds differs.
pub fn changes(before: Option<&Graph>, after: Option<&Graph>) -> Vec<Change> {
    let resources = |graph: Option<&Graph>| graph.map(|g| g.resources.clone()).unwrap_or_default();
    let (before, after) = (resources(before), resources(after));
    let old: BTreeMap<&str, &Resource> = before.iter().map(|r| (r.logical_id.as_str(), r)).collect();
    let kept: BTreeSet<&str> = after.iter().map(|r| r.logical_id.as_str()).collect();
    let made = after.iter().filter_map(|new| match old.get(new.logical_id.as_str()) {
        None => Some(change(Action::Add, new, properties(None, Some(new)), false)),
        Some(old) => altered(old, new),
    });
    let removed = before.iter().rev().filter(|r| !kept.contains(r.logical_id.as_str())).map(|old| {
        let lost = old.properties.stateful();
        change(Action::Remove, old, properties(Some(old), None), lost)
    });
    made.chain(removed).collect()
}

fn altered(old: &Resource, new: &Resource) -> Option<Change> {
    let properties = properties(Some(old), Some(new));
    if properties.is_empty() {
        return None;
    }
    let anew = properties.iter().any(|p| p.requires_replacement);
    let action = if anew { Action::Replace } else { Action::Change };
    Some(change(action, new, properties, anew && old.properties.stateful()))
}

fn change(action: Action, resource: &Resource, properties: Vec<PropertyChange>, loses_data: bool) -> Change {
    Change {
        logical_id: resource.logical_id.clone(),
        physical_name: resource.physical_name.clone(),
        properties,
        loses_data,
        replacement: (action == Action::Replace).then_some(Replacement::Always),
        ..Change::new(action, resource.properties.kind(), resource.name.clone())
    }
}

/// The properties that differ, in the order in which the resource has them.
fn properties(old: Option<&Resource>, new: Option<&Resource>) -> Vec<PropertyChange> {
    let mut found = Vec::new();
    if let (Some(old), Some(new)) = (old, new) {
        let pairs = [
            ("kind", old.properties.kind(), new.properties.kind(), true),
            ("physical_name", &old.physical_name, &new.physical_name, true),
            ("name", &old.name, &new.name, false),
        ];
        for (path, old, new, requires_replacement) in pairs.into_iter().filter(|p| p.1 != p.2) {
            let (before, after) = (Some(Value::from(old)), Some(Value::from(new)));
            found.push(PropertyChange {
                path: path.into(),
                before,
                after,
                requires_replacement,
                evaluation: Evaluation::Static,
                cause: None,
            });
        }
    }
    let before = old.map(Resource::properties_json);
    let after = new.map(Resource::properties_json);
    let mut differences = Vec::new();
    compare("", before.as_ref(), after.as_ref(), &mut differences);
    found.extend(differences.into_iter().map(|(path, before, after)| PropertyChange {
        requires_replacement: old.is_some() && new.is_some_and(|n| n.properties.replaces(&path)),
        path,
        before,
        after,
        evaluation: Evaluation::Static,
        cause: None,
    }));
    found
}

/// A path, the value before and the value after.
pub type Difference = (String, Option<Value>, Option<Value>);

/// The properties in which two values differ, each by its path.
pub fn differences(before: Option<&Value>, after: Option<&Value>) -> Vec<Difference> {
    let mut found = Vec::new();
    compare("", before, after, &mut found);
    found
}

/// Objects are compared key by key, lists of named things by name, everything else as one value. What is absent, null
/// and empty is the same.
fn compare(path: &str, before: Option<&Value>, after: Option<&Value>, found: &mut Vec<Difference>) {
    let (before, after) = (present(before), present(after));
    if before == after {
        return;
    }
    let maps = match (before, after) {
        (None, None) => None,
        (before, after) => {
            match (before.map_or_else(|| Some(Map::new()), named), after.map_or_else(|| Some(Map::new()), named)) {
                (Some(before), Some(after)) => Some((before, after)),
                _ => None,
            }
        }
    };
    let (count, as_maps) = (found.len(), maps.is_some());
    if let Some((before, after)) = maps {
        let keys = after.keys().chain(before.keys().filter(|k| !after.contains_key(*k)));
        for key in keys {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            compare(&path, before.get(key), after.get(key), found);
        }
    }
    // A list of named things that was only put in another order has no name that differs.
    let lists = before.is_some_and(Value::is_array) && after.is_some_and(Value::is_array);
    if found.len() == count && (lists || !as_maps) {
        found.push((path.to_owned(), before.cloned(), after.cloned()));
    }
}

fn present(value: Option<&Value>) -> Option<&Value> {
    value.filter(|v| match v {
        Value::Null => false,
        Value::Array(list) => !list.is_empty(),
        Value::Object(map) => !map.is_empty(),
        _ => true,
    })
}

/// What the parts of a template go by within a list: policies, their statements, rules of a lifecycle, tags.
const IDENTITIES: [&str; 4] = ["PolicyName", "Sid", "Id", "Key"];

/// A list of things as a map, where each has a name of its own.
fn by_identity(list: &[Value]) -> Option<Map<String, Value>> {
    IDENTITIES.iter().find_map(|key| {
        let mut map = Map::new();
        for item in list {
            let name = item.get(key)?.as_str()?;
            if map.insert(name.to_owned(), item.clone()).is_some() {
                return None;
            }
        }
        Some(map)
    })
}

/// A value as a map: an object, a list of columns by name, of grants by action, of a template's parts by what they go by.
fn named(value: &Value) -> Option<Map<String, Value>> {
    match value {
        Value::Object(map) => Some(map.clone()),
        Value::Array(list) => {
            if let Some(map) = by_identity(list) {
                return Some(map);
            }
            let mut map = Map::new();
            for item in list {
                let object = item.as_object().filter(|o| o.len() == 2)?;
                if let (Some(Value::String(name)), Some(kind)) = (object.get("name"), object.get("type")) {
                    if map.insert(name.clone(), kind.clone()).is_some() {
                        return None;
                    }
                } else if let (Some(Value::String(action)), Some(resource)) =
                    (object.get("action"), object.get("resource"))
                {
                    let resources = map.entry(action.clone()).or_insert_with(|| Value::Array(Vec::new()));
                    resources.as_array_mut()?.push(resource.clone());
                } else {
                    return None;
                }
            }
            Some(map.into_iter().map(|(name, value)| (name, unwrap_one(value))).collect())
        }
        _ => None,
    }
}

/// A list of one as the one.
fn unwrap_one(value: Value) -> Value {
    match value {
        Value::Array(mut list) if list.len() == 1 => list.pop().unwrap_or(Value::Null),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::cloud::{
        catalog::Column,
        permit::Grant,
        resources::{Bucket, Properties, Role, Stream, Table, Topic},
    };

    #[test]
    fn a_policy_is_compared_statement_by_statement() {
        let policies = |action: &str, more: Value| {
            let mut all = vec![
                json!({"Sid": "Read", "Effect": "Allow", "Action": action, "Resource": "a"}),
                json!({"Sid": "Write", "Effect": "Allow", "Action": ["x", "y"], "Resource": "b"}),
            ];
            all.extend(more.as_array().cloned().unwrap_or_default());
            json!({"Policies": [{"PolicyName": "grants", "PolicyDocument": {"Version": "1", "Statement": all}}]})
        };
        let publish = json!({"Sid": "Publish", "Effect": "Allow"});
        let (before, after) = (policies("get", json!([])), policies("list", json!([publish])));
        let found = differences(Some(&before), Some(&after));
        let statements = "Policies.grants.PolicyDocument.Statement";
        assert_eq!(
            found,
            [
                (format!("{statements}.Read.Action"), Some("get".into()), Some("list".into())),
                (format!("{statements}.Publish.Sid"), None, Some("Publish".into())),
                (format!("{statements}.Publish.Effect"), None, Some("Allow".into())),
            ]
        );
        let twice = json!([{"Sid": "Read"}, {"Sid": "Read", "Action": "x"}]);
        let found = differences(Some(&json!({"S": [{"Sid": "Read"}]})), Some(&json!({"S": twice})));
        assert_eq!(found.len(), 1, "two of one name are told apart by nothing");
        assert_eq!(found[0].0, "S");
    }

    fn graph(resources: Vec<Resource>) -> Graph {
        Graph {
            stack: "p-dev".into(),
            pipeline: "p".into(),
            env: "dev".into(),
            protected: false,
            resources,
            outputs: vec![],
        }
    }

    fn resource(id: &str, properties: Properties) -> Resource {
        Resource {
            logical_id: id.into(),
            name: format!("x.{id}"),
            physical_name: format!("p-dev-{id}"),
            depends_on: vec![],
            properties,
        }
    }

    fn bucket(id: &str, expire_days: Option<u32>) -> Resource {
        resource(id, Properties::Bucket(Bucket { expire_days, ..Bucket::default() }))
    }

    fn table(kinds: &[(&str, &str)], partitions: &[(&str, &str)]) -> Resource {
        let columns = |all: &[(&str, &str)]| {
            all.iter().map(|(name, kind)| Column { name: (*name).into(), kind: (*kind).into() }).collect()
        };
        resource(
            "T",
            Properties::Table(Table {
                database: "d".into(),
                table: "t".into(),
                bucket: "b".into(),
                prefix: "t/".into(),
                format: "parquet".into(),
                columns: columns(kinds),
                partition_keys: columns(partitions),
            }),
        )
    }

    fn one(before: Resource, after: Resource) -> Change {
        let mut all = changes(Some(&graph(vec![before])), Some(&graph(vec![after])));
        assert_eq!(all.len(), 1, "{all:?}");
        all.remove(0)
    }

    fn paths(change: &Change) -> Vec<(&str, Option<Value>, Option<Value>)> {
        change.properties.iter().map(|p| (p.path.as_str(), p.before.clone(), p.after.clone())).collect()
    }

    #[test]
    fn additions_come_in_order_and_removals_backwards() {
        let old = graph(vec![bucket("A", None), bucket("B", None), bucket("C", Some(1))]);
        let new = graph(vec![bucket("C", Some(2)), bucket("D", None)]);
        let all: Vec<_> = changes(Some(&old), Some(&new)).into_iter().map(|c| (c.action, c.logical_id)).collect();
        let id = |s: &str| s.to_owned();
        assert_eq!(
            all,
            [(Action::Change, id("C")), (Action::Add, id("D")), (Action::Remove, id("B")), (Action::Remove, id("A"))]
        );
        assert_eq!(changes(None, Some(&old)).len(), 3);
        let topic = graph(vec![resource("T", Properties::Topic(Topic::default()))]);
        assert_eq!(changes(None, Some(&topic))[0].properties, []);
        assert!(changes(Some(&old), None).iter().all(|c| c.action == Action::Remove && c.loses_data));
        assert_eq!(changes(Some(&old), Some(&old)), []);
        assert_eq!(changes(None, None), []);
    }

    #[test]
    fn only_what_differs_is_told() {
        let change = one(bucket("A", Some(90)), bucket("A", Some(365)));
        assert_eq!(change.action, Action::Change);
        assert!(!change.loses_data);
        assert_eq!(paths(&change), [("expire_days", Some(json!(90)), Some(json!(365)))]);
        let change = one(bucket("A", Some(90)), bucket("A", None));
        assert_eq!(paths(&change), [("expire_days", Some(json!(90)), None)]);
    }

    #[test]
    fn another_name_or_kind_is_a_replacement_that_loses_what_it_held() {
        let mut renamed = bucket("A", None);
        renamed.physical_name = "q".into();
        let change = one(bucket("A", None), renamed);
        assert_eq!(change.action, Action::Replace);
        assert!(change.loses_data && change.properties[0].requires_replacement);
        assert_eq!(paths(&change), [("physical_name", Some(json!("p-dev-A")), Some(json!("q")))]);
        let stream = resource("A", Properties::Stream(Stream { shards: 1, retention_hours: 24 }));
        let change = one(stream, bucket("A", None));
        assert_eq!((change.action, change.loses_data), (Action::Replace, true));
        assert_eq!(change.properties[0].path, "kind");
    }

    #[test]
    fn columns_are_compared_by_name_and_partition_keys_make_a_table_anew() {
        let old = table(&[("a", "varchar"), ("b", "double")], &[("year", "integer")]);
        let change =
            one(old.clone(), table(&[("a", "varchar"), ("b", "integer"), ("c", "date")], &[("year", "integer")]));
        assert_eq!(change.action, Action::Change);
        assert_eq!(
            paths(&change),
            [("columns.b", Some(json!("double")), Some(json!("integer"))), ("columns.c", None, Some(json!("date")))]
        );
        let change = one(old.clone(), table(&[("b", "double"), ("a", "varchar")], &[("year", "integer")]));
        assert_eq!(paths(&change).len(), 1, "the order of columns counts: {change:?}");
        assert_eq!(change.properties[0].path, "columns");
        let change = one(old, table(&[("a", "varchar"), ("b", "double")], &[("year", "integer"), ("day", "integer")]));
        assert_eq!((change.action, change.loses_data), (Action::Replace, false));
        assert_eq!(paths(&change), [("partition_keys.day", None, Some(json!("integer")))]);
    }

    #[test]
    fn grants_are_compared_by_action() {
        let role = |all: &[(&str, &str)]| {
            let grants = all.iter().map(|(a, r)| Grant { action: (*a).into(), resource: (*r).into() }).collect();
            resource("R", Properties::Role(Role { service: "lambda.amazonaws.com".into(), grants }))
        };
        let change = one(role(&[("s3:GetObject", "a")]), role(&[("s3:GetObject", "a"), ("sns:Publish", "t")]));
        assert_eq!(paths(&change), [("grants.sns:Publish", None, Some(json!("t")))]);
        let change = one(role(&[("s3:GetObject", "a")]), role(&[("s3:GetObject", "a"), ("s3:GetObject", "b")]));
        assert_eq!(paths(&change), [("grants.s3:GetObject", Some(json!("a")), Some(json!(["a", "b"])))]);
    }

    prop_compose! {
        fn any_graph()(parts in proptest::collection::btree_map("[A-F]", (any::<bool>(), proptest::option::of(1_u32..3)), 0..6))
            -> Graph {
            graph(parts.into_iter().map(|(id, (stream, days))| if stream {
                resource(&id, Properties::Stream(Stream { shards: days.unwrap_or(9), retention_hours: 24 }))
            } else {
                bucket(&id, days)
            }).collect())
        }
    }

    proptest! {
        #[test]
        fn every_difference_is_told_and_nothing_else(before in any_graph(), after in any_graph()) {
            let all = changes(Some(&before), Some(&after));
            for id in ["A", "B", "C", "D", "E", "F"] {
                let told: Vec<_> = all.iter().filter(|c| c.logical_id == id).collect();
                match (before.by_id(id), after.by_id(id)) {
                    (old, new) if old == new => prop_assert!(told.is_empty()),
                    (old, new) => {
                        prop_assert_eq!(told.len(), 1);
                        prop_assert!(old.is_none() == (told[0].action == Action::Add));
                        prop_assert!(new.is_none() == (told[0].action == Action::Remove));
                    }
                }
            }
        }
    }
}
