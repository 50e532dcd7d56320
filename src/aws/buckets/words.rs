//! A bucket's settings in words.

use aws_sdk_s3::{
    operation::{
        get_bucket_cors::GetBucketCorsOutput, get_bucket_encryption::GetBucketEncryptionOutput,
        get_bucket_logging::GetBucketLoggingOutput,
        get_bucket_notification_configuration::GetBucketNotificationConfigurationOutput,
        get_bucket_replication::GetBucketReplicationOutput, get_bucket_versioning::GetBucketVersioningOutput,
        get_public_access_block::GetPublicAccessBlockOutput,
    },
    types::{
        BucketVersioningStatus, Event, ExpirationStatus, LifecycleRule, MfaDeleteStatus,
        NotificationConfigurationFilter, ReplicationRuleStatus, Tag,
    },
};

use crate::aws::time;

/// Whether overwritten and deleted objects are kept.
pub(super) fn keeps_versions(versioning: &GetBucketVersioningOutput) -> bool {
    versioning.status == Some(BucketVersioningStatus::Enabled)
}

pub(super) fn versioning(versioning: Option<&GetBucketVersioningOutput>) -> Vec<String> {
    let state = match versioning.and_then(|v| v.status.as_ref()) {
        Some(BucketVersioningStatus::Enabled) => "on",
        Some(BucketVersioningStatus::Suspended) => "suspended: versions from before are still there",
        _ => "off",
    };
    let mut lines = vec![state.to_owned()];
    if versioning.and_then(|v| v.mfa_delete.as_ref()) == Some(&MfaDeleteStatus::Enabled) {
        lines.push("deleting a version for good takes a second factor".into());
    }
    lines
}

pub(super) fn encryption(encryption: &GetBucketEncryptionOutput) -> Vec<String> {
    let rules =
        encryption.server_side_encryption_configuration.as_ref().map(|c| c.rules.as_slice()).unwrap_or_default();
    rules
        .iter()
        .filter_map(|rule| {
            let default = rule.apply_server_side_encryption_by_default.as_ref()?;
            let mut line = default.sse_algorithm.as_str().to_owned();
            match &default.kms_master_key_id {
                Some(key) => line = format!("{line} with {key}"),
                None if line.starts_with("aws:kms") => line += " with the account's own key (aws/s3)",
                None => {}
            }
            if rule.bucket_key_enabled == Some(true) {
                line += ", one bucket key";
            }
            Some(line)
        })
        .collect()
}

/// The days after which every object expires.
pub(super) fn expire_days(rules: &[LifecycleRule]) -> Option<u32> {
    let everything = |rule: &&LifecycleRule| rule.status == ExpirationStatus::Enabled && scope(rule) == "all objects";
    let days = rules.iter().filter(everything).filter_map(|r| r.expiration.as_ref()?.days);
    days.min().and_then(|d| u32::try_from(d).ok())
}

/// Which objects a rule is about.
fn scope(rule: &LifecycleRule) -> String {
    let filter = rule.filter.as_ref();
    let and = filter.and_then(|f| f.and.as_ref());
    #[expect(deprecated, reason = "rules of the first version have their prefix here")]
    let old = rule.prefix.as_ref();
    let prefixes = [old, filter.and_then(|f| f.prefix.as_ref()), and.and_then(|a| a.prefix.as_ref())];
    let mut parts: Vec<String> =
        prefixes.into_iter().flatten().filter(|p| !p.is_empty()).map(|p| format!("{p}*")).collect();
    let tag = |t: &Tag| format!("tagged {}={}", t.key, t.value);
    parts.extend(filter.and_then(|f| f.tag.as_ref()).map(tag));
    parts.extend(and.and_then(|a| a.tags.as_ref()).into_iter().flatten().map(tag));
    let greater = filter.and_then(|f| f.object_size_greater_than).or(and.and_then(|a| a.object_size_greater_than));
    let less = filter.and_then(|f| f.object_size_less_than).or(and.and_then(|a| a.object_size_less_than));
    parts.extend(greater.map(|n| format!("over {n} bytes")));
    parts.extend(less.map(|n| format!("under {n} bytes")));
    if parts.is_empty() { "all objects".into() } else { parts.join(", ") }
}

