//! Stacks: what is deployed, what would change, what happened.
//!
//! What a stack is made of stands in its resources' rows, each written together with what it took to make it; a plan
//! compares with those, so that an operation that was cut off is carried on from where it had come to.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::de::DeserializeOwned;

use super::{
    Local, apis,
    clock::timestamp,
    process,
    store::{Store, sql},
};
use crate::cloud::{
    Error, Pages, Permit, Result, diff,
    resources::{Graph, OutputValue, Properties, Resource},
    stacks::{
        ChangeSet, Destroyed, Operation, Progress, Stack, StackEvent, StackOutput, StackRequest, StackResource,
        StackStatus, Stacks,
    },
};

/// A stack's row.
#[derive(Debug)]
pub(crate) struct StackRow {
    name: String,
    pipeline: Option<String>,
    env: Option<String>,
    pub(crate) status: StackStatus,
    reason: Option<String>,
    created: i64,
    updated: i64,
    /// What was, or is being, applied.
    pub(crate) graph: Option<Graph>,
    pub(crate) process: Option<String>,
}

impl StackRow {
    /// The process that is at work on it and lives.
    pub(crate) fn busy(&self, store: &Store) -> Option<&str> {
        self.process.as_deref().filter(|id| self.status.in_progress() && process::alive(store.dir(), id))
    }

    fn interrupted(&self, store: &Store) -> bool {
        self.status.in_progress() && self.busy(store).is_none()
    }
}

/// Turns CloudFormation's word into the type.
fn from_word<T: DeserializeOwned>(word: String) -> Result<T> {
    serde_json::from_value(word.into()).map_err(Error::storage)
}

type RawStack =
    (String, Option<String>, Option<String>, String, Option<String>, i64, i64, Option<String>, Option<String>);

fn raw_stack(row: &Row<'_>) -> rusqlite::Result<RawStack> {
    Ok((
        row.get(0)?,
        row.get(1)?,
        row.get(2)?,
        row.get(3)?,
        row.get(4)?,
        row.get(5)?,
        row.get(6)?,
        row.get(7)?,
        row.get(8)?,
    ))
}

fn stack_row(raw: RawStack) -> Result<StackRow> {
    let (name, pipeline, env, status, reason, created, updated, graph, process) = raw;
    let graph = graph.map(|json| serde_json::from_str(&json).map_err(Error::storage)).transpose()?;
    Ok(StackRow { name, pipeline, env, status: from_word(status)?, reason, created, updated, graph, process })
}

const STACK: &str = "select name, pipeline, env, status, reason, created, updated, graph, process from stacks";

/// A stack's row, if it is there.
pub(crate) fn find(connection: &Connection, stack: &str) -> Result<Option<StackRow>> {
    connection
        .prepare_cached(&format!("{STACK} where name = ?1"))
        .map_err(sql)?
        .query_row([stack], raw_stack)
        .optional()
        .map_err(sql)?
        .map(stack_row)
        .transpose()
}

/// The resources that are really deployed: in the graph's order, then those that it has no more.
fn deployed(connection: &Connection, row: &StackRow) -> Result<Vec<(Resource, StackResource)>> {
    let mut statement = connection
        .prepare_cached("select resource, status, updated from stack_resources where stack = ?1 order by rowid")
        .map_err(sql)?;
    let rows = statement
        .query_map([&row.name], |r| Ok((r.get::<_, String>(0)?, r.get(1)?, r.get(2)?)))
        .map_err(sql)?
        .collect::<rusqlite::Result<Vec<(String, String, i64)>>>()
        .map_err(sql)?;
    let mut resources = Vec::with_capacity(rows.len());
    for (json, status, updated) in rows {
        let resource: Resource = serde_json::from_str(&json).map_err(Error::storage)?;
        let summary = StackResource {
            logical_id: resource.logical_id.clone(),
            name: resource.name.clone(),
            physical_name: resource.physical_name.clone(),
            kind: resource.properties.kind().into(),
            status,
            updated: timestamp(updated),
        };
        resources.push((resource, summary));
    }
    if let Some(graph) = &row.graph {
        let place = |id: &str| graph.resources.iter().position(|r| r.logical_id == id).unwrap_or(usize::MAX);
        resources.sort_by_cached_key(|(r, _)| place(&r.logical_id));
    }
    Ok(resources)
}

