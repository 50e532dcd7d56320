//! CloudFormation as a small state machine, with the corners that a real one shows on its bad days; and as much of S3 and
//! STS as a deploy needs.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt::Write as _,
    sync::{Arc, Mutex, MutexGuard},
};

use serde_json::Value;

use crate::fake::{Answer, Asked};

pub const ACCOUNT: &str = "123456789012";

/// One stack.
#[derive(Debug, Clone, Default)]
pub struct Stack {
    pub name: String,
    pub id: String,
    pub status: String,
    pub reason: String,
    pub template: String,
    pub resources: Vec<Resource>,
    pub events: Vec<Event>,
    pub tags: Vec<(String, String)>,
    pub protected: bool,
    pub outputs: Vec<(String, String)>,
    pub drift: Option<String>,
    /// What is still to happen, a step a look.
    pub steps: VecDeque<Step>,
}

#[derive(Debug, Clone, Default)]
pub struct Resource {
    pub id: String,
    pub kind: String,
    pub physical: String,
    pub status: String,
}

#[derive(Debug, Clone, Default)]
pub struct Event {
    pub id: String,
    pub resource: Option<Resource>,
    pub status: String,
    pub reason: String,
    pub token: String,
    pub second: u32,
}

/// One thing that happens.
#[derive(Debug, Clone)]
pub enum Step {
    /// The stack gets a status.
    Stack(String, String),
    /// A resource gets a status.
    Resource(Resource, String, String),
    /// The template counts from now on.
    Template(String),
    /// The resource is gone.
    Gone(String),
}

#[derive(Debug, Clone, Default)]
pub struct ChangeSet {
    pub id: String,
    pub name: String,
    pub stack: String,
    pub creates: bool,
    pub status: String,
    pub reason: String,
    pub changes: String,
    pub template: String,
    pub created: String,
}

/// Everything, and what is to go wrong.
#[derive(Debug, Default)]
pub struct State {
    pub stacks: Vec<Stack>,
    pub change_sets: Vec<ChangeSet>,
    pub objects: BTreeMap<String, Vec<u8>>,
    /// Per operation: answers to give instead, the next first.
    pub instead: BTreeMap<String, VecDeque<Answer>>,
    /// The `<member>`s of the next change sets, rather than those that follow from the templates.
    pub changes: Option<String>,
    /// Resources that cannot be made or changed, and why.
    pub broken: BTreeMap<String, String>,
    /// Resources that cannot be rolled back, and why.
    pub stuck: BTreeMap<String, String>,
    /// Resources that cannot be deleted, and why.
    pub undeletable: BTreeMap<String, String>,
    /// How many steps happen between two looks.
    pub speed: usize,
    /// The `<member>`s of DescribeStackResourceDrifts, and of DescribeEvents.
    pub drifts: String,
    pub validation: String,
    /// The capabilities that a template needs.
    pub needs: Option<&'static str>,
    ticks: u32,
    detections: u32,
}

/// The endpoint's mind. Cheap to clone.
#[derive(Clone)]
pub struct CloudFormation(Arc<Mutex<State>>);

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn element(name: &str, value: &str) -> String {
    if value.is_empty() { String::new() } else { format!("<{name}>{}</{name}>", escaped(value)) }
}

fn result(operation: &str, inside: &str) -> Answer {
    Answer::xml(format!(
        "<{operation}Response xmlns=\"http://cloudformation.amazonaws.com/doc/2010-05-15/\"><{operation}Result>{inside}\
         </{operation}Result></{operation}Response>"
    ))
}

fn no_stack(name: &str) -> Answer {
    Answer::xml_error(400, "ValidationError", &format!("Stack with id {name} does not exist"))
}

fn time(second: u32) -> String {
    format!("2026-11-20T{:02}:{:02}:{:02}Z", 10 + second / 3600, second / 60 % 60, second % 60)
}

/// Resources of a template: logical id, type, properties.
fn resources(template: &str) -> BTreeMap<String, Value> {
    let json: Value = serde_json::from_str(template).unwrap_or_default();
    json["Resources"].as_object().map(|m| m.iter().map(|(k, v)| (k.clone(), v.clone())).collect()).unwrap_or_default()
}

