//! Reading what panes ask for, from the cloud's ports.

use std::{pin::pin, task::Poll};

use futures::poll;
use tokio_util::sync::CancellationToken;

use super::{
    command::told,
    data::{Data, Request},
};
use crate::{
    backend::{Backend, Result},
    cloud::{self, Pages, buckets::ListObjects, logs::ReadLogs, queries::Query, stacks::Stacks},
    text,
};

/// Keys and prefixes on one page of a listing.
const OBJECTS: usize = 1_000;
/// Runs, deploys and messages that a list shows.
const PAST: usize = 200;
/// Log events in one read: so few that taking them in never holds up a key, and that they need little memory at once.
const EVENTS: usize = 2_000;
/// Items of a key-value table on one page: reading them is paid for.
const ITEMS: usize = 100;
/// Measurements behind a sparkline.
const SAMPLES: usize = 120;
/// How long a URL works.
const PRESIGNED: std::time::Duration = std::time::Duration::from_hours(1);
/// Of what a step of a release has logged, the last lines: all of it is in the logs' pane.
const STEP_LINES: usize = 500;
/// Rows of a query's result that are held.
const ROWS: usize = 100_000;

/// Reads what is asked for. What a list has so far is given to `part`, whenever the next page lets wait for it.
pub async fn fetch(
    backend: &Backend,
    request: &Request,
    cancel: CancellationToken,
    part: &(dyn Fn(Data) + Send + Sync),
) -> Result<Data> {
    let cloud = &backend.cloud;
    Ok(match request {
        Request::Pipelines => Data::Pipelines(backend.list_pipelines().await?),
        Request::Deployable => Data::Pipelines(backend.list_deployable().await?),
        Request::View(pipeline) => Data::View(Box::new(backend.view(pipeline).await?)),
        Request::Dashboard(name) => Data::Dashboard(backend.draw_named(name).await?),
        Request::Buckets => Data::Buckets(paged(cloud.buckets.list(), |page| part(Data::Buckets(page))).await?),
        Request::BucketDetail(bucket) => Data::BucketDetail(cloud.buckets.detail(bucket).await?),
        Request::ObjectDetail { bucket, key, version } => {
            Data::ObjectDetail(cloud.buckets.head(bucket, key, version.as_deref()).await?)
        }
        Request::Presign { bucket, key, version } => {
            Data::Presigned(cloud.buckets.presign(bucket, key, version.as_deref(), PRESIGNED).await?)
        }
        Request::Objects { bucket, prefix, after, token, versions } => {
            let list = ListObjects {
                prefix: prefix.clone(),
                delimiter: Some('/'),
                after: after.clone(),
                limit: OBJECTS,
                versions: *versions,
                token: token.clone(),
            };
            Data::Objects(cloud.buckets.objects(bucket, &list).await?)
        }
        Request::Preview { bucket, key, version } => {
            let (object, preview) = backend.preview(bucket, key, version.as_deref()).await?;
            Data::Preview(object, preview)
        }
        Request::KeyTables => Data::KeyTables(paged(cloud.tables.list(), |page| part(Data::KeyTables(page))).await?),
        Request::KeyTable(table) => Data::KeyTable(cloud.tables.describe(table).await?),
        Request::Items { table, after } => Data::Items(cloud.tables.scan(table, after.as_ref(), ITEMS).await?),
        Request::Jobs => Data::Jobs(paged(cloud.jobs.list(), |page| part(Data::Jobs(page))).await?),
        Request::Runs(job) => {
            let runs = cloud.jobs.runs(job, PAST).await?;
            Data::Runs(runs, cloud.jobs.bookmark(job).await.ok())
        }
        Request::Crawlers => Data::Crawlers(paged(cloud.crawlers.list(), |page| part(Data::Crawlers(page))).await?),
        Request::Crawls(crawler) => Data::Crawls(cloud.crawlers.crawls(crawler, PAST).await?),
        Request::LastRuns(jobs) => Data::LastRuns(cloud.jobs.last_runs(jobs).await?),
        Request::LogGroups => Data::LogGroups(paged(cloud.logs.groups(), |page| part(Data::LogGroups(page))).await?),
        Request::Logs { group, reach, after, live, wait } => {
            if let Some(wait) = wait {
                tokio::time::sleep(*wait).await;
            }
            let read = ReadLogs {
                groups: vec![group.clone()],
                stream: reach.stream.clone(),
                since: reach.since,
                newest: reach.newest,
                after: after.clone(),
                live: *live,
                limit: EVENTS,
                ..ReadLogs::default()
            };
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
            Data::Logs { lines, next: page.next, more: page.more, again: page.again, live: page.live }
        }
        Request::Insights(query) => Data::Insights(cloud.logs.insights(query, cancel).await?),
        Request::Alerts => {
            let pages = cloud.alerts.list(SAMPLES);
            let alerts = gathered(pages, |page| part(Data::Alerts(page, Vec::new(), Vec::new())));
            // The topics do not wait for what was measured of the alarms.
            let topics = async {
                let (topics, errors) = backend.topics().await;
                part(Data::Alerts(Vec::new(), topics.clone(), Vec::new()));
                (topics, errors)
            };
            let ((alerts, mut errors), (topics, more)) = tokio::join!(alerts, topics);
            errors.extend(more);
            // What is denied leaves the rest; what may be better in a moment leaves what was there.
            let denied = |error: &cloud::Error| matches!(error, cloud::Error::AccessDenied { .. });
            let nothing = alerts.is_empty() && topics.is_empty();
            if let Some(error) = errors.iter().find(|error| nothing || !denied(error)) {
                return Err(error.clone().into());
            }
            Data::Alerts(alerts, topics, errors.into_iter().map(|error| told(&error.into())).collect())
        }
        Request::Inbox(topic) => match cloud.alerts.inbox(topic, PAST).await {
            // That is how it is there, and no failure.
            Err(cloud::Error::Unsupported { what, .. }) => Data::NoInbox(what),
            messages => Data::Inbox(messages?),
        },
        Request::Queues => {
            // Where some may not be looked into, the rest is shown.
            let (queues, errors) = cloud.queues.list().gather().await;
            match errors.into_iter().next().filter(|_| queues.is_empty()) {
                Some(error) => return Err(error.into()),
                None => Data::Queues(queues),
            }
        }
        Request::DeadLetters(queue) => Data::DeadLetters(cloud.queues.messages(queue, PAST).await?),
        Request::Catalog => Data::Catalog(paged(cloud.catalog.databases(), |page| part(Data::Catalog(page))).await?),
        Request::Tables(database) => {
            Data::Tables(paged(cloud.catalog.tables(database), |page| part(Data::Tables(page))).await?)
        }
        Request::Saved => Data::Saved(cloud.queries.saved().await?),
        Request::Workgroups => Data::Workgroups(cloud.queries.workgroups().await?),
        Request::History => Data::History(cloud.queries.history(backend.workgroup.as_deref(), PAST).await?),
        Request::Query { sql, database, workgroup } => {
            let (sql, database, workgroup) = (sql.clone(), database.clone(), workgroup.clone());
            let query = Query { sql, database, workgroup, limit: ROWS, ..Query::default() };
            Data::Query(cloud.queries.execute(&query, cancel).await?)
        }
        Request::Plan(pipeline) => Data::Plan(backend.estimate(pipeline).await?),
        Request::WholePlan(pipeline) => Data::Plan(backend.plan(pipeline).await?),
        Request::Drift(pipeline) => Data::Drift(backend.drift(pipeline).await?),
        Request::Stack(pipeline) => stack(&*backend.stacks_of(pipeline)?, &backend.stack_name(pipeline)).await?,
        Request::OtherStack(name) => stack(&*backend.cloud.stacks, name).await?,
        Request::Releases(pipeline) => {
            let delivery = backend.delivery(pipeline).await?.name;
            let releases = cloud.releases.releases(&delivery, PAST).await?;
            Data::Releases(delivery, releases)
        }
        Request::Release { delivery, id } => Data::Release(Box::new(cloud.releases.get(delivery, id).await?)),
        Request::StepLog { group, stream } => {
            let (groups, stream) = (vec![group.clone()], Some(stream.clone()));
            let read = ReadLogs { groups, stream, newest: true, limit: STEP_LINES, ..ReadLogs::default() };
            let page = match cloud.logs.read(&read).await {
                // It has not written anything yet.
                Err(cloud::Error::NotFound { .. }) => cloud::logs::LogPage::default(),
                page => page?,
            };
            let lines =
                page.events.iter().flat_map(|e| text::clean_lines(&e.message).map(std::borrow::Cow::into_owned));
            Data::StepLog(lines.collect())
        }
    })
}

