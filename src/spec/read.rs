//! From the tree to a pipeline: names, environments, references.

use std::{collections::BTreeMap, ops::Range};

use super::{
    diagnostic::{Mistakes, Report, quote, suggest},
    engine,
    files::Files,
    flow, release,
    sections::{self, Links},
    tree::{self, At, Node, Section, Table, Value},
    types::{Environment, Origin, Pipeline},
};
use crate::cloud::schedule::Schedule;

/// The sections of resources, each `[section.name]`.
pub(super) const SECTIONS: [&str; 22] = [
    "source",
    "secret",
    "threshold",
    "stream",
    "queue",
    "delivery",
    "bucket",
    "function",
    "crawler",
    "job",
    "topic",
    "alarm",
    "query",
    "api",
    "key",
    "dynamodb",
    "table",
    "network",
    "postgres",
    "connection",
    "metric",
    "dashboard",
];

/// What the reading of sections needs.
pub(super) struct Context<'a> {
    pub(super) m: &'a mut Mistakes,
    pub(super) source: &'a str,
    pub(super) files: &'a Files,
    pub(super) handlers: &'a dyn Fn(&str) -> bool,
    /// The names that are declared, by section.
    pub(super) names: BTreeMap<&'static str, Vec<String>>,
    /// Who writes where and who is started by what.
    pub(super) links: Links,
    /// Per queue, the seconds that a message has that was received.
    pub(super) visibility: BTreeMap<String, u32>,
    /// The sources that are files, which no function can ask.
    pub(super) uploads: Vec<String>,
}

/// Reads a pipeline from the text of its file.
pub(super) fn pipeline(
    source: &str,
    mut m: Mistakes,
    files: &Files,
    handlers: &dyn Fn(&str) -> bool,
    origin: Origin,
) -> Result<Pipeline, Report> {
    let root = tree::parse(source, &mut m);
    // What a broken file seems to say is not worth a second look.
    if !m.is_empty() {
        return Err(m.into_report());
    }
    let mut top = Section::new("the pipeline", 0..0, &root);
    let name = top.required(&mut m, "name", "\"my-pipeline\"");
    let name = name.map(|n| pipeline_name(&mut m, n)).unwrap_or_default();
    let description = top.text(&mut m, "description", "\"...\"").map(|d| d.value).unwrap_or_default();
    let terraform = engine::deploy(&mut m, &mut top);
    let _ = top.node("catalog");
    let _ = top.node("env");
    let _ = top.node("release");
    for section in SECTIONS {
        if let Some(node) = top.node(section) {
            check_names(&mut m, section, node);
        }
    }
    top.unknown(&mut m);
    if terraform.is_some() {
        engine::alone(&mut m, &root, &SECTIONS);
    }
    // Each environment is read by itself: not a hundred of them, each with thousands of resources.
    if too_many(&mut m, &root) {
        return Err(m.into_report());
    }

    let mut environments = Vec::new();
    for (name, own, at) in environment_tables(&mut m, &root) {
        let mut section = Section::new(format!("env.{name}"), at, own);
        let region = section.text(&mut m, "region", "\"eu-west-1\"");
        let region = region.and_then(|r| region_name(&mut m, r));
        let protected = section.boolean(&mut m, "protected").unwrap_or(false);
        let existing = engine::existing(&mut m, &mut section, terraform.as_ref());
        let mut merged = root.clone();
        for kind in SECTIONS {
            if let Some(node) = section.node(kind) {
                override_section(&mut m, &mut merged, &name, kind, node);
            }
        }
        section.finish(&mut m);
        let names = declared(&merged);
        let mut context = Context {
            m: &mut m,
            source,
            files,
            handlers,
            names,
            links: Links::default(),
            visibility: BTreeMap::new(),
            uploads: vec![],
        };
        let environment = sections::environment(&mut context, &merged, name, region, protected);
        flow::check(&mut context);
        environments.push(Environment { existing, ..environment });
    }
    let release = release::release(&mut m, &mut top, &name, &environments);
    if m.is_empty() {
        Ok(Pipeline { name, description, origin, terraform, environments, release })
    } else {
        Err(m.into_report())
    }
}

