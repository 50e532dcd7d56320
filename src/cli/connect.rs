//! The way to a cloud: AWS, or the embedded cloud with `--local`.

use std::{collections::BTreeSet, sync::Arc};

use super::failure::{Failure, Result};
use crate::{
    aws::{self, Aws},
    backend::{Backend, Pipelines, Prices},
    config::{Origin, Setting, Settings},
    functions, spec,
    terraform::{self, Terraform},
};

/// An open cloud. Cheap to clone.
#[derive(Clone)]
pub struct Connection {
    /// What both faces call.
    pub backend: Backend,
    /// The embedded cloud itself, for what drives it; none on AWS.
    #[cfg(feature = "local")]
    pub local: Option<crate::local::Local>,
}

/// Opens the cloud that the settings name. The embedded one makes its state where there is none; nothing is asked of AWS
/// yet.
pub fn open(settings: &Settings) -> Result<Connection> {
    if !settings.local.value {
        if !settings.read_only.value {
            // For the audit file, which says why where this did not work.
            use std::os::unix::fs::DirBuilderExt;
            let _ = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&settings.state_dir.value);
        }
        return Ok(open_aws(settings));
    }
    embedded::open(settings)
}

/// Opens the cloud for a command that reads: the embedded one makes no state where there is none, and does with reading
/// what cannot be written.
pub fn open_to_read(settings: &Settings) -> Result<Connection> {
    if !settings.local.value {
        return Ok(open_aws(settings));
    }
    embedded::open_to_read(settings)
}

fn open_aws(settings: &Settings) -> Connection {
    // What the environment names is left to the SDK: credentials in the environment go before a profile there, and the
    // endpoint of one service before that of all.
    let given = |s: &Setting<Option<String>>| s.value.clone().filter(|_| !matches!(s.origin, Origin::Environment(_)));
    let aws = Aws::open(aws::Options {
        profile: given(&settings.profile),
        region: settings.region.value.clone(),
        endpoint_url: given(&settings.endpoint_url),
        credentials: None,
        role_arn: settings.role_arn.value.clone(),
        role_session_name: settings.role_session_name.value.clone(),
        external_id: settings.external_id.value.clone(),
        workgroup: None,
        read_only: settings.read_only.value,
        claims: Some(claims(settings)),
        state_dir: settings.state_dir.value.clone(),
        refresh: Some(std::time::Duration::from_secs_f64(settings.refresh.value)),
    });
    let mut backend =
        Backend::new(aws.cloud(), &settings.env.value, super::session::gate(settings), pipelines(settings));
    backend = backend.with_engines(Arc::new(terraform(settings)));
    backend.workgroup.clone_from(&settings.workgroup.value);
    backend.prices =
        Prices { glue_dpu_hour_usd: settings.glue_dpu_hour_usd.value, athena_tb_usd: settings.athena_tb_usd.value };
    Connection {
        backend,
        #[cfg(feature = "local")]
        local: None,
    }
}

/// Terraform, as the same caller: what the flags name goes before what the environment says.
pub fn terraform(settings: &Settings) -> Terraform {
    let flag = |s: &Setting<Option<String>>| s.value.clone().filter(|_| !matches!(s.origin, Origin::Environment(_)));
    let mut env = Vec::new();
    if let Some(profile) = flag(&settings.profile) {
        env.push(("AWS_PROFILE".to_owned(), Some(profile)));
        // They would go before the profile.
        let keys = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"];
        env.extend(keys.map(|name| (name.to_owned(), None)));
    }
    let named = [("AWS_REGION", &settings.region), ("AWS_ENDPOINT_URL", &settings.endpoint_url)];
    env.extend(named.into_iter().filter_map(|(name, s)| Some((name.to_owned(), Some(flag(s)?)))));
    Terraform::open(terraform::Options {
        state_dir: settings.state_dir.value.clone(),
        read_only: settings.read_only.value,
        env,
    })
}

/// The embedded cloud.
#[cfg(feature = "local")]
mod embedded {
    use std::path::Path;

    use super::{Backend, Connection, Result, Settings, functions, known_handler, pipelines, principal};
    use crate::{
        cloud::releases::Definition,
        local::{Local, Options, store},
        spec,
    };

    pub(super) fn open(settings: &Settings) -> Result<Connection> {
        connection(settings, open_local(settings, settings.read_only.value)?)
    }

    pub(super) fn open_to_read(settings: &Settings) -> Result<Connection> {
        // A speed is a change of the state.
        let none_yet = settings.speed.value.is_none() && !store::exists(&settings.state_dir.value);
        let local = match open_local(settings, settings.read_only.value || none_yet) {
            Err(failure) => open_local(settings, true).map_err(|_| failure)?,
            Ok(local) => local,
        };
        connection(settings, local)
    }

    fn open_local(settings: &Settings, read_only: bool) -> Result<Local> {
        Ok(Local::open(Options {
            state_dir: settings.state_dir.value.clone(),
            read_only,
            principal: principal(),
            handlers: functions::find,
            online: false,
            read_release: |folder| release_of(folder),
            database_url: crate::config::environment("DATABASE_URL"),
        })?)
    }

