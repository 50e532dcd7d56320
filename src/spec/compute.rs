//! The sections that do work: functions, jobs, alarms, APIs.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{
    connections, crawl,
    diagnostic::{quote, suggest},
    flow::Link,
    read::Context,
    sections::{column_name, each, key_prefix},
    tree::{At, Section, Table},
    types::{
        Alarm, Api, Column, Connection, Crawler, Dialect, Function, Grant, GrantKind, Job, Metric, Quota, Runtime,
        Throttle,
    },
};

const CODE_BYTES: u64 = 50 * 1024 * 1024;
/// The types of columns, in Athena's words.
pub(super) const TYPES: [&str; 7] = ["varchar", "double", "bigint", "integer", "boolean", "timestamp", "date"];
/// Those that a part of a key can hold.
const PARTITION_TYPES: [&str; 4] = ["varchar", "integer", "bigint", "date"];
const FORMATS: [&str; 4] = ["json", "csv", "pipe", "parquet"];
const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];
const PERIODS: [&str; 3] = ["day", "week", "month"];

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
                place: crawl::start_of(section, name),
                prefix: String::new(),
                at: text.at,
            });
        }
        found.push(grant);
    }
    found
}

/// Reads the jobs; two that fill one table are a mistake.
pub(super) fn jobs(c: &mut Context<'_>, root: &Table, crawlers: &[Crawler], reached: &[Connection]) -> Vec<Job> {
    let made = crawlers.iter().map(|crawler| (crawler.table.clone(), format!("crawler.{}", crawler.name)));
    let taken = std::cell::RefCell::new(made.collect::<BTreeMap<String, String>>());
    each(c, root, "job", |c, s, name| {
        let table = s.text(c.m, "table", "\"prices\"");
        if let Some(table) = &table {
            let help = "at most 48 lower-case letters, digits and `_`, the first a letter; no table has two jobs";
            let other = taken.borrow_mut().insert(table.value.clone(), format!("job.{name}"));
            // Table names become logical ids as other names do.
            let word = |w: &str| w.starts_with(|c: char| c.is_ascii_lowercase());
            if !column_name(&table.value) || table.value.len() > 48 || !table.value.split('_').all(word) {
                c.m.add(table.at.clone(), format!("{} is no name for a table", quote(&table.value)), help);
            } else if let Some(other) = other {
                let message = format!("the table {} is filled by {other} already", quote(&table.value));
                c.m.add(table.at.clone(), message, help);
            }
        }
        job(c, s, name, table.map(|t| t.value), crawlers, reached)
    })
}