/// The graph that is really deployed.
pub(crate) fn deployed_graph(connection: &Connection, row: &StackRow) -> Result<Graph> {
    Ok(Graph {
        stack: row.name.clone(),
        pipeline: row.pipeline.clone().unwrap_or_default(),
        env: row.env.clone().unwrap_or_default(),
        protected: row.graph.as_ref().is_some_and(|g| g.protected),
        resources: deployed(connection, row)?.into_iter().map(|(resource, _)| resource).collect(),
        outputs: row.graph.as_ref().map(|g| g.outputs.clone()).unwrap_or_default(),
    })
}

fn outputs(connection: &Connection, local: &Local, graph: &Graph) -> Result<Vec<StackOutput>> {
    let store = &local.inner.store;
    let port = apis::serving(connection)?.filter(|(_, id)| process::alive(store.dir(), id)).map(|(port, _)| port);
    let mut outputs = Vec::new();
    for output in &graph.outputs {
        let Some(resource) = graph.by_id(output.value.id()) else { continue };
        let value = match (&output.value, &resource.properties) {
            (OutputValue::Url(_), Properties::Api(api)) => match port {
                Some(port) => format!("http://127.0.0.1:{port}{}", apis::full_path(&graph.stack, &api.path)),
                None => "not served at the moment: no pumphouse is open on this state".into(),
            },
            (OutputValue::Connection(_), Properties::Postgres(postgres)) => {
                local.postgres_address(&postgres.database).unwrap_or_else(|| "its server has never been started".into())
            }
            _ => resource.physical_name.clone(),
        };
        outputs.push(StackOutput { name: output.name.clone(), value, description: output.description.clone() });
    }
    Ok(outputs)
}

/// A stack as the port shows it.
pub(crate) fn stack(connection: &Connection, local: &Local, row: StackRow) -> Result<Stack> {
    let resources = deployed(connection, &row)?.into_iter().map(|(_, summary)| summary).collect();
    let graph = deployed_graph(connection, &row)?;
    Ok(Stack {
        interrupted: row.interrupted(&local.inner.store),
        resources,
        outputs: outputs(connection, local, &graph)?,
        graph: Some(graph),
        name: row.name,
        pipeline: row.pipeline,
        env: row.env,
        status: row.status,
        reason: row.reason,
        created: timestamp(row.created),
        updated: timestamp(row.updated),
        protected: None,
        drift: None,
    })
}

fn event(row: &Row<'_>) -> rusqlite::Result<StackEvent> {
    Ok(StackEvent {
        time: timestamp(row.get(0)?),
        stack: row.get(1)?,
        logical_id: row.get(2)?,
        kind: row.get(3)?,
        status: row.get(4)?,
        reason: row.get(5)?,
        done: row.get(6)?,
        total: row.get(7)?,
    })
}

fn operation(row: &Row<'_>, store: &Store) -> rusqlite::Result<Operation> {
    let ended: Option<i64> = row.get(4)?;
    let process: Option<String> = row.get(8)?;
    let dead = ended.is_none() && process.is_none_or(|id| !process::alive(store.dir(), &id));
    Ok(Operation {
        id: row.get(0)?,
        kind: row.get(1)?,
        who: row.get(2)?,
        started: timestamp(row.get(3)?),
        ended: ended.map(timestamp),
        status: if dead { super::recovery::INTERRUPTED.into() } else { row.get(5)? },
        changes: row.get(6)?,
        reason: row.get(7)?,
    })
}

