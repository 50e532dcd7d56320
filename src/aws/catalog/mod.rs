//! The data catalog: databases, tables, partitions (AWS Glue Data Catalog).

mod model;

use async_trait::async_trait;

use super::{Aws, error::failed};
use crate::cloud::{
    Pages, Result,
    catalog::{Catalog, Database, Partition, Table},
};

/// The most that AWS gives at once.
const PER_PAGE: i32 = 100;
const PARTITIONS_PER_PAGE: i32 = 1_000;

#[async_trait]
impl Catalog for Aws {
    fn databases(&self) -> Pages<'_, Database> {
        Pages::follow(move |token| async move {
            let glue = self.client.glue().await?;
            let asked = glue.get_databases().max_results(PER_PAGE).set_next_token(token).send();
            let page = asked.await.map_err(failed("glue:GetDatabases", "database", "*"))?;
            let owners = self.owners().await;
            let databases = page.database_list.into_iter().map(|d| Database {
                pipeline: owners.pipeline(&d.name),
                name: d.name,
                tables: None,
            });
            Ok((databases.collect(), page.next_token.filter(|t| !t.is_empty())))
        })
    }

    fn tables<'a>(&'a self, database: &'a str) -> Pages<'a, Table> {
        Pages::follow(move |token| async move {
            let glue = self.client.glue().await?;
            let asked = glue.get_tables().database_name(database).max_results(PER_PAGE).set_next_token(token).send();
            let page = asked.await.map_err(failed("glue:GetTables", "database", database))?;
            let tables = page.table_list.unwrap_or_default().into_iter().map(|t| model::table(database, t));
            Ok((tables.collect(), page.next_token.filter(|t| !t.is_empty())))
        })
    }

    async fn table(&self, database: &str, table: &str) -> Result<Table> {
        let name = format!("{database}.{table}");
        let glue = self.client.glue().await?;
        let answer = glue.get_table().database_name(database).name(table).send().await.map_err(failed(
            "glue:GetTable",
            "table",
            &name,
        ))?;
        let found = answer.table.ok_or_else(|| crate::cloud::Error::not_found("table", name))?;
        Ok(model::table(database, found))
    }

    async fn partitions(&self, database: &str, table: &str, offset: usize, limit: usize) -> Result<Vec<Partition>> {
        let glue = self.client.glue().await?;
        let mut found: Vec<Partition> = Vec::new();
        let (mut skip, mut token) = (offset, None);
        while found.len() < limit {
            let want = (skip + limit - found.len()).min(PARTITIONS_PER_PAGE as usize);
            let page = glue
                .get_partitions()
                .database_name(database)
                .table_name(table)
                // The columns of each are those of the table, and most of the bytes.
                .exclude_column_schema(true)
                .max_results(want as i32)
                .set_next_token(token.take())
                .send()
                .await
                .map_err(failed("glue:GetPartitions", "table", format!("{database}.{table}")))?;
            let here = page.partitions.unwrap_or_default();
            let skipped = skip.min(here.len());
            skip -= skipped;
            found.extend(here.into_iter().skip(skipped).map(model::partition));
            token = page.next_token.filter(|t| !t.is_empty());
            if token.is_none() {
                break;
            }
        }
        found.truncate(limit);
        Ok(found)
    }
}
