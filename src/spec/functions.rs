//! Functions: their code, what calls them, what they may do.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{
    crawlers,
    diagnostic::{quote, suggest},
    flow::Link,
    read::Context,
    sections::key_prefix,
    tree::{At, Section},
    types::{Function, Grant, GrantKind, Runtime},
};

const CODE_BYTES: u64 = 50 * 1024 * 1024;

pub(super) fn function(c: &mut Context<'_>, s: &mut Section<'_>, name: String) -> Option<Function> {
    let runtime = s.text(c.m, "runtime", "\"python3.13\"");
    let runtime = match runtime.as_ref().map(|r| r.value.as_str()) {
        None | Some("rust") => Some(Runtime::Rust),
        Some("python3.13") => Some(Runtime::Python313),
        Some("nodejs22.x") => Some(Runtime::Nodejs22),
        Some(other) => {
            let at = runtime.as_ref().map(|r| r.at.clone()).unwrap_or_default();
            let help = suggest(other, ["rust", "python3.13", "nodejs22.x"], "");
            c.m.add(at, format!("there is no runtime {}", quote(other)), help);
            None
        }
    };
    let example = if runtime == Some(Runtime::Rust) { "\"my_pipeline::fetch\"" } else { "\"app.handler\"" };
    let handler = s.required(c.m, "handler", example);
    let code_path = s.text(c.m, "code", "\"functions/fetch\"");
    let code_folder = code_path.as_ref().map(|p| p.value.trim_end_matches('/').to_owned());
    let schedule = s.text(c.m, "schedule", "\"rate(5 minutes)\"");
    let schedule = c.schedule(schedule);
    let timeout_seconds = s.count(c.m, "timeout_seconds", 1..=900).unwrap_or(30);
    let from = s.text(c.m, "from", "\"queue.NAME\"").and_then(|f| c.dotted("queue", f));
    let from = from.map(|f| messages(c, &name, timeout_seconds, f));
    let batch_size = s.count(c.m, "batch_size", 1..=10);
    if let Some(at) = s.node("batch_size").map(|n| n.at.clone()).filter(|_| s.node("from").is_none()) {
        c.m.add(at, "`batch_size` without `from`", "add `from = \"queue.NAME\"`, or remove it");
    }
    let memory_mib = s.count(c.m, "memory_mib", 128..=10_240).unwrap_or(256);
    let network = s.text(c.m, "network", "\"main\"").and_then(|n| c.bare("network", n));
    let pairs = s.pairs(c.m, "env", "{ LOG_LEVEL = \"info\" }");
    let grants = grants(c, s, &name);
    let env = environment(c, pairs, &grants);
    let code = match (runtime?, code_path) {
        (Runtime::Rust, None) => None,
        (Runtime::Rust, Some(path)) => {
            c.m.add(
                path.at,
                "a function in Rust has no `code`",
                "its handler is built in; for other code add `runtime`",
            );
            None
        }
        (_, None) => {
            s.missing(c.m, "code", "\"functions/fetch\"");
            None
        }
        (_, Some(path)) => match c.files.folder(path.value.trim_end_matches('/'), CODE_BYTES) {
            Ok(files) => Some(files),
            Err(why) => {
                let help = "a folder beside pipeline.toml: `functions/fetch`";
                c.m.add(path.at, format!("the code {} {why}", quote(&path.value)), help);
                None
            }
        },
    };
    let handler = handler?;
    check_handler(c, runtime?, &handler, code.as_ref());
    Some(Function {
        name,
        runtime: runtime?,
        handler: handler.value,
        code,
        code_folder,
        schedule,
        from,
        batch_size: batch_size.unwrap_or(10),
        timeout_seconds,
        memory_mib,
        env,
        grants,
        network: network.map(|n| n.value),
    })
}

/// The queue that a function is given messages of.
fn messages(c: &mut Context<'_>, function: &str, timeout_seconds: u32, queue: At<String>) -> String {
    let At { value: name, at } = queue;
    let (who, place) = (format!("function.{function}"), format!("queue.{name}"));
    if let Some(other) = c.links.reads.iter().find(|r| r.place == place && r.who.starts_with("function.")) {
        let message = format!("{} is given the messages of the queue {} already", other.who, quote(&name));
        c.m.add(at.clone(), message, "a message goes to one of the two: give each function a queue of its own");
    }
    if let Some(seconds) = c.visibility.get(&name).copied().filter(|s| *s < timeout_seconds) {
        let message = format!(
            "a message of the queue {} is seen again after {seconds} s, while the function may take {timeout_seconds} s",
            quote(&name)
        );
        let help = format!("`visibility_seconds` of queue.{name} is at least the function's `timeout_seconds`");
        c.m.add(at.clone(), message, help);
    }
    c.links.reads.push(Link { who, place, prefix: String::new(), at });
    name
}

