//! Applies and destroys stacks, one transaction a resource.
//!
//! A resource's row and what it takes to make, change or remove it are written together, so that a process may die at
//! any moment: the next operation finds what is there and carries on.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::{
    Local,
    assets::write_assets,
    clock::timestamp,
    lookup, process, provision,
    stacks::{self, deployed_graph},
    store::sql,
};
use crate::cloud::{
    Error, Result, diff,
    resources::{Graph, Properties, Resource},
    stacks::{Action, Change, ChangeSet, Progress, Stack, StackEvent, StackStatus, unconfirmed},
};

/// One operation of this process on a stack.
struct Work<'a> {
    local: &'a Local,
    stack: &'a str,
    id: String,
    process: &'a str,
    begun: StackStatus,
    done_status: StackStatus,
    failed_status: StackStatus,
    progress: Progress,
    done: u32,
    total: u32,
}

impl Local {
    /// Applies `graph`, or carries on what was cut off: what was confirmed, where something was, and nothing else.
    pub(crate) fn apply_now(
        &self,
        who: &str,
        graph: &Graph,
        confirmed: Option<&ChangeSet>,
        progress: Progress,
    ) -> Result<Stack> {
        let store = &self.inner.store;
        store.read_now(|c| check_names(c, graph))?;
        for resource in &graph.resources {
            if let Properties::Postgres(postgres) = &resource.properties {
                self.make_postgres(&postgres.database)?;
            }
        }
        write_assets(store, graph)?;
        let (mut work, changes) = self.begin(who, &graph.stack, Some((graph, confirmed)), progress)?;
        for change in &changes {
            work.apply(change, graph)?;
        }
        work.finish(changes.len())?;
        self.remove_files();
        store.read_now(|c| {
            let row = stacks::find(c, &graph.stack)?.ok_or_else(|| Error::not_found("stack", &graph.stack))?;
            stacks::stack(c, self, row)
        })
    }

    /// Removes a stack with everything in it.
    pub(crate) fn destroy_now(&self, who: &str, stack: &str, progress: Progress) -> Result<()> {
        let (mut work, changes) = self.begin(who, stack, None, progress)?;
        let nothing = Graph {
            stack: stack.into(),
            pipeline: String::new(),
            env: String::new(),
            protected: false,
            resources: Vec::new(),
            outputs: Vec::new(),
        };
        for change in &changes {
            work.apply(change, &nothing)?;
        }
        work.finish(changes.len())?;
        self.remove_files();
        Ok(())
    }

    /// Removes the files of what is removed; what is left over, the driver removes.
    fn remove_files(&self) {
        let long_ago = Duration::from_hours(24);
        while matches!(self.inner.store.collect_garbage(long_ago), Ok(n) if n > 0) {}
    }

    /// Takes the stack for this process, and finds what there is to do: to come to a graph by way of what was confirmed, or
    /// to destroy it.
    fn begin<'a>(
        &'a self,
        who: &str,
        stack: &'a str,
        wanted: Option<(&Graph, Option<&ChangeSet>)>,
        progress: Progress,
    ) -> Result<(Work<'a>, Vec<Change>)> {
        let graph = wanted.map(|(graph, _)| graph);
        let store = &self.inner.store;
        let Some(process) = self.inner.process.as_ref() else {
            return Err(Error::AccessDenied { action: "write".into(), target: store.dir().display().to_string() });
        };
        let id = uuid::Uuid::now_v7().simple().to_string();
        let (work, changes, event) = store.write_now(|t| {
            let now_ms = self.inner.clock.now_ms();
            let row = stacks::find(t, stack)?;
            if let Some(other) = row.as_ref().and_then(|row| row.busy(store)) {
                return Err(Error::Conflict(format!(
                    "stack {stack} is being changed by another pumphouse ({}): wait until it is done, or end it",
                    process::spoken(store.dir(), other)
                )));
            }
            if graph.is_none() && row.is_none() {
                return Err(Error::not_found("stack", stack));
            }
            if let Some(graph) = graph {
                check_names(t, graph)?;
            }
            let before = row.as_ref().map(|row| deployed_graph(t, row)).transpose()?;
            let changes = diff::changes(before.as_ref(), graph);
            if let Some(confirmed) = wanted.and_then(|(_, confirmed)| confirmed) {
                as_confirmed(confirmed, stack, &changes)?;
            }
            let statuses = statuses(row.as_ref().map(|r| r.status.clone()), graph.is_some());
            let (kind, begun, done_status, failed_status) = statuses;
            write_stack(t, now_ms, stack, graph, &begun, process.id())?;
            t.execute(
                "update operations set status = ?2, ended = ?3, process = null where stack = ?1 and ended is null",
                params![stack, super::recovery::INTERRUPTED, now_ms],
            )
            .map_err(sql)?;
            t.execute(
                "insert into operations (id, stack, kind, who, started, status, changes, process) \
                 values (?1, ?2, ?3, ?4, ?5, ?6, 0, ?7)",
                params![id, stack, kind, who, now_ms, begun.word(), process.id()],
            )
            .map_err(sql)?;
            let total = u32::try_from(changes.len()).unwrap_or(u32::MAX);
            let work = Work {
                local: self,
                stack,
                id,
                process: process.id(),
                begun,
                done_status,
                failed_status,
                progress,
                done: 0,
                total,
            };
            let event = work.event(now_ms, stack, "stack", work.begun.word(), None);
            record(t, &event)?;
            Ok((work, changes, event))
        })?;
        work.send(event);
        Ok((work, changes))
    }
}

