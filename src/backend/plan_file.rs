//! Plan files: a plan that waits for somebody's approval, and is then applied as it was shown or not at all.
//!
//! A plan file is one JSON document. It names where it holds, what it leads to (as digests), and the changes as they were
//! shown. Its last field is the digest of the text before it: a file that was changed is noticed. That is against
//! accidents; who may write the file may also make another.

use std::{
    collections::BTreeMap,
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{Error, Result};
use crate::{
    cloud::{
        Error as CloudError, Identity,
        stacks::{ChangeSet, StackRequest},
    },
    deploy::Upload,
};

/// What tells a plan file from other JSON.
const FORMAT: &str = "pumphouse plan";
/// The version of plan files that is written; what is newer is not read.
const VERSION: u64 = 1;
/// What the file's digest is in the text that it is the digest of.
const NO_DIGEST: &str = "\"digest\": \"\"";

/// A plan that is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlanFile {
    format: String,
    version: u64,
    /// The version of pumphouse that made it.
    pub pumphouse: String,
    /// When it was made.
    pub created: Timestamp,
    /// Who made it, as the cloud calls them.
    pub by: Option<String>,
    /// The pipeline.
    pub pipeline: String,
    /// The environment.
    pub env: String,
    /// Where it holds.
    pub cloud: Place,
    /// Whether what was changed behind the stack's back is brought back, too.
    pub revert_drift: bool,
    /// What it leads to.
    pub wanted: Wanted,
    /// The changes, as they were shown.
    pub plan: ChangeSet,
    /// The engine's own plan, in base64, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    saved: Option<String>,
    digest: String,
}

/// Where a plan holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// `aws`, `local`.
    pub cloud: String,
    /// The account; of the embedded cloud, the folder of its state.
    pub account: Option<String>,
    /// The region.
    pub region: Option<String>,
    /// The endpoint, where it is not AWS's own.
    pub endpoint: Option<String>,
}

impl Place {
    /// Where one is.
    pub(super) fn of(identity: &Identity) -> Self {
        let mut account = identity.account.clone();
        if identity.cloud == "local" {
            // The same folder may be named from elsewhere.
            account = account.map(|dir| std::path::absolute(&dir).map_or(dir, |dir| dir.display().to_string()));
        }
        Self {
            cloud: identity.cloud.clone(),
            account,
            region: identity.region.clone(),
            endpoint: identity.endpoint.clone(),
        }
    }
}

/// What a plan leads to, as SHA-256 digests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// The resources: what pipeline.toml says.
    pub graph: String,
    /// The rendered template, for an engine that takes one.
    pub template: Option<String>,
    /// What the template refers to in the artifact bucket, by keys that hold the contents' digests: code, scripts.
    pub assets: Vec<String>,
    /// The files that the pipeline uploads, each by its source and name.
    pub files: BTreeMap<String, String>,
}

impl Wanted {
    /// What a request, and the files that go with it, lead to.
    pub(super) fn of(request: &StackRequest, uploads: &[Upload]) -> Result<Self> {
        let graph = serde_json::to_vec(&request.graph).map_err(|e| CloudError::failed(format!("no digest: {e}")))?;
        let template = request.template.as_ref();
        let files = uploads.iter().flat_map(|upload| {
            let name = |path: &str| format!("{}: {}/{}{path}", upload.source, upload.bucket, upload.prefix);
            upload.files.iter().map(move |(path, content)| (name(path), digest(content)))
        });
        Ok(Self {
            graph: digest(&graph),
            template: template.map(|t| digest(t.body.as_bytes())),
            assets: template.into_iter().flat_map(|t| t.assets.iter().map(|a| a.key.clone())).collect(),
            files: files.collect(),
        })
    }

    /// In what this differs from what was planned, in words; nothing where it does not.
    fn differs(&self, planned: &Self) -> Vec<String> {
        let mut found = Vec::new();
        if self.graph != planned.graph {
            found.push("what pipeline.toml says (its resources are others)".to_owned());
        }
        let others = |a: &[String], b: &[String]| a.iter().filter(|key| !b.contains(key)).cloned().collect::<Vec<_>>();
        let (new, gone) = (others(&self.assets, &planned.assets), others(&planned.assets, &self.assets));
        if !new.is_empty() || !gone.is_empty() {
            let list = |keys: &[String]| if keys.is_empty() { "nothing".to_owned() } else { keys.join(", ") };
            found.push(format!("the code ({} where {} was planned)", list(&new), list(&gone)));
        }
        if found.is_empty() && self.template != planned.template {
            found.push("the template".to_owned());
        }
        let changed = |(name, hash): &(&String, &String)| planned.files.get(*name) != Some(*hash);
        let mut files: Vec<_> = self.files.iter().filter(changed).map(|(name, _)| name.as_str()).collect();
        files.extend(planned.files.keys().filter(|name| !self.files.contains_key(*name)).map(String::as_str));
        if !files.is_empty() {
            found.push(format!("what is uploaded ({})", files.join(", ")));
        }
        found
    }
}

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

fn unlike(why: String) -> Error {
    Error::Cloud(CloudError::Conflict(why))
}

impl PlanFile {
    /// A file for a plan of `request`.
    pub(super) fn new(
        request: &StackRequest,
        uploads: &[Upload],
        plan: ChangeSet,
        identity: &Identity,
    ) -> Result<Self> {
        let saved = plan.saved.as_ref().map(|saved| STANDARD.encode(saved));
        Ok(Self {
            format: FORMAT.into(),
            version: VERSION,
            pumphouse: env!("CARGO_PKG_VERSION").into(),
            created: Timestamp::now(),
            by: identity.principal.clone(),
            pipeline: request.graph.pipeline.clone(),
            env: request.graph.env.clone(),
            cloud: Place::of(identity),
            revert_drift: request.revert_drift,
            wanted: Wanted::of(request, uploads)?,
            plan,
            saved,
            digest: String::new(),
        })
    }

