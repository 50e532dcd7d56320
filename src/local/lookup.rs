//! What the deployed stacks configure, by kind and physical name.

use rusqlite::{Connection, OptionalExtension, params};

use super::store::sql;
use crate::cloud::{Error, Result, resources::Resource};

/// A deployed resource and where it belongs.
#[derive(Debug, Clone, PartialEq)]
pub struct Deployed {
    /// The stack.
    pub stack: String,
    /// The pipeline that the stack was made from.
    pub pipeline: Option<String>,
    /// When it was made, in milliseconds.
    pub created: i64,
    /// The resource as it is deployed.
    pub resource: Resource,
}

const SELECT: &str = "select r.stack, s.pipeline, r.created, r.resource from stack_resources r \
                      join stacks s on s.name = r.stack";

/// All deployed resources of a kind (`Properties`' serde tag), by physical name.
pub fn all(connection: &Connection, kind: &str) -> Result<Vec<Deployed>> {
    let mut statement =
        connection.prepare_cached(&format!("{SELECT} where r.kind = ?1 order by r.physical_name")).map_err(sql)?;
    let rows = statement.query_map([kind], raw).map_err(sql)?;
    let mut all: Vec<Deployed> = rows.map(|row| parse(row.map_err(sql)?)).collect::<Result<_>>()?;
    if kind == "table" {
        let mut statement = connection.prepare_cached(CRAWLED).map_err(sql)?;
        for row in statement.query_map([], raw).map_err(sql)? {
            let crawled = parse(row.map_err(sql)?)?;
            // What a stack declares goes before what a crawler made.
            if all.iter().all(|d| d.resource.physical_name != crawled.resource.physical_name) {
                all.push(crawled);
            }
        }
        all.sort_by(|a, b| a.resource.physical_name.cmp(&b.resource.physical_name));
    }
    Ok(all)
}

/// The tables that crawlers made, in the shape of [`SELECT`].
const CRAWLED: &str = "select c.stack, s.pipeline, c.updated, c.resource from crawled_tables c \
                       join stacks s on s.name = c.stack";

/// A table that a crawler made, if it is there.
pub fn crawled(connection: &Connection, database: &str, table: &str) -> Result<Option<Deployed>> {
    connection
        .prepare_cached(&format!("{CRAWLED} where c.database = ?1 and c.tbl = ?2"))
        .map_err(sql)?
        .query_row([database, table], raw)
        .optional()
        .map_err(sql)?
        .map(parse)
        .transpose()
}

/// One deployed resource, if it is there.
pub fn find(connection: &Connection, kind: &str, physical_name: &str) -> Result<Option<Deployed>> {
    let declared = declared(connection, kind, physical_name)?;
    match physical_name.split_once('.') {
        Some((database, table)) if declared.is_none() && kind == "table" => crawled(connection, database, table),
        _ => Ok(declared),
    }
}

/// One resource that a stack declares, if it is there.
pub fn declared(connection: &Connection, kind: &str, physical_name: &str) -> Result<Option<Deployed>> {
    connection
        .prepare_cached(&format!("{SELECT} where r.kind = ?1 and r.physical_name = ?2"))
        .map_err(sql)?
        .query_row(params![kind, physical_name], raw)
        .optional()
        .map_err(sql)?
        .map(parse)
        .transpose()
}

/// One deployed resource.
///
/// # Errors
/// [`Error::NotFound`] with `kind` spelt for a person.
pub fn one(connection: &Connection, kind: &'static str, physical_name: &str) -> Result<Deployed> {
    find(connection, kind, physical_name)?.ok_or_else(|| missing(kind, physical_name))
}

/// Whether a resource is deployed, without a look at how.
///
/// # Errors
/// As [`one`].
pub fn must_exist(connection: &Connection, kind: &'static str, physical_name: &str) -> Result<()> {
    let found = connection
        .prepare_cached("select 1 from stack_resources where kind = ?1 and physical_name = ?2")
        .map_err(sql)?
        .exists([kind, physical_name])
        .map_err(sql)?;
    if found { Ok(()) } else { Err(missing(kind, physical_name)) }
}

fn missing(kind: &'static str, physical_name: &str) -> Error {
    let spoken = match kind {
        "log_group" => "log group",
        "delivery" => "delivery stream",
        "api" => "API",
        "key_table" => "key-value table",
        "postgres" => "PostgreSQL database",
        other => other,
    };
    Error::not_found(spoken, physical_name)
}

type Raw = (String, Option<String>, i64, String);

fn raw(row: &rusqlite::Row<'_>) -> rusqlite::Result<Raw> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
}

fn parse((stack, pipeline, created, json): Raw) -> Result<Deployed> {
    let resource = serde_json::from_str(&json).map_err(Error::storage)?;
    Ok(Deployed { stack, pipeline, created, resource })
}
