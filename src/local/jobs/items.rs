//! A job's rows as the items of a key-value table: put again, they are there once.

use std::collections::BTreeSet;

use datafusion::arrow::{array::RecordBatch, datatypes::DataType};
use rusqlite::Transaction;
use serde_json::{Map, Number, Value};

use crate::{
    cloud::{Error, Result, resources},
    local::{
        sql::{errors, values},
        tables,
    },
};

/// Items that one run may put: they are written in one transaction.
const MOST: usize = 1_000_000;

/// The rows of a batch as items; what is null is left out.
pub(super) fn of_batch(batch: &RecordBatch, items: &mut Vec<Value>) -> Result<()> {
    let schema = batch.schema();
    for row in values::rows(batch).map_err(|e| Error::failed(errors::arrow(&e)))? {
        let mut item = Map::new();
        for (field, value) in schema.fields().iter().zip(row) {
            let value = match (field.data_type(), value) {
                (_, Value::Null) => continue,
                (DataType::Decimal128(..) | DataType::Decimal256(..), Value::String(text)) => decimal(&text)?,
                (kind, Value::String(text)) if kind.is_floating() => {
                    return Err(Error::failed(format!("{text} is no number that DynamoDB holds")));
                }
                (_, value) => value,
            };
            if item.insert(field.name().clone(), value).is_some() {
                return Err(Error::failed(format!(
                    "the SQL gives column {:?} twice: name one of them anew",
                    field.name()
                )));
            }
        }
        items.push(Value::Object(item));
    }
    if items.len() > MOST {
        return Err(Error::failed(format!("more than {MOST} items: a run puts them at once, and no more")));
    }
    Ok(())
}

/// A decimal as a number, where JSON holds it as it is.
fn decimal(text: &str) -> Result<Value> {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let number = text.parse::<i64>().map(Number::from).ok();
    let number = number.or_else(|| text.parse().ok().filter(|_| digits <= 15).and_then(Number::from_f64));
    let number =
        number.ok_or_else(|| Error::failed(format!("{text} has too many digits: cast it to double in the SQL")))?;
    Ok(Value::Number(number))
}

/// What putting the items did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Put {
    /// Items that are new or other than before.
    pub(super) changed: usize,
    /// Items that the run did not give, and that were deleted for it.
    pub(super) removed: usize,
}

/// Puts the items, and deletes the others where the job says so.
pub(super) fn put(t: &Transaction<'_>, table: &str, items: &[Value], replace: bool) -> Result<Put> {
    let settings: resources::KeyTable = tables::settings(t, table)?;
    let mut keys = BTreeSet::new();
    for item in items {
        let key = tables::key(&settings, item).map_err(|e| Error::failed(format!("a row for {table}: {e}")))?;
        if !keys.insert(key) {
            return Err(Error::failed(format!(
                "two rows have the key {}, and {table} holds one item a key: group them in the SQL",
                settings.key_attributes(item)
            )));
        }
    }
    let changed = tables::put(t, table, &settings, items)?;
    let removed = if replace { tables::keep_only(t, table, &keys)? } else { 0 };
    Ok(Put { changed, removed })
}
