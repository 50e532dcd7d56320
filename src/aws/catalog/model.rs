//! Tables and partitions: from the SDK's to ours, Hive's words to Athena's.

use std::collections::HashMap;

use aws_sdk_glue::types;

use crate::{
    aws::time::optional,
    cloud::catalog::{Column, Partition, Table},
};

/// Types within types that are looked into; the rest stays as it is.
const DEEPEST: usize = 50;

/// A table.
pub(super) fn table(database: &str, table: types::Table) -> Table {
    let format = format(&table).to_owned();
    let storage = table.storage_descriptor;
    let keys = columns(table.partition_keys.unwrap_or_default());
    Table {
        // Of a link, the answer names the database that it leads to.
        database: database.to_owned(),
        name: table.name,
        format,
        location: storage.as_ref().and_then(|s| s.location.clone()).unwrap_or_default(),
        columns: columns(storage.and_then(|s| s.columns).unwrap_or_default()),
        // Without any key there is nothing to count.
        partitions: keys.is_empty().then_some(0),
        partition_keys: keys,
        updated: optional(table.update_time.as_ref()).or_else(|| optional(table.create_time.as_ref())),
    }
}

/// A partition.
pub(super) fn partition(partition: types::Partition) -> Partition {
    Partition {
        values: partition.values.unwrap_or_default(),
        location: partition.storage_descriptor.and_then(|s| s.location).unwrap_or_default(),
        created: optional(partition.creation_time.as_ref()),
    }
}

fn columns(columns: Vec<types::Column>) -> Vec<Column> {
    let column = |c: types::Column| Column { name: c.name.to_lowercase(), kind: athena(&c.r#type.unwrap_or_default()) };
    columns.into_iter().map(column).collect()
}

/// The format of a table's files, in our words.
fn format(table: &types::Table) -> &'static str {
    let parameter = |all: Option<&HashMap<String, String>>, name: &str| {
        all.and_then(|p| p.get(name)).map(|v| v.to_lowercase()).unwrap_or_default()
    };
    let own = |name: &str| parameter(table.parameters.as_ref(), name);
    if table.table_type.as_deref() == Some("VIRTUAL_VIEW") {
        return "view";
    }
    for kind in [own("table_type"), own("spark.sql.sources.provider")] {
        match kind.as_str() {
            "iceberg" => return "iceberg",
            "delta" => return "delta",
            "hudi" => return "hudi",
            _ => {}
        }
    }
    let Some(storage) = &table.storage_descriptor else { return by_word(&own("classification")) };
    let input = storage.input_format.as_deref().unwrap_or_default().to_lowercase();
    if input.contains("hudi") || input.contains("hoodie") {
        return "hudi";
    }
    let serde = storage.serde_info.as_ref();
    let library = serde.and_then(|s| s.serialization_library.as_deref()).unwrap_or_default().to_lowercase();
    if library.contains("lazysimple") {
        let separator = parameter(serde.and_then(|s| s.parameters.as_ref()), "field.delim");
        let json = own("classification") == "json";
        return match separator.as_str() {
            _ if json => "json",
            "," | ";" | "|" | "\t" => "csv",
            _ => "text",
        };
    }
    let found = [library, own("classification"), input];
    found.iter().map(|word| by_word(word)).find(|found| !found.is_empty()).unwrap_or_default()
}

fn by_word(word: &str) -> &'static str {
    let known: [(&str, &str); 10] = [
        ("parquet", "parquet"),
        ("orc", "orc"),
        ("avro", "avro"),
        ("json", "json"),
        ("csv", "csv"),
        ("ion", "ion"),
        ("regex", "text"),
        ("grok", "text"),
        ("xml", "xml"),
        ("text", "text"),
    ];
    // `ion` ends many a word.
    let holds =
        |part: &str| if part == "ion" { word == "ion" || word.contains("ionhive") } else { word.contains(part) };
    known.iter().find(|(part, _)| holds(part)).map_or("", |(_, format)| format)
}

/// A type in Athena's words.
pub(super) fn athena(hive: &str) -> String {
    let kind: String = hive.trim().to_lowercase();
    inner(&kind, 0).unwrap_or(kind)
}

