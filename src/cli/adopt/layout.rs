//! How a directory of Terraform's is laid out: one root module an environment, or one for all.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use crate::{
    cli::failure::{Failure, Result},
    cloud::stacks::Directory,
};

/// Folders that hold one folder an environment.
const FOLDERS: [&str; 6] = ["environments", "envs", "env", "stages", "live", "accounts"];
/// Names of directories that say nothing of what is in them.
const GENERIC: [&str; 10] =
    ["infra", "infrastructure", "terraform", "tofu", "tf", "iac", "deploy", "environments", "envs", "env"];
/// Folders of one root module that may hold files of variables' values.
const VALUES: [&str; 6] = ["", "vars", "tfvars", "env", "envs", "environments"];

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

/// Finds it out.
pub fn find(root: &Path) -> Result<Layout> {
    if is_module(root) {
        return Ok(one_for_all(root));
    }
    let within = FOLDERS.iter().map(|name| root.join(name)).chain([root.to_owned()]);
    for folder in within {
        if let Some(layout) = one_each(&folder) {
            return Ok(layout);
        }
    }
    Err(Failure::failed(format!(
        "{}: no root module of Terraform's is there, nor below environments/: name the directory with the *.tf files",
        root.display()
    )))
}

/// Whether there are Terraform's files in a folder.
fn is_module(dir: &Path) -> bool {
    let ours = |name: &String| Path::new(name).extension().is_some_and(|e| e == "tf" || e == "tofu");
    names(dir).iter().any(|name| ours(name) || name.ends_with(".tf.json"))
}

fn names(dir: &Path) -> Vec<String> {
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

/// A root module for each environment, below one folder.
fn one_each(folder: &Path) -> Option<Layout> {
    let mut notes = Vec::new();
    let mut environments = Vec::new();
    for name in names(folder).into_iter().filter(|name| name != "modules" && is_module(&folder.join(name))) {
        if fits(&name) {
            environments.push(name);
        } else {
            notes.push(format!(
                "{} is left out: an environment's name has 2 to 10 lower-case letters and digits",
                folder.join(name).display()
            ));
        }
    }
    if environments.is_empty() {
        return None;
    }
    let of = |env: &String| (env.clone(), names(&folder.join(env)));
    let files: Vec<_> = environments.iter().map(of).collect();
    let var_files = shared(&files, is_values, &mut notes);
    let backend_config = shared(&files, is_backend, &mut notes);
    let template = folder.join("{env}");
    Some(Layout { template, environments, var_files, backend_config, workspaces: false, notes, guessed: false })
}

/// One root module for all environments, which are told apart by files of values or by workspaces.
fn one_for_all(root: &Path) -> Layout {
    let mut environments = BTreeSet::new();
    let (mut var_files, mut backend_config) = (Vec::new(), Vec::new());
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
    let mut notes = Vec::new();
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
        !self.template.ends_with("{env}")
    }

    /// The directory of an environment, as the engine has it.
    pub fn directory(&self, name: &str, env: &str, binary: &str) -> Directory {
        let named = |text: &String| PathBuf::from(text.replace("{env}", env));
        Directory {
            stack: format!("{name}-{env}"),
            pipeline: name.to_owned(),
            env: env.to_owned(),
            dir: PathBuf::from(self.template.to_string_lossy().replace("{env}", env)),
            var_files: self.var_files.iter().map(named).collect(),
            backend_config: self.backend_config.iter().map(named).collect(),
            workspace: self.workspaces.then(|| env.to_owned()),
            binary: binary.to_owned(),
            lock_timeout_seconds: 0,
        }
    }

    /// Takes workspaces for environments, where they are called like them, or where there are no others.
    pub fn take_workspaces(&mut self, workspaces: &[String]) {
        let fitting: Vec<String> = workspaces.iter().filter(|name| fits(name)).cloned().collect();
        if self.guessed && !fitting.is_empty() {
            self.environments = fitting;
            self.workspaces = true;
            self.notes.clear();
        } else if !self.guessed && self.environments.iter().all(|env| fitting.contains(env)) {
            self.workspaces = true;
        }
    }

    /// Whether the lock file names OpenTofu's registry.
    pub fn locked_by_tofu(&self) -> bool {
        let dir = |env: &String| PathBuf::from(self.template.to_string_lossy().replace("{env}", env));
        let lock = |env| fs::read_to_string(dir(env).join(".terraform.lock.hcl")).unwrap_or_default();
        self.environments.iter().any(|env| lock(env).contains("registry.opentofu.org"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(files: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for file in files {
            let path = dir.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        dir
    }

    #[test]
    fn environments_with_directories_of_their_own_share_what_all_of_them_have() {
        let dir = made(&[
            "environments/dev/main.tf",
            "environments/dev/dev.tfvars",
            "environments/dev/terraform.tfvars",
            "environments/dev/secret.auto.tfvars",
            "environments/dev/only.tfvars",
            "environments/dev/backend.hcl",
            "environments/prod/main.tf",
            "environments/prod/prod.tfvars",
            "environments/prod/backend.hcl",
            "environments/Pre_Prod/main.tf",
            "modules/lake/main.tf",
        ]);
        let layout = find(dir.path()).unwrap();
        assert_eq!(layout.environments, ["dev", "prod"]);
        assert_eq!(
            (layout.var_files.clone(), layout.backend_config.clone()),
            (vec!["{env}.tfvars".into()], vec!["backend.hcl".into()])
        );
        assert!(
            layout.notes.iter().any(|n| n.contains("only.tfvars"))
                && layout.notes.iter().any(|n| n.contains("Pre_Prod"))
        );
        assert!(!layout.single());
        assert!(layout.directory("x", "prod", "tofu").dir.ends_with("environments/prod"));
        assert_eq!(find(&dir.path().join("environments")).unwrap().environments, ["dev", "prod"]);
    }

    #[test]
    fn one_root_module_is_told_apart_by_values_or_workspaces() {
        let dir = made(&["main.tf", "vars/dev.tfvars", "vars/prod.tfvars", "dev.s3.tfbackend", "prod.s3.tfbackend"]);
        let mut layout = find(dir.path()).unwrap();
        assert_eq!(
            (layout.environments.clone(), layout.var_files.clone()),
            (vec!["dev".into(), "prod".to_owned()], vec!["vars/{env}.tfvars".to_owned()])
        );
        layout.take_workspaces(&["dev".into()]);
        assert!(!layout.workspaces && layout.single());
        layout.take_workspaces(&["dev".into(), "prod".into()]);
        assert!(layout.workspaces);
        let bare = made(&["main.tf"]);
        let mut layout = find(bare.path()).unwrap();
        assert_eq!(layout.environments, ["dev"]);
        layout.take_workspaces(&["blue".into(), "NOT".into()]);
        assert_eq!((layout.environments.clone(), layout.workspaces), (vec!["blue".to_owned()], true));
        assert!(find(made(&["README.md"]).path()).is_err());
    }

    #[test]
    fn a_pipeline_is_called_after_what_says_something() {
        let of = |path: &str| name(Path::new(path));
        assert_eq!(of("/home/ada/Orders_Service/infra"), "orders-service");
        assert_eq!(of("/srv/lake/infra/environments/dev"), "lake");
        assert_eq!(of("/"), "adopted");
        assert_eq!(plain("2024 A very long name that goes on and on"), "a-very-long-name-that-go");
    }
}