    /// What a pipeline's folder says of how it is delivered.
    fn release_of(folder: &Path) -> std::result::Result<Definition, String> {
        let location = spec::Location::Folder(folder.to_owned());
        let pipeline = spec::load(&location, &known_handler).map_err(|report| report.to_string())?;
        let release = pipeline.release.ok_or("pipeline.toml has no [release]: it says how a change is delivered")?;
        Ok(release.definition)
    }

    fn connection(settings: &Settings, local: Local) -> Result<Connection> {
        if let Some(speed) = settings.speed.value
            && !settings.read_only.value
        {
            local.set_speed(speed)?;
        }
        let gate = crate::cli::session::gate(settings);
        let backend = Backend::new(local.cloud(), &settings.env.value, gate, pipelines(settings));
        Ok(Connection { backend, local: Some(local) })
    }
}

/// What a build without the embedded cloud says.
#[cfg(not(feature = "local"))]
mod embedded {
    use super::{Connection, Failure, Result, Settings};

    const NO_CLOUD: &str = "this build of pumphouse has no embedded cloud: leave --local out to use AWS, or build it with \
                            the feature \"local\" (cargo's default)";

    pub(super) fn open(_: &Settings) -> Result<Connection> {
        Err(Failure::Failed(NO_CLOUD.to_owned()))
    }

    pub(super) fn open_to_read(settings: &Settings) -> Result<Connection> {
        open(settings)
    }
}

/// What pipelines say of this environment that exists and is theirs.
fn claims(settings: &Settings) -> aws::Claims {
    let (dir, env) = (settings.pipelines.value.clone(), settings.env.value.clone());
    aws::Claims(Arc::new(move || {
        let mut claims = Vec::new();
        for location in spec::pipelines(dir.as_deref()).unwrap_or_default() {
            let Ok(pipeline) = spec::load(&location, &known_handler) else { continue };
            let existing = pipeline.env(&env).map(|e| e.existing.clone()).unwrap_or_default();
            for (kind, name) in existing.into_iter().flat_map(|(kind, names)| names.into_iter().map(move |n| (kind, n)))
            {
                // A function's logs are its pipeline's, too.
                if kind == spec::ExistingKind::Function {
                    claims.push((format!("/aws/lambda/{name}"), pipeline.name.clone()));
                }
                claims.push((name, pipeline.name.clone()));
            }
        }
        claims
    }))
}

/// Where pipelines are described.
fn pipelines(settings: &Settings) -> Pipelines {
    Pipelines {
        dir: settings.pipelines.value.clone(),
        handlers: known_handler,
        bootstrap: settings.bootstrap.value.clone(),
        omit_types: settings.omit_types.value.clone(),
    }
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

/// Whether a pipeline has the environment of the settings. Pipelines that cannot be read count for nothing.
///
/// # Errors
/// Where there are pipelines, and none has it: with those that there are.
pub fn known_environment(settings: &Settings) -> Result {
    let found = spec::pipelines(settings.pipelines.value.as_deref()).unwrap_or_default();
    let read = found.iter().filter_map(|location| spec::load(location, &known_handler).ok());
    let known: BTreeSet<_> = read.flat_map(|p| p.environments).map(|e| e.name).collect();
    let env = &settings.env.value;
    if known.is_empty() || known.contains(env) {
        return Ok(());
    }
    let known: Vec<_> = known.into_iter().collect();
    Err(Failure::failed(format!(
        "no pipeline has an environment {env:?} ({}); there are: {}",
        settings.env.origin,
        known.join(", ")
    )))
}

/// Whether there is a handler in Rust of this name.
pub fn known_handler(name: &str) -> bool {
    functions::find(name).is_some()
}

/// Who acts: the user's name, else the user's number.
pub fn principal() -> String {
    ["USER", "LOGNAME"].iter().find_map(|name| crate::config::environment(name)).unwrap_or_else(|| {
        use std::os::unix::fs::MetadataExt;
        let Ok(uid) = std::fs::metadata("/proc/self").map(|m| m.uid()) else { return "unknown".into() };
        let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        user(&users, uid).map_or_else(|| format!("uid {uid}"), str::to_owned)
    })
}

/// The name of the user with this number in the text of /etc/passwd.
fn user(users: &str, uid: u32) -> Option<&str> {
    let uid = uid.to_string();
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next().filter(|name| !name.is_empty())?;
        (fields.nth(1) == Some(uid.as_str())).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_user_has_a_name_by_the_number() {
        let users = "root:x:0:0:root:/root:/bin/sh\n:x:7::\n# no user\nmaria:x:1000:0::/home/maria:/bin/sh\n";
        assert_eq!(super::user(users, 0), Some("root"));
        assert_eq!(super::user(users, 1000), Some("maria"));
        assert_eq!(super::user(users, 7), None);
        assert_eq!(super::user("", 0), None);
    }
}
