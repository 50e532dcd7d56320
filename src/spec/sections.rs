//! The sections that hold and move data: sources, secrets, thresholds, streams, deliveries, buckets, topics, queries.
#![allow(clippy::unnecessary_wraps, reason = "the readers of all sections have one signature")]
#![allow(clippy::single_match_else, reason = "what is right and what is wrong stand side by side")]

use super::{
    alarms, apis, connections, crawlers, databases,
    diagnostic::{Mistakes, quote},
    flow::Link,
    functions, jobs,
    read::Context,
    sources::source,
    storage,
    tree::{At, Section, Table, Value},
    types::{
        Bucket, ConnectionTo, Delivery, Environment, Query, Queue, Rule, Secret, Source, Stream, Target, Threshold,
        Topic, Upload,
    },
};

pub(super) use super::flow::Links;

/// Reads all sections of one environment.
pub(super) fn environment(
    c: &mut Context<'_>,
    root: &Table,
    name: String,
    region: Option<String>,
    protected: bool,
) -> Environment {
    let (mut sources, mut uploads) = (Vec::new(), Vec::new());
    for read in each(c, root, "source", |c, s, name| match s.node("files") {
        Some(_) => {
            c.uploads.push(name.clone());
            storage::upload(c, s, name).map(Read::Files)
        }
        None => source(c, s, name).map(Read::Address),
    }) {
        match read {
            Read::Address(source) => sources.push(source),
            Read::Files(upload) => uploads.push(upload),
        }
    }
    let mut secrets = each(c, root, "secret", secret);
    for source in &sources {
        if let Some(name) = source.secret.as_ref().filter(|s| secrets.iter().all(|k| k.name != **s)) {
            secrets.push(Secret { name: name.clone(), description: format!("What the source {} wants", source.name) });
        }
    }
    let queues = each(c, root, "queue", queue);
    c.visibility = queues.iter().map(|q| (q.name.clone(), q.visibility_seconds)).collect();
    let networks = each(c, root, "network", databases::network);
    let postgres = each(c, root, "postgres", databases::postgres);
    let connections = each(c, root, "connection", |c, s, name| connections::connection(c, s, name, &postgres));
    for connection in &connections {
        if let Some(ConnectionTo::Url { secret, .. }) = &connection.to
            && secrets.iter().all(|known| known.name != *secret)
        {
            let description = format!("The user and the password of the connection {}", connection.name);
            secrets.push(Secret { name: secret.clone(), description });
        }
    }
    let functions = each(c, root, "function", |c, s, name| {
        let function = functions::function(c, s, name)?;
        databases::reach(c, s.at.clone(), &function, &postgres, &networks);
        Some(function)
    });
    let crawlers = crawlers::crawlers(c, root);
    let jobs = jobs::jobs(c, root, &crawlers, &connections);
    let tables = storage::tables(c, root, &jobs);
    let wanted = !crawlers.is_empty() || !tables.is_empty() || jobs.iter().any(|j| j.table.is_some());
    let database = catalog(c, root, wanted);
    Environment {
        name,
        region,
        protected,
        database,
        sources,
        uploads,
        keys: each(c, root, "key", storage::key),
        key_tables: each(c, root, "dynamodb", storage::key_table),
        tables,
        secrets,
        thresholds: each(c, root, "threshold", threshold),
        streams: each(c, root, "stream", stream),
        queues,
        deliveries: each(c, root, "delivery", delivery),
        buckets: storage::buckets(c, root),
        functions,
        crawlers,
        jobs,
        topics: each(c, root, "topic", topic),
        alarms: each(c, root, "alarm", alarms::alarm),
        queries: each(c, root, "query", query),
        apis: apis::apis(c, root),
        networks,
        postgres,
        connections,
        metrics: each(c, root, "metric", databases::metric),
        dashboards: databases::dashboards(c, root),
        existing: Vec::new(),
    }
}

/// A source: an address, or files.
enum Read {
    Address(Source),
    Files(Upload),
}

/// Reads each `[section.name]`, in the order of the file.
pub(super) fn each<T>(
    c: &mut Context<'_>,
    root: &Table,
    section: &str,
    read: impl Fn(&mut Context<'_>, &mut Section<'_>, String) -> Option<T>,
) -> Vec<T> {
    let Some(Value::Table(all)) = root.get(section).map(|n| &n.value) else { return Vec::new() };
    let mut found = Vec::new();
    for (name, table, _) in all.tables() {
        let mut inner = Section::new(format!("{section}.{}", name.value), name.at.clone(), table);
        found.extend(read(c, &mut inner, name.value.clone()));
        inner.finish(c.m);
    }
    found
}

