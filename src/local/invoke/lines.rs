//! What an invocation logs: its own lines, and those that AWS Lambda puts around them.

use std::{
    fmt::Write as _,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use super::{super::clock::Clock, ATTEMPTS, Call, Failure};
use crate::cloud::functions::LogSink;

/// Lines that one invocation may log, and their bytes.
const MAX_LINES: usize = 10_000;

const MAX_LOGGED: usize = 4 << 20;

/// Bytes of the log's end that an invocation answers with, as AWS Lambda does.
const MAX_TAIL: usize = 4 << 10;

/// An invocation's log lines with the times at which they came.
pub(crate) struct Lines {
    clock: Clock,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    lines: Vec<(i64, String)>,
    count: usize,
    bytes: usize,
    left_out: u64,
    left_out_bytes: u64,
    /// The end of what was taken to be stored.
    tail: String,
    /// What the function's process took, where it has one of its own.
    memory_mib: Option<u64>,
}

impl Lines {
    pub(super) fn new(clock: Clock) -> Self {
        Self { clock, kept: Mutex::default() }
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what the function's process took.
    pub(super) fn measured(&self, memory_mib: Option<u64>) {
        self.kept().memory_mib = memory_mib;
    }

    /// A line of the platform's own: never left out.
    pub(super) fn own(&self, text: String) {
        let now = self.clock.now_ms();
        self.kept().lines.push((now, text));
    }

    pub(super) fn take(&self) -> Vec<(i64, String)> {
        let mut kept = self.kept();
        let taken = std::mem::take(&mut kept.lines);
        for (_, line) in &taken {
            kept.tail.push_str(line);
            kept.tail.push('\n');
        }
        let length = kept.tail.len();
        let from = length.saturating_sub(MAX_TAIL);
        let from = (from..=length).find(|i| kept.tail.is_char_boundary(*i)).unwrap_or(length);
        kept.tail.drain(..from);
        taken
    }

    /// The end of the log, as far as it was taken.
    pub(super) fn tail(&self) -> String {
        std::mem::take(&mut self.kept().tail)
    }
}

impl LogSink for Lines {
    fn line(&self, text: &str) {
        let now = self.clock.now_ms();
        let mut kept = self.kept();
        if kept.count >= MAX_LINES || kept.bytes + text.len() > MAX_LOGGED {
            kept.left_out += 1;
            kept.left_out_bytes += text.len() as u64;
            return;
        }
        kept.count += 1;
        kept.bytes += text.len();
        kept.lines.push((now, text.to_owned()));
    }
}

/// The lines that AWS Lambda closes an invocation's log with. The memory that a handler in Rust uses is not measured.
pub(super) fn report(lines: &Lines, call: &Call, failure: Option<&Failure>, elapsed: Duration, memory_mib: u32) {
    let (left_out, bytes, used) = {
        let kept = lines.kept();
        (kept.left_out, kept.left_out_bytes, kept.memory_mib)
    };
    if left_out > 0 {
        lines.own(format!(
            "[WARN] {left_out} more lines with {bytes} bytes are left out: an invocation may log {MAX_LINES} lines \
             and {} MiB",
            MAX_LOGGED >> 20
        ));
    }
    if let Some(failure) = failure {
        lines.own(format!("[ERROR] {}", failure.in_words()));
    }
    lines.own(format!("END RequestId: {}", call.request_id));
    let ms = elapsed.as_secs_f64() * 1000.0;
    let mut text = format!("REPORT RequestId: {}\tDuration: {ms:.2} ms", call.request_id);
    let _ = write!(text, "\tBilled Duration: {:.0} ms\tMemory Size: {memory_mib} MB", ms.ceil());
    if let Some(used) = used {
        let _ = write!(text, "\tMax Memory Used: {used} MB");
    }
    lines.own(text);
    if let (Some(_), Some((_, failed)), None) = (failure, call.waiting, &call.queue) {
        match ATTEMPTS.saturating_sub(failed + 1) {
            0 => lines.own(format!("[ERROR] RequestId: {} gave up after {ATTEMPTS} attempts", call.request_id)),
            left => lines.own(format!(
                "[WARN] RequestId: {} is tried again in {} min, {left} more at most",
                call.request_id,
                failed + 1
            )),
        }
    }
}
