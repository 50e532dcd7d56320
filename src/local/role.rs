//! The ports as an execution role sees them.
//!
//! What changes something is checked by the port itself. What a role reads (objects, records, queries) is checked here
//! against its grants, as AWS does, and what goes in and out of an invocation is counted.

use std::{
    collections::BTreeMap,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::Local;
use crate::cloud::{
    Error, Pages, Permit, Result,
    alerts::{Alert, Alerts, Message, Publish, Sample, Topic},
    buckets::{Bucket, BucketDetail, Buckets, Content, ListObjects, Object, ObjectPage},
    crawlers::{Crawl, Crawler, Crawlers},
    functions::Ports,
    jobs::{Bookmark, Job, JobRun, Jobs},
    postgres::{Database, Done, Postgres, Rows, Statement},
    queries::{Queries, Query, QueryExecution, QueryResult, SavedQuery, Workgroup},
    queues::{Queue, QueueMessage, Queues, Redriven},
    streams::{DeliveryStream, Drained, Record, StoredRecord, Stream, Streams},
    tables::{self, ItemPage, KeyTable, Tables},
    uploads::{ByteStream, PutStream, Streamed},
};

/// What an invocation read and wrote.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    read: AtomicU64,
    written: AtomicU64,
}

impl Meter {
    /// Counts records read.
    pub(crate) fn add_read(&self, count: u64) {
        self.read.fetch_add(count, Ordering::Relaxed);
    }

    fn add_written(&self, count: usize) {
        self.written.fetch_add(count as u64, Ordering::Relaxed);
    }

    /// Records read, and records, messages and objects written.
    pub(crate) fn counts(&self) -> (u64, u64) {
        (self.read.load(Ordering::Relaxed), self.written.load(Ordering::Relaxed))
    }
}

/// A port behind the role's grants.
struct Seen {
    local: Local,
    permit: Permit,
    meter: Arc<Meter>,
}

/// The ports as the holder of `permit` sees them.
pub(crate) fn cloud(local: &Local, permit: &Permit, meter: &Arc<Meter>) -> Ports {
    let seen = Arc::new(Seen { local: local.clone(), permit: permit.clone(), meter: meter.clone() });
    let secrets = Arc::new(local.clone());
    Ports {
        alerts: seen.clone(),
        buckets: seen.clone(),
        crawlers: seen.clone(),
        jobs: seen.clone(),
        postgres: seen.clone(),
        queries: seen.clone(),
        queues: seen.clone(),
        secrets,
        streams: seen.clone(),
        tables: seen,
    }
}

#[async_trait]
impl Alerts for Seen {
    fn list(&self, samples: usize) -> Pages<'_, Alert> {
        Alerts::list(&self.local, samples)
    }

    async fn threshold(&self, permit: &Permit, name: &str) -> Result<f64> {
        self.local.threshold(permit, name).await
    }

    async fn set(&self, permit: &Permit, name: &str, value: f64) -> Result<()> {
        Alerts::set(&self.local, permit, name, value).await
    }

    async fn measure(&self, permit: &Permit, metric: &str, sample: Sample) -> Result<()> {
        self.local.measure(permit, metric, sample).await
    }

    async fn samples(&self, metrics: &[String], limit: usize) -> Result<BTreeMap<String, Vec<Sample>>> {
        self.local.samples(metrics, limit).await
    }

    fn topics(&self) -> Pages<'_, Topic> {
        self.local.topics()
    }

    async fn publish(&self, permit: &Permit, topic: &str, message: &Publish) -> Result<()> {
        self.local.publish(permit, topic, message).await?;
        self.meter.add_written(1);
        Ok(())
    }

    async fn inbox(&self, topic: &str, limit: usize) -> Result<Vec<Message>> {
        self.local.inbox(topic, limit).await
    }
}