/// A rule of the lifecycle: `logs/*: to GLACIER after 30 days; expire after 365 days`.
pub(super) fn lifecycle(rule: &LifecycleRule) -> String {
    let mut does = Vec::new();
    for to in rule.transitions.iter().flatten() {
        let class = to.storage_class.as_ref().map_or("another class", |c| c.as_str());
        match (to.days, to.date.as_ref().and_then(time::timestamp)) {
            (Some(days), _) => does.push(format!("to {class} after {days} days")),
            (None, Some(date)) => does.push(format!("to {class} on {}", date.strftime("%Y-%m-%d"))),
            (None, None) => does.push(format!("to {class}")),
        }
    }
    if let Some(expiration) = &rule.expiration {
        if let Some(days) = expiration.days {
            does.push(format!("expire after {days} days"));
        }
        if let Some(date) = expiration.date.as_ref().and_then(time::timestamp) {
            does.push(format!("expire on {}", date.strftime("%Y-%m-%d")));
        }
        if expiration.expired_object_delete_marker == Some(true) {
            does.push("delete markers without versions go".into());
        }
    }
    let kept = |n: Option<i32>| n.map_or_else(String::new, |n| format!(", {n} of them stay"));
    for to in rule.noncurrent_version_transitions.iter().flatten() {
        let class = to.storage_class.as_ref().map_or("another class", |c| c.as_str());
        let days = to.noncurrent_days.unwrap_or_default();
        does.push(format!("old versions to {class} after {days} days{}", kept(to.newer_noncurrent_versions)));
    }
    if let Some(old) = &rule.noncurrent_version_expiration {
        let days = old.noncurrent_days.unwrap_or_default();
        does.push(format!("old versions expire after {days} days{}", kept(old.newer_noncurrent_versions)));
    }
    if let Some(days) = rule.abort_incomplete_multipart_upload.as_ref().and_then(|a| a.days_after_initiation) {
        does.push(format!("incomplete uploads are aborted after {days} days"));
    }
    let off = if rule.status == ExpirationStatus::Enabled { "" } else { " (disabled)" };
    format!("{}: {}{off}", scope(rule), does.join("; "))
}

/// What a bucket tells others: `logs/*.json -> function NAME`.
pub(super) fn notifications(told: &GetBucketNotificationConfigurationOutput) -> Vec<String> {
    let functions = told.lambda_function_configurations.iter().flatten();
    let topics = told.topic_configurations.iter().flatten();
    let queues = told.queue_configurations.iter().flatten();
    let mut lines: Vec<String> = functions
        .map(|f| notification(f.filter.as_ref(), &f.events, "function", &f.lambda_function_arn))
        .chain(topics.map(|t| notification(t.filter.as_ref(), &t.events, "topic", &t.topic_arn)))
        .chain(queues.map(|q| notification(q.filter.as_ref(), &q.events, "queue", &q.queue_arn)))
        .collect();
    if told.event_bridge_configuration.is_some() {
        lines.push("* -> EventBridge (every event)".into());
    }
    lines
}

fn notification(filter: Option<&NotificationConfigurationFilter>, events: &[Event], kind: &str, arn: &str) -> String {
    let rules = filter.and_then(|f| f.key.as_ref()).and_then(|k| k.filter_rules.as_deref()).unwrap_or_default();
    let value = |name: &str| {
        let found = rules.iter().find(|r| r.name.as_ref().is_some_and(|n| n.as_str().eq_ignore_ascii_case(name)));
        found.and_then(|r| r.value.as_deref()).unwrap_or_default()
    };
    // arn:aws:lambda:REGION:ACCOUNT:function:NAME, arn:aws:sns:REGION:ACCOUNT:NAME
    let name = arn.splitn(6, ':').nth(5).unwrap_or(arn);
    let name = name.strip_prefix("function:").unwrap_or(name);
    let line = format!("{}*{} -> {kind} {name}", value("prefix"), value("suffix"));
    // That an object is created is what most are about.
    if matches!(events, [only] if only.as_str() == "s3:ObjectCreated:*") {
        return line;
    }
    let events: Vec<_> = events.iter().map(Event::as_str).collect();
    format!("{line} ({})", events.join(", "))
}

