//! Which events were seen: events arrive late, and are asked for again and again for a while.

use std::{
    collections::{BTreeSet, hash_map::DefaultHasher},
    hash::{Hash, Hasher},
    sync::Arc,
};

/// How late an event may arrive, in milliseconds, and still be seen while following.
pub(super) const LATE: i64 = 10 * 60 * 1_000;
/// Events that are remembered: in a busy group they go back for less than [`LATE`], so that asking again stays cheap.
const REMEMBERED: usize = 5_000;

/// The newest events, by their times and what tells them apart. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    events: Arc<BTreeSet<(i64, u64)>>,
    /// Events before this time were forgotten.
    forgotten: Option<i64>,
}

impl Seen {
    /// Notes an event; whether it is new.
    pub(super) fn add(&mut self, time: i64, key: u64) -> bool {
        let events = Arc::make_mut(&mut self.events);
        if !events.insert((time, key)) {
            return false;
        }
        if events.len() > REMEMBERED
            && let Some((oldest, _)) = events.pop_first()
        {
            self.forgotten = Some(oldest + 1);
        }
        true
    }

    /// Whether an event was noted.
    pub(super) fn has(&self, time: i64, key: u64) -> bool {
        self.events.contains(&(time, key))
    }

    /// From when on to ask again at `now`: as far back as an event may be late, and all that came is remembered.
    pub(super) fn again(&self, now: i64) -> i64 {
        let newest = self.events.last().map_or(now, |(time, _)| *time);
        let start = newest.min(now) - LATE;
        self.forgotten.map_or(start, |forgotten| start.max(forgotten))
    }
}

/// What tells an event apart: its id, or, for want of one, all that is known of it.
pub(super) fn key(parts: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    parts.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_new_once() {
        let mut seen = Seen::default();
        assert!(seen.add(1, key(&"a")) && seen.add(1, key(&"b")));
        assert!(!seen.add(1, key(&"a")));
        assert!(seen.has(1, key(&"b")) && !seen.has(2, key(&"b")));
    }

    #[test]
    fn it_is_asked_again_as_far_back_as_is_remembered() {
        let mut seen = Seen::default();
        assert_eq!(seen.again(LATE + 5), 5);
        seen.add(1_000_000, 0);
        assert_eq!(seen.again(i64::MAX), 1_000_000 - LATE);
        for n in 0..REMEMBERED as i64 {
            seen.add(2_000_000 + n, 0);
        }
        assert_eq!(seen.again(2_100_000), 2_100_000.min(2_000_000 + REMEMBERED as i64 - 1) - LATE);
        for n in 0..10 {
            seen.add(2_900_000 + n, 0);
        }
        // Ten of the busy time were dropped.
        assert_eq!(seen.again(2_900_000), 2_300_000);
        for n in 0..REMEMBERED as i64 {
            seen.add(2_950_000 + n, 0);
        }
        assert_eq!(seen.again(2_960_000), 2_900_010);
    }
}
