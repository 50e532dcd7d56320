//! The data catalog: tables from the stacks, partitions from the runs of jobs.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, params};

use super::{
    Local,
    clock::timestamp,
    lookup::{self, Deployed},
    sql::{
        as_table,
        files::{self, PartitionRow},
        show::CatalogView,
        types,
    },
    store::sql,
};
use crate::cloud::{
    Error, Pages, Result,
    catalog::{Catalog, Column, Database, Partition, Table},
    resources,
};

#[async_trait]
impl Catalog for Local {
    fn databases(&self) -> Pages<'_, Database> {
        Pages::once(async move {
            self.inner
                .store
                .read(|c| {
                    let view = view(c)?;
                    Ok(view
                        .databases
                        .iter()
                        .map(|d| Database {
                            name: d.resource.physical_name.clone(),
                            pipeline: d.pipeline.clone(),
                            tables: Some(view.tables_in(&d.resource.physical_name).len() as u64),
                        })
                        .collect())
                })
                .await
        })
    }

    fn tables<'a>(&'a self, database: &'a str) -> Pages<'a, Table> {
        Pages::once(async move {
            let database = database.to_owned();
            self.inner
                .store
                .read(move |c| {
                    lookup::one(c, "database", &database)?;
                    let tables = lookup::all(c, "table")?;
                    tables
                        .iter()
                        .filter(|t| as_table(t).is_some_and(|t| t.database == database))
                        .map(|t| describe(c, t))
                        .collect()
                })
                .await
        })
    }

    async fn table(&self, database: &str, table: &str) -> Result<Table> {
        let name = format!("{database}.{table}");
        self.inner.store.read(move |c| describe(c, &lookup::one(c, "table", &name)?)).await
    }

    async fn partitions(&self, database: &str, table: &str, offset: usize, limit: usize) -> Result<Vec<Partition>> {
        let (database, table) = (database.to_owned(), table.to_owned());
        self.inner
            .store
            .read(move |c| {
                let deployed = lookup::one(c, "table", &format!("{database}.{table}"))?;
                let Some(table) = as_table(&deployed) else { return Ok(Vec::new()) };
                let rows = sorted_partitions(c, table)?.into_iter().skip(offset).take(limit);
                Ok(rows
                    .map(|p| Partition { values: p.values, location: p.location, created: Some(timestamp(p.created)) })
                    .collect())
            })
            .await
    }
}

/// All databases and tables.
pub(crate) fn view(connection: &Connection) -> Result<CatalogView> {
    Ok(CatalogView { databases: lookup::all(connection, "database")?, tables: lookup::all(connection, "table")? })
}

/// A table's partitions in order of their values: numbers as numbers.
pub(crate) fn sorted_partitions(connection: &Connection, table: &resources::Table) -> Result<Vec<PartitionRow>> {
    let keys = types::schema(&table.partition_keys)?;
    let mut rows = files::partitions(connection, &table.database, &table.table)?;
    rows.sort_by_cached_key(|row| {
        let number = |i: usize, v: &String| match keys.fields().get(i) {
            Some(field) if field.data_type().is_integer() => v.parse::<i64>().ok(),
            _ => None,
        };
        row.values.iter().enumerate().map(|(i, v)| (number(i, v), v.clone())).collect::<Vec<_>>()
    });
    Ok(rows)
}

fn describe(connection: &Connection, deployed: &Deployed) -> Result<Table> {
    let Some(table) = as_table(deployed) else {
        return Err(Error::storage(format!("{:?} is no table", deployed.resource.physical_name)));
    };
    let (partitions, last): (u64, Option<i64>) = connection
        .prepare_cached("select count(*), max(created) from partitions where database = ?1 and tbl = ?2")
        .map_err(sql)?
        .query_row(params![table.database, table.table], |r| Ok((r.get(0)?, r.get(1)?)))
        .optional()
        .map_err(sql)?
        .unwrap_or_default();
    Ok(Table {
        database: table.database.clone(),
        name: table.table.clone(),
        format: table.format.clone(),
        location: format!("s3://{}/{}", table.bucket, table.prefix),
        columns: table.columns.iter().map(|c| Column { name: c.name.to_lowercase(), kind: c.kind.clone() }).collect(),
        partition_keys: table.partition_keys.clone(),
        partitions: Some(partitions),
        updated: Some(timestamp(last.unwrap_or(0).max(deployed.created))),
    })
}
