//! Key-value tables: an item is a row, its key a text that sorts as DynamoDB's keys do.

mod items;
mod number;

use std::collections::BTreeSet;

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Transaction, params};
use serde_json::Value;

use super::{
    Local,
    lookup::{self, Deployed},
    store::sql,
};
use crate::cloud::{
    Error, Pages, Permit, Result,
    resources::{self, Properties},
    tables::{ItemPage, KeyIndex, KeyTable, Query, Tables},
};
pub(crate) use items::Key;
use items::{checked, in_index, key_of, only_key};

/// What is past its time by more than this is left, as DynamoDB does: five years, in seconds.
const TOO_OLD: i64 = 5 * 365 * 86_400;

/// The table as it is deployed.
pub(crate) fn settings(connection: &Connection, table: &str) -> Result<resources::KeyTable> {
    of(lookup::one(connection, "key_table", table)?)
}

fn of(deployed: Deployed) -> Result<resources::KeyTable> {
    match deployed.resource.properties {
        Properties::KeyTable(table) => Ok(table),
        other => Err(Error::storage(format!("{} is stored as a {}", deployed.resource.physical_name, other.kind()))),
    }
}

fn describe(connection: &Connection, deployed: Deployed) -> Result<KeyTable> {
    let (name, pipeline) = (deployed.resource.physical_name.clone(), deployed.pipeline.clone());
    let settings = of(deployed)?;
    let index = |i: &resources::KeyIndex| KeyIndex {
        name: i.name.clone(),
        hash_key: i.hash_key.name.clone(),
        range_key: i.range_key.as_ref().map(|k| k.name.clone()),
    };
    Ok(KeyTable {
        items: Some(count(connection, &name)?),
        name,
        pipeline,
        hash_key: settings.hash_key.name.clone(),
        range_key: settings.range_key.as_ref().map(|k| k.name.clone()),
        indexes: settings.indexes.iter().map(index).collect(),
        ttl: settings.ttl,
        point_in_time_recovery: Some(settings.point_in_time_recovery),
        stream: settings.stream,
    })
}

fn count(connection: &Connection, table: &str) -> Result<u64> {
    connection
        .prepare_cached("select count(*) from items where tbl = ?1")
        .and_then(|mut s| s.query_row([table], |r| r.get(0)))
        .map_err(sql)
}

/// Puts items in place of those with their keys, and tells how many that changed.
///
/// # Errors
/// [`Error::Invalid`] for an item that DynamoDB would not take; it names the item's place.
pub(crate) fn put(t: &Transaction<'_>, table: &str, settings: &resources::KeyTable, items: &[Value]) -> Result<usize> {
    let mut insert = t
        .prepare_cached(
            "insert into items (tbl, hash, range, item) values (?1, ?2, ?3, ?4) on conflict (tbl, hash, range) \
             do update set item = excluded.item where item <> excluded.item",
        )
        .map_err(sql)?;
    let mut changed = 0;
    for (n, item) in items.iter().enumerate() {
        let (key, item) =
            checked(settings, item).map_err(|e| Error::invalid(format!("item {} for {table}: {e}", n + 1)))?;
        changed += insert.execute(params![table, key.hash, key.range, item.to_string()]).map_err(sql)?;
    }
    Ok(changed)
}

/// Deletes every item whose key is not among these, and tells how many there were.
pub(crate) fn keep_only(t: &Transaction<'_>, table: &str, keys: &BTreeSet<Key>) -> Result<usize> {
    let there: Vec<Key> = t
        .prepare_cached("select hash, range from items where tbl = ?1")
        .and_then(|mut s| s.query_map([table], |r| Ok(Key { hash: r.get(0)?, range: r.get(1)? }))?.collect())
        .map_err(sql)?;
    let mut delete = t.prepare_cached("delete from items where tbl = ?1 and hash = ?2 and range = ?3").map_err(sql)?;
    let mut removed = 0;
    for key in there.iter().filter(|k| !keys.contains(k)) {
        removed += delete.execute(params![table, key.hash, key.range]).map_err(sql)?;
    }
    Ok(removed)
}

