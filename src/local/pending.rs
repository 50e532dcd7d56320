//! Asynchronous invocations: rows that wait, are claimed, done and tried again.
//!
//! A claimed row carries the process that is at work on it. It goes in the transaction that stores the invocation's end;
//! a claim that is dropped, or whose process is dead, is open to the next one. So an event is invoked at least once, and
//! what it does under its tokens happens once.

use std::{collections::HashMap, time::Duration};

use futures::StreamExt;
use rusqlite::{Connection, OptionalExtension, params};
use serde_json::Value;

use super::{Local, invoke::Call, process, queues::BatchEnd, store::sql};
use crate::cloud::{Error, Result, functions::Settled};

/// Rows that are claimed at once.
const CLAIM: usize = 32;
/// Invocations at work at once.
const CONCURRENT: usize = 8;
/// How often a settling process looks whether the others have ended theirs.
const LOOK: Duration = Duration::from_millis(50);
/// Invocations after which a settling process no longer believes in an end.
const MAX_SETTLED: u64 = 100_000;

/// A row that this process is at work on; dropped before its end, it is open again.
struct Claim {
    local: Local,
    id: i64,
    function: String,
    event: String,
    request_id: String,
    failed: u32,
    /// The queue whose messages it is given.
    queue: Option<String>,
    ended: bool,
}

impl Drop for Claim {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        let (local, id) = (self.local.clone(), self.id);
        let release = move || {
            let process = local.inner.process.as_ref().map(|p| p.id().to_owned());
            let released = local.inner.store.write_now(|t| {
                t.execute("update pending set process = null where id = ?1 and process = ?2", params![id, process])
                    .map_err(sql)?;
                Ok(())
            });
            if let Err(error) = released {
                tracing::warn!(%error, id, "an invocation that was given up stays claimed until this process ends");
            }
        };
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(release)),
            Err(_) => release(),
        }
    }
}

impl Local {
    /// Invokes what is due, of the functions named or of all, and returns how many invocations ended. For the driver,
    /// again and again.
    pub async fn dispatch_pending(&self, only: Option<&[String]>) -> Result<usize> {
        let claims = self.claim(only.map(<[String]>::to_vec), false).await?;
        let count = claims.len();
        self.do_claimed(claims, &mut Settled::default()).await?;
        Ok(count)
    }

    /// Invokes what waits for `functions` (also what would be tried again later) until nothing does.
    pub(crate) async fn settle_pending(&self, functions: &[String]) -> Result<Settled> {
        let mut settled = Settled::default();
        let mut others: HashMap<i64, String> = HashMap::new();
        let mut count = 0;
        loop {
            let (local, only) = (self.clone(), functions.to_vec());
            self.blocking(move || local.receive_messages(Some(&only), true)).await?;
            let claims = self.claim(Some(functions.to_vec()), true).await?;
            if claims.is_empty() {
                let busy = self.waiting(functions).await?;
                if busy.is_empty() {
                    break;
                }
                others.extend(busy);
                tokio::time::sleep(LOOK).await;
                continue;
            }
            // What another process was at work on before it died is this one's now, and counted as such.
            for claim in &claims {
                others.remove(&claim.id);
            }
            count += claims.len() as u64;
            if count > MAX_SETTLED {
                return Err(Error::Conflict(format!(
                    "{} have been invoked {count} times and there is still more: do they trigger each other?",
                    functions.join(", ")
                )));
            }
            self.do_claimed(claims, &mut settled).await?;
        }
        self.count_others(others, &mut settled).await?;
        Ok(settled)
    }

    /// Takes rows that are due (or all, `early`) and that no living process is at work on.
    async fn claim(&self, functions: Option<Vec<String>>, early: bool) -> Result<Vec<Claim>> {
        let Some(process) = self.inner.process.as_ref().map(|p| p.id().to_owned()) else { return Ok(Vec::new()) };
        let functions = functions.map(|f| Value::from(f).to_string());
        let due = if early { i64::MAX } else { self.inner.clock.now_ms() };
        let local = self.clone();
        self.blocking(move || {
            let store = &local.inner.store;
            let dead = store.read_now(|c| dead_processes(c, store.dir()))?;
            let open = Open { functions, due, dead: Value::from(dead).to_string() };
            // Most of the time there is nothing, which is told without a writer's turn.
            if !store.read_now(|c| open.any(c))? {
                return Ok(Vec::new());
            }
            let rows = store.write_now(|t| open.take(t, &process))?;
            Ok(rows
                .into_iter()
                .map(|(id, function, event, request_id, failed, queue)| Claim {
                    local: local.clone(),
                    id,
                    function,
                    event,
                    request_id,
                    failed,
                    queue,
                    ended: false,
                })
                .collect())
        })
        .await
    }

    /// Does all claims, a few at once; the first failure of the state itself is returned when all have ended.
    async fn do_claimed(&self, claims: Vec<Claim>, settled: &mut Settled) -> Result<()> {
        let mut first = Ok(());
        let mut work =
            futures::stream::iter(claims.into_iter().map(|claim| self.do_one(claim))).buffer_unordered(CONCURRENT);
        while let Some(ended) = work.next().await {
            match ended {
                Ok(Outcome::Succeeded) => settled.succeeded += 1,
                Ok(Outcome::Failed(why)) => {
                    settled.failed += 1;
                    settled.error = Some(why);
                }
                Ok(Outcome::Retry) => {}
                Err(error) => first = first.and(Err(error)),
            }
        }
        first
    }

