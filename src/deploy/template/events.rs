//! What starts by itself: schedules, rules for new objects, and where invocations go that failed for good.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    Body, Entry, Result, TemplateError,
    json::{arn, att, function_arn, reference},
    queues::tls_only,
};
use crate::cloud::{
    resources::{Graph, Notification, NotificationTarget, Properties, Resource, Schedule, ScheduleTarget},
    schedule,
};

/// AWS Glue starts nothing more often than so many minutes.
const GLUE_MINUTES: i64 = 5;
/// Characters of a stack's name that are left in each name that CloudFormation makes: with the logical id and a random end
/// it is to have 64 at most.
const KEPT: usize = 25;

impl<'a> Body<'a> {
    pub(super) fn schedule(&mut self, resource: &'a Resource, schedule: &'a Schedule) -> Result<()> {
        let id = &resource.logical_id;
        match &schedule.target {
            ScheduleTarget::Function(name) => {
                let function = self.id(resource, "function", name)?;
                let properties = json!({
                    "Name": resource.physical_name,
                    "Description": format!("Invokes {name}"),
                    "ScheduleExpression": schedule.expression,
                    "State": "ENABLED",
                    "Targets": [target(function)],
                });
                self.add(id, Entry::new("AWS::Events::Rule", properties).of(resource));
                self.permit_rule(&format!("{id}Permission"), function, id);
            }
            ScheduleTarget::Job(name) | ScheduleTarget::Crawler(name) => {
                let action = match &schedule.target {
                    ScheduleTarget::Crawler(_) => {
                        json!({"CrawlerName": reference(self.id(resource, "crawler", name)?)})
                    }
                    _ => json!({"JobName": reference(self.id(resource, "job", name)?)}),
                };
                let cron = glue_cron(&schedule.expression)
                    .map_err(|why| TemplateError::Schedule { name: resource.name.clone(), why })?;
                let properties = json!({
                    "Name": resource.physical_name,
                    "Description": format!("Starts {name}"),
                    "Type": "SCHEDULED",
                    "Schedule": cron,
                    "StartOnCreation": true,
                    "Actions": [action],
                });
                self.add(id, Entry::new("AWS::Glue::Trigger", properties).of(resource));
            }
        }
        Ok(())
    }

    /// A rule of EventBridge for new objects, where S3 itself would refuse one more.
    pub(super) fn object_rule(&mut self, bucket: &'a Resource, rule: &'a Notification) -> Result<()> {
        let told = match &rule.target {
            NotificationTarget::Function(name) => self.id(bucket, "function", name)?,
            NotificationTarget::Topic(name) => self.id(bucket, "topic", name)?,
            NotificationTarget::Queue(name) => self.id(bucket, "queue", name)?,
        };
        let base = format!("{}To{told}", bucket.logical_id);
        let mut ids = (2..).map(|n| format!("{base}{n}"));
        let mut id = base.clone();
        while self.resources.contains_key(&id) {
            let Some(next) = ids.next() else { break };
            id = next;
        }
        let mut detail = json!({"bucket": {"name": [reference(&bucket.logical_id)]}});
        if let Some(keys) = keys(rule) {
            detail["object"] = json!({"key": [keys]});
        }
        let function = matches!(rule.target, NotificationTarget::Function(_));
        let told_arn = match rule.target {
            NotificationTarget::Queue(_) => att(told, "Arn"),
            _ => reference(told),
        };
        let properties = json!({
            "Description": format!("Tells {told} of new objects in {}", bucket.physical_name),
            "EventPattern": {"source": ["aws.s3"], "detail-type": ["Object Created"], "detail": detail},
            "State": "ENABLED",
            "Targets": [if function { target(told) } else { json!({"Id": told, "Arn": told_arn}) }],
        });
        self.add(&id, Entry::new("AWS::Events::Rule", properties));
        if function {
            self.permit_rule(&format!("{id}Permission"), told, &id);
        }
        Ok(())
    }

    /// Lets a rule of EventBridge invoke a function.
    pub(super) fn permit_rule(&mut self, id: &str, function: &str, rule: &str) {
        let properties = json!({
            "FunctionName": reference(function),
            "Action": "lambda:InvokeFunction",
            "Principal": "events.amazonaws.com",
            "SourceArn": arn("events", &format!("rule/${{{rule}}}")),
        });
        self.add(id, Entry::new("AWS::Lambda::Permission", properties));
    }

    /// The ARNs of the stack's rules, whoever named them.
    pub(super) fn rules(&self) -> Value {
        let Graph { stack, pipeline, .. } = self.graph;
        // A pipeline's own name is short enough.
        let kept = if stack.len() > KEPT { pipeline } else { stack };
        arn("events", &format!("rule/{kept}-*"))
    }

    /// Whether a function is invoked without somebody who waits for its answer.
    pub(super) fn asynchronous(&self, function: &str) -> bool {
        if self.told_of_ends(&NotificationTarget::Function(function.to_owned())) {
            return true;
        }
        self.graph.resources.iter().any(|r| match &r.properties {
            Properties::Schedule(s) => s.target == ScheduleTarget::Function(function.to_owned()),
            Properties::Bucket(b) => {
                b.on_created.iter().any(|n| n.target == NotificationTarget::Function(function.to_owned()))
            }
            _ => false,
        })
    }