/// The key of an item for a table.
pub(crate) fn key(settings: &resources::KeyTable, item: &Value) -> Result<Key> {
    key_of(settings, item)
}

impl Local {
    /// Deletes the items whose time to live is over.
    pub(crate) fn expire_items(&self) -> Result<()> {
        let store = &self.inner.store;
        let now = self.inner.clock.now_ms() / 1_000;
        for table in store.read_now(|c| lookup::all(c, "key_table"))? {
            let name = table.resource.physical_name.clone();
            let Some(attribute) = of(table)?.ttl else { continue };
            let path = format!("$.\"{attribute}\"");
            let over = "tbl = ?1 and json_type(item, ?2) in ('integer', 'real') and json_extract(item, ?2) <= ?3 \
                        and json_extract(item, ?2) > ?4";
            let any: bool = store.read_now(|c| {
                c.prepare_cached(&format!("select exists (select 1 from items where {over})"))
                    .and_then(|mut s| s.query_row(params![name, path, now, now - TOO_OLD], |r| r.get(0)))
                    .map_err(sql)
            })?;
            if any {
                store.write_now(|t| {
                    t.execute(&format!("delete from items where {over}"), params![name, path, now, now - TOO_OLD])
                        .map_err(sql)
                })?;
            }
        }
        Ok(())
    }
}

fn parsed(text: &str) -> Result<Value> {
    serde_json::from_str(text).map_err(Error::storage)
}

/// A page of a table's items in the order of their keys; with `hash` those of one hash key alone.
fn page(
    connection: &Connection,
    table: &str,
    settings: &resources::KeyTable,
    hash: Option<&str>,
    after: Option<&Value>,
    limit: usize,
) -> Result<ItemPage> {
    let after = after.map(|key| only_key(settings, key)).transpose()?;
    let (h, r) = after.map_or((None, None), |k| (Some(k.hash), Some(k.range)));
    let mut statement = connection
        .prepare_cached(
            "select item from items where tbl = ?1 and (?2 is null or hash = ?2) \
             and (?3 is null or (hash, range) > (?3, ?4)) order by hash, range limit ?5",
        )
        .map_err(sql)?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX).max(1);
    let rows: Vec<String> = statement
        .query_map(params![table, hash, h, r, limit.saturating_add(1)], |row| row.get(0))
        .and_then(Iterator::collect)
        .map_err(sql)?;
    let mut items = rows.iter().map(|row| parsed(row)).collect::<Result<Vec<_>>>()?;
    let more = items.len() as i64 > limit;
    items.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    let next = items.last().filter(|_| more).map(|last| settings.key_attributes(last));
    Ok(ItemPage { items, next })
}

