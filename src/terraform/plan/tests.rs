use serde_json::json;

use super::*;

fn plan(value: Value) -> Plan {
    Plan::read(value.to_string().as_bytes()).unwrap()
}

fn changed(change: Value, more: Value) -> Plan {
    let mut resource = json!({
        "address": "module.lake.aws_s3_bucket.landing[\"a\"]", "module_address": "module.lake", "mode": "managed",
        "type": "aws_s3_bucket", "name": "landing", "index": "a",
        "provider_name": "registry.terraform.io/hashicorp/aws", "change": change
    });
    for (key, value) in more.as_object().unwrap() {
        resource[key] = value.clone();
    }
    plan(json!({"format_version": "1.2", "terraform_version": "1.11.4", "resource_changes": [resource]}))
}

fn only(plan: &Plan) -> Change {
    let mut set = plan.change_set("orders-dev");
    assert_eq!(set.changes.len(), 1, "{set:?}");
    set.changes.remove(0)
}

#[test]
fn an_update_shows_what_differs_and_nothing_else() {
    let change = only(&changed(
        json!({
            "actions": ["update"],
            "before": {"bucket": "lake", "versioning": [{"enabled": false, "mfa_delete": false}], "tags": {"a.b": "1", "c": "2"}, "arn": "x", "rules": [1]},
            "after": {"bucket": "lake", "versioning": [{"enabled": true, "mfa_delete": false}], "tags": {"a.b": "1"}, "rules": [1, 2]},
            "after_unknown": {"arn": true, "versioning": [{}]}, "before_sensitive": {}, "after_sensitive": {}
        }),
        json!({}),
    ));
    let said: Vec<_> = change.properties.iter().map(|p| (p.path.as_str(), p.before.clone(), p.after.clone())).collect();
    assert_eq!(
        said,
        [
            ("arn", Some(json!("x")), None),
            ("rules", Some(json!([1])), Some(json!([1, 2]))),
            ("tags.c", Some(json!("2")), None),
            ("versioning[0].enabled", Some(json!(false)), Some(json!(true))),
        ]
    );
    assert_eq!(change.properties[0].evaluation, Evaluation::Dynamic);
    assert_eq!(
        (change.action, change.kind.as_str(), change.physical_name.as_str()),
        (Action::Change, "bucket", "lake")
    );
    assert!(!change.loses_data);
}

#[test]
fn a_replacement_says_what_forces_it_and_that_data_is_lost() {
    for actions in [json!(["delete", "create"]), json!(["create", "delete"])] {
        let change = only(&changed(
            json!({
                "actions": actions, "before": {"bucket": "a", "force": 1, "logging": [{"target": "x"}]},
                "after": {"bucket": "b", "force": 2, "logging": [{"target": "y"}]}, "after_unknown": {},
                "replace_paths": [["bucket"], ["logging", 0, "target"]]
            }),
            json!({"action_reason": "replace_because_cannot_update"}),
        ));
        let forces = |path: &str| change.properties.iter().find(|p| p.path == path).unwrap().requires_replacement;
        assert!(forces("bucket") && !forces("force") && forces("logging[0].target"));
        assert_eq!((change.action, change.replacement), (Action::Replace, Some(Replacement::Always)));
        assert!(change.loses_data);
        assert_eq!(change.reason.as_deref(), Some("it cannot be changed in place"));
        assert_eq!(change.physical_name, "a");
        assert_eq!(steps(&[change]), 2);
    }
}

#[test]
fn sensitive_values_are_masked_wherever_they_are() {
    let source = changed(
        json!({
            "actions": ["update"],
            "before": {"password": "old-secret", "nested": {"list": ["x", "inner-old"]}, "plain": 1},
            "after": {"password": "new-secret", "nested": {"list": ["x", "inner-new"]}, "plain": 2},
            "after_unknown": {}, "before_sensitive": {"password": true, "nested": {"list": [false, true]}},
            "after_sensitive": {"password": true, "nested": {"list": [false, true]}}
        }),
        json!({}),
    );
    let text = serde_json::to_string(&source.change_set("x-dev")).unwrap();
    for secret in ["old-secret", "new-secret", "inner-old", "inner-new"] {
        assert!(!text.contains(secret), "{text}");
        assert_eq!(source.scrubber().scrub(secret), mask::SENSITIVE);
    }
    let change = only(&source);
    assert_eq!(change.properties.len(), 3, "{change:?}");
    assert_eq!(change.properties[1].before, Some(json!(mask::SENSITIVE)));
}

#[test]
fn a_sensitive_variable_is_known_to_the_scrubber() {
    let plan = plan(json!({
        "format_version": "1.2",
        "variables": {"token": {"value": "t0ken-value"}, "region": {"value": "eu-west-1"}},
        "configuration": {"root_module": {"variables": {"token": {"sensitive": true}, "region": {}}}}
    }));
    assert_eq!(plan.scrubber().scrub("t0ken-value in eu-west-1"), "(sensitive) in eu-west-1");
}

