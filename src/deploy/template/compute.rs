//! Functions, jobs, and their log groups.

use serde_json::{Map, Value, json};

use super::{
    ARTIFACT_BUCKET, Body, Entry, Result,
    events::dead_letters_id,
    json::{att, bucket_name, reference, sub, without_nulls},
};
use crate::{
    cloud::resources::{Function, Job, LogGroup, Properties, Resource, Runtime},
    deploy::{names, package},
};

/// AWS Glue's version: Spark 3.5.6.
const GLUE_VERSION: &str = "5.1";
/// Our script for Spark, which runs the SQL of every job.
const RUNNER: &str = include_str!("../glue/runner.py");
/// The two log groups that AWS Glue 5 makes of a job's: what it and Spark say, and what the script prints.
pub(super) const JOB_LOGS: [(&str, &str); 2] = [("", names::JOB_ERRORS), ("Output", names::JOB_OUTPUT)];

impl<'a> Body<'a> {
    pub(super) fn log_group(&mut self, resource: &'a Resource, group: &'a LogGroup) {
        // All crawlers write to one group of AWS's own.
        let crawler = |r: &Resource| match &r.properties {
            Properties::Crawler(crawler) => crawler.log_group == resource.physical_name,
            _ => false,
        };
        if self.graph.resources.iter().any(crawler) {
            return;
        }
        // A job's group is a prefix on AWS.
        let job = self.graph.resources.iter().any(|r| match &r.properties {
            Properties::Job(job) => job.log_group == resource.physical_name,
            _ => false,
        });
        let parts: &[(&str, &str)] = if job { &JOB_LOGS } else { &[("", "")] };
        for (part, end) in parts {
            let properties = json!({
                "LogGroupName": format!("{}{end}", resource.physical_name),
                "RetentionInDays": group.retention_days,
            });
            let entry = Entry::new("AWS::Logs::LogGroup", properties).of(resource).stateful(self.graph.protected);
            self.add(&format!("{}{part}", resource.logical_id), entry);
        }
    }

    pub(super) fn function(&mut self, resource: &'a Resource, function: &'a Function) -> Result<()> {
        let (key, architecture) = self.code(resource, function)?;
        let role = self.id(resource, "role", &function.role)?;
        let group = self.id(resource, "log group", &function.log_group)?;
        let dead_letters = if self.asynchronous(&resource.physical_name) {
            self.dead_letters(resource);
            json!({"TargetArn": att(&dead_letters_id(&resource.logical_id), "Arn")})
        } else {
            Value::Null
        };
        let runtime = if function.runtime == Runtime::Rust { "provided.al2023" } else { function.runtime.word() };
        let variables = self.variables(function);
        let (vpc, way) = match &function.network {
            Some(network) => self.vpc(resource, network)?,
            None => (Value::Null, Vec::new()),
        };
        let properties = json!({
            "FunctionName": resource.physical_name,
            "Runtime": runtime,
            "Handler": function.handler,
            "Architectures": [architecture],
            "Code": {"S3Bucket": sub(ARTIFACT_BUCKET), "S3Key": key},
            "Role": att(role, "Arn"),
            "Timeout": function.timeout_seconds,
            "MemorySize": function.memory_mib,
            "Environment": if variables.is_empty() { Value::Null } else { json!({"Variables": variables}) },
            "LoggingConfig": {"LogGroup": reference(group)},
            "DeadLetterConfig": dead_letters,
            "VpcConfig": vpc,
        });
        let entry = Entry::new("AWS::Lambda::Function", without_nulls(properties)).of(resource).after(way);
        self.add(&resource.logical_id, entry);
        Ok(())
    }

    /// What a function is told: names, the addresses of its sources, and where its queries run.
    fn variables(&self, function: &Function) -> Map<String, Value> {
        let bucket = |name: &str| {
            self.graph
                .resources
                .iter()
                .any(|r| matches!(r.properties, Properties::Bucket(_)) && r.physical_name == name)
        };
        let mut variables = Map::new();
        for (name, value) in &function.environment {
            let full = name.starts_with("BUCKET_") && bucket(value);
            variables.insert(name.clone(), if full { sub(&bucket_name(value)) } else { json!(value) });
        }
        for (name, source) in &function.sources {
            let name = name.to_ascii_uppercase();
            variables.insert(format!("SOURCE_{name}"), json!(source.url));
            if !source.headers.is_empty() {
                let headers = serde_json::to_string(&source.headers).unwrap_or_default();
                variables.insert(format!("HEADERS_{name}"), json!(headers));
            }
        }
        if function.environment.keys().any(|k| k.starts_with("QUERY_")) {
            variables.insert("ATHENA_WORKGROUP".into(), json!(self.graph.stack));
            if let Some(database) = self.database_name() {
                variables.insert("ATHENA_DATABASE".into(), json!(database));
            }
        }
        variables.sort_keys();
        variables
    }

