//! AWS as the tests see it: opened on a scripted endpoint, as a library or as the binary.

use std::{
    path::PathBuf,
    process::{Command, Output},
};

use aws_credential_types::Credentials;
use pumphouse::{
    aws::{Aws, Options},
    backend::{Consent, Effect, Gate, Outcome, Strength, audit::Audit},
    cloud::{Cloud, Error, Permit, Result},
};
use tempfile::TempDir;

use crate::fake::Fake;

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
