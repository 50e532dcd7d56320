//! `[deploy]`: which engine deploys the pipeline; and `[env.NAME.existing]`: what there is that another engine has made.

use super::{
    diagnostic::{Mistakes, quote, suggest},
    tree::{At, Section, Table, Value},
};

/// The engines that can be named.
const ENGINES: [&str; 2] = ["cloudformation", "terraform"];
/// The programs that speak Terraform's language.
const BINARIES: [&str; 2] = ["terraform", "tofu"];
/// How long a locked state is waited for, where nothing is said.
const LOCK_TIMEOUT: u32 = 10;

/// A pipeline that Terraform deploys, from directories that are there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terraform {
    /// The root module's directory, relative to the folder of pipeline.toml, with `{env}` for the environment.
    pub dir: String,
    /// Files of variables' values, relative to that directory, with `{env}`.
    pub var_files: Vec<String>,
    /// Files that complete the configuration of the backend, likewise.
    pub backend_config: Vec<String>,
    /// The workspace, with `{env}`; none: the one that is selected there.
    pub workspace: Option<String>,
    /// `terraform` or `tofu`.
    pub binary: String,
    /// How long a state that somebody else has locked is waited for, in seconds.
    pub lock_timeout_seconds: u32,
}

/// A kind of things that exist already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ExistingKind {
    /// Data streams.
    Stream,
    /// Delivery streams.
    Delivery,
    /// Buckets.
    Bucket,
    /// Functions.
    Function,
    /// Queues.
    Queue,
    /// Crawlers.
    Crawler,
    /// Jobs.
    Job,
    /// Topics.
    Topic,
    /// Catalog databases.
    Database,
    /// Catalog tables, as `DATABASE.TABLE`.
    Table,
    /// Key-value tables.
    KeyTable,
    /// Workgroups.
    Workgroup,
    /// Log groups.
    LogGroup,
}

impl ExistingKind {
    /// All of them, in the order in which data likes to flow.
    pub const ALL: [Self; 13] = [
        Self::Stream,
        Self::Delivery,
        Self::Bucket,
        Self::Function,
        Self::Queue,
        Self::Crawler,
        Self::Job,
        Self::Topic,
        Self::Database,
        Self::Table,
        Self::KeyTable,
        Self::Workgroup,
        Self::LogGroup,
    ];

    /// The key of pipeline.toml.
    pub fn key(self) -> &'static str {
        match self {
            Self::Stream => "streams",
            Self::Delivery => "deliveries",
            Self::Bucket => "buckets",
            Self::Function => "functions",
            Self::Queue => "queues",
            Self::Crawler => "crawlers",
            Self::Job => "jobs",
            Self::Topic => "topics",
            Self::Database => "databases",
            Self::Table => "tables",
            Self::KeyTable => "dynamodb",
            Self::Workgroup => "workgroups",
            Self::LogGroup => "log_groups",
        }
    }

    /// The kind in words, as stacks have it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Stream => "stream",
            Self::Delivery => "delivery stream",
            Self::Bucket => "bucket",
            Self::Function => "function",
            Self::Queue => "queue",
            Self::Crawler => "crawler",
            Self::Job => "job",
            Self::Topic => "topic",
            Self::Database => "database",
            Self::Table => "table",
            Self::KeyTable => "key-value table",
            Self::Workgroup => "workgroup",
            Self::LogGroup => "log group",
        }
    }
}