/// A stack and what was done to it.
async fn stack(stacks: &dyn Stacks, name: &str) -> crate::backend::Result<Data> {
    let (history, stack) = tokio::join!(stacks.history(name, PAST), stacks.get(name));
    Ok(Data::Stack(stack?, history?))
}

/// A whole list, or why it ends early.
async fn paged<T: Clone + Send>(pages: Pages<'_, T>, part: impl Fn(Vec<T>)) -> cloud::Result<Vec<T>> {
    let (whole, errors) = gathered(pages, part).await;
    errors.into_iter().next().map_or(Ok(whole), Err)
}

/// A list as far as it comes, and why the rest did not. What has come goes to `part` when the next page is not there at once: a list that comes whole, or from
/// close by, makes no parts.
async fn gathered<T: Clone + Send>(mut pages: Pages<'_, T>, part: impl Fn(Vec<T>)) -> (Vec<T>, Vec<cloud::Error>) {
    let (mut whole, mut errors): (Vec<T>, Vec<_>) = (Vec::new(), Vec::new());
    let mut told = 0;
    loop {
        let mut next = pin!(pages.next());
        let page = match poll!(next.as_mut()) {
            Poll::Ready(page) => page,
            Poll::Pending => {
                tell(&whole, &mut told, &part);
                next.await
            }
        };
        match page {
            Some(Ok(items)) => whole.extend(items),
            Some(Err(error)) => {
                tell(&whole, &mut told, &part);
                errors.push(error);
            }
            None => return (whole, errors),
        }
    }
}

