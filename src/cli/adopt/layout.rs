//! How a directory of Terraform's is laid out: one root module an environment, or one for all.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use super::tree::Tree;
use crate::{
    cli::failure::{Failure, Result},
    cloud::stacks::Directory,
};

/// Folders that hold one folder an environment.
const FOLDERS: [&str; 6] = ["environments", "envs", "env", "stages", "live", "accounts"];
/// Names of directories that say nothing of what is in them.
const GENERIC: [&str; 13] = [
    "infra",
    "infrastructure",
    "terraform",
    "tofu",
    "tf",
    "iac",
    "deploy",
    "environments",
    "envs",
    "env",
    "stages",
    "live",
    "accounts",
];
/// Folders of one root module that may hold files of variables' values.
const VALUES: [&str; 6] = ["", "vars", "tfvars", "env", "envs", "environments"];

/// What Terragrunt's files are called.
pub(super) const TERRAGRUNT: &str = "terragrunt.hcl";
/// Why something is not an environment.
const NAMES: &str = "an environment's name has 2 to 10 lower-case letters and digits";

/// How a directory is laid out.
#[derive(Debug)]
pub struct Layout {
    /// The root module's directory, with `{env}` where each environment has one of its own.
    pub template: PathBuf,
    /// The environments.
    pub environments: Vec<String>,
    /// Files of variables' values, from the root module's directory, with `{env}`.
    pub var_files: Vec<String>,
    /// Files that complete the configuration of the backend, likewise.
    pub backend_config: Vec<String>,
    /// Whether each environment is a workspace.
    pub workspaces: bool,
    /// What is to be said of it.
    pub notes: Vec<String>,
    /// Whether the environments were only made up.
    guessed: bool,
}

/// Finds it out. `root` may name the place of the environment itself: `live/{env}/orders`.
pub fn find(root: &Path) -> Result<Layout> {
    if root.to_string_lossy().contains("{env}") {
        let none = || Failure::failed(format!("{}: there is no root module of Terraform's", root.display()));
        return refused_by_terragrunt(each(root).ok_or_else(none)?);
    }
    if is_module(root) {
        return refused_by_terragrunt(one_for_all(root));
    }
    let within = FOLDERS.iter().map(|name| root.join(name)).chain([root.to_owned()]);
    for folder in within {
        if let Some(layout) = each(&folder.join("{env}")) {
            return refused_by_terragrunt(layout);
        }
    }
    let tree = Tree::below(root);
    if let [template] = tree.templates.as_slice()
        && let Some(layout) = each(template)
    {
        return refused_by_terragrunt(layout);
    }
    Err(tree.refusal(root))
}

/// Terragrunt adds to a module, when it runs it, what Terraform by itself knows nothing of: its backend, its inputs.
fn refused_by_terragrunt(layout: Layout) -> Result<Layout> {
    let mut dirs = layout.environments.iter().map(|env| layout.dir(env));
    match dirs.find(|dir| dir.join(TERRAGRUNT).is_file()) {
        Some(dir) => Err(terragrunt(&dir)),
        None => Ok(layout),
    }
}

pub(super) fn terragrunt(dir: &Path) -> Failure {
    Failure::failed(format!(
        "{}: this is Terragrunt's ({TERRAGRUNT}), which makes the backend and the inputs of a root module when it runs; \
         pumphouse runs terraform or tofu itself, in a directory that is whole without it",
        dir.display()
    ))
}

/// Whether there are Terraform's files in a folder.
pub(super) fn is_module(dir: &Path) -> bool {
    names(dir).iter().any(|name| [".tf", ".tf.json", ".tofu", ".tofu.json"].iter().any(|end| name.ends_with(end)))
}

pub(super) fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.filter_map(|e| e.file_name().into_string().ok()).collect();
    names.sort();
    names
}

/// Whether pipeline.toml can call an environment so.
fn fits(name: &str) -> bool {
    (2..=10).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
}

