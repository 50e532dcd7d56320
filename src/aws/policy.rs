//! IAM policies made from the table of operations: what pumphouse needs to look, and to operate; and the session policy
//! with which AWS itself denies every change in read-only mode.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::operations::{ALL, Access, Operation};

/// What reading needs beside the operations themselves: objects and results that are encrypted with a key of one's own,
/// tables that Lake Formation guards, and where buckets are, which Athena asks in the caller's name.
const READ_TOO: [&str; 3] = ["kms:Decrypt", "lakeformation:GetDataAccess", "s3:GetBucketLocation"];

/// What Athena does in the caller's name when a query's result is written.
const RESULTS: [&str; 3] = ["s3:AbortMultipartUpload", "s3:PutObject", "kms:GenerateDataKey"];

/// Where the values of API keys are: reading one has no action of its own.
const API_KEYS: &str = "arn:aws:apigateway:*::/apikeys/*";

/// Verbs of actions that never change anything.
const HARMLESS: [&str; 3] = ["Describe", "Get", "List"];

/// The policy of those who look.
pub fn monitoring() -> Value {
    let read = actions(|o| o.access == Access::Read);
    document(vec![statement("Look", read.iter().map(String::as_str).chain(READ_TOO)), no_keys(), results()])
}

/// The policy of those who plan: a change set is made and deleted again, and what it refers to is uploaded. They cannot
/// execute one. The empty stack of a first plan stays until the deploy, since deleting it would take the right to delete
/// any.
pub fn planning() -> Value {
    let read = actions(|o| o.access == Access::Read);
    document(vec![
        statement("Look", read.iter().map(String::as_str).chain(READ_TOO)),
        no_keys(),
        results(),
        statement("Plan", ["cloudformation:CreateChangeSet", "cloudformation:DeleteChangeSet"].into_iter()),
        json!({
            "Sid": "UploadWhatIsPlanned",
            "Effect": "Allow",
            "Action": "s3:PutObject",
            "Resource": "arn:aws:s3:::pumphouse-artifacts-*/*"
        }),
        pass_role(),
    ])
}

/// The policy of those who deploy, run and change. What CloudFormation makes, it makes with the bootstrap stack's role.
pub fn operating() -> Value {
    let read = actions(|o| o.access == Access::Read);
    let write = actions(|o| o.access == Access::Write);
    document(vec![
        statement("Look", read.iter().map(String::as_str).chain(READ_TOO)),
        results(),
        statement("Operate", write.iter().map(String::as_str).chain(["kms:GenerateDataKey"])),
        pass_role(),
    ])
}

fn pass_role() -> Value {
    json!({
        "Sid": "LetCloudFormationUseItsRole",
        "Effect": "Allow",
        "Action": "iam:PassRole",
        "Resource": "arn:aws:iam::*:role/pumphouse-bootstrap-*",
        "Condition": {"StringEquals": {"iam:PassedToService": "cloudformation.amazonaws.com"}}
    })
}

/// The policy of a role's session in read-only mode: at most 2,048 characters, so actions go by patterns where no pattern
/// lets a change through. A session is allowed what both this and the role's own policies allow.
pub fn session() -> String {
    // Who one is needs no permission, and other `sts:Get*` give credentials away.
    let read = ALL.iter().filter(|o| o.access == Access::Read && !o.action.starts_with("sts:"));
    let short: BTreeSet<String> = read.map(|o| pattern(o.action)).collect();
    let mut look = statement("Look", short.iter().map(String::as_str).chain(READ_TOO));
    let mut write = results();
    let mut keys = no_keys();
    for statement in [&mut look, &mut keys, &mut write] {
        if let Some(fields) = statement.as_object_mut() {
            fields.remove("Sid");
        }
    }
    document(vec![look, keys, write]).to_string()
}

/// An action, or all of its service's that begin with the same harmless verb.
fn pattern(action: &str) -> String {
    let Some((service, name)) = action.split_once(':') else { return action.to_owned() };
    for verb in HARMLESS {
        let prefix = format!("{service}:{verb}");
        let changes = |o: &Operation| o.access == Access::Write && o.action.starts_with(&prefix);
        if name.starts_with(verb) && !ALL.iter().any(changes) {
            return prefix + "*";
        }
    }
    action.to_owned()
}

