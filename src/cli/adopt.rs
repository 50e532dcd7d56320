//! `adopt`: a pipeline.toml for a directory of Terraform's that is there.

mod layout;
mod toml;
mod tree;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use clap::{Args, ValueEnum, ValueHint};

use super::{
    connect::{self, known_handler},
    failure::{Failure, Result},
    out::note,
    session::Session,
};
use crate::{
    cloud::stacks::Directory,
    config::Settings,
    spec::{self, ExistingKind},
    terraform::{Terraform, inventory::Inventory, state::Resource},
};
use layout::Layout;

/// Names of one kind in a list of pipeline.toml.
const MOST: usize = 100;

/// What to adopt.
#[derive(Debug, Args)]
pub struct Adopt {
    /// The directory: a root module's, one with `environments/dev` and the like, or a path with `{env}` in it:
    /// `live/{env}/orders`
    #[arg(value_hint = ValueHint::DirPath)]
    dir: PathBuf,
    /// The folder of the new pipeline.toml [default: NAME in --pipelines, else in ./pipelines]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    to: Option<PathBuf>,
    /// The pipeline's name [default: the directory's]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// The program [default: what the directory's lock file was written by, else terraform]
    #[arg(long)]
    binary: Option<Binary>,
}

/// The programs that speak Terraform's language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Binary {
    Terraform,
    Tofu,
}

/// An environment, and what was found in it.
struct Found {
    env: String,
    region: Option<String>,
    existing: BTreeMap<ExistingKind, Vec<String>>,
}

impl Adopt {
    /// Looks at the directory, and writes the file.
    pub fn run(&self, s: &Session) -> Result {
        super::runtime()?.block_on(self.adopt(s))
    }

    async fn adopt(&self, s: &Session) -> Result {
        let root = whole(&self.dir)?;
        let mut layout = layout::find(&root)?;
        let name = match &self.name {
            Some(name) => name.clone(),
            None => layout::name(&layout.template),
        };
        let parent = s.settings.pipelines.value.clone().unwrap_or_else(|| PathBuf::from("pipelines"));
        let folder = self.to.clone().unwrap_or_else(|| parent.join(&name));
        let file = folder.join(spec::load::FILE);
        if file.exists() {
            return Err(Failure::failed(format!(
                "{} is there already, and is left as it is: name another folder with --to, or another pipeline with --name",
                file.display()
            )));
        }
        let tofu = self.binary.map_or_else(|| layout.is_tofus(), |binary| binary == Binary::Tofu);
        let binary = if tofu { "tofu" } else { "terraform" };
        let terraform = reader(&s.settings);
        if layout.single() {
            let probe = layout.directory(&name, &layout.environments[0].clone(), binary);
            match terraform.root(&probe).workspaces().await {
                Ok(workspaces) => layout.take_workspaces(&workspaces),
                Err(error) => note(&format!("its workspaces are not known: {error}")),
            }
        }
        let mut found = Vec::new();
        for env in layout.environments.clone() {
            found.push(look(&terraform, &layout.directory(&name, &env, binary), &env).await);
        }
        for said in &layout.said() {
            note(said);
        }
        let dir = relative(&folder, &layout.template)?;
        let text = toml::write(&name, &dir, binary, &layout, &found);
        let files = [(spec::load::FILE.to_owned(), text.clone().into())].into();
        spec::load_memory(files, &known_handler).map_err(|report| Failure::failed(report.to_string()))?;
        write(&folder, &file, &text)?;
        note(&format!("{}: written, and nothing wrong in it", file.display()));
        let elsewhere = if self.to.is_some() { format!(" --pipelines {}", folder.display()) } else { String::new() };
        note(&format!("Look at it: pumphouse plan {name}{elsewhere}"));
        Ok(())
    }
}

/// The full path of a directory, in which `{env}` may stand for the name of an environment.
fn whole(dir: &Path) -> Result<PathBuf> {
    let fixed = dir.ancestors().find(|path| !path.to_string_lossy().contains("{env}")).unwrap_or(Path::new(""));
    let rest = dir.strip_prefix(fixed).unwrap_or(Path::new(""));
    let fixed = if fixed.as_os_str().is_empty() { Path::new(".") } else { fixed };
    let failed = |e: std::io::Error| Failure::failed(format!("{}: {e}", fixed.display()));
    let there = fixed.canonicalize().map_err(failed)?;
    if !there.is_dir() {
        return Err(Failure::failed(format!("{}: this is no directory", fixed.display())));
    }
    Ok(if rest.as_os_str().is_empty() { there } else { there.join(rest) })
}

/// Terraform, for nothing but to read.
fn reader(settings: &Settings) -> Terraform {
    let mut settings = settings.clone();
    settings.read_only.value = true;
    connect::terraform(&settings)
}