fn job(
    c: &mut Context<'_>,
    s: &mut Section<'_>,
    name: String,
    table: Option<String>,
    crawlers: &[Crawler],
    reached: &[Connection],
) -> Option<Job> {
    let path = s.required(c.m, "sql", "\"jobs/clean.sql\"");
    let sql = c.sql(path, true);
    let from = s.required(c.m, "from", "\"bucket.NAME\"");
    let to = s.required(c.m, "to", "\"bucket.NAME\"");
    let in_table = to.as_ref().is_some_and(|t| t.value.starts_with("dynamodb."));
    let from_prefix = s.text(c.m, "from_prefix", "\"raw/\"").map(|p| key_prefix(c, p)).unwrap_or_default();
    let prefix = s.text(c.m, "prefix", "\"prices/\"").map(|p| key_prefix(c, p));
    let prefix = prefix.unwrap_or_else(|| format!("{}/", table.as_deref().unwrap_or(&name)));
    let format = s.text(c.m, "format", "\"json\"");
    if let Some(format) = format.as_ref().filter(|f| !FORMATS.contains(&f.value.as_str())) {
        let message = format!("a job does not read {}", quote(&format.value));
        c.m.add(format.at.clone(), message, suggest(&format.value, FORMATS, ""));
    }
    let crawled = from.as_ref().is_some_and(|f| f.value.starts_with("crawler."));
    if crawled {
        crawl::told_by_table(c, s);
    }
    let input = columns(c, s, "input", &TYPES);
    let reading = reading(c, s, format.as_ref(), &input);
    if input.is_empty() && s.node("input").is_none() && !crawled {
        s.missing(c.m, "input", "{ name = \"varchar\", amount = \"double\" }");
    }
    let output = columns(c, s, "columns", &TYPES);
    match (&table, s.node("columns").map(|n| n.at.clone())) {
        (Some(_), None) => s.missing(c.m, "columns", "{ name = \"varchar\", amount = \"double\" }"),
        (None, Some(at)) => c.m.add(at, "`columns` without a `table`", "add `table = \"name\"`, or remove the columns"),
        _ => {}
    }
    let partition_by = columns(c, s, "partition_by", &PARTITION_TYPES);
    for column in partition_by.iter().filter(|p| output.iter().any(|o| o.value.name == p.value.name)) {
        let message = format!("the column {} stands in `columns`, too", quote(&column.value.name));
        c.m.add(
            column.at.clone(),
            message,
            "a partition column is in the keys, not in the files: remove it from `columns`",
        );
    }
    let bookmark = s.boolean(c.m, "bookmark").unwrap_or(false);
    let schedule = s.text(c.m, "schedule", "\"cron(5 * * * ? *)\"");
    let schedule = c.schedule(schedule);
    let timeout_minutes = s.count(c.m, "timeout_minutes", 1..=2_880).unwrap_or(60);
    let on_ended = crawl::on_ended(c, s, &format!("job.{name}"));
    let (connections, network) = connections::of_job(c, s, &name, reached);
    let to = to.and_then(|t| c.dotted(if in_table { "dynamodb" } else { "bucket" }, t));
    let (from, from_prefix, crawler) = if crawled {
        let from = from.and_then(|f| c.dotted("crawler", f));
        // One that is wrong itself was told of already.
        let crawler = from.as_ref().and_then(|f| crawlers.iter().find(|crawler| crawler.name == f.value));
        let bucket = crawler.zip(from.as_ref()).map(|(k, f)| At { value: k.from.clone(), at: f.at.clone() });
        (bucket, crawler.map(|k| k.prefix.clone()).unwrap_or_default(), from.map(|f| f.value))
    } else {
        (from.and_then(|f| c.dotted("bucket", f)), from_prefix, None)
    };
    let replace = s.boolean(c.m, "replace").unwrap_or(false);
    if let Some(at) = s.node("replace").map(|n| n.at.clone()).filter(|_| replace && (bookmark || !in_table)) {
        let help = "`replace` is for a job that writes a key-value table and reads all of its input: no `bookmark`";
        c.m.add(at, "what this job does not give cannot be told from what it did not read", help);
    }
    for key in ["prefix", "table", "columns", "partition_by"].iter().filter(|_| in_table) {
        if let Some(at) = s.node(key).map(|n| n.at.clone()) {
            c.m.add(
                at,
                format!("`{key}` of a job that writes a key-value table"),
                "remove it: each row becomes an item",
            );
        }
    }
    let (from, to) = (from?, to?);
    let link = |bucket: &str, prefix: &str, at| Link {
        who: format!("job.{name}"),
        place: format!("bucket.{bucket}"),
        prefix: prefix.to_owned(),
        at,
    };
    c.links.reads.push(link(&from.value, &from_prefix, from.at));
    if let Some((bucket, prefix, at)) = &reading.rejects {
        c.links.writes.push(link(bucket, prefix, at.clone()));
    }
    if !in_table {
        c.links.writes.push(link(&to.value, &prefix, to.at.clone()));
    }
    c.links.reads.push(Link { place: crawl::start_of("job", &name), ..link("", "", to.at) });
    let plain = |all: Vec<At<Column>>| all.into_iter().map(|c| c.value).collect();
    Some(Job {
        name,
        sql,
        from: from.value,
        from_prefix,
        format: if crawled { String::new() } else { format.map_or_else(|| "json".into(), |f| f.value) },
        crawler,
        input: plain(input),
        csv: reading.csv,
        file_column: reading.file_column,
        rejects: reading.rejects.map(|(bucket, prefix, _)| (bucket, prefix)),
        key_table: in_table.then(|| to.value.clone()),
        replace,
        to: if in_table { String::new() } else { to.value },
        prefix,
        table,
        columns: plain(output),
        partition_by: plain(partition_by),
        bookmark,
        schedule,
        timeout_minutes,
        connections,
        network,
        on_ended,
    })
}

/// How a job reads its input, beside the format and the columns.
struct Reading {
    csv: Option<Dialect>,
    file_column: Option<String>,
    rejects: Option<(String, String, std::ops::Range<usize>)>,
}

