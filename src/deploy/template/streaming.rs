//! Streams, deliveries, topics, thresholds, alarms, secrets.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{
    Body, Entry, Result,
    json::{arn, att, bucket_arn, bucket_name, reference, without_nulls},
};
use crate::cloud::resources::{
    Alarm, AlarmMetric, Delivery, Notification, NotificationTarget, Properties, Resource, Secret, Stream, Threshold,
    Topic,
};

/// The log stream in which a delivery says what went wrong.
const DELIVERY_LOG_STREAM: &str = "S3Delivery";
/// Days that a delivery's errors are kept.
const DELIVERY_LOG_DAYS: u32 = 30;

impl<'a> Body<'a> {
    pub(super) fn stream(&mut self, resource: &'a Resource, stream: &'a Stream) {
        let properties = json!({
            "Name": resource.physical_name,
            "ShardCount": stream.shards,
            "RetentionPeriodHours": stream.retention_hours,
            "StreamEncryption": {"EncryptionType": "KMS", "KeyId": "alias/aws/kinesis"},
        });
        let entry = Entry::new("AWS::Kinesis::Stream", properties).of(resource).stateful(self.graph.protected);
        self.add(&resource.logical_id, entry);
    }

    pub(super) fn delivery(&mut self, resource: &'a Resource, delivery: &'a Delivery) -> Result<()> {
        let id = &resource.logical_id;
        let stream = self.id(resource, "stream", &delivery.from)?;
        let bucket = self.id(resource, "bucket", &delivery.to)?;
        let role = self.id(resource, "role", &delivery.role)?;
        let (group, log_stream) = delivery_logs(id);
        let properties = json!({"LogGroupName": delivery_log_group(resource), "RetentionInDays": DELIVERY_LOG_DAYS});
        self.add(&group, Entry::new("AWS::Logs::LogGroup", properties).stateful(self.graph.protected));
        let properties = json!({"LogGroupName": reference(&group), "LogStreamName": DELIVERY_LOG_STREAM});
        self.add(&log_stream, Entry::new("AWS::Logs::LogStream", properties));
        let properties = json!({
            "DeliveryStreamName": resource.physical_name,
            "DeliveryStreamType": "KinesisStreamAsSource",
            "KinesisStreamSourceConfiguration": {
                "KinesisStreamARN": arn("kinesis", &format!("stream/${{{stream}}}")),
                "RoleARN": att(role, "Arn"),
            },
            "ExtendedS3DestinationConfiguration": {
                "BucketARN": bucket_arn(&format!("${{{bucket}}}"), ""),
                "RoleARN": att(role, "Arn"),
                "Prefix": format!("{}!{{timestamp:yyyy/MM/dd/HH}}/", delivery.prefix),
                // A name that begins with `_` is none that Spark and Athena read.
                "ErrorOutputPrefix": "_errors/!{firehose:error-output-type}/!{timestamp:yyyy/MM/dd/HH}/",
                "FileExtension": delivery.file_extension,
                "CustomTimeZone": "UTC",
                "CompressionFormat": "UNCOMPRESSED",
                "BufferingHints": {"IntervalInSeconds": delivery.buffer_seconds, "SizeInMBs": delivery.buffer_mib},
                // A record a line.
                "ProcessingConfiguration": {
                    "Enabled": true,
                    "Processors": [{
                        "Type": "AppendDelimiterToRecord",
                        "Parameters": [{"ParameterName": "Delimiter", "ParameterValue": "\\n"}],
                    }],
                },
                "CloudWatchLoggingOptions": {
                    "Enabled": true,
                    "LogGroupName": reference(&group),
                    "LogStreamName": reference(&log_stream),
                },
            },
        });
        self.add(id, Entry::new("AWS::KinesisFirehose::DeliveryStream", properties).of(resource));
        Ok(())
    }

    pub(super) fn topic(&mut self, resource: &'a Resource, topic: &'a Topic) -> Result<()> {
        let id = &resource.logical_id;
        let statements = self.publishers(resource)?;
        // What other services publish to cannot have the key that AWS manages: they may not use it.
        let key = if statements.is_empty() { json!("alias/aws/sns") } else { Value::Null };
        let properties = without_nulls(json!({"TopicName": resource.physical_name, "KmsMasterKeyId": key}));
        self.add(id, Entry::new("AWS::SNS::Topic", properties).of(resource).stateful(self.graph.protected));
        let mut statements = statements;
        if !self.options.emulated {
            statements.push(json!({
                "Sid": "TlsOnly",
                "Effect": "Deny",
                "Principal": "*",
                "Action": "sns:Publish",
                "Resource": reference(id),
                "Condition": {"Bool": {"aws:SecureTransport": "false"}},
            }));
        }
        if !statements.is_empty() {
            let policy = json!({
                "Topics": [reference(id)],
                "PolicyDocument": {"Version": "2012-10-17", "Statement": statements},
            });
            self.add(&format!("{id}Policy"), Entry::new("AWS::SNS::TopicPolicy", policy));
        }
        for address in &topic.email {
            let properties = json!({"TopicArn": reference(id), "Protocol": "email", "Endpoint": address});
            let id = format!("{id}Email{}", &hex::encode(Sha256::digest(address))[..8]);
            self.add(&id, Entry::new("AWS::SNS::Subscription", properties));
        }
        Ok(())
    }