/// Refuses what nobody has confirmed.
fn as_confirmed(confirmed: &ChangeSet, stack: &str, changes: &[Change]) -> Result<()> {
    let differs = unconfirmed(confirmed, &ChangeSet::new(stack, changes.to_vec()));
    if differs.is_empty() {
        return Ok(());
    }
    Err(Error::Conflict(format!(
        "{stack}: the changes are not those that were confirmed, so nothing is done: {}; plan again",
        differs.join("; ")
    )))
}

/// The operation's kind, and the stack's status during it, after it, and where it fails.
fn statuses(before: Option<StackStatus>, apply: bool) -> (&'static str, StackStatus, StackStatus, StackStatus) {
    use StackStatus as S;
    match (apply, before) {
        (false, _) => ("delete", S::DeleteInProgress, S::DeleteComplete, S::DeleteFailed),
        (true, None | Some(S::CreateInProgress | S::CreateFailed)) => {
            ("create", S::CreateInProgress, S::CreateComplete, S::CreateFailed)
        }
        (true, Some(_)) => ("update", S::UpdateInProgress, S::UpdateComplete, S::UpdateFailed),
    }
}

fn write_stack(
    t: &Transaction<'_>,
    now_ms: i64,
    stack: &str,
    graph: Option<&Graph>,
    status: &StackStatus,
    process: &str,
) -> Result<()> {
    let Some(graph) = graph else {
        t.execute(
            "update stacks set status = ?2, reason = null, process = ?3 where name = ?1",
            params![stack, status.word(), process],
        )
        .map_err(sql)?;
        return Ok(());
    };
    let json = serde_json::to_string(graph).map_err(Error::storage)?;
    t.execute(
        "insert into stacks (name, pipeline, env, status, created, updated, graph, process) \
         values (?1, ?2, ?3, ?4, ?5, ?5, ?6, ?7) on conflict (name) do update set pipeline = excluded.pipeline, \
         env = excluded.env, status = excluded.status, reason = null, graph = excluded.graph, \
         process = excluded.process",
        params![stack, graph.pipeline, graph.env, status.word(), now_ms, json, process],
    )
    .map_err(sql)?;
    Ok(())
}

