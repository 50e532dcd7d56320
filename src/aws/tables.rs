//! Key-value tables (Amazon DynamoDB).

use std::{collections::HashMap, time::Duration};

use async_trait::async_trait;
use aws_sdk_dynamodb::types::{
    AttributeValue, KeySchemaElement, KeyType, PutRequest, Select, TableDescription, WriteRequest,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use futures::{StreamExt, stream};
use serde_json::{Map, Number, Value};

use super::{Aws, bare, error::failed};
use crate::cloud::{
    Error, Pages, Permit, Result,
    tables::{ItemPage, KeyIndex, KeyTable, Query, Tables},
};

/// Descriptions that are asked for at once.
const AT_ONCE: usize = 8;
/// Items in one request.
const IN_ONE: usize = 25;
/// How often what was not written is written again, and how long that waits at first.
const ATTEMPTS: u32 = 8;
const PAUSE: Duration = Duration::from_millis(100);

type Item = HashMap<String, AttributeValue>;

#[async_trait]
impl Tables for Aws {
    fn list(&self) -> Pages<'_, KeyTable> {
        Pages::follow(move |after| async move {
            let asked = self.client.dynamodb().await?.list_tables().set_exclusive_start_table_name(after);
            let answer = asked.send().await.map_err(failed("dynamodb:ListTables", "key-value table", "*"))?;
            let asked = stream::iter(answer.table_names.unwrap_or_default())
                .map(|name| async move { (name.clone(), Box::pin(self.table(name)).await) })
                .buffered(AT_ONCE)
                .collect()
                .await;
            let owners = self.owners().await;
            let page = bare::page(asked, |name| KeyTable { pipeline: owners.pipeline(&name), ..unknown(name) })?;
            Ok((page, answer.last_evaluated_table_name))
        })
    }

    async fn describe(&self, table: &str) -> Result<KeyTable> {
        let found = Box::pin(self.table(table.to_owned())).await?;
        let mut found = found.ok_or_else(|| Error::not_found("key-value table", table))?;
        // What may not be read is not known; the rest is.
        let asked = self.client.dynamodb().await?.describe_time_to_live().table_name(table).send().await;
        if let Ok(answer) = asked {
            let on = answer.time_to_live_description.filter(|t| {
                t.time_to_live_status.as_ref().is_some_and(|s| matches!(s.as_str(), "ENABLED" | "ENABLING"))
            });
            found.ttl = on.and_then(|t| t.attribute_name);
        }
        let asked = self.client.dynamodb().await?.describe_continuous_backups().table_name(table).send().await;
        if let Ok(answer) = asked {
            let recovery = answer
                .continuous_backups_description
                .and_then(|c| c.point_in_time_recovery_description)
                .and_then(|p| p.point_in_time_recovery_status);
            found.point_in_time_recovery = recovery.map(|status| status.as_str() == "ENABLED");
        }
        Ok(found)
    }

    async fn put(&self, permit: &Permit, table: &str, items: &[Value]) -> Result<()> {
        permit.check("dynamodb:BatchWriteItem", table)?;
        for some in items.chunks(IN_ONE) {
            let requests = some.iter().map(|item| {
                let request =
                    PutRequest::builder().set_item(Some(attributes(item)?)).build().map_err(Error::invalid)?;
                Ok(WriteRequest::builder().put_request(request).build())
            });
            self.write(table, requests.collect::<Result<_>>()?).await?;
            permit.wrote(some.len() as u64);
        }
        Ok(())
    }

    async fn get(&self, table: &str, key: &Value) -> Result<Option<Value>> {
        let asked = self.client.dynamodb().await?.get_item().table_name(table).set_key(Some(attributes(key)?));
        let answer = asked.send().await.map_err(failed("dynamodb:GetItem", "key-value table", table))?;
        Ok(answer.item.as_ref().map(object))
    }

    async fn scan(&self, table: &str, after: Option<&Value>, limit: usize) -> Result<ItemPage> {
        let mut items = Vec::new();
        let mut after = after.map(attributes).transpose()?;
        while items.len() < limit {
            let wanted = i32::try_from(limit - items.len()).unwrap_or(i32::MAX);
            let asked = self.client.dynamodb().await?.scan().table_name(table).limit(wanted);
            let asked = asked.set_exclusive_start_key(after).send();
            let answer = asked.await.map_err(failed("dynamodb:Scan", "key-value table", table))?;
            items.extend(answer.items.unwrap_or_default().iter().map(object));
            after = answer.last_evaluated_key.filter(|key| !key.is_empty());
            if after.is_none() {
                break;
            }
        }
        Ok(ItemPage { items, next: after.as_ref().map(object) })
    }

    async fn query(&self, table: &str, asked: &Query) -> Result<ItemPage> {
        let described = Box::pin(self.table(table.to_owned())).await?;
        let described = described.ok_or_else(|| Error::not_found("key-value table", table))?;
        let hash_key = match &asked.index {
            None => described.hash_key,
            Some(name) => {
                let index = described.indexes.into_iter().find(|i| i.name == *name);
                index.ok_or_else(|| Error::not_found("index", format!("{table} {name}")))?.hash_key
            }
        };
        let mut items = Vec::new();
        let mut after = asked.after.as_ref().map(attributes).transpose()?;
        while items.len() < asked.limit {
            let wanted = i32::try_from(asked.limit - items.len()).unwrap_or(i32::MAX);
            let call = self.client.dynamodb().await?.query().table_name(table).limit(wanted);
            let call = call
                .set_index_name(asked.index.clone())
                .key_condition_expression("#hash = :hash")
                .expression_attribute_names("#hash", &hash_key)
                .expression_attribute_values(":hash", attribute(&asked.hash))
                .set_exclusive_start_key(after);
            let answer = call.send().await.map_err(failed("dynamodb:Query", "key-value table", table))?;
            items.extend(answer.items.unwrap_or_default().iter().map(object));
            after = answer.last_evaluated_key.filter(|key| !key.is_empty());
            if after.is_none() {
                break;
            }
        }
        Ok(ItemPage { items, next: after.as_ref().map(object) })
    }

    async fn count(&self, table: &str) -> Result<u64> {
        let (mut count, mut after) = (0_u64, None);
        loop {
            let call = self.client.dynamodb().await?.scan().table_name(table).select(Select::Count);
            let answer = call.consistent_read(true).set_exclusive_start_key(after).send().await;
            let answer = answer.map_err(failed("dynamodb:Scan", "key-value table", table))?;
            count += u64::try_from(answer.count).unwrap_or(0);
            after = answer.last_evaluated_key.filter(|key| !key.is_empty());
            if after.is_none() {
                return Ok(count);
            }
        }
    }

    async fn delete(&self, permit: &Permit, table: &str, key: &Value) -> Result<()> {
        permit.check("dynamodb:DeleteItem", table)?;
        let asked = self.client.dynamodb().await?.delete_item().table_name(table).set_key(Some(attributes(key)?));
        asked.send().await.map_err(failed("dynamodb:DeleteItem", "key-value table", table))?;
        Ok(())
    }
}

