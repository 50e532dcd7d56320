//! What is below a directory that is no root module itself: a tree with one root module for each part and environment.

use std::path::{Component, Path, PathBuf};

use super::layout::{TERRAGRUNT, is_module, names, terragrunt};
use crate::cli::failure::Failure;

/// How deep it is looked, and into how many folders at the most.
const DEPTH: usize = 6;
const FOLDERS: usize = 2_000;
/// Folders that a refusal names.
const NAMED: usize = 8;
/// What environments are called.
const ENVIRONMENTS: [&str; 14] = [
    "dev", "develop", "test", "testing", "qa", "uat", "int", "stage", "staging", "preprod", "sandbox", "prod", "prd",
    "live",
];

/// What was found.
#[derive(Debug, Default)]
pub struct Tree {
    /// Root modules, each environment's name in a path replaced by `{env}`.
    pub templates: Vec<PathBuf>,
    /// A folder with a file of Terragrunt's.
    terragrunt: Option<PathBuf>,
    seen: usize,
}

impl Tree {
    /// Looks below a folder.
    pub fn below(root: &Path) -> Self {
        let mut tree = Self::default();
        tree.look(root, root, 0);
        tree.templates.sort();
        tree.templates.dedup();
        tree
    }

    fn look(&mut self, root: &Path, dir: &Path, depth: usize) {
        self.seen += 1;
        if depth > DEPTH || self.seen > FOLDERS {
            return;
        }
        if self.terragrunt.is_none() && dir.join(TERRAGRUNT).is_file() {
            self.terragrunt = Some(dir.to_owned());
        }
        if depth > 0 && is_module(dir) {
            self.templates.push(template(root, dir));
            return;
        }
        for name in names(dir) {
            let below = dir.join(&name);
            // A link may lead back to where it is.
            let folder = below.is_dir() && !below.is_symlink();
            if folder && !name.starts_with('.') && !["modules", "node_modules", "examples"].contains(&name.as_str()) {
                self.look(root, &below, depth + 1);
            }
        }
    }

    /// Why none of it is adopted, and what could be.
    pub fn refusal(&self, root: &Path) -> Failure {
        if let Some(dir) = self.terragrunt.as_ref().filter(|_| self.templates.is_empty()) {
            return terragrunt(dir);
        }
        if self.templates.is_empty() {
            return Failure::failed(format!(
                "{}: no root module of Terraform's is there, nor below environments/: name the directory with the *.tf files",
                root.display()
            ));
        }
        let named = |path: &PathBuf| format!("\n  pumphouse adopt '{}'", path.display());
        let all: String = self.templates.iter().take(NAMED).map(named).collect();
        let more = self.templates.len().saturating_sub(NAMED);
        let more = if more == 0 { String::new() } else { format!("\n  and {more} more") };
        Failure::failed(format!(
            "{}: there are several root modules, each of which is a pipeline of its own:{all}{more}",
            root.display()
        ))
    }
}

/// A root module's path with `{env}` for the last part below the root that is called like an environment.
fn template(root: &Path, dir: &Path) -> PathBuf {
    let below = dir.strip_prefix(root).unwrap_or(dir);
    let is_env = |part: Component| ENVIRONMENTS.iter().any(|env| part.as_os_str() == *env);
    let Some(at) = below.components().collect::<Vec<_>>().into_iter().rposition(is_env) else { return dir.to_owned() };
    let part = |(n, part): (usize, Component<'_>)| if n == at { "{env}".into() } else { part.as_os_str().to_owned() };
    below.components().enumerate().map(part).fold(root.to_owned(), |path, part| path.join(part))
}
