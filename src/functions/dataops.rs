//! dataops: a file that lands starts a crawler, its success starts a job.
//!
//! A crawler and a job do one thing at a time: while one is at work, starting it again is refused, which is normal where
//! many files land at once. Nothing is lost by it: whoever is told of an end looks whether anything came since the
//! beginning, and then has it done again.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::cloud::{
    Error, Result,
    buckets::{ListObjects, Object},
    crawlers::{CrawlState, CrawlerState},
    functions::{Context, HandlerFuture},
    urlcode::decode,
};

/// How long after its beginning a crawl counts as ended where the cloud does not tell when it was.
const CRAWL: SignedDuration = SignedDuration::from_secs(60);

/// Starts the crawler for new files. Where it is at work, its end will tell of them: see [`start_job`].
///
/// Event: S3's. Environment: `CRAWLER_INPUT`. Answer: `{"started": true}`.
pub fn start_crawler(ctx: Context, event: Value) -> HandlerFuture {
    Box::pin(async move {
        for key in keys(&event)? {
            ctx.log.line(&format!("{key} has landed"));
        }
        let started = crawl(&ctx).await?;
        Ok(json!({"started": started}))
    })
}

/// Starts the job when the crawler has succeeded. Where files came after the crawl had begun, whether that succeeded or
/// failed, the crawler is started again instead: the job comes when all that is there was crawled.
///
/// Event: EventBridge's `Glue Crawler State Change`. Environment: `CRAWLER_INPUT`, `JOB_ETL`, `BUCKET_LAKE`, `INPUT` (what
/// the keys of files begin with). Answer: `{"started": "jr_..."}`, `{"crawls": true}` or `{}`.
pub fn start_job(ctx: Context, event: Value) -> HandlerFuture {
    Box::pin(async move {
        let state = of_glue(&event, "Glue Crawler State Change")?;
        ctx.log.line(&format!("{} has ended: {state}", ctx.env("CRAWLER_INPUT")?));
        let crawler = ctx.cloud.crawlers.get(ctx.env("CRAWLER_INPUT")?).await?;
        let begun = crawler.last_crawl.and_then(|crawl| crawl.started);
        if let Some(begun) = begun
            && let Some(file) = since(&ctx, begun).await?
        {
            ctx.log.line(&format!("{} came after the crawl had begun: it is crawled now", file.key));
            if !crawl(&ctx).await? {
                still_at_work(&ctx).await?;
            }
            return Ok(json!({"crawls": true}));
        }
        if state != "Succeeded" {
            return Ok(json!({}));
        }
        start(&ctx).await
    })
}

/// Starts the job once more where a crawl has succeeded while it was at work: it may have been told to start then, and
/// could not.
///
/// Event: EventBridge's `Glue Job State Change`. Environment: `CRAWLER_INPUT`, `JOB_ETL`. Answer: `{"started": "jr_..."}` or
/// `{}`.
pub fn start_job_again(ctx: Context, event: Value) -> HandlerFuture {
    Box::pin(async move {
        let state = of_glue(&event, "Glue Job State Change")?;
        let run = event.pointer("/detail/jobRunId").and_then(Value::as_str).unwrap_or_default();
        ctx.log.line(&format!("run {run} of {} has ended: {state}", ctx.env("JOB_ETL")?));
        let begun = match ctx.cloud.jobs.run(ctx.env("JOB_ETL")?, run).await {
            Ok(run) => run.started,
            Err(Error::NotFound { .. }) => {
                ctx.log.line("nothing is known of that run");
                return Ok(json!({}));
            }
            Err(error) => return Err(error),
        };
        let last = ctx.cloud.crawlers.get(ctx.env("CRAWLER_INPUT")?).await?.last_crawl;
        let crawled = last.filter(|crawl| crawl.state == CrawlState::Succeeded);
        match crawled.and_then(|crawl| crawl.ended.or(crawl.started.map(|started| started + CRAWL))) {
            Some(ended) if ended >= begun => {
                ctx.log.line("a crawl has ended since the run began: the job starts again");
                start(&ctx).await
            }
            _ => Ok(json!({})),
        }
    })
}