impl Work<'_> {
    fn event(&self, now_ms: i64, logical_id: &str, kind: &str, status: &str, reason: Option<&str>) -> StackEvent {
        StackEvent {
            time: timestamp(now_ms),
            stack: self.stack.into(),
            logical_id: logical_id.into(),
            kind: kind.into(),
            status: status.into(),
            reason: reason.map(str::to_owned),
            done: self.done,
            total: self.total,
        }
    }

    fn send(&self, event: StackEvent) {
        // Nobody may be listening any more; the events stand in the state.
        let _ = self.progress.send(event);
    }

    /// One change, in one transaction.
    fn apply(&mut self, change: &Change, graph: &Graph) -> Result<()> {
        let verb = match change.action {
            Action::Add => "CREATE",
            Action::Change | Action::Replace => "UPDATE",
            Action::Remove => "DELETE",
        };
        let clock = &self.local.inner.clock;
        let event = |work: &Self, outcome: &str, reason: Option<&str>| {
            work.event(clock.now_ms(), &change.logical_id, &change.kind, &format!("{verb}_{outcome}"), reason)
        };
        let begun = event(self, "IN_PROGRESS", None);
        self.send(begun.clone());
        let store = &self.local.inner.store;
        let result = self.empty(change).and_then(|()| {
            store.write_now(|t| {
                let now_ms = clock.now_ms();
                self.still_ours(t)?;
                make(t, now_ms, self.stack, change, graph.by_id(&change.logical_id), &format!("{verb}_COMPLETE"))?;
                record(t, &begun)?;
                self.done += 1;
                let event = event(self, "COMPLETE", None);
                record(t, &event)?;
                t.execute("update operations set changes = changes + 1 where id = ?1", [&self.id]).map_err(sql)?;
                Ok(event)
            })
        });
        match result {
            Ok(event) => {
                self.send(event);
                Ok(())
            }
            Err(error) => {
                let reason = error.to_string();
                let event = event(self, "FAILED", Some(&reason));
                self.fail(event, &format!("{} {}: {reason}", change.kind, change.physical_name))?;
                Err(error)
            }
        }
    }

    /// Removes what a big resource holds, ahead of the transaction that removes it.
    fn empty(&self, change: &Change) -> Result<()> {
        if !matches!(change.action, Action::Remove | Action::Replace) {
            return Ok(());
        }
        let store = &self.local.inner.store;
        match store.read_now(|c| deployed(c, self.stack, &change.logical_id))? {
            Some(Resource { properties: Properties::Postgres(postgres), physical_name, .. }) => {
                let all = store.read_now(|c| lookup::all(c, "postgres"))?;
                let others = all.iter().any(|d| d.resource.physical_name != physical_name);
                self.local.remove_postgres(&postgres.database, others)
            }
            Some(resource) => provision::empty(store, &resource),
            None => Ok(()),
        }
    }

    /// A process that was stopped for long may have been taken for dead.
    fn still_ours(&self, t: &Transaction<'_>) -> Result<()> {
        let holder: Option<String> = t
            .prepare_cached("select process from stacks where name = ?1")
            .map_err(sql)?
            .query_row([self.stack], |r| r.get(0))
            .optional()
            .map_err(sql)?
            .flatten();
        if holder.as_deref() == Some(self.process) {
            return Ok(());
        }
        Err(Error::Conflict(format!("stack {} was taken over by another pumphouse", self.stack)))
    }

    fn fail(&self, event: StackEvent, reason: &str) -> Result<()> {
        let status = self.failed_status.word();
        let last = self.local.inner.store.write_now(|t| {
            let now_ms = self.local.inner.clock.now_ms();
            record(t, &event)?;
            let last = self.event(now_ms, self.stack, "stack", status, Some(reason));
            record(t, &last)?;
            t.execute(
                "update stacks set status = ?2, reason = ?3, updated = ?4, process = null \
                 where name = ?1 and process = ?5",
                params![self.stack, status, reason, now_ms, self.process],
            )
            .map_err(sql)?;
            self.end(t, now_ms, status, Some(reason))?;
            Ok(last)
        })?;
        self.send(event);
        self.send(last);
        Ok(())
    }

    fn finish(&self, changes: usize) -> Result<()> {
        let event = self.local.inner.store.write_now(|t| {
            let now_ms = self.local.inner.clock.now_ms();
            self.still_ours(t)?;
            if self.begun == StackStatus::DeleteInProgress {
                t.execute("delete from runs where stack = ?1", [self.stack]).map_err(sql)?;
                t.execute("delete from stacks where name = ?1", [self.stack]).map_err(sql)?;
            } else {
                t.execute(
                    "update stacks set status = ?2, process = null, updated = case when ?3 then ?4 else updated end \
                     where name = ?1",
                    params![self.stack, self.done_status.word(), changes > 0, now_ms],
                )
                .map_err(sql)?;
            }
            let event = self.event(now_ms, self.stack, "stack", self.done_status.word(), None);
            record(t, &event)?;
            self.end(t, now_ms, self.done_status.word(), None)?;
            Ok(event)
        })?;
        self.send(event);
        Ok(())
    }

    fn end(&self, t: &Transaction<'_>, now_ms: i64, status: &str, reason: Option<&str>) -> Result<()> {
        t.execute(
            "update operations set ended = ?2, status = ?3, reason = ?4, process = null where id = ?1",
            params![self.id, now_ms, status, reason],
        )
        .map_err(sql)?;
        Ok(())
    }
}

