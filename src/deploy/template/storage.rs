//! Buckets, their policies, and who is told of new objects.

use serde_json::{Value, json};

use super::{
    Body, Entry, Result,
    json::{att, bucket_arn, bucket_name, function_arn, reference, sub, without_nulls},
    queues::queue_policy_id,
};
use crate::cloud::{
    resources::{Bucket, CorsRule, Notification, NotificationTarget, Properties, Replication, Resource, Runtime},
    urlcode::encode_key,
};

/// The bucket that all buckets of a stack write their access logs to.
pub(super) const LOGS_BUCKET: &str = "S3LogsBucket";
/// Days that access logs are kept.
const ACCESS_LOG_DAYS: u32 = 90;
/// Days that an overwritten or deleted version is kept.
const NONCURRENT_DAYS: u32 = 30;
/// Days after which an upload that never ended is thrown away.
const ABORT_DAYS: u32 = 7;

/// What all buckets have in common, and what is told apart.
pub(super) struct Settings {
    pub(super) name: String,
    pub(super) versioning: bool,
    pub(super) expire_days: Option<u32>,
    /// Whether access is logged; the bucket for the logs itself has none.
    pub(super) logged: bool,
    pub(super) notifications: Value,
}

impl Settings {
    pub(super) fn properties(&self) -> Value {
        let mut rules = Vec::new();
        if let Some(days) = self.expire_days {
            rules.push(json!({"Id": "expire", "Status": "Enabled", "ExpirationInDays": days}));
        }
        let mut tidy = json!({
            "Id": "tidy",
            "Status": "Enabled",
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": ABORT_DAYS},
        });
        if self.versioning {
            tidy["NoncurrentVersionExpiration"] = json!({"NoncurrentDays": NONCURRENT_DAYS});
            tidy["ExpiredObjectDeleteMarker"] = json!(true);
        }
        rules.push(tidy);
        let logging =
            json!({"DestinationBucketName": reference(LOGS_BUCKET), "LogFilePrefix": format!("{}/", self.name)});
        without_nulls(json!({
            "BucketName": sub(&bucket_name(&self.name)),
            "OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
            "PublicAccessBlockConfiguration": {
                "BlockPublicAcls": true,
                "BlockPublicPolicy": true,
                "IgnorePublicAcls": true,
                "RestrictPublicBuckets": true,
            },
            "BucketEncryption": {
                "ServerSideEncryptionConfiguration": [{"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}],
            },
            "VersioningConfiguration": if self.versioning { json!({"Status": "Enabled"}) } else { Value::Null },
            "LifecycleConfiguration": {"Rules": rules},
            "LoggingConfiguration": if self.logged { logging } else { Value::Null },
            "NotificationConfiguration": self.notifications,
        }))
    }
}

/// Denies what comes without TLS. `bucket` is a logical id.
pub(super) fn tls_only(bucket: &str) -> Value {
    json!({
        "Sid": "TlsOnly",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [bucket_arn(&format!("${{{bucket}}}"), ""), bucket_arn(&format!("${{{bucket}}}"), "/*")],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    })
}

impl<'a> Body<'a> {
    pub(super) fn bucket(&mut self, resource: &'a Resource, bucket: &'a Bucket) -> Result<()> {
        let id = &resource.logical_id;
        let told = self.told(resource, &bucket.on_created)?;
        let keeps_logs = self.keeps_logs(&resource.physical_name);
        let settings = Settings {
            name: resource.physical_name.clone(),
            versioning: bucket.versioning,
            expire_days: bucket.expire_days,
            logged: !keeps_logs,
            notifications: told.configuration,
        };
        let mut properties = settings.properties();
        let logs = self.further(resource, bucket, &mut properties)?;
        let entry = Entry::new("AWS::S3::Bucket", properties)
            .of(resource)
            .after([format!("{logs}Policy")])
            .after(told.permissions)
            .stateful(self.graph.protected);
        self.add(id, entry);
        let statements = if keeps_logs { vec![log_delivery(id)] } else { Vec::new() };
        self.bucket_policy(id, statements);
        Ok(())
    }

    /// Whether another bucket's access log is written to this one.
    fn keeps_logs(&self, bucket: &str) -> bool {
        let to_it = |p: &Properties| matches!(p, Properties::Bucket(b) if b.access_log.as_deref() == Some(bucket));
        self.graph.resources.iter().any(|r| to_it(&r.properties))
    }

    /// Puts in what not every bucket has; gives the logical id of the bucket for its access log.
    fn further(&self, resource: &'a Resource, bucket: &'a Bucket, properties: &mut Value) -> Result<&'a str> {
        if let Some(key) = &bucket.encryption {
            let key = self.id(resource, "key", key)?;
            properties["BucketEncryption"] = json!({
                "ServerSideEncryptionConfiguration": [{
                    "ServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": att(key, "Arn")},
                    "BucketKeyEnabled": true,
                }],
            });
        }
        if let Some(days) = bucket.expire_versions_days
            && let Some(rules) = properties["LifecycleConfiguration"]["Rules"].as_array_mut()
        {
            for rule in rules.iter_mut().filter(|rule| rule["Id"] == "tidy") {
                rule["NoncurrentVersionExpiration"]["NoncurrentDays"] = json!(days);
            }
        }
        if let Some(transition) = &bucket.transition
            && let Some(rules) = properties["LifecycleConfiguration"]["Rules"].as_array_mut()
        {
            rules.push(json!({
                "Id": "transition",
                "Status": "Enabled",
                "Transitions": [{"StorageClass": transition.class, "TransitionInDays": transition.days}],
            }));
        }
        if !bucket.cors.is_empty() {
            let rule = |rule: &CorsRule| {
                without_nulls(json!({
                    "AllowedOrigins": rule.origins,
                    "AllowedMethods": rule.methods,
                    "AllowedHeaders": if rule.headers.is_empty() { Value::Null } else { json!(rule.headers) },
                    "MaxAge": rule.max_age_seconds,
                }))
            };
            properties["CorsConfiguration"] = json!({"CorsRules": bucket.cors.iter().map(rule).collect::<Vec<_>>()});
        }
        if let Some(replication) = &bucket.replication {
            properties["ReplicationConfiguration"] = self.replication(resource, bucket, replication)?;
        }
        let Some(logs) = &bucket.access_log else { return Ok(LOGS_BUCKET) };
        let logs = self.id(resource, "bucket", logs)?;
        properties["LoggingConfiguration"] = json!({
            "DestinationBucketName": reference(logs),
            "LogFilePrefix": format!("{}/", resource.physical_name),
        });
        Ok(logs)
    }

