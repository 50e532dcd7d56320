//! Ctrl-C and SIGTERM while a command is at work. What is cut off ends in order: its audit line is closed, and it is
//! said what comes of it.

use std::{future::Future, io, os::fd::AsFd};

use tokio::{
    io::Interest,
    net::unix::pipe,
    signal::unix::{Signal, SignalKind, signal},
};

use super::failure::{Failure, Result};

/// From its beginning on, Ctrl-C and SIGTERM do not end this process: whoever holds it is told.
pub struct Watch {
    interrupt: Option<Signal>,
    terminate: Option<Signal>,
}

impl Watch {
    /// Begins to listen, at once.
    pub fn begin() -> Self {
        Self { interrupt: signal(SignalKind::interrupt()).ok(), terminate: signal(SignalKind::terminate()).ok() }
    }

    /// Returns when somebody asks this process to end.
    pub async fn asked_to_end(&mut self) {
        tokio::select! {
            () = heard(&mut self.interrupt) => {}
            () = heard(&mut self.terminate) => {}
        }
    }
}

async fn heard(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => _ = signal.recv().await,
        None => std::future::pending().await,
    }
}

/// Returns when somebody asks this process to end: Ctrl-C or SIGTERM.
pub async fn asked_to_end() {
    Watch::begin().asked_to_end().await;
}

/// Returns when whoever reads stdout, a pipe, has gone.
pub async fn reader_gone() {
    // Unchecked, as the check would make the pipe another one for those that write to it; nothing is written here.
    let watched = io::stdout().as_fd().try_clone_to_owned().and_then(pipe::Sender::from_owned_fd_unchecked);
    let gone = match &watched {
        Ok(watched) => watched.ready(Interest::ERROR).await.is_ok(),
        // A file has no reader.
        Err(_) => false,
    };
    if !gone {
        std::future::pending::<()>().await;
    }
}

/// Does `work` to its end, unless somebody asks this process to end: then it is dropped.
///
/// # Errors
/// [`Failure::Failed`], with what comes of it.
pub async fn unless_interrupted<T>(work: impl Future<Output = T>, consequence: &str) -> Result<T> {
    tokio::select! {
        done = work => Ok(done),
        () = asked_to_end() => Err(Failure::failed(format!("interrupted: {consequence}"))),
    }
}
