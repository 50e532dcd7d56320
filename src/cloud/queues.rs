//! Queues and the messages in them (Amazon SQS).

use std::collections::BTreeMap;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    error::{Error, Result},
    pages::Pages,
    permit::Permit,
};

/// What a message may hold, in bytes.
pub const MAX_MESSAGE: usize = 1024 * 1024;

/// A queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Queue {
    /// Its name.
    pub name: String,
    /// The pipeline it belongs to.
    pub pipeline: Option<String>,
    /// Messages that can be received now; on AWS about so many.
    pub visible: Option<u64>,
    /// Messages that were received, and neither deleted nor seen again yet.
    pub in_flight: Option<u64>,
    /// Messages that were sent to be seen later.
    pub delayed: Option<u64>,
    /// Messages sent so far; AWS does not count them.
    pub sent: Option<u64>,
    /// Seconds that a message that was received has, before it is seen again.
    pub visibility_seconds: Option<u32>,
    /// Seconds that a message is kept.
    pub retention_seconds: Option<u32>,
    /// Where messages go that nobody could deal with.
    pub dead_letter: Option<String>,
    /// How many times a message is received before it goes there.
    pub max_receives: Option<u32>,
    /// The queues and functions whose dead letters it holds.
    pub dead_letters_of: Vec<String>,
}

impl Queue {
    /// Whether it holds what others could not deal with.
    pub fn is_dead_letter(&self) -> bool {
        !self.dead_letters_of.is_empty()
    }

    /// All messages that it holds, where that is known.
    pub fn messages(&self) -> Option<u64> {
        Some(self.visible? + self.in_flight.unwrap_or(0) + self.delayed.unwrap_or(0))
    }
}

/// A message that a queue holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueMessage {
    /// Its id.
    pub id: String,
    /// When it was sent.
    pub sent: Option<Timestamp>,
    /// How many times it was received.
    pub receives: Option<u64>,
    /// Why the function failed on it last; AWS does not keep that.
    pub error: Option<String>,
    /// The message.
    pub body: String,
    /// Its attributes.
    pub attributes: BTreeMap<String, String>,
}

/// What became of a redrive.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redriven {
    /// Messages that went back to where they came from; none where the cloud has not told yet.
    pub moved: Option<u64>,
    /// `COMPLETED`, or `RUNNING` where the cloud is still at it.
    pub status: String,
}

/// Queues and the messages in them.
#[async_trait]
pub trait Queues: Send + Sync {
    /// All queues, by name.
    fn list(&self) -> Pages<'_, Queue>;
    /// Messages that a queue holds, the oldest first, without receiving them for good.
    ///
    /// # Errors
    /// [`Error::Unsupported`] on AWS for a queue that has a dead-letter queue: there, a look counts as a receive, and too
    /// many of them make of a message a dead letter.
    async fn messages(&self, queue: &str, limit: usize) -> Result<Vec<QueueMessage>>;
    /// Sends a message (`sqs:SendMessage`); its id. Sent again by the same invocation, it is not there twice on a cloud
    /// that can tell.
    async fn send(&self, permit: &Permit, queue: &str, body: &str) -> Result<String>;
    /// Sends the messages of a dead-letter queue back to where they came from (`sqs:StartMessageMoveTask`).
    ///
    /// # Errors
    /// [`Error::Invalid`] for a queue that holds nobody's dead letters.
    async fn redrive(&self, permit: &Permit, queue: &str) -> Result<Redriven>;
}

/// Checks a message's body.
///
/// # Errors
/// [`Error::Invalid`] for what SQS would not take.
pub fn check_body(body: &str) -> Result<()> {
    if body.is_empty() {
        return Err(Error::invalid("a message has a body, and this one is empty"));
    }
    if body.len() > MAX_MESSAGE {
        let most = MAX_MESSAGE >> 10;
        return Err(Error::invalid(format!("a message has at most {most} KiB, and this one has {} bytes", body.len())));
    }
    let fine = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    match body.chars().find(|c| !fine(*c)) {
        Some(other) => Err(Error::invalid(format!("a message is text, and this one holds {other:?}"))),
        None => Ok(()),
    }
}
