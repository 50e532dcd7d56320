//! What the ports tell, and how well a pipeline and its stages are by that.

use super::{super::Backend, Health, Lane, StageView, TimelineEntry};
use crate::cloud::{
    self,
    alerts::{AlarmState, Alert, Topic},
    buckets::Bucket,
    crawlers::{CrawlState, Crawler, CrawlerState},
    flow::Stage,
    functions::Function,
    jobs::Job,
    queues::Queue,
    streams::{DeliveryStream, Stream},
};
use crate::text::{count, plural};

/// What the ports tell, asked once. A port that fails (denied, unreachable) tells nothing; its pane says why.
#[derive(Debug, Clone, Default)]
pub(in crate::backend) struct Facts {
    pub(super) functions: Vec<Function>,
    pub(super) jobs: Vec<Job>,
    crawlers: Vec<Crawler>,
    streams: Vec<Stream>,
    deliveries: Vec<DeliveryStream>,
    buckets: Vec<Bucket>,
    topics: Vec<Topic>,
    queues: Vec<Queue>,
    alerts: Vec<Alert>,
    /// Whether something failed for a reason that may pass.
    pub(in crate::backend) partial: bool,
}

/// Whether a failure may pass by itself: a refusal does not.
fn passes<T>(answer: &cloud::Result<T>) -> bool {
    !matches!(answer, Ok(_) | Err(cloud::Error::AccessDenied { .. } | cloud::Error::Unsupported { .. }))
}

pub(super) fn absent(stage: Stage) -> StageView {
    StageView { stage, health: Health::Absent, figure: String::new(), detail: None, log_group: None, activity: 0 }
}

/// The name without the pipeline and environment that it begins with.
pub(super) fn plain<'a>(pipeline: &str, physical: &'a str) -> &'a str {
    physical
        .strip_prefix(pipeline)
        .and_then(|rest| rest.strip_prefix('-'))
        .and_then(|rest| rest.split_once('-'))
        .map_or(physical, |(_, name)| name)
}

impl Facts {
    /// How a deployed pipeline is: the worst that can be said, else what it is doing.
    pub(super) fn judge(&self, pipeline: &str) -> (Health, String) {
        let ours = |p: &Option<String>| p.as_deref() == Some(pipeline);
        for job in self.jobs.iter().filter(|j| ours(&j.pipeline)) {
            if let Some(run) = &job.last_run
                && run.state.is_failure()
            {
                return (Health::Bad, format!("job {} failed", plain(pipeline, &job.name)));
            }
        }
        let failed = |c: &&Crawler| c.last_crawl.as_ref().is_some_and(|crawl| crawl.state == CrawlState::Failed);
        if let Some(crawler) = self.crawlers.iter().filter(|c| ours(&c.pipeline)).find(failed) {
            return (Health::Bad, format!("crawler {} failed", plain(pipeline, &crawler.name)));
        }
        if let Some(f) = self.functions.iter().find(|f| ours(&f.pipeline) && f.last_error.is_some()) {
            return (Health::Bad, format!("function {} failed", plain(pipeline, &f.name)));
        }
        if let Some(q) = self.queues.iter().find(|q| ours(&q.pipeline) && self.dead_letters(q) > 0) {
            return (Health::Bad, format!("dead letters of {}", plain(pipeline, &q.name)));
        }
        if let Some(a) = self.alerts.iter().find(|a| ours(&a.pipeline) && a.state == AlarmState::Alarm) {
            let name = a.name.rsplit('/').next().unwrap_or(&a.name);
            return (Health::Warning, format!("{} in ALARM", plain(pipeline, name)));
        }
        if self.jobs.iter().any(|j| ours(&j.pipeline) && j.last_run.as_ref().is_some_and(|r| !r.state.is_final())) {
            return (Health::Busy, "job running".into());
        }
        if self.crawlers.iter().any(|c| ours(&c.pipeline) && c.state != CrawlerState::Ready) {
            return (Health::Busy, "crawler running".into());
        }
        let rate: u64 = self.streams.iter().filter(|s| ours(&s.pipeline)).filter_map(|s| s.records_last_minute).sum();
        if rate > 0 { (Health::Busy, format!("{} rec/min", count(rate))) } else { (Health::Idle, "idle".into()) }
    }

