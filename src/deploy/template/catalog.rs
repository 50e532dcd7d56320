//! The catalog's databases and tables, Athena's workgroup, its results, and named queries.

use serde_json::{Value, json};

use super::{
    Body, Entry, Result,
    json::{reference, sub, without_nulls},
    storage::Settings,
};
use crate::cloud::{
    catalog::Column,
    resources::{Database, Properties, Resource, SavedQuery, Table},
};

/// The bucket for Athena's results.
pub(super) const ATHENA_BUCKET: &str = "AthenaBucket";
/// Athena's workgroup.
pub(super) const WORKGROUP: &str = "AthenaWorkGroup";
/// Days that a query's results are kept; Athena can read them again so long.
const RESULT_DAYS: u32 = 7;
/// Bytes after which a query is ended: 1 TiB. A slip of the pen shall not cost a month's budget.
const CUTOFF: u64 = 1 << 40;

impl<'a> Body<'a> {
    /// The physical name of the bucket for Athena's results, before account and region.
    pub(super) fn athena_bucket(&self) -> String {
        format!("{}-athena", self.graph.stack)
    }

    /// The catalog database's name, where there is one.
    pub(super) fn database_name(&self) -> Option<&'a str> {
        let database = self.graph.resources.iter().find(|r| matches!(r.properties, Properties::Database(_)));
        database.map(|r| r.physical_name.as_str())
    }

    /// The workgroup and the bucket for its results.
    pub(super) fn athena(&mut self) {
        let settings = Settings {
            name: self.athena_bucket(),
            versioning: false,
            expire_days: Some(RESULT_DAYS),
            logged: true,
            notifications: Value::Null,
        };
        let logs = super::storage::LOGS_BUCKET;
        let entry = Entry::new("AWS::S3::Bucket", settings.properties()).after([format!("{logs}Policy")]);
        self.add(ATHENA_BUCKET, entry.stateful(false));
        self.bucket_policy(ATHENA_BUCKET, vec![]);
        let properties = json!({
            "Name": self.graph.stack,
            "Description": format!("Queries of the pipeline {} in {}", self.graph.pipeline, self.graph.env),
            "State": "ENABLED",
            "RecursiveDeleteOption": true,
            "WorkGroupConfiguration": {
                "EnforceWorkGroupConfiguration": true,
                "PublishCloudWatchMetricsEnabled": true,
                "BytesScannedCutoffPerQuery": CUTOFF,
                "EngineVersion": {"SelectedEngineVersion": "Athena engine version 3"},
                "ResultConfiguration": {
                    "OutputLocation": sub(&format!("s3://${{{ATHENA_BUCKET}}}/results/")),
                    "EncryptionConfiguration": {"EncryptionOption": "SSE_S3"},
                },
            },
        });
        self.add(WORKGROUP, Entry::new("AWS::Athena::WorkGroup", properties));
    }

    pub(super) fn database(&mut self, resource: &'a Resource, database: &'a Database) {
        let description = if database.description.is_empty() { Value::Null } else { json!(database.description) };
        let properties = json!({
            "CatalogId": reference("AWS::AccountId"),
            "DatabaseInput": without_nulls(json!({"Name": resource.physical_name, "Description": description})),
        });
        self.add(&resource.logical_id, Entry::new("AWS::Glue::Database", properties).of(resource));
    }

    pub(super) fn table(&mut self, resource: &'a Resource, table: &'a Table) -> Result<()> {
        let database = self.id(resource, "database", &table.database)?;
        let bucket = self.id(resource, "bucket", &table.bucket)?;
        let format = Format::of(&table.format);
        let mut parameters = json!({"classification": table.format});
        if table.format == "csv" {
            parameters["skip.header.line.count"] = json!("1");
        }
        let properties = json!({
            "CatalogId": reference("AWS::AccountId"),
            "DatabaseName": reference(database),
            "TableInput": {
                "Name": table.table,
                "TableType": "EXTERNAL_TABLE",
                "Parameters": parameters,
                "PartitionKeys": columns(&table.partition_keys),
                "StorageDescriptor": {
                    "Location": sub(&format!("s3://${{{bucket}}}/{}", table.prefix)),
                    "Columns": columns(&table.columns),
                    "InputFormat": format.input,
                    "OutputFormat": format.output,
                    "SerdeInfo": {"SerializationLibrary": format.serde, "Parameters": format.parameters},
                },
            },
        });
        self.add(&resource.logical_id, Entry::new("AWS::Glue::Table", properties).of(resource));
        Ok(())
    }

    pub(super) fn query(&mut self, resource: &'a Resource, query: &'a SavedQuery) -> Result<()> {
        let database = match &query.database {
            Some(name) => reference(self.id(resource, "database", name)?),
            None => json!("default"),
        };
        let properties = json!({
            "Name": resource.physical_name,
            "WorkGroup": reference(WORKGROUP),
            "Database": database,
            "QueryString": query.sql,
        });
        self.add(&resource.logical_id, Entry::new("AWS::Athena::NamedQuery", properties).of(resource));
        Ok(())
    }
}

/// How files of a format are read, in Hive's words.
struct Format {
    input: &'static str,
    output: &'static str,
    serde: &'static str,
    parameters: Value,
}

impl Format {
    fn of(format: &str) -> Self {
        const TEXT: &str = "org.apache.hadoop.mapred.TextInputFormat";
        const TEXT_OUT: &str = "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat";
        match format {
            "json" => Self {
                input: TEXT,
                output: TEXT_OUT,
                serde: "org.openx.data.jsonserde.JsonSerDe",
                parameters: json!({"case.insensitive": "true"}),
            },
            "csv" => Self {
                input: TEXT,
                output: TEXT_OUT,
                serde: "org.apache.hadoop.hive.serde2.OpenCSVSerde",
                parameters: json!({"separatorChar": ",", "quoteChar": "\"", "escapeChar": "\\"}),
            },
            _ => Self {
                input: "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
                output: "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
                serde: "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe",
                parameters: json!({"serialization.format": "1"}),
            },
        }
    }
}

/// Columns with Hive's types.
fn columns(columns: &[Column]) -> Vec<Value> {
    let kind = |kind: &str| match kind {
        "varchar" => "string".to_owned(),
        "integer" => "int".to_owned(),
        other => other.to_owned(),
    };
    columns.iter().map(|c| json!({"Name": c.name, "Type": kind(&c.kind)})).collect()
}