#[async_trait]
impl Buckets for Seen {
    fn list(&self) -> Pages<'_, Bucket> {
        Buckets::list(&self.local)
    }

    async fn detail(&self, bucket: &str) -> Result<BucketDetail> {
        self.local.detail(bucket).await
    }

    async fn objects(&self, bucket: &str, request: &ListObjects) -> Result<ObjectPage> {
        // Who may read objects may list them: without it, S3 would not even say that one is gone.
        let reads = self.permit.check("s3:GetObject", bucket);
        reads.or_else(|_| self.permit.check("s3:ListBucket", bucket))?;
        self.local.objects(bucket, request).await
    }

    async fn head(&self, bucket: &str, key: &str, version: Option<&str>) -> Result<Object> {
        self.permit.check_object("s3:GetObject", bucket, key)?;
        self.local.head(bucket, key, version).await
    }

    async fn get(&self, bucket: &str, key: &str, version: Option<&str>, range: Option<Range<u64>>) -> Result<Content> {
        self.permit.check_object("s3:GetObject", bucket, key)?;
        Buckets::get(&self.local, bucket, key, version, range).await
    }

    async fn put(
        &self,
        permit: &Permit,
        bucket: &str,
        key: &str,
        body: Bytes,
        content_type: Option<&str>,
    ) -> Result<Object> {
        let object = Buckets::put(&self.local, permit, bucket, key, body, content_type).await?;
        self.meter.add_written(1);
        Ok(object)
    }

    async fn put_stream(
        &self,
        permit: &Permit,
        bucket: &str,
        key: &str,
        body: ByteStream,
        how: &PutStream<'_>,
    ) -> Result<Streamed> {
        let streamed = self.local.put_stream(permit, bucket, key, body, how).await?;
        self.meter.add_written(usize::from(streamed.object.is_some()));
        Ok(streamed)
    }

    async fn delete(&self, permit: &Permit, bucket: &str, key: &str, version: Option<&str>) -> Result<()> {
        Buckets::delete(&self.local, permit, bucket, key, version).await
    }
}

impl Seen {
    /// Who may start a crawler may look at it, too.
    fn may_look(&self, crawler: &str) -> Result<()> {
        let starts = self.permit.check("glue:StartCrawler", crawler);
        starts.or_else(|_| self.permit.check("glue:GetCrawler", crawler))
    }
}

#[async_trait]
impl Crawlers for Seen {
    fn list(&self) -> Pages<'_, Crawler> {
        Crawlers::list(&self.local)
    }

    async fn get(&self, crawler: &str) -> Result<Crawler> {
        self.may_look(crawler)?;
        Crawlers::get(&self.local, crawler).await
    }

    async fn crawls(&self, crawler: &str, limit: usize) -> Result<Vec<Crawl>> {
        self.may_look(crawler)?;
        self.local.crawls(crawler, limit).await
    }

    async fn start(&self, permit: &Permit, crawler: &str) -> Result<()> {
        Crawlers::start(&self.local, permit, crawler).await
    }
}

/// Who may start a job may look at its runs, too.
#[async_trait]
impl Jobs for Seen {
    fn list(&self) -> Pages<'_, Job> {
        Jobs::list(&self.local)
    }

    async fn runs(&self, job: &str, limit: usize) -> Result<Vec<JobRun>> {
        self.permit.check("glue:StartJobRun", job)?;
        Jobs::runs(&self.local, job, limit).await
    }

    async fn last_runs(&self, jobs: &[String]) -> Result<BTreeMap<String, JobRun>> {
        jobs.iter().try_for_each(|job| self.permit.check("glue:StartJobRun", job))?;
        self.local.last_runs(jobs).await
    }

    async fn run(&self, job: &str, id: &str) -> Result<JobRun> {
        self.permit.check("glue:StartJobRun", job)?;
        Jobs::run(&self.local, job, id).await
    }

    async fn start(&self, permit: &Permit, job: &str) -> Result<JobRun> {
        Jobs::start(&self.local, permit, job).await
    }

    async fn stop(&self, permit: &Permit, job: &str, id: &str) -> Result<()> {
        Jobs::stop(&self.local, permit, job, id).await
    }

    async fn bookmark(&self, job: &str) -> Result<Bookmark> {
        self.permit.check("glue:StartJobRun", job)?;
        self.local.bookmark(job).await
    }

    async fn reset_bookmark(&self, permit: &Permit, job: &str) -> Result<()> {
        self.local.reset_bookmark(permit, job).await
    }
}

#[async_trait]
impl Postgres for Seen {
    fn list(&self) -> Pages<'_, Database> {
        Postgres::list(&self.local)
    }

    async fn query(&self, database: &str, sql: &str, limit: usize) -> Result<Rows> {
        self.permit.check("rds-db:connect", database)?;
        Postgres::query(&self.local, database, sql, limit).await
    }

    async fn transact(&self, permit: &Permit, database: &str, statements: &[Statement]) -> Result<Vec<Done>> {
        let done = self.local.transact(permit, database, statements).await?;
        let written = done.iter().zip(statements).filter(|(d, s)| s.counts(d)).map(|(d, _)| d.affected as usize).sum();
        self.meter.add_written(written);
        Ok(done)
    }
}

