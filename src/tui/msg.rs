//! What can happen to the console.

use crossterm::event::KeyEvent;
use jiff::Timestamp;

use super::{
    data::{Act, Data, Request, Session},
    link::{Calls, Switch, Trouble},
    popups::locked::Locked,
};
use crate::{
    backend::{Effect, run::RunProgress, transfers::Moved},
    cloud::stacks::StackEvent,
};

/// Something that happened.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "messages are few and short-lived")]
pub enum Msg {
    /// A key was pressed.
    Key(KeyEvent),
    /// Text was pasted.
    Paste(String),
    /// The wheel was turned: rows, positive is down.
    Wheel(i16),
    /// The terminal has another size.
    Resize,
    /// The backend was opened, or could not be.
    Opened(Result<Session, String>),
    /// Something in the cloud has changed.
    Changed,
    /// Another backend was opened in place of the one that there was, or could not be.
    Switched(Result<(Session, Switch), String>),
    /// The cloud has said who we are.
    Identified(String),
    /// The calls to the cloud read differently.
    Calls(Calls),
    /// A read could not be done, for a reason that concerns all panes.
    Troubled {
        /// What was asked.
        request: Request,
        /// The generation in which it was asked.
        generation: u64,
        /// The reason.
        trouble: Trouble,
    },
    /// A pause is over.
    Again(u64),
    /// The terminal is looked at, or no longer.
    Seen(bool),
    /// Part of a list came; more of it is on its way.
    Arrived {
        /// What was asked.
        request: Request,
        /// The generation in which it was asked.
        generation: u64,
        /// What came since the last part.
        part: Data,
        /// The time on the cloud's clock.
        now: Timestamp,
    },
    /// A read came back.
    Loaded {
        /// What was asked.
        request: Request,
        /// The generation in which it was asked.
        generation: u64,
        /// What came.
        result: Result<Data, String>,
        /// The time on the cloud's clock.
        now: Timestamp,
    },
    /// A search through log lines came back.
    Searched {
        /// The generation in which it was asked.
        generation: u64,
        /// The lines that it looked at: all before this number.
        upto: usize,
        /// The numbers of those that it found.
        found: Vec<u32>,
    },
    /// A filter of a long list came back.
    Filtered {
        /// The filter's generation.
        generation: u64,
        /// What it lets through.
        found: Vec<u32>,
    },
    /// A file is on its way.
    Moved {
        /// What was asked.
        act: Act,
        /// How far it is.
        moved: Moved,
    },
    /// A change is done, or failed.
    Acted {
        /// What was asked.
        act: Act,
        /// What to tell.
        result: Result<String, String>,
    },
    /// Somebody else works on a stack, whose state is locked.
    Locked(Box<Locked>),
    /// A plan waits for something; empty: no longer.
    Waits(String),
    /// A deploy came on by one resource.
    Progress(StackEvent),
    /// What a change would do is known, or why it cannot be done.
    Judged {
        /// The change.
        act: Act,
        /// What it would do.
        result: Result<Effect, String>,
    },
    /// A run of a pipeline came on.
    RunProgress {
        /// The pipeline.
        pipeline: String,
        /// How.
        progress: RunProgress,
    },
}
