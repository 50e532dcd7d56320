//! Crawlers and their crawls. How a crawl does its work is in `run`, how it takes files for what they are in `infer`.

mod infer;
mod run;
#[cfg(test)]
mod tests;

use std::path::Path;

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::{
    Local,
    clock::timestamp,
    logs,
    lookup::{self, Deployed},
    process, schedules, state_changes,
    store::sql,
};
use crate::cloud::{
    Error, Pages, Permit, Result,
    crawlers::{Crawl, CrawlState, Crawler, CrawlerState, Crawlers},
    events::CrawlerChange,
    resources::{self, Properties, ScheduleTarget},
    urlcode::decode,
};

const DIED: &str = "the process that ran it has died: nothing of it was kept, start it again";
const COLUMNS: &str = "id, crawler, state, trigger, started, ended, tables_created, tables_updated, partitions_created, \
                       error, process";

#[async_trait]
impl Crawlers for Local {
    fn list(&self) -> Pages<'_, Crawler> {
        Pages::once(async move {
            let dir = self.inner.store.dir().to_owned();
            self.inner
                .store
                .read(move |c| {
                    let schedules = lookup::all(c, "schedule")?;
                    lookup::all(c, "crawler")?.into_iter().map(|d| describe(c, &dir, &schedules, d)).collect()
                })
                .await
        })
    }

    async fn get(&self, crawler: &str) -> Result<Crawler> {
        let (crawler, dir) = (crawler.to_owned(), self.inner.store.dir().to_owned());
        self.inner
            .store
            .read(move |c| describe(c, &dir, &lookup::all(c, "schedule")?, lookup::one(c, "crawler", &crawler)?))
            .await
    }

    async fn crawls(&self, crawler: &str, limit: usize) -> Result<Vec<Crawl>> {
        let (crawler, dir) = (crawler.to_owned(), self.inner.store.dir().to_owned());
        self.inner
            .store
            .read(move |c| {
                lookup::one(c, "crawler", &crawler)?;
                newest(c, &dir, &crawler, limit)
            })
            .await
    }

    async fn start(&self, permit: &Permit, crawler: &str) -> Result<()> {
        permit.check("glue:StartCrawler", crawler)?;
        let token = permit.next_token().map(|token| format!("crawl {token}"));
        self.start_crawler(crawler, permit.principal(), token).await
    }
}

impl Local {
    /// Starts a crawl and returns at once; it goes on by itself. `trigger` says what started it; what was started under the
    /// same `token` before is not started again.
    ///
    /// # Errors
    /// [`Error::Conflict`] while the crawler is at work, [`Error::NotFound`] without it.
    pub(crate) async fn start_crawler(&self, crawler: &str, trigger: &str, token: Option<String>) -> Result<()> {
        let process = self.process_id()?;
        let (name, trigger, dir) = (crawler.to_owned(), trigger.to_owned(), self.inner.store.dir().to_owned());
        let now = self.inner.clock.now_ms();
        let begun = self.inner.store.write(move |t| begin(t, &dir, now, &name, &trigger, token, &process)).await?;
        if let Some((id, resource)) = begun {
            tokio::spawn(run::supervise(self.clone(), id, crawler.to_owned(), resource));
        }
        Ok(())
    }
}

/// Writes down that a crawl has begun, or takes up one that a role had started and whose process died; none where that was
/// done before.
fn begin(
    t: &Transaction<'_>,
    dir: &Path,
    now_ms: i64,
    name: &str,
    trigger: &str,
    token: Option<String>,
    process: &str,
) -> Result<Option<(String, resources::Crawler)>> {
    let resource = resource(lookup::one(t, "crawler", name)?)?;
    let last: Option<(String, String, Option<String>)> = t
        .prepare_cached("select id, state, process from crawls where crawler = ?1 and state in ('STARTING', 'RUNNING')")
        .and_then(|mut s| s.query_row([name], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?))).optional())
        .map_err(sql)?;
    if let Some((id, _, process)) = &last
        && process.as_ref().is_some_and(|p| !process::alive(dir, p))
    {
        bury(t, now_ms, name, id, DIED)?;
    }
    let active: Option<(String, bool)> = t
        .prepare_cached(
            "select id, process is null from crawls where crawler = ?1 and state in ('STARTING', 'RUNNING')",
        )
        .and_then(|mut s| s.query_row([name], |r| Ok((r.get(0)?, r.get(1)?))).optional())
        .map_err(sql)?;
    let known = token.as_ref().map(|token| state_changes::started(t, token)).transpose()?.flatten();
    match active {
        Some((id, true)) => {
            t.execute("update crawls set state = 'RUNNING', process = ?2 where id = ?1", [id.as_str(), process])
                .map_err(sql)?;
            let line = format!("Crawl {id} begins again: the process that ran it has died");
            logs::append(t, &resource.log_group, &id, &[(now_ms, &line)])?;
            return Ok(Some((id, resource)));
        }
        _ if known.is_some() => return Ok(None),
        Some((id, false)) => {
            return Err(Error::Conflict(format!(
                "crawler {name} is at work already: {id} (CrawlerRunningException); wait for its end"
            )));
        }
        None => {}
    }
    let id = uuid::Uuid::now_v7().to_string();
    t.execute(
        "insert into crawls (id, crawler, state, trigger, started, process) values (?1, ?2, 'RUNNING', ?3, ?4, ?5)",
        params![id, name, trigger, now_ms, process],
    )
    .map_err(sql)?;
    if let Some(token) = &token {
        state_changes::remember(t, token, &id)?;
    }
    let line = format!("[{id}] BENCHMARK : Running Start Crawl for Crawler {name}, by {trigger}");
    logs::append(t, &resource.log_group, &id, &[(now_ms, &line)])?;
    Ok(Some((id, resource)))
}

