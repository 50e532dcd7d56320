//! The data catalog: databases, tables, partitions (AWS Glue Data Catalog).

use async_trait::async_trait;

use super::Aws;
use crate::cloud::{
    Error, Pages, Result,
    catalog::{Catalog, Database, Partition, Table},
};

#[async_trait]
impl Catalog for Aws {
    fn databases(&self) -> Pages<'_, Database> {
        Pages::once(async { Err(Error::Unsupported { cloud: "aws", what: "catalog databases".into() }) })
    }

    fn tables<'a>(&'a self, _database: &'a str) -> Pages<'a, Table> {
        Pages::once(async { Err(Error::Unsupported { cloud: "aws", what: "catalog tables".into() }) })
    }

    async fn table(&self, _database: &str, _table: &str) -> Result<Table> {
        Err(Error::Unsupported { cloud: "aws", what: "catalog table".into() })
    }

    async fn partitions(&self, _database: &str, _table: &str, _offset: usize, _limit: usize) -> Result<Vec<Partition>> {
        Err(Error::Unsupported { cloud: "aws", what: "catalog partitions".into() })
    }
}