    fn replication(&self, resource: &Resource, bucket: &Bucket, replication: &Replication) -> Result<Value> {
        let copy = self.find(resource, "bucket", &replication.to)?;
        let role = self.id(resource, "role", &replication.role)?;
        let mut rule = json!({
            "Id": "copy",
            "Status": "Enabled",
            "Priority": 1,
            "Filter": {"Prefix": ""},
            // What is deleted here stays there.
            "DeleteMarkerReplication": {"Status": "Disabled"},
            "Destination": {"Bucket": bucket_arn(&format!("${{{}}}", copy.logical_id), "")},
        });
        if let (Some(_), Properties::Bucket(Bucket { encryption: Some(key), .. })) =
            (&bucket.encryption, &copy.properties)
        {
            let key = self.id(resource, "key", key)?;
            rule["SourceSelectionCriteria"] = json!({"SseKmsEncryptedObjects": {"Status": "Enabled"}});
            rule["Destination"]["EncryptionConfiguration"] = json!({"ReplicaKmsKeyID": att(key, "Arn")});
        }
        Ok(json!({"Role": att(role, "Arn"), "Rules": [rule]}))
    }

    pub(super) fn bucket_policy(&mut self, bucket: &str, mut statements: Vec<Value>) {
        if !self.options.emulated {
            statements.push(tls_only(bucket));
        }
        if statements.is_empty() {
            return;
        }
        let properties = json!({
            "Bucket": reference(bucket),
            "PolicyDocument": {"Version": "2012-10-17", "Statement": statements},
        });
        self.add(&format!("{bucket}Policy"), Entry::new("AWS::S3::BucketPolicy", properties));
    }

    /// The bucket for access logs.
    pub(super) fn logs_bucket(&mut self) {
        let settings = Settings {
            name: format!("{}-s3-logs", self.graph.stack),
            versioning: false,
            expire_days: Some(ACCESS_LOG_DAYS),
            logged: false,
            notifications: Value::Null,
        };
        let entry = Entry::new("AWS::S3::Bucket", settings.properties()).stateful(self.graph.protected);
        self.add(LOGS_BUCKET, entry);
        self.bucket_policy(LOGS_BUCKET, vec![log_delivery(LOGS_BUCKET)]);
    }

    /// Who is told by S3 itself, and who by EventBridge: S3 refuses rules that overlap.
    fn told(&mut self, bucket: &'a Resource, rules: &'a [Notification]) -> Result<Told> {
        let (direct, others) = self.divide(bucket, rules)?;
        let mut permissions = Vec::new();
        let (mut functions, mut topics, mut queues) = (Vec::new(), Vec::new(), Vec::new());
        for rule in direct {
            let filter = filter(rule, self.options.emulated);
            match &rule.target {
                NotificationTarget::Function(name) => {
                    let function = self.id(bucket, "function", name)?;
                    let permission = format!("{function}From{}", bucket.logical_id);
                    if !permissions.contains(&permission) {
                        self.permit_bucket(&permission, function, &bucket.physical_name);
                        permissions.push(permission);
                    }
                    functions.push(with_filter(
                        json!({"Event": "s3:ObjectCreated:*", "Function": function_arn(function)}),
                        filter,
                    ));
                }
                NotificationTarget::Topic(name) => {
                    let topic = self.id(bucket, "topic", name)?;
                    permissions.push(format!("{topic}Policy"));
                    topics.push(with_filter(json!({"Event": "s3:ObjectCreated:*", "Topic": reference(topic)}), filter));
                }
                NotificationTarget::Queue(name) => {
                    let queue = self.id(bucket, "queue", name)?;
                    permissions.push(queue_policy_id(queue));
                    let configuration = json!({"Event": "s3:ObjectCreated:*", "Queue": att(queue, "Arn")});
                    queues.push(with_filter(configuration, filter));
                }
            }
        }
        for rule in &others {
            self.object_rule(bucket, rule)?;
        }
        let mut configuration = json!({});
        if !others.is_empty() {
            configuration["EventBridgeConfiguration"] = json!({"EventBridgeEnabled": true});
        }
        if !functions.is_empty() {
            configuration["LambdaConfigurations"] = json!(functions);
        }
        if !topics.is_empty() {
            configuration["TopicConfigurations"] = json!(topics);
        }
        if !queues.is_empty() {
            configuration["QueueConfigurations"] = json!(queues);
        }
        let none = configuration.as_object().is_some_and(serde_json::Map::is_empty);
        Ok(Told { configuration: if none { Value::Null } else { configuration }, permissions })
    }

