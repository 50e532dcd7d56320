//! The way to a cloud. This build has one adapter, the embedded cloud, so that is what is used with `--local` and
//! without.

#[cfg(not(feature = "local"))]
use super::failure::Failure;
use super::failure::Result;
#[cfg(feature = "local")]
use crate::backend::Pipelines;
use crate::{backend::Backend, config::Settings, functions, spec};

/// An open cloud. Cheap to clone.
#[derive(Clone)]
pub struct Connection {
    /// What both faces call.
    pub backend: Backend,
    /// The embedded cloud itself, for what drives it.
    #[cfg(feature = "local")]
    pub local: crate::local::Local,
}

/// Opens the cloud that the settings name.
#[cfg(feature = "local")]
pub fn open(settings: &Settings) -> Result<Connection> {
    let local = crate::local::Local::open(crate::local::Options {
        state_dir: settings.state_dir.value.clone(),
        read_only: settings.read_only.value,
        principal: principal(),
        handlers: functions::find,
        online: false,
    })?;
    if let Some(speed) = settings.speed.value
        && !settings.read_only.value
    {
        local.set_speed(speed)?;
    }
    let backend = Backend::new(local.cloud(), &settings.env.value, super::session::gate(settings), pipelines(settings));
    Ok(Connection { backend, local })
}

/// Opens the cloud that the settings name.
#[cfg(not(feature = "local"))]
pub fn open(_: &Settings) -> Result<Connection> {
    Err(Failure::Failed(NO_CLOUD.to_owned()))
}

/// What a build without the embedded cloud says.
#[cfg(not(feature = "local"))]
pub const NO_CLOUD: &str = "this build of pumphouse has no embedded cloud, and no other cloud yet: \
                            build it with the feature \"local\" (cargo's default)";

/// Where pipelines are described.
#[cfg(feature = "local")]
fn pipelines(settings: &Settings) -> Pipelines {
    Pipelines { dir: settings.pipelines.value.clone(), handlers: known_handler }
}

/// Where the pipelines come from, in words, and how many there are.
pub fn described(settings: &Settings) -> (String, std::io::Result<usize>) {
    let dir = settings.pipelines.value.as_deref();
    let found = spec::pipelines(dir);
    let place = match (dir, found.as_deref()) {
        (Some(dir), _) => dir.display().to_string(),
        (None, Ok([spec::Location::Folder(_), ..]) | Err(_)) => "./pipelines".to_owned(),
        (None, Ok(_)) => "built in".to_owned(),
    };
    (place, found.map(|all| all.len()))
}

/// Whether there is a handler in Rust of this name.
pub fn known_handler(name: &str) -> bool {
    functions::find(name).is_some()
}

/// Who acts: the user's name, else the user's number.
pub fn principal() -> String {
    ["USER", "LOGNAME"].iter().find_map(|name| crate::config::environment(name)).unwrap_or_else(|| {
        use std::os::unix::fs::MetadataExt;
        std::fs::metadata("/proc/self").map_or_else(|_| "unknown".into(), |m| format!("uid {}", m.uid()))
    })
}
