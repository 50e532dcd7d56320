//! Crawlers, and who is told how a crawl or a job's run ended.

use serde_json::{Value, json};

use super::{
    Body, Entry, Result,
    events::target,
    json::{att, reference, sub, without_nulls},
};
use crate::cloud::resources::{Crawler, End, NotificationTarget, Properties, Resource, Told};

impl<'a> Body<'a> {
    pub(super) fn crawler(&mut self, resource: &'a Resource, crawler: &'a Crawler) -> Result<()> {
        let role = self.id(resource, "role", &crawler.role)?;
        let bucket = self.id(resource, "bucket", &crawler.bucket)?;
        let database = self.id(resource, "database", &crawler.database)?;
        // The bucket is the first level of a path. At the folder's own level there is one table, whatever is in it.
        let level = 1 + crawler.prefix.split('/').filter(|part| !part.is_empty()).count();
        let configuration = json!({
            "Version": 1.0,
            "CrawlerOutput": {"Partitions": {"AddOrUpdateBehavior": "InheritFromTable"}},
            "Grouping": {"TableGroupingPolicy": "CombineCompatibleSchemas", "TableLevelConfiguration": level},
        });
        let table_prefix = Some(&crawler.table_prefix).filter(|p| !p.is_empty());
        let properties = json!({
            "Name": resource.physical_name,
            "Role": att(role, "Arn"),
            "DatabaseName": reference(database),
            "TablePrefix": table_prefix,
            "Targets": {"S3Targets": [{"Path": sub(&format!("s3://${{{bucket}}}/{}", crawler.prefix))}]},
            // Everything is looked at, so a table has all columns there are; what is gone is left to be removed by hand.
            "RecrawlPolicy": {"RecrawlBehavior": "CRAWL_EVERYTHING"},
            "SchemaChangePolicy": {"UpdateBehavior": "UPDATE_IN_DATABASE", "DeleteBehavior": "LOG"},
            "Configuration": configuration.to_string(),
        });
        self.add(&resource.logical_id, Entry::new("AWS::Glue::Crawler", without_nulls(properties)).of(resource));
        self.tell_ends(resource, &crawler.on_ended)
    }

    /// A rule of EventBridge for each who is told of an end.
    pub(super) fn tell_ends(&mut self, resource: &'a Resource, all: &'a [Told]) -> Result<()> {
        for told in all {
            let (id, aim) = match &told.target {
                NotificationTarget::Function(name) => {
                    let id = self.id(resource, "function", name)?;
                    (id, target(id))
                }
                NotificationTarget::Topic(name) => {
                    let id = self.id(resource, "topic", name)?;
                    (id, json!({"Id": id, "Arn": reference(id)}))
                }
                NotificationTarget::Queue(name) => {
                    let id = self.id(resource, "queue", name)?;
                    (id, json!({"Id": id, "Arn": att(id, "Arn")}))
                }
            };
            let function = matches!(told.target, NotificationTarget::Function(_));
            let end = match told.end {
                End::Succeeded => "Succeeded",
                End::Failed => "Failed",
            };
            let rule = format!("{}{end}To{id}", resource.logical_id);
            let properties = json!({
                "Description": format!("Tells {id} when {} has {}", resource.physical_name, end.to_lowercase()),
                "EventPattern": pattern(resource, told.end),
                "State": "ENABLED",
                "Targets": [aim],
            });
            let entry = Entry::new("AWS::Events::Rule", properties).after([resource.logical_id.clone()]);
            self.add(&rule, entry);
            if function {
                self.permit_rule(&format!("{rule}Permission"), id, &rule);
            }
        }
        Ok(())
    }

    /// Whether somebody tells this target how a crawl or a job's run ended.
    pub(super) fn told_of_ends(&self, target: &NotificationTarget) -> bool {
        self.graph.resources.iter().any(|r| match &r.properties {
            Properties::Crawler(Crawler { on_ended, .. }) => on_ended.iter().any(|t| t.target == *target),
            Properties::Job(job) => job.on_ended.iter().any(|t| t.target == *target),
            _ => false,
        })
    }
}

/// AWS Glue's words for an end. A run that took too long has failed; one that was stopped has been asked to.
fn pattern(resource: &Resource, end: End) -> Value {
    let (kind, name, states) = match (&resource.properties, end) {
        (Properties::Crawler(_), End::Succeeded) => ("Glue Crawler State Change", "crawlerName", vec!["Succeeded"]),
        (Properties::Crawler(_), End::Failed) => ("Glue Crawler State Change", "crawlerName", vec!["Failed"]),
        (_, End::Succeeded) => ("Glue Job State Change", "jobName", vec!["SUCCEEDED"]),
        (_, End::Failed) => ("Glue Job State Change", "jobName", vec!["FAILED", "TIMEOUT"]),
    };
    json!({
        "source": ["aws.glue"],
        "detail-type": [kind],
        "detail": {name: [resource.physical_name], "state": states},
    })
}
