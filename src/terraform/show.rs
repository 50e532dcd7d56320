//! The stack as it is: its state, its drift, what was done to it.

use jiff::Timestamp;

use super::{
    Mode, Root, failure,
    folder::{Known, Record},
    mask::Scrubber,
    operation, state,
};
use crate::cloud::{
    Error, Result,
    stacks::{ChangeSet, Drift, Stack, StackEvent, StackResource, StackStatus},
};

impl Root {
    /// Refuses a stack that is not the one of this directory.
    pub(super) fn is_ours(&self, stack: &str) -> Result<()> {
        if stack == self.name() { Ok(()) } else { Err(Error::not_found("stack", stack)) }
    }

    /// The operation that is under way, whoever has begun it.
    pub(super) fn under_way(&self) -> Option<Record> {
        let open =
            |r: &Record| r.operation.ended.is_none() && operation::alive(&self.folder.operation(&r.operation.id));
        self.folder.records().into_iter().find(open)
    }

    /// Refuses to begin something beside an operation that is under way.
    pub(super) async fn nothing_under_way(&self) -> Result<()> {
        self.settle().await;
        self.under_way().map_or(Ok(()), |record| Err(self.is_under_way(&record)))
    }

    /// That an operation is under way, and how to follow it.
    pub(super) fn is_under_way(&self, record: &Record) -> Error {
        let pipeline = &self.directory.pipeline;
        Error::Conflict(format!(
            "{}: `pumphouse events {pipeline} --follow` follows it to its end",
            self.spoken(record)
        ))
    }

    /// An operation that is under way, in words.
    fn spoken(&self, record: &Record) -> String {
        format!(
            "a {} of {} that {} began at {} is under way",
            record.operation.kind,
            self.name(),
            record.operation.who,
            record.operation.started.strftime("%Y-%m-%d %H:%M:%S UTC")
        )
    }

    /// A plan of nothing but to wait for what is under way; none where nothing is.
    pub(super) async fn waiting(&self) -> Option<ChangeSet> {
        self.settle().await;
        let record = self.under_way()?;
        let notes = vec![format!("{}: a deploy waits for its end; plan again after that", self.spoken(&record))];
        Some(ChangeSet { resumes: true, notes, ..ChangeSet::new(self.name(), Vec::new()) })
    }

    /// Writes the end of operations down whose beginner was gone when they ended.
    pub(super) async fn settle(&self) {
        if self.read_only {
            return;
        }
        for record in self.folder.records() {
            let id = record.operation.id.clone();
            let dir = self.folder.operation(&id);
            // Whoever follows it in this process does that, too.
            if record.operation.ended.is_some() || operation::alive(&dir) || self.operations.followed(&id) {
                continue;
            }
            let scrubber = self.operations.scrubber(&self.program, &dir, &id).await;
            let (events, stream) = operation::follow(&self.folder, &record, scrubber.clone(), None).await;
            if let Ok((end, _)) = operation::conclude(&self.folder, &record, &stream, scrubber.as_ref(), events) {
                self.remember_end(&end);
            }
        }
    }

    /// Remembers how the last operation went.
    pub(super) fn remember_end(&self, end: &operation::End) {
        let mut known = self.known();
        known.failed = end
            .error
            .as_ref()
            .filter(|e| !matches!(e, Error::Conflict(_) | Error::Locked { .. }))
            .map(ToString::to_string);
        self.know(&known);
    }

    /// Forgets that something has failed: what is there is what the configuration says.
    pub(super) fn went_well(&self) {
        let mut known = self.known();
        if known.failed.take().is_some() {
            self.know(&known);
        }
    }

    fn known(&self) -> Known {
        let new = || Known { first_seen: Timestamp::now(), failed: None, stack: None };
        self.folder.known().unwrap_or_else(new)
    }

    fn know(&self, known: &Known) {
        if self.read_only {
            return;
        }
        if let Err(error) = self.folder.know(known) {
            tracing::warn!(%error, "what was seen of a stack could not be remembered");
        }
    }

    /// The stack as it was seen last; where it never was, and that costs little, as it is.
    pub(super) async fn remembered(&self) -> Option<Stack> {
        self.settle().await;
        match self.folder.known() {
            Some(Known { stack: Some(stack), first_seen, failed }) => Some(self.told_of(stack, first_seen, failed)),
            known if self.under_way().is_some() => {
                let known = known.unwrap_or_else(|| self.known());
                Some(self.told_of(self.bare(Vec::new()), known.first_seen, known.failed))
            }
            None if self.program.initialised() => self.look().await.ok().flatten(),
            _ => None,
        }
    }

