//! `export cloudformation`: a pipeline's template, its parameters, and what belongs into the artifact bucket.

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::{Args, ValueHint};
use serde_json::{Value, json};

use super::{
    at, pipeline,
    rendering::{Rendering, write},
};
use crate::{
    cli::{
        failure::{Failure, Result},
        out::note,
        session::Session,
    },
    cloud::stacks::Template,
    deploy::{
        self, TemplateOptions,
        package::{Architecture, Executable},
    },
    spec::Pipeline,
};

/// What stands in a parameters file for a key that nobody knows yet; CloudFormation refuses it.
const UNKNOWN_KEY: &str = "functions/SHA256.zip";

/// Which template, and where to.
#[derive(Debug, Args)]
pub struct Cloudformation {
    /// The pipeline's name
    #[arg(required_unless_present = "bootstrap_stack")]
    pipeline: Option<String>,
    /// The template of the bootstrap stack, which all pipelines of an account and region share
    #[arg(long, conflicts_with_all = ["pipeline", "bootstrap", "omit_type", "assets", "emulated", "parameters_file", "to"])]
    bootstrap_stack: bool,
    /// Write the template to this file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    output_file: Option<PathBuf>,
    #[command(flatten)]
    rendering: Rendering,
    /// Write the values of the template's parameters to this file, as CloudFormation reads them
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    parameters_file: Option<PathBuf>,
    /// Write templates, parameters and assets of all environments into this folder
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath,
        conflicts_with_all = ["output_file", "assets", "parameters_file"])]
    to: Option<PathBuf>,
}

impl Cloudformation {
    pub(super) fn run(&self, s: &Session) -> Result {
        let Some(name) = &self.pipeline else {
            return self.print(s, &deploy::bootstrap_template());
        };
        let pipeline = pipeline(s, name)?;
        let executable = self.rendering.bootstrap()?;
        if let Some(dir) = &self.to {
            return self.all(&pipeline, executable.as_ref(), dir);
        }
        let env = &s.settings.env.value;
        let Some(path) = &self.parameters_file else {
            let template = self.template(&pipeline, env, executable)?;
            self.rendering.keep(&template.assets)?;
            return self.print(s, &template);
        };
        let (template, parameters) = self.asking(&pipeline, env, executable.as_ref())?;
        self.rendering.keep(&template.assets)?;
        write(path, &parameters)?;
        self.print(s, &template)
    }

    fn print(&self, s: &Session, template: &Template) -> Result {
        match &self.output_file {
            None => s.out.bytes(template.body.as_bytes()),
            Some(path) => {
                fs::write(path, &template.body).map_err(|e| at(path, e))?;
                note(&format!("{}: {} bytes", path.display(), template.body.len()));
                Ok(())
            }
        }
    }

    fn template(&self, pipeline: &Pipeline, env: &str, bootstrap: Option<Executable>) -> Result<Template> {
        let graph = deploy::graph(pipeline, env).map_err(Failure::failed)?;
        let options = TemplateOptions {
            bootstrap,
            ask_for_bootstrap: true,
            omit_types: self.rendering.omit_types(),
            emulated: self.rendering.emulated,
        };
        deploy::template(&graph, &options).map_err(Failure::failed)
    }

    /// The template that asks for the executable's key, and a file that answers: so the template stays as it is whatever is
    /// built.
    fn asking(&self, pipeline: &Pipeline, env: &str, executable: Option<&Executable>) -> Result<(Template, String)> {
        let mut template = self.template(pipeline, env, None)?;
        let document: Value = serde_json::from_str(&template.body).map_err(Failure::failed)?;
        let asks = document.get("Parameters").is_some();
        let mut values = Vec::new();
        if let Some(executable) = executable.filter(|_| asks) {
            let asset = executable.packed().map_err(Failure::failed)?;
            let architecture = Architecture::of(executable.content()).map_err(Failure::failed)?;
            values =
                vec![("BootstrapKey", asset.key.clone()), ("BootstrapArchitecture", architecture.word().to_owned())];
            template.assets.push(asset);
        } else if asks {
            let path = "--parameters-file and --to without --bootstrap";
            note(&format!("{path}: BootstrapKey is {UNKNOWN_KEY} until you write the key of your archive there"));
            values = vec![
                ("BootstrapKey", UNKNOWN_KEY.to_owned()),
                ("BootstrapArchitecture", Architecture::X86_64.word().to_owned()),
            ];
        }
        let one = |(key, value): &(&str, String)| json!({"ParameterKey": key, "ParameterValue": value});
        let values: Vec<Value> = values.iter().map(one).collect();
        let text = serde_json::to_string_pretty(&values).map_err(Failure::failed)?;
        Ok((template, text + "\n"))
    }

    /// The folder of all environments.
    fn all(&self, pipeline: &Pipeline, executable: Option<&Executable>, dir: &Path) -> Result {
        for env in pipeline.env_names() {
            let (template, parameters) = self.asking(pipeline, env, executable)?;
            write(&dir.join("templates").join(format!("{env}.json")), &template.body)?;
            write(&dir.join("parameters").join(format!("{env}.json")), &parameters)?;
            for asset in &template.assets {
                write(&dir.join("assets").join(&asset.key), &asset.content)?;
            }
        }
        note(&format!("{}: templates and parameters for {}", dir.display(), pipeline.env_names().join(" and ")));
        Ok(())
    }
}
