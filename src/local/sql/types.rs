//! Column types: Athena's words, and Arrow's types for them.

use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};

use crate::cloud::{Error, Result, catalog::Column};

/// Arrow's type for a type in Athena's words.
///
/// # Errors
/// [`Error::Invalid`] for a type that the embedded cloud cannot hold.
pub(crate) fn to_arrow(kind: &str) -> Result<DataType> {
    let kind = kind.trim().to_ascii_lowercase();
    let base = kind.split('(').next().unwrap_or_default().trim();
    Ok(match base {
        "varchar" | "string" | "char" => DataType::Utf8,
        "double" => DataType::Float64,
        "float" | "real" => DataType::Float32,
        "bigint" => DataType::Int64,
        "integer" | "int" => DataType::Int32,
        "smallint" => DataType::Int16,
        "tinyint" => DataType::Int8,
        "boolean" => DataType::Boolean,
        "timestamp" => DataType::Timestamp(TimeUnit::Microsecond, None),
        "date" => DataType::Date32,
        "binary" | "varbinary" => DataType::Binary,
        "decimal" => decimal(&kind)?,
        _ => {
            return Err(Error::invalid(format!(
                "type {kind:?} is unknown: use varchar, double, real, bigint, integer, smallint, tinyint, boolean, \
                 timestamp, date, varbinary or decimal(p, s)"
            )));
        }
    })
}

fn decimal(kind: &str) -> Result<DataType> {
    let inside = kind.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')')).unwrap_or("38, 0");
    let mut parts = inside.split(',').map(str::trim);
    let precision = parts.next().and_then(|p| p.parse::<u8>().ok());
    let scale = parts.next().map_or(Some(0), |s| s.parse::<i8>().ok());
    match (precision, scale) {
        (Some(p @ 1..=38), Some(s)) if s >= 0 && s.unsigned_abs() <= p => Ok(DataType::Decimal128(p, s)),
        _ => Err(Error::invalid(format!("type {kind:?}: decimal takes a precision of 1 to 38 and a scale up to it"))),
    }
}

/// Arrow's schema for the columns of a catalog table, whose names have no capital letters.
pub(crate) fn schema(columns: &[Column]) -> Result<SchemaRef> {
    of_columns(columns, str::to_lowercase)
}

/// Arrow's schema for columns that have the names of the files.
pub(crate) fn schema_as_written(columns: &[Column]) -> Result<SchemaRef> {
    of_columns(columns, str::to_owned)
}

fn of_columns(columns: &[Column], name: fn(&str) -> String) -> Result<SchemaRef> {
    let fields = columns
        .iter()
        .map(|c| {
            let kind = to_arrow(&c.kind).map_err(|e| Error::invalid(format!("column {:?}: {e}", c.name)))?;
            Ok(Field::new(name(&c.name), kind, true))
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(Schema::new(fields).into())
}

/// Athena's words for one of Arrow's types.
pub(crate) fn to_athena(kind: &DataType) -> String {
    match kind {
        DataType::Null => "unknown".into(),
        DataType::Boolean => "boolean".into(),
        DataType::Int8 => "tinyint".into(),
        DataType::Int16 | DataType::UInt8 => "smallint".into(),
        DataType::Int32 | DataType::UInt16 => "integer".into(),
        DataType::Int64 | DataType::UInt32 | DataType::UInt64 | DataType::Duration(_) => "bigint".into(),
        DataType::Float16 | DataType::Float32 => "real".into(),
        DataType::Float64 => "double".into(),
        DataType::Timestamp(_, None) => "timestamp".into(),
        DataType::Timestamp(_, Some(_)) => "timestamp with time zone".into(),
        DataType::Date32 | DataType::Date64 => "date".into(),
        DataType::Time32(_) | DataType::Time64(_) => "time".into(),
        DataType::Interval(_) => "interval".into(),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "varchar".into(),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            "varbinary".into()
        }
        DataType::Decimal32(p, s)
        | DataType::Decimal64(p, s)
        | DataType::Decimal128(p, s)
        | DataType::Decimal256(p, s) => format!("decimal({p},{s})"),
        DataType::List(f)
        | DataType::LargeList(f)
        | DataType::ListView(f)
        | DataType::LargeListView(f)
        | DataType::FixedSizeList(f, _) => format!("array({})", to_athena(f.data_type())),
        DataType::Struct(fields) => {
            let inside: Vec<_> = fields.iter().map(|f| format!("{} {}", f.name(), to_athena(f.data_type()))).collect();
            format!("row({})", inside.join(", "))
        }
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(fields) => {
                let inside: Vec<_> = fields.iter().map(|f| to_athena(f.data_type())).collect();
                format!("map({})", inside.join(", "))
            }
            _ => "map".into(),
        },
        DataType::Dictionary(_, value) => to_athena(value),
        DataType::RunEndEncoded(_, value) => to_athena(value.data_type()),
        DataType::Union(..) => "union".into(),
    }
}