fn sql_limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

#[async_trait]
impl Stacks for Local {
    fn list(&self) -> Pages<'_, Stack> {
        Pages::once(async move {
            let local = self.clone();
            self.inner
                .store
                .read(move |c| {
                    let mut statement = c.prepare_cached(&format!("{STACK} order by name")).map_err(sql)?;
                    let rows = statement.query_map([], raw_stack).map_err(sql)?;
                    rows.map(|raw| stack(c, &local, stack_row(raw.map_err(sql)?)?)).collect()
                })
                .await
        })
    }

    async fn get(&self, name: &str) -> Result<Option<Stack>> {
        let (local, name) = (self.clone(), name.to_owned());
        self.inner.store.read(move |c| find(c, &name)?.map(|row| stack(c, &local, row)).transpose()).await
    }

    async fn estimate(&self, request: &StackRequest) -> Result<ChangeSet> {
        let (store, graph) = (self.inner.store.clone(), request.graph.clone());
        self.inner
            .store
            .read(move |c| {
                super::stack_engine::check_names(c, &graph)?;
                let row = find(c, &graph.stack)?;
                let before = row.as_ref().map(|row| deployed_graph(c, row)).transpose()?;
                let changes = diff::changes(before.as_ref(), Some(&graph));
                let resumes = row.is_some_and(|row| row.interrupted(&store));
                Ok(ChangeSet { resumes, ..ChangeSet::new(graph.stack, changes) })
            })
            .await
    }

    async fn apply(&self, permit: &Permit, request: &StackRequest, progress: Progress) -> Result<Stack> {
        permit.check("cloudformation:ExecuteChangeSet", &request.graph.stack)?;
        let (local, who, request) = (self.clone(), permit.principal().to_owned(), request.clone());
        self.blocking(move || local.apply_now(&who, &request.graph, request.confirmed.as_ref(), progress)).await
    }

    async fn destroy(&self, permit: &Permit, stack: &str, retain: &[String], progress: Progress) -> Result<Destroyed> {
        if let Some(id) = retain.first() {
            let what = format!("a destroy that keeps {id}: it removes everything");
            return Err(Error::Unsupported { cloud: "local", what });
        }
        permit.check("cloudformation:DeleteStack", stack)?;
        let (local, who, stack) = (self.clone(), permit.principal().to_owned(), stack.to_owned());
        self.blocking(move || local.destroy_now(&who, &stack, progress)).await?;
        Ok(Destroyed::default())
    }

    async fn events(&self, stack: &str, limit: usize) -> Result<Vec<StackEvent>> {
        let stack = stack.to_owned();
        self.inner
            .store
            .read(move |c| {
                let mut statement = c
                    .prepare_cached(
                        "select time, stack, logical_id, kind, status, reason, done, total from stack_events \
                         where stack = ?1 order by id desc limit ?2",
                    )
                    .map_err(sql)?;
                let rows = statement.query_map(params![stack, sql_limit(limit)], event).map_err(sql)?;
                rows.collect::<rusqlite::Result<_>>().map_err(sql)
            })
            .await
    }

    async fn history(&self, stack: &str, limit: usize) -> Result<Vec<Operation>> {
        let (store, stack) = (self.inner.store.clone(), stack.to_owned());
        self.inner
            .store
            .read(move |c| {
                let mut statement = c
                    .prepare_cached(
                        "select id, kind, who, started, ended, status, changes, reason, process from operations \
                         where stack = ?1 order by id desc limit ?2",
                    )
                    .map_err(sql)?;
                let rows =
                    statement.query_map(params![stack, sql_limit(limit)], |r| operation(r, &store)).map_err(sql)?;
                rows.collect::<rusqlite::Result<_>>().map_err(sql)
            })
            .await
    }
}

#[cfg(test)]
#[path = "stacks_tests.rs"]
mod tests;