    /// The text of the file.
    fn text(&self) -> Result<String> {
        let bare = Self { digest: String::new(), ..self.clone() };
        let text = serde_json::to_string_pretty(&bare).map_err(|e| CloudError::failed(format!("no plan file: {e}")))?;
        let digest = digest(text.as_bytes());
        // The last one is the file's own: whatever a plan shows stands before it.
        let Some(place) = text.rfind(NO_DIGEST) else { return Err(CloudError::failed("no plan file").into()) };
        let (before, after) = text.split_at(place);
        Ok(format!("{before}{}\n", after.replacen(NO_DIGEST, &format!("\"digest\": \"{digest}\""), 1)))
    }

    /// Writes the file, whole or not at all, for nobody else to read: it may hold values.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        let failed = |e: io::Error| Error::Cloud(CloudError::failed(format!("{}: {e}", path.display())));
        // A rename would put a file in the place of a device or a folder.
        if fs::metadata(path).is_ok_and(|there| !there.is_file()) {
            return Err(Error::Usage(format!("{}: a plan is written to a file, which this is not", path.display())));
        }
        let text = self.text()?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let part: PathBuf = path.with_file_name(format!(".{name}.{}.part", uuid::Uuid::new_v4().simple()));
        let write = || {
            let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&part)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&part, path)
        };
        write().map_err(|e| {
            let _ = fs::remove_file(&part);
            failed(e)
        })
    }

    /// Reads a file.
    ///
    /// # Errors
    /// Where it is none, was changed, or is of a newer version.
    pub fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).map_err(|e| match e.kind() {
            io::ErrorKind::InvalidData => unlike(format!("{}: this is no plan file", path.display())),
            _ => Error::Cloud(CloudError::failed(format!("{}: {e}", path.display()))),
        })?;
        Self::parse(&text).map_err(|why| unlike(format!("{}: {why}", path.display())))
    }

    fn parse(text: &str) -> std::result::Result<Self, String> {
        let document: Value = serde_json::from_str(text).map_err(|e| format!("this is no plan file: {e}"))?;
        if document.get("format").and_then(Value::as_str) != Some(FORMAT) {
            return Err("this is no plan file: `pumphouse plan PIPELINE --out FILE` writes one".into());
        }
        let word = |key: &str| document.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let version = document.get("version").and_then(Value::as_u64).unwrap_or_default();
        if version > VERSION {
            return Err(format!(
                "a plan file of version {version}, made by pumphouse {}; this is pumphouse {}, which reads version {VERSION}: \
                 apply it with the one that made it, or plan again",
                word("pumphouse"),
                env!("CARGO_PKG_VERSION")
            ));
        }
        let changed = || "this file was changed since it was written, so it is not applied: plan again".to_owned();
        let told = word("digest");
        let field = format!("\"digest\": \"{told}\"");
        let place = text.rfind(&field).ok_or_else(changed)?;
        let (before, after) = text.split_at(place);
        let bare = format!("{before}{}", after.replacen(&field, NO_DIGEST, 1));
        if digest(bare.trim_end_matches('\n').as_bytes()) != told {
            return Err(changed());
        }
        let mut file: Self =
            serde_json::from_value(document).map_err(|e| format!("this plan file cannot be read: {e}"))?;
        if let Some(saved) = &file.saved {
            file.plan.saved = Some(STANDARD.decode(saved).map_err(|_| changed())?.into());
        }
        Ok(file)
    }

    /// Refuses where the plan does not hold: for another pipeline or environment, or elsewhere.
    ///
    /// # Errors
    /// Says what is another, and what would be right.
    pub(super) fn holds_for(&self, pipeline: &str, env: &str, here: &Place) -> Result<()> {
        if self.pipeline != pipeline {
            return Err(unlike(format!("this is a plan of {}, not of {pipeline}: deploy {0}", self.pipeline)));
        }
        if self.env != env {
            return Err(unlike(format!("this is a plan for the environment {0}, not {env}: --env {0}", self.env)));
        }
        let there = &self.cloud;
        let word = |value: &Option<String>, none: &str| value.clone().unwrap_or_else(|| none.to_owned());
        let account = if there.cloud == "local" { "the state folder" } else { "the account" };
        for (what, planned, now, none) in [
            ("the cloud", &Some(there.cloud.clone()), &Some(here.cloud.clone()), "?"),
            (account, &there.account, &here.account, "no account"),
            ("the region", &there.region, &here.region, "no region"),
            ("the endpoint", &there.endpoint, &here.endpoint, "AWS's own"),
        ] {
            if planned != now {
                return Err(unlike(format!(
                    "this is a plan for {what} {}, and this is {}: deploy it there, or plan again here",
                    word(planned, none),
                    word(now, none)
                )));
            }
        }
        Ok(())
    }

    /// Refuses where a deploy would now lead to something else than what was planned.
    ///
    /// # Errors
    /// Says in what it differs.
    pub(super) fn leads_to(&self, wanted: &Wanted) -> Result<()> {
        let differs = wanted.differs(&self.wanted);
        if differs.is_empty() {
            return Ok(());
        }
        let ours = env!("CARGO_PKG_VERSION");
        let version = if self.pumphouse == ours {
            String::new()
        } else {
            format!(" (and it was made by pumphouse {}; this is {ours})", self.pumphouse)
        };
        Err(unlike(format!(
            "{}: not what was planned any more: {}{version}; check out what was planned, or plan again",
            self.plan.stack,
            differs.join("; ")
        )))
    }
}

#[cfg(test)]
#[path = "plan_file_tests.rs"]
mod tests;