fn catalog(c: &mut Context<'_>, root: &Table, wanted: bool) -> Option<String> {
    let node = root.get("catalog");
    let given = match node.map(|n| (&n.value, n.at.clone())) {
        None => None,
        Some((Value::Table(table), at)) => {
            let mut section = Section::new("catalog", at, table);
            let database = section.text(c.m, "database", "\"my_lake\"");
            section.finish(c.m);
            database.filter(|d| {
                let fine = column_name(&d.value) && d.value.len() <= 48;
                if !fine {
                    let help = "at most 48 lower-case letters, digits and `_`, the first a letter: `crypto_stream`";
                    c.m.add(d.at.clone(), format!("{} is no name for a database", quote(&d.value)), help);
                }
                fine
            })
        }
        Some((_, at)) => {
            c.m.add(at, "`catalog` is no table", "write `[catalog]` and below it `database = \"my_lake\"`");
            None
        }
    };
    match (given, root.get("name").map(|n| &n.value)) {
        (Some(given), _) => Some(given.value),
        (None, Some(Value::Text(name))) if wanted || node.is_some() => Some(name.replace('-', "_")),
        _ => None,
    }
}

/// Whether a name is fit for a column, a table or a database.
pub(super) fn column_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        && name.len() <= 128
}

/// Looks at the name of a secret where it is declared by who wants it.
pub(super) fn secret_name(c: &mut Context<'_>, secret: &At<String>) {
    let word = secret.value.len() <= 24 && column_name(&secret.value) && !secret.value.starts_with('_');
    if !word {
        let help = "at most 24 lower-case letters, digits and `_`, the first a letter: `api_key`";
        c.m.add(secret.at.clone(), format!("{} is no name for a secret", quote(&secret.value)), help);
    }
}

fn secret(c: &mut Context<'_>, s: &mut Section<'_>, name: String) -> Option<Secret> {
    let description = s.text(c.m, "description", "\"what it is for\"").map(|d| d.value).unwrap_or_default();
    Some(Secret { name, description })
}

fn threshold(c: &mut Context<'_>, s: &mut Section<'_>, name: String) -> Option<Threshold> {
    let default = s.number(c.m, "default", "100000.0");
    let unit = s.text(c.m, "unit", "\"USD\"").map(|u| u.value);
    if default.is_none() && s.node("default").is_none() {
        s.missing(c.m, "default", "100000.0");
    }
    Some(Threshold { name, default: default?.value, unit })
}

fn stream(c: &mut Context<'_>, s: &mut Section<'_>, name: String) -> Option<Stream> {
    let shards = s.count(c.m, "shards", 1..=500).unwrap_or(1);
    let retention_hours = s.count(c.m, "retention_hours", 24..=8_760).unwrap_or(24);
    Some(Stream { name, shards, retention_hours })
}

fn queue(c: &mut Context<'_>, s: &mut Section<'_>, name: String) -> Option<Queue> {
    let visibility_seconds = s.count(c.m, "visibility_seconds", 1..=43_200).unwrap_or(30);
    let retention_days = s.count(c.m, "retention_days", 1..=14).unwrap_or(4);
    let max_receives = s.count(c.m, "max_receives", 1..=1_000).unwrap_or(3);
    Some(Queue { name, visibility_seconds, retention_days, max_receives })
}

fn delivery(c: &mut Context<'_>, s: &mut Section<'_>, name: String) -> Option<Delivery> {
    let from = s.required(c.m, "from", "\"stream.NAME\"");
    let to = s.required(c.m, "to", "\"bucket.NAME\"");
    let prefix = s.text(c.m, "prefix", "\"raw/\"");
    let prefix = prefix.map(|p| key_prefix(c, p)).unwrap_or_default();
    let (mut buffer_seconds, mut buffer_mib) = (60, 5);
    if let Some(mut buffer) = s.section(c.m, "buffer", "{ seconds = 60, mib = 5 }") {
        buffer_seconds = buffer.count(c.m, "seconds", 0..=900).unwrap_or(60);
        buffer_mib = buffer.count(c.m, "mib", 1..=128).unwrap_or(5);
        buffer.finish(c.m);
    }
    let extension = s.text(c.m, "file_extension", "\".json\"");
    if let Some(e) = &extension {
        let rest = e.value.strip_prefix('.').unwrap_or_default();
        if rest.is_empty() || rest.len() > 32 || !rest.chars().all(|c| c.is_ascii_alphanumeric() || c == '.') {
            c.m.add(
                e.at.clone(),
                format!("{} is no file extension", quote(&e.value)),
                "begin it with a point: `.json`",
            );
        }
    }
    let from = from.and_then(|f| c.dotted("stream", f));
    let to = to.and_then(|t| c.dotted("bucket", t));
    let (from, to) = (from?, to?);
    let who = format!("delivery.{name}");
    let link = |place: String, prefix: &str, at| Link { who: who.clone(), place, prefix: prefix.into(), at };
    c.links.reads.push(link(format!("stream.{}", from.value), "", from.at));
    c.links.writes.push(link(format!("bucket.{}", to.value), &prefix, to.at));
    Some(Delivery {
        name,
        from: from.value,
        to: to.value,
        prefix,
        buffer_seconds,
        buffer_mib,
        file_extension: extension.map_or_else(|| ".json".into(), |e| e.value),
    })
}