impl Aws {
    /// A table; none where it went away since the list was made.
    async fn table(&self, name: String) -> Result<Option<KeyTable>> {
        let asked = self.client.dynamodb().await?.describe_table().table_name(&name).send().await;
        let answer = match asked.map_err(failed("dynamodb:DescribeTable", "key-value table", &name)) {
            Err(Error::NotFound { .. }) => return Ok(None),
            other => other?,
        };
        let Some(table) = answer.table else { return Ok(None) };
        Ok(Some(KeyTable {
            pipeline: self.owners().await.pipeline(&name),
            hash_key: key(table.key_schema.as_deref(), &KeyType::Hash).unwrap_or_default(),
            range_key: key(table.key_schema.as_deref(), &KeyType::Range),
            items: table.item_count.and_then(|n| u64::try_from(n).ok()),
            indexes: indexes(&table),
            ttl: None,
            point_in_time_recovery: None,
            stream: table
                .stream_specification
                .filter(|s| s.stream_enabled)
                .and_then(|s| s.stream_view_type)
                .map(|s| s.as_str().to_owned()),
            name,
        }))
    }

    /// Writes at most [`IN_ONE`] items; what the table did not take is written again.
    async fn write(&self, table: &str, mut requests: Vec<WriteRequest>) -> Result<()> {
        for attempt in 0..ATTEMPTS {
            let asked = self.client.dynamodb().await?.batch_write_item().request_items(table, requests);
            let answer = asked.send().await.map_err(failed("dynamodb:BatchWriteItem", "key-value table", table))?;
            requests = answer.unprocessed_items.unwrap_or_default().remove(table).unwrap_or_default();
            if requests.is_empty() {
                return Ok(());
            }
            tokio::time::sleep(PAUSE * 2_u32.pow(attempt.min(6))).await;
        }
        Err(Error::Throttled(format!("{table} has not taken {} items", requests.len())))
    }
}

