//! `query` and `queries`: SQL, its history, and the queries that pipelines save.

use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::{
    failure::{Failure, Result},
    input,
    names::resolve,
    out::{Cell, Column, duration, grouped, note, size},
    session::Session,
    signals::asked_to_end,
};
use crate::{
    backend::{Backend, Kind, queries},
    cloud::{
        catalog,
        queries::{Query, QueryExecution, QueryResult, SavedQuery},
    },
    config::Format,
};

/// Which query to execute.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("text").required(true))]
pub struct Execute {
    /// The SQL: it reads, and changes nothing
    #[arg(group = "text")]
    sql: Option<String>,
    /// A file with the SQL; - is stdin
    #[arg(long, group = "text", value_name = "FILE")]
    file: Option<String>,
    /// A saved query: its name, or PIPELINE/NAME
    #[arg(long, group = "text", value_name = "NAME")]
    saved: Option<String>,
    /// A value for the next ? in the SQL
    #[arg(long = "param", value_name = "VALUE", allow_hyphen_values = true)]
    parameters: Vec<String>,
    /// The database that bare table names are looked up in [default: the saved query's, or the only one]
    #[arg(long, value_name = "NAME")]
    database: Option<String>,
    /// At most this many rows [default: 100000]
    #[arg(long, value_name = "N", value_parser = input::count, allow_negative_numbers = true)]
    limit: Option<usize>,
}

/// What to do with executions and saved queries.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List past and present executions, the newest first
    History {
        /// At most this many
        #[arg(long, default_value_t = 50, value_name = "N", value_parser = input::count, allow_negative_numbers = true)]
        limit: usize,
    },
    /// List the queries that pipelines save
    Saved,
    /// Cancel an execution
    Cancel {
        /// The execution's id
        id: String,
    },
}

const HISTORY: [Column<QueryExecution>; 8] = [
    ("id", |q| Cell::text(&q.id)),
    ("state", |q| Cell::text(q.state.word())),
    ("started", |q| Cell::Time(q.started)),
    ("took", |q| Cell::maybe(q.elapsed_ms, Cell::Millis)),
    ("scanned", |q| Cell::maybe(q.scanned_bytes, Cell::Bytes)),
    ("rows", |q| Cell::maybe(q.rows, Cell::Count)),
    ("sql", |q| Cell::text(&q.sql)),
    ("error", |q| Cell::maybe(q.error.as_ref(), Cell::text)),
];

const SAVED: [Column<SavedQuery>; 4] = [
    ("query", |q| Cell::text(&q.name)),
    ("pipeline", |q| Cell::maybe(q.pipeline.as_ref(), Cell::text)),
    ("database", |q| Cell::maybe(q.database.as_ref(), Cell::text)),
    ("sql", |q| Cell::text(q.sql.trim_end())),
];

/// The contract's document. `truncated` is there when it is true: no script should miss that.
#[derive(Serialize)]
struct Document<'a> {
    columns: &'a [catalog::Column],
    rows: &'a [Vec<Value>],
    scanned_bytes: u64,
    elapsed_ms: u64,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    truncated: bool,
}

impl Execute {
    /// Executes it; Ctrl-C and SIGTERM cancel.
    pub async fn run(self, s: &Session, backend: &Backend) -> Result {
        let port = &backend.cloud.queries;
        let (sql, saved_database) = match (self.sql, self.file, self.saved) {
            (Some(sql), ..) => (sql, None),
            (_, Some(file), _) => (input::text(&file)?, None),
            (.., saved) => {
                let name = resolve(backend, Kind::Query, &saved.unwrap_or_default()).await?;
                let found = port.saved().await?.into_iter().find(|q| q.name == name);
                let query = found.ok_or_else(|| Failure::failed(format!("no saved query named {name:?}")))?;
                (query.sql, query.database)
            }
        };
        let database = match self.database.or(saved_database) {
            Some(name) => Some(name),
            None => only_database(backend).await,
        };
        let query =
            Query { sql, database, parameters: self.parameters, limit: self.limit.unwrap_or(0), ..Query::default() };
        let cancel = CancellationToken::new();
        let watched = cancel.clone();
        let watcher = tokio::spawn(async move {
            asked_to_end().await;
            watched.cancel();
        });
        let result = port.execute(&query, cancel).await;
        watcher.abort();
        print(s, &result?)
    }
}

async fn only_database(backend: &Backend) -> Option<String> {
    match backend.cloud.catalog.databases().await.ok()?.as_slice() {
        [one] => Some(one.name.clone()),
        _ => None,
    }
}

fn print(s: &Session, result: &QueryResult) -> Result {
    if s.out.format == Format::Json {
        s.out.json(&Document {
            columns: &result.columns,
            rows: &result.rows,
            scanned_bytes: result.scanned_bytes,
            elapsed_ms: result.elapsed_ms,
            truncated: result.truncated,
        })?;
    } else {
        table(s, result)?;
    }
    let rows = result.rows.len() as u64;
    if s.out.format == Format::Table {
        note(&format!(
            "{} {}, {} scanned, {}",
            grouped(rows),
            if rows == 1 { "row" } else { "rows" },
            size(result.scanned_bytes),
            duration(result.elapsed_ms)
        ));
    }
    if result.truncated {
        note(&format!("only the first {} rows: --limit N asks for more", grouped(rows)));
    }
    Ok(())
}

/// Prints the rows of a result.
pub fn table(s: &Session, result: &QueryResult) -> Result {
    let titles: Vec<_> = result.columns.iter().map(|c| c.name.clone()).collect();
    s.out.rows(&titles, result.rows.iter().map(|row| row.iter().map(cell).collect()))
}

fn cell(value: &Value) -> Cell {
    match value {
        Value::Null => Cell::None,
        Value::String(text) => Cell::text(text),
        // As it is, and to the right: a year is no count.
        Value::Number(n) => n
            .as_f64()
            .filter(|f| f.to_string() == n.to_string())
            .map_or_else(|| Cell::text(n.to_string()), Cell::Number),
        other => Cell::text(other.to_string()),
    }
}

impl Command {
    /// What it changes: the gate's words and the target; none for a command that reads.
    pub fn change(&self) -> Option<(&'static str, &str)> {
        match self {
            Self::History { .. } | Self::Saved => None,
            Self::Cancel { id } => Some(("queries cancel", id)),
        }
    }

    /// Does it.
    pub async fn run(self, s: &Session, backend: &Backend) -> Result {
        let port = &backend.cloud.queries;
        match self {
            Self::History { limit } => s.out.list(&port.history(None, limit).await?, &HISTORY, "no queries yet"),
            Self::Saved => s.out.list(&port.saved().await?, &SAVED, "no saved queries"),
            Self::Cancel { id } => {
                let consent = s.consent(backend, &queries::cancel_effect(&id))?;
                backend.cancel_query(&id, &consent).await?;
                note(&format!("query {id} is asked to stop"));
                Ok(())
            }
        }
    }
}