/// Assuming a role is left to whoever owns the role.
fn actions(fits: impl Fn(&Operation) -> bool) -> BTreeSet<String> {
    ALL.iter().filter(|o| fits(o) && o.action != "sts:AssumeRole").map(|o| o.action.to_owned()).collect()
}

fn no_keys() -> Value {
    json!({"Sid": "KeepApiKeys", "Effect": "Deny", "Action": "apigateway:GET", "Resource": API_KEYS})
}

fn results() -> Value {
    json!({
        "Sid": "LetAthenaWriteResults",
        "Effect": "Allow",
        "Action": RESULTS,
        "Resource": "*",
        "Condition": {"ForAnyValue:StringEquals": {"aws:CalledVia": "athena.amazonaws.com"}}
    })
}

fn statement<'a>(sid: &str, actions: impl Iterator<Item = &'a str>) -> Value {
    let actions: BTreeSet<&str> = actions.collect();
    json!({"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": "*"})
}

fn document(statements: Vec<Value>) -> Value {
    json!({"Version": "2012-10-17", "Statement": statements})
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether IAM takes a pattern for an action.
    fn fits(pattern: &str, action: &str) -> bool {
        pattern.strip_suffix('*').map_or(pattern == action, |start| action.starts_with(start))
    }

    fn allowed(policy: &Value, conditions: bool) -> Vec<String> {
        let statements = policy["Statement"].as_array().unwrap().iter();
        statements
            .filter(|s| s["Effect"] == "Allow" && (conditions || s["Condition"].is_null()))
            .flat_map(|s| s["Action"].as_array().cloned().unwrap_or_else(|| vec![s["Action"].clone()]))
            .map(|action| action.as_str().unwrap().to_owned())
            .collect()
    }

    /// What only reads; the value of an API key is kept by its resource.
    fn reads(operation: &Operation) -> bool {
        operation.access == Access::Read || operation.action == "apigateway:GET"
    }

    #[test]
    fn the_session_policy_is_short_and_lets_reads_through_and_nothing_else() {
        let text = session();
        assert!(text.len() <= 2048, "{} characters", text.len());
        let policy: Value = serde_json::from_str(&text).unwrap();
        let allowed = allowed(&policy, false);
        for operation in ALL.iter().filter(|o| !o.action.starts_with("sts:")) {
            let through = allowed.iter().any(|pattern| fits(pattern, operation.action));
            // An action that reads with one operation and changes with another would be let through.
            assert_eq!(through, reads(operation), "{}", operation.action);
        }
    }

    #[test]
    fn those_who_look_may_read_all_and_change_nothing() {
        let allowed = allowed(&monitoring(), false);
        for operation in ALL.iter().filter(|o| o.name != "AssumeRole") {
            let through = allowed.iter().any(|a| a == operation.action);
            assert_eq!(through, reads(operation), "{}", operation.action);
        }
        assert!(allowed.iter().all(|action| !action.contains('*')));
    }

    #[test]
    fn those_who_plan_may_execute_nothing_and_delete_nothing_but_their_change_sets() {
        let changes: Vec<_> = allowed(&planning(), false)
            .into_iter()
            .filter(|action| ALL.iter().any(|o| o.action == action && o.access == Access::Write))
            .filter(|action| action != "apigateway:GET")
            .collect();
        assert_eq!(changes, ["cloudformation:CreateChangeSet", "cloudformation:DeleteChangeSet", "s3:PutObject"]);
    }

    #[test]
    fn those_who_operate_may_all() {
        let allowed = allowed(&operating(), true);
        for operation in ALL.iter().filter(|o| o.name != "AssumeRole") {
            assert!(allowed.iter().any(|a| a == operation.action), "{}", operation.action);
        }
        assert!(allowed.iter().any(|a| a == "iam:PassRole"));
    }
}
