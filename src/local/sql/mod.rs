//! SQL on DataFusion: sessions over the catalog's tables, or over the input of a job.

pub(crate) mod columns;
pub(crate) mod errors;
pub(crate) mod files;
mod parquet;
pub(crate) mod rows;
pub(crate) mod runtime;
pub(crate) mod show;
pub(crate) mod statement;
pub(crate) mod table;
mod text;
pub(crate) mod types;
pub(crate) mod values;

use std::sync::Arc;

use datafusion::{
    catalog::{CatalogProvider, MemoryCatalogProvider, MemorySchemaProvider, SchemaProvider, TableProvider},
    execution::SessionStateBuilder,
    prelude::{SessionConfig, SessionContext},
};

use crate::cloud::{Error, Result, resources};
use files::Counters;
use table::FileTable;

use super::{lookup::Deployed, store::Store};

/// The catalog's name in full table names, as Athena has it.
pub(crate) const CATALOG: &str = "awsdatacatalog";
/// The database of bare table names where none is chosen.
pub(crate) const NO_DATABASE: &str = "default";
/// A session whose bare table names are looked up in `database`.
pub(crate) fn session(database: &str) -> Result<SessionContext> {
    let mut config = SessionConfig::new()
        .with_target_partitions(runtime::threads())
        .with_default_catalog_and_schema(CATALOG, database)
        .with_create_default_catalog_and_schema(false)
        .with_information_schema(true);
    // Values are strings in the files: views of them gain nothing and have other names in messages.
    config.options_mut().sql_parser.map_string_types_to_utf8view = false;
    let state = SessionStateBuilder::new()
        .with_config(config)
        .with_runtime_env(runtime::environment()?)
        .with_default_features()
        .with_physical_optimizer_rule(Arc::new(runtime::YieldInJoins))
        .build();
    Ok(SessionContext::new_with_state(state))
}

/// A session over the catalog's databases and tables.
pub(crate) fn catalog_session(
    store: &Store,
    databases: &[Deployed],
    tables: &[Deployed],
    database: &str,
    counters: &Arc<Counters>,
) -> Result<SessionContext> {
    let context = session(database)?;
    let catalog = MemoryCatalogProvider::new();
    for name in databases.iter().map(|d| d.resource.physical_name.as_str()) {
        let schema = MemorySchemaProvider::new();
        for (deployed, table) in
            tables.iter().filter_map(|t| Some((t, as_table(t)?))).filter(|(_, t)| t.database == name)
        {
            let crawled = is_crawled(deployed);
            let provider = FileTable::catalog(store.clone(), table.clone(), crawled, counters.clone())?;
            schema.register_table(table.table.to_lowercase(), Arc::new(provider)).map_err(Error::storage)?;
        }
        catalog.register_schema(&name.to_lowercase(), Arc::new(schema)).map_err(Error::storage)?;
    }
    context.register_catalog(CATALOG, Arc::new(catalog));
    Ok(context)
}

/// A session with one table.
pub(crate) fn input_session(name: &str, table: Arc<dyn TableProvider>) -> Result<SessionContext> {
    let context = session(NO_DATABASE)?;
    let (catalog, schema) = (MemoryCatalogProvider::new(), MemorySchemaProvider::new());
    schema.register_table(name.to_owned(), table).map_err(Error::storage)?;
    catalog.register_schema(NO_DATABASE, Arc::new(schema)).map_err(Error::storage)?;
    context.register_catalog(CATALOG, Arc::new(catalog));
    Ok(context)
}

/// Whether a crawler made a table.
pub(crate) fn is_crawled(deployed: &Deployed) -> bool {
    deployed.resource.name.starts_with("crawler.")
}

/// The table that a deployed resource is.
pub(crate) fn as_table(deployed: &Deployed) -> Option<&resources::Table> {
    match &deployed.resource.properties {
        resources::Properties::Table(table) => Some(table),
        _ => None,
    }
}
