//! `export terraform`: a directory for Terraform.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use clap::{Args, ValueHint};

use super::{at, described};
use crate::{
    cli::{
        failure::{Failure, Result},
        out::note,
        session::Session,
    },
    deploy::{self, TerraformOptions, executable},
};

/// What to write, and where to.
#[derive(Debug, Args)]
pub struct Terraform {
    /// The pipeline's name
    pipeline: String,
    /// The directory: modules/PIPELINE, environments/ENV and a README are written into it
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    to: PathBuf,
    /// The executable for functions in Rust [default: the module asks for its archive]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    bootstrap: Option<PathBuf>,
    /// The S3 bucket that Terraform keeps its state in [default: to be filled in]
    #[arg(long, value_name = "BUCKET")]
    state_bucket: Option<String>,
    /// Write over files that are there and differ, and remove those of the module that are not exported any more
    #[arg(long)]
    overwrite: bool,
}

impl Terraform {
    pub(super) fn run(&self, s: &Session) -> Result {
        let pipeline = described(s, &self.pipeline)?;
        let bootstrap = match &self.bootstrap {
            Some(path) => Some(executable::find(Some(path), false).map_err(Failure::failed)?.into()),
            None => None,
        };
        let options = TerraformOptions { bootstrap, state_bucket: self.state_bucket.clone() };
        let files = deploy::terraform(&pipeline, &options).map_err(Failure::failed)?;
        let differs = |(path, content): &(&String, &Bytes)| {
            fs::read(self.to.join(path)).is_ok_and(|there| there != content.as_ref())
        };
        let left = self.left(&files).map_err(|e| at(&self.to, e))?;
        let there: Vec<&str> =
            files.iter().filter(differs).map(|(path, _)| path).chain(&left).map(String::as_str).collect();
        if !there.is_empty() && !self.overwrite {
            let why = format!(
                "{} holds other files of these names, or ones that are not exported any more: {}; nothing was written. Name \
                 another directory, or write over them with --overwrite",
                self.to.display(),
                there.join(", ")
            );
            return Err(Failure::failed(why));
        }
        for (path, content) in &files {
            let path = self.to.join(path);
            path.parent().map_or(Ok(()), fs::create_dir_all).map_err(|e| at(&path, e))?;
            fs::write(&path, content).map_err(|e| at(&path, e))?;
        }
        // Terraform would go on with what is in them.
        for path in &left {
            let path = self.to.join(path);
            fs::remove_file(&path).map_err(|e| at(&path, e))?;
            note(&format!("{}: not exported any more, and removed", path.display()));
        }
        let envs = pipeline.env_names().join(" and ");
        note(&format!("{}: {} files, for {envs}; README.md says what is next", self.to.display(), files.len()));
        Ok(())
    }

    /// What an earlier export has written into the module, and this one has not.
    fn left(&self, files: &BTreeMap<String, Bytes>) -> std::io::Result<Vec<String>> {
        let mut left = Vec::new();
        let mut folders = vec![self.to.join("modules").join(&self.pipeline)];
        while let Some(folder) = folders.pop() {
            if !folder.is_dir() {
                continue;
            }
            for entry in fs::read_dir(&folder)? {
                let path = entry?.path();
                if path.is_dir() {
                    folders.push(path);
                } else if let Some(path) = within(&self.to, &path)
                    && !files.contains_key(&path)
                    && deploy::is_of_module(&self.pipeline, &path)
                {
                    left.push(path);
                }
            }
        }
        left.sort();
        Ok(left)
    }
}

/// A path as it is in a folder, with `/` between its parts.
fn within(folder: &Path, path: &Path) -> Option<String> {
    let parts = path.strip_prefix(folder).ok()?.iter().map(|part| part.to_str()).collect::<Option<Vec<_>>>()?;
    Some(parts.join("/"))
}