/// Reads `[deploy]`; none where CloudFormation, or the embedded cloud, deploys the pipeline.
pub(super) fn deploy(m: &mut Mistakes, top: &mut Section<'_>) -> Option<Terraform> {
    let mut s = top.section(m, "deploy", "{ engine = \"terraform\", dir = \"infra/{env}\" }")?;
    let engine = s.required(m, "engine", "\"terraform\"");
    let dir = s.text(m, "dir", "\"infra/environments/{env}\"").map(|d| path(m, d));
    let mut paths = |key, example| {
        let found = s.texts(m, key, example);
        found.into_iter().map(|p| path(m, p)).collect::<Vec<_>>()
    };
    let var_files = paths("var_files", "[\"{env}.tfvars\"]");
    let backend_config = paths("backend_config", "[\"{env}.s3.tfbackend\"]");
    let workspace = s.text(m, "workspace", "\"{env}\"").map(|w| workspace(m, w));
    let binary = s.text(m, "binary", "\"tofu\"");
    let lock_timeout_seconds = s.count(m, "lock_timeout_seconds", 0..=3_600).unwrap_or(LOCK_TIMEOUT);
    if let Some(binary) = binary.as_ref().filter(|b| !BINARIES.contains(&b.value.as_str())) {
        let help = suggest(&binary.value, BINARIES, "write `terraform` or `tofu`: it is looked for on PATH");
        m.add(binary.at.clone(), format!("{} is no program that is known here", quote(&binary.value)), help);
    }
    let (at, title) = (s.at.clone(), s.title.clone());
    let engine = engine?;
    match engine.value.as_str() {
        "terraform" => {
            s.finish(m);
            if dir.is_none() {
                let help = "add `dir = \"infra/environments/{env}\"`, the directory of the root module";
                m.add(at, format!("{title} has no `dir`"), help);
            }
            Some(Terraform {
                dir: dir?,
                var_files,
                backend_config,
                workspace,
                binary: binary.map_or_else(|| "terraform".to_owned(), |b| b.value),
                lock_timeout_seconds,
            })
        }
        "cloudformation" => {
            if dir.is_some() || workspace.is_some() || binary.is_some() || !var_files.is_empty() {
                let help = "these keys are Terraform's: remove them, or write `engine = \"terraform\"`";
                m.add(engine.at, "CloudFormation has no directory of its own", help);
            }
            s.finish(m);
            None
        }
        other => {
            let help = suggest(other, ENGINES, "write `terraform` or `cloudformation`");
            m.add(engine.at, format!("{} is no engine", quote(other)), help);
            None
        }
    }
}

/// A path that may say `{env}`, and nothing else in braces.
fn path(m: &mut Mistakes, path: At<String>) -> String {
    let rest = path.value.replace("{env}", "");
    if path.value.is_empty() || rest.contains(['{', '}', '\0', '\n']) {
        let help = "a path with `{env}` where the environment's name belongs: `infra/environments/{env}`";
        m.add(path.at, format!("{} is no path", quote(&path.value)), help);
    }
    path.value
}

fn workspace(m: &mut Mistakes, name: At<String>) -> String {
    let rest = name.value.replace("{env}", "");
    let fine = !name.value.is_empty() && rest.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    if !fine {
        let help = "letters, digits, `-`, `_` and `.`, and `{env}` for the environment: `orders-{env}`";
        m.add(name.at, format!("{} is no name for a workspace", quote(&name.value)), help);
    }
    name.value
}

/// Says of each section of resources that it cannot stand beside a directory that describes them.
pub(super) fn alone(m: &mut Mistakes, root: &Table, sections: &[&'static str]) {
    for section in sections.iter().chain(&["catalog"]) {
        let Some((key, _)) = root.entries.iter().find(|(key, _)| key.value == *section) else { continue };
        m.add(
            key.at.clone(),
            format!("a pipeline that Terraform deploys has no `{section}` of its own"),
            "Terraform's directory says what there is: name what the console is to know in `[env.dev.existing]`",
        );
    }
}

/// Reads what an environment says of what exists.
pub(super) fn existing(
    m: &mut Mistakes,
    env: &mut Section<'_>,
    engine: Option<&Terraform>,
) -> Vec<(ExistingKind, Vec<String>)> {
    let Some(node) = env.node("existing") else { return Vec::new() };
    if engine.is_none() {
        let help = "a deploy makes what the pipeline has, and knows it: this is for `[deploy] engine = \"terraform\"`";
        m.add(node.at.clone(), format!("{} names what exists", env.title), help);
        return Vec::new();
    }
    let Value::Table(table) = &node.value else {
        let help = "write `[env.dev.existing]` and below it `buckets = [\"my-bucket\"]`";
        m.add(node.at.clone(), "`existing` is no table", help);
        return Vec::new();
    };
    let mut section = Section::new(format!("`existing` of {}", env.title), node.at.clone(), table);
    let mut all = Vec::new();
    for kind in ExistingKind::ALL {
        let mut names: Vec<String> = Vec::new();
        for name in section.texts(m, kind.key(), "[\"NAME\"]") {
            let text = &name.value;
            if text.is_empty() || text.len() > 512 || text.contains(char::is_control) {
                m.add(name.at, format!("{} is no name", quote(text)), "write the name that it has on AWS");
            } else if kind == ExistingKind::Table && !text.contains('.') {
                m.add(name.at, format!("{} names no database", quote(text)), "write `DATABASE.TABLE`");
            } else if names.contains(text) {
                m.add(name.at, format!("{} stands twice", quote(text)), "remove one");
            } else {
                names.push(name.value);
            }
        }
        if !names.is_empty() {
            all.push((kind, names));
        }
    }
    section.finish(m);
    all
}
