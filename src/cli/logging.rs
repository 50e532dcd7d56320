//! Our own events go to a file when somebody asks for it, and never to the screen.

use std::{fs::OpenOptions, os::unix::fs::OpenOptionsExt, sync::Mutex};

use tracing_subscriber::EnvFilter;

use super::failure::{Failure, Result};
use crate::config::Settings;

/// Starts logging, if the settings say so.
pub fn start(settings: &Settings) -> Result {
    let Some(filter) = &settings.log.value else { return Ok(()) };
    let wrong = |e: &dyn std::fmt::Display| Failure::usage(format!("{}: log {filter:?}: {e}", settings.log.origin));
    let filter = EnvFilter::try_new(filter).map_err(|e| wrong(&e))?;
    let path = &settings.log_file.value;
    let open = || {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        OpenOptions::new().create(true).append(true).mode(0o600).open(path)
    };
    let file = open().map_err(|e| Failure::failed(format!("the log file {}: {e}", path.display())))?;
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(Mutex::new(file)).init();
    Ok(())
}
