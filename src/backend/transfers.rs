//! Files to and from buckets: in parts, several at once, and carried on where they were cut off.

mod download;
mod upload;

use std::{fmt, future::Future, path::Path, sync::Arc, time::Duration};

use crate::cloud::{Error, Result};

pub use download::Download;
pub use upload::Upload;

/// The least size of a part, and what is sent or read in one request.
pub const PART: u64 = 8 * 1024 * 1024;
/// Parts that are under way at once.
const AT_ONCE: usize = 4;
/// How often a part is tried; the SDK's own tries do not count.
const TRIES: u32 = 5;
/// The pause before the second try; each one after it is twice as long.
const PAUSE: Duration = Duration::from_millis(200);

/// How far a transfer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moved {
    /// Bytes that are over.
    pub done: u64,
    /// All of them.
    pub total: u64,
    /// Those of them that were over before this transfer began, where an earlier one was cut off.
    pub before: u64,
}

/// Is told how far a transfer is.
#[derive(Clone)]
pub struct OnMove(Arc<dyn Fn(Moved) + Send + Sync>);

impl OnMove {
    /// Tells `told`.
    pub fn new(told: impl Fn(Moved) + Send + Sync + 'static) -> Self {
        Self(Arc::new(told))
    }

    fn tell(&self, moved: Moved) {
        (self.0)(moved);
    }
}

impl Default for OnMove {
    fn default() -> Self {
        Self::new(|_| ())
    }
}

impl fmt::Debug for OnMove {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnMove")
    }
}

/// Tries a part again where the network broke off, or the cloud asks to slow down.
async fn tried<T, F: Future<Output = Result<T>>>(part: impl Fn() -> F) -> Result<T> {
    let mut pause = PAUSE;
    for _ in 1..TRIES {
        match part().await {
            Err(error @ (Error::Unavailable(_) | Error::Throttled(_))) => {
                tracing::info!(%error, "a part is tried again");
                tokio::time::sleep(pause).await;
                pause *= 2;
            }
            done => return done,
        }
    }
    part().await
}

/// Work with files that may wait for the disk.
async fn on_disk<T: Send + 'static>(
    file: &Path,
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(Error::Storage(format!("{}: {error}", file.display()))),
        Err(error) => Err(Error::storage(error)),
    }
}
