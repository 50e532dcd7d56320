//! The sections that say how data is kept: settings of buckets, keys, key-value tables, catalog tables, files to upload.
#![allow(clippy::unnecessary_wraps, reason = "the readers of all sections have one signature")]
#![allow(clippy::single_match_else, reason = "what is right and what is wrong stand side by side")]

use std::{cell::RefCell, collections::BTreeMap};

use super::{
    diagnostic::{quote, suggest},
    jobs,
    read::Context,
    sections::{bucket, column_name, each, key_prefix},
    tree::{At, Section, Table, Value},
    types::{self, Bucket, CorsRule, Job, Key, KeyAttribute, KeyIndex, KeyKind, KeyTable, Transition, Upload},
};

const UPLOAD_BYTES: u64 = 64 * 1024 * 1024;
/// S3's storage classes that objects may move to, and the days before which S3 moves none there.
const CLASSES: [(&str, u32); 6] = [
    ("STANDARD_IA", 30),
    ("ONEZONE_IA", 30),
    ("INTELLIGENT_TIERING", 0),
    ("GLACIER_IR", 0),
    ("GLACIER", 0),
    ("DEEP_ARCHIVE", 0),
];
const METHODS: [&str; 5] = ["GET", "HEAD", "PUT", "POST", "DELETE"];
const KINDS: [&str; 2] = ["number", "string"];
/// DynamoDB's words for what a stream holds.
const STREAMS: [&str; 4] = ["new_image", "old_image", "new_and_old_images", "keys_only"];
/// DynamoDB's limit.
const MOST_INDEXES: usize = 20;
const FORMATS: [&str; 3] = ["csv", "json", "parquet"];

