//! Sources: addresses, and the recordings that stand for them.
#![allow(clippy::single_match_else, reason = "what is right and what is wrong stand side by side")]

use bytes::Bytes;

use super::{
    diagnostic::quote,
    directory,
    read::Context,
    sections::secret_name,
    tree::{At, Section, map},
    types::Source,
};
use crate::cloud::{recording::is_json_lines, resources::DIRECTORY_END};

const SAMPLE_BYTES: u64 = 8 * 1024 * 1024;

pub(super) fn source(c: &mut Context<'_>, s: &mut Section<'_>, name: String) -> Option<Source> {
    let url = s.required(c.m, "url", "\"https://api.example.com/{id}\"");
    let secret = s.text(c.m, "secret", "\"api_key\"");
    let headers = directory::headers(c, s);
    let sample_path = s.text(c.m, "sample", "\"sample/data.jsonl\"");
    let mut matches = Vec::new();
    let (mut time, mut wrap) = (None, None);
    let replay_example = "{ match = { id = \"{id}\" }, time = \"time\" }";
    let replay = s.section(c.m, "replay", replay_example);
    let replay_at = replay.as_ref().map(|r| r.at.clone());
    if let Some(mut replay) = replay {
        matches = replay.pairs(c.m, "match", "{ id = \"{id}\" }");
        time = replay.text(c.m, "time", "\"time\"");
        wrap = replay.text(c.m, "wrap", "\"data\"");
        replay.finish(c.m);
    }
    let url = url?;
    let parameters = match fields(&url.value) {
        Ok(parameters) if url.value.starts_with("https://") || url.value.starts_with("http://") => parameters,
        _ => {
            let help = "an address begins with `https://`; `{name}` stands for what a function fills in";
            c.m.add(url.at, format!("{} is no address", quote(&url.value)), help);
            return None;
        }
    };
    if url.value.ends_with(DIRECTORY_END) {
        let directory = directory::files(c, &url, &parameters, sample_path, replay_at);
        let secret = secret.map(|s| s.value);
        return Some(Source { name, url: url.value, secret, headers, directory: Some(directory), ..Source::default() });
    }
    for (parameter, _) in matches.iter().filter(|(p, _)| !parameters.contains(&p.value)) {
        c.m.add(
            parameter.at.clone(),
            format!("the address has no parameter {}", quote(&parameter.value)),
            format!("its parameters are: {}", list(&parameters)),
        );
    }
    if let Some(at) = replay_at.clone().filter(|_| !matches.is_empty()) {
        for missing in parameters.iter().filter(|p| matches.iter().all(|(m, _)| m.value != **p)) {
            let help = format!("add `{missing} = \"{{field}}\"`, with a field of the recording's observations");
            c.m.add(at.clone(), format!("`match` says nothing of the address's parameter `{missing}`"), help);
        }
    }
    // Where nothing is said, a parameter is the field of its name.
    if matches.is_empty() {
        let own = |p: &String| {
            (At { value: p.clone(), at: url.at.clone() }, At { value: format!("{{{p}}}"), at: url.at.clone() })
        };
        matches = parameters.iter().map(own).collect();
    }
    let mut wanted: Vec<String> = time.iter().map(|t| t.value.clone()).collect();
    for (_, template) in &matches {
        match fields(&template.value) {
            Ok(fields) => wanted.extend(fields),
            Err(()) => {
                let help = "`{field}` stands for a field of an observation: `{base}-{currency}`";
                c.m.add(template.at.clone(), format!("the braces of {} do not match", quote(&template.value)), help);
            }
        }
    }
    let document = sample_path.as_ref().map(|path| !is_json_lines(&path.value));
    if document == Some(true)
        && let Some(at) = replay_at
    {
        let help =
            "only JSON lines (`.jsonl`) hold observations to choose from: remove `replay`, or give it such a sample";
        c.m.add(at, "the sample is one document, the same for each request", help);
    }
    let sample = sample_path.and_then(|path| sample(c, path, &wanted));
    if let Some(secret) = &secret {
        secret_name(c, secret);
    }
    Some(Source {
        name,
        url: url.value,
        secret: secret.map(|s| s.value),
        document: sample.is_some().then_some(document).flatten(),
        headers,
        directory: None,
        sample,
        matches: map(matches),
        time: time.map(|t| t.value),
        wrap: wrap.map(|w| w.value),
    })
}

/// The names in braces of a template.
fn fields(template: &str) -> Result<Vec<String>, ()> {
    let mut found = Vec::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}').ok_or(())?;
        if before.contains('}') || name.is_empty() || name.contains('{') {
            return Err(());
        }
        found.push(name.to_owned());
        rest = after;
    }
    if rest.contains('}') { Err(()) } else { Ok(found) }
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "none".into() } else { names.iter().map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ") }
}

/// A recording: where it is JSON lines, each a JSON object that has the wanted fields; else a document as it is.
fn sample(c: &mut Context<'_>, path: At<String>, wanted: &[String]) -> Option<Bytes> {
    let shown = quote(&path.value);
    let content = match c.files.read(&path.value, SAMPLE_BYTES) {
        Ok(content) => content,
        Err(why) => {
            let help = "a path relative to the folder of pipeline.toml: `sample/data.jsonl`";
            c.m.add(path.at, format!("the sample {shown} {why}"), help);
            return None;
        }
    };
    if !is_json_lines(&path.value) {
        if content.is_empty() {
            c.m.add(path.at, format!("the sample {shown} is empty"), "write into it what the source would answer");
            return None;
        }
        return Some(content);
    }
    let mut rows = 0_usize;
    for (n, line) in content.split(|b| *b == b'\n').enumerate().filter(|(_, l)| !l.trim_ascii().is_empty()) {
        rows += 1;
        let object = serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(line);
        let wrong = match &object {
            Err(_) => Some("is no JSON object".to_owned()),
            Ok(object) => wanted.iter().find(|f| !object.contains_key(*f)).map(|f| format!("has no field `{f}`")),
        };
        if let Some(wrong) = wrong {
            let help = "a sample is JSON lines: one object a line, each with the fields that `replay` names";
            c.m.add(path.at, format!("line {} of the sample {shown} {wrong}", n + 1), help);
            return None;
        }
    }
    if rows == 0 {
        c.m.add(path.at, format!("the sample {shown} is empty"), "a sample is JSON lines: one object a line");
        return None;
    }
    Some(content)
}