#[async_trait]
impl Queries for Seen {
    /// A role executes the saved queries that its grants name, as they are: no others.
    async fn execute(&self, query: &Query, cancel: CancellationToken) -> Result<QueryResult> {
        let allowed = self.saved().await?;
        if !allowed.iter().any(|q| q.sql == query.sql && q.database == query.database) {
            let target = query.sql.chars().take(60).collect();
            return Err(Error::AccessDenied { action: "athena:StartQueryExecution".into(), target });
        }
        self.local.execute(query, cancel).await
    }

    fn workgroups(&self) -> Pages<'_, Workgroup> {
        self.local.workgroups()
    }

    async fn history(&self, workgroup: Option<&str>, limit: usize) -> Result<Vec<QueryExecution>> {
        self.local.history(workgroup, limit).await
    }

    async fn saved(&self) -> Result<Vec<SavedQuery>> {
        let mut saved = self.local.saved().await?;
        saved.retain(|q| self.permit.check("athena:StartQueryExecution", &q.name).is_ok());
        Ok(saved)
    }

    async fn cancel(&self, permit: &Permit, id: &str) -> Result<()> {
        self.local.cancel(permit, id).await
    }
}

#[async_trait]
impl Queues for Seen {
    fn list(&self) -> Pages<'_, Queue> {
        Queues::list(&self.local)
    }

    async fn messages(&self, queue: &str, limit: usize) -> Result<Vec<QueueMessage>> {
        self.permit.check("sqs:ReceiveMessage", queue)?;
        self.local.messages(queue, limit).await
    }

    async fn send(&self, permit: &Permit, queue: &str, body: &str) -> Result<String> {
        let id = Queues::send(&self.local, permit, queue, body).await?;
        self.meter.add_written(1);
        Ok(id)
    }

    async fn redrive(&self, permit: &Permit, queue: &str) -> Result<Redriven> {
        self.local.redrive(permit, queue).await
    }
}

#[async_trait]
impl Streams for Seen {
    fn list(&self) -> Pages<'_, Stream> {
        Streams::list(&self.local)
    }

    fn deliveries(&self) -> Pages<'_, DeliveryStream> {
        self.local.deliveries()
    }

    async fn records(&self, stream: &str, after: Option<&str>, limit: usize) -> Result<Vec<StoredRecord>> {
        self.permit.check("kinesis:GetRecords", stream)?;
        self.local.records(stream, after, limit).await
    }

    async fn put(&self, permit: &Permit, stream: &str, records: &[Record]) -> Result<()> {
        Streams::put(&self.local, permit, stream, records).await?;
        self.meter.add_written(records.len());
        Ok(())
    }

    async fn drain(&self, permit: &Permit, delivery: &str, since: Timestamp) -> Result<Drained> {
        self.local.drain(permit, delivery, since).await
    }
}

#[async_trait]
impl Tables for Seen {
    fn list(&self) -> Pages<'_, KeyTable> {
        Tables::list(&self.local)
    }

    async fn describe(&self, table: &str) -> Result<KeyTable> {
        self.local.describe(table).await
    }

    async fn put(&self, permit: &Permit, table: &str, items: &[Value]) -> Result<()> {
        Tables::put(&self.local, permit, table, items).await?;
        self.meter.add_written(items.len());
        Ok(())
    }

    async fn get(&self, table: &str, key: &Value) -> Result<Option<Value>> {
        self.permit.check("dynamodb:GetItem", table)?;
        Tables::get(&self.local, table, key).await
    }

    async fn scan(&self, table: &str, after: Option<&Value>, limit: usize) -> Result<ItemPage> {
        self.permit.check("dynamodb:Scan", table)?;
        self.local.scan(table, after, limit).await
    }

    async fn query(&self, table: &str, asked: &tables::Query) -> Result<ItemPage> {
        self.permit.check("dynamodb:Query", table)?;
        Tables::query(&self.local, table, asked).await
    }

    async fn count(&self, table: &str) -> Result<u64> {
        self.permit.check("dynamodb:Scan", table)?;
        self.local.count(table).await
    }

    async fn delete(&self, permit: &Permit, table: &str, key: &Value) -> Result<()> {
        Tables::delete(&self.local, permit, table, key).await
    }
}