/// A root module for each environment, by a path with `{env}` in it.
fn each(template: &Path) -> Option<Layout> {
    let place = template.ancestors().find(|path| {
        path.file_name().is_some_and(|name| name.to_string_lossy().contains("{env}"))
            && path.parent().is_some_and(|above| !above.to_string_lossy().contains("{env}"))
    })?;
    let (folder, name) = (place.parent()?, place.file_name()?.to_string_lossy());
    let (before, after) = name.split_once("{env}")?;
    let mut notes = Vec::new();
    let mut environments = Vec::new();
    for name in names(folder).iter().filter(|name| *name != "modules") {
        let Some(env) = name.strip_prefix(before).and_then(|rest| rest.strip_suffix(after)) else { continue };
        let dir = template.to_string_lossy().replace("{env}", env);
        if !is_module(Path::new(&dir)) {
            continue;
        }
        if fits(env) {
            environments.push(env.to_owned());
        } else {
            notes.push(format!("{dir} is left out: {NAMES}"));
        }
    }
    if environments.is_empty() {
        return None;
    }
    let dir = |env: &String| template.to_string_lossy().replace("{env}", env);
    let files: Vec<_> = environments.iter().map(|env| (env.clone(), names(Path::new(&dir(env))))).collect();
    let var_files = shared(&files, is_values, &mut notes);
    let backend_config = shared(&files, is_backend, &mut notes);
    let template = template.to_owned();
    Some(Layout { template, environments, var_files, backend_config, workspaces: false, notes, guessed: false })
}

/// One root module for all environments, which are told apart by files of values or by workspaces.
fn one_for_all(root: &Path) -> Layout {
    let mut environments = BTreeSet::new();
    let (mut var_files, mut backend_config, mut notes) = (Vec::new(), Vec::new(), Vec::new());
    for folder in VALUES {
        let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let files = names(&root.join(folder));
        for name in files.iter().filter(|name| is_values(name)) {
            let env = name.split('.').next().unwrap_or_default();
            if fits(env) && env != "common" && env != "shared" {
                environments.insert(env.to_owned());
                let file = format!("{prefix}{}", name.replacen(env, "{env}", 1));
                if !var_files.contains(&file) {
                    var_files.push(file);
                }
            } else {
                notes.push(format!("{prefix}{name} is left out: {NAMES}"));
            }
        }
        for name in files.iter().filter(|name| is_backend(name)) {
            let env = environments.iter().find(|env| name.contains(env.as_str()));
            let file = env.map_or_else(|| name.clone(), |env| name.replacen(env.as_str(), "{env}", 1));
            let file = format!("{prefix}{file}");
            if !backend_config.contains(&file) {
                backend_config.push(file);
            }
        }
    }
    let guessed = environments.is_empty();
    if guessed {
        let own =
            root.file_name().and_then(|n| n.to_str()).filter(|n| matches!(*n, "dev" | "test" | "staging" | "prod"));
        let env = own.unwrap_or("dev").to_owned();
        if own.is_none() {
            notes.push(format!("nothing says which environment this is: it is called {env}"));
        }
        environments.insert(env);
    }
    Layout {
        template: root.to_owned(),
        environments: environments.into_iter().collect(),
        var_files,
        backend_config,
        workspaces: false,
        notes,
        guessed,
    }
}

/// Files of values that Terraform does not read by itself.
fn is_values(name: &str) -> bool {
    let values = name.ends_with(".tfvars") || name.ends_with(".tfvars.json");
    values && !name.starts_with("terraform.tfvars") && !name.contains(".auto.tfvars")
}

/// Files that complete a backend's configuration, as they are called by custom.
fn is_backend(name: &str) -> bool {
    name.ends_with(".tfbackend") || name.ends_with("backend.hcl") || name.ends_with("backend.conf")
}

/// The files that every environment has, but for its own name in them.
fn shared(files: &[(String, Vec<String>)], wanted: fn(&str) -> bool, notes: &mut Vec<String>) -> Vec<String> {
    let templates = |(env, names): &(String, Vec<String>)| -> BTreeSet<String> {
        names.iter().filter(|name| wanted(name)).map(|name| name.replacen(env.as_str(), "{env}", 1)).collect()
    };
    let all: Vec<_> = files.iter().map(templates).collect();
    let Some(first) = all.first() else { return Vec::new() };
    let common: BTreeSet<String> = all.iter().skip(1).fold(first.clone(), |common, own| &common & own);
    for ((env, _), own) in files.iter().zip(&all) {
        for file in own - &common {
            notes.push(format!("{env}: {file} is not in every environment, and is left out"));
        }
    }
    common.into_iter().collect()
}

