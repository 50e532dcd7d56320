//! Queues, who may send to them, and what gives their messages to functions.

use serde_json::{Value, json};

use super::{
    Body, Entry, Result,
    json::{att, bucket_arn, bucket_name, reference, without_nulls},
};
use crate::cloud::resources::{EventSourceMapping, NotificationTarget, Properties, Queue, Resource};

impl<'a> Body<'a> {
    pub(super) fn queue(&mut self, resource: &'a Resource, queue: &'a Queue) -> Result<()> {
        let redrive = match &queue.redrive {
            Some(redrive) => {
                let dead_letter = self.id(resource, "queue", &redrive.dead_letter)?;
                json!({"deadLetterTargetArn": att(dead_letter, "Arn"), "maxReceiveCount": redrive.max_receives})
            }
            None => Value::Null,
        };
        let properties = without_nulls(json!({
            "QueueName": resource.physical_name,
            "VisibilityTimeout": queue.visibility_seconds,
            "MessageRetentionPeriod": queue.retention_seconds,
            "SqsManagedSseEnabled": true,
            "RedrivePolicy": redrive,
        }));
        let id = &resource.logical_id;
        self.add(id, Entry::new("AWS::SQS::Queue", properties).of(resource).stateful(self.graph.protected));
        let mut statements = self.senders(resource);
        if !self.options.emulated {
            statements.push(tls_only(id));
        }
        if !statements.is_empty() {
            let policy = json!({
                "Queues": [reference(id)],
                "PolicyDocument": {"Version": "2012-10-17", "Statement": statements},
            });
            self.add(&queue_policy_id(id), Entry::new("AWS::SQS::QueuePolicy", policy));
        }
        Ok(())
    }

    /// Who may send to a queue beside roles: the buckets that tell it of objects, EventBridge in their stead, and of the ends of
    /// crawls and runs.
    fn senders(&self, queue: &Resource) -> Vec<Value> {
        let id = &queue.logical_id;
        let allow = |sid: &str, service: &str, condition: Value| {
            json!({
                "Sid": sid,
                "Effect": "Allow",
                "Principal": {"Service": service},
                "Action": "sqs:SendMessage",
                "Resource": att(id, "Arn"),
                "Condition": condition,
            })
        };
        let told = NotificationTarget::Queue(queue.physical_name.clone());
        let tells = |r: &&Resource| matches!(&r.properties, Properties::Bucket(b) if b.on_created.iter().any(|n| n.target == told));
        let buckets: Vec<Value> = self
            .graph
            .resources
            .iter()
            .filter(tells)
            // By name: the bucket itself waits for this policy.
            .map(|r| bucket_arn(&bucket_name(&r.physical_name), ""))
            .collect();
        let ends = self.told_of_ends(&told);
        if buckets.is_empty() && !ends {
            return Vec::new();
        }
        let account = reference("AWS::AccountId");
        let from_buckets =
            json!({"ArnLike": {"aws:SourceArn": buckets}, "StringEquals": {"aws:SourceAccount": account}});
        let rules = json!({"ArnLike": {"aws:SourceArn": self.rules()}});
        let rules = allow("RulesOfThisStack", "events.amazonaws.com", rules);
        if buckets.is_empty() {
            return vec![rules];
        }
        vec![allow("BucketsOfThisStack", "s3.amazonaws.com", from_buckets), rules]
    }

    pub(super) fn event_source(&mut self, resource: &'a Resource, mapping: &'a EventSourceMapping) -> Result<()> {
        let function = self.id(resource, "function", &mapping.function)?;
        let queue = self.id(resource, "queue", &mapping.queue)?;
        let properties = json!({
            "EventSourceArn": att(queue, "Arn"),
            "FunctionName": reference(function),
            "BatchSize": mapping.batch_size,
            "Enabled": true,
            // What the function names as failed is seen again; the rest of the batch is not.
            "FunctionResponseTypes": ["ReportBatchItemFailures"],
        });
        self.add(&resource.logical_id, Entry::new("AWS::Lambda::EventSourceMapping", properties).of(resource));
        Ok(())
    }
}

/// The logical id of a queue's policy.
pub(super) fn queue_policy_id(queue: &str) -> String {
    format!("{queue}Policy")
}

/// Denies what comes to a queue without TLS.
pub(super) fn tls_only(queue: &str) -> Value {
    json!({
        "Sid": "TlsOnly",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "sqs:*",
        "Resource": att(queue, "Arn"),
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    })
}