/// A stack holds 500 resources at most, and some sections become four.
const MOST_SECTIONS: usize = 120;
const MOST_ENVIRONMENTS: usize = 10;

fn too_many(m: &mut Mistakes, root: &Table) -> bool {
    let inner = |section: &str| match root.get(section).map(|n| &n.value) {
        Some(Value::Table(table)) => table.entries.as_slice(),
        _ => &[],
    };
    let mut places: Vec<_> = SECTIONS.iter().flat_map(|s| inner(s)).map(|(key, _)| key.at.clone()).collect();
    places.sort_by_key(|at| at.start);
    if let Some(at) = places.get(MOST_SECTIONS) {
        let help = format!("a pipeline has at most {MOST_SECTIONS}, since a stack holds 500 resources: make two of it");
        m.add(at.clone(), format!("the pipeline has {} resources", places.len()), help);
    }
    let environments = inner("env");
    if let Some((key, _)) = environments.get(MOST_ENVIRONMENTS) {
        let help = format!("a pipeline has at most {MOST_ENVIRONMENTS}");
        m.add(key.at.clone(), format!("the pipeline has {} environments", environments.len()), help);
    }
    places.len() > MOST_SECTIONS || environments.len() > MOST_ENVIRONMENTS
}

const NO_TABLE: &Table = &Table { entries: Vec::new() };

/// The environments in the order of the file; where there is none, `dev` is implied.
fn environment_tables<'a>(m: &mut Mistakes, root: &'a Table) -> Vec<(String, &'a Table, Range<usize>)> {
    let mut found = Vec::new();
    match root.get("env").map(|n| (&n.value, n.at.clone())) {
        None => {}
        Some((Value::Table(all), _)) => {
            for (key, node) in &all.entries {
                let name = &key.value;
                let fine = (2..=10).contains(&name.len())
                    && name.starts_with(|c: char| c.is_ascii_lowercase())
                    && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
                if !fine {
                    let help = "2 to 10 lower-case letters and digits, the first a letter: `dev`, `prod`";
                    m.add(key.at.clone(), format!("{} is no name for an environment", quote(name)), help);
                }
                match &node.value {
                    Value::Table(table) => found.push((name.clone(), table, node.at.clone())),
                    _ => m.add(
                        node.at.clone(),
                        format!("env.{} is no table", quote(name)),
                        "an environment is a section: `[env.dev]`",
                    ),
                }
            }
        }
        Some((_, at)) => m.add(at, "`env` is no table", "an environment is a section: `[env.dev]`"),
    }
    if found.is_empty() {
        found.push(("dev".to_owned(), NO_TABLE, 0..0));
    }
    found
}

/// Puts an environment's values over those of resources that the pipeline declares.
fn override_section(m: &mut Mistakes, root: &mut Table, env: &str, kind: &str, node: &Node) {
    let Value::Table(over) = &node.value else {
        m.add(
            node.at.clone(),
            format!("`{kind}` of env.{env} is no table"),
            format!("an environment changes a resource in a section of its own: `[env.{env}.{kind}.NAME]`"),
        );
        return;
    };
    let own = root.entries.iter_mut().find(|(k, _)| k.value == kind).and_then(|(_, n)| match &mut n.value {
        Value::Table(table) => Some(table),
        _ => None,
    });
    let Some(own) = own else {
        m.add(
            node.at.clone(),
            format!("env.{env} changes a {kind}, and the pipeline has none"),
            format!("declare it for all environments first: `[{kind}.NAME]`"),
        );
        return;
    };
    for (name, node) in &over.entries {
        if own.get(&name.value).is_none() {
            let known: Vec<String> = own.entries.iter().map(|(k, _)| k.value.clone()).collect();
            m.add(
                name.at.clone(),
                format!("env.{env} changes the {kind} {}, which the pipeline does not have", quote(&name.value)),
                suggest(&name.value, known.iter().map(String::as_str), "declare it for all environments first"),
            );
            continue;
        }
        if !matches!(node.value, Value::Table(_)) {
            m.add(
                node.at.clone(),
                format!("env.{env}.{kind}.{} is no table", name.value),
                format!("write `[env.{env}.{kind}.{}]` and below it the keys to change", name.value),
            );
            continue;
        }
        own.merge(&Table { entries: vec![(name.clone(), node.clone())] });
    }
}

