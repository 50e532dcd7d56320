//! Crawlers and their crawls (AWS Glue).

use async_trait::async_trait;
use aws_sdk_glue::types;
use jiff::Timestamp;

use super::{Aws, error::failed, time::optional};
use crate::cloud::{
    Error, Pages, Permit, Result,
    crawlers::{Crawl, CrawlState, Crawler, CrawlerState, Crawlers},
    schedule::Schedule,
};

/// Where all crawlers of an account and region write, a stream each.
const LOG_GROUP: &str = "/aws-glue/crawlers";
const CRAWLERS_PER_PAGE: i32 = 100;
/// The most that AWS gives at once.
const CRAWLS_PER_PAGE: usize = 100;

#[async_trait]
impl Crawlers for Aws {
    fn list(&self) -> Pages<'_, Crawler> {
        Pages::follow(move |token| async move {
            let glue = self.client.glue().await?;
            let asked = glue.get_crawlers().max_results(CRAWLERS_PER_PAGE).set_next_token(token).send();
            let page = asked.await.map_err(failed("glue:GetCrawlers", "crawler", "*"))?;
            let owners = self.owners().await;
            let crawlers = page.crawlers.unwrap_or_default().into_iter().filter_map(|found| {
                let mut found = crawler(found)?;
                found.pipeline = owners.pipeline(&found.name);
                Some(found)
            });
            Ok((crawlers.collect(), page.next_token.filter(|t| !t.is_empty())))
        })
    }

    async fn get(&self, name: &str) -> Result<Crawler> {
        let glue = self.client.glue().await?;
        let asked = glue.get_crawler().name(name).send();
        let answer = asked.await.map_err(failed("glue:GetCrawler", "crawler", name))?;
        let mut found = answer.crawler.and_then(crawler).ok_or_else(|| Error::not_found("crawler", name))?;
        found.pipeline = self.owners().await.pipeline(&found.name);
        Ok(found)
    }

    async fn crawls(&self, crawler: &str, limit: usize) -> Result<Vec<Crawl>> {
        let glue = self.client.glue().await?;
        let mut found = Vec::new();
        let mut token = None;
        while found.len() < limit {
            let want = (limit - found.len()).min(CRAWLS_PER_PAGE);
            let page = glue
                .list_crawls()
                .crawler_name(crawler)
                .max_results(want as i32)
                .set_next_token(token.take())
                .send()
                .await
                .map_err(failed("glue:ListCrawls", "crawler", crawler))?;
            found.extend(page.crawls.unwrap_or_default().into_iter().map(|crawl| past(crawler, crawl)));
            token = page.next_token.filter(|t| !t.is_empty());
            if token.is_none() {
                break;
            }
        }
        found.sort_by_key(|crawl| std::cmp::Reverse(crawl.started));
        found.truncate(limit);
        Ok(found)
    }

    async fn start(&self, permit: &Permit, crawler: &str) -> Result<()> {
        permit.check("glue:StartCrawler", crawler)?;
        let glue = self.client.glue().await?;
        glue.start_crawler().name(crawler).send().await.map_err(failed("glue:StartCrawler", "crawler", crawler))?;
        permit.wrote(1);
        Ok(())
    }
}

