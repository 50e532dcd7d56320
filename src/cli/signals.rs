//! Ctrl-C, SIGTERM, and SIGHUP of a terminal that goes away, while a command is at work. What is cut off ends in order:
//! its audit line is closed, and it is said what comes of it.

use std::{
    fs,
    future::Future,
    io,
    os::fd::AsFd,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use signal_hook::{
    consts::{SIGINT, SIGTERM},
    flag::register_conditional_default,
};

use tokio::{
    io::Interest,
    net::unix::pipe,
    signal::unix::{Signal, SignalKind, signal},
};

use super::{
    failure::{Failure, Result},
    out::note,
};

/// From its beginning on, Ctrl-C, SIGTERM and SIGHUP do not end this process: whoever holds it is told.
pub struct Watch {
    interrupt: Option<Signal>,
    terminate: Option<Signal>,
    hangup: Option<Signal>,
}

impl Watch {
    /// Begins to listen, at once.
    pub fn begin() -> Self {
        // What nohup has started is not to hear of it.
        let hangup = if hangup_is_ignored() { None } else { signal(SignalKind::hangup()).ok() };
        Self {
            interrupt: signal(SignalKind::interrupt()).ok(),
            terminate: signal(SignalKind::terminate()).ok(),
            hangup,
        }
    }

    /// Returns when somebody asks this process to end: whether by Ctrl-C.
    pub async fn asked(&mut self) -> bool {
        tokio::select! {
            () = heard(&mut self.interrupt) => true,
            () = heard(&mut self.terminate) => false,
            () = heard(&mut self.hangup) => false,
        }
    }

    /// Returns when somebody asks this process to end.
    pub async fn asked_to_end(&mut self) {
        self.asked().await;
    }
}

/// Whether this process was started so that it ignores SIGHUP; where that cannot be known, nothing is done about it.
fn hangup_is_ignored() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    // SIGHUP is 1, and its bit the first.
    ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_none_or(|mask| mask & 1 == 1)
}

/// While it is held, Ctrl-C and SIGTERM end this process as if nobody had ever listened for them: for a question to a person,
/// who may have nothing to say.
pub struct Deadly(Arc<AtomicBool>);

impl Deadly {
    /// From now on.
    pub fn begin() -> Self {
        let armed = Arc::new(AtomicBool::new(true));
        for signal in [SIGINT, SIGTERM] {
            let _ = register_conditional_default(signal, armed.clone());
        }
        Self(armed)
    }
}

impl Drop for Deadly {
    fn drop(&mut self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

async fn heard(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => _ = signal.recv().await,
        None => std::future::pending().await,
    }
}

/// Returns when somebody asks this process to end: Ctrl-C, SIGTERM or SIGHUP.
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

/// Does `work` to its end even where somebody asks this process to end, as it takes away what it has made; who asks twice
/// does not want to wait for that.
///
/// # Errors
/// [`Failure::Failed`] where somebody has asked.
pub async fn to_its_end<T>(work: impl Future<Output = T>, waiting: &str, left: &str) -> Result<T> {
    let (mut work, mut watch) = (pin!(work), Watch::begin());
    tokio::select! {
        done = &mut work => return Ok(done),
        () = watch.asked_to_end() => note(waiting),
    }
    tokio::select! {
        _ = work => Err(Failure::failed("interrupted: nothing was changed")),
        () = watch.asked_to_end() => Err(Failure::failed(format!("interrupted: {left}"))),
    }
}
