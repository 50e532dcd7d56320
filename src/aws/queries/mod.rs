//! SQL queries (Amazon Athena).

mod execute;
mod history;
mod results;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use super::{Aws, error::failed};
use crate::cloud::{
    Error, Pages, Permit, Result,
    queries::{Queries, Query, QueryExecution, QueryResult, SavedQuery, Workgroup},
};

/// The workgroup that every account has.
const PRIMARY: &str = "primary";
/// The most workgroups that AWS gives at once.
const WORKGROUPS_PER_PAGE: i32 = 50;

#[async_trait]
impl Queries for Aws {
    async fn execute(&self, query: &Query, cancel: CancellationToken) -> Result<QueryResult> {
        let cancel = cancel.child_token();
        // Whoever drops this future cancels the query: the task below then stops it.
        let _guard = cancel.clone().drop_guard();
        let task = tokio::spawn(self.clone().supervise(query.clone(), cancel));
        task.await.map_err(|e| Error::failed(format!("the query ended early: {e}")))?
    }

    fn workgroups(&self) -> Pages<'_, Workgroup> {
        Pages::follow(move |token| async move {
            let athena = self.client.athena().await?;
            let asked = athena.list_work_groups().max_results(WORKGROUPS_PER_PAGE).set_next_token(token).send();
            let page = asked.await.map_err(failed("athena:ListWorkGroups", "workgroup", "*"))?;
            let owners = self.owners().await;
            let workgroups = page.work_groups.unwrap_or_default().into_iter().filter_map(|w| {
                let name = w.name?;
                Some(Workgroup {
                    pipeline: owners.pipeline(&name),
                    name,
                    description: w.description.filter(|d| !d.is_empty()),
                    enabled: w.state.is_none_or(|s| s == aws_sdk_athena::types::WorkGroupState::Enabled),
                    engine: w.engine_version.and_then(|e| e.effective_engine_version.or(e.selected_engine_version)),
                })
            });
            Ok((workgroups.collect(), page.next_token.filter(|t| !t.is_empty())))
        })
    }

    async fn history(&self, workgroup: Option<&str>, limit: usize) -> Result<Vec<QueryExecution>> {
        self.executions(workgroup, limit).await
    }

    async fn saved(&self) -> Result<Vec<SavedQuery>> {
        self.named_queries().await
    }

    async fn cancel(&self, permit: &Permit, id: &str) -> Result<()> {
        permit.check("athena:StopQueryExecution", id)?;
        self.stop_query(id).await
    }
}

impl Aws {
    async fn stop_query(&self, id: &str) -> Result<()> {
        let athena = self.client.athena().await?;
        let asked = athena.stop_query_execution().query_execution_id(id).send();
        match asked.await.map_err(failed("athena:StopQueryExecution", "query execution", id)) {
            Ok(_) => Ok(()),
            // AWS has one code for whatever is wrong with a request.
            Err(Error::Invalid(why)) if why.contains("not found") => Err(Error::not_found("query execution", id)),
            Err(error) => Err(error),
        }
    }
}
