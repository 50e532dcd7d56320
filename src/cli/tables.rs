//! `tables`: key-value tables and their items.

use clap::Subcommand;
use serde_json::Value;

use super::{
    failure::{Failure, Result},
    input,
    names::resolve,
    out::{Cell, Column, note},
    session::Session,
};
use crate::{
    backend::{Backend, Kind},
    cloud::tables::{ItemPage, KeyIndex, KeyTable, Query},
    config::Format,
};

/// What to look up.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the key-value tables
    List,
    /// Show a table: its keys, its indexes, its settings
    Show {
        /// Its name, or PIPELINE/NAME
        name: String,
    },
    /// Print items of a table; those of one hash key in the order of the range key
    Items {
        /// Its name, or PIPELINE/NAME
        name: String,
        /// Those with this value of the hash key
        #[arg(long, value_name = "VALUE", allow_negative_numbers = true)]
        hash: Option<String>,
        /// Look for the hash key in this index
        #[arg(long, value_name = "NAME", requires = "hash")]
        index: Option<String>,
        /// At most this many
        #[arg(short = 'n', long, default_value_t = 1000, value_name = "N", value_parser = input::count, allow_negative_numbers = true)]
        limit: usize,
    },
    /// Print one item as JSON
    Get {
        /// Its name, or PIPELINE/NAME
        name: String,
        /// The key: a JSON object with its attributes
        #[arg(value_name = "JSON")]
        key: String,
    },
}

const TABLES: [Column<KeyTable>; 5] = [
    ("table", |t| Cell::text(&t.name)),
    ("pipeline", |t| Cell::maybe(t.pipeline.as_ref(), Cell::text)),
    ("items", |t| Cell::maybe(t.items, Cell::Count)),
    ("key", |t| Cell::text(keys(&t.hash_key, t.range_key.as_deref()))),
    ("indexes", |t| Cell::text(t.indexes.iter().map(index).collect::<Vec<_>>().join(", "))),
];

fn keys(hash: &str, range: Option<&str>) -> String {
    range.map_or_else(|| hash.to_owned(), |range| format!("{hash} / {range}"))
}

fn index(index: &KeyIndex) -> String {
    format!("{} ({})", index.name, keys(&index.hash_key, index.range_key.as_deref()))
}

impl Command {
    /// Does it.
    pub async fn run(self, s: &Session, backend: &Backend) -> Result {
        let tables = &backend.cloud.tables;
        match self {
            Self::List => s.out.list(&tables.list().await?, &TABLES, "no key-value tables"),
            Self::Show { name } => {
                let name = resolve(backend, Kind::KeyTable, &name).await?;
                let table = tables.describe(&name).await?;
                let mut fields: Vec<(&str, Cell)> = TABLES.iter().map(|(title, cell)| (*title, cell(&table))).collect();
                fields.push(("time to live", Cell::maybe(table.ttl.as_ref(), Cell::text)));
                fields.push(("point in time recovery", Cell::maybe(table.point_in_time_recovery, Cell::Flag)));
                fields.push(("stream", Cell::maybe(table.stream.as_ref(), Cell::text)));
                s.out.record(&table, fields)
            }
            Self::Items { name, hash, index, limit } => {
                let name = resolve(backend, Kind::KeyTable, &name).await?;
                let table = tables.describe(&name).await?;
                let page = match hash {
                    None => tables.scan(&name, None, limit).await?,
                    Some(hash) => {
                        let asked = |hash| Query { index: index.clone(), hash, after: None, limit };
                        // A number where it is one; the table knows which it wants.
                        match tables.query(&name, &asked(value(&hash))).await {
                            Err(_) if value(&hash).is_number() => {
                                tables.query(&name, &asked(Value::String(hash))).await?
                            }
                            found => found?,
                        }
                    }
                };
                items(s, &table, &page)
            }
            Self::Get { name, key } => {
                let name = resolve(backend, Kind::KeyTable, &name).await?;
                let key: Value = serde_json::from_str(&key)
                    .map_err(|e| Failure::usage(format!("the key is no JSON object, like {{\"id\": 7}}: {e}")))?;
                let found = tables.get(&name, &key).await?;
                let found = found.ok_or_else(|| Failure::failed(format!("{name} has no item with the key {key}")))?;
                s.out.json(&found)
            }
        }
    }
}

fn value(text: &str) -> Value {
    text.parse::<serde_json::Number>().map_or_else(|_| Value::from(text), Value::Number)
}

/// Items in rows: the keys first, then the other attributes by name.
fn items(s: &Session, table: &KeyTable, page: &ItemPage) -> Result {
    if s.out.format == Format::Json {
        return s.out.json(&page.items);
    }
    let mut names: Vec<&str> = vec![&table.hash_key];
    names.extend(table.range_key.as_deref());
    let mut others: Vec<&str> =
        page.items.iter().filter_map(Value::as_object).flat_map(|i| i.keys()).map(String::as_str).collect();
    others.sort_unstable();
    others.dedup();
    let others: Vec<&str> = others.into_iter().filter(|name| !names.contains(name)).collect();
    names.extend(others);
    let cell = |value: Option<&Value>| match value {
        None | Some(Value::Null) => Cell::text(""),
        Some(Value::String(text)) => Cell::text(text),
        Some(other) => Cell::text(other.to_string()),
    };
    let rows = page.items.iter().map(|item| names.iter().map(|name| cell(item.get(*name))).collect());
    s.out.rows(&names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>(), rows)?;
    if page.next.is_some() {
        note("there are more items: raise --limit");
    }
    Ok(())
}