    /// A statement for each service that publishes to a topic: S3, EventBridge, CloudWatch.
    fn publishers(&self, topic: &'a Resource) -> Result<Vec<Value>> {
        let allow = |sid: &str, service: &str, arns: Vec<Value>| {
            json!({
                "Sid": sid,
                "Effect": "Allow",
                "Principal": {"Service": service},
                "Action": "sns:Publish",
                "Resource": reference(&topic.logical_id),
                "Condition": {
                    "StringEquals": {"aws:SourceAccount": reference("AWS::AccountId")},
                    "ArnLike": {"aws:SourceArn": arns},
                },
            })
        };
        let tells = |rule: &&Notification| rule.target == NotificationTarget::Topic(topic.physical_name.clone());
        let (mut buckets, mut rules, mut alarms) = (Vec::new(), Vec::new(), Vec::new());
        for resource in &self.graph.resources {
            match &resource.properties {
                Properties::Bucket(bucket) => {
                    let (direct, others) = self.divide(resource, &bucket.on_created)?;
                    if direct.iter().any(tells) {
                        buckets.push(bucket_arn(&bucket_name(&resource.physical_name), ""));
                    }
                    if others.iter().any(tells) {
                        rules.push(self.rules());
                    }
                }
                Properties::Alarm(alarm) if alarm.topic.as_ref() == Some(&topic.physical_name) => {
                    alarms.push(arn("cloudwatch", &format!("alarm:{}", resource.physical_name)));
                }
                _ => {}
            }
        }
        if self.told_of_ends(&NotificationTarget::Topic(topic.physical_name.clone())) {
            rules.push(self.rules());
        }
        rules.truncate(1);
        let all = [
            ("Buckets", "s3.amazonaws.com", buckets),
            ("Rules", "events.amazonaws.com", rules),
            ("Alarms", "cloudwatch.amazonaws.com", alarms),
        ];
        Ok(all.into_iter().filter(|(.., a)| !a.is_empty()).map(|(sid, service, a)| allow(sid, service, a)).collect())
    }

    pub(super) fn threshold(&mut self, resource: &'a Resource, threshold: &'a Threshold) {
        let unit = threshold.unit.as_ref().map_or_else(String::new, |u| format!(", in {u}"));
        let properties = json!({
            "Name": resource.physical_name,
            "Description": format!("Compared with the metric {}{unit}", threshold.metric),
            "Type": "String",
            "Value": threshold.default.to_string(),
            "AllowedPattern": "^-?[0-9]+([.][0-9]+)?$",
        });
        self.add(&resource.logical_id, Entry::new("AWS::SSM::Parameter", properties).of(resource));
    }

    pub(super) fn alarm(&mut self, resource: &'a Resource, alarm: &'a Alarm) -> Result<()> {
        let id = &resource.logical_id;
        let (namespace, metric, dimension, value) = match &alarm.metric {
            AlarmMetric::FunctionErrors(name) => {
                ("AWS/Lambda", "Errors", "FunctionName", reference(self.id(resource, "function", name)?))
            }
            AlarmMetric::JobFailures(name) => {
                let rule = self.failures(resource, name)?;
                ("AWS/Events", "MatchedEvents", "RuleName", reference(&rule))
            }
        };
        let actions = match &alarm.topic {
            Some(topic) => json!([reference(self.id(resource, "topic", topic)?)]),
            None => Value::Null,
        };
        let properties = json!({
            "AlarmName": resource.physical_name,
            "Namespace": namespace,
            "MetricName": metric,
            "Dimensions": [{"Name": dimension, "Value": value}],
            "Statistic": "Sum",
            "Period": alarm.period_seconds,
            "EvaluationPeriods": 1,
            "Threshold": alarm.above,
            "ComparisonOperator": "GreaterThanThreshold",
            "TreatMissingData": "notBreaching",
            "AlarmActions": actions,
            "OKActions": actions,
        });
        self.add(id, Entry::new("AWS::CloudWatch::Alarm", without_nulls(properties)).of(resource));
        Ok(())
    }

    /// A rule that matches a job's failed runs: AWS Glue itself counts none, EventBridge counts what a rule matches.
    fn failures(&mut self, alarm: &Resource, job: &str) -> Result<String> {
        let job = self.id(alarm, "job", job)?;
        let id = format!("{}Rule", alarm.logical_id);
        let properties = json!({
            "Description": format!("Counts failed runs for the alarm {}", alarm.physical_name),
            "EventPattern": {
                "source": ["aws.glue"],
                "detail-type": ["Glue Job State Change"],
                "detail": {"jobName": [reference(job)], "state": ["FAILED", "TIMEOUT", "ERROR"]},
            },
            "State": "ENABLED",
        });
        self.add(&id, Entry::new("AWS::Events::Rule", properties));
        Ok(id)
    }

    /// A secret without a value. Reading it fails with ResourceNotFoundException until somebody sets one, so that an unset
    /// secret is told from a wrong one.
    pub(super) fn secret(&mut self, resource: &'a Resource, secret: &'a Secret) {
        let description = if secret.description.is_empty() { Value::Null } else { json!(secret.description) };
        let properties = without_nulls(json!({"Name": resource.physical_name, "Description": description}));
        let entry = Entry::new("AWS::SecretsManager::Secret", properties).of(resource).stateful(self.graph.protected);
        self.add(&resource.logical_id, entry);
    }
}

/// The logical ids of a delivery's log group and log stream.
pub(super) fn delivery_logs(delivery: &str) -> (String, String) {
    (format!("{delivery}LogGroup"), format!("{delivery}LogStream"))
}

/// The name of a delivery's log group.
pub(super) fn delivery_log_group(delivery: &Resource) -> String {
    format!("/aws/kinesisfirehose/{}", delivery.physical_name)
}
