//! `export cloudformation`: a pipeline's template, and what belongs into the artifact bucket.

use std::{fs, path::PathBuf};

use clap::{Args, ValueHint};

use super::{at, graph};
use crate::{
    cli::{
        failure::{Failure, Result},
        out::note,
        session::Session,
    },
    cloud::stacks::Template,
    deploy::{self, TemplateOptions, executable},
};

/// Which template, and where to.
#[derive(Debug, Args)]
pub struct Cloudformation {
    /// The pipeline's name
    #[arg(required_unless_present = "bootstrap_stack")]
    pipeline: Option<String>,
    /// The template of the bootstrap stack, which all pipelines of an account and region share
    #[arg(long, conflicts_with_all = ["pipeline", "bootstrap", "omit_type", "assets", "emulated"])]
    bootstrap_stack: bool,
    /// Write the template to this file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    output_file: Option<PathBuf>,
    /// The executable for functions in Rust [default: the template asks for its key as a parameter]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    bootstrap: Option<PathBuf>,
    /// Leave out resources of this type, for an endpoint that does not know it
    #[arg(long, value_name = "TYPE")]
    omit_type: Vec<String>,
    /// For an endpoint that only answers like AWS: no TLS, fewer words of IAM's, any glibc
    #[arg(long)]
    emulated: bool,
    /// Write what belongs into the artifact bucket into this folder
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    assets: Option<PathBuf>,
}

impl Cloudformation {
    pub(super) fn run(&self, s: &Session) -> Result {
        let template = match &self.pipeline {
            Some(pipeline) => self.template(s, pipeline)?,
            None => deploy::bootstrap_template(),
        };
        if let Some(dir) = &self.assets {
            for asset in &template.assets {
                let path = dir.join(&asset.key);
                path.parent().map_or(Ok(()), fs::create_dir_all).map_err(|e| at(&path, e))?;
                fs::write(&path, &asset.content).map_err(|e| at(&path, e))?;
            }
        }
        match &self.output_file {
            None => s.out.bytes(template.body.as_bytes()),
            Some(path) => {
                fs::write(path, &template.body).map_err(|e| at(path, e))?;
                note(&format!("{}: {} bytes", path.display(), template.body.len()));
                Ok(())
            }
        }
    }

    fn template(&self, s: &Session, name: &str) -> Result<Template> {
        let graph = graph(s, name)?;
        let bootstrap = match &self.bootstrap {
            Some(path) => Some(executable::find(Some(path), self.emulated).map_err(Failure::failed)?.into()),
            None => None,
        };
        let options = TemplateOptions {
            bootstrap,
            ask_for_bootstrap: true,
            omit_types: self.omit_type.clone(),
            emulated: self.emulated,
        };
        deploy::template(&graph, &options).map_err(Failure::failed)
    }
}