fn pipeline_name(m: &mut Mistakes, name: At<String>) -> String {
    let words = |text: &str| {
        text.split('-').all(|w| !w.is_empty() && w.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit()))
    };
    let text = &name.value;
    let fine = (2..=24).contains(&text.len()) && text.starts_with(|c: char| c.is_ascii_lowercase()) && words(text);
    if !fine {
        m.add(
            name.at,
            format!("{} is no name for a pipeline", quote(text)),
            "2 to 24 lower-case letters and digits, in words joined by `-`, the first a letter: `crypto-stream`",
        );
    }
    name.value
}

fn region_name(m: &mut Mistakes, region: At<String>) -> Option<String> {
    let parts: Vec<&str> = region.value.split('-').collect();
    let fine = (3..=5).contains(&parts.len())
        && parts.iter().all(|p| !p.is_empty() && p.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit()))
        && parts.last().is_some_and(|p| p.parse::<u8>().is_ok());
    if fine {
        return Some(region.value);
    }
    m.add(region.at, format!("{} is no AWS region", quote(&region.value)), "write it as AWS does: `eu-west-1`");
    None
}

/// `[section.name]` and nothing else stands in a section.
fn check_names(m: &mut Mistakes, section: &str, node: &Node) {
    let Value::Table(table) = &node.value else {
        m.add(
            node.at.clone(),
            format!("`{section}` is no table"),
            format!("each {section} has a section with its name: `[{section}.my_{section}]`"),
        );
        return;
    };
    for (key, node) in &table.entries {
        let name = &key.value;
        if !matches!(node.value, Value::Table(_)) {
            m.add(
                key.at.clone(),
                format!("{} stands in a {section} without a name", quote(name)),
                format!("each {section} has a section with its name: `[{section}.my_{section}]`"),
            );
            continue;
        }
        let word = |w: &str| {
            w.starts_with(|c: char| c.is_ascii_lowercase())
                && w.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
        };
        if name.len() > 24 || !name.split('_').all(word) {
            m.add(
                key.at.clone(),
                format!("{} is no name for a {section}", quote(name)),
                "at most 24 lower-case letters and digits, in words joined by `_`, each beginning with a letter: \
                 `clean_prices`",
            );
        }
    }
}

/// The declared names by section. The secret of a source or a connection is declared by it.
fn declared(root: &Table) -> BTreeMap<&'static str, Vec<String>> {
    let mut names: BTreeMap<&'static str, Vec<String>> = BTreeMap::new();
    for section in SECTIONS {
        if let Some(Value::Table(table)) = root.get(section).map(|n| &n.value) {
            names.entry(section).or_default().extend(table.tables().map(|(key, _, _)| key.value.clone()));
        }
    }
    for owner in ["source", "connection"] {
        let Some(Value::Table(owners)) = root.get(owner).map(|n| &n.value) else { continue };
        for (_, owner, _) in owners.tables() {
            if let Some(Value::Text(secret)) = owner.get("secret").map(|n| &n.value) {
                let secrets = names.entry("secret").or_default();
                if !secrets.contains(secret) {
                    secrets.push(secret.clone());
                }
            }
        }
    }
    names
}