    /// Rules for S3 itself, none of which overlap, and the rest. Topics and queues go first, and then functions that are not in
    /// Rust: these get S3's event as S3 makes it, while a function in Rust is given the same in either case.
    pub(super) fn divide(
        &self,
        bucket: &Resource,
        rules: &'a [Notification],
    ) -> Result<(Vec<&'a Notification>, Vec<&'a Notification>)> {
        let mut ranked = Vec::new();
        for rule in rules {
            let rank = match &rule.target {
                NotificationTarget::Topic(_) | NotificationTarget::Queue(_) => 0,
                NotificationTarget::Function(name) => match &self.find(bucket, "function", name)?.properties {
                    Properties::Function(f) if f.runtime == Runtime::Rust => 2,
                    _ => 1,
                },
            };
            ranked.push((rank, rule));
        }
        ranked.sort_by_key(|(rank, _)| *rank);
        let (mut direct, mut others): (Vec<&Notification>, Vec<&Notification>) = (Vec::new(), Vec::new());
        for (_, rule) in ranked {
            let place = if direct.iter().any(|d| overlap(d, rule)) { &mut others } else { &mut direct };
            place.push(rule);
        }
        Ok((direct, others))
    }

    fn permit_bucket(&mut self, id: &str, function: &str, bucket: &str) {
        let properties = json!({
            "FunctionName": reference(function),
            "Action": "lambda:InvokeFunction",
            "Principal": "s3.amazonaws.com",
            "SourceAccount": reference("AWS::AccountId"),
            // By name: the bucket itself waits for this permission.
            "SourceArn": bucket_arn(&bucket_name(bucket), ""),
        });
        self.add(id, Entry::new("AWS::Lambda::Permission", properties));
    }
}

/// Lets S3 write access logs. `bucket` is a logical id.
fn log_delivery(bucket: &str) -> Value {
    json!({
        "Sid": "AccessLogs",
        "Effect": "Allow",
        "Principal": {"Service": "logging.s3.amazonaws.com"},
        "Action": "s3:PutObject",
        "Resource": bucket_arn(&format!("${{{bucket}}}"), "/*"),
        "Condition": {"StringEquals": {"aws:SourceAccount": reference("AWS::AccountId")}},
    })
}

/// What a bucket's notifications come to.
struct Told {
    configuration: Value,
    /// What must be there before S3 takes the configuration.
    permissions: Vec<String>,
}

/// Whether one key could match both.
pub(super) fn overlap(a: &Notification, b: &Notification) -> bool {
    let prefixes = a.prefix.starts_with(&b.prefix) || b.prefix.starts_with(&a.prefix);
    let suffixes = a.suffix.ends_with(&b.suffix) || b.suffix.ends_with(&a.suffix);
    prefixes && suffixes
}

/// Which keys S3 tells of. What only answers like S3 takes a prefix as it is.
fn filter(rule: &Notification, emulated: bool) -> Option<Value> {
    let named = [("prefix", &rule.prefix), ("suffix", &rule.suffix)];
    let value = |text: &str| if emulated { text.to_owned() } else { in_filter(text) };
    let rules: Vec<Value> =
        named.iter().filter(|(_, v)| !v.is_empty()).map(|(n, v)| json!({"Name": n, "Value": value(v)})).collect();
    (!rules.is_empty()).then(|| json!({"S3Key": {"Rules": rules}}))
}

/// A part of a key as S3's filters want it: form-encoded, but for what S3 calls safe. `year=2026/` would fit no key.
fn in_filter(text: &str) -> String {
    let safe = |c: char| c.is_ascii_alphanumeric() || "/!-_.*'()".contains(c);
    text.chars().map(|c| if safe(c) { c.to_string() } else { encode_key(&c.to_string()) }).collect()
}

fn with_filter(mut configuration: Value, filter: Option<Value>) -> Value {
    if let Some(filter) = filter {
        configuration["Filter"] = filter;
    }
    configuration
}
