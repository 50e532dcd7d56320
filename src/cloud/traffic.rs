//! What the calls to a cloud are like: how many, and whether it asks to slow down.

use jiff::Timestamp;

/// Counters since the cloud was opened, and the last moments.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Requests sent, those that were tried again included.
    pub calls: u64,
    /// Requests that the cloud asked to send more slowly.
    pub throttled: u64,
    /// Requests that failed for another reason that may pass, and were tried again.
    pub retried: u64,
    /// When the last answer came.
    pub last_answer: Option<Timestamp>,
    /// When the cloud last asked to slow down.
    pub last_throttled: Option<Timestamp>,
    /// Milliseconds by which our clock is ahead of the cloud's; to a second, as answers tell no more.
    pub skew_ms: Option<i64>,
}

/// Counts the calls to a cloud.
pub trait Meter: Send + Sync {
    /// What they are like; nothing for a cloud that is not called over a network.
    fn traffic(&self) -> Option<Traffic>;
}