impl Context<'_> {
    pub(super) fn known(&self, section: &str, name: &str) -> bool {
        self.names.get(section).is_some_and(|all| all.iter().any(|n| n == name))
    }

    /// A reference by bare name: `alert_on_price`, where the key says that it is a function.
    pub(super) fn bare(&mut self, section: &'static str, name: At<String>) -> Option<At<String>> {
        if self.known(section, &name.value) {
            return Some(name);
        }
        let short = name.value.strip_prefix(section).and_then(|rest| rest.strip_prefix('.'));
        let help = match short.filter(|s| self.known(section, s)) {
            Some(short) => format!("the key says that it is a {section}: write `{short}`"),
            None => self.suggestion(section, &name.value),
        };
        self.m.add(name.at, format!("there is no {section} {}", quote(&name.value)), help);
        None
    }

    /// A reference with its section: `bucket.landing`. What is given has the bare name.
    pub(super) fn dotted(&mut self, section: &'static str, name: At<String>) -> Option<At<String>> {
        match name.value.strip_prefix(section).and_then(|rest| rest.strip_prefix('.')) {
            Some(bare) if self.known(section, bare) => Some(At { value: bare.to_owned(), at: name.at }),
            Some(bare) => {
                let help = self.suggestion(section, bare);
                self.m.add(name.at, format!("there is no {section} {}", quote(bare)), help);
                None
            }
            None => {
                let help = if self.known(section, &name.value) {
                    format!("write `{section}.{}`", name.value)
                } else {
                    format!("write `{section}.NAME`; {}", self.suggestion(section, &name.value))
                };
                self.m.add(name.at, format!("{} is no reference to a {section}", quote(&name.value)), help);
                None
            }
        }
    }

    pub(super) fn suggestion(&self, section: &str, name: &str) -> String {
        let known = self.names.get(section).into_iter().flatten().map(String::as_str);
        let article = if section.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
        suggest(name, known, &format!("the pipeline has no {section} at all: declare {article} `[{section}.NAME]`"))
    }

    /// A schedule expression.
    pub(super) fn schedule(&mut self, text: Option<At<String>>) -> Option<String> {
        let text = text?;
        match Schedule::parse(&text.value) {
            Ok(schedule) => Some(schedule.to_string()),
            Err(error) => {
                // Inside of the quotes, where the file has the text as it is.
                let inner = text.at.start + 1..text.at.start + 1 + text.value.len();
                let plain = self.source.get(inner.clone()) == Some(text.value.as_str());
                let at = if plain && !error.at.is_empty() {
                    inner.start + error.at.start..inner.start + error.at.end
                } else {
                    text.at
                };
                self.m.add(at, error.message, error.help);
                None
            }
        }
    }

    /// The text of a file whose SQL another engine than ours executes.
    pub(super) fn text_file(&mut self, path: At<String>) -> String {
        let shown = quote(&path.value);
        let text = self
            .files
            .read(&path.value, 256 * 1024)
            .and_then(|content| String::from_utf8(content.into()).map_err(|_| "is no UTF-8 text".to_owned()));
        match text {
            Ok(text) if !text.trim().is_empty() => text,
            other => {
                let why = other.err().unwrap_or_else(|| "is empty".into());
                let help = "a path relative to the folder of pipeline.toml: `queries/cases.sql`";
                self.m.add(path.at, format!("the SQL file {shown} {why}"), help);
                String::new()
            }
        }
    }

    /// The text of a file that must hold one statement that reads: for a job a `SELECT`, with no parameter.
    pub(super) fn sql(&mut self, path: Option<At<String>>, job: bool) -> String {
        let Some(path) = path else { return String::new() };
        let shown = quote(&path.value);
        let content = match self.files.read(&path.value, 256 * 1024) {
            Ok(content) => content,
            Err(why) => {
                let help = "a path relative to the folder of pipeline.toml: `jobs/clean.sql`";
                self.m.add(path.at, format!("the SQL file {shown} {why}"), help);
                return String::new();
            }
        };
        let Ok(text) = String::from_utf8(content.into()) else {
            self.m.add(path.at, format!("the SQL file {shown} is no UTF-8 text"), "save it as UTF-8");
            return String::new();
        };
        let statement = |line: &str| !line.trim().is_empty() && !line.trim().starts_with("--");
        if !text.lines().any(statement) {
            self.m.add(path.at, format!("the SQL file {shown} is empty"), "write one `SELECT` into it");
            return text;
        }
        #[cfg(feature = "local")]
        self.check_sql(&path.value, &text, job);
        #[cfg(not(feature = "local"))]
        let _ = job;
        text
    }

    #[cfg(feature = "local")]
    fn check_sql(&mut self, path: &str, text: &str, job: bool) {
        use crate::statement;
        let checked = if job { statement::check_select(text) } else { statement::check_query(text) };
        if let Err(mistake) = checked {
            let help = if job { "a job's SQL is one `SELECT` from `input`" } else { "a query is one `SELECT`" };
            let what = if mistake.syntax { format!("this is no SQL: {}", mistake.what) } else { mistake.what };
            self.m.add_beside(path, text, mistake.place, what, help);
        }
    }
}