    pub(super) fn job(&mut self, resource: &'a Resource, job: &'a Job) -> Result<()> {
        let role = self.id(resource, "role", &job.role)?;
        let group = self.id(resource, "log group", &job.log_group)?;
        let (script, sql) = job_assets(job);
        let artifact = |key: &str| sub(&format!("s3://{ARTIFACT_BUCKET}/{key}"));
        let from = self.id(resource, "bucket", &job.from)?;
        let place = |bucket: &str, prefix: &str| sub(&format!("s3://${{{bucket}}}/{prefix}"));
        let mut arguments = json!({
            "--SQL_URI": artifact(&sql.key),
            "--INPUT": place(from, &job.from_prefix),
        });
        if let Some((database, table)) = &job.input_table {
            arguments["--INPUT_TABLE"] = json!(format!("{database}.{table}"));
        } else {
            arguments["--INPUT_FORMAT"] = json!(job.input_format);
            arguments["--INPUT_COLUMNS"] = json!(serde_json::to_string(&job.input_columns).unwrap_or_default());
        }
        if let Some(table) = &job.key_table {
            arguments["--DYNAMODB_TABLE"] = reference(self.id(resource, "key-value table", table)?);
            arguments["--DYNAMODB_REPLACE"] = json!(job.replace.to_string());
        } else {
            arguments["--OUTPUT"] = place(self.id(resource, "bucket", &job.to)?, &job.to_prefix);
        }
        if let Some(dialect) = &job.dialect {
            arguments["--DIALECT"] = json!(serde_json::to_string(dialect).unwrap_or_default());
        }
        if let Some(column) = &job.file_column {
            arguments["--FILE_COLUMN"] = json!(column);
        }
        if let Some((bucket, prefix)) = &job.rejects {
            arguments["--REJECTS"] = place(self.id(resource, "bucket", bucket)?, prefix);
        }
        if !job.partition_by.is_empty() {
            arguments["--PARTITION_BY"] = json!(job.partition_by.join(","));
        }
        if let Some((database, table)) = &job.table {
            let table = self.id(resource, "table", &format!("{database}.{table}"))?;
            arguments["--DATABASE"] = json!(database);
            arguments["--TABLE"] = reference(table);
        }
        let bookmark = if job.bookmark { "job-bookmark-enable" } else { "job-bookmark-disable" };
        arguments["--job-bookmark-option"] = json!(bookmark);
        arguments["--enable-continuous-cloudwatch-log"] = json!("true");
        arguments["--custom-logGroup-prefix"] = json!(job.log_group);
        let properties = json!({
            "Name": resource.physical_name,
            "Role": att(role, "Arn"),
            "GlueVersion": GLUE_VERSION,
            "Command": {"Name": "glueetl", "PythonVersion": "3", "ScriptLocation": artifact(&script.key)},
            "DefaultArguments": arguments,
            "WorkerType": "G.1X",
            "NumberOfWorkers": 2,
            // One at a time: two runs would read the same files from one bookmark.
            "ExecutionProperty": {"MaxConcurrentRuns": 1},
            "MaxRetries": 0,
            "Timeout": job.timeout_minutes,
            "Connections": self.connections_of(resource, job)?,
        });
        let groups = JOB_LOGS.iter().map(|(part, _)| format!("{group}{part}"));
        let entry = Entry::new("AWS::Glue::Job", without_nulls(properties)).of(resource).after(groups);
        self.add(&resource.logical_id, entry.after(self.ways_of(resource, job)?));
        self.assets.extend([script, sql]);
        self.tell_ends(resource, &job.on_ended)
    }
}

/// What a job reads from the artifact bucket: the script and the SQL.
pub(super) fn job_assets(job: &Job) -> (crate::cloud::stacks::Asset, crate::cloud::stacks::Asset) {
    (
        package::file("jobs", "py", RUNNER.as_bytes().into()),
        package::file("jobs", "sql", job.sql.clone().into_bytes().into()),
    )
}
