//! Jobs: what they read, how, and what they write.

use std::collections::BTreeMap;

use super::{
    connections, crawlers,
    diagnostic::{quote, suggest},
    flow::Link,
    read::Context,
    sections::{column_name, each, key_prefix},
    tree::{At, Section, Table},
    types::{Column, Connection, Crawler, Dialect, Job},
};

/// The types of columns, in Athena's words.
pub(super) const TYPES: [&str; 7] = ["varchar", "double", "bigint", "integer", "boolean", "timestamp", "date"];

/// Those that a part of a key can hold.
const PARTITION_TYPES: [&str; 4] = ["varchar", "integer", "bigint", "date"];

const FORMATS: [&str; 4] = ["json", "csv", "pipe", "parquet"];

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
        crawlers::told_by_table(c, s);
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
    let on_ended = crawlers::on_ended(c, s, &format!("job.{name}"));
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
    c.links.reads.push(Link { place: crawlers::start_of("job", &name), ..link("", "", to.at) });
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
