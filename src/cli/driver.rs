//! What keeps an embedded cloud going while a command is open: its driver, and its HTTP APIs.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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
    /// Starts both on an embedded cloud; AWS drives itself. While another process drives or serves, this one waits to take over.
    pub fn start(connection: &Connection) -> Self {
        Self::start_telling(connection, |_| {})
    }

    /// The same; of each request that an API has answered, `told` gets a line.
    #[cfg(feature = "local")]
    pub fn start_telling(connection: &Connection, told: impl Fn(&str) + Send + Sync + 'static) -> Self {
        let Some(local) = connection.local.clone() else { return Self::default() };
        let cancel = CancellationToken::new();
        let drive = local.drive(cancel.clone());
        let end = cancel.clone();
        let told = Arc::new(move |served| told(&in_words(&served)));
        let tasks = vec![
            tokio::spawn(async move { drive.await.err().map(|e| format!("the driver: {e}")) }),
            tokio::spawn(async move { local.serve_apis(end, told).await.err().map(|e| format!("the HTTP APIs: {e}")) }),
        ];
        Self { cancel, tasks }
    }

    /// A build without the embedded cloud has nothing to drive.
    #[cfg(not(feature = "local"))]
    pub fn start_telling(_: &Connection, _: impl Fn(&str) + Send + Sync + 'static) -> Self {
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

/// `GET /x-dev/prices 200 in 12 ms`
#[cfg(feature = "local")]
fn in_words(served: &crate::local::gateway::Served) -> String {
    let crate::local::gateway::Served { method, path, status, elapsed, why } = served;
    let why = why.as_ref().map_or_else(String::new, |why| format!(": {why}"));
    format!("{method} {path} {status} in {} ms{why}", elapsed.as_millis())
}

/// A place for a driver that is started while the console is open, and stopped when it has closed. Cheap to clone.
#[derive(Clone, Default)]
pub struct Slot(Arc<Mutex<Held>>);

#[derive(Default)]
struct Held {
    driver: Option<Driver>,
    /// What it drives, to start it again after a pause.
    connection: Option<Connection>,
}

impl Slot {
    /// Starts the driver, unless the cloud is open for reading alone.
    pub fn start(&self, connection: &Connection) {
        if !connection.backend.read_only() {
            let mut held = self.held();
            held.driver = Some(Driver::start(connection));
            held.connection = Some(connection.clone());
        }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets another process drive while this one is stopped.
    pub async fn pause(&self) {
        let driver = self.held().driver.take();
        if let Some(driver) = driver {
            for wrong in driver.stop().await {
                tracing::warn!(%wrong, "the driver was stopped");
            }
        }
    }

    /// Drives again after a pause, as soon as no other process does.
    pub fn resume(&self) {
        let mut held = self.held();
        if held.driver.is_none() {
            held.driver = held.connection.as_ref().map(Driver::start);
        }
    }

    /// Stops it, where it was started.
    pub async fn stop(&self) -> Vec<String> {
        let driver = self.held().driver.take();
        match driver {
            Some(driver) => driver.stop().await,
            None => Vec::new(),
        }
    }
}

#[cfg(test)]
#[cfg(feature = "local")]
mod tests {
    use std::{path::Path, time::Duration};

    use super::*;
    use crate::{
        cli::connect,
        config::{Flags, Settings},
        local::process,
    };

    async fn until(dir: &Path, driven: bool) {
        while process::driver(dir).is_some() != driven {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    #[tokio::test]
    async fn a_pause_gives_the_lease_up_and_a_resume_takes_it_again() {
        let dir = tempfile::tempdir().unwrap();
        let flags = Flags { local: true, state_dir: Some(dir.path().to_owned()), ..Flags::default() };
        let settings = Settings::load(&flags, &|_| None).unwrap();
        let Ok(connection) = connect::open(&settings) else { panic!("the cloud opens") };
        let slot = Slot::default();
        slot.pause().await;
        slot.resume();
        assert!(process::driver(dir.path()).is_none(), "there is nothing to drive yet");
        slot.start(&connection);
        until(dir.path(), true).await;
        slot.pause().await;
        assert!(process::driver(dir.path()).is_none(), "another process may drive");
        slot.resume();
        until(dir.path(), true).await;
        assert!(slot.stop().await.is_empty());
        assert!(process::driver(dir.path()).is_none());
    }
}