fn reading(c: &mut Context<'_>, s: &mut Section<'_>, format: Option<&At<String>>, input: &[At<Column>]) -> Reading {
    let format = format.map_or("json", |f| f.value.as_str());
    let csv = s.section(c.m, "csv", "{ delimiter = \";\", trim = true }").map(|mut csv| {
        if format != "csv" {
            c.m.add(
                csv.at.clone(),
                format!("`csv` of a job that reads {format}"),
                "add `format = \"csv\"`, or remove it",
            );
        }
        let delimiter = csv.text(c.m, "delimiter", "\";\"");
        if let Some(d) = delimiter.as_ref().filter(|d| {
            let mut all = d.value.chars();
            all.next().is_none_or(|one| !one.is_ascii() || "\"\r\n".contains(one)) || all.next().is_some()
        }) {
            let help = "one ASCII character, but no quote: `\",\"`, `\"\\t\"`";
            c.m.add(d.at.clone(), format!("{} is no delimiter", quote(&d.value)), help);
        }
        let delimiter = delimiter.and_then(|d| d.value.chars().next()).unwrap_or(',');
        let trim = csv.boolean(c.m, "trim").unwrap_or(false);
        let header = csv.boolean(c.m, "header").unwrap_or(true);
        csv.finish(c.m);
        Dialect { delimiter, trim, header, pipes: false }
    });
    let file_column = s.text(c.m, "file_column", "\"file\"");
    if let Some(column) = &file_column {
        if !column_name(&column.value) {
            let help = "lower-case letters, digits and `_`, the first no digit";
            c.m.add(column.at.clone(), format!("{} is no name for a column", quote(&column.value)), help);
        }
        if input.iter().any(|i| i.value.name.to_lowercase() == column.value) {
            let message = format!("{} stands in `input`, too", quote(&column.value));
            c.m.add(column.at.clone(), message, "give the column of the files' names another name");
        }
    }
    let rejects = s.text(c.m, "rejects", "\"bucket.NAME/rejects/\"");
    if let Some(rejects) = rejects.as_ref().filter(|_| !matches!(format, "csv" | "pipe")) {
        let help = "rows of `csv` and `pipe` can be set aside; of other formats, a bad one fails the run";
        c.m.add(rejects.at.clone(), format!("`rejects` of a job that reads {format}"), help);
    }
    let rejects = rejects.and_then(|text| {
        let (bucket, prefix) = text.value.split_once('/').unwrap_or((&text.value, ""));
        let bucket = c.dotted("bucket", At { value: bucket.to_owned(), at: text.at.clone() })?;
        if prefix.is_empty() {
            c.m.add(text.at.clone(), "`rejects` has no prefix", "write `rejects = \"bucket.NAME/rejects/\"`");
        }
        let prefix = key_prefix(c, At { value: prefix.to_owned(), at: text.at.clone() });
        Some((bucket.value, prefix, text.at))
    });
    Reading { csv, file_column: file_column.map(|f| f.value), rejects }
}

/// A table of columns and their types, in the order of the file.
pub(super) fn columns(c: &mut Context<'_>, s: &mut Section<'_>, key: &'static str, types: &[&str]) -> Vec<At<Column>> {
    let mut found = Vec::new();
    for (name, kind) in s.pairs(c.m, key, "{ name = \"varchar\", amount = \"double\" }") {
        // What a job reads was named by others; what it writes has names that every engine takes.
        let (fine, help) = if key == "input" {
            (foreign_name(&name.value), "as the files have it: 1 to 128 characters, no space at either end")
        } else {
            (column_name(&name.value), "lower-case letters, digits and `_`, the first no digit")
        };
        if !fine {
            c.m.add(name.at.clone(), format!("{} is no name for a column", quote(&name.value)), help);
        }
        let same = |other: &At<Column>| other.value.name.to_lowercase() == name.value.to_lowercase();
        if let Some(other) = found.iter().find(|o| same(o)) {
            let message = format!("{} differs from {} only in its case", quote(&name.value), quote(&other.value.name));
            c.m.add(name.at.clone(), message, "SQL takes them for one column: read one of them");
        }
        if !types.contains(&kind.value.as_str()) {
            let alias = match kind.value.to_ascii_lowercase().as_str() {
                "string" | "text" | "char" => "varchar",
                "int" | "int32" | "smallint" => "integer",
                "long" | "int64" => "bigint",
                "float" | "real" | "number" | "decimal" => "double",
                "bool" => "boolean",
                "datetime" => "timestamp",
                other => other,
            }
            .to_owned();
            let what = if key == "partition_by" { "a partition column" } else { "a column" };
            let message = format!("{} is no type for {what}", quote(&kind.value));
            c.m.add(kind.at, message, suggest(&alias, types.iter().copied(), ""));
            continue;
        }
        found.push(At { value: Column { name: name.value, kind: kind.value }, at: name.at });
    }
    found
}

/// Whether a name is fit for a column that others made.
fn foreign_name(name: &str) -> bool {
    (1..=128).contains(&name.chars().count()) && name.trim() == name && !name.chars().any(char::is_control)
}