/// Whether each value of `from` that `to` can hold at all comes out the same; those that it cannot hold make the cast
/// fail rather than change.
pub(crate) fn casts_without_loss(from: &DataType, to: &DataType) -> bool {
    use DataType as T;
    let (from, to) = (plain(from), plain(to));
    if from == to || *from == T::Null {
        return true;
    }
    match (from, to) {
        (f, t) if f.is_integer() && t.is_integer() => true,
        (f, T::Float64) => {
            matches!(f, T::Float32 | T::Float16 | T::Int8 | T::Int16 | T::Int32 | T::UInt8 | T::UInt16 | T::UInt32)
        }
        (f, T::Float32) => matches!(f, T::Float16 | T::Int8 | T::Int16 | T::UInt8 | T::UInt16),
        (f, T::Decimal128(..) | T::Decimal256(..)) if f.is_integer() => true,
        (T::Decimal128(_, from) | T::Decimal64(_, from) | T::Decimal32(_, from), T::Decimal128(_, to)) => to >= from,
        // Times are UTC; parts of a microsecond are cut off, as Athena's engine does.
        (T::LargeUtf8 | T::Utf8View, T::Utf8)
        | (T::LargeBinary | T::BinaryView | T::FixedSizeBinary(_), T::Binary)
        | (T::Timestamp(..) | T::Date32 | T::Date64, T::Timestamp(..))
        | (T::Date64, T::Date32) => true,
        _ => false,
    }
}

fn plain(kind: &DataType) -> &DataType {
    match kind {
        DataType::Dictionary(_, value) => value,
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_go_there_and_back() {
        for kind in [
            "varchar",
            "double",
            "real",
            "bigint",
            "integer",
            "smallint",
            "tinyint",
            "boolean",
            "timestamp",
            "date",
            "varbinary",
            "decimal(12,2)",
        ] {
            assert_eq!(to_athena(&to_arrow(kind).unwrap()), kind);
        }
        assert_eq!(to_arrow("decimal(12, 2)").unwrap(), DataType::Decimal128(12, 2));
        assert_eq!(to_arrow("VARCHAR(10)").unwrap(), DataType::Utf8);
        for bad in ["decimal(39,0)", "decimal(5,6)", "decimal(x)", "map(int,int)", "", "text"] {
            assert!(to_arrow(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_cast_that_changes_values_is_refused() {
        use DataType as T;
        assert!(casts_without_loss(&T::Int64, &T::Int32));
        assert!(casts_without_loss(&T::Utf8View, &T::Utf8));
        assert!(!casts_without_loss(&T::Float64, &T::Int64));
        assert!(!casts_without_loss(&T::Utf8, &T::Float64));
        assert!(!casts_without_loss(&T::Float64, &T::Utf8));
        assert!(!casts_without_loss(&T::Int64, &T::Float64));
    }
}