fn made(id: &str, resource: &Value) -> Resource {
    let kind = resource["Type"].as_str().unwrap_or_default().to_owned();
    let properties = &resource["Properties"];
    let own = ["BucketName", "FunctionName", "TopicName", "Name"].iter().find_map(|n| properties[*n].as_str());
    let physical = own.map_or_else(|| format!("made-{}", id.to_lowercase()), str::to_owned);
    let physical =
        if kind == "AWS::SNS::Topic" { format!("arn:aws:sns:eu-west-1:{ACCOUNT}:{physical}") } else { physical };
    Resource { id: id.to_owned(), kind, physical, status: String::new() }
}

impl CloudFormation {
    /// With a bootstrap stack.
    pub fn new() -> Self {
        let fake = Self(Arc::new(Mutex::new(State { speed: 2, ..State::default() })));
        let role = format!("arn:aws:iam::{ACCOUNT}:role/pumphouse-cloudformation");
        fake.add("pumphouse-bootstrap", "CREATE_COMPLETE", "{}").outputs.push(("ServiceRoleArn".into(), role));
        fake
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Adds a stack as it is.
    pub fn add(&self, name: &str, status: &str, template: &str) -> StackGuard<'_> {
        let mut state = self.state();
        let at = state.stacks.len();
        let all = resources(template);
        let mut stack = Stack {
            name: name.into(),
            id: format!("arn:aws:cloudformation:eu-west-1:{ACCOUNT}:stack/{name}/{at}"),
            status: status.into(),
            template: template.into(),
            ..Stack::default()
        };
        stack.resources =
            all.iter().map(|(id, r)| Resource { status: "CREATE_COMPLETE".into(), ..made(id, r) }).collect();
        state.stacks.push(stack);
        state.happen(at, Step::Stack(status.into(), String::new()), "old-token");
        StackGuard(state, at)
    }

    /// The stack of this name that is there, or was last.
    pub fn stack(&self, name: &str) -> Stack {
        self.state().stacks.iter().rev().find(|s| s.name == name).cloned().unwrap_or_default()
    }

    pub fn answer(&self, asked: &Asked) -> Answer {
        let mut state = self.state();
        let key = if asked.operation.is_empty() { asked.method.clone() } else { asked.operation.clone() };
        if let Some(answer) = state.instead.get_mut(&key).and_then(VecDeque::pop_front) {
            return answer;
        }
        match asked.service.as_str() {
            "sts" => Answer::xml(format!(
                "<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:iam::{ACCOUNT}:user/ada</Arn>\
                 <Account>{ACCOUNT}</Account></GetCallerIdentityResult></GetCallerIdentityResponse>"
            )),
            "s3" => state.object(asked),
            "cloudformation" => state.operation(asked),
            _ => Answer::json(&serde_json::json!({})),
        }
    }
}

/// A stack that was just added.
pub struct StackGuard<'a>(MutexGuard<'a, State>, usize);

impl std::ops::Deref for StackGuard<'_> {
    type Target = Stack;
    fn deref(&self) -> &Stack {
        &self.0.stacks[self.1]
    }
}

impl std::ops::DerefMut for StackGuard<'_> {
    fn deref_mut(&mut self) -> &mut Stack {
        &mut self.0.stacks[self.1]
    }
}

impl State {
    /// Lets one thing happen to a stack, and writes the event.
    pub fn happen(&mut self, at: usize, step: Step, token: &str) {
        self.ticks += 1;
        let second = self.ticks;
        let stack = &mut self.stacks[at];
        let mut event = Event { id: format!("e-{second}"), token: token.into(), second, ..Event::default() };
        match step {
            Step::Stack(status, reason) => {
                stack.status.clone_from(&status);
                stack.reason.clone_from(&reason);
                (event.status, event.reason) = (status, reason);
            }
            Step::Resource(mut resource, status, reason) => {
                resource.status.clone_from(&status);
                match stack.resources.iter_mut().find(|r| r.id == resource.id) {
                    Some(there) => *there = resource.clone(),
                    None => stack.resources.push(resource.clone()),
                }
                (event.status, event.reason, event.resource) = (status, reason, Some(resource));
            }
            Step::Template(template) => {
                stack.template = template;
                return;
            }
            Step::Gone(id) => {
                stack.resources.retain(|r| r.id != id);
                return;
            }
        }
        stack.events.push(event);
    }

