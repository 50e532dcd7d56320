//! `info`: versions, paths, and where each setting came from.

use serde::Serialize;

use super::{
    connect,
    failure::Result,
    out::{Cell, Column},
    session::Session,
};
use crate::config::Format;

/// A setting in words.
#[derive(Debug, Serialize)]
struct Row {
    setting: &'static str,
    value: String,
    from: String,
}

/// Everything that `info` tells.
#[derive(Debug, Serialize)]
struct Info {
    version: &'static str,
    cloud: &'static str,
    identity: String,
    features: Vec<&'static str>,
    paths: Paths,
    settings: Vec<Row>,
}

#[derive(Debug, Serialize)]
struct Paths {
    executable: String,
    state: String,
    state_found: bool,
    audit: String,
    config: String,
    config_found: bool,
    pipelines: String,
}

const ROWS: [Column<Row>; 3] =
    [("setting", |r| Cell::text(r.setting)), ("value", |r| Cell::text(&r.value)), ("from", |r| Cell::text(&r.from))];

/// The cloud that the settings name.
fn cloud(s: &Session) -> &'static str {
    match (s.settings.local.value, cfg!(feature = "local")) {
        (true, true) => "local",
        (true, false) => "none (this build has no embedded cloud)",
        (false, _) => "aws",
    }
}

/// Tells.
pub fn run(s: &Session) -> Result {
    let set = &s.settings;
    let state = &set.state_dir.value;
    let info = Info {
        version: env!("CARGO_PKG_VERSION"),
        cloud: cloud(s),
        identity: connect::principal(),
        features: if cfg!(feature = "local") { vec!["local"] } else { Vec::new() },
        paths: Paths {
            executable: std::env::current_exe().map_or_else(|e| e.to_string(), |p| p.display().to_string()),
            state: state.display().to_string(),
            state_found: state.join("state.db").is_file(),
            audit: state.join("audit.jsonl").display().to_string(),
            config: set.config.value.display().to_string(),
            config_found: set.config_found,
            pipelines: connect::described(set).0,
        },
        settings: set
            .describe()
            .into_iter()
            .map(|(setting, value, from)| Row { setting, value, from: from.to_string() })
            .collect(),
    };
    if s.out.format == Format::Csv {
        return s.out.list(&info.settings, &ROWS, "");
    }
    let found = |yes| if yes { "" } else { " (not there yet)" };
    s.out.record(
        &info,
        vec![
            ("version", Cell::text(info.version)),
            ("cloud", Cell::text(info.cloud)),
            ("identity", Cell::text(&info.identity)),
            ("executable", Cell::text(&info.paths.executable)),
            ("state", Cell::text(format!("{}{}", info.paths.state, found(info.paths.state_found)))),
            ("audit file", Cell::text(&info.paths.audit)),
            ("config file", Cell::text(format!("{}{}", info.paths.config, found(info.paths.config_found)))),
            ("pipelines", Cell::text(&info.paths.pipelines)),
        ],
    )?;
    if s.out.format == Format::Table {
        s.out.line("")?;
        s.out.list(&info.settings, &ROWS, "")?;
    }
    Ok(())
}
