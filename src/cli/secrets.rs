//! `secret`: secrets are set and listed; a value is never shown, and never in an argument list.

use std::io::{self, IsTerminal, Read, Write};

use clap::Subcommand;
use crossterm::terminal::{disable_raw_mode, enable_raw_mode};
use tokio::signal::unix::{SignalKind, signal};

use super::{
    failure::{Failure, Result},
    names::resolve,
    out::{Cell, Column, note},
    session::Session,
};
use crate::{
    backend::{Backend, Kind, secrets},
    cloud::secrets::{Secret, SecretValue},
    text,
};

/// What to do with secrets.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Set a secret to what stdin holds, or to what is typed at a prompt
    Set {
        /// Its name, or PIPELINE/NAME
        name: String,
    },
    /// List the secrets, without their values
    List,
}

const SECRETS: [Column<Secret>; 4] = [
    ("secret", |x| Cell::text(&x.name)),
    ("pipeline", |x| Cell::maybe(x.pipeline.as_ref(), Cell::text)),
    ("set", |x| Cell::Flag(x.set)),
    ("changed", |x| Cell::maybe(x.changed, Cell::Time)),
];

impl Command {
    /// What it changes: the gate's words and the target; none for a command that reads.
    pub fn change(&self) -> Option<(&'static str, &str)> {
        match self {
            Self::List => None,
            Self::Set { name } => Some(("secret set", name)),
        }
    }

    /// Does it.
    pub async fn run(self, s: &Session, backend: &Backend) -> Result {
        match self {
            Self::List => s.out.list(&backend.cloud.secrets.list().await?, &SECRETS, "no secrets"),
            Self::Set { name } => {
                let name = resolve(backend, Kind::Secret, &name).await?;
                let consent = s.consent(backend, &secrets::set_effect(&name))?;
                let value = SecretValue::new(value(&name)?);
                backend.set_secret(&name, &value, &consent).await?;
                note(&format!("{name} has a new value"));
                Ok(())
            }
        }
    }
}

/// From a prompt that shows nothing, or from stdin without the newline at its end.
fn value(name: &str) -> Result<String> {
    let mut text = if io::stdin().is_terminal() {
        typed(name)?
    } else {
        let mut text = String::new();
        io::stdin().lock().read_to_string(&mut text).map_err(|e| Failure::failed(format!("stdin: {e}")))?;
        text
    };
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    if text.is_empty() {
        return Err(Failure::usage("the value is empty: give it on stdin, or at the prompt of a terminal"));
    }
    Ok(text)
}

/// What is typed at a prompt. The terminal stops echoing before the prompt is there to be answered.
fn typed(name: &str) -> Result<String> {
    // With this in place Ctrl-C ends the reading rather than the process, and the terminal can be given back.
    let _interrupt = signal(SignalKind::interrupt()).map_err(|e| Failure::failed(format!("no signals: {e}")))?;
    enable_raw_mode().map_err(Failure::failed)?;
    let mut err = io::stderr().lock();
    let asked = write!(err, "value of {}: ", text::clean(name)).and_then(|()| err.flush());
    let typed = asked.and_then(|()| rpassword::read_password());
    let restored = disable_raw_mode();
    let _ = write!(err, "\r");
    restored.map_err(Failure::failed)?;
    typed.map_err(|e| match e.kind() {
        io::ErrorKind::Interrupted | io::ErrorKind::UnexpectedEof => Failure::failed("nothing was typed"),
        _ => Failure::failed(e),
    })
}
