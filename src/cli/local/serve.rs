//! `local serve`: keeps an embedded cloud going without the console.

use std::{collections::BTreeSet, path::Path, time::Duration};

use crate::{
    backend::Backend,
    cli::{
        self,
        driver::Driver,
        failure::{Failure, Result},
        out::note,
        session::Session,
        signals::asked_to_end,
    },
};

/// How long APIs may take to come up before their addresses are told.
const UP: Duration = Duration::from_millis(300);
/// How often there may be others.
const LOOK: Duration = Duration::from_secs(2);

/// Drives the embedded cloud and serves its APIs until Ctrl-C or SIGTERM.
pub fn run(s: &Session) -> Result {
    let runtime = cli::runtime()?;
    let result = runtime.block_on(serve(s));
    runtime.shutdown_timeout(cli::GRACE);
    result
}

async fn serve(s: &Session) -> Result {
    let connection = s.connect()?;
    let driver = Driver::start_telling(&connection, note);
    let dir = &s.settings.state_dir.value;
    tokio::select! {
        () = tell(dir, &connection.backend) => {}
        () = asked_to_end() => {}
    }
    match driver.stop().await.as_slice() {
        [] => Ok(()),
        wrong => Err(Failure::Failed(wrong.join("\n"))),
    }
}

/// Says on stderr who drives, and where APIs answer, once this process is the one; and goes on with those that come later.
async fn tell(dir: &Path, backend: &Backend) {
    let shown = dir.display();
    tokio::time::sleep(UP).await;
    if let Some(other) = other_driver(dir) {
        note(&format!("waiting: {other} drives the embedded cloud in {shown}; this process takes over when it ends"));
        while other_driver(dir).is_some() {
            tokio::time::sleep(UP).await;
        }
        tokio::time::sleep(UP).await;
    }
    note(&format!("driving the embedded cloud in {shown}; Ctrl-C ends it"));
    let mut told = BTreeSet::new();
    loop {
        for api in backend.cloud.apis.list().await.unwrap_or_default() {
            let Some(url) = api.url else { continue };
            let line = if api.api_key {
                format!("{} answers at {url}, with the header x-api-key: `pumphouse apis key {0}`", api.name)
            } else {
                format!("{} answers at {url}", api.name)
            };
            if told.insert(line.clone()) {
                note(&line);
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// The other process that drives, if one does.
#[cfg(feature = "local")]
fn other_driver(dir: &Path) -> Option<String> {
    crate::local::process::driver(dir).filter(|holder| *holder != format!("pid {}", std::process::id()))
}

#[cfg(not(feature = "local"))]
fn other_driver(_: &Path) -> Option<String> {
    None
}
