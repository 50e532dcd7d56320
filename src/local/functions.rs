//! Functions: what is deployed, and the port's way into [`super::invoke`] and [`super::pending`].

use std::collections::HashMap;

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::{Local, clock::timestamp, invoke::Call, lookup, store::sql};
use crate::cloud::{
    Error, Pages, Permit, Result,
    functions::{Function, Functions, Invocation, Invoke, Settled, event_bytes},
    resources::{Properties, ScheduleTarget},
};

#[async_trait]
impl Functions for Local {
    fn list(&self) -> Pages<'_, Function> {
        Pages::once(async move { self.inner.store.read(list).await })
    }

    async fn invoke(&self, permit: &Permit, request: Invoke) -> Result<Invocation> {
        permit.check("lambda:InvokeFunction", &request.function)?;
        event_bytes(&request.event)?;
        let request_id = request.request_id.unwrap_or_else(|| uuid::Uuid::new_v4().to_string());
        let ended = self
            .call(Call {
                function: request.function,
                event: request.event,
                request_id,
                modes: request.sources,
                waiting: None,
                queue: None,
            })
            .await?;
        match ended.unavailable {
            Some(why) => Err(Error::Unavailable(why)),
            None => Ok(ended.invocation),
        }
    }

    async fn settle(&self, permit: &Permit, functions: &[String], _since: Timestamp) -> Result<Settled> {
        for function in functions {
            permit.check("lambda:InvokeFunction", function)?;
        }
        self.settle_pending(functions).await
    }
}

fn list(connection: &Connection) -> Result<Vec<Function>> {
    let mut schedules = HashMap::new();
    for deployed in lookup::all(connection, "schedule")? {
        let Properties::Schedule(schedule) = deployed.resource.properties else { continue };
        let ScheduleTarget::Function(function) = schedule.target else { continue };
        let next: Option<i64> = connection
            .prepare_cached("select next_fire from schedules where name = ?1")
            .and_then(|mut s| s.query_row([&deployed.resource.physical_name], |r| r.get(0)).optional())
            .map_err(sql)?;
        schedules.insert(function, (schedule.expression, next.map(timestamp)));
    }
    let mut totals = connection
        .prepare_cached(
            "select invocations, errors, records_in, records_out, last_invoked, last_error from function_totals \
             where function = ?1 and since = ?2",
        )
        .map_err(sql)?;
    let mut functions = Vec::new();
    for deployed in lookup::all(connection, "function")? {
        let Properties::Function(function) = deployed.resource.properties else { continue };
        let name = deployed.resource.physical_name;
        let (schedule, next_run) = schedules.remove(&name).map_or((None, None), |(s, next)| (Some(s), next));
        let mut shown = Function {
            pipeline: deployed.pipeline,
            runtime: function.runtime.word().into(),
            handler: function.handler,
            timeout_seconds: function.timeout_seconds,
            schedule,
            next_run,
            log_group: function.log_group,
            invocations: Some(0),
            errors: Some(0),
            records_in: Some(0),
            records_out: Some(0),
            last_invoked: None,
            last_error: None,
            name,
        };
        let row = totals
            .query_row(params![shown.name, deployed.created], |r| {
                let count = |i| r.get::<_, i64>(i).map(|n| Some(n as u64));
                shown.invocations = count(0)?;
                shown.errors = count(1)?;
                shown.records_in = count(2)?;
                shown.records_out = count(3)?;
                shown.last_invoked = r.get::<_, Option<i64>>(4)?.map(timestamp);
                shown.last_error = r.get(5)?;
                Ok(())
            })
            .optional();
        row.map_err(sql)?;
        functions.push(shown);
    }
    Ok(functions)
}

#[cfg(test)]
#[path = "functions_tests.rs"]
mod tests;