/// A table of which nothing but its name is known.
fn unknown(name: String) -> KeyTable {
    KeyTable {
        name,
        pipeline: None,
        hash_key: String::new(),
        range_key: None,
        items: None,
        indexes: Vec::new(),
        ttl: None,
        point_in_time_recovery: None,
        stream: None,
    }
}

fn indexes(table: &TableDescription) -> Vec<KeyIndex> {
    let index = |i: &aws_sdk_dynamodb::types::GlobalSecondaryIndexDescription| {
        Some(KeyIndex {
            name: i.index_name.clone()?,
            hash_key: key(i.key_schema.as_deref(), &KeyType::Hash)?,
            range_key: key(i.key_schema.as_deref(), &KeyType::Range),
        })
    };
    table.global_secondary_indexes.as_deref().unwrap_or_default().iter().filter_map(index).collect()
}

fn key(keys: Option<&[KeySchemaElement]>, kind: &KeyType) -> Option<String> {
    keys.unwrap_or_default().iter().find(|k| k.key_type == *kind).map(|k| k.attribute_name.clone())
}

/// An item or a key: a JSON object as attributes.
fn attributes(item: &Value) -> Result<Item> {
    let object = item.as_object().ok_or_else(|| Error::invalid("an item is a JSON object"))?;
    Ok(object.iter().map(|(name, value)| (name.clone(), attribute(value))).collect())
}

fn attribute(value: &Value) -> AttributeValue {
    match value {
        Value::Null => AttributeValue::Null(true),
        Value::Bool(b) => AttributeValue::Bool(*b),
        Value::Number(n) => AttributeValue::N(n.to_string()),
        Value::String(text) => AttributeValue::S(text.clone()),
        Value::Array(list) => AttributeValue::L(list.iter().map(attribute).collect()),
        Value::Object(object) => AttributeValue::M(object.iter().map(|(n, v)| (n.clone(), attribute(v))).collect()),
    }
}

/// Attributes as a JSON object, by name. A number that JSON numbers cannot hold exactly is text, bytes are base64.
fn object(item: &Item) -> Value {
    let mut names: Vec<&String> = item.keys().collect();
    names.sort_unstable();
    Value::Object(names.into_iter().filter_map(|n| Some((n.clone(), json(item.get(n)?)))).collect::<Map<_, _>>())
}

fn json(value: &AttributeValue) -> Value {
    let bytes = |b: &aws_smithy_types::Blob| Value::from(STANDARD.encode(b.as_ref()));
    match value {
        AttributeValue::B(b) => bytes(b),
        AttributeValue::Bool(b) => Value::Bool(*b),
        AttributeValue::Bs(list) => list.iter().map(bytes).collect(),
        AttributeValue::L(list) => list.iter().map(json).collect(),
        AttributeValue::M(object_of) => object(object_of),
        AttributeValue::N(text) => number(text),
        AttributeValue::Ns(list) => list.iter().map(|text| number(text)).collect(),
        AttributeValue::S(text) => Value::from(text.as_str()),
        AttributeValue::Ss(list) => list.iter().map(|text| Value::from(text.as_str())).collect(),
        // Null, and kinds that are younger than this.
        _ => Value::Null,
    }
}

fn number(text: &str) -> Value {
    if let Ok(n) = text.parse::<i64>() {
        return n.into();
    }
    let exact = text.parse::<f64>().ok().and_then(Number::from_f64).filter(|n| n.to_string() == text);
    exact.map_or_else(|| Value::from(text), Value::Number)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_item_comes_back_as_it_went() {
        let item = json!({"a": 1, "b": "text", "c": [true, null, {"d": 1.5}], "e": -7});
        assert_eq!(object(&attributes(&item).unwrap()), item);
        assert!(attributes(&json!([1])).is_err());
    }

    #[test]
    fn a_number_that_json_would_round_stays_as_it_is() {
        assert_eq!(number("12345678901234567890123"), json!("12345678901234567890123"));
        assert_eq!(number("0.1"), json!(0.1));
        assert_eq!(number("1.10"), json!("1.10"));
    }
}