/// What keeps the public out.
pub(super) fn public_access(block: Option<&GetPublicAccessBlockOutput>) -> Vec<String> {
    let Some(block) = block.and_then(|b| b.public_access_block_configuration.as_ref()) else {
        return vec!["nothing is blocked here".into()];
    };
    let all = [
        (block.block_public_acls, "new public ACLs"),
        (block.ignore_public_acls, "public ACLs that are there"),
        (block.block_public_policy, "public bucket policies"),
        (block.restrict_public_buckets, "access by a public policy"),
    ];
    let (blocked, open): (Vec<_>, Vec<_>) = all.into_iter().partition(|(on, _)| *on == Some(true));
    let names =
        |list: &[(Option<bool>, &'static str)]| list.iter().map(|(_, name)| *name).collect::<Vec<_>>().join(", ");
    match (blocked.as_slice(), open.as_slice()) {
        (_, []) => vec!["all blocked".into()],
        ([], _) => vec!["nothing is blocked here".into()],
        (blocked, open) => vec![format!("blocked: {}", names(blocked)), format!("not blocked: {}", names(open))],
    }
}

pub(super) fn cors(cors: &GetBucketCorsOutput) -> Vec<String> {
    let rules = cors.cors_rules.iter().flatten();
    rules
        .map(|rule| {
            let mut line = format!("{} from {}", rule.allowed_methods.join(" "), rule.allowed_origins.join(" "));
            if let Some(headers) = rule.allowed_headers.as_ref().filter(|h| !h.is_empty()) {
                line = format!("{line}, headers {}", headers.join(" "));
            }
            if let Some(seconds) = rule.max_age_seconds {
                line = format!("{line}, remembered for {seconds} s");
            }
            line
        })
        .collect()
}

pub(super) fn replication(replication: &GetBucketReplicationOutput) -> Vec<String> {
    let rules = replication.replication_configuration.as_ref().map(|c| c.rules.as_slice()).unwrap_or_default();
    rules
        .iter()
        .map(|rule| {
            #[expect(deprecated, reason = "rules of the first version have their prefix here")]
            let old = rule.prefix.as_ref();
            let filter = rule.filter.as_ref();
            let and = filter.and_then(|f| f.and.as_ref()).and_then(|a| a.prefix.as_ref());
            let prefix = old.or(filter.and_then(|f| f.prefix.as_ref())).or(and).map_or("", String::as_str);
            let to = rule.destination.as_ref().map_or("", |d| d.bucket.as_str());
            let to = to.rsplit(':').next().unwrap_or(to);
            let off = if rule.status == ReplicationRuleStatus::Enabled { "" } else { " (disabled)" };
            format!("{prefix}* -> {to}{off}")
        })
        .collect()
}

pub(super) fn logging(logging: &GetBucketLoggingOutput) -> Vec<String> {
    let to = logging.logging_enabled.iter();
    to.map(|l| format!("to s3://{}/{}", l.target_bucket, l.target_prefix)).collect()
}

#[cfg(test)]
mod tests {
    use aws_sdk_s3::types::{
        FilterRule, FilterRuleName, LambdaFunctionConfiguration, LifecycleExpiration, LifecycleRuleFilter,
        NotificationConfigurationFilter, PublicAccessBlockConfiguration, S3KeyFilter, Transition,
        TransitionStorageClass,
    };

    use super::*;

    #[test]
    fn a_lifecycle_rule_is_a_sentence() {
        let rule = LifecycleRule::builder()
            .status(ExpirationStatus::Enabled)
            .filter(LifecycleRuleFilter::builder().prefix("logs/").build())
            .transitions(Transition::builder().days(30).storage_class(TransitionStorageClass::Glacier).build())
            .expiration(LifecycleExpiration::builder().days(365).build())
            .build()
            .unwrap();
        assert_eq!(lifecycle(&rule), "logs/*: to GLACIER after 30 days; expire after 365 days");
        assert_eq!(expire_days(&[rule]), None);
        let all = LifecycleRule::builder()
            .status(ExpirationStatus::Enabled)
            .expiration(LifecycleExpiration::builder().days(90).build())
            .build()
            .unwrap();
        assert_eq!(expire_days(&[all]), Some(90));
    }

    #[test]
    fn a_notification_says_what_for_and_to_whom() {
        let filter = FilterRule::builder().name(FilterRuleName::Suffix).value(".json").build();
        let key = S3KeyFilter::builder().filter_rules(filter).build();
        let told = GetBucketNotificationConfigurationOutput::builder()
            .lambda_function_configurations(
                LambdaFunctionConfiguration::builder()
                    .lambda_function_arn("arn:aws:lambda:eu-west-1:123456789012:function:alert")
                    .events(Event::from("s3:ObjectCreated:*"))
                    .filter(NotificationConfigurationFilter::builder().key(key).build())
                    .build()
                    .unwrap(),
            )
            .event_bridge_configuration(aws_sdk_s3::types::EventBridgeConfiguration::builder().build())
            .build();
        assert_eq!(notifications(&told), ["*.json -> function alert", "* -> EventBridge (every event)"]);
    }

    #[test]
    fn what_the_public_may_is_told() {
        let block = |on| {
            let settings = PublicAccessBlockConfiguration::builder()
                .block_public_acls(true)
                .ignore_public_acls(true)
                .block_public_policy(true)
                .restrict_public_buckets(on)
                .build();
            GetPublicAccessBlockOutput::builder().public_access_block_configuration(settings).build()
        };
        assert_eq!(public_access(Some(&block(true))), ["all blocked"]);
        assert_eq!(public_access(Some(&block(false)))[1], "not blocked: access by a public policy");
        assert_eq!(public_access(None), ["nothing is blocked here"]);
    }
}