    fn find(&self, name: &str) -> Option<usize> {
        self.stacks
            .iter()
            .position(|s| s.id == name)
            .or_else(|| self.stacks.iter().position(|s| s.name == name && s.status != "DELETE_COMPLETE"))
    }

    /// What happens between two looks.
    fn advance(&mut self, at: usize) {
        for _ in 0..self.speed {
            let Some(step) = self.stacks[at].steps.pop_front() else { return };
            let token = self.stacks[at].events.last().map(|e| e.token.clone()).unwrap_or_default();
            self.happen(at, step, &token);
        }
    }

    fn object(&mut self, asked: &Asked) -> Answer {
        let key = asked.path.trim_matches('/').to_owned();
        match asked.method.as_str() {
            "HEAD" if self.objects.contains_key(&key) => Answer::text(200, "", ""),
            "HEAD" => Answer::text(404, "", ""),
            "PUT" => {
                self.objects.insert(key, asked.body.to_vec());
                Answer::text(200, "", "").header("etag", "\"x\"")
            }
            "POST" => {
                // Delete: everything below the bucket.
                self.objects.retain(|k, _| !k.starts_with(&format!("{key}/")));
                Answer::xml("<DeleteResult/>")
            }
            _ if asked.params.contains_key("uploads") => Answer::xml("<ListMultipartUploadsResult/>"),
            _ => {
                let mut list = String::from("<ListVersionsResult><IsTruncated>false</IsTruncated>");
                for k in self.objects.keys().filter_map(|k| k.strip_prefix(&format!("{key}/"))) {
                    let _ = write!(
                        list,
                        "<Version><Key>{k}</Key><VersionId>v</VersionId><IsLatest>true</IsLatest><Size>1</Size></Version>"
                    );
                }
                Answer::xml(list + "</ListVersionsResult>")
            }
        }
    }

    fn operation(&mut self, asked: &Asked) -> Answer {
        let name = asked.params.get("StackName").cloned().unwrap_or_default();
        let at = self.find(&name);
        match asked.operation.as_str() {
            "DescribeStacks" => self.describe_stacks(&name),
            "ListStackResources" => at.map_or_else(|| no_stack(&name), |at| self.list_resources(at)),
            "DescribeStackEvents" => at.map_or_else(|| no_stack(&name), |at| self.describe_events(at)),
            "GetTemplate" => at.map_or_else(
                || no_stack(&name),
                |at| result("GetTemplate", &element("TemplateBody", &self.stacks[at].template)),
            ),
            "CreateChangeSet" => self.create_change_set(asked, &name),
            "DescribeChangeSet" => self.describe_change_set(asked),
            "DeleteChangeSet" => {
                let id = &asked.params["ChangeSetName"];
                self.change_sets.retain(|c| c.id != *id && c.name != *id);
                result("DeleteChangeSet", "")
            }
            "ListChangeSets" => {
                let id = at.map(|at| self.stacks[at].id.clone()).unwrap_or_default();
                let members: String =
                    self.change_sets.iter().filter(|c| c.stack == id).fold(String::new(), |all, c| {
                        all + &format!(
                            "<member><ChangeSetName>{}</ChangeSetName><ChangeSetId>{}</ChangeSetId><CreationTime>{}\
                         </CreationTime></member>",
                            c.name, c.id, c.created
                        )
                    });
                result("ListChangeSets", &format!("<Summaries>{members}</Summaries>"))
            }
            "ExecuteChangeSet" => self.execute(asked),
            "DeleteStack" => at.map_or_else(|| result("DeleteStack", ""), |at| self.delete(asked, at)),
            "ContinueUpdateRollback" => at.map_or_else(|| no_stack(&name), |at| self.continue_rollback(asked, at)),
            "UpdateTerminationProtection" => at.map_or_else(
                || no_stack(&name),
                |at| {
                    self.stacks[at].protected = asked.params["EnableTerminationProtection"] == "true";
                    result("UpdateTerminationProtection", "")
                },
            ),
            "DescribeEvents" => {
                result("DescribeEvents", &format!("<OperationEvents>{}</OperationEvents>", self.validation))
            }
            "DetectStackDrift" => result("DetectStackDrift", &element("StackDriftDetectionId", "d-1")),
            "DescribeStackDriftDetectionStatus" => {
                self.detections += 1;
                let status = if self.detections < 2 { "DETECTION_IN_PROGRESS" } else { "DETECTION_COMPLETE" };
                let drift = if self.drifts.is_empty() { "IN_SYNC" } else { "DRIFTED" };
                let inside = element("DetectionStatus", status) + &element("StackDriftStatus", drift);
                result("DescribeStackDriftDetectionStatus", &(inside + &element("Timestamp", &time(0))))
            }
            "DescribeStackResourceDrifts" => {
                let drifts = format!("<StackResourceDrifts>{}</StackResourceDrifts>", self.drifts);
                result("DescribeStackResourceDrifts", &drifts)
            }
            other => Answer::xml_error(400, "InvalidAction", other),
        }
    }