    /// Messages that wait, and those that nobody could deal with.
    fn queue(&self, name: &str, view: &mut StageView) {
        let Some(queue) = self.queues.iter().find(|q| q.name == name) else { return };
        let waiting = queue.messages().unwrap_or(0);
        view.figure = format!("{} waiting", count(waiting));
        view.activity = queue.sent.unwrap_or(waiting);
        if waiting > 0 {
            view.health = Health::Busy;
        }
        let dead = self.dead_letters(queue);
        if dead > 0 {
            view.figure = format!("{}, {} dead", view.figure, count(dead));
            view.health = Health::Bad;
            view.detail = queue.dead_letter.as_ref().map(|q| format!("{} in {q}", plural(dead, "dead letter")));
        }
    }

    fn dead_letters(&self, queue: &Queue) -> u64 {
        let dead = self.queues.iter().find(|q| Some(&q.name) == queue.dead_letter.as_ref());
        dead.and_then(Queue::messages).unwrap_or(0)
    }

    pub(super) fn stage(&self, stage: Stage) -> StageView {
        let name = stage.physical_name.as_str();
        let mut view = absent(stage.clone());
        view.health = Health::Idle;
        match stage.kind {
            "function" => {
                let Some(f) = self.functions.iter().find(|f| f.name == name) else { return view };
                view.figure = f.invocations.map_or_else(String::new, |n| plural(n, "call"));
                if let Some(errors) = f.errors.filter(|n| *n > 0) {
                    view.figure = format!("{} · {}", view.figure, plural(errors, "error"));
                }
                view.activity = f.invocations.unwrap_or(0);
                view.log_group = Some(f.log_group.clone());
                view.detail.clone_from(&f.last_error);
                if f.last_error.is_some() {
                    view.health = Health::Bad;
                }
            }
            "stream" => {
                let Some(s) = self.streams.iter().find(|s| s.name == name) else { return view };
                let rate = s.records_last_minute;
                view.figure = rate.map_or_else(String::new, |n| format!("{} rec/min", count(n)));
                // Where the cloud does not count what a stream holds, news is when a record came last.
                let last = || s.last_record.map(|t| t.as_millisecond().unsigned_abs());
                view.activity = s.records.or_else(last).unwrap_or(0);
                if rate.is_some_and(|n| n > 0) {
                    view.health = Health::Busy;
                }
            }
            "delivery" => {
                let Some(d) = self.deliveries.iter().find(|d| d.name == name) else { return view };
                let waiting = d.buffered_records.unwrap_or(0);
                view.figure = match (d.seconds_left, d.delivered_records) {
                    (Some(seconds), _) => format!("{} waiting, {seconds} s left", count(waiting)),
                    (None, Some(delivered)) => format!("{} delivered", count(delivered)),
                    (None, None) => String::new(),
                };
                view.activity = d.delivered_records.unwrap_or(0);
                if waiting > 0 {
                    view.health = Health::Busy;
                }
            }
            "bucket" => {
                let Some(b) = self.buckets.iter().find(|b| b.name == name) else { return view };
                // AWS does not count them: no figure is better than a wrong one.
                view.figure = b.objects.map_or_else(String::new, |n| plural(n, "object"));
                view.activity = b.objects.unwrap_or(0);
            }
            "job" => self.job(name, &mut view),
            "crawler" => self.crawler(name, &mut view),
            "queue" => self.queue(name, &mut view),
            "topic" => {
                let Some(t) = self.topics.iter().find(|t| t.name == name) else { return view };
                view.figure = t.messages.map_or_else(String::new, |n| plural(n, "message"));
                view.activity = t.messages.unwrap_or(0);
            }
            _ => {}
        }
        view
    }

    /// How a crawler's last crawl ended; of one at work, that it is.
    fn crawler(&self, name: &str, view: &mut StageView) {
        let Some(crawler) = self.crawlers.iter().find(|c| c.name == name) else { return };
        view.log_group = Some(crawler.log_group.clone());
        let last = crawler.last_crawl.as_ref();
        view.activity =
            last.and_then(|c| c.started).and_then(|t| u64::try_from(t.as_millisecond()).ok()).unwrap_or_default();
        if crawler.state != CrawlerState::Ready {
            crawler.state.word().clone_into(&mut view.figure);
            view.health = Health::Busy;
            return;
        }
        let Some(crawl) = last else {
            "no crawl yet".clone_into(&mut view.figure);
            return;
        };
        crawl.state.word().clone_into(&mut view.figure);
        view.detail.clone_from(&crawl.error);
        if crawl.state == CrawlState::Failed {
            view.health = Health::Bad;
        }
    }