/// A crawler; none without a name.
fn crawler(found: types::Crawler) -> Option<Crawler> {
    let name = found.name?;
    let targets = found.targets.unwrap_or(types::CrawlerTargets::builder().build());
    let s3 = targets.s3_targets.unwrap_or_default().into_iter().filter_map(|t| t.path);
    let jdbc = targets.jdbc_targets.unwrap_or_default().into_iter().filter_map(|t| t.path);
    let dynamodb = targets.dynamo_db_targets.unwrap_or_default().into_iter().filter_map(|t| t.path);
    let on = found.schedule.as_ref().is_some_and(|s| s.state == Some(types::ScheduleState::Scheduled));
    let schedule = found.schedule.and_then(|s| s.schedule_expression).filter(|s| !s.is_empty());
    let next = |schedule: &String| Schedule::parse(schedule).ok()?.next_after(Timestamp::now());
    let last = found.last_crawl.map(|last| Crawl {
        id: None,
        crawler: name.clone(),
        state: match last.status {
            Some(types::LastCrawlStatus::Succeeded) => CrawlState::Succeeded,
            Some(types::LastCrawlStatus::Cancelled) => CrawlState::Cancelled,
            _ => CrawlState::Failed,
        },
        trigger: None,
        started: optional(last.start_time.as_ref()),
        ended: None,
        tables_created: None,
        tables_updated: None,
        partitions_created: None,
        error: last.error_message.filter(|e| !e.is_empty()),
        log_stream: last.log_stream,
    });
    Some(Crawler {
        pipeline: None,
        database: found.database_name,
        table_prefix: found.table_prefix.filter(|p| !p.is_empty()),
        locations: s3.chain(jdbc).chain(dynamodb).collect(),
        state: match found.state {
            Some(types::CrawlerState::Running) => CrawlerState::Running,
            Some(types::CrawlerState::Stopping) => CrawlerState::Stopping,
            _ => CrawlerState::Ready,
        },
        next_run: schedule.as_ref().filter(|_| on).and_then(next),
        schedule,
        log_group: LOG_GROUP.to_owned(),
        last_crawl: last,
        name,
    })
}

/// One of the crawls of the past. What it changed stands in its summary, as JSON in texts.
fn past(crawler: &str, crawl: types::CrawlerHistory) -> Crawl {
    let summary = crawl.summary.as_deref().unwrap_or_default();
    Crawl {
        id: crawl.crawl_id,
        crawler: crawler.to_owned(),
        state: match crawl.state {
            Some(types::CrawlerHistoryState::Completed) => CrawlState::Succeeded,
            Some(types::CrawlerHistoryState::Running) => CrawlState::Running,
            Some(types::CrawlerHistoryState::Stopped) => CrawlState::Cancelled,
            _ => CrawlState::Failed,
        },
        trigger: None,
        started: optional(crawl.start_time.as_ref()),
        ended: optional(crawl.end_time.as_ref()),
        tables_created: counted(summary, "TABLE", "ADD"),
        tables_updated: counted(summary, "TABLE", "UPDATE"),
        partitions_created: counted(summary, "PARTITION", "ADD"),
        error: crawl.error_message.filter(|e| !e.is_empty()),
        log_stream: crawl.log_stream,
    }
}

/// A count of a summary: `{"TABLE":"{\"ADD\":{\"Count\":\"1\",...}}"}`; none where it is not in that shape.
fn counted(summary: &str, what: &str, change: &str) -> Option<u64> {
    let summary: serde_json::Value = serde_json::from_str(summary).ok()?;
    let Some(of_kind) = summary.get(what) else { return Some(0) };
    let parsed;
    let changes = match of_kind.as_str() {
        Some(text) => {
            parsed = serde_json::from_str::<serde_json::Value>(text).ok()?;
            &parsed
        }
        None => of_kind,
    };
    let Some(change) = changes.get(change) else { return Some(0) };
    let count = change.get("Count").unwrap_or(change);
    count.as_u64().or_else(|| count.as_str()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_crawl_changed_is_read_from_its_summary() {
        let summary =
            r#"{"TABLE":"{\"ADD\":{\"Count\":\"1\",\"Details\":[]}}","PARTITION":"{\"ADD\":{\"Count\":\"12\"}}"}"#;
        assert_eq!(counted(summary, "TABLE", "ADD"), Some(1));
        assert_eq!(counted(summary, "TABLE", "UPDATE"), Some(0));
        assert_eq!(counted(summary, "PARTITION", "ADD"), Some(12));
        assert_eq!(counted("", "TABLE", "ADD"), None);
    }
}
