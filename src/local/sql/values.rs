//! Values of a result, as JSON.

use datafusion::arrow::{
    array::{Array, AsArray, RecordBatch},
    datatypes::{DataType, Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, TimeUnit},
    datatypes::{
        TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType, UInt8Type,
        UInt16Type, UInt32Type, UInt64Type,
    },
    error::ArrowError,
    util::display::{ArrayFormatter, FormatOptions},
};
use jiff::{Timestamp, tz::TimeZone};
use serde_json::{Number, Value};

/// The rows of a batch: numbers, booleans, text and nulls.
pub(crate) fn rows(batch: &RecordBatch) -> Result<Vec<Vec<Value>>, ArrowError> {
    let mut rows: Vec<Vec<Value>> = (0..batch.num_rows()).map(|_| Vec::with_capacity(batch.num_columns())).collect();
    for column in batch.columns() {
        let values = values(column.as_ref())?;
        for (row, value) in rows.iter_mut().zip(values) {
            row.push(value);
        }
    }
    Ok(rows)
}

fn values(array: &dyn Array) -> Result<Vec<Value>, ArrowError> {
    macro_rules! primitive {
        ($kind:ty, $value:expr) => {
            Ok(array.as_primitive::<$kind>().iter().map(|v| v.map_or(Value::Null, $value)).collect())
        };
    }
    match array.data_type() {
        DataType::Null => Ok(vec![Value::Null; array.len()]),
        DataType::Boolean => Ok(array.as_boolean().iter().map(|v| v.map_or(Value::Null, Value::Bool)).collect()),
        DataType::Int8 => primitive!(Int8Type, Value::from),
        DataType::Int16 => primitive!(Int16Type, Value::from),
        DataType::Int32 => primitive!(Int32Type, Value::from),
        DataType::Int64 => primitive!(Int64Type, Value::from),
        DataType::UInt8 => primitive!(UInt8Type, Value::from),
        DataType::UInt16 => primitive!(UInt16Type, Value::from),
        DataType::UInt32 => primitive!(UInt32Type, Value::from),
        DataType::UInt64 => primitive!(UInt64Type, Value::from),
        DataType::Float16 => primitive!(Float16Type, |v| float(f64::from(v))),
        // By way of its shortest text: 0.1 stays 0.1.
        DataType::Float32 => primitive!(Float32Type, |v| float(v.to_string().parse().unwrap_or(f64::from(v)))),
        DataType::Float64 => primitive!(Float64Type, float),
        DataType::Utf8 => Ok(array.as_string::<i32>().iter().map(text).collect()),
        DataType::LargeUtf8 => Ok(array.as_string::<i64>().iter().map(text).collect()),
        DataType::Utf8View => Ok(array.as_string_view().iter().map(text).collect()),
        DataType::Timestamp(unit, zone) => {
            let zoned = zone.is_some();
            match unit {
                TimeUnit::Second => {
                    primitive!(TimestampSecondType, |v| timestamp(i128::from(v) * 1_000_000_000, zoned))
                }
                TimeUnit::Millisecond => {
                    primitive!(TimestampMillisecondType, |v| timestamp(i128::from(v) * 1_000_000, zoned))
                }
                TimeUnit::Microsecond => {
                    primitive!(TimestampMicrosecondType, |v| timestamp(i128::from(v) * 1_000, zoned))
                }
                TimeUnit::Nanosecond => primitive!(TimestampNanosecondType, |v| timestamp(i128::from(v), zoned)),
            }
        }
        _ => {
            let formatter = ArrayFormatter::try_new(array, &FormatOptions::default())?;
            (0..array.len())
                .map(|i| {
                    if array.is_null(i) {
                        return Ok(Value::Null);
                    }
                    Ok(Value::String(formatter.value(i).try_to_string()?))
                })
                .collect()
        }
    }
}

fn text(value: Option<&str>) -> Value {
    value.map_or(Value::Null, Value::from)
}

fn float(value: f64) -> Value {
    let word = if value.is_nan() {
        "NaN"
    } else if value > 0.0 {
        "Infinity"
    } else {
        "-Infinity"
    };
    Number::from_f64(value).map_or_else(|| Value::from(word), Value::Number)
}

/// As Athena prints it: milliseconds, and more digits where there are more.
fn timestamp(nanoseconds: i128, zoned: bool) -> Value {
    let Ok(time) = Timestamp::from_nanosecond(nanoseconds) else {
        return Value::from(format!("{nanoseconds} ns"));
    };
    let civil = time.to_zoned(TimeZone::UTC).datetime();
    let fraction = i64::from(civil.subsec_nanosecond());
    let digits = if fraction % 1_000_000 == 0 {
        3
    } else if fraction % 1_000 == 0 {
        6
    } else {
        9
    };
    let mut text = format!("{} {:02}:{:02}:{:02}", civil.date(), civil.hour(), civil.minute(), civil.second());
    text.push('.');
    text.extend(format!("{fraction:09}").chars().take(digits));
    if zoned {
        text.push_str(" UTC");
    }
    Value::from(text)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::{
        ArrayRef, Date32Array, Decimal128Array, Float32Array, Float64Array, Int64Array, StringArray,
        TimestampMicrosecondArray,
    };
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_as_documented() {
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("i", Arc::new(Int64Array::from(vec![Some(9_007_199_254_740_993), None]))),
            ("f", Arc::new(Float64Array::from(vec![f64::NAN, f64::NEG_INFINITY]))),
            ("r", Arc::new(Float32Array::from(vec![0.1, -2.5]))),
            ("s", Arc::new(StringArray::from(vec![Some("a\nb"), None]))),
            ("d", Arc::new(Date32Array::from(vec![20_777, 0]))),
            ("t", Arc::new(TimestampMicrosecondArray::from(vec![1_795_183_402_000_000, -1]))),
            ("n", Arc::new(Decimal128Array::from(vec![12_345, -5]).with_precision_and_scale(10, 2).unwrap())),
        ];
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let rows = rows(&batch).unwrap();
        assert_eq!(
            rows[0],
            vec![
                json!(9_007_199_254_740_993_i64),
                json!("NaN"),
                json!(0.1),
                json!("a\nb"),
                json!("2026-11-20"),
                json!("2026-11-20 14:03:22.000"),
                json!("123.45"),
            ]
        );
        assert_eq!(
            rows[1],
            vec![
                json!(null),
                json!("-Infinity"),
                json!(-2.5),
                json!(null),
                json!("1970-01-01"),
                json!("1969-12-31 23:59:59.999999"),
                json!("-0.05"),
            ]
        );
    }
}