    /// A crawler's last crawl, as an entry: those before it would be a call of their own.
    pub(super) fn last_crawl(&self, name: &str, short: &str) -> Option<TimelineEntry> {
        let crawl = self.crawlers.iter().find(|c| c.name == name)?.last_crawl.as_ref()?;
        let bad = crawl.state == CrawlState::Failed;
        let text = match &crawl.error {
            Some(error) if bad => format!("{short}: {error}"),
            _ => format!("{short} {}", crawl.state.word()),
        };
        Some(TimelineEntry { time: crawl.started?, lane: Lane::Runs, bad, text })
    }

    fn job(&self, name: &str, view: &mut StageView) {
        let Some(job) = self.jobs.iter().find(|j| j.name == name) else { return };
        view.log_group = Some(job.log_group.clone());
        let Some(run) = &job.last_run else {
            "no run yet".clone_into(&mut view.figure);
            return;
        };
        view.activity = u64::try_from(run.started.as_millisecond()).unwrap_or(0);
        view.figure = match run.rows_out {
            Some(rows) => format!("{} · {}", run.state.word(), plural(rows, "row")),
            None => run.state.word().to_owned(),
        };
        view.detail.clone_from(&run.error);
        view.health = match run.state {
            s if s.is_failure() => Health::Bad,
            s if s.is_final() => Health::Idle,
            _ => Health::Busy,
        };
    }
}

impl Backend {
    /// Reads all that the ports tell.
    pub(in crate::backend) async fn read_facts(&self) -> Facts {
        let c = &self.cloud;
        let (functions, jobs, crawlers, streams, deliveries, buckets, topics, queues, alerts) = tokio::join!(
            c.functions.list(),
            c.jobs.list(),
            c.crawlers.list(),
            c.streams.list(),
            c.streams.deliveries(),
            c.buckets.list(),
            c.alerts.topics().gather(),
            c.queues.list().gather(),
            // Their states alone: what was measured costs more than it tells here.
            c.alerts.list(0).gather()
        );
        let partial = [
            passes(&functions),
            passes(&jobs),
            passes(&crawlers),
            passes(&streams),
            passes(&deliveries),
            passes(&buckets),
            topics.1.iter().chain(&queues.1).chain(&alerts.1).any(|error| passes::<()>(&Err(error.clone()))),
        ];
        let mut jobs = jobs.unwrap_or_default();
        self.read_last_runs(&mut jobs, false).await;
        Facts {
            partial: partial.contains(&true),
            functions: functions.unwrap_or_default(),
            jobs,
            crawlers: crawlers.unwrap_or_default(),
            streams: streams.unwrap_or_default(),
            deliveries: deliveries.unwrap_or_default(),
            buckets: buckets.unwrap_or_default(),
            topics: topics.0,
            queues: queues.0,
            alerts: alerts.0,
        }
    }

    /// Reads what changes from one moment to the next: runs of jobs, crawls, states of alarms. All else is as it was.
    pub(in crate::backend) async fn read_moment(&self, known: &Facts) -> Facts {
        let (mut jobs, mut crawlers) = (known.jobs.clone(), known.crawlers.clone());
        let (alerts, (), ()) = tokio::join!(
            self.cloud.alerts.list(0).gather(),
            self.read_last_runs(&mut jobs, true),
            self.read_crawlers(&mut crawlers)
        );
        // What could not be read for now is as it was: an alarm does not end by that.
        let failed = alerts.1.iter().any(|error| passes::<()>(&Err(error.clone())));
        let alerts = if failed { known.alerts.clone() } else { alerts.0 };
        Facts { jobs, crawlers, alerts, ..known.clone() }
    }

    /// Pipelines' crawlers as they are now; those of others are nothing that is shown.
    async fn read_crawlers(&self, crawlers: &mut Vec<Crawler>) {
        if crawlers.iter().any(|c| c.pipeline.is_some())
            && let Ok(now) = self.cloud.crawlers.list().await
        {
            *crawlers = now;
        }
    }

    /// Of pipelines' jobs, the newest runs tell how they are: those that are not known, or all of them.
    async fn read_last_runs(&self, jobs: &mut [Job], all: bool) {
        let asked = |job: &Job| job.pipeline.is_some() && (all || job.last_run.is_none());
        let names: Vec<_> = jobs.iter().filter(|job| asked(job)).map(|job| job.name.clone()).collect();
        if names.is_empty() {
            return;
        }
        let Ok(mut runs) = self.cloud.jobs.last_runs(&names).await else { return };
        for job in jobs.iter_mut().filter(|job| asked(job)) {
            job.last_run = runs.remove(&job.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lose_what_the_heading_says_already() {
        assert_eq!(plain("crypto-stream", "crypto-stream-dev-clean_prices"), "clean_prices");
        assert_eq!(plain("crypto-stream", "other"), "other");
    }
}