/// Starts the crawler; false where it is at work.
async fn crawl(ctx: &Context) -> Result<bool> {
    let crawler = ctx.env("CRAWLER_INPUT")?;
    match ctx.cloud.crawlers.start(&ctx.permit, crawler).await {
        Ok(()) => {
            ctx.log.line(&format!("{crawler} starts"));
            Ok(true)
        }
        Err(Error::Conflict(why)) => {
            ctx.log.line(&format!("{crawler} is at work: its end tells of what came meanwhile ({why})"));
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

/// Starts the job; where it is at work, its end is looked at by [`start_job_again`].
async fn start(ctx: &Context) -> Result<Value> {
    let job = ctx.env("JOB_ETL")?;
    match ctx.cloud.jobs.start(&ctx.permit, job).await {
        Ok(run) => {
            ctx.log.line(&format!("{job} starts: {}", run.id));
            Ok(json!({"started": run.id}))
        }
        Err(Error::Conflict(why)) => {
            ctx.log.line(&format!("{job} is at work: it is started again at its end ({why})"));
            Ok(json!({}))
        }
        Err(error) => Err(error),
    }
}

/// After a start that was refused: either another crawl has begun, whose end will be told, or the last one is not quite
/// over, and this invocation must be made again.
async fn still_at_work(ctx: &Context) -> Result<()> {
    let name = ctx.env("CRAWLER_INPUT")?;
    match ctx.cloud.crawlers.get(name).await?.state {
        CrawlerState::Running => Ok(()),
        CrawlerState::Ready | CrawlerState::Stopping => {
            Err(Error::Conflict(format!("{name} is not ready yet: this is tried again in a minute")))
        }
    }
}

/// A file that came at this time or later.
async fn since(ctx: &Context, begun: Timestamp) -> Result<Option<Object>> {
    let (bucket, prefix) = (ctx.env("BUCKET_LAKE")?, ctx.env("INPUT")?);
    let mut request = ListObjects { prefix: prefix.to_owned(), ..ListObjects::default() };
    loop {
        let page = ctx.cloud.buckets.objects(bucket, &request).await?;
        if let Some(found) = page.objects.into_iter().find(|o| came_since(o, begun)) {
            return Ok(Some(found));
        }
        if page.next.is_none() {
            return Ok(None);
        }
        (request.after, request.token) = (page.next, page.token);
    }
}

/// Whether a file came at this time or later; S3's times are in whole seconds.
fn came_since(object: &Object, begun: Timestamp) -> bool {
    let whole = object.modified.is_some_and(|m| m.subsec_nanosecond() == 0);
    let begun = if whole { Timestamp::from_second(begun.as_second()).unwrap_or(begun) } else { begun };
    object.size > 0 && object.modified.is_some_and(|modified| modified >= begun)
}

fn keys(event: &Value) -> Result<Vec<String>> {
    let wrong = || Error::Invalid("the event is none of S3's: {\"Records\":[{\"s3\":{\"bucket\":…".into());
    let records = event.get("Records").and_then(Value::as_array).ok_or_else(wrong)?;
    let key = |record: &Value| record.pointer("/s3/object/key").and_then(Value::as_str).map(decode);
    records.iter().map(|record| key(record).ok_or_else(wrong)).collect()
}

/// The state that EventBridge tells in an event of this kind.
fn of_glue<'a>(event: &'a Value, kind: &str) -> Result<&'a str> {
    let told = event.get("detail-type").and_then(Value::as_str) == Some(kind);
    event.pointer("/detail/state").and_then(Value::as_str).filter(|_| told).ok_or_else(|| {
        Error::Invalid(format!(
            "the event is no {kind:?} of EventBridge's: {{\"detail-type\":…,\"detail\":{{\"state\":…"
        ))
    })
}
