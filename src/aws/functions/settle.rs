//! Waiting until functions that others have started are at rest.
//!
//! AWS Lambda does not say which asynchronous invocations wait. Their log groups say which have begun and ended, a line
//! each, so that is what is read. An invocation that has not begun cannot be seen: it is waited for as long as S3 and
//! EventBridge usually take to start one, and longer is not known.

use std::{collections::BTreeMap, time::Duration};

use jiff::{SignedDuration, Timestamp};

use super::super::{Aws, counts, error::failed};
use crate::cloud::{Error, Result, functions::Settled};

/// How long nothing must have begun before nothing more is expected.
const QUIET: SignedDuration = SignedDuration::from_secs(45);
/// How long an invocation that failed may wait before it is tried again: one minute, then two, and some more.
const RETRY: SignedDuration = SignedDuration::from_secs(150);
/// Attempts at an asynchronous invocation.
const ATTEMPTS: u32 = 3;
/// How long functions are waited for in all.
const PATIENCE: SignedDuration = SignedDuration::from_mins(20);
const POLL: Duration = Duration::from_secs(5);
/// Lambda's own lines, those of failures, and those that say how many records there were.
const PATTERN: &str = r#"?"START RequestId" ?"REPORT RequestId" ?"END RequestId" ?"[ERROR]" ?"records_in""#;

/// A line of a log.
struct Line<'a> {
    stream: &'a str,
    time: Timestamp,
    text: &'a str,
}

/// An invocation, all its attempts together.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    attempts: u32,
    at_work: bool,
    last: Timestamp,
    error: Option<String>,
    counts: Option<(u64, u64)>,
}

impl Aws {
    /// Waits until no invocation of the `functions` that began at or after `since` is at work or to be tried again.
    pub(super) async fn settle_all(&self, functions: &[String], since: Timestamp) -> Result<Settled> {
        let mut groups = Vec::new();
        for function in functions {
            groups.push(self.text_log_group(function).await?);
        }
        let called = Timestamp::now();
        loop {
            let mut seen = BTreeMap::new();
            for group in &groups {
                seen.extend(self.seen_since(group, since).await?);
            }
            let now = Timestamp::now();
            if rests(&seen, called, now) {
                return Ok(outcome(&seen));
            }
            if now.duration_since(called) > PATIENCE {
                let at_work = seen.values().filter(|s| s.at_work).count();
                return Err(Error::Unavailable(format!(
                    "{} did not come to rest within 20 minutes: {at_work} invocations are at work",
                    functions.join(", ")
                )));
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// A function's log group, if its log is one of text.
    async fn text_log_group(&self, function: &str) -> Result<String> {
        let asked = self.client.lambda().await?.get_function_configuration().function_name(function).send().await;
        let found = asked.map_err(failed("lambda:GetFunctionConfiguration", "function", function))?;
        let logging = found.logging_config;
        if logging.as_ref().and_then(|l| l.log_format.as_ref()).is_some_and(|f| f.as_str() == "JSON") {
            let what =
                format!("waiting for {function}, whose log is JSON: only a log of text tells when an invocation ends");
            return Err(Error::Unsupported { cloud: "aws", what });
        }
        Ok(logging.and_then(|l| l.log_group).unwrap_or_else(|| format!("/aws/lambda/{function}")))
    }

    async fn seen_since(&self, group: &str, since: Timestamp) -> Result<BTreeMap<String, Seen>> {
        let mut events = Vec::new();
        let mut token = None;
        loop {
            let asked = self.client.logs().await?.filter_log_events().log_group_name(group).filter_pattern(PATTERN);
            let asked = asked.start_time(since.as_millisecond()).set_next_token(token);
            let answer = match asked.send().await.map_err(failed("logs:FilterLogEvents", "log group", group)) {
                // The group is made with the first line, where the stack has not made it.
                Err(Error::NotFound { .. }) => return Ok(BTreeMap::new()),
                other => other?,
            };
            events.extend(answer.events.unwrap_or_default());
            token = answer.next_token.filter(|t| !t.is_empty());
            if token.is_none() {
                break;
            }
        }
        // Events of one stream come in order; streams are told apart by name.
        let lines = events.iter().filter_map(|event| {
            Some(Line {
                stream: event.log_stream_name.as_deref().unwrap_or_default(),
                time: Timestamp::from_millisecond(event.timestamp?).ok()?,
                text: event.message.as_deref()?.trim_end(),
            })
        });
        Ok(read(lines))
    }
}

/// What the lines tell of each invocation, by its id.
fn read<'a>(lines: impl Iterator<Item = Line<'a>>) -> BTreeMap<String, Seen> {
    let mut seen: BTreeMap<String, Seen> = BTreeMap::new();
    // One environment, which has one log stream, does one invocation at a time.
    let mut current: BTreeMap<&str, String> = BTreeMap::new();
    for line in lines {
        if let Some(id) = id(line.text, "START RequestId: ") {
            let new = || Seen { attempts: 0, at_work: true, last: line.time, error: None, counts: None };
            let entry = seen.entry(id.to_owned()).or_insert_with(new);
            entry.attempts += 1;
            entry.at_work = true;
            entry.error = None;
            entry.last = entry.last.max(line.time);
            current.insert(line.stream, id.to_owned());
        } else if let Some(id) = id(line.text, "REPORT RequestId: ") {
            if let Some(entry) = seen.get_mut(id) {
                entry.at_work = false;
                entry.last = entry.last.max(line.time);
                if let Some((_, status)) = line.text.split_once("Status: ").filter(|(_, s)| !s.starts_with("success")) {
                    entry.error.get_or_insert_with(|| status.trim().replace('\t', ", "));
                }
            }
        } else if let Some(entry) = current.get(line.stream).and_then(|id| seen.get_mut(id)) {
            if let Some(why) = line.text.strip_prefix("[ERROR] ") {
                entry.error = Some(why.to_owned());
            } else if let Some(counts) = counts::read(line.text) {
                entry.counts = Some(counts);
            }
        }
    }
    seen
}

fn id<'a>(text: &'a str, before: &str) -> Option<&'a str> {
    text.strip_prefix(before)?.split_whitespace().next()
}