/// What keys begin with: nothing, or folders.
pub(super) fn key_prefix(c: &mut Context<'_>, prefix: At<String>) -> String {
    let text = &prefix.value;
    let fine = text.is_empty()
        || (text.ends_with('/')
            && !text.starts_with('/')
            && !text.contains("//")
            && text.len() <= 256
            && text.chars().all(|c| c.is_ascii_alphanumeric() || "/!-_.*'()=".contains(c))
            && text.split('/').all(|part| part != "." && part != ".."));
    if !fine {
        let help = "a prefix ends with `/` and does not begin with one: `raw/`";
        c.m.add(prefix.at, format!("{} is no prefix for keys", quote(text)), help);
    }
    prefix.value
}

/// What a bucket says of itself; its settings that name others are read by `storage`.
pub(super) fn bucket(c: &mut Context<'_>, s: &mut Section<'_>, name: String) -> Option<Bucket> {
    let versioning = s.boolean(c.m, "versioning").unwrap_or(false);
    let expire_days = s.count(c.m, "expire_days", 1..=36_500);
    let example = "[{ suffix = \".json\", function = \"NAME\" }]";
    let mut on_created = Vec::new();
    for item in s.list(c.m, "on_created", example) {
        let Value::Table(table) = &item.value else {
            c.m.add(item.at.clone(), "a rule of `on_created` is a table", format!("write `on_created = {example}`"));
            continue;
        };
        let mut rule = Section::new(format!("a rule of bucket.{name}"), item.at.clone(), table);
        let prefix = rule.text(c.m, "prefix", "\"raw/\"").map(|p| p.value).unwrap_or_default();
        let suffix = rule.text(c.m, "suffix", "\".json\"").map(|p| p.value).unwrap_or_default();
        let function = rule.text(c.m, "function", "\"NAME\"");
        let topic = rule.text(c.m, "topic", "\"NAME\"");
        let queue = rule.text(c.m, "queue", "\"NAME\"");
        let both = ["function", "topic", "queue"].into_iter().filter(|k| rule.node(k).is_some()).count() != 1;
        if both {
            let help = "a rule has `function`, `topic` or `queue`, one of them";
            c.m.add(item.at.clone(), "who is told of a new object?", help);
        }
        rule.finish(c.m);
        let target = if let Some(f) = function {
            c.bare("function", f).map(|f| (f.at, Target::Function(f.value)))
        } else if let Some(q) = queue {
            c.bare("queue", q).map(|q| (q.at, Target::Queue(q.value)))
        } else {
            topic.and_then(|t| c.bare("topic", t)).map(|t| (t.at, Target::Topic(t.value)))
        };
        let Some((at, target)) = target.filter(|_| !both) else { continue };
        if let Target::Function(function) = &target {
            let (who, place) = (format!("function.{function}"), format!("bucket.{name}"));
            c.links.reads.push(Link { who, place, prefix: prefix.clone(), at: at.clone() });
        }
        if let Target::Queue(queue) = &target {
            // The queue hands on what the bucket tells it.
            let place = format!("queue.{queue}");
            let link = |place: String, prefix: &str| Link {
                who: format!("queue.{queue}"),
                place,
                prefix: prefix.to_owned(),
                at: at.clone(),
            };
            c.links.reads.push(link(format!("bucket.{name}"), &prefix));
            c.links.writes.push(link(place, ""));
        }
        let rule = Rule { prefix, suffix, target };
        if on_created.contains(&rule) {
            c.m.add(at, "this rule stands twice", "a new object would be told twice: remove one");
        }
        on_created.push(rule);
    }
    Some(Bucket {
        name,
        versioning,
        expire_days,
        on_created,
        expire_versions_days: None,
        transition: None,
        encryption: None,
        cors: Vec::new(),
        access_log: None,
        replicate_to: None,
    })
}

fn topic(c: &mut Context<'_>, s: &mut Section<'_>, name: String) -> Option<Topic> {
    let email = s.texts(c.m, "email", "[\"oncall@example.com\"]");
    Some(Topic { name, email: emails(c.m, email) })
}

/// Those that are email addresses, once each.
pub(super) fn emails(m: &mut Mistakes, addresses: Vec<At<String>>) -> Vec<String> {
    let mut email: Vec<String> = Vec::new();
    for address in addresses {
        let fine = address.value.split_once('@').is_some_and(|(user, host)| {
            !user.is_empty()
                && host.contains('.')
                && !host.contains('@')
                && host.split('.').all(|part| !part.is_empty())
                && address.value.chars().all(|c| !c.is_whitespace() && !c.is_control())
        });
        if !fine {
            m.add(address.at, format!("{} is no email address", quote(&address.value)), "write `oncall@example.com`");
        } else if email.contains(&address.value) {
            m.add(address.at, format!("{} stands twice", quote(&address.value)), "remove one");
        } else {
            email.push(address.value);
        }
    }
    email
}

fn query(c: &mut Context<'_>, s: &mut Section<'_>, name: String) -> Option<Query> {
    let path = s.required(c.m, "sql", "\"queries/latest.sql\"");
    let sql = c.sql(path, false);
    Some(Query { name, sql })
}
