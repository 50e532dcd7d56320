//! Carrying a delivery's releases on while a command follows one: on the embedded cloud, that is the work itself.

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::super::connect::Connection;

/// The work on a delivery's releases, as long as a command follows one.
pub struct Carrier {
    end: CancellationToken,
    task: Option<JoinHandle<()>>,
}

impl Carrier {
    /// Carries them on where no other process does; AWS does it itself.
    #[cfg(feature = "local")]
    pub fn start(connection: &Connection, delivery: &str) -> Self {
        /// How soon it is looked again whether another process has left one alone.
        const LOOK: std::time::Duration = std::time::Duration::from_secs(1);
        let end = CancellationToken::new();
        let local = connection.local.clone().filter(|_| !connection.backend.read_only());
        let task = local.map(|local| {
            let (end, delivery) = (end.clone(), delivery.to_owned());
            tokio::spawn(async move {
                let mut told = None;
                while !end.is_cancelled() {
                    let error = local.carry_releases(&delivery, &end).await.err().map(|e| e.to_string());
                    // It may go on for long, on a full disk: once is enough.
                    if let Some(error) = error.as_ref().filter(|_| error != told) {
                        super::super::out::note(&format!("the releases of {delivery} are not carried on: {error}"));
                    }
                    told = error;
                    tokio::select! {
                        () = end.cancelled() => {}
                        () = tokio::time::sleep(LOOK) => {}
                    }
                }
            })
        });
        Self { end, task }
    }

    /// A build without the embedded cloud has nothing to carry on.
    #[cfg(not(feature = "local"))]
    pub fn start(_: &Connection, _: &str) -> Self {
        Self { end: CancellationToken::new(), task: None }
    }

    /// Ends the work in order: what is not done is left to others.
    pub async fn stop(self) {
        self.end.cancel();
        if let Some(task) = self.task {
            let _ = task.await;
        }
    }
}

/// Whether somebody else carries releases on: AWS, or a process that drives the embedded cloud.
#[cfg(feature = "local")]
pub fn by_others(connection: &Connection, dir: &std::path::Path) -> bool {
    connection.local.is_none() || crate::local::process::driver(dir).is_some()
}

/// Whether somebody else carries releases on: AWS does.
#[cfg(not(feature = "local"))]
pub fn by_others(_: &Connection, _: &std::path::Path) -> bool {
    true
}
