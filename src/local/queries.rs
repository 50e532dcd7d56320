//! SQL queries on the catalog's tables, and their history.

use std::{sync::Arc, time::Instant};

use async_trait::async_trait;
use datafusion::{
    arrow::datatypes::DataType,
    execution::context::SQLOptions,
    prelude::{DataFrame, SessionContext},
    sql::{parser::Statement as AnyStatement, sqlparser::ast},
};
use futures::StreamExt;
use rusqlite::{OptionalExtension, params};
use tokio_util::sync::CancellationToken;

use super::{
    Local, catalog,
    clock::timestamp,
    lookup, process,
    sql::{
        self as engine, NO_DATABASE, columns,
        errors::trimmed,
        files::Counters,
        show::{Answer, CatalogView},
        statement::{Show, Statement, Text},
        types, values,
    },
    store::sql,
};
use crate::cloud::{
    Error, Pages, Permit, Result,
    catalog::Column,
    queries::{Queries, Query, QueryExecution, QueryResult, QueryState, SavedQuery, Workgroup},
    resources::Properties,
};

/// The rows of a result where no limit is given.
const LIMIT: usize = 100_000;

#[async_trait]
impl Queries for Local {
    async fn execute(&self, query: &Query, cancel: CancellationToken) -> Result<QueryResult> {
        if query.workgroup.is_some() {
            return Err(no_workgroups());
        }
        let cancel = cancel.child_token();
        // Whoever drops this future cancels the query: the task below then writes down its end.
        let _guard = cancel.clone().drop_guard();
        let task = tokio::spawn(self.clone().supervise(query.clone(), cancel));
        task.await.map_err(|e| Error::failed(format!("the query ended early: {e}")))?
    }

    fn workgroups(&self) -> Pages<'_, Workgroup> {
        Pages::once(async { Ok(Vec::new()) })
    }

    async fn history(&self, workgroup: Option<&str>, limit: usize) -> Result<Vec<QueryExecution>> {
        if workgroup.is_some() {
            return Err(no_workgroups());
        }
        let dir = self.inner.store.dir().to_owned();
        self.inner
            .store
            .read(move |c| {
                let mut statement = c
                    .prepare_cached(
                        "select id, sql, database, state, started, elapsed_ms, scanned_bytes, rows, error, process \
                         from queries order by started desc, rowid desc limit ?1",
                    )
                    .map_err(sql)?;
                let rows = statement.query_map([limit.min(i32::MAX as usize)], execution).map_err(sql)?;
                rows.map(|row| {
                    let (mut execution, process) = row.map_err(sql)?;
                    let dead = process.is_none_or(|p| !process::alive(&dir, &p));
                    if execution.state == QueryState::Running && dead {
                        execution.state = QueryState::Failed;
                        execution.error = Some(DIED.into());
                    }
                    Ok(execution)
                })
                .collect()
            })
            .await
    }

    async fn saved(&self) -> Result<Vec<SavedQuery>> {
        self.inner
            .store
            .read(|c| {
                let saved = lookup::all(c, "query")?.into_iter().filter_map(|d| match d.resource.properties {
                    Properties::Query(query) => Some(SavedQuery {
                        name: d.resource.physical_name,
                        pipeline: d.pipeline,
                        database: query.database,
                        sql: query.sql,
                        workgroup: None,
                    }),
                    _ => None,
                });
                Ok(saved.collect())
            })
            .await
    }

    async fn cancel(&self, permit: &Permit, id: &str) -> Result<()> {
        permit.check("athena:StopQueryExecution", id)?;
        let id = id.to_owned();
        self.inner
            .store
            .write(move |t| {
                let state: Option<String> = t
                    .query_row("select state from queries where id = ?1", [&id], |r| r.get(0))
                    .optional()
                    .map_err(sql)?;
                match state.as_deref() {
                    None => Err(Error::not_found("query execution", id)),
                    Some("RUNNING") => {
                        t.execute("update queries set cancel_requested = 1 where id = ?1", [&id]).map_err(sql)?;
                        Ok(())
                    }
                    Some(state) => Err(Error::Conflict(format!("query execution {id} is over: {state}"))),
                }
            })
            .await
    }
}

fn no_workgroups() -> Error {
    Error::Unsupported { cloud: "local", what: "workgroups: its queries need none".into() }
}