pub(super) fn alarm(c: &mut Context<'_>, s: &mut Section<'_>, name: String) -> Option<Alarm> {
    let metric = s.required(c.m, "metric", "\"function.NAME:errors\"");
    let above = s.number(c.m, "above", "0");
    let period_minutes = s.count(c.m, "period_minutes", 1..=1_440).unwrap_or(5);
    let topic = s.text(c.m, "topic", "\"NAME\"").and_then(|t| c.bare("topic", t));
    let metric = metric?;
    let parts = metric.value.split_once('.').and_then(|(section, rest)| Some((section, rest.rsplit_once(':')?)));
    let (section, name_of, made): (&'static str, _, fn(String) -> Metric) = match parts {
        Some(("function", (of, "errors"))) => ("function", of, Metric::FunctionErrors),
        Some(("job", (of, "failures"))) => ("job", of, Metric::JobFailures),
        _ => {
            let help = "an alarm watches `function.NAME:errors` or `job.NAME:failures`";
            c.m.add(metric.at, format!("{} is no metric", quote(&metric.value)), help);
            return None;
        }
    };
    let of = c.bare(section, At { value: name_of.to_owned(), at: metric.at.clone() })?;
    if let Some(above) = above.as_ref().filter(|a| a.value < 0.0) {
        c.m.add(above.at.clone(), "a count is never below 0", "write `above = 0` for the first failure");
    }
    Some(Alarm {
        name,
        metric: made(of.value),
        above: above.map_or(0.0, |a| a.value),
        period_minutes,
        topic: topic.map(|t| t.value),
    })
}

/// Reads the APIs; two at one path and method are a mistake.
pub(super) fn apis(c: &mut Context<'_>, root: &Table) -> Vec<Api> {
    let taken = std::cell::RefCell::new(BTreeMap::<(String, String), String>::new());
    each(c, root, "api", |c, s, name| {
        let path = s.required(c.m, "path", "\"/prices\"");
        let api = api(c, s, name.clone(), path.as_ref().map(|p| p.value.clone()));
        let (api, path) = (api?, path?);
        let part = |p: &str| {
            let p = p.strip_prefix('{').and_then(|p| p.strip_suffix('}')).unwrap_or(p);
            !p.is_empty() && p.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)) && p != "." && p != ".."
        };
        if path.value.len() > 200 || !path.value.strip_prefix('/').is_some_and(|p| p.split('/').all(part)) {
            let help =
                "a path begins with `/` and has letters, digits, `-`, `_` and `{parameter}` between slashes: `/prices`";
            c.m.add(path.at.clone(), format!("{} is no path", quote(&path.value)), help);
        }
        if let Some(other) = taken.borrow_mut().insert((api.path.clone(), api.method.clone()), name) {
            let message = format!("api.{other} answers {} {} already", api.method, quote(&api.path));
            c.m.add(path.at, message, "give one of the two another path or method");
        }
        Some(api)
    })
}

fn api(c: &mut Context<'_>, s: &mut Section<'_>, name: String, path: Option<String>) -> Option<Api> {
    let method = s.text(c.m, "method", "\"GET\"");
    if let Some(method) = method.as_ref().filter(|m| !METHODS.contains(&m.value.as_str())) {
        let message = format!("there is no method {}", quote(&method.value));
        c.m.add(method.at.clone(), message, suggest(&method.value, METHODS, ""));
    }
    let function = s.required(c.m, "function", "\"NAME\"").and_then(|f| c.bare("function", f));
    let api_key = s.boolean(c.m, "api_key").unwrap_or(true);
    let throttle = s.section(c.m, "throttle", "{ rate = 10, burst = 20 }").and_then(|mut t| {
        let rate = t.number(c.m, "rate", "10");
        let burst = t.count(c.m, "burst", 1..=5_000);
        if rate.is_none() && t.node("rate").is_none() {
            t.missing(c.m, "rate", "10");
        }
        if burst.is_none() && t.node("burst").is_none() {
            t.missing(c.m, "burst", "20");
        }
        if let Some(rate) = rate.as_ref().filter(|r| !(0.01..=10_000.0).contains(&r.value)) {
            c.m.add(rate.at.clone(), "`rate` is out of range", "requests a second, from 0.01 to 10000");
        }
        t.finish(c.m);
        Some(Throttle { rate: rate?.value, burst: burst? })
    });
    let quota = s.section(c.m, "quota", "{ limit = 1000, period = \"day\" }").and_then(|mut q| {
        let limit = q.integer(c.m, "limit", 1..=1_000_000_000);
        let period = q.required(c.m, "period", "\"day\"");
        if limit.is_none() && q.node("limit").is_none() {
            q.missing(c.m, "limit", "1000");
        }
        if let Some(period) = period.as_ref().filter(|p| !PERIODS.contains(&p.value.as_str())) {
            let message = format!("{} is no period of a quota", quote(&period.value));
            c.m.add(period.at.clone(), message, suggest(&period.value, PERIODS, ""));
        }
        if !api_key {
            c.m.add(
                q.at.clone(),
                "a quota counts the requests of an API key",
                "add `api_key = true`, or remove the quota",
            );
        }
        q.finish(c.m);
        Some(Quota { limit: limit?.unsigned_abs(), period: period?.value })
    });
    let (path, function) = (path?, function?);
    let method = method.map_or_else(|| "GET".into(), |m| m.value);
    Some(Api { name, path, method, function: function.value, api_key, throttle, quota })
}
