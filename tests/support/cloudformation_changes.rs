//! Change sets and what comes of them.

use std::{collections::VecDeque, fmt::Write as _};

use serde_json::Value;

use super::{ChangeSet, Stack, State, Step, element, made, resources, result};
use crate::fake::{Answer, Asked};

impl State {
    pub(super) fn create_change_set(&mut self, asked: &Asked, name: &str) -> Answer {
        let creates = asked.params.get("ChangeSetType").is_some_and(|t| t == "CREATE");
        let at = self.find(name);
        if let Some(needed) = self.needs
            && !asked.params.iter().any(|(k, v)| k.starts_with("Capabilities.") && v == needed)
        {
            return Answer::xml_error(
                400,
                "InsufficientCapabilitiesException",
                &format!("Requires capabilities : [{needed}]"),
            );
        }
        let template = match (asked.params.get("TemplateBody"), asked.params.get("TemplateURL")) {
            (Some(body), _) if body.len() > 51_200 => {
                let message = "'templateBody' failed to satisfy constraint: length less than or equal to 51200";
                return Answer::xml_error(400, "ValidationError", message);
            }
            (Some(body), _) => body.clone(),
            (None, Some(url)) => {
                let key: Vec<_> = url.splitn(4, '/').collect();
                let Some(body) = self.objects.get(key[3]) else {
                    return Answer::xml_error(400, "ValidationError", "S3 error: The specified key does not exist.");
                };
                String::from_utf8_lossy(body).into_owned()
            }
            (None, None) => return Answer::xml_error(400, "ValidationError", "no template"),
        };
        let at = match at {
            Some(at) if creates && self.stacks[at].status != "REVIEW_IN_PROGRESS" => {
                return Answer::xml_error(400, "ValidationError", &format!("Stack [{name}] already exists"));
            }
            Some(at) => at,
            None if creates => {
                let at = self.stacks.len();
                let id = format!("arn:aws:cloudformation:eu-west-1:{}:stack/{name}/{at}", super::ACCOUNT);
                self.stacks.push(Stack { name: name.into(), id, ..Stack::default() });
                self.happen(at, Step::Stack("REVIEW_IN_PROGRESS".into(), String::new()), "");
                at
            }
            None => return super::no_stack(name),
        };
        if self.stacks[at].status.ends_with("_IN_PROGRESS") && self.stacks[at].status != "REVIEW_IN_PROGRESS" {
            let message = format!("Stack is in {} state and can not be updated.", self.stacks[at].status);
            return Answer::xml_error(400, "ValidationError", &message);
        }
        for n in 1..=9 {
            if let Some(key) = asked.params.get(&format!("Tags.member.{n}.Key")) {
                let value = asked.params[&format!("Tags.member.{n}.Value")].clone();
                self.stacks[at].tags.retain(|(k, _)| k != key);
                self.stacks[at].tags.push((key.clone(), value));
            }
        }
        let changes = self.changes.clone().unwrap_or_else(|| differences(&self.stacks[at], &template));
        let (status, reason) = match (changes.is_empty(), &self.validation) {
            (true, _) => ("FAILED", "The submitted information didn't contain changes. Submit different information."),
            (false, v) if !v.is_empty() => {
                ("FAILED", "The following hook(s)/validation failed: [AWS::EarlyValidation]")
            }
            _ => ("CREATE_COMPLETE", ""),
        };
        let name = asked.params["ChangeSetName"].clone();
        let id = format!("arn:aws:cloudformation:eu-west-1:{}:changeSet/{name}/1", super::ACCOUNT);
        let stack = self.stacks[at].id.clone();
        let answer = element("Id", &id) + &element("StackId", &stack);
        let (status, reason, created) = (status.into(), reason.into(), jiff::Timestamp::now().to_string());
        self.change_sets.push(ChangeSet { id, name, stack, creates, status, reason, changes, template, created });
        result("CreateChangeSet", &answer)
    }

    pub(super) fn describe_change_set(&mut self, asked: &Asked) -> Answer {
        let id = &asked.params["ChangeSetName"];
        let Some(set) = self.change_sets.iter().find(|c| c.id == *id) else {
            return Answer::xml_error(404, "ChangeSetNotFound", id);
        };
        let inside = element("Status", &set.status)
            + &element("StatusReason", &set.reason)
            + &format!("<Changes>{}</Changes>", set.changes);
        result("DescribeChangeSet", &inside)
    }

