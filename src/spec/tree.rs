//! TOML as a tree that knows where each part of it stands, and the reading of typed values from it.
#![allow(clippy::single_match_else, reason = "what is right and what is wrong stand side by side")]

use std::{
    collections::BTreeMap,
    ops::{Range, RangeInclusive},
};

use toml::de::{DeTable, DeValue};

use super::diagnostic::{Mistakes, quote, suggest};

/// A list has at most so many items.
const MOST_ITEMS: usize = 100;

/// Where there are more errors of syntax than this, the text is something else.
const MOST_ERRORS: usize = 5;

/// A value and where it stands.
#[derive(Debug, Clone)]
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) at: Range<usize>,
}

pub(super) type Node = At<Value>;

/// A TOML value.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Text(String),
    /// None: too great for 64 bits.
    Integer(Option<i64>),
    Float(f64),
    Boolean(bool),
    Datetime,
    Array(Vec<Node>),
    Table(Table),
}

/// A table in the order of the file.
#[derive(Debug, Clone, Default)]
pub(super) struct Table {
    pub(super) entries: Vec<(At<String>, Node)>,
}

impl Value {
    fn word(&self) -> &'static str {
        match self {
            Self::Text(_) => "a text",
            Self::Integer(_) => "a whole number",
            Self::Float(_) => "a number",
            Self::Boolean(_) => "true or false",
            Self::Datetime => "a time",
            Self::Array(_) => "a list",
            Self::Table(_) => "a table",
        }
    }
}

impl Table {
    pub(super) fn get(&self, key: &str) -> Option<&Node> {
        self.entries.iter().find(|(k, _)| k.value == key).map(|(_, node)| node)
    }

    /// The tables in it, by key.
    pub(super) fn tables(&self) -> impl Iterator<Item = (&At<String>, &Table, Range<usize>)> {
        self.entries.iter().filter_map(|(key, node)| match &node.value {
            Value::Table(table) => Some((key, table, node.at.clone())),
            _ => None,
        })
    }

    /// Puts what `other` has in place of what this has; tables are merged key by key.
    pub(super) fn merge(&mut self, other: &Table) {
        for (key, node) in &other.entries {
            let own = self.entries.iter_mut().find(|(k, _)| k.value == key.value);
            match own {
                None => self.entries.push((key.clone(), node.clone())),
                Some((_, own)) => match (&mut own.value, &node.value) {
                    (Value::Table(mine), Value::Table(theirs)) => mine.merge(theirs),
                    _ => *own = node.clone(),
                },
            }
        }
    }
}

/// Parses a document. Syntax errors are noted, and what could be read in spite of them is given.
pub(super) fn parse(source: &str, mistakes: &mut Mistakes) -> Table {
    if let Some(at) = deep_key(source) {
        mistakes.add(
            at,
            "a key with too many parts",
            "a key has at most five parts: `env.prod.bucket.landing.versioning`",
        );
        return Table::default();
    }
    let (table, errors) = DeTable::parse_recoverable(source);
    // What is no TOML at all is wrong everywhere: one place tells it.
    let most = if errors.len() > MOST_ERRORS { 1 } else { MOST_ERRORS };
    let mut repeated: Option<usize> = None;
    for error in errors.into_iter().take(most) {
        let at = error.span().unwrap_or(0..0);
        if error.message().contains("duplicate key") {
            // A section that stands twice has keys that stand twice: the section tells it.
            let between = repeated.and_then(|end| source.get(end..at.start));
            repeated = Some(at.end);
            if between.is_some_and(|text| !text.contains("\n[")) {
                continue;
            }
        }
        mistakes.add(at, format!("this is no TOML: {}", error.message()), syntax_help(error.message()));
    }
    convert_table(table.get_ref())
}

fn syntax_help(message: &str) -> &'static str {
    if message.contains("duplicate key") {
        "a key or a section stands once: remove one of the two, or give it another name"
    } else if message.contains("recursion") {
        "nothing in a pipeline is nested so deep"
    } else if message.starts_with("unclosed") {
        "add the closing bracket or quote"
    } else {
        "a line is `[section.name]` or `key = value`; text stands in quotes, a list in `[ ]`, a table in `{ }`"
    }
}