const DIED: &str = "the process that executed it has died";

fn execution(r: &rusqlite::Row<'_>) -> rusqlite::Result<(QueryExecution, Option<String>)> {
    let state = match r.get::<_, String>(3)?.as_str() {
        "SUCCEEDED" => QueryState::Succeeded,
        "FAILED" => QueryState::Failed,
        "CANCELLED" => QueryState::Cancelled,
        _ => QueryState::Running,
    };
    let execution = QueryExecution {
        id: r.get(0)?,
        sql: r.get(1)?,
        database: r.get(2)?,
        state,
        started: timestamp(r.get(4)?),
        elapsed_ms: r.get(5)?,
        scanned_bytes: r.get(6)?,
        rows: r.get(7)?,
        error: r.get(8)?,
        service: None,
    };
    Ok((execution, r.get(9)?))
}

impl Local {
    /// Executes a query and keeps its row in the history, unless nothing may be written.
    async fn supervise(self, query: Query, cancel: CancellationToken) -> Result<QueryResult> {
        let started = Instant::now();
        let counters = Arc::new(Counters::default());
        let id = self.record_start(&query).await?;
        let mut task = engine::runtime::spawn(self.clone().run_query(query, counters.clone()));
        let result = tokio::select! {
            result = &mut task => result.unwrap_or_else(|e| Err(Error::failed(format!("the query ended early: {e}")))),
            () = cancel.cancelled() => Err(Error::Cancelled),
            () = self.cancel_requested(id.as_deref()) => Err(Error::Cancelled),
        };
        task.abort();
        let elapsed_ms = started.elapsed().as_millis() as u64;
        let result =
            result.map(|result| QueryResult { id: id.clone(), scanned_bytes: counters.bytes(), elapsed_ms, ..result });
        if let Some(id) = id {
            self.record_end(id, &result, counters.bytes(), elapsed_ms).await?;
        }
        result
    }

    async fn record_start(&self, query: &Query) -> Result<Option<String>> {
        let Some(process) = &self.inner.process else { return Ok(None) };
        let id = uuid::Uuid::now_v7().to_string();
        let (row, process) = (id.clone(), process.id().to_owned());
        let now = self.inner.clock.now_ms();
        let (text, database) = (query.sql.clone(), query.database.clone());
        self.inner
            .store
            .write(move |t| {
                t.execute(
                    "insert into queries (id, sql, database, state, started, process) \
                     values (?1, ?2, ?3, 'RUNNING', ?4, ?5)",
                    params![row, text, database, now, process],
                )
                .map_err(sql)
            })
            .await?;
        Ok(Some(id))
    }

    async fn record_end(&self, id: String, result: &Result<QueryResult>, scanned: u64, elapsed_ms: u64) -> Result<()> {
        let (state, rows, error) = match result {
            Ok(result) => (QueryState::Succeeded, Some(result.rows.len() as u64), None),
            Err(Error::Cancelled) => (QueryState::Cancelled, None, None),
            Err(e) => (QueryState::Failed, None, Some(e.to_string())),
        };
        self.inner
            .store
            .write(move |t| {
                t.execute(
                    "update queries set state = ?2, elapsed_ms = ?3, scanned_bytes = ?4, rows = ?5, error = ?6, \
                     process = null where id = ?1",
                    params![id, state.word(), elapsed_ms, scanned, rows, error],
                )
                .map_err(sql)?;
                Ok(())
            })
            .await
    }

    /// Returns when another process asks for the end of this query.
    async fn cancel_requested(&self, id: Option<&str>) {
        let Some(id) = id else { return std::future::pending().await };
        self.inner.store.asked_to_end("select cancel_requested from queries where id = ?1", id).await;
    }

