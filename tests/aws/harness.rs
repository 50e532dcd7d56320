//! AWS as the tests see it: opened on a scripted endpoint, as a library or as the binary.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

use aws_credential_types::Credentials;
use pumphouse::{
    aws::{Aws, Options},
    backend::{Consent, Effect, Gate, Outcome, Strength, audit::Audit},
    cloud::{Cloud, Error, Permit, Result},
};
use tempfile::TempDir;

use crate::{fake::Fake, term::Term};

/// The ports on a scripted endpoint; the region is eu-west-1.
pub fn cloud(fake: &Fake, state: &TempDir) -> Cloud {
    open(fake, state, false)
}

/// The same, in read-only mode.
pub fn read_only(fake: &Fake, state: &TempDir) -> Cloud {
    open(fake, state, true)
}

fn open(fake: &Fake, state: &TempDir, read_only: bool) -> Cloud {
    Aws::open(Options {
        region: Some("eu-west-1".into()),
        endpoint_url: Some(fake.url()),
        credentials: Some(Credentials::new("test", "test", None, None, "test")),
        read_only,
        state_dir: state.path().to_owned(),
        ..Options::default()
    })
    .cloud()
}

/// The binary on a scripted endpoint, with a home and a state of its own.
pub struct Pumphouse {
    pub dir: TempDir,
    url: String,
}

impl Pumphouse {
    pub fn on(fake: &Fake) -> Self {
        Self { dir: tempfile::tempdir().unwrap(), url: fake.url() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The binary with credentials of a test, and nothing of the caller's own.
    pub fn command(&self) -> Command {
        let mut command = self.bare();
        command
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env("AWS_REGION", "eu-west-1")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .args(["--endpoint-url", &self.url]);
        command
    }

    /// The binary without credentials, region and endpoint.
    pub fn bare(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pumphouse"));
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy();
            if name.starts_with("PUMPHOUSE_") || name.starts_with("AWS_") || name.to_lowercase().ends_with("_proxy") {
                command.env_remove(name.as_ref());
            }
        }
        command
            .env("HOME", self.dir.path())
            .env("XDG_CONFIG_HOME", self.path("config"))
            .env("XDG_DATA_HOME", self.path("data"))
            .env("XDG_STATE_HOME", self.path("xdg-state"))
            .env("NO_COLOR", "1")
            .current_dir(self.dir.path())
            .arg("--state-dir")
            .arg(self.path("state"));
        command
    }

    pub fn run(&self, args: &[&str]) -> Output {
        self.command().args(args).output().unwrap()
    }
}

/// The console on a scripted endpoint, in a terminal of so many columns and rows, with a home of its own and nothing of the
/// caller's: `env` comes last.
pub fn console(url: &str, home: &Path, args: &[&str], env: &[(&str, &str)], (columns, rows): (u16, u16)) -> Term {
    let (home, state) = (home.to_str().unwrap(), home.join("state"));
    let mut all = vec!["--endpoint-url", url, "--state-dir", state.to_str().unwrap()];
    all.extend(args);
    let own = [
        ("HOME", home),
        ("XDG_CONFIG_HOME", home),
        ("AWS_CONFIG_FILE", "/nonexistent/config"),
        ("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent/credentials"),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_SESSION_TOKEN", ""),
        ("AWS_PROFILE", ""),
        ("AWS_REGION", "eu-west-1"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("AWS_CA_BUNDLE", ""),
        ("NO_PROXY", "127.0.0.1"),
        ("no_proxy", "127.0.0.1"),
        ("PUMPHOUSE_REFRESH", "3600"),
    ];
    let env: Vec<_> = own.iter().chain(env).copied().collect();
    let term = Term::spawn(Path::new(env!("CARGO_BIN_EXE_pumphouse")), &all, columns, rows, &env);
    // Keys that come before the terminal is taken are lost.
    term.wait_for("aws · dev");
    term
}

/// Does something that takes a permit, by way of the gate.
pub async fn permitted<T: Outcome, F: Future<Output = Result<T>>>(
    state: &TempDir,
    work: impl FnOnce(Permit) -> F,
) -> std::result::Result<T, Error> {
    let gate = Gate::new(false, "ada", Audit::new(state.path().join("audit.jsonl")));
    let effect = Effect { what: "test", target: "x".into(), sentence: "x".into(), strength: Strength::Free };
    match gate.perform(&effect, &Consent::None, work).await {
        Ok(value) => Ok(value),
        Err(pumphouse::backend::Error::Cloud(error)) => Err(error),
        Err(other) => panic!("{other}"),
    }
}