/// A page of an index: its items of one hash key, in the order of the index's range key, then of the table's own.
fn index_page(
    connection: &Connection,
    table: &str,
    settings: &resources::KeyTable,
    index: &resources::KeyIndex,
    asked: &Query,
) -> Result<ItemPage> {
    let hash = items::part(&index.hash_key, &asked.hash)?;
    let mut statement = connection.prepare_cached("select hash, range, item from items where tbl = ?1").map_err(sql)?;
    let mut rows = statement.query([table]).map_err(sql)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(sql)? {
        let item = parsed(row.get_ref(2).map_err(sql)?.as_str().map_err(Error::storage)?)?;
        let key = Key { hash: row.get(0).map_err(sql)?, range: row.get(1).map_err(sql)? };
        if let Some(in_index) = in_index(index, &item).filter(|k| k.hash == hash) {
            found.push(((in_index.range, key), item));
        }
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    if let Some(after) = &asked.after {
        let key = key_of(settings, after)?;
        let of_index =
            in_index(index, after).ok_or_else(|| Error::invalid("a page begins after a key of the index"))?;
        found.retain(|(place, _)| *place > (of_index.range.clone(), key.clone()));
    }
    let more = found.len() > asked.limit.max(1);
    found.truncate(asked.limit.max(1));
    let items: Vec<Value> = found.into_iter().map(|(_, item)| item).collect();
    let next = items.last().filter(|_| more).map(|last| {
        let mut key = settings.key_attributes(last);
        if let (Some(key), Some(item)) = (key.as_object_mut(), last.as_object()) {
            for attribute in [Some(&index.hash_key), index.range_key.as_ref()].into_iter().flatten() {
                key.extend(item.get(&attribute.name).map(|v| (attribute.name.clone(), v.clone())));
            }
        }
        key
    });
    Ok(ItemPage { items, next })
}

#[async_trait]
impl Tables for Local {
    fn list(&self) -> Pages<'_, KeyTable> {
        Pages::once(async move {
            let all = |c: &Connection| lookup::all(c, "key_table")?.into_iter().map(|d| describe(c, d)).collect();
            self.inner.store.read(all).await
        })
    }

    async fn describe(&self, table: &str) -> Result<KeyTable> {
        let table = table.to_owned();
        self.inner.store.read(move |c| describe(c, lookup::one(c, "key_table", &table)?)).await
    }

    async fn put(&self, permit: &Permit, table: &str, items: &[Value]) -> Result<()> {
        permit.check("dynamodb:BatchWriteItem", table)?;
        let (table, items) = (table.to_owned(), items.to_vec());
        self.inner.store.write(move |t| put(t, &table, &settings(t, &table)?, &items).map(drop)).await
    }

    async fn get(&self, table: &str, key: &Value) -> Result<Option<Value>> {
        let (table, key) = (table.to_owned(), key.clone());
        self.inner
            .store
            .read(move |c| {
                let key = only_key(&settings(c, &table)?, &key)?;
                let found: Option<String> = c
                    .prepare_cached("select item from items where tbl = ?1 and hash = ?2 and range = ?3")
                    .and_then(|mut s| s.query_row(params![table, key.hash, key.range], |r| r.get(0)).optional())
                    .map_err(sql)?;
                found.as_deref().map(parsed).transpose()
            })
            .await
    }

    async fn scan(&self, table: &str, after: Option<&Value>, limit: usize) -> Result<ItemPage> {
        let (table, after) = (table.to_owned(), after.cloned());
        self.inner.store.read(move |c| page(c, &table, &settings(c, &table)?, None, after.as_ref(), limit)).await
    }

    async fn query(&self, table: &str, asked: &Query) -> Result<ItemPage> {
        let (table, asked) = (table.to_owned(), asked.clone());
        self.inner
            .store
            .read(move |c| {
                let settings = settings(c, &table)?;
                let Some(name) = &asked.index else {
                    let hash = items::part(&settings.hash_key, &asked.hash)?;
                    return page(c, &table, &settings, Some(&hash), asked.after.as_ref(), asked.limit);
                };
                let index = settings.indexes.iter().find(|i| i.name == *name);
                let index = index.ok_or_else(|| Error::not_found("index", format!("{table} {name}")))?;
                index_page(c, &table, &settings, index, &asked)
            })
            .await
    }

    async fn count(&self, table: &str) -> Result<u64> {
        let table = table.to_owned();
        self.inner
            .store
            .read(move |c| {
                lookup::must_exist(c, "key_table", &table)?;
                count(c, &table)
            })
            .await
    }

    async fn delete(&self, permit: &Permit, table: &str, key: &Value) -> Result<()> {
        permit.check("dynamodb:DeleteItem", table)?;
        let (table, key) = (table.to_owned(), key.clone());
        self.inner
            .store
            .write(move |t| {
                let key = only_key(&settings(t, &table)?, &key)?;
                t.prepare_cached("delete from items where tbl = ?1 and hash = ?2 and range = ?3")
                    .and_then(|mut s| s.execute(params![table, key.hash, key.range]))
                    .map_err(sql)?;
                Ok(())
            })
            .await
    }
}

#[cfg(test)]
mod tests;