/// What an environment's state has, or its plan.
async fn look(terraform: &Terraform, directory: &Directory, env: &str) -> Found {
    let inventory = match terraform.root(directory).inventory().await {
        Ok(inventory) => inventory,
        Err(error) => {
            note(&format!("{env}: what is there is not known, so that `existing` stays empty: {error}"));
            return Found { env: env.to_owned(), region: None, existing: BTreeMap::new() };
        }
    };
    let Inventory { resources, planned } = inventory;
    let mut existing: BTreeMap<ExistingKind, Vec<String>> = BTreeMap::new();
    for resource in resources.iter().filter(|r| !r.physical_name.is_empty()) {
        let Some(kind) = ExistingKind::ALL.into_iter().find(|k| k.word() == resource.kind) else { continue };
        let names = existing.entry(kind).or_default();
        if !names.contains(&resource.physical_name) {
            names.push(resource.physical_name.clone());
        }
    }
    for (kind, names) in &mut existing {
        names.sort();
        if names.len() > MOST {
            note(&format!("{env}: of {} {} the first {MOST} are named", names.len(), kind.key()));
            names.truncate(MOST);
        }
    }
    let known: usize = existing.values().map(Vec::len).sum();
    let source = if planned { "its plan, as its state has nothing" } else { "its state" };
    note(&format!("{env}: {} resources in {source}; {known} of them are for the panes", resources.len()));
    Found { env: env.to_owned(), region: region(&resources), existing }
}

/// The region that most ARNs name.
fn region(resources: &[Resource]) -> Option<String> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for arn in resources.iter().filter_map(|r| r.arn.as_deref()) {
        if let Some(region) = arn.split(':').nth(3).filter(|r| !r.is_empty()) {
            *counts.entry(region).or_default() += 1;
        }
    }
    counts.into_iter().max_by_key(|(_, count)| *count).map(|(region, _)| region.to_owned())
}

/// The way from a folder, which need not be there yet, to what is named by a full path.
fn relative(folder: &Path, target: &Path) -> Result<String> {
    let unknown = |e: std::io::Error| Failure::failed(format!("{}: {e}", folder.display()));
    let full = std::path::absolute(folder).map_err(unknown)?;
    // What is there is followed to where it is; the rest is taken as it is written.
    let mut there = full.as_path();
    let mut rest = Vec::new();
    let from = loop {
        if let Ok(real) = there.canonicalize() {
            break rest.iter().rev().fold(real, |path, part: &std::ffi::OsString| path.join(part));
        }
        match (there.parent(), there.file_name()) {
            (Some(parent), Some(name)) => {
                rest.push(name.to_owned());
                there = parent;
            }
            _ => break full.clone(),
        }
    };
    let (from, to): (Vec<_>, Vec<_>) = (from.components().collect(), target.components().collect());
    let common = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    let mut parts: Vec<String> = from[common..].iter().map(|_| "..".to_owned()).collect();
    parts.extend(to[common..].iter().map(|c| c.as_os_str().to_string_lossy().into_owned()));
    Ok(if parts.is_empty() { ".".to_owned() } else { parts.join("/") })
}

/// Writes the file, which must not be there: whole, or not at all.
fn write(folder: &Path, file: &Path, text: &str) -> Result {
    let failed = |e: std::io::Error| match e.kind() {
        std::io::ErrorKind::AlreadyExists => {
            Failure::failed(format!("{} is there already, and is left as it is", file.display()))
        }
        _ => Failure::failed(format!("{}: {e}", file.display())),
    };
    std::fs::create_dir_all(folder).map_err(failed)?;
    let fresh = folder.join(format!(".adopt-{}", uuid::Uuid::new_v4().simple()));
    // A link fails where there is a file of that name by now.
    let written = std::fs::write(&fresh, text).and_then(|()| std::fs::hard_link(&fresh, file));
    let _ = std::fs::remove_file(&fresh);
    written.map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_named_from_the_folder_of_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let base = dir.path().canonicalize().unwrap();
        let of = |folder: &str, target: &str| relative(&base.join(folder), &base.join(target)).unwrap();
        assert_eq!(of("pipelines/orders", "infra/environments/{env}"), "../../infra/environments/{env}");
        assert_eq!(of("", "infra"), "infra");
        assert_eq!(of("infra", "infra"), ".");
    }

    #[test]
    fn the_region_is_that_of_most() {
        let resource = |arn: &str| Resource {
            address: String::new(),
            resource_type: String::new(),
            kind: String::new(),
            physical_name: String::new(),
            arn: Some(arn.to_owned()),
            tainted: false,
        };
        let all = [
            "arn:aws:s3:::b",
            "arn:aws:sns:eu-west-1:123456789012:a",
            "arn:aws:sqs:eu-west-1:123456789012:b",
            "arn:aws:acm:us-east-1:123456789012:c",
        ];
        assert_eq!(region(&all.map(resource)).as_deref(), Some("eu-west-1"));
        assert_eq!(region(&[resource("arn:aws:s3:::b")]), None);
    }
}
