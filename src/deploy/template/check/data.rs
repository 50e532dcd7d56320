//! Buckets, streams, deliveries, jobs, topics.

use serde_json::Value;

use super::{Fault, Part, Template, written};
use crate::deploy::template::events::glue_cron;

/// The characters of the longest account and region, in place of what stands for them.
const LONGEST: [(&str, usize); 2] = [("${AWS::AccountId}", 12), ("${AWS::Region}", 14)];
const BUCKET_NAME: std::ops::RangeInclusive<usize> = 3..=63;
/// Days before which S3 moves nothing to infrequent access.
const IA_DAYS: u64 = 30;
const GLUE_VERSIONS: [&str; 4] = ["3.0", "4.0", "5.0", "5.1"];
const PROTOCOLS: [&str; 9] =
    ["application", "email", "email-json", "firehose", "http", "https", "lambda", "sms", "sqs"];
const RETENTION_HOURS: std::ops::RangeInclusive<u64> = 24..=8_760;

pub(super) fn check(template: &Template<'_>, faults: &mut Vec<Fault>) {
    for part in &template.resources {
        match part.kind {
            "AWS::S3::Bucket" => bucket(part, faults),
            "AWS::Kinesis::Stream" => {
                let hours = part.at("/RetentionPeriodHours").and_then(Value::as_u64);
                if let Some(hours) = hours.filter(|h| !RETENTION_HOURS.contains(h)) {
                    faults.push(part.fault(
                        format!("Kinesis keeps no record for {hours} hours"),
                        "RetentionPeriodHours is 24 to 8760",
                    ));
                }
            }
            "AWS::KinesisFirehose::DeliveryStream" => delivery(part, faults),
            "AWS::Glue::Job" => {
                let version = part.text("/GlueVersion").unwrap_or("none");
                if !GLUE_VERSIONS.contains(&version) {
                    let mend = format!("GlueVersion is one of {}", GLUE_VERSIONS.join(", "));
                    faults.push(part.fault(format!("there is no AWS Glue {version}"), mend));
                }
            }
            "AWS::Glue::Trigger" if part.text("/Type") == Some("SCHEDULED") => {
                let schedule = part.text("/Schedule").unwrap_or_default();
                if !schedule.starts_with("cron(") {
                    let what = format!("{schedule:?} is no schedule of AWS Glue");
                    faults.push(part.fault(what, "write a cron with six fields: cron(5 * * * ? *)"));
                } else if let Err(why) = glue_cron(schedule) {
                    faults.push(part.fault(format!("{schedule:?} is no schedule of AWS Glue"), why));
                }
            }
            "AWS::SNS::Subscription" => {
                let protocol = part.text("/Protocol").unwrap_or("none");
                if !PROTOCOLS.contains(&protocol) {
                    let mend = format!("Protocol is one of {}", PROTOCOLS.join(", "));
                    faults.push(part.fault(format!("SNS has no protocol {protocol:?}"), mend));
                }
            }
            _ => {}
        }
    }
}

fn bucket(part: &Part<'_>, faults: &mut Vec<Fault>) {
    if let Some(name) = part.at("/BucketName").and_then(written) {
        let length = LONGEST.iter().fold(name.len(), |length, (text, longest)| {
            let times = name.matches(text).count();
            length + times * longest - times * text.len()
        });
        if !BUCKET_NAME.contains(&length) {
            faults.push(part.fault(
                format!("the bucket's name {name} comes to {length} characters, and S3 takes 63"),
                "shorten the name of the pipeline, of the environment or of the bucket",
            ));
        }
        let fixed = LONGEST.iter().fold(name.to_owned(), |name, (text, _)| name.replace(text, "0"));
        let fine = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.".contains(&b);
        if !fixed.bytes().all(fine) {
            let what = format!("{name} is no name for a bucket");
            faults.push(part.fault(what, "it has lower-case letters, digits and `-`"));
        }
    }
    for rule in part.items("/LifecycleConfiguration/Rules") {
        let transitions = rule.get("Transitions").and_then(Value::as_array).into_iter().flatten();
        for transition in transitions.chain(rule.get("Transition")) {
            let class = transition.get("StorageClass").and_then(Value::as_str).unwrap_or_default();
            let days = transition.get("TransitionInDays").and_then(Value::as_u64);
            if let Some(days) = days.filter(|d| class.ends_with("_IA") && *d < IA_DAYS) {
                let what = format!("objects would move to {class} after {days} days");
                faults.push(part.fault(what, "S3 moves none to infrequent access before 30 days"));
            }
        }
    }
}

fn delivery(part: &Part<'_>, faults: &mut Vec<Fault>) {
    let at = |name: &str| part.text(&format!("/ExtendedS3DestinationConfiguration/{name}"));
    let (prefix, errors) = (at("Prefix").unwrap_or_default(), at("ErrorOutputPrefix"));
    let own = |text: &str| text.contains("!{");
    match errors {
        None if own(prefix) => faults.push(part.fault(
            "Prefix has expressions, and there is no ErrorOutputPrefix",
            "add ErrorOutputPrefix with !{firehose:error-output-type}",
        )),
        Some(errors) if own(errors) && !errors.contains("!{firehose:error-output-type}") => faults.push(part.fault(
            "ErrorOutputPrefix has expressions, and does not say what kind of error it is for",
            "put !{firehose:error-output-type} into ErrorOutputPrefix",
        )),
        _ => {}
    }
    for (name, text) in [("Prefix", Some(prefix)), ("ErrorOutputPrefix", errors)] {
        for expression in text.unwrap_or_default().split("!{").skip(1).map(|t| t.split('}').next().unwrap_or_default())
        {
            let known = match expression.split_once(':') {
                Some(("timestamp", format)) => !format.is_empty(),
                Some(("firehose", "error-output-type")) => name == "ErrorOutputPrefix",
                Some(("firehose", "random-string")) => true,
                Some(("partitionKeyFromQuery" | "partitionKeyFromLambda", _)) => name == "Prefix",
                _ => false,
            };
            if !known {
                let what = format!("{name} has the expression !{{{expression}}}, which Firehose does not take there");
                faults.push(part.fault(what, "write !{timestamp:yyyy/MM/dd/HH} or the like"));
            }
        }
    }
}