fn check_handler(c: &mut Context<'_>, runtime: Runtime, handler: &At<String>, code: Option<&BTreeMap<String, Bytes>>) {
    let shown = quote(&handler.value);
    if runtime == Runtime::Rust {
        if !(c.handlers)(&handler.value) {
            let help = "a handler in Rust is built in, `module::function` below src/functions; for other code add `runtime` \
                        and `code`";
            c.m.add(handler.at.clone(), format!("there is no handler {shown}"), help);
        }
        return;
    }
    let Some((module, function)) = handler.value.rsplit_once('.').filter(|(m, f)| !m.is_empty() && !f.is_empty())
    else {
        let help = "write the file without its extension, a point, and the function: `app.handler`";
        c.m.add(handler.at.clone(), format!("{shown} is no handler"), help);
        return;
    };
    let Some(code) = code else { return };
    let extensions: &[&str] = if runtime == Runtime::Python313 { &["py"] } else { &["mjs", "js", "cjs"] };
    let module = if runtime == Runtime::Python313 { module.replace('.', "/") } else { module.to_owned() };
    if !extensions.iter().any(|e| code.contains_key(&format!("{module}.{e}"))) {
        let files: Vec<String> = code.keys().take(8).map(|f| format!("`{f}`")).collect();
        c.m.add(
            handler.at.clone(),
            format!("the code has no file `{module}.{}` for the handler {shown}", extensions.join("`, `.")),
            format!(
                "the handler is the file, a point, and its function `{function}`; the files are: {}",
                files.join(", ")
            ),
        );
    }
}

fn environment(
    c: &mut Context<'_>,
    pairs: Vec<(At<String>, At<String>)>,
    grants: &[Grant],
) -> BTreeMap<String, String> {
    let mut env = BTreeMap::new();
    for (name, value) in pairs {
        let word = &name.value;
        let fine = word.starts_with(|c: char| c.is_ascii_alphabetic())
            && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
            && word.len() <= 128;
        let reserved = word.starts_with("AWS_") || word.starts_with("LAMBDA_") || word.starts_with('_');
        let taken = grants.iter().any(|g| g.kind.variable(&g.name).as_deref() == Some(word));
        if !fine || reserved {
            let help = "letters, digits and `_`, the first a letter; names that begin with AWS_ or LAMBDA_ are taken";
            c.m.add(name.at, format!("{} is no name for an environment variable", quote(word)), help);
        } else if taken {
            c.m.add(name.at, format!("a grant already sets {}", quote(word)), "choose another name");
        } else {
            env.insert(name.value, value.value);
        }
    }
    env
}

fn grants(c: &mut Context<'_>, s: &mut Section<'_>, function: &str) -> Vec<Grant> {
    let mut found: Vec<Grant> = Vec::new();
    for text in s.texts(c.m, "grants", "[\"stream.NAME:write\"]") {
        let parts = text.value.split_once('.').and_then(|(section, rest)| Some((section, rest.rsplit_once(':')?)));
        // A bucket's name may have a prefix of keys after it.
        let parts = parts.map(|(section, (name, verb))| (section, name.split_once('/').unwrap_or((name, "")), verb));
        let Some((section, (name, prefix), verb)) = parts else {
            let help = "a grant is a section, a name and a verb: `stream.prices:write`";
            c.m.add(text.at, format!("{} is no grant", quote(&text.value)), help);
            continue;
        };
        let of_section: Vec<GrantKind> = GrantKind::ALL.into_iter().filter(|k| k.section() == section).collect();
        if of_section.is_empty() {
            let mut sections: Vec<&str> = GrantKind::ALL.iter().map(|k| k.section()).collect();
            sections.dedup();
            c.m.add(text.at, format!("nothing can be granted on {}", quote(section)), suggest(section, sections, ""));
            continue;
        }
        let Some(kind) = of_section.iter().copied().find(|k| k.verb() == verb) else {
            let help = suggest(verb, of_section.iter().map(|k| k.verb()), "");
            c.m.add(text.at, format!("a {section} has no grant {}", quote(verb)), help);
            continue;
        };
        if !c.known(section, name) {
            let help = c.suggestion(section, name);
            c.m.add(text.at, format!("there is no {section} {}", quote(name)), help);
            continue;
        }
        if kind == GrantKind::SourceRead && c.uploads.iter().any(|u| u == name) {
            let help = "its files are uploaded to a bucket: grant `bucket.NAME:read`";
            c.m.add(text.at, format!("no function asks the source {}", quote(name)), help);
            continue;
        }
        let scoped = matches!(kind, GrantKind::BucketRead | GrantKind::BucketWrite | GrantKind::BucketDelete);
        if !scoped && text.value.contains('/') {
            let help =
                "a prefix of keys belongs to a bucket's `read`, `write` and `delete`: `bucket.lake/report/:write`";
            c.m.add(text.at, format!("the grant {} has no prefix", quote(&text.value)), help);
            continue;
        }
        let prefix = key_prefix(c, At { value: prefix.to_owned(), at: text.at.clone() });
        let grant = Grant { kind, name: name.to_owned(), prefix };
        if found.contains(&grant) {
            c.m.add(text.at, format!("the grant {} stands twice", quote(&text.value)), "remove one");
            continue;
        }
        if matches!(kind, GrantKind::StreamWrite | GrantKind::BucketWrite | GrantKind::QueueSend) {
            let (who, place) = (format!("function.{function}"), format!("{section}.{name}"));
            c.links.writes.push(Link { who, place, prefix: grant.prefix.clone(), at: text.at.clone() });
        }
        if matches!(kind, GrantKind::CrawlerStart | GrantKind::JobStart) {
            let who = format!("function.{function}");
            c.links.writes.push(Link {
                who,
                place: crawlers::start_of(section, name),
                prefix: String::new(),
                at: text.at,
            });
        }
        found.push(grant);
    }
    found
}