    pub(super) fn execute(&mut self, asked: &Asked) -> Answer {
        let id = &asked.params["ChangeSetName"];
        let Some(set) = self.change_sets.iter().find(|c| c.id == *id).cloned() else {
            return Answer::xml_error(404, "ChangeSetNotFound", id);
        };
        self.change_sets.retain(|c| c.stack != set.stack);
        let Some(at) = self.find(&set.stack) else { return super::no_stack(&set.stack) };
        let verb = if set.creates { "CREATE" } else { "UPDATE" };
        let (old, new) = (resources(&self.stacks[at].template), resources(&set.template));
        let mut steps = VecDeque::new();
        let mut broke = None;
        for (id, resource) in &new {
            if old.get(id) == Some(resource) {
                continue;
            }
            let verb = if old.contains_key(id) { "UPDATE" } else { "CREATE" };
            let made = made(id, resource);
            steps.push_back(Step::Resource(made.clone(), format!("{verb}_IN_PROGRESS"), String::new()));
            if let Some(why) = self.broken.get(id) {
                steps.push_back(Step::Resource(made, format!("{verb}_FAILED"), why.clone()));
                broke = Some(id.clone());
                break;
            }
            steps.push_back(Step::Resource(made, format!("{verb}_COMPLETE"), String::new()));
        }
        if let Some(broke) = broke {
            // CloudFormation gives the others up, and tells that of them, too.
            for (id, resource) in new.iter().filter(|(id, r)| **id > broke && old.get(*id) != Some(r)) {
                let why = format!("Resource {} cancelled", if set.creates { "creation" } else { "update" });
                steps.push_front(Step::Resource(made(id, resource), format!("{verb}_FAILED"), why));
            }
            let why = format!("The following resource(s) failed to {}: [{broke}].", verb.to_lowercase());
            let prefix = if set.creates { "" } else { "UPDATE_" };
            steps.push_back(Step::Stack(format!("{prefix}ROLLBACK_IN_PROGRESS"), why));
            match self.stuck.iter().next() {
                Some((id, why)) if !set.creates => {
                    let stuck = made(id, &old[id]);
                    steps.push_back(Step::Resource(stuck, "UPDATE_FAILED".into(), why.clone()));
                    let why = format!("The following resource(s) failed to update: [{id}].");
                    steps.push_back(Step::Stack("UPDATE_ROLLBACK_FAILED".into(), why));
                }
                _ => {
                    for id in new.keys().filter(|id| !old.contains_key(*id)) {
                        steps.push_back(Step::Gone(id.clone()));
                    }
                    steps.push_back(Step::Stack(format!("{prefix}ROLLBACK_COMPLETE"), String::new()));
                }
            }
        } else {
            for (id, resource) in old.iter().filter(|(id, _)| !new.contains_key(*id)) {
                steps.push_back(Step::Resource(made(id, resource), "DELETE_COMPLETE".into(), String::new()));
                steps.push_back(Step::Gone(id.clone()));
            }
            steps.push_back(Step::Template(set.template.clone()));
            steps.push_back(Step::Stack(format!("{verb}_COMPLETE"), String::new()));
        }
        let token = asked.params.get("ClientRequestToken").cloned().unwrap_or_default();
        self.happen(at, Step::Stack(format!("{verb}_IN_PROGRESS"), "User Initiated".into()), &token);
        self.stacks[at].steps = steps;
        result("ExecuteChangeSet", "")
    }

    pub(super) fn delete(&mut self, asked: &Asked, at: usize) -> Answer {
        if self.stacks[at].protected {
            return Answer::xml_error(
                400,
                "ValidationError",
                "Stack cannot be deleted while TerminationProtection is enabled",
            );
        }
        let kept: Vec<_> =
            asked.params.iter().filter(|(k, _)| k.starts_with("RetainResources.")).map(|(_, v)| v.clone()).collect();
        let template = resources(&self.stacks[at].template);
        let mut steps = VecDeque::new();
        let mut failed = Vec::new();
        for resource in self.stacks[at].resources.clone() {
            let id = resource.id.clone();
            let policy = template.get(&id).and_then(|r| r["DeletionPolicy"].as_str());
            if kept.contains(&id) || policy == Some("Retain") {
                steps.push_back(Step::Resource(resource, "DELETE_SKIPPED".into(), String::new()));
                continue;
            }
            steps.push_back(Step::Resource(resource.clone(), "DELETE_IN_PROGRESS".into(), String::new()));
            let full = format!("{}/", resource.physical);
            let why = if self.objects.keys().any(|k| k.starts_with(&full)) {
                Some("The bucket you tried to delete is not empty".to_owned())
            } else {
                self.undeletable.get(&id).cloned()
            };
            if let Some(why) = why {
                failed.push(id);
                steps.push_back(Step::Resource(resource, "DELETE_FAILED".into(), why));
            } else {
                steps.push_back(Step::Resource(resource, "DELETE_COMPLETE".into(), String::new()));
                steps.push_back(Step::Gone(id));
            }
        }
        let end = if failed.is_empty() { "DELETE_COMPLETE" } else { "DELETE_FAILED" };
        let why = format!("The following resource(s) failed to delete: [{}]. ", failed.join(", "));
        steps.push_back(Step::Stack(end.into(), if failed.is_empty() { String::new() } else { why }));
        let token = asked.params.get("ClientRequestToken").cloned().unwrap_or_default();
        if self.stacks[at].status == "REVIEW_IN_PROGRESS" {
            self.happen(at, Step::Stack("DELETE_COMPLETE".into(), String::new()), &token);
        } else {
            self.happen(at, Step::Stack("DELETE_IN_PROGRESS".into(), "User Initiated".into()), &token);
            self.stacks[at].steps = steps;
        }
        result("DeleteStack", "")
    }

