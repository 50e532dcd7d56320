//! `postgres`: PostgreSQL databases, and queries on them.

use clap::Subcommand;
use serde_json::Value;

use super::{
    failure::{Failure, Result},
    input, names,
    out::{Cell, Column, note},
    queries::cut_short,
    session::Session,
};
use crate::{
    backend::{Backend, Kind},
    cloud::postgres::Database,
    config::Format,
};

/// What to do with PostgreSQL databases.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the databases
    List,
    /// Execute SQL in a transaction that only reads
    Query {
        /// The database: its name, PIPELINE/NAME, or the pipeline that has one
        database: String,
        /// The SQL; - is stdin
        sql: String,
        /// At most this many rows [default: 100000]
        #[arg(short = 'n', long, value_name = "N", value_parser = input::count, allow_negative_numbers = true)]
        limit: Option<usize>,
    },
}

const DATABASES: [Column<Database>; 4] = [
    ("database", |d| Cell::text(&d.name)),
    ("pipeline", |d| Cell::maybe(d.pipeline.as_ref(), Cell::text)),
    ("server", |d| Cell::text(&d.server)),
    ("address", |d| Cell::maybe(d.address.as_ref(), Cell::text)),
];

impl Command {
    /// Does it.
    pub async fn run(self, s: &Session, backend: &Backend) -> Result {
        let port = &backend.cloud.postgres;
        match self {
            Self::List => s.out.list(&port.list().await?, &DATABASES, "no PostgreSQL databases"),
            Self::Query { database, sql, limit } => {
                let name = chosen(backend, &database).await?;
                let sql = if sql == "-" { input::text("-")? } else { sql };
                let result = port.query(&name, &sql, limit.unwrap_or(0)).await?;
                if s.out.format == Format::Json {
                    s.out.json(&result)?;
                } else {
                    let titles: Vec<_> = result.columns.iter().map(|c| c.name.clone()).collect();
                    s.out.rows(&titles, result.rows.iter().map(|row| row.iter().map(cell).collect()))?;
                }
                if result.truncated {
                    note(&cut_short(result.rows.len() as u64));
                }
                Ok(())
            }
        }
    }
}

/// The database that is meant: by its name, or as the only one of a pipeline.
async fn chosen(backend: &Backend, name: &str) -> Result<String> {
    if name.contains('/') {
        return Ok(backend.resolve(Kind::Postgres, name).await?);
    }
    let all = backend.cloud.postgres.list().await?;
    if all.iter().any(|d| d.name == name) {
        return Ok(name.to_owned());
    }
    let stack = backend.stack_name(name);
    let own = |d: &&Database| d.pipeline.as_deref() == Some(name) && d.name.starts_with(&stack);
    let of_pipeline: Vec<&Database> = all.iter().filter(own).collect();
    match of_pipeline.as_slice() {
        [one] => Ok(one.name.clone()),
        [] => {
            let known: Vec<String> = all.into_iter().map(|d| d.name).collect();
            Err(Failure::Failed(names::unknown("PostgreSQL database", name, &known)))
        }
        several => {
            let names: Vec<&str> = several.iter().map(|d| d.name.as_str()).collect();
            Err(Failure::failed(format!("{name} has several databases: {}", names.join(", "))))
        }
    }
}

fn cell(value: &Value) -> Cell {
    match value {
        Value::Null => Cell::None,
        Value::String(text) => Cell::text(text),
        other => Cell::text(other.to_string()),
    }
}
