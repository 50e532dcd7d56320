//! `catalog`: databases, tables, partitions.

use clap::Subcommand;
use serde::Serialize;

use super::{
    failure::{Failure, Result},
    names::unknown,
    out::{Cell, Column},
    session::Session,
};
use crate::{
    backend::Backend,
    cloud::catalog::{Database, Partition, Table},
    config::Format,
};

/// What to look up.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the databases
    Databases,
    /// List the tables of a database
    Tables {
        /// The database [default: all]
        database: Option<String>,
    },
    /// Show a table: its columns, its place, its partitions
    Show {
        /// DATABASE.TABLE
        table: String,
        /// At most this many partitions
        #[arg(long, default_value_t = 1000, value_name = "N")]
        partitions: usize,
    },
}

const DATABASES: [Column<Database>; 3] = [
    ("database", |d| Cell::text(&d.name)),
    ("pipeline", |d| Cell::maybe(d.pipeline.as_ref(), Cell::text)),
    ("tables", |d| Cell::maybe(d.tables, Cell::Count)),
];

const TABLES: [Column<Table>; 6] = [
    ("table", |t| Cell::text(format!("{}.{}", t.database, t.name))),
    ("format", |t| Cell::text(&t.format)),
    ("columns", |t| Cell::Count((t.columns.len() + t.partition_keys.len()) as u64)),
    ("partitions", |t| Cell::maybe(t.partitions, Cell::Count)),
    ("location", |t| Cell::text(&t.location)),
    ("updated", |t| Cell::maybe(t.updated, Cell::Time)),
];

/// A table with its partitions.
#[derive(Debug, Serialize)]
struct Shown {
    #[serde(flatten)]
    table: Table,
    partition_list: Vec<Partition>,
}

impl Command {
    /// Does it.
    pub async fn run(self, s: &Session, backend: &Backend) -> Result {
        let catalog = &backend.cloud.catalog;
        match self {
            Self::Databases => s.out.list(&catalog.databases().await?, &DATABASES, "no databases"),
            Self::Tables { database } => {
                let known: Vec<_> = catalog.databases().await?.into_iter().map(|d| d.name).collect();
                let databases = match database {
                    Some(name) if known.contains(&name) => vec![name],
                    Some(name) => return Err(Failure::Failed(unknown("database", &name, &known))),
                    None => known,
                };
                let mut tables = Vec::new();
                for database in databases {
                    tables.extend(catalog.tables(&database).await?);
                }
                s.out.list(&tables, &TABLES, "no tables")
            }
            Self::Show { table, partitions } => show(s, backend, &table, partitions).await,
        }
    }
}

async fn show(s: &Session, backend: &Backend, name: &str, limit: usize) -> Result {
    let catalog = &backend.cloud.catalog;
    let (database, table) =
        name.split_once('.').ok_or_else(|| Failure::usage(format!("{name:?} is not of the form DATABASE.TABLE")))?;
    let mut table = catalog.table(database, table).await?;
    let partition_list = catalog.partitions(database, &table.name, 0, limit).await?;
    if table.partitions.is_none() && partition_list.len() < limit {
        table.partitions = Some(partition_list.len() as u64);
    }
    let shown = Shown { table, partition_list };
    if s.out.format == Format::Json {
        return s.out.json(&shown);
    }
    let columns = shown.table.columns.iter().map(|c| (c, false));
    let keys = shown.table.partition_keys.iter().map(|c| (c, true));
    let rows = columns.chain(keys).map(|(c, key)| vec![Cell::text(&c.name), Cell::text(&c.kind), Cell::Flag(key)]);
    let titles = ["column", "type", "partition key"].map(|t| s.out.title(t));
    if s.out.format == Format::Csv {
        return s.out.rows(&titles, rows);
    }
    s.out.record(&shown, TABLES.iter().map(|(name, cell)| (*name, cell(&shown.table))).collect())?;
    s.out.line("")?;
    s.out.rows(&titles, rows)?;
    if shown.partition_list.is_empty() {
        return Ok(());
    }
    s.out.line("")?;
    let mut titles: Vec<_> = shown.table.partition_keys.iter().map(|c| c.name.clone()).collect();
    titles.push("location".into());
    s.out.rows(
        &titles,
        shown.partition_list.iter().map(|p| p.values.iter().map(Cell::text).chain([Cell::text(&p.location)]).collect()),
    )
}
