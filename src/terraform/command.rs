//! The program: found on PATH, its version checked, its commands run with nothing on stdin.
//!
//! Each command has a process group of its own, so that Ctrl-C at our terminal is not one at Terraform: whoever waits for a
//! command and goes away sends it an interrupt, so that it lets go of its lock.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::Stdio,
};

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::Value;
use tokio::{io::AsyncReadExt, process::Command, sync::OnceCell};

use super::diagnostic::Diagnostic;
use crate::cloud::{Error, Result, stacks::Directory};

/// The lowest versions, of Terraform and of OpenTofu, whose streams and plans have what is read here.
const LOWEST: (Version, Version) = (Version(1, 5, 0), Version(1, 6, 0));
/// From these versions on, `init` speaks JSON.
const INIT_JSON: (Version, Version) = (Version(1, 9, 0), Version(1, 7, 0));
/// Lines on stderr that are told of a command that died.
const LAST_LINES: usize = 12;

/// A version: major, minor, patch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(u32, u32, u32);

impl Version {
    fn parse(text: &str) -> Option<Self> {
        let plain = text.trim().trim_start_matches('v');
        let mut parts = plain.split(['-', '+']).next()?.split('.').map(str::parse);
        Some(Self(parts.next()?.ok()?, parts.next()?.ok()?, parts.next()?.ok()?))
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

/// What a command has said.
#[derive(Debug, Clone, Default)]
pub struct Said {
    /// Its exit code; none where a signal ended it.
    pub code: Option<i32>,
    /// What it wrote to stdout.
    pub stdout: Vec<u8>,
    /// What it wrote to stderr.
    pub stderr: Vec<u8>,
}

impl Said {
    /// Whether it ended well.
    pub fn well(&self) -> bool {
        self.code == Some(0)
    }

    /// The last lines on stderr, without the frame that Terraform draws around an error.
    pub fn last_lines(&self) -> String {
        last_lines(&self.stderr)
    }

    /// The diagnostics of a command that writes one JSON object, or one a line.
    pub fn diagnostics(&self) -> Vec<Diagnostic> {
        let read = |value: &Value| serde_json::from_value::<Diagnostic>(value.clone()).ok();
        if let Ok(Value::Object(whole)) = serde_json::from_slice::<Value>(&self.stdout)
            && whole.contains_key("diagnostics")
        {
            return whole["diagnostics"].as_array().into_iter().flatten().filter_map(read).collect();
        }
        let lines = self.stdout.split(|b| *b == b'\n').filter_map(|l| serde_json::from_slice::<Value>(l).ok());
        lines.filter(|message| message["type"] == "diagnostic").filter_map(|m| read(&m["diagnostic"])).collect()
    }
}

/// The last lines of what was written to stderr.
pub fn last_lines(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let lines: Vec<&str> = text
        .lines()
        .map(|line| line.trim_start_matches(['╷', '│', '╵', ' ']).trim_end())
        .filter(|line| !line.is_empty())
        .collect();
    lines[lines.len().saturating_sub(LAST_LINES)..].join("\n")
}

/// The program, in a directory.
#[derive(Debug)]
pub struct Program {
    /// `terraform` or `tofu`.
    pub binary: String,
    /// Where it works.
    pub dir: PathBuf,
    /// The workspace that it works on.
    pub workspace: Option<String>,
    /// Where it keeps what belongs to the directory, from there; none: where it always does.
    pub data: Option<PathBuf>,
    /// Variables of its environment, beside ours; those without a value are taken away.
    pub env: Vec<(String, Option<String>)>,
    version: OnceCell<Version>,
}

impl Program {
    /// The program, not asked anything yet.
    pub fn new(directory: &Directory, env: Vec<(String, Option<String>)>) -> Self {
        let dir = std::path::absolute(&directory.dir).unwrap_or_else(|_| directory.dir.clone());
        // Of two backends, `init` would ask which one is meant, and what reads a state would read that of the other
        // environment.
        let data = directory.shared.then(|| data_dir().join("pumphouse").join(&directory.env));
        let (binary, workspace) = (directory.binary.clone(), directory.workspace.clone());
        Self { binary, dir, workspace, data, env, version: OnceCell::new() }
    }

    /// Whether `init` was ever run.
    pub fn initialised(&self) -> bool {
        self.dir.join(self.data.clone().unwrap_or_else(data_dir)).is_dir()
    }

    /// Whether this is OpenTofu.
    fn is_tofu(&self) -> bool {
        Path::new(&self.binary).file_name().is_some_and(|name| name.to_string_lossy().contains("tofu"))
    }

    /// A command, ready to be spawned. It never asks, and says nothing of other versions.
    pub fn command(&self, args: &[OsString], workspace: bool) -> std::process::Command {
        let mut command = std::process::Command::new(&self.binary);
        self.prepare(&mut command, workspace);
        command.args(args);
        command
    }

    /// The directory and the environment for the program, or for what starts it.
    pub fn prepare(&self, command: &mut std::process::Command, workspace: bool) {
        use std::os::unix::process::CommandExt;
        command
            .current_dir(&self.dir)
            .env("TF_IN_AUTOMATION", "1")
            .env("TF_INPUT", "0")
            .env("CHECKPOINT_DISABLE", "1")
            .env_remove("TF_WORKSPACE")
            .stdin(Stdio::null())
            .process_group(0);
        for (name, value) in &self.env {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        if let Some(data) = &self.data {
            command.env("TF_DATA_DIR", data);
        }
        if let Some(name) = self.workspace.as_ref().filter(|_| workspace) {
            command.env("TF_WORKSPACE", name);
        }
    }

    /// Runs a command to its end. Whoever does not wait for that interrupts it.
    pub async fn run(&self, args: &[OsString], workspace: bool) -> Result<Said> {
        if !self.dir.is_dir() {
            return Err(Error::Invalid(format!(
                "{} is no directory: `dir` of [deploy] in pipeline.toml names the root module's, from the folder of \
                 pipeline.toml",
                self.dir.display()
            )));
        }
        let mut command = Command::from(self.command(args, workspace));
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|e| self.unfound(&e))?;
        let guard = Interrupt(child.id().and_then(|id| Pid::from_raw(id as i32)));
        let (mut out, mut err) = (child.stdout.take(), child.stderr.take());
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let read_out = async {
            match &mut out {
                Some(pipe) => pipe.read_to_end(&mut stdout).await,
                None => Ok(0),
            }
        };
        let read_err = async {
            match &mut err {
                Some(pipe) => pipe.read_to_end(&mut stderr).await,
                None => Ok(0),
            }
        };
        let (read, also_read, ended) = tokio::join!(read_out, read_err, child.wait());
        std::mem::forget(guard);
        let lost = |e: std::io::Error| Error::Unavailable(format!("{} was not heard to its end: {e}", self.binary));
        read.map_err(lost)?;
        also_read.map_err(lost)?;
        Ok(Said { code: ended.map_err(lost)?.code(), stdout, stderr })
    }

    /// Why the program was not started. That is no trouble of the network's.
    pub fn unfound(&self, error: &std::io::Error) -> Error {
        if error.kind() == std::io::ErrorKind::NotFound {
            return Error::Invalid(format!(
                "there is no `{}` on PATH, which deploys this pipeline: install it, or name the other one with `binary` of \
                 [deploy] in pipeline.toml",
                self.binary
            ));
        }
        Error::Invalid(format!("{} cannot be started: {error}", self.binary))
    }

    /// Its version, asked for once.
    pub async fn version(&self) -> Result<Version> {
        self.version
            .get_or_try_init(|| async {
                let said = self.run(&["version".into(), "-json".into()], false).await?;
                let told: Value = serde_json::from_slice(&said.stdout).unwrap_or_default();
                let text = told["terraform_version"].as_str().unwrap_or_default();
                let Some(version) = Version::parse(text) else {
                    return Err(Error::Invalid(format!(
                        "`{} version -json` does not say which version it is: {}",
                        self.binary,
                        said.last_lines()
                    )));
                };
                let lowest = if self.is_tofu() { LOWEST.1 } else { LOWEST.0 };
                if version < lowest {
                    return Err(Error::Invalid(format!(
                        "{} {version} is too old: {lowest} is the lowest version whose plans can be read; put a newer one on \
                         PATH",
                        self.binary
                    )));
                }
                Ok(version)
            })
            .await
            .copied()
    }

    /// Whether its `init` speaks JSON.
    pub async fn inits_in_json(&self) -> Result<bool> {
        let lowest = if self.is_tofu() { INIT_JSON.1 } else { INIT_JSON.0 };
        Ok(self.version().await? >= lowest)
    }
}

/// Where it keeps what belongs to a directory, from there, if nothing else is said.
fn data_dir() -> PathBuf {
    std::env::var_os("TF_DATA_DIR").filter(|dir| !dir.is_empty()).map_or_else(|| ".terraform".into(), PathBuf::from)
}

/// Interrupts a process group when it is dropped.
struct Interrupt(Option<Pid>);

impl Drop for Interrupt {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            let _ = kill_process_group(group, Signal::INT);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_their_numbers() {
        let version = |text| Version::parse(text).unwrap();
        assert!(version("1.11.0") > version("1.9.8"));
        assert_eq!(version("v1.6.0-beta1"), Version(1, 6, 0));
        assert_eq!(version("1.12.3").to_string(), "1.12.3");
        assert!(Version::parse("1.x").is_none() && Version::parse("").is_none());
    }

    #[test]
    fn a_frame_around_an_error_is_left_out() {
        let stderr = "╷\n│ Error: Backend initialization required\n│ \n│ Reason: none\n╵\n";
        assert_eq!(last_lines(stderr.as_bytes()), "Error: Backend initialization required\nReason: none");
        let many = (0..50).map(|n| format!("line {n}")).collect::<Vec<_>>().join("\n");
        assert!(last_lines(many.as_bytes()).starts_with("line 38\n"));
    }

    #[test]
    fn diagnostics_come_in_one_object_or_line_by_line() {
        let said = |stdout: &str| Said { stdout: stdout.into(), ..Said::default() };
        let one = said(
            r#"{"format_version":"1.0","valid":false,"diagnostics":[{"severity":"error","summary":"a","detail":"b"}]}"#,
        );
        assert_eq!(one.diagnostics()[0].summary, "a");
        let lines = said(
            "{\"type\":\"log\"}\nnoise\n{\"type\":\"diagnostic\",\"diagnostic\":{\"severity\":\"warning\",\"summary\":\"w\",\"detail\":\"\"}}\n",
        );
        assert_eq!(lines.diagnostics().len(), 1);
    }
}