    /// The stack as its state says, or as it was seen last while an operation is under way.
    pub(super) async fn look(&self) -> Result<Option<Stack>> {
        self.settle().await;
        let known = self.known();
        if self.under_way().is_some() {
            let stack = known.stack.unwrap_or_else(|| self.bare(Vec::new()));
            return Ok(Some(self.told_of(stack, known.first_seen, known.failed)));
        }
        self.ready(false).await?;
        let said = self.run(&["show".into(), "-json".into()]).await?;
        if !said.well() {
            let (told, scrubber) = (said.diagnostics(), Scrubber::of_environment());
            return Err(failure(self.name(), "the look at the state", &told, &said.last_lines(), &scrubber));
        }
        let values = state::read(&said.stdout)?;
        let now = Timestamp::now();
        let resources: Vec<_> = state::resources(&values)
            .into_iter()
            .map(|resource| StackResource {
                logical_id: resource.address.clone(),
                name: resource.address,
                physical_name: resource.physical_name,
                kind: resource.kind,
                status: if resource.tainted { "TAINTED" } else { "CREATE_COMPLETE" }.to_owned(),
                updated: now,
            })
            .collect();
        let outputs = state::outputs(&values["outputs"]);
        let there = !resources.is_empty() || !outputs.is_empty();
        let stack = there.then(|| Stack { outputs, ..self.bare(resources) });
        self.know(&Known { stack: stack.clone(), ..known.clone() });
        Ok(stack.map(|stack| self.told_of(stack, known.first_seen, known.failed)))
    }

    /// A stack of which nothing is known but what is in it.
    fn bare(&self, resources: Vec<StackResource>) -> Stack {
        let now = Timestamp::now();
        Stack {
            name: self.name().to_owned(),
            pipeline: Some(self.directory.pipeline.clone()),
            env: Some(self.directory.env.clone()),
            status: StackStatus::UpdateComplete,
            interrupted: false,
            reason: None,
            created: now,
            updated: now,
            resources,
            outputs: Vec::new(),
            protected: None,
            drift: None,
            graph: None,
        }
    }

    /// A stack with what its operations here tell of it. A state says nothing of times: they are those of the operations
    /// from here, or when the stack was seen first.
    fn told_of(&self, mut stack: Stack, first_seen: Timestamp, failed: Option<String>) -> Stack {
        let records = self.folder.records();
        let last = records.first().map(|r| &r.operation);
        stack.created = records.last().map_or(first_seen, |r| r.operation.started.min(first_seen));
        stack.updated = last.map_or(stack.created, |o| o.ended.unwrap_or(o.started));
        for resource in &mut stack.resources {
            resource.updated = stack.updated;
        }
        let kind = last.map_or_else(|| "UPDATE".to_owned(), |o| o.kind.to_uppercase());
        let going = self.under_way().is_some();
        // What is destroyed and is there again was made by somebody else.
        let word = match (going, &failed) {
            (true, _) => format!("{kind}_IN_PROGRESS"),
            (false, Some(_)) => format!("{kind}_FAILED"),
            (false, None) if kind == "CREATE" => "CREATE_COMPLETE".to_owned(),
            (false, None) => "UPDATE_COMPLETE".to_owned(),
        };
        stack.interrupted = !going && failed.is_some() && last.is_some_and(|o| o.status == "INTERRUPTED");
        stack.status = StackStatus::from(word);
        stack.reason = failed.filter(|_| !going);
        stack
    }

    /// Compares what is there with the state.
    pub(super) async fn looked_for_drift(&self, lock: bool) -> Result<Drift> {
        let made = self.make_plan(Mode::RefreshOnly, lock, true).await?;
        let resources = made.plan.drift();
        let status = if resources.is_empty() { "IN_SYNC" } else { "DRIFTED" };
        let mut known = self.known();
        if let Some(stack) = &mut known.stack {
            stack.drift = Some(status.to_owned());
            self.know(&known);
        }
        let checked = Some(Timestamp::now());
        Ok(Drift { stack: self.name().to_owned(), status: status.to_owned(), checked, fresh: true, resources })
    }

    /// What operations have told, the newest first.
    pub(super) async fn told(&self, limit: usize) -> Vec<StackEvent> {
        self.settle().await;
        let mut all: Vec<StackEvent> = Vec::new();
        for record in self.folder.records() {
            let id = &record.operation.id;
            let mut events = if record.operation.ended.is_some() {
                self.folder.events(id)
            } else {
                let scrubber = self.operations.scrubber(&self.program, &self.folder.operation(id), id).await;
                operation::follow(&self.folder, &record, scrubber, None).await.0
            };
            events.reverse();
            all.extend(events);
            if all.len() >= limit {
                all.truncate(limit);
                break;
            }
        }
        all
    }
}
