//! Runs of whole pipelines, and which process is at work on each.

use std::path::Path;

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{Local, clock::timestamp, process, recovery::INTERRUPTED, store::sql};
use crate::cloud::{
    Error, Permit, Result,
    runs::{PipelineRun, Runs},
};

const RUNNING: &str = "RUNNING";

/// The status, and the process that is at work, of a run's row.
fn work(connection: &Connection, id: &str) -> Result<Option<(String, Option<String>)>> {
    connection
        .prepare_cached("select status, process from runs where id = ?1")
        .and_then(|mut s| s.query_row([id], |r| Ok((r.get(0)?, r.get(1)?))).optional())
        .map_err(sql)
}

fn run(row: &Row<'_>, dir: &Path) -> Result<PipelineRun> {
    let status: String = row.get(4).map_err(sql)?;
    let process: Option<String> = row.get(8).map_err(sql)?;
    let dead = status == RUNNING && process.is_none_or(|id| !process::alive(dir, &id));
    let stages = row.get_ref(7).map_err(sql)?.as_str().map_err(Error::storage)?;
    let ended: Option<i64> = row.get(6).map_err(sql)?;
    Ok(PipelineRun {
        id: row.get(0).map_err(sql)?,
        stack: row.get(1).map_err(sql)?,
        scope: row.get(2).map_err(sql)?,
        inputs: row.get(3).map_err(sql)?,
        status: if dead { INTERRUPTED.into() } else { status },
        started: timestamp(row.get(5).map_err(sql)?),
        ended: ended.map(timestamp),
        stages: serde_json::from_str(stages).map_err(Error::storage)?,
    })
}

fn list(connection: &Connection, dir: &Path, stack: &str, limit: usize) -> Result<Vec<PipelineRun>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut statement = connection
        .prepare_cached(
            "select id, stack, scope, inputs, status, started, ended, stages, process from runs \
             where stack = ?1 order by started desc, rowid desc limit ?2",
        )
        .map_err(sql)?;
    let mut rows = statement.query(params![stack, limit]).map_err(sql)?;
    let mut runs = Vec::new();
    while let Some(row) = rows.next().map_err(sql)? {
        runs.push(run(row, dir)?);
    }
    Ok(runs)
}

fn begin(t: &Connection, dir: &Path, own: &str, run: &PipelineRun) -> Result<()> {
    if super::stacks::find(t, &run.stack)?.is_none() {
        return Err(Error::not_found("stack", &run.stack));
    }
    let others: Vec<(String, Option<String>)> = t
        .prepare_cached("select id, process from runs where stack = ?1 and status = 'RUNNING'")
        .and_then(|mut s| s.query_map([&run.stack], |r| Ok((r.get(0)?, r.get(1)?)))?.collect())
        .map_err(sql)?;
    for (id, process) in others {
        if let Some(process) = process.filter(|p| process::alive(dir, p)) {
            return Err(Error::Conflict(format!(
                "{} is being run already ({}): wait until that run has ended, or end it",
                run.stack,
                process::spoken(dir, &process)
            )));
        }
        t.execute("update runs set status = ?2, process = null where id = ?1", [&id, INTERRUPTED]).map_err(sql)?;
    }
    t.execute(
        "insert into runs (id, stack, scope, inputs, status, started, stages, process) \
         values (?1, ?2, ?3, ?4, 'RUNNING', ?5, ?6, ?7) on conflict (id) do update set scope = excluded.scope, \
         inputs = excluded.inputs, status = excluded.status, ended = null, stages = excluded.stages, \
         process = excluded.process",
        params![run.id, run.stack, run.scope, run.inputs, run.started.as_millisecond(), stages(run)?, own],
    )
    .map_err(sql)?;
    Ok(())
}

fn save(t: &Connection, dir: &Path, own: &str, run: &PipelineRun) -> Result<()> {
    let Some((status, process)) = work(t, &run.id)? else { return Err(Error::not_found("run", &run.id)) };
    let others = process.filter(|p| status == RUNNING && p != own && process::alive(dir, p));
    if let Some(process) = others {
        return Err(Error::Conflict(format!(
            "run {} was taken up by another pumphouse ({})",
            run.id,
            process::spoken(dir, &process)
        )));
    }
    let process = (run.status == RUNNING).then_some(own);
    t.prepare_cached("update runs set status = ?2, ended = ?3, stages = ?4, process = ?5 where id = ?1")
        .and_then(|mut s| {
            let ended = run.ended.map(jiff::Timestamp::as_millisecond);
            let stages = stages(run).map_err(|e| rusqlite::Error::ToSqlConversionFailure(e.into()))?;
            s.execute(params![run.id, run.status, ended, stages, process])
        })
        .map_err(sql)?;
    Ok(())
}

