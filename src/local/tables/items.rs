//! Items and their keys: what DynamoDB takes, and how it sorts.

use serde_json::Value;

use super::number::Decimal;
use crate::cloud::{
    Error, Result,
    resources::{KeyAttribute, KeyIndex, KeyKind, KeyTable},
};

/// The limit of an item, in bytes.
const LARGEST: usize = 400 * 1_024;
/// The limits of a key's text, in bytes.
const LONGEST_HASH: usize = 2_048;
const LONGEST_RANGE: usize = 1_024;
/// How deep lists and maps may stand in each other.
const DEEPEST: usize = 32;

/// A key, each part as a text that sorts as the value does.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) hash: String,
    pub(crate) range: String,
}

/// An item with its key, its numbers in their one form.
pub(super) fn checked(table: &KeyTable, item: &Value) -> Result<(Key, Value)> {
    if !item.is_object() {
        return Err(Error::invalid("an item is a JSON object"));
    }
    let key = key_of(table, item)?;
    for index in &table.indexes {
        for attribute in [Some(&index.hash_key), index.range_key.as_ref()].into_iter().flatten() {
            if let Some(value) = item.get(&attribute.name) {
                part(attribute, value).map_err(|e| Error::invalid(format!("index {}: {e}", index.name)))?;
            }
        }
    }
    let item = plain(item, 0)?;
    let size = item.to_string().len();
    if size > LARGEST {
        return Err(Error::invalid(format!("an item has at most 400 KiB, and this one has {size} bytes")));
    }
    Ok((key, item))
}

fn plain(value: &Value, depth: usize) -> Result<Value> {
    if depth > DEEPEST {
        return Err(Error::invalid(format!("lists and maps may stand in each other {DEEPEST} deep, and no deeper")));
    }
    Ok(match value {
        Value::Number(number) => Decimal::of(number)?.json(number),
        Value::Array(list) => Value::Array(list.iter().map(|v| plain(v, depth + 1)).collect::<Result<_>>()?),
        Value::Object(map) => {
            let mut names: Vec<&String> = map.keys().collect();
            names.sort_unstable();
            let inner = names.into_iter().filter_map(|n| Some((n, map.get(n)?)));
            Value::Object(inner.map(|(n, v)| Ok((n.clone(), plain(v, depth + 1)?))).collect::<Result<_>>()?)
        }
        other => other.clone(),
    })
}

/// The key of an item.
pub(super) fn key_of(table: &KeyTable, item: &Value) -> Result<Key> {
    let one = |attribute: &KeyAttribute, longest: usize| {
        let value = item
            .get(&attribute.name)
            .ok_or_else(|| Error::invalid(format!("the key attribute {:?} is missing", attribute.name)))?;
        let text = part(attribute, value)?;
        if text.len() > longest + 1 {
            return Err(Error::invalid(format!(
                "the key attribute {:?} is longer than {longest} bytes",
                attribute.name
            )));
        }
        Ok(text)
    };
    let range = table.range_key.as_ref().map(|k| one(k, LONGEST_RANGE)).transpose()?;
    Ok(Key { hash: one(&table.hash_key, LONGEST_HASH)?, range: range.unwrap_or_default() })
}

/// A key that is given by itself: its attributes, and the index's beside them, but nothing else.
pub(super) fn only_key(table: &KeyTable, key: &Value) -> Result<Key> {
    let of_table = |name: &String| {
        *name == table.hash_key.name || table.range_key.as_ref().is_some_and(|range| range.name == *name)
    };
    if let Some(other) = key.as_object().and_then(|key| key.keys().find(|name| !of_table(name))) {
        return Err(Error::invalid(format!("{other:?} is no part of the table's key")));
    }
    key_of(table, key)
}

/// The key that an item has in an index; none where it lacks one of its attributes.
pub(super) fn in_index(index: &KeyIndex, item: &Value) -> Option<Key> {
    let hash = part(&index.hash_key, item.get(&index.hash_key.name)?).ok()?;
    let range = match &index.range_key {
        Some(range) => part(range, item.get(&range.name)?).ok()?,
        None => String::new(),
    };
    Some(Key { hash, range })
}

/// One part of a key as a text that sorts as the value does.
pub(super) fn part(attribute: &KeyAttribute, value: &Value) -> Result<String> {
    let wrong = || {
        let (name, kind) = (&attribute.name, attribute.kind.word());
        Error::invalid(format!("the key attribute {name:?} is a {kind}, and {} is none", short(value)))
    };
    match (attribute.kind, value) {
        (KeyKind::Number, Value::Number(number)) => Ok(Decimal::of(number)?.sortable()),
        (KeyKind::Text, Value::String(text)) if text.is_empty() => {
            Err(Error::invalid(format!("the key attribute {:?} is empty", attribute.name)))
        }
        (KeyKind::Text, Value::String(text)) => Ok(format!("S{text}")),
        _ => Err(wrong()),
    }
}

fn short(value: &Value) -> String {
    let text = value.to_string();
    let mut short: String = text.chars().take(40).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}
