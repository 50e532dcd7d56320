//! `query` and `queries`: SQL, its history, and the queries that pipelines save.

use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::{
    failure::{Failure, Result},
    input,
    names::resolve,
    out::{Cell, Column, duration, note, size},
    session::Session,
    signals::asked_to_end,
};
use crate::{
    backend::{Backend, Kind, prices::usd, queries},
    cloud::{
        catalog,
        queries::{Query, QueryExecution, QueryResult, SavedQuery, Service, Workgroup},
    },
    config::Format,
    text,
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
    #[arg(short = 'n', long, value_name = "N", value_parser = input::count, allow_negative_numbers = true)]
    limit: Option<usize>,
    /// Take the result of the same query, if it is not older than this: 60m, 1d (Athena)
    #[arg(long, value_name = "AGE", value_parser = age)]
    reuse: Option<u32>,
}

/// How old a result may be that is taken once more, in minutes: Athena takes up to seven days.
fn age(text: &str) -> std::result::Result<u32, String> {
    let minutes = super::time::duration(text)?.as_mins();
    u32::try_from(minutes).ok().filter(|m| (1..=10_080).contains(m)).ok_or_else(|| format!("{text:?}: 1m to 7d"))
}

/// What to do with executions and saved queries.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List past and present executions, the newest first
    History {
        /// At most this many
        #[arg(short = 'n', long, default_value_t = 50, value_name = "N", value_parser = input::count, allow_negative_numbers = true)]
        limit: usize,
    },
    /// List the queries that pipelines save
    Saved,
    /// List the workgroups (Athena)
    Workgroups,
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

const WORKGROUPS: [Column<Workgroup>; 5] = [
    ("workgroup", |w| Cell::text(&w.name)),
    ("pipeline", |w| Cell::maybe(w.pipeline.as_ref(), Cell::text)),
    ("takes queries", |w| Cell::Flag(w.enabled)),
    ("engine", |w| Cell::maybe(w.engine.as_ref(), Cell::text)),
    ("description", |w| Cell::maybe(w.description.as_ref(), Cell::text)),
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
    #[serde(flatten)]
    service: Option<&'a Service>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cost_usd: Option<f64>,
}

impl Execute {
    /// Executes it; Ctrl-C and SIGTERM cancel.
    pub async fn run(self, s: &Session, backend: &Backend) -> Result {
        let port = &backend.cloud.queries;
        let (sql, from) = match (self.sql, self.file, self.saved) {
            (Some(sql), ..) => (sql, None),
            (_, Some(file), _) => (input::text(&file)?, None),
            (.., saved) => {
                let name = resolve(backend, Kind::Query, &saved.unwrap_or_default()).await?;
                let found = port.saved().await?.into_iter().find(|q| q.name == name);
                let query = found.ok_or_else(|| Failure::failed(format!("no saved query named {name:?}")))?;
                (query.sql.clone(), Some(query))
            }
        };
        let (database, workgroup) = place(backend, self.database, from).await;
        let query = Query {
            sql,
            database,
            parameters: self.parameters,
            limit: self.limit.unwrap_or(0),
            workgroup,
            reuse_minutes: self.reuse,
        };
        if backend.read_only() && backend.queries_write_results() {
            note(queries::WRITES_RESULTS);
        }
        let cancel = CancellationToken::new();
        let watched = cancel.clone();
        let watcher = tokio::spawn(async move {
            asked_to_end().await;
            watched.cancel();
        });
        let result = port.execute(&query, cancel).await;
        watcher.abort();
        print(s, backend, &result?)
    }
}

/// Where bare names are looked up, and which workgroup executes: those that are named, else the saved query's, else those
/// of the pipeline whose database it is.
async fn place(
    backend: &Backend,
    named: Option<String>,
    saved: Option<SavedQuery>,
) -> (Option<String>, Option<String>) {
    let (of_saved, own, pipeline) = saved.map_or((None, None, None), |q| (q.database, q.workgroup, q.pipeline));
    let database = named.or(of_saved);
    let workgroup = backend.workgroup.clone().or(own);
    if database.is_some() && (workgroup.is_some() || !backend.queries_write_results()) {
        return (database, workgroup);
    }
    let known = backend.cloud.catalog.databases().await.unwrap_or_default();
    let chosen = match (&database, known.as_slice()) {
        (Some(name), all) => all.iter().find(|d| d.name == *name),
        (None, [one]) => Some(one),
        (None, _) => None,
    };
    let pipeline = pipeline.or_else(|| chosen?.pipeline.clone());
    let workgroup = workgroup.or_else(|| backend.workgroup_of(pipeline.as_deref()));
    (database.or_else(|| Some(chosen?.name.clone())), workgroup)
}

fn print(s: &Session, backend: &Backend, result: &QueryResult) -> Result {
    let cost_usd = backend.prices.query(result);
    if s.out.format == Format::Json {
        s.out.json(&Document {
            columns: &result.columns,
            rows: &result.rows,
            scanned_bytes: result.scanned_bytes,
            elapsed_ms: result.elapsed_ms,
            truncated: result.truncated,
            service: result.service.as_ref(),
            cost_usd,
        })?;
    } else {
        table(s, result)?;
    }
    let rows = result.rows.len() as u64;
    if s.out.format == Format::Table {
        let cost = cost_usd.map(|c| format!(" ({})", usd(c))).unwrap_or_default();
        note(&format!(
            "{} {}, {} scanned{cost}, {}{}",
            text::count(rows),
            if rows == 1 { "row" } else { "rows" },
            size(result.scanned_bytes),
            duration(result.elapsed_ms),
            result.service.as_ref().map(executed).unwrap_or_default()
        ));
    }
    if result.truncated {
        note(&cut_short(rows));
    }
    Ok(())
}

/// That there are more rows than those that are shown.
pub(super) fn cut_short(rows: u64) -> String {
    format!("only the first {}: --limit N asks for more", text::plural(rows, "row"))
}

/// How a service executed a query, in words.
fn executed(service: &Service) -> String {
    let times = [("queue", service.queue_ms), ("engine", service.engine_ms)];
    let times: Vec<_> = times.into_iter().filter_map(|(what, ms)| Some(format!("{what} {}", duration(ms?)))).collect();
    let times = if times.is_empty() { String::new() } else { format!(" ({})", times.join(", ")) };
    let reused = if service.reused { ", an earlier result reused" } else { "" };
    format!("{times}, workgroup {}{reused}", service.workgroup)
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
            Self::History { .. } | Self::Saved | Self::Workgroups => None,
            Self::Cancel { id } => Some(("queries cancel", id)),
        }
    }

    /// Does it.
    pub async fn run(self, s: &Session, backend: &Backend) -> Result {
        let port = &backend.cloud.queries;
        match self {
            Self::History { limit } => {
                let history = port.history(backend.workgroup.as_deref(), limit).await?;
                s.out.list(&history, &HISTORY, "no queries yet")
            }
            Self::Workgroups => s.out.list(&port.workgroups().await?, &WORKGROUPS, "no workgroups"),
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
