//! Who is told of new objects: permissions that must be there first, and rules that overlap. And what gives a queue's
//! messages to functions.

use serde_json::{Value, json};

use super::{Fault, Part, Template, targets, written};
use crate::{
    cloud::resources::{Notification, NotificationTarget},
    deploy::template::storage::overlap,
};

/// A bucket's notifications by their kind: the list, and the field that names who is told.
const LISTS: [(&str, &str); 3] =
    [("LambdaConfigurations", "Function"), ("TopicConfigurations", "Topic"), ("QueueConfigurations", "Queue")];

pub(super) fn check(template: &Template<'_>, faults: &mut Vec<Fault>) {
    for bucket in template.all("AWS::S3::Bucket") {
        let mut rules = Vec::new();
        for (list, field) in LISTS {
            for item in bucket.items(&format!("/NotificationConfiguration/{list}")) {
                let event = item.get("Event").and_then(Value::as_str).unwrap_or_default();
                rules.push((event, rule(item)));
                let Some(told) = item.get(field).map(targets).and_then(|t| t.first().map(|t| t.id)) else { continue };
                if let Some(fault) = unpermitted(template, bucket, told) {
                    faults.push(fault);
                }
            }
        }
        for (i, (event, rule)) in rules.iter().enumerate() {
            if rules.iter().skip(i + 1).any(|(e, r)| alike(event, e) && overlap(rule, r)) {
                faults.push(bucket.fault(
                    format!("two notifications are about keys like {:?}…{:?}", rule.prefix, rule.suffix),
                    "S3 refuses rules that overlap: tell all but one by EventBridge",
                ));
            }
        }
    }
}

/// Lambda refuses a queue whose messages are seen again while the function may still be at work on them.
pub(super) fn sources(template: &Template<'_>, faults: &mut Vec<Fault>) {
    for mapping in template.all("AWS::Lambda::EventSourceMapping") {
        let part = |pointer: &str| mapping.at(pointer).map(targets).and_then(|t| template.get(t.first()?.id));
        let (Some(queue), Some(function)) = (part("/EventSourceArn"), part("/FunctionName")) else { continue };
        if queue.kind != "AWS::SQS::Queue" {
            continue;
        }
        let seconds = |part: &Part<'_>, pointer, default| part.at(pointer).and_then(Value::as_u64).unwrap_or(default);
        // CloudFormation's own, where nothing is said.
        let (visible, timeout) = (seconds(queue, "/VisibilityTimeout", 30), seconds(function, "/Timeout", 3));
        if visible < timeout {
            faults.push(queue.fault(
                format!("a message is seen again after {visible} s, and {} may take {timeout} s", function.id),
                "raise VisibilityTimeout to the function's Timeout at least",
            ));
        }
    }
}

/// Whether one event may be meant by both.
fn alike(a: &str, b: &str) -> bool {
    let stem = |e: &str| e.trim_end_matches('*').to_owned();
    a.starts_with(&stem(b)) || b.starts_with(&stem(a))
}

fn rule(item: &Value) -> Notification {
    let rules = item.pointer("/Filter/S3Key/Rules").and_then(Value::as_array).cloned().unwrap_or_default();
    let value = |name: &str| {
        let found = rules.iter().find(|r| r.get("Name").is_some_and(|n| n == name));
        found.and_then(|r| r.get("Value")).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    Notification { prefix: value("prefix"), suffix: value("suffix"), target: NotificationTarget::Topic(String::new()) }
}

/// S3 looks whether it may tell somebody when it takes the configuration: the permission must be there by then.
fn unpermitted(template: &Template<'_>, bucket: &Part<'_>, told: &str) -> Option<Fault> {
    let (permissions, what): (Vec<&Part<'_>>, _) = match template.get(told)?.kind {
        "AWS::Lambda::Function" => {
            let permits = |p: &&Part<'_>| {
                let function = p.at("/FunctionName").map(targets).unwrap_or_default();
                p.text("/Principal") == Some("s3.amazonaws.com") && function.iter().any(|t| t.id == told)
            };
            (template.all("AWS::Lambda::Permission").filter(permits).collect(), "an AWS::Lambda::Permission")
        }
        "AWS::SNS::Topic" => {
            let about = |p: &&Part<'_>| {
                let topics = p.at("/Topics").map(targets).unwrap_or_default();
                let text = p.at("/PolicyDocument").map(Value::to_string).unwrap_or_default();
                topics.iter().any(|t| t.id == told) && text.contains("s3.amazonaws.com")
            };
            (template.all("AWS::SNS::TopicPolicy").filter(about).collect(), "an AWS::SNS::TopicPolicy")
        }
        "AWS::SQS::Queue" => {
            let about = |p: &&Part<'_>| {
                let queues = p.at("/Queues").map(targets).unwrap_or_default();
                let text = p.at("/PolicyDocument").map(Value::to_string).unwrap_or_default();
                queues.iter().any(|t| t.id == told) && text.contains("s3.amazonaws.com")
            };
            (template.all("AWS::SQS::QueuePolicy").filter(about).collect(), "an AWS::SQS::QueuePolicy")
        }
        _ => return None,
    };
    if permissions.is_empty() {
        return Some(bucket.fault(format!("S3 may not tell {told}"), format!("add {what} for s3.amazonaws.com")));
    }
    let waits = bucket.waits_for();
    if permissions.iter().any(|p| waits.contains(&p.id)) {
        return None;
    }
    let ids: Vec<&str> = permissions.iter().map(|p| p.id).collect();
    let own = json!({"Ref": bucket.id});
    // A permission that refers to the bucket could not come before it.
    let circular = permissions.iter().any(|p| {
        p.at("/SourceArn").is_some_and(|arn| *arn == own || targets(arn).iter().any(|t| t.id == bucket.id))
            || p.at("/SourceArn").and_then(written).is_some_and(|t| t.contains(&format!("${{{}", bucket.id)))
    });
    let mend = if circular {
        "name the bucket in the permission's SourceArn by its name, and let the bucket wait for it with DependsOn"
            .to_owned()
    } else {
        format!("add DependsOn {} to the bucket", ids.join(", "))
    };
    Some(bucket.fault(format!("S3 is told to tell {told} before it may"), mend))
}
