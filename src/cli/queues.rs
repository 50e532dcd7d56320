//! `queues`: queues, the messages in them, and giving dead letters back.

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
    backend::{Backend, Kind, queues},
    cloud::queues::{Queue, QueueMessage},
    config::Format,
};

/// What to do with queues.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the queues and how many messages they hold
    List,
    /// Print the messages of a queue, oldest first, and leave them there
    Messages {
        /// Its name, or PIPELINE/NAME
        name: String,
        /// Of its dead-letter queue instead
        #[arg(long)]
        dead_letters: bool,
        /// At most this many
        #[arg(short = 'n', long, default_value_t = 100, value_name = "N", value_parser = input::count, allow_negative_numbers = true)]
        limit: usize,
    },
    /// Send a message to a queue
    Send {
        /// Its name, or PIPELINE/NAME
        name: String,
        /// The message; - is stdin
        message: String,
    },
    /// Give the messages of a queue's dead-letter queue back to it
    Redrive {
        /// The queue's name, or PIPELINE/NAME; or that of the dead-letter queue itself
        name: String,
    },
}

const QUEUES: [Column<Queue>; 7] = [
    ("queue", |q| Cell::text(&q.name)),
    ("pipeline", |q| Cell::maybe(q.pipeline.as_ref(), Cell::text)),
    ("visible", |q| Cell::maybe(q.visible, Cell::Count)),
    ("in flight", |q| Cell::maybe(q.in_flight, Cell::Count)),
    ("delayed", |q| Cell::maybe(q.delayed, Cell::Count)),
    ("dead letters to", |q| {
        let after = |name: &String| match q.max_receives {
            Some(most) => Cell::text(format!("{name} after {most} receives")),
            None => Cell::text(name),
        };
        Cell::maybe(q.dead_letter.as_ref(), after)
    }),
    ("dead letters of", |q| Cell::text(q.dead_letters_of.join(", "))),
];

const MESSAGES: [Column<QueueMessage>; 5] = [
    ("sent", |m| Cell::maybe(m.sent, Cell::Time)),
    ("id", |m| Cell::text(&m.id)),
    ("receives", |m| Cell::maybe(m.receives, Cell::Count)),
    ("error", |m| Cell::maybe(m.error.as_ref(), Cell::text)),
    ("message", |m| Cell::text(&m.body)),
];

impl Command {
    /// What it changes: the gate's words and the target; none for a command that reads.
    pub fn change(&self) -> Option<(&'static str, &str)> {
        match self {
            Self::List | Self::Messages { .. } => None,
            Self::Send { name, .. } => Some(("queues send", name)),
            Self::Redrive { name } => Some(("queues redrive", name)),
        }
    }

    /// Does it.
    pub async fn run(self, s: &Session, backend: &Backend) -> Result {
        let port = &backend.cloud.queues;
        match self {
            Self::List => {
                let (queues, errors) = port.list().gather().await;
                partly(errors, queues.is_empty(), || s.out.list(&queues, &QUEUES, "no queues"))
            }
            Self::Messages { name, dead_letters, limit } => {
                let mut queue = resolve(backend, Kind::Queue, &name).await?;
                if dead_letters {
                    queue = backend.dead_letters(&queue).await?;
                }
                s.out.list(&port.messages(&queue, limit).await?, &MESSAGES, "no messages")
            }
            Self::Send { name, message } => {
                let message = if message == "-" { input::text("-")? } else { message };
                let queue = resolve(backend, Kind::Queue, &name).await?;
                let consent = s.consent(backend, &queues::send_effect(&queue))?;
                let id = backend.send_message(&queue, &message, &consent).await?;
                note(&format!("sent to {queue}: {id}"));
                Ok(())
            }
            Self::Redrive { name } => {
                let queue = resolve(backend, Kind::Queue, &name).await?;
                let queue = backend.dead_letters(&queue).await?;
                let consent = s.consent(backend, &queues::redrive_effect(&queue))?;
                let done = backend.redrive(&queue, &consent).await?;
                if s.out.format == Format::Json {
                    return s.out.json(&done);
                }
                let moved = done.moved.map_or_else(|| "messages".to_owned(), |n| format!("{n} messages"));
                note(&match done.status.as_str() {
                    "COMPLETED" => format!("{moved} of {queue} went back to where they came from"),
                    status => format!("{moved} of {queue} have gone back so far: {status}"),
                });
                Ok(())
            }
        }
    }
}
