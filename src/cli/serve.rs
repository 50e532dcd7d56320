//! `serve`: keeps an embedded cloud going without the console.

use std::time::Duration;

use super::{
    driver::Driver,
    failure::{Failure, Result},
    out::note,
    session::Session,
    signals::asked_to_end,
};
use crate::backend::Backend;

/// How long APIs may take to come up before their addresses are told.
const UP: Duration = Duration::from_millis(300);

/// Drives the embedded cloud and serves its APIs until Ctrl-C or SIGTERM.
pub fn run(s: &Session) -> Result {
    let runtime = super::runtime()?;
    let result = runtime.block_on(serve(s));
    runtime.shutdown_timeout(super::GRACE);
    result
}

async fn serve(s: &Session) -> Result {
    let connection = s.connect()?;
    let driver = Driver::start(&connection);
    note(&format!("driving the embedded cloud in {}; Ctrl-C ends it", s.settings.state_dir.value.display()));
    tokio::time::sleep(UP).await;
    tell_addresses(&connection.backend).await;
    asked_to_end().await;
    match driver.stop().await.as_slice() {
        [] => Ok(()),
        wrong => Err(Failure::Failed(wrong.join("\n"))),
    }
}

/// Says on stderr where APIs answer.
pub async fn tell_addresses(backend: &Backend) {
    for api in backend.cloud.apis.list().await.unwrap_or_default() {
        if let Some(url) = api.url {
            note(&format!("{} answers at {url}", api.name));
        }
    }
}