    /// The queue for events that a function failed on for good.
    pub(super) fn dead_letters(&mut self, function: &Resource) {
        let id = dead_letters_id(&function.logical_id);
        let properties = json!({
            "QueueName": format!("{}-dead-letters", function.physical_name),
            // Two weeks, the longest that there is: time to look at what failed.
            "MessageRetentionPeriod": 1_209_600,
            "SqsManagedSseEnabled": true,
        });
        self.add(&id, Entry::new("AWS::SQS::Queue", properties));
        let mut statements = vec![json!({
            "Sid": "RulesOfThisStack",
            "Effect": "Allow",
            "Principal": {"Service": "events.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": att(&id, "Arn"),
            "Condition": {"ArnLike": {"aws:SourceArn": self.rules()}},
        })];
        if !self.options.emulated {
            statements.push(tls_only(&id));
        }
        let policy = json!({
            "Queues": [reference(&id)],
            "PolicyDocument": {"Version": "2012-10-17", "Statement": statements},
        });
        self.add(&format!("{id}Policy"), Entry::new("AWS::SQS::QueuePolicy", policy));
    }
}

/// The logical id of a function's queue for what failed.
pub(super) fn dead_letters_id(function: &str) -> String {
    format!("{function}DeadLetters")
}

/// A function as the target of a rule; what cannot be handed to it goes where its own failures go.
pub(super) fn target(function: &str) -> Value {
    json!({
        "Id": function,
        "Arn": function_arn(function),
        "DeadLetterConfig": {"Arn": att(&dead_letters_id(function), "Arn")},
    })
}

/// Which keys a rule is about, in an event pattern's words; none: all.
fn keys(rule: &Notification) -> Option<Value> {
    let literal = |text: &str| text.replace('\\', "\\\\").replace('*', "\\*");
    match (rule.prefix.as_str(), rule.suffix.as_str()) {
        ("", "") => None,
        (prefix, "") => Some(json!({"prefix": prefix})),
        ("", suffix) => Some(json!({"suffix": suffix})),
        (prefix, suffix) => Some(json!({"wildcard": format!("{}*{}", literal(prefix), literal(suffix))})),
    }
}

/// A schedule in AWS Glue's words, which are cron's alone.
pub(super) fn glue_cron(expression: &str) -> std::result::Result<String, String> {
    let parsed = schedule::Schedule::parse(expression).map_err(|e| e.to_string())?;
    let cron = match parsed.period() {
        None => parsed.to_string(),
        Some(period) => {
            let minutes = period.as_mins();
            let (hours, days) = (minutes / 60, minutes / 60 / 24);
            match () {
                () if days >= 1 && minutes == 24 * 60 => "cron(0 0 * * ? *)".to_owned(),
                () if hours >= 1 && minutes % 60 == 0 && 24 % hours == 0 => every("cron(0 {} * * ? *)", hours),
                () if (1..60).contains(&minutes) && 60 % minutes == 0 => every("cron({} * * * ? *)", minutes),
                () => {
                    return Err(format!(
                        "AWS Glue has cron schedules alone, and {expression} is none of them: write a cron, or a rate \
                         that divides an hour or a day evenly"
                    ));
                }
            }
        }
    };
    if let Some(gap) = shortest_gap(&cron).filter(|gap| *gap < GLUE_MINUTES) {
        return Err(format!(
            "AWS Glue starts a job every {GLUE_MINUTES} minutes at most, and {expression} comes after {gap}: let it come \
             less often"
        ));
    }
    Ok(cron)
}

fn every(form: &str, step: i64) -> String {
    form.replace("{}", &if step == 1 { "*".to_owned() } else { format!("0/{step}") })
}

/// The fewest minutes between two of a cron's next times.
fn shortest_gap(cron: &str) -> Option<i64> {
    let parsed = schedule::Schedule::parse(cron).ok()?;
    let mut gaps = BTreeSet::new();
    let mut last = parsed.next_after(Timestamp::UNIX_EPOCH)?;
    // The minutes of a cron come back every hour, so a few hundred times hold its shortest gap.
    for _ in 0..300 {
        let Some(next) = parsed.next_after(last) else { break };
        gaps.insert(next.duration_since(last).as_mins());
        last = next;
    }
    gaps.first().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_of_a_job_becomes_a_cron_where_it_can() {
        for (expression, cron) in [
            ("cron(5 * * * ? *)", "cron(5 * * * ? *)"),
            ("rate(5 minutes)", "cron(0/5 * * * ? *)"),
            ("rate(1 hour)", "cron(0 * * * ? *)"),
            ("rate(6 hours)", "cron(0 0/6 * * ? *)"),
            ("rate(1 day)", "cron(0 0 * * ? *)"),
        ] {
            assert_eq!(glue_cron(expression), Ok(cron.to_owned()));
        }
        for (expression, why) in [
            ("rate(7 minutes)", "a rate that divides an hour"),
            ("rate(90 minutes)", "a rate that divides an hour"),
            ("rate(2 days)", "a rate that divides an hour"),
            ("rate(1 minute)", "every 5 minutes at most"),
            ("cron(0/2 8 * * ? *)", "comes after 2"),
            ("cron(58,1 * * * ? *)", "comes after 3"),
        ] {
            let error = glue_cron(expression).unwrap_err();
            assert!(error.contains(why), "{expression}: {error}");
        }
    }

    #[test]
    fn a_key_is_matched_as_it_is_written() {
        let rule = |prefix: &str, suffix: &str| Notification {
            prefix: prefix.into(),
            suffix: suffix.into(),
            target: NotificationTarget::Topic("t".into()),
        };
        assert_eq!(keys(&rule("", "")), None);
        assert_eq!(keys(&rule("raw/", "")), Some(json!({"prefix": "raw/"})));
        assert_eq!(keys(&rule("", ".json")), Some(json!({"suffix": ".json"})));
        assert_eq!(keys(&rule("a*b\\/", ".json")), Some(json!({"wildcard": "a\\*b\\\\/*.json"})));
    }
}