/// The name of a pipeline after a directory: its own, or that of one above it which says more.
pub fn name(root: &Path) -> String {
    let folders = root.ancestors().filter_map(|path| path.file_name()?.to_str());
    let named = folders.map(plain).find(|name| name.len() >= 2 && !GENERIC.contains(&name.as_str()) && !fits_env(name));
    named.unwrap_or_else(|| "adopted".to_owned())
}

fn fits_env(name: &str) -> bool {
    matches!(name, "dev" | "test" | "staging" | "prod" | "main" | "modules")
}

/// A text as a pipeline's name.
fn plain(text: &str) -> String {
    let lower = text.to_ascii_lowercase();
    let words: Vec<&str> = lower.split(|c: char| !c.is_ascii_alphanumeric()).filter(|w| !w.is_empty()).collect();
    let joined = words.join("-");
    let begun = joined.trim_start_matches(|c: char| !c.is_ascii_lowercase());
    begun.chars().take(24).collect::<String>().trim_end_matches('-').to_owned()
}

impl Layout {
    /// Whether all environments have one root module.
    pub fn single(&self) -> bool {
        !self.template.to_string_lossy().contains("{env}")
    }

    /// The root module's directory of an environment.
    fn dir(&self, env: &str) -> PathBuf {
        PathBuf::from(self.template.to_string_lossy().replace("{env}", env))
    }

    /// The directory of an environment, as the engine has it.
    pub fn directory(&self, name: &str, env: &str, binary: &str) -> Directory {
        let named = |text: &String| PathBuf::from(text.replace("{env}", env));
        Directory {
            stack: format!("{name}-{env}"),
            pipeline: name.to_owned(),
            env: env.to_owned(),
            dir: self.dir(env),
            var_files: self.var_files.iter().map(named).collect(),
            backend_config: self.backend_config.iter().map(named).collect(),
            workspace: self.workspaces.then(|| env.to_owned()),
            shared: Directory::is_shared(&self.template.to_string_lossy(), &self.backend_config),
            binary: binary.to_owned(),
            lock_timeout_seconds: 0,
        }
    }

    /// Takes workspaces for environments, where they are called like them, or where there are no others.
    pub fn take_workspaces(&mut self, workspaces: &[String]) {
        let (fitting, others): (Vec<String>, Vec<String>) = workspaces.iter().cloned().partition(|name| fits(name));
        if self.guessed && !fitting.is_empty() {
            self.environments = fitting;
            self.workspaces = true;
            self.notes.clear();
        } else if !self.guessed && self.environments.iter().all(|env| fitting.contains(env)) {
            self.workspaces = true;
        }
        if !others.is_empty() && (self.workspaces || self.guessed) {
            self.notes.push(format!("workspaces that are left out: {}: {NAMES}", others.join(", ")));
        }
    }

    /// What is to be said of it, by now.
    pub fn said(&self) -> Vec<String> {
        let mut notes = self.notes.clone();
        let apart = self.workspaces || self.backend_config.iter().any(|file| file.contains("{env}"));
        if self.single() && self.environments.len() > 1 && !apart {
            notes.push(format!(
                "{} have one directory and, as it seems, one state: a deploy of one changes what the other has deployed. Tell \
                 their states apart before you deploy, by `workspace = \"{{env}}\"` or by `backend_config = [\"{{env}}.tfbackend\"]`",
                self.environments.join(" and ")
            ));
        }
        notes
    }

    /// Whether it is OpenTofu's: its lock file names OpenTofu's registry, or it has files that Terraform does not read.
    pub fn is_tofus(&self) -> bool {
        let tofus = |dir: &Path| {
            let lock = fs::read_to_string(dir.join(".terraform.lock.hcl")).unwrap_or_default();
            lock.contains("registry.opentofu.org")
                || names(dir).iter().any(|name| [".tofu", ".tofu.json"].iter().any(|end| name.ends_with(end)))
        };
        self.environments.iter().any(|env| tofus(&self.dir(env)))
    }
}

#[cfg(test)]
#[path = "layout_tests.rs"]
mod tests;
