//! A plan as Markdown, for a comment on a pull request.
//!
//! What comes from the plan stands in `<code>` with its punctuation as entities: so it is neither Markdown nor HTML nor a
//! table's bar, and GitHub makes no mention, reference or link of it.

use std::fmt::Write as _;

use serde_json::Value;

use super::stacks::{asides, counted, origins, word};
use crate::{
    cloud::{
        secrets::{MASKED, named_secret, tells_secret},
        stacks::{Action, Change, ChangeSet, Evaluation, PropertyChange},
    },
    text,
};

/// What GitHub takes for a comment, in characters; these are bytes, of which there are never fewer.
const LIMIT: usize = 65_536;
/// What is kept free for the sentence that says what was left out, and for what a workflow adds.
const RESERVE: usize = 1_536;
/// The longest value that is shown.
const LONG: usize = 300;
/// Properties that a row of the table names.
const NAMED: usize = 6;

/// A plan as Markdown. It begins with a comment that names the stack, by which a later one can take its place.
pub fn plan(plan: &ChangeSet) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    let mut out = Limited::new();
    out.push(&format!("<!-- pumphouse plan {} -->\n", plan.stack.chars().map(plain).collect::<String>()));
    let nothing = plan.changes.is_empty();
    let what = if nothing { "nothing to change".to_owned() } else { counted(plan) };
    out.push(&format!("#### {}: {what}\n", code(&plan.stack)));
    for sentence in sentences(plan) {
        out.push(&format!("\n- {sentence}"));
    }
    if nothing {
        out.push("\n");
        return out.text;
    }
    let mut changes: Vec<_> = plan.changes.iter().collect();
    changes.sort_by_key(|c| severity(c));
    out.push("\n\n| action | resource | kind | what changes |\n| --- | --- | --- | --- |\n");
    let listed = changes.iter().take_while(|c| out.push(&row(c))).count();
    let with: Vec<_> = changes.iter().filter(|c| !c.properties.is_empty()).collect();
    let detailed = if listed < changes.len() { 0 } else { with.iter().take_while(|c| out.push(&details(c))).count() };
    if listed < changes.len() || detailed < with.len() {
        let (all, rest) = (changes.len(), with.len() - detailed);
        let _ = write!(
            out.text,
            "\n**Cut, since GitHub takes 65,536 characters for a comment:** {listed} of {all} changes are listed, and the \
             properties of {rest} of them are left out. `pumphouse plan` prints all of it.\n"
        );
    }
    out.text
}

/// Text that grows up to the limit.
struct Limited {
    text: String,
    full: bool,
}

impl Limited {
    fn new() -> Self {
        Self { text: String::new(), full: false }
    }

    /// Adds a part, where there is room for all of it; whether there was.
    fn push(&mut self, part: &str) -> bool {
        self.full |= self.text.len() + part.len() > LIMIT - RESERVE;
        if !self.full {
            self.text.push_str(part);
        }
        !self.full
    }
}

/// What matters most comes first: it must not be cut.
fn severity(change: &Change) -> u8 {
    match change.action {
        _ if change.loses_data => 0,
        Action::Replace => 1,
        Action::Remove => 2,
        Action::Change => 3,
        Action::Add => 4,
    }
}

/// What is to be known before the changes.
fn sentences(plan: &ChangeSet) -> Vec<String> {
    let mut told = Vec::new();
    if let Some(status) = &plan.recreates {
        told.push(format!("**The stack is {}: it is deleted first, and made anew.**", code(status.word())));
    }
    let lost: Vec<_> = plan.changes.iter().filter(|c| c.loses_data).map(|c| code(&c.name)).collect();
    if !lost.is_empty() {
        told.push(format!("**Data is lost, or may be: {}.**", some(&lost)));
    }
    if plan.resumes {
        told.push("The last operation was interrupted, or is under way: this carries it on.".into());
    }
    if plan.estimated {
        told.push("An estimate, from comparing: the engine was not asked.".into());
    }
    if !plan.capabilities.is_empty() {
        told.push(format!("Needs {}.", some(&plan.capabilities.iter().map(|c| code(c)).collect::<Vec<_>>())));
    }
    told.extend(plan.notes.iter().take(NAMED).map(|note| code(note)));
    if plan.notes.len() > NAMED {
        told.push(format!("and {} more notes", plan.notes.len() - NAMED));
    }
    told
}

