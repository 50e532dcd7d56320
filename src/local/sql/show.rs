//! SHOW and DESCRIBE, answered from the catalog.

use std::fmt::Write;

use serde_json::Value;

use super::{as_table, errors::listed, statement::Show};
use crate::{
    cloud::{Error, Result, catalog::Column, resources},
    local::lookup::Deployed,
    text::nearest,
};

/// The catalog as a query sees it.
#[derive(Debug, Clone, Default)]
pub(crate) struct CatalogView {
    /// The databases.
    pub(crate) databases: Vec<Deployed>,
    /// The tables of all of them.
    pub(crate) tables: Vec<Deployed>,
}

/// Columns and rows.
pub(crate) type Answer = (Vec<Column>, Vec<Vec<Value>>);

impl CatalogView {
    /// The names of the databases.
    pub(crate) fn database_names(&self) -> Vec<&str> {
        self.databases.iter().map(|d| d.resource.physical_name.as_str()).collect()
    }

    /// The tables of a database.
    pub(crate) fn tables_in(&self, database: &str) -> Vec<&resources::Table> {
        self.tables.iter().filter_map(as_table).filter(|t| t.database.eq_ignore_ascii_case(database)).collect()
    }

    /// A database's own spelling of its name.
    ///
    /// # Errors
    /// [`Error::Invalid`] with the names that there are.
    pub(crate) fn database(&self, wanted: &str) -> Result<&str> {
        let names = self.database_names();
        if let Some(found) = names.iter().copied().find(|n| n.eq_ignore_ascii_case(wanted)) {
            return Ok(found);
        }
        let mut text = format!("no database named {wanted:?}");
        if let Some(near) = nearest(wanted, names.iter().copied()) {
            let _ = write!(text, ": did you mean {near:?}?");
        }
        if names.is_empty() {
            text.push_str(": there is none yet, deploy a pipeline that has one");
        } else {
            let _ = write!(text, " (there are {})", listed(&names));
        }
        Err(Error::Invalid(text))
    }

    /// A table by its name in parts, with `database` for a bare one.
    ///
    /// # Errors
    /// [`Error::Invalid`] with the names that there are.
    pub(crate) fn table(&self, name: &[String], database: Option<&str>) -> Result<&resources::Table> {
        let (database, table) = match name {
            [table] => (database, table),
            [database, table] | [_, database, table] => (Some(database.as_str()), table),
            _ => return Err(Error::invalid("a table's name is database.table")),
        };
        let Some(database) = database else {
            let everywhere: Vec<String> = self
                .tables
                .iter()
                .filter_map(as_table)
                .filter(|t| t.table.eq_ignore_ascii_case(table))
                .map(|t| format!("{}.{}", t.database, t.table))
                .collect();
            let names: Vec<&str> = everywhere.iter().map(String::as_str).collect();
            return Err(Error::Invalid(if names.is_empty() {
                let databases = self.database_names();
                format!(
                    "no table named {table:?}, and no database is chosen{}",
                    if databases.is_empty() { String::new() } else { format!(" (there are {})", listed(&databases)) }
                )
            } else {
                format!("no database is chosen for table {table:?}: write {}", names.join(" or "))
            }));
        };
        let database = self.database(database)?;
        let tables = self.tables_in(database);
        if let Some(found) = tables.iter().copied().find(|t| t.table.eq_ignore_ascii_case(table)) {
            return Ok(found);
        }
        let names: Vec<&str> = tables.iter().map(|t| t.table.as_str()).collect();
        let mut text = format!("no table named {table:?} in database {database}");
        if let Some(near) = nearest(table, names.iter().copied()) {
            let _ = write!(text, ": did you mean {near:?}?");
        }
        if !names.is_empty() {
            let _ = write!(text, " (there are {})", listed(&names));
        }
        Err(Error::Invalid(text))
    }

    /// Answers all but `SHOW PARTITIONS`, which the caller looks up in the state.
    pub(crate) fn answer(&self, show: &Show, database: Option<&str>) -> Result<Answer> {
        match show {
            Show::Databases(pattern) => {
                let names = self.database_names();
                Ok((texts(&["database_name"]), column(names.into_iter().filter(|n| like(n, pattern.as_deref())))))
            }
            Show::Tables(of, pattern) => {
                let Some(database) = of.as_deref().or(database) else {
                    let names = self.database_names();
                    return Err(Error::invalid(format!(
                        "SHOW TABLES: no database is chosen: write SHOW TABLES IN database{}",
                        if names.is_empty() { String::new() } else { format!(" (there are {})", listed(&names)) }
                    )));
                };
                let database = self.database(database)?;
                let names = self.tables_in(database).into_iter().map(|t| t.table.as_str());
                Ok((texts(&["tab_name"]), column(names.filter(|n| like(n, pattern.as_deref())))))
            }
            Show::Columns(name) => {
                let table = self.table(name, database)?;
                let names = table.columns.iter().chain(&table.partition_keys).map(|c| c.name.as_str());
                Ok((texts(&["field"]), column(names)))
            }
            Show::Describe(name) => {
                let table = self.table(name, database)?;
                let files = table.columns.iter().map(|c| (c, ""));
                let keys = table.partition_keys.iter().map(|c| (c, "partition key"));
                let rows = files
                    .chain(keys)
                    .map(|(c, comment)| vec![c.name.as_str().into(), c.kind.as_str().into(), comment.into()])
                    .collect();
                Ok((texts(&["col_name", "data_type", "comment"]), rows))
            }
            Show::Partitions(name) => {
                self.table(name, database)?;
                Ok((texts(&["partition"]), Vec::new()))
            }
        }
    }
}

fn texts(names: &[&str]) -> Vec<Column> {
    names.iter().map(|n| Column { name: (*n).into(), kind: "varchar".into() }).collect()
}

fn column<'a>(values: impl Iterator<Item = &'a str>) -> Vec<Vec<Value>> {
    values.map(|v| vec![Value::from(v)]).collect()
}

/// Hive's patterns: `*` for any text, `|` between choices; and SQL's `%`.
fn like(name: &str, pattern: Option<&str>) -> bool {
    let Some(pattern) = pattern else { return true };
    pattern.split('|').any(|choice| {
        let parts: Vec<String> = choice.to_lowercase().split(['*', '%']).map(regex::escape).collect();
        regex::Regex::new(&format!("^{}$", parts.join(".*"))).is_ok_and(|r| r.is_match(&name.to_lowercase()))
    })
}
