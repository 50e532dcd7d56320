//! What was executed, and what is saved: both are kept by workgroup.

use aws_sdk_athena::types::{QueryExecutionState, WorkGroupState};
use futures::{StreamExt, stream};

use super::{PRIMARY, execute};
use crate::{
    aws::{Aws, error::failed, time::optional},
    cloud::{
        Error, Result,
        queries::{QueryExecution, QueryState, SavedQuery},
    },
};

/// The most that AWS gives, or tells about, at once.
const BATCH: usize = 50;
/// Workgroups that are asked at the same time: AWS lets few such calls through.
const AT_ONCE: usize = 3;
/// Workgroups that are looked into where none is named.
const MOST_WORKGROUPS: usize = 40;

impl Aws {
    /// Past and present executions, the newest first.
    pub(super) async fn executions(&self, workgroup: Option<&str>, limit: usize) -> Result<Vec<QueryExecution>> {
        let workgroups = match workgroup {
            Some(name) => vec![name.to_owned()],
            None => self.looked_into().await?,
        };
        let found = self.in_each(workgroups, |workgroup| self.executions_in(workgroup, limit)).await;
        let mut all: Vec<QueryExecution> = found?;
        all.sort_by_key(|e| std::cmp::Reverse(e.started));
        all.truncate(limit);
        Ok(all)
    }

    /// Named queries, by name.
    pub(super) async fn named_queries(&self) -> Result<Vec<SavedQuery>> {
        let workgroups = self.looked_into().await?;
        let mut all: Vec<SavedQuery> = self.in_each(workgroups, |workgroup| self.named_in(workgroup)).await?;
        all.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(all)
    }

    /// The workgroups that are looked into where none is named.
    async fn looked_into(&self) -> Result<Vec<String>> {
        if let Some(only) = &self.client.options().workgroup {
            return Ok(vec![only.clone()]);
        }
        let athena = self.client.athena().await?;
        let (mut names, mut token) = (Vec::new(), None);
        while names.len() < MOST_WORKGROUPS {
            let asked = athena.list_work_groups().max_results(BATCH as i32).set_next_token(token.take()).send();
            let page = match asked.await.map_err(failed("athena:ListWorkGroups", "workgroup", "*")) {
                Ok(page) => page,
                // Who may not list them may still use the one that is always there.
                Err(Error::AccessDenied { .. }) => return Ok(vec![PRIMARY.to_owned()]),
                Err(error) => return Err(error),
            };
            let enabled = page.work_groups.unwrap_or_default().into_iter();
            names.extend(enabled.filter(|w| w.state != Some(WorkGroupState::Disabled)).filter_map(|w| w.name));
            token = page.next_token.filter(|t| !t.is_empty());
            if token.is_none() {
                break;
            }
        }
        names.truncate(MOST_WORKGROUPS);
        Ok(names)
    }

    /// What there is in each workgroup. One that may not be looked into hides no other.
    async fn in_each<T, F>(&self, workgroups: Vec<String>, list: impl Fn(String) -> F) -> Result<Vec<T>>
    where
        F: Future<Output = Result<Vec<T>>>,
    {
        let mut answers = stream::iter(workgroups).map(list).buffered(AT_ONCE);
        let (mut all, mut denied, mut answered) = (Vec::new(), None, false);
        while let Some(answer) = answers.next().await {
            match answer {
                Ok(found) => {
                    answered = true;
                    all.extend(found);
                }
                Err(error @ Error::AccessDenied { .. }) => denied = denied.or(Some(error)),
                Err(error) => return Err(error),
            }
        }
        match denied {
            Some(error) if !answered => Err(error),
            _ => Ok(all),
        }
    }

    async fn executions_in(&self, workgroup: String, limit: usize) -> Result<Vec<QueryExecution>> {
        let athena = self.client.athena().await?;
        let (mut found, mut token) = (Vec::new(), None);
        while found.len() < limit {
            let page = athena
                .list_query_executions()
                .work_group(&workgroup)
                .max_results((limit - found.len()).min(BATCH) as i32)
                .set_next_token(token.take())
                .send()
                .await
                .map_err(failed("athena:ListQueryExecutions", "workgroup", &workgroup))?;
            let ids = page.query_execution_ids.unwrap_or_default();
            if !ids.is_empty() {
                let told = athena
                    .batch_get_query_execution()
                    .set_query_execution_ids(Some(ids))
                    .send()
                    .await
                    .map_err(failed("athena:BatchGetQueryExecution", "workgroup", &workgroup))?;
                found.extend(told.query_executions.unwrap_or_default().into_iter().filter_map(execution));
            }
            token = page.next_token.filter(|t| !t.is_empty());
            if token.is_none() {
                break;
            }
        }
        Ok(found)
    }

    async fn named_in(&self, workgroup: String) -> Result<Vec<SavedQuery>> {
        let athena = self.client.athena().await?;
        let owners = self.owners().await;
        let (mut found, mut token) = (Vec::new(), None);
        loop {
            let page = athena
                .list_named_queries()
                .work_group(&workgroup)
                .max_results(BATCH as i32)
                .set_next_token(token.take())
                .send()
                .await
                .map_err(failed("athena:ListNamedQueries", "workgroup", &workgroup))?;
            let ids = page.named_query_ids.unwrap_or_default();
            if !ids.is_empty() {
                let told = athena
                    .batch_get_named_query()
                    .set_named_query_ids(Some(ids))
                    .send()
                    .await
                    .map_err(failed("athena:BatchGetNamedQuery", "workgroup", &workgroup))?;
                found.extend(told.named_queries.unwrap_or_default().into_iter().map(|q| {
                    SavedQuery {
                        pipeline: q
                            .named_query_id
                            .as_deref()
                            .and_then(|id| owners.pipeline(id))
                            .or_else(|| owners.pipeline(&workgroup)),
                        name: q.name,
                        database: Some(q.database).filter(|d| !d.is_empty()),
                        sql: q.query_string,
                        workgroup: Some(workgroup.clone()),
                    }
                }));
            }
            token = page.next_token.filter(|t| !t.is_empty());
            if token.is_none() {
                return Ok(found);
            }
        }
    }
}

/// An execution; none without an id or a time.
fn execution(told: aws_sdk_athena::types::QueryExecution) -> Option<QueryExecution> {
    let status = told.status.as_ref();
    let state = match status.and_then(|s| s.state.as_ref()) {
        Some(QueryExecutionState::Queued) => QueryState::Queued,
        Some(QueryExecutionState::Succeeded) => QueryState::Succeeded,
        Some(QueryExecutionState::Failed) => QueryState::Failed,
        Some(QueryExecutionState::Cancelled) => QueryState::Cancelled,
        _ => QueryState::Running,
    };
    let statistics = told.statistics.as_ref();
    let number = |n: Option<i64>| n.and_then(|n| u64::try_from(n).ok());
    Some(QueryExecution {
        state,
        started: optional(status.and_then(|s| s.submission_date_time.as_ref()))?,
        elapsed_ms: number(statistics.and_then(|s| s.total_execution_time_in_millis)),
        scanned_bytes: number(statistics.and_then(|s| s.data_scanned_in_bytes)),
        rows: None,
        error: matches!(state, QueryState::Failed | QueryState::Cancelled).then(|| execute::reason(&told)).flatten(),
        service: Some(execute::service(&told)),
        database: told.query_execution_context.and_then(|c| c.database),
        id: told.query_execution_id?,
        sql: told.query.unwrap_or_default(),
    })
}
