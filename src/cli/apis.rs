//! `apis`: HTTP APIs and their keys.

use clap::Subcommand;

use super::{
    failure::Result,
    names::resolve,
    out::{Cell, Column},
    session::Session,
};
use crate::{
    backend::{Backend, Kind, secrets},
    cloud::apis::Api,
    config::Format,
};

/// What to do with APIs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the HTTP APIs with their addresses
    List,
    /// Print an API's key; that it was seen is written to the audit file
    Key {
        /// Its name, or PIPELINE/NAME
        name: String,
    },
}

const APIS: [Column<Api>; 7] = [
    ("api", |a| Cell::text(&a.name)),
    ("path", |a| Cell::text(&a.path)),
    ("function", |a| Cell::text(&a.function)),
    ("url", |a| Cell::maybe(a.url.as_ref(), Cell::text)),
    ("key", |a| Cell::Flag(a.api_key)),
    ("throttle", |a| Cell::maybe(a.throttle, |(rate, burst)| Cell::text(format!("{rate}/s, burst {burst}")))),
    ("quota", |a| {
        Cell::maybe(a.quota.as_ref(), |(n, per)| {
            Cell::text(a.used.map_or_else(|| format!("{n} a {per}"), |used| format!("{used} of {n} a {per}")))
        })
    }),
];

impl Command {
    /// What it changes: the gate's words and the target; none for a command that reads.
    pub fn change(&self) -> Option<(&'static str, &str)> {
        match self {
            Self::List => None,
            Self::Key { name } => Some(("apis key", name)),
        }
    }

    /// Does it.
    pub async fn run(self, s: &Session, backend: &Backend) -> Result {
        match self {
            Self::List => s.out.list(&backend.cloud.apis.list().await?, &APIS, "no APIs"),
            Self::Key { name } => {
                let name = resolve(backend, Kind::Api, &name).await?;
                let consent = s.consent(backend, &secrets::key_effect(&name))?;
                let key = backend.api_key(&name, &consent).await?;
                match s.out.format {
                    Format::Table | Format::Markdown => s.out.line(key.expose()),
                    Format::Json => s.out.json(&serde_json::json!({ "api": name, "key": key.expose() })),
                    Format::Csv => s.out.rows(
                        &["api".into(), "key".into()],
                        std::iter::once(vec![Cell::text(name), Cell::text(key.expose())]),
                    ),
                }
            }
        }
    }
}