/// Where buckets name each other, by the bucket's name and the key.
type Places = RefCell<BTreeMap<(String, &'static str), At<String>>>;

/// Reads the buckets, and what they say of each other.
pub(super) fn buckets(c: &mut Context<'_>, root: &Table) -> Vec<Bucket> {
    let places = Places::default();
    let all = each(c, root, "bucket", |c, s, name| {
        let mut bucket = bucket(c, s, name)?;
        settings(c, s, &mut bucket, &places);
        Some(bucket)
    });
    let places = places.into_inner();
    for bucket in &all {
        let at = |key| places.get(&(bucket.name.clone(), key)).map(|t| t.at.clone()).unwrap_or_default();
        let other = |name: &Option<String>| name.as_ref().and_then(|n| all.iter().find(|b| b.name == *n));
        if let Some(logs) = other(&bucket.access_log) {
            if logs.name == bucket.name || logs.access_log.is_some() {
                let help = "the logs would tell of one another for ever: write to a bucket without `access_log`";
                c.m.add(at("access_log"), format!("bucket.{} has an access log itself", logs.name), help);
            }
            if logs.replicate_to.as_ref() == Some(&bucket.name) {
                let help = "each would wait for the other to be there: let the logs be copied elsewhere, or not at all";
                c.m.add(at("access_log"), format!("bucket.{} is copied to this bucket", logs.name), help);
            }
            if logs.encryption.is_some() {
                let help = "S3 delivers access logs to buckets that its own keys encrypt: remove `encryption` there";
                c.m.add(at("access_log"), format!("bucket.{} is encrypted with a key of its own", logs.name), help);
            }
        }
        if let Some(copy) = other(&bucket.replicate_to) {
            let wrong = match () {
                () if copy.name == bucket.name => {
                    Some(("a bucket is no copy of itself".to_owned(), "name another bucket"))
                }
                () if copy.replicate_to.is_some() => Some((
                    format!("bucket.{} is copied itself", copy.name),
                    "S3 does not copy copies: let the first bucket be copied, and that one not",
                )),
                () if !(bucket.versioning && copy.versioning) => Some((
                    format!("S3 copies versions, and bucket.{} or bucket.{} keeps none", bucket.name, copy.name),
                    "add `versioning = true` to both",
                )),
                () if bucket.encryption.is_some() && copy.encryption.is_none() => Some((
                    format!("bucket.{} says no key for the copies of encrypted objects", copy.name),
                    "add `encryption = \"key.NAME\"` there, too: it may be the same key",
                )),
                () => None,
            };
            if let Some((message, help)) = wrong {
                c.m.add(at("replicate_to"), message, help);
            }
        }
    }
    all
}

fn settings(c: &mut Context<'_>, s: &mut Section<'_>, bucket: &mut Bucket, places: &Places) {
    bucket.expire_versions_days = s.count(c.m, "expire_versions_days", 1..=36_500);
    if let Some(at) = s.node("expire_versions_days").map(|n| n.at.clone()).filter(|_| !bucket.versioning) {
        c.m.add(at, "the bucket keeps no versions", "add `versioning = true`, or remove `expire_versions_days`");
    }
    bucket.transition = transition(c, s, bucket.expire_days);
    let refer = |c: &mut Context<'_>, s: &mut Section<'_>, key, section, example| {
        let named = s.text(c.m, key, example).and_then(|t| c.dotted(section, t))?;
        places.borrow_mut().insert((bucket.name.clone(), key), named.clone());
        Some(named.value)
    };
    let encryption = refer(c, s, "encryption", "key", "\"key.NAME\"");
    let access_log = refer(c, s, "access_log", "bucket", "\"bucket.NAME\"");
    let replicate_to = refer(c, s, "replicate_to", "bucket", "\"bucket.NAME\"");
    (bucket.encryption, bucket.access_log, bucket.replicate_to) = (encryption, access_log, replicate_to);
    let example = "[{ origins = [\"https://example.com\"], methods = [\"GET\"] }]";
    for item in s.list(c.m, "cors", example) {
        let Value::Table(table) = &item.value else {
            c.m.add(item.at.clone(), "a rule of `cors` is a table", format!("write `cors = {example}`"));
            continue;
        };
        let mut rule = Section::new(format!("a rule of bucket.{}", bucket.name), item.at.clone(), table);
        bucket.cors.extend(cors(c, &mut rule));
        rule.finish(c.m);
    }
}

fn transition(c: &mut Context<'_>, s: &mut Section<'_>, expire_days: Option<u32>) -> Option<Transition> {
    let example = "{ days = 30, class = \"STANDARD_IA\" }";
    let mut inner = s.section(c.m, "transition", example)?;
    let days = inner.count(c.m, "days", 1..=36_500);
    if days.is_none() && inner.node("days").is_none() {
        inner.missing(c.m, "days", "30");
    }
    let days_at = inner.node("days").map(|n| n.at.clone()).unwrap_or_default();
    let class = inner.required(c.m, "class", "\"STANDARD_IA\"");
    inner.finish(c.m);
    let (days, class) = (days?, class?);
    let Some((_, least)) = CLASSES.iter().find(|(name, _)| *name == class.value) else {
        let help = suggest(&class.value, CLASSES.map(|(name, _)| name), "");
        c.m.add(class.at, format!("{} is no storage class to move to", quote(&class.value)), help);
        return None;
    };
    if days < *least {
        let message = format!("S3 moves nothing to {} before {least} days", class.value);
        c.m.add(days_at, message, format!("write `days = {least}`, or another class"));
    } else if expire_days.is_some_and(|expire| expire <= days) {
        c.m.add(days_at, "the objects expire before they move", "let them move earlier, or expire later");
    }
    Some(Transition { days, class: class.value })
}

fn cors(c: &mut Context<'_>, s: &mut Section<'_>) -> Option<CorsRule> {
    let mut origins = Vec::new();
    for origin in s.texts(c.m, "origins", "[\"https://example.com\"]") {
        let host = origin.value.strip_prefix("https://").or_else(|| origin.value.strip_prefix("http://"));
        let fine = origin.value == "*" || host.is_some_and(|h| !h.is_empty() && !h.contains(['/', ' ', '?', '#']));
        if !fine {
            let help = "a scheme and a host, without a path: `https://example.com`; `*` is every origin";
            c.m.add(origin.at, format!("{} is no origin", quote(&origin.value)), help);
        }
        origins.push(origin.value);
    }
    let mut methods = Vec::new();
    for method in s.texts(c.m, "methods", "[\"GET\"]") {
        if !METHODS.contains(&method.value.as_str()) {
            let message = format!("there is no method {} for `cors`", quote(&method.value));
            c.m.add(method.at, message, suggest(&method.value, METHODS, ""));
        }
        methods.push(method.value);
    }
    let headers = s.texts(c.m, "headers", "[\"Authorization\"]").into_iter().map(|h| h.value).collect();
    let max_age_seconds = s.count(c.m, "max_age_seconds", 0..=86_400);
    for (key, example) in [("origins", "[\"https://example.com\"]"), ("methods", "[\"GET\"]")] {
        if s.node(key).is_none() {
            s.missing(c.m, key, example);
        }
    }
    (!origins.is_empty() && !methods.is_empty()).then_some(CorsRule { origins, methods, headers, max_age_seconds })
}

pub(super) fn key(c: &mut Context<'_>, s: &mut Section<'_>, name: String) -> Option<(String, Key)> {
    let description = s.text(c.m, "description", "\"what it encrypts\"").map(|d| d.value).unwrap_or_default();
    let rotation = s.boolean(c.m, "rotation").unwrap_or(true);
    let deletion_days = s.count(c.m, "deletion_days", 7..=30).unwrap_or(30);
    Some((name, Key { description, rotation, deletion_days }))
}

/// A key-value table.
pub(super) fn key_table(c: &mut Context<'_>, s: &mut Section<'_>, name: String) -> Option<(String, KeyTable)> {
    let mut known: BTreeMap<String, KeyKind> = BTreeMap::new();
    let hash_key = attribute(c, s, "hash_key", &mut known);
    if s.node("hash_key").is_none() {
        s.missing(c.m, "hash_key", "{ id = \"string\" }");
    }
    let range_key = attribute(c, s, "range_key", &mut known);
    one_after_the_other(c, s, hash_key.as_ref(), range_key.as_ref());
    let mut indexes = Vec::new();
    if let Some(node) = s.node("index") {
        let all = match &node.value {
            Value::Table(all) => Some(all),
            _ => {
                let help = format!("each index has a section with its name: `[{}.index.by_date]`", s.title);
                c.m.add(node.at.clone(), "`index` is no table", help);
                None
            }
        };
        for (index, table, _) in all.into_iter().flat_map(Table::tables) {
            if !column_name(&index.value) || !(3..=128).contains(&index.value.len()) {
                let help = "3 to 128 lower-case letters, digits and `_`, the first a letter: `by_date`";
                c.m.add(index.at.clone(), format!("{} is no name for an index", quote(&index.value)), help);
            }
            let mut inner = Section::new(format!("{}.index.{}", s.title, index.value), index.at.clone(), table);
            let hash_key = attribute(c, &mut inner, "hash_key", &mut known);
            if inner.node("hash_key").is_none() {
                inner.missing(c.m, "hash_key", "{ date = \"string\" }");
            }
            let range_key = attribute(c, &mut inner, "range_key", &mut known);
            one_after_the_other(c, &mut inner, hash_key.as_ref(), range_key.as_ref());
            inner.finish(c.m);
            indexes.extend(hash_key.map(|hash_key| KeyIndex { name: index.value.clone(), hash_key, range_key }));
        }
        if indexes.len() > MOST_INDEXES {
            let message = format!("{} has {} indexes", s.title, indexes.len());
            c.m.add(node.at.clone(), message, format!("a table has at most {MOST_INDEXES}"));
        }
    }
    let ttl = s.text(c.m, "ttl", "\"expires_at\"");
    if let Some(ttl) = ttl.as_ref().filter(|t| known.contains_key(&t.value) || !attribute_name(&t.value)) {
        let help = "an attribute that is part of no key; it holds seconds since 1970";
        c.m.add(ttl.at.clone(), format!("{} cannot be the time to live", quote(&ttl.value)), help);
    }
    let point_in_time_recovery = s.boolean(c.m, "point_in_time_recovery").unwrap_or(false);
    let stream = s.text(c.m, "stream", "\"new_and_old_images\"");
    if let Some(stream) = stream.as_ref().filter(|t| !STREAMS.contains(&t.value.as_str())) {
        let message = format!("a stream of changes does not hold {}", quote(&stream.value));
        c.m.add(stream.at.clone(), message, suggest(&stream.value, STREAMS, ""));
    }
    let table = KeyTable {
        hash_key: hash_key?,
        range_key,
        indexes,
        ttl: ttl.map(|t| t.value),
        point_in_time_recovery,
        stream: stream.map(|t| t.value.to_ascii_uppercase()),
    };
    Some((name, table))
}

/// A key's second part is another attribute than its first.
fn one_after_the_other(
    c: &mut Context<'_>,
    s: &mut Section<'_>,
    hash_key: Option<&KeyAttribute>,
    range_key: Option<&KeyAttribute>,
) {
    if let (Some(hash), Some(range), Some(node)) = (hash_key, range_key, s.node("range_key"))
        && hash.name == range.name
    {
        let help = "items of one hash key are told apart by another attribute: name that one, or remove `range_key`";
        c.m.add(node.at.clone(), format!("{} is the hash key already", quote(&range.name)), help);
    }
}

fn attribute_name(name: &str) -> bool {
    (1..=255).contains(&name.len()) && name.trim() == name && !name.chars().any(|c| c.is_control() || c == '"')
}

/// `{ name = "kind" }`: one attribute; all that a table says of it are the same.
fn attribute(
    c: &mut Context<'_>,
    s: &mut Section<'_>,
    key: &'static str,
    known: &mut BTreeMap<String, KeyKind>,
) -> Option<KeyAttribute> {
    let pairs = s.pairs(c.m, key, "{ id = \"string\" }");
    let at = s.node(key).map(|n| n.at.clone())?;
    let [(name, kind)] = pairs.as_slice() else {
        if !pairs.is_empty() {
            c.m.add(at, format!("`{key}` is one attribute"), format!("write `{key} = {{ id = \"string\" }}`"));
        }
        return None;
    };
    if !attribute_name(&name.value) {
        let help = "1 to 255 characters, no quotes, no space at either end";
        c.m.add(name.at.clone(), format!("{} is no name for an attribute", quote(&name.value)), help);
    }
    let wanted = match kind.value.as_str() {
        "number" => KeyKind::Number,
        "string" => KeyKind::Text,
        other => {
            let message = format!("a key is no {}", quote(other));
            c.m.add(kind.at.clone(), message, suggest(other, KINDS, "a key is a number or a string"));
            return None;
        }
    };
    if let Some(before) = known.insert(name.value.clone(), wanted).filter(|before| *before != wanted) {
        let message = format!("{} is a {} before", quote(&name.value), before.word());
        c.m.add(kind.at.clone(), message, "an attribute that is part of keys has one kind in all of them");
    }
    Some(KeyAttribute { name: name.value.clone(), kind: wanted })
}

/// Reads the catalog tables that no job fills.
pub(super) fn tables(c: &mut Context<'_>, root: &Table, jobs: &[Job]) -> Vec<types::Table> {
    each(c, root, "table", |c, s, name| {
        if let Some(job) = jobs.iter().find(|j| j.table.as_deref() == Some(name.as_str())) {
            let help = "give the job's table or this one another name";
            c.m.add(s.at.clone(), format!("the table {} is filled by job.{}", quote(&name), job.name), help);
        }
        let from = s.required(c.m, "from", "\"bucket.NAME\"").and_then(|f| c.dotted("bucket", f));
        let prefix = s.required(c.m, "prefix", "\"raw/\"");
        let prefix = prefix.map(|p| key_prefix(c, p));
        let format = s.required(c.m, "format", "\"csv\"");
        if let Some(format) = format.as_ref().filter(|f| !FORMATS.contains(&f.value.as_str())) {
            let message = format!("a table is not read from {}", quote(&format.value));
            c.m.add(format.at.clone(), message, suggest(&format.value, FORMATS, ""));
        }
        let csv = format.as_ref().is_some_and(|f| f.value == "csv");
        let found = jobs::columns(c, s, "columns", if csv { &CSV_TYPES } else { &jobs::TYPES });
        if found.is_empty() && s.node("columns").is_none() {
            s.missing(c.m, "columns", "{ name = \"varchar\", amount = \"double\" }");
        }
        let columns = found.into_iter().map(|column| column.value).collect();
        Some(types::Table { name, from: from?.value, prefix: prefix?, format: format?.value, columns })
    })
}

/// What Athena reads from CSV as it is written: it takes dates and times there for numbers.
const CSV_TYPES: [&str; 5] = ["varchar", "double", "bigint", "integer", "boolean"];

/// A source of files.
pub(super) fn upload(c: &mut Context<'_>, s: &mut Section<'_>, name: String) -> Option<Upload> {
    let pattern = s.required(c.m, "files", "\"data/*.csv\"");
    let to = s.required(c.m, "to", "\"bucket.NAME\"").and_then(|t| c.dotted("bucket", t));
    let prefix = s.required(c.m, "prefix", "\"raw/\"");
    for key in ["url", "secret", "sample", "replay"] {
        if let Some(node) = s.node(key) {
            let help = "a source has an address or `files`, one of them";
            c.m.add(node.at.clone(), format!("`{key}` of a source of files"), help);
        }
    }
    if let Some(prefix) = prefix.as_ref().filter(|p| p.value.is_empty()) {
        let help = "what stands below it is the source's: `raw/`";
        c.m.add(prefix.at.clone(), "a source of files has a prefix", help);
    }
    let prefix = prefix.map(|p| key_prefix(c, p));
    let pattern = pattern?;
    let files = match c.files.matching(&pattern.value, UPLOAD_BYTES) {
        Ok(files) => files,
        Err(why) => {
            let help = "a path relative to the folder of pipeline.toml, with `*` in names: `data/*.csv`";
            c.m.add(pattern.at, format!("{} {why}", quote(&pattern.value)), help);
            return None;
        }
    };
    let prefix = prefix?;
    if let Some(path) = files.keys().find(|path| prefix.len() + path.len() > 1_024) {
        c.m.add(pattern.at, format!("the key of {} is too long", quote(path)), "a key has at most 1,024 bytes");
    }
    let names = pattern.value.rsplit('/').next().unwrap_or_default().to_owned();
    Some(Upload { name, pattern: names, files, to: to?.value, prefix })
}
