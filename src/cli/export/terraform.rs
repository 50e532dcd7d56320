//! `export terraform`: a directory for Terraform.

use std::{fs, path::PathBuf};

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
    /// Write over files that are there and differ
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
        let there: Vec<&str> = files.iter().filter(differs).map(|(path, _)| path.as_str()).collect();
        if !there.is_empty() && !self.overwrite {
            let why = format!(
                "{} holds other files of these names: {}; nothing was written. Name another directory, or write over them \
                 with --overwrite",
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
        let envs = pipeline.env_names().join(" and ");
        note(&format!("{}: {} files, for {envs}; README.md says what is next", self.to.display(), files.len()));
        Ok(())
    }
}