/// The parser goes down one level for each part of a dotted key; a line of thousands would overflow the stack.
fn deep_key(source: &str) -> Option<Range<usize>> {
    let mut start = 0;
    for line in source.split_inclusive('\n') {
        let (mut dots, mut quoted) = (0, None);
        for c in line.chars() {
            match (quoted, c) {
                (None, '"' | '\'') => quoted = Some(c),
                (Some(q), c) if q == c => quoted = None,
                (Some(_), _) => {}
                (None, '#') => break,
                (None, '.') => dots += 1,
                (None, c) if c.is_alphanumeric() || matches!(c, '_' | '-' | ' ' | '\t') => {}
                (None, _) => dots = 0,
            }
            if dots > 64 {
                return Some(start..start + line.trim_end().len());
            }
        }
        start += line.len();
    }
    None
}

fn convert_table(table: &DeTable<'_>) -> Table {
    let mut entries: Vec<(At<String>, Node)> = table
        .iter()
        .map(|(key, value)| {
            let key = At { value: key.get_ref().to_string(), at: key.span() };
            (key, At { value: convert(value.get_ref()), at: value.span() })
        })
        .collect();
    entries.sort_by_key(|(key, _)| key.at.start);
    Table { entries }
}

fn convert(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(number) => Value::Integer(i64::from_str_radix(number.as_str(), number.radix()).ok()),
        DeValue::Float(number) => Value::Float(number.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(value) => Value::Boolean(*value),
        DeValue::Datetime(_) => Value::Datetime,
        DeValue::Array(items) => {
            Value::Array(items.iter().map(|v| At { value: convert(v.get_ref()), at: v.span() }).collect())
        }
        DeValue::Table(table) => Value::Table(convert_table(table)),
    }
}

/// Reads one table's keys. Those that nobody asked for are mistakes.
pub(super) struct Section<'a> {
    /// What it is, for messages: `bucket.landing`.
    pub(super) title: String,
    /// Its header.
    pub(super) at: Range<usize>,
    table: &'a Table,
    asked: Vec<&'static str>,
}

impl<'a> Section<'a> {
    pub(super) fn new(title: impl Into<String>, at: Range<usize>, table: &'a Table) -> Self {
        Self { title: title.into(), at, table, asked: Vec::new() }
    }