    async fn run_query(self, query: Query, counters: Arc<Counters>) -> Result<QueryResult> {
        let text = Text::new(&query.sql)?;
        let view = self.inner.store.read(catalog::view).await?;
        let database = match query.database.as_deref().filter(|d| !d.is_empty()) {
            Some(name) => Some(view.database(name)?.to_owned()),
            None => None,
        };
        let limit = if query.limit == 0 { LIMIT } else { query.limit };
        let default = database.as_deref().unwrap_or(NO_DATABASE);
        let context = engine::catalog_session(&self.inner.store, &view.databases, &view.tables, default, &counters)?;
        let texts = if query.parameters.is_empty() { Vec::new() } else { text_parameters(&context, &text).await };
        match text.bound(&query.parameters, |i| texts.contains(&i))? {
            Statement::Show(show) => {
                let (columns, mut rows) = self.show(view, show, database).await?;
                let truncated = rows.len() > limit;
                rows.truncate(limit);
                Ok(QueryResult { columns, rows, truncated, ..QueryResult::default() })
            }
            Statement::Query(ast) => select(&context, &view, *ast, database.as_deref(), limit).await,
        }
    }

    async fn show(&self, view: CatalogView, show: Show, database: Option<String>) -> Result<Answer> {
        let mut answer = view.answer(&show, database.as_deref())?;
        if let Show::Partitions(name) = &show {
            let table = view.table(name, database.as_deref())?.clone();
            let names: Vec<String> = table.partition_keys.iter().map(|k| k.name.clone()).collect();
            let partitions = self.inner.store.read(move |c| catalog::sorted_partitions(c, &table)).await?;
            answer.1 = partitions
                .into_iter()
                .map(|p| {
                    let parts: Vec<_> = names.iter().zip(&p.values).map(|(name, v)| format!("{name}={v}")).collect();
                    vec![parts.join("/").into()]
                })
                .collect();
        }
        Ok(answer)
    }
}

async fn select(
    context: &SessionContext,
    view: &CatalogView,
    mut ast: ast::Statement,
    database: Option<&str>,
    limit: usize,
) -> Result<QueryResult> {
    let names = columns::names(&mut ast);
    let frame = plan(context, ast, view, database).await?;
    let fields = frame.schema().fields();
    let columns = names
        .of(fields.iter().map(|f| f.name().as_str()))
        .into_iter()
        .zip(fields)
        .map(|(name, f)| Column { name, kind: types::to_athena(f.data_type()) })
        .collect();
    let mut stream = frame.execute_stream().await.map_err(trimmed)?;
    let mut rows = Vec::new();
    let mut truncated = false;
    while let Some(batch) = stream.next().await {
        let batch = batch.map_err(trimmed)?;
        let room = limit - rows.len();
        truncated = batch.num_rows() > room;
        let batch = batch.slice(0, batch.num_rows().min(room));
        rows.extend(values::rows(&batch).map_err(Error::failed)?);
        if truncated {
            break;
        }
    }
    Ok(QueryResult { columns, rows, truncated, ..QueryResult::default() })
}

/// The parameters, by their index, that stand where a text does. Mistakes are left for when they are bound.
async fn text_parameters(context: &SessionContext, text: &Text) -> Vec<usize> {
    let Ok(Statement::Query(ast)) = text.numbered() else { return Vec::new() };
    let Ok(plan) = context.state().statement_to_plan(AnyStatement::Statement(ast)).await else { return Vec::new() };
    let Ok(types) = plan.get_parameter_types() else { return Vec::new() };
    types
        .into_iter()
        .filter(|(_, kind)| kind.as_ref().is_some_and(DataType::is_string))
        .filter_map(|(name, _)| name.strip_prefix('$')?.parse::<usize>().ok()?.checked_sub(1))
        .collect()
}

async fn plan(
    context: &SessionContext,
    ast: ast::Statement,
    view: &CatalogView,
    database: Option<&str>,
) -> Result<DataFrame> {
    let state = context.state();
    let statement = AnyStatement::Statement(Box::new(ast));
    for reference in state.resolve_table_references(&statement).map_err(trimmed)? {
        let mut name = reference.to_vec();
        let is_function = name.len() == 1 && name.iter().all(|n| state.table_functions().contains_key(n));
        if is_function || name.iter().any(|part| part == "information_schema") {
            continue;
        }
        for part in &mut name {
            *part = part.to_lowercase();
        }
        view.table(&name, database)?;
    }
    let plan = state.statement_to_plan(statement).await.map_err(trimmed)?;
    SQLOptions::new()
        .with_allow_ddl(false)
        .with_allow_dml(false)
        .with_allow_statements(false)
        .verify_plan(&plan)
        .map_err(trimmed)?;
    Ok(DataFrame::new(state, plan))
}

#[cfg(test)]
mod tests;
