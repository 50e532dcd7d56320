//! What the exports of templates are told alike, and what they do with it.

use std::{fs, path::Path, path::PathBuf};

use clap::{Args, ValueHint};

use super::at;
use crate::{
    cli::failure::{Failure, Result},
    cloud::stacks::Asset,
    deploy::{executable, package::Executable},
};

/// How a template is rendered, and where its assets go.
#[derive(Debug, Args)]
pub(super) struct Rendering {
    /// The executable for functions in Rust [default: the template asks for its key as a parameter]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    bootstrap: Option<PathBuf>,
    /// Leave out resources of this type, for an endpoint that does not know it
    #[arg(long, value_name = "TYPE")]
    omit_type: Vec<String>,
    /// For an endpoint that only answers like AWS: no TLS, fewer words of IAM's, any glibc
    #[arg(long)]
    pub(super) emulated: bool,
    /// Write what belongs into the artifact bucket into this folder
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    assets: Option<PathBuf>,
}

impl Rendering {
    /// The executable for functions in Rust, where one is named.
    pub(super) fn bootstrap(&self) -> Result<Option<Executable>> {
        let Some(path) = &self.bootstrap else { return Ok(None) };
        Ok(Some(executable::find(Some(path), self.emulated).map_err(Failure::failed)?.into()))
    }

    /// The types to leave out.
    pub(super) fn omit_types(&self) -> Vec<String> {
        self.omit_type.clone()
    }

    /// Writes what belongs into the artifact bucket, where a folder is named for it.
    pub(super) fn keep(&self, assets: &[Asset]) -> Result {
        let Some(dir) = &self.assets else { return Ok(()) };
        assets.iter().try_for_each(|asset| write(&dir.join(&asset.key), &asset.content))
    }
}

/// Writes a file, with the folders on the way to it.
pub(super) fn write(path: &Path, content: impl AsRef<[u8]>) -> Result {
    path.parent().map_or(Ok(()), fs::create_dir_all).map_err(|e| at(path, e))?;
    fs::write(path, content).map_err(|e| at(path, e))
}
