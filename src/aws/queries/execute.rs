//! A query from its start to its end: asked for its state until it is over, stopped when nobody wants it any more.

use std::time::Duration;

use aws_sdk_athena::types::{
    QueryExecution, QueryExecutionContext, QueryExecutionState, ResultReuseByAgeConfiguration, ResultReuseConfiguration,
};
use tokio_util::sync::CancellationToken;

use super::{PRIMARY, results};
use crate::{
    aws::{Aws, error::failed},
    cloud::{
        Error, Result,
        queries::{Query, QueryResult, Service},
        reading::{self, Reading},
    },
};

/// The first wait between two looks; each is half as long again as the one before, up to the longest.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(2);
/// How often in a row the state may not be told before that is an error.
const MOST_SILENCES: u32 = 8;
/// How long a start that is under way is waited for once the query is not wanted any more: it has to be stopped.
const START_GRACE: Duration = Duration::from_secs(5);

impl Aws {
    /// Executes a query; a cancelled token stops it.
    pub(super) async fn supervise(self, query: Query, cancel: CancellationToken) -> Result<QueryResult> {
        let reading = reading::check(&query.sql)?;
        if reading.placeholders != query.parameters.len() {
            return Err(Error::invalid(format!(
                "the statement has {} ? and {} parameters are given",
                reading.placeholders,
                query.parameters.len()
            )));
        }
        let start = self.start_query(&query);
        tokio::pin!(start);
        let id = tokio::select! {
            started = &mut start => started?,
            () = cancel.cancelled() => {
                if let Ok(Ok(id)) = tokio::time::timeout(START_GRACE, start).await {
                    self.give_up(&id).await?;
                }
                return Err(Error::Cancelled);
            }
        };
        let ended = tokio::select! {
            ended = self.end(&id) => ended?,
            () = cancel.cancelled() => {
                self.give_up(&id).await?;
                return Err(Error::Cancelled);
            }
        };
        let result = tokio::select! {
            result = self.result(&id, &ended, reading, query.limit) => result?,
            () = cancel.cancelled() => return Err(Error::Cancelled),
        };
        Ok(QueryResult { id: Some(id), ..result })
    }

    async fn start_query(&self, query: &Query) -> Result<String> {
        let workgroup = query.workgroup.as_deref().or(self.client.options().workgroup.as_deref()).unwrap_or(PRIMARY);
        let sql = query.sql.trim().trim_end_matches(|c: char| c == ';' || c.is_whitespace());
        let parameters: Vec<String> = query.parameters.iter().map(|p| reading::literal(p)).collect();
        let context = query.database.as_ref().map(|d| QueryExecutionContext::builder().database(d).build());
        let reuse = query.reuse_minutes.map(|minutes| {
            let minutes = i32::try_from(minutes).unwrap_or(i32::MAX);
            let by_age = ResultReuseByAgeConfiguration::builder().enabled(true).max_age_in_minutes(minutes).build();
            ResultReuseConfiguration::builder().result_reuse_by_age_configuration(by_age).build()
        });
        let athena = self.client.athena().await?;
        let asked = athena
            .start_query_execution()
            .query_string(sql)
            .work_group(workgroup)
            .set_query_execution_context(context)
            .set_execution_parameters((!parameters.is_empty()).then_some(parameters))
            .set_result_reuse_configuration(reuse)
            .send();
        let started = asked.await.map_err(failed("athena:StartQueryExecution", "workgroup", workgroup));
        let started = started.map_err(|error| mended(error, workgroup))?;
        let none = || Error::failed("athena:StartQueryExecution: the answer names no execution");
        started.query_execution_id.ok_or_else(none)
    }