fn tell<T: Clone>(whole: &[T], told: &mut usize, part: &impl Fn(Vec<T>)) {
    if let Some(fresh) = whole.get(*told..).filter(|fresh| !fresh.is_empty()) {
        part(fresh.to_vec());
        *told = whole.len();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::cloud::Error;

    async fn parts(slow: bool, fail_at: u32) -> (cloud::Result<Vec<u32>>, Vec<Vec<u32>>) {
        let pages = Pages::follow(move |token: Option<String>| async move {
            let at: u32 = token.map_or(0, |t| t.parse().unwrap());
            if slow {
                tokio::task::yield_now().await;
            }
            if at == fail_at {
                return Err(Error::Throttled("slow down".into()));
            }
            Ok((vec![at, at + 1], (at < 4).then(|| (at + 2).to_string())))
        });
        let seen = Mutex::new(Vec::new());
        let whole = paged(pages, |page| seen.lock().unwrap().push(page)).await;
        (whole, seen.into_inner().unwrap())
    }

    #[tokio::test]
    async fn a_list_is_told_part_by_part_where_the_next_page_lets_wait() {
        let all = vec![0, 1, 2, 3, 4, 5];
        assert_eq!(parts(true, 9).await, (Ok(all.clone()), vec![vec![0, 1], vec![2, 3]]));
        assert_eq!(parts(false, 9).await, (Ok(all), vec![]));
        let (failed, seen) = parts(false, 4).await;
        assert_eq!((failed.is_err(), seen), (true, vec![vec![0, 1, 2, 3]]));
    }
}
