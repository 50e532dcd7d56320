//! What keeps an embedded cloud going while a command is open: its driver, and its HTTP APIs.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::connect::Connection;

/// The driver and the APIs at work; [`Driver::stop`] ends them in order.
#[derive(Default)]
pub struct Driver {
    cancel: CancellationToken,
    tasks: Vec<JoinHandle<Option<String>>>,
}

impl Driver {
    /// Starts both. While another process drives or serves, this one waits to take over.
    #[cfg(feature = "local")]
    pub fn start(connection: &Connection) -> Self {
        let cancel = CancellationToken::new();
        let drive = connection.local.drive(cancel.clone());
        let (local, end) = (connection.local.clone(), cancel.clone());
        let tasks = vec![
            tokio::spawn(async move { drive.await.err().map(|e| format!("the driver: {e}")) }),
            tokio::spawn(async move { local.serve_apis(end).await.err().map(|e| format!("the HTTP APIs: {e}")) }),
        ];
        Self { cancel, tasks }
    }

    /// A build without the embedded cloud has nothing to drive.
    #[cfg(not(feature = "local"))]
    pub fn start(_: &Connection) -> Self {
        Self::default()
    }

    /// Asks both to end, and says what went wrong with them.
    pub async fn stop(self) -> Vec<String> {
        self.cancel.cancel();
        let mut wrong = Vec::new();
        for task in self.tasks {
            match task.await {
                Ok(ended) => wrong.extend(ended),
                Err(e) => wrong.push(e.to_string()),
            }
        }
        wrong
    }
}

/// A place for a driver that is started while the console is open, and stopped when it has closed. Cheap to clone.
#[derive(Clone, Default)]
pub struct Slot(Arc<Mutex<Option<Driver>>>);

impl Slot {
    /// Starts the driver, unless the cloud is open for reading alone.
    pub fn start(&self, connection: &Connection) {
        if !connection.backend.read_only() {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Driver::start(connection));
        }
    }

    /// Stops it, where it was started.
    pub async fn stop(&self) -> Vec<String> {
        let driver = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        match driver {
            Some(driver) => driver.stop().await,
            None => Vec::new(),
        }
    }
}