    /// The value of a key.
    pub(super) fn node(&mut self, key: &'static str) -> Option<&'a Node> {
        if !self.asked.contains(&key) {
            self.asked.push(key);
        }
        self.table.get(key)
    }

    /// Notes that a key is missing.
    pub(super) fn missing(&self, m: &mut Mistakes, key: &str, example: &str) {
        m.add(self.at.clone(), format!("{} has no `{key}`", self.title), format!("add `{key} = {example}`"));
    }

    fn wrong(&self, m: &mut Mistakes, node: &Node, key: &str, wanted: &str, example: &str) {
        m.add(
            node.at.clone(),
            format!("`{key}` of {} is {}, not {wanted}", self.title, node.value.word()),
            format!("write `{key} = {example}`"),
        );
    }

    pub(super) fn text(&mut self, m: &mut Mistakes, key: &'static str, example: &str) -> Option<At<String>> {
        let node = self.node(key)?;
        match &node.value {
            Value::Text(text) => Some(At { value: text.clone(), at: node.at.clone() }),
            _ => {
                self.wrong(m, node, key, "a text", example);
                None
            }
        }
    }

    /// A text that must be there.
    pub(super) fn required(&mut self, m: &mut Mistakes, key: &'static str, example: &str) -> Option<At<String>> {
        let text = self.text(m, key, example);
        if self.table.get(key).is_none() {
            self.missing(m, key, example);
        }
        text
    }

    pub(super) fn boolean(&mut self, m: &mut Mistakes, key: &'static str) -> Option<bool> {
        let node = self.node(key)?;
        match node.value {
            Value::Boolean(value) => Some(value),
            _ => {
                self.wrong(m, node, key, "true or false", "true");
                None
            }
        }
    }

    /// A whole number within a range.
    pub(super) fn integer(&mut self, m: &mut Mistakes, key: &'static str, range: RangeInclusive<i64>) -> Option<i64> {
        let node = self.node(key)?;
        let (low, high) = (*range.start(), *range.end());
        match node.value {
            Value::Integer(Some(value)) if range.contains(&value) => Some(value),
            Value::Integer(_) => {
                m.add(
                    node.at.clone(),
                    format!("`{key}` of {} is out of range", self.title),
                    format!("a whole number from {low} to {high}"),
                );
                None
            }
            _ => {
                let meant = match &node.value {
                    Value::Text(text) => text.trim().parse().ok().filter(|n| range.contains(n)),
                    _ => None,
                };
                self.wrong(m, node, key, "a whole number", &meant.unwrap_or(low.max(1)).to_string());
                None
            }
        }
    }

    /// A whole number within a range that 32 bits hold.
    pub(super) fn count(&mut self, m: &mut Mistakes, key: &'static str, range: RangeInclusive<u32>) -> Option<u32> {
        let range = i64::from(*range.start())..=i64::from(*range.end());
        self.integer(m, key, range).and_then(|n| u32::try_from(n).ok())
    }

    /// A finite number.
    pub(super) fn number(&mut self, m: &mut Mistakes, key: &'static str, example: &str) -> Option<At<f64>> {
        let node = self.node(key)?;
        let value = match node.value {
            Value::Integer(Some(value)) => value as f64,
            Value::Float(value) if value.is_finite() => value,
            Value::Float(_) | Value::Integer(None) => {
                m.add(
                    node.at.clone(),
                    format!("`{key}` of {} is no finite number", self.title),
                    format!("write `{key} = {example}`"),
                );
                return None;
            }
            _ => {
                self.wrong(m, node, key, "a number", example);
                return None;
            }
        };
        Some(At { value, at: node.at.clone() })
    }

    /// A table inside of this one.
    pub(super) fn section(&mut self, m: &mut Mistakes, key: &'static str, example: &str) -> Option<Section<'a>> {
        let node = self.node(key)?;
        match &node.value {
            Value::Table(table) => Some(Section::new(format!("`{key}` of {}", self.title), node.at.clone(), table)),
            _ => {
                self.wrong(m, node, key, "a table", example);
                None
            }
        }
    }

    /// A list's items.
    pub(super) fn list(&mut self, m: &mut Mistakes, key: &'static str, example: &str) -> &'a [Node] {
        let Some(node) = self.node(key) else { return &[] };
        match &node.value {
            Value::Array(items) => {
                if let Some(first) = items.get(MOST_ITEMS) {
                    let message = format!("`{key}` of {} has {} items", self.title, items.len());
                    m.add(first.at.clone(), message, format!("a list has at most {MOST_ITEMS}"));
                }
                items.get(..MOST_ITEMS.min(items.len())).unwrap_or_default()
            }
            _ => {
                self.wrong(m, node, key, "a list", example);
                &[]
            }
        }
    }

    /// A list of texts.
    pub(super) fn texts(&mut self, m: &mut Mistakes, key: &'static str, example: &str) -> Vec<At<String>> {
        let mut texts = Vec::new();
        for item in self.list(m, key, example) {
            match &item.value {
                Value::Text(text) => texts.push(At { value: text.clone(), at: item.at.clone() }),
                _ => self.wrong(m, item, key, "a list of texts", example),
            }
        }
        texts
    }

    /// A table of texts, in the order of the file.
    pub(super) fn pairs(
        &mut self,
        m: &mut Mistakes,
        key: &'static str,
        example: &str,
    ) -> Vec<(At<String>, At<String>)> {
        let Some(inner) = self.section(m, key, example) else { return Vec::new() };
        let mut pairs = Vec::new();
        for (name, node) in &inner.table.entries {
            match &node.value {
                Value::Text(text) => pairs.push((name.clone(), At { value: text.clone(), at: node.at.clone() })),
                _ => inner.wrong(m, node, &name.value, "a text", "\"...\""),
            }
        }
        pairs
    }

    /// Notes the keys that nobody asked for.
    pub(super) fn finish(self, m: &mut Mistakes) {
        self.unknown(m);
    }

    /// The same, for a section of which something is read later.
    pub(super) fn unknown(&self, m: &mut Mistakes) {
        for (key, _) in &self.table.entries {
            if !self.asked.contains(&key.value.as_str()) {
                m.add(
                    key.at.clone(),
                    format!("{} has no key {}", self.title, quote(&key.value)),
                    suggest(&key.value, self.asked.iter().copied(), "nothing may stand here"),
                );
            }
        }
    }
}

/// Texts by name, for a place that wants no order.
pub(super) fn map(pairs: Vec<(At<String>, At<String>)>) -> BTreeMap<String, String> {
    pairs.into_iter().map(|(k, v)| (k.value, v.value)).collect()
}
