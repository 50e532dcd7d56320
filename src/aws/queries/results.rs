//! The rows of a result: page after page, typed by their columns.

use aws_sdk_athena::types::{ColumnInfo, Row};
use serde_json::{Number, Value};

use crate::{
    aws::{Aws, error::failed},
    cloud::{Result, catalog::Column, queries::QueryResult, reading::Kind},
};

/// The rows of a result where no limit is given.
const LIMIT: usize = 100_000;
/// The most that AWS gives at once.
const PER_PAGE: usize = 1_000;

/// Reads rows up to a limit; 0 means the usual one.
pub(super) async fn read(aws: &Aws, id: &str, kind: Kind, limit: usize) -> Result<QueryResult> {
    let limit = if limit == 0 { LIMIT } else { limit };
    let athena = aws.client.athena().await?;
    let mut result = QueryResult::default();
    let mut kinds: Option<Vec<String>> = None;
    let mut token = None;
    loop {
        // One more than is wanted tells whether there are more; the first page may begin with the columns' names.
        let header = usize::from(kinds.is_none());
        let want = (limit - result.rows.len() + 1 + header).min(PER_PAGE);
        let page = athena
            .get_query_results()
            .query_execution_id(id)
            .max_results(want as i32)
            .set_next_token(token.take())
            .send()
            .await
            .map_err(failed("athena:GetQueryResults", "query execution", id))?;
        token = page.next_token.filter(|t| !t.is_empty());
        let Some(set) = page.result_set else { break };
        let mut rows = set.rows.unwrap_or_default();
        let first = kinds.is_none();
        let kinds = kinds.get_or_insert_with(|| {
            let infos = set.result_set_metadata.and_then(|m| m.column_info).unwrap_or_default();
            if kind != Kind::Catalog && rows.first().is_some_and(|row| is_header(row, &infos)) {
                rows.remove(0);
            }
            result.columns = infos.iter().map(column).collect();
            infos.into_iter().map(|c| c.r#type).collect()
        });
        debug_assert!(first || header == 0);
        result.rows.extend(rows.into_iter().map(|row| values(row, kinds)));
        if result.rows.len() > limit {
            result.rows.truncate(limit);
            result.truncated = true;
            break;
        }
        if token.is_none() {
            break;
        }
    }
    Ok(result)
}

/// Athena puts the columns' names before the rows of a query, but not before those of SHOW and DESCRIBE.
fn is_header(row: &Row, columns: &[ColumnInfo]) -> bool {
    let data = row.data();
    !data.is_empty()
        && data.len() == columns.len()
        && data.iter().zip(columns).all(|(datum, column)| {
            let name = datum.var_char_value().unwrap_or_default();
            name == column.name() || Some(name) == column.label()
        })
}

fn column(info: &ColumnInfo) -> Column {
    let kind = match info.r#type() {
        "decimal" => format!("decimal({},{})", info.precision(), info.scale()),
        "float" => "real".to_owned(),
        other => other.to_owned(),
    };
    let name = info.label().filter(|l| !l.is_empty()).unwrap_or(info.name());
    Column { name: name.to_owned(), kind }
}

fn values(row: Row, kinds: &[String]) -> Vec<Value> {
    let mut data = row.data.unwrap_or_default().into_iter();
    kinds.iter().map(|kind| value(kind, data.next().and_then(|d| d.var_char_value))).collect()
}

/// A value as its type has it; what cannot be read as such stays text.
fn value(kind: &str, text: Option<String>) -> Value {
    let Some(text) = text else { return Value::Null };
    let number = match kind {
        "tinyint" | "smallint" | "integer" | "int" | "bigint" => text.parse::<i64>().ok().map(Number::from),
        "double" | "float" | "real" => text.parse::<f64>().ok().and_then(Number::from_f64),
        "boolean" => {
            return match text.as_str() {
                "true" => Value::Bool(true),
                "false" => Value::Bool(false),
                _ => Value::String(text),
            };
        }
        _ => None,
    };
    number.map_or(Value::String(text), Value::Number)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_have_their_types() {
        let of = |kind: &str, text: &str| value(kind, Some(text.to_owned()));
        assert_eq!(of("bigint", "9007199254740993"), json!(9_007_199_254_740_993_i64));
        assert_eq!(of("integer", "-1"), json!(-1));
        assert_eq!(of("double", "1.5"), json!(1.5));
        assert_eq!(of("double", "1.0E10"), json!(1e10));
        assert_eq!(of("double", "NaN"), json!("NaN"));
        assert_eq!(of("double", "Infinity"), json!("Infinity"));
        assert_eq!(of("boolean", "true"), json!(true));
        assert_eq!(of("decimal", "123.45"), json!("123.45"));
        assert_eq!(of("varchar", "5"), json!("5"));
        assert_eq!(of("varchar", ""), json!(""));
        assert_eq!(of("timestamp", "2026-11-20 14:03:22.000"), json!("2026-11-20 14:03:22.000"));
        assert_eq!(of("integer", "many"), json!("many"));
        assert_eq!(value("integer", None), json!(null));
    }
}