#[test]
fn what_only_moves_or_is_imported_or_forgotten_is_a_change_too() {
    let same = json!({"bucket": "lake"});
    let still = json!({"actions": ["no-op"], "before": same, "after": same, "after_unknown": {}});
    let moved = only(&changed(still.clone(), json!({"previous_address": "aws_s3_bucket.landing"})));
    assert_eq!((moved.action, moved.moved_from.as_deref()), (Action::Change, Some("aws_s3_bucket.landing")));
    assert!(moved.properties.is_empty());
    let mut import = still.clone();
    import["importing"] = json!({"id": "lake"});
    assert_eq!(only(&changed(import, json!({}))).imported.as_deref(), Some("lake"));
    let forget = json!({"actions": ["forget"], "before": same, "after": null, "after_unknown": {}});
    let forgotten = only(&changed(forget, json!({})));
    assert_eq!((forgotten.action, forgotten.kept, forgotten.loses_data), (Action::Remove, true, false));
    assert!(changed(still, json!({})).change_set("x").changes.is_empty());
    let read = json!({"actions": ["read"], "before": null, "after": {}, "after_unknown": {"id": true}});
    assert!(changed(read, json!({"mode": "data"})).change_set("x").changes.is_empty());
}

#[test]
fn what_is_added_has_its_values_and_what_comes_later() {
    let change = only(&changed(
        json!({
            "actions": ["create"], "before": null, "after": {"bucket": "lake", "tags": {"a": "b"}, "none": null},
            "after_unknown": {"id": true, "tags": {}}, "before_sensitive": false, "after_sensitive": {"tags": {}}
        }),
        json!({}),
    ));
    let paths: Vec<_> = change.properties.iter().map(|p| p.path.as_str()).collect();
    assert_eq!((change.action, paths), (Action::Add, vec!["bucket", "id", "tags"]));
    let gone = only(&changed(
        json!({"actions": ["delete"], "before": {"bucket": "lake"}, "after": null, "after_unknown": {}}),
        json!({"action_reason": "delete_because_no_module", "deposed": "abcd1234"}),
    ));
    assert_eq!((gone.action, gone.loses_data), (Action::Remove, true));
    assert!(gone.logical_id.ends_with("(deposed abcd1234)"));
    assert_eq!(gone.reason.as_deref(), Some("its module is no longer in the configuration"));
}

#[test]
fn drift_is_told_as_drift_and_beside_a_plan() {
    let plan = plan(json!({
        "format_version": "1.2",
        "resource_drift": [
            {"address": "aws_s3_bucket.a", "mode": "managed", "type": "aws_s3_bucket", "name": "a",
             "change": {"actions": ["update"], "before": {"bucket": "a", "tags": {"x": "1"}}, "after": {"bucket": "a", "tags": {"x": "2"}}, "after_unknown": {}}},
            {"address": "aws_sqs_queue.q", "mode": "managed", "type": "aws_sqs_queue", "name": "q",
             "change": {"actions": ["delete"], "before": {"name": "q"}, "after": null, "after_unknown": {}}},
            {"address": "aws_sqs_queue.moved", "previous_address": "aws_sqs_queue.old", "mode": "managed", "type": "aws_sqs_queue", "name": "moved",
             "change": {"actions": ["no-op"], "before": {}, "after": {}, "after_unknown": {}}}
        ]
    }));
    let drift = plan.drift();
    assert_eq!(drift.len(), 2);
    assert_eq!((drift[0].status.as_str(), drift[0].properties[0].path.as_str()), ("MODIFIED", "tags.x"));
    assert_eq!(
        (drift[0].properties[0].expected.clone(), drift[0].properties[0].actual.clone()),
        (Some(json!("1")), Some(json!("2")))
    );
    assert_eq!((drift[1].status.as_str(), drift[1].physical_name.as_str()), ("DELETED", "q"));
    let notes = plan.change_set("x-dev").notes;
    assert_eq!(notes[0], "changed outside of Terraform: aws_s3_bucket.a is not as it was left (tags.x)");
    assert!(notes[1].ends_with("aws_sqs_queue.q is gone"));
}

#[test]
fn outputs_alone_are_changes_and_otherwise_a_note() {
    let outputs = json!({
        "url": {"actions": ["create"], "before": null, "after": "https://x", "after_unknown": false, "before_sensitive": false, "after_sensitive": false},
        "token": {"actions": ["update"], "before": "abcdef", "after": "ghijkl", "after_unknown": false, "before_sensitive": true, "after_sensitive": true},
        "same": {"actions": ["no-op"], "before": 1, "after": 1, "after_unknown": false}
    });
    let alone = plan(json!({"format_version": "1.2", "output_changes": outputs})).change_set("x-dev");
    let names: Vec<_> = alone.changes.iter().map(|c| (c.name.as_str(), c.action)).collect();
    assert_eq!(names, [("output.token", Action::Change), ("output.url", Action::Add)]);
    assert_eq!(alone.changes[0].properties[0].after, Some(json!(mask::SENSITIVE)));
    assert_eq!(steps(&alone.changes), 0);
}

#[test]
fn a_format_of_another_kind_is_refused() {
    let error = Plan::read(br#"{"format_version": "2.0"}"#).unwrap_err().to_string();
    assert!(error.contains("2.0"), "{error}");
    assert!(Plan::read(b"oops").is_err());
    assert!(Plan::read(br#"{"format_version": "1.9", "a_new_field": [1]}"#).is_ok());
}