/// Makes one change, and the row that says so.
fn make(
    t: &Transaction<'_>,
    now_ms: i64,
    stack: &str,
    change: &Change,
    new: Option<&Resource>,
    status: &str,
) -> Result<()> {
    let mut old = deployed(t, stack, &change.logical_id)?;
    if matches!(change.action, Action::Remove | Action::Replace)
        && let Some(gone) = old.take()
    {
        provision::remove(t, &gone)?;
        t.execute("delete from stack_resources where stack = ?1 and logical_id = ?2", [stack, &gone.logical_id])
            .map_err(sql)?;
    }
    let Some(new) = new.filter(|_| change.action != Action::Remove) else { return Ok(()) };
    let json = serde_json::to_value(new).map_err(Error::storage)?;
    let kind = json.get("type").and_then(|k| k.as_str()).unwrap_or_default();
    if old.is_none()
        && let Some((other, resource)) = holder(t, kind, &new.physical_name)?
    {
        if other != stack {
            return Err(Error::AlreadyExists { kind: new.properties.kind(), name: new.physical_name.clone() });
        }
        // The same thing under another logical id: it keeps what it holds.
        t.execute("delete from stack_resources where stack = ?1 and logical_id = ?2", [stack, &resource.logical_id])
            .map_err(sql)?;
        old = Some(resource);
    }
    match &old {
        Some(old) => provision::change(t, now_ms, old, new)?,
        None => provision::create(t, now_ms, new)?,
    }
    t.execute(
        "insert into stack_resources (stack, logical_id, name, physical_name, kind, status, updated, created, resource) \
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7, ?8) on conflict (stack, logical_id) do update set \
         name = excluded.name, physical_name = excluded.physical_name, kind = excluded.kind, \
         status = excluded.status, updated = excluded.updated, resource = excluded.resource",
        params![stack, new.logical_id, new.name, new.physical_name, kind, status, now_ms, json.to_string()],
    )
    .map_err(sql)?;
    Ok(())
}

fn record(t: &Transaction<'_>, event: &StackEvent) -> Result<()> {
    t.prepare_cached(
        "insert into stack_events (time, stack, logical_id, kind, status, reason, done, total) \
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )
    .map_err(sql)?
    .execute(params![
        event.time.as_millisecond(),
        event.stack,
        event.logical_id,
        event.kind,
        event.status,
        event.reason,
        event.done,
        event.total
    ])
    .map_err(sql)?;
    Ok(())
}

fn deployed(connection: &Connection, stack: &str, logical_id: &str) -> Result<Option<Resource>> {
    let json: Option<String> = connection
        .prepare_cached("select resource from stack_resources where stack = ?1 and logical_id = ?2")
        .map_err(sql)?
        .query_row([stack, logical_id], |r| r.get(0))
        .optional()
        .map_err(sql)?;
    json.map(|json| serde_json::from_str(&json).map_err(Error::storage)).transpose()
}

/// The stack that has a physical name, and the resource.
fn holder(connection: &Connection, kind: &str, physical_name: &str) -> Result<Option<(String, Resource)>> {
    let found: Option<(String, String)> = connection
        .prepare_cached("select stack, resource from stack_resources where kind = ?1 and physical_name = ?2")
        .map_err(sql)?
        .query_row([kind, physical_name], |r| Ok((r.get(0)?, r.get(1)?)))
        .optional()
        .map_err(sql)?;
    found.map(|(stack, json)| Ok((stack, serde_json::from_str(&json).map_err(Error::storage)?))).transpose()
}

/// Checks that no physical name of the graph is taken, neither twice in it nor by another stack.
pub(crate) fn check_names(connection: &Connection, graph: &Graph) -> Result<()> {
    let mut seen = std::collections::BTreeSet::new();
    for resource in &graph.resources {
        let json = serde_json::to_value(&resource.properties).map_err(Error::storage)?;
        let kind = json.get("type").and_then(|k| k.as_str()).unwrap_or_default().to_owned();
        let (spoken, name) = (resource.properties.kind(), &resource.physical_name);
        if let Some((other, _)) = holder(connection, &kind, name)?
            && other != graph.stack
        {
            return Err(Error::Conflict(format!(
                "{} cannot be made: stack {other} has a {spoken} named {name:?} already; rename one of the two",
                resource.name
            )));
        }
        if !seen.insert((kind, name.clone())) {
            return Err(Error::invalid(format!(
                "{} cannot be made: the {spoken} name {name:?} is there twice",
                resource.name
            )));
        }
    }
    Ok(())
}