    async fn do_one(&self, mut claim: Claim) -> Result<Outcome> {
        let event = match serde_json::from_str(&claim.event) {
            Ok(event) => event,
            Err(error) => return self.give_up(claim, format!("the event is no JSON: {error}")).await,
        };
        let call = Call {
            function: claim.function.clone(),
            event,
            request_id: claim.request_id.clone(),
            modes: std::collections::BTreeMap::new(),
            waiting: Some((claim.id, claim.failed)),
            queue: claim.queue.clone(),
        };
        match self.call(call).await {
            Ok(ended) => {
                claim.ended = true;
                if let Some(batch) = ended.batch {
                    return Ok(match batch {
                        BatchEnd { dead, error: Some(why), .. } if dead > 0 => Outcome::Failed(why),
                        BatchEnd { again, .. } if again > 0 => Outcome::Retry,
                        _ => Outcome::Succeeded,
                    });
                }
                Ok(match ended.invocation.error {
                    None => Outcome::Succeeded,
                    Some(_) if ended.retry => Outcome::Retry,
                    Some(why) => Outcome::Failed(why),
                })
            }
            // The function is gone, or never was.
            Err(error @ (Error::NotFound { .. } | Error::Invalid(_))) => self.give_up(claim, error.to_string()).await,
            Err(error) => Err(error),
        }
    }

    /// Drops a row that no attempt can serve.
    async fn give_up(&self, mut claim: Claim, why: String) -> Result<Outcome> {
        let id = claim.id;
        self.inner
            .store
            .write(move |t| {
                t.execute("delete from pending where id = ?1", [id]).map_err(sql)?;
                Ok(())
            })
            .await?;
        claim.ended = true;
        tracing::warn!(function = claim.function, request_id = claim.request_id, why, "an event was dropped");
        Ok(Outcome::Failed(why))
    }

    /// The rows of these functions, with their request ids.
    async fn waiting(&self, functions: &[String]) -> Result<HashMap<i64, String>> {
        let functions = Value::from(functions.to_vec()).to_string();
        self.inner
            .store
            .read(move |c| {
                c.prepare_cached(
                    "select id, request_id from pending where function in (select value from json_each(?1))",
                )
                .and_then(|mut s| s.query_map([functions], |r| Ok((r.get(0)?, r.get(1)?)))?.collect())
                .map_err(sql)
            })
            .await
    }

    /// Adds what other processes ended meanwhile.
    async fn count_others(&self, others: HashMap<i64, String>, settled: &mut Settled) -> Result<()> {
        for request_id in others.into_values() {
            let error: Option<Option<String>> = self
                .inner
                .store
                .read(move |c| {
                    c.prepare_cached("select error from invocations where request_id = ?1 order by id desc limit 1")
                        .and_then(|mut s| s.query_row([request_id], |r| r.get(0)).optional())
                        .map_err(sql)
                })
                .await?;
            match error {
                Some(None) => settled.succeeded += 1,
                Some(error) => {
                    settled.failed += 1;
                    settled.error = error;
                }
                None => {}
            }
        }
        Ok(())
    }
}

enum Outcome {
    Succeeded,
    Failed(String),
    Retry,
}

fn dead_processes(connection: &Connection, dir: &std::path::Path) -> Result<Vec<String>> {
    let named: Vec<String> = connection
        .prepare_cached("select distinct process from pending where process is not null")
        .and_then(|mut s| s.query_map([], |r| r.get(0))?.collect())
        .map_err(sql)?;
    Ok(named.into_iter().filter(|id| !process::alive(dir, id)).collect())
}

/// Which rows may be claimed.
struct Open {
    /// A JSON list; none: all.
    functions: Option<String>,
    due: i64,
    /// A JSON list of processes.
    dead: String,
}

const OPEN: &str = "not_before <= ?1 and (process is null or process in (select value from json_each(?2))) \
                    and (?3 is null or function in (select value from json_each(?3)))";

type PendingRow = (i64, String, String, String, u32, Option<String>);

impl Open {
    fn any(&self, connection: &Connection) -> Result<bool> {
        connection
            .prepare_cached(&format!("select exists (select 1 from pending where {OPEN})"))
            .and_then(|mut s| s.query_row(params![self.due, self.dead, self.functions], |r| r.get(0)))
            .map_err(sql)
    }

    fn take(&self, transaction: &Connection, process: &str) -> Result<Vec<PendingRow>> {
        let mut rows: Vec<PendingRow> = transaction
            .prepare_cached(&format!(
                "update pending set process = ?4 where id in (select id from pending where {OPEN} order by id limit ?5) \
                 returning id, function, event, request_id, attempts, queue"
            ))
            .and_then(|mut s| {
                s.query_map(params![self.due, self.dead, self.functions, process, CLAIM as i64], |r| {
                    Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?, r.get(4)?, r.get(5)?))
                })?
                .collect()
            })
            .map_err(sql)?;
        rows.sort_unstable_by_key(|row| row.0);
        Ok(rows)
    }
}