    fn describe_stacks(&mut self, name: &str) -> Answer {
        let chosen: Vec<usize> = if name.is_empty() {
            (0..self.stacks.len()).filter(|at| self.stacks[*at].status != "DELETE_COMPLETE").collect()
        } else {
            match self.find(name) {
                Some(at) => vec![at],
                None => return no_stack(name),
            }
        };
        let members: String = chosen.iter().fold(String::new(), |all, at| {
            let s = &self.stacks[*at];
            let tags = s
                .tags
                .iter()
                .fold(String::new(), |all, (k, v)| all + &format!("<member><Key>{k}</Key><Value>{v}</Value></member>"));
            let outputs = s.outputs.iter().fold(String::new(), |all, (k, v)| {
                all + &format!("<member><OutputKey>{k}</OutputKey><OutputValue>{v}</OutputValue></member>")
            });
            let drift = s
                .drift
                .as_ref()
                .map(|d| format!("<DriftInformation><StackDriftStatus>{d}</StackDriftStatus></DriftInformation>"));
            all + &format!(
                "<member><StackId>{}</StackId><StackName>{}</StackName><CreationTime>{}</CreationTime><StackStatus>{}\
                 </StackStatus>{}<EnableTerminationProtection>{}</EnableTerminationProtection><Tags>{tags}</Tags>\
                 <Outputs>{outputs}</Outputs>{}</member>",
                s.id,
                s.name,
                time(0),
                s.status,
                element("StackStatusReason", &s.reason),
                s.protected,
                drift.unwrap_or_default()
            )
        });
        result("DescribeStacks", &format!("<Stacks>{members}</Stacks>"))
    }

    fn list_resources(&self, at: usize) -> Answer {
        let members = self.stacks[at].resources.iter().fold(String::new(), |all, r| {
            all + &format!(
                "<member><LogicalResourceId>{}</LogicalResourceId><PhysicalResourceId>{}</PhysicalResourceId>\
                 <ResourceType>{}</ResourceType><ResourceStatus>{}</ResourceStatus><LastUpdatedTimestamp>{}\
                 </LastUpdatedTimestamp></member>",
                r.id,
                r.physical,
                r.kind,
                r.status,
                time(0)
            )
        });
        result("ListStackResources", &format!("<StackResourceSummaries>{members}</StackResourceSummaries>"))
    }

    fn describe_events(&mut self, at: usize) -> Answer {
        self.advance(at);
        let s = &self.stacks[at];
        let members = s.events.iter().rev().fold(String::new(), |all, e| {
            let (id, physical, kind) = match &e.resource {
                Some(r) => (r.id.as_str(), r.physical.as_str(), r.kind.as_str()),
                None => (s.name.as_str(), s.id.as_str(), "AWS::CloudFormation::Stack"),
            };
            all + &format!(
                "<member><StackId>{}</StackId><EventId>{}</EventId><StackName>{}</StackName>\
                 <LogicalResourceId>{id}</LogicalResourceId><PhysicalResourceId>{physical}</PhysicalResourceId>\
                 <ResourceType>{kind}</ResourceType><Timestamp>{}</Timestamp><ResourceStatus>{}</ResourceStatus>{}{}\
                 </member>",
                s.id,
                e.id,
                s.name,
                time(e.second),
                e.status,
                element("ResourceStatusReason", &e.reason),
                element("ClientRequestToken", &e.token)
            )
        });
        result("DescribeStackEvents", &format!("<StackEvents>{members}</StackEvents>"))
    }
}

#[path = "cloudformation_changes.rs"]
mod changes;
