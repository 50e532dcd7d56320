//! Crawlers, jobs that read what those made, and who is told how either ended.

use std::{cell::RefCell, collections::BTreeMap};

use super::{
    diagnostic::quote,
    flow::Link,
    read::Context,
    sections::{column_name, each, key_prefix},
    tree::{Section, Table, Value},
    types::{Crawler, End, Target, Told},
};

/// The place, for the check of cycles, where something is started.
pub(super) fn start_of(section: &str, name: &str) -> String {
    format!("start of {section}.{name}")
}

/// Reads the crawlers; two that make one table are a mistake.
pub(super) fn crawlers(c: &mut Context<'_>, root: &Table) -> Vec<Crawler> {
    let taken = RefCell::new(BTreeMap::<String, String>::new());
    each(c, root, "crawler", |c, s, name| {
        let crawler = crawler(c, s, name.clone())?;
        if let Some(other) = taken.borrow_mut().insert(crawler.table.clone(), name) {
            let message = format!("the table {} is made by crawler.{other} already", quote(&crawler.table));
            let help = "a table is named by its folder: crawl another one, or add a `table_prefix`";
            c.m.add(s.node("prefix").map_or(0..0, |n| n.at.clone()), message, help);
        }
        Some(crawler)
    })
}

fn crawler(c: &mut Context<'_>, s: &mut Section<'_>, name: String) -> Option<Crawler> {
    let from = s.required(c.m, "from", "\"bucket.NAME\"");
    let prefix = s.required(c.m, "prefix", "\"input/\"");
    let table_prefix = s.text(c.m, "table_prefix", "\"raw_\"");
    let schedule = s.text(c.m, "schedule", "\"cron(5 * * * ? *)\"");
    let schedule = c.schedule(schedule);
    let who = format!("crawler.{name}");
    let on_ended = on_ended(c, s, &who);
    let from = from.and_then(|f| c.dotted("bucket", f));
    let prefix_at = prefix.as_ref().map(|p| p.at.clone()).unwrap_or_default();
    let prefix = key_prefix(c, prefix?);
    if let Some(p) = table_prefix.as_ref().filter(|p| !p.value.is_empty() && !column_name(&p.value)) {
        let help = "lower-case letters, digits and `_`, the first no digit: `raw_`";
        c.m.add(p.at.clone(), format!("{} begins no name of a table", quote(&p.value)), help);
    }
    let table_prefix = table_prefix.map(|p| p.value).unwrap_or_default();
    let table = table_name(&table_prefix, &prefix);
    if !column_name(&table) || table.len() > 48 {
        let help = "a table is named by the last folder of `prefix`, after `table_prefix`: at most 48 characters, and no \
                    digit first: `input/`";
        c.m.add(prefix_at, format!("{} gives no name for a table", quote(&prefix)), help);
    }
    let from = from?;
    let bucket = format!("bucket.{}", from.value);
    c.links.reads.push(Link { who: who.clone(), place: bucket, prefix: prefix.clone(), at: from.at.clone() });
    let start = start_of("crawler", &name);
    c.links.reads.push(Link { who, place: start, prefix: String::new(), at: from.at });
    Some(Crawler { name, from: from.value, prefix, table, table_prefix, schedule, on_ended })
}

/// The table of a folder, as AWS Glue names it: the last part of its path in lower case, `_` for what no name has.
fn table_name(table_prefix: &str, prefix: &str) -> String {
    let folder = prefix.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let fine = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
    format!("{table_prefix}{}", folder.chars().map(fine).collect::<String>())
}

/// What a job must not say that reads a crawler's table.
pub(super) fn told_by_table(c: &mut Context<'_>, s: &mut Section<'_>) {
    for key in ["from_prefix", "format", "input"] {
        if let Some(at) = s.node(key).map(|n| n.at.clone()) {
            c.m.add(
                at,
                format!("`{key}` beside a crawler"),
                "the crawler's table tells where, what and how: remove it",
            );
        }
    }
}

/// `on_succeeded` and `on_failed`: who is told how a crawl or a job's run ended.
pub(super) fn on_ended(c: &mut Context<'_>, s: &mut Section<'_>, who: &str) -> Vec<Told> {
    let mut all = Vec::new();
    for (key, end) in [("on_succeeded", End::Succeeded), ("on_failed", End::Failed)] {
        let example = "[{ function = \"NAME\" }, { topic = \"NAME\" }]";
        for item in s.list(c.m, key, example) {
            let Value::Table(table) = &item.value else {
                c.m.add(
                    item.at.clone(),
                    format!("who is told by `{key}` is a table"),
                    format!("write `{key} = {example}`"),
                );
                continue;
            };
            let mut rule = Section::new(format!("`{key}` of {who}"), item.at.clone(), table);
            let function = rule.text(c.m, "function", "\"NAME\"");
            let topic = rule.text(c.m, "topic", "\"NAME\"");
            let queue = rule.text(c.m, "queue", "\"NAME\"");
            let one = ["function", "topic", "queue"].into_iter().filter(|k| rule.node(k).is_some()).count() == 1;
            if !one {
                c.m.add(
                    item.at.clone(),
                    "who is told?",
                    format!("`{key}` has `function`, `topic` or `queue`, one in each"),
                );
            }
            rule.finish(c.m);
            let target = match (function, topic, queue) {
                (Some(f), ..) => c.bare("function", f).map(|f| (f.at, Target::Function(f.value))),
                (None, Some(t), _) => c.bare("topic", t).map(|t| (t.at, Target::Topic(t.value))),
                (None, None, queue) => queue.and_then(|q| c.bare("queue", q)).map(|q| (q.at, Target::Queue(q.value))),
            };
            let Some((at, target)) = target.filter(|_| one) else { continue };
            if let Target::Function(function) = &target {
                let place = format!("end of {who}");
                let link = |who: String| Link { who, place: place.clone(), prefix: String::new(), at: at.clone() };
                c.links.writes.push(link(who.to_owned()));
                c.links.reads.push(link(format!("function.{function}")));
            }
            if let Target::Queue(queue) = &target {
                let (place, prefix) = (format!("queue.{queue}"), String::new());
                c.links.writes.push(Link { who: who.to_owned(), place, prefix, at: at.clone() });
            }
            let told = Told { end, target };
            if all.contains(&told) {
                c.m.add(at, "this stands twice", "the end would be told twice: remove one");
                continue;
            }
            all.push(told);
        }
    }
    all
}
