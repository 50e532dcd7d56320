//! `invoke`: one invocation of a function.

use std::collections::BTreeMap;

use clap::Args;
use serde_json::Value;

use super::{
    failure::{Failure, Result},
    input,
    names::resolve,
    out::{Cell, note},
    session::Session,
    signals::unless_interrupted,
    traces,
    watch::watch,
};
use crate::{
    backend::{Backend, Kind, functions},
    cloud::functions::{Invocation as Done, Invoke},
    config::Format,
};

/// A log of so many bytes may have been cut: AWS Lambda gives the last 4 KiB.
const TAIL: usize = 4_000;

/// What to invoke.
#[derive(Debug, Args)]
pub struct Invocation {
    /// The function's name, or PIPELINE/NAME
    pub function: String,
    /// A file with the event as JSON; - is stdin [default: an empty object]
    #[arg(long, value_name = "FILE")]
    pub event: Option<String>,
    /// Deploy the code and invoke it again whenever the pipeline's files or the event change, until Ctrl-C
    #[arg(long)]
    pub watch: bool,
}

impl Invocation {
    /// Invokes it and waits for its end.
    pub async fn run(self, s: &Session, backend: &Backend) -> Result {
        if self.watch {
            return watch(s, backend, &self).await;
        }
        let event = self.event()?;
        self.once(s, backend, event).await
    }

    /// The event.
    pub fn event(&self) -> Result<Value> {
        match &self.event {
            None => Ok(Value::Object(serde_json::Map::new())),
            Some(from) => {
                let bytes = input::read(from)?;
                if bytes.iter().all(u8::is_ascii_whitespace) {
                    return Err(Failure::usage(format!(
                        "--event {from}: nothing is there: an event is JSON, such as {{}}"
                    )));
                }
                serde_json::from_slice(&bytes).map_err(|e| Failure::usage(format!("--event {from}: not JSON: {e}")))
            }
        }
    }

    /// Invokes it once, and shows the end of its log on stderr.
    pub async fn once(&self, s: &Session, backend: &Backend, event: Value) -> Result {
        let function = resolve(backend, Kind::Function, &self.function).await?;
        let consent = s.consent(backend, &functions::invoke_effect(&function))?;
        let request = Invoke { function, event, request_id: None, sources: BTreeMap::new() };
        let work = backend.invoke(request, &consent);
        let outcome = unless_interrupted(work, "what it has already written stays").await??;
        if s.out.format == Format::Table {
            self.tell(backend, &outcome);
        }
        s.out.record(
            &outcome,
            vec![
                ("request id", Cell::text(&outcome.request_id)),
                ("function", Cell::text(&outcome.function)),
                ("payload", Cell::text(outcome.payload.to_string())),
                ("took", Cell::Millis(outcome.duration_ms)),
                ("records in", Cell::maybe(outcome.records_in, Cell::Count)),
                ("records out", Cell::maybe(outcome.records_out, Cell::Count)),
                ("error", Cell::maybe(outcome.error.as_ref(), Cell::text)),
            ],
        )?;
        let advice = traces::advice(&outcome).map_or_else(String::new, |advice| format!("; {advice}"));
        match outcome.error {
            Some(error) => Err(Failure::failed(format!("{}: {error}{advice}", outcome.function))),
            None => Ok(()),
        }
    }

    /// Shows the end of its log, from the first whole line on.
    fn tell(&self, backend: &Backend, done: &Done) {
        let Some(tail) = done.log_tail.as_deref().map(str::trim_end) else { return };
        let tail = match tail.split_once('\n') {
            // Full, and not from its beginning.
            Some((_, rest))
                if tail.len() >= TAIL && !tail.starts_with("START ") && !tail.starts_with("INIT_START ") =>
            {
                note(&format!("... `pumphouse logs tail {}` shows what was before", self.function));
                rest
            }
            _ => tail,
        };
        match traces::code_folder(backend, &self.function, &done.function) {
            Some(code) => note(&traces::in_their_folder(tail, &code)),
            None => note(tail),
        }
    }
}