/// Whether nothing is at work, nothing waits to be tried again, and nothing has begun for a while.
fn rests(seen: &BTreeMap<String, Seen>, called: Timestamp, now: Timestamp) -> bool {
    let waits = |s: &Seen| s.error.is_some() && s.attempts < ATTEMPTS && now.duration_since(s.last) < RETRY;
    let last = seen.values().map(|s| s.last).max().unwrap_or(called).max(called);
    !seen.values().any(|s| s.at_work || waits(s)) && now.duration_since(last) >= QUIET
}

fn outcome(seen: &BTreeMap<String, Seen>) -> Settled {
    let failed: Vec<&Seen> = seen.values().filter(|s| s.error.is_some()).collect();
    // One that went well and told no counts makes the sum unknown; where none has begun, there is nothing to count.
    let mut counted = seen.values().filter(|s| s.error.is_none() || s.counts.is_some()).map(|s| s.counts);
    let last = failed.iter().max_by_key(|s| s.last);
    Settled {
        succeeded: (seen.len() - failed.len()) as u64,
        failed: failed.len() as u64,
        error: last.and_then(|s| s.error.clone()),
        records: counted.try_fold((0, 0), |(a, b), one| one.map(|(c, d)| (a + c, b + d))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn line<'a>(stream: &'a str, second: i64, text: &'a str) -> Line<'a> {
        Line { stream, time: at(second), text }
    }

    #[test]
    fn lines_of_two_environments_are_told_apart() {
        let lines = [
            line("a", 0, "START RequestId: one Version: $LATEST"),
            line("b", 0, "START RequestId: two Version: $LATEST"),
            line("a", 1, "{\"records_in\":3,\"records_out\":1}"),
            line("b", 1, "[ERROR] Failed: no luck"),
            line("b", 1, "REPORT RequestId: two\tDuration: 1 ms"),
            line("a", 2, "REPORT RequestId: one\tDuration: 2 ms"),
        ];
        let seen = read(lines.into_iter());
        assert_eq!((seen["one"].error.as_deref(), seen["one"].counts), (None, Some((3, 1))));
        assert_eq!((seen["two"].error.as_deref(), seen["two"].at_work), (Some("Failed: no luck"), false));
        // The one that failed is tried again in a minute or two.
        assert!(!rests(&seen, at(0), at(60)));
        assert!(rests(&seen, at(0), at(200)));
        let told = outcome(&seen);
        assert_eq!((told.succeeded, told.failed, told.error.as_deref()), (1, 1, Some("Failed: no luck")));
        assert_eq!(told.records, Some((3, 1)));
    }

    #[test]
    fn what_was_tried_again_and_went_well_has_succeeded() {
        let lines = [
            line("a", 0, "START RequestId: one Version: $LATEST"),
            line("a", 1, "REPORT RequestId: one\tDuration: 1 ms\tStatus: timeout"),
            line("a", 70, "START RequestId: one Version: $LATEST"),
        ];
        let seen = read(lines.into_iter());
        assert!(!rests(&seen, at(0), at(1_000)), "it is at work");
        let lines = [
            line("a", 70, "START RequestId: one Version: $LATEST"),
            line("a", 71, "REPORT RequestId: one\tDuration: 1 ms"),
        ];
        let seen = read(lines.into_iter());
        assert!(!rests(&seen, at(0), at(100)) && rests(&seen, at(0), at(116)));
        assert_eq!((outcome(&seen).failed, outcome(&seen).records), (0, None));
    }

    #[test]
    fn nothing_at_all_is_waited_for_a_while() {
        let none = BTreeMap::new();
        assert!(!rests(&none, at(0), at(44)));
        assert!(rests(&none, at(0), at(45)));
        assert_eq!(outcome(&none).records, Some((0, 0)));
    }
}