fn stages(run: &PipelineRun) -> Result<String> {
    serde_json::to_string(&run.stages).map_err(Error::storage)
}

#[async_trait]
impl Runs for Local {
    async fn list(&self, stack: &str, limit: usize) -> Result<Vec<PipelineRun>> {
        let (store, stack) = (self.inner.store.clone(), stack.to_owned());
        self.inner.store.read(move |c| list(c, store.dir(), &stack, limit)).await
    }

    async fn begin(&self, permit: &Permit, run: &PipelineRun) -> Result<()> {
        permit.check("states:StartExecution", &run.stack)?;
        let (store, own, run) = (self.inner.store.clone(), self.process_id()?, run.clone());
        self.inner.store.write(move |t| begin(t, store.dir(), &own, &run)).await
    }

    async fn save(&self, permit: &Permit, run: &PipelineRun) -> Result<()> {
        permit.check("states:StartExecution", &run.stack)?;
        let (store, own, run) = (self.inner.store.clone(), self.process_id()?, run.clone());
        self.inner.store.write(move |t| save(t, store.dir(), &own, &run)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cloud::runs::StageRun,
        local::{process::Process, testing},
    };

    fn a_run(id: &str) -> PipelineRun {
        PipelineRun {
            id: id.into(),
            stack: "test".into(),
            scope: id.into(),
            inputs: "coinbase=x".into(),
            status: RUNNING.into(),
            started: timestamp(1_000),
            ended: None,
            stages: vec![StageRun { name: "f".into(), steps: 1, ..StageRun::default() }],
        }
    }

    #[tokio::test]
    async fn a_run_is_written_down_and_ends() {
        let (_dir, local) = testing::local();
        assert!(matches!(local.begin(&testing::permit(), &a_run("1")).await, Err(Error::NotFound { .. })));
        testing::deploy(&local, &[]);
        let mut run = a_run("1");
        local.begin(&testing::permit(), &run).await.unwrap();
        assert_eq!(Runs::list(&local, "test", 9).await.unwrap(), [run.clone()]);
        run.stages[0].steps = 2;
        local.save(&testing::permit(), &run).await.unwrap();
        run.status = "SUCCEEDED".into();
        run.ended = Some(timestamp(2_000));
        local.save(&testing::permit(), &run).await.unwrap();
        let mut second = a_run("2");
        second.started = timestamp(3_000);
        local.begin(&testing::permit(), &second).await.unwrap();
        assert_eq!(Runs::list(&local, "test", 9).await.unwrap(), [second.clone(), run]);
        assert_eq!(Runs::list(&local, "test", 1).await.unwrap(), [second]);
        let unknown = local.save(&testing::permit(), &a_run("9")).await;
        assert!(matches!(unknown, Err(Error::NotFound { kind: "run", .. })));
    }

    #[tokio::test]
    async fn one_run_at_a_time_and_a_dead_ones_is_interrupted() {
        let (dir, local) = testing::local();
        testing::deploy(&local, &[]);
        local.begin(&testing::permit(), &a_run("1")).await.unwrap();
        let other = Process::register(dir.path()).unwrap();
        local.inner.store.write_now(|t| t.execute("update runs set process = ?1", [other.id()]).map_err(sql)).unwrap();
        assert!(matches!(local.begin(&testing::permit(), &a_run("2")).await, Err(Error::Conflict(_))));
        assert!(matches!(local.begin(&testing::permit(), &a_run("1")).await, Err(Error::Conflict(_))));
        assert!(matches!(local.save(&testing::permit(), &a_run("1")).await, Err(Error::Conflict(_))));
        drop(other);
        assert_eq!(Runs::list(&local, "test", 1).await.unwrap()[0].status, INTERRUPTED);
        // The next one may take it up, or begin another and give it up.
        local.begin(&testing::permit(), &a_run("2")).await.unwrap();
        let abandoned = PipelineRun { status: "ABANDONED".into(), ..a_run("1") };
        local.save(&testing::permit(), &abandoned).await.unwrap();
        local.save(&testing::permit(), &PipelineRun { status: "FAILED".into(), ..a_run("2") }).await.unwrap();
        local.begin(&testing::permit(), &a_run("1")).await.unwrap();
        let statuses: Vec<_> = Runs::list(&local, "test", 9).await.unwrap().into_iter().map(|r| r.status).collect();
        assert_eq!(statuses, ["FAILED", RUNNING]);
    }
}
