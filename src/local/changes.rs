//! News that the state has changed, whichever process did it.
//!
//! SQLite counts the commits that a connection has not made itself. One connection that makes none is asked for that
//! number, five times a second, only while somebody waits.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use rusqlite::Connection;

use super::{
    Local,
    store::{Store, sql},
};
use crate::cloud::{Result, changes::Changes};

const LOOK: Duration = Duration::from_millis(200);

/// Watches the state for commits.
#[derive(Clone, Default)]
pub(crate) struct Watch {
    seen: Arc<Mutex<Option<Seen>>>,
}

struct Seen {
    connection: Connection,
    version: i64,
    mark: u64,
}

impl Watch {
    /// A number that grows when the state has changed; never 0.
    pub(crate) fn mark(&self, store: &Store) -> Result<u64> {
        let mut guard = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = match guard.take() {
            Some(seen) => seen,
            None => Seen { connection: store.connect()?, version: 0, mark: 0 },
        };
        let seen = guard.insert(seen);
        let version = seen.connection.query_row("pragma data_version", [], |r| r.get(0)).map_err(sql)?;
        if seen.version != version {
            seen.version = version;
            seen.mark += 1;
        }
        Ok(seen.mark)
    }
}

#[async_trait]
impl Changes for Local {
    async fn after(&self, seen: u64) -> Result<u64> {
        loop {
            // No page is read for this, it need not leave the thread.
            let mark = self.inner.watch.mark(&self.inner.store)?;
            if mark != seen {
                // It may have been the clock's speed.
                let clock = self.inner.clock.clone();
                self.inner.store.read(move |c| clock.refresh(c)).await?;
                return Ok(mark);
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::local::testing;

    #[tokio::test]
    async fn another_processs_speed_is_taken_over() {
        let (dir, local) = testing::local();
        let other = testing::open(dir.path());
        let mark = local.after(0).await.unwrap();
        other.inner.clock.set_speed(&other.inner.store, 60.0).unwrap();
        local.after(mark).await.unwrap();
        assert!((crate::cloud::Clock::speed(&local.inner.clock) - 60.0).abs() < f64::EPSILON);
    }

    #[tokio::test]
    async fn whoever_changes_something_is_seen() {
        let (dir, local) = testing::local();
        let other = testing::open(dir.path());
        let mut mark = local.after(0).await.unwrap();
        for writer in [&local, &other] {
            let waiting = tokio::spawn({
                let local = local.clone();
                async move { local.after(mark).await }
            });
            tokio::task::yield_now().await;
            assert!(!waiting.is_finished());
            let value = format!("{mark}");
            writer
                .inner
                .store
                .write_now(|t| t.execute("insert or replace into meta values ('x', ?1)", [value]).map_err(sql))
                .unwrap();
            let next = waiting.await.unwrap().unwrap();
            assert!(next > mark);
            mark = next;
        }
        assert_eq!(local.inner.watch.mark(&local.inner.store).unwrap(), mark);
    }
}