    /// Stops a query of ours.
    async fn give_up(&self, id: &str) -> Result<()> {
        match self.stop_query(id).await {
            // It has ended in the meantime.
            Ok(()) | Err(Error::Invalid(_) | Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(Error::failed(format!("query {id} goes on, it could not be stopped: {error}"))),
        }
    }

    /// Returns when a query is over, and has succeeded.
    async fn end(&self, id: &str) -> Result<QueryExecution> {
        let athena = self.client.athena().await?;
        let (mut wait, mut silences) = (FIRST_WAIT, 0);
        loop {
            let asked = athena.get_query_execution().query_execution_id(id).send();
            match asked.await.map_err(failed("athena:GetQueryExecution", "query execution", id)) {
                Ok(answer) => {
                    silences = 0;
                    if let Some(execution) = answer.query_execution
                        && let Some(ended) = over(execution)?
                    {
                        return Ok(ended);
                    }
                }
                // The query goes on, whether its state is told or not.
                Err(Error::Throttled(_) | Error::Unavailable(_)) if silences < MOST_SILENCES => {
                    silences += 1;
                    wait = LONGEST_WAIT;
                }
                Err(error @ (Error::Throttled(_) | Error::Unavailable(_))) => {
                    return Err(Error::Unavailable(format!("query {id} goes on, but its state is not told: {error}")));
                }
                Err(error) => return Err(error),
            }
            tokio::time::sleep(wait).await;
            wait = wait.mul_f64(1.5).min(LONGEST_WAIT);
        }
    }

    async fn result(&self, id: &str, ended: &QueryExecution, reading: Reading, limit: usize) -> Result<QueryResult> {
        let rows = results::read(self, id, reading.kind, limit).await?;
        let statistics = ended.statistics.as_ref();
        let number = |n: Option<i64>| n.and_then(|n| u64::try_from(n).ok());
        let service = service(ended);
        Ok(QueryResult {
            scanned_bytes: number(statistics.and_then(|s| s.data_scanned_in_bytes)).unwrap_or(0),
            elapsed_ms: number(statistics.and_then(|s| s.total_execution_time_in_millis)).unwrap_or(0),
            service: Some(service),
            ..rows
        })
    }
}

/// How Athena executed a query.
pub(super) fn service(execution: &QueryExecution) -> Service {
    let statistics = execution.statistics.as_ref();
    let number = |n: Option<i64>| n.and_then(|n| u64::try_from(n).ok());
    Service {
        workgroup: execution.work_group.clone().unwrap_or_else(|| PRIMARY.to_owned()),
        output: execution.result_configuration.as_ref().and_then(|r| r.output_location.clone()),
        queue_ms: number(statistics.and_then(|s| s.query_queue_time_in_millis)),
        engine_ms: number(statistics.and_then(|s| s.engine_execution_time_in_millis)),
        reused: statistics.and_then(|s| s.result_reuse_information.as_ref()).is_some_and(|r| r.reused_previous_result),
    }
}

/// Why an execution failed or was cancelled, in Athena's words.
pub(super) fn reason(execution: &QueryExecution) -> Option<String> {
    let status = execution.status.as_ref()?;
    let told = status.state_change_reason.clone().filter(|r| !r.trim().is_empty());
    told.or_else(|| status.athena_error.as_ref()?.error_message.clone())
}

/// The execution, if it has succeeded; none while it goes on.
fn over(execution: QueryExecution) -> Result<Option<QueryExecution>> {
    let state = execution.status.as_ref().and_then(|s| s.state.clone());
    let why = || reason(&execution);
    match state {
        Some(QueryExecutionState::Succeeded) => Ok(Some(execution)),
        Some(QueryExecutionState::Failed) => {
            Err(Error::Failed(why().unwrap_or_else(|| "the query failed, and Athena does not say why".into())))
        }
        // Not by us: somebody else has stopped it, or a limit of the workgroup.
        Some(QueryExecutionState::Cancelled) => {
            let why = why().unwrap_or_else(|| "Athena does not say why".into());
            Err(Error::Failed(format!("the query was cancelled: {why}")))
        }
        _ => Ok(None),
    }
}

/// A refused start with what helps.
fn mended(error: Error, workgroup: &str) -> Error {
    let Error::Invalid(text) = error else { return error };
    let text = text.strip_prefix("InvalidRequestException: ").unwrap_or(&text).to_owned();
    let lower = text.to_lowercase();
    if lower.contains("no output location") || lower.contains("output location is required") {
        return Error::Invalid(format!(
            "workgroup {workgroup:?} has no place for results: choose another one (--workgroup; `pumphouse queries \
             workgroups` lists them), or give it one with `aws athena update-work-group --work-group {workgroup} \
             --configuration-updates ResultConfigurationUpdates={{OutputLocation=s3://BUCKET/PREFIX/}}`"
        ));
    }
    if lower.contains("workgroup") && lower.contains("not found") {
        return Error::not_found("workgroup", workgroup);
    }
    if lower.contains("workgroup") && lower.contains("disabled") {
        return Error::Conflict(format!("workgroup {workgroup:?} is disabled: choose another one with --workgroup"));
    }
    Error::Invalid(text)
}