/// The first of them, and how many more there are.
fn some(parts: &[String]) -> String {
    let more = parts.len().saturating_sub(NAMED);
    let named = parts.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    if more == 0 { named } else { format!("{named} and {more} more") }
}

fn row(change: &Change) -> String {
    let grave = change.loses_data || change.action == Action::Replace;
    let bold = if grave { "**" } else { "" };
    let asides = asides(change);
    let mut what = match change.action {
        Action::Add | Action::Remove => {
            if change.physical_name.is_empty() {
                String::new()
            } else {
                code(&change.physical_name)
            }
        }
        _ => some(&change.properties.iter().map(|p| code(&p.path)).collect::<Vec<_>>()),
    };
    if !asides.is_empty() {
        let _ = write!(what, " {bold}{}{bold}", asides.trim());
    }
    for (word, text) in origins(change) {
        let _ = write!(what, " ({word}{})", code(text));
    }
    let (action, name, kind) = (word(change.action), code(&change.name), code(&change.kind));
    format!("| {bold}{action}{bold} | {name} | {kind} | {} |\n", what.trim())
}

fn details(change: &Change) -> String {
    let (action, name) = (word(change.action), code(&change.name));
    let mut text = format!(
        "\n<details><summary>{action} {name}</summary>\n\n| property | before | after | |\n| --- | --- | --- | --- |\n"
    );
    for p in &change.properties {
        let (before, after) = (value(&p.path, p.before.as_ref()), value(&p.path, p.after.as_ref()));
        let later = p.evaluation == Evaluation::Dynamic && p.after.is_none();
        let after = if later { "known only later".to_owned() } else { after };
        let _ = writeln!(text, "| {} | {before} | {after} | {} |", code(&p.path), why(change, p));
    }
    text + "\n</details>\n"
}

fn why(change: &Change, p: &PropertyChange) -> String {
    let mut why = Vec::new();
    if p.requires_replacement {
        let sure = change.action == Action::Replace && p.evaluation == Evaluation::Static;
        why.push(if sure { "**makes it anew**" } else { "**may make it anew**" }.to_owned());
    }
    if let Some(cause) = &p.cause {
        why.push(format!("because of {}", code(cause)));
    }
    why.join(", ")
}

fn value(path: &str, value: Option<&Value>) -> String {
    let Some(value) = value else { return "none".into() };
    let name = path.rsplit('.').next().unwrap_or(path);
    let shown = masked(name, value).to_string();
    if shown.chars().count() <= LONG {
        return code(&shown);
    }
    code(&shown.chars().take(LONG).chain(['…']).collect::<String>())
}

/// A value without what looks like a secret: more people read a comment than a plan.
fn masked(name: &str, value: &Value) -> Value {
    match value {
        Value::Null | Value::Bool(_) => value.clone(),
        _ if named_secret(name) => MASKED.into(),
        Value::String(text) if tells_secret(text) => MASKED.into(),
        Value::Array(list) => list.iter().map(|v| masked("", v)).collect(),
        Value::Object(map) => map.iter().map(|(key, v)| (key.clone(), masked(key, v))).collect(),
        _ => value.clone(),
    }
}

/// Text of the plan's, as it is and nothing else.
fn code(of: &str) -> String {
    let of = text::clean(of);
    let mut escaped = String::with_capacity(of.len() + 16);
    let mut before = ' ';
    for c in of.chars() {
        match c {
            // What makes no Markdown, no HTML and no link, wherever it stands.
            '"' | '\'' | ',' | ';' | '-' | '/' | '=' | '+' | '?' | '%' | ' ' => escaped.push(c),
            '.' if !before.eq_ignore_ascii_case(&'w') => escaped.push(c),
            c if c.is_ascii_punctuation() => {
                let _ = write!(escaped, "&#{};", u32::from(c));
            }
            c => escaped.push(c),
        }
        before = c;
    }
    format!("<code>{escaped}</code>")
}

#[cfg(test)]
#[path = "markdown_tests.rs"]
mod tests;
