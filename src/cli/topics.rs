//! `topics`: topics and the messages that were published to them.

use clap::Subcommand;

use super::{
    alerts::partly,
    failure::Result,
    input,
    names::resolve,
    out::{Cell, Column, note},
    session::Session,
};
use crate::{
    backend::{Backend, Kind, alerts},
    cloud::alerts::{Message, Publish, Topic},
};

/// What to do with topics.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the topics and who is told
    List,
    /// Publish a message to a topic
    Publish {
        /// Its name, or PIPELINE/NAME
        name: String,
        /// The message; - is stdin
        message: String,
        /// The subject
        #[arg(long, value_name = "TEXT")]
        subject: Option<String>,
        /// An attribute
        #[arg(long = "attribute", value_name = "NAME=VALUE", value_parser = input::pair)]
        attributes: Vec<(String, String)>,
    },
    /// Print the messages that a subscriber of a topic would have got, oldest first
    Inbox {
        /// Its name, or PIPELINE/NAME
        name: String,
        /// At most this many of the newest
        #[arg(short = 'n', long, default_value_t = 1000, value_name = "N", value_parser = input::count, allow_negative_numbers = true)]
        limit: usize,
    },
}

const TOPICS: [Column<Topic>; 4] = [
    ("topic", |t| Cell::text(&t.name)),
    ("pipeline", |t| Cell::maybe(t.pipeline.as_ref(), Cell::text)),
    ("messages", |t| Cell::maybe(t.messages, Cell::Count)),
    ("subscriptions", |t| {
        let told = t.subscriptions.iter().map(|s| format!("{} {} ({})", s.protocol, s.endpoint, s.status));
        Cell::text(told.collect::<Vec<_>>().join(", "))
    }),
];

const MESSAGES: [Column<Message>; 4] = [
    ("time", |m| Cell::Time(m.time)),
    ("subject", |m| Cell::maybe(m.subject.as_ref(), Cell::text)),
    ("message", |m| Cell::text(&m.message)),
    ("attributes", |m| Cell::text(m.attributes.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join(", "))),
];

impl Command {
    /// What it changes: the gate's words and the target; none for a command that reads.
    pub fn change(&self) -> Option<(&'static str, &str)> {
        match self {
            Self::List | Self::Inbox { .. } => None,
            Self::Publish { name, .. } => Some(("topics publish", name)),
        }
    }

    /// Does it.
    pub async fn run(self, s: &Session, backend: &Backend) -> Result {
        let port = &backend.cloud.alerts;
        match self {
            Self::List => {
                let (topics, errors) = port.topics().gather().await;
                partly(errors, topics.is_empty(), || s.out.list(&topics, &TOPICS, "no topics"))
            }
            Self::Publish { name, message, subject, attributes } => {
                let message = if message == "-" { input::text("-")? } else { message };
                let topic = resolve(backend, Kind::Topic, &name).await?;
                let consent = s.consent(backend, &alerts::publish_effect(&topic))?;
                let message = Publish { subject, message, attributes: attributes.into_iter().collect() };
                backend.publish(&topic, &message, &consent).await?;
                note(&format!("published to {topic}"));
                Ok(())
            }
            Self::Inbox { name, limit } => {
                let topic = resolve(backend, Kind::Topic, &name).await?;
                s.out.list(&port.inbox(&topic, limit).await?, &MESSAGES, "no messages yet")
            }
        }
    }
}