fn inner(kind: &str, depth: usize) -> Option<String> {
    let kind = kind.trim();
    if depth > DEEPEST {
        return None;
    }
    let within = |name: &str| kind.strip_prefix(name)?.trim_start().strip_prefix('<')?.trim_end().strip_suffix('>');
    if let Some(item) = within("array") {
        return Some(format!("array({})", inner(item, depth + 1)?));
    }
    if let Some(pair) = within("map") {
        let [key, value] = parts(pair).try_into().ok()?;
        return Some(format!("map({}, {})", inner(key, depth + 1)?, inner(value, depth + 1)?));
    }
    if let Some(fields) = within("struct") {
        let fields: Option<Vec<_>> = parts(fields)
            .into_iter()
            .map(|field| {
                let (name, kind) = field.split_once(':')?;
                Some(format!("{} {}", name.trim(), inner(kind, depth + 1)?))
            })
            .collect();
        return Some(format!("row({})", fields?.join(", ")));
    }
    let word = match kind {
        "string" => "varchar",
        "int" => "integer",
        "float" => "real",
        "long" => "bigint",
        "short" => "smallint",
        "byte" => "tinyint",
        "binary" => "varbinary",
        "timestamptz" | "timestamp with local time zone" => "timestamp with time zone",
        other => other,
    };
    Some(word.to_owned())
}

/// What commas part, but those within brackets.
fn parts(text: &str) -> Vec<&str> {
    let (mut found, mut depth, mut from) = (Vec::new(), 0_i32, 0);
    for (at, c) in text.char_indices() {
        match c {
            '<' | '(' => depth += 1,
            '>' | ')' => depth -= 1,
            ',' if depth == 0 => {
                found.extend(text.get(from..at));
                from = at + 1;
            }
            _ => {}
        }
    }
    found.extend(text.get(from..));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hive_types_are_athenas() {
        for (hive, wanted) in [
            ("string", "varchar"),
            ("INT", "integer"),
            ("decimal(10,2)", "decimal(10,2)"),
            ("array<string>", "array(varchar)"),
            ("map<string,array<int>>", "map(varchar, array(integer))"),
            ("struct<a:int,b:struct<c:string,d:decimal(3,1)>>", "row(a integer, b row(c varchar, d decimal(3,1)))"),
            ("varchar(20)", "varchar(20)"),
            ("", ""),
            ("array<", "array<"),
            ("struct<a>", "struct<a>"),
            ("uniontype<int,string>", "uniontype<int,string>"),
        ] {
            assert_eq!(athena(hive), wanted);
        }
        let deep = format!("{}int{}", "array<".repeat(5_000), ">".repeat(5_000));
        assert_eq!(athena(&deep), deep);
    }

    fn stored(serde: &str, input: &str, parameters: &[(&str, &str)]) -> types::Table {
        let serde = types::SerDeInfo::builder().serialization_library(serde);
        let serde = parameters.iter().fold(serde, |s, (k, v)| s.parameters(*k, *v)).build();
        let storage = types::StorageDescriptor::builder().serde_info(serde).input_format(input).build();
        types::Table::builder().name("t").storage_descriptor(storage).build().unwrap()
    }

    #[test]
    fn formats_have_our_words() {
        let lazy = "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe";
        let text = "org.apache.hadoop.mapred.TextInputFormat";
        let tables = vec![
            (stored("org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe", "", &[]), "parquet"),
            (stored("org.openx.data.jsonserde.JsonSerDe", text, &[]), "json"),
            (stored("org.apache.hive.hcatalog.data.JsonSerDe", text, &[]), "json"),
            (stored("org.apache.hadoop.hive.serde2.OpenCSVSerde", text, &[]), "csv"),
            (stored(lazy, text, &[("field.delim", ",")]), "csv"),
            (stored(lazy, text, &[]), "text"),
            (stored("org.apache.hadoop.hive.ql.io.orc.OrcSerde", "", &[]), "orc"),
            (stored("com.amazon.ionhiveserde.IonHiveSerDe", "", &[]), "ion"),
            (stored("", "", &[]), ""),
            (types::Table::builder().name("v").table_type("VIRTUAL_VIEW").build().unwrap(), "view"),
            (types::Table::builder().name("i").parameters("table_type", "ICEBERG").build().unwrap(), "iceberg"),
            (types::Table::builder().name("n").build().unwrap(), ""),
        ];
        for (table, wanted) in tables {
            assert_eq!(format(&table), wanted);
        }
    }

    #[test]
    fn a_table_of_which_nothing_is_told_is_a_table() {
        let bare = super::table("d", types::Table::builder().name("t").build().unwrap());
        assert_eq!((bare.name.as_str(), bare.columns.len(), bare.partitions), ("t", 0, Some(0)));
    }
}