/// The crawlers of which a crawl waits to be taken up.
pub(crate) fn to_take_up(connection: &Connection) -> Result<Vec<String>> {
    connection
        .prepare_cached("select distinct crawler from crawls where state = 'STARTING' and process is null")
        .and_then(|mut s| s.query_map([], |r| r.get(0))?.collect())
        .map_err(sql)
}

/// Ends a crawl whose process has died; one that a role had started waits to be taken up instead.
pub(crate) fn bury(t: &Transaction<'_>, now_ms: i64, crawler: &str, id: &str, why: &str) -> Result<()> {
    if state_changes::by_role(t, id)? {
        t.execute("update crawls set state = 'STARTING', process = null where id = ?1", [id]).map_err(sql)?;
        return Ok(());
    }
    fail(t, now_ms, crawler, id, why).map(drop)
}

/// Writes down a crawl's failure; false where another end was written down before.
fn fail(t: &Transaction<'_>, now_ms: i64, crawler: &str, id: &str, why: &str) -> Result<bool> {
    let started: Option<i64> = t
        .query_row(
            "update crawls set state = 'FAILED', ended = ?2, error = ?3, process = null \
             where id = ?1 and state in ('STARTING', 'RUNNING') returning started",
            params![id, now_ms, why],
            |r| r.get(0),
        )
        .optional()
        .map_err(sql)?;
    let Some(started_ms) = started else { return Ok(false) };
    if let Some(deployed) = lookup::find(t, "crawler", crawler)? {
        let line = format!("[{id}] ERROR : {why}");
        logs::append(t, &resource(deployed)?.log_group, id, &[(now_ms, &line)])?;
    }
    let error = Some(why);
    let change = CrawlerChange { crawler, crawl: id, started_ms, ended_ms: now_ms, changes: (0, 0, 0), error };
    state_changes::crawl_ended(t, now_ms, change)?;
    Ok(true)
}

/// The folders between a table's own and a file, as partitions: `day=1/` is `day`, one without a name is `partition_0`.
pub(crate) fn parts(inner: &str) -> Vec<(String, String)> {
    let mut folders: Vec<&str> = inner.split('/').collect();
    folders.pop();
    let named = |(n, folder): (usize, &str)| match folder.split_once('=') {
        Some((name, value)) if !name.is_empty() => (name.to_lowercase(), decode(&value.replace('+', "%2B"))),
        _ => (format!("partition_{n}"), folder.to_owned()),
    };
    folders.into_iter().enumerate().map(named).collect()
}

fn resource(deployed: Deployed) -> Result<resources::Crawler> {
    match deployed.resource.properties {
        Properties::Crawler(crawler) => Ok(crawler),
        _ => Err(Error::storage(format!("{:?} is no crawler", deployed.resource.physical_name))),
    }
}

fn describe(connection: &Connection, dir: &Path, schedules: &[Deployed], deployed: Deployed) -> Result<Crawler> {
    let (name, pipeline) = (deployed.resource.physical_name.clone(), deployed.pipeline.clone());
    let crawler = resource(deployed)?;
    let (schedule, next_run) = schedules::of(connection, schedules, &ScheduleTarget::Crawler(name.clone()))?;
    let crawls = newest(connection, dir, &name, 2)?;
    let at_work = crawls.first().is_some_and(|c| !c.state.is_final());
    Ok(Crawler {
        locations: vec![format!("s3://{}/{}", crawler.bucket, crawler.prefix)],
        database: Some(crawler.database),
        table_prefix: Some(crawler.table_prefix).filter(|p| !p.is_empty()),
        state: if at_work { CrawlerState::Running } else { CrawlerState::Ready },
        schedule,
        next_run,
        log_group: crawler.log_group,
        last_crawl: crawls.into_iter().find(|c| c.state.is_final()),
        name,
        pipeline,
    })
}

fn newest(connection: &Connection, dir: &Path, crawler: &str, limit: usize) -> Result<Vec<Crawl>> {
    let mut statement = connection
        .prepare_cached(&format!(
            "select {COLUMNS} from crawls where crawler = ?1 order by started desc, rowid desc limit ?2"
        ))
        .map_err(sql)?;
    let rows = statement.query_map(params![crawler, limit.min(i32::MAX as usize)], raw).map_err(sql)?;
    rows.map(|row| Ok(as_seen(row.map_err(sql)?, dir))).collect()
}

fn raw(r: &Row<'_>) -> rusqlite::Result<(Crawl, Option<String>)> {
    let id: String = r.get(0)?;
    let state = match r.get::<_, String>(2)?.as_str() {
        "STARTING" => CrawlState::Starting,
        "SUCCEEDED" => CrawlState::Succeeded,
        "FAILED" => CrawlState::Failed,
        _ => CrawlState::Running,
    };
    let crawl = Crawl {
        crawler: r.get(1)?,
        state,
        trigger: r.get(3)?,
        started: Some(timestamp(r.get(4)?)),
        ended: r.get::<_, Option<i64>>(5)?.map(timestamp),
        tables_created: r.get(6)?,
        tables_updated: r.get(7)?,
        partitions_created: r.get(8)?,
        error: r.get(9)?,
        log_stream: Some(id.clone()),
        id: Some(id),
    };
    Ok((crawl, r.get(10)?))
}

/// A crawl whose process is dead has failed, also where nobody could write that down yet.
fn as_seen((mut crawl, process): (Crawl, Option<String>), dir: &Path) -> Crawl {
    if crawl.state == CrawlState::Running && process.is_none_or(|p| !process::alive(dir, &p)) {
        crawl.state = CrawlState::Failed;
        crawl.error = Some(DIED.into());
    }
    crawl
}