    pub(super) fn continue_rollback(&mut self, asked: &Asked, at: usize) -> Answer {
        let skipped: Vec<_> =
            asked.params.iter().filter(|(k, _)| k.starts_with("ResourcesToSkip.")).map(|(_, v)| v.clone()).collect();
        let token = asked.params.get("ClientRequestToken").cloned().unwrap_or_default();
        self.happen(at, Step::Stack("UPDATE_ROLLBACK_IN_PROGRESS".into(), "User Initiated".into()), &token);
        let still: Vec<_> = self.stuck.clone().into_iter().filter(|(id, _)| !skipped.contains(id)).collect();
        let mut steps = VecDeque::new();
        for (id, why) in &still {
            let stuck = self.stacks[at].resources.iter().find(|r| r.id == *id).cloned().unwrap_or_default();
            steps.push_back(Step::Resource(stuck, "UPDATE_FAILED".into(), why.clone()));
        }
        let end = if still.is_empty() { "UPDATE_ROLLBACK_COMPLETE" } else { "UPDATE_ROLLBACK_FAILED" };
        steps.push_back(Step::Stack(end.into(), String::new()));
        self.stacks[at].steps = steps;
        result("ContinueUpdateRollback", "")
    }
}

/// The changes between a stack and a template, with values before and after, property by property.
fn differences(stack: &Stack, template: &str) -> String {
    let (old, new) = (resources(&stack.template), resources(template));
    let mut all = String::new();
    let member = |all: &mut String, action: &str, id: &str, kind: &str, rest: &str| {
        let _ = write!(
            all,
            "<member><Type>Resource</Type><ResourceChange><Action>{action}</Action><LogicalResourceId>{id}\
             </LogicalResourceId><ResourceType>{kind}</ResourceType>{rest}</ResourceChange></member>"
        );
    };
    let kind = |r: &Value| r["Type"].as_str().unwrap_or_default().to_owned();
    for (id, resource) in &new {
        match old.get(id) {
            None => member(&mut all, "Add", id, &kind(resource), ""),
            Some(before) if before != resource => {
                let (mut details, mut anew) = (String::new(), false);
                let empty = serde_json::Map::new();
                let of = |r: &Value| r["Properties"].as_object().cloned().unwrap_or_else(|| empty.clone());
                let (was, is) = (of(before), of(resource));
                let mut names: Vec<_> = was.keys().chain(is.keys()).filter(|n| was.get(*n) != is.get(*n)).collect();
                names.sort();
                names.dedup();
                for name in names {
                    let name_is_identity = name.ends_with("Name");
                    anew |= name_is_identity;
                    let text = |v: Option<&Value>| match v {
                        Some(Value::String(s)) => s.clone(),
                        Some(other) => other.to_string(),
                        None => String::new(),
                    };
                    let _ = write!(
                        details,
                        "<member><Target><Attribute>Properties</Attribute><Name>{name}</Name><Path>/Properties/{name}\
                         </Path>{}{}<RequiresRecreation>{}</RequiresRecreation></Target><Evaluation>Static</Evaluation>\
                         <ChangeSource>DirectModification</ChangeSource></member>",
                        element("BeforeValue", &text(was.get(name))),
                        element("AfterValue", &text(is.get(name))),
                        if name_is_identity { "Always" } else { "Never" }
                    );
                }
                let replacement = if anew { "True" } else { "False" };
                let physical = made(id, before).physical;
                let rest = format!(
                    "<PhysicalResourceId>{physical}</PhysicalResourceId><Replacement>{replacement}</Replacement>\
                     <Details>{details}</Details>"
                );
                member(&mut all, "Modify", id, &kind(resource), &rest);
            }
            Some(_) => {}
        }
    }
    for (id, resource) in old.iter().filter(|(id, _)| !new.contains_key(*id)) {
        let policy = if resource["DeletionPolicy"] == "Retain" { "<PolicyAction>Retain</PolicyAction>" } else { "" };
        let rest = format!("{policy}<PhysicalResourceId>{}</PhysicalResourceId>", made(id, resource).physical);
        member(&mut all, "Remove", id, &kind(resource), &rest);
    }
    all
}
