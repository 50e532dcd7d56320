//! Reading what panes ask for, from the cloud's ports.

use tokio_util::sync::CancellationToken;

use super::data::{Data, Request};
use crate::{
    backend::{Backend, Result},
    cloud::{buckets::ListObjects, logs::ReadLogs, queries::Query},
    text,
};

/// Keys and prefixes on one page of a listing.
const OBJECTS: usize = 1_000;
/// Runs, deploys and messages that a list shows.
const PAST: usize = 200;
/// Log events in one read: so few that taking them in never holds up a key, and that they need little memory at once.
const EVENTS: usize = 2_000;
/// Measurements behind a sparkline.
const SAMPLES: usize = 120;
/// Rows of a query's result that are held.
const ROWS: usize = 100_000;

/// Reads what is asked for.
pub async fn fetch(backend: &Backend, request: &Request, cancel: CancellationToken) -> Result<Data> {
    let cloud = &backend.cloud;
    Ok(match request {
        Request::Pipelines | Request::Deployable => Data::Pipelines(backend.list_pipelines().await?),
        Request::View(pipeline) => Data::View(Box::new(backend.view(pipeline).await?)),
        Request::Buckets => Data::Buckets(cloud.buckets.list().await?),
        Request::BucketDetail(bucket) => Data::BucketDetail(cloud.buckets.detail(bucket).await?),
        Request::Objects { bucket, prefix, after, versions } => {
            let list = ListObjects {
                prefix: prefix.clone(),
                delimiter: Some('/'),
                after: after.clone(),
                limit: OBJECTS,
                versions: *versions,
            };
            Data::Objects(cloud.buckets.objects(bucket, &list).await?)
        }
        Request::Preview { bucket, key, version } => {
            let (object, preview) = backend.preview(bucket, key, version.as_deref()).await?;
            Data::Preview(object, preview)
        }
        Request::Jobs => Data::Jobs(cloud.jobs.list().await?),
        Request::Runs(job) => {
            let runs = cloud.jobs.runs(job, PAST).await?;
            Data::Runs(runs, cloud.jobs.bookmark(job).await.ok())
        }
        Request::LogGroups => Data::LogGroups(cloud.logs.groups().await?),
        Request::Logs { group, after } => {
            let read = ReadLogs { groups: vec![group.clone()], after_id: *after, limit: EVENTS, ..ReadLogs::default() };
            let page = cloud.logs.read(&read).await?;
            let mut lines = Vec::with_capacity(page.events.len());
            for event in page.events {
                let (time, message) = (event.timestamp.as_millisecond(), event.message);
                // Nearly every message is one clean line.
                if text::is_plain(&message) {
                    lines.push((time, message));
                } else {
                    lines.extend(text::clean_lines(&message).map(|line| (time, line.into_owned())));
                }
            }
            Data::Logs { lines, next: page.next, more: page.more }
        }
        Request::Alerts => {
            let alerts = cloud.alerts.list(SAMPLES).await?;
            Data::Alerts(alerts, backend.topics().await?)
        }
        Request::Inbox(topic) => Data::Inbox(cloud.alerts.inbox(topic, PAST).await?),
        Request::Catalog => {
            let mut databases = Vec::new();
            for database in cloud.catalog.databases().await? {
                let tables = cloud.catalog.tables(&database.name).await?;
                databases.push((database.name, tables));
            }
            Data::Catalog(databases, cloud.queries.saved().await?)
        }
        Request::History => Data::History(cloud.queries.history(PAST).await?),
        Request::Query { sql, database } => {
            let query = Query { sql: sql.clone(), database: database.clone(), parameters: Vec::new(), limit: ROWS };
            Data::Query(cloud.queries.execute(&query, cancel).await?)
        }
        Request::Plan(pipeline) => Data::Plan(backend.plan(pipeline).await?),
        Request::Stack(pipeline) => {
            let stack = backend.stack_name(pipeline);
            let (history, events) =
                (cloud.stacks.history(&stack, PAST).await?, cloud.stacks.events(&stack, PAST).await?);
            Data::Stack(cloud.stacks.get(&stack).await?, history, events)
        }
    })
}
