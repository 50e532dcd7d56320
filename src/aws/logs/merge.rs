//! One stream of events from many groups, in order of time.

use std::{cmp::Reverse, collections::BinaryHeap, sync::Arc};

use super::seen::Seen;
use crate::cloud::logs::LogEvent;

/// One group's part of a read. Cheap to clone: what came is shared.
#[derive(Debug, Clone)]
pub(super) struct Group {
    pub(super) name: String,
    /// What came and is not yet given out, from `at` on.
    buffer: Arc<Vec<LogEvent>>,
    at: usize,
    /// Where the next page is.
    pub(super) token: Option<String>,
    /// Whether all pages of this round have come.
    pub(super) done: bool,
    /// Whether it cannot be read.
    pub(super) failed: bool,
    /// Where this round begins, in milliseconds.
    pub(super) start: Option<i64>,
    /// Nothing before this is wanted.
    pub(super) floor: Option<i64>,
    /// What came from `FilterLogEvents`, by ids.
    pub(super) seen: Seen,
    /// What came from there, by contents: live tail gives no ids.
    pub(super) polled: Seen,
    /// What came from live tail, by contents.
    pub(super) sent: Seen,
}

impl Group {
    pub(super) fn new(name: String, floor: Option<i64>) -> Self {
        Self {
            name,
            buffer: Arc::default(),
            at: 0,
            token: None,
            done: false,
            failed: false,
            start: floor,
            floor,
            seen: Seen::default(),
            polled: Seen::default(),
            sent: Seen::default(),
        }
    }

    /// Takes in a page, in order of time.
    pub(super) fn take(&mut self, mut events: Vec<LogEvent>, token: Option<String>) {
        events.sort_by_key(|e| e.timestamp);
        self.buffer = Arc::new(events);
        self.at = 0;
        self.done = token.is_none();
        self.token = token;
    }

    /// Gives up a group that cannot be read.
    pub(super) fn fail(&mut self) {
        self.failed = true;
        self.done = true;
        self.buffer = Arc::default();
        self.at = 0;
    }

    /// Begins another round.
    pub(super) fn again(&mut self, now: i64) {
        self.done = self.failed;
        self.token = None;
        self.start = Some(self.seen.again(now).max(self.floor.unwrap_or(i64::MIN)).max(0));
    }

    fn head(&self) -> Option<&LogEvent> {
        self.buffer.get(self.at)
    }

    /// Whether its next page is needed to know what comes next.
    pub(super) fn hungry(&self) -> bool {
        !self.done && self.head().is_none()
    }

    /// Whether there is more of this round.
    pub(super) fn more(&self) -> bool {
        !self.done || self.head().is_some()
    }
}

/// Moves up to `limit` events out of the groups, in order of time, as far as is known what comes next.
pub(super) fn merge(groups: &mut [Group], limit: usize, into: &mut Vec<LogEvent>) {
    if groups.iter().any(Group::hungry) {
        return;
    }
    let head = |group: &Group, n: usize| group.head().map(|e| Reverse((e.timestamp, n)));
    let mut heads: BinaryHeap<_> = groups.iter().enumerate().filter_map(|(n, group)| head(group, n)).collect();
    while into.len() < limit {
        let Some(Reverse((_, n))) = heads.pop() else { break };
        let Some(group) = groups.get_mut(n) else { break };
        into.extend(group.head().cloned());
        group.at += 1;
        if group.hungry() {
            break;
        }
        heads.extend(head(group, n));
    }
}
